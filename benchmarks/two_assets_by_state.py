"""How the effects of spending and of money depend on the state of a two-asset HANK economy.

    python benchmarks/two_assets_by_state.py [--quick]

The economy of models/two_asset_hank.py whose nominal rate cannot fall below `FLOOR`, a little under its value at rest:
linear methods know no floor, and no difference between one state and another. Responses to government spending and to
an announced change of the nominal rate start from states of the ergodic set; those with the lowest quarter of a series
are set beside those with the highest.
"""

from typing import Any

import numpy as np
from machine import ROOT, progress, run_benchmark
from two_assets import TINY

import hank_mfg as hm

FLOOR = 0.0095  # a quarter; 0.0125 at rest
NEWS = {"extra_spending": 0.001, "monetary": -0.0005}
STATES = ("nominal_rate", "output", "liquid")
SHARE = 0.25
FIGURE = ROOT / "docs" / "figures" / "two_assets_by_state.png"


def effects(part: hm.results.ImpulseResponse, solution: hm.Solution, shock: str) -> dict[str, Any]:
    """Of spending: output over spending, on impact and summed over a year and a half; of money: percent of impact."""
    if shock == "monetary":
        return {name: (float(part.mean[name][0]), float(part.error[name][0])) for name in ("output", "consumption")}
    level, spent = solution.steady.outcomes["output"] / 100.0, part.mean["extra_spending"]
    unit = 1.0 if part.units["extra_spending"] == "level" else np.nan
    output, error = level * part.mean["output"], level * part.error["output"]
    return {
        "impact multiplier": (float(unit * output[0] / spent[0]), float(error[0] / spent[0])),
        "cumulative multiplier": (float(unit * output.sum() / spent.sum()), float(error.sum() / spent.sum())),
        "consumption": (float(part.mean["consumption"][0]), float(part.error["consumption"][0])),
    }


def measure(quick: bool) -> dict[str, Any]:
    """Effects by state, with standard errors of the mean over starting states."""
    floor = 0.005 if quick else FLOOR  # the coarse grid rests at a lower rate
    model = hm.load_model("two_asset_hank", lowest_rate=floor)
    settings = hm.RSPG.for_model(model, **(TINY if quick else {}))
    progress("global solution")
    solution = hm.solve(model, settings, verbose=False)
    errors = hm.euler_errors(solution, periods=20 if quick else 200)
    path = hm.simulate(solution, periods=20 if quick else 500)
    rows, drawn = [], {}
    for shock, size in NEWS.items():
        progress(f"responses to {shock}")
        size = 0.1 * size if quick else size
        found = hm.impulse_response(solution, shock, size, horizon=6, starts=8 if quick else 48, paths=2)
        for name in STATES:
            for label, part in zip(("lowest", "highest"), found.by_state(name, SHARE), strict=True):
                levels = (float(part.before[name].min()), float(part.before[name].max()))
                rows.append({"shock": shock, "state": f"{label} {name}", "from, to": levels,
                             **effects(part, solution, shock)})  # fmt: skip
        at, away = found.by_state("nominal_rate", SHARE)
        drawn[shock] = {"at the floor": at, "far above it": away}
    names = ["extra_spending", "output", "consumption", "investment", "inflation", "nominal_rate"]
    if not quick:
        figure = hm.plot.impulse_response(drawn["extra_spending"], variables=names)
        figure.savefig(FIGURE, dpi=150)
    return {
        "precision": "training float32, everything else float64", "floor": floor,
        "share of quarters at the floor": float(np.mean(path.series["nominal_rate"] <= floor + 1e-9)),
        "euler_mean_percent": (100 * errors.mean).tolist(), "excess_demand": errors.excess_demand,
        "expectations": [each.to_dict() for each in errors.expectations], "rows": rows,
    }  # fmt: skip


if __name__ == "__main__":
    run_benchmark("two_assets_by_state", __doc__.splitlines()[0], measure)
