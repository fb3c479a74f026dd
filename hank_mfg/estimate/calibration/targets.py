"""Targets of a calibration: moments by name with their values in the data, from a dict or from CSV files."""

import csv
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hank_mfg.estimate.calibration.moments import Own
from hank_mfg.model.model_files import source_text
from hank_mfg.model.spelling import did_you_mean

COLUMNS = ("moment", "value", "standard_error", "source")
NEEDED = COLUMNS[:2]


@dataclasses.dataclass(frozen=True)
class Target:
    """The value of a moment in the data.

        {"gini": hm.Target(0.8, standard_error=0.01, source="SCF 2019")}
        {"wealth at the median": hm.Target(2.0, moment=lambda s: jnp.sum(s.mass * s.consumption))}

    `value` is in the model's units (rates decimal per model period, shares decimal); `standard_error` that of the data,
    None where it is not known; `source` goes into tables and into the saved calibration. `moment` is a function of a
    stationary equilibrium, in jax.numpy, for a moment of your own: it reads prices, aggregates, outcomes, mass, assets,
    consumption, savings and own as attributes and returns one number.
    """

    value: float
    standard_error: float | None = None
    source: str = ""
    moment: Callable[[Any], Any] | None = None


class Targets(NamedTuple):
    """Targets in order: names, their moments, and (targets,) values and standard errors (NaN where not known)."""

    names: tuple[str, ...]
    moments: tuple[Any, ...]
    values: np.ndarray
    errors: np.ndarray
    sources: tuple[str, ...]


def read_targets(given: Any, parse: Callable[[str], Any]) -> Targets:
    """The targets of a dict, of a CSV file, or of a list of these, their names read by `parse`. Raises ValueError, one
    sentence, for bad input."""
    parts = [given] if isinstance(given, Mapping | str | os.PathLike) else list(given)
    found: dict[str, Target] = {}
    for part in parts:
        if not isinstance(part, Mapping | str | os.PathLike):
            raise ValueError(
                f"targets holds {part!r}: give a dict such as {{'gini': 0.8}}, the path of a CSV file, or a list of "
                "these."
            )
        new = _of_dict(part) if isinstance(part, Mapping) else read_csv(part)
        for name, target in new.items():
            if name in found:
                raise ValueError(f"The target {name!r} is given twice: leave one of them out.")
            found[name] = target
    if not found:
        raise ValueError("targets is empty: give a dict such as {'gini': 0.8}.")
    moments = tuple(
        parse(name) if target.moment is None else Own(name, target.moment) for name, target in found.items()
    )
    errors = [np.nan if target.standard_error is None else target.standard_error for target in found.values()]
    values = np.array([target.value for target in found.values()], np.float64)
    return Targets(
        tuple(found), moments, values, np.array(errors, np.float64), tuple(target.source for target in found.values())
    )


def _of_dict(given: Mapping[str, Any]) -> dict[str, Target]:
    return {str(name): _checked(f"targets[{name!r}]", value) for name, value in given.items()}


def _checked(where: str, value: Any) -> Target:
    target = value if isinstance(value, Target) else Target(value)
    numbers = {"value": target.value}
    if target.standard_error is not None:
        numbers["standard_error"] = target.standard_error
    for name, each in numbers.items():
        try:
            number = float(each)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {name} = {each!r} is no number: give one, or an hm.Target.") from error
        if not np.isfinite(number):
            raise ValueError(f"{where}: {name} = {each} is not finite: give a number, or leave the target out.")
        if name == "standard_error" and number <= 0:
            raise ValueError(f"{where}: standard_error = {each} is not positive: give None where it is not known.")
        numbers[name] = number
    return dataclasses.replace(target, **numbers)


