"""Equilibria of an economy at moving parameters, their moments and derivatives: four compiled programs at most.

With U the aggregates and prices that are searched (aggregates in logarithms), theta the free parameters, F(U, theta)
the excess of markets and m(U, theta) the moments, once households and their mass are solved at U and theta:

- the search of solve/stationary/search.py finds a first equilibrium, from nothing;
- the same program, begun at its last step, evaluates F at any U and theta: the economy is its argument;
- `_results` are the moments m there, for a step that may be refused;
- `_linearize` has derivatives of F, m and the policy in U and theta, by the implicit function theorem, in the
  directions of U and theta alone.

The derivative along the equilibrium is dm = m_theta - m_U F_U^{-1} F_theta.
"""

import concurrent.futures
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_compilation
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.lottery import push_forward
from hank_mfg.environment.quantities import Names, names_of
from hank_mfg.model.base import Model
from hank_mfg.model.concrete import is_number
from hank_mfg.model.free import Free, with_values
from hank_mfg.model.named import Named
from hank_mfg.solve.stationary.clearing.candidates import coordinates, resumed_at
from hank_mfg.solve.stationary.clearing.clearing import grids
from hank_mfg.solve.stationary.clearing.equilibrium import complete, excess_of, given
from hank_mfg.solve.stationary.clearing.mass import mass_response
from hank_mfg.solve.stationary.fixed_point import solve_contraction
from hank_mfg.solve.stationary.household import composite_of, household_map, savings_at
from hank_mfg.solve.stationary.search import Outcome, Programs, evaluated, household_tolerance, is_equilibrium
from hank_mfg.solve.stationary.steady_state import (
    SteadyState,
    SteadyStateError,
    all_quantities,
    checked_outcome,
    require_unknown,
)

EXACT = 1e-10  # relative: of the derivatives of policies
CORRECTIONS = 8  # Newton steps toward an equilibrium at given parameters
LONGEST = 1.0  # the largest step of the logarithm of an aggregate


class Stationary(NamedTuple):
    """A stationary equilibrium as a moment's function reads it, traced by JAX, float64.

    `prices`, `aggregates` and `outcomes` (these two, declared outcomes and choices summed over households) by name, per
    model period; `mass` (assets, income) sums to one; `assets` (assets,) the points of the grid; `consumption` of goods
    and `savings`, next assets, (assets, income); `own` the values of idiosyncratic states by name, (1, income) each.
    """

    economy: Economy
    public: Public
    plan: Array
    mass: Array

    @property
    def prices(self) -> Named:
        """Prices."""
        return self.public.prices

    @property
    def aggregates(self) -> Named:
        """Aggregates."""
        return self.public.aggregates

    @property
    def held(self) -> Array:
        """The mass by what households hold before they choose, see `Economy.held`."""
        return self.economy.held(self.mass)

    @property
    def outcomes(self) -> Named:
        """Every price, aggregate, declared outcome and choice summed over households."""
        return all_quantities(self.economy, self.public, self.mass, self.savings)

    @property
    def assets(self) -> Array:
        """The asset points, (assets,)."""
        return self.economy.grid.points

    @property
    def own(self) -> Named:
        """Values of the idiosyncratic states, (1, income) each."""
        return self.economy.states()[1]

    @property
    def savings(self) -> Array:
        """Next assets, (assets, income)."""
        return savings_at(self.economy, self.public, self.plan)

    @property
    def consumption(self) -> Array:
        """Consumption of goods, (assets, income)."""
        return self.economy.budget(self.public).goods(composite_of(self.economy, self.plan))


def traced_number(what: str, function: Callable[[Any], Any], at: Any) -> Array:
    """One number, float64, from a function of the user's that JAX traces; `what` names it, "moment 'mine'". Raises
    ValueError for a function that JAX cannot trace or that returns no number."""
    try:
        value = jnp.asarray(function(at), jnp.float64)
    except (jax.errors.JAXTypeError, TypeError, AttributeError, KeyError, ValueError) as error:
        traced = isinstance(error, jax.errors.JAXTypeError)
        why = "asks for the value of an array that JAX traces" if traced else str(error).split("\n")[0].rstrip(".")
        raise ValueError(
            f"The {what} cannot be traced: it {'' if traced else 'fails with: '}{why}; write it in jax.numpy, without "
            "float(), numpy or `if` on arrays, and return one number."
        ) from error
    if value.ndim:
        raise ValueError(
            f"The {what} has the shape {value.shape}: return one number, for instance a sum over its entries."
        )
    return value


