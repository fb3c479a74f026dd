"""Check a replication package: every file against its checksum, then its numbers against a second computation."""

import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hank_mfg.errors import HankError
from hank_mfg.files import as_latex
from hank_mfg.packages.checksums import CHECKSUMS, differences
from hank_mfg.packages.member import REFERENCE
from hank_mfg.packages.numbers import Numbers, from_csv
from hank_mfg.packages.package import FORMAT, PACKAGE
from hank_mfg.packages.rerun import Entry, rerun
from hank_mfg.progress import telling
from hank_mfg.runs.manifest import RunError
from hank_mfg.runs.storage import versions
from hank_mfg.wording import readable

COLUMNS = ("run", "number", "here", "in the package", "tolerance", "passed")


@readable
@dataclasses.dataclass(frozen=True)
class PackageCheck:
    """What a check of a package found.

    `files` maps what is wrong to "changed", "missing" or "added"; `edited` are files that authors complete and that
    were changed, which is no fault. `data` has a row a number: run, number, the value here and in the package, the
    largest difference that passes, and whether it does. `reasons` says of a run that could not be made again why;
    `versions` maps packages whose version differs to (here, in the package).
    """

    folder: str
    full: bool
    files: dict[str, str]
    edited: tuple[str, ...]
    data: pd.DataFrame
    reasons: dict[str, str]
    versions: dict[str, tuple[str, str]]

    @property
    def passed(self) -> bool:
        """Whether every file is what was written and every number within its tolerance."""
        return not self.files and not self.reasons and bool(self.data["passed"].all())

    @property
    def failed(self) -> pd.DataFrame:
        """The rows of numbers that are not within their tolerance."""
        return self.data.loc[~self.data["passed"].astype(bool)]

    def table(self) -> pd.DataFrame:
        """A row a number: `data`."""
        return self.data

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        return as_latex(self.data.set_index(["run", "number"]), path, **options)


def check_package(folder: str | Path, *, full: bool = False, verbose: bool | None = None) -> PackageCheck:
    """Compare a replication package with its checksums and its numbers with a second computation.

    Every run is made again from the package's model files, which are Python and are run: in the quick mode, with the
    small settings that package.json holds, or with `full=True` with its own settings, measured as the run was. Nothing
    is written into the package. Numbers are compared with reference/RUN_quick.csv or reference/RUN.csv, whose
    tolerances are absolute.

    Raises RunError where `folder` is no package or its package.json cannot be read.
    """
    folder = Path(folder)
    described = _described(folder)
    with telling("check", verbose) as lines:
        lines.step("checksums")
        files, edited = differences(folder)
        rows, reasons = [], {}
        for entry in described["runs"]:
            lines.step(f"solving {entry['name']} again")
            try:
                rows += _compared(folder, entry, full)
            except (HankError, ValueError, KeyError, TypeError, OSError, FloatingPointError) as error:
                reasons[entry["name"]] = " ".join(str(error).split())
    here, before = versions(), described["made_with"]
    known = {name: version for name, version in here.items() if version != "not installed"}
    changed = {name: (version, before[name]) for name, version in known.items() if version != before.get(name, version)}
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return PackageCheck(str(folder), full, files, tuple(edited), table, reasons, changed)


def _described(folder: Path) -> dict[str, Any]:
    path = folder / PACKAGE
    for name in (PACKAGE, CHECKSUMS):
        if not (folder / name).is_file():
            raise RunError(
                f"{folder} is no replication package (no {name}): make one with `hank-mfg package RUN --out {folder}`."
            )
    try:
        content = json.loads(path.read_text("utf-8"))
        later = content["format"] > FORMAT
        names = [(entry["name"], entry["kind"], entry["model"], entry["quick"]) for entry in content["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}): copy it from where the package is whole.") from error
    if later or not names:
        raise RunError(
            f"{path} has format {content['format']}, and this version reads {FORMAT}: use the one in software/."
        )
    return content


def _compared(folder: Path, entry: Entry, full: bool) -> list[tuple]:
    """A row for each number of a run. Raises what making it again raises."""
    name = f"{entry['name']}.csv" if full else f"{entry['name']}_quick.csv"
    expected = _numbers(folder / REFERENCE / name)
    with tempfile.TemporaryDirectory() as scratch:
        found = rerun(entry, folder, Path(scratch) / "run", quick=not full)
    rows = []
    for number in {**expected, **found}:
        here = found[number].value if number in found else np.nan
        there, tolerance = expected.get(number, (np.nan, np.nan))
        rows.append((entry["name"], number, here, there, tolerance, bool(abs(here - there) <= tolerance)))
    return rows


def _numbers(path: Path) -> Numbers:
    if not path.is_file():
        raise RunError(f"{path} is missing: copy it from where the package is whole.")
    try:
        return from_csv(path.read_text("utf-8"))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is no file of numbers ({error}): copy it from where the package is whole.") from error
