"""The command that makes a run again, from its configuration; in Python where no command could."""

import dataclasses
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hank_mfg.environment.games import GAMES
from hank_mfg.model.base import Model
from hank_mfg.model.gallery import load_model, model_names
from hank_mfg.runs.manifest import STATIONARY
from hank_mfg.runs.storage import read_config
from hank_mfg.solve.baselines.game_settings import BENCHMARK, METHODS, settings_for
from hank_mfg.solve.gradient.spg import RSPG

USUAL = {"asset_points": 200, "tolerance": 1e-11, "nonconcave": "refuse"}  # of `steady_state` unless given


def command_again(folder: str | Path, model: Model | None = None) -> str:
    """`hank-mfg solve ...` with whatever differs from what is usual, or a line of Python for a class or an object, of
    which the folder holds no file. Folders and files are named without where they lie.

    `model` is that of the run, as `load_run` reads it; None for a game. Raises RunError for a folder without a run.
    """
    folder, config = Path(folder), read_config(folder)
    return _game(folder, config) if model is None else _economy(folder, config, model)


def assigned(option: str, values: Mapping[str, Any]) -> list[str]:
    """The words of a command that set values by name, such as --set name=value, once for each."""
    return [word for name, value in values.items() for word in (option, f"{name}={_typed(value)}")]


def points_typed(points: Any) -> str:
    """Asset points as --asset-points takes them."""
    return ",".join(f"{name}={n}" for name, n in points.items()) if isinstance(points, dict) else str(points)


def family_words(config: Mapping[str, Any]) -> list[str]:
    """The words of a command for the set of models that a run was trained for; none without one."""
    family = config.get("family") or {}
    words = assigned("--family", family.get("alternatives", {}))
    return [*words, "--penalty", repr(family["penalty"])] if family.get("penalty") else words


def sayable(config: Mapping[str, Any]) -> bool:
    """Whether the command for stationary equilibria can say how one was solved."""
    return all(config[name] == USUAL[name] for name in ("tolerance", "nonconcave"))


def run_name(folder: str | Path) -> str:
    """The name of a run's folder, without where it lies, as it is typed."""
    return shlex.quote(Path(folder).resolve().name)


def changed_parameters(config: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """Parameters and other fields of a run that are not those of its calibration, or of its class, by name."""
    try:
        base: Any = load_model(config["model"] if config["model"] in model_names() else type(model))
    except ValueError:  # parameters without a default, whose calibration the folder does not hold
        base = None
    usual = {} if base is None else {name: np.asarray(value).tolist() for name, value in base.parameters().items()}
    found = {name: value for name, value in config["parameters"].items() if value != usual.get(name)}
    for name, written in config["other_fields"].items():
        if name != "period" and written is not None and written != repr(getattr(base, name, None)):
            found[name] = written.strip("'\"")
    return found


def _economy(folder: Path, config: dict[str, Any], model: Model) -> str:
    source, typed = config["model"], config["model"] in model_names() or (folder / "model.py").exists()
    if config.get("kind") == STATIONARY:
        return _stationary(folder, config, model, typed)
    given = config["method"]
    if not typed:
        settings = _written("RSPG", _differing(given, RSPG()))
        return _in_python(source, folder, settings, config, changed_parameters(config, model))
    memory: dict[str, Any] = {"memory": "none"} if given["memory"] == "none" else {}
    words = ["solve", _file_name(source), *(["--method", "spg"] if memory else [])]
    words += assigned("--set", changed_parameters(config, model))
    words += assigned("--option", _differing(given, RSPG.for_model(model, **memory))) + family_words(config)
    return _line(words, folder, config["seed"])


def _stationary(folder: Path, config: dict[str, Any], model: Model, typed: bool) -> str:
    changes = changed_parameters(config, model)
    if not typed or not sayable(config):
        sizes = ", ".join(f"{name}={config[name]!r}" for name in USUAL)
        source = repr(Path(config["model"]).name) if typed else config["model"]
        over = f"overrides={changes!r}, " if changes else ""
        return f"hm.steady_state_run({source}, {folder.resolve().name!r}, {over}{sizes})"
    points, words = config["asset_points"], ["steady-state", _file_name(config["model"]), *assigned("--set", changes)]
    words += [] if points == USUAL["asset_points"] else ["--asset-points", points_typed(points)]
    return _line(words, folder, 0)


def _game(folder: Path, config: dict[str, Any]) -> str:
    source, given = config["game"], config["settings"]
    if source not in GAMES and not (folder / "game.py").exists():
        return _in_python(source, folder, _written(config["method"], given), config, config["switches"])
    makers = {name: settings_for(source, name) if source in BENCHMARK else METHODS[name]() for name in METHODS}
    alike = {name: each for name, each in makers.items() if type(each).__name__ == config["method"]}
    name = min(alike, key=lambda name: len(_differing(given, alike[name])))
    words = ["solve", _file_name(source), "--method", name, *assigned("--set", config["switches"])]
    words += assigned("--option", _differing(given, alike[name]))
    words += ["--measure", str(config["measure"])] if config.get("measure") else []
    return _line(words, folder, config["seed"])


def _file_name(source: str) -> str:
    """A shipped name, or a file by its name alone."""
    return Path(source).name


def _differing(given: Mapping[str, Any], usual: Any) -> dict[str, Any]:
    """The settings that are not the usual ones; None, which cannot be typed, aside."""
    known = dataclasses.asdict(usual)
    return {name: value for name, value in given.items() if value is not None and known.get(name) != value}


def _typed(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, list | tuple) else str(value)


def _line(words: list[str], folder: Path, seed: int) -> str:
    return shlex.join(["hank-mfg", *words, *(["--seed", str(seed)] if seed else []), "--out", folder.resolve().name])


def _in_python(
    source: str, folder: Path, settings: str, config: Mapping[str, Any], overrides: Mapping[str, Any]
) -> str:
    over = f", overrides={dict(overrides)!r}" if overrides else ""
    return f"hm.solve_run({source}, {folder.resolve().name!r}, {settings}, seed={config['seed']}{over})"


def _written(kind: str, settings: Mapping[str, Any]) -> str:
    return f"hm.{kind}({', '.join(f'{name}={value!r}' for name, value in settings.items())})"
