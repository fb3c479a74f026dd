"""Policies between nodes. Truths: the nodes themselves, the budget, and the policy on a grid ten times as fine."""

import equinox as eqx
import numpy as np
import pytest

import hank_mfg as hm

PRICES = {"interest_rate": 0.03, "wage": 1.2}


@pytest.fixture(scope="module")
def household():
    return hm.household(hm.load_model("aiyagari"), PRICES, asset_points=401)


@pytest.fixture(scope="module")
def hank():
    """An economy whose households choose hours."""
    return hm.steady_state(hm.load_model("one_asset_hank"), asset_points=60, others=False)


@pytest.mark.parametrize("method", [pytest.param("monotonic", marks=pytest.mark.slow), "linear"])
def test_nodes_are_exact_and_the_budget_holds_between_them(household, method):
    """Guards docs/yardsticks.md, 'Policies between grid points': nodes exact, the budget to rounding."""
    policy = hm.policy_functions(household, method=method)
    nodes, own = np.asarray(household.economy.grid.points), np.arange(household.economy.shape[1])
    np.testing.assert_array_equal(policy.savings(nodes[:, None], own), household.savings)
    np.testing.assert_allclose(policy.consumption(nodes[:, None], own), household.consumption, rtol=1e-12)
    assets = np.linspace(nodes[0], nodes[-1], 1777)[:, None]
    found = policy.at(assets, own)
    labor = np.asarray(household.economy.own["labor"])
    np.testing.assert_allclose(found.cash, 1.03 * assets + 1.2 * labor, rtol=1e-13)
    np.testing.assert_allclose(found.consumption + found.savings, found.cash, rtol=1e-13)
    assert found.savings.min() >= nodes[0] and found.consumption.min() > 0 and found.hours is None
    assert np.diff(found.savings, axis=0).min() >= -1e-12  # as at the nodes: no new extrema


@pytest.mark.slow
def test_cubics_come_closer_than_lines_to_the_policy_that_the_nodes_are_taken_from(household):
    """Every tenth node of a fine policy; the error is that of reading alone. Away from the kink, where savings leave
    the borrowing limit, and from the top."""
    economy = household.economy
    fine = np.asarray(economy.grid.points)
    coarse = household._replace(
        economy=eqx.tree_at(lambda e: e.grid.points, economy, economy.grid.points[::10]),
        savings=household.savings[::10],
    )
    own = np.arange(economy.shape[1])
    error = {}
    for method in ("monotonic", "linear"):
        read = hm.policy_functions(coarse, method=method).savings(fine[:, None], own)
        error[method] = np.abs(read - household.savings)
    binds = household.savings[::10] <= fine[0]
    kink = np.repeat(binds[:-1] | np.roll(binds, 1, axis=0)[:-1] | np.roll(binds, 2, axis=0)[:-1], 10, axis=0)
    away = ~kink & (np.arange(400) < 360)[:, None] & (np.arange(400) > 20)[:, None]
    cubic, line = (error[method][:-1][away] for method in ("monotonic", "linear"))
    assert away.mean() > 0.5
    assert cubic.mean() < 0.5 * line.mean() and cubic.max() < line.max()


def test_own_states_by_place_or_by_name_and_any_shape(household):
    policy = hm.policy_functions(household)
    labor = np.asarray(household.economy.own["labor"])
    assert policy.consumption(1.5, own={"labor": labor[2]}) == policy.consumption(1.5, own=2)
    assert policy.savings([[1.0, 2.0]], own=np.arange(3)[:, None]).shape == (3, 2)
    assert policy.cash(0.0).shape == ()
    assert policy.at([]).savings.shape == (0,)


