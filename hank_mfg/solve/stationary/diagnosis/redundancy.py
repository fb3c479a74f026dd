"""Whether an equilibrium is determined: the rank of the Jacobian of excess demands where markets clear.

By Walras' law the excess demands of a period, valued at prices, sum to zero, so that one market too many is stated
where all are. A Jacobian without full rank is a symptom only: a fold, at which two equilibria meet, has one, too. The
cause is tried: from z + s v, with v the direction in scaled unknowns z along which no excess moves, Gauss-Newton steps
lead back to where markets clear. Equilibria on both sides of the first, each a distance of about s away, lie on a
curve: nothing picks one of them.
"""

from typing import NamedTuple

import numpy as np

from hank_mfg.solve.stationary.clearing.candidates import Candidate, Candidates
from hank_mfg.solve.stationary.clearing.global_search import (
    CLEARED,
    SINGULAR,
    SUSPECT,
    Budget,
    Scaled,
    descend,
    jacobian,
)
from hank_mfg.solve.stationary.diagnosis.symptoms import equation_names, words

ROUGH = 1e-10  # tolerance of the household
NOISE = 1e-6  # times the largest row of a Jacobian: a smaller one is zero
IDLE = 1e-4  # derivatives of an unknown, rows scaled, below which it moves nothing
PART = 1e-2  # of the largest element of a singular vector: smaller ones count as zero
ASIDE = (0.05, 0.02)  # s, in scaled unknowns
FLAT = 1e-6  # slope of the excess of one unknown below which its equation may be an identity


class Deficiency(NamedTuple):
    """The deficiency of a Jacobian: the `equations` that depend on each other and the `unknowns` that cannot be
    distinguished, the unknowns that are `idle`, moving no equation, (searched,) of bool each, and the `direction` in
    unknowns along which no excess moves, (searched,)."""

    equations: np.ndarray
    unknowns: np.ndarray
    idle: np.ndarray
    direction: np.ndarray


def deficiency(slope: np.ndarray, least: float = SINGULAR) -> Deficiency | None:
    """The deficiency of a finite Jacobian (searched, searched); None where its smallest singular value, rows scaled, is
    more than `least` times the largest."""
    size = np.abs(slope).max(axis=1, keepdims=True)
    scaled = slope / np.maximum(size, NOISE * max(float(size.max()), NOISE))
    left, values, right = np.linalg.svd(scaled)
    if values[-1] > least * values[0]:
        return None
    used = [np.abs(vector) > PART * np.abs(vector).max() for vector in (left[:, -1], right[-1])]
    idle = np.abs(scaled).max(axis=0) < IDLE
    return Deficiency(equations=used[0], unknowns=used[1], idle=idle, direction=right[-1])


def may_be_undetermined(slope: np.ndarray) -> bool:
    """Whether the last Jacobian of a search, (searched, searched), leaves open if its equilibrium is determined."""
    if not np.isfinite(slope).all():
        return True
    return abs(slope[0, 0]) < FLAT if len(slope) == 1 else deficiency(slope, SUSPECT) is not None


def not_determined(candidates: Candidates, candidate: Candidate, budget: Budget) -> str | None:
    """The reason that the equilibrium at a candidate is one of a curve of them; None where it is not.

    Costs an evaluation per unknown, and up to two searches where the rank is not full.
    """
    scaled = Scaled(candidates)
    if len(candidate.unknown) == 1:
        return _identity(candidates, scaled, candidate)
    slope = jacobian(scaled, candidate, ROUGH)
    lack = deficiency(slope, SUSPECT) if np.isfinite(slope).all() else None
    if lack is None:
        return None
    beside = _beside(scaled, candidate, lack.direction, budget)
    if beside is None:
        return None
    names = candidates.names.searched
    one, here, other = (words(names, each.unknown) for each in (beside[0], candidate, beside[1]))
    return f"{what_is_tied(candidates, lack)}: markets clear at {here}, as they do at {one} and at {other}."


def _beside(scaled: Scaled, candidate: Candidate, direction: np.ndarray, budget: Budget) -> list[Candidate] | None:
    """Equilibria on either side of a candidate along a direction; None where there are none on both."""
    here = scaled.coordinates(candidate.unknown)
    for aside in ASIDE:
        found = []
        for side in (-1.0, 1.0):
            z = here + side * aside * direction
            root = descend(scaled, scaled.candidates(scaled.level(z), candidate, ROUGH), budget, rank=SUSPECT)
            moved = side * float((scaled.coordinates(root.unknown) - here) @ direction)
            if root.size <= CLEARED and 0.5 * aside <= moved <= 2.0 * aside:
                found.append(root)
        if len(found) == 2:
            return found
    return None


def _identity(candidates: Candidates, scaled: Scaled, candidate: Candidate) -> str | None:
    """The sentence where markets clear at any value of one unknown."""
    here = scaled.coordinates(candidate.unknown)
    beside = [candidates(scaled.level(here + side * ASIDE[0]), candidate, ROUGH) for side in (-1.0, 1.0)]
    finite = [each for each in beside if np.isfinite(each.size)]
    if not finite or not all(each.size <= CLEARED for each in finite):
        return None
    return identity(candidates, [candidate, *finite])


def identity(candidates: Candidates, evaluated: list[Candidate]) -> str:
    """The sentence for one unknown whose market clears at every candidate evaluated."""
    values = [float(candidate.unknown[0]) for candidate in evaluated]
    name = candidates.names.searched[0]
    return (
        f"The market for {name} clears at every value tried, from {min(values):.6g} to {max(values):.6g}: its equation "
        "is an identity (Walras' law, or an excess_demand() that does not depend on choices) and determines nothing; "
        "state the excess demand of another market."
    )


def what_is_tied(candidates: Candidates, lack: Deficiency) -> str:
    """Which equations depend on each other, which unknowns nothing determines, and the remedy; no full stop."""
    names, equations = candidates.names.searched, equation_names(candidates.economy, candidates.names)
    tied = [name for name, used in zip(equations, lack.equations, strict=True) if used]
    loose = [name for name, used in zip(names, lack.unknowns, strict=True) if used]
    idle = [name for name, used in zip(names, lack.idle, strict=True) if used]
    if len(tied) == 1:
        return (
            f"{tied[0]} moves with none of {', '.join(names)}: the equation determines nothing; let it depend on "
            "prices or choices"
        )
    if idle:
        return (
            f"{', '.join(idle)} moves none of the equations {', '.join(equations)}: nothing determines it; let "
            "prices() or excess_demand() depend on it, or take it out of clearing_prices()"
        )
    also = f"{', '.join(loose)} are not determined together" if len(loose) > 1 else f"{loose[0]} is not determined"
    return (
        f"The equations for {', '.join(tied)} are not independent: one follows from the others (Walras' law), so {also}"
        "; drop one of these equations and state another condition, or take one unknown out"
    )
