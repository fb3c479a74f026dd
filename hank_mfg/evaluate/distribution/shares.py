"""The formulas of shares and quantiles, for NumPy and for JAX: measured on results, and differentiated in calibration.

Every function takes the array module `xp`, `numpy` or `jax.numpy`, and checks nothing: statistics.py does. The last
axis is the population, in ascending order of what it holds; other axes come first.
"""

from typing import Any


def cumulate(values, xp: Any):
    """Cumulative sums along the last axis, starting from zero: one entry more than `values`."""
    return xp.cumsum(xp.concatenate([xp.zeros_like(values[..., :1]), values], axis=-1), axis=-1)


def lorenz(weight, value, xp: Any) -> tuple[Any, Any]:
    """Population share F_i = sum_{j<=i} m_j and share held L_i = sum_{j<=i} m_j v_j, both over their last entry.

    `weight` (..., n) and `value` (n,) or (..., n), ascending; (..., n + 1) each, starting from zero.
    """
    population, held = cumulate(weight, xp), cumulate(weight * value, xp)
    return population / population[..., -1:], held / held[..., -1:]


def gini_of(population, held, xp: Any):
    """The Gini coefficient of a Lorenz curve, 1 - sum_i (F_i - F_{i-1}) (L_i + L_{i-1}): (...)."""
    return 1.0 - xp.sum(xp.diff(population, axis=-1) * (held[..., 1:] + held[..., :-1]), axis=-1)


def share_below(share, population, held, xp: Any):
    """Lorenz curves, straight between points, read at population shares: (..., then the shape of `share`)."""
    shape = population.shape[:-1] + share.shape
    curves = zip(population.reshape(-1, population.shape[-1]), held.reshape(-1, held.shape[-1]), strict=True)
    return xp.reshape(xp.stack([xp.interp(share, *curve) for curve in curves]), shape)


def quantile_of(weight, value, probability, xp: Any):
    """The value below which a fraction `probability`, a number, of the population lies: (...).

    The population at the first value is an atom there, that of a later one spread evenly over the interval before it.
    """
    cumulative = xp.maximum.accumulate(xp.cumsum(weight, axis=-1), axis=-1)
    cumulative = cumulative / cumulative[..., -1:]
    above = xp.sum(cumulative < probability, axis=-1, keepdims=True)
    below = xp.maximum(above - 1, 0)
    start, end = (xp.take_along_axis(cumulative, index, axis=-1) for index in (below, above))
    step = xp.where(above > 0, (probability - start) / xp.where(end > start, end - start, 1.0), 0.0)
    return (value[below] + step * (value[above] - value[below]))[..., 0]


def in_order(weight, value, xp: Any) -> tuple[Any, Any]:
    """Weights and values (..., n) sorted by value."""
    order = xp.argsort(value, axis=-1, stable=True)
    return xp.take_along_axis(weight, order, axis=-1), xp.take_along_axis(value, order, axis=-1)
