"""Figures for a journal page: serif type, grays that differ in line style too, units on every axis.

Every `plot_...` returns a `matplotlib.figure.Figure` of its own: nothing is registered with pyplot and no global
setting changes. The style holds inside `journal_style()`, which you can use for figures of your own. A column of a
two-column page is 3.5 inches wide, the page 7.
"""

import functools
import io
import math
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.report.distribution import quantile
from hank_mfg.report.latex import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.5, 7.0  # inches

LINES = (
    ("0.0", "-"), ("0.45", "--"), ("0.0", ":"), ("0.6", "-."), ("0.75", "-"), ("0.25", (0, (7, 1.5, 1, 1.5, 1, 1.5))),
    ("0.5", (0, (1, 2.5))), ("0.1", (0, (9, 4))),
)  # fmt: skip
MARKERS = (("0.0", "o"), ("0.55", "^"), ("0.3", "x"), ("0.7", "s"), ("0.15", "+"), ("0.45", "v"))

STYLE = {
    "font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 8, "axes.titlesize": 8.5,
    "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "legend.frameon": False, "legend.handlelength": 2.8, "lines.linewidth": 1.1, "axes.linewidth": 0.6,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.major.size": 3, "ytick.major.size": 3, "axes.formatter.useoffset": False, "hatch.linewidth": 0.5,
    "axes.formatter.use_mathtext": True, "pdf.fonttype": 42, "figure.dpi": 150,
}  # fmt: skip

_NAMES = {"tfp": "TFP", "gdp": "GDP", "mpc": "MPC", "hours": "Hours worked"}


def display_name(name: str) -> str:
    """The name a reader sees: `interest_rate` becomes "Interest rate"; a suffix `_percent` becomes "(percent)"."""
    unit = next((unit for unit in ("percent", "level") if name.endswith(f"_{unit}")), None)
    plain = name.removesuffix(f"_{unit}") if unit else name
    shown = _NAMES.get(plain, plain[:1].upper() + plain[1:].replace("_", " "))
    return f"{shown} ({unit})" if unit else shown


@contextmanager
def journal_style() -> Iterator[None]:
    """Matplotlib with the style of this module, whatever the user's settings, until the `with` block ends."""
    import matplotlib
    from cycler import cycler

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        grays, styles = zip(*LINES, strict=True)
        settings: Any = {**STYLE, "axes.prop_cycle": cycler(color=grays) + cycler(linestyle=styles)}
        matplotlib.rcParams.update(settings)
        yield


@journal_style()
def plot_impulse_response(responses: Any, variables: Sequence[str] | None = None) -> "Figure":
    """Responses to a shock, one panel per variable; several responses are overlaid, for instance +1 and -1 percent.

    `responses` is one object or a list of objects with the attributes shock (its name), size (a number, printed as it
    is before its unit), unit, horizon (periods), mean, lower, upper (name -> (horizon,), already in the units shown;
    lower and upper may lack names without a band), units (name -> "percent", "percentage points" or "level") and note.
    `variables` picks and orders the panels, by default all of the first response. Period 0 is the period of the shock;
    bands are light gray; notes are printed below.
    Raises ValueError for a variable that a response lacks, or whose unit differs between responses.
    """
    responses = list(responses) if isinstance(responses, list | tuple) else [responses]
    names = list(variables if variables is not None else responses[0].mean)
    for name in names:
        known = [response.units.get(name) if name in response.mean else None for response in responses]
        if None in known or len(set(known)) > 1:
            raise ValueError(
                f"variable {name!r} has the units {known} in the responses: every response needs it in the same unit; "
                f"the first one has {', '.join(responses[0].mean)}."
            )
    shocks = [f"{display_name(item.shock)} {_signed(item.size)} {item.unit}" for item in responses]
    notes = [f"Shock: {shocks[0]}, in period 0."] if len(responses) == 1 else []
    notes += dict.fromkeys(item.note for item in responses if item.note)
    columns = {1: 1, 2: 2, 4: 2}.get(len(names), 3)
    figure, panels = _panels(len(names), columns, COLUMN if columns == 1 else PAGE, 1.7, " ".join(notes))
    for place, (name, panel) in enumerate(zip(names, panels, strict=True)):
        panel.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
        for item, shock, line in zip(responses, shocks, _lines(len(responses)), strict=True):
            periods = np.arange(item.horizon)
            if name in item.lower and name in item.upper:
                panel.fill_between(periods, item.lower[name], item.upper[name], color="0.5", alpha=0.25, linewidth=0)
            panel.plot(periods, item.mean[name], label=shock, **line)
        panel.set(title=display_name(name), ylabel=responses[0].units[name].capitalize())
        panel.set_xlim(0, max(item.horizon for item in responses) - 1)
        panel.locator_params(axis="x", integer=True)
        if place // columns == (len(names) - 1) // columns:
            panel.set_xlabel("Periods since the shock")
    return _finish(figure, panels[0] if len(responses) > 1 else None)


