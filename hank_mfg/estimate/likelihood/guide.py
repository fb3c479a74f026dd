"""A guess of what the next period would show at every shock, by which particles are moved toward the data.

Before the data begin particles walk under the model. From what they then show, a polynomial of second degree is fitted
by least squares: observed series, from shocks and from what is known before the shocks are (state variables and the
two moments of assets). It need not be right: what is moved by it is weighted by the exact density over the guess.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.model.named import Named

RIDGE = 1e-4  # of the least squares, in units of the variance of a term
WIDER = 1.5  # variance of the guess over that of measurement errors and of what the fit left over


class Guide(NamedTuple):
    """Coefficients (terms, columns) of the polynomial, and what its arguments are standardized by: their `mean` and
    `spread` (arguments,); values of the `shocks` (states, shocks); variances of what is left over, (columns,)."""

    coefficients: Array
    mean: Array
    spread: Array
    shocks: Array
    left_over: Array

    def levels(self, known: Array) -> Array:
        """The guess of the series at every shock, (states, columns), from what is `known` before, (known,)."""
        repeated = jnp.broadcast_to(known, (len(self.shocks), *known.shape))
        return self._terms(jnp.concatenate([repeated, self.shocks], axis=1)) @ self.coefficients

    def _terms(self, arguments: Array) -> Array:
        return _polynomial((arguments - self.mean) / self.spread)


def _polynomial(x: Array) -> Array:
    """All products of up to two of the arguments (n, arguments): (n, terms)."""
    rows, columns = jnp.triu_indices(x.shape[1])
    return jnp.concatenate([jnp.ones_like(x[:, :1]), x, x[:, rows] * x[:, columns]], axis=1)


def known_before(economy: Economy, mass: Array, state_variables: Named) -> Array:
    """What tells of a period before its shocks are known, (known,): state variables, the mean of assets and of their
    square root above the limit, over a `mass` of assets, whatever the incomes."""
    above = economy.grid.points - economy.grid.lower
    by_assets = mass.sum(axis=1)
    moments = jnp.stack([by_assets @ above, by_assets @ jnp.sqrt(above)])
    values = [jnp.asarray(value, economy.dtype) for value in state_variables.values()]
    return jnp.concatenate([moments, jnp.stack(values)]) if values else moments


def fit_guide(economy: Economy, known: Array, shock: Array, levels: Array) -> Guide:
    """Fit what is observed, `levels` (n, columns), to what was `known` (n, known) before and to the index of the
    aggregate `shock` (n,)."""
    shocks = jnp.stack([jnp.asarray(each, economy.dtype) for each in economy.shock_values.values()], axis=1)
    arguments = jnp.concatenate([known, shocks[shock]], axis=1)
    mean, spread = arguments.mean(axis=0), arguments.std(axis=0)
    tiny = 1e-6 * (jnp.abs(mean) + jnp.finfo(arguments.dtype).tiny)
    spread = jnp.where(spread > tiny, spread, 1.0)
    terms, center = _polynomial((arguments - mean) / spread), levels.mean(axis=0)
    inner = terms.T @ terms / len(terms) + RIDGE * jnp.eye(terms.shape[1], dtype=terms.dtype)
    coefficients = jax.scipy.linalg.solve(inner, terms.T @ (levels - center) / len(terms), assume_a="pos")
    left_over = jnp.mean((levels - center - terms @ coefficients) ** 2, axis=0)
    return Guide(coefficients.at[0].add(center), mean, spread, shocks, left_over)
