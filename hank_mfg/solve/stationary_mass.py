"""The stationary mass under constant savings, and how it responds: sparse direct solves in float64.

With P the transition of individual states s = (assets, income), flattened, the mass solves (I - P') m = 0, sum m = 1.
Never by power iteration: near beta (1 + r) = 1 wealth mixes so slowly that 20,000 steps from a guess can be half wrong.
States are ordered along assets and nobody moves far, so elimination in that order fills in little. JAX has no sparse
solver: these run in SciPy on the host, called from traced code, one after the other for a batch and in threads.
"""

import concurrent.futures
import functools
import os
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.lottery import Lottery, push_forward

ROUGH = 100  # steps from a uniform mass that find a state visited in the long run
RESIDUAL = 1e-11  # of the largest mass: what one more period may change


def stationary_mass(economy: Economy, savings: Array, anchor: Array | None = None) -> Array:
    """The stationary mass (assets, income) under constant savings; NaN where it is not determined.

    `anchor` is a flattened state that is visited in the long run, where one is known: the mass there is set to one,
    the others are solved for, and all are scaled to sum one (the scale of a null vector is free). Not differentiable:
    `mass_response` has the derivative.
    """
    gamble, chain = economy.lottery(savings), economy.income_transition[0, 0]
    if anchor is None:
        uniform = jnp.full(economy.shape, 1.0 / np.prod(economy.shape))
        rough = jax.lax.scan(lambda m, _: (push_forward(m, gamble, chain), None), uniform, None, length=ROUGH)[0]
        anchor = jnp.argmax(rough)
    return _call(_null_vector, economy, gamble, chain, anchor)


def mass_response(economy: Economy, savings: Array, mass: Array, flow: Array) -> Array:
    """The change dm of the stationary mass when `flow` (assets, income) is added to it every period: linear in `flow`.

    dm - P' dm = flow, sum dm = 0, where `flow` sums to zero: it is what one period moves at given mass when savings or
    the chain change. `savings` and `mass` are constants here. Differentiable forward and in reverse.
    """
    savings, mass = jax.lax.stop_gradient((savings, mass))
    chain = jax.lax.stop_gradient(economy.income_transition[0, 0])
    gamble, anchor = economy.lottery(savings), jnp.argmax(mass)

    def matrix(change):
        return change - push_forward(change, gamble, chain) + mass * jnp.sum(change)

    def solve(transpose: bool):
        return lambda _, right: _call(_response, economy, gamble, chain, anchor, mass, right, transpose=transpose)

    return jax.lax.custom_linear_solve(matrix, flow, solve(False), solve(True))


def _call(function: Callable, economy: Economy, gamble: Lottery, *arrays, **options) -> Array:
    """Call a host function on (index, weight, *arrays) from traced code.

    The host's thread does not know of the caller's switch to float64 and would be handed, and hand back, float32:
    numbers cross as pairs of 32 bits.
    """

    def host(*given):
        numbers = [np.asarray(x) for x in given]
        numbers = [np.ascontiguousarray(x).view(np.float64)[..., 0] if x.dtype == np.uint32 else x for x in numbers]
        return _each(function, numbers, len(economy.shape), **options)[..., None].view(np.uint32)

    given = [_bits(x) if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.int32) for x in (*gamble, *arrays)]
    kind = jax.ShapeDtypeStruct((*economy.shape, 2), jnp.uint32)
    return jax.lax.bitcast_convert_type(jax.pure_callback(host, kind, *given, vmap_method="broadcast_all"), jnp.float64)


def _bits(values: Array) -> Array:
    return jax.lax.bitcast_convert_type(values.astype(jnp.float64), jnp.uint32)


def _each(function: Callable, given: list[np.ndarray], axes: int, **options) -> np.ndarray:
    """The function of every member of a batch, in threads: SuperLU does not hold the interpreter."""
    index = given[0]
    batch = index.shape[: index.ndim - axes]
    if not batch:
        return function(*given, **options)
    flat = [x.reshape(-1, *x.shape[len(batch) :]) for x in given]
    found = _threads().map(lambda i: function(*(x[i] for x in flat), **options), range(len(flat[0])))
    return np.stack(list(found)).reshape(index.shape)


@functools.cache
def _threads() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(os.cpu_count(), "stationary mass")


def transition_matrix(index: np.ndarray, weight: np.ndarray, chain: np.ndarray) -> Any:
    """The sparse matrix P'[s', s] of individual states, s = (assets, income) flattened, from a lottery and a chain."""
    assets, income = index.shape
    size = assets * income
    low = (index[..., None] * income + np.arange(income)).ravel()  # the state (lower neighbor, every income tomorrow)
    low_share, high_share = ((share[..., None] * chain).ravel() for share in (1.0 - weight, weight))
    rows = np.stack([low, low + income], axis=-1)
    shares = np.stack([low_share, high_share], axis=-1)
    # columns are today's states: 2 x income entries each, sorted by row
    rows = rows.reshape(size, income, 2).swapaxes(1, 2).ravel()
    shares = shares.reshape(size, income, 2).swapaxes(1, 2).ravel()
    starts = np.arange(size + 1) * (2 * income)
    return scipy.sparse.csc_array((shares, rows, starts), shape=(size, size))


def _factor(forward: Any, anchor: int) -> scipy.sparse.linalg.SuperLU:
    """I - P' with the equation of state `anchor` replaced by one that gives its mass, factored."""
    size = forward.shape[0]
    entries = np.where(forward.indices == anchor, 0.0, -forward.data)
    kept = scipy.sparse.csc_array((entries, forward.indices, forward.indptr), shape=(size, size))
    return scipy.sparse.linalg.splu(
        (scipy.sparse.eye_array(size, format="csc") + kept).tocsc(), permc_spec="NATURAL",
        options={"SymmetricMode": True}, diag_pivot_thresh=0.0,
    )  # fmt: skip


def _null_vector(index, weight, chain, anchor) -> np.ndarray:
    if not np.isfinite(weight).all():
        return np.full(index.shape, np.nan)
    forward = transition_matrix(index, weight, chain)
    size = forward.shape[0]
    for known in (True, False):
        if known and anchor < 0:
            continue
        if not known:
            rough = np.full(size, 1.0 / size)
            for _ in range(ROUGH):
                rough = forward @ rough
            anchor = int(np.argmax(rough))
        unit = np.zeros(size)
        unit[int(anchor)] = 1.0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mass = _factor(forward, int(anchor)).solve(unit)
        except RuntimeError:  # exactly singular
            continue
        mass = mass / mass.sum()
        if np.abs(forward @ mass - mass).max() < RESIDUAL * np.abs(mass).max() and mass.min() > -RESIDUAL:
            return mass.reshape(index.shape)
    return np.full(index.shape, np.nan)


def _response(index, weight, chain, anchor, mass, right, *, transpose: bool) -> np.ndarray:
    """The solution of (I - P' + m 1') x = right, or of its transpose."""
    if not np.isfinite(right).all():
        return np.full(index.shape, np.nan)
    factor = _factor(transition_matrix(index, weight, chain), int(anchor))
    mass, right = mass.ravel(), right.ravel()
    if not transpose:
        flow = right - mass * right.sum()  # sums to zero; the rest moves the level, along the mass itself
        flow[anchor] = 0.0
        change = factor.solve(flow)
        return (change + mass * (right.sum() - change.sum())).reshape(index.shape)
    level = mass @ right
    known = right - level
    # the transposed system with the anchor's column replaced: solve for differences from the anchor's value
    value = factor.solve(known, trans="T")
    value[anchor] = 0.0
    return (value - mass @ value + level).reshape(index.shape)
