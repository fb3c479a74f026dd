"""The networks of a policy: standardized signals, an encoder with memory, and a one-shot head."""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.policy.encoders import AbstractEncoder, make_encoder
from hank_mfg.precision import in_jax


class Whitening(eqx.Module):
    """Standardize signals: (o - mean) @ matrix has about unit variance in every direction that moves."""

    mean: Array
    matrix: Array

    def __call__(self, signal: Array) -> Array:
        """Standardized signals, (signals,); they saturate at 20 standard deviations, far outside the ergodic set."""
        return 20.0 * jnp.tanh((signal - self.mean) @ self.matrix / 20.0)


def fit_whitening(signals: Array | np.ndarray) -> Whitening:
    """Whiten a sample of signals (n, signals) by its principal components.

    Signals are first divided by their own standard deviations; one that moves by less than 1e-4 of its mean counts as a
    constant and is not blown up. Directions with less than 1e-4 of the variance are scaled as if they had 1e-4.
    """
    dtype, sample = signals.dtype, np.asarray(signals, np.float64)
    mean, scale = sample.mean(axis=0), sample.std(axis=0)
    scale = np.where(scale > 1e-4 * np.abs(mean), scale, np.maximum(np.abs(mean), 1.0))
    variances, directions = np.linalg.eigh(np.atleast_2d(np.cov((sample - mean).T / scale[:, None])))
    size = np.sqrt(np.maximum(variances, 1e-4 * max(variances.max(), 1.0)))
    return Whitening(*(in_jax(np.asarray(x, dtype)) for x in (mean, (directions / size) / scale[:, None])))


def no_whitening(signals: int, dtype) -> Whitening:
    """Signals as they are."""
    return Whitening(in_jax(np.zeros(signals, dtype)), in_jax(np.eye(signals, dtype=dtype)))


class Head(eqx.Module):
    """Features -> an array of `shape`: a linear part plus a small tanh network, both zero at the start."""

    linear: eqx.nn.Linear
    hidden: tuple[eqx.nn.Linear, eqx.nn.Linear]
    output: eqx.nn.Linear
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, features: int, shape: tuple[int, ...], width: int, *, key):
        size = math.prod(shape)
        self.linear = eqx.nn.Linear(features, size, key=key)
        self.hidden = eqx.nn.Linear(features, width, key=key), eqx.nn.Linear(width, width, key=key)
        self.output = eqx.nn.Linear(width, size, use_bias=False, key=key)
        self.shape = shape

    def __call__(self, features: Array) -> Array:
        """One array of `shape`."""
        hidden = features
        for layer in self.hidden:
            hidden = jnp.tanh(layer(hidden))
        return (self.linear(features) + self.output(hidden)).reshape(self.shape)


class NetworkSettings(NamedTuple):
    """Sizes: signals seen, the encoder and its units, hidden width of the head, periods that memory reaches back; how
    many of the signals, the last ones, are parameters, see `interacted`."""

    signals: int
    memory: str = "gru"
    units: int = 16
    width: int = 64
    span: int = 32
    parameters: int = 0


def interacted(features: Array, parameters: Array | None) -> Array:
    """Features and their products with each of the `parameters` (parameters,), if any: so that the linear part of a
    head has coefficients that are linear in these."""
    if parameters is None:
        return features
    return jnp.concatenate([features, (parameters[:, None] * features).reshape(-1)])


def make_networks(
    settings: NetworkSettings, shape: tuple[int, ...], dtype, *, seed: int
) -> tuple[AbstractEncoder, Head]:
    """An encoder and a head with outputs of `shape`.

    Weights are uniform within 1/sqrt(inputs), drawn by NumPy from `seed`; biases and the last layers are zero, so that
    the head's output is zero at the start.
    """
    draws = np.random.default_rng(seed)

    def networks(key):
        encoder = make_encoder(settings.memory, settings.signals, settings.units, span=settings.span, key=key)
        features = encoder.feature_count * (1 + settings.parameters)
        return encoder, Head(features, shape, settings.width, key=key)

    def weights(leaf):
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        limit = 1.0 / np.sqrt(leaf.shape[-1]) if leaf.ndim == 2 else 0.0  # biases zero
        return in_jax(draws.uniform(-limit, limit, leaf.shape).astype(dtype))

    encoder, head = jax.tree.map(weights, eqx.filter_eval_shape(networks, jax.random.PRNGKey(0)))
    zero = lambda layer: jax.tree.map(lambda leaf: in_jax(np.zeros(leaf.shape, dtype)), layer)  # noqa: E731
    return encoder, eqx.tree_at(lambda h: (h.linear, h.output), head, (zero(head.linear), zero(head.output)))
