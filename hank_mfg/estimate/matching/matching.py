"""Parameters by minimum distance between impulse responses of a model and estimated ones.

With m(theta) the responses of the model at the horizons of the data, d the estimated ones, S the covariance of d, and
W = S^-1, or the inverse of its diagonal,

    theta = arg min g' W g,      g = m(theta) - d,

within bounds, by a trust-region method of Levenberg and Marquardt's kind from several starts, with the exact Jacobian
G = dm/dtheta of the linear solution. Standard errors are those of

    (G'WG)^-1 G'W S W G (G'WG)^-1,

and J = g' (S^-1 - S^-1 G (G' S^-1 G)^-1 G' S^-1) g, chi-squared with n - k degrees of freedom, tests whether the model
could have made the data; for W = S^-1 it is g' S^-1 g. Parameters that end at a bound count as fixed. S is taken as
known: that standard errors and covariances are estimates themselves is not taken into account.

Sources: Rotemberg and Woodford (1997), NBER Macroeconomics Annual 12; Christiano, Eichenbaum and Evans (2005), Journal
of Political Economy 113(1); Hansen (1982), Econometrica 50(4), for the standard errors and J.
"""

import functools
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.quantities import series_names
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.linear_model import LinearModel, declared_bounds, one_thread, steady_series, unsolved
from hank_mfg.estimate.likelihood.observed import Observed, check_levels, check_observed, transformed
from hank_mfg.estimate.likelihood.processes import ARMA, check_processes, innovations
from hank_mfg.estimate.matching.given_responses import GivenMoments, are_responses
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
from hank_mfg.estimate.matching.matched import MatchedResponses
from hank_mfg.estimate.matching.response_data import EstimatedResponses, default_observed, estimated_responses, unit_of
from hank_mfg.evaluate.units import kinds_of
from hank_mfg.model.base import Model
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.model.units import LEVEL
from hank_mfg.parallel import in_pieces
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_whole
from hank_mfg.solve.sequence.path_checks import warn_unsettled
from hank_mfg.solve.stationary.steady_state import SteadyState, require_own_steady, steady_state


@float64_allowed
def match_responses(
    model: Model,
    data: Any,
    free: Mapping[str, tuple[float, float]],
    *,
    shock: str | None = None,
    size: float | None = None,
    observed: Mapping[str, Observed] | None = None,
    covariance: Any = None,
    weights: Weights = "covariance",
    shocks: Mapping[str, ARMA] | None = None,
    responses: Any = None,
    starts: int = 5,
    seed: int = 0,
    horizon: int = 300,
    asset_points: int = 200,
    steady: SteadyState | None = None,
    executor: Executor | None = None,
) -> MatchedResponses:
    """Choose parameters such that impulse responses of the model match estimated ones.

    `data` is a pandas DataFrame or the path of a CSV file with columns variable, horizon (periods since the shock),
    mean and standard_error, and shock where there are several, else `shock` names it. `free` maps parameters to their
    bounds, {"taylor": (1.05, 3)}. Responses are those to an innovation of one standard deviation, or where `size` is
    given of that size in the shock's own units.

    A variable is the series of that name: in percent where it is a level above zero, in percentage points where the
    model declares it a rate or a share, else in its own units; `observed` says otherwise, {"gdp": hm.Observed("output",
    "log", 100)}. `covariance` (rows, rows) of the means, in the order of the rows, replaces standard errors; `weights`
    are its inverse, or that of its "diagonal". `shocks` replaces declared processes of shocks by an `ARMA`.

    Responses are those of the linear solution, `horizon` periods long, around the stationary equilibrium on
    `asset_points` points or `steady`. Other `responses` are given as a function of parameters by name that returns a
    solution or an `ImpulseResponse` (differentiated by finite differences), or as one solution or response, with
    `free={}`, to be compared with the data. The search begins at the values of the model and at `starts` - 1 random
    points within the bounds; `executor` runs starts in parallel.

    Raises EstimationError, one sentence, for data, bounds and covariances that do not fit, and what `steady_state`
    raises. Warns where the search did not converge, or where responses do not tell parameters apart.
    """
    problem = matching(
        model, data, free, shock=shock, size=size, observed=observed, covariance=covariance, shocks=shocks,
        responses=responses, horizon=horizon, asset_points=asset_points, steady=steady,
    )  # fmt: skip
    return problem.fit(weights=weights, starts=starts, seed=seed, executor=executor)


