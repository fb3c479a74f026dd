"""The structural gradient of games: identities, closed forms of its moves, and equilibria that it must reach."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.game import (
    Aggregate,
    Choice,
    Discrete,
    Period,
    Population,
    all_states,
    arrive,
    land_everybody,
)
from hank_mfg.policy.encoders import Attention
from hank_mfg.policy.strategy import action_values_of, neighborhood
from hank_mfg.precision import cast
from hank_mfg.solve.gradient.game_spg import GameRSPG, GameTargets, centered_residual, climbed, softened
from hank_mfg.solve.play.game_play import action_values, best_values

TINY = {"paths": 2, "updates": 40, "epochs": 2, "units": 8, "width": 16}


def lq(dtype):
    return cast(hm.load_game("linear_quadratic"), dtype)


def follow(game, probabilities, direction):
    """Everybody plays the probabilities `probabilities` (time, states, actions); aggregates are taken as given."""
    name = "individuals"
    values = action_values_of(game.populations[name].actions, probabilities.dtype)
    actions = jnp.broadcast_to(values[None], probabilities.shape[1:])
    own = all_states(game, name)
    start = Aggregate({name: jnp.full(99, 1.0 / 99.0, probabilities.dtype)}, direction, jnp.zeros((), jnp.int32))

    def period(aggregate, probabilities):
        settled = land_everybody(game, name, aggregate, own, Choice(actions, probabilities))
        following = arrive(game, aggregate, {name: settled}, aggregate.noise)
        return following, (aggregate, following)

    return actions, own, jax.lax.scan(period, start, probabilities)[1]


def test_the_mass_times_action_values_is_the_gradient_through_the_mass(float64):
    """dJ/dpi_t(a|s) = beta^t m_t(s) Q_t(s, a), everything aggregate held fixed: automatic differentiation agrees."""
    game, name = lq(jnp.float64), "individuals"
    probabilities = jnp.asarray(np.random.default_rng(0).dirichlet(np.ones(7), size=(30, 99)))
    actions, own, (now, following) = follow(game, probabilities, jnp.asarray(1.0))
    frozen = jax.tree.map(jax.lax.stop_gradient, (now, following))

    def objective(probabilities):
        def period(carry, inputs):
            mass, discount = carry
            probabilities, now, following = inputs
            rewards = game.reward(name, now, following, own, actions)
            flow = discount * jnp.sum(mass[:, None] * probabilities * rewards)
            settled = land_everybody(game, name, now._replace(masses={name: mass}), own, Choice(actions, probabilities))
            moved = arrive(game, now, {name: settled}, now.noise).masses[name]
            return (moved, discount * game.discount_factor), flow

        first = (frozen[0].masses[name][0], jnp.ones(()))
        return jax.lax.scan(period, first, (probabilities, *frozen))[1].sum()

    gradient = jax.jit(jax.grad(objective))(probabilities)

    choices = Choice(jnp.broadcast_to(actions[None], probabilities.shape), probabilities)
    values, value = jax.jit(lambda f, c: action_values(game, name, f, c))(Period(*frozen), choices)
    discount = game.discount_factor ** jnp.arange(30.0)
    ours = discount[:, None, None] * frozen[0].masses[name][..., None] * values
    np.testing.assert_allclose(ours, gradient, atol=1e-11)
    assert float(jnp.sum(frozen[0].masses[name][0] * value[0])) == pytest.approx(
        float(objective(probabilities)), abs=1e-9
    )


def test_weight_times_move_does_not_depend_on_the_bound():
    draws = np.random.default_rng(1)
    scores, values = jnp.asarray(draws.normal(size=(5, 4))), jnp.asarray(draws.normal(size=(5, 4)))
    products = []
    for limit in (0.1, 1.0, 100.0):
        target, weight = softened(
            scores, values, jnp.asarray(0.5), GameRSPG(rate=2.0, max_move=limit, uniform_action_weight=0.01)
        )
        assert float(jnp.abs(target - scores).max()) <= limit * (1 + 1e-6)
        products.append(np.asarray(weight * (target - scores)))
    np.testing.assert_allclose(products[0], products[2], rtol=1e-4, atol=1e-6)
    probabilities = np.asarray(jax.nn.softmax(scores, axis=1))
    soft = np.asarray(values) - 0.5 * np.log(probabilities)
    exact = (probabilities + 0.01) * 2.0 * (soft - (probabilities * soft).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(products[2], exact, rtol=1e-4, atol=1e-6)


def test_a_state_whose_scores_all_move_alike_misses_nothing():
    """Softmax does not see the level of a state, and weights sum every distance to zero."""
    draws = np.random.default_rng(3)
    scores, move, weight = (jnp.asarray(draws.uniform(0.1, 1.0, size=(5, 4))) for _ in range(3))
    level = jnp.asarray(draws.normal(size=(5, 1)))
    away = centered_residual(scores, GameTargets(scores + move, weight, None))
    np.testing.assert_allclose(
        centered_residual(scores, GameTargets(scores + move + level, weight, None)), away, atol=1e-6
    )
    np.testing.assert_allclose(centered_residual(scores, GameTargets(scores + level, weight, None)), 0.0, atol=1e-6)
    np.testing.assert_allclose(jnp.sum(weight * away, axis=1), 0.0, atol=1e-6)
    np.testing.assert_allclose(away[:, 1:] - away[:, :1], move[:, :1] - move[:, 1:], atol=1e-6)
    alone = GameTargets(scores[:, :1] + 2.0, weight[:, :1], None)
    np.testing.assert_allclose(centered_residual(scores[:, :1], alone), -2.0, atol=1e-6)


def test_a_policy_that_is_softmax_of_its_values_stays():
    values = jnp.asarray(np.random.default_rng(2).normal(size=(3, 5)))
    target, _ = softened(values / 0.7, values, jnp.asarray(0.7), GameRSPG(rate=1.0, max_move=10.0))
    np.testing.assert_allclose(target, values / 0.7, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("best", [-1.2, 0.0, 2.4])
def test_ordered_actions_climb_to_the_top_of_a_parabola(best):
    """Q = -(a - best)^2 over actions -3..3: repeated Newton steps end with sigmoid(score) at the vertex."""
    population = Population((1,), Discrete(np.arange(-3.0, 4.0), ordered=True))
    scores = jnp.zeros((1, 1))
    for _ in range(60):
        tried = neighborhood(scores, population).actions
        scores, _ = climbed(scores, -((tried - best) ** 2), tried, population, 0.5)
    assert float(-3.0 + 6.0 * jax.nn.sigmoid(scores[0, 0])) == pytest.approx(best, abs=1e-3)


@pytest.mark.slow
def test_an_action_at_the_end_rests_when_the_best_lies_beyond():
    """Guards `climbed`: an action at the end of its range rests where the best one lies beyond."""
    population = Population((1,), Discrete(np.arange(-3.0, 4.0), ordered=True))
    scores = jnp.full((1, 1), 6.0)
    tried = neighborhood(scores, population).actions
    target, weight = climbed(scores, -((tried - 9.0) ** 2), tried, population, 0.5)
    assert float(weight[0, 0]) == 0.0 and float(target[0, 0]) == 6.0


@pytest.fixture(scope="module")
def trained():
    return hm.solve(hm.load_game("linear_quadratic"), hm.GameRSPG(paths=2, updates=240, epochs=8))


def equilibrium_exploitability() -> float:
    """Clairvoyant exploitability of the exact equilibrium: tables by period and current, period 0 not knowing it.

    Mirror descent on tables with falling temperature, no network: what nobody can beat, because period 0 cannot know
    the direction and a clairvoyant does.
    """
    game, name = lq(jnp.float64), "individuals"

    all_actions = action_values_of(game.populations[name].actions, jnp.float64)

    @jax.jit
    def sweep(scores, temperature):
        values, gains = [], 0.0
        for place, direction in enumerate((1.0, -1.0)):
            probabilities = jax.nn.softmax(scores[place], axis=-1)
            actions, _, (now, following) = follow(game, probabilities, jnp.asarray(direction))
            path, choices = (
                Period(now, following),
                Choice(jnp.broadcast_to(actions[None], probabilities.shape), probabilities),
            )
            q, v = action_values(game, name, path, choices)
            best = best_values(game, name, path, all_actions)
            gains += 0.5 * jnp.sum(now.masses[name][0] * (best[0] - v[0]))
            values.append(q)
        first = 0.5 * (values[0][0] + values[1][0])
        wanted = jnp.stack([q.at[0].set(first) for q in values]) / temperature
        centered = lambda x: x - x.max(axis=-1, keepdims=True)  # noqa: E731
        return centered(scores) + 0.2 * (centered(wanted) - centered(scores)), gains

    scores, gains = jnp.zeros((2, 30, 99, 7)), jnp.zeros(())
    for number in range(500):
        scores, gains = sweep(scores, 0.02 + 3.0 * max(0.0, 1.0 - number / 400) ** 2)
    return float(gains)


@pytest.mark.slow
def test_the_network_comes_close_to_the_exact_equilibrium_and_never_below(trained, float64):
    """Guards docs/games.md, floor of `linear_quadratic`: .7254, and training ends between it and 2.5."""
    exact = equilibrium_exploitability()
    assert exact == pytest.approx(0.7254, abs=0.01)
    ours = hm.exploitability(trained, paths=4).clairvoyant["individuals"]
    assert exact - 0.05 < ours < 2.5


@pytest.mark.slow
def test_memory_lowers_exploitability(trained):
    """Without memory nobody can count the phases of the current."""
    forgetful = hm.solve(hm.load_game("linear_quadratic"), hm.GameSPG(paths=2, updates=240, epochs=8))
    without = hm.exploitability(forgetful, paths=4).clairvoyant["individuals"]
    assert without > 5.0 * hm.exploitability(trained, paths=4).clairvoyant["individuals"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["crowded_beach_bar", "rspg_macro"])
def test_training_lowers_exploitability_on_the_other_games(name):
    """Guards docs/games.md: RSPG lowers exploitability of `crowded_beach_bar` and `rspg_macro`."""
    game = hm.load_game(name)
    settings = hm.settings_for(name, updates=40, epochs=4, paths=4, temperature=2.0)
    before = hm.solve(game, dataclasses.replace(settings, updates=1, learning_rate=1e-9))
    after = hm.solve(game, settings, chunk=10)
    gains = [next(iter(hm.exploitability(s, paths=2).clairvoyant.values())) for s in (before, after)]
    assert gains[1] < (0.2 if name == "rspg_macro" else 0.8) * gains[0]


@pytest.mark.slow
def test_without_noise_two_populations_come_to_rest():
    """Where nothing is hidden the best response gains little in either population: scores fitted with their level in
    each state, which softmax does not see, left prey a gain of 1.3."""
    game = hm.load_game("predators_and_prey", common_noise=False)
    exact = {"paths": 1, "updates": 600, "rate": 0.3, "epochs": 8, "learning_rate": 3e-3, "memory": "lru"}
    solution = hm.solve(game, hm.settings_for("predators_and_prey", **exact))
    report = hm.exploitability(solution, paths=1)
    for population, gain in report.clairvoyant.items():
        assert gain < 0.1 * report.value[population], report


@pytest.mark.slow
def test_a_continuous_action_is_worth_a_percent_of_consumption():
    """Guards `GameExploitability.percent`: the gain as permanent consumption, with `bins=None` too."""
    solution = hm.solve(
        hm.load_game("rspg_macro", bins=None), hm.settings_for("rspg_macro", updates=10, epochs=4, paths=4)
    )
    report = hm.exploitability(solution, paths=2)
    gain, value = report.clairvoyant["households"], report.value["households"]
    assert report.percent["households"] == pytest.approx(100.0 * (value / (value + gain) - 1.0), rel=1e-9)
    assert report.actions["households"] == 400


def test_attention_sees_the_window_and_nothing_before_it():
    encoder = Attention(2, 8, window=3, key=jax.random.key(0))
    draws = np.random.default_rng(4).normal(size=(6, 2))

    def features(signals):
        memory = encoder.initial()
        for signal in signals:
            memory, seen = encoder.remember(memory, jnp.asarray(signal, jnp.float32))
        return np.asarray(seen)

    changed = draws.copy()
    changed[:3] += 1.0
    np.testing.assert_allclose(features(draws), features(changed), atol=1e-6)
    changed[3] += 1.0
    assert np.abs(features(draws) - features(changed)).max() > 1e-3
    assert not np.allclose(features(draws[:1]), features(draws[:2]))


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match=r"GameRSPG\(paths=0\): paths must be a positive integer"):
        hm.GameRSPG(paths=0)
    with pytest.raises(ValueError, match=r"GameRSPG\(memory='rnn'\): memory must be one of 'none', 'gru'"):
        hm.GameRSPG(memory="rnn")
    with pytest.raises(ValueError, match="There are no settings for the game 'chess'"):
        hm.settings_for("chess")


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_stops_training_and_names_the_update():
    """Guards `solve`: SolveError where the loss of a game is not a number, with the update."""
    game = hm.load_game("linear_quadratic")
    with pytest.raises(hm.SolveError, match=r"Update \d+: the loss became NaN or infinite"):
        hm.solve(game, hm.GameRSPG(**{**TINY, "learning_rate": 1e30, "clip_norm": 1e30, "max_move": 1e30}))
