"""Robust training: the adversary's fixed points, lifetime utility against the backward recursion, a closed form."""

import dataclasses
import sys
from pathlib import Path
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_growth import FullDepreciation

import hank_mfg as hm
from hank_mfg.precision import cast
from hank_mfg.runs.economy_run import check_new_run, make_family
from hank_mfg.solve.gradient import robust as robust_training
from hank_mfg.solve.gradient.robust import HORIZON, Adversary, ModelSet, _lifetimes, best_weights, losses, objective
from hank_mfg.solve.play.lifetime import freeze

CALM_AND_ROUGH = {"productivity": [[0.995, 1.005], [0.97, 1.03]]}


def as_bytes(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


@pytest.mark.parametrize("penalty", [0.0, 0.05, 0.3, 2.0, 1e6])
def test_nothing_is_better_for_the_adversary_than_its_best_weights(penalty):
    """Against a search over a fine net of weights on three worlds; exponential in losses over theta, or the worst."""
    found = np.array([0.0, 0.1, 0.25])
    exact = np.exp(found / penalty) / np.exp(found / penalty).sum() if penalty else [0.0, 0.0, 1.0]
    best = best_weights(found, penalty)
    np.testing.assert_allclose(best, exact, atol=1e-12)
    net = [(i / 60, j / 60, (60 - i - j) / 60) for i in range(61) for j in range(61 - i)]
    values = [objective(np.array(weights), found, penalty) for weights in net]
    most = objective(best, found, penalty)
    assert max(values) <= most + 1e-12 and max(values) == pytest.approx(most, abs=2e-3 * (1 + min(penalty, 1)))
    np.testing.assert_array_equal(best_weights(np.array([0.2, 0.2, 0.1]), 0.0), [0.5, 0.5, 0.0])


@pytest.fixture
def adversary(monkeypatch):
    """Play `moves` moves against people whose losses are a function of the weights they were trained for."""

    def play(respond, penalty, moves):
        count = len(respond(np.full(2, 0.5)))
        history = {"update": np.zeros(0), "weights": np.zeros((0, count))}
        player = Adversary(ModelSet(None, jnp.full(count, 1 / count)), penalty, 0)
        monkeypatch.setattr(robust_training, "losses", lambda *_: respond(history["weights"][-1]))
        for move in range(moves):
            _, found = player.move(SimpleNamespace(economy=SimpleNamespace(dtype=float)), None, history, move)
            history |= {"weights": found["weights"][None], "update": np.zeros(move + 1)}
        return found

    return play


def test_the_adversary_settles_on_the_worst_world(adversary):
    found = adversary(lambda weights: np.array([0.0, 0.3]), 0.0, 6)
    np.testing.assert_allclose(found["weights"], [1 / 112, 111 / 112], rtol=1e-12)  # 6 / (6 7 8) of a half is left
    assert found["adversary_gain"] == pytest.approx(0.3 * 0.5 * 6 / (5 * 6 * 7), rel=1e-12)


def test_it_settles_where_neither_world_is_worse(adversary):
    """Losses that fall with one's own weight, as when people prepare: to the saddle point, like one over moves."""
    for moves in (50, 500):
        found = adversary(lambda weights: np.array([0.8 - weights[0], 0.0]), 0.0, moves)
        assert abs(found["weights"][0] - 0.8) < 3 / moves and 0 <= found["adversary_gain"] < 3 / moves


def test_an_adversary_who_pays_for_entropy_settles_where_its_weights_are_best(adversary):
    found = adversary(lambda weights: np.array([0.8 - weights[0], 0.0]), 0.3, 300)
    best = best_weights(np.array([0.8 - found["weights"][0], 0.0]), 0.3)
    np.testing.assert_allclose(found["weights"], best, atol=1e-6)
    assert found["adversary_gain"] < 1e-6


def test_the_worlds_of_a_family_are_all_combinations_once():
    model = hm.load_model("krusell_smith_noisy")
    family = hm.Family({"stay": [model.stay, 0.6], "gap": [0.01]})
    assert family.changes(model) == [{}, {"gap": 0.01}, {"stay": 0.6}, {"stay": 0.6, "gap": 0.01}]
    assert family.includes(model, {}) and family.includes(model, {"stay": model.stay, "noise": model.noise})
    assert family.includes(model, {"gap": 0.01, "stay": 0.6}) and family.includes(model, {"gap": 0.01})
    assert not family.includes(model, {"gap": 0.03, "stay": 0.6})
    assert not family.includes(model, {"gap": 0.01, "depreciation": 0.5})
    worlds = family.worlds(model, 8, 20, "float32")
    assert worlds.weights.tolist() == [0.25] * 4
    np.testing.assert_allclose(
        worlds.economies.shock_transition[:, 0, :5].sum(axis=1), [0.97, 0.97, 0.6, 0.6], rtol=1e-6
    )
    np.testing.assert_allclose(worlds.economies.shock_values.persistent[:, 0], [-0.02, -0.01] * 2, rtol=1e-6)


def test_a_family_that_makes_no_sense_is_refused(refuses, small):
    model = hm.load_model("krusell_smith")

    def worlds(paths=6, **alternatives):
        return hm.Family(alternatives).worlds(model, paths, 20, "float32")

    refuses(lambda: hm.Family({}), "alternatives")
    refuses(lambda: hm.Family({"stay": 0.9}), "stay = 0.9", "list")
    refuses(lambda: hm.Family({"stay": [0.9]}, penalty=-1.0), "penalty=-1.0")
    refuses(lambda: worlds(produktivity=[[0.9, 1.1]]), "'produktivity'", "productivity")
    refuses(lambda: worlds(paths=5, **CALM_AND_ROUGH), "paths=5", "multiple of 3")
    refuses(lambda: worlds(maximum_assets=[900.0]), "asset_space()", "maximum_assets = 900.0")
    refuses(lambda: worlds(discount_factor=[1.2]), "discount_factor")
    refuses(lambda: make_family({}, 0.5), "--family")
    noisy = hm.load_model("krusell_smith_noisy")
    refuses(lambda: hm.Family({"information": ["state"]}).changes(noisy), "information")
    refuses(
        lambda: hm.Family({"noise": [[0.5, 0.5]]}).worlds(noisy, 4, 20, "float32"), "aggregate", "keep their number"
    )
    family = hm.Family(CALM_AND_ROUGH)
    refuses(lambda: hm.solve(model, hm.KSAlgorithm(), family=family), "family")


@pytest.mark.slow
def test_lifetime_utility_is_what_everybody_gets_period_by_period(float64, trained):
    """Values backward against the discounted utility of the mass forward, on the same shocks, in both worlds."""
    worlds = hm.Family({"productivity": [[0.97, 1.03]]}).worlds(trained.model, 4, 60, "float64")
    play = trained.play(60)
    states = cast(jax.tree.map(jnp.asarray, trained.states), jnp.float64)
    mass = states.aggregate.mass / states.aggregate.mass.sum(axis=(1, 2), keepdims=True)
    states = states._replace(aggregate=states.aggregate._replace(mass=mass))
    keys = jax.random.split(jax.random.key(1), 4)
    lives = _lifetimes(play, worlds, states, keys)
    for world in range(2):
        economy = jax.tree.map(lambda x, w=world: x[w] if eqx.is_array(x) else x, worlds.economies)
        there = play._replace(economy=economy)
        state = jax.tree.map(lambda x: x[2], states)._replace(price_noise=None)
        shocks = economy.shocks_from(state.aggregate.shock, jax.random.uniform(keys[2], (HORIZON,), jnp.float64))
        _, path = eqx.filter_jit(freeze)(there, state, shocks, False)
        each = np.sum(path.now.state.aggregate.mass * np.log(path.now.cash - path.now.savings), axis=(1, 2))
        exact = float(0.99 ** np.arange(HORIZON) @ each)
        assert float(lives.value[2, world]) == pytest.approx(exact, rel=1e-11)
    # log utility: one percent more for ever adds the discounted sum of log 1.01, whoever consumes what
    np.testing.assert_allclose(lives.percent, np.log(1.01) * (1 - 0.99**HORIZON) / (1 - 0.99), rtol=1e-10)


@pytest.mark.slow
def test_luck_is_the_discounted_sum_of_what_is_unusual(float64, trained):
    """Along a path, period by period: productivity less its mean, which the two states reach equally often."""
    worlds = hm.Family({"productivity": [[0.97, 1.03]]}).worlds(trained.model, 4, 60, "float64")
    states = cast(jax.tree.map(jnp.asarray, trained.states), jnp.float64)
    keys = jax.random.split(jax.random.key(3), 4)
    lives = _lifetimes(trained.play(60), worlds, states, keys)
    levels, chain = np.array([-0.03, 0.03]), np.asarray(worlds.economies.shock_transition[1])
    state = int(states.aggregate.shock[0])
    shock_sums = levels[state]
    for period, uniform in enumerate(np.asarray(jax.random.uniform(keys[0], (HORIZON,), jnp.float64))):
        state = int(uniform >= chain[state, 0])
        shock_sums += 0.99 ** (period + 1) * levels[state]
    assert float(lives.shock_sums[0, 1, 0]) == pytest.approx(shock_sums, abs=1e-8)  # the published chain is rounded


@pytest.mark.slow
def test_what_worlds_differ_by_is_found_without_luck(trained):
    """Losses on other draws differ by a fifth of those of plain means at most, and agree with plain means of many, on
    as many paths as training has by default, half of which start in a boom: plain means owe nothing to the start."""
    worlds = hm.Family({"productivity": [[0.97, 1.03]]}).worlds(trained.model, 16, 60, "float32")
    play, states = trained.play(60, jnp.float32), jax.tree.map(lambda x: jnp.concatenate([x] * 4), trained.states)
    evenly = jnp.arange(16, dtype=states.aggregate.shock.dtype) // 8
    states = states._replace(aggregate=states.aggregate._replace(shock=evenly))
    ours, plain = [], []
    for seed in range(40):
        key = jax.random.key(seed)
        lives = _lifetimes(play, worlds, states, jax.random.split(key, 16))
        value = np.asarray(lives.value, float).mean(axis=0)
        ours.append(losses(play, worlds, states, key)[1])
        plain.append((value[0] - value[1]) / float(lives.percent.mean()))
    assert np.std(ours) < 0.2 * np.std(plain)
    assert abs(np.mean(ours) - np.mean(plain)) < 3 * np.std(plain) / np.sqrt(40)


@pytest.mark.slow
def test_losses_are_zero_where_worlds_are_alike(trained):
    """A world twice: nobody is worse off in it, to the last bit."""
    twice = hm.Family({"productivity": [[0.97, 1.03]]}).worlds(trained.model, 4, 60, "float32")
    first = jax.tree.map(lambda x: jnp.stack([x[0], x[0]]) if eqx.is_array(x) else x, twice.economies)
    states = jax.tree.map(jnp.asarray, trained.states)
    play = trained.play(60, jnp.float32)
    found = losses(play, ModelSet(first, twice.weights), states, jax.random.key(0))
    np.testing.assert_array_equal(found, [0.0, 0.0])
    assert abs(losses(play, twice, states, jax.random.key(0))[1]) > 1e-3


@pytest.mark.slow
def test_worlds_that_are_all_the_model_teach_what_the_model_teaches(small, trained):
    """A family of one world: the same numbers, up to the rounding of arrays with one more axis."""
    family = hm.Family({"productivity": [trained.model.productivity]})
    alone = hm.solve(trained.model, small, steady=trained.steady, family=family)
    np.testing.assert_allclose(alone.history["loss"][:5], trained.history["loss"][:5], rtol=1e-3)
    assert alone.worlds() == [{"changes": {}, "weight": 1.0, "loss_percent": 0.0}]
    assert trained.worlds() == []


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "others"), [(0.92, [0.88]), pytest.param(0.88, [0.92], marks=pytest.mark.slow)])
def test_people_who_cannot_tell_worlds_apart_do_what_is_right_on_average(beta, others):
    """Patience of .88 or .92, equally likely: the saving rate is alpha times .9, and alpha beta where it is known."""
    settings = hm.RSPG(
        asset_points=60, updates=160, paths=4, horizon=20, epochs=8, knots=10, units=8, width=8, warmup=50,
        learning_rate=5e-3, tolerance=1e-6,
    )  # fmt: skip
    family = hm.Family({"discount_factor": others}, penalty=1e9)
    unsure = hm.solve(FullDepreciation(discount_factor=beta), settings, family=family)
    np.testing.assert_allclose(unsure.history["weights"][-1], 0.5, atol=1e-6)
    series = hm.simulate(unsure, periods=400, burn=50).series
    saving = series["savings"] / series["output"]
    np.testing.assert_allclose(saving.mean(), 0.36 * 0.9, rtol=3e-3)
    assert abs(saving.mean() - 0.36 * beta) > 0.005


