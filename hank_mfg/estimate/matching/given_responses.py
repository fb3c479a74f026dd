"""Responses that are not of the linear solution: of a global solution, or any that a function of parameters returns."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from hank_mfg.arguments import described
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.observed import Observed, transformed
from hank_mfg.estimate.matching.response_data import EstimatedResponses
from hank_mfg.evaluate.impulse_response import ImpulseResponse, impulse_response
from hank_mfg.evaluate.units import PERCENT, UNITS, factor
from hank_mfg.model.base import Model
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.solve.classical.krusell_smith import ClassicalSolution
from hank_mfg.solve.solution import Solution

STEP = 0.02  # of the distance between bounds: of the differences that give the Jacobian
WHAT = "a solution, an ImpulseResponse, or a dictionary of these by shock"


class GivenMoments:
    """Responses at the horizons of the data as a function of parameters, with a Jacobian by forward differences.

    `given` is a function of parameters by name or what such a function returns: a global solution, of which the
    generalized response to a shock of `size` is taken, an `ImpulseResponse`, or these by shock. `levels` are the values
    of series in the stationary equilibrium, by which percent are turned into levels and back.
    """

    def __init__(
        self, model: Model, given: Any, free: dict[str, tuple[float, float]], *, estimated: EstimatedResponses,
        observed: dict[str, Observed], size: float | None, levels: Mapping[str, float],
    ):  # fmt: skip
        self.given, self.free, self.estimated, self.observed = given, free, estimated, observed
        self.size, self.levels = size, dict(levels)
        own = model.parameters()
        self.start = {name: float(own[name] if name in own else sum(each) / 2) for name, each in free.items()}
        self._known: dict[bytes, np.ndarray] = {}

    def __call__(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Moments (n,), their Jacobian (n, k), and responses (shocks, periods, variables) at parameters (k,)."""
        vector = np.asarray(vector, float)
        paths = self._paths(vector)
        here, slopes = self._picked(paths), np.zeros((len(self.estimated.mean), len(vector)))
        for place, (low, high) in enumerate(self.free.values()):
            step = STEP * (high - low) * (1.0 if vector[place] < (low + high) / 2 else -1.0)
            there = vector.copy()
            there[place] += step
            slopes[:, place] = (self._picked(self._paths(there)) - here) / step
        return here, slopes, paths

    def _picked(self, paths: np.ndarray) -> np.ndarray:
        used, names = list(dict.fromkeys(self.estimated.shocks)), list(self.observed)
        rows = [used.index(name) for name in self.estimated.shocks]
        return paths[rows, self.estimated.horizons, [names.index(name) for name in self.estimated.variables]]

    def _paths(self, vector: np.ndarray) -> np.ndarray:
        key = vector.tobytes()
        if key not in self._known:
            values = dict(zip(self.free, vector.tolist(), strict=True))
            given = self.given(values) if callable(self.given) and not are_responses(self.given) else self.given
            used = dict.fromkeys(self.estimated.shocks)
            self._known[key] = np.stack([self._columns(self._response(given, shock)) for shock in used])
        return self._known[key]

    def _response(self, given: Any, shock: str) -> ImpulseResponse:
        """The response to a shock. Raises EstimationError where it is not there."""
        if isinstance(given, Mapping):
            if shock not in given:
                close = did_you_mean(shock, [str(each) for each in given])
                raise EstimationError(f"responses have no shock {shock!r}{close}, which data has: add it.")
            given = given[shock]
        periods = int(self.estimated.horizons.max()) + 1
        if isinstance(given, Solution | ClassicalSolution):
            if self.size is None:
                raise EstimationError(
                    f"size is missing: say how far {shock} moves on impact, in its own units, as in size=-0.01; a "
                    "global solution has no response to a standard deviation."
                )
            longer = periods + any(each.lead for each in self.observed.values())
            return impulse_response(given, shock, self.size, horizon=longer)
        if not isinstance(given, ImpulseResponse):
            raise EstimationError(
                f"responses: {described(given)} was given: give {WHAT}, or a function that returns it."
            )
        if given.shock != shock:
            raise EstimationError(f"responses are those to {given.shock}, and data has {shock}: give those to {shock}.")
        if given.horizon < periods:
            raise EstimationError(
                f"data has horizon {periods - 1}, but responses have {given.horizon} periods: give longer ones, as "
                f"hm.impulse_response(..., horizon={periods})."
            )
        return given

    @float64_allowed
    def _columns(self, response: ImpulseResponse) -> np.ndarray:
        """The response in units of the data, (periods, variables)."""
        deviations, levels = [], []
        for name, each in self.observed.items():
            unit = response.units.get(each.series)
            if unit not in UNITS:
                close = did_you_mean(each.series, list(response.mean))
                raise EstimationError(
                    f"responses have no {each.series}{close}, which {name} is: leave its rows out of data."
                    if unit is None
                    else f"responses have {each.series} in {unit}: give them before they are annualized."
                )
            path = np.asarray(response.mean[each.series], float) / factor(unit)
            level = self.levels[each.series]
            deviations.append(path * level if unit == PERCENT else path)
            levels.append(level)
        paths = in_jax(np.stack(deviations, axis=1))[None]
        found = np.asarray(transformed(paths, jnp.asarray(levels), self.observed))
        return found[0, : int(self.estimated.horizons.max()) + 1]


def are_responses(given: Any) -> bool:
    """Whether what is given are responses or a solution, and not a function that returns them."""
    return isinstance(given, Solution | ClassicalSolution | ImpulseResponse | Mapping)
