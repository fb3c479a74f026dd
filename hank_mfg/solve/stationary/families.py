"""Stationary equilibria as functions of parameters: traced, differentiated, and many at once."""

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.accounting import OFF, explain_goods, steady_goods
from hank_mfg.environment.concavity import STEEPER
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy
from hank_mfg.environment.quantities import Names, names_of
from hank_mfg.model.base import Model, check_names
from hank_mfg.model.concrete import is_number, numbers_of
from hank_mfg.model.named import Named
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.stationary.clearing.clearing import (
    COARSE,
    RESOLVED,
    edge_of,
    find,
    finish,
    first_of,
    grids,
    refined,
    search_coarse,
    secants,
    unknown_at,
    unsolved,
)
from hank_mfg.solve.stationary.clearing.equilibrium import Equilibrium, implicit
from hank_mfg.solve.stationary.household import savings_at
from hank_mfg.solve.stationary.search import household_tolerance
from hank_mfg.solve.stationary.steady_state import SteadyStateError
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 30  # points of a grid on which something is found out roughly
EXTRAPOLATION = ((1.0, 0.0, 0.0), (2.0, -1.0, 0.0), (3.0, -3.0, 1.0))  # from the last three, newest first


def equilibrium(model: Model, *, asset_points: int = 200, tolerance: float = 1e-11) -> Equilibrium:
    """The stationary equilibrium of a model whose parameters may be traced.

    For `jax.jit`, `jax.vmap` and `jax.grad` over a model or over parameters put into one, in float64:

        def rate(beta):
            return hm.equilibrium(dataclasses.replace(model, discount_factor=beta)).prices.interest_rate

        with jax.enable_x64(True):
            jax.grad(rate)(0.96), jax.jit(jax.vmap(rate))(jnp.linspace(0.94, 0.96, 100))

    The economy, its tolerance and its equations are those of `steady_state`, which checks and explains; here nothing
    can be raised once numbers are traced, so look at `excess`, `change` and `rise`. Raises ValueError without float64.
    """
    if not jax.config.read("jax_enable_x64"):
        raise ValueError("equilibrium() needs float64: call it inside `with jax.enable_x64(True):`.")
    numbers, rest = _numbers(model)

    def on_grid(numbers: Any, points: int) -> Economy:
        return discretize(eqx.combine(numbers, rest), points, jnp.float64, aggregate_risk=False)

    fine = on_grid(numbers, asset_points)
    names, sizes = names_of(fine), grids(fine)

    @jax.custom_jvp
    def solve(numbers: Any) -> Equilibrium:
        levels = tuple(on_grid(numbers, points) for points in sizes)
        return find(levels, names, household_tolerance(tolerance))

    @solve.defjvp
    def _(primals, tangents):
        found = solve(*primals)
        return found, jax.jvp(lambda n: implicit(on_grid(n, asset_points), names, found), primals, tangents)[1]

    return solve(numbers)


def _numbers(model: Model) -> tuple[Any, Any]:
    """The numbers of a model, float64, and the rest of it."""
    numbers, rest = eqx.partition(model, is_number)
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), numbers), rest


@float64_allowed
def steady_state_derivatives(
    model: Model, *, asset_points: int = 200, tolerance: float = 1e-11
) -> dict[str, dict[str, np.ndarray]]:
    """Derivatives of every price and aggregate of the stationary equilibrium in every parameter of the model.

    derivatives[parameter][quantity] is a number, or has the parameter's shape; exact for the discretized economy up to
    `tolerance`, through the fixed points (see equilibrium.py). Kinks, where a household's choice passes a point of the
    grid, have a derivative on either side. Raises SteadyStateError where there is no equilibrium.
    """
    values = {name: jnp.asarray(value, jnp.float64) for name, value in model.parameters().items()}
    by_quantity, found = _slopes(model, values, asset_points, tolerance)
    _check(jax.tree.map(lambda x: x[None], found), {}, tolerance)
    return {name: {what: np.asarray(each[name]) for what, each in by_quantity.items()} for name in values}


@eqx.filter_jit
def _slopes(model: Model, values: dict[str, Array], asset_points: int, tolerance: float):
    def quantities(values):
        found = equilibrium(model.with_parameters(**values), asset_points=asset_points, tolerance=tolerance)
        return {**found.prices, **found.aggregates}, found

    return jax.jacfwd(quantities, has_aux=True)(values)


