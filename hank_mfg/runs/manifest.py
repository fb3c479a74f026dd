"""manifest.json: what a run folder holds, and whether it still is what was written.

    config     what was solved and how, the truth of which config.json is a copy for readers
    equations  the fingerprint of the model or game (fingerprint.py)
    place      folder, user and host where the run was solved; `trusted` places where its Python may be run, too
    files      SHA-256 of every file that is not written again: the stationary equilibrium, a copied model file, and,
               when training has ended, checkpoint and log
    ended      status, device and timings when training has ended, else null
    results    SHA-256 of tables and figures, which can be made again

The manifest carries its own checksum. It is replaced atomically when training begins, before config.json, and when it
has ended, after the last checkpoint. In between checkpoints follow each other, each sealed (seal.py) and with a copy of
the manifest, from which a lost one is rebuilt; config.json is rebuilt from the manifest and metrics.jsonl from the
checkpoint. What cannot be rebuilt is named, and nothing is read from it.
"""

import functools
import getpass
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from hank_mfg.errors import warn_user
from hank_mfg.files import write_text
from hank_mfg.model.fingerprint import Fingerprint, differences, fingerprint, incomparable
from hank_mfg.runs.lock import writing
from hank_mfg.runs.seal import DamagedError, checksum, read

MANIFEST, CONFIG, METRICS, CHECKPOINT = "manifest.json", "config.json", "metrics.jsonl", "checkpoint/latest.npz"
EQUILIBRIUM, STATIONARY = "steady_state.npz", "stationary"  # its file; the kind of a run that holds nothing else
FORMAT = 2  # 1 for runs that are trained, which earlier versions read too; 2 for stationary equilibria
CURE = "solve again into a new folder, or copy the file from where it is whole"

Manifest = dict[str, Any]


class RunError(DamagedError):
    """A run folder that cannot be read or continued; the message says what is missing and what to do."""


def place(file: str | Path | None = None) -> dict[str, str]:
    """Whose a file is, or what this process writes, and on which host: who runs what it says should know."""
    try:
        user = Path(file).owner() if file is not None else getpass.getuser()
    except (OSError, KeyError, NotImplementedError):  # no such file, or a user without a name
        user = "an unknown user"
    return {"user": user, "host": socket.gethostname()}


def begin(folder: Path, config: Mapping[str, Any], declared: Any, files: Iterable[str]) -> Manifest:
    """Write the manifest and then config.json of a run whose training begins; `files` are there already."""
    return begin_with(folder, new_manifest(folder, config, declared, files), [])


def new_manifest(folder: Path, config: Mapping[str, Any], declared: Any, files: Iterable[str]) -> Manifest:
    """The manifest of a new run, not written yet; `files` are there already."""
    return {
        "format": FORMAT if config.get("kind") == STATIONARY else 1,
        "config": _plain(config),
        "equations": fingerprint(declared),
        "place": {"folder": str(folder.resolve()), **place()},
        "trusted": [],
        "files": _checksums(folder, files),
        "ended": None,
        "results": {},
    }


def begin_with(folder: Path, manifest: Manifest, files: Iterable[str]) -> Manifest:
    """Write a manifest, with the checksums of more `files` that are there, and then config.json."""
    manifest = {**manifest, "files": {**manifest["files"], **_checksums(folder, files)}}
    write_manifest(folder, manifest)
    write_json(folder / CONFIG, manifest["config"])
    return manifest


def _checksums(folder: Path, files: Iterable[str]) -> dict[str, str]:
    return {name: checksum((folder / name).read_bytes()) for name in files}


def finish(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, which has `ended`, and then config.json of a run whose training has ended."""
    manifest = {**manifest, "files": {**manifest["files"], **_checksums(folder, (CHECKPOINT, METRICS))}}
    write_manifest(folder, manifest)
    write_json(folder / CONFIG, full_config(manifest))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest with its own checksum."""
    content = {name: value for name, value in manifest.items() if name != "checksum"}
    write_json(folder / MANIFEST, {**content, "checksum": checksum(_canonical(content).encode())})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write one JSON object, complete or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def full_config(manifest: Manifest) -> dict[str, Any]:
    """The content of config.json: how training was begun and, when it has, how it ended."""
    return {**manifest["config"], **(manifest["ended"] or {})}


def identity(manifest: Manifest) -> str:
    """A digest of what does not change in the course of a run."""
    fixed = {name: manifest[name] for name in ("format", "config", "equations", "place")}
    return checksum(_canonical(fixed).encode())


def _plain(content: Any) -> Any:
    return json.loads(json.dumps(content))


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True)


def holds_run(folder: str | Path) -> bool:
    """Whether a folder holds a run, finished or not, damaged or not."""
    return any((Path(folder) / name).exists() for name in (CONFIG, MANIFEST, CHECKPOINT))


