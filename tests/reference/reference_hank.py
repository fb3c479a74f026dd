"""The one-asset HANK economy on the grid and income chain of the sequence-jacobian package, and its numbers."""

from functools import cache

import reference_sequence_space as package
from reference_sequence_space import income_states

import hank_mfg as hm

OneAssetHANK = type(hm.load_model("one_asset_hank"))


class Economy(OneAssetHANK):
    """Its income states and asset grid are those of the package."""

    def idiosyncratic_shock(self):
        return income_states("skill")

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=self.maximum_assets, pivot=0.25)


def value(name: str) -> float:
    """A number of the package's stationary equilibrium."""
    return package.value(name, "hank_steady_state")


@cache
def steady() -> hm.SteadyState:
    """The stationary equilibrium on the package's grid, with its beta and disutility of hours."""
    parameters = hm.load_model("one_asset_hank", discount_factor=value("beta"), disutility=value("vphi")).parameters()
    return hm.steady_state(Economy(**parameters), asset_points=500)


@cache
def linear() -> hm.results.LinearSolution:
    """Its linear solution over 300 periods."""
    return hm.linearize(steady(), horizon=300)
