"""Replication packages: what is in one, what a check of a copy finds, and which runs cannot be packaged."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import hank_mfg as hm
from hank_mfg.cli.template import EXAMPLE
from hank_mfg.packages import check, rerun
from hank_mfg.packages import package as making
from hank_mfg.packages.commands import commands_of, maker_of
from hank_mfg.packages.facts import reads_files
from hank_mfg.packages.member import read_members
from hank_mfg.packages.numbers import Number, from_csv, to_csv
from hank_mfg.packages.software import DIRECT, canonical, installed, license_text, lock_text
from hank_mfg.report import stationary_report
from hank_mfg.report.stationary_report import write_stationary_report
from hank_mfg.runs.manifest import record

ROOT = Path(__file__).resolve().parents[1]
POINTS = 40
HEADINGS = (
    "To be filled in by the authors", "Overview", "Data availability and provenance statements",
    "Computational requirements", "Description of programs", "Instructions to replicators",
    "List of tables, figures and programs", "References",
)  # fmt: skip


@pytest.fixture(scope="module")
def steady(tmp_path_factory) -> Path:
    """A small stationary equilibrium of a model file, in a run with a name that a shell must quote; without figures."""
    folder = tmp_path_factory.mktemp("runs") / "small $run"
    path = folder.parent / "my_model.py"
    path.write_text(EXAMPLE.read_text())
    entry = '[depreciation]\nvalue = 0.08\nunit = "per year"\nsource = "a \\"guess\\" | of ours"\n'
    path.with_suffix(".toml").write_text(f'model = "my_model"\nsource = "nobody (2020)"\n{entry}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stationary_report, "_figures", lambda steady, responses: {})
        write_stationary_report(hm.steady_state_run(path, folder, asset_points=POINTS), folder)
    return folder


def solving_the_original(steady: Path):
    """steady_state_run for the model file in a package, by the file that it is a copy of: what is compiled is compiled
    once. The slow tests solve the copies."""

    def solve(source: str, folder: Path, **options):
        original = steady.parent / "my_model.py"
        assert Path(source).with_suffix(".py").read_text() == original.read_text()
        assert hm.load_model(source).parameters() == hm.load_model(original).parameters()
        return hm.steady_state_run(original, folder, **options)

    return solve


@pytest.fixture(scope="module")
def packed(steady, tmp_path_factory) -> Path:
    """Its package, with a data file."""
    data = tmp_path_factory.mktemp("data") / "shares.csv"
    data.write_text("year,share\n1990,0.3\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rerun, "steady_state_run", solving_the_original(steady))
        return hm.package(steady, tmp_path_factory.mktemp("packages") / "package", data=[data])


@pytest.fixture
def copied(packed, tmp_path) -> Path:
    """A copy elsewhere, which a test may change."""
    return Path(shutil.copytree(packed, tmp_path / "a copy"))


@pytest.fixture
def unsolved(monkeypatch):
    """The quick mode is not run, and finds one number."""
    found = ({"quick": {}}, {"capital": Number(1.0, 0.1)})
    monkeypatch.setattr(making, "with_quick", lambda entry, *_: ({**entry, **found[0]}, found[1]))


def test_the_readme_has_the_sections_and_names_every_table_with_its_command(packed, steady):
    text = (packed / "README.md").read_text()
    assert tuple(re.findall(r"^## (.*)$", text, flags=re.MULTILINE)) == HEADINGS
    results = json.loads((steady / "manifest.json").read_text())["results"]
    assert len(results) == 8
    for name in results:
        assert f"`{name}`" in text and (packed / "runs" / steady.name / name).is_file()
    assert "not known" not in text.split("## List of tables")[1]
    assert 'a "guess" \\| of ours' in text and "Calibration: nobody (2020)" in text and "`shares.csv`" in text
    assert "the source of parameters for which no calibration file states one (small $run: discount_factor" in text
    assert "$" not in text.replace("$run", "")


def test_every_file_has_a_checksum_that_others_can_verify(packed):
    lines = (packed / "checksums.txt").read_text().splitlines()
    names = {line.partition("  ")[2] for line in lines}
    present = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}
    assert names == present - {"checksums.txt"}
    for name in (
        "README.md",
        "run_all.sh",
        "requirements.lock",
        "Dockerfile",
        "LICENSE",
        "CITATION.cff",
        "package.json",
    ):
        assert name in names
    assert {"data/shares.csv", "software/hank_mfg/__init__.py", "software/hank_mfg/gallery/models/aiyagari.py"} <= names
    assert not [path for path in packed.parent.iterdir() if path != packed], "nothing else is left behind"


def test_the_commands_are_quoted_for_a_shell(packed):
    lines = (packed / "run_all.sh").read_text().splitlines()
    solve = next(shlex.split(line) for line in lines if "steady-state" in line)
    assert solve[3:] == ["steady-state", "models/small $run/my_model.toml", "--asset-points", "40", "--out",
                         "results/small $run"]  # fmt: skip
    assert subprocess.run(["sh", "-n", packed / "run_all.sh"]).returncode == 0


def test_a_check_of_a_copy_passes(copied, command, steady, monkeypatch):
    monkeypatch.setattr(rerun, "steady_state_run", solving_the_original(steady))
    before = sorted(copied.rglob("*"))
    outcome = command("check", copied, "--quiet")
    assert outcome.status == 0 and "Every file is what was written." in outcome.out, outcome.out + outcome.err
    assert re.search(r"small \$run +capital .* pass$", outcome.out, flags=re.MULTILINE)
    assert sorted(copied.rglob("*")) == before, "nothing is written into the package"


def test_a_number_that_was_altered_is_named(copied, command, monkeypatch):
    path = copied / "reference" / "small $run_quick.csv"
    numbers = from_csv(path.read_text())
    monkeypatch.setattr(check, "rerun", lambda *_, **options: numbers)
    value, tolerance = numbers["capital"]
    path.write_text(to_csv({**numbers, "capital": Number(value + 2 * tolerance, tolerance)}))
    outcome = command("check", copied, "--quiet", "--json")
    found = json.loads(outcome.out)
    assert outcome.status == 2 and not found["passed"]
    assert [row["number"] for row in found["numbers"] if not row["passed"]] == ["capital"]
    assert found["files"] == {"reference/small $run_quick.csv": "changed"}
    assert re.search(r"small \$run +capital .* FAIL$", command("check", copied, "--quiet").out, flags=re.MULTILINE)


def test_files_that_were_altered_deleted_or_added_are_named(copied, monkeypatch):
    monkeypatch.setattr(check, "_compared", lambda *_: [])
    (copied / "models/small $run/my_model.py").write_text("")
    (copied / "requirements.lock").unlink()
    (copied / "notes.txt").write_text("mine")
    (copied / "README.md").write_text("filled in")
    (copied / "results").mkdir()
    (copied / "results" / "made.csv").write_text("1")
    found = hm.check_package(copied)
    assert found.files == {
        "models/small $run/my_model.py": "changed", "requirements.lock": "missing", "notes.txt": "added",
    }  # fmt: skip
    assert found.edited == ("README.md",) and not found.passed


def test_a_model_that_cannot_be_run_is_a_reason_and_no_traceback(copied, command):
    (copied / "models/small $run/my_model.py").unlink()
    (copied / "models/small $run/my_model.toml").write_text('model = "nothing"\n')
    outcome = command("check", copied, "--quiet")
    assert outcome.status == 2 and "could not be made again" in outcome.out and "Traceback" not in outcome.err


def test_what_a_package_cites_and_licenses(packed):
    yaml = pytest.importorskip("yaml", reason="no reader of YAML is installed")
    for path in (packed / "CITATION.cff", ROOT / "CITATION.cff"):
        cited = yaml.safe_load(path.read_text())
        assert cited["cff-version"] == "1.2.0" and cited["title"] == "hank_mfg" and cited["license"] == "MIT"
        assert "2602.20141" in cited["references"][0]["notes"] and len(cited["references"][0]["authors"]) == 12
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert (packed / "LICENSE").read_text() == (ROOT / "LICENSE").read_text() == license_text()


def test_the_lock_says_which_versions_were_recorded():
    given = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {canonical(re.match(r"[\w.-]+", each)[0]) for each in given} == set(DIRECT)
    known = installed(False)
    lines = lock_text({"jax": {"0.9.9"}, "numpy": {"1.0", "2.0"}}, False).splitlines()
    assert "jax==0.9.9  # recorded" in lines and f"scipy=={known['scipy']}  # installed" in lines
    assert f"numpy=={known['numpy']}  # installed; the runs recorded 1.0, 2.0" in lines
    assert {"jaxlib", "python-dateutil"} <= known.keys() and "pytest" not in known


def test_a_global_run_with_further_tables(solved_run, tmp_path, unsolved):
    run = Path(shutil.copytree(solved_run.folder, tmp_path / "tiny"))
    response = {"shock": "productivity", "size": -0.02, "horizon": 7, "starts": 3, "paths": 2}
    note = "Generalized response: histogram on 400 points, float64, seed 5; rate at 0.5 at date 0."
    written = {
        "irf_productivity_minus_0p02.json": json.dumps({**response, "note": note}),
        "irf_productivity_minus_0p02.csv": "", "mine.csv": "",
    }  # fmt: skip
    for name, text in written.items():
        (run / name).write_text(text)
    record(run, [run / name for name in written])
    (member,) = read_members([run])
    solve, irf = commands_of(member, "models/tiny/krusell_smith.toml")
    assert solve.words[:6] == ["solve", "models/tiny/krusell_smith.toml", "--method", "rspg", "--seed", "0"]
    assert {"updates=4", "asset_points=60", "learning_rate=0.0001"} <= set(solve.words)
    assert irf.words[:2] == ["irf", "results/tiny"] and "--given=rate=0.5" in irf.words and "--seed=5" in irf.words
    assert maker_of("irf_productivity_minus_0p02.csv", [solve, irf]) is irf and maker_of("mine.csv", [irf]) is None
    folder = hm.package([run], tmp_path / "package")
    readme = (folder / "README.md").read_text()
    assert "| `mine.csv` | not known | not known |" in readme and "JEDC suite" in readme
    assert "capital" in (folder / "reference/tiny_quick.csv").read_text()
    assert "training.objective" in (folder / "reference/tiny.csv").read_text()
    assert (folder / "runs/tiny/checkpoint/latest.npz").is_file()


def test_what_is_no_package_or_of_a_later_version_is_refused(tmp_path, copied, refuses):
    refuses(lambda: hm.check_package(tmp_path), str(tmp_path), "no package.json", "hank-mfg package")
    path = copied / "package.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 9'))
    refuses(lambda: hm.check_package(copied), "format 9", "software/")
    path.write_text("{")
    refuses(lambda: hm.check_package(copied), "package.json is damaged")


def test_what_cannot_be_packaged_is_refused_and_leaves_nothing(steady, solved_run, tmp_path, refuses, unsolved):
    out, before = tmp_path / "out", list(tmp_path.iterdir())
    refuses(lambda: hm.package([], out), "runs = []")
    refuses(lambda: hm.package(tmp_path, out), f"{tmp_path} holds no run", "hank-mfg solve")
    refuses(lambda: hm.package(steady, steady), f"out = {steady} is not empty", "name a new folder")
    refuses(lambda: hm.package(steady, out, data=[tmp_path / "none.csv"]), "none.csv is no file")
    assert list(tmp_path.iterdir()) == before
    other = Path(shutil.copytree(steady, tmp_path / "other" / steady.name))
    refuses(lambda: hm.package([steady, other], out), "both called small $run", "rename one folder")
    (other / "outcomes.csv").write_text("edited")
    with pytest.warns(UserWarning, match="changed since written"):
        refuses(lambda: hm.package(other, out), "outcomes.csv is not what the run wrote", "hank-mfg report")
    (other / "steady_state.npz").write_bytes(b"")
    refuses(lambda: hm.package(other, out), "steady_state.npz")
    unfinished = Path(shutil.copytree(solved_run.folder, tmp_path / "unfinished"))
    config = json.loads((unfinished / "config.json").read_text())
    for name in ("manifest.json", "checkpoint/latest.npz"):
        (unfinished / name).unlink()
    (unfinished / "config.json").write_text(json.dumps({**config, "status": "UNFINISHED"}))
    refuses(lambda: hm.package(unfinished, out), "unfinished run", "--resume")
    assert not out.exists() and not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_model_file_that_changed_is_refused(steady, packed, tmp_path, refuses):
    path = steady.parent / "my_model.py"
    text = path.read_text()
    assert (packed / "models/small $run/my_model.py").read_text() == text
    path.write_text(text + "\n# changed\n")
    try:
        refuses(lambda: hm.package(steady, tmp_path / "again"), "my_model.py has changed since", "solve again")
    finally:
        path.write_text(text)


def test_calls_that_may_read_data_are_found():
    text = "import pandas as pd\ntable = pd.read_csv('a.csv')\nwith open('b') as file:\n    pass\nprint(1)\n"
    assert reads_files(text) == ["open", "read_csv"] and reads_files("x = sum([1])") == []


@pytest.mark.slow
def test_a_global_run_and_a_game_are_made_again(solved_run, command, tmp_path):
    """Guards docs/replication_package.md: a check passes on a copy of economies with shocks and of games."""
    command("solve", "linear_quadratic", "--option", "updates=3", "--out", tmp_path / "game", "--quiet")
    made = command("package", solved_run.folder, tmp_path / "game", "--out", tmp_path / "package", "--quiet")
    assert made.status == 0, made.err
    shutil.move(tmp_path / "package", tmp_path / "moved")
    for options in ((), ("--full",)):
        found = command("check", tmp_path / "moved", "--quiet", "--json", *options)
        assert found.status == 0 and {row["run"] for row in found.printed["numbers"]} == {"tiny", "game"}, found.out


@pytest.mark.slow
def test_run_all_makes_the_same_tables_with_the_software_of_the_package(copied, tmp_path):
    """Guards docs/replication_package.md: run_all.sh needs nothing but Python and the packages in requirements.lock."""
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": ""}
    subprocess.run(["sh", str(copied / "run_all.sh")], cwd=tmp_path, env=environment, check=True, capture_output=True)
    runs, results = copied / "runs" / "small $run", copied / "results" / "small $run"
    for path in runs.glob("*.csv"):
        assert path.read_bytes() == (results / path.name).read_bytes(), path.name
    assert hm.check_package(copied).passed and hm.check_package(copied, full=True).passed