def read_manifest(folder: str | Path) -> Manifest | None:
    """The manifest of a run, rebuilt where it is lost from the checkpoint, or from the equilibrium of a stationary run;
    None for a run of an earlier version.

    Raises RunError where it is damaged and cannot be rebuilt.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.exists():
        problem = f"{path} is missing"
    else:
        content = _json_of(path)
        if content is not None and isinstance(content.get("format"), int) and content["format"] > FORMAT:
            raise RunError(f"{path} has format {content['format']}, of a later version: this one reads up to {FORMAT}.")
        stated = content.pop("checksum", None) if content is not None else None
        if content is not None and stated == checksum(_canonical(content).encode()):
            return content
        problem = f"{path} is damaged"
    source, manifest = CHECKPOINT, _carried(folder, CHECKPOINT)
    if manifest is None:
        source, manifest = EQUILIBRIUM, _carried(folder, EQUILIBRIUM)
    if manifest is None:
        if not path.exists():
            return None
        raise RunError(f"{problem} and no checkpoint is there to rebuild it from: {CURE}.")
    write_manifest(folder, manifest)
    warn_user(f"{problem}: rebuilt from {source}.")
    return manifest


def _json_of(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _carried(folder: Path, file: str) -> Manifest | None:
    """The manifest that the checkpoint, or the equilibrium of a stationary run, carries; None where there is no whole
    one."""
    try:
        texts = read(folder / file, sealed=True)[1]
    except DamagedError:
        return None
    manifest = json.loads(texts.get("manifest", "null"))
    if manifest is None or (file == CHECKPOINT and manifest["ended"] is None):
        return manifest
    logs = {METRICS: checksum(texts["metrics"].encode())} if file == CHECKPOINT else {}
    return {**manifest, "files": {**manifest["files"], **_checksums(folder, [file]), **logs}}


def checked_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a run. Raises RunError where there is none, and where config.json says anything else.

    A config.json that is lost or unreadable is rebuilt from the manifest, with a warning.
    """
    folder = Path(folder)
    if not holds_run(folder):
        raise RunError(f"{folder} holds no run (no {CONFIG}): make one with `hank-mfg solve MODEL --out {folder}`.")
    manifest, path = read_manifest(folder), folder / CONFIG
    found = _json_of(path)
    if manifest is None:
        if found is None or not {"status"} <= found.keys() or not {"model", "game"} & found.keys():
            raise RunError(
                f"{path} is {'damaged' if path.exists() else 'missing'}, and there is no {MANIFEST}: {CURE}."
            )
        return found
    expected = full_config(manifest)
    if found is None:
        problem = "missing" if not path.exists() else "damaged"
        write_json(path, expected)
        warn_user(f"{path} was {problem}: rebuilt from {MANIFEST}.")
        return expected
    if found == manifest["config"] and manifest["ended"] is not None:  # killed just before its last line was written
        write_json(path, expected)
        return expected
    changed = _changes(found, expected)
    if changed:
        raise RunError(
            f"{path} says {'; '.join(changed[:4])}{'; ...' if len(changed) > 4 else ''}: put that back, delete the "
            "file, which is then rebuilt, or solve again into a new folder."
        )
    return expected


