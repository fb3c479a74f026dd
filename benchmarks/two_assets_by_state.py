"""How the effects of spending and of money depend on the state of a two-asset HANK economy.

    python benchmarks/two_assets_by_state.py [--quick]

The economy of models/two_asset_hank.py, for which linear methods know no difference between one state and another.
Responses to government spending and to a monetary easing start from states of the ergodic set; those with the lowest
quarter of a series are set beside those with the highest.
"""

from typing import Any

import numpy as np
from machine import progress, run_benchmark
from two_assets import TINY

import hank_mfg as hm

NEWS = {"extra_spending": 0.001, "monetary": -0.0005}
STATES = ("nominal_rate", "output", "liquid")
SHARE = 0.25


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
    model = hm.load_model("two_asset_hank")
    settings = hm.RSPG.for_model(model, **(TINY if quick else {}))
    progress("global solution")
    solution = hm.solve(model, settings, verbose=False)
    errors = hm.euler_errors(solution, periods=20 if quick else 200)
    rows = []
    for shock, size in NEWS.items():
        progress(f"responses to {shock}")
        size = 0.1 * size if quick else size
        found = hm.impulse_response(solution, shock, size, horizon=6, starts=8 if quick else 48, paths=2)
        for name in STATES:
            for label, part in zip(("lowest", "highest"), found.by_state(name, SHARE), strict=True):
                low, high = float(part.before[name].min()), float(part.before[name].max())
                state = {"shock": shock, "state": f"{label} {name}", "from": low, "to": high}
                for what, (value, error) in effects(part, solution, shock).items():
                    rows.append({**state, "what": what, "value": value, "standard error": error})
    return {
        "precision": "training float32, everything else float64",
        "euler_mean_percent": (100 * errors.mean).tolist(), "excess_demand": errors.excess_demand,
        "expectations": [each.to_dict() for each in errors.expectations], "table": rows,
    }  # fmt: skip


if __name__ == "__main__":
    run_benchmark("two_assets_by_state", __doc__.splitlines()[0], measure)
