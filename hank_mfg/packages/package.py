"""Make a replication package of runs: models, run folders, reference numbers, software and a README, in one folder.

The folder is built beside its place under a temporary name and renamed, so that it appears whole or not at all. Making
it runs the quick mode once, from the package's own model files; its numbers are what `check_package` compares with.
"""

import json
import os
import platform
import shutil
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hank_mfg.files import refused, write_text
from hank_mfg.model.base import Model
from hank_mfg.model.gallery import calibration_table
from hank_mfg.packages.checksums import CHECKSUMS, checksums_text
from hank_mfg.packages.commands import Command, commands_of
from hank_mfg.packages.facts import facts_of, machine_here, reads_files, recorded_versions, size_of
from hank_mfg.packages.member import (
    DATA,
    MODELS,
    REFERENCE,
    RUNS,
    Member,
    calibration_entries,
    calibration_source,
    choices_of,
    model_files,
    read_members,
    require_rebuilt,
)
from hank_mfg.packages.numbers import Numbers, numbers_of, to_csv
from hank_mfg.packages.readme import Contents, readme_text, run_all_text, template
from hank_mfg.packages.rerun import Entry, entry_of, with_quick
from hank_mfg.packages.software import library_files, license_text, lock_text
from hank_mfg.progress import telling
from hank_mfg.runs.kinds import GAME, STATIONARY
from hank_mfg.runs.manifest import CHECKPOINT, CONFIG, EQUILIBRIUM, MANIFEST, METRICS, RunError
from hank_mfg.runs.storage import require_place, versions

FORMAT = 1
PACKAGE = "package.json"
OF_A_RUN = (CONFIG, MANIFEST, METRICS, CHECKPOINT, EQUILIBRIUM, "model.py", "game.py")


def package(
    runs: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    data: Sequence[str | Path] = (),
    verbose: bool | None = None,
) -> Path:
    """Make a replication package of one run folder or several, of any kind, in the new folder `out`.

    README.md follows the template of the social science data editors and holds what the runs recorded: versions,
    seeds, seconds, the command for every table and figure; what is not known it says is not. `data` are files to put
    into data/. The quick mode, a few updates on small grids in float64, is run once; `check_package` repeats it.

    Returns the folder. Raises RunError where `out` is there and not empty; for a folder without a run, with a damaged
    or unfinished one, or with files that are not what the run wrote; for a model file that has changed; for two runs
    with one name. OSError where the disk refuses; nothing is left behind.
    """
    out = Path(out)
    _require_new(out)
    files = _data_files(data)
    members = read_members([runs] if isinstance(runs, str | Path) else runs)
    building = out.resolve().with_name(f".{out.name}.{uuid.uuid4().hex}.tmp")
    try:
        with refused(out), telling("package", verbose) as lines:
            building.mkdir(parents=True)
            _fill(building, members, files, lines)
            if out.exists():
                out.rmdir()
            os.replace(building, out)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return out


