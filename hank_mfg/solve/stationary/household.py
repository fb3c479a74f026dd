"""The household's problem at given prices, by the endogenous grid method (Carroll 2006).

For every choice a' on the grid the first-order condition q u'(c) = beta E[V_a(a', e')] gives consumption without a
search, and cash on hand m = q a' + c, with q the price of the asset, one unless the model declares it. The pairs (m, c)
are the consumption function where the borrowing limit does not bind; extended below its first point it lies above
m - q lower, so that min(c, m - q lower) is right everywhere.

What the problem is solved for is called the plan: the composite of labor.py in every state, (assets, income), or with
two assets what portfolio.py says, (2, assets, income). All of it is positive, and a search moves its logarithm.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.environment.budget import Budget
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.life import Chain
from hank_mfg.model.named import Named
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.solve.stationary import portfolio
from hank_mfg.solve.stationary.fixed_point import fixed_point


class HouseholdSolution(NamedTuple):
    """A stationary household problem: its plan, the iterations used and the last change."""

    plan: Array
    iterations: Array
    change: Array


def egm_step(economy: Economy, public: Public, marginal_value_next: Array, chain: Chain) -> ConsumptionFunction:
    """One step back: `marginal_value_next` is V_a on tomorrow's (assets, income), the result the policy at today's
    prices."""
    return egm_given(economy, public, chain.expect(marginal_value_next))


def egm_given(economy: Economy, public: Public, ahead: Array) -> ConsumptionFunction:
    """The policy at today's prices, given what households expect of V_a at every choice, `ahead` (assets, income). Who
    expects nothing of tomorrow, with no patience or in a last period, would consume more than there is."""
    expected = economy.discount_factor(public.shocks) * ahead
    return _endogenous(economy, economy.budget(public), expected, economy.all_consumed(public)[-1:])


def _endogenous(economy: Economy, budget: Budget, expected: Array, all_there_is: Array) -> ConsumptionFunction:
    """The policy where beta E[V_a] is `expected` at every choice, (assets, income)."""
    expected = budget.bought(expected)
    nothing = expected == 0
    consumption = economy.model.preferences().inverse_marginal_utility(jnp.where(nothing, 1.0, expected))
    rising = jnp.linspace(2.0, 3.0, len(expected), dtype=expected.dtype)[:, None]  # distinct in single precision too
    consumption = jnp.where(nothing, rising * jnp.max(all_there_is), consumption)
    cash = budget.cost(economy.grid.points[:, None]) + budget.net(consumption)
    return ConsumptionFunction(cash, consumption)


def step_back(
    economy: Economy, public: Public, marginal_next: Array, transfer: Array | None = None
) -> tuple[Array, Array, Array]:
    """Savings, the x of a policy and marginal values of assets today, given marginal values tomorrow.

    `transfer`, where given, is added to all cash on hand; a number or (assets, income), in goods.
    """
    if economy.several:
        choice = portfolio.decide(economy, public, marginal_next, economy.chain(), transfer)
        return choice.savings, choice.consumption, choice.marginal
    resources = economy.resources(public)
    if transfer is not None:
        resources = resources + transfer
    policy = egm_step(economy, public, marginal_next, economy.chain())
    savings = feasible_savings(economy, public, resources, policy(resources))
    consumption = economy.budget(public).consumption_of(resources, savings)
    return savings, consumption, marginal_value(economy, public, consumption)


def feasible_savings(economy: Economy, public: Public, resources: Array, consumption: Array) -> Array:
    """Next assets implied by unconstrained consumption, between the borrowing limit and the top of the grid."""
    lower, upper = economy.bounds(resources, public)
    return jnp.clip(economy.budget(public).savings_of(resources, consumption), lower, upper)


def savings_at(economy: Economy, public: Public, plan: Array) -> Array:
    """Next assets of households with a `plan`.

    At the borrowing limit cash on hand less consumption misses the limit by rounding; relative to the first interval of
    the grid, often a millionth, that makes a probability of -1e-10 in the lottery and negative mass, so that bounds
    count here too.
    """
    if economy.several:
        return portfolio.savings_of_plan(economy, public, plan)
    return feasible_savings(economy, public, economy.resources(public), plan)


def composite_of(economy: Economy, plan: Array) -> Array:
    """The composite of labor.py in every state, (assets, income), of a plan."""
    return plan[0] if economy.several else plan


def marginal_of(economy: Economy, public: Public, savings: Array, consumption: Array) -> Array:
    """Marginal values of assets of households that save and consume so: (assets, income), or (2, assets, income)."""
    if economy.several:
        return portfolio.marginal_values(economy, public, savings, consumption)
    return marginal_value(economy, public, consumption)


def marginal_of_plan(economy: Economy, public: Public, plan: Array) -> Array:
    """Marginal values of assets of households with a `plan`."""
    if not economy.several:
        return marginal_value(economy, public, plan)
    return marginal_of(economy, public, savings_at(economy, public, plan), plan[0])


def first_plan(economy: Economy, public: Public) -> Array:
    """The plan from which a household's problem is first solved: a tenth of all that could be consumed."""
    return portfolio.first_plan(economy, public) if economy.several else 0.1 * economy.all_consumed(public)


