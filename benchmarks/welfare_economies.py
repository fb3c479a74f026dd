"""The economies of benchmarks/welfare.py, docs/welfare.md and the tests of welfare."""

import hank_mfg as hm


class Production(hm.Model):
    """Households with skills who save in capital, and firms that hire both: what the economies below share."""

    period = "year"
    discount_factor: float = hm.parameter("beta", above=0, below=1, default=0.96)
    risk_aversion: float = hm.parameter("CRRA", above=0, default=2.0)
    capital_share: float = hm.parameter("alpha", above=0, below=1, default=0.36)
    depreciation: float = hm.parameter("delta", above=0, below=1, default=0.08)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def aggregates(self, assets, own, today):
        return {"capital": assets, "labor": own.skill}

    def output(self, today):
        return today.capital**self.capital_share * today.labor ** (1 - self.capital_share)

    def rate(self, today):
        return self.capital_share * self.output(today) / today.capital - self.depreciation

    def wage(self, today):
        return (1 - self.capital_share) * self.output(today) / today.labor

    def signal(self, today):
        return {"capital": today.capital}


class Taxes(Production):
    """Aiyagari's economy with taxes on capital income and on labor, which pay for government spending."""

    capital_tax: float = hm.parameter("on the return to capital", below=1, default=0.2)
    labor_tax: float = hm.parameter("on earnings", below=1, default=0.22)
    spending: float = hm.parameter("of the government", at_least=0, default=0.307)

    def idiosyncratic_shock(self):
        return hm.AR1("skill", persistence=0.9, stationary_sd=0.4, states=5, exponential=True, unit_mean=True)

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=150.0)

    def prices(self, today):
        rate, wage = self.rate(today), self.wage(today)
        net = {"net_rate": (1 - self.capital_tax) * rate, "net_wage": (1 - self.labor_tax) * wage}
        return {"interest_rate": rate, "wage": wage, **net}

    def resources(self, assets, own, today):
        return (1 + today.net_rate) * assets + today.net_wage * own.skill

    def outcomes(self, today):
        revenue = self.capital_tax * today.interest_rate * today.capital + self.labor_tax * today.wage * today.labor
        return {"government_budget": revenue - self.spending, "output": self.output(today)}

    def goods_market(self, today, choices, tomorrow):
        public = self.spending + today.government_budget
        investment = tomorrow.capital - (1 - self.depreciation) * today.capital
        return (today.output - choices.consumption - investment - public) / today.output


class Unequal(Production):
    """Davila, Hong, Krusell and Rios-Rull (2012): earnings that spread wealth as in the US, capital, and a wage."""

    discount_factor: float = hm.parameter("beta", above=0, below=1, default=0.887)
    spread: float = hm.parameter("of skills, one as published", at_least=0, default=1.0)
    top: float = hm.parameter("of the asset grid", above=0, default=4000.0)

    def idiosyncratic_shock(self):
        skill = [5.5 + self.spread * (each - 5.5) for each in (1.0, 5.29, 46.55)]
        return hm.MarkovChain([[0.992, 0.008, 0.0], [0.009, 0.980, 0.011], [0.0, 0.083, 0.917]], skill=skill)

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=self.top)

    def prices(self, today):
        return {"output": self.output(today), "interest_rate": self.rate(today), "wage": self.wage(today)}

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + today.wage * own.skill


class RiskyUnequal(Unequal):
    """The same with productivity that moves between two states."""

    risk: float = hm.parameter("productivity in good times less one", at_least=0, below=1, default=0.05)
    staying: float = hm.parameter("probability that times stay", above=0, below=1, default=0.875)

    def aggregate_shocks(self):
        chain = [[self.staying, 1 - self.staying], [1 - self.staying, self.staying]]
        return hm.MarkovChain(chain, productivity=[1 - self.risk, 1 + self.risk])

    def output(self, today):
        return today.productivity * super().output(today)

    def signal(self, today):
        return {"capital": today.capital, "productivity": today.productivity}
