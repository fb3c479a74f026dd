"""The cause of a jump of the excess over zero: prices, an equation, or households."""

import numpy as np

from hank_mfg.solve.stationary.clearing.candidates import Candidate, Candidates
from hank_mfg.solve.stationary.clearing.global_search import FINER, Budget, Sweep, level_of
from hank_mfg.solve.stationary.diagnosis.remedies import any_root, regridded
from hank_mfg.solve.stationary.diagnosis.symptoms import words

JUMP = 1e-6  # of prices or of the mass: what is not continuous moves by more
OTHER_TOPS = (1.07, 0.93, 1.2)  # times the top of the asset grid, for other points in between


def edge_that_jumps(candidates: Candidates, evidence: list[Sweep]) -> str | None:
    """The edge of supply at which beta (1 + r) jumps over one, so that an equilibrium may be jumped over, too."""
    names = candidates.names
    for end in (each for one in evidence for each in one.interval):
        places = level_of(names, end + 1e-9 * np.asarray([-1.0, 1.0]) * max(1.0, abs(end)))
        survey = candidates.survey(places[:, None])
        if survey.finite.all() and np.ptp(survey.patience) > 1e-5 and survey.admissible.sum() == 1:
            before, after = survey.patience
            return (
                f"beta (1 + r) jumps over one at {words(names.searched, level_of(names, np.asarray([end])))}, from "
                f"{before:.6g} to {after:.6g}, and markets clear on neither side of it: let prices() be continuous in "
                f"{names.searched[0]}."
            )
    return None


def jump(candidates: Candidates, evidence: list, budget: Budget) -> str:
    """The excess changes its sign without being small anywhere: what jumps with it, and whether another grid helps."""
    names = candidates.names
    name, roots = names.searched[0], [root for each in evidence for root in each.roots]
    nearest = min(roots, key=lambda candidate: candidate.size, default=None)
    if nearest is None:
        return f"The excess of {name} changes its sign, but time ran out before its root was found: give a guess."
    message = f"The excess of {name} jumps over zero at {nearest.unknown[0]:.10g}"
    sides = _sides(candidates, nearest)
    if sides is None:
        return f"{message}, where it is still {nearest.excess[0]:.3g}, and not the same each time it is computed."
    one, other = sides
    message = f"{message}, from {one.excess[0]:.3g} to {other.excess[0]:.3g}"
    for price in names.prices:
        before, after = (float(each.found.public.prices[price]) for each in sides)
        if abs(after - before) > JUMP * (abs(before) + abs(after)):
            return f"{message}, and {price} from {before:.6g} to {after:.6g}: let prices() be continuous in {name}."
    moved = 0.5 * float(np.abs(np.asarray(one.found.mass) - np.asarray(other.found.mass)).sum())
    if moved < JUMP:
        return f"{message}, where households stay where they are: an equation jumps; let it be continuous in {name}."
    upper = float(candidates.economy.grid.upper)
    for factor in OTHER_TOPS:
        if any_root(regridded(candidates, upper=factor * upper), budget) is not None:
            cure = f"with the top of the asset grid at {factor * upper:g} instead of {upper:g} markets clear"
            break
    else:
        cure = "use another number of asset_points, or declare more risk"
    return (
        f"{message}, as {100 * moved:.3g} % of households move to other points of the asset grid at once, which they "
        f"do where hardly any risk spreads them; {cure}."
    )


def _sides(candidates: Candidates, root: Candidate) -> tuple[Candidate, Candidate] | None:
    """Candidates just below and above a place where the excess of one unknown changes its sign; None where none do."""
    for step in 10.0 ** np.arange(-13, -4):
        pair = [candidates(root.unknown * (1.0 + side * step), root, FINER[0]) for side in (-1.0, 1.0)]
        if pair[0].excess[0] * pair[1].excess[0] < 0:
            return pair[0], pair[1]
    return None
