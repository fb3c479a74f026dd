"""The household's problem at given prices, by the endogenous grid method (Carroll 2006).

For every choice a' on the grid the first-order condition u'(c) = beta E[V_a(a', e')] gives consumption without a
search, and cash on hand m = a' + c. The pairs (m, c) are the consumption function where the borrowing limit does not
bind; extended below its first point it lies above m - lower, so that min(c, m - lower) is right everywhere.
"""

import warnings
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.model.base import named
from hank_mfg.policy.tables import ConsumptionFunction


class SteadyStateError(RuntimeError):
    """No stationary equilibrium was found; the message says at which values and why."""


class HouseholdSolution(NamedTuple):
    """A stationary household problem: the policy, its savings on the grid, the iterations used and the last change."""

    policy: ConsumptionFunction
    savings: Array
    iterations: Array
    change: Array


def egm_step(economy: Economy, marginal_value_next: Array, income_transition: Array) -> ConsumptionFunction:
    """One step back: `marginal_value_next` is V_a on tomorrow's (assets, income), the result today's policy."""
    expected = economy.discount_factor * (marginal_value_next @ income_transition.T)
    consumption = economy.model.preferences().inverse_marginal_utility(expected)
    return ConsumptionFunction(economy.grid.points[:, None] + consumption, consumption)


def feasible_savings(economy: Economy, resources: Array, consumption: Array) -> Array:
    """Next assets implied by a desired consumption, held between the borrowing limit and the top of the grid."""
    lower, upper = economy.bounds(resources)
    return jnp.clip(resources - consumption, lower, upper)


def asset_return(economy: Economy, public: Public) -> Array:
    """The derivative of cash on hand in own assets, usually 1 + r: (assets, income)."""
    _, own = economy.states()
    points = jnp.broadcast_to(economy.grid.points[:, None], economy.shape)

    def cash(assets):
        values = economy.model.resources(assets, own, public.prices, public.shocks)
        return jnp.broadcast_to(values, economy.shape)

    return jax.jvp(cash, (points,), (jnp.ones_like(points),))[1]


def solve_household(
    economy: Economy, public: Public, start: Array, *, tolerance: float, max_iterations: int
) -> HouseholdSolution:
    """Iterate the endogenous grid method at constant prices until no consumption moves by more than `tolerance`.

    `start` is consumption on the grid, (assets, income); the change is relative. The stopping rule bounds the change
    of one step: with discount factor beta the distance to the fixed point is about change / (1 - beta).
    """
    resources = economy.resources(public)
    gross = asset_return(economy, public)
    utility = economy.model.preferences()
    income = economy.income_transition[0, 0]

    def step(state):
        consumption, _, count = state
        policy = egm_step(economy, gross * utility.marginal_utility(consumption), income)
        updated = resources - feasible_savings(economy, resources, policy(resources))
        change = jnp.max(jnp.abs(updated - consumption) / jnp.maximum(consumption, 1e-300))
        return updated, change, count + 1

    def unfinished(state):
        return (state[1] > tolerance) & (state[2] < max_iterations)

    first = (start, jnp.asarray(jnp.inf, economy.dtype), jnp.asarray(0))
    consumption, change, count = jax.lax.while_loop(unfinished, step, first)
    policy = egm_step(economy, gross * utility.marginal_utility(consumption), income)
    return HouseholdSolution(policy, resources - consumption, count, change)


@eqx.filter_jit
def supplied_aggregates(economy: Economy, mass: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Each aggregate summed over the mass, and its derivative when everybody's assets rise by one unit."""
    _, own = economy.states()

    def total(shift):
        each = economy.model.aggregates(economy.grid.points[:, None] + shift, own, economy.shocks(0))
        return {name: jnp.sum(mass * value) for name, value in named("aggregates", each, "aggregates").items()}

    return jax.jvp(total, (jnp.zeros(()),), (jnp.ones(()),))


@eqx.filter_jit
def _lottery(economy: Economy, savings: Array):
    return economy.lottery(savings)


def transition_matrix(economy: Economy, savings: Array) -> scipy.sparse.csc_array:
    """The sparse matrix P[s, s'] of individual states under constant savings; s = (assets, income) flattened."""
    assets, income = economy.shape
    index, weight = (np.asarray(x) for x in _lottery(economy, savings))
    chain = np.asarray(economy.income_transition[0, 0])
    states = np.broadcast_to(np.arange(assets * income).reshape(assets, income)[..., None], (assets, income, income))
    rows, columns, entries = [], [], []
    for shift, probability in ((0, 1.0 - weight), (1, weight)):
        rows.append(states.ravel())
        columns.append(((index + shift)[..., None] * income + np.arange(income)).ravel())
        entries.append((probability[..., None] * chain[None]).ravel())
    size = (assets * income, assets * income)
    triplets = (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns)))
    return scipy.sparse.csc_array(triplets, shape=size)


def stationary_mass(economy: Economy, savings: Array) -> np.ndarray:
    """The stationary mass under constant savings, by a sparse direct solve in float64: (assets, income).

    Solves m (I - P) = 0 with the mass of one recurrent state set to one, then scales to sum one (the scale of a null
    vector is free). Never by power iteration: near beta (1 + r) = 1 wealth mixes so slowly that 20,000 steps from a
    guess can be half wrong; a hundred steps serve only to find a state that is visited in the long run.
    """
    backward = transition_matrix(economy, savings).T.tocsr()
    states = backward.shape[0]
    rough = np.full(states, 1.0 / states)
    for _ in range(100):
        rough = backward @ rough
    anchor = int(np.argmax(rough))
    others = np.delete(np.arange(states), anchor)
    system = (scipy.sparse.eye_array(states, format="csr") - backward).tocsc()
    right = backward[:, [anchor]].toarray()[others, 0]
    mass = np.ones(states)
    with warnings.catch_warnings():
        warnings.simplefilter("error", scipy.sparse.linalg.MatrixRankWarning)
        try:  # states are ordered along assets and nobody moves far: elimination in that order fills in little
            solved = scipy.sparse.linalg.spsolve(system[others][:, others], right, permc_spec="NATURAL")
        except scipy.sparse.linalg.MatrixRankWarning as error:
            raise SteadyStateError(
                "The stationary mass is not determined: households stay forever in several separate sets of states, as "
                "they do without idiosyncratic risk; declare a chain that connects the states of idiosyncratic_shock()."
            ) from error
    mass[others] = np.asarray(solved)
    return (mass / mass.sum()).reshape(economy.shape)
