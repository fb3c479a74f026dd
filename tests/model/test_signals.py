"""Signals of one's own as an individual state: exact given the path of the aggregate state."""

import itertools

import jax
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.markov import average_out, to_chain

CHANCES = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])


@pytest.mark.parametrize("memory", [1, 2, 3])
def test_the_mass_over_signals_is_the_product_of_the_probabilities(memory):
    """Whatever the path of the aggregate state: signals are independent given it, and only the last ones count."""
    chain = hm.private_signals("word", CHANCES, memory=memory)
    path = [0, 1, 1, 0, 1]
    mass = np.full(3**memory, 3.0**-memory)
    for before, now in itertools.pairwise(path):
        mass = mass @ np.asarray(chain.transition)[before, now]
    observed = np.stack([chain.values[f"word_{age}"] for age in range(memory)])
    exact = np.prod([CHANCES[path[-1 - age], observed[age]] for age in range(memory)], axis=0)
    np.testing.assert_allclose(mass, exact, atol=1e-15)


def test_a_window_forgets_its_oldest_signal_only():
    chain = hm.private_signals("word", CHANCES, memory=2)
    assert list(chain.values) == ["word_0", "word_1"]
    newest, last = (np.asarray(chain.values[name]) for name in chain.values)
    for z, z_next in itertools.product(range(2), repeat=2):
        expected = CHANCES[z_next][newest[None, :]] * (last[None, :] == newest[:, None])
        np.testing.assert_array_equal(chain.transition[z, z_next], expected)


def test_on_average_signals_are_as_frequent_as_the_states_they_come_from():
    aggregate = np.array([[0.9, 0.1], [0.3, 0.7]])
    chain = hm.private_signals("word", CHANCES)
    often = np.array([0.75, 0.25]) @ CHANCES
    share = np.linalg.matrix_power(average_out(np.asarray(chain.transition), aggregate), 200)[0]
    np.testing.assert_allclose(share, often, atol=1e-12)


def test_signals_beside_other_risk_are_one_chain():
    """Either of two independent chains may be an AR(1), or move with the aggregate state."""
    labor, words = hm.AR1("labor", persistence=0.9, stationary_sd=0.3, states=3), hm.private_signals("word", CHANCES)
    both, moves = hm.independent_chains(labor, words), np.asarray(words.transition)
    assert list(both.values) == ["labor", "word_0"]
    other = hm.independent_chains(words, labor)
    for z, z_next in itertools.product(range(2), repeat=2):
        expected = np.kron(to_chain(labor).transition, moves[z, z_next])
        np.testing.assert_allclose(both.transition[z, z_next], expected, atol=1e-16)
        expected = np.kron(moves[z, z_next], to_chain(labor).transition)
        np.testing.assert_allclose(other.transition[z, z_next], expected, atol=1e-16)


@pytest.mark.slow
def test_how_often_a_signal_is_right_is_differentiable(float64):
    """Guards `steady_state_derivatives`, 'every parameter': the chain has a slope in a signal's accuracy."""

    def chance(accuracy):
        probabilities = [[accuracy, 1 - accuracy], [1 - accuracy, accuracy]]
        return hm.private_signals("word", probabilities, memory=2).transition[0, 1, 2, 3]

    assert float(chance(0.8)) == pytest.approx(0.8) and float(jax.grad(chance)(0.8)) == pytest.approx(1.0)


def test_wrong_declarations_are_refused(refuses):
    refuses(
        lambda: hm.private_signals("word", [0.5, 0.5]), "probabilities have shape (2,)", "a row per aggregate state"
    )
    refuses(lambda: hm.private_signals("word", [[0.5, 0.4]]), "probabilities[0] sums to 0.9", "one signal")
    refuses(lambda: hm.private_signals("word", CHANCES, memory=0), "memory = 0", "1 or more")
