"""Try every equation of a declared model once, before anything is solved.

The equations are first traced, as JAX will, then evaluated in float64 on a small grid. Prices, feasibility and the rest
are judged with the mass at the asset level where a patient household would stand still, beta (1 + r) = 1, which lies
just beyond any stationary equilibrium.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import NoReturn

import jax
import numpy as np

from hank_mfg.environment.accounting import Accounts, check_accounts
from hank_mfg.environment.check_assets import check_assets
from hank_mfg.environment.dependence import names_read
from hank_mfg.environment.own_state import check_own_state, check_repeatable
from hank_mfg.environment.probe import (
    ASSET_POINTS,
    Case,
    Results,
    as_evaluated,
    ask,
    attempt,
    declarations,
    equations,
    evaluate,
    expectations_read,
    make_case,
    trace,
)
from hank_mfg.model.base import Model
from hank_mfg.model.concrete import is_number
from hank_mfg.model.labor import GHH, Separable
from hank_mfg.model.preferences import CRRA, require_patience
from hank_mfg.model.shocks import ConditionalChain
from hank_mfg.model.units import declared_kinds
from hank_mfg.wording import in_words

PLACES = np.linspace(0.95, 0.05, 19).tolist()  # in the bracket of a clearing price, high ones first


def check_model(model: Model) -> Accounts:
    """Raise ValueError, one sentence that names the place and the cure, unless every equation of `model` works.

    Reported are: a method that raises (file, line, cause), a result of the wrong kind or shape, a name declared twice,
    an empty public signal, units of a series that is not there, a price or resource that is not finite, preferences
    whose marginal utility is not the derivative of utility, a household that cannot repay down to the borrowing limit,
    an equation that answers differently when it is asked twice or that reads other households' states (own_state.py),
    an accounting identity, goods_market(), that household budgets and cleared markets contradict, a parameter that
    nothing reads, whatever a `choice` says, and an aggregate shock that nothing reads. Takes a fraction of a second. A
    model that passes can still have no equilibrium. Returns whether the identity holds, is undeclared, or could not be
    tried before solving.
    """
    with jax.enable_x64(True), np.errstate(all="ignore"):
        case = make_case(model)
        _check_preferences(model)
        traced = trace(model, case)
        _check_names(model, case, traced)
        check_assets(model, case)
        level = _check_numbers(model, case)
        _check_expectations(model, case, level, tuple(traced["expectations"]))
        _check_firms(type(model).__name__, _periods(model, case, level))
        plain = as_evaluated(model, case)
        check_repeatable(*plain, level)
        check_own_state(*plain, evaluate(model, case, 0, level))
        accounts = _check_accounts(model, case, level)
        _check_read(model, case, level)
        _check_shocks_read(model, case, level)
        return accounts


def _check_firms(name: str, periods: list[Results]) -> None:
    """Changing a price costs something, in every state: that is the unit of what firms miss."""
    for period in periods:
        cost = period["profit"].get("cost of changing a price")
        if cost is not None and not float(cost) > 1e-6:
            raise ValueError(
                f"{name}.profit(): the cost of changing a price, its cross derivative in price and before at one, is "
                f"{float(cost):.3g}: let profit fall with the square of price / before, or set prices in prices()."
            )


def _check_expectations(model: Model, case: Case, level: float, names: tuple[str, ...]) -> None:
    """Every expectation is read by an equation."""
    read = expectations_read(model, case, level, names)
    unread = [name for name in names if name not in read]
    if unread:
        raise ValueError(
            f"{type(model).__name__}.expectations(): no equation of excess_demand() reads {', '.join(unread)}: read "
            f"today.expected.{unread[0]} there, in the equation of a price that clears, or delete it."
        )


def _check_accounts(model: Model, case: Case, level: float) -> Accounts:
    """The model's own accounting identity holds where households hold `level`, and some more."""
    more = 0.1 * max(abs(level), 0.01 * float(case.points[-1, 0] - case.points[0, 0]))
    accounts = check_accounts(model, case, [level, level + more])
    if accounts.problem:
        raise ValueError(accounts.problem)
    return accounts


def _check_asset_price(name: str, periods: list[Results]) -> None:
    """The price of the chosen asset is positive wherever markets may clear."""
    for what, price in ((what, price) for period in periods for what, price in period["asset_price"].items()):
        if not float(price) > 0:
            raise ValueError(
                f"{name}.asset_price(): {what}, is {float(price):.6g}: assets must cost something, so correct its "
                "formula, or narrow the bracket in clearing_prices()."
            )


def _check_names(model: Model, case: Case, result: Results) -> None:
    """Something is summed, something is seen, no name is used twice, and units() names what there is."""
    name = type(model).__name__
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
        **{method: result[method] for method in ("aggregates", "state_variables", "prices", "outcomes")},
    }
    seen = {}
    for method, group in groups.items():
        for each in group:
            if each in seen:
                raise ValueError(
                    f"{name} declares '{each}' in {seen[each]}() and in {method}(): give each quantity its own name."
                )
            seen[each] = method
    if "expected" in seen:
        raise ValueError(
            f"{name}.{seen['expected']}() names a quantity 'expected', under which excess_demand() reads "
            "expectations(): give it another name."
        )
    ask(model, "units")
    declared_kinds(model, (*seen, *model.chosen(), *result["expectations"]))


