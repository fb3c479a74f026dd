"""Evaluate the equations of a declared model on a small grid, in the order of a period, without solving anything.

All households hold the same assets; these take many values, and so do the aggregates. An error raised in the user's
file is re-raised as one sentence that gives file, line and method.
"""

import weakref
from collections.abc import Iterable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.dependence import names_read
from hank_mfg.environment.expectations import profit_slopes
from hank_mfg.environment.grids import assets_at
from hank_mfg.environment.life import ESTATES, OwnStates, long_run, own_states
from hank_mfg.environment.markov import (
    combine,
    stationary_distribution,
    to_chain,
)
from hank_mfg.model.assets import Assets
from hank_mfg.model.base import Model, named
from hank_mfg.model.bracket import Bracket
from hank_mfg.model.concrete import is_number
from hank_mfg.model.labor import GHH, Separable
from hank_mfg.model.named import Named
from hank_mfg.model.spelling import explain
from hank_mfg.model.today import not_known, today, with_expected
from hank_mfg.precision import in_jax

ASSET_POINTS = 32

Results = dict[str, dict[str, Any]]


class Case(NamedTuple):
    """The points at which equations are evaluated: assets (assets, 1), own values (1, income), shares (income,), shocks
    (shocks,); where lives end, who is a newborn, (1, income), one or zero, what newborns hold, and whether anybody
    dies before the last age, and leaves something. Of two assets points are those of the first; of the second everybody
    holds the same share of its space, of `ends` by name, in the order declared, which JAX does not keep in a dict."""

    points: Any
    own: dict[str, Any]
    share: Any
    shocks: dict[str, Any]
    newborn: Any = None
    newborn_assets: Any = 0.0
    leaves: bool = True
    ends: Named | None = None

    def assets(self, assets: Any) -> Any:
        """What equations are given of households with `assets`, of two assets each by name."""
        if self.ends is None:
            return assets
        (low, high), *_ = self.ends.values()
        share = (assets - low) / (high - low)
        return Named("assets", {name: end[0] + share * (end[1] - end[0]) for name, end in self.ends.items()})

    def total(self, assets: Any) -> Any:
        """What households with `assets` hold of all of them."""
        return assets if self.ends is None else sum(self.assets(assets).values())

    def savings(self, assets: Any) -> dict[str, Any]:
        """What households choose who save `assets`, by name."""
        if self.ends is None:
            return {"savings": assets}
        return {f"{name}_savings": value for name, value in self.assets(assets).items()}

    def held(self, assets: Any) -> Any:
        """What households hold who saved `assets`, or were born."""
        return assets if self.newborn is None else assets + self.newborn * (self.newborn_assets - assets)

    def saved(self, assets: Any) -> Any:
        """What everybody saved where nobody at the last age leaves anything, `assets` otherwise."""
        return assets if self.newborn is None or self.leaves else assets * (1.0 - self.newborn)

    def estates(self, assets: Any) -> dict[str, Any]:
        """What the dead leave where everybody saved `assets`, a number, by name."""
        share = 0.0 if self.newborn is None or not self.leaves else (self.share * self.newborn[0]).sum()
        return {} if self.newborn is None else {ESTATES: share * assets}

    def state(self, index: int) -> dict[str, Any]:
        """The aggregate shocks in state `index`."""
        return {name: values[index] for name, values in self.shocks.items()}

    @property
    def states(self) -> range:
        """The aggregate states to evaluate: all, or about sixteen of many."""
        count = len(next(iter(self.shocks.values()))) if self.shocks else 1
        return range(0, count, max(1, count // 16))


def ask(model: Model, method: str, *arguments) -> Any:
    """Call a method of the model. Raises ValueError that says where in the user's file it failed."""
    return attempt(model, method, getattr(model, method), *arguments)


def attempt(model: Model, method: str, function, *arguments) -> Any:
    """Call `function` on behalf of a method of the model, with errors located as in `ask`."""
    try:
        return function(*arguments)
    except (Exception, SystemExit) as error:
        if getattr(error, "missing_from", None) == "today":
            error.args = (not_known(model, method, vars(error)["missing_name"]) or error.args[0],)
        message = explain(error, model=type(model))
        place = "" if ", line " in message else f"{type(model).__name__}.{method}(): "
        raise ValueError(place + message) from error


def declarations(model: Model) -> dict[str, Any]:
    """Declarations of the model, by method."""
    methods = ("aggregate_shocks", "idiosyncratic_shock", "ages", "asset_space", "preferences")
    return {method: ask(model, method) for method in methods}


def make_case(model: Model) -> Case:
    """Asset points and shock values at which to evaluate, from the declarations. Raises ValueError for a wrong one."""
    declared, name = declarations(model), type(model).__name__
    space, pair = _spaces(declared["asset_space"], name)
    chain = attempt(model, "aggregate_shocks", combine, declared["aggregate_shocks"])
    attempt(model, "idiosyncratic_shock", to_chain, declared["idiosyncratic_shock"])
    attempt(model, "aggregate_shocks", stationary_distribution, chain.transition)
    states = attempt(model, "idiosyncratic_shock", own_states, model, chain.transition)
    share = attempt(model, "idiosyncratic_shock", long_run, chain.transition, states)
    ends, pivot = (float(space.lower), float(space.upper)), None if space.pivot is None else float(space.pivot)
    points = assets_at(np.linspace(0.0, 1.0, ASSET_POINTS), ends, float(space.curvature), pivot, np)
    return Case(
        points[:, None],
        {key: np.asarray(values, float)[None, :] for key, values in states.values.items()},
        share.sum(axis=0),
        {key: np.asarray(values, float) for key, values in chain.values.items()},
        **_newborns(states),
        ends=Named("ends", {key: (float(each.lower), float(each.upper)) for key, each in pair.items()})
        if pair
        else None,
    )


def _spaces(declared: Any, name: str) -> tuple[Assets, dict[str, Assets]]:
    """The space of the first asset, and where there are two both by name. Raises ValueError for anything else."""
    if isinstance(declared, Assets):
        return declared, {}
    if isinstance(declared, dict) and all(isinstance(each, Assets) for each in declared.values()):
        if len(declared) == 2:
            return next(iter(declared.values())), declared
        raise ValueError(
            f"{name}.asset_space() names {len(declared)} assets ({', '.join(declared) or 'none'}): return one "
            "hm.Assets(...), or a dict of two, the liquid one first; add up those that are alike."
        )
    raise ValueError(
        f"{name}.asset_space() returned {type(declared).__name__}: return one hm.Assets(lower=..., upper=...), or a "
        "dict of two by name, the liquid one first."
    )


def _newborns(states: OwnStates) -> dict[str, Any]:
    """Who is a newborn, and what newborns hold, where lives end."""
    if states.life is None:
        return {}
    age = np.asarray(states.values["age"], float)
    held = float(np.asarray(states.life.newborn_assets))
    return {"newborn": (age == age[0]).astype(float)[None], "newborn_assets": held, "leaves": states.life.leaves}


def equations(
    model: Model, case: Case, shocks: dict[str, Any], level: Any, place: Any = 0.5, expected: dict | None = None
) -> Results:
    """Every equation when all households hold assets `level`: results by method and name. Prices that clear inside the
    period are at `place`, between 0 and 1, of their brackets; what is `expected` is, unless given, as if tomorrow were
    like today.

    Works on NumPy arrays, JAX arrays and tracers. Raises ValueError for a method that fails and for a result that is
    not a number of the right shape.
    """
    shape = (np.shape(case.points)[0], np.shape(case.share)[0])
    zero = 0.0 * case.points * case.share[None, :]
    own, now = Named("own", case.own), today(shocks)
    each = _ask_names(model, "aggregates", shape, case.assets(case.saved(level + 0.0 * case.points)), own, now)
    summed = {name: (case.share * (value + zero)[0]).sum() for name, value in each.items()}
    state_variables = _ask_names(model, "state_variables", ())
    total = {**summed, **case.estates(level), **state_variables}
    candidates = {name: end.lower + place * (end.upper - end.lower) for name, end in _brackets(model).items()}
    before = today(now, total, candidates)
    prices = {**candidates, **_ask_names(model, "prices", (), before)}
    known, given = today(now, total, prices), today(now, prices)
    outcomes = _ask_names(model, "outcomes", (), known)
    signal = _ask_names(model, "signal", (), known)
    held = case.assets(case.held(case.points))
    cash = _fits(model, "resources", "the result", ask(model, "resources", held, own, given), shape)
    patience = _fits(model, "discounting", "the result", ask(model, "discounting", own, now), shape)
    price = _asset_price(model, given)
    most = _most(model, cash - _least_spent(model, case, price, given) + zero, own, given)
    everything = today(known, outcomes)
    ahead = _ask_names(model, "expectations", (), everything, everything)
    asked = with_expected(everything, ahead if expected is None else expected)
    choices = Named("choices", {**dict.fromkeys(model.chosen(), 1.0 + zero[0, 0]), **case.savings(level)})
    _ask_sums(model, case, shape, given)
    excess = ask(model, "goods_market", everything, choices, Named("tomorrow", total))
    market = {} if excess is None else {"excess": _fits(model, "goods_market", "the result", excess, ())}
    return {
        "aggregates": summed,
        "state_variables": state_variables,
        "prices": prices,
        "outcomes": outcomes,
        "signal": signal,
        "discounting": {"discount_factor": patience + zero},
        "resources": {"cash on hand": cash + zero},
        "asset_price": {"the price of assets": price + zero[0, 0], **_price_at_ends(model, now, before)},
        "most": {"consumption": most},
        "goods_market": market,
        "excess_demand": _markets(model, candidates, _ask_names(model, "excess_demand", (), asked, choices)),
        "expectations": ahead,
        "profit": _pricing(model, everything),
        "next_state": _carries(model, state_variables, _ask_names(model, "next_state", (), everything)),
    }


def _asset_price(model: Model, given: Named) -> Any:
    """The price of a unit of next assets: a number, the same for all households."""
    return _fits(model, "asset_price", "the result", ask(model, "asset_price", given), ())


def _price_at_ends(model: Model, now: Named, before: Named) -> dict[str, Any]:
    """The asset's price with every clearing price at the lower end of its bracket, and at the upper end."""
    found = {}
    for end in ("lower", "upper") if model.sells_at_price() and _brackets(model) else ():
        ends = {name: getattr(each, end) for name, each in _brackets(model).items()}
        prices = _ask_names(model, "prices", (), today(before, ends))
        at = ", ".join(f"{name} at the {end} end of its bracket" for name in ends)
        found[f"the price of assets, {at}"] = _asset_price(model, today(now, ends, prices))
    return found


def _ask_sums(model: Model, case: Case, shape: tuple, given: Named) -> None:
    """Ask what else is summed of choices. Raises ValueError for what is not a number a household."""
    ones = {name: 1.0 + 0.0 * case.points for name in model.chosen() if name not in model.names_of_sums()}
    _ask_names(model, "choice_sums", shape, Named("choices", ones), Named("own", case.own), given)


def _least_spent(model: Model, case: Case, price: Any, given: Named) -> Any:
    """The least that next assets can cost: (assets, 1), or a number."""
    if case.ends is None:
        return price * case.points[0, 0]
    held = {name: each[None] for name, each in case.assets(case.points).items()}
    (first, second), (low, _) = held, next(iter(case.ends.values()))
    choices = {first: low + 0.0 * held[first], second: case.assets(case.points)[second][:, None]}
    cost = ask(model, "adjustment_cost", Named("assets_next", choices), Named("assets", held), given)
    shape = (len(case.points), len(case.points), 1)
    spent = choices[first] + choices[second] + _fits(model, "adjustment_cost", "the result", cost, shape)
    return spent.min(axis=0)


def _most(model: Model, room: Any, own: Named, given: Named) -> Any:
    """Consumption with savings at the borrowing limit, `room` goods of cash on hand above it."""
    if "hours" not in model.chosen():
        if isinstance(model.preferences(), Separable | GHH):
            raise ValueError(
                f"{type(model).__name__}.preferences() value hours but nothing says what an hour earns: declare "
                "hourly_wage(own, today), and leave earnings out of resources()."
            )
        return room
    wage = _fits(model, "hourly_wage", "the result", ask(model, "hourly_wage", own, given), np.shape(room))
    preferences = model.preferences()
    if not isinstance(preferences, Separable | GHH):
        raise ValueError(
            f"{type(model).__name__}.hourly_wage() says what an hour earns but preferences() returned "
            f"{type(preferences).__name__}: return hm.Separable(...) or hm.GHH(...), which value hours."
        )
    return preferences.consumed(room, wage)


def _brackets(model: Model) -> dict[str, Bracket]:
    """The brackets of prices that clear inside the period. Raises ValueError for anything else."""
    brackets = named("clearing_prices", ask(model, "clearing_prices"), "clearing_prices")
    for name, each in brackets.items():
        if not isinstance(each, Bracket):
            raise ValueError(
                f"{type(model).__name__}.clearing_prices(): {name} is {each!r}: give hm.Bracket(lower, upper), between "
                "which it clears its market."
            )
    return dict(brackets)


def _markets(model: Model, candidates: dict, excess: dict) -> dict:
    """The market equations: as many as clearing prices, with the condition of firms. Raises ValueError otherwise."""
    sets_prices = model.sets_prices()
    if len(candidates) != len(excess) + sets_prices:
        more = " and profit() gives one more equation" if sets_prices else ""
        raise ValueError(
            f"{type(model).__name__}.clearing_prices() names {', '.join(candidates) or 'nothing'} but "
            "excess_demand() names "
            f"{', '.join(excess) or 'nothing'}{more}: give one {'equation' if sets_prices else 'market'} per unknown."
        )
    return excess


def expectations_read(model: Model, case: Case, level: float, names: Iterable[str]) -> set[str]:
    """The expectations, of `names`, on which an equation of excess_demand() depends."""
    expected = dict.fromkeys(names, np.asarray(1.0))

    def markets(expected: dict) -> list[Any]:
        return list(equations(model, case, case.state(0), level, expected=expected)["excess_demand"].values())

    return names_read(markets, expected) if expected else set()


def _pricing(model: Model, now: Named) -> dict[str, Any]:
    """Profit, its discount factor, and its cross derivative in price and price before, which must be positive."""
    if not model.sets_prices():
        return {}
    discounting = _fits(model, "profit_discounting", "the result", ask(model, "profit_discounting", now, now), ())
    profit = _fits(model, "profit", "the result", ask(model, "profit", 1.0, 1.0, now), ())
    _, _, cross = attempt(model, "profit", profit_slopes, model, now, jnp.float64)
    return {"profit": profit, "profit_discounting": discounting, "cost of changing a price": cross}


def _carries(model: Model, state_variables: dict, following: dict) -> dict:
    """The next value of everything state_variables, and of nothing else. Raises ValueError otherwise."""
    if set(state_variables) != set(following):
        raise ValueError(
            f"{type(model).__name__}.state_variables() names {', '.join(state_variables) or 'nothing'} but "
            "next_state() returns "
            f"{', '.join(following) or 'nothing'}: give the first and the next value of the same quantities."
        )
    return following


def trace(model: Model, case: Case) -> Results:
    """Trace the equations as JAX will: mistakes of code, shapes and names show without a single number."""
    records: list[Results] = []

    def follow(model, case, shocks, level):
        records.append(equations(model, case, shocks, level))
        return records[-1]

    given = (model, case, case.state(0), 1.0)
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), jnp.float64) if is_number(x) else x, given)
    eqx.filter_eval_shape(follow, *abstract)
    return records[-1]