@float64_allowed
def matching(
    model: Model, data: Any, free: Mapping[str, tuple[float, float]], *, shock: str | None = None,
    size: float | None = None, observed: Mapping[str, Observed] | None = None, covariance: Any = None,
    shocks: Mapping[str, ARMA] | None = None, responses: Any = None, horizon: int = 300, asset_points: int = 200,
    steady: SteadyState | None = None,
) -> "Matching":  # fmt: skip
    """A problem of matching, checked and compiled; arguments and errors as of `match_responses`."""
    require_whole("horizon", horizon, 2)
    given = dict(shocks or {})
    require_own_steady(model, steady)
    if size is not None and not (np.isfinite(size) and size != 0):
        raise EstimationError(f"size = {size!r}: give the impact on the shock in its own units, a number but zero.")
    _check_free(model, free, given, responses)
    economy, names = unsolved(model, steady)
    check_processes(economy, names, given)
    series = series_names(economy, names)
    if observed:
        check_observed(observed, series, len(observed))
    estimated = estimated_responses(
        data, variables=list(dict.fromkeys([*series, *(observed or {})])), innovations=innovations(model, given),
        shock=shock, horizon=horizon, covariance=covariance,
    )  # fmt: skip
    if len(free) > len(estimated.mean):
        raise EstimationError(
            f"free has {len(free)} parameters but data only {len(estimated.mean)} moments: free fewer, or give more."
        )
    steady = steady_state(model, asset_points=asset_points) if steady is None else steady
    levels = steady_series(steady)
    check_levels(observed or {}, levels)
    known = {**default_observed(steady.economy, levels), **dict(observed or {})}
    used = {name: known[name] for name in dict.fromkeys(estimated.variables)}
    if responses is not None:
        moments: Any = GivenMoments(model, responses, dict(free), estimated=estimated, observed=used, size=size,
                                    levels=levels)  # fmt: skip
    else:
        moments = LinearMoments(Setting(model, steady, dict(free), given, horizon, estimated, used, size))
    return Matching(model, steady, dict(free), estimated, observed=used, moments=moments)


def _check_free(
    model: Model, free: Mapping[str, tuple[float, float]], shocks: Mapping[str, ARMA], responses: Any
) -> None:
    """Raise EstimationError unless `free` maps parameters to bounds within those that the model declares."""
    own = model.parameters()
    known = [*own, *dict.fromkeys(name for each in shocks.values() for name in each.names() if name not in own)]
    fixed = responses is not None and (are_responses(responses) or not callable(responses))
    if fixed and free:
        raise EstimationError(
            f"responses are given, and {next(iter(free))} does not move them: leave free empty, free={{}}, or give a "
            "function of parameters."
        )
    if not free and not fixed:
        raise EstimationError('free is empty: name parameters and their bounds, free={"taylor": (1.05, 3)}.')
    unfixed = [name for each in shocks.values() for name in each.names() if name not in own and name not in free]
    if unfixed:
        raise EstimationError(f"A process names {unfixed[0]!r}, which is no parameter: give it bounds in free.")
    for name, bounds in free.items():
        if name not in known:
            raise EstimationError(
                f"free: {type(model).__name__} has no parameter {name!r}{did_you_mean(name, known)}; it has "
                f"{', '.join(known)}."
            )
        if name in own and np.ndim(own[name]):
            raise EstimationError(f"free: {name} is a list of numbers: free parameters that are one number.")
        pair = isinstance(bounds, tuple | list) and len(bounds) == 2
        if not pair or not all(isinstance(x, int | float) and np.isfinite(x) for x in bounds) or bounds[0] >= bounds[1]:
            raise EstimationError(f"free[{name!r}] = {bounds!r}: give a lower and a higher bound, two finite numbers.")
        low, high = declared_bounds(model, name)
        if bounds[0] < low or bounds[1] > high:
            raise EstimationError(
                f"free[{name!r}] = {bounds!r} leaves what the model declares, {low:g} to {high:g}: narrow the bounds."
            )


