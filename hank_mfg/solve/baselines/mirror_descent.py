"""Munchausen online mirror descent on sampled individuals (MOMD): one Q network, whose softmax is the policy.

Iteration k starts from the policy pi = softmax(Q / temperature) of the network as it stands. A crowd that follows it
makes the mean field on fresh paths of common noise. Explorers, of mass zero, move along the same paths;
they take a uniformly drawn action with probability `exploration` and fill the replay with transitions (s, a, r, s').
Earlier transitions belong to other mean fields and are dropped. The network then learns, by least squares on
minibatches of whole paths,

    Q(s, a) -> r + alpha temperature log pi(a | s)
                 + gamma sum_a' pi(a' | s') [ Q'(s', a') - temperature log pi(a' | s') ],

without the last line at the end of the horizon. Q' is a target network, refreshed every few optimizer steps; pi stays
that of the start of the iteration. With alpha = 1, Q - temperature log pi is the value of following pi, so that the
next policy is proportional to pi exp(value / temperature): mirror descent without averaging networks. With alpha < 1
old values fade, and in the limit the policy is regularized by entropy of weight (1 - alpha) temperature. The
temperature falls geometrically: steps are small while values are still wrong, and the regularization ends small.

The network is dueling: Q(s, a) = level(s) + temperature (score(s, a) - mean score(s)), the level in units of the
running size of returns, the scores those of the strategy, their mean that over the actions of explorers. So the level
is the value of a state to explorers, and where it is off, scores are unaffected on average; with the mean over all
actions alike, the value of a state would leak into the action most often taken there. Softmax does not see the
level, so the strategy's own choice is the policy, and the level may see the period (`make_critics`). Several
individuals with the same state and action in a period count through their number and mean target.

Sources: Lauriere et al. (2022), arXiv 2203.11973; Vieillard, Pietquin and Geist (2020), arXiv 2007.14430, for alpha and
the bound of log pi; Wang et al. (2016), arXiv 1511.06581, for dueling networks. OpenSpiel's example of the first
(mfg_munchausen_domd_jax.py) has alpha .99, temperature 10, exploration .1 and Adam at .01.
"""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from hank_mfg.environment.game import AbstractGame, Choice, Period, closed_reward, own_discount
from hank_mfg.environment.sampled import CrowdStep, draw_outcomes, sample_options, sampled_move, sampled_rollout
from hank_mfg.policy.strategy import Strategy, look
from hank_mfg.precision import DTYPES
from hank_mfg.solve.baselines.ppo import (
    FARTHEST,
    Episode,
    at_cells,
    begin_networks,
    crowd_play,
    falling_adam,
    resize,
    split_networks,
    values_along,
)
from hank_mfg.solve.baselines.returns import advantages, discount_of, lifetime_reward
from hank_mfg.solve.gradient.descent import descend
from hank_mfg.solve.gradient.game_spg import scores_along
from hank_mfg.solve.play.game_play import GamePlay, draw_uniforms, game_play
from hank_mfg.solve.settings import CrowdSettings

TINY = 1e-12  # Adam's eps: gradients of the scores are small beside those of the level, by temperature / size


