"""One shipped economy solved twice, by the classical algorithm and by RSPG, and both measured alike.

The classical solution takes seconds and is made anew. RSPG is kept in a run folder: a finished one is used again, one
that was cut off goes on.
"""

import contextlib
import dataclasses
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hank_mfg.evaluate.accuracy import Accuracy, evaluate
from hank_mfg.evaluate.distribution.statistics import gini, top_share
from hank_mfg.evaluate.simulate import Simulation, simulate
from hank_mfg.model.gallery import load_model
from hank_mfg.model.named import differing
from hank_mfg.runs.economy_run import run_model
from hank_mfg.runs.manifest import holds_run
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.storage import UNFINISHED, RunError, read_config
from hank_mfg.solve.classical.krusell_smith import ClassicalSolution, solve_classical
from hank_mfg.solve.classical.law_of_motion import LawOfMotion
from hank_mfg.solve.classical.law_search import KSAlgorithm
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.solution import Solution

SEED = 1  # of the paths on which solutions are measured; the classical law is found on the path of seed 0
TOP = (0.01, 0.05, 0.10, 0.20, 0.30)
Tell = Callable[[str], None]


class Sizes(NamedTuple):
    """Sizes of solutions and of measures.

    `periods` of every simulation; `points` of the histogram on which the distribution of wealth is measured: a lottery
    between grid points spreads households a little every period, so a coarse histogram shows too much inequality. None
    takes the simulation in which accuracy is measured and saves another one.
    """

    classical: KSAlgorithm
    recurrent: RSPG
    periods: int = 10_000
    points: int | None = 1600


QUICK = Sizes(
    KSAlgorithm(asset_points=100, histogram_points=150, capital_points=8, periods=2000, burn_in=300, tolerance=1e-5),
    RSPG(asset_points=80, updates=20, paths=4, knots=12, units=8, width=16, epochs=8, warmup=50, learning_rate=1e-2),
    periods=1000,
    points=None,
)


class Measured(NamedTuple):
    """A solution and what it says. `law` is the one households believe in (classical) or, where households have none,
    the one fitted to the simulation; `accuracy` with its `content` as plain numbers; `wealth` a simulation on a fine
    histogram; `seconds` to solve, by part."""

    solution: ClassicalSolution | Solution
    law: LawOfMotion
    accuracy: Accuracy
    content: dict[str, Any]
    wealth: Simulation
    seconds: dict[str, float]

    @property
    def status(self) -> str:
        """The status of the solution, in one word or two."""
        return self.solution.status.name.lower().replace("_", " ")

    @property
    def steps(self) -> int:
        """Laws tried by the classical algorithm, updates made by RSPG."""
        return self.solution.updates if isinstance(self.solution, Solution) else self.solution.iterations


def solve_twice(name: str, folder: Path, sizes: Sizes, tell: Tell) -> dict[str, Measured]:
    """Both solutions of a shipped economy, measured: "Classical" and "RSPG". RSPG is kept in `folder`."""
    found = {}
    solvers = {
        "Classical": lambda: solve_classical(load_model(name), sizes.classical),
        "RSPG": lambda: solved_run(name, folder, sizes.recurrent),
    }
    for label, solve in solvers.items():
        with passing_on(tell, f"{name}, {label}: "):
            solution = solve()
            tell(f"{name}, {label}: solved in {solution.seconds_total:.1f} s, {solution.status.name.lower()}")
            found[label] = measure(solution, sizes)
    return found


@contextlib.contextmanager
def passing_on(tell: Tell, before: str) -> Iterator[None]:
    """Pass warnings on to the reader with the name of what they are about, each once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        tell(before + text)


def solved_run(name: str, folder: Path, settings: RSPG) -> Solution:
    """The RSPG solution in a run folder: read where it is finished, continued where it was cut off, else made.

    Raises RunError where the folder holds a run of another economy or with other settings.
    """
    if not holds_run(folder):
        return solve_run(name, folder, settings)
    config = read_config(folder)
    model = load_model(name)
    same = config["method"] == dataclasses.asdict(settings) and config["model"] == name
    saved = run_model(folder, config).parameters() if same else {}
    if not same or differing(model.parameters(), saved):
        raise RunError(
            f"{folder} was made with other settings or parameters: choose another --out, or delete that folder."
        )
    return solve_run(name, folder, resume=True) if config["status"] == UNFINISHED else load_run(folder)


def measure(solution: ClassicalSolution | Solution, sizes: Sizes) -> Measured:
    """Accuracy on fresh paths, and the distribution of wealth on a fine histogram."""
    accuracy = evaluate(solution, periods=sizes.periods, seed=SEED, deviations=False)
    wealth = accuracy.simulation
    if sizes.points is not None:
        wealth = simulate(solution, periods=sizes.periods, seed=SEED, asset_points=sizes.points)
    law = solution.law if isinstance(solution, ClassicalSolution) else accuracy.law
    seconds = {"compile": solution.seconds_compile, "run": solution.seconds_run, "total": solution.seconds_total}
    return Measured(solution, law, accuracy, accuracy.to_dict(), wealth, seconds)


def accuracy_table(economies: Mapping[str, Mapping[str, Measured]]) -> pd.DataFrame:
    """One row per economy and solution: how accurate, how it ended and what it took."""
    names = {
        "den_haan_mean_percent": "Den Haan, mean", "den_haan_max_percent": "Den Haan, largest",
        "euler_error_mean_percent": "Euler, mean", "euler_error_max_percent": "Euler, largest",
        "dynamic_euler_mean_percent": "Dynamic Euler, mean", "dynamic_euler_max_percent": "Dynamic Euler, largest",
    }  # fmt: skip
    rows = []
    for economy, solutions in economies.items():
        for label, each in solutions.items():
            errors = {text: each.content[name] for name, text in names.items()}
            took = {f"Seconds, {part}": value for part, value in each.seconds.items()}
            first = {"Economy": economy, "Solution": label, **errors}
            rows.append({**first, "Steps": each.steps, "Ended": each.status, **took})
    return pd.DataFrame(rows).set_index(["Economy", "Solution"])


def wealth_row(mass: np.ndarray, assets: np.ndarray) -> dict[str, float]:
    """Percent of wealth held by the richest 1, 5, 10, 20, 30 %, Gini coefficient, percent of households in debt."""
    shares = {f"Top {100 * fraction:.0f} %": 100.0 * float(top_share(mass, assets, fraction)) for fraction in TOP}
    return {**shares, "Gini": float(gini(mass, assets)), "In debt": 100.0 * in_debt(mass, assets)}


def in_debt(mass: np.ndarray, assets: np.ndarray) -> float:
    """The share of households with negative assets.

    The population of a grid point stands for households around it and is spread evenly between the midpoints to its
    neighbors, so that the share does not jump with the place of zero between two grid points.
    """
    if assets[0] >= 0:
        return 0.0
    edges = np.concatenate([assets[:1], 0.5 * (assets[1:] + assets[:-1]), assets[-1:]])
    return float(np.interp(0.0, edges, np.concatenate([[0.0], np.cumsum(mass.sum(axis=1))])))


def as_json(content: Any) -> str:
    """Plain numbers and text as a file; what is not a number becomes null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        if isinstance(value, np.generic):
            value = value.item()
        return None if isinstance(value, float) and not np.isfinite(value) else value

    return json.dumps(plain(content), indent=1) + "\n"
