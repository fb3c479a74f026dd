"""The household along a path that everybody foresees: one step back, the policies of all periods, and the mass.

What a household takes as given in period t are prices and shocks, x_t. One step of the endogenous grid method leads
from marginal values of assets tomorrow to policies and marginal values today,

    (V_a,t ; a'_t, c_t) = step(V_a,t+1 ; x_t),        V_a,t = (d resources / d a) u'(c_t),

and the mass moves by Young's lottery. `step` is differentiable: the linear responses of sequence_space.py and the
transition paths of transition.py are made of it, and so is the stationary equilibrium, its fixed point.
"""

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.lottery import push_forward
from hank_mfg.model.base import named
from hank_mfg.model.named import Named
from hank_mfg.solve.household import egm_step, feasible_savings, marginal_value

NEWTON = 8  # steps toward what is carried over at rest


class Decision(NamedTuple):
    """What households do in a period: `marginal` V_a, `savings` and `consumption`, (assets, income) each."""

    marginal: Array
    savings: Array
    consumption: Array


class Names(NamedTuple):
    """Names of what is unknown and known, in order.

    `unknown` are the aggregates that choices move and prices follow from; `other` those that choices move and no price
    follows from, `fixed` those they do not move; `clearing` the prices that clear inside the period, `carried` what one
    period leaves to the next; `prices` (the clearing ones first) and `shocks` are what households take as given.
    """

    unknown: tuple[str, ...]
    fixed: tuple[str, ...]
    prices: tuple[str, ...]
    shocks: tuple[str, ...]
    other: tuple[str, ...] = ()
    clearing: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """What households take as given: prices, then shocks."""
        return self.prices + self.shocks

    @property
    def searched(self) -> tuple[str, ...]:
        """What a stationary equilibrium is found by: unknown aggregates, then prices that clear inside the period."""
        return self.unknown + self.clearing


def names_of(economy: Economy) -> Names:
    """The names of an economy's quantities; an aggregate is moved by choices when it is computed from assets.

    Read off the equations themselves, without numbers, so that it works on a traced economy.
    """
    _, own = economy.states()
    shocks, one = economy.shocks(0), jnp.ones((), economy.dtype)
    clearing, carried = economy.unknowns, tuple(economy.model.carried())
    names: list[str] = []

    def each(assets):
        values = named("aggregates", economy.model.aggregates(assets, own, shocks), "aggregates")
        names[:] = values
        return [jnp.asarray(value, economy.dtype) for value in values.values()]

    moves = _reached(each, economy.grid.points[:, None])
    moved = tuple(name for name, by_assets in zip(names, moves, strict=True) if by_assets)
    fixed = tuple(name for name in names if name not in moved)
    given = dict.fromkeys((*names, *carried), one)

    def public(total: dict) -> Public:
        return economy.form(Named("aggregates", total), shocks, Named("unknowns", dict.fromkeys(clearing, one)))

    def follows(name: str) -> bool:
        def what(value):
            now = public({**given, name: value})
            choices = Named("choices", dict.fromkeys(economy.model.chosen(), one))
            excess = economy.model.excess_demand(economy.series(now), choices)
            return [*now.prices.values(), *economy.carry(now).values(), *excess.values()]

        return any(_reached(what, one))

    unknown = tuple(name for name in moved if not clearing or follows(name))
    prices = tuple(jax.eval_shape(lambda: public(given).prices))
    other = tuple(name for name in moved if name not in unknown)
    return Names(unknown, fixed, prices, tuple(shocks), other, clearing, carried)


def require_closed_form(names: Names, method: str) -> Names:
    """The names, unless prices clear inside the period: `method` does not solve for these, ValueError."""
    if names.clearing:
        raise ValueError(
            f"{method} needs prices that are a closed form of aggregates and shocks, unlike {names.clearing[0]}, "
            "which clears inside the period: solve with RSPG()."
        )
    return names


def _reached(function, argument: Array) -> list[bool]:
    """Which of the arrays that `function` returns are computed from its argument, read off its equations."""
    jaxpr = jax.make_jaxpr(function)(argument).jaxpr
    reached = set(map(id, jaxpr.invars))
    for equation in jaxpr.eqns:
        if any(id(variable) in reached for variable in equation.invars):
            reached.update(map(id, equation.outvars))
    return [id(variable) in reached for variable in jaxpr.outvars]


def stack(values: Mapping[str, Array], names: tuple[str, ...]) -> Array:
    """The named numbers as a vector (names,)."""
    return jnp.asarray([jnp.asarray(values[name], jnp.float64) for name in names], jnp.float64)


def public_of(inputs: Array, names: Names) -> Public:
    """Prices and shocks from a vector (inputs,) in the order of `names.inputs`; no aggregates."""
    count = len(names.prices)
    prices = Named("prices", dict(zip(names.prices, inputs[:count], strict=True)))
    return Public(shock_values(names, inputs[count:]), Named("aggregates", {}), prices)


