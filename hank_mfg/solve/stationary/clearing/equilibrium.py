"""A stationary equilibrium as arrays, and the derivatives of its fixed points.

What a policy chooses, the composite of labor.py (consumption, or under GHH consumption less effort),
is the fixed point c = T(c), the mass m = P' m, and the aggregates U clear F(U) = log supplied - log U = 0.
By the implicit function theorem the derivative of each is that of one corrected step,

    log c = log c* + (I - T')^{-1} (T(log c*) - log c*),      m = m* + (I - P')^{-1} (P' m* - m*),
    U = U* - F_U^{-1} F(U*),

with starred values and inverses held constant: values are unchanged, first derivatives are right, forward and in
reverse. Derivatives of derivatives are not. Everything is in float64.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.concavity import largest_rise
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.lottery import push_forward
from hank_mfg.environment.quantities import Names, form_steady_state, supplied
from hank_mfg.model.named import Named
from hank_mfg.model.portable import portable
from hank_mfg.solve.stationary.clearing.mass import mass_response
from hank_mfg.solve.stationary.fixed_point import solve_contraction
from hank_mfg.solve.stationary.household import composite_of, consumption_by_age, household_map, savings_at
from hank_mfg.wording import readable


@readable
@portable
class Equilibrium(NamedTuple):
    """A stationary equilibrium as arrays: the `unknown` aggregates and the prices that clear inside the period,
    (searched,), `consumption` of goods and `mass` (assets, income), everything aggregate, the `excess` (log supplied -
    log unknown, then excess demand), and the `change` of the composite in one more step of the household. Where they
    are not a number or not small, there is none: `steady_state` says why. `composite` (assets, income) is what policies
    choose: consumption, or consumption less effort under GHH. `rise` is by how much d resources / d assets rises at
    most between points of the grid: above 1e-6 budgets are not concave and first-order conditions not sufficient.
    `portfolio` (2, assets, income) is there with two assets, what their household's problem was solved for.
    """

    unknown: Array
    composite: Array
    consumption: Array
    mass: Array
    public: Public
    excess: Array
    change: Array
    rise: Array | float = float("nan")
    portfolio: Array | None = None

    @property
    def plan(self) -> Array:
        """What the household's problem was solved for: the composite, or with two assets the portfolio."""
        return self.composite if self.portfolio is None else self.portfolio

    @property
    def prices(self) -> Named:
        """Prices, per model period."""
        return self.public.prices

    @property
    def aggregates(self) -> Named:
        """Aggregates."""
        return self.public.aggregates


def given(economy: Economy, names: Names, unknown: Array) -> Public:
    """Everything aggregate at assumed values of what is searched, (searched,), with shocks at their means."""
    return form_steady_state(economy, names, unknown, economy.shocks(0), economy.long_run()[0])


def excess_of(economy: Economy, names: Names, unknown: Array, public: Public, plan: Array, mass: Array) -> Array:
    """The residuals of assumed values: log supplied - log unknown, then excess demand in what clears, (searched,).

    Minus infinity where nothing is supplied, or less.
    """
    count = len(names.unknown)
    excess = []
    if count:
        total = supplied(economy, names.unknown, mass, public.shocks)
        excess = [jnp.where(total > 0, jnp.log(jnp.where(total > 0, total, 1.0)), -jnp.inf) - jnp.log(unknown[:count])]
    if names.clearing:
        savings = savings_at(economy, public, plan)
        excess.append(economy.excess_demand(mass, public, savings))
    return jnp.concatenate(excess)


def complete(economy: Economy, names: Names, public: Public, mass: Array) -> Public:
    """Everything aggregate, with the aggregates that no price follows from."""
    if not names.other:
        return public
    summed = dict(zip(names.other, supplied(economy, names.other, mass, public.shocks), strict=True))
    return public._replace(aggregates=Named("aggregates", {**public.aggregates, **summed}))


def _household(economy: Economy, public: Public, solved: Array) -> Array:
    """The plan as a function of the economy and of prices near a `solved` fixed point, by the implicit theorem; where
    lives end it is an explicit function.

    log c = T(log c): its derivative is that of log c* + (I - T')^{-1} (T(log c*) - log c*), all but T held at c*.
    """
    if economy.life is not None:
        return consumption_by_age(economy, public)
    known = jax.lax.stop_gradient(jnp.log(solved))
    image = household_map(economy, public)(known)
    constant = household_map(*jax.lax.stop_gradient((economy, public)))
    _, ahead = jax.linearize(constant, known)

    def matrix(change):
        return change - ahead(change)

    def solve(_, right):
        return solve_contraction(ahead, right)

    def transposed(_, right):
        return solve_contraction(lambda y: jax.linear_transpose(ahead, known)(y)[0], right)

    return jnp.exp(known + jax.lax.custom_linear_solve(matrix, image - known, solve, transposed))


def respond(economy: Economy, names: Names, unknown: Array, plan: Array, mass: Array) -> tuple[Array, Array, Public]:
    """Plan, mass and everything aggregate near the `plan` and `mass` that were found, as functions of economy and
    unknowns.

    The mass of a permanent type is in proportion to its share, whatever households choose.
    """
    public = given(economy, names, unknown)
    plan = _household(economy, public, plan)
    savings = savings_at(economy, public, plan)
    growth = economy.shares / jax.lax.stop_gradient(economy.shares)
    mass = jax.lax.stop_gradient(mass) * growth[economy.types]
    moved = push_forward(mass, economy.lottery(savings), economy.chain())
    return plan, mass + mass_response(economy, savings, mass, moved - mass), public


def excess_at(economy: Economy, names: Names, unknown: Array, found: Equilibrium) -> Array:
    """`excess_of` near what was `found`: with derivatives in unknowns and economy."""
    plan, mass, public = respond(economy, names, unknown, found.plan, found.mass)
    return excess_of(economy, names, unknown, public, plan, mass)


def implicit(economy: Economy, names: Names, found: Equilibrium) -> Equilibrium:
    """The equilibrium `found` as a function of the economy: the same values to rounding, and first derivatives."""
    known = jax.lax.stop_gradient(found.unknown)
    still = jax.lax.stop_gradient(economy)
    jacobian = jax.jacfwd(lambda u: excess_at(still, names, u, found))(known)
    unknown = known - jnp.linalg.solve(jax.lax.stop_gradient(jacobian), excess_at(economy, names, known, found))
    plan, mass, public = respond(economy, names, unknown, found.plan, found.mass)
    public = complete(economy, names, public, mass)
    return equilibrium_of(economy, public, unknown, plan, mass)


def equilibrium_of(economy: Economy, public: Public, unknown: Array, plan: Array, mass: Array) -> Equilibrium:
    """The equilibrium in which households have a `plan`, exact where nothing else is said of it."""
    composite = composite_of(economy, plan)
    goods, rise = economy.budget(public).goods(composite), largest_rise(economy, public)
    portfolio = plan if economy.several else None
    exact = (jnp.zeros_like(unknown), jnp.zeros(()))
    return Equilibrium(unknown, composite, goods, mass, public, *exact, rise, portfolio)
