"""The methods of a comparison: what each is, how accurate and how fast."""

from typing import Any

import numpy as np
import pandas as pd

from hank_mfg.evaluate.accuracy import evaluate
from hank_mfg.evaluate.accuracy_table import NAMES
from hank_mfg.solve.classical.krusell_smith import ClassicalSolution
from hank_mfg.solve.sequence.sequence_space import LinearSolution
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.solution import Solution

LINEAR, FORESIGHT = "Linear", "Perfect foresight"


MEASURES = (
    "den_haan_mean_percent", "den_haan_max_percent", "euler_error_mean_percent", "dynamic_euler_mean_percent",
    "dynamic_euler_max_percent",
)  # fmt: skip


ABOUT = "What it is"


Global = Solution | ClassicalSolution


def accuracy_of(solution: Global, linear: LinearSolution, periods: int) -> dict[str, Any]:
    """Den Haan's test and Euler errors, as plain numbers: `evaluate` without a deviator."""
    variable = "capital" if "capital" in linear.names.unknown else None
    return evaluate(solution, periods=periods, variable=variable, deviations=False).to_dict()


def methods_table(
    solutions: dict[str, Global], linear: LinearSolution, foreseen: list[Transition], measured: dict[str, dict]
) -> pd.DataFrame:
    """One row per method: what it is, accuracy, residual, seconds without the stationary equilibrium, precision."""
    residual, compiling, running, precision = (
        "Largest residual of the path", "Seconds, compiling", "Seconds, running", "Precision",
    )  # fmt: skip
    points = linear.steady.economy.grid.size
    rows: dict[str, dict[str, Any]] = {
        LINEAR: {
            "What it is": f"linear in the shock, no aggregate risk, {linear.horizon} periods, {points} asset points",
            residual: "none", compiling: linear.seconds_compile, running: linear.seconds_run,
            precision: linear.precision,
        },
        FORESIGHT: {
            "What it is": f"nonlinear, no aggregate risk, {linear.horizon} periods, {points} asset points",
            residual: max(path.residual for path in foreseen),
            compiling: float(np.mean([path.seconds_compile for path in foreseen])),
            running: float(np.mean([path.seconds_run for path in foreseen])), precision: foreseen[0].precision,
        },
    }  # fmt: skip
    for label, each in solutions.items():
        rows[label] = {
            "What it is": _about(each), **{NAMES[name]: measured.get(label, {}).get(name) for name in MEASURES},
            compiling: each.seconds_compile, running: each.seconds_run, precision: each.precision,
        }  # fmt: skip
    columns = ["What it is", *(NAMES[name] for name in MEASURES), residual, compiling, running, precision]
    frame = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns).rename_axis("method")
    numbers = {NAMES[name]: float for name in MEASURES}
    return frame.astype({**numbers, compiling: float, running: float})


def _about(solution: Global) -> str:
    ended = "" if solution.status.name == "CONVERGED" else f", {solution.status.name.lower().replace('_', ' ')}"
    if isinstance(solution, ClassicalSolution):
        return f"global, log-linear law of motion of {solution.aggregate}, {solution.iterations} iterations{ended}"
    memory = "no memory" if solution.settings.memory == "none" else f"memory {solution.settings.memory}"
    return f"global, structural policy gradient, {memory}, {solution.updates} updates{ended}"
