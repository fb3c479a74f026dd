"""Named quantities: what the equations of a model read and return."""

from collections.abc import Iterator, Mapping

import jax
import numpy as np

from hank_mfg.model.codec import GROUPS, CodecError
from hank_mfg.model.portable import reduced
from hank_mfg.model.spelling import closest
from hank_mfg.wording import brief


def assignments(values: Mapping) -> str:
    """Names and values for a sentence: "stay = 0.6, gap = 0.02"."""
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def differing(values: Mapping, others: Mapping) -> dict:
    """Those of `values` that `others` has not, or has otherwise, in their order."""
    return {name: value for name, value in values.items() if not np.array_equal(value, others.get(name, np.nan))}


@jax.tree_util.register_pytree_with_keys_class
class Named(Mapping):
    """A frozen mapping from names to numbers or arrays that also reads as attributes.

    `prices.wage` and `prices["wage"]` are the same number. A name that was not declared is an error that lists the
    declared ones, so a misspelled price can never be read as something else. `label` says what the group is
    ("prices", "shocks", ...) and appears in that message only.

    A `Named` is a JAX pytree: its values are the leaves, its names and label are part of the structure.
    """

    __slots__ = ("_label", "_values")

    def __init__(self, label: str, values: Mapping | None = None, **named):
        object.__setattr__(self, "_label", label)
        object.__setattr__(self, "_values", {**(values or {}), **named})

    def __getattr__(self, name: str):
        if name.startswith("__") or name in Named.__slots__:  # asked of an object that is only being rebuilt
            raise AttributeError(name)
        return self._look_up(name, AttributeError)

    def __getitem__(self, name: str):
        return self._look_up(name, KeyError)

    def _look_up(self, name: str, error: type[Exception]):
        if name not in self._values:
            known = ", ".join(self._values) or "none"
            close = closest(name, self._values)
            cure = f"did you mean '{close}'?" if close else "declare it or correct the spelling."
            problem = error(f"{self._label} has no '{name}' (declared names: {known}): {cure}")
            problem.__dict__.update(missing_name=name, missing_from=self._label)
            raise problem
        return self._values[name]

    def __setattr__(self, name: str, value):
        raise AttributeError(f"{self._label}.{name} cannot be set: named quantities are frozen.")

    def __reduce__(self):
        """Pickle and copy rebuild it from its label and its values."""
        try:
            return reduced(self)
        except CodecError:
            return Named, (self._label, dict(self._values))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"{self._label}({', '.join(f'{name}={brief(value)}' for name, value in self._values.items())})"

    def __dir__(self) -> list[str]:
        """The names, for TAB completion."""
        return sorted(self._values)

    def tree_flatten_with_keys(self):
        """Children are the values in the order declared; names and label are static."""
        children = [(jax.tree_util.DictKey(name), value) for name, value in self._values.items()]
        return children, (self._label, tuple(self._values))

    @classmethod
    def tree_unflatten(cls, structure, children):
        """Rebuild from the static names and the leaves."""
        label, names = structure
        return cls(label, dict(zip(names, children, strict=True)))


GROUPS.append(Named)
