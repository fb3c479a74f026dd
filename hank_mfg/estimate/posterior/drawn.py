"""What every posterior with draws has."""

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.posterior.priors import Target
from hank_mfg.files import as_latex
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    import pandas as pd


class Drawn(ABC):
    """A posterior with `draws`, (chains, draws) of every parameter of its `likelihood`, and a `target` with priors."""

    likelihood: Any
    target: Target
    draws: dict[str, np.ndarray]

    @abstractmethod
    def table(self, interval: float = 0.9) -> "pd.DataFrame":
        """One row a parameter."""

    @property
    @abstractmethod
    def center(self) -> dict[str, float]:
        """The value of every parameter that stands for all draws."""

    @property
    @abstractmethod
    def sizes(self) -> str:
        """How many draws there are, in words."""

    @property
    def precision(self) -> str:
        """The precision of the likelihood."""
        return getattr(self.likelihood, "precision", "float64")

    @abstractmethod
    def log_marginal_density(self) -> dict[str, float]:
        """log p(data), by the name of how it was computed."""

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        frame = self.table().rename(index=display_name).rename_axis("").rename(columns=display_name)
        return as_latex(frame, path, **options)

    def arviz(self) -> Any:
        """The draws as an arviz InferenceData, for its plots: trace, prior against posterior, pairs."""
        self.require_draws("arviz")
        import arviz

        return arviz.from_dict(posterior=self.draws, prior=self.prior_draws())

    def prior_draws(self, count: int = 2000, seed: int = 0) -> dict[str, np.ndarray]:
        """Draws of the prior, (1, count) of every parameter."""
        drawn = self.target.draws(count, seed)[1]
        return {name: drawn[name][None] for name in self.likelihood.parameters}

    def require_draws(self, what: str) -> None:
        """Raise EstimationError where there are no draws for `what`."""
        if not self.draws:
            raise EstimationError(f"{what} needs draws: estimate with draws=1000.")
