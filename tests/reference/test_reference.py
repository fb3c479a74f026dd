"""Check the reference implementations against closed forms, against each other and against published numbers."""

import csv
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parent))
import reference_closed_forms as closed
import reference_household as household
import reference_krusell_smith as classical

CALIBRATION = Path(__file__).parents[2] / "calibration" / "krusell_smith.toml"

# shared/design/accuracy.md, recomputed on the suite's own 10,000-period path: (intercept, slope), bad then good state.
RECOMPUTED_LAW = np.array([[0.12469, 0.96533], [0.13738, 0.96334]])
# Maliar, Maliar and Valli (2010), JEDC 34(1), 42-49: the suite's Krusell-Smith solution.
PUBLISHED_LAW = np.array([[0.123815, 0.965565], [0.137800, 0.963238]])

GRID = 8.0 * np.linspace(0, 1, 14) ** 2
INCOME = np.array([0.4, 1.1])
CHAIN = np.array([[0.7, 0.3], [0.1, 0.9]])
PERIODS = 6


def small_path():
    """Return cash, chains, savings, mass and terminal value of a small household with moving prices and chains."""
    draw = np.random.default_rng(0)
    interest_rate = 0.02 + 0.02 * draw.standard_normal(PERIODS)
    income = INCOME * np.exp(0.05 * draw.standard_normal((PERIODS, 1)))
    cash = household.cash_on_hand(GRID, interest_rate, income)
    chains = np.stack([CHAIN, [[0.6, 0.4], [0.05, 0.95]]])[draw.integers(0, 2, PERIODS)]
    savings = np.minimum(draw.uniform(0.2, 0.8, cash.shape) * cash, GRID[-1])
    mass = draw.random(cash.shape[1:])
    terminal_value = 3 * np.log(1 + GRID[:, None] + INCOME)
    return cash, chains, savings, mass / mass.sum(), terminal_value


@pytest.fixture(scope="module")
def saved():
    """Return the stored classical solution of the JEDC suite."""
    return classical.load_solution()


@pytest.fixture(scope="module")
def table():
    """Return the stored measurements, {quantity: (value, sampling sd or None)}."""
    with Path(classical.SAVED_SOLUTION).with_suffix(".csv").open() as file:
        return {
            row["quantity"]: (float(row["value"]), float(row["sampling_sd"]) if row["sampling_sd"] else None)
            for row in csv.DictReader(file)
        }


def next_capital(law, capital):
    """Return K' under each state's law, (capital, productivity)."""
    return np.exp(law[:, 0] + law[:, 1] * np.log(capital)[:, None])


# ------------------------------------------------------------------------------------------------------- Krusell-Smith


def test_calibration_is_the_shipped_one():
    shipped = tomllib.loads(CALIBRATION.read_text())
    own = classical.Parameters()
    for name in ("discount_factor", "risk_aversion", "capital_share", "depreciation", "time_endowment"):
        assert getattr(own, name) == shipped[name]["value"]
    assert own.unemployment_benefit == shipped["unemployment_benefit"]["value"]
    assert list(own.productivity) == shipped["productivity"]["value"]
    assert [list(row) for row in own.joint_transition] == shipped["joint_transition"]["value"]


def test_unemployment_rates_are_stationary_in_the_chain():
    transition = classical.Parameters().employment_transition()
    rates = np.array([0.10, 0.04])
    for z in range(2):
        for z_next in range(2):
            moved = np.array([rates[z], 1 - rates[z]]) @ transition[z, z_next]
            assert moved[0] == pytest.approx(rates[z_next], abs=5e-6)
    np.testing.assert_allclose(classical.Parameters().productivity_transition(), [[0.875, 0.125], [0.125, 0.875]])


@pytest.mark.parametrize(("law", "percent"), [(RECOMPUTED_LAW, 0.01), (PUBLISHED_LAW, 0.04)])
def test_stored_law_agrees_with_published_laws(saved, law, percent):
    capital = np.linspace(36.5, 42.5, 13)
    assert 100 * np.abs(next_capital(saved.law, capital) / next_capital(law, capital) - 1).max() < percent


