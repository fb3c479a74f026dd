"""The run folder of an economy: everything needed to rebuild every number and figure without solving again.

    config.json, manifest.json, metrics.jsonl,          as in storage.py and manifest.py; config.json has the model, its
    checkpoint/latest.npz                               parameters and its period too
    model.py                                            a copy of the user's own model file, where there is one
    steady_state.npz                                    the stationary equilibrium
    evaluation.json, moments.csv/.tex, irf_*.csv, figures/*.pdf and .png

Nothing is written before the stationary equilibrium is found, so a solve that fails there leaves no folder behind.
"""

import ast
import contextlib
import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.check import check_model
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Public
from hank_mfg.files import write_bytes, write_text
from hank_mfg.model.base import Model
from hank_mfg.model.gallery import load_model, model_names, rebuild_model
from hank_mfg.model.model_files import own_text
from hank_mfg.model.named import Named
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.precision import float64_allowed
from hank_mfg.progress import saying
from hank_mfg.runs.lock import writing
from hank_mfg.runs.manifest import (
    CURE,
    EQUILIBRIUM,
    Manifest,
    begin,
    check_equations,
    finish,
    holds_run,
    note_unverified,
    read_manifest,
    require_trusted,
)
from hank_mfg.runs.resuming import require_nothing_new
from hank_mfg.runs.seal import DamagedError, pack, read
from hank_mfg.runs.storage import (
    UNFINISHED,
    Log,
    RunError,
    finished_config,
    has_checkpoint,
    read_checkpoint,
    remove_temporary,
    require_free,
    resumable,
    unfinished_config,
    verify,
    versions,
)
from hank_mfg.solve.gradient.economies import HISTORY, untrained
from hank_mfg.solve.gradient.robust import Family
from hank_mfg.solve.gradient.spg import RSPG, Training
from hank_mfg.solve.settings import changed
from hank_mfg.solve.solution import Solution
from hank_mfg.solve.solve import require_aggregate_risk, solve
from hank_mfg.solve.stationary.portfolio import PortfolioFunction
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.solve.train import Status

STEADY, OWN = EQUILIBRIUM, "model.py"


def solve_economy_run(
    source: str | Path | type[Model] | Model,
    folder: str | Path,
    method: RSPG | None = None,
    *,
    seed: int,
    overrides: dict[str, Any] | None,
    resume: bool,
    callback: Callable[[dict[str, np.ndarray]], bool | None] | None,
    save_every: float,
    family: Family | None = None,
    verbose: bool | None,
) -> Solution:
    """`solve_run` of an economy: arguments, results and errors as there (run.py)."""
    folder = Path(folder)
    if resume:
        if method is not None or overrides or family is not None:
            raise ValueError("resume=True continues a run as it was started: leave out method, overrides and family.")
        require_nothing_new(folder, source if isinstance(source, str | Path) else None, seed=seed or None)
        with saying(verbose):
            return _continue(folder, None if isinstance(source, str | Path) else source, callback, save_every)
    require_free(folder)
    model = load_model(source, **(overrides or {}))
    require_aggregate_risk(model)
    settings = method if method is not None else RSPG.for_model(model)
    config = {
        "model": str(source) if isinstance(source, str | Path) else type(model).__name__,
        "parameters": {name: np.asarray(value).tolist() for name, value in model.parameters().items()},
        "other_fields": other_fields(model),
        "method": dataclasses.asdict(settings),
        "family": None if family is None else _family_config(family),
        "seed": seed,
        "period": model.period,
        "versions": versions(),
        "status": UNFINISHED,
    }
    text = own_text(model, Model)
    with saying(verbose):
        return _train(_Job(folder, model, settings, config, save_every, callback, text, True), None, None)


@float64_allowed
def check_new_run(
    source: str, folder: Path, overrides: dict[str, Any], settings: RSPG, family: Family | None = None
) -> None:
    """Raise for whatever would stop a solve, before anything is printed or written."""
    require_free(folder)
    model = load_model(source, **overrides)
    if family is None:
        check_model(model)
    else:
        family.check(model)
    require_aggregate_risk(model)
    if family is not None:
        family.worlds(model, settings.paths, 10, settings.precision)


def resumed_settings(folder: Path) -> RSPG:
    """The settings of a run that is to be continued."""
    return RSPG(**unfinished_config(folder)["method"])


def named_method(name: str, model: Model, options: list[str] | None = None) -> RSPG:
    """The settings of "rspg" or "spg" for a model, with NAME=VALUE changes. Raises ValueError for unknown names."""
    memory = {"rspg": {}, "spg": {"memory": "none"}}
    if name not in memory:
        from hank_mfg.solve.baselines.game_settings import METHODS

        others = "; methods of games train hm.as_game(model), in Python" if name in METHODS else ""
        raise ValueError(f"--method {name}: choose one of {', '.join(memory)} for an economy{others}.")
    return changed(RSPG.for_model(model, **memory[name]), options)


