"""Model-free baselines: their formulas against loops, their accounting, and that they learn."""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hank_mfg.environment.game import AbstractGame, Aggregate, Discrete, Landing, Population
from hank_mfg.environment.games.linear_quadratic import LinearQuadratic
from hank_mfg.environment.games.rspg_macro import RSPGMacro
from hank_mfg.evaluate.exploitability.game_exploitability import game_exploitability
from hank_mfg.policy.strategy import Sight, make_strategies
from hank_mfg.precision import cast
from hank_mfg.solve.baselines.game_settings import BASELINES, BENCHMARK, settings_for
from hank_mfg.solve.baselines.game_settings import METHODS as METHODS_BY_NAME
from hank_mfg.solve.baselines.mirror_descent import (
    MOMD,
    Replay,
    behavior,
    mean_targets,
    munchausen_targets,
    q_values,
    temperature_after,
)
from hank_mfg.solve.baselines.ppo import (
    IPPO,
    RIPPO,
    Episode,
    advantages,
    clipped_objective,
    crowd_play,
    lifetime_reward,
    make_critics,
    path_targets,
    patient,
    play_crowds,
    resize,
    values_along,
)
from hank_mfg.solve.gradient.game_spg import GameRSPG, scores_along
from hank_mfg.solve.play.game_play import GameState, draw_uniforms, game_play
from hank_mfg.solve.solve import solve


class Chase(AbstractGame):
    """Two populations on a ring of 5: hunters like to be where the prey will be, prey where no hunters will be."""

    discount_factor: Any = 0.9
    horizon: int = eqx.field(static=True, default=4)

    @property
    def populations(self):
        return {name: Population((5,), Discrete(np.arange(-1.0, 2.0), ordered=True)) for name in ("hunters", "prey")}

    def start(self, uniforms):
        mass = jnp.full(5, 0.2, jnp.float32)
        return Aggregate({"hunters": mass, "prey": mass}, jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32))

    def draw(self, aggregate, uniforms):
        return uniforms[0].astype(jnp.float32)

    def signal(self, aggregate):
        return jnp.stack([aggregate.noise, aggregate.masses["prey"][0]])

    def land(self, population, aggregate, own, actions):
        index = ((own + actions.astype(jnp.int32)) % 5)[..., None]
        return Landing(index, jnp.ones(index.shape, jnp.float32))

    def kernel(self, population, aggregate, noise_next):
        return 0.9 * jnp.eye(5, dtype=jnp.float32) + 0.02

    def reward(self, population, aggregate, following, own, actions):
        if population == "hunters":
            return following.masses["prey"][own] - 0.1 * jnp.abs(actions)
        return -following.masses["hunters"][own] - aggregate.noise * jnp.abs(actions)

    def features(self, population, aggregate):
        return (jnp.eye(5, dtype=jnp.float32),)


# ------------------------------------------------------------------------------------------------ formulas


def test_advantages_against_a_loop():
    draws = np.random.default_rng(0)
    rewards, values = draws.normal(size=(2, 7, 3)).astype(np.float32)
    expected = np.zeros((7, 3))
    for person in range(3):
        for first in range(7):
            for t in range(first, 7):
                value_next = values[t + 1, person] if t + 1 < 7 else 0.0
                error = rewards[t, person] + 0.9 * value_next - values[t, person]
                expected[first, person] += (0.9 * 0.8) ** (t - first) * error
    assert np.asarray(advantages(rewards, values, 0.9, 0.8)) == pytest.approx(expected, abs=1e-5)


def test_with_lambda_one_advantages_are_returns_minus_values():
    rewards, values = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    returns = [sum(0.9 ** (t - first) * rewards[t] for t in range(first, 7)) for first in range(7)]
    assert np.asarray(advantages(rewards, values, 0.9, 1.0)) == pytest.approx(np.stack(returns) - values, abs=1e-5)
    assert float(lifetime_reward(rewards[None], 0.9)) == pytest.approx(np.mean(returns[0]), abs=1e-5)


