"""Hunches of one's own: worth nothing when they are luck, everything when they are sure, and nothing at rest."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.evaluate.information import information_value
from hank_mfg.solve.gradient.economies import _train, prepare, untrained
from hank_mfg.solve.play.rollout import Play, rollout

SETTINGS = hm.SPG(
    asset_points=60, updates=10, paths=4, horizon=10, knots=10, units=8, width=8, warmup=50, epochs=4,
    precision="float64",
)  # fmt: skip


def noisy(information="prices", **changes):
    return hm.load_model("krusell_smith_noisy", information=information, **changes)


@eqx.filter_jit
def along(play: Play, start, shocks):
    """Consumption and mass (time, assets, income), capital and labor (time,) on a path of shocks."""

    def record(step):
        now = step.now
        consumption = play.economy.budget(now.public).consumed(now.cash - now.savings)
        return consumption, now.state.aggregate.mass, now.public.aggregates.capital, now.public.aggregates.labor

    return rollout(play, start, shocks, record)[1]


def by_hunch(values) -> np.ndarray:
    """(time, assets, labor, windows of hunches)."""
    return np.asarray(values).reshape(*values.shape[:2], 3, -1)


@pytest.fixture(scope="module")
def without():
    return hm.steady_state(noisy(), asset_points=40, tolerance=1e-12)


@pytest.fixture(scope="module")
def hunched():
    return hm.steady_state(noisy("private", private_memory=2), asset_points=40, tolerance=1e-12)


@pytest.mark.slow
def test_at_rest_hunches_change_nothing(without, hunched):
    """Guards docs/krusell_smith_noisy.md: private signals leave the stationary equilibrium, to 1e-10."""
    for name, value in without.aggregates.items():
        assert float(hunched.aggregates[name]) == pytest.approx(float(value), rel=1e-10)
    consumption, mass = (by_hunch(each[None])[0] for each in (hunched.consumption, hunched.mass))
    np.testing.assert_allclose(consumption, np.repeat(without.consumption[:, :, None], 4, axis=2), atol=1e-9)
    np.testing.assert_allclose(mass.sum(axis=2), without.mass, atol=1e-10)


@pytest.mark.slow
def test_what_nobody_heeds_moves_nothing_on_a_path_either(float64, without, hunched):
    """Everybody at the stationary policy: capital and labor as without hunches, whose mass follows Bayes' numerator."""
    found = []
    for model, steady in ((noisy(), without), (noisy("private", private_memory=2), hunched)):
        play, training = untrained(model, SETTINGS, steady)
        start = jax.tree.map(lambda x: x[0], training.states)
        shocks = play.economy.draw_shocks(start.aggregate.shock, 30, key=jax.random.key(0))
        found.append(along(play, start, shocks))
    for plain, other in zip(found[0][2:], found[1][2:], strict=True):
        np.testing.assert_allclose(other, plain, rtol=1e-9)
    right = np.where(np.asarray(shocks) >= 5, 0.75, 0.25)  # chance of a good hunch, by period
    share = by_hunch(found[1][1]).sum(axis=(1, 2))[1:]
    np.testing.assert_allclose(share[:, 2:].sum(axis=1), right[:-1], atol=1e-12)
    np.testing.assert_allclose(share[1:, 3], right[1:-1] * right[:-2], atol=1e-12)


@pytest.mark.slow
def test_who_does_not_heed_hunches_learns_as_if_there_were_none(float64, without, hunched):
    """The same numbers, update by update: states that differ in hunches only are one to such a household."""
    plays = [
        prepare(noisy(), SETTINGS, without, seed=0),
        prepare(noisy("private", private_memory=2), SETTINGS, hunched, seed=0, sees=noisy()),
    ]
    assert plays[1][0].policy.information_sets.group == tuple(np.repeat([0, 1, 2], 4))
    reports = [_train(*each, SETTINGS, 4)[1] for each in plays]
    np.testing.assert_allclose(reports[1].loss, reports[0].loss, rtol=1e-6)
    np.testing.assert_allclose(reports[1].euler_error, reports[0].euler_error, rtol=1e-6)


class Promised(type(noisy())):
    """What a household earns tomorrow depends on what it is promised today, a good thing with probability .3."""

    def idiosyncratic_shock(self):
        high = np.array([0.1, 0.6, 0.4, 0.9])
        moves = np.stack([0.7 * (1 - high), 0.3 * (1 - high), 0.7 * high, 0.3 * high], axis=1)
        return hm.MarkovChain(moves.tolist(), labor=[0.6, 0.6, 1.4, 1.4], promise=[0, 1, 0, 1])


