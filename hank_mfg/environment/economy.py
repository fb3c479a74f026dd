"""A declared model on grids: the mean-field game with common noise that solvers and evaluators see."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.budget import Budget, GoodsAlone, Portfolio, least_spent
from hank_mfg.environment.expectations import declared, expected, profit_slopes
from hank_mfg.environment.grids import AssetGrid
from hank_mfg.environment.information_sets import InformationSets, sets_of
from hank_mfg.environment.life import ESTATES, Chain, Life, OwnStates, long_run
from hank_mfg.environment.lottery import Lottery, PairLottery, lottery, read, settle, slope
from hank_mfg.environment.product_grid import ProductGrid
from hank_mfg.model.base import Model, named
from hank_mfg.model.named import Named
from hank_mfg.model.portable import portable
from hank_mfg.model.today import today, with_expected
from hank_mfg.precision import pick

NO_STATE_VARIABLES, NO_CLEARING_PRICES = Named("state_variables"), Named("clearing_prices")


@portable
class Aggregate(NamedTuple):
    """The aggregate state at the start of a period: `mass` (assets, income), the index of the realized shock, and what
    the period before `state_variables` over, a number each."""

    mass: Array
    shock: Array
    state_variables: Named = NO_STATE_VARIABLES


@portable
class Public(NamedTuple):
    """What follows from the aggregate state before anybody chooses; nobody alone moves it."""

    shocks: Named
    aggregates: Named
    prices: Named

    @property
    def given(self) -> Named:
        """What a household takes as given: shocks and prices."""
        return today(self.shocks, self.prices)

    @property
    def today(self) -> Named:
        """Everything of the period that is known before outcomes() and choices."""
        return today(self.shocks, self.aggregates, self.prices)


@portable
class Economy(eqx.Module):
    """One population of households on an asset grid, with a chain of aggregate shocks.

    `own` are the values of the own states, each (income,); `income_transition` (Z, Z, E, E) is the idiosyncratic chain
    given the aggregate move; `shock_values` each (Z,); `shock_transition` (Z, Z); `shares` (types,) of the permanent
    types, whose idiosyncratic states lie together, as many for each. Where lives end, own states are pairs of age and
    idiosyncratic state, the age outermost, and `life` says who lives on; otherwise they are idiosyncratic states alone.
    Where it is `planned` a planner chooses for all households and minds what savings do to prices (externality.py).
    The action of a household is its next assets, between the `bounds` of its state.
    Methods about households take all states, (assets, income), or those that broadcast with idiosyncratic values `own`.
    """

    model: Model
    grid: Any  # AssetGrid, or ProductGrid where there are two assets
    own: Named
    income_transition: Array
    shock_values: Named
    shock_transition: Array
    shares: Array
    life: Life | None = eqx.field(kw_only=True, default=None)
    planned: bool = eqx.field(kw_only=True, default=False, static=True)

    @property
    def dtype(self):
        """The floating-point type of every array of this economy."""
        return self.income_transition.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """(assets, income): the individual states."""
        ages = 1 if self.life is None else len(self.life.survival)
        return self.grid.size, ages * self.income_transition.shape[-1]

    @property
    def plan_shape(self) -> tuple[int, ...]:
        """The shape of what a household's problem is solved for."""
        return (2, *self.shape) if self.several else self.shape

    def chain(self, shock: Any = 0, shock_next: Any = 0) -> Chain:
        """How own states move, given the aggregate move."""
        return self.with_income(self.income_transition[shock, shock_next])

    def with_income(self, income: Array) -> Chain:
        """How own states move where idiosyncratic states move by `income` (E, E)."""
        return Chain(income, self.life)

    @property
    def types(self) -> np.ndarray:
        """The permanent type of every own state: (income,)."""
        income = self.income_transition.shape[-1]
        return np.tile(np.repeat(np.arange(len(self.shares)), income // len(self.shares)), self.shape[1] // income)

    @property
    def shock_count(self) -> int:
        """The number of aggregate states; one without aggregate risk."""
        return self.shock_transition.shape[0]

    def on(self, grid: AssetGrid | ProductGrid) -> Self:
        """This economy on another asset grid."""
        return eqx.tree_at(lambda e: e.grid, self, grid)

    def long_run(self) -> Array:
        """The mass of aggregate and idiosyncratic states in the long run: (Z, income)."""
        states = OwnStates({}, self.income_transition, True, self.shares, self.life)
        return jnp.asarray(long_run(self.shock_transition, states))

    def discount_factor(self, shocks: Named, own: Named | None = None) -> Array:
        """The discount factor between today and tomorrow, by income state today, given today's shocks: (1, income)."""
        return self._by_income(lambda own: self.model.discounting(own, today(shocks)), own)

    def annuities(self) -> Array:
        """What one unit of utility in every period is worth today by income state, without aggregate risk: (income,).

        D = (I - diag(beta) P)^{-1} 1, which is 1/(1 - beta) where all are alike.
        """
        ahead = self.discount_factor(self.shocks(0))[0][:, None] * self.chain().household()
        return jnp.linalg.solve(jnp.eye(len(ahead), dtype=self.dtype) - ahead, jnp.ones(len(ahead), self.dtype))

    def shocks(self, shock) -> Named:
        """The values of the aggregate shocks in state `shock`."""
        return Named("shocks", {name: pick(values, shock) for name, values in self.shock_values.items()})

    def states(self) -> tuple[Any, Named]:
        """The individual states, shaped to broadcast over them: assets (assets, 1), of two each by name, and own values
        (1, income) each."""
        own = Named("own", {name: values[None, :] for name, values in self.own.items()})
        return self.grid.held, own

    @property
    def several(self) -> bool:
        """Whether households hold two assets: savings then have a leading axis of two."""
        return isinstance(self.grid, ProductGrid)

    def information_sets(self, names: Iterable[str]) -> InformationSets | None:
        """The information sets of a household that observes only the quantities `names` of its own state; None where
        it observes all of them."""
        return sets_of(self.own, self.long_run, tuple(names))

    @property
    def clearing_prices(self) -> tuple[str, ...]:
        """Names of the prices that clear inside the period."""
        return tuple(self.model.clearing_prices())

    def brackets(self) -> tuple[Array, Array]:
        """Between what every unknown lies: lower and upper ends, (clearing prices,) each."""
        brackets = self.model.clearing_prices().values()
        ends = ([getattr(each, end) for each in brackets] for end in ("lower", "upper"))
        lower, upper = (jnp.asarray(each, self.dtype) for each in ends)
        return lower, upper

    def first_prices(self) -> Array:
        """The prices that clear where a search for the stationary equilibrium begins: (clearing prices,)."""
        lower, upper = self.brackets()
        guesses = [each.guess for each in self.model.clearing_prices().values()]
        middle = 0.5 * (lower + upper)
        if all(guess is None for guess in guesses):
            return middle
        each = [mid if guess is None else guess for mid, guess in zip(middle, guesses, strict=True)]
        return jnp.stack([jnp.asarray(value, self.dtype) for value in each])

    def public(self, aggregate: Aggregate, clearing_prices: Named = NO_CLEARING_PRICES) -> Public:
        """Sum the aggregates over the mass and form prices, given candidate values of what clears in the period."""
        return self.form(self.aggregates(aggregate), self.shocks(aggregate.shock), clearing_prices)

    def aggregates(self, aggregate: Aggregate) -> Named:
        """What is summed over the mass and what was carried over."""
        each = self.contributions(self.shocks(aggregate.shock))
        summed = {name: jnp.sum(aggregate.mass * value) for name, value in each.items()}
        return Named("aggregates", {**summed, **aggregate.state_variables})

    def contributions(self, shocks: Named, assets: Array | None = None) -> Named:
        """What one household of every state adds to each aggregate, from the asset points or `assets` that broadcast
        with them: what the dead left is with the newborns in their place."""
        points, own = self.states()
        points = points if assets is None else assets
        each = named("aggregates", self.model.aggregates(points, own, today(shocks)), "aggregates")
        if self.life is None:
            return each
        if ESTATES in each:
            owner = f"{type(self.model).__name__}.aggregates()"
            raise ValueError(f"{owner} returns '{ESTATES}', which ages() declares, what the dead leave: leave it out.")
        left = points if self.life.leaves else 0.0
        return Named("aggregates", {**each, ESTATES: jnp.where(self.newborn(), left, 0.0)})

    def newborn(self) -> Array:
        """Whether households in every own state are newborns: (1, income)."""
        return jnp.arange(self.shape[1])[None] < self.income_transition.shape[-1]

    def held(self, mass: Any) -> Any:
        """The mass (..., assets, income) by what households hold before they choose: newborns hold what they start
        with, not what the dead in whose place they are left. NumPy or JAX, as `mass`."""
        if self.life is None:
            return mass
        return self.life.with_newborns(mass, self.income_transition.shape[-1], self.grid)

    def form(self, total: Named, shocks: Named, clearing_prices: Named = NO_CLEARING_PRICES) -> Public:
        """Prices, from aggregates in `total`, shocks, and candidate values of what clears in the period."""
        closed = named("prices", self.model.prices(today(shocks, total, clearing_prices)), "prices")
        return Public(shocks, total, Named("prices", {**clearing_prices, **closed}))

    def choices(self, mass: Array, public: Public, savings: Array) -> Named:
        """What everybody chose, summed over the mass."""
        chosen = self.chosen(public, savings, self.budget(public).consumption_of(self.resources(public), savings))
        return Named("choices", {name: jnp.sum(mass * each) for name, each in chosen.items()})

    def chosen(self, public: Public, savings: Array, x: Array) -> Named:
        """What households in every state choose who save `savings` and choose x, by name, as `Model.chosen` says."""
        chosen = self.budget(public).chosen(savings, x)
        sums = self.model.choice_sums(chosen, self.states()[1], public.given)
        return Named("choices", {**chosen, **named("choices", sums, "choice_sums")}) if sums else chosen

    @property
    def works(self) -> bool:
        """Whether households choose hours."""
        return "hours" in self.model.chosen()

    @property
    def lowest(self) -> Array:
        """The lowest next assets that a household may choose: a number, or by own state, (1, income), where lives
        end."""
        if self.life is None:
            return self.grid.lower
        return jnp.repeat(self.life.limits, self.income_transition.shape[-1])[None]

    @property
    def highest(self) -> Array:
        """The highest next assets that a household may choose, cash on hand aside: a number, or by own state, (1,
        income), where lives end: nobody saves for after the last age."""
        if self.life is None:
            return self.grid.upper
        last = jnp.repeat(self.life.survival == 0, self.income_transition.shape[-1])[None]
        return jnp.where(last, self.lowest, self.grid.upper)

    def ends_of(self, own: Array) -> tuple[Array, Array]:
        """The lowest and the highest next assets of households in the own states `own`, places of any shape."""
        return (self.lowest, self.highest) if self.life is None else (self.lowest[0, own], self.highest[0, own])

    def budget(self, public: Public, own: Named | None = None) -> Budget:
        """What households can buy and what they value in a period, in every income state or with values `own`."""
        labor: Any = self.model.preferences()
        wage = price = None
        if self.works:
            wage = self._by_income(lambda own: self.model.hourly_wage(own, public.given), own)
        if self.model.sells_at_price():
            price = jnp.asarray(self.model.asset_price(public.given), self.dtype)
        portfolio = Portfolio(self.model, self.grid.held, public.given) if self.several else None
        return Budget(labor if self.works else GoodsAlone(labor), wage, price, portfolio)

    def excess_demand(self, mass: Array, public: Public, savings: Array, expected: Array | None = None) -> Array:
        """What is left over of every equation of the period: (clearing prices,)."""
        choices = self.choices(mass, public, savings) if self.clearing_prices else Named("choices")
        return self.markets(public, choices, expected)

    def markets(self, public: Public, choices: Named, expected: Array | None = None) -> Array:
        """What is left over of every equation of the period, (clearing prices,), given what everybody chose, summed
        over the mass, and what is `expected` (expectations,): demand less supply, and where firms set prices
        F_p / F_pq + the last of `expected`, by which they want to raise them.

        The last one is in units of inflation. Where nothing is said to be expected, tomorrow is like today.
        """
        left = self.each_market(public, choices, expected)
        return jnp.stack(left) if left else jnp.zeros(0, self.dtype)

    def each_market(self, public: Public, choices: Named, expected: Array | None = None) -> list[Array]:
        """What `markets` stacks, one number an equation."""
        if not self.clearing_prices:
            return []
        expected = self.expected(public, public) if expected is None else expected
        now = self.asked_of_markets(public, expected)
        excess = named("excess demand", self.model.excess_demand(now, choices), "excess_demand")
        left = [jnp.asarray(value, self.dtype) for value in excess.values()]
        if self.sets_prices:
            own, _, scale = profit_slopes(self.model, now, self.dtype)
            left.append(own / scale + expected[-1])
        return left

    def asked_of_markets(self, public: Public, expected: Array) -> Named:
        """What excess_demand() reads: the series of a period, and what is `expected` (expectations,)."""
        now = self.series(public)
        names = self.expectation_names(now)
        return with_expected(now, dict(zip(names, expected[: len(names)], strict=True)))  # firms' comes last, unnamed

    @property
    def sets_prices(self) -> bool:
        """Whether there are firms that set prices."""
        return self.model.sets_prices()

    def expected(self, public: Public, following: Public, after: "Economy | None" = None) -> Array:
        """What the period's equations expect if tomorrow is `following`, in the economy `after` where parameters move:
        (expectations,), the declared quantities, then the term of firms that set prices."""
        later = self if after is None else after
        found = expected(self.model, later.model, self.series(public), later.series(following), self.dtype)
        return jnp.stack(found) if found else jnp.zeros(0, self.dtype)

    def expectation_names(self, now: Named) -> tuple[str, ...]:
        """Names of the declared expectations, in order, given the series of a period."""
        return tuple(declared(self.model, now, now))

    def clearing_values(self, public: Public) -> Array:
        """The prices that clear inside the period, in the order declared: (clearing prices,)."""
        values = [jnp.asarray(public.prices[name], self.dtype) for name in self.clearing_prices]
        return jnp.stack(values) if values else jnp.zeros(0, self.dtype)

    def next_state(self, public: Public) -> Named:
        """What this period leaves to the next."""
        names = self.model.state_variables()
        if not names:
            return NO_STATE_VARIABLES
        following = named("state_variables", self.model.next_state(self.series(public)), "next_state")
        return Named("state_variables", {name: jnp.asarray(following[name], self.dtype) for name in names})

    def series(self, public: Public) -> Named:
        """Shocks, aggregates, prices and declared outcomes of a period under one roof."""
        known = public.today
        return today(known, named("outcomes", self.model.outcomes(known), "outcomes"))

    def signal(self, public: Public) -> Array:
        """What everybody sees, stacked in the order declared: (signals,)."""
        seen = named("signal", self.model.signal(public.today), "signal")
        return jnp.stack([jnp.asarray(value, self.dtype) for value in seen.values()])

    def resources(self, public: Public) -> Array:
        """Cash on hand in every individual state: (assets, income)."""
        return self._full(self.cash(self.grid.held, public))

    def cash(self, assets: Any, public: Public, own: Named | None = None) -> Array:
        """Cash on hand of households that saved `assets`, in all own states or with values `own`, which broadcast.

        Where lives end a newborn holds what it starts with, and who could not have saved so little what it could; the
        derivative is that in assets held, everywhere.
        """
        values = self.states()[1] if own is None else own
        if self.life is not None:
            age = jnp.asarray(values.age - self.own["age"][0], jnp.int32)
            held = self.life.held(assets, age, self.grid)
            assets = assets + jax.lax.stop_gradient(held - assets)
        return jnp.asarray(self.model.resources(assets, values, public.given), self.dtype)

    def all_consumed(self, public: Public) -> Array:
        """The x of a policy that leaves the borrowing limit, in every individual state: (assets, income)."""
        budget = self.budget(public)
        if self.several:
            return budget.consumed(self.resources(public) - least_spent(budget, self.grid))
        return budget.consumption_of(self.resources(public), self.lowest)

    def bounds(self, resources: Array, public: Public, lowest: Array | None = None) -> tuple[Array, Array]:
        """The lowest and highest next assets that a household may choose, of the shape of `resources`: all that cash on
        hand buys at most, or what the grid holds; who chooses hours can save more than cash on hand. `lowest` is that
        of every own state, (1, income), unless given, and the highest the top of the grid then."""
        ends = (self.lowest, self.highest) if lowest is None else (lowest, self.grid.upper)
        lower, upper = (jnp.broadcast_to(end, jnp.shape(resources)) for end in ends)
        return lower, upper if self.works else jnp.minimum(self.budget(public).bought(resources), upper)

    def reward(self, choice: Array, public: Public) -> Array:
        """Flow utility of choosing next assets `choice`: (assets, income)."""
        budget = self.budget(public)
        return budget.flow(budget.unspent(self.resources(public), choice))

    def marginal_rewards(self, choice: Array, public: Public) -> tuple[Array, Array, Array]:
        """Derivatives of the reward F(a, a'): F_1 in own assets, F_2 in the choice, F_22 in the choice twice."""
        budget = self.budget(public)

        def reward(assets, choice):
            cash = self._full(self.cash(assets, public))
            return budget.flow(budget.unspent(cash, choice))

        assets = jnp.broadcast_to(self.grid.points[:, None], self.shape)
        ones = jnp.ones(self.shape, self.dtype)
        in_assets = jax.jvp(lambda a: reward(a, choice), (assets,), (ones,))[1]
        in_choice, twice = jax.jvp(lambda x: jax.jvp(lambda y: reward(assets, y), (x,), (ones,))[1], (choice,), (ones,))
        return in_assets, in_choice, twice

    def read_marginal(self, values: Array, lottery: Lottery) -> tuple[Array, Array]:
        """Marginal values on (next assets, income) read at each state's choice, and their slope there.

        Interpolated in units of consumption, u'(read((u')^{-1}(V_a))): that is close to linear in assets where V_a is
        strongly convex, so that the error between nodes is an order smaller. All (assets, income).
        """
        utility = self.model.preferences()
        nothing = None if self.life is None else jnp.all(values == 0, axis=0)  # of who is in the last age
        values = values if nothing is None else jnp.where(nothing, 1.0, values)
        equivalent = utility.inverse_marginal_utility(values)
        there = (read(equivalent, lottery),), (slope(equivalent, lottery, self.grid),)
        found = jax.jvp(utility.marginal_utility, *there)
        if nothing is not None:
            found = jnp.where(nothing, 0.0, found[0]), jnp.where(nothing, 0.0, found[1])
        return found

    def draw_shocks(self, shock, periods: int, *, key) -> Array:
        """Draw the aggregate states of the `periods` periods after `shock`: (periods,), the only sampled randomness."""
        return self.shocks_from(shock, jax.random.uniform(key, (periods,), self.dtype))

    def shocks_from(self, shock, uniforms: Array, order: Array | None = None) -> Array:
        """The aggregate states that uniform numbers (periods,) in [0, 1) pick, one after the other: (periods,).

        The states share [0, 1) in the `order` (states,) given, otherwise as they are numbered.
        """
        order = jnp.arange(self.shock_count, dtype=jnp.int32) if order is None else order.astype(jnp.int32)
        steps = jnp.cumsum(self.shock_transition[:, order], axis=1)[:, :-1]

        def draw(shock, uniform):
            following = order[jnp.sum(uniform >= steps[shock])]
            return following, following

        return jax.lax.scan(draw, jnp.asarray(shock, jnp.int32), uniforms)[1]

    def lottery(self, choice: Array) -> Any:
        """The lottery over two grid points that replaces each choice."""
        return lottery(choice, self.grid)

    def settle(self, mass: Array, lottery: Lottery | PairLottery) -> Array:
        """The mass over (next assets, today's income) once everybody has chosen."""
        return settle(mass, lottery)

    def arrive(self, settled: Array, shock, shock_next, state_variables: Named = NO_STATE_VARIABLES) -> Aggregate:
        """Next period's aggregate state: idiosyncratic states move, given the aggregate move."""
        return Aggregate(self.chain(shock, shock_next).move(settled), shock_next, state_variables)

    def advance(self, aggregate: Aggregate, choice: Array, shock_next) -> Aggregate:
        """The aggregate state of next period, exact given the next shock, where nothing is carried over."""
        return self.arrive(settle(aggregate.mass, self.lottery(choice)), aggregate.shock, shock_next)

    def _by_income(self, function: Callable[[Named], Any], own: Named | None) -> Array:
        """A function of idiosyncratic values: (1, income), or where some are given what broadcasts with these."""
        values = jnp.asarray(function(self.states()[1] if own is None else own), self.dtype)
        return jnp.broadcast_to(values, (1, self.shape[1])) if own is None else values

    def _full(self, values) -> Array:
        return jnp.broadcast_to(jnp.asarray(values, self.dtype), self.shape)
