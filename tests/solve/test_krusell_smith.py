"""The classical algorithm: the reference's numbers, closed forms and limits, cycles, refusals, and the evaluators."""

import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_krusell_smith as classical
from reference_growth import FullDepreciation

import hank_mfg as hm
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.classical.household import (
    PerceivedEconomy,
    TabulatedPolicy,
    cubic_weights,
    long_run_aggregates,
    perceive,
)
from hank_mfg.solve.classical.krusell_smith import LawStatus
from hank_mfg.solve.classical.law_of_motion import LawOfMotion, cycle_length, next_law
from hank_mfg.solve.play.rollout import Play

law_search = sys.modules["hank_mfg.solve.classical.law_search"]  # `hank_mfg.solve` is the function

SMALL = {"asset_points": 100, "histogram_points": 150, "periods": 2000, "burn_in": 300, "capital_points": 8}
AGGREGATE = [[0.875, 0.125], [0.125, 0.875]]
OWN = [[0.6, 0.4], [0.05, 0.95]]


def quick_krusell_smith(**parameters) -> hm.Model:
    """Krusell and Smith's economy with impatient households whose risk does not depend on the aggregate state."""
    joint = np.kron(AGGREGATE, OWN).tolist()
    settings = {"joint_transition": joint, "discount_factor": 0.95, "maximum_assets": 60.0, **parameters}
    return hm.load_model("krusell_smith", **settings)


@pytest.fixture(scope="module")
def reference():
    return classical.load_solution()


@pytest.fixture(scope="module")
def jedc():
    return hm.solve(hm.load_model("krusell_smith"), hm.KSAlgorithm())


@pytest.fixture(scope="module")
def quick():
    return hm.solve(quick_krusell_smith(), hm.KSAlgorithm(**SMALL))


@pytest.mark.slow
def test_the_law_is_that_of_the_reference(jedc, reference):
    """Both laws are fitted on 10,000 periods, but of other shocks: coefficients trade off, forecasts do not."""
    assert jedc.status is LawStatus.CONVERGED and jedc.aggregate == "capital" and jedc.iterations < 15
    law = np.column_stack([jedc.law.intercept, jedc.law.slope])
    np.testing.assert_allclose(law, reference.law, atol=5e-4)
    levels = np.log(np.linspace(37.0, 42.0, 11))
    ours, theirs = (each[:, :1] + each[:, 1:] * levels for each in (law, reference.law))
    np.testing.assert_allclose(ours, theirs, atol=4e-5)
    assert jedc.law.r_squared.min() > 0.99999


@pytest.mark.slow
def test_on_the_same_shocks_the_law_is_the_same(jedc, reference, monkeypatch):
    """On the reference's own path of shocks only the grids are left to differ."""
    shocks = classical.productivity_path(11_000, 2010)
    following = lambda economy, shock, periods, *, key: jnp.asarray(np.append(shocks[1:], 0).astype(np.int32))  # noqa: E731
    monkeypatch.setattr(PerceivedEconomy, "draw_shocks", following)
    solution = hm.solve(jedc.model, hm.KSAlgorithm(), steady=jedc.steady)
    law = np.column_stack([solution.law.intercept, solution.law.slope])
    np.testing.assert_allclose(law, reference.law, atol=2e-4)
    np.testing.assert_allclose(solution.law.r_squared, reference.r_squared, atol=3e-7)
    levels = np.log(np.linspace(37.0, 42.0, 11))
    ours, theirs = (each[:, :1] + each[:, 1:] * levels for each in (law, reference.law))
    np.testing.assert_allclose(ours, theirs, atol=1.5e-5)


