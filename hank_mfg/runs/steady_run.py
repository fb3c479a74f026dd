"""The run folder of a stationary equilibrium: everything needed to rebuild every number and figure without solving.

    config.json          the model, its parameters and period, the size of the grid, the tolerance, versions
    manifest.json        checksums and fingerprints (manifest.py)
    steady_state.npz     the equilibrium, sealed, with a copy of the manifest, from which a lost one is rebuilt
    model.py             a copy of the user's own model file, where there is one
    evaluation.json, tables (.csv, .tex), figures/*.pdf and .png

Nothing is written before the equilibrium is found. The folder is a run from the moment that manifest.json is there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hank_mfg.environment.product_grid import points_of
from hank_mfg.files import write_text
from hank_mfg.model.base import Model
from hank_mfg.model.gallery import load_model
from hank_mfg.model.model_files import own_text
from hank_mfg.progress import saying
from hank_mfg.runs.economy_run import OWN, STEADY, load_steady_state, other_fields, run_model, save_steady_state
from hank_mfg.runs.kinds import kind_of_run
from hank_mfg.runs.lock import writing
from hank_mfg.runs.manifest import STATIONARY, begin_with, check_equations, holds_run, new_manifest, read_manifest
from hank_mfg.runs.storage import (
    RunError,
    read_config,
    remove_temporary,
    require_place,
    verify,
    versions,
)
from hank_mfg.solve.stationary.steady_state import SteadyState, steady_state

SOLVED = "SOLVED"
SETTINGS = ("asset_points", "tolerance", "nonconcave")


def steady_state_run(
    source: str | Path | type[Model] | Model,
    folder: str | Path,
    *,
    overrides: dict[str, Any] | None = None,
    asset_points: int | Mapping[str, int] | None = None,
    tolerance: float = 1e-11,
    nonconcave: str = "refuse",
    verbose: bool | None = None,
) -> SteadyState:
    """Solve a stationary equilibrium as `steady_state` does and keep it in `folder`; `load_run(folder)` reads it.

    `source` is a shipped name, the path of a file, a class or an object; `overrides` change its parameters by name. A
    model with aggregate shocks is taken with the shocks at their means. The other arguments are those of
    `steady_state`. A folder that holds the same equilibrium already is read, and nothing is solved or written.

    Returns the `SteadyState`. Raises RunError where the folder holds another run or a damaged one; whatever
    `steady_state` raises.
    """
    folder = Path(folder)
    model = load_model(source, **(overrides or {}))
    by_name = isinstance(source, str | Path)
    config = {
        "kind": STATIONARY,
        "model": str(source) if by_name else type(model).__name__,
        "class": type(model).__name__,
        "parameters": {name: np.asarray(value).tolist() for name, value in model.parameters().items()},
        "other_fields": other_fields(model),
        "period": model.period,
        "asset_points": jax.tree.map(int, points_of(model.asset_space(), asset_points)),
        "tolerance": float(tolerance),
        "nonconcave": nonconcave,
        "versions": versions(),
        "status": SOLVED,
    }
    if holds_run(folder):
        return _kept(folder, config, model, by_name)
    require_place(folder)
    text = own_text(model, Model)
    with saying(verbose):
        steady = steady_state(model, asset_points=asset_points, tolerance=tolerance, nonconcave=nonconcave)
    with writing(folder):
        if holds_run(folder):  # another process may have been faster
            return _kept(folder, config, model, by_name)
        remove_temporary(folder)
        if text is not None:
            write_text(folder / OWN, text)
        manifest = new_manifest(folder, config, steady.economy.model, [OWN] if text is not None else [])
        save_steady_state(folder / STEADY, steady, {"manifest": json.dumps(manifest)})
        begin_with(folder, manifest, [STEADY])  # the manifest last but for config.json, which is a copy for readers
    return steady


def _kept(folder: Path, asked: dict[str, Any], model: Model, by_name: bool) -> SteadyState:
    """The equilibrium that a folder holds. Raises RunError unless it is what was asked for."""
    config = read_config(folder)
    if kind_of_run(folder) != STATIONARY:
        raise RunError(f"{folder} holds a run of `hank-mfg solve`, not a stationary equilibrium: choose another --out.")
    differs = [] if config["class"] == asked["class"] else [f"of {config['class']}, not of {asked['class']}"]
    if not differs:
        differs = [
            f"with {name} = {saved}, not {new}"
            for name, saved, new in (
                *_entries("parameters", config, asked),
                *_entries("other_fields", config, asked),
                *((name, config[name], asked[name]) for name in ("period", *SETTINGS)),
            )
            if json.dumps(saved) != json.dumps(new)
        ]
    if differs:
        raise RunError(
            f"{folder} holds a stationary equilibrium {', '.join(differs[:4])}: choose another --out, or delete the "
            "folder."
        )
    check_equations(folder, read_manifest(folder), model)
    return load_steady_run(folder, None if by_name else model)


def _entries(name: str, one: dict[str, Any], other: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The values of each entry of a part of two configurations; the period, which may be in one part, aside."""
    names = [each for each in {**one[name], **other[name]} if each != "period"]
    return [(each, one[name].get(each, "its default"), other[name].get(each, "its default")) for each in names]


def load_steady_run(folder: str | Path, model: type[Model] | Model | None = None) -> SteadyState:
    """The stationary equilibrium in a run folder; `model` and errors as for `load_run`."""
    folder, config = Path(folder), read_config(folder)
    verify(folder, (OWN,) if model is not None else ())
    return load_steady_state(folder / STEADY, run_model(folder, config, model))
