"""The shock that every method of a comparison answers: its sizes and the path that is expected of it.

With P (states, states) the transition matrix of the aggregate states, v (states,) the values of a shock in them and
p (states,) the probabilities of date 0, with and without the shock, the expected path of every shock is

    dz_h = (p with - p without) P^h v.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy
from hank_mfg.environment.markov import later
from hank_mfg.evaluate.distribution.date_zero import date_zero, reach_of
from hank_mfg.evaluate.units import OWN, PERCENT, POINTS, kinds_of, size_in, unit_of
from hank_mfg.model.base import Model
from hank_mfg.model.concrete import numbers_of
from hank_mfg.precision import float64_allowed
from hank_mfg.wording import signed

SMALL = 0.1  # of the large size


class Plan(NamedTuple):
    """The shock compared, its sizes in its own units, and the economy whose chain gives its expected path.

    `mean` is the stationary mean of the shock; `changes` (sizes, states) what each size does to the probabilities of
    the aggregate states at date 0; rows sum to zero. `unit` is that in which a reader is shown the size: percent of the
    mean, percentage points, or the shock's own.
    """

    shock: str
    sizes: tuple[float, ...]
    mean: float
    economy: Economy
    changes: np.ndarray
    unit: str = PERCENT

    def expected(self, horizon: int) -> list[dict[str, np.ndarray]]:
        """For each size the expected deviations of every shock, (horizon,) each, in the shock's own units."""
        each = [later(self.economy.shock_transition, change, horizon) for change in self.changes]
        values = {name: np.asarray(v) for name, v in self.economy.shock_values.items()}
        return [{name: moved @ value for name, value in values.items()} for moved in each]

    def families(self) -> list[list[float]]:
        """The sizes, those together that move the same probabilities: a global response to one is a multiple of it."""
        found: dict[int, list[float]] = {}  # by the place of the first of them
        for place, (size, change) in enumerate(zip(self.sizes, self.changes, strict=True)):
            like = (first for first in found if ratio_of(change, self.changes[first]) is not None)
            found.setdefault(next(like, place), []).append(size)
        return list(found.values())

    def about_multiples(self) -> list[str]:
        """A sentence for a reader where global responses are multiples of one another, otherwise nothing."""
        families = [family for family in self.families() if len(family) > 1]
        if not families:
            return []
        same = "are lotteries on the same states of the chain"
        if len(families[0]) == len(self.sizes):
            return [f"All sizes {same}, so that a global response is proportional to the size by construction."]
        first, *others = [" and ".join(self.label(size) for size in family) for family in families]
        others = "".join(f", and so are {each}" for each in others)
        return [f"The sizes {first} {same}{others}: among them a global response is proportional to the size."]

    def label(self, size: float) -> str:
        """The size for a reader, in the unit of the shock."""
        after = {PERCENT: " %", POINTS: " points", OWN: ""}[self.unit]
        return f"{signed(size_in(self.unit, size, self.mean))}{after}"


def ratio_of(change: np.ndarray, other: np.ndarray) -> float | None:
    """By what `other`, (states,), has to be multiplied to be `change`; None where it is no multiple."""
    ratio = float(change @ other / ((other @ other) or 1.0))
    return ratio if np.abs(change - ratio * other).max() <= 1e-10 * np.abs(change).max() else None


@float64_allowed
def make_plan(model: Model, shock: str | None = None, sizes: Any = None) -> Plan:
    """Fill in what is not given and check it before anything is solved.

    `shock` is by default the only one, `sizes` one percent and a tenth of a percent of its mean, down and up, or less
    where the chain does not reach that far; a tenth of a standard deviation takes the place of a percent where the
    shock is a rate, a share or not always positive. Raises ValueError for a model without aggregate shocks, several
    shocks and no name, a shock that never moves, a size that is not finite, given twice or outside the chain.
    """
    if not model.aggregate_shocks():
        raise ValueError(
            f"{type(model).__name__} declares no aggregate_shocks(), so there is nothing to respond to: its stationary "
            "equilibrium, `hank-mfg steady-state MODEL` or hm.steady_state(model), is the whole solution."
        )
    economy = discretize(model, 10, jnp.float64)
    names = list(economy.shock_values)
    if shock is None and len(names) > 1:
        raise ValueError(f"There are several aggregate shocks: name one of {', '.join(names)}.")
    name = names[0] if shock is None else shock
    if name not in names:
        date_zero(economy, name, 0.0)  # refuses it
    mean, deviation, room = reach_of(economy, name)
    if not room > 1e-12:
        raise ValueError(f"The shock {name} never moves, so there is nothing to compare: give it values that differ.")
    unit = unit_of(kinds_of(economy)[name], np.asarray(economy.shock_values[name]))
    chosen = (
        _usual_sizes(0.01 * mean if unit == PERCENT else 0.1 * deviation, room) if sizes is None else _checked(sizes)
    )
    changes = np.stack([np.subtract(*date_zero(economy, name, size)[::-1]) for size in chosen])
    return Plan(name, chosen, mean, economy, changes, unit)


def _usual_sizes(usual: float, room: float) -> tuple[float, ...]:
    """Small and large, down and up: the usual, or as far as the chain reaches, with 3 digits where they fit."""
    large = min(usual, room)
    rounded = float(f"{large:.3g}")
    large = rounded if rounded <= room + 1e-12 else large
    return -large, -SMALL * large, SMALL * large, large


def _checked(sizes: Any) -> tuple[float, ...]:
    chosen = tuple(float(size) for size in numbers_of("sizes", sizes).ravel())
    if not chosen or not np.all(np.isfinite(chosen)) or len(set(chosen)) < len(chosen):
        raise ValueError(f"sizes = {list(chosen)}: give one or more different finite numbers.")
    return chosen
