"""The simulated method of moments on samples of 400 quarters, simulated from Krusell and Smith's economy itself.

    python benchmarks/simulated_moments.py [--quick]

One policy over a box of three parameters, 20 samples at one point of it, eight moments, 10 simulated samples. Table:
estimates against standard errors by parameter. Then how far estimates of the first samples move with a policy that was
trained with another seed, in standard errors, and that with simulations of other seeds.
"""

import sys
import time
from pathlib import Path

import numpy as np
from machine import progress, run_benchmark

import hank_mfg as hm

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reference"))
import simulated_samples as samples


def measure(quick: bool) -> dict:
    """Solve, estimate on every sample, and again with another policy."""
    count, again = (1, 1) if quick else (20, 3)
    box = {"problem": "krusell_smith", "over": samples.BOX}
    begin = time.perf_counter()
    solution = hm.solve(**box)
    seconds = time.perf_counter() - begin
    options = {"samples": 2, "starts": 1} if quick else {"starts": 2}
    progress(f"{count} samples")
    rows, results = samples.estimates(solution, range(count), **options)
    progress("another policy")
    other = hm.solve(**box, seed=1)
    moved, redrawn = [], []
    for seed in range(again):
        data, errors = samples.sample(solution, seed), np.asarray(list(results[seed].standard_errors.values()))
        for found, trained, draws in ((moved, other, 1000 + seed), (redrawn, solution, 2000 + seed)):
            fit = hm.match_moments(
                trained, samples.MOMENTS, data=data, asset_points=samples.POINTS, seed=draws, **options
            )
            gap = np.asarray(list(fit.parameters.values())) - np.asarray(list(results[seed].parameters.values()))
            found.append((gap / errors).tolist())
    table = samples.coverage(rows).reset_index()
    first = rows[rows.parameter == rows.parameter.iloc[0]]
    return {
        "precision": "float64", "table": table.to_dict("records"), "estimates": rows.to_dict("records"),
        "seconds_solve": seconds, "seconds_first": first.seconds.iloc[0], "seconds_median": first.seconds.median(),
        "J rejected at 5 percent": int((first.p_value < 0.05).sum()),
        "moved by another policy, standard errors": moved, "moved by other draws, standard errors": redrawn,
    }  # fmt: skip


if __name__ == "__main__":
    run_benchmark("simulated_moments", __doc__.splitlines()[0], measure)
