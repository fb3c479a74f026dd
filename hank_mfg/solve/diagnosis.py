"""Why a stationary equilibrium was not found: causes are tried before they are named, and so are remedies.

Each test below evaluates the economy, or one that differs in a single respect (a wider bracket, a higher top of the
grid, another borrowing limit, less patience), with the program that searched; none compiles another. A sentence that
names a remedy says so only where an equilibrium was found with it.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.economy import Public
from hank_mfg.environment.grids import asset_grid
from hank_mfg.model.assets import Assets
from hank_mfg.solve.candidates import Candidates, Survey, Trial
from hank_mfg.solve.equilibrium import given
from hank_mfg.solve.global_search import (
    CLEARED,
    Budget,
    Scaled,
    Sweep,
    aggregate_range,
    distinct,
    ends_of,
    jacobian,
    level_of,
    roots_of_several,
    sweeps_of_one,
)
from hank_mfg.solve.symptoms import equation_names, first_not_finite, state_not_at_rest, wrong_sign, words

ROUGH = 1e-10  # tolerance of trials that only show whether a remedy works
WIDER = (1.0, 9.0)  # times the length of a bracket by which it is extended on both sides
HIGHER = (4.0, 16.0)  # times the top of the asset grid
LESS = (0.99, 0.97, 0.94, 0.9, 0.8, 0.6)  # times the discount factor
SINGULAR = 1e-5  # smallest over largest singular value of the Jacobian, rows scaled


class SteadyStateError(RuntimeError):
    """No stationary equilibrium was found; the message says at which values and why."""


def explain(candidates: Candidates, evidence: list, outcome: Any, tolerance: float, budget: Budget) -> str:
    """One sentence, or a few: what was found where no equilibrium was, and what would cure it.

    `evidence` are the sweeps of one unknown, or the ends of searches in several, best first; `outcome` what the quick
    search returned.
    """
    for test in (_numbers, _at_rest, _signs, _impossible, _one, _several):
        found = test(candidates, evidence, budget)
        if found is not None:
            return found
    return _remains(candidates, evidence, outcome, tolerance)


def _grid_of_candidates(candidates: Candidates) -> np.ndarray:
    """Values of what is searched, spread over all that are allowed: (n, searched)."""
    names = candidates.names
    if len(names.searched) == 1:
        ends = tuple(float(e[0]) for e in ends_of(candidates)) if names.clearing else aggregate_range(candidates)
        return level_of(names, np.linspace(*ends, 128))[:, None]
    scaled, count = Scaled(candidates), len(names.unknown)
    draws = np.random.default_rng(0).random((512, len(names.searched)))
    low, high = aggregate_range(candidates)
    draws[:, :count] = low + (high - low) * draws[:, :count]
    return scaled.level(draws)


# ------------------------------------------------------------------------------------------ before any household is solved


def _numbers(candidates: Candidates, evidence: list, budget: Budget) -> str | None:
    """The first equation that is not a number wherever one looks."""
    survey = candidates.survey(_grid_of_candidates(candidates))
    if survey.finite.any():
        return None
    middle = survey.unknown[len(survey.unknown) // 2]
    place = first_not_finite(candidates.economy, candidates.names, middle)
    return f"No equilibrium can be tried: {place or 'a price is not finite'}, and so at every value tried."


def _at_rest(candidates: Candidates, evidence: list, budget: Budget) -> str | None:
    return state_not_at_rest(candidates.economy, candidates.names, _grid_of_candidates(candidates))


def _signs(candidates: Candidates, evidence: list, budget: Budget) -> str | None:
    survey = candidates.survey(_grid_of_candidates(candidates))
    return wrong_sign(candidates.economy, candidates.names, survey)


def _impossible(candidates: Candidates, evidence: list, budget: Budget) -> str | None:
    """No candidate admits an equilibrium: prices that do not move, patience, the borrowing limit."""
    names = candidates.names
    survey = candidates.survey(_grid_of_candidates(candidates))
    still = _prices_that_do_not_move(candidates, survey)
    if still is not None:
        return still
    if survey.admissible.any() or evidence and not isinstance(evidence[0], Sweep):
        return None
    good = survey.finite & (survey.growth < 1.0)
    if not good.any():
        return _too_patient(candidates, survey, budget)
    place = int(np.argmax(np.where(good, survey.least, -np.inf)))
    limit = _limit_that_can_be_repaid(candidates, budget)
    lower = float(candidates.economy.grid.lower)
    values = words(names.searched, survey.unknown[place])
    cure = "raise the lowest income" if limit is None else f"with a limit of {limit:.4g} an equilibrium exists"
    return (
        f"The poorest household has {survey.least[place]:.4g} less than nothing to consume, not enough to repay down to "
        f"the borrowing limit {lower:.4g}, at every value of {', '.join(names.searched)} that was tried, such as "
        f"{values}: tighten the borrowing limit; {cure}."
    ).replace(f"{survey.least[place]:.4g} less than nothing to consume", _shortfall(survey.least[place]))


def _shortfall(least: float) -> str:
    return "nothing to consume" if not np.isfinite(least) else f"{least:.4g} to consume"


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
        f"r) is {survey.patience[known][0]:.6g}. Compute prices from aggregates.{names.unknown[0]}, or, for a household "
        f"at given prices, call hm.household(model, prices={{{values}}})."
    )


def _too_patient(candidates: Candidates, survey: Survey, budget: Budget) -> str:
    """Wealth grows without bound at every price."""
    names, place = candidates.names, int(np.nanargmin(np.where(survey.finite, survey.growth, np.inf)))
    ends = f"between {words(names.searched, survey.unknown[0])} and {words(names.searched, survey.unknown[-1])}"
    told = (
        f"beta (1 + r) does not cross one for {', '.join(names.searched)} {ends}: at {words(names.searched, survey.unknown[place])} "
        f"it is lowest, {survey.patience[place]:.6g}, and wealth grows by a factor of {survey.growth[place]:.6g} a period"
    )
    wider = _with_wider_bracket(candidates, budget)
    if wider is not None:
        return f"{told}; {wider}"
    cure = _with_less_patience(candidates, budget)
    return f"{told}: check discount_factor and the interest rate in prices(){'' if cure is None else '; ' + cure}."


def _with_less_patience(candidates: Candidates, budget: Budget) -> str | None:
    model = candidates.economy.model
    value = model.parameters().get("discount_factor")
    if np.ndim(value) != 0 or value is None:
        return None
    for factor in LESS:
        lower = factor * float(value)
        changed = eqx.tree_at(lambda e: e.model.discount_factor, candidates.economy, jnp.asarray(lower))
        root = _any_root(candidates.on(changed), budget)
        if root is not None:
            return f"with discount_factor = {lower:.6g} there is an equilibrium, {words(candidates.names.searched, root.unknown)}"
    return None


def _limit_that_can_be_repaid(candidates: Candidates, budget: Budget) -> float | None:
    """The lowest borrowing limit, of a few, with which there is an equilibrium."""
    lower = float(candidates.economy.grid.lower)
    for part in (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0):
        limit = part * lower
        if limit >= float(candidates.economy.grid.upper) or not budget.left():
            return None
        if _any_root(_regridded(candidates, lower=limit), budget) is not None:
            return limit
    return None


def _regridded(candidates: Candidates, lower: float | None = None, upper: float | None = None) -> Candidates:
    """The same economy on another asset range, as many points: nothing is compiled again."""
    economy, grid = candidates.economy, candidates.economy.grid
    space = economy.model.asset_space()
    ends = (float(grid.lower) if lower is None else lower, float(grid.upper) if upper is None else upper)
    other = asset_grid(Assets(*ends, curvature=space.curvature, pivot=space.pivot), grid.size, economy.dtype)
    other = jax.tree.map(lambda x: jnp.asarray(x, economy.dtype), other)
    return candidates.on(eqx.tree_at(lambda e: e.grid, economy, other))


def _any_root(candidates: Candidates, budget: Budget, widen: float = 0.0) -> Trial | None:
    """A root, where there is one that a global search finds."""
    if not budget.left():
        return None
    if len(candidates.names.searched) > 1:
        roots = roots_of_several(candidates, budget, widen)[0]
    else:
        sweeps = sweeps_of_one(candidates, ROUGH, budget, widen)
        roots = distinct([root for each in sweeps for root in each.roots])
    return roots[0] if roots else None


def _with_wider_bracket(candidates: Candidates, budget: Budget) -> str | None:
    """Where markets clear outside the brackets of unknowns()."""
    names = candidates.names
    if not names.clearing:
        return None
    for widen in WIDER:
        root = _any_root(candidates, budget, widen)
        if root is None:
            continue
        prices = root.unknown[len(names.unknown) :]
        outside = [
            f"{name} clears its market at {value:.6g}, outside its bracket from {low:g} to {high:g}"
            for name, value, low, high in zip(names.clearing, prices, *ends_of(candidates), strict=True)
            if not low <= value <= high
        ]
        if outside:
            return f"{', and '.join(outside)}: widen the bracket in unknowns(); with a wider one the equilibrium is found."
    return None


def _with_a_higher_top(candidates: Candidates, budget: Budget) -> str | None:
    upper = float(candidates.economy.grid.upper)
    for factor in HIGHER:
        root = _any_root(_regridded(candidates, upper=factor * upper), budget)
        if root is not None:
            return (
                f"the asset grid is too short: with the top of the asset grid at {factor * upper:g} instead of {upper:g} "
                f"markets clear at {words(candidates.names.searched, root.unknown)}; raise it in asset_space() "
                "(maximum_assets in the shipped models)"
            )
    return None


# ------------------------------------------------------------------------------------------------------- one unknown


def _one(candidates: Candidates, evidence: list, budget: Budget) -> str | None:
    """What the excess of one unknown looks like wherever an equilibrium is possible."""
    if len(candidates.names.searched) != 1:
        return None
    name = candidates.names.searched[0]
    trials = [trial for each in evidence for trial in each.trials]
    finite = [trial for trial in trials if not np.isnan(trial.excess[0])]
    if not finite:
        return _no_mass(candidates, trials)
    signs = {float(np.sign(trial.excess[0])) for trial in finite}
    if all(trial.size <= CLEARED for trial in finite):
        return (
            f"The market for {name} clears at every value tried, from {finite[0].unknown[0]:.6g} to "
            f"{finite[-1].unknown[0]:.6g}: its equation is an identity (Walras' law, or an excess_demand() that does not "
            "depend on choices) and determines nothing; state the excess demand of another market."
        )
    if all(np.isneginf(trial.excess[0]) for trial in finite):
        return (
            f"{name} supplied is zero or negative at every value tried: households' contribution to it in aggregates() "
            f"has the wrong sign, or the asset range does not let them hold any; return {{'{name}': assets}} for a stock "
            "of assets."
        )
    if len(signs) > 1:
        return _jump(candidates, evidence)
    return _same_sign(candidates, finite, signs.pop(), budget)


def _no_mass(candidates: Candidates, trials: list[Trial]) -> str:
    where = words(candidates.names.searched, trials[len(trials) // 2].unknown) if trials else "any value"
    chain = np.asarray(candidates.economy.income_transition[0, 0])
    risk = "there is no idiosyncratic risk" if len(chain) == 1 else "households do not meet enough idiosyncratic risk"
    return (
        f"The stationary mass is not determined at {where}: households of one type stay forever in several separate sets "
        f"of states, because {risk}; declare a chain that connects the states of idiosyncratic_shock()."
    )


def _same_sign(candidates: Candidates, finite: list[Trial], sign: float, budget: Budget) -> str:
    """The excess has one sign everywhere: a bracket, the top of the grid, or an equation."""
    names = candidates.names
    name, best = names.searched[0], min(finite, key=lambda trial: trial.size)
    side = "more" if sign > 0 else "less"
    if names.clearing:
        equation = equation_names(candidates.economy, names)[0]
        told = (
            f"{equation} of excess_demand() is {'positive' if sign > 0 else 'negative'} at every {name} from "
            f"{finite[0].unknown[0]:.6g} to {finite[-1].unknown[0]:.6g}, {best.excess[0]:.3g} at {best.unknown[0]:.6g}"
        )
    else:
        told = (
            f"The market for {name} could not be cleared: {side} is supplied than assumed at every value from "
            f"{finite[0].unknown[0]:.4g} to {finite[-1].unknown[0]:.4g}, "
            f"{100 * float(np.expm1(min(best.excess[0], 700.0))):.3g} % at {best.unknown[0]:.6g}"
        )
    cures: list[Callable] = [_with_wider_bracket, _with_a_higher_top, _with_less_patience]
    for cure in cures:
        found = cure(candidates, budget)
        if found is not None:
            return f"{told}; {found.rstrip('.')}."
    return (
        f"{told}; wider brackets, a higher top of the asset grid and less patience did not help: check the sign and units "
        "of the equation for this market."
    )


def _jump(candidates: Candidates, evidence: list) -> str:
    """The excess changes its sign without being small anywhere."""
    name = candidates.names.searched[0]
    nearest = min((root for each in evidence for root in each.roots), key=lambda trial: trial.size, default=None)
    if nearest is None:
        return f"The excess of {name} changes its sign, but time ran out before its root was found: give a guess."
    return (
        f"The excess of {name} jumps over zero at {nearest.unknown[0]:.10g}, where it is still {nearest.excess[0]:.3g}: "
        "households gather at single points of the asset grid, as they do with hardly any idiosyncratic risk; use another "
        "number of asset_points, or declare more risk."
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
    best: Trial = evidence[0]
    equations = equation_names(candidates.economy, names)
    left = ", ".join(f"{name} {value:.3g}" for name, value in zip(equations, best.excess, strict=True))
    told = f"The markets for {', '.join(names.searched)} could not be cleared: the closest is {words(names.searched, best.unknown)}, where what is left is {left}"
    for cure in (_with_wider_bracket, _with_a_higher_top, _with_less_patience):
        found = cure(candidates, budget)
        if found is not None:
            return f"{told}; {found.rstrip('.')}."
    return f"{told}; wider brackets, a higher top of the asset grid and less patience did not help: check the equations with the largest of these numbers, or give a guess."


def _nowhere(candidates: Candidates) -> str:
    survey = candidates.survey(_grid_of_candidates(candidates))
    good = survey.finite & (survey.growth < 1.0)
    reason = (
        f"wealth grows without bound, by a factor of {np.nanmin(survey.growth):.6g} a period at least: check discount_factor "
        "and brackets of rates"
        if not good.any()
        else "the poorest household has not enough to repay down to the borrowing limit: tighten the borrowing limit or raise "
        "the lowest income"
    )
    return f"No equilibrium is possible at any of {len(survey.growth)} values of {', '.join(candidates.names.searched)} inside their brackets: {reason}."


def _rank(candidates: Candidates, evidence: list[Trial], budget: Budget) -> str | None:
    """A Jacobian of excess demands without full rank, at every one of a few points."""
    names, scaled = candidates.names, Scaled(candidates)
    equations, rows, columns, seen = equation_names(candidates.economy, names), [], [], 0
    for trial in evidence[:3]:
        slope = jacobian(scaled, trial, ROUGH)
        if not np.isfinite(slope).all() or not budget.left():
            continue
        seen += 1
        size = np.abs(slope).max(axis=1, keepdims=True)
        left, values, right = np.linalg.svd(slope / np.where(size > 0, size, 1.0))
        if values[-1] > SINGULAR * values[0]:
            return None
        rows.append(np.abs(left[:, -1]) / np.abs(left[:, -1]).max() > 1e-2)
        columns.append(np.abs(right[-1]) / np.abs(right[-1]).max() > 1e-2)
    if not seen:
        return None
    row, column = np.any(rows, axis=0), np.any(columns, axis=0)
    tied = [name for name, used in zip(equations, row, strict=True) if used]
    loose = [name for name, used in zip(names.searched, column, strict=True) if used]
    if len(loose) == 1:
        return (
            f"{loose[0]} moves none of the equations {', '.join(equations)}: nothing determines it; let prices() or "
            "excess_demand() depend on it, or take it out of unknowns()."
        )
    if len(tied) == 1:
        return (
            f"{tied[0]} moves with none of {', '.join(names.searched)}: the equation determines nothing; let it depend on "
            "prices or choices."
        )
    return (
        f"The equations for {', '.join(tied)} are not independent, at each of {seen} points tried: one follows from the "
        f"others (Walras' law), so {', '.join(loose)} are not determined together; drop one of these equations and state "
        "another condition, or take one unknown out."
    )


def _remains(candidates: Candidates, evidence: list, outcome: Any, tolerance: float) -> str:
    """What no test explained."""
    names, found = candidates.names, outcome.found
    unknown = np.asarray(found.unknown)
    change = float(found.change)
    if np.abs(np.asarray(found.excess)).max() <= CLEARED and change > tolerance:
        return (
            f"The household problem did not converge: consumption still moved by {change:.3g} (tolerance {tolerance:g}) "
            f"at {words(names.searched, unknown)}; rounding allows no less: give tolerance={10 * change:.1g} or more."
        )
    left = ", ".join(f"{value:.3g}" for value in np.asarray(found.excess))
    return f"No equilibrium was found; the search ended at {words(names.searched, unknown)} with excess {left}."


def public_at(candidates: Candidates, unknown: np.ndarray) -> Public:
    """Everything aggregate at a candidate."""
    return given(candidates.economy, candidates.names, jnp.asarray(unknown))