@pytest.mark.slow
def test_who_does_not_heed_promises_consumes_the_same_whatever_they_are(float64):
    """Also before training, where who heeds them does not: the mean of what these do, by their number."""
    model = Promised(**{**noisy().parameters(), "maximum_assets": 1000.0})
    steady = hm.steady_state(model, asset_points=40)
    (told, _), (deaf, training) = (untrained(model, SETTINGS, steady, sees=sees) for sees in (None, noisy()))
    heeding, mean = told.tables.consumption, np.asarray(deaf.tables.consumption)
    assert np.abs(heeding[:, 1] / heeding[:, 0] - 1.0).max() > 0.005
    for states in ([0, 1], [2, 3]):
        exact = heeding[:, states] @ np.array([0.7, 0.3])
        np.testing.assert_allclose(mean[:, states], np.stack([exact, exact], axis=1), rtol=1e-6)
    shocks = deaf.economy.draw_shocks(training.states.aggregate.shock[0], 20, key=jax.random.key(0))
    consumption = along(deaf, jax.tree.map(lambda x: x[0], training.states), shocks)[0]
    np.testing.assert_allclose(consumption[:, :, [1, 3]], consumption[:, :, [0, 2]], rtol=1e-12)


@pytest.fixture(scope="module")
def lucky():
    """Hunches that are right half of the time."""
    return hm.solve(noisy("private", private_accuracy=0.5), SETTINGS)


@pytest.mark.slow
def test_hunches_that_are_luck_are_not_heeded(lucky):
    """Guards docs/krusell_smith_noisy.md: with q = 1/2 all private signals lead to one policy, to 1e-10."""
    with jax.enable_x64(True):
        play = lucky.play(60)
        start = lucky.start(play)
        shocks = play.economy.draw_shocks(start.aggregate.shock, 30, key=jax.random.key(0))
        consumption = by_hunch(along(play, start, shocks)[0])
    moved = np.abs(np.asarray(lucky.policy.head.linear.weight)).max()
    assert moved > 1e-4  # they have learned something, but not from hunches
    np.testing.assert_allclose(consumption[..., 1], consumption[..., 0], rtol=1e-10)


@pytest.mark.slow
def test_luck_is_worth_nothing_to_one_household_either(lucky):
    """A hunch of no worth: reading it or not is the same choice, so one loses nothing against the other."""
    hunch = noisy("private", private_accuracy=0.5)
    kinds = {"blind": (noisy(private_accuracy=0.5), SETTINGS), "told": (hunch, SETTINGS)}
    found = information_value(lucky, kinds, updates=2, paths=2, horizon=20, burn_in=10)
    assert found.kinds["told"].loss == 0.0 and 0.0 <= found.kinds["blind"].percent < 1e-3


@pytest.mark.slow
def test_nobody_is_told_what_does_not_happen(lucky, refuses):
    """Guards `information_value`: ValueError for private signals that the economy does not have."""
    more = noisy("private", private_accuracy=0.5, private_memory=2)
    refuses(
        lambda: information_value(lucky, {"elephant": (more, SETTINGS)}, updates=1),
        "The household 'elephant' observes hunch_1", "observe most of their own state",
    )  # fmt: skip
    surer = noisy("private", private_accuracy=0.6)
    refuses(lambda: information_value(lucky, {"surer": (surer, SETTINGS)}, updates=1), "(private_accuracy)")


def test_how_many_hunches_are_remembered_is_a_whole_number(refuses):
    refuses(lambda: noisy("private", private_memory=9), "private_memory (hunches that a household remembers) is")
    refuses(lambda: noisy("private", private_accuracy=0.4), "private_accuracy", "must be at least 0.5")


@pytest.mark.slow
def test_hunches_that_are_sure_are_the_state_itself():
    """Accuracy one: nobody has a wrong hunch, and training ends where it does when all see the persistent part."""
    longer = dataclasses.replace(SETTINGS, updates=200, horizon=20, uniform_weight=0.001)
    models = {"prices": noisy(), "sure": noisy("private", private_accuracy=1.0), "state": noisy("state")}
    consumed, errors, wrong = {}, {}, np.zeros(())
    for name, model in models.items():
        solution = hm.solve(model, longer)
        errors[name] = solution.history["euler_error"][-20:].mean()
        with jax.enable_x64(True):
            play, (_, training) = solution.play(60), untrained(model, longer, solution.steady)
            start = jax.tree.map(lambda x: x[0], training.states)._replace(memory=play.policy.initial_memory())
            shocks = play.economy.draw_shocks(start.aggregate.shock, 300, key=jax.random.key(1))
            consumption, mass = map(by_hunch, along(play, start, shocks)[:2])
        boom = np.asarray(shocks)[49:-1] >= 5  # at the start of periods 50 to 299
        right, periods = boom * (mass.shape[3] - 1), np.arange(50, 300)
        consumed[name] = consumption[periods, ..., right]
        if name == "sure":
            wrong = mass[periods, ..., 1 - right]
    assert wrong.max() == 0.0

    def distance(name):
        weight = mass[50:].sum(axis=3)  # when all see the persistent part
        return np.sqrt((weight * (consumed[name] / consumed["state"] - 1.0) ** 2).sum() / weight.sum())

    assert distance("sure") < 0.1 * distance("prices")
    assert errors["sure"] < 1.5 * errors["state"] < 0.5 * errors["prices"]
