"""Memories against loops written independently of them."""

import jax
import numpy as np
import pytest

from hank_mfg.policy.encoders import ENCODERS, make_encoder
from hank_mfg.policy.networks import NetworkSettings, make_networks

PERIODS = 12


def remembered(encoder, signals):
    """The features of every period, (periods, features)."""
    return np.asarray(jax.lax.scan(lambda *now: encoder.remember(*now), encoder.initial(), signals)[1])


def test_a_linear_recurrent_unit_is_a_bank_of_damped_oscillators(float64):
    sizes = NetworkSettings(signals=2, memory="lru", units=6, span=10)
    encoder, _ = make_networks(sizes, (1,), np.float64, seed=3)
    signals = np.random.default_rng(0).normal(size=(PERIODS, 2))
    angle, damping = 2 * np.pi / np.geomspace(4.0, 20.0, 3), np.exp(-1 / 20.0)
    weights = np.asarray(encoder.take.weight)
    state, found = np.zeros(3, complex), []
    for signal in signals:
        into = (weights[:3] + 1j * weights[3:]) @ signal
        state = damping * np.exp(1j * angle) * state + np.sqrt(1 - damping**2) * into + 1 - np.exp(1j * angle)
        found.append(np.concatenate([signal, state.real, state.imag]))
    np.testing.assert_allclose(remembered(encoder, signals), found, atol=1e-12)


def test_a_linear_recurrent_unit_tells_periods_apart_when_nothing_happens(float64):
    """A gated unit at the start forgets half of what it holds each period, and soon every period looks alike."""
    gaps = {}
    for memory in ("lru", "gru"):
        sizes = NetworkSettings(signals=1, memory=memory, units=16, span=30)
        encoder, _ = make_networks(sizes, (1,), np.float64, seed=0)
        features = remembered(encoder, np.zeros((30, 1)))
        gaps[memory] = np.linalg.norm(np.diff(features, axis=0), axis=1).min()
    assert gaps["lru"] > 0.5 and gaps["gru"] < 1e-3


def test_attention_forgets_what_left_its_window(float64):
    sizes = NetworkSettings(signals=1, memory="attention", units=8, span=5)
    encoder, _ = make_networks(sizes, (1,), np.float64, seed=0)
    signals = np.zeros((PERIODS, 1))
    signals[2] = 3.0
    gap = np.abs(remembered(encoder, signals) - remembered(encoder, np.zeros((PERIODS, 1)))).max(axis=1)
    assert (gap[2:7] > 1e-3).all() and (gap[:2] == 0).all() and (gap[7:] == 0).all()


@pytest.mark.parametrize(
    "memory, units, what", [("lru", 7, "odd"), ("attention", 6, "multiple"), ("brain", 8, "one of")]
)
def test_impossible_memories_are_refused(memory, units, what):
    with pytest.raises(ValueError, match=f"(?s){units if memory != 'brain' else 'brain'}.*{what}"):
        make_encoder(memory, 2, units, span=8, key=jax.random.PRNGKey(0))
    assert memory in ENCODERS or memory == "brain"