def read_csv(path: str | os.PathLike) -> dict[str, Target]:
    """The targets of a CSV file with the columns moment, value and, if known, standard_error and source.

    Lines that begin with # are comments. Raises ValueError, with the line, for a missing column, a gap, a text where a
    number is needed and a moment that is there twice.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"targets: {path} does not exist: correct the path, or give a dict such as {{'gini': 0.8}}.")
    numbered = [(place, line) for place, line in enumerate(source_text(file).splitlines(), 1) if _says(line)]
    if not numbered:
        raise ValueError(f"{file.name} is empty: its first line names the columns {', '.join(COLUMNS)}.")
    heads = [word.strip() for word in next(csv.reader([numbered[0][1]]))]
    for name in NEEDED:
        if name not in heads:
            raise ValueError(
                f"{file.name} has no column {name!r}{did_you_mean(name, heads)}: its first line names the columns "
                f"{', '.join(COLUMNS)}, the last two if you like."
            )
    found: dict[str, Target] = {}
    for place, line in numbered[1:]:
        words = [word.strip() for word in next(csv.reader([line], skipinitialspace=True))]
        where = f"{file.name}, line {place}"
        if len(words) > len(heads):
            raise ValueError(f"{where} has {len(words)} entries for {len(heads)} columns: quote a text with commas.")
        row = {**dict.fromkeys(COLUMNS, ""), **dict(zip(heads, words, strict=False))}
        for name in NEEDED:
            if not row[name]:
                raise ValueError(f"{where} has no {name}: fill it in, or delete the line.")
        if row["moment"] in found:
            raise ValueError(f"{where}: the moment {row['moment']!r} is there twice: delete one of the lines.")
        found[row["moment"]] = _checked(where, Target(row["value"], row["standard_error"] or None, row["source"]))  # pyright: ignore[reportArgumentType]
    if not found:
        raise ValueError(f"{file.name} names columns and no targets: add a line such as gini,0.8.")
    return found


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def weighting(
    targets: Targets, weights: Mapping[str, float] | Sequence[float] | None, covariance: Any
) -> tuple[np.ndarray, np.ndarray | None]:
    """The weighting matrix W (targets, targets) and the covariance of the data's moments, None where it is not known.

    W is the inverse of the covariance, where that or all standard errors are given; `weights` if given; otherwise
    1 / value^2, so that gaps are relative. Raises ValueError for what does not fit.
    """
    count, known = len(targets.names), np.isfinite(targets.errors)
    spread = None
    if covariance is not None:
        spread = _positive(np.asarray(covariance, np.float64), count)
    elif known.all():
        spread = np.diag(targets.errors**2)
    if weights is not None:
        return np.diag(_weights(targets, weights)), spread
    if spread is not None:
        return np.linalg.inv(spread), spread
    size = np.where(targets.values == 0, 1.0, np.abs(targets.values))
    return np.diag(1.0 / size**2), None


def _weights(targets: Targets, weights: Any) -> np.ndarray:
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in targets.names:
                raise ValueError(
                    f"weights names {name!r}{did_you_mean(name, targets.names)}: the targets are "
                    f"{', '.join(targets.names)}."
                )
        weights = [weights.get(name, 1.0) for name in targets.names]
    values = np.asarray(weights, np.float64)
    if values.shape != targets.values.shape or not (np.isfinite(values).all() and (values >= 0).all() and values.any()):
        raise ValueError(
            f"weights = {np.array2string(values, threshold=6)}: give one number per target, zero or positive and not "
            f"all zero, in the order {', '.join(targets.names)}, or a dict by name."
        )
    return values


def _positive(covariance: np.ndarray, count: int) -> np.ndarray:
    if covariance.shape != (count, count) or not np.isfinite(covariance).all():
        raise ValueError(
            f"covariance has shape {covariance.shape}: give finite numbers ({count}, {count}), in the order of targets."
        )
    if not np.allclose(covariance, covariance.T, rtol=1e-8) or np.linalg.eigvalsh(covariance).min() <= 0:
        raise ValueError(
            "covariance is not symmetric and positive definite: give standard errors instead, or drop targets that "
            "others determine."
        )
    return covariance