class Setting(NamedTuple):
    """What decides the responses of a linear solution that are matched; arguments as of `match_responses`."""

    model: Model
    steady: SteadyState
    free: dict[str, tuple[float, float]]
    shocks: dict[str, ARMA]
    horizon: int
    estimated: EstimatedResponses
    observed: dict[str, Observed]
    size: float | None


class LinearMoments:
    """Responses of the linear solution at the horizons of the data, and their Jacobian."""

    def __init__(self, setting: Setting):
        self.setting = setting
        self._last: tuple[bytes, Any] | None = None

    def __reduce__(self):
        return LinearMoments, (self.setting,)  # compiled again where it is unpickled

    @functools.cached_property
    def linear(self) -> LinearModel:
        """The linear model, whose kinds of parameters are known."""
        given = self.setting
        starts = {name: sum(bounds) / 2 for name, bounds in given.free.items()}
        own = tuple(name.partition("+")[0] for name in dict.fromkeys(given.estimated.shocks))
        series = (*(each.series for each in given.observed.values()), *own)
        return LinearModel(
            given.model, given.steady, tuple(given.free), series, shocks=given.shocks, horizon=given.horizon,
            starts=starts,
        )  # fmt: skip

    @property
    def start(self) -> dict[str, float]:
        """The values of the model, or the middle of bounds for what only a process names."""
        return self.linear.start

    def _traced(self, linear: LinearModel, vector: Array) -> tuple[Array, Array]:
        """The moments (n,), and the responses of all variables (shocks, periods, variables)."""
        size, estimated, observed = self.setting.size, self.setting.estimated, self.setting.observed
        used = tuple(dict.fromkeys(estimated.shocks))
        places = [linear.innovations.index(name) for name in used]
        paths, levels = linear.paths(linear.by_name(vector), forward=True)
        count = len(observed)
        columns = transformed(paths[..., :count], levels[:count], observed)[jnp.asarray(places)]
        if size is not None:
            impact = jnp.stack([paths[place, 0, count + i] for i, place in enumerate(places)])
            columns = columns * (size / impact)[:, None, None]
        names = list(observed)
        rows = [used.index(name) for name in estimated.shocks]
        variables = [names.index(name) for name in estimated.variables]
        picked = columns[jnp.asarray(rows), jnp.asarray(estimated.horizons), jnp.asarray(variables)]
        return picked, columns

    @functools.cached_property
    def _program(self) -> Any:
        def function(linear: LinearModel, vector: Array):
            value, paths = self._traced(linear, vector)
            return value, (value, paths)

        return self.linear.compiled(jax.jacfwd(function, argnums=1, has_aux=True))

    @float64_allowed
    def __call__(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Moments (n,), their Jacobian (n, k), and responses (shocks, periods, variables) at parameters (k,)."""
        key, last = np.asarray(vector, float).tobytes(), self._last
        if last is None or last[0] != key:
            slopes, (value, paths) = self._program(jnp.asarray(vector, jnp.float64))
            last = self._last = (key, (np.asarray(value), np.asarray(slopes), np.asarray(paths)))
        return last[1]


class Matching:
    """A problem of matching: `fit` solves it, for the data or for other `means` with the same covariance."""

    def __init__(
        self, model: Model, steady: SteadyState, free: dict[str, tuple[float, float]], estimated: EstimatedResponses,
        *, observed: dict[str, Observed], moments: Any,
    ):  # fmt: skip
        self.model, self.steady, self.free, self.estimated, self.observed = model, steady, free, estimated, observed
        self.moments = moments
        bounds = np.asarray(list(free.values()), float).reshape(-1, 2)
        self.low, self.range = bounds[:, 0], bounds[:, 1] - bounds[:, 0]

    @float64_allowed
    def fit(
        self, *, weights: Weights = "covariance", starts: int = 5, seed: int = 0, executor: Executor | None = None,
        means: np.ndarray | None = None,
    ) -> MatchedResponses:  # fmt: skip
        """The best of `starts` searches; arguments and errors as of `match_responses`, `means` (n,) in place of the
        estimated ones."""
        require_whole("starts", starts, 1)
        estimated = self.estimated if means is None else self.estimated._replace(mean=np.asarray(means, float))
        matrix = estimated.covariance
        weighting = weights_of(matrix, weights)
        root = np.linalg.cholesky(weighting).T  # W = root' root
        from_start = functools.partial(search, self.moments, self.low, self.range, estimated.mean, root)
        fits: list[Fit] = []
        if self.free:
            first = np.asarray([self.moments.start[name] for name in self.free])
            first = np.clip((first - self.low) / self.range, 0.01, 0.99)
            self.moments(self.low + self.range * first)  # compiled before threads begin
            seeds = [(None if i else first, [seed, i]) for i in range(starts)]
            names = [f"start {i + 1}" for i in range(starts)]
            with one_thread():
                fits = in_pieces(from_start, seeds, executor=executor, names=names)
            if not any(np.isfinite(each.objective) for each in fits):
                raise EstimationError(
                    "At no start are the responses of the model finite numbers: narrow the bounds in free."
                )
        best = min(fits, key=lambda each: each.objective) if fits else Fit(np.zeros(0), 0.0, 1, True)
        return self._result(best, fits, estimated, weighting, weights)

    def _result(
        self, best: Fit, fits: list[Fit], estimated: EstimatedResponses, weighting: np.ndarray, weights: str
    ) -> MatchedResponses:
        import pandas as pd

        vector = self.low + self.range * best.point
        values, slopes, paths = self.moments(vector)
        gap, scaled = values - estimated.mean, slopes * self.range
        bound = at_bounds(best.point, scaled.T @ weighting @ gap)
        still = unmoved(list(self.free), scaled)
        if still is not None:
            raise EstimationError(
                f"free: the responses in data do not move with {still}: leave it out of free, or match variables that "
                "do."
            )
        known = infer(gap, scaled, weighting, estimated.covariance, bound)
        covariance = known.covariance * np.outer(self.range, self.range)
        inner = np.flatnonzero(~bound)
        warn_of(best, [list(self.free)[i] for i in inner], scaled[:, inner], weighting, "responses")
        if isinstance(self.moments, LinearMoments):
            largest = dict(zip(self.observed, np.abs(paths).max(axis=0).T, strict=True))
            warn_unsettled(largest, paths.shape[1])
        frame = pd.DataFrame(
            {"shock": estimated.shocks, "variable": estimated.variables, "horizon": estimated.horizons,
             "data": estimated.mean, "standard_error": estimated.standard_error, "model": values,
             "gap_in_standard_errors": gap / estimated.standard_error}
        )  # fmt: skip
        found = dict(zip(self.free, vector.tolist(), strict=True))
        own = {name: value for name, value in found.items() if name in self.model.parameters()}
        kinds, last = kinds_of(self.steady.economy), int(estimated.horizons.max())
        return MatchedResponses(
            model=self.model.with_parameters(**own), parameters=found,
            standard_errors=dict(zip(self.free, np.sqrt(np.diag(covariance)).tolist(), strict=True)),
            covariance=covariance, bounds={name: (float(low), float(high)) for name, (low, high) in self.free.items()},
            at_bound=tuple(name for name, each in zip(self.free, bound, strict=True) if each),
            statistic=known.statistic, degrees=known.degrees, p_value=known.p_value, gaps=frame,
            responses=_long(paths[:, : last + 1], tuple(dict.fromkeys(estimated.shocks)), tuple(self.observed)),
            starts=pd.DataFrame(
                [{**dict(zip(self.free, self.low + self.range * each.point, strict=True)), "objective": each.objective,
                  "evaluations": each.evaluations, "converged": each.converged} for each in fits]
            ),
            units={name: unit_of(each, kinds.get(each.series, LEVEL)) for name, each in self.observed.items()},
            weights=weights, converged=best.converged, period=getattr(self.model, "period", ""),
            source="linear solution" if isinstance(self.moments, LinearMoments) else "given responses",
        )  # fmt: skip


def _long(paths: np.ndarray, shocks: tuple[str, ...], variables: tuple[str, ...]) -> Any:
    """Responses (shocks, periods, variables) as a table with one row a number."""
    import pandas as pd

    index = pd.MultiIndex.from_product(
        [shocks, range(paths.shape[1]), variables], names=["shock", "horizon", "variable"]
    )
    return pd.DataFrame({"model": paths.reshape(-1)}, index=index).reset_index()