@dataclasses.dataclass(frozen=True)
class MOMD(CrowdSettings):
    """Settings of Munchausen online mirror descent.

    `updates` iterations, each with `paths` paths of common noise, `individuals` of each population in the crowd and as
    many explorers on every path; the replay holds them all. `refreshes` times per iteration the target network is set
    to the network, which then takes `steps` optimizer steps on minibatches of `batch` paths. `learning_rate` falls
    linearly to `final_rate` times itself over all optimizer steps, `clip_norm` bounds the gradient. `temperature`, in
    units of the reward, falls geometrically to `final_temperature` at 80 % of training; `alpha` is the weight of the
    Munchausen term, `exploration` the probability of a uniform action. `memory` ("none", "gru", "lstm"), `units` and
    `width` shape the networks; `precision` is that of training.
    """

    individuals: int = 500
    paths: int = 8
    updates: int = 300
    refreshes: int = 4
    steps: int = 5
    batch: int = 4
    learning_rate: float = 1e-3
    final_rate: float = 0.01
    clip_norm: float = 1.0
    temperature: float = 30.0
    final_temperature: float = 3.0
    alpha: float = 0.99
    exploration: float = 0.2
    memory: str = "none"
    units: int = 32
    width: int = 64
    precision: str = "float32"

    def __post_init__(self):
        """Check every field. Raises ValueError naming the field, its value and the range."""
        self.check(
            counts=("individuals", "paths", "updates", "refreshes", "steps", "batch"),
            positive=("learning_rate", "clip_norm"),
            shares=("final_rate", "alpha", "exploration"),
        )
        if not 1 <= self.batch <= self.paths:
            raise ValueError(
                f"batch = {self.batch} must lie between 1 and paths = {self.paths}: a minibatch holds whole paths."
            )
        for name in ("temperature", "final_temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)} must be above 0, because values are divided by it.")
        self.price()

    def begin(self, game: AbstractGame, *, seed: int) -> "MirrorTraining":
        """Training before the first iteration; `game` is in the training precision."""
        self.price(game)
        return MirrorTraining(*begin_networks(game, self, seed=seed))

    def optimizer(self) -> optax.GradientTransformation:
        """Adam over all optimizer steps of training."""
        return falling_adam(self, self.updates * self.refreshes * self.steps, eps=TINY)

    def update(self, game: AbstractGame, training: "MirrorTraining") -> tuple["MirrorTraining", dict[str, Any]]:
        """One iteration: (training, report)."""
        key, path_key, crowd_key = jax.random.split(training.key, 3)
        play = game_play(game, training.strategies)
        uniforms = draw_uniforms(path_key, self.paths, game.horizon, game.draws, DTYPES[self.precision])
        keys = jax.random.split(crowd_key, self.paths)
        signals, replays, (rewards, own) = jax.vmap(lambda u, k: fill_replay(play, self, u, key=k))(uniforms, keys)
        discounts = {name: discount_of(game, each) for name, each in own.items()}
        levels, sizes = {}, {}
        for name, flow in rewards.items():
            discount, axis = discounts[name]
            returns = jax.vmap(lambda r, d: advantages(r, jnp.zeros_like(r), d, 1.0), in_axes=(0, axis))(flow, discount)
            levels[name], sizes[name] = resize(training.levels[name], training.sizes[name], returns, training.done == 0)
        training = training._replace(levels=levels, sizes=sizes, key=key)
        training, loss = fit(training, signals, replays, game, self)
        objective = sum(lifetime_reward(flow, discounts[name][0]) for name, flow in rewards.items())
        return training._replace(done=training.done + 1), {"loss": loss, "objective": objective}


class MirrorTraining(NamedTuple):
    """Everything that training carries from one iteration to the next.

    `strategies` give the scores, `levels` the levels in units of `sizes`.
    """

    strategies: dict[str, Strategy]
    levels: dict[str, Strategy]
    sizes: dict[str, Array]
    optimizer: optax.OptState
    done: Array
    key: Array


class Replay(NamedTuple):
    """Transitions of one population, paths leading: explorers' episodes, and log pi (time, states, actions) of the
    policy at the start of the iteration."""

    episode: Episode
    log_probabilities: Array


def temperature_after(settings: MOMD, done: Array) -> Array:
    """The temperature after `done` iterations."""
    fall = jnp.clip(done / (0.8 * settings.updates), 0.0, 1.0).astype(DTYPES[settings.precision])
    return settings.temperature * (settings.final_temperature / settings.temperature) ** fall


def behavior(probabilities: Array, settings: MOMD) -> Array:
    """The probabilities of explorers, given those of the policy (..., actions)."""
    return (1.0 - settings.exploration) * probabilities + settings.exploration / probabilities.shape[-1]


def q_values(
    strategy: Strategy, level: Strategy, signals: Array, replay: Replay, scales: tuple, settings: MOMD
) -> Array:
    """Q along one path of signals: (time, states, actions); `scales` (size, temperature)."""
    size, temperature = scales
    scores = scores_along(strategy, signals, replay.episode.sight)
    mean = jnp.sum(behavior(jnp.exp(replay.log_probabilities), settings) * scores, axis=-1, keepdims=True)
    levels = size * values_along(level, signals, replay.episode.sight)
    return levels[..., None] + temperature * (scores - mean)


def explore(
    game: AbstractGame, name: str, path: Period, choices: Choice, settings: MOMD, *, key: Array
) -> tuple[Array, Array, Array, Array | None]:
    """Explorers of one population on one path: states, options, rewards and, where they differ, discount factors,
    (time, individuals) each.

    `path` is what they take as given and `choices` (time, states, actions) the policy, time leading.
    """

    def period(states, inputs):
        given, (actions, probabilities), key = inputs
        option_key, move_key = jax.random.split(key)
        options, taken = sample_options(Choice(actions, behavior(probabilities, settings)), states, key=option_key)
        own = game.place(name, states)
        rewards = closed_reward(game, name, given, own, taken)
        discount = own_discount(game, name, given.now, own, taken)
        between = given.now, given.following.noise
        states_next = sampled_move(game, name, states, taken, between, key=move_key)
        return states_next, (states, options, rewards, discount)

    start_key, key = jax.random.split(key)
    masses = jax.tree.map(lambda leaf: leaf[0], path.now).masses
    uniforms = jax.random.uniform(start_key, (settings.individuals,), masses[name].dtype)
    first = draw_outcomes(masses[name][None], jnp.zeros(settings.individuals, jnp.int32), uniforms)
    keys = jax.random.split(key, path.now.time.shape[0])
    return jax.lax.scan(period, first, (path, choices, keys))[1]


