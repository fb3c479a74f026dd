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
        """Standardized signals, (signals,)."""
        return (signal - self.mean) @ self.matrix


def fit_whitening(signals: Array) -> Whitening:
    """Whiten a sample of signals (n, signals) by its principal components.

    Signals are first divided by their own standard deviations; directions with less than 1e-4 of the variance are
    scaled as if they had 1e-4, so that rounding noise is not blown up into a signal.
    """
    mean, scale = signals.mean(axis=0), signals.std(axis=0)
    scale = jnp.where(scale > 0, scale, 1.0)
    variances, directions = jnp.linalg.eigh(jnp.atleast_2d(jnp.cov((signals - mean).T / scale[:, None])))
    size = jnp.sqrt(jnp.maximum(variances, 1e-4 * jnp.maximum(variances.max(), 1e-12)))
    return Whitening(mean, (directions / size) / scale[:, None])


class KnotHead(eqx.Module):
    """Features -> values on (knots, income): a linear part plus a small tanh network, both zero at the start."""

    linear: eqx.nn.Linear
    hidden: tuple[eqx.nn.Linear, eqx.nn.Linear]
    output: eqx.nn.Linear
    shape: tuple[int, int] = eqx.field(static=True)

    def __init__(self, features: int, knots: int, income: int, width: int, *, key):
        first_key, second_key, linear_key = jax.random.split(key, 3)
        zero = lambda layer: jax.tree.map(jnp.zeros_like, layer)  # noqa: E731
        self.linear = zero(eqx.nn.Linear(features, knots * income, key=linear_key))
        self.hidden = eqx.nn.Linear(features, width, key=first_key), eqx.nn.Linear(width, width, key=second_key)
        self.output = zero(eqx.nn.Linear(width, knots * income, use_bias=False, key=linear_key))
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
        """Everything fixed at asset points (n,): computed once per grid."""
        cash = jax.vmap(lambda column: jnp.interp(points, self.stationary_points, column), 1, 1)(self.stationary_cash)
        small = 1e-4 * (1.0 + jnp.abs(cash))
        slope = (self.stationary(cash + small) - self.stationary(cash - small)) / (2.0 * small)
        lower, upper = self.knots[0], self.knots[-1]
        coordinate = lambda x: ((x - lower) / (upper - lower)) ** (1.0 / self.curvature)  # noqa: E731
        spread = spline_matrix(coordinate(self.knots), coordinate(points))
        return Tables(spread, cash, self.stationary(cash), slope)

    def correction(self, features: Array, tables: Tables) -> Array:
        """The log correction to stationary consumption: (points, income)."""
        return tables.spread @ self.head(features)

    def baseline(self, cash: Array, tables: Tables) -> Array:
        """Stationary consumption read at today's cash on hand, to first order: (points, income)."""
        return tables.consumption + tables.slope * (cash - tables.cash)

    def consumption(self, features: Array, cash: Array, tables: Tables) -> Array:
        """Desired consumption before the budget binds: (points, income), goods per period."""
        return self.baseline(cash, tables) * jnp.exp(self.correction(features, tables))


def make_policy(
    stationary: ConsumptionFunction,
    stationary_points: Array,
    stationary_cash: Array,
    space: Assets,
    settings: "PolicySettings",
    *,
    key,
) -> Policy:
    """A policy that starts exactly at the stationary consumption function, in the dtype of the arrays given.

    Signals are not yet standardized: replace `whitening` by `fit_whitening` of a sample.
    """
    encoder_key, head_key = jax.random.split(key)
    dtype = stationary_points.dtype
    signals = settings.signals
    whitening = Whitening(jnp.zeros(signals, dtype), jnp.eye(signals, dtype=dtype))
    encoder = make_encoder(settings.memory, signals, settings.units, key=encoder_key)
    income = stationary_cash.shape[1]
    head = KnotHead(encoder.feature_count, settings.knots, income, settings.width, key=head_key)
    knots = asset_grid(space, settings.knots, dtype)
    cast = lambda tree: jax.tree.map(lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, tree)  # noqa: E731
    return Policy(
        cast(encoder), cast(head), whitening, stationary, stationary_points, stationary_cash, knots.points,
        knots.curvature,
    )  # fmt: skip


class PolicySettings(NamedTuple):
    """Sizes of a policy: signals seen, the encoder and its units, hidden width and asset knots of the head."""

    signals: int
    memory: str = "gru"
    units: int = 32
    width: int = 32
    knots: int = 24
