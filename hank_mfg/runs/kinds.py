"""The kind of a problem or of a run folder: an economy, a stationary equilibrium or a game.

Nothing else decides it: solve_run, load_run and the command line choose by the answer from tables.
"""

from pathlib import Path
from typing import Any

from hank_mfg.environment.game import AbstractGame
from hank_mfg.environment.games import is_game
from hank_mfg.runs.manifest import STATIONARY, holds_run
from hank_mfg.runs.storage import read_config

ECONOMY, GAME = "economy", "game"
WHAT = {ECONOMY: "an economy", STATIONARY: "a stationary equilibrium", GAME: "a game"}


def kind_of(source: Any) -> str:
    """`ECONOMY` or `GAME`, of a shipped name, the path of a file, a class or an object."""
    if isinstance(source, str | Path):
        return GAME if is_game(str(source)) else ECONOMY
    game = isinstance(source, AbstractGame) or (isinstance(source, type) and issubclass(source, AbstractGame))
    return GAME if game else ECONOMY


def kind_of_run(folder: str | Path) -> str:
    """`ECONOMY`, `STATIONARY` or `GAME`. Raises RunError where the folder holds no run."""
    config = read_config(folder)
    return GAME if "game" in config else config.get("kind", ECONOMY)


def kind_to_solve(source: Any, folder: str | Path, resume: bool) -> str:
    """That of the run which is continued, where `resume` is asked and `folder` holds one; else that of `source`."""
    return kind_of_run(folder) if resume and holds_run(Path(folder)) else kind_of(source)
