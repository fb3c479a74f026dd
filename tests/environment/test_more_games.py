"""The epidemic and the game of predators and prey against independent NumPy loops; conservation, switches, training."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_more_games as reference
from tabulated import Tabulated, loaded

import hank_mfg as hm
from hank_mfg.environment.game import Choice, ahead, all_states, arrive, land_everybody, read, settle
from hank_mfg.environment.sampled import sampled_rollout
from hank_mfg.evaluate.exploitability.game_exploitability import path_gains
from hank_mfg.policy.strategy import action_values_of, make_strategies
from hank_mfg.precision import cast
from hank_mfg.solve.baselines.ppo import crowd_play
from hank_mfg.solve.play.game_play import game_play

NAMES = ("epidemic", "predators_and_prey")
RIVALS = {
    "epidemic": {"individuals": reference.Epidemic()},
    "predators_and_prey": {"prey": reference.Prey(), "predators": reference.Predators()},
}


def shapes(game) -> dict[str, tuple[int, int, int]]:
    """The shape (time, states, actions) of a table of each population."""
    return {name: (game.horizon, p.size, len(p.actions.values)) for name, p in game.populations.items()}


def tables(game, label: str) -> dict[str, np.ndarray]:
    """Uniform, deterministic, or drawn at random by time and state."""
    made, draws = {}, np.random.default_rng(3)
    rivals = RIVALS["predators_and_prey" if len(game.populations) == 2 else "epidemic"]
    for name, shape in shapes(game).items():
        rival = rivals[name]
        made[name] = {
            "uniform": lambda shape=shape: np.full(shape, 1.0 / shape[2]),
            "random": lambda shape=shape: draws.dirichlet(np.full(shape[2], 0.5), size=shape[:2]),
            "deterministic": lambda shape=shape, rival=rival: np.broadcast_to(
                [rival.deterministic_policy(0, None, state) for state in range(shape[1])], shape
            ),
        }[label]()
    return made


def played(game, made):
    return game_play(game, {name: Tabulated(jnp.asarray(table)) for name, table in made.items()})


def path_of(name: str, case: int, periods: int) -> tuple[np.ndarray, Any]:
    """Uniform numbers of one path and the same path as the reference states it."""
    draws = np.random.default_rng(case)
    if name == "epidemic":
        errors, about, changes = draws.normal(size=periods), np.zeros(periods, int), (case, 9, 30, 31)
        about[0] = case
        for t in range(1, periods):
            about[t] = about[t - 1] ^ (t in changes)
        turns = np.where(np.diff(about) != 0, 0.049, 0.051)
        first = np.concatenate([[0.3 if case else 0.7], turns])
        return np.stack([first, ndtr(errors)], axis=1), (about, errors)
    uniforms = draws.uniform(0.01, 0.99, (periods, 3))
    meadow, herd = [int(48 * uniforms[0, 0])], int(48 * uniforms[0, 2])
    for u in uniforms[1:, 0]:
        meadow.append((meadow[-1] + {0: -1, 1: 1}.get(int(16 * u), 0)) % 48)
    sighted = [(cell + int(17 * u) - 8) % 48 for cell, u in zip(meadow, uniforms[:, 1], strict=True)]
    return uniforms, (meadow, sighted, herd)


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("label", ["uniform", "deterministic", "random"])
@pytest.mark.parametrize("case", [0, 1])
def test_epidemic_is_that_of_plain_loops(label, case):
    """Guards docs/games.md: values, masses and reports of `epidemic` agree with independent loops."""
    game, (rival,) = loaded("epidemic"), RIVALS["epidemic"].values()
    uniforms, path = path_of("epidemic", case, game.horizon)
    made = tables(game, label)
    table, play = made["individuals"], played(game, made)
    policy = lambda t, _, s: table[t, s]  # noqa: E731
    value, best, _ = reference.exploitability(rival, policy, path)
    ours = path_gains(play, jnp.asarray(uniforms)[None])["individuals"][0]
    np.testing.assert_allclose(ours, [value, best], rtol=1e-10)
    steps, masses = eqx.filter_jit(play.path)(jnp.asarray(uniforms)), reference.follow(rival, policy, path)[0]
    np.testing.assert_allclose(steps.now.state.aggregate.masses["individuals"], masses[:-1], atol=1e-13)
    reports = reference.report_path(rival, masses, path)
    np.testing.assert_allclose(steps.now.signal[:, 0], reports - np.log(0.01), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("label", ["uniform", "deterministic", "random"])
def test_predators_and_prey_are_those_of_plain_loops(label):
    """Guards docs/games.md: both populations of `predators_and_prey` agree with independent loops."""
    game, rivals = loaded("predators_and_prey"), RIVALS["predators_and_prey"]
    uniforms, path = path_of("predators_and_prey", 0, game.horizon)
    made = tables(game, label)
    play = played(game, made)
    ours = path_gains(play, jnp.asarray(uniforms)[None])
    for name, gains in reference.gains_of_all(rivals, made, path).items():
        np.testing.assert_allclose(ours[name][0], gains, rtol=1e-9, err_msg=name)
    steps, masses = eqx.filter_jit(play.path)(jnp.asarray(uniforms)), reference.follow_all(rivals, made, path)
    for name in rivals:
        wanted = [mass[name] for mass in masses[:-1]]
        np.testing.assert_allclose(steps.now.state.aggregate.masses[name], wanted, atol=1e-13)
    angle = 2 * np.pi / 48 * np.arange(48)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    wanted = [[*circle[seen], *(mass["prey"] @ circle)] for seen, mass in zip(path[1], masses, strict=False)]
    np.testing.assert_allclose(steps.now.signal, wanted, atol=1e-12)


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", NAMES)
def test_moving_the_mass_is_the_adjoint_of_expecting_values(name):
    """<push forward m, v> = <m, expect v>, and the mass of each population is conserved."""
    game, draws = loaded(name), np.random.default_rng(0)
    aggregate = game.start(jnp.full(game.draws, 0.3))
    noise, settled, inner, kernels = game.draw(aggregate, jnp.full(game.draws, 0.6)), {}, {}, {}
    values = {population: jnp.asarray(draws.normal(size=p.size)) for population, p in game.populations.items()}
    for population, (_, states, count) in shapes(game).items():
        actions = action_values_of(game.populations[population].actions, jnp.float64)
        choice = Choice(
            jnp.broadcast_to(actions[None], (states, count)), jnp.asarray(draws.dirichlet(np.ones(count), states))
        )
        own = all_states(game, population)
        settled[population] = land_everybody(game, population, aggregate, own, choice)
        landing = game.land(population, aggregate, own, choice.actions)
        expected = read(ahead(game, population, aggregate, noise, values[population]), landing)
        inner[population] = jnp.sum(aggregate.masses[population][:, None] * choice.probabilities * expected)
        np.testing.assert_allclose(settle(choice.probabilities, landing).sum(), states, rtol=1e-12)
        kernels[population] = np.asarray(game.kernel(population, aggregate, noise))
    for population, mass in arrive(game, aggregate, settled, noise).masses.items():
        assert float(mass @ values[population]) == pytest.approx(float(inner[population]), abs=1e-12)
        assert float(mass.sum()) == pytest.approx(1.0, abs=1e-12) and float(mass.min()) >= 0.0
        np.testing.assert_allclose(kernels[population].sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("switch", ["common_noise", "idiosyncratic_noise"])
def test_every_switch_changes_something(name, switch):
    outcomes = []
    for on in (True, False):
        game = loaded(name, **{switch: on})
        steps = eqx.filter_jit(played(game, tables(game, "random")).path)(jnp.full((game.horizon, game.draws), 0.02))
        outcomes.append(steps.following.masses)
        assert np.isfinite(steps.now.signal).all()
    changes = [np.abs(outcomes[0][population] - outcomes[1][population]).max() for population in outcomes[0]]
    assert (min if switch == "idiosyncratic_noise" else max)(changes) > 1e-3


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", NAMES)
def test_without_common_noise_all_paths_are_the_same(name):
    game = loaded(name, common_noise=False)
    path = eqx.filter_jit(played(game, tables(game, "random")).path)
    draws = jnp.asarray(np.random.default_rng(1).uniform(size=(2, game.horizon, game.draws)))
    one, other = (path(uniforms) for uniforms in draws)
    for this, that in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(this, that)


@pytest.mark.usefixtures("float64")
def test_one_infectious_infects_as_many_as_the_reproduction_number_says():
    """Few are infectious and everybody has normal contacts: infections per infectious week times mean weeks = R."""
    game = loaded("epidemic", report_sd=0.0)
    few = jnp.zeros((3, 4)).at[:, 2].set(jnp.asarray([2e-5, 0.0, 1e-5])).at[1, 0].set(1.0 - 3e-5).reshape(-1)
    own = all_states(game, "individuals")
    for variant, reproduction in ((0.0, 2.5), (1.0, 2.5 * 1.97)):
        aggregate = game.start(jnp.full(2, 0.7))
        noise = aggregate.noise._replace(variant=jnp.asarray(variant))
        aggregate = aggregate._replace(masses={"individuals": few}, noise=noise)
        weeks = 1.0 / float(game.chain[2, 3])
        infected = float(game.risk(aggregate, own, jnp.ones((12, 1)))[4, 0])
        assert infected * weeks / (3e-5 + 1e-4) == pytest.approx(reproduction, rel=1e-3)


@pytest.mark.usefixtures("float64")
def test_what_prey_lose_predators_gain():
    """The two populations' rewards from each other cancel in the aggregate."""
    games = [loaded("predators_and_prey", predation=predation) for predation in (0.0, 0.5)]
    draws = np.random.default_rng(2)
    masses = {name: jnp.asarray(draws.dirichlet(np.ones(48))) for name in ("prey", "predators")}
    total, parts = 0.0, []
    for name, mass in masses.items():
        rewards = []
        for game in games:
            now = game.start(jnp.full(3, 0.4))._replace(masses=masses)
            rewards.append(game.reward(name, now, now, all_states(game, name), jnp.zeros((48, 1)))[:, 0])
        parts.append(float(mass @ (rewards[1] - rewards[0])))
        total += parts[-1]
    assert abs(parts[0]) > 0.1 and total == pytest.approx(0.0, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_histograms_of_sampled_individuals_are_as_near_the_masses_as_chance_allows(name):
    """The mean error of a share m among N draws is sqrt(2 m (1 - m) / (pi N)); what the crowd does adds a little."""
    game, count = cast(hm.load_game(name), jnp.float32), 40_000
    play = game_play(game, {p: Tabulated(jnp.asarray(t, jnp.float32)) for p, t in tables(game, "random").items()})
    uniforms = jnp.asarray(np.random.default_rng(7).uniform(size=(6, game.draws)).astype(np.float32))
    exact = eqx.filter_jit(play.path)(uniforms).now.state.aggregate.masses
    roll = jax.jit(lambda key: sampled_rollout(crowd_play(play, count), uniforms, key=key)[1].masses)
    masses = roll(jax.random.PRNGKey(1))
    for population, mass in exact.items():
        error = np.abs(np.asarray(masses[population] - mass)).sum(axis=1).mean()
        chance = np.sqrt(2 * mass * (1 - mass) / (np.pi * count)).sum(axis=1).mean()
        assert 0.5 * chance < error < 2.0 * chance, population


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shares"),
    [("epidemic", {"individuals": 0.3}), pytest.param("predators_and_prey", {"prey": 0.7}, marks=pytest.mark.slow)],
)
def test_training_lowers_exploitability(name, shares):
    """Guards docs/games.md, columns 'uniform' and 'memory': training lowers exploitability in 40 updates."""
    game, settings = hm.load_game(name), hm.settings_for(name, updates=40, paths=4)
    after = hm.solve(game, settings, chunk=40)
    untrained = make_strategies(cast(game, jnp.float32), settings.networks(), seed=0)
    before = dataclasses.replace(after, training=after.training._replace(strategies=untrained))
    gains = [hm.exploitability(solution, paths=4).clairvoyant for solution in (before, after)]
    for population, share in shares.items():
        assert gains[1][population] < share * gains[0][population], gains


