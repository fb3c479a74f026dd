"""Calibration files: parameters that were found, with their targets as source, beside those that were given."""

import inspect
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hank_mfg.files import also_written
from hank_mfg.model.base import Model
from hank_mfg.model.gallery import Calibration as File
from hank_mfg.model.gallery import model_names, read_calibration
from hank_mfg.model.model_files import shipped_folder


def write_calibration(
    model: Model, found: Mapping[str, str], path: str | os.PathLike, like: str | os.PathLike | None
) -> Path:
    """Write the calibration file of a model; `found` has the sources of those parameters that were found. Other
    arguments and errors as for `Calibration.save`."""
    file = Path(path).expanduser()
    require_place(model, file)
    origin = read_calibration(_source(like)) if like is not None else nearest_file(model)
    also_written(as_toml(model, found, origin), file)
    return file


def _source(like: str | os.PathLike) -> Any:
    return str(like) if str(like) in model_names() else Path(like)


def model_file(model: Model) -> Path | None:
    """The Python file that declares a model; None for one typed into a session."""
    try:
        file = inspect.getsourcefile(type(model))
    except TypeError:
        return None
    return Path(file) if file is not None and Path(file).is_file() else None


def require_place(model: Model, file: Path) -> None:
    """Raise ValueError unless a calibration file there would find its model: a shipped one, or one beside it."""
    if file.suffix != ".toml":
        raise ValueError(f"{file}: a calibration file ends with .toml, such as {file.stem}.toml.")
    source = model_file(model)
    if source is None or source.resolve().parent == shipped_folder("models").resolve():
        return
    if source.resolve().parent != file.resolve().parent:
        raise ValueError(
            f"A calibration file lies beside its model: {source.name} is in {source.parent}, so save "
            f"{source.parent / file.name}."
        )


def nearest_file(model: Model) -> File | None:
    """The calibration file of a model with the most values in common; None where it has none."""
    source = model_file(model)
    if source is None:
        return None
    shipped = source.resolve().parent == shipped_folder("models").resolve()
    folder = shipped_folder("calibration") if shipped else source.parent
    found = []
    for file in sorted(folder.glob("*.toml")):
        if re.search(rf'^model\s*=\s*"{re.escape(source.stem)}(\.py)?"', file.read_text(), re.MULTILINE):
            calibration = read_calibration(file)
            if calibration is not None:
                found.append(calibration)
    return max(found, key=lambda each: len(_in_common(model, each)), default=None)


def _in_common(model: Model, file: File) -> list[str]:
    own = model.parameters()
    return [name for name, value in file.values.items() if name in own and _same(value, own[name])]


def _same(one: Any, other: Any) -> bool:
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return one.shape == other.shape and np.array_equal(one, other)


def as_toml(model: Model, found: Mapping[str, str], origin: File | None) -> str:
    """The calibration file as text."""
    source = model_file(model)
    stem = source.stem if source is not None else _in_small_letters(type(model).__name__)
    period = model.period or (origin.period if origin else "")
    head = {"model": stem, "period": period, "source": origin.source if origin else "calibrated"}
    entries = {} if origin is None else origin.entries
    kept = [] if origin is None else _in_common(model, origin)
    lines = [f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in head.items() if text]
    for name, value in model.parameters().items():
        entry = entries.get(name, {})
        given = entry.get("source", "") if name in kept else "set by hand" if entries else ""
        words = {"unit": entry.get("unit", ""), "source": found.get(name, given)}
        lines += ["", f"[{name}]", f"value = {_number(np.asarray(value, np.float64).tolist())}"]
        lines += [f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in words.items() if text]
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    """A number or nested list of numbers; every digit, so that it is read back to the same bits."""
    return repr(float(value)) if not isinstance(value, list) else f"[{', '.join(map(_number, value))}]"


def _in_small_letters(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
