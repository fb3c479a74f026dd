"""The command line: the same functions, progress on standard error; `--json` prints one JSON object and no more."""

import functools
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from hank_mfg.cli.failures import SOME_FAILED, WRONG_INPUT, Commands, folder_of, run

_START = time.perf_counter()


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)

Source = Annotated[str, typer.Argument(metavar="MODEL", help="a shipped name (hank-mfg list) or the path of a file")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a solved run")]
Seed = Annotated[int, typer.Option(min=0, max=2**62, help="of the random numbers")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress on standard error")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object on standard output")]
Html = Annotated[bool, typer.Option("--html", help="all of it in one page too, which needs no other file")]
Paths = Annotated[int, typer.Option(help="of a game: paths to measure on")]
Starts = Annotated[int, typer.Option(min=1, help="states of the ergodic set, over which the mean is taken")]
FromEach = Annotated[int, typer.Option(min=1, help="paths from each of them")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="override a parameter; repeat as needed")
]
METHODS = "rspg (with memory) or spg (without); for games also ippo, rippo, momd, rmomd"
Method = Annotated[str, typer.Option(help=METHODS)]
Option = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="of the method (hank-mfg options MODEL lists them); repeat as needed"),
]
Alternatives = Annotated[
    list[str] | None,
    typer.Option("--family", metavar="NAME=[VALUES]", help="prepare for other values too; repeat"),
]
Points = Annotated[
    str, typer.Option("--asset-points", help="200 unless given; of two assets liquid=50,illiquid=70 or one number")
]
GridToo = Annotated[bool, typer.Option("--grid-error", help="estimate the grid's error from coarser grids")]
Under = Annotated[list[str] | None, typer.Option("--under", metavar="NAME=VALUE", help="change a parameter")]


def main() -> None:
    """Run the command line. Bad input: one sentence on standard error, exit status 2, no traceback; Ctrl-C: 130.

    What the library did not foresee is one sentence, too, with status 1; --debug shows the traceback of either.
    """
    warnings.filterwarnings("default", message="--option", category=DeprecationWarning)
    warnings.showwarning = lambda message, *_, **__: print(f"Warning: {message}", file=sys.stderr)
    run(app)


def _overrides(given: list[str] | None) -> dict[str, Any]:
    from hank_mfg.model.gallery import parse_overrides

    return parse_overrides(given or [])


def _emit(as_json: bool, content: dict[str, Any], lines: list[str]) -> None:
    print(json.dumps(content) if as_json else "\n".join(lines))


def _cache() -> Path | None:
    """The folder in which compiled programs are kept, from now on; None where that is switched off."""
    from hank_mfg.compiling import keep_compiled

    return keep_compiled(small=True)


@app.command("doctor")
def doctor(as_json: Json = False) -> None:
    """Versions, machine, devices, precision and cache: what to paste into a report of a fault."""
    cache = _cache()
    from hank_mfg.cli.doctor import examine

    _emit(as_json, *examine(cache))


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the shipped economies and games."""
    from hank_mfg.cli.games import list_games
    from hank_mfg.model.gallery import model_names, read_calibration

    about = {name: read_calibration(name) for name in model_names()}
    rows = {name: calibration.source if calibration else "" for name, calibration in about.items()}
    games = list_games()
    lines = [f"{name:24} {text}" for name, text in rows.items()]
    _emit(as_json, {"models": rows, "games": games}, [
        "Economies", *lines, "", "Games", *(f"{name:24} {text}" for name, text in games.items()),
    ])  # fmt: skip


@app.command()
def show(model: Source, set_: Set = None, as_json: Json = False) -> None:
    """Show a model's parameters, shocks and individual states, and check its equations; or what a game is."""
    from hank_mfg.cli.kinds import commands
    from hank_mfg.runs.kinds import kind_of

    _emit(as_json, *commands(kind_of(model)).show(model, set_))


@app.command()
def new(
    path: Annotated[Path, typer.Argument(help="the file to write, for instance my_model.py")], as_json: Json = False
) -> None:
    """Write a commented example of a model file to start from."""
    from hank_mfg.cli.template import write_template

    written = write_template(path)
    line = (
        f"Wrote {path}. Try: hank-mfg show {path}; hank-mfg solve {path} --out runs/{Path(path).stem}; where it has no "
        f"aggregate_shocks(), hank-mfg steady-state {path} --out runs/{Path(path).stem}"
    )
    _emit(as_json, {"path": str(written)}, [line])


