"""The error that the asset grid leaves in a stationary equilibrium, estimated from the same one on coarser grids.

Linear policies between points and Young's lottery have errors of order h^2 in the spacing h, less where the grid is too
coarse for its range. With values v_0 on the grid, v_1 on one of twice the spacing and v_2 on one of four times,

    p = log2 |(v_1 - v_2) / (v_0 - v_1)|,        error = (v_0 - v_1) / (2^p - 1),        limit = v_0 + error,

Richardson's extrapolation by the order p observed, held between 1 and 2. Where the two differences have opposite signs
no order can be read off: then |v_0 - v_1| is the error and nothing is extrapolated. The estimate shares with the
solution everything but the spacing: the top of the grid, the income chain and the tolerance are taken as they are.
Source: Richardson (1911); Roache (1994), Journal of Fluids Engineering 116(3), for reporting it.
"""

import dataclasses
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from hank_mfg.errors import warn_user
from hank_mfg.evaluate.distribution.statistics import gini, has_shares, top_share
from hank_mfg.files import as_latex
from hank_mfg.solve.stationary.steady_state import SteadyState, SteadyStateError, steady_state
from hank_mfg.wording import display_name, readable

IN_WORDS = {
    "constrained": "the share of households at the borrowing limit",
    "gini_wealth": "the Gini coefficient of wealth",
}

FEWEST = 37  # points, so that a quarter of the spaces still makes a grid of 10
ORDERS = (1.0, 2.0)  # between which an observed order is believed
NOISE = 1e-8  # differences of this size, relative or absolute, are those of tolerances


@readable
@dataclasses.dataclass(frozen=True)
class GridError:
    """The estimated error of the asset grid, by quantity: prices, aggregates, outcomes, what is chosen, summed over
    households ("consumption"), and of the distribution "gini_wealth", "top_10_percent_wealth" and "constrained", the
    share of households at the borrowing limit (fractions).

    `asset_points` are the sizes of the grids, finest first, and `values` each quantity on them, in its own unit;
    `error` is how far the value on the finest grid is from the `limit`, at least in size; `order` the observed order of
    convergence, None where it cannot be read off.
    """

    asset_points: tuple[int, ...]
    values: dict[str, np.ndarray]
    limit: dict[str, float]
    error: dict[str, float]
    order: dict[str, float | None]

    def table(self) -> pd.DataFrame:
        """One row a quantity: the value, the estimated error and limit in its own unit, and the observed order."""
        rows = {
            name: (values[0], self.error[name], self.limit[name], self.order[name])
            for name, values in self.values.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "grid error", "limit", "order"])

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        return as_latex(self.table().rename(index=display_name), path, **options)

    def exceeding(self, digits: int = 3) -> list[str]:
        """Names of the quantities whose error is more than half a unit of their last of so many significant digits."""
        return [name for name, error in self.error.items() if error > _promised(self.values[name][0], digits)]

    def to_dict(self) -> dict[str, Any]:
        """The table as plain numbers, for JSON: by quantity, then "value", "error", "limit" and "order"."""
        return {
            name: {
                "value": float(v[0]),
                "error": self.error[name],
                "limit": self.limit[name],
                "order": self.order[name],
            }
            for name, v in self.values.items()
        }


def _promised(value: float, digits: int) -> float:
    """Half a unit in the last of the significant digits of a value."""
    size = np.floor(np.log10(abs(value))) if value else -np.inf
    return max(0.5 * 10.0 ** (size - digits + 1), NOISE)


