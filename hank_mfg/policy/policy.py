"""The policy of a population that saves: history of public signals and own state -> consumption, hence savings.

The head is one-shot: a small network turns the features of the public history into values at a few asset knots for
each income state, once per path and period; a spline matrix spreads them over the whole grid. The result is a
correction, in logs, to the stationary consumption function c* read at today's cash on hand m:

    c(a, e, h) = [ c*(m*) + c*'(m*) (m - m*) ] exp( spline(knots)(a, e) + g(a, e) (p - p*) ),

with m* the stationary cash on hand at the same (a, e). p are the prices that clear inside the period, p* their
stationary values, and g what they do to log consumption if tomorrow is as in the stationary equilibrium but for what
they promise: without it no household would respond to such a price at first, and no market would clear. The correction
is zero at the start. Consumption above m - lower means that the borrowing limit binds, exactly.

Where prices are a closed form and the signal reveals the aggregate state z, c* and m* are those of z (`ByState`): the
household's optimum if z follows its chain and the aggregates that choices move stay at their stationary values. The
kinks of consumption, where the borrowing limit starts to bind today or tomorrow, then lie where they belong in every
aggregate state, and the smooth correction is left with what aggregates that move add.

Where firms set prices they have an encoder and a head of their own, which give the expected term of the Phillips
curve: its steady-state value plus one number per path and period.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.grids import AssetGrid, asset_grid, assets_at, coordinate, spline_matrix
from hank_mfg.environment.information_sets import InformationSets
from hank_mfg.environment.product_grid import ProductGrid
from hank_mfg.model.assets import Assets
from hank_mfg.model.portable import portable
from hank_mfg.policy.encoders import AbstractEncoder
from hank_mfg.policy.networks import Head, NetworkSettings, Whitening, interacted, make_networks, no_whitening
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.precision import in_jax


class Tables(NamedTuple):
    """Tables of a policy at given asset points, computed once and not trained.

    `spread` (points, knots) is the spline matrix; `cash`, `consumption` and `slope` (points, income) are the stationary
    cash on hand, consumption, and marginal propensity to consume; `response` (clearing prices, points, income) is that
    of log consumption to prices that clear inside the period. Where policies start from one in every aggregate state,
    `cash` has a leading axis of these, `slope` of the same shape is that of assets in cash on hand, and `consumption`
    (states, `grid`, income) lies on a fine grid of assets; `points` are those asked for."""

    spread: Array
    cash: Array
    consumption: Array
    slope: Array
    response: Array
    points: Array | None = None
    grid: AssetGrid | None = None


FINE = (
    6401,
    1601,
    401,
    101,
)  # asset points on which consumption in every aggregate state is read; the most that differ


def _read(function: ConsumptionFunction, cash: np.ndarray) -> np.ndarray:
    """A consumption function at `cash` (n, income), linear between its points and beyond them, in float64."""
    import scipy.interpolate  # here: it is slow to import

    columns = zip(np.asarray(function.cash).T, np.asarray(function.composite).T, cash.T, strict=True)
    return np.stack([scipy.interpolate.make_interp_spline(x, y, k=1)(at) for x, y, at in columns], axis=1)


@portable
class Stationary(NamedTuple):
    """The stationary policy: consumption as a `function` of cash on hand, `cash` (assets, income) at asset `points`.

    `clearing_prices` are the stationary values of the prices that clear inside the period, (clearing prices,), and
    `response` what they do to log consumption at given cash on hand, (clearing prices, assets, income);
    `expected` (expectations,) is what the period's equations expect."""

    function: ConsumptionFunction
    points: Array
    cash: Array
    clearing_prices: Array
    response: Array
    expected: Array


class SeenStates(NamedTuple):
    """How the signal reveals the aggregate state: the `places` in the signal of entries that depend on shocks alone,
    and their `values` in every state, (states, places)."""

    places: tuple[int, ...]
    values: np.ndarray


