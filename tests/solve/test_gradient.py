"""The structural gradient against automatic differentiation through the mass, and against loops."""

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_household as household

from hank_mfg.solve.gradient.euler import first_order, structural_gradient
from hank_mfg.solve.play.lifetime import Frozen, path_value

pytestmark = pytest.mark.usefixtures("float64")


def terminal_value(detour):
    """Values at the end of the path whose slope is the critic F_1, up to the width of an interval (trapezoids)."""
    economy, last = detour.play.economy, detour.last
    marginal, _, _ = economy.marginal_rewards(last.savings, last.public)
    steps = jnp.diff(economy.grid.points)[:, None] * 0.5 * (marginal[1:] + marginal[:-1])
    return jnp.concatenate([jnp.zeros((1, economy.shape[1])), jnp.cumsum(steps, axis=0)])


def objective(shift, detour, terminal):
    """E sum beta^t <m_t, u> + beta^T <m_T, V_T> when savings move by `shift`: the mass moves, prices are taken."""
    economy, steps = detour.play.economy, detour.steps

    def period(carry, inputs):
        aggregate, discount = carry
        move, savings, shock_next = inputs
        public = jax.lax.stop_gradient(economy.public(aggregate))
        flow = jnp.sum(aggregate.mass * economy.reward(savings + move, public))
        following = economy.advance(aggregate, savings + move, shock_next)
        return (following, discount * economy.model.discount_factor), discount * flow

    first = (detour.start.aggregate, jnp.ones(()))
    (last, discount), flows = jax.lax.scan(period, first, (shift, steps.now.savings, steps.shock_next))
    return flows.sum() + discount * jnp.sum(last.mass * terminal)


def value(shift, detour, terminal):
    """The same by the backward recursion of values, weighted by the initial mass."""
    path = Frozen(detour.steps.now, None, detour.steps.shock_next)
    values = path_value(detour.play.economy, path, detour.steps.now.savings + shift, terminal)
    return jnp.sum(detour.start.aggregate.mass * values)


@eqx.filter_jit
def three_ways(detour):
    """The objective and its gradient, forward and backward, and the library's gradient per unit of mass."""
    terminal = terminal_value(detour)
    still = jnp.zeros_like(detour.steps.now.savings)
    forward = jax.value_and_grad(objective)(still, detour, terminal)
    backward = jax.value_and_grad(value)(still, detour, terminal)
    economy = detour.play.economy
    conditions = jax.vmap(lambda step, ahead: first_order(economy, step, ahead))(detour.steps, detour.ahead)
    return (
        forward,
        backward,
        [structural_gradient(economy, conditions, td_lambda) for td_lambda in (0.0, 1.0)],
        conditions,
    )


@pytest.fixture(scope="module")
def measured(detour):
    with jax.enable_x64(True):
        return {points: (detour(points), three_ways(detour(points))) for points in (60, 120)}


def as_arrays(detour):
    """The path in the terms of the reference: grid, cash, chains, discount factor, risk aversion, savings, mass."""
    economy, now, shocks_next = detour.play.economy, detour.steps.now, detour.steps.shock_next
    chains = economy.income_transition[now.state.aggregate.shock, shocks_next]
    patience = float(economy.model.discount_factor)
    parts = (economy.grid.points, now.cash, chains, patience, 1.0, now.savings, detour.start.aggregate.mass)
    return [part if isinstance(part, float) else np.asarray(part) for part in parts]


@pytest.mark.slow
def test_forward_through_the_mass_and_backward_through_values_are_the_same(measured):
    """Guards docs/how_it_works.md, 'The gradient': derivatives through mass and through values are equal."""
    for _, ways in measured.values():
        (forward, gradient), (backward, gradient_backward) = ways[:2]
        assert float(forward) == pytest.approx(float(backward), abs=1e-12)
        np.testing.assert_allclose(gradient, gradient_backward, atol=1e-12)
        assert np.abs(gradient).max() > 1e-3


