"""Search for the stationary equilibrium of an economy: a quick search first, a global one where it fails.

`Programs` compiles the search of clearing.py once; the same program, begun elsewhere, continues from a guess, looks for
further equilibria and evaluates the candidates of the global search.
"""

import concurrent.futures
import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_compilation, quick_jit
from hank_mfg.environment.economy import Economy
from hank_mfg.environment.quantities import Names
from hank_mfg.errors import warn_user
from hank_mfg.model.concrete import numbers_of
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.precision import in_jax
from hank_mfg.solve.stationary.clearing.candidates import Candidate, Candidates, not_resumed, resumed_beyond
from hank_mfg.solve.stationary.clearing.clearing import (
    Edge,
    Resumed,
    candidate_at,
    finish,
    search_coarse,
    search_fine,
    unknown_start,
)
from hank_mfg.solve.stationary.clearing.equilibrium import Equilibrium
from hank_mfg.solve.stationary.clearing.global_search import (
    CLEARED,
    SAME,
    Budget,
    distinct,
    edge_of_growth,
    near_guess,
    root_between,
    roots_of_several,
    sweeps_of_one,
)
from hank_mfg.solve.stationary.diagnosis.diagnosis import SteadyStateError, explain, tolerance_not_met
from hank_mfg.solve.stationary.diagnosis.redundancy import may_be_undetermined, not_determined
from hank_mfg.solve.stationary.diagnosis.symptoms import without_risk, words
from hank_mfg.solve.stationary.household import all_consumed, policy_and_savings
from hank_mfg.solve.stationary.portfolio import PortfolioFunction

SECONDS, EXPLAINING = 30.0, 20.0  # of a global search after a failure, and to explain one
TIGHT = 1e-9  # tolerance of the household that clearing within 1e-6 needs
PATROL = (-7.0, -5.0, -3.5, -2.0, -0.7, 0.7, 2.0)  # places y at which others are looked for
SIZES = (1.0, 10.0, 3.0, 30.0, 100.0)  # of aggregates at which a search with two assets begins
REPLACED = 3  # times that assumed aggregates are replaced by supplied ones, with two assets
WALKS, WALK = SIZES[:1] + SIZES[2:4], 10  # sizes at which walks in small steps begin, where these fail; steps
APART = 0.4  # from the equilibrium found
BESIDE = 0.02  # the same, where another one is nearer


class Outcome(NamedTuple):
    """The result of the program: the equilibrium `found`, if it is one, resources, the policy, savings, the edge of
    supply of one unknown and the place `y` beyond it, and the last Jacobian of the excess, `slope` (searched,
    searched)."""

    found: Equilibrium
    resources: Any
    policy: ConsumptionFunction | PortfolioFunction
    savings: Any
    edge: Edge
    y: Any
    slope: Any


@eqx.filter_jit
def _fine(levels: tuple[Economy, ...], names: Names, start, tolerance: float, resumed: Resumed) -> Outcome:
    found, edge, y, slope = search_fine(levels, names, start, tolerance, resumed)
    policy, savings = policy_and_savings(levels[-1], found.public, found.plan)
    return Outcome(found, levels[-1].resources(found.public), policy, savings, edge, y, slope)


_coarse = eqx.filter_jit(search_coarse)


@quick_jit
def evaluated(
    economy: Economy, names: Names, unknown: Array, start: Array, neighbor: Array, tolerance: Array
) -> Outcome:
    """The outcome at values of what is searched, (searched,), from a log plan and a mass near by: no search."""
    point = candidate_at(economy, names, unknown, start, neighbor, tolerance)
    found = finish(economy, names, unknown, point)
    policy, savings = policy_and_savings(economy, found.public, found.plan)
    nothing = jnp.full((), jnp.nan)
    return Outcome(found, economy.resources(found.public), policy, savings, Edge(nothing, nothing), nothing, nothing)


def household_tolerance(tolerance: float) -> float:
    """To what the household is solved: as asked, or as well as clearing needs."""
    return min(float(tolerance), TIGHT)


