"""Structural policy gradient for games, with memory (RSPG) or without (SPG).

Only the common noise is sampled. Along each path everybody's action values Q_t(s, a) are exact (game_play.py), and the
gradient of the objective in what is done at one state is the mass times Q. It is used in natural units:

- discrete actions: scores move toward Q / temperature, the gradient of the objective plus temperature times entropy in
  the metric of the probabilities (mirror descent). Softmax policies saturate and their plain gradient dies; this one
  does not. The temperature falls quadratically to `final_temperature` at 80 % of training;
- ordered actions and intervals: the choice moves to the vertex of the parabola through Q at three neighboring actions,
  a Newton step, bounded.

The network then takes `passes` Adam steps of weighted least squares toward the moved scores. Paths that look the same
to somebody who sees public signals only give the same network inputs, so that least squares takes the conditional mean.
Several populations learn at the same time, each taking the others as given.

Source: Wibault et al. (2026), arXiv 2602.20141; natural units as in DECISIONS.md.
"""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from hank_mfg.environment.game import AbstractGame, Discrete, Population
from hank_mfg.policy.strategy import Strategy, extent, neighborhood
from hank_mfg.precision import DTYPES
from hank_mfg.solve.game_play import GamePlay, action_values, draw_uniforms, game_play, price_taking

FLOOR = 15.0  # an action with log odds below minus this is never taken, and may rest
ODDS = 0.02  # added to the odds of an action in its weight, so that untried actions are learned too


@dataclasses.dataclass(frozen=True)
class GameRSPG:
    """Settings of recurrent structural policy gradient for games.

    `paths` sampled paths per update, `updates` in all, each with `passes` steps of the network; `learning_rate` falls
    as a cosine to `final_rate` times itself, `clip_norm` bounds the gradient. `step` in (0, 1] is how far scores move
    toward their target in one update and `max_move` bounds a move, in units of the score. `temperature` weights
    entropy in the reward, in units of the reward, at the start, and `final_temperature` from 80 % of training on
    (unordered actions). `spread` is the weight of states outside the current mass. `memory` ("gru", "lstm",
    "attention", "none"), `units` and `width` shape the networks; `precision` is that of training.
    """

    paths: int = 8
    updates: int = 500
    passes: int = 4
    learning_rate: float = 3e-3
    final_rate: float = 0.01
    clip_norm: float = 1.0
    step: float = 0.2
    temperature: float = 5.0
    final_temperature: float = 0.05
    max_move: float = 0.5
    spread: float = 0.02
    memory: str = "gru"
    units: int = 32
    width: int = 64
    precision: str = "float32"

    def networks(self) -> dict[str, Any]:
        """The sizes of the networks."""
        return {name: getattr(self, name) for name in ("memory", "units", "width")}


class GameTraining(NamedTuple):
    """Everything that training carries from one update to the next."""

    strategies: dict[str, Strategy]
    optimizer: optax.OptState
    done: Array
    key: Array


class GameLesson(NamedTuple):
    """What one population should learn from one path: where its scores should be, (time, states, outputs), and how much
    it matters; the own-state functions of each period go with them."""

    target: Array
    weight: Array
    functions: tuple[Array, ...]


def trainable(strategies: dict[str, Strategy]):
    """True at the leaves that gradient steps move: encoders and heads."""
    yes = lambda part: jax.tree.map(eqx.is_inexact_array, part)  # noqa: E731

    def one(strategy: Strategy):
        none = jax.tree.map(lambda _: False, strategy)
        return eqx.tree_at(lambda s: (s.encoder, s.head), none, (yes(strategy.encoder), yes(strategy.head)))

    return {name: one(strategy) for name, strategy in strategies.items()}


def make_optimizer(settings: GameRSPG) -> optax.GradientTransformation:
    """Adam with gradient clipping and a cosine schedule."""
    steps = settings.updates * settings.passes
    schedule = optax.cosine_decay_schedule(settings.learning_rate, steps, settings.final_rate)
    return optax.chain(optax.clip_by_global_norm(settings.clip_norm), optax.adam(schedule, b2=0.99))


def temperature(settings: GameRSPG, done: Array) -> Array:
    """The weight of entropy after `done` updates."""
    left = jnp.clip(1.0 - done / (0.8 * settings.updates), 0.0, 1.0)
    return settings.final_temperature + (settings.temperature - settings.final_temperature) * left**2


def softened(scores: Array, values: Array, heat: Array, limit: float) -> tuple[Array, Array]:
    """Scores (..., actions) moved along the natural gradient of Q + heat * entropy, and their weight.

    A full step makes the policy softmax(Q / heat). Moves beyond `limit` are cut and their weight raised, so that weight
    times move, and its mean over paths, is what it was. An action that is never taken and is bad rests.
    """
    log_odds = jax.nn.log_softmax(scores)
    odds = jnp.exp(log_odds)
    soft = values - heat * log_odds
    move = (soft - jnp.sum(odds * soft, axis=-1, keepdims=True)) / heat
    rests = (log_odds < -FLOOR) & (move < 0)
    excess = jnp.maximum(jnp.abs(move) / limit, 1.0)
    return scores + jnp.where(rests, 0.0, move / excess), jnp.where(rests, 0.0, (odds + ODDS) * excess)