def test_stored_moments_agree_with_the_yardstick_up_to_sampling_error(table):
    yardstick = {"capital_mean": 39.335, "capital_sd": 1.0085}
    for z, name in enumerate(("bad", "good")):
        yardstick |= {f"law_intercept_{name}": RECOMPUTED_LAW[z, 0], f"law_slope_{name}": RECOMPUTED_LAW[z, 1]}
    for name, value in yardstick.items():
        own, sampling_sd = table[name]
        assert abs(own - value) < 3 * sampling_sd, name
    assert min(table["r_squared_bad"][0], table["r_squared_good"][0]) > 0.99999
    assert table["den_haan_mean_percent"][0] == pytest.approx(0.053, abs=0.02)
    assert table["den_haan_maximum_percent"][0] == pytest.approx(0.211, abs=0.1)
    assert table["dynamic_euler_consumption_mean_percent"][0] == pytest.approx(0.0031, abs=0.001)
    assert table["one_step_euler_mean_percent"][0] < 0.0014


@pytest.mark.slow
def test_stored_solution_reproduces_the_stored_moments(saved, table):
    """Guards docs/accuracy.md, 'classical solution': recorded moments follow from the stored policies."""
    shocks = classical.productivity_path(11_000, 2010)
    capital = classical.capital_path(saved, shocks)
    law, r_squared = classical.fit_law(shocks[1000:], capital[1000:])
    assert capital[1000:].mean() == pytest.approx(table["capital_mean"][0], abs=1e-5)
    assert capital[1000:].std() == pytest.approx(table["capital_sd"][0], abs=1e-5)
    np.testing.assert_allclose(law, saved.law, atol=1e-5)
    np.testing.assert_allclose(r_squared, saved.r_squared, atol=1e-8)


@pytest.mark.slow
def test_one_period_of_the_simulation_agrees_with_the_household_module(saved):
    """Two independent lotteries: the simulation's and `reference_household.push_forward`."""
    shocks = np.array([0, 1, 1, 0])
    simulation = classical.simulate(saved, shocks, snapshot_every=1)
    transition = saved.parameters.employment_transition()
    histogram = saved.histogram_grid
    for t in range(3):
        mass = simulation.snapshots[t].T
        on_nodes = classical.savings_at(saved, histogram[:, None], np.arange(2), simulation.capital[t], shocks[t])
        # The simulation puts the few who would leave the histogram (less than 1e-7 of the mass) on its last node.
        on_nodes = np.minimum(on_nodes, histogram[-1])
        moved = household.push_forward(mass, on_nodes, histogram, transition[shocks[t], shocks[t + 1]])
        np.testing.assert_allclose(moved, simulation.snapshots[t + 1].T, atol=1e-9)
        assert (on_nodes * mass).sum() == pytest.approx(simulation.capital[t + 1], abs=1e-8)
        assert moved.sum() == pytest.approx(1, abs=1e-12)


def test_resources_add_up_to_output_and_undepreciated_capital(saved):
    simulation = classical.simulate(saved, classical.productivity_path(60, 5), snapshot_every=1)
    parameters = saved.parameters
    for t in range(60):
        z, capital, mass = simulation.shocks[t], simulation.capital[t], simulation.snapshots[t]
        gross_return, wage = parameters.prices(capital, z)
        cash = gross_return * saved.histogram_grid + wage * parameters.earnings()[z][:, None]
        output = parameters.productivity[z] * capital**0.36 * parameters.labor()[z] ** 0.64
        assert (mass * cash).sum() == pytest.approx(output + 0.975 * capital, rel=1e-6)


def test_capital_settles_near_the_fixed_point_of_each_state_law(saved):
    """A law off by .035 percent a step misses the fixed point by 1 percent (1 / (1 - slope) = 28)."""
    for z in range(2):
        capital = classical.capital_path(saved, np.full(1500, z))
        assert capital[-1] == pytest.approx(np.exp(saved.law[z, 0] / (1 - saved.law[z, 1])), rel=0.015)
    with pytest.raises(ValueError, match="not productivity levels"):
        classical.capital_path(saved, np.array([0, 2]))


