"""Estimated impulse responses: a table with columns variable, horizon, mean, standard_error, and shock where there are
several."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hank_mfg.environment.economy import Economy
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.observed import Observed
from hank_mfg.estimate.tables import numbers_in, read_table
from hank_mfg.evaluate.units import OWN, PERCENT, POINTS, kinds_of, positive
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.model.units import LEVEL

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("variable", "horizon", "mean", "standard_error")
SHAPE = "one row for each variable and horizon, with columns variable, horizon, mean, standard_error"
SYMMETRIC = 1e-8  # relative difference of a covariance from its transpose that is rounding


class EstimatedResponses(NamedTuple):
    """Estimated responses, all of length n, the number of moments: `shocks`, `variables` and `horizons` say of what,
    `mean` and `standard_error` are in the units of the data, and `covariance` (n, n) is that of `mean`."""

    shocks: tuple[str, ...]
    variables: tuple[str, ...]
    horizons: np.ndarray
    mean: np.ndarray
    standard_error: np.ndarray
    covariance: np.ndarray

    @property
    def names(self) -> list[str]:
        """A name for every moment: "output, horizon 4"."""
        return [f"{variable}, horizon {h}" for variable, h in zip(self.variables, self.horizons, strict=True)]


def estimated_responses(
    data: Any, *, variables: Sequence[str], innovations: Sequence[str], shock: str | None, horizon: int, covariance: Any
) -> EstimatedResponses:
    """Read and check a table. `variables` and `innovations` are those of the model, `shock` the one that all rows
    respond to where there is no such column, `horizon` the length of the responses of the model. Raises EstimationError
    for what does not fit."""
    frame = read_table(data, SHAPE, skipinitialspace=True)
    frame = frame.rename(columns=lambda name: str(name).strip()).reset_index(drop=True)
    wanted = COLUMNS[:3] if covariance is not None else COLUMNS
    for name in wanted:
        if name not in frame.columns:
            close = did_you_mean(name, [str(column) for column in frame.columns])
            raise EstimationError(f"data has no column {name!r}{close}: give {SHAPE}.")
    if frame.empty:
        raise EstimationError(f"data has no rows: give {SHAPE}.")
    texts = [str(each).strip() for each in frame["variable"]]
    for place, name in enumerate(texts):
        if name not in variables:
            raise EstimationError(
                f"data, row {place + 1}: the model has no variable {name!r}{did_you_mean(name, list(variables))}; "
                f"name one of {', '.join(variables)}, or say what it is, observed={{{name!r}: hm.Observed(...)}}."
            )
    shocks = _shocks(frame, innovations, shock)
    numbers = {name: _numbers(frame, name) for name in COLUMNS[1:] if name in frame.columns}
    horizons = _horizons(numbers["horizon"], horizon)
    seen: dict[tuple, int] = {}
    for place, key in enumerate(zip(shocks, texts, horizons.tolist(), strict=True)):
        if key in seen:
            raise EstimationError(
                f"data, rows {seen[key] + 1} and {place + 1}: {key[1]} at horizon {key[2]} is there twice: leave one "
                "out."
            )
        seen[key] = place
    _require_finite(numbers["mean"], "mean", texts, horizons)
    if covariance is None:
        errors = numbers["standard_error"]
        _require_finite(errors, "standard_error", texts, horizons)
        if (errors <= 0).any():
            place = int(np.flatnonzero(errors <= 0)[0])
            raise EstimationError(
                f"data, row {place + 1}: standard_error of {texts[place]} at horizon {horizons[place]} is "
                f"{errors[place]:g}: give a number above zero, or leave out the row, as where a response is zero by "
                "assumption."
            )
        matrix = np.diag(errors**2)
    else:
        matrix = _covariance(covariance, len(texts))
        errors = np.sqrt(np.diag(matrix))
    return EstimatedResponses(shocks, tuple(texts), horizons, numbers["mean"], errors, matrix)


def _shocks(frame: "pd.DataFrame", innovations: Sequence[str], shock: str | None) -> tuple[str, ...]:
    """The shock of every row."""
    given = "shock" in frame.columns
    if given and shock is not None:
        raise EstimationError(f"shock = {shock!r}, but data has a column shock: leave one of them out.")
    if not given and shock is None and len(innovations) > 1:
        raise EstimationError(
            f"data does not say which shock it responds to: give shock=, one of {', '.join(innovations)}, or a column "
            "shock."
        )
    if not given:
        found = [innovations[0] if shock is None else shock] * len(frame)
    else:
        found = [str(each).strip() for each in frame["shock"]]
    for name in dict.fromkeys(found):
        if name not in innovations:
            where = "data" if given else "shock"
            close = did_you_mean(name, list(innovations))
            raise EstimationError(f"{where}: the model has no shock {name!r}{close}; it has {', '.join(innovations)}.")
    return tuple(found)


def _numbers(frame: "pd.DataFrame", name: str) -> np.ndarray:
    numbers, text = numbers_in(frame[name])
    if len(text):
        said = frame[name].iloc[text[0]]
        raise EstimationError(f"data, row {text[0] + 1}: {name} is {said!r}, no number: correct it.")
    return numbers


def _horizons(numbers: np.ndarray, horizon: int) -> np.ndarray:
    bad = ~np.isfinite(numbers) | (numbers != np.round(numbers)) | (numbers < 0)
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        raise EstimationError(
            f"data, row {place + 1}: horizon is {numbers[place]:g}: count whole periods since the shock, 0 in "
            "its period."
        )
    if numbers.max() >= horizon:
        raise EstimationError(
            f"data has horizon {numbers.max():.0f}, but the responses of the model have {horizon} periods, 0 to "
            f"{horizon - 1}: raise horizon= to {int(3 * numbers.max())} or more, or leave out these rows."
        )
    return numbers.astype(int)


def _require_finite(numbers: np.ndarray, name: str, texts: Sequence[str], horizons: np.ndarray) -> None:
    if not np.isfinite(numbers).all():
        place = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise EstimationError(
            f"data, row {place + 1}: {name} of {texts[place]} at horizon {horizons[place]} is missing: give a number, "
            "or leave out the row."
        )


def _covariance(given: Any, count: int) -> np.ndarray:
    try:
        matrix = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise EstimationError(f"covariance holds no numbers ({error}): give an array ({count}, {count}).") from error
    if matrix.shape != (count, count):
        raise EstimationError(
            f"covariance has shape {matrix.shape}, but data has {count} rows: give ({count}, {count}), in their order."
        )
    if not np.isfinite(matrix).all():
        raise EstimationError("covariance has entries that are missing or not finite: give numbers.")
    if np.abs(matrix - matrix.T).max() > SYMMETRIC * np.abs(matrix).max():
        raise EstimationError(
            "covariance is not symmetric: give that of the estimated responses, in the order of data."
        )
    scale = np.sqrt(np.abs(np.diag(matrix)))
    smallest = np.linalg.eigvalsh(matrix / np.outer(scale, scale)).min() if (np.diag(matrix) > 0).all() else 0.0
    if not smallest > count * np.finfo(float).eps:
        raise EstimationError(
            f"covariance is not positive definite (smallest eigenvalue {smallest:.2g} in units of the variances), as "
            f"when it was estimated from fewer draws than its {count} rows: leave rows out, or leave covariance out "
            "and give standard errors."
        )
    return (matrix + matrix.T) / 2


def default_observed(economy: Economy, levels: Mapping[str, float]) -> dict[str, Observed]:
    """What a variable named as a series of the model is unless it is said: percent of a level that is above zero,
    percentage points of a rate or share, else the level itself, as in `hm.impulse_response`."""
    kinds, found = kinds_of(economy), {}
    for name, level in levels.items():
        if kinds.get(name, LEVEL) != LEVEL:
            found[name] = Observed(name, "level", 100.0)
        elif positive(np.asarray(level)):
            found[name] = Observed(name, "log", 100.0)
        else:
            found[name] = Observed(name, "level", 1.0)
    return found


def unit_of(observed: Observed, kind: str) -> str:
    """The unit of a variable in words."""
    if observed.transform.startswith("log"):
        unit = PERCENT if observed.scale == 100 else "log points" if observed.scale == 1 else f"{observed.scale:g} log"
    elif kind != LEVEL and observed.scale == 100:
        unit = POINTS
    else:
        unit = OWN if observed.scale == 1 else f"{observed.scale:g} x level"
    return f"change, {unit}" if observed.transform.endswith("difference") else unit
