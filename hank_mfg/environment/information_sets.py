"""Partitions of the individual states by what a household observes of its own state."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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


def sets_of(own: Mapping[str, Any], long_run: Callable[[], Any], names: tuple[str, ...]) -> InformationSets | None:
    """The sets of those who observe only the quantities `names` of their `own` state, given its `long_run` (Z, income);
    None where they observe all of them."""
    if set(names) >= set(own):
        return None
    observed = np.stack([np.asarray(own[name]) for name in names])
    group = np.unique(observed, axis=1, return_inverse=True)[1].ravel()
    mass = np.asarray(long_run(), np.float64).sum(axis=0)
    share = mass / np.bincount(group, mass)[group]
    return InformationSets(tuple(group.tolist()), tuple(share.tolist()))