def test_interpolated_policy_returns_the_stored_table(saved):
    with np.load(classical.SAVED_SOLUTION) as stored:
        consumption = stored["consumption"]
    assets, employment, capital, productivity = np.meshgrid(
        saved.asset_grid[::25], np.arange(2), saved.capital_grid[::3], np.arange(2), indexing="ij"
    )
    own = classical.consumption_at(saved, assets, employment, capital, productivity)
    np.testing.assert_allclose(own, consumption[::25, :, ::3], rtol=1e-12)
    assert (consumption > 0).all()
    assert Path(classical.SAVED_SOLUTION).stat().st_size < 1e6


def test_stored_policy_solves_the_euler_equation_and_forecasts_well(saved):
    shocks = classical.productivity_path(2_000, 12)
    simulation = classical.simulate(saved, shocks, snapshot_every=20)
    static = classical.one_step_euler_errors(saved, simulation)
    assert static["mean_percent"] < 0.002
    assert static["share_above_hundredth_percent"] < 1e-4
    assert static["covered_mass"] > 0.999
    exact = classical.one_step_euler_errors(saved, simulation, belief="law")
    assert exact["mean_percent"] < 2e-4
    dynamic = classical.dynamic_euler_errors(saved, simulation, individuals=3)
    assert dynamic["consumption_mean_percent"] < 0.005
    mean, maximum, _ = classical.den_haan_errors(saved.law, shocks, simulation.capital)
    assert mean < 0.08
    assert maximum < 0.3


def test_euler_errors_see_a_wrong_policy(saved):
    wrong = classical.Solution(
        saved.parameters,
        saved.asset_grid,
        saved.capital_grid,
        saved.histogram_grid,
        0.999 * saved.savings,
        saved.law,
        saved.average_mass,
    )
    simulation = classical.simulate(wrong, classical.productivity_path(200, 1), snapshot_every=20)
    assert classical.one_step_euler_errors(wrong, simulation)["mean_percent"] > 0.05


@pytest.mark.slow
def test_solving_again_returns_the_stored_solution(saved):
    """Guards docs/accuracy.md, 'classical solution': the independent code returns its stored solution."""
    solution = classical.solve_krusell_smith()
    np.testing.assert_allclose(solution.law, saved.law, atol=1e-6)
    np.testing.assert_allclose(solution.savings, saved.savings, atol=1e-5)


@pytest.mark.slow
def test_original_calibration_has_the_published_law():
    """Krusell and Smith (1998), section III: good .095 + .962 log K, bad .085 + .965 log K, R2 .999998; mean K 11.6."""
    solution = classical.solve_krusell_smith(
        classical.parameters_1998(), capital_bounds=(8.0, 16.0), law=((0.085, 0.965), (0.095, 0.962)), tolerance=1e-5
    )
    published = np.array([[0.085, 0.965], [0.095, 0.962]])
    capital = np.linspace(11.0, 12.2, 5)
    assert 100 * np.abs(next_capital(solution.law, capital) / next_capital(published, capital) - 1).max() < 0.3
    np.testing.assert_allclose(solution.law[:, 1], published[:, 1], atol=0.002)
    assert solution.r_squared.min() > 0.99999
    path = classical.capital_path(solution, classical.productivity_path(11_000, 4))
    assert path[1000:].mean() == pytest.approx(11.6, abs=0.15)


# ----------------------------------------------------------------------------------------------------------- household


def test_exact_and_searched_best_responses_agree():
    cash, chains, _, _, terminal_value = small_path()
    exact, savings = household.backward_induction(GRID, cash, chains, 0.95, 2.0, terminal_value)
    searched, choices = household.backward_induction_search(
        GRID, cash, chains, 0.95, lambda consumption: -1 / consumption, terminal_value, search_points=81
    )
    np.testing.assert_allclose(exact, searched, atol=1e-11)
    np.testing.assert_allclose(savings, choices, atol=1e-5)


