"""Names and numbers in readable form."""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

Kind = TypeVar("Kind", bound=type)
WIDTH, LINES = 100, 30  # of what a result prints

NAMES = {"tfp": "TFP", "gdp": "GDP", "mpc": "MPC", "hours": "Hours worked"}


def display_name(name: str) -> str:
    """The name a reader sees: `interest_rate` becomes "Interest rate", a symbol such as `r` stays. A name
    says nothing of units."""
    return name if len(name) == 1 else NAMES.get(name, name[:1].upper() + name[1:].replace("_", " "))


def state_names(values: Mapping[str, Any]) -> list[str]:
    """One name per state of a chain, from the values that it gives to named quantities."""
    states = zip(*(np.asarray(level) for level in values.values()), strict=True)
    return [", ".join(f"{display_name(n)} {v:.4g}" for n, v in zip(values, s, strict=True)) for s in states]


def signed(size: float) -> str:
    """A number with its sign and 3 significant digits, with a proper minus."""
    return f"{size:+.3g}".replace("-", "\u2212")


def number(value: Any) -> str:
    """A number with 4 significant digits, integers in full, text as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def in_words(values: Mapping[str, Any]) -> str:
    """Names and numbers for a sentence: "capital = 4.25, interest_rate = 0.01"."""
    return ", ".join(f"{name} = {float(value):.6g}" for name, value in values.items())


def brief(value: Any) -> str:
    """A value in a few words: a number with 6 digits, an array by its type and shape, a record by its class."""
    if value is None or isinstance(value, bool | str | int):
        return repr(value)
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    kind, shape = value_type(value), getattr(value, "shape", () if isinstance(value, float) else None)
    if shape is not None:
        plain = shape == () and np.issubdtype(kind, np.number)
        return f"{float(value):.6g}" if plain else f"{getattr(value, 'dtype', kind)} {tuple(shape)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {brief(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        shown = ", ".join(map(brief, value[:6])) + (", ..." if len(value) > 6 else "")
        return f"[{shown}]" if isinstance(value, list) else f"({shown})"
    return type(value).__name__


def value_type(value: Any) -> Any:
    """The NumPy type of a number or array; of objects for a type that NumPy does not know, as of PRNG keys."""
    try:
        return np.dtype(getattr(value, "dtype", type(value)))
    except TypeError:
        return np.dtype(object)


def readable(kind: Kind) -> Kind:
    """A class of results that prints its fields on one screen, one a line: arrays by type and shape."""

    def __repr__(self: Any) -> str:
        names = getattr(kind, "_fields", None) or [field.name for field in dataclasses.fields(kind)]
        lines = [f"  {name} = {brief(getattr(self, name))}" for name in names]
        lines = [line if len(line) <= WIDTH else line[: WIDTH - 4] + " ..." for line in lines]
        more = [f"  and {len(lines) - LINES} fields more"] if len(lines) > LINES else []
        return "\n".join([f"{kind.__name__}(", *lines[:LINES], *more, ")"])

    setattr(kind, "__repr__", __repr__)  # noqa: B010 - a class whose own is made for it
    return kind