@pytest.fixture(scope="module")
def robust(tmp_path_factory, small):
    """Krusell and Smith's economy, prepared for a calm and a rough world, in a run folder."""
    folder = tmp_path_factory.mktemp("robust") / "run"
    settings = dataclasses.replace(small, paths=6)
    return folder, hm.solve_run("krusell_smith", folder, settings, family=hm.Family(CALM_AND_ROUGH))


@pytest.mark.slow
def test_the_weights_move_toward_the_world_in_which_people_are_worse_off(robust):
    """Guards docs/misspecification.md, 'Robust training': w_n = w_{n-1} + 3 / (n + 3) (w* - w_{n-1})."""
    _, solution = robust
    weights, found = solution.history["weights"], solution.history["losses"]
    assert weights.shape == found.shape == (22, 3)
    np.testing.assert_array_equal(weights[:11], np.full((11, 3), 1 / 3))
    worst = np.eye(3)[np.argmax(found[-1])]
    np.testing.assert_allclose(weights[-1], 0.25 / 3 + 0.75 * worst, rtol=1e-12)
    assert np.isnan(found[:11]).all() and np.isfinite(found[11:]).all()
    assert solution.adversary_gain() == pytest.approx(found[-1].max() - found[-1].mean(), rel=1e-12)
    assert np.isfinite(hm.simulate(solution, periods=40).series["capital"]).all()


