"""Business-cycle moments of simulated series, as a table."""

import dataclasses
import html
import os
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.linalg import solveh_banded

from hank_mfg.evaluate.units import OWN, PERCENT, UNITS, factor, positive
from hank_mfg.files import write_text
from hank_mfg.latex import to_latex
from hank_mfg.model.concrete import numbers_of
from hank_mfg.model.units import PERIODS
from hank_mfg.wording import display_name

FILTERS = {"hp": "HP-filtered", "hamilton": "Hamilton-filtered"}
AHEAD = {period: (2 * a_year, a_year) for period, a_year in PERIODS.items()}  # h and p of Hamilton (2018): 2 years, 1
SMOOTHING = {period: 1600.0 * (a_year / 4) ** 4 for period, a_year in PERIODS.items()}  # Ravn and Uhlig (2002)

_HEADINGS = {  # group, heading, and a heading of at most two short lines for a terminal
    "mean (level)": ("Level", "mean", "mean"),
    "sd (level)": ("Level", "sd", "sd"),
    "unit": ("Fluctuations", "in", "unit"),
    "sd (in unit)": ("Fluctuations", "sd", "sd in unit"),
    "sd, HP-filtered (in unit)": ("HP-filtered fluctuations", "sd", "HP sd"),
    "sd relative to output (ratio)": ("Fluctuations", "sd over that of output", "rel"),
    "autocorrelation": ("Fluctuations", "auto- correlation", "auto"),
    "correlation with output": ("Fluctuations", "correlation with output", "corr"),
    "sd relative to output, HP-filtered (ratio)": ("HP-filtered fluctuations", "sd over that of output", "rel"),
    "autocorrelation, HP-filtered": ("HP-filtered fluctuations", "auto- correlation", "auto"),
    "correlation with output, HP-filtered": ("HP-filtered fluctuations", "correlation with output", "corr"),
}
_HEADINGS |= {
    name.replace("HP", "Hamilton"): (group.replace("HP", "Hamilton"), heading, short.replace("HP", "H"))
    for name, (group, heading, short) in _HEADINGS.items()
    if FILTERS["hp"] in name
}
_SHORT = (
    "HP-filtered: HP sd in unit; rel, sd over that of output; auto, autocorrelation; corr, correlation with output."
)
_POINTS = {"unit": {"percentage points": "points"}}
_WIDTH = 80  # characters of a line of text


def require_smoothing(smoothing: float) -> None:
    """Raise ValueError unless the smoothing of the HP filter is a positive, finite number."""
    if not (np.isfinite(smoothing) and smoothing > 0):
        raise ValueError(f"smoothing = {smoothing} must be positive and finite: 1600 is usual for quarterly data.")


def _require_finite(series: np.ndarray) -> None:
    if not np.all(np.isfinite(series)):
        period = int(np.argwhere(~np.isfinite(series))[0][0])
        raise ValueError(f"series is not finite in period {period}: drop or repair that period before filtering.")


def hp_filter(series, smoothing: float = 1600.0) -> tuple[np.ndarray, np.ndarray]:
    """Split a series into cycle and trend.

    The trend minimizes  sum_t (y_t - trend_t)^2 + smoothing sum_t (trend_{t+1} - 2 trend_t + trend_{t-1})^2,  so that
    (I + smoothing D'D) trend = y with D the second-difference matrix: one banded solve, linear in the length.
    Use `smoothing` 1600 for quarterly data, 6.25 for annual (Ravn and Uhlig 2002).

    `series` (time,) or (time, variables), any unit; take logs first. Returns (cycle, trend), each of that shape, with
    cycle + trend = series.
    Raises ValueError for fewer than 3 periods, an entry that is not finite, or smoothing that is not positive.
    Source: Hodrick and Prescott (1997), equation 2.
    """
    series = numbers_of("series", series)
    if series.ndim not in (1, 2) or series.shape[0] < 3:
        raise ValueError(f"series has shape {series.shape}: give at least 3 periods, time along the first axis.")
    _require_finite(series)
    require_smoothing(smoothing)
    periods = series.shape[0]
    bands = np.zeros((3, periods))  # the diagonal of I + smoothing D'D and the two below it
    for offset, weight in enumerate((1.0, -2.0, 1.0)):
        bands[0, offset : periods - 2 + offset] += smoothing * weight**2
    bands[1, : periods - 2] -= 2.0 * smoothing
    bands[1, 1 : periods - 1] -= 2.0 * smoothing
    bands[2, : periods - 2] = smoothing
    bands[0] += 1.0
    trend = solveh_banded(bands, series, lower=True)
    return series - trend, trend


