"""Find, load and calibrate models: the shipped ones by name, your own by file, by class, or as they are.

A calibration is a TOML file with one table per parameter,

    model = "aiyagari"          # the file in models/ that declares the economy
    period = "year"
    source = "Aiyagari (1994)"

    [discount_factor]
    value = 0.96
    unit = "per year"
    source = "Table I"

The shipped models and calibrations lie beside the package in a checkout and inside it in an installed wheel.
"""

import ast
import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hank_mfg.model.base import Model, check_names, choice_names, parameter_names
from hank_mfg.model.model_files import classes_in, shipped_folder, source_text
from hank_mfg.model.spelling import did_you_mean, explain
from hank_mfg.model.units import check_period

HEADER = ("model", "period", "source", "about")
ENTRY = ("value", "unit", "source")


class Calibration(NamedTuple):
    """A calibration file: where it is, its header, and for each parameter its value, unit and source.

    `model` names the model file; `period` says what one model period is ("year", "quarter", "month"; "" where the file
    does not say), and must be what the class declares, if that declares it; `entries` maps a parameter's name to a dict
    with `value`, `unit` and `source`.
    """

    file: Path
    model: str
    period: str
    source: str
    entries: dict[str, dict[str, Any]]

    @property
    def values(self) -> dict[str, Any]:
        """The parameter values by name."""
        return {name: entry["value"] for name, entry in self.entries.items()}


def model_names() -> list[str]:
    """Names of the shipped economies, in alphabetical order: one per calibration file."""
    return sorted(file.stem for file in shipped_folder("calibration").glob("*.toml"))


def load_model(source: str | Path | type[Model] | Model, /, **overrides) -> Model:
    """An economy, calibrated.

    `source` is a shipped name (see `model_names`), the path of your own `.py` file with one `Model` in it, the path
    of a calibration `.toml`, a `Model` subclass, or a `Model`. A file `my_model.py` takes its parameters from
    `my_model.toml` beside it where there is one, otherwise from the defaults of its fields. `overrides` change
    parameters by name and come last.

    Raises ValueError, one sentence: an unknown name, a file that cannot be read or run (with its line), a parameter
    without a value, or a value out of range. The equations themselves are tried by `check_model`.
    """
    if isinstance(source, Model):
        return source.with_parameters(**overrides) if overrides else source
    model_type, calibration = _find(source)
    check_names(model_type, overrides)
    return _build(source, model_type, calibration, overrides)


def rebuild_model(
    source: str | Path | type[Model] | Model, parameters: Mapping[str, Any], others: Mapping[str, Any]
) -> Model:
    """The economy of `source` as it was saved: its `parameters`, and the values of its `others`, fields that are not.

    A `Model` given as `source` keeps its own other fields. Raises ValueError as `load_model` does.
    """
    if isinstance(source, Model):
        return source.with_parameters(**parameters)
    model_type, calibration = _find(source)
    check_names(model_type, parameters)
    return _build(source, model_type, calibration, {**others, **parameters})


def _build(source: Any, model_type: type[Model], calibration: Calibration | None, given: Mapping[str, Any]) -> Model:
    """Construct a model from its calibration, with the fields `given` coming last."""
    period = {"period": calibration.period} if calibration and calibration.period else {}
    values = {**(calibration.values if calibration else {}), **period, **given}
    missing = [f.name for f in dataclasses.fields(model_type) if _required(f) and f.name not in values]
    if missing:
        raise ValueError(_missing(source, model_type, calibration, missing))
    try:
        return model_type(**values)
    except ValueError:
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(explain(error, model=model_type)) from error


def read_calibration(source: str | Path | type[Model] | Model) -> Calibration | None:
    """The calibration file that `load_model(source)` reads; None for one that reads no file."""
    return None if isinstance(source, Model) else _find(source)[1]


