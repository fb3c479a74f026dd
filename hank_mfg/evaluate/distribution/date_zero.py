"""The aggregate state at date 0, with and without a shock of a given size."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.markov import declared_chains, stationary_distribution
from hank_mfg.model.spelling import did_you_mean


def lottery_on_chain(values: np.ndarray, target: float) -> np.ndarray:
    """Probabilities on the states of a chain, at most two neighbors, with mean `target`: (states,).

    Raises ValueError when the target lies outside the values.
    """
    if not np.isfinite(target):
        raise ValueError(f"The shock would reach {target}, which is no level: give its size as a finite number.")
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


def reach_of(economy: Economy, shock: str) -> tuple[float, float, float]:
    """Stationary mean and standard deviation of an aggregate shock, and how far it can move both up and down."""
    values, share = (
        np.asarray(economy.shock_values[shock]),
        np.asarray(stationary_distribution(economy.shock_transition)),
    )
    mean = float(share @ values)
    return mean, float(np.sqrt(share @ (values - mean) ** 2)), float(min(values.max() - mean, mean - values.min()))


def date_zero(
    economy: Economy, shock: str, size: float, given: Mapping[str, float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the aggregate states at date 0, without and with the shock: (states,) each.

    Where other shocks are is summed out: they keep their stationary distribution, but for those `given` a level.
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


def set_apart(economy: Economy, pinned: Iterable[str]) -> np.ndarray:
    """The aggregate states by the state of the chains that the shocks `pinned` are declared in and that of all other
    chains: (levels, others).

    What is declared in one chain with a pinned shock may depend on it and is part of it; other chains are independent.
    """
    declared = declared_chains(economy.model.aggregate_shocks())
    theirs = [place for place, chain in enumerate(declared) if set(chain.values) & set(pinned)]
    states = np.arange(economy.shock_count).reshape([len(chain.transition) for chain in declared])
    levels = math.prod(states.shape[place] for place in theirs)
    return np.moveaxis(states, theirs, range(len(theirs))).reshape(levels, -1)
