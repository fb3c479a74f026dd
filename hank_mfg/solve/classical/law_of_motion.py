"""The perceived law of motion: log X' = intercept_z + slope_z log X in aggregate state z: fitted, iterated, searched.

What the classical algorithm solves for (krusell_smith.py) and what Den Haan's test iterates (evaluate/forecast.py).
Source: Krusell and Smith (1998), "Income and Wealth Heterogeneity in the Macroeconomy", JPE 106(5).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MEMORY = 5  # laws already tried that correct the next one
APART = 0.025  # laws are compared at levels this far, in logs, below and above a given one


class LawOfMotion(NamedTuple):
    """Intercept, slope and R-squared of log X' on log X, one entry per aggregate state; NaN for a state not visited."""

    intercept: np.ndarray
    slope: np.ndarray
    r_squared: np.ndarray


def fit_law_of_motion(series: np.ndarray, shock: np.ndarray, states: int) -> LawOfMotion:
    """Fit the law by aggregate state: `series` (periods,) positive levels, `shock` (periods,) state indices.

    R-squared is NaN where tomorrow's level does not vary. Raises ValueError for a level that is not positive.
    """
    if np.any(series <= 0):
        raise ValueError(
            f"The law of motion is in logs but the series falls to {series.min():.4g}: it must be positive."
        )
    today, tomorrow = np.log(series[:-1]), np.log(series[1:])
    rows = np.full((states, 3), np.nan)
    for state in range(states):
        here = shock[:-1] == state
        if here.sum() < 3:
            continue
        design = np.column_stack([np.ones(here.sum()), today[here]])
        coefficients, *_ = np.linalg.lstsq(design, tomorrow[here], rcond=None)
        residual, spread = tomorrow[here] - design @ coefficients, tomorrow[here].var()
        rows[state] = *coefficients, 1.0 - residual.var() / spread if spread > 0 else np.nan
    return LawOfMotion(*rows.T)


def iterate_law(law: LawOfMotion, start: float, shock: np.ndarray) -> np.ndarray:
    """The path that the law forecasts from `start`, fed back on itself along `shock` (periods,)."""
    path = np.empty(len(shock))
    log_level = np.log(start)
    for period, state in enumerate(shock):
        path[period] = log_level
        log_level = law.intercept[state] + law.slope[state] * log_level
    return np.exp(path)


def next_law(laws: Sequence[np.ndarray], gaps: Sequence[np.ndarray], damping: float, level: float) -> np.ndarray:
    """The damped step from the last law (states, 2), intercept and slope, corrected by the steps already tried.

    With x what a law forecasts for log K = log level - APART and + APART in each state, g = x of the fit - x, and D_x,
    D_g the differences of past x and g: w = argmin |g - D_g w|, x_next = x + damping g - (D_x + damping D_g) w. The
    first step is damped only. Source: Anderson (1965).
    """
    forecast = np.array([[1.0, 1.0], np.log(level) + np.array([-APART, APART])])
    points, steps = (np.stack(x[-MEMORY - 1 :]) @ forecast for x in (laws, gaps))
    following = points[-1] + damping * steps[-1]
    if len(laws) > 1:
        moves, turns = (np.diff(x.reshape(len(x), -1), axis=0).T for x in (points, steps))
        weights = np.linalg.lstsq(turns, steps[-1].ravel(), rcond=1e-8)[0]
        following = following - ((moves + damping * turns) @ weights).reshape(following.shape)
    return following @ np.linalg.inv(forecast)


def cycle_length(laws: Sequence[np.ndarray], distances: Sequence[float]) -> int | None:
    """After how many iterations the laws repeat themselves, or None.

    They do when a whole lap of them lies where the lap before lay, within a tenth of how far the lap leads away, while
    the distance to the fixed point has not fallen by one percent.
    """
    for lap in range(2, len(laws) // 2 + 1):
        last, before = np.stack(laws[-lap:]), np.stack(laws[-2 * lap : -lap])
        away = np.abs(last - last[-1]).max()
        returned = np.abs(last - before).max()
        if returned < 0.1 * away and min(distances[-lap:]) > 0.99 * min(distances[-2 * lap : -lap]):
            return lap
    return None
