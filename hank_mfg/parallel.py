"""Independent pieces of work, one after the other or through any executor of `concurrent.futures`.

Starts of a search, Markov chains, draws of a bootstrap, points of a sweep and seeds are pieces: no piece reads what
another one computed. By default they run in this process, in order. An executor runs them in threads
(`ThreadPoolExecutor`), in processes of this machine (`ProcessPoolExecutor`), or on other machines
(`distributed.Client(...).get_executor()`).

A worker that is killed, or whose machine is lost, takes its pieces with it. These are computed again, up to `AGAIN`
times each; the last time one by one, so that a piece that ends its worker takes no other with it. An error that a piece
raises itself is raised here, with the name of the piece as a note.
"""

import concurrent.futures
import pickle
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

import jax

from hank_mfg.errors import HankError, warn_user

AGAIN = 2  # times that a lost piece is computed again
SHOWN = 3  # names of lost pieces in a warning


class PieceError(HankError, RuntimeError):
    """A piece that was lost with its worker too often, or that cannot be sent to another process."""


def in_pieces(
    function: Callable[[Any], Any],
    pieces: Iterable[Any],
    *,
    executor: Executor | None = None,
    names: Sequence[str] | None = None,
    callback: Callable[[int, Any], Any] | None = None,
) -> list[Any]:
    """`[function(piece) for piece in pieces]`, through an executor where one is given.

    `names` (one per piece, "piece 1" and so on by default) say in errors and warnings which piece is meant.
    `callback(place, result)` is called in this thread after every piece, in the order in which they end, with the place
    of the piece. The results are in the order of `pieces`. Every piece sees the precision of JAX that is set here,
    `jax.enable_x64` included, in whichever thread or process it runs. With an executor of processes, `function`,
    pieces and results are pickled: define `function` at the top level of a file. The executor is left open; a
    `ProcessPoolExecutor` that breaks is replaced by one with the same settings for the rest of the call.

    Warns of pieces that were lost with their worker. Raises what a piece raises, after the pieces that have not begun
    are canceled; PieceError where a piece was lost three times or cannot be pickled; ValueError for another kind of
    executor.
    """
    pieces = list(pieces)
    names = [f"piece {place + 1}" for place in range(len(pieces))] if names is None else list(names)
    if executor is None:
        found = []
        for place, piece in enumerate(pieces):
            try:
                found.append(function(piece))
            except Exception as error:
                error.add_note(f"In {names[place]}.")
                raise
            if callback is not None:
                callback(place, found[-1])
        return found
    if not isinstance(executor, Executor):
        of_dask = callable(getattr(executor, "get_executor", None))
        cure = "client.get_executor()" if of_dask else "concurrent.futures.ThreadPoolExecutor(4)"
        raise ValueError(f"executor={executor!r} is no concurrent.futures.Executor: give one, such as {cure}.")
    return _Calls(function, pieces, names, callback).through(executor)


class _Ended(NamedTuple):
    """How a piece ended: its value, or the error that it raised."""

    value: Any
    error: Exception | None


class _Precision(NamedTuple):
    """The precision that JAX is set to in the calling thread."""

    float64: bool
    products: Any


def _run(function: Callable, piece: Any, precision: _Precision, attempt: int) -> _Ended:
    """A piece in whatever thread or process this is. Its own error is a value, so that what the executor raises is of
    the executor; `attempt` tells executors that remember results by arguments, as dask does, that a call is new."""
    try:
        with jax.enable_x64(precision.float64), jax.default_matmul_precision(precision.products):
            return _Ended(function(piece), None)
    except Exception as error:
        return _Ended(None, _portable(error))


