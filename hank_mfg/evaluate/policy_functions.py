"""Policies as functions of assets, own state and date: read between the nodes of the grid where a solution has tables.

A stationary equilibrium and a perfect-foresight path hold next assets a'(a_i, e) on the grid. Between nodes they are
interpolated, by default by monotone cubics (Fritsch and Butland 1984; interpax), which make no new extrema: savings
stay above the borrowing limit and a kink does not ring. Everything else follows from the model at the assets asked
for: cash on hand m(a, e) from resources(), consumption and hours from the budget

    net consumption = m(a, e) - q a',

so that the budget holds to rounding wherever it is read. A solution with aggregate risk has a formula for consumption
at any assets, which is evaluated; nothing is interpolated there.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.quantities import names_of, public_of, with_parameters
from hank_mfg.model.concrete import numbers_of
from hank_mfg.model.named import Named
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.solve.play.policy_query import ask_policy
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.solution import GlobalSolution
from hank_mfg.solve.stationary.given_prices import HouseholdAtPrices
from hank_mfg.solve.stationary.steady_state import SteadyState

METHODS = ("monotonic", "linear")
AGREES = 1e-8  # relative, of consumption at the nodes by the budget with what a path holds


class Choice(NamedTuple):
    """Decisions of a household: `cash` on hand before it chooses, `consumption` of goods, `savings`, next assets, and
    `hours`, None where they are not chosen; each of the shape asked for, float64, goods or hours per period."""

    cash: np.ndarray
    consumption: np.ndarray
    savings: np.ndarray
    hours: np.ndarray | None


class _Tables(NamedTuple):
    """One period on the grid: the economy, what is public, and next assets (assets, income)."""

    economy: Economy
    public: Public
    savings: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class PolicyFunctions:
    """Decisions of households in one period, as functions of assets and own state; made by `policy_functions`.

    Every function takes `assets`, numbers of any shape between the ends of the economy's grid, and the own state `own`:
    its place among the individual states (whole numbers, 0 first, which broadcast against `assets`), or the names and
    values that identify it, such as {"labor": 0.5}. Results have the shape of the two broadcast together. Raises
    ValueError for assets outside the grid, where nothing is known, and for an own state that does not exist or is not
    identified.
    """

    economy: Economy
    method: str
    _tables: _Tables | None
    _asked: tuple[Any, dict[str, np.ndarray]] | None = None

    @float64_allowed
    def at(self, assets: Any, own: Any = 0) -> Choice:
        """Everything at once."""
        levels, places = np.broadcast_arrays(self._levels(assets), self._places(own))
        if self._asked is not None:
            found = ask_policy(*self._asked[:1], levels, places, self._asked[1])
            return Choice(found.cash, found.consumption, found.savings, found.hours)
        assert self._tables is not None
        points, where = np.unique(levels.ravel(), return_inverse=True)
        size = 1 << max(4, (len(points) - 1).bit_length())  # few sizes, because each is compiled
        points = np.append(points, np.full(size - len(points), float(self.economy.grid.upper)))
        found = _read(self._tables, jnp.asarray(points), self.method)
        index = (where.reshape(levels.shape), places)
        cash, consumption, savings = (np.asarray(each)[index] for each in found[:3])
        return Choice(cash, consumption, savings, None if found.hours is None else np.asarray(found.hours)[index])

    def consumption(self, assets: Any, own: Any = 0) -> np.ndarray:
        """Consumption of goods per period."""
        return self.at(assets, own).consumption

    def savings(self, assets: Any, own: Any = 0) -> np.ndarray:
        """Next assets."""
        return self.at(assets, own).savings

    def cash(self, assets: Any, own: Any = 0) -> np.ndarray:
        """Cash on hand before choosing; earnings are not part of it where hours are chosen."""
        return self.at(assets, own).cash

    def hours(self, assets: Any, own: Any = 0) -> np.ndarray:
        """Hours of work. Raises ValueError where households do not choose them."""
        found = self.at(assets, own).hours
        if found is None:
            raise ValueError("Households of this economy do not choose hours: preferences() has none, read cash().")
        return found

    def _levels(self, assets: Any) -> np.ndarray:
        levels = numbers_of("assets", assets)
        lower, upper = float(self.economy.grid.lower), float(self.economy.grid.upper)
        wrong = ~((levels >= lower) & (levels <= upper))
        if wrong.any():
            raise ValueError(
                f"assets = {levels[wrong].flat[0]:.10g} lies outside the grid, from {lower:g} to {upper:g}, where the "
                "policy is not known: ask inside it, or solve with an asset_space() that reaches further."
            )
        return levels

    def _places(self, own: Any) -> np.ndarray:
        count = self.economy.shape[1]
        if isinstance(own, Mapping):
            return np.asarray(self._place_of(own))
        places = np.asarray(own)
        if not np.issubdtype(places.dtype, np.integer) or (
            places.size and not 0 <= places.min() <= places.max() < count
        ):
            raise ValueError(
                f"own = {own!r}: give places of individual states, whole numbers from 0 to {count - 1}, or values by "
                f"name, of {', '.join(self.economy.own)}."
            )
        return places

    def _place_of(self, own: Mapping[str, Any]) -> int:
        """The one individual state that has given values, to a relative 1e-6."""
        named = {name: np.asarray(values, np.float64) for name, values in self.economy.own.items()}
        same = np.ones(self.economy.shape[1], bool)
        for name, value in own.items():
            if name not in named:
                near = did_you_mean(str(name), named)
                raise ValueError(f"own names {name!r}, which no individual state has{near}: use {', '.join(named)}.")
            same &= np.isclose(named[name], numbers_of(f"own[{name!r}]", value), rtol=1e-6, atol=1e-12)
        if same.sum() == 1:
            return int(np.argmax(same))
        shown = ", ".join(f"{name}: {np.unique(values).round(6).tolist()}" for name, values in named.items())
        many = f"{same.sum()} individual states have" if same.any() else "no individual state has"
        raise ValueError(f"own = {dict(own)}: {many} these values: tell one apart by {shown}, or give its place.")


@float64_allowed
def policy_functions(
    solution: SteadyState | HouseholdAtPrices | Transition | GlobalSolution,
    *,
    period: int | None = None,
    history: Any = None,
    parameters: Mapping[str, Any] | None = None,
    method: str = "monotonic",
) -> PolicyFunctions:
    """Consumption, savings, hours and cash on hand as functions of assets and own state, in one period.

    Of a `SteadyState`, or a household at given prices, nothing more is needed. Of a `Transition` give the `period`, 0
    first; where `parameters` of the model follow a path of their own, also their values in that period, by name. Of a
    solution with aggregate risk give the public `history`, a simulation or a mapping as for `solution.consumption`, and
    the `period` of it that is today, by default its last; memory is empty at its beginning.

    `method` says how tables are read between nodes: "monotonic", cubics without new extrema, or "linear". Nodes are
    exact and the budget holds to rounding in both. Raises ValueError for what does not fit together.
    """
    if method not in METHODS:
        raise ValueError(f"method = {method!r} is not known: choose one of {', '.join(map(repr, METHODS))}.")
    if isinstance(solution, SteadyState | HouseholdAtPrices):
        for name, given in (("period", period), ("history", history), ("parameters", parameters)):
            _require_absent(name, given, "is the same in every period")
        economy = solution.economy
        at_rest = isinstance(solution, SteadyState)
        public = solution.public if at_rest else Public(economy.shocks(0), Named("aggregates", {}), solution.prices)
        tables = _Tables(economy, jax.tree.map(in_jax, public), np.asarray(solution.savings))
        return PolicyFunctions(economy, method, tables)
    if isinstance(solution, Transition):
        _require_absent("history", history, "has a path of its own")
        tables = _along(solution, period, Named("parameters", dict(parameters or {})))
        return PolicyFunctions(tables.economy, method, tables)
    _require_absent("parameters", parameters, "has those it was solved with")
    return PolicyFunctions(solution.play(10).economy, method, None, (solution, _until(history, period)))


def _require_absent(name: str, given: Any, what: str) -> None:
    if given is not None:
        raise ValueError(f"{name} = {given!r} has no use for this solution, which {what}: leave it out.")


def _period(period: Any, count: int) -> int:
    if not isinstance(period, int | np.integer) or isinstance(period, bool) or not 0 <= period < count:
        raise ValueError(f"period = {period!r}: give a period of the path, a whole number from 0 to {count - 1}.")
    return int(period)


def _along(path: Transition, period: Any, parameters: Named) -> _Tables:
    """One period of a path. Raises ValueError where the budget at the nodes contradicts the path's own consumption."""
    period = _period(period, len(path.savings))
    steady = path.steady.economy
    names = names_of(steady)
    inputs = jnp.asarray([float(path.series[name][period]) for name in names.inputs])
    economy, public = with_parameters(steady, parameters), public_of(inputs, names)
    tables = _Tables(economy, public, np.asarray(path.savings[period]))
    budget = np.asarray(_read(tables, economy.grid.points, "linear").consumption)
    held = np.asarray(path.consumption[period])
    if not np.abs(budget / held - 1.0).max() < AGREES:
        raise ValueError(
            f"In period {period} the budget gives other consumption than the path holds, by "
            f"{100 * np.abs(budget / held - 1.0).max():.2g} %: give the values that parameters have in this period, "
            "policy_functions(path, period=..., parameters={...})."
        )
    return tables


