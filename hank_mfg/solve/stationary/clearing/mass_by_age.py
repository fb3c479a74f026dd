"""The stationary mass where lives end: one pass through the ages, no linear system.

Who is born is known from the chain of own states alone, and newborns all hold the same, so that the mass of every age
follows from that of the age before. What the dead leave lies with the newborns in their place. With F the flow that is
added to the mass every period, m_0 = (sum over j of (1 - s_j) a'_j(m_j)) B + F_0, m_{j+1} = s_j a'_j(m_j) P + F_{j+1}.
"""

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.lottery import Lottery, settle


def mass_by_age(economy: Economy, savings: Array) -> Array:
    """The stationary mass (assets, income) under constant savings."""
    born = economy.long_run()[0, : economy.income_transition.shape[-1]]
    return _pass(economy, savings, born, jnp.zeros_like(savings))


def response_by_age(economy: Economy, savings: Array, flow: Array) -> Array:
    """The change of the stationary mass when `flow` (assets, income) is added every period, zero in the sum over each
    permanent type: linear in `flow`, which may move own states too."""
    income = economy.income_transition.shape[-1]
    matrix, share = economy.chain().population(), economy.long_run()[0]
    together = jnp.asarray(economy.types[:, None] == economy.types[None], economy.dtype)
    # own states alone: (I - P') x = flow, sum x = 0 within each type
    change = jnp.linalg.solve(jnp.eye(len(share)) - matrix.T + share[:, None] * together, flow.sum(axis=0))
    return _pass(economy, savings, change[:income], flow)


def _pass(economy: Economy, savings: Array, born: Array, flow: Array) -> Array:
    """The mass of all ages, from the mass of own states of the newborns, `born` (income,), whose assets do not matter
    for what they do."""
    life = economy.life
    assert life is not None
    lottery, income = economy.lottery(savings), economy.income_transition[0, 0]
    first = jnp.zeros((len(savings), len(income)), savings.dtype).at[0].set(born)

    def older(mass: Array, given):
        index, weight, survival, added = given
        saved = settle(mass, Lottery(index, weight))
        return survival * saved @ income + added, (mass, (1.0 - survival) * saved)

    flows = life.by_age(flow)
    after = jnp.concatenate([flows[1:], jnp.zeros_like(flows[:1])])
    lotteries = (life.by_age(each) for each in lottery)
    _, (mass, left) = jax.lax.scan(older, first, (*lotteries, life.survival, after))
    mass = mass.at[0].set(left.sum(axis=0) @ life.birth + flows[0])
    return jnp.moveaxis(mass, 0, 1).reshape(savings.shape)
