"""Non-anticipative exploitability of games: what one individual gains without knowing the future of the common noise.

Everybody else, and so everything aggregate, stays as it is. The deviator sees the public signals up to today, its own
state and the time, and takes expectations over what it cannot know by regression on sampled paths (Longstaff and
Schwartz 2001, Review of Financial Studies 14). Backwards in time, on every path p,

    Q_t^p(s, a) = r_t^p(s, a) + beta E[ V_{t+1}^p(s') | s, a ],      Qhat_t^p = sum_q W_t(p, q) Q_t^q,
    V_t^p(s) = Q_t^p(s, a*),   a* = argmax_a Qhat_t^p(s, a),

where "do as the others" is one of the actions, and W_t is a linear smoother over the histories of signals of the paths
q that rules are fitted on: kernel weights of several widths, and a quadratic regression on the current signals and
their moving averages. The smoother is chosen on other paths, and the gain reported is that of the rule on a third set:
an implementable deviation, so a lower bound on the true gain, as good as the regression. Where no rule pays on the
second set the gain is zero. The clairvoyant exploitability is the upper bound.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.game import AbstractGame, Choice, Period, everybody, worth
from hank_mfg.evaluate.game_exploitability import error_of_mean, game_cells, tried_actions
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.game_play import GamePlay, action_values, best_values, draw_uniforms, price_taking
from hank_mfg.solve.game_solution import GameSolution

GRID = 40  # actions tried in an interval
MEMORY = 0.8  # weight of a signal relative to the next later one in moving averages
WIDTHS = (0.01, 0.2, 0.6)  # of kernels, in standard deviations of a signal
RIDGE = 1e-8


class GameDeviation(NamedTuple):
    """Gains of one deviator without foresight by population, in lifetime reward, weighted by the initial mass.

    `gain` and its `standard_error` over paths; `smoother` names the chosen regression, "none" where no deviation was
    found to pay. `spread` is the value of the clairvoyant best response minus that of uniformly mixed actions, on the
    same paths, `relative` the gain in percent of it.
    """

    gain: dict[str, float]
    standard_error: dict[str, float]
    smoother: dict[str, str]
    spread: dict[str, float]
    relative: dict[str, float]
    paths: int
    seed: int


class Field(NamedTuple):
    """What a deviator of one population faces on many paths, (paths, time, ...) each, and what the others do."""

    path: Period
    others: Choice
    signals: Array


@float64_allowed
def game_deviation(solution: GameSolution, *, paths: int = 64, seed: int = 4) -> GameDeviation:
    """The non-anticipative exploitability of a trained game; see the module's definition.

    `paths` paths fit the rules, half as many choose the smoother, and `paths` others measure.
    """
    return deviation_of(solution.play(), paths=paths, seed=seed)


@float64_allowed
def deviation_of(play: GamePlay, *, paths: int = 64, seed: int = 4) -> GameDeviation:
    """The same, of any game and strategies in float64."""
    game, cells = play.game, game_cells(play)
    require_sizes(
        "game_deviation", {"paths": (paths, 2, 64)},
        lambda: (game.horizon * paths * (8.0 * cells + 3.0 * paths), 60.0 * paths * game.horizon * cells),
    )  # fmt: skip
    sizes = (paths, (paths + 1) // 2, paths)
    keys = jax.random.split(jax.random.key(seed), 3)
    uniforms = [draw_uniforms(k, n, game.horizon, game.draws, jnp.float64) for k, n in zip(keys, sizes, strict=True)]
    found = {name: _deviate(play, name, jnp.concatenate(uniforms), sizes) for name in game.populations}
    return GameDeviation(
        {name: one.gain for name, one in found.items()},
        {name: one.standard_error for name, one in found.items()},
        {name: one.smoother for name, one in found.items()},
        {name: one.spread for name, one in found.items()},
        {name: 100.0 * one.gain / one.spread if one.spread > 0 else 0.0 for name, one in found.items()},
        paths,
        seed,
    )


class _Found(NamedTuple):
    gain: float
    standard_error: float
    smoother: str
    spread: float


def _deviate(play: GamePlay, name: str, uniforms: Array, sizes: tuple[int, int, int]) -> _Found:
    fit, choose, test = sizes
    actions = tried_actions(play.game.populations[name], uniforms.dtype, GRID)
    field, following, spread = _face(play, name, uniforms, actions)
    smoothers = history_smoothers(np.asarray(field.signals), fit)
    gains = {
        label: np.asarray(deviator_values(play.game, name, field, actions, jnp.asarray(weights)))
        - np.asarray(following)
        for label, weights in smoothers.items()
    }
    chosen = max(gains, key=lambda label: gains[label][fit : fit + choose].mean())
    pays = gains[chosen][fit : fit + choose].mean() > 0
    measured = gains[chosen][fit + choose :] if pays else np.zeros(test)
    label = chosen if pays else "none"
    return _Found(float(measured.mean()), error_of_mean(measured), label, float(np.mean(spread[fit + choose :])))


@eqx.filter_jit
def _face(play: GamePlay, name: str, uniforms: Array, actions: Array) -> tuple[Field, Array, Array]:
    """The paths, and on each the value of following, and of the best response with foresight over uniform actions."""
    size, horizon = play.game.populations[name].size, play.game.horizon
    options = jnp.broadcast_to(actions[None, None], (horizon, size, actions.shape[0]))
    uniform = Choice(options, jnp.full_like(options, 1.0 / actions.shape[0]))

    def one(uniforms):
        steps = play.path(uniforms)
        frozen, others = price_taking(steps), steps.now.choices[name]
        mass = frozen.now.masses[name][0]
        worth = lambda values: jnp.sum(mass * values[0])  # noqa: E731
        following = worth(action_values(play.game, name, frozen, others)[1])
        best = worth(best_values(play.game, name, frozen, actions))
        aimless = worth(action_values(play.game, name, frozen, uniform)[1])
        signals = jax.vmap(play.strategies[name].whitening)(steps.now.signal)
        return Field(frozen, others, signals), following, best - aimless

    return jax.lax.map(one, uniforms)


def history_smoothers(signals: np.ndarray, fit: int) -> dict[str, np.ndarray]:
    """Linear smoothers over histories of signals (paths, time, signals): (time, paths, fit) by name, rows of sum one.

    The first `fit` paths are those to average over. Kernels weight by the mean squared distance of current signals, or
    of signals so far with weights that fall by `MEMORY` a period.
    """
    paths, periods, count = signals.shape
    average, distance = np.zeros((paths, count)), np.zeros((paths, fit))
    found = {f"kernel {width}": [] for width in WIDTHS} | {f"history kernel {WIDTHS[0]}": [], "quadratic": []}
    for time in range(periods):
        now = signals[:, time]
        average = now if time == 0 else MEMORY * average + (1.0 - MEMORY) * now
        current = np.square(now[:, None] - now[None, :fit]).mean(axis=2)
        distance = current if time == 0 else np.maximum(MEMORY * distance, current)
        for width in WIDTHS:
            found[f"kernel {width}"].append(_kernel(current, width))
        found[f"history kernel {WIDTHS[0]}"].append(_kernel(distance, WIDTHS[0]))
        found["quadratic"].append(_quadratic(np.concatenate([now, average], axis=1), fit))
    return {name: np.stack(weights) for name, weights in found.items()}


def _kernel(distance: np.ndarray, width: float) -> np.ndarray:
    """Gaussian weights; a path far from all takes the nearest."""
    closeness = (distance.min(axis=1, keepdims=True) - distance) / (2.0 * width**2)
    weights = np.exp(closeness)
    return weights / weights.sum(axis=1, keepdims=True)


def _quadratic(variables: np.ndarray, fit: int) -> np.ndarray:
    """The hat matrix of least squares on a constant, the variables, their squares and products."""
    pairs = np.triu_indices(variables.shape[1])
    products = variables[:, pairs[0]] * variables[:, pairs[1]]
    regressors = np.concatenate([np.ones((len(variables), 1)), variables, products], axis=1)
    sample = regressors[:fit]
    moments = sample.T @ sample / fit
    ridge = RIDGE * np.trace(moments) / len(moments) * np.eye(len(moments))
    return regressors @ np.linalg.solve(moments + ridge, sample.T) / fit


@eqx.filter_jit
def deviator_values(game: AbstractGame, name: str, field: Field, actions: Array, weights: Array) -> Array:
    """The value of the regression rule on every path, weighted by the initial mass: (paths,).

    `weights` (time, paths, fit) is the smoother; the first `fit` paths are those that rules are fitted on.
    """
    own = everybody(game, name)
    fit = weights.shape[2]
    options = jnp.broadcast_to(actions[None], (game.populations[name].size, actions.shape[0]))

    def back(values, inputs):
        period, others, weights = inputs

        def one(period: Period, others: Choice, values: Array) -> Array:
            ahead = lambda actions: worth(game, name, period, own, actions, values)  # noqa: E731
            as_others = jnp.sum(others.probabilities * ahead(others.actions), axis=1, keepdims=True)
            return jnp.concatenate([ahead(options), as_others], axis=1)

        worths = jax.vmap(one)(period, others, values)  # (paths, states, actions and doing as the others)
        expected = jnp.tensordot(weights, worths[:fit], axes=(1, 0))
        chosen = jnp.argmax(expected, axis=2)
        return jnp.take_along_axis(worths, chosen[..., None], axis=2)[..., 0], None

    over_time = lambda tree: jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), tree)  # noqa: E731
    nothing = jnp.zeros((weights.shape[1], game.populations[name].size), weights.dtype)
    inputs = over_time(field.path), over_time(field.others), weights
    values = jax.lax.scan(back, nothing, inputs, reverse=True)[0]
    return jnp.sum(field.path.now.masses[name][:, 0] * values, axis=1)
