"""Market clearing in the stationary equilibrium, traceable.

Unknown: each aggregate U that households' choices move (capital), and each price that clears inside the period. At
candidate values prices follow, the endogenous grid method gives the policy, a sparse linear solve the mass, and the
excess F is log supplied - log U for an aggregate and excess demand for a price. With one unknown the search is over y,
U = U* + s e^y, with U* where beta (1 + r) = 1 and supply would be infinite, and s = U* for an aggregate, minus the rest
of its bracket for an interest rate: threefold steps until the excess changes sign, then secants inside the
bracket, first on a coarse grid of assets, then on the fine one. With several Newton's method, on log U for aggregates.
The household problem is solved only as well as the search needs it, and starts from the last policy, moved along the
last two.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.life import ESTATES
from hank_mfg.environment.quantities import Names
from hank_mfg.solve.stationary.clearing.equilibrium import (
    Equilibrium,
    complete,
    equilibrium_of,
    excess_at,
    excess_of,
    given,
)
from hank_mfg.solve.stationary.clearing.mass import stationary_mass
from hank_mfg.solve.stationary.household import (
    asset_return,
    first_plan,
    policy_of,
    savings_at,
    solve_household,
)

FEWEST = 10  # points of a coarse grid
ENDS = (1e-4, 1e6)  # between which beta (1 + r) must cross one
COARSE = 4  # times fewer points on the coarse grid
LARGE = 5_000  # states from which a coarse grid comes first
SQUARINGS = 20  # of a matrix, to know its spectral radius
SEARCH = 80  # evaluations at most
NEWTON = 25  # steps in several unknowns at most
MOST, FEW = 20_000, 3_000  # iterations of the household problem, and where it only evaluates a candidate
HASTE = 1e-5  # tolerance of the household problem at first
BEYOND = 0.03  # the first place of the search: the distance from the edge of supply over its scale
NOISE = 1e4  # times the household's tolerance: an excess at least as large has the right sign
RESOLVED = 300.0  # times the tolerance: the excess at which the search ends
SHORTENINGS = 10  # halvings of a step that leads nowhere
ROUGH = 1e-3  # the excess at which it ends on a coarse grid


def grids(economy: Economy) -> tuple[Any, ...]:
    """Numbers of asset points to solve on, one after the other: a coarse grid first where the economy is large.

    It saves half of the time of a large search; compiling it takes a second more. Where lives end one pass through the
    ages solves a household, and nothing is saved; of two assets there is one grid.
    """
    points, income = economy.shape
    if economy.several:
        return (economy.grid.count,)
    large = points * income >= LARGE and points // COARSE >= FEWEST and economy.life is None
    return (points // COARSE, points) if large else (points,)


class Point(NamedTuple):
    """A candidate: place `y` of the search, log plan of the household, the mass, and the excess (searched,)."""

    y: Array
    log_plan: Array
    mass: Array
    excess: Array
    change: Array


class Search(NamedTuple):
    """The state of the search for one unknown: the next place `y`, the last point and the excess `before` it.

    `tolerance` is the household's at the next point, `exact` whether the last one was solved fully; `low` and `high`
    enclose the root where `has_low` and `has_high`; `slope` is dF/dy and `drift` that of the log plan.
    """

    y: Array
    now: Point
    before: Array
    low: Array
    high: Array
    has_low: Array
    has_high: Array
    slope: Array
    drift: Array
    tolerance: Array
    exact: Array
    count: Array


def find(levels: tuple[Economy, ...], names: Names, tolerance: float) -> Equilibrium:
    """The equilibrium on the last of `levels`, a coarse grid first where there are two."""
    start = search_coarse(levels[0], names) if len(levels) > 1 and len(names.searched) == 1 else None
    return search_fine(levels, names, start, tolerance)[0]


class Edge(NamedTuple):
    """The unknown at which supply becomes infinite, `at`, and the `scale` of the distance from there, negative for a
    price that must stay below: the unknown is at + scale e^y."""

    at: Array
    scale: Array


def search_coarse(economy: Economy, names: Names, resumed: "Resumed | None" = None) -> tuple[Edge, Search]:
    """The root for one unknown, roughly, on a coarse grid; what `search_fine` starts from."""
    edge = edge_of(economy, names)
    first = _cold(economy, names, edge)
    edge, first = _resume(edge, first, resumed)
    return edge, secants(economy, names, edge, first, 1e-2 * HASTE, ROUGH, most=_iterations(resumed))


class Resumed(NamedTuple):
    """Another start of a search, if `given`: for one unknown at a `search` beyond an `edge`; for several at `x`,
    from `log_plan` and `mass`, after `tries` steps of which `NEWTON` are the last, to `tolerance` at first."""

    given: Array
    edge: Edge
    search: Search
    x: Array
    tries: Array
    tolerance: Array


def _resume(edge: Edge, first: Search, resumed: "Resumed | None") -> tuple[Edge, Search]:
    if resumed is None:
        return edge, first
    there = (resumed.edge, resumed.search)
    return jax.tree.map(lambda one, other: jnp.where(resumed.given, one, other), there, (edge, first))


def _iterations(resumed: "Resumed | None"):
    """The most iterations of the household problem: fewer where a candidate is only evaluated."""
    return MOST if resumed is None else jnp.where(resumed.given & (resumed.tries >= NEWTON), FEW, MOST)


def unknown_start(economy: Economy) -> tuple[Edge, Search]:
    """The result of `search_coarse` without numbers, to compile `search_fine` for."""
    zero, blank = jnp.zeros(()), jnp.zeros(economy.shape)
    plan = jnp.zeros(economy.plan_shape)
    return Edge(zero, zero), first_of(unsolved(zero, plan, blank), zero, plan, 0.0)


def search_fine(
    levels: tuple[Economy, ...], names: Names, start, tolerance: float, resumed: Resumed | None = None
) -> tuple[Equilibrium, Edge, Array, Array]:
    """The equilibrium on the last of `levels`, from what `search_coarse` found on the first, or cold, or where
    `resumed` says; with the edge of supply and the place y of one unknown beyond it, and the last Jacobian of the
    excess that the search used, (searched, searched), of one unknown dF/dy."""
    economy = levels[-1]
    if len(names.searched) > 1:
        nothing = jnp.full((), jnp.nan)
        found, jacobian = _newton(economy, names, tolerance, resumed)
        return found, Edge(nothing, nothing), nothing, jacobian
    if start is None:
        edge = edge_of(economy, names)
        first = _cold(economy, names, edge)
    else:
        edge, found = start
        first = refined(economy, levels[0], names, edge, found)
    edge, first = _resume(edge, first, resumed)
    last = secants(economy, names, edge, first, tolerance, RESOLVED * tolerance, most=_iterations(resumed))
    return finish(economy, names, unknown_at(edge, last.now.y), last.now), edge, last.now.y, last.slope[None, None]


def finish(economy: Economy, names: Names, unknown: Array, point: Point) -> Equilibrium:
    """The equilibrium at the last point of a search."""
    public = complete(economy, names, given(economy, names, unknown), point.mass)
    found = equilibrium_of(economy, public, unknown, jnp.exp(point.log_plan), point.mass)
    return found._replace(excess=point.excess, change=point.change)


def patience(economy: Economy, public: Public) -> Array:
    """The largest growth factor of marginal utility that patience allows: at one or more, supply would be infinite.

    beta (1 + r) / q where all are alike, with the return at the top of the grid, where unbounded wealth would be (debt
    may cost more) and the asset's price q; otherwise the spectral radius of diag(beta (1 + r) / q) P over income
    states, by repeated squaring, so that a household may be more patient than the market for a while.
    """
    if economy.life is not None:  # whatever patience, who dies for sure holds no infinite wealth
        return jnp.zeros((), economy.dtype)
    factor = economy.budget(public).bought(asset_return(economy, public) * economy.discount_factor(public.shocks))[-1]
    matrix = factor[:, None] * economy.income_transition[0, 0]

    def square(power, found):
        matrix, log_radius = found
        size = jnp.max(jnp.sum(matrix, axis=1))
        size = jnp.where(size > 0, size, jnp.finfo(size.dtype).tiny)  # of a power that is zero
        return (matrix / size) @ (matrix / size), log_radius + jnp.log(size) / 2.0**power

    return jnp.exp(jax.lax.fori_loop(0, SQUARINGS, square, (matrix, jnp.zeros_like(matrix[0, 0])))[1])


def edge_of(economy: Economy, names: Names) -> Edge:
    """The value of the one unknown at which beta (1 + r) = 1: between the `ENDS`, or in the bracket of a price that
    clears inside the period, or its end where it ends before; NaN where there is none. Where lives end there is none:
    then zero, and a tenth of the value at which assets earn nothing to start from, or the end at which they earn
    most."""

    def growth(x):
        public = given(economy, names, level(x)[None])
        if economy.life is not None:
            return jnp.max(economy.budget(public).bought(asset_return(economy, public))[-1])
        return patience(economy, public)

    if names.clearing:
        level = lambda x: x  # noqa: E731
        ends = tuple(jnp.asarray(each[0], economy.dtype) for each in economy.brackets())
    else:
        level = jnp.exp
        ends = tuple(jnp.log(jnp.asarray(end, economy.dtype)) for end in ENDS)
    first, last = jax.lax.map(growth, jnp.stack(ends))
    falling = first > last

    def halve(_, ends):
        middle = 0.5 * (ends[0] + ends[1])
        high = (growth(middle) > 1.0) == falling
        return jnp.where(high, middle, ends[0]), jnp.where(high, ends[1], middle)

    low, high = jax.lax.fori_loop(0, 45, halve, ends)
    at = jnp.where((first > 1.0) != (last > 1.0), level(0.5 * (low + high)), jnp.nan)
    if not names.clearing and economy.life is not None:
        return Edge(jnp.zeros_like(at), 0.1 / BEYOND * jnp.where(jnp.isnan(at), 1.0, at))
    if not names.clearing:
        return Edge(at, at)
    nearest = jnp.where(falling, ends[0], ends[1])
    finite = (economy.life is not None) | ((first <= 1.0) & (last <= 1.0))
    at = jnp.where(finite, nearest, at)  # the bracket ends where supply is still finite
    return Edge(at, jnp.where(falling, ends[1], ends[0]) - at)


def unknown_at(edge: Edge, y: Array) -> Array:
    """The unknown at place `y` of the search: (1,)."""
    return (edge.at + edge.scale * jnp.exp(y))[None]


def _cold(economy: Economy, names: Names, edge: Edge) -> Search:
    """The default start of the search: three percent beyond the edge, a tenth of cash consumed."""
    y = jnp.log(jnp.asarray(BEYOND, economy.dtype))
    public = given(economy, names, unknown_at(edge, y))
    point = unsolved(y, jnp.log(first_plan(economy, public)), jnp.full(economy.shape, jnp.nan))
    return first_of(point, jnp.zeros(()), jnp.zeros_like(point.log_plan), HASTE)


def refined(economy: Economy, coarse: Economy, names: Names, edge: Edge, found: Search) -> Search:
    """The start on a fine grid: what was `found` on a coarse one, policies read at the same cash on hand."""
    public = given(economy, names, unknown_at(edge, found.y))
    resources = economy.resources(public)

    def read(log_plan):
        policy = policy_of(coarse, public, jnp.exp(log_plan))
        return jnp.log(jnp.minimum(policy(resources), economy.all_consumed(public)))

    here = found.now.log_plan + found.drift * (found.y - found.now.y)
    log_plan, drift = jax.jvp(read, (here,), (found.drift,))
    rows = jnp.argmin(jnp.abs(economy.grid.points - coarse.grid.points[:, None]), axis=1)
    mass = jnp.zeros(economy.shape).at[rows].set(found.now.mass)  # where the mass is largest
    return first_of(unsolved(found.y, log_plan, mass), found.slope, drift, 1e-2 * HASTE)


def unsolved(y: Array, log_plan: Array, mass: Array) -> Point:
    """A point to start from: nothing follows from it yet, and `mass` only says where households are."""
    nothing = jnp.asarray(jnp.inf, y.dtype)
    return Point(y, log_plan, mass, nothing[None], nothing)


def first_of(point: Point, slope: Array, drift: Array, tolerance: float) -> Search:
    """A search that begins at `point`, first with `tolerance` for the household."""
    nothing, no = point.change, jnp.asarray(False)
    return Search(
        point.y, point, nothing, -nothing, nothing, no, no, slope, drift, jnp.asarray(tolerance, slope.dtype), no,
        jnp.asarray(0),
    )  # fmt: skip


def candidate_at(
    economy: Economy, names: Names, unknown: Array, start: Array, neighbor: Array, tolerance, *, most: Any = MOST
) -> Point:
    """The candidate at assumed values of the unknown aggregates; `neighbor` is the mass at the values before."""
    public = given(economy, names, unknown)
    household = solve_household(economy, public, jnp.exp(start), tolerance=tolerance, max_iterations=most)
    savings = savings_at(economy, public, household.plan)
    mass = stationary_mass(economy, savings, neighbor)
    excess = excess_of(economy, names, unknown, public, household.plan, mass)
    return Point(jnp.zeros(()), jnp.log(household.plan), mass, excess, household.change)


def secants(
    economy: Economy,
    names: Names,
    edge: Edge,
    first: Search,
    tolerance: float,
    goal: float,
    *,
    most: int | Array = MOST,
) -> Search:
    """The root of the excess in y, from `first`, to the household's `tolerance` and an excess of `goal`."""

    def unfinished(search: Search):
        excess = jnp.abs(search.now.excess[0])
        going = ~jnp.isnan(excess) & jnp.isfinite(edge.at) & (search.count < SEARCH)
        return ~(search.exact & (excess <= goal)) & going

    def body(search: Search) -> Search:
        now = search.now
        start = now.log_plan + search.drift * (search.y - now.y)
        point = candidate_at(economy, names, unknown_at(edge, search.y), start, now.mass, search.tolerance, most=most)
        return _next(search, point._replace(y=search.y), tolerance)

    return jax.lax.while_loop(unfinished, body, first)


