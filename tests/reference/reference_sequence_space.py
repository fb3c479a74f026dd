"""The Krusell-Smith economy of the sequence-jacobian package, declared here, and the numbers of the package."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

import hank_mfg as hm

STORED = Path(__file__).resolve().parent / "sequence_jacobian"


@cache
def stored(name: str) -> pd.DataFrame:
    """A table of the package's numbers."""
    return pd.read_csv(STORED / f"{name}.csv")


def value(name: str, table: str = "steady_state") -> float:
    """A number of the package's stationary equilibrium."""
    return float(stored(table).set_index("name")["value"][name])


def income_states(name: str) -> hm.MarkovChain:
    """The package's chain of income states, a quantity called `name`."""
    income = stored("income")
    return hm.MarkovChain(income[[f"to_{i}" for i in range(7)]].to_numpy(), **{name: income["state"].to_numpy()})


class Economy(hm.Model):
    """Log utility, seven income states, capital and a fixed labor supply of one."""

    discount_factor: float = hm.parameter("beta", above=0, below=1)
    capital_share: float = hm.parameter("alpha", above=0, below=1)
    depreciation: float = hm.parameter("delta", at_least=0, at_most=1)
    productivity: float = hm.parameter("mean of Z", above=0)

    def aggregate_shocks(self):
        return hm.AR1("productivity", persistence=0.8, innovation_sd=0.01, mean=self.productivity, states=5)

    def idiosyncratic_shock(self):
        return income_states("labor")

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=200.0, pivot=0.25)

    def preferences(self):
        return hm.CRRA(1.0)

    def production(self):
        return hm.CobbDouglas(self.capital_share, self.depreciation)

    def aggregates(self, assets, own, today):
        return {"capital": assets}

    def prices(self, today):
        factors = (today.capital, 1.0, today.productivity)
        return {"interest_rate": self.production().interest_rate(*factors), "wage": self.production().wage(*factors)}

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + today.wage * own.labor

    def signal(self, today):
        return {"interest_rate": today.interest_rate}

    def outcomes(self, today):
        return {"output": self.production().output(today.capital, 1.0, today.productivity)}


def economy() -> Economy:
    """The economy with the package's parameters, beta among them."""
    return Economy(
        discount_factor=value("beta"), capital_share=value("alpha"), depreciation=value("delta"),
        productivity=value("Z"),
    )  # fmt: skip


@cache
def steady() -> hm.SteadyState:
    """Its stationary equilibrium on the package's grid."""
    return hm.steady_state(economy(), asset_points=500, tolerance=1e-13)


@cache
def linear() -> hm.results.LinearSolution:
    """Its linear solution over 300 periods."""
    return hm.linearize(steady(), horizon=300)


SERIES = {"r": "interest_rate", "w": "wage", "Y": "output", "C": "consumption"}


def gap(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference relative to the largest number."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())
