"""A declared economy as a game: the same period as the economy itself, prices that clear, and values."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment import economy as ec
from hank_mfg.environment.economy_game import HOUSEHOLDS, EconomyGame
from hank_mfg.environment.game import (
    Choice,
    Period,
    Taken,
    ahead,
    all_states,
    arrive,
    expect,
    land_everybody,
    population_actions,
)
from hank_mfg.environment.sampled import cleared, sampled_start
from hank_mfg.policy.strategy import make_strategies
from hank_mfg.precision import cast
from hank_mfg.solve.play.game_play import GameState, action_values, game_play, price_taking

POINTS = 20
SIZES = {"asset_points": POINTS, "horizon": 4, "knots": 5}
FAST = ("huggett_1993",)
ENDING = ("life_cycle", "overlapping_generations")  # lives end there, which is refused
NAMES = [
    name if name in FAST else pytest.param(name, marks=pytest.mark.slow)
    for name in hm.model_names()
    if name not in ENDING
]


class Made(NamedTuple):
    """A game with any share as action, in float64, and the stationary equilibrium that it was made of."""

    game: EconomyGame
    steady: hm.SteadyState


@functools.cache
def made(name: str) -> Made:
    model = hm.load_model(name)
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        steady = hm.steady_state(model, asset_points=POINTS, others=False)
        return Made(cast(hm.as_game(model, **SIZES, bins=None, steady=steady), jnp.float64), steady)


class Happened(NamedTuple):
    """A period of the game in which everybody mixes the shares of the stationary savings with neighboring ones."""

    period: Period
    taken: dict[str, Taken]
    savings: Any
    landed: Any
    reward: Any


@eqx.filter_jit
def happen(game: EconomyGame, savings, uniforms) -> Happened:
    now, own = game.start(uniforms[0]), all_states(game, HOUSEHOLDS)
    stationary = game.shares_of(now, savings)
    actions = jnp.concatenate([stationary, 0.98 * stationary], axis=1)
    probabilities = jnp.broadcast_to(jnp.asarray([0.9, 0.1]), actions.shape)
    taken = population_actions(now, {HOUSEHOLDS: own}, {HOUSEHOLDS: Choice(actions, probabilities)})
    now = game.clear(now, taken) if game.clears else now
    landed = land_everybody(game, HOUSEHOLDS, now, own, Choice(actions, probabilities))
    following = arrive(game, now, {HOUSEHOLDS: landed}, game.draw(now, uniforms[1]))
    reward = game.reward(HOUSEHOLDS, now, following, own, actions)
    return Happened(Period(now, following), taken, game.savings(game.public(now), own, actions)[1], landed, reward)


@eqx.filter_jit
def of_the_economy(game: EconomyGame, now, savings, probabilities, shock_next):
    """The same savings (options, assets, income) put through the economy's own period."""
    economy, noise = game.economy, now.noise
    mass = now.masses[HOUSEHOLDS].reshape(economy.shape)
    public = economy.public(ec.Aggregate(mass, noise.shock, noise.state_variables), noise.clearing_prices)
    settled = sum(probabilities[k] * economy.settle(mass, economy.lottery(savings[k])) for k in range(2))
    following = economy.arrive(settled, noise.shock, shock_next, economy.next_state(public))
    rewards = jnp.stack([economy.reward(each, public) for each in savings])
    totals = [economy.choices(probabilities[k] * mass, public, savings[k]) for k in range(2)]
    excess = economy.markets(public, jax.tree.map(jnp.add, *totals))
    return public, settled, following, rewards, excess


@pytest.mark.filterwarnings("ignore:.*top of the asset grid")  # of 20 points
@pytest.mark.parametrize("name", NAMES)
def test_a_period_of_the_game_is_a_period_of_the_economy(name, float64):
    """Mass, state variables, prices, rewards and what is left over of every market, to 1e-12."""
    game, steady = made(name)
    happened = happen(game, jnp.asarray(steady.savings), jnp.asarray([[0.3], [0.7]]))
    now, following = happened.period
    shape = game.economy.shape
    savings = jnp.moveaxis(happened.savings.reshape(*shape, 2), -1, 0)
    probabilities = jnp.asarray([0.9, 0.1])
    public, settled, after, rewards, excess = of_the_economy(game, now, savings, probabilities, following.noise.shock)

    close = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-12)
    close(happened.landed.reshape(shape), settled)
    close(following.masses[HOUSEHOLDS].reshape(shape), after.mass)
    close(following.masses[HOUSEHOLDS].sum(), 1.0)
    jax.tree.map(close, following.noise.state_variables, after.state_variables)
    finite = np.isfinite(rewards)
    np.testing.assert_allclose(
        np.moveaxis(happened.reward.reshape(*shape, 2), -1, 0)[finite], rewards[finite], rtol=1e-12, atol=1e-12
    )
    close(game.excess(now, happened.taken) if game.clears else np.zeros(0), excess)
    assert float(jnp.max(jnp.abs(excess), initial=0.0)) < 1e-8
    assert game.signal(now).tolist() == game.economy.signal(public).tolist()
    assert int(following.time) == 1


