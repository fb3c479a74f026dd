"""What settings of all methods have in common: checks in one sentence, sizes of networks, changes from text."""

import dataclasses
from typing import Any, ClassVar, TypeVar

from hank_mfg.policy.encoders import ENCODERS
from hank_mfg.precision import DTYPES

Chosen = TypeVar("Chosen", bound="MethodSettings")


class MethodSettings:
    """Base of the frozen dataclasses that hold a method's settings."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    memory: str
    units: int
    width: int
    precision: str

    def check(
        self, *, counts: tuple[str, ...] = (), positive: tuple[str, ...] = (), shares: tuple[str, ...] = ()
    ) -> None:
        """Fields that must be positive integers, positive numbers, and numbers between 0 and 1; memory and precision.

        Raises ValueError naming the field, its value and the range.
        """
        for name in (*counts, "units", "width"):
            self.demand(name, isinstance(getattr(self, name), int) and getattr(self, name) >= 1, "a positive integer")
        for name in positive:
            self.demand(name, getattr(self, name) > 0, "positive")
        for name in shares:
            self.demand(name, 0 <= getattr(self, name) <= 1, "between 0 and 1")
        self.demand("memory", self.memory in ENCODERS, f"one of {', '.join(map(repr, ENCODERS))}")
        self.demand("precision", self.precision in DTYPES, "'float32' or 'float64'")

    def demand(self, name: str, holds: bool, rule: str) -> None:
        """Raise ValueError unless a field `holds` to its rule."""
        if not holds:
            raise ValueError(f"{type(self).__name__}({name}={getattr(self, name)!r}): {name} must be {rule}.")

    def networks(self) -> dict[str, Any]:
        """The sizes of the networks."""
        return {name: getattr(self, name) for name in ("memory", "units", "width")}


def changed(settings: Chosen, options: list[str] | None) -> Chosen:
    """Settings with NAME=VALUE changes of the type that they have. Raises ValueError for unknown names and types."""
    known = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    changes = {}
    for text in options or []:
        name, sign, value = text.partition("=")
        if not sign or name not in known:
            raise ValueError(f"--option {text}: give NAME=VALUE with one of the names {', '.join(known)}.")
        kind = type(known[name])
        try:
            changes[name] = kind(value)
        except ValueError as error:
            wanted = {int: "a whole number", float: "a number"}[kind]
            raise ValueError(f"--option {text}: {name} must be {wanted}, for instance {name}={known[name]}.") from error
    return dataclasses.replace(settings, **changes)
