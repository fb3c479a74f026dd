"""A figure of the life cycle."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hank_mfg.report.style import PAGE, finish, journal_style, line_styles, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDED = ("assets", "assets_p10", "assets_p90", "consumption")


@journal_style()
def plot_age_profile(profiles: pd.DataFrame | Mapping[str, pd.DataFrame], note: str = "") -> "Figure":
    """Mean assets and mean consumption by age, as `stats.age_profile` gives them, of one economy or of several by name.

    Levels are in goods. With one economy the gray band holds households between the 10th and the 90th percentile of
    the assets of their age. Raises ValueError for a table without these columns.
    """
    several = {"": profiles} if isinstance(profiles, pd.DataFrame) else dict(profiles)
    for name, profile in several.items():
        missing = [column for column in NEEDED if column not in profile]
        if missing:
            which = f"profiles[{name!r}]" if name else "profiles"
            raise ValueError(f"{which} lacks {missing[0]}: give stats.age_profile(...).")
    band = "Gray: between the 10th and the 90th percentile of the age." if len(several) == 1 else ""
    figure, (left, right) = panels(2, 2, PAGE, 2.4, " ".join(filter(None, (band, note))))
    for (name, profile), line in zip(several.items(), line_styles(len(several)), strict=True):
        ages = np.asarray(profile.index, float)
        if len(several) == 1:
            left.fill_between(ages, profile["assets_p10"], profile["assets_p90"], color="0.85", linewidth=0)
        left.plot(ages, profile["assets"], label=name, **line)
        right.plot(ages, profile["consumption"], label=name, **line)
    ages = np.concatenate([np.asarray(each.index, float) for each in several.values()])
    for panel, title in ((left, "Assets"), (right, "Consumption")):
        panel.set(title=title, xlabel="Age", ylabel="Goods, mean at each age", xlim=(ages.min(), ages.max()))
        panel.set_ylim(min(0.0, panel.get_ylim()[0]), None)
    return finish(figure, left if len(several) > 1 else None)
