"""The distribution of a stationary equilibrium on a finer grid, which says how much Young's lottery spreads wealth.

The lottery between two asset points keeps the mean of next assets and adds to their variance, so that wealth on a
coarse grid is too unequal. Here prices stay, the policy is read between the points, and the distribution is solved on
a grid with `times` - 1 points more between any two: the change is an estimate of the error of the histogram. In an
equilibrium prices would adjust until mean wealth is close to what it was; `grid_error` solves it on several grids.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.product_grid import points_held
from hank_mfg.model.named import Named
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.stationary.clearing.mass import stationary_mass
from hank_mfg.solve.stationary.household import feasible_savings
from hank_mfg.solve.stationary.steady_state import SteadyState

TIMES, OF_EACH = 4, 2


@float64_allowed
def finer_mass(steady: SteadyState, times: int = TIMES) -> tuple[np.ndarray, Any]:
    """The stationary mass (fine assets, income) at the prices and by the policy of `steady`, and the fine assets.

    Returns the mass, float64, and the asset points (fine assets,), of which every `times`-th is a point of `steady`.
    With two assets the grid of each is `OF_EACH` times finer, policies are read linearly in both, and what is returned
    is what is held at every pair, by name.
    """
    if steady.economy.several:
        return _finer_pairs(steady)
    economy = steady.economy.on(steady.economy.grid.finer(times))
    mass = _mass(economy, steady.policy, jax.tree.map(jnp.asarray, steady.public))
    return economy.held(np.asarray(mass)), np.asarray(economy.grid.points)


def hat_matrix(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights (at, points) of linear interpolation between `points`."""
    return np.stack([np.interp(at, points, row) for row in np.eye(len(points))], axis=1)


def _finer_pairs(steady: SteadyState) -> tuple[np.ndarray, Named]:
    economy = steady.economy.on(steady.economy.grid.finer(OF_EACH))
    old, new = steady.economy.grid, economy.grid
    spread = [hat_matrix(np.asarray(x.points), np.asarray(y.points)) for x, y in zip(old.axes, new.axes, strict=True)]
    savings = new.together(np.einsum("kb,ibae,la->ikle", spread[0], old.apart(steady.savings), spread[1]))
    return np.asarray(_moved(economy, jnp.asarray(savings))), points_held(new)


_moved = eqx.filter_jit(stationary_mass)


@eqx.filter_jit
def _mass(economy, policy, public):
    cash = economy.resources(public)
    return stationary_mass(economy, feasible_savings(economy, public, cash, policy(cash)))
