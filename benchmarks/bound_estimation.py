"""The economy with a lower bound, estimated as it is: one solution over a box, a particle filter, US data to 2019.

    python benchmarks/bound_estimation.py [--quick]

`one_asset_hank_bound` is solved over the slope of the Phillips curve, the reaction of the nominal rate to inflation and
the volatility of patience. Data are output growth, core inflation and the federal funds rate, 1995 to 2019. The model
has inflation zero at rest, so that 2 percent a year are taken off inflation and the funds rate, and its bound lies 2
percent a year below zero: 4 below the rate at rest, as in the data. First the same is done with data that the solution
itself simulates, whose parameters are known, and so are the standard deviations of measurement errors. Those of the US
are estimated too.

The solution, its accuracy, every evaluation of the likelihood and every estimation that has ended are kept in
benchmarks/runs/bound_estimation/, which git ignores: the same command goes on where it was cut off.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from machine import ROOT, TINY, kept_solution, progress, run_benchmark

import hank_mfg as hm

BOXES = {  # the data of the US want larger shocks and a stronger rule than those that the truth was placed among
    "simulated": {"slope": (0.015, 0.04), "taylor": (1.4, 2.2), "patience_sd": (0.003, 0.006)},
    "US": {"slope": (0.015, 0.05), "taylor": (1.4, 3.0), "patience_sd": (0.003, 0.008)},
}
PRIORS = {"slope": ("gamma", 0.027, 0.006), "taylor": ("normal", 1.75, 0.2), "patience_sd": ("gamma", 0.0045, 0.0008)}
SOLVED = {
    "asset_points": 60, "paths": 16, "horizon": 10, "updates": 320, "epochs": 64, "learning_rate": 2e-3,
    "final_rate": 0.1, "final_step": 0.1, "price_noise": 0.0,
}  # fmt: skip
OBSERVED = {
    "growth": hm.Observed("output", "log difference", measurement_error=0.4),
    "inflation": hm.Observed("inflation", "level", scale=400.0, trend="none", measurement_error=0.6),
    "rate": hm.Observed("nominal_rate", "level", scale=400.0, lead=1, trend="none", measurement_error=0.5),
}
ERRORS = {name: f"{name}_error" for name in OBSERVED}  # of measurement, estimated on US data
ERROR_PRIORS = {name: ("inverse gamma", 0.5, 0.25) for name in ERRORS.values()}
TRUTH = {"slope": 0.025, "taylor": 1.7, "patience_sd": 0.005}
TARGET, AT_REST = 2.0, 2.0  # percent a year: inflation at rest in the data, the nominal rate of the model at rest
FOLDER = ROOT / "benchmarks" / "runs" / "bound_estimation"


def us_data() -> pd.DataFrame:
    """Growth, inflation and the funds rate as deviations from rest, quarters from 1995Q1 to 2019Q4."""
    data = pd.read_csv(ROOT / "calibration" / "data" / "us_fred_quarterly.csv", comment="#", index_col=0)
    frame = pd.DataFrame(
        {
            "growth": 100.0 * np.log(data.real_gdp).diff(),
            "inflation": 400.0 * np.log(data.core_cpi).diff() - TARGET,
            "rate": data.federal_funds_rate - TARGET - AT_REST,
        }
    )
    return frame.loc["1995Q1":"2019Q4"]


def simulated_data(solution: hm.results.BoxSolution, periods: int, seed: int) -> pd.DataFrame:
    """What the economy at `TRUTH` would show, with measurement errors."""
    at = solution.at(TRUTH)
    path = hm.simulate(at, periods=periods + 1, seed=seed)
    noise = np.random.default_rng(seed).standard_normal((periods, 3)) * [
        each.measurement_error for each in OBSERVED.values()
    ]
    rest = float(at.steady.aggregates.nominal_rate)
    frame = pd.DataFrame(
        {
            "growth": 100.0 * np.diff(np.log(path.series["output"])),
            "inflation": 400.0 * path.series["inflation"][1:],
            "rate": 400.0 * (np.append(path.series["nominal_rate"][2:], np.nan) - rest),
        }
    )
    return frame + noise


def solved(name: str, quick: bool) -> tuple[hm.results.BoxSolution, float | None]:
    """The solution over the box of data called `name`, kept, and the seconds it took, where they are known."""
    model = hm.load_model("one_asset_hank_bound", lower_bound=-0.01 * TARGET / 4)
    box = hm.Box(BOXES[name], points=10 if quick else 64)
    return kept_solution(
        FOLDER / f"solution_{name}{'_quick' if quick else ''}.npz", model,
        lambda: hm.solve(model, hm.RSPG(**(TINY if quick else SOLVED)), over=box, verbose=True),
    )  # fmt: skip


def estimated(solution: hm.results.BoxSolution, data: pd.DataFrame, name: str, quick: bool) -> dict[str, Any]:
    """The posterior, and what it took."""
    folder = FOLDER / f"{name}{'_quick' if quick else ''}"
    kept = folder / "estimation.json"
    errors_too = name == "US"
    particles, draws = (150, 600) if errors_too else (100, 300)
    sizes = {"particles": 20, "burn": 2, "asset_points": 30} if quick else {"particles": particles, "asset_points": 60}
    asked = {"draws": 10, "explore": 10} if quick else {"draws": draws, "explore": 40}
    observed, priors, start = OBSERVED, PRIORS, {}
    if errors_too:
        observed = {column: each._replace(measurement_error=ERRORS[column]) for column, each in OBSERVED.items()}
        priors = PRIORS | ERROR_PRIORS
        start = {error: OBSERVED[column].measurement_error for column, error in ERRORS.items()}
    before = json.loads(kept.read_text()) if kept.is_file() else {}
    if before.get("sizes") == {**sizes, **asked}:
        return before
    likelihood = hm.particle_likelihood(solution, data, observed, start=start, **sizes)
    begin = time.perf_counter()
    likelihood()
    compiled = time.perf_counter()
    errors = likelihood.repeated(2 if quick else 8)
    each = (time.perf_counter() - compiled) / len(errors)
    with ThreadPoolExecutor(2) as executor:
        posterior = hm.estimate(likelihood, priors, folder=folder, callback=progress, executor=executor, **asked)
    table = posterior.table()
    found = {
        "table": table.reset_index().to_dict("records"), "seconds": posterior.seconds, "error": posterior.error,
        "effective": posterior.effective, "tail": posterior.tail, "seconds_of_one_likelihood": each,
        "log_marginal_density": posterior.log_marginal_density(), "explored": len(posterior.explored.points),
        "seconds_to_compile": compiled - begin, "error_at_start": float(errors.std(ddof=1)),
        "sizes": {**sizes, **asked},
    }  # fmt: skip
    kept.write_text(json.dumps(found))
    return found


def accuracy_of(solution: hm.results.BoxSolution, name: str, quick: bool) -> list[dict[str, Any]]:
    """Euler errors over the box, kept."""
    kept = FOLDER / f"accuracy_{name}{'_quick' if quick else ''}.json"
    if not kept.is_file():
        table = hm.evaluate(solution, points=1 if quick else 4, periods=100 if quick else 300).table()
        kept.write_text(json.dumps(table.to_dict("records")))
    return json.loads(kept.read_text())


def measure(quick: bool) -> dict[str, Any]:
    """Simulated data first, then those of the US."""
    found, accuracy, seconds, table = {}, {}, {}, []
    for name in BOXES:
        solution, seconds[name] = solved(name, quick)
        accuracy[name] = accuracy_of(solution, name, quick)
        progress(f"estimating on {name} data")
        data = us_data() if name == "US" else simulated_data(solution, 100, 3)
        found[name] = estimated(solution, data, name, quick)
        for row in found[name]["table"]:
            parameter = row["parameter"]
            truth = TRUTH.get(parameter) if name == "simulated" else None
            inside = None if truth is None else row["5 %"] <= truth <= row["95 %"]
            table.append({"data": name, **row, "truth": truth, "inside": inside})
    return {
        "precision": "training and filter float32", "table": table, "estimations": found,
        "euler_errors": accuracy, "seconds_solve": seconds,
    }  # fmt: skip


if __name__ == "__main__":
    run_benchmark("bound_estimation", __doc__.splitlines()[0], measure)
