"""Strict switches for every test, and fixtures that several folders share.

Warnings are errors (pyproject.toml). JAX stays in its default precision: the library switches float64 on where it
needs it, and tests that need it ask for the fixture `float64`.

Everything is compiled in one way, without costly optimizations, and kept in one folder of the checkout, which all
processes of a session share and later sessions find again.
"""
# ruff: noqa: E402 - the environment is set before JAX is imported

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import os
import platform
import re
import shutil
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from unittest import mock


def compiled_folder(most: int = 2**30) -> Path:
    """Where compiled programs are kept, one folder for each jaxlib and processor; the oldest beyond `most` bytes go.

    JAX finds a program by its code, the compiler's flags and its version: a program that has changed is not found.
    """
    facts = Path("/proc/cpuinfo")
    flags = re.search(r"^(flags|Features).*", facts.read_text(), re.MULTILINE) if facts.exists() else None
    processor = platform.machine() + (flags[0] if flags else "")
    name = f"{version('jaxlib')}-{hashlib.sha256(processor.encode()).hexdigest()[:8]}"
    folder = Path(__file__).parents[1] / ".pytest_cache" / "compiled" / name
    folder.mkdir(parents=True, exist_ok=True)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder))
        size = sum(bytes_ for _, bytes_, _ in files)
        for _, bytes_, path in files:
            if size <= most:
                break
            Path(path).unlink(missing_ok=True)
            size -= bytes_
    return folder


# Before JAX is imported, and inherited by every process that a test starts. Tests compile thousands of small programs
# and run each for a moment: LLVM without its costly passes takes a quarter less of the time.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(compiled_folder()))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import equinox as eqx
import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filelock import FileLock

import hank_mfg as hm
from hank_mfg.cli.template import EXAMPLE
from hank_mfg.solve.gradient.economies import HISTORY, untrained
from hank_mfg.solve.play.rollout import Decision, Play, State, Step, rollout

hypothesis.settings.register_profile("project", derandomize=True, deadline=None, max_examples=25)
hypothesis.settings.load_profile("project")


def pytest_configure(config):
    """Warnings are errors, except that tiny trainings did not converge: tests of that use pytest.warns."""
    for said in ("Updates ran out", "The objective of the game", r"\d+ updates are too few"):
        config.addinivalue_line("filterwarnings", f"ignore:{said}:hank_mfg.solve.train.NotConvergedWarning")
    # A process that was killed while it kept a program leaves half of it: JAX compiles it again, and says so.
    config.addinivalue_line("filterwarnings", "ignore:Error (reading|writing) persistent compilation cache entry")


@pytest.fixture(autouse=True, scope="module")
def room_for_programs():
    """Let go of compiled programs before the process has as many pieces of memory as Linux allows, 65,530.

    Every program takes some; at the limit the compiler crashes. What is needed again is read from the cache on disk.
    """
    yield
    pieces = Path("/proc/self/maps")
    if pieces.exists() and len(pieces.read_text().splitlines()) > 25_000:
        jax.clear_caches()


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


class Outcome(NamedTuple):
    """What a command left behind: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def printed(self) -> dict:
        """The one JSON object on standard output; NaN and infinity are no JSON."""

        def refuse(constant):
            raise AssertionError(f"{constant} is no JSON: {self.out}")

        assert self.status == 0, self.err
        content = json.loads(self.out, parse_constant=refuse)
        assert isinstance(content, dict)
        return content


@pytest.fixture(scope="session")
def command():
    """Run the command line in this process; returns an `Outcome`."""
    from hank_mfg.cli.main import main

    kept = ("jax_persistent_cache_min_compile_time_secs", "jax_persistent_cache_min_entry_size_bytes")

    def run(*arguments) -> Outcome:
        before = {name: getattr(jax.config, name) for name in kept}
        out, err = io.StringIO(), io.StringIO()
        with contextlib.ExitStack() as stack:
            for name, value in before.items():  # the command line changes them for its process
                stack.callback(jax.config.update, name, value)
            stack.enter_context(mock.patch.object(sys, "argv", ["hank-mfg", *map(str, arguments)]))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(err))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("default")  # the command line prints warnings
            ended = stack.enter_context(pytest.raises(SystemExit))
            main()
        return Outcome(ended.value.code or 0, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def once(tmp_path_factory, request):
    """A folder that one process of the session fills and the others read: `once(name, fill)`; fill(folder) fills it.

    Source: the documentation of pytest-xdist, "Making session-scoped fixtures execute only once".
    """
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # one of several processes
        shared = shared.parent

    def made(name: str, fill: Callable[[Path], object]) -> Path:
        folder = shared / f"once_{name}"
        with FileLock(shared / f"once_{name}.lock"):
            if not (folder / "complete").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                (folder / "complete").touch()
        return folder

    return made


class SolvedRun(NamedTuple):
    """A tiny run made by the command line: its folder, what was printed, the solution (saved apart), standard error."""

    folder: Path
    printed: dict
    solution: object
    err: str


@pytest.fixture(scope="session")
def tiny() -> dict:
    """Settings of a method that is done in no time and far too coarse to mean anything."""
    return {
        "asset_points": 60, "updates": 4, "paths": 2, "horizon": 10, "knots": 10, "warmup": 20, "learning_rate": 1e-4,
    }  # fmt: skip


@pytest.fixture(scope="session")
def tiny_options(tiny) -> tuple[str, ...]:
    """The same as options of `hank-mfg solve`."""
    return tuple(part for name, value in tiny.items() for part in ("--option", f"{name}={value}"))


@pytest.fixture(scope="session")
def solved_run(command, tiny_options, once) -> SolvedRun:
    """Krusell and Smith with tiny settings, solved once for all processes. Copy the folder before changing it."""
    from hank_mfg.cli import economies

    def fill(folder: Path) -> None:
        solutions, solve_run = [], economies.solve_run

        def keep(*arguments, **options):
            solutions.append(solve_run(*arguments, **options))
            return solutions[0]

        with mock.patch.object(economies, "solve_run", keep):
            outcome = command("solve", "krusell_smith", *tiny_options, "--out", folder / "tiny", "--json")
        hm.save(solutions[0], folder / "solution.npz")
        (folder / "said.json").write_text(json.dumps([outcome.printed, outcome.err]))

    folder = once("solved_run", fill)
    printed, err = json.loads((folder / "said.json").read_text())
    return SolvedRun(folder / "tiny", printed, hm.load(folder / "solution.npz"), err)


OWN_CHAIN = np.array([[0.6, 0.4], [0.05, 0.95]])


def krusell_smith_with(aggregate_chain, **parameters) -> hm.Model:
    """Krusell and Smith's economy in which own risk does not depend on the aggregate state; quick to reach its mean."""
    joint = np.kron(aggregate_chain, OWN_CHAIN).tolist()
    quick = {"discount_factor": 0.95, "maximum_assets": 60.0, **parameters}
    return hm.load_model("krusell_smith", joint_transition=joint, **quick)


