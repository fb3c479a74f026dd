"""A parameter of policy that balances the government's budget in every period, as one more price that clears."""

import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np

from hank_mfg.environment.quantities import names_of
from hank_mfg.errors import HankError, warn_user
from hank_mfg.model.base import Model
from hank_mfg.model.bracket import Bracket
from hank_mfg.model.concrete import concrete
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.stationary.steady_state import SteadyState, steady_state
from hank_mfg.welfare.comparable import require_policy

UNBALANCED = 0.01  # of consumption: a budget before the reform that is taken for a mistake
AGREES = 1e-6  # relative: aggregates of the equilibrium after the reform, solved twice
WIDTH = 0.5  # of the bracket around the parameter's value, to each side, where none is given
BALANCED = (
    "prices", "resources", "signal", "outcomes", "goods_market", "hourly_wage", "asset_price", "adjustment_cost",
    "choice_sums", "excess_demand", "next_state", "expectations", "profit", "profit_discounting",
)  # fmt: skip
AT = {"goods_market": 1, "excess_demand": 1, "expectations": 1, "profit_discounting": 1}  # where `today` is not last


class ReformError(HankError, RuntimeError):
    """A reform whose equilibrium or path was not found."""


def financed(model: Model, name: str, budget: str, level: float, ends: tuple[float, float] | None) -> Model:
    """The model in which parameter `name` is a price that clears: the outcome `budget` equals `level` in every period.

    Equations read the parameter as before, and find in it the value of the period. `ends` are those of the bracket.
    Raises ValueError for a name that is no parameter of one number, and for one that moves more than prices.
    """
    value = _number(model, name)
    require_policy("finance names", model, name, _nearby(model, name, value))
    kind = type(model)

    def clearing_prices(self):
        lower, upper = _around(model, name, value) if ends is None else ends
        return {
            **kind.clearing_prices(self),
            name: Bracket(lower, upper, guess=value if lower < value < upper else None),
        }

    def excess_demand(self, today, choices):
        markets = kind.excess_demand(at(self, today), today, choices)
        return {**markets, budget: (getattr(today, budget) - level) / (1.0 + abs(level))}

    def at(self, today):
        return eqx.tree_at(lambda each: getattr(each, name), self, getattr(today, name))

    def balanced(equation: Callable, place: int) -> Callable:
        def at_the_value_of_the_period(*arguments):
            return equation(at(arguments[0], arguments[place]), *arguments[1:])

        return at_the_value_of_the_period

    own = {
        each: balanced(getattr(kind, each), AT.get(each, -1))
        for each in BALANCED
        if getattr(kind, each) is not getattr(Model, each)
    }
    equations = {
        **own,
        "clearing_prices": clearing_prices,
        "excess_demand": excess_demand,
        "__module__": kind.__module__,
    }
    balanced_kind: Any = types.new_class(kind.__name__, (kind,), exec_body=lambda body: body.update(equations))
    return balanced_kind(**{each: getattr(model, each) for each in _fields(model)})


def _around(model: Model, name: str, value: float) -> tuple[float, float]:
    """The ends of a bracket around a parameter's value, within what the model declares of it."""
    bounds = type(model).__dataclass_fields__[name].metadata["bounds"]
    lower = max([value - WIDTH, *(float(bounds[each]) for each in ("above", "at_least") if each in bounds)])
    upper = min([value + WIDTH, *(float(bounds[each]) for each in ("below", "at_most") if each in bounds)])
    return lower, upper


def _nearby(model: Model, name: str, value: float) -> float:
    """Another value of a parameter that the model allows."""
    lower, upper = _around(model, name, value)
    step = 1e-3 * (upper - lower)
    return value + step if value + step < upper else value - step


def _fields(model: Model) -> list[str]:
    return [name for name, field in type(model).__dataclass_fields__.items() if field.init]


def _number(model: Model, name: str) -> float:
    known = model.parameters()
    if name not in known:
        numbers = ", ".join(known)
        raise ValueError(
            f"finance={name!r}: {type(model).__name__} has no such parameter; its parameters are {numbers}."
        )
    value = concrete(known[name])
    if value is None or np.ndim(value):
        raise ValueError(f"finance={name!r} is a list: name a parameter that is one number.")
    return float(value)


