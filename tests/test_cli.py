"""The command line: one JSON object and nothing else with --json; bad input is one sentence and status 2."""

import dataclasses
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hank_mfg.cli import console
from hank_mfg.cli.games import settings_of
from hank_mfg.evaluate import accuracy
from hank_mfg.evaluate.exploitability.deviation import Exploitability
from hank_mfg.model import gallery
from hank_mfg.model.gallery import model_names
from hank_mfg.progress import telling
from hank_mfg.report import report
from hank_mfg.runs import economy_run as run
from hank_mfg.runs.run import load_run
from hank_mfg.solve.baselines.game_settings import METHODS
from hank_mfg.solve.train import Status

ROOT = Path(__file__).resolve().parents[1]
PERIODS = ("--periods", 200)


GAINS = Exploitability(0.02, 0.01, 0.2, 0.1, 0.004, 0.002, 104.0, 500, 16, 100, 4)
FEW = ("--starts", 2, "--paths", 2)


@pytest.fixture(scope="module")
def evaluated(command, solved_run):
    """What `evaluate` prints. The gains of a deviator, slow to compile, are made up; a slow test measures them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accuracy, "economy_exploitability", lambda solution, *, seed: GAINS)
        return command("evaluate", solved_run.folder, *PERIODS, "--json")


@pytest.fixture(scope="module")
def response(command, solved_run):
    """What `irf` prints, from few starting states."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "MAIN_VARIABLES", ("output", "capital"))  # two panels are drawn sooner than six
        return command("irf", solved_run.folder, "--shock", "productivity", "--size", -0.01, *FEW, "--json")


def test_list_and_show(command):
    assert sorted(command("list", "--json").printed["models"]) == model_names()
    shown = command("show", "krusell_smith", "--set", "discount_factor=0.98", "--json").printed
    rows = {row["name"]: row for row in shown["parameters"]}
    assert set(rows["discount_factor"]) == {"name", "value", "unit", "source", "about"}
    assert rows["discount_factor"]["value"] == 0.98 and rows["discount_factor"]["source"] == "set by hand"
    assert len(rows["joint_transition"]["value"]) == 4
    assert shown["aggregate_shocks"]["productivity"]["values"] == [0.99, 1.01]
    assert shown["individual_states"] == 2 and list(shown["individual_shocks"]) == ["employed"]
    text = command("show", "krusell_smith").out
    assert "[]" not in text and text.splitlines()[-2] == "All equations evaluated without error."
    assert re.search(
        r"^aggregate states +2\n  productivity +0\.99, 1\.01; of its level: autocorrelation 0\.75$", text, re.MULTILINE
    )
    assert "permanent" not in text


def test_show_says_who_differs_for_good(command, write_model):
    path = write_model(
        ('        return hm.AR1(\n            "labor",', "        labor = hm.AR1(\n            'labor',"),
        (
            "    # What a household can hold",
            "        types = hm.permanent_types([0.4, 0.6], home=[1, 2])\n"
            "        return hm.independent_chains(types, labor)\n\n    # What a household can hold",
        ),
    )
    text = command("show", path).out
    assert re.search(r"^  home +1, 2; of its level: autocorrelation 1$", text, re.MULTILINE)
    assert re.search(r"^shares of permanent types +0\.4, 0\.6$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("model", "method", "taken"),
    [
        ("krusell_smith", "rspg", run.named_method("rspg", gallery.load_model("krusell_smith"))),
        ("krusell_smith", "spg", run.named_method("spg", gallery.load_model("krusell_smith"))),
        *(("beach_bar", method, settings_of("beach_bar", method)) for method in METHODS),
    ],
)
def test_the_options_of_a_method_are_those_that_solve_takes_and_each_has_a_meaning(command, model, method, taken):
    shown = command("options", model, "--method", method, "--json").printed
    assert shown["options"] == dataclasses.asdict(taken)
    for name in shown["options"]:
        assert f"`{name}`" in shown["about"], name
    lines = command("options", model, "--method", method).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert f"{'memory':{max(map(len, shown['options']))}}  {taken.memory}" in lines


