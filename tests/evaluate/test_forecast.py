"""The perceived law of motion and Den Haan's test, on data whose law is known."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_krusell_smith as classical

from hank_mfg.evaluate.forecast import LawOfMotion, fit_law_of_motion, forecast_errors, iterate_law

LAW = np.array([[0.12, 0.965], [0.14, 0.962]])  # intercept and slope, bad and good times


def simulated(seed, periods=2000, noise=0.0):
    draws = np.random.default_rng(seed)
    shock = classical.productivity_path(periods, seed)
    log_capital = np.full(periods, np.log(39.0))
    for t in range(periods - 1):
        log_capital[t + 1] = LAW[shock[t]] @ [1.0, log_capital[t]] + noise * draws.normal()
    return np.exp(log_capital), shock


def test_an_exact_law_is_recovered_and_forecasts_without_error():
    errors = forecast_errors(*simulated(1), *simulated(2), states=2)
    np.testing.assert_allclose(np.column_stack([errors.law.intercept, errors.law.slope]), LAW, rtol=1e-9)
    np.testing.assert_allclose(errors.law.r_squared, 1.0, atol=1e-12)
    assert errors.maximum < 1e-9 and errors.mean <= errors.maximum
    np.testing.assert_allclose(errors.forecast, errors.actual, rtol=1e-9)


def test_the_law_and_the_errors_are_those_of_the_reference():
    fit, test = simulated(1, noise=1e-3), simulated(2, noise=1e-3)
    errors = forecast_errors(*fit, *test, states=2)
    law, r_squared = classical.fit_law(fit[1], fit[0])
    np.testing.assert_allclose(np.column_stack([errors.law.intercept, errors.law.slope]), law, rtol=1e-9)
    np.testing.assert_allclose(errors.law.r_squared, r_squared, atol=1e-12)
    mean, maximum, forecast = classical.den_haan_errors(law, test[1], test[0])
    np.testing.assert_allclose(errors.forecast, forecast, rtol=1e-9)
    assert 100 * errors.maximum == pytest.approx(maximum, rel=1e-6) and maximum > 0.1
    assert 100 * errors.mean == pytest.approx(mean, rel=1e-6)


def test_r_squared_certifies_nothing():
    """A law whose slope is off by .005 fits one step ahead with R-squared above .999 and forecasts far off."""
    capital, shock = simulated(2)
    wrong = LawOfMotion(LAW[:, 0], LAW[:, 1] + 0.005, np.full(2, np.nan))
    predicted = wrong.intercept[shock] + wrong.slope[shock] * np.log(capital)
    assert np.corrcoef(predicted[:-1], np.log(capital[1:]))[0, 1] ** 2 > 0.999
    assert np.abs(iterate_law(wrong, capital[0], shock) / capital - 1.0).max() > 0.5


def test_a_state_that_is_not_visited_has_no_law():
    capital, shock = simulated(3)
    law = fit_law_of_motion(capital, shock, states=3)
    assert np.all(np.isfinite(law.slope[:2])) and np.isnan(law.intercept[2]) and np.isnan(law.slope[2])


def test_a_series_that_is_not_positive_has_no_law_in_logs(refuses):
    capital, shock = simulated(3)
    capital[7] = -1.0
    refuses(lambda: fit_law_of_motion(capital, shock, 2), "falls to -1", "must be positive")
