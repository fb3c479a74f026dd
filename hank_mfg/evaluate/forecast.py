"""The perceived law of motion and Den Haan's forecast test.

Fit log X' = intercept_z + slope_z log X by least squares within each aggregate state z on one sample. On another path
of shocks iterate the law on its own output (never corrected by the simulated X) and compare: the error is
|X_law / X - 1|. R-squared alone certifies nothing: .9999 has coexisted with a law 9 % off.
Source: Den Haan (2010), JEDC 34(1), "Assessing the accuracy of the aggregate law of motion".
"""

from typing import NamedTuple

import numpy as np


class LawOfMotion(NamedTuple):
    """Intercept, slope and R-squared of log X' on log X, one entry per aggregate state; NaN for a state not visited."""

    intercept: np.ndarray
    slope: np.ndarray
    r_squared: np.ndarray


def fit_law_of_motion(series: np.ndarray, shock: np.ndarray, states: int) -> LawOfMotion:
    """Fit the law by aggregate state: `series` (periods,) positive levels, `shock` (periods,) state indices."""
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
        residual = tomorrow[here] - design @ coefficients
        rows[state] = *coefficients, 1.0 - residual.var() / tomorrow[here].var()
    return LawOfMotion(*rows.T)


def iterate_law(law: LawOfMotion, start: float, shock: np.ndarray) -> np.ndarray:
    """The path that the law forecasts from `start`, fed back on itself along `shock` (periods,)."""
    path = np.empty(len(shock))
    log_level = np.log(start)
    for period, state in enumerate(shock):
        path[period] = log_level
        log_level = law.intercept[state] + law.slope[state] * log_level
    return np.exp(path)


class ForecastErrors(NamedTuple):
    """Den Haan's errors as decimals, with the law that made them and the two paths."""

    law: LawOfMotion
    mean: float
    maximum: float
    actual: np.ndarray
    forecast: np.ndarray


def forecast_errors(fit_series, fit_shock, test_series, test_shock, states: int) -> ForecastErrors:
    """Fit on one sample, forecast another: series (periods,) positive levels, shocks (periods,) indices."""
    law = fit_law_of_motion(fit_series, fit_shock, states)
    forecast = iterate_law(law, test_series[0], test_shock)
    gap = np.abs(forecast / test_series - 1.0)
    return ForecastErrors(law, float(gap.mean()), float(gap.max()), test_series, forecast)
