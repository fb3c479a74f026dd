"""The recession where wealth is as unequal as in the data, beside that where all are equally patient."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.replication import two_solutions
from hank_mfg.replication.krueger_2016 import recession, run
from hank_mfg.solve.classical.krusell_smith import solve_classical

Plain = type(hm.load_model("krusell_smith"))


class PlainOnTheSameGrid(Plain):
    """Krusell and Smith's economy on the asset grid of the one with types of patience."""

    def asset_space(self):
        return hm.Assets(lower=self.borrowing_limit, upper=self.maximum_assets, pivot=1.0)


def test_both_paths_are_the_same_until_the_recession():
    shocks = recession.shocks_of(hm.load_model("krusell_smith_wealth"))
    plain = recession.shocks_of(hm.load_model("krusell_smith"))
    for one, other in zip(shocks, plain, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.all(shocks.before[-recession.EXPANSION :] == recession.GOOD) and np.all(shocks.expansion == 1)
    moved = np.flatnonzero(shocks.recession != shocks.expansion)
    np.testing.assert_array_equal(moved, np.arange(recession.RECESSION))
    assert np.mean(shocks.before[: recession.DRAWN]) == pytest.approx(0.5, abs=0.1)  # half of all quarters are good


def test_what_contradicts_the_claim_is_named():
    ways = ["Classical", "RSPG", "Linear"]
    index = pd.MultiIndex.from_product([[run.PLAIN, run.UNEQUAL], ways])
    table = pd.DataFrame({"Consumption, on impact": [1.0, 1.02, 1.05, 2.0, 2.3, 1.04]}, index=index)
    apart, less = run.misses(table)
    assert apart == "Wealth as in the data: consumption on impact differs by 1.3 points between methods"
    assert less == "Linear: consumption falls no more"
    table["Consumption, on impact"] = [1.0, 1.02, 1.05, 2.0, 2.01, 1.99]
    assert run.misses(table) == []


@pytest.mark.slow
def test_with_equal_patience_the_recession_is_the_plain_one():
    """Guards docs/replications.md, 'krueger-2016': types that are alike are Krusell and Smith's economy."""
    parameters = {**hm.load_model("krusell_smith").parameters(), "maximum_assets": 1000.0}
    alike = hm.load_model("krusell_smith_wealth", discount_factor=[0.99] * 5, maximum_assets=1000.0)
    found = []
    for model in (PlainOnTheSameGrid(**parameters), alike):
        linear = hm.linearize(hm.steady_state(model, asset_points=100, others=False), horizon=300)
        found.append(recession.linear_recession(linear, recession.shocks_of(model, drawn=100)))
    for name in recession.SERIES:
        assert np.abs(found[0].fall[name]).max() > 1.0
        np.testing.assert_allclose(found[1].fall[name], found[0].fall[name], atol=1e-6)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The whole replication, small: the folder and what was returned.

    The classical solution is in both places: RSPG takes longer to compile, and `hank-mfg replicate` has it.
    """
    folder = tmp_path_factory.mktemp("recession")

    def classical_twice(name, kept, sizes, tell):
        solution = solve_classical(hm.load_model(name), sizes.classical)
        return dict.fromkeys(("Classical", "RSPG"), two_solutions.measure(solution, sizes))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "solve_twice", classical_twice)
        return folder, hm.replicate("krueger-2016", folder, quick=True, tell=lambda text: None)


@pytest.mark.slow
def test_consumption_falls_more_where_wealth_is_as_unequal_as_in_the_data(done):
    """Guards docs/replications.md, 'krueger-2016': consumption falls more on impact, and it is the poor's that does."""
    folder, content = done
    fall = pd.read_csv(folder / "recession.csv").set_index(["Economy", "Solution"])
    impact = fall["Consumption, on impact"]
    for way in ("Classical", "Linear", "Linear, benefits of half the wage"):
        assert impact[run.UNEQUAL, way] > impact[run.PLAIN, way] + run.PUBLISHED
    assert impact[run.PLAIN, "Classical"] == pytest.approx(impact[run.PLAIN, "Linear"], abs=0.15)
    assert impact[run.UNEQUAL, "Classical"] == pytest.approx(impact[run.UNEQUAL, "Linear"], abs=0.15)
    np.testing.assert_allclose(fall["Output, on impact"], 5.9, atol=0.15)  # jobs and productivity are the same
    poor = pd.read_csv(folder / "quintiles.csv").set_index(["Economy", "Solution", "Quintile"])
    share = poor["Share of the fall"][run.UNEQUAL]["Classical"]
    assert share.sum() == pytest.approx(100.0) and share["Quintile 1"] > 40.0 > 10.0 > share["Quintile 5"]
    assert content["missed"] == []


@pytest.mark.slow
def test_every_file_is_written(done):
    """Guards docs/replications.md: tables, figures and results.json, wealth of the survey beside ours."""
    folder, content = done
    stems = ("recession", "quintiles", "wealth", "accuracy")
    expected = {f"{stem}.{end}" for stem in stems for end in ("csv", "tex")} | {"recession.pdf", "recession.png"}
    assert {Path(file).name for file in content["files"]} == expected | {"results.json"}
    wealth = pd.read_csv(folder / "wealth.csv").set_index("Solution")
    assert wealth.loc["Survey of Consumer Finances", "Quintile 5"] == pytest.approx(100 - 17.5191, abs=1e-3)
    assert json.loads((folder / "results.json").read_text())["recession"][0]["Economy"] == run.PLAIN
