"""Linear responses of a model as a function of its parameters, compiled and differentiated.

Parameters of shocks leave responses to given paths of shocks as they are, those of equations leave what households do;
only parameters of households move the stationary equilibrium and household Jacobians, which are then found again from
the equilibrium before, and differentiated through (households.py). kinds.py says which is which.
"""

import contextlib
import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_compilation
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy
from hank_mfg.environment.quantities import Names, form, names_of, reading, shock_values, with_parameters
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.households import Households
from hank_mfg.estimate.likelihood.kinds import Kind, kinds_of
from hank_mfg.estimate.likelihood.processes import ARMA, impulses, innovations
from hank_mfg.evaluate.linear import turns
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.solve.sequence.household_jacobians import SteadyValues
from hank_mfg.solve.sequence.linear_system import (
    Responses,
    local_slopes,
    middle_column,
    responses_to,
    with_explicit_prices,
)
from hank_mfg.solve.sequence.sequence_space import household_responses
from hank_mfg.solve.stationary.steady_state import SteadyState

Series = tuple[str, ...]
FEW = 10  # points of a grid on which nothing is solved
DIED_OUT = 0.02  # share of its peak below which a response has
SMALL = 1e-3  # peak of a response, of the largest of its series, below which it does not count


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


class CutOff(NamedTuple):
    """A response of `series` to `innovation` that has not died out: the `share` of its peak that is left at the
    horizon, and the `needed` number of periods after which, at the pace so far, a fiftieth would be."""

    series: str
    innovation: str
    share: float
    needed: int


