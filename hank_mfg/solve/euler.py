"""The structural gradient of an individual who saves, period by period along a path.

Own assets a, choice x = a', reward F(a, x), prices taken as given. With V_a the marginal value of assets,

    dJ/dx = m [ F_2 + beta E V_a' ],            the derivative of the objective in the choice of one state,
    V_a   = F_1 + x_a [ F_2 + beta E V_a' ],     the costate, backwards along the path, x_a = dx/da.

The envelope theorem gives V_a = F_1 where the bracket vanishes, which makes F_1 a critic that needs no learning: the
costate is F_1 plus a gap that accumulates the errors ahead,

    gap_t = x_a [ residual_t + beta E gap_{t+1} ],      residual_t = F_2 + beta E F_1'.

`residual` uses the exact expectation over every next aggregate state, `gap` the drawn path, so the noise of the
sampled shocks is multiplied by errors that vanish at the solution. trace = 1 is the exact gradient of the objective
along the path with the critic at its end, trace = 0 the one-step first-order condition.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.lottery import Lottery, expect
from hank_mfg.solve.rollout import Decision, Step


class FirstOrder(NamedTuple):
    """First-order information at every individual state: (assets, income) unless said.

    `residual` = F_2 + beta E F_1'; `curvature` = F_22 + beta E dF_1'/da' < 0; `persistence` = x_a, zero where a bound
    binds; `gamble` the lottery; `income` (E, E) the idiosyncratic chain along the drawn move.
    """

    residual: Array
    curvature: Array
    persistence: Array
    gamble: Lottery
    income: Array


def first_order(economy: Economy, step: Step, ahead: Decision) -> FirstOrder:
    """Residual and curvature of the first-order condition, exact over next period's aggregate and own states.

    `ahead` holds the decisions in every aggregate state that may follow, leading axis (shocks,).
    """
    now, shock = step.now, step.now.state.aggregate.shock

    def expected(shock_next, decision):
        marginal, _, _ = economy.marginal_rewards(decision.savings, decision.public)
        return economy.shock_transition[shock, shock_next] * (marginal @ economy.income_transition[shock, shock_next].T)

    each = jax.vmap(expected)(jnp.arange(economy.shock_count, dtype=jnp.int32), ahead)
    value = economy.discount_factor * each.sum(axis=0)
    _, in_choice, twice = economy.marginal_rewards(now.savings, now.public)
    ahead_here, ahead_slope = economy.read_marginal(value, step.gamble)
    interior = (now.wanted >= economy.grid.lower) & (now.savings < economy.grid.upper)
    slopes = jnp.asarray(jnp.gradient(now.savings, economy.grid.points, axis=0))
    persistence = jnp.where(interior, slopes, 0.0)
    income = economy.income_transition[shock, step.shock_next]
    return FirstOrder(in_choice + ahead_here, twice + ahead_slope, persistence, step.gamble, income)


def structural_gradient(economy: Economy, path: FirstOrder, trace: float) -> Array:
    """F_2 + beta E V_a' at every period of one path, by the backward recursion of the gap: (time, assets, income)."""

    def back(gap_next, period):
        gradient = period.residual + trace * economy.discount_factor * expect(gap_next, period.gamble, period.income)
        return period.persistence * gradient, gradient

    nothing_left = jnp.zeros(economy.shape, economy.dtype)
    _, gradient = jax.lax.scan(back, nothing_left, path, reverse=True)
    return gradient
