"""The economies of benchmarks/welfare.py, docs/welfare.md and the tests of welfare."""

import hank_mfg as hm
from hank_mfg.replication.published_methods.economies import Production
from hank_mfg.replication.published_methods.economies import RiskyUnequal as RiskyUnequal
from hank_mfg.replication.published_methods.economies import Unequal as Unequal


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


class WealthTax(Taxes):
    """The same with a tax on wealth beside them, a subsidy where it is negative."""

    wealth_tax: float = hm.parameter("on assets held", default=0.0)

    def prices(self, today):
        prices = super().prices(today)
        return {**prices, "net_rate": prices["net_rate"] - self.wealth_tax}

    def outcomes(self, today):
        outcomes = super().outcomes(today)
        paid = self.wealth_tax * today.capital
        return {**outcomes, "government_budget": outcomes["government_budget"] + paid}
