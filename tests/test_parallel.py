"""Pieces through executors: order, precision, errors by name, workers that are lost."""

import os
import signal
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from hank_mfg.errors import HankError
from hank_mfg.parallel import PieceError, in_pieces


def square(x):
    return x * x


def third_is_bad(x):
    if x == 3:
        raise HankError("three is no number to square: give another one.")
    return x


def killed_once(folder: str, x: int) -> int:
    """The first process that computes piece 2 is killed."""
    mark = Path(folder) / "killed"
    if x == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


class LosesOnce(Executor):
    """Threads of which each loses the pieces in `lost`, as a killed process does, so many times."""

    def __init__(self, lost):
        self.threads, self.lost, self.submitted = ThreadPoolExecutor(2), dict(lost), []

    def submit(self, fn, /, *args, **kwargs):
        piece = args[1]
        self.submitted.append(piece)
        if self.lost.get(piece, 0):
            self.lost[piece] -= 1
            future: Future = Future()
            future.set_exception(BrokenProcessPool("a worker was killed"))
            return future
        return self.threads.submit(fn, *args, **kwargs)


def test_results_are_in_order_and_the_callback_hears_of_each():
    heard = []
    with ThreadPoolExecutor(3) as threads:
        for executor in (None, threads):
            heard.clear()
            found = in_pieces(square, range(6), executor=executor, callback=lambda place, x: heard.append((place, x)))
            assert found == [0, 1, 4, 9, 16, 25]
            assert sorted(heard) == list(enumerate(found))
    assert in_pieces(square, []) == []


def test_a_lost_piece_is_computed_again_with_a_warning():
    executor = LosesOnce({2: 1, 4: 2})
    with pytest.warns(UserWarning, match="lost with a worker .BrokenProcessPool., to be computed again"):
        found = in_pieces(square, range(5), executor=executor, names=[f"point {letter}" for letter in "abcde"])
    assert found == [0, 1, 4, 9, 16]
    assert executor.submitted.count(2) == 2 and executor.submitted.count(4) == 3


def test_a_piece_that_is_always_lost_is_an_error_after_two_more_attempts():
    executor = LosesOnce({1: 9})
    with pytest.warns(UserWarning), pytest.raises(PieceError, match="piece 2 was lost with its worker 3 times"):
        in_pieces(square, range(3), executor=executor)
    assert executor.submitted.count(1) == 3


def test_the_own_error_of_a_piece_is_raised_with_its_name():
    with ThreadPoolExecutor(2) as threads:
        for executor in (None, threads):
            with pytest.raises(HankError, match="three is no number") as raised:
                in_pieces(third_is_bad, range(5), executor=executor, names=[f"point {i}" for i in range(5)])
            assert raised.value.__notes__ == ["In point 3."]


def precision_of(x):
    return str(jnp.asarray(x, float).dtype)


def test_every_thread_sees_the_precision_of_the_caller():
    with ThreadPoolExecutor(2) as threads:
        assert set(in_pieces(precision_of, range(3), executor=threads)) == {"float32"}
        with jax.enable_x64(True):
            assert set(in_pieces(precision_of, range(3), executor=threads)) == {"float64"}


def test_what_is_no_executor_is_refused_with_a_cure():
    class Client:
        def get_executor(self):
            return ThreadPoolExecutor(1)

    with pytest.raises(ValueError, match=r"give one, such as client.get_executor\(\)"):
        in_pieces(square, range(2), executor=Client())  # pyright: ignore[reportArgumentType]
    assert in_pieces(square, range(2), executor=Client().get_executor()) == [0, 1]


@pytest.mark.slow
def test_processes_that_are_killed_lose_nothing_and_what_cannot_be_pickled_is_said(tmp_path):
    """What in_pieces promises of processes: lost pieces again, precision as here, a sentence where pickle fails."""
    broken = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with broken as pool, pytest.warns(UserWarning, match="lost with a worker"):
        assert in_pieces(partial(killed_once, str(tmp_path)), range(6), executor=pool) == [0, 1, 4, 9, 16, 25]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with jax.enable_x64(True):
            assert in_pieces(precision_of, range(1), executor=pool) == ["float64"]
        with pytest.raises(PieceError, match="define functions and classes at the top level"):
            in_pieces(lambda x: x, range(2), executor=pool)
