"""Parameters of a global solution by the simulated method of moments.

With d the moments of the data, m(theta) the mean of the same moments over S simulated samples of the data's length, V
the covariance of d, and W = V^-1, or the inverse of its diagonal,

    theta = arg min g' W g,      g = m(theta) - d,      Var(g) = (1 + 1/S) V at the truth,

within the box of a solution. Standard errors are those of (1 + 1/S) (G'WG)^-1 G'W V W G (G'WG)^-1, G = dm/dtheta. As
simulated samples are as long as the data, what a moment misses in short samples, as autocorrelations do, is the same in
both. Where V is not given it is that of simulated samples: at the first start for a first estimate, and there again for
the second, which is returned.

Sources: McFadden (1989), Econometrica 57(5); Duffie and Singleton (1993), Econometrica 61(4); Gouriéroux, Monfort and
Renault (1993), Journal of Applied Econometrics 8, for samples as long as the data.
"""

import functools
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy
from hank_mfg.estimate.calibration.targets import Target, Targets, read_targets, weighting
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.observed import column_of, dated
from hank_mfg.estimate.matching.least_squares import (
    Fit,
    Weights,
    at_bounds,
    infer,
    search,
    unmoved,
    warn_of,
    weights_of,
)
from hank_mfg.estimate.matching.matched_moments import MatchedMoments
from hank_mfg.estimate.matching.series_moments import (
    Fluctuations,
    moments_of,
    parse,
    parts_of,
    require_long,
    samples_of,
)
from hank_mfg.estimate.matching.simulated_moments import Setting, SimulatedMoments
from hank_mfg.estimate.tables import read_table
from hank_mfg.evaluate.moments import AHEAD, FILTERS, SMOOTHING, require_smoothing
from hank_mfg.evaluate.units import UNITS, kinds_of, series_names, unit_of
from hank_mfg.model.free import read_start, with_values
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.gradient.box_training import BoxSolution

TOLERANCE = 1e-8  # of a search, whose Jacobian is one of differences
ROUNDING = 1e-12  # of a series that does not vary
ALIKE = 1e-10  # of correlations of moments: a combination that varies less is determined by the others
NOTHING = 1e-8  # of a moment: a parameter that moves it by less from bound to bound does not
Filter = Literal["growth", "hp", "hamilton"]


