"""`hank-mfg compare`: find or compute the global solutions, compare them with the linear one, write the files."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hank_mfg.cli.console import aligned, columns, progress, say, training_line
from hank_mfg.cli.kinds import require_economy
from hank_mfg.environment.check import check_model
from hank_mfg.errors import SolveError
from hank_mfg.evaluate.compare import Comparison, compare, require_sampling, usual_label
from hank_mfg.evaluate.compare_methods import ABOUT, LINEAR
from hank_mfg.evaluate.compare_shocks import make_plan
from hank_mfg.evaluate.compare_tables import ROUNDING
from hank_mfg.evaluate.units import counted
from hank_mfg.model.base import Model
from hank_mfg.model.gallery import load_model
from hank_mfg.report.compare_figures import write_comparison
from hank_mfg.runs.economy_run import named_method, run_model
from hank_mfg.runs.manifest import holds_run
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.storage import UNFINISHED, RunError, finished_config, read_config, require_place
from hank_mfg.solve.classical.krusell_smith import KSAlgorithm
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.solution import Solution
from hank_mfg.solve.solve import solve
from hank_mfg.solve.train import chunk_length
from hank_mfg.wording import display_name


@dataclasses.dataclass(frozen=True)
class Request:
    """A request: a model or a run folder, how to solve it, where to keep it, and what to compare.

    `options` of the method are NAME=VALUE; `sampling` are horizon, starts, paths and periods of
    `compare`; `quiet` leaves out the progress on standard error; `html` writes a page too.
    """

    source: str
    out: Path | None
    overrides: dict[str, Any]
    options: list[str] | None
    seed: int
    shock: str | None
    sizes: list[float] | None
    sampling: dict[str, Any]
    classical: bool
    quiet: bool
    html: bool = False

    def tell(self, text: str) -> None:
        """A line on standard error, unless quiet."""
        say(self.quiet, text)

    @property
    def is_run(self) -> bool:
        """Whether the source is the folder of a run."""
        return holds_run(self.source)

    @property
    def folder(self) -> Path:
        """The folder of the run and of the files of the comparison."""
        if self.out is not None:
            return self.out
        return Path(self.source) if self.is_run else Path("runs") / f"{Path(self.source).stem}_compare"


def compare_models(request: Request, seconds: Callable[[], float]) -> tuple[dict[str, Any], list[str]]:
    """Solve what is not solved yet, compare, write the files; as JSON and as text. `seconds` tells the time so far.

    Raises ValueError in one sentence, before anything is solved, for a game, a model without aggregate shocks, and a
    shock, size or folder that does not fit.
    """
    horizon = request.sampling["horizon"]
    require_sampling(**request.sampling)
    if horizon < 2:
        raise ValueError(f"--horizon {horizon}: compare 2 or more periods.")
    require_place(request.folder)
    trained = _finished_run(request) if request.is_run else _solved(request)
    solutions: dict[str, Any] = {usual_label(trained): trained}
    left_out = None
    if request.classical:
        try:
            request.tell("Solving by the classical algorithm of Krusell and Smith.")
            solved = solve(trained.model, KSAlgorithm(), seed=request.seed, steady=trained.steady)
            solutions[usual_label(solved)] = solved
        except (ValueError, SolveError) as error:
            left_out = str(error)
            request.tell(f"Without the classical algorithm: {left_out}")
    comparison = compare(
        solutions, request.shock, request.sizes, linear_horizon=max(300, 2 * horizon), tell=request.tell,
        **request.sampling,
    )  # fmt: skip
    written = write_comparison(comparison, request.folder, html=request.html)
    content = {
        "run": str(request.source if request.is_run else request.folder),
        "classical_left_out": left_out,
        **comparison.to_dict(),
        "files": [str(path) for path in written],
        "seconds_total": seconds(),
    }
    return content, [*comparison_lines(comparison), *(f"Wrote {path}" for path in written)]


def _finished_run(request: Request) -> Solution:
    """The solution in the run folder that was named instead of a model."""
    run = Path(request.source)
    require_economy("comparison of methods", run=run)
    if request.overrides or request.options:
        raise ValueError(f"{run} is solved already: leave out --set and --option, or name a model.")
    make_plan(run_model(run, finished_config(run)), request.shock, request.sizes)  # refuses before anything is loaded
    return load_run(run)


def _solved(request: Request) -> Solution:
    """Train the model in the folder of the comparison, continue a run that is there, or use a finished one."""
    require_economy("comparison of methods", source=request.source)
    model = load_model(request.source, **request.overrides)
    check_model(model)
    make_plan(model, request.shock, request.sizes)
    asked = settings = named_method("rspg", model, request.options)
    resume = holds_run(request.folder)
    if resume:
        config = read_config(request.folder)
        _require_same(request, config, model, asked)
        if config["status"] != UNFINISHED:
            request.tell(f"{request.folder} holds the run already.")
            return load_run(request.folder)
        settings = RSPG(**config["method"])
    line = training_line(chunk_length(settings.updates))
    try:
        with progress(settings.updates, request.quiet, line, "stationary equilibrium") as watch:
            return solve_run(
                request.source, request.folder, None if resume else settings, seed=request.seed,
                overrides=request.overrides, resume=resume, callback=watch,
            )  # fmt: skip
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt("the same command continues") from interrupt


def _require_same(request: Request, config: dict[str, Any], model: Model, asked: RSPG) -> None:
    """Raise RunError unless the run that a folder holds is what was asked for."""
    given = {name: np.asarray(value).tolist() for name, value in model.parameters().items()}
    own_file = request.folder / "model.py"
    text = Path(request.source).read_text() if request.source.endswith(".py") else None
    differs = {
        "another model": config.get("model") != request.source or (text is not None and text != own_file.read_text()),
        "other parameters": config.get("parameters") != given,
        f"the seed {config.get('seed')}": config.get("seed") != request.seed,
        "other options": bool(request.options) and dataclasses.asdict(asked) != config.get("method"),
    }
    for what, differing in differs.items():
        if differing:
            raise RunError(
                f"{request.folder} holds a run with {what}: choose another --out, delete it, or compare it as it is, "
                f"`hank-mfg compare {request.folder}`."
            )


def comparison_lines(comparison: Comparison) -> list[str]:
    """Both tables for the terminal: the peak of the linear response and the largest gaps with their periods, accuracy
    and seconds by method; then the note."""
    gaps, labels = comparison.gaps, dict(zip(comparison.sizes, comparison.labels, strict=True))
    rows = []
    for key, row in zip(gaps.index.to_list(), gaps.to_dict("records"), strict=True):
        if not np.isnan(row[comparison.others[0], "gap"]):
            gap = {method: row[method, "gap"] for method in comparison.others}
            each = [f"{0.0 if abs(x) < ROUNDING else x:.2g} ({row[method, 'period']})" for method, x in gap.items()]
            peak = f"{row[LINEAR, 'peak']:.4f} ({row[LINEAR, 'period']})"
            rows.append((labels[key[0]], display_name(key[1]), comparison.unit_shown(key[1]), peak, *each))
    when = counted(comparison.period).lower()
    heading = (
        "size",
        "variable",
        "unit",
        f"linear peak ({when})",
        *(f"{method} gap, %" for method in comparison.others),
    )
    lines = [*columns(heading, rows), ""]
    for method, row in comparison.methods.to_dict("index").items():
        shown = {name: value for name, value in row.items() if isinstance(value, str) or value == value}
        lines += [f"{method}: {shown.pop(ABOUT)}", *(f"  {line}" for line in aligned(shown)), ""]
    return [*lines, comparison.note]