def calibration_table(source: str | Path | type[Model] | Model, /, **overrides) -> list[dict[str, Any]]:
    """The calibration as rows with `name`, `value`, `unit`, `source` and `about`, in the order declared.

    Takes what `load_model` takes. A changed parameter has the source "set by hand", one that no file gives "default of
    the model"; unit and source are "" where nothing states them.
    """
    model = load_model(source, **overrides)
    calibration = read_calibration(source)
    entries = calibration.entries if calibration else {}
    rows = []
    for field in dataclasses.fields(model):
        if field.name not in (*model.parameters(), *choice_names(type(model))):
            continue
        origin = entries.get(field.name) or {"source": "" if isinstance(source, Model) else "default of the model"}
        rows.append(
            {
                "name": field.name,
                "value": getattr(model, field.name),
                "unit": origin.get("unit", " | ".join(map(str, field.metadata.get("options", ())))),
                "source": "set by hand" if field.name in overrides else origin.get("source", ""),
                "about": field.metadata.get("about", ""),
            }
        )
    return rows


def parse_override(text: str) -> tuple[str, Any]:
    """The name and value in `name=value`; the value is a number, a (nested) list of numbers or a word.

    For instance "discount_factor=0.98", "productivity=[0.98, 1.02]" or "information=prices". Raises ValueError for any
    other form.
    """
    name, sign, written = (part.strip() for part in text.partition("="))
    if not sign or not name.isidentifier() or not written:
        raise ValueError(f"'{text}' is not of the form name=value: write for instance discount_factor=0.98.")
    if written.isidentifier() and written.lower() not in ("nan", "inf", "infinity"):
        return name, written
    try:
        value = ast.literal_eval(written) if written.startswith("[") else float(written)
    except (ValueError, SyntaxError) as error:
        raise ValueError(_not_a_number(name, written)) from error
    if not _only_numbers(value):
        raise ValueError(_not_a_number(name, written))
    return name, int(written) if isinstance(value, float) and written.lstrip("+-").isdigit() else value


def parse_overrides(texts: Iterable[str]) -> dict[str, Any]:
    """Names and values of several `name=value`. Raises ValueError for a name that is given twice."""
    found: dict[str, Any] = {}
    for text in texts:
        name, value = parse_override(text)
        if name in found:
            raise ValueError(f"{text}: {name} is given twice, {found[name]!r} before: give it once.")
        found[name] = value
    return found


def _not_a_number(name: str, written: str) -> str:
    return (
        f"{name}={written}: the value is neither a number nor a list: write for instance {name}=0.5 or {name}=[0.5, 1]."
    )


