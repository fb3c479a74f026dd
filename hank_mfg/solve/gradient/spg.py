"""Structural policy gradient, with memory (RSPG) or without (SPG).

One update: follow `paths` paths for `horizon` periods from where the last update ended; compute the structural
gradient at every individual state (euler.py); take a damped Newton step on each state's first-order condition; move
the network toward it with Adam. The step is the gradient of the objective in units in which every state is equally
well conditioned, weighted by the mass: it vanishes exactly where the gradient does.

Source: Wibault et al. (2026), arXiv 2602.20141; Yang, Wang, Schaab and Moll (2025), arXiv 2512.18892. The envelope
critic, the exact look-ahead and the Newton units are ours; DECISIONS.md says why.
"""

import dataclasses
from typing import Any, Generic, NamedTuple, TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.model.base import Model
from hank_mfg.policy.policy import Policy, Tables, trainable
from hank_mfg.policy.portfolio_policy import PortfolioPolicy, PortfolioTables
from hank_mfg.solve.gradient.descent import descend, make_optimizer
from hank_mfg.solve.gradient.euler import FirstOrder, due_expectations, exact_ahead, first_order, structural_gradient
from hank_mfg.solve.gradient.model_sets import ModelSet, on_paths, path_shares
from hank_mfg.solve.play.fine_mass import at_nodes, coarsen, refine
from hank_mfg.solve.play.market import Market
from hank_mfg.solve.play.rollout import Decision, NoisyPrices, Play, State, Step, for_each, rollout, worst_market
from hank_mfg.solve.settings import MethodSettings, accepts_old_names, is_real

TWO_ASSETS = {  # settings with which training of two assets begins at linear responses, and needs few updates
    "paths": 16, "horizon": 3, "updates": 60, "learning_rate": 5e-4, "price_noise": 0.0, "width": 32, "knots": 16,
    "asset_points": 50, "warmup": 20, "tolerance": 1e-4,
}  # fmt: skip
BOUND = 0.05  # weight of states in which the borrowing limit binds, against the others
TD_LAMBDA_BY_STATE = 0.9  # td_lambda where the policy starts from an optimum in every aggregate state
States = TypeVar("States")


