"""Optimal policy: the search on functions with known answers, derivatives against differences, optima against grids."""

import sys
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from economies import Taxes, WealthTax

import hank_mfg as hm
from hank_mfg.welfare.box_search import Box, climb, curvatures, local_best, second_derivatives, walk

POINTS = 40
LOWER, UPPER = np.array([-1.0, 0.0]), np.array([3.0, 2.0])


class Place(NamedTuple):
    theta: np.ndarray
    value: float
    gradient: np.ndarray


def box_of(function, gradient, exists=lambda theta: True):
    def near(theta, here):
        return Place(theta, float(function(theta)), np.asarray(gradient(theta))) if exists(theta) else None

    return Box(LOWER, UPPER, near), near(np.array([2.5, 0.1]), None)


def best_of(box, start):
    places = box.lattice()
    grid = walk(box, places, start)
    scale = np.ptp([each.value for each in grid if each is not None])
    ends = [
        climb(box, each, curvatures(box, places, grid, each, scale), scale, 0.25) for each in local_best(places, grid)
    ]
    return sorted(ends, key=lambda each: -each.here.value), scale


def test_a_quadratic_is_solved_inside_and_at_a_bound():
    """The maximum of a concave quadratic, in the box and, with one coordinate beyond it, by its first-order condition
    in the other."""
    matrix = np.array([[2.0, 0.7], [0.7, 1.0]])
    for top, expected in (((1.0, 0.5), (1.0, 0.5)), ((1.0, 3.0), (1.0 + 0.7 / 2.0, 2.0))):
        box, start = box_of(
            lambda x, c=top: -0.5 * (x - c) @ matrix @ (x - c), lambda x, c=top: -matrix @ (x - c)
        )  # fmt: skip
        (found, *_), scale = best_of(box, start)
        assert found.settled and found.here.theta == pytest.approx(expected, abs=1e-6)
        second = second_derivatives(box, found.here, scale)
        np.testing.assert_allclose(second.matrix, -matrix, atol=1e-8)
        assert second.gap < 1e-10


def test_a_gradient_that_values_contradict_is_found_out():
    box, start = box_of(lambda x: -((x - 1.0) ** 2).sum(), lambda x: -2.0 * (x - 1.0) + 0.3)
    assert second_derivatives(box, start, 1.0).gap > 0.05


def test_two_maxima_are_both_found_and_the_better_one_comes_first():
    def value(x):
        return -((x[0] ** 2 - 1.0) ** 2) + 0.1 * x[0] - (x[1] - 1.0) ** 2

    box, start = box_of(value, lambda x: [-4.0 * x[0] * (x[0] ** 2 - 1.0) + 0.1, -2.0 * (x[1] - 1.0)])
    ends, _ = best_of(box, start)
    assert ends[0].here.theta[0] > 1.0 and ends[-1].here.theta[0] < 0.0


def test_a_search_stops_at_the_edge_of_where_the_function_is():
    box, start = box_of(lambda x: -(x[0] ** 2), lambda x: [-2.0 * x[0], 0.0], lambda x: x[0] > 0.3)
    ends, _ = best_of(box, start)
    assert ends[0].edge and 0.3 < ends[0].here.theta[0] < 0.3001


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hm.optimal(Taxes(), {"capital_tx": (0.0, 0.5)}), ("capital_tx", "did you mean 'capital_tax'")),
        (lambda: hm.optimal(Taxes(), {"capital_tax": (0.5, 0.1)}), ("below the upper", "write (0.1, 0.5)")),
        (lambda: hm.optimal(Taxes(), {"capital_tax": (0.0, np.inf)}), ("two finite numbers",)),
        (lambda: hm.optimal(Taxes(), {"capital_tax": (0.0, 1.0)}), ("must be below 1",)),
        (lambda: hm.optimal(Taxes(), {}), ("over is empty",)),
        (lambda: hm.optimal(Taxes(), {"capital_tax": (0, 0.5)}, objective="welfar"), ("did you mean 'welfare'",)),
        (lambda: hm.optimal(Taxes(), {"labor_tax": (0, 0.5)}, finance="labor_tax"), ("both changed and solved for",)),
        (lambda: hm.optimal(Taxes(), {"risk_aversion": (1.0, 3.0)}), ("risk_aversion", "moves preferences()")),
        (lambda: hm.optimal("aiyagari", {"maximum_assets": (100.0, 200.0)}), ("moves asset_space()",)),
        (lambda: hm.optimal("one_asset_hank", {"signal_kind": (0, 1)}), ("signal_kind",)),
        (lambda: hm.welfare_gradient(Taxes(), []), ("give a list of names",)),
        (lambda: hm.welfare_gradient(Taxes(), ["capital_tx"]), ("did you mean 'capital_tax'",)),
        (lambda: hm.optimal(Taxes(), {"capital_tax": (0.0, 0.5)}, horizon=1), ("horizon",)),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(call, words, refuses):
    refuses(call, *words)


def test_an_equation_that_asks_for_the_value_of_a_parameter_is_named():
    class Branch(Taxes):
        def prices(self, today):
            if self.capital_tax > 0:
                return super().prices(today)
            return {**super().prices(today), "net_rate": today.capital}

    with pytest.raises(ValueError, match=r"test_optimal.py, line \d+, in prices\(\): an `if`"):
        hm.optimal(Branch(), {"capital_tax": (0.1, 0.5)}, asset_points=POINTS)


@pytest.fixture(scope="module")
def before():
    return hm.steady_state(Taxes(), asset_points=POINTS, tolerance=1e-13)


def utility(before, tax, horizon=None):
    new = hm.steady_state(Taxes(capital_tax=tax), asset_points=POINTS, tolerance=1e-13, guess=before)
    after = new if horizon is None else hm.transition(new, initial=before, horizon=horizon, tolerance=1e-12)
    mass = new.mass if horizon is None else before.mass
    return float(np.sum(mass * hm.welfare(before, after).value_after))