def guess_of(names: Names, guess) -> np.ndarray:
    """The values of what is searched, (searched,), from a SteadyState or a dict by name."""
    if isinstance(guess, Mapping):
        values = dict(guess)
    elif hasattr(guess, "prices") and hasattr(guess, "aggregates"):
        values = {**guess.aggregates, **guess.prices}
    else:
        raise TypeError(f"guess = {guess!r}: give a SteadyState or a dict, such as {{{names.searched[0]!r}: 1.0}}.")
    missing = [name for name in names.searched if name not in values]
    if missing:
        close = did_you_mean(missing[0], list(values))
        raise ValueError(f"guess has no {missing[0]!r}{close}: the search is over {', '.join(names.searched)}.")
    unused = [name for name in values if isinstance(guess, Mapping) and name not in names.searched]
    if unused:
        raise ValueError(f"guess names {unused[0]!r}: the search is over {', '.join(names.searched)}; leave it out.")
    numbers = np.concatenate([numbers_of(f"guess[{name!r}]", values[name]).reshape(1) for name in names.searched])
    positive = np.arange(len(numbers)) >= len(names.unknown)
    wrong = ~np.isfinite(numbers) | ~(positive | (numbers > 0))
    if wrong.any():
        place = int(np.argmax(wrong))
        raise ValueError(
            f"guess gives {names.searched[place]} = {numbers[place]:g}: a guess is a finite number, of an aggregate a "
            "positive one."
        )
    return numbers


