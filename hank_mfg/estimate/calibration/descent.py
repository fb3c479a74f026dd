"""Levenberg and Marquardt's method in a box of parameters, along the equilibria of an economy.

With gaps g(theta) = W^{1/2} (m(theta) - target) along the equilibrium and J = dg/dtheta each step solves

    min over d of |g + J d|^2 + lambda |D d|^2,     lower <= theta + d <= upper,

a least-squares problem with bounds, exactly, by an active set (SciPy's bounded-variable least squares): with lambda = 0
it is Newton's step where there are as many targets as parameters, and Gauss and Newton's where there are more. One step
goes nine tenths of the way to a bound at most, as a parameter may have no effect at all there, such as the difference
between two types at zero. D are
the largest norms of the columns of J so far (Moré 1978). lambda starts at zero, rises where a step fails - there is no
equilibrium, or gaps do not fall - and falls again after success.

Parameters and prices move together: a step changes U by -F_U^{-1} (F + F_theta d), and markets need not clear at once,
as gaps are corrected to first order for what is left over. Only where the excess is above `loose` are prices searched
at given parameters. At the end both are zero. Source: Moré (1978), "The Levenberg-Marquardt algorithm: implementation
and theory", in Watson (ed.), Numerical Analysis; Stark and Parker (1995), Computational Statistics 10(2).
"""

from typing import NamedTuple

import numpy as np

from hank_mfg.solve.stationary.moving import Equilibria, Point, Slopes, allowed_part, near_equilibrium

STEPS = 60
FAILURES = 12  # of a step, each with a larger lambda
FIRST, MORE, LESS = 1e-3, 8.0, 0.1  # lambda after the first failure; its factors after failure and success
SMALLEST = 1e-10  # below, lambda is zero
LOOSE = 1.0  # the relative excess above which prices are searched at given parameters
CLEARED = 1e-10  # the excess at the end
MET = 1e-11  # the gap, weighted, at which exactly identified parameters are found
STILL = 1e-9  # the step, as a fraction of the box, at which others are
SLOW, FLAT = 1e-5, 1e-8  # relative decreases of squared gaps: after `PATIENCE` such steps a search has settled, with
# as many targets as parameters and with more
PATIENCE = 3
PART, NEAR = 0.9, 1e-4  # of the way to a bound that one step takes; so near, in widths of the box, all of it


class Here(NamedTuple):
    """A point of the search with its derivatives and the weighted `gap` (targets,), corrected to the equilibrium."""

    point: Point
    slopes: Slopes
    gap: np.ndarray

    @property
    def size(self) -> float:
        """The sum of squared gaps."""
        return float(self.gap @ self.gap)

    def better(self, gap: np.ndarray, excess: np.ndarray) -> bool:
        """Whether gaps and excess of another point are smaller together: an excess of one counts as much as all gaps
        here, so that no step wins by prices at which nothing clears."""
        weight = max(1.0, self.size)
        now = self.size + weight * float(self.point.excess @ self.point.excess)
        return bool(gap @ gap + weight * (excess @ excess) < now)  # False where something is not a number


class Descent(NamedTuple):
    """Where a search ended, after so many `steps`, and whether it `settled` there."""

    here: Here
    steps: int
    settled: bool


class Problem(NamedTuple):
    """Targets (targets,), the root R of the weighting matrix, R' R = W (targets, targets), and the bounds (free,)."""

    equilibria: Equilibria
    target: np.ndarray
    root: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    loose: float = LOOSE

    @property
    def exact(self) -> bool:
        """Whether there are as many targets as parameters."""
        return len(self.target) == len(self.lower)

    def here(self, point: Point) -> Here:
        """A point with its derivatives."""
        slopes = self.equilibria.linearize(point)
        return Here(point, slopes, self.gap(slopes.moments + slopes.correction(point.excess)))

    def gap(self, moments: np.ndarray) -> np.ndarray:
        """Weighted gaps of moments."""
        return self.root @ (moments - self.target)

    def jacobian(self, slopes: Slopes) -> np.ndarray:
        """The derivatives of weighted gaps along the equilibrium, per width of the box: (targets, free)."""
        return self.root @ slopes.total() * (self.upper - self.lower)


