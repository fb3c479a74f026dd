"""The household along a path that everybody foresees: one step back, the policies of all periods, and the mass.

What a household takes as given in period t are prices and shocks, x_t. One step of the endogenous grid method leads
from marginal values of assets tomorrow to policies and marginal values today,

    (V_a,t ; a'_t, c_t) = step(V_a,t+1 ; x_t),        V_a,t = (d resources / d a) u'(c_t),

and the mass moves by Young's lottery. `step` is differentiable: the linear responses of sequence_space.py and the
transition paths of transition.py are made of it, and so is the stationary equilibrium, its fixed point.
"""

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


class Decision(NamedTuple):
    """What households do in a period: `marginal` V_a, `savings` and `consumption`, (assets, income) each."""

    marginal: Array
    savings: Array
    consumption: Array


class Names(NamedTuple):
    """Names of aggregates that choices move (`unknown`) and of the others, of prices and of shocks, in order."""

    unknown: tuple[str, ...]
    fixed: tuple[str, ...]
    prices: tuple[str, ...]
    shocks: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """What households take as given: prices, then shocks."""
        return self.prices + self.shocks


def names_of(economy: Economy) -> Names:
    """The names of an economy's quantities; an aggregate is unknown when it is computed from assets.

    Read off the equations themselves, without numbers, so that it works on a traced economy.
    """
    _, own = economy.states()
    shocks = economy.shocks(0)
    names: list[str] = []

    def each(assets):
        values = named("aggregates", economy.model.aggregates(assets, own, shocks), "aggregates")
        names[:] = values
        return [jnp.asarray(value, economy.dtype) for value in values.values()]

    jaxpr = jax.make_jaxpr(each)(economy.grid.points[:, None]).jaxpr
    reached = set(map(id, jaxpr.invars))
    for equation in jaxpr.eqns:
        if any(id(variable) in reached for variable in equation.invars):
            reached.update(map(id, equation.outvars))
    moves = [id(variable) in reached for variable in jaxpr.outvars]
    unknown = tuple(name for name, moved in zip(names, moves, strict=True) if moved)
    fixed = tuple(name for name in names if name not in unknown)
    total = Named("aggregates", dict.fromkeys(names, jnp.ones((), economy.dtype)))
    prices = jax.eval_shape(lambda t: named("prices", economy.model.prices(t, shocks), "prices"), total)
    return Names(unknown, fixed, tuple(prices), tuple(shocks))


def stack(values: Named, names: tuple[str, ...]) -> Array:
    """The named numbers as a vector (names,)."""
    return jnp.asarray([jnp.asarray(values[name], jnp.float64) for name in names])


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

    `unknown` are the aggregates that choices move, `shocks` values, `share` (income,) the mass of income states, from
    which the other aggregates follow.
    """
    values = shock_values(names, shocks)
    mass = jnp.zeros(economy.shape).at[0].set(share)
    summed = jnp.sum(contributions(economy, values, names.fixed) * mass, axis=(1, 2)) if names.fixed else ()
    total = Named(
        "aggregates",
        {**dict(zip(names.fixed, summed, strict=True)), **dict(zip(names.unknown, unknown, strict=True))},
    )
    prices = named("prices", economy.model.prices(total, values), "prices")
    return jnp.concatenate([stack(prices, names.prices), shocks]), Public(values, total, prices)


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
    policy = egm_step(economy, marginal_next, economy.income_transition[0, 0])
    savings = feasible_savings(economy, resources, policy(resources))
    consumption = resources - savings
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