@accepts_old_names
@dataclasses.dataclass(frozen=True)
class RSPG(MethodSettings):
    """Settings of recurrent structural policy gradient.

    `paths` paths of `horizon` periods are sampled in every update, at most `updates` times. The network then takes
    `epochs` Adam steps toward the targets of these paths. `learning_rate` falls along a cosine to `final_rate` times
    itself; `clip_norm` bounds the norm of the gradient. Each update interpolates between the old and the new network;
    the weight on the new one falls from 1 to `final_step` along a cosine. `td_lambda` in [0, 1] weights errors further
    ahead on a path in the gradient; None means .9 where the policy starts from an optimum in every aggregate state
    (by_state.py) and 0 elsewhere. `uniform_weight` is the weight, in the fit, of states outside the current mass;
    `max_step` bounds the change of log consumption aimed at in one update.

    `memory` ("gru", "lstm", "lru", "attention", "none"), `units`, `width` and `knots` set the size of the policy's
    network, `asset_points` the grid, of two assets that of the first, `second_points` that of the second, `precision`
    ("float32", "float64") the precision of training. Training stops when
    the mass-weighted Euler error, relative to consumption, and the error of expectations, relative to their values at
    rest where these are above one, are below `tolerance`. The scale of the signals is measured first, in `warmup`
    periods under the stationary policy. During training, clearing prices are perturbed by noise with `price_noise`
    times their standard deviation, so that the policy learns its response off the equilibrium path."""

    paths: int = 16
    horizon: int = 20
    updates: int = 120
    epochs: int = 16
    learning_rate: float = 2e-3
    final_rate: float = 0.01
    final_step: float = 1.0
    clip_norm: float = 1.0
    td_lambda: float | None = None
    uniform_weight: float = 0.02
    max_step: float = 0.2
    price_noise: float = 0.1
    memory: str = "gru"
    units: int = 16
    width: int = 64
    knots: int = 24
    asset_points: int = 200
    second_points: int = 70
    precision: str = "float32"
    tolerance: float = 3e-5
    warmup: int = 200

    def __post_init__(self):
        """Check every field. Raises ValueError naming the field, its value and the range."""
        self.check(
            counts=("paths", "horizon", "updates", "epochs", "warmup"),
            positive=("learning_rate", "clip_norm", "max_step", "tolerance"),
            shares=("uniform_weight", "final_rate", "final_step"),
        )
        if self.td_lambda is not None:
            valid = is_real(self.td_lambda) and 0 <= self.td_lambda <= 1
            self.demand("td_lambda", valid, "between 0 and 1, or None to let the economy decide")
        self.demand("price_noise", self.price_noise >= 0, "zero or positive")
        self.demand("knots", self.knots >= 10, "an integer of at least 10")
        self.demand("asset_points", self.asset_points >= 10, "at least 10")
        self.demand("second_points", self.second_points >= 10, "at least 10")
        self.price()

    @classmethod
    def for_model(cls, model: Model, **settings) -> "RSPG":
        """Settings with the defaults of a kind of economy, those given otherwise: of one asset the ones above, of two
        assets `TWO_ASSETS`, where a period costs a hundred times as much and training starts from linear responses.
        Raises ValueError as RSPG() does."""
        return cls(**{**(TWO_ASSETS if model.asset_names() else {}), **settings})

    def points(self, model: Model, finer: int = 1) -> int | dict[str, int]:
        """What `asset_points` means for a model: of one asset `finer` times the number given; of two assets the numbers
        given, by name."""
        names = model.asset_names()
        if not names:
            return finer * self.asset_points
        return dict(zip(names, (self.asset_points, self.second_points), strict=True))

    def price(self, states: int = 1, shocks: int = 1) -> None:
        """Raise SizeError unless training fits this machine, for so many income states and aggregate shocks."""
        periods, cells = float(self.paths) * self.horizon, float(self.asset_points) * states
        networks = self.network_numbers(outputs=self.knots)
        warm = float(self.paths) * self.warmup
        splines = 2.0 * self.knots * (self.knots + float(self.asset_points))
        self.require_room(
            numbers=12.0 * periods * cells + networks + splines + warm + 10.0 * self.updates,
            steps=self.updates * periods * (100.0 * cells * shocks + 2.0 * self.epochs * networks),
        )


def SPG(**settings) -> RSPG:  # noqa: N802 - the method's name
    """Structural policy gradient without memory: the same algorithm whose policy sees the current signal only."""
    return RSPG(**{"memory": "none", **settings})


class Progress(NamedTuple):
    """The report of one update: `finite` (quantities, paths), where everything is a number, `market`, where prices of
    every path cleared worst; `price_error` is that of expectations, see
    `missed_expectation`."""

    loss: Array
    euler_error: Array
    price_error: Array
    objective: Array
    finite: Array
    market: Market


QUANTITIES = ("prices and signals", "cash on hand", "consumption", "mass", "structural gradient")


class Training(NamedTuple, Generic[States]):
    """Everything that training carries from one update to the next; saved and loaded, it goes on as if unbroken.

    `states` are the paths' last states: of all in training, of all and the deviator in exploitability.
    `price_noise_sd` (clearing prices,) are the standard deviations of the noise added to clearing prices in training.
    """

    policy: Policy
    optimizer: optax.OptState
    states: States
    key: Array
    price_noise_sd: Array


class Record(NamedTuple):
    """The record of each period for training; (time, assets, income) unless said.

    `consumption` is the composite (consumption, less effort under GHH) that the bounds on savings leave of the
    `unconstrained_consumption` one, `rise` how much it rises with a unit of next assets less: the asset's price, or
    less where earnings fall with it; `goods` is consumption of goods. `expected` (time,
    expectations) is what the policy expects, `implied` the exact expectation over every next aggregate state;
    `features` what the heads were given."""

    signal: Array
    features: Array
    cash: Array
    unconstrained_consumption: Array
    unconstrained_savings: Array
    savings: Array
    consumption: Array
    goods: Array
    rise: Array
    mass: Array
    reward: Array
    expected: Array
    implied: Array
    path: FirstOrder