def test_best_response_on_nodes_agrees_with_a_finite_game_and_is_below_the_continuous_one():
    cash, _, _, _, terminal_value = small_path()
    continuous, _ = household.backward_induction(GRID, cash, CHAIN, 0.95, 1.0, terminal_value)
    nodes, savings = household.backward_induction(GRID, cash, CHAIN, 0.95, 1.0, terminal_value, action_set="nodes")
    assert (nodes <= continuous + 1e-14).all()
    states = GRID.size * 2
    consumption = cash.reshape(PERIODS, states, 1) - GRID
    rewards = np.where(consumption > 0, np.log(np.where(consumption > 0, consumption, 1)), -1e9)
    transitions = np.zeros((states, GRID.size, GRID.size, 2))
    for state in range(states):
        for action in range(GRID.size):
            transitions[state, action, action] = CHAIN[state % 2]
    transitions = transitions.reshape(states, GRID.size, states)
    value, action = household.discrete_best_response(rewards, transitions, 0.95, terminal_value.ravel())
    np.testing.assert_allclose(value.reshape(nodes.shape), nodes, atol=1e-12)
    np.testing.assert_allclose(GRID[action].reshape(savings.shape), savings)


def test_forward_and_backward_values_agree():
    cash, chains, savings, mass, terminal_value = small_path()
    arguments = (GRID, cash, chains, 0.95, 2.0, savings)
    forward = household.policy_value_forward(*arguments, mass, terminal_value)
    backward = household.policy_value_backward(*arguments, terminal_value)
    assert forward == pytest.approx((mass * backward[0]).sum(), abs=1e-12)


def test_price_taking_gradient_agrees_with_finite_differences():
    cash, chains, savings, mass, terminal_value = small_path()
    gradient = household.price_taking_gradient(GRID, cash, chains, 0.95, 2.0, savings, mass, terminal_value)
    step = 1e-6
    for t, a, y in [(0, 3, 1), (2, 0, 0), (4, 13, 1), (5, 7, 0)]:
        values = []
        for sign in (1, -1):
            moved = savings.copy()
            moved[t, a, y] += sign * step
            values.append(household.policy_value_forward(GRID, cash, chains, 0.95, 2.0, moved, mass, terminal_value))
        assert gradient[t, a, y] == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-8)


def test_push_forward_conserves_mass_and_mean_and_is_the_adjoint_of_expect():
    _, chains, savings, mass, _ = small_path()
    values = np.random.default_rng(1).standard_normal(mass.shape)
    moved = household.push_forward(mass, savings[0], GRID, chains[0])
    assert moved.sum() == pytest.approx(1, abs=1e-14)
    assert (GRID @ moved).sum() == pytest.approx((mass * savings[0]).sum(), abs=1e-14)
    expected = household.expect(values, savings[0], GRID, chains[0])
    assert (moved * values).sum() == pytest.approx((mass * expected).sum(), abs=1e-14)
    with pytest.raises(ValueError, match="outside the asset grid"):
        household.push_forward(mass, savings[0] + 100, GRID, chains[0])


def test_stationary_mass_is_stationary_by_either_method():
    savings = household.stationary_savings(GRID, 0.02, INCOME, CHAIN, 0.95, 2.0)
    mass = household.stationary_mass(savings, GRID, CHAIN)
    np.testing.assert_allclose(mass, household.push_forward(mass, savings, GRID, CHAIN), atol=1e-13)
    np.testing.assert_allclose(mass, household.stationary_mass(savings, GRID, CHAIN, method="solve"), atol=1e-12)
    np.testing.assert_allclose(mass.sum(axis=0), closed.two_state_mass(0.3, 0.1), atol=1e-12)