def _check_hours(model: Model, preferences: Separable | GHH) -> None:
    """With more goods at unchanged hours flow utility rises, from `flow`, by goods times marginal utility."""
    x, wage, small = np.array([0.5, 1.0, 2.0]), 0.8, 1e-5

    def formulas():
        down, same, up = (preferences.scaled_flow(x, wage, factor) for factor in (1 - small, 1.0, 1 + small))
        goods = preferences.goods(x, wage) * preferences.marginal_utility(x)
        return same, preferences.flow(x, wage), (up - down) / (2 * small), goods

    same, flow, slope, goods = (np.asarray(each) for each in attempt(model, "preferences", formulas))
    if not (np.allclose(same, flow, rtol=1e-6) and np.allclose(slope, goods, rtol=1e-4)):
        raise ValueError(
            f"{type(preferences).__name__}: scaled_flow(x, wage, factor), the unit of welfare, is {same} at factor one "
            f"and rises by {slope} with it, but flow(x, wage) is {flow} and goods times marginal utility {goods}: make "
            "scaled_flow the flow utility of factor times the goods at unchanged hours."
        )


def _check_preferences(model: Model) -> None:
    """Marginal utility is the slope of utility and its inverse undoes it (for preferences of the user's own)."""
    preferences = model.preferences()
    if type(preferences) in (CRRA, Separable, GHH):
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
    if isinstance(preferences, Separable | GHH):
        _check_hours(model, preferences)


def _check_numbers(model: Model, case: Case) -> float:
    """Finite, and payable at the borrowing limit; returns the assets per household at which the economy was judged."""

    at = functools.cache(lambda level: _periods(model, case, level))
    levels = [level for level in _candidates(case) if not any(map(_not_finite, at(level)))]
    if not levels:
        _report_not_finite(model, case)
    _check_asset_price(type(model).__name__, at(levels[0]))
    patience = require_patience(model)
    still, halfway = (_level(case, patience, at, levels, target) for target in (1.0, 0.5 * (1.0 + patience)))
    if all(_shortfall(case, at(level)) for level in (still, halfway)):
        _report_shortfall(model, case, at(still))
    if len(model.clearing_prices()) == 1:
        _check_repayment(model, case, patience, still)
    return still


def _check_repayment(model: Model, case: Case, patience: float, level: float) -> None:
    """Raise ValueError where the borrowing limit cannot be repaid at the clearing price at which beta (1 + r) is one,
    nor where it is halfway to beta, as no rate much below clears a market in which all may borrow so much."""

    at = functools.cache(lambda place: _periods(model, case, level, place))
    places = [place for place in PLACES if not any(map(_not_finite, at(place)))]
    if not places:
        return
    found = [_level(case, patience, at, places, target) for target in (1.0, 0.5 * (1.0 + patience))]
    if all(places[-1] < place < places[0] and _shortfall(case, at(place)) for place in found):
        _report_shortfall(model, case, at(found[0]))


def _candidates(case: Case) -> list[float]:
    """Assets per household to try: the points of the grid and, where it begins far below zero and few of them are
    positive, more between."""
    points = [float(point) for point in case.points[1:, 0]]
    top, positive = points[-1], sum(point > 0 for point in points)
    return points if positive > ASSET_POINTS // 4 or top <= 0 else sorted({*points, *np.geomspace(1e-3 * top, top, 16)})


def _periods(model: Model, case: Case, level: float, place: float = 0.5) -> list[Results]:
    """The equations as numbers in every aggregate state that is tried, as `evaluate` gives them."""
    return [evaluate(model, case, state, level, place) for state in case.states]


def _level(
    case: Case,
    patience: float,
    at: Callable[[float], list[Results]],
    levels: list[float],
    target: float,
) -> float:
    """The level at which beta (1 + r) falls to `target`, by bisection to a thousandth of the distance between `levels`,
    which are assets per household or places in a bracket, each judged by the periods `at` it; else the last."""

    first, second = case.total(case.points[:2, 0])
    length = second - first

    def above(level: float) -> bool:
        periods = at(level)
        cash = [np.asarray(period["resources"]["cash on hand"][:2]) for period in periods]
        cost = np.mean([float(period["asset_price"]["the price of assets"]) for period in periods])
        rise = np.mean([two[1] - two[0] for two in cash], axis=0).max() / length / cost
        return bool(patience * rise > target)

    first = next((i for i, level in enumerate(levels) if not above(level)), len(levels) - 1)
    high = levels[first]
    if first > 0:
        low = levels[first - 1]
        for _ in range(10):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if above(middle) else (low, middle)
    return float(high)


def _not_finite(period: Results) -> tuple[str, str, np.ndarray] | None:
    """Method, name and value of the first result that is not finite."""
    for method, group in period.items():
        for name, value in group.items():
            if not np.all(np.isfinite(value)):
                return method, name, np.asarray(value)
    return None


