"""The arguments that a resumed run accepts: the same model, method and seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hank_mfg.runs.storage import unfinished_config
from hank_mfg.solve.baselines.game_settings import METHODS


def require_nothing_new(
    folder: Path,
    model: str | Path | None,
    method: str | None = None,
    seed: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> str:
    """The model or game of the run in `folder`. Raises ValueError where `solve --resume` contradicts the run.

    A run is continued as it was started. `changes` maps options to what was given for them, nothing being None, zero or
    empty; an empty model is none; the model, the method and the seed may be repeated where they are those of the run.
    """
    given = [option for option, value in (changes or {}).items() if value not in (None, 0.0, [], ())]
    if given:
        raise ValueError(
            f"--resume continues a run as it was started: leave out {', '.join(given)}, or start a new run in another "
            "--out."
        )
    config = unfinished_config(folder)
    source = config["game"] if "game" in config else config["model"]
    for option, value, recorded, same in (
        ("MODEL", model, source, _same_source(folder, model, source)),
        ("--method", method, method_of(config), _same_method(method, config)),
        ("--seed", seed, config["seed"], seed == config["seed"]),
    ):
        if value is not None and not same:
            raise ValueError(
                f"--resume with {option} {value}: {folder} holds a run with {recorded}; leave {option} out to continue "
                "it, or start a new run in another --out."
            )
    return source


def _same_source(folder: Path, given: str | Path | None, recorded: str) -> bool:
    """Whether a model is the run's: the same name, or a file with the text that the run keeps."""
    if given is None or str(given) in ("", recorded):
        return True
    copies = [folder / name for name in ("model.py", "game.py") if (folder / name).exists()]
    path = Path(given).expanduser()
    return path.suffix == ".py" and path.is_file() and any(copy.read_text() == path.read_text() for copy in copies)


def method_of(config: dict[str, Any]) -> str:
    """The name of the method of a run, as --method takes it."""
    return next((name for name in METHODS if _same_method(name, config)), "another method")


def _same_method(method: str | None, config: dict[str, Any]) -> bool:
    if method is None:
        return True
    if "game" not in config:
        memory = config["method"]["memory"]
        return method == ("spg" if memory == "none" else "rspg")
    if method not in METHODS:
        return False
    settings = METHODS[method]()
    memories = (settings.memory == "none", config["settings"]["memory"] == "none")
    return type(settings).__name__ == config["method"] and memories[0] == memories[1]
