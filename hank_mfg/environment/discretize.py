"""From a declared model to an economy on grids."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.life import own_states, without_aggregate_risk
from hank_mfg.environment.long_run import stationary_distribution
from hank_mfg.environment.markov import combine
from hank_mfg.environment.product_grid import grid_of
from hank_mfg.model.base import Model
from hank_mfg.model.concrete import array_module, is_number
from hank_mfg.model.named import Named
from hank_mfg.model.preferences import require_patience
from hank_mfg.precision import in_jax


def discretize(
    model: Model, asset_points: int | Mapping[str, int] | None = None, dtype=None, *, aggregate_risk: bool = True,
    planned: bool = False,
) -> Economy:  # fmt: skip
    """Put a declared model on grids.

    `asset_points` is the number of asset points, dense at the borrowing limit, 200 unless given; of two assets that of
    each, by name or the same, 60 unless given; `dtype` float32 or float64 (float64
    needs `jax.enable_x64`, which the library's own entry points switch on locally). With `aggregate_risk=False` the
    aggregate shocks are held at their stationary means and the idiosyncratic chain is averaged over them: the
    economy whose stationary equilibrium is the point of departure. Where it is `planned` a planner chooses for all.
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    require_patience(model)
    chain = combine(model.aggregate_shocks())
    states = own_states(model, chain.transition)
    xp = array_module(chain, states)
    transition = states.moves
    shock_transition, shock_values = chain.transition, dict(chain.values)
    if not aggregate_risk:
        share = stationary_distribution(shock_transition)
        transition = without_aggregate_risk(shock_transition, states)[None, None]
        shock_values = {name: (share @ xp.asarray(value))[None] for name, value in shock_values.items()}
        shock_transition = np.ones((1, 1))
    ages = 1 if states.life is None else len(states.life.survival)
    grid = grid_of(model.asset_space(), asset_points, dtype, ages * np.shape(transition)[-1])
    own_values, shock_values = Named("own", states.values), Named("shocks", shock_values)
    plain = (model, own_values, transition, shock_values, shock_transition, states.shares, states.life)
    model, own_values, transition, *rest, life = jax.tree.map(lambda x: _array(x, dtype), plain)
    return Economy(model, grid, own_values, transition, *rest, life=life, planned=planned)


def _array(leaf, dtype):
    """A number as a JAX array, a flag or a text as it is."""
    return in_jax(array_module(leaf).asarray(leaf, dtype)) if is_number(leaf) else leaf
