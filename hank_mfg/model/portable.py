"""Copies and pickles to the same bits, also of what is declared in a model file, which no process can import by name.

JAX pickles and copies an array of float64 to one of float32 unless its 64-bit mode is on. What is `portable` goes by
codec.py instead, which keeps precisions. A class from a model file is pickled as the path of that file and the
fingerprint of its equations: reading the pickle runs the file, as pickles run what they import. `hank_mfg.save` and
`load` run nothing.
"""

import sys
from typing import Any, TypeVar

from hank_mfg.model.codec import CodecError, Reader, Writer
from hank_mfg.model.fingerprint import differences, fingerprint
from hank_mfg.model.model_files import FILE_MODULE, class_named, shipped_file
from hank_mfg.precision import float64_allowed

Kind = TypeVar("Kind", bound=type)


def portable(kind: Kind) -> Kind:
    """A class of frozen objects, whose copies and pickles have the same bits; for named tuples and dataclasses."""
    for name, function in (("__reduce_ex__", _reduce), ("__copy__", lambda self: self)):
        setattr(kind, name, function)
    return kind


def _reduce(self: Any, protocol: Any) -> Any:
    try:
        return reduced(self)
    except CodecError:  # of a type that only pickle knows
        return object.__reduce_ex__(self, protocol)


def reduced(value: Any) -> tuple:
    """What pickle rebuilds a value from, precisions included. Raises CodecError for what codec.py does not know."""
    writer = Writer()
    node = writer.write(value, type(value).__name__)
    return _restored, (node, writer.arrays, tuple(map(_reference, writer.classes)))


def _reference(kind: type) -> Any:
    """A class, or how to find it: file, name and equations."""
    if not kind.__module__.startswith(FILE_MODULE):
        return kind

    file = sys.modules[kind.__module__].__file__
    return shipped_file(file) or file, kind.__qualname__, fingerprint(kind)


def _found(reference: Any) -> type:
    if isinstance(reference, type):
        return reference

    source, name, equations = reference
    loaded: Any = getattr(sys.modules.get(f"{FILE_MODULE}{source.rpartition('/')[2].removesuffix('.py')}"), name, None)
    if isinstance(loaded, type) and not differences(equations, fingerprint(loaded)):
        return loaded
    kind = class_named(source, name)
    if kind is None:
        raise ValueError(f"{source} no longer defines {name}, which was pickled: put the class back.")
    if changed := differences(equations, fingerprint(kind)):
        raise ValueError(f"{source}: {', '.join(changed)} of {name} changed since it was pickled: put that back.")
    return kind


@float64_allowed
def _restored(node: Any, arrays: dict[str, Any], references: tuple) -> Any:
    return Reader(arrays, lambda place: _found(references[place])).read(node)