@pytest.mark.parametrize("name", FAST)
def test_the_expectation_is_the_adjoint_of_the_move(name, float64):
    """<m', v> = <m, E v> for the mass after the period and any values."""
    game, steady = made(name)
    happened = happen(game, jnp.asarray(steady.savings), jnp.asarray([[0.3], [0.7]]))
    values = jnp.asarray(np.random.default_rng(0).normal(size=happened.landed.shape))
    taken = happened.taken[HOUSEHOLDS]
    expected = expect(game, HOUSEHOLDS, happened.period, taken.own, taken.actions, values)
    moved = happened.period.following.masses[HOUSEHOLDS]
    np.testing.assert_allclose(jnp.sum(moved * values), jnp.sum(taken.weight * expected), rtol=1e-12)
    forward = ahead(game, HOUSEHOLDS, happened.period.now, happened.period.following.noise, values)
    np.testing.assert_allclose(jnp.sum(moved * values), jnp.sum(happened.landed * forward), rtol=1e-12)


def at_rest(game: EconomyGame, savings) -> tuple[Period, Choice]:
    """A path on which nothing aggregate moves, and the shares of the stationary policy on it, time leading."""
    now = game.start(jnp.full(1, 0.5))
    shares = game.shares_of(now, savings)
    paths = lambda tree: jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (game.horizon, *leaf.shape)), tree)  # noqa: E731
    times = jnp.arange(game.horizon, dtype=jnp.int32)
    path = Period(paths(now)._replace(time=times), paths(now)._replace(time=times + 1))
    return path, Choice(paths(shares), jnp.ones((game.horizon, *shares.shape)))


@pytest.mark.parametrize("name", ["huggett_1993", pytest.param("aiyagari", marks=pytest.mark.slow)])
def test_the_stationary_policy_is_worth_its_value(name, float64):
    """Without aggregate shocks: V along the path is the stationary value at every time, to 1e-9."""
    game, steady = made(name)
    path, choice = at_rest(game, jnp.asarray(steady.savings))
    values = eqx.filter_jit(action_values)(game, HOUSEHOLDS, path, choice)[1]
    end = jnp.broadcast_to(game.begin.end, values.shape)
    there = game.start(jnp.full(1, 0.5)).masses[HOUSEHOLDS] > 0
    np.testing.assert_allclose(values[:, there], end[:, there], rtol=1e-9, atol=1e-9)


def test_a_model_with_one_discount_factor_keeps_it(float64):
    """Where patience is alike it is one number, so that nothing is discounted household by household."""
    game = made("huggett_1993").game
    assert float(game.discount_factor) == 0.99322
    assert jnp.ndim(game.discount(HOUSEHOLDS, game.start(jnp.full(1, 0.5)), all_states(game, HOUSEHOLDS))) == 0


@pytest.mark.slow
def test_patience_that_moves_is_that_of_the_model(float64):
    """Stochastic patience is discounted with the household's own factor, in the order of the economy's states."""
    game = made("krusell_smith_stochastic_beta").game
    now, own = game.start(jnp.full(1, 0.5)), all_states(game, HOUSEHOLDS)
    expected = jnp.tile(game.economy.discount_factor(game.economy.shocks(0))[0], POINTS)
    assert jnp.array_equal(game.discount(HOUSEHOLDS, now, own)[:, 0], expected)


def test_sampled_households_clear_the_market_they_make(float64):
    """Prices of a crowd clear what its own individuals chose."""
    game, steady = made("huggett_1993")
    crowd = sampled_start(game, 400, jnp.full(1, 0.5), key=jax.random.key(0))
    actions = {HOUSEHOLDS: game.shares_of(crowd.aggregate, jnp.asarray(steady.savings))[crowd.states[HOUSEHOLDS], 0]}
    after = eqx.filter_jit(cleared)(game, crowd, actions)
    states = crowd.states[HOUSEHOLDS]
    taken = {HOUSEHOLDS: Taken(game.place(HOUSEHOLDS, states), actions[HOUSEHOLDS], jnp.full(400, 1 / 400))}
    assert abs(float(game.excess(after.aggregate, taken)[0])) < 1e-8
    assert float(after.aggregate.noise.clearing_prices.price) != float(crowd.aggregate.noise.clearing_prices.price)


