"""Production by a competitive representative firm."""

import equinox as eqx
import numpy as np

from hank_mfg.model.concrete import concrete, require_numbers


class CobbDouglas(eqx.Module):
    """Y = z K^alpha L^(1-alpha), with capital depreciating at rate delta per model period.

    `capital_share` is alpha in (0, 1), `depreciation` is delta in [0, 1]. Factor prices are marginal products, in
    goods per unit and period; the interest rate is net of depreciation, a decimal per model period.
    """

    capital_share: float
    depreciation: float

    def __check_init__(self):
        require_numbers(self, "capital_share", "depreciation")
        share, lost = concrete(self.capital_share), concrete(self.depreciation)
        if share is not None and not np.all((share > 0) & (share < 1)):
            raise ValueError(
                f"CobbDouglas(capital_share={self.capital_share}) is outside (0, 1): give the share of income paid "
                "to capital, for instance 0.36."
            )
        if lost is not None and not np.all((lost >= 0) & (lost <= 1)):
            raise ValueError(
                f"CobbDouglas(depreciation={self.depreciation}) is outside [0, 1]: give the fraction of capital lost "
                "per model period, for instance 0.025."
            )

    def output(self, capital, labor, productivity=1.0):
        """Y = z K^alpha L^(1-alpha), goods per period, before depreciation."""
        return productivity * capital**self.capital_share * labor ** (1.0 - self.capital_share)

    def interest_rate(self, capital, labor, productivity=1.0):
        """r = alpha z (K/L)^(alpha-1) - delta, net return per period."""
        return self.capital_share * productivity * (capital / labor) ** (self.capital_share - 1.0) - self.depreciation

    def wage(self, capital, labor, productivity=1.0):
        """w = (1-alpha) z (K/L)^alpha, goods per unit of labor."""
        return (1.0 - self.capital_share) * productivity * (capital / labor) ** self.capital_share
