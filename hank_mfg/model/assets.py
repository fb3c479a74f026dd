"""The space of assets that households choose from."""

from typing import Any

import equinox as eqx
import numpy as np

from hank_mfg.model.concrete import concrete, require_numbers


class Assets(eqx.Module):
    """One asset held between `lower` (the borrowing limit, negative allowed) and `upper`.

    A declaration, not a grid: the number of points belongs to the solver. `curvature` >= 1 says how strongly points
    gather at the borrowing limit: a(u) = lower + (upper - lower) u^curvature for u evenly spaced in [0, 1]
    (1 is even spacing, 3 the default). With a `pivot` > 0 points are evenly spaced in log(a - lower + pivot) instead,
    the usual grid of sequence-space codes: the smaller the pivot, the denser at the borrowing limit; `curvature` then
    has nothing to say.
    Units are goods (capital, bonds); choose `upper` so high that almost no household gets there: every solution reports
    the mass at the top and warns above 1e-6.
    """

    lower: Any
    upper: Any
    curvature: Any = 3.0
    pivot: Any = None

    def __check_init__(self):
        require_numbers(self, "lower", "upper", "curvature")
        lower, upper, curvature = concrete(self.lower), concrete(self.upper), concrete(self.curvature)
        if not all(each is None or np.all(np.isfinite(each)) for each in (lower, upper)):
            raise ValueError(
                f"Assets(lower={self.lower}, upper={self.upper}): give finite numbers; upper can be large, as "
                "almost no household should get there."
            )
        if lower is not None and upper is not None and not np.all(lower < upper):
            raise ValueError(
                f"Assets(lower={self.lower}, upper={self.upper}): the borrowing limit lies at or above the top of the "
                "asset grid: lower the borrowing limit or raise upper."
            )
        if curvature is not None and not np.all(curvature >= 1):
            raise ValueError(
                f"Assets(curvature={self.curvature}) would thin out points at the borrowing limit: use 1 (even "
                "spacing) or more."
            )
        pivot = None if self.pivot is None else concrete(self.pivot)
        if pivot is not None and not np.all((pivot > 0) & np.isfinite(pivot)):
            raise ValueError(
                f"Assets(pivot={self.pivot}): the logarithm of assets above the borrowing limit plus the pivot needs a "
                "positive, finite pivot; leave it out for spacing by curvature."
            )
