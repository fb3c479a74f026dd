"""Euler-equation errors between grid nodes, and the dynamic Euler test.

At assets a and income e the policy consumes c and saves a'. The Euler equation implies

    c_euler = (u')^{-1}( beta sum_{z', e'} P(z', e' | z, e) V_a(a', e', z') ),    V_a = u'(c') dm'/da',

with the exact conditional expectation over next period's aggregate and idiosyncratic states. Under GHH
(u')^{-1} gives consumption less effort, to which effort is added. The error is |c_euler / c - 1|,
relative consumption of goods, at the midpoints between grid nodes; between nodes desired consumption
is linear. States where a bound binds and the Euler inequality holds are left out and their share is reported.

The dynamic test (Den Haan 2010, JEDC 34(1)) follows one individual twice on the same shocks: once with the policy,
once consuming c_euler every period, its errors accumulating in assets, and compares the two consumption paths.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.evaluate.simulate import block_length
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.euler import implied_outlook
from hank_mfg.solve.household import asset_return
from hank_mfg.solve.rollout import Decision, Play, State, Step, rollout
from hank_mfg.solve.solution import GlobalSolution


class EulerErrors(NamedTuple):
    """Errors in relative consumption of goods (decimals), over the periods simulated.

    `mean` is weighted by mass, `maximum` over midpoints whose neighbors hold more than 1e-6 of the mass,
    `constrained_share` the mean mass where a bound binds; `dynamic_mean`, `dynamic_maximum` of the dynamic test.
    `price_mean`, `price_maximum` are what is missing in the first-order condition of firms, the Phillips curve, with
    exact expectations, in units of inflation per period; None where no firm sets its price.
    """

    mean: float
    maximum: float
    constrained_share: float
    dynamic_mean: float
    dynamic_maximum: float
    periods: int
    asset_points: int
    seed: int
    price_mean: float | None = None
    price_maximum: float | None = None


def _at(economy: Economy, values: Array, assets: Array) -> Array:
    """Values on (assets, income) nodes read at `assets` (n, income) of any level, linearly."""
    index = economy.grid.bracket(assets)
    low, high = economy.grid.points[index], economy.grid.points[index + 1]
    below = jnp.take_along_axis(values, index, axis=0)
    above = jnp.take_along_axis(values, index + 1, axis=0)
    return below + (assets - low) / (high - low) * (above - below)


def choose_at(economy: Economy, now: Decision, assets: Array) -> tuple[Array, Array, Array]:
    """Cash on hand, the composite (consumption, less effort under GHH) and savings at arbitrary assets (n, income),
    given a period's decisions on nodes."""
    cash, desired = _at(economy, now.cash, assets), _at(economy, now.desired, assets)
    savings = jnp.clip(cash - economy.net(desired, now.public), economy.grid.lower, economy.grid.upper)
    return cash, economy.consumed(cash - savings, now.public), savings


def euler_consumption(economy: Economy, step: Step, ahead: Decision, savings: Array) -> Array:
    """The composite (consumption, less effort under GHH) that the Euler equation implies for next assets `savings`
    (n, income): (n, income)."""
    shock = step.now.state.aggregate.shock
    utility = economy.model.preferences()

    def branch(shock_next, following: Decision):
        gross = asset_return(economy, following.public)
        # every row of `savings` belongs to one income today; tomorrow it may have any income
        flat = jnp.broadcast_to(savings.reshape(-1, 1), (savings.size, economy.shape[1]))
        _, consumption, _ = choose_at(economy, following, flat)
        marginal = _at(economy, gross, flat) * utility.marginal_utility(consumption)
        chain = economy.income_transition[shock, shock_next]
        expected = jnp.einsum("nef,ef->ne", marginal.reshape(*savings.shape, -1), chain)
        return economy.shock_transition[shock, shock_next] * expected

    each = jax.vmap(branch)(jnp.arange(economy.shock_count, dtype=jnp.int32), ahead)
    return utility.inverse_marginal_utility(economy.discount_factor(step.now.public.shocks) * each.sum(axis=0))


class _Person(NamedTuple):
    """One individual followed twice: assets under the policy, assets under the Euler equation, income state."""

    assets: Array
    assets_euler: Array
    income: Array


