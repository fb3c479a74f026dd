"""One run folder for every point of a grid of parameters, and a table of all of them.

    FOLDER/sweep.json                   what is swept: the model, its equations, values, method, sizes
    FOLDER/sweep.csv                    a row a point: parameters, status, numbers, run folder
    FOLDER/discount_factor=0.96/        the run folder of a point, as steady_state_run or solve_run makes it;
                                        failed.json where there is no equilibrium

Points are independent: an executor computes them in threads, processes or on other machines, which all see FOLDER. The
table is written after every point, whole or not at all. A sweep that was cut off goes on where it is called again.
"""

import dataclasses
import itertools
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from hank_mfg.arguments import described
from hank_mfg.environment.discretize import discretize
from hank_mfg.errors import HankError
from hank_mfg.evaluate.distribution.statistics import gini_where_defined
from hank_mfg.files import as_latex, write_text
from hank_mfg.model.base import Model
from hank_mfg.model.fingerprint import fingerprint
from hank_mfg.model.gallery import load_model
from hank_mfg.parallel import in_pieces
from hank_mfg.runs.kinds import GAME, kind_of
from hank_mfg.runs.lock import writing
from hank_mfg.runs.manifest import RunError, holds_run
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.seal import DamagedError
from hank_mfg.runs.steady_run import steady_state_run
from hank_mfg.runs.storage import UNFINISHED, read_config, require_place, versions
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.solve import require_aggregate_risk
from hank_mfg.solve.train import chunk_length
from hank_mfg.wording import display_name

TABLE, ASKED, FAILED = "sweep.csv", "sweep.json", "failed.json"
NO_RESULT = "failed"  # the status of a point without equilibrium or solution

