"""The solvers against truths: published equilibria, an independent implementation, and automatic differentiation."""

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.lottery import expect, push_forward
from hank_mfg.runs.economy_run import load_checkpoint, run_model
from hank_mfg.runs.storage import read_config
from hank_mfg.solve.gradient.economies import prepare
from hank_mfg.solve.gradient.euler import first_order, structural_gradient
from hank_mfg.solve.play.rollout import rollout

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_household
import reference_krusell_smith

TINY = {"paths": 2, "horizon": 10, "updates": 8, "epochs": 2, "units": 8, "width": 8, "knots": 10, "warmup": 20}


def aiyagari(persistence, stationary_sd, risk_aversion):
    changes = {"persistence": persistence, "stationary_sd": stationary_sd, "risk_aversion": risk_aversion}
    return hm.load_model("aiyagari", **changes)


CELLS = [
    (0.0, 0.2, 1.0, 4.144),
    (0.3, 0.2, 5.0, 3.888),
    pytest.param(0.0, 0.2, 3.0, 4.086, marks=pytest.mark.slow),
    pytest.param(0.3, 0.2, 1.0, 4.127, marks=pytest.mark.slow),
    pytest.param(0.3, 0.2, 3.0, 4.022, marks=pytest.mark.slow),
    pytest.param(0.6, 0.2, 5.0, 3.614, marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize(("persistence", "stationary_sd", "risk_aversion", "percent"), CELLS)
def test_aiyagari_1994_table_ii_solved_finely(persistence, stationary_sd, risk_aversion, percent):
    """His seven-state Tauchen chain on 400 asset points; each recomputed cell is good to about .005 points."""
    steady = hm.steady_state(aiyagari(persistence, stationary_sd, risk_aversion), asset_points=400)
    rate = float(steady.prices.interest_rate)
    assert 100 * rate == pytest.approx(percent, abs=0.003)
    assert steady.saving_rate() == pytest.approx(0.36 * 0.08 / (rate + 0.08), rel=1e-6)
    assert steady.mass.sum() == pytest.approx(1.0, abs=1e-12)
    assert steady.residual < 1e-6


@pytest.mark.slow
def test_household_agrees_with_plain_loops():
    """Savings and the stationary mass of an Aiyagari household against an independent implementation."""
    steady = hm.steady_state(aiyagari(0.6, 0.2, 3.0), asset_points=60)
    economy = steady.economy
    grid, labor = np.asarray(economy.grid.points), np.asarray(economy.own.labor)
    chain = np.asarray(economy.income_transition[0, 0])
    rate, wage = float(steady.prices.interest_rate), float(steady.prices.wage)
    savings = reference_household.stationary_savings(grid, rate, wage * labor, chain, 0.96, 3.0)
    below = grid < 0.7 * grid[-1]  # next to the top the two extrapolate differently; nobody is there
    np.testing.assert_allclose(steady.savings[below], savings[below], atol=1e-7)
    mass = reference_household.stationary_mass(steady.savings, grid, chain)
    np.testing.assert_allclose(steady.mass, mass, atol=1e-9)


def _path(points: int):
    """A stationary economy, one path of a slightly wrong policy, and its first-order information."""
    model = hm.load_model("aiyagari", maximum_assets=60.0)
    steady = hm.steady_state(model, asset_points=points)
    settings = hm.SPG(**{**TINY, "asset_points": points, "precision": "float64"})
    play, training = prepare(model, settings, steady, seed=0)
    shifted = eqx.tree_at(lambda p: p.head.linear.bias, play.policy, replace_fn=lambda bias: bias + 0.02)
    play = play._replace(policy=shifted)
    state = jax.tree.map(lambda leaf: leaf[0], training.states)
    last, steps = rollout(play, state, jnp.zeros(12, jnp.int32), lambda step: step)
    path = jax.vmap(lambda step: first_order(play.economy, step, play.look_ahead(step)))(steps)
    return play, state, last, steps, path


def _through_the_mass(play, state, last, steps):
    """dJ / dsavings by automatic differentiation of the forward and of the backward form, prices frozen."""
    economy, public, chain = play.economy, steps.now.public, play.economy.income_transition[0, 0]
    discount = economy.model.discount_factor
    end = play.decide(last)
    marginal, _, _ = economy.marginal_rewards(end.savings, end.public)
    points = economy.grid.points
    rise = 0.5 * (marginal[1:] + marginal[:-1]) * (points[1:] - points[:-1])[:, None]
    terminal = jnp.concatenate([jnp.zeros((1, rise.shape[1])), jnp.cumsum(rise, axis=0)])

    def forward(savings):
        def period(carry, inputs):
            mass, factor, total = carry
            choice, public = inputs
            total += factor * jnp.sum(mass * economy.reward(choice, public))
            return (push_forward(mass, economy.lottery(choice), chain), factor * discount, total), mass

        start = (state.aggregate.mass, jnp.ones(()), jnp.zeros(()))
        (mass, factor, total), masses = jax.lax.scan(period, start, (savings, public))
        return total + factor * jnp.sum(mass * terminal), masses

    def backward(savings):
        def period(value, inputs):
            choice, public = inputs
            return economy.reward(choice, public) + discount * expect(value, economy.lottery(choice), chain), None

        value, _ = jax.lax.scan(period, terminal, (savings, public), reverse=True)
        return jnp.sum(state.aggregate.mass * value)

    one, masses = jax.grad(forward, has_aux=True)(steps.now.savings)
    return one, jax.grad(backward)(steps.now.savings), masses


def _gap(points: int) -> float:
    """Mass-weighted distance of the costate gradient from automatic differentiation, relative to marginal utility."""
    play, state, last, steps, path = _path(points)
    forward, backward, masses = _through_the_mass(play, state, last, steps)
    np.testing.assert_allclose(forward, backward, atol=1e-12)
    ours = structural_gradient(play.economy, path, 1.0)
    weight = masses * play.economy.model.discount_factor ** jnp.arange(12)[:, None, None]
    grid = play.economy.grid
    inside = (steps.now.savings > grid.lower) & (steps.now.savings < grid.upper) & (masses > 1e-9)
    theirs = jnp.where(inside, forward / jnp.where(weight > 0, weight, 1.0), 0.0)
    _, in_choice, _ = jax.vmap(play.economy.marginal_rewards)(steps.now.savings, steps.now.public)
    relative = jnp.where(inside, jnp.abs((ours - theirs) / in_choice), 0.0)
    size = jnp.sum(jnp.where(inside, masses * jnp.abs(theirs / in_choice), 0.0)) / 12
    assert float(size) > 0.01  # the policy is wrong enough for the gradient to mean something
    return float(jnp.sum(masses * relative) / 12 / size)


@pytest.mark.slow
def test_costate_gradient_is_the_derivative_through_the_mass(float64):
    """The two agree up to the lottery's piecewise linear values, an error that falls with the grid."""
    coarse, fine = _gap(100), _gap(400)
    assert fine < 0.4 * coarse
    assert fine < 0.05


@pytest.fixture(scope="module")
def small():
    return hm.load_model("krusell_smith")


def _leaves(policy):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(policy, eqx.is_array))]


