"""Given shocks, distributions, individuals and histories, against direct computation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.solve.play.rollout import rollout

SHOCKS = np.array([0, 0, 1, 1, 0, 1, 1, 1])
POINTS = 60


@pytest.fixture(scope="module")
def begin(trained):
    """A histogram on points that are not the grid's, unemployed and employed."""
    points = np.linspace(0.0, 90.0, 31)
    mass = np.exp(-(((points[:, None] - np.array([30.0, 40.0])) / 12.0) ** 2))
    return points, mass / mass.sum(axis=0) * np.array([0.1, 0.9])


@pytest.fixture(scope="module")
def by_hand(trained, begin):
    """Decisions on nodes along the shocks from the histogram, and those that may follow: NumPy arrays."""
    with jax.enable_x64(True):
        play = trained.play(POINTS)
        grid, (points, mass) = np.asarray(play.economy.grid.points), begin
        moved = np.zeros((POINTS, 2))
        for place, share in zip(points, mass, strict=True):
            low = min(np.searchsorted(grid, place, side="right") - 1, POINTS - 2)
            weight = (place - grid[low]) / (grid[low + 1] - grid[low])
            moved[low] += (1.0 - weight) * share
            moved[low + 1] += weight * share
        start = trained.start(play)
        aggregate = start.aggregate._replace(mass=jnp.asarray(moved), shock=jnp.asarray(0, jnp.int32))
        following = jnp.asarray(np.append(SHOCKS[1:], SHOCKS[-1]).astype(np.int32))

        @eqx.filter_jit
        def along(play, state):
            _, steps = rollout(play, state, following, lambda step: step)
            return steps, jax.vmap(play.look_ahead)(steps)

        steps, ahead = along(play, start._replace(aggregate=aggregate))
        return grid, jax.tree.map(np.asarray, steps.now), jax.tree.map(np.asarray, ahead)


@pytest.mark.slow
def test_given_shocks_and_a_given_histogram(trained, begin, by_hand):
    """Guards docs/krusell_smith.md, 'Check it yourself': given shocks and a given mass are followed."""
    grid, now, _ = by_hand
    found = hm.simulate(trained, shocks=SHOCKS, distribution=begin, asset_points=POINTS)
    np.testing.assert_array_equal(found.shock, SHOCKS)
    assert found.seed is None and found.periods == len(SHOCKS)
    assert found.series["capital"][0] == pytest.approx(np.sum(begin[0][:, None] * begin[1]), rel=1e-12)
    capital = np.einsum("a,tae->t", grid, now.state.aggregate.mass)
    np.testing.assert_allclose(found.series["capital"], capital, rtol=1e-12)
    same = hm.simulate(trained, shocks=SHOCKS, distribution=now.state.aggregate.mass[0], asset_points=POINTS, burn=3)
    np.testing.assert_allclose(same.series["capital"], capital[3:], rtol=1e-12)


@pytest.mark.slow
def test_a_given_individual_is_followed(trained, begin, by_hand, float64):
    """Cash and desired consumption read between nodes by numpy.interp; the twin consumes what loops over next states
    give."""
    grid, now, ahead = by_hand
    own = np.array([[1, 0], [1, 0], [0, 1], [1, 1], [1, 1], [0, 0], [0, 1], [1, 1]])
    given = {"shocks": SHOCKS, "distribution": begin, "asset_points": POINTS, "own": own, "initial_assets": [2.0, 0.3]}
    found = hm.follow(trained, **given)
    economy = trained.play(POINTS).economy
    chain, income = np.asarray(economy.shock_transition), np.asarray(economy.income_transition)

    def choose(decision, period, assets, state):
        index = period if isinstance(period, tuple) else (period,)
        cash, unconstrained_consumption = (
            np.interp(assets, grid, x[(*index, slice(None), state)])
            for x in (decision.cash, decision.unconstrained_consumption)
        )
        return cash, min(unconstrained_consumption, cash)

    for person, start in enumerate((2.0, 0.3)):
        assets = twin = start
        for t, state in enumerate(own[:, person]):
            cash, consumption = choose(now, t, assets, state)
            cash_twin, planned = choose(now, t, twin, state)
            expected = 0.0
            for z in range(2):
                rate = float(ahead.public.prices.interest_rate[t, z])
                for e in range(2):
                    probability = chain[SHOCKS[t], z] * income[SHOCKS[t], z, state, e]
                    expected += probability * (1.0 + rate) / choose(ahead, (t, z), cash_twin - planned, e)[1]
            implied = min(1.0 / (0.99 * expected), cash_twin)
            assert found.assets[t, person] == pytest.approx(assets, rel=1e-12)
            assert found.consumption[t, person] == pytest.approx(consumption, rel=1e-12)
            assert found.consumption_euler[t, person] == pytest.approx(implied, rel=1e-10)
            assets, twin = cash - consumption, cash_twin - implied
    errors = hm.euler_errors(trained, **given)
    assert errors.dynamic_maxima == tuple(found.gaps.max(axis=0)) and errors.dynamic_mean == found.gaps.mean()
    assert 0.0 <= errors.above_one <= errors.above_tenth <= 1.0


