"""The run folder: everything needed to rebuild every number and figure without solving again.

    config.json            model, parameters, method, seed, period of the model, versions, device, status, timings
    model.py               a copy of the user's own model file, where there is one
    steady_state.npz       the stationary equilibrium
    metrics.jsonl          one line per logged group of updates
    checkpoint/latest.npz  training state and history, replaced atomically; a killed run resumes from it
    evaluation.json, moments.csv/.tex, irf_*.csv, figures/*.pdf and .png

Nothing is written before the stationary equilibrium is found, so a solve that fails there leaves no folder behind.
Every file is written to a temporary name and renamed, so a reader never sees half of one.
"""

import ast
import dataclasses
import io
import json
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.economy import Public, discretize
from hank_mfg.gallery import load_model, read_calibration, rebuild_model
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.precision import float64_allowed
from hank_mfg.report.latex import write_bytes, write_text
from hank_mfg.solve.solution import Solution, Status
from hank_mfg.solve.solve import HISTORY, require_aggregate_risk, solve, untrained
from hank_mfg.solve.spg import RSPG, Training
from hank_mfg.solve.steady_state import SteadyState

PACKAGES = ("hank-mfg", "jax", "jaxlib", "equinox", "optax", "quantecon", "numpy", "scipy")


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


def solve_run(
    source: str | Path | type[Model] | Model,
    folder: str | Path,
    method: RSPG | None = None,
    *,
    key: int = 0,
    overrides: dict[str, Any] | None = None,
    resume: bool = False,
    watch: Callable[[dict[str, np.ndarray]], None] | None = None,
    save_every: float = 5.0,
) -> Solution:
    """Solve a model and keep everything in `folder`.

    A checkpoint is written after the first few updates, then at most every `save_every` seconds, and at the end. With
    `resume=True` training continues from the checkpoint, or from the beginning where there is none yet, to the same
    numbers as an unbroken run on the same device; `source` is then read only where it is a class or an object, which
    the folder does not hold. Raises RunError when the folder already holds a run and `resume` is not given, or when
    there is nothing to resume.
    """
    folder = Path(folder)
    if resume:
        return _continue(folder, None if isinstance(source, str | Path) else source, watch, save_every)
    require_free(folder)
    model = load_model(source, **(overrides or {}))
    require_aggregate_risk(model)
    settings = method if method is not None else RSPG()
    calibration = read_calibration(source)
    config = {
        "model": str(source) if isinstance(source, str | Path) else type(model).__name__,
        "parameters": {name: np.asarray(value).tolist() for name, value in model.parameters().items()},
        "other_fields": _other_fields(model),
        "method": dataclasses.asdict(settings),
        "seed": key,
        "period": calibration.period if calibration is not None else "",
        "versions": versions(),
        "status": Status.UNFINISHED.name,
    }
    text = Path(source).read_text() if isinstance(source, str | Path) and str(source).endswith(".py") else None
    return _train(_Job(folder, model, settings, config, save_every, watch, text), None, None)


def require_free(folder: str | Path) -> None:
    """Raise RunError when the folder already holds a run, which a new one must not overwrite."""
    if (Path(folder) / "config.json").exists():
        raise RunError(f"{folder} already holds a run: choose another --out, delete it, or continue it with --resume.")


def unfinished_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a run that can be continued. Raises RunError when there is none or its training ended."""
    config = read_config(folder)
    if config["status"] != Status.UNFINISHED.name:
        raise RunError(f"{folder} holds a finished run ({config['status'].lower()}): there is nothing to resume.")
    return config


class _Job(NamedTuple):
    """One training run: where it is kept and what it solves; `text` is the user's own model file, if there is one."""

    folder: Path
    model: Model
    settings: RSPG
    config: dict[str, Any]
    save_every: float
    watch: Callable[[dict[str, np.ndarray]], None] | None
    text: str | None = None


def _other_fields(model: Model) -> dict[str, str | None]:
    """Fields that are not parameters and not at their default, as Python literals; None for one that has no literal."""
    found = {}
    for field in dataclasses.fields(model):
        value = getattr(model, field.name)
        if field.init and field.name not in model.parameters() and value is not field.default:
            found[field.name] = repr(value) if _is_literal(value) else None
    return found


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError):
        return False


