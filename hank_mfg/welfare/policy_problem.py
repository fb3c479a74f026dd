"""A problem of optimal policy, checked and compiled: which parameters, judged by what, from where, and who pays."""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from hank_mfg.arguments import require_none
from hank_mfg.errors import HankError
from hank_mfg.evaluate.welfare import consumption_percent, percent_per_utility
from hank_mfg.model.base import Model
from hank_mfg.model.free import Free, read_free, with_values
from hank_mfg.model.portable import portable
from hank_mfg.model.spelling import did_you_mean, explain
from hank_mfg.solve.stationary.moving import Equilibria
from hank_mfg.solve.stationary.steady_state import SteadyState, SteadyStateError, require_own_steady, steady_state
from hank_mfg.welfare.box_search import Box, walk
from hank_mfg.welfare.comparable import require_policy
from hank_mfg.welfare.financed import balanced_as, read_finance
from hank_mfg.welfare.objectives import AlongPath, AtRest, Here, Loss, Welfare

WELFARE = "welfare"
TOLERANCE = 1e-12  # relative change of consumption in one step of the household
Objective = str | Callable[[Any], Any]
Finance = str | Mapping[str, tuple[float, float]] | None


class OptimumError(HankError, RuntimeError):
    """An optimal policy that was not found, or that there is not."""


@dataclasses.dataclass(frozen=True)
class PolicyProblem:
    """An objective of policy parameters: of stationary equilibria or of the path from `before` to them.

    `free` are the parameters with their bounds, `own` (free,) the model's values, `finance` the one that balances the
    budget, None where none does; `judged` computes the objective, larger is better; `here` is it at the model's values.
    """

    model: Model
    free: tuple[Free, ...]
    own: np.ndarray
    finance: str | None
    before: SteadyState
    judged: AtRest | AlongPath
    loss: bool
    here: Here

    @property
    def box(self) -> Box:
        """The bounds, and the objective from a place where it is known."""
        lower, upper = (np.array([getattr(each, end) for each in self.free]) for end in ("lower", "upper"))
        return Box(lower, upper, self.judged.near)

    @property
    def names(self) -> list[str]:
        """Names of the parameters."""
        return [each.name for each in self.free]

    @property
    def unit(self) -> str:
        """What the objective is in, as shown: percent of consumption, or the loss."""
        return "loss" if self.loss else "welfare (percent of consumption)"

    def shown(self, value: float) -> float:
        """The objective in its unit: the loss, or the gain over the equilibrium before in percent of consumption."""
        return -value if self.loss else consumption_percent(self.before, value - self.utility_before)

    def per_unit(self, value: float) -> float:
        """The derivative of `shown`."""
        return -1.0 if self.loss else percent_per_utility(self.before, self.shown(value))

    @property
    def utility_before(self) -> float:
        """Mean lifetime utility at the model's own values, which is that of staying in the equilibrium before."""
        return self.here.value

    def paid(self, here: Here) -> float:
        """The value of the parameter that balances the budget, of period 0 along a path; NaN without one."""
        if self.finance is None:
            return float("nan")
        names = self.judged.equilibria.names
        return float(here.point.x[names.searched.index(self.finance)])

    def model_at(self, here: Here) -> Model:
        """The model with the parameters of a place, and what pays for them at rest."""
        model = with_values(self.model, self.free, here.theta)
        return model if self.finance is None else model.with_parameters(**{self.finance: self.paid(here)})

    def frame(self, places: np.ndarray, found: list[Here | None]) -> Any:
        """One row a place (places, free): parameters, the objective (NaN where it is not there), and what pays."""
        import pandas as pd

        theta = np.asarray([self.box.theta(place) for place in places]).reshape(-1, len(self.free))
        columns: dict[str, Any] = dict(zip(self.names, theta.T, strict=True))
        columns[self.unit] = [np.nan if each is None else self.shown(each.value) for each in found]
        if self.finance is not None:
            columns[self.finance] = [np.nan if each is None else self.paid(each) for each in found]
        return pd.DataFrame(columns)

    def walked(self, places: np.ndarray) -> list[Here | None]:
        """The objective at every place of a grid. Raises OptimumError where it is nowhere, and for a parameter that it
        does not depend on."""
        found = walk(self.box, places, self.here)
        there = [each for each in found if each is not None]
        if not there:
            raise OptimumError(self._nowhere(places))
        slopes = np.abs([each.gradient for each in (self.here, *there)]).max(axis=0)
        still = [name for name, slope in zip(self.names, slopes, strict=True) if slope == 0.0]
        if still:
            what = "the loss" if self.loss else "welfare"
            raise ValueError(
                f"over names {still[0]!r}, and {what} does not move with it: no equation that matters for {what} reads "
                "it, or it is read through a step that has no slope; leave it out."
            )
        return found

    def _nowhere(self, places: np.ndarray) -> str:
        """Why there is nothing within the bounds, tried in their middle."""
        middle = 0.5 * (self.box.lower + self.box.upper)
        at = ", ".join(f"{name} = {value:g}" for name, value in zip(self.names, middle, strict=True))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of an equilibrium that is not the answer
                steady_state(with_values(self.model, self.free, middle), asset_points=self.before.economy.grid.count)
            why = f"it has one with the other parameters as they are, so that {self.finance} finds no value that pays" \
                if self.finance else "it has one, and the path to it was not found"  # fmt: skip
        except (SteadyStateError, ValueError) as error:
            why = str(error).rstrip(".")
        return (
            f"No equilibrium was found within the bounds of {', '.join(self.names)}, at none of {len(places)} places: "
            f"give others, near the model's own values; in their middle, {at}: {why}."
        )