def _until(history: Any, period: Any) -> dict[str, np.ndarray]:
    """A public history up to a period, as a mapping."""
    if history is None:
        raise ValueError(
            "history is missing: with aggregate risk what households do depends on what happened, give "
            "hm.simulate(solution, ...) or a mapping."
        )
    series = dict(history) if isinstance(history, Mapping) else {**history.series, "shock": history.shock}
    if period is None:
        return series
    shock = series.get("shock")
    last = _period(period, np.size(shock) if shock is not None else 0)
    return {name: np.asarray(values)[: last + 1] for name, values in series.items()}


def _read(tables: _Tables, points: Any, method: str) -> Choice:
    """Cash, consumption, savings and hours at `points` (n,) in every own state, (n, income) each."""
    from interpax import interp1d  # loaded on first use

    economy, public, savings = tables.economy, tables.public, jnp.asarray(tables.savings)
    nodes = economy.grid.points
    read = interp1d(points, nodes, savings, method=method)
    near = jnp.clip(jnp.searchsorted(nodes, points), 0, len(nodes) - 1)
    read = jnp.where((nodes[near] == points)[:, None], savings[near], read)
    here = eqx.tree_at(lambda e: e.grid.points, economy, points)
    cash = here.resources(public)
    read = jnp.clip(read, *here.bounds(cash, public))
    budget = here.budget(public)
    chosen = budget.chosen(read, budget.consumption_of(cash, read))
    full = {name: jnp.broadcast_to(values, read.shape) for name, values in chosen.items()}
    return Choice(cash, full["consumption"], full["savings"], full.get("hours"))  # pyright: ignore[reportArgumentType]