class Targets(NamedTuple):
    """Targets of the networks from one path: the `correction` of log consumption and its `weight`; what is `expected`,
    (time, expectations); the number of asset points, from the lowest one, that are `bound`, (time, income): there
    saving down to the borrowing limit is optimal."""

    signal: Array
    correction: Array
    weight: Array
    expected: Array
    bound: Array


def observe(play: Play, state: State, shocks_next: Array, price_noise: Array) -> tuple[State, Record, Market]:
    """Roll out one path and keep what learning needs; `price_noise` (time, clearing_prices) is added to clearing
    prices. The mass moves on the grid of `play.fine` where there is one."""
    fine = play.fine
    if fine is None:
        last, steps = rollout(NoisyPrices(play), state, (shocks_next, price_noise), lambda step: step)
        record = for_each(play.economy, lambda step: record_period(play, step, play.look_ahead(step)), steps)
        return last, record, worst_market(play, steps.now)
    economy = play.economy.on(fine.economy.grid)  # of the path's own model
    inside = fine._replace(policy=play.policy, economy=economy)
    last, steps = rollout(NoisyPrices(inside), refine(state, inside), (shocks_next, price_noise), lambda step: step)
    record = jax.vmap(lambda step: record_period(play, *at_nodes(step, play, inside), inside.economy))(steps)
    return coarsen(last, play, inside), record, worst_market(inside, steps.now)


def record_period(play: Play, step: Step, ahead: Decision, there: Economy | None = None) -> Any:
    """The record of one period and of the decisions that may follow, on the grid of the economy `there`."""
    now = step.now
    mass = now.state.aggregate.mass
    reward = jnp.sum(mass * play.economy.reward(now.savings, now.public))
    due = due_expectations(play.economy, now, ahead)
    if play.economy.several:
        return record_portfolios(play, step, ahead, reward, due)
    condition = first_order(play.economy, step, ahead, there)
    budget = play.economy.budget(now.public)
    net = budget.unspent(now.cash, now.savings)
    consumption, rise = jax.jvp(budget.consumed, (net,), (budget.cost(jnp.ones_like(net)),))
    return Record(
        now.signal, now.features, now.cash, now.unconstrained_consumption, now.unconstrained_savings, now.savings,
        consumption, budget.goods(consumption), rise, mass, reward, now.expected, due, condition,
    )  # fmt: skip


def compute_targets(play: Play, record: "Record | PortfolioRecord", settings: RSPG) -> tuple[Targets, Array, Array]:
    """Newton steps on every state's first-order condition, as moves of log consumption; the Euler error; the gradient.

    Where a bound binds the step starts from it and leads beyond, to the unconstrained choice: a head that is left free
    beyond the bound would bend where the bound ceases to bind.
    """
    correction = jax.vmap(lambda features: play.policy.correction(features, play.tables))(record.features)
    if isinstance(record, PortfolioRecord):
        return portfolio_targets(correction, record, settings)
    lower, upper = play.economy.lowest, play.economy.highest
    td_lambda = settings.td_lambda
    if td_lambda is None:
        td_lambda = 0.0 if play.policy.by_state is None else TD_LAMBDA_BY_STATE
    gradient = structural_gradient(play.economy, record.path, td_lambda)
    step, consumption = -gradient / record.path.curvature, record.consumption
    limit = settings.max_step
    change = jnp.clip(jnp.log1p(jnp.maximum(-step * record.rise / consumption, -0.5)), -limit, limit)
    weight = record.mass * (1.0 - settings.uniform_weight) + settings.uniform_weight / record.mass[0].size
    move = jnp.clip(jnp.log(consumption / record.unconstrained_consumption) + change, -limit, limit)
    right = (record.unconstrained_savings < lower) & (change >= 0)
    bound = jnp.where(right.all(axis=1), right.shape[1], jnp.argmin(right, axis=1)).astype(jnp.int32)
    targets = Targets(record.signal, correction + move, weight, record.implied, bound)
    binds = (record.unconstrained_savings < lower) | (record.unconstrained_savings > upper)
    relative = jnp.abs(record.path.residual / record.path.curvature) * record.rise / record.goods
    euler_error = jnp.sum(jnp.where(binds, 0.0, record.mass * relative), axis=(1, 2))
    return targets, jnp.mean(euler_error), gradient


