"""Krusell and Smith (1998): laws of motion and the distribution of wealth, published and computed again, two ways.

Their benchmark, in which everybody is equally patient and wealth is far too equal, and their economy with a discount
factor that moves from generation to generation, which matches the data. Each is solved by their own algorithm and by
RSPG; the distribution is the mean over a long simulation, and that of the economy without aggregate risk beside it.

    FOLDER/laws.csv, .tex        log K' = a + b log K by state: published, ours, Den Haan's errors
    FOLDER/wealth.csv, .tex      wealth held by the richest, Gini coefficient, households in debt; United States
    FOLDER/accuracy.csv, .tex    Euler errors, Den Haan's errors, seconds
    FOLDER/lorenz.pdf, .png      Lorenz curves with the published shares and those of the United States
    FOLDER/laws.pdf, .png        log K' against log K, and the distance of our laws from the published ones
    FOLDER/results.json          all of it
    FOLDER/runs/                 the RSPG runs: a finished one is not made again, one that was cut off goes on

Source: Krusell and Smith (1998), "Income and Wealth Heterogeneity in the Macroeconomy", JPE 106(5), 867-896.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hank_mfg.files import write_table, write_text
from hank_mfg.model.gallery import load_model
from hank_mfg.replication import published_numbers
from hank_mfg.replication.solution_figures import plot_laws, plot_wealth
from hank_mfg.replication.two_solutions import (
    QUICK,
    Measured,
    Sizes,
    Tell,
    accuracy_table,
    as_json,
    passing_on,
    solve_twice,
    wealth_row,
)
from hank_mfg.report.style import save_figure
from hank_mfg.solve.classical.law_search import KSAlgorithm
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.stationary.steady_state import SteadyState, steady_state

STATES = ("Bad", "Good")  # as the models order them
WEALTH = ("Top 1 %", "Top 5 %", "Top 10 %", "Top 20 %", "Top 30 %", "Gini", "In debt")
_TABLE = published_numbers(__file__, ("economy", "quantity"))
UNITED_STATES: dict[str, float] = {name: _TABLE["United States", name] for name in WEALTH[:-1]}


class Published(NamedTuple):
    """An economy of the paper: `law` (intercept, slope) in bad and good times, `missed` 1 - R2 where known, `wealth`
    in the order of `WEALTH`; `sizes` with which it is solved here."""

    label: str
    law: tuple[tuple[float, float], tuple[float, float]]
    missed: float
    wealth: dict[str, float]
    sizes: Sizes


def _economy(name: str, label: str, sizes: Sizes) -> Published:
    bad, good = (tuple(_TABLE[name, f"{part}, {state.lower()}"] for part in ("Intercept", "Slope")) for state in STATES)
    missed = _TABLE.get((name, "1 - R2"), np.nan)
    return Published(label, (bad, good), missed, {each: _TABLE[name, each] for each in WEALTH}, sizes)


# Most wealth of the second economy is held by few, so its grid is long: with 200 asset points and 24 knots RSPG's Euler
# error stops falling at .0039 %, above its tolerance, however long it trains; the classical Gini falls short by .004.
LONG = Sizes(KSAlgorithm(asset_points=600), RSPG(asset_points=400, knots=40, updates=240))
ECONOMIES = {
    "krusell_smith_1998": _economy("krusell_smith_1998", "Benchmark", Sizes(KSAlgorithm(), RSPG())),
    "krusell_smith_stochastic_beta": _economy("krusell_smith_stochastic_beta", "Stochastic beta", LONG),
}
MEAN_CAPITAL = 11.6  # published; where laws are compared

# What our numbers may differ: of law coefficients, of K' at mean capital in percent (three published decimals leave
# .17 % open), of shares in points, of the Gini coefficient.
TOLERANCE = {"intercept": 0.005, "slope": 0.002, "level": 0.2, "share": 3.0, "gini": 0.03}
BARS = (
    f"Tolerance: intercept {TOLERANCE['intercept']}, slope {TOLERANCE['slope']}, K' at capital {MEAN_CAPITAL} "
    f"{TOLERANCE['level']} percent, shares and households in debt {TOLERANCE['share']:g} points, Gini coefficient "
    f"{TOLERANCE['gini']}."
)


class Economy(NamedTuple):
    """One economy, solved twice, and its stationary equilibrium without aggregate risk."""

    published: Published
    solutions: dict[str, Measured]
    steady: SteadyState

    def wealth(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Mass and assets of every distribution of wealth computed here, by name."""
        simulated = {label: (each.wealth.mass, each.wealth.assets) for label, each in self.solutions.items()}
        steady = np.asarray(self.steady.mass), np.asarray(self.steady.economy.grid.points)
        return {**simulated, "Without aggregate risk": steady}