@float64_allowed
def match_moments(
    solution: BoxSolution,
    targets: Mapping[str, Any] | Sequence[Any] | str | os.PathLike,
    *,
    data: Any = None,
    periods: int | None = None,
    free: Sequence[str] | None = None,
    filter: Filter | None = None,
    smoothing: float | None = None,
    units: Mapping[str, str] | None = None,
    covariance: Any = None,
    weights: Weights = "covariance",
    samples: int = 10,
    burn: int = 250,
    starts: int = 3,
    start: Mapping[str, float] | None = None,
    seed: int = 0,
    asset_points: int | None = None,
) -> MatchedMoments:
    """Choose parameters of a box such that simulated moments match those of the data.

        solution = hm.solve("krusell_smith", over={"risk_aversion": (1, 3), "discount_factor": (.985, .992)})
        hm.match_moments(solution, {"sd(output)": 1.8, "autocorrelation(output)": .9, ...}, periods=200, filter="hp")
        hm.match_moments(solution, ["sd(output)", "correlation(consumption, output)", ...], data="us.csv", filter="hp")

    `targets` maps moments to their values in the data, numbers or `hm.Target` with a standard error and a source, or is
    the path of a CSV file of these (columns moment, value, standard_error, source), and `periods` is the length of the
    data they were computed from; or it lists moments by name, and `data`, a pandas DataFrame or the path of a CSV file
    with one column a series, in levels as the model has them, one row a period, is what they are computed from.

    Moments: "mean(x)" of the level, "sd(x)", "autocorrelation(x)" or "autocorrelation(x, lag)", "correlation(x, y)" of
    fluctuations, and ratios of two, "sd(consumption) / sd(output)". Series are those of `hm.simulate`. Fluctuations are
    100 log x, in percent, of a level above zero, 100 x, in percentage points, of a rate or a share, else x; `units`
    decides it by name ("percent", "percentage points", "level"). `filter` takes their "growth" over a period, or their
    cycle, "hp" with `smoothing` (by default the usual one for the model's period) or "hamilton"; without it they are
    taken as they are.

    `free` names some of the box's parameters; the others have the model's own values. W is the inverse of the
    `covariance` (moments, moments) of the data's moments, or that of all standard errors, taken as independent; where
    neither is given, of the covariance of simulated samples at a first estimate. `weights` "diagonal" leaves out
    correlations. The model's moments are means over `samples` samples as long as the data, after `burn` periods, on
    `asset_points` points (twice those of training). The search begins at `start`, by name, or the model's values, and
    at `starts` - 1 random points.

    A parameter that changes the probabilities of aggregate states, as the persistence of a shock does, makes simulated
    states jump, and moments with them: the objective is then a step function of it, differences are taken over a
    twentieth of its bounds, and searches end near, not at, the smallest value, each start elsewhere, by up to 1.6
    standard errors in the example of docs/simulated_moments.md. The result names it; more `samples` make steps smaller.

    Raises EstimationError, one sentence, for moments, data and covariances that do not fit, ValueError for other bad
    input. Warns where the search did not converge, or where moments do not tell parameters apart.
    """
    begin = time.perf_counter()
    chosen = _chosen(solution, free)
    points = 2 * solution.settings.asset_points if asset_points is None else asset_points
    economy = discretize(solution.model, points)
    names = series_names(economy)
    given = _given(targets, data, names, economy.model.period)
    moments, count = given.targets.moments, len(given.targets.names)
    length = _length(periods, given.levels)
    how = _fluctuations(economy, filter, smoothing)
    require_long(length, moments, how)
    if count < len(chosen):
        raise EstimationError(
            f"{len(chosen)} free parameters and {count} moment{'s' * (count > 1)}: give at least as many moments, or "
            "fewer parameters in free."
        )
    require_sizes(
        "match_moments", {"samples": (samples, 1, 10), "burn": (burn, 0, 250), "starts": (starts, 1, 3)},
        lambda: (30.0 * samples * (burn + length), 2e4 * samples * (burn + length)),
    )  # fmt: skip
    weights_of(np.eye(1), weights)  # before anything is simulated
    _, known = weighting(given.targets, None, covariance)
    first = read_start(solution.model, tuple(solution.parameters[place] for place in chosen), start)
    simulated = SimulatedMoments(Setting(solution, chosen, length, samples, burn, points, seed), moments)
    series = simulated.common_series(first)
    seconds = time.perf_counter() - begin
    used = tuple(dict.fromkeys(name for each in parts_of(moments) for name in each.names))
    how = how._replace(units=_units(economy, used, dict(units or {}), series, given.levels))
    simulated.fluctuations = how
    wanted = given.valued(how)
    values, slopes = simulated(first)
    _require_numbers(wanted.names, values, "the model, at the first start")
    moves = np.where(np.abs(slopes * simulated.span) > NOTHING * np.maximum(1.0, np.abs(values))[:, None], slopes, 0.0)
    still = unmoved([solution.parameters[place].label for place in chosen], moves)
    if still is not None:
        raise EstimationError(f"No moment moves with {still}: leave it out of free, or match moments that do.")
    found = Matching(solution, simulated, wanted, weights).fit(first, known, starts, seed)
    return found((seconds, time.perf_counter() - begin - seconds))


class Given(NamedTuple):
    """The `targets`, whose values are NaN where `levels` of series are given to compute them from."""

    targets: Targets
    levels: dict[str, np.ndarray]

    def valued(self, how: Fluctuations) -> Targets:
        """The targets with their values. Raises EstimationError for one that is no number in the data."""
        if not self.levels:
            return self.targets
        at = samples_of({name: level[None] for name, level in self.levels.items()}, how)
        values = moments_of(self.targets.moments, at)[0]
        _require_numbers(self.targets.names, values, "the data")
        return self.targets._replace(values=values)


def _given(targets: Any, data: Any, series: tuple[str, ...], period: str) -> Given:
    """The targets, from names and data or from values. Raises EstimationError and ValueError, one sentence."""
    import pandas as pd

    reader = functools.partial(parse, series=series)
    if data is None:
        if isinstance(targets, list | tuple) and any(isinstance(each, str) and "(" in each for each in targets):
            raise EstimationError(
                "targets lists moments without values: give data to compute them from, or a dict with values."
            )
        for each in targets.values() if isinstance(targets, Mapping) else ():
            if isinstance(each, Target) and each.moment is not None:
                raise EstimationError("targets: a moment of your own is for hm.calibrate: name moments of series here.")
        return Given(read_targets(targets, reader), {})
    if isinstance(targets, Mapping | str | os.PathLike) or not all(isinstance(each, str) for each in targets):
        raise EstimationError("data are given: list the moments to compute from them by name, ['sd(output)', ...].")
    twice = next((name for place, name in enumerate(targets) if name in targets[:place]), None)
    if twice is not None or not len(targets):
        said = "targets is empty" if twice is None else f"The target {twice!r} is given twice"
        raise EstimationError(f"{said}: list different moments, ['mean(output)', 'sd(output)'].")
    moments = tuple(map(reader, targets))
    frame = dated(read_table(data, "one row a period, dates in the first column", comment="#", index_col=0), period)
    levels = {}
    for name in dict.fromkeys(name for each in parts_of(moments) for name in each.names):
        values = column_of(frame, name, "targets")
        gaps = np.flatnonzero(~np.isfinite(values))
        if len(gaps):
            raise EstimationError(
                f"data[{name!r}] is missing in {frame.index[gaps[0]]}: give a sample without gaps, or leave out "
                "moments of it."
            )
        if not np.ptp(values) > ROUNDING * max(1.0, float(np.abs(values).max(initial=0.0))):
            raise EstimationError(f"data[{name!r}] does not vary: leave moments of it out of targets.")
        levels[name] = values
    unknown, origin = np.full(len(targets), np.nan), "data" if isinstance(data, pd.DataFrame) else Path(data).name
    return Given(Targets(tuple(targets), moments, unknown, unknown, (origin,) * len(targets)), levels)


