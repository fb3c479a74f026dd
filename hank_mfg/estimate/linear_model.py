"""Linear responses of a model as a function of its parameters, compiled and differentiated.

Parameters of shocks leave responses to given paths of shocks as they are, those of equations leave what households do;
only parameters of households move the stationary equilibrium and household Jacobians, which are then found again from
the equilibrium before, and differentiated through (households.py). kinds.py says which is which.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.quantities import Names, form, names_of, shock_values, with_parameters
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.households import Households
from hank_mfg.estimate.kinds import Kind, kinds_of
from hank_mfg.estimate.processes import ARMA, impulses, innovations
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.sequence.household_jacobians import SteadyValues
from hank_mfg.solve.sequence.linear_system import Responses, responses_to
from hank_mfg.solve.sequence.sequence_space import household_responses
from hank_mfg.solve.stationary.steady_state import SteadyState

Series = tuple[str, ...]


@functools.cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController  # loaded on first use

    return ThreadpoolController()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra on one thread: matrices of some hundred rows gain little from more, and on a machine that has
    other work threads wait for each other, ten times as long."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


class LinearModel:
    """The linear solution of a model around a stationary equilibrium, at any values of `parameters`.

    `parameters` are their names, `kinds` says of each whether it is one of "shocks", "equations" or "households",
    `start` their values in the model. `innovations` are the names of the shocks' innovations, in the order of responses
    to them; `shocks` the processes that replace declared ones; `horizon` the length of responses. Everything is in
    float64. Raises EstimationError where a parameter cannot be moved.
    """

    def __init__(
        self, model: Model, steady: SteadyState, parameters: tuple[str, ...], *, shocks: Mapping[str, ARMA],
        horizon: int, starts: Mapping[str, float],
    ):  # fmt: skip
        self.model, self.steady = model, steady
        self.parameters, self.shocks, self.horizon = parameters, dict(shocks), horizon
        self.names: Names = names_of(steady.economy)
        self.innovations = innovations(model, shocks)
        ss, households = household_responses(steady, horizon)
        self._ss, self._households, self._moved = ss, households, None
        self._responding: dict[Series, Any] = {}
        self._fixed: dict[Series, Array] = {}
        public = jax.tree.map(jnp.asarray, steady.public)
        self.kinds: dict[str, Kind] = kinds_of(parameters, model, ss, public, self.names)
        own = model.parameters()
        self.start = {name: float(own[name] if name in own else starts[name]) for name in parameters}
        moved = tuple(name for name in parameters if self.kinds[name] == "households")
        if moved:
            if households.shares is not None:
                raise EstimationError(
                    f"{moved[0]} moves the stationary equilibrium of an economy whose income risk moves with the "
                    "aggregate state, which is not supported: estimate parameters of equations and shocks."
                )
            self._moved = Households(model, steady, self.names, ss, households, moved)

    def keep_unit_responses(self, series: Series) -> None:
        """Keep the responses of `series` to each shock s periods ahead where parameters move the processes of shocks
        only, so that `paths` only adds them up."""
        if not set(self.kinds.values()) <= {"shocks"}:
            return
        count = len(self.names.shocks)
        unit = jnp.einsum("zy,st->zsty", jnp.eye(count), jnp.eye(self.horizon)).reshape(-1, self.horizon, count)

        @jax.jit
        def respond(ss: SteadyValues, households: Responses, unit: Array) -> Array:
            return responses_to(ss, self.names, households, unit, series)

        found = respond(self._ss, self._households, unit)
        self._fixed[series] = found.reshape(count, self.horizon, self.horizon, -1)  # (shocks, time, time, series)

    def paths(self, values: Mapping[str, Any], series: Series, *, forward: bool = False) -> tuple[Array, Array]:
        """Responses of series to each innovation of one standard deviation, (innovations, horizon, series), in the
        model's own units, and their steady values, (series,).

        Traced: for use inside JAX transformations, in float64. Differentiable in `values` in reverse mode, with
        `forward` in forward mode.
        """
        own = {
            name: jnp.asarray(values[name], jnp.float64) for name in self.parameters if name in self.model.parameters()
        }
        model = self.model.with_parameters(**own)
        ss, households = self._ss, self._households
        if self._moved is not None:
            ss, households = self._moved.forward(values) if forward else self._moved.at(values)
        if own:
            ss = ss._replace(economy=with_parameters(ss.economy, Named("parameters", own)))
        shocks = impulses(model, self.names, ss.shocks, self.horizon, self.shocks, self.known(values))
        if series in self._fixed:
            found = jnp.einsum("zstc,isz->itc", self._fixed[series], shocks)
        else:
            found = responses_to(ss, self.names, households, shocks, series)
        return found, _steady_levels(ss, self.names, series)

    @float64_allowed
    def responses(self, values: Mapping[str, float], series: Series) -> np.ndarray:
        """Responses of any series of the model to each innovation of one standard deviation, (innovations, horizon,
        series), deviations in the model's own units, at parameter `values` by name."""
        if series not in self._responding:
            self._responding[series] = jax.jit(lambda values: self.paths(values, series)[0])
        return np.asarray(self._responding[series]({name: jnp.asarray(values[name]) for name in self.parameters}))

    def known(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Every number that a process or a measurement error may name: those of the model, and `values`."""
        numbers = {name: value for name, value in self.model.parameters().items() if np.ndim(value) == 0}
        return {**numbers, **values}

    def bounds(self, name: str) -> tuple[float, float]:
        """The lowest and the highest value that a parameter can take: those the model declares."""
        return declared_bounds(self.model, name)


def declared_bounds(model: Model, name: str) -> tuple[float, float]:
    """The lowest and the highest value of a parameter that a model declares; of another name, any number."""
    fields = {field.name: field for field in dataclasses.fields(model)}
    limits = fields[name].metadata.get("bounds", {}) if name in fields else {}
    low = [limits[key] for key in ("above", "at_least") if key in limits]
    high = [limits[key] for key in ("below", "at_most") if key in limits]
    return max(low, default=-np.inf), min(high, default=np.inf)


def steady_series(steady: SteadyState) -> dict[str, float]:
    """Every series of a model with its value in the stationary equilibrium: shocks, aggregates, prices, outcomes."""
    with jax.enable_x64(True):
        series = {**steady.economy.series(jax.tree.map(jnp.asarray, steady.public)), **steady.outcomes}
    return {name: float(np.asarray(value)) for name, value in series.items() if np.ndim(value) == 0}


def _steady_levels(ss: SteadyValues, names: Names, series: Series) -> Array:
    """The steady-state values of series, (series,)."""
    known = dict(zip(names.path, ss.here, strict=True))
    public = form(ss.economy, names, known, shock_values(names, ss.shocks), ss.share)
    values = {**ss.economy.series(public), **dict(zip(names.choices, ss.choices, strict=True))}
    return jnp.stack([jnp.asarray(values[name], jnp.float64) for name in series])
