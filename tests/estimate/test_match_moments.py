"""The simulated method of moments on Krusell and Smith's economy, one policy over a box of three parameters: data made
with the draws of the simulation are found again, and samples of 400 quarters are estimated within standard errors."""

import logging
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.estimate.matching.series_moments import Fluctuations, parse
from hank_mfg.estimate.matching.simulated_moments import Setting, SimulatedMoments

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import simulated_samples as samples

# at the most patient points of the box some households reach the top of the grid
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*at the top of the asset grid:UserWarning")]
UNITS = {"output": "percent", "consumption": "percent", "interest_rate": "percentage points"}


@pytest.fixture(scope="module")
def solution():
    """One policy over the box."""
    return hm.solve("krusell_smith", over=samples.BOX)


@pytest.fixture(scope="module")
def simulated(solution):
    """Simulated moments of short samples, as hm.match_moments makes them with the same sizes and seed."""
    moments = tuple(parse(name, tuple(UNITS)) for name in samples.MOMENTS)
    setting = Setting(solution, (0, 1, 2), periods=100, samples=4, burn=50, asset_points=60, seed=5)
    found = SimulatedMoments(setting, moments)
    found.fluctuations = Fluctuations(UNITS)
    return found


def test_moments_on_the_same_draws_are_matched_exactly_from_every_start(solution, simulated, caplog):
    """Slow: solves a box. Guards that the search finds the parameters whose simulated moments are given, to 1e-6 of the
    box from every start, with one compilation of the simulation."""
    values = simulated(np.asarray(list(samples.TRUTH.values())))[0]
    jax.clear_caches()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        found = hm.match_moments(
            solution, dict(zip(samples.MOMENTS, values, strict=True)), periods=100, samples=4, burn=50, starts=4,
            asset_points=60, seed=5,
        )  # fmt: skip
    assert sum("Finished XLA compilation of jit(_simulated)" in each.message for each in caplog.records) == 1
    for name, true in samples.TRUTH.items():
        low, high = samples.BOX[name]
        ends = np.append(found.starts[name], found.parameters[name])
        assert np.abs(ends - true).max() <= 1e-6 * (high - low), (name, ends)
    assert found.statistic < 1e-6 and found.at_bound == () and found.converged


def test_the_jacobian_is_that_of_wider_central_differences(simulated):
    """Slow: solves a box. Guards the differences: moments are smooth in parameters that leave the chain alone."""
    vector = np.asarray(list(samples.TRUTH.values()))
    slopes, span = simulated(vector)[1], simulated.span
    for place in range(3):
        step = np.eye(3)[place] * 1e-3 * span
        central = (simulated(vector + step)[0] - simulated(vector - step)[0]) / (2e-3 * span[place])
        assert np.abs(central - slopes[:, place]).max() <= 2e-3 * np.abs(central).max()


def test_estimates_lie_within_standard_errors_of_the_truth(solution):
    """Slow: 20 estimations on samples of 400 quarters. Guards that standard errors are right: every true parameter lies
    within two of them in at least 18 of 20 samples, J rejects no more often than it may, errors do not exceed twice
    what estimates vary by."""
    rows, results = samples.estimates(solution, range(20), starts=1)
    table = samples.coverage(rows)
    assert (table.covered >= 18).all(), table.to_string()
    ratio = table.mean_standard_error / table.sd_of_estimates
    assert ((ratio > 0.6) & (ratio < 1.7)).all(), table.to_string()
    first = rows[rows.parameter == "risk_aversion"]
    assert (first.p_value < 0.05).sum() <= 4  # of 20: more have probability .003
    for found in results:
        assert found.covariance_from == "simulated" and found.degrees == 5


def test_what_moments_cannot_say_is_one_sentence(solution):
    """Slow: solves a box. Guards the sentences that need a simulation."""
    short = {"periods": 100, "samples": 2, "burn": 20, "starts": 1, "asset_points": 60}
    twice = {"mean(output)": 3.5, "mean(consumption)": 2.6, "sd(output)": 3.0, "sd(output) / sd(consumption)": 2.0,
             "sd(consumption)": 1.5, "sd( output )": 3.0}  # fmt: skip
    with pytest.raises(hm.EstimationError, match="determined by the others"):
        hm.match_moments(solution, twice, **short)
    with pytest.raises(hm.EstimationError, match="No moment moves with risk_aversion"):
        hm.match_moments(solution, {"sd(productivity)": 1.0, "mean(labor)": 1.0, "sd(labor)": 3.0}, **short)


def test_a_parameter_outside_its_bounds_ends_at_one(solution, simulated, tmp_path):
    """Slow: solves a box. Guards that a bound is said, with covariance of the data given, and that results are kept."""
    values = simulated(np.asarray([2.0, 0.988, 0.35]))[0]
    values[0:2] *= 1.3
    covariance = simulated.covariance(np.asarray([2.0, 0.988, 0.35]))
    found = hm.match_moments(
        solution, dict(zip(samples.MOMENTS, values, strict=True)), periods=100, samples=4, burn=50, starts=1,
        asset_points=60, seed=5, covariance=covariance, free=["capital_share"],
    )  # fmt: skip
    assert found.covariance_from == "data" and found.at_bound == ("capital_share",)
    assert np.isnan(found.standard_errors["capital_share"]) and "At a bound" in repr(found)
    assert repr(hm.load(hm.save(found, tmp_path / "found.npz"))) == repr(found)
