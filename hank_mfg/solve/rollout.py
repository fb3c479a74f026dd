"""The one rollout: everybody follows a policy along a path of common noise.

Conditional on the path of aggregate shocks everything is exact: the mass is pushed forward, never sampled. With
`foresight` the rollout also evaluates, at every period, *every* aggregate state that may come next, so that
conditional expectations are exact over idiosyncratic and aggregate risk alike; the state on the path becomes the next
period.
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
    """A period from signal to choice; (assets, income) arrays are over the individual states of that period.

    `cash` on hand, `desired` consumption before the budget binds, `savings` next assets within the bounds; `features`
    what the head was given.
    """

    state: State
    public: Public
    signal: Array
    memory: Array
    features: Array
    cash: Array
    desired: Array
    savings: Array


class Step(NamedTuple):
    """One period and what may follow: `next` holds the decisions in every aggregate state of next period.

    `next` has a leading axis (shocks,), or is None without foresight.
    """

    now: Decision
    gamble: Lottery
    next: Decision | None
    shock_next: Array


def decide(economy: Economy, policy: Policy, tables: Tables, state: State) -> Decision:
    """Form prices, show the signal, update memory, choose."""
    public = economy.public(state.aggregate)
    signal = economy.signal(public)
    memory, features = policy.remember(state.memory, signal)
    cash = economy.resources(public)
    desired = policy.consumption(features, cash, tables)
    lower, upper = economy.bounds(cash)
    savings = jnp.clip(cash - desired, lower, upper)
    return Decision(state, public, signal, memory, features, cash, desired, savings)


class Play(NamedTuple):
    """Who plays what: an economy, the policy that everybody follows, and its tables on the economy's grid."""

    economy: Economy
    policy: Policy
    tables: Tables

    def decide(self, state: State) -> Decision:
        """Everybody's decision in a state."""
        return decide(self.economy, self.policy, self.tables, state)

    def branches(self, now: Decision, gamble: Lottery, shocks_next: Array) -> Decision:
        """Everybody's decisions next period in each of the given aggregate states: leading axis (shocks,)."""
        settled = self.economy.settle(now.state.aggregate.mass, gamble)

        def branch(shock_next):
            aggregate = self.economy.arrive(settled, now.state.aggregate.shock, shock_next)
            return self.decide(State(aggregate, now.memory))

        return jax.vmap(branch)(shocks_next)


def rollout(play: Play, state: State, shocks_next: Array, record, *, foresight: bool):
    """Follow one path. Batch over paths with `vmap`.

    `shocks_next` (time,) are the aggregate states of the following periods; `record(step)` says what to keep of each
    `Step`, stacked along a leading time axis. Returns the state after the last period and the record.
    """
    every = jnp.arange(play.economy.shock_count, dtype=jnp.int32)

    def period(now: Decision, shock_next):
        gamble = play.economy.lottery(now.savings)
        if foresight:
            ahead = play.branches(now, gamble, every)
            following = jax.tree.map(lambda x: x[shock_next], ahead)
        else:
            ahead = None
            following = jax.tree.map(lambda x: x[0], play.branches(now, gamble, shock_next[None]))
        return following, record(Step(now, gamble, ahead, shock_next))

    last, kept = jax.lax.scan(period, play.decide(state), shocks_next)
    return last.state, kept
