"""Published tables and figures made again, published numbers beside ours: `hank-mfg replicate NAME`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hank_mfg.replication import rspg_benchmark

REPLICATIONS: dict[str, Callable[..., dict[str, Any]]] = {"rspg-benchmark": rspg_benchmark.run}


def replicate(name: str, folder: str | Path | None = None, **options: Any) -> dict[str, Any]:
    """Run the replication `name` into a folder, by default replications/NAME. Raises ValueError for another name."""
    if name not in REPLICATIONS:
        raise ValueError(f"There is no replication {name!r}: choose one of {', '.join(REPLICATIONS)}.")
    return REPLICATIONS[name](Path(folder) if folder is not None else Path("replications") / name, **options)
