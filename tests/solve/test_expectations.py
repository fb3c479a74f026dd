"""Declared expectations: against firms' own first-order condition, and prices that follow from the shocks alone."""

import dataclasses
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_bonds import Expecting, Priced, phillips

import hank_mfg as hm
from hank_mfg.environment.quantities import names_of
from hank_mfg.evaluate.euler_errors import euler_errors
from hank_mfg.solve.stationary.clearing import clearing
from hank_mfg.solve.stationary.diagnosis.symptoms import equation_names

HUGGETT = {"maximum_assets": 20.0, "bond_supply": 1.0, "discount_factor": 0.95}
SHOCK = {"aggregate_sd": 0.1, "aggregate_persistence": 0.6}


def declared(kind: type = Expecting, **parameters):
    """The small economy."""
    return kind(**{**hm.load_model("huggett", **HUGGETT).parameters(), **SHOCK, **parameters})


@pytest.fixture(scope="module")
def steady() -> hm.SteadyState:
    return hm.steady_state(declared(), asset_points=30)


def prices_on(dividends: np.ndarray, patience: float, rest: float) -> np.ndarray:
    """p_t = patience (d_{t+1} + p_{t+1}) along a path of dividends known to the end, `rest` after it."""
    found = [rest]
    for dividend in dividends[:0:-1]:
        found.append(patience * (dividend + found[-1]))
    return np.array(found[::-1])


def test_at_rest_tomorrow_is_today(steady):
    patience = float(steady.economy.model.patience_of_firms)
    assert float(steady.prices.share_price) == pytest.approx(patience / (1 - patience), rel=1e-9)
    assert float(steady.prices.inflation) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.slow
def test_a_declared_phillips_curve_is_that_of_firms_who_set_prices(steady):
    """Guards docs/start.md, 'Equations that look ahead': the same linear responses as with profit()."""
    firms = hm.linearize(hm.steady_state(declared(Priced), asset_points=30), horizon=60)
    path = 0.01 * 0.7 ** np.arange(60)
    ours = hm.linearize(steady, horizon=60).response(aggregate_income=path)
    theirs = firms.response(aggregate_income=path)
    for name in ("inflation", "interest_rate", "consumption"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-12 + 1e-10 * np.abs(theirs[name]).max())
    assert np.abs(theirs["inflation"]).max() > 1e-3


def test_the_model_is_checked_with_what_it_expects(steady):
    """`show` asks every equation and the accounts, a diagnosis names the equations of the period."""
    hm.check_model(declared())
    hm.check_model(hm.load_model("stock_market"))
    with jax.enable_x64(True):
        economy = steady.economy
        assert equation_names(economy, names_of(economy))[-2:] == ["phillips", "share"]


@pytest.mark.slow
def test_a_large_economy_of_several_unknowns_begins_on_a_coarse_grid(steady, monkeypatch):
    """Guards docs/aiyagari.md, 'more points': with several unknowns the search on a fine grid follows one on a coarse
    grid, and ends where it would without."""
    monkeypatch.setattr(clearing, "LARGE", 300)
    found = hm.steady_state(declared(), asset_points=120)
    monkeypatch.undo()
    whole = hm.steady_state(declared(), asset_points=120)
    for name, value in whole.prices.items():
        assert float(found.prices[name]) == pytest.approx(float(value), abs=1e-8), name


def test_along_a_path_an_expectation_is_what_comes(steady):
    """To first order and in full: the price of a share is the sum of what it pays."""
    model, horizon = steady.economy.model, 60
    path = 0.1 * 0.7 ** np.arange(horizon)
    path[40:] = 0.0
    patience, rest = float(model.patience_of_firms), float(steady.prices.share_price)
    linear = hm.linearize(steady, horizon=horizon).response(aggregate_income=path)
    np.testing.assert_allclose(linear["share_price"], prices_on(0.5 * path, patience, 0.0), atol=1e-10)
    full = hm.transition(steady, horizon=horizon, aggregate_income=path)
    truth = prices_on(np.sqrt(1 + path), patience, rest)
    np.testing.assert_allclose(full.series["share_price"], truth, atol=1e-8)


# --------------------------------------------------------------------------------------------------------- training


