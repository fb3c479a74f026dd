"""Results as plain JSON beside arrays, and back: only values of known types are made, and no code is run.

Known are numbers, text, tuples, lists, dicts, NumPy and JAX arrays, `Named`, data frames, the members of enumerations,
and the fields of named tuples and dataclasses (with equinox modules) of this library, optax and equinox.nn, which are
put together without calling their constructors. Classes of a user's own are not looked up by name: `Reader` is given
them. An object that appears twice is written once, and is one object again.
"""

import dataclasses
import enum
import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.errors import HankError
from hank_mfg.model.moved import MOVED, RENAMED_CLASSES, RENAMED_LABELS, modern

GROUPS: list[Any] = []  # `Named`, which model/named.py adds: it is pickled by this module
PUBLIC = {"optax": "optax", "equinox": "equinox.nn"}  # where other packages show what they define elsewhere


class CodecError(HankError, ValueError):
    """A value that cannot be written, or a description that cannot be read; the message says which."""


def is_record(kind: type) -> bool:
    """Whether a class is a named tuple or a dataclass, the two that consist of their fields."""
    return dataclasses.is_dataclass(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))


def field_names(kind: type) -> list[str]:
    """The names of the fields of a named tuple or dataclass."""
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(getattr(kind, "_fields"))  # noqa: B009


def library_name(kind: type) -> str | None:
    """A class of the library, optax or equinox.nn as "module:Name"; None for any other."""
    package = kind.__module__.partition(".")[0]
    home = PUBLIC.get(package, kind.__module__ if package == "hank_mfg" else "")
    name = f"{home}:{kind.__qualname__}"
    return name if home and library_class(name) is kind else None


def library_class(name: str) -> type | None:
    """The class that `library_name` calls so; None where there is none."""
    name = RENAMED_CLASSES.get(name, name)
    found = re.fullmatch(r"(hank_mfg(?:\.[a-z][a-z0-9_]*)*|optax|equinox\.nn):([A-Za-z_]\w*)", name)
    if found is None:
        return None
    try:
        kind = getattr(importlib.import_module(MOVED.get(found[1], found[1])), found[2], None)
    except ImportError:
        return None
    return kind if isinstance(kind, type) and (is_record(kind) or issubclass(kind, enum.Enum)) else None


