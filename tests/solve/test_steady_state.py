"""The stationary equilibrium: Aiyagari's table recomputed, identities, convergence, and what is refused."""

import sys

import jax
import numpy as np
import pytest

import hank_mfg as hm

# shared/design/accuracy.md, recomputed with independent code: (persistence, sd, risk aversion) -> r in percent.
AIYAGARI = {
    (0.0, 0.2, 1.0): 4.144,
    (0.0, 0.2, 3.0): 4.086,
    (0.3, 0.2, 1.0): 4.127,
    (0.3, 0.2, 3.0): 4.022,
    (0.3, 0.2, 5.0): 3.888,
    (0.6, 0.2, 5.0): 3.614,
}
QUICK = ((0.3, 0.2, 3.0), (0.6, 0.2, 5.0))
SLOW = pytest.mark.slow


def aiyagari(persistence=0.6, stationary_sd=0.2, risk_aversion=1.0, **parameters):
    risk = {"persistence": persistence, "stationary_sd": stationary_sd, "risk_aversion": risk_aversion}
    return hm.load_model("aiyagari", **risk, **parameters)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [pytest.param(cell, marks=() if cell in QUICK else SLOW) for cell in AIYAGARI])
def test_aiyagari_table_ii_recomputed(cell):
    """Guards docs/accuracy.md, 'Aiyagari', Table II: within .003 points of the recomputed cells."""
    steady = hm.steady_state(aiyagari(*cell), asset_points=400)
    assert 100 * float(steady.prices.interest_rate) == pytest.approx(AIYAGARI[cell], abs=0.003)


@pytest.fixture(scope="module")
def by_points():
    return {points: hm.steady_state(aiyagari(), asset_points=points) for points in (100, 200, 400)}


def test_the_interest_rate_converges_at_second_order_in_the_grid(by_points):
    rates = [float(by_points[points].prices.interest_rate) for points in (100, 200, 400)]
    order = np.log2((rates[1] - rates[0]) / (rates[2] - rates[1]))
    assert 1.7 < order < 2.3


def test_markets_clear_and_accounts_add_up(by_points):
    for steady in by_points.values():
        assert steady.residual < 1e-8 and steady.euler_change < 1e-10
        assert steady.mass.sum() == pytest.approx(1.0, abs=1e-13) and steady.mass.min() > -1e-13  # rounding
        assert steady.top_of_grid_mass < 1e-12
        points = np.asarray(steady.economy.grid.points)
        held, saved = steady.mass.sum(axis=1) @ points, (steady.mass * steady.savings).sum()
        capital, labor = float(steady.aggregates.capital), float(steady.aggregates.labor)
        assert held == pytest.approx(capital, rel=1e-8) and saved == pytest.approx(capital, rel=1e-8)
        assert labor == pytest.approx(1.0, rel=1e-8)  # mean labor is normalized
        firm = hm.CobbDouglas(0.36, 0.08)
        assert float(steady.prices.interest_rate) == pytest.approx(float(firm.interest_rate(capital, labor)), rel=1e-12)
        assert float(steady.prices.wage) == pytest.approx(float(firm.wage(capital, labor)), rel=1e-12)


def test_the_saving_rate_is_depreciation_over_output(by_points):
    """Investment replaces capital: 1 - C/Y = delta K / Y = alpha delta / (r + delta). Source: Aiyagari (1994)."""
    for steady in by_points.values():
        rate = 0.36 * 0.08 / (float(steady.prices.interest_rate) + 0.08)
        assert steady.saving_rate() == pytest.approx(rate, abs=1e-8)


def test_precaution_lowers_the_interest_rate_below_impatience(by_points):
    safe = 1 / 0.96 - 1
    mild, strong = (
        float(hm.steady_state(aiyagari(0.6, sd), asset_points=100).prices.interest_rate) for sd in (0.05, 0.4)
    )
    assert strong < float(by_points[100].prices.interest_rate) < mild < safe


def test_the_callers_precision_is_left_alone(by_points):
    assert not jax.config.read("jax_enable_x64")
    assert by_points[100].mass.dtype == np.float64


class NoCapital(hm.Model):
    """Households save but nothing aggregate comes of it."""

    discount_factor: float = hm.parameter(default=0.96)

    def idiosyncratic_shock(self):
        return hm.MarkovChain([[0.9, 0.1], [0.1, 0.9]], labor=[0.8, 1.2])

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=20.0)

    def preferences(self):
        return hm.CRRA(1.0)

    def aggregates(self, assets, own, today):
        return {"labor": own.labor}

    def prices(self, today):
        return {"interest_rate": 0.02, "wage": today.labor}

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + today.wage * own.labor

    def signal(self, today):
        return {"wage": today.wage}


class FixedPrices(NoCapital):
    """Prices do not react to what households save."""

    def aggregates(self, assets, own, today):
        return {"capital": assets}

    def prices(self, today):
        return {"interest_rate": 0.02, "wage": 1.0}


def test_without_an_aggregate_of_assets_there_is_nothing_to_clear():
    with pytest.raises(hm.SteadyStateError, match=r"No aggregate depends on assets \(declared: labor\).*'capital'"):
        hm.steady_state(NoCapital(), asset_points=20)


