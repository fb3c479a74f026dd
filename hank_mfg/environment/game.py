"""Mean-field games with common noise and public information: the interface of solvers, baselines and measures.

Timing inside period t: the common noise z_t and the masses m_t are given; all see the public signal, update
memory and act; an action moves an individual by a lottery over states; then z_{t+1} is drawn and individuals move
once more by an exogenous Markov kernel that may depend on (z_t, z_{t+1}). The reward of period t may depend on all
actions in it, through the aggregate state of period t + 1. After the last period there is no value unless
the game states one. Prices that clear inside the period are part of the noise z_t: what the game makes of them once
all have acted (`clear`) is what rewards, moves and the next period see.

    m_{t+1} = Kernel(z_t, z_{t+1})' Lottery(x_t)' m_t.

A game states the lottery of one individual (`land`), the kernel, the reward and the signal, for any array of
individuals. From these the library derives the exact move of the mass, its adjoint `expect`, and sampled individuals.
"""

import functools
from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.model.portable import portable


class Aggregate(NamedTuple):
    """The aggregate state at the start of a period.

    `masses` maps each population to its mass over individual states, (states,) summing to one; `noise` is the state of
    the common noise (any pytree of arrays), `time` the number of periods since the start.
    """

    masses: dict[str, Array]
    noise: Any
    time: Array


class Period(NamedTuple):
    """The environment of an individual in a period: the aggregate state today and tomorrow."""

    now: Aggregate
    following: Aggregate


class Landing(NamedTuple):
    """A lottery over individual states: `index` (..., outcomes) of states and their probabilities `weight`."""

    index: Array
    weight: Array


class Discrete(NamedTuple):
    """A finite set of actions, `values` in increasing order; `ordered` where neighbors are alike, as amounts are."""

    values: np.ndarray
    ordered: bool = False


class Interval(NamedTuple):
    """Any action strictly between two numbers."""

    lower: float
    upper: float


class Population(NamedTuple):
    """The individuals of one kind: the `shape` of their states (the kernel moves the last axis) and their `actions`."""

    shape: tuple[int, ...]
    actions: Discrete | Interval

    @property
    def size(self) -> int:
        """The number of individual states."""
        return int(np.prod(self.shape))


class Taken(NamedTuple):
    """The actions of a population: `actions` of individuals `own`, with which they broadcast, and `weight`, the
    share of the population that does so, the shape of actions, summing to one."""

    own: Any
    actions: Array
    weight: Array


