"""Structural policy gradient for games, with memory (RSPG) or without (SPG).

Only the common noise is sampled. Along each path all action values Q_t(s, a) are exact (game_play.py), and the
gradient of the objective in what is done at one state is the mass times Q. It is used in natural units:

- unordered actions: scores move by Q plus the gradient of temperature times entropy, the gradient of the objective in
  the metric of the probabilities (mirror descent). Softmax policies saturate and their plain gradient dies; this one
  does not. The temperature falls quadratically to `final_temperature` at 80 % of training;
- ordered actions and intervals: a Newton step along the parabola through Q at three neighboring actions.

The network then takes `epochs` Adam steps of weighted least squares toward the moved scores, up to what softmax does
not see (`centered_residual`). An agent who sees public signals only cannot distinguish several paths; least squares
then takes the mean of their weighted moves. So weight times move is always the exact slope of the path, however far the
move is bounded: what vanishes is the mean slope. Several populations learn at the same time, each taking the others as
given.

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
from hank_mfg.policy.strategy import Sight, Strategy, extent, look, make_strategies, neighborhood
from hank_mfg.precision import DTYPES
from hank_mfg.solve.gradient.descent import descend, make_optimizer
from hank_mfg.solve.play.game_play import GamePlay, action_values, draw_uniforms, game_play, price_taking, standardize
from hank_mfg.solve.settings import MethodSettings, accepts_old_names, cells_of

FLOOR = -12.0  # log odds below which a bad action is left as it is: as good as never taken


@accepts_old_names
@dataclasses.dataclass(frozen=True)
class GameRSPG(MethodSettings):
    """Settings of recurrent structural policy gradient for games.

    `paths` sampled paths per update, `updates` in all, each with `epochs` steps of the network; `learning_rate` falls
    as a cosine to `final_rate` times itself, `clip_norm` bounds the gradient. Scores of unordered actions move by
    `rate`, in one over the unit of the reward, times their natural gradient; `temperature` weights entropy in the
    reward, in its unit, at the start, and `final_temperature` from 80 % of training on. Ordered actions and intervals
    take the share `step` of a Newton step. `max_move` bounds every move, in units of the score. `uniform_weight` is the
    weight of states outside the current mass, `uniform_action_weight` is added to the probability of an unordered
    action in its weight, so that actions never taken can come back; more of it fits rare actions better and frequent
    ones worse. `memory` ("gru", "lstm", "lru", "attention", "none"), `units` and `width` shape the networks;
    `precision` ("float32", "float64") is that of training.
    """

    paths: int = 8
    updates: int = 600
    epochs: int = 4
    learning_rate: float = 3e-3
    final_rate: float = 0.01
    clip_norm: float = 1.0
    rate: float = 3.0
    temperature: float = 2.0
    final_temperature: float = 0.05
    step: float = 1.0
    max_move: float = 1.0
    uniform_weight: float = 0.02
    uniform_action_weight: float = 1e-4
    memory: str = "gru"
    units: int = 32
    width: int = 64
    precision: str = "float32"

    def __post_init__(self):
        """Check every field. Raises ValueError naming the field, its value and the range."""
        self.check(
            counts=("paths", "updates", "epochs"),
            positive=("learning_rate", "clip_norm", "rate", "temperature", "final_temperature", "max_move"),
            shares=("final_rate", "uniform_weight", "uniform_action_weight"),
        )
        self.demand("step", 0 < self.step <= 1, "above 0 and at most 1")
        self.price()

    def price(self, game: AbstractGame | None = None) -> None:
        """Raise SizeError unless training fits this machine: on a `game`, or on the smallest."""
        cells, horizon = cells_of(game)
        periods, networks = float(self.paths) * horizon, self.network_numbers()
        self.require_room(
            numbers=4.0 * periods * cells + networks + 5.0 * self.updates,
            steps=float(self.updates) * periods * (10.0 * cells + 2.0 * self.epochs * networks),
        )

    def begin(self, game: AbstractGame, *, seed: int) -> "GameTraining":
        """Training before the first update; `game` is in the training precision."""
        self.price(game)
        strategies = standardize(game, make_strategies(game, self.networks(), seed=seed), seed=seed)
        optimizer = make_optimizer(self).init(eqx.filter(strategies, trainable(strategies)))
        return GameTraining(strategies, optimizer, jnp.zeros((), jnp.int32), jax.random.PRNGKey(seed))

    def update(self, game: AbstractGame, training: "GameTraining") -> tuple["GameTraining", dict[str, Any]]:
        """One update on fresh paths: (training, report)."""
        key, path_key = jax.random.split(training.key)
        dtype = DTYPES[self.precision]
        temperature = temperature_after(self, training.done.astype(dtype))
        play = game_play(game, training.strategies)
        uniforms = draw_uniforms(path_key, self.paths, game.horizon, game.draws, dtype)
        signals, targets, objective = jax.vmap(lambda u: compute_targets(play, u, self, temperature))(uniforms)
        training, loss = fit(training, game, signals, targets, self)
        report = {"loss": loss, "objective": sum(value.mean() for value in objective.values())}
        return training._replace(done=training.done + 1, key=key), report


def GameSPG(**settings) -> GameRSPG:  # noqa: N802 - the method's name
    """Structural policy gradient for games without memory: strategies that see the current signal only."""
    return GameRSPG(**{"memory": "none", **settings})


class GameTraining(NamedTuple):
    """Everything that training carries from one update to the next."""

    strategies: dict[str, Strategy]
    optimizer: optax.OptState
    done: Array
    key: Array


class GameTargets(NamedTuple):
    """Targets of one population from one path: its scores, (time, states, outputs), and their
    weights; with them the inputs from individual states in each period, None where these never change."""

    target: Array
    weight: Array
    sight: Sight | None


def trainable(strategies: dict[str, Strategy]):
    """True at the leaves that gradient steps move: encoders and heads."""
    yes = lambda part: jax.tree.map(eqx.is_inexact_array, part)  # noqa: E731

    def one(strategy: Strategy):
        none = jax.tree.map(lambda _: False, strategy)
        return eqx.tree_at(lambda s: (s.encoder, s.head), none, (yes(strategy.encoder), yes(strategy.head)))

    return {name: one(strategy) for name, strategy in strategies.items()}


def temperature_after(settings: GameRSPG, done: Array) -> Array:
    """The weight of entropy after `done` updates."""
    left = jnp.clip(1.0 - done / (0.8 * settings.updates), 0.0, 1.0)
    return settings.final_temperature + (settings.temperature - settings.final_temperature) * left**2


def softened(scores: Array, values: Array, temperature: Array, settings: GameRSPG) -> tuple[Array, Array]:
    """Scores (..., actions) moved by `rate` times the natural gradient of Q + temperature * entropy, and their weight.

    The move is rate [Q - temperature log pi - its mean under pi], the weight pi + uniform_action_weight. Moves beyond
    `max_move` are cut and their weight raised, so that weight times move, and its mean over paths, is what it was. A
    bad action that is as good as never taken is left as it is.
    """
    log_probabilities = jax.nn.log_softmax(scores)
    probabilities = jnp.exp(log_probabilities)
    soft = values - temperature * log_probabilities
    move = settings.rate * (soft - jnp.sum(probabilities * soft, axis=-1, keepdims=True))
    fixed = (log_probabilities < FLOOR) & (move < 0)
    excess = jnp.maximum(jnp.abs(move) / settings.max_move, 1.0)
    weight = (probabilities + settings.uniform_action_weight) * excess
    return scores + jnp.where(fixed, 0.0, move / excess), jnp.where(fixed, 0.0, weight)


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
    end = share_at_end(population)
    fixed = ((share > 1.0 - end) & (slope > 0)) | ((share < end) & (slope < 0))
    target = scores + slope / jnp.maximum(weight, jnp.finfo(scores.dtype).tiny)
    return jnp.where(fixed, scores, target), jnp.where(fixed, 0.0, weight)


def share_at_end(population: Population) -> float:
    """The distance from the end of the actions, as a share of their extent, at which choices stop moving."""
    actions = population.actions
    return 0.25 / (len(actions.values) - 1) if isinstance(actions, Discrete) else 1e-3


def compute_targets(play: GamePlay, uniforms: Array, settings: GameRSPG, temperature: Array):
    """Roll out one path and work out where every population's scores should be.

    Returns the signals (time, signals), the targets and the value of following for each population.
    """
    steps = play.path(uniforms)
    frozen = price_taking(steps)
    targets, objective = {}, {}
    for name, population in play.game.populations.items():
        scores = steps.now.scores[name]
        if play.strategies[name].outputs > 1:
            values, value = action_values(play.game, name, frozen, steps.now.choices[name], temperature)
            target, weight = softened(scores, values, temperature, settings)
        else:
            tried = jax.vmap(lambda s, population=population: neighborhood(s, population))(scores)
            values, value = action_values(play.game, name, frozen, tried)
            target, weight = climbed(scores, values, tried.actions, population, settings.max_move)
            target = scores + settings.step * (target - scores)
        mass = frozen.now.masses[name]
        share = mass * (1.0 - settings.uniform_weight) + settings.uniform_weight / mass.shape[1]
        sight = None
        if play.game.known_landing or not play.game.fixed_features:
            sight = jax.vmap(lambda now, name=name: look(play.game, name, now, play.own[name]))(frozen.now)
        targets[name] = GameTargets(target, weight * share[..., None], sight)
        objective[name] = jnp.sum(mass[0] * value[0])
    return steps.now.signal, targets, objective


def centered_residual(scores: Array, own_targets: GameTargets) -> Array:
    """The distance of scores (..., states, outputs) from their targets.

    Scores of unordered actions mean the same when all at one state move alike, so what counts is the distance from its
    weighted mean over actions: a head that makes scores of the values of landings cannot move a state's level freely.
    """
    away = scores - own_targets.target
    if scores.shape[-1] == 1:
        return away
    weight = own_targets.weight
    total = jnp.sum(weight, axis=-1, keepdims=True)  # zero where the mass and uniform_weight are zero
    return away - jnp.sum(weight * away, axis=-1, keepdims=True) / jnp.maximum(total, jnp.finfo(scores.dtype).tiny)


def scores_along(strategy: Strategy, signals: Array, sight: Sight, fixed: bool = False) -> Array:
    """A strategy's scores along one path of signals: (time, states, outputs); `fixed` when sight has no time axis."""
    memory = strategy.initial_memory()
    _, features = jax.lax.scan(lambda m, o: strategy.remember(m, o), memory, signals)
    return jax.vmap(strategy.scores, in_axes=(0, None if fixed else 0))(features, sight)