@pytest.mark.slow
def test_den_haan_of_given_simulations_is_a_regression_fed_on_itself(trained):
    """Guards docs/krusell_smith.md, 'Check it yourself': `hm.den_haan` is a regression fed on itself."""
    fitted, tested = (hm.simulate(trained, periods=120, burn=10, seed=seed, asset_points=POINTS) for seed in (5, 6))
    found = hm.den_haan(trained, fitted, tested=tested)
    logs, law = np.log(fitted.series["capital"]), {}
    for z in range(2):
        here = fitted.shock[:-1] == z
        law[z] = np.polyfit(logs[:-1][here], logs[1:][here], 1)
    path = [np.log(tested.series["capital"][0])]
    for z in tested.shock[:-1]:
        path.append(np.polyval(law[z], path[-1]))
    gap = np.abs(np.exp(path) / tested.series["capital"] - 1.0)
    assert (found.mean, found.maximum) == pytest.approx((gap.mean(), gap.max()), rel=1e-6)


@pytest.mark.slow
def test_the_policy_answers_for_any_assets_after_a_history(trained, by_hand, float64):
    """On the nodes of a grid it is the decision of the rollout from an empty memory; between them it is continuous."""
    play = trained.play(POINTS)
    grid, now, _ = by_hand
    state = jax.tree.map(lambda x: jnp.asarray(x[0]), now.state)._replace(memory=play.policy.initial_memory())
    following = jnp.asarray(np.append(SHOCKS[1:], 0).astype(np.int32))
    _, (last, series) = eqx.filter_jit(rollout)(
        play, state, following, lambda step: (step.now, play.economy.series(step.now.public))
    )
    history = {**{name: np.asarray(value) for name, value in series.items()}, "shock": SHOCKS}
    places = np.array([0, 3, 20, 59])
    for own in (0, 1):
        consumption = trained.consumption(grid[places], own, history)
        savings = trained.savings(grid[places], own, history)
        np.testing.assert_allclose(savings, np.asarray(last.savings)[-1][places, own], rtol=1e-9, atol=1e-9)
        cash = np.asarray(last.cash)[-1][places, own]
        np.testing.assert_allclose(consumption + savings, cash, rtol=1e-12)
    near = trained.consumption([[5.0, 5.0 + 1e-6]], [[1], [0]], history)
    assert near.shape == (2, 2) and np.all(near[:, 1] > near[:, 0]) and np.all(near[:, 1] - near[:, 0] < 1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shocks": [0, 2]}, r"shocks\[1\] = 2 is none of the aggregate states 0 to 1"),
        ({"shocks": [0.5]}, r"shocks\[0\] = 0.5 is none"),
        ({"shocks": [[0, 1]]}, "give one aggregate state per period"),
        ({"shocks": [0, 1], "periods": 5}, "leave periods out"),
        ({"shocks": [0, 1], "burn": 2}, "give one or more periods"),
        ({"distribution": np.ones((60, 2))}, "sums to 120"),
        ({"distribution": np.ones((5, 2)) / 10}, "60 asset points and 2 own states"),
        ({"distribution": (np.array([-1.0, 2.0]), np.full((2, 2), 0.25))}, "leave out points beyond"),
        ({"shocks": [0, 1, 1], "own": [0, 1]}, "each of the 3 periods"),
        ({"shocks": [0, 1, 1], "own": [0, 3, 0]}, r"own\[1\] = 3 is none of the own states 0 to 1"),
        ({"shocks": [0, 1], "own": [0, 1], "initial_assets": -3.0}, "must lie between 0 and 350"),
        ({"shocks": [0, 1], "own": [0, 1], "initial_assets": [1.0, 2.0]}, "one for each of 1 individuals"),
        ({"individuals": 0, "shocks": [0, 1]}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(trained, given, message):
    with pytest.raises(ValueError, match=message):
        hm.euler_errors(trained, asset_points=POINTS, **given)


def test_a_history_that_does_not_fit_is_refused(trained):
    good = {"shock": np.array([0]), "capital": [39.0], "labor": [1.0], "unemployment": [0.1]}
    assert trained.consumption(10.0, 1, good) > 0
    for change, message in (
        ({"shock": np.array([2])}, "aggregate states from 0 to 1"),
        ({"shock": None}, "history lacks shock"),
        ({"capital": [39.0, 39.0]}, "capital has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            trained.consumption(10.0, 1, {**good, **change})
    with pytest.raises(ValueError, match="history lacks capital"):
        trained.consumption(10.0, 1, {k: v for k, v in good.items() if k != "capital"})
    with pytest.raises(ValueError, match="assets must lie between"):
        trained.consumption(-1.0, 1, good)
    with pytest.raises(ValueError, match="whole numbers from 0 to 1"):
        trained.consumption(1.0, 2, good)
