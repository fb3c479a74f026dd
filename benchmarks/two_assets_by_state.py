"""How the effects of spending and of money depend on the state of a two-asset HANK economy.

    python benchmarks/two_assets_by_state.py [--quick]

The economy of models/two_asset_hank.py, for which linear methods know no difference between one state and another.
Responses to government spending and to a monetary easing start from states of the ergodic set; those with the lowest
quarter of a series are set beside those with the highest. A check that shares no network, no sample and no aggregate
risk with it: paths of perfect foresight, after four quarters of higher or lower productivity, on which the same shock
comes as a surprise.
"""

from typing import Any

import numpy as np
from machine import progress, run_benchmark
from two_assets import trained

import hank_mfg as hm

NEWS = {"extra_spending": 0.001, "monetary": -0.0005}
STATES = ("nominal_rate", "output", "liquid")
SHARE = 0.25
BEFORE, QUARTERS, PERSISTENCE = 0.0125, 4, {"productivity": 0.8, "monetary": 0.61, "extra_spending": 0.8}
LAST = {
    "capital": "capital_next",
    "nominal_rate": "policy_rate",
    "last_wage": "wage",
    "last_equity_price": "equity_price",
}


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


def foreseen(steady: hm.SteadyState, horizon: int) -> list[dict[str, Any]]:
    """The effect on output on impact, in percent, of a surprise where productivity has been low, at rest, or high."""
    linear = hm.linearize(steady, horizon=horizon)

    def decay(name: str, size: float) -> np.ndarray:
        return size * PERSISTENCE[name] ** np.arange(horizon)

    rows = []
    for size in (-BEFORE, 0.0, BEFORE):
        before = hm.transition(steady, horizon=horizon, linear=linear, productivity=decay("productivity", size))
        start = {
            "initial": before.mass[QUARTERS],
            "state_variables": {name: before.series[price][QUARTERS - 1] for name, price in LAST.items()},
            "productivity": decay("productivity", size)[QUARTERS:],
        }
        alone = hm.transition(steady, horizon=horizon, linear=linear, **start)
        output, rate = alone.series["output"][0], alone.series["nominal_rate"][0]
        for shock, news in NEWS.items():
            moved = hm.transition(steady, horizon=horizon, linear=linear, **start, **{shock: decay(shock, news)})
            effect = 100 * (moved.series["output"][0] / output - 1)
            rows.append(
                {"shock": shock, "productivity": size, "output": output, "nominal_rate": rate, "effect": effect}
            )
    return rows


def measure(quick: bool) -> dict[str, Any]:
    """Effects by state, with standard errors of the mean over starting states."""
    progress("global solution")
    solution, _ = trained(quick)
    progress("paths of perfect foresight")
    foresight = foreseen(solution.steady, 60 if quick else 300)
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
        "expectations": [each.to_dict() for each in errors.expectations], "foresight": foresight, "table": rows,
    }  # fmt: skip


if __name__ == "__main__":
    run_benchmark("two_assets_by_state", __doc__.splitlines()[0], measure)
