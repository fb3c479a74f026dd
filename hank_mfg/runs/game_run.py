"""The run folder of a game: as in storage.py; config.json names the game, its switches, the method and its settings.

metrics.jsonl   update, seconds of training, loss, objective; with `measure` the exploitability by population
game.py         a copy of the user's own game file, where there is one
"""

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hank_mfg.environment.economy_game import EconomyGame
from hank_mfg.environment.game import AbstractGame
from hank_mfg.environment.games import load_game
from hank_mfg.evaluate.exploitability.game_exploitability import game_exploitability
from hank_mfg.files import write_text
from hank_mfg.model.model_files import own_text
from hank_mfg.precision import DTYPES, cast, float64_allowed
from hank_mfg.progress import saying
from hank_mfg.runs.lock import writing
from hank_mfg.runs.manifest import (
    Manifest,
    begin,
    check_equations,
    finish,
    holds_run,
    note_unverified,
    read_manifest,
    require_trusted,
)
from hank_mfg.runs.resuming import require_nothing_new
from hank_mfg.runs.storage import (
    UNFINISHED,
    History,
    Log,
    RunError,
    finished_config,
    has_checkpoint,
    read_checkpoint,
    remove_temporary,
    require_free,
    resumable,
    unfinished_config,
    verify,
    versions,
)
from hank_mfg.solve.baselines.mirror_descent import MOMD
from hank_mfg.solve.baselines.ppo import IPPO
from hank_mfg.solve.gradient.game_spg import GameRSPG
from hank_mfg.solve.play.game_play import game_play
from hank_mfg.solve.solution import GameSolution
from hank_mfg.solve.solve import solve

OWN = "game.py"

FINISHED = "FINISHED"
SETTINGS = {kind.__name__: kind for kind in (GameRSPG, IPPO, MOMD)}
MEASURES = 1.25  # between measures updates grow by this factor: as many early as late on a logarithmic axis


def solve_game_run(
    source: str | Path | type[AbstractGame] | AbstractGame,
    folder: str | Path,
    method: Any = None,
    *,
    seed: int,
    overrides: dict[str, Any] | None,
    measure: int = 0,
    chunk: int = 20,
    resume: bool,
    callback: Callable[[History], bool | None] | None,
    save_every: float,
    verbose: bool | None,
) -> GameSolution:
    """`solve_run` of a game: arguments, results and errors as there (run.py)."""
    folder = Path(folder)
    if resume and not holds_run(folder):
        raise RunError(f"{folder} holds no run to continue: begin one with `hank-mfg solve GAME --out {folder}`.")
    if resume:
        require_nothing_new(folder, source if isinstance(source, str | Path) else None, seed=seed or None)
    else:
        require_free(folder)
        played = load_game(source, **(overrides or {}))
        settings = method if method is not None else GameRSPG()
        config = {**_config(source, played, overrides or {}, settings, seed), "measure": measure, "chunk": chunk}
    with resumable(folder), writing(folder), saying(verbose):
        if resume:
            config = unfinished_config(folder)
            manifest = verify(folder, (OWN,) if not isinstance(source, str | Path) else ())
            played, settings = _game(folder, config, source), SETTINGS[config["method"]](**config["settings"])
            blank = partial(_blank, played, settings, config["seed"])
            start = read_checkpoint(folder, blank) if has_checkpoint(folder) else None
        else:
            require_free(folder)  # another process may have been faster
            start, manifest = None, None
            text = own_text(played, AbstractGame)
            if text is not None:
                write_text(folder / OWN, text)
        remove_temporary(folder)
        if manifest is None:
            manifest = begin(folder, config, played, [OWN] if (folder / OWN).exists() else [])
        return _train(folder, manifest, (played, settings, start), save_every, callback)


