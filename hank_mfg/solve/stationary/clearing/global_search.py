"""Global searches for equilibria, independent of units, of a first guess and of the sign of an equation.

One unknown: the values at which an equilibrium is possible at all (candidates.py) form intervals, whose ends are the
edges of supply, of feasibility or of the bracket. The excess is evaluated at places that close in on both ends of each,
in logarithms of an aggregate, and every change of sign is followed to its root by Brent's method.

Several unknowns: from many starts over the bracket, aggregates beyond the edge of supply there, Newton's method in
scaled unknowns, its steps damped until the next full step would be shorter (the natural level function, which no
scaling of the equations changes).

Sources: Brent (1973), Algorithms for Minimization without Derivatives; Deuflhard (2011), Newton Methods for Nonlinear
Problems, algorithm NLEQ-ERR.
"""

import functools
import itertools
import time
from typing import Any, NamedTuple

import numpy as np

from hank_mfg.environment.quantities import Names
from hank_mfg.solve.stationary.clearing.candidates import Candidate, Candidates, resumed_at
from hank_mfg.solve.stationary.clearing.clearing import ENDS, Edge
from hank_mfg.solve.stationary.clearing.clearing import NEWTON as NEWTON_OF_PROGRAM

CLEARED = 1e-6  # excess of what is called an equilibrium
DECADES = (-9.0, 1.0)  # of aggregates, in units of the longest asset position
POINTS = 200  # of the survey of one unknown
CLOSING = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.25, 0.5)  # of an interval: places from either end
STEPS = (
    1e-8,
    1e-7,
    1e-6,
    1e-5,
    1e-4,
    1e-3,
    1e-2,
    0.03,
    0.1,
    0.25,
    0.5,
    1.0,
    2.0,
    4.0,
    8.0,
)  # the same in logs of an aggregate
LADDER = 40  # levels of aggregates at each draw of prices
DRAWS = 48  # of prices, or of prices and ratios of aggregates
STARTS = 16  # candidates evaluated
DESCENTS = 6  # from the best of them, until two have cleared
NEWTON = 25  # steps of each
CRAWL = 0.05  # part of a Newton step that the end of a bracket leaves
POLISHING = 6  # steps of the program at its end
SINGULAR = 1e-5  # smallest over largest singular value of a Jacobian without full rank, rows scaled
SUSPECT = 1e-3  # the same where differences are rough and the cause is tried afterwards
FAR = 1.0  # logarithms between an aggregate assumed and supplied
DIFFERENCE = 1e-4  # step of a derivative, in scaled unknowns
POSITIVE = 0.01  # times the lower end of a bracket: how far a longer one goes
PRECISE: Any = 8.9e-16  # of a root, relative
FINER = (1e-13, 1e-14)  # tolerances of the household where an excess jumps
SAME = 1e-4  # relative distance of two roots that are one


class Interval(NamedTuple):
    """An interval of one unknown's coordinate on which an equilibrium is possible."""

    low: float
    high: float


class Budget:
    """Seconds of computing left for a search after a failure; other work on the machine does not count."""

    def __init__(self, seconds: float):
        self.end = time.process_time() + seconds

    def left(self) -> bool:
        """Whether there are any."""
        return time.process_time() < self.end


def aggregate_range(candidates: Candidates) -> tuple[float, float]:
    """Logarithms of the smallest and largest value of an aggregate: from the asset range, and `ENDS`."""
    grid = candidates.economy.grid
    reach = max(abs(float(grid.lower)), abs(float(grid.upper)))
    low, high = (np.log(reach) + decades * np.log(10.0) for decades in DECADES)
    return min(low, np.log(ENDS[0])), max(high, np.log(ENDS[1]))


