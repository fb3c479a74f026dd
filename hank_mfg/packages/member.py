"""A run that goes into a replication package: whole, finished, and of the equations that its model file still has."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hank_mfg.environment.economy_game import EconomyGame
from hank_mfg.environment.games import GAMES
from hank_mfg.model.base import Model, choice_names
from hank_mfg.model.gallery import load_model, model_names, read_calibration
from hank_mfg.model.model_files import shipped_folder
from hank_mfg.runs.economy_run import other_fields
from hank_mfg.runs.kinds import GAME, STATIONARY, kind_of_run
from hank_mfg.runs.manifest import Manifest, RunError, check_equations, is_recorded
from hank_mfg.runs.run import load_run
from hank_mfg.runs.storage import finished_config, read_config, verify

MODELS, RUNS, RESULTS, REFERENCE, DATA = "models", "runs", "results", "reference", "data"
COPIES = {GAME: "game.py"}  # the copy of the user's own file in a run folder; model.py of every other kind


class Member(NamedTuple):
    """A run: the `name` and place of its folder, its kind, configuration and manifest, and what `load_run` returns."""

    name: str
    folder: Path
    kind: str
    config: dict[str, Any]
    manifest: Manifest
    solved: Any

    @property
    def own(self) -> Path:
        """The copy of the user's own model file, which need not be there."""
        return self.folder / COPIES.get(self.kind, "model.py")

    @property
    def source(self) -> str:
        """The model or game as it was named when the run was solved."""
        return self.config["game" if self.kind == GAME else "model"]

    @property
    def results(self) -> list[str]:
        """The tables and figures of the run, as it recorded them."""
        return sorted(self.manifest["results"])


def read_members(runs: Iterable[str | Path]) -> list[Member]:
    """The runs of a package in the order given. Raises RunError, before any is loaded, for one that cannot be in it."""
    folders = [Path(run) for run in runs]
    if not folders:
        raise RunError("runs = [] names no run: give the folders of finished runs, for instance runs/krusell_smith.")
    taken: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in taken:
            raise RunError(
                f"{taken[name]} and {folder} are both called {name}, the name of a run in the package: rename one "
                "folder."
            )
        taken[name] = folder
    found = [(name, folder, *_require_whole(folder)) for name, folder in taken.items()]
    return [
        Member(name, folder, kind_of_run(folder), config, manifest, load_run(folder))
        for name, folder, config, manifest in found
    ]


def _require_whole(folder: Path) -> tuple[dict[str, Any], Manifest]:
    """Configuration and manifest of a run. Raises RunError unless it is finished and every file is what it wrote."""
    config = read_config(folder)
    kind = kind_of_run(folder)
    if kind != STATIONARY:
        config = finished_config(folder)
    if kind == GAME and config["game"] == EconomyGame.__name__:
        raise RunError(
            f"{folder} holds an economy trained as a game, an object that no file makes again: solve the economy "
            "itself, "
            "`hank-mfg solve MODEL --out RUN`, and package that run."
        )
    manifest = verify(folder)
    if manifest is None:
        raise RunError(f"{folder} was written by an earlier version, without checksums: solve again into a new folder.")
    lost = [name for name in manifest["results"] if not is_recorded(folder, name, manifest)]
    if lost:
        raise RunError(
            f"{folder / lost[0]} is not what the run wrote: make it again with `hank-mfg report {folder}`, or with the "
            "command that made it."
        )
    _require_same_file(folder, config, folder / COPIES.get(kind, "model.py"))
    return config, manifest


def _require_same_file(folder: Path, config: Mapping[str, Any], own: Path) -> None:
    """Raise RunError where the user's own model file still exists and says something else than the run's copy."""
    file = Path(str(config.get("game", config.get("model")))).expanduser()
    if file.suffix == ".py" and file.is_file() and own.is_file() and file.read_text("utf-8") != own.read_text("utf-8"):
        raise RunError(
            f"{file} has changed since {folder} was solved from it: put the file back, or solve again into a new "
            "folder."
        )