class Point(NamedTuple):
    """Households and markets at parameters `theta` (free,) and searched `x` (searched,), aggregates in logarithms."""

    theta: np.ndarray
    x: np.ndarray
    economy: Economy
    outcome: Outcome

    @property
    def excess(self) -> np.ndarray:
        """The excess F, (searched,): of supply for an aggregate, relative, and of demand in what clears."""
        return np.asarray(self.outcome.found.excess)

    @property
    def finite(self) -> bool:
        """Whether everything is a number."""
        return bool(np.isfinite(self.excess).all() and np.isfinite(np.asarray(self.outcome.found.mass)).all())


class Slopes(NamedTuple):
    """The moments m (moments,) at a point and derivatives, NumPy: of the excess in U (searched, searched) and theta
    (searched, free), of moments (moments, searched) and (moments, free); of the log plan (plan, searched +
    free)."""

    moments: np.ndarray
    excess_in_x: np.ndarray
    excess_in_theta: np.ndarray
    moments_in_x: np.ndarray
    moments_in_theta: np.ndarray
    policy: np.ndarray

    def to_equilibrium(self, excess: np.ndarray) -> np.ndarray:
        """The step of U that clears markets at given parameters: -F_U^{-1} F, (searched,)."""
        return -np.linalg.solve(self.excess_in_x, excess)

    def along(self) -> np.ndarray:
        """dU/dtheta along the equilibrium, (searched, free)."""
        return -np.linalg.solve(self.excess_in_x, self.excess_in_theta)

    def total(self) -> np.ndarray:
        """dm/dtheta along the equilibrium, (moments, free)."""
        return self.moments_in_theta + self.moments_in_x @ self.along()

    def correction(self, excess: np.ndarray) -> np.ndarray:
        """What to add to moments at a point with a small `excess`, to first order, for those where markets clear:
        (moments,)."""
        return self.moments_in_x @ self.to_equilibrium(excess)


