"""Write the report of a game's run: exploitability as JSON and LaTeX, figures as PDF and PNG."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from hank_mfg.evaluate.exploitability.finite_population import finite_population
from hank_mfg.evaluate.exploitability.game_deviation import game_deviation
from hank_mfg.evaluate.exploitability.game_exploitability import game_exploitability
from hank_mfg.evaluate.exploitability.game_paths import game_paths
from hank_mfg.files import write_text
from hank_mfg.latex import to_latex
from hank_mfg.report.game_figures import plot_finite_population, plot_game_paths, plot_game_training
from hank_mfg.report.run_pages import NAME, game_page
from hank_mfg.report.style import save_figure
from hank_mfg.runs.manifest import into_run
from hank_mfg.solve.solution import GameSolution


def evaluate_game(solution: GameSolution, *, paths: int, seed: int) -> dict[str, Any]:
    """Both exploitabilities of a trained game as plain numbers, by population; percent of consumption where it is."""
    bound = game_exploitability(solution, paths=paths, seed=seed)
    gain = game_deviation(solution, paths=paths, seed=seed + 1)
    populations = {
        name: {
            "clairvoyant": bound.clairvoyant[name],
            "clairvoyant_standard_error": bound.standard_error[name],
            "clairvoyant_consumption_percent": bound.percent[name],
            "nonanticipative": gain.gain[name],
            "nonanticipative_standard_error": gain.standard_error[name],
            "nonanticipative_relative_percent": gain.relative[name],
            "spread": gain.spread[name],
            "value": bound.value[name],
            "actions": bound.actions[name],
            "smoother": gain.smoother[name],
        }
        for name in bound.clairvoyant
    }
    return {
        "populations": populations,
        "paths": paths,
        "seed": seed,
        "precision_training": solution.precision,
        "precision_evaluation": "float64",
        "device": solution.device,
    }


def evaluation_rows(content: dict[str, Any]) -> dict[str, Any]:
    """The numbers of `evaluate_game` under names for a reader."""
    rows = {}
    for name, numbers in content["populations"].items():
        bound, gain = f"Exploitability of {name}, clairvoyant", f"Exploitability of {name}, non-anticipative"
        rows[f"{bound} (upper bound)"] = numbers["clairvoyant"]
        rows[f"{bound}, standard error over paths"] = numbers["clairvoyant_standard_error"]
        if numbers["clairvoyant_consumption_percent"] is not None:
            rows[f"{bound}, as permanent consumption (percent)"] = numbers["clairvoyant_consumption_percent"]
        rows[gain] = numbers["nonanticipative"]
        rows[f"{gain}, standard error over paths"] = numbers["nonanticipative_standard_error"]
        rows[f"{gain}, relative to the spread (percent)"] = numbers["nonanticipative_relative_percent"]
        rows[f"Spread of {name}, best response over uniform actions"] = numbers["spread"]
        rows[f"Value of {name} without deviation"] = numbers["value"]
    return rows


def evaluation_note(content: dict[str, Any]) -> str:
    """The note below the table."""
    return (
        f"Gains of one deviator in lifetime reward, weighted by the initial mass, on {content['paths']} paths that "
        f"training did not see (seed {content['seed']}); trained in {content['precision_training']}, measured in "
        f"{content['precision_evaluation']}."
    )


def _frame(content: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame({"Value": pd.Series(evaluation_rows(content), dtype=object)}).rename_axis("")


@into_run
def write_game_evaluation(
    solution: GameSolution, folder: Path, *, paths: int, seed: int
) -> tuple[dict[str, Any], list[Path]]:
    """Measure, write evaluation.json and exploitability.tex; return the numbers and the paths."""
    folder, content = Path(folder), evaluate_game(solution, paths=paths, seed=seed)
    return content, [
        write_text(folder / "evaluation.json", json.dumps(content, indent=2) + "\n"),
        write_text(folder / "exploitability.tex", to_latex(_frame(content), note=evaluation_note(content), digits=4)),
    ]


@into_run
def write_game_report(
    solution: GameSolution, folder: Path, lines: list[dict[str, Any]], *, paths: int, seed: int, tell: Any,
    html: bool = False,
) -> list[Path]:  # fmt: skip
    """Every table and figure of a run of a game; `lines` are those of metrics.jsonl. Returns the paths.

    With `html` all are in one page too, report.html, as of `write_report`.
    """
    folder = Path(folder)
    tell("exploitability")
    content, written = write_game_evaluation(solution, folder, paths=paths, seed=seed)
    tell("figures")
    note = f"Trained in {solution.precision}, seed {solution.seed}."
    series = game_paths(solution.play(), paths=paths, seed=seed)
    tell("finite populations")
    crowds = finite_population(solution, paths=max(4, 2 * (min(paths, 32) // 2)), seed=seed)
    table = crowds.table()
    written.append(write_text(folder / "finite_population.tex", to_latex(table, digits=3)))
    figures = {
        "paths": plot_game_paths(series, note),
        **({"training": plot_game_training(lines, note)} if lines else {}),
        "finite_population": plot_finite_population(crowds, note),
    }
    for name, figure in figures.items():
        written += save_figure(figure, folder / "figures" / name)
    if html:
        rows = _frame(content), evaluation_note(content)
        written.append(game_page(solution, folder, content, rows, table, figures).write(folder / NAME))
    return written
