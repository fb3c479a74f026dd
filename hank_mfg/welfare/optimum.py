"""The result of a search for optimal policy: where it is, how much is gained, and what kind of optimum it is."""

import dataclasses
import enum
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.files import as_latex, latex_of
from hank_mfg.model.base import Model
from hank_mfg.model.portable import portable
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_whole
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.welfare.gains import Welfare
from hank_mfg.welfare.policy_problem import Objective, Setting, prepare
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd

MOST = 1000  # places of a surface


class Optimality(enum.Enum):
    """What a search for optimal policy ended with; the values are the messages."""

    INTERIOR = "An interior optimum: the gradient is zero, and second derivatives have the sign of an optimum."
    BOUND = "An optimum at a bound: a wider bound would give a better one."
    EDGE = "An end of the region with equilibria: beyond it none was found, so that this is not shown to be an optimum."
    FLAT = "Flat: the gradient is zero, and in some direction second derivatives are too, so that others are as good."
    SADDLE = "Not an optimum: the gradient is zero, and in some direction second derivatives have the wrong sign."
    UNFINISHED = "All steps were used before the gradient was zero."


@portable
@dataclasses.dataclass(frozen=True, repr=False)
class Optimum:
    """The best values of policy parameters within their bounds.

    `values`, `own`, `lower`, `upper` (parameters,) are the optimum, the model's values and the bounds, in the order of
    `names`; `finance` is the parameter that balances the budget, None where none does. `before` and `after` are the
    stationary equilibria at the model's values and at the optimum, `path` the way there, None where equilibria alone
    are compared; `gains` say who gains. `best` and `start` are the objective at the optimum and at the model's values:
    the gain in percent of consumption, or the loss. `gradient` (parameters,) and `hessian` (parameters, parameters) are
    its derivatives per unit of the parameters, the first exact, the second differences of gradients; `eigenvalues` are
    those of the Hessian per width of the bounds, among parameters that are not at a bound. `status` says what kind of
    optimum it is, `where` which bounds were reached. `tried` are the places of the first coarse grid, and `others`
    further local optima, one row each. `evaluations` of the objective with its gradient; seconds.
    """

    model: Model
    names: tuple[str, ...]
    values: np.ndarray
    own: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    finance: str | None
    before: SteadyState
    after: SteadyState
    path: Transition | None
    gains: Welfare
    objective: Objective
    best: float
    start: float
    gradient: np.ndarray
    hessian: np.ndarray
    eigenvalues: np.ndarray
    status: Optimality
    where: str
    tried: Any
    others: Any
    setting: Setting
    evaluations: int
    seconds: float

    @property
    def precision(self) -> str:
        """The precision of every number here."""
        return "float64"

    @property
    def unit(self) -> str:
        """What the objective is in."""
        return "loss" if callable(self.objective) else "welfare (percent of consumption)"

    @property
    def parameters(self) -> "pd.DataFrame":
        """One row a parameter: the model's value, the optimum, the bounds, and the derivative of the objective there
        per unit of the parameter; then the parameter that balances the budget, at rest."""
        import pandas as pd

        columns = {
            "own value": self.own, "optimum": self.values, "lower": self.lower, "upper": self.upper,
            "derivative": self.gradient,
        }  # fmt: skip
        frame = pd.DataFrame(columns, index=pd.Index(self.names, name="parameter"))
        if self.finance is not None:
            paid = [float(each.economy.model.parameters()[self.finance]) for each in (self.before, self.after)]
            frame.loc[self.finance] = [*paid, np.nan, np.nan, np.nan]
        return frame

    def table(self) -> "pd.DataFrame":
        """Parameters, aggregates, prices and outcomes at the model's values and at the optimum, then the objective and
        who is in favor; and the change in percent of the first (NaN where that is zero)."""
        import pandas as pd

        known = self.parameters
        rows = {name: (known.loc[name, "own value"], known.loc[name, "optimum"]) for name in known.index}
        old, new = self.before.outcomes, self.after.outcomes
        rows |= {name: (old[name], new[name]) for name in old if name in new and name not in rows}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["own values", "optimum"], dtype=float)
        level = table["own values"].where(table["own values"] != 0.0)
        table["change (percent)"] = 100.0 * (table["optimum"] / level - 1.0)
        found = {self.unit.capitalize(): (self.start, self.best)}
        if callable(self.objective):
            found["Welfare (percent of consumption)"] = (0.0, self.gains.percent)
        found["In favor (percent of households)"] = (np.nan, self.gains.in_favor)
        below = pd.DataFrame.from_dict(found, orient="index", columns=["own values", "optimum"], dtype=float)
        return pd.concat([table, below]).rename_axis("policy")

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        return as_latex(self.table(), path, **{"note": self.status.value, **options})

    @float64_allowed
    def surface(self, points: int = 11) -> "pd.DataFrame":
        """The objective on a grid of `points` in every direction within the bounds: one row a place, with the
        parameters, the objective (NaN where there is no equilibrium) and what balances the budget.

        Computed anew, one equilibrium, or path, a place. Raises ValueError for more than a thousand places.
        """
        require_whole("points", points, 3, "11 is usual", "surface")
        if points ** len(self.names) > MOST:
            raise ValueError(
                f"surface(points={points}) asks for {points ** len(self.names)} equilibria of {len(self.names)} "
                f"parameters: give fewer points, at most {MOST} places."
            )
        over = {name: (low, high) for name, low, high in zip(self.names, self.lower, self.upper, strict=True)}
        problem = prepare(self.model, over, self.objective, self.setting, self.before, None)
        places = problem.box.lattice(points)
        return problem.frame(places, problem.walked(places))

    def __repr__(self) -> str:
        kind = "along the path" if self.path is not None else "at rest"
        what = f"loss {self.best:.6g}, {self.start:.6g} at the model's values" if callable(self.objective) else (
            f"{self.best:+.4g} percent of consumption against the model's values"
        )  # fmt: skip
        model = type(self.model).__name__
        eigenvalues = ", ".join(f"{each:.3g}" for each in self.eigenvalues)
        lines = [
            f"Optimum({model}, {kind}: {what}; {self.evaluations} evaluations, {self.seconds:.1f} s)",
            self.parameters.to_string(float_format="{:.6g}".format, na_rep="", max_rows=20),
            f"{self.status.value}{f' {self.where}.' if self.where else ''}",
        ]
        if eigenvalues:
            lines.append(f"Eigenvalues of the Hessian, {self.unit} per width of the bounds squared: {eigenvalues}.")
        if len(self.others):
            lines += ["Other local optima:", self.others.to_string(float_format="{:.6g}".format, max_rows=8)]
        return "\n".join(lines)


@readable
@portable
@dataclasses.dataclass(frozen=True)
class WelfareGradient:
    """The derivative of an objective in parameters of policy, at the model's own values, exact.

    `values` maps parameters to the model's values; `slopes` to the derivative per unit of the parameter: of welfare in
    percent of consumption, or of the loss; `utility` to that of mean lifetime utility, or of the loss. `finance` is the
    parameter that balances the budget, None where none does; `transition` whether the way to the new equilibrium
    counts; `level` mean lifetime utility, or the loss; seconds.
    """

    values: dict[str, float]
    slopes: dict[str, float]
    utility: dict[str, float]
    level: float
    finance: str | None
    transition: bool
    seconds: float

    @property
    def precision(self) -> str:
        """The precision of every number here."""
        return "float64"

    def table(self) -> "pd.DataFrame":
        """One row a parameter: its value, and the derivative in both units."""
        import pandas as pd

        columns = {"value": self.values, "derivative": self.slopes, "derivative (utility)": self.utility}
        return pd.DataFrame(columns, dtype=float).rename_axis("parameter")

    to_latex = latex_of
