"""The price of the chosen asset: Huggett (1993) as published, and economies that are the same with and without one."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_bonds import Promised

import hank_mfg as hm

# ------------------------------------------------------------------------------------------------------- as published


@pytest.mark.slow
@pytest.mark.parametrize(("risk_aversion", "annual"), [(1.5, -7.339), (3.0, -23.620)])
def test_the_rates_of_huggett_1993(risk_aversion, annual):
    """Guards docs/huggett.md, 'Huggett's code as its grid is refined': credit limit of -2 at face value, percent a
    year, what the algorithm of his published code converges to (Table 1 and 2 print -7.1 and -23 on his own grid).
    Ours is extrapolated from 400, 201, 101 points, whose rates are second-order accurate."""
    model = hm.load_model("huggett_1993", risk_aversion=risk_aversion)
    steady = hm.steady_state(model, asset_points=400)
    found = hm.grid_error(steady, digits=2)
    per_year = [100 * ((1 + rate) ** 6 - 1) for rate in (steady.prices.rate, found.limit["rate"])]
    assert per_year[0] == pytest.approx(annual, abs=0.005)
    assert per_year[1] == pytest.approx(annual, abs=0.002)
    assert 1.7 < found.order["rate"] < 2.3


# ------------------------------------------------------------------------------------------- the same in other units

SHARES = 2.5  # goods per share: capital is held in shares that cost so much, and are paid out in goods

KrusellSmith = type(hm.load_model("krusell_smith"))


class InShares(KrusellSmith):
    """Krusell and Smith's economy whose households buy shares of capital at `SHARES` goods each, with a = k / SHARES
    everywhere: c + SHARES a' = (1 + r) SHARES a + earnings."""

    def asset_space(self):
        return hm.Assets(lower=self.borrowing_limit / SHARES, upper=self.maximum_assets / SHARES)

    def aggregates(self, assets, own, today):
        return super().aggregates(SHARES * assets, own, today)

    def asset_price(self, today):
        return SHARES + 0.0 * today.wage

    def resources(self, assets, own, today):
        return super().resources(SHARES * assets, own, today)


@pytest.fixture(scope="module")
def both():
    """The stationary equilibrium in goods and in shares."""
    fields = {**hm.load_model("krusell_smith").parameters(), "borrowing_limit": -0.5, "maximum_assets": 500.0}
    return tuple(hm.steady_state(kind(**fields), asset_points=60) for kind in (KrusellSmith, InShares))


@pytest.mark.slow
def test_the_equilibrium_does_not_depend_on_the_unit_of_assets(both):
    """Change of variable a = k / SHARES: grids scale with it, so everything else is the same to rounding."""
    goods, shares = both
    assert shares.aggregates.capital == pytest.approx(goods.aggregates.capital, rel=1e-9)
    np.testing.assert_allclose(SHARES * shares.savings, goods.savings, atol=1e-8)
    np.testing.assert_allclose(shares.consumption, goods.consumption, rtol=1e-9)
    np.testing.assert_allclose(shares.mass, goods.mass, atol=1e-9)
    np.testing.assert_allclose(*(hm.static_mpcs(each)[0] for each in both), atol=1e-7)


@pytest.mark.slow
def test_linear_responses_and_paths_do_not_depend_on_the_unit_of_assets(both):
    """Guards Jacobians and perfect-foresight paths with a price of the asset other than one."""
    shock = 0.01 * 0.8 ** np.arange(400)
    linear = [hm.linearize(each, horizon=400) for each in both]
    paths = [hm.transition(each.steady, horizon=400, linear=each, productivity=shock) for each in linear]
    responses = [each.response(productivity=shock) for each in linear]
    for name in ("capital", "consumption", "interest_rate"):
        np.testing.assert_allclose(responses[1][name], responses[0][name], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(paths[1].series[name], paths[0].series[name], rtol=1e-7, atol=1e-9)


@pytest.mark.slow
def test_training_and_its_measures_do_not_depend_on_the_unit_of_assets(both, tiny):
    """Guards the structural gradient, the rollout, Euler errors and exploitability with a price of the asset: a few
    updates in float64 reach the same policy, judged alike."""
    settings = hm.RSPG(**{**tiny, "precision": "float64"})
    solved = [hm.solve(each.economy.model, settings, seed=0) for each in both]
    for measure in (
        lambda s: hm.euler_errors(s, periods=200, burn=10),
        lambda s: hm.exploitability(s, paths=2, horizon=20, updates=2),
    ):
        goods, shares = (measure(each)._asdict() for each in solved)
        for name, value in goods.items():
            if isinstance(value, float):
                assert shares[name] == pytest.approx(value, rel=1e-4, abs=1e-9), name


# --------------------------------------------------------------------------------------------- a price that clears


class Discounted(type(hm.load_model("huggett"))):
    """`Promised` with bonds at a discount: a bond costs 1 / (1 + r) and pays one; b = q a is the same wealth.

    The tax pays what is due less what new bonds bring in. With a limit of zero the two economies are the same.
    """

    def asset_price(self, today):
        return 1.0 / (1.0 + today.interest_rate)

    def state_variables(self):
        return {"due": self.bond_supply}

    def next_state(self, today):
        return {"due": (1.0 + today.interest_rate) * self.bond_supply}

    def excess_demand(self, today, choices):
        return {"bonds": (choices.savings / (1.0 + today.interest_rate) - self.bond_supply) / today.income}

    def prices(self, today):
        return {"tax": today.due - self.bond_supply}

    def resources(self, assets, own, today):
        return assets + own.income * today.aggregate_income - today.tax

    def goods_market(self, today, choices, tomorrow):
        return (today.income - choices.consumption) / today.income


@pytest.fixture(scope="module")
def promised():
    """A rate promised on bonds, and the same bonds sold at a discount; the second grid is the first, at face value."""
    fields = {**hm.load_model("huggett").parameters(), "bond_supply": 1.0, "maximum_assets": 30.0}
    rate = hm.steady_state(Promised(**fields), asset_points=120)
    top = 30.0 * (1.0 + rate.prices.interest_rate)
    return rate, hm.steady_state(Discounted(**{**fields, "maximum_assets": top}), asset_points=120)


@pytest.mark.slow
def test_a_discount_bond_is_a_bond_with_a_promised_rate(promised):
    """Guards docs/huggett.md, `asset_price()`: a bond sold at q = 1 / (1 + r) is one that pays r later."""
    rate, price = promised
    assert price.prices.interest_rate == pytest.approx(rate.prices.interest_rate, abs=1e-9)
    np.testing.assert_allclose(price.consumption, rate.consumption, rtol=1e-8)
    assert price.aggregates.bonds == pytest.approx(1.0 + price.prices.interest_rate, abs=1e-8)


@pytest.mark.slow
def test_paths_on_which_the_price_moves(promised):
    """Guards derivatives in the price of the asset. Face values are held on another grid when rates move, so the two
    agree up to the error of the grid; the linear response is that of a small nonlinear path."""
    shock = -0.002 * 0.8 ** np.arange(100)
    linear = [hm.linearize(each, horizon=100) for each in promised]
    responses = [each.response(aggregate_income=shock) for each in linear]
    path = hm.transition(promised[1], horizon=100, linear=linear[1], aggregate_income=shock)
    for name in ("interest_rate", "consumption"):
        peak = np.abs(responses[0][name]).max()
        assert np.abs(responses[1][name] - responses[0][name]).max() < 1e-3 * peak, name
        assert np.abs(path.deviations()[name] - responses[1][name]).max() < 0.01 * peak, name
