"""Given aggregate shocks and initial distributions, instead of drawn ones.

For instance those of the comparison suite of Den Haan, Judd and Juillard (2010): a path of aggregate states and a
histogram to start from. Everything is checked here; nothing is clipped or renormalized.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.environment.economy import Economy
from hank_mfg.precision import in_jax
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.play.rollout import Play, State, rollout
from hank_mfg.solve.solution import GlobalSolution, move_mass

Histogram = np.ndarray | tuple[np.ndarray, np.ndarray]
ROUNDING = 1e-8  # of sums that must be one


class Path(NamedTuple):
    """The start of a path and the aggregate states that follow: `shocks_next` (burn + periods,) come after the state of
    the first period, which is that of `start`; the last of them is only where the path leads."""

    start: State
    shocks_next: Array
    periods: int
    burn: int


@quick_jit
def walk(play: Play, state: State, shocks_next: Array) -> State:
    """The state after a path of aggregate states, (periods,), of which nothing is recorded: one program for all
    measures."""
    return rollout(play, state, shocks_next, lambda step: None)[0]


@quick_jit
def draw(economy: Economy, shock: Array, periods: int, key: Array) -> Array:
    """Aggregate states (periods,) that follow the state `shock`."""
    return economy.draw_shocks(shock, periods, key=key)


def path_of(
    solution: GlobalSolution,
    play: Play,
    *,
    periods: int | None,
    burn: int | None,
    shocks: Sequence[int] | np.ndarray | None,
    distribution: Histogram | None,
    key: Array,
) -> Path:
    """The path that is given, or drawn with `key` where `shocks` is None; of 10,000 `periods` after a `burn` of 500
    where these are None and nothing is given.

    Raises ValueError for shocks that are no states of the economy, for moves between them that never happen, for a
    distribution that is none, and for lengths that contradict the shocks.
    """
    economy, start = play.economy, solution.start(play)
    if burn is None:
        burn = 500 if shocks is None and distribution is None else 0
    if distribution is not None:
        mass = jnp.asarray(mass_of(economy, distribution))
        start = eqx.tree_at(lambda s: s.aggregate.mass, start, mass)
    if shocks is None:
        periods = 10_000 if periods is None else periods
        _require_length(periods, burn)
        return Path(start, draw(economy, start.aggregate.shock, periods + burn, key), periods, burn)
    states = _states(economy, shocks)
    left = len(states) - burn
    if periods not in (None, left):
        raise ValueError(
            f"periods = {periods}, but {len(states)} shocks less burn = {burn} are {left} periods: leave periods out."
        )
    periods = left
    _require_length(periods, burn)
    before = int(start.aggregate.shock)
    if distribution is None and float(economy.shock_transition[before, states[0]]) == 0:
        raise ValueError(
            f"shocks[0] = {states[0]} never follows the aggregate state {before} in which training ended: give a "
            "distribution to start from, or begin with another state."
        )
    if distribution is None:  # a period of the economy leads to the first state, with a mass that belongs to it
        start = walk(play, start, jnp.asarray(states[:1]))
    else:
        start = eqx.tree_at(lambda s: s.aggregate.shock, start, jnp.asarray(states[0]))
    return Path(start, in_jax(np.append(states[1:], states[-1]).astype(np.int32)), periods, burn)


def _require_length(periods: int, burn: int) -> None:
    if periods < 1 or burn < 0:
        raise ValueError(f"periods = {periods} and burn = {burn}: give one or more periods and a burn of at least 0.")
    require_sizes(
        "simulate",
        {"periods": (periods, 1, 10_000), "burn": (burn, 0, 500)},
        lambda: (30.0 * (periods + burn), 1e4 * (periods + burn)),
    )


def _states(economy: Economy, shocks: Sequence[int] | np.ndarray) -> np.ndarray:
    """Aggregate states (periods,) as integers."""
    states = integers("shocks", shocks, economy.shock_count, "the aggregate states")
    if states.ndim != 1 or len(states) == 0:
        raise ValueError(f"shocks has shape {states.shape}: give one aggregate state per period, (periods,).")
    possible = np.asarray(economy.shock_transition)[states[:-1], states[1:]] > 0
    if not possible.all():
        at = int(np.argmin(possible))
        raise ValueError(
            f"shocks moves from {states[at]} to {states[at + 1]} in period {at + 1}, which has probability zero in the "
            "declared chain: check the order of its states."
        )
    return states


def integers(name: str, values: Sequence[int] | np.ndarray, count: int, what: str) -> np.ndarray:
    """Indices below `count`, from whole numbers of any type. Raises ValueError naming the first that is none."""
    given = np.asarray(values)
    if not np.issubdtype(given.dtype, np.number) or given.size == 0:
        raise ValueError(f"{name} holds {given.dtype} of shape {given.shape}: give numbers of {what}.")
    wrong = (given != np.floor(given)) | (given < 0) | (given >= count)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = at[0] if len(at) == 1 else at
        raise ValueError(
            f"{name}[{where}] = {given[at]} is none of {what} 0 to {count - 1}: "
            "count them from 0, in the order declared."
        )
    return given.astype(np.int32)


def mass_of(economy: Economy, distribution: Histogram) -> np.ndarray:
    """A distribution as a mass on the economy's grid, (assets, income).

    `distribution` is such a mass, or a pair of asset points (n,) and a mass on them (n, income), which is split between
    the two neighbors on the grid so that mean assets are unchanged (`move_mass`). Raises ValueError for one that is no
    distribution, reaches beyond the grid, or has other shares of permanent types than the economy.
    """
    points, grid = None, np.asarray(economy.grid.points)
    if isinstance(distribution, tuple):
        points, distribution = (np.asarray(part, np.float64) for part in distribution)
    mass = np.asarray(distribution, np.float64)
    rows = economy.shape[0] if points is None else points.size
    if mass.shape != (rows, economy.shape[1]) or (points is not None and points.ndim != 1):
        raise ValueError(
            f"distribution has shape {mass.shape}, but there are {rows} asset points and {economy.shape[1]} own "
            "states: give (assets, own states), with the points as distribution=(points, mass) unless they are the "
            "grid's."
        )
    if not np.isfinite(mass).all() or mass.min() < 0 or abs(mass.sum() - 1.0) > ROUNDING:
        raise ValueError(
            f"distribution sums to {mass.sum():.10g} and its smallest entry is {mass.min():.3g}: give shares of the "
            "population, zero or positive, divided by their sum."
        )
    _require_types(economy, mass)
    if points is None:
        return mass
    if not np.isfinite(points).all() or points.min() < grid[0] or points.max() > grid[-1]:
        raise ValueError(
            f"distribution lies on assets from {points.min():g} to {points.max():g}, the economy's from {grid[0]:g} to "
            f"{grid[-1]:g}: leave out points beyond, or solve with a wider asset_space()."
        )
    return move_mass(mass, points, grid)


def _require_types(economy: Economy, mass: np.ndarray) -> None:
    shares = np.asarray(economy.shares, np.float64)
    found = np.bincount(economy.types, mass.sum(axis=0))
    if np.abs(found - shares).max() > 1e-6:
        raise ValueError(
            f"distribution gives permanent types the shares {np.round(found, 6).tolist()}, the model "
            f"{np.round(shares, 6).tolist()}: types never change, so give the model's."
        )
