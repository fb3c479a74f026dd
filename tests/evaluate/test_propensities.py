"""Marginal propensities to consume against budgets, closed forms and a household computed by NumPy alone."""

import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.economy import Aggregate

HORIZON = 40


class ByHand:
    """Aiyagari's household at stationary prices, in NumPy: endogenous grid, dense transition matrices."""

    def __init__(self, steady: hm.SteadyState):
        self.steady, economy = steady, steady.economy
        self.grid, self.chain = np.asarray(economy.grid.points), np.asarray(economy.income_transition)[0, 0]
        self.beta, self.gamma = (float(getattr(economy.model, name)) for name in ("discount_factor", "risk_aversion"))
        self.gross = 1.0 + float(steady.prices.interest_rate)
        self.cash = self.gross * self.grid[:, None] + float(steady.prices.wage) * np.asarray(economy.own["labor"])
        self.consumption = self.cash - steady.savings

    def choose(self, consumption_next, cash) -> np.ndarray:
        """Consumption at `cash` when tomorrow's is `consumption_next` on the grid, (assets, income) each."""
        marginal = self.gross * consumption_next**-self.gamma
        end = (self.beta * marginal @ self.chain.T) ** (-1.0 / self.gamma)
        found = np.empty_like(cash)
        for e in range(cash.shape[1]):
            knots, values = self.grid + end[:, e], end[:, e]
            inside = np.interp(cash[:, e], knots, values)
            last = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
            inside += last * np.maximum(cash[:, e] - knots[-1], 0.0)
            found[:, e] = np.where(cash[:, e] < knots[0], cash[:, e] - self.grid[0], inside)
        return np.maximum(found, cash - self.grid[-1])  # nobody saves beyond the grid

    def matrix(self, savings) -> np.ndarray:
        """The transition matrix of (assets, income) flattened, dense."""
        assets, income = savings.shape
        moves = np.zeros((assets, income, assets, income))
        for i in range(assets):
            for e in range(income):
                low = np.clip(np.searchsorted(self.grid, savings[i, e], side="right") - 1, 0, assets - 2)
                weight = (savings[i, e] - self.grid[low]) / (self.grid[low + 1] - self.grid[low])
                moves[i, e, low] += (1.0 - weight) * self.chain[e]
                moves[i, e, low + 1] += weight * self.chain[e]
        return moves.reshape(assets * income, assets * income)

    def aggregate(self, transfers) -> np.ndarray:
        """Aggregate consumption (time,) when everybody foresees transfers (time,), from the stationary mass on."""
        following, policies = self.consumption, []
        for transfer in transfers[::-1]:
            cash = self.cash + transfer
            following = self.choose(following, cash)
            policies.insert(0, (following, cash - following))
        mass, total = self.steady.mass.ravel(), []
        for consumption, savings in policies:
            total.append(mass @ consumption.ravel())
            mass = mass @ self.matrix(savings)
        return np.array(total)


@pytest.fixture(scope="module")
def steady():
    """Aiyagari's economy with much risk, so that some are at the borrowing limit and propensities differ."""
    risky = hm.load_model("aiyagari").with_parameters(stationary_sd=0.5, discount_factor=0.93)
    return hm.steady_state(risky, asset_points=40)


@pytest.fixture(scope="module")
def responses(steady):
    return hm.intertemporal_mpcs(steady, horizon=HORIZON)


def test_every_unit_is_spent_or_still_held(steady, responses):
    """dA_{t+1} = R dA_t + transfer_t - dC_t, summed to the last period: exact on any grid and any horizon."""
    gross = 1.0 + float(steady.prices.interest_rate)
    wealth = hm.intertemporal_mpcs(steady, horizon=HORIZON, output="capital")
    assert responses.shape == wealth.shape == (HORIZON, HORIZON) and np.all(wealth[0] == 0.0)
    np.testing.assert_allclose(wealth[1:], gross * wealth[:-1] + np.eye(HORIZON)[:-1] - responses[:-1], atol=1e-12)


def test_in_the_long_run_all_is_spent_at_its_present_value(steady, responses):
    gross = 1.0 + float(steady.prices.interest_rate)
    long = hm.intertemporal_mpcs(steady, horizon=800)
    discount = gross ** -np.arange(800.0)
    np.testing.assert_allclose((discount @ long)[:300], discount[:300], atol=1e-8)
    np.testing.assert_allclose(long[:HORIZON, :HORIZON], responses, atol=1e-13)  # truncation changes nothing inside
    assert np.all(long >= 0.0)


