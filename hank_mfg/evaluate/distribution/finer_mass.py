"""The distribution of a stationary equilibrium on a finer grid, which says how much Young's lottery spreads wealth.

The lottery between two asset points keeps the mean of next assets and adds to their variance, so that wealth on a
coarse grid is too unequal. Here prices stay, the policy is read between the points, and the distribution is solved on
a grid with `times` - 1 points more between any two: the change is an estimate of the error of the histogram. In an
equilibrium prices would adjust until mean wealth is close to what it was; `grid_error` solves it on several grids.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.precision import float64_allowed
from hank_mfg.solve.stationary.clearing.mass import stationary_mass
from hank_mfg.solve.stationary.household import feasible_savings
from hank_mfg.solve.stationary.steady_state import SteadyState

TIMES = 4


@float64_allowed
def finer_mass(steady: SteadyState, times: int = TIMES) -> tuple[np.ndarray, np.ndarray]:
    """The stationary mass (fine assets, income) at the prices and by the policy of `steady`, and the fine assets.

    Returns the mass, float64, and the asset points (fine assets,), of which every `times`-th is a point of `steady`.
    """
    economy = steady.economy.on(steady.economy.grid.finer(times))
    mass = _mass(economy, steady.policy, jax.tree.map(jnp.asarray, steady.public))
    return economy.held(np.asarray(mass)), np.asarray(economy.grid.points)


@eqx.filter_jit
def _mass(economy, policy, public):
    cash = economy.resources(public)
    return stationary_mass(economy, feasible_savings(economy, public, cash, policy(cash)))
