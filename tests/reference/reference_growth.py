"""A growth economy whose equilibrium is known in closed form."""

import hank_mfg as hm


class FullDepreciation(hm.Model):
    """Log utility, full depreciation, next to no risk of one's own: households save alpha beta of output.

    Y = z K^alpha, so K' = alpha beta z K^alpha whoever owns the trees. Source: Brock and Mirman (1972), JET 4(3).
    """

    risk: float = hm.parameter(default=0.05)
    discount_factor: float = hm.parameter(default=0.9)

    def aggregate_shocks(self):
        return hm.MarkovChain([[0.8, 0.2], [0.2, 0.8]], productivity=[0.95, 1.05])

    def idiosyncratic_shock(self):
        return hm.MarkovChain([[0.5, 0.5], [0.5, 0.5]], labor=[1.0 - self.risk, 1.0 + self.risk])

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=2.5, curvature=2.0)

    def preferences(self):
        return hm.CRRA(1.0)

    def aggregates(self, assets, own, today):
        return {"trees": assets}

    def prices(self, today):
        output = today.productivity * today.trees**0.36
        return {"gross_return": 0.36 * output / today.trees, "wage": 0.64 * output}

    def resources(self, assets, own, today):
        return today.gross_return * assets + today.wage * own.labor

    def signal(self, today):
        return {"wage": today.wage}

    def outcomes(self, today):
        return {"output": today.wage / 0.64}
