"""The policy of a population with two assets: history of public signals -> what households expect of marginal values.

Choices are those of the endogenous grid method at today's prices, given what is expected of the marginal values of both
assets at every pair of next assets (b', a') and income state today:

    E[V_i](b', a', e, h) = E[V_i]*(b', a', e) exp( spline(knots)(b', a', e) ),        i = b, a,

with E[V_i]* the stationary ones. The network gives values at knots, one array per path and period. Choices then meet
the first-order conditions, the limits on both assets and the budget exactly, at any prices, and what is learned is
smooth in the pair: it has no kinks where limits bind today.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.grids import AssetGrid, asset_grid, spline_matrix
from hank_mfg.environment.product_grid import ProductGrid
from hank_mfg.model.portable import portable
from hank_mfg.policy.networks import NetworkSettings, make_networks, no_whitening
from hank_mfg.policy.policy import Expectations, Policy, PolicySettings
from hank_mfg.precision import in_jax


@portable
class StationaryPortfolio(NamedTuple):
    """The stationary policy: the logarithm of what is expected of marginal values, `log_ahead` (2, assets, income), on
    a `grid`.

    `clearing_prices` are the stationary values of the prices that clear inside the period, (clearing prices,), and
    `expected` (expectations,) is what the period's equations expect."""

    log_ahead: Array
    grid: ProductGrid
    clearing_prices: Array
    expected: Array


class PortfolioTables(NamedTuple):
    """Tables of a policy on a grid, computed once and not trained: the spline matrices of both assets, (points, knots)
    each, and the stationary `log_ahead` (2, assets, income)."""

    first: Array
    second: Array
    log_ahead: Array


@portable
class PortfolioPolicy(Policy):
    """Encoder, head and the stationary policy that they correct; `knots`, `curvature` and `pivot` are those of the
    first asset, `other` the knots of the second; `inverse` (clearing prices, clearing prices) is that of the Jacobian
    of excess demand in these prices at rest, from where searches for them start. The rest is that of `Policy`, of which
    states seen, information sets and parameters are not there."""

    other: Any = eqx.field(kw_only=True)
    inverse: Array = eqx.field(kw_only=True)

    def tables_on(self, grid: AssetGrid | ProductGrid) -> PortfolioTables:
        """Everything fixed on a grid: computed once, by NumPy and SciPy in float64."""
        assert isinstance(grid, ProductGrid)
        dtype = self.knots.dtype
        places = ((self.knots, self.curvature, self.pivot), (self.other.points, self.other.curvature, self.other.pivot))
        spread = [
            spline_matrix(_coordinate(known, *place), _coordinate(axis.points, *place))
            for (known, *_), place, axis in zip(places, places, grid.axes, strict=True)
        ]
        log_ahead = _on_grid(self.stationary.log_ahead, self.stationary.grid, grid)
        return PortfolioTables(*(jnp.asarray(each, dtype) for each in (*spread, log_ahead)))

    def correction(self, features: Array, tables: PortfolioTables) -> Array:
        """The log correction to stationary expectations of marginal values: (2, assets, income)."""
        at_knots = self.head(features[: self.encoder.feature_count])
        spread = jnp.einsum("bk,ikle,al->ibae", tables.first, at_knots, tables.second)
        return spread.reshape(2, -1, spread.shape[-1])

    def ahead(self, features: Array, tables: PortfolioTables) -> Array:
        """What households expect of marginal values at every choice: (2, assets, income)."""
        return jnp.exp(tables.log_ahead + self.correction(features, tables))


def _coordinate(assets: Array, knots: Array, curvature: Array, pivot: Array | None) -> np.ndarray:
    """The position in [0, 1] of assets on the grid of knots."""
    grid = AssetGrid(knots[0], knots[-1], curvature, knots, pivot)
    return np.asarray(grid.coordinate(jnp.asarray(assets)), np.float64)


def _on_grid(values: Array, grid: ProductGrid, other: ProductGrid) -> np.ndarray:
    """Values (2, assets, income) of one grid on another: linear in the coordinates of both assets."""
    import scipy.interpolate  # here: it is slow to import

    own = [np.linspace(0.0, 1.0, axis.size) for axis in grid.axes]
    at = [np.asarray(axis.coordinate(new.points), np.float64) for axis, new in zip(grid.axes, other.axes, strict=True)]
    table = np.moveaxis(np.asarray(grid.apart(np.asarray(values, np.float64))), 0, -1)
    read = scipy.interpolate.RegularGridInterpolator(own, table)
    places = np.stack(np.meshgrid(*at, indexing="ij"), axis=-1)
    return np.asarray(other.together(np.moveaxis(read(np.clip(places, 0.0, 1.0)), -1, 0)))


def make_portfolio_policy(
    stationary: StationaryPortfolio, spaces: dict, settings: PolicySettings, *, seed: int
) -> PortfolioPolicy:
    """A policy that starts exactly at the stationary expectations, in the dtype of these; signals not standardized."""
    dtype, income = stationary.log_ahead.dtype, stationary.log_ahead.shape[-1]
    shape = NetworkSettings(settings.signals, settings.memory, settings.units, settings.width)
    count = settings.knots
    encoder, head = make_networks(shape, (2, count, count, income), dtype, seed=seed)
    first, second = (asset_grid(space, max(count, 10), dtype) for space in spaces.values())
    ahead = None
    if settings.expectations:
        networks = make_networks(shape, (settings.expectations,), dtype, seed=seed + 1000)
        ahead = Expectations(*networks, in_jax(np.ones(settings.expectations, dtype)))
    plain = in_jax(np.eye(len(stationary.clearing_prices), dtype=dtype))
    return PortfolioPolicy(
        encoder, head, no_whitening(settings.signals, dtype), stationary, first.points, first.curvature, first.pivot,
        ahead, other=second, inverse=plain,
    )  # fmt: skip
