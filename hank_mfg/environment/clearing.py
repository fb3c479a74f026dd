"""Prices that clear inside the period: the root of excess demand, given households' choices at each price.

One unknown: a Newton step from the guess, then secants, as long as they stay inside the bracket; where they do not get
there, false position (Illinois) between the ends of the bracket. Several: Newton's method inside the brackets with
Broyden's updates, steps shortened until the largest excess falls. An evaluation is a whole cross-section of choices, so
few of them are the aim: four from the price of the period before. Where the Jacobian is known from somewhere near, that
is used first, and Newton's method with the exact one only where it does not lead there. Nothing here is differentiated:
individuals take prices as given, and the structural gradient needs no derivative of them.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

SECANTS = 8  # evaluations before the ends of the bracket are looked at
HALVINGS = 80  # evaluations between them at most
NEWTON = 40  # steps in several unknowns at most
SHORTENINGS = 8  # halvings of one such step

ExcessDemand = Callable[[Array], Array]


class Cleared(NamedTuple):
    """The end of a search: the unknowns `x` (unknowns,), their `excess` demand, and the `evaluations` it took."""

    x: Array
    excess: Array
    evaluations: Array


def accuracy(dtype) -> float:
    """The excess demand at which a search ends, where one is a large number: eps^(3/4), 2e-12 in float64."""
    return float(jnp.finfo(dtype).eps) ** 0.75


def clear(
    excess_demand: ExcessDemand, guess: Array, lower: Array, upper: Array, inverse: Array | None = None
) -> Cleared:
    """Solve excess_demand(x) = 0, (unknowns,) to (unknowns,), with lower <= x <= upper, from a `guess`.

    `inverse` (unknowns, unknowns) of the Jacobian somewhere near, where it is known, saves computing one.
    Without a root the excess returned is large or NaN; callers must check it.
    """
    start = jnp.clip(jnp.where(jnp.isfinite(guess), guess, 0.5 * (lower + upper)), lower, upper)
    goal = accuracy(guess.dtype)
    if guess.shape != (1,):
        return _newton(excess_demand, start, lower, upper, goal, inverse)

    def function(x):
        return excess_demand(x[None])[0]

    x, excess, count = _false_position(
        function, _secants(function, start[0], lower[0], upper[0], goal), lower[0], upper[0], goal
    )
    return Cleared(x[None], excess[None], count)


def _secants(function, start: Array, lower: Array, upper: Array, goal: float) -> tuple[Array, Array, Array]:
    """The best point that a Newton step and secants reach, its excess and the evaluations used."""
    excess, slope = jax.jvp(function, (start,), (jnp.ones_like(start),))

    def unfinished(search):
        x, excess, following, *_, count = search
        return (jnp.abs(excess) > goal) & (following != x) & (count < SECANTS)

    def body(search):
        x, excess, following, slope, _, _, count = search
        new = function(following)
        slope = (new - excess) / (following - x)
        best, least = search[4:6]
        better = jnp.abs(new) < jnp.abs(least)
        best, least = jnp.where(better, following, best), jnp.where(better, new, least)
        return following, new, step(following, new, slope), slope, best, least, count + 1

    def step(x, excess, slope):
        return jnp.clip(x - jnp.where(slope != 0, excess / jnp.where(slope != 0, slope, 1.0), 0.0), lower, upper)

    first = (start, excess, step(start, excess, slope), slope, start, excess, jnp.asarray(1))
    *_, best, least, count = jax.lax.while_loop(unfinished, body, first)
    return best, least, count


def _false_position(function, found, lower: Array, upper: Array, goal: float) -> tuple[Array, Array, Array]:
    """The root, from the search `found`: that, if good enough, else between the ends by the Illinois method, and
    halving where it is slow. The first two evaluations are of the ends themselves, so they cost nothing where no search
    is needed."""
    best, least, count = found
    unknown = jnp.full_like(least, jnp.nan)

    def unfinished(search):
        _, least, low, high, low_excess, high_excess, _, tries = search
        enclosed = (tries < 2) | (jnp.sign(low_excess) != jnp.sign(high_excess))
        return ~(jnp.abs(least) <= goal) & (tries < HALVINGS) & enclosed & (high > low)

    def body(search):
        best, least, low, high, low_excess, high_excess, side, tries = search
        between = high - high_excess * (high - low) / (high_excess - low_excess)
        between = jnp.where((tries % 3 == 0) | ~(between > low) | ~(between < high), 0.5 * (low + high), between)
        x = jnp.where(tries == 0, lower, jnp.where(tries == 1, upper, between))
        excess = function(x)
        better = ~(jnp.abs(least) <= jnp.abs(excess)) & jnp.isfinite(excess)
        best, least = jnp.where(better, x, best), jnp.where(better, excess, least)
        to_low = (tries == 0) | ((tries > 1) & (jnp.sign(excess) == jnp.sign(low_excess)))
        again = (tries > 1) & (side == jnp.where(to_low, -1, 1))
        halve = jnp.where(again, 0.5, 1.0)
        after = (
            best, least, jnp.where(to_low, x, low), jnp.where(to_low, high, x),
            jnp.where(to_low, excess, halve * low_excess), jnp.where(to_low, halve * high_excess, excess),
            jnp.where(to_low, -1, 1), tries + 1,
        )  # fmt: skip
        return after

    first = (best, least, lower, upper, unknown, unknown, jnp.asarray(0), jnp.asarray(0))
    best, least, *_, tries = jax.lax.while_loop(unfinished, body, first)
    return best, least, count + tries


def _newton(
    excess_demand: ExcessDemand, start: Array, lower: Array, upper: Array, goal: float, inverse: Array | None
) -> Cleared:
    """Several unknowns: Newton's method whose Jacobian is brought up to date by Broyden's formula, and computed again
    where that leads no further; each step is shortened until the largest excess is smaller than before."""

    def both(x):
        excess = excess_demand(x)
        return excess, excess

    def unfinished(search):
        _, excess, moved, count = search
        return (_size(excess) > goal) & moved & (count < NEWTON)

    def body(search):
        x, _, _, count = search
        slope, excess = jax.jacfwd(both, has_aux=True)(x)
        inverse = jnp.linalg.inv(slope)
        last = jax.lax.while_loop(still, broyden, (x, excess, inverse, jnp.asarray(True), count + 1))
        return last[0], last[1], _size(last[1]) < _size(excess), last[4]

    def still(search):
        return (_size(search[1]) > goal) & search[3] & (search[4] < NEWTON)

    def broyden(search):
        x, excess, inverse, _, count = search
        move = -inverse @ excess

        def shorten(step):
            new = jnp.clip(x + step[2] * move, lower, upper)
            after = excess_demand(new)
            return new, after, 0.5 * step[2], _size(after) < _size(excess)

        def refused(step):  # of many searches side by side some have ended: these must not hold up the others
            return ~step[3] & (step[2] > 2.0 ** -(SHORTENINGS + 1)) & (_size(excess) > goal)

        new, after, _, falls = jax.lax.while_loop(
            refused, shorten, (x, excess, jnp.ones_like(x[0]), jnp.asarray(False))
        )
        moved, change = new - x, inverse @ (after - excess)
        scale = moved @ change
        better = inverse + jnp.outer(moved - change, moved @ inverse) / jnp.where(scale == 0, 1.0, scale)
        pick = lambda one, other: jnp.where(falls, one, other)  # noqa: E731
        return pick(new, x), pick(after, excess), pick(better, inverse), falls, count + 1

    first = (start, jnp.full_like(start, jnp.inf), jnp.asarray(True), jnp.asarray(0))
    if inverse is None:
        x, excess, _, count = jax.lax.while_loop(unfinished, body, first)
        return Cleared(x, excess, count)
    begun = (start, excess_demand(start), inverse, jnp.asarray(True), jnp.asarray(1))
    x, excess, _, _, count = jax.lax.while_loop(still, broyden, begun)
    return _with_exact_slopes(excess_demand, Cleared(x, excess, count), lower, upper, goal)


def _with_exact_slopes(excess_demand: ExcessDemand, begun: Cleared, lower: Array, upper: Array, goal: float) -> Cleared:
    """Newton's method from where a search ended, with the Jacobian of every point. A step is shortened until the sum of
    squares falls; where it does not, as next to the kink that a floor of a price makes, the whole step is taken all the
    same, to the other side of it. Returns the best point seen."""

    def both(x):
        excess = excess_demand(x)
        return excess, excess

    def unfinished(search):
        _, excess, _, _, count = search
        return (_size(excess) > goal) & (count < NEWTON)

    def body(search):
        x, _, best, least, count = search
        slope, excess = jax.jacfwd(both, has_aux=True)(x)
        move = -jnp.linalg.solve(slope, excess)

        def shorten(step):
            new = jnp.clip(x + step[2] * move, lower, upper)
            after = excess_demand(new)
            return new, after, 0.5 * step[2], jnp.sum(after**2) < jnp.sum(excess**2)

        def refused(step):
            return ~step[3] & (step[2] > 2.0 ** -(SHORTENINGS + 1))

        step = jax.lax.while_loop(refused, shorten, (x, excess, jnp.ones_like(x[0]), jnp.asarray(False)))
        new = jnp.where(step[3], step[0], jnp.clip(x + move, lower, upper))
        after = jnp.where(step[3], step[1], excess_demand(new))
        better = _size(after) < _size(least)
        return new, after, jnp.where(better, new, best), jnp.where(better, after, least), count + 1

    first = (begun.x, begun.excess, begun.x, begun.excess, begun.evaluations)
    _, _, best, least, count = jax.lax.while_loop(unfinished, body, first)
    return Cleared(best, least, count)


def _size(excess: Array) -> Array:
    return jnp.max(jnp.abs(excess))
