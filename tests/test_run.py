"""The run folder: what is saved is what was solved, and rebuilds every table and figure without solving again."""

import dataclasses
import json
import shutil
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from hank_mfg.evaluate import accuracy
from hank_mfg.evaluate.exploitability import Exploitability
from hank_mfg.evaluate.simulate import simulate
from hank_mfg.gallery import load_model, read_calibration
from hank_mfg.report import report
from hank_mfg.run import RunError, load_run, save_checkpoint, solve_run
from hank_mfg.solve import solve as solving
from hank_mfg.solve.solution import Status
from hank_mfg.solve.spg import RSPG, Training

PERIODS = 200
ROOT = Path(__file__).resolve().parents[1]


def leaves(tree) -> list[np.ndarray]:
    """The arrays of a tree, as NumPy arrays."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array | np.ndarray)]


def assert_same(one, other) -> None:
    """Two trees hold the same bits in the same precisions."""
    pairs = list(zip(leaves(one), leaves(other), strict=True))
    assert pairs
    for here, there in pairs:
        assert here.dtype == there.dtype and np.array_equal(here, there, equal_nan=True)


def leftovers(folder: Path) -> list[Path]:
    """Files that a write to a temporary name would leave behind."""
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]


@pytest.fixture
def copied(solved_run, tmp_path) -> Path:
    """A copy of the tiny run that a test may change."""
    return Path(shutil.copytree(solved_run.folder, tmp_path / "copied"))


def test_what_is_loaded_is_what_was_solved(solved_run):
    solved, loaded = solved_run.solution, load_run(solved_run.folder)
    for name in ("policy", "optimizer", "states", "key"):
        assert_same(getattr(solved, name), getattr(loaded, name))
    for name in ("settings", "status", "seed", "device", "seconds_compile", "seconds_train", "seconds_total"):
        assert getattr(solved, name) == getattr(loaded, name), name
    assert solved.history.keys() == loaded.history.keys()
    for name, values in solved.history.items():
        assert np.array_equal(values, loaded.history[name]), name
    assert_same(solved.steady.policy, loaded.steady.policy)
    assert_same(solved.steady.mass, loaded.steady.mass)
    assert dict(solved.steady.prices) == dict(loaded.steady.prices)
    for name, value in solved.model.parameters().items():
        assert np.array_equal(value, loaded.model.parameters()[name]), name


def test_both_simulate_the_same_path(solved_run):
    solved, loaded = (simulate(each, periods=PERIODS) for each in (solved_run.solution, load_run(solved_run.folder)))
    assert np.array_equal(solved.shock, loaded.shock)
    for name, values in solved.series.items():
        assert np.array_equal(values, loaded.series[name]), name


def test_what_a_run_says_about_itself(solved_run, tiny):
    config = json.loads((solved_run.folder / "config.json").read_text())
    assert config["model"] == "krusell_smith" and config["seed"] == 0
    assert config["status"] == solved_run.solution.status.name and config["device"] == solved_run.solution.device
    assert config["method"] == dataclasses.asdict(RSPG(**tiny))
    assert config["parameters"] == read_calibration("krusell_smith").values
    assert {"python", "hank-mfg", "jax", "numpy"} <= set(config["versions"])
    lines = [json.loads(line) for line in (solved_run.folder / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["update"] == tiny["updates"] and {"loss", "euler_error", "objective"} <= set(lines[-1])


TABLES = (
    "evaluation.json", "accuracy.tex", "moments.csv", "moments.tex", "distribution.csv", "distribution.tex",
    "marginal_propensities.csv", "marginal_propensities.tex",
)  # fmt: skip
FIGURES = (
    "impulse_response", "lorenz", "wealth_distribution", "policy", "simulation", "training", "law_of_motion",
    "forecast",
)  # fmt: skip


def test_a_report_rebuilds_every_table_and_figure(command, solved_run, monkeypatch):
    """From the saved run alone. The gains of a deviator, slow to compile, are made up; test_cli.py measures them."""

    def refuse(*_, **__):
        raise AssertionError("a report must not solve")

    gains = Exploitability(0.02, 0.01, 0.2, 0.1, 0.004, 0.002, 104.0, 500, 16, 100, 4)
    monkeypatch.setattr(accuracy, "exploitability", lambda solution, *, seed: gains)
    monkeypatch.setattr(report, "impulse_response", partial(report.impulse_response, starts=2, paths=2))
    monkeypatch.setattr(report, "MAIN_VARIABLES", ("output", "capital"))  # two panels are drawn sooner than six
    monkeypatch.setattr(solving, "update", refuse)
    folder = solved_run.folder
    for path in {*folder.glob("*.tex"), *folder.glob("*.csv"), *folder.glob("irf_*"), *folder.glob("figures/*")}:
        path.unlink()
    printed = command("report", folder, "--periods", PERIODS, "--json").printed
    assert printed["run"] == str(folder)
    written = {Path(name).relative_to(folder).as_posix() for name in printed["files"]}
    assert all((folder / name).stat().st_size > 0 for name in written)
    for name in FIGURES:
        assert (folder / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert {f"figures/{name}.pdf", f"figures/{name}.png"} <= written
    for name in TABLES:
        assert (folder / name).stat().st_size > 0, name
    for name in folder.glob("*.tex"):
        assert r"\toprule" in name.read_text()
    assert {path.suffix for path in folder.glob("irf_productivity_*")} == {".csv", ".json"}
    assert leftovers(folder) == []


def test_a_write_that_fails_leaves_the_old_file(copied, solved_run, monkeypatch):
    solution, path = solved_run.solution, copied / "checkpoint" / "latest.npz"
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="no space left"):
        training = Training(solution.policy, solution.optimizer, solution.states, solution.key)
        save_checkpoint(copied, training, {name: values[:1] for name, values in solution.history.items()})
    assert path.read_bytes() == before and leftovers(copied) == []


def change_config(folder: Path, **changes) -> None:
    """Change entries of config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_unfinished_run_says_how_to_go_on(copied, refuses):
    change_config(copied, status=Status.UNFINISHED.name)
    refuses(lambda: load_run(copied), "unfinished run", "hank-mfg solve --resume --out")
    (copied / "checkpoint" / "latest.npz").unlink()
    refuses(lambda: solve_run("krusell_smith", copied, resume=True), "holds no checkpoint yet")


