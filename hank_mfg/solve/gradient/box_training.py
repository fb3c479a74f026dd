"""Train one policy for a box of parameters: networks that see them, around stationary policies read over the box.

At every point of the box (box.py) the stationary equilibrium is solved, and the optimum in every aggregate state where
policies start from it. Polynomials through them give the start of the policy anywhere in the box; the networks see the
parameters beside the signal and correct it. Every path of training belongs to one point, and updates take the points in
turn. A policy at a point of the box is then an ordinary `Policy`, and a solution there an ordinary `Solution`.
"""

import concurrent.futures
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy
from hank_mfg.environment.grids import asset_grid
from hank_mfg.environment.markov import stationary_distribution
from hank_mfg.model.base import Model
from hank_mfg.model.free import Free
from hank_mfg.model.named import assignments
from hank_mfg.model.portable import portable
from hank_mfg.policy.networks import Whitening
from hank_mfg.policy.policy import ByState, Policy, Stationary, same_in_all, trainable
from hank_mfg.precision import DTYPES, cast, float64_allowed, in_jax
from hank_mfg.progress import Lines
from hank_mfg.solve.gradient.box import Box, degree_of, fit, left_out, model_at, point_of, read, values_at
from hank_mfg.solve.gradient.by_state import optimum_by_state, seen_states, start_by_state
from hank_mfg.solve.gradient.economies import (
    HISTORY,
    Compiled,
    History,
    Watcher,
    calls,
    compile_for,
    first_paths,
    steady_points,
    untrained,
    warm_up,
)
from hank_mfg.solve.gradient.model_sets import ModelSet, on_paths
from hank_mfg.solve.gradient.robust import require_same_grids
from hank_mfg.solve.gradient.spg import RSPG, Training
from hank_mfg.solve.play.fine_mass import finer
from hank_mfg.solve.play.rollout import Play, State
from hank_mfg.solve.solution import Solution, Trained, initial_aggregate, move_mass
from hank_mfg.solve.stationary.steady_state import SteadyState, SteadyStateError, stationary_of, steady_state
from hank_mfg.solve.train import Status, train
from hank_mfg.wording import readable

SMOOTH = 3  # degree of the polynomials through states of training, which differ by their shocks too


class Start(NamedTuple):
    """What a policy starts from in one model: `stationary`, `by_state` where aggregate states are seen, and the `mean`
    of the signal (signals,) from which it is standardized."""

    stationary: Stationary
    by_state: ByState | None
    mean: Any


def started(policy: Policy, start: Start, point: np.ndarray) -> Policy:
    """A policy with another start, at a point of the box, in its own precision."""
    dtype = policy.knots.dtype
    stationary = start.stationary._replace(points=policy.stationary.points)
    parts: tuple[Any, ...] = (stationary, in_jax(np.asarray(start.mean, dtype)), jnp.asarray(point.astype(dtype)))
    known: Any = cast(parts, dtype)
    policy = eqx.tree_at(lambda p: (p.stationary, p.whitening.mean, p.parameters), policy, known)
    if start.by_state is None:
        return policy
    return eqx.tree_at(lambda p: p.by_state, policy, cast(start.by_state, dtype))


