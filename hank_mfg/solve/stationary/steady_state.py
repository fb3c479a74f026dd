"""The stationary equilibrium, the economy without aggregate risk: solved, checked, and explained where there is none.

The numbers are those of equilibrium.py, compiled once per shape; everything is in float64.
"""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.environment.accounting import OFF, explain_goods, steady_goods
from hank_mfg.environment.check_assets import check_two_assets
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.product_grid import ProductGrid, points_held
from hank_mfg.environment.quantities import Names, names_of
from hank_mfg.errors import warn_user
from hank_mfg.files import as_latex
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named, differing
from hank_mfg.model.portable import portable
from hank_mfg.model.units import LEVEL, declared_kinds, shown_in
from hank_mfg.policy.policy import Stationary
from hank_mfg.policy.portfolio_policy import StationaryPortfolio
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.solve.stationary.clearing.clearing import grids
from hank_mfg.solve.stationary.clearing.equilibrium import Equilibrium
from hank_mfg.solve.stationary.diagnosis.diagnosis import SteadyStateError as SteadyStateError
from hank_mfg.solve.stationary.diagnosis.sufficiency import blame_budget, nonconcave_budgets, require_sufficient
from hank_mfg.solve.stationary.household import marginal_of_plan, response_to_unknowns
from hank_mfg.solve.stationary.portfolio import plan_of
from hank_mfg.solve.stationary.search import Outcome, Programs, guess_of, household_tolerance
from hank_mfg.wording import display_name, in_words

if TYPE_CHECKING:
    import pandas as pd

OUTPUT = "output"  # the name of the quantity that others are divided by
FINEST, LOOSEST = 1e-14, 1e-2  # tolerances that can be asked for


