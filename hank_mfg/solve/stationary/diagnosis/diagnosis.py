"""Why a stationary equilibrium was not found: causes and remedies are tested before they are named.

Each test below evaluates the economy, or one that differs in a single respect (a wider bracket, a higher top of the
grid, another borrowing limit, less patience), with the program that searched; none compiles another. A sentence that
names a remedy says so only where an equilibrium was found with it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from hank_mfg.errors import HankError
from hank_mfg.solve.stationary.clearing.candidates import Candidate, Candidates, Survey
from hank_mfg.solve.stationary.clearing.global_search import (
    CLEARED,
    Budget,
    Scaled,
    Sweep,
    aggregate_range,
    ends_of,
    jacobian,
    level_of,
)
from hank_mfg.solve.stationary.diagnosis.jumps import edge_that_jumps, jump
from hank_mfg.solve.stationary.diagnosis.redundancy import Deficiency, deficiency, identity, what_is_tied
from hank_mfg.solve.stationary.diagnosis.remedies import (
    limit_that_can_be_repaid,
    with_a_higher_top,
    with_less_patience,
    with_wider_bracket,
)
from hank_mfg.solve.stationary.diagnosis.symptoms import (
    equation_names,
    first_not_finite,
    observe,
    state_not_constant,
    state_without_steady_value,
    words,
    wrong_sign,
)

ROUGH = 1e-10  # tolerance of candidates that only show whether a remedy works


class SteadyStateError(HankError, RuntimeError):
    """No stationary equilibrium was found; the message says at which values and why."""


def explain(candidates: Candidates, evidence: list, outcome: Any, tolerance: float, budget: Budget) -> str:
    """One sentence, or a few: what was found where no equilibrium was, and what would cure it.

    `evidence` are the sweeps of one unknown, or the ends of searches in several, best first; `outcome` what the quick
    search returned.
    """
    for candidate in _cleared(evidence):
        found = tolerance_not_met(candidates, candidate, tolerance)
        if found is not None:
            return found
    for test in (_numbers, _equations, _impossible, _one, _several):
        found = test(candidates, evidence, budget)
        if found is not None:
            return found
    return _remains(candidates, outcome)


def _cleared(evidence: list) -> list[Candidate]:
    """The candidates of a search at which markets clear."""
    evaluated = [candidate for each in evidence for candidate in (each.roots if isinstance(each, Sweep) else [each])]
    return [candidate for candidate in evaluated if candidate.size <= CLEARED]


def tolerance_not_met(candidates: Candidates, candidate: Candidate, tolerance: float) -> str | None:
    """Where markets clear and only the household's tolerance is missed: names one that was tried and met, else None."""
    names = candidates.names
    if not candidate.size <= CLEARED or not float(candidate.found.change) > tolerance:
        return None
    change = float(candidates(candidate.unknown, candidate, tolerance).found.change)  # the candidate's may be rough
    if not change > tolerance:
        return None
    for power in range(int(np.ceil(np.log10(3.0 * change))), -5):
        met = 10.0**power
        again = candidates(candidate.unknown, candidate, met)
        if again.size <= CLEARED and float(again.found.change) <= met:
            return (
                f"Markets clear at {words(names.searched, candidate.unknown)}, but tolerance={tolerance:g} is not met: "
                f"consumption still moves by {change:.2g} of itself from one step to the next; give tolerance="
                f"{met:.0e}, which is."
            )
    return None


def _grid_of_candidates(candidates: Candidates) -> np.ndarray:
    """Values of what is searched, spread over all that are allowed: (n, searched)."""
    names = candidates.names
    if len(names.searched) == 1:
        low, high = aggregate_range(candidates)
        if names.clearing:
            low, high = (float(each[0]) for each in ends_of(candidates))
        return level_of(names, np.linspace(low, high, 128))[:, None]
    scaled, count = Scaled(candidates), len(names.unknown)
    draws = np.random.default_rng(0).random((512, len(names.searched)))
    low, high = aggregate_range(candidates)
    draws[:, :count] = low + (high - low) * draws[:, :count]
    return scaled.level(draws)


# ------------------------------------------------------------------------------ before any household is solved


