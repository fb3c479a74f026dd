"""A run folder that is not what it was: every file damaged, every entry of config.json edited, the equations changed.

What is wrong is named in one sentence with exit status 2, or rebuilt with a warning; nothing is used silently.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.files import WriteError, write_text
from hank_mfg.model.gallery import load_model
from hank_mfg.report import report
from hank_mfg.runs import lock
from hank_mfg.runs.lock import LockedError, writing
from hank_mfg.runs.manifest import RunError, begin, finish, into_run, read_manifest, trust_run, write_manifest
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.storage import read_config, read_metrics, save_checkpoint

ROOT = Path(__file__).resolve().parents[1]
REBUILT = {"config.json": "manifest.json", "manifest.json": "checkpoint/latest.npz", "metrics.jsonl": "checkpoint"}
LOST = ("checkpoint/latest.npz", "steady_state.npz")


@pytest.fixture
def copied(solved_run, tmp_path) -> Path:
    """A copy of the tiny run that a test may change."""
    return Path(shutil.copytree(solved_run.folder, tmp_path / "copied"))


def cut(path: Path) -> None:
    """Leave the first half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path, place: int | None = None) -> None:
    """Turn over one bit in the middle: the last bit of a letter, which makes another one."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 4
    path.write_bytes(bytes(content))


DAMAGES = {"cut": cut, "emptied": lambda path: path.write_bytes(b""), "flipped": flip, "deleted": Path.unlink}


def quietly(folder: Path) -> tuple[object, list[str]]:
    """The solution of a run and the warnings that it came with."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        solution = load_run(folder)
    return solution, [str(each.message) for each in caught]


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_or_rebuilt(damage, copied, solved_run, refuses, command):
    """Guards docs/keeping_results.md, 'Run folders': a damaged file is rebuilt with a warning or refused."""
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    for name in (*LOST, *REBUILT):
        DAMAGES[damage](copied / name)
        if name in LOST:
            refuses(lambda: load_run(copied), name, "missing" if damage == "deleted" else "is not what was written")
            outcome = command("moments", copied, "--json")
            assert (outcome.status, outcome.out) == (2, "") and name in outcome.err and "Traceback" not in outcome.err
            (copied / name).write_bytes(before[copied / name])
        else:
            try:
                solution, said = quietly(copied)
            except RunError as error:  # still JSON
                assert name == "config.json" and damage == "flipped" and "config.json says" in str(error)
                (copied / name).write_bytes(before[copied / name])
                continue
            assert any(name in text and "rebuilt from" in text and REBUILT[name] in text for text in said), (name, said)
            assert np.array_equal(solution.policy.head.output.weight, solved_run.solution.policy.head.output.weight)
            assert json.loads((copied / "config.json").read_text()) == json.loads(before[copied / "config.json"])
            assert (copied / "metrics.jsonl").read_bytes() == before[copied / "metrics.jsonl"]
    assert quietly(copied)[1] == [], "what was rebuilt is whole"


