"""The figure of the recession: what falls in both economies, and whose consumption."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hank_mfg.report.style import PAGE, finish, journal_style, panels

from .recession import QUINTILES, SERIES, Recession

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEFORE, SHOWN = 4, 24  # quarters before the recession, and from its first one on


@journal_style()
def plot_recession(recessions: Mapping[str, Mapping[str, Recession]], note: str = "") -> "Figure":
    """Falls of output, consumption and investment over time, and of consumption on impact by wealth quintile.

    `recessions` maps economies to solutions, "RSPG" and "Linear" among them, to `Recession`; percent.
    """
    figure, axes = panels(4, 2, PAGE, 1.9, note)
    grays = dict(zip(recessions, ("0.55", "0.0"), strict=True))
    quarters, still = np.arange(-BEFORE, SHOWN), np.zeros(BEFORE)
    for panel, name in zip(axes, SERIES, strict=False):
        for economy, solutions in recessions.items():
            for solution, style in (("RSPG", "-"), ("Linear", ":")):
                label = f"{economy}, {'global' if solution == 'RSPG' else 'linear'}"
                path = np.concatenate([still, -solutions[solution].fall[name][:SHOWN]])
                panel.plot(quarters, path, color=grays[economy], linestyle=style, label=label)
        panel.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
        panel.set(title=f"{name.capitalize()} (percent)", xlabel="Quarters since the recession began")
        panel.set_xlim(quarters[0], quarters[-1])
    places, last = np.arange(len(QUINTILES)), axes[-1]
    for side, (economy, solutions) in zip((-0.2, 0.2), recessions.items(), strict=True):
        fall = solutions["RSPG"].quintiles["Fall of consumption"]
        last.bar(places + side, -fall, 0.38, color=grays[economy], label=economy)
    last.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    last.set(title="Consumption on impact (percent)", xlabel="Wealth quintile", xticks=places)
    last.set_xticklabels(["Poorest", *map(str, places[2:]), "Richest"])
    return finish(figure, axes[0])
