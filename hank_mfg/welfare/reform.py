"""A reform in one call: the economy before it, after it, the way from one to the other, and who gains."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.arguments import require_none
from hank_mfg.errors import HankError
from hank_mfg.files import latex_of
from hank_mfg.model.base import Model, check_names
from hank_mfg.model.concrete import numbers_of
from hank_mfg.model.portable import portable
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_whole
from hank_mfg.solve.sequence.transition import Transition, transition
from hank_mfg.solve.stationary.steady_state import SteadyState, require_own_steady, steady_state
from hank_mfg.welfare.comparable import require_policy
from hank_mfg.welfare.financed import ReformError as ReformError
from hank_mfg.welfare.financed import financed_equilibrium, in_the_model, read_finance
from hank_mfg.welfare.gains import Welfare, welfare
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd


@readable
@portable
@dataclasses.dataclass(frozen=True)
class Reform:
    """A reform of parameters, and what it does.

    `before` and `after` are stationary equilibria; `path` leads from one to the other, in perfect foresight from the
    announcement on; `gains` are those of the households that live through it, `gains_at_rest` compare the two
    stationary equilibria; `changes` maps parameters to their final values, `finance` is the parameter that balances
    the budget, whose path is `path.parameters[finance]`, None where none does.
    """

    before: SteadyState
    after: SteadyState
    path: Transition
    gains: Welfare
    gains_at_rest: Welfare
    changes: dict[str, float]
    finance: str | None

    @property
    def precision(self) -> str:
        """The precision of every number here."""
        return "float64"

    def table(self) -> "pd.DataFrame":
        """Parameters that change, aggregates, prices and outcomes, then welfare along the path and between stationary
        equilibria: before and after, and the change in percent of before (NaN where that is zero)."""
        import pandas as pd

        names = [*self.changes, *([self.finance] if self.finance else [])]
        rows = {name: tuple(float(each.economy.model.parameters()[name]) for each in self._both) for name in names}
        old, new = (each.outcomes for each in self._both)
        rows |= {name: (old[name], new[name]) for name in old if name in new and name not in rows}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["before", "after"], dtype=float)
        table["change (percent)"] = 100.0 * (table["after"] / table["before"].where(table["before"] != 0.0) - 1.0)
        found = {
            "Gain with the way there (percent of consumption)": self.gains.percent,
            "Gain between stationary equilibria (percent of consumption)": self.gains_at_rest.percent,
            "In favor (percent of households)": self.gains.in_favor,
        }
        gains = pd.DataFrame({"after": pd.Series(found, dtype=float)})
        return pd.concat([table, gains]).rename_axis("reform")

    to_latex = latex_of

    @property
    def _both(self) -> tuple[SteadyState, SteadyState]:
        return self.before, self.after


@float64_allowed
def reform(
    model: Model,
    changes: Mapping[str, float | Sequence[float]],
    *,
    finance: str | Mapping[str, tuple[float, float]] | None = None,
    budget: str = "government_budget",
    announced: int = 0,
    horizon: int = 300,
    before: SteadyState | None = None,
    asset_points: int | Mapping[str, int] | None = None,
) -> Reform:
    """Change parameters of policy for good: both stationary equilibria, the path between them, and who gains.

    `changes` maps parameters to new values, or to a path whose last value stays. All households learn of it in period
    0; with `announced` the change begins so many periods later. `finance` names a parameter whose value is solved, in
    the new equilibrium and in every period of the path, so that the outcome `budget` of the model, the government's
    revenue less what it spends, keeps the value that it has before the reform, usually zero; {"labor_tax": (0.1, 0.6)}
    says between which ends. Without it the model's own equations say who pays.

    `before` is the equilibrium before the reform where it is solved already, otherwise it is on `asset_points`.
    float64. Raises ValueError for names and values that make no sense, SteadyStateError where there is no equilibrium
    before the reform, ReformError where that after it or the path is not found.
    """
    require_whole("announced", announced, 0, "give periods before the change begins", "reform")
    paths = _paths(model, changes)
    name, ends = read_finance(finance, paths)
    if before is not None:
        require_none({"asset_points": asset_points}, "an equilibrium that is solved here", "before is given")
        require_own_steady(model, before, "before")
    old = steady_state(model, asset_points=asset_points) if before is None else before
    after = model.with_parameters(**{each: float(path[-1]) for each, path in paths.items()})
    points = old.economy.grid.count
    try:
        new = financed_equilibrium(after, old, points, name, budget, ends)
        moving: dict[str, Any] = _moving(model, paths, announced)
        path = transition(new, initial=old, horizon=horizon, **moving)
    except HankError as error:
        raise ReformError(_not_solved(error, list(paths), name, budget)) from error
    if name is not None:
        new, path = in_the_model(after, new, path, name, points)
    final = {each: float(values[-1]) for each, values in paths.items()}
    return Reform(old, new, path, welfare(old, path), welfare(old, new), final, name)


def _not_solved(error: HankError, changed: list[str], name: str | None, budget: str) -> str:
    """Why a reform was not solved, and what may be the cause in its own words."""
    if name is None:
        cause = (
            f"Nothing was asked to pay for it: where the outcome {budget} is to be balanced, name a tax in finance=."
        )
    else:
        cause = (
            f"{name} was searched for a value that keeps {budget}: give other ends, finance={{{name!r}: (low, high)}}, "
            "or a smaller change, where no value may pay for this one."
        )
    return f"The reform of {', '.join(changed)} was not solved. {cause} In the words of the search: {error}"


def _paths(model: Model, changes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The values of every parameter that changes, (time,) each. Raises ValueError."""
    check_names(type(model), changes)
    known, paths = model.parameters(), {}
    for name, given in changes.items():
        if name not in known or np.ndim(known[name]):
            raise ValueError(
                f"changes names {name!r}, which is not one number: reforms are of parameters of one number."
            )
        values = np.atleast_1d(numbers_of(f"changes[{name!r}]", given))
        if values.ndim != 1 or not values.size or not np.isfinite(values).all():
            raise ValueError(
                f"changes[{name!r}] has shape {values.shape}: give a finite number, or a path of them, one a period, "
                "whose last value stays."
            )
        for value in np.unique(values):
            require_policy("changes names", model, name, float(value))
        paths[name] = values
    return paths


def _moving(model: Model, paths: Mapping[str, np.ndarray], announced: int) -> dict[str, np.ndarray]:
    """The paths of parameters before they reach their final values: as before until the change begins."""
    known = model.parameters()
    begun = {name: np.concatenate([np.full(announced, float(known[name])), path[:-1]]) for name, path in paths.items()}
    return {name: path for name, path in begun.items() if len(path)}
