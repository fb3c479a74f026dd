"""Commands on economies with aggregate shocks and on their run folders."""

import functools
from pathlib import Path
from typing import Any

from hank_mfg.cli.console import evaluation_lines, progress, said_below, say, solve_lines, telling_steps, training_line
from hank_mfg.cli.kinds import Asked
from hank_mfg.cli.show import show_model
from hank_mfg.evaluate.misspecification import under
from hank_mfg.model.gallery import load_model, parse_overrides
from hank_mfg.report.report import write_evaluation, write_report
from hank_mfg.runs.economy_run import check_new_run, make_family, named_method, resumed_settings
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.storage import how_to_continue
from hank_mfg.solve.solve import require_aggregate_risk
from hank_mfg.solve.train import chunk_length

Answer = tuple[dict[str, Any], list[str]]


def show(source: str, set_: list[str] | None) -> Answer:
    """Parameters, shocks and individual states, and a check of the equations."""
    return show_model(source, parse_overrides(set_ or []))


def settings_of(source: str, method: str) -> Any:
    """The settings of a method where no option is given."""
    model = load_model(source)
    require_aggregate_risk(model)
    return named_method(method, model)


def solve(asked: Asked) -> Answer:
    """Solve in a run folder, or go on with one."""
    if asked.measure is not None:
        raise ValueError(
            f"--measure {asked.measure} is for games: `hank-mfg evaluate RUN` measures the run of an economy."
        )
    folder, overrides = asked.folder, parse_overrides(asked.set_ or [])
    if asked.resume:
        settings = resumed_settings(folder)
    else:
        model = load_model(str(asked.source), **overrides)
        settings = named_method(asked.method or "rspg", model, asked.option)
    family = make_family(parse_overrides(asked.family or []), asked.penalty)
    if not asked.resume:
        check_new_run(str(asked.source), folder, overrides, settings, family)
    before = _entries(asked.cache)
    chunk = chunk_length(settings.updates)
    drawn = progress(settings.updates, asked.quiet, training_line(chunk), "stationary equilibrium")
    try:
        with said_below(), drawn as watch:
            solution = solve_run(
                str(asked.source), folder, None if asked.resume else settings, seed=asked.seed or 0,
                overrides=overrides, resume=asked.resume, callback=watch, family=family,
            )  # fmt: skip
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(how_to_continue(folder)) from interrupt
    cache = "off" if asked.cache is None else "cold" if _entries(asked.cache) > before else "warm"
    content = _solved(solution, folder, chunk, cache, asked.seconds())
    return content, solve_lines(solution, content)


def _solved(solution: Any, folder: Path, chunk: int, cache: str, seconds: float) -> dict[str, Any]:
    return {
        "run": str(folder),
        "status": solution.status.name.lower(),
        "updates": solution.updates,
        "objective": solution.objective,
        "euler_error_percent": 100 * float(solution.history["euler_error"][-chunk:].mean()),
        "seconds_total": seconds,
        "seconds_compile": solution.seconds_compile,
        "seconds_train": solution.seconds_train,
        "compilation_cache": cache,
        "precision": solution.precision,
        "device": solution.device,
        "seed": solution.seed,
        **({"adversary_gain_percent": solution.adversary_gain()} if solution.family else {}),
        **({"worlds": solution.worlds()} if solution.family else {}),
    }


def _entries(folder: Path | None) -> int:
    return sum(1 for _ in folder.glob("*")) if folder is not None and folder.exists() else 0


def evaluate(run: Path, changes: dict[str, Any], *, periods: int, seed: int, quiet: bool, **_: Any) -> Answer:
    """Measure the accuracy of a run; with `changes`, of its policy under other parameters."""
    trained = load_run(run)
    solution = under(trained, **changes)
    with telling_steps(quiet):
        content, written = write_evaluation(solution, run, changes, periods=periods, seed=seed)
    return content, [*evaluation_lines(solution, content, trained), *(f"Wrote {path}" for path in written)]


def report(run: Path, *, periods: int, seed: int, html: bool = False, quiet: bool, **_: Any) -> Answer:
    """Every table and figure of a run."""
    with telling_steps(quiet):
        tell = functools.partial(say, quiet)
        written = write_report(load_run(run), run, periods=periods, seed=seed, html=html, tell=tell)
    files = [str(path) for path in written]
    return {"run": str(run), "files": files}, [f"Wrote {len(files)} files into {run}."]