class Programs:
    """The compiled search for an economy, on a coarse grid first where there are two `levels`."""

    def __init__(self, levels: tuple[Economy, ...], names: Names, tolerance: float):
        self.levels, self.names, self.tolerance = levels, names, tolerance
        options, plain = quick_compilation(), not_resumed(levels[-1], names)
        self.begin = self.coarse = self.scouted = None
        if len(levels) == 1 or len(names.searched) > 1:
            self.fine = _fine.lower(levels, names, None, tolerance, plain).compile(compiler_options=options)
            return
        self.begin, thin = unknown_start(levels[0]), not_resumed(levels[0], names)
        coarse = _coarse.lower(levels[0], names, thin)
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            compiling = beside.submit(coarse.compile, compiler_options=options)
            fine = _fine.lower(levels, names, self.begin, tolerance, plain).compile(compiler_options=options)
            self.coarse, self.fine = compiling.result(), fine

    def on(self, levels: tuple[Economy, ...]) -> "Programs":
        """The same compiled programs for other economies of the same shapes."""
        other = copy.copy(self)
        other.levels = levels
        return other

    def run(self, economy: Economy, resumed: Resumed, begin=None) -> Outcome:
        """The search in an economy of the same shape, begun where `resumed` says."""
        levels = (*self.levels[:-1], economy)
        start = self.begin if begin is None else begin
        return jax.block_until_ready(self.fine(levels, self.names, start, self.tolerance, resumed))

    def quick(self, edge: Edge | None = None) -> Outcome:
        """The usual search, cold, begun beyond another `edge` of supply than its own where one is given."""
        first, names = self.levels[0 if self.coarse is not None else -1], self.names
        cold = not_resumed(first, names) if edge is None else resumed_beyond(first, names, edge)
        self.scouted = None if self.coarse is None else self.coarse(first, names, cold)
        if self.coarse is not None:
            cold = not_resumed(self.levels[-1], names)
        return self.run(self.levels[-1], cold, self.scouted)

    def past_patience(self, failed: Outcome) -> Outcome:
        """The usual search once more, begun where wealth would grow without bound, after the one that begins where
        beta (1 + r) = 1 has `failed`; what failed where both begin at the same place."""
        edge = edge_of_growth(self.candidates())
        if edge is None or np.isclose(edge.at, failed.edge.at, rtol=SAME, atol=0.0):
            return failed
        return self.quick(edge)

    def candidates(self) -> Candidates:
        """The evaluator of candidates on the last of the grids."""
        return Candidates(self.levels[-1], self.names, self.run)

    def scouts(self) -> Candidates:
        """The evaluator of candidates on the first of the grids."""
        return self.candidates() if self.coarse is None else Candidates(self.levels[0], self.names, self._run_coarse)

    def _run_coarse(self, economy: Economy, resumed: Resumed) -> tuple[Equilibrium]:
        assert self.coarse is not None
        edge, search = self.coarse(economy, self.names, resumed)
        point, unknown = search.now, (edge.at + edge.scale * jnp.exp(search.now.y))[None]
        nothing: Any = None
        composite = jnp.exp(point.log_plan)  # of one asset: with two there is one grid
        return (Equilibrium(unknown, composite, composite, point.mass, nothing, point.excess, point.change),)

    def search(self, guess: np.ndarray | None, tolerance: float, others: bool) -> Outcome:
        """An equilibrium, next to a guess where there is one. Raises SteadyStateError."""
        economy = self.levels[-1]
        if guess is not None:
            candidate = near_guess(self.candidates(), guess, self.tolerance, Budget(SECONDS))
            if is_equilibrium(economy, self.names, candidate.outcome, tolerance):
                return candidate.outcome
        if economy.several:
            return self.of_two_assets(tolerance, guess is not None)
        outcome = failed = self.quick()
        found = is_equilibrium(economy, self.names, outcome, tolerance)
        if len(self.names.searched) == 1 and not found:
            outcome = self.past_patience(failed)
            found = is_equilibrium(economy, self.names, outcome, tolerance)
        if found:
            if may_be_undetermined(np.asarray(outcome.slope)):
                self.require_determined(_candidate_of(outcome))
            if others and guess is None and len(self.names.searched) == 1:
                self.look_around(outcome)
            return outcome
        return self.rescue(failed, tolerance)

    def of_two_assets(self, tolerance: float, guessed: bool) -> Outcome:
        """An equilibrium with two assets from starts of several sizes: aggregates that choices move all at one of the
        `SIZES`, prices at their guesses. Raises SteadyStateError."""
        economy, names = self.levels[-1], self.names
        prices, budget, best = np.asarray(economy.first_prices()), Budget(SECONDS), None
        candidates, count = self.candidates(), len(names.unknown)
        for size, walks in [*((size, False) for size in SIZES), *((size, True) for size in WALKS)]:
            start, before = np.concatenate([np.full(count, size), prices]), None
            for _ in range(0 if walks else REPLACED):  # assumed by supplied, at the prices of the guess
                before = candidates(start, before, self.tolerance)
                if is_equilibrium(economy, names, before.outcome, tolerance):
                    return before.outcome
                start[:count] *= np.exp(np.nan_to_num(before.excess[:count], neginf=0.0))
            start = walked(candidates, start, count, self.tolerance) if walks else start
            found = near_guess(candidates, start, self.tolerance, budget)
            if is_equilibrium(economy, names, found.outcome, tolerance):
                return found.outcome
            best = found if best is None or not best.size <= found.size else best
        assert best is not None
        raise SteadyStateError(not_with_two_assets(names, best, guessed))

    def rescue(self, outcome: Outcome, tolerance: float) -> Outcome:
        """An equilibrium from many starts, after the usual search failed. Raises SteadyStateError."""
        riskless = without_risk(self.levels[-1])
        if riskless is not None:
            raise SteadyStateError(riskless)
        candidates, budget = self.candidates(), Budget(SECONDS)
        missed = tolerance_not_met(candidates, _candidate_of(outcome), tolerance)
        if missed is not None:
            raise SteadyStateError(missed)
        if len(self.names.searched) == 1:
            sweeps = sweeps_of_one(candidates, self.tolerance, budget)
            evidence: Any = sweeps
            roots = distinct([root for each in sweeps for root in each.roots])
        else:
            roots, evidence = roots_of_several(candidates, budget)
        good = [root for root in roots if is_equilibrium(self.levels[-1], self.names, root.outcome, tolerance)]
        if roots and not good:
            self.require_determined(roots[0])
        if not good:
            raise SteadyStateError(explain(candidates, evidence, outcome, tolerance, Budget(EXPLAINING)))
        self.require_determined(good[0])
        if len(good) > 1:
            warn_of_others(self.names, good[0], good[1:])
        return good[0].outcome

    def require_determined(self, candidate: Candidate) -> None:
        """Raise SteadyStateError where the equilibrium at a candidate is one of a curve of them."""
        found = not_determined(self.candidates(), candidate, Budget(EXPLAINING))
        if found is not None:
            raise SteadyStateError(found)

    def look_around(self, outcome: Outcome) -> None:
        """Warn of further equilibria where the excess has the wrong sign far from the one found."""
        scouts = self.scouts()
        edge, y = outcome.edge, float(outcome.y)
        if self.scouted is not None:  # places on the coarse grid are beside its own equilibrium
            edge, y = self.scouted[0], float(self.scouted[1].now.y)
        edge = jax.tree.map(float, edge)
        here = _candidate_of(outcome)
        last = None if self.coarse is not None else here
        found: list[Candidate] = []
        for side in (-1.0, 1.0):
            before, sign = last, -side  # the excess is positive between the edge and the first equilibrium
            places = [y + side * APART, *(each for each in PATROL if side * (each - y) > 2.0 * APART)]
            for place in sorted(places, key=lambda each, s=side: s * each):
                if place > 0 and self.names.clearing:
                    break
                candidate = scouts(np.asarray([edge.at + edge.scale * np.exp(place)]), before, 1e-7)
                if not np.isfinite(candidate.size):
                    break
                if np.sign(candidate.excess[0]) not in (0.0, sign):
                    if before is None or before is here:  # two roots may be between: begin next to the one found
                        beside = edge.at + edge.scale * np.exp(y + side * BESIDE)
                        before = scouts(np.asarray([beside]), before, 1e-7)
                    if np.sign(before.excess[0]) == sign:
                        found.append(self._root(scouts, before, candidate))
                    sign = float(np.sign(candidate.excess[0]))
                before = candidate
        roots = distinct(found)
        if self.scouted is not None:
            fine, budget = self.candidates(), Budget(SECONDS)
            roots = [near_guess(fine, root.unknown, self.tolerance, budget) for root in roots]
        roots = [
            each for each in distinct(roots) if not np.allclose(each.unknown, here.unknown, rtol=SAME, atol=SAME**2)
        ]
        if roots:
            warn_of_others(self.names, here, roots)

    def _root(self, scouts: Candidates, one: Candidate, other: Candidate) -> Candidate:
        ends = sorted((one, other), key=lambda candidate: float(candidate.unknown[0]))
        x = [float(t.unknown[0]) if self.names.clearing else float(np.log(t.unknown[0])) for t in ends]
        return root_between(scouts, x, ends, self.tolerance)