@portable
class AbstractGame(eqx.Module):
    """A mean-field game with common noise, a finite horizon and public signals.

    Individual states are counted 0, 1, ... along the flattened shape of their population. `own`, an argument below, is
    what `place` makes of state numbers; it and `actions`, action values, belong to the same individuals and broadcast.
    Fields are the parameters, NumPy float64 until `precision.cast` gives them the dtype to compute in; every game can
    switch off its `common_noise` and its `idiosyncratic_noise`.
    """

    horizon: eqx.AbstractVar[int]
    discount_factor: eqx.AbstractVar[Any]

    @property
    def known_landing(self) -> bool:
        """Whether individuals know where an action takes them: `land` depends on what they see only."""
        return False

    @property
    def fixed_features(self) -> bool:
        """Whether `features` are the same in every aggregate state, so that they need not be kept for each."""
        return False

    @property
    @abstractmethod
    def populations(self) -> dict[str, Population]:
        """The populations by name."""

    @property
    def draws(self) -> int:
        """The number of uniform draws of the common noise per period: one by default."""
        return 1

    @abstractmethod
    def start(self, uniforms: Array) -> Aggregate:
        """The aggregate state of period 0, given uniform numbers (draws,) for the noise drawn there."""

    @abstractmethod
    def draw(self, aggregate: Aggregate, uniforms: Array) -> Any:
        """The common noise of next period, given uniform numbers (draws,) in [0, 1)."""

    @abstractmethod
    def signal(self, aggregate: Aggregate) -> Array:
        """The public signal, scaled to numbers of order one: (signals,)."""

    @property
    def signal_names(self) -> tuple[str, ...]:
        """A name for each public signal, for figures."""
        aggregate = jax.eval_shape(lambda: self.start(jnp.full(self.draws, 0.5)))
        return tuple(f"Signal {place + 1}" for place in range(jax.eval_shape(self.signal, aggregate).shape[0]))

    def place(self, population: str, states: Array) -> Any:
        """The description of states that `land` and `reward` read: the state numbers by default."""
        return states

    @abstractmethod
    def land(self, population: str, aggregate: Aggregate, own: Any, actions: Array) -> Landing:
        """The lottery over states to which an action leads, before the exogenous move."""

    @abstractmethod
    def kernel(self, population: str, aggregate: Aggregate, noise_next: Any) -> Array:
        """The exogenous Markov move of the last axis of the state: (last axis, last axis), rows today."""

    @abstractmethod
    def reward(self, population: str, aggregate: Aggregate, following: Aggregate, own: Any, actions: Array) -> Array:
        """The reward of the period; `following` is the aggregate state that all actions lead to."""

    @abstractmethod
    def features(self, population: str, aggregate: Aggregate) -> tuple[Array, ...]:
        """Smooth functions of the own state for policies to combine, one matrix per axis: (axis, functions) each."""

    @property
    def clears(self) -> bool:
        """Whether something of the period is determined by the actions in it: the game has `clear`."""
        return False

    def clear(self, aggregate: Aggregate, taken: dict[str, Taken]) -> Aggregate:
        """The aggregate state of the period once all have acted; masses and time stay as they are."""
        return aggregate

    def discount(self, population: str, aggregate: Aggregate, own: Any) -> Array:
        """The discount factor between this period and the next: `discount_factor`, or where it differs or moves one for
        each of the individuals `own`, in their shape."""
        return self.discount_factor

    def terminal(self, population: str, aggregate: Aggregate) -> Array | None:
        """The value (states,) of being at each state after the last period, given the aggregate state then; None for
        nothing."""
        return None

    def consumption_equivalent(self, gain: Array, value: Array) -> Array | None:
        """The permanent percent of consumption equivalent to `gain` for an agent with `value`; None without one."""
        return None


def read(values: Array, landing: Landing) -> Array:
    """The mean of `values` (states,) over lotteries (..., outcomes): (...)."""
    outcomes = range(landing.index.shape[-1])  # one gather each: a third faster than one for all
    parts = [landing.weight[..., k] * values.at[landing.index[..., k]].get(mode="promise_in_bounds") for k in outcomes]
    return functools.reduce(jnp.add, parts)


def settle(mass: Array, landing: Landing) -> Array:
    """Mass (states, options) moved to where its lotteries (states, options, outcomes) land: the adjoint of `read`."""
    moved = mass[..., None] * landing.weight
    return jnp.zeros(mass.shape[0], mass.dtype).at[landing.index].add(moved, mode="promise_in_bounds")


def ahead(game: AbstractGame, population: str, aggregate: Aggregate, noise_next: Any, values: Array) -> Array:
    """The expectation of next period's `values` (states,) over the exogenous move, by landing state: (states,)."""
    kernel = game.kernel(population, aggregate, noise_next)
    return (values.reshape(-1, kernel.shape[0]) @ kernel.T).reshape(-1)


def all_states(game: AbstractGame, population: str) -> Any:
    """`place` of all states, in a column to go with actions (states, options)."""
    return game.place(population, jnp.arange(game.populations[population].size, dtype=jnp.int32)[:, None])


class Choice(NamedTuple):
    """A mixed action at every state: `actions` (states, options) and their `probabilities`, rows summing to one."""

    actions: Array
    probabilities: Array


def expect(game: AbstractGame, population: str, period: Period, own: Any, actions: Array, values: Array) -> Array:
    """E[values(s') | s, a] of individuals `own` who take `actions`: the shape of actions."""
    landing = game.land(population, period.now, own, actions)
    return read(ahead(game, population, period.now, period.following.noise, values), landing)


