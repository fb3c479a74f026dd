"""In which aggregate state an economy is at date 0, when a shock of a given size happens and when it does not."""

from collections.abc import Mapping

import numpy as np

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.markov import stationary_distribution
from hank_mfg.model.mistakes import did_you_mean


def lottery_on_chain(values: np.ndarray, target: float) -> np.ndarray:
    """Probabilities on the states of a chain, at most two neighbors, with mean `target`: (states,).

    Raises ValueError when the target lies outside the values.
    """
    order = np.argsort(values)
    ordered = values[order]
    if not ordered[0] - 1e-12 <= target <= ordered[-1] + 1e-12:
        raise ValueError(
            f"The shock would reach {target:.6g}, outside the values {ordered[0]:.6g} to {ordered[-1]:.6g} of its "
            "chain: choose a smaller size."
        )
    upper = int(np.clip(np.searchsorted(ordered, target), 1, len(ordered) - 1))
    weight = np.clip((target - ordered[upper - 1]) / (ordered[upper] - ordered[upper - 1]), 0.0, 1.0)
    probabilities = np.zeros(len(values))
    probabilities[order[upper - 1]] = 1.0 - weight
    probabilities[order[upper]] = weight
    return probabilities


def date_zero(
    economy: Economy, shock: str, size: float, given: Mapping[str, float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the aggregate states at date 0, without and with the shock: (states,) each.

    With several independent shocks the others keep their stationary distribution, but for those `given` a level.
    """
    given = dict(given or {})
    values = {name: np.asarray(v) for name, v in economy.shock_values.items()}
    for name in (shock, *given):
        if name not in values:
            raise ValueError(
                f"There is no shock '{name}'{did_you_mean(name, values)}: the aggregate shocks are "
                f"{', '.join(values) or 'none'}."
            )
    if shock in given:
        raise ValueError(
            f"{shock} is given the level {given[shock]:g} and is the shock that moves: leave it out of given."
        )
    share = np.asarray(stationary_distribution(economy.shock_transition))
    for name, level in given.items():
        if isinstance(level, str):
            raise ValueError(f"{name} is given the level {level!r}: give a number, near {values[name].mean():g}.")
        share = _at_level(share, values[name], level)
    mean = float(share @ values[shock])
    return _at_level(share, values[shock], mean), _at_level(share, values[shock], mean + size)


def _at_level(share: np.ndarray, values: np.ndarray, target: float) -> np.ndarray:
    """Probabilities `share` (states,) reweighted so that a shock with `values` (states,) is at `target` in the mean."""
    levels = np.unique(values)
    weights = np.array([share[values == level].sum() for level in levels])
    ratio = lottery_on_chain(levels, float(target)) / weights
    return share * ratio[np.searchsorted(levels, values)]


def set_apart(economy: Economy, pinned: list[str]) -> np.ndarray:
    """The aggregate states by the level of the shocks `pinned` and the state of all others: (levels, others).

    Where the others depend on those pinned they are part of the shock, and nothing is apart: (states, 1).
    """
    values = {name: np.asarray(v) for name, v in economy.shock_values.items()}
    levels, of_level = np.unique(np.stack([values[name] for name in pinned]), axis=1, return_inverse=True)
    places = [np.flatnonzero(of_level.ravel() == level) for level in range(levels.shape[1])]
    together = np.arange(economy.shock_count)[:, None]
    if any(len(place) != len(places[0]) for place in places):
        return together
    order = np.stack(places)
    moves = np.asarray(economy.shock_transition, np.float64)[:, order]
    product = moves.sum(axis=2, keepdims=True) * moves.sum(axis=1, keepdims=True)
    alike = all((v[order] == v[order][0]).all() for name, v in values.items() if name not in pinned)
    return order if alike and np.allclose(moves, product, rtol=0.0, atol=1e-9) else together


def states_drawn(chances: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """One place in a row of `chances` (rows, places) for each of its uniform numbers (rows, draws): (rows, draws).

    Chances need not add up to one.
    """
    below = np.cumsum(chances, axis=1)[:, None, :]
    return np.argmax(uniforms[:, :, None] * below[..., -1:] < below, axis=2)


def others_move(economy: Economy, order: np.ndarray, before: np.ndarray, luck: np.ndarray) -> np.ndarray:
    """Aggregate states at date 0 at every level of what is pinned, the others drawn from where they were.

    `order` (levels, others) is that of `set_apart`, `before` (starts,) the state a period earlier, `luck` (starts,
    paths) uniform numbers, the same for every level: (starts, levels, paths).
    """
    chances = np.asarray(economy.shock_transition, np.float64)[before][:, order].sum(axis=1)
    return order[:, states_drawn(chances, luck)].swapaxes(0, 1)