def episode(periods=4, individuals=50, states=3, actions=2):
    draws = np.random.default_rng(1)
    where = jnp.asarray(draws.integers(0, states, (periods, individuals)), jnp.int32)
    what = jnp.asarray(draws.integers(0, actions, (periods, individuals)), jnp.int32)
    rewards = jnp.asarray(draws.normal(size=(periods, individuals)).astype(np.float32))
    tables = draws.normal(size=(2, periods, states, actions)).astype(np.float32)
    log_probabilities = jax.nn.log_softmax(jnp.asarray(tables[0]))
    return Episode(Sight((), None), where, what, rewards), log_probabilities, jnp.asarray(tables[1])


def test_the_clipped_objective_is_that_of_every_individual():
    lived, old, scores = episode()
    new = jax.nn.log_softmax(scores)
    gain, returns = np.random.default_rng(2).normal(size=(2, *lived.states.shape)).astype(np.float32)
    own_targets = path_targets(lived, old, jnp.asarray(gain), jnp.asarray(returns))
    expected, slope = 0.0, jax.grad(lambda n: clipped_objective(n, own_targets, 0.2))(new)
    by_hand = np.zeros(new.shape)
    for t, person in np.ndindex(*gain.shape):
        place = t, int(lived.states[t, person]), int(lived.options[t, person])
        ratio = np.exp(float(new[place]) - float(old[place]))
        plain, clipped = ratio * gain[t, person], np.clip(ratio, 0.8, 1.2) * gain[t, person]
        expected += min(plain, clipped)
        by_hand[place] += plain if plain <= clipped else 0.0
    assert float(clipped_objective(new, own_targets, 0.2)) == pytest.approx(expected, rel=1e-4)
    assert np.asarray(slope) == pytest.approx(by_hand, abs=1e-3)
    seen = np.asarray(lived.states[1]) == 2
    assert float(own_targets.visits[1, 2]) == seen.sum()
    assert float(own_targets.returns[1, 2]) == pytest.approx(returns[1, seen].mean(), abs=1e-5)


def test_munchausen_targets_against_a_loop():
    lived, log_probabilities, values = episode()
    discount, temperature = jnp.asarray(0.9, jnp.float32), jnp.asarray(0.7, jnp.float32)
    targets = munchausen_targets(Replay(lived, log_probabilities), values, discount, temperature, 0.6)
    expected = np.zeros(targets.shape)
    for t, person in np.ndindex(*targets.shape):
        s, a = int(lived.states[t, person]), int(lived.options[t, person])
        expected[t, person] = lived.rewards[t, person] + 0.6 * 0.7 * log_probabilities[t, s, a]
        if t + 1 < len(targets):
            s_next = int(lived.states[t + 1, person])
            for b in range(2):
                soft = values[t + 1, s_next, b] - 0.7 * log_probabilities[t + 1, s_next, b]
                expected[t, person] += 0.9 * np.exp(log_probabilities[t + 1, s_next, b]) * soft
    assert np.asarray(targets) == pytest.approx(expected, abs=1e-4)
    counts, means = mean_targets(Replay(lived, log_probabilities), targets)
    there = (np.asarray(lived.states[2]) == 1) & (np.asarray(lived.options[2]) == 0)
    assert float(counts[2, 1, 0]) == there.sum()
    assert float(means[2, 1, 0]) == pytest.approx(expected[2, there].mean(), abs=1e-4)


