"""Where the numbers of a page come from: settings, parameters, and what is needed to make them again."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hank_mfg.evaluate.establishes import CAVEAT, limits_of
from hank_mfg.model.base import Model
from hank_mfg.model.fingerprint import fingerprint, summary
from hank_mfg.model.gallery import calibration_table, model_names
from hank_mfg.report.page import Page
from hank_mfg.runs.manifest import holds_run, read_manifest
from hank_mfg.runs.repeating import changed_parameters, command_again, run_name
from hank_mfg.runs.storage import read_config, versions


def declared_name(folder: Path, declared: Any) -> str:
    """The name of the model or game of a run; that of its class where `folder` holds no run."""
    config = read_config(folder) if holds_run(folder) else {}
    return Path(config.get("model") or config.get("game") or type(declared).__name__).stem


def column(values: Mapping[str, Any], heading: str = "Value") -> pd.DataFrame:
    """Names and what stands beside them as a table of one column."""
    return pd.DataFrame({heading: pd.Series({name: _told(each) for name, each in values.items()}, dtype=object)})


def _told(value: Any) -> Any:
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(value, float):
        return f"{value:.10g}"  # as it was written, 0.99 and not 0.9900
    return value if isinstance(value, int | str) and not isinstance(value, bool) else str(value)


def add_limits(page: Page, names: Collection[str], caveat: str = CAVEAT) -> None:
    """What the measures of accuracy among `names` establish, and what they do not; a sentence on all of them."""
    rows = {each.measure: (each.establishes, each.does_not) for each in limits_of(names)}
    headings = ["What a small value establishes", "What it does not establish"]
    if rows:
        page.table(pd.DataFrame.from_dict(rows, orient="index", columns=headings).rename_axis("Measure"))
        if caveat:
            page.text(caveat)


def add_settings(page: Page, folder: Path, declared: Any, settings: Any = None) -> None:
    """The section with the parameters of the model and the settings of the method."""
    page.section("Settings")
    if isinstance(declared, Model):
        page.table(_parameters(folder, declared), caption="Parameters")
    elif holds_run(folder) and read_config(folder)["switches"]:
        page.table(column(read_config(folder)["switches"]), caption="Switches of the game")
    if settings is not None:
        caption = f"Settings of {type(settings).__name__}"
        page.table(column(dataclasses.asdict(settings)).rename_axis("setting"), caption=caption)


def _parameters(folder: Path, model: Model) -> pd.DataFrame:
    config = read_config(folder) if holds_run(folder) else {}
    if config.get("model") in model_names():
        rows = calibration_table(config["model"], **changed_parameters(config, model))
    else:
        rows = calibration_table(model)
    table: dict[str, list[Any]] = {"value": [_told(row["value"]) for row in rows]}
    for name, heading in (("unit", "unit"), ("about", "meaning"), ("source", "source")):
        if any(row[name] for row in rows):
            table[heading] = [row[name] for row in rows]
    return pd.DataFrame(table, index=pd.Index([row["name"] for row in rows], name="parameter"))


def add_provenance(page: Page, folder: Path, declared: Any, facts: Mapping[str, Any], commands: Sequence[str]) -> None:
    """The section that says what was solved, with which versions, where and how long, and the commands that repeat it.

    `declared` is the model or game, None where the caller has none; `facts` are what the kind of solution knows.
    """
    run = holds_run(folder)
    config, manifest = read_config(folder) if run else {}, read_manifest(folder) if run else None
    rows: dict[str, Any] = {}
    if run or declared is not None:
        rows["Model"] = Path(config.get("model") or config.get("game") or type(declared).__name__).name
        equations = fingerprint(declared) if manifest is None else manifest["equations"]
        rows["Fingerprint of the equations"] = summary(equations)
    rows |= facts
    if manifest is not None:
        rows["Host"] = manifest["place"]["host"]
    rows["Versions"] = ", ".join(f"{name} {each}" for name, each in config.get("versions", versions()).items())
    page.section("Provenance")
    page.table(column(rows, "").rename_axis(""))
    if commands:
        page.text("To repeat it:")
        page.code(commands)


def commands_of(folder: Path, declared: Any, options: str) -> list[str]:
    """The commands that solve a run and write its page again, with `options` of `hank-mfg report`; none for a folder
    without a run."""
    if not holds_run(folder):
        return []
    model = declared if isinstance(declared, Model) else None
    return [command_again(folder, model), f"hank-mfg report {run_name(folder)} --html{options}"]
