"""Individuals followed through an economy: given ones, or ones that are drawn.

An individual has assets and an own state; it follows the policy of the economy, or consumes in every period what the
Euler equation implies given its savings (see euler_errors.py), which is the second half of Den Haan's dynamic test.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.externality import externality
from hank_mfg.evaluate.given import Path, integers
from hank_mfg.solve.play.rollout import Decision, State, Step
from hank_mfg.solve.stationary.household import asset_return
from hank_mfg.wording import readable


class Individuals(NamedTuple):
    """Individuals to follow: `assets` (individuals,) at the start of the first period and the places of their own
    states, `own` (periods, individuals)."""

    assets: Array
    own: Array


@readable
class Followed(NamedTuple):
    """Paths of individuals, (periods, individuals) each: `own` the place of their own state, `assets` at the start of
    the period, `consumption` and `savings` by the policy; `assets_euler`, `consumption_euler` of twins who consume what
    the Euler equation implies, their errors accumulating in assets; `shock` (periods,) the aggregate state. Goods per
    period."""

    shock: np.ndarray
    own: np.ndarray
    assets: np.ndarray
    consumption: np.ndarray
    savings: np.ndarray
    assets_euler: np.ndarray
    consumption_euler: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """Dynamic Euler errors |c_euler / c - 1|, decimals, (periods, individuals)."""
        return np.abs(self.consumption_euler / self.consumption - 1.0)


def individuals_of(economy: Economy, path: Path, start: State, own, assets, *, count: int, key: Array) -> Individuals:
    """The individuals that are given, or `count` drawn ones; `start` is the state of the first period recorded.

    `own` (periods,) or (periods, individuals) holds places of own states, `assets` a number or (individuals,), mean
    assets by default. Of those drawn the first begins with mean assets in the most frequent own state, the others with
    a draw from the mass; own states then follow their chain, given the aggregate one. Raises ValueError for what does
    not fit.
    """
    mass, points = np.asarray(start.aggregate.mass, np.float64), np.asarray(economy.grid.points)
    shocks = np.append(int(start.aggregate.shock), np.asarray(path.shocks_next[path.burn :]))
    mean = min(max(float(mass.sum(axis=1) @ points), points[0]), points[-1])
    if own is None:
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"individuals = {count!r}: give how many to follow, at least 1.")
        uniforms = np.asarray(jax.random.uniform(key, (path.periods, count), jnp.float64))
        first, begin = _drawn(mass, points, mean, uniforms[0])
        places = np.asarray(_own_paths(economy, jnp.asarray(shocks), jnp.asarray(first), jnp.asarray(uniforms)))
    else:
        places = _given_own(economy, shocks, path.periods, own)
        begin = np.full(places.shape[1], mean)
    if assets is not None:
        begin = np.asarray(assets, np.float64)
        if begin.ndim > 1 or (begin.ndim == 1 and len(begin) != places.shape[1]):
            raise ValueError(
                f"initial_assets has shape {begin.shape}: give a number, or one for each of {places.shape[1]} "
                "individuals."
            )
        if not np.all((begin >= points[0]) & (begin <= points[-1])):
            raise ValueError(
                f"initial_assets = {begin.tolist()} must lie between {points[0]:g} and {points[-1]:g}, as in the "
                "economy."
            )
        begin = np.broadcast_to(begin, places.shape[1:])
    return Individuals(jnp.asarray(begin), jnp.asarray(places))


def _drawn(mass: np.ndarray, points: np.ndarray, mean: float, uniforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Own states and assets of the first period, (individuals,) each."""
    below = np.cumsum(mass.reshape(-1))
    flat = np.searchsorted(below, uniforms * below[-1], side="right")
    place, own = np.unravel_index(np.minimum(flat, mass.size - 1), mass.shape)
    assets, own = points[place], np.array(own)
    own[0], assets[0] = int(np.argmax(mass.sum(axis=0))), mean
    return own.astype(np.int32), assets


@eqx.filter_jit
def _own_paths(economy: Economy, shocks: Array, first: Array, uniforms: Array) -> Array:
    """Own states (periods, individuals), from those of the first period and aggregate ones (periods + 1,)."""

    def move(own, given):
        shock, shock_next, uniform = given
        steps = jnp.cumsum(economy.chain(shock, shock_next).population()[own], axis=1)[:, :-1]
        return jnp.sum(uniform[:, None] >= steps, axis=1).astype(jnp.int32), own

    later = jnp.roll(uniforms, -1, axis=0)  # the first ones chose the first states
    return jax.lax.scan(move, first, (shocks[:-1], shocks[1:], later))[1]


