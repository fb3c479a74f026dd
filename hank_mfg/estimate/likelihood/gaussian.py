"""The Gaussian likelihood of a moving average, from its coefficients.

With y_t = sum_j M_j e_{t-j}, e of unit variance, and measurement errors of variance D, autocovariances are

    Gamma_l = sum_j M_{j+l} M_j' + [l = 0] D,

the sample, stacked, is normal with the block Toeplitz covariance of Gamma_{s-t} in block (s, t), and

    log L = -1/2 (n log 2 pi + log det Gamma + y' Gamma^-1 y),

by Cholesky's factors. What is missing is left out of y and Gamma, so that nothing is interpolated. The derivative in
Gamma is 1/2 (a a' - Gamma^-1) with a = Gamma^-1 y, from the same factors. Everything is in float64.

Source: Auclert, Bardoczy, Rognlie and Straub (2021), Econometrica 89(5), section 5.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

SMALL = 64  # rows of half a triangular matrix that is not divided further


def autocovariances(coefficients: Array, lags: int) -> Array:
    """Gamma_l = sum_j M_{j+l} M_j', (lags, observables, observables), of coefficients (shocks, time, observables).

    Coefficients beyond `time` are taken as zero. By the fast Fourier transform, on as many points as hold all
    products, so that nothing wraps around.
    """
    time = coefficients.shape[1]
    size = 1 << int(np.ceil(np.log2(time + min(lags, time))))
    waves = jnp.fft.rfft(coefficients, size, axis=1)
    spectrum = jnp.einsum("zwa,zwb->wab", waves, waves.conj())
    gamma = jnp.fft.irfft(spectrum, size, axis=0)[: min(lags, time)]
    return jnp.pad(gamma, ((0, max(lags - time, 0)), (0, 0), (0, 0)))


def stacked(gamma: Array, kept: np.ndarray) -> Array:
    """The covariance of the `kept` (n,) entries of a sample (time, observables), period by period: (n, n)."""
    observables = gamma.shape[-1]
    time, which = np.divmod(kept, observables)
    lag = np.subtract.outer(time, time)
    first, second = np.broadcast_arrays(which[:, None], which[None, :])
    later = lag >= 0  # Gamma_{-l} = Gamma_l'
    place = (np.abs(lag) * observables + np.where(later, first, second)) * observables + np.where(later, second, first)
    return gamma.reshape(-1)[place]


@jax.custom_vjp
def log_normal(covariance: Array, sample: Array) -> Array:
    """log N(sample; 0, covariance), minus infinity where the covariance is not positive definite."""
    return _log_normal(covariance, sample)[0]


def _log_normal(covariance: Array, sample: Array):
    factor = jnp.linalg.cholesky(covariance)
    scaled = jax.scipy.linalg.solve_triangular(factor, sample, lower=True)
    half = jnp.sum(jnp.log(jnp.diagonal(factor)))
    value = -0.5 * (len(sample) * np.log(2.0 * np.pi) + scaled @ scaled) - half
    return jnp.where(jnp.isfinite(value), value, -jnp.inf), (factor, scaled)


def _backward(kept, cotangent: Array):
    factor, scaled = kept
    inverse_factor = _inverse(factor)
    weighted = inverse_factor.T @ scaled
    slope = 0.5 * (jnp.outer(weighted, weighted) - _gram(inverse_factor))
    return cotangent * slope, -cotangent * weighted


log_normal.defvjp(_log_normal, _backward)


def _inverse(factor: Array) -> Array:
    """The inverse of a lower triangular matrix, by halves: a third of the operations of a solve with the identity."""
    half = len(factor) // 2
    if half < SMALL:
        return jax.scipy.linalg.solve_triangular(factor, jnp.eye(len(factor)), lower=True)
    first, last = _inverse(factor[:half, :half]), _inverse(factor[half:, half:])
    return jnp.block([[first, jnp.zeros((half, len(last)))], [-last @ (factor[half:, :half] @ first), last]])


def _gram(lower: Array) -> Array:
    """lower' lower of a lower triangular matrix, by halves: a third of the operations of a product."""
    half = len(lower) // 2
    if half < SMALL:
        return lower.T @ lower
    below, last = lower[half:, :half], lower[half:, half:]
    beside = below.T @ last
    return jnp.block([[_gram(lower[:half, :half]) + below.T @ below, beside], [beside.T, _gram(last)]])


@functools.partial(jax.jit, static_argnames="lags")
def _covariances(coefficients: Array, noise: Array, lags: int) -> Array:
    return autocovariances(coefficients, lags).at[0].add(jnp.diag(noise))


def log_likelihood(coefficients: Array, noise: Array, sample: Array, kept: np.ndarray, periods: int) -> Array:
    """The log likelihood of the `kept` entries of a sample, (n,), given moving-average coefficients (shocks, time,
    observables) and the variances of measurement errors (observables,)."""
    gamma = _covariances(coefficients, noise, periods)
    return log_normal(stacked(gamma, kept), sample)


def smoothed(
    coefficients: Array, noise: Array, sample: Array, kept: np.ndarray, periods: int, before: int = 0
) -> Array:
    """E[e_t | sample], the smoothed innovations of `before` periods and the sample, (before + periods, shocks), in
    standard deviations: Cov(e_t, y_s) = M_{s-t}' for s >= t."""
    weighted = _weighted(coefficients, noise, sample, kept, periods).reshape(periods, -1)
    lag = np.arange(periods)[None, :] - np.arange(-before, periods)[:, None]
    inside = (lag >= 0) & (lag < coefficients.shape[1])
    moved = jnp.where(inside[None, ..., None], coefficients[:, np.clip(lag, 0, coefficients.shape[1] - 1)], 0.0)
    return jnp.einsum("ztso,so->tz", moved, weighted)


def contributions(coefficients: Array, innovations: Array, periods: int) -> Array:
    """What every innovation adds to every observable, (shocks, periods, observables), given innovations
    (before + periods, shocks), of which the last `periods` are the sample's."""
    size = 1 << int(np.ceil(np.log2(coefficients.shape[1] + len(innovations))))
    waves = jnp.fft.rfft(coefficients, size, axis=1) * jnp.fft.rfft(innovations.T, size, axis=1)[..., None]
    return jnp.fft.irfft(waves, size, axis=1)[:, len(innovations) - periods : len(innovations)]


def forecast(
    coefficients: Array, noise: Array, sample: Array, kept: np.ndarray, periods: int, ahead: int
) -> tuple[Array, Array]:
    """The mean (ahead, observables) and the covariance (ahead x observables, the same) of the periods after a sample,
    measurement errors included."""
    count = coefficients.shape[-1]
    gamma = _covariances(coefficients, noise, periods + ahead)
    whole = stacked(gamma, np.arange((periods + ahead) * count))
    later = np.arange(periods * count, (periods + ahead) * count)
    factor = jnp.linalg.cholesky(whole[np.ix_(kept, kept)])
    scaled = jax.scipy.linalg.solve_triangular(factor, whole[np.ix_(kept, later)], lower=True)
    mean = scaled.T @ jax.scipy.linalg.solve_triangular(factor, sample, lower=True)
    return mean.reshape(ahead, count), whole[np.ix_(later, later)] - scaled.T @ scaled


def _weighted(coefficients: Array, noise: Array, sample: Array, kept: np.ndarray, periods: int) -> Array:
    """Gamma^-1 y, with zeros where nothing is observed: (periods x observables,)."""
    covariance = stacked(_covariances(coefficients, noise, periods), kept)
    solved = jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(covariance), True), sample)
    return jnp.zeros(periods * coefficients.shape[-1]).at[kept].set(solved)
