"""`hank-mfg package` and `hank-mfg check`."""

from pathlib import Path
from typing import Any

from hank_mfg.cli.console import columns
from hank_mfg.packages.check import PackageCheck, check_package
from hank_mfg.packages.facts import size_of
from hank_mfg.packages.package import package

Answer = tuple[dict[str, Any], list[str]]


def make(runs: list[Path], out: Path, data: list[Path]) -> Answer:
    """Make a package: its folder, files and size, as JSON and as text."""
    folder = package(runs, out, data=data)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    size = size_of(folder)
    lines = [
        f"Wrote {len(files)} files ({size:.1f} MiB) into {folder}.",
        f"Fill in the list at the top of {folder / 'README.md'}; check a copy with `hank-mfg check {folder}`.",
    ]
    return {"package": str(folder), "runs": [str(run) for run in runs], "files": files, "mib": round(size, 1)}, lines


def check(folder: Path, full: bool) -> tuple[dict[str, Any], list[str], bool]:
    """Check a package: what was found as JSON and as text, and whether it passed."""
    found = check_package(folder, full=full)
    content = {
        "package": str(folder), "full": full, "passed": found.passed, "files": found.files,
        "edited": list(found.edited),
        "numbers": [_plain(row) for row in found.data.to_dict("records")], "reasons": found.reasons,
        "versions": {name: list(pair) for name, pair in found.versions.items()},
    }  # fmt: skip
    return content, check_lines(found), found.passed


def _plain(row: dict) -> dict[str, Any]:
    """A row without numbers that JSON does not have."""
    return {str(name): None if value != value else value for name, value in row.items()}


def check_lines(found: PackageCheck) -> list[str]:
    """A check for a reader: files, versions, the table of numbers, and the verdict."""
    lines = [f"{what.capitalize()}: {name}" for name, what in found.files.items()] or [
        "Every file is what was written."
    ]
    lines += [f"Completed by the authors since: {name}" for name in found.edited]
    lines += [f"{name} {here} here, {there} in the package" for name, (here, there) in found.versions.items()]
    rows = [
        (row["run"], row["number"], *(f"{row[name]:.8g}" for name in ("here", "in the package")),
         f"{row['tolerance']:.2g}", "pass" if row["passed"] else "FAIL")
        for row in found.data.to_dict("records")
    ]  # fmt: skip
    heading = ("run", "number", "here", "in the package", "tolerance", "")
    lines += ["", *columns(heading, rows), ""] if rows else [""]
    lines += [f"{run} could not be made again: {reason}" for run, reason in found.reasons.items()]
    failed = len(found.failed)
    verdict = "Passed" if found.passed else "Failed"
    return [
        *lines,
        f"{verdict}: {len(rows) - failed} of {len(rows)} numbers within their tolerance, {len(found.files)} files "
        "that are "
        "not what was written.",
    ]
