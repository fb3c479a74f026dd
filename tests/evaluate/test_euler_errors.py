"""Euler errors against loops, at a policy that is right, and at policies that are wrong by a known amount."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from hank_mfg.evaluate.euler_errors import euler_consumption, euler_errors
from hank_mfg.evaluate.individuals import choose_at

BRIEF = {"periods": 40, "burn": 20}


@eqx.filter_jit
def midpoints(play, state, slip):
    """At one date and between the nodes: consumption, savings, and what the Euler equation implies for consumption.

    With a `slip` everybody consumes more than planned at this date only, by that share.
    """
    economy, now = play.economy, play.decide(state)
    lower, upper = economy.bounds(now.cash, now.public)
    unconstrained_consumption = (1.0 + slip) * now.unconstrained_consumption
    now = now._replace(
        unconstrained_consumption=unconstrained_consumption,
        savings=jnp.clip(now.cash - unconstrained_consumption, lower, upper),
    )
    points = economy.grid.points
    between = jnp.broadcast_to((0.5 * (points[1:] + points[:-1]))[:, None], (len(points) - 1, economy.shape[1]))
    _, consumption, savings = choose_at(economy, now, between)
    planned = play.decide(state)
    ahead = play.look_ahead(play.act(planned, state.aggregate.shock))
    step = play.act(now, state.aggregate.shock)
    return consumption, savings, euler_consumption(economy, step, ahead, savings), now, ahead


@pytest.mark.slow
def test_the_implied_consumption_is_that_of_plain_loops(trained, float64):
    """c = (beta sum P(z', e' | z, e) (1 + r') / c'(a', e', z'))^-1, each c' read between nodes by numpy.interp."""
    play = trained.play()
    economy, state = play.economy, trained.start(play)
    _, savings, implied, _, ahead = midpoints(play, state, jnp.zeros(()))
    points, shock = np.asarray(economy.grid.points), int(state.aggregate.shock)
    transition, own = np.asarray(economy.shock_transition), np.asarray(economy.income_transition)
    for place in range(0, len(points) - 1, 7):
        for income in range(2):
            expected = 0.0
            for shock_next in range(2):
                rate = float(ahead.public.prices.interest_rate[shock_next])
                for income_next in range(2):
                    at = float(savings[place, income])
                    cash, unconstrained_consumption = (
                        np.interp(at, points, np.asarray(x)[shock_next, :, income_next])
                        for x in (ahead.cash, ahead.unconstrained_consumption)
                    )
                    probability = transition[shock, shock_next] * own[shock, shock_next, income, income_next]
                    expected += probability * (1.0 + rate) / min(unconstrained_consumption, cash)
            assert float(implied[place, income]) == pytest.approx(1.0 / (0.99 * expected), rel=1e-10)


def weighted(state, error, free):
    mass = np.asarray(state.aggregate.mass)
    weight = np.where(free, 0.5 * (mass[1:] + mass[:-1]), 0.0)
    return (weight * error).sum() / weight.sum()


@pytest.mark.slow
def test_at_the_stationary_policy_errors_are_tiny_and_fall_with_the_grid(at_rest, float64):
    """Guards docs/accuracy.md, 'one-step Euler error, mean': near zero where the policy is optimal."""
    errors = []
    for points in (60, 120):
        play = at_rest.play(points)
        state = at_rest.start(play)
        consumption, savings, implied = map(np.asarray, midpoints(play, state, jnp.zeros(()))[:3])
        errors.append(weighted(state, np.abs(implied / consumption - 1.0), savings > 0.0))
    assert errors[1] < 5e-5
    assert errors[0] > 2.0 * errors[1]


def test_one_percent_too_much_today_is_an_error_of_one_percent(at_rest, float64):
    """The error is 1 - 1/1.01, and a little more: with lower savings tomorrow's consumption falls too."""
    play = at_rest.play(120)
    state = at_rest.start(play)
    consumption, savings, implied = map(np.asarray, midpoints(play, state, jnp.asarray(0.01))[:3])
    error, free = 1.0 - implied / consumption, savings > 0.0
    assert np.all(error[free] > 1.0 - 1.0 / 1.01 - 1e-4)
    assert weighted(state, error, free) == pytest.approx(0.0103, abs=0.0003)


@pytest.fixture(scope="module")
def measured(at_rest):
    return euler_errors(at_rest, **BRIEF)


def test_the_whole_measure_at_the_stationary_policy(measured, at_rest):
    """Small where the policy is optimal, with the stationary `constrained_share`."""
    assert measured.mean < 2e-4 and measured.dynamic_mean < 1e-4
    assert measured.mean <= measured.maximum < 1e-2 and measured.dynamic_mean <= measured.dynamic_maximum
    steady = at_rest.steady
    assert measured.constrained_share == pytest.approx(float(steady.mass[steady.savings <= 0.0].sum()), abs=2e-4)
    assert (measured.periods, measured.asset_points) == (40, 120)


@pytest.mark.slow
def test_one_percent_too_much_at_every_date_is_found_out(measured, at_rest):
    """The Euler equation compares two dates that are wrong alike, so that it shows a part of the one percent only."""
    bias = jnp.asarray(np.full(at_rest.policy.head.linear.bias.shape, np.log(1.01)))
    wrong = dataclasses.replace(at_rest, policy=eqx.tree_at(lambda p: p.head.linear.bias, at_rest.policy, bias))
    errors = euler_errors(wrong, **BRIEF)
    assert 20 * measured.mean < errors.mean < 0.01
    assert errors.dynamic_mean > 20 * measured.dynamic_mean