def _report_not_finite(model: Model, case: Case) -> NoReturn:
    periods = _periods(model, case, case.points[ASSET_POINTS // 2, 0])
    state, period, found = next((s, p, f) for s, p in zip(case.states, periods, strict=True) if (f := _not_finite(p)))
    method, name, value = found
    at = {**(period["aggregates"] if method != "aggregates" else {}), **case.state(state)}
    if value.ndim:
        asset, income = np.argwhere(~np.isfinite(value))[0]
        at = {"assets": case.points[asset, 0], **_own(case, income), **period["prices"]}
        value = value[asset, income]
    raise ValueError(
        f"{type(model).__name__}.{method}(): {name} is {float(value)} at {in_words(at) or 'the given parameters'}: "
        "check its formula and the parameters in it."
    )


def _shortfall(case: Case, periods: list[Results]) -> tuple[int, int, int] | None:
    """Aggregate state, asset point and income state of a household that cannot repay; None where all can."""
    for number, period in enumerate(periods):
        most = np.asarray(period["most"]["consumption"])
        if np.any(most <= 0):
            asset, income = np.unravel_index(int(np.argmin(most)), most.shape)
            return number, int(asset), int(income)
    return None


def _report_shortfall(model: Model, case: Case, periods: list[Results]) -> NoReturn:
    place = _shortfall(case, periods)
    assert place is not None
    number, asset, income = place
    cash = float(periods[number]["resources"]["cash on hand"][asset, income])
    household = in_words({"assets": case.points[asset, 0], **_own(case, income)})
    raise ValueError(
        f"{type(model).__name__}.resources(): a household with {household} has {cash:.6g}, too little to repay down to "
        f"the borrowing limit {case.points[0, 0]:.6g}, at {in_words(periods[number]['prices'])}: tighten the borrowing "
        "limit or raise the lowest income."
    )


def _own(case: Case, income) -> dict:
    return {name: values[0, income] for name, values in case.own.items()}


def _check_read(model: Model, case: Case, level: float) -> None:
    """Something is computed from every parameter, or changes with it here, or once all others have been moved."""
    names = list(model.parameters())
    traced = _traced(model, case, level)
    unread = [name for name in names if name not in traced and not _matters(model, {}, name, case, level)]
    if unread:
        moves = {name: _nudge(model, name) for name in names if np.ndim(getattr(model, name)) == 0}
        moves = {name: value for name, value in moves.items() if value is not None}
        unread = [name for name in unread if not _matters(model, moves, name, case, level)]
    for other in _with_other_choices(model) if unread else ():
        read = _traced(other, make_case(other), level)
        unread = [name for name in unread if name not in read]
    if unread:
        raise ValueError(
            f"{type(model).__name__} declares {', '.join(unread)} but no equation reads it at these values: "
            "changing it moves no shock, asset limit, utility, price, resource, signal or outcome; use it or delete it."
        )


def _check_shocks_read(model: Model, case: Case, level: float) -> None:
    """Some equation reads every aggregate shock, unless the idiosyncratic chain moves with the aggregate one."""
    if not model.aggregate_shocks() or isinstance(model.idiosyncratic_shock(), ConditionalChain):
        return

    def everything(shocks: dict) -> list:
        return [leaf for leaf in jax.tree.leaves(equations(model, case, shocks, level)) if is_number(leaf)]

    try:
        read = names_read(everything, {name: np.asarray(value) for name, value in case.state(0).items()})
    except Exception:  # equations that branch on a value, which tell nothing
        return
    unread = [name for name in case.shocks if name not in read]
    if unread:
        raise ValueError(
            f"{type(model).__name__}.aggregate_shocks() declares {unread[0]}, but no equation reads it: write "
            f"today.{unread[0]} where it matters, in prices() for instance, or delete it."
        )


def _with_other_choices(model: Model) -> Iterator[Model]:
    """The same economy with another word or number in one of its choices: some parameters belong to one of them."""
    for field in dataclasses.fields(model):
        for option in field.metadata.get("options", ()):
            if option != getattr(model, field.name):
                yield model.with_parameters(**{field.name: option})


def _traced(model: Model, case: Case, level: float) -> set[str]:
    """Parameters from which something is computed, read off the equations; none where these branch on a value."""

    def everything(values: dict) -> list:
        changed = model.with_parameters(**values)
        found = (declarations(changed), changed.discount_factor, equations(changed, case, case.state(0), level))
        return [leaf for leaf in jax.tree.leaves(found) if is_number(leaf)]

    numbers = {name: np.asarray(value, np.float64) for name, value in model.parameters().items() if not _whole(value)}
    try:
        return names_read(everything, numbers)
    except Exception:  # whatever is wrong was said before, or is said by trying numbers
        return set()


def _whole(value) -> bool:
    """Whether a value is a whole number or several: it may count something, which a traced number cannot."""
    return np.asarray(value).dtype.kind in "iu"


def _matters(model: Model, moves: dict, name: str, case: Case, level: float) -> bool:
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


def _everything(model: Model, case: Case, level: float) -> tuple:
    """Whatever a parameter can move: declarations, the discount factor, and the equations in every state tried."""
    periods = _periods(model, case, level)
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
