"""Krusell and Smith (1998): the published numbers agree with each other, ours with them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.replication import two_solutions
from hank_mfg.replication.krusell_smith_1998 import run as paper
from hank_mfg.solve.classical.krusell_smith import solve_classical

BETA = "krusell_smith_stochastic_beta"


@pytest.mark.parametrize("shares", [paper.UNITED_STATES, *(each.wealth for each in paper.ECONOMIES.values())])
def test_published_shares_and_gini_coefficients_agree(shares):
    """Straight lines between five points of a convex curve enclose less than the curve: a number typed wrong shows.

    From below the Gini coefficient of the points bounds the published one (but for rounding), from above that of the
    most unequal curve through them, with what the poorest 70 percent hold held by the richest of these.
    """
    held = 1.0 - np.array([shares[name] for name in paper.WEALTH[:5]])[::-1] / 100.0
    population = np.array([0.0, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0])
    lowest = 1.0 - 2.0 * np.trapezoid([0.0, *held, 1.0], population)
    assert lowest - 0.01 <= shares["Gini"] <= lowest + 0.7 * max(held[0], 0.0) + 0.05


def test_published_laws_hold_near_the_published_mean():
    """In good times capital at the mean grows, in bad times it falls, by less than a percent a quarter."""
    at = np.log(paper.MEAN_CAPITAL)
    for economy in paper.ECONOMIES.values():
        bad, good = (intercept + slope * at - at for intercept, slope in economy.law)
        assert -0.01 < bad < 0.0 < good < 0.01


def test_households_in_debt_do_not_jump_with_the_grid():
    """A uniform population on [-1, 3]: a quarter is in debt, wherever zero lies between grid points."""
    for points in (100, 101, 102, 103):
        edges = -1.0 + 4.0 * np.arange(points + 1) / points
        assets = 0.5 * (edges[1:] + edges[:-1])
        mass = np.full((points, 2), 0.5 / points)
        assert two_solutions.in_debt(mass, assets) == pytest.approx(0.25, abs=1e-3)
    assert two_solutions.in_debt(mass, assets + 1.0) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", paper.ECONOMIES)
def test_wealth_without_aggregate_risk_is_near_the_published(name):
    """The bars: shares within 3 points, Gini coefficient within .03; those of stochastic beta are the paper's point."""
    steady = hm.steady_state(hm.load_model(name), asset_points=200)
    found = two_solutions.wealth_row(steady.mass, np.asarray(steady.economy.grid.points))
    published = paper.ECONOMIES[name].wealth
    for quantity, value in published.items():
        assert found[quantity] == pytest.approx(value, abs=0.03 if quantity == "Gini" else 3.0), quantity


@pytest.mark.slow
def test_the_classical_law_with_stochastic_beta_is_near_the_published():
    """The most patient have beta R > 1, yet the algorithm converges, here on a small grid."""
    solution = solve_classical(hm.load_model(BETA), two_solutions.QUICK.classical)
    assert solution.status.name == "CONVERGED"
    assert 0.9930 * (1.0 + float(solution.steady.prices.interest_rate)) > 1.0
    law = np.column_stack([solution.law.intercept, solution.law.slope])
    np.testing.assert_allclose(law[:, 1], [0.961, 0.961], atol=0.004)
    level = law @ [1.0, np.log(paper.MEAN_CAPITAL)] - np.array(paper.ECONOMIES[BETA].law) @ [1.0, np.log(11.6)]
    assert np.abs(level).max() < 0.002


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """The benchmark economy alone, small: the folder, what was returned and what was said.

    The classical solution is in both places: RSPG takes longer to compile, and the slow tests have it.
    """
    folder, messages = tmp_path_factory.mktemp("paper"), []

    def classical_twice(name, kept, sizes, tell):
        solution = solve_classical(hm.load_model(name), sizes.classical)
        return dict.fromkeys(("Classical", "RSPG"), two_solutions.measure(solution, sizes))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper, "ECONOMIES", {"krusell_smith_1998": paper.ECONOMIES["krusell_smith_1998"]})
        patch.setattr(paper, "solve_twice", classical_twice)
        return folder, paper.run(folder, quick=True, tell=messages.append), messages