def _continue(folder: Path, given: type[Model] | Model | None, watch, save_every: float) -> Solution:
    config = unfinished_config(folder)
    job = _Job(folder, run_model(folder, config, given), RSPG(**config["method"]), config, save_every, watch)
    if not (folder / "steady_state.npz").exists():
        return _train(job, None, None)
    steady = load_steady_state(folder / "steady_state.npz", job.model)
    if not (folder / "checkpoint" / "latest.npz").exists():
        return _train(job, steady, None)
    return _train(job, steady, load_checkpoint(folder, job.model, job.settings, steady, config["seed"]))


def _saved_steady_state(folder: Path, model: Model) -> SteadyState:
    path = Path(folder) / "steady_state.npz"
    if not path.exists():
        raise RunError(f"{folder} has lost its stationary equilibrium, {path.name}: solve again into a new folder.")
    return load_steady_state(path, model)


def _train(job: _Job, steady: SteadyState | None, start) -> Solution:
    """Train from the beginning, or from `steady` and a checkpoint `start`, keeping everything in the run folder."""
    folder, config = job.folder, job.config
    saved = -float("inf")  # so that the first call saves
    logged = len(start[1]["update"]) if start else 0

    def keep(training: Training, history: dict[str, np.ndarray]) -> None:
        nonlocal saved, logged
        fresh = slice(logged, None)
        line = {"update": int(history["update"][-1])} | {n: float(history[n][fresh].mean()) for n in HISTORY[1:]}
        with open(folder / "metrics.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")
        logged = len(history["update"])
        if time.monotonic() - saved >= job.save_every:
            save_checkpoint(folder, training, history)
            saved = time.monotonic()
        if job.watch is not None:
            job.watch(history)

    def started(steady: SteadyState) -> None:
        if job.text is not None:
            write_text(folder / "model.py", job.text)
        _write_json(folder / "config.json", config)
        if start is None:
            save_steady_state(folder / "steady_state.npz", steady)
        _trim_metrics(folder, logged)

    solution = solve(
        job.model, job.settings, key=config["seed"], steady=steady, resume=start, watch=keep, started=started
    )
    save_checkpoint(folder, solution.training(), solution.history)
    timings = {name: getattr(solution, name) for name in ("seconds_compile", "seconds_train", "seconds_total")}
    ended = {"status": solution.status.name, "device": solution.device, "updates": solution.updates}
    _write_json(folder / "config.json", {**config, **ended, **timings})
    return solution


