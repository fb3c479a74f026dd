"""The household's problem with two assets at given prices, by the endogenous grid method.

A household holds b, changed at no cost, and a, for whose change it pays k(a', a):

    c + b' + a' + k(a', a) = m(b, a, e),        b' >= b_min,    a' >= a_min.

With W_b = beta E V_b and W_a = beta E V_a at the choices, first-order conditions are

    u'(c) = W_b + multiplier,        (1 + k_1(a', a)) u'(c) = W_a    (at most, where a' = a_min).

Nodes are choices b' on the grid where the limit on b does not bind, and where it does values of u'(c) / W_b above one.
For each, and each a, the second condition over the first, 1 + k_1(a', a) = W_a / W_b (over u'(c) / W_b), is crossed
once in a'; consumption follows, then the cash on hand m that pays for it all. Cash rises along the nodes, so that
choices at the cash on hand of every state are read between them. Marginal values are, by the envelope theorem,

    V_b = m_b u'(c),        V_a = (m_a - k_2(a', a)) u'(c).

What the problem is solved for, the plan, is (2, assets, income): consumption, and a' less a_min plus a unit, so that
the change of its logarithm is what moves.

Source: Auclert, Bardoczy, Rognlie and Straub (2021), Econometrica 89(5), appendix E; Carroll (2006).
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.budget import Portfolio
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.life import Chain
from hank_mfg.environment.product_grid import ProductGrid
from hank_mfg.model.named import Named
from hank_mfg.model.portable import portable

TIE = 1e-12  # of marginal values, relative: where the second asset gains no more than that, none more is bought
UNIT = 1e-4  # of the length of the second grid: below it a change of savings counts as absolute
STRONGEST, PIVOT, STEPS = 1.0, 0.25, 49  # u'(c) / W_b - 1 at the nodes where the limit on the first asset binds


@portable
class PortfolioFunction(eqx.Module):
    """What households choose, as functions of cash on hand for every holding of the second asset and income state.

    `cash` on hand and savings in the `second` asset at the nodes, (nodes, second, income), cash increasing along axis
    0; savings in the `first`, (nodes,). Linear between nodes, and beyond them, before the limits bind.
    """

    cash: Array
    first: Array
    second: Array

    def __call__(self, cash: Array) -> Array:
        """Savings in both assets, (2, first, second, income), at `cash` on hand (first, second, income)."""
        shape, nodes = cash.shape, len(self.cash)
        cash, known, second = (each.reshape(len(each), -1) for each in (cash, self.cash, self.second))
        search = jax.vmap(lambda at, x: jnp.searchsorted(at, x, side="right"), in_axes=1, out_axes=1)
        index = jnp.clip(search(*jax.lax.stop_gradient((known, cash))) - 1, 0, nodes - 2)

        def rows(values: Array) -> tuple[Array, Array]:
            return jnp.take_along_axis(values, index, axis=0), jnp.take_along_axis(values, index + 1, axis=0)

        (low, high), (below, above) = rows(known), rows(second)
        share = (cash - low) / (high - low)
        first = self.first[index] + share * (self.first[index + 1] - self.first[index])
        return jnp.stack([first, below + share * (above - below)]).reshape(2, *shape)


class Choice(NamedTuple):
    """What households choose in every state: `savings` (2, assets, income), the x of a policy in `consumption`, and the
    `marginal` values V_b and V_a, (2, assets, income)."""

    savings: Array
    consumption: Array
    marginal: Array


def _grid(economy: Economy) -> ProductGrid:
    assert isinstance(economy.grid, ProductGrid)
    return economy.grid


def _unit(grid: ProductGrid) -> Array:
    second = grid.axes[1]
    return UNIT * (second.upper - second.lower)


def _strengths(dtype) -> np.ndarray:
    """u'(c) / W_b at the nodes where the limit on the first asset binds, falling toward one: (steps,)."""
    return (1.0 + np.geomspace(STRONGEST + PIVOT, PIVOT, STEPS + 1)[:-1] - PIVOT).astype(dtype)


def choice_function(economy: Economy, public: Public, ahead: Array) -> PortfolioFunction:
    """What households choose at today's prices, given what they expect of marginal values at every choice, `ahead` (2,
    assets, income)."""
    grid, budget, utility = _grid(economy), economy.budget(public), economy.model.preferences()
    first, second = (axis.points for axis in grid.axes)
    value_b, value_a = grid.apart(economy.discount_factor(public.shocks) * ahead)
    strengths = jnp.asarray(_strengths(economy.dtype))
    places = np.concatenate([np.zeros(STEPS, int), np.arange(len(first))])
    strength = jnp.concatenate([strengths, jnp.ones_like(first)])[:, None, None]
    ratio = (value_a / value_b)[places] / strength - 1.0  # (nodes, choices of the second asset, income)
    slope = _marginal_cost(economy.model, public, grid)  # (choices, held)
    count = jnp.sum(ratio[:, :, None] > slope[:, :, None] + TIE, axis=1, dtype=jnp.int32)
    high = jnp.clip(jax.lax.stop_gradient(count), 1, len(second) - 1)

    def at(values: Array, index: Array) -> Array:
        return jnp.take_along_axis(values, index, axis=1)

    held = np.arange(len(second))[None, :, None]
    left, right = (at(ratio, index) - slope[index, held] for index in (high - 1, high))
    apart = left - right
    weight = jnp.clip(jnp.where(apart > 0, left / jnp.where(apart > 0, apart, 1.0), 0.0), 0.0, 1.0)
    weight = jnp.where(count == 0, 0.0, jnp.where(count == len(second), 1.0, weight))
    savings = second[high - 1] + weight * (second[high] - second[high - 1])
    marginal = value_b[places]
    marginal = at(marginal, high - 1) + weight * (at(marginal, high) - at(marginal, high - 1))
    consumption = utility.inverse_marginal_utility(strength * marginal)
    cost = _cost(economy.model, public, grid, first[places][:, None, None], savings)
    cash = budget.net(consumption) + first[places][:, None, None] + savings + cost
    return PortfolioFunction(cash, first[places], savings)


