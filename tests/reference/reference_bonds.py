"""Relatives of Huggett's economy that several tests need: a rate that is promised, hours that are chosen, firms."""

import jax
import jax.numpy as jnp
import numpy as np

import hank_mfg as hm

Huggett = type(hm.load_model("huggett"))


class Promised(Huggett):
    """Bonds pay tomorrow the rate that clears today's market; a lump-sum tax pays the interest."""

    def state_variables(self):
        return {"promised_rate": 0.0}

    def next_state(self, today):
        return {"promised_rate": today.interest_rate}

    def prices(self, today):
        return {"promise": 1.0 * today.promised_rate, "tax": today.promised_rate * self.bond_supply}

    def resources(self, assets, own, today):
        return (1.0 + today.promise) * assets + own.income * today.aggregate_income - today.tax

    def goods_market(self, today, choices, tomorrow):
        return (today.income - choices.consumption) / today.income


class Working(Huggett):
    """Huggett's economy in which people choose hours at a wage of one per unit of income and earn nothing else."""

    frisch: float = hm.parameter("elasticity of hours", above=0, default=0.5)
    disutility: float = hm.parameter("weight of effort", above=0, default=1.0)

    def preferences(self):
        return hm.Separable(self.risk_aversion, frisch=self.frisch, disutility=self.disutility)

    def hourly_wage(self, own, today):
        return own.income * today.aggregate_income

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets

    def outcomes(self, today):
        return {}

    def goods_market(self, today, choices, tomorrow):
        return (choices.earnings + today.interest_rate * self.bond_supply - choices.consumption) / today.income


class Effortless(Working):
    """With GHH preferences hours do not depend on wealth."""

    def preferences(self):
        return hm.GHH(self.risk_aversion, frisch=self.frisch, disutility=self.disutility)


class Priced(Huggett):
    """Huggett's economy beside firms whose costs are a shock: what they charge follows from the shocks alone."""

    elasticity: float = hm.parameter("of demand", above=1, default=6.0)
    slope: float = hm.parameter("of the Phillips curve in marginal cost", above=0, default=0.1)
    patience_of_firms: float = hm.parameter("what a unit of profit tomorrow is worth", above=0, below=1, default=0.9)

    def clearing_prices(self):
        return {**super().clearing_prices(), "inflation": hm.Bracket(-0.5, 0.5)}

    def cost(self, today):
        """Marginal cost, its mean that of no inflation."""
        return (1 - 1 / self.elasticity) * today.aggregate_income

    def profit(self, price, before, today):
        growth = jnp.log(price / before * (1 + today.inflation))
        demand = today.aggregate_income * price**-self.elasticity
        adjustment = self.elasticity / self.slope / 2 * growth**2 * today.aggregate_income
        return demand * (price - self.cost(today)) - adjustment

    def profit_discounting(self, today, tomorrow):
        return self.patience_of_firms / (1 + tomorrow.aggregate_income)

    def outcomes(self, today):
        return {"cost": self.cost(today)}


def phillips(model: Priced) -> tuple[np.ndarray, np.ndarray]:
    """The condition of firms as log(1 + pi) = margin + worth @ log(1 + pi'), (shocks,) and (shocks, shocks)."""
    with jax.enable_x64(True):
        economy = hm.discretize(model, 10, jnp.float64)
    z, probabilities = np.asarray(economy.shock_values["aggregate_income"]), np.asarray(economy.shock_transition)
    margin = model.slope * (z - 1) * (1 - 1 / model.elasticity)
    return margin, probabilities * model.patience_of_firms / (1 + z)[None, :] * z[None, :] / z[:, None]


class Expecting(Priced):
    """The same economy with its Phillips curve as a declared expectation, and a share in income less than one for one:
    its price, discounted at a rate of its own, follows from the shocks alone."""

    profit = hm.Model.profit

    def clearing_prices(self):
        return {**super().clearing_prices(), "share_price": hm.Bracket(1.0, 30.0)}

    def expectations(self, today, tomorrow):
        worth = self.patience_of_firms / (1 + tomorrow.aggregate_income)
        growth = tomorrow.aggregate_income / today.aggregate_income
        share = self.patience_of_firms * (self.dividend(tomorrow) + tomorrow.share_price)
        return {"inflation_term": worth * growth * jnp.log1p(tomorrow.inflation), "share": share}

    def dividend(self, today):
        """What a share pays."""
        return jnp.sqrt(today.aggregate_income)

    def excess_demand(self, today, choices):
        margin = self.slope * (self.cost(today) - (1 - 1 / self.elasticity))
        curve = margin + today.expected.inflation_term - jnp.log1p(today.inflation)
        share = today.expected.share - today.share_price
        return {**super().excess_demand(today, choices), "phillips": curve, "share": share}

    def units(self):
        return {**super().units(), "inflation_term": "rate"}
