"""Try every equation of a declared model once, before anything is solved.

The equations are first traced, as JAX will, then evaluated in float64 on a small grid. Prices, feasibility and the rest
are judged with the mass at the asset level where a patient household would stand still, beta (1 + r) = 1, which lies
just beyond any stationary equilibrium.
"""

from typing import NoReturn

import jax
import numpy as np

from hank_mfg.environment.trial import (
    ASSET_POINTS,
    Case,
    Results,
    attempt,
    declarations,
    evaluate,
    make_case,
    trace,
)
from hank_mfg.model.base import Model
from hank_mfg.model.preferences import CRRA


def check_model(model: Model) -> None:
    """Raise ValueError, one sentence that names the place and the cure, unless every equation of `model` works.

    Reported are: a method that raises (file, line, cause), a result of the wrong kind or shape, a name declared twice,
    an empty public signal, a price or resource that is not finite, preferences whose marginal utility is not the
    derivative of utility, a household that cannot repay down to the borrowing limit, and a parameter that nothing
    reads. Takes a fraction of a second. A model that passes can still have no equilibrium.
    """
    with jax.enable_x64(True), np.errstate(all="ignore"):
        case = make_case(model)
        _check_preferences(model)
        _check_names(type(model).__name__, case, trace(model, case))
        level = _check_numbers(model, case)
        _check_read(model, case, level)


def _check_names(name: str, case: Case, result: Results) -> None:
    """Something is summed, something is seen, and no name is used twice."""
    if not result["aggregates"]:
        raise ValueError(
            f"{name}.aggregates() names nothing: return what is summed over households, {{'capital': assets}}."
        )
    if not result["signal"]:
        raise ValueError(
            f"{name}.signal() names nothing: households must see at least one public signal, usually the prices."
        )
    groups = {
        "aggregate_shocks": case.shocks,
        **{method: result[method] for method in ("aggregates", "prices", "outcomes")},
    }
    seen = {}
    for method, group in groups.items():
        for each in group:
            if each in seen:
                raise ValueError(
                    f"{name} declares '{each}' in {seen[each]}() and in {method}(): give each quantity its own name."
                )
            seen[each] = method


def _check_preferences(model: Model) -> None:
    """Marginal utility is the slope of utility and its inverse undoes it (for preferences of the user's own)."""
    preferences = model.preferences()
    if type(preferences) is CRRA:
        return
    name = type(preferences).__name__
    for formula in ("utility", "marginal_utility", "inverse_marginal_utility"):
        if not callable(getattr(preferences, formula, None)):
            raise ValueError(
                f"{type(model).__name__}.preferences() returned {name} without {formula}(): return hm.CRRA(...), or a "
                "module with utility, marginal_utility and inverse_marginal_utility of consumption."
            )
    consumption, small = np.array([0.5, 1.0, 2.0]), 1e-5

    def formulas():
        rise = preferences.utility(consumption + small) - preferences.utility(consumption - small)
        marginal = preferences.marginal_utility(consumption)
        return rise / (2 * small), marginal, preferences.inverse_marginal_utility(marginal)

    slope, marginal, back = attempt(model, "preferences", formulas)
    if not np.allclose(marginal, slope, rtol=1e-4):
        raise ValueError(
            f"{name}: at consumption {consumption} marginal_utility is {marginal} but utility rises by {slope}: make "
            "marginal_utility the derivative of utility."
        )
    if not np.allclose(back, consumption, rtol=1e-6):
        raise ValueError(
            f"{name}: inverse_marginal_utility of marginal_utility gives {back} at consumption {consumption}: make the "
            "one the inverse of the other."
        )


def _check_numbers(model: Model, case: Case) -> int:
    """Finite, and payable at the borrowing limit; returns the asset point at which the economy was judged."""
    levels: dict[int, list[Results]] = {}
    for level in range(1, ASSET_POINTS):
        periods = [evaluate(model, case, state, level) for state in case.states]
        if not any(_not_finite(period) for period in periods):
            levels[level] = periods
    if not levels:
        _report_not_finite(model, case)
    patient = [level for level, periods in levels.items() if _patience(model, case, periods) <= 1.0]
    first = patient[0] if patient else max(levels)
    if all(_shortfall(case, levels[level]) for level in levels if first <= level <= first + 2):
        _report_shortfall(model, case, levels[first])
    return first


def _patience(model: Model, case: Case, periods: list[Results]) -> float:
    """beta times the highest return on assets among households, mean over aggregate states."""
    cash = np.mean([np.asarray(period["resources"]["cash on hand"][:2]) for period in periods], axis=0)
    gross = (cash[1] - cash[0]) / (case.points[1] - case.points[0])
    return float(np.max(np.asarray(model.discount_factor)) * np.max(gross))


