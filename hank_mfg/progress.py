"""Progress of long computations: lines on standard error, at most one every some seconds.

A long step without callbacks, such as a compilation, is reported by a thread. In Python the first line
comes after `USUAL` seconds, so that what is quick says nothing; with `verbose=True` every step is reported when it
begins and then every `OFTEN` seconds; with `verbose=False` nothing is. The command line chooses for what it calls.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

USUAL, OFTEN = 30.0, 10.0  # seconds between two lines


class Lines:
    """The lines of one computation; `step` and `now` say what it is doing."""

    def __init__(self, what: str, at_once: bool):
        self._what, self._at_once, self._text, self._began = what, at_once, "", time.perf_counter()

    def step(self, text: str) -> None:
        """Begin a step, printed at once where steps are."""
        self._text = text
        if self._at_once:
            self.tell()

    def now(self, text: str) -> None:
        """Set the text of the next line that is due."""
        self._text = text

    def tell(self) -> None:
        """Print a line: what is computed, the step, and the seconds so far; nothing before the first step."""
        if not self._text:
            return
        seconds = time.perf_counter() - self._began
        print(f"{self._what}: {self._text} ({seconds:.0f} s)", file=sys.stderr, flush=True)


_CHOSEN: ContextVar[tuple[bool, float | None]] = ContextVar("pace", default=(False, USUAL))


@contextlib.contextmanager
def lines_every(seconds: float | None) -> Iterator[None]:
    """Computations inside that do not choose themselves tell of every step and every `seconds`; never where None."""
    before = _CHOSEN.set((seconds is not None, seconds))
    try:
        yield
    finally:
        _CHOSEN.reset(before)


def saying(verbose: bool | None) -> contextlib.AbstractContextManager[None]:
    """Set `verbose` for everything that is computed inside; None leaves it as it is."""
    return contextlib.nullcontext() if verbose is None else lines_every(OFTEN if verbose else None)


@contextlib.contextmanager
def telling(what: str, verbose: bool | None) -> Iterator[Lines]:
    """The lines of a computation called `what`; `verbose` as in the text above, None where the caller did not say."""
    at_once, pace = _CHOSEN.get() if verbose is None else (verbose, OFTEN if verbose else None)
    lines, ended = Lines(what, at_once), threading.Event()
    if pace is None:
        yield lines
        return

    def repeat(seconds: float) -> None:
        while not ended.wait(seconds):
            lines.tell()

    beside = threading.Thread(target=repeat, args=(pace,), daemon=True)
    beside.start()
    try:
        yield lines
    finally:
        ended.set()
        beside.join()


class Course:
    """How many updates of `total` are made and how long the rest will take; `done` were made before it begins."""

    def __init__(self, total: int, done: int):
        self._total, self._first, self._began = total, done, time.perf_counter()

    def __call__(self, done: int) -> str:
        """ "update 40 of 200, at most 25 s left"."""
        each = (time.perf_counter() - self._began) / max(done - self._first, 1)
        return f"update {done} of {self._total}, at most {each * (self._total - done):.0f} s left"
