"""Krusell and Smith (1998): accuracy over ten seeds, and mean capital in six economies.

    python benchmarks/krusell_smith_seeds.py [--quick] [--part seeds|economies]

Seeds: the economy of the comparison suite, solved with ten training seeds; each is measured on a path of its own of
10,000 periods with five individuals, and on one common path of 10,000 periods that starts from a histogram of 1,001
points and follows one given individual, as the suite's own test does (its files are not here: the paths are drawn from
seed 2010). The classical solution, `hm.KSAlgorithm()`, is measured on the same paths.
Economies: risk aversion 1, 3 and 5 in the calibrations of 2010 and 1998; capital of the default solve and of the
classical solution along the same shocks, by how much it differs.
"""

import sys
from typing import Any

import numpy as np
from machine import ROOT, progress, run_benchmark

import hank_mfg as hm

sys.path.insert(0, str(ROOT / "tests" / "reference"))
import reference_krusell_smith as classical

TINY: dict[str, Any] = {"asset_points": 60, "updates": 20, "paths": 4, "knots": 10}


def suite_test(periods: int) -> dict[str, Any]:
    """Shocks (periods,), one individual's own states and the first histogram, as the comparison suite gives them."""
    shocks = classical.productivity_path(periods, 2010)
    own = classical.employment_path(shocks, 2010)
    reference = classical.load_solution()
    mass = reference.average_mass[shocks[0]].T
    mass = mass / mass.sum()
    start = float(reference.histogram_grid @ mass.sum(axis=1))
    return {
        "shocks": shocks, "own": own, "initial_assets": start, "distribution": (reference.histogram_grid, mass),
    }  # fmt: skip


def errors_of(solution: Any, periods: int, seed: int, given: dict[str, Any]) -> dict[str, Any]:
    """Euler errors on a path of the seed's own and on the given one, percent."""
    own, suite = hm.euler_errors(solution, periods=periods, seed=seed), hm.euler_errors(solution, **given)
    return {
        "seed": seed,
        "one_step_mean_percent": 100 * own.mean,
        "one_step_max_percent": 100 * max(own.maximum, suite.maximum),
        "share_above_tenth_percent": own.above_tenth,
        "share_above_one_percent": own.above_one,
        "dynamic_mean_percent": 100 * own.dynamic_mean,
        "dynamic_max_percent_by_individual": [100 * each for each in own.dynamic_maxima],
        "dynamic_max_percent": 100 * own.dynamic_maximum,
        "suite_dynamic_mean_percent": 100 * suite.dynamic_mean,
        "suite_dynamic_max_percent": 100 * suite.dynamic_maximum,
    }


def measure_seeds(count: int, periods: int, settings: hm.RSPG) -> dict[str, Any]:
    """Errors of `count` trainings and of the classical solution."""
    model = hm.load_model("krusell_smith")
    steady = hm.steady_state(model, asset_points=2 * settings.asset_points)
    given = suite_test(periods)
    rows = []
    for seed in range(count):
        solution = hm.solve(model, settings, seed=seed, steady=steady)
        rows.append({**errors_of(solution, periods, seed, given), "seconds_train": solution.seconds_train})
        progress(f"seed {seed}: {rows[-1]}")
    known = hm.solve(model, hm.KSAlgorithm(), steady=steady)
    yardstick = [errors_of(known, periods, seed, given) for seed in range(count)]
    return {"rspg": rows, "classical": yardstick}


def measure_economies(periods: int, settings: hm.RSPG) -> list[dict[str, Any]]:
    """Capital of the default solve less that of the classical solution along the same shocks, percent."""
    rows = []
    for name in ("krusell_smith", "krusell_smith_1998"):
        for aversion in (1.0, 3.0, 5.0):
            model = hm.load_model(name, risk_aversion=aversion)
            steady = hm.steady_state(model, asset_points=2 * settings.asset_points)
            ours = hm.solve(model, settings, steady=steady)
            known = hm.solve(model, hm.KSAlgorithm(), steady=steady)
            shocks = hm.simulate(ours, periods=periods, seed=7).shock
            burn = periods // 10
            capital, yardstick = (
                hm.simulate(each, shocks=shocks, burn=burn, asset_points=400).series["capital"]
                for each in (ours, known)
            )
            gap = 100 * (capital / yardstick - 1)
            rows.append(
                {
                    "model": name,
                    "risk_aversion": aversion,
                    "capital_mean": capital.mean(),
                    "classical_capital_mean": yardstick.mean(),
                    "mean_gap_percent": 100 * (capital.mean() / yardstick.mean() - 1),
                    "largest_gap_percent": np.abs(gap).max(),
                    "status": ours.status.name,
                    "updates": ours.updates,
                }
            )
            progress(str(rows[-1]))
    return rows


def measure(quick: bool, part: str | None) -> dict[str, Any]:
    """Both parts, or the one that is named."""
    settings = hm.RSPG(**TINY) if quick else hm.RSPG()
    precision = {"training": settings.precision, "measurement": "float64"}
    content: dict[str, Any] = {"settings": vars(settings), "precision": precision}
    if part != "economies":
        content["seeds"] = measure_seeds(2 if quick else 10, 400 if quick else 10_000, settings)
    if part != "seeds":
        content["economies"] = measure_economies(400 if quick else 5_000, settings)
    rows = content.get("seeds", {})
    content["table"] = [
        {"row": f"{name}, {method}, largest of {len(each)} seeds", "measured": max(row[name] for row in each)}
        for method, each in rows.items()
        for name in each[0]
        if name.endswith("max_percent")
    ] + [
        {"row": f"{kind}, {row['model']}, risk aversion {row['risk_aversion']}", "measured": row[kind]}
        for row in content.get("economies", [])
        for kind in ("mean_gap_percent", "largest_gap_percent")
    ]
    return content


if __name__ == "__main__":
    named = sys.argv.pop(sys.argv.index("--part") + 1) if "--part" in sys.argv else None
    sys.argv = [each for each in sys.argv if each != "--part"]
    name = "krusell_smith_seeds" if named is None else f"krusell_smith_seeds.{named}"
    run_benchmark(name, str(__doc__).splitlines()[0], lambda quick: measure(quick, named))
