"""Choose parameters such that the stationary equilibrium has the moments of the data."""

import functools
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hank_mfg.estimate.calibration.calibration import AT_BOUND, Calibration
from hank_mfg.estimate.calibration.descent import LOOSE, Descent, Here, Problem, descend
from hank_mfg.estimate.calibration.moments import parse_moment
from hank_mfg.estimate.calibration.targets import Targets, read_targets, weighting
from hank_mfg.estimate.errors import CalibrationError
from hank_mfg.model.base import Model
from hank_mfg.model.free import Free, read_free, read_start, with_values
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.stationary.moving import Equilibria, Point
from hank_mfg.solve.stationary.steady_state import SteadyStateError, require_tolerance

MET = 1e-7  # the largest relative gap of targets that are met exactly
NOTHING = 1e-9  # of the largest effect: a parameter with less moves no target
ALIKE = 1e-9  # of the largest singular value: a combination of parameters with less is not determined
TOWARD_MIDDLE = (0.0, 0.25, 0.5, 0.75, 1.0)
ANEW = (0.5, 0.25, 0.75)  # places in the box from which a failed search begins again


@float64_allowed
def calibrate(
    model: Model,
    free: Mapping[str, Sequence[float]],
    targets: Mapping[str, Any] | str | os.PathLike | Sequence[Any],
    *,
    start: Mapping[str, float] | None = None,
    weights: Mapping[str, float] | Sequence[float] | None = None,
    covariance: Any = None,
    asset_points: int = 200,
    tolerance: float = 1e-11,
) -> Calibration:
    """Choose the parameters of a model such that its stationary equilibrium has the moments of the data.

        found = hm.calibrate(model, free={"discount_factor": (0.9, 0.999), "spread": (0, 0.05)},
                             targets={"capital / output": 3.0, "gini": 0.6})
        found.model, found.parameters, found.targets, found.save("my.toml")

    minimizes (m(theta) - target)' W (m(theta) - target) over the parameters theta between their bounds, with m the
    moments of the equilibrium: zero where there are as many targets as parameters.

    `free` maps a parameter, or one entry of a list as "name[0]", to its bounds (low, high), inside the range that the
    model declares. The search begins at `start`, by name, else at the model's values where these are in the box, else
    in its middle; where there is no equilibrium it moves toward the middle.

    `targets` maps moments to values in the units of the model (rates decimal per period): numbers or `hm.Target`. It
    may be the path of a CSV file with the columns moment, value, standard_error and source, or a list of both. Moments:
    what `SteadyState.outcomes` names (prices, aggregates, declared outcomes, choices summed over households); "gini",
    "top_share(0.1)", "bottom_share(0.4)", "lorenz(0.8)" of wealth, or "gini(consumption)" and so on; "quantile(0.5)"
    and "share_at_limit"; "mpc(0.01)", the mean share of a transfer of .01 goods that is spent this period, and
    "mpc(0.01, periods=4)"; the ratio of any two, "capital / output"; functions of your own (`hm.Target`).

    W is the inverse of `covariance` (targets, targets) of the data's moments, or of the squares of all standard errors;
    `weights` if given, on squared gaps; otherwise 1 / value^2. `asset_points` and `tolerance` as in `steady_state`.

    Raises ValueError for bad input; SteadyStateError where the calibrated economy fails a check of `steady_state`;
    CalibrationError where no parameters in the box meet as many targets as parameters (it names the nearest moments and
    the bounds that were reached), where a parameter moves no target, and where parameters are not told apart.
    """
    begin = time.perf_counter()
    task = prepare(
        model, free, targets, start=start, weights=weights, covariance=covariance, asset_points=asset_points,
        tolerance=tolerance,
    )  # fmt: skip
    compiled = time.perf_counter()
    here = task.search()
    steady = task.equilibria.steady(here.here.point, (compiled - begin, time.perf_counter() - compiled))
    return task.result(here, steady)


