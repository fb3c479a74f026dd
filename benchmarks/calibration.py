"""Calibration: seconds, residuals, and parameters recovered from the model's own moments from random starts.

    python benchmarks/calibration.py [--only NAME] [--starts 20]

Writes results/calibration.json. Compilation and the rest are kept apart. `nested` searches prices at every step until
markets clear to 1e-9, `joint` moves prices with parameters.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import jax
import numpy as np
from machine import describe_machine, write_result

import hank_mfg as hm
from hank_mfg.estimate.calibrate import Task, prepare

HERE = Path(__file__).parent
TWO = HERE.parent / "tests" / "estimate" / "two_patience.py"
CASES = {
    "two kinds of patience": {
        "model": lambda: hm.load_model(TWO),
        "free": {"discount_factor": (0.88, 0.98), "spread": (0.0, 0.1)},
        "targets": {"capital / output": 3.0, "gini": 0.6},
    },
    "one-asset HANK": {
        "model": lambda: hm.load_model("one_asset_hank"),
        "free": {"discount_factor": (0.97, 0.99), "disutility": (0.5, 1.2)},
        "targets": {"interest_rate": 0.005, "hours_demanded": 1.0},
    },
}


def search(task: Task, start: np.ndarray) -> dict:
    """One search from one start: seconds, steps and where it ended."""
    begin = time.perf_counter()
    task.equilibria.evaluations = task.equilibria.linearizations = 0
    try:
        found = task.search(start)
    except hm.HankError as error:
        return {"start": start.tolist(), "failed": str(error), "seconds": time.perf_counter() - begin}
    gap = found.here.slopes.moments - task.targets.values
    return {
        "start": start.tolist(), "parameters": found.here.point.theta.tolist(), "largest_gap": float(np.abs(gap).max()),
        "excess": float(np.abs(found.here.point.excess).max()), "steps": found.steps,
        "evaluations": task.equilibria.evaluations, "linearizations": task.equilibria.linearizations,
        "seconds": time.perf_counter() - begin,
    }  # fmt: skip


def measure(name: str, starts: int) -> dict:
    """All rows of one case."""
    case = CASES[name]
    with jax.enable_x64(True):
        begin = time.perf_counter()
        task = prepare(case["model"](), case["free"], case["targets"])
        prepared = time.perf_counter() - begin
        first = search(task, task.start)
        rows = {
            "parameters": list(case["free"]), "targets": case["targets"], "seconds_compile": prepared, "first": first,
            "joint": search(task, task.start), "nested": search(task._replace(loose=1e-9), task.start),
        }  # fmt: skip
        truth, problem = np.array(rows["joint"]["parameters"]), task.problem
        random = np.random.default_rng(0)
        rows["starts"] = []
        for _ in range(starts):
            found = search(task, problem.lower + random.random(len(truth)) * (problem.upper - problem.lower))
            if "parameters" in found:
                found["error"] = float(np.abs(np.array(found["parameters"]) / truth - 1.0).max())
            rows["starts"].append(found)
            print(name, found, flush=True)
    rows["recovered"] = sum(row.get("error", 1.0) <= 1e-6 for row in rows["starts"])
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--starts", type=int, default=20)
    given = parser.parse_args()
    file = HERE / "results" / "calibration.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    for name in [given.only] if given.only else CASES:
        results[name] = {"machine": describe_machine(), **measure(name, given.starts)}
        write_result("calibration", results)
        row = results[name]
        print(
            f"{name}: compiled in {row['seconds_compile']:.1f} s; joint {row['joint']['seconds']:.2f} s, "
            f"{row['joint']['evaluations']} evaluations, gap {row['joint']['largest_gap']:.1e}; nested "
            f"{row['nested']['seconds']:.2f} s, {row['nested']['evaluations']} evaluations; {row['recovered']} of "
            f"{given.starts} starts recover the parameters to 1e-6, largest error "
            f"{max(each.get('error', 9.0) for each in row['starts']):.1e}"
        )


if __name__ == "__main__":
    sys.exit(main())
