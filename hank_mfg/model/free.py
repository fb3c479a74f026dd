"""Parameters that move within bounds: which number of which parameter, and between what.

Those of a calibration are searched; a global solution over a box of them is right for all.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from hank_mfg.model.base import Model, check_names, parameter_names

INSIDE = 1e-3  # of the interval: how far from an open end a bound is proposed


class Free(NamedTuple):
    """One number that is searched: parameter `name`, its `place` in a list (None for a number), between bounds."""

    name: str
    place: int | None
    lower: float
    upper: float

    @property
    def label(self) -> str:
        """The name, with the place in a list: "discount_factor[0]"."""
        return self.name if self.place is None else f"{self.name}[{self.place}]"

    def own(self, model: Model) -> float:
        """The model's own value."""
        value = np.asarray(model.parameters()[self.name], np.float64)
        return float(value if self.place is None else value[self.place])


def read_free(model: Model, free: Mapping[str, Sequence[float]], what: str = "free") -> tuple[Free, ...]:
    """The free parameters of a dict from name, or name[0], to (lower, upper); `what` is the argument that gives them.

    Raises ValueError for bad input.
    """
    if not free:
        name = parameter_names(type(model))[0]
        raise ValueError(f"{what} is empty: give a dict such as {{{name!r}: (low, high)}}.")
    return tuple(_one(model, str(label), bounds, what) for label, bounds in free.items())


def _one(model: Model, label: str, bounds: Any, what: str) -> Free:
    found = re.fullmatch(r"(\w+)\s*(?:\[\s*(\d+)\s*\])?", label.strip())
    name, place = (found.group(1), found.group(2)) if found else (label, None)
    check_names(type(model), [name])
    if name not in model.parameters():
        raise ValueError(f"{what}[{label!r}]: {name} is one of several words, not a number: leave it out of {what}.")
    value = np.asarray(model.parameters()[name], np.float64)
    if (place is None) != (value.ndim == 0) or value.ndim > 1 or (place is not None and int(place) >= value.size):
        size = f"a list of {value.size} numbers" if value.ndim == 1 else "a table" if value.ndim else "one number"
        cure = f"name one of them, {name}[0]" if value.ndim == 1 else f"write {name}" if not value.ndim else "leave it"
        raise ValueError(f"{what}[{label!r}]: {name} is {size}: {cure}.")
    try:
        lower, upper = (float(each) for each in bounds)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what}[{label!r}] = {bounds!r}: give its bounds, (low, high).") from error
    if not (np.isfinite([lower, upper]).all() and lower < upper):
        swap = f": write ({upper:g}, {lower:g})" if lower > upper else ": give two finite numbers, the lower first"
        raise ValueError(f"{what}[{label!r}] = ({lower:g}, {upper:g}): the lower bound must lie below the upper{swap}.")
    _in_range(model, name, f"{what}[{label!r}]", lower, upper)
    return Free(name, None if place is None else int(place), lower, upper)


def _in_range(model: Model, name: str, label: str, lower: float, upper: float) -> None:
    """Raise ValueError for a bound outside of what the parameter's declaration allows."""
    field = next(field for field in dataclasses.fields(model) if field.name == name)
    declared, room = field.metadata["bounds"], INSIDE * (upper - lower)
    rules = {
        "above": (lambda x, end: x > end, "above", room), "at_least": (lambda x, end: x >= end, "at least", 0.0),
        "below": (lambda x, end: x < end, "below", -room), "at_most": (lambda x, end: x <= end, "at most", 0.0),
    }  # fmt: skip
    for rule, end in declared.items():
        allowed, words, move = rules[rule]
        value, which = (lower, "lower") if rule in ("above", "at_least") else (upper, "upper")
        if not allowed(value, end):
            raise ValueError(
                f"{label} = ({lower:g}, {upper:g}): {name} must be {words} {end:g}, so give a {which} bound "
                f"such as {end + move:.6g}."
            )


def read_start(model: Model, free: tuple[Free, ...], start: Mapping[str, float] | None) -> np.ndarray:
    """Where the search begins, (free,): `start` by name, else the model's value where it is in the box, else the
    middle. Raises ValueError for a name that is not free and a value outside its bounds."""
    given = dict(start or {})
    labels = [each.label for each in free]
    for name in given:
        if name not in labels:
            raise ValueError(f"start names {name!r}: the free parameters are {', '.join(labels)}.")
    begin = []
    for each in free:
        own = each.own(model)
        inside = each.lower <= own <= each.upper
        number = float(given.get(each.label, own if inside else 0.5 * (each.lower + each.upper)))
        if not each.lower <= number <= each.upper:
            raise ValueError(
                f"start[{each.label!r}] = {number:g} lies outside its bounds ({each.lower:g}, {each.upper:g}): give a "
                "value between them."
            )
        begin.append(number)
    return np.asarray(begin, np.float64)


def with_values(model: Model, free: tuple[Free, ...], values: Any) -> Model:
    """The model with the free parameters at `values` (free,), numbers or traced."""
    changed: dict[str, Any] = {}
    traced = isinstance(values, Tracer)
    for place, each in enumerate(free):
        value = values[place] if traced else float(values[place])
        if each.place is None:
            changed[each.name] = value
            continue
        before = changed.get(each.name, model.parameters()[each.name])
        if traced:
            changed[each.name] = jnp.asarray(before, jnp.float64).at[each.place].set(value)
        else:
            numbers: list[Any] = [float(number) for number in np.asarray(before)]
            numbers[each.place] = value
            changed[each.name] = numbers
    return model.with_parameters(**changed)
