"""What is known of how runs were computed: versions, machine, seconds, seeds; what is not known is None."""

import ast
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from hank_mfg.machine import describe_machine
from hank_mfg.packages.member import Member
from hank_mfg.runs.kinds import GAME, STATIONARY

READERS = {
    "open", "read_csv", "read_excel", "read_parquet", "read_stata", "read_text", "read_bytes", "loadtxt", "genfromtxt",
    "load", "loadmat", "urlopen",
}  # fmt: skip
NOT_KNOWN = "not known"


class RunFacts(NamedTuple):
    """Of one run: how it ended, device, precision, seed, updates, seconds of compiling, of computing and of all."""

    status: str
    device: str | None
    precision: str
    seed: int | None
    updates: int | None
    seconds_compile: float
    seconds_run: float
    seconds_total: float


def facts_of(member: Member) -> RunFacts:
    """The facts that a run recorded."""
    config = member.config
    if member.kind == STATIONARY:
        compiling, computing = member.solved.seconds_compile, member.solved.seconds_run
        return RunFacts("SOLVED", None, "float64", None, None, compiling, computing, compiling + computing)
    settings = config["settings" if member.kind == GAME else "method"]
    compiling, training = (float(config[name]) for name in ("seconds_compile", "seconds_train"))
    return RunFacts(
        config["status"], config["device"], settings["precision"], config["seed"], config["updates"], compiling,
        training, float(config.get("seconds_total", compiling + training)),
    )  # fmt: skip


def recorded_versions(members: Iterable[Member]) -> dict[str, set[str]]:
    """The versions of Python and of packages that the runs recorded, by name."""
    found: dict[str, set[str]] = {}
    for member in members:
        for name, version in member.config.get("versions", {}).items():
            if version != "not installed":
                found.setdefault(name, set()).add(version)
    return found


def machine_here() -> dict[str, Any]:
    """This machine, with the most memory that this process has used in GiB, None where the system does not say."""
    return {**describe_machine(), "host": socket.gethostname(), "peak_memory_gib": _peak_memory()}


def _peak_memory() -> float | None:
    try:
        import resource
    except ImportError:  # on Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / 2**30 if sys.platform == "darwin" else most / 2**20, 2)


def reads_files(text: str) -> list[str]:
    """The calls in a model file that may read data, by name."""
    calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    names = {each.id if isinstance(each, ast.Name) else getattr(each, "attr", "") for each in calls}
    return sorted(names & READERS)


def size_of(folder: Path) -> float:
    """MiB of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
