"""Income risk that moves with the aggregate state, along a path that households foresee.

Where the idiosyncratic chain depends on the aggregate move, P(e' | e, z, z'), a path of shocks moves it too: in a slump
more households lose their jobs. Without aggregate risk there is no z, only the path of its mean, so the path stands for
beliefs p_t about the aggregate state: those nearest to the stationary ones that have the mean asked for,

    p_t(z) = p(z) [ 1 + (v(z) - v)' C^{-1} dv_t ],      v, C the stationary mean and covariance of the shocks' values.

With two states it is the only one; of a linear chain that returns to its mean it is what the chain itself expects.
From period to period beliefs move by the chain, P_t(z' | z) = P(z' | z) + p_{t+1}(z') - (p_t P)(z'), and with J_t(z, e)
the joint mass of aggregate and own states,

    J_{t+1}(z', e') = sum_{z, e} J_t(z, e) P_t(z' | z) P(e' | e, z, z'),
    P_t(e' | e)     = sum_{z, z'} J_t(z, e) P_t(z' | z) P(e' | e, z, z') / sum_z J_t(z, e),

starting from the stationary J in period -1, so that the shock of period 0 moves households on impact. In the steady
state P_t is the averaged chain. Linear in the path up to J's normalization; everything in float64.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy
from hank_mfg.environment.quantities import NO_PARAMETERS
from hank_mfg.model.named import Named
from hank_mfg.model.shocks import ConditionalChain


class Risk(NamedTuple):
    """The chains of an economy with aggregate states: `transition` (Z, Z), `values` (Z, shocks), `income`
    (Z, Z, E, E), the stationary `belief` (Z,) and `joint` mass (Z, E), and `tilt` (shocks, Z), d p / d v."""

    transition: Array
    values: Array
    income: Array
    belief: Array
    joint: Array
    tilt: Array


class Given(NamedTuple):
    """The exogenous part of a path: `shocks` (time, shocks), `share` (time, E) of income states, `chain`
    (time, E, E) from each period to the next, `first` (E, E), the chain that led into period 0, and `parameters` that
    differ from the model's, (time,) each."""

    shocks: Array
    share: Array
    chain: Array
    first: Array
    parameters: Named = NO_PARAMETERS


def risk_of(economy: Economy) -> Risk | None:
    """The chains behind an economy without aggregate risk, or None where income risk does not move with the aggregate.

    Float64.
    """
    if not isinstance(economy.model.idiosyncratic_shock(), ConditionalChain) or not economy.shock_values:
        return None
    if economy.life is not None:
        raise ValueError(
            "idiosyncratic_shock() is conditional on the aggregate state, and lives end: paths and linear responses do "
            "not follow the income risk of every age; pass income_risk=False, which holds it at its average, or solve "
            "globally."
        )
    full = discretize(economy.model, 10, jnp.float64)
    values = jnp.stack([jnp.asarray(value) for value in full.shock_values.values()], axis=1)
    share = full.long_run()
    belief = share.sum(axis=1)
    away = values - belief @ values
    covariance = (away * belief[:, None]).T @ away
    tilt = jnp.linalg.pinv(covariance, hermitian=True) @ (away * belief[:, None]).T
    return Risk(full.shock_transition, values, full.income_transition, belief, share, tilt)


def given_along(risk: Risk, mean: Array, deviations: Array, share: Array | None = None) -> Given:
    """Shocks, shares and chains along `deviations` (time, shocks) from the stationary `mean` (shocks,) of the shocks.

    Afterwards beliefs are stationary again. Where `share` (E,) gives the income states of period 0, the shares follow
    from it by the same chain.
    """
    beliefs = jnp.concatenate([risk.belief[None], risk.belief + deviations @ risk.tilt, risk.belief[None]])

    def advance(joint, ends):
        now, then = ends
        moves = risk.transition + (then - now @ risk.transition)[None]
        flows = jnp.einsum("ze,zx,zxef->zxef", joint, moves, risk.income)
        share = joint.sum(axis=0)
        return flows.sum(axis=(0, 2)), (share, flows.sum(axis=(0, 1)) / share[:, None])

    now, (_, first) = advance(risk.joint, (beliefs[0], beliefs[1]))
    _, (shares, chain) = jax.lax.scan(advance, now, (beliefs[1:-1], beliefs[2:]))
    if share is not None:
        shares = jax.lax.scan(lambda before, moves: (before @ moves, before), share, chain)[1]
    return Given(mean + deviations, shares, chain, first)


def shares_along(economy: Economy, share: Array, chains: Array) -> Array:
    """Shares of own states in every period, (time, own), from those of period 0 and the chains of income (time, E,
    E)."""
    return jax.lax.scan(lambda before, moves: (economy.with_income(moves).move(before), before), share, chains)[1]


def improbable(risk: Risk, deviations: np.ndarray) -> int | None:
    """The first period in which the path asks for a probability below zero, or None."""
    least = np.asarray(risk.belief + jnp.asarray(deviations) @ risk.tilt).min(axis=1)
    return int(np.argmax(least < -1e-9)) if least.min() < -1e-9 else None
