"""The tables of a comparison: what each method is, how accurate and how fast, and how far from the linear response."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hank_mfg.evaluate.accuracy import evaluate
from hank_mfg.evaluate.accuracy_table import NAMES
from hank_mfg.report.latex import to_latex
from hank_mfg.report.style import display_name
from hank_mfg.report.units import counted
from hank_mfg.solve.krusell_smith import ClassicalSolution
from hank_mfg.solve.sequence_space import LinearSolution
from hank_mfg.solve.solution import Solution
from hank_mfg.solve.transition import Transition

if TYPE_CHECKING:
    from hank_mfg.report.compare import Comparison

LINEAR, FORESIGHT = "Linear", "Perfect foresight"
MEASURES = (
    "den_haan_mean_percent", "den_haan_max_percent", "euler_error_mean_percent", "dynamic_euler_mean_percent",
    "dynamic_euler_max_percent",
)  # fmt: skip
ABOUT = "What it is"
ROUNDING = 1e-8  # a gap below this, in percent of the peak, is printed as 0
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


def gaps_to_latex(comparison: "Comparison") -> str:
    """The table of gaps as LaTeX: sizes and variables for a reader, without variables that do not respond."""
    gaps = comparison.gaps.dropna(subset=[(comparison.others[0], "gap")])
    for method in comparison.others:
        none = gaps[method, "gap"].abs() < ROUNDING
        gaps[method, "gap"] = gaps[method, "gap"].astype(object).mask(none, "0")
        gaps[method, "period"] = gaps[method, "period"].mask(none)
    labels = dict(zip(comparison.sizes, comparison.labels, strict=True))
    rows = [(labels[key[0]], display_name(key[1])) for key in gaps.index.to_list()]
    first = [label if place == 0 or rows[place - 1][0] != label else "" for place, (label, _) in enumerate(rows)]
    index = pd.MultiIndex.from_arrays([first, [variable for _, variable in rows]], names=["Size", "Variable"])
    names = {
        "unit": "Unit",
        "peak": "Peak",
        "period": counted(comparison.period),
        "gap": "Gap (percent)",
        "error": "S.e.",
    }
    columns = pd.MultiIndex.from_tuples([(method, names[column]) for method, column in gaps.columns])
    frame = gaps.set_axis(index, axis=0).set_axis(columns, axis=1)
    frame[LINEAR, "Unit"] = [comparison.unit_shown(key[1]) for key in gaps.index.to_list()]
    note = (
        "Peak: the linear response where it is largest in absolute value, in its unit. Gap: the "
        "largest difference of a response from the linear one, in percent of that peak; positive where the response "
        f"goes further in the direction of the peak. {names['period']}: when, 0 being that of the shock. "
        f"{comparison.note}"
    )
    return to_latex(frame, caption=f"Responses to {_shock(comparison)} beside the linear response", note=note)


def methods_to_latex(comparison: "Comparison") -> str:
    """The table of methods as LaTeX, one column per method; what each is stands in the note."""
    table = comparison.methods
    frame = table.drop(columns=ABOUT).T.rename_axis("")
    about = "; ".join(f"{method}: {text}" for method, text in table[ABOUT].items())
    note = (
        f"{about}. Accuracy is measured in float64. Seconds are without the stationary equilibrium, which all start "
        "from, and without responses of the global solutions; those of a path are the mean over sizes and come on top "
        "of the linear solution."
    )
    return to_latex(frame, caption="Methods compared", note=note)


def _shock(comparison: "Comparison") -> str:
    return comparison.shock.replace("_", " ")
