"""The distribution along a path against dense matrices, adding up, and worlds in which nothing happens."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from PIL import Image

import hank_mfg as hm
from hank_mfg.evaluate.distribution.groups import GROUPS, wealth_groups
from hank_mfg.evaluate.distribution.path_distribution import follow
from hank_mfg.evaluate.distribution.statistics import gini, gini_over_states, quantile, quantile_over_states

HORIZON = 40
pytestmark = pytest.mark.filterwarnings("ignore:The path is cut off")  # so that tests are short
FIFTHS = {f"fifth_{i + 1}": (i / 5, (i + 1) / 5) for i in range(5)}


def economy(**parameters):
    return hm.steady_state(hm.load_model("krusell_smith", maximum_assets=700.0, **parameters), asset_points=60)


@pytest.fixture(scope="module")
def steady():
    return economy(discount_factor=0.985)


@pytest.fixture(scope="module")
def path(steady):
    """A recession: productivity is nearly one percent low, more lose their jobs, and it comes back."""
    return hm.transition(steady, horizon=HORIZON, productivity=-0.009 * 0.75 ** np.arange(HORIZON))


@pytest.fixture(scope="module")
def result(path):
    return hm.distribution_path(path)


def matrix(grid, chain, savings) -> np.ndarray:
    """The transition matrix of (assets, income) flattened, dense."""
    moves = np.zeros((*savings.shape, *savings.shape))
    for i, e in np.ndindex(*savings.shape):
        low = np.clip(np.searchsorted(grid, savings[i, e], side="right") - 1, 0, len(grid) - 2)
        weight = (savings[i, e] - grid[low]) / (grid[low + 1] - grid[low])
        moves[i, e, low] += (1.0 - weight) * chain[e]
        moves[i, e, low + 1] += weight * chain[e]
    return moves.reshape(savings.size, savings.size)


@pytest.mark.slow
def test_fixed_groups_are_followed_by_the_policies_of_the_path(steady, path, result):
    """With dense transition matrices, one per period, from the richest percent and the others on."""
    grid, chain = np.asarray(steady.economy.grid.points), np.asarray(steady.economy.income_transition)[0, 0]
    with jax.enable_x64(True):
        resting = np.asarray(steady.economy.resources(steady.public)) - steady.savings
    groups = zip(GROUPS, wealth_groups(path.mass[0]), wealth_groups(steady.mass), strict=True)
    for group, mass, before in groups:  # the shock moves people between jobs at once
        moved, without = mass.ravel(), before.ravel()
        for t in range(HORIZON):
            worlds = ((moved, result.levels, path.consumption[t]), (without, result.baseline, resting))
            for now, levels, spent in worlds:
                assert now.sum() == pytest.approx(1.0, abs=1e-12)
                held = np.sum(now.reshape(mass.shape) * grid[:, None])
                assert levels[f"wealth_{group}"][t] == pytest.approx(held, rel=1e-10)
                assert levels[f"consumption_{group}"][t] == pytest.approx(now @ spent.ravel(), rel=1e-6)
            moved = moved @ matrix(grid, path.chain[t], path.savings[t])
            without = without @ matrix(grid, chain, steady.savings)


@pytest.mark.slow
def test_groups_that_are_everybody_add_up_to_the_aggregates(path):
    """Guards docs/yardsticks.md, 'How right': exhaustive groups add up to the aggregates, to 1e-9."""
    found = hm.distribution_path(path, groups=FIFTHS)
    for what, name in (("wealth", "capital"), ("consumption", "consumption")):
        mean = sum(0.2 * found.levels[f"{what}_{group}"] for group in FIFTHS)
        np.testing.assert_allclose(mean, path.series[name], rtol=1e-9)
        still = sum(0.2 * found.baseline[f"{what}_{group}"] for group in FIFTHS)
        np.testing.assert_allclose(still, path.final[name], rtol=1e-6)
    everybody = hm.distribution_path(path, groups={"everybody": (0.0, 1.0)})
    np.testing.assert_allclose(everybody.levels["wealth_everybody"], path.series["capital"], rtol=1e-9)


@pytest.mark.slow
def test_without_a_shock_every_response_is_zero(steady):
    """Fixed groups drift toward the mean all the same: their levels move, their responses do not."""
    found = hm.distribution_path(hm.transition(steady, horizon=HORIZON))
    for name, values in found.responses.items():
        np.testing.assert_allclose(values, 0.0, atol=1e-5, err_msg=name)
    assert found.levels["wealth_initial_top_1"][-1] < 0.99 * found.levels["wealth_initial_top_1"][0]


@pytest.mark.slow
def test_current_percentiles_are_those_of_each_period(steady, path, result):
    """Guards docs/yardsticks.md: `gini` and `wealth_p90` are of the distribution of the period."""
    grid = np.asarray(steady.economy.grid.points)
    for t in (0, 7, HORIZON - 1):
        mass, spent = path.mass[t].ravel(), path.consumption[t].ravel()
        assert result.levels["gini"][t] == pytest.approx(gini(path.mass[t], grid), rel=1e-12)
        assert result.levels["wealth_p90"][t] == pytest.approx(quantile(path.mass[t], grid, 0.9), rel=1e-12)
        pairs = mass[:, None] * mass * np.abs(spent[:, None] - spent)
        assert result.levels["consumption_gini"][t] == pytest.approx(pairs.sum() / (2.0 * mass @ spent), rel=1e-10)
    for name in ("gini", "wealth_p50", "top_1_percent_share", "wealth_initial_top_1"):
        assert result.responses[name][0] == pytest.approx(0.0, abs=1e-6)  # wealth is given in period 0
    assert result.responses["consumption_p10"][0] < result.responses["consumption_p99"][0] < 0.0
    assert set(result.meanings.values()) == {"current percentile", "fixed group"}
    assert result.meanings["wealth_p50"] == "current percentile"
    assert result.units["gini"] == "percentage points" and result.units["wealth_initial_top_1"] == "percent"
    gap = result.levels["gini"] - result.baseline["gini"]
    np.testing.assert_allclose(result.responses["gini"], 100.0 * gap, rtol=1e-12)


@pytest.mark.slow
def test_responses_are_measured_from_the_equilibrium_before_a_permanent_change(steady):
    """Guards `distribution_path`: after a permanent change responses start from `baseline`."""
    patient = economy(discount_factor=0.986)
    found = hm.distribution_path(hm.transition(patient, horizon=HORIZON, initial=steady), baseline=steady)
    for group in GROUPS:
        response = found.responses[f"wealth_{group}"]
        assert response[0] == pytest.approx(0.0, abs=1e-9) and np.all(np.diff(response[:10]) > 0.0)
    assert found.responses["wealth_p50"][0] == pytest.approx(0.0, abs=1e-9)
    assert found.responses["consumption_p50"][0] < 0.0 < found.responses["wealth_p50"][-1]


def test_a_quantile_over_states_is_that_of_the_spread_population():
    """Every step between grid points cut in 2,000 pieces and sorted."""
    draws = np.random.default_rng(0)
    mass = draws.random((12, 3))
    mass /= mass.sum()
    values = np.cumsum(0.05 + draws.random((12, 3)), axis=0)
    pieces = (np.arange(2000) + 0.5) / 2000
    spread = values[:-1, None] + pieces[:, None] * np.diff(values, axis=0)[:, None]
    points = np.concatenate([values[0], spread.ravel()])
    weight = np.concatenate([mass[0], np.broadcast_to(mass[1:, None] / 2000, spread.shape).ravel()])
    order = np.argsort(points)
    reached = np.cumsum(weight[order])
    for probability in (0.01, 0.1, 0.33, 0.5, 0.9, 0.99):
        expected = points[order][np.searchsorted(reached, probability)]
        assert quantile_over_states(mass, values, probability) == pytest.approx(expected, abs=2e-3)
    one = mass.sum(axis=1, keepdims=True)
    for probability in (0.01, 0.4, 0.9):
        ours = quantile_over_states(one, values[:, :1], probability)
        assert ours == pytest.approx(quantile(one, values[:, 0], probability), rel=1e-12)
    assert gini_over_states(one, values[:, :1]) == pytest.approx(gini(one, values[:, 0]), rel=1e-12)
    over_time = quantile_over_states(np.stack([mass, mass]), np.stack([values, 2.0 * values]), [0.2, 0.8])
    np.testing.assert_allclose(over_time[1], 2.0 * over_time[0], rtol=1e-12)


@pytest.mark.slow
def test_tables_hold_what_was_computed(result, tmp_path):
    """Guards `DistributionPath`: to_dict, to_frame, table and LaTeX hold the computed responses."""
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["series"]["gini"]["response"] == result.responses["gini"].tolist()
    assert plain["series"]["wealth_p10"]["meaning"] == "current percentile"
    frame = result.to_frame()
    assert frame.shape == (HORIZON, len(result.levels)) and "gini_percentage_points" in frame
    table = result.table([0, 10])
    row = table.loc[("Fixed group", "Wealth, initial top 1 %")]
    assert row[("", "Unit of the response")] == "percent"
    assert row[("Response in period", "10")] == result.responses["wealth_initial_top_1"][10]
    text = result.to_latex(tmp_path / "table.tex", caption="Wealth", label="tab:wealth")
    assert (tmp_path / "table.tex").read_text() == text
    assert text.count("Fixed group &") == 1 and r"Wealth share, top 1 \%" in text and "no shock" in text


@pytest.mark.slow
def test_the_figure_and_the_moving_picture_are_drawn(result, path, tmp_path):
    """Guards `hm.plot.distribution_path` and `animate_distribution`: what is drawn is what was computed."""
    figure = hm.plot.distribution_path(result, [0, 5])
    titles = [panel.get_title() for panel in figure.axes]
    assert titles[:3] == ["Distribution of wealth", "Wealth, change since quarter 0", "Inequality"]
    drawn = {line.get_label(): line.get_ydata() for line in figure.axes[2].lines}
    np.testing.assert_array_equal(drawn["Gini, wealth"], result.responses["gini"])
    shown = np.asarray(figure.axes[0].lines[0].get_ydata())
    assert shown.sum() == pytest.approx(99.9 - 100.0 * result.mass[0, 0], abs=0.1)
    automatic = hm.plot.distribution_path(result)  # dates of its own choice
    assert {"Quarter 0", f"Quarter {HORIZON - 1}"} <= {line.get_label() for line in automatic.axes[0].lines}
    debt = {**result.units, "wealth_p10": "level"}
    noted = hm.plot.distribution_path(dataclasses.replace(result, units=debt), [0])
    said = " ".join(noted.get_supxlabel().split())
    assert "not positive throughout: wealth, current percentiles: percentile 10." in said
    file = hm.plot.animate_distribution(path, tmp_path / "new" / "wealth.gif", periods=[0, 3, 9])
    with Image.open(file) as picture:
        assert picture.format == "GIF" and getattr(picture, "n_frames", 1) == 3 and picture.info["loop"] == 0
    assert [each.name for each in file.parent.iterdir()] == ["wealth.gif"]
    columns = hm.plot.intertemporal_mpcs(np.eye(30))
    assert len(columns.axes[0].lines) == 4


@pytest.mark.slow
def test_what_does_not_fit_is_named(steady, path, result, refuses):
    """Guards `distribution_path` and its plots: ValueError for groups, grids and periods that do not fit."""
    other = hm.steady_state(hm.load_model("krusell_smith", maximum_assets=700.0), asset_points=50)
    refuses(lambda: hm.distribution_path(path, baseline=other), "(50, 2)", "same asset_points")
    refuses(lambda: hm.distribution_path(path, groups={"rich": (0.9, 1.2)}), "groups['rich']", "between 0 and 1")
    refuses(lambda: result.table([HORIZON]), f"periods asks for {HORIZON}")
    refuses(lambda: hm.plot.distribution_path(result, [-1]), "periods asks for -1")
    refuses(lambda: hm.plot.animate_distribution(result, "unwritten.gif", periods=[99]), "periods asks for 99")
    refuses(lambda: hm.plot.intertemporal_mpcs(np.eye(5)), "shape (5, 5)")
    good = np.full((3, 2), 1 / 6)
    refuses(lambda: quantile_over_states(good, np.ones((3, 2)), 0.5), "does not ascend")
    refuses(lambda: gini_over_states(good, -np.ones((3, 2))), "positive mean")
    refuses(lambda: gini_over_states(2.0 * good, np.ones((3, 2))), "sums to 2")
    refuses(lambda: gini_over_states(good, np.ones(3)), "shape (3, 2) and values (3,)")


@pytest.mark.slow
def test_the_mass_of_a_group_is_conserved(steady, path):
    """A group for which wealth and consumption are one in every state keeps the mean one."""
    ones = np.ones_like(path.savings)
    consumption, _ = follow(steady.economy, wealth_groups(path.mass[0]), path.savings, ones, path.chain)
    np.testing.assert_allclose(consumption, 1.0, atol=1e-12)


def test_a_figure_of_a_path_draws_its_series_in_percent_where_they_are_rates(path):
    figure = hm.plot.transition(path, ["interest_rate", "capital"], horizon=10)
    rate, capital = figure.axes
    assert rate.get_ylabel().startswith("Percent per") and capital.get_ylabel() == "Level"
    np.testing.assert_allclose(rate.lines[1].get_ydata(), 100.0 * path.series["interest_rate"][:10])
    np.testing.assert_allclose(capital.lines[1].get_ydata(), path.series["capital"][:10])
    with pytest.raises(ValueError, match=f"horizon = 900: the path has {HORIZON} periods"):
        hm.plot.transition(path, horizon=900)
    with pytest.raises(ValueError, match="plot.transition draws a path"):
        hm.plot.impulse_response(path)
    with pytest.raises(ValueError, match="variables"):
        hm.plot.transition(path, ["interst_rate"])


def test_the_first_periods_of_a_distribution_path_are_its_own(result):
    short = result.first(5)
    assert short.horizon == 5 and short.mass.shape[0] == 5
    for name, response in result.responses.items():
        np.testing.assert_array_equal(short.responses[name], response[:5])