def model_files(member: Member) -> dict[str, str]:
    """The texts of the model file and the calibration of a run by their names; the file that commands are given last.

    None for a shipped game, whose file is part of the software.
    """
    if member.kind == GAME:
        return {f"{Path(member.source).stem}.py": member.own.read_text("utf-8")} if member.own.exists() else {}
    if member.own.exists():
        stem, text = Path(member.source).stem, member.own.read_text("utf-8")
    else:
        calibration = read_calibration(member.source)
        assert calibration is not None, member.source  # load_run read it
        stem = calibration.model
        text = (shipped_folder("models") / f"{stem}.py").read_text("utf-8")
    return {f"{stem}.py": text, f"{stem}.toml": calibration_text(member, stem)}


def calibration_text(member: Member, stem: str) -> str:
    """The parameters of a run as a calibration file, with the unit and source of each where its own file gave them."""
    known, header = calibration_entries(member), _header(member)
    parts = [f"# The parameters of the run {member.name}, as it was solved.", f"model = {_quoted(stem)}"]
    parts += [f"{name} = {_quoted(text)}" for name, text in header.items() if text]
    for name, value in member.config["parameters"].items():
        parts += ["", f"[{name}]", f"value = {json.dumps(value)}"]
        parts += [f"{key} = {_quoted(known[name][key])}" for key in ("unit", "source") if known[name][key]]
    return "\n".join(parts) + "\n"


def calibration_entries(member: Member) -> dict[str, dict[str, str]]:
    """Unit and source of every parameter of an economy, "" where no file states them; a value that is not the file's
    was set by hand."""
    calibration = _calibration(member)
    found = {}
    for name, value in member.config["parameters"].items():
        entry = calibration.entries.get(name, {}) if calibration is not None else {}
        same = bool(entry) and json.dumps(_plain(entry["value"])) == json.dumps(_plain(value))
        source = entry.get("source", "") if same else "set by hand" if entry else ""
        found[name] = {"unit": entry.get("unit", ""), "source": source}
    return found


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else float(value)


def _calibration(member: Member) -> Any:
    """The calibration file that the run was solved from; None where it has none or the file is gone."""
    if member.source in model_names():
        return read_calibration(member.source)
    file = Path(member.source).expanduser()
    return read_calibration(file) if file.is_file() else None


def calibration_source(member: Member) -> str:
    """The source that the calibration file of a run states for all of it; "" where it states none."""
    calibration = _calibration(member)
    return calibration.source if calibration is not None else ""


def _header(member: Member) -> dict[str, str]:
    return {"period": member.config.get("period") or "", "source": calibration_source(member)}


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def choices_of(member: Member) -> dict[str, Any]:
    """What --set says of a run beside its calibration: the choices of an economy, the switches of a game.

    Raises RunError for a field that no command sets.
    """
    if member.kind == GAME:
        return member.config["switches"]
    model: Model = member.solved.economy.model if member.kind == STATIONARY else member.solved.model
    fields = {name: value for name, value in other_fields(model).items() if name != "period"}
    for name, written in fields.items():
        if name not in choice_names(type(model)):
            raise RunError(
                f"{member.folder} was solved with {name} = {written or getattr(model, name)!r}, which is no "
                "parameter, so "
                f"no command sets it: declare {name} with hm.parameter(...) or hm.choice(...) and solve again."
            )
    return {name: getattr(model, name) for name in fields}


def require_rebuilt(member: Member, file: Path, choices: Mapping[str, Any]) -> None:
    """Raise RunError unless the model file and calibration of a package make the model that was solved."""
    model = load_model(file, **choices)
    check_equations(member.folder, member.manifest, model)
    solved: Model = member.solved.economy.model if member.kind == STATIONARY else member.solved.model
    differs = [name for name, value in _fields(model).items() if value != _fields(solved).get(name)]
    if differs:
        raise RunError(
            f"{member.folder} was solved with another {differs[0]} than its model file and parameters make: solve "
            "again "
            "from the file."
        )


def _fields(model: Model) -> dict[str, str]:
    values = {**model.parameters(), "period": model.period}
    return {**{name: json.dumps(_listed(value)) for name, value in values.items()}, **_others(model)}


def _others(model: Model) -> dict[str, str]:
    return {name: str(written) for name, written in other_fields(model).items() if name != "period"}


def _listed(value: Any) -> Any:
    return np.asarray(value).tolist()


def is_shipped_game(source: str) -> bool:
    """Whether a game is part of the software."""
    return source in GAMES
