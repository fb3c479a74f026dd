"""Candidate equilibria evaluated from the host, by one compiled program.

`Candidates` wraps the program that searched in the usual way (clearing.py): begun at its last step it evaluates one
candidate. Whether a candidate can be an equilibrium at all is known without solving a household. At high wealth the
consumption of CRRA households is c = m / x(e) out of cash on hand m, where (Carroll 2004; Ma, Stachurski, Toda 2020)

    x(e) = 1 + ( beta(e) sum_e' P(e, e') R(e')^(1 - g) x(e')^g )^(1/g),

so that wealth grows by G(e) = (1 - 1/x(e)) R(e) and its mean is finite if the spectral radius of diag(G) P is below
one. Where all are alike that is beta R < 1; with death, an income state in which R = 0, more is possible.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.quantities import Names
from hank_mfg.solve.stationary.clearing.clearing import (
    BEYOND,
    HASTE,
    NEWTON,
    SEARCH,
    Edge,
    Point,
    Resumed,
    Search,
    patience,
)
from hank_mfg.solve.stationary.clearing.equilibrium import Equilibrium, given
from hank_mfg.solve.stationary.household import asset_return, first_plan

BLOCK = 64  # candidates surveyed at once
SWEEPS = 2_000  # of the recursion for x(e)
LOOSE = 1e-8  # tolerance of the household at a candidate


def not_resumed(economy: Economy, names: Names) -> Resumed:
    """A search that begins where it does by itself; NumPy, so that nothing is compiled."""
    blank, plan = _number(np.zeros(economy.shape)), _number(np.zeros(economy.plan_shape))
    whole = _number(np.asarray(0))
    zero, nothing, no = _number(0.0), _number(np.inf), _number(np.asarray(False))
    point = Point(zero, plan, blank, _number(np.full(len(names.searched), np.inf)), nothing)
    search = Search(zero, point, nothing, -nothing, nothing, no, no, zero, plan, zero, no, whole)
    return Resumed(no, Edge(zero, zero), search, _number(np.zeros(len(names.searched))), whole, zero)


def resumed_at(economy: Economy, names: Names, unknown: np.ndarray, start, mass, tolerance: float) -> Resumed:
    """A search that ends at its first point, the `unknown` (searched,): evaluates the excess there, from a policy
    `start` (log plan) and a `mass`, with the household solved to `tolerance`. NumPy."""
    plain, tight, yes = not_resumed(economy, names), _number(tolerance), _number(np.asarray(True))
    point = plain.search.now._replace(log_plan=start, mass=mass)
    search = plain.search._replace(now=point, tolerance=tight, count=_number(np.asarray(SEARCH - 1)))
    edge = Edge(plain.edge.at, _number(unknown[0]))  # the unknown is at + scale e^y, at y = 0
    return Resumed(yes, edge, search, _number(coordinates(names, unknown)), _number(np.asarray(NEWTON)), tight)


def resumed_beyond(economy: Economy, names: Names, edge: Edge) -> Resumed:
    """The default search for one unknown, begun beyond another `edge` of supply than its own. NumPy but for the policy
    it starts from."""
    plain, y = not_resumed(economy, names), _number(np.log(BEYOND))
    start = _begin(economy, names, jnp.asarray(edge.at + edge.scale * BEYOND)[None])
    point = plain.search.now._replace(y=y, log_plan=start, mass=np.full(economy.shape, np.nan))
    search = plain.search._replace(y=y, now=point, tolerance=_number(HASTE))
    return plain._replace(given=_number(np.asarray(True)), edge=edge, search=search)


def _number(value) -> Any:
    """A NumPy array: 0-dimensional for a number."""
    return np.asarray(value)


def coordinates(names: Names, unknown: np.ndarray) -> np.ndarray:
    """Coordinates of a search in several unknowns: logarithms of aggregates, levels of prices. NumPy."""
    count, unknown = len(names.unknown), np.asarray(unknown, np.float64)
    with np.errstate(all="ignore"):
        return np.concatenate([np.log(unknown[:count]), unknown[count:]])


class Survey(NamedTuple):
    """Facts of candidates (n, searched) before a household is solved, NumPy: `growth` (n,), the spectral
    radius of the growth of wealth, at one or more the mean is infinite; `patience` (n,), of beta (1 + r); `least` (n,),
    what the poorest could consume; `prices` (n, prices); `finite` (n,), whether everything is a number."""

    unknown: np.ndarray
    growth: np.ndarray
    patience: np.ndarray
    least: np.ndarray
    prices: np.ndarray
    finite: np.ndarray

    @property
    def admissible(self) -> np.ndarray:
        """Whether a stationary equilibrium could be there: (n,)."""
        return self.finite & (self.growth < 1.0) & (self.least > 0.0)


class _Facts(NamedTuple):
    patience: Array
    factor: Array
    gross: Array
    least: Array
    prices: Array


def facts(economy: Economy, public: Public) -> _Facts:
    """Patience, the discount factor and gross return by income state at the top of the grid, and what is left to
    consume to who repays down to the borrowing limit, at given prices."""
    gross = economy.budget(public).bought(asset_return(economy, public)[-1])
    factor = economy.discount_factor(public.shocks)[0]
    least = jnp.min(economy.all_consumed(public))
    values = [jnp.asarray(value, economy.dtype) for value in public.prices.values()]
    prices = jnp.stack(values) if values else jnp.zeros(0, economy.dtype)
    return _Facts(patience(economy, public), factor, gross, least, prices)


@eqx.filter_jit
def _survey(economy: Economy, names: Names, unknown: Array) -> _Facts:
    return jax.lax.map(lambda each: facts(economy, given(economy, names, each)), unknown)


def growth_of(economy: Economy, factor: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """The spectral radius of the growth of high wealth, (n,), from discount factors and gross returns (n, income).

    Infinite where no consumption is small enough; NaN where a number is missing. Preferences without `risk_aversion`
    count as log.
    """
    if economy.life is not None:  # who dies for sure holds no infinite wealth
        return np.where(np.isfinite(gross).all(axis=1), 0.0, np.nan)
    power = float(getattr(economy.model.preferences(), "risk_aversion", 1.0))
    chain = np.asarray(economy.income_transition[0, 0])
    alive = gross > 0
    with np.errstate(all="ignore"):
        weight = np.where(alive, np.where(alive, gross, 1.0) ** (1.0 - power), 0.0)
        x = np.ones_like(gross)
        for _ in range(SWEEPS):
            new = 1.0 + (factor * ((weight * x**power) @ chain.T)) ** (1.0 / power)
            settled = np.nanmax(np.abs(new / x - 1.0), initial=0.0) < 1e-12
            x = np.minimum(new, 1e12)
            if settled:
                break
        growth = np.where(alive, (1.0 - 1.0 / x) * gross, np.minimum(gross, 0.0))
    growth = np.where(np.isnan(growth), np.inf, np.abs(growth))
    radius = [
        np.nan if not np.isfinite(each).all() else np.abs(np.linalg.eigvals(each[:, None] * chain)).max()
        for each in growth
    ]
    return np.asarray(radius)


class Candidate(NamedTuple):
    """A candidate evaluated: the `unknown` (searched,), its `excess`, and all that follows, as the program returned."""

    unknown: np.ndarray
    excess: np.ndarray
    outcome: Any

    @property
    def found(self) -> Equilibrium:
        """The equilibrium, if it is one."""
        return self.outcome[0]

    @property
    def size(self) -> float:
        """The largest excess; infinite where it is not a number."""
        size = float(np.abs(self.excess).max())
        return size if np.isfinite(size) else np.inf


class Candidates:
    """Evaluates candidates of one economy by a compiled program `run(economy, resumed)`; `seen` are the excesses."""

    def __init__(self, economy: Economy, names: Names, run: Callable[[Economy, Resumed], Any]):
        self.economy, self.names, self.run = economy, names, run
        self.seen: list[np.ndarray] = []

    def __call__(self, unknown, near: Candidate | None = None, tolerance: float = LOOSE) -> Candidate:
        """The excess at `unknown` (searched,), from the policy of a candidate `near` where there is a good one."""
        unknown = np.asarray(unknown, np.float64)
        usable = near is not None and np.isfinite(near.size)
        if near is not None and usable:
            start, mass = np.log(np.asarray(near.found.plan)), near.found.mass
        else:
            start, mass = _begin(self.economy, self.names, jnp.asarray(unknown)), np.full(self.economy.shape, np.nan)
        resumed = resumed_at(self.economy, self.names, unknown, start, mass, tolerance)
        candidate = self._evaluated(unknown, self.run(self.economy, resumed))
        self.seen.append(candidate.excess)
        return self(unknown, None, tolerance) if usable and np.isnan(candidate.excess).any() else candidate

    def resume(self, resumed: Resumed) -> Candidate:
        """The search of the program, begun where `resumed` says."""
        outcome = self.run(self.economy, resumed)
        return self._evaluated(np.asarray(outcome[0].unknown), outcome)

    def survey(self, unknown) -> Survey:
        """The survey of candidates (n, searched), without solving a household."""
        economy, names = self.economy, self.names
        unknown = np.asarray(unknown, np.float64).reshape(-1, len(names.searched))
        parts = []
        for start in range(0, len(unknown), BLOCK):
            block = unknown[start : start + BLOCK]
            size = len(block)
            padded = np.concatenate([block, np.repeat(block[-1:], BLOCK - size, axis=0)])
            found = jax.tree.map(np.asarray, _survey(economy, names, jnp.asarray(padded)))
            parts.append(jax.tree.map(lambda x, end=size: x[:end], found))
        known = jax.tree.map(lambda *each: np.concatenate(each), *parts)
        growth = growth_of(economy, known.factor, known.gross)
        numbers = np.concatenate([known.prices, known.least[:, None], known.gross, known.factor], axis=1)
        return Survey(
            unknown, growth, known.patience, known.least, known.prices, np.asarray(np.isfinite(numbers).all(axis=1))
        )

    def on(self, economy: Economy) -> "Candidates":
        """The same of another economy of the same shape, without compiling again."""
        return Candidates(economy, self.names, self.run)

    @staticmethod
    def _evaluated(unknown: np.ndarray, outcome: Any) -> Candidate:
        return Candidate(unknown, np.asarray(outcome[0].excess), outcome)


@eqx.filter_jit
def _begin(economy: Economy, names: Names, unknown: Array) -> Array:
    """Log consumption from which a household's problem is first solved: a tenth of all that could be consumed."""
    public = given(economy, names, unknown)
    return jnp.log(first_plan(economy, public))
