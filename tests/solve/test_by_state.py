"""Where training starts: the optimum in every aggregate state, against plain loops; the mass on a finer grid."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.discretize import discretize
from hank_mfg.solve.gradient.by_state import optimum_by_state, seen_states
from hank_mfg.solve.gradient.economies import untrained
from hank_mfg.solve.play.fine_mass import at_nodes, coarsen, finer, refine

JOINT = np.array(
    [
        [0.525, 0.35, 0.03125, 0.09375],
        [0.038889, 0.836111, 0.002083, 0.122917],
        [0.09375, 0.03125, 0.291667, 0.583333],
        [0.009115, 0.115885, 0.024306, 0.850694],
    ]
)  # (bad, unemployed), (bad, employed), (good, unemployed), (good, employed)


def test_aggregate_states_are_known_where_the_signal_shows_them_and_prices_are_a_closed_form(riskless, float64):
    known = seen_states(discretize(hm.load_model("krusell_smith"), 20, jnp.float64))
    assert known is not None and known.places == (0,)  # productivity; the return and the wage move with capital too
    np.testing.assert_array_equal(known.values, [[0.99], [1.01]])
    hidden = (riskless, hm.load_model("krusell_smith_noisy"), hm.load_model("huggett"))
    assert all(seen_states(discretize(model, 20, jnp.float64)) is None for model in hidden)


def test_the_optimum_in_every_aggregate_state_is_that_of_plain_loops(float64):
    """Endogenous grid method by NumPy alone, capital at 39, until nothing moves by 1e-9; log utility."""
    economy = discretize(hm.load_model("krusell_smith"), 50, jnp.float64)
    points, capital, z = np.asarray(economy.grid.points), 39.0, np.array([0.99, 1.01])
    unemployment = np.array([0.1, 0.04])
    labor = (1.0 - unemployment) / 0.9
    gross = 1.0 + 0.36 * z * (capital / labor) ** -0.64 - 0.025
    wage = 0.64 * z * (capital / labor) ** 0.36
    employed = (1.0 - 0.15 * unemployment / labor) / 0.9
    income = np.stack([0.15 * wage, employed * wage], axis=1)
    cash = gross[:, None, None] * points[:, None] + income[:, None, :]
    free = np.full((2, 50, 2), 1.0) + 0.03 * points[:, None]

    def read(consumption):
        return np.stack([
            [np.interp(m, points + c, c, right=np.nan) for m, c in zip(cash[k].T, consumption[k].T, strict=True)]
            for k in range(2)
        ]).transpose(0, 2, 1)  # fmt: skip

    for _ in range(4000):
        today = read(free)
        slope = (free[:, -1] - free[:, -2]) / (points[-1] + free[:, -1] - points[-2] - free[:, -2])[:]
        beyond = free[:, -1:, :] + slope[:, None] * (cash - points[-1] - free[:, -1:, :])
        below = cash < points[0] + free[:, :1, :]
        today = np.where(below, cash, np.where(np.isnan(today), beyond, today))
        today = np.maximum(np.minimum(today, cash), cash - points[-1])
        ahead = (gross[:, None, None] / today).transpose(1, 0, 2).reshape(50, 4)
        new = 1.0 / (0.99 * ahead @ JOINT.T).reshape(50, 2, 2).transpose(1, 0, 2)
        change, free = np.abs(new / free - 1.0).max(), new
        if change < 1e-9:
            break
    found = optimum_by_state(economy, jnp.asarray([capital]), jnp.asarray(np.ones((50, 2))))
    assert float(found.change) < 1e-6
    np.testing.assert_allclose(found.cash, cash, rtol=1e-5)  # the declared chain is rounded to six digits
    np.testing.assert_allclose(found.function.composite, free, rtol=3e-5)


@pytest.fixture(scope="module")
def plays():
    """The play at 30 nodes before training, in float64, and the one on the finer grid."""
    with jax.enable_x64(True):
        model = hm.load_model("krusell_smith")
        settings = hm.RSPG(asset_points=30, knots=10, units=8, width=8, paths=2, precision="float64")
        play, training = untrained(model, settings, hm.steady_state(model, asset_points=120))
        fine = finer(play).fine
        assert fine is not None
        return play, fine, jax.tree.map(lambda x: x[0], training.states)


def test_the_finer_grid_keeps_mass_and_means(plays, float64):
    play, fine, state = plays
    np.testing.assert_array_equal(fine.economy.grid.points[::2], play.economy.grid.points)
    mass = jnp.asarray(np.random.default_rng(0).dirichlet(np.ones(118)).reshape(59, 2))
    there = state._replace(aggregate=state.aggregate._replace(mass=mass))
    back = np.asarray(coarsen(there, play, fine).aggregate.mass)
    np.testing.assert_allclose(back.sum(axis=0), np.asarray(mass).sum(axis=0), rtol=1e-13)
    points, finest = (np.asarray(each.economy.grid.points) for each in (play, fine))
    np.testing.assert_allclose(points @ back, finest @ np.asarray(mass), rtol=1e-13)
    same = coarsen(refine(state, fine), play, fine)
    np.testing.assert_array_equal(same.aggregate.mass, state.aggregate.mass)


@pytest.mark.slow
def test_a_period_on_the_finer_grid_is_that_of_its_nodes(plays, float64):
    """Decisions at the nodes are those of the play itself, and so is every second one of those that may follow: they
    differ only by what moving the mass on fewer points does to aggregates, which keeps capital as it is."""
    play, fine, state = plays

    @eqx.filter_jit
    def both(play, fine, state):
        step = play.act(play.decide(state), jnp.asarray(1, jnp.int32))
        finer_step = fine.act(fine.decide(refine(state, fine)), jnp.asarray(1, jnp.int32))
        return (step, play.look_ahead(step)), at_nodes(finer_step, play, fine)

    (step, ahead), (thin, thin_ahead) = both(play, fine, state)
    np.testing.assert_allclose(thin.now.savings, step.now.savings, atol=1e-12)
    np.testing.assert_allclose(thin.lottery.weight, step.lottery.weight, atol=1e-9)
    np.testing.assert_allclose(thin_ahead.public.aggregates.capital, ahead.public.aggregates.capital, rtol=1e-12)
    assert thin_ahead.savings.shape == (2, *fine.economy.shape)
    np.testing.assert_allclose(thin_ahead.savings[:, ::2], ahead.savings, atol=1e-9)


@pytest.mark.slow
def test_the_largest_errors_of_a_default_solve():
    """Guards docs/accuracy.md, 'dynamic Euler error' and 'one-step Euler error, largest': with seed 3 at most the
    bars, .2 percent over five individuals and 1 percent, in 10,000 periods."""
    errors = hm.euler_errors(hm.solve(hm.load_model("krusell_smith"), seed=3), seed=3)
    assert max(errors.dynamic_maxima) < 2e-3 and errors.maximum < 1e-2 and errors.above_one < 1e-6
