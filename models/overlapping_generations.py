"""Sixty overlapping generations with aggregate risk: productivity, and a depreciation rate that is seldom a disaster.

Everybody lives from 21 to 80. Households of one age are alike: they earn a wage times the labor that their age
supplies, save in capital, may not borrow, and leave nothing. In about one year in thirteen nine tenths of all capital
are lost.

Source: Azinovic, Gaegauf and Scheidegger (2022), International Economic Review 63(4), "Deep equilibrium nets"; the
calibration of the version of 2019.
"""

from typing import Any

import jax.numpy as jnp

import hank_mfg as hm

DECADES = (30, 40, 50, 60, 70)  # ages above which the capital of ten years is shown to everybody


class OverlappingGenerations(hm.Model):
    discount_factor: float = hm.parameter("beta", above=0, below=1)
    risk_aversion: float = hm.parameter("CRRA coefficient, 1 is log", above=0)
    capital_share: float = hm.parameter("alpha", above=0, below=1)
    productivity: Any = hm.parameter("total factor productivity in each of its states, equally likely", above=0)
    depreciation: Any = hm.parameter("depreciation rate in each of its states", at_least=0, at_most=1)
    staying: Any = hm.parameter("probability that the depreciation rate stays in each state", at_least=0, at_most=1)
    labor_ages: Any = hm.parameter("ages between which labor is linear", above=0)
    labor_supplied: Any = hm.parameter("labor at these ages", above=0)
    maximum_assets: float = hm.parameter("top of the asset grid", above=0)

    period = "year"

    def ages(self):
        return hm.Ages([1.0] * 59 + [0.0], first=21)

    def aggregate_shocks(self):
        equally = jnp.full((len(self.productivity),) * 2, 1 / len(self.productivity))
        stay = jnp.asarray(self.staying)
        moves = jnp.stack([jnp.stack([stay[0], 1 - stay[0]]), jnp.stack([1 - stay[1], stay[1]])])
        return (
            hm.MarkovChain(equally, productivity=self.productivity),
            hm.MarkovChain(moves, depreciation=self.depreciation),
        )

    def idiosyncratic_shock(self):
        return hm.MarkovChain([[1.0]], luck=[1.0])

    def asset_space(self):
        return hm.Assets(0.0, self.maximum_assets)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def labor(self, own):
        """Units of labor that a household of an age supplies."""
        return jnp.interp(own.age, jnp.asarray(self.labor_ages), jnp.asarray(self.labor_supplied))

    def aggregates(self, assets, own, today):
        groups = {f"capital_{age}": jnp.where((own.age > age) & (own.age <= age + 10), assets, 0.0) for age in DECADES}
        return {"capital": assets, "labor": self.labor(own), **groups}

    def prices(self, today):
        output = today.productivity * today.capital**self.capital_share * today.labor ** (1 - self.capital_share)
        return {
            "output": output,
            "interest_rate": self.capital_share * output / today.capital - today.depreciation,
            "wage": (1 - self.capital_share) * output / today.labor,
        }

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + today.wage * self.labor(own)

    def signal(self, today):
        shares = {f"share_{age}": today[f"capital_{age}"] / today.capital for age in DECADES}
        shocks = {"productivity": today.productivity, "depreciation": today.depreciation}
        return {"log_capital": jnp.log(today.capital), **shocks, **shares}

    def goods_market(self, today, choices, tomorrow):
        supplied = today.output + (1 - today.depreciation) * today.capital
        return (supplied - choices.consumption - tomorrow.capital) / today.output
