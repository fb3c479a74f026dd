"""One policy over a box of parameters: its points, the polynomials through them, the solution at a point, accuracy."""

import itertools

import jax
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.model.free import Free
from hank_mfg.solve.gradient.box import Box, basis, degree_of, fit, left_out, point_of, read, values_at

OVER = {"risk_aversion": (1.0, 2.0), "discount_factor": (0.985, 0.99)}


def refuses(call, *words):
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_points_are_in_the_box_and_have_its_corners():
    points = Box({"a": (0, 1), "b": (0, 1), "c": (0, 1)}).sample(3)
    assert points.shape == (128, 3) and np.abs(points).max() <= 1
    assert len(np.unique(points, axis=0)) == 128
    corners = {tuple(point) for point in points if set(np.abs(point)) == {1.0}}
    assert corners == set(itertools.product((-1.0, 1.0), repeat=3))
    np.testing.assert_array_equal(points, Box({"a": (0, 1), "b": (0, 1), "c": (0, 1)}).sample(3))
    assert np.abs(points.mean(axis=0)).max() < 0.05  # evenly around the middle


def test_polynomials_are_read_as_they_were_fitted():
    points = Box({"a": (0, 1), "b": (0, 1)}, points=40).sample(0)
    x, y = points.T
    known = {"value": 2.0 + x * y - 3.0 * y**3, "table": np.stack([x**2, np.ones(40)], axis=1)}
    degree = degree_of(2, 40)
    assert degree == 4  # 15 terms, at most half of 40
    at = np.asarray([0.3, -0.7])
    found = read(fit(points, known), at, degree)
    np.testing.assert_allclose(found["value"], 2.0 - 0.21 + 3.0 * 0.343, atol=1e-12)
    np.testing.assert_allclose(found["table"], [0.09, 1.0], atol=1e-12)
    assert np.abs(left_out(points, known["value"])).max() < 1e-12


def test_what_is_left_out_is_missed_by_a_fit_to_the_others():
    points = Box({"a": (0, 1)}, points=16).sample(1)
    values = np.exp(3.0 * points[:, 0])
    others = np.arange(16) != 5
    terms = basis(points, degree_of(1, 16))
    coefficients = np.linalg.lstsq(terms[others], values[others])[0]
    missed = values[5] - terms[5] @ coefficients
    np.testing.assert_allclose(left_out(points, values)[5], missed, rtol=1e-8)


