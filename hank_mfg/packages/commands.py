"""The commands that make a run and its tables and figures again, read off its configuration and its files."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hank_mfg.packages.member import RESULTS, Member, choices_of, is_shipped_game
from hank_mfg.report.report import SAMPLING_OF_TWO
from hank_mfg.runs.kinds import ECONOMY, GAME, STATIONARY
from hank_mfg.runs.manifest import RunError
from hank_mfg.runs.repeating import assigned, family_words, points_typed, sayable
from hank_mfg.runs.resuming import method_of
from hank_mfg.solve.baselines.game_settings import BENCHMARK, METHODS, settings_for
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.settings import changed

DRAWN = ("wealth_distribution", "simulation", "lorenz", "law_of_motion", "forecast", "policy", "training")
PROGRAM, STATIONARY_PROGRAM = "hank_mfg/report/report.py", "hank_mfg/report/stationary_report.py"
STATIONARY_FILES = (
    "outcomes.*", "distribution*", "propensities.*", "marginal_propensities.*", "age_profile.*", "figures/*",
)  # fmt: skip
_GIVEN = re.compile(r"; (\w+) at (\S+) at date 0")


class Command(NamedTuple):
    """A command as words, the module that does the work, the files that it makes (patterns in the run folder), and a
    `note` on what the run does not record."""

    words: list[str]
    program: str
    makes: tuple[str, ...] = ()
    note: str = ""


def commands_of(member: Member, source: str) -> list[Command]:
    """How to make the run again and every file that it recorded; `source` is the model file in the package, or the
    name of a game. Raises RunError where no command does."""
    made = f"{RESULTS}/{member.name}"
    return [_SOLVE[member.kind](member, source, made), *_REPORTS[member.kind](member, made)]


def maker_of(name: str, commands: list[Command]) -> Command | None:
    """The command that makes a file of a run; None where it is not known."""
    return next((each for each in commands if any(Path(name).match(pattern) for pattern in each.makes)), None)


def method_name(member: Member) -> str:
    """The method as --method takes it. Raises RunError for one that no name stands for."""
    name = method_of(member.config)
    if name not in METHODS:
        raise RunError(
            f"{member.folder} was solved with method = {member.config['method']!r} and memory = "
            f"{member.config['settings']['memory']!r}, for which no command has a name: choose one of "
            f"{', '.join(METHODS)}."
        )
    return name


def _options(member: Member, usual: Any, settings: Any) -> list[str]:
    """--option for everything that is not the default of the command. Raises RunError where that cannot be said."""
    before, after = vars(usual), vars(settings)
    differs = {name: value for name, value in after.items() if value != before[name]}
    words = assigned("--option", differs)
    try:
        if changed(usual, words[1::2]) == settings:
            return words
    except (ValueError, TypeError, KeyError):
        pass
    raise RunError(
        f"{member.folder} was solved with {', '.join(words[1::2])}, which --option cannot say: solve again with "
        "settings "
        "that it can."
    )


def _solve_economy(member: Member, source: str, made: str) -> Command:
    config, name, model = member.config, method_name(member), member.solved.model
    usual = RSPG.for_model(model, **({"memory": "none"} if name == "spg" else {}))
    words = ["solve", source, "--method", name, "--seed", str(config["seed"]), *assigned("--set", choices_of(member))]
    words += _options(member, usual, RSPG(**config["method"]))
    return Command([*words, *family_words(config), "--out", made], "hank_mfg/solve/solve.py")


def _solve_stationary(member: Member, source: str, made: str) -> Command:
    config, choices = member.config, choices_of(member)
    points, program = config["asset_points"], STATIONARY_PROGRAM
    if sayable(config):
        sizes = points_typed(points)
        words = ["steady-state", source, *assigned("--set", choices), "--asset-points", sizes, "--out", made]
        return Command(words, program, STATIONARY_FILES)
    call = (
        f"import hank_mfg as hm; hm.steady_state_run({source!r}, {made!r}, overrides={choices!r}, "
        f"asset_points={points!r}, "
        f"tolerance={config['tolerance']!r}, nonconcave={config['nonconcave']!r})"
    )
    return Command(["-c", call], program)


def _solve_game(member: Member, source: str, made: str) -> Command:
    config, name = member.config, method_name(member)
    shipped = is_shipped_game(source) and source in BENCHMARK
    usual = settings_for(source, name) if shipped else METHODS[name]()
    words = ["solve", source, "--method", name, "--seed", str(config["seed"]), *assigned("--set", config["switches"])]
    words += _options(member, usual, type(usual)(**config["settings"]))
    words += ["--measure", str(config["measure"])] if config.get("measure") else []
    return Command([*words, "--out", made], "hank_mfg/solve/solve.py")


def evaluation_of(member: Member) -> dict[str, Any]:
    """evaluation.json of a run; empty where accuracy was not measured."""
    path = member.folder / "evaluation.json"
    return json.loads(path.read_text("utf-8")) if path.name in member.results else {}


def is_reported(member: Member) -> bool:
    """Whether the run has the tables and figures of `hank-mfg report`."""
    first = {ECONOMY: "moments.csv", STATIONARY: "outcomes.csv", GAME: "figures/paths.pdf"}
    return first[member.kind] in member.results


def _economy_reports(member: Member, made: str) -> list[Command]:
    measured, reported = evaluation_of(member), is_reported(member)
    sizes = [f"--{name}={measured[name]}" for name in ("periods", "seed") if name in measured]
    accuracy, found = ("evaluation.json", "accuracy.tex"), []
    usual = _of_report(member) if reported else []
    if reported:
        makes = (
            *accuracy, "moments.*", "distribution*", "marginal_propensities.*", "figures/impulse_response*",
            *(f"figures/{name}.*" for name in DRAWN), *(pattern for name in usual for pattern in _stems(name)),
        )  # fmt: skip
        found.append(Command(["report", made, *sizes], PROGRAM, makes))
    elif measured:
        found.append(Command(["evaluate", made, *sizes], PROGRAM, accuracy))
    not_recorded = "the sizes of this table are not recorded"
    if not reported and "moments.csv" in member.results:
        found.append(Command(["moments", made, *sizes], PROGRAM, ("moments.*",), not_recorded))
    if "moments_hamilton.csv" in member.results:
        words = ["moments", made, "--filter", "hamilton", *sizes]
        found.append(Command(words, PROGRAM, ("moments_hamilton.*",), not_recorded))
    found += _response_commands(member, made, usual)
    for name in member.results:
        if name.startswith("evaluation_under_"):
            content = json.loads((member.folder / name).read_text("utf-8"))
            words = ["evaluate", made, *assigned("--under", content["under"]), f"--periods={content['periods']}"]
            found.append(Command([*words, f"--seed={content['seed']}"], PROGRAM, (name,)))
    if "compare.csv" in member.results:
        makes = ("compare.csv", "gaps.*", "methods.*", "figures/compare.*")
        note = "the sizes of this comparison are not recorded"
        found.append(Command(["compare", made], "hank_mfg/evaluate/compare.py", makes, note))
    return found


def _responses(member: Member) -> dict[str, dict[str, Any]]:
    """The saved responses of a run by the names of their files."""
    names = [name for name in member.results if name.startswith("irf_") and name.endswith(".json")]
    return {name: json.loads((member.folder / name).read_text("utf-8")) for name in names}


def _of_report(member: Member) -> list[str]:
    """The responses that `report` makes: of its sizes, down and up, with nothing else given at date 0."""
    usual = SAMPLING_OF_TWO if member.solved.model.asset_names() else {"horizon": 40, "starts": 96, "paths": 8}
    alike = {
        name: (each["shock"], each["size"])
        for name, each in _responses(member).items()
        if {key: each[key] for key in usual} == usual and not _GIVEN.search(each["note"])
    }
    return [name for name, (shock, size) in alike.items() if (shock, -size) in alike.values()]


def _stems(name: str) -> tuple[str, str]:
    """Patterns of the files of a response: its numbers and its figure."""
    stem = name.removesuffix(".json")
    return f"{stem}.*", f"figures/{stem}.*"


def _response_commands(member: Member, made: str, usual: list[str]) -> list[Command]:
    found = []
    for name, saved in _responses(member).items():
        if name not in usual:
            seed = re.search(r"seed (\d+)", saved["note"])
            words = ["irf", made, f"--shock={saved['shock']}", f"--size={saved['size']!r}"]
            words += [f"--given={given}={level}" for given, level in _GIVEN.findall(saved["note"])]
            words += [f"--{size}={saved[size]}" for size in ("horizon", "starts", "paths")]
            words += [f"--seed={seed[1]}"] if seed else []
            found.append(Command(words, PROGRAM, _stems(name)))
    return found


def _stationary_reports(member: Member, made: str) -> list[Command]:
    """evaluate where the run was measured; report after it where the outcomes have the errors of the grid, and where
    the command that solves is Python's, which writes no tables."""
    found = []
    if evaluation_of(member):
        found.append(Command(["evaluate", made], STATIONARY_PROGRAM, ("evaluation.json", "accuracy.tex")))
    outcomes = member.folder / "outcomes.csv"
    if is_reported(member) and (
        not sayable(member.config) or "grid error" in outcomes.read_text("utf-8").splitlines()[0]
    ):
        found.append(Command(["report", made], STATIONARY_PROGRAM, STATIONARY_FILES))
    return found


def _game_reports(member: Member, made: str) -> list[Command]:
    measured = evaluation_of(member)
    if not measured:
        return []
    makes, program = ("evaluation.json", "exploitability.tex"), "hank_mfg/report/game_report.py"
    word = "report" if is_reported(member) else "evaluate"
    more = ("finite_population.tex", "figures/*") if is_reported(member) else ()
    return [Command([word, made, f"--paths={measured['paths']}", f"--seed={measured['seed']}"], program, makes + more)]


_SOLVE: dict[str, Callable[[Member, str, str], Command]] = {
    ECONOMY: _solve_economy, STATIONARY: _solve_stationary, GAME: _solve_game,
}  # fmt: skip
_REPORTS: dict[str, Callable[[Member, str], list[Command]]] = {
    ECONOMY: _economy_reports, STATIONARY: _stationary_reports, GAME: _game_reports,
}  # fmt: skip
