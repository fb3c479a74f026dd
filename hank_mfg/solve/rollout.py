"""The one rollout: everybody follows a policy along sampled paths of common noise.

Conditional on the drawn aggregate shocks everything is exact: the mass is pushed forward, never sampled. At every
period the rollout looks one step ahead at *every* aggregate state that may come next, so that conditional
expectations are exact over idiosyncratic and aggregate risk alike; one of those states is then drawn and becomes the
next period.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Aggregate, Economy, Public
from hank_mfg.environment.lottery import Lottery
from hank_mfg.policy.policy import Policy, Tables


class State(NamedTuple):
    """The start of a period: the aggregate state and everybody's memory of earlier signals."""

    aggregate: Aggregate
    memory: Array


class Decision(NamedTuple):
    """A period from signal to choice: all (assets, income) arrays are over the individual states of that period."""

    state: State
    public: Public
    signal: Array
    memory: Array
    cash: Array
    desired: Array
    savings: Array


def decide(economy: Economy, policy: Policy, tables: Tables, state: State) -> Decision:
    """Form prices, show the signal, update memory, choose."""
    public = economy.public(state.aggregate)
    signal = economy.signal(public)
    memory, features = policy.remember(state.memory, signal)
    cash = economy.resources(public)
    desired = policy.consumption(features, cash, tables)
    lower, upper = economy.bounds(cash)
    savings = jnp.clip(cash - desired, lower, upper)
    return Decision(state, public, signal, memory, cash, desired, savings)


class Step(NamedTuple):
    """One period and what may follow: `next` holds the decisions in every aggregate state of next period."""

    now: Decision
    gamble: Lottery
    next: Decision
    shock_next: Array


def look_ahead(economy: Economy, policy: Policy, tables: Tables, now: Decision) -> tuple[Lottery, Decision]:
    """Everybody's decisions next period in each aggregate state that may come: leading axis (shocks,)."""
    gamble = economy.lottery(now.savings)
    settled = economy.settle(now.state.aggregate.mass, gamble)

    def branch(shock_next):
        aggregate = economy.arrive(settled, now.state.aggregate.shock, shock_next)
        return decide(economy, policy, tables, State(aggregate, now.memory))

    return gamble, jax.vmap(branch)(jnp.arange(economy.shock_count, dtype=jnp.int32))


def rollout(economy: Economy, policy: Policy, tables: Tables, state: State, draw, record, *, periods: int):
    """Follow one path for `periods` periods.

    `draw(t, shock)` gives next period's aggregate state; `record(step)` says what to keep of each `Step`, stacked
    along a leading time axis. Returns the last state and the record. Batch over paths with `vmap`.
    """

    def period(now: Decision, t):
        gamble, branches = look_ahead(economy, policy, tables, now)
        shock_next = draw(t, now.state.aggregate.shock)
        following = jax.tree.map(lambda x: x[shock_next], branches)
        return following, record(Step(now, gamble, branches, shock_next))

    last, kept = jax.lax.scan(period, decide(economy, policy, tables, state), jnp.arange(periods))
    return last.state, kept
