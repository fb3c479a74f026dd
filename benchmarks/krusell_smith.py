"""Krusell and Smith (1998), comparison suite: seconds, accuracy, and agreement with a classical solution.

    python benchmarks/krusell_smith.py [--quick]

Seconds: `hank-mfg solve krusell_smith` in a process of its own, imports and compilation included, three times with an
empty compilation cache and twice with the cache of the last; medians. On an accelerator once each, and the comparison
is on one path.
Accuracy: `hank-mfg evaluate` of the last cold run. The bars are the same measures of the classical solution in
tests/reference (endogenous grid method, histogram, log-linear law), where it reports them.
Agreement: on five paths of shocks, capital of this run and of the classical solution along the same shocks.
Horizon: training with twice the horizon, and by how much the mean of capital moves on the same shocks.
"""

import resource
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
from machine import ROOT, TINY, command, progress, repetitions, run_benchmark, time_solves

import hank_mfg as hm

sys.path.insert(0, str(ROOT / "tests" / "reference"))
import reference_krusell_smith as classical
from make_reference import TABLE

MODEL = "krusell_smith"


def compare(solution: hm.Solution, seeds: range, periods: int, discard: int) -> list[dict]:
    """Capital of the run and of the classical solution along the same shocks.

    The classical solution starts at its own average mass; the first `discard` periods, in which the two starting points
    are forgotten, are left out.
    """
    reference = classical.load_solution()
    rows = []
    for seed in seeds:
        progress(f"comparison on the shocks of seed {seed}")
        path = hm.simulate(solution, periods=periods + discard, seed=seed)
        shocks, ours = path.shock[discard:], path.series["capital"][discard:]
        theirs = classical.capital_path(reference, path.shock)[discard:]
        gap = 100 * (ours / theirs - 1)
        row = {"seed": seed, "periods": periods}
        for name, capital in (("run", ours), ("classical", theirs)):
            law, r_squared = classical.fit_law(shocks, capital)
            row[name] = {
                "capital_mean": capital.mean(),
                "capital_sd": capital.std(),
                "intercept": law[:, 0],
                "slope": law[:, 1],
                "r2": r_squared,
            }
        rows.append(
            {
                **row,
                "capital_mean_gap_percent": 100 * (ours.mean() / theirs.mean() - 1),
                "capital_sd_gap_percent": 100 * (ours.std() / theirs.std() - 1),
                "path_gap_mean_percent": np.abs(gap).mean(),
                "path_gap_max_percent": np.abs(gap).max(),
            }
        )
    return rows


def double_horizon(solution: hm.Solution, seed: int, periods: int) -> dict:
    """Train again from the same start with twice the horizon; both are simulated on the same shocks."""
    settings = {**vars(solution.settings), "horizon": 2 * solution.settings.horizon}
    progress(f"training with horizon {settings['horizon']}")
    longer = hm.solve(solution.model, hm.RSPG(**settings), seed=solution.seed, steady=solution.steady)
    short, long = (hm.simulate(each, periods=periods, seed=seed) for each in (solution, longer))
    assert np.array_equal(short.shock, long.shock)
    means = [float(path.series["capital"].mean()) for path in (short, long)]
    return {
        "horizons": [solution.settings.horizon, settings["horizon"]],
        "capital_means": means,
        "capital_mean_change_percent": 100 * (means[1] / means[0] - 1),
        "euler_error_percent_end_of_training": [
            100 * float(each.history["euler_error"][-20:].mean()) for each in (solution, longer)
        ],
        "seconds_compile": longer.seconds_compile,
        "seconds_train": longer.seconds_train,
        "updates": longer.updates,
        "seed": seed,
        "periods": periods,
    }


def classical_numbers() -> dict[str, float]:
    """What tests/reference measured of the classical solution, by name."""
    lines = [line.split(",") for line in TABLE.read_text().splitlines()[1:]]
    return {line[0]: float(line[1]) for line in lines}


