"""`hank-mfg compare`: one JSON object, files, a run that is used again, and one sentence for what does not fit."""

import json
import re
import shutil
from functools import partial
from pathlib import Path

import pytest

from hank_mfg.cli import compare as compare_cli
from hank_mfg.runs.manifest import read_manifest, write_manifest

BRIEF = ("--horizon", 8, "--periods", 100, "--starts", 2, "--paths", 2)
MODEL = "krusell_smith"


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    """A coarse grid."""
    few = partial(compare_cli.compare, asset_points=60)
    monkeypatch.setattr(compare_cli, "compare", few)


@pytest.fixture
def run_folder(solved_run, tmp_path) -> Path:
    return Path(shutil.copytree(solved_run.folder, tmp_path / "run"))


@pytest.fixture
def one_sentence(command):
    """Check that a command ends with status 2 and one sentence on standard error that contains every given piece."""

    def check(arguments, *pieces: str) -> None:
        outcome = command("compare", *arguments)
        assert outcome.status == 2 and outcome.out == "", outcome
        lines = [line for line in outcome.err.splitlines() if not line.startswith("Warning: ")]
        assert len(lines) == 1 and lines[0].startswith("Error: ") and lines[0].endswith("."), outcome.err
        assert not re.search(r"[.!?] [A-Z]", lines[0]), lines[0]
        for piece in pieces:
            assert piece in lines[0], f"{piece!r} is not in: {lines[0]}"

    return check


@pytest.fixture(scope="module")
def compared(command, solved_run, tmp_path_factory):
    """The comparison of a run that is solved, without the classical algorithm, with small sizes."""
    folder = tmp_path_factory.mktemp("compared")
    few = partial(compare_cli.compare, asset_points=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_cli, "compare", few)
        sizes = ("--size", -0.005, "--size", 0.005)
        return folder, command(
            "compare", solved_run.folder, "--no-classical", "--out", folder, *sizes, *BRIEF, "--json"
        )


@pytest.mark.slow
def test_one_json_object_and_files(compared):
    """Guards docs/start.md, `hank-mfg compare --json`: one object, and the files that it names."""
    folder, outcome = compared
    printed = outcome.printed
    assert printed["shock"] == "productivity" and printed["sizes"] == [-0.005, 0.005] and printed["horizon"] == 8
    assert [row["method"] for row in printed["methods"]] == ["Linear", "Perfect foresight", "RSPG"]
    assert printed["methods"][2]["Den Haan error, mean (percent)"] > 0 and printed["classical_left_out"] is None
    for item in printed["responses"]:
        for method in ("Linear", "Perfect foresight", "RSPG"):
            assert len(item[method]["capital"]) == 8
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"compare.csv", "gaps.tex", "methods.tex", "figures/compare.pdf", "figures/compare.png"} <= names
    assert {Path(name).relative_to(folder).as_posix() for name in printed["files"]} == names


@pytest.mark.slow
def test_a_finished_run_of_the_same_model_is_used_and_a_refused_algorithm_is_said(
    command, run_folder, monkeypatch, compared
):
    """Guards docs/yardsticks.md, 'Side by side': `hank-mfg compare` solves only what is not solved yet."""

    def refuse(model, settings, **_):
        raise ValueError("Two aggregates move.")

    monkeypatch.setattr(compare_cli, "solve", refuse)
    monkeypatch.setattr(compare_cli, "solve_run", None)  # nothing is solved again
    outcome = command("compare", MODEL, "--out", run_folder, "--size", 0.005, *BRIEF)
    assert outcome.status == 0, outcome.err
    assert "holds the run already" in outcome.err
    assert "Without the classical algorithm: Two aggregates move." in outcome.err
    assert "perfect foresight gap" in outcome.out.lower() and "+0.5 %" in outcome.out
    assert f"Wrote {run_folder / 'compare.csv'}" in outcome.out and "Den Haan error" in outcome.out
    assert json.loads((run_folder / "config.json").read_text())["model"] == MODEL


def test_what_cannot_be_compared_is_one_sentence_and_nothing_is_written(one_sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one_sentence(("aiyagari", "--json"), "Aiyagari declares no aggregate_shocks()", "stationary equilibrium")
    one_sentence(("beach_bar", "--json"), "beach_bar is a game", "no comparison of methods")
    one_sentence((MODEL, "--size", 0.5, "--json"), "would reach 1.5", "0.99 to 1.01", "smaller size")
    one_sentence((MODEL, "--shock", "oil"), "no shock 'oil'", "productivity")
    one_sentence((MODEL, "--horizon", 1), "--horizon 1", "2 or more")
    one_sentence((MODEL, "--option", "path=3"), "--option path=3", "paths")
    one_sentence(("krusel_smith",), "did you mean 'krusell_smith")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_with_another_run_is_not_overwritten(one_sentence, run_folder):
    """Guards `hank-mfg compare --out`: a folder with another run is refused and left as it was."""
    before = (run_folder / "config.json").read_bytes()
    one_sentence((MODEL, "--out", run_folder, "--seed", 1), "a run with the seed 0", "choose another --out")
    one_sentence((MODEL, "--out", run_folder, "--set", "discount_factor=0.98"), "other parameters")
    one_sentence((MODEL, "--out", run_folder, "--option", "paths=3"), "other options")
    one_sentence(("krusell_smith_1998", "--out", run_folder), "another model")
    one_sentence((run_folder, "--set", "discount_factor=0.98"), "is solved already", "leave out --set")
    one_sentence((run_folder, "--size", 0.5), "would reach 1.5")
    assert (run_folder / "config.json").read_bytes() == before


def test_an_unfinished_run_is_continued(command, run_folder, monkeypatch):
    """What is asked of `solve_run`; that it continues to the same numbers has tests of its own."""
    write_manifest(run_folder, {**read_manifest(run_folder), "ended": None})
    (run_folder / "config.json").unlink()
    asked = {}

    def solve_run(source, folder, settings, **more):
        asked.update(more, settings=settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(compare_cli, "solve_run", solve_run)
    outcome = command("compare", MODEL, "--out", run_folder)
    assert outcome.status == 130 and outcome.err.endswith("Interrupted; the same command continues.\n")
    assert asked["resume"] and asked["settings"] is None


@pytest.mark.slow
def test_from_a_name_to_files_with_both_global_solutions(command, tiny_options, tmp_path):
    """Guards docs/yardsticks.md, 'Side by side': `compare MODEL` solves by RSPG and the classical method."""
    folder = tmp_path / "both"
    printed = command("compare", MODEL, *tiny_options, "--out", folder, *BRIEF, "--json").printed
    assert [row["method"] for row in printed["methods"]][2:] == ["RSPG", "Krusell-Smith"]
    assert printed["classical_left_out"] is None and (folder / "checkpoint" / "latest.npz").exists()
    for name in printed["files"]:
        assert Path(name).stat().st_size > 0