def test_clairvoyant_gain_is_positive_and_vanishes_for_the_best_policy():
    cash, chains, savings, mass, terminal_value = small_path()
    arguments = (GRID, cash, chains, 0.95, 2.0)
    response = household.clairvoyant_best_response(*arguments, savings, mass, terminal_value)
    assert response.gain > 0
    again = household.clairvoyant_best_response(*arguments, response.savings, mass, terminal_value)
    assert again.gain == pytest.approx(0, abs=1e-12)
    gradient = household.price_taking_gradient(*arguments, response.savings, mass, terminal_value)
    interior = (response.savings > 0) & (np.abs(response.savings[..., None] - GRID).min(axis=-1) > 1e-9)
    assert interior.sum() > 20
    np.testing.assert_allclose(gradient[interior], 0, atol=1e-12)


def test_endogenous_grid_policy_approaches_the_best_one_as_the_grid_is_refined():
    """No policy beats value function iteration, which is the best one under linear values; the gap is O(h^2)."""
    gaps = []
    for points in (80, 160):
        grid = 8.0 * np.linspace(0, 1, points) ** 2
        cash = 1.02 * grid[:, None] + INCOME
        best, _ = household.value_function_iteration(grid, cash, CHAIN, 0.95, 2.0, tolerance=1e-12)
        savings = household.stationary_savings(grid, 0.02, INCOME, CHAIN, 0.95, 2.0)
        chain = household.transition_matrix(savings, grid, CHAIN)
        own = np.linalg.solve(np.eye(2 * points) - 0.95 * chain, -1 / (cash - savings).ravel())
        gaps.append((best.ravel() - own).max())
        assert (best.ravel() - own).min() > -1e-10
    assert gaps[1] < 0.35 * gaps[0]


def test_path_at_constant_prices_stays_at_the_stationary_policy():
    stationary = household.stationary_savings(GRID, 0.02, INCOME, CHAIN, 0.95, 2.0)
    path = household.savings_path(GRID, np.full(9, 0.02), np.tile(INCOME, (9, 1)), CHAIN, 0.95, 2.0, stationary)
    np.testing.assert_allclose(path, np.broadcast_to(stationary, path.shape), atol=1e-12)


def tauchen(persistence, stationary_sd, states=7, width=3.0):
    """Return (levels with mean one, chain) of a log AR(1) by Tauchen's (1986) method, grid +-width stationary sd."""
    logs = np.linspace(-width, width, states) * stationary_sd
    half = 0.5 * (logs[1] - logs[0])
    innovation_sd = stationary_sd * np.sqrt(1 - persistence**2)
    cuts = norm.cdf((logs[None, :-1] + half - persistence * logs[:, None]) / innovation_sd)
    chain = np.diff(np.concatenate([np.zeros((states, 1)), cuts, np.ones((states, 1))], axis=1), axis=1)
    mass = np.linalg.matrix_power(chain, 10_000)[0]
    return np.exp(logs) / (mass @ np.exp(logs)), chain


@pytest.mark.slow
@pytest.mark.parametrize(
    ("persistence", "risk_aversion", "recomputed", "published"), [(0.0, 3.0, 4.086, 4.1456), (0.3, 5.0, 3.888, 3.9054)]
)
def test_aiyagari_interest_rate(persistence, risk_aversion, recomputed, published):
    """Aiyagari (1994), Table II, sigma = .2; "recomputed" from shared/design/accuracy.md, on the same 400 asset points.

    With 1,000 points the two rates are 4.088 and 3.890, with 150 points 4.076 and 3.870.
    """
    levels, chain = tauchen(persistence, 0.2)
    grid = 150.0 * np.linspace(0, 1, 400) ** 3

    def excess_capital(rate):
        capital = ((rate + 0.08) / 0.36) ** (1 / (0.36 - 1))
        income = 0.64 * capital**0.36 * levels
        savings = household.stationary_savings(grid, rate, income, chain, 0.96, risk_aversion, tolerance=1e-9)
        mass = household.stationary_mass(np.minimum(savings, grid[-1]), grid, chain, method="solve")
        return (grid @ mass).sum() - capital

    rate = brentq(excess_capital, 0.037, 0.0413, xtol=1e-6)
    assert 100 * rate == pytest.approx(recomputed, abs=0.001)
    assert 100 * rate == pytest.approx(published, abs=0.08)


