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
from hank_mfg.evaluate.exploitability.deviation import Exploitability
from hank_mfg.evaluate.impulse_response import ImpulseResponse
from hank_mfg.evaluate.simulate import simulate
from hank_mfg.model.gallery import load_model, read_calibration
from hank_mfg.report import report
from hank_mfg.runs import economy_run as run
from hank_mfg.runs import storage
from hank_mfg.runs.manifest import read_manifest, write_manifest
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.storage import RunError, save_checkpoint
from hank_mfg.solve.gradient import economies as solving
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.stationary.steady_state import SteadyStateError

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


@pytest.mark.slow
def test_a_run_of_an_earlier_version_has_the_settings_of_today(solved_run, monkeypatch):
    """Guards docs/architecture.md, 'Files of earlier versions': old names of settings are read."""
    config = storage.read_config(solved_run.folder)
    old = {"epochs": "passes", "td_lambda": "trace", "uniform_weight": "spread", "price_noise": "tremble"}
    before = {**config, "method": {old.get(name, name): value for name, value in config["method"].items()}}
    assert set(old.values()) <= before["method"].keys()
    monkeypatch.setattr(storage, "checked_config", lambda folder: before)
    loaded = load_run(solved_run.folder)
    assert loaded.settings == solved_run.solution.settings
    assert_same(solved_run.solution.policy, loaded.policy)


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


@pytest.mark.slow
def test_a_report_rebuilds_every_table_and_figure(command, solved_run, monkeypatch):
    """From the saved run alone. The gains of a deviator, slow to compile, are made up; test_cli.py measures them."""

    def refuse(*_, **__):
        raise AssertionError("a report must not solve")

    gains = Exploitability(0.02, 0.01, 0.2, 0.1, 0.004, 0.002, 104.0, 500, 16, 100, 4)
    monkeypatch.setattr(accuracy, "economy_exploitability", lambda solution, *, seed: gains)
    monkeypatch.setattr(report, "impulse_response", partial(report.impulse_response, starts=2, paths=2))
    monkeypatch.setattr(report, "MAIN_VARIABLES", ("output", "capital"))  # two panels are drawn sooner than six
    monkeypatch.setattr(solving, "update", refuse)
    folder = solved_run.folder
    for path in made(folder):
        path.unlink()
    printed = command("report", folder, "--periods", PERIODS, "--html", "--json").printed
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
    others = {"evaluation.json", "report.html"}
    assert written == {path.relative_to(folder).as_posix() for path in made(folder)} | others
    measured = json.loads((folder / "evaluation.json").read_text())
    page = (folder / "report.html").read_text()
    assert f'title="{measured["euler_error_max_percent"]!r}"' in page and page.count("<svg ") == len(FIGURES)


def made(folder: Path) -> set[Path]:
    """What a report makes anew."""
    return {*folder.glob("*.tex"), *folder.glob("*.csv"), *folder.glob("irf_*"), *folder.glob("figures/*")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*top of the asset grid:UserWarning", "ignore:.*has not settled:UserWarning")
def test_a_report_measures_accuracy_once(solved_run, tmp_path, monkeypatch):
    """Numbers in evaluation.json from the same periods and seed are used again; from others they are not."""
    solution = solved_run.solution
    measured = report.evaluate(solution, periods=PERIODS, seed=1, deviations=False)
    (tmp_path / "evaluation.json").write_text(json.dumps(measured.to_dict()))
    calls = []
    monkeypatch.setattr(report, "evaluate", lambda *_, **given: calls.append(given) or measured)
    again = report._measure(solution, tmp_path, PERIODS, 1)
    assert calls == [] and again.content == measured.to_dict()
    assert np.array_equal(again.forecast.forecast, measured.forecast.forecast)
    assert np.array_equal(again.simulation.mass, measured.simulation.mass)
    report._measure(solution, tmp_path, PERIODS, 2)
    assert calls == [{"periods": PERIODS, "seed": 2}]
    other = {**measured.to_dict(), "capital_mean": 1.0}  # another solution
    (tmp_path / "evaluation.json").write_text(json.dumps(other))
    report._measure(solution, tmp_path, PERIODS, 1)
    assert len(calls) == 2


def test_names_of_files_have_no_inner_dots():
    sizes = {-0.01: "minus_0p01", 0.0330027: "plus_0p0330027", 1e-5: "plus_0p00001", 2.0: "plus_2"}
    assert {size: report._size_in_names(size) for size in sizes} == sizes


def test_sizes_have_three_digits_and_stay_inside_the_chain():
    assert report._size(0.0330027, 0.05) == 0.033
    assert report._size(0.01, 0.01) == 0.01
    assert report._size(0.5, 0.0123456) == 0.0123 and report._size(0.5, 0.0123654) == pytest.approx(0.0123)


def test_responses_that_mirror_each_other_are_drawn_once():
    def response(values):
        mean = {"output": np.array(values)}
        units = {"output": "percent"}
        return ImpulseResponse("productivity", 1.0, "percent", 2, mean, mean, mean, mean, units, 0.9, 1, 1, "Note.")

    down, up, other = response([-1.0, 0.5]), response([1.0, -0.501]), response([1.0, -0.4])
    (drawn,) = report._as_one([down, up])
    assert "The responses to +1 percent are the same with the opposite sign" in drawn.note and "Note." in drawn.note
    assert report._as_one([down, other]) == [down, other]


def test_a_write_that_fails_leaves_the_old_file(copied, solved_run, monkeypatch):
    solution, path = solved_run.solution, copied / "checkpoint" / "latest.npz"
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="no space left"):
        history = {name: values[:1] for name, values in solution.history.items()}
        save_checkpoint(copied, solution.training(), history, read_manifest(copied), "")
    assert path.read_bytes() == before and leftovers(copied) == []