@readable
@dataclasses.dataclass(frozen=True)
class SteadyStates:
    """Stationary equilibria along a grid of parameters, leading axis the grid, float64.

    `values` are the parameters that differ; `prices` and `aggregates` (grid,) each; `assets` the points of each
    asset grid (grid, assets); `consumption` of goods and `mass` (grid, assets, income); `excess` the relative
    excess of supply; `nonconcave` where budgets are not concave in assets at the prices found, so that first-order
    conditions are not sufficient, a sentence: "" where they are.
    """

    values: dict[str, np.ndarray]
    prices: Named
    aggregates: Named
    assets: np.ndarray
    consumption: np.ndarray
    mass: np.ndarray
    excess: np.ndarray
    seconds: float
    nonconcave: str = ""

    def to_frame(self) -> "pd.DataFrame":
        """One row an equilibrium: the parameters that differ, prices, aggregates, and the excess of supply; a parameter
        with several numbers has a column for each, NAME_0, NAME_1 and so on."""
        import pandas as pd

        columns: dict[str, Any] = {}
        for name, value in self.values.items():
            flat = np.asarray(value).reshape(len(value), -1)
            names = [name] if np.ndim(value) == 1 else [f"{name}_{place}" for place in range(flat.shape[1])]
            columns |= dict(zip(names, flat.T, strict=True))
        return pd.DataFrame({**columns, **self.prices, **self.aggregates, "excess": self.excess})


@float64_allowed
def steady_states(model: Model, *, asset_points: int = 200, tolerance: float = 1e-11, **values) -> SteadyStates:
    """The stationary equilibria of a model at many values of its parameters, in one compiled program.

    `values` maps parameters to arrays (grid,) or (grid, ...) of equal length, for instance
    `discount_factor=np.linspace(.94, .96, 100)`. Each search starts from the three equilibria before it, extrapolated
    by a parabola, so order the values such that neighbors are close; far ones only take longer. Markets clear to
    1e-8 with the default tolerance. Raises ValueError for what is not a parameter, a value out of its range or arrays
    of different lengths, SteadyStateError at the first member that has no equilibrium.
    """
    begin = time.perf_counter()
    check_names(type(model), values)
    arrays = {name: numbers_of(name, value) for name, value in values.items()}
    sizes = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise ValueError(
            f"steady_states({', '.join(sizes)}) has lengths {list(sizes.values())}: give every parameter an array of "
            "the same length, one value per equilibrium."
        )
    for member in zip(*arrays.values(), strict=True):  # what is wrong with a value is said before anything is compiled
        model.with_parameters(**dict(zip(arrays, member, strict=True)))
    most, economy = max(sizes.values()), discretize(model, 10, jnp.float64, aggregate_risk=False)
    require_sizes(
        "steady_states", {"asset_points": (asset_points, 10, 200), "values": (most, 1, 100)},
        lambda: (4.0 * most * asset_points * economy.shape[1], 1e6 * most),
    )  # fmt: skip
    names = names_of(discretize(model, asset_points, jnp.float64, aggregate_risk=False))
    if len(names.searched) != 1:
        raise ValueError(
            f"{type(model).__name__} has the unknowns {', '.join(names.searched) or 'none'}: steady_states() "
            "follows one; use jax.vmap over equilibrium() for several."
        )
    given = {name: jnp.asarray(array) for name, array in arrays.items()}
    found, assets = jax.tree.map(np.asarray, _along(model, given, names, asset_points, household_tolerance(tolerance)))
    _check(found, arrays, tolerance)
    _check_goods(model, found, _goods_along(model, given, found), arrays)
    return SteadyStates(
        arrays, found.prices, found.aggregates, assets, found.consumption, found.mass, np.expm1(found.excess[:, 0]),
        time.perf_counter() - begin, _nonconcave(model, np.asarray(found.rise), arrays),
    )  # fmt: skip


