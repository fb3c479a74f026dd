"""Prices that clear inside the period: the root of excess demand, given what everybody would choose at each price.

One unknown: a Newton step from the guess, then secants, as long as they stay inside the bracket; where they do not get
there, false position (Illinois) between the ends of the bracket. Several: Newton's method inside the brackets with
Broyden's updates, steps shortened until the largest excess falls. An evaluation is a whole cross-section of choices, so
few of them are the aim: four from the price of the period before. Nothing here is differentiated: individuals take
prices as given, and the structural gradient needs no derivative of them.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy

SECANTS = 8  # evaluations before the ends of the bracket are looked at
HALVINGS = 80  # evaluations between them at most
NEWTON = 40  # steps in several unknowns at most
SHORTENINGS = 8  # halvings of one such step

ExcessDemand = Callable[[Array], Array]


class Cleared(NamedTuple):
    """Where a search ended: the unknowns `x` (unknowns,), their `excess` demand, and the `evaluations` it took."""

    x: Array
    excess: Array
    evaluations: Array


def accuracy(dtype) -> float:
    """The excess demand at which a search ends, where one is a large number: eps^(3/4), 2e-12 in float64."""
    return float(jnp.finfo(dtype).eps) ** 0.75


def clear(excess_demand: ExcessDemand, guess: Array, lower: Array, upper: Array) -> Cleared:
    """Solve excess_demand(x) = 0, (unknowns,) to (unknowns,), with lower <= x <= upper, from a `guess`.

    Where there is no root the excess returned is not small, or not a number: whoever calls looks at it.
    """
    start = jnp.clip(jnp.where(jnp.isfinite(guess), guess, 0.5 * (lower + upper)), lower, upper)
    goal = accuracy(guess.dtype)
    if guess.shape != (1,):
        return _newton(excess_demand, start, lower, upper, goal)

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
    """From what was `found`, good enough or not: the root between the ends by the Illinois method, and halving where it
    is slow. The first two evaluations are of the ends themselves, so nothing is lost where there is nothing to do."""
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


def _newton(excess_demand: ExcessDemand, start: Array, lower: Array, upper: Array, goal: float) -> Cleared:
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

        def shorten(trial):
            new = jnp.clip(x + trial[2] * move, lower, upper)
            after = excess_demand(new)
            return new, after, 0.5 * trial[2], _size(after) < _size(excess)

        def refused(trial):  # of many searches side by side some have ended: these must not hold up the others
            return ~trial[3] & (trial[2] > 2.0 ** -(SHORTENINGS + 1)) & (_size(excess) > goal)

        new, after, _, falls = jax.lax.while_loop(
            refused, shorten, (x, excess, jnp.ones_like(x[0]), jnp.asarray(False))
        )
        moved, change = new - x, inverse @ (after - excess)
        scale = moved @ change
        better = inverse + jnp.outer(moved - change, moved @ inverse) / jnp.where(scale == 0, 1.0, scale)
        pick = lambda one, other: jnp.where(falls, one, other)  # noqa: E731
        return pick(new, x), pick(after, excess), pick(better, inverse), falls, count + 1

    unknown = jnp.full_like(start, jnp.inf)
    x, excess, _, count = jax.lax.while_loop(unfinished, body, (start, unknown, jnp.asarray(True), jnp.asarray(0)))
    return Cleared(x, excess, count)


def _size(excess: Array) -> Array:
    return jnp.max(jnp.abs(excess))


class Market(NamedTuple):
    """Where along a path markets cleared worst: the `period`, the unknowns `x`, their `excess` demand there, and at the
    `lower` and `upper` ends of the brackets; (unknowns,) each."""

    period: Array
    x: Array
    excess: Array
    lower: Array
    upper: Array


def explain_market(economy: Economy, market: Market, tolerance: float) -> str | None:
    """What to say of a market that did not clear within `tolerance`; None where all did."""
    excess = np.asarray(market.excess)
    missed = ~(np.abs(excess) <= tolerance)
    if not missed.any():
        return None
    if len(excess) > 1:
        return _explain_several(economy, np.asarray(market.x), excess)
    place = int(np.argmax(missed))
    x, lower, upper = (float(np.asarray(each)[place]) for each in (market.x, market.lower, market.upper))
    ends = [float(each[place]) for each in economy.brackets()]
    if not np.isfinite([excess[place], lower, upper]).all():
        cure = "it is not a number: training broke down, so raise tremble or lower learning_rate"
    elif np.sign(lower) == np.sign(upper):
        cure = (
            "it has the same sign at both: widen the bracket in unknowns(), check the sign of excess_demand(), demand "
            "less supply, or raise tremble, with which people learn to respond to prices"
        )
    else:
        cure = "there is a root between that was not found: raise tremble, with which people learn to respond to prices"
    return (
        f"{economy.unknowns[place]} does not clear its market: excess demand is still {float(excess[place]):.3g} at "
        f"{x:.6g}, {lower:.3g} at the lower end {ends[0]:.6g} of its bracket and {upper:.3g} at the upper end "
        f"{ends[1]:.6g}; {cure}."
    )


def _explain_several(economy: Economy, x: np.ndarray, excess: np.ndarray) -> str:
    """What to say of several prices that clear together; no equation is the business of one of them alone."""
    values = ", ".join(f"{name} = {value:.6g}" for name, value in zip(economy.unknowns, x, strict=True))
    ends = [f"{n} at {v:g}" for n, v, *pair in zip(economy.unknowns, x, *economy.brackets(), strict=True) if v in pair]
    at_end = f" ({', '.join(ends)}: an end of its bracket)" if ends else ""
    left = ", ".join(f"{value:.3g}" for value in excess)
    firms = ", firms last" if economy.sets_prices else ""
    return (
        f"{', '.join(economy.unknowns)} do not clear together: at {values}{at_end} the equations of the period are "
        f"still {left}, in the order of excess_demand(){firms}; widen brackets in unknowns(), lower learning_rate, "
        "or ask whether there is an equilibrium: see docs/when_it_does_not_converge.md."
    )


def first_missed(economy: Economy, markets: Market, tolerance: float) -> tuple[tuple[int, ...], str] | None:
    """The first of many markets, any leading axes, that did not clear within `tolerance`: its place and what to say."""
    markets = jax.tree.map(np.asarray, markets)
    for place in np.ndindex(markets.period.shape) if economy.unknowns else ():
        problem = explain_market(economy, jax.tree.map(lambda x, at=place: x[at], markets), tolerance)
        if problem is not None:
            return place, problem
    return None