def make_family(alternatives: dict[str, Any], penalty: float = 0.0) -> Family | None:
    """The model set, None where there are no alternatives. Raises ValueError for a penalty without any."""
    if not alternatives and penalty:
        raise ValueError(f"--penalty {penalty:g} needs a family: name one, --family NAME=[VALUES].")
    return Family(alternatives, penalty) if alternatives else None


def _family_config(family: Family) -> dict[str, Any]:
    alternatives = {k: [np.asarray(v).tolist() for v in values] for k, values in family.alternatives.items()}
    return {"alternatives": alternatives, "penalty": family.penalty}


def _family(config: dict[str, Any]) -> Family | None:
    return Family(**config["family"]) if config.get("family") else None


class _Job(NamedTuple):
    """One training run: where it is kept and what it solves; `text` is the user's own model file, if there is one,
    `fresh` whether the run is a new one, `manifest` that of one that is continued."""

    folder: Path
    model: Model
    settings: RSPG
    config: dict[str, Any]
    save_every: float
    callback: Callable[[dict[str, np.ndarray]], bool | None] | None
    text: str | None = None
    fresh: bool = False
    manifest: Manifest | None = None


def other_fields(model: Model) -> dict[str, str | None]:
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


def _continue(folder: Path, given: type[Model] | Model | None, callback, save_every: float) -> Solution:
    if not holds_run(folder):
        raise RunError(f"{folder} holds no run to continue: begin one with `hank-mfg solve MODEL --out {folder}`.")
    with writing(folder):
        config = unfinished_config(folder)
        manifest = verify(folder, ("model.py",) if given is not None else ())
        model = run_model(folder, config, given)
        job = _Job(folder, model, RSPG(**config["method"]), config, save_every, callback, manifest=manifest)
        if not (folder / STEADY).exists():  # of an earlier version, cut off before it was found
            return _train(job, None, None)
        steady = load_steady_state(folder / STEADY, model)
        if not has_checkpoint(folder):
            return _train(job, steady, None)
        return _train(job, steady, read_checkpoint(folder, partial(_blank, model, job.settings, steady, config)))


def _train(job: _Job, steady: SteadyState | None, start) -> Solution:
    """Train from the beginning, or from `steady` and a checkpoint `start`, keeping everything in the run folder."""
    folder, config, logs = job.folder, job.config, []

    def record(training: Training, history: dict[str, np.ndarray]) -> bool | None:
        logs[0](training, history)
        return job.callback(history) if job.callback is not None else None

    with resumable(folder), contextlib.ExitStack() as stack:

        def started(steady: SteadyState) -> None:
            stack.enter_context(writing(folder))
            remove_temporary(folder)
            manifest = job.manifest if job.manifest is not None else _begin(job, steady, start is not None)
            logs.append(Log(folder, manifest, len(start[1]["update"]) if start else 0, job.save_every, _line))

        solution = solve(
            job.model, job.settings, seed=config["seed"], steady=steady, resume=start, callback=record, started=started,
            family=_family(config),
        )  # fmt: skip
        timings = {name: getattr(solution, name) for name in ("seconds_compile", "seconds_train", "seconds_total")}
        ended = {"status": solution.status.name, "device": solution.device, "updates": solution.updates, **timings}
        finish(folder, logs[0].end(solution.training(), solution.history, ended))
        return solution


def _begin(job: _Job, steady: SteadyState, resumed: bool) -> Manifest:
    """Write what does not change in the course of training; `resumed` is a run of an earlier version."""
    if job.fresh:
        require_free(job.folder)  # another process may have been faster
    if job.text is not None:
        write_text(job.folder / OWN, job.text)
    if not (job.folder / STEADY).exists() or not resumed:
        save_steady_state(job.folder / STEADY, steady)
    files = [name for name in (STEADY, OWN) if (job.folder / name).exists()]
    return begin(job.folder, job.config, job.model, files)


def _line(history: dict[str, np.ndarray], fresh: slice) -> dict[str, Any]:
    """A line of metrics: the last update, and means since the line before."""
    return {"update": int(history["update"][-1])} | {name: float(history[name][fresh].mean()) for name in HISTORY[1:]}