# -------------------------------------------------------------------------------------------------------- closed forms


def test_brock_mirman_solves_its_euler_and_bellman_equations():
    levels, transition = np.array([0.95, 1.05]), np.array([[0.8, 0.2], [0.3, 0.7]])
    for capital in (0.1, 0.2, 0.4):
        value = closed.brock_mirman_value(capital, levels, transition, 0.36, 0.95)
        for z in range(2):
            saved_capital = closed.brock_mirman_savings(capital, levels[z], 0.36, 0.95)
            consumption = closed.brock_mirman_consumption(capital, levels[z], 0.36, 0.95)
            gross_return, _ = closed.brock_mirman_prices(saved_capital, levels, 0.36)
            next_consumption = closed.brock_mirman_consumption(saved_capital, levels, 0.36, 0.95)
            assert 1 / consumption == pytest.approx(0.95 * transition[z] @ (gross_return / next_consumption), rel=1e-13)
            continuation = transition[z] @ closed.brock_mirman_value(saved_capital, levels, transition, 0.36, 0.95)
            assert value[z] == pytest.approx(np.log(consumption) + 0.95 * continuation, rel=1e-13)


def test_brock_mirman_households_aggregate_and_each_solves_its_euler_equation():
    levels, transition, capital = np.array([0.95, 1.05]), np.array([0.8, 0.2]), 0.2
    next_aggregate = closed.brock_mirman_savings(capital, levels[0], 0.36, 0.95)
    for assets in (0.0, 0.2, 1.5):
        savings, consumption = closed.brock_mirman_household(assets, capital, levels[0], 0.36, 0.95)
        _, next_consumption = closed.brock_mirman_household(savings, next_aggregate, levels, 0.36, 0.95)
        gross_return, _ = closed.brock_mirman_prices(next_aggregate, levels, 0.36)
        assert 1 / consumption == pytest.approx(0.95 * transition @ (gross_return / next_consumption), rel=1e-13)
    grid = np.linspace(0, 2, 41)
    mass = np.exp(-(((grid - 0.2) / 0.1) ** 2))[:, None]
    mass /= mass.sum()
    average = (grid @ mass).item()
    chosen = np.minimum(closed.brock_mirman_household(grid[:, None], average, 1.05, 0.36, 0.95)[0], grid[-1])
    moved = household.push_forward(mass, chosen, grid, np.ones((1, 1)))
    assert (grid @ moved).item() == pytest.approx(closed.brock_mirman_savings(average, 1.05, 0.36, 0.95), rel=1e-13)


def test_brock_mirman_moments_agree_with_a_long_path():
    levels, stay = np.array([0.9, 1.1]), 0.8
    switches = np.random.default_rng(3).random(400_000) > stay
    shocks = np.cumsum(switches) % 2
    impulses = np.log(0.36 * 0.95) + np.log(levels)[shocks]
    logs = np.convolve(impulses, 0.36 ** np.arange(40), mode="valid")
    mean, spread = closed.brock_mirman_moments(levels, stay, 0.36, 0.95)
    assert logs.mean() == pytest.approx(mean, abs=0.002)
    assert logs.std() == pytest.approx(spread, rel=0.01)


@pytest.mark.parametrize("risk_aversion", [1.0, 2.0, 5.0])
def test_endogenous_grid_is_exact_for_permanent_income(risk_aversion):
    """At beta R = 1 without risk savings equal assets; the policy is linear, so interpolation adds no error."""
    income = np.array([0.7])
    savings = household.stationary_savings(GRID, 1 / 0.95 - 1, income, np.ones((1, 1)), 0.95, risk_aversion)
    consumption = GRID / 0.95 + 0.7 - savings[:, 0]
    exact = closed.permanent_income_consumption(GRID, 0.7, 1 / 0.95, 0.95, risk_aversion)
    np.testing.assert_allclose(consumption, exact, atol=1e-10)


