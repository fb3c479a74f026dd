"""The search for a law of motion: settings, the map from the perceived to the realized law, the outer loop.

`Search.ask` is the map: policies under a law, the economy along the fixed path, the law fitted there. `iterate` looks
for its fixed point. krusell_smith.py says what the algorithm is.
"""

import dataclasses
import enum
import time
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.errors import SolveError, warn_user
from hank_mfg.model.named import Named
from hank_mfg.precision import in_jax
from hank_mfg.sizes import is_whole
from hank_mfg.solve.classical.household import PerceivedEconomy, Sweeps, TabulatedPolicy
from hank_mfg.solve.classical.law_of_motion import LawOfMotion, cycle_length, fit_law_of_motion, next_law
from hank_mfg.solve.play.rollout import Play, State, rollout
from hank_mfg.solve.settings import MethodSettings
from hank_mfg.solve.solution import initial_aggregate
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.solve.train import chunk_length

UNRESOLVED = 1e-6  # log K varies less than this: its slope cannot be told from the data
FIRST_SLOPES = (0.95, 0.6, 0.3, 0.0)  # of the first law, tried in turn
AGREES = 0.2  # a first law at this distance is good enough
BLOCK = 1_000  # periods of the simulation in one compiled call, at most
ROUGH = 1e-3  # the law is found up to this distance on a quarter of the path, then on all of it


class LawStatus(enum.Enum):
    """The end of the search for the law of motion; the values are the messages."""

    CONVERGED = "No coefficient of the law of motion is further than the tolerance from what the simulation says."
    ITERATIONS_EXHAUSTED = (
        "The law of motion did not converge in max_iterations: raise max_iterations, lengthen the path (periods) or "
        "loosen the tolerance."
    )
    CYCLING = (
        "The law of motion goes in a cycle, returning to earlier laws without coming closer to a fixed point: damp it "
        "more (a smaller damping) or lengthen the path (periods)."
    )


@dataclasses.dataclass(frozen=True)
class KSAlgorithm(MethodSettings):
    """Settings of the classical algorithm, always in float64.

    Policies live on `asset_points` x income x `capital_points` levels of the aggregate that choices move, evenly spaced
    in logs over `capital_range`, two levels; None means 25 percent around the stationary level, and more, with a
    warning, where the simulation goes beyond. The histogram has `histogram_points` asset points; the law is fitted on
    `periods` periods after `burn_in` discarded ones. The law moves `damping` of the way to the fit (a smaller number
    damps more) until no coefficient is further from it than `tolerance`, `max_iterations` times at most.
    """

    precision: ClassVar[str] = "float64"  # pyright: ignore[reportIncompatibleVariableOverride]
    asset_points: int = 300
    capital_points: int = 12
    capital_range: tuple[float, float] | None = None
    histogram_points: int = 400
    periods: int = 10_000
    burn_in: int = 1_000
    damping: float = 0.7
    tolerance: float = 1e-6
    max_iterations: int = 60

    def __post_init__(self):
        """Check every field. Raises ValueError naming the field, its value and the range."""
        counts = {"asset_points": 10, "capital_points": 4, "histogram_points": 10, "periods": 10, "burn_in": 0}
        for name, least in {**counts, "max_iterations": 1}.items():
            value = getattr(self, name)
            self.demand(name, is_whole(value) and value >= least, f"an integer of at least {least}")
        self.check_types()
        self.demand("tolerance", self.tolerance > 0, "positive")
        self.demand("damping", 0 < self.damping <= 1, "above 0 and at most 1")
        ends = (0.0, 1.0) if self.capital_range is None else self.capital_range
        given = self.capital_range is None or (len(ends) == 2 and 0 < ends[0] < ends[1])
        self.demand("capital_range", given, "None or two levels, the lower one positive")
        self.price()

    def price(self, states: int = 2) -> None:
        """Raise SizeError unless policies and paths over so many income and aggregate `states` can be computed."""
        table, path = float(self.asset_points) * self.capital_points, float(self.periods + self.burn_in)
        self.require_room(
            numbers=2 * (4.0 * table * states + 10.0 * path + 4.0 * self.histogram_points * states),
            steps=100.0 * path * self.histogram_points,
        )


