"""What every posterior with draws has: summaries, diagnostics and plots of them."""

import functools
import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.errors import warn_user
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.posterior.priors import Target
from hank_mfg.files import as_latex
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    import pandas as pd


AGREE, ENOUGH = 1.05, 50  # R-hat above which chains disagree; effective draws below which a table says little


class Drawn(ABC):
    """A posterior with `draws`, (chains, draws) of every parameter of its `likelihood`, and a `target` with priors."""

    likelihood: Any
    target: Target
    draws: dict[str, np.ndarray]

    @abstractmethod
    def table(self, interval: float = 0.9) -> "pd.DataFrame":
        """One row a parameter."""

    def summary(self, interval: float) -> dict[str, list[float]]:
        """Columns of a table: the mean, the ends of the central `interval`, R-hat, and the effective sample size of the
        bulk (arviz), of every parameter."""
        names, tail = self.likelihood.parameters, 0.5 * (1.0 - interval)
        columns = {"mean": [float(self.draws[name].mean()) for name in names]}
        for level in (tail, 1.0 - tail):
            columns[f"{100 * level:.3g} %"] = [float(np.quantile(self.draws[name], level)) for name in names]
        found = self.diagnostics()
        return {**columns, "R-hat": found["R-hat"].to_list(), "ESS": found["ESS bulk"].to_list()}

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        frame = self.table().rename(index=display_name).rename_axis("").rename(columns=display_name)
        return as_latex(frame, path, **options)

    def diagnostics(self) -> "pd.DataFrame":
        """R-hat and effective sample sizes of bulk and tails, one row a parameter (Vehtari et al. 2021), by arviz."""
        import pandas as pd

        self._require_draws("diagnostics")
        import arviz

        names = self.likelihood.parameters
        measures = (arviz.rhat, arviz.ess, functools.partial(arviz.ess, method="tail"))
        rows = [[float(measure(self.draws[name])) for measure in measures] for name in names]
        return pd.DataFrame(rows, index=pd.Index(names, name="parameter"), columns=["R-hat", "ESS bulk", "ESS tail"])

    def warn_of_chains(self) -> None:
        """Warn where chains do not agree, or draws say too little."""
        found = self.diagnostics()
        rhat = np.nan_to_num(found["R-hat"].to_numpy(), nan=np.inf)
        size, names = np.nan_to_num(found["ESS bulk"].to_numpy()), list(found.index)
        if rhat.max() > AGREE or size.min() < ENOUGH:
            warn_user(
                f"The draws do not tell the posterior yet: R-hat is {rhat.max():.3g} for {names[int(rhat.argmax())]} "
                f"(at most {AGREE} is usual), the smallest effective sample {size.min():.0f}, for "
                f"{names[int(size.argmin())]}: raise draws; where that does not help, look at the draws for several "
                "modes or an end that they lean on."
            )

    def arviz(self) -> Any:
        """The draws as an arviz InferenceData, for its plots: trace, prior against posterior, pairs."""
        self._require_draws("arviz")
        import arviz

        return arviz.from_dict(posterior=self.draws, prior=self.prior_draws())

    def prior_draws(self, count: int = 2000, seed: int = 0) -> dict[str, np.ndarray]:
        """Draws of the prior, (1, count) of every parameter."""
        drawn = self.target.draws(count, seed)[1]
        return {name: drawn[name][None] for name in self.likelihood.parameters}

    def _require_draws(self, what: str) -> None:
        if not self.draws:
            raise EstimationError(f"{what} needs draws: estimate with draws=1000.")
