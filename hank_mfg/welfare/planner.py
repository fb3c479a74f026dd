"""The constrained planner: households' choices that maximize welfare, with markets and insurance as they are.

Households take prices as given. A planner who chooses for all of them, and can neither transfer nor insure, takes
account of what savings do to prices (Davila, Hong, Krusell and Rios-Rull 2012). With A_k aggregates that savings move,
m(a, e) cash on hand and utility weighted alike, the planner's first-order condition is

    u'(c) = beta E[ m_a' u'(c') ] + beta sum_k D_k E[ dA_k/da' ],        D_k = sum over households of u'(c') dm'/dA_k,

where dm/dA_k goes through prices at given assets. D_k is zero where all are alike: what one gains from a higher wage
another does not lose on the return. In a stationary optimum the D_k are numbers, found with the aggregates: the
endogenous grid method with D_k dA_k/da added to the marginal value of assets, the stationary mass, and Newton's method
on both.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast, overload

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.arguments import check_argument, require_none
from hank_mfg.environment.accounting import OFF, explain_goods, steady_goods
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.externality import external_effects, of_own_assets
from hank_mfg.environment.lottery import expect
from hank_mfg.environment.quantities import Names, form_steady_state, names_of, supplied
from hank_mfg.errors import HankError, warn_user
from hank_mfg.evaluate.distribution.statistics import gini, gini_over_states, has_shares
from hank_mfg.files import latex_of
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.model.portable import portable
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.solve.gradient.economies import steady_points
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.solution import Solution
from hank_mfg.solve.solve import solve
from hank_mfg.solve.stationary.clearing.mass import stationary_mass
from hank_mfg.solve.stationary.diagnosis.symptoms import words
from hank_mfg.solve.stationary.household import (
    feasible_savings,
    marginal_value,
    policy_and_savings,
    solve_household,
)
from hank_mfg.solve.stationary.steady_state import SteadyState, require_own_steady, steady_state
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd

FOUND, STEPS = 1e-9, 40  # relative excess; Newton steps
WALK, WALKED, DOUBLINGS = 1.05, 80, 30  # of the aggregate in a step; steps; of an interval of wedges
NEVER, SETTLED = 10.0, 1e-10  # log excess where it has no number; where it is none
BUDGET = "government_budget"  # the outcome that a government leaves, by convention
FULL = 1e-5  # mass at the top of the grid at most
DIFFERENCE, FINER = 1e-5, 4  # of Newton's Jacobian, relative; points of the grid of residuals for one


class PlannerError(HankError, RuntimeError):
    """A planner's optimum that was not found, or is not there for an economy."""


@readable
@portable
@dataclasses.dataclass(frozen=True)
class Planner:
    """The stationary optimum of the constrained planner beside the market's equilibrium, both float64.

    `market` is the stationary equilibrium and `optimum` the planner's in the same form, with its savings, mass, prices
    and aggregates: statistics and welfare apply to it, paths and measures of accuracy, which ask for the condition of a
    household, do not. `externality` maps each aggregate that savings move to D_k, utility per unit of it; `subsidy`
    (assets, income) is the share by which the return on savings, as each household expects it, must be raised for it to
    choose what the planner does, decimals (negative where it must be taxed). `residual_mean` and `residual_largest` are
    those of the planner's first-order condition between grid points, weighted by the mass, in percent of consumption.
    """

    market: SteadyState
    optimum: SteadyState
    externality: dict[str, float]
    subsidy: np.ndarray
    residual_mean: float
    residual_largest: float
    seconds: float

    @property
    def precision(self) -> str:
        """The precision of every number here."""
        return "float64"

    def table(self) -> "pd.DataFrame":
        """Aggregates, prices and outcomes of the market and of the planner, then Gini coefficients of wealth and of
        consumption and the mean subsidy on the return to savings (percent)."""
        import pandas as pd

        rows = {name: [self.market.outcomes[name], self.optimum.outcomes[name]] for name in self.market.outcomes}
        both = (self.market, self.optimum)
        rows["Gini coefficient of wealth"] = [gini(each) if has_shares(each) else np.nan for each in both]
        rows["Gini coefficient of consumption"] = [
            float(gini_over_states(each.mass, each.consumption)) for each in both
        ]
        rows["Mean subsidy on savings (percent)"] = [0.0, 100.0 * float(np.sum(self.optimum.mass * self.subsidy))]
        return pd.DataFrame.from_dict(rows, orient="index", columns=["market", "planner"], dtype=float).rename_axis("")

    to_latex = latex_of


class _Point(NamedTuple):
    """What unknowns imply: what is left in the equations, relative, (2 aggregates,); the policy, savings and mass; what
    is aggregate; D_k; the last relative change of consumption; and the consumption from which to go on."""

    excess: Array
    policy: Any
    savings: Array
    mass: Array
    public: Public
    externality: Array
    change: Array
    consumption: Array