class Writer:
    """Turns values into JSON; `arrays` and the user's own `classes` are collected beside it."""

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}
        self.classes: list[type] = []
        self._seen: dict[int, int] = {}
        self._stored: dict[int, str] = {}
        self._alive: list[Any] = []  # no object may vanish while its address is remembered

    def write(self, value: Any, where: str) -> Any:
        """A value as JSON. Raises CodecError, naming `where` it is, for what cannot be written."""
        if value is None or isinstance(value, bool | str) or type(value) is int:
            return value
        if type(value) is float:
            return value if np.isfinite(value) else {"float": repr(value)}
        if isinstance(value, enum.Enum):
            return {"enum": self._known(type(value), where), "member": value.name}
        if isinstance(value, np.ndarray | np.generic | jax.Array):
            return self._array(value, where)
        if type(value) in (tuple, list):
            return {type(value).__name__: [self.write(x, f"{where}[{i}]") for i, x in enumerate(value)]}
        if isinstance(value, Mapping) and type(value).__name__ in ("dict", "mappingproxy"):
            return {"dict": [[self.write(k, where), self.write(v, f"{where}[{k!r}]")] for k, v in value.items()]}
        if id(value) in self._seen:
            return {"same": self._seen[id(value)]}
        node = self._object(value, where)
        self._alive.append(value)
        self._seen[id(value)] = len(self._seen)
        return node

    def _object(self, value: Any, where: str) -> Any:
        kind = type(value)
        if kind in GROUPS:
            parts = [[name, self.write(each, f"{where}.{name}")] for name, each in value.items()]
            return {"named": value._label, "values": parts}
        if kind.__module__.partition(".")[0] == "pandas":
            return self._frame(value, where)
        if not is_record(kind):
            raise CodecError(
                f"{where} is of type {kind.__name__}, which cannot be saved: results, numbers, text, arrays, data "
                "frames, and tuples, lists and dicts of these can."
            )
        known = library_name(kind)
        if known is None:
            if kind not in self.classes:
                self.classes.append(kind)
            known = self.classes.index(kind)
        fields = {name: self.write(getattr(value, name), f"{where}.{name}") for name in field_names(kind)}
        return {"type": known, "fields": fields}

    def _known(self, kind: type, where: str) -> str:
        name = library_name(kind)
        if name is None:
            raise CodecError(f"{where} is a member of {kind.__name__}, an enumeration that is not the library's.")
        return name

    def _array(self, value: Any, where: str) -> dict[str, Any]:
        kind = "number" if isinstance(value, np.generic) else "array" if isinstance(value, np.ndarray) else "jax"
        if "Tracer" in type(value).__name__:
            raise CodecError(f"{where} is being traced by JAX: save what a compiled function returns, not inside it.")
        if kind == "jax" and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            keys: Any = value
            implementation = str(jax.random.key_impl(keys))
            return {"key": self._store(np.asarray(jax.random.key_data(keys)), value), "kind": implementation}
        array = np.asarray(value)
        if array.dtype.kind not in "biufcUS":
            raise CodecError(f"{where} is an array of {array.dtype}, which cannot be saved.")
        return {kind: self._store(array, value)}

    def _store(self, array: np.ndarray, value: Any) -> str:
        if id(value) not in self._stored:
            name = f"array_{len(self.arrays):04d}"
            self.arrays[name] = array
            self._alive.append(value)
            self._stored[id(value)] = name
        return self._stored[id(value)]

    def _frame(self, value: Any, where: str) -> dict[str, Any]:
        import pandas as pd

        if not isinstance(value, pd.DataFrame | pd.Series):
            raise CodecError(f"{where} is a {type(value).__name__} of pandas: save its values, or a data frame.")
        frame = value.to_frame() if isinstance(value, pd.Series) else value
        columns = [self._column(frame.iloc[:, place], where) for place in range(frame.shape[1])]
        index, names = self._index(frame.index, where), self._index(frame.columns, where)
        return {"frame": columns, "index": index, "columns": names, "series": isinstance(value, pd.Series)}

    def _column(self, column: Any, where: str) -> dict[str, Any]:
        if column.dtype.kind in "biuf":
            return {"numbers": self.write(np.array(column), where)}
        cells = [None if cell is None else self.write(cell, where) for cell in column.tolist()]
        return {"cells": cells, "dtype": str(column.dtype)}

    def _index(self, index: Any, where: str) -> dict[str, Any]:
        import pandas as pd

        many = isinstance(index, pd.MultiIndex)
        levels = [index.get_level_values(place) for place in range(index.nlevels)]
        ranged = [index.start, index.stop, index.step] if isinstance(index, pd.RangeIndex) else None
        parts = [self._column(level.to_series(), where) for level in levels] if ranged is None else ranged
        return {
            "many": many,
            "range": ranged is not None,
            "levels": parts,
            "names": self.write(list(index.names), where),
        }


