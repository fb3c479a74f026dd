"""Runs of games: folders, resuming to the same numbers, commands."""

import json

import jax
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.report.game_report import evaluation_rows
from hank_mfg.runs import storage
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.storage import RunError, read_metrics
from hank_mfg.solve.baselines.game_settings import settings_for

OWN_GAME = '''
"""The flocking game with another discount factor."""

from hank_mfg.environment.games.linear_quadratic import LinearQuadratic


class Patient(LinearQuadratic):
    """Nobody discounts."""

    def __init__(self, *, idiosyncratic_noise: bool = True):
        super().__init__(idiosyncratic_noise=idiosyncratic_noise)
        self.discount_factor = 1.0
'''


def leaves(tree) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array | np.ndarray)]


def assert_same(one, other) -> None:
    pairs = list(zip(leaves(one), leaves(other), strict=True))
    assert pairs
    for here, there in pairs:
        assert here.dtype == there.dtype and np.array_equal(here, there)


def small(method: str, **changes):
    few = {"paths": 4, "updates": 6, "units": 4, "width": 4, **changes}
    return settings_for("linear_quadratic", method, **few)


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """A short run with measures: its folder and the solution in memory."""
    folder = tmp_path_factory.mktemp("games") / "lq"
    return folder, solve_run("linear_quadratic", folder, small("rspg"), measure=2, chunk=2)


def test_what_is_loaded_is_what_was_solved(solved):
    folder, solution = solved
    loaded = load_run(folder)
    assert_same(solution.training, loaded.training)
    assert loaded.settings == solution.settings and loaded.seconds_train == solution.seconds_train
    for name, values in solution.history.items():
        assert np.array_equal(values, loaded.history[name]), name


def test_a_run_of_an_earlier_version_has_the_settings_of_today(solved, monkeypatch):
    folder, solution = solved
    config = storage.read_config(folder)
    old = {"epochs": "passes", "uniform_weight": "spread", "uniform_action_weight": "action_spread"}
    before = {**config, "settings": {old.get(name, name): value for name, value in config["settings"].items()}}
    assert set(old.values()) <= before["settings"].keys()
    monkeypatch.setattr(storage, "checked_config", lambda folder: before)
    loaded = load_run(folder)
    assert loaded.settings == solution.settings
    assert_same(solution.training, loaded.training)


def test_the_log_holds_measures_of_exploitability(solved):
    folder, solution = solved
    lines = read_metrics(folder)
    assert [line["update"] for line in lines] == [2, 4, 6]
    final = hm.exploitability(solution, paths=2)
    assert lines[-1]["exploitability"]["individuals"] == pytest.approx(final.clairvoyant["individuals"], rel=1e-9)
    assert lines[-1]["objective"] == pytest.approx(solution.history["objective"][-2:].mean())


def test_a_run_is_not_overwritten(solved):
    with pytest.raises(RunError, match="already holds a run"):
        solve_run("linear_quadratic", solved[0])
    with pytest.raises(RunError, match="nothing to resume"):
        solve_run("linear_quadratic", solved[0], resume=True)


@pytest.mark.slow
def test_your_own_game_by_its_file(tmp_path):
    """Guards docs/games.md: a game of your own, by its file; the run folder holds a copy of it."""
    file = tmp_path / "patient.py"
    file.write_text(OWN_GAME)
    game = hm.load_game(file, idiosyncratic_noise=False)
    assert game.discount_factor == 1.0 and np.array_equal(game.matrix, np.eye(99))
    solve_run(file, tmp_path / "run", small("spg", updates=2), overrides={"idiosyncratic_noise": False})
    file.unlink()  # the run holds a copy
    assert load_run(tmp_path / "run").game.discount_factor == 1.0


