"""The stationary equilibrium, the economy without aggregate risk: solved, checked, and explained where there is none.

The numbers are those of equilibrium.py, compiled once per shape; everything is in float64.
"""

import concurrent.futures
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.accounting import OFF, explain_goods, goods_at_rest
from hank_mfg.environment.economy import Economy, Public, discretize
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.policy.policy import Stationary
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.clearing import ENDS, grids, patience, search_coarse, search_fine, unknown_start
from hank_mfg.solve.compiling import quick_compilation
from hank_mfg.solve.equilibrium import Equilibrium
from hank_mfg.solve.household import feasible_savings, policy_of, response_to_unknowns
from hank_mfg.solve.quantities import Names, names_of


class SteadyStateError(RuntimeError):
    """No stationary equilibrium was found; the message says at which values and why."""


class SteadyState(NamedTuple):
    """A stationary equilibrium, every array float64.

    `economy` is the discretized model without aggregate risk; `policy` the `composite` (consumption, less effort where
    preferences are GHH) that is chosen at given cash on hand where the budget does not bind;
    `savings` next assets (assets, income); `mass` the stationary mass (assets, income); `public` shocks, aggregates
    and prices; `residual` the largest relative excess (supplied - assumed)/assumed; times in seconds.
    """

    economy: Economy
    policy: ConsumptionFunction
    savings: np.ndarray
    mass: np.ndarray
    public: Public
    residual: float
    euler_change: float
    seconds_compile: float
    seconds_run: float

    @property
    def prices(self) -> Named:
        """Prices in the stationary equilibrium, per model period."""
        return self.public.prices

    @property
    def aggregates(self) -> Named:
        """Aggregates in the stationary equilibrium."""
        return self.public.aggregates

    @property
    def consumption(self) -> np.ndarray:
        """Consumption of goods in every state, (assets, income), per period, for every preference."""
        with jax.enable_x64(True):
            public = jax.tree.map(jnp.asarray, self.public)
            return np.asarray(self.economy.goods(jnp.asarray(self.composite), public))

    @property
    def composite(self) -> np.ndarray:
        """What marginal utility is of, (assets, income): consumption, or where preferences are GHH consumption less
        effort, c - v(n). Solvers work with it; see `consumption` for goods."""
        with jax.enable_x64(True):
            public = jax.tree.map(jnp.asarray, self.public)
            return np.asarray(self.economy.consumed(self.economy.resources(public) - self.savings, public))

    @property
    def top_of_grid_mass(self) -> float:
        """The mass at the last asset point; above 1e-6 the grid is too short."""
        return float(self.mass[-1].sum())

    def saving_rate(self) -> float | None:
        """1 - consumption / output, where the model declares an outcome named output; None otherwise."""
        with jax.enable_x64(True):
            public = self.public
            output = self.economy.model.outcomes(public.aggregates, public.prices, public.shocks).get("output")
            if output is None:
                return None
        return 1.0 - float(np.sum(self.mass * self.consumption)) / float(output)


def steady_state(model: Model, *, asset_points: int = 200, tolerance: float = 1e-11) -> SteadyState:
    """Solve the stationary equilibrium of a model: aggregates and the prices that clear inside the period.

    Aggregate shocks are held at their means. `tolerance` is on the relative change of consumption in one step of the
    endogenous grid method and on the unknown aggregate; the market must clear within 1e-6 of the aggregate. Raises
    SteadyStateError when the market cannot be bracketed or cleared.
    """
    begin = time.perf_counter()
    with jax.enable_x64(True):
        economy = discretize(model, asset_points, jnp.float64, aggregate_risk=False)
        coarse = (discretize(model, points, jnp.float64, aggregate_risk=False) for points in grids(economy)[:-1])
        levels = (*coarse, economy)
        names = names_of(economy)
        if not names.searched:
            raise SteadyStateError(
                f"No aggregate depends on assets (declared: {', '.join(names.fixed)}): aggregates() must name one, for "
                "instance {'capital': assets}."
            )
        coarse, fine = _compile(levels, names, tolerance)
        compiled = time.perf_counter()
        start = coarse(levels[0], names) if coarse is not None else None
        found, resources, policy, savings = jax.block_until_ready(fine(levels, names, start, tolerance))
        _check(economy, names, found, np.asarray(resources), tolerance)
        seconds = (compiled - begin, time.perf_counter() - compiled)
        _check_goods(economy, found, _goods(economy, found.public, found.mass, savings))
        return SteadyState(
            economy, policy, np.asarray(savings), np.asarray(found.mass),
            jax.tree.map(np.float64, found.public),
            float(np.abs(found.excess).max()), float(found.change), *seconds,
        )  # fmt: skip


@float64_allowed
def stationary_of(steady: SteadyState) -> Stationary:
    """What a policy with aggregate risk starts from: the stationary one and its response to what clears, float64."""
    economy, public = steady.economy, jax.tree.map(jnp.asarray, steady.public)
    cash = economy.resources(public)
    if economy.unknowns:
        response = _response(economy, public, jnp.asarray(steady.composite))
    else:
        response = jnp.asarray(np.zeros((0, *economy.shape)))
    unknowns, outlook = economy.unknown_values(public), economy.outlook(public, public)
    return Stationary(steady.policy, economy.grid.points, cash, unknowns, response, outlook)