@pytest.mark.slow
def test_hours_follow_from_the_budget(float64, hank):
    """Goods, hours and savings add up to cash and earnings, between nodes too."""
    policy = hm.policy_functions(hank)
    lower, upper = float(hank.economy.grid.lower), float(hank.economy.grid.upper)
    found = policy.at(np.linspace(lower, upper, 97)[:, None], np.arange(hank.economy.shape[1]))
    with_wage = hank.economy.budget(hank.public).wage
    np.testing.assert_allclose(
        found.consumption + found.savings, found.cash + np.asarray(with_wage) * found.hours, rtol=1e-9
    )
    np.testing.assert_array_equal(policy.hours(lower, 1), policy.at(lower, 1).hours)


@pytest.mark.parametrize(
    ("ask", "pieces"),
    [
        (lambda f: f.savings(-0.5), ["assets = -0.5 lies outside the grid, from 0 to", "ask inside it"]),
        (lambda f: f.savings([1.0, 1e9]), ["assets = 1000000000 lies outside"]),
        (lambda f: f.savings([np.nan]), ["assets = nan lies outside"]),
        (lambda f: f.savings(["a"]), ["assets", "no number"]),
        (lambda f: f.savings(1.0, own=77), ["own = 77", "whole numbers from 0 to", "labor"]),
        (lambda f: f.savings(1.0, own=0.5), ["own = 0.5", "whole numbers"]),
        (lambda f: f.savings(1.0, own={"labour": 1.0}), ["own names 'labour'", "labor"]),
        (lambda f: f.savings(1.0, own={"labor": 1.2345}), ["no individual state has", "tell one apart by labor: ["]),
        (lambda f: f.savings(1.0, own={}), ["individual states have these values"]),
        (lambda f: f.hours(1.0), ["do not choose hours"]),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_sentence(refuses, household, ask, pieces):
    policy = hm.policy_functions(household)
    refuses(lambda: ask(policy), *pieces)


def test_what_does_not_fit_the_solution_is_refused(refuses, household):
    refuses(lambda: hm.policy_functions(household, method="spline"), "method = 'spline'", "'monotonic', 'linear'")
    refuses(lambda: hm.policy_functions(household, period=3), "period = 3 has no use", "leave it out")
    with pytest.raises(TypeError, match="a stationary equilibrium"):
        hm.policy_functions("aiyagari")  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_along_a_path_in_every_period(refuses):
    """At the nodes the path's own policies; with the values of a parameter that moves, and an error without them."""
    model = hm.load_model("aiyagari", discount_factor=0.9)
    steady = hm.steady_state(model, asset_points=40, others=False)
    path = hm.transition(steady, horizon=60, depreciation=[1.05 * float(np.asarray(model.depreciation))] * 3)
    nodes, own = np.asarray(steady.economy.grid.points)[:, None], np.arange(steady.economy.shape[1])
    for period in (0, 5, 59):
        policy = hm.policy_functions(path, period=period)
        np.testing.assert_array_equal(policy.savings(nodes, own), path.savings[period])
        np.testing.assert_allclose(policy.consumption(nodes, own), path.consumption[period], rtol=1e-9)
    refuses(lambda: hm.policy_functions(path), "period = None", "from 0 to 59")
    refuses(lambda: hm.policy_functions(path, period=60), "period = 60", "from 0 to 59")


@pytest.mark.slow
def test_after_a_public_history(trained, refuses):
    """A global solution answers by its formula, in any period of a simulation."""
    history = hm.simulate(trained, periods=30)
    policy = hm.policy_functions(trained, history=history, period=12)
    series = {"shock": history.shock[:13], **{name: each[:13] for name, each in history.series.items()}}
    assets = np.array([0.0, 0.3, 17.0])
    np.testing.assert_array_equal(policy.consumption(assets, 1), trained.consumption(assets, 1, series))
    found = policy.at(assets, 1)
    np.testing.assert_allclose(found.consumption + found.savings, found.cash, rtol=1e-12)
    refuses(lambda: hm.policy_functions(trained), "history is missing")
    refuses(lambda: hm.policy_functions(trained, history=history, period=30), "period = 30")