def run(folder: Path, *, quick: bool = False, tell: Tell = print) -> dict[str, Any]:
    """Solve both economies both ways, write tables and figures; returns the rows and the files written.

    `quick` makes everything small, its numbers are rough. Raises RuntimeError, once everything is written, where one
    of our numbers is further from the published one than the tolerance (not with `quick`).
    """
    economies = {}
    for name, paper in ECONOMIES.items():
        sizes = QUICK if quick else paper.sizes
        runs = folder / "runs" / (f"{name}_quick" if quick else name)
        solutions = solve_twice(name, runs, sizes, tell)
        with passing_on(tell, f"{name}, without aggregate risk: "):
            steady = steady_state(load_model(name), asset_points=sizes.points or 200)
        economies[name] = Economy(paper, solutions, steady)
    tables = {
        "laws": law_table(economies),
        "wealth": wealth_table(economies),
        "accuracy": accuracy_table({each.published.label: each.solutions for each in economies.values()}),
    }
    notes = table_notes(economies)
    written = []
    for name, table in tables.items():
        shown = readable(name, table)
        written += write_table(folder / name, table, shown, note=notes[name], digits=4)
        tell(f"\n{shown.to_string(float_format=lambda value: f'{value:.4g}', na_rep='')}\n{notes[name]}")
    written += save_figure(plot_wealth(lorenz_inputs(economies), UNITED_STATES, notes["lorenz"]), folder / "lorenz")
    written += save_figure(plot_laws(law_inputs(economies), MEAN_CAPITAL, notes["plot"]), folder / "laws")
    missed = misses(tables)
    content = {
        **{name: table.reset_index().to_dict(orient="records") for name, table in tables.items()},
        "tolerance": TOLERANCE, "missed": missed, "quick": quick,
        "settings": {
            name: {label: dataclasses.asdict(one.solution.settings) for label, one in each.solutions.items()}
            for name, each in economies.items()
        },
    }  # fmt: skip
    written.append(write_text(folder / "results.json", as_json(content)))
    tell("Every number is within its tolerance." if not missed else f"Not within tolerance: {'; '.join(missed)}.")
    if missed and not quick:
        raise RuntimeError(f"Further from the published numbers than the tolerance: {'; '.join(missed)}. See {folder}.")
    return {**content, "files": [str(path) for path in written]}


def law_table(economies: dict[str, Economy]) -> pd.DataFrame:
    """One row per economy, state and solution: the law, its distance from the published one, Den Haan's errors."""
    rows = []
    for economy in economies.values():
        published = economy.published
        for state in (1, 0):
            key = {"Economy": published.label, "State": STATES[state]}
            intercept, slope = published.law[state]
            first = {"Solution": "Published", "Intercept": intercept, "Slope": slope}
            rows.append({**key, **first, "1 - R2 (millionths)": 1e6 * published.missed})
            for label, each in economy.solutions.items():
                gap = float(each.law.intercept[state]) - intercept, float(each.law.slope[state]) - slope
                level = 100.0 * (gap[0] + gap[1] * np.log(MEAN_CAPITAL))
                rows.append(
                    {
                        **key, "Solution": label, "Intercept": intercept + gap[0], "Slope": slope + gap[1],
                        "1 - R2 (millionths)": 1e6 * (1.0 - float(each.law.r_squared[state])),
                        "Intercept, difference": gap[0], "Slope, difference": gap[1],
                        "K' at mean capital, difference (percent)": level,
                        "Den Haan error, mean (percent)": each.content["den_haan_mean_percent"],
                        "Den Haan error, largest (percent)": each.content["den_haan_max_percent"],
                        "Within tolerance": bool(
                            abs(gap[0]) <= TOLERANCE["intercept"]
                            and abs(gap[1]) <= TOLERANCE["slope"]
                            and abs(level) <= TOLERANCE["level"]
                        ),
                    }
                )  # fmt: skip
    return pd.DataFrame(rows).set_index(["Economy", "State", "Solution"])


