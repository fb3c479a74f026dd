"""The gain of a deviator without foresight: dynamic programming by hand, and games with nothing to foresee."""

import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.evaluate.exploitability.game_deviation import game_deviation, history_smoothers
from hank_mfg.evaluate.exploitability.game_exploitability import game_exploitability
from hank_mfg.policy.strategy import make_strategies
from hank_mfg.precision import cast
from hank_mfg.solve.play.game_play import GamePlay, game_play, standardize

pytestmark = pytest.mark.usefixtures("float64")

BARS, PATHS = 51, 102  # every place of the bar, once closing and once open
NOISE = {-2: 0.05, -1: 0.1, 0: 0.7, 1: 0.1, 2: 0.05}


def untrained(name: str, **switches) -> GamePlay:
    """Everybody mixes all actions alike, signals standardized."""
    game = cast(hm.load_game(name, **switches), jnp.float64)
    small = {"memory": "none", "units": 4, "width": 4}
    return game_play(game, standardize(game, make_strategies(game, small, seed=0), seed=0))


def beside(states, moved, bar):
    moved = np.clip(moved, 0, 100)
    return np.where(states < bar, np.minimum(moved, bar - 1), np.maximum(moved, bar + 1))


def best_on_the_beach(bar: int, mixed: bool) -> float:
    """The value of the best policy that knows the place of the bar and the time, or of mixing all actions alike."""
    states, actions = np.arange(101), np.arange(-5, 6)
    start = np.where(states == bar, 0.0, 0.01)

    def ahead(value):
        moved = [value[beside(states, states + step, bar)] * weight for step, weight in NOISE.items()]
        after = np.sum(moved, axis=0)
        return np.stack([after[beside(states, states + a, bar)] for a in actions], axis=1)

    def reward(is_open, open_next):
        crush = 101.0 * (np.abs(bar - states) == 1) * (1 - open_next)
        return (-np.abs(bar - states) * is_open - crush)[:, None] - np.abs(actions)[None] / 101.0

    choose = (lambda q: q.mean(axis=1)) if mixed else (lambda q: q.max(axis=1))
    after = {0: np.zeros(101), 1: np.zeros(101)}
    for _ in range(15, 30):
        after = {z: choose(reward(z, z) + 0.99 * ahead(after[z])) for z in after}
    value = choose(np.mean([reward(1, z) + 0.99 * ahead(after[z]) for z in after], axis=0))
    for _ in range(14):
        value = choose(reward(1, 1) + 0.99 * ahead(value))
    return float(start @ value)


@pytest.mark.slow
def test_the_gain_on_the_beach_is_that_of_dynamic_programming():
    """Guards docs/games.md: on the beach `game_deviation` equals dynamic programming to five digits."""
    play = untrained("beach_bar")
    found = game_deviation(play, paths=PATHS)
    bound = game_exploitability(play, paths=PATHS)
    expected = np.mean([best_on_the_beach(b, False) - best_on_the_beach(b, True) for b in range(25, 76)])
    assert found.gain["individuals"] == pytest.approx(expected, rel=1e-5)
    assert found.gain["individuals"] < bound.clairvoyant["individuals"] - 2
    # everybody mixes alike, so the spread is the clairvoyant gain itself
    assert found.spread["individuals"] == pytest.approx(bound.clairvoyant["individuals"], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear_quadratic", pytest.param("crowded_beach_bar", marks=pytest.mark.slow)])
def test_without_common_noise_there_is_nothing_to_foresee(name):
    """Guards `game_deviation`: without common noise the gain equals the clairvoyant one."""
    play = untrained(name, common_noise=False)
    paths = {"linear_quadratic": 2, "crowded_beach_bar": PATHS}[name]
    found, bound = game_deviation(play, paths=paths), game_exploitability(play, paths=paths)
    tolerance = {"linear_quadratic": 1e-10, "crowded_beach_bar": 1e-4}[name]  # where the bar stands is drawn
    assert found.gain["individuals"] == pytest.approx(bound.clairvoyant["individuals"], rel=tolerance)
    # on the beach everybody mixes all actions alike, on the line everybody takes the middle one
    assert name == "linear_quadratic" or found.relative["individuals"] == pytest.approx(100, rel=tolerance)


def test_smoothers_know_the_past_only():
    draws = np.random.default_rng(0)
    signals = draws.normal(size=(60, 9, 2))
    other = signals.copy()
    other[:, 5:] = draws.normal(size=(60, 4, 2))
    for name, weights in history_smoothers(signals, 40).items():
        changed = history_smoothers(other, 40)[name]
        assert weights.shape == (9, 60, 40)
        np.testing.assert_allclose(weights.sum(axis=2), 1.0, atol=1e-6)
        assert np.array_equal(weights[:5], changed[:5]) and not np.allclose(weights[5], changed[5]), name


def test_paths_that_look_alike_so_far_are_averaged():
    signals = np.zeros((4, 2, 1))
    signals[2:, 0], signals[[1, 3], 1] = 5.0, 1.0  # two pairs in period 0, all different in period 1
    weights = history_smoothers(signals, 4)["history kernel 0.01"]
    np.testing.assert_allclose(weights[0], np.kron(np.eye(2), np.full((2, 2), 0.5)), atol=1e-12)
    np.testing.assert_allclose(weights[1], np.eye(4), atol=1e-12)
