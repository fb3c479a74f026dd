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


def moved_on(economy: Economy, pinned: list[str], chances: np.ndarray, before: int) -> np.ndarray:
    """Probabilities `chances` (states,) at date 0 of an economy that was in the aggregate state `before`.

    The shocks `pinned` keep theirs, the others move on from where they were, rather than leap to a draw from their
    stationary distribution. Where they depend on those pinned, that would be part of the shock: `chances` themselves.
    """
    values = {name: np.asarray(v) for name, v in economy.shock_values.items()}
    levels, of_level = np.unique(np.stack([values[name] for name in pinned]), axis=1, return_inverse=True)
    places = [np.flatnonzero(of_level.ravel() == level) for level in range(levels.shape[1])]
    if any(len(place) != len(places[0]) for place in places):
        return chances
    order = np.stack(places)  # (levels of those pinned, states of the others)
    move = np.asarray(economy.shock_transition, np.float64)[before][order]
    others = [values[name][order] for name in values if name not in pinned]
    alike = all((each == each[0]).all() for each in others)
    if not alike or not np.allclose(move, np.outer(move.sum(axis=1), move.sum(axis=0)), rtol=0.0, atol=1e-9):
        return chances
    found = np.zeros_like(chances)
    found[order] = np.outer(chances[order].sum(axis=1), move.sum(axis=0))
    return found
