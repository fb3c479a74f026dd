"""The perceived law of motion and Den Haan's forecast test.

Fit log X' = intercept_z + slope_z log X by least squares within each aggregate state z on one sample. On another path
of shocks iterate the law on its own output (never corrected by the simulated X) and compare: the error is
|X_law / X - 1|. R-squared alone certifies nothing: .9999 has coexisted with a law 9 % off.
Source: Den Haan (2010), JEDC 34(1), "Assessing the accuracy of the aggregate law of motion".
"""

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hank_mfg.files import as_latex
from hank_mfg.solve.classical.law_of_motion import LawOfMotion, fit_law_of_motion, iterate_law

if TYPE_CHECKING:
    import pandas as pd


class ForecastErrors(NamedTuple):
    """Den Haan's errors as decimals, with the law that made them and the two paths."""

    law: LawOfMotion
    mean: float
    maximum: float
    actual: np.ndarray
    forecast: np.ndarray

    def table(self) -> "pd.DataFrame":
        """Mean and largest absolute error in percent of the level, and the law of motion by aggregate state."""
        import pandas as pd

        rows = {"Den Haan error, mean (percent)": 100.0 * self.mean}
        rows["Den Haan error, largest (percent)"] = 100.0 * self.maximum
        for state, numbers in enumerate(zip(self.law.intercept, self.law.slope, self.law.r_squared, strict=True)):
            for name, value in zip(("intercept", "slope", "R2"), numbers, strict=True):
                rows[f"Law of motion in state {state}, {name}"] = float(value)
        return pd.DataFrame({"value": pd.Series(rows, dtype=float)}).rename_axis("measure")

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        return as_latex(self.table(), path, **{"digits": 4, **options})


def forecast_errors(fit_series, fit_shock, test_series, test_shock, states: int) -> ForecastErrors:
    """Fit on one sample, forecast another: series (periods,) positive levels, shocks (periods,) indices."""
    law = fit_law_of_motion(fit_series, fit_shock, states)
    forecast = iterate_law(law, test_series[0], test_shock)
    gap = np.abs(forecast / test_series - 1.0)
    return ForecastErrors(law, float(gap.mean()), float(gap.max()), test_series, forecast)
