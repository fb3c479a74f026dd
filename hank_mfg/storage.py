"""What every run folder has in common: configuration, log, checkpoint; complete files or none.

    config.json            what was solved and how, seed, versions, device, status, timings
    metrics.jsonl          one line per logged group of updates
    checkpoint/latest.npz  training state and history, replaced atomically; a killed run resumes from it

Every file is written to a temporary name and renamed, so a reader never sees half of one.
"""

import io
import json
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.report.latex import write_bytes, write_text

PACKAGES = ("hank-mfg", "jax", "jaxlib", "equinox", "optax", "numpy", "scipy")
UNFINISHED = "UNFINISHED"
History = dict[str, np.ndarray]


class RunError(ValueError):
    """A run folder that cannot be read or continued; the message says what is missing and what to do."""


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
    """Raise RunError when the folder already holds a run, which a new one must not overwrite."""
    if (Path(folder) / "config.json").exists():
        raise RunError(f"{folder} already holds a run: choose another --out, delete it, or continue it with --resume.")


def read_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a run. Raises RunError when the folder holds none."""
    path = Path(folder) / "config.json"
    if not path.exists():
        raise RunError(f"{folder} holds no run (no config.json): make one with `hank-mfg solve MODEL --out {folder}`.")
    return json.loads(path.read_text())


def is_game_run(folder: str | Path) -> bool:
    """Whether the run in a folder is of a game; a run of an economy has a model. Raises RunError without a run."""
    return "game" in read_config(folder)


def unfinished_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a run that can be continued. Raises RunError when there is none or its training ended."""
    config = read_config(folder)
    if config["status"] != UNFINISHED:
        raise RunError(f"{folder} holds a finished run ({config['status'].lower()}): there is nothing to resume.")
    return config


def how_to_continue(folder: str | Path) -> str:
    """What to do after an interrupted solve."""
    if not (Path(folder) / "config.json").exists():
        return "nothing was saved yet"
    return f"continue with `hank-mfg solve --resume --out {folder}`"


def finished_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a run whose training ended. Raises RunError when there is none or it did not end."""
    config = read_config(folder)
    if config["status"] == UNFINISHED:
        raise RunError(f"{folder} holds an unfinished run: continue it with `hank-mfg solve --resume --out {folder}`.")
    return config


class Log:
    """What a run writes while it trains: a line of metrics at every call, a checkpoint every `save_every` seconds.

    The first call saves too. `describe(history, fresh)` makes the line out of the entries `fresh` since the last one.
    """

    def __init__(self, folder: Path, logged: int, save_every: float, describe: Callable[[History, slice], dict]):
        self.folder, self.logged, self.save_every, self.describe = folder, logged, save_every, describe
        self.saved = -float("inf")

    def __call__(self, training: Any, history: History, **more: Any) -> None:
        """Log and, when it is time, save; `more` joins the line."""
        line = {**self.describe(history, slice(self.logged, None)), **more}
        with open(self.folder / "metrics.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")
        self.logged = len(history["loss"])
        if time.monotonic() - self.saved >= self.save_every:
            save_checkpoint(self.folder, training, history)
            self.saved = time.monotonic()


def read_metrics(folder: str | Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; none where there is no such file."""
    path = Path(folder) / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def trim_metrics(folder: Path, updates: int) -> None:
    """Drop the log lines after the checkpoint that a resumed run starts from, so that no update is logged twice."""
    kept = [line for line in read_metrics(folder) if line["update"] <= updates]
    write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in kept))


def has_checkpoint(folder: Path) -> bool:
    """Whether training has been saved."""
    return (folder / "checkpoint" / "latest.npz").exists()


def save_checkpoint(folder: Path, training: Any, history: History) -> None:
    """Write training state and history as one file, atomically."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(training, eqx.is_array))]
    arrays = {f"leaf_{position:04d}": leaf for position, leaf in enumerate(leaves)}
    write_bytes(
        folder / "checkpoint" / "latest.npz", pack({**arrays, **{f"history/{k}": v for k, v in history.items()}})
    )


def read_checkpoint(folder: Path, blank: Callable[[], Any]) -> tuple[Any, History]:
    """Read what `save_checkpoint` wrote into the training state that `blank()` makes, of the same shapes.

    Raises RunError when there is none or it belongs to other settings.
    """
    path = Path(folder) / "checkpoint" / "latest.npz"
    if not path.exists():
        raise RunError(f"{folder} has lost its checkpoint, {path.name}: solve again into a new folder.")
    with np.load(path) as file:
        data = dict(file)
    history = {name.partition("/")[2]: data.pop(name) for name in list(data) if name.startswith("history/")}
    training = blank()
    wanted = [leaf for leaf in jax.tree.leaves(training) if eqx.is_array(leaf)]
    leaves = [data[name] for name in sorted(data)]
    if [(w.shape, w.dtype) for w in wanted] != [(x.shape, x.dtype) for x in leaves]:
        raise RunError(f"{path} does not fit the model and settings in config.json: solve again into a new folder.")
    remaining = iter(leaves)
    return jax.tree.map(lambda leaf: jnp.asarray(next(remaining)) if eqx.is_array(leaf) else leaf, training), history


def pack(arrays: dict[str, Any]) -> bytes:
    """Arrays as the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: np.asarray(value) for name, value in arrays.items()})
    return buffer.getvalue()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write one JSON object, complete or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")
