"""The one base class of errors that the library raises on purpose, and warnings at the user's line."""

import sys
import warnings

INSIDE = ("hank_mfg", "equinox", "jax", "contextlib", "functools", "lazy_loader")


class HankError(Exception):
    """An error that the message explains in one sentence, with a cure.

    Errors of input are ValueErrors as well, errors of a search or of training RuntimeErrors.
    """


class SolveError(HankError, RuntimeError):
    """Training cannot continue; the message names the update and the quantity."""


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called the library: the nearest one that belongs neither to it nor to what it runs in."""
    level, frame = 1, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level + 1)
