"""Test whether a path was not found because the state of period 0 contradicts itself.

A mass that was given without the state variables that go with it (bonds without a debtor) leaves goods in period 0.
Little of it is enough to see that: with a part of the mass's deviation a path is found, on which each state variable is
changed until goods of period 0 are accounted for. With the one that needs the least change the whole path is searched.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

PARTS = (0.1, 0.01, 1e-3)  # of the deviation of the mass
OFF = 1e-9  # goods left over, relative to output, that nothing explains but the state
STEP = 1e-3  # of a state variable, the first, and the size below which a change is not relative
SECANTS = 12  # steps
LEAST = 1e-6  # of goods by one of a state variable: one that moves less is not to blame
CLOSED = 1e-6  # goods left over that are none

Goods = Callable[[np.ndarray, np.ndarray], np.ndarray | None]


class Contradiction(NamedTuple):
    """A state variable `name` that was not given, the value `used` for it, the `value` with which accounts close, and
    whether a path is `found` with that."""

    name: str
    used: float
    value: float
    found: bool


def state_that_closes(
    goods: Goods,
    steady: np.ndarray,
    mass: np.ndarray,
    state_variables: np.ndarray,
    names: Sequence[str],
    free: Sequence[str],
) -> Contradiction | None:
    """The state variable of period 0 that does not agree with the mass; None where none is to blame.

    `goods(mass, state_variables)` is what is left of goods (horizon,) on the path from a mass and the values of all
    state variables `names`, None where none is found; `steady` is the stationary mass, `free` the names that were not
    given."""
    for part in PARTS:
        near = steady + part * (mass - steady)
        left = goods(near, state_variables)
        if left is not None:
            break
    else:
        return None
    if not abs(left[0]) > OFF or not np.abs(left[1:]).max(initial=0.0) < 1e-2 * abs(left[0]):
        return None
    closing = []
    for name in free:
        place = list(names).index(name)
        change = _closing(lambda x, at=place: goods(near, _with(state_variables, at, x)), float(left[0]))
        if change is not None:
            closing.append((abs(change) / max(abs(state_variables[place]), STEP), place, name, change))
    if not closing:
        return None
    _, place, name, change = min(closing)
    whole = goods(mass, _with(state_variables, place, change / part))
    found = whole is not None and abs(whole[0]) < CLOSED
    return Contradiction(name, float(state_variables[place]), float(state_variables[place]) + change / part, found)


def _closing(goods: Callable[[float], np.ndarray | None], left: float) -> float | None:
    """The change of a state variable with which goods of period 0 are accounted for, by secants from zero, where
    they are `left`; None where it does not get there."""
    last, here = (0.0, left), STEP
    for _ in range(SECANTS):
        path = goods(here)
        if path is None or not abs(path[0] - last[1]) > LEAST * abs(here - last[0]):
            return None
        if abs(path[0]) < OFF:
            return here
        slope = (path[0] - last[1]) / (here - last[0])
        last, here = (here, float(path[0])), here - float(path[0] / slope)
    return None


def _with(state_variables: np.ndarray, place: int, change: float) -> np.ndarray:
    other = np.array(state_variables)
    other[place] += change
    return other


def explain_state(state: Contradiction) -> str:
    """The sentence of the error."""
    value = f"state_variables={{{state.name!r}: {state.value:.6g}}}"
    cure = f"with {value} the path is found" if state.found else (
        f"give {value}, with which accounts close; no path is found with it either, from so far away: let the mass be "
        "nearer to the stationary one"
    )  # fmt: skip
    return (
        f"No path was found, because the state of period 0 contradicts itself: the state variable {state.name} was not "
        f"given, its steady-state value, {state.used:.6g}, was taken, and households' assets contradict it; {cure}."
    )
