"""Fingerprints of equations: whether the methods of a class are still those with which something was solved.

A fingerprint has an entry for every method of a class that is not the library's own, for every function, class and
constant outside the class that these read, and for every field that is not a parameter. An entry holds two digests:

    source  of the syntax tree without docstrings: comments, blank lines and layout do not count
    code    of the instructions that Python runs, with the version of Python, which other versions cannot compare

The text of a file may have changed since it was run, so `source` is given only where compiling the text gives the
instructions that run; a class typed in a session often has `code` alone.
"""

import ast
import contextlib
import dataclasses
import dis
import functools
import hashlib
import inspect
import json
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

Fingerprint = dict[str, dict[str, str]]

LIBRARIES = {
    "hank_mfg", "jax", "jaxlib", "jaxtyping", "numpy", "scipy", "equinox", "optax", "pandas", "matplotlib", "builtins",
}  # fmt: skip
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
OWN_DUNDERS = ("__call__", "__check_init__", "__post_init__")


def fingerprint(thing: Any) -> Fingerprint:
    """The fingerprint of a class, or of an object: of its class and of its fields that are not parameters."""
    if isinstance(thing, type):
        return _of_class(thing, "", set())
    found = _of_class(type(thing), "", set())
    for field in dataclasses.fields(thing):
        if "bounds" not in field.metadata:
            found[field.name] = _digests(value=getattr(thing, field.name))
    return found


def differences(before: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Names of what is in one fingerprint and not in the other, or differs; in the order of `before`.

    The equations of a shipped model that was written anew since and means the same (rewritten.json) do not differ.
    """
    names = [*before, *(name for name in now if name not in before)]
    both = before.keys() & now.keys()
    changed = [name for name in names if name not in both or _answer(before[name], now[name]) is False]
    if changed and _rewritten().get(summary(before), "") == summary(now):
        return [name for name in changed if "value" in {**before.get(name, {}), **now.get(name, {})}]
    return changed


def summary(equations: Mapping[str, Mapping[str, str]]) -> str:
    """One digest of the texts of all equations in a fingerprint."""
    return _digest(repr(sorted((name, entry["source"]) for name, entry in equations.items() if "source" in entry)))


@functools.cache
def _rewritten() -> dict[str, str]:
    """Shipped models that were written anew and mean the same: summaries of what was, and of what is today."""
    return json.loads(Path(__file__).with_name("rewritten.json").read_text(encoding="utf-8"))


def incomparable(before: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Names of what cannot be compared: instructions of another version of Python, and no text on one of the sides."""
    return [name for name in before if name in now and _answer(before[name], now[name]) is None]


def _answer(before: Mapping[str, str], now: Mapping[str, str]) -> bool | None:
    """Whether two entries are the same; None where that cannot be told."""
    for what in ("value", "source"):
        if what in before and what in now:
            return before[what] == now[what]
    if "value" in before or "value" in now:
        return False
    if before.get("python") == now.get("python"):
        return before.get("code") == now.get("code")
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _digests(**parts: Any) -> dict[str, str]:
    return {name: _digest(_written(value)) for name, value in parts.items()}


def _written(value: Any) -> str:
    """A value as text that is the same in every process."""
    if isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, np.number):
        value = np.asarray(value, np.float32)  # its precision depends on who makes it
    if isinstance(value, np.ndarray | np.generic | bool | int | float | complex):
        return repr(np.asarray(value).tolist())
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_written, value)))}}}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_written(k)}: {_written(v)}' for k, v in value.items())}}}"
    if isinstance(value, types.CodeType):
        return _instructions(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return f"{type(value).__qualname__}{_written(fields)}"
    if isinstance(value, str | bytes) or value is None:
        return repr(value)
    return getattr(value, "__qualname__", type(value).__qualname__)


def _instructions(code: types.CodeType) -> str:
    """The instructions of a code object, without line numbers and docstrings."""
    parts = [(each.opname, _written(each.argval)) for each in dis.get_instructions(code)]
    return repr((code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], parts))


def _is_own(thing: Any) -> bool:
    """Whether a function, class or module is the user's, not the library's, one of its packages' or Python's."""
    module = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", None) or ""
    top = module.partition(".")[0]
    return top not in LIBRARIES and (top not in sys.stdlib_module_names or top == "__main__")


