"""Household Jacobians in the sequence space, by the fake-news recursion.

J[t, s] is the derivative of a sum over households at t with respect to an input at s that households foresee from
period 0 on. With D_0 the stationary mass, Lambda its transition, y^s and D_1^s the policies of period 0 and the mass of
period 1 when the input moves s periods later,

    F[0, s] = <D_0, dy^s>,    F[t, s] = <dD_1^s, Lambda^(t-1) y>,    J[t, s] = J[t-1, s-1] + F[t, s],

one pass backward through the household's step and one pass forward through its expectations. Everything is in float64.

Source: Auclert, Bardoczy, Rognlie and Straub (2021), Econometrica 89(5).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.lottery import pull_back
from hank_mfg.environment.quantities import Moment, Names, contributions, public_of, stack
from hank_mfg.precision import in_jax
from hank_mfg.solve.sequence.household_path import Decision, step
from hank_mfg.solve.stationary.household import marginal_of
from hank_mfg.solve.stationary.steady_state import SteadyState, require_market


class SteadyValues(NamedTuple):
    """The steady state, `ss`, as arrays: `mass` and `marginal` values V_a (assets, income), `here` (path,) what is
    unknown along a path, the values of `shocks`, the mass of income states `share` (income,), what is chosen, `choices`
    (choices,), and what households take as given, `inputs` (inputs,)."""

    economy: Economy
    mass: Array
    marginal: Array
    here: Array
    shocks: Array
    share: Array
    choices: Array
    inputs: Array

    @property
    def moment(self) -> Moment:
        """Any period of it."""
        return Moment(self.here, self.shocks, self.share)


def steady_values(steady: SteadyState, names: Names) -> SteadyValues:
    """The steady state as arrays, float64. Raises ValueError for a planner's optimum."""
    require_market(steady, "The sequence space")
    economy, mass, savings = steady.economy, jnp.asarray(steady.mass), jnp.asarray(steady.savings)
    public = jax.tree.map(in_jax, steady.public)
    marginal, choices = _behavior(economy, public, mass, savings)
    shocks, here = stack(public.shocks, names.shocks), stack({**public.aggregates, **public.prices}, names.path)
    inputs = jnp.concatenate([stack(public.prices, names.prices), shocks])
    return SteadyValues(economy, mass, marginal, here, shocks, mass.sum(axis=0), stack(choices, names.choices), inputs)


@eqx.filter_jit
def _behavior(economy: Economy, public: Public, mass: Array, savings: Array):
    """Marginal values (assets, income) and what is chosen, summed over the mass."""
    consumption = economy.budget(public).consumption_of(economy.resources(public), savings)
    return marginal_of(economy, public, savings, consumption), economy.choices(mass, public, savings)


def relevant_inputs(ss: SteadyValues, names: Names) -> tuple[int, ...]:
    """Places of the inputs that move some household's cash on hand, wage, price of assets or patience."""
    moved = np.asarray(_slopes(ss, names))
    return tuple(int(i) for i in np.flatnonzero(np.abs(moved).max(axis=(0, 1)) > 0))


@eqx.filter_jit
def _slopes(ss: SteadyValues, names: Names):
    def seen(x):
        public = public_of(x, names)
        budget = ss.economy.budget(public)
        prices = (budget.wage, budget.asset_price)
        cash, patience = ss.economy.resources(public), ss.economy.discount_factor(public.shocks)
        rows = [jnp.broadcast_to(each, patience.shape) for each in prices if each is not None]
        if budget.portfolio is not None:
            kept = jnp.stack([jnp.broadcast_to(each, cash.shape) for each in budget.portfolio.held.values()])
            rows.append(budget.portfolio.adjustment(kept))
        return jnp.concatenate([cash, patience, *rows])

    return jax.jacfwd(seen)(ss.inputs)


class Household(NamedTuple):
    """Decisions of households, given tomorrow's marginal values and a vector of inputs, and the next mass:
    `decide(marginal_next, inputs)` and `move(mass, savings, inputs)`."""

    decide: Callable[[Array, Array], Decision]
    move: Callable[[Array, Array, Array], Array]


class _News(NamedTuple):
    """Responses today to an input some periods ahead: what is `chosen`, (choices,), and the mass (assets, income)."""

    chosen: Array
    mass_next: Array


