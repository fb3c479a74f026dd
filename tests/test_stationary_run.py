"""The run of a stationary equilibrium: what is kept is what was solved; tables agree with plain NumPy; what is damaged,
edited or contradicts the run is refused by name."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.environment.discretize import discretize
from hank_mfg.evaluate.distribution.finer_mass import finer_mass
from hank_mfg.report import stationary_report
from hank_mfg.report.stationary_report import stationary_content, write_stationary_report
from hank_mfg.runs import steady_run
from hank_mfg.solve.stationary.steady_state import SteadyState

POINTS = 40
ROOT = Path(__file__).resolve().parents[1]
SIZES: dict[str, Any] = {"asset_points": POINTS}
TABLES = ("outcomes", "distribution", "propensities", "marginal_propensities")
FIGURES = ("wealth_distribution", "lorenz", "policy", "mpc", "intertemporal_mpcs")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A small stationary economy in a run folder, and what solving it returned."""
    folder = tmp_path_factory.mktemp("stationary") / "run"
    return folder, hm.steady_state_run("aiyagari", folder, **SIZES)


@pytest.fixture(scope="module")
def reported(kept):
    """The numbers and files of its report, without figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stationary_report, "_figures", lambda steady, responses: {})
        return write_stationary_report(kept[1], kept[0])


@pytest.fixture
def copied(kept, tmp_path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(kept[0], tmp_path / "copied"))


@pytest.fixture
def unsolvable(monkeypatch):
    """Nothing can be solved while a test runs."""

    def refuse(*args, **kwargs):
        raise AssertionError("solved again")

    monkeypatch.setattr(steady_run, "steady_state", refuse)


@pytest.fixture
def undrawn(monkeypatch):
    """Reports without figures, which take seconds; one test draws them."""
    monkeypatch.setattr(stationary_report, "_figures", lambda steady, responses: {})


def same(one: SteadyState, other: SteadyState) -> bool:
    """Whether two equilibria hold the same bits."""
    arrays = [
        (each.savings, each.mass, each.consumption, np.array(list(each.prices.values()))) for each in (one, other)
    ]
    return all(np.array_equal(here, there) for here, there in zip(*arrays, strict=True))


def test_what_is_loaded_is_what_was_solved(kept):
    folder, steady = kept
    loaded = hm.load_run(folder)
    assert isinstance(loaded, SteadyState) and same(steady, loaded)
    assert loaded.residual == steady.residual and loaded.economy.model == steady.economy.model
    assert not [path for path in folder.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]
    config = json.loads((folder / "config.json").read_text())
    assert config["kind"] == "stationary" and config["asset_points"] == POINTS and config["model"] == "aiyagari"
    assert json.loads((folder / "manifest.json").read_text())["equations"]


def test_the_same_again_is_read_and_nothing_is_written(kept, unsolvable):
    folder, steady = kept
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert same(hm.steady_state_run("aiyagari", folder, **SIZES), steady)
    assert same(hm.steady_state_run(hm.load_model("aiyagari"), folder, **SIZES), steady)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("model", "given", "pieces"),
    [
        ("aiyagari", {"asset_points": 50}, ["asset_points = 40, not 50"]),
        ("aiyagari", {**SIZES, "overrides": {"discount_factor": 0.95}}, ["discount_factor = 0.96, not 0.95"]),
        ("aiyagari", {**SIZES, "tolerance": 1e-9}, ["tolerance = 1e-11, not 1e-09"]),
        ("huggett", SIZES, ["of Aiyagari, not of Huggett"]),
    ],
)
def test_what_contradicts_the_run_is_refused(kept, unsolvable, refuses, model, given, pieces):
    refuses(lambda: hm.steady_state_run(model, kept[0], **given), str(kept[0]), "another --out", *pieces)


def test_changed_equations_are_refused(kept, unsolvable, refuses):
    aiyagari = type(hm.load_model("aiyagari"))

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + today.wage * own.labor + 0.01

    changed = type("Aiyagari", (aiyagari,), {"resources": resources, "__module__": __name__})
    model = changed(**{**hm.load_model("aiyagari").parameters(), "period": "year"})
    refuses(lambda: hm.steady_state_run(model, kept[0], **SIZES), "resources()", "solve again into a new folder")


def test_the_run_of_a_training_is_not_overwritten(tmp_path, unsolvable, refuses):
    (tmp_path / "config.json").write_text(json.dumps({"model": "krusell_smith", "status": "CONVERGED"}))
    refuses(lambda: hm.steady_state_run("aiyagari", tmp_path, **SIZES), "hank-mfg solve", "another --out")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_model_that_has_no_equilibrium_leaves_no_folder(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise hm.SteadyStateError("There is none.")

    monkeypatch.setattr(steady_run, "steady_state", fail)
    with pytest.raises(hm.SteadyStateError):
        hm.steady_state_run("aiyagari", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_equilibrium_is_named(copied, refuses, damage):
    path = copied / "steady_state.npz"
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-100] if damage == "cut" else content[:500] + b"x" + content[501:])
    refuses(lambda: hm.load_run(copied), str(path))
    refuses(lambda: hm.steady_state_run("aiyagari", copied, **SIZES), str(path))


def test_an_edited_entry_is_refused_and_what_is_lost_is_rebuilt(copied, refuses, kept):
    path = copied / "config.json"
    text = path.read_text()
    path.write_text(text.replace('"discount_factor": 0.96', '"discount_factor": 0.97'))
    refuses(lambda: hm.load_run(copied), "discount_factor = 0.97", "solved with 0.96")
    path.unlink()
    with pytest.warns(UserWarning, match=r"config\.json was missing: rebuilt"):
        assert same(hm.load_run(copied), kept[1])
    assert path.read_text() == text
    manifest = copied / "manifest.json"
    before = manifest.read_text()
    for lose in (manifest.unlink, lambda: manifest.write_text(before[:-100])):
        lose()
        with pytest.warns(UserWarning, match=r"manifest\.json is (missing|damaged): rebuilt from steady_state"):
            assert same(hm.load_run(copied), kept[1])
        assert json.loads(manifest.read_text())["files"] == json.loads(before)["files"]


HOLD = """
import sys, time
from hank_mfg.runs.lock import writing
with writing(sys.argv[1]):
    print(1, flush=True)
    time.sleep(60)