def _function(value: Any) -> types.FunctionType | None:
    """The Python function inside a method, a property or what a decorator made; None for anything else."""
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, staticmethod | classmethod | functools.partial):
        value = value.func if isinstance(value, functools.partial) else value.__func__
    if callable(value) and not isinstance(value, type):
        value = inspect.unwrap(value)
    return value if isinstance(value, types.FunctionType) else None


def _of_class(kind: type, prefix: str, seen: set[int]) -> Fingerprint:
    """The fingerprint of a class: its own and inherited methods and constants, except the library's."""
    seen.add(id(kind))
    found: Fingerprint = {}
    fields = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
    owners = [each for each in kind.__mro__ if _is_own(each)] or [kind]
    for name in dict.fromkeys(name for owner in reversed(owners) for name in vars(owner)):
        value = inspect.getattr_static(kind, name)
        function = _function(value)
        if (name.startswith("_abc") or (name.startswith("__") and name not in OWN_DUNDERS)) or name in fields:
            continue
        if function is None:
            if not isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
                found[prefix + name] = _digests(value=value)
        elif id(function) not in seen:
            found |= _of_function(function, f"{prefix}{name}()", seen)
    return found


def _of_function(function: types.FunctionType, name: str, seen: set[int]) -> Fingerprint:
    """The fingerprint of a function and of everything outside it that it reads."""
    seen.add(id(function))
    defaults = (function.__defaults__, function.__kwdefaults__)
    entry = {**_digests(code=(function.__code__, *defaults)), "python": PYTHON}
    source = _source(function)
    found: Fingerprint = {name: {**entry, **({"source": _digest(source)} if source is not None else {})}}
    for outside, value in _read_by(function):
        inner = _function(value)
        if id(value) in seen or (inner is not None and id(inner) in seen):
            continue
        if inner is not None:
            found |= _of_function(inner, f"function {outside}()", seen) if _is_own(inner) else {}
        elif isinstance(value, type):
            found |= _of_class(value, f"{outside}.", seen) if _is_own(value) else {}
        elif not isinstance(value, types.ModuleType):
            found[outside] = _digests(value=value)
    return found


def _read_by(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Globals and enclosing variables that a function reads, and what it reads from the user's own modules."""
    names, codes = [], [function.__code__]
    while codes:
        code = codes.pop()
        names += code.co_names
        codes += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    for name in dict.fromkeys(names):
        value = function.__globals__.get(name)
        if isinstance(value, types.ModuleType) and _is_own(value):
            yield from ((f"{name}.{each}", vars(value)[each]) for each in names if each in vars(value))
        elif name in function.__globals__:
            yield name, value
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not filled yet
            if name != "__class__":
                yield name, cell.cell_contents


def _source(function: types.FunctionType) -> str | None:
    """The text of a function from its syntax tree, without docstrings; None unless it is what runs."""
    code = function.__code__
    tree, compiled = _parsed(code.co_filename, _modified(code.co_filename))
    place = (code.co_name, code.co_firstlineno)
    if tree is None or place not in compiled or _instructions(compiled[place]) != _instructions(code):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            if (getattr(node, "name", "<lambda>"), first) == place:
                return ast.unparse(_without_docstrings(node))
    return None


def _modified(file: str) -> float:
    path = Path(file)
    return path.stat().st_mtime if path.is_file() else 0.0


@functools.lru_cache(maxsize=64)
def _parsed(file: str, modified: float) -> tuple[ast.Module | None, dict[tuple[str, int], types.CodeType]]:
    """The syntax tree of a file as it is now, and the code of its functions by name and first line."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        tree, codes = ast.parse(text), [compile(text, file, "exec")]
    except (OSError, SyntaxError, ValueError):
        return None, {}
    found = {}
    while codes:
        code = codes.pop()
        found[code.co_name, code.co_firstlineno] = code
        codes += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return tree, found


def _without_docstrings(tree: ast.AST) -> ast.AST:
    tree = ast.parse(ast.unparse(tree))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = body[1:] or [ast.Pass()]  # pyright: ignore[reportOptionalSubscript]
    return tree