def test_new_writes_a_file_that_show_tries(command, tmp_path):
    path = tmp_path / "my_model.py"
    assert command("new", path).status == 0
    assert "discount_factor" in command("show", path).out
    other = tmp_path / "other.py"
    assert command("new", other, "--json").printed == {"path": str(other)} and other.exists()


@pytest.mark.slow
def test_steady_state(command):
    """Guards docs/start.md, `hank-mfg steady-state --json`: one object; saving is depreciation of capital."""
    printed = command("steady-state", "aiyagari", "--asset-points", 60, "--json").printed
    assert {
        "model", "parameters", "interest_rate", "wage", "capital", "saving_rate", "gini_wealth", "residual",
        "top_of_grid_mass", "seconds_compile", "seconds_run",
    } <= set(printed)  # fmt: skip
    # Cobb-Douglas: saving is depreciation of capital, alpha delta / (r + delta) of output.
    share, depreciation = (printed["parameters"][name] for name in ("capital_share", "depreciation"))
    expected = share * depreciation / (printed["interest_rate"] + depreciation)
    assert printed["saving_rate"] == pytest.approx(expected, rel=1e-6)
    assert abs(printed["residual"]) < 1e-6 and 0 < printed["gini_wealth"] < 1


def test_solve(solved_run, tiny):
    printed = solved_run.printed
    assert {
        "run", "status", "updates", "objective", "seconds_total", "seconds_compile", "seconds_train", "device",
        "euler_error_percent", "precision", "seed",
    } <= set(printed)  # fmt: skip
    assert printed["run"] == str(solved_run.folder) and printed["updates"] == tiny["updates"]
    assert printed["status"] in ("converged", "updates_exhausted") and printed["precision"] == "float32"


@pytest.mark.slow
def test_evaluate(evaluated, solved_run):
    """Guards docs/start.md, `hank-mfg evaluate --json`: every measure, the same as in evaluation.json."""
    printed = evaluated.printed
    assert {
        "capital_mean", "capital_sd", "law_of_motion", "den_haan_mean_percent", "den_haan_max_percent",
        "dynamic_euler_mean_percent", "dynamic_euler_max_percent", "euler_error_mean_percent",
        "euler_error_max_percent", "constrained_share", "top_of_grid_mass", "goods_market_residual_max",
        "exploitability", "periods", "asset_points", "precision", "seed",
    } <= set(printed)  # fmt: skip
    assert {"intercept", "slope", "r2"} <= set(printed["law_of_motion"])
    assert {"clairvoyant", "nonanticipative", "consumption_percent"} <= set(printed["exploitability"])
    assert printed["periods"] == 200 and 30 < printed["capital_mean"] < 60
    assert abs(printed["goods_market_residual_max"]) < 1e-8  # Walras
    assert json.loads((solved_run.folder / "evaluation.json").read_text()) == printed


@pytest.mark.slow
def test_evaluate_under_another_parameter(command, evaluated, solved_run, tmp_path, monkeypatch):
    """The report of the new world stands beside that of the old one, under a name of its own."""
    monkeypatch.setattr(accuracy, "economy_exploitability", lambda solution, *, seed: GAINS)
    folder = shutil.copytree(solved_run.folder, tmp_path / "run")
    before = (folder / "evaluation.json").read_bytes()
    changes = ("--under", "productivity=[1.089,1.111]", "--under", "discount_factor=0.985")
    printed = command("evaluate", folder, *PERIODS, *changes, "--json").printed
    assert printed["under"] == {"productivity": [1.089, 1.111], "discount_factor": 0.985}
    assert printed["capital_mean"] > evaluated.printed["capital_mean"]  # higher incomes, of which they save more
    written = folder / "evaluation_under_productivity_1p089_1p111_discount_factor_0p985.json"
    assert json.loads(written.read_text()) == printed and (folder / "evaluation.json").read_bytes() == before
    assert {path.name for path in folder.iterdir()} - {path.name for path in solved_run.folder.iterdir()} == {
        written.name
    }
    text = command("evaluate", folder, *PERIODS, *changes).out.splitlines()
    assert text[0].startswith("Trained under other parameters, evaluated under productivity = [1.089, 1.111]")
    assert any(line.startswith("Law of motion, Productivity 1.111") for line in text) and str(written) in text[-1]
    same = console._evaluated_under({"capital_share": 0.36}, solved_run.solution, solved_run.solution)
    assert same == "Evaluated under capital_share = 0.36, as in training."