def _candidate_of(outcome: Outcome) -> Candidate:
    """The end of a search, as a candidate."""
    return Candidate(np.asarray(outcome.found.unknown), np.asarray(outcome.found.excess), outcome)


def not_with_two_assets(names: Names, best: Candidate, guessed: bool) -> str:
    """The sentence where no equilibrium with two assets was found, and what may be the cause."""
    moved = best.unknown[: len(names.unknown)]
    off = f"markets are off by {best.size:.3g}" if np.isfinite(best.size) else "households have no best choice"
    least = names.searched[int(np.argmin(moved))] if len(moved) > 1 and moved.min() < 1e-2 * moved.max() else ""
    cause = f" Hardly any {least} is held there: does it pay more than the other asset?" if least else ""
    again = "another guess" if guessed else f"guess={{{names.searched[0]!r}: ...}} with values of all unknowns"
    return (
        f"No stationary equilibrium with two assets was found: nearest was {words(names.searched, best.unknown)}, "
        f"where {off}.{cause} Give hm.steady_state(model, ...) {again}, or change parameters toward an economy that "
        "has one."
    )


def walked(candidates: Candidates, start: np.ndarray, count: int, tolerance: float) -> np.ndarray:
    """Unknowns (searched,) nearer to those that clear: the first `count`, aggregates, move toward what is supplied by
    at most a factor, e at first and its root wherever the excess of one changes its sign or there is none."""
    at, limit, best, before = start, np.ones(count), None, None
    last, excess = start, np.zeros(count)
    for _ in range(WALK):
        now = candidates(at, before, tolerance)
        if not np.isfinite(now.size):
            if before is None:
                break
            limit, at = 0.5 * limit, np.sqrt(at * last)
            continue
        if best is None or now.size < best.size:
            best = now
        limit = np.where(now.excess[:count] * excess < 0, 0.5 * limit, limit)
        last, before, excess = at, now, now.excess[:count]
        at = at.copy()
        at[:count] *= np.exp(np.clip(excess, -limit, limit))
    return start if best is None else best.unknown


def warn_of_others(names: Names, here: Candidate, others: list[Candidate]) -> None:
    """Warn that markets clear at several places."""
    this, *also = (words(names.searched, candidate.unknown) for candidate in (here, *others))
    example = ", ".join(f"{n!r}: {v:.6g}" for n, v in zip(names.searched, others[0].unknown, strict=True))
    warn_user(
        f"Markets clear at {len(others) + 1} places: this is {this}, others are {'; '.join(also)}; "
        f"steady_state(model, guess={{{example}}}) finds another."
    )


def is_equilibrium(economy: Economy, names: Names, outcome: Outcome, tolerance: float) -> bool:
    """Whether markets clear, budgets are feasible and the household problem is solved."""
    found = outcome.found
    if not np.isfinite(np.asarray(found.excess)).all() or not np.abs(np.asarray(found.excess)).max() <= CLEARED:
        return False
    if not float(found.change) <= max(tolerance, household_tolerance(tolerance)) or np.isnan(found.mass).any():
        return False
    lower, upper = (np.asarray(each) for each in economy.brackets())
    prices = np.asarray(found.unknown)[len(names.unknown) :]
    if np.any(prices < lower) or np.any(prices > upper):
        return False
    public = jax.tree.map(in_jax, found.public)
    return bool(np.all(np.asarray(all_consumed(economy, public)) > 0))
