"""`hank-mfg doctor`: what a report of a fault needs."""

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from hank_mfg.machine import describe_machine
from hank_mfg.runs.storage import versions


def examine(cache: Path | None) -> tuple[dict[str, Any], list[str]]:
    """The facts by name, and lines to print."""
    with jax.enable_x64(True):
        double = float(jnp.float64(1.0) / 3.0) == 1.0 / 3.0
    kept = [each for each in cache.rglob("*") if each.is_file()] if cache is not None and cache.exists() else []
    machine = describe_machine()
    content = {
        "versions": versions(),
        "python": sys.executable,
        "machine": machine,
        "float64": double,
        "cache": None if cache is None else str(cache),
        "cache_files": len(kept),
        "cache_mib": round(sum(each.stat().st_size for each in kept) / 2**20, 1),
    }
    memory = "" if machine["memory_gib"] is None else f", {machine['memory_gib']} GiB of memory"
    lines = [
        *(f"{name:10} {version}" for name, version in content["versions"].items()),
        f"{'from':10} {sys.executable}",
        f"{'platform':10} {machine['platform']}",
        f"{'machine':10} {machine['cpu']}, {machine['cores_available']} of {machine['cores']} cores{memory}",
        f"{'load':10} {machine['load_average']} busy processes",
        f"{'devices':10} {', '.join(machine['devices'])}",
        f"{'float64':10} {'works' if content['float64'] else 'does not work'}",
        f"{'compiled':10} " + ("not kept (HANK_MFG_CACHE)" if cache is None else
                               f"{content['cache_files']} files, {content['cache_mib']} MiB in {cache}"),
    ]  # fmt: skip
    return content, lines
