"""The pages of runs: of an economy with aggregate shocks, of a stationary equilibrium, and of a game.

They show what write_report and its like have gathered, and compute nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from hank_mfg.evaluate.accuracy_table import accuracy_frame, accuracy_note, gain_rows, law_of_motion_rows
from hank_mfg.evaluate.bars import OK
from hank_mfg.evaluate.moments import MomentTable
from hank_mfg.report.page import Page
from hank_mfg.report.provenance import add_limits, add_provenance, add_settings, column, commands_of, declared_name
from hank_mfg.solve.solution import GameSolution, Solution
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.solve.train import Status, chunk_length, last_errors, shortfall
from hank_mfg.wording import display_name, number, state_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "report.html"
CAPTIONS = {
    "lorenz": "Lorenz curve", "mpc": "Marginal propensity to consume", "forecast": "Forecast by the law of motion",
    "intertemporal_mpcs": "Intertemporal marginal propensities to consume", "paths": "Sampled paths",
}  # fmt: skip
SECTIONS = (  # of a stationary equilibrium: heading, beginnings of names of tables, and of figures
    ("Prices and quantities", ("outcomes",), ("policy",)),
    ("Distribution of wealth", ("distribution",), ("wealth", "lorenz")),
    ("Marginal propensities to consume", ("propensities", "marginal"), ("mpc", "intertemporal")),
    ("Ages", ("age",), ("age",)),
)
Tables = Mapping[str, tuple[pd.DataFrame, str, int]]
Drawn = Mapping[str, "Figure"]


class Gathered(NamedTuple):
    """What the report of an economy shows: accuracy as in evaluation.json, moments, tables of the distribution (frame,
    note, digits), figures, and those of responses to shocks."""

    content: dict[str, Any]
    moments: MomentTable
    tables: Tables
    figures: Drawn
    responses: Drawn


def economy_page(solution: Solution, folder: Path, found: Gathered) -> Page:
    """The page of an economy with aggregate shocks."""
    model, content = solution.model, found.content
    frame = accuracy_frame(content)
    page = Page(f"{declared_name(folder, model)}: an economy with aggregate shocks", _economy_status(solution, frame))
    page.section("Accuracy")
    page.table(frame, note=accuracy_note(content, solution))
    labels = state_names(solution.play(10).economy.shock_values)
    words = {**law_of_motion_rows(content, labels), **gain_rows(content)}
    if words:
        page.table(column(words, "").rename_axis(""))
    add_limits(page, _measured(content))
    drawn = dict(found.figures)
    _add_figures(page, "", _taken(drawn, "law_of_motion", "forecast"))
    _add_figures(page, "Prices and quantities", _taken(drawn, "simulation"))
    page.table(_outcomes(solution.steady), caption="Stationary equilibrium, shocks at their means", digits=5)
    page.section("Moments").table(found.moments.shown(), note=found.moments.note, digits=3)
    _add_figures(page, "Responses to shocks", found.responses)
    page.section("Distribution of wealth")
    for name, (each, note, digits) in found.tables.items():
        page.table(each, caption=display_name(name), note=note, digits=digits)
    _add_figures(page, "", _taken(drawn, "wealth_distribution", "lorenz"))
    _add_figures(page, "Policy and training", drawn)
    add_settings(page, folder, model, solution.settings)
    add_provenance(
        page, folder, model, {
            "Precision": f"trained in {solution.precision}, measured in {content['precision']}",
            "Seed": f"{solution.seed} of training, {content['seed']} of the measures",
            "Device": solution.device,
            "Seconds": f"{solution.seconds_compile:.3g} compiling, {solution.seconds_train:.3g} training, "
            f"{solution.seconds_total:.3g} in total",
        }, commands_of(folder, model, f" --periods {content['periods']} --seed {content['seed']}"),
    )  # fmt: skip
    return page


def _economy_status(solution: Solution, frame: pd.DataFrame) -> str:
    """One sentence: how training ended, and how many measures of accuracy are within their bars."""
    if solution.status is Status.UPDATES_EXHAUSTED:
        errors = last_errors(solution.history, chunk_length(solution.settings.updates))
        first = f"Updates ran out: after {solution.updates}, {shortfall(errors, solution.settings.tolerance)}"
    elif solution.status is Status.CONVERGED:
        first = f"Training converged after {solution.updates} updates"
    else:
        first = "Training was interrupted"
    judged = [verdict for verdict in frame["Verdict"] if verdict]
    within = sum(verdict == OK for verdict in judged)
    return f"{first}; {within} of {len(judged)} measures of accuracy that have a bar are within it."


def _measured(content: Mapping[str, Any]) -> set[str]:
    """The names of what was measured."""
    names = {name for name, value in content.items() if value is not None and value != {}}
    return names | (content.get("exploitability") or {}).keys()


def _outcomes(steady: SteadyState) -> pd.DataFrame:
    return steady.table().rename(index=display_name).rename_axis("")


def _add_figures(page: Page, heading: str, figures: Drawn) -> None:
    if heading:
        page.section(heading)
    for name, figure in figures.items():
        page.figure(name, figure, CAPTIONS.get(name, ""))


def _taken(figures: dict[str, "Figure"], *names: str) -> Drawn:
    """Some of the figures, by name, which are taken out of the others."""
    return {name: figures.pop(name) for name in names if name in figures}


def stationary_page(
    steady: SteadyState, folder: Path, measured: Mapping[str, Any], rows: Mapping[str, float], tables: Tables,
    figures: Drawn,
) -> Page:  # fmt: skip
    """The page of a stationary equilibrium; `measured` has measures of accuracy by the names of evaluation.json, `rows`
    the same in a reader's words, as `tables` are."""
    model = steady.economy.model
    status = f"Solved: markets clear up to {steady.residual:.1g} of what is supplied, in {steady.seconds_run:.3g} s."
    page = Page(f"{declared_name(folder, model)}: a stationary equilibrium", status)
    page.section("Accuracy")
    page.table(pd.DataFrame({"Value": pd.Series(dict(rows), dtype=object)}).rename_axis(""))
    add_limits(page, {name for name, value in measured.items() if value is not None})
    left = dict(figures)
    for heading, some, pictures in SECTIONS:
        drawn = _taken(left, *(name for name in figures if name.startswith(pictures)))
        chosen = {name: each for name, each in tables.items() if name.startswith(some)}
        if chosen or drawn:
            page.section(heading)
        for name, (frame, note, digits) in chosen.items():
            page.table(frame, caption=display_name(name), note=note, digits=digits)
        _add_figures(page, "", drawn)
    add_settings(page, folder, model)
    facts_of_run = {
        "Precision": "float64",
        "Asset points": str(steady.economy.grid.count),
        "Seconds": f"{steady.seconds_compile:.3g} compiling, {steady.seconds_run:.3g} solving",
    }
    add_provenance(page, folder, model, facts_of_run, commands_of(folder, model, ""))
    return page


