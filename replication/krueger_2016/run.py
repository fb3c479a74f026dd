"""A recession with wealth as unequal as in the data, beside the same one in Krusell and Smith's economy.

`krusell_smith` of the suite of 2010, in which all households are equally patient, and `krusell_smith_wealth`, the same
economy with types of patience calibrated to the Lorenz curve of US wealth. Each is solved globally twice, by the
classical algorithm and by RSPG, and linearized; all meet the same quarters of productivity (recession.py).

    FOLDER/recession.csv, .tex   percent by which output, consumption and investment fall, on impact and after a year
    FOLDER/quintiles.csv, .tex   on impact, by wealth quintile: wealth, consumption, its fall, jobs lost
    FOLDER/wealth.csv, .tex      shares of wealth: data, both economies
    FOLDER/accuracy.csv, .tex    Euler errors, Den Haan's errors, seconds
    FOLDER/recession.pdf, .png   the paths, and the fall of consumption by quintile
    FOLDER/results.json          all of it
    FOLDER/runs/                 the RSPG runs: a finished one is not made again, one that was cut off goes on

Source: Krueger, Mitman and Perri (2016), "Macroeconomics and Household Heterogeneity", Handbook of Macroeconomics 2A.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hank_mfg.evaluate.distribution.statistics import gini, top_share
from hank_mfg.files import write_table, write_text
from hank_mfg.model.gallery import load_model
from hank_mfg.model.model_files import shipped_folder
from hank_mfg.replication import published_numbers
from hank_mfg.replication.two_solutions import (
    QUICK,
    Measured,
    Sizes,
    Tell,
    accuracy_table,
    as_json,
    passing_on,
    solve_twice,
)
from hank_mfg.report.style import save_figure
from hank_mfg.solve.classical.law_search import KSAlgorithm
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.sequence.sequence_space import linearize
from hank_mfg.solve.stationary.steady_state import steady_state

from .figures import plot_recession
from .recession import (
    EXPANSION,
    QUINTILES,
    RECESSION,
    SERIES,
    Recession,
    global_recession,
    linear_recession,
    shocks_of,
)

PLAIN, UNEQUAL = "Equal patience", "Wealth as in the data"
# On 200 asset points the largest dynamic Euler error of the second economy is .29 %, on 400 half of that.
ECONOMIES = {
    "krusell_smith": (PLAIN, Sizes(KSAlgorithm(), RSPG(), points=None)),
    "krusell_smith_wealth": (UNEQUAL, Sizes(KSAlgorithm(), RSPG(asset_points=400), points=None)),
}
HORIZON = 500  # quarters of linear responses
DATES = {"on impact": 0, "after 4 quarters": 4}
INSURED = 0.5  # benefit, share of the wage, of the experiment with more insurance
LINEAR, LINEAR_INSURED = "Linear", "Linear, benefits of half the wage"
TOP = {"Top 10 %": 0.1, "Top 5 %": 0.05, "Top 1 %": 0.01}
AGREE = 0.1  # points of the fall of consumption on impact by which methods may differ
PUBLISHED = published_numbers(__file__, ("quantity",))[("Consumption on impact, difference",)]


class Economy(NamedTuple):
    """One economy: its global solutions measured, and the recession in every solution."""

    label: str
    solutions: dict[str, Measured]
    recessions: dict[str, Recession]


def run(folder: Path, *, quick: bool = False, tell: Tell = print) -> dict[str, Any]:
    """Solve both economies, write tables and the figure; returns the rows and the files written.

    `quick` makes everything small, its numbers are rough. Raises RuntimeError, once everything is written, where
    methods differ by more than `AGREE` or consumption does not fall more where wealth is unequal (not with `quick`).
    """
    economies = [_solved(name, folder, quick, tell) for name in ECONOMIES]
    tables = {
        "recession": recession_table(economies),
        "quintiles": quintile_table(economies),
        "wealth": wealth_table(economies),
        "accuracy": accuracy_table({each.label: each.solutions for each in economies}),
    }
    notes, written = table_notes(economies), []
    for name, table in tables.items():
        shown = table.T if name == "accuracy" else table
        written += write_table(folder / name, table, shown, note=notes[name], digits=3)
        tell(f"\n{shown.to_string(float_format=lambda value: f'{value:.3g}', na_rep='')}\n{notes[name]}")
    paths = {each.label: each.recessions for each in economies}
    written += save_figure(plot_recession(paths, notes["figure"]), folder / "recession")
    missed = misses(tables["recession"])
    content = {
        **{name: table.reset_index().to_dict(orient="records") for name, table in tables.items()},
        "paths": {
            each.label: {way: {k: v.tolist() for k, v in one.fall.items()} for way, one in each.recessions.items()}
            for each in economies
        },
        "missed": missed, "quick": quick,
        "settings": {
            each.label: {way: dataclasses.asdict(one.solution.settings) for way, one in each.solutions.items()}
            for each in economies
        },
    }  # fmt: skip
    written.append(write_text(folder / "results.json", as_json(content)))
    if missed and not quick:
        raise RuntimeError(f"The recession is not what it should be: {'; '.join(missed)}. See {folder}.")
    return {**content, "files": [str(path) for path in written]}


def _solved(name: str, folder: Path, quick: bool, tell: Tell) -> Economy:
    label, sizes = ECONOMIES[name]
    runs = folder / "runs" / (f"{name}_quick" if quick else name)
    solutions = solve_twice(name, runs, QUICK if quick else sizes, tell)
    shocks = shocks_of(load_model(name))
    found = {way: global_recession(each.solution, shocks) for way, each in solutions.items()}
    insured = load_model(name, unemployment_benefit=INSURED)
    with passing_on(tell, f"{name}, linear: "):
        for way, steady in ((LINEAR, solutions["Classical"].solution.steady), (LINEAR_INSURED, steady_state(insured))):
            found[way] = linear_recession(linearize(steady, horizon=HORIZON), shocks)
    return Economy(label, solutions, found)


def recession_table(economies: list[Economy]) -> pd.DataFrame:
    """One row per economy and solution: the fall of every series at every date, percent."""
    rows = [
        {
            "Economy": each.label, "Solution": way,
            **{f"{name.capitalize()}, {when}": one.fall[name][at] for name in SERIES for when, at in DATES.items()},
        }
        for each in economies for way, one in each.recessions.items()
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index(["Economy", "Solution"])


def quintile_table(economies: list[Economy]) -> pd.DataFrame:
    """One row per economy, global solution and wealth quintile before the recession, on impact, percent."""
    rows = [
        {"Economy": each.label, "Solution": way, "Quintile": name, **{k: v[place] for k, v in one.quintiles.items()}}
        for each in economies for way, one in each.recessions.items() if one.quintiles
        for place, name in enumerate(QUINTILES)
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index(["Economy", "Solution", "Quintile"])


def wealth_table(economies: list[Economy]) -> pd.DataFrame:
    """Percent of wealth held by each quintile and by the richest, Gini coefficient: data and both economies."""
    data = pd.read_csv(shipped_folder("calibration") / "data" / "us_scf_wealth_lorenz.csv", comment="#")
    known = dict(zip(data["population_share"], data["wealth_share"], strict=True))
    lorenz = [0.0, *(known[k / 5] for k in range(1, 5)), 1.0]
    held = {name: 100.0 * share for name, share in zip(QUINTILES, np.diff(lorenz), strict=True)}
    held |= {name: 100.0 * (1.0 - known[round(1.0 - fraction, 2)]) for name, fraction in TOP.items()}
    rows = [{"Economy": "United States", "Solution": "Survey of Consumer Finances", **held}]
    for each in economies:
        for way, one in each.solutions.items():
            mass, assets = one.wealth.mass, one.wealth.assets
            below = [0.0, *(1.0 - float(top_share(mass, assets, 1.0 - k / 5)) for k in range(1, 5)), 1.0]
            held = {name: 100.0 * share for name, share in zip(QUINTILES, np.diff(below), strict=True)}
            held |= {name: 100.0 * float(top_share(mass, assets, fraction)) for name, fraction in TOP.items()}
            rows.append({"Economy": each.label, "Solution": way, **held, "Gini": float(gini(mass, assets))})
    return pd.DataFrame(rows).set_index(["Economy", "Solution"])


def misses(table: pd.DataFrame) -> list[str]:
    """In words: solutions of an economy whose falls of consumption on impact differ, and where wealth as in the data
    does not make it larger."""
    fall, found = table["Consumption, on impact"].to_dict(), []
    for economy in (PLAIN, UNEQUAL):
        apart = float(np.ptp([fall[economy, way] for way in ("Classical", "RSPG", LINEAR)]))
        if not apart <= AGREE:
            found.append(f"{economy}: consumption on impact differs by {apart:.2g} points between methods")
    ways = [way for economy, way in fall if economy == UNEQUAL]
    return found + [f"{way}: consumption falls no more" for way in ways if not fall[UNEQUAL, way] > fall[PLAIN, way]]


def table_notes(economies: list[Economy]) -> dict[str, str]:
    """What stands below each table and the figure."""
    one = economies[-1].solutions["RSPG"]
    other = f"the path on which an expansion of {EXPANSION} quarters goes on. Productivity is low for {RECESSION}"
    path = f"Percent below {other} quarters."
    long = f"{one.wealth.periods:,} periods"
    return {
        "recession": f"{path} Krueger, Mitman and Perri (2016), other economies and shocks: consumption falls by "
        f"{PUBLISHED:g} points more where wealth is unequal. With benefits of half the wage patience is not calibrated "
        "anew.",
        "quintiles": f"{path} Quintiles of wealth on the eve of the recession, poorest first, percent; falls are of "
        "the quintile's own consumption. Fall by jobs lost: with the consumption functions of the expansion.",
        "wealth": f"Percent of wealth, but the Gini coefficient. Means over {long} with aggregate risk, on histograms "
        f"of {' and '.join(str(len(each.wealth.assets)) for each in economies[-1].solutions.values())} asset points.",
        "accuracy": f"Errors in percent, over {long}, float64; Den Haan's on a path that the law was not fitted to. "
        "Steps: laws tried, or updates. Seconds: total includes the stationary equilibrium.",
        "figure": f"Deviations in percent from {other} quarters. Solid: global solution (RSPG); dotted: linear "
        "solution of the same quarters. Bars: households by wealth on the eve of the recession, global solution.",
    }
