"""Make a run of a package again: with its own settings, or in the quick mode, whose settings are small.

An entry is what package.json holds of a run: name, kind, model file, choices, seed, settings and quick settings. The
quick mode trains in float64, so that its numbers differ between machines by rounding alone.
"""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hank_mfg.errors import HankError
from hank_mfg.packages.commands import is_reported
from hank_mfg.packages.member import Member
from hank_mfg.packages.numbers import Numbers, numbers_of
from hank_mfg.precision import float64_allowed
from hank_mfg.report.game_report import write_game_evaluation
from hank_mfg.report.report import write_evaluation, write_moments
from hank_mfg.runs.game_run import SETTINGS
from hank_mfg.runs.kinds import ECONOMY, GAME, STATIONARY
from hank_mfg.runs.run import solve_run
from hank_mfg.runs.steady_run import SETTINGS as SIZES
from hank_mfg.runs.steady_run import steady_state_run
from hank_mfg.solve.gradient.robust import Family
from hank_mfg.solve.gradient.spg import RSPG

SMALL: dict[str, Any] = {  # the most of each setting in the quick mode
    "updates": 4, "paths": 2, "horizon": 10, "epochs": 4, "knots": 10, "warmup": 20, "asset_points": 60,
    "second_points": 25, "individuals": 100, "batch": 100, "units": 8, "width": 8,
}  # fmt: skip
FEW = {"first": 60, "two": 25}  # asset points of a stationary equilibrium in the quick mode, and of each of two assets
GRID = ("asset_points", "second_points")

Entry = dict[str, Any]


def entry_of(member: Member, source: str, choices: dict[str, Any]) -> Entry:
    """What package.json holds of a run, beside its quick settings."""
    config = member.config
    found = {"name": member.name, "kind": member.kind, "model": source, "choices": choices}
    if member.kind == STATIONARY:
        return {**found, "settings": {name: config[name] for name in SIZES}}
    found["seed"] = config["seed"]
    if member.kind == GAME:
        measured = _sizes(member, "paths")
        return {**found, "method": config["method"], "settings": config["settings"], "measured": measured}
    measured = {**_sizes(member, "periods"), "moments": is_reported(member) or "moments.csv" in member.results}
    return {**found, "settings": config["method"], "family": config.get("family"), "measured": measured}


def _sizes(member: Member, size: str) -> dict[str, Any]:
    """The sizes with which accuracy was measured; empty where it was not."""
    if "evaluation.json" not in member.results:
        return {}
    content = json.loads((member.folder / "evaluation.json").read_text("utf-8"))
    return {name: content[name] for name in (size, "seed")}


def quick_settings(entry: Entry, *, own_grid: bool = False) -> dict[str, Any]:
    """The settings of the quick mode: those of the run, none larger than `SMALL`, in float64; with `own_grid` on the
    asset points of the run, where an economy has no equilibrium on fewer."""
    settings = dict(entry["settings"])
    if entry["kind"] == STATIONARY:
        points = settings["asset_points"]
        few = (
            {k: min(v, FEW["two"]) for k, v in points.items()}
            if isinstance(points, dict)
            else min(points, FEW["first"])
        )
        return {**settings, "asset_points": points if own_grid else few}
    kept = GRID if own_grid else ()
    small = {k: min(v, SMALL[k]) for k, v in settings.items() if k in SMALL and k not in kept and v is not None}
    return {**settings, **small, "precision": "float64"}


def rerun(entry: Entry, package: Path, folder: Path, *, quick: bool) -> Numbers:
    """Solve a run again into the empty `folder`, measure what it measured, and return its numbers.

    `package` is the folder that holds the model files. Raises what solving raises.
    """
    settings = entry["quick" if quick else "settings"]
    source = entry["model"] if is_name(entry) else str(package / entry["model"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of accuracy, which the quick mode does not have
        solved = _RERUN[entry["kind"]](entry, source, folder, settings, quick)
        return numbers_of(entry["kind"], solved, folder, quick=quick)


def is_name(entry: Entry) -> bool:
    """Whether the model of an entry is a shipped game and not a file of the package."""
    return "/" not in entry["model"]


def _stationary(entry: Entry, source: str, folder: Path, settings: dict[str, Any], quick: bool) -> Any:
    return steady_state_run(source, folder, overrides=entry["choices"], **settings, verbose=False)


@float64_allowed
def _economy(entry: Entry, source: str, folder: Path, settings: dict[str, Any], quick: bool) -> Any:
    family = Family(**entry["family"]) if entry["family"] else None
    chosen = RSPG(**settings)
    solution = solve_run(
        source, folder, chosen, seed=entry["seed"], overrides=entry["choices"], family=family, verbose=False
    )  # fmt: skip
    measured = {name: value for name, value in entry["measured"].items() if name != "moments"}
    if not quick and measured:
        write_evaluation(solution, folder, **measured)
    if not quick and entry["measured"]["moments"]:
        write_moments(solution, folder, **{"periods": 10_000, "seed": 1, **measured})
    return solution


@float64_allowed
def _game(entry: Entry, source: str, folder: Path, settings: dict[str, Any], quick: bool) -> Any:
    chosen = SETTINGS[entry["method"]](**settings)
    solution = solve_run(source, folder, chosen, seed=entry["seed"], overrides=entry["choices"], verbose=False)
    if not quick and entry["measured"]:
        write_game_evaluation(solution, folder, **entry["measured"])
    return solution


_RERUN: dict[str, Callable[[Entry, str, Path, dict[str, Any], bool], Any]] = {
    ECONOMY: _economy, STATIONARY: _stationary, GAME: _game,
}  # fmt: skip


def with_quick(entry: Entry, package: Path, folder: Path) -> tuple[Entry, Numbers]:
    """The entry with settings of the quick mode that work, and its numbers: on few asset points, or on the run's own.

    Raises HankError or ValueError where neither does.
    """
    small = {**entry, "quick": quick_settings(entry)}
    try:
        return small, rerun(small, package, folder / "small", quick=True)
    except (HankError, ValueError, FloatingPointError):
        own = {**entry, "quick": quick_settings(entry, own_grid=True)}
        return own, rerun(own, package, folder / "own", quick=True)
