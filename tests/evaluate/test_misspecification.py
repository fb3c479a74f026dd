"""People in another world: what stays, what changes, and costs that are known in closed form or by another way."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.evaluate.euler_errors import euler_errors
from hank_mfg.evaluate.misspecification import changed_parameters
from hank_mfg.precision import cast
from hank_mfg.solve.gradient.economies import HISTORY, untrained
from hank_mfg.solve.stationary.best_savings import stationary_value
from hank_mfg.solve.stationary.household import feasible_savings, solve_household

pytestmark = pytest.mark.usefixtures("float64")

SHORT = {"periods": 60, "burn": 10}
FEW = {"paths": 4, "horizon": 300, "burn": 50}


def as_bytes(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


@pytest.fixture(scope="module")
def patient(trained):
    """Trained at a discount factor of .99, living where it is .985."""
    with jax.enable_x64(True):
        return hm.under(trained, discount_factor=0.985)


def resting(model, settings, steady) -> hm.Solution:
    """Everybody at the stationary policy of `steady`, on its asset points; nothing aggregate ever happens."""
    settings = dataclasses.replace(settings, asset_points=steady.economy.grid.size, precision="float64")
    _, training = untrained(model, settings, steady)
    history = {name: np.zeros(0) for name in HISTORY}
    return hm.Solution(model, settings, steady, *training, history, hm.Status.UNFINISHED, 0, "cpu", 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def hasty(riskless, at_rest, small):
    """Everybody at the stationary policy of a discount factor of .95, in a world at rest where it is .94."""
    with jax.enable_x64(True):
        return hm.under(resting(riskless, small, at_rest.steady), discount_factor=0.94)


@pytest.mark.slow
def test_without_changes_nothing_changes(trained):
    """Guards `under`: without changes the solution itself is returned; a simulation has the same bits."""
    before = hm.simulate(trained, **SHORT)
    for same in (hm.under(trained), hm.under(trained, **trained.model.parameters())):
        after = hm.simulate(same, **SHORT)
        assert as_bytes(before._asdict()) == as_bytes(after._asdict())
        assert same.steady is trained.steady and hm.welfare_cost(same, trained, **FEW).value != 0.0


@pytest.mark.slow
def test_people_stay_who_they_are(trained, patient):
    """The policy does not read the discount factor: what people do is the same bit for bit, how good it is is not."""
    assert changed_parameters(trained.model, patient.model) == ["discount_factor"]
    assert patient.policy is trained.policy and as_bytes(patient.play().tables) == as_bytes(trained.play().tables)
    together = dataclasses.replace(patient, states=trained.states)
    before, after = (hm.simulate(each, **SHORT) for each in (trained, together))
    assert as_bytes(before._asdict()) == as_bytes(after._asdict())
    assert float(patient.steady.economy.discount_factor(patient.steady.economy.shocks(0))[0, 0]) == 0.985
    assert patient.steady.aggregates.capital < 0.95 * trained.steady.aggregates.capital


@pytest.mark.slow
def test_people_have_come_to_rest_in_the_new_world(at_rest):
    """A tenth more productivity for ever: without aggregate risk nothing moves any more once they have lived there."""
    rich = hm.under(at_rest, productivity=[1.1, 1.1])
    settings = {"periods": 20, "burn": 0, "asset_points": at_rest.settings.asset_points}
    before, after = (hm.simulate(each, **settings).series["capital"] for each in (at_rest, rich))
    np.testing.assert_allclose(after, after[0], rtol=1e-6)
    assert after[0] > 1.02 * before[-1]
    assert rich.policy is at_rest.policy and rich.steady.aggregates.capital > at_rest.steady.aggregates.capital


@pytest.mark.slow
def test_euler_errors_are_those_of_the_true_patience(hasty):
    """Log utility: with c from E[beta R c / c'] = 1 at beta = .95, the Euler equation at .94 asks for c .95 / .94."""
    errors = euler_errors(hasty, periods=20, burn=5, asset_points=240)
    assert errors.mean == pytest.approx(0.95 / 0.94 - 1.0, rel=2e-3)


def stationary_values(economy, public, savings):
    return np.asarray(eqx.filter_jit(stationary_value)(economy, public, jnp.asarray(savings)))


def savings_of(solution, economy, public):
    """What people do at constant prices, by their own tables, on the grid of `economy`."""
    play, cash = solution.play(economy.grid.size), economy.resources(public)
    features = jnp.zeros(1)  # of the first aggregate state: both are alike, and nothing is corrected before training
    unconstrained_consumption = play.policy.baseline(features, cash, play.tables, economy.grid.lower)
    return feasible_savings(economy, public, cash, unconstrained_consumption)


@pytest.mark.slow
def test_the_cost_in_a_world_at_rest_is_the_difference_of_two_stationary_values(hasty):
    """One household in the stationary equilibrium of the truth, followed for ever instead of along paths."""
    steady = hasty.steady
    truth = resting(hasty.model, hasty.settings, steady)
    economy, public = steady.economy, steady.public
    right, wrong = (
        stationary_values(economy, public, each) for each in (steady.savings, savings_of(hasty, economy, public))
    )
    exact = float((steady.mass * (right - wrong)).sum())
    cost = hm.welfare_cost(hasty, truth, **FEW, asset_points=economy.grid.size)
    assert exact > 0.0 and cost.partial == pytest.approx(exact, rel=1e-4)
    assert cost.partial_percent == pytest.approx(100 * np.expm1(0.06 * cost.partial), rel=1e-9)  # Lucas (1987)
    assert cost.partial_standard_error < 1e-8 * cost.value  # every path is the same path


@pytest.mark.slow
def test_a_deviator_gains_what_it_is_worth_to_know_the_true_patience(at_rest, hasty, small):
    """Prices stay at those of the old patience, so the best response is a household's problem at constant prices."""
    economy, public = hasty.steady.economy, at_rest.steady.public
    best = solve_household(economy, public, jnp.asarray(at_rest.steady.consumption), tolerance=1e-10)
    savings = economy.resources(public) - best.consumption
    values = [stationary_values(economy, public, each) for each in (savings, at_rest.steady.savings)]
    exact = float((at_rest.steady.mass * (values[0] - values[1])).sum())
    policy, states = cast((hasty.policy, hasty.states), jnp.float32)
    settings = dataclasses.replace(small, asset_points=hasty.settings.asset_points)
    plain = dataclasses.replace(hasty, settings=settings, policy=policy, states=states)
    gains = hm.exploitability(plain, paths=2, horizon=300, updates=5)
    assert gains.clairvoyant == pytest.approx(exact, rel=0.02)
    assert 0.0 < gains.nonanticipative < gains.clairvoyant


@pytest.mark.slow
def test_being_right_costs_nothing_and_being_wrong_does(trained, small):
    """Guards docs/misspecification.md: the right policy costs nothing, a wrong one a positive percent."""
    model = trained.model.with_parameters(productivity=[1.089, 1.111])
    truth = hm.solve(model, small)
    nothing = hm.welfare_cost(truth, truth, **FEW)
    assert abs(nothing.partial) < 1e-10 and abs(nothing.general) < 1e-10
    cost = hm.welfare_cost(hm.under(trained, **model.parameters()), truth, **FEW)
    assert cost.partial > 2.0 * cost.partial_standard_error > 0.0 and cost.partial_percent > 0.0
    assert cost.value == pytest.approx(nothing.value, rel=1e-12)


@pytest.mark.slow
def test_a_higher_top_moves_nobody(trained):
    """The grid is another one, people are not: capital stays within what the grid's spacing does, once what it was at
    the start is forgotten."""
    higher = hm.under(trained, maximum_assets=500.0)
    assert float(higher.play().economy.grid.upper) == 500.0
    np.testing.assert_allclose(np.asarray(higher.states.aggregate.mass).sum(axis=(1, 2)), 1.0, atol=1e-4)
    settings = {"periods": 60, "burn": 2000, "asset_points": 400}
    before, after = (hm.simulate(each, **settings).series["capital"] for each in (trained, higher))
    np.testing.assert_allclose(before, after, rtol=2e-3)


def three_states(model):
    joint = np.kron(np.full((3, 3), 1 / 3), [[0.6, 0.4], [0.05, 0.95]])
    return {"productivity": [0.99, 1.0, 1.01], "joint_transition": joint.tolist()}


@pytest.mark.parametrize(
    ("parameters", "pieces"),
    [
        ({"beta": 0.9}, ["no parameter 'beta'", "discount_factor"]),
        ({"discount_factor": 1.2}, ["discount_factor = 1.2", "below 1"]),
        (three_states(None), ["aggregate_shocks() has 3 aggregate states", "trained with 2", "keep their number"]),
        (
            {"borrowing_limit": -1.0},
            ["borrowing_limit", "asset_space() begins at -1", "from 0 on", "keep the lower end"],
        ),
        ({"maximum_assets": 300.0}, ["maximum_assets", "asset_space() ends at 300", "up to 350", "raise it"]),
    ],
    ids=["unknown", "out of range", "states", "lower end", "top"],
)
def test_a_world_that_people_cannot_live_in_is_refused(trained, refuses, parameters, pieces):
    refuses(lambda: hm.under(trained, **parameters), *pieces)


def test_what_cannot_be_compared_is_refused(trained, patient, refuses):
    refuses(
        lambda: hm.under(trained.steady), "under(solution=...) was given a stationary equilibrium", "hm.solve(model)"
    )
    refuses(
        lambda: hm.welfare_cost(trained, patient), "discount_factor is 0.99", "under(believed, discount_factor=0.985)"
    )
    refuses(lambda: hm.welfare_cost(trained, trained, paths=0), "paths=0", "must be at least 1")
    other = dataclasses.replace(trained, model=hm.load_model("huggett"))
    refuses(lambda: hm.welfare_cost(other, trained), "Huggett", "KrusellSmith", "same model")


@pytest.mark.slow
def test_both_mistakes_cost_something(small):
    """Calm people in a rough world and rough people in a calm one, each against people who are right."""
    settings = dataclasses.replace(small, updates=66, paths=8)
    models = [hm.load_model("krusell_smith", productivity=each) for each in ([0.99, 1.01], [0.97, 1.03])]
    solutions = [hm.solve(model, settings) for model in models]
    for believed, truth in (solutions, solutions[::-1]):
        cost = hm.welfare_cost(hm.under(believed, **truth.model.parameters()), truth)
        assert cost.partial > 2.0 * cost.partial_standard_error > 0.0, cost
