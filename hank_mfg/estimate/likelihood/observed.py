"""What is observed: which series of the model each column of the data is, in which transformation.

    "log"               scale (log x_t - log x)
    "level"             scale (x_t - x)
    "log difference"    scale (log x_t - log x_{t-1}), a growth rate
    "difference"        scale (x_t - x_{t-1})

to first order around the steady state x. The data are in the same units; a mean or a linear trend is taken out of them
before, as the model's own deviations have none.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.tables import numbers_in, read_table
from hank_mfg.model.spelling import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

TRANSFORMS = ("log", "level", "log difference", "difference")
TRENDS = ("mean", "linear", "none")
SHAPE = "one row a period, dates in the first column"
FREQUENCIES = {"year": "Y", "quarter": "Q", "month": "M"}


class Observed(NamedTuple):
    """How a column of the data observes a `series` of the model: a shock, aggregate, price, outcome or choice.

    `transform` is one of "log", "level", "log difference" and "difference"; `scale` 100 for data in percent. `lead`
    is 1 for a state variable that the model decides on a period before it is in force, such as a policy rate, and that
    the data date when it is decided. `trend` is what is taken out of the data: "mean", "linear" or "none".
    `measurement_error` is a standard deviation in units of the data, or the name of a parameter.
    """

    series: str
    transform: str = "log"
    scale: float = 100.0
    lead: int = 0
    trend: str = "mean"
    measurement_error: float | str = 0.0


class Sample(NamedTuple):
    """A sample: its `periods`, the `columns`, the detrended `values` (periods, columns) with NaN where they are
    missing, the places `kept` (n,) of what is there in the flattened values, and the `trend` taken out."""

    periods: "pd.Index"
    columns: tuple[str, ...]
    values: np.ndarray
    kept: np.ndarray
    trend: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """What is there, (n,), period by period."""
        return self.values.reshape(-1)[self.kept]


def dated(data: "pd.DataFrame", period: str) -> "pd.DataFrame":
    """The data with a PeriodIndex where the index are dates, none missing between the first and the last and of the
    model's frequency. Raises EstimationError otherwise; an index of integers is taken as it is."""
    import pandas as pd

    index: Any = data.index
    if not isinstance(index, pd.PeriodIndex):
        if isinstance(index, pd.RangeIndex) or pd.api.types.is_integer_dtype(index):
            steps = np.diff(np.asarray(index))
            if len(steps) and not (steps == 1).all():
                place = int(np.flatnonzero(steps != 1)[0])
                raise EstimationError(
                    f"data: row {index[place]} is followed by {index[place + 1]}: number periods one after the other, "
                    "with empty cells where something is missing."
                )
            return data
        frequency = FREQUENCIES.get(period)
        try:
            index = pd.PeriodIndex([str(each) for each in index], freq=frequency)
        except (ValueError, TypeError) as error:
            raise EstimationError(
                f"data: {index[0]!r} is no period: name rows such as 1984Q1 or 1984-01-01, or number them."
            ) from error
        if len(set(index)) < len(index):
            twice = next(each for place, each in enumerate(index) if each in set(index[:place]))
            raise EstimationError(
                f"data: {twice} is there twice; the model's period is a {period or 'period'}: give one row for each, "
                "aggregate data of a higher frequency first."
            )
    wanted = pd.period_range(index[0], index[-1], freq=index.freq)
    if len(wanted) != len(index) or (wanted != index).any():
        missing = next((each for each in wanted if each not in set(index)), index[0])
        raise EstimationError(
            f"data: {missing} is missing or out of order between {index[0]} and {index[-1]}, as where data of a lower "
            f"frequency than the model's ({period}) are given: give every period a row, with empty cells where "
            "something is missing, in the order of time."
        )
    return data.set_axis(index, axis=0)


def column_of(frame: "pd.DataFrame", name: str, what: str) -> np.ndarray:
    """The numbers of a column, NaN where cells are empty. Raises EstimationError where there is no such column, which
    `what` needs, and for text."""
    if name not in frame.columns:
        close = did_you_mean(name, [str(column) for column in frame.columns])
        raise EstimationError(
            f"{what}: the data have no such column{close}; they have {', '.join(map(str, frame.columns))}."
        )
    values, text = numbers_in(frame[name])
    if len(text):
        said, where = frame[name].iloc[text[0]], frame.index[text[0]]
        raise EstimationError(f"data[{name!r}] is {said!r} in {where}, no number: correct it, or leave the cell empty.")
    return values


