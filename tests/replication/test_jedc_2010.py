"""The tests of the comparison suite (JEDC 2010): the yardstick is that of the independent code, and ours meets it."""

import csv
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_krusell_smith as classical

import hank_mfg as hm
from hank_mfg.evaluate.distribution.statistics import gini, quantile
from hank_mfg.replication import two_solutions
from hank_mfg.replication.jedc_2010 import run as suite
from hank_mfg.runs.storage import RunError, read_config
from hank_mfg.solve.classical.krusell_smith import solve_classical

RECORDED = Path(classical.__file__).with_name("krusell_smith_jedc.csv")


@pytest.fixture(scope="module")
def solved():
    """The classical solution, small, in both places: RSPG takes longer to compile, and the slow tests have it."""
    solution = solve_classical(hm.load_model("krusell_smith"), two_solutions.QUICK.classical)
    one = two_solutions.measure(solution, two_solutions.QUICK)
    return {"Classical": one, "RSPG": one}


@pytest.fixture
def as_solved(solved, monkeypatch):
    monkeypatch.setattr(suite, "solve_twice", lambda *arguments: solved)


def test_the_yardstick_is_the_recorded_one():
    """Every number of the table that the reference's own file records."""
    with RECORDED.open() as file:
        known = {row["quantity"]: row["yardstick_other_path"] for row in csv.DictReader(file)}
    names = {
        "Intercept, bad": "law_intercept_bad", "Slope, bad": "law_slope_bad", "Intercept, good": "law_intercept_good",
        "Slope, good": "law_slope_good", "Mean": "capital_mean", "Standard deviation": "capital_sd",
        "Den Haan, mean": "den_haan_mean_percent", "Den Haan, largest": "den_haan_maximum_percent",
        "Dynamic Euler, mean": "dynamic_euler_consumption_mean_percent",
        "Dynamic Euler, largest": "dynamic_euler_consumption_maximum_percent",
        "Euler, mean": "one_step_euler_mean_percent", "Euler, largest": "one_step_euler_maximum_percent",
    }  # fmt: skip
    values = {quantity: value for (_, quantity), (value, _, _) in suite.TESTS.items()}
    for quantity, name in names.items():
        assert values[quantity] == float(known[name]), quantity
    for state in ("bad", "good"):
        assert values[f"1 - R2, {state} (millionths)"] == pytest.approx(1e6 * (1 - float(known[f"r_squared_{state}"])))


def test_the_moments_of_the_yardstick_are_those_of_the_independent_code():
    """Capital from the reference's own simulation; output and consumption from technology and accounting."""
    reference, shocks = classical.load_solution(), classical.productivity_path(11_000, 2010)
    path = classical.simulate(reference, shocks, skip=1000)
    p, capital, shocks = reference.parameters, path.capital[1000:], shocks[1000:]
    level, labor = np.asarray(p.productivity)[shocks], p.labor()[shocks]
    output = level * capital**p.capital_share * labor ** (1 - p.capital_share)
    consumption = (output + (1 - p.depreciation) * capital)[:-1] - capital[1:]
    found = {}
    for name, series in (("Capital", capital), ("Consumption", consumption), ("Output", output)):
        found[name, "Mean"], found[name, "Standard deviation"] = series.mean(), series.std()
        found[name, "Autocorrelation"] = np.corrcoef(series[1:], series[:-1])[0, 1]
        found[name, "Correlation with output"] = np.corrcoef(series, output[: len(series)])[0, 1]
    mass, assets = np.tensordot(np.bincount(shocks) / len(shocks), path.average_mass, 1), reference.histogram_grid
    for group, rows in zip(suite.GROUPS, mass, strict=True):
        weight = rows / rows.sum()
        found[group, "Mean capital"] = weight @ assets
        found[group, "Standard deviation of capital"] = np.sqrt(weight @ assets**2 - (weight @ assets) ** 2)
        low, next_low, middle = quantile(weight, assets, (0.05, 0.1, 0.5))
        found[group, "Capital of percentile 5"], found[group, "Capital of percentile 10"] = low, next_low
        found[group, "Median capital"] = middle
    found["Everybody", "Gini coefficient of wealth"] = gini(mass.sum(axis=0), assets)
    for key, (value, _) in suite.MOMENTS.items():
        assert found[key] == pytest.approx(value, rel=5e-5), key


def test_a_bar_says_what_it_asks_for():
    assert suite.Bar(most=0.25).passed(0.2, 9.0) and not suite.Bar(most=0.25).passed(0.3, 9.0)
    assert suite.Bar(share=0.003).passed(39.44, 39.335) and not suite.Bar(share=0.003).passed(39.46, 39.335)
    assert suite.Bar(distance=0.01).passed(0.995, 1.0) and not suite.Bar(distance=0.01).passed(1.02, 1.0)
    assert suite.NO_BAR.passed(1e9, 0.0) is None
    assert [str(bar) for bar in (suite.NO_BAR, suite.Bar(most=15.0), suite.Bar(share=0.05))] == [
        "",
        "at most 15",
        "± 5 %",
    ]
    assert not suite.Bar(most=1.0).passed(float("nan"), 0.0) and not suite.Bar(share=0.1).passed(float("nan"), 1.0)