def _errors(economy: Economy, step: Step, ahead: Decision):
    """Weighted errors at midpoints: (sum of mass x error, mass used, maximum, constrained mass, error of firms)."""
    points = economy.grid.points
    middle = jnp.broadcast_to((0.5 * (points[1:] + points[:-1]))[:, None], (economy.grid.size - 1, economy.shape[1]))
    _, consumption, savings = choose_at(economy, step.now, middle)
    implied = euler_consumption(economy, step, ahead, savings)
    mass = 0.5 * (step.now.state.aggregate.mass[1:] + step.now.state.aggregate.mass[:-1])
    binds = ((savings <= economy.grid.lower) & (implied >= consumption)) | (savings >= economy.grid.upper)
    goods, due = (economy.goods(x, step.now.public) for x in (consumption, implied))
    error = jnp.where(binds, 0.0, jnp.abs(due / goods - 1.0))
    used = jnp.where(binds, 0.0, mass)
    largest = jnp.max(jnp.where(mass > 1e-6, error, 0.0))
    node_binds = step.now.savings <= economy.grid.lower
    constrained = jnp.sum(jnp.where(node_binds, step.now.state.aggregate.mass, 0.0))
    price = jnp.abs(implied_outlook(economy, step.now, ahead) - step.now.outlook)
    return jnp.sum(used * error), jnp.sum(used), largest, constrained, price


def _live(economy: Economy, person: _Person, period):
    """One period of the individual: next period's person and the two levels of consumption of goods."""
    step, ahead, uniform = period
    both = jnp.stack([person.assets, person.assets_euler])[:, None]
    cash, consumption, savings = choose_at(economy, step.now, jnp.broadcast_to(both, (2, economy.shape[1])))
    implied = euler_consumption(economy, step, ahead, savings)
    public = step.now.public
    implied = jnp.minimum(implied, economy.consumed(cash - economy.grid.lower, public))
    income = person.income
    chain = economy.income_transition[step.now.state.aggregate.shock, step.shock_next, income]
    following = jnp.sum(uniform >= jnp.cumsum(chain)[:-1]).astype(jnp.int32)
    euler_assets = (cash - economy.net(implied, public))[1, income]
    spent, due = (economy.goods(x, public) for x in (consumption, implied))
    return _Person(savings[0, income], euler_assets, following), (spent[0, income], due[1, income])


@eqx.filter_jit
def _measure(play: Play, state: State, shocks_next: Array, uniforms: Array, block: int):
    economy = play.economy

    def one_block(carry, inputs):
        state, person = carry
        shocks, uniforms = inputs
        last, steps = rollout(play, state, shocks, lambda step: step)
        ahead = jax.vmap(play.look_ahead)(steps)
        errors = jax.vmap(lambda step, following: _errors(economy, step, following))(steps, ahead)
        person, consumption = jax.lax.scan(lambda p, x: _live(economy, p, x), person, (steps, ahead, uniforms))
        return (last, person), (errors, consumption)

    start = state.aggregate.mass
    mean_assets = jnp.sum(start.sum(axis=1) * economy.grid.points)
    person = _Person(mean_assets, mean_assets, jnp.argmax(start.sum(axis=0)).astype(jnp.int32))
    blocks = (shocks_next.reshape(-1, block), uniforms.reshape(-1, block))
    _, kept = jax.lax.scan(one_block, (state, person), blocks)
    return jax.tree.map(lambda x: x.reshape(-1), kept)


@float64_allowed
def euler_errors(
    solution: GlobalSolution, *, periods: int = 10_000, burn: int = 500, seed: int = 2, asset_points: int | None = None
) -> EulerErrors:
    """One-step and dynamic Euler errors along a simulated path, float64; settings as in `simulate`."""
    play = solution.play(asset_points)
    state = solution.start(play)
    shock_key, person_key = jax.random.split(jax.random.PRNGKey(seed))
    shocks = play.economy.draw_shocks(state.aggregate.shock, periods + burn, key=shock_key)
    state, _ = eqx.filter_jit(rollout)(play, state, shocks[:burn], lambda step: None)
    uniforms = jax.random.uniform(person_key, (periods,), play.economy.dtype)
    (total, used, largest, constrained, price), (policy, euler) = _measure(
        play, state, shocks[burn:], uniforms, block_length(periods)
    )
    gap = np.abs(np.asarray(euler) / np.asarray(policy) - 1.0)
    return EulerErrors(
        float(np.sum(total) / np.sum(used)), float(np.max(largest)), float(np.mean(constrained)),
        float(gap.mean()), float(gap.max()), periods, play.economy.grid.size, seed,
        *((float(price.mean()), float(price.max())) if play.economy.sets_prices else (None, None)),
    )  # fmt: skip