def _length(periods: int | None, levels: dict[str, np.ndarray]) -> int:
    """The length of the data. Raises EstimationError where it is not said, or said wrongly."""
    own = next((len(each) for each in levels.values()), None)
    if own is None and periods is None:
        raise EstimationError("periods is missing: say how many periods of data the targets were computed from.")
    if own is not None and periods not in (None, own):
        raise EstimationError(f"periods = {periods}, but data have {own}: leave periods out.")
    length = periods if own is None else own
    assert length is not None
    require_sizes("match_moments", {"periods": (length, 1, 200)}, lambda: (30.0 * length, 1e4 * length))
    return length


def _chosen(solution: BoxSolution, free: Sequence[str] | None) -> tuple[int, ...]:
    """The places of free parameters in the box. Raises EstimationError for a name that is none of it."""
    labels = [each.label for each in solution.parameters]
    if free is None:
        return tuple(range(len(labels)))
    names = [free] if isinstance(free, str) else list(free)
    for name in names:
        if name not in labels:
            raise EstimationError(
                f"free: {name!r} is no parameter of the box{did_you_mean(str(name), labels)}: these are "
                f"{', '.join(labels)}."
            )
    if not names:
        raise EstimationError(f"free is empty: name some of {', '.join(labels)}.")
    return tuple(place for place, label in enumerate(labels) if label in names)


def _fluctuations(economy: Economy, filter: str | None, smoothing: float | None) -> Fluctuations:
    """What fluctuations are, but for units. Raises EstimationError and ValueError for a filter that does not fit."""
    period, known = economy.model.period, ("growth", *FILTERS)
    if filter not in (None, *known):
        raise EstimationError(
            f"filter = {filter!r} is not known: choose one of {', '.join(map(repr, known))}, or None."
        )
    if smoothing is not None:
        require_smoothing(smoothing)
        if filter != "hp":
            raise EstimationError(
                f"smoothing = {smoothing:g} is of the filter 'hp': leave it out, or write filter='hp'."
            )
    needed = AHEAD if filter == "hamilton" else SMOOTHING if filter == "hp" and smoothing is None else (period,)
    if period not in needed:
        raise EstimationError(
            f"filter = {filter!r} depends on the length of a period, which the model does not declare: write period = "
            '"quarter" (or "year", "month") in the class.'
        )
    horizon, lags = AHEAD.get(period, (8, 4))
    return Fluctuations({}, filter, smoothing or SMOOTHING.get(period, 1600.0), horizon, lags)


def _units(
    economy: Economy, used: tuple[str, ...], given: dict[str, str], *series: Mapping[str, np.ndarray]
) -> dict[str, str]:
    """The unit of fluctuations of every series that is used. Raises EstimationError for one that is not known."""
    kinds, found = kinds_of(economy), {}
    for name, unit in given.items():
        if name not in used or unit not in UNITS:
            raise EstimationError(
                f"units[{name!r}] = {unit!r}: give one of {', '.join(map(repr, UNITS))} to a series that targets use "
                f"({', '.join(used)})."
            )
    for name in used:
        levels = [each[name] for each in series if name in each]
        found[name] = given.get(name) or unit_of(kinds[name], *levels)
    return found


def _require_numbers(names: tuple[str, ...], values: np.ndarray, where: str) -> None:
    """Raise EstimationError for a moment that is no number."""
    for name, value in zip(names, values, strict=True):
        if not np.isfinite(value):
            raise EstimationError(
                f"{name} is no number in {where}: leave it out where a series does not vary, and give its units as "
                "'level' where it is not positive."
            )