Source = str | Path | type[Model] | Model


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The points of a sweep in the order of its grid, the last parameter fastest.

    `data` has a row a point: the `parameters`, `status` ("solved", how training ended, or "failed"), the numbers, the
    `reason` where there are none, and the name of its run `folder` inside that of the sweep. Numbers of a stationary
    equilibrium are prices, aggregates and outcomes per model period, `gini_wealth` (a share) and `residual` (relative
    excess); of a global solution `updates`, `objective` and `euler_error_percent`, the mean of the last updates.
    """

    folder: str
    parameters: tuple[str, ...]
    data: pd.DataFrame

    def table(self) -> pd.DataFrame:
        """One row a point: `data`."""
        return self.data

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        shown = self.data.drop(columns=["folder", "reason"], errors="ignore").set_index(list(self.parameters))
        shown.index.names = [display_name(name) for name in self.parameters]
        return as_latex(shown.rename(columns=display_name), path, **options)

    @property
    def failed(self) -> pd.DataFrame:
        """The rows of points without equilibrium or solution; `reason` says why."""
        return self.data.loc[self.data["status"] == NO_RESULT]

    def __repr__(self) -> str:
        shown = self.data.drop(columns=["folder", "reason"], errors="ignore")
        return f"{shown.to_string(index=False, na_rep='--', float_format=lambda x: f'{x:.5g}')}\nin {self.folder}"

    def run(self, place: int, model: Any = None) -> Any:
        """The stationary equilibrium or solution of a row; `model` and errors as for `load_run`."""
        return load_run(Path(self.folder) / self.data["folder"].iloc[place], model)


class _Point(NamedTuple):
    """What a worker needs to compute one point."""

    source: Any
    folder: str
    parameters: dict[str, Any]
    overrides: dict[str, Any]
    method: RSPG | None
    seed: int
    asset_points: int


def sweep(
    model: Source,
    over: Mapping[str, Sequence[Any]],
    folder: str | Path,
    *,
    method: RSPG | None = None,
    seed: int = 0,
    overrides: Mapping[str, Any] | None = None,
    asset_points: int = 200,
    executor: Executor | None = None,
    callback: Callable[[pd.DataFrame], Any] | None = None,
) -> Sweep:
    """Solve a model at every point of the grid of the values in `over`, and keep each in a run folder inside `folder`.

    `over` maps parameters to values, {"risk_aversion": [1, 2, 4]}; with several parameters every combination is a
    point. Without a `method` a point is a stationary equilibrium on `asset_points` points, as `steady_state_run` makes
    it; with one, `hm.RSPG(...)`, a global solution as `solve_run` makes it with this `seed`. `overrides` change other
    parameters. `executor` is any of `concurrent.futures` (see `in_pieces`); workers must see `folder`. `callback` is
    called after every point with the table so far.

    A point without equilibrium is a row that says why. Called again with the same arguments, only what is missing is
    computed, and training that was cut off goes on; what failed is tried again once its failed.json is deleted.

    Returns a `Sweep`; its table is in sweep.csv. Raises ParameterError for a value that a parameter cannot have, and
    RunError where `folder` holds another sweep or run, before anything is computed.
    """
    folder = Path(folder)
    parameters = _checked(model, over, dict(overrides or {}), method)
    points = [dict(zip(parameters, values, strict=True)) for values in itertools.product(*parameters.values())]
    sizes = asset_points if method is None else method.asset_points
    for point in points:
        built = load_model(model, **{**(overrides or {}), **point})
        with jax.enable_x64(True):
            discretize(
                built, sizes, jnp.float64, aggregate_risk=False
            )  # says what is wrong before anything is computed
    source = model.resolve() if isinstance(model, Path) else model
    if isinstance(model, str) and Path(model).is_file():
        source = str(Path(model).resolve())
    names = [_name(point) for point in points]
    jobs = [
        _Point(source, str(folder.resolve() / name), point, dict(overrides or {}), method, int(seed), int(asset_points))
        for name, point in zip(names, points, strict=True)
    ]
    rows: list[dict[str, Any] | None] = [None] * len(jobs)

    def record(place: int, row: dict[str, Any]) -> None:
        rows[place] = {**points[place], **row, "folder": names[place]}
        table = _table([each for each in rows if each is not None], parameters)
        write_text(folder / TABLE, table.to_csv(index=False))
        if callback is not None:
            callback(table)

    require_place(folder)
    with writing(folder):
        _begin(folder, _asked(built, parameters, jobs[0]))
        in_pieces(compute_point, jobs, executor=executor, names=names, callback=record)
    return Sweep(str(folder), tuple(parameters), _table([each for each in rows if each is not None], parameters))


def _checked(
    model: Source, over: Mapping[str, Any], overrides: dict[str, Any], method: RSPG | None
) -> dict[str, list[Any]]:
    """The values by parameter. Raises ValueError for what is no grid, and for games."""
    if kind_of(model) == GAME:
        raise ValueError(
            "sweep is for economies, and this is a game: call hm.solve_run for each value of its switches."
        )
    if not over:
        raise ValueError('over is empty: name a parameter and its values, over={"discount_factor": [0.95, 0.96]}.')
    found = {}
    for name, values in over.items():
        listed = isinstance(values, list | tuple | range) or (isinstance(values, np.ndarray) and values.ndim == 1)
        if not listed or not len(values):
            raise ValueError(f"over[{name!r}] is {described(values)}: give a list of values, such as [0.95, 0.96].")
        if name in overrides:
            raise ValueError(f"{name} is both in over and in overrides: leave it out of one of them.")
        found[name] = [each.item() if isinstance(each, np.generic) else each for each in values]
        for each in found[name]:
            if not isinstance(each, int | float | str) or (isinstance(each, float) and not math.isfinite(each)):
                raise ValueError(f"over[{name!r}] has {each!r} among its values: give finite numbers.")
        if len(set(map(_written, found[name]))) < len(found[name]):
            raise ValueError(f"over[{name!r}] = {found[name]} has a value twice: leave one out.")
    first = load_model(model, **{**overrides, **{name: values[0] for name, values in found.items()}})
    if method is not None:
        require_aggregate_risk(first)
    return found


def _written(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _name(point: Mapping[str, Any]) -> str:
    """The name of the folder of a point: "risk_aversion=2,discount_factor=0.96"."""
    return ",".join(f"{name}={_written(value)}" for name, value in point.items()).replace(os.sep, "_")


def _asked(model: Model, parameters: Mapping[str, list[Any]], job: _Point) -> dict[str, Any]:
    """What decides the numbers of a sweep, as plain JSON."""
    own = {name: np.asarray(value).tolist() for name, value in model.parameters().items() if name not in parameters}
    sizes = {"asset_points": job.asset_points} if job.method is None else {"seed": job.seed}
    method = _settings(job.method)
    asked = {
        "class": type(model).__name__, "equations": fingerprint(type(model)), "over": dict(parameters),
        "parameters": own, "method": method, **sizes, "hank_mfg": versions()["hank-mfg"],
    }  # fmt: skip
    return json.loads(json.dumps(asked, default=str))


def _begin(folder: Path, asked: dict[str, Any]) -> None:
    """Write what is swept, or compare it with what the folder holds. Raises RunError where it is something else."""
    path = folder / ASKED
    if holds_run(folder):
        raise RunError(f"{folder} holds a run, not a sweep: choose another folder.")
    if not path.exists():
        write_text(path, json.dumps(asked, indent=1) + "\n")
        return
    try:
        saved = json.loads(path.read_text())
        differs = [name for name in asked if name != "hank_mfg" and saved[name] != asked[name]]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read ({error}): choose another folder, or delete this one.") from error
    if differs:
        shown = {"over": "values", "class": "model", "seed": "seed"}
        raise RunError(
            f"{folder} holds another sweep, with other {' and '.join(shown.get(name, name) for name in differs)}: "
            "choose another folder, or delete this one."
        )


def compute_point(point: _Point) -> dict[str, Any]:
    """The row of a point, computed in its run folder or read from it; also where there is no equilibrium."""
    folder, version = Path(point.folder), versions()["hank-mfg"]
    path = folder / FAILED
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["hank_mfg"] == version:
            return {"status": NO_RESULT, "reason": kept["reason"]}
    try:
        return _steady_row(point) if point.method is None else _global_row(point)
    except (DamagedError, OSError, MemoryError):
        raise
    except (HankError, ValueError, FloatingPointError) as error:
        reason = " ".join(str(error).split())
        write_text(path, json.dumps({"parameters": point.parameters, "reason": reason, "hank_mfg": version}) + "\n")
        return {"status": NO_RESULT, "reason": reason}


def _steady_row(point: _Point) -> dict[str, Any]:
    steady = steady_state_run(
        point.source, point.folder, overrides={**point.overrides, **point.parameters}, asset_points=point.asset_points
    )
    series = {**steady.prices, **steady.aggregates, **steady.outcomes}
    numbers = {name: float(np.asarray(value)) for name, value in series.items() if np.ndim(value) == 0}
    gini = gini_where_defined(steady)
    more = {"gini_wealth": np.nan if gini is None else gini, "residual": float(steady.residual)}
    return {"status": "solved", **{name: x for name, x in numbers.items() if name not in point.parameters}, **more}


def _global_row(point: _Point) -> dict[str, Any]:
    folder, values = Path(point.folder), {**point.overrides, **point.parameters}
    if not holds_run(folder):
        solution = solve_run(point.source, folder, point.method, seed=point.seed, overrides=values)
    else:
        config = read_config(folder)
        wanted = load_model(point.source, **values).parameters()
        same = config["seed"] == point.seed and config["method"] == _settings(point.method)
        if not same or config["parameters"] != {name: np.asarray(x).tolist() for name, x in wanted.items()}:
            raise RunError(
                f"{folder} holds another run than this point of the sweep: delete it, or choose another one."
            )
        given = point.source if isinstance(point.source, str | Path) else load_model(point.source, **values)
        if config["status"] == UNFINISHED:
            solution = solve_run(given, folder, resume=True)
        else:
            solution = load_run(folder, None if given is point.source else given)
    chunk = chunk_length(solution.settings.updates)
    return {
        "status": solution.status.name.lower(), "updates": int(solution.updates),
        "objective": float(solution.objective),
        "euler_error_percent": 100 * float(solution.history["euler_error"][-chunk:].mean()),
    }  # fmt: skip


def _settings(method: RSPG | None) -> Any:
    """The settings of a method as they are in a run folder."""
    return None if method is None else json.loads(json.dumps(dataclasses.asdict(method)))


def _table(rows: list[dict[str, Any]], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Rows as a table: parameters and status first, reason and folder last."""
    last = [name for name in ("reason", "folder") if any(name in row for row in rows)]
    names = dict.fromkeys([*parameters, "status", *(name for row in rows for name in row if name not in last), *last])
    return pd.DataFrame(rows, columns=list(names))
