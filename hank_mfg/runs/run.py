"""Run folders of economies and of games: solve into one, continue one, load one.

kinds.py determines the kind; economy_run.py, steady_run.py and game_run.py do the work.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from hank_mfg.arguments import require_none
from hank_mfg.environment.game import AbstractGame
from hank_mfg.model.base import Model
from hank_mfg.runs.economy_run import load_economy_run, solve_economy_run
from hank_mfg.runs.game_run import load_game_run, solve_game_run
from hank_mfg.runs.kinds import ECONOMY, GAME, STATIONARY, WHAT, kind_of_run, kind_to_solve
from hank_mfg.runs.steady_run import load_steady_run
from hank_mfg.solve.gradient.robust import Family

Source = str | Path | type[Model] | Model | type[AbstractGame] | AbstractGame


def solve_run(
    source: Source,
    folder: str | Path,
    method: Any = None,
    *,
    seed: int = 0,
    overrides: dict[str, Any] | None = None,
    resume: bool = False,
    callback: Callable[[dict[str, np.ndarray]], bool | None] | None = None,
    save_every: float = 5.0,
    family: Family | None = None,
    measure: int | None = None,
    chunk: int | None = None,
    verbose: bool | None = None,
) -> Any:
    """Solve an economy or a game as `solve` does and keep everything in `folder`.

    `source` is a shipped name, the path of a file, a class or an object; `overrides` change its parameters, or the
    switches of a game, by name. A checkpoint is written after the first few updates, then at most every `save_every`
    seconds, and at the end. With `resume=True` training continues from the checkpoint, or from the beginning where
    there is none yet, to the same numbers as an unbroken run on the same device; `source` is then read only where it is
    a class or an object, which the folder does not hold. `callback(history)` is called after every few updates.

    Only for an economy: `family`, a set of models for the worst of which households prepare. Only for a game: `chunk`,
    the most updates in one call of the compiled program, 20 unless given; `measure`, the number of paths on which
    clairvoyant exploitability is measured during training, first after the first call, then each time the number of
    updates has grown by a quarter, and at the end.

    Returns the `Solution` or the `GameSolution`. Raises RunError when the folder already holds a run and `resume` is
    not given, or when there is nothing to resume.
    """
    given: Any = {
        "seed": seed, "overrides": overrides, "resume": resume, "callback": callback, "save_every": save_every,
        "verbose": verbose,
    }  # fmt: skip
    kind, what = kind_to_solve(source, folder, resume), cast(Any, source)
    only = {"family": (ECONOMY, family), "measure": (GAME, measure), "chunk": (GAME, chunk)}
    for name, (owner, value) in only.items():
        require_none({name: value if owner != kind else None}, WHAT[owner], f"this is {WHAT[kind]}")
    own = {name: value for name, (owner, value) in only.items() if owner == kind and value is not None}
    return _SOLVE[kind](what, folder, method, **own, **given)


def load_run(folder: str | Path, model: Any = None) -> Any:
    """The `Solution` of an economy, the `SteadyState` of a stationary equilibrium or the `GameSolution` of a game in a
    run folder.

    `model` gives the class of a model or game that was not passed by name, or the object. Every file is compared with
    the checksums of manifest.json, and the equations with those that were solved. What can be rebuilt is, with a
    warning: config.json, metrics.jsonl and manifest.json. Raises RunError, naming the file or the equation, for
    anything else that is not what it was; for a folder without a run or with one whose training did not end; and for a
    run with a Python file of its own that was solved elsewhere, until `trust_run` allows it.
    """
    return _LOAD[kind_of_run(folder)](folder, model)


_SOLVE: dict[str, Callable[..., Any]] = {
    ECONOMY: solve_economy_run, STATIONARY: solve_economy_run, GAME: solve_game_run,
}  # fmt: skip
_LOAD: dict[str, Callable[..., Any]] = {
    ECONOMY: load_economy_run, STATIONARY: load_steady_run, GAME: load_game_run,
}  # fmt: skip
