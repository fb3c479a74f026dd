"""The effective lower bound in a HANK economy: how often it binds, responses at it, what its mere possibility does.

    python benchmarks/lower_bound.py [--quick | --draw]

The economy `one_asset_hank_bound` is solved with its bound and without, same seed and settings, and again with another
seed, which shows what is of the economy and what of its training. All live through the same shocks. Responses are
generalized ones: in normal times the discount factor is at its mean at date 0, in a slump at the top of its chain,
where the bound binds. The figure is kept beside the table; --draw draws
it again from the numbers kept.
"""

import json
import sys
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from economies import HANK
from machine import RESULTS, TINY, progress, run_benchmark

import hank_mfg as hm
from hank_mfg.evaluate.impulse_response import ImpulseResponse
from hank_mfg.report.style import LINES, PAGE, finish, journal_style, panels, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ECONOMIES = {"bound": {}, "no bound": {"lower_bound": -0.5}}
SERIES = {"output": 100.0, "inflation": 400.0, "nominal_rate": 400.0}  # to percent, or percentage points a year
SEEDS = (0, 1)  # responses are of the first
EASING, ADVANCE = ("monetary", -0.0005), ("productivity", 0.005)
TITLES, ERRORS = {"monetary": "easing", "productivity": "productivity"}, "standard errors"


def solve_both(quick: bool, seed: int) -> dict[str, hm.Solution]:
    """The economy with and without its bound, trained from the same `seed`."""
    settings = hm.RSPG(**(TINY if quick else HANK))
    found = {}
    for name, changes in ECONOMIES.items():
        progress(f"solving with {name}, seed {seed}")
        found[name] = hm.solve(hm.load_model("one_asset_hank_bound", **changes), settings, seed=seed)
    return found


def spells(binds: np.ndarray) -> float:
    """The mean number of periods that a spell of True lasts; zero where there is none."""
    begins = np.flatnonzero(binds & ~np.concatenate([[False], binds[:-1]]))
    return float(binds.sum() / len(begins)) if len(begins) else 0.0


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def moments(solutions: dict[str, hm.Solution], periods: int) -> list[dict[str, Any]]:
    """Frequency of the bound, moments on common shocks, and the effect of its possibility while it does not bind."""
    series = {name: hm.simulate(each, periods=periods, seed=1).series for name, each in solutions.items()}
    bound = solutions["bound"].model.lower_bound
    following = np.append(series["bound"]["nominal_rate"][1:], np.inf)  # set today, paid tomorrow
    binds = following <= float(bound) + 1e-12
    patience = series["bound"]["patience"]
    normal = ~binds & np.isclose(patience, np.median(patience)) & (series["bound"]["nominal_rate"] > float(bound))
    rows = [
        {"row": "share of quarters in which the bound binds", "measured": float(binds.mean())},
        {"row": "quarters that a spell lasts", "measured": spells(binds)},
        {"row": "share of quarters in normal times", "measured": float(normal.mean())},
    ]
    for name, values in series.items():
        for what, factor in SERIES.items():
            level = factor * (values[what] - (1.0 if what == "output" else 0.0))
            rows += [
                {"row": f"{what}, {name}, mean", "measured": float(level.mean())},
                {"row": f"{what}, {name}, sd", "measured": float(level.std())},
                {"row": f"{what}, {name}, lowest", "measured": float(level.min())},
            ]
    for what, factor in SERIES.items():
        gap = factor * (series["bound"][what] - series["no bound"][what])
        rows += [
            {"row": f"{what}, bound less none, normal times", "measured": _mean(gap[normal])},
            {"row": f"{what}, bound less none, where it binds", "measured": _mean(gap[binds])},
        ]
    return rows


def responses(solutions: dict[str, hm.Solution], quick: bool) -> dict[str, dict[str, ImpulseResponse]]:
    """Responses to an easing and to productivity: normal times, a slump, a slump without the bound."""
    with_bound, without = solutions["bound"], solutions["no bound"]
    with jax.enable_x64(True):  # the ends of the chain to the last digit: beyond them nothing is given
        levels = np.unique(np.asarray(hm.discretize(with_bound.model, 10, np.float64).shock_values["patience"]))
    normal, slump = {"patience": float(np.median(levels))}, {"patience": float(levels[-1])}
    cases = {
        "Normal times": (with_bound, normal),
        "At the bound": (with_bound, slump),
        "Slump, no bound": (without, slump),
    }
    sizes = {"starts": 2, "paths": 4} if quick else {"starts": 96, "paths": 4}
    found: dict[str, dict[str, ImpulseResponse]] = {}
    for shock, size in (EASING, ADVANCE):
        progress(f"responses to {shock}")
        found[shock] = {
            label: hm.impulse_response(each, shock, size, horizon=16, given=given, **sizes)
            for label, (each, given) in cases.items()
        }
    return found


