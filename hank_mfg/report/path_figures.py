"""Figures of a distribution along a transition path, an animation of it, and intertemporal propensities to consume.

In the style of `style.py`. Wealth is on an axis that is linear near zero and logarithmic far from it (asinh), so that
debt, the borrowing limit and the rich fit on one page.
"""

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hank_mfg.evaluate.distribution.groups import PERCENTILES, percentile
from hank_mfg.evaluate.distribution.path_distribution import (
    DistributionPath,
    distribution_path,
    group_label,
    require_horizon,
)
from hank_mfg.evaluate.distribution.statistics import quantile
from hank_mfg.evaluate.units import counted, require_periods
from hank_mfg.files import write_bytes
from hank_mfg.model.units import declared_kinds, shown_in
from hank_mfg.report.style import COLUMN, PAGE, finish, journal_style, line_styles, multiples, panels, require_known
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 40  # of wealth, at most
TOP = 0.999  # the axis of wealth ends at this quantile
FRAMES = 60  # of an animation, at most


@journal_style()
def plot_distribution_path(
    result: DistributionPath, periods: Sequence[int] | None = None, horizon: int | None = None
) -> "Figure":
    """The distribution over time in six panels: wealth at several dates, inequality, percentiles, fixed groups.

    First row: the population by wealth in `periods`, and its change since period 0; the response of the Gini
    coefficients and of the top shares of wealth. Second row: consumption of the fixed groups of the wealth distribution
    of period 0; consumption and wealth at current percentiles. All but the first two are responses (see
    `DistributionPath`). `periods` are by default period 0, the one with half of the largest change of the distribution,
    that with the largest, and the last. Bins of wealth are equally wide on the axis; those at the lowest grid point are
    in none, nor is the richest thousandth. `horizon` is how many periods are drawn, all unless given. Raises ValueError
    for a period that the path does not have.
    """
    result = result if horizon is None else result.first(horizon)
    dates = _dates(result) if periods is None else list(periods)
    require_periods(dates, result.horizon)
    edges, share = _bins(result)
    named = {"gini": "Gini, wealth", "consumption_gini": "Gini, consumption"}
    named |= {"top_1_percent_share": "Top 1 % of wealth", "top_10_percent_share": "Top 10 % of wealth"}
    shown = {"Inequality": named}
    shown["Consumption, fixed groups"] = {f"consumption_{g}": group_label(g).capitalize() for g in result.groups}
    for what in ("consumption", "wealth"):
        found = {percentile(what, p): f"Percentile {100 * p:g}" for p in PERCENTILES}
        shown[f"{what.capitalize()}, current percentiles"] = found
    note = " ".join(filter(None, (result.note, _about_bins(result, edges), _left_out(result, shown))))
    figure, axes = panels(6, 3, PAGE, 2.45, note)
    axes[1].axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    date = counted(result.period)
    for period, line in zip(dates, line_styles(len(dates)), strict=True):
        axes[0].plot(_centers(edges), share[period], label=f"{date} {period}", **line)
        if period != dates[0]:
            axes[1].plot(_centers(edges), share[period] - share[dates[0]], label=f"{date} {period}", **line)
    _wealth_axis(axes[0], edges, "Distribution of wealth", "Percent of households in a bin")
    _wealth_axis(axes[1], edges, f"Wealth, change since {date.lower()} {dates[0]}", "Percentage points")
    axes[0].set_ylim(0, None)
    for panel, (title, names) in zip(axes[2:], shown.items(), strict=True):
        _responses(panel, result, names, title)
    for panel in axes:
        _legend_above(panel)
    return finish(figure)


