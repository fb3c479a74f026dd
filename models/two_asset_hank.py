"""A two-asset HANK economy: bonds held freely, illiquid accounts that cost to change, capital, sticky prices and wages.

Illiquid accounts hold all shares of firms and some bonds; banks hold the rest of the bonds for households, at a cost
that lowers the return on liquid assets. Hours are what firms demand, and unions set wages. Firms adjust capital at a
quadratic cost; the central bank sets the nominal rate of the next period; taxes on labor balance the budget.
"""

import jax.numpy as jnp

import hank_mfg as hm


class TwoAssetHANK(hm.Model):
    period = "quarter"
    discount_factor: float = hm.parameter("beta", above=0, below=1)
    risk_aversion: float = hm.parameter("one over the elasticity of intertemporal substitution", above=0)
    disutility: float = hm.parameter("weight of hours in utility", above=0)
    frisch: float = hm.parameter("elasticity of hours in the wage", above=0)
    persistence: float = hm.parameter("of log individual productivity", above=-1, below=1)
    stationary_sd: float = hm.parameter("unconditional sd of log individual productivity", above=0)
    maximum_liquid: float = hm.parameter("top of the grid of liquid assets", above=0)
    maximum_illiquid: float = hm.parameter("top of the grid of illiquid assets", above=0)
    adjustment_shift: float = hm.parameter("chi_0, what keeps the cost finite at zero assets", above=0)
    adjustment_scale: float = hm.parameter("chi_1, size of the cost of changing illiquid assets", at_least=0)
    liquidity_premium: float = hm.parameter("what banks take of the return on liquid assets", at_least=0)
    technology: float = hm.parameter("productivity at rest", above=0)
    capital_share: float = hm.parameter("exponent of capital in production", above=0, below=1)
    depreciation: float = hm.parameter("of capital", above=0, below=1)
    investment_elasticity: float = hm.parameter("elasticity of investment in Tobin's Q", above=0)
    price_markup: float = hm.parameter("desired price over marginal cost", above=1)
    price_slope: float = hm.parameter("of the price Phillips curve in marginal cost", above=0)
    wage_markup: float = hm.parameter("desired wage over what an hour costs workers", above=1)
    wage_slope: float = hm.parameter("of the wage Phillips curve", above=0)
    natural_rate: float = hm.parameter("nominal rate at zero inflation", above=-1)
    taylor: float = hm.parameter("reaction of the nominal rate to inflation", above=0)
    lowest_rate: float = hm.parameter("lower bound of the nominal rate", at_least=-1)
    bonds: float = hm.parameter("government bonds", at_least=0)
    spending: float = hm.parameter("government spending at rest", at_least=0)
    productivity_persistence: float = hm.parameter("of log productivity", above=-1, below=1)
    productivity_sd: float = hm.parameter("unconditional sd of log productivity", above=0)
    monetary_persistence: float = hm.parameter("of the monetary shock", above=-1, below=1)
    monetary_sd: float = hm.parameter("unconditional sd of the monetary shock", above=0)
    spending_persistence: float = hm.parameter("of government spending", above=-1, below=1)
    spending_sd: float = hm.parameter("unconditional sd of government spending", above=0)

    def aggregate_shocks(self):
        productivity = {"persistence": self.productivity_persistence, "stationary_sd": self.productivity_sd}
        monetary = {"persistence": self.monetary_persistence, "stationary_sd": self.monetary_sd}
        spending = {"persistence": self.spending_persistence, "stationary_sd": self.spending_sd}
        log = hm.AR1("productivity", **productivity, states=2, exponential=True, unit_mean=True)
        return log, hm.AR1("monetary", **monetary, states=2), hm.AR1("extra_spending", **spending, states=2)

    def idiosyncratic_shock(self):
        log = {"persistence": self.persistence, "stationary_sd": self.stationary_sd, "exponential": True}
        return hm.AR1("skill", **log, states=3, unit_mean=True)

    def asset_space(self):
        liquid = hm.Assets(lower=0.0, upper=self.maximum_liquid, pivot=0.25)
        return {"liquid": liquid, "illiquid": hm.Assets(lower=0.0, upper=self.maximum_illiquid, pivot=0.25)}

    def adjustment_cost(self, assets_next, assets, today):
        kept = (1 + today.illiquid_return) * assets.illiquid
        base = kept + self.adjustment_shift
        return self.adjustment_scale / 2 * (assets_next.illiquid - kept) ** 2 / base

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def choice_sums(self, choices, own, today):
        return {"value_of_earnings": own.skill * choices.consumption**-self.risk_aversion}

    def aggregates(self, assets, own, today):
        return {"liquid": assets.liquid, "illiquid": assets.illiquid}

    def at_rest(self):  # where hours are one
        cost, rate = 1 / self.price_markup, self.natural_rate
        ratio = self.capital_share * cost / (rate + self.depreciation)  # capital over output
        output = (self.technology * ratio**self.capital_share) ** (1 / (1 - self.capital_share))
        wage = cost * (1 - self.capital_share) * output
        price = (output - wage - self.depreciation * ratio * output) / rate
        return {"output": output, "wage": wage, "capital_next": ratio * output, "equity_price": price}

    def clearing_prices(self):
        around = {name: hm.Bracket(0.4 * value, 2 * value, guess=value) for name, value in self.at_rest().items()}
        return {**around, "inflation": hm.Bracket(-0.1, 0.1)}

    def state_variables(self):
        rest = self.at_rest()
        last = {"last_wage": rest["wage"], "last_equity_price": rest["equity_price"]}
        return {"capital": rest["capital_next"], "nominal_rate": self.natural_rate, **last}

    def prices(self, today):
        rate = (1 + today.nominal_rate) / (1 + today.inflation) - 1
        effective = self.technology * today.productivity * today.capital**self.capital_share
        hours = (today.output / effective) ** (1 / (1 - self.capital_share))
        growth = today.capital_next / today.capital - 1
        adjustment = growth**2 / (2 * self.depreciation * self.investment_elasticity)
        investment = today.capital * (growth + self.depreciation + adjustment)
        menu = self.price_markup / (self.price_markup - 1) / (2 * self.price_slope) * jnp.log(1 + today.inflation) ** 2
        dividends = today.output * (1 - menu) - today.wage * hours - investment
        taxes = rate * self.bonds + self.spending + today.extra_spending
        bonds = today.illiquid - today.last_equity_price  # in illiquid accounts
        account = dividends + today.equity_price + (1 + rate) * bonds
        policy_rate = self.natural_rate + today.monetary + self.taylor * today.inflation
        return {
            "policy_rate": jnp.maximum(policy_rate, self.lowest_rate), "interest_rate": rate, "hours": hours,
            "investment": investment, "dividends": dividends, "price_costs": menu * today.output,
            "earnings": today.wage * hours - taxes, "liquid_return": rate - self.liquidity_premium,
            "illiquid_return": account / today.illiquid - 1,
        }  # fmt: skip

    def outcomes(self, today):
        growth = today.capital_next / today.capital - 1
        return {
            "marginal_cost": today.wage * today.hours / ((1 - self.capital_share) * today.output),
            "tobins_q": 1 + growth / (self.depreciation * self.investment_elasticity),
            "wage_inflation": (1 + today.inflation) * today.wage / today.last_wage - 1,
        }

    def resources(self, assets, own, today):
        liquid = (1 + today.liquid_return) * assets.liquid
        return liquid + (1 + today.illiquid_return) * assets.illiquid + today.earnings * own.skill

    def expectations(self, today, tomorrow):
        discount = 1 / (1 + tomorrow.interest_rate)
        product = self.capital_share * tomorrow.marginal_cost * tomorrow.output
        capital = (product - tomorrow.investment + tomorrow.capital_next * tomorrow.tobins_q) / tomorrow.capital
        raises = tomorrow.output / today.output * jnp.log(1 + tomorrow.inflation)
        return {
            "raises": discount * raises, "wage_raises": self.discount_factor * jnp.log(1 + tomorrow.wage_inflation),
            "capital": discount * capital, "equity": discount * (tomorrow.dividends + tomorrow.equity_price),
        }  # fmt: skip

    def excess_demand(self, today, choices):
        margin = self.price_slope * (today.marginal_cost - 1 / self.price_markup)
        worth = today.earnings * choices.value_of_earnings / self.wage_markup
        effort = self.wage_slope * (self.disutility * today.hours ** (1 + 1 / self.frisch) - worth)
        saved = choices.liquid_savings + choices.illiquid_savings
        return {
            "assets": 1 - saved / (today.equity_price + self.bonds),
            "prices": margin + today.expected.raises - jnp.log(1 + today.inflation),
            "wages": effort + today.expected.wage_raises - jnp.log(1 + today.wage_inflation),
            "capital": today.expected.capital - today.tobins_q,
            "equity": today.expected.equity / today.equity_price - 1,
        }

    def next_state(self, today):
        last = {"last_wage": today.wage, "last_equity_price": today.equity_price}
        return {"capital": today.capital_next, "nominal_rate": today.policy_rate, **last}

    def signal(self, today):  # shocks, assets, and what today leaves to tomorrow
        shocks = ("productivity", "monetary", "extra_spending")
        names = (*shocks, "liquid", "illiquid", "capital_next", "policy_rate", "wage", "equity_price")
        return {name: today[name] for name in names}

    def units(self):
        rates = (
            "interest_rate",
            "liquid_return",
            "illiquid_return",
            "nominal_rate",
            "policy_rate",
            "inflation",
            "wage_inflation",
        )
        return dict.fromkeys((*rates, "monetary", "raises", "wage_raises"), "rate")

    def goods_market(self, today, choices, tomorrow):
        spent = choices.consumption + today.investment + self.spending + today.extra_spending
        costs = choices.adjustment_costs + today.price_costs + self.liquidity_premium * today.liquid
        return (today.output - spent - costs) / today.output
