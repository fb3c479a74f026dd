"""What the savings of one household do to all others through prices, which a planner minds and a household does not.

With aggregates A_k that households' assets add to, cash on hand m(a, e) and consumption c, all in one period,

    D_k = sum over households of mass u'(c) dm/dA_k,        effect(a, e) = sum_k D_k dA_k/da,

where dm/dA_k goes through prices at given assets and dA_k/da is what one household contributes. The effect is added to
the marginal value of assets of a household where a planner chooses for all (Davila, Hong, Krusell and Rios-Rull 2012).
"""

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.model.named import Named


def external_effects(economy: Economy, public: Public, mass: Array, savings: Array) -> Named:
    """D_k by aggregate, utility per unit of it, where households of `mass` choose `savings`, (assets, income) both."""
    cash, back = jax.vjp(lambda total: economy.resources(economy.form(total, public.shocks)), public.aggregates)
    consumption = economy.budget(public).consumption_of(cash, savings)
    valued = mass * economy.model.preferences().marginal_utility(consumption)
    return back(valued)[0]


def of_own_assets(economy: Economy, shocks: Named, effects: Named) -> Array:
    """The sum of D_k dA_k/da in every state, (assets, income)."""
    points = jnp.broadcast_to(economy.grid.points[:, None], economy.shape)
    ones = jnp.ones_like(points)
    slopes = jax.jvp(lambda assets: economy.contributions(shocks, assets), (points,), (ones,))[1]
    total = sum(effects[name] * slope for name, slope in slopes.items() if name in effects)
    return jnp.broadcast_to(jnp.asarray(total, economy.dtype), economy.shape)


def externality(economy: Economy, public: Public, mass: Array, savings: Array) -> Array:
    """The effect of one more unit of assets in every state on all others, (assets, income)."""
    return of_own_assets(economy, public.shocks, external_effects(economy, public, mass, savings))
