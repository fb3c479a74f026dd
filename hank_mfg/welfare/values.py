"""Lifetime utility by state, of a stationary equilibrium and along a path, and what it consists of.

Flow utility is that of x, what a policy chooses (consumption; with GHH preferences consumption less effort), plus what
hours take where they enter separately:

    V_t(a, e) = u(x_t) - v(n_t) + beta_t(e) E V_{t+1}(a'_t, e').

The same recursion gives the part of u(x), and D, the value today of one unit of utility in every period.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.lottery import expect_each
from hank_mfg.environment.quantities import with_parameters
from hank_mfg.model.named import Named
from hank_mfg.solve.sequence.household_path import with_chain
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.stationary.best_savings import stationary_value
from hank_mfg.solve.stationary.steady_state import SteadyState


class Values(NamedTuple):
    """Lifetime utility, (assets, income) each: `total`; `composite`, the part of u(x); `units`, D, the value today of
    one unit of utility in every period; and `means`, (time,) each: the mean x of households and the weight of utility
    in a period, the mean of the product of discount factors up to it; stationary means have one period and weight D.
    `lasting` says whether households live for ever: otherwise means are not those of the living of period 0."""

    total: np.ndarray
    composite: np.ndarray
    units: np.ndarray
    means: tuple[np.ndarray, np.ndarray]
    lasting: bool


def flows(economy: Economy, public: Public, savings: Array) -> Array:
    """Flow utility, its part of u(x), and one: (3, assets, income)."""
    x = composite(economy, public, savings)
    return jnp.stack([economy.reward(savings, public), economy.model.preferences().utility(x), jnp.ones_like(x)])


def composite(economy: Economy, public: Public, savings: Array) -> Array:
    """The x that `savings` leave, (assets, income)."""
    x = economy.budget(public).consumption_of(economy.resources(public), savings)
    return jnp.broadcast_to(x, economy.shape)


def values_at_rest(steady: SteadyState) -> Values:
    """Lifetime utility in a stationary equilibrium."""
    found, mean = _at_rest(steady.economy, steady.public, jnp.asarray(steady.savings), jnp.asarray(steady.mass))
    total, composite, units = np.asarray(found)
    weight = np.sum(steady.mass * units, keepdims=True)[0]
    return Values(total, composite, units, (np.asarray(mean)[None], weight), steady.economy.life is None)


@eqx.filter_jit
def _at_rest(economy: Economy, public: Public, savings: Array, mass: Array) -> tuple[Array, Array]:
    found = stationary_value(economy, public, savings, flows(economy, public, savings))
    return found, jnp.sum(mass * composite(economy, public, savings))


def values_along(path: Transition) -> Values:
    """Lifetime utility at the start of a perfect-foresight path, which ends in the stationary equilibrium after it."""
    steady = path.steady
    rest = values_at_rest(steady)
    end = jnp.stack([jnp.asarray(each) for each in (rest.total, rest.composite, rest.units)])
    shocks = {name: jnp.asarray(path.series[name]) for name in steady.public.shocks}
    prices = {name: jnp.asarray(path.series[name]) for name in steady.public.prices}
    given = Public(Named("shocks", shocks), Named("aggregates", {}), Named("prices", prices))
    changed = Named("parameters", {name: jnp.asarray(values) for name, values in path.parameters.items()})
    savings, mass, chain = (jnp.asarray(each) for each in (path.savings, path.mass, path.chain))
    found, means, weights = _along(steady.economy, given, changed, (savings, mass, chain), end)
    total, composite, units = np.asarray(found)
    means, weights = np.append(means, rest.means[0]), np.append(weights, np.sum(path.mass[0] * units) - weights.sum())
    return Values(total, composite, units, (means, weights), steady.economy.life is None)


@eqx.filter_jit
def _along(
    economy: Economy, given: Public, changed: Named, path: tuple[Array, Array, Array], end: Array
) -> tuple[Array, Array, Array]:
    """Of savings, the mass and the chain of a `path`, and of values at its `end`: values (3, assets, income) in period
    0, the mean x and the weight of every period, (time,) each."""
    savings, mass, chains = path

    def at(changed: Named, chain: Array) -> Economy:
        return with_parameters(with_chain(economy, chain), changed)

    def back(value: Array, period):
        public, changed, choice, chain, mass = period
        here = at(changed, chain)
        ahead = expect_each(value, here.lottery(choice), here.chain())
        mean = jnp.sum(mass * composite(here, public, choice))
        return flows(here, public, choice) + here.discount_factor(public.shocks) * ahead, mean

    def weigh(weight: Array, period):
        public, changed, chain = period
        here = at(changed, chain)
        later = (weight * here.discount_factor(public.shocks)[0]) @ here.chain().household()
        return later, jnp.sum(weight)

    values, means = jax.lax.scan(back, end, (given, changed, savings, chains, mass), reverse=True)
    weights = jax.lax.scan(weigh, jnp.sum(mass[0], axis=0), (given, changed, chains))[1]
    return values, means, weights
