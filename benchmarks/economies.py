"""Economies whose prices clear inside the period: seconds of whole solves, accuracy, residuals of markets.

    python benchmarks/economies.py [--quick]

Seconds: `hank-mfg solve MODEL` in a process of its own, imports and compilation included, three times with an empty
compilation cache and twice with the cache of the last, medians; on an accelerator, and for economies with many
aggregate states, once each. Accuracy: `hank-mfg evaluate` of the last cold run. Of the HANK economy without the
bound also responses to monetary shocks of .1 points against the linear ones, percent of the peak: the largest gap
in 20 quarters with the standard error of a mean over starting states, of the perfect-foresight path too, and of the
mean of an easing and a tightening, from which what is not linear in the shock has dropped out.
"""

import tempfile
from pathlib import Path

import numpy as np
from machine import TINY, command, progress, run_benchmark, time_solves

import hank_mfg as hm

HANK = {
    "asset_points": 100, "paths": 8, "passes": 128, "learning_rate": 3e-3, "final_rate": 0.1, "final_step": 0.1,
    "tremble": 0.0,
}  # fmt: skip
ECONOMIES = {"huggett": {}, "one_asset_hank": HANK, "one_asset_hank_bound": HANK}
PERIODS = {"huggett": 10_000, "one_asset_hank": 2_000, "one_asset_hank_bound": 2_000}  # of the evaluation
MEASURES = (
    "euler_error_mean_percent", "euler_error_max_percent", "dynamic_euler_mean_percent", "market_clearing_residual_max",
    "goods_market_residual_max", "price_error_mean_percent", "price_error_max_percent", "constrained_share",
    "top_of_grid_mass",
)  # fmt: skip


def measure_economy(name: str, quick: bool) -> tuple[list[dict], dict]:
    """Rows of the table and everything behind them."""
    settings, once = (TINY, True) if quick else (ECONOMIES[name], name != "huggett")
    options = [part for key, value in settings.items() for part in ("--option", f"{key}={value}")]
    with tempfile.TemporaryDirectory() as temporary:
        timings, run, cache = time_solves(name, Path(temporary), options, once)
        progress(f"evaluation of {name}")
        periods = 200 if quick else PERIODS[name]
        evaluation = command("evaluate", str(run), "--periods", str(periods), cache=cache)
        gaps = gaps_to_linear(hm.load_run(run), quick) if name == "one_asset_hank" else {}
    printed = evaluation["printed"]
    measured = [(f"seconds, whole process, {kind} cache", timings[kind]["seconds"]) for kind in ("cold", "warm")]
    measured += [(f"seconds, {part}", timings["cold"][f"seconds_{part}"]) for part in ("compile", "train")]
    measured += [("seconds of evaluation, whole process", evaluation["seconds"])]
    measured += [(measure, printed[measure]) for measure in MEASURES if printed[measure] is not None]
    gains = printed["exploitability"]["consumption_percent"]
    measured += [(f"exploitability, {kind}, percent of consumption", gain) for kind, gain in gains.items()]
    measured += [(f"gap to the linear response, percent of the peak, {what}", gap) for what, gap in gaps.items()]
    rows = [{"economy": name, "row": what, "measured": value} for what, value in measured]
    return rows, {"settings": settings, "solve": timings, "evaluation": evaluation}


def gaps_to_linear(solution: hm.Solution, quick: bool) -> dict[str, float]:
    """After an easing and a tightening of .1 points, and of their mean."""
    sizes = {"starts": 2, "paths": 2} if quick else {"starts": 128, "paths": 1}
    options = {"horizon": 20, "asset_points": solution.steady.economy.grid.size, "accuracy": False, **sizes}
    shocks = {"an easing": -1e-3, "a tightening": 1e-3}
    compared = hm.compare({"RSPG": solution}, "monetary", list(shocks.values()), **options)
    found = {}
    for name in ("output", "inflation", "interest_rate"):
        for what, size in shocks.items():
            row = compared.gaps.loc[(size, name)]
            found[f"{name} after {what}"] = abs(row["RSPG", "gap"])
            found[f"{name} after {what}, standard error"] = row["RSPG", "error"]
            found[f"{name} after {what}, perfect foresight"] = abs(row["Perfect foresight", "gap"])
        both = sum(compared.gap(size, "RSPG", name) for size in shocks.values()) / 2
        found[f"{name}, mean of both"] = float(np.abs(both).max())
    return found


def measure(quick: bool) -> dict:
    """All of them."""
    each = {name: measure_economy(name, quick) for name in ECONOMIES}
    return {
        "precision": {"training": "float32", "measurement": "float64"},
        "table": [row for rows, _ in each.values() for row in rows],
        **{name: behind for name, (_, behind) in each.items()},
    }


if __name__ == "__main__":
    run_benchmark("economies", __doc__.splitlines()[0], measure)