def asset_return(economy: Economy, public: Public) -> Array:
    """The derivative of cash on hand in own assets, usually 1 + r: (assets, income)."""
    points = jnp.broadcast_to(economy.grid.points[:, None], economy.shape)

    def cash(assets):
        return jnp.broadcast_to(economy.cash(assets, public), economy.shape)

    return jax.jvp(cash, (points,), (jnp.ones_like(points),))[1]


def marginal_value(economy: Economy, public: Public, consumption: Array) -> Array:
    """The marginal value of assets V_a = (d resources / d a) u'(c), (assets, income): the envelope theorem."""
    return asset_return(economy, public) * economy.model.preferences().marginal_utility(consumption)


@quick_jit
def all_consumed(economy: Economy, public: Public) -> Array:
    """The composite of households that save as little as they may, (assets, income): one program instead of many small
    ones where it is asked from outside."""
    return economy.all_consumed(public)


def household_map(economy: Economy, public: Public, wedge: Array | None = None) -> Callable[[Array], Array]:
    """One step of the endogenous grid method at constant prices, from the log plan of tomorrow to today's.

    Its fixed point is the stationary policy. In logs its change is relative to consumption. Consumption tomorrow is
    capped at the largest feasible one. A `wedge` (assets, income), of one asset, is added to the marginal value of
    assets tomorrow.
    """
    if economy.several:
        return portfolio.plan_map(economy, public)
    resources, gross = economy.resources(public), asset_return(economy, public)
    utility, chain = economy.model.preferences(), economy.chain()
    most = jnp.log(economy.all_consumed(public))

    def step(log_consumption: Array) -> Array:
        consumption = jnp.exp(jnp.minimum(log_consumption, most))
        marginal = gross * utility.marginal_utility(consumption)
        policy = egm_step(economy, public, marginal if wedge is None else marginal + wedge, chain)
        savings = feasible_savings(economy, public, resources, policy(resources))
        return jnp.log(economy.budget(public).consumption_of(resources, savings))

    return step


def solve_household(
    economy: Economy,
    public: Public,
    start: Array,
    *,
    tolerance,
    max_iterations: int = 20_000,
    wedge: Array | None = None,
) -> HouseholdSolution:
    """The stationary policy at constant prices: the endogenous grid method until no consumption moves by `tolerance`.

    `start` is a plan; the change is relative; `wedge` as in `household_map`, of households that live for ever. The
    stopping rule bounds the change of one step: with discount factor beta the distance to the fixed point is about
    change / (1 - beta). Where some household cannot consume at all the change is not a number. Where lives end the
    policy is exact after one pass.
    """
    if economy.life is not None:
        found = jnp.log(consumption_by_age(economy, public))
        change = jnp.max(jnp.abs(household_map(economy, public)(found) - found))
        return HouseholdSolution(jnp.exp(found), jnp.asarray(1), change)
    step = household_map(economy, public, wedge)
    found = fixed_point(step, jnp.log(start), tolerance=tolerance, max_iterations=max_iterations)
    return HouseholdSolution(jnp.exp(found.point), found.iterations, found.change)


