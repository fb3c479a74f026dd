"""Capital and a stock market: firms earn profits, which a share pays, and a fund holds capital and the share.

Households save in the fund. Firms with market power pay capital and labor `1 / markup` of what they add to output and
hand out the rest. The fund values the share at what it expects it to pay, discounted by the return on capital:

    p_t = E_t[ (d_{t+1} + p_{t+1}) / (1 + r_{t+1}) ].
"""

import hank_mfg as hm


class StockMarket(hm.Model):
    period = "year"
    discount_factor: float = hm.parameter("beta", above=0, below=1)
    risk_aversion: float = hm.parameter("CRRA coefficient", above=0)
    capital_share: float = hm.parameter("alpha, of what factors are paid", above=0, below=1)
    depreciation: float = hm.parameter("delta", at_least=0, at_most=1)
    markup: float = hm.parameter("price over marginal cost", above=1)
    persistence: float = hm.parameter("of log labor of a household", above=-1, below=1)
    stationary_sd: float = hm.parameter("unconditional sd of log labor of a household", above=0)
    productivity_persistence: float = hm.parameter("of log productivity", above=-1, below=1)
    productivity_sd: float = hm.parameter("unconditional sd of log productivity", above=0)
    maximum_assets: float = hm.parameter("top of the grid of wealth", above=0)

    def aggregate_shocks(self):
        sizes = {"persistence": self.productivity_persistence, "stationary_sd": self.productivity_sd}
        return hm.AR1("productivity", **sizes, states=5, exponential=True, unit_mean=True)

    def idiosyncratic_shock(self):
        sizes = {"persistence": self.persistence, "stationary_sd": self.stationary_sd}
        return hm.AR1("labor", **sizes, states=5, exponential=True, unit_mean=True)

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=self.maximum_assets)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def production(self):
        return hm.CobbDouglas(self.capital_share, self.depreciation)

    def aggregates(self, assets, own, today):
        return {"wealth": assets, "labor": own.labor}

    def clearing_prices(self):
        return {"share_price": hm.Bracket(0.1, 20.0)}

    def state_variables(self):
        return {"last_price": 2.0}

    def next_state(self, today):
        return {"last_price": today.share_price}

    def prices(self, today):
        capital = today.wealth - today.last_price
        output = self.production().output(capital, today.labor, today.productivity)
        rate = self.capital_share * output / self.markup / capital - self.depreciation
        dividend = (1 - 1 / self.markup) * output
        fund = ((1 + rate) * capital + dividend + today.share_price) / today.wealth - 1
        wage = (1 - self.capital_share) * output / self.markup / today.labor
        return {"capital": capital, "interest_rate": rate, "dividend": dividend, "fund_return": fund, "wage": wage}

    def expectations(self, today, tomorrow):
        return {"share": (tomorrow.dividend + tomorrow.share_price) / (1 + tomorrow.interest_rate)}

    def excess_demand(self, today, choices):
        return {"share": today.expected.share - today.share_price}

    def resources(self, assets, own, today):
        return (1 + today.fund_return) * assets + today.wage * own.labor

    def signal(self, today):
        return {name: today[name] for name in ("productivity", "wealth", "last_price")}

    def outcomes(self, today):
        output = self.production().output(today.capital, today.labor, today.productivity)
        return {"output": output, "price_over_dividend": today.share_price / today.dividend}

    def units(self):
        return dict.fromkeys(("interest_rate", "fund_return"), "rate")

    def goods_market(self, today, choices, tomorrow):
        investment = choices.savings - today.share_price - (1 - self.depreciation) * today.capital
        return (today.output - choices.consumption - investment) / today.output