@portable
class SteadyState(NamedTuple):
    """A stationary equilibrium, every array float64.

    `economy` is the discretized model without aggregate risk; `policy` the `composite` (consumption, less effort
    where preferences are GHH) that is chosen at given cash on hand where the budget does not bind, or with two assets
    the savings in both; `savings` next assets (assets, income), of two (2, assets, income) over pairs of points, the
    first asset outermost; `mass` the stationary mass (assets, income), where lives end see `Ages`; `public` shocks,
    aggregates and prices; `residual` the largest relative excess (supplied - assumed)/assumed; times in seconds.
    """

    economy: Economy
    policy: Any  # ConsumptionFunction, or PortfolioFunction with two assets
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
    def assets(self) -> np.ndarray | Named:
        """The asset points, (assets,), in goods: the first axis of `mass`, `savings` and `consumption`; of two assets
        what is held of each at the pairs of points, (assets,) by name."""
        return points_held(self.economy.grid)

    @property
    def plan(self) -> np.ndarray:
        """What the household's problem was solved for: the composite, or with two assets (2, assets, income), see
        portfolio.py."""
        if not self.economy.several:
            return self.composite
        return np.asarray(plan_of(self.economy, jnp.asarray(self.savings), jnp.asarray(self.composite)))

    @property
    def consumption(self) -> np.ndarray:
        """Consumption of goods in every state, (assets, income), per period, for every preference."""
        with jax.enable_x64(True):
            public = jax.tree.map(in_jax, self.public)
            return np.asarray(_consumed(self.economy, public, in_jax(self.savings))[1])

    @property
    def composite(self) -> np.ndarray:
        """The argument of marginal utility, (assets, income): consumption, or where preferences are GHH consumption
        less effort, c - v(n). Solvers work with it; see `consumption` for goods."""
        with jax.enable_x64(True):
            public = jax.tree.map(in_jax, self.public)
            return np.asarray(_consumed(self.economy, public, in_jax(self.savings))[0])

    @property
    def top_of_grid_mass(self) -> float:
        """The mass at the last asset point, or that of either asset; above 1e-6 the grid is too short."""
        return float(self.economy.grid.top(self.mass))

    @property
    def nonconcave(self) -> str:
        """A sentence on budgets that are not concave in assets, so that first-order conditions are not sufficient; ""
        where they are concave, in every aggregate state."""
        return nonconcave_budgets(self.economy, self.public)

    def __repr__(self) -> str:
        return summary(self, {**self.prices, **self.aggregates}, f"residual {self.residual:.1g}")

    @property
    @float64_allowed
    def outcomes(self) -> dict[str, float]:
        """Every price, aggregate, declared outcome and choice summed over households, by name; decimals per period."""
        public = jax.tree.map(in_jax, self.public)
        named = all_quantities(self.economy, public, jnp.asarray(self.mass), jnp.asarray(self.savings))
        return {name: float(value) for name, value in named.items()}

    @property
    @float64_allowed
    def goods_market(self) -> float | None:
        """Excess supply of goods relative to output by the model's own accounting; None where it declares none."""
        public = jax.tree.map(in_jax, self.public)
        left = steady_goods(self.economy, public, jnp.asarray(self.mass), jnp.asarray(self.savings))
        return None if left is None else float(left)

    def table(self) -> "pd.DataFrame":
        """One row a quantity of `outcomes`: value, unit and, where the model reports output, levels over output.

        A rate is in percent per model period, a share in percent, anything else a level in units of its own.
        """
        import pandas as pd

        values, model = self.outcomes, self.economy.model
        kinds = declared_kinds(model, [*self.economy.shock_values, *values])
        shown = {name: shown_in(kinds[name], model.period) for name in values}
        columns: dict[str, list[Any]] = {
            "value": [shown[name][1] * value for name, value in values.items()],
            "unit": [shown[name][0] for name in values],
        }
        output = values.get(OUTPUT)
        if output:
            ratios = [value / output if kinds[name] == LEVEL else np.nan for name, value in values.items()]
            columns["ratio to output"] = ratios
        return pd.DataFrame(columns, index=pd.Index(list(values), name="quantity"))

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        points, states = self.economy.shape
        note = f"Stationary equilibrium, {points} asset points, {states} income states, float64."
        frame = self.table().rename(index=display_name, columns=display_name).rename_axis("")
        return as_latex(frame, path, **{"note": note, "digits": 5, **options})

    def saving_rate(self) -> float | None:
        """1 - consumption / output, where the model declares an outcome named output; None otherwise."""
        with jax.enable_x64(True):
            public = self.public
            output = self.economy.model.outcomes(public.today).get(OUTPUT)
            if output is None:
                return None
        return 1.0 - float(np.sum(self.mass * self.consumption)) / float(output)


def all_quantities(economy: Economy, public: Public, mass: Any, savings: Any) -> Named:
    """Aggregates, prices, declared outcomes and choices summed over households, by name, traceable; shocks, which rest
    at their means, are left out. `mass` and `savings` (assets, income)."""
    every = {**economy.series(public), **economy.choices(mass, public, savings)}
    return Named("outcomes", {name: value for name, value in every.items() if name not in public.shocks})


def summary(result: Any, values: Mapping[str, Any], more: str) -> str:
    """A result with an `economy` in a line, with the doubt that `nonconcave` states."""
    economy = result.economy
    nonconcave = result.nonconcave  # looks at budgets in every aggregate state: once
    doubt = f"; {nonconcave}" if nonconcave else ""
    points, states = economy.shape
    kind, model = type(result).__name__, type(economy.model).__name__
    return f"{kind}({model}: {in_words(values)}; {points} asset points, {states} income states, {more}{doubt})"