@app.command("steady-state")
def steady_state_command(
    model: Source,
    set_: Set = None,
    out: Annotated[
        Path | None, typer.Option(parser=folder_of, help="keep it as a run, with tables and figures, in this folder")
    ] = None,
    asset_points: Points = "", grid_error: GridToo = False, quiet: Quiet = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Solve the stationary equilibrium, without aggregate risk, in float64; with --out keep, tabulate and draw it."""
    _cache()
    from hank_mfg.cli.console import say
    from hank_mfg.cli.kinds import require_economy
    from hank_mfg.cli.stationary import solve_stationary

    require_economy("stationary equilibrium", source=model)
    sizes = {"asset_points": asset_points, "grid_error": grid_error}
    _emit(as_json, *solve_stationary(model, _overrides(set_), out, **sizes, tell=functools.partial(say, quiet)))


@app.command("calibrate")
def calibrate_command(
    model: Source,
    free: Annotated[list[str], typer.Option(metavar="NAME=LOW:HIGH", help="a free parameter and its bounds; repeat")],
    target: Annotated[
        list[str] | None, typer.Option(metavar="MOMENT=VALUE", help="for instance 'capital / output=3'; repeat")
    ] = None,
    targets: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="CSV: moment, value, standard_error, source; repeat")
    ] = None,
    start: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="where to begin; repeat")] = None,
    set_: Set = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="the calibration file to write: my.toml")] = None,
    asset_points: int = 200, quiet: Quiet = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Choose parameters such that the stationary equilibrium has the moments of the data, in float64."""
    _cache()
    from hank_mfg.cli.calibrate import run_calibration
    from hank_mfg.cli.console import say
    from hank_mfg.cli.kinds import require_economy

    require_economy("stationary equilibrium", source=model)
    given = (free, target or [], targets or [])
    options = {"start": _overrides(start), "out": out, "asset_points": asset_points}
    _emit(as_json, *run_calibration(model, _overrides(set_), *given, **options, tell=functools.partial(say, quiet)))


@app.command("options")
def options_command(model: Source, method: Method = "rspg", as_json: Json = False) -> None:
    """List what `solve MODEL --option` takes: names, meanings, and the values where none are given."""
    from hank_mfg.cli.show import show_options

    _emit(as_json, *show_options(model, method))


@app.command("solve")
def solve_command(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="a shipped name or your own file")] = None,
    method: Annotated[str | None, typer.Option(help=f"{METHODS}; rspg by default")] = None,
    out: Annotated[Path | None, typer.Option(parser=folder_of, help="the run folder; runs/MODEL by default")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**62, help="of the random numbers; 0 by default")] = None,
    set_: Set = None,
    option: Option = None,
    family: Alternatives = None,
    penalty: Annotated[float, typer.Option(help="of the adversary for entropy, percent of consumption")] = 0.0,
    resume: Annotated[bool, typer.Option("--resume", help="continue a run that was cut off")] = False,
    measure: Annotated[
        int | None, typer.Option(min=0, help="of a game: paths on which to measure exploitability meanwhile")
    ] = None,
    quiet: Quiet = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Solve an economy or a game globally by structural policy gradient and keep the run in a folder."""
    if model is None and not (resume and out):
        raise ValueError("Name a MODEL to solve (hank-mfg list), or give --resume --out RUN to continue a run.")
    cache = _cache()
    folder = out if out is not None else Path("runs") / Path(str(model)).stem
    from hank_mfg.cli.kinds import Asked, commands
    from hank_mfg.runs.kinds import kind_to_solve
    from hank_mfg.runs.resuming import require_nothing_new

    if resume:
        changes = {"--set": set_, "--option": option, "--family": family, "--penalty": penalty, "--measure": measure}
        model = require_nothing_new(folder, model, method, seed, changes)
    seconds = lambda: time.perf_counter() - _START  # noqa: E731
    asked = Asked(
        model, folder, method, option, set_, seed, family, penalty, measure, resume, quiet, cache, seconds
    )  # fmt: skip
    _emit(as_json, *commands(kind_to_solve(model, folder, resume)).solve(asked))


@app.command("sweep")
def sweep_command(
    model: Source,
    over: Annotated[list[str], typer.Option(metavar="NAME=A:B:N", help="N values from A to B, or [1, 2, 4]; repeat")],
    out: Annotated[Path, typer.Option(parser=folder_of, help="the folder, with a run folder inside for every point")],
    method: Annotated[str | None, typer.Option(help="rspg or spg; stationary equilibria where none is given")] = None,
    option: Option = None,
    set_: Set = None,
    seed: Seed = 0,
    asset_points: Annotated[int, typer.Option(help="of stationary equilibria")] = 200,
    workers: Annotated[int | None, typer.Option(min=1, help="processes of this machine; 1 by default")] = None,
    scheduler: Annotated[str | None, typer.Option(metavar="ADDRESS", help="of a dask cluster: tcp://host:8786")] = None,
    quiet: Quiet = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Solve at every point of a grid of parameters, each in a run folder; what is finished is not done again."""
    _cache()
    from hank_mfg.cli.console import say
    from hank_mfg.cli.sweep import run_sweep

    given = {"overrides": _overrides(set_), "seed": seed, "asset_points": asset_points}
    chosen = {"method": method, "options": option, "workers": workers, "scheduler": scheduler}
    content, lines, failed = run_sweep(model, over, out, **chosen, **given, tell=functools.partial(say, quiet))
    _emit(as_json, content, lines)
    if failed:
        raise typer.Exit(SOME_FAILED)


