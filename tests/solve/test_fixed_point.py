"""Fixed points: against linear algebra, and where acceleration must not lead astray."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hank_mfg.solve.stationary.fixed_point import fixed_point, solve_contraction

pytestmark = pytest.mark.usefixtures("float64")


def contraction(size=40, radius=0.99, seed=0):
    """A random matrix with eigenvalues spread over (0, radius)."""
    draws = np.random.default_rng(seed)
    basis = np.linalg.qr(draws.normal(size=(size, size)))[0]
    return jnp.asarray(basis @ np.diag(np.linspace(0.0, radius, size)) @ basis.T)


def test_a_linear_fixed_point_is_the_linear_solve_in_far_fewer_steps_than_iteration_takes():
    matrix, right = contraction(), jnp.arange(40.0)
    found = fixed_point(lambda x: matrix @ x + right, jnp.zeros(40), tolerance=1e-11, max_iterations=2000)
    exact = np.linalg.solve(np.eye(40) - matrix, right)
    np.testing.assert_allclose(found.point, exact, atol=1e-8 * np.abs(exact).max())
    assert float(found.change) <= 1e-11
    plain = np.log(1e-11 / 40) / np.log(0.99)
    assert int(found.iterations) < plain / 8


def test_a_kinked_map_still_converges():
    """x -> max(x/2 + shift, limit): the memory spans a kink."""
    shift, limit = jnp.linspace(-1.0, 1.0, 30), 0.3
    found = fixed_point(
        lambda x: jnp.maximum(0.5 * x + shift, limit), jnp.full(30, 50.0), tolerance=1e-13, max_iterations=500
    )
    np.testing.assert_allclose(found.point, np.maximum(2.0 * shift, limit), atol=1e-12)


@pytest.mark.slow
def test_the_change_says_when_there_was_none():
    """Guards `fixed_point`: stops at `max_iterations` or at NaN, and `change` says which."""
    ended = fixed_point(lambda x: x + 1.0, jnp.zeros(3), tolerance=1e-9, max_iterations=7)
    assert int(ended.iterations) == 7 and float(ended.change) > 1e-9
    broken = fixed_point(lambda x: jnp.log(x - 5.0), jnp.ones((2, 2)), tolerance=1e-9, max_iterations=100)
    assert np.isnan(broken.change) and int(broken.iterations) < 100


@pytest.mark.slow
def test_members_of_a_batch_end_where_each_would_alone():
    """Guards `fixed_point` under `jax.vmap`: each member of a batch ends where it would alone."""
    scales = jnp.asarray([0.1, 0.7, 0.95])

    def alone(scale):
        return fixed_point(lambda x: scale * jnp.cos(x), jnp.ones(4), tolerance=1e-13, max_iterations=500).point

    np.testing.assert_allclose(jax.vmap(alone)(scales), jnp.stack([alone(s) for s in scales]), atol=1e-12)


def test_a_memory_longer_than_the_problem_is_exact():
    """Four eigenvalues: GMRES with five differences ends in a handful of steps."""
    slopes = jnp.asarray([0.99, 0.95, -0.8, 0.3])
    found = fixed_point(lambda x: slopes * x + 1.0, jnp.zeros(4), tolerance=1e-12, max_iterations=100)
    np.testing.assert_allclose(found.point, 1.0 / (1.0 - slopes), rtol=1e-9)
    assert int(found.iterations) < 12


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e6])
def test_the_tolerance_of_a_contraction_is_relative_to_the_right_hand_side(scale):
    matrix, right = contraction(seed=1), scale * jnp.ones(40)
    exact = np.linalg.solve(np.eye(40) - matrix, right)
    np.testing.assert_allclose(solve_contraction(lambda y: matrix @ y, right), exact, rtol=1e-9)
    assert not np.any(solve_contraction(lambda y: matrix @ y, jnp.zeros(40)))
