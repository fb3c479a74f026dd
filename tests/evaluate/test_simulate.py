"""Simulation: accounts, an independent step, and rest where nothing happens."""

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_household as household

import hank_mfg as hm
from hank_mfg.environment.economy import Aggregate
from hank_mfg.evaluate.simulate import block_length
from hank_mfg.solve.play.rollout import State, rollout

PERIODS = 300


@pytest.fixture(scope="module")
def simulation(trained):
    return hm.simulate(trained, periods=PERIODS, burn=50, seed=3)


def test_goods_are_neither_made_nor_lost(simulation):
    """Walras: nothing in the solver imposes that consumption and investment add up to output."""
    assert np.abs(simulation.goods_market).max() < 1e-10
    series = simulation.series
    np.testing.assert_allclose(series["capital"][1:], series["savings"][:-1], rtol=1e-12)
    spent = series["consumption"] + series["savings"] - 0.975 * series["capital"]
    np.testing.assert_allclose(spent, series["output"], rtol=1e-10)


def test_the_population_keeps_its_mass(simulation, trained):
    assert np.asarray(simulation.end.aggregate.mass).sum() == pytest.approx(1.0, abs=1e-12)
    assert simulation.mass.sum() == pytest.approx(1.0, abs=1e-12) and simulation.mass.min() >= 0.0
    assert simulation.assets.shape == (2 * trained.settings.asset_points,)
    assert simulation.top_of_grid.shape == (PERIODS,) == (simulation.periods,)
    assert simulation.top_of_grid.max() < 1e-6


def test_series_follow_the_equations_of_the_model(simulation):
    series, shock = simulation.series, simulation.shock
    np.testing.assert_array_equal(series["productivity"], np.array([0.99, 1.01])[shock])
    # Krusell and Smith's chain gives unemployment of 10 and 4 percent whatever the history
    np.testing.assert_allclose(series["unemployment"], np.array([0.10, 0.04])[shock], atol=1e-4)
    np.testing.assert_allclose(series["labor"], (1.0 - series["unemployment"]) / 0.9, rtol=1e-10)
    firm = hm.CobbDouglas(0.36, 0.025)
    factors = (series["capital"], series["labor"], series["productivity"])
    np.testing.assert_allclose(series["output"], firm.output(*factors), rtol=1e-12)
    np.testing.assert_allclose(series["interest_rate"], firm.interest_rate(*factors), rtol=1e-10)
    np.testing.assert_allclose(series["wage"], firm.wage(*factors), rtol=1e-12)


def test_the_seed_alone_decides(simulation, trained):
    again = hm.simulate(trained, periods=PERIODS, burn=50, seed=3)
    np.testing.assert_array_equal(again.series["capital"], simulation.series["capital"])
    other = hm.simulate(trained, periods=PERIODS, burn=50, seed=4)
    assert not np.array_equal(other.shock, simulation.shock)


@pytest.mark.slow
def test_one_period_is_that_of_plain_loops(trained, float64):
    """Guards docs/how_it_works.md: the histogram moves exactly, by the lottery and the income chain."""
    play = trained.play()
    economy, state = play.economy, trained.start(play)
    now = eqx.filter_jit(lambda play, state: play.decide(state))(play, state)
    for shock_next in (0, 1):
        following = economy.advance(state.aggregate, now.savings, shock_next)
        chain = np.asarray(economy.income_transition[int(state.aggregate.shock), shock_next])
        points, savings = np.asarray(economy.grid.points), np.asarray(now.savings)
        expected = household.push_forward(np.asarray(state.aggregate.mass), savings, points, chain)
        np.testing.assert_allclose(following.mass, expected, atol=1e-15)
        assert int(following.shock) == shock_next


def test_without_shocks_the_stationary_equilibrium_stays_where_it_is(at_rest, float64):
    """On its own grid the stationary mass is a fixed point, whichever of two equal aggregate states is drawn."""
    steady = at_rest.steady
    play = at_rest.play(steady.economy.grid.size)
    memory = play.policy.initial_memory()
    start = State(Aggregate(jnp.asarray(steady.mass), jnp.asarray(0, jnp.int32)), memory)
    shocks = jnp.asarray(np.random.default_rng(0).integers(0, 2, 200), jnp.int32)

    def record(step):
        return step.now.public.aggregates.capital, jnp.sum(step.now.state.aggregate.mass)

    last, (capital, mass) = eqx.filter_jit(rollout)(play, start, shocks, record)
    np.testing.assert_allclose(capital, float(steady.aggregates.capital), rtol=1e-8)
    np.testing.assert_allclose(mass, 1.0, atol=1e-12)
    np.testing.assert_allclose(last.aggregate.mass, steady.mass, atol=1e-9)


@pytest.mark.parametrize(("periods", "length"), [(10_000, 100), (300, 100), (150, 75), (101, 1), (7, 7)])
def test_periods_are_handled_in_equal_blocks(periods, length):
    assert block_length(periods) == length


def test_the_callers_precision_is_left_alone(simulation):
    assert simulation.series["capital"].dtype == np.float64
    assert not jax.config.read("jax_enable_x64")