def run_model(folder: str | Path, config: dict[str, Any], model: type[Model] | Model | None = None) -> Model:
    """The model of a run, with the parameters and other fields it was solved for; `model` as for `load_run`.

    Raises RunError when a field could not be written to the folder and `model` is not an object that has it.
    """
    folder = Path(folder)
    own, manifest = folder / OWN, read_manifest(folder)
    source = model if model is not None else (own if own.exists() else config["model"])
    if source is own:
        require_trusted(folder, manifest, OWN)
    elif model is None and source not in model_names():
        raise RunError(
            f"{folder} was solved from the class {config['model']}, of which it holds no copy: pass the class, "
            f"load_run(folder, model={config['model']})."
        )
    others = config.get("other_fields", {})
    unknown = [name for name, written in others.items() if written is None]
    if unknown and not isinstance(source, Model):
        raise RunError(
            f"{folder} does not hold the value of {', '.join(unknown)}, which is no number or text: pass the object "
            "that was solved, load_run(folder, model=MODEL)."
        )
    values = {name: ast.literal_eval(written) for name, written in others.items() if written is not None}
    if config.get("period"):  # from a calibration file that the folder does not hold
        values.setdefault("period", config["period"])
    rebuilt = rebuild_model(source, config["parameters"], values)
    check_equations(folder, manifest, rebuilt)
    return rebuilt


def save_steady_state(path: Path, steady: SteadyState, texts: dict[str, str] | None = None) -> None:
    """Write a stationary equilibrium, and `texts`, as one sealed npz file."""
    if steady.economy.several:
        policy = {"first": steady.policy.first, "second": steady.policy.second}
        policy["points"] = np.array(list(steady.economy.grid.count.values()))
    else:
        policy = {"composite": steady.policy.composite}
    arrays = {
        "cash": steady.policy.cash, **policy, "consumption": steady.consumption, "savings": steady.savings,
        "mass": steady.mass, "residual": steady.residual,
        "euler_change": steady.euler_change, "seconds": np.array([steady.seconds_compile, steady.seconds_run]),
    }  # fmt: skip
    groups = {"shocks": steady.public.shocks, "aggregates": steady.public.aggregates, "prices": steady.public.prices}
    named = {f"{label}/{name}": value for label, group in groups.items() for name, value in group.items()}
    write_bytes(path, pack({**arrays, **named}, texts))


@float64_allowed
def load_steady_state(path: Path, model: Model) -> SteadyState:
    """Read what `save_steady_state` wrote."""
    try:
        data, _ = read(path, sealed=False)
    except DamagedError as error:
        raise RunError(f"{error}: {CURE}.") from error
    groups = {label: {} for label in ("shocks", "aggregates", "prices")}
    for name in list(data):
        label, _, quantity = name.partition("/")
        if quantity:
            groups[label][quantity] = np.float64(data.pop(name))
    if model.asset_names():
        points: Any = dict(zip(model.asset_names(), map(int, data["points"]), strict=True))
        policy = PortfolioFunction(*(jnp.asarray(data[name]) for name in ("cash", "first", "second")))
    else:
        points = data["mass"].shape[0]
        composite = data["composite" if "composite" in data else "consumption"]  # the latter in older runs
        policy = ConsumptionFunction(jnp.asarray(data["cash"]), jnp.asarray(composite))
    economy = discretize(model, points, jnp.float64, aggregate_risk=False)
    public = Public(*(Named(label, values) for label, values in groups.items()))
    return SteadyState(
        economy, policy, data["savings"], data["mass"], public, float(data["residual"]), float(data["euler_change"]),
        *(float(x) for x in data["seconds"]),
    )  # fmt: skip


def _blank(model: Model, settings: RSPG, steady: SteadyState, config: dict[str, Any]) -> Training:
    return untrained(model, settings, steady, seed=config["seed"])[1]


def load_economy_run(folder: str | Path, model: type[Model] | Model | None = None) -> Solution:
    """The solution in a run folder. `model` gives the class of a model that was not passed by name, or the object.

    Every file is compared with the checksums of manifest.json, and the equations with those that were solved. What can
    be rebuilt is, with a warning: config.json, metrics.jsonl and manifest.json. Raises RunError, naming the file or the
    equation, for anything else that is not what it was; for a folder without a run or with one whose training did not
    end; and for a run with a Python file of its own that was solved elsewhere, until `trust_run` allows it.
    """
    config = finished_config(folder)
    folder = Path(folder)
    if verify(folder, (OWN,) if model is not None else ()) is None:
        note_unverified(folder, OWN)
    economy = run_model(folder, config, model)
    settings, steady = RSPG(**config["method"]), load_steady_state(folder / STEADY, economy)
    training, history = read_checkpoint(folder, partial(_blank, economy, settings, steady, config))
    policy, optimizer, states, key, price_noise_sd = training
    return Solution(
        economy, settings, steady, policy, optimizer, states, key, price_noise_sd, history, Status[config["status"]],
        config["seed"], config["device"], config["seconds_compile"], config["seconds_train"], config["seconds_total"],
        _family(config),
    )  # fmt: skip
