"""The command line: the same functions, with a progress bar; `--json` prints one JSON object and nothing else."""

import contextlib
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

_START = time.perf_counter()
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Source = Annotated[
    str, typer.Argument(metavar="MODEL", help="a shipped name (hank-mfg list) or the path of your own file")
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a solved run")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object on standard output")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="override a parameter; repeat as needed")
]


def main() -> None:
    """Run the command line. Bad input: one sentence on standard error, exit status 2, no traceback."""
    warnings.showwarning = lambda message, *_, **__: print(f"Warning: {message}", file=sys.stderr)
    try:
        app()
    except (ValueError, TypeError, RuntimeError, OSError, AttributeError, KeyError) as error:
        if os.environ.get("HANK_MFG_TRACEBACK"):
            raise
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"Error: {text}", file=sys.stderr)
        sys.exit(2)


def _overrides(given: list[str] | None) -> dict[str, Any]:
    from hank_mfg.gallery import parse_override

    return dict(parse_override(text) for text in given or [])


def _emit(as_json: bool, content: dict[str, Any], lines: list[str]) -> None:
    print(json.dumps(content) if as_json else "\n".join(lines))


def _cache() -> Path:
    """Switch on JAX's persistent compilation cache in the user's cache folder; JAX_COMPILATION_CACHE_DIR overrides."""
    import jax

    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hank_mfg" / "jax"
    folder = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR", default))
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


