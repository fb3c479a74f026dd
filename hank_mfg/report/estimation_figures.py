"""Figures of estimations: decompositions, responses with bands, forecasts, priors against posteriors."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.estimate.posterior.drawn import Drawn
from hank_mfg.estimate.posterior.posterior import Posterior
from hank_mfg.report.style import finish, journal_style, multiples
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRAYS = ("0.45", "0.7", "0.88", "0.5", "0.8", "0.35")
HATCHES = ("", "", "", "///", "...", "xx")


@journal_style()
def plot_historical_decomposition(
    posterior: Posterior, values: Any = None, *, units: Mapping[str, str] | None = None, note: str = ""
) -> "Figure":
    """What each innovation adds to every observed column over the sample, stacked, and the data as a line.

    At the mode, or at parameter `values` by name; units and detrending are those of the data. `units` maps columns to
    the labels of their axes, `note` is added to the note below. Returns the figure.
    """
    from matplotlib.patheffects import withStroke

    table = posterior.historical_decomposition(values)
    likelihood = posterior.likelihood
    index: Any = table.index
    time = index.to_timestamp() if hasattr(index, "to_timestamp") else np.asarray(index)
    where = "at the mode" if values is None else "at given parameters"
    about = f"Contributions of shocks, those before the sample included, {where}; the line is the data less its trend."
    figure, axes = multiples(len(likelihood.sample.columns), 2.0, f"{about} {note}".strip(), "")
    for name, ax in zip(likelihood.sample.columns, axes, strict=True):
        parts: Any = table[name]
        above, below = np.zeros(len(parts)), np.zeros(len(parts))
        for k, innovation in enumerate(likelihood.innovations):
            part = parts[innovation].to_numpy()
            base = np.where(part > 0, above, below)
            ax.fill_between(
                time, base, base + part, step="mid", color=GRAYS[k % len(GRAYS)],
                hatch=HATCHES[k % len(HATCHES)] or None, linewidth=0.0, label=display_name(innovation),
            )  # fmt: skip
            above, below = above + np.maximum(part, 0.0), below + np.minimum(part, 0.0)
        halo = [withStroke(linewidth=2.2, foreground="white")]  # seen on dark bars too
        ax.plot(time, parts["data"], color="black", linewidth=0.9, label="Data", path_effects=halo)
        ax.axhline(0.0, color="0.5", linewidth=0.5)
        ax.set(title=display_name(name), ylabel=(units or {}).get(name, ""))
        ax.margins(x=0.0)
        if hasattr(index, "to_timestamp"):
            _few_dates(ax, index)
    return finish(figure, axes[0])


@journal_style()
def plot_posterior(posterior: Drawn, bins: int = 40) -> "Figure":
    """Prior (line) and draws (bars) of every parameter, with the mode, or the mean where there is none, dashed.
    Returns the figure."""
    posterior.require_draws("plot_posterior")
    center = "mode" if isinstance(posterior, Posterior) else "mean"
    prior = posterior.prior_draws(20_000)
    names = posterior.likelihood.parameters
    note = f"Bars: draws of the posterior. Line: prior. Dashed: {center} of the posterior."
    figure, axes = multiples(len(names), 1.6, note, "")
    for name, ax in zip(names, axes, strict=True):
        draws, before = posterior.draws[name].reshape(-1), prior[name].reshape(-1)
        low, high = np.quantile(draws, (0.001, 0.999))
        margin, every = 0.2 * (high - low), np.concatenate([draws, before])
        edges = np.linspace(max(low - margin, every.min()), min(high + margin, every.max()), bins)
        ax.hist(draws, edges, density=True, color="0.75")
        share = np.histogram(before, edges)[0] / (before.size * np.diff(edges))
        ax.plot(0.5 * (edges[1:] + edges[:-1]), share, color="black", linewidth=0.9)
        ax.axvline(posterior.center[name], color="black", linestyle="--", linewidth=0.8)
        ax.set_title(display_name(name))
        ax.set_yticks([])
    return finish(figure)


@journal_style()
def plot_responses(posterior: Posterior, innovation: str, series: tuple[str, ...], *, periods: int = 20) -> "Figure":
    """Responses of series to an innovation of one standard deviation: median and 90 percent band over draws."""
    table = posterior.responses(innovation, series, periods=periods)
    note = f"Responses to {display_name(innovation).lower()}, one standard deviation, in the model's units; 90 % bands."
    figure, axes = multiples(len(series), 1.9, note, "Periods after the innovation")
    for name, ax in zip(series, axes, strict=True):
        _band(ax, table.index, table[name].to_numpy())
        ax.set_title(display_name(name))
    return finish(figure)


@journal_style()
def plot_forecast(posterior: Posterior, periods: int = 12, *, before: int = 24) -> "Figure":
    """A fan chart: the last `before` periods of the sample and the `periods` after it, one panel an observed column.

    Median, 50 and 90 percent bands over parameters and future shocks; of the mode alone, without draws, over future
    shocks. Units are those of the data, less their trend. Returns the figure.
    """
    import pandas as pd

    table, sample = posterior.forecast(periods), posterior.likelihood.sample
    known = sample.values[-before:]
    ends = np.arange(1 - len(known), periods + 1)  # 0 is the last period of the sample
    last: Any = sample.periods[-1]
    dated = isinstance(last, pd.Period)
    shown: Any = pd.PeriodIndex([last + int(end) for end in ends]) if dated else ends
    time = shown.to_timestamp() if dated else ends
    note = (
        "Data less their trend, in their units, and after the dotted line forecasts: median (dashed), 50 and 90 % "
        "bands over parameters and future shocks."
    )
    figure, axes = multiples(len(sample.columns), 1.9, note, "" if dated else "Periods after the sample")
    for place, (name, ax) in enumerate(zip(sample.columns, axes, strict=True)):
        past, ahead = known[:, place], table[name].to_numpy()
        fan = np.concatenate([np.full((1, ahead.shape[1]), past[-1]), ahead])  # it opens at the last observation
        _band(ax, time[len(past) - 1 :], fan, "--")
        ax.plot(time[: len(past)], past, color="black", linestyle="-", linewidth=0.9)
        ax.axvline(time[len(past) - 1], color="0.5", linestyle=":", linewidth=0.8)
        ax.set_title(display_name(name))
        ax.margins(x=0.0)
        if dated:
            _few_dates(ax, shown)
    return finish(figure)


def _few_dates(ax: Any, periods: Any) -> None:
    """At most five dates below a panel: round years where three or more begin, else periods by name."""
    years = [each for each in periods if each.year != (each - 1).year]
    if len(years) >= 3:
        step = next(n for n in (1, 2, 5, 10, 20, 50, 100, 1000) if sum(each.year % n == 0 for each in years) <= 5)
        shown = {each.to_timestamp(): str(each.year) for each in years if each.year % step == 0}
    else:
        shown = {each.to_timestamp(): str(each) for each in periods[:: -(-len(periods) // 5)]}
    ax.set_xticks(list(shown), list(shown.values()))


def _band(ax: Any, time: Any, columns: np.ndarray, line: str = "-") -> None:
    """The middle column as a `line` of this style, those around it as bands, darker toward the middle."""
    middle = columns.shape[1] // 2
    for place in range(middle):
        gray = f"{0.85 - 0.17 * place:.2f}"
        ax.fill_between(time, columns[:, place], columns[:, -1 - place], color=gray, linewidth=0.0)
    ax.plot(time, columns[:, middle], color="black", linestyle=line, linewidth=1.1)
    ax.axhline(0.0, color="0.5", linewidth=0.5)
