"""A figure of the objective around an optimal policy."""

from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.report.style import PAGE, finish, journal_style, panels
from hank_mfg.welfare.optimum import Optimum
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = 9  # of contours


@journal_style()
def plot_optimum(optimum: Optimum, surface: Any, note: str = "") -> "Figure":
    """The objective over the bounds of one parameter, a curve, or of two, contours, with the optimum marked.

    `surface` is `optimum.surface()`, or a frame of the same columns; places without an equilibrium are left out. The
    cross is the model's own values. With one parameter and a budget that is balanced the second panel shows what
    balances it. Raises ValueError for more than two parameters, and for a surface of others.
    """
    for name in (*optimum.names, optimum.unit):
        if name not in surface.columns:
            raise ValueError(f"The surface has no column {name!r}: give optimum.surface() of this optimum.")
    if len(optimum.names) > 2:
        raise ValueError(
            f"The optimum is over {len(optimum.names)} parameters ({', '.join(optimum.names)}): a figure shows one or "
            "two; read optimum.surface() instead."
        )
    note = " ".join(filter(None, (f"Dot: the optimum; cross: the model's own values. {optimum.status.value}", note)))
    unit = "Loss" if callable(optimum.objective) else "Welfare, percent of consumption"
    if len(optimum.names) == 1:
        return _curve(optimum, surface, unit, note)
    figure, (panel, *_) = panels(1, 1, PAGE, 3.2, note)
    first, second = list(optimum.names)
    table = surface.pivot(index=second, columns=first, values=optimum.unit)
    across, up = (np.asarray(each, float) for each in (table.columns, table.index))
    drawn = panel.contour(across, up, np.ma.masked_invalid(table.to_numpy(float)), LEVELS, colors="0.4")
    panel.clabel(drawn, fontsize=6)
    panel.plot(*optimum.values, color="black", marker="o", linestyle="none", clip_on=False)
    panel.plot(*optimum.own, color="black", marker="x", linestyle="none")
    panel.set(title=unit, xlabel=display_name(first), ylabel=display_name(second))
    return finish(figure, None)


def _curve(optimum: Optimum, surface: Any, unit: str, note: str) -> "Figure":
    """The curve of one parameter, and of what balances the budget."""
    name = optimum.names[0]
    shown = [optimum.unit] + ([optimum.finance] if optimum.finance else [])
    figure, drawn = panels(len(shown), len(shown), PAGE, 2.4, note)
    at, known = np.asarray(surface[name], float), optimum.parameters
    for panel, column in zip(drawn, shown, strict=True):
        panel.plot(at, np.asarray(surface[column], float), color="black")
        if column == optimum.unit:
            marks, title = (optimum.start, optimum.best), unit
        else:
            marks = tuple(float(known.loc[column, each]) for each in ("own value", "optimum"))
            title = f"{display_name(column)} in the stationary equilibrium"
        panel.plot(optimum.own, [marks[0]], color="black", marker="x", linestyle="none")
        panel.plot(optimum.values, [marks[1]], color="black", marker="o", linestyle="none", clip_on=False)
        panel.set(title=title, xlabel=display_name(name))
    return finish(figure, None)
