"""The one rollout: everybody follows a policy along a path of common noise.

Conditional on the path of aggregate shocks everything is exact: the mass is pushed forward, never sampled.
`look_ahead` evaluates *every* aggregate state that may follow a period, so that conditional expectations are exact over
idiosyncratic and aggregate risk alike. It is kept out of the scan: a scan over periods is a chain of small operations,
looking ahead is one large one over all periods at once.
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
    """One period as it happened: the decision, its lottery, and the aggregate state of the next period."""

    now: Decision
    gamble: Lottery
    shock_next: Array


class Play(NamedTuple):
    """Who plays what: an economy, the policy that everybody follows, and its tables on the economy's grid."""

    economy: Economy
    policy: Policy
    tables: Tables

    def decide(self, state: State) -> Decision:
        """Form prices, show the signal, update memory, choose."""
        public = self.economy.public(state.aggregate)
        signal = self.economy.signal(public)
        memory, features = self.policy.remember(state.memory, signal)
        cash = self.economy.resources(public)
        desired = self.policy.consumption(features, cash, self.tables)
        lower, upper = self.economy.bounds(cash)
        savings = jnp.clip(cash - desired, lower, upper)
        return Decision(state, public, signal, memory, features, cash, desired, savings)

    def follow(self, now: Decision, gamble: Lottery, shock_next: Array) -> State:
        """The start of next period, given its aggregate state."""
        settled = self.economy.settle(now.state.aggregate.mass, gamble)
        return State(self.economy.arrive(settled, now.state.aggregate.shock, shock_next), now.memory)

    def look_ahead(self, step: Step) -> Decision:
        """Everybody's decisions next period in every aggregate state that may come: leading axis (shocks,)."""
        settled = self.economy.settle(step.now.state.aggregate.mass, step.gamble)

        def branch(shock_next):
            aggregate = self.economy.arrive(settled, step.now.state.aggregate.shock, shock_next)
            return self.decide(State(aggregate, step.now.memory))

        return jax.vmap(branch)(jnp.arange(self.economy.shock_count, dtype=jnp.int32))


def rollout(play: Play, state: State, shocks_next: Array, record):
    """Follow one path. Batch over paths with `vmap`.

    `shocks_next` (time,) are the aggregate states of the following periods; `record(step)` says what to keep of each
    `Step`, stacked along a leading time axis. Returns the state after the last period and the record.
    """

    def period(state: State, shock_next):
        now = play.decide(state)
        step = Step(now, play.economy.lottery(now.savings), shock_next)
        return play.follow(now, step.gamble, shock_next), record(step)

    return jax.lax.scan(period, state, shocks_next)
