"""The household along a path that it foresees: one step back, the policies of all periods, and the mass.

What a household takes as given in period t are prices and shocks, x_t. One step of the endogenous grid method leads
from marginal values of assets tomorrow to policies and marginal values today,

    (V_a,t ; a'_t, c_t) = step(V_a,t+1 ; x_t),        V_a,t = (d resources / d a) u'(c_t),

and the mass moves by Young's lottery. `step` is differentiable: the linear responses of sequence_space.py and the
transition paths of transition.py are made of it, and so is the stationary equilibrium, its fixed point. What x_t
follows from is in quantities.py.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.lottery import push_forward
from hank_mfg.environment.quantities import NO_PARAMETERS, Names, public_of, with_parameters
from hank_mfg.model.named import Named
from hank_mfg.solve.stationary.household import step_back


class Decision(NamedTuple):
    """Decisions of households in a period, (assets, income) each: `marginal` V_a, `savings`, these two (2, assets,
    income) of two assets, the x of a policy in `consumption`, and `chosen` (choices, assets, income), what is summed of
    it."""

    marginal: Array
    savings: Array
    consumption: Array
    chosen: Array


def step(
    economy: Economy, names: Names, marginal_next: Array, inputs: Array, transfer: Array | None = None
) -> Decision:
    """One step back from marginal values tomorrow, (assets, income), given prices and shocks (inputs,).

    `transfer`, where given, is added to all cash on hand; a number or (assets, income), in goods.
    """
    public = public_of(inputs, names)
    savings, consumption, marginal = step_back(economy, public, marginal_next, transfer)
    each = economy.chosen(public, savings, consumption)
    summed = [each[name] for name in names.summed_choices]
    chosen = jnp.stack(summed) if summed else jnp.zeros((0, *economy.shape))
    return Decision(marginal, savings, consumption, chosen)


def move(economy: Economy, mass: Array, savings: Array) -> Array:
    """The mass at the start of next period."""
    return push_forward(mass, economy.lottery(savings), economy.chain())


def with_chain(economy: Economy, chain: Array) -> Economy:
    """The economy in a period whose income states move by `chain` (income, income)."""
    return eqx.tree_at(lambda e: e.income_transition, economy, chain[None, None])


def decisions_along(
    economy: Economy,
    names: Names,
    marginal_end: Array,
    inputs: Array,
    chains: Array,
    parameters: Named = NO_PARAMETERS,
) -> Decision:
    """Policies of all periods, backward from marginal values after the last one.

    `inputs` (time, inputs); `chains` (time, income, income) lead from every period to the next; `parameters` that
    differ from the economy's, (time,) each.
    """

    def back(marginal, given):
        x, chain, values = given
        decision = step(with_parameters(with_chain(economy, chain), values), names, marginal, x)
        return decision.marginal, decision

    return jax.lax.scan(back, marginal_end, (inputs, chains, parameters), reverse=True)[1]


def masses_along(economy: Economy, mass: Array, savings: Array, chains: Array) -> Array:
    """The mass at the start of every period, (time, assets, income), from that of period 0."""

    def forward(mass, given):
        choice, chain = given
        return move(with_chain(economy, chain), mass, choice), mass

    return jax.lax.scan(forward, mass, (savings, chains))[1]
