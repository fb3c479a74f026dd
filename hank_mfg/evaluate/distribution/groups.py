"""Two meanings of a group when a distribution moves: by percentile at date t, or fixed before the shock.

*Current percentiles.* `wealth_p50` at date t is the wealth of the household that is the median at date t. Gini
coefficients and top shares are of this kind too. Households change places and are not followed.

*Fixed groups.* `wealth_initial_top_1` at date t is the mean wealth at date t of the households that were the richest
percent before the shock, wherever they are by then. They are followed one by one, with the policies of the path.
Without any shock the two differ already: fixed groups drift toward the mean, current percentiles stay.
"""

from typing import Any

import numpy as np

from hank_mfg.environment.product_grid import ProductGrid
from hank_mfg.evaluate.distribution.statistics import gini, has_shares, quantile, top_share

SHARES = ("gini", "top_1_percent_share", "top_10_percent_share", "consumption_gini")
PERCENTILES = (0.1, 0.5, 0.9, 0.99)
GROUPS = {
    "initial_bottom_20": (0.0, 0.2),
    "initial_middle_20": (0.4, 0.6),
    "initial_top_20": (0.8, 1.0),
    "initial_top_1": (0.99, 1.0),
}


def wealth_groups(
    mass: np.ndarray, groups: dict[str, tuple[float, float]] = GROUPS, *, grid: ProductGrid | Any = None
) -> np.ndarray:
    """The population split by wealth into `groups`, name -> ranks between 0 and 1 where a group begins and ends.

    Returns masses (groups, assets, income), each summing to one. An asset level on the border of two groups is divided
    between them. Of two assets `grid` says what pairs are worth.
    """
    if isinstance(grid, ProductGrid):
        found = wealth_groups(mass[grid.order], groups)
        return found[:, np.argsort(grid.order)]
    by_assets = mass.sum(axis=1)
    upper = np.cumsum(by_assets) / by_assets.sum()
    lower = upper - by_assets / by_assets.sum()
    split = []
    for start, end in groups.values():
        overlap = np.clip(np.minimum(upper, end) - np.maximum(lower, start), 0.0, None)
        share = np.divide(overlap, upper - lower, out=np.zeros_like(overlap), where=upper > lower)
        group = mass * share[:, None]
        split.append(group / group.sum())
    return np.stack(split)


def inequality(mass: np.ndarray, assets: np.ndarray) -> dict[str, np.ndarray]:
    """Gini coefficient and top shares of wealth for masses (..., assets): current percentiles, fractions, (...).

    None of them where mean assets are not positive.
    """
    flat = mass.reshape(-1, len(assets))
    if not has_shares(flat, assets):
        return {}
    series = {
        "gini": gini(flat, assets),
        "top_1_percent_share": top_share(flat, assets, 0.01),
        "top_10_percent_share": top_share(flat, assets, 0.10),
    }
    return {name: np.asarray(value).reshape(mass.shape[:-1]) for name, value in series.items()}


def wealth_percentiles(mass: np.ndarray, assets: np.ndarray) -> dict[str, np.ndarray]:
    """Wealth at current percentiles for masses (..., assets): levels, (...)."""
    flat = mass.reshape(-1, len(assets))
    found = {percentile("wealth", p): quantile(flat, assets, p) for p in PERCENTILES}
    return {name: np.asarray(value).reshape(mass.shape[:-1]) for name, value in found.items()}


def percentile(what: str, probability: float) -> str:
    """The name of a current percentile: `wealth_p10`."""
    return f"{what}_p{100 * probability:g}"


def group_series(consumption: np.ndarray, wealth: np.ndarray, groups=GROUPS) -> dict[str, np.ndarray]:
    """Consumption and wealth of each fixed group, by name, from arrays (..., groups): (...)."""
    series = {}
    for position, group in enumerate(groups):
        series[f"consumption_{group}"] = consumption[..., position]
        series[f"wealth_{group}"] = wealth[..., position]
    return series