@journal_style()
def draw(found: dict[str, dict[str, dict[str, Any]]]) -> "Figure":
    """One row per shock, one column per series; inflation and rates in percentage points a year.

    `found` is what is kept of `responses`. The nominal rate is that set in a quarter, which is paid in the next.
    """
    figure, axes = panels(len(found) * len(SERIES), len(SERIES), PAGE, 1.7, _note(found))
    for place, (shock, name) in enumerate((shock, name) for shock in found for name in SERIES):
        panel, first = axes[place], int(name == "nominal_rate")
        for (gray, style), (label, response) in zip(LINES, found[shock].items(), strict=False):
            times = 4.0 if response["units"][name] == "percentage points" else 1.0
            values = times * np.asarray(response[name])[first:]
            panel.plot(values, color=gray, linestyle=style, label=label)
            if ERRORS in response:
                ends = 2.0 * times * np.asarray(response[ERRORS][name])[first:]
                quarters = np.arange(len(values))
                panel.fill_between(quarters, values - ends, values + ends, color=gray, alpha=0.15, linewidth=0)
        panel.axhline(0.0, color="0.6", linewidth=0.5, zorder=0)
        unit = "Percent" if name == "output" else "Points a year"
        what = "Nominal rate set" if first else name.capitalize()
        panel.set(title=f"{what}, {TITLES[shock]}", xlabel="Quarter", ylabel=unit, xlim=(0, len(values) - 1))
    return finish(figure, axes[0])


def _note(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Sizes, where responses start and how they were sampled, in sentences."""
    one = next(iter(found["monetary"].values()))
    told = [
        f"Easing: the rate {-100 * EASING[1]:g} points a quarter lower.",
        f"Productivity: {100 * ADVANCE[1]:g} percent higher.",
        "Patience at date 0: at its mean (normal times), at the top of its chain (at the bound; slump, no bound).",
        "The nominal rate set in a quarter is paid in the next.",
        f"Mean over {one['starts']} starting states and {one['paths']} path{'s' if one['paths'] > 1 else ''} each.",
    ]
    known = all(ERRORS in each for cases in found.values() for each in cases.values())
    told.append("Shaded: two standard errors." if known else "What zigzags from quarter to quarter is sampling error.")
    return " ".join(told)


def kept(response: ImpulseResponse) -> dict[str, Any]:
    """Plain numbers of a response, with the standard errors of the series shown."""
    return {**response.to_dict(), ERRORS: {name: response.error[name].tolist() for name in SERIES}}


def measure(quick: bool) -> dict:
    """Everything, and the figure."""
    trained = [solve_both(quick, seed) for seed in SEEDS]
    rows, *again = (moments(solutions, 200 if quick else 10_000) for solutions in trained)
    rows = [{**row, "other seeds": [one[place]["measured"] for one in again]} for place, row in enumerate(rows)]
    found = responses(trained[0], quick)
    for shock, cases in found.items():
        for label, response in cases.items():
            for name in SERIES:
                here = {"measured": float(response.mean[name][0]), "standard error": float(response.error[name][0])}
                rows.append({"row": f"{name} on impact, {shock}, {label.lower()}", **here})
    responses_kept = {shock: {label: kept(each) for label, each in cases.items()} for shock, cases in found.items()}
    save_figure(draw(responses_kept), RESULTS / ("lower_bound.quick" if quick else "lower_bound"))
    return {
        "precision": {"training": "float32", "measurement": "float64"},
        "seconds": {name: each.seconds_total for name, each in trained[0].items()},
        "table": rows,
        "responses": responses_kept,
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["--draw"]:
        save_figure(draw(json.loads((RESULTS / "lower_bound.json").read_text())["responses"]), RESULTS / "lower_bound")
    else:
        run_benchmark("lower_bound", __doc__.splitlines()[0], measure)