def _given_own(economy: Economy, shocks: np.ndarray, periods: int, own: Any) -> np.ndarray:
    """Given own states as (periods, individuals)."""
    places = integers("own", own, economy.shape[1], "the own states")
    if places.ndim not in (1, 2) or len(places) != periods:
        raise ValueError(
            f"own has shape {places.shape}: give an own state for each of the {periods} periods, (periods,) or "
            "(periods, individuals)."
        )
    places = places.reshape(periods, -1)
    every = range(economy.shock_count)
    chain = np.asarray([[economy.chain(one, other).population() for other in every] for one in every])
    moves = chain[shocks[:-2, None], shocks[1:-1, None], places[:-1], places[1:]]
    if not np.all(moves > 0):
        period, person = (int(i) for i in np.argwhere(moves <= 0)[0])
        raise ValueError(
            f"own moves from {places[period, person]} to {places[period + 1, person]} in period {period + 1} while the "
            f"aggregate state moves from {shocks[period]} to {shocks[period + 1]}, which has probability zero in the "
            "declared chain: check the order of own states and that both paths belong together."
        )
    return places


def at(economy: Economy, values: Array, assets: Array, own: Array) -> Array:
    """Values on (assets, income) nodes read at `assets` and places `own`, which broadcast, linearly."""
    index = economy.grid.bracket(assets)
    low, high = economy.grid.points[index], economy.grid.points[index + 1]
    below, above = values[index, own], values[index + 1, own]
    return below + (assets - low) / (high - low) * (above - below)


def choose_at(economy: Economy, now: Decision, assets: Array, own: Array | None = None) -> tuple[Array, Array, Array]:
    """Cash on hand, the composite (consumption, less effort under GHH) and savings at any assets, given a period's
    decisions on nodes: of individuals (n,) in places `own`, or at assets (n, income) where that is left out."""
    places = jnp.arange(economy.shape[1], dtype=jnp.int32) if own is None else own
    cash, unconstrained_consumption = (
        at(economy, now.cash, assets, places),
        at(economy, now.unconstrained_consumption, assets, places),
    )
    budget = economy.budget(now.public)
    budget = budget if own is None else budget.of(own)
    ends = (economy.lowest, economy.highest) if own is None else economy.ends_of(own)
    savings = jnp.clip(budget.savings_of(cash, unconstrained_consumption), *ends)
    return cash, budget.consumption_of(cash, savings), savings


def implied_consumption(economy: Economy, step: Step, ahead: Decision, savings: Array, own: Array) -> Array:
    """The composite (consumption, less effort under GHH) that the Euler equation implies for next assets `savings` of
    individuals in `own`, (n,), or the planner's condition where a planner chooses for all."""
    shock, utility = step.now.state.aggregate.shock, economy.model.preferences()

    def branch(shock_next, following: Decision):
        places, probabilities = (each[own] for each in economy.chain(shock, shock_next).branches())
        flat, there = jnp.repeat(savings, places.shape[1]), places.reshape(-1)
        _, consumption, _ = choose_at(economy, following, flat, there)
        gross = at(economy, asset_return(economy, following.public), flat, there)
        marginal = gross * utility.marginal_utility(consumption)
        if economy.planned:
            effect = externality(economy, following.public, following.state.aggregate.mass, following.savings)
            marginal += at(economy, effect, flat, there)
        marginal = marginal.reshape(places.shape)
        return economy.shock_transition[shock, shock_next] * jnp.sum(marginal * probabilities, axis=1)

    each = jax.vmap(branch)(jnp.arange(economy.shock_count, dtype=jnp.int32), ahead)
    discount = economy.discount_factor(step.now.public.shocks)[0, own]
    value = economy.budget(step.now.public).bought(discount * each.sum(axis=0))
    return utility.inverse_marginal_utility(value)


def next_period(economy: Economy, assets: tuple[Array, Array], period: tuple[Step, Decision, Array]):
    """One period of individuals and their twins, assets (n,) each: those of next period, and the record."""
    step, ahead, own = period
    count, both = len(own), jnp.tile(own, 2)
    cash, consumption, savings = choose_at(economy, step.now, jnp.concatenate(assets), both)
    implied = implied_consumption(economy, step, ahead, savings[count:], own)
    budget = economy.budget(step.now.public).of(own)
    implied = jnp.minimum(implied, budget.consumption_of(cash[count:], economy.ends_of(own)[0]))
    goods, due = budget.goods(consumption[:count]), budget.goods(implied)
    held = assets
    if economy.life is not None:  # a newborn holds what it starts with
        age = jnp.asarray(economy.own["age"][own] - economy.own["age"][0], jnp.int32)
        held = tuple(economy.life.held(each, age, economy.grid) for each in assets)
    recorded = (*held, goods, savings[:count], due)
    return (savings[:count], budget.savings_of(cash[count:], implied)), recorded