def test_the_first_entry_is_the_mean_slope_of_the_policy(steady, responses):
    """Two-sided differences of the consumption function in cash on hand."""
    by_hand, size = ByHand(steady), 1e-6
    up, down = (by_hand.choose(by_hand.consumption, by_hand.cash + move) for move in (size, -size))
    slopes = (up - down) / (2.0 * size)
    mpc, constrained = hm.static_mpcs(steady)
    np.testing.assert_allclose(mpc, slopes, atol=1e-6)
    assert responses[0, 0] == pytest.approx(np.sum(steady.mass * slopes), rel=1e-7)
    assert responses[0, 0] == pytest.approx(np.sum(steady.mass * mpc), rel=1e-12)
    inside = steady.savings < by_hand.grid[-1]  # at the top of the grid nothing more can be saved
    assert np.all(mpc[constrained] == 1.0) and np.all(mpc[~constrained & inside] < 1.0)
    np.testing.assert_array_equal(constrained, steady.savings < by_hand.grid[0] + 1e-12)
    assert 0.01 < np.sum(steady.mass * constrained) < 0.5


@pytest.mark.parametrize("period", [0, 3, 12])
def test_columns_are_differences_of_a_household_transition(steady, responses, period):
    by_hand, transfer = ByHand(steady), 1e-5 * (np.arange(HORIZON) == period)
    up, down = by_hand.aggregate(transfer), by_hand.aggregate(-transfer)
    np.testing.assert_allclose((up - down) / 2e-5, responses[:, period], atol=1e-6)


@pytest.mark.slow
def test_who_receives_decides_how_much_is_spent(steady, responses):
    """Transfers to one own state, and to the poor alone, against differences of a household's transition by NumPy."""
    by_hand, states = ByHand(steady), steady.mass.shape[1]
    worst = (np.arange(states) == 0).astype(float)
    poor = np.broadcast_to((by_hand.grid < 0.5)[:, None], steady.mass.shape).astype(float)
    gross = 1.0 + float(steady.prices.interest_rate)
    for incidence in (worst, poor):
        found = hm.intertemporal_mpcs(steady, horizon=HORIZON, incidence=incidence)
        share = incidence / np.sum(steady.mass * incidence)
        for period in (0, 3):
            moves = [1e-6 * share * (t == period) for t in range(HORIZON)]
            up, down = by_hand.aggregate(moves), by_hand.aggregate([-move for move in moves])
            np.testing.assert_allclose((up - down) / 2e-6, found[:, period], atol=2e-6)
        assert found[0, 0] > responses[0, 0]
        wealth = hm.intertemporal_mpcs(steady, horizon=HORIZON, incidence=incidence, output="capital")
        np.testing.assert_allclose(wealth[1:], gross * wealth[:-1] + np.eye(HORIZON)[:-1] - found[:-1], atol=1e-12)
    alike = hm.intertemporal_mpcs(steady, horizon=HORIZON, incidence=np.full(states, 7.0))
    np.testing.assert_allclose(alike, responses, atol=1e-13)
    for wrong, message in ((np.ones(states + 1), "incidence has shape"), (np.zeros(states), "pays 0 on average")):
        with pytest.raises(ValueError, match=message):
            hm.intertemporal_mpcs(steady, horizon=HORIZON, incidence=wrong)


class Riskless(hm.Model):
    """Two income states that are the same, beta R = 1: everybody keeps assets and consumes income and interest."""

    discount_factor: float = hm.parameter("beta", above=0, below=1)
    risk_aversion: float = hm.parameter("CRRA coefficient", above=0)

    def idiosyncratic_shock(self):
        return hm.MarkovChain([[0.7, 0.3], [0.3, 0.7]], labor=[1.0, 1.0])

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=20.0)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def aggregates(self, assets, own, today):
        return {"capital": assets}

    def prices(self, today):
        return {"interest_rate": 1.0 / self.discount_factor - 1.0 + 0.0 * today.capital, "wage": 1.0}

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + today.wage * own.labor

    def signal(self, today):
        return {"interest_rate": today.interest_rate}


