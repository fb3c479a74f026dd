"""Policies without a network: a consumption function tabulated at endogenous points of cash on hand."""

import equinox as eqx
from jax import Array

from hank_mfg.environment.grids import interpolate_rows


class ConsumptionFunction(eqx.Module):
    """Unconstrained consumption as a function of cash on hand, by income state.

    `cash` and `consumption` are (assets, income), cash increasing along axis 0; goods per period.
    """

    cash: Array
    consumption: Array

    def __call__(self, cash: Array) -> Array:
        """Consumption at `cash` (n, income), linear between points and beyond them, before the budget binds."""
        return interpolate_rows(cash, self.cash, self.consumption)
