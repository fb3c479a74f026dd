"""The equilibrium next to a first guess."""

import numpy as np

from hank_mfg.solve.stationary.clearing.candidates import Candidate, Candidates
from hank_mfg.solve.stationary.clearing.global_search import (
    Budget,
    Scaled,
    descend,
    ends_of,
    level_of,
    polish,
    root_between,
)


def near_guess(candidates: Candidates, guess: np.ndarray, tolerance: float, budget: Budget) -> Candidate:
    """The root next to a guess (searched,): steps that grow until the excess of one unknown changes its sign, or
    damped Newton steps in several."""
    if len(guess) > 1:
        return polish(candidates, descend(Scaled(candidates), candidates(guess), budget))
    names = candidates.names
    first = candidates(guess)
    x0 = float(guess[0]) if names.clearing else float(np.log(guess[0]))
    scale = float(np.ptp(np.concatenate(ends_of(candidates)))) if names.clearing else 1.0
    best, edges = first, {-1.0: (x0, first), 1.0: (x0, first)}
    step = 1e-4 * scale
    while step < scale and budget.left() and np.isfinite(first.size):
        for side, (x, before) in list(edges.items()):
            at = x0 + side * step
            candidate = candidates(level_of(names, np.asarray([at])), before)
            if not np.isfinite(candidate.size):
                continue
            if candidate.excess[0] * before.excess[0] <= 0:
                return root_between(candidates, (x, at), (before, candidate), tolerance)
            edges[side] = (at, candidate)
            best = min(best, candidate, key=lambda each: each.size)
        step *= 3.0
    return best
