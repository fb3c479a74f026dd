"""A game and the strategies that all follow, for the one rollout of rollout.py; values along a path.

Along a path everything aggregate is a list of constants: `price_taking` says so once. What one individual expects from
an action is then exact, by backward induction:

    Q_t(s, a) = r_t(s, a) + beta E[ V_{t+1}(s') | s, a ],        V_t(s) = sum_a pi_t(a | s) Q_t(s, a),

with V beyond the last period zero, or what the game says of it. The gradient of the objective
sum_t beta^t <m_t, sum_a pi r> in the probabilities of one state is beta^t m_t(s) Q_t(s, a): the mass is the weight, and
needs no derivative of its own.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.game import (
    AbstractGame,
    Aggregate,
    Choice,
    Period,
    all_states,
    arrive,
    expect,
    land_everybody,
    next_period_draws,
    population_actions,
    values_at_end,
)
from hank_mfg.errors import SolveError
from hank_mfg.policy.networks import fit_whitening
from hank_mfg.policy.strategy import Strategy, look, start_of
from hank_mfg.solve.play.rollout import rollout

WARMUP_PATHS = 64  # on which signals are standardized, all playing as at the start


class GameState(NamedTuple):
    """The start of a period: the aggregate state and each population's memory of earlier signals."""

    aggregate: Aggregate
    memory: dict[str, Array]


class GameDecision(NamedTuple):
    """A period from signal to choice: `scores` and mixed `choices` of each population over its states."""

    state: GameState
    signal: Array
    memory: dict[str, Array]
    scores: dict[str, Array]
    choices: dict[str, Choice]


class GameStep(NamedTuple):
    """One period as it happened, prices of the period included, and the aggregate state that it led to."""

    now: GameDecision
    following: Aggregate


class GamePlay(NamedTuple):
    """A game and the strategy of each population; `own` is `all_states` of each, looked up once."""

    game: AbstractGame
    strategies: dict[str, Strategy]
    own: dict[str, Any]

    def decide(self, state: GameState) -> GameDecision:
        """Show the signal, update memory, choose."""
        signal = self.game.signal(state.aggregate)
        memory, scores, choices = {}, {}, {}
        for name, strategy in self.strategies.items():
            memory[name], features = strategy.remember(state.memory[name], signal)
            sight = look(self.game, name, state.aggregate, self.own[name])
            scores[name] = strategy.scores(features, sight)
            choices[name] = strategy.choose(scores[name], self.game.populations[name])
        return GameDecision(state, signal, memory, scores, choices)

    def act(self, now: GameDecision, uniforms: Array) -> GameStep:
        """Carry out a decision; `uniforms` (draws,) become the common noise of next period."""
        aggregate = now.state.aggregate
        if self.game.clears:
            aggregate = self.game.clear(aggregate, population_actions(aggregate, self.own, now.choices))
            now = now._replace(state=now.state._replace(aggregate=aggregate))
        settled = {
            name: land_everybody(self.game, name, aggregate, self.own[name], choice)
            for name, choice in now.choices.items()
        }
        return GameStep(now, arrive(self.game, aggregate, settled, self.game.draw(aggregate, uniforms)))

    def follow(self, step: GameStep, uniforms: Array) -> GameState:
        """The start of next period."""
        return GameState(step.following, step.now.memory)

    def path(self, uniforms: Array) -> GameStep:
        """A whole play, time as the leading axis; `uniforms` (horizon, draws): the first row draws the start."""
        state = GameState(*start_of(self.game, uniforms[0], self.strategies))
        rest = next_period_draws(uniforms)
        return rollout(self, state, rest, lambda step: step)[1]


def game_play(game: AbstractGame, strategies: dict[str, Strategy]) -> GamePlay:
    """All individuals follow `strategies`."""
    return GamePlay(game, strategies, {name: all_states(game, name) for name in game.populations})


