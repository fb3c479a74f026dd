"""Commands on games and on their run folders."""

import functools
import inspect
from pathlib import Path
from typing import Any

from hank_mfg.cli.console import aligned, named, progress, said_below, say
from hank_mfg.cli.kinds import Asked
from hank_mfg.environment.game import Discrete
from hank_mfg.environment.games import GAMES, load_game
from hank_mfg.report.game_report import evaluation_note, evaluation_rows, write_game_evaluation, write_game_report
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.storage import how_to_continue, read_metrics, require_free, unfinished_config
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.train import not_settled

Answer = tuple[dict[str, Any], list[str]]
WORDS = {"true": True, "false": False, "none": None}


def list_games() -> dict[str, str]:
    """The shipped games with the first line of their documentation: the module's, of a function its own."""
    found = {}
    for name, maker in GAMES.items():
        about = inspect.getmodule(maker) if inspect.isclass(maker) else maker
        found[name] = (inspect.getdoc(about) or "").splitlines()[0].partition(": `")[0].rstrip(".")
    return found


def switches(given: list[str] | None) -> dict[str, Any]:
    """The NAME=VALUE pairs that make a game: numbers, true, false or none."""
    from hank_mfg.model.gallery import parse_overrides

    found = parse_overrides(given or [])
    return {name: WORDS.get(value.lower(), value) if isinstance(value, str) else value for name, value in found.items()}


def settings_of(game: str, method: str, options: list[str] | None = None) -> Any:
    """The settings of a method for a game: what suits a shipped game, the defaults for your own, and `options`."""
    from hank_mfg.solve.baselines.game_settings import BENCHMARK, METHODS, settings_for
    from hank_mfg.solve.settings import changed

    if method not in METHODS:
        raise ValueError(f"--method {method}: choose one of {', '.join(METHODS)} for a game.")
    return changed(settings_for(game, method) if game in BENCHMARK else METHODS[method](), options)


def show(source: str, set_: list[str] | None) -> Answer:
    """The description of a game: horizon, discounting, populations, actions, signals."""
    game = load_game(source, **switches(set_))
    populations = {}
    for name, population in game.populations.items():
        actions = population.actions
        if isinstance(actions, Discrete):
            text = f"{len(actions.values)} from {actions.values[0]:g} to {actions.values[-1]:g}"
        else:
            text = f"any between {actions.lower:g} and {actions.upper:g}"
        populations[name] = {"states": list(population.shape), "actions": text}
    content = {
        "game": source,
        "horizon": game.horizon,
        "discount_factor": float(game.discount_factor),
        "populations": populations,
        "signals": list(game.signal_names),
    }
    rows = {"horizon": game.horizon, "discount factor": float(game.discount_factor)}
    for name, about in populations.items():
        rows[name] = f"{' x '.join(map(str, about['states']))} states; actions: {about['actions']}"
    rows["public signals"] = "; ".join(content["signals"])
    return content, aligned(rows)


def solve(asked: Asked) -> Answer:
    """Train a game in a run folder, or go on with one."""
    from hank_mfg.runs.game_run import SETTINGS

    if asked.family or asked.penalty:
        raise ValueError("--family and --penalty are for economies: a game has no parameters to vary.")
    folder, source, given = asked.folder, str(asked.source), switches(asked.set_)
    if asked.resume:
        config = unfinished_config(folder)
        chosen = SETTINGS[config["method"]](**config["settings"])
    else:
        require_free(folder)
        chosen = settings_of(source, asked.method or "rspg", asked.option)
        load_game(source, **given)  # refuses before the bar is drawn
    try:
        with said_below(), progress(chosen.updates, asked.quiet, _progress_line) as watch:
            solution = solve_run(
                source, folder, chosen, seed=asked.seed or 0, overrides=given, measure=asked.measure,
                resume=asked.resume, callback=watch,
            )  # fmt: skip
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(how_to_continue(folder)) from interrupt
    content = {
        "run": str(folder),
        "status": "finished",
        "settled": solution.settled,
        "updates": solution.updates,
        "objective": float(solution.history["objective"][-20:].mean()),
        "seconds_total": asked.seconds(),
        "seconds_compile": solution.seconds_compile,
        "seconds_train": solution.seconds_train,
        "precision": solution.precision,
        "device": solution.device,
        "seed": solution.seed,
    }
    first = "All updates were made; the objective stopped moving."
    if not solution.settled:
        first = not_settled(solution.history["objective"], f"--option updates={2 * solution.settings.updates}")
    lines = [first, *aligned({named(name): value for name, value in content.items()})]
    return content, [*lines, f"Measure it with `hank-mfg evaluate {folder}`."]


def _progress_line(history: Any) -> tuple[int, str]:
    done = len(history["loss"])
    return done, f"objective {history['objective'][-20:].mean():.5g}  loss {history['loss'][-20:].mean():.3g}"


def evaluate(run: Path, changes: dict[str, Any], *, paths: int, seed: int, **_: Any) -> Answer:
    """Measure a game's run: both exploitabilities."""
    if changes:
        raise ValueError(has_no("other parameters to evaluate it under", run))
    require_sizes("evaluate", {"paths": (paths, 2, 64)}, lambda: (300.0 * paths, 0.0))
    content, written = write_game_evaluation(load_run(run), run, paths=paths, seed=seed)
    return content, [*aligned(evaluation_rows(content)), evaluation_note(content), *(f"Wrote {x}" for x in written)]


def report(run: Path, *, paths: int, seed: int, html: bool = False, quiet: bool, **_: Any) -> Answer:
    """Every table and figure of a game's run."""
    require_sizes("report", {"paths": (paths, 2, 64)}, lambda: (300.0 * paths, 0.0))
    tell = functools.partial(say, quiet)
    written = write_game_report(load_run(run), run, read_metrics(run), paths=paths, seed=seed, html=html, tell=tell)
    files = [str(path) for path in written]
    return {"run": str(run), "files": files}, [f"Wrote {len(files)} files into {run}."]


def has_no(what: str, source: str | Path) -> str:
    """The sentence for a command of economies that is given a game, or the run of one."""
    if isinstance(source, Path):
        return f"{source} holds a game, which has no {what}: try `hank-mfg report {source}`."
    return f"{source} is a game, which has no {what}: try `hank-mfg solve {source}`."
