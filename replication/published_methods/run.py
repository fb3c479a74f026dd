"""Published solutions of economies with heterogeneous households beside ours: each in its source's own measure of
error where that can be computed of any solution, and seconds.

    FOLDER/methods.csv, .tex     method, economy, measure: published error and seconds, ours, and whether ours is less
    FOLDER/accuracy.csv, .tex    what our solutions of the same economies are accurate to, whatever the source measures
    FOLDER/not_compared.csv      published results that are left out, and why
    FOLDER/results.json          all of it

Sources: Azinovic-Yang and Zemlicka (2025), arXiv 2509.13623, and their notebook; Han, Yang and E (2021), arXiv
2112.14377; Yang, Wang, Schaab and Moll (2025), arXiv 2512.18892; QuantEcon's notebook of Krusell and Smith (1998).
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hank_mfg.evaluate.accuracy import den_haan
from hank_mfg.evaluate.euler_errors import EulerErrors, euler_errors
from hank_mfg.files import write_table, write_text
from hank_mfg.model.gallery import load_model
from hank_mfg.replication import published_numbers
from hank_mfg.replication.two_solutions import QUICK, Tell, as_json, passing_on
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.solution import Solution
from hank_mfg.solve.solve import solve
from hank_mfg.welfare.planner import planner

from .economies import LogUtility, RiskyUnequal, Unequal

PERIODS, FINER = 10_000, 800  # of measures of global solutions; asset points of the planner's finer solution
NOT_COMPARED = {
    "DeepHAM, Krusell and Smith: Bellman error .0152 to .0184 (classical .0253)": "the error of a value network, in "
    "units of lifetime utility; our solution has no value network. Euler and Den Haan errors are in accuracy.csv.",
    "Khan and Thomas (2008): 41.5 s, Den Haan .063 mean, .37 percent largest": "firms with lumpy investment: not an "
    "economy of households.",
    "Fernandez-Villaverde, Hurtado and Nuno (2023): financial frictions, 12 hours": "continuous time with experts who "
    "issue debt; not declared here.",
    "Kase, Melosi and Rottner (2025): HANK with a zero bound, ten parameters, 3 days on a V100": "another economy and "
    "other parameters; benchmarks/bound_estimation.py estimates three parameters of one_asset_hank_bound.",
}


def run(folder: Path, *, quick: bool = False, tell: Tell = print) -> dict[str, Any]:
    """Solve every economy, measure it, and write the tables; returns their rows and the files written.

    `quick` makes everything small, its numbers are rough. Raises RuntimeError, once everything is written, where our
    error is above a published one (not with `quick`); seconds are said and not judged, for they are of a machine.
    """
    settings, periods = (QUICK.recurrent, 500) if quick else (RSPG(), PERIODS)
    solved = {name: _solved(name, make, settings, tell) for name, make in GLOBAL.items()}
    points = 60 if quick else 200
    begin = time.perf_counter()
    coarse = planner(Unequal(), asset_points=points)
    seconds = {name: each.seconds_total for name, each in solved.items()} | {"planner": time.perf_counter() - begin}
    finer = planner(Unequal(), asset_points=2 * points if quick else FINER)
    accuracy = pd.DataFrame({name: _accuracy(each, periods) for name, each in solved.items()}).T.rename_axis("economy")
    at = [each.optimum.aggregates["capital"] for each in (coarse, finer)]
    errors = {
        "sequence_space": accuracy.loc["Krusell and Smith, log utility, beta .93", "Euler error, mean (percent)"],
        "deepham_planner": 100 * abs(at[0] / at[1] - 1),
    }
    table = _methods(seconds, errors)
    left = pd.DataFrame({"why it is left out": NOT_COMPARED}).rename_axis("published")
    note = (
        "Seconds of whole solutions on this machine, compilation included. Euler errors over the mass and "
        f"{periods:,} periods, float64."
    )
    written = write_table(folder / "methods", table, note=note) + write_table(folder / "not_compared", left)
    written += write_table(folder / "accuracy", accuracy, note=note)
    both = zip(table.index, table["error, ours"], table["error, published"], strict=True)
    above = [str(name) for name, ours, published in both if ours > published]
    content = {
        "methods": table.reset_index().to_dict("records"), "accuracy": accuracy.reset_index().to_dict("records"),
        "not_compared": NOT_COMPARED, "above": above, "quick": quick,
    }  # fmt: skip
    written.append(write_text(folder / "results.json", as_json(content)))
    tell(f"\n{table.to_string()}\n\n{accuracy.to_string()}\n{note}")
    if above and not quick:
        raise RuntimeError(f"Errors are above published ones: {'; '.join(above)}. See {folder}.")
    return {**content, "files": [str(path) for path in written]}


GLOBAL: dict[str, Callable[[RSPG], Solution]] = {
    "Krusell and Smith, log utility, beta .93": lambda settings: solve(LogUtility(), settings, verbose=False),
    "Krusell and Smith, suite of 2010": lambda settings: solve(load_model("krusell_smith"), settings, verbose=False),
    "Krusell and Smith (1998)": lambda settings: solve(load_model("krusell_smith_1998"), settings, verbose=False),
    "Huggett with aggregate risk": lambda settings: solve(load_model("huggett"), settings, verbose=False),
    "planner, aggregate risk": lambda settings: planner(RiskyUnequal(), settings, verbose=False),
}


def _solved(name: str, make: Callable[[RSPG], Solution], settings: RSPG, tell: Tell) -> Solution:
    begin = time.perf_counter()
    with passing_on(tell, f"{name}: "):
        solution = make(settings)
    tell(f"{name}: {time.perf_counter() - begin:.1f} s, {solution.status.name.lower().replace('_', ' ')}")
    return solution


def _accuracy(solution: Solution, periods: int) -> dict[str, float]:
    """Errors of a solution, percent; Den Haan's where an aggregate has a law of motion."""
    errors = euler_errors(solution, periods=periods)
    assert isinstance(errors, EulerErrors)  # households have one asset
    found = {
        "Euler error, mean (percent)": 100 * errors.mean, "largest": 100 * errors.maximum,
        "dynamic, largest (percent)": 100 * errors.dynamic_maximum,
    }  # fmt: skip
    with contextlib.suppress(ValueError):  # nothing has a law of motion
        found["Den Haan, largest (percent)"] = 100 * den_haan(solution, periods=periods).maximum
    return {**found, "seconds": solution.seconds_total}


def _methods(seconds: dict[str, float], errors: dict[str, float]) -> pd.DataFrame:
    """One row a published result."""
    columns = {each: published_numbers(__file__, ("key",), each)
               for each in ("method", "source", "economy", "measure", "error", "seconds", "machine")}  # fmt: skip
    rows = []
    for (key,), economy in columns["economy"].items():
        published = {name: column[(key,)] for name, column in columns.items()}
        ours = seconds[economy if economy in seconds else "planner"]
        rows.append({
            "method": f"{published['method']}, {published['source']}", "economy": economy,
            "measure": published["measure"] if isinstance(published["measure"], str) else "",
            "error, published": published["error"], "error, ours": errors.get(key, np.nan),
            "seconds, published": published["seconds"], "machine": published["machine"], "seconds, ours": ours,
            "times faster": published["seconds"] / ours,
        })  # fmt: skip
    return pd.DataFrame(rows, index=pd.Index([key for (key,) in columns["economy"]], name="key"))