def fill_replay(play: GamePlay, settings: MOMD, uniforms: Array, *, key: Array):
    """The mean field of the current policy on one path, and explorers in it: (signals, replays, crowd's rewards)."""
    crowd_key, *keys = jax.random.split(key, 1 + len(play.strategies))

    def record(step: CrowdStep):
        now = step.now.aggregate
        sights = {name: look(play.game, name, now, play.own[name]) for name in play.strategies}
        discounts = {
            name: own_discount(play.game, name, now, play.game.place(name, states), step.rewards[name])
            for name, states in step.now.states.items()
        }
        return step.decided, Period(now, step.following.aggregate), (step.rewards, discounts), sights

    crowd = crowd_play(play, settings.individuals)
    _, (decided, path, rewards, sights) = sampled_rollout(crowd, uniforms, key=crowd_key, record=record)
    replays = {}
    for (name, sight), own_key in zip(sights.items(), keys, strict=True):
        log_probabilities = jnp.maximum(jax.nn.log_softmax(decided.scores[name]), -FARTHEST)
        explored = explore(play.game, name, path, decided.choices[name], settings, key=own_key)
        replays[name] = Replay(Episode(sight, *explored), log_probabilities)
    return decided.signal, replays, rewards


def munchausen_targets(
    replay: Replay, values: Array, discount_factor: Array, temperature: Array, alpha: float
) -> Array:
    """Targets of Q at the transitions of one path, (time, individuals); see the module's formula.

    `values` (time, states, actions) are Q' of the target network, `temperature` is in units of the reward.
    """
    episode, log_probabilities = replay.episode, replay.log_probabilities
    soft = jnp.sum(jnp.exp(log_probabilities) * (values - temperature * log_probabilities), axis=-1)
    ahead = jnp.take_along_axis(soft[1:], episode.states[1:], axis=1)
    ahead = jnp.concatenate([ahead, jnp.zeros_like(ahead[:1])])
    time = jnp.arange(log_probabilities.shape[0], dtype=jnp.int32)[:, None]
    bonus = alpha * temperature * log_probabilities[time, episode.states, episode.options]
    return episode.rewards + bonus + discount_factor * ahead


def mean_targets(replay: Replay, targets: Array) -> tuple[Array, Array]:
    """The number of explorers at each state and action and the mean of their targets: (time, states, actions) each."""
    shape = replay.log_probabilities.shape[1:]
    cells = replay.episode.states * shape[1] + replay.episode.options
    counts = at_cells(jnp.ones_like(targets), cells, shape)
    return counts, at_cells(targets, cells, shape) / jnp.maximum(counts, 1.0)


def fit(training: MirrorTraining, signals: Array, replays: dict[str, Replay], game: AbstractGame, settings: MOMD):
    """All optimizer steps of an iteration: (training, mean loss)."""
    key, order_key = jax.random.split(training.key)
    moving, fixed = split_networks((training.strategies, training.levels))
    temperature = temperature_after(settings, training.done)

    def values_of(moving, signals, replays):
        strategies, levels = eqx.combine(moving, fixed)
        return {
            name: jax.vmap(
                lambda o, r, name=name: q_values(
                    strategies[name], levels[name], o, r, (training.sizes[name], temperature), settings
                )
            )(signals, replay)
            for name, replay in replays.items()
        }

    def loss(moving, signals, replays, tables):
        total = jnp.zeros((), signals.dtype)
        for name, values in values_of(moving, signals, replays).items():
            counts, targets = tables[name]
            error = (values - targets) / training.sizes[name]
            total += 0.5 * jnp.sum(counts * error**2) / jnp.sum(counts)
        return total

    def refresh(carry, key):
        tables = {}
        for name, values in values_of(carry[0], signals, replays).items():
            discount, axis = discount_of(game, replays[name].episode.discount)
            aims = jax.vmap(
                lambda r, v, d: munchausen_targets(r, v, d, temperature, settings.alpha), in_axes=(0, 0, axis)
            )
            tables[name] = jax.vmap(mean_targets)(replays[name], aims(replays[name], values, discount))

        def batch(key):
            chosen = jax.random.permutation(key, settings.paths)[: settings.batch]
            return jax.tree.map(lambda leaf: leaf[chosen], (signals, replays, tables))

        return descend(loss, carry, settings.optimizer(), jax.random.split(key, settings.steps), batch=batch)

    carry = moving, training.optimizer
    (moving, optimizer), values = jax.lax.scan(refresh, carry, jax.random.split(order_key, settings.refreshes))
    networks: Any = eqx.combine(moving, fixed)
    strategies, levels = networks
    return training._replace(strategies=strategies, levels=levels, optimizer=optimizer, key=key), values.mean()
