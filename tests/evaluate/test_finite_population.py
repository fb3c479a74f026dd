"""A finite crowd against the mean field: exact where nobody matters, by hand where two play, and the rate."""

import functools
import itertools
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.game import AbstractGame, Aggregate, Discrete, Landing, Population
from hank_mfg.environment.games import load_game
from hank_mfg.evaluate.exploitability.finite_population import finite_population
from hank_mfg.evaluate.exploitability.game_exploitability import game_exploitability
from hank_mfg.policy.strategy import make_strategies
from hank_mfg.precision import cast
from hank_mfg.solve.play.game_play import GameState, game_play

PATHS = 2**15
STAY = 0.8  # the probability that the exogenous move leaves somebody where the action led


@pytest.fixture(autouse=True)
def in_float64(float64):
    """Every test here."""


class Square(AbstractGame):
    """Three places on a ring, two actions, two periods; a flag (common noise) says whether company is good or bad.

    Everything is simple enough to be done by hand for two individuals: staying or going on, then a drift of one place
    with probability 1 - STAY. The reward reads the next histogram, which the own move is half of.
    """

    discount_factor: Any = 0.9
    horizon: int = eqx.field(static=True, default=3)

    @property
    def populations(self):
        return {"walkers": Population((3,), Discrete(np.arange(2.0)))}

    def start(self, uniforms):
        mass = jnp.array([0.6, 0.3, 0.1])
        return Aggregate({"walkers": mass}, jnp.where(uniforms[0] < 0.5, 1.0, -1.0), jnp.zeros((), jnp.int32))

    def draw(self, aggregate, uniforms):
        return jnp.where(uniforms[0] < 0.25, -aggregate.noise, aggregate.noise)

    def signal(self, aggregate):
        return jnp.concatenate([aggregate.masses["walkers"][:2], aggregate.noise[None]])

    def land(self, population, aggregate, own, actions):
        index = ((own + actions.astype(jnp.int32)) % 3)[..., None]
        return Landing(index, jnp.ones(index.shape))

    def kernel(self, population, aggregate, noise_next):
        return STAY * jnp.eye(3) + (1 - STAY) * jnp.roll(jnp.eye(3), 1, axis=1)

    def reward(self, population, aggregate, following, own, actions):
        company = following.masses["walkers"][own] + aggregate.masses["walkers"][own] ** 2
        return aggregate.noise * company * (1.0 + own) + 0.3 * own - 0.2 * actions

    def features(self, population, aggregate):
        return (jnp.eye(3),)


def wild_play(game):
    """Strategies without memory that react strongly to signals."""
    game = cast(game, jnp.float64)
    strategies = make_strategies(game, {"memory": "none", "units": 4, "width": 4}, seed=0)
    draws = np.random.default_rng(3)
    for name, strategy in strategies.items():
        last = lambda s: (s.head.linear.weight, s.head.linear.bias)  # noqa: E731
        leaves = tuple(jnp.asarray(0.7 * draws.normal(size=x.shape)) for x in last(strategy))
        strategies[name] = eqx.tree_at(last, strategy, leaves)
    return game_play(game, cast(strategies, jnp.float64))


def uniform_play(name, **switches):
    """Everybody as before training: every action alike, or the middle one, whatever the signals."""
    game = cast(load_game(name, **switches), jnp.float64)
    return game_play(game, cast(make_strategies(game, {"memory": "none", "units": 4, "width": 4}, seed=0), jnp.float64))


# ------------------------------------------------------------------ two walkers by hand


def lottery(state, action):
    """Where a walker is next: (3,)."""
    probabilities = np.zeros(3)
    probabilities[(state + action) % 3] += STAY
    probabilities[(state + action + 1) % 3] += 1 - STAY
    return probabilities


def reward(noise, now, following, state, action):
    return noise * (following[state] + now[state] ** 2) * (1.0 + state) + 0.3 * state - 0.2 * action