@pytest.mark.slow
@float64_allowed
def test_policies_are_those_of_the_reference(jedc, reference):
    """Guards docs/accuracy.md, 'classical solution': the same savings, within .1 percent of consumption."""
    play, read = jedc.play(), eqx.filter_jit(TabulatedPolicy.consumption)
    points = np.asarray(play.economy.grid.points)
    some = (points > 0.02) & (points < 200.0)
    for capital in (36.3, 39.4, 42.7):
        for shock, productivity in enumerate((0.99, 1.01)):
            gross, wage = reference.parameters.prices(capital, shock)
            cash = gross * points[:, None] + wage * reference.parameters.earnings()[shock]
            features, lowest = jnp.asarray([capital, productivity]), play.economy.grid.lower
            unconstrained_consumption = read(
                play.policy, features, jnp.asarray(cash), play.tables, jnp.zeros(0), lowest
            )
            savings = np.maximum(cash - np.asarray(unconstrained_consumption), 0.0)
            for employed in (0, 1):
                theirs = classical.savings_at(reference, points, employed, capital, shock)
                consumption = cash[:, employed] - theirs
                gap = np.abs(savings[:, employed] - theirs) / consumption
                assert gap[some].max() < 1e-3 and np.median(gap[some]) < 2e-4


@pytest.mark.slow
@pytest.mark.parametrize("periods", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_accuracy_on_the_comparison_suite(jedc, periods):
    """Guards docs/accuracy.md, bars of `hm.KSAlgorithm()`: Den Haan's forecast error and the dynamic Euler test.
    Source: Den Haan (2010), JEDC 34(1), 4-27 and 79-99."""
    measured = hm.evaluate(jedc, periods=periods, deviations=False).to_dict()
    assert measured["den_haan_max_percent"] < 0.25 and measured["den_haan_mean_percent"] < 0.06
    assert measured["dynamic_euler_mean_percent"] < 0.004 and measured["dynamic_euler_max_percent"] < 0.06
    assert measured["euler_error_mean_percent"] < 0.002
    assert measured["capital_mean"] == pytest.approx(39.33, abs=0.1 if periods == 10_000 else 0.3)
    assert min(measured["law_of_motion"]["r2"]) > 0.99999
    assert measured["goods_market_residual_max"] < 1e-12 and measured["top_of_grid_mass"] < 1e-7


@pytest.mark.slow
def test_a_solution_says_where_the_time_went(jedc):
    """Guards `ClassicalSolution.history`: laws, distance, sweeps and seconds of every iteration."""
    history = jedc.history
    spent = history["seconds_policies"].sum() + history["seconds_simulation"].sum()
    assert 0 < spent < jedc.seconds_iterate < jedc.seconds_total and jedc.seconds_compile > 0
    assert history["intercept"].shape == (jedc.iterations, 2) and history["sweeps"].min() > 0
    assert history["distance"][-1] < jedc.settings.tolerance and jedc.precision == "float64"


@pytest.mark.slow
def test_log_utility_and_full_depreciation_have_a_law_in_closed_form():
    """Guards `KSAlgorithm`: log K' = log(alpha beta z) + alpha log K, up to precaution of second order."""
    exact = np.log(0.36 * 0.9 * np.array([0.95, 1.05]))
    gaps = []
    for risk in (0.1, 0.05):
        solution = hm.solve(FullDepreciation(risk=risk), hm.KSAlgorithm(**SMALL))
        assert solution.status is LawStatus.CONVERGED and solution.aggregate == "trees"
        np.testing.assert_allclose(solution.law.slope, 0.36, atol=1e-4)
        gaps.append(np.abs(solution.law.intercept - exact).max())
    assert gaps[1] < 5e-4  # what is left is precaution, of second order in the risk
    assert 3.0 < gaps[0] / gaps[1] < 7.0


@pytest.mark.slow
def test_a_shock_of_no_size_leaves_the_stationary_equilibrium():
    """Guards `KSAlgorithm`: without aggregate risk the law rests at the stationary equilibrium."""
    model = quick_krusell_smith(productivity=[1.0 - 1e-9, 1.0 + 1e-9])
    solution = hm.solve(model, hm.KSAlgorithm(**{**SMALL, "asset_points": 200, "histogram_points": 200}))
    rests_at = np.exp(solution.law.intercept / (1.0 - solution.law.slope))
    np.testing.assert_allclose(rests_at, float(solution.steady.aggregates.capital), rtol=1e-5)


@pytest.mark.slow
def test_another_seed_draws_another_path_and_changes_the_law_little(quick):
    """By less than .005: the path of 2,000 periods is long enough."""
    other = hm.solve(quick_krusell_smith(), hm.KSAlgorithm(**SMALL), steady=quick.steady, seed=1)
    assert 1e-7 < np.abs(other.law.slope - quick.law.slope).max() < 5e-3


@pytest.mark.slow
def test_the_evaluators_accept_it(quick, refuses):
    """Guards docs/krusell_smith.md: the classical solution answers the same calls; what it lacks is named."""
    simulation = hm.simulate(quick, periods=200, burn=10, asset_points=80)
    assert simulation.mass.shape == (80, 2) and simulation.mass.sum() == pytest.approx(1.0)
    response = hm.impulse_response(quick, "productivity", 0.005, horizon=6, starts=2, paths=2)
    assert response.mean["output"][0] == pytest.approx(0.5, abs=0.1) and response.mean["capital"][-1] > 0
    assert not hm.impulse_response(quick, "productivity", 0.0, horizon=6, starts=2, paths=2).mean["capital"].any()
    refuses(lambda: hm.evaluate(quick, periods=100), "ClassicalSolution does not have", "deviations=False")


@pytest.mark.slow
@float64_allowed
def test_households_see_the_aggregate_and_the_shocks(quick):
    """Guards docs/methods.md, 'Classical Krusell-Smith algorithm': households know the aggregate."""
    play = quick.play(50)
    state = quick.start(play)
    now = eqx.filter_jit(Play.decide)(play, state)
    np.testing.assert_allclose(now.signal, [now.public.aggregates.capital, now.public.shocks.productivity])
    np.testing.assert_array_equal(now.features, now.signal)
    assert float(state.aggregate.mass.sum()) == pytest.approx(1.0, abs=1e-12)
    single = quick.play(50, jnp.float32)
    rough = eqx.filter_jit(Play.decide)(single, quick.start(single)).savings
    assert rough.dtype == jnp.float32
    np.testing.assert_allclose(rough, now.savings, rtol=1e-4, atol=1e-4)


@float64_allowed
def test_other_aggregates_are_at_their_long_run_values():
    economy = perceive(hm.discretize(hm.load_model("krusell_smith"), 20, jnp.float64))
    others = long_run_aggregates(economy)
    assert set(others) == {"labor", "unemployment"}
    np.testing.assert_allclose(others.unemployment, [0.10, 0.04], atol=1e-5)
    np.testing.assert_allclose(others.labor, [1.0, 0.96 / 0.9], atol=1e-5)


@pytest.mark.slow
def test_aggregates_that_depend_on_history_are_said_to():
    """Guards `KSAlgorithm`: warns, by how much, where labor depends on the history of shocks."""
    joint = np.kron(AGGREGATE, OWN)
    joint[2:] = np.kron(AGGREGATE[1:], [[0.3, 0.7], [0.02, 0.98]])
    model = quick_krusell_smith(joint_transition=joint.tolist())
    with pytest.warns(UserWarning) as caught:
        hm.solve(model, hm.KSAlgorithm(**SMALL))
    texts = [str(each.message) for each in caught]
    assert any(text.startswith("labor depends on the history of shocks") and "7.4 %" in text for text in texts)
    assert all(Path(each.filename) == Path(__file__) for each in caught)


@pytest.mark.slow
def test_a_range_left_by_the_simulation_is_extended_or_refused():
    """Guards `KSAlgorithm.capital_range`: None is extended with a warning, a given range is an error."""
    model = quick_krusell_smith(productivity=[0.6, 1.4], maximum_assets=150.0)
    with pytest.warns(UserWarning, match=r"went further than 25 %.*extended to"):
        solution = hm.solve(model, hm.KSAlgorithm(**SMALL))
    low, high = np.exp(np.asarray(solution.policy.nodes))[[0, -1]]
    capital = hm.simulate(solution, periods=1000).series["capital"]
    assert low < capital.min() and capital.max() < high
    level = float(solution.steady.aggregates.capital)
    with pytest.raises(hm.SolveError, match=r"out of capital_range = \(.*give a wider range, or None"):
        hm.solve(model, hm.KSAlgorithm(**SMALL, capital_range=(0.9 * level, 1.1 * level)), steady=solution.steady)


@pytest.mark.slow
def test_a_law_that_did_not_converge_is_said_to():
    """Guards `solve`: a law that did not converge is said in a warning and in `status`."""
    with pytest.warns(UserWarning, match="did not converge in max_iterations.*Distance"):
        solution = hm.solve(quick_krusell_smith(), hm.KSAlgorithm(**SMALL, max_iterations=2))
    assert solution.status is LawStatus.ITERATIONS_EXHAUSTED and solution.iterations == 2


CENTER = np.array([[0.12, 0.965], [0.14, 0.962]])


def laws_of(factor, count, noise=0.0):
    """Laws that move by `factor` around a fixed point, with their distances to it."""
    draws = np.random.default_rng(0)
    offsets = [factor**n * np.array([[0.01, 0.002], [0.02, -0.001]]) for n in range(count)]
    offsets = [offset + noise * draws.normal(size=(2, 2)) for offset in offsets]
    return [CENTER + offset for offset in offsets], [float(np.abs(offset).max()) for offset in offsets]


def test_a_cycle_is_told_from_slow_convergence():
    assert cycle_length(*laws_of(-1.0, 4)) == 2
    assert cycle_length(*laws_of(-1.0, 3)) is None  # the second lap is not complete
    for factor in (-0.9, -0.99, 0.5, 0.9, 0.999):
        for count in range(1, 30):
            assert cycle_length(*laws_of(factor, count)) is None, (factor, count)
    turns = [np.exp(2j * np.pi * n / 3) for n in range(6)]
    three = [CENTER + 0.01 * np.array([[turn.real, turn.imag], [0.0, 0.0]]) for turn in turns]
    assert cycle_length(three, [0.01] * 6) == 3
    assert cycle_length(three, [0.01 * 0.9**n for n in range(6)]) is None


def outer_loop(respond, damping=1.0):
    """A search whose simulation is the map `respond` from laws to laws."""

    def ask(law, distance):
        fitted = respond(law)
        path = SimpleNamespace(aggregates={"capital": np.full(10, 39.0)})
        return law_search.Answer(law, LawOfMotion(*fitted.T, np.ones(2)), fitted - law, path, 1, 0.0, 0.0)

    economy = SimpleNamespace(shock_count=2)
    search = SimpleNamespace(
        programs=SimpleNamespace(economy=economy), level=39.0, short=False, ask=ask, inside=lambda path: True,
        ask_near=lambda law, last: ask(law, last.distance),
    )  # fmt: skip
    return law_search.iterate(search, hm.KSAlgorithm(damping=damping))


def test_the_outer_loop_finds_a_linear_fixed_point_and_says_when_it_cycles(monkeypatch):
    answers, status = outer_loop(lambda law: CENTER - 3.0 * (law - CENTER))
    assert status is LawStatus.CONVERGED and len(answers) < 10  # damped steps alone would diverge
    np.testing.assert_allclose(answers[-1].law, CENTER, atol=1e-6)
    plain = lambda laws, gaps, damping, level: laws[-1] + damping * gaps[-1]  # noqa: E731
    monkeypatch.setattr(law_search, "next_law", plain)
    answers, status = outer_loop(lambda law: 2.0 * CENTER - law)
    assert status is LawStatus.CYCLING and len(answers) == 4
    assert "smaller damping" in status.value and "lengthen the path" in status.value
    assert outer_loop(lambda law: 2.0 * CENTER - law, damping=0.4)[1] is LawStatus.CONVERGED


def test_the_first_step_is_damped_only():
    law, gap = CENTER, np.array([[0.01, 0.002], [0.0, 0.001]])
    np.testing.assert_allclose(next_law([law], [gap], 0.3, 39.0), law + 0.3 * gap, rtol=1e-12)


@float64_allowed
def test_interpolation_between_levels_is_exact_for_cubics():
    nodes = jnp.linspace(-1.0, 2.0, 9)
    cubic = lambda x: 1.0 - x + 0.5 * x**2 + 2.0 * x**3  # noqa: E731
    for at in (-1.3, -1.0, -0.95, 0.2, nodes[4], 1.9, 2.0, 2.4):  # inside and beyond
        first, weights = cubic_weights(nodes, jnp.asarray(at))
        near = nodes[first + jnp.arange(4)]
        assert float(weights @ cubic(near)) == pytest.approx(float(cubic(at)), abs=1e-10)


class TwoAssetSums(FullDepreciation):
    """Choices move two aggregates."""

    def aggregates(self, assets, own, today):
        return {"trees": assets, "squares": assets**2}


def test_what_the_algorithm_does_not_fit_is_refused(quick, refuses):
    method = hm.KSAlgorithm(**SMALL)
    refuses(lambda: hm.solve(hm.load_model("aiyagari"), method), "declares no aggregate_shocks()", "steady_state(")
    refuses(lambda: hm.solve(TwoAssetSums(), method), "2 aggregates", "(trees, squares)", "exactly one", "RSPG()")
    same = quick_krusell_smith(productivity=[1.0, 1.0])
    refuses(lambda: hm.solve(same, method), "two aggregate states with the same value", "merge them")
    watch = lambda training, history: None  # noqa: E731
    refuses(lambda: hm.solve(quick.model, method, callback=watch), "family are for training", "leave them out")
    rare = quick_krusell_smith(joint_transition=np.kron([[1.0 - 1e-9, 1e-9], [0.5, 0.5]], OWN).tolist())
    with pytest.raises(hm.SolveError, match=r"state 1 occurs fewer than three times in 2000 periods.*raise periods"):
        hm.solve(rare, method)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"asset_points": 5}, "an integer of at least 10"),
        ({"capital_points": 3}, "an integer of at least 4"),
        ({"periods": 1e4}, "an integer of at least 10"),
        ({"damping": 0.0}, "above 0 and at most 1"),
        ({"tolerance": 0.0}, "positive"),
        ({"capital_range": (40.0, 30.0)}, "None or two levels"),
        ({"max_iterations": 0}, "an integer of at least 1"),
    ],
)
def test_settings_are_checked(settings, words, refuses):
    (name,) = settings
    refuses(lambda: hm.KSAlgorithm(**settings), f"KSAlgorithm({name}=", words)


@pytest.mark.slow
def test_krusell_and_smiths_own_economy():
    """Guards docs/accuracy.md, 'The calibration of 1998': good .095 + .962 log K, bad .085 + .965 log K, mean 11.6.
    Source: Krusell and Smith (1998), JPE 106(5), II.E."""
    solution = hm.solve(hm.load_model("krusell_smith_1998"), hm.KSAlgorithm())
    np.testing.assert_allclose(solution.law.intercept, [0.085, 0.095], atol=2e-3)
    np.testing.assert_allclose(solution.law.slope, [0.965, 0.962], atol=1.5e-3)
    assert hm.simulate(solution).series["capital"].mean() == pytest.approx(11.6, abs=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rough = hm.solve(solution.model, hm.KSAlgorithm(asset_points=150, histogram_points=200), steady=solution.steady)
    np.testing.assert_allclose(rough.law.slope, solution.law.slope, atol=3e-4)
