"""What a policy is judged by, as a function of its parameters with exact derivatives: at rest, and along a path.

At rest the objective is a moment m(U, theta) of the
stationary equilibrium F(U, theta) = 0 (solve/stationary/moving.py),

    dm/dtheta = m_theta - m_U F_U^{-1} F_theta.

Along a path, with U the unknowns of all periods, H(U, theta) = 0 their equations and W(U, theta) the objective, where
theta enters the equations of every period and, by its own implicit derivative, the equilibrium in which the path ends,

    dW/dtheta = W_theta - W_U H_U^{-1} H_theta.

H_U is that of the path itself, not of the stationary equilibrium. It is never formed: H_U v is a directional derivative
of the path, and the linear system is solved by GMRES with the stationary Jacobian's inverse before it.
"""

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
from hank_mfg.environment.lottery import expect
from hank_mfg.environment.quantities import stack
from hank_mfg.model.free import with_values
from hank_mfg.model.named import Named
from hank_mfg.solve.sequence.household_jacobians import SteadyValues
from hank_mfg.solve.sequence.income_risk import Given, shares_along
from hank_mfg.solve.sequence.path_checks import first_state
from hank_mfg.solve.sequence.sequence_space import LinearSolution, linearize
from hank_mfg.solve.sequence.transition import (
    ImpliedPath,
    excess_scale,
    first_guess,
    implied_path,
    newton,
)
from hank_mfg.solve.stationary.best_savings import stationary_value
from hank_mfg.solve.stationary.clearing.candidates import coordinates
from hank_mfg.solve.stationary.clearing.equilibrium import complete, respond
from hank_mfg.solve.stationary.household import composite_of, marginal_of, savings_at
from hank_mfg.solve.stationary.moving import (
    Equilibria,
    Point,
    Slopes,
    Stationary,
    allowed_part,
    level_of,
    near_equilibrium,
    traced_number,
)
from hank_mfg.solve.stationary.search import is_equilibrium
from hank_mfg.solve.stationary.steady_state import SteadyState

CLEARED = 1e-10  # the excess of markets at rest
SETTLED, STEPS = 1e-10, 60  # of a path: the largest excess; steps of Newton's method
KRYLOV, EXACT = 60, 1e-11  # of the derivative of a path: directional derivatives at most; relative residual
INEXACT = 1e-8  # the residual above which a derivative is refused
SHORTEST = 1 / 16  # of the way from one point to another: the shortest step of an equilibrium


class Welfare(NamedTuple):
    """Mean lifetime utility of the households of a stationary equilibrium, as a moment."""

    def __call__(self, at: Stationary) -> Array:
        """Its value, utility."""
        return jnp.sum(at.mass * stationary_value(at.economy, at.public, at.savings))


class Loss(NamedTuple):
    """Minus a loss of the user's, `what` names it."""

    what: str
    function: Callable[[Any], Any]

    def __call__(self, at: Any) -> Array:
        """Its value."""
        return -traced_number(self.what, self.function, at)


class Here(NamedTuple):
    """The objective at parameters `theta` (free,): its `value`, larger is better, and `gradient` (free,); the
    equilibrium at the end or at rest, its derivatives, and along a path the unknowns `guess` (horizon, path) and their
    derivatives `moves` (free, horizon, path)."""

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    point: Point
    slopes: Slopes
    guess: Any = None
    moves: Any = None

    @property
    def finite(self) -> bool:
        """Whether value and derivatives are numbers."""
        return bool(np.isfinite(self.value) and np.isfinite(self.gradient).all())


