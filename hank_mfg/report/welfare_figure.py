"""A figure of who gains."""

from typing import TYPE_CHECKING

import numpy as np

from hank_mfg.report.style import PAGE, finish, journal_style, panels
from hank_mfg.welfare.gains import AT_RISK, Welfare

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@journal_style()
def plot_welfare(gains: Welfare, groups: int = 50, note: str = "") -> "Figure":
    """Gains by wealth and what the gain of all consists of, in permanent percent of consumption.

    Left: the mean gain of the households of each of `groups` equally large groups by wealth; the gray band holds those
    between the 10th and the 90th percentile of gains in the group. Right: the parts of the gain of all (Floden 2001).
    """
    table = gains.along_wealth(groups)
    whole = f"Gain of all households {gains.percent:.2f} percent of consumption".replace("-", "\N{MINUS SIGN}")
    if gains.kind == AT_RISK:
        whole += f" (standard error {gains.standard_error:.2g})"
    note_of = (
        f"{whole}, in favor {gains.in_favor:.0f} percent. Gray: between the 10th and the 90th percentile of gains."
    )
    figure, (left, right) = panels(2, 2, PAGE, 2.4, " ".join(filter(None, (note_of, note))))
    place = np.asarray(table.index, float)
    left.fill_between(place, table["p10"], table["p90"], color="0.85", linewidth=0)
    left.plot(place, table["mean"], color="black")
    left.axhline(0.0, color="0.6", linewidth=0.5, zorder=0)
    left.set(title="Gains by wealth", xlabel="Percentile of wealth", ylabel="Percent of consumption", xlim=(0, 100))
    parts = {name: value for name, value in gains.parts._asdict().items() if name != "hours" or abs(value) > 1e-9}
    names, values = [*parts, "all"], [*parts.values(), gains.parts.total]
    right.barh(range(len(names)), values, color=["0.7"] * len(parts) + ["0.3"], height=0.6)
    right.axvline(0.0, color="0.4", linewidth=0.5)
    right.set_yticks(range(len(names)), [name.capitalize() for name in names])
    right.invert_yaxis()
    right.set(title="Parts", xlabel=gains.unit_of_parts.capitalize())
    return finish(figure, None)
