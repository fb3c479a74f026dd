"""Common to all run folders: configuration, log, checkpoint; complete files or none.

    config.json            what was solved and how, seed, versions, device, status, timings
    manifest.json          checksums and fingerprints of all that (manifest.py)
    metrics.jsonl          one line per logged group of updates
    checkpoint/latest.npz  training state, history, log and manifest, sealed, replaced atomically; a killed run resumes

Every file is written to a temporary name and renamed, so a reader never sees half of one.
"""

import contextlib
import json
import platform
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.files import WriteError, refused, write_bytes, write_text
from hank_mfg.model.moved import modern
from hank_mfg.precision import float64_allowed
from hank_mfg.runs.manifest import (
    CHECKPOINT,
    CURE,
    METRICS,
    Manifest,
    RunError,
    check_files,
    check_log,
    checked_config,
    holds_run,
    identity,
    read_manifest,
)
from hank_mfg.runs.seal import DamagedError, pack, read

PACKAGES = ("hank-mfg", "jax", "jaxlib", "equinox", "optax", "numpy", "scipy")
UNFINISHED = "UNFINISHED"
History = dict[str, np.ndarray]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def require_free(folder: str | Path) -> None:
    """Raise RunError when the folder already holds a run, which a new one must not overwrite, or cannot be made."""
    if holds_run(folder):
        raise RunError(f"{folder} already holds a run: choose another --out, delete it, or continue it with --resume.")
    require_place(folder)


def require_place(folder: str | Path) -> None:
    """Raise RunError where a folder is not there and cannot be made; nothing is left behind."""
    missing = [each for each in (Path(folder), *Path(folder).parents) if not each.exists()]
    try:
        for each in missing[-1:]:  # the first that is missing is made and taken away again
            each.mkdir()
            each.rmdir()
    except OSError as error:
        raise RunError(f"{folder} cannot be made ({error.strerror}): choose another --out.") from error


def read_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a run. Raises RunError when the folder holds none or config.json was changed.

    The settings of the method have the names of today, whatever they were called when the run was made.
    """
    config = checked_config(folder)
    kind, place = (config["method"], "settings") if "game" in config else ("RSPG", "method")
    return {**config, place: modern(kind, config[place])} if place in config else config


def unfinished_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a run that can be continued. Raises RunError when there is none or its training ended."""
    config = read_config(folder)
    if config["status"] != UNFINISHED:
        raise RunError(f"{folder} holds a finished run ({config['status'].lower()}): there is nothing to resume.")
    return config


def how_to_continue(folder: str | Path) -> str:
    """The sentence after an interrupted solve."""
    if not holds_run(folder):
        return "nothing was saved yet"
    return f"continue with `hank-mfg solve --resume --out {folder}`"


def finished_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a run whose training ended. Raises RunError when there is none or it did not end."""
    config = read_config(folder)
    if config["status"] == UNFINISHED:
        raise RunError(f"{folder} holds an unfinished run: continue it with `hank-mfg solve --resume --out {folder}`.")
    return config


@contextlib.contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Say how to go on where the disk refuses a file of a run while it trains."""
    try:
        yield
    except WriteError as error:
        raise WriteError(error.errno, f"{str(error).removesuffix('.')}; {how_to_continue(folder)}.") from error


