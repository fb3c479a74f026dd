"""Whether training converged, and the one sentence that says by how much it did not and what cures it."""

from typing import Any

import numpy as np

History = dict[str, np.ndarray]
SEE = "see docs/when_it_does_not_converge.md"


class NotConvergedWarning(UserWarning):
    """A solution was returned although the method did not converge; the sentence says what was reached and the cure."""


def chunk_length(updates: int, most: int = 20) -> int:
    """Updates per compiled call: the largest divisor of `updates` up to `most`: one compilation serves them all."""
    return max(length for length in range(1, min(most, updates) + 1) if updates % length == 0)


def last_errors(history: History, last: int) -> dict[str, float]:
    """What training compares with its tolerance, decimals: means of the Euler error and of the error of the Phillips
    curve over the `last` updates, and, with a family, what the adversary has to gain (NaN before it is measured)."""
    found = {
        "the Euler error": float(history["euler_error"][-last:].mean()),
        "the error of the Phillips curve": float(history["price_error"][-last:].mean()),
    }
    if "adversary_gain" in history:
        found["what the adversary has to gain by other weights"] = 0.01 * float(history["adversary_gain"][-1])
    return found


def shortfall(errors: dict[str, float], tolerance: float) -> str:
    """The largest of the `errors` that is not below the tolerance, and both in percent."""
    limit = f"the tolerance, {100 * tolerance:.4g} percent"
    known = {what: value for what, value in errors.items() if np.isfinite(value)}
    what = max(known, key=known.__getitem__)
    if known[what] >= tolerance:
        return f"{what}, {100 * known[what]:.4g} percent, is above {limit}"
    missing = next(iter(errors.keys() - known.keys()), what)
    return f"{missing} was not measured yet, so that it cannot be compared with {limit}"


def not_converged(solution: Any, cure: str) -> str:
    """The sentence for a trained economy that used all its updates; `cure` is where more of them are asked for."""
    errors = last_errors(solution.history, chunk_length(solution.settings.updates))
    found = shortfall(errors, solution.settings.tolerance)
    return f"Updates ran out: after {solution.updates}, {found}; raise {cure}; {SEE}."


def not_settled(objective: np.ndarray, cure: str) -> str:
    """The sentence for training of a game whose `objective` (updates,) was still moving when it ended."""
    tenth = len(objective) // 10
    if tenth < 4:
        return f"{len(objective)} updates are too few to tell whether training of the game rests; raise {cure}; {SEE}."
    before, after = objective[-2 * tenth : -tenth].mean(), objective[-tenth:].mean()
    return (
        f"The objective of the game had not come to rest: its mean over the last {tenth} of {len(objective)} updates "
        f"is {after:.5g}, {after - before:+.2g} from the {tenth} before; raise {cure}; {SEE}."
    )
