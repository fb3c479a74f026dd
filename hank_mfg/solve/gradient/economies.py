"""Train an economy with aggregate risk: preparation, compiled programs, and the calls of the one training loop."""

import concurrent.futures
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_compilation
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Aggregate, Economy
from hank_mfg.environment.product_grid import ProductGrid, grid_of
from hank_mfg.environment.quantities import names_of
from hank_mfg.errors import SolveError
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.policy.networks import fit_whitening
from hank_mfg.policy.policy import PolicySettings, Stationary, make_policy, trainable
from hank_mfg.policy.portfolio_policy import PortfolioPolicy, StationaryPortfolio, make_portfolio_policy
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.precision import DTYPES, cast, float64_allowed, in_jax
from hank_mfg.progress import Course, Lines
from hank_mfg.solve.gradient.by_state import optimum_by_state, seen_states, start_by_state
from hank_mfg.solve.gradient.linear_start import start_linear, with_inverse
from hank_mfg.solve.gradient.model_sets import ModelSet, on_paths
from hank_mfg.solve.gradient.reports import broken, check_reports
from hank_mfg.solve.gradient.robust import Adversary
from hank_mfg.solve.gradient.spg import QUANTITIES, RSPG, Progress, Training, make_optimizer, update
from hank_mfg.solve.play.fine_mass import finer
from hank_mfg.solve.play.rollout import NoisyPrices, Play, State, rollout
from hank_mfg.solve.solution import Solution, initial_aggregate
from hank_mfg.solve.stationary.steady_state import SteadyState, stationary_of, steady_state
from hank_mfg.solve.train import chunk_length, last_errors, made, repeated, train

HISTORY = ("update", "loss", "euler_error", "price_error", "objective")


@eqx.filter_jit
def warm_up(play: Play, training: Training[State], key, price_noise_sd, settings: RSPG, models: ModelSet | None):
    """Last states of paths on which all follow the stationary policy, signals (paths, time, signals), prices
    that cleared inside the period (paths, time, clearing_prices), which they miss by `price_noise_sd` (clearing
    prices,), and what would be expected if tomorrow were like today (paths, time, expectations)."""
    periods = settings.warmup

    def one(play, start, key):
        economy = play.economy

        def record(step):
            public = step.now.public
            return step.now.signal, economy.clearing_values(public), economy.expected(public, public)

        shocks = economy.draw_shocks(start.aggregate.shock, periods, key=key)
        missed = price_noise_sd * jax.random.normal(
            jax.random.fold_in(key, 1), (periods, *price_noise_sd.shape), price_noise_sd.dtype
        )
        return rollout(NoisyPrices(play), start, (shocks, missed), record)

    keys = jax.random.split(key, jax.tree.leaves(training.states)[0].shape[0])
    place = None if models is None else models.place(jnp.arange(len(keys)))
    return on_paths(play, models, place, one, training.states, keys)


def prepare(
    model: Model,
    settings: RSPG,
    steady: SteadyState,
    *,
    seed: int,
    walk: Callable = warm_up,
    by_state: Callable = optimum_by_state,
    models: ModelSet | None = None,
    sees: Model | None = None,
) -> tuple[Play, Training[State]]:
    """The game in the training precision, and the state of training before the first update.

    The policy starts at the stationary one, or where aggregate states are seen at the optimum in each (by_state.py);
    signals are standardized on `warmup` periods under it, and training starts where those paths end. With two assets
    it starts from linear responses (linear_start.py), and signals are standardized on those. On a CPU the same
    arguments give the same bits. `walk` and `by_state` are what `compile_ahead` compiled; `sees` as in `untrained`.
    """
    play, training = untrained(model, settings, steady, seed=seed, sees=sees)
    whole = discretize(model, steady.economy.grid.count, jnp.float64, planned=steady.economy.planned)
    if isinstance(play.policy, PortfolioPolicy):
        policy = start_linear(play.policy, whole, steady, seed=seed)
        play = play._replace(policy=policy)
        policy = with_inverse(play, jax.tree.map(lambda x: x[0], training.states))
    else:
        policy = start_by_state(play.policy, whole, steady, by_state)
    play = play._replace(policy=policy, tables=policy.tables_on(play.economy.grid))
    training = training._replace(policy=policy)
    warmup_key, train_key = jax.random.split(training.key)
    training = training._replace(key=train_key)
    return first_paths(play, training, settings, warmup_key, models, walk=walk)


