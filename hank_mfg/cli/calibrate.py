"""The command that calibrates a stationary economy."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hank_mfg.cli.console import columns
from hank_mfg.environment.check import check_model
from hank_mfg.estimate.calibration.calibrate import calibrate
from hank_mfg.estimate.calibration.calibration import Calibration
from hank_mfg.estimate.calibration.calibration_file import require_place
from hank_mfg.model.gallery import load_model, read_calibration

Answer = tuple[dict[str, Any], list[str]]


def run_calibration(
    source: str, overrides: Mapping[str, Any], free: list[str], target: list[str], files: list[Path], *,
    start: Mapping[str, float], out: Path | None, asset_points: int, tell: Callable[[str], None],
) -> Answer:  # fmt: skip
    """Calibrate the economy of `source`, write the calibration file `out`; as JSON and as text."""
    bounds, given = _once("--free", map(parse_free, free)), _once("--target", map(parse_target, target))
    if not given and not files:
        raise ValueError("Nothing to calibrate to: give --target MOMENT=VALUE, such as gini=.6, or --targets FILE.csv.")
    targets = [*files, *([given] if given else [])]
    model = load_model(source, **overrides)
    if out is not None:
        require_place(model, out)
    check_model(model)
    tell(f"Calibrating {', '.join(bounds) or 'nothing'}: programs are compiled first.")
    found = calibrate(model, bounds, targets, start=start or None, asset_points=asset_points)
    lines = _lines(found)
    if out is not None:
        origin = read_calibration(source)
        lines.append(f"Wrote {found.save(out, like=None if origin is None else origin.file)}")
    return _content(source, found, out), lines


def _once(option: str, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Pairs as a dict. Raises ValueError for a name that is given twice."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{option} names {name!r} twice: give it once.")
        found[name] = value
    return found


def parse_free(text: str) -> tuple[str, tuple[float, float]]:
    """The parameter and bounds in `name=low:high`. Raises ValueError for any other form."""
    name, _, bounds = text.partition("=")
    try:
        low, high = (float(each) for each in bounds.split(":"))
    except ValueError as error:
        raise ValueError(
            f"--free {text!r} is not of the form NAME=LOW:HIGH: write for instance discount_factor=.9:.999."
        ) from error
    return name.strip(), (low, high)


def parse_target(text: str) -> tuple[str, float]:
    """The moment and its value in `moment=value`; a moment may hold a sign =, as in mpc(0.01, periods=4). Raises
    ValueError for any other form."""
    name, _, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError as error:
        raise ValueError(
            f"--target {text!r} is not of the form MOMENT=VALUE: write for instance 'capital / output=3'."
        ) from error
    if not name.strip():
        raise ValueError(f"--target {text!r} names no moment: write for instance gini=.6.")
    return name.strip(), number


def _content(source: str, found: Calibration, out: Path | None) -> dict[str, Any]:
    """The calibration as plain numbers."""

    def plain(value: Any) -> Any:
        if isinstance(value, float | np.floating):
            return float(value) if np.isfinite(value) else None
        return value.item() if isinstance(value, np.generic) else value

    def rows(frame) -> dict[str, Any]:
        return {str(name): {k: plain(v) for k, v in row.items()} for name, row in frame.to_dict("index").items()}

    return {
        "model": source, "parameters": rows(found.parameters), "targets": rows(found.targets),
        "over_identification": found.over_identification, "residual": found.steady.residual, "steps": found.steps,
        "asset_points": found.steady.economy.grid.size, "precision": "float64",
        "file": None if out is None else str(out),
        "seconds_compile": found.seconds_compile, "seconds_run": found.seconds_run,
    }  # fmt: skip


def _lines(found: Calibration) -> list[str]:
    """The calibration for a reader: parameters, then targets."""

    def shown(value: float) -> str:
        return f"{value:.6g}" if np.isfinite(value) else ""

    parameters = [
        (str(name), shown(row["value"]), shown(row["standard error"]), f"{row['lower']:g} to {row['upper']:g}",
         "at a bound" if row["at a bound"] else "")
        for name, row in found.parameters.to_dict("index").items()
    ]  # fmt: skip
    targets = [
        (str(name), *(shown(row[head]) for head in ("model", "data", "gap", "standard error")), str(row["source"]))
        for name, row in found.targets.to_dict("index").items()
    ]
    heads = ("moment", "model", "data", "gap", "standard error", "source")
    test = found.over_identification
    return [
        *columns(("parameter", "value", "standard error", "bounds", ""), parameters), "", *columns(heads, targets), "",
        *([] if test is None else [f"J = {test['J']:.4g}, p = {test['p-value']:.3g}"]),
        f"{found.steps} steps, markets clear to {found.steady.residual:.2g}; seconds: {found.seconds_compile:.1f} of "
        f"compilation, {found.seconds_run:.1f} of search.",
    ]  # fmt: skip
