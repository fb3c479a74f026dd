"""Transition paths against the sequence-jacobian package and the resource constraint."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_sequence_space import SERIES, gap, linear, steady, stored

import hank_mfg as hm

PERIODS = np.arange(300)


def test_a_large_shock_is_that_of_the_package():
    path = hm.transition(steady(), linear=linear(), productivity=0.1 * 0.8**PERIODS)
    away, theirs = path.deviations(), stored("nonlinear")
    assert gap(away["capital"][1:], theirs["K"].to_numpy()[:-1]) < 1e-8
    for name, ours in SERIES.items():
        assert gap(away[ours], theirs[name].to_numpy()) < 1e-8, name
    assert path.residual < 1e-10 and path.last_gap < 1e-8 and path.iterations < 10
    linear_capital = linear().response(productivity=0.1 * 0.8**PERIODS)["capital"]
    assert 0.01 < gap(linear_capital, away["capital"]) < 0.05  # a shock of 11 percent is not linear


def original(points: int, **parameters):
    """Krusell and Smith (1998) with a grid so long that nobody gets to its top."""
    model = hm.load_model("krusell_smith").with_parameters(maximum_assets=700.0, **parameters)
    return hm.steady_state(model, asset_points=points)


@pytest.fixture(scope="module")
def patient():
    return original(100)


@pytest.fixture(scope="module")
def impatient(patient):
    return original(100, discount_factor=0.985)


@pytest.mark.slow
def test_without_a_shock_nothing_moves(patient):
    """Guards `transition`: without a shock the path stays at the stationary equilibrium."""
    path = hm.transition(patient, horizon=50)
    assert path.iterations <= 1  # the stationary equilibrium clears within 1e-8, the path within 1e-10
    for name, values in path.deviations().items():
        np.testing.assert_allclose(values, 0.0, atol=1e-7, err_msg=name)
    np.testing.assert_allclose(path.mass, np.broadcast_to(patient.mass, path.mass.shape), atol=1e-9)


def resource_gap(path) -> float:
    """Goods that are produced and neither consumed nor invested, as a share of output, in any period."""
    now, depreciation = path.series, float(path.steady.economy.model.depreciation)
    left = now["output"] + (1.0 - depreciation) * now["capital"] - now["consumption"]
    return float(np.abs((left[:-1] - now["capital"][1:]) / now["output"][:-1]).max())


@pytest.mark.slow
def test_a_permanent_change_leads_from_one_equilibrium_to_the_other(patient, impatient):
    """Guards docs/yardsticks.md, 'How right': a permanent change leads to the other equilibrium."""
    path = hm.transition(patient, horizon=800, initial=impatient)
    capital = path.series["capital"]
    assert capital[0] == pytest.approx(float(impatient.aggregates.capital), rel=1e-8)
    assert np.all(np.diff(capital[:200]) > 0) and path.last_gap < 1e-3  # later it overshoots by a tenth of a percent
    assert capital[-1] == pytest.approx(float(patient.aggregates.capital), rel=1e-3)
    assert resource_gap(path) < 1e-8
    assert path.mass.shape == path.savings.shape == (800, *patient.mass.shape)
    supplied = np.sum(path.mass[1:] * np.asarray(patient.economy.grid.points)[:, None], axis=(1, 2))
    np.testing.assert_allclose(supplied, capital[1:], rtol=1e-9)


@pytest.mark.slow
def test_an_economy_without_aggregate_shocks_moves_between_its_equilibria():
    """Aiyagari (1994) when households become more patient."""
    before, after = (
        hm.steady_state(hm.load_model("aiyagari").with_parameters(discount_factor=beta), asset_points=60)
        for beta in (0.955, 0.96)
    )
    path = hm.transition(after, horizon=200, initial=before)
    capital = path.series["capital"]
    assert capital[0] == pytest.approx(float(before.aggregates.capital), rel=1e-8)
    assert capital[-1] == pytest.approx(float(after.aggregates.capital), rel=1e-4)
    assert resource_gap(path) < 1e-8 and capital[20] > capital[0]


@pytest.mark.slow
def test_income_states_out_of_balance_move_labor(patient):
    """Start with everybody's assets as they are and more people out of work: labor comes back by the chain alone."""
    share = patient.mass.sum(axis=0)
    moved = patient.mass * (np.array([0.3, 0.7]) / share)
    path = hm.transition(patient, horizon=300, initial=moved)
    chain = np.asarray(patient.economy.income_transition)[0, 0]
    expected, now = [], np.array([0.3, 0.7])
    for _ in range(5):
        expected.append(now[0])
        now = now @ chain
    np.testing.assert_allclose(path.series["unemployment"][:5], expected, rtol=1e-10)
    assert resource_gap(path) < 1e-8


@pytest.mark.slow
def test_what_does_not_fit_is_named(patient, impatient):
    """Guards `transition`: ValueError and TransitionError for a shock, mass or path that does not fit."""
    with pytest.raises(ValueError, match="no shock and no parameter 'demand'"):
        hm.transition(patient, horizon=20, demand=0.1)
    with pytest.raises(ValueError, match=r"initial has shape \(3,\)"):
        hm.transition(patient, horizon=20, initial=np.ones(3) / 3)
    with pytest.raises(ValueError, match="sums to 2"):
        hm.transition(patient, horizon=20, initial=2.0 * patient.mass)
    other = original(60)
    with pytest.raises(ValueError, match=r"\(60, 2\).*same asset_points"):
        hm.transition(patient, horizon=20, initial=other)
    with pytest.raises(ValueError, match="another stationary equilibrium"):
        hm.transition(patient, horizon=20, linear=hm.linearize(impatient, horizon=20))
    with pytest.raises(hm.TransitionError, match="excess supply of capital in period .* is still"):
        hm.transition(patient, horizon=20, productivity=0.05, max_iterations=0, income_risk=False)
    with pytest.raises(hm.TransitionError, match="In period 0 of the path some household has no resources"):
        hm.transition(patient, horizon=20, productivity=-1.5, income_risk=False)


@pytest.mark.slow
def test_with_income_risk_that_moves_a_path_stays_between_the_values_of_the_chain(patient):
    """Guards docs/yardsticks.md: a shock moves income states on impact; its path stays inside the chain."""
    with pytest.raises(ValueError, match=r"In period 1 the path \(\+0.02 from the mean\).*with income_risk=False"):
        hm.transition(patient, horizon=20, productivity=[0.0, 0.02])
    path = hm.transition(patient, horizon=150, productivity=-0.0099 * 0.75 ** np.arange(150))
    still = hm.transition(patient, horizon=150, productivity=-0.0099 * 0.75 ** np.arange(150), income_risk=False)
    assert path.chain.min() >= 0 and np.allclose(path.chain.sum(axis=2), 1.0)
    unemployed = path.series["unemployment"]
    np.testing.assert_allclose(path.mass[:, :, 0].sum(axis=1), unemployed, atol=1e-12)  # shares and masses agree
    assert unemployed[0] == pytest.approx(0.07 + 0.03 * 0.99, abs=1e-4)  # .10 in the bad state, .04 in the good one
    np.testing.assert_allclose(still.series["unemployment"], 0.07, atol=1e-4)
    assert path.deviations()["consumption"].min() < still.deviations()["consumption"].min() < 0