def _held(grid: ProductGrid) -> Named:
    """What is held of the second asset, (second, 1), and nothing of the first, on which no cost depends."""
    second = grid.axes[1].points[:, None]
    return Named("assets", {grid.names[0]: jnp.zeros_like(second), grid.names[1]: second})


def _cost(model, public: Public, grid: ProductGrid, first: Array, second: Array) -> Array:
    """What it costs to choose `second`, (..., second, income), by what is held of it."""
    portfolio = Portfolio(model, _held(grid), public.given)
    return portfolio.adjustment((jnp.broadcast_to(first, second.shape), second))


def _marginal_cost(model, public: Public, grid: ProductGrid) -> Array:
    """k_1(a', a) at points of the grid, (choices, held)."""
    points = grid.axes[1].points
    choices = jnp.broadcast_to(points[:, None, None], (len(points), len(points), 1))

    def cost(chosen: Array) -> Array:
        return _cost(model, public, grid, jnp.zeros_like(chosen), chosen)

    return jax.jvp(cost, (choices,), (jnp.ones_like(choices),))[1][..., 0]


def decide(
    economy: Economy, public: Public, marginal_next: Array, chain: Chain, transfer: Array | None = None
) -> Choice:
    """One step back: `marginal_next` are V_b and V_a on tomorrow's states, (2, assets, income).

    `transfer`, where given, is added to all cash on hand; a number or (assets, income), in goods.
    """
    function = choice_function(economy, public, chain.expect(marginal_next))
    return chosen_by(economy, public, function, transfer)


def chosen_by(economy: Economy, public: Public, function: PortfolioFunction, transfer: Array | None = None) -> Choice:
    """What a choice function makes households in every state choose, within the limits."""
    grid, cash = _grid(economy), economy.resources(public)
    cash = cash if transfer is None else cash + transfer
    savings = grid.together(function(grid.apart(cash)))
    savings = jnp.clip(savings, grid.lower, grid.upper)
    consumption = economy.budget(public).consumption_of(cash, savings)
    return Choice(savings, consumption, marginal_values(economy, public, savings, consumption))


def marginal_values(economy: Economy, public: Public, savings: Array, consumption: Array) -> Array:
    """V_b and V_a by the envelope theorem, (2, assets, income)."""
    grid = _grid(economy)
    held = {name: jnp.broadcast_to(each, economy.shape) for name, each in grid.held.items()}

    def left(first: Array, second: Array) -> Array:
        assets = Named("assets", dict(zip(grid.names, (first, second), strict=True)))
        cash = jnp.broadcast_to(economy.cash(assets, public), economy.shape)
        return cash - Portfolio(economy.model, assets, public.given).adjustment(savings)

    here, one = tuple(held.values()), jnp.ones(economy.shape, economy.dtype)
    zero = jnp.zeros_like(one)
    gains = [jax.jvp(left, here, moved)[1] for moved in ((one, zero), (zero, one))]
    return jnp.stack(gains) * economy.model.preferences().marginal_utility(consumption)


def plan_of(economy: Economy, savings: Array, consumption: Array) -> Array:
    """The plan, (2, assets, income), of savings (2, assets, income) and consumption."""
    grid = _grid(economy)
    return jnp.stack([consumption, savings[1] - grid.axes[1].lower + _unit(grid)])


def savings_of_plan(economy: Economy, public: Public, plan: Array) -> Array:
    """Savings in both assets, (2, assets, income), within the limits, of a plan that pays for itself."""
    grid, budget = _grid(economy), economy.budget(public)
    second = plan[1] + grid.axes[1].lower - _unit(grid)
    second = jnp.clip(second, grid.axes[1].lower, grid.axes[1].upper)
    nothing = jnp.stack([jnp.zeros_like(second), second])
    first = budget.unspent(economy.resources(public), nothing) - budget.net(plan[0])
    return jnp.stack([jnp.clip(first, grid.axes[0].lower, grid.axes[0].upper), second])


def first_plan(economy: Economy, public: Public) -> Array:
    """The plan from which a household's problem is first solved: a tenth of what could be consumed, the second asset
    kept."""
    most = economy.all_consumed(public)
    kept = jnp.broadcast_to(_grid(economy).held[_grid(economy).names[1]], economy.shape)
    return plan_of(economy, jnp.stack([kept, kept]), 0.1 * most)


def plan_map(economy: Economy, public: Public) -> Callable[[Array], Array]:
    """One step of the endogenous grid method at constant prices, from the log plan of tomorrow to today's."""
    chain, most = economy.chain(), jnp.log(economy.all_consumed(public))

    def step(log_plan: Array) -> Array:
        plan = jnp.exp(log_plan.at[0].min(most))
        marginal = marginal_values(economy, public, savings_of_plan(economy, public, plan), plan[0])
        found = decide(economy, public, marginal, chain)
        return jnp.log(plan_of(economy, found.savings, found.consumption))

    return step