@pytest.mark.slow
def test_memory_lowers_exploitability_in_the_epidemic():
    """One report says little about the infectious, and nothing about the variant."""
    game, gains = hm.load_game("epidemic"), {}
    for memory in ("gru", "none"):
        solution = hm.solve(game, hm.settings_for("epidemic", memory=memory))
        gains[memory] = hm.exploitability(solution, paths=32).clairvoyant["individuals"]
    assert gains["none"] > 1.4 * gains["gru"], gains


@pytest.mark.parametrize(
    ("name", "argument", "value", "cure"),
    [
        ("epidemic", "death_cost", -1.0, "give 0 or more weeks"),
        ("epidemic", "report_sd", -0.1, "give 0, for exact reports, or more"),
        ("predators_and_prey", "predation", -0.5, "give 0 or more"),
        ("predators_and_prey", "crowd_aversion", -1.0, "give 0 or more"),
        ("predators_and_prey", "mass_floor", 0.0, "give a number between 0 and 1"),
    ],
)
def test_bad_arguments_name_field_value_and_cure(name, argument, value, cure, refuses):
    refuses(lambda: hm.load_game(name, **{argument: value}), f"({argument}={value})", cure)


def test_an_argument_that_is_no_number_is_named(refuses):
    refuses(lambda: hm.load_game("epidemic", report_sd=float("nan")), "report_sd = nan", "must be a number")