def _not_finite(period: Results) -> tuple[str, str, np.ndarray] | None:
    """Method, name and value of the first result that is not finite."""
    for method, group in period.items():
        for name, value in group.items():
            if not np.all(np.isfinite(value)):
                return method, name, np.asarray(value)
    return None


def _report_not_finite(model: Model, case: Case) -> NoReturn:
    state = next(s for s in case.states if _not_finite(evaluate(model, case, s, ASSET_POINTS // 2)))
    period = evaluate(model, case, state, ASSET_POINTS // 2)
    found = _not_finite(period)
    assert found is not None
    method, name, value = found
    at = {**(period["aggregates"] if method != "aggregates" else {}), **case.state(state)}
    if value.ndim:
        asset, income = np.argwhere(~np.isfinite(value))[0]
        at = {"assets": case.points[asset, 0], **_own(case, income), **period["prices"]}
        value = value[asset, income]
    raise ValueError(
        f"{type(model).__name__}.{method}(): {name} is {float(value)} at {_words(at) or 'the given parameters'}: check "
        "its formula and the parameters in it."
    )


def _shortfall(case: Case, periods: list[Results]) -> tuple[int, int, int] | None:
    """Aggregate state, asset point and income state of a household that cannot repay; None where everybody can."""
    for number, period in enumerate(periods):
        cash = np.asarray(period["resources"]["cash on hand"])
        if np.any(cash <= case.points[0, 0]):
            asset, income = np.unravel_index(int(np.argmin(cash)), cash.shape)
            return number, int(asset), int(income)
    return None


def _report_shortfall(model: Model, case: Case, periods: list[Results]) -> NoReturn:
    place = _shortfall(case, periods)
    assert place is not None
    number, asset, income = place
    cash = float(periods[number]["resources"]["cash on hand"][asset, income])
    household = _words({"assets": case.points[asset, 0], **_own(case, income)})
    raise ValueError(
        f"{type(model).__name__}.resources(): a household with {household} has {cash:.6g}, too little to repay down to "
        f"the borrowing limit {case.points[0, 0]:.6g}, at {_words(periods[number]['prices'])}: tighten the borrowing "
        "limit or raise the lowest income."
    )


def _own(case: Case, income) -> dict:
    return {name: values[0, income] for name, values in case.own.items()}


def _words(values: dict) -> str:
    return ", ".join(f"{name} = {float(value):.6g}" for name, value in values.items())


def _check_read(model: Model, case: Case, level: int) -> None:
    """Every parameter changes something: here, or once all others have been moved a little."""
    names = list(model.parameters())
    unread = [name for name in names if not _matters(model, {}, name, case, level)]
    if unread:
        moves = {name: _nudge(model, name) for name in names if np.ndim(getattr(model, name)) == 0}
        moves = {name: value for name, value in moves.items() if value is not None}
        unread = [name for name in unread if not _matters(model, moves, name, case, level)]
    if unread:
        raise ValueError(
            f"{type(model).__name__} declares {', '.join(unread)} but no equation reads it: changing it moves no "
            "shock, asset limit, utility, price, resource, signal or outcome; use it or delete it."
        )


def _matters(model: Model, moves: dict, name: str, case: Case, level: int) -> bool:
    """Whether `name` changes anything, starting from the given parameters with the `moves` of others."""
    nudge = _nudge(model, name)
    if nudge is None:
        return True
    try:
        before = model.with_parameters(**{other: value for other, value in moves.items() if other != name})
        before = _everything(before, case, level)
        after = _everything(model.with_parameters(**{**moves, name: nudge}), case, level)
    except ValueError:  # a value that the equations refuse is a value that they read
        return True
    return before[0] != after[0] or not all(
        np.array_equal(one, other, equal_nan=True) for one, other in zip(before[1], after[1], strict=True)
    )


def _everything(model: Model, case: Case, level: int) -> tuple:
    """Whatever a parameter can move: declarations, the discount factor, and the equations in every state tried."""
    periods = [evaluate(model, case, state, level) for state in case.states]
    leaves, structure = jax.tree.flatten((declarations(model), model.discount_factor, periods))
    return structure, [np.asarray(leaf) for leaf in leaves]


def _nudge(model: Model, name: str):
    """A nearby value of a parameter that its bounds allow; None where there is none."""
    value = getattr(model, name)
    if isinstance(value, int):
        candidates = [value + 1, value - 1]
    else:
        numbers = np.asarray(value, np.float64)
        moved = (numbers * 1.001, numbers * 0.999, numbers + 1e-3, numbers - 1e-3)
        candidates = [each if numbers.ndim else float(each) for each in moved]
    for candidate in candidates:
        if np.array_equal(candidate, value):
            continue
        try:
            model.with_parameters(**{name: candidate})
        except ValueError:
            continue
        return candidate
    return None