def wealth_table(economies: dict[str, Economy]) -> pd.DataFrame:
    """One row per economy and distribution: shares of the richest, Gini, households in debt, mean capital."""
    rows = []
    for economy in economies.values():
        key, published = {"Economy": economy.published.label}, economy.published.wealth
        rows.append({**key, "Distribution": "Published", **published, "Mean capital": np.nan})
        for label, (mass, assets) in economy.wealth().items():
            found = wealth_row(mass, assets)
            near = all(
                abs(found[name] - published[name]) <= TOLERANCE["gini" if name == "Gini" else "share"]
                for name in WEALTH
            )
            mean = float(mass.sum(axis=1) @ assets)
            rows.append({**key, "Distribution": label, **found, "Mean capital": mean, "Within tolerance": near})
    rows.append({"Economy": "Data", "Distribution": "United States", **UNITED_STATES})
    return pd.DataFrame(rows).set_index(["Economy", "Distribution"])


def readable(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """A table that fits a page: Den Haan's errors are in that of accuracy, which has one column per solution."""
    if name == "accuracy":
        return table.T
    return table.drop(columns=[column for column in table.columns if column.startswith("Den Haan")])


def misses(tables: dict[str, pd.DataFrame]) -> list[str]:
    """The rows of the laws and of wealth that are not within the tolerance, in words."""
    found = []
    for name in ("laws", "wealth"):
        answers = zip(tables[name].index, tables[name]["Within tolerance"], strict=True)
        found += [f"{name}, {', '.join(key)}" for key, within in answers if within is False]
    return found


def table_notes(economies: dict[str, Economy]) -> dict[str, str]:
    """What stands below each table and figure."""
    one = next(iter(economies.values())).solutions["Classical"]
    long, points = f"{one.wealth.periods:,} periods", f"{len(one.wealth.assets):,} asset points"
    source = "Published: Krusell and Smith (1998)."
    gaps = []
    for economy in economies.values():
        rows = [wealth_row(*economy.wealth()[label]) for label in economy.solutions]
        gaps.append(max(abs(rows[0][name] - rows[1][name]) for name in WEALTH[:5]))
    return {
        "laws": f"log K' = intercept + slope log K. {source} Classical: the law households believe in. RSPG: fitted to "
        f"{long} of simulation; households have none. {BARS}",
        "wealth": f"Percent, but the Gini coefficient and mean capital (level). {source} Classical and RSPG: mean over "
        f"{long} on a histogram of {points}; without aggregate risk: the stationary equilibrium. {BARS} "
        "The bars of the stochastic-beta economy are Gini .82 +- .03 and top 1 percent 24 +- 3 points.",
        "accuracy": f"Errors in percent, over {long}, float64; Den Haan's on a path that the law was not fitted to. "
        "Largest Euler errors are at the kink of the borrowing limit. Steps: laws tried, or updates. Seconds: total "
        "includes the stationary equilibrium, part of it while the programs compile.",
        "lorenz": f"Curves: classical solution, mean over {long} on {points}; with RSPG no share shown differs by more "
        f"than {max(gaps):.1f} points. Crosses: Krusell and Smith (1998). Circles: United States, from the same table.",
        "plot": f"Left: both laws, ours of the classical solution, and some of {long} simulated. Right: our law less "
        "the published one; vertical line: the published mean of capital; gray band: what the rounding of published "
        "coefficients to three decimals leaves open.",
    }


def lorenz_inputs(economies: dict[str, Economy]) -> dict[str, dict[str, Any]]:
    """By label: the distribution of the classical solution and the published shares."""
    return {
        each.published.label: {"wealth": each.wealth()["Classical"], "published": each.published.wealth}
        for each in economies.values()
    }


def law_inputs(economies: dict[str, Economy]) -> dict[str, dict[str, Any]]:
    """By label: a simulated path and its states, the published law and ours."""
    return {
        each.published.label: {
            "capital": each.solutions["Classical"].accuracy.simulation.series["capital"],
            "shock": each.solutions["Classical"].accuracy.simulation.shock,
            "published": each.published.law,
            "ours": {label: one.law for label, one in each.solutions.items()},
        }
        for each in economies.values()
    }
