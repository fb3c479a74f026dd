"""Keep a result in one file and read it again: `save(result, path)`, `load(path)`.

The file is an npz archive, which numpy.load opens: arrays, and JSON that says what they are (codec.py), with a checksum
over all of it at the end (seal.py). Reading executes no code: the classes of the library are known, and a model of
your own is rebuilt from its saved fields with the class that you give, or that is loaded already, after its equations
have been compared with those that were saved (fingerprint.py).
"""

import json
import sys
from pathlib import Path
from typing import Any

from hank_mfg.errors import HankError
from hank_mfg.files import write_bytes
from hank_mfg.model.codec import CodecError, Reader, Writer
from hank_mfg.model.fingerprint import differences, fingerprint
from hank_mfg.model.gallery import load_model, model_names
from hank_mfg.model.model_files import class_named, shipped_file
from hank_mfg.precision import float64_allowed
from hank_mfg.runs.manifest import place
from hank_mfg.runs.seal import DamagedError, pack, read
from hank_mfg.runs.storage import versions

FORMAT = "hank_mfg result"
VERSION = 1


class LoadError(HankError, ValueError):
    """A file that `load` cannot read; the message says why and what to do."""


def save(result: Any, path: str | Path) -> Path:
    """Write a result of the library into one file, complete or not at all; returns the path.

    `result` is what any public function returns, figures excepted: a stationary equilibrium, a linear or global
    solution, a path, a table, and tuples, lists and dicts of these, whose common parts are written once. A file that is
    there is replaced. Raises ValueError for what cannot be saved, naming the field; OSError where the disk refuses.
    """
    writer, path = Writer(), Path(path)
    try:
        value = writer.write(result, type(result).__name__)
    except CodecError as error:
        raise ValueError(str(error)) from error
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the path of a file, for instance {path / 'result.npz'}.")
    header = {
        "format": FORMAT, "version": VERSION, "type": type(result).__name__, "versions": versions(),
        "classes": [_described(each) for each in writer.classes], "value": value,
    }  # fmt: skip
    return write_bytes(path, pack(writer.arrays, {"result.json": json.dumps(header)}))


@float64_allowed
def load(path: str | Path, model: Any = None) -> Any:
    """Read what `save` wrote: the same numbers, in the same precisions.

    `model` is needed for a model or game of your own unless its class is loaded already: the class, an object of it,
    the name of a shipped one, or the path of its file, which is then run. Raises LoadError, one sentence, for a file
    that is damaged, that no version or a later one wrote, and where the equations of the class differ from those that
    were saved."""
    path = Path(path)
    if path.is_dir():
        raise LoadError(f"{path} is a folder: load a run with hank_mfg.load_run({str(path)!r}).")
    try:
        arrays, texts = read(path, sealed=True)
    except DamagedError as error:
        raise LoadError(f"{error}: save the result again, or copy the file from where it is whole.") from error
    header = json.loads(texts.get("result.json", "{}"))
    if header.get("format") != FORMAT:
        raise LoadError(f"{path} was not written by hank_mfg.save: give a file that was.")
    if header["version"] > VERSION:
        raise LoadError(
            f"{path} has format {header['version']}, of hank-mfg {header['versions']['hank-mfg']}, and this version "
            f"reads up to {VERSION}: install that one."
        )
    classes = header["classes"]
    reader = Reader(arrays, lambda place: _class(path, classes[place], model))
    try:
        return reader.read(header["value"])
    except CodecError as error:
        saved = header["versions"]["hank-mfg"]
        raise LoadError(f"{path} cannot be read: {error}; it was saved by hank-mfg {saved}, read it there.") from error


def _described(kind: type) -> dict[str, Any]:
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    return {
        "name": kind.__qualname__, "module": kind.__module__, "file": file, "shipped": shipped_file(file),
        **place(file), "equations": fingerprint(kind),
    }  # fmt: skip


def _class(path: Path, saved: dict[str, Any], model: Any) -> type:
    """The class of a saved record. Raises LoadError where it is not given or has other equations."""
    name = saved["name"]
    kind = _given(name, saved, model) or _loaded(saved)
    if kind is None and saved["shipped"]:
        kind = class_named(saved["shipped"], name)
    if kind is None:
        origin = f"{saved['file']}, Python by {saved['user']} on {saved['host']}" if saved["file"] else "a session"
        how = f" or, to run that file, model={saved['file']!r}" if saved["file"] else ""
        raise LoadError(
            f"{path} holds a {name} from {origin}, which is not run unasked: pass the class, model={name}{how}."
        )
    changed = differences(saved["equations"], fingerprint(kind))
    if changed:
        raise LoadError(
            f"{path} was saved with other equations of {name}: {', '.join(changed)} "
            f"{'differs' if len(changed) == 1 else 'differ'} from when this was solved; pass the class as it was, "
            f"model=CLASS, or solve again."
        )
    return kind


def _given(name: str, saved: dict[str, Any], model: Any) -> type | None:
    """The class `name` from what was passed as `model`: itself, or one of its module or file."""
    if model is None:
        return None
    if isinstance(model, str) and model in model_names():
        model = load_model(model)
    if isinstance(model, str | Path):
        return class_named(model, name)
    kind = model if isinstance(model, type) else type(model)
    if kind.__qualname__ == name:
        return kind
    found = getattr(sys.modules.get(kind.__module__), name, None)
    if isinstance(found, type):
        return found
    if saved["shipped"]:
        return None
    raise LoadError(f"The file holds a {name}, not a {kind.__qualname__}: pass model={name}.")


def _loaded(saved: dict[str, Any]) -> type | None:
    """The class where its module was imported already; one from a model file, whose name says little, if equal."""
    found: Any = sys.modules.get(saved["module"])
    for part in saved["name"].split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        return None
    if saved["module"].startswith("model_file_") and differences(saved["equations"], fingerprint(found)):
        return None
    return found