@app.command("evaluate")
def evaluate_command(
    run: Run, periods: int = 10_000, paths: Paths = 64, seed: Seed = 1, under_: Under = None, quiet: Quiet = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Measure the accuracy of a run: Euler errors, Den Haan's test, clearing, exploitability."""
    _cache()
    from hank_mfg.cli.kinds import commands
    from hank_mfg.runs.kinds import kind_of_run

    sizes = {"periods": periods, "paths": paths, "seed": seed, "quiet": quiet}
    _emit(as_json, *commands(kind_of_run(run)).evaluate(run, _overrides(under_), **sizes))


def _wrote(paths: list[Path]) -> list[str]:
    return [f"Wrote {path}" for path in paths]


@app.command("irf")
def irf_command(
    run: Run,
    shock: Annotated[str, typer.Option(help="its name (hank-mfg show MODEL)")],
    size: Annotated[float, typer.Option(help="in the shock's own units: of a level around 1, -0.01 is one percent")],
    given: Annotated[list[str] | None, typer.Option(help="NAME=LEVEL of another shock at date 0; repeat")] = None,
    horizon: int = 40, starts: Starts = 96, paths: FromEach = 8, seed: Seed = 5, as_json: Json = False,
) -> None:  # fmt: skip
    """The generalized impulse response to one shock, from the global solution."""
    _cache()
    from hank_mfg.cli.console import response_lines
    from hank_mfg.cli.kinds import require_economy
    from hank_mfg.report.report import write_impulse_response
    from hank_mfg.runs.run import load_run

    require_economy("impulse responses", run=run)
    sampling = {"horizon": horizon, "starts": starts, "paths": paths, "seed": seed}
    response, written = write_impulse_response(load_run(run), run, shock, size, given=_overrides(given), **sampling)
    _emit(as_json, response.to_dict(), [response.note, *response_lines(response), *_wrote(written)])


@app.command("compare")
def compare_command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="a shipped name, your own file, or the folder of a run")
    ],
    set_: Set = None,
    out: Annotated[
        Path | None, typer.Option(parser=folder_of, help="runs/MODEL_compare by default, or the folder of the run")
    ] = None,
    shock: Annotated[str | None, typer.Option(help="by default the only one")] = None,
    size: Annotated[list[float] | None, typer.Option(help="in the shock's own units; repeat as needed")] = None,
    horizon: int = 100, starts: Starts = 96, paths: FromEach = 8, seed: Seed = 0, periods: int = 10_000,
    option: Option = None,
    classical: Annotated[bool, typer.Option(help="also solve by the classical algorithm where the model fits")] = True,
    html: Html = False, quiet: Quiet = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Compare responses of the global solutions with perfect-foresight and linear ones, side by side."""
    _cache()
    from hank_mfg.cli.compare import Request, compare_models
    from hank_mfg.cli.console import telling_steps

    sampling = {"horizon": horizon, "starts": starts, "paths": paths, "periods": periods}
    request = Request(model, out, _overrides(set_), option, seed, shock, size or None, sampling, classical, quiet, html)
    with telling_steps(quiet):
        _emit(as_json, *compare_models(request, lambda: time.perf_counter() - _START))


@app.command("moments")
def moments_command(
    run: Run,
    periods: int = 10_000,
    seed: Seed = 1,
    smoothing: Annotated[
        float | None, typer.Option(help="of the HP filter; by default 1600, 6.25 or 129600, by the model's period")
    ] = None,
    filter: Annotated[str, typer.Option(help="hp, or hamilton: a regression two years ahead (Hamilton 2018)")] = "hp",
    as_json: Json = False,
) -> None:
    """The table of moments of a long simulation, as CSV and LaTeX."""
    _cache()
    from hank_mfg.cli.kinds import require_economy
    from hank_mfg.report.report import write_moments
    from hank_mfg.runs.run import load_run

    require_economy("moments over time", run=run)
    table, written = write_moments(load_run(run), run, periods=periods, seed=seed, smoothing=smoothing, filter=filter)
    content = {"note": table.note, "moments": json.loads(table.data.to_json(orient="index") or "{}")}
    _emit(as_json, content, [repr(table), *_wrote(written)])


@app.command("report")
def report_command(
    run: Run, periods: int = 10_000, paths: Paths = 64, seed: Seed = 1, html: Html = False, quiet: Quiet = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Rebuild every figure and table of a run from what it saved, without solving; with --html one page too."""
    _cache()
    from hank_mfg.cli.kinds import commands
    from hank_mfg.runs.kinds import kind_of_run

    sizes = {"periods": periods, "paths": paths, "seed": seed, "html": html, "quiet": quiet}
    _emit(as_json, *commands(kind_of_run(run)).report(run, **sizes))