class PortfolioRecord(NamedTuple):
    """The record of each period of households with two assets: `cash` on hand, `savings` (time, 2, assets, income), the
    mass of next assets and income today, `settled`, by how much the logarithms of what is expected of marginal values
    should `move`, (time, 2, assets, income), and the changes of `consumption` that this is worth, relative, of the same
    shape. The rest is that of `Record`."""

    signal: Array
    features: Array
    cash: Array
    savings: Array
    mass: Array
    settled: Array
    reward: Array
    expected: Array
    implied: Array
    move: Array
    consumption: Array


def record_portfolios(play: Play, step: Step, ahead: Decision, reward: Array, due: Array) -> PortfolioRecord:
    """The record of one period and of the decisions that may follow, of households with two assets."""
    policy, now = play.policy, step.now
    assert isinstance(policy, PortfolioPolicy) and isinstance(play.tables, PortfolioTables)
    exact, known = exact_ahead(play.economy, step, ahead), policy.ahead(now.features, play.tables)
    inverse = play.economy.model.preferences().inverse_marginal_utility
    return PortfolioRecord(
        now.signal, now.features, now.cash, now.savings, now.state.aggregate.mass, step.settled, reward, now.expected,
        due, jnp.log(exact) - jnp.log(known), inverse(exact) / inverse(known) - 1.0,
    )  # fmt: skip


def portfolio_targets(correction: Array, record: PortfolioRecord, settings: RSPG) -> tuple[Targets, Array, Array]:
    """Targets, where the output of the networks is `correction`; the larger of the mean Euler errors of both assets,
    relative to consumption; the moves themselves.

    What is expected of marginal values counts where households' next assets are."""
    cells = record.settled[0].size
    weight = record.settled * (1.0 - settings.uniform_weight) + settings.uniform_weight / cells
    move = jnp.clip(record.move, -settings.max_step, settings.max_step)
    bound = jnp.zeros((len(move), move.shape[-1]), jnp.int32)
    targets = Targets(record.signal, correction + move, weight[:, None], record.implied, bound)
    missed = jnp.sum(record.settled[:, None] * jnp.abs(record.consumption), axis=(2, 3))
    return targets, jnp.max(jnp.mean(missed, axis=0)), record.move


def missed_expectation(policy: Policy, missed: Array) -> Array:
    """The largest of the mean errors `missed` (time, expectations) of expectations, a number: relative to the value at
    rest where that is above one, otherwise as it is; zero where nothing is expected."""
    unit = jnp.maximum(jnp.abs(policy.stationary.expected), 1.0)
    return jnp.max(jnp.mean(jnp.abs(missed), axis=0) / unit, initial=0.0)


def along(policy: Policy, tables: Tables, memory: Array, signal: Array) -> tuple[Array, Array]:
    """Outputs of the networks along one path of signals (time, signals): the log correction of consumption, (time,
    assets, income), and what is expected, (time, expectations)."""
    _, features = jax.lax.scan(lambda m, o: policy.remember(m, o), memory, signal)
    return jax.vmap(lambda f: (policy.correction(f, tables), policy.expected(f)))(features)


