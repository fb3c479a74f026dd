"""Whether a path was not found because the state of period 0 contradicts itself, tried.

A mass that was given without the state variables that go with it (bonds that nobody owes) leaves goods over in period
0. Little of it is enough to see that: with a part of the mass's deviation a path is found, goods of period 0 say by how
much each state variable is off, and with the value that closes accounts the whole path is searched again.
"""

from collections.abc import Callable, Sequence

import numpy as np

PARTS = (0.1, 0.01, 0.001)  # of the deviation of the mass
OFF = 1e-9  # goods left over, relative to output, that nothing explains but the state
STEP = 1e-3  # of a state variable

Goods = Callable[[np.ndarray, np.ndarray], np.ndarray | None]


def state_that_closes(
    goods: Goods, steady: np.ndarray, mass: np.ndarray, carried: np.ndarray, names: Sequence[str], free: Sequence[str]
) -> tuple[str, float, float] | None:
    """A state variable of period 0 that was not given, its value in the search, and the one with which a path is found.

    `goods(mass, carried)` is what is left of goods (horizon,) on the path from a mass and the values of all state
    variables `names`, None where none is found; `steady` is the mass at rest, `free` the names that were not given.
    None where no state variable of period 0 is to blame.
    """
    for part in PARTS:
        near = steady + part * (mass - steady)
        left = goods(near, carried)
        if left is not None:
            break
    else:
        return None
    if not abs(left[0]) > OFF or not np.abs(left[1:]).max(initial=0.0) < 1e-2 * abs(left[0]):
        return None
    for name in free:
        place = list(names).index(name)
        step = STEP * part * max(abs(carried[place]), 1.0)
        moved = goods(near, _with(carried, place, carried[place] + step))
        slope = np.nan if moved is None else (moved[0] - left[0]) / step
        if not np.isfinite(slope) or not abs(slope) > 1e-6:
            continue
        value = float(carried[place] - left[0] / slope / part)
        for _ in range(3):
            whole = goods(mass, _with(carried, place, value))
            if whole is None:
                break
            if abs(whole[0]) <= 1e-6:
                return name, float(carried[place]), value
            value -= float(whole[0] / slope)
    return None


def _with(carried: np.ndarray, place: int, value: float) -> np.ndarray:
    other = np.array(carried)
    other[place] = value
    return other


def explain_state(found: tuple[str, float, float]) -> str:
    """What to say of it."""
    name, used, value = found
    return (
        f"The state of period 0 contradicts itself: the state variable {name} was not given, so its value at rest, "
        f"{used:.6g}, was taken, and households' assets do not agree with it; with state_variables="
        f"{{{name!r}: {value:.6g}}} the path is found."
    )