def begin_again(folder: Path, **changes) -> None:
    """Make a finished run one whose training has begun with `changes` in its configuration."""
    manifest = read_manifest(folder)
    files = {name: sum for name, sum in manifest["files"].items() if name == "steady_state.npz"}
    manifest = {**manifest, "config": {**manifest["config"], **changes}, "ended": None, "files": files}
    write_manifest(folder, manifest)
    (folder / "config.json").write_text(json.dumps(manifest["config"]))


def test_an_unfinished_run_says_how_to_go_on(copied, refuses):
    begin_again(copied)
    refuses(lambda: load_run(copied), "unfinished run", "hank-mfg solve --resume --out")


class Reached(Exception):
    """Training would start now."""


@pytest.mark.parametrize("start", [True, False])
def test_a_run_cut_off_early_starts_from_what_there_is(copied, monkeypatch, start):
    """A checkpoint where there is one, else the stationary equilibrium."""
    begin_again(copied)
    if not start:
        (copied / "checkpoint" / "latest.npz").unlink()

    def reached(model, settings, *, seed, steady, resume, callback, started, family):
        raise Reached(seed, resume is not None, steady is not None)

    monkeypatch.setattr(run, "solve", reached)
    with pytest.raises(Reached) as caught:
        solve_run("krusell_smith", copied, resume=True)
    assert caught.value.args == (0, start, True)


def test_a_solve_that_fails_leaves_nothing_behind(monkeypatch, tmp_path):
    """Before there is a stationary equilibrium; the next solve into the same folder is not refused."""

    def fails(*_, **__):
        raise SteadyStateError("The market did not clear.")

    monkeypatch.setattr(solving, "steady_state", fails)
    monkeypatch.setattr(solving, "compile_ahead", lambda *_: None)
    for _ in range(2):
        with pytest.raises(SteadyStateError, match="did not clear"):
            solve_run("krusell_smith", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_first_updates_are_saved_at_once(solved_run, monkeypatch, tmp_path):
    """However long saving again takes, and before anything else hears of them."""
    solution, seen = solved_run.solution, []

    def once(model, settings, *, seed, steady, resume, callback, started, family):
        started(solution.steady)
        written = {path.name for path in folder.iterdir()}
        assert written == {".lock", "config.json", "manifest.json", "metrics.jsonl", "steady_state.npz"}
        callback(solution.training(), solution.history)

    def interrupt(history):
        seen.append((folder / "checkpoint" / "latest.npz").exists())
        raise KeyboardInterrupt

    folder = tmp_path / "run"
    monkeypatch.setattr(run, "solve", once)
    with pytest.raises(KeyboardInterrupt):
        solve_run("krusell_smith", folder, save_every=1e9, callback=interrupt)
    assert seen == [True]


def test_a_finished_run_is_not_resumed(copied, refuses):
    refuses(lambda: solve_run("krusell_smith", copied, resume=True), "nothing to resume")


def test_a_checkpoint_of_another_run_is_refused(copied, refuses):
    method = json.loads((copied / "config.json").read_text())["method"]
    begin_again(copied, method={**method, "units": method["units"] + 1})
    refuses(lambda: solve_run("krusell_smith", copied, resume=True), "belongs to another run", "solve again")


def test_folders_without_a_run(refuses, tmp_path):
    refuses(lambda: load_run(tmp_path / "gone"), "holds no run", "hank-mfg solve")
    with pytest.raises(RunError):
        load_run(tmp_path)


@pytest.mark.slow
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
def test_a_run_that_was_cut_off_ends_with_the_same_log_and_without_its_checkpoint_begins_again(tiny, tmp_path):
    """Guards docs/keeping_results.md: a run that was killed continues to the same numbers, those of its log too."""
    settings = RSPG(**{**tiny, "updates": 40})
    whole = solve_run("krusell_smith", tmp_path / "whole", settings, seed=3)

    def stop(history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve_run("krusell_smith", tmp_path / "cut", settings, seed=3, save_every=0.0, callback=stop)
    with pytest.raises(RunError, match="unfinished run"):
        load_run(tmp_path / "cut")
    resumed = solve_run("krusell_smith", tmp_path / "cut", resume=True)
    assert whole.updates == resumed.updates == 40
    assert_same(whole.policy, resumed.policy)
    assert np.array_equal(whole.history["objective"], resumed.history["objective"])
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "cut")]
    assert logs[0] == logs[1]
    shutil.rmtree(tmp_path / "cut" / "checkpoint")
    begin_again(tmp_path / "cut")
    restarted = solve_run("krusell_smith", tmp_path / "cut", resume=True)
    assert_same(whole.policy, restarted.policy)
    assert (tmp_path / "cut" / "metrics.jsonl").read_text() == logs[0]


def test_parameters_come_back_as_they_were(solved_run):
    assert load_run(solved_run.folder).model.parameters().keys() == load_model("krusell_smith").parameters().keys()
