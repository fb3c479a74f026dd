"""Who gains: a reform of taxes in one call, and the constrained planner against published figures.

    python benchmarks/welfare.py [--quick]

The reform abolishes a tax on capital income of 20 percent; the tax on earnings balances the budget in every period. The
planner is that of Davila, Hong, Krusell and Rios-Rull (2012), their calibration with the wealth distribution of the US,
beside the figures of Han, Yang and E, who follow 50 agents, and beside itself on four times the points. Draws
docs/figures/welfare.png.
"""

from typing import Any

import numpy as np
from machine import RESULTS, ROOT, progress, run_benchmark

import hank_mfg as hm

PUBLISHED = {  # market, planner
    "capital": (30.635, 119.741), "output": (10.294, 16.816), "interest_rate": (0.04097, -0.02944),
    "Gini coefficient of wealth": (0.864, 0.862), "Gini coefficient of consumption": (0.615, 0.386),
}  # fmt: skip


class Taxes(hm.Model):
    """Aiyagari's economy with taxes on capital income and on labor, which pay for government spending."""

    period = "year"
    discount_factor: float = hm.parameter("beta", above=0, below=1, default=0.96)
    risk_aversion: float = hm.parameter("CRRA", above=0, default=2.0)
    capital_share: float = hm.parameter("alpha", above=0, below=1, default=0.36)
    depreciation: float = hm.parameter("delta", above=0, below=1, default=0.08)
    capital_tax: float = hm.parameter("on the return to capital", below=1, default=0.2)
    labor_tax: float = hm.parameter("on earnings", below=1, default=0.22)
    spending: float = hm.parameter("of the government", at_least=0, default=0.307)

    def idiosyncratic_shock(self):
        return hm.AR1("skill", persistence=0.9, stationary_sd=0.4, states=5, exponential=True, unit_mean=True)

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=150.0)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def aggregates(self, assets, own, today):
        return {"capital": assets, "labor": own.skill}

    def prices(self, today):
        output = today.capital**self.capital_share * today.labor ** (1 - self.capital_share)
        rate = self.capital_share * output / today.capital - self.depreciation
        wage = (1 - self.capital_share) * output / today.labor
        net = {"net_rate": (1 - self.capital_tax) * rate, "net_wage": (1 - self.labor_tax) * wage}
        return {"interest_rate": rate, "wage": wage, **net}

    def resources(self, assets, own, today):
        return (1 + today.net_rate) * assets + today.net_wage * own.skill

    def outcomes(self, today):
        revenue = self.capital_tax * today.interest_rate * today.capital + self.labor_tax * today.wage * today.labor
        return {"government_budget": revenue - self.spending}

    def signal(self, today):
        return {"capital": today.capital}


class Unequal(hm.Model):
    """Davila, Hong, Krusell and Rios-Rull (2012): earnings that spread wealth as in the US."""

    period = "year"
    discount_factor: float = hm.parameter("beta", above=0, below=1, default=0.887)
    risk_aversion: float = hm.parameter("CRRA", above=0, default=2.0)
    capital_share: float = hm.parameter("alpha", above=0, below=1, default=0.36)
    depreciation: float = hm.parameter("delta", above=0, below=1, default=0.08)

    def idiosyncratic_shock(self):
        moves = [[0.992, 0.008, 0.0], [0.009, 0.980, 0.011], [0.0, 0.083, 0.917]]
        return hm.MarkovChain(moves, skill=[1.0, 5.29, 46.55])

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=4000.0)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def aggregates(self, assets, own, today):
        return {"capital": assets, "labor": own.skill}

    def prices(self, today):
        output = today.capital**self.capital_share * today.labor ** (1 - self.capital_share)
        rate = self.capital_share * output / today.capital - self.depreciation
        return {"output": output, "interest_rate": rate, "wage": (1 - self.capital_share) * output / today.labor}

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + today.wage * own.skill

    def signal(self, today):
        return {"capital": today.capital}


def measure(quick: bool) -> dict[str, Any]:
    """Welfare with and without the way there, by decile of wealth; the planner on two grids."""
    progress("reform")
    reform = hm.reform(Taxes(), {"capital_tax": 0.0}, finance="labor_tax", asset_points=60 if quick else 400)
    again = hm.reform(Taxes(), {"capital_tax": 0.0}, finance="labor_tax", asset_points=60 if quick else 200)
    deciles = reform.gains.by().reset_index()
    folder = RESULTS if quick else ROOT / "docs" / "figures"
    hm.plot.save(hm.plot.welfare(reform.gains), folder / ("welfare.quick" if quick else "welfare"))
    progress("planner")
    planners = {points: hm.planner(Unequal(), asset_points=points) for points in ((60,) if quick else (200, 800))}
    rows = []
    for name, published in PUBLISHED.items():
        for place, column in enumerate(("market", "planner")):
            found = {f"{points} points": float(each.table().loc[name, column]) for points, each in planners.items()}
            rows.append({"what": f"{name}, {column}", **found, "Han, Yang and E": published[place]})
    residuals = {points: (each.residual_mean, each.residual_largest) for points, each in planners.items()}
    return {
        "precision": "float64", "table": rows, "residuals_percent": residuals,
        "seconds": {points: each.seconds for points, each in planners.items()},
        "reform": reform.table().reset_index().to_dict("records"), "deciles": deciles.to_dict("records"),
        "parts": {"path": reform.gains.parts._asdict(), "rest": reform.gains_at_rest.parts._asdict()},
        "percent_on_half_the_points": again.gains.percent,
        "budget": float(np.ptp(reform.path.series["government_budget"])),
    }  # fmt: skip


if __name__ == "__main__":
    run_benchmark("welfare", __doc__.splitlines()[0], measure)
