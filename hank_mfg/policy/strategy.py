"""The policy of a population in a game: public history and own state -> a mixed action.

Scores of every individual state at once: a small network turns the features of the public history into coefficients of
the smooth functions that the game states of the own state; their products are the scores. What scores mean depends on
their number:

- one per action of a discrete set:  probabilities = softmax(scores). Where individuals know where an action takes them,
  the smooth functions are combined into values of states, and the score of an action is the value of the state that it
  leads to plus a constant of the action;
- a single one x, for an interval or an ordered set of actions:  sigmoid(x) is the position between the lowest and the
  highest action; among ordered actions it is divided between its two neighbors, the nearer one taking almost all of it.
"""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.game import AbstractGame, Aggregate, Choice, Discrete, Landing, Population, all_states, read
from hank_mfg.policy.encoders import AbstractEncoder
from hank_mfg.policy.networks import Head, NetworkSettings, Whitening, make_networks, no_whitening
from hank_mfg.precision import in_jax

SHARPNESS = 10.0  # of the division between two neighboring actions: 1 is proportional, infinity the nearer one alone
REACH = 0.02  # of the actions tried around a choice from an interval, as a share of its length


class Sight(NamedTuple):
    """The game's smooth `functions` of the own state, and the `landing` of every action where individuals know it."""

    functions: tuple[Array, ...]
    landing: Landing | None


class Strategy(eqx.Module):
    """Encoder and head of one population; see the module's formulas."""

    encoder: AbstractEncoder
    head: Head
    whitening: Whitening
    outputs: int = eqx.field(static=True)

    def initial_memory(self) -> Array:
        """The memory before the first signal."""
        return self.encoder.initial().astype(self.whitening.mean.dtype)

    def remember(self, memory: Array, signal: Array) -> tuple[Array, Array]:
        """Take in one public signal; return the new memory and the features."""
        return self.encoder.remember(memory, self.whitening(signal))

    def scores(self, features: Array, sight: Sight) -> Array:
        """Scores (states, outputs): the game's functions of the own state, combined with the head's coefficients."""
        raw = self.head(features)
        if sight.landing is None:
            return _combine(sight.functions, raw).reshape(-1, self.outputs)
        shape = tuple(matrix.shape[1] for matrix in sight.functions)
        values = _combine(sight.functions, raw[: -self.outputs].reshape(*shape, 1)).reshape(-1)
        return read(values, sight.landing) + raw[None, -self.outputs :]

    def choose(self, scores: Array, population: Population) -> Choice:
        """The mixed action that scores (states, outputs) stand for."""
        actions = population.actions
        if isinstance(actions, Discrete):
            values = action_values_of(actions, scores.dtype)
            if self.outputs > 1:
                return Choice(jnp.broadcast_to(values[None], scores.shape), jax.nn.softmax(scores, axis=-1))
            low, upper = neighbors(scores, actions)
            probabilities = jnp.concatenate([1.0 - upper, upper], axis=1)
            return Choice(jnp.concatenate([values[low], values[low + 1]], axis=1), probabilities)
        first, length = extent(population)
        return Choice(first + length * jax.nn.sigmoid(scores), jnp.ones_like(scores))


def _combine(functions: tuple[Array, ...], values: Array) -> Array:
    """Coefficients (functions of each axis, outputs) -> values (states of each axis, outputs)."""
    for matrix in functions:  # each turns the leading axis of functions into one of states, moved to the back
        values = jnp.moveaxis(jnp.tensordot(matrix, values, axes=(1, 0)), 0, len(functions) - 1)
    return values


def look(game: AbstractGame, name: str, aggregate: Aggregate, own: Any) -> Sight:
    """The inputs of a population's strategy at individual states in a period; `own` is `all_states`."""
    population = game.populations[name]
    actions = population.actions
    landing = None
    if isinstance(actions, Discrete) and game.known_landing and not actions.ordered:
        values = action_values_of(actions, jax.tree.leaves(aggregate.masses)[0].dtype)
        landing = game.land(
            name, aggregate, own, jnp.broadcast_to(values[None], (population.size, len(actions.values)))
        )
    return Sight(game.features(name, aggregate), landing)


