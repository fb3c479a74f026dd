"""Optimizer steps of the networks toward the targets of an update, of every method that trains."""

from collections.abc import Callable
from typing import Any

import jax
import optax
from jax import Array


def make_optimizer(settings: Any) -> optax.GradientTransformation:
    """Adam with gradient clipping and a cosine schedule, of structural policy gradient.

    Its memory of squared gradients is some 100 steps, a few updates: what there is to learn shrinks that fast.
    """
    steps = settings.updates * settings.epochs
    schedule = optax.cosine_decay_schedule(settings.learning_rate, steps, settings.final_rate)
    return optax.chain(optax.clip_by_global_norm(settings.clip_norm), optax.adam(schedule, b2=0.99))


def descend(
    loss: Callable[..., Any],
    start: tuple[Any, optax.OptState],
    optimizer: optax.GradientTransformation,
    each: Any = None,
    *,
    batch: Callable[[Any], tuple] = lambda _: (),
    steps: int | None = None,
) -> tuple[tuple[Any, optax.OptState], Array]:
    """As many optimizer `steps`, or one for `each` entry x, down the gradient of `loss(moving, *batch(x))`.

    From (moving, state of the optimizer) in `start` to the same after the last step, and the loss before every step.
    """

    def step(carry, x):
        moving, state = carry
        value, gradient = jax.value_and_grad(loss)(moving, *batch(x))
        move, state = optimizer.update(gradient, state)
        return (optax.apply_updates(moving, move), state), value

    return jax.lax.scan(step, start, each, length=steps)