@pytest.mark.slow
def test_a_robust_run_is_kept_and_goes_on_as_if_unbroken(robust, tmp_path):
    """Guards docs/keeping_results.md: a killed robust run continues to the numbers of an unbroken one."""
    folder, whole = robust
    again = hm.load_run(folder)
    assert again.family == whole.family and again.worlds() == whole.worlds()
    assert as_bytes(again.policy) == as_bytes(whole.policy)

    def kill(history):
        raise KeyboardInterrupt

    cut = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        hm.solve_run("krusell_smith", cut, whole.settings, family=whole.family, callback=kill, save_every=0.0)
    resumed = hm.solve_run("krusell_smith", cut, resume=True)
    assert as_bytes(resumed.policy) == as_bytes(whole.policy)
    np.testing.assert_array_equal(resumed.history["weights"], whole.history["weights"])


@pytest.mark.slow
def test_training_has_not_converged_before_the_weights_have(robust, monkeypatch):
    """With a tolerance that every Euler error meets: not before losses are measured, nor where weights should move."""
    _, solution = robust
    settings = dataclasses.replace(solution.settings, tolerance=0.1)

    def again():
        return hm.solve(solution.model, settings, steady=solution.steady, family=solution.family)

    converged = again()
    assert converged.status is hm.Status.CONVERGED and converged.updates == 22
    monkeypatch.setattr(robust_training, "losses", lambda *_: np.array([0.0, 100.0, 0.0]))
    assert again().status is hm.Status.UPDATES_EXHAUSTED


@pytest.mark.slow
def test_training_goes_on_for_the_worlds_it_began_with(robust, trained, refuses):
    """Guards `solve(resume=...)`: training begun for another number of models is refused."""
    _, solution = robust
    begun = solution.training(), solution.history
    refuses(
        lambda: hm.solve(solution.model, solution.settings, resume=begun), "a family of 3 models", "without a family"
    )
    alone = trained.training(), trained.history
    settings, family = dataclasses.replace(trained.settings, paths=6), hm.Family({"productivity": [[0.97, 1.03]]})
    refuses(lambda: hm.solve(trained.model, settings, resume=alone, family=family), "without a family", "of 2 models")


def test_every_world_of_a_family_is_tried(write_model, tmp_path, refuses):
    """The borrowing limit can be repaid in the model and not in the other world."""
    model = str(write_model())
    check_new_run(model, tmp_path / "run", {}, hm.RSPG(), hm.Family({"risk_aversion": [1.5]}))
    family = hm.Family({"borrowing_limit": [-100.0]})
    refuses(
        lambda: check_new_run(model, tmp_path / "run", {}, hm.RSPG(), family),
        "Family with borrowing_limit = -100.0: MyModel.resources()", "too little to repay",
    )  # fmt: skip