def test_where_the_level_is_off_scores_feel_nothing_of_it_on_average():
    game = cast(Chase(), jnp.float32)
    settings = MOMD(exploration=0.4, units=4, width=4)
    strategies = make_strategies(game, settings.networks(), seed=0, categorical=True)
    level = make_critics(game, strategies, settings.networks(), seed=0)["prey"]
    last = lambda s: (s.head.linear.weight, s.head.linear.bias)  # noqa: E731
    strategy = eqx.tree_at(last, strategies["prey"], tuple(leaf + 0.5 for leaf in last(strategies["prey"])))
    draws = np.random.default_rng(0)
    signals = jnp.asarray(draws.normal(size=(4, 2)).astype(np.float32))
    eye = jnp.broadcast_to(jnp.eye(5, dtype=jnp.float32), (4, 5, 5))
    log_probabilities = jax.nn.log_softmax(jnp.asarray(2.0 * draws.normal(size=(4, 5, 3)).astype(np.float32)))
    nobody = jnp.zeros((4, 1), jnp.int32)
    replay = Replay(Episode(Sight((eye,), None), nobody, nobody, nobody), log_probabilities)
    size, temperature = jnp.asarray(3.0, jnp.float32), jnp.asarray(2.0, jnp.float32)
    values = q_values(strategy, level, signals, replay, (size, temperature), settings)
    shares = 0.6 * np.exp(np.asarray(log_probabilities)) + 0.4 / 3
    assert np.asarray(behavior(jnp.exp(log_probabilities), settings)) == pytest.approx(shares, abs=1e-6)
    levels = 3.0 * np.asarray(values_along(level, signals, replay.episode.sight))
    assert (shares * np.asarray(values)).sum(axis=-1) == pytest.approx(levels, abs=1e-5)
    scores = np.asarray(scores_along(strategy, signals, replay.episode.sight))
    ahead = np.asarray(values) - np.asarray(values)[..., :1]
    assert ahead == pytest.approx(2.0 * (scores - scores[..., :1]), abs=1e-5)


def test_the_temperature_of_mirror_descent_falls_geometrically():
    settings = MOMD(updates=10, temperature=8.0, final_temperature=2.0)
    temperatures = [float(temperature_after(settings, jnp.asarray(done, jnp.int32))) for done in (0, 4, 8, 10)]
    assert temperatures == pytest.approx([8.0, 4.0, 2.0, 2.0], rel=1e-5)


def test_the_critic_knows_the_period_and_the_policy_does_not():
    game = cast(Chase(), jnp.float32)
    strategies = make_strategies(game, {"memory": "gru", "units": 4, "width": 4}, seed=0, categorical=True)
    critic = make_critics(game, strategies, {"memory": "gru", "units": 4, "width": 4}, seed=0)["prey"]
    assert critic.whitening.mean.shape == (2 + game.horizon,) and strategies["prey"].whitening.mean.shape == (2,)
    assert critic.initial_memory().shape == (0,)
    critic = eqx.tree_at(lambda c: c.head.linear.weight, critic, critic.head.linear.weight.at[:, 2].set(1.0))
    values = values_along(critic, jnp.zeros((4, 2), jnp.float32), Sight((jnp.zeros((4, 5, 5)) + jnp.eye(5),), None))
    assert np.asarray(values[0]).min() > 1.0
    assert np.asarray(values[1:]) == pytest.approx(0.0, abs=1e-6)


def test_memory_starts_out_telling_long_ago_from_just_now():
    game, settings = cast(LinearQuadratic(), jnp.float32), {"memory": "gru", "units": 16, "width": 4}
    (plain,) = make_strategies(game, settings, seed=0, categorical=True).values()

    def trace(strategy):
        """How much memory still moves after a signal has stood still for fourteen periods."""
        memories = [strategy.initial_memory()]
        for _ in range(15):
            memories.append(strategy.encoder.remember(memories[-1], jnp.zeros_like(strategy.whitening.mean))[0])
        return float(jnp.abs(memories[-1] - memories[-2]).max())

    assert trace(plain) < 1e-3
    assert trace(patient(plain, game.horizon)) > 1e-2
    (bare,) = make_strategies(game, {**settings, "memory": "none"}, seed=0, categorical=True).values()
    assert patient(bare, game.horizon) is bare