@overload
def planner(
    model: Model,
    method: None = None,
    *,
    market: SteadyState | None = None,
    asset_points: int | None = None,
    tolerance: float = 1e-11,
) -> Planner:
    """Without aggregate risk."""
    ...


@overload
def planner(
    model: Model, method: RSPG, *, market: SteadyState | None = None, seed: int = 0, verbose: bool | None = None
) -> Solution:
    """With aggregate risk."""
    ...


@float64_allowed
def planner(
    model: Model,
    method: RSPG | None = None,
    *,
    market: SteadyState | None = None,
    asset_points: int | None = None,
    tolerance: float = 1e-11,
    seed: int | None = None,
    verbose: bool | None = None,
) -> Planner | Solution:
    """The optimum of the constrained planner, who chooses savings for all households: stationary, beside the market's
    equilibrium, or with aggregate risk by a `method`, hm.RSPG(), and a `seed` (0).

    Utility of all households counts alike; markets, prices as functions of aggregates, and incomplete insurance stay as
    they are. For economies of one asset and hours that are given, whose prices follow from aggregates, where households
    live for ever and are equally patient. Without a method aggregate shocks are held at their means; with one the
    result is a `Solution` like any other, which starts from the stationary optimum, its `steady`, and whose Euler
    errors are those of the planner's condition in every aggregate state. `market` is the stationary
    equilibrium where it is solved already, otherwise it is on `asset_points` (200); the top of the grid must leave room
    for the planner's capital, which may be several times the market's. `tolerance` as in `steady_state`.

    Source: Davila, Hong, Krusell and Rios-Rull (2012), Econometrica 80(6). Raises PlannerError for economies that this
    does not cover, and where no optimum is found.
    """
    if method is not None:
        check_argument("planner", "method", method, RSPG)
        require_none({"asset_points": asset_points}, "a stationary optimum", "the method has asset_points")
        points = steady_points(method, model) if market is None else None
        optimum = planner(model, market=market, asset_points=cast(Any, points), tolerance=tolerance).optimum
        return solve(model, method, steady=optimum, seed=seed or 0, verbose=verbose)
    require_none({"seed": seed, "verbose": verbose}, "aggregate risk", "no method is given")
    begin = time.perf_counter()
    _require_covered(model)
    if market is not None:
        require_none({"asset_points": asset_points}, "an equilibrium that is solved here", "market is given")
        require_own_steady(model, market, "market")
    steady = steady_state(model, asset_points=asset_points, tolerance=tolerance) if market is None else market
    economy, names = steady.economy, names_of(steady.economy)
    share = jnp.asarray(steady.mass.sum(axis=0))
    start = np.concatenate([[steady.aggregates[name] for name in names.unknown], np.zeros(len(names.unknown))])
    consumption = jnp.asarray(steady.consumption)
    mean = in_jax(np.sum(steady.mass * steady.consumption))
    problem = _Problem(economy, names, share, float(model.preferences().marginal_utility(mean)), tolerance)
    found = _found(problem, np.asarray(start, np.float64), consumption)
    _require_room(economy, found)
    _require_goods(economy, found)
    public = jax.tree.map(np.float64, found.public)
    residual = float(np.abs(np.asarray(found.excess)).max())
    optimum = SteadyState(
        dataclasses.replace(economy, planned=True), found.policy, np.asarray(found.savings), np.asarray(found.mass),
        public, residual, float(found.change), 0.0, time.perf_counter() - begin,
    )  # fmt: skip
    external = {name: float(value) for name, value in zip(names.unknown, found.externality, strict=True)}
    _warn_of_budget(steady, optimum)
    subsidy = np.asarray(_subsidy(economy, names, found.public, found.externality, found.consumption, found.savings))
    mean, largest = map(float, _residuals(economy.on(economy.grid.finer(FINER)), names, found))
    return Planner(steady, optimum, external, subsidy, 100 * mean, 100 * largest, time.perf_counter() - begin)


def _require_covered(model: Model) -> None:
    """Raise PlannerError for an economy that the planner does not cover."""
    name, kind = type(model).__name__, type(model)
    reasons = {
        "households have two assets": bool(model.asset_names()),
        "lives end": model.ages() is not None,
        "hours are chosen": kind.hourly_wage is not Model.hourly_wage,
        "the asset has a price of its own": model.sells_at_price(),
        "prices clear inside the period": bool(model.clearing_prices()),
        "there are state variables other than the distribution": bool(model.state_variables()),
        "patience differs or moves": kind.discounting is not Model.discounting,
    }
    for reason, there in reasons.items():
        if there:
            raise PlannerError(
                f"The planner of {name}: {reason}; it is there for one asset, given hours and prices that follow from "
                "aggregates, with households that live for ever and are equally patient."
            )