_response = eqx.filter_jit(response_to_unknowns)
_coarse = eqx.filter_jit(search_coarse)
_goods = eqx.filter_jit(goods_at_rest)


@eqx.filter_jit
def _fine(levels: tuple[Economy, ...], names: Names, start, tolerance: float):
    found = search_fine(levels, names, start, tolerance)
    resources, policy = levels[-1].resources(found.public), policy_of(levels[-1], found.public, found.composite)
    return found, resources, policy, feasible_savings(levels[-1], found.public, resources, policy(resources))


def _compile(levels: tuple[Economy, ...], names: Names, tolerance: float) -> tuple[Callable | None, Callable]:
    """The programs for the coarse grid, where there is one, and for the fine one: compiled beside each other."""
    options = quick_compilation()
    if len(levels) == 1 or len(names.searched) > 1:
        return None, _fine.lower(levels, names, None, tolerance).compile(compiler_options=options)
    coarse = _coarse.lower(levels[0], names)
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        compiling = beside.submit(coarse.compile, compiler_options=options)
        fine = _fine.lower(levels, names, unknown_start(levels[0]), tolerance).compile(compiler_options=options)
        return compiling.result(), fine


def _check_goods(economy: Economy, found: Equilibrium, goods: Array | None) -> None:
    """Raise SteadyStateError where goods are left over, or missing, though every declared market clears."""
    allowed = OFF + 100.0 * float(np.abs(found.excess).max())
    values = {**found.public.aggregates, **found.public.prices}
    where = f"in the stationary equilibrium, at {', '.join(f'{k} = {float(v):.6g}' for k, v in values.items())}"
    problem = explain_goods(economy.model, goods, where, allowed=allowed)
    if problem is not None:
        raise SteadyStateError(
            f"{problem}, though every declared market clears: an equation is wrong, or an income is paid from outside "
            "that goods_market() leaves out; compare prices() and resources() with goods_market()."
        )


def _check(economy: Economy, names: Names, found: Equilibrium, resources: np.ndarray, tolerance: float) -> None:
    """Raise SteadyStateError unless this is an equilibrium; warn where the grid is too short."""
    unknown = dict(zip(names.searched, map(float, found.unknown), strict=True))
    if np.isnan(found.unknown).any():
        ends = ENDS if not names.clearing else tuple(float(each[0]) for each in economy.brackets())
        raise SteadyStateError(
            f"beta (1 + r) does not cross one for {names.searched[0]} between {ends[0]:g} and {ends[1]:g}: check "
            f"{'the bracket in unknowns()' if names.clearing else 'prices()'} and discount_factor."
        )
    public = jax.tree.map(jnp.asarray, found.public)
    most = np.asarray(economy.consumed(jnp.asarray(resources) - economy.grid.lower, public))
    if np.any(most <= 0):
        place = np.unravel_index(int(np.argmin(most)), most.shape)
        raise SteadyStateError(
            f"With {unknown} and prices {jax.tree.map(float, found.prices)} a household at "
            f"assets {float(economy.grid.points[place[0]]):.4g}, income state {int(place[1])} has resources "
            f"{float(resources[place]):.4g}, not enough to repay down to the borrowing limit "
            f"{float(economy.grid.lower):.4g}: tighten the borrowing limit or raise the lowest income."
        )
    for name, lower, upper in zip(names.clearing, *map(np.asarray, economy.brackets()), strict=True):
        if not lower <= unknown[name] <= upper:
            raise SteadyStateError(
                f"{name} clears its market at {unknown[name]:.6g}, outside its bracket from {lower:g} to {upper:g}: "
                "widen the bracket in unknowns()."
            )
    residual = float(np.abs(found.excess).max())
    if np.isnan(found.mass).any() or (economy.shape[1] == len(economy.shares) and not residual <= 1e-6):
        raise SteadyStateError(
            "The stationary mass is not determined: households of one type stay forever in several separate sets of "
            "states, as they do without idiosyncratic risk; declare a chain that connects the states of "
            "idiosyncratic_shock()."
        )
    if not residual <= 1e-6:
        raise SteadyStateError(
            f"The market for {', '.join(names.searched)} could not be cleared: at {unknown}, where beta (1 + r) = "
            f"{float(patience(economy, found.public)):.6g}, the excess is still "
            f"{100 * float(np.expm1(found.excess[0])):.3g} %: check the borrowing limit and the top of the asset grid."
        )
    if not float(found.change) <= tolerance:
        raise SteadyStateError(
            f"The household problem did not converge: consumption still moved by {float(found.change):.3g} (tolerance "
            f"{tolerance:g}) at prices {jax.tree.map(float, found.prices)}."
        )
    top = float(found.mass[-1].sum())
    if top > 1e-6:
        warnings.warn(
            f"{top:.2e} of the population is at the top of the asset grid ({float(economy.grid.upper):g}): raise it "
            "(maximum_assets in the shipped models).", stacklevel=3,
        )  # fmt: skip