def test_new_units_leave_the_critic_where_it_was():
    game = cast(Chase(), jnp.float32)
    strategies = make_strategies(game, {"memory": "gru", "units": 4, "width": 4}, seed=0, categorical=True)
    critic = make_critics(game, strategies, {"memory": "gru", "units": 4, "width": 4}, seed=0)["prey"]
    draws = np.random.default_rng(0)
    bias = jnp.asarray(draws.normal(size=critic.head.linear.bias.shape).astype(np.float32))
    critic = eqx.tree_at(lambda c: c.head.linear.bias, critic, bias)
    signals = jnp.asarray(draws.normal(size=(4, 2)).astype(np.float32))
    sight = Sight((jnp.broadcast_to(jnp.eye(5), (4, 5, 5)),), None)
    returns, size = jnp.asarray([3.0, -4.0], jnp.float32), jnp.asarray(10.0, jnp.float32)
    after, new = resize(critic, size, returns, jnp.asarray(False))
    assert 0.1 < float(new) < 10.0
    before = size * values_along(critic, signals, sight)
    assert np.abs(np.asarray(before)).max() > 1.0
    assert np.asarray(new * values_along(after, signals, sight)) == pytest.approx(np.asarray(before), rel=1e-4)
    assert float(resize(critic, size, returns, jnp.asarray(True))[1]) == pytest.approx(12.5**0.5)


# -------------------------------------------------------------------------------------------------- accounting


@pytest.mark.slow
def test_learners_see_what_players_saw_with_memory_from_first_to_last():
    """Guards docs/games.md: recurrent baselines keep their memory from the first period to the last."""
    game = cast(Chase(), jnp.float32)
    strategies = make_strategies(game, {"memory": "gru", "units": 4, "width": 4}, seed=0, categorical=True)
    last = lambda s: s.head.output.weight  # noqa: E731
    strategies = {name: eqx.tree_at(last, s, last(s) + 1.0) for name, s in strategies.items()}
    play = game_play(game, strategies)
    uniforms = draw_uniforms(jax.random.key(0), 1, game.horizon, 1, jnp.float32)

    @jax.jit
    def both(key):
        signals, episodes = play_crowds(play, 30, uniforms, key=key)
        state, scores = GameState(play.game.start(uniforms[0, 0]), crowd_play(play, 30).memory), []
        for signal in signals[0]:  # the same signals, one by one, memory handed on by hand
            remembered = {n: s.remember(state.memory[n], signal) for n, s in strategies.items()}
            sight = Sight(game.features("prey", state.aggregate), None)
            scores.append(strategies["prey"].scores(remembered["prey"][1], sight))
            state = state._replace(memory={n: memory for n, (memory, _) in remembered.items()})
        sight = jax.tree.map(lambda leaf: leaf[0], episodes["prey"].sight)
        return signals, episodes, jnp.stack(scores), scores_along(strategies["prey"], signals[0], sight)

    signals, episodes, by_hand, along = both(jax.random.PRNGKey(0))
    assert np.asarray(signals[:, 1:, 0]) == pytest.approx(np.asarray(uniforms[:, 1:, 0]))  # the clock moves on
    assert np.asarray(along) == pytest.approx(np.asarray(by_hand), abs=1e-6)
    assert np.ptp(np.asarray(along), axis=0).max() > 1e-3
    for lived in episodes.values():
        assert lived.states.shape == lived.options.shape == lived.rewards.shape == (1, 4, 30)


