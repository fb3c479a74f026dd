"""The one rollout: all households follow a policy along a path of common noise.

Conditional on the path of aggregate shocks everything is exact: the mass is pushed forward, never sampled. Where prices
clear inside the period, the policy is evaluated at each candidate price, with signal and memory, until markets clear
(clearing.py). `look_ahead` evaluates *every* aggregate state that may follow a period, so that conditional expectations
are exact over idiosyncratic and aggregate risk alike. It stays out of the scan: a scan over periods is a chain of small
operations, looking ahead is one large one over all periods at once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.clearing import clear
from hank_mfg.environment.economy import NO_CLEARING_PRICES, Aggregate, Economy, Public
from hank_mfg.model.named import Named
from hank_mfg.model.portable import portable
from hank_mfg.policy.policy import Policy
from hank_mfg.policy.portfolio_policy import PortfolioPolicy
from hank_mfg.solve.play.market import Market
from hank_mfg.solve.stationary.portfolio import choice_function, chosen_by


@portable
class State(NamedTuple):
    """The start of a period: the aggregate state, the memory of earlier signals, where to look first for the
    prices that clear inside the period, and by how much they then miss clearing, (clearing prices,): in training
    only."""

    aggregate: Aggregate
    memory: Array
    guess: Named = NO_CLEARING_PRICES
    price_noise: Array | None = None


class Decision(NamedTuple):
    """A period from signal to choice; (assets, income) arrays are over the individual states of that period.

    `cash` on hand, `unconstrained_consumption` consumption before the budget binds and what it would save,
    `unconstrained_savings`; `savings` next assets within the bounds; `features` what the heads were given;
    `expected` (expectations,) what the period's equations expect; `excess` (clearing prices,) what is left over of the
    equations by which prices clear inside the period."""

    state: State
    public: Public
    signal: Array
    memory: Array
    features: Array
    cash: Array
    unconstrained_consumption: Array
    unconstrained_savings: Array
    savings: Array
    expected: Array
    excess: Array


class Step(NamedTuple):
    """One period as it happened: the decision, its lottery and the aggregate state of the next period.

    `settled` is the mass over (chosen assets, today's income) once households have chosen.
    """

    now: Decision
    lottery: Any
    settled: Array
    shock_next: Array


class Play(NamedTuple):
    """An economy, the policy of all households, and its tables on the economy's grid; in training `fine` is the same
    on the finer grid on which the mass moves, where there is one (fine_mass.py)."""

    economy: Economy
    policy: Policy
    tables: Any
    fine: "Play | None" = None

    def decide(self, state: State) -> Decision:
        """Form prices, show the signal, update memory, choose."""
        economy = self.economy
        names = economy.clearing_prices
        if not names:
            return self.choose(state, economy.public(state.aggregate))

        guess = jnp.stack([state.guess[name] for name in names])
        inverse = self.policy.inverse if isinstance(self.policy, PortfolioPolicy) else None
        found = clear(lambda x: self.at(state, x).excess, guess, *economy.brackets(), inverse)
        if state.price_noise is None:
            return self.at(state, found.x)
        return self.at(state, found.x + state.price_noise)._replace(excess=found.excess)

    def at(self, state: State, x: Array) -> Decision:
        """Households' decisions if the prices that clear inside the period were `x` (clearing prices,)."""
        candidates = Named("clearing_prices", dict(zip(self.economy.clearing_prices, x, strict=True)))
        return self.choose(state, self.economy.public(state.aggregate, candidates))

    def choose(self, state: State, public: Public) -> Decision:
        """Households' decisions once prices are formed, and whether markets clear then."""
        economy = self.economy
        signal = economy.signal(public)
        memory, features = self.policy.remember(state.memory, signal)
        cash = economy.resources(public)
        unconstrained_consumption, unconstrained_savings, savings = self.choices(features, cash, public)
        expected = self.policy.expected(features)
        excess = economy.excess_demand(state.aggregate.mass, public, savings, expected)
        return Decision(
            state,
            public,
            signal,
            memory,
            features,
            cash,
            unconstrained_consumption,
            unconstrained_savings,
            savings,
            expected,
            excess,
        )

    def choices(self, features: Array, cash: Array, public: Public) -> tuple[Array, Array, Array]:
        """Consumption and savings before bounds bind, and savings within them; of two assets, whose policy minds all
        bounds, those within them."""
        economy = self.economy
        if isinstance(self.policy, PortfolioPolicy):
            ahead = self.policy.ahead(features, self.tables)
            choice = chosen_by(economy, public, choice_function(economy, public, ahead))
            return choice.consumption, choice.savings, choice.savings
        consumption = self.unconstrained_consumption(features, cash, public)
        savings = economy.budget(public).savings_of(cash, consumption)
        return consumption, savings, jnp.clip(savings, *economy.bounds(cash, public))

    def unconstrained_consumption(self, features: Array, cash: Array, public: Public) -> Array:
        """Unconstrained consumption, as if no bound on savings were binding, (assets, income)."""
        economy = self.economy
        floor = economy.budget(public).cost(economy.lowest)
        return self.policy.consumption(features, cash, self.tables, economy.clearing_values(public), floor)

    def act(self, now: Decision, shock_next: Array) -> Step:
        """Carry out a decision, given the aggregate state of the next period."""
        lottery = self.economy.lottery(now.savings)
        return Step(now, lottery, self.economy.settle(now.state.aggregate.mass, lottery), shock_next)

    def follow(self, step: Step, shock_next: Array) -> State:
        """The start of next period in aggregate state `shock_next`."""
        economy, now = self.economy, step.now
        state_variables = economy.next_state(now.public)
        aggregate = economy.arrive(step.settled, now.state.aggregate.shock, shock_next, state_variables)
        guess = Named("clearing_prices", {name: now.public.prices[name] for name in economy.clearing_prices})
        still = None if now.state.price_noise is None else jnp.zeros_like(now.state.price_noise)
        return State(aggregate, now.memory, guess, still)

    def look_ahead(self, step: Step) -> Decision:
        """Households' decisions next period in every aggregate state that may come: leading axis (shocks,)."""
        every = jnp.arange(self.economy.shock_count, dtype=jnp.int32)
        return for_each(self.economy, lambda z: self.decide(self.follow(step, z)._replace(price_noise=None)), every)


def for_each(economy: Economy, function: Callable, *each: Any) -> Any:
    """`function` of every member of a batch, leading axis of `each`: all at once, with two assets one after the other.

    Of many searches for prices side by side all take as long as the longest, and arrays over pairs of assets, choices
    and states of all of them at once fit into no cache.
    """
    if economy.several:
        return jax.lax.map(lambda one: function(*one), each)
    return jax.vmap(function)(*each)


class NoisyPrices(NamedTuple):
    """A `Play` in which prices miss clearing by what is drawn beside the next shock: (shock, price_noise).

    Along an equilibrium path a price that clears moves with the state of the economy only, so without noise
    the policy is not trained at other prices, on which the market's excess demand, and so the price itself, depends.
    Tomorrow is looked ahead to without price noise.
    """

    play: Play

    def decide(self, state: State) -> Decision:
        """As in the play itself."""
        return self.play.decide(state)

    def act(self, now: Decision, draw: tuple[Array, Array]) -> Step:
        """As in the play itself."""
        return self.play.act(now, draw[0])

    def follow(self, step: Step, draw: tuple[Array, Array]) -> State:
        """The start of next period, with its price noise."""
        return self.play.follow(step, draw[0])._replace(price_noise=draw[1])


Beginning = TypeVar("Beginning")


class Playable(Protocol[Beginning]):
    """The interface of a rollout: `Play` for economies, `GamePlay` for games."""

    def decide(self, state: Beginning, /) -> Any:
        """The decisions of a period from its start."""

    def act(self, now: Any, draw: Any, /) -> Any:
        """Carry the choices out, given what is drawn for the common noise of next period."""

    def follow(self, step: Any, draw: Any, /) -> Beginning:
        """The start of next period."""
        ...


def rollout(play: Playable[Beginning], state: Beginning, shocks_next: Any, record) -> tuple[Beginning, Any]:
    """Follow one path. Batch over paths with `vmap`.

    `shocks_next`, arrays (time, ...), is what is drawn for the common noise of the following periods: for economies the
    index of the aggregate state. `record(step)` says what to keep of each step, stacked along a leading time axis.
    Returns the state after the last period and the record.
    """

    def period(state: Beginning, shock_next):
        step = play.act(play.decide(state), shock_next)
        return play.follow(step, shock_next), record(step)

    return jax.lax.scan(period, state, shocks_next)


def worst_market(play: Play, decisions: Decision) -> Market:
    """The worst of a path of decisions, leading axis time; what is not a number is worse than anything."""
    size = jnp.max(jnp.abs(decisions.excess), axis=1, initial=0.0)
    period = jnp.argmax(jnp.where(jnp.isfinite(size), size, jnp.inf))
    now = jax.tree.map(lambda x: x[period], decisions)
    if not play.economy.clearing_prices:
        return Market(period, now.excess, now.excess, now.excess, now.excess)
    ends = (play.at(now.state, end).excess for end in play.economy.brackets())
    return Market(period, play.economy.clearing_values(now.public), now.excess, *ends)