@journal_style()
def plot_transition(path: Transition, variables: Sequence[str] | None = None, horizon: int | None = None) -> "Figure":
    """A perfect-foresight path, one panel per variable; a thin line is the stationary equilibrium in which it ends.

    Rates and shares are in percent, a rate of one model period; anything else is a level. `variables` picks and orders
    the panels: at most six that move, output and what is chosen first, unless given; `horizon` is how many periods are
    drawn, all unless given. Raises ValueError for a variable or a number of periods that the path does not have.
    """
    final, length = path.final, len(next(iter(path.series.values())))
    horizon = length if horizon is None else horizon
    require_horizon(horizon, length)
    names = list(variables) if variables is not None else _moving(path)
    require_known("variables", names, path.series)
    model = path.steady.economy.model
    kinds = declared_kinds(model, list(path.series))
    note = "Perfect foresight. Thin line: the final stationary equilibrium."
    figure, axes = multiples(len(names), 1.7, note, counted(model.period))
    for name, panel in zip(names, axes, strict=True):
        unit, scale = shown_in(kinds[name], model.period)
        panel.axhline(scale * final[name], color="0.6", linewidth=0.5, linestyle="-", zorder=0)
        panel.plot(np.arange(horizon), scale * np.asarray(path.series[name])[:horizon], color="0.0")
        panel.set(title=display_name(name), ylabel=unit.capitalize(), xlim=(0, horizon - 1))
        panel.locator_params(axis="x", integer=True)
    return finish(figure)


def _moving(path: Transition, most: int = 6) -> list[str]:
    """The series that move on a path, at most so many: output and choices first, then prices, then the others."""
    economy = path.steady.economy
    wish = dict.fromkeys(["output", *economy.model.chosen(), *path.steady.prices, *path.series])
    flat = {name for name, values in path.series.items() if np.ptp(values) <= 1e-12 * max(1.0, np.abs(values).max())}
    return [name for name in wish if name in path.series and name not in flat][:most] or list(path.series)[:most]


def _legend_above(panel: "Axes") -> None:
    """The legend between title and picture, where no line runs through it."""
    _, labels = panel.get_legend_handles_labels()
    if labels:
        place = {"loc": "lower center", "bbox_to_anchor": (0.46, 1.0), "ncols": 2, "borderaxespad": 0.3}
        panel.legend(fontsize=6.5, handlelength=2.2, columnspacing=1.0, labelspacing=0.3, **place)
    panel.set_title(panel.get_title(), pad=4 + 10 * max(2, math.ceil(len(labels) / 2)))


def _with_one_unit(result: DistributionPath, names: dict[str, str]) -> tuple[list[str], str]:
    """The series that there are, and that have the unit of most of them; the unit."""
    units = [result.units[name] for name in names if name in result.units]
    unit = max(units, key=units.count) if units else ""
    return [name for name in names if result.units.get(name) == unit], unit


def _left_out(result: DistributionPath, shown: dict[str, dict[str, str]]) -> str:
    """A sentence that names series which cannot be drawn in percent with the others, or have no meaning."""
    missing = [
        f"{title.lower()}: {names[name].lower()}"
        for title, names in shown.items()
        for name in names
        if name not in _with_one_unit(result, names)[0]
    ]
    return f"Not shown, because not positive throughout: {'; '.join(missing)}." if missing else ""


def _responses(panel: "Axes", result: DistributionPath, names: dict[str, str], title: str) -> None:
    shown, unit = _with_one_unit(result, names)
    panel.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    for name, line in zip(shown, line_styles(len(shown)), strict=True):
        panel.plot(np.arange(result.horizon), result.responses[name], label=names[name], **line)
    panel.set(title=title, ylabel=unit.capitalize(), xlim=(0, result.horizon - 1))
    panel.set_xlabel(counted(result.period))
    panel.locator_params(axis="x", integer=True)


def _wealth_axis(panel: "Axes", edges: np.ndarray, title: str, what: str) -> None:
    panel.set_xscale("asinh", linear_width=_width(edges))
    ticks = _ticks(edges)
    panel.set_xticks(ticks, [f"{tick:g}".replace("-", "\u2212") for tick in ticks])
    panel.minorticks_off()
    panel.set(title=title, xlabel="Assets (level)", ylabel=what, xlim=(edges[0], edges[-1]))


