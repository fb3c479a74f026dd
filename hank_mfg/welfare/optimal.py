"""Optimal policy: the values of parameters that maximize welfare, at rest or with the way there, by exact gradients.

    max over theta in [lower, upper] of  W(theta),

where W is mean lifetime utility of the households of the stationary equilibrium at theta, or of the households alive
when theta is announced, along the perfect-foresight path to that equilibrium. A parameter of taxes or transfers may
balance the government's budget at every theta. Gradients are exact for the economy on its grid (objectives.py); the
search is in box_search.py.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hank_mfg.environment.quantities import names_of
from hank_mfg.errors import warn_user
from hank_mfg.model.base import Model, check_names
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_whole
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.stationary.steady_state import SteadyState, SteadyStateError, steady_state
from hank_mfg.welfare.box_search import (
    APART,
    STARTS,
    Box,
    Found,
    Second,
    climb,
    curvatures,
    local_best,
    second_derivatives,
)
from hank_mfg.welfare.financed import own_equilibrium
from hank_mfg.welfare.gains import Welfare, welfare
from hank_mfg.welfare.objectives import AlongPath, Here
from hank_mfg.welfare.optimum import Optimality, Optimum, WelfareGradient
from hank_mfg.welfare.policy_problem import (
    WELFARE,
    Finance,
    Objective,
    OptimumError,
    PolicyProblem,
    Setting,
    prepare,
    same_equilibrium,
)
from hank_mfg.welfare.reform import reform
from hank_mfg.wording import in_words

GAP = 0.01  # relative: between gradients and values beside the optimum, above which they are said to disagree
NOTHING = 1e-4  # of the change over the coarse grid: a curvature that counts as none
PULL = 1e-3  # the same: a gradient at the edge of the region with equilibria
AGREES = 1e-6  # relative: aggregates of an equilibrium that was solved twice; percent of welfare along a path


@float64_allowed
def optimal(
    model: Model,
    over: Mapping[str, Sequence[float]],
    *,
    objective: Objective = WELFARE,
    transition: bool = False,
    finance: Finance = None,
    budget: str = "government_budget",
    start: SteadyState | None = None,
    horizon: int = 300,
    asset_points: int | None = None,
    grid_points: int | None = None,
) -> Optimum:
    """Find the values of policy parameters within bounds that are best for households.

        best = hm.optimal(model, over={"capital_tax": (0.0, 0.5)}, finance="labor_tax")
        best.values, best.gains.percent, best.status, best.table()

    `over` maps parameters of prices, taxes, transfers or policy rules to bounds (low, high). Maximized is mean lifetime
    utility in the stationary equilibrium; with `transition` that of the households of the equilibrium `start` (of the
    model as it is), who learn in period 0 that the parameters change for good, along the perfect-foresight path of
    `horizon` periods. `objective` may be a function instead, a loss, which is minimized: of a stationary equilibrium
    (prices, aggregates, outcomes, mass, assets, consumption, savings, own as attributes), with `transition` of the
    series of the path by name, (horizon,) each; in jax.numpy, returning one number.

    `finance` names a parameter that keeps the outcome `budget` where it is in the equilibrium before, at every value
    tried and in every period, as in `hm.reform`. Welfare is in permanent percent of consumption at unchanged hours.

    The search evaluates a coarse grid first (5 points in each of one or two directions, 3 of three, 2 of more, or
    `grid_points`), then climbs from its best points. Warns where the optimum is at a bound or where equilibria end,
    where there are several local optima, and where the optimum has another equilibrium. float64.

    Raises ValueError for names, bounds and functions that make no sense, and for parameters that move preferences,
    chains or grids; OptimumError where no equilibrium is within the bounds, and where results that should be the same
    differ; SteadyStateError where there is no equilibrium before.
    """
    begin = time.perf_counter()
    if grid_points is not None:
        require_whole("grid_points", grid_points, 3, "5 is usual", "optimal")
    require_whole("horizon", horizon, 2, "300 is usual", "optimal")
    setting = Setting(transition, finance, budget, horizon)
    problem = prepare(model, over, objective, setting, start, asset_points)
    box = problem.box
    places = box.lattice(grid_points)
    grid = problem.walked(places)
    found, scale = _searched(box, places, grid)
    best = found[0]
    second = second_derivatives(box, best.here, scale)
    held, status, where = _judged(problem, best, second, scale)
    after, path, gains = _solved(problem, best.here, budget, horizon)
    others = problem.frame(np.asarray([box.place(each.here.theta) for each in found[1:]]), [x.here for x in found[1:]])
    _warn(problem, status, where, second, others)
    rate = problem.per_unit(best.here.value)
    return Optimum(
        model, tuple(problem.names), best.here.theta, problem.own, box.lower, box.upper, problem.finance,
        problem.before, after, path, gains, objective, problem.shown(best.here.value),
        problem.shown(problem.here.value), rate * best.here.gradient, rate * second.matrix,
        _eigenvalues(rate * second.matrix, box.width, held), status, where, problem.frame(places, grid), others,
        setting, problem.judged.evaluations, time.perf_counter() - begin,
    )  # fmt: skip


@float64_allowed
def welfare_gradient(
    model: Model,
    over: Sequence[str],
    *,
    objective: Objective = WELFARE,
    transition: bool = False,
    finance: Finance = None,
    budget: str = "government_budget",
    start: SteadyState | None = None,
    horizon: int = 300,
    asset_points: int | None = None,
) -> WelfareGradient:
    """The derivative of welfare in parameters of policy at the model's own values, exact for the economy on its grid.

        hm.welfare_gradient(model, ["capital_tax"], finance="labor_tax").slopes["capital_tax"]

    `over` names the parameters; everything else, the kinds of objectives, and what is raised are as in `hm.optimal`.
    At rest dW/dtheta goes through the stationary equilibrium by the implicit function theorem, with `transition` also
    through the clearing of all markets in every period of the path. Per unit of the parameter: `slopes` in percent of
    consumption, `utility` in lifetime utility.
    """
    begin = time.perf_counter()
    require_whole("horizon", horizon, 2, "300 is usual", "welfare_gradient")
    setting = Setting(transition, finance, budget, horizon)
    problem = prepare(model, _around_own(model, over), objective, setting, start, asset_points)
    here, sign = problem.here, -1.0 if problem.loss else 1.0
    rate = problem.per_unit(here.value)
    return WelfareGradient(
        dict(zip(problem.names, map(float, problem.own), strict=True)),
        dict(zip(problem.names, map(float, rate * here.gradient), strict=True)),
        dict(zip(problem.names, map(float, sign * here.gradient), strict=True)),
        sign * here.value, problem.finance, transition, time.perf_counter() - begin,
    )  # fmt: skip


def _around_own(model: Model, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Narrow bounds around the model's values, within what it declares. Raises ValueError for unknown names."""
    if isinstance(names, str) or not len(names):
        raise ValueError(f"over = {names!r}: give a list of names of parameters, such as ['capital_tax'].")
    check_names(type(model), names)
    bounds = {}
    for name in names:
        known = model.parameters().get(name)
        if known is None or np.ndim(known):
            raise ValueError(f"over names {name!r}, which is not one number: policy parameters are single numbers.")
        value, step = float(known), 1e-3 * max(1.0, abs(float(known)))
        declared = type(model).__dataclass_fields__[name].metadata["bounds"]
        low = [float(declared[each]) for each in ("above", "at_least") if each in declared]
        high = [float(declared[each]) for each in ("below", "at_most") if each in declared]
        inside = [value - 0.5 * (value - end) if end < value else end for end in low]
        beyond = [value + 0.5 * (end - value) if end > value else end for end in high]
        bounds[name] = (max([value - step, *inside]), min([value + step, *beyond]))
    return bounds


