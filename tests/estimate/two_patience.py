"""Aiyagari's economy with two kinds of households for good, half of them less patient, half more."""

import hank_mfg as hm


class TwoPatience(hm.Model):
    period = "year"
    discount_factor: float = hm.parameter("beta, mean of the two kinds", above=0, below=1, default=0.94)
    spread: float = hm.parameter("difference of beta between the kinds", at_least=0, below=0.2, default=0.02)
    risk_aversion: float = hm.parameter("CRRA coefficient", above=0, default=1.0)
    capital_share: float = hm.parameter("alpha", above=0, below=1, default=0.36)
    depreciation: float = hm.parameter("delta", at_least=0, at_most=1, default=0.08)
    persistence: float = hm.parameter("of log labor", above=-1, below=1, default=0.9)
    stationary_sd: float = hm.parameter("unconditional sd of log labor", above=0, default=0.4)
    maximum_assets: float = hm.parameter("top of the asset grid", above=0, default=250.0)

    def idiosyncratic_shock(self):
        labor = hm.AR1(
            "labor",
            persistence=self.persistence,
            stationary_sd=self.stationary_sd,
            states=5,
            exponential=True,
            unit_mean=True,
        )
        half = 0.5 * self.spread
        kinds = hm.permanent_types(
            shares=[0.5, 0.5], patience=[self.discount_factor - half, self.discount_factor + half]
        )
        return hm.independent_chains(kinds, labor)

    def discounting(self, own, today):
        return own.patience

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=self.maximum_assets)

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

    def goods_market(self, today, choices, tomorrow):
        left = today.output + (1.0 - self.depreciation) * today.capital
        return (left - choices.consumption - tomorrow.capital) / today.output
