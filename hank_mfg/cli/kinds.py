"""The module that runs a command, economies.py, stationary.py or games.py, by the kind of a problem or a run."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hank_mfg.runs.kinds import ECONOMY, GAME, STATIONARY, kind_of, kind_of_run

_MODULES = {ECONOMY: "economies", STATIONARY: "stationary", GAME: "games"}


class Asked(NamedTuple):
    """The arguments of `hank-mfg solve` as typed, the folder of compiled programs, and the seconds so far."""

    source: str | None
    folder: Path
    method: str | None
    option: list[str] | None
    set_: list[str] | None
    seed: int | None
    family: list[str] | None
    penalty: float
    measure: int | None
    resume: bool
    quiet: bool
    cache: Path | None
    seconds: Callable[[], float]


def commands(kind: str) -> Any:
    """The module with the commands of a kind: show, settings_of, solve, evaluate, report."""
    return importlib.import_module(f"hank_mfg.cli.{_MODULES[kind]}")


def require_economy(what: str, *, source: str | None = None, run: Path | None = None) -> None:
    """Raise ValueError where a command for economies with aggregate risk, which gives `what`, gets another kind."""
    kind = kind_of(source) if run is None else kind_of_run(run)
    if kind != ECONOMY:
        raise ValueError(commands(kind).has_no(what, source if run is None else run))
