"""The one base class of errors that the library raises on purpose."""


class HankError(Exception):
    """An error that the message explains in one sentence, with a cure.

    Errors of input are ValueErrors as well, errors of a search or of training RuntimeErrors.
    """


class SolveError(HankError, RuntimeError):
    """Training cannot continue; the message names the update and the quantity."""