def _require_room(economy: Economy, found: _Point) -> None:
    """Raise PlannerError where the optimum hangs on the top of the asset grid."""
    top = float(economy.grid.top(np.asarray(found.mass)))
    if top > FULL:
        raise PlannerError(
            f"The planner's optimum of {type(economy.model).__name__} was found with {100 * top:.2g} percent of "
            f"households at the top of the asset grid, {float(economy.grid.upper):g}, so that it hangs on where the "
            "grid ends: raise the top in asset_space(); where the optimum moves on with it, wealth spreads without end "
            "and there is none."
        )


def _require_goods(economy: Economy, found: _Point) -> None:
    """Raise PlannerError where goods are left over at the optimum by the model's own accounting."""
    goods = _goods(economy, found.public, found.mass, found.savings)
    problem = explain_goods(economy.model, goods, "at the planner's optimum", allowed=OFF)
    if problem is not None:
        raise PlannerError(f"{problem}: whatever is paid in must be paid out at other prices too.")


_goods = eqx.filter_jit(steady_goods)


def _warn_of_budget(market: SteadyState, optimum: SteadyState) -> None:
    """Warn where the government of the optimum receives goods that no household gets."""
    before, after = (each.outcomes.get(BUDGET, 0.0) for each in (market, optimum))
    if abs(after - before) > 1e-6:
        warn_user(
            f"{BUDGET} is {before:.4g} in the market's equilibrium and {after:.4g} at the planner's optimum, which "
            "no household receives: let prices() compute the tax or the transfer that balances it at any aggregates."
        )


class _Problem(NamedTuple):
    """An economy, the mass of its income states, (income,), marginal utility at the market's mean consumption, a unit
    of D_k, and a tolerance of relative consumption."""

    economy: Economy
    names: Names
    share: Array
    unit: float
    tolerance: float


def _found(problem: _Problem, start: np.ndarray, consumption: Array) -> _Point:
    """The optimum, from the market's equilibrium on, by Newton's method, and where it fails with one aggregate by
    walking away from the market. Raises PlannerError."""
    found = _newton(problem, start, consumption)
    if found is None and len(problem.names.unknown) == 1:
        found = _walked(problem, float(start[0]), consumption)
    if found is None:
        unknown = problem.names.unknown
        raise PlannerError(
            f"The planner's optimum of {type(problem.economy.model).__name__} was not found, searching from the "
            f"market's equilibrium, {words(unknown, start[: len(unknown)])}; raise the top of the grid in "
            "asset_space(), the planner may hold several times the market's capital; where wealth spreads without end "
            "there is none."
        )
    return found


def _walked(problem: _Problem, market: float, consumption: Array) -> _Point | None:
    """The optimum with one aggregate: for values of it ever further from the market's, up or down as D_k says, the
    wedge at which as much is saved, until it exceeds D_k; then the root between. None where there is none."""
    last = {"consumption": consumption}

    def point(aggregate: float, wedge: float) -> _Point:
        found = _point(problem, jnp.asarray([aggregate, wedge]), last["consumption"])
        if np.isfinite(np.asarray(found.excess)).all():
            last["consumption"] = found.consumption
        return found

    def wedge_at(aggregate: float, near: float) -> float:
        """The wedge at which what is saved is the aggregate, which rises with it; NaN where none is found."""

        def missing(wedge: float) -> float:
            excess = float(point(aggregate, wedge).excess[0])
            return excess if np.isfinite(excess) else NEVER  # households who never stop saving save too much

        step, ends = max(abs(near), 1e-4 * problem.unit) * 0.5, [near, near]
        for _ in range(DOUBLINGS):
            values = [missing(each) for each in ends]
            for end, value in zip(ends, values, strict=True):
                if abs(value) <= SETTLED:
                    return end
            if values[0] < 0 < values[1]:
                return _root(missing, ends, 1e-14 * problem.unit)
            ends = [ends[0] - step * (values[0] > 0), ends[1] + step * (values[1] < 0)]
            step *= 2.0
        return np.nan

    up = float(point(market, 0.0).excess[1]) > 0
    here, wedge, factor = market, 0.0, WALK if up else 1.0 / WALK

    def left(aggregate: float) -> float:
        nonlocal wedge
        found = wedge_at(aggregate, wedge) if np.isfinite(aggregate) else np.nan
        if not np.isfinite(found):
            return np.nan
        wedge = found
        return float(point(aggregate, found).excess[1])

    for _ in range(WALKED):
        there = here * factor
        value = left(there)
        if not np.isfinite(value):
            return None
        if (value <= 0) == up:
            root = _root(left, sorted((here, there)), 1e-11 * here)
            there = np.array([root, wedge]) if np.isfinite(left(root)) else None
            return None if there is None else _newton(problem, there, last["consumption"])
        here = there
    return None


