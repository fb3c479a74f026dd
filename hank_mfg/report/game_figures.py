"""Figures of games, in the style of `style.py`; like those of `figures.py` they register and change nothing global."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.report.style import COLUMN, MARKERS, PAGE, choose, finish, journal_style, line_styles, multiples, panels
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 6  # sample paths drawn
THIN = {"color": "0.6", "linewidth": 0.5, "linestyle": "-", "zorder": 0}


@journal_style()
def plot_finite_population(report: Any, note: str = "") -> "Figure":
    """Convergence of N individuals to the mean field: gaps of signals and masses on the left, gains on the right.

    `report` is what `finite_population` returns. Thin lines: on the left one over the square root of N through the last
    point of each gap, on the right the gain in the mean field, one for each population. Bars reach two standard errors
    to both sides; those of gains are of the difference from the mean field on the same common noise. Axes are
    logarithmic; that of gains is linear between plus and minus the gain in the mean field where a gain is not positive.
    """
    whose = {name: f", {display_name(name).lower()}" if len(report.limit) > 1 else "" for name in report.limit}
    gaps = {"Signals (root mean square)": (report.signal_gap.mean, report.signal_gap.standard_error)}
    gains = {}
    for name, own in whose.items():
        gaps[f"Mass (L1{own})"] = (report.mass_gap[name].mean, report.mass_gap[name].standard_error)
        gains[f"Deviator, counted{own}"] = (report.deviation[name].mean, report.deviation_excess[name].standard_error)
        gains[f"Price taker, clairvoyant{own}"] = (
            report.price_taking[name].mean, report.price_taking_excess[name].standard_error,
        )  # fmt: skip
    remark = (
        "Bars: two standard errors. Thin lines: left one over the square root of N, right the gain in the mean field."
    )
    figure, (left, right) = panels(2, 2, PAGE, 2.5, f"{remark} {note}".strip())
    numbers, order = np.sort(report.individuals), np.argsort(report.individuals)
    _with_bars(left, numbers, {label: (mean[order], error[order]) for label, (mean, error) in gaps.items()})
    _with_bars(right, numbers, {label: (mean[order], error[order]) for label, (mean, error) in gains.items()})
    positive = [mean[order] for mean, _ in gaps.values() if mean.min() > 0]
    for mean in positive:
        left.plot(numbers, mean[-1] * np.sqrt(numbers[-1] / numbers), **THIN)
    if positive:
        left.set(yscale="log", ylim=(0.4 * min(map(np.min, positive)), None))
    limits = [limit for limit, _ in report.limit.values()]
    for limit in limits:
        right.axhline(limit, **THIN)
    _scale_gains(right, min(np.min(mean) for mean, _ in gains.values()), limits)
    for panel in (left, right):
        panel.set(xscale="log", xlabel="Individuals", xlim=(numbers[0] / 1.5, numbers[-1] * 1.5))
        panel.legend()
    left.set(title="Gap to the mean field", ylabel="Gap")
    right.set(title="Gain of one who deviates", ylabel="Lifetime reward")
    return finish(figure)


def _with_bars(panel: "Axes", numbers: np.ndarray, series: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Means against the number of individuals, one line each, with bars of two standard errors."""
    marks = choose(MARKERS, len(series), "lines")
    for (label, (mean, error)), line, (_, marker) in zip(series.items(), line_styles(len(series)), marks, strict=True):
        panel.errorbar(
            numbers, mean, yerr=2.0 * error, label=label, marker=marker, markersize=3.5, markerfacecolor="none",
            markeredgewidth=0.8, elinewidth=0.6, capsize=2.0, **line,
        )  # fmt: skip


def _scale_gains(panel: "Axes", lowest: float, limits: list[float]) -> None:
    """A logarithmic axis where every gain is positive, else one that is linear around zero up to the mean field's."""
    if min(lowest, *limits) > 0:
        panel.set(yscale="log", ylim=(0.5 * min(lowest, *limits), None))
    elif max(limits) > 0:
        panel.set_yscale("symlog", linthresh=max(limits), linscale=0.5)
        first, last = math.ceil(math.log10(max(limits))), math.ceil(math.log10(np.abs(panel.get_ylim()).max()))
        powers = 10.0 ** np.arange(first, last)
        panel.set_yticks([*-powers[::-1], 0.0, *powers])
        panel.set_yticks([], minor=True)
        panel.axhline(0.0, **{**THIN, "linestyle": (0, (1, 2))})


def logarithmic(panel: "Axes") -> None:
    """Both axes of a panel logarithmic, with plain numbers at their ticks."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        """Labels where LogFormatter has some, without exponents."""

        def __call__(self, x, pos=None):
            return f"{x:g}" if super().__call__(x, pos) else ""

    panel.set(xscale="log", yscale="log")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(Plain())
        axis.set_minor_formatter(Plain(minor_thresholds=(1.0, 0.4)))


@journal_style()
def plot_game_paths(series: Mapping[str, Any], note: str = "") -> "Figure":
    """Sample paths (paths, time) of several quantities: a few paths in gray, the mean of all in black."""
    count = next(iter(series.values())).shape[0]
    drawn = min(SHOWN, count)
    note = f"{drawn} sampled paths of the common noise (gray) and the mean of {count} (black). {note}".strip()
    figure, axes = multiples(len(series), 1.8, note, "Period")
    for (name, values), panel in zip(series.items(), axes, strict=True):
        panel.plot(np.asarray(values)[:drawn].T, color="0.7", linestyle="-", linewidth=0.7)
        panel.plot(np.asarray(values).mean(axis=0), color="0.0", linestyle="-")
        panel.set_ylabel(name)
    return finish(figure)


@journal_style()
def plot_game_training(lines: Sequence[Mapping[str, Any]], note: str = "") -> "Figure":
    """Progress of training, from the lines of metrics.jsonl: the objective and, where measured, the exploitability.

    Against seconds of training; exploitability on logarithmic axes, by population.
    """
    measured = [line for line in lines if "exploitability" in line]
    figure, axes = panels(2 if measured else 1, 2 if measured else 1, PAGE if measured else COLUMN, 2.0, note)
    axes[0].plot([line["seconds"] for line in lines], [line["objective"] for line in lines], color="0.0", linestyle="-")
    axes[0].set(xlabel="Seconds of training", ylabel="Objective")
    if not measured:
        return finish(figure)
    names = list(measured[0]["exploitability"])
    for name, style in zip(names, line_styles(len(names)), strict=True):
        values = [line["exploitability"][name] for line in measured]
        axes[1].plot([line["seconds"] for line in measured], values, label=name, **style)
    axes[1].set(xlabel="Seconds of training", ylabel="Exploitability")
    logarithmic(axes[1])
    return finish(figure, axes[1] if len(names) > 1 else None)
