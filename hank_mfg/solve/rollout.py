"""The one rollout: everybody follows a policy along a path of common noise.

Conditional on the path of aggregate shocks everything is exact: the mass is pushed forward, never sampled.
`look_ahead` evaluates *every* aggregate state that may follow a period, so that conditional expectations are exact over
idiosyncratic and aggregate risk alike. It is kept out of the scan: a scan over periods is a chain of small operations,
looking ahead is one large one over all periods at once.
"""

from typing import Any, NamedTuple, Protocol, TypeVar

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
    """One period as it happened: the decision, its lottery and the aggregate state of the next period.

    `settled` is the mass over (chosen assets, today's income) once everybody has chosen.
    """

    now: Decision
    gamble: Lottery
    settled: Array
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

    def act(self, now: Decision, shock_next: Array) -> Step:
        """Carry out a decision, given the aggregate state of the next period."""
        gamble = self.economy.lottery(now.savings)
        return Step(now, gamble, self.economy.settle(now.state.aggregate.mass, gamble), shock_next)

    def follow(self, step: Step, shock_next: Array) -> State:
        """The start of next period in aggregate state `shock_next`."""
        aggregate = self.economy.arrive(step.settled, step.now.state.aggregate.shock, shock_next)
        return State(aggregate, step.now.memory)

    def look_ahead(self, step: Step) -> Decision:
        """Everybody's decisions next period in every aggregate state that may come: leading axis (shocks,)."""
        every = jnp.arange(self.economy.shock_count, dtype=jnp.int32)
        return jax.vmap(lambda shock_next: self.decide(self.follow(step, shock_next)))(every)


Beginning = TypeVar("Beginning")


class Playable(Protocol[Beginning]):
    """What can be rolled out: `Play` for economies, `GamePlay` for games."""

    def decide(self, state: Beginning, /) -> Any:
        """From the start of a period to everybody's choices."""

    def act(self, now: Any, draw: Array, /) -> Any:
        """Carry the choices out, given what is drawn for the common noise of next period."""

    def follow(self, step: Any, draw: Array, /) -> Beginning:
        """The start of next period."""
        ...


def rollout(play: Playable[Beginning], state: Beginning, shocks_next: Array, record) -> tuple[Beginning, Any]:
    """Follow one path. Batch over paths with `vmap`.

    `shocks_next` (time, ...) is what is drawn for the common noise of the following periods: for economies the index of
    the aggregate state. `record(step)` says what to keep of each step, stacked along a leading time axis. Returns the
    state after the last period and the record.
    """

    def period(state: Beginning, shock_next):
        step = play.act(play.decide(state), shock_next)
        return play.follow(step, shock_next), record(step)

    return jax.lax.scan(period, state, shocks_next)
