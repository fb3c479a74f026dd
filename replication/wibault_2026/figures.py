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


def median_curve(curves: list[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Median, lowest and highest value over seeds at the measures that all seeds have; seconds are medians too.

    A value that is not finite counts as larger than all others.
    """
    length = min(len(one["updates"]) for one in curves)
    values = np.array([one["values"][:length] for one in curves])
    values = np.where(np.isfinite(values), values, np.inf)
    return {
        "updates": np.asarray(curves[0]["updates"][:length]),
        "seconds": np.median([one["seconds"][:length] for one in curves], axis=0),
        "median": np.median(values, axis=0),
        "lowest": values.min(axis=0),
        "highest": values.max(axis=0),
    }


@journal_style()
def plot_exploitability(
    results: Mapping[str, Any], floors: Mapping[str, float], note: str = "", unit: str = ""
) -> "Figure":
    """Rows: against seconds, against updates; one column per game. Medians over seeds, shaded from lowest to highest.

    `results` maps games to methods to entries with `curves` and, where it is known, the number of processor `cores`;
    `floors` draws a thin line at the exploitability that no policy of public information goes below; `unit` is that
    of exploitability, in words.
    """
    figure, axes = panels(2 * len(results), len(results), PAGE, 1.9, f"{note} {_about_lines(results, floors)}".strip())
    for place, (game, methods) in enumerate(results.items()):
        for row, against in enumerate(("seconds", "updates")):
            panel = axes[row * len(results) + place]
            for (method, entry), style in zip(methods.items(), line_styles(len(methods)), strict=True):
                _draw(panel, median_curve(entry["curves"]), against, method.upper(), style)
            if game in floors:
                panel.axhline(floors[game], color="0.6", linewidth=0.5, linestyle="-", zorder=0)
            panel.set_xlabel("Seconds of training" if against == "seconds" else "Updates")
            logarithmic(panel)
            if row == 0:
                panel.set_title(TITLES.get(game, display_name(game)))
            if place == 0:
                panel.set_ylabel(f"Exploitability,\n{unit}" if unit else "Exploitability")
    return finish(figure, axes[0])


def _about_lines(results: Mapping[str, Any], floors: Mapping[str, float]) -> str:
    """What lines and bands are, over how many seeds and on how many cores, in sentences."""
    entries = [entry for methods in results.values() for entry in methods.values()]
    curves = [curve for entry in entries for curve in entry["curves"]]
    seeds = sorted({len(entry["curves"]) for entry in entries})
    cores = sorted({entry["cores"] for entry in entries if "cores" in entry})
    told = [f"Lines: median over {' to '.join(map(str, seeds))} seeds; shaded: from the lowest to the highest."]
    if cores:
        told.append(
            "Seconds on one CPU core." if cores == [1] else f"Seconds on {' to '.join(map(str, cores))} CPU cores."
        )
    if not all(np.isfinite(curve["values"]).all() for curve in curves):
        told.append("Not shaded: there, in one seed, no share of consumption makes up for the loss.")
    if set(results) & set(floors):
        told.append("Thin line: what no policy without foresight can go below, where known.")
    return " ".join(told)


def _draw(panel: "Axes", line: dict[str, np.ndarray], against: str, label: str, style: dict[str, Any]) -> None:
    x, ends = line[against], (line["lowest"], line["highest"])
    panel.plot(x, line["median"], label=label, **style)
    panel.fill_between(x, *ends, where=np.isfinite(ends[1]), color=style["color"], alpha=0.15, linewidth=0)
