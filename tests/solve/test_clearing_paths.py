"""Linear responses and transition paths where prices clear inside the period and periods carry something over.

Truths: the same economy written with and without an unknown price, a shock that only arrives a period late, budgets
and market clearing along the path, and hours that follow from the wage alone.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_bonds import Effortless, Huggett, Promised
from reference_sequence_space import Economy, economy, gap

import hank_mfg as hm

PERIODS = 120
PATH = 1e-3 * 0.8 ** np.arange(PERIODS)


class Rented(Economy):
    """The rental rate of capital as an unknown price: what firms rent at it is what households own."""

    def clearing_prices(self):
        return {"interest_rate": hm.Bracket(-0.02, 0.2)}

    def rented(self, rate, productivity):
        return (self.capital_share * productivity / (rate + self.depreciation)) ** (1.0 / (1.0 - self.capital_share))

    def excess_demand(self, today, choices):
        return {"capital": self.rented(today.interest_rate, today.productivity) / today.capital - 1.0}

    def prices(self, today):
        capital = self.rented(today.interest_rate, today.productivity)
        return {"wage": self.production().wage(capital, 1.0, today.productivity)}


class Late(Economy):
    """Productivity is that of the period before."""

    def state_variables(self):
        return {"before": self.productivity}

    def next_state(self, today):
        return {"before": today.productivity}

    def prices(self, today):
        factors = (today.capital, 1.0, today.before)
        return {"interest_rate": self.production().interest_rate(*factors), "wage": self.production().wage(*factors)}


def solved(kind, points=80):
    steady = hm.steady_state(kind(**economy().parameters()), asset_points=points, tolerance=1e-12)
    return steady, hm.linearize(steady, horizon=PERIODS)


@pytest.fixture(scope="module")
def plain():
    return solved(Economy)


@pytest.fixture(scope="module")
def rented():
    return solved(Rented)


@pytest.mark.slow
def test_a_price_that_clears_is_the_price_in_closed_form(plain, rented):
    """Guards docs/yardsticks.md, 'Linear responses': clearing prices are those in closed form."""
    ours, theirs = rented[1].response(productivity=PATH), plain[1].response(productivity=PATH)
    for name in ("capital", "interest_rate", "wage", "consumption", "output"):
        assert gap(ours[name], theirs[name]) < 1e-8, name
    assert rented[1].names.path == ("capital", "interest_rate")
    shock = 0.05 * 0.8 ** np.arange(PERIODS)
    ours, theirs = (
        hm.transition(steady, horizon=PERIODS, linear=linear, productivity=shock) for steady, linear in (rented, plain)
    )
    assert ours.residual < 1e-10
    for name in ("capital", "interest_rate", "wage", "consumption"):
        assert gap(ours.deviations()[name], theirs.deviations()[name]) < 1e-7, name


@pytest.mark.slow
def test_the_equilibrium_is_determinate_either_way(rented):
    """Guards docs/yardsticks.md: `hm.winding_number` is zero where the equilibrium is locally unique."""
    assert hm.winding_number(rented[1]) == 0


@pytest.mark.slow
def test_what_is_carried_over_acts_a_period_late(plain):
    """Shocks from period 0 on are shocks from period 1 on of the economy without the delay, known a period ahead."""
    steady, linear = solved(Late)
    news = np.concatenate([[0.0], PATH[:-1]])
    ours, theirs = linear.response(productivity=PATH), plain[1].response(productivity=news)
    assert linear.names.state_variables == ("before",) and linear.names.path == ("capital", "before")
    for name in ("capital", "interest_rate", "wage", "consumption"):
        assert gap(ours[name], theirs[name]) < 1e-8, name
    np.testing.assert_allclose(ours["before"], news, atol=1e-15)
    path = hm.transition(steady, horizon=PERIODS, linear=linear, productivity=30.0 * PATH)
    known = hm.transition(plain[0], horizon=PERIODS, linear=plain[1], productivity=30.0 * news)
    assert gap(path.deviations()["capital"], known.deviations()["capital"]) < 1e-7


@pytest.fixture(scope="module", params=[Huggett, Promised], ids=["paid at once", "promised"])
def bonds(request):
    model = request.param(**hm.load_model("huggett", bond_supply=1.0).parameters())
    steady = hm.steady_state(model, asset_points=100)
    return steady, hm.linearize(steady, horizon=PERIODS)


@pytest.mark.slow
def test_a_promise_that_mostly_moves_wealth_leaves_no_bounded_path():
    """With many bonds a higher promised rate pays the rich, who save it, more than it makes everybody save today: then
    each promise needs a larger one after it. With few bonds it does not."""
    many, few = (
        hm.steady_state(Promised(**hm.load_model("huggett", bond_supply=supply).parameters()), asset_points=40)
        for supply in (5.6, 1.0)
    )
    with pytest.warns(UserWarning, match="close to singular .* winding_number"):
        explosive = hm.linearize(many, horizon=500)
    assert hm.winding_number(explosive) == 1
    assert hm.winding_number(hm.linearize(few, horizon=500)) == 0


@pytest.mark.slow
def test_bonds_are_held_and_goods_eaten_in_every_period(bonds):
    """Guards docs/yardsticks.md, 'Accounts', row `transition`: bonds and goods clear in every period."""
    steady, linear = bonds
    path = hm.transition(steady, horizon=PERIODS, linear=linear, aggregate_income=-10.0 * PATH)
    supply, series = float(steady.economy.model.bond_supply), path.series
    saved = np.sum(path.mass * path.savings, axis=(1, 2))
    np.testing.assert_allclose(saved, supply, rtol=1e-9)
    np.testing.assert_allclose(series["bonds"], supply, rtol=1e-9)
    paid = 0.0 if "tax" in series else supply * series["interest_rate"]
    np.testing.assert_allclose(series["consumption"], series["income"] + paid, rtol=1e-9)
    if "tax" in series:
        np.testing.assert_allclose(series["promised_rate"][1:], series["interest_rate"][:-1], atol=1e-10)
        assert series["promised_rate"][0] == pytest.approx(float(steady.aggregates.promised_rate), abs=1e-12)
    assert series["interest_rate"][0] > float(steady.prices.interest_rate)  # everybody wants to borrow from the future


@pytest.mark.slow
def test_the_linear_response_is_the_derivative_of_the_path(bonds):
    """Guards docs/yardsticks.md, 'How right': responses are derivatives of paths, with clearing prices."""
    steady, linear = bonds
    up, down = (
        hm.transition(steady, horizon=PERIODS, linear=linear, aggregate_income=sign * PATH).series for sign in (1, -1)
    )
    response = linear.response(aggregate_income=PATH)
    for name in ("interest_rate", "consumption", "income"):
        assert gap(0.5 * (up[name] - down[name]), response[name]) < 1e-3, name  # kinks between grid points
    assert np.abs(response["bonds"]).max() < 1e-12


@pytest.mark.slow
def test_a_permanent_change_of_supply_starts_with_the_bonds_there_are():
    """Guards `transition(after, initial=before)`: warns of a parameter that changes debt in period 0."""
    before, after = (
        hm.steady_state(hm.load_model("huggett", bond_supply=supply), asset_points=80) for supply in (5.4, 5.6)
    )
    with pytest.warns(UserWarning, match="bond_supply from 5.4 to 5.6 changes what is owed in period 0"):
        path = hm.transition(after, horizon=PERIODS, initial=before)  # the new bonds are sold, the proceeds not spent
    assert path.series["bonds"][0] == pytest.approx(5.4, rel=1e-9)
    np.testing.assert_allclose(path.series["bonds"][1:], 5.6, rtol=1e-8)
    assert path.series["interest_rate"][0] > float(after.prices.interest_rate)  # all of the new ones are sold at once


@pytest.mark.slow
def test_hours_along_a_path_follow_from_the_wage():
    """Guards docs/yardsticks.md: `response` and paths have hours and earnings where they are chosen (GHH)."""
    model = Effortless(**hm.load_model("huggett").parameters())
    steady = hm.steady_state(model, asset_points=80)
    linear = hm.linearize(steady, horizon=PERIODS)
    path = hm.transition(steady, horizon=PERIODS, linear=linear, aggregate_income=20.0 * PATH)
    share, own = steady.mass.sum(axis=0), np.asarray(steady.economy.own.income)
    wage = path.series["aggregate_income"][:, None] * own
    np.testing.assert_allclose(path.series["hours"], wage**0.5 @ share, rtol=1e-10)
    np.testing.assert_allclose(path.series["earnings"], wage**1.5 @ share, rtol=1e-10)
    interest = 5.6 * path.series["interest_rate"]
    np.testing.assert_allclose(path.series["consumption"], path.series["earnings"] + interest, rtol=1e-8)
    response = linear.response(aggregate_income=PATH)
    assert gap(response["earnings"], 1.5 * PATH * (own**1.5 @ share)) < 1e-8
    assert path.deviations()["hours"][-1] == pytest.approx(0.0, abs=1e-9)
