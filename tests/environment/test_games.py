"""Games against independent NumPy loops, adjoints, conservation, and switches that must change something."""

import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_games as reference
from tabulated import Tabulated, loaded

import hank_mfg as hm
from hank_mfg.environment.game import Choice, ahead, all_states, land_everybody, read, settle
from hank_mfg.evaluate.exploitability.game_exploitability import path_gains
from hank_mfg.policy.strategy import action_values_of
from hank_mfg.solve.play.game_play import draw_uniforms, game_play

pytestmark = pytest.mark.usefixtures("float64")

NAMES = tuple(reference.GAMES)


def only(game):
    ((name, population),) = game.populations.items()
    return name, population


def gains(game, table, uniforms) -> np.ndarray:
    """Value of following a table, and of the clairvoyant best response, along one path."""
    name, _ = only(game)
    play = game_play(game, {name: Tabulated(jnp.asarray(table))})
    return np.asarray(path_gains(play, jnp.asarray(uniforms)[None])[name][0])


def path_of(name: str, case: int, periods: int) -> tuple[np.ndarray, Any]:
    """Uniform numbers of one path and the same path as the reference states it."""
    uniforms = np.full((periods, 1), 0.75)
    if name == "linear_quadratic":
        uniforms[0] = (0.25, 0.75)[case]
        return uniforms, (1, -1)[case]
    if name == "rspg_macro":
        uniforms[1:] = np.random.default_rng(case).uniform(0.02, 0.98, (periods - 1, 1))
        from scipy.special import ndtri

        return uniforms, reference.Macro().productivity_path(ndtri(uniforms[1:, 0]))
    uniforms[0] = (40 - 25 + 0.5) / 51
    uniforms[15] = (0.25, 0.75)[case]
    return uniforms, (40, case == 0)