class Reader:
    """Makes values out of what a `Writer` wrote. `classes` are the user's own, in the order of the writer's."""

    def __init__(self, arrays: Mapping[str, np.ndarray], classes: Callable[[int], type]):
        self.arrays, self.classes = arrays, classes
        self._objects: list[Any] = []
        self._made: dict[tuple[str, str], Any] = {}

    def read(self, node: Any) -> Any:
        """The value of a node, JAX arrays in the precision that they had. Raises CodecError for what is not known."""
        if not isinstance(node, dict):
            return node
        kind = next(iter(node), "")
        content: Any = node.get(kind)
        if kind in ("tuple", "list"):
            return (tuple if kind == "tuple" else list)(self.read(each) for each in content)
        if kind == "dict":
            return {self.read(key): self.read(value) for key, value in content}
        if kind == "float":
            return float(content)
        if kind in ("array", "jax", "number", "key"):
            return self._array(kind, content, node)
        if kind == "enum":
            return _library(content)[node["member"]]
        if kind == "same":
            return self._objects[content]
        makers = {"named": self._named, "frame": self._frame, "type": self._record}
        if kind not in makers:
            raise CodecError(f"it holds a {kind or 'nameless thing'}, which this version of hank_mfg does not know")
        made = makers[kind](node)
        self._objects.append(made)
        return made

    def _array(self, kind: str, name: str, node: dict[str, Any]) -> Any:
        if (kind, name) not in self._made:
            array = self.arrays[name]
            if kind == "jax":
                made: Any = jnp.asarray(array)
            elif kind == "key":
                made = jax.random.wrap_key_data(jnp.asarray(array), impl=node["kind"])
            else:
                made = array[()] if kind == "number" else array
            self._made[kind, name] = made
        return self._made[kind, name]

    def _named(self, node: dict[str, Any]) -> Any:
        label = RENAMED_LABELS.get(node["named"], node["named"])
        return GROUPS[0](label, {name: self.read(value) for name, value in node["values"]})

    def _record(self, node: dict[str, Any]) -> Any:
        known = node["type"]
        kind = _library(known) if isinstance(known, str) else self.classes(known)
        return assemble(kind, {name: self.read(value) for name, value in node["fields"].items()})

    def _frame(self, node: dict[str, Any]) -> Any:
        import pandas as pd

        index, columns = self._index(node["index"]), self._index(node["columns"])
        values = [pd.Series(self._cells(each), index=index) for each in node["frame"]]
        frame = pd.DataFrame(dict(enumerate(values)), index=index)
        frame.columns = columns
        return frame.iloc[:, 0] if node["series"] else frame

    def _cells(self, node: dict[str, Any]) -> Any:
        import pandas as pd

        if "numbers" in node:
            return self.read(node["numbers"])
        return pd.array([self.read(cell) for cell in node["cells"]], dtype=node["dtype"])

    def _index(self, node: dict[str, Any]) -> Any:
        import pandas as pd

        names = self.read(node["names"])
        if node["range"]:
            return pd.RangeIndex(*node["levels"], name=names[0])
        levels = [self._cells(level) for level in node["levels"]]
        return pd.MultiIndex.from_arrays(levels, names=names) if node["many"] else pd.Index(levels[0], name=names[0])


def _library(name: str) -> Any:
    kind = library_class(name)
    if kind is None:
        raise CodecError(f"it holds a {name.replace(':', '.')}, which this version of hank_mfg does not have")
    return kind


def assemble(kind: type, fields: dict[str, Any]) -> Any:
    """An object of a named tuple or dataclass from its fields, without its constructor.

    A field that is missing takes its default. Raises CodecError for one without, and for one that the class lacks.
    """
    names = field_names(kind)
    if kind.__module__.partition(".")[0] == "hank_mfg":
        fields = modern(kind.__name__, fields)
    unknown = [name for name in fields if name not in names]
    if dataclasses.is_dataclass(kind):
        defaults = {f.name: f.default for f in dataclasses.fields(kind) if f.default is not dataclasses.MISSING}
    else:
        defaults = getattr(kind, "_field_defaults")  # noqa: B009
    missing = [name for name in names if name not in fields and name not in defaults]
    if unknown or missing:
        what = f"a field {unknown[0]!r} that" if unknown else f"no field {missing[0]!r}, which"
        raise CodecError(
            f"its {kind.__name__} has {what} {kind.__name__} of this version {'lacks' if unknown else 'has'}"
        )
    values = {name: fields.get(name, defaults.get(name)) for name in names}
    if issubclass(kind, tuple):
        return tuple.__new__(kind, tuple(values.values()))
    made = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made
