"""Firms that set prices: against the sequence-jacobian package, the Phillips curve by hand, and a chain solved exactly.

The package interpolates consumption and hours separately, the library consumption alone and takes hours from their
first-order condition: the two agree to the grid's error, not to rounding.
"""

import dataclasses
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_hank as hank
from reference_bonds import Priced, phillips
from reference_sequence_space import stored

import hank_mfg as hm
from hank_mfg.environment.economy import Aggregate
from hank_mfg.evaluate.euler_errors import euler_errors
from hank_mfg.model.named import Named

SERIES = {"Y": "output", "pi": "inflation", "r": "interest_rate", "w": "wage", "C": "consumption", "Tax": "taxes"}


def priced(**parameters) -> Priced:
    """The small economy with firms."""
    base = hm.load_model("huggett", maximum_assets=20.0, bond_supply=1.0, discount_factor=0.95).parameters()
    return Priced(**{**base, **parameters})


# ------------------------------------------------------------------------------------------- sequence-jacobian package


@pytest.mark.slow
def test_the_stationary_equilibrium_is_the_package_s():
    """Guards docs/one_asset_hank.md, 'Against sequence-jacobian': stationary values to 2e-5."""
    steady = hank.steady()
    np.testing.assert_allclose(steady.economy.grid.points, stored("hank_grid")["asset"], atol=1e-11)
    for theirs, ours in SERIES.items():
        known = {**steady.prices, "consumption": float((steady.mass * steady.consumption).sum())}[ours]
        assert float(known) == pytest.approx(hank.value(theirs), abs=2e-5), ours
    assert float(steady.prices.inflation) == pytest.approx(0.0, abs=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("theirs", "shock"), [("rstar", "monetary"), ("Z", "productivity"), ("beta", "patience")])
def test_linear_responses_are_the_package_s(theirs, shock):
    """Guards docs/one_asset_hank.md, 'Against sequence-jacobian': linear responses to .3 % of the peak."""
    table, path = stored("hank_responses"), stored("hank_responses")[theirs].to_numpy()
    if theirs == "beta":
        path = path / hank.value("beta")
    response = hank.linear().response(**{shock: path})
    for symbol, name in SERIES.items():
        package = table[f"{theirs}_{symbol}"].to_numpy()
        peak = np.abs(package).max()
        assert np.abs(response[name][: len(package)] - package).max() < 3e-3 * peak, name


@pytest.mark.slow
def test_a_large_monetary_shock_takes_the_package_s_path():
    """Guards docs/one_asset_hank.md: the nonlinear path after 1 point a quarter, to .3 % of the peak."""
    table = stored("hank_nonlinear")
    path = hm.transition(hank.steady(), horizon=300, linear=hank.linear(), monetary=table["rstar"].to_numpy())
    for symbol in ("Y", "pi", "r", "w", "C"):
        package = table[symbol].to_numpy()
        ours = path.deviations()[SERIES[symbol]][: len(package)]
        assert np.abs(ours - package).max() < 3e-3 * np.abs(package).max(), symbol


# --------------------------------------------------------------------------------------------------- Phillips curve


@pytest.mark.slow
def test_along_a_path_firms_are_on_the_textbook_phillips_curve():
    """Guards docs/one_asset_hank.md, the textbook curve to 1e-9: kappa (w / Z - 1 / mu) + Y' / Y log(1 + pi') / (1
    + r') = log(1 + pi) in every period."""
    slope, markup = (float(getattr(hank.steady().economy.model, name)) for name in ("slope", "markup"))
    path = hm.transition(hank.steady(), horizon=300, linear=hank.linear(), productivity=0.02 * 0.8 ** np.arange(300))
    wage, output, inflation, rate, z = (
        path.series[name][:200] for name in ("wage", "output", "inflation", "interest_rate", "productivity")
    )
    ahead = output[1:] / output[:-1] * np.log1p(inflation[1:]) / (1.0 + rate[1:])
    left = slope * (wage / z - 1.0 / markup)[:-1] + ahead - np.log1p(inflation[:-1])
    assert np.abs(left).max() < 1e-9


def test_what_is_left_of_the_condition_is_in_units_of_inflation(float64):
    economy = hm.discretize(priced(), 20, jnp.float64, aggregate_risk=False)
    mass = jnp.full(economy.shape, 1.0 / np.prod(economy.shape))
    public = economy.public(
        Aggregate(mass, jnp.asarray(0)), Named("clearing_prices", interest_rate=0.01, inflation=0.03)
    )
    model, shocks = economy.model, economy.shocks(0)
    left = economy.excess_demand(mass, public, economy.resources(public) * 0.5, jnp.asarray([0.02]))[-1]
    cost = float(model.cost(shocks))
    by_hand = model.slope * (cost - (1 - 1 / model.elasticity)) - np.log1p(0.03) + 0.02
    assert float(left) == pytest.approx(float(by_hand), abs=1e-12)