@pytest.mark.slow
def test_resumed_run_has_the_same_bits_as_an_unbroken_one(small, tmp_path):
    """Kill a run after its first checkpoint, resume it, and compare with one that was left alone."""
    settings = hm.RSPG(**{**TINY, "asset_points": 40, "updates": 23 * 2, "tolerance": 1e-12})

    def kill(history):
        if len(history["update"]) >= 20:
            raise KeyboardInterrupt

    whole = hm.solve_run("krusell_smith", tmp_path / "whole", settings, seed=3)
    with pytest.raises(KeyboardInterrupt):
        hm.solve_run("krusell_smith", tmp_path / "cut", settings, seed=3, callback=kill, save_every=0.0)
    assert read_config(tmp_path / "cut")["status"] == "UNFINISHED"
    with pytest.raises(ValueError, match="unfinished run"):
        hm.load_run(tmp_path / "cut")
    resumed = hm.solve_run("krusell_smith", tmp_path / "cut", resume=True)
    for one, other in zip(_leaves(whole.policy), _leaves(resumed.policy), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(whole.history["loss"], resumed.history["loss"])
    again = hm.load_run(tmp_path / "whole")
    for one, other in zip(_leaves(whole.policy), _leaves(again.policy), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_not_a_number_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    """A learning rate beyond reason: the message names the update, the path and the quantity."""
    settings = hm.RSPG(**{**TINY, "asset_points": 40, "updates": 46, "learning_rate": 1e12, "clip_norm": 1e12})
    with pytest.raises(hm.SolveError, match=r"Update \d+, path \d+: .* became NaN or infinite"):
        hm.solve_run("krusell_smith", tmp_path / "run", settings, save_every=0.0)
    config = read_config(tmp_path / "run")
    assert config["status"] == "UNFINISHED"
    if (tmp_path / "run" / "checkpoint" / "latest.npz").exists():
        model = run_model(tmp_path / "run", config)
        steady = hm.steady_state(model, asset_points=160)
        training, _ = load_checkpoint(tmp_path / "run", model, settings, steady, config["seed"])
        assert all(np.isfinite(leaf).all() for leaf in _leaves(training.policy))


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["none", "gru", "lstm"])
def test_every_memory_goes_through_the_same_solver_and_seeds_decide(small, memory):
    """The same seed gives the same bits, another seed others; training lowers the Euler error."""
    settings = hm.RSPG(**{**TINY, "asset_points": 40, "updates": 40, "epochs": 6, "memory": memory})
    steady = hm.steady_state(small, asset_points=160)
    first, second, other = (hm.solve(small, settings, steady=steady, seed=key) for key in (0, 0, 1))
    for one, two in zip(_leaves(first.policy), _leaves(second.policy), strict=True):
        np.testing.assert_array_equal(one, two)
    different = [
        np.array_equal(one, two) for one, two in zip(_leaves(first.policy), _leaves(other.policy), strict=True)
    ]
    assert not all(different)
    error = first.history["euler_error"]
    assert error[-5:].mean() < 0.5 * error[:5].mean()
    assert first.status is hm.Status.UPDATES_EXHAUSTED


@pytest.mark.slow
def test_without_aggregate_risk_training_stays_at_the_stationary_equilibrium(small):
    """Limit: productivity the same in both states and employment that does not depend on them."""
    joint = np.kron([[0.875, 0.125], [0.125, 0.875]], [[0.4, 0.6], [0.045, 0.955]])
    model = small.with_parameters(productivity=[1.0, 1.0], joint_transition=joint.tolist(), maximum_assets=250.0)
    solution = hm.solve(model, hm.RSPG(paths=4, updates=60))
    simulation = hm.simulate(solution, periods=400, burn=100)
    capital = simulation.series["capital"]
    assert capital.mean() == pytest.approx(float(solution.steady.aggregates.capital), rel=3e-3)
    assert capital.std() / capital.mean() < 1e-3
    assert np.abs(simulation.goods_market).max() < 1e-10


@pytest.mark.slow
def test_krusell_smith_against_the_classical_solution(small):
    """Defaults, on the same shocks as an independent implementation of the classical algorithm."""
    solution = hm.solve(small)
    assert solution.status is hm.Status.CONVERGED
    accuracy = hm.evaluate(solution, deviations=False)
    simulation, law = accuracy.simulation, accuracy.forecast.law
    classical = reference_krusell_smith.load_solution(
        Path(reference_krusell_smith.__file__).parent / "krusell_smith_jedc.npz"
    )
    path = reference_krusell_smith.capital_path(classical, np.asarray(simulation.shock))
    ours, theirs = simulation.series["capital"][500:], np.asarray(path)[500:]
    assert ours.mean() == pytest.approx(theirs.mean(), rel=1e-3)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.02)
    np.testing.assert_allclose(law.slope, [0.9653, 0.9633], atol=0.001)
    assert accuracy.forecast.maximum < 0.005
    assert accuracy.forecast.mean < 0.001
    assert accuracy.euler.mean < 0.0005
    assert accuracy.euler.dynamic_maximum < 0.005
    assert np.abs(simulation.goods_market).max() < 1e-8
