"""The tables and figures of a stationary equilibrium, written into its run folder; nothing is solved again.

outcomes.csv/.tex                prices, aggregates, declared outcomes, choices: value, unit, ratio to output
distribution.csv/.tex            wealth: Gini coefficient, top shares, percentiles, households at the limit
propensities.csv/.tex            mean marginal propensities to consume, per period and within a year
marginal_propensities.csv/.tex   the same by wealth quintile
figures/                         wealth_distribution, lorenz, policy, intertemporal_mpcs, each as PDF and PNG
evaluation.json, accuracy.tex    where it is measured: markets, the grid, first-order conditions
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hank_mfg.environment.product_grid import points_in_words
from hank_mfg.evaluate.distribution.age_profile import age_profile
from hank_mfg.evaluate.distribution.statistics import (
    distribution_tables,
    has_shares,
    lorenz_curve,
    population_of,
    quantile,
    table_name,
)
from hank_mfg.evaluate.grid_error import FEWEST, grid_error
from hank_mfg.evaluate.propensities import (
    intertemporal_mpcs,
    marginal_propensities,
    mean_propensities,
    static_mpcs,
)
from hank_mfg.evaluate.search_gain import search_gain
from hank_mfg.files import write_table, write_text
from hank_mfg.latex import to_latex
from hank_mfg.precision import float64_allowed
from hank_mfg.report import figures
from hank_mfg.report.age_figure import plot_age_profile
from hank_mfg.report.path_figures import plot_intertemporal_mpcs
from hank_mfg.report.run_pages import NAME, stationary_page
from hank_mfg.report.style import save_figure
from hank_mfg.runs.manifest import into_run, is_recorded
from hank_mfg.solve.stationary.steady_state import SteadyState, steady_state
from hank_mfg.wording import display_name, state_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HORIZON = 41  # periods of the intertemporal propensities that are drawn
SHOWN, POOR = 0.999, 0.5  # share of households inside the axis of policies, and of propensities
EVALUATION = "evaluation.json"
DECIMALS = "Grid errors of rates and shares are decimals, those of levels in their own units."
NAMES = {
    "residual": "Excess supply of markets, largest relative",
    "goods_market_residual": "Goods market residual (relative to output)",
    "euler_change": "Last step of the household's iteration (relative change of consumption)",
    "top_of_grid_mass": "Households at the top of the grid (share)",
    "search_gain_percent": "Gain by search, no first-order condition (percent of consumption)",
}


def stationary_facts(steady: SteadyState) -> dict[str, Any]:
    """Accuracy of a stationary equilibrium, from what is solved already: numbers by name, None for what the model
    does not declare."""
    return {
        "residual": steady.residual,
        "goods_market_residual": steady.goods_market,
        "euler_change": steady.euler_change,
        "top_of_grid_mass": steady.top_of_grid_mass,
    }


def _distributions(steady: SteadyState) -> dict[str, pd.DataFrame]:
    """The distribution tables of a stationary equilibrium by the names of their files."""
    return {table_name(name): each for name, each in distribution_tables(steady).items()}


def stationary_content(
    steady: SteadyState, responses: np.ndarray | None = None, distributions: Mapping[str, pd.DataFrame] | None = None
) -> dict[str, Any]:
    """The tables of a stationary equilibrium as plain numbers, for JSON; `responses` as for `mean_propensities`,
    `distributions` its distribution tables by the names of their files, computed unless given."""
    distributions = _distributions(steady) if distributions is None else distributions
    table, distribution = steady.table(), distributions["distribution"]
    ratios = table["ratio to output"].dropna().to_dict() if "ratio to output" in table else {}
    return {
        "outcomes": steady.outcomes,
        "units": {name: unit.replace("percent", "decimal") for name, unit in table["unit"].items()},
        "ratios_to_output": ratios,
        "histogram_error": distribution["histogram error"].dropna().to_dict(),
        **{name: each["value"].to_dict() for name, each in distributions.items()},
        "propensities": mean_propensities(steady, responses),
        "accuracy": stationary_facts(steady),
    }


@into_run
def write_stationary_evaluation(
    steady: SteadyState, folder: Path, *, nonconcave: str = "refuse"
) -> tuple[dict[str, Any], list[Path]]:
    """Measure a stationary equilibrium: markets, goods, the grid, and what a search without first-order conditions
    gains; write evaluation.json and accuracy.tex, and return the numbers and the paths.

    The error of the grid solves on half and a quarter of it, `nonconcave` as for `steady_state`; it is None on fewer
    than 37 asset points.
    """
    folder, model = Path(folder), steady.economy.model
    again = lambda count: steady_state(model, asset_points=count, nonconcave=nonconcave)  # noqa: E731
    two = steady.economy.several  # the error of the grid is in the distribution's table
    rough = grid_error(steady, again=again).to_dict() if steady.economy.grid.size >= FEWEST and not two else None
    content = {
        **stationary_facts(steady),
        "search_gain_percent": search_gain(steady).percent,
        "grid_error": rough,
        "asset_points": steady.economy.grid.count,
        "precision": "float64",
    }
    rows = evaluation_rows(content)
    frame = pd.DataFrame({"Value": pd.Series(rows, dtype=object)}).rename_axis("")
    return content, [
        write_text(folder / EVALUATION, json.dumps(content, indent=2) + "\n"),
        write_text(folder / "accuracy.tex", to_latex(frame, note=f"{_note(steady)} {DECIMALS}", digits=3)),
    ]


def evaluation_rows(content: Mapping[str, Any]) -> dict[str, float]:
    """The measures of an evaluation under names for a reader; what does not apply is left out."""
    rows = {text: content[name] for name, text in NAMES.items() if content.get(name) is not None}
    for name, row in (content.get("grid_error") or {}).items():
        rows[f"Grid error of {display_name(name).lower()}"] = row["error"]
    return rows


@float64_allowed
@into_run
def write_stationary_report(
    steady: SteadyState, folder: Path, *, html: bool = False, tell: Callable[[str], None] = lambda text: None
) -> tuple[dict[str, Any], list[Path]]:
    """Every table and figure of a stationary equilibrium; returns the numbers, as `stationary_content`, and the paths.

    The estimated error of the grid joins the outcomes where evaluation.json, as written into this run, holds it. With
    `html` all are in one page too, report.html, as of `write_report`.
    """
    folder, written = Path(folder), []

    def keep(paths: Any) -> None:
        written.extend(paths)
        for path in paths:
            tell(f"Wrote {path}")

    responses = intertemporal_mpcs(steady, horizon=HORIZON)
    distributions = _distributions(steady)
    content = stationary_content(steady, responses, distributions)
    measured, shown = _measured(folder), {}
    for name, (frame, note, digits) in _tables(steady, content, distributions, measured.get("grid_error")).items():
        shown[name] = frame.rename(index=_shown, columns=display_name).rename_axis(""), note, digits
        keep(write_table(folder / name, frame, shown[name][0], note=note, digits=digits))
    drawn = _figures(steady, responses)
    for name, figure in drawn.items():
        keep(save_figure(figure, folder / "figures" / name))
    if html:
        facts = {**measured, **content["accuracy"]}
        keep([stationary_page(steady, folder, facts, evaluation_rows(facts), shown, drawn).write(folder / NAME)])
    return content, written


def _shown(name: str) -> str:
    what, _, rest = name.partition("_")
    if what == "mpc":
        return f"Mean MPC, {rest.replace('_', ' ') if rest == 'first_year' else 'one ' + rest.replace('_', ' ')}"
    return "Constrained households (share)" if name == "constrained" else display_name(name)


def _measured(folder: Path) -> dict[str, Any]:
    """The evaluation of this run; nothing where it was not measured, or not by this run."""
    path = folder / EVALUATION
    if not path.is_file() or not is_recorded(folder, EVALUATION):
        return {}
    return json.loads(path.read_text())


def _tables(
    steady: SteadyState, content: dict[str, Any], distributions: Mapping[str, pd.DataFrame], errors: Any
) -> dict[str, tuple[pd.DataFrame, str, int]]:
    outcomes, note = steady.table(), _note(steady)
    if errors:
        scale = np.where(outcomes["unit"] == "level", 1.0, 100.0)
        outcomes["grid error"] = scale * [errors.get(name, {}).get("error", np.nan) for name in outcomes.index]
    left = steady.goods_market
    accounts = (
        "The model declares no goods_market()."
        if left is None
        else f"Goods left over by the model's own accounting: {left:.1g} of output."
    )
    if "ratio to output" in outcomes:
        accounts = f"Ratios are to output of one {steady.economy.model.period or 'period'}. {accounts}"
    propensities = pd.DataFrame({"value": pd.Series(content["propensities"], dtype=float)}).rename_axis("statistic")
    spent = "MPC: consumption out of another unit of cash on hand, unexpected and once; all of them as decimals."
    ages = {}
    if steady.economy.life is not None:
        by_age = "Assets are held before households choose. Constrained: the share that saves as little as it may."
        ages = {"age_profile": (age_profile(steady), f"{note} {by_age}", 4)}
    finer = "twice as fine in each asset" if steady.economy.several else "four times finer"
    histogram = f"{note} Levels are in goods. Histogram error: the change on a grid {finer}, at the same prices."
    return {
        **ages,
        "outcomes": (outcomes, f"{note} {accounts}", 5),
        **{name: (each, histogram, 4) for name, each in distributions.items()},
        "propensities": (propensities, f"{note} {spent}", 4),
        "marginal_propensities": (marginal_propensities(steady), f"{note} {spent}", 3),
    }


def _note(steady: SteadyState) -> str:
    points, states = points_in_words(steady.economy.grid.count), steady.economy.shape[1]
    return f"Stationary equilibrium, {points} asset points, {states} income states, float64."


def _figures(steady: SteadyState, responses: np.ndarray) -> dict[str, "Figure"]:
    """Wealth, its Lorenz curve, policies with marginal propensities, and spending over time."""
    if steady.economy.several:
        return _figures_of_two(steady, responses)
    assets, note = np.asarray(steady.economy.grid.points), _note(steady)
    labels = state_names(steady.economy.own)
    reached = np.cumsum(steady.mass.sum(axis=1))

    def policy(values: dict[str, np.ndarray], share: float, more: str = "") -> "Figure":
        end = assets[min(int(np.searchsorted(reached, share)) + 1, len(assets) - 1)]
        inside = f"{note} {100 * share:g} percent of households are inside the axis.{more}"
        return figures.plot_policy(assets, values, labels, inside, float(end))

    drawn = {
        "policy": policy({"consumption": steady.consumption, "savings": steady.savings}, SHOWN),
        "mpc": policy({"mpc": static_mpcs(steady)[0]}, POOR, " Steps: policies are linear between asset points."),
        "intertemporal_mpcs": plot_intertemporal_mpcs(responses, period=steady.economy.model.period),
    }
    if steady.economy.life is not None:
        drawn["age_profile"] = plot_age_profile(age_profile(steady), note)
    held = steady.economy.held(steady.mass)
    if float(held[0].sum()) < SHOWN:
        drawn["wealth_distribution"] = figures.plot_wealth_distribution(assets, held, note, labels)
    if has_shares(held, assets):
        drawn["lorenz"] = figures.plot_lorenz({"Wealth": lorenz_curve(held, assets)}, note)
    return drawn


def _figures_of_two(steady: SteadyState, responses: np.ndarray) -> dict[str, "Figure"]:
    """The same with two assets: of each and of net worth, policies by the first at three holdings of the second."""
    note, grid = _note(steady), steady.economy.grid
    (first, second), names = (np.asarray(axis.points) for axis in grid.axes), grid.names
    rows = [int(np.searchsorted(second, quantile(steady, names[1], p))) for p in (0.25, 0.5, 0.9)]
    middle = steady.mass.shape[1] // 2
    labels = [f"{display_name(names[1])} {second[place]:.3g}" for place in rows]
    end = float(first[min(int(np.searchsorted(first, quantile(steady, names[0], 0.99))) + 1, len(first) - 1)])

    def policy(values: dict[str, np.ndarray], more: str = "") -> "Figure":
        shown = {name: grid.apart(each)[:, rows, middle] for name, each in values.items()}
        where = f"{note} By {display_name(names[0]).lower()} assets, in the middle income state, for three holdings"
        held = f"{display_name(names[0])} assets"
        return figures.plot_policy(first, shown, labels, f"{where} of the other asset.{more}", end, held=held)

    changes = {
        f"{name}_savings_less_assets": each - np.asarray(steady.assets[name])[:, None]
        for name, each in zip(names, steady.savings, strict=True)
    }
    drawn = {
        "policy": policy({"consumption": steady.consumption, **changes}),
        "mpc": policy({"mpc": static_mpcs(steady)[0]}, " Steps: policies are linear between asset points."),
        "intertemporal_mpcs": plot_intertemporal_mpcs(responses, period=steady.economy.model.period),
        "lorenz": figures.plot_lorenz(steady, note),
        "wealth_distribution": figures.plot_wealth_distribution(steady, note=note),
    }
    for name in names:
        if float(population_of(steady, name)[0][0].sum()) < SHOWN:
            drawn[f"wealth_distribution_{name}"] = figures.plot_wealth_distribution(steady, name, note)
    return drawn
