"""A policy that starts from linear responses: what households with two assets expect, to first order in all shocks.

Where tomorrow's prices hang on what is then expected of the day after, expectations learned from rest may run away
before they are learned. The linear solution knows them. With S_z(j) the response of a series j periods after the
aggregate state is found to be z, and P the chain of these states, a path of states moves it to first order by

    y_t = sum_j sum_z ( 1[z_(t-j) = z] - P(z_(t-j-1), z) ) S_z(j).

Signals, what the equations of a period expect, and what households expect of marginal values are such series, along a
few paths. Signals are standardized on them; the linear part of either head is the regression of what it should say on
what its encoder makes of the signals.

Along an equilibrium path prices that clear move together, which leaves open what each of them does to expectations by
what it leaves to tomorrow. The search for prices asks just that, so in the sample they miss clearing a little, by
independent noise in every period: to first order what equations left over by that much do, -H_U^{-1} e.
"""

import warnings
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.policy.networks import fit_whitening
from hank_mfg.policy.portfolio_policy import PortfolioPolicy
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.solve.play.rollout import Play, State
from hank_mfg.solve.sequence.household_jacobians import expected_news, steady_values
from hank_mfg.solve.sequence.sequence_space import LinearSolution, linearize
from hank_mfg.solve.stationary.steady_state import SteadyState

HORIZON = 300  # periods of linear responses
REACH = 150  # periods for which what happened counts in the sample
PATHS, LENGTH, FORGOTTEN = 24, 240, 40  # of the sample; first periods, in which memory fills, are left out
NOISE = 0.15  # standard deviation of the noise in every clearing price, of that of the price
RIDGE = 1e-4  # of a feature's variance, added to it in the regression


class LinearSeries(NamedTuple):
    """Deviations from rest, with the same leading axes: (..., `prices`) that clear, (..., `signal`), (..., `expected`)
    and, of the logarithm of what is expected of marginal values, at the knots of a policy, `ahead` (..., 2, knots,
    knots, income)."""

    prices: np.ndarray
    signal: np.ndarray
    expected: np.ndarray
    ahead: np.ndarray


