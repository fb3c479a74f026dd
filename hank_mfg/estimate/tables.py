"""Tables of data: a DataFrame or a CSV file, and the numbers in its columns."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.arguments import described
from hank_mfg.estimate.errors import EstimationError

if TYPE_CHECKING:
    import pandas as pd


def read_table(data: Any, shape: str, **options: Any) -> "pd.DataFrame":
    """A data frame, from one or from the path of a CSV file, which pandas reads with `options`; `shape` says in errors
    what it should hold. Raises EstimationError, one sentence, for anything else."""
    import pandas as pd

    if isinstance(data, str | os.PathLike):
        path = Path(data)
        if not path.is_file():
            raise EstimationError(f"data: there is no file {path}: give the path of a CSV file, or a DataFrame.")
        try:
            data = pd.read_csv(path, **options)
        except (ValueError, OSError) as error:
            raise EstimationError(f"data: {path} is no CSV file ({error}): give {shape}.") from error
    if not isinstance(data, pd.DataFrame):
        raise EstimationError(f"data is {described(data)}: give a pandas DataFrame or the path of a CSV file, {shape}.")
    return data


def numbers_in(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of a column, NaN where cells are empty or hold text, and the places of text."""
    import pandas as pd

    numbers = np.asarray(pd.to_numeric(column, errors="coerce"), float)
    return numbers, np.flatnonzero(np.asarray(column.notna()) & np.isnan(numbers))
