"""The policy of a population that saves: history of public signals and own state -> consumption, hence savings.

The head is one-shot: a small network turns the features of the public history into values at a few asset knots for
each income state, once per path and period; a spline matrix spreads them over the whole grid. The result is a
correction, in logs, to the stationary consumption function c* read at today's cash on hand m:

    c(a, e, h) = [ c*(m*) + c*'(m*) (m - m*) ] exp( spline(knots)(a, e) ),

with m* the stationary cash on hand at the same (a, e). The correction is zero at the start. Consumption above
m - lower means that the borrowing limit binds, exactly.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.interpolate
from jax import Array

from hank_mfg.environment.grids import asset_grid, spline_matrix
from hank_mfg.model.assets import Assets
from hank_mfg.policy.encoders import AbstractEncoder, make_encoder
from hank_mfg.policy.tables import ConsumptionFunction


class Tables(NamedTuple):
    """What a policy needs at given asset points, computed once: not trained.

    `spread` (points, knots) is the spline matrix; `cash`, `consumption` and `slope` (points, income) are the
    stationary cash on hand, consumption, and marginal propensity to consume.
    """

    spread: Array
    cash: Array
    consumption: Array
    slope: Array


class Whitening(eqx.Module):
    """Standardize signals: (o - mean) @ matrix has about unit variance in every direction that moves."""

    mean: Array
    matrix: Array

    def __call__(self, signal: Array) -> Array:
        """Standardized signals, (signals,); they saturate at 20 standard deviations, far outside the ergodic set."""
        return 20.0 * jnp.tanh((signal - self.mean) @ self.matrix / 20.0)


def fit_whitening(signals: Array | np.ndarray) -> Whitening:
    """Whiten a sample of signals (n, signals) by its principal components.

    Signals are first divided by their own standard deviations; one that moves by less than 1e-4 of its mean counts as a
    constant and is not blown up. Directions with less than 1e-4 of the variance are scaled as if they had 1e-4.
    """
    dtype, sample = signals.dtype, np.asarray(signals, np.float64)
    mean, scale = sample.mean(axis=0), sample.std(axis=0)
    scale = np.where(scale > 1e-4 * np.abs(mean), scale, np.maximum(np.abs(mean), 1.0))
    variances, directions = np.linalg.eigh(np.atleast_2d(np.cov((sample - mean).T / scale[:, None])))
    size = np.sqrt(np.maximum(variances, 1e-4 * max(variances.max(), 1.0)))
    return Whitening(jnp.asarray(mean, dtype), jnp.asarray((directions / size) / scale[:, None], dtype))


def _read(function: ConsumptionFunction, cash: np.ndarray) -> np.ndarray:
    """A consumption function at `cash` (n, income), linear between its points and beyond them, in float64."""
    columns = zip(np.asarray(function.cash).T, np.asarray(function.consumption).T, cash.T, strict=True)
    return np.stack([scipy.interpolate.make_interp_spline(x, y, k=1)(at) for x, y, at in columns], axis=1)


class KnotHead(eqx.Module):
    """Features -> values on (knots, income): a linear part plus a small tanh network, both zero at the start."""

    linear: eqx.nn.Linear
    hidden: tuple[eqx.nn.Linear, eqx.nn.Linear]
    output: eqx.nn.Linear
    shape: tuple[int, int] = eqx.field(static=True)

    def __init__(self, features: int, knots: int, income: int, width: int, *, key):
        self.linear = eqx.nn.Linear(features, knots * income, key=key)
        self.hidden = eqx.nn.Linear(features, width, key=key), eqx.nn.Linear(width, width, key=key)
        self.output = eqx.nn.Linear(width, knots * income, use_bias=False, key=key)
        self.shape = (knots, income)

    def __call__(self, features: Array) -> Array:
        """Values at the knots: (knots, income)."""
        hidden = features
        for layer in self.hidden:
            hidden = jnp.tanh(layer(hidden))
        return (self.linear(features) + self.output(hidden)).reshape(self.shape)


class Policy(eqx.Module):
    """Encoder, head and the stationary policy that they correct.

    `knots` (knots,) are asset levels; `space` and `stationary` place the stationary consumption function, whose cash
    on hand at assets `points` is given by `stationary_cash` on the grid `stationary_points`.
    """

    encoder: AbstractEncoder
    head: KnotHead
    whitening: Whitening
    stationary: ConsumptionFunction
    stationary_points: Array
    stationary_cash: Array
    knots: Array
    curvature: Array

    def initial_memory(self) -> Array:
        """The memory before the first signal."""
        return self.encoder.initial()

    def remember(self, memory: Array, signal: Array) -> tuple[Array, Array]:
        """Take in one raw public signal; return the new memory and the features."""
        return self.encoder.remember(memory, self.whitening(signal))

    def tables(self, points: Array) -> Tables:
        """Everything fixed at asset points (n,): computed once per grid, by NumPy and SciPy in float64."""
        dtype = self.knots.dtype
        at, origin, known, knots = (
            np.asarray(x, np.float64)
            for x in (points, self.stationary_points, self.stationary_cash, self.knots)
        )  # fmt: skip
        cash = np.stack([np.interp(at, origin, column) for column in known.T], axis=1)
        small = 1e-4 * (1.0 + np.abs(cash))
        higher, here, lower = (_read(self.stationary, x) for x in (cash + small, cash, cash - small))
        spread = spline_matrix(*(self._coordinate(x) for x in (knots, at)))
        return Tables(*(jnp.asarray(x, dtype) for x in (spread, cash, here, (higher - lower) / (2.0 * small))))

    def _coordinate(self, assets: np.ndarray) -> np.ndarray:
        lower, upper, curvature = (float(x) for x in (self.knots[0], self.knots[-1], self.curvature))
        return np.clip((assets - lower) / (upper - lower), 0.0, 1.0) ** (1.0 / curvature)

    def correction(self, features: Array, tables: Tables) -> Array:
        """The log correction to stationary consumption: (points, income)."""
        return tables.spread @ self.head(features)

    def baseline(self, cash: Array, tables: Tables) -> Array:
        """Stationary consumption read at today's cash on hand, to first order: (points, income)."""
        return tables.consumption + tables.slope * (cash - tables.cash)

    def consumption(self, features: Array, cash: Array, tables: Tables) -> Array:
        """Desired consumption before the budget binds: (points, income), goods per period."""
        return self.baseline(cash, tables) * jnp.exp(self.correction(features, tables))


