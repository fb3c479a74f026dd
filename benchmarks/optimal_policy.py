"""Optimal policy: exact derivatives of welfare against differences, optima against fine grids, at rest and with the
way there.

    python benchmarks/optimal_policy.py [--quick]

The economy of benchmarks/welfare.py: a tax on wealth (at rest) or on capital income (with the way there) that is chosen
while the tax on labor balances the budget. Differences are of equilibria and paths solved one by one by
hm.steady_state and hm.transition, which share with the derivatives the grid and nothing of the method. Optima are
compared with the best point of a grid, and with welfare of hm.reform a step to either side. Draws
docs/figures/optimal_policy.png.
"""

import warnings
from typing import Any

import numpy as np
from machine import RESULTS, ROOT, progress, run_benchmark
from welfare_economies import WealthTax

import hank_mfg as hm

STEP, BESIDE = 4e-4, 0.02  # of differences; of policy to either side of an optimum, widths of the bounds
CASES = {  # at rest and with the way there: parameter and bounds
    "rest": ("wealth_tax", (-0.06, 0.03)),
    "path": ("capital_tax", (0.0, 0.8)),
}


def utility(model: Any, points: int, before: Any, horizon: int | None) -> float:
    """Mean lifetime utility of the equilibrium of a model, or along the path to it, solved from nothing."""
    new = hm.steady_state(model, asset_points=points, tolerance=1e-13, guess=before)
    after = new if horizon is None else hm.transition(new, initial=before, horizon=horizon, tolerance=1e-12)
    mass = new.mass if horizon is None else before.mass
    return float(np.sum(mass * hm.welfare(before, after).value_after))


def derivative_gap(points: int, horizon: int | None) -> dict[str, Any]:
    """The exact derivative in the tax on capital income, nobody paying for it, against Richardson's difference."""
    model = WealthTax()
    before = hm.steady_state(model, asset_points=points, tolerance=1e-13)
    given = {"transition": horizon is not None, "start": before, "horizon": horizon or 300}
    exact = hm.welfare_gradient(model, ["capital_tax"], **given).utility["capital_tax"]

    def difference(step: float) -> float:
        ends = [model.with_parameters(capital_tax=model.capital_tax + sign * step) for sign in (1.0, -1.0)]
        high, low = (utility(end, points, before, horizon) for end in ends)
        return (high - low) / (2.0 * step)

    richardson = (4.0 * difference(STEP) - difference(2.0 * STEP)) / 3.0
    return {"exact": exact, "difference": richardson, "relative": abs(exact / richardson - 1.0)}


def optimum_and_grid(points: int, horizon: int | None, count: int) -> tuple[dict[str, Any], Any, Any]:
    """The optimum by gradient, the best point of a grid, and welfare of hm.reform beside the optimum."""
    name, bounds = CASES["rest" if horizon is None else "path"]
    model = WealthTax()
    before = hm.steady_state(model, asset_points=points)
    given = {"transition": horizon is not None, "horizon": horizon or 300, "start": before}
    best = hm.optimal(model, {name: bounds}, finance="labor_tax", **given)
    surface = best.surface(count)
    step = (bounds[1] - bounds[0]) / (count - 1)
    top = surface.loc[surface[best.unit].idxmax()]
    beside = []
    for sign in (-1.0, 1.0):
        value = float(best.values[0]) + sign * BESIDE * (bounds[1] - bounds[0])
        made = hm.reform(model, {name: value}, finance="labor_tax", before=before, horizon=horizon or 300)
        beside.append((made.gains_at_rest if horizon is None else made.gains).percent)
    return {
        "parameter": name, "optimum": float(best.values[0]), "best of the grid": float(top[name]), "grid step": step,
        "percent": best.best, "percent beside": beside, "labor_tax": float(best.parameters.loc["labor_tax", "optimum"]),
        "evaluations": best.evaluations, "seconds": best.seconds, "status": best.status.name,
        "eigenvalue": float(best.eigenvalues[0]), "gradient": float(best.gradient[0]),
    }, best, surface  # fmt: skip


def measure(quick: bool) -> dict[str, Any]:
    """Derivatives, optima and grids; the figure."""
    points, horizon, count = (40, 60, 5) if quick else (100, 200, 37)
    rows, found = [], {}
    for place, length in (("at rest", None), ("with the way there", horizon)):
        progress(f"derivative {place}")
        gap = derivative_gap(points, length)
        rows.append({"what": f"derivative of welfare {place}, relative gap", "bar": 1e-5, "measured": gap["relative"]})
        progress(f"optimum {place}")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            optimum, best, surface = optimum_and_grid(points, length, count if length is None else (count + 1) // 2)
        away = abs(optimum["optimum"] - optimum["best of the grid"]) / optimum["grid step"]
        rows.append({"what": f"optimum {place} against the grid, grid steps", "bar": 1.0, "measured": away})
        drop = optimum["percent"] - max(optimum["percent beside"])
        rows.append({"what": f"welfare at the optimum {place} less beside, percent", "bar": 0.0, "measured": drop})
        found[place] = {**gap, **optimum, "warnings": [str(each.message) for each in said]}
        drawn = f"optimal_policy{'' if length is None else '_path'}"
        folder = RESULTS if quick else ROOT / "docs" / "figures"
        figure = hm.plot.optimum(best, surface)
        figure.savefig(folder / f"{drawn}{'.quick' if quick else ''}.png", dpi=200, metadata={"Software": None})
    return {"precision": "float64", "asset_points": points, "horizon": horizon, "table": rows, "found": found}


if __name__ == "__main__":
    run_benchmark("optimal_policy", __doc__.splitlines()[0], measure)
