"""The machine, its devices and the versions: what a bug report and a benchmark need."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from hank_mfg.sizes import machine_memory


def describe_machine() -> dict[str, Any]:
    """CPU model, cores, memory, load, devices of JAX, platform; what cannot be found out is None.

    `cores_available` is what this process may use, `load_average` the number of busy processes over the last minute,
    `memory_gib` the memory that this process may use.
    """
    import jax

    memory = machine_memory()
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "cores_available": available_cores(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "memory_gib": round(memory / 2**30, 1) if memory < float("inf") else None,
        "devices": [f"{device.platform} ({device.device_kind})" for device in jax.devices()],
        "platform": platform.platform(),
    }


def available_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str | None:
    """The name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        return output_of("sysctl", "-n", "machdep.cpu.brand_string")
    return platform.processor() or None


def output_of(*command: str, folder: Path | None = None) -> str | None:
    """What a command prints; None where it fails or is not there."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