def action_value(game: AbstractGame, name: str, period: Period, own: Any, actions: Array, values: Array) -> Array:
    """The reward of the period plus the discounted expectation of next period's `values` (states,): the shape of
    actions."""
    ahead_of_actions = expect(game, name, period, own, actions, values)
    discount = game.discount(name, period.now, own)
    return game.reward(name, period.now, period.following, own, actions) + discount * ahead_of_actions


def values_at_end(game: AbstractGame, population: str, aggregate: Aggregate, dtype) -> Array:
    """The value of every state (states,) after the last period, in which the aggregate state is `aggregate`."""
    terminal = game.terminal(population, aggregate)
    return jnp.zeros(game.populations[population].size, dtype) if terminal is None else terminal.astype(dtype)


def closed_reward(game: AbstractGame, name: str, period: Period, own: Any, actions: Array) -> Array:
    """The reward of the period and, in the last one, the discounted expectation of the value after it.

    For methods that add up sampled rewards: their sums are then lifetimes.
    """
    reward = game.reward(name, period.now, period.following, own, actions)
    terminal = game.terminal(name, period.following)
    if terminal is None:
        return reward
    rest = game.discount(name, period.now, own) * expect(game, name, period, own, actions, terminal)
    return reward + jnp.where(period.now.time == game.horizon - 1, rest, 0.0).astype(reward.dtype)


def own_discount(game: AbstractGame, name: str, aggregate: Aggregate, own: Any, actions: Array) -> Array | None:
    """The discount factors of individuals `own`, the shape of `actions`; None where all have that of the game."""
    discount = game.discount(name, aggregate, own)
    return None if jnp.ndim(discount) == 0 else jnp.broadcast_to(discount, actions.shape)


def next_period_draws(uniforms: Array) -> Array:
    """For every period the numbers that draw the noise of the next, out of `uniforms` (periods, draws) whose first row
    draws the start; the last are of a period after the end."""
    return jnp.concatenate([uniforms[1:], uniforms[:1]])


def population_actions(aggregate: Aggregate, owns: dict[str, Any], choices: dict[str, Choice]) -> dict[str, Taken]:
    """The actions when each population mixes them as in `choices`: `Taken` by population."""
    return {
        name: Taken(owns[name], choice.actions, aggregate.masses[name][:, None] * choice.probabilities)
        for name, choice in choices.items()
    }


def land_everybody(game: AbstractGame, population: str, aggregate: Aggregate, own: Any, choice: Choice) -> Array:
    """The mass (states,) before the exogenous move, which depends on the noise still to come."""
    landing = game.land(population, aggregate, own, choice.actions)
    return settle(aggregate.masses[population][:, None] * choice.probabilities, landing)


def arrive(game: AbstractGame, aggregate: Aggregate, settled: dict[str, Array], noise_next: Any) -> Aggregate:
    """The aggregate state of next period: the exogenous move, the adjoint of `ahead`."""
    masses = {}
    for name, mass in settled.items():
        kernel = game.kernel(name, aggregate, noise_next)
        masses[name] = (mass.reshape(-1, kernel.shape[0]) @ kernel).reshape(-1)
    return _as_before(Aggregate(masses, noise_next, aggregate.time + 1), aggregate)


def _as_before(following: Aggregate, aggregate: Aggregate) -> Aggregate:
    """The aggregate state in the dtypes of today's, which a path keeps: a game may mix precisions."""
    try:
        return jax.tree.map(lambda new, old: jnp.asarray(new).astype(jnp.asarray(old).dtype), following, aggregate)
    except ValueError as error:
        raise ValueError(
            "start() and draw() of the game return noise of different structure: give both the same tuple or dict of "
            "arrays."
        ) from error


def cosines(position: Array, count: int) -> Array:
    """1, cos(pi x), cos(2 pi x), ... of positions x (states,): (states, count), for `features`."""
    return jnp.cos(jnp.pi * position[:, None] * jnp.arange(count, dtype=position.dtype)[None])