@journal_style()
def plot_lorenz(curves: Mapping[str, tuple[Any, Any]], note: str = "") -> "Figure":
    """Lorenz curves with the line of equality; the legend gives each Gini coefficient, 1 - 2 times the area below.

    `curves` maps a label to (population share, wealth share), each from 0 to 1, as `lorenz_curve` returns them.
    """
    figure, (panel,) = _panels(1, 1, COLUMN, 3.3, note)
    panel.plot([0, 100], [0, 100], color="0.6", linewidth=0.5, linestyle="-")
    for (label, (population, wealth)), line in zip(curves.items(), _lines(len(curves)), strict=True):
        coefficient = 1.0 - 2.0 * np.trapezoid(wealth, population)
        shares = 100.0 * np.asarray(population), 100.0 * np.asarray(wealth)
        panel.plot(*shares, label=f"{label} (Gini {coefficient:.2f})", clip_on=False, **line)
    panel.set(xlabel="Population, from poorest to richest (percent)", ylabel="Wealth held (percent)", xlim=(0, 100))
    panel.set_ylim(top=100)
    panel.set_aspect("equal")
    return _finish(figure, panel)


@journal_style()
def plot_wealth_distribution(assets, mass, note: str = "", labels: Sequence[str] | None = None) -> "Figure":
    """The distribution of wealth by income state: the atom at the borrowing limit as bars, the rest as a density.

    The density is that of 100 equal bins, in percent of the whole population per unit of assets, with the population
    of grid point i spread evenly over (a_{i-1}, a_i] as in `quantile`; bars plus areas add up to 100. The axis ends at
    percentile 99, as the note says.

    `assets` (assets,) level; `mass` (assets, income) or (assets,) summing to one; `labels` one per income state.
    Raises ValueError for more income states than can be told apart in gray, or labels of another number.
    """
    assets, mass = np.asarray(assets, dtype=float), np.asarray(mass, dtype=float)
    end = quantile(mass, assets, 0.99)
    if not end > assets[0]:
        raise ValueError(
            f"mass has {100 * np.sum(mass[0]):.4g} percent at the first grid point: nothing is left to plot."
        )
    mass = mass.reshape(assets.size, -1)
    labels = _labels(labels, mass.shape[1])
    note = f"{note} Density of 100 equal bins; the axis ends at percentile 99.".strip()
    figure, (left, right) = _panels(2, 2, PAGE, 2.4, note, ratios=(1, 4))
    edges = np.linspace(assets[0], end, 101)
    for state, line in enumerate(_lines(mass.shape[1])):
        outline = {"edgecolor": line["color"], "linestyle": line["linestyle"], "facecolor": "0.92"}
        left.bar(state, 100.0 * mass[0, state], width=0.7, linewidth=1.1, **outline)
        density = 100.0 * np.diff(np.interp(edges, assets, np.cumsum(mass[:, state]))) / np.diff(edges)
        right.plot((edges[1:] + edges[:-1]) / 2.0, density, label=labels[state], **line)
    left.set(title="At the borrowing limit", ylabel="Percent of the population", xticks=[], ylim=(0, None))
    left.set_xlabel(f"{100.0 * mass[0].sum():.3g} percent in total")
    left.set_xlim(-0.8, mass.shape[1] - 0.2)
    right.set(title="Above the borrowing limit", xlabel="Assets (level)", ylabel="Percent per unit of assets")
    right.set(xlim=(assets[0], end), ylim=(0, None))
    return _finish(figure, right if mass.shape[1] > 1 else None)


