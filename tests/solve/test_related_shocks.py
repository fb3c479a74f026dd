"""An economy whose aggregate shocks are one VAR(1). Truths: the same economy with independent AR(1)s where only paths
of shocks matter, and the covariance of the chain."""

import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.markov import stationary_distribution, to_chain
from hank_mfg.environment.states import describe_states

NAMES = ("productivity", "effort")
OMEGA = [[1e-4, 3e-5], [3e-5, 2e-4]]


class Correlated(hm.Model):
    """Aiyagari's economy with two aggregate shocks, to productivity and to labor supply."""

    period = "quarter"
    discount_factor: float = hm.parameter("patience", above=0, below=1, default=0.95)
    joint: str = hm.choice("shocks as one VAR(1) or as two AR(1)s", options=("yes", "no"), default="yes")

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=60.0)

    def preferences(self):
        return hm.CRRA(2.0)

    def idiosyncratic_shock(self):
        return hm.AR1("labor", persistence=0.6, innovation_sd=0.2, states=3, exponential=True, unit_mean=True)

    def aggregate_shocks(self):
        means = {"states": 3, "exponential": True, "unit_mean": True}
        if self.joint == "no":
            return tuple(hm.AR1(name, persistence=0.5, innovation_sd=0.01, **means) for name in NAMES)
        return hm.VAR1(
            *NAMES, persistence=[[0.6, 0.1], [0.0, 0.5]], innovation_covariance=OMEGA, tolerance=None, **means
        )

    def aggregates(self, assets, own, today):
        return {"capital": assets, "labor": own.labor * today.effort}

    def prices(self, today):
        firm, factors = hm.CobbDouglas(0.36, 0.08), (today.capital, today.labor, today.productivity)
        return {"interest_rate": firm.interest_rate(*factors), "wage": firm.wage(*factors)}

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + today.wage * own.labor * today.effort

    def signal(self, today):
        return {"interest_rate": today.interest_rate, "wage": today.wage}


@pytest.mark.slow
def test_an_economy_with_related_shocks_is_solved_and_linearized():
    """Held at their means the shocks are those of the economy with two AR(1)s, so the equilibrium and the responses to
    given paths are, too; second moments are those of the chain."""
    steady, other = (hm.steady_state(Correlated(joint=joint), asset_points=40, others=False) for joint in ("yes", "no"))
    assert steady.aggregates.capital == pytest.approx(other.aggregates.capital, rel=1e-9)
    linear, apart = (hm.linearize(each, horizon=120) for each in (steady, other))
    path = 0.01 * 0.7 ** np.arange(120)
    for name in NAMES:
        one, two = (each.response(**{name: path})["capital"] for each in (linear, apart))
        np.testing.assert_allclose(one, two, atol=1e-7 * np.abs(two).max())
    moments = hm.second_moments(linear)
    chain = to_chain(Correlated().aggregate_shocks())
    share = np.asarray(stationary_distribution(chain.transition))
    covariance = np.cov(np.stack([chain.values[name] for name in NAMES]), aweights=share, ddof=0)
    places = [moments.names.index(name) for name in NAMES]
    np.testing.assert_allclose(moments.covariance[0][np.ix_(places, places)], covariance, rtol=1e-6)
    assert describe_states(Correlated())["aggregate_shocks"]["effort"]["asked"]["of"] == "log"
