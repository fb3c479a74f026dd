"""Economies of the tests of welfare: a smaller one of taxes, and one in which households choose hours."""

import sys
from pathlib import Path

import hank_mfg as hm

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import welfare_economies
from welfare_economies import RiskyUnequal as RiskyUnequal
from welfare_economies import Unequal as Unequal
from welfare_economies import WealthTax as WealthTax


class Taxes(welfare_economies.Taxes):
    """The same on fewer states of skill."""

    spending: float = hm.parameter("of the government", at_least=0, default=0.3)

    def idiosyncratic_shock(self):
        return hm.AR1("skill", persistence=0.9, stationary_sd=0.4, states=3, exponential=True, unit_mean=True)

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=120.0)


class Hours(hm.Model):
    """Households who choose hours at given prices of a small open economy, with a tax on earnings and a transfer."""

    discount_factor: float = hm.parameter("beta", above=0, below=1, default=0.94)
    risk_aversion: float = hm.parameter("of consumption, or of the composite", above=0, default=1.5)
    frisch: float = hm.parameter("elasticity of hours", above=0, default=0.5)
    tax: float = hm.parameter("on earnings", below=1, default=0.3)
    transfer: float = hm.parameter("to all households", default=0.1)
    kind: str = hm.choice("of preferences", options=("separable", "ghh"), default="separable")

    def idiosyncratic_shock(self):
        return hm.MarkovChain([[0.9, 0.1], [0.1, 0.9]], skill=[0.7, 1.3])

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=40.0)

    def preferences(self):
        kind = {"separable": hm.Separable, "ghh": hm.GHH}[self.kind]
        return kind(self.risk_aversion, frisch=self.frisch, disutility=1.0)

    def aggregates(self, assets, own, today):
        return {"wealth": assets}

    def clearing_prices(self):
        return {"lump_sum": hm.Bracket(-0.4, 0.4, guess=0.05)}

    def excess_demand(self, today, choices):
        return {"budget": self.tax * choices.earnings / (1 - self.tax) - today.lump_sum - self.transfer}

    def prices(self, today):
        return {"interest_rate": 0.03, "net_wage": 1 - self.tax}

    def hourly_wage(self, own, today):
        return today.net_wage * own.skill

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + today.lump_sum + self.transfer

    def signal(self, today):
        return {"lump_sum": today.lump_sum}