def first_paths(
    play: Play, training: Training[State], settings: RSPG, key: Array, models: ModelSet | None, *,
    walk: Callable = warm_up, level: np.ndarray | float = 0.0,
) -> tuple[Play, Training[State]]:  # fmt: skip
    """Follow the policy that training starts from, and set what is measured on these paths: the standardization of
    signals less their `level`, that of a path's model (paths, signals), the scale of expectations, and noise of
    prices."""
    arguments, others = (play, training, key), (settings, models)
    last, (signals, clearing_prices, outlooks) = walk(*arguments, training.price_noise_sd, *others)
    price_noise_sd = jnp.asarray(settings.price_noise * np.asarray(clearing_prices).std(axis=(0, 1)))
    if (
        play.economy.clearing_prices and settings.price_noise > 0
    ):  # signals are standardized on what households see in training
        last, (signals, _, outlooks) = walk(*arguments, price_noise_sd, *others)
    finite = np.isfinite(np.asarray(signals)).all(axis=(1, 2))
    if not finite.all():
        raise SolveError(
            f"Before the first update, path {int(np.argmin(finite))}: {QUANTITIES[0]} became NaN or infinite while "
            "households followed the stationary policy; check prices() and signal() at every aggregate shock."
        )
    signals = np.asarray(signals) - np.asarray(level, signals.dtype)[..., None, :] if np.ndim(level) else signals
    policy = play.policy
    if isinstance(policy, PortfolioPolicy):  # it starts with both, see linear_start.py
        return play, training._replace(states=last, price_noise_sd=price_noise_sd)
    whitening = fit_whitening(np.asarray(signals).reshape(-1, signals.shape[-1]))
    policy = eqx.tree_at(lambda p: p.whitening, policy, whitening)
    if policy.expectations is not None:
        scale = np.array([np.ascontiguousarray(each).std() for each in np.moveaxis(np.asarray(outlooks), -1, 0)])
        scale = np.where(scale > 0, scale, policy.expectations.scale)
        policy = eqx.tree_at(lambda p: p.expectations.scale, policy, jnp.asarray(scale))
    training = training._replace(policy=policy, states=last, price_noise_sd=price_noise_sd)
    return play._replace(policy=policy), training


def untrained(
    model: Model,
    settings: RSPG,
    steady: SteadyState | None = None,
    *,
    seed: int = 0,
    points: Any = None,
    sees: Model | None = None,
    parameters: int = 0,
    planned: bool = False,
) -> tuple[Play, Training[State]]:
    """Training with every path at the stationary mass; without `steady`, arrays of the right shapes only, for a
    stationary equilibrium on `points` asset points.

    It is what a checkpoint is read into, and, before the stationary equilibrium is known, what to compile for. The
    household may be one that `sees` what another model shows, in signals and of its own state: some of its quantities.
    The networks see so many `parameters` of the model beside the signal. `planned` as the economy is, where `steady`,
    which says so, is not there.
    """
    planned = planned if steady is None else steady.economy.planned
    economy = discretize(model, settings.points(model), DTYPES[settings.precision], planned=planned)
    information_sets = None
    dtype = economy.dtype
    if sees is not None:
        shown = discretize(sees, settings.asset_points, dtype)
        information_sets = economy.information_sets(shown.own)
        economy = eqx.tree_at(lambda e: e.model, economy, shown.model)
    if steady is None:
        stationary = _blank(model, economy, steady_points(settings, model) if points is None else points)
        mass = np.full(economy.shape, 1.0 / np.prod(economy.shape), dtype)
        state_variables = Named(
            "state_variables", {name: in_jax(np.zeros((), dtype)) for name in model.state_variables()}
        )
        aggregate = Aggregate(in_jax(mass), in_jax(np.int32(0)), state_variables)
    else:
        stationary, aggregate = cast(stationary_of(steady), dtype), initial_aggregate(economy, steady)
    guess = Named(
        "clearing_prices", dict(zip(economy.clearing_prices, np.asarray(stationary.clearing_prices), strict=True))
    )

    def seen_and_expected(economy, aggregate, clearing_prices):
        public = economy.public(aggregate, clearing_prices)
        return economy.signal(public), economy.expected(public, public)

    shapes = eqx.filter_eval_shape(seen_and_expected, economy, aggregate, guess)
    signals, expectations = (each.shape[0] for each in shapes)
    if steady is None:
        stationary = stationary._replace(expected=in_jax(np.zeros(expectations, dtype)))
    sizes = (settings.memory, settings.units, settings.width, settings.knots)
    seen = seen_states(economy)
    shape = PolicySettings(signals, *sizes, expectations, information_sets, seen, parameters)
    space = model.asset_space()
    if isinstance(stationary, StationaryPortfolio):
        policy = make_portfolio_policy(stationary, space, shape, seed=seed)
    else:
        policy = make_policy(stationary, space, shape, seed=seed)
    still = in_jax(np.zeros(len(economy.clearing_prices), dtype))
    memory = in_jax(np.asarray(policy.initial_memory(), dtype))
    start = State(aggregate, memory, jax.tree.map(in_jax, guess), still)
    states = jax.tree.map(lambda x: in_jax(np.broadcast_to(x, (settings.paths, *x.shape))), start)
    empty = jax.eval_shape(make_optimizer(settings).init, eqx.filter(policy, trainable(policy)))
    optimizer = jax.tree.map(lambda x: in_jax(np.zeros(x.shape, x.dtype)), empty)
    play = Play(economy, policy, policy.tables_on(economy.grid))
    return play, Training(policy, optimizer, states, jax.random.PRNGKey(seed), still)


