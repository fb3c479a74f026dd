"""What the commands of the command line do when they are given a game instead of an economy."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hank_mfg.cli.console import aligned, named, progress, said_below
from hank_mfg.environment.game import Discrete
from hank_mfg.environment.games import GAMES, is_game, load_game
from hank_mfg.runs.storage import how_to_continue, is_game_run, read_metrics, require_free, unfinished_config
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.train import not_settled

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


def game_settings(game: str, method: str, options: list[str] | None) -> Any:
    """The settings of a method: what suits a shipped game, the defaults for your own, and `options`."""
    from hank_mfg.solve.baselines.game_settings import BENCHMARK, METHODS, settings_for
    from hank_mfg.solve.settings import changed

    if method not in METHODS:
        raise ValueError(f"--method {method}: choose one of {', '.join(METHODS)} for a game.")
    return changed(settings_for(game, method) if game in BENCHMARK else METHODS[method](), options)


def show_game(source: str, set_: list[str] | None) -> tuple[dict[str, Any], list[str]]:
    """What a game is: horizon, discounting, populations, actions, signals."""
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


def solve_game_command(
    source: str | None, folder: Path, settings: tuple[str, list[str] | None], set_: list[str] | None, seed: int, *,
    measure: int, resume: bool, quiet: bool, seconds: Callable[[], float],
) -> tuple[dict[str, Any], list[str]]:  # fmt: skip
    """Train a game in a run folder; `settings` are the method's name and its options. As JSON and as text."""
    from hank_mfg.runs.game_run import SETTINGS
    from hank_mfg.runs.run import solve_run

    if resume:
        config = unfinished_config(folder)
        chosen = SETTINGS[config["method"]](**config["settings"])
    else:
        require_free(folder)
        chosen = game_settings(str(source), *settings)
        load_game(str(source), **switches(set_))  # refuses before the bar is drawn
    try:
        with said_below(), progress(chosen.updates, quiet, _progress_line) as watch:
            solution = solve_run(
                str(source), folder, chosen, seed=seed, overrides=switches(set_), measure=measure, resume=resume,
                callback=watch,
            )  # fmt: skip
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(how_to_continue(folder)) from interrupt
    content = {
        "run": str(folder),
        "status": "finished",
        "settled": solution.settled,
        "updates": solution.updates,
        "objective": float(solution.history["objective"][-20:].mean()),
        "seconds_total": seconds(),
        "seconds_compile": solution.seconds_compile,
        "seconds_train": solution.seconds_train,
        "precision": solution.precision,
        "device": solution.device,
        "seed": solution.seed,
    }
    first = "All updates were made; the objective rests."
    if not solution.settled:
        first = not_settled(solution.history["objective"], f"--option updates={2 * solution.settings.updates}")
    lines = [first, *aligned({named(name): value for name, value in content.items()})]
    return content, [*lines, f"Measure it with `hank-mfg evaluate {folder}`."]


def _progress_line(history: Any) -> tuple[int, str]:
    done = len(history["loss"])
    return done, f"objective {history['objective'][-20:].mean():.5g}  loss {history['loss'][-20:].mean():.3g}"


def evaluate_game_command(run: Path, paths: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Measure a game's run: both exploitabilities."""
    from hank_mfg.report.game_report import evaluation_note, evaluation_rows, write_game_evaluation
    from hank_mfg.runs.run import load_run

    require_sizes("evaluate", {"paths": (paths, 2, 64)}, lambda: (300.0 * paths, 0.0))
    content, written = write_game_evaluation(load_run(run), run, paths=paths, seed=seed)
    return content, [*aligned(evaluation_rows(content)), evaluation_note(content), *(f"Wrote {x}" for x in written)]


def report_game_command(run: Path, paths: int, seed: int, tell: Callable[[str], None]) -> list[str]:
    """Every table and figure of a game's run."""
    from hank_mfg.report.game_report import write_game_report
    from hank_mfg.runs.run import load_run

    require_sizes("report", {"paths": (paths, 2, 64)}, lambda: (300.0 * paths, 0.0))

    solution = load_run(run)
    return [str(x) for x in write_game_report(solution, run, read_metrics(run), paths=paths, seed=seed, tell=tell)]


def refuse_game(what: str, source: str | None = None, run: Path | None = None) -> None:
    """Raise ValueError when a command for economies is given a game or the run of one."""
    if source is not None and is_game(source):
        raise ValueError(f"{source} is a game, which has no {what}: try `hank-mfg solve {source}`.")
    if run is not None and is_game_run(run):
        raise ValueError(f"{run} holds a game, which has no {what}: try `hank-mfg report {run}`.")
