"""What a solver returns, and why it may refuse."""

import dataclasses
import enum

import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Aggregate, Economy, discretize
from hank_mfg.environment.grids import AssetGrid, asset_grid
from hank_mfg.model.base import Model
from hank_mfg.policy.policy import Policy
from hank_mfg.precision import cast
from hank_mfg.solve.rollout import Play, State
from hank_mfg.solve.steady_state import SteadyState


class Status(enum.Enum):
    """How training ended; the values are the messages."""

    CONVERGED = "The mass-weighted Euler error fell below the tolerance."
    UPDATES_EXHAUSTED = "All updates were used before the Euler error fell below the tolerance."
    UNFINISHED = "Training was interrupted; resume it from the checkpoint."


class SolveError(RuntimeError):
    """Training cannot go on; the message names the update, the path and the quantity."""


@dataclasses.dataclass(frozen=True)
class Solution:
    """A trained economy.

    `policy` and `states` (the paths' last states, leading axis paths) are in the training `precision`; `steady` is the
    stationary equilibrium that training started from, float64; `optimizer` and `key` let training go on. `history` maps names to arrays, one entry per update:
    update, loss, euler_error (relative consumption, mass-weighted mean), objective (mean flow utility).
    """

    model: Model
    settings: object
    steady: SteadyState
    policy: Policy
    optimizer: object
    states: State
    key: Array
    history: dict[str, np.ndarray]
    status: Status
    seed: int
    device: str
    seconds_compile: float
    seconds_train: float
    seconds_total: float

    @property
    def updates(self) -> int:
        """The number of updates made."""
        return len(self.history["update"])

    @property
    def precision(self) -> str:
        """The precision of training."""
        return str(self.policy.knots.dtype)

    @property
    def objective(self) -> float:
        """The last flow utility, mean over the population, paths and periods."""
        return float(self.history["objective"][-1])

    def play(self, asset_points: int | None = None, dtype=jnp.float64) -> Play:
        """The trained policy on a grid and in a precision of choice; the training grid by default."""
        points = self.settings.asset_points if asset_points is None else asset_points
        economy = discretize(self.model, points, dtype)
        policy = cast(self.policy, dtype)
        return Play(economy, policy, policy.tables(economy.grid.points))

    def start(self, play: Play, path: int = 0) -> State:
        """The last state of one training path, a draw from the ergodic set, moved to the grid of `play`."""
        grid = asset_grid(self.model.asset_space(), self.states.aggregate.mass.shape[-2], play.economy.dtype)
        mass = jnp.asarray(self.states.aggregate.mass[path], play.economy.dtype)
        memory = jnp.asarray(self.states.memory[path], play.economy.dtype)
        mass = move_mass(mass / mass.sum(), grid.points, play.economy.grid)
        return State(Aggregate(mass, jnp.asarray(self.states.aggregate.shock[path], jnp.int32)), memory)


def move_mass(mass: Array, points: Array, grid: AssetGrid) -> Array:
    """Mass (points, income) on other asset points, split between neighbors so that its mean is unchanged."""
    index = grid.bracket(points)
    weight = ((points - grid.points[index]) / (grid.points[index + 1] - grid.points[index]))[:, None]
    empty = jnp.zeros((grid.size, mass.shape[1]), mass.dtype)
    return empty.at[index].add(mass * (1.0 - weight)).at[index + 1].add(mass * weight)


def initial_state(economy: Economy, steady: SteadyState, memory: Array) -> State:
    """The stationary mass on the grid of `economy`, in the aggregate state nearest to the long-run mean."""
    dtype = economy.dtype
    mass = move_mass(jnp.asarray(steady.mass, dtype), jnp.asarray(steady.economy.grid.points, dtype), economy.grid)
    return State(Aggregate(mass, jnp.asarray((economy.shock_count - 1) // 2, jnp.int32)), memory)
