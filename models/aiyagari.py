"""Aiyagari (1994): uninsured labor-income risk and capital, no aggregate shock.

Log labor endowment is an AR(1); households save in capital. `persistence` and `stationary_sd` are those of log labor
(his rho and sigma); the chain is Tauchen's with 7 states, grid of 3 standard deviations on each side, mean labor one.
"""

import hank_mfg as hm


class Aiyagari(hm.Model):
    period = "year"
    discount_factor: float = hm.parameter("beta", above=0, below=1)
    risk_aversion: float = hm.parameter("CRRA coefficient, 1 is log", above=0)
    capital_share: float = hm.parameter("alpha", above=0, below=1)
    depreciation: float = hm.parameter("delta", at_least=0, at_most=1)
    persistence: float = hm.parameter("of log labor", above=-1, below=1)
    stationary_sd: float = hm.parameter("unconditional sd of log labor", above=0)
    borrowing_limit: float = hm.parameter("lowest assets", at_most=0)
    maximum_assets: float = hm.parameter("top of the asset grid", above=0)

    def idiosyncratic_shock(self):
        return hm.AR1(
            "labor",
            persistence=self.persistence,
            stationary_sd=self.stationary_sd,
            states=7,
            method="tauchen",
            exponential=True,
            unit_mean=True,
            tolerance=0.2,  # his chain, whose standard deviation is up to 17 percent above what it stands for
        )

    def asset_space(self):
        return hm.Assets(lower=self.borrowing_limit, upper=self.maximum_assets)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def production(self):
        return hm.CobbDouglas(self.capital_share, self.depreciation)

    def aggregates(self, assets, own, today):
        return {"capital": assets, "labor": own.labor}

    def prices(self, today):
        return {
            "interest_rate": self.production().interest_rate(today.capital, today.labor),
            "wage": self.production().wage(today.capital, today.labor),
        }

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + today.wage * own.labor

    def signal(self, today):
        return {"interest_rate": today.interest_rate, "wage": today.wage}

    def outcomes(self, today):
        return {"output": self.production().output(today.capital, today.labor)}

    def units(self):
        return {"interest_rate": "rate"}

    def goods_market(self, today, choices, tomorrow):
        left = today.output + (1.0 - self.depreciation) * today.capital
        return (left - choices.consumption - tomorrow.capital) / today.output