def test_every_bit_of_the_manifest_counts(copied):
    """A flipped bit anywhere is noticed, and the manifest rebuilt to what it was, less the results recorded since."""
    path, size = copied / "manifest.json", (copied / "manifest.json").stat().st_size
    whole, content = path.read_bytes(), read_manifest(copied)
    for place in range(0, size, max(1, size // 40)):
        path.write_bytes(whole)
        flip(path, place)
        with pytest.warns(UserWarning, match=r"manifest.json is damaged: rebuilt from checkpoint"):
            assert read_manifest(copied) == {**content, "results": {}}, place


def leaves(content: dict, path: tuple = ()) -> list[tuple]:
    """The paths of all entries that are not objects."""
    found = []
    for name, value in content.items():
        found += leaves(value, (*path, name)) if isinstance(value, dict) else [(*path, name)]
    return found


def test_every_entry_of_the_configuration_is_compared(copied, refuses):
    config = json.loads((copied / "config.json").read_text())
    entries = leaves(config)
    assert len(entries) > 40
    for path in entries:
        edited = json.loads(json.dumps(config))
        inside = edited
        for name in path[:-1]:
            inside = inside[name]
        old = inside[path[-1]]
        inside[path[-1]] = old + 1 if isinstance(old, int | float) else "another" if isinstance(old, str | None) else []
        (copied / "config.json").write_text(json.dumps(edited))
        refuses(lambda: read_config(copied), "config.json says", path[-1], "but the run was solved with")
    edited = json.loads(json.dumps(config))
    edited["parameters"]["discount_factor"] = 0.95
    (copied / "config.json").write_text(json.dumps(edited))
    refuses(lambda: load_run(copied), "discount_factor = 0.95, but the run was solved with 0.99")
    del edited["parameters"]["depreciation"]
    edited["more"] = 1
    (copied / "config.json").write_text(json.dumps(edited))
    refuses(lambda: load_run(copied), "nothing of depreciation", "more = 1")


def test_more_updates_do_not_resume(copied, refuses):
    manifest = read_manifest(copied)
    write_manifest(copied, {**manifest, "ended": None})
    config = {**manifest["config"], "method": {**manifest["config"]["method"], "updates": 400}}
    (copied / "config.json").write_text(json.dumps(config))
    refuses(lambda: solve_run("krusell_smith", copied, resume=True), "method.updates = 400", "solved with 4")


def test_a_policy_that_was_edited_is_refused(copied, refuses):
    """The arrays alone, written by NumPy: no seal; and a seal that fits, of another run."""
    path = copied / "checkpoint" / "latest.npz"
    arrays = dict(np.load(path))
    arrays["leaf_0003"] = arrays["leaf_0003"] + 1
    np.savez(path, **arrays)
    manifest = read_manifest(copied)
    files = {name: digest for name, digest in manifest["files"].items() if "checkpoint" not in name}
    write_manifest(copied, {**manifest, "ended": None, "files": files})
    (copied / "config.json").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refuses(lambda: solve_run("krusell_smith", copied, resume=True), "latest.npz is damaged", "another program")


def test_a_run_of_an_earlier_version_is_read_with_a_note(copied, refuses):
    (copied / "manifest.json").unlink()
    for name in LOST:
        np.savez(copied / name, **{k: v for k, v in np.load(copied / name).items() if not k.startswith("text/")})
    _, said = quietly(copied)
    assert len(said) == 1 and "without checksums" in said[0]
    for name in LOST:
        whole = (copied / name).read_bytes()
        cut(copied / name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refuses(lambda: load_run(copied), f"{name} is damaged")
        (copied / name).write_bytes(whole)


@pytest.fixture
def own(solved_run, tmp_path, monkeypatch) -> Path:
    """The tiny run as if it had been solved from a file of the user's own."""
    folder = Path(shutil.copytree(solved_run.folder, tmp_path / "own"))
    shutil.copy(ROOT / "models" / "krusell_smith.py", folder / "model.py")
    old = read_manifest(folder)
    model = load_model(folder / "model.py", **old["config"]["parameters"])
    manifest = begin(folder, old["config"], model, ["steady_state.npz", "model.py"])
    manifest["ended"], solution = old["ended"], solved_run.solution
    save_checkpoint(folder, solution.training(), solution.history, manifest, (folder / "metrics.jsonl").read_text())
    finish(folder, manifest)
    return folder


def test_an_edited_model_file_is_named(own, refuses):
    assert quietly(own)[1] == []
    text = (own / "model.py").read_text()
    (own / "model.py").write_text(text + "\n# a comment\n")
    refuses(lambda: load_run(own), "model.py is not what was written")
    edited, parameters = own.parent / "edited.py", read_manifest(own)["config"]["parameters"]
    edited.write_text(text.replace("assets + ", "1.01 * assets + ", 1))
    model = load_model(edited, **parameters)
    refuses(lambda: load_run(own, model), "resources() of KrusellSmith differs from when", "solve again")
    edited.write_text("# a comment first\n\n" + text.replace("    def prices", "\n    # another\n    def prices"))
    assert load_run(own, type(load_model(edited, **parameters)))


def test_a_class_of_the_same_name_is_not_the_same(copied, refuses):
    """Typed in a session, without a file."""

    class KrusellSmith(type(load_model("krusell_smith"))):
        """Another economy."""

        def preferences(self):
            """Of other people."""
            return hm.CRRA(risk_aversion=3.0)

    refuses(lambda: load_run(copied, KrusellSmith), "preferences() of KrusellSmith differs")


def test_python_from_elsewhere_is_not_run_unasked(own, refuses, command, monkeypatch):
    moved = own.rename(own.parent / "moved")
    (moved / "ran").unlink(missing_ok=True)
    refuses(lambda: load_run(moved), "model.py is Python", "solved elsewhere", str(own), f"hank-mfg trust {moved}")
    assert command("trust", moved).out == f"{moved / 'model.py'} may be run.\n"
    assert quietly(moved)[1] == []
    assert trust_run(moved) == moved / "model.py"


def test_tables_that_changed_are_not_read(copied, solved_run):
    """evaluation.json is used again only as it was written; a table that somebody edited is said."""

    @into_run
    def write(solution, folder):
        text = json.dumps({"periods": 7, "seed": 1})
        return [write_text(folder / name, text) for name in ("evaluation.json", "a.csv")]

    write(None, copied)
    assert report._recorded_evaluation(copied, 7, 1) == {"periods": 7, "seed": 1}
    (copied / "evaluation.json").write_text(json.dumps({"periods": 7, "seed": 1, "gain": 0}))
    (copied / "a.csv").unlink()
    _, said = quietly(copied)
    assert len(said) == 1 and "evaluation.json changed" in said[0] and "a.csv missing" in said[0]
    with pytest.warns(UserWarning, match="measured again"):
        assert report._recorded_evaluation(copied, 7, 1) is None
    write(None, copied)
    assert quietly(copied)[1] == []


def test_one_writer_at_a_time(tmp_path, refuses):
    """A child process holds the lock; when it is killed the lock is free, whatever file is left."""
    text = (
        "import fcntl, json, os, sys; f = open('.lock', 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
        "json.dump({'pid': os.getpid(), 'host': 'here'}, f); f.flush(); print(); sys.stdout.flush(); input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", text], cwd=tmp_path, **pipes) as child:
        child.stdout.readline()
        refuses(lambda: writing(tmp_path).__enter__(), f"is being written by process {child.pid} on here")
        child.kill()
    assert (tmp_path / ".lock").exists()
    with writing(tmp_path), writing(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock").exists()


def test_without_locks_of_the_file_system_process_ids_decide(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_flock", lambda file: None)
    (tmp_path / ".lock").write_text(json.dumps({"pid": 2**22 + 1, "host": socket.gethostname()}))
    with writing(tmp_path):
        pass
    for owner in ({"pid": 1, "host": socket.gethostname()}, {"pid": 1, "host": "another"}):
        (tmp_path / ".lock").write_text(json.dumps(owner))
        with pytest.raises(LockedError, match=r"process 1 on .*delete"), writing(tmp_path):
            pass


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    write_text(tmp_path / "a.txt", "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WriteError) as caught:
        write_text(tmp_path / "a.txt", "new")
    assert f"{tmp_path / 'a.txt'} could not be written (No space left on device): free some" in str(caught.value)
    assert (tmp_path / "a.txt").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_log_is_rebuilt_where_it_is_read(copied):
    before = read_metrics(copied)
    cut(copied / "metrics.jsonl")
    with pytest.warns(UserWarning, match=r"metrics.jsonl .* rebuilt from checkpoint"):
        assert read_metrics(copied) == before
