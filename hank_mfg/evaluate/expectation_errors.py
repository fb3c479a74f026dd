"""Errors of declared expectations, against exact ones."""

from typing import NamedTuple

import jax
import numpy as np

from hank_mfg.precision import in_jax
from hank_mfg.solve.solution import GlobalSolution
from hank_mfg.wording import readable


@readable
class ExpectationError(NamedTuple):
    """The mean and the largest error of an expectation over the periods simulated, decimals: of a rate or a share, see
    `Model.units`, in "points"; of a level in "percent" of the stationary value, or as it is where that is zero."""

    name: str
    mean: float
    maximum: float
    unit: str

    @property
    def label(self) -> str:
        """The name and the unit in words."""
        unit = {"percent": "percent of its value at rest", "": "hundredths"}.get(self.unit, self.unit)
        return f"{self.name.replace('_', ' ')} ({unit})"

    def to_dict(self) -> dict[str, float | str]:
        """As it is reported: the mean and the largest error in hundredths, the unit, and the label."""
        return {"mean": 100 * self.mean, "largest": 100 * self.maximum, "unit": self.unit, "label": self.label}


def expectation_errors(solution: GlobalSolution, missed: np.ndarray) -> tuple[ExpectationError, ...]:
    """The errors of declared expectations from those of every period, (periods, expectations)."""
    economy, public = solution.steady.economy, jax.tree.map(in_jax, solution.steady.public)
    names = economy.expectation_names(economy.series(public))
    if not names:
        return ()
    kinds, rest, found = economy.model.units(), np.abs(np.asarray(economy.expected(public, public))), []
    for name, value, errors in zip(names, rest[: len(names)], missed.T[: len(names)], strict=True):
        points = kinds.get(name, "level") != "level"
        unit = "points" if points else "percent" if value > 0 else ""
        errors = errors / value if unit == "percent" else errors
        found.append(ExpectationError(name, float(errors.mean()), float(errors.max()), unit))
    return tuple(found)
