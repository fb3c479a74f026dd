"""The stationary equilibrium: the economy without aggregate risk.

Unknown: each aggregate that households' choices move (capital). At a candidate value prices follow, the endogenous
grid method gives the policy, a sparse linear solve the mass, and the excess is supplied minus assumed. With one
unknown the root is bracketed first, counting beta R >= 1 as infinite supply, and found by Brent's method (SciPy); with
several, by SciPy's hybrid Newton. Everything is in float64.
"""

import time
import warnings
from collections.abc import Callable
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize

from hank_mfg.environment.economy import Economy, Public, discretize
from hank_mfg.environment.markov import stationary_distribution
from hank_mfg.model.base import Model, named
from hank_mfg.model.named import Named
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.solve.household import HouseholdSolution, asset_return, solve_household, stationary_mass

ROUNDING = 4 * float(np.finfo(float).eps)  # the smallest relative tolerance that SciPy's Brent takes


class SteadyStateError(RuntimeError):
    """No stationary equilibrium was found; the message says at which values and why."""


class SteadyState(NamedTuple):
    """A stationary equilibrium, every array float64.

    `economy` is the discretized model without aggregate risk; `policy` consumption as a function of cash on hand;
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
            consumption = np.sum(self.mass * (np.asarray(self.economy.resources(public)) - self.savings))
        return 1.0 - float(consumption) / float(output)


def steady_state(model: Model, *, asset_points: int = 200, tolerance: float = 1e-11) -> SteadyState:
    """Solve the stationary equilibrium of a model whose prices are a closed form of its aggregates.

    Aggregate shocks are held at their means. `tolerance` is on the relative change of consumption in one step of the
    endogenous grid method and on the unknown aggregate; the market must clear within 1e-6 of the aggregate. Raises
    SteadyStateError when the market cannot be bracketed or cleared.
    """
    begin = time.perf_counter()
    with jax.enable_x64(True):
        economy = discretize(model, asset_points, jnp.float64, aggregate_risk=False)
        market = _Market(economy, tolerance)
        market.compile()
        compiled = time.perf_counter()
        candidate = market.clear()
        _check(economy, candidate, tolerance)
        policy = candidate.household.policy
        return SteadyState(
            economy, policy, np.asarray(candidate.household.savings), candidate.mass,
            jax.tree.map(np.float64, candidate.public),
            float(np.abs(candidate.excess).max()), float(candidate.household.change),
            compiled - begin, time.perf_counter() - compiled,
        )  # fmt: skip


class _Candidate(NamedTuple):
    """Assumed values of the unknown aggregates and what follows; `excess` is log(supplied / assumed)."""

    public: Public
    household: HouseholdSolution
    mass: np.ndarray
    excess: np.ndarray


class _Market:
    """Excess supply as a function of the unknown aggregates, remembering the last policy as the next start."""

    def __init__(self, economy: Economy, tolerance: float):
        self.economy, self.tolerance = economy, tolerance
        share = stationary_distribution(economy.income_transition[0, 0])
        flat = jnp.broadcast_to(share / economy.grid.size, economy.shape)
        levels, slopes = _contributions(economy, flat)
        self.unknown = [name for name, slope in slopes.items() if float(jnp.abs(slope)) > 0]
        self.fixed = {name: level for name, level in levels.items() if name not in self.unknown}
        self.start = None
        self.seen: dict[tuple, _Candidate] = {}
        if not self.unknown:
            raise SteadyStateError(
                f"No aggregate depends on assets (declared: {', '.join(levels)}): aggregates() must name one, for "
                "instance {'capital': assets}."
            )

    def public(self, guess):
        """Prices, cash on hand and beta R at assumed values of the unknown aggregates."""
        values = {**self.fixed, **dict(zip(self.unknown, jnp.asarray(guess), strict=True))}
        return _prices(self.economy, Named("aggregates", values))

    def compile(self):
        """Compile everything that the search calls, so that compile and run time are told apart."""
        public, resources, _ = self.public(np.ones(len(self.unknown)))
        household = _household(self.economy, public, 0.5 * resources, jnp.asarray(jnp.inf))
        stationary_mass(self.economy, household.savings)

    def __call__(self, guess) -> np.ndarray:
        if _as_key(guess) in self.seen:
            return self.seen[_as_key(guess)].excess
        public, resources, _ = self.public(guess)
        if bool(jnp.any(resources <= self.economy.grid.lower)):
            self._infeasible(guess, public, resources)
        start = self.start if self.start is not None else 0.1 * (resources - self.economy.grid.lower)
        household = _household(self.economy, public, start, jnp.asarray(self.tolerance))
        mass = stationary_mass(self.economy, household.savings)
        supplied, _ = _contributions(self.economy, jnp.asarray(mass))
        excess = np.array([float(jnp.log(supplied[name])) for name in self.unknown]) - np.log(np.asarray(guess))
        self.start = resources - household.savings
        self.seen[_as_key(guess)] = _Candidate(public, household, mass, excess)
        return excess

    def clear(self) -> _Candidate:
        """Find the root and return the candidate evaluated there."""
        if len(self.unknown) > 1:
            solution = scipy.optimize.root(lambda x: self(np.exp(x)), np.zeros(len(self.unknown)), tol=self.tolerance)
            root = np.exp(solution.x)
        else:
            low, high = self._bracket()
            root = [_zero(lambda x: self([x])[0], low, high, xtol=1e-12 * low, rtol=self.tolerance)]
        self(root)
        return self.seen[_as_key(root)]

    def _bracket(self) -> tuple[float, float]:
        """Values of the unknown with excess supply at the lower and excess demand at the upper one.

        Where beta R >= 1 households would save without bound, so the search starts just beyond beta R = 1.
        """
        patience = lambda x: float(self.public([np.exp(x)])[2]) - 1.0  # noqa: E731
        ends = np.log(1e-4), np.log(1e6)
        if not patience(ends[0]) > 0 > patience(ends[1]):
            raise SteadyStateError(
                f"beta (1 + r) does not cross one for {self.unknown[0]} between 1e-4 and 1e6: check prices() and "
                "discount_factor."
            )
        edge = float(np.exp(_zero(patience, *ends, xtol=1e-10)))
        step = 0.03
        point = edge * (1 + step)
        excess = self([point])[0]
        for _ in range(59):
            step = step * 3 if excess > 0 else step / 3
            last, excess_last = point, excess
            point = edge * (1 + step)
            excess = self([point])[0]
            if np.sign(excess) != np.sign(excess_last):
                return min(last, point), max(last, point)
        raise SteadyStateError(
            f"The market for {self.unknown[0]} could not be bracketed: at {point:.6g} excess supply is still "
            f"{100 * np.expm1(excess):.3g} %. Check the borrowing limit and the top of the asset grid."
        )

    def _infeasible(self, guess, public, resources):
        place = np.unravel_index(int(jnp.argmin(resources)), resources.shape)
        raise SteadyStateError(
            f"With {dict(zip(self.unknown, map(float, guess), strict=True))} and prices {public.prices} a household at "
            f"assets {float(self.economy.grid.points[place[0]]):.4g}, income state {int(place[1])} has resources "
            f"{float(resources[place]):.4g}, not enough to repay down to the borrowing limit "
            f"{float(self.economy.grid.lower):.4g}: tighten the borrowing limit or raise the lowest income."
        )


def _zero(function: Callable[[float], float], low: float, high: float, *, xtol: float, rtol: float = ROUNDING) -> float:
    """The zero between `low` and `high`, by Brent's method; SciPy raises where the signs agree there."""
    return cast(float, scipy.optimize.brentq(function, low, high, xtol=xtol, rtol=np.float64(rtol)))