@journal_style()
def plot_policy(
    assets,
    policies: Mapping[str, Any],
    labels: Sequence[str] | None = None,
    note: str = "",
    largest: float | None = None,
) -> "Figure":
    """Policy functions, one panel per choice and one line per income state; `savings` with the 45-degree line.

    `assets` (assets,) level; `policies` maps a name (consumption, savings, ...) to levels, (assets, income) or
    (assets,); `labels` one per income state; `largest` ends the axis, by default at the last grid point.
    Raises ValueError for a policy of another shape or more states than can be told apart in gray.
    """
    assets = np.asarray(assets, dtype=float)
    end = assets[-1] if largest is None else largest
    shown = slice(np.searchsorted(assets, end) + 1)
    note = f"{note} Thin line: savings equal assets.".strip() if "savings" in policies else note
    figure, panels = _panels(len(policies), min(len(policies), 2), PAGE if len(policies) > 1 else COLUMN, 2.4, note)
    for panel, (name, values) in zip(panels, policies.items(), strict=True):
        values = np.asarray(values, dtype=float)
        if values.ndim not in (1, 2) or values.shape[0] != assets.size:
            raise ValueError(
                f"policies[{name!r}] has shape {values.shape}: give (assets,) or (assets, income) with "
                f"{assets.size} grid points."
            )
        values = values.reshape(assets.size, -1)
        if name == "savings":
            panel.plot(assets[shown], assets[shown], color="0.6", linewidth=0.5, linestyle="-")
        for state, (line, label) in enumerate(
            zip(_lines(values.shape[1]), _labels(labels, values.shape[1]), strict=True)
        ):
            panel.plot(assets[shown], values[shown, state], label=label, **line)
        panel.set(title=display_name(name), xlabel="Assets (level)", ylabel="Level", xlim=(assets[0], end))
    several = any(np.ndim(values) == 2 and np.shape(values)[1] > 1 for values in policies.values())
    return _finish(figure, panels[0] if several else None)


@journal_style()
def plot_simulation(series: Mapping[str, Any], names: Sequence[str] | None = None, note: str = "") -> "Figure":
    """Simulated series in levels, one panel each. `series` name -> (time,); `names` picks and orders the panels.

    Raises ValueError for a name that is not among the series.
    """
    names = list(series if names is None else names)
    _known("names", names, series)
    columns = 1 if len(names) < 4 else 2
    figure, panels = _panels(len(names), columns, PAGE if columns > 1 else 5.0, 1.3, note)
    for place, (name, panel) in enumerate(zip(names, panels, strict=True)):
        values = np.asarray(series[name], dtype=float)
        panel.plot(np.arange(values.size), values, color="0.0", linestyle="-", linewidth=0.7)
        panel.set(title=display_name(name), ylabel="Level", xlim=(0, max(values.size - 1, 1)))
        if place // columns == (len(names) - 1) // columns:
            panel.set_xlabel("Period")
    return _finish(figure)


@journal_style()
def plot_training(history: Mapping[str, Any], measures: Sequence[str] | None = None, note: str = "") -> "Figure":
    """How training went: each measure against the number of updates, on a log scale where it is always positive.

    `history` has `update` (logged,) and measures (logged,), for instance `euler_error_percent`, whose name gives the
    unit; `measures` picks them, by default all but update. Entries that are not finite leave a gap.
    Raises ValueError when `update` or a measure is missing.
    """
    names = [name for name in history if name != "update"] if measures is None else list(measures)
    _known("measures", ["update", *names], history)
    columns = {1: 1, 2: 2, 4: 2}.get(len(names), 3)
    figure, panels = _panels(len(names), columns, COLUMN if columns == 1 else PAGE, 1.8, note)
    for place, (name, panel) in enumerate(zip(names, panels, strict=True)):
        values = np.asarray(history[name], dtype=float)
        finite = values[np.isfinite(values)]
        panel.plot(np.asarray(history["update"]), values, color="0.0", linestyle="-")
        logarithmic = finite.size > 0 and finite.min() > 0
        panel.set(title=display_name(name), yscale="log" if logarithmic else "linear")
        panel.set_ylabel("Log scale" if logarithmic else "Linear scale")
        if place // columns == (len(names) - 1) // columns:
            panel.set_xlabel("Update")
    return _finish(figure)