@readable
@portable
@dataclasses.dataclass(frozen=True)
class BoxSolution(Trained):
    """An economy trained over a box of parameters; `solution.at(risk_aversion=2)` is the `Solution` at a point of it.

    `parameters` are the box's, with their bounds; `points` (points, parameters), in units of the box, are where
    training took place; `start` has the coefficients of polynomials (terms, ...) for what policies start from, float64;
    `misfit` is by how much these miss stationary consumption at a point left out, the largest relative gap; `outcomes`
    are the coefficients of every series of the stationary equilibrium by name. `policy`, in the training precision, has
    the trained networks. `states`, the paths' last states, have leading axis points; `history` is that of `Solution`,
    of the points whose turn it was.
    """

    model: Model
    settings: RSPG
    box: Box
    parameters: tuple[Free, ...]
    points: np.ndarray
    start: Start
    misfit: float
    outcomes: dict[str, np.ndarray]
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
    seconds_start: float
    seconds_train: float
    seconds_total: float

    @property
    def degree(self) -> int:
        """The degree of the polynomials over the box."""
        return degree_of(*self.points.shape[::-1])

    def levels_at(self, point: np.ndarray) -> dict[str, float]:
        """Every series of the stationary equilibrium at a point in units of the box, read from polynomials."""
        found = read(self.outcomes, point, self.degree)
        return {name: float(value) for name, value in found.items()}

    def policy_at(self, point: np.ndarray, dtype=None) -> Policy:
        """The policy at a point in units of the box, (parameters,), in the precision of training unless `dtype` is
        given."""
        policy = self.policy if dtype is None else cast(self.policy, dtype)
        return started(policy, read(self.start, point, self.degree), point)

    @float64_allowed
    def play_at(self, point: np.ndarray, asset_points: int | None = None, dtype: Any = None) -> Play:
        """The policy at a point in units of the box on a grid and in a precision, by default those of training; in
        milliseconds, since no stationary equilibrium is solved."""
        dtype = DTYPES[self.settings.precision] if dtype is None else dtype
        points = self.settings.asset_points if asset_points is None else asset_points
        economy = discretize(model_at(self.model, self.parameters, point), points, dtype)
        policy = self.policy_at(point, dtype)
        return Play(economy, policy, policy.tables_on(economy.grid))

    @float64_allowed
    def models_at(self, points: np.ndarray, asset_points: int, dtype=jnp.float64) -> tuple[Play, ModelSet]:
        """A play at the first of several points, (n, parameters) in units of the box, and the models of all of them,
        for `on_paths`: one compiled program for any points, as many of them."""
        plays = [self.play_at(point, asset_points, dtype) for point in np.asarray(points)]
        return plays[0], _model_set(plays)

    @float64_allowed
    def states_at(self, points: np.ndarray, economy: Economy) -> State:
        """States near the ergodic set at several points, (n, parameters) in units of the box, on the grid of `economy`,
        leading axis points: a polynomial of degree `SMOOTH` through the last states of training, in the middle shock.
        Paths that begin there differ between points by parameters alone, and smoothly."""
        degree = min(SMOOTH, self.degree)
        known = fit(self.points, self.states._replace(price_noise=None), degree)
        grid = asset_grid(self.model.asset_space(), self.states.aggregate.mass.shape[1], jnp.float64).points

        def one(point: np.ndarray) -> State:
            state = read(known, point, degree)
            mass = np.maximum(state.aggregate.mass, 0.0)
            mass = move_mass(mass / mass.sum(), grid, economy.grid.points)
            return state._replace(aggregate=state.aggregate._replace(mass=mass))

        states: State = cast(jax.tree.map(lambda *x: np.stack(x), *map(one, np.asarray(points))), economy.dtype)
        shock = jnp.full(len(points), (economy.shock_count - 1) // 2, jnp.int32)
        return states._replace(aggregate=states.aggregate._replace(shock=shock))

    @float64_allowed
    def at(self, values: Mapping[str, float] | None = None, /, *, steady: SteadyState | None = None, **named: float):
        """The `Solution` with parameters at `values` by name, those that are not named as in the model.

        `solution.at(risk_aversion=2)`, or `solution.at({"productivity[0]": .98})` for one number of a list. Its
        stationary equilibrium is solved there, unless it is given as `steady`; its states follow the policy from the
        nearest points of training, for as many periods as the warm-up of training. Raises ValueError for a value
        outside the box or a name that is not the box's, SteadyStateError where there is no stationary equilibrium.
        """
        point = point_of(self.model, self.parameters, {**(values or {}), **named})
        model, play = model_at(self.model, self.parameters, point), self.play_at(point)
        steady = steady_state(model, asset_points=steady_points(self.settings, model)) if steady is None else steady
        nearest = np.argsort(((self.points - point) ** 2).sum(axis=1))[: self.settings.paths]
        states = jax.tree.map(lambda x: x[np.resize(nearest, self.settings.paths)], self.states)
        policy = play.policy
        begun = Training(policy, self.optimizer, states, self.key, self.price_noise_sd)
        states, _ = warm_up(play, begun, self.key, self.price_noise_sd, self.settings, None)
        return Solution(
            model, self.settings, steady, policy, self.optimizer, states, self.key, self.price_noise_sd, self.history,
            self.status, self.seed, self.device, self.seconds_compile, self.seconds_train, self.seconds_total,
        )  # fmt: skip


class _Known(NamedTuple):
    """What is known at every point before training: economies in the precision of training, equilibria, starts."""

    economies: list[Economy]
    steady: list[SteadyState]
    starts: list[Start]


def _words(free: tuple[Free, ...], point: np.ndarray) -> str:
    return assignments({f.label: f"{v:.6g}" for f, v in zip(free, values_at(free, point), strict=True)})


def _solve_points(begun: "BegunBox", points: np.ndarray, like: Policy, program: Callable, lines: Lines) -> _Known:
    """Solve every point of the box. Raises SteadyStateError and ValueError that name the point."""
    (model, settings, box, *_), known, every = begun, _Known([], [], []), True
    free, like = box.free(model), cast(like, jnp.float64)
    for count, point in enumerate(points):
        lines.now(f"stationary equilibria, {count} of {len(points)} points of the box")
        here = model_at(model, free, point)
        at = _words(free, point)
        economy = discretize(here, settings.asset_points, DTYPES[settings.precision])
        if known.economies:
            require_same_grids(f"over, at {at}", economy, known.economies[0])
        try:
            steady = steady_state(here, asset_points=steady_points(settings, here), others=False)
        except SteadyStateError as error:
            raise SteadyStateError(f"over: at {at}, a point of the box: {error}") from error
        whole = discretize(here, steady.economy.grid.size, jnp.float64)
        before = eqx.tree_at(lambda p: p.stationary, like, stationary_of(steady))
        policy = start_by_state(before, whole, steady, program)
        every = every and policy is not before
        known.economies.append(economy)
        known.steady.append(steady)
        known.starts.append(Start(policy.stationary, policy.by_state, None))
    seen = seen_states(known.economies[0])
    if seen is not None and not every:  # from the stationary policy everywhere, or it would jump inside the box
        return known._replace(starts=[s._replace(by_state=same_in_all(s.stationary, seen)) for s in known.starts])
    return known


@eqx.filter_jit
def _mean_signals(play: Play, models: ModelSet, states: State) -> Array:
    """The signal at the stationary mass, a mean over aggregate states in the long run: (points, signals)."""

    def one(play: Play, state: State) -> Array:
        def signal(shock: Array) -> Array:
            return play.economy.signal(play.economy.public(state.aggregate._replace(shock=shock), state.guess))

        every = jnp.arange(play.economy.shock_count, dtype=jnp.int32)
        return jnp.asarray(stationary_distribution(play.economy.shock_transition)) @ jax.vmap(signal)(every)

    return on_paths(play, models, jnp.arange(models.weights.shape[0]), one, states)


def outcomes_of(equilibria: list[SteadyState]) -> dict[str, np.ndarray]:
    """Every series of the stationary equilibria by name, (points,) each."""
    each = [{**steady.public.shocks, **steady.outcomes} for steady in equilibria]
    return {name: np.asarray([float(values[name]) for values in each]) for name in each[0]}


def _stacked(trees: list) -> Any:
    return jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], *trees)


