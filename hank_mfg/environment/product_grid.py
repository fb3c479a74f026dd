"""The grid of a household with two assets: every pair of a point of the first and a point of the second.

Pairs lie in one axis, the first asset outermost, so that the mass, values and whatever else is known of every state
have the shape (assets, income) whatever the number of assets.
"""

from collections.abc import Mapping
from typing import Any, NoReturn, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.grids import AssetGrid, asset_grid
from hank_mfg.errors import HankError
from hank_mfg.model.assets import Assets
from hank_mfg.model.named import Named
from hank_mfg.model.portable import portable
from hank_mfg.precision import is_traced
from hank_mfg.sizes import require_room

POINTS, POINTS_EACH = 200, 60  # by default: of one asset, and of each of two


class SeveralAssetsError(HankError, NotImplementedError):
    """Something that is not there yet for households with two assets."""


@portable
class ProductGrid(eqx.Module):
    """The grids of two assets, `axes`, by `names`, the liquid one first."""

    axes: tuple[AssetGrid, AssetGrid]
    names: tuple[str, str] = eqx.field(static=True)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of points of each asset."""
        return self.axes[0].size, self.axes[1].size

    @property
    def size(self) -> int:
        """The number of pairs."""
        return self.axes[0].size * self.axes[1].size

    @property
    def count(self) -> dict[str, int]:
        """What `asset_points` gives this grid."""
        return zip_names(self.names, self.shape)

    @property
    def worth(self) -> Array:
        """What every pair is worth, in goods, the sum of both assets: (assets,)."""
        return sum(self.held.values())[:, 0]  # pyright: ignore[reportIndexIssue]

    def by_worth(self, values: Any) -> Any:
        """Values (..., assets) with pairs in rising order of what they are worth."""
        return values[..., self.order]

    @property
    def order(self) -> Any:
        """The places of pairs in rising order of what they are worth, (assets,)."""
        if is_traced(self.axes):
            return jnp.argsort(self.worth, stable=True)
        return np.argsort(np.asarray(self.worth), kind="stable")

    def finer(self, times: int) -> "ProductGrid":
        """The grid of both grids with `times` - 1 points more between any two."""
        first, second = (axis.finer(times) for axis in self.axes)
        return ProductGrid((first, second), self.names)

    def top(self, mass: Any) -> Any:
        """The mass (assets, income) at the last point of either asset."""
        apart = self.apart(mass)
        return apart[-1].sum() + apart[:-1, -1].sum()

    @property
    def held(self) -> Named:
        """What is held of each asset in every pair, by name: (assets, 1)."""
        first, second = (axis.points for axis in self.axes)
        count, other = self.shape
        return Named(
            "assets", zip_names(self.names, (jnp.repeat(first, other)[:, None], jnp.tile(second, count)[:, None]))
        )

    @property
    def lower(self) -> Array:
        """The borrowing limits, to broadcast with savings: (2, 1, 1)."""
        return jnp.stack([axis.lower for axis in self.axes])[:, None, None]

    @property
    def upper(self) -> Array:
        """The tops of the grids, to broadcast with savings: (2, 1, 1)."""
        return jnp.stack([axis.upper for axis in self.axes])[:, None, None]

    @property
    def points(self) -> NoReturn:
        """Raise SeveralAssetsError: what asks for the points of one asset does not know of two."""
        raise SeveralAssetsError(not_there_yet(self.names))

    def apart(self, values: Any) -> Any:
        """Values (..., assets, income) with an axis for each asset: (..., first, second, income)."""
        return values.reshape(*values.shape[:-2], *self.shape, values.shape[-1])

    def together(self, values: Any) -> Any:
        """The inverse of `apart`."""
        return values.reshape(*values.shape[:-3], self.size, values.shape[-1])


def not_there_yet(names: tuple[str, ...]) -> str:
    """The sentence for what does not know of two assets."""
    return (
        f"This is not there yet for households with several assets ({', '.join(names)}): docs/two_asset_hank.md says "
        "what is; read arrays off the result, such as steady.mass, steady.savings and steady.assets, or add the assets "
        "up."
    )


def require_one_asset(model: Any) -> None:
    """Raise SeveralAssetsError for a model with two assets."""
    if model.asset_names():
        raise SeveralAssetsError(not_there_yet(model.asset_names()))


def points_held(grid: AssetGrid | ProductGrid) -> Any:
    """The asset points, (assets,), of two assets those of each in every pair, by name; NumPy."""
    return jax.tree.map(lambda held: np.asarray(held)[:, 0], grid.held)


def zip_names(names: tuple[str, ...], values: Any) -> dict[str, Any]:
    """Values by name."""
    return dict(zip(names, values, strict=True))


def points_of(space: Assets | Mapping[str, Assets], points: int | Mapping[str, int] | None) -> int | dict[str, int]:
    """What `asset_points` means for a declared space: a number, or one for each of two assets by name."""
    if isinstance(space, Assets) and not isinstance(points, Mapping):
        return POINTS if points is None else points
    if isinstance(points, Mapping):
        return dict(points)
    return dict.fromkeys(cast(Mapping[str, Assets], space), POINTS_EACH if points is None else points)


def points_in_words(points: int | Mapping[str, int]) -> str:
    """The number of asset points, of two assets of each: "200", "50 by 70"."""
    return " by ".join(map(str, points.values())) if isinstance(points, Mapping) else str(points)


def grid_of(
    space: Assets | Mapping[str, Assets], points: int | Mapping[str, int] | None, dtype, states: int = 1
) -> AssetGrid | ProductGrid:
    """The grid over a declared space: of one asset, or of two by name.

    `points` is a number, for each asset, or the number of each by name; 200 of one asset and 60 of each of two where
    it is None. Raises ValueError for numbers that do not fit, SizeError where a few arrays do not fit into memory.
    """
    if isinstance(space, Assets):
        if isinstance(points, Mapping):
            raise ValueError(f"asset_points = {dict(points)!r}: there is one asset, give one number.")
        return asset_grid(space, POINTS if points is None else points, dtype, states)
    names, given = tuple(space), points_of(space, points)
    assert isinstance(given, dict)
    if set(given) != set(names):
        raise ValueError(
            f"asset_points = {dict(given)!r}: the assets are {' and '.join(names)}; give a number for each, or one "
            "number for both."
        )
    first, second = (asset_grid(space[name], given[name], dtype, states) for name in names)
    require_room(
        f"asset_points={dict(given)!r} with {states} income states", "use fewer points, typically 30 to 100 of each",
        numbers=64.0 * first.size * second.size * states,
    )  # fmt: skip
    one, two = names
    return ProductGrid((first, second), (one, two))