def _nonconcave(model: Model, rise: np.ndarray, values: dict[str, np.ndarray]) -> str:
    """A sentence on the equilibria with non-concave budgets; `rise` (grid,) as in `Equilibrium`."""
    places = np.flatnonzero(~(rise <= STEEPER))
    if not len(places):
        return ""
    at = ", ".join(f"{name}={array[places[0]]}" for name, array in values.items())
    return (
        f"{type(model).__name__}.resources() is not concave in assets in {len(places)} of {len(rise)} equilibria, the "
        f"first at {at}, where d resources / d assets rises by {rise[places[0]]:.3g}, so first-order conditions are "
        f"not sufficient there: steady_state(model.with_parameters({at})) says what households lose."
    )


@eqx.filter_jit
def _along(model: Model, values: dict[str, Array], names: Names, asset_points: int, tolerance: float):
    """Equilibria and asset points along a grid of parameters (grid, ...)."""

    def economy_of(values, points):
        return discretize(model.with_parameters(**values), points, jnp.float64, aggregate_risk=False)

    def one(carry, values):
        history, count, slope, drift, mass = carry
        economy = economy_of(values, asset_points)
        edge = edge_of(economy_of(values, FEWEST), names)
        weights = jnp.asarray(EXTRAPOLATION)[jnp.clip(count - 1, 0, 2)]
        y, log_plan = jax.tree.map(lambda x: jnp.tensordot(weights, x, 1), history)
        first = first_of(unsolved(y, log_plan, mass), slope, drift, tolerance)
        last = secants(economy, names, edge, first, tolerance, 3.0 * RESOLVED * tolerance)
        fresh = (last.now.y, last.now.log_plan)
        history = jax.tree.map(lambda new, old: jnp.concatenate([new[None], old[:-1]]), fresh, history)
        found = finish(economy, names, unknown_at(edge, last.now.y), last.now)
        carry = (history, count + 1, last.slope, last.drift, last.now.mass)
        return carry, (found, economy.grid.points)

    first_values = jax.tree.map(lambda x: x[0], values)
    fine = economy_of(first_values, asset_points)
    coarse = economy_of(first_values, max(asset_points // COARSE, FEWEST))
    edge, found = search_coarse(coarse, names)
    start = refined(fine, coarse, names, edge, found)
    history = jax.tree.map(lambda x: jnp.repeat(x[None], 3, axis=0), (start.now.y, start.now.log_plan))
    carry = (history, jnp.asarray(0), start.slope, start.drift, start.now.mass)
    return jax.lax.scan(one, carry, values)[1]


@eqx.filter_jit
def _goods_along(model: Model, values: dict[str, Array], found: Equilibrium) -> Array | None:
    """Excess supply of goods in every member of a grid of parameters, (grid,)."""

    def one(values, found):
        economy = discretize(model.with_parameters(**values), found.mass.shape[0], jnp.float64, aggregate_risk=False)
        savings = savings_at(economy, found.public, found.plan)
        return steady_goods(economy, found.public, found.mass, savings)

    return jax.vmap(one)(values, found)


def _check_goods(model: Model, found: Equilibrium, left: Array | None, values: dict[str, np.ndarray]) -> None:
    """Raise SteadyStateError at the first of many in which goods are left over or missing."""
    if left is None:
        return
    goods, allowed = np.asarray(left), OFF + 100.0 * np.abs(np.asarray(found.excess)).max(axis=-1)
    for place in np.flatnonzero(~(np.abs(goods) <= allowed)):
        at = ", ".join(f"{name}={array[place]}" for name, array in values.items())
        problem = explain_goods(model, goods[place], f"in the stationary equilibrium at {at}", allowed=allowed[place])
        raise SteadyStateError(f"{problem}: steady_state(model.with_parameters({at})) says more.")


def _check(found: Equilibrium, values: dict[str, np.ndarray], tolerance: float) -> None:
    """Raise SteadyStateError at the first of many that is not an equilibrium."""
    good = (np.abs(np.asarray(found.excess)).max(axis=-1) <= 1e-6) & (np.asarray(found.change) <= tolerance)
    if good.all():
        return
    place = int(np.argmin(good))
    at = ", ".join(f"{name}={array[place]}" for name, array in values.items()) or "these parameters"
    raise SteadyStateError(
        f"The quick search found no stationary equilibrium at {at}: steady_state(model.with_parameters({at})) searches "
        "everywhere, and says why where there is none."
    )
