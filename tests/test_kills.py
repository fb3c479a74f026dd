"""Processes that are killed at random moments lose nothing: what they wrote is read, or resumed to the same bits."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from hank_mfg.report.report import _recorded_evaluation
from hank_mfg.runs.manifest import RunError, holds_run, read_manifest
from hank_mfg.runs.run import load_run
from hank_mfg.runs.seal import read

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
START = """
import sys, warnings, jax
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
warnings.simplefilter("ignore")
from pathlib import Path
folder, extra = Path(sys.argv[1]), sys.argv[2:]
say = lambda *_, **__: print("going", flush=True)
"""
SOLVE = (
    START
    + """
from hank_mfg.runs.manifest import holds_run
from hank_mfg.runs.run import solve_run
from hank_mfg.solve.gradient.spg import RSPG
tiny = dict(asset_points=60, updates=61, paths=2, horizon=10, knots=10, warmup=20, learning_rate=1e-4)
begun = holds_run(folder)
more = dict(resume=True) if begun else dict(method=RSPG(**tiny), seed=3)
solve_run("krusell_smith", folder, save_every=0.0, callback=say, **more)
"""
)
GAME = (
    START
    + """
from hank_mfg.runs.run import solve_run
from hank_mfg.runs.manifest import holds_run
from hank_mfg.solve.baselines.game_settings import settings_for
tiny = dict(paths=4, updates=40, units=4, width=4)
begun = holds_run(folder)
first = dict(method=type(settings_for("linear_quadratic", "rspg"))(**tiny), chunk=1, measure=2)
solve_run("linear_quadratic", folder, save_every=0.0, callback=say, **(dict(resume=True) if begun else first))
"""
)
EVALUATE = (
    START
    + """
from hank_mfg.runs.run import load_run
from hank_mfg.report.game_report import write_game_evaluation
solution = load_run(folder)
for seed in range(int(extra[0])):
    say()
    write_game_evaluation(solution, folder, paths=2, seed=1)
"""
)
REPORT = (
    START
    + """
from hank_mfg.runs.run import load_run
from hank_mfg.report.game_report import write_game_report
from hank_mfg.runs.storage import read_metrics
write_game_report(load_run(folder), folder, read_metrics(folder), paths=2, seed=1, tell=say)
"""
)
REPLICATE = (
    START
    + """
import dataclasses
from hank_mfg.replication import replicate
from hank_mfg.replication.wibault_2026 import run as rspg_benchmark
usual = rspg_benchmark.settings_for
def tiny(game, method, **more):
    return dataclasses.replace(usual(game, method), paths=4, updates=10, units=4, width=4)