def _train(folder: Path, manifest: Manifest, job: tuple, save_every: float, callback: Any) -> GameSolution:
    """Train a game with settings from the start or a checkpoint, keeping everything in the run folder."""
    (game, settings, start), config = job, manifest["config"]
    logged = len(start[1]["loss"]) if start else 0
    log = Log(folder, manifest, logged, save_every, _line)
    measured = [line["update"] for line in map(json.loads, log.text.splitlines()) if "exploitability" in line]
    meter = Meter(game, config["measure"], settings.updates, measured[-1] if measured else 0)

    def record(training: Any, history: History) -> bool | None:
        log(training, history, **meter(training, history))
        return callback(history) if callback is not None else None

    solution = solve(game, settings, seed=config["seed"], chunk=config["chunk"], resume=start, callback=record)
    ended = {"status": FINISHED, "device": solution.device, "updates": solution.updates}
    timings = {name: getattr(solution, name) for name in ("seconds_compile", "seconds_train")}
    finish(folder, log.end(solution.training, solution.history, {**ended, **timings}))
    return solution


def _config(source, game: AbstractGame, switches: dict[str, Any], settings: Any, seed: int) -> dict[str, Any]:
    kind = type(settings).__name__
    if kind not in SETTINGS:
        raise RunError(f"{kind} is no method for games: choose settings of {', '.join(SETTINGS)}.")
    return {
        "game": str(source) if isinstance(source, str | Path) else type(game).__name__,
        "switches": switches,
        "method": kind,
        "settings": dataclasses.asdict(settings),
        "seed": seed,
        "versions": versions(),
        "status": UNFINISHED,
    }


def _line(history: History, fresh: slice) -> dict[str, Any]:
    means = {name: float(history[name][fresh].mean()) for name in ("loss", "objective")}
    return {"update": len(history["loss"]), "seconds": float(history["seconds"][-1]), **means}


class Meter:
    """Exploitability while training goes on, at updates that grow geometrically; nothing with `paths` 0."""

    def __init__(self, game: AbstractGame, paths: int, updates: int, measured: int):
        self.game, self.paths, self.updates = game, paths, updates
        self.due = 1.0 if measured == 0 else MEASURES * measured

    @float64_allowed
    def __call__(self, training: Any, history: History) -> dict[str, Any]:
        """The measure where one is due, as part of a line of metrics."""
        done = len(history["loss"])
        if self.paths == 0 or (done < self.due and done < self.updates):
            return {}
        self.due = MEASURES * done
        play = game_play(cast(self.game, np.float64), cast(training.strategies, np.float64))
        return {"exploitability": game_exploitability(play, paths=self.paths).clairvoyant}


def _game(folder: Path, config: dict[str, Any], given: Any = None) -> AbstractGame:
    """The game of a run; `given` where it is a class or an object, which the folder does not hold."""
    manifest, own = read_manifest(folder), folder / OWN
    if isinstance(given, AbstractGame):
        game = given
    elif isinstance(given, type):
        game = load_game(given, **config["switches"])
    else:
        if own.exists():
            require_trusted(folder, manifest, OWN)
        if config["game"] == EconomyGame.__name__:
            raise RunError(
                f"{folder} holds an economy trained as a game, an object that no file makes again: commands cannot "
                f"read it; in Python pass it, hm.load_run({str(folder)!r}, model=hm.as_game(...))."
            )
        game = load_game(own if own.exists() else config["game"], **config["switches"])
    check_equations(folder, manifest, game)
    return game


def _blank(game: AbstractGame, settings: Any, seed: int) -> Any:
    return settings.begin(cast(game, DTYPES[settings.precision]), seed=seed)


def load_game_run(folder: str | Path, game: type[AbstractGame] | AbstractGame | None = None) -> GameSolution:
    """The solution in the run folder of a game; `game` gives the class or object where it was not passed by name.

    Raises RunError when the folder holds no run, or one whose training did not end.
    """
    config = finished_config(folder)
    folder = Path(folder)
    if verify(folder, (OWN,) if game is not None else ()) is None:
        note_unverified(folder, OWN)
    played, settings = _game(folder, config, game), SETTINGS[config["method"]](**config["settings"])
    training, history = read_checkpoint(folder, partial(_blank, played, settings, config["seed"]))
    return GameSolution(
        played, settings, training, history, config["seed"], config["device"], config["seconds_compile"],
        config["seconds_train"],
    )  # fmt: skip
