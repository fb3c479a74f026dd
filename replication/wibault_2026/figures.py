"""The figure of the benchmark: exploitability against seconds of training and against updates."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.report.game_figures import logarithmic
from hank_mfg.report.style import PAGE, finish, journal_style, line_styles, panels
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "linear_quadratic": "Linear-quadratic", "rspg_macro": "Macroeconomic game", "krusell_smith": "Krusell and Smith",
    "huggett": "Huggett",
}  # fmt: skip


def mean_curve(curves: list[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Mean and standard error over seeds at the measures that all seeds have; seconds are means too."""
    length = min(len(one["updates"]) for one in curves)
    values = np.array([one["values"][:length] for one in curves])
    values = np.where(np.isfinite(values), values, np.nan)
    error = values.std(axis=0, ddof=1) / np.sqrt(len(curves)) if len(curves) > 1 else np.zeros(length)
    return {
        "updates": np.asarray(curves[0]["updates"][:length]),
        "seconds": np.mean([one["seconds"][:length] for one in curves], axis=0),
        "mean": values.mean(axis=0),
        "error": error,
    }


@journal_style()
def plot_exploitability(
    results: Mapping[str, Any], floors: Mapping[str, float], note: str = "", unit: str = ""
) -> "Figure":
    """Rows: against seconds, against updates; one column per game. Shaded: one standard error over seeds.

    `results` maps games to methods to entries with `curves`; `floors` draws a thin line at the exploitability that no
    policy of public information goes below; `unit` is that of exploitability, in words.
    """
    note = f"{note} Shaded: one standard error."
    curves = [curve for methods in results.values() for entry in methods.values() for curve in entry["curves"]]
    if not all(np.isfinite(curve["values"]).all() for curve in curves):
        note += " Gaps: there, in one seed, no share of consumption makes up for the loss."
    if set(results) & set(floors):
        note += " Thin line: what no policy without foresight can go below, where known."
    figure, axes = panels(2 * len(results), len(results), PAGE, 1.9, note)
    for place, (game, methods) in enumerate(results.items()):
        for row, against in enumerate(("seconds", "updates")):
            panel = axes[row * len(results) + place]
            for (method, entry), style in zip(methods.items(), line_styles(len(methods)), strict=True):
                _draw(panel, mean_curve(entry["curves"]), against, method.upper(), style)
            if game in floors:
                panel.axhline(floors[game], color="0.6", linewidth=0.5, linestyle="-", zorder=0)
            panel.set_xlabel("Seconds of training" if against == "seconds" else "Updates")
            logarithmic(panel)
            if row == 0:
                panel.set_title(TITLES.get(game, display_name(game)))
            if place == 0:
                panel.set_ylabel(f"Exploitability,\n{unit}" if unit else "Exploitability")
    return finish(figure, axes[0])


def _draw(panel: "Axes", line: dict[str, np.ndarray], against: str, label: str, style: dict[str, Any]) -> None:
    x, mean, error = line[against], line["mean"], line["error"]
    panel.plot(x, mean, label=label, **style)
    low = np.maximum(mean - error, 0.5 * mean)  # a logarithmic axis shows no zero
    panel.fill_between(x, low, mean + error, color=style["color"], alpha=0.15, linewidth=0)
