"""The distribution of a stationary equilibrium on a finer grid, which says how much Young's lottery spreads wealth.

The lottery between two asset points keeps the mean of next assets and adds to their variance, so that wealth on a
coarse grid is too unequal. Here prices stay, the policy is read between the points, and the distribution is solved on
a grid with `times` - 1 points more between any two: the change is an estimate of the error of the histogram. In an
equilibrium prices would adjust until mean wealth is close to what it was; `grid_error` solves it on several grids.
"""

from typing import Any

import equinox as eqx
import numpy as np

from hank_mfg.environment.product_grid import points_held
from hank_mfg.evaluate.stationary_savings import savings_on
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.stationary.clearing.mass import stationary_mass
from hank_mfg.solve.stationary.steady_state import SteadyState

TIMES, OF_EACH = 4, 2


@float64_allowed
def finer_mass(steady: SteadyState, times: int = TIMES) -> tuple[np.ndarray, Any]:
    """The stationary mass (fine assets, income) at the prices and by the policy of `steady`, and the fine assets.

    Returns the mass, float64, and the asset points (fine assets,), of which every `times`-th is a point of `steady`.
    With two assets the grid of each is `OF_EACH` times finer, policies are read linearly in both, and what is returned
    is what is held at every pair, by name.
    """
    two = steady.economy.several
    economy = steady.economy.on(steady.economy.grid.finer(OF_EACH if two else times))
    mass = np.asarray(_mass(economy, savings_on(steady, economy)))
    return (mass, points_held(economy.grid)) if two else (economy.held(mass), np.asarray(economy.grid.points))


_mass = eqx.filter_jit(stationary_mass)
