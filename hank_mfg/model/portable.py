"""Copies and pickles of what is declared in a model file, which other processes cannot import by name."""

import copy
import dataclasses
import sys
from typing import Any

FILE_MODULE = "model_file_"  # how the modules of model files are called


class Portable:
    """A model or game that copies, and that pickles from a model file too.

    A pickle names the file; reading it runs that file, as pickles run what they import, and raises ValueError where the
    equations are no longer those that were pickled. `hank_mfg.save` and `load` run nothing.
    """

    def __copy__(self):
        """Itself: it cannot be changed."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]):
        """The same class with copies of the fields."""
        return _assembled(type(self), {name: copy.deepcopy(value, memo) for name, value in _fields(self).items()})

    def __reduce_ex__(self, protocol):
        """By its class and fields; one from a model file by the file."""
        kind = type(self)
        if not kind.__module__.startswith(FILE_MODULE):
            return _assembled, (kind, _fields(self))
        from hank_mfg.fingerprint import fingerprint
        from hank_mfg.gallery import shipped_file

        file = sys.modules[kind.__module__].__file__
        return _from_file, (shipped_file(file) or file, kind.__qualname__, fingerprint(kind), _fields(self))


def _fields(thing: Any) -> dict[str, Any]:
    return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}


def _assembled(kind: type, fields: dict[str, Any]) -> Any:
    made = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def _from_file(source: str, name: str, equations: dict[str, Any], fields: dict[str, Any]) -> Any:
    from hank_mfg.fingerprint import differences, fingerprint
    from hank_mfg.gallery import class_named

    kind = class_named(source, name)
    if kind is None:
        raise ValueError(f"{source} no longer defines {name}, which was pickled: put the class back.")
    if changed := differences(equations, fingerprint(kind)):
        raise ValueError(f"{source}: {', '.join(changed)} of {name} changed since it was pickled: put them back.")
    return _assembled(kind, fields)
