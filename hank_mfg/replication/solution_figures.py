"""Figures of the replications of Krusell and Smith's economies: wealth, laws of motion, forecasts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.evaluate.distribution.statistics import lorenz_curve
from hank_mfg.report.style import COLUMN, LINES, PAGE, choose, finish, journal_style, line_styles, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RICHEST = (1.0, 5.0, 10.0, 20.0, 30.0)
ROUNDING = 0.0005  # of a coefficient published with three decimals
SHOWN = 25  # dots of a state, evenly spaced in its capital
STATES = (("Bad times", 0, "0.55"), ("Good times", 1, "0.0"))


@journal_style()
def plot_wealth(economies: Mapping[str, Mapping[str, Any]], data: Mapping[str, float], note: str = "") -> "Figure":
    """Lorenz curves, with published shares of the richest as crosses and those of the data as circles.

    `economies` label -> "wealth" (mass, assets) and "published" ("Top 1 %" ... -> percent); `data` the same names.
    """
    figure, (panel,) = panels(1, 1, COLUMN, 3.4, note)
    panel.plot([0, 100], [0, 100], color="0.6", linewidth=0.5, linestyle="-", label="Line of equality")
    below = [100.0 - percent for percent in RICHEST]
    lowest, crosses = 0.0, None
    for (label, each), line in zip(economies.items(), line_styles(len(economies)), strict=True):
        population, wealth = lorenz_curve(*each["wealth"])
        panel.plot(100 * population, 100 * wealth, label=label, **line)
        lowest = min(lowest, 100 * wealth.min())
        held = [100.0 - each["published"][f"Top {percent:.0f} %"] for percent in RICHEST]
        crosses = panel.plot(below, held, "x", color="0.0", markersize=5, markeredgewidth=0.9, clip_on=False)[0]
    if crosses is not None:
        crosses.set_label("Published")
    held = [100.0 - data[f"Top {percent:.0f} %"] for percent in RICHEST]
    panel.plot(
        below, held, "o", color="0.4", markerfacecolor="none", markersize=4.5, clip_on=False, label="United States"
    )
    panel.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    panel.set(xlabel="Population, from poorest to richest (percent)", ylabel="Wealth held (percent)", xlim=(0, 100))
    panel.set_ylim(1.5 * lowest, 100)
    panel.set_aspect("equal", adjustable="box")
    return finish(figure, panel)


@journal_style()
def plot_laws(economies: Mapping[str, Mapping[str, Any]], at: float, note: str = "") -> "Figure":
    """Left log K' against log K, simulated and by both laws; right our laws less the published ones, in percent of K'.

    `economies` label -> "capital" (time,), "shock" (time,), "published" ((intercept, slope) in bad, good times) and
    "ours" (solution -> law); a thin line marks capital `at`, where the laws are compared.
    """
    figure, axes = panels(2 * len(economies), 2, PAGE, 2.5, note)
    for place, (label, each) in enumerate(economies.items()):
        left, right = axes[2 * place : 2 * place + 2]
        today, ahead = np.log(each["capital"][:-1]), np.log(each["capital"][1:])
        ends = np.array([today.min(), today.max()])
        left.plot(ends, ends, color="0.6", linewidth=0.5, linestyle=":", label="K' = K")
        for (name, state, gray), mark in zip(STATES, ("^", "o"), strict=True):
            here = np.flatnonzero(each["shock"][:-1] == state)
            here = here[np.argsort(today[here])[np.linspace(0, len(here) - 1, min(SHOWN, len(here))).astype(int)]]
            intercept, slope = each["published"][state]
            law, line = each["ours"]["Classical"], {"color": gray, "linewidth": 0.8}
            left.plot(ends, intercept + slope * ends, linestyle="-", label=f"{name}, published", **line)
            left.plot(
                ends, law.intercept[state] + law.slope[state] * ends, linestyle="--", label=f"{name}, ours", **line
            )
            dots = {"markersize": 2.5, "markerfacecolor": "none", "markeredgewidth": 0.5, "linestyle": "none"}
            left.plot(today[here], ahead[here], marker=mark, color=gray, label=f"{name}, simulated", **dots)
        _compare(right, each, ends)
        right.axvline(np.log(at), color="0.6", linewidth=0.5, linestyle="-", zorder=0)
        left.set(title=label, xlabel="Log capital today", ylabel="Log capital next period")
        right.set(title=f"{label}: ours less published", xlabel="Log capital today", ylabel="Percent of K'")
    axes[0].legend(loc="lower right", fontsize=6.5)
    return finish(figure, axes[1])


def _compare(panel: Any, economy: Mapping[str, Any], ends: np.ndarray) -> None:
    """Draw our laws less the published ones, and the band that rounding leaves open."""
    band = 100.0 * ROUNDING * (1.0 + np.abs(ends))
    panel.fill_between(ends, -band, band, color="0.5", alpha=0.2, linewidth=0, label="Rounding of published digits")
    panel.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    lines = iter(choose(LINES, 2 * len(economy["ours"]), "laws"))
    for solution, law in economy["ours"].items():
        for name, state, _ in STATES:
            intercept, slope = economy["published"][state]
            gap = 100.0 * (law.intercept[state] - intercept + (law.slope[state] - slope) * ends)
            gray, style = next(lines)
            panel.plot(ends, gap, color=gray, linestyle=style, label=f"{solution}, {name.lower()}")
    panel.set_xlim(ends)
    panel.set_ylim(-1.6 * band.max(), 1.6 * band.max())


@journal_style()
def plot_forecasts(solutions: Mapping[str, Any], window: int, note: str = "") -> "Figure":
    """Simulated capital against the forecast of the law alone, one row per solution; right the error in all periods.

    `solutions` label -> `ForecastErrors`. The window is that with the largest error of the first solution; the forecast
    starts in period 0 and is never corrected.
    """
    figure, axes = panels(2 * len(solutions), 2, PAGE, 1.9, note)
    errors = {label: 100.0 * (each.forecast / each.actual - 1.0) for label, each in solutions.items()}
    worst = int(np.argmax(np.abs(next(iter(errors.values())))))
    length = min(window, len(next(iter(errors.values()))))
    start = int(np.clip(worst - length // 2, 0, len(next(iter(errors.values()))) - length))
    periods = np.arange(start, start + length)
    for place, (label, each) in enumerate(solutions.items()):
        left, right = axes[2 * place : 2 * place + 2]
        left.plot(periods, each.actual[periods], color="0.0", linestyle="-", label="Simulated")
        left.plot(periods, each.forecast[periods], color="0.5", linestyle="--", label="Forecast of the law")
        right.plot(errors[label], color="0.0", linestyle="-", linewidth=0.6)
        right.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
        left.set(title=label, xlabel="Period", ylabel="Capital (level)", xlim=(periods[0], periods[-1]))
        right.set(title=f"{label}: forecast error", xlabel="Period", ylabel="Percent", xlim=(0, len(each.actual) - 1))
    largest = 1.1 * max(np.abs(error).max() for error in errors.values())
    for panel in axes[1::2]:
        panel.set_ylim(-largest, largest)
    return finish(figure, axes[0])