def _root(function: Callable[[float], float], ends: Sequence[float], apart: float) -> float:
    import scipy.optimize  # here: it is slow to import

    try:
        return float(scipy.optimize.root_scalar(function, bracket=ends, xtol=apart, rtol=1e-13, method="brentq").root)
    except ValueError:  # at one end the sign is that of the other, by rounding, or there is no number
        return float("nan")


def _newton(problem: _Problem, x: np.ndarray, consumption: Array) -> _Point | None:
    """What the unknowns imply at which nothing is left, from `x` on; None where the search ends elsewhere."""
    count = len(problem.names.unknown)
    scale = np.concatenate([np.abs(x[:count]), np.full(count, problem.unit)])

    def at(x: np.ndarray, consumption: Array) -> tuple[np.ndarray, _Point]:
        found = _point(problem, jnp.asarray(x), consumption)
        return np.asarray(found.excess), found

    excess, found = at(x, consumption)
    for _ in range(STEPS):
        if np.abs(excess).max() <= FOUND:
            return found
        if not np.isfinite(excess).all():
            return None
        moved = (at(x + DIFFERENCE * unit, found.consumption)[0] for unit in np.diag(scale))
        jacobian = np.stack([(each - excess) / DIFFERENCE for each in moved], axis=1) / scale
        full = -np.linalg.solve(jacobian, excess)
        for length in 0.5 ** np.arange(8):
            new = x + length * full
            better, there = (
                at(new, found.consumption) if (new[:count] > 0).all() else (np.full_like(excess, np.nan), found)
            )
            if np.isfinite(better).all() and np.abs(better).max() < np.abs(excess).max():
                break
        else:
            return None
        x, excess, found = new, better, there
    return None


@eqx.filter_jit
def _point(problem: _Problem, x: Array, start: Array) -> _Point:
    """What aggregates and D_k, (2 aggregates,), imply; households' problem is begun at consumption `start`."""
    economy, names, share, unit, tolerance = problem
    assumed, wedges = jnp.split(x, 2)
    shocks = economy.shocks(0)

    public = form_steady_state(economy, names, assumed, shocks, share)
    wedge = _wedge(economy, names, wedges)
    found = solve_household(economy, public, start, tolerance=tolerance, wedge=wedge)
    policy, savings = policy_and_savings(economy, public, found.plan, wedge)
    mass = stationary_mass(economy, savings)
    supply = supplied(economy, names.unknown, mass, shocks)
    effects = external_effects(economy, public, mass, savings)
    external = jnp.stack([jnp.asarray(effects[name]) for name in names.unknown])
    excess = jnp.concatenate([jnp.log(supply / assumed), (external - wedges) / unit])
    excess = jnp.where(found.change <= 1e3 * tolerance, excess, jnp.nan)
    return _Point(excess, policy, savings, mass, public, wedges, found.change, found.plan)


def _wedge(economy: Economy, names: Names, wedges: Array) -> Array:
    """The sum of D_k dA_k/da in every state, (assets, income)."""
    effects = Named("effects", dict(zip(names.unknown, wedges, strict=True)))
    return of_own_assets(economy, economy.shocks(0), effects)


@eqx.filter_jit
def _subsidy(
    economy: Economy, names: Names, public: Public, external: Array, consumption: Array, savings: Array
) -> Array:
    """By how much the expected return must be raised, as a share, for households to choose what the planner does."""
    wedge, lottery, chain = _wedge(economy, names, external), economy.lottery(savings), economy.chain()
    marginal = marginal_value(economy, public, consumption)
    return expect(jnp.broadcast_to(wedge, marginal.shape), lottery, chain) / expect(marginal, lottery, chain)


@eqx.filter_jit
def _residuals(economy: Economy, names: Names, found: _Point) -> tuple[Array, Array]:
    """The mean and the largest gap between consumption and what the planner's condition implies, as a share of it, on a
    finer grid; where the borrowing limit binds there is none."""
    public, cash = found.public, economy.resources(found.public)
    savings = feasible_savings(economy, public, cash, found.policy(cash))
    consumption = economy.budget(public).consumption_of(cash, savings)
    mass = stationary_mass(economy, savings)
    marginal = marginal_value(economy, public, consumption) + _wedge(economy, names, found.externality)
    ahead = expect(marginal, economy.lottery(savings), economy.chain()) * economy.discount_factor(public.shocks)
    implied = economy.model.preferences().inverse_marginal_utility(ahead)
    gap = jnp.where((savings > economy.lowest) & (mass > 1e-12), jnp.abs(implied / consumption - 1.0), 0.0)
    return jnp.sum(mass * gap), jnp.max(gap)