def shock_values(names: Names, shocks: Array) -> Named:
    """Shocks by name from a vector (shocks,)."""
    return Named("shocks", dict(zip(names.shocks, shocks, strict=True)))


def contributions(economy: Economy, shocks: Named, names: tuple[str, ...]) -> Array:
    """What each individual state adds to the aggregates called `names`: (names, assets, income)."""
    assets, own = economy.states()
    each = named("aggregates", economy.model.aggregates(assets, own, shocks), "aggregates")
    return jnp.stack([jnp.broadcast_to(jnp.asarray(each[name], economy.dtype), economy.shape) for name in names])


def inputs_of(economy: Economy, names: Names, unknown: Array, shocks: Array, share: Array) -> tuple[Array, Public]:
    """Prices and shocks of a period as a vector (inputs,), and everything aggregate.

    `unknown` are the aggregates that choices move and the prices that clear, `shocks` values, `share` (income,) the
    mass of income states, from which the other aggregates follow. What is carried over is as it is at rest.
    """
    values = shock_values(names, shocks)
    mass = jnp.zeros(economy.shape).at[0].set(share)
    summed = jnp.sum(contributions(economy, values, names.fixed) * mass, axis=(1, 2)) if names.fixed else ()
    count, fixed = len(names.unknown), dict(zip(names.fixed, summed, strict=True))
    total = {**fixed, **dict(zip(names.unknown, unknown[:count], strict=True))}
    candidates = Named("unknowns", dict(zip(names.clearing, unknown[count:], strict=True)))

    def form(carried: dict) -> Public:
        return economy.form(Named("aggregates", {**total, **carried}), values, candidates)

    public = form(_carried_at_rest(economy, names, form))
    return jnp.concatenate([stack(public.prices, names.prices), shocks]), public


def _carried_at_rest(economy: Economy, names: Names, form) -> dict:
    """What a period leaves to the next when it leaves what it found, x = carry(x): Newton's method from the declared
    first values, exact in one step where the rule is linear."""
    if not names.carried:
        return {}

    def change(x: Array) -> Array:
        return stack(economy.carry(form(dict(zip(names.carried, x, strict=True)))), names.carried) - x

    def newton(_, x: Array) -> Array:
        return x - jnp.linalg.solve(jax.jacfwd(change)(x), change(x))

    first = stack(Named("carried", economy.model.carried()), names.carried)
    return dict(zip(names.carried, jax.lax.fori_loop(0, NEWTON, newton, first), strict=True))


def step(
    economy: Economy, names: Names, marginal_next: Array, inputs: Array, transfer: Array | None = None
) -> Decision:
    """One step back from marginal values tomorrow, (assets, income), given prices and shocks (inputs,).

    `transfer`, where given, is added to everybody's cash on hand; a number or (assets, income), in goods.
    """
    public = public_of(inputs, names)
    resources = economy.resources(public)
    if transfer is not None:
        resources = resources + transfer
    policy = egm_step(economy, public, marginal_next, economy.income_transition[0, 0])
    savings = feasible_savings(economy, public, resources, policy(resources))
    consumption = economy.consumed(resources - savings, public)
    return Decision(marginal_value(economy, public, consumption), savings, consumption)


def move(economy: Economy, mass: Array, savings: Array) -> Array:
    """The mass at the start of next period."""
    return push_forward(mass, economy.lottery(savings), economy.income_transition[0, 0])


def supplied(economy: Economy, names: Names, mass: Array, shocks: Array) -> Array:
    """What the mass adds up to of every unknown aggregate, (unknown,), given values of the shocks (shocks,)."""
    each = contributions(economy, shock_values(names, shocks), names.unknown)
    return jnp.sum(each * mass, axis=(1, 2))


def with_chain(economy: Economy, chain: Array) -> Economy:
    """The economy in a period whose income states move by `chain` (income, income)."""
    return eqx.tree_at(lambda e: e.income_transition, economy, chain[None, None])


def decisions_along(economy: Economy, names: Names, marginal_end: Array, inputs: Array, chains: Array) -> Decision:
    """Policies of all periods, backward from marginal values after the last one.

    `inputs` (time, inputs); `chains` (time, income, income) lead from every period to the next.
    """

    def back(marginal, given):
        x, chain = given
        decision = step(with_chain(economy, chain), names, marginal, x)
        return decision.marginal, decision

    return jax.lax.scan(back, marginal_end, (inputs, chains), reverse=True)[1]


def masses_along(economy: Economy, mass: Array, savings: Array, chains: Array) -> Array:
    """The mass at the start of every period, (time, assets, income), from that of period 0."""

    def forward(mass, given):
        choice, chain = given
        return move(with_chain(economy, chain), mass, choice), mass

    return jax.lax.scan(forward, mass, (savings, chains))[1]