@pytest.mark.slow
def test_a_small_run_writes_published_numbers_beside_ours(benchmark):
    """Guards docs/replications.md, 'krusell-smith-1998': published numbers beside ours, in every file."""
    folder, done, messages = benchmark
    laws = pd.read_csv(folder / "laws.csv").set_index(["State", "Solution"])
    assert tuple(laws.loc[("Good", "Published"), ["Intercept", "Slope"]]) == (0.095, 0.962)
    assert laws.loc[("Bad", "Classical"), "Slope"] == pytest.approx(0.965, abs=0.002)
    assert laws.loc[("Good", "Classical"), "Intercept"] == pytest.approx(0.095, abs=0.005)
    wealth = pd.read_csv(folder / "wealth.csv").set_index("Distribution")
    assert wealth.loc["Published", "Top 30 %"] == 46.0 and wealth.loc["United States", "Gini"] == 0.79
    assert wealth.loc["Classical", "Gini"] == pytest.approx(0.25, abs=0.03)
    assert {Path(file).name for file in done["files"]} == {
        "laws.csv", "laws.tex", "wealth.csv", "wealth.tex", "accuracy.csv", "accuracy.tex", "results.json",
        "lorenz.pdf", "lorenz.png", "laws.pdf", "laws.png",
    }  # fmt: skip
    assert any("Gini .82 +- .03 and top 1 percent 24 +- 3 points" in text for text in messages)


def test_what_is_too_far_from_the_published_is_named():
    index = pd.MultiIndex.from_tuples([("Benchmark", "Published"), ("Benchmark", "RSPG"), ("Data", "United States")])
    table = pd.DataFrame({"Within tolerance": [np.nan, False, np.nan]}, index=index)
    other = pd.DataFrame({"Within tolerance": [np.nan, True, np.nan]}, index=index)
    assert paper.misses({"laws": other, "wealth": table}) == ["wealth, Benchmark, RSPG"]


@pytest.mark.slow
def test_a_quick_run_keeps_its_runs(tmp_path, monkeypatch):
    """Guards docs/replications.md: a finished RSPG run is not made again, and tables stay the same."""
    hm.replicate("krusell-smith-1998", tmp_path, quick=True, tell=lambda text: None)
    written = (tmp_path / "wealth.csv").read_text()
    wealth = pd.read_csv(tmp_path / "wealth.csv").set_index(["Economy", "Distribution"])
    assert wealth.loc[("Benchmark", "RSPG"), "Gini"] == pytest.approx(0.25, abs=0.03)
    assert wealth.loc[("Stochastic beta", "RSPG"), "Gini"] == pytest.approx(0.82, abs=0.05)
    for name in paper.ECONOMIES:
        assert (tmp_path / "runs" / f"{name}_quick" / "config.json").exists()
    monkeypatch.setattr(two_solutions, "solve_run", None)  # nothing is left to train
    hm.replicate("krusell-smith-1998", tmp_path, quick=True, tell=lambda text: None)
    assert (tmp_path / "wealth.csv").read_text() == written


@pytest.mark.slow
def test_the_whole_paper_is_within_the_tolerance(tmp_path):
    """Guards docs/replications.md, 'krusell-smith-1998': laws, shares and Gini are within the tolerance."""
    done = hm.replicate("krusell-smith-1998", tmp_path, tell=lambda text: None)  # raises where it is not
    assert done["missed"] == []
    wealth = pd.read_csv(tmp_path / "wealth.csv").set_index(["Economy", "Distribution"])
    for label in ("Classical", "RSPG", "Without aggregate risk"):
        assert wealth.loc[("Stochastic beta", label), "Gini"] == pytest.approx(0.82, abs=0.03)
        assert wealth.loc[("Stochastic beta", label), "Top 1 %"] == pytest.approx(24.0, abs=3.0)
    accuracy = pd.read_csv(tmp_path / "accuracy.csv")
    assert (accuracy["Ended"] == "converged").all()