def _model_set(plays: list[Play]) -> ModelSet:
    """The models of plays that each have a policy of their own."""
    count, dtype = len(plays), plays[0].economy.dtype
    fixed = [eqx.partition(play.policy, trainable(play.policy))[1] for play in plays]
    fine = None if plays[0].fine is None else _stacked([play.fine.tables for play in plays if play.fine is not None])
    return ModelSet(
        _stacked([play.economy for play in plays]), jnp.full(count, 1.0 / count, dtype), _stacked(fixed),
        _stacked([play.tables for play in plays]), fine,
    )  # fmt: skip


def _placeholder(play: Play, training: Training[State], count: int) -> tuple[ModelSet, Training[State]]:
    """A set of `count` models and training of the right shapes, to compile for."""

    def spread(x: Any) -> Any:
        return jnp.broadcast_to(x[:1], (count, *x.shape[1:])) if eqx.is_array(x) else x

    models, states = jax.tree.map(spread, (_model_set([finer(play)]), training.states))
    return models, training._replace(states=states)


class BegunBox(NamedTuple):
    """Set up training over a `box`, from `resume` where it goes on."""

    model: Model
    settings: RSPG
    box: Box
    seed: int
    resume: tuple[Training[State], History] | None


class _Prepared(NamedTuple):
    """Training before the first update: a play, the models, coefficients of what policies start from, and by how much
    these miss consumption at points left out, relative."""

    play: Play
    models: ModelSet
    training: Training[State]
    start: Start
    misfit: float


def _states(play: Play, known: _Known, like: State) -> State:
    """The stationary state of every point, leading axis points."""

    def one(economy: Economy, steady: SteadyState) -> State:
        values = [np.asarray(steady.prices[name], economy.dtype) for name in economy.clearing_prices]
        guess = jax.tree.unflatten(jax.tree.structure(like.guess), list(map(jnp.asarray, values)))
        return like._replace(aggregate=initial_aggregate(economy, steady), guess=guess)

    return _stacked([one(*each) for each in zip(known.economies, known.steady, strict=True)])