def _numbers(candidates: Candidates, evidence: list, budget: Budget) -> str | None:
    """The first equation that is not a number wherever one looks."""
    survey = candidates.survey(_grid_of_candidates(candidates))
    if survey.finite.any():
        return None
    middle = survey.unknown[len(survey.unknown) // 2]
    drifting = state_without_steady_value(candidates.economy, candidates.names, middle)
    if drifting is not None:
        return drifting
    place = first_not_finite(candidates.economy, candidates.names, middle)
    return f"No equilibrium can be tried: {place or 'a price is not finite'}, and so at every value tried."


def _equations(candidates: Candidates, evidence: list, budget: Budget) -> str | None:
    """A state variable without a stationary value, or a reversed sign."""
    survey = candidates.survey(_grid_of_candidates(candidates))
    picked, seen = observe(candidates.economy, candidates.names, survey)
    drifting = state_not_constant(candidates.names, survey, picked, seen)
    return drifting or wrong_sign(candidates.economy, candidates.names, survey, picked, seen)


def _impossible(candidates: Candidates, evidence: list, budget: Budget) -> str | None:
    """No candidate admits an equilibrium: prices that do not move, patience, the borrowing limit."""
    survey = candidates.survey(_grid_of_candidates(candidates))
    still = _prices_that_do_not_move(candidates, survey)
    if still is not None:
        return still
    if survey.admissible.any() or (evidence and not isinstance(evidence[0], Sweep)):
        return None
    good = survey.finite & (survey.growth < 1.0)
    if not good.any():
        return _too_patient(candidates, survey, budget)
    return _debt_too_large(candidates, survey, budget)


def _debt_too_large(candidates: Candidates, survey: Survey, budget: Budget) -> str | None:
    """A debt limit that cannot be repaid where wealth is bounded; None where other cures may help."""
    names, blocked = candidates.names, survey.finite & (survey.growth < 1.0) & ~(survey.least > 0.0)
    if not blocked.any():
        return None
    place = int(np.argmax(np.where(blocked, survey.growth, -np.inf)))  # next to the edge of supply
    limit = limit_that_can_be_repaid(candidates, budget)
    if limit is None and survey.admissible.any():
        return None
    lower, values = float(candidates.economy.grid.lower), words(names.searched, survey.unknown[place])
    cure = "or raise the lowest income" if limit is None else f"with a limit of {limit:.4g} an equilibrium exists"
    return (
        f"The poorest household has {survey.least[place]:.4g} to consume at {values}, not enough to repay down to the "
        f"borrowing limit {lower:.4g}, and so wherever wealth is near its bound: tighten the borrowing limit; {cure}."
    )


def _prices_that_do_not_move(candidates: Candidates, survey: Survey) -> str | None:
    """Prices are the same at whatever value of an unknown aggregate."""
    names, known = candidates.names, survey.finite
    if not known.sum() > 1 or not names.unknown or names.clearing:
        return None
    prices = survey.prices[known]
    if prices.shape[1] and np.ptp(prices, axis=0).max() > 1e-12 * (1.0 + np.abs(prices).max()):
        return None
    values = ", ".join(f"{n!r}: {v:.6g}" for n, v in zip(names.prices, prices[0], strict=True))
    return (
        f"No price moves with {', '.join(names.unknown)}: prices() returns the same at whatever value, where beta (1 + "
        f"r) is {survey.patience[known][0]:.6g}. Compute prices from aggregates.{names.unknown[0]}, or, for a "
        f"household at given prices, call hm.household(model, prices={{{values}}})."
    )


def _too_patient(candidates: Candidates, survey: Survey, budget: Budget) -> str:
    """Wealth grows without bound at every price."""
    names, place = candidates.names, int(np.nanargmin(np.where(survey.finite, survey.growth, np.inf)))
    first, lowest, last = (words(names.searched, survey.unknown[each]) for each in (0, place, -1))
    message = (
        f"beta (1 + r) does not cross one for {', '.join(names.searched)} between {first} and {last}: at {lowest} it "
        f"is lowest, {survey.patience[place]:.6g}, and wealth grows by a factor of {survey.growth[place]:.6g} a period"
    )
    cures = [with_wider_bracket(candidates, budget), with_less_patience(candidates, budget)]
    tried = ", or else ".join(cure.rstrip(".") for cure in cures if cure is not None)
    return f"{message}; {tried}." if tried else f"{message}: check discount_factor and the interest rate in prices()."


# ------------------------------------------------------------------------------------------------------- one unknown


def _one(candidates: Candidates, evidence: list, budget: Budget) -> str | None:
    """The shape of the excess of one unknown wherever an equilibrium is possible."""
    if len(candidates.names.searched) != 1:
        return None
    name = candidates.names.searched[0]
    evaluated = [candidate for each in evidence for candidate in each.evaluated]
    finite = [candidate for candidate in evaluated if not np.isnan(candidate.excess[0])]
    if not evaluated:
        return f"Time ran out before a value of {name} was tried: give a guess, or fewer asset_points."
    if not finite:
        return _no_mass(candidates, evaluated)
    signs = {float(np.sign(candidate.excess[0])) for candidate in finite}
    if all(candidate.size <= CLEARED for candidate in finite):
        return identity(candidates, finite)
    debt = _debt_too_large(candidates, candidates.survey(_grid_of_candidates(candidates)), budget)
    if debt is not None:
        return debt
    if all(np.isneginf(candidate.excess[0]) for candidate in finite):
        return (
            f"{name} supplied is zero or negative at every value tried: households' contribution to it in aggregates() "
            f"has the wrong sign, or the asset range does not let them hold any; return {{'{name}': assets}} for a "
            "stock of assets."
        )
    values = np.asarray([candidate.excess[0] for candidate in finite])
    if candidates.names.clearing and len(values) > 3 and np.ptp(values) <= 1e-9 * np.abs(values).max():
        equation = equation_names(candidates.economy, candidates.names)[0]
        message = f"{equation} of excess_demand() is {values[0]:.6g} and does not move with {name}"
        wider = with_wider_bracket(candidates, budget)
        return f"{message}; {wider}" if wider is not None else f"{message}: let it depend on choices or prices."
    if len(signs) > 1:
        return jump(candidates, evidence, budget)
    return _same_sign(candidates, evidence, signs.pop(), budget)


def _no_mass(candidates: Candidates, evaluated: list[Candidate]) -> str:
    where = words(candidates.names.searched, evaluated[len(evaluated) // 2].unknown) if evaluated else "any value"
    states = candidates.economy.income_transition.shape[-1]
    risk = "there is no idiosyncratic risk" if states == 1 else "households do not meet enough idiosyncratic risk"
    return (
        f"The stationary mass is not determined at {where}: households of one type stay forever in several separate "
        f"sets of states, because {risk}; declare a chain that connects the states of idiosyncratic_shock()."
    )


def _same_sign(candidates: Candidates, evidence: list[Sweep], sign: float, budget: Budget) -> str:
    """The excess has one sign everywhere: a bracket, the top of the grid, or an equation."""
    names = candidates.names
    broken = edge_that_jumps(candidates, evidence)
    if broken is not None:
        return broken
    finite = [candidate for each in evidence for candidate in each.evaluated if not np.isnan(candidate.excess[0])]
    name, best = names.searched[0], min(finite, key=lambda candidate: candidate.size)
    side = "more" if sign > 0 else "less"
    if names.clearing:
        equation = equation_names(candidates.economy, names)[0]
        message = (
            f"{equation} of excess_demand() is {'positive' if sign > 0 else 'negative'} at every {name} from "
            f"{finite[0].unknown[0]:.6g} to {finite[-1].unknown[0]:.6g}, {best.excess[0]:.3g} at {best.unknown[0]:.6g}"
        )
    else:
        message = (
            f"The market for {name} could not be cleared: {side} is supplied than assumed at every value from "
            f"{finite[0].unknown[0]:.4g} to {finite[-1].unknown[0]:.4g}, "
            f"{100 * float(np.expm1(min(best.excess[0], 700.0))):.3g} % at {best.unknown[0]:.6g}"
        )
    cures: list[Callable] = [with_wider_bracket, with_a_higher_top, with_less_patience]
    ends = [end for each in evidence for end in each.interval]
    inside = names.clearing and not all(np.isin(ends, [float(each[0]) for each in ends_of(candidates)]))
    if sign < 0 and inside:  # the edge of supply lies in the bracket, and still too little is saved: no wider one helps
        cures = [with_a_higher_top, with_wider_bracket, with_less_patience]
    for cure in cures:
        found = cure(candidates, budget)
        if found is not None:
            return f"{message}; {found.rstrip('.')}."
    return (
        f"{message}; wider brackets, a higher top of the asset grid and less patience did not help: check the sign and "
        "units of the equation for this market."
    )


# --------------------------------------------------------------------------------------------------- several unknowns


def _several(candidates: Candidates, evidence: list, budget: Budget) -> str | None:
    """Several unknowns: a redundant equation, an unknown that moves nothing, brackets, the top of the grid."""
    names = candidates.names
    if len(names.searched) == 1:
        return None
    if not evidence:
        return _nowhere(candidates)
    found = _rank(candidates, evidence, budget)
    if found is not None:
        return found
    best: Candidate = evidence[0]
    equations = equation_names(candidates.economy, names)
    left = ", ".join(f"{name} {value:.3g}" for name, value in zip(equations, best.excess, strict=True))
    message = (
        f"The markets for {', '.join(names.searched)} could not be cleared: the closest is "
        f"{words(names.searched, best.unknown)}, where what is left is {left}"
    )
    found = with_wider_bracket(candidates, budget, best)
    if found is not None:
        return f"{message}; {found.rstrip('.')}."
    seen = np.asarray([each for each in candidates.seen if np.isfinite(each).all()])
    for place, name in enumerate(equations):
        if len(seen) > 8 and len(set(np.sign(seen[:, place]))) == 1:
            side = "positive" if seen[0, place] > 0 else "negative"
            return (
                f"{message}; the equation for {name} is {side} at each of {len(seen)} values tried and with wider "
                f"brackets, {np.abs(seen[:, place]).min():.3g} from zero at least: check its sign and units."
            )
    for cure in (with_a_higher_top, with_less_patience):
        found = cure(candidates, budget)
        if found is not None:
            return f"{message}; {found.rstrip('.')}."
    return (
        f"{message}; wider brackets, a higher top of the asset grid and less patience did not help: check the "
        "equations with the largest of these numbers, or give a guess."
    )


def _nowhere(candidates: Candidates) -> str:
    survey = candidates.survey(_grid_of_candidates(candidates))
    good = survey.finite & (survey.growth < 1.0)
    reason = (
        f"wealth grows without bound, by a factor of {np.nanmin(survey.growth):.6g} a period at least: check "
        "discount_factor and brackets of rates"
        if not good.any()
        else "the poorest household has not enough to repay down to the borrowing limit: tighten it, or raise incomes"
    )
    return (
        f"No equilibrium is possible at any of {len(survey.growth)} values of {', '.join(candidates.names.searched)} "
        f"inside their brackets: {reason}."
    )


def _rank(candidates: Candidates, evidence: list[Candidate], budget: Budget) -> str | None:
    """A Jacobian of excess demands without full rank, at every one of a few points."""
    scaled, lacks = Scaled(candidates), []
    for candidate in evidence[:3]:
        slope = jacobian(scaled, candidate, ROUGH)
        if not np.isfinite(slope).all() or not budget.left():
            continue
        lacks.append(deficiency(slope))
        if lacks[-1] is None:
            return None
    if not lacks:
        return None
    rows, columns = (np.any([lack[place] for lack in lacks], axis=0) for place in (0, 1))
    idle = np.all([lack.idle for lack in lacks], axis=0)
    message = what_is_tied(candidates, Deficiency(rows, columns, idle, lacks[0].direction))
    return f"{message}: so it is at each of {len(lacks)} points tried, and markets clear at none of them."


def _remains(candidates: Candidates, outcome: Any) -> str:
    """The sentence where no test explained the failure."""
    names, found = candidates.names, outcome.found
    unknown = np.asarray(found.unknown)
    left = ", ".join(f"{value:.3g}" for value in np.asarray(found.excess))
    return f"No equilibrium was found; the search ended at {words(names.searched, unknown)} with excess {left}."
