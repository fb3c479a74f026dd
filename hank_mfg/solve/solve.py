"""Solve an economy with aggregate risk, or a game: one function for every problem and every method.

An economy is trained by structural policy gradient (gradient/economies.py) or solved by the classical algorithm
(classical/); a game is trained by structural policy gradient or by a model-free baseline (gradient/games.py). All
training goes through the one loop of train.py.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import numpy as np

from hank_mfg.arguments import ArgumentError, check_argument, require_none
from hank_mfg.environment.game import AbstractGame
from hank_mfg.errors import warn_user
from hank_mfg.model.base import Model
from hank_mfg.precision import float64_allowed
from hank_mfg.progress import telling
from hank_mfg.solve.classical.krusell_smith import ClassicalSolution, KSAlgorithm, solve_classical
from hank_mfg.solve.gradient.box import Box
from hank_mfg.solve.gradient.box_training import BegunBox, BoxSolution, train_box
from hank_mfg.solve.gradient.economies import Begun, History, Watcher, price, train_economy
from hank_mfg.solve.gradient.game_spg import GameRSPG
from hank_mfg.solve.gradient.games import BegunGame, train_game
from hank_mfg.solve.gradient.robust import Adversary, Family, require_same_models
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.settings import CrowdSettings
from hank_mfg.solve.solution import GameSolution, Solution, Status
from hank_mfg.solve.stationary.steady_state import SteadyState, require_own_steady
from hank_mfg.solve.train import NotConvergedWarning, not_converged, not_settled

BOX_PATHS, BOX_HORIZON, BOX_UPDATES = 32, 10, 320  # over a box, unless settings are given


def require_aggregate_risk(model: Model) -> None:
    """Raise ValueError for a model without aggregate shocks: its stationary equilibrium is the whole solution."""
    if not model.aggregate_shocks():
        raise ValueError(
            f"{type(model).__name__} declares no aggregate_shocks(): without aggregate risk the stationary equilibrium "
            "is the whole solution; use `hank-mfg steady-state MODEL --out RUN`, or hm.steady_state(model) in Python."
        )


MANY_PAIRS = 10_000  # of asset points of two assets: above it training is slow


@overload
def solve(
    problem: Model,
    method: KSAlgorithm,
    *,
    seed: int = 0,
    steady: SteadyState | None = None,
    started: Callable[[SteadyState], None] | None = None,
    verbose: bool | None = None,
) -> ClassicalSolution:
    """An economy by the classical algorithm."""
    ...


@overload
def solve(
    problem: Model,
    method: RSPG | None = None,
    *,
    seed: int = 0,
    steady: SteadyState | None = None,
    resume: tuple[Any, History] | None = None,
    callback: Watcher | None = None,
    started: Callable[[SteadyState], None] | None = None,
    family: Family | None = None,
    over: None = None,
    verbose: bool | None = None,
) -> Solution:
    """An economy by training."""
    ...


@overload
def solve(
    problem: Model,
    method: RSPG | None = None,
    *,
    over: Box | Mapping[str, Sequence[float]],
    seed: int = 0,
    resume: tuple[Any, History] | None = None,
    callback: Watcher | None = None,
    verbose: bool | None = None,
) -> BoxSolution:
    """An economy over a box of parameters."""
    ...


@overload
def solve(
    problem: AbstractGame,
    method: Any = None,
    *,
    seed: int = 0,
    chunk: int = 20,
    resume: tuple[Any, History] | None = None,
    callback: Callable[[Any, History], bool | None] | None = None,
    verbose: bool | None = None,
) -> GameSolution:
    """A game by training."""
    ...


@float64_allowed
def solve(
    problem: Model | AbstractGame,
    method: Any = None,
    *,
    seed: int = 0,
    steady: SteadyState | None = None,
    resume: tuple[Any, History] | None = None,
    callback: Callable[[Any, History], bool | None] | None = None,
    started: Callable[[SteadyState], None] | None = None,
    family: Family | None = None,
    over: Box | Mapping[str, Sequence[float]] | None = None,
    chunk: int | None = None,
    verbose: bool | None = None,
) -> Solution | ClassicalSolution | GameSolution | BoxSolution:
    """Solve an economy with aggregate risk globally, or a game, by the method whose settings are given.

    `method`: for an economy `RSPG()`, the default (with two assets `RSPG.for_model(problem)`), `SPG()` without memory,
    or `KSAlgorithm()`, the classical algorithm of Krusell and Smith; for a game `GameRSPG()`, the default, `GameSPG()`,
    or a model-free baseline, `IPPO()`, `RIPPO()`, `MOMD()`. `seed`: the same seed on the same CPU gives the same bits;
    a GPU adds up in no fixed order.

    `callback(training, history)` is called after every few updates (for a game at most every `chunk`, 20 unless given);
    training stops where it returns True; `resume=(training, history)` continues to the same numbers as an unbroken run.
    Progress is printed on standard error every 30 seconds, with `verbose=True` every 10 seconds, with `verbose=False`
    never.

    Only for one economy: `steady`, its stationary equilibrium, which is then not solved again, or a planner's optimum,
    from which the solution is the planner's; `started(steady)`,
    called once before the first update; `family`, a set of models for the worst of which households prepare
    (robust.py); the solution is that of `problem`, the first model of the set, and its history has the adversary's
    weights.

    `over` asks for one policy over a box of parameters, `over={"risk_aversion": (1, 3)}` or an `hm.Box`, whose networks
    see the parameters: a `BoxSolution`, with the `Solution` at any point of it, `solution.at(risk_aversion=2)`. The
    method is then `RSPG(paths=32, horizon=10, updates=320)` unless given.

    Returns a `Solution`, a `ClassicalSolution`, a `GameSolution` or a `BoxSolution`; `status` says how the method
    ended, and a NotConvergedWarning says by how much it fell short. Raises SolveError where a number is not finite,
    SteadyStateError where no stationary equilibrium is found to start from, ValueError for arguments that do not fit
    the problem.
    """
    if resume is not None and not (isinstance(resume, tuple) and len(resume) == 2):
        raise ValueError(
            "resume holds no training and its history: pass (training, history) as callback was given them."
        )
    name = type(problem).__name__
    if isinstance(problem, AbstractGame):
        given = {"steady": steady, "started": started, "family": family, "over": over}
        require_none(given, "an economy", f"{name} is a game")
        settings = GameRSPG() if method is None else method
        return _solve_game(BegunGame(problem, settings, seed, chunk or 20, resume), callback, verbose)
    require_none({"chunk": chunk}, "a game", f"{name} is an economy")
    if over is not None:
        box = over if isinstance(over, Box) else Box(over)
        require_none({"steady": steady, "started": started, "family": family}, "one model", "over= asks for a box")
        settings = RSPG(paths=BOX_PATHS, horizon=BOX_HORIZON, updates=BOX_UPDATES) if method is None else method
        return _solve_box(BegunBox(problem, settings, box, seed, resume), callback, verbose)
    begun = Begun(problem, RSPG.for_model(problem) if method is None else method, seed, steady, resume, None)
    return _solve_economy(begun, callback, started, family, verbose)


def _solve_economy(
    begun: Begun, callback: Any, started: Any, family: Family | None, verbose: bool | None
) -> Solution | ClassicalSolution:
    model, settings, seed, steady, resume, _ = begun
    if isinstance(settings, GameRSPG | CrowdSettings):
        raise ArgumentError(
            f"solve(method=hm.{type(settings).__name__}(...)) is a method for games and {type(model).__name__} an "
            "economy: train its game, hm.solve(hm.as_game(model), ...), or give hm.RSPG() or hm.KSAlgorithm()."
        )
    check_argument("solve", "method", settings, RSPG | KSAlgorithm)
    require_aggregate_risk(model)
    require_own_steady(model, steady, planned=isinstance(settings, RSPG) and family is None)
    if isinstance(settings, KSAlgorithm):
        if callback is not None or resume is not None or family is not None:
            raise ValueError(
                "callback, resume and family are for training, which the classical algorithm does without: leave them "
                "out."
            )
        with telling("solve", verbose) as lines:
            lines.step("classical algorithm, beginning with the stationary equilibrium")
            return solve_classical(model, settings, seed=seed, steady=steady, started=started)
    price(model, settings)
    _warn_of_pairs(model, settings)
    models = None if family is None else family.worlds(model, settings.paths, settings.asset_points, settings.precision)
    if resume is not None:
        require_same_models(resume[1], models)
    if family is not None and models is not None:
        begun = begun._replace(adversary=Adversary(models, family.penalty, seed))
    with telling("solve", verbose) as lines:
        solution = train_economy(begun, callback, started, lines)
    if solution.status is Status.UPDATES_EXHAUSTED:
        more = f"updates, for instance RSPG(updates={2 * settings.updates})"
        warn_user(not_converged(solution, more), NotConvergedWarning)
    return dataclasses.replace(solution, family=family)


def _warn_of_pairs(model: Model, settings: RSPG) -> None:
    """Warn of settings for one asset where households have two."""
    pairs = settings.asset_points * settings.second_points
    if model.asset_names() and pairs > MANY_PAIRS:
        warn_user(
            f"RSPG(asset_points={settings.asset_points}, second_points={settings.second_points}) of a model with two "
            f"assets: {pairs} pairs of points make an update take minutes; RSPG.for_model(model) has settings for two."
        )


def _solve_box(begun: BegunBox, callback: Any, verbose: bool | None) -> BoxSolution:
    model, settings = begun.model, begun.settings
    check_argument("solve", "method", settings, RSPG)
    require_aggregate_risk(model)
    price(model, settings)
    with telling("solve", verbose) as lines:
        solution = train_box(begun, callback, lines)
    if solution.status is Status.UPDATES_EXHAUSTED:
        more = f"updates, for instance RSPG(updates={2 * settings.updates})"
        warn_user(not_converged(solution, more), NotConvergedWarning)
    return solution


def _solve_game(begun: BegunGame, callback: Any, verbose: bool | None) -> GameSolution:
    settings = begun.settings
    if not (hasattr(settings, "begin") and hasattr(settings, "update")):
        check_argument("solve", "method", settings, GameRSPG)
    with telling("solve", verbose) as lines:
        solution = train_game(begun, callback, lines)
    if solution.status is Status.UPDATES_EXHAUSTED:
        objective = np.asarray(solution.history["objective"])
        more = f"updates, for instance {type(settings).__name__}(updates={max(100, 2 * settings.updates)})"
        warn_user(not_settled(objective, more), NotConvergedWarning)
    return solution
