"""`hank-mfg sweep`: a grid of parameters, in this process, in several, or on a dask cluster."""

import contextlib
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hank_mfg.compiling import keep_compiled
from hank_mfg.model.gallery import load_model, parse_override
from hank_mfg.runs.economy_run import named_method
from hank_mfg.runs.sweep import TABLE, sweep

Tell = Callable[[str], None]


def run_sweep(
    model: str, over: list[str], out: Path, *, method: str | None, options: list[str] | None, workers: int | None,
    scheduler: str | None, tell: Tell, **given: Any,
) -> tuple[dict[str, Any], list[str], bool]:  # fmt: skip
    """A sweep as JSON and as text, and whether points failed."""
    if options and method is None:
        raise ValueError(f"--option {options[0]} is of a method: name one, --method rspg.")
    grid = dict(map(parse_values, over))
    if len(grid) < len(over):
        raise ValueError("--over names a parameter twice: give all its values in one --over NAME=[1, 2, 4].")
    settings = None
    if method is not None:  # whose defaults hang on the kind of model, alike at every point
        first = {name: value for name, values in grid.items() for value in values[:1]}
        settings = named_method(method, load_model(model, **{**given["overrides"], **first}), options)
    total = int(np.prod([len(values) for values in grid.values()]))
    try:
        with executor_for(workers, scheduler) as executor:
            found = sweep(
                model, grid, out, method=settings, executor=executor, callback=_telling(total, tell), **given
            )  # fmt: skip
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(f"the same command continues the sweep in {out}") from interrupt
    failed = found.failed
    rows = json.loads(found.data.to_json(orient="records") or "[]")
    content = {"folder": str(out), "table": str(out / TABLE), "points": len(rows), "failed": len(failed), "rows": rows}
    shown = found.data.drop(columns=[name for name in ("reason", "folder") if name in found.data])
    lines = [shown.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.6g}")]
    lines += [f"No result at {row['folder']}: {row['reason']}" for _, row in failed.iterrows()]
    return content, [*lines, f"Wrote {out / TABLE}"], len(failed) > 0


def parse_values(text: str) -> tuple[str, list[Any]]:
    """Split NAME=A:B:N, N evenly spaced values from A to B, or NAME=[1, 2, 4]. Raises ValueError for other text."""
    name, _, written = text.partition("=")
    if ":" not in written:
        name, value = parse_override(text)
        return name, value if isinstance(value, list) else [value]
    parts = written.split(":")
    try:
        low, high, count = float(parts[0]), float(parts[1]), int(parts[2])
        if len(parts) != 3 or count < 2 or not np.isfinite([low, high]).all() or low == high:
            raise ValueError
    except (ValueError, IndexError):
        raise ValueError(
            f"--over {text}: write NAME=A:B:N, two or more values from A to B, as in {name}=0.9:0.98:5, or a list, "
            f"{name}=[0.9, 0.95]."
        ) from None
    return name.strip(), [float(f"{value:.12g}") for value in np.linspace(low, high, count)]


def _telling(total: int, tell: Tell) -> Callable[[pd.DataFrame], None]:
    return lambda table: tell(f"{len(table)} of {total} points")


@contextlib.contextmanager
def executor_for(workers: int | None, scheduler: str | None) -> Iterator[Executor | None]:
    """The executor that was asked for; None for this process. Raises ValueError where dask is not installed or does not
    answer."""
    if workers is not None and scheduler is not None:
        raise ValueError(f"--workers {workers} is for processes of this machine, --scheduler for a cluster: give one.")
    if scheduler is not None:
        with dask_client(scheduler) as client:
            yield client.get_executor()
    elif workers is None or workers == 1:
        yield None
    else:
        context = multiprocessing.get_context("spawn")  # a fork would take JAX's threads with it
        with ProcessPoolExecutor(workers, context, _begin_worker) as pool:
            yield pool


def _begin_worker() -> None:
    """Let a worker find the programs that others compiled."""
    keep_compiled(small=True)


def dask_client(scheduler: str) -> Any:
    """A client of the dask cluster at an address. Raises ValueError, one sentence, where there is none."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            "--scheduler needs dask, which is not installed: pip install 'hank-mfg[dask]', here and where workers run."
        ) from error
    try:
        return Client(scheduler, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"--scheduler {scheduler}: no dask scheduler answers there ({error or type(error).__name__}): start one "
            "with `dask scheduler`, and give the address that it prints, such as tcp://host:8786."
        ) from error
