"""Strict switches for every test, and fixtures that several folders share.

Warnings are errors (pyproject.toml). JAX stays in its default precision: the library switches float64 on where it
needs it, and tests that need it ask for the fixture `float64`.
"""

import os
import re

os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import jax
import pytest

from hank_mfg.template import EXAMPLE

hypothesis.settings.register_profile("project", derandomize=True, deadline=None, max_examples=25)
hypothesis.settings.load_profile("project")


@pytest.fixture
def float64():
    """JAX with float64 arrays, for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def write_model(tmp_path):
    """Write the example model with some of its text replaced; returns the path of the file."""

    def write(*replacements: tuple[str, str], name: str = "my_model.py"):
        text = EXAMPLE.read_text()
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def refuses():
    """Check that a call raises ValueError with one sentence on one line that contains every given piece of text."""

    def check(call, *pieces: str):
        with pytest.raises(ValueError) as caught:
            call()
        message = str(caught.value)
        assert "\n" not in message, message
        assert message.endswith((".", "?")), message
        assert not re.search(r"[.!?] [A-Z]", message), f"more than one sentence: {message}"
        for piece in pieces:
            assert piece in message, f"{piece!r} is not in: {message}"
        return message

    return check


@pytest.fixture
def points_to():
    """Check that a message which names a line of a file names one that the given replacements wrote."""

    def check(message: str, path, replacements) -> None:
        line = int(re.search(r", line (\d+)", message)[1])
        text = path.read_text().splitlines()[line - 1]
        written = [part.strip() for _, new in replacements for part in new.splitlines()]
        assert any(part and part in text for part in written), f"line {line} is {text!r}"

    return check
