"""The household at given prices: against loops, a dense eigenvector and the permanent-income closed form."""

import sys
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_closed_forms as closed
import reference_household as household

import hank_mfg as hm
from hank_mfg.environment.economy import Public
from hank_mfg.environment.lottery import push_forward
from hank_mfg.model.named import Named
from hank_mfg.solve.household import feasible_savings, solve_household, stationary_mass

pytestmark = pytest.mark.usefixtures("float64")

RATE, WAGE, PATIENCE = 0.02, 1.2, 0.93


@pytest.fixture
def economy():
    """Aiyagari's households with much risk, on a small grid."""
    model = hm.load_model(
        "aiyagari", discount_factor=PATIENCE, stationary_sd=0.3, risk_aversion=3.0, maximum_assets=60.0
    )
    return hm.discretize(model, 30, jnp.float64, aggregate_risk=False)


def at_prices(economy, interest_rate, wage):
    prices = Named("prices", interest_rate=jnp.asarray(interest_rate), wage=jnp.asarray(wage))
    return Public(economy.shocks(0), Named("aggregates"), prices)


@eqx.filter_jit
def solve_from(economy, public, start):
    return solve_household(economy, public, start, tolerance=1e-13, max_iterations=20_000)


def solve(economy, interest_rate=RATE, wage=WAGE):
    public = at_prices(economy, interest_rate, wage)
    cash = economy.resources(public)
    return cash, solve_from(economy, public, 0.3 * (cash - economy.grid.lower))


def test_the_policy_is_that_of_plain_loops(economy):
    _, solution = solve(economy)
    points, chain = np.asarray(economy.grid.points), np.asarray(economy.income_transition[0, 0])
    income = WAGE * np.asarray(economy.own.labor)
    reference = household.stationary_savings(points, RATE, income, chain, PATIENCE, 3.0)
    assert reference.max() < economy.grid.upper  # neither the top of the grid nor the extrapolation matters
    assert np.any(reference == 0.0)
    np.testing.assert_allclose(solution.savings, reference, atol=1e-8)
    assert float(solution.change) <= 1e-13


def test_the_policy_does_not_depend_on_where_the_iteration_starts(economy):
    public = at_prices(economy, RATE, WAGE)
    cash = economy.resources(public)
    thrifty, wasteful = (solve_from(economy, public, share * (cash - economy.grid.lower)) for share in (0.05, 0.95))
    np.testing.assert_allclose(thrifty.savings, wasteful.savings, atol=1e-10)


def test_more_cash_means_more_consumption_and_no_less_savings(economy):
    cash, solution = solve(economy)
    savings = np.asarray(solution.savings)
    assert np.all(np.diff(np.asarray(cash) - savings, axis=0) > 0)
    assert np.all(np.diff(savings, axis=0) >= 0)
    assert np.all(np.diff(np.asarray(cash) - savings, axis=1) > 0)  # income is persistent: better states spend more
    spent = np.diff(np.asarray(cash) - savings, axis=0) / np.diff(np.asarray(cash), axis=0)
    assert np.all((spent > 0) & (spent <= 1 + 1e-12))


def test_the_stationary_mass_is_the_eigenvector_of_the_dense_chain(economy):
    _, solution = solve(economy)
    mass = stationary_mass(economy, solution.savings)
    points, chain = np.asarray(economy.grid.points), np.asarray(economy.income_transition[0, 0])
    reference = household.stationary_mass(np.asarray(solution.savings), points, chain)
    np.testing.assert_allclose(mass, reference, atol=1e-9)
    assert mass.sum() == pytest.approx(1.0, abs=1e-14) and mass.min() > -1e-15
    moved = push_forward(jnp.asarray(mass), economy.lottery(solution.savings), jnp.asarray(chain))
    np.testing.assert_allclose(moved, mass, atol=1e-14)
    # the long-run share of each income state does not depend on anybody's choices
    shares = np.linalg.matrix_power(chain, 1000)[0]
    np.testing.assert_allclose(mass.sum(axis=0), shares, atol=1e-12)


class Certain(hm.Model):
    """One household without risk."""

    discount_factor: float = hm.parameter(above=0, below=1)
    risk_aversion: float = hm.parameter(above=0)
    lower: float = hm.parameter()

    def idiosyncratic_shock(self):
        return hm.MarkovChain([[1.0]], labor=[1.0])

    def asset_space(self):
        return hm.Assets(lower=self.lower, upper=100.0)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def aggregates(self, assets, own, shocks):
        return {"capital": assets}

    def prices(self, aggregates, shocks):
        return {"interest_rate": 0.0, "wage": 1.0}

    def resources(self, assets, own, prices, shocks):
        return (1.0 + prices.interest_rate) * assets + prices.wage * own.labor

    def signal(self, aggregates, prices, shocks):
        return {"wage": prices.wage}


@pytest.mark.parametrize("risk_aversion", [1.0, 2.5])
def test_permanent_income_without_a_binding_limit_in_closed_form(risk_aversion):
    """At beta R = 1 consumption is the annuity of total wealth, whatever the limit: nobody ever moves."""
    model = Certain(discount_factor=1 / 1.04, risk_aversion=risk_aversion, lower=-5.0)
    economy = hm.discretize(model, 40, jnp.float64, aggregate_risk=False)
    cash, solution = solve(economy, 0.04, 1.0)
    points = np.asarray(economy.grid.points)[:, None]
    exact = closed.permanent_income_consumption(points, 1.0, 1.04, 1 / 1.04, risk_aversion)
    np.testing.assert_allclose(cash - solution.savings, exact, rtol=1e-9)


def test_permanent_income_far_from_the_limit():
    """Impatient and without income: the plan is c = (1 - theta) R a until the limit, which is many years away."""
    patience, gross, risk_aversion, lower = 0.9, 1.04, 2.0, 0.1
    model = Certain(discount_factor=patience, risk_aversion=risk_aversion, lower=lower)
    economy = hm.discretize(model, 200, jnp.float64, aggregate_risk=False)
    cash, solution = solve(economy, gross - 1.0, 0.0)
    assert float(solution.savings[0, 0]) == lower  # poor households are at the limit
    points = np.asarray(economy.grid.points)
    far = points > 50.0
    exact = closed.consumption_share(gross, patience, risk_aversion) * gross * points
    np.testing.assert_allclose((cash - solution.savings)[far, 0], exact[far], rtol=1e-6)


def test_savings_respect_the_limit_and_the_top_of_the_grid(economy):
    cash = jnp.full(economy.shape, 5.0)
    assert np.all(feasible_savings(economy, cash, jnp.full(economy.shape, 7.0)) == 0.0)
    assert np.all(feasible_savings(economy, 100.0 * cash, jnp.full(economy.shape, 1.0)) == 60.0)
    np.testing.assert_allclose(feasible_savings(economy, cash, jnp.full(economy.shape, 2.0)), 3.0)
