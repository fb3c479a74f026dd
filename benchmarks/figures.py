"""The figures of the chapters in docs/, from solutions trained here: docs/figures/*.png.

    python benchmarks/figures.py [NAME ...] [--quick]

NAME is any of krusell_smith, huggett, stock_market, one_asset_hank (responses of the global solution beside
perfect-foresight and linear ones), life_cycle (assets and consumption by age), krusell_smith_noisy (a boom that lasts
and one that does not), two_asset_hank (spending in slumps and booms), misspecification (costs measured by
misspecification.py); all by default. Each takes one to four minutes, two_asset_hank ten more where its solution is not
kept yet. --quick draws into benchmarks/results instead.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import two_assets
from economies import CALM, HANK_CALM
from machine import RESULTS, ROOT, TINY, progress

import hank_mfg as hm
from hank_mfg.report.style import MARKERS, PAGE, finish, journal_style, line_styles, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINEAR = 1e-3  # percent of consumption: costs below are drawn on a linear axis
SMALL = {"starts": 2, "paths": 2, "horizon": 20, "accuracy": False}


def compared(model: hm.Model, settings: dict, variables: list[str], quick: bool, **chosen) -> "Figure":
    """Responses of the global solution beside perfect-foresight and linear ones."""
    solution = hm.solve(model, hm.RSPG(**(TINY if quick else settings)))
    options = {"horizon": 60, "accuracy": False, "asset_points": 200} | (SMALL if quick else {}) | chosen
    return hm.plot.comparison(hm.compare(solution, **options), variables)


def krusell_smith(quick: bool) -> "Figure":
    """A productivity shock."""
    return compared(hm.load_model("krusell_smith"), {}, ["output", "consumption", "capital", "interest_rate"], quick)


def huggett(quick: bool) -> "Figure":
    """A shock to everybody's income."""
    return compared(hm.load_model("huggett"), {}, ["interest_rate", "consumption"], quick, horizon=20)


def stock_market(quick: bool) -> "Figure":
    """A productivity shock, and what a share is worth."""
    names, model = ["output", "share_price", "price_over_dividend", "fund_return"], hm.load_model("stock_market")
    return compared(model, {}, names, quick, sizes=[-0.01, 0.01], horizon=30)


def life_cycle(quick: bool) -> "Figure":
    """Assets and consumption by age."""
    steady = hm.steady_state("life_cycle", asset_points=30 if quick else 200)
    return hm.plot.age_profile(hm.stats.age_profile(steady))


def one_asset_hank(quick: bool) -> "Figure":
    """A monetary easing and a tightening of .05 and .1 points, where other shocks are small."""
    sizes = [-1e-3, -5e-4, 5e-4, 1e-3]
    chosen = {"shock": "monetary", "sizes": sizes, "horizon": 20, "starts": 48, "paths": 4}
    names, model = ["output", "inflation", "interest_rate"], hm.load_model("one_asset_hank", **CALM)
    return compared(model, HANK_CALM, names, quick, **chosen)


def two_asset_hank(quick: bool) -> "Figure":
    """Government spending where output is low and where it is high: a quarter of the starting states each."""
    solution, _ = two_assets.trained(quick)
    sizes = {"starts": 8, "paths": 2, "horizon": 3} if quick else {"starts": 96, "paths": 2, "horizon": 12}
    found = hm.impulse_response(solution, "extra_spending", two_assets.NEWS["extra_spending"], **sizes)
    low, high = found.by_state("output")
    parts = {"Output low": low, "Output high": high}
    return hm.plot.impulse_response(parts, ["output", "consumption", "investment", "inflation"])