@pytest.mark.slow
def test_prices_that_cost_nothing_to_change_keep_the_markup():
    """A rule that reacts to inflation less than one for one: the rate is paid a period later, so that with prices that
    move freely a stronger reaction would let inflation grow for ever."""
    steady = hm.steady_state(hm.load_model("one_asset_hank", slope=1e4, taylor=0.5), asset_points=60)
    response = hm.linearize(steady, horizon=100).response(productivity=0.01 * 0.8 ** np.arange(100))
    markup = float(steady.economy.model.markup)
    np.testing.assert_allclose(response["wage"], response["productivity"] / markup, atol=1e-6)


# --------------------------------------------------------------------------------------------------------- training


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the small economy is kept once trained."""
    return tmp_path_factory.mktemp("firms") / "run"


@pytest.fixture(scope="module")
def firms(folder) -> hm.Solution:
    """The small economy, trained."""
    settings = hm.RSPG(
        asset_points=40, updates=60, paths=4, horizon=10, knots=10, units=8, width=16, warmup=50, learning_rate=5e-3,
    )  # fmt: skip
    return hm.solve_run(priced(aggregate_sd=0.1, aggregate_persistence=0.6), folder, settings)


@pytest.mark.slow
def test_training_finds_what_firms_charge_where_it_can_be_solved_exactly(firms):
    """Guards docs/one_asset_hank.md, 'Firms': the trained expectation is that of the exact Phillips curve."""
    margin, weights = phillips(firms.model)
    truth = np.expm1(np.linalg.solve(np.eye(3) - weights, margin))
    simulation = hm.simulate(firms, periods=400, burn=50)
    found = simulation.series["inflation"]
    assert np.ptp(truth) > 0.01
    np.testing.assert_allclose(found, truth[simulation.shock], atol=2e-4)


@pytest.mark.slow
def test_the_reported_error_of_firms_is_the_one_worked_out_by_hand(firms):
    """With an expectation that is d too high everywhere log(1 + pi) is too, and the expectation by d times
    `weights`."""
    d = 0.01
    shifted = eqx.tree_at(
        lambda policy: policy.stationary.expected,
        firms.policy,
        firms.policy.stationary.expected + d,
    )
    errors = euler_errors(dataclasses.replace(firms, policy=shifted), periods=200, burn=20)
    missed = d * (1.0 - phillips(firms.model)[1].sum(axis=1))
    assert missed.min() - 1e-4 < errors.price_mean <= errors.price_maximum < missed.max() + 1e-4
    assert missed.min() > 4e-3


@pytest.mark.slow
def test_firms_do_not_disturb_households_where_inflation_does_not_matter_to_them(firms):
    """Guards docs/one_asset_hank.md, 'Firms': one more equation; Huggett's stationary rate stays the same."""
    alone = hm.steady_state(
        hm.load_model("huggett", **{n: v for n, v in firms.model.parameters().items() if n in HUGGETT}), asset_points=80
    )
    assert float(alone.prices.interest_rate) == pytest.approx(float(firms.steady.prices.interest_rate), abs=1e-9)


HUGGETT = tuple(hm.load_model("huggett").parameters())


def test_one_equation_too_few_is_refused(refuses):
    class Short(Priced):
        def excess_demand(self, today, choices):
            return {}

    refuses(
        lambda: hm.check_model(Short(**priced().parameters())),
        "clearing_prices()",
        "profit()",
        "one equation per unknown",
    )


def test_profits_without_a_cost_of_changing_prices_are_refused(refuses):
    class Free(Priced):
        def profit(self, price, before, today):
            return today.aggregate_income * price**-self.elasticity * (price - self.cost(today))

    refuses(lambda: hm.check_model(Free(**priced().parameters())), "profit()", "cost of changing a price")


@pytest.mark.slow
def test_a_solution_with_firms_is_saved(firms, folder):
    """Guards `load_run`: the networks of firms and every memory come back to the same bits."""
    again = hm.load_run(folder, firms.model)
    for one, other in zip(
        jax.tree.leaves(firms.policy.expectations), jax.tree.leaves(again.policy.expectations), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(firms.states.memory, again.states.memory)


# --------------------------------------------------------------------------------------------------- the lower bound


@pytest.mark.slow
def test_a_slump_at_the_lower_bound_is_deeper_than_without_it():
    """While people are very patient the rate is what the rule asks for or zero, whichever is higher."""
    found = {}
    for bound in (0.0, -0.5):
        model = hm.load_model("one_asset_hank_bound", lower_bound=bound)
        steady = hm.steady_state(model, asset_points=60)
        path = hm.transition(steady, horizon=100, patience=0.03 * 0.6 ** np.arange(100))
        rate, inflation = (np.asarray(path.series[name]) for name in ("nominal_rate", "inflation"))
        memory = float(model.smoothing)
        asked = float(model.natural_rate) + float(model.taylor) * inflation
        rule = memory * rate[:-1] + (1 - memory) * asked[:-1]
        np.testing.assert_allclose(rate[1:], np.maximum(rule, bound), atol=1e-9)
        found[bound] = path.deviations() | {"rate": rate}
    assert (np.abs(found[0.0]["rate"]) < 1e-9).sum() == 2 and found[0.0]["rate"].min() > -1e-9
    assert found[-0.5]["rate"].min() < -0.001
    for name in ("output", "inflation"):
        assert (found[0.0][name][:4] < found[-0.5][name][:4]).all()
