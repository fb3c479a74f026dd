"""The household at given prices: against loops, a dense eigenvector and the permanent-income closed form."""

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_closed_forms as closed
import reference_household as household

import hank_mfg as hm
from hank_mfg.environment.economy import Public
from hank_mfg.environment.lottery import push_forward
from hank_mfg.environment.quantities import names_of
from hank_mfg.model.named import Named
from hank_mfg.solve.stationary.clearing.clearing import candidate_at
from hank_mfg.solve.stationary.clearing.equilibrium import given
from hank_mfg.solve.stationary.clearing.mass import mass_response, stationary_mass
from hank_mfg.solve.stationary.household import feasible_savings, first_plan, solve_household

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
    """Cash on hand and savings (assets, income), and how the iteration ended."""
    public = at_prices(economy, interest_rate, wage)
    cash = economy.resources(public)
    found = solve_from(economy, public, 0.3 * (cash - economy.grid.lower))
    return cash, cash - found.plan, found


def test_the_policy_is_that_of_plain_loops(economy):
    _, savings, found = solve(economy)
    points, chain = np.asarray(economy.grid.points), np.asarray(economy.income_transition[0, 0])
    income = WAGE * np.asarray(economy.own.labor)
    reference = household.stationary_savings(points, RATE, income, chain, PATIENCE, 3.0)
    assert reference.max() < economy.grid.upper  # neither the top of the grid nor the extrapolation matters
    assert np.any(reference == 0.0)
    np.testing.assert_allclose(savings, reference, atol=1e-8)
    assert float(found.change) <= 1e-13


def test_the_policy_does_not_depend_on_where_the_iteration_starts(economy):
    public = at_prices(economy, RATE, WAGE)
    cash = economy.resources(public)
    thrifty, wasteful = (solve_from(economy, public, share * (cash - economy.grid.lower)) for share in (0.05, 0.95))
    np.testing.assert_allclose(thrifty.plan, wasteful.plan, atol=1e-10)


def test_more_cash_means_more_consumption_and_no_less_savings(economy):
    cash, savings, _ = solve(economy)
    savings = np.asarray(savings)
    assert np.all(np.diff(np.asarray(cash) - savings, axis=0) > 0)
    assert np.all(np.diff(savings, axis=0) >= 0)
    assert np.all(np.diff(np.asarray(cash) - savings, axis=1) > 0)  # income is persistent: better states spend more
    spent = np.diff(np.asarray(cash) - savings, axis=0) / np.diff(np.asarray(cash), axis=0)
    assert np.all((spent > 0) & (spent <= 1 + 1e-12))


@pytest.mark.slow
def test_the_stationary_mass_is_the_eigenvector_of_the_dense_chain(economy):
    """Guards docs/methods.md: the stationary distribution, by a sparse solve, is the dense eigenvector."""
    _, savings, _ = solve(economy)
    mass = np.asarray(stationary_mass(economy, savings))
    points, chain = np.asarray(economy.grid.points), np.asarray(economy.income_transition[0, 0])
    reference = household.stationary_mass(np.asarray(savings), points, chain)
    np.testing.assert_allclose(mass, reference, atol=1e-9)
    assert mass.sum() == pytest.approx(1.0, abs=1e-14) and mass.min() > -1e-15
    moved = push_forward(jnp.asarray(mass), economy.lottery(savings), economy.chain())
    np.testing.assert_allclose(moved, mass, atol=1e-14)
    # the long-run share of each income state does not depend on anybody's choices
    shares = np.linalg.matrix_power(chain, 1000)[0]
    np.testing.assert_allclose(mass.sum(axis=0), shares, atol=1e-12)


def test_the_mass_responds_to_a_flow_as_the_dense_system_says_forward_and_in_reverse(economy):
    """dm - P' dm = flow with sum dm = 0, by least squares on the dense matrix; the reverse mode is its transpose."""
    _, savings, _ = solve(economy)
    mass = stationary_mass(economy, savings)
    draws = np.random.default_rng(0)
    flow = draws.normal(size=economy.shape)
    flow -= flow.mean()
    chain = np.asarray(economy.income_transition[0, 0])
    dense = household.transition_matrix(np.asarray(savings), np.asarray(economy.grid.points), chain).T
    size = dense.shape[0]
    system = np.concatenate([np.eye(size) - np.asarray(dense), np.ones((1, size))])
    exact = np.linalg.lstsq(system, np.concatenate([flow.ravel(), [0.0]]), rcond=None)[0]
    respond = eqx.filter_jit(lambda f: mass_response(economy, savings, mass, f))
    found = respond(jnp.asarray(flow))
    np.testing.assert_allclose(np.asarray(found).ravel(), exact, atol=1e-9 * np.abs(exact).max())
    weight = jnp.asarray(draws.normal(size=economy.shape))
    _, pull = jax.vjp(respond, jnp.asarray(flow))
    assert float(jnp.sum(pull(weight)[0] * flow)) == pytest.approx(float(jnp.sum(weight * found)), rel=1e-9)


