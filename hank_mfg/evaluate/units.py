"""The unit in which a series is reported, from what the model declares of it and from its values.

A rate and a share move in percentage points. A level moves in percent of its own value where it stays above zero, with
and without the shock, and otherwise in its own units: a series that reaches zero has no percent.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.economy import Economy
from hank_mfg.evaluate.distribution.groups import SHARES
from hank_mfg.model.named import Named
from hank_mfg.model.today import today
from hank_mfg.model.units import LEVEL, PERIODS, RATE, SHARE, declared_kinds

PERCENT, POINTS, OWN = UNITS = ("percent", "percentage points", "level")
ANNUAL = "percentage points a year"  # of a rate that was multiplied by the periods of a year
NEAR_ZERO = 1e-6  # of its largest value: a series that falls below it reaches zero


def kinds_of(economy: Economy) -> dict[str, str]:
    """The kind of every series of an economy and of the statistics of its distribution.

    Raises ValueError for a declaration that `declared_kinds` refuses.
    """
    return {**declared_kinds(economy.model, series_names(economy)), **dict.fromkeys(SHARES, SHARE)}


def series_names(economy: Economy) -> tuple[str, ...]:
    """Names of everything aggregate that happens in a period; read off the equations without numbers."""
    names: list[str] = []

    def period(one):
        assets, own = economy.states()
        shocks = economy.shocks(0)
        given = (*economy.model.aggregates(assets, own, today(shocks)), *economy.model.state_variables())
        guess = Named("clearing_prices", dict.fromkeys(economy.clearing_prices, one))
        names[:] = economy.series(economy.form(Named("aggregates", dict.fromkeys(given, one)), shocks, guess))

    jax.eval_shape(period, jnp.ones((), economy.dtype))
    return (*names, *economy.model.chosen())


def positive(*levels: np.ndarray) -> bool:
    """Whether levels stay above zero, by more than `NEAR_ZERO` of the largest."""
    lowest, highest = min(np.min(level) for level in levels), max(np.max(np.abs(level)) for level in levels)
    return bool(lowest > NEAR_ZERO * highest)


def unit_of(kind: str, *levels: np.ndarray) -> str:
    """The unit of a response or fluctuation of a series of this `kind` with these levels, of any shapes."""
    if kind != LEVEL:
        return POINTS
    return PERCENT if positive(*levels) else OWN


def factor(unit: str) -> float:
    """By what a difference is multiplied to be in a unit, after division by the level where that is percent."""
    return 1.0 if unit == OWN else 100.0


def change_in(unit: str, without: np.ndarray, with_shock: np.ndarray) -> np.ndarray:
    """A response in its unit, same shapes: percent of the value without the shock, percentage points, or a level."""
    return factor(unit) * (with_shock - without) / (without if unit == PERCENT else 1.0)


def level_unit(kind: str, period: str) -> str:
    """The unit in which the level of a series is drawn: a rate in percent per period, a share in percent."""
    return {RATE: f"percent per {period or 'period'}", SHARE: PERCENT}.get(kind, OWN)


def size_in(unit: str, size: float, mean: float) -> float:
    """The size of a shock in a unit: percent of its `mean`, percentage points, or as it is."""
    return factor(unit) * size / (mean if unit == PERCENT else 1.0)


def in_names(unit: str) -> str:
    """A unit at the end of the name of a column: percentage_points."""
    return unit.replace(" ", "_")


def of_rate(unit: str, period: str) -> str:
    """The unit of a rate with what it is a rate of, short enough for an axis: "points per quarter"; as it is where no
    period is declared, or where it is a yearly one already."""
    return f"points per {period}" if unit == POINTS and period else unit


def since(period: str) -> str:
    """The label of an axis of dates: "Quarters since the shock", or "Periods" where none is declared."""
    return f"{counted(period)}s since the shock"


def counted(period: str) -> str:
    """The unit of an axis of dates, singular: "Quarter", or "Period" where it is not declared or has no word."""
    return period.capitalize() if period and " " not in period else "Period"


def require_periods(shown: Sequence[int], horizon: int, what: str = "path") -> None:
    """Raise ValueError for a period that `what`, of so many periods, does not have."""
    for period in shown:
        if not 0 <= period < horizon:
            raise ValueError(f"periods asks for {period}: the {what} has the periods 0 to {horizon - 1}.")


def periods_a_year(period: str) -> int:
    """The number of periods in a year. Raises ValueError where the model does not declare one."""
    if period not in PERIODS:
        raise ValueError(
            'The model does not declare its period, so nothing can be expressed per year: write period = "quarter" '
            '(or "year", "month") in the class.'
        )
    return PERIODS[period]
