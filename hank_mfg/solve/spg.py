"""Structural policy gradient, with memory (RSPG) or without (SPG).

One update: follow `paths` paths of `horizon` periods from where the last update ended; compute the structural
gradient at every individual state (see euler.py); take a damped Newton step on each state's first-order condition;
move the network toward it with Adam. The step is the gradient of the objective in units in which every state is
equally well conditioned: it vanishes exactly where the gradient does.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.policy.policy import Policy, Tables
from hank_mfg.solve.euler import first_order, structural_gradient
from hank_mfg.solve.rollout import State, rollout


class RSPG(NamedTuple):
    """Settings of recurrent structural policy gradient.

    `paths` sampled paths of `horizon` periods per update; `updates` at most; learning rate `learning_rate` falling as
    a cosine to `final_rate` times itself; `trace` in [0, 1] weights errors further ahead on a path; `spread` is the
    weight of states outside the current mass; `max_step` the largest move of log consumption aimed at in one update;
    `memory`, `units`, `width`, `knots` shape the policy; `asset_points` the grid; `precision` of training;
    `tolerance` stops when the mass-weighted Euler error (relative consumption) falls below it.
    """

    paths: int = 32
    horizon: int = 40
    updates: int = 800
    learning_rate: float = 3e-3
    final_rate: float = 0.01
    trace: float = 0.95
    spread: float = 0.05
    max_step: float = 0.2
    clip_norm: float = 1.0
    memory: str = "gru"
    units: int = 32
    width: int = 32
    knots: int = 24
    asset_points: int = 200
    precision: str = "float32"
    tolerance: float = 1e-6


class Progress(NamedTuple):
    """What one update reports: means over paths and periods."""

    loss: Array
    euler_error: Array
    objective: Array


class Training(NamedTuple):
    """Everything that training carries; saving it and loading it continues to the same numbers."""

    policy: Policy
    optimizer: optax.OptState
    states: State
    update: Array
    key: Array


def trainable(policy: Policy):
    """The parts of a policy that gradient steps move: encoder and head."""
    none = jax.tree.map(lambda _: False, policy)
    yes = lambda part: jax.tree.map(eqx.is_inexact_array, part)  # noqa: E731
    return eqx.tree_at(lambda p: (p.encoder, p.head), none, (yes(policy.encoder), yes(policy.head)))


def make_optimizer(settings: RSPG) -> optax.GradientTransformation:
    """Adam with gradient clipping and a cosine schedule."""
    schedule = optax.cosine_decay_schedule(settings.learning_rate, settings.updates, settings.final_rate)
    return optax.chain(optax.clip_by_global_norm(settings.clip_norm), optax.adam(schedule))


class Lesson(NamedTuple):
    """What the network should learn from one period of one path."""

    signal: Array
    cash: Array
    target: Array
    weight: Array


def improve(economy: Economy, policy: Policy, tables: Tables, state: State, settings: RSPG, *, key):
    """Roll out one path and find the improved log correction at every period and state."""
    keys = jax.random.split(key, settings.horizon)

    def draw(t, shock):
        return economy.next_shock(shock, key=keys[t])

    def record(step):
        now = step.now
        reward = jnp.sum(now.state.aggregate.mass * economy.reward(now.savings, now.public))
        kept = (now.signal, now.cash, now.desired, now.savings, now.state.aggregate.mass, reward)
        return kept, first_order(economy, step)

    last, (kept, path) = rollout(economy, policy, tables, state, draw, record, periods=settings.horizon)
    signal, cash, desired, savings, mass, reward = kept
    gradient = structural_gradient(economy, path, settings.trace)
    step = -gradient / path.curvature
    feasible = cash - savings
    wanted = feasible - step
    limit = settings.max_step
    change = jnp.clip(jnp.log(jnp.maximum(wanted, 0.5 * feasible) / feasible), -limit, limit)
    below, above = cash - desired < economy.grid.lower, cash - desired > economy.grid.upper
    rests = (below & (step <= 0)) | (above & (step >= 0))
    target = jnp.log(feasible / desired) + change
    weight = mass * (1 - settings.spread) + settings.spread / mass[0].size
    weight = jnp.where(rests, 0.0, weight)
    interior = ~(below | above)
    error = jnp.sum(jnp.where(interior, mass * jnp.abs(path.residual / path.curvature) / feasible, 0.0), (1, 2))
    return last, Lesson(signal, cash, target, weight), jnp.mean(error), jnp.mean(reward)


def lesson_loss(policy: Policy, tables: Tables, memory: Array, lesson: Lesson, current: Array) -> Array:
    """Half the weighted squared distance of the log correction from its target, mean over periods."""

    def remember(memory, signal):
        return policy.remember(memory, signal)

    _, features = jax.lax.scan(remember, memory, lesson.signal)
    correction = jax.vmap(lambda f: policy.correction(f, tables))(features)
    gap = correction - jax.lax.stop_gradient(correction) - lesson.target
    return 0.5 * jnp.mean(jnp.sum(lesson.weight * gap**2, axis=(1, 2)))


def update(economy: Economy, tables: Tables, settings: RSPG, training: Training) -> tuple[Training, Progress]:
    """One gradient update on a fresh batch of path segments."""
    key, draw_key = jax.random.split(training.key)
    keys = jax.random.split(draw_key, settings.paths)
    policy = training.policy
    each = jax.vmap(lambda s, k: improve(economy, policy, tables, s, settings, key=k))
    last, lessons, errors, rewards = each(training.states, keys)
    moving, fixed = eqx.partition(policy, trainable(policy))

    def loss(moving):
        model = eqx.combine(moving, fixed)
        return jnp.mean(
            jax.vmap(lambda m, s: lesson_loss(model, tables, m, s, None))(training.states.memory, lessons)
        )

    value, gradient = jax.value_and_grad(loss)(moving)
    step, optimizer = make_optimizer(settings).update(gradient, training.optimizer)
    policy = eqx.combine(optax.apply_updates(moving, step), fixed)
    report = Progress(value, jnp.mean(errors), jnp.mean(rewards))
    return Training(policy, optimizer, last, training.update + 1, key), report
