"""The numbers of a run that a check compares, and how far each may be off on another machine.

A number passes where |here - in the package| is at most its tolerance, an absolute one, which the files of numbers
state beside it. It comes from these rules:

    solved     1e-6 of the number: roots and fixed points that are found in float64 to 1e-8 and better, and training in
               float64 of a few updates
    mean       1 percent: means over a simulation, and objectives, of training in single precision, where the rounding
               of another processor changes the path of training
    moment     10 percent: standard deviations and ratios of them; .1 for correlations
    error      as much as the number itself, so that an error may be at most twice as large, or a tenth of its bar
               (bars.py), which covers errors that are rounding
"""

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hank_mfg.evaluate.bars import BARS, measures
from hank_mfg.evaluate.distribution.statistics import gini_where_defined
from hank_mfg.evaluate.propensities import mean_propensities
from hank_mfg.evaluate.simulate import simulate
from hank_mfg.runs.kinds import GAME, STATIONARY
from hank_mfg.solve.solution import GameSolution, Solution
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.solve.train import chunk_length

SOLVED, MEAN, MOMENT = 1e-6, 0.01, 0.1  # of a number
SMALLEST = 1e-9  # tolerance of a number that is zero
QUICK_PERIODS = 200  # simulated in the quick mode
SEED = 1


class Number(NamedTuple):
    """A number and the largest difference from it that passes, in its own units."""

    value: float
    tolerance: float


Numbers = dict[str, Number]


def _number(value: float, share: float, least: float = SMALLEST) -> Number:
    return Number(float(value), max(share * abs(float(value)), least))


def _all(values: Mapping[str, Any], share: float, prefix: str = "") -> Numbers:
    """Those of `values` that are finite numbers, each with the tolerance of a rule."""
    plain = {f"{prefix}{name}": float(value) for name, value in values.items() if isinstance(value, int | float)}
    return {name: _number(value, share) for name, value in plain.items() if math.isfinite(value)}


def numbers_of(kind: str, solved: Any, folder: Path, *, quick: bool) -> Numbers:
    """The numbers of a run, by name: of the quick mode, or with everything that the run `folder` has measured."""
    if kind == STATIONARY:
        return stationary_numbers(solved)
    if kind == GAME:
        return game_numbers(solved, {} if quick else _json(folder / "evaluation.json"), quick=quick)
    return economy_numbers(solved, folder, quick=quick)


def stationary_numbers(steady: SteadyState) -> Numbers:
    """Prices, aggregates, outcomes and choices (decimals per period), the Gini coefficient of wealth, propensities."""
    gini = gini_where_defined(steady)
    more = {**({} if gini is None else {"gini_wealth": gini}), **mean_propensities(steady)}
    return _all({**steady.outcomes, **more}, SOLVED)


def economy_numbers(solution: Solution, folder: Path, *, quick: bool) -> Numbers:
    """The stationary equilibrium, the objective and the Euler error of training, and what was simulated or measured."""
    last = solution.history["euler_error"][-chunk_length(solution.settings.updates) :]
    trained = {"training.objective": solution.objective}
    euler = {"training.euler_error_percent": 100 * float(last.mean())}
    steady = _all(solution.steady.outcomes, SOLVED, "steady_state.")
    if quick:
        return {**steady, **_all({**trained, **euler}, SOLVED), **_simulated(solution)}
    content = _json(folder / "evaluation.json")
    return {
        **steady, **_all(trained, MEAN), **_all(euler, 1.0), **_measured(content), **_moments(folder / "moments.csv"),
    }  # fmt: skip


def _simulated(solution: Solution) -> Numbers:
    """Means and standard deviations of a short simulation in float64."""
    series = simulate(solution, periods=QUICK_PERIODS, seed=SEED).series
    means = _all({name: float(each.mean()) for name, each in series.items()}, SOLVED, "mean.")
    return {**means, **_all({name: float(each.std()) for name, each in series.items()}, SOLVED, "sd.")}


def _measured(content: Mapping[str, Any]) -> Numbers:
    """What evaluation.json holds that has a bar, the mean and standard deviation, and the fit of the law of motion."""
    if not content:
        return {}
    found = {name: _number(value, 1.0, BARS[name].limit / 10) for name, value in measures(content).items()}
    name, law = content["variable"], content["law_of_motion"]
    means = _all({f"{name}_mean": content[f"{name}_mean"]}, MEAN)
    fits = {} if law is None else {f"r_squared[{place}]": Number(r2, 1e-3) for place, r2 in enumerate(law["r2"])}
    found = {**means, **_all({f"{name}_sd": content[f"{name}_sd"]}, MOMENT), **found, **fits}
    return {f"accuracy.{name}": number for name, number in found.items()}


def _moments(path: Path) -> Numbers:
    """The table of moments, by variable and column."""
    if not path.exists():
        return {}
    found = {}
    for variable, row in pd.read_csv(path, index_col=0).select_dtypes("number").iterrows():
        for column, value in row.items():
            if math.isfinite(value):
                mean, correlation = str(column).startswith("mean"), "correlation" in str(column)
                number = Number(float(value), MOMENT) if correlation else _number(value, MEAN if mean else MOMENT)
                found[f"moments.{variable}, {column}"] = number
    return found


def game_numbers(solution: GameSolution, content: Mapping[str, Any], *, quick: bool) -> Numbers:
    """The objective at the end of training and what evaluation.json holds of each population."""
    last = {"training.objective": float(solution.history["objective"][-20:].mean())}
    if quick:
        return _all({**last, "training.loss": float(solution.history["loss"][-1])}, SOLVED)
    found = _all(last, MEAN)
    for population, measured in content.get("populations", {}).items():
        spread = abs(measured["spread"])
        values = {"value": MEAN, "clairvoyant": 1.0, "nonanticipative": 1.0}
        for name, share in values.items():
            found[f"{population}.{name}"] = _number(measured[name], share, MEAN * spread)
    return found


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def to_csv(numbers: Numbers) -> str:
    """Numbers as CSV: number, value, tolerance, with all digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("number", *Number._fields))
    writer.writerows((name, repr(each.value), repr(each.tolerance)) for name, each in numbers.items())
    return text.getvalue()


def from_csv(text: str) -> Numbers:
    """What `to_csv` wrote. Raises ValueError or KeyError for anything else."""
    rows = csv.DictReader(io.StringIO(text))
    return {row["number"]: Number(float(row["value"]), float(row["tolerance"])) for row in rows}
