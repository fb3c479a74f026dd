"""Krusell and Smith's economy in which productivity has a hidden persistent part.

Productivity is a persistent part, high or low, plus a transitory one. Households see prices, and so productivity,
but not its parts: how long a boom will last they must infer from history. `information` says what they see: "prices",
"lagged" (productivity of the period before), "filter" (prices and the Bayesian probability that the persistent part is
high, given all that prices ever said: the best that memory can do), or "state" (prices and the persistent part itself).
With "private" (beside prices) and "private_filter" (beside the filter) each household has hunches of its own about the
persistent part, right with a given probability, and remembers the last few of them.
"""

from typing import Any

import hank_mfg as hm


class KrusellSmithNoisy(hm.Model):
    period = "quarter"
    information: str = hm.choice(
        "what households see", default="prices",
        options=("prices", "lagged", "filter", "state", "private", "private_filter"),
    )  # fmt: skip
    private_memory: int = hm.choice("hunches that a household remembers", options=(1, 2, 3, 4, 5, 6), default=1)
    private_accuracy: float = hm.parameter("probability that a private hunch is right", at_least=0.5, at_most=1)
    discount_factor: float = hm.parameter("beta", above=0, below=1)
    risk_aversion: float = hm.parameter("CRRA coefficient, 1 is log", above=0)
    capital_share: float = hm.parameter("alpha", above=0, below=1)
    depreciation: float = hm.parameter("delta", at_least=0, at_most=1)
    stay: float = hm.parameter("probability that the persistent part stays as it is", above=0.5, below=1)
    gap: float = hm.parameter("persistent productivity is one plus or minus this", above=0)
    noise: Any = hm.parameter("probabilities of the transitory part, steps of 2 gap around zero", at_least=0, at_most=1)
    labor_persistence: float = hm.parameter("of log individual labor", above=-1, below=1)
    labor_sd: float = hm.parameter("unconditional sd of log individual labor", above=0)
    borrowing_limit: float = hm.parameter("lowest assets", at_most=0)
    maximum_assets: float = hm.parameter("top of the asset grid", above=0)

    def steps(self):
        return [number - (len(self.noise) - 1) / 2 for number in range(len(self.noise))]

    def aggregate_shocks(self):
        stay, noise = self.stay, list(self.noise)
        persistent = hm.MarkovChain([[stay, 1 - stay], [1 - stay, stay]], persistent=[-self.gap, self.gap])
        return persistent, hm.MarkovChain([noise] * len(noise), transitory=[2 * self.gap * k for k in self.steps()])

    def idiosyncratic_shock(self):
        labor = hm.AR1(
            "labor", persistence=self.labor_persistence, stationary_sd=self.labor_sd,
            states=3, exponential=True, unit_mean=True,
        )  # fmt: skip
        return hm.independent_chains(labor, self.hunches()) if self.information.startswith("private") else labor

    def hunches(self):
        right, count = self.private_accuracy, len(self.noise)
        low, high = [right, 1 - right], [1 - right, right]
        return hm.private_signals("hunch", [low] * count + [high] * count, memory=self.private_memory)

    def asset_space(self):
        return hm.Assets(lower=self.borrowing_limit, upper=self.maximum_assets)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def production(self):
        return hm.CobbDouglas(self.capital_share, self.depreciation)

    def productivity(self, today):
        return 1 + today.persistent + today.transitory

    def aggregates(self, assets, own, today):
        return {"capital": assets, "labor": own.labor}

    def state_variables(self):
        return {"prior": 0.5, "last_productivity": 1.0}

    def next_state(self, today):
        boom = self.posterior(today.prior, today)
        return {
            "prior": self.stay * boom + (1 - self.stay) * (1 - boom),
            "last_productivity": self.productivity(today),
        }

    def posterior(self, prior, today):
        """The probability of a boom given productivity today: Bayes' rule."""
        step = (self.productivity(today) - 1) / (2 * self.gap)

        def likelihood(part):  # of what productivity leaves to the transitory part; linear between its steps
            away = [abs(step - part / 2 - k) for k in self.steps()]
            return sum(odds * (1 - x) * (x < 1) for odds, x in zip(self.noise, away, strict=True))

        high, low = prior * likelihood(1), (1 - prior) * likelihood(-1)
        return high / (high + low)

    def prices(self, today):
        factors = (today.capital, today.labor, self.productivity(today))
        make = self.production()
        return {"interest_rate": make.interest_rate(*factors), "wage": make.wage(*factors)}

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + today.wage * own.labor

    def signal(self, today):
        if self.information == "lagged":
            return {"last_productivity": today.last_productivity}
        more = {
            "filter": {"boom": self.posterior(today.prior, today)},
            "state": {"persistent": today.persistent},
        }
        public = self.information.removeprefix("private_")
        return {"interest_rate": today.interest_rate, "wage": today.wage, **more.get(public, {})}

    def outcomes(self, today):
        z = self.productivity(today)
        return {"output": self.production().output(today.capital, today.labor, z), "productivity": z}

    def units(self):
        return {"interest_rate": "rate", "prior": "share"}

    def goods_market(self, today, choices, tomorrow):
        left = today.output + (1.0 - self.depreciation) * today.capital
        return (left - choices.consumption - tomorrow.capital) / today.output
