"""The benchmark of Wibault et al. (2026), arXiv 2602.20141: every algorithm on every game, over several seeds.

Structural policy gradient with and without memory (rspg, spg), recurrent and plain PPO on sampled individuals (rippo,
ippo) and Munchausen online mirror descent (momd), all with the settings of solve/game_settings.py. A baseline is first
trained with three learning rates on seed 0, a third of, exactly and three times its own; all seeds then take the best.

    FOLDER/runs/GAME/METHOD/rate_R/seed_K   a run folder each: what is finished is not done again, the rest goes on
    FOLDER/results.json                     curves, finals, what was compared
    FOLDER/tables/*.csv, *.tex              exploitability at the end, seconds to the baselines' best
    FOLDER/figures/*.pdf, *.png             exploitability against seconds and updates; what memory changes

Exploitability is the clairvoyant bound of evaluate/game_exploitability.py over the game's discrete actions, on paths
that training did not see; measuring it does not count as training time, compilation neither.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hank_mfg.environment.games import GAMES, load_game
from hank_mfg.files import write_table, write_text
from hank_mfg.replication import published_numbers
from hank_mfg.report.game_report import evaluate_game
from hank_mfg.report.style import save_figure
from hank_mfg.runs.manifest import holds_run, is_recorded, record
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.storage import UNFINISHED, RunError, read_config, read_metrics
from hank_mfg.solve.baselines.game_settings import settings_for

from .figures import plot_exploitability
from .memory import LABELS, memory_series, plot_memory

IN_PAPER = ("linear_quadratic", "beach_bar", "rspg_macro")
STRUCTURAL = ("rspg", "spg")
BASELINES = ("rippo", "ippo", "momd")
RATES = (1 / 3, 1.0, 3.0)
PATHS = {"linear_quadratic": 4, "beach_bar": 102, "crowded_beach_bar": 102, "rspg_macro": 16}
MANY = 64  # paths of other games; they are stratified, those of the first three hold all that can happen
QUICK = 10  # a quick run makes so many times fewer updates

FLOORS = {"linear_quadratic": 0.7254, "beach_bar": 2.44}  # no policy of public information is below: docs/games.md
PUBLISHED = published_numbers(__file__, ("game", "method"), "exploitability")  # the public code on two CPU cores

OVER_SEEDS = "Exploitability: mean and standard error over seeds; seconds: medians."

Tell = Callable[[str], None]


class Plan(NamedTuple):
    """What is compared: the `games` there are, `source(game)` to train, `settings(game, method)`, the number of `paths`
    on which exploitability is measured, a `note` on what is measured, and the `rates` tried for baselines.

    `percent(game, gain, value)` says what a gain is worth to those who have the value; None leaves it as it is.
    """

    games: tuple[str, ...]
    source: Callable[[str], Any]
    settings: Callable[[str, str], Any]
    paths: Callable[[str], int]
    note: str
    percent: Callable[[str, float, float], float] | None = None
    rates: tuple[float, ...] = RATES


PAPER = Plan(
    tuple(GAMES), lambda game: game, lambda game, method: settings_for(game, method),
    lambda game: PATHS.get(game, MANY),
    "Clairvoyant exploitability, in lifetime reward, float64, of policies trained in float32.",
)  # fmt: skip


class Job(NamedTuple):
    """One training run: `rate` multiplies the learning rate of the settings."""

    game: str
    method: str
    rate: float
    seed: int
    quick: bool
    plan: Plan = PAPER

    def folder(self, root: Path) -> Path:
        """Where it is kept."""
        return root / "runs" / self.game / self.method / f"rate_{self.rate:.2g}" / f"seed_{self.seed}"

    def paths(self) -> int:
        """On how many paths exploitability is measured."""
        paths = self.plan.paths(self.game)
        return max(paths // 8, 2) if self.quick else paths

    def settings(self) -> Any:
        """The settings of the method for the game."""
        settings = self.plan.settings(self.game, self.method)
        updates = max(settings.updates // QUICK, 2) if self.quick else settings.updates
        return dataclasses.replace(settings, updates=updates, learning_rate=self.rate * settings.learning_rate)

    def curve(self, root: Path) -> "Curve":
        """Its measures so far, summed over populations; in percent of the consumption of those whose value was the
        objective of the time where the plan says how."""
        lines = [line for line in read_metrics(self.folder(root)) if "exploitability" in line]
        values = [sum(line["exploitability"].values()) for line in lines]
        percent = self.plan.percent
        if percent is not None:
            values = [percent(self.game, gain, line["objective"]) for gain, line in zip(values, lines, strict=True)]
        updates, seconds = (np.array([line[name] for line in lines]) for name in ("update", "seconds"))
        return Curve(updates, seconds, np.array(values))


class Curve(NamedTuple):
    """Exploitability of one run at its measures: updates, seconds of training and values, (measures,) each."""

    updates: np.ndarray
    seconds: np.ndarray
    values: np.ndarray


def run(
    folder: Path, *, quick: bool = False, seeds: int | None = None, games: Sequence[str] | None = None,
    methods: Sequence[str] | None = None, tell: Tell = print,
) -> dict[str, Any]:  # fmt: skip
    """Train what is not trained yet, then write tables and figures; returns the results and the files written.

    The games of the paper and all `methods` unless some are named; every shipped game can be. `seeds` is 5 unless
    said, 2 with `quick`, which makes a tenth of the updates, measures on fewer paths, not without foresight, and tries
    one learning rate. Raises ValueError for unknown games or methods, RunError where the folder holds runs with other
    settings.
    """
    return compare(folder, PAPER, games or IN_PAPER, methods, quick=quick, seeds=seeds, tell=tell)


def compare(
    folder: Path, plan: Plan, games: Sequence[str], methods: Sequence[str] | None, *, quick: bool = False,
    seeds: int | None = None, tell: Tell = print,
) -> dict[str, Any]:  # fmt: skip
    """Train every method on the games of a plan, then write tables and figures: see `run`."""
    methods = methods or (*STRUCTURAL, *BASELINES)
    for what, given, known in (("game", games, plan.games), ("method", methods, (*STRUCTURAL, *BASELINES))):
        unknown = [each for each in given if each not in known]
        if unknown:
            raise ValueError(f"The benchmark has no {what} {unknown[0]!r}: choose among {', '.join(known)}.")
    count = seeds if seeds is not None else (2 if quick else 5)
    if count < 1:
        raise ValueError(f"seeds = {count} trains nothing: give at least 1.")
    rates = (1.0,) if quick else plan.rates
    sweep = [Job(g, m, r, 0, quick, plan) for g in games for m in methods if m in BASELINES for r in rates]
    train(folder, sweep, tell)
    best = {(g, m): best_rate(folder, Job(g, m, 1.0, 0, quick, plan), rates) for g in games for m in methods}
    jobs = [Job(g, m, best[g, m], seed, quick, plan) for g in games for m in methods for seed in range(count)]
    train(folder, jobs, tell)
    tell("measuring the finished runs")
    results = collect(folder, jobs, sweep)
    return {"results": results, "files": [str(path) for path in write(folder, results, plan, tell)]}


def train(folder: Path, jobs: Sequence[Job], tell: Tell) -> None:
    """Train every job that is not finished; one that was cut off goes on."""
    for place, job in enumerate(jobs):
        run, settings = job.folder(folder), job.settings()
        started = holds_run(run)
        if started:
            config = read_config(run)
            if config["settings"] != json.loads(json.dumps(dataclasses.asdict(settings))):
                raise RunError(f"{run} was made with other settings: choose another --out, or delete that folder.")
            if config["status"] != UNFINISHED:
                continue
        chunk = max(1, settings.updates // 100)
        solution = solve_run(
            job.plan.source(job.game), run, settings, seed=job.seed, measure=job.paths(), chunk=chunk, resume=started
        )
        final = job.curve(folder).values[-1]
        what = f"{job.game} {job.method}, seed {job.seed}, learning rate {settings.learning_rate:.2g}"
        tell(f"{place + 1} of {len(jobs)}: {what}: exploitability {final:.4g}, {solution.seconds_train:.0f} s")


def best_rate(folder: Path, job: Job, rates: Sequence[float]) -> float:
    """The multiple of the learning rate with the lowest exploitability at the end; one for structural methods."""
    if job.method not in BASELINES:
        return 1.0
    return min(rates, key=lambda rate: job._replace(rate=rate).curve(folder).values[-1])


def collect(folder: Path, jobs: Sequence[Job], sweep: Sequence[Job]) -> dict[str, Any]:
    """Curves of every game and method, and the measures of seed 0, as plain numbers."""
    found: dict[str, Any] = {}
    for job in jobs:
        one, run = job.curve(folder), job.folder(folder)
        entry = found.setdefault(job.game, {}).setdefault(
            job.method, {"learning_rate": job.settings().learning_rate, "curves": [], "device": "", "cores": cores()}
        )
        entry["curves"].append({name: getattr(one, name).tolist() for name in Curve._fields})
        entry["device"] = read_config(run)["device"]
        if job.seed == 0:
            unmeasured = job.quick or job.plan.percent is not None
            entry["evaluation"] = None if unmeasured else _evaluation(run, job.paths())
            tried = [other for other in sweep if other[:2] == job[:2]]
            entry["sweep"] = {
                f"{other.settings().learning_rate:.3g}": float(other.curve(folder).values[-1]) for other in tried
            }
    return found


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _evaluation(run: Path, paths: int) -> dict[str, Any]:
    """Both exploitabilities of a finished run, kept beside it."""
    path = run / "evaluation.json"
    if not path.exists() or not is_recorded(run, path.name):
        content = evaluate_game(load_run(run), paths=max(paths, 16), seed=1)
        record(run, [write_text(path, json.dumps(content, indent=2) + "\n")])
    return json.loads(path.read_text())


def standard_error(values: np.ndarray) -> float:
    """Of the mean over seeds; NaN for one."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def seconds_to(entry: dict[str, Any], level: float) -> float:
    """Median over seeds of the seconds until exploitability is at most `level`; infinite where half never get there."""
    times = []
    for one in entry["curves"]:
        reached = [s for s, value in zip(one["seconds"], one["values"], strict=True) if value <= level]
        times.append(reached[0] if reached else np.inf)
    return float(np.median(times))