def test_a_path_records_prices_that_clear(float64):
    """Every period of a play is recorded at the prices that its choices clear at."""
    game, _ = made("huggett_1993")
    settings = {"memory": "none", "units": 4, "width": 4}
    play = game_play(game, make_strategies(game, settings, seed=0))
    state = GameState(game.start(jnp.full(1, 0.5)), {HOUSEHOLDS: play.strategies[HOUSEHOLDS].initial_memory()})

    def step(state):
        happened = play.act(play.decide(state), jnp.full(1, 0.5))
        now = happened.now
        return happened, population_actions(now.state.aggregate, play.own, now.choices)

    happened, taken = eqx.filter_jit(step)(state)
    assert price_taking(happened).now.noise.clearing_prices == happened.now.state.aggregate.noise.clearing_prices
    left = float(game.excess(happened.now.state.aggregate, taken)[0])
    price = float(happened.now.state.aggregate.noise.clearing_prices.price)
    ends = [float(end[0]) for end in game.economy.brackets()]
    assert abs(left) < 1e-8 or price in ends
    assert happened.following.noise.clearing_prices == happened.now.state.aggregate.noise.clearing_prices


@pytest.mark.slow
def test_the_start_is_the_long_run():
    """Income given the shock is that of the long run, assets are the stationary ones."""
    game, steady = made("krusell_smith")
    masses = np.asarray(game.begin.masses).reshape(2, *game.economy.shape)
    with jax.enable_x64(True):
        long_run = np.asarray(game.economy.long_run())
    np.testing.assert_allclose(masses.sum(axis=1) * np.asarray(game.begin.shares)[:, None], long_run, rtol=1e-12)
    stationary = steady.mass / steady.mass.sum(axis=0)
    np.testing.assert_allclose(masses[0] / masses[0].sum(axis=0), stationary, rtol=1e-12)


def test_a_percent_of_consumption_is_worth_what_it_says():
    """(c^(1-g) - 1)/(1-g) for ever: with 2 percent more consumption lifetime utility V becomes
    (1.02^(1-g) (1 + (1-g) V/W) - 1) W/(1-g), with W the value of a unit of utility in every period."""
    game = made("huggett_1993").game
    curvature, weight, value = 1 - 1.5, 1 / (1 - 0.99322), -40.0
    better = (1.02**curvature * (1 + curvature * value / weight) - 1) * weight / curvature
    assert float(game.consumption_equivalent(better - value, value)) == pytest.approx(2.0, rel=1e-4)


def test_refusals():
    """Sizes that make no game."""
    with pytest.raises(ValueError, match="bins"):
        hm.as_game(hm.load_model("krusell_smith"), bins=1)
    with pytest.raises(ValueError, match="horizon"):
        hm.as_game(hm.load_model("krusell_smith"), horizon=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"), [("huggett", {}), ("krusell_smith_stochastic_beta", {"borrowing_limit": 0.0})]
)
def test_every_method_and_measure_of_games_runs_on_it(name, changes):
    """RSPG, PPO and mirror descent train; both exploitabilities and finite populations are numbers: with prices that
    clear inside the period, and with patience that differs."""
    tiny = {"updates": 2, "paths": 2, "units": 4, "width": 4}
    crowd = {**tiny, "individuals": 30}
    with jax.numpy_rank_promotion("allow"):
        game = hm.as_game(hm.load_model(name, **changes), **SIZES, bins=8)
        for method in (hm.GameRSPG(**tiny), hm.RIPPO(**crowd), hm.MOMD(**crowd, batch=2)):
            solution = hm.solve(game, method, verbose=False)
            assert np.isfinite(solution.history["objective"]).all()
        report = hm.exploitability(solution, paths=4)
        assert report.percent[HOUSEHOLDS] > 0 and report.clairvoyant[HOUSEHOLDS] > 0
        gain = hm.exploitability(solution, "regression", paths=4).gain[HOUSEHOLDS]
        assert 0 <= gain <= 1.001 * report.clairvoyant[HOUSEHOLDS]
        many = hm.finite_population(solution, (20, 200), paths=4)
        assert many.mass_gap[HOUSEHOLDS].mean[1] < many.mass_gap[HOUSEHOLDS].mean[0]
        assert np.isfinite(many.deviation[HOUSEHOLDS].mean).all()


@pytest.mark.slow
def test_debts_at_which_prices_are_undefined_are_refused():
    """Capital is negative when all households consume half of what they can and may owe."""
    with jax.numpy_rank_promotion("allow"), pytest.raises(hm.SolveError, match="raise the borrowing limit to zero"):
        game = hm.as_game(hm.load_model("krusell_smith_stochastic_beta"), **{**SIZES, "horizon": 10}, bins=8)
        hm.solve(game, hm.GameRSPG(updates=2, paths=2, units=4, width=4), verbose=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*at the top of the asset grid:UserWarning")
def test_training_on_a_game_reaches_the_equilibrium_of_the_economy(float64):
    """Krusell and Smith after 40 updates: exploitability is below .05 percent of consumption, from above 1 percent."""
    with jax.numpy_rank_promotion("allow"):
        game = hm.as_game(hm.load_model("krusell_smith"), asset_points=40, horizon=30)
        settings = {"epochs": 4, "learning_rate": 1e-2}
        solution = hm.solve(game, hm.GameRSPG(updates=40, **settings), verbose=False)
        assert hm.exploitability(solution, paths=8).percent[HOUSEHOLDS] < 0.05