@pytest.mark.slow
def test_a_small_run_is_near_and_writes_everything(as_solved, tmp_path):
    """Guards docs/replications.md, 'jedc-2010': the yardstick, near it the classical solution, all files."""
    messages: list[str] = []
    done = suite.run(tmp_path, quick=True, tell=messages.append)
    table = pd.read_csv(tmp_path / "tests.csv").set_index("Quantity")
    for state, (intercept, slope) in zip(("bad", "good"), suite.LAW, strict=True):  # the yardstick's law
        assert table.loc[f"Slope, {state}", "classical_value"] == pytest.approx(slope, abs=5e-4)
        assert table.loc[f"Intercept, {state}", "classical_value"] == pytest.approx(intercept, abs=2e-3)
    assert table.loc["Mean", "classical_value"] == pytest.approx(39.335, rel=0.01)
    moments = pd.read_csv(tmp_path / "moments.csv").set_index(["Group", "Quantity"])
    poor = (
        moments["classical_value"]["Unemployed", "Mean capital"],
        moments["classical_value"]["Employed", "Mean capital"],
    )
    assert poor[0] < poor[1]  # who works has saved more
    assert moments["classical_value"]["Consumption", "Mean"] == pytest.approx(2.84477, rel=0.01)
    assert {Path(file).name for file in done["files"]} == {
        "tests.csv", "tests.tex", "moments.csv", "moments.tex", "forecasts.pdf", "forecasts.png", "results.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "results.json").read_text())["tests"][0]["yardstick"] == suite.LAW[0][0]
    assert "Den Haan, largest" in (tmp_path / "tests.tex").read_text() and "at most 0.25" in messages[0]


@pytest.mark.slow
def test_a_missed_bar_is_an_error_once_everything_is_written(as_solved, monkeypatch, tmp_path):
    """Guards docs/replications.md: a missed tolerance is an error, after everything is written."""
    key = ("Errors (percent)", "Euler, mean")
    monkeypatch.setattr(suite, "TESTS", {**suite.TESTS, key: (0.0014, suite.Bar(most=0.0), suite.NO_BAR)})
    with pytest.raises(RuntimeError, match=r"Bars are missed: .*Classical, Errors \(percent\), Euler, mean"):
        suite.run(tmp_path, tell=lambda text: None)
    assert (tmp_path / "results.json").exists() and (tmp_path / "forecasts.pdf").exists()


@pytest.mark.slow
def test_slowness_alone_is_said_but_is_no_error(as_solved, solved, monkeypatch, tmp_path):
    """Guards docs/replications.md, 'jedc-2010': a slow machine is said but does not end in an error."""
    nothing = {key: (value, suite.NO_BAR, suite.NO_BAR) for key, (value, *_) in suite.TESTS.items()}
    seconds = (12.6, suite.Bar(most=0.0), suite.NO_BAR)
    monkeypatch.setattr(suite, "TESTS", {**nothing, suite.SPEED: seconds})
    monkeypatch.setattr(suite, "MOMENTS", {key: (value, suite.NO_BAR) for key, (value, _) in suite.MOMENTS.items()})
    assert suite.run(tmp_path, tell=lambda text: None)["missed"] == ["Classical, Seconds, Total"]


def test_a_finished_run_is_kept_and_another_is_refused(solved_run, tiny, monkeypatch):
    settings, folder = hm.RSPG(**tiny), solved_run.folder
    calls: list[dict] = []
    monkeypatch.setattr(two_solutions, "solve_run", lambda *given, **options: calls.append(options))
    again = two_solutions.solved_run("krusell_smith", folder, settings)
    assert not calls and again.updates == solved_run.solution.updates
    np.testing.assert_array_equal(again.policy.head.linear.weight, solved_run.solution.policy.head.linear.weight)
    for name, other in (("krusell_smith", dataclasses.replace(settings, updates=7)), ("krusell_smith_1998", settings)):
        with pytest.raises(RunError, match="other settings or parameters"):
            two_solutions.solved_run(name, folder, other)
    config = {**read_config(folder), "status": "UNFINISHED"}  # as one that was cut off
    monkeypatch.setattr(two_solutions, "read_config", lambda folder: config)
    two_solutions.solved_run("krusell_smith", folder, settings)
    assert calls == [{"resume": True}]


@pytest.mark.slow
def test_a_quick_run_of_both_methods(tmp_path):
    """Guards docs/replications.md: `jedc-2010 --quick` tries both methods and keeps RSPG in a run folder."""
    done = hm.replicate("jedc-2010", tmp_path, quick=True, tell=lambda text: None)
    table = pd.read_csv(tmp_path / "tests.csv").set_index("Quantity")
    assert table.loc["Slope, good", "rspg_value"] == pytest.approx(suite.LAW[1][1], abs=0.01)
    assert table.loc["Mean", "rspg_value"] == pytest.approx(39.335, rel=0.01)
    assert (tmp_path / "runs" / "krusell_smith_quick" / "config.json").exists() and done["quick"]


@pytest.mark.slow
def test_both_solutions_pass_the_tests_of_the_suite(tmp_path):
    """Guards docs/replications.md, 'jedc-2010': classical solution and RSPG are within every bar."""
    done = hm.replicate("jedc-2010", tmp_path, tell=lambda text: None)  # raises where a bar is missed
    assert set(done["missed"]) <= {"Classical, Seconds, Total", "RSPG, Seconds, Total"}
    assert done["status"] == {"Classical": "converged", "RSPG": "converged"}
    table = pd.read_csv(tmp_path / "tests.csv").set_index("Quantity")
    assert table.loc["Den Haan, largest", "classical_value"] <= 0.25
    assert table.loc["Den Haan, mean", "classical_value"] <= 0.06