def _blank(model: Model, economy: Economy, points: Any) -> Stationary | StationaryPortfolio:
    """A stationary policy of the right shapes, on so many asset points."""
    dtype, count = economy.dtype, len(economy.clearing_prices)
    grid = grid_of(model.asset_space(), points, dtype)
    prices, nothing = in_jax(np.zeros(count, dtype)), in_jax(np.zeros(0, dtype))
    if isinstance(grid, ProductGrid):
        blank = in_jax(np.zeros((2, grid.size, economy.shape[1]), dtype))
        return StationaryPortfolio(blank, grid, prices, nothing)
    cash = in_jax(np.tile(np.asarray(grid.held) - float(economy.grid.lower) + 1.0, economy.shape[1]))
    response = in_jax(np.zeros((count, *cash.shape), dtype))
    return Stationary(ConsumptionFunction(cash, cash), grid.points, cash, prices, response, nothing)


def steady_points(settings: RSPG, model: Model) -> int | dict[str, int]:
    """Asset points of the stationary equilibrium that training starts from: twice those of training, of two assets
    those of training."""
    return settings.points(model, 2)


class Compiled(NamedTuple):
    """The programs of training, `warm_up`, `_train` and `optimum_by_state`, compiled, and the seconds it took."""

    warm_up: Callable
    train: Callable
    by_state: Callable
    seconds: float


@float64_allowed
def compile_ahead(
    model: Model, settings: RSPG, points: Any, models: ModelSet | None = None, *, planned: bool = False
) -> Compiled:
    """Compile what training calls, for the shapes of a model and settings, and whether it is `planned`.

    `points` is the number of asset points of the stationary equilibrium that training starts from. It needs no
    numbers, so it runs in a thread beside the stationary equilibrium.
    """
    play, training = untrained(model, settings, points=points, planned=planned)
    return compile_for(model, settings, points, play, training, models)


@float64_allowed
def compile_for(
    model: Model, settings: RSPG, points: Any, play: Play, training: Training[State], models: ModelSet | None
) -> Compiled:
    """Compile what training calls, for the shapes of `play`, `training` and `models`; otherwise as `compile_ahead`."""
    begin, options = time.perf_counter(), quick_compilation()
    walk = warm_up.lower(play, training, training.key, training.price_noise_sd, settings, models)
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        walking = beside.submit(walk.compile, compiler_options=options)
        by_state = (
            beside.submit(_compile_by_state, model, points, play.economy.planned)
            if play.policy.by_state is not None
            else None
        )
        step = _train.lower(finer(play), training, settings, chunk_length(settings.updates), models)
        train = step.compile(compiler_options=options)
        optimum = optimum_by_state if by_state is None else by_state.result()
        return Compiled(walking.result(), train, optimum, time.perf_counter() - begin)


@float64_allowed
def _compile_by_state(model: Model, points: Any, planned: bool) -> Callable:
    economy = discretize(model, points, jnp.float64, planned=planned)
    moved, start = in_jax(np.ones(len(names_of(economy).unknown))), in_jax(np.ones(economy.shape))
    lowered = optimum_by_state.lower(economy, moved, start, start if planned else None)
    return lowered.compile(compiler_options=quick_compilation())


@eqx.filter_jit
def _train(
    play: Play,
    training: Training[State],
    settings: RSPG,
    length: int,
    models: ModelSet | None = None,
) -> tuple[Training[State], Progress]:
    return repeated(lambda training: update(play, training, settings, models), training, length, broken)