class AtRest:
    """An objective of stationary equilibria: `moment`, larger is better."""

    def __init__(self, equilibria: Equilibria, moment: Callable[[Stationary], Array], start: np.ndarray):
        self.equilibria, self.evaluations = equilibria, 0
        equilibria.compile((moment,), start)

    def at(self, theta: np.ndarray, steady: SteadyState) -> Here | None:
        """The objective at parameters whose equilibrium is known; None where it is none."""
        equilibria, names = self.equilibria, self.equilibria.names
        known = {**steady.outcomes, **steady.economy.model.parameters()}
        x = coordinates(names, np.array([float(known[name]) for name in names.searched]))
        point = equilibria.at(theta, x, np.log(steady.plan), steady.mass)
        return self._cleared(point, equilibria.linearize(point))

    def near(self, theta: np.ndarray, here: Here) -> Here | None:
        """The objective at parameters, followed from another point, in steps that are halved where one fails; None
        where no equilibrium is found."""
        start, goal = here.theta, np.asarray(theta, np.float64)
        done, part = 0.0, 1.0
        while done < 1.0:
            to = min(done + part, 1.0)
            found = self._step(goal if to == 1.0 else start + to * (goal - start), here)
            if found is not None:
                here, done = found, to
            elif part > SHORTEST:
                part *= 0.5
            else:
                return None
        return here

    def _step(self, theta: np.ndarray, here: Here) -> Here | None:
        """The objective one step away, the equilibrium predicted by its derivatives."""
        change, slopes, point = theta - here.theta, here.slopes, here.point
        shift = slopes.along() @ change
        shift = shift * allowed_part(self.equilibria, point, shift)
        policy = np.log(np.asarray(point.outcome.found.plan)) + slopes.policy @ np.concatenate([shift, change])
        try:
            trial = self.equilibria.at(theta, point.x + shift, policy, point.outcome.found.mass)
        except ValueError:  # parameters that a declaration refuses
            return None
        return self._cleared(trial, slopes)

    def _cleared(self, point: Point, slopes: Slopes) -> Here | None:
        """The objective at a point, once its markets clear."""
        equilibria = self.equilibria
        found = near_equilibrium(equilibria, point, slopes, CLEARED)
        if found is None or not is_equilibrium(found.economy, equilibria.names, found.outcome, equilibria.tolerance):
            return None
        self.evaluations += 1
        slopes = equilibria.linearize(found)
        value = float(slopes.moments[0] + slopes.correction(found.excess)[0])
        here = Here(found.theta, value, slopes.total()[0], found, slopes)
        return here if here.finite else None


class _End(NamedTuple):
    """The stationary equilibrium in which a path ends, and lifetime utility in it, (assets, income)."""

    ss: SteadyValues
    value: Array


