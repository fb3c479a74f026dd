"""Estimation of Krusell and Smith's economy on samples simulated from itself: box, truth, moments and repetitions, for
the tests and for benchmarks/simulated_moments.py."""

import time

import pandas as pd

import hank_mfg as hm

BOX = {"risk_aversion": (1, 3), "discount_factor": (0.985, 0.992), "capital_share": (0.3, 0.4)}
TRUTH = {"risk_aversion": 2.0, "discount_factor": 0.988, "capital_share": 0.35}
MOMENTS = (
    "mean(output)", "mean(consumption)", "mean(interest_rate)", "sd(output)", "sd(consumption)",
    "autocorrelation(consumption)", "autocorrelation(output)", "correlation(consumption, output)",
)  # fmt: skip
PERIODS, POINTS = 400, 100


def sample(solution, seed: int, periods: int = PERIODS) -> pd.DataFrame:
    """Quarters simulated at the truth."""
    return hm.simulate(solution.at(TRUTH), periods=periods, burn=1000, seed=seed, asset_points=POINTS).to_frame()


def estimates(solution, seeds, **options) -> tuple[pd.DataFrame, list]:
    """One row a sample and parameter: estimate, standard error, whether the truth lies within two standard errors, the
    p-value of J and seconds; and the results. Samples are drawn with `seeds`, simulations with seeds of their own."""
    rows, results = [], []
    for seed in seeds:
        data = sample(solution, seed)
        begin = time.perf_counter()
        found = hm.match_moments(solution, MOMENTS, data=data, asset_points=POINTS, seed=1000 + seed, **options)
        seconds = time.perf_counter() - begin
        results.append(found)
        for name, true in TRUTH.items():
            estimate, error = found.parameters[name], found.standard_errors[name]
            inside = bool(abs(estimate - true) <= 2.0 * error)
            rows.append(
                {"seed": seed, "parameter": name, "truth": true, "estimate": estimate, "standard_error": error,
                 "covered": inside, "at_bound": name in found.at_bound, "p_value": found.p_value, "seconds": seconds}
            )  # fmt: skip
    return pd.DataFrame(rows), results


def coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a parameter: mean and standard deviation of estimates, mean standard error, samples with the truth within
    two standard errors, and those that ended at a bound."""
    by = rows.groupby("parameter", sort=False)
    return pd.DataFrame(
        {"truth": by.truth.first(), "mean_estimate": by.estimate.mean(), "sd_of_estimates": by.estimate.std(),
         "mean_standard_error": by.standard_error.mean(), "covered": by.covered.sum(), "at_bound": by.at_bound.sum(),
         "samples": by.size()}
    )  # fmt: skip
