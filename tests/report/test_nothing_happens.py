"""Where nothing happens nothing responds: zero shocks and unchanged parameters, in every output, to 1e-10."""

import sys
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_bonds import Effortless, Working

import hank_mfg as hm
from hank_mfg.report.report import write_impulse_response

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
BRIEF = {"horizon": 6, "starts": 2, "paths": 2}
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
    if linear.names.state_variables:
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # settings far too coarse to mean anything
@pytest.mark.parametrize("name", [name for name in MODELS if name != "aiyagari"])  # which has no aggregate risk
def test_a_global_response_to_a_shock_of_zero_is_zero(name, tiny, tmp_path):
    """The claim that nothing but the shock is in a generalized response or in a comparison of methods: aggregates,
    groups, the distribution, bands, errors, gaps and what is written, without a percentage of nothing."""
    model = MODELS[name]()
    solution = hm.solve(model, hm.RSPG(**{**tiny, "asset_points": POINTS.get(name, 60)}))
    shock = next(iter(hm.discretize(model, 10).shock_values))
    response, written = write_impulse_response(solution, tmp_path, shock, 0.0, **BRIEF)
    for values in (response.mean, response.lower, response.upper, response.error):
        assert len(values) > 10 and all(np.all(each == 0.0) for each in values.values()), name
    table = pd.read_csv(next(path for path in written if path.suffix == ".csv"), index_col="period")
    assert table.shape == (6, 4 * len(response.mean)) and (table == 0.0).all(axis=None)
    brief = {**BRIEF, "linear_horizon": HORIZONS.get(name, 200), "asset_points": POINTS.get(name, 60)}
    compared = hm.compare(solution, shock, [0.0], accuracy=False, **brief)
    for method, series in compared.responses[0].mean.items():
        assert all(np.abs(values).max() <= 100.0 * NOTHING for values in series.values()), method  # in percent
    gaps = compared.gaps.xs("gap", axis=1, level=1)
    assert gaps.notna().all(axis=None) and (gaps.abs() <= 100.0 * NOTHING).all(axis=None)
    names = {path.name: path for path in hm.write_comparison(compared, tmp_path)}
    assert "nan" not in names["gaps.tex"].read_text().lower().replace("finance", "")
    assert pd.read_csv(names["compare.csv"])[["response", "gap_percent_of_linear_peak"]].notna().all(axis=None)


@pytest.mark.slow
def test_to_be_right_and_to_lose_nothing_cost_nothing(trained):
    """The claim that a cost in consumption is that of a mistake: households that make none lose exactly nothing."""
    cost = hm.welfare_cost(trained, trained, paths=2, horizon=20, burn=5)
    assert cost.partial_percent == cost.general_percent == cost.partial == cost.general == 0.0
    assert hm.consumption_percent(trained.steady, 0.0) == 0.0
