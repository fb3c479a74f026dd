"""Economies of published methods that are not among the shipped ones, and what they share."""

from hank_mfg.model.assets import Assets
from hank_mfg.model.base import Model, parameter
from hank_mfg.model.preferences import CRRA
from hank_mfg.model.shocks import MarkovChain


class Production(Model):
    """Households with skills who save in capital, and firms that hire both."""

    period = "year"
    discount_factor: float = parameter("beta", above=0, below=1, default=0.96)
    risk_aversion: float = parameter("CRRA", above=0, default=2.0)
    capital_share: float = parameter("alpha", above=0, below=1, default=0.36)
    depreciation: float = parameter("delta", above=0, below=1, default=0.08)

    def preferences(self):
        return CRRA(self.risk_aversion)

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


class Unequal(Production):
    """Davila, Hong, Krusell and Rios-Rull (2012): earnings that spread wealth as in the US, capital, and a wage."""

    discount_factor: float = parameter("beta", above=0, below=1, default=0.887)
    spread: float = parameter("of skills, one as published", at_least=0, default=1.0)
    top: float = parameter("of the asset grid", above=0, default=4000.0)

    def idiosyncratic_shock(self):
        skill = [5.5 + self.spread * (each - 5.5) for each in (1.0, 5.29, 46.55)]
        return MarkovChain([[0.992, 0.008, 0.0], [0.009, 0.980, 0.011], [0.0, 0.083, 0.917]], skill=skill)

    def asset_space(self):
        return Assets(lower=0.0, upper=self.top)

    def prices(self, today):
        return {"output": self.output(today), "interest_rate": self.rate(today), "wage": self.wage(today)}

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + today.wage * own.skill


class RiskyUnequal(Unequal):
    """The same with productivity that moves between two states."""

    risk: float = parameter("productivity in good times less one", at_least=0, below=1, default=0.05)
    staying: float = parameter("probability that times stay", above=0, below=1, default=0.875)

    def aggregate_shocks(self):
        chain = [[self.staying, 1 - self.staying], [1 - self.staying, self.staying]]
        return MarkovChain(chain, productivity=[1 - self.risk, 1 + self.risk])

    def output(self, today):
        return today.productivity * super().output(today)

    def signal(self, today):
        return {"capital": today.capital, "productivity": today.productivity}


class LogUtility(Production):
    """Krusell and Smith's economy in the notebook of Azinovic-Yang and Zemlicka (2025): two states of skill and of
    productivity, independent of each other."""

    discount_factor: float = parameter("beta", above=0, below=1, default=0.93)
    risk_aversion: float = parameter("CRRA", above=0, default=1.0)
    depreciation: float = parameter("delta", above=0, below=1, default=0.025)

    def idiosyncratic_shock(self):
        return MarkovChain([[0.9, 0.1], [0.1, 0.9]], skill=[0.5, 1.5])

    def aggregate_shocks(self):
        return MarkovChain([[0.7, 0.3], [0.3, 0.7]], productivity=[0.93, 1.07])

    def asset_space(self):
        return Assets(lower=0.0, upper=60.0)

    def output(self, today):
        return today.productivity * super().output(today)

    def prices(self, today):
        return {"interest_rate": self.rate(today), "wage": self.wage(today)}

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + today.wage * own.skill

    def signal(self, today):
        return {"capital": today.capital, "productivity": today.productivity}
