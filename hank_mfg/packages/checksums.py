"""checksums.txt: a SHA-256 of every file of a package, in the form that `sha256sum -c` reads."""

import os
from pathlib import Path

from hank_mfg.runs.seal import checksum

CHECKSUMS = "checksums.txt"
PASSED_OVER = ("results", "__pycache__")  # folders: what run_all.sh makes, and what Python keeps of modules it has run
AUTHORS = ("README.md", "CITATION.cff", "LICENSE")  # which authors complete: a change is told and is no fault


def files_in(folder: Path) -> list[str]:
    """The files of a package, but those of its results and of Python, as paths inside it."""
    found = []
    for place, folders, names in os.walk(folder):
        top = Path(place) == folder
        folders[:] = [each for each in folders if each not in (PASSED_OVER if top else PASSED_OVER[1:])]
        found += [(Path(place) / name).relative_to(folder).as_posix() for name in names]
    return sorted(name for name in found if name != CHECKSUMS)


def checksums_text(folder: Path) -> str:
    """A line a file: checksum, two spaces, path."""
    return "".join(f"{checksum((folder / name).read_bytes())}  {name}\n" for name in files_in(folder))


def differences(folder: Path) -> tuple[dict[str, str], list[str]]:
    """What is wrong with the files of a package, by path, "changed", "missing" or "added"; and which files of the
    authors were changed."""
    lines = [line.partition("  ") for line in (folder / CHECKSUMS).read_text("utf-8").splitlines()]
    expected, found = {name: stated for stated, _, name in lines}, {}
    present = files_in(folder)
    for name, stated in expected.items():
        if name not in present:
            found[name] = "missing"
        elif checksum((folder / name).read_bytes()) != stated:
            found[name] = "changed"
    edited = [name for name in AUTHORS if found.get(name) == "changed"]
    added = {name: "added" for name in present if name not in expected}
    return {**{name: what for name, what in found.items() if name not in edited}, **added}, edited