class Equilibria:
    """The compiled programs for one model, one set of free parameters and one list of moments.

    Without `searching` nothing is searched from nothing: equilibria are followed from one that is known, and the
    programs are compiled in a fraction of the time."""

    def __init__(
        self, model: Model, free: tuple[Free, ...], asset_points: int, tolerance: float, searching: bool = True
    ):
        self.searching = searching
        self.model, self.free, self.asset_points, self.tolerance = model, free, asset_points, tolerance
        self.economy = discretize(model, asset_points, jnp.float64, aggregate_risk=False)
        self.names: Names = names_of(self.economy)
        require_unknown(self.names)
        self.evaluations = self.linearizations = 0
        self.seconds_compile = 0.0

    def quantities(self) -> tuple[str, ...]:
        """Names of prices, aggregates, declared outcomes and choices."""

        def every(x):
            public = given(self.economy, self.names, level_of(self.names, x))
            public = complete(self.economy, self.names, public, jnp.ones(self.economy.shape))
            return all_quantities(self.economy, public, jnp.ones(self.economy.shape), jnp.ones(self.economy.plan_shape))

        return tuple(jax.eval_shape(every, jnp.zeros(len(self.names.searched))))

    def compile(self, moments: tuple[Any, ...], start: np.ndarray) -> None:
        """Compile the search, and moments with their derivatives, beside each other. Raises ValueError for a moment
        that cannot be traced."""
        begin = time.perf_counter()
        numbers, rest = eqx.partition(self.model, is_number)
        blank, plan = jnp.ones(self.economy.shape), jnp.ones(self.economy.plan_shape)
        x = jnp.zeros(len(self.names.searched))

        def linearize(values, plan, mass):
            what = (eqx.combine(numbers, rest), self.free, self.names, self.asset_points)
            return _linearize(what, moments, values, plan, mass)

        values = jnp.concatenate([x, jnp.asarray(start)])
        lowered = jax.jit(linearize).lower(values, plan, blank)
        levels = self.levels(start)
        plain = jax.jit(functools.partial(_results, self.names, moments)).lower(levels[-1], x, plan, blank)
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            options = quick_compilation()
            compiling = [beside.submit(each.compile, compiler_options=options) for each in (lowered, plain)]
            if self.searching:
                self.programs = Programs(levels, self.names, household_tolerance(self.tolerance))
            self._linearized, self._moments = (each.result() for each in compiling)
        self.seconds_compile = time.perf_counter() - begin

    def levels(self, theta: np.ndarray) -> tuple[Economy, ...]:
        """The economy at parameters (free,), a coarse grid first where it is large."""
        model, sizes = with_values(self.model, self.free, theta), grids(self.economy)
        return tuple(discretize(model, points, jnp.float64, aggregate_risk=False) for points in sizes)

    def first(self, theta: np.ndarray) -> Point | None:
        """An equilibrium at parameters (free,), from nothing; None where the quick search finds none."""
        try:
            levels = self.levels(theta)
        except ValueError:  # parameters that a declaration refuses
            return None
        outcome = self.programs.on(levels).quick()
        self.evaluations += 1
        found = is_equilibrium(levels[-1], self.names, outcome, self.tolerance)
        return self._point(theta, levels, outcome) if found else None

    def thorough(self, theta: np.ndarray) -> Point:
        """The same by a search from many starts, which takes up to a minute. Raises SteadyStateError, which says why
        there is none, and ValueError for parameters that a declaration refuses."""
        levels = self.levels(theta)
        return self._point(theta, levels, self.programs.on(levels).search(None, self.tolerance, False))

    def _point(self, theta: np.ndarray, levels: tuple[Economy, ...], outcome: Outcome) -> Point:
        return Point(theta, coordinates(self.names, np.asarray(outcome.found.unknown)), levels[-1], outcome)

    def at(self, theta: np.ndarray, x: np.ndarray, log_plan: Any, mass: Any, near: Point | None = None) -> Point:
        """Households and markets at parameters and searched values, from a policy and a mass near by. Raises ValueError
        for parameters that a declaration refuses; `near` is a point with the same parameters."""
        economy = self.levels(theta)[-1] if near is None else near.economy
        level = np.asarray(level_of(self.names, x, np))
        if not self.searching:
            given = (jnp.asarray(each) for each in (level, log_plan, mass, self.tolerance))
            self.evaluations += 1
            return Point(theta, x, economy, jax.block_until_ready(evaluated(economy, self.names, *given)))
        resumed = resumed_at(economy, self.names, level, np.asarray(log_plan), np.asarray(mass), self.tolerance)
        self.evaluations += 1
        return Point(theta, x, economy, self.programs.run(economy, resumed))

    def moments(self, point: Point) -> np.ndarray:
        """Moments at a point, (moments,)."""
        found = point.outcome.found
        return np.asarray(self._moments(point.economy, point.x, found.plan, found.mass)[1])

    def linearize(self, point: Point) -> Slopes:
        """Moments and derivatives at a point."""
        self.linearizations += 1
        found, values = point.outcome.found, np.concatenate([point.x, point.theta])
        slopes, moments = self._linearized(values, found.plan, found.mass)
        in_all, policy = (np.asarray(each) for each in slopes)
        searched = len(self.names.searched)
        excess, values = in_all[:searched], in_all[searched:]
        return Slopes(
            np.asarray(moments), excess[:, :searched], excess[:, searched:], values[:, :searched], values[:, searched:],
            policy,
        )  # fmt: skip

    def steady(self, point: Point, seconds: tuple[float, float]) -> SteadyState:
        """The checked equilibrium at a point. Raises SteadyStateError where it is none."""
        if not is_equilibrium(point.economy, self.names, point.outcome, self.tolerance):
            raise SteadyStateError(
                f"The economy at the parameters found does not clear to 1e-6: markets are off by "
                f"{np.abs(point.excess).max():.3g}; use another start, or fewer asset points."
            )
        return checked_outcome(point.economy, point.outcome, seconds)


def level_of(names: Names, x: Any, xp: Any = jnp) -> Any:
    """Searched values (searched,) from coordinates: aggregates from their logarithms."""
    count = len(names.unknown)
    return xp.concatenate([xp.exp(x[:count]), x[count:]])