def _searched(box: Box, places: np.ndarray, grid: list[Here | None]) -> tuple[list[Found], float]:
    """The ends of searches from the best points of the coarse grid, the best first, each other one far from it; and
    the size of what the objective changes by."""
    values = np.array([each.value for each in grid if each is not None])
    slopes = [np.abs(each.gradient * box.width).max() for each in grid if each is not None]
    scale = float(max(np.ptp(values), 1e-3 * max(slopes)))
    step = float(np.diff(np.unique(places[:, 0])).max())
    ends: list[Found] = []
    for begin in local_best(places, grid)[:STARTS]:
        ends.append(climb(box, begin, curvatures(box, places, grid, begin, scale), scale, step))
    ends.sort(key=lambda each: -each.here.value)
    apart: list[Found] = []
    for each in ends:
        if all(np.abs(box.place(each.here.theta) - box.place(x.here.theta)).max() > APART for x in apart):
            apart.append(each)
    return apart, scale


def _eigenvalues(matrix: np.ndarray, width: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Eigenvalues of a Hessian per width of the bounds, among parameters that are not held at one."""
    inside = (matrix * np.outer(width, width))[np.ix_(~held, ~held)]
    return np.linalg.eigvalsh(inside) if np.isfinite(inside).all() else np.full(len(inside), np.nan)


def _judged(problem: PolicyProblem, found: Found, second: Second, scale: float) -> tuple[np.ndarray, Optimality, str]:
    """Which parameters are held at a bound, (free,), what kind of optimum a search ended with, and the bounds."""
    box, here = problem.box, found.here
    pull, place = here.gradient * box.width, box.place(here.theta)
    low, high = (place <= 0.0) & (pull < 0), (place >= 1.0) & (pull > 0)
    held = low | high
    where = [
        f"{each.name} is at its {'lower' if low[number] else 'upper'} bound {here.theta[number]:g}"
        for number, each in enumerate(problem.free) if held[number]
    ]  # fmt: skip
    curvature = _eigenvalues(second.matrix, box.width, held)
    left = np.abs(pull[~held]).max(initial=0.0)
    if not found.settled:
        status = Optimality.UNFINISHED
    elif (found.edge and left > PULL * scale) or np.isnan(curvature).any():
        status = Optimality.EDGE
    elif (curvature > NOTHING * scale).any():
        status = Optimality.SADDLE
    elif held.any():
        status = Optimality.BOUND
    elif (curvature > -NOTHING * scale).any():
        status = Optimality.FLAT
    else:
        status = Optimality.INTERIOR
    return held, status, ", ".join(where)


def _solved(
    problem: PolicyProblem, here: Here, budget: str, horizon: int
) -> tuple[SteadyState, Transition | None, Welfare]:
    """The equilibrium at the optimum, the path there, and who gains: solved again by what solves one reform, which
    must give the same."""
    before, points = problem.before, problem.before.economy.grid.count
    model, at = problem.model_at(here), dict(zip(problem.names, here.theta, strict=True))
    if isinstance(problem.judged, AlongPath):
        made = reform(
            problem.model, {name: float(value) for name, value in at.items()}, finance=problem.finance, budget=budget,
            horizon=horizon, before=before,
        )  # fmt: skip
        after, path, gains = made.after, made.path, made.gains
    else:
        found = problem.judged.equilibria.steady(here.point, (0.0, 0.0))
        guess = {name: found.outcomes[name] for name in names_of(before.economy).searched}
        after = steady_state(model, asset_points=points, guess=guess) if problem.finance is None else (
            own_equilibrium(model, found, problem.finance, points)
        )  # fmt: skip
        path, gains = None, welfare(before, after)
        _warn_of_another(model, after, points)
    own = problem.judged.equilibria.steady(here.point, (0.0, 0.0))
    percent = None if problem.loss else problem.shown(here.value)
    if not same_equilibrium(after, own, AGREES) or (
        percent is not None and abs(percent - gains.percent) > AGREES * (1.0 + abs(percent))
    ):
        raise OptimumError(
            f"At the optimum, {in_words(at)}, the search and a second computation differ: {in_words(own.aggregates)} "
            f"and {in_words(after.aggregates)}, a gain of {percent} and {gains.percent} percent; there may be several "
            "equilibria, give narrower bounds."
        )
    return after, path, gains


def _warn_of_another(model: Model, after: SteadyState, points: Any) -> None:
    """Warn where a search from nothing finds another equilibrium at the optimum than the one that was followed."""
    try:
        cold = steady_state(model, asset_points=points)
    except SteadyStateError:  # the usual search finds none: the one that was followed is there all the same
        return
    if not same_equilibrium(after, cold, AGREES):
        warn_user(
            f"The optimum has two equilibria: the one that was followed from the model's own values has "
            f"{in_words(after.aggregates)}, another one {in_words(cold.aggregates)}."
        )


def _warn(problem: PolicyProblem, status: Optimality, where: str, second: Second, others: Any) -> None:
    """Warn of an optimum that is none inside the bounds, is not the only one, or whose gradients values contradict."""
    if status is not Optimality.INTERIOR:
        warn_user(f"{status.value.rstrip('.')}{f': {where}' if where else ''}.")
    if len(others):
        first = in_words(dict(others.iloc[0].dropna()))
        warn_user(f"There are {1 + len(others)} local optima; the best is returned, the next is at {first}.")
    if second.gap > GAP:
        warn_user(
            f"Beside the optimum values and gradients differ by {100 * second.gap:.2g} percent: use more asset_points, "
            f"or narrower bounds of {', '.join(problem.names)}."
        )