@pytest.mark.slow
def test_automatic_differentiation_gives_the_closed_form_computed_by_loops(measured):
    """Guards docs/how_it_works.md, 'The gradient': dJ/dx in closed form is automatic differentiation's."""
    detour, ((forward, gradient), *_) = measured[60]
    arrays, terminal = as_arrays(detour), np.asarray(terminal_value(detour))
    np.testing.assert_allclose(gradient, household.price_taking_gradient(*arrays, terminal), atol=1e-12)
    assert float(forward) == pytest.approx(household.policy_value_forward(*arrays, terminal), rel=1e-12)
    values = household.policy_value_backward(*arrays[:-1], terminal)
    assert float(forward) == pytest.approx(float((arrays[-1] * values[0]).sum()), rel=1e-12)


def distance(detour, gradient, structural):
    """How far the structural gradient is from the derivative, relative to its size; both per unit of u' and mass."""
    now = detour.steps.now
    mass, marginal = np.asarray(now.state.aggregate.mass), np.asarray(1.0 / (now.cash - now.savings))
    discount = float(detour.play.economy.model.discount_factor) ** np.arange(len(mass))[:, None, None]
    derivative = np.asarray(gradient) / discount
    gap = np.abs(derivative - mass * np.asarray(structural)) / marginal
    return gap.sum() / (np.abs(derivative) / marginal).sum()


@pytest.mark.slow
def test_the_structural_gradient_is_the_derivative_up_to_the_width_of_the_grid(measured):
    """Values are linear between nodes, the costate is read at the choice: a difference of first order or better."""
    gaps = {points: distance(d, ways[0][1], ways[2][1]) for points, (d, ways) in measured.items()}
    assert gaps[120] < 0.15
    assert gaps[60] > 2.0 * gaps[120]


@pytest.mark.slow
def test_without_the_trace_the_gradient_sees_one_period_only(measured):
    """Errors further ahead matter on this path: leaving them out does not vanish with the grid."""
    gaps = {points: distance(d, ways[0][1], ways[2][0]) for points, (d, ways) in measured.items()}
    assert min(gaps.values()) > 0.5
    for _, ways in measured.values():
        np.testing.assert_array_equal(ways[2][0], ways[3].residual)
        np.testing.assert_array_equal(ways[2][0][-1], ways[2][1][-1])  # nothing lies beyond the last period


@eqx.filter_jit
def at_one_date(play, state):
    """The decision, and the gradient when the same date comes again and again."""
    now = play.decide(state)
    step = play.act(now, state.aggregate.shock)
    condition = first_order(play.economy, step, play.look_ahead(step))
    repeated = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (50, *leaf.shape)), condition)
    return now, condition.residual, structural_gradient(play.economy, repeated, 1.0)[0]


def test_the_gradient_vanishes_at_the_stationary_equilibrium(at_rest):
    """Without aggregate risk the endogenous grid method solves everybody's problem; what is left is the grid."""
    errors = []
    for points in (60, 120):
        play = at_rest.play(points)
        now, residual, gradient = jax.tree.map(np.asarray, at_one_date(play, at_rest.start(play)))
        mass, consumption = now.state.aggregate.mass, now.cash - now.savings
        free = (now.cash - now.unconstrained_consumption > 0.0) & (now.savings < play.economy.grid.upper)
        errors.append([(mass * np.abs(x) * consumption)[free].sum() for x in (residual, gradient)])
        assert 0.0 < mass[~free].sum() < 0.01
        assert np.all(gradient[~free & (now.savings <= 0.0)] < 0.0)  # the limit binds: they would rather borrow
    (residual, gradient), (residual_fine, gradient_fine) = errors
    assert residual_fine < 1e-4 and gradient_fine < 1e-3
    assert residual > 2.5 * residual_fine and gradient > 2.5 * gradient_fine
