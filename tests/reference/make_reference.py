"""Solve the JEDC suite's economy, measure it, write krusell_smith_jedc.csv and krusell_smith_jedc.npz beside this file.

Run `python tests/reference/make_reference.py` from the repository root: under a minute on one core. The law is fitted
on the path of seed 2010 (11,000 periods, 1,000 dropped); the accuracy is measured on the path of seed 2011, which the
law has not seen; the sampling error of every moment is its standard deviation over 20 further paths of the same policy.
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import reference_krusell_smith as classical

TABLE = Path(__file__).with_name("krusell_smith_jedc.csv")
FIT_SEED, TEST_SEED, SAMPLING_SEEDS = 2010, 2011, range(3000, 3020)
PERIODS, BURN_IN = 11_000, 1_000

# shared/design/accuracy.md: our first recomputation, on the suite's own 10,000-period path (not the paths used here).
YARDSTICK = {
    "law_intercept_bad": 0.12469,
    "law_slope_bad": 0.96533,
    "law_intercept_good": 0.13738,
    "law_slope_good": 0.96334,
    "r_squared_bad": 0.999997,
    "r_squared_good": 0.999998,
    "capital_mean": 39.335,
    "capital_sd": 1.0085,
    "den_haan_mean_percent": 0.053,
    "den_haan_maximum_percent": 0.211,
    "dynamic_euler_consumption_mean_percent": 0.0031,
    "dynamic_euler_consumption_maximum_percent": 0.057,
    "one_step_euler_mean_percent": 0.0014,
    "one_step_euler_maximum_percent": 0.0081,
}


def moments(solution, shocks):
    """Return the law fitted on one path of the policy, its fit, and the mean and sd of capital after the burn-in."""
    capital = classical.capital_path(solution, shocks)[BURN_IN:]
    law, r_squared = classical.fit_law(shocks[BURN_IN:], capital)
    return {
        "law_intercept_bad": law[0, 0],
        "law_slope_bad": law[0, 1],
        "law_intercept_good": law[1, 0],
        "law_slope_good": law[1, 1],
        "r_squared_bad": r_squared[0],
        "r_squared_good": r_squared[1],
        "capital_mean": capital.mean(),
        "capital_sd": capital.std(),
    }


def accuracy(solution, shocks):
    """Return the accuracy measures on one path, after the burn-in; the mass is looked at every tenth period."""
    warm = classical.simulate(solution, shocks[: BURN_IN + 1], snapshot_every=BURN_IN)
    simulation = classical.simulate(solution, shocks[BURN_IN:], initial_mass=warm.snapshots[1], snapshot_every=10)
    mean, maximum, _ = classical.den_haan_errors(solution.law, simulation.shocks, simulation.capital)
    measured = {"den_haan_mean_percent": mean, "den_haan_maximum_percent": maximum}
    for belief, suffix in (("simulated", ""), ("law", "_own_law")):
        dynamic = classical.dynamic_euler_errors(solution, simulation, individuals=10, belief=belief)
        static = classical.one_step_euler_errors(solution, simulation, belief=belief)
        measured |= {f"dynamic_euler_{name}{suffix}": number for name, number in dynamic.items()}
        measured |= {f"one_step_euler_{name}{suffix}": number for name, number in static.items()}
    measured["constrained_share_mean"] = simulation.constrained_share.mean()
    measured["mass_in_last_asset_node"] = simulation.average_mass[:, :, -1].sum(axis=-1).max()
    return measured


def main():
    """Write both files and print what was measured."""
    clock = time.perf_counter()
    solution = classical.solve_krusell_smith(periods=PERIODS, burn_in=BURN_IN, seed=FIT_SEED)
    seconds = time.perf_counter() - clock
    classical.save_solution(solution)
    draws = [moments(solution, classical.productivity_path(PERIODS, seed)) for seed in SAMPLING_SEEDS]
    rows = []

    def add(quantity, value, sample, spread=""):
        rows.append([quantity, f"{value:.8g}", YARDSTICK.get(quantity, ""), spread, sample])

    for name, value in moments(solution, classical.productivity_path(PERIODS, FIT_SEED)).items():
        add(name, value, f"10,000 periods, seed {FIT_SEED}", f"{np.std([draw[name] for draw in draws], ddof=1):.3g}")
    for name in draws[0]:
        add(f"{name}_over_paths", np.mean([draw[name] for draw in draws]), "mean over 20 paths of 10,000 periods")
    for name, value in accuracy(solution, classical.productivity_path(PERIODS, TEST_SEED)).items():
        add(name, value, f"10,000 periods, seed {TEST_SEED}")
    add("iterations", solution.iterations, "until the law moves by less than 1e-6")
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["quantity", "value", "yardstick_other_path", "sampling_sd", "sample"])
        writer.writerows(rows)
    for row in rows:
        print("  ".join(str(cell) for cell in row))
    print(f"solved in {seconds:.1f} s; {solution.savings.shape=} {solution.histogram_grid.size=}")


if __name__ == "__main__":
    main()
