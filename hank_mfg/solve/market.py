"""Prices that clear inside the period: the root of excess demand, given what everybody would choose at each price.

One unknown: a Newton step from the guess, then secants, as long as they stay inside the bracket; where they do not get
there, false position (Illinois) between the ends of the bracket. Several: Newton's method inside the brackets, with
steps shortened until the largest excess falls. An evaluation is a whole cross-section of choices, so few of them are
the aim: four from the price of the period before. Nothing here is differentiated: individuals take prices as given, and
the structural gradient needs no derivative of them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy

if TYPE_CHECKING:
    from hank_mfg.solve.rollout import Decision, Play

SECANTS = 8  # evaluations before the ends of the bracket are looked at
HALVINGS = 80  # evaluations between them at most
NEWTON = 30  # steps in several unknowns at most
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
    """Several unknowns: Newton's method, each step shortened until the largest excess is smaller than before."""

    def unfinished(search):
        _, excess, moved, count = search
        return (jnp.max(jnp.abs(excess)) > goal) & moved & (count < NEWTON)

    def body(search):
        x, excess, _, count = search
        slope = jax.jacfwd(excess_demand)(x)
        direction = -jnp.linalg.solve(slope, excess)

        def shorten(trial):
            _, _, part, _ = trial
            new = jnp.clip(x + part * direction, lower, upper)
            after = excess_demand(new)
            return new, after, 0.5 * part, jnp.max(jnp.abs(after)) < jnp.max(jnp.abs(excess))

        def refused(trial):
            return ~trial[3] & (trial[2] > 2.0 ** -(SHORTENINGS + 1))

        new, after, _, falls = jax.lax.while_loop(
            refused, shorten, (x, excess, jnp.ones_like(x[0]), jnp.asarray(False))
        )
        return jnp.where(falls, new, x), jnp.where(falls, after, excess), falls, count + 1

    first = (start, excess_demand(start), jnp.asarray(True), jnp.asarray(0))
    x, excess, _, count = jax.lax.while_loop(unfinished, body, first)
    return Cleared(x, excess, count)


class Market(NamedTuple):
    """Where along a path markets cleared worst: the `period`, the unknowns `x`, their `excess` demand there, and at the
    `lower` and `upper` ends of the brackets; (unknowns,) each."""

    period: Array
    x: Array
    excess: Array
    lower: Array
    upper: Array


def worst_market(play: "Play", decisions: "Decision") -> Market:
    """The worst of a path of decisions, leading axis time; what is not a number is worse than anything."""
    size = jnp.max(jnp.abs(decisions.excess), axis=1, initial=0.0)
    period = jnp.argmax(jnp.where(jnp.isfinite(size), size, jnp.inf))
    now = jax.tree.map(lambda x: x[period], decisions)
    if not play.economy.unknowns:
        return Market(period, now.excess, now.excess, now.excess, now.excess)
    ends = (play.at(now.state, end).excess for end in play.economy.brackets())
    return Market(period, play.economy.unknown_values(now.public), now.excess, *ends)


def explain_market(economy: Economy, market: Market, tolerance: float) -> str | None:
    """What to say of a market that did not clear within `tolerance`; None where all did."""
    excess = np.asarray(market.excess)
    missed = ~(np.abs(excess) <= tolerance)
    if not missed.any():
        return None
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


def first_missed(economy: Economy, markets: Market, tolerance: float) -> tuple[tuple[int, ...], str] | None:
    """The first of many markets, any leading axes, that did not clear within `tolerance`: its place and what to say."""
    markets = jax.tree.map(np.asarray, markets)
    for place in np.ndindex(markets.period.shape) if economy.unknowns else ():
        problem = explain_market(economy, jax.tree.map(lambda x, at=place: x[at], markets), tolerance)
        if problem is not None:
            return place, problem
    return None