def _trim_metrics(folder: Path, updates: int) -> None:
    """Drop the log lines after the checkpoint that a resumed run starts from, so that no update is logged twice."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if json.loads(line)["update"] <= updates]
    write_text(path, "".join(line + "\n" for line in kept))


def read_config(folder: str | Path) -> dict[str, Any]:
    """The configuration of a run. Raises RunError when the folder holds none."""
    path = Path(folder) / "config.json"
    if not path.exists():
        raise RunError(f"{folder} holds no run (no config.json): make one with `hank-mfg solve MODEL --out {folder}`.")
    return json.loads(path.read_text())


def run_model(folder: str | Path, config: dict[str, Any], model: type[Model] | Model | None = None) -> Model:
    """The model of a run, with the parameters and other fields it was solved for; `model` as for `load_run`.

    Raises RunError when a field could not be written to the folder and `model` is not an object that has it.
    """
    own = Path(folder) / "model.py"
    source = model if model is not None else (own if own.exists() else config["model"])
    others = config.get("other_fields", {})
    unknown = [name for name, written in others.items() if written is None]
    if unknown and not isinstance(source, Model):
        raise RunError(
            f"{folder} does not hold the value of {', '.join(unknown)}, which is no number or text: pass the object "
            "that was solved, load_run(folder, model=MODEL)."
        )
    values = {name: ast.literal_eval(written) for name, written in others.items() if written is not None}
    return rebuild_model(source, config["parameters"], values)


def save_steady_state(path: Path, steady: SteadyState) -> None:
    """Write a stationary equilibrium as one npz file."""
    arrays = {
        "cash": steady.policy.cash, "consumption": steady.policy.consumption, "savings": steady.savings,
        "mass": steady.mass, "residual": steady.residual, "euler_change": steady.euler_change,
        "seconds": np.array([steady.seconds_compile, steady.seconds_run]),
    }  # fmt: skip
    groups = {"shocks": steady.public.shocks, "aggregates": steady.public.aggregates, "prices": steady.public.prices}
    named = {f"{label}/{name}": value for label, group in groups.items() for name, value in group.items()}
    write_bytes(path, _pack({**arrays, **named}))


@float64_allowed
def load_steady_state(path: Path, model: Model) -> SteadyState:
    """Read what `save_steady_state` wrote."""
    with np.load(path) as file:
        data = dict(file)
    groups = {label: {} for label in ("shocks", "aggregates", "prices")}
    for name in list(data):
        label, _, quantity = name.partition("/")
        if quantity:
            groups[label][quantity] = np.float64(data.pop(name))
    economy = discretize(model, data["mass"].shape[0], jnp.float64, aggregate_risk=False)
    policy = ConsumptionFunction(jnp.asarray(data["cash"]), jnp.asarray(data["consumption"]))
    public = Public(*(Named(label, values) for label, values in groups.items()))
    return SteadyState(
        economy, policy, data["savings"], data["mass"], public, float(data["residual"]), float(data["euler_change"]),
        *(float(x) for x in data["seconds"]),
    )  # fmt: skip


def save_checkpoint(folder: Path, training: Training, history: dict[str, np.ndarray]) -> None:
    """Write training state and history as one file, atomically."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(training, eqx.is_array))]
    arrays = {f"leaf_{position:04d}": leaf for position, leaf in enumerate(leaves)}
    write_bytes(
        folder / "checkpoint" / "latest.npz", _pack({**arrays, **{f"history/{k}": v for k, v in history.items()}})
    )


@float64_allowed
def load_checkpoint(
    folder: Path, model: Model, settings: RSPG, steady: SteadyState, seed: int
) -> tuple[Training, dict[str, np.ndarray]]:
    """Read what `save_checkpoint` wrote. Raises RunError when there is none or it belongs to other settings."""
    path = Path(folder) / "checkpoint" / "latest.npz"
    if not path.exists():
        raise RunError(f"{folder} has lost its checkpoint, {path.name}: solve again into a new folder.")
    with np.load(path) as file:
        data = dict(file)
    history = {name.partition("/")[2]: data.pop(name) for name in list(data) if name.startswith("history/")}
    _, blank = untrained(model, settings, steady, seed=seed)
    wanted = [leaf for leaf in jax.tree.leaves(blank) if eqx.is_array(leaf)]
    leaves = [data[name] for name in sorted(data)]
    if [(w.shape, w.dtype) for w in wanted] != [(x.shape, x.dtype) for x in leaves]:
        raise RunError(f"{path} does not fit the model and settings in config.json: solve again into a new folder.")
    remaining = iter(leaves)
    training = jax.tree.map(lambda leaf: jnp.asarray(next(remaining)) if eqx.is_array(leaf) else leaf, blank)
    return training, history


def load_run(folder: str | Path, model: type[Model] | Model | None = None) -> Solution:
    """The solution in a run folder. `model` gives the class of a model that was not passed by name, or the object.

    Raises RunError when the folder holds no run, or one whose training did not end.
    """
    config = read_config(folder)
    if config["status"] == Status.UNFINISHED.name:
        raise RunError(f"{folder} holds an unfinished run: continue it with `hank-mfg solve --resume --out {folder}`.")
    economy = run_model(folder, config, model)
    settings, steady = RSPG(**config["method"]), _saved_steady_state(Path(folder), economy)
    training, history = load_checkpoint(Path(folder), economy, settings, steady, config["seed"])
    return Solution(
        economy, settings, steady, training.policy, training.optimizer, training.states, training.key, history,
        Status[config["status"]], config["seed"], config["device"], config["seconds_compile"], config["seconds_train"],
        config["seconds_total"],
    )  # fmt: skip


def _pack(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: np.asarray(value) for name, value in arrays.items()})
    return buffer.getvalue()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")
