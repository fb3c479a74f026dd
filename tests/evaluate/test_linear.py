"""What a linear solution says without simulating: second moments and determinacy."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_sequence_space import linear

import hank_mfg as hm
from hank_mfg.evaluate.linear import turns

PERIODS = np.arange(300)


@pytest.mark.slow
def test_second_moments_are_those_of_the_moving_average():
    """An AR(1) on a Rouwenhorst chain has the moments of the linear AR(1) process."""
    moments = hm.second_moments(linear(), lags=2)
    impulse = linear().response(productivity=0.01 * 0.8**PERIODS)
    names = list(moments.names)
    for a, b in (("output", "output"), ("consumption", "output"), ("wage", "capital")):
        for lag in range(3):
            exact = impulse[a][: 300 - lag] @ impulse[b][lag:]
            ours = moments.covariance[lag, names.index(a), names.index(b)]
            assert ours == pytest.approx(exact, rel=1e-6), (a, b, lag)
    assert moments.standard_deviation()["productivity"] == pytest.approx(0.01 / np.sqrt(1 - 0.64), rel=1e-8)
    assert np.diagonal(moments.correlation(1))[names.index("productivity")] == pytest.approx(0.8, rel=1e-8)


@pytest.mark.slow
def test_filtered_moments_are_those_of_filtered_moving_averages():
    """hp_filter of the moving-average coefficients in the middle of a long stretch of zeros; an AR(1) whose cycle's
    standard deviation is known for the whole line."""
    moments = hm.second_moments(linear(), lags=1, smoothing=1600.0)
    impulse, names = linear().response(productivity=0.01 * 0.8**PERIODS), list(moments.names)
    cycles = {}
    for name in ("output", "consumption", "capital"):
        padded = np.zeros(2000)
        padded[800:1100] = impulse[name]
        cycles[name] = hm.stats.hp_filter(padded)[0]
    for a, b in (("output", "output"), ("consumption", "output"), ("capital", "consumption")):
        for lag in range(2):
            exact = cycles[a][: 2000 - lag] @ cycles[b][lag:]
            ours = moments.covariance[lag, names.index(a), names.index(b)]
            assert ours == pytest.approx(exact, rel=1e-5), (a, b, lag)
    plain = hm.second_moments(linear(), smoothing=1e15)  # a straight line is all that such a filter takes out
    assert plain.standard_deviation()["productivity"] == pytest.approx(0.01 / 0.6, rel=1e-2)
    with pytest.raises(ValueError, match="smoothing = 0"):
        hm.second_moments(linear(), smoothing=0)


@pytest.mark.slow
def test_determinacy_of_textbook_equations():
    """x_t = a E x_{t+1}: determinate for a < 1, many solutions for a > 1; x_t = a x_{t-1} explodes for a > 1."""
    for forward, backward, number in ((0.5, 0.0, 0), (2.0, 0.0, -1), (0.0, 0.5, 0), (0.0, 2.0, 1)):
        blocks = np.zeros((21, 1, 1))
        blocks[9], blocks[10], blocks[11] = -forward, 1.0, -backward
        assert turns(blocks, 10) == number
    both = np.zeros((21, 2, 2))
    both[10], both[9] = np.eye(2), -np.diag([2.0, 3.0])
    assert turns(both, 10) == -2
    assert hm.winding_number(linear()) == 0
    found = hm.steady_state(hm.load_model("krusell_smith"), asset_points=100)
    assert hm.winding_number(hm.linearize(found, horizon=200)) == 0
    with pytest.raises(ValueError, match="longer horizon"):
        turns(np.where(np.arange(21) % 2, 1.0, 0.5)[:, None, None], 10)