TINY = {"individuals": 20, "paths": 2, "updates": 2, "units": 4, "width": 4}
METHODS = {
    "ippo": IPPO(epochs=2, minibatches=1, **TINY),
    "rspg": GameRSPG(updates=2, paths=2, epochs=2, units=4, width=4),
    "momd": MOMD(refreshes=2, steps=1, batch=1, temperature=0.5, final_temperature=0.1, **TINY),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rspg", "momd", pytest.param("ippo", marks=pytest.mark.slow)])
def test_two_populations_learn(name):
    """Guards docs/methods.md, 'Games': RSPG, IPPO and MOMD train both populations of a game."""
    solution = solve(Chase(), METHODS[name], seed=3)
    assert set(solution.strategies) == {"hunters", "prey"}
    for strategy in solution.strategies.values():
        assert np.abs(np.asarray(strategy.head.linear.weight)).max() > 0
    assert np.isfinite(solution.history["objective"]).all() and len(solution.history["loss"]) == 2
    counts = {int(leaf) for leaf in jax.tree.leaves(solution.training.optimizer) if jnp.ndim(leaf) == 0}
    assert counts == {4}  # the learning rate is counted in optimizer steps


def test_recurrent_settings_differ_in_memory_alone():
    assert RIPPO(paths=4) == IPPO(memory="gru", paths=4)
    assert IPPO().memory == MOMD().memory == "none"


@pytest.mark.parametrize("settings", [IPPO(), MOMD()], ids=["ippo", "momd"])
def test_an_interval_of_actions_is_refused(settings, refuses):
    game = cast(RSPGMacro(bins=None), jnp.float32)
    refuses(lambda: settings.begin(game, seed=0), "households", "interval", "bins=20")


def test_impossible_settings_are_refused(refuses):
    refuses(lambda: IPPO(paths=8, minibatches=3), "minibatches = 3", "paths = 8")
    refuses(lambda: MOMD(paths=2, batch=3), "batch = 3", "paths = 2")
    refuses(lambda: MOMD(temperature=0.0), "temperature = 0.0")
    refuses(lambda: MOMD(final_temperature=-1.0), "final_temperature = -1.0")


def test_every_method_has_settings_for_every_shipped_game(refuses):
    for name, method in itertools.product(BENCHMARK, METHODS_BY_NAME):
        settings = settings_for(name, method, updates=7)
        assert settings.updates == 7
        counts = method == "rspg" and name in ("beach_bar", "crowded_beach_bar")
        assert settings.memory == ("lru" if counts else "gru" if method.startswith("r") else "none")
    assert settings_for("beach_bar", paths=3) == GameRSPG(**{**BENCHMARK["beach_bar"], "paths": 3})
    assert not {game for table in BASELINES.values() for game in table} - set(BENCHMARK)
    refuses(lambda: settings_for("chess", "ippo"), "the game 'chess'", "beach_bar")
    refuses(lambda: settings_for("beach_bar", "dqn"), "the method 'dqn'", "rmomd")


# --------------------------------------------------------------------------------------------------- learning

SMALL = {"individuals": 100, "paths": 4, "units": 8, "width": 8}
LEARNERS = {
    "ippo": IPPO(updates=20, minibatches=2, learning_rate=1e-2, **SMALL),
    "rippo": RIPPO(updates=20, minibatches=2, learning_rate=1e-2, **SMALL),
    "momd": MOMD(updates=40, batch=2, learning_rate=1e-2, **SMALL),
}


@pytest.fixture(scope="module")
def uniform_play():
    """The exploitability of taking every action with the same probability."""
    with jax.enable_x64(True):
        game = cast(LinearQuadratic(), jnp.float64)
        strategies = make_strategies(game, LEARNERS["ippo"].networks(), seed=0, categorical=True)
        return game_exploitability(game_play(game, strategies), paths=8).clairvoyant["individuals"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ippo", *(pytest.param(name, marks=pytest.mark.slow) for name in ("momd", "rippo"))])
def test_exploitability_falls_well_below_that_of_uniform_play(name, uniform_play):
    """Guards docs/methods.md, 'Games': the model-free baselines learn."""
    solution = solve(LinearQuadratic(), LEARNERS[name])
    after = game_exploitability(solution, paths=8).clairvoyant["individuals"]
    assert after < 0.3 * uniform_play, (uniform_play, after)
    objective = solution.history["objective"]
    assert objective[-5:].mean() > objective[0]
