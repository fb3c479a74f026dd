"""Lines about what takes long: when the first one comes, how many there are, and that they end with the work."""

import io
import sys
import threading
import time

import pytest

from hank_mfg import progress
from hank_mfg.progress import Course, lines_every, telling


@pytest.fixture
def hasty(monkeypatch):
    """Lines every hundredth of a second instead of every ten."""
    monkeypatch.setattr(progress, "OFTEN", 0.01)


def work(verbose, until=lambda: True):
    with telling("solve", verbose) as lines:
        lines.step("compiling")
        lines.now("update 3 of 4")
        limit = time.monotonic() + 60.0
        while not until() and time.monotonic() < limit:
            time.sleep(0.01)


def test_verbose_tells_of_the_step_at_once_and_then_where_it_is(hasty, monkeypatch):
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    work(True, until=lambda: err.getvalue().count("update 3 of 4") >= 2)
    texts = [line.rpartition(" (")[0] for line in err.getvalue().splitlines()]  # seconds depend on the machine
    assert texts[0] == "solve: compiling" and set(texts[1:]) <= {"solve: compiling", "solve: update 3 of 4"}
    assert texts.count("solve: update 3 of 4") >= 2 and texts[-1] == "solve: update 3 of 4"
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("(repeat)")]


def test_nothing_is_said_before_the_first_step(hasty, capsys):
    with telling("solve", True):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_what_is_quick_says_nothing_unless_asked(capsys):
    work(None)
    work(False)
    assert capsys.readouterr().err == ""


def test_the_command_line_chooses_for_what_it_calls_and_an_argument_goes_before(hasty, capsys):
    with lines_every(0.01):
        work(None)
        assert capsys.readouterr().err.startswith("solve: compiling")
        work(False)
    with lines_every(None):
        work(None)
    work(None)
    assert capsys.readouterr().err == ""


def test_time_left_is_that_of_the_updates_still_to_be_made(monkeypatch):
    clock = iter([100.0, 110.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    assert Course(200, 20)(40) == "update 40 of 200, at most 80 s left"  # 20 of them took 10 s
