"""Welfare in percent of consumption: who gets x percent more goods for ever at unchanged hours gains x percent."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_bonds import Effortless, Working

import hank_mfg as hm
from hank_mfg.environment.economy import Aggregate
from hank_mfg.evaluate.welfare import consumption_equivalent, consumption_percent
from hank_mfg.model.named import Named

pytestmark = pytest.mark.usefixtures("float64")

AVERSION = [1.0, 1.5, 2.0, 4.0, 8.0]
CHANGES = [-30.0, -1.0, 1e-3, 1.0, 40.0]
FRISCH, DISUTILITY = 0.5, 0.7


class Stone(hm.CRRA):
    """Preferences of a user's own: log utility above a need of .1 goods, in which nothing is homogeneous."""

    def utility(self, consumption):
        return jnp.log(consumption - 0.1)

    def marginal_utility(self, consumption):
        return 1.0 / (consumption - 0.1)

    def inverse_marginal_utility(self, marginal_utility):
        return 0.1 + 1.0 / marginal_utility


def utility_by_hand(consumption, risk_aversion):
    """(c^(1-g) - 1)/(1-g), log c at g = 1."""
    if risk_aversion == 1.0:
        return np.log(consumption)
    return (consumption ** (1.0 - risk_aversion) - 1.0) / (1.0 - risk_aversion)


def flow_by_hand(kind, risk_aversion, goods, hours, frisch=FRISCH, disutility=DISUTILITY):
    """Flow utility of goods and hours, with the formulas of a textbook."""
    effort = disutility * hours ** (1.0 + 1.0 / frisch) / (1.0 + 1.0 / frisch)
    if kind is hm.GHH:
        return utility_by_hand(goods - effort, risk_aversion)
    if kind is Stone:
        return np.log(goods - 0.1)
    return utility_by_hand(goods, risk_aversion) - (effort if kind is hm.Separable else 0.0)


def preferences_of(kind, risk_aversion):
    hours = {"frisch": FRISCH, "disutility": DISUTILITY} if issubclass(kind, hm.Separable | hm.GHH) else {}
    return kind(risk_aversion, **hours)


@pytest.mark.parametrize("risk_aversion", AVERSION)
@pytest.mark.parametrize("kind", [hm.CRRA, hm.Separable, hm.GHH, Stone], ids=lambda kind: kind.__name__)
def test_more_goods_at_unchanged_hours_are_read_back(kind, risk_aversion):
    """Any weights (patience that differs), any goods and hours, gains from -30 to +40 percent."""
    draws = np.random.default_rng(int(10 * risk_aversion))
    goods, hours, weights = draws.uniform(0.6, 3.0, 50), draws.uniform(0.1, 0.6, 50), draws.exponential(1.0, 50)

    def value(factor):
        return float(weights @ flow_by_hand(kind, risk_aversion, factor * goods, hours))

    def welfare(factor):
        return value(factor), (value(factor * (1 + 1e-6)) - value(factor * (1 - 1e-6))) / (2e-6 * factor)

    for change in CHANGES:
        gain = value(1.0 + change / 100.0) - value(1.0)
        found = consumption_equivalent(preferences_of(kind, risk_aversion), welfare, gain)
        assert found == pytest.approx(change, rel=1e-6), (kind, change)
    assert consumption_equivalent(preferences_of(kind, risk_aversion), welfare, 0.0) == 0.0


def test_what_no_consumption_is_worth_is_infinite():
    """Risk aversion 2: u < 1, so that no consumption is worth more than what is left up to there."""
    for kind in (hm.CRRA, hm.GHH):
        goods, hours, weights = np.array([1.0, 2.0]), np.array([0.1, 0.2]), np.array([1.0, 3.0])

        def welfare(factor, kind=kind, data=(goods, hours, weights)):
            goods, hours, weights = data
            flow = [flow_by_hand(kind, 2.0, factor * each * goods, hours) for each in (1, 1 + 1e-7)]
            return weights @ flow[0], weights @ (flow[1] - flow[0]) / (1e-7 * factor)

        assert consumption_equivalent(preferences_of(kind, 2.0), welfare, 1e3) == np.inf
        assert np.isnan(consumption_equivalent(preferences_of(kind, 2.0), welfare, np.nan))


