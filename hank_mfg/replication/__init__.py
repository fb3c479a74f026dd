"""Published tables and figures computed again, published numbers beside ours: `hank-mfg replicate NAME`.

There is one folder per paper, with run.py, published.csv and README.md: in replication/ at the top of a checkout, in
this package where it is installed from a wheel. What several papers need is here.
"""

import importlib
import inspect
from pathlib import Path
from typing import Any

import pandas as pd

from hank_mfg.runs.lock import writing
from hank_mfg.runs.storage import require_place

_CHECKOUT = Path(__file__).resolve().parents[2]
if (_CHECKOUT / "pyproject.toml").is_file() and (_CHECKOUT / "replication").is_dir():
    __path__.append(str(_CHECKOUT / "replication"))

REPLICATIONS = {  # name -> module, which has a function run(folder, ...)
    "aiyagari-1994": "aiyagari_1994.run",
    "auclert-2021": "auclert_2021.run",
    "jedc-2010": "jedc_2010.run",
    "krueger-2016": "krueger_2016.run",
    "krusell-smith-1998": "krusell_smith_1998.run",
    "published-methods": "published_methods.run",
    "rspg-benchmark": "wibault_2026.run",
    "rspg-economies": "wibault_2026.economies",
}


def published_numbers(module_file: str, keys: tuple[str, ...], column: str = "value") -> dict[Any, Any]:
    """A `column` of published.csv beside the file of a replication, by the values of the columns `keys`."""
    table = pd.read_csv(Path(module_file).with_name("published.csv"))
    return dict(zip(zip(*(table[key] for key in keys), strict=True), table[column], strict=True))


def replicate(name: str, folder: str | Path | None = None, **options: Any) -> dict[str, Any]:
    """Run the replication `name` into a folder, by default replications/NAME.

    Raises ValueError for another name and for an option that this replication does not have.
    """
    if name not in REPLICATIONS:
        raise ValueError(f"There is no replication {name!r}: choose one of {', '.join(REPLICATIONS)}.")
    run = importlib.import_module(f"{__name__}.{REPLICATIONS[name]}").run
    known = [each for each in inspect.signature(run).parameters if each != "folder"]
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}: it takes {', '.join(known)}.")
    folder = Path(folder) if folder is not None else Path("replications") / name
    require_place(folder)
    with writing(folder):
        return run(folder, **options)