def hamilton_filter(series, horizon: int = 8, lags: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Split a series into cycle and trend: the cycle is what a regression of y_{t+h} on recent values does not explain,

        y_{t+h} = b_0 + b_1 y_t + ... + b_p y_{t-p+1} + cycle_{t+h},     by ordinary least squares.

    `horizon` h is two years and `lags` p one year of periods: 8 and 4 for quarters, 2 and 1 for years, 24 and 12 for
    months. `series` (time,) or (time, variables), any unit; take logs first. Returns (cycle, trend), each of that
    shape, with cycle + trend = series; the first h + p - 1 periods are NaN in both. By `quantecon.hamilton_filter`,
    where the recent values are not collinear; else, as for a straight line, by the least-squares solution of least
    norm.

    Raises ValueError for entries that are not finite, and for fewer than h + 2 p + 1 periods, more than which leave the
    regression residuals.
    Source: Hamilton (2018), Review of Economics and Statistics 100(5), equation 20.
    """
    series = numbers_of("series", series)
    for name, value in (("horizon", horizon), ("lags", lags)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} = {value!r} must be a whole number, 1 or more: 8 and 4 are usual for quarters.")
    least = horizon + 2 * lags + 1
    if series.ndim not in (1, 2) or series.shape[0] < least:
        raise ValueError(
            f"series has shape {series.shape}: give at least {least} periods, time along the first axis, or a shorter "
            "horizon and fewer lags."
        )
    _require_finite(series)
    columns = series.reshape(len(series), -1).T
    cycle = np.stack([_hamilton_cycle(column, horizon, lags) for column in columns], axis=-1).reshape(series.shape)
    return cycle, series - cycle


def _hamilton_cycle(series: np.ndarray, horizon: int, lags: int) -> np.ndarray:
    """The cycle of one series (time,)."""
    size = np.ptp(series)
    if size == 0.0:
        return np.where(np.arange(len(series)) < horizon + lags - 1, np.nan, 0.0)
    scaled = (series - series.mean()) / size  # the regression has a constant: neither matters, but for rounding
    recent = np.lib.stride_tricks.sliding_window_view(scaled[: len(scaled) - horizon], lags)
    recent = np.concatenate([np.ones((len(recent), 1)), recent], axis=1)
    if np.linalg.cond(recent) < 1e6:
        import quantecon  # loaded on first use: it brings numba

        return size * quantecon.hamilton_filter(scaled, horizon, lags)[0]
    ahead = scaled[horizon + lags - 1 :]
    left = ahead - recent @ np.linalg.lstsq(recent, ahead, rcond=None)[0]
    return size * np.concatenate([np.full(horizon + lags - 1, np.nan), left])


@dataclasses.dataclass(frozen=True, eq=False)
class MomentTable:
    """Moments of simulated series, one row per variable, as made by `moment_table`.

    `data`  a pandas DataFrame, units in the column names
    `note`  how the series were made: periods, method, precision; printed below the table
    """

    data: pd.DataFrame
    note: str = ""

    def table(self) -> pd.DataFrame:
        """The moments, one row a variable: `data`."""
        return self.data

    def to_latex(
        self, path: str | os.PathLike | None = None, *, caption: str | None = None, label: str | None = None
    ) -> str:
        r"""The table as LaTeX source for \usepackage{booktabs}, also written to `path` when given (atomically).

        Raises OSError when `path` cannot be written, ValueError for a label without a caption.
        """
        text = to_latex(self.shown(), caption=caption, label=label, note=self.note or None)
        if path is not None:
            write_text(path, text)
        return text

    def to_csv(self, path: str | os.PathLike) -> Path:
        """Write the numbers in full precision, one row per variable; the note is not part of the file.

        Returns the path. Raises OSError when it cannot be written.
        """
        return write_text(path, self.data.to_csv())

    def shown(self) -> pd.DataFrame:
        """The table as LaTeX and pages show it: names for a reader, columns in groups."""
        shown = self._shown().rename(index=display_name)
        shown.columns = pd.MultiIndex.from_tuples([_HEADINGS[name][:2] for name in shown.columns])
        return shown

    def _shown(self) -> pd.DataFrame:
        """The data for a reader: no standard deviation of a series that does not move."""
        shown = self.data.replace(_POINTS).rename_axis(None)
        deviations = [name for name in shown.columns if name.startswith("sd")]
        shown.loc[shown["sd (level)"] == 0.0, deviations] = np.nan
        return shown

    def __repr__(self) -> str:
        """The table in at most 80 columns, as long as names have at most 14 letters."""
        shown = self._shown()
        shown.columns = pd.Index([_HEADINGS[name][2] for name in shown.columns])
        text = shown.to_string(float_format=lambda value: f"{value:.3g}", na_rep="--")
        used = [how for how in FILTERS.values() if f"sd, {how} (in unit)" in self.data]
        short = _SHORT.replace("HP-filtered: HP sd in unit; rel", "Not filtered: rel")
        if used:
            short = _SHORT if used[0] == FILTERS["hp"] else _SHORT.replace("HP-f", "Hamilton-f").replace("HP", "H")
        return "\n".join([text, *textwrap.wrap(short, _WIDTH), *textwrap.wrap(self.note, _WIDTH)])

    def _repr_html_(self) -> str:
        text = self.data.to_html(float_format=lambda value: f"{value:.4g}")
        return f"{text}\n<p>{html.escape(self.note)}</p>" if self.note else text


def moment_table(
    series: dict[str, np.ndarray],
    *,
    output: str = "output",
    smoothing: float | None = 1600.0,
    filter: str = "hp",
    horizon: int = 8,
    lags: int = 4,
    units: dict[str, str] | None = None,
    note: str = "",
) -> MomentTable:
    """Means, standard deviations and co-movement of simulated series, in levels and after a filter.

    Fluctuations are 100 log x, in percent, of a level that stays above zero, x itself of one that does not, and 100 x,
    in percentage points, of a rate or a share; the column `unit` says which. `units` decides it by name ("percent",
    "percentage points" or "level"): arrays alone do not say what is a rate, so pass it for these. Standard deviations
    divide by the number of periods less one. A series that moves by rounding error only, less than 1e-10 of its size,
    has standard deviations of zero and no correlations (NaN).

    `series`     name -> (time,), every variable over the same periods, levels as the model has them
    `output`     the series to compare with; without a series called "output" those columns are left out
    `filter`     "hp", or "hamilton", which leaves out the first `horizon` + `lags` - 1 periods
    `smoothing`  of `hp_filter`, 1600 for quarters, 6.25 for years; None leaves that filter out
    `horizon`, `lags`  of `hamilton_filter`, 8 and 4 for quarters, 2 and 1 for years
    `note`       what the reader must know: number of periods, method, precision

    Columns: mean (level); sd (level); unit of fluctuations; sd and filtered sd (in that unit); filtered sd relative
    to output's (ratio), missing for levels that are not in percent as output is; first-order autocorrelation and
    correlation with output, both filtered; names say by which filter. Without a filter the last three are those of the
    fluctuations themselves, and the names say so.
    Raises ValueError for no series, series of several lengths or with entries that are not finite, an `output` that is
    not among them, or a unit that is not known.
    Source: Cooley and Prescott (1995), table 1.1, for the layout.
    """
    levels = {name: _without_rounding(level) for name, level in _checked(series).items()}
    stray = [name for name in units or {} if name not in levels]
    if stray:
        raise ValueError(f"units names {stray[0]!r}, which is not among the series: choose from {', '.join(levels)}.")
    if output not in levels and output != "output":
        raise ValueError(f"output = {output!r} is not among the series: choose one of {', '.join(levels)}.")
    chosen = {name: _unit(name, level, units or {}) for name, level in levels.items()}
    moving = {
        name: factor(chosen[name]) * (np.log(level) if chosen[name] == PERCENT else level)
        for name, level in levels.items()
    }
    moving = {name: value - value[0] for name, value in moving.items()}  # a constant then has exactly no deviation
    require_filter(filter)
    filtered = filter == "hamilton" or smoothing is not None
    cycles = {name: cycle_of(value, filter, smoothing, horizon, lags) for name, value in moving.items()}
    how = f", {FILTERS[filter]}" if filtered else ""
    rows = {}
    for name, level in levels.items():
        cycle = cycles[name]
        row = {
            "mean (level)": level.mean(),
            "sd (level)": (level - level[0]).std(ddof=1),
            "unit": chosen[name],
            "sd (in unit)": moving[name].std(ddof=1),
        }
        if filtered:
            row[f"sd{how} (in unit)"] = cycle.std(ddof=1)
        if output in levels:
            same = chosen[name] != OWN or chosen[output] == OWN  # goods over percent is no ratio
            row[f"sd relative to output{how} (ratio)"] = _ratio(cycle, cycles[output]) if same else np.nan
        row[f"autocorrelation{how}"] = _correlation(cycle[1:], cycle[:-1])
        if output in levels:
            row[f"correlation with output{how}"] = _correlation(cycle, cycles[output])
        rows[name] = row
    return MomentTable(pd.DataFrame.from_dict(rows, orient="index").rename_axis("variable"), note)


def require_filter(filter: str) -> None:
    """Raise ValueError for a filter that is not known."""
    if filter not in FILTERS:
        raise ValueError(f"filter = {filter!r} is not known: choose one of {', '.join(map(repr, FILTERS))}.")


def cycle_of(series: np.ndarray, filter: str, smoothing: float | None, horizon: int, lags: int) -> np.ndarray:
    """The cycle of series (time,) or (time, variables), without what the Hamilton filter leaves out, or the series
    themselves where nothing is filtered."""
    if filter == "hamilton":
        return hamilton_filter(series, horizon, lags)[0][horizon + lags - 1 :]
    return series if smoothing is None else hp_filter(series, smoothing)[0]


def _checked(series: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Series as float arrays of one length. Raises ValueError naming the first that is not."""
    if not series:
        raise ValueError("series is empty: give at least one name -> array of shape (time,).")
    levels = {name: np.asarray(level, dtype=float) for name, level in series.items()}
    first, periods = next((name, level.shape) for name, level in levels.items())
    for name, level in levels.items():
        if level.ndim != 1:
            raise ValueError(f"series {name!r} has shape {level.shape}: give one path, of shape (time,).")
        if level.shape != periods:
            raise ValueError(
                f"series {name!r} has {level.size} periods but {first!r} has {periods[0]}: cut them to the same ones."
            )
        if not np.all(np.isfinite(level)):
            period = int(np.argmin(np.isfinite(level)))
            raise ValueError(f"series {name!r} is {level[period]} in period {period}: leave it out or repair the run.")
    return levels


def _without_rounding(level: np.ndarray) -> np.ndarray:
    """A series that moves by rounding error only, as a constant; any other as it is."""
    return np.full_like(level, level.mean()) if np.ptp(level) <= 1e-10 * np.abs(level).max() else level


def _unit(name: str, level: np.ndarray, units: dict[str, str]) -> str:
    unit = units.get(name, PERCENT if positive(level) else OWN)
    if unit not in UNITS:
        raise ValueError(
            f"units[{name!r}] = {unit!r} is not a unit of fluctuations: choose one of {', '.join(map(repr, UNITS))}."
        )
    if unit == PERCENT and level.min() <= 0:
        raise ValueError(
            f"units[{name!r}] = 'percent' needs logs but the series falls to {level.min():.4g}: use {OWN!r}."
        )
    return unit


def _moves(cycle: np.ndarray) -> bool:
    """Whether a cycle, in percent, is more than rounding error."""
    return bool(cycle.std() > 1e-9)


def _ratio(cycle: np.ndarray, reference: np.ndarray) -> float:
    return float(cycle.std() / reference.std()) if _moves(reference) else float("nan")


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if _moves(one) and _moves(other) else float("nan")