def _portable(error: Exception) -> Exception:
    """The error, or where pickle cannot rebuild it one of Python's own with its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _lost(error: BaseException) -> bool:
    """Whether an executor lost a piece together with its worker."""
    known = isinstance(error, concurrent.futures.BrokenExecutor | concurrent.futures.CancelledError)
    return known or type(error).__name__ in ("KilledWorker", "FutureCancelledError", "CommClosedError")


class _Calls:
    """The calls of one `in_pieces` through an executor."""

    def __init__(self, function: Callable, pieces: list, names: list[str], callback: Callable | None):
        self.function, self.pieces, self.names, self.callback = function, pieces, names, callback
        config: Any = jax.config
        self.precision = _Precision(config.jax_enable_x64, config.jax_default_matmul_precision)
        self.losses = [0] * len(pieces)
        self.results: list[Any] = [None] * len(pieces)
        self.waiting: dict[Future, int] = {}
        self.pool: ProcessPoolExecutor | None = None  # in the place of one that broke

    def through(self, executor: Executor) -> list:
        """The results in order."""
        later: list[int] = []  # lost as often as a piece may be among others
        try:
            for place in range(len(self.pieces)):
                self._submit(executor, place)
            while self.waiting or later:
                if not self.waiting:
                    self._submit(executor, later.pop(0))
                lost = self._collect()
                for place in lost:
                    if self.losses[place] < AGAIN:
                        self._submit(executor, place)
                    else:
                        later.append(place)
        except BaseException:
            for future in self.waiting:
                future.cancel()
            raise
        finally:
            if self.pool is not None:
                self.pool.shutdown(wait=True, cancel_futures=True)
        return self.results

    def _submit(self, executor: Executor, place: int) -> None:
        call = (_run, self.function, self.pieces[place], self.precision, self.losses[place])
        try:
            future = (self.pool or executor).submit(*call)
        except BrokenProcessPool:
            broken = self.pool or executor
            if not isinstance(broken, ProcessPoolExecutor):
                raise
            self.pool = _another(broken)
            future = self.pool.submit(*call)
        self.waiting[future] = place

    def _collect(self) -> list[int]:
        """Wait for pieces to end; the places of those that were lost."""
        done = concurrent.futures.wait(self.waiting, return_when=concurrent.futures.FIRST_COMPLETED).done
        if any(not each.cancelled() and isinstance(each.exception(), BrokenProcessPool) for each in done):
            done = concurrent.futures.wait(self.waiting).done  # a broken pool loses all of them, at once
        lost, why = [], None
        for future in done:
            place = self.waiting.pop(future)
            try:
                ended: _Ended = future.result()
            except Exception as error:
                if not _lost(error):
                    raise PieceError(_not_sent(self.names[place], error)) from error
                self.losses[place] += 1
                if self.losses[place] > AGAIN:
                    raise PieceError(
                        f"{self.names[place]} was lost with its worker {self.losses[place]} times "
                        f"({type(error).__name__}), as where memory does not suffice: use fewer workers at a time, or "
                        "workers with more memory."
                    ) from error
                lost.append(place)
                why = error
                continue
            if ended.error is not None:
                ended.error.add_note(f"In {self.names[place]}.")
                raise ended.error
            self.results[place] = ended.value
            if self.callback is not None:
                self.callback(place, ended.value)
        if lost:
            names = ", ".join(self.names[place] for place in sorted(lost)[:SHOWN])
            more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
            warn_user(f"{names}{more}: lost with a worker ({type(why).__name__}), to be computed again.")
        return sorted(lost)


def _another(pool: ProcessPoolExecutor) -> ProcessPoolExecutor:
    """A pool of processes with the settings of one that broke."""
    settings: Any = vars(pool)
    return ProcessPoolExecutor(
        settings["_max_workers"], settings["_mp_context"], settings["_initializer"], settings["_initargs"]
    )


def _not_sent(name: str, error: Exception) -> str:
    return (
        f"{name} could not be sent to a worker or back ({type(error).__name__}: {error}): define functions and classes "
        "at the top level of a file that workers can import, or use concurrent.futures.ThreadPoolExecutor."
    )
