"""The result of a calibration: parameters with standard errors, moments beside the data, identification, sensitivity.

With S = dm/dtheta (targets, free) along the equilibrium, W the weighting matrix and V the covariance of the data's
moments,

    Lambda = (S' W S)^{-1} S' W,      Var(theta) = Lambda V Lambda',      J = (m - target)' V^{-1} (m - target).

Lambda says how parameters move with the data. With g = target - m(theta) and G = dg/dtheta = -S it is the sensitivity
of Andrews, Gentzkow and Shapiro (2017), Quarterly Journal of Economics 132(4), Lambda = -(G' W G)^{-1} G' W.
Parameters at a bound are held there: they have no standard error and no sensitivity, and the others none to them.
"""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.estimate.calibration.calibration_file import write_calibration
from hank_mfg.estimate.calibration.targets import Targets
from hank_mfg.files import as_latex
from hank_mfg.model.base import Model
from hank_mfg.model.free import Free
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 32  # letters of a source
AT_BOUND = 1e-6  # of the box: as near to an end a parameter is at its bound


@dataclasses.dataclass(frozen=True, repr=False)
class Calibration:
    """A calibrated economy: `model` with the parameters found and its checked equilibrium `steady`.

    `free` and `data` are what was searched and the targets, in order; `values` (free,) parameters; `moments` (targets,)
    those of the equilibrium; `jacobian` (targets, free) their derivatives along the equilibrium; `weights` W (targets,
    targets) and `covariance` V of the data's moments, None where it is not known. `steps` of the search, evaluations of
    households and markets, linearizations; seconds of compilation and of the rest.
    """

    model: Model
    steady: SteadyState
    free: tuple[Free, ...]
    data: Targets
    values: np.ndarray
    moments: np.ndarray
    jacobian: np.ndarray
    weights: np.ndarray
    covariance: np.ndarray | None
    steps: int
    evaluations: int
    linearizations: int
    seconds_compile: float
    seconds_run: float

    @property
    def labels(self) -> list[str]:
        """Names of the free parameters."""
        return [each.label for each in self.free]

    @property
    def at_bound(self) -> np.ndarray:
        """Whether each parameter ended at one of its bounds, (free,)."""
        lower, upper = (np.array([getattr(each, end) for each in self.free]) for end in ("lower", "upper"))
        return np.minimum(self.values - lower, upper - self.values) <= AT_BOUND * (upper - lower)

    @property
    def standard_errors(self) -> np.ndarray:
        """Standard errors of the parameters from those of the data, (free,): NaN where these are not known, and of a
        parameter at a bound."""
        if self.covariance is None:
            return np.full(len(self.free), np.nan)
        by_data = self._sensitivity()
        found = np.sqrt(np.maximum(np.einsum("pk,kl,pl->p", by_data, self.covariance, by_data), 0.0))
        return np.where(self.at_bound, np.nan, found)

    @property
    def parameters(self) -> "pd.DataFrame":
        """One row a free parameter: value, standard error, what it is, its bounds, and whether it is at one."""
        import pandas as pd

        fields = {field.name: field for field in dataclasses.fields(self.model)}
        return pd.DataFrame(
            {
                "value": self.values,
                "standard error": self.standard_errors,
                "about": [fields[each.name].metadata.get("about", "") for each in self.free],
                "lower": [each.lower for each in self.free],
                "upper": [each.upper for each in self.free],
                "at a bound": self.at_bound,
            },
            index=pd.Index(self.labels, name="parameter"),
        )

    @property
    def targets(self) -> "pd.DataFrame":
        """One row a target: the model's moment, the data's, the gap (model less data), its standard error in the data
        and the source."""
        import pandas as pd

        known = self.data.errors if self.covariance is None else np.sqrt(np.diag(self.covariance))
        columns = {"model": self.moments, "data": self.data.values, "gap": self.moments - self.data.values}
        return pd.DataFrame(
            {**columns, "standard error": known, "source": list(self.data.sources)},
            index=pd.Index(self.data.names, name="moment"),
        )

    def table(self) -> "pd.DataFrame":
        """The table of parameters."""
        return self.parameters

    @property
    def over_identification(self) -> dict[str, float] | None:
        """Hansen's J with its degrees of freedom and p-value: whether gaps are larger than the data's standard errors
        allow; None with as many targets as parameters, and where W is not the inverse of the data's covariance."""
        degrees = len(self.data.names) - int((~self.at_bound).sum())
        if self.covariance is None or degrees <= 0:
            return None
        optimal = np.linalg.inv(self.covariance)
        if not np.allclose(self.weights, optimal, rtol=1e-6, atol=1e-12 * np.abs(optimal).max()):
            return None
        from scipy.stats import chi2

        gap = self.moments - self.data.values
        size = float(gap @ optimal @ gap)
        return {"J": size, "degrees of freedom": degrees, "p-value": float(chi2.sf(size, degrees))}

    def identification(self) -> "pd.DataFrame":
        """What each parameter does to each target: one row a target, one column a parameter.

        Entries are elasticities (theta / m) dm/dtheta along the equilibrium; where a moment or a parameter is zero, the
        derivative itself. The last column names the parameter that moves the target most. `singular_values` are those
        of the same matrix.
        """
        import pandas as pd

        found = self._elasticities()
        frame = pd.DataFrame(found, pd.Index(self.data.names, name="moment"), self.labels)
        frame["moved most by"] = [self.labels[place] for place in np.argmax(np.abs(found), axis=1)]
        return frame

    @property
    def singular_values(self) -> np.ndarray:
        """Singular values of the matrix of elasticities, largest first: a last one near zero says that some combination
        of parameters is hardly determined."""
        return np.linalg.svd(self._elasticities(), compute_uv=False)

    def sensitivity(self, standardized: bool = False) -> "pd.DataFrame":
        """How the parameters move with the data's moments, Lambda: one row a parameter, one column a target.

        Entries are dtheta per unit of the target. `standardized`: in standard errors of the parameter per standard
        error of the target where these are known, otherwise elasticities. Zero for a parameter at a bound. Source:
        Andrews, Gentzkow and Shapiro (2017).
        """
        import pandas as pd

        found = self._sensitivity()
        if standardized:
            own, data = (self.values, self.data.values) if self.covariance is None else (
                self.standard_errors, np.sqrt(np.diag(self.covariance)),
            )  # fmt: skip
            found = found * data / np.where(np.isfinite(own) & (own != 0), own, 1.0)[:, None]
        return pd.DataFrame(found, pd.Index(self.labels, name="parameter"), list(self.data.names))

    def to_latex(self, path: str | os.PathLike | None = None, *, which: str = "parameters", **options: Any) -> str:
        """A table as LaTeX (booktabs), also written to `path` where given: `which` is "parameters", "targets",
        "identification" or "sensitivity"; `options` of `hank_mfg.latex.to_latex`."""
        frames = {"parameters": lambda: self.parameters, "targets": lambda: self.targets}
        frames |= {"identification": self.identification, "sensitivity": self.sensitivity}
        if which not in frames:
            raise ValueError(f"which = {which!r}: write one of {', '.join(map(repr, frames))}.")
        frame = frames[which]()
        frame.columns = [display_name(str(name)) for name in frame.columns]
        return as_latex(frame.rename_axis(""), path, **{"digits": 5, **options})

    def save(self, path: str | os.PathLike, like: str | os.PathLike | None = None) -> Path:
        """Write the calibration file of the calibrated economy: value, unit and source of every parameter, the source
        of those found being their targets; `load_model(path)` and `--calibration` read it.

        Units and sources of the other parameters are those of the calibration file `like`, a shipped name or a path; by
        default that with the most parameters in common of those that belong to the model. Raises ValueError where the
        file would not be found beside its model, OSError where the disk refuses.
        """
        return write_calibration(self.model, {each.name: self._source_of(each.name) for each in self.free}, path, like)

    def __repr__(self) -> str:
        shown, targets = self.parameters.drop(columns=["about"]), self.targets
        shown["at a bound"] = ["yes" if each else "" for each in self.at_bound]
        targets["source"] = [text if len(text) <= SHOWN else f"{text[: SHOWN - 4]} ..." for text in targets["source"]]
        frames = [frame.dropna(axis="columns", how="all") for frame in (shown, targets)]
        parts = [frame.to_string(float_format="{:.6g}".format, na_rep="", max_rows=20) for frame in frames]
        test = self.over_identification
        words = "" if test is None else f"; J = {test['J']:.4g}, p = {test['p-value']:.3g}"
        points, states = self.steady.economy.shape
        head = (
            f"Calibration({type(self.model).__name__}: {points} asset points, {states} income states, {self.steps} "
            f"steps, markets clear to {self.steady.residual:.1g}{words})"
        )
        return "\n\n".join([head, *parts])

    def _source_of(self, name: str) -> str:
        """The source of a parameter that was found: which targets, and where these are from."""
        places = [each.place for each in self.free if each.name == name and each.place is not None]
        which = f"entr{'y' if len(places) == 1 else 'ies'} {', '.join(map(str, places))} " if places else ""
        wanted = [f"{moment} = {value:.6g}" for moment, value in zip(self.data.names, self.data.values, strict=True)]
        shown = f"{len(wanted)} targets, {wanted[0]} to {wanted[-1]}" if len(wanted) > 12 else ", ".join(wanted)
        origins = list(dict.fromkeys(filter(None, self.data.sources)))
        shown += f" ({'; '.join(origins)})" if origins else ""
        others = list(dict.fromkeys(each.name for each in self.free if each.name != name))
        together = f", together with {', '.join(others)}" if others else ""
        return f"{which}calibrated to {shown}{together}; {self.steady.economy.shape[0]} asset points"

    def _elasticities(self) -> np.ndarray:
        below = np.where(self.moments == 0, 1.0, self.moments)
        return self.jacobian * np.where(self.values == 0, 1.0, self.values) / below[:, None]

    def _sensitivity(self) -> np.ndarray:
        """Lambda, (free, targets), zero for parameters at a bound."""
        inside = ~self.at_bound
        found = np.zeros((len(self.free), len(self.data.names)))
        if inside.any():
            slopes = self.jacobian[:, inside]
            found[inside] = np.linalg.solve(slopes.T @ self.weights @ slopes, slopes.T @ self.weights)
        return found