def _next(search: Search, point: Point, tolerance: float) -> Search:
    """Take in a point. The next one is a secant's, at most ninefold further, threefold while there is no slope; the
    middle of the bracket where that lies outside or where two steps have not halved the excess."""
    excess, y, last = point.excess[0], point.y, search.now
    count, size = search.count + 1, jnp.abs(excess)
    moved = jnp.where(y == last.y, jnp.inf, y - last.y)  # none at the first point: no secant
    slope = (excess - last.excess[0]) / moved
    known = (count > 1) & jnp.isfinite(slope) & (slope < 0)
    slope = jnp.where(known, slope, search.slope)
    drift = jnp.where(known, (point.log_plan - last.log_plan) / moved, search.drift)

    sure = size > NOISE * search.tolerance
    has_low, has_high = search.has_low | (sure & (excess > 0)), search.has_high | (sure & (excess < 0))
    low, high = jnp.where(sure & (excess > 0), y, search.low), jnp.where(sure & (excess < 0), y, search.high)
    threefold = jnp.sign(excess) * jnp.log(3.0)
    step = jnp.where(slope < 0, -excess / jnp.where(slope < 0, slope, -1.0), threefold)
    following = y + jnp.clip(step, -2.0 * jnp.log(3.0), 2.0 * jnp.log(3.0))
    slow = sure & (count > 6) & (size > 0.5 * search.before)
    outside = (following <= low) | (following >= high) | slow
    following = jnp.where(has_low & has_high & outside, 0.5 * (low + high), following)

    ahead = size * jnp.minimum(jnp.abs(last.excess[0]), 1.0)  # where secants lead
    finer = jnp.clip(1e-6 * ahead, tolerance, HASTE)
    finer = jnp.where(sure, finer, jnp.minimum(finer, jnp.maximum(1e-2 * search.tolerance, tolerance)))
    exact = search.tolerance <= tolerance
    before = jnp.abs(last.excess[0])
    return Search(following, point, before, low, high, has_low, has_high, slope, drift, finer, exact, count)


