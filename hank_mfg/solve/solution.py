"""What solvers return."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Aggregate, Economy
from hank_mfg.environment.game import AbstractGame
from hank_mfg.environment.grids import AssetGrid
from hank_mfg.environment.product_grid import ProductGrid, grid_of
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.model.portable import portable
from hank_mfg.policy.policy import Policy
from hank_mfg.policy.strategy import Strategy
from hank_mfg.precision import cast, in_jax
from hank_mfg.solve.gradient.robust import Family
from hank_mfg.solve.gradient.spg import RSPG, Training
from hank_mfg.solve.play.game_play import GamePlay, game_play
from hank_mfg.solve.play.policy_query import Answers
from hank_mfg.solve.play.rollout import Play, State
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.solve.train import History, Status
from hank_mfg.wording import readable

FINER = 2  # times as many asset points as in training, where there is one asset


class GlobalSolution(Protocol):
    """The interface of evaluators to a solution with aggregate risk: a play, its initial state, and the stationary
    equilibrium that closes the horizon."""

    @property
    def steady(self) -> SteadyState:
        """The stationary equilibrium."""
        ...

    def play(self, asset_points: int | None = None) -> Play:
        """The policy on a grid of choice, in float64."""
        ...

    def start(self, play: Play) -> State:
        """A state of the ergodic set on the grid of `play`."""
        ...


class Trained:
    """What training leaves: the parts of `Training`, and its `history`."""

    policy: Policy
    optimizer: optax.OptState
    states: State
    key: Array
    price_noise_sd: Array
    history: dict[str, np.ndarray]

    @property
    def updates(self) -> int:
        """The number of updates made."""
        return len(self.history["update"])

    @property
    def precision(self) -> str:
        """The precision of training."""
        return str(self.policy.knots.dtype)

    def training(self) -> Training[State]:
        """The state of training, enough to resume it."""
        return Training(self.policy, self.optimizer, self.states, self.key, self.price_noise_sd)


@readable
@portable
@dataclasses.dataclass(frozen=True)
class Solution(Trained, Answers):
    """A trained economy.

    `policy` and `states` (the paths' last states, leading axis paths) are in the training `precision`; `steady` is the
    stationary equilibrium that training started from, float64; `optimizer` and `key` let training go on. `history` maps
    names to arrays, one entry per update: update, loss, euler_error (relative consumption, mass-weighted mean),
    price_error (of expectations, that of firms in units of inflation; zero without), objective (mean flow utility);
    after robust training for a `family` also the weights of its models, the losses in them that moved these (updates,
    models), and adversary_gain, what other weights would have gained the adversary then, percent of consumption."""

    model: Model
    settings: RSPG
    steady: SteadyState
    policy: Policy
    optimizer: optax.OptState
    states: State
    key: Array
    price_noise_sd: Array
    history: dict[str, np.ndarray]
    status: Status
    seed: int
    device: str
    seconds_compile: float
    seconds_train: float
    seconds_total: float
    family: Family | None = None

    @property
    def seconds_run(self) -> float:
        """Seconds of solving without compilation, as for every method."""
        return self.seconds_train

    def worlds(self) -> list[dict[str, Any]]:
        """The members of the model set: what `changes`, the adversary's last `weight`, and by how much households
        were worse off than in the first, `loss_percent` of consumption, when it was set (None where training ended
        before that); empty without a family."""
        if self.family is None:
            return []
        found = zip(
            self.family.changes(self.model), self.history["weights"][-1], self.history["losses"][-1], strict=True
        )
        return [
            {"changes": each, "weight": float(weight), "loss_percent": float(loss) if np.isfinite(loss) else None}
            for each, weight, loss in found
        ]

    def adversary_gain(self) -> float | None:
        """The adversary's gain in robust training, percent of consumption, from the best weights instead
        of its own when losses were last measured; None without a family and before any are."""
        gain = float(self.history["adversary_gain"][-1]) if self.family is not None else float("nan")
        return gain if np.isfinite(gain) else None

    @property
    def objective(self) -> float:
        """The last flow utility, mean over the population, paths and periods."""
        return float(self.history["objective"][-1])

    def play(self, asset_points: int | Mapping[str, int] | None = None, dtype=jnp.float64) -> Play:
        """The trained policy on a grid and in a precision of choice, by default twice as fine as in training, of two
        assets as in training."""
        points = self.settings.points(self.model, FINER) if asset_points is None else asset_points
        economy = discretize(self.model, points, dtype, planned=self.steady.economy.planned)
        policy = cast(self.policy, dtype)
        return Play(economy, policy, policy.tables_on(economy.grid))

    def start(self, play: Play, path: int = 0) -> State:
        """The last state of one training path, a draw from the ergodic set, moved to the grid of `play`."""
        dtype = play.economy.dtype
        mass = np.asarray(self.states.aggregate.mass[path], np.float64)
        points = self.settings.points(self.model) if play.economy.several else mass.shape[0]
        grid = grid_of(self.model.asset_space(), points, dtype)
        moved = move_mass(mass / mass.sum(), grid, play.economy.grid)
        shock = in_jax(np.asarray(self.states.aggregate.shock[path], np.int32))
        memory = in_jax(np.asarray(self.states.memory[path], dtype))
        state_variables, guess = cast(
            jax.tree.map(lambda x: x[path], (self.states.aggregate.state_variables, self.states.guess)), dtype
        )
        return State(Aggregate(jnp.asarray(moved.astype(dtype)), shock, state_variables), memory, guess)


def model_note(solution: GlobalSolution) -> str:
    """A sentence for a note: that a planner chooses, or of which model of a set a result is; "" of households who were
    trained for one model."""
    if solution.steady.economy.planned:
        return "A planner chooses savings for all, and Euler errors are those of the planner's condition."
    if not isinstance(solution, Solution) or solution.family is None:
        return ""
    count = len(solution.family.changes(solution.model))
    return f"In the model itself, the first of the {count} models that the policy was trained for."


def move_mass(mass, points, target) -> np.ndarray:
    """Mass (assets, income) on other asset points `target`, split between neighbors so that its mean is unchanged.

    NumPy, float64; `points` and `target` are grids or asset points, and the first lie within the range of the second.
    """
    if isinstance(points, ProductGrid):
        apart = np.asarray(points.apart(np.asarray(mass, np.float64)))
        for place, (before, after) in enumerate(zip(points.axes, target.axes, strict=True)):
            rows = np.moveaxis(apart, place, 0)
            moved = move_mass(rows.reshape(len(rows), -1), before, after)
            apart = np.moveaxis(moved.reshape(-1, *rows.shape[1:]), 0, place)
        return apart.reshape(target.size, -1)
    points, target = (each.points if isinstance(each, AssetGrid) else each for each in (points, target))
    mass, points, target = (np.asarray(x, np.float64) for x in (mass, points, target))
    index = np.clip(np.searchsorted(target, points, side="right") - 1, 0, len(target) - 2)
    weight = ((points - target[index]) / (target[index + 1] - target[index]))[:, None]
    moved = np.zeros((len(target), mass.shape[1]))
    np.add.at(moved, index, mass * (1.0 - weight))
    np.add.at(moved, index + 1, mass * weight)
    return moved


def initial_aggregate(economy: Economy, steady: SteadyState) -> Aggregate:
    """The stationary mass and steady state variables on the grid of `economy`, in the middle aggregate state."""
    mass = move_mass(steady.mass, steady.economy.grid, economy.grid)
    shock = np.int32((economy.shock_count - 1) // 2)
    state_variables = {
        name: in_jax(np.asarray(steady.aggregates[name], economy.dtype)) for name in economy.model.state_variables()
    }
    return Aggregate(in_jax(mass.astype(economy.dtype)), in_jax(shock), Named("state_variables", state_variables))


@readable
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

        It says that training has converged, not that it has to an equilibrium: `exploitability` measures that.
        """
        objective = np.asarray(self.history["objective"], np.float64)
        tenth = len(objective) // 10
        if tenth < 4:
            return False
        before, after = objective[-2 * tenth : -tenth], objective[-tenth:]
        moved, error = abs(after.mean() - before.mean()), np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / tenth)
        return bool(moved <= max(3.0 * error, 0.01 * abs(after.mean() - objective[:tenth].mean())))

    @property
    def status(self) -> Status:
        """The status of training: converged where the objective had `settled`, unfinished where it was stopped before
        all updates were made."""
        if self.settled:
            return Status.CONVERGED
        return Status.UPDATES_EXHAUSTED if self.updates >= self.settings.updates else Status.UNFINISHED

    @property
    def precision(self) -> str:
        """The precision of training."""
        return self.settings.precision

    def play(self, dtype=jnp.float64) -> GamePlay:
        """The game and its strategies in a precision of choice; float64 needs `jax.enable_x64`."""
        return game_play(cast(self.game, dtype), cast(self.strategies, dtype))