@float64_allowed
def start_linear(policy: PortfolioPolicy, economy: Economy, steady: SteadyState, *, seed: int) -> PortfolioPolicy:
    """The policy, which has not been trained, with heads that are to first order the linear solution around `steady`,
    and with signals standardized. `economy` has aggregate risk, float64. Raises ValueError as `linearize` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of responses that the horizon cuts off: a start need not be exact
        series = linear_series(policy, economy, linearize(steady, horizon=HORIZON))
    news = news_of(economy, series, seed)
    sample = LinearSeries(*(along(news, each) for each in series))
    dtype, rest = policy.knots.dtype, np.asarray(economy.signal(jax.tree.map(in_jax, steady.public)))
    signals = (rest + sample.signal).astype(dtype)
    policy = eqx.tree_at(lambda p: p.whitening, policy, fit_whitening(signals.reshape(-1, signals.shape[-1])))
    features = np.asarray(_features(policy, jnp.asarray(signals)), np.float64)
    count = policy.encoder.feature_count
    policy = eqx.tree_at(lambda p: p.head.linear, policy, _linear(features[..., :count], sample.ahead, dtype))
    if policy.expectations is None:
        return policy
    scale = np.maximum(sample.expected.std(axis=(0, 1)), np.finfo(dtype).tiny)
    head = _linear(features[..., count:], sample.expected / scale, dtype)
    return eqx.tree_at(
        lambda p: (p.expectations.head.linear, p.expectations.scale), policy, (head, jnp.asarray(scale, dtype))
    )


@eqx.filter_jit
def with_inverse(play: Play, state: State) -> PortfolioPolicy:
    """The policy, with the inverse of the Jacobian of excess demand in the `state` of rest."""
    slopes = jax.jacfwd(lambda x: play.at(state, x).excess)(play.policy.stationary.clearing_prices)
    return eqx.tree_at(lambda p: p.inverse, play.policy, jnp.linalg.inv(slopes))


def linear_series(policy: PortfolioPolicy, economy: Economy, linear: LinearSolution) -> LinearSeries:
    """The responses S_z(j), then those to a unit left over by every clearing equation once: leading axes (states +
    equations, `REACH`)."""
    steady, names, horizon = linear.steady, linear.names, linear.horizon
    rest = jax.tree.map(in_jax, steady.public)
    foreseen = _foreseen(economy, horizon)
    found = [
        linear.response(**{name: foreseen[name][z] - float(rest.shocks[name]) for name in names.shocks})
        for z in range(economy.shock_count)
    ]
    each = linear.inverse.reshape(len(names.path), horizon, len(names.path), horizon)
    for equation in range(len(names.moved), len(names.moved) + len(names.clearing)):
        unknown = each[:, :, equation, 0].T
        found.append({name: unknown @ slope[: unknown.shape[1]] for name, slope in linear.pointwise.items()})
    moved = {name: np.stack([each[name] for each in found]) for name in linear.pointwise}

    def later(periods: int) -> Public:
        """Deviations of every period, so many periods later: (states + equations, REACH)."""
        window = slice(periods, periods + REACH)
        return jax.tree.map_with_path(lambda path, _: jnp.asarray(moved[path[-1].key][:, window]), rest)

    def both(now: Public, tomorrow: Public) -> tuple[Array, Array]:
        return steady.economy.signal(now), steady.economy.expected(now, tomorrow)

    _, slope = jax.linearize(both, rest, rest)
    signal, expected = jax.vmap(jax.vmap(slope))(later(0), later(1))
    inputs, prices = (
        np.stack([moved[name] for name in each], axis=-1) if each else np.zeros((len(found), horizon, 0))
        for each in (names.inputs, names.clearing)
    )
    marginals = _marginals(policy, linear, inputs)
    return LinearSeries(prices[:, :REACH], np.asarray(signal), np.asarray(expected), marginals)


def _foreseen(economy: Economy, horizon: int) -> dict[str, np.ndarray]:
    """What is expected of every shock 0, 1, ... periods after each aggregate state: (states, horizon) by name."""

    def ahead(values: Array, _: None) -> tuple[Array, Array]:
        return economy.shock_transition @ values, values

    found = {name: jax.lax.scan(ahead, each, None, length=horizon)[1] for name, each in economy.shock_values.items()}
    return {name: np.asarray(each).T for name, each in found.items()}


def _marginals(policy: PortfolioPolicy, linear: LinearSolution, inputs: np.ndarray) -> np.ndarray:
    """What `inputs` (..., horizon, inputs) of all later periods do to what is expected of marginal values: (...,
    REACH, 2, knots, knots, income), in logarithms."""
    steady, names = linear.steady, linear.names
    tables = policy.tables_on(steady.economy.grid)
    spread = (np.asarray(each, np.float64) for each in (tables.first, tables.second))
    first, second = (in_jax(np.linalg.pinv(each)) for each in spread)

    def at_knots(values: Array) -> Array:
        return jnp.einsum("kb,ibae,la->ikle", first, steady.economy.grid.apart(values), second)

    ahead = np.asarray(expected_news(steady_values(steady, names), names, linear.horizon, at_knots))
    reach = len(ahead)  # periods ahead, (periods, inputs, 2, knots, knots, income)
    padded = np.pad(inputs, ((0, 0), (0, reach), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=1)[:, 1 : 1 + REACH]
    return np.tensordot(windows, ahead, axes=((3, 2), (0, 1)))


def news_of(economy: Economy, series: LinearSeries, seed: int) -> np.ndarray:
    """1[z_t = z] - P(z_(t-1), z) along `PATHS` paths of aggregate states, and what clearing equations leave over:
    (paths, periods, states + equations)."""
    start, count = jnp.zeros((), jnp.int32), economy.shock_count
    draw = jax.vmap(lambda key: economy.draw_shocks(start, REACH + LENGTH, key=key))
    states = draw(jax.random.split(jax.random.PRNGKey(seed), PATHS))
    found = jax.nn.one_hot(states, count, dtype=economy.dtype)
    news = np.asarray(found[:, 1:] - economy.shock_transition[states[:, :-1]])
    prices, equations = along(news, series.prices[:count]), series.prices[count:, 0]
    missed = np.random.default_rng(seed).standard_normal((*news.shape[:2], len(equations)))
    missed = NOISE * prices.std(axis=(0, 1)) * missed
    return np.concatenate([news, missed @ np.linalg.inv(equations)], axis=-1)


def along(news: np.ndarray, response: np.ndarray) -> np.ndarray:
    """A series along the paths of `news`, given its `response` (states, REACH, ...): (paths, LENGTH, ...)."""
    windows = np.lib.stride_tricks.sliding_window_view(news, REACH, axis=1)[..., ::-1]  # (paths, time, states, j)
    return np.tensordot(windows, response, axes=((2, 3), (0, 1)))


@eqx.filter_jit
def _features(policy: PortfolioPolicy, signals: Array) -> Array:
    """What the encoders make of signals (paths, time, signals): (paths, time, features)."""

    def one(path: Array) -> Array:
        memory = policy.initial_memory().astype(path.dtype)
        return jax.lax.scan(lambda memory, signal: policy.remember(memory, signal), memory, path)[1]

    return jax.vmap(one)(signals)


def _linear(features: np.ndarray, values: np.ndarray, dtype) -> eqx.nn.Linear:
    """The regression of `values` (paths, time, ...) on `features` (paths, time, features), as a layer."""
    known, values = (each[:, FORGOTTEN:] for each in (features, values))
    known = known.reshape(-1, known.shape[-1])
    known = np.concatenate([known, np.ones_like(known[:, :1])], axis=1)
    weight = RIDGE * len(known) * np.append(known[:, :-1].var(axis=0), 0.0)
    found = np.linalg.solve(known.T @ known + np.diag(weight), known.T @ values.reshape(len(known), -1))
    layer = eqx.filter_eval_shape(eqx.nn.Linear, *found[:-1].shape, key=jax.random.PRNGKey(0))
    parts = (jnp.asarray(found[:-1].T, dtype), jnp.asarray(found[-1], dtype))
    return eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, parts)
