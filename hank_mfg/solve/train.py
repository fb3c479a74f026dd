"""The one training loop, and how training ended.

A method makes updates in calls of one compiled program: `advance(training, history)` makes one call and appends what it
reports to the history. `train` repeats that until the method has converged, all updates are made, or the callback says
to stop. The sentences of `not_converged` and `not_settled` say by how much training fell short and what to do.
"""

import enum
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

History = dict[str, np.ndarray]
State = TypeVar("State")
SEE = "see docs/when_it_does_not_converge.md"


class NotConvergedWarning(UserWarning):
    """A solution was returned although the method did not converge; the sentence says what was reached and the cure."""


class Status(enum.Enum):
    """The end of training; the values are the messages."""

    CONVERGED = (
        "The mass-weighted Euler error, with a family the adversary's gain too, fell below the tolerance; of a game, "
        "the objective stopped moving."
    )
    UPDATES_EXHAUSTED = (
        "All updates were used before the Euler error or the adversary's gain fell below the tolerance; of a game, "
        "before the objective stopped moving."
    )
    UNFINISHED = "Training was interrupted; resume it from the checkpoint."


def made(history: History) -> int:
    """The number of updates made."""
    return len(history.get("loss", ()))


def train(
    advance: Callable[[State, History], tuple[State, History]],
    training: State,
    history: History,
    *,
    updates: int,
    say: Callable[[History], None],
    converged: Callable[[History], bool] = lambda history: False,
    callback: Callable[[State, History], Any] | None = None,
) -> tuple[State, History, Status]:
    """Training from where `history` ends until `updates` are made in all: (training, history, status).

    After each call of `advance`, `callback(training, history)` is called, and training stops where it returns True or
    when `converged(history)` holds. `say(history)` reports progress.
    """
    while made(history) < updates:
        training, history = advance(training, history)
        say(history)
        stop = callback(training, history) if callback is not None else None
        if converged(history):
            return training, history, Status.CONVERGED
        if stop:
            return training, history, Status.UNFINISHED
    return training, history, Status.UPDATES_EXHAUSTED


def repeated(
    update: Callable[[Any], tuple[Any, Any]],
    training: State,
    length: int,
    broken: Callable[[Any], jax.Array] | None = None,
) -> tuple[State, Any]:
    """The training after `length` updates, and their reports stacked: what a method compiles as one program.

    Where `broken(report)` holds, the updates that follow are left out, with reports of zeros: what cannot go on would
    take long, because every search for a price that is not there goes to its end.
    """
    arrays, static = eqx.partition(training, eqx.is_array)

    @functools.partial(jax.jit, inline=True)  # traced once, although called twice
    def one(arrays):
        after, report = update(eqx.combine(arrays, static))
        return eqx.filter(after, eqx.is_array), report

    def unless_broken(broken, state):
        arrays, stopped = state
        blank = jax.tree.map(lambda each: jnp.zeros(each.shape, each.dtype), jax.eval_shape(one, arrays)[1])
        after, report = jax.lax.cond(stopped, lambda arrays: (arrays, blank), one, arrays)
        return (after, stopped | broken(report)), report

    if broken is None:
        arrays, reports = jax.lax.scan(lambda arrays, _: one(arrays), arrays, None, length=length)
    else:
        begin = (arrays, jnp.asarray(False))
        (arrays, _), reports = jax.lax.scan(lambda state, _: unless_broken(broken, state), begin, None, length=length)
    return eqx.combine(arrays, static), reports


def chunk_length(updates: int, most: int = 20) -> int:
    """Updates, or periods, per compiled call: the largest divisor of all up to `most`: one compilation serves them."""
    return max(length for length in range(1, min(most, updates) + 1) if updates % length == 0)


def last_errors(history: History, last: int) -> dict[str, float]:
    """The errors that training compares with its tolerance, decimals: means of the Euler error and of the error of
    expectations over the `last` updates, and, with a family, the adversary's gain (NaN if not yet measured)."""
    found = {
        "the Euler error": float(history["euler_error"][-last:].mean()),
        "the error of expectations": float(history["price_error"][-last:].mean()),
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
        return f"{len(objective)} updates are too few to tell whether the game converged; raise {cure}; {SEE}."
    before, after = objective[-2 * tenth : -tenth].mean(), objective[-tenth:].mean()
    return (
        f"The objective of the game was still moving: its mean over the last {tenth} of {len(objective)} updates "
        f"is {after:.5g}, {after - before:+.2g} from the {tenth} before; raise {cure}; {SEE}."
    )
