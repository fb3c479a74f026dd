"""Shared by the settings of all methods: checks in one sentence, sizes of networks, changes from text."""

import dataclasses
import functools
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from hank_mfg import sizes
from hank_mfg.environment.game import AbstractGame, Discrete
from hank_mfg.errors import warn_user
from hank_mfg.model.moved import RENAMED_FIELDS
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.policy.encoders import ENCODERS
from hank_mfg.precision import DTYPES
from hank_mfg.sizes import is_whole

Chosen = TypeVar("Chosen", bound="MethodSettings")
Kind = TypeVar("Kind", bound=type)


class MethodSettings:
    """Base of the frozen dataclasses that hold a method's settings.

    A setting can be read, and be given to the constructor (`accepts_old_names`), by the name that it had in earlier
    versions; a DeprecationWarning names the new one.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    memory: str
    units: int
    width: int
    precision: str

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """A setting by its name in an earlier version. Raises AttributeError for any other name."""
            kind = type(self).__name__
            new = RENAMED_FIELDS.get(kind, {}).get(name)
            if new is None:
                raise AttributeError(f"{kind!r} object has no attribute {name!r}")
            _warn_renamed(f"{kind}.{name}", new)
            return getattr(self, new)

    def check(
        self, *, counts: tuple[str, ...] = (), positive: tuple[str, ...] = (), shares: tuple[str, ...] = ()
    ) -> None:
        """Fields that must be positive integers, positive numbers, and numbers between 0 and 1; memory and precision.

        Raises ValueError naming the field, its value and the range.
        """
        self.check_types()
        for name in (*counts, "units", "width"):
            self.demand(name, getattr(self, name) >= 1, "a positive integer")
        for name in positive:
            self.demand(name, getattr(self, name) > 0, "positive")
        for name in shares:
            self.demand(name, 0 <= getattr(self, name) <= 1, "between 0 and 1")
        self.demand("memory", self.memory in ENCODERS, f"one of {', '.join(map(repr, ENCODERS))}")
        self.demand("precision", self.precision in DTYPES, "'float32' or 'float64'")

    def check_types(self) -> None:
        """Raise ValueError unless fields are of the kind of their defaults: whole numbers, finite numbers, text."""
        for field in dataclasses.fields(self):
            value, usual = getattr(self, field.name), field.default
            if is_whole(usual):
                self.demand(field.name, is_whole(value), f"a positive integer, {usual} is usual")
            elif isinstance(usual, float):
                self.demand(field.name, is_real(value), f"a finite number, {usual:g} is usual")
            elif isinstance(usual, str):
                self.demand(field.name, isinstance(value, str), f"a text, {usual!r} is usual")

    def network_numbers(self, outputs: int = 1) -> float:
        """At least so many numbers shape the networks, with the two moments that the optimizer keeps of each."""
        units, width = float(self.units), float(self.width)
        encoder = 0.0 if self.memory == "none" else units * (units + 1.0)
        return 3.0 * (encoder + width * (width + outputs))

    def require_room(self, *, numbers: float, steps: float) -> None:
        """Raise SizeError, naming the field furthest above its default, unless `numbers` of four bytes fit into memory
        and `steps` can be made."""
        usual: dict[str, Any] = {
            field.name: field.default for field in dataclasses.fields(self) if is_whole(field.default)
        }
        name = max(usual, key=lambda name: int(getattr(self, name)) / max(1, usual[name]))
        value = sizes.shown(int(getattr(self, name)))
        sizes.require_room(
            f"{type(self).__name__}({name}={value})", f"use a smaller {name}, {usual[name]} is usual",
            numbers=numbers, steps=steps, each=4,
        )  # fmt: skip

    def demand(self, name: str, holds: bool, rule: str) -> None:
        """Raise ValueError unless a field `holds` to its rule."""
        if not holds:
            raise ValueError(f"{type(self).__name__}({name}={getattr(self, name)!r}): {name} must be {rule}.")

    def networks(self) -> dict[str, Any]:
        """The sizes of the networks."""
        return {name: getattr(self, name) for name in ("memory", "units", "width")}


class CrowdSettings(MethodSettings):
    """Base of the settings of methods that see sampled individuals: so many `individuals` on each of `paths`."""

    individuals: int
    paths: int
    updates: int

    def price(self, game: AbstractGame | None = None) -> None:
        """Raise SizeError unless training fits this machine: on a `game`, or on the smallest."""
        _, horizon = cells_of(game)
        periods, networks = float(self.paths) * horizon, self.network_numbers()
        self.require_room(
            numbers=4.0 * periods * self.individuals + networks + 5.0 * self.updates,
            steps=float(self.updates) * periods * self.individuals * 10.0,
        )


def cells_of(game: AbstractGame | None) -> tuple[float, int]:
    """States times actions over all populations of a game, and its horizon; of the smallest game without one."""
    if game is None:
        return 1.0, 1
    cells = 0.0
    for population in game.populations.values():
        actions = population.actions
        cells += population.size * (float(len(actions.values)) if isinstance(actions, Discrete) else 1.0)
    return cells, game.horizon


def is_real(value: Any) -> bool:
    """Whether a value is a finite number; a flag is none."""
    return (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and bool(np.isfinite(value))
    )


def accepts_old_names(kind: Kind) -> Kind:
    """The same dataclass of settings, whose constructor also takes the names of earlier versions, with a warning.

    Raises TypeError where a setting is given by its old and its new name.
    """
    construct: Any = kind.__init__

    @functools.wraps(construct)
    def init(self, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **_renamed(kind.__name__, kwargs))

    kind.__init__ = init
    return kind


def _renamed(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a constructor by the names of today."""
    renamed, found = RENAMED_FIELDS.get(kind, {}), {}
    for name, value in given.items():
        new = renamed.get(name, name)
        if new != name and new in given:
            raise TypeError(f"{kind}({name}={value!r}, {new}={given[new]!r}): {name} is now {new}: give {new} only.")
        if new != name:
            _warn_renamed(f"{kind}({name}=...)", f"{new}=...")
        found[new] = value
    return found


def _warn_renamed(old: str, new: str) -> None:
    """A DeprecationWarning at the line that called the library."""
    depth, frame = 1, sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("hank_mfg", "dataclasses"):
        depth, frame = depth + 1, frame.f_back
    warn_user(f"{old} is now {new}: change the name.", DeprecationWarning)


def changed(settings: Chosen, options: list[str] | None) -> Chosen:
    """Settings with NAME=VALUE changes of the type that they have. Raises ValueError for unknown names and types."""
    known = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    changes, renamed = {}, RENAMED_FIELDS.get(type(settings).__name__, {})
    for text in options or []:
        name, sign, value = (part.strip() for part in text.partition("="))
        if sign and name in renamed:
            warn_user(f"--option {name} is now --option {renamed[name]}.", DeprecationWarning)
            name = renamed[name]
        if name in changes:
            raise ValueError(f"--option {text}: {name} is given twice, {changes[name]} before: give it once.")
        if not sign or name not in known:
            close = did_you_mean(name, known)
            raise ValueError(f"--option {text}: give NAME=VALUE with one of the names {', '.join(known)}{close}.")
        kind = float if known[name] is None else type(known[name])
        try:
            changes[name] = kind(value)
        except ValueError as error:
            rule = {int: "a whole number", float: "a number"}[kind]
            raise ValueError(
                f"--option {text}: {name} must be {rule}, for instance {name}={known[name] or 0.5}."
            ) from error
    return dataclasses.replace(settings, **changes)