def action_values_of(actions: Discrete, dtype) -> Array:
    """The values of a discrete set: (actions,)."""
    return in_jax(np.asarray(actions.values, dtype))


def extent(population: Population) -> tuple[float, float]:
    """The lowest action and the distance to the highest."""
    actions = population.actions
    if isinstance(actions, Discrete):
        return float(actions.values[0]), float(actions.values[-1] - actions.values[0])
    return actions.lower, actions.upper - actions.lower


def neighbors(scores: Array, actions: Discrete) -> tuple[Array, Array]:
    """The lower of the two ordered actions around each score (states, 1), and the probability of the upper one."""
    place = (len(actions.values) - 1) * jax.nn.sigmoid(scores)
    low = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, len(actions.values) - 2)
    return low, jnp.clip(SHARPNESS * (place - low - 0.5) + 0.5, 0.0, 1.0)


def neighborhood(scores: Array, population: Population) -> Choice:
    """Three actions around the choice of scores (states, 1), with the probabilities that the choice gives them.

    Among ordered actions the nearest one inside the ends and its two neighbors; in an interval a step to either side.
    Shapes (states, 3).
    """
    actions = population.actions
    if isinstance(actions, Discrete):
        low, upper = neighbors(scores, actions)
        middle = jnp.clip(jnp.where(upper > 0.5, low + 1, low), 1, len(actions.values) - 2)
        three = middle + jnp.arange(-1, 2)[None]
        probabilities = jnp.where(three == low, 1.0 - upper, 0.0) + jnp.where(three == low + 1, upper, 0.0)
        return Choice(action_values_of(actions, scores.dtype)[three], probabilities)
    first, length = extent(population)
    step = REACH * length
    middle = jnp.clip(first + length * jax.nn.sigmoid(scores), first + 1.5 * step, first + length - 1.5 * step)
    probabilities = jnp.broadcast_to(jnp.asarray([[0.0, 1.0, 0.0]], scores.dtype), (scores.shape[0], 3))
    return Choice(middle + step * jnp.arange(-1.0, 2.0, dtype=scores.dtype)[None], probabilities)


def make_strategies(game: AbstractGame, settings: dict, *, seed: int, categorical: bool = False) -> dict[str, Strategy]:
    """One strategy for each population, uniform over actions or in their middle: scores are zero at the start.

    `settings` are the fields of `NetworkSettings` but for `signals` and `span`, the horizon. With `categorical` ordered
    actions have a score each, like unordered ones. The game's arrays decide the dtype.
    """
    aggregate = jax.eval_shape(lambda: game.start(jnp.full(game.draws, 0.5)))
    dtype = jax.tree.leaves(aggregate.masses)[0].dtype
    signals = jax.eval_shape(game.signal, aggregate).shape[0]
    strategies = {}
    for place, (name, population) in enumerate(game.populations.items()):
        sight = jax.eval_shape(lambda a, name=name: look(game, name, a, all_states(game, name)), aggregate)
        actions = population.actions
        outputs = 1
        if isinstance(actions, Discrete) and (categorical or not actions.ordered):
            outputs = len(actions.values)
        functions = tuple(matrix.shape[1] for matrix in sight.functions)
        shape = (*functions, outputs) if sight.landing is None else (math.prod(functions) + outputs,)
        sizes = NetworkSettings(signals, **settings, span=game.horizon)
        encoder, head = make_networks(sizes, shape, dtype, seed=seed + 1000 * place)
        strategies[name] = Strategy(encoder, head, no_whitening(signals, dtype), outputs)
    return strategies


def start_of(
    game: AbstractGame, uniforms: Array, strategies: dict[str, Strategy]
) -> tuple[Aggregate, dict[str, Array]]:
    """The aggregate state of period 0 and the memory of each population before it."""
    return game.start(uniforms), {name: strategy.initial_memory() for name, strategy in strategies.items()}