@journal_style()
def krusell_smith_noisy(quick: bool) -> "Figure":
    """Productivity rises by as much, for long or for one period, by what people see."""
    settings = {"paths": 32, "epochs": 6, "units": 32, "updates": 200} | (TINY if quick else {})
    kinds = {
        "Filter": ("filter", hm.SPG),
        "Prices, memory": ("prices", hm.RSPG),
        "Prices, no memory": ("prices", hm.SPG),
    }
    sizes = {"horizon": 30, "starts": 2, "paths": 2} if quick else {"horizon": 30}
    names = ("consumption", "capital")
    gap = float(hm.load_model("krusell_smith_noisy").gap)
    note = (
        f"In quarter 0 productivity is {100 * gap:g} percent of its mean higher, in the part that lasts (above) or in "
        f"the other (below). Trained for {settings['updates']} updates of {settings['epochs']} epochs, memory of "
        f"{settings['units']} units."
    )
    figure, axes = panels(4, 2, PAGE, 1.7, note)
    for line, (label, (information, method)) in zip(line_styles(len(kinds)), kinds.items(), strict=True):
        progress(f"krusell_smith_noisy: {label}")
        model = hm.load_model("krusell_smith_noisy", information=information)
        chosen = {k: v for k, v in settings.items() if information == "prices" or k != "units"}
        solution = hm.solve(model, method(**chosen))
        for row, part in enumerate(("persistent", "transitory")):
            response = hm.impulse_response(solution, part, gap, **sizes)
            for panel, name in zip(axes[2 * row :], names, strict=False):
                panel.plot(response.mean[name], label=label, **line)
                panel.set(title=f"{name.capitalize()}, {part} part higher", xlim=(0, 29), ylabel="Percent")
                panel.axhline(0.0, color="0.6", linewidth=0.5, zorder=0)
    for panel in axes[2:]:
        panel.set_xlabel("Quarters since the shock")
    return finish(figure, axes[0])


@journal_style()
def misspecification(quick: bool) -> "Figure":
    """What households lose in each model, by what they were prepared for: mean and range over seeds."""
    rows = json.loads((RESULTS / "misspecification.json").read_text())["table"]
    rows = [row for row in rows if row["model"] == "krusell_smith"]
    worlds = ["calm", "normal", "rough"]
    solutions = [*worlds, "worst", "mean"]
    shown = [*(f"trained in {name}" for name in worlds), "robust: worst model", "robust: mean of models"]
    note = (
        f"Marks: mean over three training seeds; bars: their range. Axes are linear within {LINEAR:g} of zero, "
        "logarithmic beyond. A policy in the model that it was trained in is compared with one of another seed: the "
        "difference is what the method cannot tell from zero."
    )
    figure, axes = panels(2, 2, PAGE, 2.3, note)
    for panel, kind in zip(axes, ("partial", "general"), strict=True):
        for place, (name, label) in enumerate(zip(solutions, shown, strict=True)):
            mine = {row["world"]: row for row in rows if row["people"] == name}
            where = np.array([worlds.index(world) for world in mine]) + 0.13 * (place - 2)
            middle = np.array([row[kind] for row in mine.values()])
            ends = np.array([row[f"{kind} range"] for row in mine.values()]).T
            gray, marker = MARKERS[place]
            look = {"color": gray, "marker": marker, "markerfacecolor": "white", "markersize": 4, "label": label}
            panel.errorbar(where, middle, np.abs(ends - middle), **look, linestyle="", capsize=2.0, elinewidth=0.8)
        panel.axhline(0.0, color="0.6", linewidth=0.5, zorder=0)
        panel.set_yscale("symlog", linthresh=LINEAR)
        panel.set(xticks=range(3), xticklabels=[f"in the {world} model" for world in worlds], xlim=(-0.4, 2.4))
        title = "One household" if kind == "partial" else "All households"
        panel.set(title=title, ylabel="Percent of consumption lost", ylim=(-3e-3, 0.4))
    return finish(figure, axes[0])


FIGURES: dict[str, Callable[[bool], "Figure"]] = {
    each.__name__: each
    for each in (
        krusell_smith,
        huggett,
        stock_market,
        life_cycle,
        one_asset_hank,
        two_asset_hank,
        krusell_smith_noisy,
        misspecification,
    )
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(FIGURES), metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that the script works")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in FIGURES]
    if unknown:
        parser.error(f"there is no figure {unknown[0]!r}: choose among {', '.join(FIGURES)}.")
    for name in given.names:
        progress(f"figure of {name}")
        figure = FIGURES[name](given.quick)
        path = RESULTS / f"{name}.quick.png" if given.quick else ROOT / "docs" / "figures" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, dpi=200, metadata={"Software": None})
        progress(f"wrote {path.relative_to(Path(ROOT))}")
