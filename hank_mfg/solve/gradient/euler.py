"""The structural gradient of an individual who saves, period by period along a path.

Own assets a, choice x = a', reward F(a, x), prices taken as given. With V_a the marginal value of assets,

    dJ/dx = m [ F_2 + beta E V_a' ],            the derivative of the objective in the choice of one state,
    V_a   = F_1 + x_a [ F_2 + beta E V_a' ],     the costate, backwards along the path, x_a = dx/da.

The envelope theorem gives V_a = F_1 where the bracket vanishes, which makes F_1 a critic that needs no learning: the
costate is F_1 plus a gap that accumulates the errors ahead,

    gap_t = x_a [ residual_t + beta E gap_{t+1} ],      residual_t = F_2 + beta E F_1'.

`residual` uses the exact expectation over every next aggregate state, `gap` the drawn path, so the noise of the
sampled shocks is multiplied by errors that vanish at the solution. td_lambda = 1 is the exact gradient of the objective
along the path with the critic at its end, td_lambda = 0 the one-step first-order condition.

Where a planner chooses for all, F_1 has one more term, what own assets do to all others through prices
(environment/externality.py); nothing else differs.

A firm that sets its price has one state, the price of the period before, and all firms are alike: its critic F_q is
known, its gradient F_p + E[L F_q'] vanishes where what it expects, an output of the network, is the expectation.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.externality import externality
from hank_mfg.environment.life import Chain
from hank_mfg.environment.lottery import Lottery, expect
from hank_mfg.solve.play.rollout import Decision, Step, for_each
from hank_mfg.solve.stationary.portfolio import marginal_values


class FirstOrder(NamedTuple):
    """First-order information at every individual state: (assets, income) unless said.

    `residual` = F_2 + beta E F_1'; `curvature` = F_22 + min(beta E dF_1'/da', 0) < 0, since values are concave although
    those of a policy in training need not be, between two close points of the grid; `persistence` = x_a, zero where a
    bound binds; `lottery` the lottery; `chain` that of own states along the drawn move; `discount_factor` (1, income)
    today's.
    """

    residual: Array
    curvature: Array
    persistence: Array
    lottery: Lottery
    chain: Chain
    discount_factor: Array


def first_order(economy: Economy, step: Step, ahead: Decision, there: Economy | None = None) -> FirstOrder:
    """Residual and curvature of the first-order condition, exact over next period's aggregate and own states.

    `ahead` holds the decisions in every aggregate state that may follow, leading axis (shocks,), on the grid of the
    economy `there`, by default that of `economy`.
    """
    now, shock = step.now, step.now.state.aggregate.shock
    there, lottery = (economy, step.lottery) if there is None else (there, there.lottery(now.savings))

    def expected(shock_next, decision):
        marginal, _, _ = there.marginal_rewards(decision.savings, decision.public)
        if there.planned:
            marginal += externality(there, decision.public, decision.state.aggregate.mass, decision.savings)
        return economy.shock_transition[shock, shock_next] * economy.chain(shock, shock_next).expect(marginal)

    each = jax.vmap(expected)(jnp.arange(economy.shock_count, dtype=jnp.int32), ahead)
    discount_factor = economy.discount_factor(now.public.shocks)
    value = discount_factor * each.sum(axis=0)
    _, in_choice, twice = economy.marginal_rewards(now.savings, now.public)
    ahead_here, ahead_slope = there.read_marginal(value, lottery)
    interior = (now.unconstrained_savings >= economy.lowest) & (now.savings < economy.highest)
    slopes = jnp.asarray(jnp.gradient(now.savings, economy.grid.points, axis=0))
    persistence = jnp.where(interior, slopes, 0.0)
    chain = economy.chain(shock, step.shock_next)
    residual, curvature = in_choice + ahead_here, twice + jnp.minimum(ahead_slope, 0.0)
    return FirstOrder(residual, curvature, persistence, step.lottery, chain, discount_factor)


def exact_ahead(economy: Economy, step: Step, ahead: Decision) -> Array:
    """What households with two assets should expect of marginal values at every choice, exact over next period's
    aggregate and own states: (2, assets, income). `ahead` holds the decisions in every state that may follow."""
    shock = step.now.state.aggregate.shock

    def expected(shock_next, decision):
        marginal = marginal_values(economy, decision.public, decision.savings, decision.unconstrained_consumption)
        return economy.shock_transition[shock, shock_next] * economy.chain(shock, shock_next).expect(marginal)

    return for_each(economy, expected, jnp.arange(economy.shock_count, dtype=jnp.int32), ahead).sum(axis=0)


def due_expectations(economy: Economy, now: Decision, ahead: Decision) -> Array:
    """What the period's equations should expect, exact over next period's aggregate states: (expectations,). `ahead`
    holds the decisions in every state that may follow."""
    probabilities = economy.shock_transition[now.state.aggregate.shock]
    return probabilities @ jax.vmap(lambda public: economy.expected(now.public, public))(ahead.public)


def structural_gradient(economy: Economy, path: FirstOrder, td_lambda: float) -> Array:
    """F_2 + beta E V_a' at every period of one path, by the backward recursion of the gap: (time, assets, income)."""

    def back(gap_next, period):
        ahead = expect(gap_next, period.lottery, period.chain)
        gradient = period.residual + td_lambda * period.discount_factor * ahead
        return period.persistence * gradient, gradient

    nothing_left = jnp.zeros(economy.shape, economy.dtype)
    _, gradient = jax.lax.scan(back, nothing_left, path, reverse=True)
    return gradient