@portable
class Setting(NamedTuple):
    """How policies are judged: with the way there or at rest, what balances which budget, and periods of the path."""

    transition: bool
    finance: Finance
    budget: str
    horizon: int


def prepare(
    model: Model,
    over: Mapping[str, Sequence[float]],
    objective: Objective,
    setting: Setting,
    start: SteadyState | None,
    asset_points: int | None,
) -> PolicyProblem:
    """A problem with its input checked and its programs compiled; arguments and errors as for `optimal`."""
    loss = read_objective(objective)
    free = read_free(model, over, "over")
    for each in free:
        if each.place is not None:
            raise ValueError(f"over[{each.label!r}] is one number of a list: policy parameters are single numbers.")
    own = np.array([each.own(model) for each in free])
    name, ends = read_finance(setting.finance, {each.name: own for each in free})
    if start is not None:
        require_none({"asset_points": asset_points}, "an equilibrium that is solved here", "start is given")
        require_own_steady(model, start, "start")
    with _traceable(model):
        for each in free:
            for value in (each.lower, each.upper):
                require_policy("over names", model, each.name, value)
        before = steady_state(model, asset_points=asset_points) if start is None else start
        solved = model if name is None else balanced_as(model, before, name, setting.budget, ends)
        judged = _compiled(solved, free, own, before, loss, setting.horizon if setting.transition else None)
    here = judged.at(own, before)
    if here is None:
        raise OptimumError(
            f"The equilibrium of {type(model).__name__} at its own parameters was not found again"
            f"{', or the path that stays there' if setting.transition else ''}: give fewer asset points, or start=, a "
            "stationary equilibrium of this model."
        )
    return PolicyProblem(model, free, own, name, before, judged, loss is not None, here)


def read_objective(objective: Objective) -> Loss | None:
    """The loss of the user's, None where welfare is asked for. Raises ValueError for another word."""
    if callable(objective):
        return Loss(f"objective {getattr(objective, '__name__', 'function')!r}", objective)
    if objective != WELFARE:
        raise ValueError(
            f"objective = {objective!r}{did_you_mean(objective, [WELFARE])}: write 'welfare', or give a function that "
            "returns a loss, which is made small."
        )
    return None


def _compiled(
    model: Model, free: tuple[Free, ...], own: np.ndarray, before: SteadyState, loss: Loss | None, horizon: int | None
) -> AtRest | AlongPath:
    """The objective, its programs compiled."""
    points: Any = before.economy.grid.count
    equilibria = Equilibria(model, free, points, TOLERANCE, searching=False)
    rest = AtRest(equilibria, Welfare() if loss is None or horizon is not None else loss, own)
    return rest if horizon is None else AlongPath(rest, before, horizon, loss)


@contextlib.contextmanager
def _traceable(model: Model) -> Iterator[None]:
    """Say in one sentence which equation asks for the value of an array that JAX traces, ValueError."""
    try:
        yield
    except jax.errors.JAXTypeError as error:
        raise ValueError(explain(error, model=type(model))) from error


def same_equilibrium(one: SteadyState, other: SteadyState, within: float) -> bool:
    """Whether aggregates of two equilibria of a model are the same, relative."""
    pairs = [(float(one.aggregates[name]), float(other.aggregates[name])) for name in one.aggregates]
    return all(abs(first - second) <= within * (1.0 + abs(first)) for first, second in pairs)