def evaluate(model: Model, case: Case, state: int, level: float, place: float = 0.5) -> Results:
    """The equations as numbers, in NumPy where they allow it (nothing is compiled then), otherwise compiled by JAX."""
    numbers = in_numpy(model)
    if type(model) not in _USES_JAX:
        try:
            found = equations(numbers, case, case.state(state), level, place)
        except ValueError:
            found = None
        if found is not None and not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(found)):
            return found
        _USES_JAX.add(type(model))
    given = in_numpy((numbers, case, case.state(state), level, place))
    try:
        found = _equations(*given)
    except ValueError:
        found = equations(*numbers_in_jax(given))  # one operation at a time, where an equation branches on a value
    return jax.tree.map(np.asarray, found)


def in_numpy(tree: Any) -> Any:
    """Every number of a model or a case as a NumPy array, float64."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64) if is_number(leaf) else leaf, tree)


def numbers_in_jax(tree: Any) -> Any:
    """Every number of a model or a case as a JAX array."""
    return jax.tree.map(lambda leaf: in_jax(leaf) if is_number(leaf) else leaf, tree)


def as_evaluated(model: Model, case: Case) -> tuple[Model, Case]:
    """A model and a case in the kind of arrays in which `evaluate` found that the equations work."""
    given = (in_numpy(model), case)
    return numbers_in_jax(given) if type(model) in _USES_JAX else given


_USES_JAX: weakref.WeakSet[type[Model]] = weakref.WeakSet()
_equations = eqx.filter_jit(equations)


def _ask_names(model: Model, method: str, shape: tuple, *arguments) -> dict[str, Any]:
    try:
        values = named(method, ask(model, method, *arguments), method)
    except TypeError as error:
        raise ValueError(f"{type(model).__name__}.{error}") from error
    return {name: _fits(model, method, name, value, shape) for name, value in values.items()}


def _fits(model: Model, method: str, name: str, value, shape: tuple):
    """The value, a number or an array that broadcasts to `shape`. Raises ValueError otherwise."""
    place = f"{type(model).__name__}.{method}(): {name}"
    if not isinstance(value, int | float | np.generic | np.ndarray | jax.Array):
        cure = "return numbers or arrays"
        if isinstance(value, Named):
            cure = f"with two assets name one or add them up, {' + '.join(f'assets.{each}' for each in value)}"
        raise ValueError(f"{place} is of type {type(value).__name__}, not a number: {cure}.")
    if np.iscomplexobj(value):
        raise ValueError(f"{place} is a complex number: return real ones, of a complex one jax.numpy.real or abs.")
    if not shape and np.shape(value):
        raise ValueError(
            f"{place} has shape {np.shape(value)} instead of being one number: it is common to all, so "
            "compute it from aggregates and shocks."
        )
    try:
        broadcasts = not shape or np.broadcast_shapes(np.shape(value), shape) == shape
    except ValueError:
        broadcasts = False
    if not broadcasts:
        raise ValueError(
            f"{place} has shape {np.shape(value)}, which does not broadcast to (assets, income) = {shape}: combine "
            "assets, of shape (assets, 1), and own states, of shape (1, income), by elementwise formulas."
        )
    return value
