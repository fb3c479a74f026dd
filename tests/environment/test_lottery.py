"""Young's lottery: adjoint, conserving, unbiased, and differentiable in the choice."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hank_mfg.environment.grids import asset_grid
from hank_mfg.environment.life import Chain
from hank_mfg.environment.lottery import expect, lottery, push_forward, read, settle, slope
from hank_mfg.model.assets import Assets

ASSETS, INCOME = 40, 3
draws = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def make(draw, borrowing_limit=-2.0):
    """A grid, choices within it (some at its ends and nodes), a mass, values and an income chain, all random."""
    grid = asset_grid(Assets(borrowing_limit, 30.0), ASSETS, jnp.float64)
    choice = draw.uniform(borrowing_limit, 30.0, (ASSETS, INCOME))
    choice[0], choice[-1], choice[5] = borrowing_limit, 30.0, grid.points[7]
    mass = draw.dirichlet(np.ones(ASSETS * INCOME)).reshape(ASSETS, INCOME)
    chain = draw.dirichlet(np.ones(INCOME), size=INCOME)
    values = draw.normal(size=mass.shape)
    return grid, *(jnp.asarray(each) for each in (choice, mass, values)), Chain(jnp.asarray(chain))


@pytest.mark.slow
@hypothesis.given(draws)
def test_moving_the_mass_is_the_adjoint_of_expecting_values(draw):
    """Guards `push_forward`: <push_forward(m), v> = <m, expect(v)> to 1e-12, the adjoint of `expect`."""
    with jax.enable_x64(True):
        grid, choice, mass, values, chain = make(draw)
        young = lottery(choice, grid)
        moved = jnp.vdot(push_forward(mass, young, chain), values)
        expected = jnp.vdot(mass, expect(values, young, chain))
        assert abs(float(moved - expected)) < 1e-12
        assert abs(float(jnp.vdot(settle(mass, young), values) - jnp.vdot(mass, read(values, young)))) < 1e-12


@hypothesis.given(draws)
def test_mass_is_conserved_and_stays_a_probability(draw):
    with jax.enable_x64(True):
        grid, choice, mass, _, chain = make(draw)
        moved = push_forward(mass, lottery(choice, grid), chain)
        assert abs(float(moved.sum()) - 1.0) < 1e-13
        assert float(moved.min()) >= 0.0
        np.testing.assert_allclose(moved.sum(axis=0), mass.sum(axis=0) @ chain.income, atol=1e-14)


@hypothesis.given(draws)
def test_the_choice_is_the_mean_of_the_lottery(draw):
    with jax.enable_x64(True):
        grid, choice, mass, _, _ = make(draw)
        young = lottery(choice, grid)
        assert float(young.weight.min()) >= 0.0 and float(young.weight.max()) <= 1.0
        own_values = jnp.broadcast_to(grid.points[:, None], choice.shape)
        np.testing.assert_allclose(read(own_values, young), choice, atol=1e-12)
        mean = jnp.sum(settle(mass, young) * own_values)
        assert abs(float(mean - jnp.sum(mass * choice))) < 1e-11


@pytest.mark.slow
@hypothesis.given(draws)
def test_reading_values_is_differentiable_in_the_choice(draw):
    """Guards `lottery`: its weight is differentiable in the choice; `slope` is that derivative."""
    with jax.enable_x64(True):
        grid, _, _, values, _ = make(draw)
        middle = 0.5 * (grid.points[1:] + grid.points[:-1])
        choice = jnp.asarray(draw.permuted(np.tile(np.append(middle, 29.5)[:, None], (1, INCOME)), axis=0))
        step = 1e-6

        def at(choice):
            return read(values, lottery(choice, grid))

        derivative = jax.jvp(at, (choice,), (jnp.ones_like(choice),))[1]
        difference = (at(choice + step) - at(choice - step)) / (2 * step)
        np.testing.assert_allclose(derivative, difference, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(slope(values, lottery(choice, grid), grid), derivative, rtol=1e-9)


def test_staying_put_moves_nothing(float64):
    grid = asset_grid(Assets(0.0, 10.0), ASSETS, jnp.float64)
    mass = jnp.ones((ASSETS, INCOME)) / (ASSETS * INCOME)
    stay = jnp.broadcast_to(grid.points[:, None], mass.shape)
    np.testing.assert_array_equal(settle(mass, lottery(stay, grid)), mass)