def steady_state(
    model: Model,
    *,
    asset_points: int | Mapping[str, int] | None = None,
    tolerance: float = 1e-11,
    guess: SteadyState | Mapping[str, float] | None = None,
    others: bool = True,
    nonconcave: str = "refuse",
) -> SteadyState:
    """Solve the stationary equilibrium of a model: aggregates and the prices that clear inside the period.

    Aggregate shocks are held at their means. `asset_points` is 200 unless given; of two assets a number for each, by
    name or the same, 60 unless given. `tolerance` is on the relative change of consumption in one step of the
    endogenous grid method; markets clear within 1e-6, of the aggregate or in units of excess_demand(). A search that
    fails is followed by one from many starts, in units of the economy's own (global_search.py).

    `guess` is where to look first: the SteadyState of a similar economy, or values by name of what is searched, such as
    {"capital": 4.2}; with several equilibria the one next to it is found. With one unknown and no guess the excess is
    also evaluated far from the equilibrium, and a warning names `others` that this shows; `others=False` does not look.

    Savings are solved by first-order conditions, which are sufficient where resources() is concave in assets. Where its
    slope rises, or it jumps up, here or in an aggregate state, a search over all choices says what households lose by
    them: more than a hundredth of a percent of consumption is refused, unless `nonconcave="allow"`; `nonconcave` of the
    result says where.

    Raises SteadyStateError where there is no equilibrium, with the cause and a remedy, both found by trying, and where
    first-order conditions are not sufficient; TypeError and ValueError for arguments that make no sense.
    """
    begin = time.perf_counter()
    require_tolerance(tolerance)
    if nonconcave not in ("refuse", "allow"):
        raise ValueError(f'nonconcave = {nonconcave!r}: "refuse" or "allow" budgets that are not concave.')
    if model.asset_names():
        check_two_assets(model)
    with jax.enable_x64(True):
        economy = discretize(model, asset_points, jnp.float64, aggregate_risk=False)
        coarse = (discretize(model, points, jnp.float64, aggregate_risk=False) for points in grids(economy)[:-1])
        levels = (*coarse, economy)
        names = names_of(economy)
        require_unknown(names)
        start = None if guess is None else guess_of(names, guess)
        programs = Programs(levels, names, household_tolerance(tolerance))
        compiled = time.perf_counter()
        try:
            outcome = programs.search(start, tolerance, others)
        except SteadyStateError as error:
            if nonconcave == "refuse":
                blame_budget(model, error)
            raise
        seconds = (compiled - begin, time.perf_counter() - compiled)
        return checked_outcome(economy, outcome, seconds, nonconcave)


def require_unknown(names: Names) -> None:
    """Raise SteadyStateError where nothing is unknown in a stationary equilibrium."""
    if names.searched:
        return
    raise SteadyStateError(
        f"No aggregate depends on assets (declared: {', '.join(names.fixed)}): aggregates() must name one, for "
        "instance {'capital': assets}."
    )


def checked_outcome(
    economy: Economy, outcome: Outcome, seconds: tuple[float, float], nonconcave: str = "refuse"
) -> SteadyState:
    """The equilibrium that a search ended with, once goods, the grid and budgets are checked as in `steady_state`.

    `seconds` of compilation and of the search. Raises SteadyStateError where goods are left over, and unless
    `nonconcave` is "allow" where first-order conditions are not sufficient; warns of a grid that is too short.
    """
    found = outcome.found
    _check_goods(economy, found, _goods(economy, found.public, found.mass, outcome.savings))
    warn_of_top(economy, found.mass)
    if nonconcave == "refuse":
        require_sufficient(economy, found.public, outcome.savings, found.mass)
    return SteadyState(
        economy, outcome.policy, np.asarray(outcome.savings), np.asarray(found.mass),
        jax.tree.map(np.float64, found.public),
        float(np.abs(found.excess).max()), float(found.change), *seconds,
    )  # fmt: skip


def require_tolerance(tolerance: float) -> None:
    """Raise ValueError unless the tolerance can be met."""
    if not FINEST <= tolerance <= LOOSEST:
        raise ValueError(
            f"tolerance = {tolerance!r}: a relative change of consumption between {FINEST:g}, which rounding allows, "
            f"and {LOOSEST:g}; 1e-11 is the default."
        )


