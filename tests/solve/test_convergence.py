"""Training that ends before it converged says so, with what was reached and the cure; the numbers are made up."""

import dataclasses
import math
import warnings
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.solve.train import chunk_length, last_errors, not_converged, not_settled, repeated


def trained(**history):
    """What a sentence needs of a solution: 40 updates in calls of 20."""
    usual = {"euler_error": np.full(40, 1e-3), "price_error": np.zeros(40)}
    settings = SimpleNamespace(updates=40, tolerance=3e-5)
    return SimpleNamespace(history={**usual, **history}, settings=settings, updates=40)


def test_what_is_compared_with_the_tolerance_is_the_mean_of_the_last_call():
    falling = np.concatenate([np.ones(20), np.full(20, 2e-5)])
    assert chunk_length(40) == 20
    assert last_errors(trained(euler_error=falling).history, 20)["the Euler error"] == pytest.approx(2e-5)


@pytest.mark.parametrize(
    "history, said",
    [
        ({}, "the Euler error, 0.1 percent, is above the tolerance, 0.003 percent"),
        ({"price_error": np.full(40, 2e-3)}, "the error of expectations, 0.2 percent, is above"),
        (
            {"adversary_gain": np.full(40, 0.5)},
            "what the adversary has to gain by other weights, 0.5 percent, is above",
        ),
        (
            {"euler_error": np.full(40, 1e-6), "adversary_gain": np.full(40, math.nan)},
            "what the adversary has to gain by other weights was not measured yet",
        ),
    ],
)
def test_the_sentence_names_the_error_that_is_too_large(history, said):
    sentence = not_converged(trained(**history), "updates, for instance RSPG(updates=80)")
    assert sentence.startswith("Updates ran out: after 40, ") and said in sentence
    assert sentence.endswith("raise updates, for instance RSPG(updates=80); see docs/when_it_does_not_converge.md.")


def test_a_game_says_how_far_its_objective_still_moved():
    sentence = not_settled(np.arange(100.0), "updates")
    assert "over the last 10 of 100 updates is 94.5, +10 from the 10 before" in sentence
    assert not_settled(np.zeros(6), "updates").startswith("6 updates are too few to tell")


@dataclasses.dataclass(frozen=True)
class Counting:
    """A method for games whose objective is the number of updates made: it never comes to rest."""

    updates: int = 40
    precision: str = "float32"

    def begin(self, game, *, seed):
        return jnp.zeros(())

    def update(self, game, training):
        return training + 1.0, {"loss": training, "objective": training}


def test_a_game_that_still_moves_when_all_its_updates_are_made_warns():
    with pytest.warns(
        hm.NotConvergedWarning, match=r"last 4 of 40 updates is 37.5, \+4 .* raise .* Counting.updates=100"
    ):
        assert hm.solve(hm.load_game("beach_bar"), Counting(), verbose=False).updates == 40
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stopped = hm.solve(hm.load_game("beach_bar"), Counting(), callback=lambda training, history: True)
    assert stopped.updates == 20 and stopped.status is hm.Status.UNFINISHED


def test_updates_after_one_that_broke_are_left_out():
    """A count that breaks at 3 stays there; the reports of what was left out are zeros."""
    after, reports = repeated(lambda count: (count + 1, count + 1), jnp.asarray(0), 6, lambda report: report >= 3)
    assert int(after) == 3 and reports.tolist() == [1, 2, 3, 0, 0, 0]
    after, reports = repeated(lambda count: (count + 1, count + 1), jnp.asarray(0), 6)
    assert int(after) == 6 and reports.tolist() == [1, 2, 3, 4, 5, 6]
