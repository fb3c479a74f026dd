"""Policies without a network: a consumption function tabulated at endogenous points of cash on hand."""

import equinox as eqx
from jax import Array

from hank_mfg.environment.grids import interpolate_rows
from hank_mfg.model.portable import portable


@portable
class ConsumptionFunction(eqx.Module):
    """The unconstrained composite as a function of cash on hand, by income state.

    The composite is what marginal utility is of: consumption, or under GHH consumption less effort (labor.py). `cash`
    and `composite` are (assets, income), cash increasing along axis 0; goods per period.
    """

    cash: Array
    composite: Array

    def __call__(self, cash: Array) -> Array:
        """The composite at `cash` (n, income), linear between points and beyond them, before the budget binds."""
        return interpolate_rows(cash, self.cash, self.composite)
