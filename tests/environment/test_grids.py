"""Grids and interpolation against NumPy and SciPy."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.interpolate

import hank_mfg as hm
from hank_mfg.environment.grids import asset_grid, interpolate_rows, spline_matrix

SPACES = [
    hm.Assets(0.0, 250.0), hm.Assets(-5.0, 80.0), hm.Assets(0.0, 10.0, curvature=1.0), hm.Assets(-1.0, 1e4, 5.0),
    hm.Assets(-2.0, 200.0, pivot=0.25),
]  # fmt: skip


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_points_run_from_limit_to_top_and_gather_at_the_limit(float64, space):
    grid = asset_grid(space, 50, jnp.float64)
    points = np.asarray(grid.points)
    assert points[0] == space.lower and points[-1] == space.upper and grid.size == 50
    assert np.all(np.diff(points) > 0) and np.all(np.diff(points, 2) >= -1e-10)
    np.testing.assert_allclose(grid.coordinate(points), np.linspace(0, 1, 50), atol=1e-9)
    np.testing.assert_allclose(grid.coordinate(jnp.array([-1e6, 1e6])), [0.0, 1.0], atol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("space", "size"), [(SPACES[0], 1000), (SPACES[1], 200), (SPACES[2], 33), (SPACES[3], 40), (SPACES[4], 300)]
)
@hypothesis.given(st.integers(0, 2**32 - 1))
def test_brackets_agree_with_a_search(dtype, space, size, seed):
    """Guards `AssetGrid.bracket`: without a search, the lower neighbor that `numpy.searchsorted` finds."""
    with jax.enable_x64(True):
        grid = asset_grid(space, size, dtype)
        points = np.asarray(grid.points)
        draw = np.random.default_rng(seed)
        assets = draw.choice(points, 60) + draw.exponential(np.diff(points).mean(), 60) * draw.integers(-1, 2, 60)
        assets = np.concatenate([points, np.nextafter(points, -np.inf), np.nextafter(points, np.inf), assets])
        assets = assets.astype(dtype)
        expected = np.clip(np.searchsorted(points, assets, side="right") - 1, 0, size - 2)
        np.testing.assert_array_equal(grid.bracket(jnp.asarray(assets)), expected)


def test_too_few_or_coinciding_points_are_refused(refuses):
    refuses(lambda: asset_grid(SPACES[0], 9, jnp.float32), "asset_points = 9", "at least 10")
    crowded = hm.Assets(-5.0, 250.0, 4.0)
    refuses(lambda: asset_grid(crowded, 1000, jnp.float32), "asset_points = 1000", "coincide in float32", "float64")


@pytest.mark.parametrize("knots", [4, 24])
def test_the_spline_is_scipys_natural_cubic_spline(float64, knots):
    at = np.sort(np.random.default_rng(0).uniform(0, 1, knots - 2))
    at = np.concatenate([[0.0], at, [1.0]])
    points, values = np.linspace(0, 1, 101), np.random.default_rng(1).normal(size=(knots, 3))
    ours = spline_matrix(at, points) @ values
    theirs = scipy.interpolate.CubicSpline(at, values, bc_type="natural")(points)
    np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_the_spline_reproduces_lines_and_is_the_identity_at_its_knots():
    knots, points = np.linspace(0, 1, 8) ** 2, np.linspace(0, 1, 50)
    np.testing.assert_allclose(spline_matrix(knots, points) @ (2 * knots + 1), 2 * points + 1, atol=1e-12)
    np.testing.assert_allclose(spline_matrix(knots, knots), np.eye(8), atol=1e-12)


@hypothesis.given(st.integers(0, 2**32 - 1))
def test_rows_interpolate_as_numpy_does_and_extrapolate_in_a_line(seed):
    with jax.enable_x64(True):
        draw = np.random.default_rng(seed)
        at, values = np.sort(draw.uniform(0, 1, (9, 2)), axis=0), draw.normal(size=(9, 2))
        x = draw.uniform(-0.5, 1.5, (30, 2))
        found = np.asarray(interpolate_rows(jnp.asarray(x), jnp.asarray(at), jnp.asarray(values)))
        for column in range(2):
            line = scipy.interpolate.interp1d(at[:, column], values[:, column], fill_value="extrapolate")
            np.testing.assert_allclose(found[:, column], line(x[:, column]), rtol=1e-9, atol=1e-9)
