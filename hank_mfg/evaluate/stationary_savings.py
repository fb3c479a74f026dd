"""Stationary savings on another grid than the one on which they were solved."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.product_grid import ProductGrid
from hank_mfg.precision import in_jax
from hank_mfg.solve.stationary.household import feasible_savings
from hank_mfg.solve.stationary.steady_state import SteadyState


def savings_on(steady: SteadyState, economy: Economy) -> Array:
    """Savings of the stationary equilibrium in every state of `economy`, the same one on another grid: (assets, income)
    or (2, assets, income).

    Of one asset the policy is read at cash on hand; savings of two assets linearly between what is held of each.
    """
    old, new = steady.economy.grid, economy.grid
    if not (isinstance(old, ProductGrid) and isinstance(new, ProductGrid)):
        return _read(economy, steady.policy, jax.tree.map(in_jax, steady.public))
    spread = [hat_matrix(np.asarray(x.points), np.asarray(y.points)) for x, y in zip(old.axes, new.axes, strict=True)]
    apart = old.apart(np.asarray(steady.savings))
    return jnp.asarray(new.together(np.einsum("kb,ibae,la->ikle", spread[0], apart, spread[1])))


def hat_matrix(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights (at, points) of linear interpolation between `points`."""
    return np.stack([np.interp(at, points, row) for row in np.eye(len(points))], axis=1)


@eqx.filter_jit
def _read(economy: Economy, policy, public) -> Array:
    cash = economy.resources(public)
    return feasible_savings(economy, public, cash, policy(cash))