def exact(model: Expecting) -> dict[str, np.ndarray]:
    """Prices in every aggregate state, where they follow from the shocks alone."""
    with jax.enable_x64(True):
        economy = hm.discretize(model, 10, jnp.float64)
    z, chain = np.asarray(economy.shock_values["aggregate_income"]), np.asarray(economy.shock_transition)
    patience, eye = model.patience_of_firms, np.eye(len(z))
    margin, worth = phillips(model)
    share = np.linalg.solve(eye - patience * chain, patience * chain @ np.sqrt(z))
    return {"inflation": np.expm1(np.linalg.solve(eye - worth, margin)), "share_price": share}


@pytest.fixture(scope="module")
def solution() -> hm.Solution:
    settings = hm.RSPG(
        asset_points=40, updates=80, paths=4, horizon=10, knots=10, units=8, width=16, warmup=50, learning_rate=5e-3,
    )  # fmt: skip
    return hm.solve(declared(), settings, verbose=False)


@pytest.mark.slow
def test_training_finds_prices_that_look_ahead_where_they_can_be_solved_exactly(solution, tmp_path):
    """Guards docs/start.md, 'Equations that look ahead': two expectations are trained at once; kept, they come back."""
    simulation, truth = hm.simulate(solution, periods=400, burn=50), exact(solution.model)
    for name, error in {"inflation": 2e-4, "share_price": 2e-3}.items():
        assert np.ptp(truth[name]) > 30 * error
        np.testing.assert_allclose(simulation.series[name], truth[name][simulation.shock], atol=error)
    hm.save(solution, tmp_path / "kept.npz")
    again = hm.load(tmp_path / "kept.npz", solution.model)
    one, other = (jax.tree.leaves(each.policy.expectations) for each in (solution, again))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.slow
def test_errors_of_expectations_are_those_worked_out_by_hand(solution):
    """Guards the accuracy report: with an expectation that is d too high everywhere the price of a share is too, and
    its exact expectation by the patience times d."""
    before, d = {e.name: e for e in euler_errors(solution, periods=200, burn=20).expectations}, 0.1
    shifted = eqx.tree_at(lambda p: p.stationary.expected, solution.policy, solution.policy.stationary.expected + d)
    moved = euler_errors(dataclasses.replace(solution, policy=shifted), periods=200, burn=20)
    found, rest = {each.name: each for each in moved.expectations}, float(solution.steady.prices.share_price)
    missed = d * (1.0 - solution.model.patience_of_firms)
    assert found["share"].unit == "percent" and found["inflation_term"].unit == "points"
    assert found["share"].mean * rest == pytest.approx(missed, abs=before["share"].maximum * rest)
    assert before["share"].maximum * rest < 0.3 * missed
    assert before["inflation_term"].mean < 1e-4 < found["inflation_term"].mean
    table = hm.evaluate(solution, periods=200, deviations=False).table()
    assert any("expected share" in name for name in table.index)


# ------------------------------------------------------------------------------------------------ what is refused


def test_what_cannot_be_expected_is_said_in_a_sentence(refuses):
    class Unread(Expecting):
        def expectations(self, today, tomorrow):
            return {**super().expectations(today, tomorrow), "wealth": tomorrow.share_price}

    class Reserved(Expecting):
        def outcomes(self, today):
            return {**super().outcomes(today), "expected": today.share_price}

    class Early(Expecting):
        def outcomes(self, today):
            return {**super().outcomes(today), "value": today.expected.share}

    class Twice(Expecting):
        def expectations(self, today, tomorrow):
            return {**super().expectations(today, tomorrow), "share": today.expected.share}

    class Many(Expecting):
        def expectations(self, today, tomorrow):
            return {**super().expectations(today, tomorrow), "share": jnp.ones(2) * tomorrow.share_price}

    cases = {
        Unread: ("expectations()", "reads wealth", "today.expected.wealth"),
        Reserved: ("outcomes()", "'expected'", "another name"),
        Early: ("today.expected is not given to outcomes()", "clearing_prices()"),
        Twice: ("today.expected is not given to expectations()",),
        Many: ("expectations(): share", "one number"),
    }
    for kind, words in cases.items():
        refuses(lambda kind=kind: hm.check_model(declared(kind)), *words)