def require_market(steady: SteadyState, what: str) -> None:
    """Raise ValueError where `steady` is a planner's optimum: `what` asks for choices of households for themselves."""
    if steady.economy.planned:
        raise ValueError(
            f"{what} is for households who choose for themselves, and this is a planner's optimum: give the market's "
            "equilibrium, hm.steady_state(model); with aggregate risk the planner is hm.planner(model, hm.RSPG())."
        )


def require_own_steady(
    model: Model, steady: SteadyState | None, what: str = "steady", *, planned: bool = False
) -> None:
    """Raise ValueError unless `steady`, the argument `what`, is of an economy of this name with these parameters, or
    None, and the market's, unless it may be `planned`."""
    if steady is None:
        return
    if not planned:
        require_market(steady, f"{what}=")
    other = steady.economy.model
    changed = list(differing(model.parameters(), other.parameters()))
    if type(model).__name__ != type(other).__name__ or changed:
        same = type(model).__name__ == type(other).__name__
        whose = f"with another {changed[0]} than" if same else f"of {type(other).__name__}, not of"
        raise ValueError(
            f"{what} is a stationary equilibrium {whose} the {type(model).__name__} to solve: pass "
            "hm.steady_state(model), or leave it out."
        )


def warn_of_top(economy: Economy, mass) -> None:
    """Warn where the asset grid is too short for the mass (assets, income)."""
    top = float(economy.grid.top(np.asarray(mass)))
    if top > 1e-6:
        ends = " or ".join(f"{end:g}" for end in np.ravel(economy.grid.upper))
        warn_user(
            f"{top:.2e} of the population is at the top of the asset grid ({ends}): raise it "
            "(maximum_assets in the shipped models)."
        )


@float64_allowed
def stationary_of(steady: SteadyState) -> Stationary | StationaryPortfolio:
    """The start of a policy with aggregate risk: the stationary one and its response to clearing prices, float64."""
    economy, public = steady.economy, jax.tree.map(in_jax, steady.public)
    clearing_prices, expected, cash = _at_rest(economy, public)
    if isinstance(economy.grid, ProductGrid):
        ahead = economy.chain().expect(marginal_of_plan(economy, public, jnp.asarray(steady.plan)))
        return StationaryPortfolio(jnp.log(ahead), economy.grid, clearing_prices, expected)
    if economy.clearing_prices:
        response = _response(economy, public, jnp.asarray(steady.composite))
    else:
        response = in_jax(np.zeros((0, *economy.shape)))
    return Stationary(steady.policy, economy.grid.points, cash, clearing_prices, response, expected)


@quick_jit
def _consumed(economy: Economy, public: Public, savings: Array) -> tuple[Array, Array]:
    """The composite and goods, (assets, income) each, that are consumed beside `savings`."""
    budget = economy.budget(public)
    composite = budget.consumption_of(economy.resources(public), savings)
    return composite, budget.goods(composite)


@quick_jit
def _at_rest(economy: Economy, public: Public) -> tuple[Array, Array, Array]:
    """The clearing prices, what is expected and cash on hand."""
    return economy.clearing_values(public), economy.expected(public, public), economy.resources(public)


_response = eqx.filter_jit(response_to_unknowns)
_goods = eqx.filter_jit(steady_goods)


def _check_goods(economy: Economy, found: Equilibrium, goods: Array | None) -> None:
    """Raise SteadyStateError where goods are left over, or missing, though every declared market clears."""
    allowed = OFF + 100.0 * float(np.abs(found.excess).max())
    values = {**found.public.aggregates, **found.public.prices}
    where = f"in the stationary equilibrium, at {in_words(values)}"
    problem = explain_goods(economy.model, goods, where, allowed=allowed)
    if problem is not None:
        raise SteadyStateError(
            f"{problem}, though every declared market clears: an equation is wrong, or an income is paid from outside "
            "that goods_market() leaves out; compare prices() and resources() with goods_market()."
        )
