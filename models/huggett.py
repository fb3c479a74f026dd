"""Huggett (1993): uninsured income risk and bonds in fixed supply, with aggregate income risk.

Bonds pay the rate at which households together hold the supply to the next period. Income moves with the state of the
economy; the interest on the supply is paid from outside, as in the source of the calibration.
"""

import hank_mfg as hm


class Huggett(hm.Model):
    period = "quarter"
    discount_factor: float = hm.parameter("beta", above=0, below=1)
    risk_aversion: float = hm.parameter("CRRA coefficient, 1 is log", above=0)
    persistence: float = hm.parameter("of log individual income", above=-1, below=1)
    stationary_sd: float = hm.parameter("unconditional sd of log individual income", above=0)
    aggregate_persistence: float = hm.parameter("of log aggregate income", above=-1, below=1)
    aggregate_sd: float = hm.parameter("unconditional sd of log aggregate income", above=0)
    bond_supply: float = hm.parameter("bonds per household")
    borrowing_limit: float = hm.parameter("lowest bond holding")
    maximum_assets: float = hm.parameter("top of the bond grid", above=0)
    lowest_rate: float = hm.parameter("below any rate that clears the market", above=-1, below=0)
    highest_rate: float = hm.parameter("above any rate that clears the market", above=0)

    def aggregate_shocks(self):
        return hm.AR1(
            "aggregate_income", persistence=self.aggregate_persistence, stationary_sd=self.aggregate_sd,
            states=3, exponential=True, unit_mean=True,
        )  # fmt: skip

    def idiosyncratic_shock(self):
        return hm.AR1(
            "income", persistence=self.persistence, stationary_sd=self.stationary_sd,
            states=3, exponential=True, unit_mean=True,
        )  # fmt: skip

    def asset_space(self):
        return hm.Assets(lower=self.borrowing_limit, upper=self.maximum_assets)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def aggregates(self, assets, own, today):
        return {"bonds": assets, "income": own.income * today.aggregate_income}

    def clearing_prices(self):
        return {"interest_rate": hm.Bracket(self.lowest_rate, self.highest_rate)}

    def excess_demand(self, today, choices):
        return {"bonds": (choices.savings - self.bond_supply) / today.income}

    def prices(self, today):
        return {}

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + own.income * today.aggregate_income

    def signal(self, today):
        return {"interest_rate": today.interest_rate, "aggregate_income": today.aggregate_income}

    def units(self):
        return {"interest_rate": "rate"}

    def goods_market(self, today, choices, tomorrow):
        interest = today.interest_rate * self.bond_supply
        return (today.income + interest - choices.consumption) / today.income