def fit(
    play: Play, training: Training, settings: RSPG, memory: Array, targets: Targets, shares: Array,
    *, models: ModelSet | None = None, place: Array | None = None,
) -> tuple[Policy, optax.OptState, Array]:  # fmt: skip
    """`epochs` optimizer steps toward the targets of a batch of paths: (policy, optimizer, loss before the first).

    The loss is half the weighted squared distance of the log correction from where it should move, summed over states,
    and half that of what is expected in units of its `scale` (as it is, Adam would take it for
    rounding), mean over periods and over paths, which count by their `shares` (paths,) of mean one. The targets
    of a rollout merit several cheap steps of the network, and are partly peculiar to its paths: a network that goes
    only part of the way is a mean over the last rollouts."""
    moving, fixed = eqx.partition(training.policy, trainable(training.policy))

    def current(moving):
        now = play._replace(policy=eqx.combine(moving, fixed))
        return on_paths(now, models, place, lambda p, m, o: along(p.policy, p.tables, m, o), memory, targets.signal)

    correction, weight = targets.correction, targets.weight
    if training.policy.by_state is not None:
        number = jnp.arange(weight.shape[2])[:, None]
        free = number >= targets.bound[:, :, None]
        first = jnp.minimum(targets.bound, weight.shape[2] - 1)[:, :, None]
        correction = jnp.take_along_axis(correction, jnp.maximum(number, first), axis=2)
        weight = jnp.where(free, weight, BOUND * weight)
    unit = 1.0 if training.policy.expectations is None else training.policy.expectations.scale

    def loss(moving):
        distance, missed = jax.tree.map(jnp.subtract, current(moving), (correction, targets.expected))
        states = tuple(range(2, distance.ndim))
        households, ahead = jnp.sum(weight * distance**2, axis=states), jnp.sum((missed / unit) ** 2, axis=2)
        return 0.5 * jnp.mean(shares[:, None] * (households + ahead))

    start = (moving, training.optimizer)
    (_, steps), *_ = optax.tree.get_all_with_path(training.optimizer, "count")
    part = jnp.asarray(optax.cosine_decay_schedule(1.0, settings.updates, settings.final_step)(steps / settings.epochs))
    (moving, optimizer), values = descend(loss, start, make_optimizer(settings), steps=settings.epochs, part=part)
    return cast(Policy, eqx.combine(moving, fixed)), optimizer, values[0]


def turn_of(training: Training, settings: RSPG) -> Array | None:
    """The paths whose turn it is, (paths,), where there are more than one update follows; else None."""
    count = jax.tree.leaves(training.states)[0].shape[0]
    if count == settings.paths:
        return None
    (_, steps), *_ = optax.tree.get_all_with_path(training.optimizer, "count")
    return (jnp.asarray(steps) // settings.epochs * settings.paths + jnp.arange(settings.paths)) % count


def update(
    play: Play, training: Training[State], settings: RSPG, models: ModelSet | None = None
) -> tuple[Training[State], Progress]:
    """One update on fresh segments of `paths` paths, of all or of those whose turn it is. `play.policy` is replaced by
    the policy in training.

    Paths belong to the `models` of a set in turn, where there is one (models.py), and count by their weights.
    """
    key, draw_key = jax.random.split(training.key)
    play = play._replace(policy=training.policy)
    turn = turn_of(training, settings)
    states = training.states if turn is None else jax.tree.map(lambda x: x[turn], training.states)
    place = None if models is None else models.place(jnp.arange(settings.paths) if turn is None else turn)
    shares = path_shares(models, place, settings.paths, play.economy.dtype)

    def one(play, state, key):
        shocks = play.economy.draw_shocks(state.aggregate.shock, settings.horizon, key=key)
        shape = (settings.horizon, *training.price_noise_sd.shape)
        normal = jax.random.normal(jax.random.fold_in(key, 1), shape, play.economy.dtype)
        last, record, market = observe(play, state, shocks, training.price_noise_sd * normal)
        targets, error, gradient = compute_targets(play, record, settings)
        parts = (record.signal, record.cash, record.savings, record.mass, gradient)
        finite = jnp.stack([jnp.all(jnp.isfinite(part)) for part in parts])
        missed = missed_expectation(play.policy, record.implied - record.expected)
        numbers = (error, missed, jnp.mean(record.reward))
        return last, targets, numbers, finite, market

    keys = jax.random.split(draw_key, settings.paths)
    last, targets, numbers, finite, market = on_paths(play, models, place, one, states, keys)
    policy, optimizer, loss = fit(play, training, settings, states.memory, targets, shares, models=models, place=place)
    if turn is not None:
        last = jax.tree.map(lambda every, new: every.at[turn].set(new), training.states, last)
    euler_error, price_error, objective = (jnp.mean(shares * each) for each in numbers)
    report = Progress(loss, euler_error, price_error, objective, finite.T, market)
    return Training(policy, optimizer, last, key, training.price_noise_sd), report
