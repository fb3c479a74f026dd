"""Where nothing happens nothing responds: zero shocks and unchanged parameters, in every output, to 1e-10."""

import sys
from pathlib import Path

import jax
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_bonds import Effortless, Working

import hank_mfg as hm

NOTHING = 1e-10


def shipped(name):
    return lambda: hm.load_model(name)


def working(kind):
    return lambda: kind(**hm.load_model("huggett").parameters())


SHIPPED = ["aiyagari", "huggett", "krusell_smith", "krusell_smith_noisy", "krusell_smith_stochastic_beta"]
MODELS = {
    **{name: shipped(name) for name in [*SHIPPED, "one_asset_hank"]},
    "separable": working(Working),
    "ghh": working(Effortless),
}


POINTS = {"krusell_smith": 200, "krusell_smith_noisy": 200}  # 60 elsewhere; on fewer some reach the top of the grid
HORIZONS = {"one_asset_hank": 120}  # 25 elsewhere; its debt and rates need longer to return


def resting(name):
    """The stationary equilibrium, to a tolerance below what is asked of responses."""
    return hm.steady_state(MODELS[name](), asset_points=POINTS.get(name, 60), tolerance=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_shock_of_zero_changes_nothing(name):
    """The claim that a response is a response: no shock, an announced zero, the own equilibrium as initial state."""
    steady, horizon = resting(name), HORIZONS.get(name, 25)
    linear = hm.linearize(steady, horizon=horizon)
    bar = max(NOTHING, 2.0 * steady.residual)  # a path corrects what the equilibrium leaves of excess demand
    zeros = {each: np.zeros(horizon) for each in linear.names.shocks}
    for series, values in (linear.response(**zeros) if zeros else {}).items():
        assert np.abs(values).max() <= NOTHING, ("linear", series)
    options = ({}, zeros, {"initial": steady}, {"initial": steady.mass})
    if linear.names.carried:
        options = options[:3]  # a mass alone does not say what is carried over
    for given in options:
        path = hm.transition(steady, horizon=horizon, linear=linear, tolerance=1e-12, **given)
        scale = {series: 1.0 + abs(value) for series, value in path.final.items()}
        for series, values in path.deviations().items():
            assert np.abs(values).max() <= bar * scale[series], ("transition", series, list(given))
        np.testing.assert_allclose(path.consumption, np.broadcast_to(steady.consumption, path.mass.shape), rtol=1e-8)
        found = hm.distribution_path(path)
        for series, values in found.responses.items():
            # current percentiles and fixed groups, percent or points; the mass moves by what the equilibrium misses
            assert np.abs(values).max() <= 1e-5, ("distribution", series, np.abs(values).max())
        mpcs = hm.mpc_path(path).deviations()
        for series, values in mpcs.items():
            assert np.abs(values).max() <= 1e-6, ("propensities", series, np.abs(values).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_unchanged_parameters_give_the_same_equilibrium(name):
    """The claim that a difference between two equilibria is that of their parameters."""
    model = MODELS[name]()
    first, second = (
        hm.steady_state(each, asset_points=POINTS.get(name, 60))
        for each in (model, model.with_parameters(**model.parameters()))
    )
    assert dict(first.prices) == dict(second.prices) and dict(first.aggregates) == dict(second.aggregates)
    np.testing.assert_array_equal(first.mass, second.mass)
    np.testing.assert_array_equal(first.consumption, second.consumption)
    assert hm.consumption_percent(first, 0.0) == 0.0
    economy, public = first.economy, first.public
    with jax.enable_x64(True):
        chosen = economy.choices(first.mass, public, first.savings)
    assert np.sum(first.mass * first.consumption) == pytest.approx(float(chosen.consumption), rel=1e-12)
