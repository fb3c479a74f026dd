"""The likelihood of time series in the linear solution, as a function of parameters, compiled once."""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from hank_mfg.environment.quantities import series_names
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.gaussian import log_likelihood
from hank_mfg.estimate.likelihood.linear_model import LinearModel, one_thread, steady_series, unsolved
from hank_mfg.estimate.likelihood.observed import Observed, Sample, check_levels, check_observed, sample_of, transformed
from hank_mfg.estimate.likelihood.processes import ARMA, check_processes, innovations
from hank_mfg.model.base import Model
from hank_mfg.model.fingerprint import fingerprint
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.stationary.steady_state import SteadyState, require_own_steady, steady_state


class Likelihood(LinearModel):
    """log p(data | parameters) of the linear solution: call it with parameters by name.

        likelihood = hm.likelihood(model, data, {"gdp": hm.Observed("output", trend="linear")}, ["taylor"])
        likelihood(taylor=1.4)                      a number
        likelihood.value_and_gradient({"taylor": 1.4})

    `parameters` are their names, `kinds` says of each whether it is one of "shocks", "equations" or "households",
    `start` their values in the model. `sample` is what is compared, `innovations` the names of the shocks' innovations.
    Within JAX, as in a NumPyro model, a call is traced: `numpyro.factor("data", likelihood(taylor=taylor))`, inside
    `with jax.enable_x64(True):`. Everything is in float64; minus infinity where no covariance is positive definite.
    """

    def __init__(
        self, model: Model, steady: SteadyState, sample: Sample, observed: Mapping[str, Observed], *,
        parameters: tuple[str, ...], shocks: Mapping[str, ARMA], horizon: int, starts: Mapping[str, float],
    ):  # fmt: skip
        series = tuple(each.series for each in observed.values())
        super().__init__(model, steady, parameters, series, shocks=shocks, horizon=horizon, starts=starts)
        self.sample, self.observed = sample, dict(observed)

    def __repr__(self) -> str:
        kinds = {
            kind: [n for n in self.parameters if self.kinds[n] == kind]
            for kind in ("shocks", "equations", "households")
        }
        parts = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names)
        size = f"{len(self.sample.kept)} observations of {', '.join(self.sample.columns)}"
        return f"Likelihood({type(self.model).__name__}: {size}, {self.horizon} periods of responses; {parts}; float64)"

    def coefficients(self, values: Mapping[str, Any]) -> Array:
        """Moving-average coefficients of the observed columns at parameter `values`, (innovations, horizon, columns),
        in units of the data per standard deviation of each innovation."""
        paths, levels = self.paths(values)
        return transformed(paths, levels, self.observed)

    def identity(self) -> str:
        """A digest of data, model, equations and settings: equal for likelihoods that are."""
        model = type(self.model)
        parts = [
            model.__name__, fingerprint(model), {n: np.asarray(v).tolist() for n, v in self.model.parameters().items()},
            self.steady.economy.shape, self.horizon, self.parameters, self.sample.columns, list(self.observed.values()),
            {name: tuple(each) for name, each in self.shocks.items()},
        ]  # fmt: skip
        digest = hashlib.sha256(json.dumps(parts, default=str).encode())
        digest.update(np.ascontiguousarray(self.sample.values).tobytes())
        return digest.hexdigest()

    def noise(self, values: Mapping[str, Any]) -> Array:
        """Variances of measurement errors, (columns,), in units of the data squared."""
        known, errors = self.known(values), [each.measurement_error for each in self.observed.values()]
        return jnp.stack([jnp.asarray(known[e] if isinstance(e, str) else e, jnp.float64) for e in errors]) ** 2

    def traced(self, values: Mapping[str, Any]) -> Array:
        """The log likelihood at parameter `values` by name, in float64, for use inside JAX transformations."""
        sample = self.sample
        return log_likelihood(
            self.coefficients(values), self.noise(values), jnp.asarray(sample.present), sample.kept, len(sample.values)
        )

    def __call__(self, **values: Any) -> Any:
        self._check(values)
        if any(isinstance(each, Tracer) for each in values.values()):
            if not jax.config.read("jax_enable_x64"):
                raise EstimationError("A likelihood is traced in float64: call inside `with jax.enable_x64(True):`.")
            return self.traced({**self.start, **values})
        return self._value(values)

    @float64_allowed
    def _value(self, values: Mapping[str, float]) -> float:
        return float(self._run(self._program, values))

    @float64_allowed
    def value_and_gradient(self, values: Mapping[str, float]) -> tuple[float, dict[str, float]]:
        """The log likelihood at parameter `values` by name, others as in `start`, and its exact derivative in each
        of them."""
        self._check(values)
        value, gradient = self._run(self._program_of_gradients, values)
        return float(value), dict(zip(self.parameters, np.asarray(gradient).tolist(), strict=True))

    def _run(self, program: Callable[[Array], Any], values: Mapping[str, float]) -> Any:
        with one_thread():
            return jax.block_until_ready(program(self.vector(values)))

    @functools.cached_property
    def _program(self) -> Callable[[Array], Array]:
        """The compiled value at a vector of parameters."""
        return self.compiled(lambda likelihood, vector: likelihood.traced(likelihood.by_name(vector)))

    @functools.cached_property
    def _program_of_gradients(self) -> Callable[[Array], tuple[Array, Array]]:
        """The compiled value and gradient at a vector of parameters."""
        return self.compiled(
            jax.value_and_grad(lambda likelihood, vector: likelihood.traced(likelihood.by_name(vector)), argnums=1)
        )

    def _check(self, values: Mapping[str, Any]) -> None:
        for name in values:
            if name not in self.parameters:
                close = did_you_mean(name, list(self.parameters))
                raise EstimationError(f"This likelihood has no parameter {name!r}{close}; it has "
                                      f"{', '.join(self.parameters)}.")  # fmt: skip