class ByState(eqx.Module):
    """The policy in every aggregate state if the aggregates that choices move stayed at their stationary values.

    `function` is consumption as a function of cash on hand, (states, assets, income) both; `cash` cash on hand at the
    stationary policy's asset points, of the same shape. A state is known by the signal at `places`: the one with the
    nearest `values` (states, places).
    """

    function: ConsumptionFunction
    cash: Array
    values: Array
    places: tuple[int, ...] = eqx.field(static=True)

    def recognize(self, signal: Array) -> Array:
        """The index of the aggregate state that a raw signal (signals,) reveals, in the dtype of the signal."""
        unit = jnp.maximum(jnp.ptp(self.values, axis=0), jnp.finfo(signal.dtype).tiny)
        away = (self.values - signal[np.asarray(self.places)]) / unit
        return jnp.argmin(jnp.sum(away**2, axis=1)).astype(signal.dtype)


def _spread(at: np.ndarray, points: Array, table: Array | np.ndarray) -> np.ndarray:
    """A table (assets, income) read at assets `at`, linearly, in float64."""
    origin = np.asarray(points, np.float64)
    return np.stack([np.interp(at, origin, column) for column in np.asarray(table, np.float64).T], axis=1)


def _first_order(at: np.ndarray, points: Array, cash: Array, function: ConsumptionFunction) -> tuple[np.ndarray, ...]:
    """Cash on hand, consumption and its slope in cash at assets `at`, (n, income) each, from `cash` at `points`."""
    there = _spread(at, points, cash)
    small = 1e-4 * (1.0 + np.abs(there))
    higher, here, lower = (_read(function, x) for x in (there + small, there, there - small))
    return there, here, (higher - lower) / (2.0 * small)


def _in_state(
    at: np.ndarray, fine: np.ndarray, points: Array, cash: Array, function: ConsumptionFunction
) -> tuple[np.ndarray, ...]:
    """In an aggregate state: cash on hand at assets `at`, (n, income), consumption at `fine` ones, and the slope of
    assets in cash at `at`."""
    at_points, there = np.asarray(points, np.float64), _spread(at, points, cash)
    gross = _spread(at, points, np.gradient(np.asarray(cash, np.float64), at_points, axis=0))
    slope = np.where(gross == 0, 0.0, 1.0 / np.where(gross == 0, 1.0, gross))  # zero of newborns
    return there, _read(function, _spread(fine, points, cash)), slope


class Expectations(eqx.Module):
    """The encoder and head of what the period's equations expect, as expectations() or the term of firms that set
    prices; `scale` (expectations,), of what the head gives, is about how much it varies."""

    encoder: AbstractEncoder
    head: Head
    scale: Array