@journal_style()
def plot_law_of_motion(capital, shock_index, shock_labels: Sequence[str] | None = None, note: str = "") -> "Figure":
    """The perceived law of motion: log K' on log K by aggregate state, and how far K' lies from the fitted line.

    Least squares by state today, log K' = a + b log K; the legend gives a, b and R2, the right panel the deviations in
    percent, 100 (log K' - a - b log K). R2 near one is no proof of accuracy (Den Haan 2010): see `plot_forecast`.

    `capital` (time,) positive; `shock_index` (time,) integers; `shock_labels` one per state.
    Raises ValueError when capital is not positive or the lengths differ.
    """
    capital, shock_index = np.asarray(capital, dtype=float), np.asarray(shock_index)
    if capital.ndim != 1 or not np.all(capital > 0) or capital.shape != shock_index.shape:
        raise ValueError(
            f"capital has shape {capital.shape} and minimum {np.min(capital):.4g}: give positive numbers (time,), with "
            f"a shock_index of the same length instead of {shock_index.shape}."
        )
    today, ahead, shock_index = np.log(capital[:-1]), np.log(capital[1:]), shock_index[:-1]
    states = np.unique(shock_index)
    labels = _labels(shock_labels, int(max(states.max() + 1, len(shock_labels or ()))))
    figure, (left, right) = _panels(2, 2, PAGE, 2.7, note)
    for state, (gray, marker) in zip(states, _choose(MARKERS, len(states), "aggregate states"), strict=True):
        x, y = today[shock_index == state], ahead[shock_index == state]
        line = np.linalg.lstsq(np.stack([np.ones_like(x), x], axis=1), y, rcond=None)[0]
        error = y - line[0] - line[1] * x
        fit = 1.0 - error @ error / max(np.sum((y - y.mean()) ** 2), np.finfo(float).tiny)
        dots = {"color": gray, "marker": marker, "linestyle": "none", "markersize": 2.2, "markeredgewidth": 0.5}
        dots |= {"markerfacecolor": "none", "rasterized": True}
        law = rf"{labels[state]}: ${line[0]:.4f} {line[1]:+.4f}\,\log\,K$, $R^2 = {fit:.6f}$"
        left.plot(x, y, label=law, **dots)
        right.plot(x, 100.0 * error, label=labels[state], **dots)
    right.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    left.set(title="Law of motion", xlabel="Log capital today", ylabel="Log capital next period")
    right.set(title="Deviation from the fitted line", xlabel="Log capital today", ylabel="Percent")
    return _finish(figure, left)


@journal_style()
def plot_forecast(actual, forecast, note: str = "", name: str = "capital") -> "Figure":
    """Den Haan's test: a series and its forecast from period 0 alone, never corrected along the way.

    Left both levels, right the error 100 (log forecast - log actual), in percent, with its mean and maximum absolute
    value. `actual` and `forecast` (time,) positive, along one path of shocks, best one that the law was not fitted to.
    Raises ValueError when shapes differ or a value is not positive. Source: Den Haan (2010).
    """
    actual, forecast = np.asarray(actual, dtype=float), np.asarray(forecast, dtype=float)
    if actual.ndim != 1 or actual.shape != forecast.shape or not np.all(np.minimum(actual, forecast) > 0):
        raise ValueError(
            f"actual has shape {actual.shape} and forecast {forecast.shape}: give positive levels of the same (time,)."
        )
    error = 100.0 * (np.log(forecast) - np.log(actual))
    size = np.abs(error)
    note = f"Absolute error: mean {size.mean():.3g} percent, maximum {size.max():.3g} percent. {note}".strip()
    figure, (left, right) = _panels(2, 2, PAGE, 2.2, note)
    for values, label, line in zip((actual, forecast), ("Simulated", "Forecast"), _lines(2), strict=True):
        left.plot(values, label=label, **line)
    right.plot(error, color="0.0", linestyle="-", linewidth=0.7)
    right.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    left.set(title=display_name(name), xlabel="Period", ylabel="Level", xlim=(0, actual.size - 1))
    right.set(title="Forecast error", xlabel="Period", ylabel="Percent", xlim=(0, actual.size - 1))
    return _finish(figure, left)


