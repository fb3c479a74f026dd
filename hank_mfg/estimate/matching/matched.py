"""What matching of impulse responses and of moments returns."""

import abc
import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.files import as_latex
from hank_mfg.model.base import Model
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    import pandas as pd

INTERVAL = 1.96  # standard errors to each side that hold 95 percent


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class AbstractMatched(abc.ABC):
    """Parameters by minimum distance between what a model implies and what the data say.

    `model` has the estimated `parameters`. `standard_errors` and `covariance` (parameters, parameters) are NaN for
    those `at_bound`, of their `bounds`. `statistic` is J, with `degrees` of freedom and `p_value` (NaN for no degrees).
    `starts` has one row a start: where the search ended, its objective g'Wg, evaluations, whether it converged.
    `weights` are "covariance" or "diagonal".
    """

    model: Model
    parameters: dict[str, float]
    standard_errors: dict[str, float]
    covariance: np.ndarray
    bounds: dict[str, tuple[float, float]]
    at_bound: tuple[str, ...]
    statistic: float
    degrees: int
    p_value: float
    starts: "pd.DataFrame"
    weights: str
    converged: bool

    @property
    @abc.abstractmethod
    def note(self) -> str:
        """How the estimates were made, and J, in sentences."""

    def table(self) -> "pd.DataFrame":
        """One row a parameter: estimate, standard error, ends of the 95 percent interval, bounds of the search."""
        import pandas as pd

        values = np.asarray(list(self.parameters.values()), float)
        errors = np.asarray(list(self.standard_errors.values()), float)
        ends = np.asarray(list(self.bounds.values()), float).reshape(-1, 2)
        columns = {
            "estimate": values, "standard error": errors, "95 percent from": values - INTERVAL * errors,
            "95 percent to": values + INTERVAL * errors, "lower bound": ends[:, 0], "upper bound": ends[:, 1],
        }  # fmt: skip
        return pd.DataFrame(columns, index=pd.Index(list(self.parameters), name="parameter"))

    def how_it_ended(self) -> str:
        """J, what is at a bound, and whether the search converged, in sentences."""
        test = f"J = {self.statistic:.4g} with {self.degrees} degrees of freedom"
        test += f", p-value {self.p_value:.3g}" if self.degrees > 0 else ""
        bound = f" At a bound, and taken as fixed: {', '.join(self.at_bound)}." if self.at_bound else ""
        searched = "" if self.converged else " The search did not converge."
        return f"{test}.{bound}{searched}"

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        shown = self.table().rename(index=display_name).rename_axis(None)
        return as_latex(shown.rename(columns=display_name), path, **{"note": self.note, **options})

    def __repr__(self) -> str:
        rows = self.table().to_string(float_format=lambda value: f"{value:.4g}", na_rep="--")
        return f"{rows if self.parameters else 'No free parameters.'}\n{self.note}"


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class MatchedResponses(AbstractMatched):
    """Parameters by minimum distance between responses of a model and estimated ones.

    What only a process of a shock names is in `parameters` alone, not in `model`. `gaps` has one row a moment: shock,
    variable, horizon, data, standard_error, model, gap_in_standard_errors; `responses` those of the model at every
    horizon. `units` of each variable; `source` of the model's responses. The other fields are
    those of `AbstractMatched`.
    """

    gaps: "pd.DataFrame"
    responses: "pd.DataFrame"
    units: dict[str, str]
    period: str
    source: str

    @property
    def note(self) -> str:
        """How the estimates were made, and J, in sentences."""
        how = "the inverse covariance" if self.weights == "covariance" else "the inverse variances"
        return (
            f"Minimum distance between {len(self.gaps)} estimated responses and those of the {self.source}, "
            f"weighted by {how}. {self.how_it_ended()}"
        )
