"""What the simulated method of moments returns."""

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.estimate.matching.matched import AbstractMatched
from hank_mfg.files import as_latex
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class MatchedMoments(AbstractMatched):
    """Parameters of a global solution by the simulated method of moments. Beside the fields of `AbstractMatched`:

    `moments` has one row a moment: data, standard_error (of the data's), model, gap_in_standard_errors (of the gap, the
    simulation's error included), source. `jacobian` (moments, parameters) are derivatives of the model's moments, and
    `moment_covariance` (moments, moments) that of the data's, `covariance_from` "data" or "simulated" samples at a
    first estimate. The model's moments are means over `samples` samples of `periods` periods after `burn` discarded
    ones, on `asset_points` points. `fluctuations` says what standard deviations and correlations are of. `jumps` are
    parameters that change the probabilities of aggregate states.
    """

    moments: "pd.DataFrame"
    jacobian: np.ndarray
    moment_covariance: np.ndarray
    covariance_from: str
    samples: int
    periods: int
    burn: int
    asset_points: int
    seed: int
    fluctuations: str
    jumps: tuple[str, ...]
    seconds_compile: float
    seconds_run: float

    @property
    def note(self) -> str:
        """How the estimates were made, and J, in sentences."""
        of = {"data": "of the data", "simulated": "of simulated samples at a first estimate"}[self.covariance_from]
        how = "covariance" if self.weights == "covariance" else "variances"
        jumps = f" Simulated states jump with {', '.join(self.jumps)}." if self.jumps else ""
        return (
            f"Simulated method of moments, {len(self.moments)} moments of {self.samples} samples of {self.periods:,} "
            f"periods, {self.fluctuations}, weighted by the inverse {how} {of}. {self.how_it_ended()}{jumps}"
        )

    def identification(self) -> "pd.DataFrame":
        """What each parameter does to each moment: one row a moment, one column a parameter, by how many standard
        errors of the data the moment moves as the parameter moves from one bound to the other, to first order."""
        import pandas as pd

        return pd.DataFrame(self._scaled(np.diag(np.diag(self.moment_covariance))), self.moments.index, self._columns())

    @property
    def singular_values(self) -> np.ndarray:
        """Singular values of the Jacobian from parameters, in units of their bounds, to moments, in units of the root
        of their covariance, largest first. One over the last is about the standard error of the combination of
        parameters that is determined worst, as a part of the distance between bounds."""
        return np.linalg.svd(self._scaled(self.moment_covariance), compute_uv=False)

    def to_latex(self, path: str | os.PathLike | None = None, *, which: str = "parameters", **options: Any) -> str:
        """A table as LaTeX (booktabs), also written to `path` where given: `which` is "parameters", "moments" or
        "identification"; `options` of `hank_mfg.latex.to_latex`. Raises ValueError for another one."""
        if which == "parameters":
            return AbstractMatched.to_latex(self, path, **options)
        frames = {"moments": self.moments, "identification": self.identification()}
        if which not in frames:
            raise ValueError(f"which = {which!r}: write one of 'parameters', {', '.join(map(repr, frames))}.")
        shown = frames[which].rename_axis(None).rename(columns=display_name)
        return as_latex(shown, path, **{"note": self.note, **options})

    def __repr__(self) -> str:
        rows = self.moments.drop(columns=["source"])
        shown = rows.to_string(float_format=lambda value: f"{value:.4g}", na_rep="--", max_rows=20)
        return f"{AbstractMatched.__repr__(self)}\n\n{shown}"

    def _columns(self) -> list[str]:
        return list(self.parameters)

    def _scaled(self, matrix: np.ndarray) -> np.ndarray:
        """The Jacobian in units of the root of a covariance `matrix` and of the distances between bounds."""
        span = np.asarray([high - low for low, high in self.bounds.values()])
        return np.linalg.solve(np.linalg.cholesky(matrix), self.jacobian * span)