def game_page(
    solution: GameSolution, folder: Path, content: Mapping[str, Any], rows: tuple[pd.DataFrame, str],
    crowds: pd.DataFrame, figures: Drawn,
) -> Page:  # fmt: skip
    """The page of a game: `content` of evaluation.json, its `rows` and note, the table of finite populations."""
    moved = "the objective stopped moving" if solution.settled else "the objective was still moving, or may have been"
    page = Page(f"{declared_name(folder, solution.game)}: a game", f"{solution.updates} updates were made; {moved}.")
    page.section("Exploitability")
    page.table(rows[0], note=rows[1])
    add_limits(page, {name for each in content["populations"].values() for name in each}, "")
    left = dict(figures)
    crowd = _taken(left, "finite_population")
    _add_figures(page, "Paths and training", left)
    page.section("Finite populations")
    page.table(crowds, digits=3)
    _add_figures(page, "", crowd)
    add_settings(page, folder, solution.game, solution.settings)
    facts = {
        "Precision": f"trained in {solution.precision}, measured in {content['precision_evaluation']}",
        "Seed": f"{solution.seed} of training, {content['seed']} of the measures",
        "Device": solution.device,
        "Seconds": f"{number(solution.seconds_compile)} compiling, {number(solution.seconds_train)} training",
    }
    options = f" --paths {content['paths']} --seed {content['seed']}"
    add_provenance(page, folder, solution.game, facts, commands_of(folder, solution.game, options))
    return page
