"""Commands on stationary equilibria and on their run folders."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hank_mfg.cli.console import aligned, columns, named, say
from hank_mfg.environment.check import check_model
from hank_mfg.evaluate.distribution.statistics import GINI, distribution_table, gini_where_defined
from hank_mfg.evaluate.grid_error import error_of_grid
from hank_mfg.model.gallery import load_model
from hank_mfg.report.stationary_report import (
    evaluation_rows,
    stationary_facts,
    write_stationary_evaluation,
    write_stationary_report,
)
from hank_mfg.runs.run import load_run
from hank_mfg.runs.steady_run import steady_state_run
from hank_mfg.runs.storage import read_config
from hank_mfg.solve.stationary.steady_state import SteadyState, steady_state

SPREAD = 0.01  # of the Gini coefficient: above, a line says that the grid spreads wealth

Answer = tuple[dict[str, Any], list[str]]
Tell = Callable[[str], None]


def solve_stationary(
    source: str, overrides: Mapping[str, Any], out: Path | None, *, asset_points: str, grid_error: bool, tell: Tell
) -> Answer:
    """Solve a stationary equilibrium, or read it where `out` holds it already, and write its tables and figures into
    `out`; as JSON and as text."""
    model = load_model(source, **overrides)
    check_model(model)
    points = points_written(asset_points)
    if out is None:
        steady = steady_state(model, asset_points=points)
        measured, more = error_of_grid(steady) if grid_error else ({}, [])
        content = _content(source, steady)
        errors = distribution_table(steady)["histogram error"].to_dict()
        return {**content, **measured}, [*_lines(steady, content), *_about_histogram(steady, errors), *more]
    steady = steady_state_run(source, out, overrides=dict(overrides), asset_points=points)
    measured, more = {}, []
    if grid_error:
        evaluation, files = write_stationary_evaluation(steady, out)
        measured = {"grid_error": evaluation["grid_error"]}
        more = ["", *aligned(evaluation_rows(evaluation)), *(f"Wrote {path}" for path in files)]
    tables, written = write_stationary_report(steady, out, tell=tell)
    content = _content(source, steady)
    kept = {"run": str(out), **tables, **measured, "files": [str(x) for x in written]}
    spread = _about_histogram(steady, tables["histogram_error"])
    return {**content, **kept}, [*_lines(steady, content), *spread, *more, f"Wrote {len(written)} files into {out}."]


def points_written(written: str) -> int | dict[str, int] | None:
    """What --asset-points means: a number, of two assets of each, or NAME=NUMBER,NAME=NUMBER; where nothing is written
    the number that is usual. Raises ValueError for anything else."""
    if not written:
        return None
    try:
        if "=" not in written:
            return int(written)
        return {name.strip(): int(number) for name, _, number in (each.partition("=") for each in written.split(","))}
    except ValueError:
        raise ValueError(
            f"--asset-points {written}: give a number, or of two assets each, liquid=50,illiquid=70."
        ) from None


def _content(source: str, steady: SteadyState) -> dict[str, Any]:
    """The equilibrium as plain numbers, one level deep."""
    parameters = steady.economy.model.parameters()
    return {
        "model": source,
        "parameters": {name: np.asarray(value).tolist() for name, value in parameters.items()},
        **steady.outcomes,
        "saving_rate": steady.saving_rate(),
        "gini_wealth": gini_where_defined(steady),
        **stationary_facts(steady),
        "asset_points": steady.economy.grid.count, "precision": "float64",
        "seconds_compile": steady.seconds_compile, "seconds_run": steady.seconds_run,
    }  # fmt: skip


def _lines(steady: SteadyState, content: dict[str, Any]) -> list[str]:
    """The equilibrium for a reader: outcomes with units, inequality, how well it clears."""
    table = steady.table()
    heads = ("quantity", "unit", *(name for name in table.columns if name != "unit"))
    rows = [
        (str(name), row["unit"], *("" if np.isnan(row[head]) else f"{row[head]:.6g}" for head in heads[2:]))
        for name, row in zip(table.index, table.to_dict("records"), strict=True)
    ]
    facts = ("saving_rate", "gini_wealth", *stationary_facts(steady), "seconds_compile", "seconds_run")
    shown = {named(name): content[name] for name in facts if content[name] is not None}
    return [*columns(heads, rows), "", *aligned(shown)]


def _about_histogram(steady: SteadyState, errors: Mapping[str, float]) -> list[str]:
    """A line where the grid spreads wealth by more than a percent of the Gini coefficient, by the histogram's `errors`
    as `distribution_table` names them."""
    value, error = gini_where_defined(steady), errors.get(GINI, np.nan)
    if value is not None and np.isnan(error):
        return ["", "How much the grid spreads wealth could not be estimated: see --grid-error."]
    if value is None or error <= SPREAD * value:
        return []
    return [
        "",
        f"The grid spreads wealth: the Gini coefficient, {value:.3g}, is off by about {error:.1g}. Use more points, "
        f"--asset-points {_more(steady)}; --grid-error has the error of every number.",
    ]


def _more(steady: SteadyState) -> str:
    count = steady.economy.grid.count
    if isinstance(count, dict):
        return ",".join(f"{name}={2 * number}" for name, number in count.items())
    return str(4 * count)


def evaluate(run: Path, changes: dict[str, Any], **_: Any) -> Answer:
    """Measure the run of a stationary equilibrium."""
    if changes:
        raise ValueError(has_no("policy that could be used under other parameters", run))
    content, written = write_stationary_evaluation(load_run(run), run, nonconcave=read_config(run)["nonconcave"])
    return content, [*aligned(evaluation_rows(content)), *(f"Wrote {path}" for path in written)]


def report(run: Path, *, html: bool = False, quiet: bool, **_: Any) -> Answer:
    """Every table and figure of the run of a stationary equilibrium."""
    tell = functools.partial(say, quiet)
    content, written = write_stationary_report(load_run(run), run, html=html, tell=tell)
    files = [str(path) for path in written]
    return {"run": str(run), "files": files, **content}, [f"Wrote {len(files)} files into {run}."]


def has_no(what: str, run: str | Path) -> str:
    """The sentence for a command of solutions with aggregate risk that is given a run without."""
    return (
        f"{run} holds a stationary equilibrium of {read_config(run)['class']}, without aggregate risk, which has no "
        f"{what}: see `hank-mfg report {run}`; for aggregate shocks `hank-mfg solve MODEL --out ANOTHER`, for linear "
        "responses hm.linearize, for a path of a parameter hm.transition, both from hm.load_run."
    )