def by_hand(steady, kind):
    """V(factor) of a stationary equilibrium by one dense linear system, with hand-written utility and hours."""
    economy, public = steady.economy, jax.tree.map(jnp.asarray, steady.public)
    points, chain = np.asarray(economy.grid.points), np.asarray(economy.income_transition[0, 0])
    count, income = steady.savings.shape
    matrix = np.zeros((count * income, count * income))
    for place, saved in np.ndenumerate(steady.savings):
        low = int(np.clip(np.searchsorted(points, saved, side="right") - 1, 0, count - 2))
        up = (saved - points[low]) / (points[low + 1] - points[low])
        for node, weight in ((low, 1.0 - up), (low + 1, up)):
            matrix[place[0] * income + place[1], node * income : (node + 1) * income] += weight * chain[place[1]]
    patience = np.tile(np.asarray(economy.discount_factor(public.shocks))[0], count)
    goods, hours, weights = steady.consumption, 0.0 * steady.savings, ()
    if kind is not hm.CRRA:
        weights = (float(economy.model.preferences().frisch), float(economy.model.preferences().disutility))
        wage = np.asarray(economy.budget(public).wage)
        hours = (goods - np.asarray(economy.resources(public)) + steady.savings) / wage  # the budget
    aversion = float(economy.model.risk_aversion)

    def value(factor):
        flow = flow_by_hand(kind, aversion, factor * goods, hours, *weights).ravel()
        return float(steady.mass.ravel() @ np.linalg.solve(np.eye(len(flow)) - patience[:, None] * matrix, flow))

    return value


def somebody(model):
    """Some savings and some mass, no equilibrium: what a gain is worth does not depend on its being one."""
    economy = hm.discretize(model, 30, jnp.float64, aggregate_risk=False)
    mass = np.random.default_rng(0).dirichlet(np.ones(economy.shape[0] * economy.shape[1])).reshape(economy.shape)
    levels = {name: 0.01 for name in economy.clearing_prices}
    public = economy.public(Aggregate(jnp.asarray(mass), jnp.asarray(0)), Named("clearing_prices", levels))
    cash, points = np.asarray(economy.resources(public)), np.asarray(economy.grid.points)
    savings = np.clip(0.9 * (cash - points[0]) + points[0], points[0], 0.9 * points[-1])
    savings = np.minimum(savings, cash - 0.2 * (cash - points[0])) if not economy.works else savings
    return hm.SteadyState(economy, None, savings, mass, jax.tree.map(np.float64, public), 0.0, 0.0, 0.0, 0.0)


def hours_model(kind, risk_aversion):
    declared = {**hm.load_model("huggett").parameters(), "risk_aversion": risk_aversion}
    return kind(**declared, frisch=FRISCH, disutility=DISUTILITY)


SHIPPED = ["aiyagari", "huggett", "krusell_smith", "krusell_smith_stochastic_beta", "one_asset_hank"]
MODELS = {
    "patience that differs": lambda g: (hm.load_model("krusell_smith_stochastic_beta", risk_aversion=g), hm.CRRA),
    "separable": lambda g: (hours_model(Working, g), hm.Separable),
    "ghh": lambda g: (hours_model(Effortless, g), hm.GHH),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_household_that_gets_one_percent_more_gains_one_percent(name):
    """The budget's hours, utility by hand and a dense matrix: none of the library's formulas for welfare."""
    for risk_aversion in (1.0, 2.0, 8.0):
        model, kind = MODELS[name](risk_aversion)
        steady = somebody(model)
        value = by_hand(steady, kind)
        for percent in (1.0, -5.0):
            gain = value(1.0 + percent / 100.0) - value(1.0)
            assert hm.consumption_percent(steady, gain) == pytest.approx(percent, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["aiyagari", "huggett", "krusell_smith", "krusell_smith_stochastic_beta", "one_asset_hank"]
)
def test_one_percent_is_one_percent_in_shipped_economies(name):
    """The claim that percents of consumption mean what they say wherever they are printed, in equilibrium."""
    steady = hm.steady_state(hm.load_model(name), asset_points=100)
    preferences = steady.economy.model.preferences()
    value = by_hand(steady, type(preferences))
    assert hm.consumption_percent(steady, value(1.01) - value(1.0)) == pytest.approx(1.0, abs=1e-6)


def test_a_gain_that_is_no_number_is_refused(refuses):
    refuses(lambda: consumption_percent(None, float("nan")), "gain=nan", "finite change of lifetime utility")


def test_preferences_of_ones_own_must_say_what_goods_are_worth(refuses):
    """A term in flow utility that the inherited scaled_flow leaves out would make every percent wrong."""

    class Warm(hm.Separable):
        def flow(self, x, wage):
            return super().flow(x, wage) + jnp.sqrt(x)

    class Warming(Working):
        def preferences(self):
            return Warm(self.risk_aversion, frisch=self.frisch, disutility=self.disutility)

    refuses(lambda: hm.check_model(hours_model(Warming, 2.0)), "Warm: scaled_flow", "unchanged hours")
    hm.check_model(hours_model(Working, 2.0))
