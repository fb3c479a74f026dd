"""The best savings by search: every choice tried, no first-order condition, no envelope theorem.

Given values ahead W(a', e) = E[V(a', e') | e], piecewise linear between asset points as Young's lottery has them,

    V(a, e) = max over a' of F(a, a') + beta(e) W(a', e),

over all asset points, points between them, and what a policy does; with two assets over all pairs, and then around the
best of them. It assumes nothing of the shape of V, so it finds what first-order conditions miss: budgets with cliffs
and kinks. What it shares with the policies that it judges is the grid of assets and the lottery on it.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.lottery import expect, read
from hank_mfg.solve.stationary.fixed_point import solve_contraction

ROUNDS = 60  # of policy improvement at most
TOGETHER = 2**21  # values held at once: choices x assets x income
HALVINGS = 6  # rounds of the search around the best pair of two assets
DIRECTIONS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
SETTLED = 1e-12  # relative improvement at which it ends


class Best(NamedTuple):
    """The `value` of the best savings, (assets, income), and these `savings`, of the same shape or of two assets (2,
    assets, income)."""

    value: Array
    savings: Array


def best_choice(economy: Economy, public: Public, ahead: Array, savings: Array, parts: int) -> Best:
    """The best of all asset points, `parts` - 1 points between neighbors, and `savings` (assets, income), with two
    assets of all pairs of such points and `savings` (2, assets, income), and of what lies around the best of these.

    `ahead` (assets, income) is W, the expected value of next assets.
    """
    discount_factor, cash = economy.discount_factor(public.shocks), economy.resources(public)
    choices, ahead_of_choice = _tried(economy, ahead, parts)

    def value_of(choice: Array, ahead_of_choice: Array) -> Array:
        chosen = jnp.broadcast_to(choice[..., None, None], savings.shape)
        value = economy.reward(chosen, public) + discount_factor * ahead_of_choice
        if economy.several:
            allowed = economy.budget(public).unspent(cash, chosen) > 0
        else:
            least, most = economy.bounds(cash, public)
            allowed = (choice >= least) & (choice <= most)
        return jnp.where(allowed & ~jnp.isnan(value), value, -jnp.inf)

    def better(best: Best, block: tuple[Array, Array]) -> tuple[Best, None]:
        values = jax.vmap(value_of)(*block)
        place = jnp.argmax(values, axis=0)
        value, found = jnp.take_along_axis(values, place[None], axis=0)[0], block[0][place]
        found = jnp.moveaxis(found, -1, 0) if economy.several else found
        return Best(jnp.maximum(best.value, value), jnp.where(value > best.value, found, best.savings)), None

    own = _value_of(economy, public, ahead, savings)
    size = max(1, min(len(choices), TOGETHER // own.size))
    padding = jnp.arange(-(-len(choices) // size) * size).clip(max=len(choices) - 1)  # the last again in the last block
    choices, ahead_of_choice = (each[padding].reshape(-1, size, *each.shape[1:]) for each in (choices, ahead_of_choice))
    best = jax.lax.scan(better, Best(own, savings), (choices, ahead_of_choice))[0]
    return _around(economy, public, ahead, best, parts) if economy.several else best


def _value_of(economy: Economy, public: Public, ahead: Array, savings: Array) -> Array:
    """The value of `savings` in every state, (assets, income), given that of next assets."""
    return economy.reward(savings, public) + economy.discount_factor(public.shocks) * read(
        ahead, economy.lottery(savings)
    )


def _around(economy: Economy, public: Public, ahead: Array, best: Best, parts: int) -> Best:
    """The best of pairs around those of `best`: eight neighbors, at half the distance in every round.

    Costs of adjustment rise with the square of the change, so that pairs of grid points alone may all be far from the
    best pair. Distances are in intervals of the grid, from 1 / (2 `parts`) on.
    """
    grid, cash = economy.grid, economy.resources(public)
    places = [jnp.arange(axis.size, dtype=economy.dtype) for axis in grid.axes]

    def at(place: Array) -> Array:
        pairs = zip(place, places, grid.axes, strict=True)
        return jnp.stack([jnp.interp(each, number, axis.points) for each, number, axis in pairs])

    def value_of(choice: Array) -> Array:
        value = _value_of(economy, public, ahead, choice)
        allowed = economy.budget(public).unspent(cash, choice) > 0
        return jnp.where(allowed & ~jnp.isnan(value), value, -jnp.inf)

    def closer(state, step: Array):
        place, value, savings = state
        for direction in DIRECTIONS:
            moved = place + step * jnp.asarray(direction, place.dtype)[:, None, None]
            choice = at(moved)
            found = value_of(choice)
            place, savings = (jnp.where(found > value, new, old) for new, old in ((moved, place), (choice, savings)))
            value = jnp.maximum(found, value)
        return (place, value, savings), None

    triples = zip(best.savings, places, grid.axes, strict=True)
    start = jnp.stack([jnp.interp(each, axis.points, number) for each, number, axis in triples])
    steps = 0.5 ** jnp.arange(1, HALVINGS + 1, dtype=economy.dtype) / parts
    (_, value, savings), _ = jax.lax.scan(closer, (start, best.value, best.savings), steps)
    return Best(value, savings)


def _tried(economy: Economy, ahead: Array, parts: int) -> tuple[Array, Array]:
    """The savings that are tried, (choices,) or of two assets (choices, 2), and their values ahead, (choices,
    income)."""

    def finer(points: Array, values: Array) -> tuple[Array, Array]:
        """Points and values along the first axis, with `parts` - 1 between any two."""
        share = jnp.arange(parts, dtype=points.dtype)[None] / parts
        between = (points[:-1, None] + share * jnp.diff(points)[:, None]).reshape(-1)
        share = share.reshape(1, parts, *[1] * (values.ndim - 1))
        ahead = (values[:-1, None] * (1 - share) + values[1:, None] * share).reshape(-1, *values.shape[1:])
        return jnp.append(between, points[-1]), jnp.concatenate([ahead, values[-1:]])

    if not economy.several:
        return finer(economy.grid.points, ahead)
    first, values = finer(economy.grid.axes[0].points, economy.grid.apart(ahead))
    second, values = finer(economy.grid.axes[1].points, jnp.swapaxes(values, 0, 1))
    pairs = jnp.stack(jnp.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    return pairs, jnp.swapaxes(values, 0, 1).reshape(len(pairs), -1)


def value_of_constant(economy: Economy, public: Public, savings: Array, flow: Array) -> Array:
    """The value of a constant `flow` (assets, income) under constant savings: V = flow + beta P V. Differentiable
    forward, by the same equation: dV = d flow + d(beta P) V + beta P dV."""

    def ahead_of(economy: Economy, public: Public, savings: Array):
        discount_factor, lottery = economy.discount_factor(public.shocks), economy.lottery(savings)
        chain = economy.chain()
        return lambda value: discount_factor * expect(value, lottery, chain)

    ahead, still = ahead_of(economy, public, savings), ahead_of(*jax.lax.stop_gradient((economy, public, savings)))

    def solve(_, right: Array) -> Array:
        return solve_contraction(still, right, tolerance=1e-13)

    return jax.lax.custom_linear_solve(lambda value: value - ahead(value), flow, solve)


@eqx.filter_jit
def stationary_best(economy: Economy, public: Public, savings: Array, parts: int = 4) -> tuple[Array, Best]:
    """The value of constant `savings` at constant prices, and the best that a search finds from there.

    Policy improvement by search: values of savings exactly, then the best choice given these, until nothing improves.
    """
    chain = economy.chain()

    def value_of(savings: Array) -> Array:
        return value_of_constant(economy, public, savings, economy.reward(savings, public))

    def improve(state):
        now, _, count = state
        kept = now.savings if economy.several else savings  # pairs found between points are not tried by themselves
        better = best_choice(economy, public, chain.expect(now.value), kept, parts)
        value = value_of(better.savings)
        rise = jnp.max(value - now.value) / jnp.max(jnp.abs(value))
        return Best(value, better.savings), rise, count + 1

    def unfinished(state):
        return (state[1] > SETTLED) & (state[2] < ROUNDS)

    own = value_of(savings)
    start = (Best(own, savings), jnp.asarray(jnp.inf, own.dtype), jnp.asarray(0))
    return own, jax.lax.while_loop(unfinished, improve, start)[0]


@eqx.filter_jit
def stationary_loss(economy: Economy, public: Public, savings: Array, mass: Array) -> Array:
    """The loss from `savings` against the best by search, as a share of consumption, to first order."""
    own, best = stationary_best(economy, public, savings)
    one = jnp.ones((), economy.dtype)
    slope = jax.jvp(lambda factor: scaled_reward(economy, savings, public, factor), (one,), (one,))[1]
    return jnp.sum(mass * (best.value - own)) / jnp.sum(mass * value_of_constant(economy, public, savings, slope))


def scaled_reward(economy: Economy, savings: Array, public: Public, factor) -> Array:
    """Flow utility of choosing `savings`, with `factor` times the goods consumed at unchanged hours: (assets, income).

    The unit of welfare, in which a lifetime is compared with another. `Economy.reward` where the factor is one.
    """
    budget = economy.budget(public)
    return budget.scaled_flow(budget.unspent(economy.resources(public), savings), factor)


def scaled_flows(economy: Economy, factor: Array) -> Callable[[Array, Public], Array]:
    """Flow utility of savings with `factor` times the goods, and its derivative in the factor: (2, assets, income)."""

    def flows(savings: Array, public: Public) -> Array:
        flow, slope = jax.jvp(lambda f: scaled_reward(economy, savings, public, f), (factor,), (jnp.ones_like(factor),))
        return jnp.stack([flow, slope])

    return flows


def stationary_value(economy: Economy, public: Public, savings: Array, flow: Array | None = None) -> Array:
    """The value of constant savings at constant prices, V = flow + beta P V, to 1e-12: (..., assets, income).

    `flow` is by default the utility of the savings; several at once have leading axes.
    """
    flow = economy.reward(savings, public) if flow is None else flow
    one = functools.partial(value_of_constant, economy, public, savings)
    return jnp.vectorize(one, signature="(a,e)->(a,e)")(flow)
