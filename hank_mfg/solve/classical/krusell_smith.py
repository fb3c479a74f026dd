"""The classical algorithm of Krusell and Smith: households forecast with a log-linear law for one aggregate.

    log K' = intercept_z + slope_z log K        in aggregate state z, for the one aggregate K that choices move

1. Policies given the law, by the endogenous grid method on own assets x income x K x z (classical_household.py).
2. The economy along one fixed path of aggregate shocks: a histogram moved exactly (Young 2010), without sampling.
3. Least squares of log K' on log K, state by state; the law moves part of the way, corrected by the laws already tried
   (`next_law`); repeated until no coefficient is further than `tolerance` from what the simulation says.

Aggregates that choices do not move (labor, unemployment) are taken at their long-run values in each aggregate state.
Where the simulated ones depend on the history of shocks a warning says by how much.

Source: Krusell and Smith (1998), "Income and Wealth Heterogeneity in the Macroeconomy", JPE 106(5); Young (2010),
JEDC 34(1); Anderson (1965), "Iterative procedures for nonlinear integral equations", JACM 12(4).
"""

import concurrent.futures
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Aggregate
from hank_mfg.environment.grids import asset_grid
from hank_mfg.errors import warn_user
from hank_mfg.model.base import Model
from hank_mfg.model.portable import portable
from hank_mfg.precision import cast, float64_allowed, in_jax
from hank_mfg.solve.classical.household import (
    TabulatedPolicy,
    long_run_aggregates,
    perceive,
    solve_policies,
)
from hank_mfg.solve.classical.law_of_motion import LawOfMotion
from hank_mfg.solve.classical.law_search import (
    BLOCK,
    Answer,
    KSAlgorithm,
    LawStatus,
    Programs,
    Search,
    iterate,
    play_of,
    walk,
)
from hank_mfg.solve.play.policy_query import Answers
from hank_mfg.solve.play.rollout import Play, State
from hank_mfg.solve.solution import move_mass
from hank_mfg.solve.stationary.steady_state import SteadyState, steady_state
from hank_mfg.solve.train import NotConvergedWarning, chunk_length
from hank_mfg.wording import readable


@readable
@portable
@dataclasses.dataclass(frozen=True)
class ClassicalSolution(Answers):
    """An economy solved by the classical algorithm; every array float64.

    `law` is the fitted law of motion, `aggregate` the name of what it forecasts, `policy` the tabulated consumption,
    `end` the state in which the last simulated path ended. `history` has one entry per iteration: "intercept" and
    "slope" (iterations, states) of the law that households believed in, "distance" to what the simulation said, the
    "sweeps" of the endogenous grid method, and "seconds_policies" and "seconds_simulation".
    """

    model: Model
    settings: KSAlgorithm
    steady: SteadyState
    aggregate: str
    law: LawOfMotion
    policy: TabulatedPolicy
    end: State
    history: dict[str, np.ndarray]
    status: LawStatus
    seed: int
    device: str
    seconds_compile: float
    seconds_iterate: float
    seconds_total: float

    @property
    def iterations(self) -> int:
        """The number of laws tried."""
        return len(self.history["distance"])

    @property
    def seconds_run(self) -> float:
        """Seconds of solving without compilation, as for every method."""
        return self.seconds_iterate

    @property
    def precision(self) -> str:
        """The precision of every number here."""
        return "float64"

    def play(self, asset_points: int | None = None, dtype=jnp.float64) -> Play:
        """The policy on a grid and in a precision of choice, by default the histogram of the algorithm."""
        points = self.settings.histogram_points if asset_points is None else asset_points
        economy = perceive(discretize(self.model, points, dtype))
        policy: Any = cast(self.policy, dtype)  # not trained, so not a `Policy`: it answers the same questions
        return Play(economy, policy, policy.tables_on(economy.grid))

    def start(self, play: Play) -> State:
        """The end of the last simulated path, a draw from the ergodic set, moved to the grid of `play`."""
        aggregate, dtype = self.end.aggregate, play.economy.dtype
        points = asset_grid(self.model.asset_space(), aggregate.mass.shape[0], jnp.float64).points
        mass = move_mass(aggregate.mass, points, play.economy.grid.points)
        memory = play.policy.initial_memory()
        return State(Aggregate(jnp.asarray(mass.astype(dtype)), in_jax(np.int32(aggregate.shock))), memory)