class Task(NamedTuple):
    """A calibration whose programs are compiled: searches from any start."""

    equilibria: Equilibria
    targets: Targets
    weights: np.ndarray
    spread: np.ndarray | None
    start: np.ndarray
    loose: float = LOOSE

    @property
    def free(self) -> tuple[Free, ...]:
        """The free parameters."""
        return self.equilibria.free

    @property
    def problem(self) -> Problem:
        """What is made small, and where."""
        lower, upper = (np.array([getattr(each, end) for each in self.free]) for end in ("lower", "upper"))
        # W = R' R; W may be singular, where a weight is zero
        sizes, vectors = np.linalg.eigh(self.weights)
        root = np.sqrt(np.maximum(sizes, 0.0))[:, None] * vectors.T
        return Problem(self.equilibria, self.targets.values, root, lower, upper, self.loose)

    def search(self, start: np.ndarray | None = None) -> Descent:
        """The parameters with the smallest gaps, from `start` (free,). Raises CalibrationError and ValueError.

        A search that misses, and a start at which targets do not tell parameters apart, is followed by others."""
        problem, begin = self.problem, self.start if start is None else start
        best: Descent | None = None
        alike: CalibrationError | None = None
        for attempt in range(1 + len(ANEW)):
            if attempt > 1 and best is not None and self._stopped(best):
                break
            if attempt:
                begin = problem.lower + ANEW[attempt - 1] * (problem.upper - problem.lower)
            point = self._first(problem, begin, explain=attempt == 0)
            if point is None:
                continue
            here = problem.here(point)
            self._require_moments(here)
            try:
                self._require_told_apart(problem, here)
            except CalibrationError as error:
                alike = error
                continue
            found = descend(problem, here)
            if best is None or (not best.settled, best.here.size) > (not found.settled, found.here.size):
                best = found
            if self._met(found) or (found.settled and not problem.exact):
                try:
                    self._require_told_apart(problem, found.here)
                except CalibrationError as error:
                    alike = error
                    continue
                return found
        if alike is not None and (best is None or best.settled):
            raise alike
        assert best is not None
        raise CalibrationError(self._missed(best))

    def result(self, found: Descent, steady) -> Calibration:
        """The calibration that a search ended with."""
        slopes = found.here.slopes
        return Calibration(
            with_values(self.equilibria.model, self.free, found.here.point.theta), steady, self.free, self.targets,
            found.here.point.theta, slopes.moments, slopes.total(), self.weights, self.spread, found.steps,
            self.equilibria.evaluations, self.equilibria.linearizations, self.equilibria.seconds_compile,
            steady.seconds_run,
        )  # fmt: skip

    def _first(self, problem: Problem, start: np.ndarray, explain: bool) -> Point | None:
        """An equilibrium at the start or, where there is none, toward the middle of the box."""
        middle = 0.5 * (problem.lower + problem.upper)
        for part in TOWARD_MIDDLE:
            point = self.equilibria.first(start + part * (middle - start))
            if point is not None:
                return point
        if not explain:
            return None
        why: Exception | None = None
        for begin in (start, middle):
            try:
                return self.equilibria.thorough(begin)
            except (SteadyStateError, ValueError) as error:
                why = error
        at = ", ".join(f"{each.label} = {value:g}" for each, value in zip(self.free, middle, strict=True))
        raise CalibrationError(
            f"No stationary equilibrium was found where the search begins, nor on the way to the middle of the box, "
            f"{at}: narrow the bounds, or give a start that has one; {why}"
        ) from why

    def _require_moments(self, here: Here) -> None:
        for name, value in zip(self.targets.names, here.slopes.moments, strict=True):
            if not np.isfinite(value):
                raise ValueError(
                    f"The target {name!r} is not a number where the search begins: shares need positive mean wealth "
                    "and ratios a denominator that is not zero; choose a quantile or a level."
                )

    def _require_told_apart(self, problem: Problem, here: Here) -> None:
        """Raise CalibrationError for a parameter that moves no target and for some that targets do not tell apart."""
        jacobian = problem.jacobian(here.slopes)
        size = np.linalg.norm(jacobian, axis=0)
        if not np.isfinite(size).all() or not size.any():
            raise CalibrationError(
                f"No free parameter moves any target ({', '.join(self.targets.names)}): free others."
            )
        for each, own in zip(self.free, size, strict=True):
            if own <= NOTHING * size.max():
                raise CalibrationError(
                    f"{each.label} moves no target ({', '.join(self.targets.names)}): leave it out of free, or add a "
                    "target that depends on it."
                )
        _, values, directions = np.linalg.svd(jacobian / size)
        if values[-1] <= ALIKE * values[0]:
            order = np.argsort(-np.abs(directions[-1]))[:2]
            one, other = (self.free[place].label for place in sorted(order))
            raise CalibrationError(
                f"The targets do not tell {one} and {other} apart: one can make up for the other; fix one of them, or "
                "add a target that they move differently."
            )

    def _met(self, found: Descent) -> bool:
        """Whether every target is met."""
        size = np.where(self.targets.values == 0, 1.0, np.abs(self.targets.values))
        gap = np.abs(_moments(found) - self.targets.values)
        return bool(np.all(gap <= MET * size) and np.abs(found.here.point.excess).max() <= MET)

    def _stopped(self, found: Descent) -> list[str]:
        """The parameters that ended at a bound, and which."""
        theta = found.here.point.theta
        return [
            f"{each.label} at its {'lower' if value - each.lower < each.upper - value else 'upper'} bound {value:g}"
            for each, value in zip(self.free, theta, strict=True)
            if min(value - each.lower, each.upper - value) <= AT_BOUND * (each.upper - each.lower)
        ]

    def _missed(self, found: Descent) -> str:
        """A sentence on how near a search came."""
        point, moments = found.here.point, _moments(found)
        near = ", ".join(
            f"{name} = {value:.6g} for {target:.6g}"
            for name, value, target in zip(self.targets.names, moments, self.targets.values, strict=True)
        )
        at = ", ".join(f"{each.label} = {value:.6g}" for each, value in zip(self.free, point.theta, strict=True))
        stopped = self._stopped(found)
        cure = f"stopped by {' and '.join(stopped)}; widen it" if stopped else "inside the box; give another start"
        return (
            f"No parameters in the box were found that meet the targets: the nearest have {near}, at {at}, {cure}, or "
            "choose targets that the model can meet."
        )


