"""A life cycle with risk of income and of death, pensions, accidental bequests, and shocks to productivity.

Everybody enters at 21, works to 65 with an earnings profile and uninsured shocks, lives on a pension afterwards, and
may die every year. There are no annuities: what the dead leave is shared out among all. After Huggett (1996), "Wealth
distribution in life-cycle economies", Journal of Monetary Economics 38(3), with aggregate risk.
"""

import jax.numpy as jnp

import hank_mfg as hm

FIRST, RETIRED, LAST = 21, 66, 80  # ages: the first, the first of retirement, the last that anybody reaches


class LifeCycle(hm.Model):
    discount_factor: float = hm.parameter("beta", above=0, below=1.05)
    risk_aversion: float = hm.parameter("CRRA coefficient, 1 is log", above=0)
    capital_share: float = hm.parameter("alpha", above=0, below=1)
    depreciation: float = hm.parameter("delta", at_least=0, at_most=1)
    payroll_tax: float = hm.parameter("share of earnings that pays for pensions", at_least=0, below=1)
    mortality: float = hm.parameter("probability of dying at 65", above=0, below=0.2)
    mortality_growth: float = hm.parameter("by what log mortality rises with every year of age", at_least=0)
    peak_earnings: float = hm.parameter("earnings at their peak over those at 21", above=0)
    peak_age: float = hm.parameter("age of that peak", above=21)
    skill_persistence: float = hm.parameter("autocorrelation of log skill", at_least=0, below=1)
    skill_sd: float = hm.parameter("standard deviation of log skill", at_least=0)
    productivity_persistence: float = hm.parameter("autocorrelation of log productivity", at_least=0, below=1)
    productivity_sd: float = hm.parameter("standard deviation of log productivity", at_least=0)
    maximum_assets: float = hm.parameter("top of the asset grid", above=0)

    period = "year"

    def ages(self):
        age = jnp.arange(FIRST, LAST + 1)
        dying = jnp.minimum(self.mortality * jnp.exp(self.mortality_growth * (age - 65)), 0.9)
        return hm.Ages(jnp.where(age < LAST, 1 - dying, 0.0), first=FIRST)

    def aggregate_shocks(self):
        rho, sd = self.productivity_persistence, self.productivity_sd
        return hm.AR1("productivity", persistence=rho, stationary_sd=sd, states=2, exponential=True, unit_mean=True)

    def idiosyncratic_shock(self):
        rho, sd = self.skill_persistence, self.skill_sd
        return hm.AR1("skill", persistence=rho, stationary_sd=sd, states=7, exponential=True, unit_mean=True)

    def asset_space(self):
        return hm.Assets(0.0, self.maximum_assets)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def labor(self, own):
        """Efficient units of labor: a parabola in logs until retirement."""
        away = (own.age - self.peak_age) / (FIRST - self.peak_age)
        profile = self.peak_earnings ** (1 - away**2)
        return jnp.where(own.age < RETIRED, own.skill * profile, 0.0)

    def aggregates(self, assets, own, today):
        retired = jnp.where(own.age < RETIRED, 0.0, 1.0) + 0.0 * own.skill
        return {"capital": assets, "labor": self.labor(own), "retired": retired}

    def prices(self, today):
        output = today.productivity * today.capital**self.capital_share * today.labor ** (1 - self.capital_share)
        interest_rate = self.capital_share * output / today.capital - self.depreciation
        wage = (1 - self.capital_share) * output / today.labor
        return {
            "output": output,
            "interest_rate": interest_rate,
            "wage": wage,
            "pension": self.payroll_tax * wage * today.labor / today.retired,
            "bequest": (1 + interest_rate) * today.estates,
        }

    def resources(self, assets, own, today):
        earnings = (1 - self.payroll_tax) * today.wage * self.labor(own)
        pension = jnp.where(own.age < RETIRED, 0.0, today.pension)
        return (1 + today.interest_rate) * assets + earnings + pension + today.bequest

    def signal(self, today):
        return {"capital": today.capital, "estates": today.estates, "productivity": today.productivity}

    def units(self):
        return {"interest_rate": "rate", "retired": "share"}

    def goods_market(self, today, choices, tomorrow):
        supplied = today.output + (1 - self.depreciation) * today.capital
        return (supplied - choices.consumption - tomorrow.capital) / today.output