def policy_of(play):
    """The probabilities (states, actions) that a strategy without memory gives at a histogram."""
    memory = {"walkers": play.strategies["walkers"].initial_memory()}
    decide = jax.jit(lambda a: play.decide(GameState(a, memory)).choices["walkers"].probabilities)
    known = {}

    def policy(mass, noise):
        key = (*np.round(mass, 12), noise)
        if key not in known:
            known[key] = np.asarray(
                decide(Aggregate({"walkers": jnp.asarray(mass)}, jnp.asarray(noise), jnp.zeros(())))
            )
        return known[key]

    return policy


def exact_path(policy, noises):
    """Masses of the mean field, by pushing them forward: a list of (3,)."""
    masses = [np.array([0.6, 0.3, 0.1])]
    for noise in noises:
        probabilities = policy(masses[-1], noise)
        masses.append(sum(masses[-1][s] * probabilities[s, a] * lottery(s, a) for s in range(3) for a in range(2)))
    return masses


def best_reply(masses, noises):
    """Backward induction along the exact path: the best actions (time, states)."""
    values, reply = np.zeros(3), []
    for time in reversed(range(len(noises))):
        action_value = np.zeros((3, 2))
        for state, action in itertools.product(range(3), range(2)):
            flow = reward(noises[time], masses[time], masses[time + 1], state, action)
            action_value[state, action] = flow + 0.9 * lottery(state, action) @ values
        values = action_value.max(axis=1)
        reply.append(action_value.argmax(axis=1))
    return reply[::-1]


def lifetime_reward(policy, noises, reply):
    """What the first of two walkers expects, every outcome of both enumerated; she follows when `reply` is None."""
    start = np.array([0.6, 0.3, 0.1])
    together, total = np.outer(start, start), 0.0  # probabilities of both walkers' places
    for time, noise in enumerate(noises):
        moved = np.zeros((3, 3))
        for first, second in itertools.product(range(3), repeat=2):
            now = (np.eye(3)[first] + np.eye(3)[second]) / 2
            probabilities = policy(now, noise)
            own = probabilities[first] if reply is None else np.eye(2)[reply[time][first]]
            for mine, yours in itertools.product(range(2), repeat=2):
                chance = together[first, second] * own[mine] * probabilities[second, yours]
                both = np.outer(lottery(first, mine), lottery(second, yours))
                moved += chance * both
                for there, then in itertools.product(range(3), repeat=2):
                    following = (np.eye(3)[there] + np.eye(3)[then]) / 2
                    total += 0.9**time * chance * both[there, then] * reward(noise, now, following, first, mine)
        together = moved
    return total


def solved(play) -> Any:
    """A solution with these strategies, trained or not."""
    return SimpleNamespace(play=lambda: play)


@functools.cache
def few_walkers():
    """Few walkers, found once for several tests."""
    play = wild_play(Square())
    return play, finite_population(solved(play), (2, 40), paths=PATHS, seed=1)


@pytest.mark.slow
def test_two_walkers_against_every_outcome_by_hand():
    """Guards `finite_population`: the gain of one of N = 2, own weight counted, by full enumeration."""
    play, found = few_walkers()
    policy, gain = policy_of(play), 0.0
    for first, *flips in itertools.product((1.0, -1.0), (1.0, -1.0), (1.0, -1.0)):
        noises = np.cumprod([first, *flips])
        reply = best_reply(exact_path(policy, noises), noises)
        probability = 0.5 * np.prod([0.75 if flip > 0 else 0.25 for flip in flips])
        gain += probability * (lifetime_reward(policy, noises, reply) - lifetime_reward(policy, noises, None))
    error = float(found.deviation["walkers"].standard_error[0])
    assert float(found.deviation["walkers"].mean[0]) == pytest.approx(gain, abs=4 * error)
    assert abs(gain - found.limit["walkers"][0]) > 10 * error  # without the own weight the number is another one
    assert abs(gain - float(found.price_taking["walkers"].mean[0])) > 10 * error


# ------------------------------------------------------------------ limits and rates


@pytest.mark.slow
def test_where_nobody_matters_every_number_gives_the_mean_field():
    """Guards `finite_population`: gains equal the mean field's at every N where masses move no reward."""
    play = uniform_play("beach_bar")
    found = finite_population(solved(play), (2, 50), paths=4)
    for excess in (found.deviation_excess, found.price_taking_excess):
        assert np.abs(excess["individuals"].mean).max() < 1e-10
        assert excess["individuals"].standard_error.max() < 1e-10
    assert found.mass_gap["individuals"].mean.min() > 0.1


