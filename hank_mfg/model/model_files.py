"""The Python files that declare models and games: where the shipped ones are, and the classes of a file."""

import functools
import linecache
import sys
import types
from pathlib import Path

from hank_mfg.model.spelling import explain

FILE_MODULE = "model_file_"  # how the modules of model files are called
TEXT = "__text__"  # where such a module keeps the text that was run


def shipped_folder(name: str) -> Path:
    """The folder of shipped `models` or `calibration`: inside the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "gallery" / name
    return installed if installed.is_dir() else package.parent / name


def source_text(path: Path) -> str:
    """The text of a file. Raises ValueError where it cannot be read as UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as text ({error}): check the file and its permissions.") from error


def classes_in(path: Path, base: type) -> list[type]:
    """The classes of a Python file that derive from `base`. Raises ValueError where it cannot be read or run."""
    return [each for each in _classes(str(path.resolve()), source_text(path)) if issubclass(each, base)]


@functools.lru_cache(maxsize=64)
def _classes(file: str, text: str) -> list[type]:
    name = f"{FILE_MODULE}{Path(file).stem}"
    module = types.ModuleType(name)
    module.__file__ = file
    vars(module)[TEXT] = text
    linecache.checkcache(file)
    sys.modules[name] = module  # where dataclasses and inspect look a class up
    try:
        exec(compile(text, file, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise ValueError(explain(error, file=file)) from error
    return [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == name]


def shipped_file(file: str | None) -> str | None:
    """The name of a shipped model file, without its ending; None for any other file."""
    return Path(file).stem if file is not None and Path(file).parent == shipped_folder("models") else None


def class_named(source: str | Path, name: str) -> type | None:
    """The class `name` of a shipped model file, by its name, or of a Python file, which is run; None without one."""
    shipped = shipped_folder("models") / f"{source}.py"
    path = shipped if shipped.is_file() else Path(source).expanduser()
    return next((each for each in classes_in(path, object) if each.__qualname__ == name), None)


def own_text(declared: object, base: type) -> str | None:
    """The text of the Python file, not a shipped one, that declares the class of a model or game, as it was run; None
    where the class was imported or typed in a session, or the file declares other classes that derive from `base`."""
    kind = type(declared)
    module = sys.modules.get(kind.__module__)
    if module is None or not kind.__module__.startswith(FILE_MODULE) or shipped_file(module.__file__) is not None:
        return None
    alike = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == kind.__module__]
    return vars(module)[TEXT] if [each for each in alike if issubclass(each, base)] == [kind] else None