@float64_allowed
def likelihood(
    model: Model,
    data: Any,
    observed: Mapping[str, Observed],
    parameters: Sequence[str],
    *,
    shocks: Mapping[str, ARMA] | None = None,
    start: Mapping[str, float] | None = None,
    horizon: int = 300,
    asset_points: int = 200,
    steady: SteadyState | None = None,
) -> Likelihood:
    """The likelihood of time series in the linear solution of a model, as a function of `parameters`.

    `data` is a pandas DataFrame, one row a period, or the path of a CSV file with dates in its first column; missing
    values are left out of the likelihood. `observed` maps columns to what they are in the model, see `Observed`.
    `parameters` name fields of the model, or what only `shocks` and measurement errors name, whose first values are in
    `start`. `shocks` replaces declared processes of shocks by an `ARMA`. `horizon` is the length of responses;
    `steady` the stationary equilibrium where it is known, else it is solved on `asset_points` points.

    Raises EstimationError, one sentence, for what does not fit: columns, dates, transformations, parameters, all of
    it but logarithms of what is not positive before anything is solved; and what `steady_state` raises.
    """
    given, start = dict(shocks or {}), dict(start or {})
    parameters = tuple(parameters)
    require_own_steady(model, steady)
    economy, names = unsolved(model, steady)
    check_processes(economy, names, given)
    check_observed(observed, series_names(economy, names), len(innovations(model, given)))
    sample = sample_of(data, observed, getattr(model, "period", ""))
    _check_parameters(model, parameters, given, observed, start, len(sample.kept))
    steady = steady_state(model, asset_points=asset_points) if steady is None else steady
    check_levels(observed, steady_series(steady))
    return Likelihood(
        model, steady, sample, observed, parameters=parameters, shocks=given, horizon=horizon, starts=start
    )


def _check_parameters(
    model: Model, parameters: tuple[str, ...], given: Mapping[str, ARMA], observed: Mapping[str, Observed],
    start: Mapping[str, float], observations: int,
) -> None:  # fmt: skip
    """Raise EstimationError unless every parameter is known and has a first value, and those named are parameters."""
    own = model.parameters()
    named = [name for each in given.values() for name in each.names()]
    named += [each.measurement_error for each in observed.values() if isinstance(each.measurement_error, str)]
    if not parameters:
        raise EstimationError("parameters: name one or more to estimate.")
    if len(set(parameters)) < len(parameters):
        raise EstimationError(f"parameters: {next(n for n in parameters if parameters.count(n) > 1)} is there twice.")
    for name in parameters:
        if name not in own and name not in named:
            close = did_you_mean(name, [*own, *named])
            raise EstimationError(
                f"parameters: {type(model).__name__} has no parameter {name!r}{close}, and no process or measurement "
                "error names it."
            )
        if name in own and np.ndim(own[name]):
            raise EstimationError(f"{name} is a list of numbers: estimate parameters that are one number.")
        if name not in own and name not in start:
            raise EstimationError(f"start: give {name} a first value, start={{{name!r}: 0.5}}: the model has none.")
    for name in named:
        if name not in parameters and name not in own:
            raise EstimationError(f"A process or measurement error names {name!r}, which is no parameter: add it to "
                                  "parameters, or give a number in its place.")  # fmt: skip
    if len(parameters) > observations:
        raise EstimationError(
            f"{len(parameters)} parameters but only {observations} observations: estimate fewer, or give more data."
        )
