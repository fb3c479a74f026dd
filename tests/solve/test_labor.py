"""Hours as a second choice: the intratemporal condition, brute force, and economies in which they clear markets."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_bonds import Effortless, Working

import hank_mfg as hm
from hank_mfg.solve.gradient.economies import prepare

KINDS = {"separable": hm.Separable, "ghh": hm.GHH}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("net", [-0.4, 0.0, 0.3, 5.0])
def test_consumption_and_hours_are_the_best_that_brute_force_finds(kind, net, float64):
    """max u(c, n) subject to c - w n = net, over hours alone; the derivative of the maximum in net is u'(x)."""
    wage, frisch, weight, gamma = 0.8, 0.5, 0.9, 2.0
    preferences = KINDS[kind](gamma, frisch=frisch, disutility=weight)

    def effort(hours):
        return weight * hours ** (1 + 1 / frisch) / (1 + 1 / frisch)

    def utility(hours, net=net):
        inside = net + wage * hours - (effort(hours) if kind == "ghh" else 0.0)
        if inside <= 0:
            return -1e10
        return (inside ** (1 - gamma) - 1) / (1 - gamma) - (effort(hours) if kind == "separable" else 0.0)

    grid = np.linspace(1e-6, 12.0, 4001)
    near = grid[int(np.argmax([utility(n) for n in grid]))]
    ends = (max(near - 0.01, 1e-9), near + 0.01)
    best = scipy.optimize.minimize_scalar(
        lambda n: -utility(n), bounds=ends, method="bounded", options={"xatol": 1e-12}
    )
    x = preferences.consumed(jnp.asarray(net), jnp.asarray(wage))
    if kind == "ghh" and -best.fun < -1e9:
        assert float(x) <= 0.0  # nobody can live there, and nothing is floored
        return
    assert float(preferences.hours(x, wage)) == pytest.approx(best.x, abs=1e-5)
    assert float(preferences.net(x, wage)) == pytest.approx(net, abs=1e-12)
    assert float(preferences.goods(x, wage)) == pytest.approx(net + wage * best.x, abs=1e-5)
    assert float(preferences.flow(x, wage)) == pytest.approx(-best.fun, abs=1e-9)
    slope = jax.grad(lambda m: preferences.flow(preferences.consumed(m, jnp.asarray(wage)), wage))(jnp.asarray(net))
    assert float(slope) == pytest.approx(float(preferences.marginal_utility(x)), rel=1e-9)


@pytest.mark.parametrize("bad", [{"frisch": 0.0, "disutility": 1.0}, {"frisch": 1.0, "disutility": -1.0}])
def test_what_is_not_positive_is_refused(bad, refuses):
    refuses(lambda: hm.Separable(2.0, **bad), "must be positive", "declare CRRA")


def test_hours_without_a_wage_are_refused(refuses):
    class Unpaid(Working):
        hourly_wage = hm.Model.hourly_wage

    refuses(lambda: hm.check_model(working(Unpaid)), "Unpaid.preferences() value hours", "declare hourly_wage")


def working(kind, **changes):
    return kind(**{**hm.load_model("huggett").parameters(), **changes})


@pytest.mark.slow
def test_with_ghh_preferences_the_economy_is_one_with_that_income():
    """Hours (w/phi)^psi: the household's x solves the problem of somebody who earns w n - v(n) and chooses no hours."""
    model = working(Effortless)
    steady = hm.steady_state(model, asset_points=60)

    class Given(type(hm.load_model("huggett"))):
        def resources(self, assets, own, today):
            wage = own.income * today.aggregate_income
            hours = wage**0.5
            return (1.0 + today.interest_rate) * assets + wage * hours - hours**3.0 / 3.0

        def goods_market(self, today, choices, tomorrow):
            return None  # Huggett's counts what his households earn

    plain = hm.steady_state(working(Given), asset_points=60)
    assert steady.prices.interest_rate == pytest.approx(plain.prices.interest_rate, abs=1e-10)
    np.testing.assert_allclose(steady.savings, plain.savings, atol=1e-8)
    # consumption is goods; the other household's is what is left of them after effort, x = c - n^3/3
    np.testing.assert_allclose(steady.composite, plain.consumption, rtol=1e-7)
    effort = np.asarray(steady.economy.own.income) ** 1.5 / 3.0
    np.testing.assert_allclose(steady.consumption - steady.composite, effort[None] + 0 * steady.mass, rtol=1e-9)
    earned = float(np.sum(steady.mass * np.asarray(steady.economy.own.income) ** 1.5))
    spent = float(np.sum(steady.mass * steady.consumption))
    assert spent == pytest.approx(earned + 5.6 * float(steady.prices.interest_rate), rel=1e-7)