def tabulate(timings: dict, evaluation: dict, agreement: list[dict], horizon: dict) -> list[dict]:
    """Rows of what was measured beside its bar: the classical solution's own number where it reports one."""
    bars = classical_numbers()
    measured = [
        ("seconds, whole process, cold cache", None, timings["cold"]["seconds"]),
        ("  of which compilation beside the stationary equilibrium", None, timings["cold"]["seconds_compile"]),
        ("  of which training", None, timings["cold"]["seconds_train"]),
        ("seconds, whole process, warm cache", None, timings["warm"]["seconds"]),
        ("law of motion, slope, bad", bars["law_slope_bad_over_paths"], evaluation["law_of_motion"]["slope"][0]),
        ("law of motion, slope, good", bars["law_slope_good_over_paths"], evaluation["law_of_motion"]["slope"][1]),
        ("law of motion, R2, bad", bars["r_squared_bad_over_paths"], evaluation["law_of_motion"]["r2"][0]),
        ("law of motion, R2, good", bars["r_squared_good_over_paths"], evaluation["law_of_motion"]["r2"][1]),
    ]  # fmt: skip
    names = {
        "den_haan_mean_percent": "den_haan_mean_percent",
        "den_haan_max_percent": "den_haan_maximum_percent",
        "dynamic_euler_mean_percent": "dynamic_euler_consumption_mean_percent",
        "dynamic_euler_max_percent": "dynamic_euler_consumption_maximum_percent",
        "euler_error_mean_percent": "one_step_euler_mean_percent",
        "euler_error_max_percent": "one_step_euler_maximum_percent",
        "constrained_share": "constrained_share_mean",
        "goods_market_residual_max": None,
        "top_of_grid_mass": None,
    }
    measured += [(name, bars.get(bar) if bar else None, evaluation[name]) for name, bar in names.items()]
    gains = (evaluation["exploitability"] or {}).get("consumption_percent") or {}
    measured += [(f"exploitability, {name}, percent of consumption", None, gain) for name, gain in gains.items()]
    for row in agreement:
        run, reference, seed = row["run"], row["classical"], row["seed"]
        measured += [
            (f"capital mean, shocks of seed {seed}", reference["capital_mean"], run["capital_mean"]),
            (f"capital sd, shocks of seed {seed}", reference["capital_sd"], run["capital_sd"]),
            (f"slope, bad, shocks of seed {seed}", reference["slope"][0], run["slope"][0]),
            (f"slope, good, shocks of seed {seed}", reference["slope"][1], run["slope"][1]),
            (f"largest gap of the paths, percent, seed {seed}", None, row["path_gap_max_percent"]),
        ]
    measured.append(
        ("capital mean, change with twice the horizon, percent", None, horizon["capital_mean_change_percent"])
    )
    return [{"row": name, "bar": bar, "measured": float(value)} for name, bar, value in measured]


def measure(quick: bool) -> dict:
    """Everything, in a temporary folder."""
    jax.config.update("jax_compilation_cache_dir", None)
    options = [part for name, value in TINY.items() for part in ("--option", f"{name}={value}")] if quick else []
    periods = 200 if quick else 10_000
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        timings, run, cache = time_solves(MODEL, folder, options, quick)
        progress("evaluation")
        evaluation = command("evaluate", str(run), "--periods", str(periods), cache=cache)
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        solution = hm.load_run(run)
        agreement = compare(solution, range(1, 2 if quick else 1 + repetitions(5)), periods, 100 if quick else 500)
        horizon = double_horizon(solution, 1, periods)
    settings = vars(solution.settings)
    return {
        "precision": {"training": solution.precision, "measurement": "float64"},
        "settings": settings,
        "table": tabulate(timings, evaluation["printed"], agreement, horizon),
        "solve": timings,
        "evaluation": evaluation,
        "agreement": agreement,
        "horizon": horizon,
        "peak_memory_gib": children / 2**30,
    }


if __name__ == "__main__":
    run_benchmark("krusell_smith", __doc__.splitlines()[0], measure)