def _only_numbers(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_only_numbers(each) for each in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _find(source: Any) -> tuple[type[Model], Calibration | None]:
    """The class that declares an economy, and its calibration file where there is one."""
    if isinstance(source, type) and issubclass(source, Model):
        return source, None
    if not isinstance(source, str | Path):
        raise ValueError(
            f"{source!r} is no model: give a shipped name ({', '.join(model_names())}), the path of a .py file, a "
            "Model subclass or a Model."
        )
    path = Path(source).expanduser()
    if isinstance(source, Path) or path.suffix in (".py", ".toml") or len(path.parts) > 1:
        return _find_file(path)
    if source not in model_names():
        raise ValueError(_unknown_name(source))
    calibration = _read(shipped_folder("calibration") / f"{source}.toml")
    return _checked(_load_class(shipped_folder("models") / f"{calibration.model}.py"), calibration)


def _find_file(path: Path) -> tuple[type[Model], Calibration | None]:
    if path.suffix not in (".py", ".toml"):
        raise ValueError(f"{path} is neither a .py file nor a .toml file: give the path of a model file, my_model.py.")
    if not path.is_file():
        raise ValueError(
            f"{path} does not exist in {Path.cwd()}: correct the path, or write an example there with "
            f"`hank-mfg new {path.with_suffix('.py')}`."
        )
    if path.suffix == ".toml":
        calibration = _read(path)
        own = path.parent / f"{Path(calibration.model).stem}.py"
        shipped = shipped_folder("models") / f"{calibration.model}.py"
        if not own.is_file() and not shipped.is_file():
            raise ValueError(
                f'{path}: model = "{calibration.model}" is neither a shipped model nor {own.name} beside it.'
            )
        return _checked(_load_class(own if own.is_file() else shipped), calibration)
    beside = path.with_suffix(".toml")
    model_type = _load_class(path)
    if not beside.is_file():
        return model_type, None
    calibration = _read(beside)
    if Path(calibration.model).stem != path.stem:
        raise ValueError(
            f'{beside.name} says model = "{calibration.model}" but lies beside {path.name}: write model = '
            f'"{path.stem}", or rename the file and load it by its own path.'
        )
    return _checked(model_type, calibration)


def _checked(model_type: type[Model], calibration: Calibration) -> tuple[type[Model], Calibration]:
    try:
        check_names(model_type, calibration.entries)
    except ValueError as error:
        raise ValueError(f"{calibration.file.name}: {error}") from error
    check_period(calibration.period, f"{calibration.file.name}: period")
    declared = next(field.default for field in dataclasses.fields(model_type) if field.name == "period")
    if calibration.period and declared and calibration.period != declared:
        raise ValueError(
            f'{calibration.file.name} says period = "{calibration.period}" but {model_type.__name__} declares period = '
            f'"{declared}": parameters are per period, so correct the one that is wrong, or leave it out of the class '
            "where calibrations differ."
        )
    return model_type, calibration


def _unknown_name(source: str) -> str:
    known = model_names()
    if Path(f"{source}.py").is_file():
        return f"There is no shipped model '{source}': for the file in this folder write {source}.py."
    return (
        f"There is no shipped model '{source}'{did_you_mean(source, known)}: the shipped ones are "
        f"{', '.join(known)} (`hank-mfg list` names the games too); for your own give the path of its .py file."
    )


def _required(field: dataclasses.Field) -> bool:
    return field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _missing(source: Any, model_type: type[Model], calibration: Calibration | None, names: list[str]) -> str:
    what = f"{model_type.__name__} has no value for {', '.join(names)}: "
    if names[0] not in parameter_names(model_type):
        return what + (
            f"{names[0]} is not made with parameter(...), so no file sets it: give it a default, or pass the object "
            f"{model_type.__name__}({names[0]}=VALUE, ...) instead."
        )
    if isinstance(source, type):
        return what + f"give {names[0]} a default in its parameter(...), or pass it: load_model(..., {names[0]}=VALUE)."
    file = calibration.file if calibration else Path(source).with_suffix(".toml")
    return what + (
        f"write [{names[0]}] and value = ... in {file.name}, give it a default in its parameter(...), or use "
        f"--set {names[0]}=VALUE."
    )


def _read(path: Path) -> Calibration:
    """Read a calibration file. Raises ValueError for malformed TOML (with its line), missing values, unknown keys."""
    try:
        content = tomllib.loads(source_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is not valid TOML: {error}; correct that place.") from error
    header = {key: content.pop(key) for key in HEADER if isinstance(content.get(key), str)}
    entries = {}
    for name, entry in content.items():
        entry = entry if isinstance(entry, dict) else {"value": entry}
        unknown = [key for key in entry if key not in ENTRY]
        if unknown or not _only_numbers(entry.get("value")):
            problem = f"has '{unknown[0]}'" if unknown else f"has value = {entry.get('value')!r}"
            raise ValueError(
                f"{path.name}: [{name}] {problem}: give `value` as a number or a list of numbers, and if you like "
                "`unit` and `source` as text."
            )
        entries[name] = {"unit": "", "source": "", **entry}
    return Calibration(
        path, header.get("model", path.stem), header.get("period", ""), header.get("source", ""), entries
    )


def _load_class(path: Path) -> type[Model]:
    """The one `Model` of a file. An edited file is read afresh; an unchanged one gives the same class, compiled code
    included."""
    found = classes_in(path, Model)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(
            f"{path.name} defines no model: write one class that derives from hank_mfg.Model; "
            "`hank-mfg new my_model.py` writes an example."
        )
    raise ValueError(
        f"{path.name} defines {len(found)} models ({', '.join(each.__name__ for each in found)}): keep one per "
        "file, or pass the class you mean to load_model."
    )
