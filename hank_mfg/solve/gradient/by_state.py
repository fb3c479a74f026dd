"""The household's optimum in every aggregate state when only exogenous shocks move: where training starts.

Aggregates that choices move (capital) are held at their stationary values K*; the aggregate state z follows its chain,
and aggregates that choices do not move take their long-run values in z. Prices are then a function of z, and for every
choice a' on the grid the endogenous grid method gives

    u'(c_z(a', e)) = beta sum_{z', e'} P(z', e' | z, e) (dm_z'/da') u'(c_z'(m_z'(a', e'))),

consumption as a function of cash on hand in every z. It is no equilibrium, since K would not stay: it is the part of
the answer to z that a household would give before K moves, with the kinks that the borrowing limit makes in it.

It needs prices that are a closed form of aggregates and shocks, and households who see z: `seen_states` finds out.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.dependence import depends_on
from hank_mfg.environment.economy import Economy
from hank_mfg.environment.externality import externality
from hank_mfg.environment.quantities import form, names_of, stack
from hank_mfg.model.base import named
from hank_mfg.model.named import Named
from hank_mfg.model.today import today
from hank_mfg.policy.policy import ByState, Policy, SeenStates
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.precision import cast, float64_allowed, in_jax
from hank_mfg.solve.stationary.fixed_point import fixed_point
from hank_mfg.solve.stationary.household import asset_return, egm_given, feasible_savings
from hank_mfg.solve.stationary.steady_state import SteadyState

TOLERANCE, MOST = 1e-7, 2_000  # of the relative change of consumption; sweeps
DISTINCT = 1e-3  # how far apart states must be in what is seen, as a share of its range


def seen_states(economy: Economy) -> SeenStates | None:
    """The map from the economy's signal to the aggregate state; None where there is none or only one state,
    and where prices are no closed form of aggregates and shocks.

    Entries of the signal that are computed from shocks alone must differ between any two states.
    """
    names = names_of(economy)
    if names.clearing or names.state_variables or economy.shock_count < 2:
        return None
    model, one = economy.model, in_jax(np.ones((), economy.dtype))
    total = Named("aggregates", dict.fromkeys((*names.moved, *names.fixed), one))

    def signal(aggregates, shocks):
        prices = named("prices", model.prices(today(shocks, aggregates)), "prices")
        seen = named("signal", model.signal(today(shocks, aggregates, prices)), "signal")
        return [jnp.asarray(value, economy.dtype) for value in seen.values()]

    def moved(values):
        return signal(Named("aggregates", dict(zip(total, values, strict=True))), economy.shocks(0))

    by_aggregates = np.any([depends_on(lambda x, i=i: moved([*[one] * i, x, *[one] * (len(total) - i - 1)]), one)
                            for i in range(len(total))], axis=0)  # fmt: skip
    places = tuple(int(place) for place in np.flatnonzero(~by_aggregates))
    if not places:
        return None
    every = jax.jit(lambda: [jnp.stack(signal(total, economy.shocks(z))) for z in range(economy.shock_count)])()
    values = np.stack([np.asarray(each, np.float64)[np.asarray(places)] for each in every])
    unit = np.ptp(values, axis=0)
    away = np.abs(values[:, None] - values[None]) / np.where(unit > 0, unit, 1.0)
    apart = away.max(axis=2)[~np.eye(len(values), dtype=bool)].min()
    return SeenStates(places, values) if apart > DISTINCT else None


class Optimum(NamedTuple):
    """Consumption as a `function` of cash on hand and `cash` on hand at the grid's points, (states, assets, income);
    the relative change of the last sweep."""

    function: ConsumptionFunction
    cash: Array
    change: Array


@eqx.filter_jit
def optimum_by_state(economy: Economy, moved: Array, start: Array, wedge: Array | None = None) -> Optimum:
    """The household's optimum while the aggregates that choices move stay at `moved` (names.unknown,).

    `start` is consumption on the grid, (assets, income); `wedge` is what a planner adds to the marginal value of assets
    in every state, of the same shape.
    """
    names, every = names_of(economy), jnp.arange(economy.shock_count)
    share = economy.long_run()
    share = share / share.sum(axis=1, keepdims=True)
    known = dict(zip(names.unknown, moved, strict=True))
    public = jax.vmap(lambda z, share: form(economy, names, known, economy.shocks(z), share))(every, share)
    cash, gross = jax.vmap(economy.resources)(public), jax.vmap(lambda p: asset_return(economy, p))(public)
    utility = economy.model.preferences()

    def ahead(marginal: Array) -> Array:
        """What households in every aggregate state expect of marginal values: (states, assets, income) both."""
        if economy.life is None:
            return jnp.einsum("yaf,zy,zyef->zae", marginal, economy.shock_transition, economy.income_transition)
        after = lambda now: jax.vmap(lambda then, value: economy.chain(now, then).expect(value))(every, marginal)  # noqa: E731
        return jax.vmap(lambda now: jnp.tensordot(economy.shock_transition[now], after(now), 1))(every)

    def functions(consumption: Array) -> ConsumptionFunction:
        marginal = gross * utility.marginal_utility(consumption)
        expected = ahead(marginal if wedge is None else marginal + wedge)
        return jax.vmap(lambda p, value: egm_given(economy, p, value))(public, expected)

    def sweep(logs: Array) -> Array:
        unconstrained_consumption = jax.vmap(lambda function, m: function(m))(functions(jnp.exp(logs)), cash)
        savings = jax.vmap(lambda p, m, c: feasible_savings(economy, p, m, c))(public, cash, unconstrained_consumption)
        return jnp.log(jax.vmap(lambda p, m, a: economy.budget(p).consumption_of(m, a))(public, cash, savings))

    most = jax.vmap(economy.all_consumed)(public)
    found = fixed_point(sweep, jnp.log(jnp.minimum(start, most)), tolerance=TOLERANCE, max_iterations=MOST)
    return Optimum(functions(jnp.exp(found.point)), cash, found.change)


_effects = eqx.filter_jit(externality)


@float64_allowed
def start_by_state(policy: Policy, economy: Economy, steady: SteadyState, program=optimum_by_state) -> Policy:
    """A policy that starts from the optimum in every aggregate state, where it sees these; otherwise as it is.

    `economy` has aggregate risk and lies on the grid of `steady`, float64. Where the optimum is not found, as with
    prices at which households never stop saving, training starts from the stationary policy in every state.
    """
    if policy.by_state is None:
        return policy
    moved = stack(jax.tree.map(in_jax, steady.aggregates), names_of(economy).unknown)
    wedge = (
        _effects(economy, steady.public, jnp.asarray(steady.mass), jnp.asarray(steady.savings))
        if economy.planned
        else None
    )
    found = program(economy, moved, jnp.asarray(steady.consumption), wedge)
    if not np.asarray(found.change) <= 1e3 * TOLERANCE:
        return policy
    dtype = policy.knots.dtype
    function, cash = cast((found.function, found.cash), dtype)
    known = policy.by_state
    fresh = ByState(function=function, cash=cash, values=known.values, places=known.places)
    return eqx.tree_at(lambda p: p.by_state, policy, fresh)