def warn_of_budget(old: SteadyState, budget: str) -> None:
    """Warn where the budget that a reform keeps is far from zero."""
    level, consumption = float(old.outcomes[budget]), float(np.sum(old.mass * old.consumption))
    if abs(level) > UNBALANCED * abs(consumption):
        warn_user(
            f"{budget} is {level:.4g} before the reform, {100 * abs(level / consumption):.2g} percent of consumption, "
            "and is kept there: outcomes() leaves something out, or calibrate first, hm.calibrate(model, free=..., "
            f"targets={{{budget!r}: 0.0}})."
        )


def read_finance(finance: Any, paths: Mapping[str, np.ndarray]) -> tuple[str | None, tuple[float, float] | None]:
    """The name of the parameter that balances the budget, and the ends of its bracket."""
    if finance is None:
        return None, None
    given = {finance: None} if isinstance(finance, str) else dict(finance)
    if len(given) != 1:
        raise ValueError(f"finance={finance!r}: name one parameter, one budget determines one.")
    ((name, ends),) = given.items()
    if ends is not None and np.shape(ends) != (2,):
        raise ValueError(f"finance={{{name!r}: {ends}}}: give the two ends between which it is searched, (0.1, 0.6).")
    if name in paths:
        raise ValueError(
            f"{name} is both changed and solved for: leave it out of what changes, or name another in finance."
        )
    return name, ends


def financed_equilibrium(
    after: Model, old: SteadyState, points: Any, name: str | None, budget: str, ends: tuple[float, float] | None
) -> SteadyState:
    """The stationary equilibrium after the reform, of the model in which `name` balances the budget where it is not
    None."""
    if name is None:
        return steady_state(after, asset_points=points, guess=old)
    balanced = balanced_as(after, old, name, budget, ends)
    guess = {each: old.outcomes[each] for each in names_of(old.economy).searched} | {
        name: float(after.parameters()[name])
    }
    return steady_state(balanced, asset_points=points, guess=guess)


def balanced_as(model: Model, old: SteadyState, name: str, budget: str, ends: tuple[float, float] | None) -> Model:
    """The model in which `name` keeps the budget where it is in an equilibrium `old`. Raises ValueError for an outcome
    that there is not; warns where it is far from zero."""
    if budget not in old.outcomes:
        raise ValueError(
            f"finance={name!r} keeps the outcome {budget!r}, and {type(model).__name__}.outcomes() has none of this "
            "name: return revenue less spending there, or say budget= how it is called."
        )
    warn_of_budget(old, budget)
    return financed(model, name, budget, float(old.outcomes[budget]), ends)


def own_equilibrium(after: Model, new: SteadyState, name: str, points: Any) -> SteadyState:
    """The equilibrium `new` in which parameter `name` clears, in the words of the model itself.

    It is solved again with the parameter as it was found, which must give the same one, else ReformError."""
    value = float(new.prices[name])
    own = after.with_parameters(**{name: value})
    guess = {each: new.outcomes[each] for each in names_of(new.economy).searched if each != name}
    again = steady_state(own, asset_points=points, guess=guess)
    for each in guess:
        if abs(again.outcomes[each] - new.outcomes[each]) > AGREES * (1.0 + abs(new.outcomes[each])):
            raise ReformError(
                f"With {name} = {value:.6g} the economy has another equilibrium, {each} {again.outcomes[each]:.6g} "
                f"instead of {new.outcomes[each]:.6g}: give other ends, finance={{{name!r}: (low, high)}}."
            )
    return again


def in_the_model(
    after: Model, new: SteadyState, path: Transition, name: str, points: Any
) -> tuple[SteadyState, Transition]:
    """The equilibrium and the path in the words of the model itself, where the parameter follows a path."""
    again = own_equilibrium(after, new, name, points)
    series = {each: values for each, values in path.series.items() if each != name}
    parameters = {**path.parameters, name: path.series[name]}
    return again, dataclasses.replace(path, steady=again, series=series, parameters=parameters)