@app.command("trust")
def trust_command(run: Run, as_json: Json = False) -> None:
    """Allow a run that was solved elsewhere to execute its Python file, model.py or game.py, which you have read."""
    from hank_mfg.runs.manifest import trust_run

    file = trust_run(run)
    line = f"{file} may be run." if file is not None else f"{run} has no Python file of its own: nothing to allow."
    _emit(as_json, {"run": str(run), "file": None if file is None else str(file)}, [line])


@app.command("package")
def package_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of finished runs, of any kind")],
    out: Annotated[Path, typer.Option(parser=folder_of, help="the new folder of the package")],
    data: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="a data file to include; repeat")] = None,
    quiet: Quiet = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Make a replication package of runs: models, numbers, software, and a README for data editors."""
    _cache()
    from hank_mfg.cli.console import telling_steps
    from hank_mfg.cli.package import make

    with telling_steps(quiet):
        _emit(as_json, *make(runs, out, data or []))


@app.command("check")
def check_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a replication package, whose model files are run")],
    full: Annotated[bool, typer.Option("--full", help="solve with the original settings, not small ones")] = False,
    quiet: Quiet = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Check a replication package: its files, and its numbers against a second computation; status 2 where it fails."""
    _cache()
    from hank_mfg.cli.console import telling_steps
    from hank_mfg.cli.package import check

    with telling_steps(quiet):
        content, lines, passed = check(folder, full)
    _emit(as_json, content, lines)
    if not passed:
        raise typer.Exit(WRONG_INPUT)


@app.command("replicate")
def replicate_command(
    name: Annotated[
        str,
        typer.Argument(
            help="aiyagari-1994, auclert-2021, jedc-2010, krueger-2016, krusell-smith-1998, rspg-benchmark, "
            "rspg-economies"
        ),
    ],
    out: Annotated[Path | None, typer.Option(parser=folder_of, help="the folder; replications/NAME by default")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="everything small and rough, a few minutes at most")] = False,
    seeds: Annotated[int | None, typer.Option(help="5 unless said, 2 with --quick")] = None,
    game: Annotated[list[str] | None, typer.Option(help="only this shipped game; repeat as needed")] = None,
    method: Annotated[list[str] | None, typer.Option(help="only this method; repeat as needed")] = None,
    quiet: Quiet = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Make a published experiment again; what is finished in the folder is not done again."""
    _cache()
    from hank_mfg.cli.console import say, telling_steps
    from hank_mfg.replication import replicate

    given = {"quick": quick, "seeds": seeds, "games": game, "methods": method}
    options = {option: value for option, value in given.items() if value}
    with telling_steps(quiet):
        done = replicate(name, out, **options, tell=functools.partial(say, quiet))
    _emit(as_json, done, _wrote([Path(file) for file in done["files"]]))


if __name__ == "__main__":
    main()
