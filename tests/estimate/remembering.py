"""A small production economy for tests of matching: what is remembered of productivity feeds back into the wage."""

import jax.numpy as jnp

import hank_mfg as hm


class Remembering(hm.Model):
    """Capital and labor at marginal products; a share of what is remembered of productivity is added to the wage."""

    period = "quarter"
    discount_factor: float = hm.parameter("beta", above=0, below=1, default=0.95)
    feedback: float = hm.parameter("of remembered productivity on the wage", default=0.5)
    memory: float = hm.parameter("of past productivity", at_least=0, below=1, default=0.6)
    unused: float = hm.parameter("of nothing", default=1.0)
    productivity_persistence: float = hm.parameter("of log productivity", above=-1, below=1, default=0.7)
    productivity_sd: float = hm.parameter("unconditional sd of log productivity", above=0, default=0.02)

    def aggregate_shocks(self):
        return hm.AR1(
            "productivity", persistence=self.productivity_persistence, stationary_sd=self.productivity_sd, states=2,
            exponential=True, unit_mean=True,
        )  # fmt: skip

    def idiosyncratic_shock(self):
        return hm.MarkovChain(jnp.array([[0.8, 0.2], [0.2, 0.8]]), skill=jnp.array([0.6, 1.4]))

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=60.0)

    def preferences(self):
        return hm.CRRA(2.0)

    def discounting(self, own, today):
        return self.discount_factor

    def aggregates(self, assets, own, today):
        return {"capital": assets}

    def state_variables(self):
        return {"remembered": 0.0}

    def prices(self, today):
        rate = 0.3 * today.productivity * today.capital**-0.7 - 0.05
        return {
            "interest_rate": rate,
            "wage": 0.7 * today.productivity * today.capital**0.3 + self.feedback * today.remembered,
        }

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + today.wage * own.skill

    def next_state(self, today):
        return {"remembered": self.memory * today.remembered + (1 - self.memory) * jnp.log(today.productivity)}

    def outcomes(self, today):
        return {"output": today.productivity * today.capital**0.3}

    def signal(self, today):
        return {"productivity": today.productivity, "capital": today.capital, "remembered": today.remembered}

    def units(self):
        return {"interest_rate": "rate"}
