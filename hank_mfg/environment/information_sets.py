"""Partitions of the individual states by what a household observes of its own state."""

from typing import NamedTuple

import numpy as np


class InformationSets(NamedTuple):
    """A partition of income states into information sets, the states that a household cannot distinguish.

    `group` (income,) is the number of each state's set, from 0 on; `share` (income,) its long-run share of the set.
    """

    group: tuple[int, ...]
    share: tuple[float, ...]

    def average(self, table: np.ndarray) -> np.ndarray:
        """A table (..., income) with the mean of its group in place of every income state."""
        group = np.asarray(self.group)
        return table @ (np.asarray(self.share)[:, None] * (group[:, None] == group))