def consumption_by_age(economy: Economy, public: Public) -> Array:
    """The policy at constant prices where lives end, (assets, income), from the last age to the first: one pass,
    differentiable."""
    life = economy.life
    assert life is not None
    income, budget, utility = economy.income_transition[0, 0], economy.budget(public), economy.model.preferences()
    cash = economy.resources(public)
    lowest = jnp.broadcast_to(economy.lowest, cash.shape)
    each = (cash, lowest, asset_return(economy, public), economy.discount_factor(public.shocks), budget.wage)

    def younger(marginal_next, given):
        survival, (cash, lowest, gross, patience, wage) = given
        mine = Budget(budget.labor, wage, budget.asset_price)
        expected = patience * survival * (marginal_next @ income.T)
        policy = _endogenous(economy, mine, expected, mine.consumption_of(cash, lowest)[-1:])
        savings = jnp.clip(mine.savings_of(cash, policy(cash)), *economy.bounds(cash, public, lowest))
        consumption = mine.consumption_of(cash, savings)
        consumption = jnp.where(mine.consumption_of(cash, lowest) > 0, consumption, jnp.nan)  # who cannot repay
        return gross * utility.marginal_utility(consumption), consumption

    nothing = jnp.zeros((len(cash), len(income)), economy.dtype)
    given = (life.survival, jax.tree.map(life.by_age, each))  # no wage where hours are not chosen
    found = jax.lax.scan(younger, nothing, given, reverse=True)[1]
    return jnp.moveaxis(found, 0, 1).reshape(cash.shape)


class Solved(NamedTuple):
    """Households at constant prices: their `policy`, `consumption` of goods and `savings` (assets, income), and the
    last `change` of the search."""

    policy: ConsumptionFunction | portfolio.PortfolioFunction
    consumption: Array
    savings: Array
    change: Array


@eqx.filter_jit
def solve_at(economy: Economy, public: Public, tolerance: float) -> Solved:
    """The problem of households at constant prices, begun afresh, to a `tolerance` of relative consumption."""
    resources = economy.resources(public)
    found = solve_household(economy, public, first_plan(economy, public), tolerance=tolerance)
    policy, savings = policy_and_savings(economy, public, found.plan)
    budget = economy.budget(public)
    goods = budget.goods(budget.consumption_of(resources, savings))
    return Solved(policy, goods, savings, found.change)


def policy_and_savings(
    economy: Economy, public: Public, plan: Array, wedge: Array | None = None
) -> tuple[ConsumptionFunction | portfolio.PortfolioFunction, Array]:
    """What households choose by cash on hand, and what they save in every state, where `plan` is theirs tomorrow;
    `wedge` as in `household_map`."""
    if economy.several:
        ahead = economy.chain().expect(marginal_of_plan(economy, public, plan))
        function = portfolio.choice_function(economy, public, ahead)
        return function, portfolio.chosen_by(economy, public, function).savings
    resources, policy = economy.resources(public), policy_of(economy, public, plan, wedge)
    return policy, feasible_savings(economy, public, resources, policy(resources))


def policy_of(economy: Economy, public: Public, consumption: Array, wedge: Array | None = None) -> ConsumptionFunction:
    """The consumption function today where households consume `consumption` (assets, income) tomorrow; `wedge` as in
    `household_map`."""
    marginal = marginal_value(economy, public, consumption)
    return egm_step(economy, public, marginal if wedge is None else marginal + wedge, economy.chain())


def at_prices(economy: Economy, public: Public, values: Array) -> Public:
    """The period `public` with its clearing prices at `values` (clearing prices,), and what follows from them."""
    candidates = Named("clearing_prices", dict(zip(economy.clearing_prices, values, strict=True)))
    return economy.form(public.aggregates, public.shocks, candidates)


def response_to_unknowns(economy: Economy, public: Public, consumption: Array) -> Array:
    """The response of log consumption to clearing prices at the stationary cash on hand.

    From stationary `consumption` (assets, income): one step of the endogenous grid method with the price changed today
    and everything tomorrow as it was but for what today's price carries over. (clearing prices, assets, income), per
    unit."""
    cash, following = economy.resources(public), policy_of(economy, public, consumption)

    def today(values: Array) -> Array:
        now = at_prices(economy, public, values)
        total = Named("aggregates", {**public.aggregates, **economy.next_state(now)})
        tomorrow = at_prices(economy, public._replace(aggregates=total), economy.clearing_values(public))
        resources = economy.resources(tomorrow)
        saved = feasible_savings(economy, tomorrow, resources, following(resources))
        marginal = marginal_value(economy, tomorrow, economy.budget(tomorrow).consumption_of(resources, saved))
        return jnp.log(egm_step(economy, now, marginal, economy.chain())(cash))

    return jnp.moveaxis(jax.jacfwd(today)(economy.clearing_values(public)), -1, 0)
