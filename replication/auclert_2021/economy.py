"""The one-asset HANK economy that is estimated: a Taylor rule that also reacts to output, and public spending.

Shocks move the policy rate, public spending, which taxes pay for at once, and the Phillips curve (the markup).
"""

from typing import Any

import jax.numpy as jnp

import hank_mfg as hm


class EstimatedHANK(hm.Model):
    """Section B.2 of Auclert, Bardoczy, Rognlie and Straub (2021), with the shocks of their estimation."""

    period = "quarter"
    discount_factor: float = hm.parameter("beta", above=0, below=1)
    risk_aversion: float = hm.parameter("one over the elasticity of intertemporal substitution", above=0)
    frisch: float = hm.parameter("elasticity of hours in the wage", above=0)
    disutility: float = hm.parameter("weight of hours in utility", above=0)
    persistence: float = hm.parameter("of log individual productivity", above=-1, below=1)
    stationary_sd: float = hm.parameter("unconditional sd of log individual productivity", above=0)
    maximum_assets: float = hm.parameter("top of the bond grid", above=0)
    markup: float = hm.parameter("desired price over marginal cost", above=1)
    natural_rate: float = hm.parameter("nominal rate at zero inflation", above=-1)
    debt: float = hm.parameter("government bonds", above=0)
    taylor: float = hm.parameter("reaction of the nominal rate to inflation, phi", above=0)
    taylor_output: float = hm.parameter("reaction of the nominal rate to output, phi_y")
    slope: float = hm.parameter("of the Phillips curve in marginal cost, kappa", above=0)
    monetary_sd: float = hm.parameter("sd of innovations to the rate, percent a quarter", above=0)
    monetary_persistence: float = hm.parameter("of the monetary shock", above=-1, below=1)
    spending_sd: float = hm.parameter("sd of innovations to spending, percent of output", above=0)
    spending_persistence: float = hm.parameter("of public spending", above=-1, below=1)
    markup_sd: float = hm.parameter("sd of innovations to the Phillips curve, percent a quarter", above=0)
    markup_persistence: float = hm.parameter("of the markup shock", above=-1, below=1)

    def aggregate_shocks(self):
        return (
            hm.AR1("monetary", self.monetary_persistence, innovation_sd=self.monetary_sd / 100, states=3),
            hm.AR1("spending", self.spending_persistence, innovation_sd=self.spending_sd / 100, states=3),
            hm.AR1("markup_shock", self.markup_persistence, innovation_sd=self.markup_sd / 100, states=3),
        )

    def idiosyncratic_shock(self):
        own: Any = {"persistence": self.persistence, "stationary_sd": self.stationary_sd}
        return hm.AR1("skill", **own, states=7, exponential=True, unit_mean=True)

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=self.maximum_assets)

    def preferences(self):
        return hm.Separable(self.risk_aversion, frisch=self.frisch, disutility=self.disutility)

    def hourly_wage(self, own, today):
        return today.wage * own.skill

    def aggregates(self, assets, own, today):
        return {"bonds": assets, "skill": own.skill}

    def clearing_prices(self):
        return {"wage": hm.Bracket(0.2, 2.0), "output": hm.Bracket(0.5, 1.5), "inflation": hm.Bracket(-0.2, 0.2)}

    def state_variables(self):
        return {"nominal_rate": self.natural_rate}

    def prices(self, today):
        rate = (1 + today.nominal_rate) / (1 + today.inflation) - 1
        taxes = rate * self.debt + today.spending
        return {"interest_rate": rate, "taxes": taxes, "dividends": self.profit(1, 1, today)}

    def profit(self, price, before, today):
        elasticity = self.markup / (self.markup - 1)
        growth = jnp.log(price / before * (1 + today.inflation))
        demand = today.output * price**-elasticity * (price - today.wage)
        shock = today.output * elasticity / self.slope * today.markup_shock * jnp.log(price)  # of the Phillips curve
        return demand - today.output * elasticity / self.slope / 2 * growth**2 + shock

    def profit_discounting(self, today, tomorrow):
        return 1 / (1 + tomorrow.interest_rate)

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + (today.dividends - today.taxes) * own.skill

    def excess_demand(self, today, choices):
        return {
            "bonds": (choices.savings - self.debt) / self.debt,
            "labor": today.output - choices.earnings / today.wage,
        }

    def next_state(self, today):
        rate = self.natural_rate + self.taylor * today.inflation + self.taylor_output * (today.output - 1)
        return {"nominal_rate": rate + today.monetary}

    def signal(self, today):
        return {name: today[name] for name in ("monetary", "spending", "markup_shock", "nominal_rate")}

    def units(self):
        return dict.fromkeys(("interest_rate", "nominal_rate", "inflation", "monetary", "markup_shock"), "rate")

    def goods_market(self, today, choices, tomorrow):
        costs = today.output - today.wage * today.output - today.dividends
        return (today.output - choices.consumption - today.spending - costs) / today.output
