"""Figures of matched impulse responses: the data with their bands, and the model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.estimate.matching.matched import INTERVAL, MatchedResponses
from hank_mfg.evaluate.units import OWN, since
from hank_mfg.report.style import finish, journal_style, multiples
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRAY, BAND = "0.45", "0.86"
BAND_LABEL = "Data, 95 percent band"


@journal_style()
def plot_matched_responses(matched: MatchedResponses, variables: Sequence[str] | None = None) -> "Figure":
    """Estimated responses with bands of 1.96 standard errors, and those of the model: one panel a shock and variable.

    A solid line is the model, at every period up to the last one in the data; a dashed line in a gray band the data,
    where they have every period, and otherwise dots with bars. `variables` picks and orders the panels. J and how the
    estimates were made are in the note below. Raises ValueError for a variable that was not matched.
    """
    known = list(dict.fromkeys(matched.gaps["variable"]))
    names = known if variables is None else list(variables)
    for name in names:
        if name not in known:
            raise ValueError(f"variables asks for {name!r}, which was not matched: choose from {', '.join(known)}.")
    shocks = list(dict.fromkeys(matched.gaps["shock"]))
    pairs = [(shock, name) for shock in shocks for name in names if len(_rows(matched.gaps, shock, name))]
    figure, axes = multiples(len(pairs), 1.7, matched.note, since(matched.period))
    last = int(np.max(np.asarray(matched.gaps["horizon"])))
    for (shock, name), panel in zip(pairs, axes, strict=True):
        panel.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
        _draw_data(panel, _rows(matched.gaps, shock, name))
        model = _rows(matched.responses, shock, name)
        panel.plot(model["horizon"], model["model"], color="0.0", linestyle="-", label="Model")
        title = display_name(name) if len(shocks) == 1 else f"{display_name(name)} to {display_name(shock).lower()}"
        unit = matched.units[name]
        panel.set(title=title, ylabel="Level" if unit == OWN else unit.capitalize())
        panel.set_xlim(0, last)
        if not _every_period(_rows(matched.gaps, shock, name)["horizon"]):
            panel.set_xlim(-0.03 * max(last, 1), last + 0.03 * max(last, 1))  # room for the first and the last bar
        panel.locator_params(axis="x", integer=True)
    return finish(figure, axes[0])


def _rows(frame: Any, shock: str, name: str) -> Any:
    return frame[(frame["shock"] == shock) & (frame["variable"] == name)].sort_values("horizon")


def _every_period(horizons: Any) -> bool:
    """Whether sorted horizons have no gap, so that a line can join them."""
    return len(horizons) > 1 and bool((np.diff(horizons) == 1).all())


def _draw_data(panel: "Axes", data: Any) -> None:
    horizons, mean, error = (data[name].to_numpy(float) for name in ("horizon", "data", "standard_error"))
    half = INTERVAL * error
    if _every_period(horizons):
        panel.fill_between(horizons, mean - half, mean + half, color=BAND, linewidth=0, label=BAND_LABEL)
        panel.plot(horizons, mean, color=GRAY, linestyle="--", label="Data")
    else:
        bars = {"ecolor": GRAY, "elinewidth": 0.8, "capsize": 1.5, "clip_on": False}
        panel.errorbar(horizons, mean, half, color=GRAY, linestyle="none", marker="o", markersize=2.5,
                       label="Data, 95 percent intervals", **bars)  # fmt: skip