def draw_uniforms(key, paths: int, periods: int, draws: int, dtype) -> Array:
    """Uniform numbers (paths, periods, draws) for a batch of paths: stratified starts, antithetic continuations.

    Paths come in pairs. Period 0 takes one number from each of `paths`/2 equal intervals, the same for both paths of a
    pair; later periods take u in one path and 1 - u in the other. Every path alone is an ordinary draw; means over the
    batch have less noise. Fewer than four paths are not paired at the start.
    """
    start_key, order_key, rest_key = jax.random.split(key, 3)
    pairs = (paths + 1) // 2
    strata = pairs if paths >= 4 else paths
    order = jax.vmap(lambda key: jax.random.permutation(key, strata), out_axes=1)(jax.random.split(order_key, draws))
    first = (order + jax.random.uniform(start_key, (strata, draws), dtype)) / strata
    first = (jnp.concatenate([first, first]) if paths >= 4 else first)[:paths, None]
    rest = jax.random.uniform(rest_key, (pairs, periods - 1, draws), dtype)
    both = jnp.concatenate([rest, 1.0 - rest - jnp.finfo(dtype).epsneg])[:paths]
    below = 1.0 - jnp.finfo(dtype).epsneg
    return jnp.clip(jnp.concatenate([first, both], axis=1), 0.0, below).astype(dtype)


def price_taking(steps: GameStep) -> Period:
    """No individual moves what is aggregate, so no gradient passes through it."""
    return jax.tree.map(jax.lax.stop_gradient, Period(steps.now.state.aggregate, steps.following))


def action_values(game: AbstractGame, name: str, path: Period, choices: Choice, bonus: float | Array = 0.0):
    """Q and V along a path: (time, states, options), (time, states).

    `choices` (time, states, options) are the options at every state and how they are mixed; `bonus` weights the entropy
    of the mixture in the reward.
    """
    probabilities = choices.probabilities
    entropy = -jnp.sum(jax.scipy.special.xlogy(probabilities, probabilities), axis=2)

    def value_of(values, inputs):
        probabilities, entropy = inputs
        return jnp.sum(probabilities * values, axis=1) + bonus * entropy

    return _backward(game, name, path, choices.actions, value_of, (probabilities, entropy))


def best_values(game: AbstractGame, name: str, path: Period, actions: Array) -> Array:
    """The value of the clairvoyant best response along a path, over the same `actions` (actions,) at every state.

    Backward induction knowing the whole path: (time, states).
    """
    shape = (game.horizon, game.populations[name].size, actions.shape[0])
    return _backward(
        game, name, path, jnp.broadcast_to(actions[None, None], shape), lambda q, _: jnp.max(q, axis=1), None
    )[1]


def _backward(game: AbstractGame, name: str, path: Period, actions: Array, value_of, inputs) -> tuple[Array, Array]:
    """Backward induction: Q of `actions` (time, states, options) and V = value_of(Q, inputs of the period).

    Rewards are worked out for all periods at once, outside the scan.
    """
    own = all_states(game, name)
    rewards = jax.vmap(lambda period, actions: game.reward(name, period.now, period.following, own, actions))(
        path, actions
    )

    def back(value_next, now):
        period, reward, actions, inputs = now
        discount = game.discount(name, period.now, own)
        values = reward + discount * expect(game, name, period, own, actions, value_next)
        value = value_of(values, inputs)
        return value, (values, value)

    end = values_at_end(game, name, jax.tree.map(lambda leaf: leaf[-1], path.following), rewards.dtype)
    return jax.lax.scan(back, end, (path, rewards, actions, inputs), reverse=True)[1]


def standardize(game: AbstractGame, strategies: dict[str, Strategy], *, seed: int) -> dict[str, Strategy]:
    """The same strategies with signals standardized on paths on which all follow them."""
    dtype = jax.tree.leaves(eqx.filter(strategies, eqx.is_inexact_array))[0].dtype
    uniforms = draw_uniforms(jax.random.key(seed), WARMUP_PATHS, game.horizon, game.draws, dtype)
    signals = eqx.filter_jit(jax.vmap(lambda u: game_play(game, strategies).path(u).now.signal))(uniforms)
    if not np.isfinite(np.asarray(signals)).all():
        raise SolveError(
            "Before the first update: signals are NaN or infinite while all actions are equally likely; in a game made "
            "of an economy, prices must be defined when households hold the lowest assets: raise the borrowing limit "
            "to zero."
        )
    whitening = fit_whitening(np.asarray(signals).reshape(-1, signals.shape[-1]))
    return {name: eqx.tree_at(lambda s: s.whitening, strategy, whitening) for name, strategy in strategies.items()}