def save_figure(figure: "Figure", path: str | os.PathLike) -> tuple[Path, Path]:
    """Write `path`.pdf (fonts embedded) and `path`.png (200 dots per inch), each complete or not at all.

    `path` is without suffix; missing folders are created; the same figure gives the same bytes. Returns both paths.
    Raises OSError when the disk refuses.
    """
    saved = []
    with journal_style():
        for suffix, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
            content = io.BytesIO()
            figure.savefig(content, format=suffix, dpi=200, metadata=metadata)
            saved.append(write_bytes(f"{os.fspath(path)}.{suffix}", content.getvalue()))
    return saved[0], saved[1]


def _panels(
    count: int, columns: int, width: float, height: float, note: str, ratios: Sequence[float] | None = None
) -> tuple["Figure", list["Axes"]]:
    """A figure with `count` panels, each `height` inches, and the note below; rows first."""
    from matplotlib.figure import Figure

    rows = math.ceil(count / columns)
    text = textwrap.fill(note, int(23 * width))
    lines = text.count("\n") + 1 if text else 0
    figure = Figure(figsize=(width, rows * height + 0.13 * lines), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, width_ratios=ratios).ravel()
    for panel in axes:
        panel.tick_params(labelsize=STYLE["xtick.labelsize"])  # else read from the user's settings when drawn
    for unused in axes[count:]:
        unused.set_axis_off()
    if text:
        figure.supxlabel(text, x=0.01, horizontalalignment="left", fontsize=7, parse_math=False)
    return figure, list(axes[:count])


def _finish(figure: "Figure", legend: "Axes | None" = None) -> "Figure":
    """Add the legend of one panel in an empty cell or above all, lay out while the style holds, show in notebooks."""
    if legend is not None:
        handles, labels = legend.get_legend_handles_labels()
        width, height = figure.get_size_inches()
        fitting = max(1, int(width / (0.6 + 0.05 * max(map(len, labels)))))
        empty = [panel for panel in figure.axes if not panel.axison]
        if empty and fitting >= 3:
            empty[0].legend(handles, labels, loc="center")
        else:
            columns = min(len(labels), fitting)
            figure.set_size_inches(width, height + 0.1 + 0.15 * math.ceil(len(labels) / columns))
            figure.legend(handles, labels, loc="outside upper center", ncols=columns)
    figure.draw_without_rendering()
    vars(figure)["_repr_png_"] = functools.partial(_as_png, figure)  # IPython knows figures of pyplot only
    return figure


def _as_png(figure: "Figure") -> bytes:
    content = io.BytesIO()
    with journal_style():
        figure.savefig(content, format="png")
    return content.getvalue()


def _lines(count: int) -> list[dict[str, Any]]:
    return [{"color": gray, "linestyle": style} for gray, style in _choose(LINES, count, "lines")]


def _choose(styles: tuple, count: int, what: str) -> tuple:
    if count > len(styles):
        raise ValueError(f"{count} {what} cannot be told apart in gray: show at most {len(styles)} in one figure.")
    return styles[:count]


def _labels(labels: Sequence[str] | None, count: int) -> Sequence[str]:
    if labels is not None and len(labels) != count:
        raise ValueError(f"labels has {len(labels)} entries for {count} states: give one label per state.")
    return [f"State {state + 1}" for state in range(count)] if labels is None else labels


def _known(argument: str, names: Sequence[str], values: Mapping[str, Any]) -> None:
    for name in names:
        if name not in values:
            raise ValueError(f"{argument} asks for {name!r}, which is not there: choose from {', '.join(values)}.")


def _signed(size: float) -> str:
    return f"{size:+g}".replace("-", "\u2212")
