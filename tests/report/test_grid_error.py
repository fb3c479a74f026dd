"""The estimated error of the asset grid: sequences whose limit is known, and an equilibrium that is off unseen."""

import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.evaluate.grid_error import GridError, _judge


@pytest.mark.parametrize("order", [1.0, 1.5, 2.0])
def test_the_limit_of_a_known_order_is_found(order):
    values = 3.0 + 0.1 * 2.0 ** (order * np.arange(3))
    limit, error, found = _judge(values)
    assert (limit, error, found) == pytest.approx((3.0, 0.1, order))


def test_what_is_not_yet_in_order_is_not_extrapolated_and_no_less_uncertain():
    """Opposite signs: the last change is the error. Slower than first order: as if of first. Tolerances: no order."""
    assert _judge(np.array([1.0, 1.1, 0.9])) == (1.0, pytest.approx(0.1), None)
    assert _judge(np.array([1.0, 1.1, 1.15]))[1] == pytest.approx(0.1)
    assert _judge(np.array([1.0, 1.0 + 1e-12, 1.0 + 3e-12]))[2] is None
    limit, error, order = _judge(np.array([1.0, 1.1]))  # no equilibrium on a quarter of the points
    assert (limit, error, order) == (pytest.approx(0.9), pytest.approx(0.1), None)


def test_digits_that_do_not_hold_are_named():
    values = {"rate": np.array([0.0404]), "capital": np.array([404.0])}
    found = GridError((100,), values, {}, {"rate": 1e-5, "capital": 0.6}, {})
    assert found.exceeding(3) == ["capital"] and found.exceeding(4) == ["rate", "capital"] and found.exceeding(2) == []


@pytest.mark.slow
def test_too_few_points_are_refused(refuses):
    """Guards `grid_error`: ValueError for fewer than 37 asset points or digits below 1."""
    steady = hm.steady_state(hm.load_model("huggett_1993"), asset_points=20)
    refuses(lambda: hm.grid_error(steady), "asset_points = 20", "37 or more")
    refuses(lambda: hm.grid_error(steady, digits=0), "digits = 0")


@pytest.mark.slow
def test_a_grid_that_is_too_wide_is_said():
    """Guards the claim that grid_error sees what the solver does not: patience .999 on 400 points up to 100,000."""
    model = hm.load_model("aiyagari", discount_factor=0.999, maximum_assets=100_000.0)
    steady = hm.steady_state(model, asset_points=400)
    with pytest.warns(UserWarning, match="interest_rate = 0.0008.* more than 3 digits allow"):
        found = hm.grid_error(steady)
    close = hm.steady_state(model.with_parameters(maximum_assets=3_000.0), asset_points=1_600)
    truth = close.prices.interest_rate
    missed = abs(steady.prices.interest_rate - truth)
    assert missed > 0.05 * truth
    assert 0.5 * missed < found.error["interest_rate"] < 2.0 * missed