def _results(names: Names, moments, economy: Economy, x: Array, plan: Array, mass: Array) -> tuple[Array, Array]:
    """The excess (searched,) and the moments (moments,) of given policies and mass."""
    unknown = level_of(names, x)
    public = given(economy, names, unknown)
    excess = excess_of(economy, names, unknown, public, plan, mass)
    stationary = Stationary(economy, complete(economy, names, public, mass), plan, mass)
    return excess, jnp.stack([moment(stationary) for moment in moments])


def _linearize(what: tuple[Model, tuple[Free, ...], Names, int], moments, values: Array, plan: Array, mass: Array):
    """Derivatives of (excess, moments) and of the log plan in searched values and parameters, and the moments.

    By the implicit function theorem, as in equilibrium.py, a linear solve a direction: dc = T' dc + dT for the policy,
    dm = P' dm + dP' m for the mass.
    """
    model, free, names, asset_points = what
    searched, known, directions = len(names.searched), jnp.log(plan), jnp.eye(len(values))

    def there(values) -> tuple[Economy, Public]:
        model_at = with_values(model, free, values[searched:])
        economy = discretize(model_at, asset_points, jnp.float64, aggregate_risk=False)
        return economy, given(economy, names, level_of(names, values[:searched]))

    def flow(values, log_plan):
        economy, public = there(values)
        savings = savings_at(economy, public, jnp.exp(log_plan))
        growth = economy.shares / here.shares  # the mass of a permanent type is in proportion to its share
        before = mass * growth[economy.types]
        return before, push_forward(before, economy.lottery(savings), economy.chain()) - before

    def results(values, log_plan, mass):
        return _results(names, moments, there(values)[0], values[:searched], jnp.exp(log_plan), mass)

    def moved(function, primals, *tangents):
        return jax.vmap(lambda *each: jax.jvp(function, primals, each)[1])(*tangents)

    here, public = there(values)
    savings = savings_at(here, public, plan)
    _, ahead = jax.linearize(household_map(here, public), known)
    policies = moved(lambda v: household_map(*there(v))(known), (values,), directions)
    policies = jax.vmap(lambda right: solve_contraction(ahead, right, tolerance=EXACT))(policies)
    shares, flows = moved(flow, (values, known), directions, policies)
    masses = shares + jax.vmap(lambda each: mass_response(here, savings, mass, each))(flows)
    slopes = moved(results, (values, known, mass), directions, policies, masses)
    in_all = jnp.concatenate(slopes, axis=1).T
    return (in_all, jnp.moveaxis(policies, 0, -1)), results(values, known, mass)[1]


def near_equilibrium(equilibria: Equilibria, point: Point, slopes: Slopes, loose: float) -> Point | None:
    """The point, or one with the same parameters at which the excess is at most `loose`, by Newton's method: with the
    derivatives at hand while these halve the excess, then with those of the point itself."""
    own = False
    for _ in range(CORRECTIONS):
        size = np.abs(point.excess).max() if point.finite else np.inf
        if size <= loose:
            return point
        if not np.isfinite(size):
            return None
        shift = slopes.to_equilibrium(point.excess)
        shift = shift * min(1.0, allowed_part(equilibria, point, shift))
        found = point.outcome.found
        policy = np.log(np.asarray(found.plan)) + slopes.policy[..., : len(shift)] @ shift
        following = equilibria.at(point.theta, point.x + shift, policy, found.mass, point)
        if following.finite and np.abs(following.excess).max() <= 0.5 * size:
            point = following
        elif own:
            return None
        else:
            slopes, own = equilibria.linearize(point), True
    return None


def allowed_part(equilibria: Equilibria, point: Point, shift: np.ndarray) -> float:
    """The part of a step of U that is taken at most: logarithms by one, prices half of the way to their bracket."""
    count = len(equilibria.names.unknown)
    limits = [LONGEST / max(LONGEST, float(np.abs(shift[:count]).max(initial=0.0)))]
    if len(shift) > count:
        lower, upper = (np.asarray(each) for each in point.economy.brackets())
        prices, moves = point.x[count:], shift[count:]
        room = np.where(moves > 0, upper - prices, prices - lower)
        limits.append(1.0 / max(1.0, float(np.max(2.0 * np.abs(moves) / np.maximum(room, 1e-12)))))
    return min(limits)