class Matching(NamedTuple):
    """A problem: simulated moments and their targets."""

    solution: BoxSolution
    simulated: SimulatedMoments
    targets: Targets
    weights: Weights

    def fit(self, first: np.ndarray, known: np.ndarray | None, starts: int, seed: int) -> Any:
        """The best of several searches, then of one with weights from there where the data's covariance is not `known`;
        returns a function that makes the result of seconds."""
        low, span = self.simulated.low, self.simulated.span
        matrix = self._simulated_covariance(first) if known is None else known
        begin = np.clip((first - low) / span, 0.01, 0.99)
        fits = [self._search(matrix, None if i else begin, [seed, i]) for i in range(starts)]
        best = min(fits, key=lambda each: each.objective)
        if not np.isfinite(best.objective):
            raise EstimationError(
                "At no start are simulated moments finite numbers: give another start, or other units."
            )
        if known is None:
            matrix = self._simulated_covariance(low + span * best.point)
            best = self._search(matrix, np.clip(best.point, 1e-6, 1.0 - 1e-6), [seed, 0])
        return functools.partial(self._result, best, fits, matrix, "simulated" if known is None else "data")

    def _search(self, matrix: np.ndarray, point: np.ndarray | None, seeds: list[int]) -> Fit:
        root = np.linalg.cholesky(weights_of(matrix, self.weights)).T
        low, span = self.simulated.low, self.simulated.span
        return search(self.simulated, low, span, self.targets.values, root, (point, seeds), tolerance=TOLERANCE)

    def _simulated_covariance(self, vector: np.ndarray) -> np.ndarray:
        """The covariance of moments over samples. Raises EstimationError where some determine others."""
        matrix = self.simulated.covariance(vector)
        scale = np.sqrt(np.diag(matrix))
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = matrix / np.outer(scale, scale)
        if not np.isfinite(correlation).all():
            name = self.targets.names[int(np.argmax(~(scale > 0)))]
            raise EstimationError(f"{name} is the same in every sample of the model: leave it out of targets.")
        values, vectors = np.linalg.eigh(correlation)
        if values[0] < ALIKE:
            heavy = [name for name, x in zip(self.targets.names, vectors[:, 0], strict=True) if abs(x) > 0.1]
            raise EstimationError(
                f"Of the moments {', '.join(heavy)} one is determined by the others in the model: leave one out."
            )
        return matrix

    def _result(
        self, best: Fit, fits: list[Fit], matrix: np.ndarray, origin: str,
        seconds: tuple[float, float],
    ) -> MatchedMoments:  # fmt: skip
        import pandas as pd

        solution, simulated, setting = self.solution, self.simulated, self.simulated.setting
        low, span, free = simulated.low, simulated.span, [solution.parameters[i] for i in setting.places]
        labels = [each.label for each in free]
        vector = low + span * best.point
        values, slopes = simulated(vector)
        gap, scaled, weighting = values - self.targets.values, slopes * span, weights_of(matrix, self.weights)
        bound = at_bounds(best.point, scaled.T @ weighting @ gap)
        whole = (1.0 + 1.0 / setting.samples) * matrix
        known, inner = infer(gap, scaled, weighting, whole, bound), np.flatnonzero(~bound)
        warn_of(best, [labels[i] for i in inner], scaled[:, inner], weighting, "moments")
        errors = np.sqrt(np.diag(matrix))
        frame = pd.DataFrame(
            {"data": self.targets.values, "standard_error": errors, "model": values,
             "gap_in_standard_errors": gap / np.sqrt(np.diag(whole)), "source": list(self.targets.sources)},
            index=pd.Index(self.targets.names, name="moment"),
        )  # fmt: skip
        how = simulated.fluctuations
        smoothed = f"HP filter with smoothing {how.smoothing:g}"
        words = {None: "fluctuations not filtered", "growth": "growth over a period", "hp": smoothed}
        return MatchedMoments(
            model=with_values(solution.model, tuple(free), vector),
            parameters=dict(zip(labels, vector.tolist(), strict=True)),
            standard_errors=dict(zip(labels, (known.standard_errors * span).tolist(), strict=True)),
            covariance=known.covariance * np.outer(span, span),
            bounds={each.label: (each.lower, each.upper) for each in free},
            at_bound=tuple(label for label, each in zip(labels, bound, strict=True) if each),
            statistic=known.statistic, degrees=known.degrees, p_value=known.p_value,
            starts=pd.DataFrame(
                [{**dict(zip(labels, low + span * each.point, strict=True)), "objective": each.objective,
                  "evaluations": each.evaluations, "converged": each.converged} for each in fits]
            ),
            weights=self.weights, converged=best.converged, moments=frame, jacobian=slopes, moment_covariance=matrix,
            covariance_from=origin, samples=setting.samples, periods=setting.periods, burn=setting.burn,
            asset_points=setting.asset_points, seed=setting.seed,
            fluctuations=words.get(how.filter, "Hamilton filter"),
            jumps=tuple(label for label, each in zip(labels, simulated.jumps, strict=True) if each),
            seconds_compile=seconds[0], seconds_run=seconds[1],
        )  # fmt: skip