@pytest.mark.slow
def test_the_stationary_household_is_that_of_value_function_iteration(float64):
    """Separable hours, brute force over next assets and hours on a grid: consumption within the grid's coarseness."""
    model = working(Working, maximum_assets=12.0, bond_supply=1.5)
    steady = hm.steady_state(model, asset_points=50)
    economy, rate = steady.economy, float(steady.prices.interest_rate)
    points, income = np.asarray(economy.grid.points), np.asarray(economy.own.income)
    chain = np.asarray(economy.income_transition[0, 0])
    fine = np.linspace(0.0, points[-1], 601)
    cost = (1.0 + rate) * points[:, None] - fine[None, :]  # (assets, choice)
    x = np.asarray(model.preferences().consumed(jnp.asarray(cost[:, :, None]), jnp.asarray(income)))
    flow = np.asarray(model.preferences().flow(jnp.asarray(x), jnp.asarray(income)))
    value = np.zeros((len(points), len(income)))
    for _ in range(1500):
        ahead = np.stack([np.interp(fine, points, column) for column in (value @ chain.T).T], axis=1)
        new = (flow + 0.98 * ahead[None]).max(axis=1)
        value, change = new, np.abs(new - value).max()
        if change < 1e-7:
            break
    best = fine[(flow + 0.98 * ahead[None]).argmax(axis=1)]
    mass = steady.mass
    assert np.sum(mass * np.abs(best - steady.savings)) < 0.03
    assert np.abs(best - steady.savings)[mass > 1e-4].max() < 0.15


@pytest.mark.slow
def test_goods_and_hours_add_up_and_the_rich_work_less(float64):
    """Guards `Separable`: hours fall with consumption; earnings and interest add up to consumption."""
    steady = hm.steady_state(working(Working), asset_points=100)
    economy, public = steady.economy, jax.tree.map(jnp.asarray, steady.public)
    chosen = economy.choices(jnp.asarray(steady.mass), public, jnp.asarray(steady.savings))
    hours = np.asarray(economy.model.preferences().hours(jnp.asarray(steady.consumption), economy.budget(public).wage))
    income = float(chosen.earnings + public.prices.interest_rate * 5.6)
    assert income == pytest.approx(float(chosen.consumption), abs=1e-9)
    assert np.all(np.diff(hours, axis=0) < 0)
    assert steady.residual < 1e-9


class TwoPrices(Working):
    """Firms turn hours into goods one for one; the wage clears the market for hours as the rate that for bonds."""

    def clearing_prices(self):
        return {**super().clearing_prices(), "wage": hm.Bracket(0.2, 5.0)}

    def hourly_wage(self, own, today):
        return today.wage * own.income

    def excess_demand(self, today, choices):
        # firms want ln(hours) = 2 (ln z - ln wage): less where labor is dear
        wanted = (shocks_of(today) / today.wage) ** 2
        return {"bonds": choices.savings - self.bond_supply, "hours": wanted - choices.earnings / today.wage}

    def signal(self, today):
        return {"interest_rate": today.interest_rate, "wage": today.wage, "z": today.aggregate_income}

    def goods_market(self, today, choices, tomorrow):
        return None


def shocks_of(today):
    return today.aggregate_income


@pytest.mark.slow
def test_two_prices_clear_at_rest_and_in_a_period(float64):
    """Guards docs/start.md, 'Clearing prices': wage and rate clear together, at rest and in a period."""
    model = working(TwoPrices)
    hm.check_model(model)
    steady = hm.steady_state(model, asset_points=60)
    assert steady.residual < 1e-8
    settings = hm.RSPG(asset_points=40, paths=2, knots=10, units=8, width=8, warmup=20, precision="float64")
    play, training = prepare(model, settings, steady, seed=0)
    state = jax.tree.map(lambda x: x[1], training.states)._replace(price_noise=None)
    now = play.decide(state)
    assert np.abs(now.excess).max() < 1e-10
    hours = (now.public.shocks.aggregate_income / now.public.prices.wage) ** 2
    chosen = play.economy.choices(now.state.aggregate.mass, now.public, now.savings)
    assert float(chosen.earnings / now.public.prices.wage) == pytest.approx(float(hours), abs=1e-9)
    assert float(chosen.savings) == pytest.approx(5.6, abs=1e-9)


@pytest.mark.slow
def test_two_prices_clear_along_a_path_of_trained_policies():
    """Guards docs/start.md, 'Clearing prices': wage and rate clear in every simulated period, to 1e-9."""
    settings = hm.RSPG(asset_points=60, updates=20, paths=8, horizon=10, knots=10, units=8, width=16, epochs=4)
    path = hm.simulate(hm.solve(working(TwoPrices), settings), periods=200, burn=50)
    assert np.abs(path.excess_demand).max() < 1e-9
    wage, z = path.series["wage"], path.series["aggregate_income"]
    assert wage.std() > 1e-3 and np.corrcoef(wage, z)[0, 1] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Working, Effortless])
def test_with_aggregate_risk_euler_errors_are_small(kind):
    """Guards docs/accuracy.md, 'one-step Euler error, mean': below .01 percent with Separable and GHH."""
    solution = hm.solve(working(kind), hm.RSPG())
    accuracy = hm.evaluate(solution, periods=1_000, deviations=False).to_dict()
    assert accuracy["euler_error_mean_percent"] < 0.01 and accuracy["dynamic_euler_mean_percent"] < 0.01
    assert accuracy["market_clearing_residual_max"] < 1e-10 and accuracy["goods_market_residual_max"] < 1e-10
