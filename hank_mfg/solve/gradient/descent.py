"""Optimizer steps of the networks toward the targets of an update, of every method that trains."""

from collections.abc import Callable
from typing import Any

import jax
import optax
from jax import Array
from jax.flatten_util import ravel_pytree


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
    part: Array | None = None,
) -> tuple[tuple[Any, optax.OptState], Array]:
    """As many optimizer `steps`, or one for `each` entry x, down the gradient of `loss(moving, *batch(x))`.

    From (moving, state of the optimizer) in `start` to the same after the last step, and the loss before every step;
    with a `part`, `moving` goes only that part of the way.
    The optimizer sees one long vector: what it does to every array by itself would be as many small programs as there
    are arrays.
    """
    structure, (first, restore) = jax.tree.structure(start[0]), ravel_pytree(start[0])

    def is_moving(tree: Any) -> bool:
        return jax.tree.structure(tree) == structure

    def step(carry, x):
        flat, state = carry
        value, gradient = jax.value_and_grad(loss)(restore(flat), *batch(x))
        move, state = optimizer.update(ravel_pytree(gradient)[0], state)
        return (flat + move, state), value

    state = jax.tree.map(lambda tree: ravel_pytree(tree)[0] if is_moving(tree) else tree, start[1], is_leaf=is_moving)
    (flat, after), values = jax.lax.scan(step, (first, state), each, length=steps)
    if part is not None:
        flat = first + part.astype(first.dtype) * (flat - first)
    whole = jax.tree.map(lambda old, new: restore(new) if is_moving(old) else new, start[1], after, is_leaf=is_moving)
    return (restore(flat), whole), values