def test_endogenous_grid_is_exact_for_eating_a_cake_in_finite_time():
    rate, periods = 0.03, 7
    path = household.savings_path(
        GRID, np.full(periods, rate), np.full((periods, 1), 1e-300), np.ones((1, 1)), 0.95, 2.0, np.zeros((14, 1))
    )
    for t in range(periods):
        share = closed.consumption_share(1.03, 0.95, 2.0, periods - t)
        np.testing.assert_allclose(path[t, :, 0], (1 - share) * 1.03 * GRID, atol=1e-12)


@pytest.mark.parametrize("risk_aversion", [1.0, 2.0])
def test_permanent_income_value_is_the_sum_of_utilities(risk_aversion):
    gross_return, discount_factor, assets, total = 1.04, 0.95, 2.0, 0.0
    exact = closed.permanent_income_value(assets, 0.7, gross_return, discount_factor, risk_aversion)
    for t in range(900):
        consumption = closed.permanent_income_consumption(assets, 0.7, gross_return, discount_factor, risk_aversion)
        total += discount_factor**t * household.utility(consumption, risk_aversion)
        assets = gross_return * assets + 0.7 - consumption
    assert total == pytest.approx(exact, rel=1e-10)
    with pytest.raises(ValueError, match="must be below one"):
        closed.consumption_share(1.2, 0.99, 0.2)


def test_two_period_savings_agree_with_brute_force():
    cash, income_next, gross_return = 3.0, (0.3, 1.0), 1.04
    exact = closed.two_period_savings(cash, income_next, gross_return, 0.95)
    grid = np.linspace(0, 3, 3001)
    path = np.stack([np.full((3001, 2), cash), gross_return * grid[:, None] + np.array(income_next)])
    _, savings = household.backward_induction(grid, path, np.full((2, 2), 0.5), 0.95, 1.0, np.zeros((3001, 2)))
    assert savings[0, 0, 0] == pytest.approx(exact, abs=1e-3)
    marginal = 0.5 * sum(1 / (gross_return * exact + income) for income in income_next)
    assert 1 / (cash - exact) == pytest.approx(0.95 * gross_return * marginal, rel=1e-12)


def test_autarky_return_is_where_the_first_household_starts_to_save():
    grid = 2.0 * np.linspace(0, 1, 200) ** 3
    gross_return = closed.autarky_gross_return(INCOME, CHAIN, 0.95, 2.0)
    below = household.stationary_savings(grid, gross_return - 1.001, INCOME, CHAIN, 0.95, 2.0)
    above = household.stationary_savings(grid, gross_return - 0.999, INCOME, CHAIN, 0.95, 2.0)
    np.testing.assert_array_equal(below[0], 0)
    assert above[0, 1] > 0


def test_two_state_moments_agree_with_the_chain():
    mean, spread, correlation = closed.two_state_moments(INCOME, 0.3, 0.1)
    mass = np.linalg.matrix_power(CHAIN, 500)[0]
    assert mean == pytest.approx(mass @ INCOME)
    assert spread**2 == pytest.approx(mass @ (INCOME - mean) ** 2)
    assert correlation == pytest.approx((mass * (INCOME - mean)) @ CHAIN @ (INCOME - mean) / spread**2)


def test_stationary_capital_pays_the_rate_of_time_preference():
    capital = closed.stationary_capital(0.99, 0.36, 0.025)
    assert 1 + 0.36 * capital**-0.64 - 0.025 == pytest.approx(1 / 0.99, rel=1e-14)


def test_consumption_equivalent_inverts_the_gain():
    for risk_aversion in (1.0, 2.0):
        value = household.utility(1.0, risk_aversion) / 0.05
        better = household.utility(1.02, risk_aversion) / 0.05
        share = household.consumption_equivalent(better - value, 0.95, risk_aversion, value)
        assert share == pytest.approx(0.02, rel=1e-10)