def _require_new(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        what = "is a file" if out.is_file() else "is not empty"
        raise RunError(f"out = {out} {what}: name a new folder for the package, or delete that one first.")
    require_place(out)


def _data_files(data: Sequence[str | Path]) -> dict[str, Path]:
    """The data files by name. Raises RunError for one that is not there, and for two with one name."""
    found: dict[str, Path] = {}
    for path in map(Path, data):
        if not path.is_file():
            raise RunError(f"data = {path} is no file: give the paths of files, one by one.")
        if path.name in found:
            raise RunError(f"data has {found[path.name]} and {path}, both called {path.name}: rename one of them.")
        found[path.name] = path
    return found


def _fill(folder: Path, members: list[Member], data: dict[str, Path], lines: Any) -> None:
    """Write everything into an empty folder."""
    lines.step("models and runs")
    models = {member.name: _write_model(folder, member) for member in members}
    for member in members:
        _copy_run(folder, member)
    for name, path in data.items():
        _copy(path, folder / DATA / name)
    for name, path in library_files().items():
        _copy(path, folder / "software" / name)
    write_text(folder / "software" / "LICENSE", license_text())
    commands = {member.name: commands_of(member, models[member.name]) for member in members}
    entries, count, full_count = [], 0, 0
    scratch = folder.with_name(f"{folder.name}.scratch")
    began = time.perf_counter()
    for member in members:
        lines.step(f"numbers of {member.name}, and its quick mode")
        full = numbers_of(member.kind, member.solved, member.folder, quick=False)
        try:
            entry, quick = _quick(member, folder, models[member.name], scratch / member.name)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        entries.append(entry)
        _write_numbers(folder, member.name, full, quick)
        count, full_count = count + len(quick), full_count + len(full)
    lines.step("README and checksums")
    measured = {"seconds": time.perf_counter() - began, "count": count, "full_count": full_count}
    _write_texts(folder, _contents(folder, members, commands, models, list(data), measured), entries)


def _quick(member: Member, folder: Path, model: str, scratch: Path) -> tuple[Entry, Numbers]:
    try:
        return with_quick(entry_of(member, model, choices_of(member)), folder, scratch)
    except (ValueError, RuntimeError) as error:
        raise RunError(f"{member.folder} cannot be made again from its own model file: {error}") from error


def _write_model(folder: Path, member: Member) -> str:
    """Write the model file and calibration of a run; the path that commands are given, or the name of a game."""
    texts = model_files(member)
    if not texts:
        return member.source
    place = f"{MODELS}/{member.name}"
    paths = [write_text(folder / place / name, text) for name, text in texts.items()]
    if member.kind != GAME:
        require_rebuilt(member, paths[-1], choices_of(member))
    return f"{place}/{paths[-1].name}"


def _copy_run(folder: Path, member: Member) -> None:
    """Copy the files of a run, none that are not its own."""
    for name in (*OF_A_RUN, *member.results):
        if (member.folder / name).is_file():
            _copy(member.folder / name, folder / RUNS / member.name / name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write_numbers(folder: Path, name: str, full: Numbers, quick: Numbers) -> None:
    write_text(folder / REFERENCE / f"{name}.csv", to_csv(full))
    write_text(folder / REFERENCE / f"{name}_quick.csv", to_csv(quick))


def _parameters(member: Member) -> list[dict[str, Any]]:
    """A row for every parameter of an economy, as the README shows it."""
    if member.kind == GAME:
        return []
    model: Model = member.solved.economy.model if member.kind == STATIONARY else member.solved.model
    known, header = calibration_entries(member), calibration_source(member)
    return [
        {**row, "value": member.config["parameters"].get(row["name"], row["value"]), "header": header,
         **known.get(row["name"], {"source": "choice of the model"})}
        for row in calibration_table(model)
    ]  # fmt: skip


def _contents(
    folder: Path,
    members: list[Member],
    commands: dict[str, list[Command]],
    models: dict[str, str],
    data: list[str],
    quick: dict[str, Any],
) -> Contents:
    own = {f"{MODELS}/{member.name}/{name}": text for member in members for name, text in model_files(member).items()}
    readers = {name: reads_files(text) for name, text in own.items() if name.endswith(".py")}
    recorded, here = recorded_versions(members), versions()
    pythons = recorded.get("python", set())
    return Contents(
        members, commands, models, {member.name: facts_of(member) for member in members},
        {member.name: _parameters(member) for member in members}, data,
        {name: calls for name, calls in readers.items() if calls}, recorded, machine_here(),
        "/".join(sorted(recorded.get("hank-mfg", {here["hank-mfg"]}))),
        min(pythons) if len(pythons) == 1 else platform.python_version(), size_of(folder),
        size_of(folder / RUNS), quick,
    )  # fmt: skip


def _write_texts(folder: Path, contents: Contents, entries: list[Entry]) -> None:
    """README, scripts, lock, license, citation, package.json; the checksums of all files last."""
    accelerator = any(facts.device and not facts.device.startswith("cpu") for facts in contents.facts.values())
    described = {
        "format": FORMAT, "made_with": versions(), "recorded": {k: sorted(v) for k, v in contents.versions.items()},
        "machine": contents.machine, "runs": entries,
    }  # fmt: skip
    texts = {
        "README.md": readme_text(contents),
        "run_all.sh": run_all_text(contents.commands),
        "requirements.lock": lock_text(contents.versions, accelerator),
        "Dockerfile": template("Dockerfile", {"python": contents.python}),
        "CITATION.cff": template("CITATION.cff", {"version": contents.version}),
        "LICENSE": license_text(),
        PACKAGE: json.dumps(described, indent=2) + "\n",
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    write_text(folder / CHECKSUMS, checksums_text(folder))