def grid_error(steady: SteadyState, *, digits: int = 3, again: Callable[[int], SteadyState] | None = None) -> GridError:
    """Estimate the error of the asset grid in a stationary equilibrium, by solving it on a half and a quarter of it.

    Warns of quantities that are not known to `digits` significant digits. `again` solves the same economy on a number
    of asset points, `steady_state` unless said. Takes about as long as solving twice, compilation included. Raises
    ValueError for fewer than 37 asset points or digits below 1, SteadyStateError where there is no equilibrium on half
    of the points: then the grid is too coarse to judge.
    """
    points, model = steady.economy.grid.size, steady.economy.model
    if digits < 1:
        raise ValueError(f"digits = {digits}: give the number of significant digits that you print, 1 or more.")
    if points < FEWEST:
        raise ValueError(f"asset_points = {points} leaves too few to compare with: solve on {FEWEST} or more.")
    again = (lambda count: steady_state(model, asset_points=count)) if again is None else again
    sizes, found = (points,), [_quantities(steady)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*top of the asset grid.*")  # said of the finest one already
        for factor in (2, 4):
            count = round((points - 1) / factor) + 1
            try:
                found.append(_quantities(again(count)))
            except SteadyStateError as error:
                if factor == 4:
                    break
                raise SteadyStateError(
                    f"On {count} asset points, half of {points}, there is no equilibrium to compare with, so the error "
                    f"of the grid is not small: use more asset_points ({str(error).rstrip('.')})."
                ) from error
            sizes += (count,)
    known = [name for name in found[0] if all(name in each for each in found)]
    values = {name: np.array([each[name] for each in found]) for name in known}
    parts = zip(*map(_judge, values.values()), strict=True)
    limit, error, order = (dict(zip(values, part, strict=True)) for part in parts)
    result = GridError(sizes, values, limit, error, order)
    _warn(result, digits)
    return result


def _judge(values: np.ndarray) -> tuple[float, float, float | None]:
    """Limit, size of the error and observed order of a quantity, from its values, finest grid first."""
    gaps = values[:-1] - values[1:]
    if abs(gaps[0]) <= NOISE * max(1.0, abs(values[0])):
        return float(values[0]), float(abs(gaps[0])), None
    ratio = gaps[1] / gaps[0] if len(gaps) > 1 else 2.0 ** ORDERS[0]
    if ratio <= 0:
        return float(values[0]), float(abs(gaps[0])), None
    order = float(np.log2(ratio))
    error = gaps[0] / (2.0 ** np.clip(order, *ORDERS) - 1.0)
    return float(values[0] + error), float(abs(error)), order if len(gaps) > 1 else None


def _quantities(steady: SteadyState) -> dict[str, float]:
    economy, found = steady.economy, steady.outcomes
    assets = np.asarray(economy.grid.points)
    held = economy.held(steady.mass)
    if has_shares(held, assets):
        found["gini_wealth"] = float(gini(held, assets))
        found["top_10_percent_wealth"] = float(top_share(held, assets, 0.1))
    found["constrained"] = float(np.sum(steady.mass[np.asarray(steady.savings <= np.asarray(economy.lowest))]))
    return found


def error_of_grid(steady: SteadyState) -> tuple[dict[str, Any], list[str]]:
    """`grid_error` as plain numbers, under that name, and as lines of text."""
    found = grid_error(steady)
    points = ", ".join(map(str, found.asset_points))
    lines = ["", f"Estimated error of the asset grid, from {points} points:"]
    for name, row in found.to_dict().items():
        order = "" if row["order"] is None else f", order {row['order']:.1f}"
        lines.append(f"{name:24} {row['value']:<12.6g} +- {row['error']:<9.2g} limit {row['limit']:.6g}{order}")
    return {"grid_error": found.to_dict()}, lines


def _warn(result: GridError, digits: int) -> None:
    rough = result.exceeding(digits)
    if rough:
        each = ", ".join(
            f"{IN_WORDS.get(name, name)} = {result.values[name][0]:.4g} (error about {result.error[name]:.2g})"
            for name in rough
        )
        warn_user(
            f"On {result.asset_points[0]} asset points the first {digits} digits are not certain of {each}: use more "
            "asset_points, or lower the top of the grid if hardly any household gets there."
        )
