"""Income states that a household cannot tell apart."""

from typing import NamedTuple

import numpy as np


class Alike(NamedTuple):
    """Individual states that somebody cannot tell apart: the number of the `group` of every income state, from 0 on,
    and its long-run `share` of those in the group; both (income,)."""

    group: tuple[int, ...]
    share: tuple[float, ...]

    def average(self, table: np.ndarray) -> np.ndarray:
        """A table (..., income) with the mean of its group in place of every income state."""
        group = np.asarray(self.group)
        return table @ (np.asarray(self.share)[:, None] * (group[:, None] == group))