class Log:
    """Write during training: a line of metrics at every call, a checkpoint every `save_every` seconds.

    The first call saves too. `describe(history, fresh)` makes the line out of the entries `fresh` since the last one;
    `manifest` goes into every checkpoint, and so does the log, `text`, which continues that of the checkpoint.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        logged: int,
        save_every: float,
        describe: Callable[[History, slice], dict],
    ):
        self.folder, self.manifest, self.logged = folder, manifest, logged
        self.save_every, self.describe = save_every, describe
        self.saved = -float("inf")
        self.text = checkpoint_log(folder) if logged else ""
        write_text(folder / METRICS, self.text)

    def __call__(self, training: Any, history: History, **more: Any) -> None:
        """Log and, when it is time, save; `more` joins the line."""
        line = json.dumps({**self.describe(history, slice(self.logged, None)), **more}) + "\n"
        self.text += line
        with refused(self.folder / METRICS), open(self.folder / METRICS, "a") as file:
            file.write(line)
        self.logged = len(history["loss"])
        if time.monotonic() - self.saved >= self.save_every:
            save_checkpoint(self.folder, training, history, self.manifest, self.text)
            self.saved = time.monotonic()

    def end(self, training: Any, history: History, ended: dict[str, Any]) -> Manifest:
        """Write the last checkpoint and the whole log; returns the manifest with how training `ended`."""
        manifest = {**self.manifest, "ended": ended}
        save_checkpoint(self.folder, training, history, manifest, self.text)
        write_text(self.folder / METRICS, self.text)
        return manifest


def read_metrics(folder: str | Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; none where there is no such file. A finished run's is rebuilt where it was lost."""
    folder = Path(folder)
    check_log(folder)
    path = folder / METRICS
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def has_checkpoint(folder: Path) -> bool:
    """Whether training has been saved."""
    return (folder / CHECKPOINT).exists()


def save_checkpoint(folder: Path, training: Any, history: History, manifest: Manifest, log: str) -> None:
    """Write training state, history, manifest and log as one sealed file, atomically."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(training, eqx.is_array))]
    arrays = {f"leaf_{position:04d}": leaf for position, leaf in enumerate(leaves)}
    content = pack(
        {**arrays, **{f"history/{k}": v for k, v in history.items()}},
        {"manifest": json.dumps(manifest), "metrics": log},
    )
    write_bytes(folder / CHECKPOINT, content)


def checkpoint_log(folder: Path) -> str:
    """The log as it was when the checkpoint was written."""
    texts = read(folder / CHECKPOINT, sealed=False)[1]
    if "metrics" in texts:
        return texts["metrics"]
    return (folder / METRICS).read_text() if (folder / METRICS).exists() else ""


@float64_allowed
def read_checkpoint(folder: Path, blank: Callable[[], Any]) -> tuple[Any, History]:
    """Read what `save_checkpoint` wrote into the training state that `blank()` makes, of the same shapes.

    Raises RunError when there is none, when it is damaged, and when it belongs to another run or other settings.
    """
    path, manifest = Path(folder) / CHECKPOINT, read_manifest(folder)
    try:
        data, texts = read(path, sealed=manifest is not None)
    except DamagedError as error:
        raise RunError(f"{error}: {CURE}.") from error
    if manifest is not None and identity(json.loads(texts["manifest"])) != identity(manifest):
        raise RunError(f"{path} belongs to another run than {folder}/manifest.json: {CURE}.")
    history = {name.partition("/")[2]: data.pop(name) for name in list(data) if name.startswith("history/")}
    training = blank()
    expected = [leaf for leaf in jax.tree.leaves(training) if eqx.is_array(leaf)]
    leaves = [data[name] for name in sorted(data)]
    if [(w.shape, w.dtype) for w in expected] != [(x.shape, x.dtype) for x in leaves]:
        raise RunError(f"{path} does not fit the model and settings in config.json: solve again into a new folder.")
    remaining = iter(leaves)
    return jax.tree.map(lambda leaf: jnp.asarray(next(remaining)) if eqx.is_array(leaf) else leaf, training), history


def verify(folder: Path, leave_out: tuple[str, ...] = ()) -> Manifest | None:
    """The manifest of a run after its files were compared with it; None for a run of an earlier version.

    Raises RunError naming the file that is not what was written.
    """
    manifest = read_manifest(folder)
    if manifest is not None:
        check_files(folder, manifest, leave_out)
    return manifest


def remove_temporary(folder: Path) -> None:
    """Remove what writes that were cut off left behind; only for the one process that writes into the folder."""
    for path in (*folder.glob(".*.tmp"), *folder.glob("checkpoint/.*.tmp")):
        path.unlink(missing_ok=True)