"""


def test_another_process_that_writes_is_named(copied, refuses):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(copied)], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == "1\n"
            refuses(lambda: write_stationary_report(hm.load_run(copied), copied), f"process {other.pid}")
        finally:
            other.kill()


def test_a_file_of_ones_own_is_copied_and_trusted(kept, tmp_path, refuses, monkeypatch, float64):
    steady = kept[1]

    def solved(model, **given):  # the same economy from another file: nothing is compiled again
        return steady._replace(economy=discretize(model, POINTS, jnp.float64, aggregate_risk=False))

    monkeypatch.setattr(steady_run, "steady_state", solved)
    text = (ROOT / "models" / "aiyagari.py").read_text()
    for name, value in steady.economy.model.parameters().items():
        value = float(value)
        text = text.replace(f"{name}: float = hm.parameter(", f"{name}: float = hm.parameter(default={value!r}, about=")
    (tmp_path / "own.py").write_text(text)
    folder = tmp_path / "run"
    found = hm.steady_state_run(tmp_path / "own.py", folder, **SIZES)
    assert type(found.economy.model).__module__ != type(steady.economy.model).__module__
    assert (folder / "model.py").read_text() == text
    assert same(hm.load_run(folder), found)
    assert same(hm.steady_state_run(tmp_path / "own.py", folder, **SIZES), found)
    model = hm.load_model(tmp_path / "own.py")
    (tmp_path / "own.py").write_text("edited since")
    hm.steady_state_run(model, tmp_path / "object", **SIZES)
    assert (tmp_path / "object" / "model.py").read_text() == text, "as it was run"
    assert same(hm.load_run(tmp_path / "object"), found)
    typed = type("Typed", (type(steady.economy.model),), {"__module__": "__main__"})
    hm.steady_state_run(typed(**model.parameters()), tmp_path / "typed", **SIZES)
    refuses(lambda: hm.load_run(tmp_path / "typed"), "the class Typed", "model=Typed")
    moved = Path(shutil.copytree(folder, tmp_path / "moved"))
    refuses(lambda: hm.load_run(moved), "hank-mfg trust")
    hm.trust_run(moved)
    assert same(hm.load_run(moved), found)


def written_names(folder: Path, written: list[Path]) -> set[str]:
    """The files of a report, relative to its folder; the manifest has them all."""
    names = {path.relative_to(folder).as_posix() for path in written}
    assert names <= set(json.loads((folder / "manifest.json").read_text())["results"])
    return names


def test_every_table_is_written_and_recorded(kept, reported):
    folder = kept[0]
    assert written_names(folder, reported[1]) == {f"{name}.{suffix}" for name in TABLES for suffix in ("csv", "tex")}
    for name in TABLES:
        assert r"\bottomrule" in (folder / f"{name}.tex").read_text()
    (folder / "notes.txt").write_text("")  # a file of the user's own does no harm
    assert same(hm.load_run(folder), kept[1])


@pytest.mark.slow
def test_every_figure_is_drawn(copied):
    """Guards docs/keeping_results.md, row `figures/`: every figure, as PDF and PNG."""
    written = hm.write_report(hm.load_run(copied), copied)
    drawn = {f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "png")}
    assert written_names(copied, written) >= drawn


def test_a_changed_table_is_told_and_made_again(kept, reported, copied, undrawn):
    (copied / "outcomes.csv").write_text("edited")
    with pytest.warns(UserWarning, match=r"outcomes\.csv changed since written"):
        steady = hm.load_run(copied)
    write_stationary_report(steady, copied)
    assert (copied / "outcomes.csv").read_text() == (kept[0] / "outcomes.csv").read_text()


def test_outcomes_are_sums_over_the_distribution(kept, reported, float64):
    folder, steady = kept
    table = pd.read_csv(folder / "outcomes.csv", index_col=0)
    share, depreciation = (float(steady.economy.model.parameters()[n]) for n in ("capital_share", "depreciation"))
    mass, assets = np.asarray(steady.mass), np.asarray(steady.economy.grid.points)
    labor = np.asarray(steady.economy.own.labor).ravel()
    capital, hours = mass.sum(axis=1) @ assets, mass.sum(axis=0) @ labor
    output = capital**share * hours ** (1 - share)
    truths = {
        "capital": capital,
        "labor": hours,
        "output": output,
        "interest_rate": share * output / capital - depreciation,
        "wage": (1 - share) * output / hours,
        "savings": np.sum(mass * np.asarray(steady.savings)),
    }
    budget = (1 + truths["interest_rate"]) * assets[:, None] + truths["wage"] * labor - np.asarray(steady.savings)
    truths["consumption"] = np.sum(mass * budget)
    for name, truth in truths.items():
        shown = 100.0 * truth if name == "interest_rate" else truth  # percent
        assert table.loc[name, "value"] == pytest.approx(shown, rel=1e-6), name
        if name != "interest_rate":
            assert table.loc[name, "ratio to output"] == pytest.approx(truth / output, rel=1e-6), name
    assert table.loc["interest_rate", "unit"] == "percent per year" and table.loc["output", "unit"] == "level"
    assert np.isnan(table.loc["interest_rate", "ratio to output"])
    left = output + (1 - depreciation) * capital - truths["consumption"] - truths["savings"]
    assert reported[0]["accuracy"]["goods_market_residual"] == pytest.approx(left / output, abs=1e-6)


def test_inequality_agrees_with_a_long_population(kept, reported):
    """The Gini coefficient as a mean of differences between all pairs, shares from everybody in order."""
    steady = kept[1]
    weight, assets = steady.mass.sum(axis=1), np.asarray(steady.economy.grid.points)
    pairs = np.abs(assets[:, None] - assets[None, :])
    distribution = reported[0]["distribution"]
    assert distribution["Gini coefficient"] == pytest.approx(
        weight @ pairs @ weight / (2 * (weight @ assets)), rel=1e-10
    )
    assert distribution["At the borrowing limit (percent)"] == pytest.approx(100 * weight[0])
    people = np.repeat(assets, np.rint(1e6 * weight).astype(int))[::-1]
    richest = people[: round(0.1 * people.size)].sum() / people.sum()
    assert distribution["Wealth of the top 10 % (percent)"] == pytest.approx(100 * richest, abs=0.01)
    assert distribution["Percentile 50 (level)"] == pytest.approx(np.median(people), abs=np.diff(assets).max())


def test_mean_propensities_are_slopes_of_consumption(kept, reported, float64):
    """Against finite differences of the policy in cash on hand, where no kink is near."""
    steady = kept[1]
    cash = np.asarray(steady.economy.resources(steady.public))
    step = 1e-6
    bound = np.asarray(steady.savings) <= float(steady.economy.grid.lower)
    slopes = (np.asarray(steady.policy(cash + step)) - np.asarray(steady.policy(cash - step))) / (2 * step)
    mean = np.sum(steady.mass * np.where(bound, 1.0, slopes))
    found = reported[0]["propensities"]
    assert found["mpc_year"] == pytest.approx(mean, rel=0.02)
    assert found["constrained"] == pytest.approx(np.sum(steady.mass * bound), rel=1e-12)
    assert "mpc_first_year" not in found
    assert hm.intertemporal_mpcs(steady, horizon=41)[0, 0] == pytest.approx(found["mpc_year"], rel=1e-6)


def test_numbers_for_json_have_no_gaps(reported):
    json.dumps(reported[0], allow_nan=False)


def test_a_report_in_python_is_the_same(kept, tmp_path, undrawn):
    folder = Path(shutil.copytree(kept[0], tmp_path / "again"))
    written = hm.write_report(hm.load_run(folder), str(folder), html=True)
    assert {path.stem for path in written} == {*TABLES, "report"}


def test_a_page_has_the_numbers_of_the_equilibrium(command, kept, undrawn):
    """Guards docs/keeping_results.md, "One page": all digits of outcomes and accuracy, and the command."""
    folder, steady = kept
    content = command("report", folder, "--html", "--quiet", "--json").printed
    assert content["files"][-1] == str(folder / "report.html")
    text = (folder / "report.html").read_text()
    titles = np.array(re.findall(r'title="([^"]*)"', text), float)
    for value in (*steady.outcomes.values(), *content["accuracy"].values()):
        assert np.isclose(titles[:, None], [value, 100 * value], rtol=1e-14, atol=0).any(), value
    assert "the distance to the fixed point" in text and f"asset-points {POINTS} --out {folder.name}" in text


def test_latex_of_an_equilibrium(kept, tmp_path):
    steady = kept[1]
    text = steady.to_latex(tmp_path / "outcomes.tex", caption="The economy", label="tab:economy")
    assert (tmp_path / "outcomes.tex").read_text() == text
    assert all(piece in text for piece in ("Interest rate & 4.", r"\label{tab:economy}", "percent per year"))
    assert list(steady.table().index) == list(steady.outcomes)


def test_statistics_take_an_equilibrium(kept):
    """Shares of its own mass; a grid refined once is the same grid, so that the histogram changes nothing there."""
    steady = kept[1]
    assert hm.stats.gini(steady) == hm.stats.gini(steady.mass, steady.assets)
    assert hm.stats.top_share(steady, fraction=0.1) == hm.stats.top_share(steady.mass, steady.assets, 0.1)
    mass, assets = finer_mass(steady, 1)
    np.testing.assert_allclose(mass, steady.mass, atol=1e-9)
    np.testing.assert_array_equal(assets, steady.assets)
    with pytest.raises(ValueError, match="assets is missing: give the grid points"):
        hm.stats.gini(steady.mass)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aiyagari", "krusell_smith", "huggett"])
def test_the_histogram_error_is_the_gap_to_a_grid_eight_times_finer(name):
    """Guards docs/aiyagari.md, "Inequality on a coarse grid": the estimate is within a factor of two of the truth."""
    model = hm.load_model(name)
    table = hm.stats.distribution_table(hm.steady_state(model))
    truth = hm.stats.gini(hm.steady_state(model, asset_points=1600))
    value, error = table.loc["Gini coefficient"]
    assert 0.5 < error / abs(value - truth) < 2.0


def test_commands(command, kept, undrawn):
    folder = kept[0]
    given = ("steady-state", "aiyagari", "--asset-points", POINTS, "--out", folder)
    printed = command(*given, "--json").printed
    assert printed["run"] == str(folder) and printed["capital"] == pytest.approx(float(kept[1].aggregates.capital))
    assert printed["ratios_to_output"]["output"] == 1.0 and "interest_rate" not in printed["ratios_to_output"]
    text = command(*given, "--quiet")
    assert text.err == "" and "percent per year" in text.out and f"Wrote 8 files into {folder}." in text.out
    content = command("report", folder, "--quiet", "--json").printed
    assert content["propensities"] == stationary_content(kept[1])["propensities"] and len(content["files"]) == 8
    other = command(*given[:2], "--asset-points", 60, "--out", folder)
    assert other.status == 2 and "asset_points = 40, not 60" in other.err
    assert command("trust", folder).status == 0


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        (("irf", "RUN", "--shock", "z", "--size", 1), ["no impulse responses", "hm.linearize", "hm.transition"]),
        (("moments", "RUN"), ["no moments over time", "hank-mfg report"]),
        (("compare", "RUN"), ["no comparison of methods"]),
        (("evaluate", "RUN", "--under", "depreciation=0.1"), ["other parameters"]),
        (("solve", "--resume", "--out", "RUN"), ["finished run"]),
        (("solve", "krusell_smith", "--out", "RUN"), ["already holds a run"]),
        (("solve", "aiyagari", "--out", "runs/none"), ["hank-mfg steady-state"]),
        (("compare", "aiyagari"), ["hank-mfg steady-state"]),
        (("options", "aiyagari"), ["hank-mfg steady-state"]),
    ],
)
def test_commands_that_need_aggregate_risk_name_what_to_use(command, kept, words, pieces):
    done = command(*(kept[0] if word == "RUN" else word for word in words))
    assert done.status == 2 and done.err.count("\n") == 1, done.err
    for piece in pieces:
        assert piece in done.err


@pytest.mark.slow
def test_an_evaluation_has_the_error_of_the_grid(command, kept):
    """Guards docs/keeping_results.md, `evaluation.json`: the grid error, against four times the points."""
    content = command("evaluate", kept[0], "--json").printed
    finer = hm.steady_state(hm.load_model("aiyagari"), asset_points=4 * POINTS)
    error = content["grid_error"]["capital"]["error"]
    assert abs(float(kept[1].aggregates.capital) - float(finer.aggregates.capital)) < 3 * error
    assert 0 <= content["search_gain_percent"] < 0.01
    command("report", kept[0], "--quiet")
    table = pd.read_csv(kept[0] / "outcomes.csv", index_col=0)
    assert table.loc["capital", "grid error"] == pytest.approx(error)


@pytest.mark.slow
def test_within_a_year_a_quarterly_economy_spends_what_the_first_column_adds_up_to():
    """Guards docs/keeping_results.md, `propensities.csv`: the first year is M[t, 0] over four quarters."""
    steady = hm.steady_state(hm.load_model("one_asset_hank"), asset_points=60)
    responses = hm.intertemporal_mpcs(steady, horizon=20)
    found = stationary_content(steady)["propensities"]
    assert found["mpc_first_year"] == pytest.approx(responses[:4, 0].sum(), rel=1e-9)
    assert found["mpc_quarter"] == pytest.approx(responses[0, 0], rel=1e-6)