def climbed(scores: Array, values: Array, tried: Array, population: Population, limit: float) -> tuple[Array, Array]:
    """Scores (..., 1) moved up the parabola through `values` at the three actions `tried` (..., 3), and their weight.

    The move is slope / weight with the weight minus the curvature, or more where the move would exceed `limit`: weight
    times move is always the slope, so that the mean over paths of weighted moves is the mean slope, the gradient.
    """
    first, length = extent(population)
    gap = tried[..., 1:2] - tried[..., 0:1]
    bend = (values[..., 2:3] - 2.0 * values[..., 1:2] + values[..., 0:1]) / gap**2
    share = jax.nn.sigmoid(scores)
    away = first + length * share - tried[..., 1:2]
    per_score = length * share * (1.0 - share)
    slope = ((values[..., 2:3] - values[..., 0:1]) / (2.0 * gap) + bend * away) * per_score
    weight = jnp.maximum(-bend * per_score**2, jnp.abs(slope) / limit)
    end = resting_share(population)
    rests = ((share > 1.0 - end) & (slope > 0)) | ((share < end) & (slope < 0))
    target = scores + slope / jnp.maximum(weight, jnp.finfo(scores.dtype).tiny)
    return jnp.where(rests, scores, target), jnp.where(rests, 0.0, weight)


def resting_share(population: Population) -> float:
    """How near the end of the actions, as a share of their extent, a choice need go no further toward it."""
    actions = population.actions
    return 0.25 / (len(actions.values) - 1) if isinstance(actions, Discrete) else 1e-3


def teach(play: GamePlay, uniforms: Array, settings: GameRSPG, heat: Array):
    """Roll out one path and work out where every population's scores should be.

    Returns the signals (time, signals), a lesson and the value of following for each population.
    """
    steps = play.path(uniforms)
    frozen = price_taking(steps)
    lessons, objective = {}, {}
    for name, population in play.game.populations.items():
        scores = steps.now.scores[name]
        if play.strategies[name].outputs > 1:
            values, value = action_values(play.game, name, frozen, steps.now.choices[name], heat)
            target, weight = softened(scores, values, heat, settings.max_move)
        else:
            tried = jax.vmap(lambda s, population=population: neighborhood(s, population))(scores)
            values, value = action_values(play.game, name, frozen, tried)
            target, weight = climbed(scores, values, tried.actions, population, settings.max_move)
        target = scores + settings.step * (target - scores)
        mass = frozen.now.masses[name]
        share = mass * (1.0 - settings.spread) + settings.spread / mass.shape[1]
        functions = jax.vmap(lambda aggregate, name=name: play.game.features(name, aggregate))(frozen.now)
        lessons[name] = GameLesson(target, weight * share[..., None], functions)
        objective[name] = jnp.sum(mass[0] * value[0])
    return steps.now.signal, lessons, objective


def scores_along(strategy: Strategy, signals: Array, functions: tuple[Array, ...]) -> Array:
    """A strategy's scores along one path of signals: (time, states, outputs)."""
    memory = strategy.initial_memory()
    _, features = jax.lax.scan(lambda m, o: strategy.remember(m, o), memory, signals)
    return jax.vmap(strategy.scores)(features, functions)


def learn(training: GameTraining, signals: Array, lessons: dict[str, GameLesson], settings: GameRSPG):
    """`passes` optimizer steps toward the lessons of a batch of paths: (training, loss before the first step)."""
    moving, fixed = eqx.partition(training.strategies, trainable(training.strategies))

    def loss(moving):
        strategies = eqx.combine(moving, fixed)
        total = 0.0
        for name, lesson in lessons.items():
            along = jax.vmap(lambda s, f, name=name: scores_along(strategies[name], s, f))
            now = along(signals, lesson.functions)
            total += 0.5 * jnp.mean(jnp.sum(lesson.weight * (now - lesson.target) ** 2, axis=(2, 3)))
        return total

    def one(carry, _):
        moving, optimizer = carry
        value, gradient = jax.value_and_grad(loss)(moving)
        step, optimizer = make_optimizer(settings).update(gradient, optimizer)
        return (optax.apply_updates(moving, step), optimizer), value

    (moving, optimizer), values = jax.lax.scan(one, (moving, training.optimizer), None, length=settings.passes)
    return training._replace(strategies=eqx.combine(moving, fixed), optimizer=optimizer), values[0]


def update(game: AbstractGame, training: GameTraining, settings: GameRSPG):
    """One update on fresh paths: (training, report)."""
    key, path_key = jax.random.split(training.key)
    dtype = DTYPES[settings.precision]
    heat = temperature(settings, training.done.astype(dtype))
    play = game_play(game, training.strategies)
    uniforms = draw_uniforms(path_key, settings.paths, game.horizon, game.draws, dtype)
    signals, lessons, objective = jax.vmap(lambda u: teach(play, u, settings, heat))(uniforms)
    training, loss = learn(training, signals, lessons, settings)
    report = {"loss": loss, "objective": sum(value.mean() for value in objective.values())}
    return training._replace(done=training.done + 1, key=key), report