def _width(edges: np.ndarray) -> float:
    """The point at which the axis turns from linear to logarithmic: a tenth of the way to the top."""
    return 0.1 * float(edges[-1] - edges[0])


def _ticks(edges: np.ndarray) -> list[float]:
    """Round numbers on the axis, at least an eighth of its length apart."""
    low, high = float(edges[0]), float(edges[-1])
    width, scale = _width(edges), 10.0 ** np.floor(np.log10(max(-low, high)))
    round_ones = [s * m * scale * p for p in (0.01, 0.1, 1.0) for m in (1, 2, 5) for s in (1, -1)]
    ticks = [0.0, *sorted(round_ones, key=abs, reverse=True)]
    chosen: list[float] = []
    gap = (np.arcsinh(high / width) - np.arcsinh(low / width)) / 8.0
    for tick in ticks:
        apart = all(abs(np.arcsinh(tick / width) - np.arcsinh(other / width)) > gap for other in chosen)
        if low <= tick <= high and apart:
            chosen.append(float(f"{tick:.3g}"))
    return sorted(chosen)


def _bins(result: DistributionPath) -> tuple[np.ndarray, np.ndarray]:
    """Edges (bins + 1,) equally far apart on the axis and percent of households in each bin, (horizon, bins).

    The population of grid point i is spread evenly over (a_{i-1}, a_i], as in `quantile`; the lowest point is left out.
    """
    assets = result.assets
    first, last = result.mass[0], result.mass[-1]
    top = max(float(quantile(each, assets, TOP)) for each in (first, last))
    if not top > assets[0]:
        raise ValueError("All households are at the lowest grid point: there is no distribution of wealth to show.")
    ends = np.array([assets[0], top])
    width = _width(ends)
    low, high = np.arcsinh(ends / width)
    count = int(np.clip(np.searchsorted(assets, top) // 4, 5, BINS))
    edges = width * np.sinh(np.linspace(low, high, count + 1))
    edges[[0, -1]] = ends
    below = np.stack([np.interp(edges, assets, np.cumsum(mass)) for mass in result.mass])
    return edges, 100.0 * np.diff(below, axis=1)


def _centers(edges: np.ndarray) -> np.ndarray:
    """The middle of every bin, as seen on the axis."""
    place = np.arcsinh(edges / _width(edges))
    return _width(edges) * np.sinh((place[1:] + place[:-1]) / 2.0)


def _about_bins(result: DistributionPath, edges: np.ndarray) -> str:
    share = 100.0 * result.mass[[0, -1], 0]
    return (
        f"Wealth in {len(edges) - 1} bins, equally wide on the axis, which ends at percentile {100 * TOP:g}; "
        f"{share[0]:.2g} percent of households are at the lowest assets in the first period and {share[1]:.2g} in the "
        "last, in no bin."
    )


def _dates(result: DistributionPath) -> list[int]:
    """Period 0, half of the largest change of the distribution since then, the largest, and the last."""
    moved = np.abs(result.mass - result.mass[0]).sum(axis=1)
    if not moved.max() > 1e-6:
        return [0]
    half = int(np.argmax(moved >= 0.5 * moved.max()))
    return sorted({0, half, int(np.argmax(moved)), result.horizon - 1})


def animate_distribution(
    path: Transition | DistributionPath,
    file: str | os.PathLike,
    *,
    periods: Sequence[int] | None = None,
    speed: float = 8.0,
) -> Path:
    """Write the wealth distribution along the path as a moving picture (GIF), whole or not at all; returns the file.

    Left the population by wealth, right its change since period 0, in one frame per period of `periods`: by default
    at most 60, dense at first, where most happens. `speed` is in frames per second. Raises ValueError for a period
    that the path does not have, OSError where the disk refuses.
    """
    result = path if isinstance(path, DistributionPath) else distribution_path(path)
    places = (result.horizon - 1) * np.linspace(0.0, 1.0, min(result.horizon, FRAMES)) ** 2
    shown = [int(place) for place in np.unique(places.round())] if periods is None else list(periods)
    require_periods(shown, result.horizon)
    return write_bytes(file, _moving_picture(result, shown, speed))


@journal_style()
def _moving_picture(result: DistributionPath, periods: Sequence[int], speed: float) -> bytes:
    """The GIF as bytes: what does not move is drawn once."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    edges, share = _bins(result)
    change = share[list(periods)] - share[0]
    figure, (left, right) = panels(2, 2, PAGE, 2.6, "")
    figure.set_dpi(110)
    canvas = FigureCanvasAgg(figure)
    (before,) = left.plot(_centers(edges), share[0], color="0.6", linestyle="--", label=f"{counted(result.period)} 0")
    (now,) = left.plot(_centers(edges), share[0], color="0.0", linestyle="-", label="Now")
    (gap,) = right.plot(_centers(edges), change[0], color="0.0", linestyle="-")
    right.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    _wealth_axis(left, edges, "Distribution of wealth", "Percent of households in a bin")
    _wealth_axis(right, edges, f"Change since {counted(result.period).lower()} 0", "Percentage points")
    most = max(1.1 * np.abs(change).max(), 1e-9)
    left.set_ylim(0, 1.05 * share[[0, *periods]].max())
    right.set_ylim(-most, most)
    left.legend(handles=[before, now], loc="upper right")
    title = figure.suptitle(f"{counted(result.period)} {periods[-1]}", fontsize=9)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # nothing jumps between frames
    for moving in (now, gap, title):
        moving.set_animated(True)
    canvas.draw()
    still, frames = canvas.copy_from_bbox(figure.bbox), []
    for period, difference in zip(periods, change, strict=True):
        canvas.restore_region(still)
        now.set_ydata(share[period])
        gap.set_ydata(difference)
        title.set_text(f"{counted(result.period)} {period}")
        for moving in (now, gap, title):
            figure.draw_artist(moving)
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., 0].copy()))
    content = io.BytesIO()
    frames[0].save(
        content, format="GIF", save_all=True, append_images=frames[1:], duration=int(1000 / speed), loop=0
    )  # fmt: skip
    return content.getvalue()


@journal_style()
def plot_intertemporal_mpcs(
    responses: np.ndarray, periods: Sequence[int] = (0, 5, 10, 20), length: int | None = None, *, period: str = ""
) -> "Figure":
    """Columns of M: the response of consumption to one unit of goods for every household in each of `periods`.

    `responses` (horizon, horizon) from `intertemporal_mpcs`; `length` is the number of periods shown, by default twice
    the last of `periods`; `period` is what the axis counts. Raises ValueError for a period beyond the horizon.
    Source: the figure of intertemporal MPCs in Auclert, Rognlie and Straub (2024).
    """
    responses = np.asarray(responses, dtype=float)
    if responses.ndim != 2 or max(periods) >= len(responses) or min(periods) < 0:
        raise ValueError(f"responses has shape {responses.shape}: it must hold the periods {list(periods)}.")
    length = min(len(responses), max(2 * max(periods), 10) + 1 if length is None else length)
    note = "Aggregate consumption when all households get a unit of goods, known from period 0, at stationary prices."
    figure, (panel,) = panels(1, 1, COLUMN, 2.5, note)
    date = counted(period)
    for place, line in zip(periods, line_styles(len(periods)), strict=True):
        panel.plot(np.arange(length), responses[:length, place], label=f"Transfer in {date.lower()} {place}", **line)
    panel.set(xlabel=date, ylabel="Consumption per unit of transfer", xlim=(0, length - 1), ylim=(0, None))
    panel.legend(loc="best")
    return finish(figure)
