"""Fixed points of contractions, accelerated.

Iterating x <- T(x) gains a factor of some beta R a step. Anderson's (1965) method combines the last few steps so that
the remaining change f = T(x) - x is smallest in the span of their differences,

    x <- x + f - (D_x + D_f) w,        w = argmin | f - D_f w |,

which for a linear T is GMRES with a short memory. Where a step made the change twice as large the memory is cleared
and the next step is a plain one, so that it converges whenever plain iteration does.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class FixedPoint(NamedTuple):
    """The last T(x), the largest entry of |T(x) - x| there, and how often T was applied."""

    point: Array
    change: Array
    iterations: Array


class _Memory(NamedTuple):
    """The state of the iteration: the next point `x`, the last image, and what was there before.

    `changes` and `sums` (memory, entries) are rings of D_f and D_x + D_f, `gram` the products of changes, `known` says
    which of them are filled; `size` is the largest entry of f.
    """

    x: Array
    image: Array
    f: Array
    last_x: Array
    changes: Array
    sums: Array
    gram: Array
    known: Array
    size: Array
    iterations: Array


def fixed_point(
    step: Callable[[Array], Array], start: Array, *, tolerance, max_iterations: int, memory: int = 5
) -> FixedPoint:
    """The fixed point of `step`, from `start` (any shape), until no entry moves by more than `tolerance`.

    Stops as well after `max_iterations` and where the change is not a number; `change` says which. Traceable.
    """
    shape, dtype = start.shape, start.dtype
    damp = 1e-14 if dtype == jnp.float64 else 1e-6
    places = jnp.arange(memory)

    def body(now: _Memory) -> _Memory:
        image = step(now.x.reshape(shape)).reshape(-1)
        f = image - now.x
        size = jnp.max(jnp.abs(f))
        fresh = (now.iterations == 0) | (size > 2.0 * now.size)
        here = places == now.iterations % memory
        known = jnp.where(fresh, False, now.known | here)
        change = f - now.f
        place = now.iterations % memory
        changes = jax.lax.dynamic_update_index_in_dim(now.changes, change, place, 0)
        sums = jax.lax.dynamic_update_index_in_dim(now.sums, now.x - now.last_x + change, place, 0)
        products = jnp.stack([change, f]) @ changes.T
        gram = jnp.where(here[:, None], products[:1], jnp.where(here[None], products[0][:, None], now.gram))
        used = jnp.where(known[:, None] & known[None], gram, 0.0)
        scale = damp * jnp.trace(used) + jnp.finfo(dtype).tiny
        factor = jax.scipy.linalg.cho_factor(used + jnp.diag(jnp.where(known, scale, 1.0)))
        weights = jax.scipy.linalg.cho_solve(factor, jnp.where(known, products[1], 0.0))
        return _Memory(image - weights @ sums, image, f, now.x, changes, sums, gram, known, size, now.iterations + 1)

    def unfinished(now: _Memory):
        return (now.size > tolerance) & (now.iterations < max_iterations)

    flat = start.reshape(-1)
    none, square = jnp.zeros((memory, flat.size), dtype), jnp.zeros((memory, memory), dtype)
    far = jnp.asarray(jnp.inf, dtype)
    first = _Memory(flat, flat, flat, flat, none, none, square, jnp.zeros(memory, bool), far, jnp.asarray(0))
    last = jax.lax.while_loop(unfinished, body, first)
    return FixedPoint(last.image.reshape(shape), last.size, last.iterations)


def solve_contraction(apply: Callable[[Array], Array], right: Array, *, tolerance: float = 1e-13) -> Array:
    """The solution y of y = A y + right for a linear contraction `apply`, relative to the largest entry of `right`."""
    scale = jnp.max(jnp.abs(right))
    scale = jnp.where(scale > 0, scale, 1.0)
    found = fixed_point(lambda y: apply(y) + right / scale, right / scale, tolerance=tolerance, max_iterations=20_000)
    return found.point * scale
