"""Train a game with any method for games: the calls of the one training loop around a method's `begin` and `update`."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from hank_mfg.environment.game import AbstractGame
from hank_mfg.errors import SolveError
from hank_mfg.precision import DTYPES, cast
from hank_mfg.progress import Course, Lines
from hank_mfg.solve.solution import GameSolution
from hank_mfg.solve.train import History, chunk_length, made, repeated, train


class BegunGame(NamedTuple):
    """Set up training: at most `chunk` updates in one compiled call, from `resume` where it goes on."""

    game: AbstractGame
    settings: Any
    seed: int
    chunk: int
    resume: tuple[Any, History] | None


@eqx.filter_jit
def _train(game: AbstractGame, training: Any, settings: Any, length: int):
    return repeated(lambda training: settings.update(game, training), training, length)


def train_game(begun: BegunGame, callback: Callable[[Any, History], bool | None] | None, lines: Lines) -> GameSolution:
    """Train a game until all updates are made or the callback stops it."""
    game, settings, seed, chunk, resume = begun
    inside = cast(game, DTYPES[settings.precision])
    training, history = resume if resume is not None else (settings.begin(inside, seed=seed), {})
    length = chunk_length(settings.updates, chunk)
    started = time.perf_counter()
    lines.step("compiling")
    program = _train.lower(inside, training, settings, length).compile()
    seconds_compile = time.perf_counter() - started
    course = Course(settings.updates, made(history))
    lines.step(f"training, {settings.updates - made(history)} updates")

    def advance(training: Any, history: History) -> tuple[Any, History]:
        already, begin = float(history["seconds"][-1]) if "seconds" in history else 0.0, time.perf_counter()
        training, reports = jax.block_until_ready(program(inside, training, settings, length))
        return training, _longer(history, reports, already + time.perf_counter() - begin)

    def say(history: History) -> None:
        objective = history["objective"][-length:].mean()
        lines.now(f"training, {course(made(history))}, objective {objective:.5g}")

    training, history, _ = train(advance, training, history, updates=settings.updates, say=say, callback=callback)
    device = jax.tree.leaves(eqx.filter(training, eqx.is_array))[0].devices().pop()
    seconds = float(history["seconds"][-1])
    name = f"{device.platform} ({device.device_kind})"
    return GameSolution(game, settings, training, history, seed, name, seconds_compile, seconds)


def _longer(history: History, reports: dict[str, Any], seconds: float) -> History:
    done = made(history)
    fresh = {name: np.asarray(values) for name, values in reports.items()}
    wrong = ~np.isfinite(fresh["loss"])
    if wrong.any():
        raise SolveError(
            f"Update {done + int(np.argmax(wrong)) + 1}: the loss became NaN or infinite; lower the learning rate."
        )
    count = len(fresh["loss"])
    fresh |= {"updates": np.array([done + count]), "seconds": np.array([seconds])}
    return {name: np.concatenate([history.get(name, np.zeros(0)), values]) for name, values in fresh.items()}
