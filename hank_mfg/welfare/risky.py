"""Lifetime utility with aggregate risk, under two policies on the same paths of shocks.

Households of some states of the ergodic set of the first solution live on, under it or under the second, which begins
at the same distribution, shock and state variables. V(a, e) of a starting state is a mean over paths of shocks, common
to both; after `horizon` periods follows the stationary value of each.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.environment.economy import Economy
from hank_mfg.evaluate.stationary_savings import savings_on
from hank_mfg.solve.play.lifetime import Frozen, freeze, path_value
from hank_mfg.solve.play.rollout import Play, State
from hank_mfg.solve.solution import Solution
from hank_mfg.solve.stationary.best_savings import scaled_flows, stationary_value
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.welfare.values import Values, composite, flows


class Lived(NamedTuple):
    """Lifetime utility from every starting state: `values` (starts, assets, income), with the mean x and the weight of
    utility of every period, (starts, paths, time); and the `mass` (starts, assets, income)."""

    values: Values
    mass: np.ndarray


class Setting(NamedTuple):
    """Where paths start and which shocks they meet: `starts` states, `paths` of `horizon` periods from each, `seed`."""

    starts: int
    paths: int
    horizon: int
    seed: int


def lived(before: Solution, after: Solution, points: Any, setting: Setting) -> tuple[Lived, Lived]:
    """Lifetime utility under both solutions, from states of the ergodic set of the first and on common shocks."""
    play, other = (each.play(points) for each in (before, after))
    states = [before.start(play, start) for start in range(setting.starts)]
    begun = [_placed(after.start(other, start), state) for start, state in enumerate(states)]
    shocks = _shocks(play.economy, states, setting)
    return _lived(play, before.steady, states, shocks), _lived(other, after.steady, begun, shocks)


def scaled(solution: Solution, points: Any, setting: Setting) -> Callable[[np.ndarray], np.ndarray]:
    """Lifetime utility with so many times the goods, and its derivative, (factors, 2, starts, assets, income)."""
    play = solution.play(points)
    states = [solution.start(play, start) for start in range(setting.starts)]
    shocks, economy = _shocks(play.economy, states, setting), solution.steady.economy.on(play.economy.grid)
    savings = savings_on(solution.steady, economy)

    def at(factor: float) -> np.ndarray:
        end = stationary_value(economy, solution.steady.public, savings,
                               scaled_flows(economy, jnp.asarray(factor))(savings, solution.steady.public))  # fmt: skip
        return np.stack(
            [
                _scaled(play, state, drawn, end, jnp.asarray(factor))
                for state, drawn in zip(states, shocks, strict=True)
            ],
            1,
        )

    return lambda factors: np.stack([at(float(factor)) for factor in factors])


def _placed(state: State, at: State) -> State:
    """A state with the distribution, the shock and the state variables of another one, with memory of its own."""
    return state._replace(aggregate=at.aggregate)


def _shocks(economy: Economy, states: list[State], setting: Setting) -> list[Array]:
    keys = jax.random.split(jax.random.PRNGKey(setting.seed), (setting.starts, setting.paths))
    draw = jax.vmap(lambda shock, key: economy.draw_shocks(shock, setting.horizon, key=key), in_axes=(None, 0))
    return [draw(state.aggregate.shock, key) for state, key in zip(states, keys, strict=True)]


def _lived(play: Play, steady: SteadyState, states: list[State], shocks: list[Array]) -> Lived:
    economy = steady.economy.on(play.economy.grid)
    savings = savings_on(steady, economy)
    end = stationary_value(economy, steady.public, savings, flows(economy, steady.public, savings))
    found = [_on_paths(play, state, drawn, end) for state, drawn in zip(states, shocks, strict=True)]
    values, means, weights = (np.stack([np.asarray(each[k]) for each in found]) for k in range(3))
    mass = np.stack([np.asarray(state.aggregate.mass) for state in states])
    total, part, units = np.moveaxis(values, 1, 0)
    rest = np.sum(mass * units, axis=(1, 2))[:, None] - weights.sum(axis=2)
    stationary = np.full((*rest.shape, 1), float(np.sum(steady.mass * steady.composite)))
    means, weights = np.concatenate([means, stationary], axis=2), np.concatenate([weights, rest[..., None]], axis=2)
    return Lived(Values(total, part, units, (means, weights), economy.life is None), mass)


@quick_jit
def _on_paths(play: Play, state: State, shocks: Array, end: Array) -> tuple[Array, Array, Array]:
    """Mean values over paths, (3, assets, income), and the mean x and the weight of every period, (paths, time)."""
    economy, mass = play.economy, state.aggregate.mass

    def one(drawn):
        path = freeze(play, state, drawn, False)[1]
        values = path_value(economy, path, path.now.savings, end, lambda savings, now: flows(economy, now, savings))
        return values, _means(economy, path), _weights(economy, path, jnp.sum(mass, axis=0))

    values, means, weights = jax.lax.map(one, shocks)
    return jnp.mean(values, axis=0), means, weights


def _means(economy: Economy, path: Frozen) -> Array:
    """The mean x of every period, (time,)."""
    return jax.vmap(lambda now: jnp.sum(now.state.aggregate.mass * composite(economy, now.public, now.savings)))(
        path.now
    )


def _weights(economy: Economy, path: Frozen, share: Array) -> Array:
    """The weight of utility of every period, (time,): the mean product of discount factors up to it."""

    def weigh(weight, period):
        now, shock_next = period
        chain = economy.chain(now.state.aggregate.shock, shock_next)
        return (weight * economy.discount_factor(now.public.shocks)[0]) @ chain.household(), jnp.sum(weight)

    return jax.lax.scan(weigh, share, (path.now, path.shock_next))[1]


@quick_jit
def _scaled(play: Play, state: State, shocks: Array, end: Array, factor: Array) -> Array:
    """Values with so many times the goods and their derivatives, means over paths: (2, assets, income)."""

    def one(drawn):
        path = freeze(play, state, drawn, False)[1]
        return path_value(play.economy, path, path.now.savings, end, scaled_flows(play.economy, factor))

    return jnp.mean(jax.lax.map(one, shocks), axis=0)
