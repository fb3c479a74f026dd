"""Sampled individuals: their histogram approaches the exact mass, at the right rate, and nobody is lost on the way."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hank_mfg.environment.game import AbstractGame, Aggregate, Choice, Discrete, Landing, Population
from hank_mfg.environment.games.beach_bar import BeachBar
from hank_mfg.environment.games.linear_quadratic import LinearQuadratic
from hank_mfg.environment.sampled import (
    Crowd,
    draw_outcomes,
    empirical_mass,
    gather_crowd,
    sampled_advance,
    sampled_rewards,
    sampled_rollout,
    sampled_start,
)
from hank_mfg.policy.strategy import make_strategies
from hank_mfg.precision import cast
from hank_mfg.solve.baselines.ppo import crowd_play
from hank_mfg.solve.play.game_play import game_play


class Market(AbstractGame):
    """Two populations: sellers on a ring of 4, buyers at 2 places with 3 tastes; each seeks the other."""

    discount_factor: Any = 0.9
    horizon: int = eqx.field(static=True, default=5)

    @property
    def populations(self):
        sellers = Population((4,), Discrete(np.arange(3.0)))
        return {"sellers": sellers, "buyers": Population((2, 3), Discrete(np.arange(2.0), ordered=True))}

    def start(self, uniforms):
        sellers, buyers = jnp.array([0.4, 0.0, 0.4, 0.2]), jnp.array([0.5, 0.1, 0.1, 0.1, 0.2, 0.0])
        noise = jnp.where(uniforms[0] < 0.5, 1.0, -1.0)
        return Aggregate({"sellers": sellers, "buyers": buyers}, noise, jnp.zeros((), jnp.int32))

    def draw(self, aggregate, uniforms):
        return jnp.where(uniforms[0] < 0.5, aggregate.noise, -aggregate.noise)

    def signal(self, aggregate):
        return jnp.stack([jnp.sum(aggregate.masses["sellers"] * jnp.arange(4.0)), aggregate.noise])

    def land(self, population, aggregate, own, actions):
        steps = actions.astype(jnp.int32)
        if population == "sellers":
            index = ((own + steps) % 4)[..., None]
            return Landing(index, jnp.ones(index.shape))
        there = (own + 3 * steps) % 6
        index = jnp.stack([jnp.broadcast_to(own, there.shape), there], axis=-1)
        return Landing(index, jnp.stack([jnp.full(there.shape, 0.25), jnp.full(there.shape, 0.75)], axis=-1))

    def kernel(self, population, aggregate, noise_next):
        count = self.populations[population].shape[-1]
        move = jnp.roll(jnp.eye(count), jnp.where(noise_next > 0, 1, -1), axis=1)
        return 0.7 * jnp.eye(count) + 0.3 * jnp.where(aggregate.time > 2, jnp.eye(count), move)

    def reward(self, population, aggregate, following, own, actions):
        if population == "sellers":
            return following.masses["buyers"][own] - 0.1 * actions
        return following.masses["sellers"][own // 3] - 0.1 * actions

    def features(self, population, aggregate):
        return tuple(jnp.eye(count) for count in self.populations[population].shape)


def wrong_strategies(game, seed=0):
    """Strategies that react to the signal in some arbitrary way."""
    strategies = make_strategies(game, {"memory": "gru", "units": 4, "width": 4}, seed=seed, categorical=True)
    draws = np.random.default_rng(seed)
    for name, strategy in strategies.items():
        last = lambda s: (s.head.linear.weight, s.head.linear.bias)  # noqa: E731
        leaves = tuple(jnp.asarray(draws.normal(size=x.shape).astype(np.float32)) for x in last(strategy))
        strategies[name] = eqx.tree_at(last, strategy, leaves)
    return strategies


def start_play(game, seed=0):
    game = cast(game, jnp.float32)
    return game_play(game, wrong_strategies(game, seed))


UNIFORMS = jnp.asarray(np.random.default_rng(7).uniform(size=(6, 1)).astype(np.float32))
QUARTERS = jnp.full((18, 1), 0.25)  # the bar closes in period 15


def masses_of(play, individuals, keys):
    """Histograms (seeds, time, states) of each population over the first periods."""
    roll = lambda key: sampled_rollout(crowd_play(play, individuals), UNIFORMS, key=key)[1].masses  # noqa: E731
    return jax.jit(jax.vmap(roll))(keys)


@eqx.filter_jit
def roll_out(play):
    """The last crowd and the aggregates of 18 periods with 137 individuals."""
    return sampled_rollout(crowd_play(play, 137), QUARTERS, key=jax.random.PRNGKey(3))


@pytest.mark.slow
@pytest.mark.parametrize(
    "game",
    [
        pytest.param(LinearQuadratic(), id="linear_quadratic", marks=pytest.mark.slow),
        pytest.param(BeachBar(), id="beach_bar"),
    ],
)
def test_the_error_falls_with_the_square_root_of_the_number(game):
    """Guards docs/games.md: the histogram of N sampled individuals nears the exact mass at rate 1/sqrt(N)."""
    play = start_play(game)
    keys = jax.random.split(jax.random.PRNGKey(1), 8)
    exact = jax.jit(lambda u: play.path(u).now.state.aggregate.masses)(UNIFORMS)["individuals"]
    sizes, errors = (100, 1000, 10_000), []
    for individuals in sizes:
        masses = masses_of(play, individuals, keys)["individuals"]
        errors.append(float(jnp.abs(masses - exact[None]).sum(axis=2).mean()))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1), errors
    assert errors[-1] < 0.1


@pytest.mark.slow
def test_two_populations():
    """Guards docs/games.md, sampled individuals: histograms of two populations have no bias."""
    play = start_play(Market())
    keys = jax.random.split(jax.random.PRNGKey(1), 4)
    with jax.numpy_rank_promotion("raise"):
        exact = jax.jit(lambda u: play.path(u).now.state.aggregate.masses)(UNIFORMS)
        masses = masses_of(play, 10_000, keys)
    for name, mass in exact.items():
        assert np.abs(np.asarray(masses[name] - mass[None])).max() < 0.025, name
        noise = np.abs(np.asarray(masses[name].mean(axis=0) - mass)).max()
        assert noise < 0.012, name  # the mean over seeds is nearer still: no bias


@pytest.mark.slow
@pytest.mark.parametrize("game", [LinearQuadratic(), BeachBar(), Market()], ids=["linear_quadratic", "beach", "market"])
def test_individuals_stay_in_range_and_none_is_lost(game):
    """Guards environment/sampled.py: the empirical mass counts each individual once, in every period."""
    crowd, aggregates = roll_out(start_play(game))
    for name, population in game.populations.items():
        states = np.asarray(crowd.states[name])
        assert states.shape == (137,) and states.min() >= 0 and states.max() < population.size
        counts = 137 * np.asarray(aggregates.masses[name], np.float64)
        assert counts == pytest.approx(np.round(counts), abs=1e-4)
        assert counts.sum(axis=1) == pytest.approx(137)
    assert np.asarray(aggregates.time).tolist() == list(range(18))
    assert int(crowd.aggregate.time) == 18


def test_nobody_stands_on_the_bar():
    _, aggregates = roll_out(start_play(BeachBar()))
    on_bar = np.asarray(aggregates.masses["individuals"])[np.arange(18), np.asarray(aggregates.noise.bar)]
    assert not on_bar.any()
    assert np.asarray(aggregates.noise.is_open).tolist() == [1.0] * 15 + [0.0] * 3


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["common_noise", "idiosyncratic_noise"])
@pytest.mark.parametrize("kind", [LinearQuadratic, BeachBar])
def test_every_noise_can_be_switched_off(noise, kind):
    """Guards `AbstractGame`: each noise can be switched off, among sampled individuals too."""
    on, off = (roll_out(start_play(kind(**{noise: switch})))[1] for switch in (True, False))
    same = jax.tree.map(lambda a, b: bool((a == b).all()), on, off)
    assert not all(jax.tree.leaves(same))
    if noise == "idiosyncratic_noise":
        assert all(jax.tree.leaves(same.noise)) and not all(same.masses.values())


@pytest.mark.slow
def test_without_any_noise_individuals_move_as_their_actions_say():
    """Guards `sampled_advance` and `sampled_rewards`: without noise, moves and rewards in closed form."""
    game = cast(LinearQuadratic(common_noise=False, idiosyncratic_noise=False), jnp.float32)
    crowd = sampled_start(game, 50, UNIFORMS[0], key=jax.random.PRNGKey(0))
    actions = jnp.asarray(np.random.default_rng(0).integers(-3, 4, 50).astype(np.float32))
    moved = sampled_advance(game, crowd, {"individuals": actions}, UNIFORMS[1], key=jax.random.PRNGKey(1))
    before = np.asarray(crowd.states["individuals"])
    assert np.asarray(moved.states["individuals"]).tolist() == np.clip(before + np.asarray(actions), 0, 98).tolist()
    rewards = sampled_rewards(game, crowd, {"individuals": actions}, moved.aggregate)["individuals"]
    gap = np.asarray(moved.states["individuals"]).mean() - before
    expected = -0.5 * np.asarray(actions) ** 2 + 0.1 * np.asarray(actions) * gap - 0.25 * gap**2
    assert np.asarray(rewards) == pytest.approx(expected, rel=1e-4)


def test_outcomes_follow_their_weights():
    weights = np.array([[0.0, 0.2, 0.0, 0.5, 0.3, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]], np.float32)
    draws = (np.arange(1000) + 0.5) / 1000
    first = draw_outcomes(jnp.asarray(weights), jnp.zeros(1000, jnp.int32), jnp.asarray(draws.astype(np.float32)))
    assert np.bincount(np.asarray(first), minlength=6).tolist() == [0, 200, 0, 500, 300, 0]
    ends = jnp.asarray([0.0, 1.0 - 2.0**-24], jnp.float32)
    assert np.asarray(draw_outcomes(jnp.asarray(weights), jnp.zeros(2, jnp.int32), ends)).tolist() == [1, 4]
    assert np.asarray(draw_outcomes(jnp.asarray(weights), jnp.ones(2, jnp.int32), ends)).tolist() == [0, 0]


def test_rounding_draws_nothing_impossible():
    weights = np.zeros((1, 400), np.float32)
    weights[0, :300] = np.random.default_rng(0).uniform(size=300)
    weights[0, :300:3] = 0.0
    weights /= weights.sum()
    uniforms = np.float32(1.0) - np.arange(1, 2000, dtype=np.float32) * np.float32(2.0**-24)  # the last representable
    drawn = np.asarray(draw_outcomes(jnp.asarray(weights), jnp.zeros(1999, jnp.int32), jnp.asarray(uniforms)))
    assert (weights[0, drawn] > 0).all()


def test_the_histogram_counts_individuals():
    mass = np.asarray(empirical_mass(jnp.asarray([0, 2, 2, 3], jnp.int32), 5, jnp.float32))
    assert mass.tolist() == [0.25, 0.0, 0.5, 0.25, 0.0]


def test_private_signals_reach_those_who_respond():
    play = start_play(Market())
    seen = []

    def observe(population, aggregate, states, key):
        seen.append(population)
        return jax.random.bernoulli(key, 0.5, (states.shape[0], 1)).astype(jnp.float32)

    def respond(population, choice, observations):
        """Those who see a one take the last option, the others the first."""
        last = choice.actions.shape[1] - 1
        probabilities = jax.nn.one_hot(last * observations[:, 0].astype(jnp.int32), last + 1)
        return Choice(choice.actions, probabilities)

    crowd = crowd_play(play, 40, observe=observe, respond=respond)
    record = lambda step: (step.observations, step.options)  # noqa: E731
    roll = jax.jit(lambda key: sampled_rollout(crowd, UNIFORMS, key=key, record=record)[1])
    observations, options = roll(jax.random.PRNGKey(0))
    assert set(seen) == {"sellers", "buyers"}
    for name, last in (("sellers", 2), ("buyers", 1)):
        seen_one = np.asarray(observations[name])[..., 0]
        assert 0 < seen_one.mean() < 1
        assert (np.asarray(options[name]) == last * seen_one).all()


def test_a_crowd_carries_its_own_histogram():
    game = cast(Market(), jnp.float32)
    states = {"sellers": jnp.asarray([0, 0, 3, 3], jnp.int32), "buyers": jnp.asarray([5, 5, 5, 5], jnp.int32)}
    crowd = gather_crowd(game, states, game.start(UNIFORMS[0]))
    assert isinstance(crowd, Crowd)
    assert np.asarray(crowd.aggregate.masses["sellers"]).tolist() == [0.5, 0.0, 0.0, 0.5]
    assert np.asarray(crowd.aggregate.masses["buyers"]).tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
