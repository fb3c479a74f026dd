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
from welfare_economies import Taxes, Unequal

import hank_mfg as hm

PUBLISHED = {  # market, planner
    "capital": (30.635, 119.741), "output": (10.294, 16.816), "interest_rate": (0.04097, -0.02944),
    "Gini coefficient of wealth": (0.864, 0.862), "Gini coefficient of consumption": (0.615, 0.386),
}  # fmt: skip


def measure(quick: bool) -> dict[str, Any]:
    """Welfare with and without the way there, by decile of wealth; the planner on two grids."""
    progress("reform")
    reform = hm.reform(Taxes(), {"capital_tax": 0.0}, finance="labor_tax", asset_points=60 if quick else 400)
    again = hm.reform(Taxes(), {"capital_tax": 0.0}, finance="labor_tax", asset_points=60 if quick else 200)
    deciles = reform.gains.by().reset_index()
    drawn = RESULTS / "welfare.quick.png" if quick else ROOT / "docs" / "figures" / "welfare.png"
    hm.plot.welfare(reform.gains).savefig(drawn, dpi=200, metadata={"Software": None})
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
