"""Solve a game: the training loop around the updates of game_spg.py, and what it returns."""

import dataclasses
import time
import warnings
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.game import AbstractGame
from hank_mfg.model.portable import portable
from hank_mfg.policy.strategy import Strategy
from hank_mfg.precision import DTYPES, cast, float64_allowed
from hank_mfg.progress import Course, Lines, telling
from hank_mfg.solve.convergence import NotConvergedWarning, chunk_length, not_settled
from hank_mfg.solve.gradient.game_spg import GameRSPG
from hank_mfg.solve.play.game_play import GameError, GamePlay, game_play

History = dict[str, np.ndarray]


@portable
@dataclasses.dataclass(frozen=True)
class GameSolution:
    """A trained game.

    `strategies` of each population in the training `precision`; `training` is everything that lets training go on;
    `history` maps names to arrays, one entry per update (loss, objective: the mean value of following) and, per call of
    the compiled program, `updates` and `seconds` of training so far.
    """

    game: AbstractGame
    settings: Any
    training: Any
    history: History
    seed: int
    device: str
    seconds_compile: float
    seconds_train: float

    @property
    def strategies(self) -> dict[str, Strategy]:
        """The strategy of each population."""
        return self.training.strategies

    @property
    def updates(self) -> int:
        """The number of updates made."""
        return len(self.history["loss"])

    @property
    def settled(self) -> bool:
        """Whether the objective had stopped moving: means over the last two tenths of training differ by less than
        three standard errors, or by less than a hundredth of all that training moved it. False below 40 updates.

        It says that training rests, not that it rests at an equilibrium: `game_exploitability` measures that.
        """
        objective = np.asarray(self.history["objective"], np.float64)
        tenth = len(objective) // 10
        if tenth < 4:
            return False
        before, after = objective[-2 * tenth : -tenth], objective[-tenth:]
        moved, error = abs(after.mean() - before.mean()), np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / tenth)
        return bool(moved <= max(3.0 * error, 0.01 * abs(after.mean() - objective[:tenth].mean())))

    @property
    def precision(self) -> str:
        """The precision of training."""
        return self.settings.precision

    def play(self, dtype=jnp.float64) -> GamePlay:
        """The game and its strategies in a precision of choice; float64 needs `jax.enable_x64`."""
        return game_play(cast(self.game, dtype), cast(self.strategies, dtype))


@eqx.filter_jit
def _train(game: AbstractGame, training: Any, settings: Any, length: int):
    arrays, static = eqx.partition(training, eqx.is_array)

    def one(arrays, _):
        after, report = settings.update(game, eqx.combine(arrays, static))
        return eqx.filter(after, eqx.is_array), report

    arrays, reports = jax.lax.scan(one, arrays, None, length=length)
    return eqx.combine(arrays, static), reports


@float64_allowed
def solve_game(
    game: AbstractGame,
    method: Any = None,
    *,
    key: int = 0,
    chunk: int = 20,
    resume: tuple[Any, History] | None = None,
    watch: Callable[[Any, History], bool | None] | None = None,
    verbose: bool | None = None,
) -> GameSolution:
    """Solve a game by (recurrent) structural policy gradient, or by a baseline whose settings are given.

    `method` holds the settings: `GameRSPG()` unless said, `GameSPG()` without memory, or a baseline, `IPPO()`,
    `RIPPO()` or `MOMD()`. `key` is the integer seed: the same seed on the same CPU gives the same bits.
    `watch(training, history)` is called at least every `chunk` updates, with what `resume=(training, history)` needs to
    go on to the same numbers; training ends early when it returns True. What it is doing is told on standard error
    every 30 seconds, with `verbose=True` at every step and every 10 seconds, with `verbose=False` never. All updates
    made and the objective not `settled` gives a NotConvergedWarning. Raises GameError when a loss is not a number.
    """
    settings = method if method is not None else GameRSPG()
    with telling("solve_game", verbose) as lines:
        solution = _solve(game, settings, (key, chunk, resume), watch, lines)
    if solution.updates >= settings.updates and not solution.settled:
        objective = np.asarray(solution.history["objective"])
        more = f"updates, for instance {type(settings).__name__}(updates={max(100, 2 * settings.updates)})"
        warnings.warn(not_settled(objective, more), NotConvergedWarning, stacklevel=4)
    return solution


def _solve(game: AbstractGame, settings: Any, begun: tuple, watch: Callable | None, lines: Lines) -> GameSolution:
    """`begun` are the seed, the updates of a call, and what training goes on from, None from the start."""
    key, chunk, resume = begun
    economy = cast(game, DTYPES[settings.precision])
    training = settings.begin(economy, seed=key) if resume is None else resume[0]
    history: History = {} if resume is None else resume[1]
    length = chunk_length(settings.updates, chunk)
    started = time.perf_counter()
    lines.step("compiling")
    program = _train.lower(economy, training, settings, length).compile()
    compiled = time.perf_counter()
    already = float(history["seconds"][-1]) if "seconds" in history else 0.0
    course = Course(settings.updates, len(history.get("loss", ())))
    lines.step(f"training, {settings.updates - len(history.get('loss', ()))} updates")
    while len(history.get("loss", ())) < settings.updates:
        training, reports = jax.block_until_ready(program(economy, training, settings, length))
        history = _longer(history, reports, already + time.perf_counter() - compiled)
        lines.now(f"training, {course(len(history['loss']))}, objective {history['objective'][-length:].mean():.5g}")
        if watch is not None:
            pause = time.perf_counter()
            stop = watch(training, history)
            compiled += time.perf_counter() - pause  # the watcher's time is not training time
            if stop:
                break
    device = jax.tree.leaves(eqx.filter(training, eqx.is_array))[0].devices().pop()
    return GameSolution(
        game, settings, training, history, key, f"{device.platform} ({device.device_kind})",
        compiled - started, float(history["seconds"][-1]),
    )  # fmt: skip


def _longer(history: History, reports: dict[str, Any], seconds: float) -> History:
    done = len(history.get("loss", ()))
    fresh = {name: np.asarray(values) for name, values in reports.items()}
    wrong = ~np.isfinite(fresh["loss"])
    if wrong.any():
        raise GameError(
            f"Update {done + int(np.argmax(wrong)) + 1}: the loss became NaN or infinite; lower the learning rate."
        )
    count = len(fresh["loss"])
    fresh |= {"updates": np.array([done + count]), "seconds": np.array([seconds])}
    return {name: np.concatenate([history.get(name, np.zeros(0)), values]) for name, values in fresh.items()}
