"""The space of assets that households choose from."""

from typing import Any

import equinox as eqx


class Assets(eqx.Module):
    """One asset held between `lower` (the borrowing limit, negative allowed) and `upper`.

    A declaration, not a grid: the number of points belongs to the solver. `curvature` >= 1 says how strongly points
    gather at the borrowing limit: a(u) = lower + (upper - lower) u^curvature for u evenly spaced in [0, 1]
    (1 is even spacing, 3 the default).
    Units are goods (capital, bonds); choose `upper` so high that almost nobody gets there: every solution reports the
    mass at the top and warns above 1e-6.
    """

    lower: Any
    upper: Any
    curvature: Any = 3.0

    def __check_init__(self):
        numbers = [x for x in (self.lower, self.upper, self.curvature) if isinstance(x, int | float)]
        if len(numbers) < 3:
            return
        if not self.lower < self.upper:
            raise ValueError(
                f"Assets(lower={self.lower}, upper={self.upper}): the borrowing limit lies at or above the top of the "
                "grid. Lower the borrowing limit or raise upper."
            )
        if self.curvature < 1:
            raise ValueError(
                f"Assets(curvature={self.curvature}) would thin out points at the borrowing limit: use 1 (even) or more."
            )