@portable
class Policy(eqx.Module):
    """Encoder, head and the stationary policy that they correct.

    `knots` (knots,) are asset levels; `stationary` is the policy without aggregate risk. Memory and features are those
    of households, then those of `expectations` where there are any. `information_sets` is the
    partition of income states that a household can distinguish: in all states of a set it corrects, by one percentage,
    one stationary policy, the mean over the set of the policies of households who know their state. `parameters`
    (parameters,) are those of the model that the networks see beside the signal, in units of their box, where one
    policy serves a box of them.
    """

    encoder: AbstractEncoder
    head: Head
    whitening: Whitening
    stationary: Any  # Stationary, or StationaryPortfolio with two assets
    knots: Array
    curvature: Array
    pivot: Array | None = None
    expectations: Expectations | None = None
    by_state: ByState | None = None
    information_sets: InformationSets | None = eqx.field(static=True, default=None)
    parameters: Array | None = None

    def initial_memory(self) -> Array:
        """The memory before the first signal."""
        first, *others = (encoder.initial() for encoder in self._encoders())
        return jnp.concatenate([first, *others]) if others else first

    def remember(self, memory: Array, signal: Array) -> tuple[Array, Array]:
        """Take in one raw public signal; return the new memory and the features, the last of which is the number of
        the aggregate state where policies start from one in each."""
        seen, sizes = self.whitening(signal), [encoder.initial().shape[0] for encoder in self._encoders()]
        if self.parameters is not None:
            seen = jnp.concatenate([seen, self.parameters])
        parts = jnp.split(memory, np.cumsum(sizes)[:-1])
        pairs = [encoder.remember(part, seen) for encoder, part in zip(self._encoders(), parts, strict=True)]
        memory, features = (jnp.concatenate(each) for each in zip(*pairs, strict=True))
        if self.by_state is not None:
            features = jnp.append(features, self.by_state.recognize(signal))
        return memory, features

    def _encoders(self) -> tuple[AbstractEncoder, ...]:
        return (self.encoder,) if self.expectations is None else (self.encoder, self.expectations.encoder)

    def expected(self, features: Array) -> Array:
        """What the period's equations expect: (expectations,)."""
        if self.expectations is None:
            return jnp.zeros(0, features.dtype)
        own = interacted(features[self.encoder.feature_count :], self.parameters)
        found = self.stationary.expected + self.expectations.scale * self.expectations.head(own)
        return jnp.reshape(found, -1)  # earlier versions saved one expectation as a number

    def tables_on(self, grid: AssetGrid | ProductGrid) -> Any:
        """Everything fixed on a grid."""
        return self.tables(grid.points)

    def tables(self, points: Array) -> Tables:
        """Everything fixed at asset points (n,): computed once per grid, by NumPy and SciPy in float64."""
        dtype = self.knots.dtype
        known = self.stationary
        at, knots = np.asarray(points, np.float64), np.asarray(self.knots, np.float64)
        shape = (len(at), known.cash.shape[1])
        response = np.reshape([_spread(at, known.points, table) for table in np.asarray(known.response)], (-1, *shape))
        grid = None
        if self.by_state is None:
            first_order = _first_order(at, known.points, known.cash, known.function)
        else:
            grid = self._fine_grid()
            every = zip(*map(np.asarray, (self.by_state.cash, *jax.tree.leaves(self.by_state.function))), strict=True)
            each = [
                _in_state(at, np.asarray(grid.points), known.points, cash, ConsumptionFunction(*pair))
                for cash, *pair in every
            ]
            first_order = tuple(np.stack(table) for table in zip(*each, strict=True))
        spread = spline_matrix(*(self._coordinate(x) for x in (knots, at)))
        tables = (*first_order, response)
        if self.information_sets is not None:
            tables = map(self.information_sets.average, tables)
        cash, here, slope, response = tables
        found = (in_jax(np.asarray(x, dtype)) for x in (spread, cash, here, slope, response, at))
        return Tables(*found, grid=grid)

    def _fine_grid(self) -> AssetGrid:
        """The asset grid on which consumption in every aggregate state is read, in the dtype of the knots."""
        dtype = np.asarray(self.knots).dtype
        ends = tuple(np.asarray(self.knots)[np.array([0, -1])])
        curvature = np.minimum(np.asarray(self.curvature), 2).astype(dtype)  # sparser at the limit, denser above it
        pivot = None if self.pivot is None else np.asarray(self.pivot)
        for count in FINE:
            points = assets_at(np.linspace(0.0, 1.0, count, dtype=dtype), ends, curvature, pivot, np)
            points[-1] = ends[1]
            if np.all(np.diff(points) > 0):
                break
        return AssetGrid(*jax.tree.map(in_jax, (*ends, curvature, points, pivot)))

    def _coordinate(self, assets: np.ndarray) -> np.ndarray:
        knots = np.asarray(self.knots)
        ends, pivot = (float(knots[0]), float(knots[-1])), None if self.pivot is None else float(self.pivot)
        return coordinate(assets, ends, float(self.curvature), pivot, np)

    def correction(self, features: Array, tables: Tables) -> Array:
        """The log correction to stationary consumption: (points, income)."""
        move = tables.spread @ self.head(interacted(features[: self.encoder.feature_count], self.parameters))
        return move if self.information_sets is None else move[:, np.asarray(self.information_sets.group)]

    def baseline(self, features: Array, cash: Array, tables: Tables, floor: Array) -> Array:
        """Consumption before any correction, read at today's cash on hand m: (points, income).

        `floor` is what the lowest assets cost today, a number.

        To first order, c*(m*) + c*'(m*) (m - m*). Where policies start from one in every aggregate state it is read
        exactly, and in units of today's income: with s cash on hand at the lowest assets less the floor, relative to
        its steady-state value, s c_z(floor + (m - floor) / s), since kinks move with income.
        """
        if self.by_state is None or tables.grid is None or tables.points is None:
            return tables.consumption + tables.slope * (cash - tables.cash)
        state = features[-1].astype(jnp.int32)
        there, slope, consumption = tables.cash[state], tables.slope[state], tables.consumption[state]
        scale = jnp.ones_like(cash[:1])
        if self.information_sets is None:
            bottom, known = cash[:1] - floor, there[:1] - floor
            positive = (bottom > 0) & (known > 0)
            scale = jnp.where(positive, jnp.where(positive, bottom, 1.0) / jnp.where(positive, known, 1.0), 1.0)
        points = tables.grid.points
        assets = tables.points[:, None] + slope * (floor + (cash - floor) / scale - there)
        index = tables.grid.bracket(assets)
        low, high = points[index], points[index + 1]
        below = jnp.take_along_axis(consumption, index, axis=0)
        above = jnp.take_along_axis(consumption, index + 1, axis=0)
        return scale * (below + (assets - low) / (high - low) * (above - below))

    def consumption(self, features: Array, cash: Array, tables: Tables, clearing_prices: Array, floor: Array) -> Array:
        """The unconstrained composite (consumption, less effort under GHH), (points, income), in goods; `floor` as in
        `baseline`."""
        move = self.correction(features, tables)
        if clearing_prices.shape[0]:
            move = move + jnp.tensordot(clearing_prices - self.stationary.clearing_prices, tables.response, 1)
        return self.baseline(features, cash, tables, floor) * jnp.exp(move)


