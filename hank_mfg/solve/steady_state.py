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
from hank_mfg.solve.household import (
    HouseholdSolution,
    SteadyStateError,
    asset_return,
    solve_household,
    stationary_mass,
    supplied_aggregates,
)

ROUNDING = 4 * float(np.finfo(float).eps)  # the smallest relative tolerance that SciPy's Brent takes


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
    """Assumed values of the unknown aggregates and what follows; `excess` is log(supplied / assumed).

    `consumption` on the grid (assets, income); `exact` where the household problem was solved to the full tolerance.
    """

    guess: np.ndarray
    consumption: np.ndarray
    exact: bool
    public: Public
    household: HouseholdSolution
    mass: np.ndarray
    excess: np.ndarray


class _Market:
    """Excess supply as a function of the unknown aggregates.

    The household problem is solved only as well as the search needs it: to `haste` at first, better as the excess
    falls. It starts from the last two policies, extrapolated to the new values.
    """

    def __init__(self, economy: Economy, tolerance: float):
        self.economy, self.tolerance = economy, tolerance
        share = stationary_distribution(economy.income_transition[0, 0])
        flat = jnp.broadcast_to(share / economy.grid.size, economy.shape)
        levels, slopes = supplied_aggregates(economy, flat)
        self.unknown = [name for name, slope in slopes.items() if float(jnp.abs(slope)) > 0]
        self.fixed = {name: level for name, level in levels.items() if name not in self.unknown}
        self.seen: list[_Candidate] = []
        self.haste = tolerance
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

    def at(self, guess, tolerance: float) -> _Candidate:
        """What follows from assumed values, with the household problem solved to `tolerance` or better."""
        guess = np.asarray(guess, np.float64)
        for candidate in self.seen:
            if np.array_equal(candidate.guess, guess) and (candidate.exact or tolerance > self.tolerance):
                return candidate
        public, resources, _ = self.public(guess)
        cash = np.asarray(resources)
        if np.any(cash <= float(self.economy.grid.lower)):
            self._infeasible(guess, public, cash)
        household = _household(self.economy, public, self._start(guess, cash), jnp.asarray(tolerance))
        mass = stationary_mass(self.economy, household.savings)
        supplied, _ = supplied_aggregates(self.economy, jnp.asarray(mass))
        with np.errstate(divide="ignore"):  # nothing supplied at all is minus infinity
            excess = np.log([float(supplied[name]) for name in self.unknown]) - np.log(guess)
        consumption = cash - np.asarray(household.savings)
        exact = tolerance <= self.tolerance
        self.seen.append(_Candidate(guess, consumption, exact, public, household, mass, excess))
        return self.seen[-1]

    def _start(self, guess: np.ndarray, cash: np.ndarray) -> np.ndarray:
        """Consumption to start from: a tenth of what could be consumed, or the last policy, moved with the last two."""
        most = cash - float(self.economy.grid.lower)
        if not self.seen:
            return 0.1 * most
        last, before = self.seen[-1], self.seen[max(len(self.seen) - 2, 0)]
        moved, step = guess - last.guess, last.guess - before.guess
        share = float(moved @ step / (step @ step)) if step @ step > 0 else 0.0
        moved_on = last.consumption + np.clip(share, -2.0, 2.0) * (last.consumption - before.consumption)
        return np.clip(moved_on, 0.5 * np.minimum(last.consumption, most), most)

    def __call__(self, guess) -> np.ndarray:
        """The excess, zero where it is too small for the household's tolerance to resolve."""
        last = float(np.abs(self.seen[-1].excess).max()) if self.seen else 1.0
        excess = self.at(guess, float(np.clip(self.haste * last**1.5, self.tolerance, self.haste))).excess
        return np.where(np.abs(excess) < 100 * self.tolerance, 0.0, excess)

    def clear(self) -> _Candidate:
        """Find the root and return the candidate evaluated there, to the full tolerance."""
        if len(self.unknown) > 1:
            every = lambda x: self.at(np.exp(x), self.tolerance).excess  # noqa: E731
            solution = scipy.optimize.root(every, np.zeros(len(self.unknown)), tol=self.tolerance)
            root = np.exp(solution.x)
            return self.at(root, self.tolerance)
        for haste in (1e-7, self.tolerance):
            self.haste = haste
            low, high = self._bracket()
            root = [_zero(lambda x: self([x])[0], low, high, xtol=1e-12 * low, rtol=self.tolerance)]
            candidate = self.at(root, self.tolerance)
            if np.abs(candidate.excess).max() < 1e-8:
                break  # otherwise a hasty answer had the wrong sign: search again without haste
        return candidate

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
            f"The market for {self.unknown[0]} could not be bracketed: at {self.unknown[0]} = {point:.6g}, where "
            f"beta (1 + r) = {1.0 + patience(np.log(point)):.6g}, excess supply is still "
            f"{100 * np.expm1(excess):.3g} %: check the borrowing limit and the top of the asset grid."
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
