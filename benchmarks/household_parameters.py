"""Parameters of households, estimated on simulated data: how often the truth lies in 90 percent intervals.

    python benchmarks/household_parameters.py [--quick]

The one-asset HANK economy at its own parameters; 156 quarters of output, inflation and the policy rate, drawn from its
linear solution. The discount factor and risk aversion move the stationary equilibrium and every household response,
which are found and differentiated again at each evaluation. Loose priors, the mode by `hm.estimate`, intervals from the
curvature there. Repetitions run in two processes; where no mode is found the interval counts as one without the truth.
"""

import concurrent.futures
import multiprocessing
import time
from typing import Any

import jax
import numpy as np
import pandas as pd
from machine import run_benchmark

import hank_mfg as hm

PERIODS, BEFORE, POINTS, HORIZON = 156, 300, 200, 300
OBSERVED = {
    "output": hm.Observed("output", trend="none"),
    "inflation": hm.Observed("inflation", "level", trend="none"),
    "rate": hm.Observed("nominal_rate", "level", lead=1, trend="none"),
}
PRIORS = {"discount_factor": ("beta", 0.98, 0.01), "risk_aversion": ("gamma", 2.0, 1.0)}
WITHIN = 1.645  # standard deviations: 90 percent


def economy() -> hm.Model:
    """The economy, with three shocks of its own."""
    return hm.load_model("one_asset_hank")


def simulated(seed: int, steady: hm.SteadyState) -> pd.DataFrame:
    """A sample of the linear solution, in units of the data."""
    names = pd.period_range("1966Q1", periods=PERIODS, freq="Q")
    dummy = pd.DataFrame(np.random.default_rng(0).standard_normal((PERIODS, 3)), index=names, columns=list(OBSERVED))
    at = hm.likelihood(economy(), dummy, OBSERVED, ["monetary_sd"], horizon=HORIZON, steady=steady)
    with jax.enable_x64(True):
        coefficients = np.asarray(at.coefficients(at.start))  # (innovations, horizon, columns)
    news = np.random.default_rng([seed, 7]).standard_normal((PERIODS + BEFORE, len(coefficients)))
    every = sum(
        np.stack([np.convolve(news[:, i], each[:, k])[BEFORE : BEFORE + PERIODS] for k in range(3)], axis=1)
        for i, each in enumerate(coefficients)
    )
    return dummy * 0.0 + every


def one(seed: int) -> dict[str, Any]:
    """One repetition."""
    steady = hm.steady_state(economy(), asset_points=POINTS)
    data = simulated(seed, steady)
    begin = time.perf_counter()
    likelihood = hm.likelihood(economy(), data, OBSERVED, list(PRIORS), horizon=HORIZON, steady=steady)
    try:
        found = hm.estimate(likelihood, PRIORS, draws=0, starts=1, seed=seed)
    except hm.EstimationError as error:  # counts as an interval that does not hold the truth
        empty = {f"{name}{part}": None for name in PRIORS for part in ("", "_sd", "_inside")}
        return {"seed": seed, "seconds": time.perf_counter() - begin, **empty, "failed": str(error)}
    truth = economy().parameters()
    row: dict[str, Any] = {"seed": seed, "seconds": time.perf_counter() - begin, "failed": ""}
    for name in PRIORS:
        away = (found.mode.values[name] - float(truth[name])) / found.mode.sd[name]
        row |= {name: found.mode.values[name], f"{name}_sd": found.mode.sd[name], f"{name}_inside": abs(away) < WITHIN}
    return row


def measure(quick: bool) -> dict[str, Any]:
    """Every repetition, and how many intervals hold the truth."""
    seeds = range(1 if quick else 20)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
        rows = hm.in_pieces(one, seeds, executor=pool, names=[f"seed {seed}" for seed in seeds], callback=print)
    inside = {name: sum(bool(row[f"{name}_inside"]) for row in rows) for name in PRIORS}
    return {"precision": "float64", "table": rows, "inside": inside, "repetitions": len(rows)}


if __name__ == "__main__":
    run_benchmark("household_parameters", __doc__.splitlines()[0], measure)