def trainable(policy: Policy):
    """True at the leaves that gradient steps move: encoders and heads."""
    none = jax.tree.map(lambda _: False, policy)

    def parts(p):
        ahead = p.expectations
        return (p.encoder, p.head, *(() if ahead is None else (ahead.encoder, ahead.head)))

    return eqx.tree_at(parts, none, jax.tree.map(eqx.is_inexact_array, parts(policy)))


class PolicySettings(NamedTuple):
    """Sizes of a policy: signals seen, the encoder and its units, hidden width and asset knots of the head; how many
    quantities are expected; groups of individual states that a household cannot tell from each other, if any; how the
    signal reveals the aggregate state, where the policy starts from one in each; model parameters seen beside the
    signal."""

    signals: int
    memory: str = "gru"
    units: int = 32
    width: int = 32
    knots: int = 24
    expectations: int = 0
    information_sets: InformationSets | None = None
    seen: SeenStates | None = None
    parameters: int = 0


def make_policy(stationary: Stationary, space: Assets, settings: PolicySettings, *, seed: int) -> Policy:
    """A policy that starts exactly at the stationary consumption function, in the dtype of the points given.

    Where aggregate states are seen its `by_state` holds the stationary one for each, to be replaced. Signals are not
    yet standardized: replace `whitening` by `fit_whitening` of a sample, and the `scale` of expectations.
    """
    dtype, income = stationary.points.dtype, stationary.cash.shape[1]
    income = income if settings.information_sets is None else max(settings.information_sets.group) + 1
    shape = NetworkSettings(
        settings.signals + settings.parameters, settings.memory, settings.units, settings.width,
        parameters=settings.parameters,
    )  # fmt: skip
    encoder, head = make_networks(shape, (settings.knots, income), dtype, seed=seed)
    whitening = no_whitening(settings.signals, dtype)
    grid = asset_grid(space, settings.knots, dtype)
    places = (grid.points, grid.curvature, grid.pivot)
    ahead, count = None, settings.expectations
    if count:
        ahead = Expectations(*make_networks(shape, (count,), dtype, seed=seed + 1000), in_jax(np.ones(count, dtype)))
    by_state = None if settings.seen is None else same_in_all(stationary, settings.seen)
    parameters = in_jax(np.zeros(settings.parameters, dtype)) if settings.parameters else None
    return Policy(encoder, head, whitening, stationary, *places, ahead, by_state, settings.information_sets, parameters)


def same_in_all(stationary: Stationary, seen: SeenStates) -> ByState:
    """The stationary policy in every aggregate state."""
    count, dtype = len(seen.values), stationary.points.dtype

    def repeat(leaf):
        return in_jax(np.repeat(np.asarray(leaf)[None], count, axis=0))

    function, cash = jax.tree.map(repeat, (stationary.function, stationary.cash))
    values = in_jax(np.asarray(seen.values, dtype))
    return ByState(function=function, cash=cash, values=values, places=seen.places)
