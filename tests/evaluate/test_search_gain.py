"""Budgets that are not concave are refused, and a search over choices finds what first-order conditions lose."""

import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.evaluate.welfare import consumption_percent

Aiyagari = type(hm.load_model("aiyagari"))
VALUES = {**hm.load_model("aiyagari").parameters(), "borrowing_limit": -1.0, "maximum_assets": 400.0}


class Outside(Aiyagari):
    """Aiyagari's economy in which some income comes from outside, so that no accounting identity is stated."""

    def goods_market(self, today, choices, tomorrow):
        return None


class Cliff(Outside):
    """Whoever holds less than 2 assets gets a benefit of .3."""

    def resources(self, assets, own, prices, shocks):
        return super().resources(assets, own, prices, shocks) + 0.3 * (assets < 2.0)


class Withdrawn(Outside):
    """A benefit of .3 is withdrawn at 50 percent of assets above 1."""

    def resources(self, assets, own, prices, shocks):
        benefit = jnp.clip(0.3 - 0.5 * jnp.maximum(assets - 1.0, 0.0), 0.0, 0.3)
        return super().resources(assets, own, prices, shocks) + benefit


class Debt(Outside):
    """Debt costs `more` than savings earn."""

    more: float = hm.parameter("interest on debt beyond that on savings")

    def resources(self, assets, own, prices, shocks):
        return super().resources(assets, own, prices, shocks) + self.more * jnp.minimum(assets, 0.0)


@pytest.fixture(scope="module")
def cliff():
    return hm.steady_state(Cliff(**VALUES), asset_points=60, nonconcave="allow", others=False)


def searched_by_hand(steady) -> float:
    """Lifetime utility gained by the best asset points, value iteration in NumPy: mean over the mass."""
    model, points = steady.economy.model, np.asarray(steady.economy.grid.points)
    own, chain = np.asarray(steady.economy.own.labor), np.asarray(steady.economy.income_transition)[0, 0]
    rate, wage, beta = float(steady.prices.interest_rate), float(steady.prices.wage), float(model.discount_factor)
    cash = (1.0 + rate) * points[:, None] + wage * own + 0.3 * (points[:, None] < 2.0)
    curvature = 1.0 - float(model.risk_aversion)

    def utility(c):
        log = np.log(np.where(c > 0, c, 1.0))
        value = log if abs(curvature) < 1e-9 else np.expm1(curvature * log) / curvature
        return np.where(c > 0, value, -np.inf)

    def lottery(savings):
        low = np.clip(np.searchsorted(points, savings, side="right") - 1, 0, len(points) - 2)
        return low, (savings - points[low]) / (points[low + 1] - points[low])

    def ahead(value, choice):
        low, weight = choice
        expected, income = value @ chain.T, np.arange(len(own))
        return (1 - weight) * expected[low, income] + weight * expected[low + 1, income]

    own_choice, flow = lottery(steady.savings), utility(cash - steady.savings)
    policy = best = np.zeros_like(flow)
    choices = utility(cash[:, :, None] - points)  # (assets, income, choices)
    for _ in range(1200):
        policy = flow + beta * ahead(policy, own_choice)
        there = choices + beta * (best @ chain.T).T[None]
        best = np.maximum(there.max(axis=2), flow + beta * ahead(best, own_choice))
    return float(np.sum(steady.mass * (best - policy)))


def test_the_search_is_value_iteration(cliff):
    found = hm.search_gain(cliff)
    by_hand = searched_by_hand(cliff)
    assert found.percent > found.percent_on_points > 1.0
    assert consumption_percent(cliff, by_hand) == pytest.approx(found.percent_on_points, rel=1e-6)


def test_a_cliff_is_refused_with_the_state_and_the_slope():
    where = r"rises from -\d+(\.\d+)? to 1\.0\d+ at assets = 2\.\d+, labor = .*income state \d"
    with pytest.raises(hm.SteadyStateError, match=where + r".*would gain \d+\.?\d* % of consumption.*nonconcave"):
        hm.steady_state(Cliff(**VALUES), asset_points=60, others=False)
    with pytest.raises(ValueError, match="nonconcave = 'yes'"):
        hm.steady_state(Cliff(**VALUES), nonconcave="yes")


@pytest.mark.slow
def test_a_benefit_withdrawn_is_refused_for_the_right_reason():
    """A benefit withdrawn with assets makes the slope rise where it ends, whether or not an equilibrium is found."""
    with pytest.raises(hm.SteadyStateError, match=r"is not concave in assets: .* at assets = 1\.\d+"):
        hm.steady_state(Withdrawn(**VALUES), asset_points=60)


@pytest.mark.slow
@pytest.mark.parametrize("more", [-0.01, 0.01])
def test_another_rate_on_debt_stays_right(more):
    """A higher rate on debt keeps budgets concave; a lower one does not, but costs nobody anything."""
    steady = hm.steady_state(Debt(more=more, **VALUES), asset_points=100, others=False)
    assert 0.0 <= hm.search_gain(steady).percent < 2e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aiyagari", "krusell_smith_stochastic_beta", "huggett", "one_asset_hank"])
def test_shipped_economies_lose_nothing(name):
    """No search finds more than .001 percent of consumption in the stationary equilibria of the shipped economies."""
    assert 0.0 <= hm.search_gain(hm.steady_state(hm.load_model(name), asset_points=100)).percent < 1e-3


@pytest.mark.slow
def test_evaluate_finds_what_is_lost_at_a_cliff():
    """The accuracy report of a global solution finds the loss at a cliff, known at stationary prices, within half a
    point, where the clairvoyant best response by first-order conditions does not."""

    class RiskyCliff(Cliff):
        def aggregate_shocks(self):
            return hm.AR1("productivity", persistence=0.8, stationary_sd=0.002, states=2)

        def prices(self, aggregates, shocks):
            found = super().prices(aggregates, shocks)
            return {name: value + 0.02 * shocks.productivity for name, value in found.items()}

    steady = hm.steady_state(RiskyCliff(**VALUES), asset_points=100, nonconcave="allow", others=False)
    settings = hm.RSPG(updates=20, paths=4, horizon=20, asset_points=60)
    with pytest.warns():
        solution = hm.solve(steady.economy.model, settings, steady=steady)
        accuracy = hm.evaluate(solution, periods=1000)
    lost = hm.search_gain(steady).percent
    report = accuracy.to_dict()
    assert report["search"]["percent"] == pytest.approx(lost, abs=0.5)
    assert report["exploitability"]["consumption_percent"]["clairvoyant"] < 0.5 * lost
