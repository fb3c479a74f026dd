"""The namespace `today`, which every equation of a model reads; and equations written for separate groups of names.

It grows in the order of the period:

    aggregates(), discounting()                     shocks
    prices()                                        + state variables, aggregates, clearing prices
    resources(), hourly_wage(), asset_price()       shocks and prices: what a household takes as given
    signal(), outcomes()                            shocks, state variables, aggregates, prices
    expectations(), goods_market(), next_state(), profit()     + outcomes
    excess_demand()                                 + expected, what expectations() returns

A household takes prices and shocks as given, and nothing else, so that it can be solved along any path of prices: a
quantity that resources() needs is handed on by prices().
"""

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import jax

from hank_mfg.model.named import Named

ALMOST = 0.8  # likeness of two names of which one is taken for a misspelling of the other

# The number of arguments before `today` replaced groups of names: all groups are then `today`.
_GROUPS = {
    "prices": ("aggregates, shocks", 0),
    "resources": ("assets, own, prices, shocks", 2),
    "signal": ("aggregates, prices, shocks", 0),
    "outcomes": ("aggregates, prices, shocks", 0),
    "hourly_wage": ("own, prices, shocks", 1),
    "asset_price": ("prices, shocks", 0),
}
_RENAMED = {"carried": "state_variables", "carry": "next_state", "unknowns": "clearing_prices"}
_LATER = ("aggregates", "state_variables", "clearing_prices", "prices", "outcomes")  # what returns quantities


def today(*groups: Mapping[str, Any]) -> Named:
    """One namespace of several groups of named quantities; of a name that is in two the later counts."""
    return Named("today", {name: value for group in groups for name, value in group.items()})


def with_expected(now: Named, expected: Mapping[str, Any]) -> Named:
    """The namespace of excess_demand(): that of a period after outcomes(), and what is `expected`, by name."""
    return today(now, {"expected": Named("expected", expected)})


def read_equations(model: type) -> None:
    """Check the names of what a class of models defines, and take its equations of earlier versions."""
    _check_names(model)
    _take_older_equations(model)


def _check_names(model: type) -> None:
    """Raise TypeError for a field that hides an equation; warn of a method whose name is almost that of an equation,
    which would never be called."""
    inherited = {name for base in model.__mro__[1:] for name, value in vars(base).items() if callable(value)}
    equations = [name for name in inherited if not name.startswith("_")]
    for name, value in list(vars(model).items()):
        method = callable(value) or isinstance(value, staticmethod | classmethod | property)
        if name in equations and not method:
            raise TypeError(
                f"{model.__name__}.{name} hides the equation {name}() of every model: give the field another name."
            )
        if not inspect.isfunction(value) or name.startswith("_") or name in inherited or name in _RENAMED:
            continue
        close = [each for each in get_close_matches(name, equations, 1, ALMOST) if each not in vars(model)]
        if close:
            code = inspect.unwrap(value).__code__
            warnings.warn_explicit(
                f"{model.__name__}.{name}() is no equation of a model and is not called by the library: did you mean "
                f"{close[0]}()? Begin the name of a function of your own with an underscore.",
                UserWarning, code.co_filename, code.co_firstlineno,
            )  # fmt: skip


def _take_older_equations(model: type) -> None:
    """Let a class of models have equations of earlier versions: under other names, or written for separate groups.

    Warns, FutureWarning, at the line of each.
    """
    for old, new in _RENAMED.items():
        if new in vars(model):
            setattr(model, old, vars(model)[new])  # what super() asks for in a class of an earlier version
        elif old in vars(model):
            _warn(vars(model)[old], f"{old}() is now called {new}(): rename it.")
            setattr(model, new, vars(model)[old])
    for equation, function in list(vars(model).items()):
        adapted = _read_groups(equation, function) if callable(function) else None
        if adapted is not None:
            setattr(model, equation, adapted)


def _warn(function: Callable, message: str) -> None:
    code = inspect.unwrap(function).__code__
    warnings.warn_explicit(message, FutureWarning, code.co_filename, code.co_firstlineno)


def _read_groups(equation: str, function: Callable) -> Callable | None:
    """A function of `today` that calls one written for separate groups, such as prices(aggregates, shocks).

    None where `function` takes `today` already.
    """
    if equation not in _GROUPS:
        return None
    old, before = _GROUPS[equation]
    try:
        parameters = list(inspect.signature(inspect.unwrap(function)).parameters.values())[1:]
    except (TypeError, ValueError):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    count = len(old.split(", "))
    if len(parameters) != count or any(each.kind not in kinds for each in parameters):
        return None
    new = ", ".join([*old.split(", ")[:before], "today"])
    _warn(
        function,
        f"{equation}(self, {old}) is now written {equation}(self, {new}): read every quantity of the period from "
        "today, for instance today.wage.",
    )

    @functools.wraps(function)
    def with_today(self, *arguments):
        return function(self, *arguments[:before], *[arguments[before]] * (count - before))

    return with_today


class _Anything(Mapping):
    """A namespace in which every name is one number, to learn which names an equation returns."""

    def __init__(self, number: Any = 1.0):
        self._number = number

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._number

    def __getitem__(self, name: str) -> Any:
        return self._number

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def names_returned(equation: Callable, arguments: int) -> tuple[str, ...]:
    """The names that an equation returns. It is traced: no number divides by zero."""
    with jax.enable_x64(True):  # parameters may be float64
        number = jax.ShapeDtypeStruct((), float)
        return tuple(jax.eval_shape(lambda one: dict(equation(*[_Anything(one)] * arguments)), number))


def not_known(model: Any, equation: str, name: str) -> str | None:
    """One sentence why an equation cannot read today's `name`, where the model has a quantity of that name."""
    if name == "expected" and equation != "excess_demand":
        return (
            f"today.expected is not given to {equation}(): only excess_demand() reads what is expected; name a price "
            "in clearing_prices(), give it an equation there, and read that price."
        )
    by = _named_by(model, name)
    if by is None:
        return None
    if by == equation:
        return (
            f"today.{name} is not known yet when {equation}() is called, because {equation}() itself returns it: "
            f"compute it in a variable of {equation}() first, and use that."
        )
    if equation in ("resources", "hourly_wage", "asset_price"):
        cure = "instead" if by == "outcomes" else "too, under another name"
        return (
            f"today.{name} is not given to {equation}(), because households take prices and shocks as given, and "
            f"{by}() returns {name}: let prices() return it {cure}, and read that."
        )
    return (
        f"today.{name} is not known yet when {equation}() is called, because {by}() returns it later in the period: "
        f"compute it in {equation}(), or read it in an equation that comes after {by}()."
    )


def _named_by(model: Any, name: str) -> str | None:
    """The equation of a model that returns a quantity called `name`, or None where none is found to do so."""
    anything = _Anything()
    for equation in _LATER:
        function = getattr(model, equation)
        try:
            found = function(*[anything] * len(inspect.signature(function).parameters))
        except Exception:  # an equation that needs more than numbers says nothing
            continue
        if isinstance(found, Mapping) and name in found:
            return equation
    return None
