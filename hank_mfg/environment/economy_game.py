"""A declared economy as a mean-field game, for the solvers, baselines and measures of games.

The common noise of a period is the aggregate shock, what the period before carried over and, where prices clear inside
the period, these prices. The action of a household is a share s of the most that it can consume,

    x = s x_max,        x_max what it consumes with the lowest savings,
    a' = savings that cash on hand buys after x, between the lowest and the highest of the grid,

where x is consumption, or with GHH preferences consumption less effort. Savings move by the economy's lottery,
income moves by its chain, and the horizon is closed by a value of states after the last period.

**Prices that clear inside the period.** A game acts before its prices are known: all see those of the period before in
the signals that name them, and choose a share, which is defined at every price. Once all have chosen, prices clear: the
root of excess demand of the shares chosen. What the period's equations expect of tomorrow, declared or of firms that
set prices, is that it will be like today. Where there is no root inside the declared brackets, prices are at the point
of the least excess that the search found, and `excess` says what is left over.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.clearing import clear
from hank_mfg.environment.economy import NO_STATE_VARIABLES, Economy, Public
from hank_mfg.environment.economy import Aggregate as EconomyAggregate
from hank_mfg.environment.game import AbstractGame, Aggregate, Discrete, Interval, Landing, Population, Taken
from hank_mfg.environment.lottery import lottery
from hank_mfg.model.base import Model, named
from hank_mfg.model.labor import GHH
from hank_mfg.model.named import Named
from hank_mfg.model.portable import portable
from hank_mfg.model.preferences import equivalent_share

HOUSEHOLDS = "households"


@portable
class EconomyNoise(NamedTuple):
    """The common noise of an economy: the index of the aggregate shock, what the last period carried over, and the
    prices that clear inside the period, those of the period before until all have acted."""

    shock: Array
    state_variables: Named
    clearing_prices: Named


class Member(NamedTuple):
    """Individual households: `assets`, idiosyncratic values `own`, and the index of the income state."""

    assets: Array
    own: Named
    income: Array


class Start(NamedTuple):
    """The initial state and terminal value of a game.

    `shares` (shocks,) are the probabilities of the first aggregate shock, `masses` (shocks, states) the mass in each,
    `clearing_prices` the prices before it; `end` (states,) is the value after the last period. `weight` is the mean
    value of one unit of utility in every period, `slope` that of one percent more consumption times 100, in the
    stationary equilibrium."""

    shares: Any
    masses: Any
    clearing_prices: Named
    end: Any
    weight: Any
    slope: Any


class EconomyGame(AbstractGame):
    """An economy of `horizon` periods as a game; see the module's formulas, and `as_game`, which makes it.

    `bins` midpoints of shares are the actions, or any share with None; `spline` (assets, knots) are the functions of
    assets that policies combine, for every income state.
    """

    economy: Economy
    begin: Start
    spline: Any
    discount_factor: Any
    horizon: int = eqx.field(static=True)
    bins: int | None = eqx.field(static=True, default=20)

    @property
    def fixed_features(self) -> bool:
        """They depend on the own state only."""
        return True

    @property
    def clears(self) -> bool:
        """Whether there are prices that clear inside the period."""
        return bool(self.economy.clearing_prices)

    @property
    def populations(self) -> dict[str, Population]:
        """Households over assets x income."""
        shares = Interval(0.0, 1.0)
        if self.bins is not None:
            shares = Discrete((np.arange(self.bins) + 0.5) / self.bins, ordered=True)
        return {HOUSEHOLDS: Population(self.economy.shape, shares)}

    def start(self, uniforms: Array) -> Aggregate:
        """The stationary mass of assets and types, income and the shock as in the long run."""
        dtype = self.economy.dtype
        shares, masses = jnp.asarray(self.begin.shares, dtype), jnp.asarray(self.begin.masses, dtype)
        shock = jnp.sum(uniforms[0] >= jnp.cumsum(shares)[:-1]).astype(jnp.int32)
        first = {name: jnp.asarray(value, dtype) for name, value in self.economy.model.state_variables().items()}
        state_variables = Named("state_variables", first) if first else NO_STATE_VARIABLES
        clearing_prices = Named(
            "clearing_prices", {name: jnp.asarray(x, dtype) for name, x in self.begin.clearing_prices.items()}
        )
        return Aggregate(
            {HOUSEHOLDS: masses[shock]}, EconomyNoise(shock, state_variables, clearing_prices), jnp.zeros((), jnp.int32)
        )

    def draw(self, aggregate: Aggregate, uniforms: Array) -> EconomyNoise:
        """The aggregate shock of next period, what this one carries over, and its prices."""
        noise = aggregate.noise
        shock = self.economy.shocks_from(noise.shock, uniforms[:1])[0]
        return EconomyNoise(shock, self.economy.next_state(self.public(aggregate)), noise.clearing_prices)

    def public(self, aggregate: Aggregate) -> Public:
        """Shocks, aggregates and prices of the period."""
        return self._at(aggregate, aggregate.noise.clearing_prices)

    def _at(self, aggregate: Aggregate, clearing_prices: Named) -> Public:
        """The same at other prices that clear inside the period."""
        mass, noise = aggregate.masses[HOUSEHOLDS].reshape(self.economy.shape), aggregate.noise
        return self.economy.public(EconomyAggregate(mass, noise.shock, noise.state_variables), clearing_prices)

    def signal(self, aggregate: Aggregate) -> Array:
        """The signals that the model declares; prices that clear inside the period are those of the period before."""
        return self.economy.signal(self.public(aggregate))

    @property
    def signal_names(self) -> tuple[str, ...]:
        """The names that the model gives them."""
        aggregate = jax.eval_shape(lambda: self.start(jnp.full(self.draws, 0.5)))
        public = jax.eval_shape(self.public, aggregate)
        shown = self.economy.model.signal
        seen = jax.eval_shape(lambda p: named("signal", shown(p.today), "signal"), public)
        return tuple(seen)

    def place(self, population: str, states: Array) -> Member:
        """Assets, idiosyncratic values and the income state."""
        income = states % self.economy.shape[1]
        own = Named("own", {name: values[income] for name, values in self.economy.own.items()})
        return Member(self.economy.grid.points[states // self.economy.shape[1]], own, income)

    def savings(self, public: Public, own: Member, actions: Array) -> tuple[Array, Array]:
        """Cash on hand, and next assets with these shares: they broadcast with `own`; money and assets in goods."""
        economy = self.economy
        cash = economy.cash(own.assets, public, own.own)
        budget = economy.budget(public, own.own)
        lowest = economy.ends_of(own.income)[0]
        wanted = budget.savings_of(cash, actions * budget.consumption_of(cash, lowest))
        return cash, jnp.clip(wanted, *economy.bounds(jnp.broadcast_to(cash, jnp.shape(wanted)), public, lowest))

    def shares_of(self, aggregate: Aggregate, savings: Array) -> Array:
        """The actions that choose `savings` in every state: (states, 1). The inverse of `savings` inside its bounds."""
        economy, public = self.economy, self.public(aggregate)
        own = self.place(HOUSEHOLDS, jnp.arange(economy.shape[0] * economy.shape[1], dtype=jnp.int32))
        cash = economy.cash(own.assets, public, own.own)
        budget = economy.budget(public, own.own)
        most = budget.consumption_of(cash, economy.ends_of(own.income)[0])
        return (budget.consumption_of(cash, savings.reshape(-1)) / most)[:, None]

    def land(self, population: str, aggregate: Aggregate, own: Member, actions: Array) -> Landing:
        """The lottery over assets of the economy, income held."""
        chosen = lottery(self.savings(self.public(aggregate), own, actions)[1], self.economy.grid)
        index = chosen.index * self.economy.shape[1] + own.income
        weight = jnp.stack([1.0 - chosen.weight, chosen.weight], axis=-1)
        return Landing(jnp.stack([index, index + self.economy.shape[1]], axis=-1), weight)

    def kernel(self, population: str, aggregate: Aggregate, noise_next: EconomyNoise) -> Array:
        """The income chain, given the aggregate move."""
        return self.economy.chain(aggregate.noise.shock, noise_next.shock).population()

    def reward(self, population: str, aggregate: Aggregate, following: Aggregate, own: Member, actions: Array) -> Array:
        """Flow utility, at the best hours where they are chosen."""
        public = self.public(aggregate)
        cash, savings = self.savings(public, own, actions)
        budget = self.economy.budget(public, own.own)
        return budget.flow(budget.unspent(cash, savings))

    def features(self, population: str, aggregate: Aggregate) -> tuple[Array, ...]:
        """A spline in the position on the asset grid, and the income states."""
        return self.spline, jnp.eye(self.economy.shape[1], dtype=self.spline.dtype)

    def discount(self, population: str, aggregate: Aggregate, own: Member) -> Array:
        """The discount factor of the model, which may differ and move."""
        if type(self.economy.model).discounting is Model.discounting:
            return self.discount_factor
        factor = self.economy.discount_factor(self.economy.shocks(aggregate.noise.shock), own.own)
        return jnp.broadcast_to(factor, own.income.shape)

    def terminal(self, population: str, aggregate: Aggregate) -> Array:
        """The value after the last period: that of the stationary equilibrium."""
        return jnp.asarray(self.begin.end, self.economy.dtype)

    def excess(self, aggregate: Aggregate, taken: dict[str, Taken]) -> Array:
        """The residual of every equation of the period, (clearing prices,), at its prices; see `Economy.markets`."""
        return self._excess(self.public(aggregate), taken[HOUSEHOLDS])

    def _excess(self, public: Public, taken: Taken) -> Array:
        economy, own = self.economy, taken.own
        cash, savings = self.savings(public, own, taken.actions)
        budget = economy.budget(public, own.own)
        chosen = budget.chosen(savings, budget.consumption_of(cash, savings))
        sums = {name: jnp.sum(taken.weight * each) for name, each in chosen.items()}
        return economy.markets(public, Named("choices", sums))

    def clear(self, aggregate: Aggregate, taken: dict[str, Taken]) -> Aggregate:
        """Prices at which the shares chosen clear the markets, from those of the period before."""
        names, before = self.economy.clearing_prices, aggregate.noise.clearing_prices

        def excess(x: Array) -> Array:
            candidates = Named("clearing_prices", dict(zip(names, x, strict=True)))
            return self._excess(self._at(aggregate, candidates), taken[HOUSEHOLDS])

        found = clear(excess, jnp.stack([before[name] for name in names]), *self.economy.brackets())
        clearing_prices = Named("clearing_prices", dict(zip(names, found.x, strict=True)))
        return aggregate._replace(noise=aggregate.noise._replace(clearing_prices=clearing_prices))

    def consumption_equivalent(self, gain: Array, value: Array) -> Array:
        """The permanent percent of goods, at unchanged hours, equivalent to `gain` in mean lifetime utility.

        With u(f c) = f^(1-g) u(c) + u(f) the gain of f times the goods is u(f) D, with D the discounted u'(c) c. Under
        CRRA D = W + (1-g) V with W the value of a unit of utility in every period and V = `value`: exact where patience
        does not move with the aggregate shock. With hours D is that of the stationary equilibrium, and under GHH the
        percent is of first order.
        """
        preferences, begin = self.economy.model.preferences(), self.begin
        risk_aversion = float(preferences.risk_aversion)
        of_utility = float(begin.weight) + (1.0 - risk_aversion) * float(value)
        units = float(gain) / (float(begin.slope) if self.economy.works else of_utility)
        return jnp.asarray(100.0 * (units if isinstance(preferences, GHH) else equivalent_share(risk_aversion, units)))