@pytest.mark.slow
def test_prices_that_do_not_react_leave_what_households_hold():
    """A household at given prices, declared as an economy: capital is whatever is supplied."""
    model = FixedPrices()
    alone = hm.household(model, prices={"interest_rate": 0.02, "wage": 1.0}, asset_points=20)
    steady = hm.steady_state(model, asset_points=20)
    assert float(steady.aggregates.capital) == pytest.approx(float(alone.aggregates.capital), rel=1e-6)
    np.testing.assert_allclose(alone.mass, steady.mass, atol=1e-12)


@pytest.mark.slow
def test_a_borrowing_limit_that_cannot_be_repaid_is_refused():
    """Guards docs/when_it_does_not_converge.md, step 2: a limit that the poorest cannot repay is named."""
    model = aiyagari(borrowing_limit=-200.0, maximum_assets=100.0)
    with pytest.raises(hm.SteadyStateError, match=r"not enough to repay down to the borrowing limit -200"):
        hm.steady_state(model, asset_points=30)


def test_a_grid_that_is_too_short_warns():
    with pytest.warns(UserWarning, match=r"of the population is at the top of the asset grid \(15\)"):
        steady = hm.steady_state(aiyagari(maximum_assets=15.0), asset_points=30)
    assert steady.top_of_grid_mass > 1e-6


def test_a_grid_that_cannot_hold_the_capital_is_refused():
    with pytest.raises(hm.SteadyStateError, match=r"capital could not be cleared.*the top of the asset grid"):
        hm.steady_state(aiyagari(maximum_assets=5.0), asset_points=30)


@pytest.mark.slow
def test_a_coarse_grid_first_leads_to_the_same_equilibrium(by_points, monkeypatch):
    """As for economies of many states, on a small one."""
    monkeypatch.setattr(sys.modules["hank_mfg.solve.stationary.clearing.clearing"], "LARGE", 1000)
    found = hm.steady_state(aiyagari(), asset_points=200)
    assert float(found.aggregates.capital) == pytest.approx(float(by_points[200].aggregates.capital), rel=1e-9)
    np.testing.assert_allclose(found.mass, by_points[200].mass, atol=1e-8)


def test_coarse_grids_are_refused():
    with pytest.raises(ValueError, match="asset_points = 5 is too few"):
        hm.steady_state(aiyagari(), asset_points=5)


# --------------------------------------------------------------------------------------------- patience that differs


@pytest.mark.slow
def test_the_stochastic_beta_economy_has_the_published_distribution_of_wealth():
    """Guards docs/replications.md, 'stochastic beta', 'without aggregate risk'. Krusell and Smith (1998), Table 1:
    shares of the top 1, 5, 10, 20, 30 percent, Gini, households in debt."""
    steady = hm.steady_state(hm.load_model("krusell_smith_stochastic_beta"), asset_points=400)
    mass, points = steady.mass.sum(axis=1), np.asarray(steady.economy.grid.points)
    shares = [100 * float(hm.stats.top_share(mass, points, fraction)) for fraction in (0.01, 0.05, 0.1, 0.2, 0.3)]
    np.testing.assert_allclose(shares, [24, 55, 73, 88, 92], atol=1.0)
    assert float(hm.stats.gini(mass, points)) == pytest.approx(0.82, abs=0.01)
    assert 100 * mass[points < 0].sum() == pytest.approx(11, abs=1.5)
    # somebody is more patient than the market, for a while
    assert 0.9930 * (1 + float(steady.prices.interest_rate)) > 1


@pytest.mark.slow
def test_types_that_are_all_alike_are_one_type():
    """Guards docs/yardsticks.md, `discounting(own, today)`: three equal factors are one, capital to 1e-8."""
    types = {"discount_factor": [0.99, 0.99, 0.99], "maximum_assets": 300.0}
    many = hm.steady_state(hm.load_model("krusell_smith_stochastic_beta", **types), asset_points=100)
    one = hm.load_model("krusell_smith_1998", borrowing_limit=-2.4, unemployment_benefit=0.03, maximum_assets=300.0)
    alone = hm.steady_state(one, asset_points=100)
    assert float(many.aggregates.capital) == pytest.approx(float(alone.aggregates.capital), rel=1e-8)
    np.testing.assert_allclose(many.mass.reshape(100, 3, 2).sum(axis=1), alone.mass, atol=1e-7)


def test_an_annuity_of_types_is_the_sum_over_their_lives(float64):
    economy = hm.discretize(hm.load_model("krusell_smith_stochastic_beta"), 30, aggregate_risk=False)
    share, chain = np.full(6, 1 / 6), np.asarray(economy.income_transition[0, 0])
    patience, left, total = np.asarray(economy.discount_factor(economy.shocks(0)))[0], np.ones(6), np.zeros(6)
    for _ in range(6000):
        total, left = total + left, patience * (chain @ left)
    assert float(share @ economy.annuities()) == pytest.approx(share @ total, rel=1e-9)