@pytest.fixture(scope="session")
def small() -> hm.RSPG:
    """Settings that solve Krusell and Smith's economy roughly within seconds, in two compiled calls."""
    return hm.RSPG(
        asset_points=60, updates=22, paths=4, horizon=20, epochs=4, knots=10, units=8, width=8, warmup=50,
        learning_rate=1e-2, td_lambda=0.95,
    )  # fmt: skip


@pytest.fixture(scope="session")
def trained(small, once) -> hm.Solution:
    """Krusell and Smith's economy, solved roughly, seed 0, once for all processes."""

    def fill(folder: Path) -> None:
        hm.save(hm.solve(hm.load_model("krusell_smith"), small), folder / "solution.npz")

    return hm.load(once("trained", fill) / "solution.npz")


@pytest.fixture(scope="session")
def riskless() -> hm.Model:
    """Krusell and Smith's economy in which the two aggregate states are the same: nothing aggregate ever happens."""
    return krusell_smith_with([[0.875, 0.125], [0.125, 0.875]], productivity=[1.0, 1.0])


@pytest.fixture(scope="session")
def at_rest(riskless, small):
    """The economy without risk, everybody at the stationary policy, in float64: exact up to the asset grid."""
    settings = dataclasses.replace(small, precision="float64")
    steady = hm.steady_state(riskless, asset_points=4 * settings.asset_points)
    with jax.enable_x64(True):
        _, training = untrained(riskless, settings, steady)
    history = {name: np.zeros(0) for name in HISTORY}
    return hm.Solution(riskless, settings, steady, *training, history, hm.Status.UNFINISHED, 0, "cpu", 0.0, 0.0, 0.0)


class Detour(NamedTuple):
    """A path on which everybody follows a policy that is wrong; time is the leading axis of `steps` and `ahead`."""

    play: Play
    start: State
    steps: Step
    ahead: Decision
    last: Decision


@eqx.filter_jit
def _follow(play: Play, start: State, shocks_next) -> Detour:
    last, steps = rollout(play, start, shocks_next, lambda step: step)
    return Detour(play, start, steps, jax.vmap(play.look_ahead)(steps), play.decide(last))


@pytest.fixture(scope="session")
def detour():
    """Everybody follows a wrong policy while good and bad times alternate for certain: `detour(asset_points)`.

    The drawn path is then the only one that can happen. The same function of assets is followed on every grid.
    """
    model = krusell_smith_with([[0.0, 1.0], [1.0, 0.0]], productivity=[0.96, 1.04])
    steady = hm.steady_state(model, asset_points=240)

    @functools.cache
    def follow(asset_points: int, periods: int = 12) -> Detour:
        with jax.enable_x64(True):
            settings = hm.RSPG(asset_points=asset_points, knots=10, units=8, width=8, precision="float64")
            play, training = untrained(model, settings, steady)
            draws, linear = np.random.default_rng(0), play.policy.head.linear
            wrong = [jnp.asarray(0.03 * draws.normal(size=x.shape)) for x in (linear.weight, linear.bias)]
            policy = eqx.tree_at(lambda p: (p.head.linear.weight, p.head.linear.bias), play.policy, tuple(wrong))
            start = jax.tree.map(lambda x: x[0], training.states)
            shocks = play.economy.draw_shocks(start.aggregate.shock, periods, key=jax.random.key(0))
            return _follow(play._replace(policy=policy), start, shocks)

    return follow
