"""Huggett (1993): uninsured risk of losing nine tenths of income, and credit with a limit on what is owed.

A credit balance a' bought today costs q a' and pays a' next period; credits are in zero net supply, and q is found in
every period. The limit is on the face value a', as in the source: c + q a' = a + e, a' >= limit.
"""

import hank_mfg as hm


class Huggett1993(hm.Model):
    period = "two months"
    discount_factor: float = hm.parameter("beta", above=0, below=1)
    risk_aversion: float = hm.parameter("CRRA coefficient, 1 is log", above=0)
    low_income: float = hm.parameter("income while it is low; otherwise one", above=0, below=1)
    stays_high: float = hm.parameter("probability that high income stays high", above=0, below=1)
    becomes_high: float = hm.parameter("probability that low income becomes high", above=0, below=1)
    credit_limit: float = hm.parameter("lowest credit balance, face value", at_most=0)
    maximum_assets: float = hm.parameter("top of the grid of credit balances", above=0)
    lowest_price: float = hm.parameter("below any price that clears the market", above=0)
    highest_price: float = hm.parameter("above any price that clears the market", above=0)

    def idiosyncratic_shock(self):
        high, low = self.stays_high, self.becomes_high
        return hm.MarkovChain([[1 - low, low], [1 - high, high]], income=[self.low_income, 1.0])

    def asset_space(self):
        return hm.Assets(lower=self.credit_limit, upper=self.maximum_assets)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def aggregates(self, assets, own, today):
        return {"credit": assets, "income": own.income}

    def clearing_prices(self):
        return {"price": hm.Bracket(self.lowest_price, self.highest_price)}

    def excess_demand(self, today, choices):
        return {"credit": choices.savings / today.income}

    def prices(self, today):
        return {"rate": 1.0 / today.price - 1.0}

    def asset_price(self, today):
        return today.price

    def resources(self, assets, own, today):
        return assets + own.income

    def signal(self, today):
        return {"price": today.price}

    def units(self):
        return {"rate": "rate"}

    def goods_market(self, today, choices, tomorrow):
        left = today.credit + today.income - choices.consumption - today.price * choices.savings
        return left / today.income