def descend(problem: Problem, start: Here) -> Descent:
    """The parameters whose gaps are smallest, from an equilibrium to begin with."""
    here, penalty, scale, slow = start, 0.0, np.zeros(len(problem.lower)), 0
    least = SLOW if problem.exact else FLAT
    for step in range(STEPS):
        jacobian = problem.jacobian(here.slopes)
        scale = np.maximum(scale, np.linalg.norm(jacobian, axis=0))
        cleared = np.abs(here.point.excess).max() <= CLEARED
        if problem.exact and cleared and np.abs(here.gap).max() <= MET:
            return Descent(here, step, True)
        if slow >= PATIENCE:  # gaps stay
            return _cleared(problem, here, step)
        for failure in range(FAILURES):
            move = 0.5**failure * _step(problem, here, jacobian, np.sqrt(penalty) * scale)
            small = float(np.abs(move).max())
            if small <= STILL and cleared:
                return Descent(here, step, True)
            following = _try(problem, here, move)
            if following is not None and here.better(following.gap, following.point.excess):
                penalty = LESS * penalty if penalty > SMALLEST else 0.0
                slow = slow + 1 if following.size > (1.0 - least) * here.size else 0
                here = following
                break
            if small <= 1e3 * STILL:  # rounding: nothing is gained by so small a step
                return _cleared(problem, here, step)
            penalty = FIRST if penalty == 0.0 else MORE * penalty
        else:
            return _cleared(problem, here, step)
    return _cleared(problem, here, STEPS, settled=False)


def _cleared(problem: Problem, here: Here, step: int, settled: bool = True) -> Descent:
    """The end of a search that gains nothing more, once markets clear at its parameters."""
    if np.abs(here.point.excess).max() > CLEARED:
        point = near_equilibrium(problem.equilibria, here.point, here.slopes, CLEARED)
        if point is None:
            return Descent(here, step, False)
        here = problem.here(point)
    return Descent(here, step, settled)


def _step(problem: Problem, here: Here, jacobian: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """The damped step inside the box, in widths of the box: (free,)."""
    from scipy.optimize import lsq_linear

    width = problem.upper - problem.lower
    place = np.clip((here.point.theta - problem.lower) / width, 0.0, 1.0)
    matrix = np.concatenate([jacobian, np.diag(damping)])
    right = np.concatenate([-here.gap, np.zeros(len(width))])
    free = np.linalg.lstsq(matrix, right, rcond=1e-13)[0]
    least, most = -_reach(place), _reach(1.0 - place)
    if np.all((free >= least) & (free <= most)):
        return free
    return lsq_linear(matrix, right, (least - 1e-14, most + 1e-14), method="bvls", tol=1e-14).x


def _reach(room: np.ndarray) -> np.ndarray:
    """How far a step may go toward a bound at distance `room`, in widths of the box: all of it only from near by."""
    return np.where(room > NEAR, PART * room, room)


def _try(problem: Problem, here: Here, move: np.ndarray) -> Here | None:
    """The point after a step, prices moved with it; None where there is no equilibrium near."""
    point, slopes, change = here.point, here.slopes, move * (problem.upper - problem.lower)
    part = 1.0
    for _ in range(3):  # shorter until prices stay where they may be
        theta = np.clip(point.theta + part * change, problem.lower, problem.upper)
        shift = slopes.to_equilibrium(point.excess + slopes.excess_in_theta @ (theta - point.theta))
        allowed = allowed_part(problem.equilibria, point, shift)
        if allowed >= 1.0:
            break
        part *= 0.9 * allowed
    shift = shift * min(1.0, allowed)
    found = point.outcome.found
    policy = np.log(np.asarray(found.plan)) + slopes.policy @ np.concatenate([shift, theta - point.theta])
    try:
        trial = problem.equilibria.at(theta, point.x + shift, policy, found.mass)
    except ValueError:  # parameters that a declaration refuses
        return None
    trial = near_equilibrium(problem.equilibria, trial, slopes, problem.loose)
    if trial is None:
        return None
    gap = problem.gap(problem.equilibria.moments(trial) + slopes.correction(trial.excess))
    if not here.better(gap, trial.excess):
        return None
    following = problem.here(trial)
    return following if np.isfinite(following.size) and np.isfinite(following.slopes.total()).all() else None