def test_a_file_without_a_game_is_refused(refuses, tmp_path):
    file = tmp_path / "empty.py"
    file.write_text("x = 1\n")
    refuses(lambda: hm.load_game(file), "empty.py defines 0 games")
    refuses(lambda: hm.load_game(tmp_path / "none.py"), "none.py does not exist")
    refuses(lambda: hm.load_game("linear_quadratic", horizon=3), "has no horizon", "common_noise")


@pytest.mark.slow
def test_commands_for_games(command, tmp_path):
    """Guards docs/games.md: `list`, `show`, `solve`, `evaluate` and `report` take games."""
    printed = command("list", "--json").printed
    assert set(printed["games"]) >= {"linear_quadratic", "beach_bar", "rspg_macro"}
    shown = command("show", "rspg_macro", "--set", "bins=none", "--json").printed
    assert shown["populations"]["households"] == {"states": [200, 5], "actions": "any between 0 and 1"}
    run = tmp_path / "run"
    tiny = [f"{name}={value}" for name, value in {"updates": 2, "paths": 2, "units": 4, "width": 4}.items()]
    options = [part for text in tiny for part in ("--option", text)]
    solved = command("solve", "linear_quadratic", "--method", "spg", *options, "--measure", 2, "--out", run, "--json")
    assert solved.printed["updates"] == 2 and solved.printed["precision"] == "float32"
    gains = command("evaluate", run, "--paths", 2, "--json").printed["populations"]["individuals"]
    assert 0 <= gains["nonanticipative"] <= gains["clairvoyant"] + 1e-9
    assert json.loads((run / "evaluation.json").read_text())["populations"]["individuals"] == gains
    files = command("report", run, "--paths", 2, "--html", "--json").printed["files"]
    page = (run / "report.html").read_text()
    assert page.count("<svg ") == 3 and "hank-mfg solve linear_quadratic --method spg" in page
    assert {"paths.png", "training.png", "exploitability.tex"} <= {file.rsplit("/", 1)[-1] for file in files}
    assert "clairvoyant (upper bound)" in command("evaluate", run, "--paths", 2).out


@pytest.mark.parametrize(
    ("arguments", "pieces"),
    [
        (("steady-state", "beach_bar"), ("beach_bar is a game", "no stationary equilibrium")),
        (("solve", "beach_bar", "--method", "a3c"), ("--method a3c", "rspg", "momd")),
        (("solve", "beach_bar", "--option", "speed=2"), ("speed=2", "learning_rate")),
        (("solve", "beach_bar", "--option", "paths=two"), ("paths must be a whole number",)),
        (("solve", "beach_bar", "--set", "depth=2"), ("no depth", "crowd_aversion")),
        (("replicate", "everything"), ("no replication 'everything'", "rspg-benchmark")),
    ],
)
def test_bad_input_is_one_sentence(command, arguments, pieces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = command(*arguments)
    assert outcome.status == 2 and outcome.err.startswith("Error: ") and outcome.err.count("\n") == 1, outcome.err
    for piece in pieces:
        assert piece in outcome.err
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_economies_have_what_games_have_not(command, solved):
    for arguments in (("irf", solved[0], "--shock", "x", "--size", 1), ("moments", solved[0])):
        outcome = command(*arguments)
        assert outcome.status == 2 and "holds a game" in outcome.err


def test_every_population_has_all_its_rows():
    numbers = {
        "clairvoyant": 3.0, "clairvoyant_standard_error": 0.1, "clairvoyant_consumption_percent": None,
        "nonanticipative": 1.0, "nonanticipative_standard_error": 0.2, "nonanticipative_relative_percent": 4.0,
        "spread": 25.0, "value": -7.0,
    }  # fmt: skip
    one = evaluation_rows({"populations": {"prey": numbers}})
    both = evaluation_rows({"populations": {"prey": numbers, "predators": {**numbers, "clairvoyant": 5.0}}})
    assert len(one) == 7 and len(both) == 14
    assert [value for name, value in both.items() if "upper bound" in name] == [3.0, 5.0]