def _changes(found: Any, expected: Any, name: str = "") -> list[str]:
    """Differences between two JSON values, as "name = found, but the run was solved with expected"."""
    if isinstance(found, dict) and isinstance(expected, dict):
        names = [*expected, *(each for each in found if each not in expected)]
        missing = object()
        pairs = [(each, found.get(each, missing), expected.get(each, missing)) for each in names]
        parts = []
        for each, one, other in pairs:
            whole = f"{name}.{each}" if name and name != "parameters" else each
            if one is missing:
                parts.append(f"nothing of {whole}, but the run was solved with {_short(other)}")
            elif other is missing:
                parts.append(f"{whole} = {_short(one)}, of which the run knows nothing")
            else:
                parts += _changes(one, other, whole)
        return parts
    if _canonical(found) == _canonical(expected):
        return []
    return [f"{name} = {_short(found)}, but the run was solved with {_short(expected)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_files(folder: Path, manifest: Manifest, leave_out: tuple[str, ...] = ()) -> None:
    """Raise RunError unless every file of a run is what was written; a lost log is rebuilt from the checkpoint.

    Warns where tables or figures have changed since they were written.
    """
    for name, expected in manifest["files"].items():
        path = folder / name
        if name in leave_out or (path.is_file() and checksum(path.read_bytes()) == expected):
            continue
        problem = "is missing" if not path.is_file() else "is not what was written: it is damaged or was edited"
        if name == METRICS:
            write_text(path, read(folder / CHECKPOINT, sealed=True)[1]["metrics"])
            warn_user(f"{path} {problem}: rebuilt from {CHECKPOINT}.")
            continue
        raise RunError(f"{path} {problem}: {CURE}.")
    _check_results(folder, manifest)


def _check_results(folder: Path, manifest: Manifest) -> None:
    lost = [name for name in manifest["results"] if not (folder / name).is_file()]
    changed = [name for name in manifest["results"] if name not in lost and not is_recorded(folder, name, manifest)]
    parts = [
        f"{', '.join(names)} {what}" for names, what in ((changed, "changed since written"), (lost, "missing")) if names
    ]
    if parts:
        warn_user(
            f"{folder}: {'; '.join(parts)}; nothing is read from these, and `hank-mfg report {folder}` makes them "
            "again."
        )


def check_log(folder: Path) -> None:
    """Rebuild a lost log of a finished run from its checkpoint, with a warning."""
    manifest = read_manifest(folder)
    if manifest is not None and manifest["ended"] is not None:
        check_files(folder, {**manifest, "files": {METRICS: manifest["files"][METRICS]}, "results": {}})


def check_equations(folder: Path, manifest: Manifest | None, declared: Any) -> None:
    """Raise RunError, naming them, where the equations of a model or game are not those that were solved."""
    if manifest is None:
        return
    before: Fingerprint = manifest["equations"]
    now = fingerprint(declared)
    name = type(declared).__name__
    if changed := differences(before, now):
        differ = "differs" if len(changed) == 1 else "differ"
        raise RunError(
            f"{', '.join(changed)} of {name} {differ} from when {folder} was solved: put the equations back, pass the "
            "class as it was, or solve again into a new folder."
        )
    if unknown := incomparable(before, now):
        warn_user(
            f"{', '.join(unknown)} of {name} cannot be compared with what {folder} was solved with: it was typed in a "
            "session under another version of Python."
        )


def note_unverified(folder: Path, file: str) -> None:
    """Warn that a run of an earlier version has no checksums, and that its own file, if it has one, is run."""
    own = f", and {file}, which is Python, is run as it is" if (folder / file).exists() else ""
    warn_user(f"{folder} was written by an earlier version, without checksums: what it holds cannot be verified{own}.")


def require_trusted(folder: Path, manifest: Manifest | None, file: str) -> None:
    """Raise RunError where reading a run would execute a Python file that was brought here from elsewhere."""
    if manifest is None:
        return
    solved = manifest["place"]
    here = {"folder": str(folder.resolve()), "host": socket.gethostname()}
    if not any(all(each[name] == here[name] for name in here) for each in (solved, *manifest["trusted"])):
        raise RunError(
            f"{folder / file} is Python, which reading this run would execute, and the run was solved elsewhere: by "
            f"{solved['user']} on {solved['host']} in {solved['folder']}; read the file and allow it with "
            f"`hank-mfg trust {folder}`, or pass the class, model=CLASS."
        )


def trust_run(folder: str | Path) -> Path | None:
    """Allow the Python file in a run folder, which was solved elsewhere, to be run where the folder is now.

    Returns the path of the file; None where the run has no file of its own. Raises RunError for a folder without a run.
    """
    folder = Path(folder)
    checked_config(folder)
    manifest = read_manifest(folder)
    own = [folder / name for name in ("model.py", "game.py") if (folder / name).exists()]
    if manifest is not None and own:
        with writing(folder):
            here = {"folder": str(folder.resolve()), **place()}
            write_manifest(folder, {**manifest, "trusted": [*manifest["trusted"], here]})
    return own[0] if own else None


def record(folder: str | Path, paths: Iterable[str | Path]) -> None:
    """Enter tables and figures that were written into a run folder into its manifest; nothing where there is none."""
    folder = Path(folder)
    if not (folder / MANIFEST).exists():
        return
    with writing(folder, wait=30.0):
        manifest = read_manifest(folder)
        if manifest is None:
            return
        inside = [Path(path) for path in paths if Path(path).resolve().is_relative_to(folder.resolve())]
        fresh = {path.resolve().relative_to(folder.resolve()).as_posix(): path for path in inside}
        results = {name: checksum(path.read_bytes()) for name, path in fresh.items()}
        write_manifest(folder, {**manifest, "results": {**manifest["results"], **results}})


Given = ParamSpec("Given")
Made = TypeVar("Made", bound="list[Path] | tuple[Any, list[Path]]")


def into_run(write: Callable[Given, Made]) -> Callable[Given, Made]:
    """A function (what, folder, ...) that writes files, as the only writer of its folder, with the files recorded.

    It returns the paths, or they are the second of what it returns.
    """

    @functools.wraps(write)
    def wrapped(*given: Given.args, **options: Given.kwargs) -> Made:
        folder = Path(cast(Any, given[1]))
        with writing(folder):
            made = write(*given, **options)
            record(folder, made if isinstance(made, list) else made[1])
            return made

    return wrapped


def is_recorded(folder: str | Path, name: str, manifest: Manifest | None = None) -> bool:
    """Whether a table or figure is what was written into the run; true of any where there is no manifest."""
    folder = Path(folder)
    if manifest is None and not (folder / MANIFEST).exists():
        return True
    manifest = read_manifest(folder) if manifest is None else manifest
    path = folder / name
    expected = (manifest or {"results": {}})["results"].get(name)
    return path.is_file() and expected == checksum(path.read_bytes())