def fit(
    training: GameTraining, game: AbstractGame, signals: Array, targets: dict[str, GameTargets], settings: GameRSPG
):
    """`epochs` optimizer steps toward the targets of a batch of paths: (training, loss before the first step)."""
    first = game.start(jnp.full(game.draws, 0.5))
    sights = {
        name: Sight(game.features(name, first), None) if own_targets.sight is None else own_targets.sight
        for name, own_targets in targets.items()
    }
    moving, fixed = eqx.partition(training.strategies, trainable(training.strategies))

    def loss(moving):
        strategies = eqx.combine(moving, fixed)
        total = 0.0
        for name, own_targets in targets.items():
            same = own_targets.sight is None
            along = jax.vmap(
                lambda s, f, name=name, same=same: scores_along(strategies[name], s, f, same),
                in_axes=(0, None if same else 0),
            )
            now = along(signals, sights[name])
            total += 0.5 * jnp.mean(jnp.sum(own_targets.weight * centered_residual(now, own_targets) ** 2, axis=(2, 3)))
        return total

    start = (moving, training.optimizer)
    (moving, optimizer), values = descend(loss, start, make_optimizer(settings), steps=settings.epochs)
    return training._replace(strategies=eqx.combine(moving, fixed), optimizer=optimizer), values[0]
