"""The household of the classical algorithm: it observes K and the aggregate state z, and forecasts by a law.

    log K' = intercept_z + slope_z log K

Everything else aggregate is a function of (K, z), so prices and cash on hand m(a, e; K, z) are. For every choice a' on
the grid the endogenous grid method (Carroll 2006) gives

    c(a'; e, K, z) = (u')^{-1}( beta sum_{z', e'} P(z', e' | z, e) (dm'/da') u'(c'(m')) ),   m' = m(a', e'; K', z'),

and the pairs (a' + c, c) are consumption as a function of cash on hand, linear between them, kinked exactly where the
borrowing limit binds. Between nodes of K, which are evenly spaced in logs, c(a'; e, K, z) at the same a' is a cubic
polynomial in log K through the four nearest nodes; beyond the nodes it is continued.

Timing: K is the aggregate at the start of the period, after shocks, before choices.
Source: Krusell and Smith (1998), JPE 106(5).
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.grids import interpolate_rows
from hank_mfg.environment.quantities import names_of, require_closed_form
from hank_mfg.model.base import named
from hank_mfg.model.named import Named
from hank_mfg.model.today import today
from hank_mfg.solve.stationary.fixed_point import fixed_point
from hank_mfg.solve.stationary.household import asset_return


class PerceivedEconomy(Economy):
    """An economy whose households see the level of one aggregate, `moved`, and the value of every shock."""

    moved: str = eqx.field(static=True)

    def signal(self, public: Public) -> Array:
        """The level of the moved aggregate, then every shock, in the order declared: (1 + shocks,)."""
        seen = (public.aggregates[self.moved], *public.shocks.values())
        return jnp.stack([jnp.asarray(value, self.dtype) for value in seen])

    def distinct(self) -> Array:
        """The values of the shocks in every aggregate state, by which households know it: (states, shocks)."""
        return jnp.stack(list(self.shock_values.values()), axis=1)


def perceive(economy: Economy) -> PerceivedEconomy:
    """The economy as the classical algorithm lets households see it.

    Raises ValueError unless choices move exactly one aggregate and every aggregate state has shocks of its own, and
    where hours are chosen or the asset has a price.
    """
    name = type(economy.model).__name__
    if economy.works:
        raise ValueError(
            f"{name}.hourly_wage() lets households choose hours: the classical algorithm chooses consumption alone, so "
            "solve with RSPG()."
        )
    if economy.life is not None:
        raise ValueError(
            f"{name}.ages() lets lives end: the classical algorithm is for lives without end, so solve with RSPG()."
        )
    moved = require_closed_form(names_of(economy), "The classical algorithm").moved
    if len(moved) != 1:
        raise ValueError(
            f"{name}.aggregates() names {len(moved)} aggregates that households' assets move "
            f"({', '.join(moved) or 'none'}): the classical algorithm has a law of motion for exactly one, so declare "
            "one or solve with RSPG()."
        )
    fields = {field: getattr(economy, field) for field in Economy.__dataclass_fields__}
    if economy.model.sells_at_price():
        raise ValueError(
            f"{name}.asset_price() gives the chosen asset a price: the classical algorithm takes it to be one, so "
            "solve with RSPG()."
        )
    perceived = PerceivedEconomy(**fields, moved=moved[0])
    if len(np.unique(np.asarray(perceived.distinct()), axis=0)) < economy.shock_count:
        raise ValueError(
            f"{name}.aggregate_shocks() has two aggregate states with the same value of every shock, which households "
            "of the classical algorithm cannot tell apart: merge them or name a quantity that differs."
        )
    return perceived


def long_run_aggregates(economy: PerceivedEconomy) -> Named:
    """The aggregates that choices do not move, from long-run income shares in each aggregate state: (shocks,) each.

    The shares are of the stationary distribution of the joint chain, P(z', e' | z, e) = P(z' | z) P(e' | e, z, z').
    """
    share = economy.long_run()
    share = share / share.sum(axis=1, keepdims=True)

    def total(shock, share):
        assets, values = economy.states()
        each = named("aggregates", economy.model.aggregates(assets, values, today(economy.shocks(shock))), "aggregates")
        bottom = {k: jnp.broadcast_to(v, economy.shape)[0] for k, v in each.items() if k != economy.moved}
        return Named("aggregates", {k: jnp.sum(share * v) for k, v in bottom.items()})

    return jax.vmap(total)(jnp.arange(economy.shock_count), share)


def cubic_weights(nodes: Array, at: Array) -> tuple[Array, Array]:
    """The index of the first of the four nodes around `at`, a number, and their Lagrange weights, (4,).

    `nodes` (n,) are evenly spaced, n >= 4; beyond them the end polynomial is continued.
    """
    position = (at - nodes[0]) / (nodes[1] - nodes[0])
    first = jnp.clip(jnp.floor(position).astype(jnp.int32) - 1, 0, len(nodes) - 4)
    x = position - first
    weights = ((1 - x) * (2 - x) * (3 - x) / 6, x * (2 - x) * (3 - x) / 2, x * (x - 1) * (3 - x) / 2,
               x * (x - 1) * (x - 2) / 6)  # fmt: skip
    return first, jnp.stack(weights)


class TabulatedPolicy(eqx.Module):
    """Consumption for every choice, (shocks, capital, assets, income), with what it takes to look it up.

    `nodes` (capital,) are logs of the aggregate, evenly spaced; `points` (assets,) the choices; `known` (states,
    shocks) the values by which an aggregate state is recognized. The policy needs no memory.
    """

    choice_consumption: Array
    nodes: Array
    points: Array
    known: Array

    def initial_memory(self) -> Array:
        """Nothing to remember: (0,)."""
        return jnp.zeros(0, self.nodes.dtype)

    def expected(self, features: Array) -> Array:
        """No equation looks ahead: (0,)."""
        return jnp.zeros(0, features.dtype)

    def remember(self, memory: Array, signal: Array) -> tuple[Array, Array]:
        """The features are the signal itself."""
        return memory, signal

    def tables_on(self, grid: Any) -> tuple:
        """Everything fixed on a grid."""
        return self.tables(grid.points)

    def tables(self, points: Array) -> tuple:
        """Nothing depends on the grid that the policy is read on."""
        return ()

    def consumption(self, features: Array, cash: Array, tables: tuple, unknowns: Array, floor: Array) -> Array:
        """Unconstrained consumption at cash on hand (points, income): (points, income). The other arguments are
        those of a trained policy."""
        shock = jnp.argmin(jnp.sum((self.known - features[1:]) ** 2, axis=1))
        first, weights = cubic_weights(self.nodes, jnp.log(features[0]))
        near = self.choice_consumption[shock, first + jnp.arange(4)]
        consumption = jnp.tensordot(weights, near, 1)
        return interpolate_rows(cash, self.points[:, None] + consumption, consumption)


class Sweeps(NamedTuple):
    """Policies (shocks, capital, assets, income), the largest relative change of the last sweep, and their number."""

    choice_consumption: Array
    change: Array
    count: Array


class _Known(NamedTuple):
    """Constants of all sweeps: tomorrow's `cash` and `gross` return d cash / d a', both (z, z', K,
    assets, income), the `blend` (z, K, K) that reads nodes of K at K', and beta P(z', e' | z, e), (z, z', e, e')."""

    cash: Array
    gross: Array
    blend: Array
    probabilities: Array


def _tomorrow(economy: PerceivedEconomy, others: Named, nodes: Array, law: Array) -> _Known:
    every = jnp.arange(economy.shock_count)
    ahead = law[:, :1] + law[:, 1:] * nodes

    def one(level, shock_next):
        shocks = economy.shocks(shock_next)
        rest = {name: value[shock_next] for name, value in others.items()}
        aggregates = Named("aggregates", {economy.moved: jnp.exp(level), **rest})
        public = Public(shocks, aggregates, named("prices", economy.model.prices(today(shocks, aggregates)), "prices"))
        return economy.resources(public), asset_return(economy, public)

    def weight(level):
        first, weights = cubic_weights(nodes, level)
        return jnp.zeros_like(nodes).at[first + jnp.arange(4)].set(weights)

    cash, gross = jax.vmap(lambda row: jax.vmap(lambda s: jax.vmap(lambda k: one(k, s))(row))(every))(ahead)
    probabilities = (
        jax.vmap(lambda shock: economy.discount_factor(economy.shocks(shock)))(every)[..., None]
        * economy.shock_transition[:, :, None, None]
        * economy.income_transition
    )
    return _Known(cash, gross, jax.vmap(jax.vmap(weight))(ahead), probabilities)


@eqx.filter_jit
def solve_policies(
    economy: PerceivedEconomy, others: Named, nodes: Array, law: Array, start: Array, tolerance: Array
) -> Sweeps:
    """Iterate the endogenous grid method under a law (shocks, 2), intercept and slope, until a sweep changes no
    consumption by more than `tolerance`, relative; accelerated. `start` (shocks, capital, assets, income)."""
    known = _tomorrow(economy, others, nodes, law)
    utility = economy.model.preferences()
    lower, upper = economy.grid.lower, jnp.minimum(known.cash, economy.grid.upper)
    read = jax.vmap(jax.vmap(jax.vmap(interpolate_rows)))

    def sweep(logs: Array) -> Array:
        blended = jnp.einsum("zkj,yjae->zykae", known.blend, jnp.exp(logs))
        unconstrained_consumption = read(known.cash, economy.grid.points[:, None] + blended, blended)
        consumption = known.cash - jnp.clip(known.cash - unconstrained_consumption, lower, upper)
        marginal = known.gross * utility.marginal_utility(consumption)
        return jnp.log(utility.inverse_marginal_utility(jnp.einsum("zykaf,zyef->zkae", marginal, known.probabilities)))

    found = fixed_point(sweep, jnp.log(start), tolerance=tolerance, max_iterations=5_000)
    return Sweeps(jnp.exp(found.point), found.change, found.iterations)