rspg_benchmark.settings_for = tiny
rspg_benchmark.PATHS = {"linear_quadratic": 2}
replicate("rspg-benchmark", folder, quick=True, seeds=2, games=["linear_quadratic"], methods=["spg", "rspg"], tell=say)
"""
)


def begin(program: str, folder: Path, *extra: str) -> subprocess.Popen:
    """A process that runs a program on a folder."""
    cache = os.environ["JAX_COMPILATION_CACHE_DIR"] + "-killed"  # a kill may leave half a program there
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder), *extra], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": cache},
    )  # fmt: skip


def kill_one(program: str, folder: Path, draws: random.Random, *extra: str) -> bool:
    """Start a program, kill it a moment after it says so for the first time; whether it was still alive."""
    child = begin(program, folder, *extra)
    assert child.stdout is not None
    for _ in range(draws.randrange(1, 4)):
        child.stdout.readline()
    time.sleep(draws.random() * 0.15)
    alive = child.poll() is None
    if alive:
        child.send_signal(draws.choice(SIGNALS))
    child.communicate()
    return alive


def finish(program: str, folder: Path, *extra: str) -> None:
    """Let a program run to its end."""
    child = begin(program, folder, *extra)
    _, said = child.communicate()
    assert child.returncode == 0, said


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*.tmp")]


def arrays_of(folder: Path) -> tuple[dict, list[dict]]:
    """The arrays of a checkpoint but seconds, and the lines of the log without them."""
    arrays, texts = read(folder / "checkpoint" / "latest.npz", sealed=True)
    lines = [json.loads(line) for line in texts["metrics"].splitlines()]
    return {k: v for k, v in arrays.items() if "seconds" not in k}, [
        {k: v for k, v in line.items() if k != "seconds"} for line in lines
    ]


def assert_same_run(one: Path, other: Path) -> None:
    (arrays, lines), (others, other_lines) = arrays_of(one), arrays_of(other)
    assert arrays.keys() == others.keys() and lines == other_lines
    for name, values in arrays.items():
        assert np.array_equal(values, others[name], equal_nan=True), name


@pytest.mark.slow
@pytest.mark.parametrize(("program", "load"), [(SOLVE, load_run), (GAME, load_run)], ids=["economy", "game"])
def test_twenty_kills_of_a_solve(program, load, tmp_path):
    """Claim: however often it is killed, a run is resumed to the bits of an unbroken one, and is never unreadable."""
    finish(program, tmp_path / "whole")
    draws, kills = random.Random(0), 0
    folder = tmp_path / "cut"
    while kills < 20:
        kills += kill_one(program, folder, draws)
        if not holds_run(folder):
            continue
        try:
            load(folder)
        except RunError as error:
            assert "unfinished run" in str(error), error
        else:  # it ended between two kills: once more from the beginning
            assert_same_run(tmp_path / "whole", folder)
            shutil.rmtree(folder)
    finish(program, folder) if not holds_run(folder) or read_manifest(folder)["ended"] is None else None
    load(folder)
    assert_same_run(tmp_path / "whole", folder)
    assert (
        leftovers(folder) == []
        and (folder / "metrics.jsonl").read_text()
        == read(folder / "checkpoint" / "latest.npz", sealed=True)[1]["metrics"]
    )


@pytest.fixture(scope="module")
def game(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("game") / "run"
    finish(GAME, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("program", "extra"), [(EVALUATE, ("500",)), (REPORT, ())], ids=["evaluate", "report"])
def test_twenty_kills_of_a_measurement(program, extra, game, tmp_path):
    """Claim: what was solved stays whole, and what was measured is what was written or is measured again."""
    whole, folder = (Path(shutil.copytree(game, tmp_path / name)) for name in ("whole", "cut"))
    one = ("1",) if extra else ()
    finish(program, whole, *one)
    draws, kills = random.Random(1), 0
    while kills < 20:
        kills += kill_one(program, folder, draws, *extra)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            load_run(folder)
            recorded = _recorded_evaluation(folder, 0, 0)
        assert recorded is None and all("changed" in str(w.message) or "again" in str(w.message) for w in caught)
        assert_same_run(game, folder)
    finish(program, folder, *one)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_run(folder)
    assert (whole / "evaluation.json").read_text() == (folder / "evaluation.json").read_text()


@pytest.mark.slow
def test_twenty_kills_of_a_replication(tmp_path):
    """Claim: a replication that is killed goes on and ends with the results of an unbroken one."""
    finish(REPLICATE, tmp_path / "whole")
    draws, kills, folder = random.Random(2), 0, tmp_path / "cut"
    while kills < 20:
        kills += kill_one(REPLICATE, folder, draws)
        if (folder / "results.json").exists():
            shutil.rmtree(folder)
    finish(REPLICATE, folder)

    def plain(folder: Path) -> dict:
        found = json.loads((folder / "results.json").read_text())
        for method in found["linear_quadratic"].values():
            for curve in method["curves"]:
                del curve["seconds"]
        return found

    assert plain(folder) == plain(tmp_path / "whole")


@pytest.mark.slow
def test_a_second_writer_is_refused(tmp_path):
    """Claim: two processes cannot solve into one folder; the first is not disturbed."""
    finish(SOLVE, tmp_path / "whole")
    folder = tmp_path / "run"
    first = begin(SOLVE, folder)
    assert first.stdout is not None
    first.stdout.readline()
    second = begin(SOLVE, folder)
    _, said = second.communicate()
    first.communicate()
    if "nothing to resume" not in said:  # the first was faster
        assert second.returncode != 0 and f"is being written by process {first.pid}" in said, said
    assert first.returncode == 0
    assert_same_run(tmp_path / "whole", folder)


FULL = (
    START
    + """
import os, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from hank_mfg.runs.manifest import holds_run
from hank_mfg.files import WriteError
from hank_mfg.runs.run import solve_run
from hank_mfg.solve.gradient.spg import RSPG
tiny = dict(asset_points=60, updates=61, paths=2, horizon=10, knots=10, warmup=20, learning_rate=1e-4)
made = []
def watch(history):
    made.append(history)
    if len(made) == int(extra[0]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(extra[1]), resource.RLIM_INFINITY))
jax.config.update("jax_enable_compilation_cache", False)
try:
    more = dict(resume=True) if holds_run(folder) else dict(method=RSPG(**tiny), seed=3)
    solve_run("krusell_smith", folder, save_every=0.0, callback=watch, **more)
except WriteError as error:
    print(error)
    sys.exit(2)
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 1000, 20_000])
def test_a_full_disk_loses_nothing(room, tmp_path):
    """Claim: where no file may grow any more, one sentence says so, and the run is resumed to the same bits."""
    finish(SOLVE, tmp_path / "whole")
    child = begin(FULL, tmp_path / "run", "5", str(room))
    said, errors = child.communicate()
    assert child.returncode == 2, errors
    assert said.count("\n") == 1 and "could not be written" in said and "--resume" in said, said
    finish(SOLVE, tmp_path / "run")
    assert_same_run(tmp_path / "whole", tmp_path / "run")
