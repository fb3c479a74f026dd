"""Asset grids and interpolation between them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.model.assets import Assets
from hank_mfg.model.concrete import array_module, concrete
from hank_mfg.model.portable import portable
from hank_mfg.precision import in_jax, pick
from hank_mfg.sizes import require_room, require_whole, shown


def coordinate(assets, ends, curvature, pivot, xp: Any = jnp):
    """The position u in [0, 1] of assets between `ends`, the inverse of a(u); held at the ends outside them."""
    lower, upper = ends
    share = xp.clip((assets - lower) / (upper - lower), 0.0, 1.0)
    if pivot is None:
        return share ** (1.0 / curvature)
    length = (upper - lower) / pivot
    return xp.log1p(share * length) / xp.log1p(length)


def assets_at(steps, ends, curvature, pivot, xp: Any = jnp):
    """Assets a(u) at positions u in [0, 1] between `ends`."""
    lower, upper = ends
    if pivot is None:
        return lower + (upper - lower) * steps**curvature
    return lower + pivot * xp.expm1(steps * xp.log1p((upper - lower) / pivot))


@portable
class AssetGrid(eqx.Module):
    """Points a(u) for u evenly spaced in [0, 1]; `points` has shape (assets,).

    a(u) = lower + (upper - lower) u^curvature, or with a `pivot` p
    a(u) = lower + p (((upper - lower) / p + 1)^u - 1), evenly spaced in log(a - lower + p).
    """

    lower: Array
    upper: Array
    curvature: Array
    points: Array
    pivot: Array | None = None

    @property
    def size(self) -> int:
        """The number of points."""
        return self.points.shape[0]

    @property
    def count(self) -> int:
        """What `asset_points` gives this grid."""
        return self.size

    @property
    def worth(self) -> Array:
        """What every point is worth, in goods: (assets,)."""
        return self.points

    def by_worth(self, values: Any) -> Any:
        """Values (..., assets) with points in rising order of what they are worth: as they are."""
        return values

    def top(self, mass: Any) -> Any:
        """The mass (assets, income) at the last point."""
        return mass[-1].sum()

    @property
    def held(self) -> Array:
        """The assets of every point, shaped to broadcast with income: (assets, 1)."""
        return pick(self.points, (slice(None), None))

    def coordinate(self, assets):
        """The position u in [0, 1] of given assets, the inverse of a(u); outside the grid it is held at the ends."""
        return coordinate(assets, (self.lower, self.upper), self.curvature, self.pivot)

    def bracket(self, assets):
        """The lower neighbor's index j, with points[j] <= assets < points[j+1], found without a search.

        Below the first point j = 0, beyond the last j = n - 2, so that the two neighbors always exist.
        """
        last = self.size - 2
        index = jnp.clip((self.coordinate(assets) * (last + 1)).astype(jnp.int32), 0, last)
        index = index + (assets >= self.points[index + 1]) - (assets < self.points[index])
        return jnp.clip(index, 0, last)

    def finer(self, times: int) -> "AssetGrid":
        """The grid whose every `times`-th point is one of this one, all between spaced as these are."""
        count, dtype = times * (self.size - 1) + 1, self.points.dtype
        ends, pivot = (np.asarray(self.lower), np.asarray(self.upper)), self.pivot
        pivot, curvature = None if pivot is None else np.asarray(pivot), np.asarray(self.curvature)
        points = np.array(assets_at(np.linspace(0.0, 1.0, count, dtype=dtype), ends, curvature, pivot, np))
        points[::times] = np.asarray(self.points)
        return AssetGrid(self.lower, self.upper, self.curvature, in_jax(points), self.pivot)


def asset_grid(space: Assets, size: int, dtype, states: int = 1) -> AssetGrid:
    """A grid of `size` points over the declared space, for arrays (assets, income) with so many income `states`.

    Raises ValueError for fewer than 10 points and where rounding makes two neighbors the same, SizeError where a few
    such arrays do not fit into memory.
    """
    require_whole("asset_points", size, -(2**63), "typically 200 to 1000")
    if size < 10:
        raise ValueError(
            f"asset_points = {size} is too few for a distribution: use at least 10, typically 200 to 1000."
        )
    require_room(
        f"asset_points={shown(size)} with {states} income states", "use fewer points, typically 200 to 1000",
        numbers=16.0 * size * states,
    )  # fmt: skip
    xp = array_module(space)
    lower, upper, curvature = (xp.asarray(x, dtype) for x in (space.lower, space.upper, space.curvature))
    steps = xp.linspace(0.0, 1.0, size, dtype=dtype)
    pivot = None if space.pivot is None else xp.asarray(space.pivot, dtype)
    inside = assets_at(steps[:-1], (lower, upper), curvature, pivot, xp)
    points = xp.concatenate([inside, upper[None]])
    numbers = concrete(points)
    if numbers is not None and not np.all(np.diff(numbers) > 0):
        spacing = f"curvature {float(curvature):g}" if pivot is None else f"pivot {float(pivot):g}"
        raise ValueError(
            f"asset_points = {size} with {spacing} between {float(lower):g} and {float(upper):g}: "
            f"neighboring points coincide in {points.dtype}; use fewer points, a smaller curvature, a larger "
            "pivot or float64."
        )
    return AssetGrid(*jax.tree.map(in_jax, (lower, upper, curvature, points, pivot)))


def spline_matrix(knots, points) -> np.ndarray:
    """The matrix that turns values at `knots` into values of their natural cubic spline at `points`.

    Shapes: knots (k,), points (n,), result (n, k), float64. The spline is linear in the values, so evaluating a whole
    cross-section is one matrix product. Computed once per grid, by SciPy.
    """
    import scipy.interpolate  # here: it takes a third of the time of importing the library

    return scipy.interpolate.CubicSpline(knots, np.eye(len(knots)), bc_type="natural")(points)


def interpolate_rows(x, xp, fp) -> Array:
    """Linear interpolation with linear extrapolation at both ends, row by row.

    `x` (n, e), `xp` and `fp` (k, e) with xp increasing along axis 0; column j of x is read on column j of xp, fp.
    """

    def column(x, xp, fp):
        index = jnp.clip(jnp.searchsorted(xp, x, side="right") - 1, 0, xp.shape[0] - 2)
        slope = (fp[index + 1] - fp[index]) / (xp[index + 1] - xp[index])
        return fp[index] + slope * (x - xp[index])

    return jax.vmap(column, in_axes=1, out_axes=1)(x, xp, fp)