class Path(NamedTuple):
    """Results of a simulation, (periods,) each: aggregates by name, the aggregate state, the mass at the top of the
    grid, the least consumption at a state with mass; and the state after the last period."""

    aggregates: dict[str, np.ndarray]
    shock: np.ndarray
    top: np.ndarray
    least: np.ndarray
    end: State


@eqx.filter_jit
def walk(play: Play, state: State, shocks_next: Array):
    """Follow the economy along a path of shocks: its last state and the arrays of `Path`, (time,) each."""

    def record(step):
        now, mass = step.now, step.now.state.aggregate.mass
        least = jnp.min(jnp.where(mass > 0, play.economy.budget(now.public).unspent(now.cash, now.savings), jnp.inf))
        return dict(now.public.aggregates), now.state.aggregate.shock, mass[-1].sum(), least

    return rollout(play, state, shocks_next, record)


class Programs(NamedTuple):
    """The two programs of an iteration, compiled, and what they are called with."""

    policies: Callable[..., Sweeps]
    walk: Callable[..., Any]
    economy: PerceivedEconomy
    histogram: PerceivedEconomy
    others: Named
    seconds: float


def play_of(histogram: PerceivedEconomy, economy: PerceivedEconomy, table: Array, nodes: Array) -> Play:
    """The economy on the grid of the histogram, all households following policies (shocks, capital, assets, income)."""
    policy: Any = TabulatedPolicy(table, nodes, economy.grid.points, economy.distinct())
    return Play(histogram, policy, policy.tables_on(histogram.grid))