def _prepare(begun: BegunBox, points: np.ndarray, known: _Known, begin: tuple, compiled: Compiled) -> _Prepared:
    """Starts of the policy at every point, read from polynomials through what is known, and first paths from there."""
    (play, training), settings = begin, begun.settings
    count, degree = len(points), degree_of(*points.shape[::-1])
    states = _states(play, known, jax.tree.map(lambda x: x[0], training.states))
    alone = ModelSet(_stacked(known.economies), jnp.full(count, 1.0 / count, play.economy.dtype))
    level = np.asarray(_mean_signals(play, alone, states), np.float64)
    starts = [each._replace(mean=mean) for each, mean in zip(known.starts, level, strict=True)]
    stacked = jax.tree.map(lambda *x: np.stack([np.asarray(each, np.float64) for each in x]), *starts)
    start = fit(points, stacked)
    consumption = stacked.stationary.function.composite
    misfit = float(np.abs(left_out(points, consumption) / consumption).max())

    def plays(policy: Policy) -> list[Play]:
        each = [started(policy, read(start, point, degree), point) for point in points]
        grid = play.economy.grid.points
        return [finer(Play(e, p, p.tables(grid))) for e, p in zip(known.economies, each, strict=True)]

    models = _model_set(plays(play.policy))
    warmup_key, train_key = jax.random.split(training.key)
    training = training._replace(states=states, key=train_key)
    away = level - level.mean(axis=0)
    play, training = first_paths(play, training, settings, warmup_key, models, walk=compiled.warm_up, level=away)
    whitening = training.policy.whitening
    moved = np.asarray(whitening.mean, np.float64) - level.mean(axis=0)
    start = start._replace(mean=np.concatenate([start.mean[:1] + moved, start.mean[1:]]))  # the first term is constant
    means = in_jax(np.asarray(level + moved, whitening.mean.dtype))
    matrices = jnp.broadcast_to(whitening.matrix, (count, *whitening.matrix.shape))
    fixed = eqx.tree_at(lambda p: p.whitening, models.policies, Whitening(means, matrices))
    if play.policy.expectations is not None:
        scale = play.policy.expectations.scale
        fixed = eqx.tree_at(lambda p: p.expectations.scale, fixed, jnp.broadcast_to(scale, (count, *scale.shape)))
    return _Prepared(play, models._replace(policies=fixed), training, start, misfit)


@float64_allowed
def train_box(begun: BegunBox, callback: Watcher | None, lines: Lines) -> BoxSolution:
    """Train over a box: stationary equilibria, compilation beside them, first paths, updates."""
    begin, (model, settings, box, seed, resume) = time.perf_counter(), begun
    free, points = box.free(model), box.sample(seed)
    middle = model_at(model, free, np.zeros(len(free)))
    steady = steady_state(middle, asset_points=steady_points(settings, middle))
    ready = play, training = untrained(middle, settings, steady, seed=seed, parameters=len(free))
    models, shaped = _placeholder(play, training, len(points))
    lines.step("stationary equilibria over the box, compiling beside them")
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        compiling = beside.submit(compile_for, middle, settings, steady.economy.grid.size, play, shaped, models)
        known = _solve_points(begun, points, play.policy, optimum_by_state, lines)
        lines.now("compiling")
        compiled = compiling.result()
    lines.now("first paths")
    play, models, training, start, misfit = _prepare(begun, points, known, ready, compiled)
    history: History = {name: np.zeros(0) for name in HISTORY}
    if resume is not None:
        training, history = resume
    trained_from = time.perf_counter()
    lines.step(f"training, at most {settings.updates - len(history['update'])} updates")

    def name(update: int, path: int) -> str:
        place = (update * settings.paths + path) % len(points) if len(points) != settings.paths else path
        return f"at {_words(free, points[place])}"

    advance, converged, say = calls(play, settings, compiled, models, len(history["update"]), lines, name=name)
    training, history, status = train(
        advance, training, history, updates=settings.updates, converged=converged, say=say, callback=callback
    )
    end, device = time.perf_counter(), play.economy.grid.points.devices().pop()
    return BoxSolution(
        model, settings, box, free, points, start, misfit, fit(points, outcomes_of(known.steady)), training.policy,
        training.optimizer, training.states, training.key, training.price_noise_sd, history, status, seed,
        f"{device.platform} ({device.device_kind})", compiled.seconds, trained_from - begin, end - trained_from,
        end - begin,
    )  # fmt: skip
