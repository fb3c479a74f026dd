"""Calibration files: parameters that were found, with their targets as source, beside those that were given."""

import inspect
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.files import also_written
from hank_mfg.model.base import Model
from hank_mfg.model.gallery import Calibration as File
from hank_mfg.model.gallery import model_names, read_calibration
from hank_mfg.model.model_files import shipped_folder

if TYPE_CHECKING:
    from hank_mfg.estimate.calibration import Calibration


def write_calibration(found: "Calibration", path: str | os.PathLike, like: str | os.PathLike | None) -> Path:
    """Write the calibration file of a calibrated model; arguments and errors as for `Calibration.save`."""
    file = Path(path).expanduser()
    if file.suffix != ".toml":
        raise ValueError(f"save({str(path)!r}): a calibration file ends with .toml, such as {file.stem}.toml.")
    require_beside_model(found.model, file)
    origin = read_calibration(_source(like)) if like is not None else nearest_file(found.model)
    also_written(as_toml(found, origin), file)
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


def require_beside_model(model: Model, file: Path) -> None:
    """Raise ValueError unless a calibration file there would find its model: a shipped one, or one beside it."""
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


def as_toml(found: "Calibration", origin: File | None) -> str:
    """The calibration file as text."""
    model, source = found.model, model_file(found.model)
    stem = source.stem if source is not None else _in_small_letters(type(model).__name__)
    period = model.period or (origin.period if origin else "")
    head = {"model": stem, "period": period, "source": f"{origin.source if origin else stem}; calibrated"}
    entries = {} if origin is None else origin.entries
    kept = [] if origin is None else _in_common(model, origin)
    names = {each.name for each in found.free}
    lines = [f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in head.items() if text]
    for name, value in model.parameters().items():
        entry = entries.get(name, {})
        given = entry.get("source", "") if name in kept else "set by hand" if entries else ""
        words = {"unit": entry.get("unit", ""), "source": _of_targets(found, name) if name in names else given}
        lines += ["", f"[{name}]", f"value = {_number(np.asarray(value, np.float64).tolist())}"]
        lines += [f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in words.items() if text]
    return "\n".join(lines) + "\n"


def _of_targets(found: "Calibration", name: str) -> str:
    """The source of a parameter that was found: which targets, and where these are from."""
    places = [each.place for each in found.free if each.name == name and each.place is not None]
    which = f"entr{'y' if len(places) == 1 else 'ies'} {', '.join(map(str, places))} " if places else ""
    wanted = [
        f"{moment} = {value:.6g}{f' ({source})' if source else ''}"
        for moment, value, source in zip(found.data.names, found.data.values, found.data.sources, strict=True)
    ]
    many = len(wanted) > 12
    shown = f"{len(wanted)} targets, {wanted[0]} to {wanted[-1]}" if many else ", ".join(wanted)
    others = [each.label for each in found.free if each.name != name]
    together = f", together with {', '.join(others)}" if others else ""
    points = found.steady.economy.shape[0]
    return f"{which}calibrated to {shown}{together}; {points} asset points"


def _number(value: Any) -> str:
    """A number or nested list of numbers; every digit, so that it is read back to the same bits."""
    return repr(float(value)) if not isinstance(value, list) else f"[{', '.join(map(_number, value))}]"


def _in_small_letters(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