class Search:
    """The map from the law that households believe in to the law that the simulation says."""

    def __init__(self, programs: Programs, settings: KSAlgorithm, steady: SteadyState, seed: int):
        self.programs, self.settings = programs, settings
        self.moved = programs.economy.moved
        level = float(steady.aggregates[self.moved])
        if not level > 0:
            raise ValueError(
                f"The stationary {self.moved} is {level:.4g}, but the law of motion of the classical algorithm is in "
                "logs: declare an aggregate that is positive or solve with RSPG()."
            )
        self.ends = settings.capital_range or (0.75 * level, 1.25 * level)
        self.level, self.widened = level, False
        self.law = np.zeros((programs.economy.shock_count, 2))
        here, known = np.asarray(programs.economy.grid.points), np.asarray(steady.economy.grid.points)
        first = np.stack([np.interp(here, known, column) for column in np.asarray(steady.policy.composite).T], axis=1)
        shape = (programs.economy.shock_count, settings.capital_points)
        self.table = in_jax(np.broadcast_to(first, (*shape, *first.shape)))
        self.nodes = self._nodes()
        aggregate = initial_aggregate(programs.histogram, steady)
        self.begin = State(aggregate, in_jax(np.zeros(0)))
        draw = eqx.filter_jit(PerceivedEconomy.draw_shocks)
        length = settings.periods + settings.burn_in
        self.shocks = draw(programs.histogram, aggregate.shock, length, key=jax.random.PRNGKey(seed))
        quarter = np.asarray(self.shocks)[settings.burn_in : length - 3 * settings.periods // 4]
        self.short = bool(np.bincount(quarter, minlength=programs.economy.shock_count).min() >= 100)

    def _nodes(self) -> Array:
        """Logs of the aggregate, evenly spaced over the range."""
        low, high = np.log(self.ends)
        return in_jax(np.linspace(low, high, self.settings.capital_points))

    def policies(self, law: np.ndarray, tolerance: float) -> int:
        """Solve the policies under a law, starting from the last ones; returns the sweeps it took."""
        p, nodes = self.programs, self._nodes()
        self.law = law
        sweeps = p.policies(p.economy, p.others, nodes, jnp.asarray(law), self.table, jnp.asarray(tolerance))
        change = float(sweeps.change)
        if not change <= tolerance:
            raise SolveError(
                f"Under the law with intercepts {law[:, 0]} and slopes {law[:, 1]} the household problem did not "
                f"converge (last relative change {change:.3g} after {int(sweeps.count)} sweeps): lower damping, or "
                "check prices() and resources() over the capital_range."
            )
        self.table, self.nodes = sweeps.choice_consumption, nodes
        return int(sweeps.count)

    def simulate(self) -> Path:
        """The economy on the fixed path of shocks, or its first quarter, households following the last policies.

        Raises SolveError where some household cannot consume.
        """
        play = play_of(self.programs.histogram, self.programs.economy, self.table, self.nodes)
        state, records = self.begin, []
        length = self.settings.burn_in + self.settings.periods // (4 if self.short else 1)
        for shocks in self.shocks.reshape(-1, chunk_length(len(self.shocks), BLOCK)):
            if len(records) * len(shocks) >= length:
                break
            state, record = self.programs.walk(play, state, shocks)
            records.append(jax.tree.map(np.asarray, record))
        aggregates, shock, top, least = jax.tree.map(lambda *parts: np.concatenate(parts), *records)
        series = aggregates[self.moved]
        if not (np.isfinite(series).all() and least.min() > 0):
            period = int(np.argmin(np.isfinite(series) & (least > 0)))
            raise SolveError(
                f"Period {period} of the simulation: {self.moved} is {series[period]:.4g} and some household consumes "
                f"{least[period]:.4g}: {self._cause(series, period)}."
            )
        return Path(aggregates, shock, top, least, state)

    def _cause(self, series: np.ndarray, period: int) -> str:
        """Why a simulation broke down: policies that are not a number, or an aggregate that left their range."""
        (low, high), law = self.ends, self.law
        wrong = np.argwhere(~np.isfinite(np.asarray(self.table)).all(axis=(2, 3)))
        if len(wrong):
            shock, node = wrong[0]
            here = float(self.nodes[node])
            return (
                f"the policies are not a number in aggregate state {shock} at {self.moved} = {np.exp(here):.4g}, from "
                "where the law that households believe in leads to "
                f"{np.exp(law[shock, 0] + law[shock, 1] * here):.4g}: check prices() and resources() there, or give a "
                "narrower capital_range"
            )
        left = np.flatnonzero(~((series[: period + 1] >= low) & (series[: period + 1] <= high)))
        if len(left):
            return (
                f"{self.moved} left the range from {low:.4g} to {high:.4g} on which policies are known in period "
                f"{left[0]}, when it was {series[left[0]]:.4g}: give a wider capital_range, or lower damping, so that "
                "laws change by less between simulations"
            )
        return "check prices() and resources() there, or tighten the borrowing limit"

    def inside(self, path: Path) -> bool:
        """Whether K stayed between the nodes; widens the range where it is ours to choose. Raises SolveError."""
        series, (low, high) = path.aggregates[self.moved], self.ends
        if low <= series.min() and series.max() <= high:
            return True
        if self.settings.capital_range is not None:
            raise SolveError(
                f"The simulated {self.moved} moves between {series.min():.5g} and {series.max():.5g}, out of "
                f"capital_range = ({low:g}, {high:g}): give a wider range, or None."
            )
        self.ends = min(low, 0.95 * float(series.min())), max(high, 1.05 * float(series.max()))
        self.widened = True
        return False

    def fit(self, path: Path, law: np.ndarray) -> LawOfMotion:
        """Least squares by state after `burn_in`; where log K hardly varies the slope is kept. Raises SolveError."""
        series, shock = path.aggregates[self.moved][self.settings.burn_in :], path.shock[self.settings.burn_in :]
        fitted = fit_law_of_motion(series, shock, len(law))
        missing = np.flatnonzero(np.isnan(fitted.slope))
        if len(missing):
            raise SolveError(
                f"Aggregate state {missing[0]} occurs fewer than three times in {self.settings.periods} periods of the "
                "simulation, too few for its law of motion: raise periods."
            )
        for state in range(len(law)):
            here = shock[:-1] == state
            today, tomorrow = np.log(series[:-1][here]), np.log(series[1:][here])
            if today.std() < UNRESOLVED:
                fitted.slope[state] = law[state, 1]
                fitted.intercept[state] = tomorrow.mean() - law[state, 1] * today.mean()
        return fitted

    def ask(self, law: np.ndarray, distance: float) -> "Answer":
        """Solve, simulate and fit; the policies as well as a law at this `distance` needs them. Raises SolveError."""
        begin = time.perf_counter()
        tolerance = max(1e-3 * self.settings.tolerance, min(1e-5, 1e-3 * distance))
        sweeps, solved = self.policies(law, tolerance), time.perf_counter()
        path = self.simulate()
        fit = self.fit(path, law)
        gap = np.column_stack([fit.intercept, fit.slope]) - law
        return Answer(law, fit, gap, path, sweeps, solved - begin, time.perf_counter() - solved)

    def ask_near(self, law: np.ndarray, last: "Answer") -> "Answer":
        """Ask about a law, or, where it leads nowhere, halfway back to the last law, up to four times."""
        for share in (1.0, 0.5, 0.25, 0.125):
            try:
                return self.ask(last.law + share * (law - last.law), last.distance)
            except SolveError as error:
                refused = error
        raise refused

    def warn(self, path: Path) -> None:
        """Say what the result does not answer for: other aggregates, the top of the grid, a range that was widened."""
        for name, believed in self.programs.others.items():
            values = np.asarray(believed)
            gap = np.abs(path.aggregates[name][self.settings.burn_in :] - values[path.shock[self.settings.burn_in :]])
            if gap.max() > 1e-4 * np.abs(values).max():
                warn_user(
                    f"{name} depends on the history of shocks: the simulated values are up to "
                    f"{100 * gap.max() / np.abs(values).max():.2g} % away from the long-run value of each aggregate "
                    "state that households of the classical algorithm expect."
                )
        if path.top.max() > 1e-6:
            warn_user(f"{path.top.max():.2e} of the population reached the top of the asset grid.")
        series, (low, high) = path.aggregates[self.moved], np.exp(np.asarray(self.nodes)[[0, -1]])
        if not low * (1 - 1e-9) <= series.min() <= series.max() <= high * (1 + 1e-9):
            warn_user(
                f"The simulated {self.moved} moves between {series.min():.5g} and {series.max():.5g}, further than "
                "the "
                f"range of the policies, {low:.5g} to {high:.5g}: there they are extrapolated."
            )
        elif self.widened:
            warn_user(
                f"The simulated {self.moved} went further than 25 % from its stationary level: the range of the "
                f"policies was extended to ({self.ends[0]:.4g}, {self.ends[1]:.4g})."
            )


class Answer(NamedTuple):
    """The simulation of a law (states, 2): the fit, its gap to the law and the policies behind it."""

    law: np.ndarray
    fit: LawOfMotion
    gap: np.ndarray
    path: Path
    sweeps: int
    seconds_policies: float
    seconds_simulation: float

    @property
    def distance(self) -> float:
        """The largest gap of any coefficient."""
        return float(np.abs(self.gap).max())


def _first(search: Search) -> Answer:
    """The first of `FIRST_SLOPES`, through the stationary level, that the simulation agrees with roughly, or the best.

    Households that expect too much persistence react so strongly that nothing sensible may come of it.
    """
    best = answer = None
    for slope in FIRST_SLOPES:
        law = np.tile([(1.0 - slope) * np.log(search.level), slope], (search.programs.economy.shock_count, 1))
        try:
            answer = search.ask(law, 1.0)
        except SolveError:
            if best is None and slope == FIRST_SLOPES[-1]:
                raise
            continue
        best = answer if best is None or answer.distance < best.distance else best
        if answer.distance < AGREES:
            break
    assert best is not None
    return best if best is answer else search.ask(best.law, 1.0)  # its policies are the last ones solved


def iterate(search: Search, settings: KSAlgorithm) -> tuple[list[Answer], LawStatus]:
    """The outer loop, from a simple law to one that the simulation confirms."""
    answers = [_first(search)]
    recent = answers
    while True:
        last = recent[-1]
        laws, gaps, distances = zip(*[(a.law, a.gap, a.distance) for a in recent], strict=True)
        again = cycle_length(laws, distances) is not None
        if search.short and (again or last.distance < max(ROUGH, settings.tolerance)):
            search.short, recent = False, []
        elif last.distance < ROUGH and not search.inside(last.path):
            recent = []
        elif last.distance < settings.tolerance:
            return answers, LawStatus.CONVERGED
        elif again:
            return answers, LawStatus.CYCLING
        if len(answers) == settings.max_iterations:
            return answers, LawStatus.ITERATIONS_EXHAUSTED
        law = next_law(laws, gaps, settings.damping, search.level)
        answers = [*answers, search.ask_near(law, last)]
        recent = [*recent, answers[-1]]