def _as_key(guess) -> tuple:
    return tuple(float(x) for x in guess)


def _check(economy: Economy, candidate: _Candidate, tolerance: float) -> None:
    change = float(candidate.household.change)
    if not change <= tolerance:
        raise SteadyStateError(
            f"The household problem did not converge: consumption still moved by {change:.3g} (tolerance {tolerance:g})"
            f" after {int(candidate.household.iterations)} steps at prices {candidate.public.prices}."
        )
    residual = float(np.abs(candidate.excess).max())
    if not residual <= 1e-6:
        raise SteadyStateError(
            f"The market did not clear: relative excess {residual:.3g}, tolerance 1e-6, at prices "
            f"{candidate.public.prices}. Use more asset points or a looser tolerance."
        )
    top = float(candidate.mass[-1].sum())
    if top > 1e-6:
        warnings.warn(
            f"{top:.2e} of the population is at the top of the asset grid ({float(economy.grid.upper):g}): raise it "
            "(maximum_assets in the shipped models).", stacklevel=3,
        )  # fmt: skip


@eqx.filter_jit
def _household(economy: Economy, public: Public, start, tolerance):
    return solve_household(economy, public, start, tolerance=tolerance, max_iterations=20_000)


@eqx.filter_jit
def _prices(economy: Economy, aggregates: Named):
    shocks = economy.shocks(0)
    public = Public(shocks, aggregates, named("prices", economy.model.prices(aggregates, shocks), "prices"))
    return public, economy.resources(public), jnp.max(asset_return(economy, public)) * economy.discount_factor


@eqx.filter_jit
def _contributions(economy: Economy, mass):
    """Each aggregate summed over the mass, and its derivative when everybody's assets rise by one unit."""
    _, own = economy.states()

    def total(shift):
        each = economy.model.aggregates(economy.grid.points[:, None] + shift, own, economy.shocks(0))
        return {name: jnp.sum(mass * value) for name, value in named("aggregates", each, "aggregates").items()}

    return jax.jvp(total, (jnp.zeros(()),), (jnp.ones(()),))