def _moments(found: Descent) -> np.ndarray:
    """The moments where a search ended, to first order where markets clear: (targets,)."""
    return found.here.slopes.moments + found.here.slopes.correction(found.here.point.excess)


def prepare(
    model: Model, free: Mapping[str, Sequence[float]], targets: Any, *, start=None, weights=None, covariance=None,
    asset_points: int = 200, tolerance: float = 1e-11,
) -> Task:  # fmt: skip
    """A calibration with its input checked and its programs compiled; arguments and errors as for `calibrate`."""
    require_tolerance(tolerance)
    chosen = read_free(model, free)
    begin = read_start(model, chosen, start)
    equilibria = Equilibria(model, chosen, asset_points, tolerance)
    wanted = read_targets(targets, functools.partial(parse_moment, quantities=equilibria.quantities()))
    if len(wanted.names) < len(chosen):
        raise ValueError(
            f"{len(chosen)} free parameters ({', '.join(each.label for each in chosen)}) and {len(wanted.names)} "
            f"target{'s' * (len(wanted.names) > 1)} ({', '.join(wanted.names)}): give at least as many targets, or fix "
            "parameters."
        )
    matrix, spread = weighting(wanted, weights, covariance)
    equilibria.compile(wanted.moments, begin)
    return Task(equilibria, wanted, matrix, spread, begin)
