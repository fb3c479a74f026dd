"""A one-asset HANK economy: government bonds, sticky prices, a Taylor rule with memory, and a fiscal rule.

Households choose hours and bonds; firms choose their price at Rotemberg's cost; the central bank sets the nominal rate
of the next period, never below `lower_bound`; taxes react to debt and to inflation of the period before.
"""

import jax.numpy as jnp

import hank_mfg as hm


class OneAssetHANK(hm.Model):
    period = "quarter"
    discount_factor: float = hm.parameter("beta, mean", above=0, below=1)
    risk_aversion: float = hm.parameter("one over the elasticity of intertemporal substitution", above=0)
    frisch: float = hm.parameter("elasticity of hours in the wage", above=0)
    disutility: float = hm.parameter("weight of hours in utility", above=0)
    persistence: float = hm.parameter("of log individual productivity", above=-1, below=1)
    stationary_sd: float = hm.parameter("unconditional sd of log individual productivity", above=0)
    maximum_assets: float = hm.parameter("top of the bond grid", above=0)
    markup: float = hm.parameter("desired price over marginal cost", above=1)
    slope: float = hm.parameter("of the Phillips curve in marginal cost, kappa", above=0)
    natural_rate: float = hm.parameter("nominal rate at zero inflation", above=-1)
    taylor: float = hm.parameter("reaction of the nominal rate to inflation", above=0)
    smoothing: float = hm.parameter("weight of the last nominal rate in the rule", at_least=0, below=1)
    lower_bound: float = hm.parameter("of the nominal rate", above=-1)
    debt: float = hm.parameter("government bonds at rest", above=0)
    debt_feedback: float = hm.parameter("reaction of taxes to debt", above=0)
    inflation_feedback: float = hm.parameter("reaction of taxes to inflation of the period before")
    productivity_persistence: float = hm.parameter("of log productivity", above=-1, below=1)
    productivity_sd: float = hm.parameter("unconditional sd of log productivity", above=0)
    monetary_persistence: float = hm.parameter("of the monetary shock", above=-1, below=1)
    monetary_sd: float = hm.parameter("unconditional sd of the monetary shock", above=0)
    patience_persistence: float = hm.parameter("of the discount-factor shock", above=-1, below=1)
    patience_sd: float = hm.parameter("unconditional sd of the log discount-factor shock", above=0)

    def aggregate_shocks(self):
        productivity = {"persistence": self.productivity_persistence, "stationary_sd": self.productivity_sd}
        patience = {"persistence": self.patience_persistence, "stationary_sd": self.patience_sd}
        monetary = {"persistence": self.monetary_persistence, "stationary_sd": self.monetary_sd}
        logs = {"exponential": True, "unit_mean": True}
        return (
            hm.AR1("patience", **patience, **logs, states=5),
            hm.AR1("productivity", **productivity, **logs, states=2),
            hm.AR1("monetary", **monetary, states=3),
        )

    def idiosyncratic_shock(self):
        sizes = {"persistence": self.persistence, "stationary_sd": self.stationary_sd}
        return hm.AR1("skill", **sizes, states=7, exponential=True, unit_mean=True)

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=self.maximum_assets)

    def preferences(self):
        return hm.Separable(self.risk_aversion, frisch=self.frisch, disutility=self.disutility)

    def discounting(self, own, today):
        return self.discount_factor * today.patience

    def hourly_wage(self, own, today):
        return today.wage * own.skill

    def aggregates(self, assets, own, today):
        return {"bonds": assets, "skill": own.skill}

    def clearing_prices(self):
        return {"wage": hm.Bracket(0.2, 2.0), "output": hm.Bracket(0.5, 1.5), "inflation": hm.Bracket(-0.2, 0.2)}

    def state_variables(self):
        return {"nominal_rate": self.natural_rate, "public_debt": self.debt, "last_inflation": 0.0}

    def prices(self, today):
        rate = (1 + today.nominal_rate) / (1 + today.inflation) - 1
        taxes = rate * today.public_debt + self.debt_feedback * (today.public_debt - self.debt)
        taxes += self.inflation_feedback * today.last_inflation
        return {"interest_rate": rate, "taxes": taxes, "dividends": self.profit(1, 1, today)}

    def profit(self, price, before, today):
        elasticity = self.markup / (self.markup - 1)
        margin = price - today.wage / today.productivity
        growth = jnp.log(price / before * (1 + today.inflation))
        return today.output * (price**-elasticity * margin - elasticity / self.slope / 2 * growth**2)

    def profit_discounting(self, today, tomorrow):
        return 1 / (1 + tomorrow.interest_rate)

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + (today.dividends - today.taxes) * own.skill

    def excess_demand(self, today, choices):
        bonds = choices.savings - self.next_state(today)["public_debt"]
        labor = today.output / today.productivity - choices.earnings / today.wage
        return {"bonds": bonds / self.debt, "labor": labor}

    def next_state(self, today):
        target = self.natural_rate + self.taylor * today.inflation
        rate = self.smoothing * today.nominal_rate + (1 - self.smoothing) * target + today.monetary
        debt = (1 + today.interest_rate) * today.public_debt - today.taxes
        rate = jnp.maximum(rate, self.lower_bound)
        return {"nominal_rate": rate, "public_debt": debt, "last_inflation": today.inflation}

    def signal(self, today):
        moving = {"productivity": today.productivity, "patience": today.patience, "monetary": today.monetary}
        before = ("nominal_rate", "public_debt", "last_inflation")
        return {**moving, **{name: today[name] for name in before}}

    def outcomes(self, today):
        return {"hours_demanded": today.output / today.productivity}

    def units(self):
        return dict.fromkeys(("interest_rate", "nominal_rate", "inflation", "last_inflation", "monetary"), "rate")

    def goods_market(self, today, choices, tomorrow):
        costs = today.output - today.wage * today.hours_demanded - today.dividends
        return (today.output - choices.consumption - costs) / today.output
