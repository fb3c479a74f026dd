"""A two-asset HANK economy: bonds held freely, illiquid accounts that cost to change, capital, sticky prices and wages.

Households' illiquid accounts hold all shares of firms and some bonds; banks lend the rest of the bonds, at a cost that
lowers the return on liquid assets. Hours are what firms demand, and unions set wages. Firms adjust capital at a
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
    adjustment_power: float = hm.parameter("chi_2, its power in the relative change", above=1)
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
        return (
            hm.AR1("productivity", **productivity, states=2, exponential=True, unit_mean=True),
            hm.AR1("monetary", **monetary, states=2),
            hm.AR1("extra_spending", **spending, states=2),
        )

    def idiosyncratic_shock(self):
        sizes = {"persistence": self.persistence, "stationary_sd": self.stationary_sd}
        return hm.AR1("skill", **sizes, states=3, exponential=True, unit_mean=True)

    def asset_space(self):
        liquid = hm.Assets(lower=0.0, upper=self.maximum_liquid, pivot=0.25)
        return {"liquid": liquid, "illiquid": hm.Assets(lower=0.0, upper=self.maximum_illiquid, pivot=0.25)}

    def adjustment_cost(self, assets_next, assets, today):
        kept = (1 + today.illiquid_return) * assets.illiquid
        base = kept + self.adjustment_shift
        change = jnp.abs(assets_next.illiquid - kept) / base
        return self.adjustment_scale / self.adjustment_power * change**self.adjustment_power * base

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def choice_sums(self, choices, own, today):
        return {"value_of_earnings": own.skill * choices.consumption**-self.risk_aversion}

    def aggregates(self, assets, own, today):
        return {"liquid": assets.liquid, "illiquid": assets.illiquid}

    def clearing_prices(self):
        return {
            "output": hm.Bracket(0.5, 1.5), "wage": hm.Bracket(0.3, 1.2), "inflation": hm.Bracket(-0.1, 0.1),
            "capital_next": hm.Bracket(4.0, 20.0), "equity_price": hm.Bracket(4.0, 25.0),
        }  # fmt: skip

    def state_variables(self):
        """At rest, where hours are one."""
        cost, rate = 1 / self.price_markup, self.natural_rate
        ratio = self.capital_share * cost / (rate + self.depreciation)  # capital over output
        output = (self.technology * ratio**self.capital_share) ** (1 / (1 - self.capital_share))
        wage = cost * (1 - self.capital_share) * output
        price = (output - wage - self.depreciation * ratio * output) / rate
        return {"capital": ratio * output, "last_wage": wage, "nominal_rate": rate, "last_equity_price": price}

    def prices(self, today):
        rate = (1 + today.nominal_rate) / (1 + today.inflation) - 1
        capital = today.capital
        effective = self.technology * today.productivity * capital**self.capital_share
        hours = (today.output / effective) ** (1 / (1 - self.capital_share))
        investment = today.capital_next - (1 - self.depreciation) * capital + self.adjustment(today) * capital
        dividends = today.output - today.wage * hours - investment - self.price_costs(today)
        taxes = (rate * self.bonds + self.spending + today.extra_spending) / (today.wage * hours)
        bonds = today.illiquid - today.last_equity_price
        account = dividends + today.equity_price + (1 + rate) * bonds
        return {
            "interest_rate": rate, "hours": hours, "investment": investment, "dividends": dividends,
            "earnings": (1 - taxes) * today.wage * hours, "liquid_return": rate - self.liquidity_premium,
            "illiquid_return": account / today.illiquid - 1,
        }  # fmt: skip

    def adjustment(self, today):
        """What a unit of capital costs to adjust."""
        return (today.capital_next / today.capital - 1) ** 2 / (2 * self.depreciation * self.investment_elasticity)

    def price_costs(self, today):
        """What firms spend on changing prices."""
        scale = self.price_markup / (self.price_markup - 1) / (2 * self.price_slope)
        return scale * jnp.log(1 + today.inflation) ** 2 * today.output

    def outcomes(self, today):
        growth = today.capital_next / today.capital
        return {
            "marginal_cost": today.wage * today.hours / ((1 - self.capital_share) * today.output),
            "tobins_q": 1 + (growth - 1) / (self.depreciation * self.investment_elasticity),
            "wage_inflation": (1 + today.inflation) * today.wage / today.last_wage - 1,
        }

    def resources(self, assets, own, today):
        liquid = (1 + today.liquid_return) * assets.liquid
        return liquid + (1 + today.illiquid_return) * assets.illiquid + today.earnings * own.skill

    def expectations(self, today, tomorrow):
        discount, growth = 1 / (1 + tomorrow.interest_rate), tomorrow.capital_next / tomorrow.capital
        product = self.capital_share * tomorrow.marginal_cost * tomorrow.output / tomorrow.capital
        capital = product - growth + 1 - self.depreciation - self.adjustment(tomorrow) + growth * tomorrow.tobins_q
        raises = tomorrow.output / today.output * jnp.log(1 + tomorrow.inflation)
        return {
            "raises": discount * raises, "wage_raises": self.discount_factor * jnp.log(1 + tomorrow.wage_inflation),
            "capital": discount * capital, "equity": discount * (tomorrow.dividends + tomorrow.equity_price),
        }  # fmt: skip

    def excess_demand(self, today, choices):
        margin = self.price_slope * (today.marginal_cost - 1 / self.price_markup)
        worth = today.earnings * choices.value_of_earnings / self.wage_markup
        effort = self.wage_slope * (self.disutility * today.hours ** (1 + 1 / self.frisch) - worth)
        return {
            "assets": 1 - (choices.liquid_savings + choices.illiquid_savings) / (today.equity_price + self.bonds),
            "prices": margin + today.expected.raises - jnp.log(1 + today.inflation),
            "wages": effort + today.expected.wage_raises - jnp.log(1 + today.wage_inflation),
            "capital": today.expected.capital - today.tobins_q,
            "equity": today.expected.equity / today.equity_price - 1,
        }

    def next_state(self, today):
        rate = self.natural_rate + today.monetary + self.taylor * today.inflation
        last = {"last_wage": today.wage, "last_equity_price": today.equity_price}
        return {"capital": today.capital_next, "nominal_rate": rate, **last}

    def signal(self, today):
        shocks = ("productivity", "monetary", "extra_spending", "liquid", "illiquid")
        return {name: today[name] for name in (*shocks, *self.state_variables())}

    def units(self):
        rates = ("interest_rate", "liquid_return", "illiquid_return", "nominal_rate", "inflation", "wage_inflation")
        return dict.fromkeys((*rates, "monetary"), "rate")

    def goods_market(self, today, choices, tomorrow):
        spent = choices.consumption + today.investment + self.spending + today.extra_spending
        costs = choices.adjustment_costs + self.price_costs(today) + self.liquidity_premium * today.liquid
        return (today.output - spent - costs) / today.output
