"""Published tables and figures made again, published numbers beside ours: `hank-mfg replicate NAME`."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hank_mfg.replication import aiyagari_1994, jedc_2010, krusell_smith_1998, rspg_benchmark, rspg_economies
from hank_mfg.runs.lock import writing
from hank_mfg.runs.storage import require_place

REPLICATIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "aiyagari-1994": aiyagari_1994.run,
    "jedc-2010": jedc_2010.run,
    "krusell-smith-1998": krusell_smith_1998.run,
    "rspg-benchmark": rspg_benchmark.run,
    "rspg-economies": rspg_economies.run,
}


def replicate(name: str, folder: str | Path | None = None, **options: Any) -> dict[str, Any]:
    """Run the replication `name` into a folder, by default replications/NAME.

    Raises ValueError for another name and for an option that this replication does not have.
    """
    if name not in REPLICATIONS:
        raise ValueError(f"There is no replication {name!r}: choose one of {', '.join(REPLICATIONS)}.")
    known = [each for each in inspect.signature(REPLICATIONS[name]).parameters if each != "folder"]
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}: it takes {', '.join(known)}.")
    folder = Path(folder) if folder is not None else Path("replications") / name
    require_place(folder)
    with writing(folder):
        return REPLICATIONS[name](folder, **options)