def final_table(results: dict[str, Any]) -> pd.DataFrame:
    """One row per game and method: exploitability at the end over seeds, and what it took."""
    rows = []
    for game, methods in results.items():
        for method, entry in methods.items():
            values = np.array([one["values"][-1] for one in entry["curves"]])  # at the end of every seed
            gain = relative = float("nan")
            if entry["evaluation"] is not None:
                population = list(entry["evaluation"]["populations"].values())
                gain = sum(each["nonanticipative"] for each in population)
                relative = 100.0 * gain / sum(each["spread"] for each in population)
            rows.append(
                {
                    "Game": game,
                    "Method": method,
                    "Learning rate": entry["learning_rate"],
                    "Seeds": len(values),
                    "Exploitability": float(values.mean()),
                    "Standard error": standard_error(values),
                    "Without foresight": gain,
                    "Relative, percent": relative,
                    "Seconds": float(np.median([one["seconds"][-1] for one in entry["curves"]])),
                    "Public code": PUBLISHED.get((game, method), ""),
                }
            )
    return pd.DataFrame(rows).set_index(["Game", "Method"])


def speed_table(results: dict[str, Any]) -> pd.DataFrame:
    """One row per game and baseline: the seconds to its own best level, and those of structural methods to the same."""
    rows = []
    for game, methods in results.items():
        for baseline in (name for name in methods if name in BASELINES):
            entry = methods[baseline]
            level = float(np.mean([min(one["values"]) for one in entry["curves"]]))
            own = float(np.median([one["seconds"][int(np.argmin(one["values"]))] for one in entry["curves"]]))
            for structural in (name for name in methods if name in STRUCTURAL):
                seconds = seconds_to(methods[structural], level)
                rows.append(
                    {
                        "Game": game, "Baseline": baseline, "Its best": level, "Its seconds": own,
                        "Method": structural, "Seconds": seconds, "Times faster": own / seconds,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def write(folder: Path, results: dict[str, Any], plan: Plan, tell: Tell) -> list[Path]:
    """Tables, figures and results.json; returns the paths."""
    unit = "lifetime reward" if plan.percent is None else "percent of consumption"
    written = [write_text(folder / "results.json", json.dumps(results, indent=1) + "\n")]
    tables = {"exploitability": final_table(results), "seconds": speed_table(results)}
    for name, table in tables.items():
        if table.empty:
            continue
        written += write_table(folder / "tables" / name, table, note=f"{plan.note} {OVER_SEEDS}")
        tell(table.to_string())
    figure = plot_exploitability(results, FLOORS, plan.note, unit)
    written += save_figure(figure, folder / "figures" / "exploitability")
    remembered = [game for game in results if game in LABELS and all(name in results[game] for name in STRUCTURAL)]
    if remembered:
        series = {game: _memory(folder, game) for game in remembered}
        written += save_figure(plot_memory(series), folder / "figures" / "memory")
    return written


def _memory(folder: Path, game: str) -> dict[str, Any]:
    """What seed 0 of the structural methods does along chosen paths, with memory and without."""
    found = {}
    for method in STRUCTURAL:
        runs = sorted((folder / "runs" / game / method).glob("rate_1/seed_0"))
        found[method] = memory_series(load_game(game), load_run(runs[0]).strategies)
    return found
