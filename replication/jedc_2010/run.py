"""The tests of the comparison of solutions by Den Haan, Judd and Juillard (2010), for the classical solution and RSPG.

The economy of Krusell and Smith (1998) with unemployment insurance. The yardstick is the classical algorithm
recomputed by independent code (NumPy and loops: endogenous grid method, histogram of 1,001 points, log-linear law).

    FOLDER/tests.csv, .tex       law of motion, forecast and Euler errors, seconds: yardstick, ours, bar, passed
    FOLDER/moments.csv, .tex     capital, consumption, output over time; wealth of the employed and the unemployed
    FOLDER/forecasts.pdf, .png   simulated capital against the forecast of the law alone, both solutions
    FOLDER/results.json          all of it
    FOLDER/runs/                 the RSPG run: a finished one is not made again, one that was cut off goes on

Source: Den Haan, Judd and Juillard (2010), JEDC 34(1), 1-3; Den Haan (2010), JEDC 34(1), 4-27 and 79-99.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hank_mfg.evaluate.distribution.statistics import gini, quantile
from hank_mfg.files import write_table, write_text
from hank_mfg.replication import published_numbers
from hank_mfg.replication.solution_figures import plot_forecasts
from hank_mfg.replication.two_solutions import QUICK, Measured, Sizes, Tell, as_json, solve_twice
from hank_mfg.report.style import save_figure
from hank_mfg.solve.classical.law_search import KSAlgorithm
from hank_mfg.solve.gradient.spg import RSPG

ECONOMY = "krusell_smith"
SIZES = Sizes(KSAlgorithm(), RSPG())
_YARDSTICK = published_numbers(__file__, ("table", "group", "quantity"))
MEAN_CAPITAL = _YARDSTICK["tests", "Capital", "Mean"]  # where laws are compared
LAW = tuple(  # of the yardstick: intercept and slope in bad, in good times
    tuple(_YARDSTICK["tests", "Law of motion", f"{name}, {state}"] for name in ("Intercept", "Slope"))
    for state in ("bad", "good")
)
WINDOW = 500
GROUPS = ("Unemployed", "Employed")


class Bar(NamedTuple):
    """What a number must satisfy: to lie within `share` of the yardstick, within `distance` of it, or below `most`."""

    share: float = np.inf
    distance: float = np.inf
    most: float = np.inf

    def passed(self, value: float, yardstick: float) -> bool | None:
        """Whether it does; None where nothing is asked."""
        if self == Bar():
            return None
        if np.isfinite(self.most):
            return bool(value <= self.most)
        return bool(abs(value - yardstick) <= min(self.distance, self.share * abs(yardstick)))

    def __str__(self) -> str:
        """The bar for a reader."""
        if np.isfinite(self.most):
            return f"at most {self.most:g}"
        if np.isfinite(self.share):
            return f"\u00b1 {100 * self.share:g} %"
        return f"\u00b1 {self.distance:g}" if np.isfinite(self.distance) else ""


NO_BAR = Bar()
INTERCEPT, SLOPE, LEVEL = Bar(distance=0.002), Bar(distance=0.0005), Bar(most=0.01)
MEAN, SPREAD, CORRELATION, PERSISTENT = Bar(share=0.003), Bar(share=0.05), Bar(distance=0.03), Bar(distance=0.002)
WEALTH, TAIL = Bar(share=0.01), Bar(share=0.03)

# The bar for the classical solution and that for RSPG.
_TEST_BARS = {
    ("Law of motion", "Intercept, bad"): (INTERCEPT, INTERCEPT),
    ("Law of motion", "Slope, bad"): (SLOPE, SLOPE),
    ("Law of motion", "Intercept, good"): (INTERCEPT, INTERCEPT),
    ("Law of motion", "Slope, good"): (SLOPE, SLOPE),
    ("Law of motion", "K' at mean capital, bad: distance (percent)"): (LEVEL, LEVEL),
    ("Law of motion", "K' at mean capital, good: distance (percent)"): (LEVEL, LEVEL),
    ("Law of motion", "1 - R2, bad (millionths)"): (Bar(most=5.0), Bar(most=5.0)),
    ("Law of motion", "1 - R2, good (millionths)"): (Bar(most=5.0), Bar(most=5.0)),
    ("Capital", "Mean"): (MEAN, MEAN),
    ("Capital", "Standard deviation"): (SPREAD, SPREAD),
    ("Errors (percent)", "Den Haan, mean"): (Bar(most=0.06), Bar(most=0.1)),
    ("Errors (percent)", "Den Haan, largest"): (Bar(most=0.25), Bar(most=0.5)),
    ("Errors (percent)", "Dynamic Euler, mean"): (Bar(most=0.004), Bar(most=0.05)),
    ("Errors (percent)", "Dynamic Euler, largest"): (Bar(most=0.06), Bar(most=0.5)),
    ("Errors (percent)", "Euler, mean"): (Bar(most=0.002), Bar(most=0.05)),
    ("Errors (percent)", "Euler, largest"): (NO_BAR, NO_BAR),
    ("Seconds", "Compiling"): (NO_BAR, NO_BAR),
    ("Seconds", "Solving"): (NO_BAR, NO_BAR),
    ("Seconds", "Total"): (Bar(most=15.0), Bar(most=60.0)),
}
TESTS = {key: (_YARDSTICK["tests", *key], *bars) for key, bars in _TEST_BARS.items()}  # yardstick, two bars
SPEED = ("Seconds", "Total")  # a bar of the machine too: said, but not a reason to fail

# From the independent code on 10,000 periods of another path of shocks: tests/reference. Correlations are with output.
_MOMENT_BARS = {
    ("Capital", "Mean"): MEAN,
    ("Capital", "Standard deviation"): SPREAD,
    ("Capital", "Autocorrelation"): PERSISTENT,
    ("Capital", "Correlation with output"): CORRELATION,
    ("Consumption", "Mean"): MEAN,
    ("Consumption", "Standard deviation"): SPREAD,
    ("Consumption", "Autocorrelation"): PERSISTENT,
    ("Consumption", "Correlation with output"): CORRELATION,
    ("Output", "Mean"): MEAN,
    ("Output", "Standard deviation"): SPREAD,
    ("Output", "Autocorrelation"): CORRELATION,
    ("Unemployed", "Mean capital"): WEALTH,
    ("Unemployed", "Standard deviation of capital"): TAIL,
    ("Unemployed", "Capital of percentile 5"): TAIL,
    ("Unemployed", "Capital of percentile 10"): TAIL,
    ("Unemployed", "Median capital"): WEALTH,
    ("Employed", "Mean capital"): WEALTH,
    ("Employed", "Standard deviation of capital"): TAIL,
    ("Employed", "Capital of percentile 5"): TAIL,
    ("Employed", "Capital of percentile 10"): TAIL,
    ("Employed", "Median capital"): WEALTH,
    ("Everybody", "Gini coefficient of wealth"): Bar(distance=0.005),
}
MOMENTS = {key: (_YARDSTICK["moments", *key], bar) for key, bar in _MOMENT_BARS.items()}  # yardstick, bar


def run(folder: Path, *, quick: bool = False, tell: Tell = print) -> dict[str, Any]:
    """Solve the economy both ways, write the tests and a figure; returns the rows and the files written.

    `quick` makes everything small, its numbers are rough. Raises RuntimeError, once everything is written, where a bar
    is missed, but for that on seconds, which is one on the machine too (not with `quick`).
    """
    sizes = QUICK if quick else SIZES
    runs = folder / "runs" / (f"{ECONOMY}_quick" if quick else ECONOMY)
    solutions = solve_twice(ECONOMY, runs, sizes, tell)
    tested = {label: tests_of(each) for label, each in solutions.items()}
    moments = {label: moments_of(each) for label, each in solutions.items()}
    same = {key: (yardstick, bar, bar) for key, (yardstick, bar) in MOMENTS.items()}
    tables = {"tests": compare(tested, TESTS), "moments": compare(moments, same)}
    notes = table_notes(solutions)
    written = []
    for name, table in tables.items():
        shown = readable(table)
        written += write_table(folder / name, flat(table), shown, note=notes[name])
        tell(f"\n{shown.to_string()}\n{notes[name]}")
    forecasts = {label: each.accuracy.forecast for label, each in solutions.items()}
    written += save_figure(plot_forecasts(forecasts, WINDOW, notes["forecasts"]), folder / "forecasts")
    missed = {name: misses(table) for name, table in tables.items()}
    wrong = [", ".join(key) for keys in missed.values() for key in keys if key[1:] != SPEED]
    content = {
        **{name: flat(table).reset_index().to_dict(orient="records") for name, table in tables.items()},
        "missed": [", ".join(key) for keys in missed.values() for key in keys], "quick": quick,
        "settings": {label: dataclasses.asdict(each.solution.settings) for label, each in solutions.items()},
        "steps": {label: each.steps for label, each in solutions.items()},
        "status": {label: each.status for label, each in solutions.items()},
    }  # fmt: skip
    written.append(write_text(folder / "results.json", as_json(content)))
    tell("Every bar is met." if not content["missed"] else f"Missed: {'; '.join(content['missed'])}.")
    if wrong and not quick:
        raise RuntimeError(f"Bars are missed: {'; '.join(wrong)}. See {folder}.")
    return {**content, "files": [str(path) for path in written]}


def tests_of(each: Measured) -> dict[tuple[str, str], float]:
    """The numbers of one solution in the order of `TESTS`."""
    law, content = each.law, each.content
    at = np.log(MEAN_CAPITAL)
    gaps = [
        100 * abs(float(law.intercept[z] + law.slope[z] * at) - LAW[z][0] - LAW[z][1] * at) for z in range(len(LAW))
    ]
    errors = ("den_haan_mean", "den_haan_max", "dynamic_euler_mean", "dynamic_euler_max", "euler_error_mean",
              "euler_error_max")  # fmt: skip
    values = [
        *(float(coefficients[z]) for z in range(len(LAW)) for coefficients in (law.intercept, law.slope)),
        *gaps,
        *(1e6 * (1.0 - float(fit)) for fit in law.r_squared),
        content["capital_mean"],
        content["capital_sd"],
        *(content[f"{name}_percent"] for name in errors),
        *each.seconds.values(),
    ]
    return dict(zip(TESTS, values, strict=True))


def moments_of(each: Measured) -> dict[tuple[str, str], float]:
    """The moments of one solution in the order of `MOMENTS`: over time, then over households on the fine histogram."""
    series, found = each.wealth.series, {}
    for name in ("capital", "consumption", "output"):
        path, shown = series[name], name.capitalize()
        found[shown, "Mean"], found[shown, "Standard deviation"] = path.mean(), path.std()
        found[shown, "Autocorrelation"] = np.corrcoef(path[1:], path[:-1])[0, 1]
        if name != "output":
            found[shown, "Correlation with output"] = np.corrcoef(path, series["output"])[0, 1]
    assets, mass = each.wealth.assets, each.wealth.mass
    for state, group in enumerate(GROUPS):
        weight = mass[:, state] / mass[:, state].sum()
        mean, (low, next_low, middle) = weight @ assets, quantile(weight, assets, (0.05, 0.1, 0.5))
        found[group, "Mean capital"] = mean
        found[group, "Standard deviation of capital"] = np.sqrt(weight @ (assets - mean) ** 2)
        found[group, "Capital of percentile 5"], found[group, "Capital of percentile 10"] = low, next_low
        found[group, "Median capital"] = middle
    found["Everybody", "Gini coefficient of wealth"] = gini(mass, assets)
    return {key: float(found[key]) for key in MOMENTS}


def compare(
    values: dict[str, dict[tuple[str, str], float]], asked: dict[tuple[str, str], tuple[float, Bar, Bar]]
) -> pd.DataFrame:
    """Yardstick and, for every solution, its value, the bar and whether it passes; one row per quantity."""
    columns: dict[tuple[str, str], list[Any]] = {("", "Yardstick"): [each[0] for each in asked.values()]}
    for place, (label, found) in enumerate(values.items()):
        columns[label, "Value"] = [found[key] for key in asked]
        bars = [(classical, recurrent)[place] for _, classical, recurrent in asked.values()]
        passed = [bar.passed(found[key], asked[key][0]) for key, bar in zip(asked, bars, strict=True)]
        columns[label, "Bar"] = [str(bar) for bar in bars]
        columns[label, "Passes"] = ["" if each is None else "yes" if each else "no" for each in passed]
    return pd.DataFrame(columns, index=pd.MultiIndex.from_tuples(asked, names=["Group", "Quantity"]))


def flat(table: Any) -> pd.DataFrame:
    """The table with one line of headings, for CSV and JSON."""
    return table.set_axis([" ".join(filter(None, key)).lower().replace(" ", "_") for key in table.columns], axis=1)


def readable(table: Any) -> pd.DataFrame:
    """The table with numbers as text: errors and seconds with three digits, laws and moments with five."""

    def text(key: tuple[str, str], value: float) -> str:
        short = key[0] in ("Errors (percent)", "Seconds") or "(" in key[1]
        return "" if np.isnan(value) else f"{value:.3g}" if short else f"{value:.5g}"

    shown = table.copy()
    for column in table.columns:
        if column[1] in ("Yardstick", "Value"):
            shown[column] = [text(key, value) for key, value in table[column].items()]
    return shown


def misses(table: Any) -> list[tuple[str, str, str]]:
    """(solution, group, quantity) of every bar that is missed."""
    return [
        (str(label), *key)
        for label in dict.fromkeys(top for top, _ in table.columns if top)
        for key in table.index[table[label, "Passes"] == "no"]
    ]


def table_notes(solutions: dict[str, Measured]) -> dict[str, str]:
    """What stands below each table and the figure."""
    one = solutions["Classical"].wealth
    long = f"{one.periods:,} periods"
    return {
        "tests": "log K' = intercept + slope log K. Yardstick: the classical algorithm recomputed by independent code. "
        f"Law of the classical solution: the one households believe in; of RSPG: fitted to {long} of simulation. "
        f"Errors over {long} each on paths that nothing was fitted to, float64; every path is another one, on which "
        "the mean of capital has a sampling standard deviation of .2 percent, its standard deviation one of 5 percent. "
        "Largest Euler error: at the kink of the borrowing limit of the unemployed, where hardly anybody is, and so a "
        "matter of which states are counted: the same independent code gives .15 on another path. Seconds depend on "
        "the machine and on what is compiled already.",
        "moments": f"Over {long} on a histogram of {len(one.assets):,} asset points. Yardstick: independent code, "
        "another path of shocks.",
        "forecasts": f"Left: the {min(WINDOW, one.periods)} periods around the largest error of the classical "
        "solution. The forecast starts in period 0 of the path and is never corrected. Both solutions on the same "
        "shocks.",
    }