def test_without_risk_an_annuity_is_spent_in_every_period(float64):
    """Permanent income: M[t, s] = (1 - 1/R) R^-s for households away from the limit, whatever the curvature."""
    beta = 0.95
    economy = hm.discretize(Riskless(discount_factor=beta, risk_aversion=2.5), 60, np.float64, aggregate_risk=False)
    mass = np.zeros(economy.shape)
    mass[20:40] = 1.0 / 40.0
    savings = np.broadcast_to(np.asarray(economy.grid.points)[:, None], economy.shape)
    public = economy.public(Aggregate(jnp.asarray(mass), jnp.asarray(0)))
    still = hm.SteadyState(economy, None, savings, mass, public, 0.0, 0.0, 0.0, 0.0)  # pyright: ignore
    found = hm.intertemporal_mpcs(still, horizon=15)
    expected = (1.0 - beta) * beta ** np.arange(15.0)
    np.testing.assert_allclose(found, np.broadcast_to(expected, (15, 15)), atol=1e-12)


def test_the_table_by_wealth_has_the_same_mean(steady, responses):
    table = hm.marginal_propensities(steady)
    assert table.loc["everybody", "mean MPC per period"] == pytest.approx(responses[0, 0], rel=1e-12)
    _, constrained = hm.static_mpcs(steady)
    share = 100.0 * np.sum(steady.mass * constrained)
    assert table.loc["everybody", "constrained (percent)"] == pytest.approx(share, rel=1e-12)
    assert table["mean MPC per period"].iloc[:5].is_monotonic_decreasing


@pytest.fixture(scope="module")
def path(steady):
    """Everybody starts with less: a tenth of all households lost their wealth."""
    mass = 0.9 * steady.mass
    mass[0] += 0.1 * steady.mass.sum(axis=0)
    return hm.transition(steady, horizon=60, initial=mass)


@pytest.mark.slow
def test_propensities_along_a_path_are_slopes_of_its_policies(steady, path):
    """Two-sided differences by hand, at prices and consumption of the path."""
    by_hand, found, size = ByHand(steady), hm.mpc_path(path), 1e-6
    assert found.mpc.shape == path.mass.shape and found.mean.shape == (60,)
    labor = np.asarray(steady.economy.own["labor"])
    for t in (0, 1, 7):
        rate, wage = (path.series[name][t] for name in ("interest_rate", "wage"))
        by_hand.gross = 1.0 + path.series["interest_rate"][t + 1]
        cash = (1.0 + rate) * by_hand.grid[:, None] + wage * labor
        np.testing.assert_allclose(by_hand.choose(path.consumption[t + 1], cash), path.consumption[t], rtol=1e-10)
        up, down = (by_hand.choose(path.consumption[t + 1], cash + move) for move in (size, -size))
        slopes = (up - down) / (2.0 * size)
        assert found.mean[t] == pytest.approx(np.sum(path.mass[t] * slopes), rel=1e-5)


@pytest.mark.slow
def test_the_mean_propensity_moves_with_who_is_poor_and_returns(steady, path):
    """Guards docs/yardsticks.md: `mpc_path` splits the response of the mean into composition and policy."""
    found = hm.mpc_path(path)
    away = found.deviations()
    np.testing.assert_allclose(away["composition"] + away["policy"], away["mean_mpc"], atol=1e-15)
    assert away["composition"][0] > 0.01 and abs(away["mean_mpc"][-1]) < 0.01 * away["mean_mpc"][0]
    mpc, constrained = hm.static_mpcs(steady)
    assert found.stationary_mean == pytest.approx(np.sum(steady.mass * mpc), rel=1e-12)
    assert away["composition"][0] == pytest.approx(np.sum((path.mass[0] - steady.mass) * mpc), rel=1e-10)
    assert found.constrained[-1] == pytest.approx(np.sum(steady.mass * constrained), abs=1e-3)
    still = hm.mpc_path(hm.transition(steady, horizon=20))
    np.testing.assert_allclose(still.deviations()["mean_mpc"], 0.0, atol=1e-7)


def test_what_does_not_fit_is_named(steady, refuses):
    refuses(lambda: hm.intertemporal_mpcs(steady, horizon=1), "horizon = 1")
    refuses(lambda: hm.intertemporal_mpcs(steady, output="wage"), "'wage'", "consumption, capital")