@pytest.mark.slow
def test_the_limit_is_the_clairvoyant_exploitability():
    """Guards docs/games.md, row 'mean field': the limit is clairvoyant exploitability, to 1e-12."""
    play, found = few_walkers()
    exact = game_exploitability(play, paths=PATHS, seed=1).clairvoyant["walkers"]
    assert found.limit["walkers"][0] == pytest.approx(exact, rel=1e-12)


@pytest.mark.slow
def test_gaps_fall_with_the_square_root_of_the_number_and_gains_approach_the_limit():
    """Guards docs/games.md, 'Finite populations': gaps fall like N^(-1/2), gains approach the mean field."""
    found = finite_population(solved(uniform_play("linear_quadratic")), (100, 3_000), paths=8)
    assert found.signal_slope == pytest.approx(-0.5, abs=0.1)
    assert found.mass_slope["individuals"] == pytest.approx(-0.5, abs=0.05)
    for excess in (found.deviation_excess["individuals"], found.price_taking_excess["individuals"]):
        assert (np.abs(excess.mean) < 4 * excess.standard_error + 0.01 * found.limit["individuals"][0]).all()
        assert excess.standard_error[-1] < 0.3 * excess.standard_error[0]


@pytest.mark.slow
def test_a_price_taker_with_more_knowledge_gains_more():
    """Guards `finite_population`: a price taker who knows all luck gains more than the mean field's limit."""
    excess = few_walkers()[1].price_taking_excess["walkers"]
    assert excess.mean[0] > 4 * excess.standard_error[0] > 0
    assert abs(excess.mean[1]) < 0.2 * excess.mean[0]


@pytest.mark.slow
def test_the_table_ends_with_the_mean_field():
    """Guards `FinitePopulation.table`: a row for each N, the last the mean field with a gap of zero."""
    found = few_walkers()[1]
    frame = found.table()
    assert frame.index.get_level_values("Individuals").tolist() == [2, 40, np.inf]
    gains = frame[["Gain of a deviator (lifetime reward)", "Gain of a price taker (lifetime reward)"]].to_numpy()
    assert gains[-1].tolist() == [found.limit["walkers"][0]] * 2
    assert gains[1].tolist() == [found.deviation["walkers"].mean[1], found.price_taking["walkers"].mean[1]]
    assert frame["Mass gap (L1)"].tolist() == [*found.mass_gap["walkers"].mean, 0.0]


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_figure_shows_both_limits(shift):
    """Whether gains are positive or not, as they may be where the own weight is large."""
    found = few_walkers()[1]
    gains = {name: gain._replace(mean=gain.mean - shift) for name, gain in found.deviation.items()}
    left, right = hm.plot.finite_population(found._replace(deviation=gains)).axes
    assert [panel.get_xscale() for panel in (left, right)] == ["log", "log"]
    assert (left.get_yscale(), right.get_yscale()) == ("log", "symlog" if shift else "log")
    assert found.limit["walkers"][0] in [line.get_ydata()[0] for line in right.get_lines()]
    rate = next(line for line in left.get_lines() if line.get_linewidth() == 0.5).get_ydata()
    assert rate[0] / rate[1] == pytest.approx(np.sqrt(40 / 2))


@pytest.mark.parametrize(
    ("individuals", "pieces"),
    [
        (0, ("individuals = 0", "at least 2")),
        (1, ("individuals = 1", "at least 2")),
        ((), ("individuals = ()", "such as")),
        ((10, 1), ("individuals = (10, 1)", "1", "at least 2")),
        ((10, 20.5), ("individuals = (10, 20.5)", "whole")),
    ],
)
def test_what_cannot_be_played_is_refused(individuals, pieces, refuses):
    refuses(lambda: finite_population(solved(wild_play(Square())), individuals), *pieces)


@pytest.mark.parametrize("paths", [0, 2, 7, 4.0])
def test_paths_that_are_no_pairs_are_refused(paths, refuses):
    refuses(lambda: finite_population(solved(wild_play(Square())), 10, paths=paths), f"paths = {paths}", "even")
