"""The value of a savings plan to one household along a fixed aggregate path.

Along a path of aggregate states z_0, z_1, ... nothing depends on one household, so a savings plan a' has the value

    V_t(a, e) = F_t(a, a') + beta_t(e) sum_e' P(e' | e, z_t, z_{t+1}) V_{t+1}(a', e'),

by one recursion backward in time, exact over own risk.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.lottery import expect_each
from hank_mfg.solve.play.rollout import Decision, Play, State, for_each, rollout


class Frozen(NamedTuple):
    """The environment of one household on one path, leading axis time, independent of its own choices.

    `now` and `ahead` are all others' decisions; their public parts (prices, signals, cash) are its own too.
    """

    now: Decision
    ahead: Decision | None
    shock_next: Array


def freeze(play: Play, state: State, shocks_next: Array, foresight: bool) -> tuple[State, Frozen]:
    """All households follow `play` along the aggregate states `shocks_next` (time,): the last state, and what one
    household faces on the way, with the others' decisions in every state that may follow if there is `foresight`."""
    last, steps = rollout(play, state, shocks_next, lambda step: step)
    ahead = for_each(play.economy, play.look_ahead, steps) if foresight else None
    return last, Frozen(steps.now, ahead, steps.shock_next)


def path_value(
    economy: Economy,
    path: Frozen,
    savings: Array,
    terminal: Array,
    flow: Callable[[Array, Public], Array] | None = None,
) -> Array:
    """Lifetime utility of following `savings` (time, assets, income) along a path: (assets, income) at its start.

    `terminal` (assets, income) is the value after the last period. Another `flow(savings, public)` than utility is
    discounted and expected in its place, or several at once, stacked in a leading axis that `terminal` has too.
    """
    flow = economy.reward if flow is None else flow

    def back(value, period):
        now, shock_next, choice = period
        chain = economy.chain(now.state.aggregate.shock, shock_next)
        ahead = expect_each(value, economy.lottery(choice), chain)
        return flow(choice, now.public) + economy.discount_factor(now.public.shocks) * ahead, None

    return jax.lax.scan(back, terminal, (path.now, path.shock_next, savings), reverse=True)[0]