class AlongPath:
    """An objective of the perfect-foresight path from the equilibrium `start` to that of the parameters: mean lifetime
    utility of the households of period 0, or minus a `loss` of the series of the path."""

    def __init__(self, rest: AtRest, start: SteadyState, horizon: int, loss: Loss | None):
        self.rest, self.equilibria, self.horizon, self.loss = rest, rest.equilibria, horizon, loss
        self.start, self.mass = start, jnp.asarray(start.mass)
        self.linear: LinearSolution | None = None
        self.evaluations = 0
        names = self.equilibria.names
        self.inherited = stack(first_state(start, start, names, {}), names.state_variables)
        self._programs: dict[str, Any] = {}

    def at(self, theta: np.ndarray, steady: SteadyState) -> Here | None:
        """The objective at parameters whose equilibrium is known; None where it is none."""
        end = self.rest.at(theta, steady)
        return None if end is None else self._path(end, None)

    def near(self, theta: np.ndarray, here: Here) -> Here | None:
        """The objective at parameters, followed from another point; None where equilibrium or path are not found."""
        end = self.rest.near(theta, here)
        if end is None:
            return None
        guess = here.guess + np.tensordot(theta - here.theta, here.moves, 1)
        return self._path(end, guess) or self._path(end, None)

    def _path(self, end: Here, guess: Any) -> Here | None:
        """The objective along the path to the equilibrium `end`, from a guess where there is one."""
        found = end.point.outcome.found
        given = (np.concatenate([end.point.x, end.theta]), np.asarray(found.plan), np.asarray(found.mass))
        if self.linear is None:
            self._set_linear(end.point)
        last = self._run("ends", self._ends, *given, jnp.zeros(len(given[0])))[0]
        scale = np.asarray(excess_scale(last.ss, self.equilibria.names))
        for fresh in (False, True):
            if fresh:  # with the Jacobian of the equilibrium in which this path ends
                self._set_linear(end.point)
            begin = self._first(last.ss) if guess is None or fresh else jnp.asarray(guess)
            assert self.linear is not None
            searched = newton(lambda x: self._run("value", self._value, last, x), begin, self.linear, scale, SETTLED,
                              STEPS)  # fmt: skip
            if searched.relative.max() <= SETTLED and float(np.min(np.asarray(searched.path.least))) > 0:
                self.evaluations += 1
                return self._derived(end, given, last, searched.guess, scale)
        return None

    def _derived(self, end: Here, given: tuple, last: _End, guess: Array, scale: np.ndarray) -> Here | None:
        """The objective and its derivatives at a path that was found."""
        directions = np.concatenate([end.slopes.along(), np.eye(len(end.theta))])
        still, moves, gradient, value = jnp.zeros_like(guess), [], [], np.nan
        for direction in directions.T:
            ends = self._run("ends", self._ends, *given, jnp.asarray(direction))[1]
            left = self._run("slopes", self._slopes, last, guess, ends, still)
            move, size = self._solved(last, guess, np.asarray(left.excess), scale)
            if size > INEXACT:
                return None
            slope = self._run("slopes", self._slopes, last, guess, ends, move)
            moves.append(np.asarray(move))
            gradient.append(float(slope.objective))
        value = float(self._run("value", self._value, last, guess).objective)
        here = Here(end.theta, value, np.asarray(gradient), end.point, end.slopes, np.asarray(guess),
                    np.asarray(moves))  # fmt: skip
        return here if here.finite else None

    def _solved(self, last: _End, guess: Array, right: np.ndarray, scale: np.ndarray) -> tuple[Array, float]:
        """dU with H_U dU = -`right` (horizon, path), and the relative size of what is left."""
        from scipy.sparse.linalg import LinearOperator, gmres

        assert self.linear is not None
        inverse, shape = self.linear.inverse, guess.shape
        still = jax.tree.map(jnp.zeros_like, eqx.filter(last, eqx.is_inexact_array))

        def move_of(vector: np.ndarray) -> Array:  # as the inverse is ordered: by unknown, then time
            return jnp.asarray((inverse @ (vector.reshape(shape[::-1]).T * scale).T.reshape(-1)).reshape(shape[::-1]).T)

        def excess(vector: np.ndarray) -> np.ndarray:
            """H_U times -H_ss^{-1} `vector`, with the stationary Jacobian H_ss, in units of the equations."""
            found = self._run("slopes", self._slopes, last, guess, still, move_of(vector))
            return (np.asarray(found.excess) / scale).T.reshape(-1)

        target = -(right / scale).T.reshape(-1)
        if not np.abs(target).max() > 0:
            return jnp.zeros_like(guess), 0.0
        operator: Any = LinearOperator((right.size, right.size), matvec=excess)  # pyright: ignore[reportCallIssue]
        found, _ = gmres(operator, target, rtol=EXACT, atol=0.0, restart=KRYLOV, maxiter=1)
        return move_of(found), float(np.linalg.norm(excess(found) - target) / np.linalg.norm(target))

    def _set_linear(self, point: Point) -> None:
        """Take the stationary Jacobian of the equilibrium at a point from now on."""
        self.linear = linearize(self.equilibria.steady(point, (0.0, 0.0)), horizon=self.horizon, income_risk=False)

    def _first(self, ss: SteadyValues) -> Array:
        """The unknowns of a path from which its search begins."""
        assert self.linear is not None
        return first_guess(ss, self.linear, self.mass, self._given(ss), None)

    def _given(self, ss: SteadyValues) -> Given:
        """The exogenous part of the path: shocks and the chain of income as they are at rest."""
        chain = ss.economy.income_transition[0, 0]
        chains = jnp.broadcast_to(chain, (self.horizon, *chain.shape))
        shares = shares_along(ss.economy, self.mass.sum(axis=0), chains)
        return Given(jnp.broadcast_to(ss.shocks, (self.horizon, len(ss.shocks))), shares, chains, chain)

    def _run(self, name: str, function: Callable, *arguments: Any) -> Any:
        """A function of arrays, compiled at its first call."""
        if name not in self._programs:
            options: dict[str, Any] = {"compiler_options": quick_compilation()}
            self._programs[name] = eqx.filter_jit(function, **options)
        return self._programs[name](*arguments)

    def _end(self, values: Array, plan: Array, mass: Array) -> _End:
        """The equilibrium at searched values and parameters, `values`, near households that are known there."""
        equilibria, names = self.equilibria, self.equilibria.names
        searched = len(names.searched)
        model = with_values(equilibria.model, equilibria.free, values[searched:])
        economy = discretize(model, equilibria.asset_points, jnp.float64, aggregate_risk=False)
        plan, mass, public = respond(economy, names, level_of(names, values[:searched]), plan, mass)
        public, savings = complete(economy, names, public, mass), savings_at(economy, public, plan)
        marginal = marginal_of(economy, public, savings, composite_of(economy, plan))
        shocks, here = stack(public.shocks, names.shocks), stack({**public.aggregates, **public.prices}, names.path)
        inputs = jnp.concatenate([stack(public.prices, names.prices), shocks])
        choices = stack(economy.choices(mass, public, savings), names.choices)
        ss = SteadyValues(economy, mass, marginal, here, shocks, mass.sum(axis=0), choices, inputs)
        return _End(ss, stationary_value(economy, public, savings))

    def _value(self, last: _End, guess: Array) -> "_Judged":
        """What a guess implies, and the objective."""
        names, ss = self.equilibria.names, last.ss
        path = implied_path(ss, names, self.mass, self.inherited, self._given(ss), guess)
        if self.loss is not None:
            return _Judged(path.excess, path.least, self.loss(Named("series", path.series)))
        return _Judged(path.excess, path.least, jnp.sum(self.mass * utility_along(ss.economy, names, path, last.value)))

    def _ends(self, values: Array, plan: Array, mass: Array, direction: Array) -> tuple[_End, Any]:
        """The equilibrium in which a path ends, and how it moves with `values` in a direction."""
        return eqx.filter_jvp(lambda x: self._end(x, plan, mass), (values,), (direction,))

    def _slopes(self, last: _End, guess: Array, ends: Any, move: Array) -> "_Judged":
        """How excess and objective move as the end of the path and the guess do."""
        return eqx.filter_jvp(self._value, (last, guess), (ends, move))[1]


class _Judged(NamedTuple):
    """The excess of a guess, (horizon, path), the least x of every period, and the objective."""

    excess: Array
    least: Array
    objective: Array


def utility_along(economy: Economy, names: Any, path: ImpliedPath, end: Array) -> Array:
    """Lifetime utility in period 0 of a path after which it is `end`, (assets, income): V = u + beta E V'."""
    shocks = Named("shocks", {name: path.series[name] for name in names.shocks})
    given = Public(shocks, Named("aggregates", {}), Named("prices", {name: path.series[name] for name in names.prices}))

    def back(value: Array, period):
        public, savings = period
        ahead = expect(value, economy.lottery(savings), economy.chain())
        return economy.reward(savings, public) + economy.discount_factor(public.shocks) * ahead, None

    return jax.lax.scan(back, end, (given, path.savings), reverse=True)[0]
