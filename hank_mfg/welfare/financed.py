"""A parameter of policy that balances the government's budget in every period, as one more price that clears."""

import types
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from hank_mfg.model.base import Model
from hank_mfg.model.bracket import Bracket
from hank_mfg.model.concrete import concrete
from hank_mfg.welfare.comparable import require_policy

WIDTH = 0.5  # of the bracket around the parameter's value, to each side, where none is given
BALANCED = (
    "prices", "resources", "signal", "outcomes", "goods_market", "hourly_wage", "asset_price", "adjustment_cost",
    "choice_sums", "excess_demand", "next_state", "expectations", "profit", "profit_discounting",
)  # fmt: skip
AT = {"goods_market": 1, "excess_demand": 1, "expectations": 1, "profit_discounting": 1}  # where `today` is not last


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
