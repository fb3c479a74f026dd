"""Likelihoods of moving averages against a Kalman filter, normal densities and closed forms; no economy is solved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import toeplitz
from scipy.stats import multivariate_normal

from hank_mfg.estimate.likelihood.gaussian import (
    autocovariances,
    contributions,
    forecast,
    log_likelihood,
    log_normal,
    smoothed,
)

ALPHA, BETA, RHO, SD, ERRORS = 0.36, 0.96, 0.9, 0.7, (0.3, 0.2)


def growth_model(periods: int) -> np.ndarray:
    """Log output and log consumption of the stochastic growth model with log utility and full depreciation after a
    productivity shock, (1, periods, 2): k' = alpha beta exp(z) k^alpha, c = (1 - alpha beta) exp(z) k^alpha, so that
    logs are linear exactly. Source: Brock and Mirman (1972)."""
    z, k, rows = SD, 0.0, []
    for _ in range(periods):
        output = z + ALPHA * k
        rows.append((output, output))
        k, z = output, RHO * z
    return np.array(rows)[None]


def kalman(sample: np.ndarray) -> float:
    """The log likelihood of log output and log consumption by a Kalman filter on the state (k, z)."""
    move, observe = np.array([[ALPHA, 1.0], [0.0, RHO]]), np.array([[ALPHA, 1.0], [ALPHA, 1.0]])
    news, noise = np.diag([0.0, SD**2]), np.diag(np.square(ERRORS))
    mean = np.zeros(2)
    size = np.linalg.solve(np.eye(4) - np.kron(move, move), news.reshape(-1)).reshape(2, 2)
    total = 0.0
    for row in sample:
        there = np.isfinite(row)
        if there.any():
            h, r = observe[there], noise[np.ix_(there, there)]
            spread = h @ size @ h.T + r
            total += multivariate_normal.logpdf(row[there], h @ mean, spread)
            gain = size @ h.T @ np.linalg.inv(spread)
            mean, size = mean + gain @ (row[there] - h @ mean), size - gain @ h @ size
        mean, size = move @ mean, move @ size @ move.T + news
    return total


@pytest.mark.parametrize("missing", [False, True])
def test_the_likelihood_is_that_of_a_kalman_filter(float64, missing):
    """The growth model in closed form, 200 periods, with measurement errors and with values missing."""
    sample = np.random.default_rng(0).normal(size=(200, 2)).cumsum(axis=0) * 0.1
    if missing:
        sample[[3, 4, 5], 0] = sample[50] = np.nan
    kept = np.flatnonzero(np.isfinite(sample.reshape(-1)))
    coefficients = jnp.asarray(growth_model(600))
    ours = log_likelihood(
        coefficients, jnp.asarray(ERRORS) ** 2, jnp.asarray(sample.reshape(-1)[kept]), kept, len(sample)
    )
    assert float(ours) == pytest.approx(kalman(sample), abs=1e-8)


def test_autocovariances_are_those_of_an_arma_process(float64):
    """x = a x(-1) + e + b e(-1): variance (1 + 2 a b + b^2) / (1 - a^2), and the rest; zeros beyond the horizon."""
    a, b = 0.8, 0.4
    path = np.concatenate([[1.0], (a + b) * a ** np.arange(400)])
    found = np.asarray(autocovariances(jnp.asarray(path)[None, :, None], 4))[:, 0, 0]
    variance = (1 + 2 * a * b + b**2) / (1 - a**2)
    first = a * variance + b
    assert found == pytest.approx([variance, first, a * first, a**2 * first], rel=1e-12)
    short = np.asarray(autocovariances(jnp.asarray([1.0, 0.5])[None, :, None], 5))[:, 0, 0]
    assert short == pytest.approx([1.25, 0.5, 0.0, 0.0, 0.0], abs=1e-15)


def test_the_derivative_of_a_normal_density(float64):
    """In the covariance and in the sample, against differences; minus infinity where nothing is positive definite."""
    covariance = jnp.asarray(toeplitz(0.7 ** np.arange(6)) + 0.1 * np.eye(6))
    sample = jnp.asarray(np.random.default_rng(1).normal(size=6))
    direction = np.random.default_rng(2).normal(size=(6, 6))
    direction = jnp.asarray(direction + direction.T)

    def along(x):
        return log_normal(covariance + x * direction, sample)

    assert float(along(0.0)) == pytest.approx(multivariate_normal.logpdf(sample, cov=covariance), abs=1e-10)
    numeric = (along(1e-6) - along(-1e-6)) / 2e-6
    assert float(jax.grad(along)(0.0)) == pytest.approx(float(numeric), rel=1e-7)
    in_sample = jax.grad(lambda y: log_normal(covariance, y))(sample)
    assert np.asarray(in_sample) == pytest.approx(-np.linalg.solve(covariance, sample), rel=1e-10)
    assert float(log_normal(-covariance, sample)) == -np.inf


@pytest.fixture(scope="module")
def process():
    """Two shocks, two observables, short memory, and a sample of the process itself."""
    generator = np.random.default_rng(3)
    coefficients = generator.normal(size=(2, 40, 2)) * 0.8 ** np.arange(40)[None, :, None]
    news = generator.normal(size=(140, 2))
    sample = sum(news[40 - j : 140 - j] @ coefficients[:, j] for j in range(40))
    return coefficients, sample


def test_smoothed_innovations_add_up_to_the_data(float64, process):
    """Without measurement errors, innovations before the sample included; a shorter memory leaves something over."""
    coefficients, sample = (jnp.asarray(each) for each in process)
    given = (coefficients, jnp.zeros(2), sample.reshape(-1), np.arange(200), 100)
    whole = contributions(coefficients, smoothed(*given, 39), 100)
    assert np.asarray(whole.sum(axis=0)) == pytest.approx(np.asarray(sample), abs=1e-9)
    inside = contributions(coefficients, smoothed(*given, 0), 100)
    assert np.abs(np.asarray(inside.sum(axis=0) - sample))[:5].max() > 0.1


def test_a_forecast_is_the_conditional_normal_distribution(float64, process):
    """Mean and covariance from the joint normal distribution of sample and future, with NumPy alone."""
    coefficients, sample = process
    noise, ahead, count = np.array([0.1, 0.2]), 3, 100
    gamma = np.zeros((2 * (count + ahead), 2 * (count + ahead)))
    for t in range(count + ahead):
        for s in range(max(0, t - 39), t + 1):
            lag = t - s
            block = np.einsum("zja,zjb->ab", coefficients[:, lag:], coefficients[:, : 40 - lag])
            gamma[2 * t : 2 * t + 2, 2 * s : 2 * s + 2] = block
            gamma[2 * s : 2 * s + 2, 2 * t : 2 * t + 2] = block.T
    gamma += np.diag(np.tile(noise, count + ahead))
    gain = gamma[200:, :200] @ np.linalg.inv(gamma[:200, :200])
    found = forecast(
        jnp.asarray(coefficients), jnp.asarray(noise), jnp.asarray(sample.reshape(-1)), np.arange(200), count, ahead
    )
    assert np.asarray(found[0]).reshape(-1) == pytest.approx(gain @ sample.reshape(-1), abs=1e-8)
    assert np.asarray(found[1]) == pytest.approx(gamma[200:, 200:] - gain @ gamma[:200, 200:], abs=1e-8)