def difference(before, horizon=None):
    """Richardson's difference of equilibria, or paths, that are solved one by one."""
    one, two = (
        (utility(before, 0.2 + step, horizon) - utility(before, 0.2 - step, horizon)) / (2 * step)
        for step in (4e-4, 8e-4)
    )
    return (4.0 * one - two) / 3.0


@pytest.mark.slow
def test_the_gradient_at_rest_is_that_of_equilibria_solved_one_by_one(before):
    """Guards docs/welfare.md, the derivative at rest: to 1e-6."""
    found = hm.welfare_gradient(Taxes(), ["capital_tax", "labor_tax"], start=before)
    assert found.utility["capital_tax"] == pytest.approx(difference(before), rel=1e-6)
    assert found.slopes["labor_tax"] < 0.0 and found.table().loc["capital_tax", "value"] == 0.2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The path is cut off")
def test_the_gradient_along_the_path_is_that_of_paths_solved_one_by_one(before):
    """Guards docs/welfare.md, the derivative with the way there: to 1e-6; and of a loss of the path."""
    given = {"transition": True, "horizon": 80, "start": before}
    found = hm.welfare_gradient(Taxes(), ["capital_tax"], **given)
    assert found.utility["capital_tax"] == pytest.approx(difference(before, 80), rel=1e-6)
    loss = hm.welfare_gradient(Taxes(), ["capital_tax"], objective=lambda path: jnp.mean(path.capital), **given)
    ends = [
        hm.transition(
            hm.steady_state(Taxes(capital_tax=tax), asset_points=POINTS, guess=before), initial=before, horizon=80
        ).series["capital"].mean()
        for tax in (0.2002, 0.1998)
    ]  # fmt: skip
    assert loss.slopes["capital_tax"] == pytest.approx((ends[0] - ends[1]) / 4e-4, rel=1e-4)


@pytest.mark.slow
def test_the_optimum_is_that_of_a_fine_grid_and_of_reforms_beside_it():
    """Guards docs/welfare.md, the optimum: within a step of the best of a grid; reforms to either side gain less."""
    model = WealthTax()
    before = hm.steady_state(model, asset_points=POINTS)
    best = hm.optimal(model, {"wealth_tax": (-0.06, 0.03)}, finance="labor_tax", start=before)
    assert best.status is hm.results.Optimality.INTERIOR and best.eigenvalues[0] < 0 and not len(best.others)
    surface = best.surface(31)
    top = surface.loc[surface[best.unit].idxmax()]
    assert abs(best.values[0] - top["wealth_tax"]) <= 0.003 and best.best >= top[best.unit]
    assert best.best == pytest.approx(best.gains.percent, abs=1e-6) and best.best > 1.0
    for sign in (-1.0, 1.0):
        made = hm.reform(model, {"wealth_tax": best.values[0] + sign * 0.003}, finance="labor_tax", before=before)
        assert made.gains_at_rest.percent < best.best
    assert "labor_tax" in str(best) and len(str(best).splitlines()) < 12
    assert best.table().loc["wealth_tax", "own values"] == 0.0
    assert len(hm.plot.optimum(best, surface).axes) == 2


@pytest.mark.slow
def test_what_is_no_interior_optimum_is_said(before):
    """Guards docs/welfare.md, what fools it: an optimum at a bound, a parameter that nothing reads, bounds without an
    equilibrium, and a loss that cannot be traced."""
    with pytest.warns(UserWarning, match="capital_tax is at its lower bound 0"):
        best = hm.optimal(Taxes(), {"capital_tax": (0.0, 0.5)}, finance="labor_tax", start=before)
    assert best.status is hm.results.Optimality.BOUND and best.values[0] == 0.0 and best.gradient[0] < 0

    class Unread(Taxes):
        idle: float = hm.parameter("read by nothing", default=1.0)

    with pytest.raises(ValueError, match="welfare does not move with it: no equation"):
        hm.optimal(Unread(), {"idle": (0.0, 2.0)}, asset_points=POINTS)
    with pytest.raises(hm.OptimumError, match="No equilibrium was found within the bounds of wealth_tax"):
        hm.optimal(WealthTax(), {"wealth_tax": (-0.1, -0.08)}, finance="labor_tax", asset_points=POINTS)
    with pytest.raises(ValueError, match=r"objective '<lambda>' cannot be traced"):
        hm.optimal(Taxes(), {"capital_tax": (0, 0.5)}, objective=lambda s: float(s.aggregates.capital), start=before)


@pytest.mark.slow
def test_a_loss_is_made_small(before):
    """Guards docs/welfare.md, a loss of one's own: capital at a target is found, to 1e-5."""
    goal = float(hm.steady_state(Taxes(capital_tax=0.35), asset_points=POINTS).aggregates.capital)
    best = hm.optimal(
        Taxes(), {"capital_tax": (0.0, 0.6)}, objective=lambda s: (s.aggregates.capital - goal) ** 2, start=before
    )
    assert best.values[0] == pytest.approx(0.35, abs=1e-5) and best.best < 1e-9 < best.start


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The path is cut off")
def test_with_the_way_there_the_best_tax_is_another_one(before):
    """Guards docs/welfare.md, the way there: households alive gain from a tax that rest alone would abolish."""
    best = hm.optimal(
        Taxes(), {"capital_tax": (0.0, 0.8)}, finance="labor_tax", transition=True, horizon=100, start=before
    )
    assert best.status is hm.results.Optimality.INTERIOR and 0.2 < best.values[0] < 0.8
    assert best.best == pytest.approx(best.gains.percent, abs=1e-6) and best.path is not None