def test_a_finished_run_is_not_resumed(copied, refuses):
    refuses(lambda: solve_run("krusell_smith", copied, resume=True), "nothing to resume")


def test_a_checkpoint_of_other_settings_is_refused(copied, refuses):
    method = json.loads((copied / "config.json").read_text())["method"]
    change_config(copied, method={**method, "units": 16})
    refuses(lambda: load_run(copied), "does not fit the model and settings", "solve again")


def test_folders_without_a_run(refuses, tmp_path):
    refuses(lambda: load_run(tmp_path / "gone"), "holds no run", "hank-mfg solve")
    with pytest.raises(RunError):
        load_run(tmp_path)


def test_a_model_file_is_copied_into_the_run(command, tiny_options, solved_run, tmp_path):
    """The shipped economy under another name: what was compiled for it is found again."""
    path = tmp_path / "economies" / "mine.py"
    path.parent.mkdir()
    path.write_text((ROOT / "models" / "krusell_smith.py").read_text())
    table = read_calibration("krusell_smith").file.read_text().replace('model = "krusell_smith"', 'model = "mine"')
    path.with_suffix(".toml").write_text(table)
    folder = tmp_path / "run"
    assert command("solve", path, "--out", folder, "--json", *tiny_options, "--set", "depreciation=0.03").status == 0
    shutil.rmtree(path.parent)
    loaded = load_run(folder)
    assert type(loaded.model).__name__ == "KrusellSmith" and loaded.model.depreciation == 0.03
    assert loaded.model.discount_factor == 0.99
    assert (folder / "model.py").read_text() == (ROOT / "models" / "krusell_smith.py").read_text()
    assert 20 < loaded.steady.aggregates.capital < solved_run.solution.steady.aggregates.capital
    assert leftovers(folder) == []


@pytest.mark.slow
def test_a_run_that_was_cut_off_ends_with_the_same_numbers(tiny, tmp_path):
    settings = RSPG(**{**tiny, "updates": 40})
    whole = solve_run("krusell_smith", tmp_path / "whole", settings, key=3)

    def stop(history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve_run("krusell_smith", tmp_path / "cut", settings, key=3, save_every=0.0, watch=stop)
    with pytest.raises(RunError, match="unfinished run"):
        load_run(tmp_path / "cut")
    resumed = solve_run("krusell_smith", tmp_path / "cut", resume=True)
    assert whole.updates == resumed.updates == 40
    assert_same(whole.policy, resumed.policy)
    assert np.array_equal(whole.history["objective"], resumed.history["objective"])
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "cut")]
    assert logs[0] == logs[1]


def test_parameters_come_back_as_they_were(solved_run):
    assert load_run(solved_run.folder).model.parameters().keys() == load_model("krusell_smith").parameters().keys()