def test_a_batch_of_masses_is_each_of_them(economy):
    _, savings, _ = solve(economy)
    both = jnp.stack([savings, 0.9 * savings])
    masses = jax.jit(jax.vmap(lambda s: stationary_mass(economy, s)))(both)
    for mass, each in zip(masses, both, strict=True):
        np.testing.assert_allclose(mass, stationary_mass(economy, each), atol=1e-14)


def test_a_mass_refined_from_a_neighbor_is_the_one_found_by_elimination(economy):
    """From the neighbor next door, from a mass that has nothing to do with it, and where the old factors are far off:
    always the eigenvector, to rounding."""
    _, savings, _ = solve(economy)
    near = stationary_mass(economy, savings)  # its factors are kept
    elsewhere = jnp.full(economy.shape, 1.0 / savings.size)
    upper = economy.grid.points[-1]
    for other, neighbor in ((0.999 * savings, near), (0.999 * savings, elsewhere), (0.6 * savings, near),
                            (0.5 * (savings + upper), near)):  # fmt: skip
        stationary_mass(economy, savings)
        refined = stationary_mass(economy, other, neighbor)
        np.testing.assert_allclose(refined, stationary_mass(economy, other), atol=1e-13)
        moved = push_forward(refined, economy.lottery(other), economy.chain())
        np.testing.assert_allclose(moved, refined, atol=1e-14)


def test_a_mass_that_is_not_determined_is_not_a_number(economy):
    still = eqx.tree_at(lambda e: e.income_transition, economy, jnp.broadcast_to(jnp.eye(7), (1, 1, 7, 7)))
    assert np.isnan(stationary_mass(still, jnp.broadcast_to(economy.grid.points[:, None], economy.shape))).all()


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

    def aggregates(self, assets, own, today):
        return {"capital": assets}

    def prices(self, today):
        return {"interest_rate": 0.0, "wage": 1.0}

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + today.wage * own.labor

    def signal(self, today):
        return {"wage": today.wage}


@pytest.mark.parametrize("risk_aversion", [1.0, 2.5])
def test_permanent_income_without_a_binding_limit_in_closed_form(risk_aversion):
    """At beta R = 1 consumption is the annuity of total wealth, whatever the limit: nobody ever moves."""
    model = Certain(discount_factor=1 / 1.04, risk_aversion=risk_aversion, lower=-5.0)
    economy = hm.discretize(model, 40, jnp.float64, aggregate_risk=False)
    cash, savings, _ = solve(economy, 0.04, 1.0)
    points = np.asarray(economy.grid.points)[:, None]
    exact = closed.permanent_income_consumption(points, 1.0, 1.04, 1 / 1.04, risk_aversion)
    np.testing.assert_allclose(cash - savings, exact, rtol=1e-9)


def test_permanent_income_far_from_the_limit():
    """Impatient and without income: the plan is c = (1 - theta) R a until the limit, which is many years away."""
    patience, gross, risk_aversion, lower = 0.9, 1.04, 2.0, 0.1
    model = Certain(discount_factor=patience, risk_aversion=risk_aversion, lower=lower)
    economy = hm.discretize(model, 200, jnp.float64, aggregate_risk=False)
    cash, savings, _ = solve(economy, gross - 1.0, 0.0)
    assert float(savings[0, 0]) == lower  # poor households are at the limit
    points = np.asarray(economy.grid.points)
    far = points > 50.0
    exact = closed.consumption_share(gross, patience, risk_aversion) * gross * points
    np.testing.assert_allclose((cash - savings)[far, 0], exact[far], rtol=1e-6)


def test_savings_respect_the_limit_and_the_top_of_the_grid(economy):
    public = at_prices(economy, RATE, WAGE)
    cash = jnp.full(economy.shape, 5.0)
    assert np.all(feasible_savings(economy, public, cash, jnp.full(economy.shape, 7.0)) == 0.0)
    assert np.all(feasible_savings(economy, public, 100.0 * cash, jnp.full(economy.shape, 1.0)) == 60.0)
    np.testing.assert_allclose(feasible_savings(economy, public, cash, jnp.full(economy.shape, 2.0)), 3.0)


def test_the_mass_is_found_however_savings_at_the_borrowing_limit_round(float64):
    """On a grid whose first interval is 6e-6 long, where a rounding of 1e-15 in savings would be a probability of
    -2e-10, and mass as negative as what is refused; every mass is found without another one near by."""
    economy = hm.discretize(hm.load_model("one_asset_hank"), 300, jnp.float64, aggregate_risk=False)
    names = names_of(economy)
    assert names.searched == ("wage", "output", "inflation")

    @jax.jit
    def candidate(wage, start):
        unknown, none = jnp.asarray([wage, 1.0, 0.0]), jnp.full(economy.shape, jnp.nan)
        return candidate_at(economy, names, unknown, start, none, 1e-11)

    start = jnp.log(first_plan(economy, given(economy, names, jnp.asarray([0.83, 1.0, 0.0]))))
    for wage in 0.83 + 1e-6 * np.arange(5):
        found = candidate(wage, start)
        start = found.log_plan
        assert np.min(found.mass) > -1e-16 and float(np.sum(found.mass)) == pytest.approx(1.0, abs=1e-14)
