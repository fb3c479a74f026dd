"""Krusell and Smith's economy with dynasties whose patience differs, calibrated to the distribution of US wealth.

Every quarter a dynasty's discount factor is drawn anew with the probability `redrawn`, from the same shares of types;
in between it stays: about once in two generations. Patient dynasties accumulate while they are patient, which spreads
wealth far to the right; the least patient hold almost none. Employment and productivity are those of `krusell_smith`.
"""

from typing import Any

import jax.numpy as jnp

import hank_mfg as hm


class KrusellSmithWealth(hm.Model):
    period = "quarter"
    discount_factor: Any = hm.parameter("beta of every type, least patient first", above=0, below=1)
    type_shares: Any = hm.parameter("shares of the types, which sum to one", above=0, below=1)
    redrawn: float = hm.parameter("probability that a type is drawn anew", above=0, below=1)
    risk_aversion: float = hm.parameter("CRRA coefficient, 1 is log", above=0)
    capital_share: float = hm.parameter("alpha", above=0, below=1)
    depreciation: float = hm.parameter("delta", at_least=0, at_most=1)
    time_endowment: float = hm.parameter("labor supplied when employed", above=0)
    unemployment_benefit: float = hm.parameter("benefit as a share of the wage", at_least=0, below=1)
    productivity: Any = hm.parameter("z in each aggregate state, worst first", above=0)
    joint_transition: Any = hm.parameter("(aggregate, unemployed or employed) to the same", at_least=0, at_most=1)
    borrowing_limit: float = hm.parameter("lowest assets", at_most=0)
    maximum_assets: float = hm.parameter("top of the asset grid", above=0)

    def aggregate_shocks(self):
        aggregate, _ = hm.split_joint_chain(self.joint_transition, own_states=2)
        return hm.MarkovChain(aggregate, productivity=self.productivity)

    def idiosyncratic_shock(self):
        _, employment = hm.split_joint_chain(self.joint_transition, own_states=2)
        work = hm.ConditionalChain(employment, employed=[0.0, 1.0])
        shares = jnp.asarray(self.type_shares)
        anew = (1.0 - self.redrawn) * jnp.eye(len(shares)) + self.redrawn * shares[None, :]
        return hm.independent_chains(hm.MarkovChain(anew, patience=self.discount_factor), work)

    def discounting(self, own, today):
        return own.patience

    def asset_space(self):
        return hm.Assets(lower=self.borrowing_limit, upper=self.maximum_assets, pivot=1.0)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def production(self):
        return hm.CobbDouglas(self.capital_share, self.depreciation)

    def aggregates(self, assets, own, today):
        return {
            "capital": assets,
            "labor": self.time_endowment * own.employed,
            "unemployment": 1.0 - own.employed,
        }

    def prices(self, today):
        factors = (today.capital, today.labor, today.productivity)
        return {
            "interest_rate": self.production().interest_rate(*factors),
            "wage": self.production().wage(*factors),
            "tax": self.unemployment_benefit * today.unemployment / today.labor,
        }

    def resources(self, assets, own, today):
        earnings = (1.0 - today.tax) * self.time_endowment * own.employed
        benefits = self.unemployment_benefit * (1.0 - own.employed)
        return (1.0 + today.interest_rate) * assets + (earnings + benefits) * today.wage

    def signal(self, today):
        return {
            "productivity": today.productivity,
            "interest_rate": today.interest_rate,
            "wage": today.wage,
        }

    def outcomes(self, today):
        return {"output": self.production().output(today.capital, today.labor, today.productivity)}

    def units(self):
        return {"interest_rate": "rate", "tax": "share", "unemployment": "share"}

    def goods_market(self, today, choices, tomorrow):
        left = today.output + (1.0 - self.depreciation) * today.capital
        return (left - choices.consumption - tomorrow.capital) / today.output
