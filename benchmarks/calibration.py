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
from hank_mfg.estimate.calibration.calibrate import Task, prepare
from hank_mfg.estimate.calibration.targets import read_csv

HERE = Path(__file__).parent
TWO = HERE.parent / "tests" / "estimate" / "two_patience.py"
LORENZ = "US wealth"
WEALTH = HERE.parent / "calibration" / "data" / "krusell_smith_wealth_targets.csv"
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
BETAS = {  # bounds of the five discount factors of krusell_smith_wealth
    f"discount_factor[{place}]": bounds
    for place, bounds in enumerate([(0.7, 0.985), (0.9, 0.993), (0.95, 0.995), (0.97, 0.997), (0.98, 0.999)])
}


def lorenz_curve() -> dict:
    """krusell_smith_wealth calibrated to the Lorenz curve of US wealth, from rounded discount factors."""
    model = hm.load_model("krusell_smith_wealth", discount_factor=[0.92, 0.98994, 0.99166, 0.993, 0.9954])
    names = list(read_csv(WEALTH))
    weights = {name: 0.01 if name == "capital / output" else 1.0 for name in names}
    found = hm.calibrate(model, BETAS, WEALTH, weights=weights)
    print(found)
    gaps = {name: float(gap) for name, gap in found.targets["gap"].items()}
    return {
        "parameters": dict(zip(found.labels, found.values.tolist(), strict=True)), "gaps": gaps,
        "largest_gap_points": 100.0 * max(abs(gap) for name, gap in gaps.items() if name.startswith("lorenz")),
        "residual": found.steady.residual, "top_of_grid_mass": found.steady.top_of_grid_mass, "steps": found.steps,
        "evaluations": found.evaluations, "linearizations": found.linearizations,
        "seconds_compile": found.seconds_compile, "seconds_run": found.seconds_run,
    }  # fmt: skip


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
    parser.add_argument("--only", choices=[*CASES, LORENZ])
    parser.add_argument("--starts", type=int, default=20)
    given = parser.parse_args()
    file, machine = HERE / "results" / "calibration.json", describe_machine()
    results = json.loads(file.read_text())["cases"] if file.exists() else {}
    chosen = [given.only] if given.only else [*CASES, LORENZ]
    if LORENZ in chosen:
        results[LORENZ] = {"measured_on": machine, **lorenz_curve()}
        write_result("calibration", {"machine": machine, "precision": "float64", "cases": results})
        print(f"{LORENZ}: largest gap {results[LORENZ]['largest_gap_points']:.2f} points of total wealth")
    for name in [each for each in chosen if each != LORENZ]:
        results[name] = {"measured_on": machine, **measure(name, given.starts)}
        write_result("calibration", {"machine": machine, "precision": "float64", "cases": results})
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