def _news(ss: SteadyValues, household: Household, inputs: Array, places, horizon: int) -> tuple[Decision, _News]:
    """Responses of period 0 to each input at `places`, s = 0, 1, ... periods ahead: leading axes (horizon, places).

    `chosen` is summed over the mass, (horizon, places, choices); `mass_next` is (horizon, places, assets, income).
    """
    decision, ahead = jax.linearize(household.decide, ss.marginal, inputs)
    _, moved = jax.linearize(functools.partial(household.move, ss.mass), decision.savings, inputs)
    nothing, here = jnp.zeros_like(inputs), jnp.eye(len(inputs))[jnp.asarray(places)]

    def seen(change: Decision, x):
        return _News(jnp.sum(ss.mass * change.chosen, axis=(1, 2)), moved(change.savings, x))

    def back(marginals, _):
        change = jax.vmap(lambda m: ahead(m, nothing))(marginals)
        return change.marginal, jax.vmap(lambda c: seen(c, nothing))(change)

    first = jax.vmap(lambda x: ahead(jnp.zeros_like(ss.marginal), x))(here)
    _, later = jax.lax.scan(back, first.marginal, None, length=horizon - 1)
    now = jax.vmap(seen)(first, here)
    return decision, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), now, later)


@eqx.filter_jit
def expected_news(ss: SteadyValues, names: Names, horizon: int, read: Callable[[Array], Array]) -> Array:
    """What is expected today of marginal values, in logarithms, as inputs 1, 2, ... periods ahead move, through `read`,
    which is linear: (horizon - 1, inputs, ...)."""
    expect, nothing = ss.economy.chain().expect, jnp.zeros_like(ss.inputs)
    rest = expect(ss.marginal)
    _, ahead = jax.linearize(lambda m, x: step(ss.economy, names, m, x).marginal, ss.marginal, ss.inputs)

    def back(marginals, _):
        seen = jax.vmap(lambda marginal: read(expect(marginal) / rest))(marginals)
        return jax.vmap(lambda marginal: ahead(marginal, nothing))(marginals), seen

    first = jax.vmap(lambda x: ahead(jnp.zeros_like(ss.marginal), x))(jnp.eye(len(nothing)))
    return jax.lax.scan(back, first, None, length=horizon - 1)[1]


class Expected(NamedTuple):
    """Jacobians (outputs, places, horizon, horizon), what is chosen first; what the population of each state adds
    to every output t periods ahead, (horizon, outputs, assets, income); and the stationary decision."""

    jacobians: Array
    outputs: Array
    decision: Decision


def household_jacobians(ss: SteadyValues, names: Names, household: Household, inputs, places, horizon: int) -> Expected:
    """Household Jacobians by the fake-news recursion.

    `inputs` (inputs,) are the stationary values of what the household takes as given; `places` the places in it with
    respect to which derivatives are taken. Row t is the response in period t to the input in period s = column, known
    from period 0 on.
    """
    economy = ss.economy
    decision, news = _news(ss, household, inputs, places, horizon)
    each = contributions(economy, economy.shocks(0), names.summed_aggregates)
    outputs = jnp.concatenate([decision.chosen, each])
    lottery, chain = economy.lottery(decision.savings), economy.chain()

    def forward(expected, _):
        return jax.vmap(lambda v: pull_back(v, lottery, chain))(expected), expected

    expected = jax.lax.scan(forward, outputs, None, length=horizon)[1]  # (time, outputs, assets, income)
    later = jnp.einsum("tox,six->oits", _flat(expected[:-1]), _flat(news.mass_next))
    now = jnp.zeros((len(outputs), len(places), 1, horizon))
    now = now.at[: len(names.summed_choices), :, 0].set(news.chosen.transpose(2, 1, 0))
    fake = jnp.concatenate([now, later], axis=2)

    def add(before, row):
        row = row.at[..., 1:].add(before[..., :-1])
        return row, row

    rows = jax.lax.scan(add, jnp.zeros_like(fake[:, :, 0]), jnp.moveaxis(fake, 2, 0))[1]
    return Expected(jnp.moveaxis(rows, 0, 2), expected, decision)


def _flat(values: Array) -> Array:
    return values.reshape(*values.shape[:2], -1)