def test_values_and_points_are_each_others_inverse():
    model = hm.load_model("krusell_smith")
    free = Box({**OVER, "productivity[0]": (0.97, 0.995)}).free(model)
    assert free[2] == Free("productivity", 0, 0.97, 0.995)
    point = point_of(model, free, {"risk_aversion": 1.25, "productivity[0]": 0.995})
    np.testing.assert_allclose(point, [-0.5, 1.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(values_at(free, point), [1.25, 0.99, 0.995])


def test_bad_boxes_are_refused():
    model = hm.load_model("krusell_smith")
    refuses(lambda: hm.solve(model, over={"risk": (1, 2)}), "no parameter 'risk'")
    refuses(lambda: hm.solve(model, over={}), "over is empty")
    refuses(lambda: hm.solve(model, over={"discount_factor": (0.9, 1.2)}), "over['discount_factor']", "upper bound")
    refuses(lambda: hm.solve(model, over={"risk_aversion": (2, 1)}), "write (1, 2)")
    refuses(lambda: hm.Box({"risk_aversion": (1, 2)}, points=4), "points=4", "at least 6")
    family = hm.Family({"depreciation": [0.03]})
    refuses(lambda: hm.solve(model, over=OVER, family=family), "family", "leave family out")
    refuses(lambda: hm.solve(hm.load_game("beach_bar"), over=OVER), "is a game", "leave over out")
    refuses(lambda: hm.solve(model, hm.KSAlgorithm(), over=OVER), "hm.RSPG()")
    free = Box(OVER).free(model)
    refuses(lambda: point_of(model, free, {"risk_aversion": 3.0}), "outside the box", "from 1 to 2")
    refuses(lambda: point_of(model, free, {"risk": 3.0}), "risk_aversion, discount_factor")


TINY = {"paths": 4, "horizon": 5, "updates": 40, "asset_points": 60, "knots": 10, "units": 4, "width": 8, "warmup": 50}


@pytest.fixture(scope="module")
def trained():
    with pytest.warns(hm.NotConvergedWarning):
        return hm.solve("krusell_smith", hm.RSPG(**TINY), over=hm.Box(OVER, points=12), seed=2, verbose=False)


@pytest.mark.slow
def test_a_box_is_solved_kept_and_read_anywhere(trained, tmp_path):
    """Guards docs/box.md: a solution over a box is saved and loaded to the same bits, and at a point of it a `Solution`
    like any other, of the model with these parameters, whose goods market closes."""
    again = hm.load(hm.save(trained, tmp_path / "box.npz"))
    for one, other in zip(jax.tree.leaves(trained.training()), jax.tree.leaves(again.training()), strict=True):
        np.testing.assert_array_equal(one, other)
    solution = again.at(risk_aversion=1.7)
    assert isinstance(solution, hm.Solution)
    assert solution.model.risk_aversion == 1.7 and solution.model.discount_factor == 0.99
    np.testing.assert_allclose(solution.steady.aggregates.capital, trained.levels_at(
        point_of(trained.model, trained.parameters, {"risk_aversion": 1.7}))["capital"], rtol=1e-3)  # fmt: skip
    path = hm.simulate(solution, periods=200)
    assert path.goods_market is not None and np.abs(path.goods_market).max() < 1e-10
    found = hm.evaluate(trained, periods=100, points=1, verbose=False)
    assert len(found.table()) == 6 and set(found.worst) == {*OVER, "euler_error_percent"}
    refuses(lambda: hm.evaluate(trained, variable="capital"), "variable", "leave variable out")
    refuses(lambda: hm.evaluate(solution, points=3), "points", "leave points out")


@pytest.mark.slow
def test_training_over_a_box_goes_on_to_the_same_bits(trained):
    """Guards docs/box.md: training over a box that is cut off and resumed ends with the numbers of an unbroken run."""
    kept = []
    settings = hm.RSPG(**TINY)
    box = hm.Box(OVER, points=12)
    stopped = hm.solve("krusell_smith", settings, over=box, seed=2, verbose=False,
                       callback=lambda training, history: kept.append((training, history)) or True)  # fmt: skip
    assert stopped.updates < trained.updates
    with pytest.warns(hm.NotConvergedWarning):
        resumed = hm.solve("krusell_smith", settings, over=box, seed=2, resume=kept[-1], verbose=False)
    np.testing.assert_array_equal(resumed.history["loss"], trained.history["loss"])
    for one, other in zip(jax.tree.leaves(resumed.policy), jax.tree.leaves(trained.policy), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_box_around_one_point_is_that_point():
    """Guards docs/box.md: in a box of next to no width the stationary start is that of the model itself, and trained
    policies are as accurate at its corners as at one point."""
    over = {"risk_aversion": (0.999999, 1.000001), "discount_factor": (0.9899999, 0.9900001)}
    solution = hm.solve("krusell_smith", over=hm.Box(over, points=8), verbose=False)
    steady = hm.steady_state("krusell_smith", asset_points=400)
    policy = solution.policy_at(np.zeros(2))
    np.testing.assert_allclose(policy.stationary.function.composite, steady.policy.composite, rtol=1e-5)
    errors = [hm.euler_errors(solution.at(risk_aversion=value), periods=500).mean for value in over["risk_aversion"]]
    assert max(errors) < 5e-5


@pytest.mark.slow
def test_euler_errors_over_a_box_of_three_parameters():
    """Guards docs/box.md: the worst mean one-step Euler error over the box of three parameters is below .01 percent."""
    over = {"risk_aversion": (1.0, 3.0), "discount_factor": (0.985, 0.992), "capital_share": (0.3, 0.4)}
    solution = hm.solve("krusell_smith", over=over, verbose=False)
    assert hm.evaluate(solution, periods=1000, verbose=False).worst["euler_error_percent"] < 0.01
