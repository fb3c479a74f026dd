"""Whether first-order conditions are sufficient in a solved economy, and households' losses where not.

Budgets that are concave in assets, in every aggregate state, are (concavity.py). Where one is not, a search over all
choices (best_savings.py) says what households lose by first-order conditions: in the stationary equilibrium at its
prices, and in an aggregate state as if that state and its prices lasted for ever.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.concavity import STEEPER, explain_rise, largest_rise, rise_before_solving, rises
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.quantities import names_of
from hank_mfg.model.base import Model
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.solve.stationary.best_savings import stationary_loss
from hank_mfg.solve.stationary.diagnosis.diagnosis import SteadyStateError
from hank_mfg.solve.stationary.household import solve_at

LOSS = 1e-4  # of consumption that households may lose by first-order conditions
PRECISE = 1e-9  # relative change of consumption at which a household in an aggregate state is solved
CONCAVE = (
    "let what is paid depend on income states rather than on assets, or on assets so that cash on hand is concave, or "
    'pass nonconcave="allow" to look at the answer all the same'
)


@float64_allowed
def nonconcave_budgets(economy: Economy, public: Public) -> str:
    """A sentence on budgets that are not concave in assets, so that first-order conditions are not sufficient; ""
    where they are concave in every aggregate state. `public` are the prices of the stationary equilibrium."""
    if economy.several:
        return _of_two_assets(economy, public)
    moved = names_of(economy).moved if public.aggregates else ()
    for rise, *_ in rises(economy, public, moved):
        return explain_rise(economy.model, rise) + "."
    return ""


def require_sufficient(economy: Economy, public: Public, savings: Array, mass: Array) -> None:
    """Raise SteadyStateError where budgets are not concave and a search over choices finds better ones: for households
    with the `savings` of the stationary equilibrium, or in an aggregate state that lasts for ever; `mass` weights."""
    problem = _of_two_assets(economy, public) if economy.several else ""
    if problem:
        raise SteadyStateError(f"{problem.rstrip('.')}; {CONCAVE}.")
    for rise, there, at_rest in rises(economy, public, names_of(economy).moved):
        numbers = jax.tree.map(in_jax, there)
        chosen = jnp.asarray(savings) if at_rest else solve_at(economy, numbers, PRECISE).savings
        loss = float(stationary_loss(economy, numbers, chosen, jnp.asarray(mass)))
        if not loss <= LOSS or not np.isfinite([rise.before, rise.after]).all():
            where = "the prices found" if at_rest else "the prices of that aggregate state, for ever,"
            raise SteadyStateError(
                f"{explain_rise(economy.model, rise)}: at {where} households would gain {100 * loss:.3g} % of "
                f"consumption by other savings; {CONCAVE}."
            )


def _of_two_assets(economy: Economy, public: Public) -> str:
    """The sentence of `nonconcave_budgets` with two assets: along each of them, at the equilibrium's prices alone."""
    rise = float(_largest_rise(economy, jax.tree.map(in_jax, public)))
    if rise <= STEEPER:
        return ""
    return (
        f"{type(economy.model).__name__}.resources() is not concave in one of the assets: its slope rises by "
        f"{rise:.4g} between neighboring points of the grid, so first-order conditions, by which savings are solved, "
        "are not sufficient."
    )


_largest_rise = eqx.filter_jit(largest_rise)


def blame_budget(model: Model, error: SteadyStateError) -> None:
    """Raise SteadyStateError with the reason that budgets are not concave, where no equilibrium was found and they are
    not."""
    rise = rise_before_solving(model)
    if rise is not None:
        raise SteadyStateError(
            f"{explain_rise(model, rise)}, and no stationary equilibrium was found with them; {CONCAVE}."
        ) from error
