"""Memory and time of a problem, estimated from shapes before anything is allocated or compiled.

Estimates are lower bounds, up to small factors: numbers that are held at the same time, and operations at the speed of
a fast machine. What is refused could not have been computed; what passes can still be slow.
"""

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hank_mfg.errors import HankError

LONGEST = 30 * 86_400.0  # seconds that one call may be expected to take
SPEED = 2e9  # elementary steps in a second; a GPU makes about a hundred times as many
LARGEST_SEED = 2**62
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


class SizeError(HankError, ValueError):
    """A size that this machine cannot hold, that would take longer than a month, or that is no whole number."""


def machine_memory() -> float:
    """Bytes of memory that this process may use: the machine's, or its control group's limit where that is smaller."""
    try:
        physical = float(os.sysconf("SC_PAGE_SIZE")) * float(os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):  # a system that does not say
        return float("inf")
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(file) as limit:
                physical = min(physical, float(limit.read().replace("max", "inf")))
        except (OSError, ValueError):
            continue
    return physical


def require_room(what: str, cure: str, *, numbers: float, steps: float = 0.0, each: int = 8) -> None:
    """Raise SizeError unless `numbers` of `each` bytes fit into the machine and `steps` end within a month.

    `what` names the field and its value ("periods=1000000"); `cure` says what to change ("use fewer periods"). The
    time is that of a GPU where JAX computes on one, a hundredth.
    """
    size, room = float(numbers) * each, machine_memory()
    if size > room:
        raise SizeError(f"{what} needs about {_bytes(size)} of memory and this machine has {_bytes(room)}: {cure}.")
    seconds = float(steps) / SPEED
    if seconds > LONGEST and (seconds > 100 * LONGEST or not _accelerated()):
        raise SizeError(f"{what} would take about {_duration(seconds)} on this machine: {cure}.")


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number; a flag is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def require_whole(name: str, value: Any, least: int = 1, cure: str = "", call: str = "") -> None:
    """Raise SizeError unless `value` is a whole number of at least `least`; a flag or a text is none."""
    given, after = (f"{call}({name}={value!r})" if call else f"{name}={value!r}"), cure and f"; {cure}"
    if not is_whole(value):
        raise SizeError(f"{given}: {name} must be a whole number{after}.")
    if value < least:
        raise SizeError(f"{given}: {name} must be at least {least}{after}.")


def require_sizes(
    call: str, sizes: Mapping[str, tuple[Any, int, int]], cost: Callable[[], tuple[float, float]]
) -> None:
    """Check several sizes of one call together: whole numbers first, then what they cost.

    `sizes` maps each name to its value, the least and the usual one; `cost()` gives the numbers, of eight bytes, that
    are held at the same time and the elementary steps. Raises SizeError that names the size furthest above the usual.
    """
    for name, (value, least, usual) in sizes.items():
        require_whole(name, value, least, f"{usual} is usual", call)
    name, (value, _, usual) = max(sizes.items(), key=lambda size: int(size[1][0]) / max(1, size[1][2]))
    numbers, steps = cost()
    require_room(
        f"{call}({name}={shown(int(value))})", f"use a smaller {name}, {usual} is usual",
        numbers=numbers, steps=steps,
    )  # fmt: skip


def require_seed(name: str, value: Any) -> None:
    """Raise SizeError unless `value` is a whole number from 0 to 2^62, which every generator takes."""
    require_whole(name, value, 0, "give a whole number from 0 to 2^62, for instance 1")
    if value > LARGEST_SEED:
        raise SizeError(f"{name}={value}: {name} must be at most 2^62 = {LARGEST_SEED}; give a smaller one.")


def shown(value: int) -> str:
    """A whole number with few digits: 100000, and 1e+11 where it is long."""
    return str(value) if abs(value) < 10**9 else f"{float(value) if value < 10**300 else math.inf:.6g}"


def _accelerated() -> bool:
    import jax

    return jax.default_backend() != "cpu"


def _bytes(size: float) -> str:
    power = max(0, min(len(_UNITS) - 1, int(math.log10(max(size, 1.0)) // 3)))
    return f"{size / 1000.0**power:.3g} {_UNITS[power]}"


def _duration(seconds: float) -> str:
    years = seconds / (365.25 * 86_400)
    return f"{years:.2g} years" if years >= 1 else f"{seconds / 86_400:.2g} days"