def newton_near(economy: Economy, names: Names, near: Equilibrium, tolerance: float) -> Equilibrium:
    """The equilibrium of an economy by Newton's method from that of a similar one of the same shape."""
    count = len(names.unknown)
    start = jnp.concatenate([jnp.log(near.unknown[:count]), near.unknown[count:]])
    search = first_of(
        unsolved(jnp.zeros(()), jnp.log(near.plan), near.mass), jnp.zeros(()), jnp.zeros(economy.plan_shape), tolerance
    )
    nothing, tight = jnp.zeros(()), jnp.asarray(tolerance)
    resumed = Resumed(jnp.asarray(True), Edge(nothing, nothing), search, start, jnp.asarray(0), tight)
    return _newton(economy, names, tolerance, resumed)[0]


def _newton(economy: Economy, names: Names, tolerance: float, resumed: Resumed | None) -> tuple[Equilibrium, Array]:
    """Newton's method in several unknowns: in logarithms from one for aggregates, in levels from the middle of its
    bracket for a price, with steps of at most one and half of the way to an end, and shorter where they lead to prices
    at which there is no stationary mass; with the Jacobian of the last step, NaN where there was none."""
    count = len(names.unknown)
    bottom, top = economy.brackets()

    def level(x):
        return jnp.concatenate([jnp.exp(x[:count]), x[count:]])

    def solve(x, start, mass, tight, most: Any = MOST):
        return candidate_at(economy, names, level(x), start, mass, tight, most=most)

    def body(state):
        x, point, tries, _ = state
        found = finish(economy, names, level(x), point)
        jacobian = jax.jacfwd(lambda u: excess_at(economy, names, level(u), found))(x)
        move = -jnp.linalg.solve(jacobian, point.excess)
        prices = x[count:]
        room = jnp.where(move[count:] > 0, top - prices, prices - bottom)
        part = 1.0 / jnp.maximum(1.0, jnp.max(jnp.abs(jnp.concatenate([move[:count], 2.0 * move[count:] / room]))))

        def nowhere(step):
            return ~jnp.isfinite(jnp.sum(step[1].excess)) & (step[0] > 2.0**-SHORTENINGS * part)

        def shorter(step):
            part = 0.5 * step[0]
            return part, solve(x + part * move, point.log_plan, point.mass, jnp.asarray(tolerance))

        part, following = jax.lax.while_loop(
            nowhere, shorter, (2.0 * part, point._replace(excess=point.excess * jnp.nan))
        )
        return x + part * move, following, tries + 1, jacobian

    def unfinished(state):
        excess = jnp.max(jnp.abs(state[1].excess))
        return (excess > RESOLVED * tolerance) & (state[2] < NEWTON)

    born = jnp.log(jnp.sum(economy.long_run() * economy.newborn())) if ESTATES in names.unknown else 0.0
    first = [born if name == ESTATES else 0.0 for name in names.unknown]
    x = jnp.concatenate([jnp.asarray(first, economy.dtype), economy.first_prices()])
    public = given(economy, names, level(x))
    start, mass = jnp.log(first_plan(economy, public)), jnp.full(economy.shape, jnp.nan)
    tight, tries, most = jnp.asarray(tolerance), jnp.asarray(0), _iterations(resumed)
    if resumed is not None:
        point = resumed.search.now
        there = (resumed.x, point.log_plan, point.mass, resumed.tolerance, resumed.tries)
        here = (x, start, mass, tight, tries)
        x, start, mass, tight, tries = jax.tree.map(lambda a, b: jnp.where(resumed.given, a, b), there, here)
    first = solve(x, start, mass, tight, most)
    none = jnp.full((len(x), len(x)), jnp.nan, economy.dtype)
    x, point, _, jacobian = jax.lax.while_loop(unfinished, body, (x, first, tries, none))
    return finish(economy, names, level(x), point), jacobian