def sample_of(data: Any, observed: Mapping[str, Observed], period: str) -> Sample:
    """The sample that is compared with the model."""
    frame = dated(read_table(data, SHAPE, comment="#", index_col=0), period)
    columns, trends = [], []
    for name, each in observed.items():
        values = column_of(frame, name, f"observed[{name!r}]")
        there = np.isfinite(values)
        if there.sum() < 3:
            raise EstimationError(f"data[{name!r}] has {there.sum()} observations: give three or more.")
        time = np.arange(len(values), dtype=float)
        degree = {"mean": 0, "linear": 1}.get(each.trend)
        trend = np.zeros(len(values)) if degree is None else np.polyval(
            np.polyfit(time[there], values[there], degree), time
        )  # fmt: skip
        detrended = values - trend
        if not np.nanstd(detrended) > 1e-12 * max(1.0, float(np.nanmax(np.abs(values)))):
            raise EstimationError(f"data[{name!r}] does not vary, so that it says nothing: leave it out of observed.")
        columns.append(detrended)
        trends.append(trend)
    values = np.stack(columns, axis=1)
    kept = np.flatnonzero(np.isfinite(values.reshape(-1)))
    return Sample(frame.index, tuple(observed), values, kept, np.stack(trends, axis=1))


def check_observed(observed: Any, series: Collection[str], shocks: int) -> None:
    """Raise EstimationError unless `observed` maps columns to `series` that the model has, no more of them exact than
    there are `shocks`."""
    if not isinstance(observed, Mapping) or not observed:
        raise EstimationError('observed: map columns of the data to what they are, {"gdp": hm.Observed("output")}.')
    for name, each in observed.items():
        where = f"observed[{name!r}]"
        if not isinstance(each, Observed):
            raise EstimationError(f"{where} = {each!r}: give an hm.Observed(series, transform, ...).")
        if each.series not in series:
            close = did_you_mean(each.series, list(series))
            raise EstimationError(f"{where}: the model has no series {each.series!r}{close}; it has "
                                  f"{', '.join(series)}.")  # fmt: skip
        for field, options in (("transform", TRANSFORMS), ("trend", TRENDS)):
            if getattr(each, field) not in options:
                raise EstimationError(f"{where}: {field} = {getattr(each, field)!r} is none of {', '.join(options)}.")
        if each.lead not in (0, 1):
            raise EstimationError(f"{where}: lead = {each.lead!r}: 0, or 1 for a state variable dated when decided.")
        if not (isinstance(each.scale, int | float) and np.isfinite(each.scale) and each.scale):
            raise EstimationError(f"{where}: scale = {each.scale!r}: a number other than zero, 100 for percent.")
    exact = [name for name, each in observed.items() if each.measurement_error == 0.0]
    if len(exact) > shocks:
        raise EstimationError(
            f"{len(exact)} columns are observed without error but only {shocks} shocks move them, so that no data fit: "
            "give some a measurement_error, or observe fewer."
        )


def check_levels(observed: Mapping[str, Observed], levels: Mapping[str, float]) -> None:
    """Raise EstimationError where the logarithm is taken of a series whose steady level is not above zero."""
    for name, each in observed.items():
        level = levels[each.series]
        if each.transform.startswith("log") and not level > 0:
            raise EstimationError(
                f"observed[{name!r}]: {each.series} is {level:.4g} in the steady state, which has no logarithm: "
                'transform it as "level" or "difference".'
            )


def transformed(paths: Array, levels: Array, observed: Mapping[str, Observed]) -> Array:
    """Moving-average coefficients of the observed columns, (innovations, time, columns), from deviations of their
    series (innovations, time, columns) and their steady `levels` (columns,)."""
    columns = []
    for place, each in enumerate(observed.values()):
        path = paths[..., place]
        if each.lead:
            path = jnp.pad(path[:, 1:], ((0, 0), (0, 1)))
        if each.transform.startswith("log"):
            path = path / levels[place]
        if each.transform.endswith("difference"):
            path = path - jnp.pad(path[:, :-1], ((0, 0), (1, 0)))
        columns.append(each.scale * path)
    return jnp.stack(columns, axis=-1)