def test_long_parameters_make_names_that_fit():
    joint = np.full((4, 4), 0.1234567890123).tolist()
    name = report._parameters_in_names({"joint_transition": joint})
    assert len(name) < 200 and name != report._parameters_in_names(
        {"joint_transition": np.full((4, 4), 0.123).tolist()}
    )
    assert report._parameters_in_names({"borrowing_limit": -0.5, "states": 3}) == "borrowing_limit_minus_0p5_states_3"


@pytest.mark.slow
def test_impulse_response(response, solved_run):
    """Guards docs/start.md, `hank-mfg irf --json`: every series; capital is predetermined."""
    printed = response.printed
    assert printed["shock"] == "productivity" and printed["size"] == -0.01 and printed["horizon"] == 40
    assert printed["unit"] and {"capital", "output", "interest_rate", "gini", "wealth_p50"} <= set(printed["units"])
    for name in printed["units"]:
        assert len(printed[name]) == 40 and all(isinstance(value, float) for value in printed[name]), name
    # Productivity is predetermined for nobody: it falls by one percent of its mean of one at once; capital later.
    assert printed["productivity"][0] == pytest.approx(-1.0, rel=1e-6)
    assert abs(printed["capital"][0]) < 1e-9 and printed["capital"][1] < 0
    assert (solved_run.folder / "irf_productivity_minus_0p01.csv").exists()
    assert "world" not in printed["note"]


@pytest.mark.slow
def test_moments(command, solved_run):
    """Guards docs/start.md, `hank-mfg moments --json`: moments of the main series and a note."""
    printed = command("moments", solved_run.folder, *PERIODS, "--json").printed
    assert {"output", "consumption", "capital", "interest_rate"} <= set(printed["moments"]) and printed["note"]


@pytest.mark.slow
def test_text_without_json(command, solved_run):
    """Guards docs/start.md, 'period': moments as text in 80 columns, filtered for a quarterly model."""
    outcome = command("moments", solved_run.folder, *PERIODS, "--smoothing", 6.25)
    assert outcome.status == 0 and "capital" in outcome.out and "smoothing 6.25" in " ".join(outcome.out.split())
    lines = outcome.out.splitlines()
    assert [line.rpartition("/")[2] for line in lines[-2:]] == ["moments.csv", "moments.tex"]
    assert max(map(len, lines[:-2])) <= 80
    usual = " ".join(command("moments", solved_run.folder, *PERIODS).out.split())
    assert "smoothing 1600, a period being a quarter" in usual


@pytest.mark.slow
def test_evaluate_prints_one_line_for_each_number(command, solved_run, evaluated, monkeypatch):
    """Guards docs/accuracy.md, 'bar': "ok" or "above 0.1 %" stands beside each value."""
    measured = SimpleNamespace(to_dict=lambda: evaluated.printed)
    monkeypatch.setattr(report, "evaluate", lambda *_, **__: measured)
    text = command("evaluate", solved_run.folder, *PERIODS).out
    assert "{" not in text and "[" not in text
    assert re.search(r"^Den Haan error, mean \(percent\)  +\S+  +(ok|above 0\.1 %)$", text, re.MULTILINE)
    assert len(re.findall(r"^Law of motion, Productivity \S+  +log capital' = ", text, re.MULTILINE)) == 2
    shown = dict(re.findall(r"^(Mean of capital \(level\)) +(\S+)$", text, re.MULTILINE))["Mean of capital (level)"]
    assert shown == f"{evaluated.printed['capital_mean']:.4g}"


