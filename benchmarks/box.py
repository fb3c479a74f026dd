"""One policy over a box of parameters: accuracy at its worst point, and what it costs over one point.

    python benchmarks/box.py [--quick]

Krusell and Smith's economy over risk aversion, the discount factor and the capital share, two seeds, beside the same
economy at its own parameters with the default settings, in the same process. Euler errors are measured at the middle,
the corners and points drawn evenly. Updates follow paths of periods: their number, times paths and periods, does not
hang on the machine as seconds do.
"""

from typing import Any

from machine import TINY, progress, run_benchmark

import hank_mfg as hm

BOX = {"risk_aversion": (1.0, 3.0), "discount_factor": (0.985, 0.992), "capital_share": (0.3, 0.4)}
SEEDS = (0, 1)


def path_periods(solution: Any) -> int:
    """Periods of paths that training followed."""
    return solution.updates * solution.settings.paths * solution.settings.horizon


def measure(quick: bool) -> dict[str, Any]:
    """Accuracy and seconds."""
    progress("one point")
    alone = hm.solve("krusell_smith", hm.RSPG(**TINY) if quick else None, verbose=False)
    rows, table = [], []
    for seed in SEEDS[: 1 if quick else 2]:
        progress(f"the box, seed {seed}")
        box = hm.Box(BOX, points=12) if quick else BOX
        solution = hm.solve("krusell_smith", hm.RSPG(**TINY) if quick else None, over=box, seed=seed, verbose=False)
        found = hm.evaluate(solution, points=1 if quick else 8, periods=100 if quick else 1000, verbose=False)
        euler = found.table()
        again = solution.seconds_train / alone.seconds_train
        row = {
            "seed": seed, "updates": solution.updates, "points": len(solution.points),
            "euler_worst_percent": float(euler["euler_mean_percent"].max()),
            "euler_median_percent": float(euler["euler_mean_percent"].median()),
            "euler_largest_percent": float(euler["euler_max_percent"].max()),
            "dynamic_largest_percent": float(euler["dynamic_max_percent"].max()),
            "path_periods_over_one_point": path_periods(solution) / path_periods(alone),
            "training_seconds_over_one_point": again, "seconds_train": solution.seconds_train,
            "seconds_start": solution.seconds_start, "misfit_percent": 100 * solution.misfit,
        }  # fmt: skip
        table.append(row)
        rows.append({"seed": seed, "worst": found.worst, "table": euler.to_dict("records")})
    one = {"seconds_train": alone.seconds_train, "updates": alone.updates, "path_periods": path_periods(alone)}
    return {"precision": "training float32, errors float64", "table": table, "points": rows, "one_point": one}


if __name__ == "__main__":
    run_benchmark("box", __doc__.splitlines()[0], measure)