def tables(name: str, game, rival) -> dict[str, np.ndarray]:
    """Uniform, deterministic, and a table drawn at random that depends on time and state: (time, states, actions)."""
    _, population = only(game)
    shape = (game.horizon, population.size, len(population.actions.values))
    actions = [rival.deterministic_policy(0, rival.aggregate(rival.initial_mass(p), 0, p), s) for p in
               (path_of(name, 0, game.horizon)[1],) for s in range(population.size)]  # fmt: skip
    draws = np.random.default_rng(3).dirichlet(np.full(shape[2], 0.5), size=shape[:2])
    return {
        "uniform": np.full(shape, 1.0 / shape[2]),
        "deterministic": np.broadcast_to(np.asarray(actions), shape),
        "random": draws,
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", [0, 1])
def test_value_and_best_response_of_fixed_policies_are_those_of_plain_loops(name, case):
    """Guards docs/games.md: value and best response of shipped games are those of independent loops."""
    game, rival = loaded(name), reference.GAMES[name]()
    uniforms, path = path_of(name, case, game.horizon)
    wanted = ("random",) if name == "rspg_macro" or case else ("uniform", "deterministic", "random")
    for label, table in tables(name, game, rival).items():
        if label in wanted:
            value, best, _ = reference.exploitability(rival, lambda t, _, s, table=table: table[t, s], path)
            np.testing.assert_allclose(gains(game, table, uniforms), [value, best], rtol=1e-9, err_msg=label)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_moving_the_mass_is_the_adjoint_of_expecting_values(name):
    """<push forward m, v> = <m, expect v>, and mass is conserved."""
    game = loaded(name)
    population_name, population = only(game)
    aggregate = game.start(jnp.full(game.draws, 0.3))
    own, draws = all_states(game, population_name), np.random.default_rng(0)
    shape = (population.size, len(population.actions.values))
    values = jnp.asarray(draws.normal(size=population.size))
    actions = jnp.broadcast_to(action_values_of(population.actions, jnp.float64)[None], shape)
    choice = Choice(actions, jnp.asarray(draws.dirichlet(np.ones(shape[1]), size=shape[0])))
    noise = game.draw(aggregate, jnp.full(game.draws, 0.6))
    settled = land_everybody(game, population_name, aggregate, own, choice)
    kernel = np.asarray(game.kernel(population_name, aggregate, noise))
    moved = (np.asarray(settled).reshape(-1, kernel.shape[0]) @ kernel).reshape(-1)
    expected = read(
        ahead(game, population_name, aggregate, noise, values), game.land(population_name, aggregate, own, actions)
    )
    inner = float(jnp.sum(aggregate.masses[population_name][:, None] * choice.probabilities * expected))
    assert float(moved @ values) == pytest.approx(inner, abs=1e-12)
    assert moved.sum() == pytest.approx(1.0, abs=1e-12) and moved.min() >= 0.0
    np.testing.assert_allclose(kernel.sum(axis=1), 1.0, atol=1e-12)
    landing = game.land(population_name, aggregate, own, actions)
    np.testing.assert_allclose(settle(choice.probabilities, landing).sum(), population.size, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("switch", ["common_noise", "idiosyncratic_noise"])
def test_every_switch_changes_something(name, switch):
    """Guards `AbstractGame`: `common_noise` and `idiosyncratic_noise` of every game can be switched off."""
    outcomes = []
    for on in (True, False):
        game = loaded(name, **{switch: on})
        population_name, population = only(game)
        shape = (game.horizon, population.size, len(population.actions.values))
        play = game_play(game, {population_name: Tabulated(jnp.full(shape, 1.0 / shape[2]))})
        uniforms = jnp.full((game.horizon, game.draws), 0.3)
        steps = eqx.filter_jit(play.path)(uniforms)
        masses, signals = steps.following.masses[population_name], steps.now.signal
        outcomes.append(np.concatenate([np.ravel(masses), np.ravel(signals)]))
    assert np.abs(outcomes[0] - outcomes[1]).max() > 1e-3


def test_draws_are_stratified_at_the_start_and_antithetic_afterwards():
    uniforms = np.asarray(draw_uniforms(jax.random.key(0), 8, 5, 1, jnp.float64))
    assert uniforms.shape == (8, 5, 1) and uniforms.min() >= 0.0 and uniforms.max() < 1.0
    np.testing.assert_array_equal(uniforms[:4, 0], uniforms[4:, 0])
    np.testing.assert_array_equal(np.sort(np.floor(4 * uniforms[:4, 0, 0])), np.arange(4))
    np.testing.assert_allclose(uniforms[:4, 1:] + uniforms[4:, 1:], 1.0, atol=1e-12)
    many = np.asarray(draw_uniforms(jax.random.key(1), 20_000, 2, 1, jnp.float64))[:, 1, 0]
    assert abs(many.mean() - 0.5) < 1e-9 and abs(many.var() - 1.0 / 12.0) < 5e-3


def test_the_macro_game_starts_where_its_definition_says():
    """K_0, L, r_0, w_0 and the income grid. Source: definition of the published benchmark."""
    game = loaded("rspg_macro")
    prices = game.prices(game.start(jnp.full(1, 0.5)))
    assert float(prices.interest_rate) == pytest.approx(0.05368, abs=1e-5)
    assert float(prices.wage) == pytest.approx(1.866725, abs=1e-6)
    np.testing.assert_allclose(game.income, [0.1, 0.30731, 0.637412, 1.163038, 2.0], atol=1e-6)


def test_an_unknown_game_is_refused_with_the_list():
    with pytest.raises(
        ValueError, match="There is no game 'beach' .did you mean 'beach_bar'.*: choose one of linear_quadratic"
    ):
        hm.load_game("beach")
    with pytest.raises(ValueError, match="taste for crowds"):
        hm.load_game("crowded_beach_bar", crowd_aversion=-1.0)
    with pytest.raises(ValueError, match=r"RSPGMacro\(bins=1\)"):
        hm.load_game("rspg_macro", bins=1)