def test_responses_are_printed_in_columns():
    response = SimpleNamespace(
        mean={"capital": np.array([-1e-9, 0.5]), "consumption_initial_middle_20": np.array([-0.25, 0.1])},
        units={"capital": "percent", "consumption_initial_middle_20": "percentage points"},
    )
    heading, capital, consumption = console.response_lines(response)
    assert capital.split() == ["capital", "percent", "0.0000", "0.5000"]
    assert len({len(heading), len(capital), len(consumption)}) == 1
    assert heading.index("unit") == capital.index("percent") == consumption.index("percentage points")


def test_the_bar_fits_80_columns_and_shows_what_the_stopping_rule_uses(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    history = {"update": np.arange(100), "objective": np.full(100, -123.456), "euler_error": np.full(100, 1.0)}
    history["euler_error"][-20:] = np.linspace(0.0, 3.2e-5, 20)
    with console.progress(120, False, console.training_line(20)) as watch:
        watch(history)
    printed = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    lines = [line for line in re.split(r"[\r\n]", printed) if "Euler" in line]
    assert "Euler 0.0016 %  objective -123.5" in lines[-1] and "100/120" in lines[-1] and "left" in lines[-1]
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_a_solve_that_runs_out_of_updates_says_what_to_do(solved_run, tiny):
    settings = dataclasses.replace(solved_run.solution.settings, tolerance=2e-5)
    history = {**solved_run.solution.history, "euler_error": np.full(4, 2.91e-5), "price_error": np.zeros(4)}
    solution = dataclasses.replace(
        solved_run.solution, status=Status.UPDATES_EXHAUSTED, settings=settings, history=history
    )  # fmt: skip
    first = console.solve_lines(solution, {})[0]
    assert "the Euler error, 0.00291 percent, is above the tolerance, 0.002 percent" in first
    assert f"raise --option updates={2 * tiny['updates']}; see docs/when_it_does_not_converge.md." in first
    history |= {"euler_error": np.full(4, 1.91e-5), "adversary_gain": np.full(4, 0.0123)}
    unsettled = dataclasses.replace(solution, history=history)
    first = console.solve_lines(unsettled, {})[0]
    assert "what the adversary has to gain by other weights, 0.0123 percent, is above the tolerance" in first


def test_a_solve_without_a_terminal_prints_lines_and_does_not_warn_of_what_its_result_says(solved_run, capsys):
    """Progress on standard error, with --json too, and not with --quiet."""
    assert solved_run.printed["status"] == "updates_exhausted"
    assert solved_run.err.startswith("solve: stationary equilibrium, compiling beside it (0 s)\n")
    assert "solve: training, at most 4 updates (" in solved_run.err and "ran out" not in solved_run.err
    with console.progress(4, True, console.training_line(4)) as watch, telling("solve", None) as lines:
        lines.step("training")
        watch(solved_run.solution.history)
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_a_robust_run_says_of_which_world_it_speaks(command, tiny_options, tmp_path, monkeypatch):
    """On the command line as in Python: the worlds, their weights, what living in them costs; whether people who live
    elsewhere were trained for it, and where a response is that of the model itself."""
    folder = tmp_path / "run"
    options = (*tiny_options, "--family", "productivity=[[0.97,1.03]]", "--penalty", "0.5")
    outcome = command("solve", "krusell_smith", *options, "--out", folder, "--json")
    worlds = outcome.printed["worlds"]
    assert [world["changes"] for world in worlds] == [{}, {"productivity": [0.97, 1.03]}]
    assert outcome.printed["adversary_gain_percent"] is None  # training ended before losses were measured
    assert sum(world["weight"] for world in worlds) == pytest.approx(1.0)
    solution = load_run(folder)
    assert solution.worlds() == worlds and solution.family.penalty == 0.5
    lines = console.solve_lines(solution, outcome.printed)
    assert lines[-2].startswith("Model: the model itself; weight 0.5") and "productivity = [0.97, 1.03]" in lines[-1]

    monkeypatch.setattr(accuracy, "economy_exploitability", lambda solution, *, seed: GAINS)
    text = command("evaluate", folder, *PERIODS, "--under", "productivity=[0.97,1.03]").out
    assert text.startswith(
        "Evaluated under productivity = [0.97, 1.03], one of the 2 models of the family trained for."
    )
    monkeypatch.setattr(report, "MAIN_VARIABLES", ("output",))
    note = command("irf", folder, "--shock", "productivity", "--size", -0.01, *FEW, "--json").printed["note"]
    table = command("moments", folder, "--periods", 100, "--json").printed
    measures = command("evaluate", folder, *PERIODS).out.split("\nWrote")[0]
    for text in (note, table["note"], measures):
        assert text.endswith(". In the model itself, the first of the 2 models that the policy was trained for.")


def test_an_interrupted_solve_says_how_to_continue(command, tmp_path, monkeypatch):
    def interrupted(source, folder, *_, **__):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr("hank_mfg.cli.economies.solve_run", interrupted)
    folder = tmp_path / "run"
    outcome = command("solve", "krusell_smith", "--out", folder, "--json")
    assert (outcome.status, outcome.out) == (130, "")
    assert outcome.err == f"Interrupted; continue with `hank-mfg solve --resume --out {folder}`.\n"


def test_any_other_command_that_is_interrupted_says_so(command, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(gallery, "model_names", interrupted)
    outcome = command("list")
    assert (outcome.status, outcome.out, outcome.err) == (130, "", "Interrupted.\n")


BAD_INPUT = {
    "a misspelled model": (("show", "aiyagary"), ["did you mean 'aiyagari'?"]),
    "an unknown model": (("solve", "huggett_1"), ["no shipped model 'huggett_1'", "krusell_smith"]),
    "a file that does not exist": (("steady-state", "gone.py"), ["gone.py does not exist"]),
    "an unknown parameter": (("show", "aiyagari", "--set", "beta=0.9"), ["'beta'", "discount_factor"]),
    "a parameter out of range": (
        ("steady-state", "aiyagari", "--set", "discount_factor=1.2"),
        ["Error: --set discount_factor=1.2: ", "discount_factor = 1.2", "below 1"],
    ),
    "an override that is no number": (
        ("show", "aiyagari", "--set", "discount_factor=high"),
        ["discount_factor = 'high' is not a number"],
    ),
    "an unknown option": (("solve", "krusell_smith", "--option", "path=3"), ["--option path=3", "paths"]),
    "an option of another type": (
        ("solve", "krusell_smith", "--option", "paths=few"),
        ["paths must be a whole number, for instance paths=16"],
    ),
    "half a path": (("solve", "krusell_smith", "--option", "paths=2.5"), ["paths=2.5", "a whole number"]),
    "an option out of range": (("solve", "krusell_smith", "--option", "td_lambda=2"), ["td_lambda", "between 0 and 1"]),
    "options of no economy": (("options", "krusell_smit"), ["did you mean 'krusell_smith'?"]),
    "options without aggregate risk": (("options", "aiyagari"), ["no aggregate_shocks()", "steady_state"]),
    "options of an unknown method": (("options", "krusell_smith", "--method", "ippo"), ["--method ippo", "rspg"]),
    "an unknown method": (("solve", "krusell_smith", "--method", "ppo"), ["--method ppo", "rspg"]),
    "no model": (("solve",), ["Name a MODEL"]),
    "no run": (("evaluate", "gone"), ["gone holds no run", "hank-mfg solve"]),
    "no run to report": (("report", "gone"), ["gone holds no run"]),
    "no run to resume": (("solve", "--resume", "--out", "gone"), ["gone holds no run"]),
    "a resumed run that is told something new": (
        ("solve", "--resume", "--out", "gone", "--option", "paths=4"),
        ["as it was started", "--option"],
    ),
    "a world with an unknown parameter": (
        ("solve", "krusell_smith", "--family", "produktivity=[[0.9,1.1]]"),
        ["--family produktivity=[[0.9,1.1]]: ", "'produktivity'", "did you mean 'productivity'?"],
    ),
    "a world that is no list": (
        ("solve", "krusell_smith", "--family", "discount_factor=0.98"),
        ["discount_factor = 0.98", "give a list"],
    ),
    "a world out of range": (
        ("solve", "krusell_smith", "--family=discount_factor=[1.2]", "--set", "depreciation=0.02"),
        ["Error: --family discount_factor=[1.2]: ", "discount_factor = 1.2", "below 1"],
    ),
    "more worlds than paths share": (
        ("solve", "krusell_smith", "--family", "unemployment_benefit=[0.1,0.2]"),
        ["3 models", "paths=16", "multiple of 3"],
    ),
    "a penalty for no family": (("solve", "krusell_smith", "--penalty", "0.1"), ["--penalty 0.1", "--family"]),
    "worlds of a game": (("solve", "beach_bar", "--family", "x=[1]"), ["--family", "game"]),
}


@pytest.fixture
def one_sentence(command):
    """Check that a command ends with status 2 and one sentence on standard error that contains every given piece."""

    def check(arguments, *pieces: str) -> str:
        outcome = command(*arguments)
        assert outcome.status == 2 and outcome.out == "", outcome
        lines = [line for line in outcome.err.splitlines() if not line.startswith("Warning: ")]
        assert len(lines) == 1 and lines[0].startswith("Error: "), outcome.err
        assert lines[0].endswith((".", "?")) and not re.search(r"[.!?] [A-Z]", lines[0]), lines[0]
        for piece in pieces:
            assert piece in lines[0], f"{piece!r} is not in: {lines[0]}"
        return lines[0]

    return check


@pytest.mark.parametrize("mistake", BAD_INPUT)
def test_bad_input_is_one_sentence(one_sentence, mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, pieces = BAD_INPUT[mistake]
    one_sentence((*arguments, "--json"), *pieces)
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_a_missing_option_is_named(command):
    outcome = command("irf", "run", "--size", "0.01")
    assert outcome.status == 2 and outcome.out == "" and "--shock" in outcome.err and "Traceback" not in outcome.err


def test_an_economy_without_aggregate_risk_is_not_solved_globally(one_sentence, tmp_path):
    folder = tmp_path / "run"
    one_sentence(("solve", "aiyagari", "--out", folder, "--json"), "Aiyagari", "steady")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("change", "pieces"),
    [
        ("discount_factr=0.9", ["no parameter 'discount_factr'", "did you mean 'discount_factor'?"]),
        ("discount_factor=high", ["discount_factor = 'high' is not a number"]),
        ("discount_factor=1.5", ["Error: --under discount_factor=1.5: ", "discount_factor = 1.5", "below 1"]),
        ("borrowing_limit=-2", ["asset_space() begins at -2", "solve the new economy"]),
        ("joint_transition=[[1,2],[3,4]]", ["joint_transition"]),
        ("productivity=[1,1,1]", ["productivity"]),
    ],
)
def test_a_world_that_nobody_can_live_in_is_one_sentence(one_sentence, solved_run, change, pieces):
    before = sorted(solved_run.folder.iterdir())
    one_sentence(("evaluate", solved_run.folder, "--under", change, "--json"), *pieces)
    assert sorted(solved_run.folder.iterdir()) == before


def test_an_existing_run_is_not_overwritten(one_sentence, solved_run):
    before = (solved_run.folder / "config.json").read_bytes()
    arguments = ("solve", "krusell_smith", "--out", solved_run.folder, "--json")
    one_sentence(arguments, "already holds a run", "--resume")
    assert (solved_run.folder / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "pieces"),
    [
        (("--shock", "oil", "--size", "0.01"), ["no shock 'oil':", "productivity"]),
        (("--shock", "producivity", "--size", "0.01"), ["no shock 'producivity' (did you mean 'productivity'?)"]),
        (("--shock", "productivity", "--size", "0.5"), ["1.5", "0.99 to 1.01", "smaller size"]),
    ],
)
def test_a_shock_that_the_economy_does_not_have(one_sentence, solved_run, options, pieces):
    one_sentence(("irf", solved_run.folder, *options, "--json"), *pieces)


BROKEN_MODELS = {
    "a price that is not there": (
        ("today.wage * own.labor", "today.wag * own.labor"),
        ["today has no 'wag'", "did you mean 'wage'?"],
    ),
    "a syntax error": (("class MyModel(hm.Model):", "class MyModel(hm.Model:"), ["my_model.py, line", "syntax"]),
    "a parameter that nothing reads": (
        ('    risk_aversion: float = hm.parameter("CRRA', '    spare: float = hm.parameter("x", default=1.0)\n'
         '    risk_aversion: float = hm.parameter("CRRA'),
        ["spare", "no equation reads it"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "mistake"),
    [
        *(("show", mistake) for mistake in BROKEN_MODELS),
        *((verb, "a price that is not there") for verb in ("steady-state", "solve")),
    ],
)
def test_a_mistake_in_a_model_file_is_one_sentence(one_sentence, write_model, points_to, verb, mistake):
    replacement, pieces = BROKEN_MODELS[mistake]
    path = write_model(replacement)
    out = ("--out", path.parent / "run") if verb == "solve" else ()
    message = one_sentence((verb, path, *out, "--json"), *pieces)
    assert not (path.parent / "run").exists()
    if ", line " in message:
        points_to(message, path, [replacement])


def test_the_user_may_ask_for_the_traceback(command, monkeypatch):
    monkeypatch.setenv("HANK_MFG_TRACEBACK", "1")
    with pytest.raises(ValueError, match="did you mean"):
        command("show", "aiyagary")


def test_in_a_process_of_its_own():
    wrong = [sys.executable, "-m", "hank_mfg.cli.main", "show", "aiyagary", "--json"]
    done = subprocess.run(wrong, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: ") and len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_from_a_new_file_to_a_report(command, tiny_options, tmp_path, monkeypatch):
    """Guards README.md, 'A complete model': the commands from a model file to evaluation and responses."""
    monkeypatch.chdir(tmp_path)
    assert command("new", "my_model.py").status == 0
    assert "discount_factor" in command("show", "my_model.py").out
    assert 0 < command("steady-state", "my_model.py", "--json").printed["interest_rate"] < 0.05
    solved = command("solve", "my_model.py", "--out", "first", *tiny_options, "--set", "persistence=0.8", "--json")
    assert solved.printed["run"] == "first"
    gains = command("evaluate", "first", *PERIODS, "--json").printed["exploitability"]
    assert gains["clairvoyant"] > 0 and gains["consumption_percent"]["clairvoyant"] > 0
    assert command("irf", "first", "--shock", "productivity", "--size", -0.01, "--json").printed["horizon"] == 40
    for name in command("report", "first", *PERIODS, "--json").printed["files"]:
        assert Path(name).stat().st_size > 0


def test_the_doctor_says_what_a_report_of_a_fault_needs(command):
    found = command("doctor", "--json").printed
    assert found["float64"] is True and found["versions"]["jax"] == importlib.metadata.version("jax")
    assert found["machine"]["devices"] and Path(found["python"]).exists()