def price(model: Model, settings: RSPG) -> None:
    """Raise SizeError where training does not fit this machine, before anything is computed."""
    economy = discretize(model, 10, DTYPES[settings.precision])
    settings.price(economy.shape[1], economy.shock_count)


History = dict[str, np.ndarray]
Watcher = Callable[[Training[State], History], bool | None]


class Begun(NamedTuple):
    """Set up training: for an `adversary` where there is a model set, from `resume` where it goes on."""

    model: Model
    settings: RSPG
    seed: int
    steady: SteadyState | None
    resume: tuple[Training[State], History] | None
    adversary: Adversary | None


def train_economy(
    begun: Begun, callback: Watcher | None, started: Callable[[SteadyState], None] | None, lines: Lines
) -> Solution:
    """Train an economy: stationary equilibrium, compilation beside it, first paths, updates; `started(steady)` is
    called once, before the first update."""
    begin, (model, settings, seed, steady, resume, adversary) = time.perf_counter(), begun
    models = None if adversary is None else adversary.models
    lines.step("compiling" if steady is not None else "stationary equilibrium, compiling beside it")
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        points = steady_points(settings, model) if steady is None else steady.economy.grid.count
        planned = steady is not None and steady.economy.planned
        compiling = beside.submit(compile_ahead, model, settings, points, models, planned=planned)
        steady = steady if steady is not None else steady_state(model, asset_points=steady_points(settings, model))
        if started is not None:
            started(steady)
        lines.now("compiling")
        compiled = compiling.result()
    if resume is not None:
        play, _ = untrained(model, settings, steady, seed=seed)
        training, history = resume
        play = play._replace(policy=training.policy, tables=training.policy.tables_on(play.economy.grid))
    else:
        lines.now("first paths, on which households follow the stationary policy")
        play, training = prepare(
            model, settings, steady, seed=seed, walk=compiled.warm_up, by_state=compiled.by_state, models=models
        )
        history = {name: np.zeros(0) for name in HISTORY}
    ready = time.perf_counter()
    lines.step(f"training, at most {settings.updates - len(history['update'])} updates")
    advance, converged, say = calls(play, settings, compiled, adversary or models, len(history["update"]), lines)
    training, history, status = train(
        advance, training, history, updates=settings.updates, converged=converged, say=say, callback=callback
    )
    end = time.perf_counter()
    device = play.economy.income_transition.devices().pop()
    return Solution(
        model, settings, steady, training.policy, training.optimizer, training.states, training.key,
        training.price_noise_sd, history, status, seed, f"{device.platform} ({device.device_kind})", compiled.seconds,
        end - ready, end - begin,
    )  # fmt: skip


def calls(
    play: Play, settings: RSPG, compiled: Compiled, models: Adversary | ModelSet | None, done: int, lines: Lines,
    *, name: Callable[[int, int], str] = "path {1}".format,
) -> tuple[Callable, Callable[[History], bool], Callable[[History], None]]:  # fmt: skip
    """One call of the compiled program, whether training has converged, and what is said of it.

    Where there are several `models` an adversary may move between calls and weight them. Training has converged where
    the errors of the last call, and what the adversary could gain, are below the tolerance. `name(update, path)` is a
    path in messages.
    """
    length, training_play, course = chunk_length(settings.updates), finer(play), Course(settings.updates, done)

    def advance(training: Training[State], history: History) -> tuple[Training[State], History]:
        done = made(history)
        weighted, reported = models, {}
        if isinstance(models, Adversary):
            now = play._replace(policy=training.policy)
            weighted, reported = models.move(now, training.states, history, done // length)
        training, reports = compiled.train(training_play, training, settings, length, weighted)
        check_reports(play.economy, reports, done, name)
        new = {"update": done + 1 + np.arange(length), **{n: np.asarray(getattr(reports, n)) for n in HISTORY[1:]}}
        new |= {name: np.repeat(value[None], length, axis=0) for name, value in reported.items()}
        return training, {name: np.concatenate([history[name], each]) if done else each for name, each in new.items()}

    def converged(history: History) -> bool:
        return bool(np.max(list(last_errors(history, length).values())) < settings.tolerance)

    def say(history: History) -> None:
        error = last_errors(history, length)["the Euler error"]
        lines.now(f"training, {course(made(history))}, Euler error {100 * error:.4f} %")

    return advance, converged, say