def ends_of(candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the brackets of prices that clear inside the period."""
    lower, upper = candidates.economy.brackets()
    return np.asarray(lower), np.asarray(upper)


def level_of(names: Names, x: np.ndarray) -> np.ndarray:
    """The value of one unknown at its coordinate: the exponential of that of an aggregate."""
    return np.asarray(x) if names.clearing else np.exp(np.asarray(x))


def intervals(candidates: Candidates, low: float, high: float) -> list[Interval]:
    """The intervals between two coordinates on which an equilibrium is possible, ends by repeated division."""
    names = candidates.names

    def possible(x: np.ndarray) -> np.ndarray:
        return candidates.survey(level_of(names, x)[:, None]).admissible

    def end_between(inside: float, outside: float) -> float:
        for _ in range(8):
            x = np.linspace(inside, outside, 34)
            good = possible(x[1:-1])
            first = int(np.argmin(good)) if not good.all() else len(good)
            inside, outside = x[first], x[first + 1]
            if abs(outside - inside) <= 4e-15 * max(abs(inside), abs(outside)):
                break
        return inside

    x = np.linspace(low, high, POINTS)
    good = possible(x)
    found, start = [], None
    for place in range(POINTS + 1):
        now = place < POINTS and good[place]
        if now and start is None:
            start = x[0] if place == 0 else end_between(x[place], x[place - 1])
        if not now and start is not None:
            end = x[-1] if place == POINTS else end_between(x[place - 1], x[place])
            found.append(Interval(float(start), float(end)))
            start = None
    return [each for each in found if each.high > each.low]


def places(interval: Interval, logs: bool) -> np.ndarray:
    """Coordinates at which the excess is looked at, closing in on both ends."""
    width = interval.high - interval.low
    steps = np.asarray([step for step in STEPS if step <= 0.5 * width] if logs else [width * part for part in CLOSING])
    inside = np.concatenate([interval.low + steps, interval.high - steps, [0.5 * (interval.low + interval.high)]])
    return np.unique(inside)


class Sweep(NamedTuple):
    """The excess of one unknown over an interval: coordinates `x`, `evaluated` there, and the `roots` between."""

    interval: Interval
    x: np.ndarray
    evaluated: list[Candidate]
    roots: list[Candidate]

    @property
    def signs(self) -> np.ndarray:
        """The sign of the excess at each place; NaN where it is not a number."""
        return np.asarray([np.sign(float(candidate.excess[0])) for candidate in self.evaluated])


def sweep(candidates: Candidates, interval: Interval, tolerance: float, budget: Budget) -> Sweep:
    """The excess over an interval and every root that a change of sign shows."""
    x, evaluated = [], []
    for at in places(interval, not candidates.names.clearing):
        if not budget.left():
            break
        x.append(float(at))
        evaluated.append(candidates(level_of(candidates.names, at)[None], evaluated[-1] if evaluated else None))
    found = Sweep(interval, np.asarray(x), evaluated, [])
    known = np.flatnonzero(~np.isnan(found.signs))
    for one, other in itertools.pairwise(known):
        if found.signs[one] * found.signs[other] <= 0 and budget.left():
            ends = (found.x[one], found.x[other])
            found.roots.append(precise_root(candidates, ends, (evaluated[one], evaluated[other]), tolerance, budget))
    return found


def precise_root(candidates: Candidates, ends, evaluated, tolerance: float, budget: Budget) -> Candidate:
    """`root_between`, with the household solved more precisely where the excess jumps over zero.

    Next to the edge of supply, where wealth drifts by 1 - beta (1 + r) a period, an error of consumption moves the mean
    of wealth by its ratio to that: with hardly any idiosyncratic risk a tolerance of 1e-11 leaves 1e-4.
    """
    root = root_between(candidates, ends, evaluated, tolerance)
    for finer in FINER:
        if root.size <= CLEARED or not finer < tolerance or not budget.left():
            break
        root = min(root, root_between(candidates, ends, evaluated, finer), key=lambda candidate: candidate.size)
    return root


def root_between(candidates: Candidates, ends, evaluated, tolerance: float) -> Candidate:
    """The root of the excess of one unknown between two coordinates at which it has different signs.

    Where the excess jumps over zero the candidate returned is next to the jump, its `size` not small.
    """
    import scipy.optimize  # here, as scipy.stats below: both are slow to import

    last = [min(evaluated, key=lambda candidate: candidate.size)]

    @functools.cache  # evaluated again from elsewhere, an end at the root may change its sign by rounding
    def excess(x: float) -> float:
        last.append(candidates(level_of(candidates.names, np.asarray([x])), last[-1], tolerance))
        return float(np.clip(last[-1].excess[0], -1e6, 1e6))

    if (
        all(np.isfinite(candidate.size) for candidate in evaluated)
        and excess(float(ends[0])) * excess(float(ends[1])) < 0
    ):
        scipy.optimize.brentq(excess, *ends, xtol=1e-300, rtol=PRECISE, maxiter=100, disp=False)
    return min(last[1:] or last, key=lambda candidate: candidate.size)


def distinct(evaluated: list[Candidate]) -> list[Candidate]:
    """Those that clear, each once, in the order of their first unknown."""
    roots: list[Candidate] = []
    for one in sorted((each for each in evaluated if each.size <= CLEARED), key=lambda each: float(each.unknown[0])):
        scale = np.maximum(np.abs(one.unknown), 1e-3)
        if not any(np.all(np.abs(one.unknown - other.unknown) <= SAME * scale) for other in roots):
            roots.append(one)
    return roots


def sweeps_of_one(candidates: Candidates, tolerance: float, budget: Budget, widen: float = 0.0) -> list[Sweep]:
    """The excess of the one unknown wherever an equilibrium is possible, the bracket of a price widened on either
    side by `widen` times its length."""
    ends = range_of_one(candidates, widen)
    return [sweep(candidates, each, tolerance, budget) for each in intervals(candidates, *ends)]


def range_of_one(candidates: Candidates, widen: float = 0.0) -> tuple[float, float]:
    """The smallest and largest coordinate of the one unknown, the bracket of a price widened as in `sweeps_of_one`."""
    if not candidates.names.clearing:
        return aggregate_range(candidates)
    low, high = (float(each[0]) for each in ends_of(candidates))
    return low - widen * (high - low), high + widen * (high - low)


def edge_of_growth(candidates: Candidates) -> Edge | None:
    """The value of the one unknown at which wealth would grow without bound, where the search may begin.

    The quick search begins where the spectral radius of diag(beta (1 + r)) P is one. Where households are patient only
    for a while, the mean of wealth stays finite beyond (candidates.py). None unless the values at which an
    equilibrium is possible are one interval that ends inside the range of the unknown, of an aggregate from below.
    """
    low, high = range_of_one(candidates)
    found = intervals(candidates, low, high)
    if len(found) != 1:
        return None
    names, (first, last) = candidates.names, found[0]
    if names.clearing and last < high:
        first, last = last, first
    elif first <= low:
        return None
    at: Any = level_of(names, np.asarray(first))
    return Edge(at, np.asarray(last) - at if names.clearing else at)


# ------------------------------------------------------------------------------------------------- several unknowns


class Scaled:
    """Several unknowns without units: logarithms of aggregates, positions of prices in their bracket, which
    is longer on either side by `widen` times its length; what is positive stays positive."""

    def __init__(self, candidates: Candidates, widen: float = 0.0):
        self.candidates, self.count = candidates, len(candidates.names.unknown)
        lower, upper = ends_of(candidates)
        more = widen * (upper - lower)
        self.lower = np.where(lower > 0, np.maximum(lower - more, POSITIVE * lower), lower - more)
        self.upper = np.where(upper < 0, np.minimum(upper + more, POSITIVE * upper), upper + more)

    def level(self, z: np.ndarray) -> np.ndarray:
        """The unknowns (..., searched) at coordinates z."""
        prices = self.lower + z[..., self.count :] * (self.upper - self.lower)
        return np.concatenate([np.exp(z[..., : self.count]), prices], axis=-1)

    def coordinates(self, unknown: np.ndarray) -> np.ndarray:
        """The inverse of `level`."""
        prices = (unknown[self.count :] - self.lower) / (self.upper - self.lower)
        return np.concatenate([np.log(unknown[: self.count]), prices])

    def room(self, z: np.ndarray, move: np.ndarray) -> float:
        """The part of a move that changes no aggregate by more than e and stays inside nine tenths of the brackets."""
        growth = np.max(np.abs(move[: self.count]), initial=0.0)
        prices, ahead = z[self.count :], move[self.count :]
        space = np.where(ahead > 0, 1.0 - prices, prices) / np.maximum(np.abs(ahead), 1e-300)
        return min(1.0, 1.0 / max(growth, 1.0), 0.9 * float(np.min(space, initial=np.inf)))


def starts(scaled: Scaled) -> np.ndarray:
    """Coordinates (n, searched) at which an equilibrium is possible, spread out, aggregates just beyond the edge."""
    import scipy.stats

    candidates, count = scaled.candidates, scaled.count
    prices = len(candidates.names.searched) - count
    draws = scipy.stats.qmc.Halton(prices + max(count - 1, 0) or 1, scramble=False)
    position = draws.random(DRAWS if count else DRAWS * LADDER // 4)
    inside = position[:, :prices]
    if not count:
        good = candidates.survey(scaled.level(inside)).admissible
        return _spread(inside[good], STARTS)
    ratios = np.concatenate([np.zeros((len(position), 1)), 4.0 * position[:, prices:][:, : count - 1] - 2.0], axis=1)
    levels = np.linspace(*aggregate_range(candidates), LADDER)
    z = np.concatenate(
        [levels[None, :, None] + ratios[:, None], np.repeat(inside[:, None], LADDER, axis=1)], axis=2
    )  # (draws, levels, searched)
    good = candidates.survey(scaled.level(z).reshape(-1, z.shape[2])).admissible.reshape(z.shape[:2])
    rising = good & ~np.concatenate([np.zeros((len(good), 1), bool), good[:, :-1]], axis=1)
    first = z[rising]
    second = z[np.concatenate([np.zeros((len(good), 1), bool), rising[:, :-1]], axis=1) & good]
    return np.concatenate([_spread(first, STARTS // 2), _spread(second, STARTS // 2)])


def _spread(points: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the points, each far from those before it."""
    if len(points) <= count:
        return points
    chosen = [int(np.argmin(np.linalg.norm(points - np.median(points, axis=0), axis=1)))]
    away = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(away)))
        away = np.minimum(away, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return points[chosen]


def jacobian(scaled: Scaled, candidate: Candidate, tolerance: float) -> np.ndarray:
    """Derivatives of the excess in scaled unknowns, one-sided differences: (searched, searched)."""
    z = scaled.coordinates(candidate.unknown)
    columns = []
    for place in range(len(z)):
        for step in (DIFFERENCE, -DIFFERENCE):
            moved = z.copy()
            moved[place] += step
            other = scaled.candidates(scaled.level(moved), candidate, tolerance)
            if np.isfinite(other.size):
                break
        columns.append((other.excess - candidate.excess) / step)
    return np.stack(columns, axis=1)


def descend(scaled: Scaled, first: Candidate, budget: Budget, rank: float = 1e-12) -> Candidate:
    """Damped Newton from `first`; returns the best candidate reached.

    Singular values of the Jacobian, rows scaled, below `rank` times the largest count as zero: steps are then the
    shortest ones (Gauss-Newton), as they must be where equilibria form a curve.
    """
    tolerance, now, crawls = 1e-9, first, 0
    for _ in range(NEWTON):
        if not budget.left() or not np.isfinite(now.size) or now.size <= CLEARED:
            return now
        slope = jacobian(scaled, now, tolerance)
        if not np.isfinite(slope).all():
            return now
        size = np.abs(slope).max(axis=1)
        size = np.where(size > 0, size, 1.0)
        inverse = np.linalg.pinv(slope / size[:, None], rcond=rank) / size
        move, z = -inverse @ now.excess, scaled.coordinates(now.unknown)
        part = scaled.room(z, move)
        crawls = crawls + 1 if part < CRAWL else 0
        if crawls > 3:  # toward the end of a bracket
            return now
        for _ in range(10):
            candidate = scaled.candidates(scaled.level(z + part * move), now, tolerance)
            ahead = np.linalg.norm(inverse @ candidate.excess) if np.isfinite(candidate.size) else np.inf
            if ahead <= (1.0 - 0.25 * part) * np.linalg.norm(move):
                break
            part *= 0.5
        else:
            return now
        now = candidate
    return now


def roots_of_several(candidates: Candidates, budget: Budget, widen: float = 0.0) -> tuple[list, list]:
    """Roots in several unknowns, and all ends of searches, best first: Candidates."""
    scaled = Scaled(candidates, widen)
    evaluated: list[Candidate] = []
    for z in starts(scaled):
        if budget.left():
            near = min(evaluated, key=lambda each: _far(each, z, scaled), default=None)
            evaluated.append(candidates(scaled.level(z), near))
            evaluated.extend(_as_supplied(scaled, evaluated[-1]))
    finite = [candidate for candidate in evaluated if np.isfinite(candidate.size)]
    finite.sort(key=lambda candidate: float(np.linalg.norm(np.arcsinh(candidate.excess))))
    near = [np.allclose(one.unknown, other.unknown, rtol=SAME, atol=0.0) for one, other in itertools.pairwise(finite)]
    finite = [candidate for candidate, again in zip(finite, [False, *near], strict=False) if not again]
    ends: list[Candidate] = []
    for candidate in finite[:DESCENTS]:
        if budget.left() and sum(end.size <= CLEARED for end in ends) < 2:
            ends.append(polish(candidates, descend(scaled, candidate, budget)))
    if not any(end.size <= CLEARED for end in ends) and finite and budget.left():
        ends.append(descend(scaled, finite[0], budget, rank=SUSPECT))
    ends.sort(key=lambda candidate: candidate.size)
    return distinct(ends), ends or finite


def _as_supplied(scaled: Scaled, candidate: Candidate) -> list[Candidate]:
    """Each aggregate set to what households supply at `candidate`, where that is far from it and possible."""
    count = scaled.count
    if not np.isfinite(candidate.size) or not np.abs(candidate.excess[:count]).max(initial=0.0) > FAR:
        return []
    unknown = candidate.unknown.copy()
    unknown[:count] *= np.exp(candidate.excess[:count])
    if not scaled.candidates.survey(unknown).admissible.all():
        return []
    return [scaled.candidates(unknown, candidate)]


def _far(candidate: Candidate, z: np.ndarray, scaled: Scaled) -> float:
    return float(np.linalg.norm(scaled.coordinates(candidate.unknown) - z))


def polish(candidates: Candidates, candidate: Candidate) -> Candidate:
    """The root near a candidate by the program's own Newton steps, where these lead closer."""
    if not candidate.size <= 1.0:
        return candidate
    start, mass = np.log(np.asarray(candidate.found.plan)), candidate.found.mass
    there = resumed_at(candidates.economy, candidates.names, candidate.unknown, start, mass, 1e-11)
    better = candidates.resume(there._replace(tries=np.asarray(NEWTON_OF_PROGRAM - POLISHING)))
    return better if better.size <= max(0.1 * CLEARED, candidate.size) else candidate


def near_guess(candidates: Candidates, guess: np.ndarray, tolerance: float, budget: Budget) -> Candidate:
    """The root next to a guess (searched,): steps that grow until the excess of one unknown changes its sign, or
    damped Newton steps in several."""
    if len(guess) > 1:
        return polish(candidates, descend(Scaled(candidates), candidates(guess), budget))
    names = candidates.names
    first = candidates(guess)
    x0 = float(guess[0]) if names.clearing else float(np.log(guess[0]))
    scale = float(np.ptp(np.concatenate(ends_of(candidates)))) if names.clearing else 1.0
    best, edges = first, {-1.0: (x0, first), 1.0: (x0, first)}
    step = 1e-4 * scale
    while step < scale and budget.left() and np.isfinite(first.size):
        for side, (x, before) in list(edges.items()):
            at = x0 + side * step
            candidate = candidates(level_of(names, np.asarray([at])), before)
            if not np.isfinite(candidate.size):
                continue
            if candidate.excess[0] * before.excess[0] <= 0:
                return root_between(candidates, (x, at), (before, candidate), tolerance)
            edges[side] = (at, candidate)
            best = min(best, candidate, key=lambda each: each.size)
        step *= 3.0
    return best