@float64_allowed
def _prepare(model: Model, settings: KSAlgorithm) -> Programs:
    """Compile what an iteration calls; it needs no numbers, so it runs beside the stationary equilibrium."""
    begin = time.perf_counter()
    economy = perceive(discretize(model, settings.asset_points, jnp.float64))
    grid = asset_grid(model.asset_space(), settings.histogram_points, jnp.float64)
    histogram = economy.on(grid)
    others = eqx.filter_jit(long_run_aggregates)(economy)
    nodes = in_jax(np.linspace(0.0, 1.0, settings.capital_points))
    table = in_jax(np.ones((economy.shock_count, settings.capital_points, *economy.shape)))
    law, number = in_jax(np.zeros((economy.shock_count, 2))), in_jax(np.float64(0.0))
    block = chunk_length(settings.periods + settings.burn_in, BLOCK)
    play = play_of(histogram, economy, table, nodes)
    aggregate = Aggregate(in_jax(np.zeros(histogram.shape)), in_jax(np.int32(0)))
    state, shocks = State(aggregate, in_jax(np.zeros(0))), in_jax(np.zeros(block, np.int32))
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        simulation = beside.submit(lambda lowered: lowered.compile(), walk.lower(play, state, shocks))
        policies = solve_policies.lower(economy, others, nodes, law, table, number).compile()
        return Programs(policies, simulation.result(), economy, histogram, others, time.perf_counter() - begin)


def _history(answers: list[Answer]) -> dict[str, np.ndarray]:
    laws = np.stack([answer.law for answer in answers])
    names = ("distance", "sweeps", "seconds_policies", "seconds_simulation")
    rows = {name: np.asarray([getattr(answer, name) for answer in answers]) for name in names}
    return {"intercept": laws[..., 0], "slope": laws[..., 1], **rows}


@float64_allowed
def solve_classical(
    model: Model,
    settings: KSAlgorithm,
    *,
    seed: int = 0,
    steady: SteadyState | None = None,
    started: Callable[[SteadyState], None] | None = None,
) -> ClassicalSolution:
    """Solve a declared economy by the classical algorithm; `solve` calls it for `KSAlgorithm` settings.

    `seed` draws the one path of aggregate shocks: the same seed gives the same numbers. A law that did not converge or
    goes in a cycle is said in a warning and in `status`. Raises ValueError for an economy that the algorithm does not
    fit, SolveError where it breaks down.
    """
    begin = time.perf_counter()
    perceive(discretize(model, 10, jnp.float64))  # an economy that the algorithm does not fit is refused first
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        preparing = beside.submit(_prepare, model, settings)
        steady = steady if steady is not None else steady_state(model)
        if started is not None:
            started(steady)
        programs = preparing.result()
    ready = time.perf_counter()
    search = Search(programs, settings, steady, seed)
    answers, status = iterate(search, settings)
    last = answers[-1]
    search.warn(last.path)
    if status is not LawStatus.CONVERGED:
        warn_user(f"{status.value} (Distance {last.distance:.3g}.)", NotConvergedWarning)
    grid = programs.economy.grid.points
    policy = TabulatedPolicy(search.table, search.nodes, grid, programs.economy.distinct())
    device, end = grid.devices().pop(), time.perf_counter()
    return ClassicalSolution(
        model, settings, steady, search.moved, last.fit, policy, last.path.end, _history(answers), status, seed,
        f"{device.platform} ({device.device_kind})", programs.seconds, end - ready, end - begin,
    )  # fmt: skip