class LinearModel:
    """The linear solution of a model around a stationary equilibrium, at any values of `parameters`.

    `parameters` are their names, `kinds` says of each whether it is one of "shocks", "equations" or "households",
    `start` their values in the model. `series` are those whose responses are computed: sums over households that
    neither they nor a market reads are left out. `innovations` are the names of the shocks' innovations, in the order
    of responses to them; `shocks` the processes that replace declared ones; `horizon` the length of responses.
    Everything is in float64. Raises EstimationError where a parameter cannot be moved.
    """

    def __init__(
        self, model: Model, steady: SteadyState, parameters: tuple[str, ...], series: Series, *,
        shocks: Mapping[str, ARMA], horizon: int, starts: Mapping[str, float],
    ):  # fmt: skip
        self.model, self.steady, self.series = model, steady, series
        self.parameters, self.shocks, self.horizon = parameters, dict(shocks), horizon
        self.innovations = innovations(model, shocks)
        names = reading(steady.economy, names_of(steady.economy), series)
        ss, households = household_responses(steady, names, horizon)
        self.names: Names = with_explicit_prices(ss, names)
        self._ss, self._households, self._moved = ss, households, None
        self._others: dict[Series, Any] = {}
        public = jax.tree.map(in_jax, steady.public)
        self.kinds: dict[str, Kind] = kinds_of(parameters, model, ss, public, self.names)
        self._unit_responses = self._responses_to_units()
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

    def _responses_to_units(self) -> Array | None:
        """The responses of `series` to each shock s periods ahead, (shocks, time, time, series), where parameters move
        the processes of shocks only, so that `paths` only adds them up; else None."""
        if not set(self.kinds.values()) <= {"shocks"}:
            return None
        count = len(self.names.shocks)
        unit = jnp.einsum("zy,st->zsty", jnp.eye(count), jnp.eye(self.horizon)).reshape(-1, self.horizon, count)

        @jax.jit
        def respond(ss: SteadyValues, households: Responses, unit: Array) -> Array:
            return responses_to(ss, self.names, households, unit, self.series)

        found = respond(self._ss, self._households, unit)
        return found.reshape(count, self.horizon, self.horizon, -1)

    def paths(self, values: Mapping[str, Any], *, forward: bool = False) -> tuple[Array, Array]:
        """Responses of `series` to each innovation of one standard deviation, (innovations, horizon, series), in the
        model's own units, and their steady values, (series,).

        Traced: for use inside JAX transformations, in float64. Differentiable in `values` in reverse mode, with
        `forward` in forward mode.
        """
        ss, households = self._at(values, forward)
        model = self.model.with_parameters(**self._own(values))
        shocks = impulses(model, self.names, ss.shocks, self.horizon, self.shocks, self.known(values))
        if self._unit_responses is not None:
            found = jnp.einsum("zstc,isz->itc", self._unit_responses, shocks)
        else:
            found = responses_to(ss, self.names, households, shocks, self.series)
        return found, _steady_levels(ss, self.names, self.series)

    def _own(self, values: Mapping[str, Any]) -> dict[str, Array]:
        """The values of parameters that are the model's."""
        known = self.model.parameters()
        return {name: jnp.asarray(values[name], jnp.float64) for name in self.parameters if name in known}

    def _at(self, values: Mapping[str, Any], forward: bool) -> tuple[SteadyValues, Responses]:
        """The steady state as arrays and the responses of its households at parameter `values` by name."""
        ss, households, own = self._ss, self._households, self._own(values)
        if self._moved is not None:
            ss, households = self._moved.forward(values) if forward else self._moved.at(values)
        if own:
            ss = ss._replace(economy=with_parameters(ss.economy, Named("parameters", own)))
        return ss, households

    @float64_allowed
    def winding_number(self, values: Mapping[str, float]) -> int:
        """Whether one path stays bounded (0), several (below) or none (above) at parameter `values` by name.

        That of `hm.winding_number`: prices and state variables that are eliminated before the linear system is solved
        leave it as it is where state variables return on their own. Raises ValueError where the horizon is too short.
        """

        return turns(np.asarray(self._checks(self.vector(values))[0]), self.horizon // 2)

    @float64_allowed
    def cut_off(self, values: Mapping[str, float]) -> CutOff | None:
        """The response that is cut off most at parameter `values` by name: the one largest in the last period of the
        horizon, beside its peak; None where all have died out. Responses that are next to nothing do not count."""
        last, peaks = (np.asarray(each) for each in self._checks(self.vector(values))[1:])
        matters = peaks > SMALL * np.maximum(peaks.max(axis=0), 1e-300)
        shares = np.where(matters, last / np.where(matters, peaks, 1.0), 0.0)
        innovation, series = np.unravel_index(shares.argmax(), shares.shape)
        share = float(shares[innovation, series])
        if share <= DIED_OUT:
            return None
        periods = self.horizon * np.log(DIED_OUT) / np.log(min(share, 0.999))
        return CutOff(self.series[series], self.innovations[innovation], share, int(np.ceil(periods / 100) * 100))

    @functools.cached_property
    def _checks(self) -> Callable[[Array], tuple[Array, Array, Array]]:
        """What is asked of a solution, compiled: the blocks of the linear system, and of every response the size in the
        last period and the peak, (innovations, series) each."""

        def found(linear: Any, vector: Array) -> tuple[Array, Array, Array]:
            values = linear.by_name(vector)
            ss, households = linear._at(values, forward=False)
            blocks = middle_column(linear.names, local_slopes(ss, linear.names), households)
            sizes = jnp.abs(linear.paths(values)[0])
            return blocks, sizes[:, -1], sizes.max(axis=1)

        return self.compiled(found)

    @float64_allowed
    def responses(self, values: Mapping[str, float], series: Series) -> np.ndarray:
        """Responses of any series of the model to each innovation of one standard deviation, (innovations, horizon,
        series), deviations in the model's own units, at parameter `values` by name."""
        if series not in self._others:
            other = LinearModel(
                self.model, self.steady, self.parameters, series, shocks=self.shocks, horizon=self.horizon,
                starts=self.start,
            )  # fmt: skip
            self._others[series] = other.compiled(lambda linear, vector: linear.paths(linear.by_name(vector))[0])
        return np.asarray(self._others[series](self.vector(values)))

    def vector(self, values: Mapping[str, Any]) -> Array:
        """Parameter `values` by name as a vector (parameters,); those that are not said as in `start`."""
        return jnp.asarray([{**self.start, **values}[name] for name in self.parameters], jnp.float64)

    def by_name(self, vector: Array) -> dict[str, Array]:
        """A vector of parameters (parameters,) by name."""
        return dict(zip(self.parameters, vector, strict=True))

    def compiled(self, function: Callable[[Any, Array], Any]) -> Callable[[Array], Any]:
        """`function` of this model and a vector of parameters (parameters,), compiled, as one of the vector.

        The arrays of the model are given to the program and not written into it: a compiler works for long on
        constants.
        """
        arrays, rest = eqx.partition((self._ss, self._households, self._unit_responses), eqx.is_array)

        def of(arrays: Any, vector: Array) -> Any:
            other = copy.copy(self)
            other._ss, other._households, other._unit_responses = eqx.combine(arrays, rest)
            return function(other, vector)

        with jax.enable_x64(True):
            shape = jax.ShapeDtypeStruct((len(self.parameters),), jnp.float64)
            program = jax.jit(of).lower(arrays, shape).compile(compiler_options=quick_compilation())
        return lambda vector: program(arrays, vector)

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


def unsolved(model: Model, steady: SteadyState | None) -> tuple[Economy, Names]:
    """An economy of the model, and its names: on the grid of `steady` where that is given, else on a few points, to
    read its equations before anything is solved."""
    economy = discretize(model, FEW, jnp.float64, aggregate_risk=False) if steady is None else steady.economy
    return economy, names_of(economy)


def steady_series(steady: SteadyState) -> dict[str, float]:
    """Every series of a model with its value in the stationary equilibrium: shocks, aggregates, prices, outcomes."""
    with jax.enable_x64(True):
        series = {**steady.economy.series(jax.tree.map(in_jax, steady.public)), **steady.outcomes}
    return {name: float(np.asarray(value)) for name, value in series.items() if np.ndim(value) == 0}


def _steady_levels(ss: SteadyValues, names: Names, series: Series) -> Array:
    """The steady-state values of series, (series,)."""
    known = dict(zip(names.path, ss.here, strict=True))
    public = form(ss.economy, names, known, shock_values(names, ss.shocks), ss.share)
    values = {**ss.economy.series(public), **dict(zip(names.choices, ss.choices, strict=True))}
    return jnp.stack([jnp.asarray(values[name], jnp.float64) for name in series])