def _entries(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*")) if folder.exists() else 0


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the shipped economies."""
    from hank_mfg.gallery import model_names, read_calibration

    about = {name: read_calibration(name) for name in model_names()}
    rows = {name: calibration.source if calibration else "" for name, calibration in about.items()}
    _emit(as_json, {"models": rows}, [f"{name:24} {text}" for name, text in rows.items()])


@app.command()
def show(model: Source, set_: Set = None, as_json: Json = False) -> None:
    """Show a model's parameters with units and sources, and check its equations."""
    import numpy as np

    from hank_mfg.environment.check import check_model
    from hank_mfg.gallery import calibration_table, load_model

    overrides = _overrides(set_)
    check_model(load_model(model, **overrides))
    rows = [{**row, "value": np.asarray(row["value"]).tolist()} for row in calibration_table(model, **overrides)]
    lines = [f"{row['name']:22} {row['value']!s:>12}  {row['about']} [{row['unit']}] {row['source']}" for row in rows]
    _emit(as_json, {"model": model, "parameters": rows}, lines)


@app.command()
def new(path: Annotated[Path, typer.Argument(help="the file to write, for instance my_model.py")]) -> None:
    """Write a commented example of a model file to start from."""
    from hank_mfg.template import write_template

    write_template(path)
    print(f"Wrote {path}. Try: hank-mfg show {path}; hank-mfg solve {path} --out runs/{Path(path).stem}")


@app.command("steady-state")
def steady_state_command(model: Source, set_: Set = None, asset_points: int = 200, as_json: Json = False) -> None:
    """Solve the stationary equilibrium, without aggregate risk, in float64."""
    _cache()
    import numpy as np

    from hank_mfg.environment.check import check_model
    from hank_mfg.gallery import load_model
    from hank_mfg.report.distribution import gini
    from hank_mfg.solve.steady_state import steady_state

    economy = load_model(model, **_overrides(set_))
    check_model(economy)
    steady = steady_state(economy, asset_points=asset_points)
    values = {**steady.prices, **steady.aggregates}
    content = {
        "model": model,
        "parameters": {name: np.asarray(value).tolist() for name, value in economy.parameters().items()},
        **{name: float(value) for name, value in values.items()},
        "saving_rate": steady.saving_rate(),
        "gini_wealth": float(gini(steady.mass.sum(axis=1), np.asarray(steady.economy.grid.points))),
        "residual": steady.residual,
        "top_of_grid_mass": steady.top_of_grid_mass,
        "asset_points": asset_points,
        "precision": "float64",
        "seconds_compile": steady.seconds_compile,
        "seconds_run": steady.seconds_run,
    }
    skipped = ("model", "parameters")
    lines = [f"{name:20} {value:.6g}" if isinstance(value, float) else f"{name:20} {value}"
             for name, value in content.items() if name not in skipped]  # fmt: skip
    _emit(as_json, content, lines)


@contextlib.contextmanager
def _progress(total: int, quiet: bool):
    """A progress bar on standard error: iteration, objective, Euler error, time left."""
    if quiet:
        yield lambda history: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("update"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("compiling", total=total)

        def show_update(history) -> None:
            error, objective = 100 * history["euler_error"][-1], history["objective"][-1]
            text = f"Euler error {error:.4f} %  objective {objective:.6g}"
            bar.update(task, completed=len(history["update"]), description=text)

        yield show_update


@app.command("solve")
def solve_command(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="a shipped name or your own file")] = None,
    method: Annotated[str, typer.Option(help="rspg (with memory) or spg (without)")] = "rspg",
    out: Annotated[Path | None, typer.Option(help="the run folder; runs/MODEL by default")] = None,
    seed: int = 0,
    set_: Set = None,
    option: Annotated[list[str] | None, typer.Option(help="NAME=VALUE of the method, for instance paths=32")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue a run that was cut off")] = False,
    as_json: Json = False,
) -> None:
    """Solve an economy globally by structural policy gradient and keep the run in a folder."""
    if model is None and not (resume and out):
        raise ValueError("Name a MODEL to solve (hank-mfg list), or give --resume --out RUN to continue a run.")
    cache = _cache()
    from hank_mfg.environment.check import check_model
    from hank_mfg.gallery import load_model
    from hank_mfg.run import read_config, solve_run

    folder = out if out is not None else Path("runs") / Path(str(model)).stem
    settings = None if resume else _settings(method, option)
    if not resume:
        check_model(load_model(str(model), **_overrides(set_)))
    total = settings.updates if settings is not None else read_config(folder)["method"]["updates"]
    before = _entries(cache)
    with _progress(total, as_json) as watch:
        solution = solve_run(
            str(model), folder, settings, key=seed, overrides=_overrides(set_), resume=resume, watch=watch
        )
    content = {
        "run": str(folder),
        "status": solution.status.name.lower(),
        "updates": solution.updates,
        "objective": solution.objective,
        "euler_error_percent": 100 * float(solution.history["euler_error"][-20:].mean()),
        "seconds_total": time.perf_counter() - _START,
        "seconds_compile": solution.seconds_compile,
        "seconds_train": solution.seconds_train,
        "compilation_cache": "cold" if _entries(cache) > before else "warm",
        "precision": solution.precision,
        "device": solution.device,
        "seed": solution.seed,
    }
    _emit(as_json, content, [f"{solution.status.value}", *(f"{name:20} {value}" for name, value in content.items())])


def _settings(method: str, options: list[str] | None):
    """The frozen settings of a method, with NAME=VALUE changes. Raises ValueError for unknown names."""
    import dataclasses

    from hank_mfg.solve.spg import RSPG, SPG

    known = {field.name: field for field in dataclasses.fields(RSPG)}
    changes = {}
    for text in options or []:
        name, sign, value = text.partition("=")
        if not sign or name not in known:
            raise ValueError(f"--option {text}: give NAME=VALUE with one of the names {', '.join(known)}.")
        kind = type(known[name].default)
        try:
            changes[name] = kind(value)
        except ValueError as error:
            raise ValueError(f"--option {text}: {name} must be of type {kind.__name__}.") from error
    makers = {"rspg": RSPG, "spg": SPG}
    if method not in makers:
        raise ValueError(f"--method {method}: choose one of {', '.join(makers)}.")
    return makers[method](**changes)


@app.command("evaluate")
def evaluate_command(run: Run, periods: int = 10_000, seed: int = 1, as_json: Json = False) -> None:
    """Measure the accuracy of a run: Euler errors, Den Haan's test, clearing, exploitability."""
    _cache()
    from hank_mfg.report.report import write_evaluation
    from hank_mfg.run import load_run

    content = write_evaluation(load_run(run), run, periods=periods, seed=seed)
    lines = [f"{name:32} {value}" for name, value in content.items()]
    _emit(as_json, content, lines)


@app.command("irf")
def irf_command(
    run: Run, shock: Annotated[str, typer.Option()], size: Annotated[float, typer.Option()],
    horizon: int = 40, seed: int = 5, as_json: Json = False,
) -> None:  # fmt: skip
    """The generalized impulse response to one shock, from the global solution."""
    _cache()
    from hank_mfg.report.report import write_impulse_response
    from hank_mfg.run import load_run

    response, path = write_impulse_response(load_run(run), run, shock, size, horizon=horizon, seed=seed)
    lines = [response.note, f"{'variable':28} {'unit':18} {'impact':>10} {'largest':>10}"]
    for name, values in response.mean.items():
        lines.append(f"{name:28} {response.units[name]:18} {values[0]:10.4f} {values[abs(values).argmax()]:10.4f}")
    _emit(as_json, response.to_dict(), [*lines, f"Wrote {path}"])


@app.command("moments")
def moments_command(run: Run, periods: int = 10_000, seed: int = 1, as_json: Json = False) -> None:
    """The table of moments of a long simulation, as CSV and LaTeX."""
    _cache()
    from hank_mfg.report.report import write_moments
    from hank_mfg.run import load_run

    table, path = write_moments(load_run(run), run, periods=periods, seed=seed)
    content = {"note": table.note, "moments": json.loads(table.data.to_json(orient="index") or "{}")}
    _emit(as_json, content, [repr(table), f"Wrote {path}"])


@app.command("report")
def report_command(run: Run, periods: int = 10_000, seed: int = 1, as_json: Json = False) -> None:
    """Rebuild every figure and table of a run from what it saved, without solving."""
    _cache()
    from hank_mfg.report.report import write_report
    from hank_mfg.run import load_run

    written = [str(path) for path in write_report(load_run(run), run, periods=periods, seed=seed)]
    _emit(as_json, {"run": str(run), "files": written}, written)


if __name__ == "__main__":
    main()
