"""Relatives of Huggett's economy that several tests need: a rate that is promised, hours that are chosen."""

import hank_mfg as hm

Huggett = type(hm.load_model("huggett"))


class Promised(Huggett):
    """Bonds pay tomorrow the rate that clears today's market; a lump-sum tax pays the interest."""

    def carried(self):
        return {"promised_rate": 0.0}

    def carry(self, today):
        return {"promised_rate": today.interest_rate}

    def prices(self, aggregates, shocks):
        return {"promise": 1.0 * aggregates.promised_rate, "tax": aggregates.promised_rate * self.bond_supply}

    def resources(self, assets, own, prices, shocks):
        return (1.0 + prices.promise) * assets + own.income * shocks.aggregate_income - prices.tax

    def goods_market(self, today, choices, tomorrow):
        return (today.income - choices.consumption) / today.income


class Working(Huggett):
    """Huggett's economy in which people choose hours at a wage of one per unit of income and earn nothing else."""

    frisch: float = hm.parameter("elasticity of hours", above=0, default=0.5)
    disutility: float = hm.parameter("weight of effort", above=0, default=1.0)

    def preferences(self):
        return hm.Separable(self.risk_aversion, frisch=self.frisch, disutility=self.disutility)

    def hourly_wage(self, own, prices, shocks):
        return own.income * shocks.aggregate_income

    def resources(self, assets, own, prices, shocks):
        return (1.0 + prices.interest_rate) * assets

    def outcomes(self, aggregates, prices, shocks):
        return {}

    def goods_market(self, today, choices, tomorrow):
        return (choices.earnings + today.interest_rate * self.bond_supply - choices.consumption) / today.income


class Effortless(Working):
    """With GHH preferences hours do not depend on wealth."""

    def preferences(self):
        return hm.GHH(self.risk_aversion, frisch=self.frisch, disutility=self.disutility)