class PolicySettings(NamedTuple):
    """Sizes of a policy: signals seen, the encoder and its units, hidden width and asset knots of the head."""

    signals: int
    memory: str = "gru"
    units: int = 32
    width: int = 32
    knots: int = 24


def make_policy(
    stationary: ConsumptionFunction,
    stationary_points: Array,
    stationary_cash: Array,
    space: Assets,
    settings: PolicySettings,
    *,
    seed: int,
) -> Policy:
    """A policy that starts exactly at the stationary consumption function, in the dtype of the points given.

    Weights are uniform within 1/sqrt(inputs), drawn by NumPy from `seed`, biases zero, the last layers zero so that
    the correction is zero. Signals are not yet standardized: replace `whitening` by `fit_whitening` of a sample.
    """
    dtype, signals, income = stationary_points.dtype, settings.signals, stationary_cash.shape[1]
    draws = np.random.default_rng(seed)

    def networks(key):
        encoder = make_encoder(settings.memory, signals, settings.units, key=key)
        return encoder, KnotHead(encoder.feature_count, settings.knots, income, settings.width, key=key)

    def weights(leaf):
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        limit = 1.0 / np.sqrt(leaf.shape[-1]) if leaf.ndim == 2 else 0.0
        return jnp.asarray(draws.uniform(-limit, limit, leaf.shape).astype(dtype))

    encoder, head = jax.tree.map(weights, eqx.filter_eval_shape(networks, jax.random.PRNGKey(0)))
    zero = lambda layer: jax.tree.map(lambda leaf: jnp.asarray(np.zeros(leaf.shape, dtype)), layer)  # noqa: E731
    head = eqx.tree_at(lambda h: (h.linear, h.output), head, (zero(head.linear), zero(head.output)))
    whitening = Whitening(jnp.asarray(np.zeros(signals, dtype)), jnp.asarray(np.eye(signals, dtype=dtype)))
    grid = asset_grid(space, settings.knots, dtype)
    return Policy(encoder, head, whitening, stationary, stationary_points, stationary_cash, grid.points, grid.curvature)
