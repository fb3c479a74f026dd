"""Matching of impulse responses: parameters are recovered from responses of hm.linearize; standard errors and J are
what repeated samples have; every wrong input is one sentence."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.estimate.likelihood.observed import Observed
from hank_mfg.estimate.likelihood.processes import ARMA
from hank_mfg.estimate.matching.matching import matching
from hank_mfg.evaluate.impulse_response import ImpulseResponse

TRUE = {"feedback": 0.5, "memory": 0.6, "productivity_persistence": 0.7}
FREE = {"feedback": (-1.0, 2.0), "memory": (0.0, 0.95), "productivity_persistence": (0.0, 0.95)}
HORIZON, PERIODS = 120, 12
MODEL = hm.load_model(Path(__file__).with_name("remembering.py"), **TRUE)
AWAY = MODEL.with_parameters(feedback=0.1, memory=0.3, productivity_persistence=0.5)
SD = 0.02 * np.sqrt(1 - TRUE["productivity_persistence"] ** 2)  # of innovations
VARIABLES = ("wage", "interest_rate", "consumption")


@pytest.fixture(scope="module")
def steady():
    """The stationary equilibrium, which none of the free parameters moves."""
    return hm.steady_state(MODEL, asset_points=25)


@pytest.fixture(scope="module")
def response(steady):
    """Responses of hm.linearize to an innovation of one standard deviation, in units of the data."""
    found = hm.linearize(steady, horizon=HORIZON).response(
        productivity=SD * TRUE["productivity_persistence"] ** np.arange(HORIZON)
    )
    levels = {**steady.prices, **steady.outcomes, "interest_rate": 1.0}
    return {name: 100 * found[name] / levels[name] for name in VARIABLES}


@pytest.fixture(scope="module")
def data(response):
    """The first periods of it, with standard errors."""
    rows = [
        {"variable": name, "horizon": h, "mean": response[name][h], "standard_error": error}
        for name, error in zip(VARIABLES, (0.05, 0.01, 0.03), strict=True)
        for h in range(PERIODS)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def problem(data):
    """The problem, compiled once; it begins away from the truth."""
    return matching(AWAY, data, FREE, steady=hm.steady_state(AWAY, asset_points=25), horizon=HORIZON)


@pytest.mark.slow
def test_parameters_are_recovered_from_every_start(problem, data):
    """Guards docs/matching.md: parameters are recovered from every start."""
    found = problem.fit(starts=6, seed=3)
    for name, value in TRUE.items():
        assert np.abs(found.starts[name] - value).max() < 1e-6
        assert found.parameters[name] == pytest.approx(value, abs=1e-6)
        assert getattr(found.model, name) == found.parameters[name]
    assert found.converged and found.at_bound == () and found.degrees == len(data) - 3
    assert found.statistic < 1e-9 and found.p_value == pytest.approx(1.0)
    assert np.abs(found.gaps["model"] - found.gaps["data"]).max() < 1e-7
    assert found.units == {"wage": "percent", "interest_rate": "percentage points", "consumption": "percent"}
    with ThreadPoolExecutor(2) as threads:
        pd.testing.assert_frame_equal(problem.fit(starts=6, seed=3, executor=threads).starts, found.starts)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["covariance", "diagonal"])
def test_standard_errors_and_the_statistic_are_those_of_repeated_samples(data, problem, weights):
    """Guards docs/matching.md: standard errors and the statistic are those of repeated samples."""
    count, draws = len(data), np.random.default_rng(0)
    error = data["standard_error"].to_numpy()
    near = 0.8 ** np.abs(np.subtract.outer(data["horizon"].to_numpy(), data["horizon"].to_numpy()))
    same = np.equal.outer(data["variable"].to_numpy(), data["variable"].to_numpy())
    covariance = np.outer(error, error) * near * same
    other = matching(AWAY, data, FREE, steady=problem.steady, horizon=HORIZON, covariance=covariance)
    other.moments = problem.moments  # compiled already
    root = np.linalg.cholesky(covariance)
    samples = [data["mean"].to_numpy() + root @ draws.normal(size=count) for _ in range(50)]
    found = [other.fit(weights=weights, starts=1, means=sample) for sample in samples]
    for name, true in TRUE.items():
        estimates = np.array([each.parameters[name] for each in found])
        errors = np.mean([each.standard_errors[name] for each in found])
        assert estimates.std(ddof=1) == pytest.approx(errors, rel=0.3)  # three times 1 / sqrt(2 x 49)
        assert abs(estimates.mean() - true) < 4 * errors / np.sqrt(50)
    degrees = count - 3
    mean = np.mean([each.statistic for each in found])
    assert abs(mean - degrees) < 3.5 * np.sqrt(2 * degrees / 50)
    assert 0.2 < np.mean([each.p_value < 0.5 for each in found]) < 0.8


@pytest.mark.slow
def test_the_inverse_covariance_and_the_diagonal_agree_where_errors_are_uncorrelated(problem, data):
    """Guards docs/matching.md: the inverse covariance and the diagonal agree where errors are uncorrelated."""
    means = data["mean"].to_numpy() + data["standard_error"].to_numpy() * np.random.default_rng(2).normal(
        size=len(data)
    )
    one, other = (problem.fit(weights=weights, starts=1, means=means) for weights in ("covariance", "diagonal"))
    assert one.parameters == pytest.approx(other.parameters) and one.statistic == pytest.approx(other.statistic)
    assert one.standard_errors == pytest.approx(other.standard_errors)
    gaps = one.gaps["gap_in_standard_errors"]
    assert one.statistic == pytest.approx(float(gaps @ gaps))


@pytest.mark.slow
def test_a_parameter_at_its_bound_counts_as_fixed(data, problem):
    """Guards docs/matching.md: a parameter at its bound counts as fixed."""
    bounded = matching(AWAY, data, {**FREE, "memory": (0.0, 0.5)}, steady=problem.steady, horizon=HORIZON)
    found = bounded.fit(starts=1)
    assert found.at_bound == ("memory",) and found.parameters["memory"] == pytest.approx(0.5, abs=1e-3)
    assert np.isnan(found.standard_errors["memory"]) and np.isfinite(found.standard_errors["feedback"])
    assert found.degrees == len(data) - 2 and "At a bound" in found.note


@pytest.mark.slow
def test_sizes_and_shocks_of_the_data(problem, data):
    """Guards docs/matching.md: sizes and shocks of the data."""
    scaled = data.assign(mean=3 * data["mean"], shock="productivity")
    found = matching(AWAY, scaled, {}, steady=problem.steady, horizon=HORIZON, responses=_given(data, 3.0)).fit()
    assert found.statistic < 1e-18 and found.degrees == len(data) and found.parameters == {}
    moments = matching(AWAY, data, FREE, steady=problem.steady, horizon=HORIZON, size=3 * SD).moments
    values = np.array(list(TRUE.values()))
    assert moments(values)[0] == pytest.approx(3 * problem.moments(values)[0])
    assert moments(np.array([0.5, 0.6, 0.3]))[2][0, 0, 0] == pytest.approx(3 * data["mean"][0])  # impact is given


def _given(data, times: float) -> ImpulseResponse:
    """The data as a response, `times` as large."""
    mean = {name: times * rows["mean"].to_numpy() for name, rows in data.groupby("variable")}
    units = {name: "percentage points" if name == "interest_rate" else "percent" for name in mean}
    return ImpulseResponse("productivity", SD, "level", PERIODS, mean, {}, {}, {}, units, 0.9, 1, 1, "", "quarter")


@pytest.mark.slow
def test_responses_that_are_a_function_of_parameters(problem, data):
    """Guards docs/matching.md: responses that are a function of parameters."""
    free, mean = {"feedback": (0.5, 4.0)}, data["mean"].to_numpy()

    def twice(values):
        return _given(data, values["feedback"] ** 2 / 4)

    found = matching(AWAY, data, free, steady=problem.steady, responses=twice).fit(starts=3)
    assert found.parameters["feedback"] == pytest.approx(2.0, abs=1e-6) and found.source == "given responses"
    weight = (mean / data["standard_error"].to_numpy()) ** 2  # the derivative at 2 is the data themselves
    assert found.standard_errors["feedback"] == pytest.approx(weight.sum() ** -0.5, rel=0.05)


@pytest.mark.slow
def test_observed_says_what_variables_are(steady, data):
    """Guards docs/matching.md: observed says what variables are."""
    table = pd.DataFrame(
        {"variable": "pay", "horizon": range(4), "mean": data["mean"][:4] / 100, "standard_error": 0.01}
    )
    free = {"feedback": (-1.0, 2.0)}
    observed = {"pay": Observed("wage", "log", 1.0)}
    found = matching(MODEL, table, free, steady=steady, horizon=HORIZON, observed=observed).fit(starts=1)
    assert found.parameters["feedback"] == pytest.approx(TRUE["feedback"], abs=1e-6) and found.units == {
        "pay": "log points"
    }
    given = {"productivity": ARMA("innovation_sd", 0.7)}
    free = {"innovation_sd": (0.001, 0.1)}
    found = matching(MODEL, table, free, steady=steady, horizon=HORIZON, observed=observed, shocks=given).fit()
    assert found.parameters["innovation_sd"] == pytest.approx(SD, abs=1e-8)
    assert not hasattr(found.model, "innovation_sd")


@pytest.mark.slow
def test_tables_figures_and_files(problem, tmp_path):
    """Guards docs/matching.md: tables figures and files."""
    found = problem.fit(starts=1)
    assert list(found.table().index) == list(FREE)
    assert found.table()["estimate"].tolist() == list(found.parameters.values())
    text = found.to_latex(tmp_path / "table.tex")
    assert (tmp_path / "table.tex").read_text() == text and r"\toprule" in text and "J = " in text
    assert "productivity_persistence" in repr(found) and "degrees of freedom" in repr(found)
    saved = hm.load(hm.save(found, tmp_path / "matched.npz"))
    assert saved.parameters == found.parameters and saved.gaps.equals(found.gaps)
    figure = hm.plot.matched_responses(found)
    assert [panel.get_title() for panel in figure.axes] == ["Wage", "Interest rate", "Consumption"]
    model = figure.axes[0].get_lines()[-1].get_ydata()
    assert model == pytest.approx(found.gaps["model"][:PERIODS].to_numpy())
    assert [panel.get_title() for panel in hm.plot.matched_responses(found, ["wage"]).axes] == ["Wage"]
    with pytest.raises(ValueError, match="which was not matched: choose from wage, interest_rate, consumption"):
        hm.plot.matched_responses(found, ["output"])


def row(**changes):
    return {"variable": "wage", "horizon": 0, "mean": 1.0, "standard_error": 0.1, **changes}


ONE = {"feedback": (-1.0, 2.0)}
BAD = [  # rows, options, the sentence
    ([row(variable="wge")], {}, r"row 1: the model has no variable 'wge' \(did you mean 'wage'\?\); name one of"),
    ([row()], {"shock": "productivty"}, r"shock: the model has no shock 'productivty' \(did you mean 'productivity'"),
    ([row(shock="tfp")], {}, r"data: the model has no shock 'tfp'.*; it has productivity"),
    ([row(shock="productivity")], {"shock": "productivity"}, r"leave one of them out"),
    ([row(horizon=HORIZON)], {}, r"has horizon 120, but .* 120 periods, 0 to 119: raise horizon= to 360 or more"),
    ([row(horizon=0.5)], {}, r"horizon is 0.5: count whole periods"),
    ([row(horizon=-1)], {}, r"horizon is -1: count whole periods"),
    ([row(), row()], {}, r"rows 1 and 2: wage at horizon 0 is there twice: leave one out"),
    ([row(standard_error=None)], {}, r"standard_error of wage at horizon 0 is missing: give a number, or leave out"),
    ([row(standard_error=0.0)], {}, r"standard_error of wage at horizon 0 is 0: give a number above zero"),
    ([row(mean=np.nan)], {}, r"mean of wage at horizon 0 is missing"),
    ([row(), row(horizon=1, mean="1,5")], {}, r"row 2: mean is '1,5', no number: correct it"),
    ([row()], {"free": {**ONE, "memory": (0, 0.9)}}, r"2 parameters but data only 1 moments: free fewer"),
    ([row()], {"free": {}}, r"free is empty: name parameters and their bounds"),
    ([row()], {"free": {"feedbac": (0, 1)}}, r"no parameter 'feedbac' \(did you mean 'feedback'\?\)"),
    ([row()], {"free": {"feedback": (1, 0)}}, r"give a lower and a higher bound, two finite numbers"),
    ([row()], {"free": {"feedback": 0.5}}, r"give a lower and a higher bound"),
    ([row()], {"free": {"memory": (0, 2)}}, r"leaves what the model declares, 0 to 1: narrow the bounds"),
    ([row()], {"covariance": np.eye(2)}, r"covariance has shape \(2, 2\), but data has 1 rows: give \(1, 1\)"),
    ([row()], {"covariance": [["a"]]}, r"covariance holds no numbers"),
    ([row()], {"covariance": -np.eye(1)}, r"covariance is not positive definite .*: leave rows out"),
    ([row(), row(horizon=1)], {"covariance": np.ones((2, 2))}, r"covariance is not positive definite"),
    ([row(), row(horizon=1)], {"covariance": np.array([[1, 0.5], [0, 1]])}, r"covariance is not symmetric"),
    ([row()], {"covariance": [[np.nan]]}, r"missing or not finite"),
    ([row()], {"size": 0.0}, r"size = 0.0: give the impact on the shock"),
    ([row()], {"observed": {"wage": Observed("wge")}}, r"the model has no series 'wge' \(did you mean 'wage'\?\)"),
    ([row()], {"responses": 3.0}, r"responses are given, and feedback does not move them: leave free empty"),
    ([row()], {"shocks": {"productivity": ARMA("sd")}}, r"names 'sd', which is no parameter: give it bounds in free"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "options", "sentence"), BAD)
def test_bad_input_is_one_sentence(rows, options, sentence, steady):
    with pytest.raises(ValueError, match=sentence):
        hm.match_responses(MODEL, pd.DataFrame(rows), **{"free": ONE, "steady": steady, "horizon": HORIZON, **options})


def test_bad_files_and_given_responses_are_one_sentence(steady, data, tmp_path):
    given = {"steady": steady, "horizon": HORIZON}
    with pytest.raises(ValueError, match="there is no file"):
        hm.match_responses(MODEL, tmp_path / "none.csv", ONE, **given)
    with pytest.raises(ValueError, match="data is a list: give a pandas DataFrame or the path"):
        hm.match_responses(MODEL, [1.0], ONE, **given)
    with pytest.raises(ValueError, match=r"no column 'standard_error' \(did you mean 'standard_erro'\?\)"):
        hm.match_responses(MODEL, data.rename(columns={"standard_error": "standard_erro"}), ONE, **given)
    with pytest.raises(ValueError, match="data has no rows"):
        hm.match_responses(MODEL, data[:0], ONE, **given)
    for responses, sentence in [
        ({"tfp": _given(data, 1.0)}, "responses have no shock 'productivity'"),
        (7.0, "responses: 7.0 was given: give a solution, an ImpulseResponse"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            hm.match_responses(MODEL, data, {}, responses=responses, **given)
    longer = pd.concat([data, data[-1:].assign(horizon=40)])
    with pytest.raises(ValueError, match="data has horizon 40, but responses have 12 periods: give longer ones"):
        hm.match_responses(MODEL, longer, {}, responses=_given(data, 1.0), **given)


@pytest.mark.slow
def test_what_does_not_move_responses_is_refused(problem, data):
    """Guards docs/matching.md: what does not move responses is refused."""
    with pytest.raises(ValueError, match="do not move with unused: leave it out of free"):
        matching(AWAY, data, {**FREE, "unused": (0.0, 2.0)}, steady=problem.steady, horizon=HORIZON).fit(starts=1)


@pytest.mark.slow
def test_parameters_of_households_are_recovered_and_problems_can_be_pickled(data):
    """docs/matching.md: a parameter that moves the stationary equilibrium is matched, with exact Jacobians."""
    model = MODEL.with_parameters(discount_factor=0.94)
    free = {"discount_factor": (0.93, 0.96), "feedback": (-1.0, 2.0)}
    there = matching(model, data, free, horizon=HORIZON, asset_points=25)
    found = there.fit(starts=2)
    assert found.parameters["discount_factor"] == pytest.approx(0.95, abs=1e-5)
    assert found.parameters["feedback"] == pytest.approx(0.5, abs=1e-5)
    at = np.array([0.945, 0.4])
    slopes = there.moments(at)[1]
    for place, step in enumerate((1e-5, 1e-4)):
        move = np.eye(2)[place] * step
        differences = (there.moments(at + move)[0] - there.moments(at - move)[0]) / (2 * step)
        assert np.abs(differences - slopes[:, place]).max() < 1e-3 * np.abs(slopes[:, place]).max()
    assert np.array_equal(pickle.loads(pickle.dumps(there.moments))(at)[0], there.moments(at)[0])


@pytest.mark.slow
def test_a_global_solution_is_compared_by_its_impulse_response(steady):
    """docs/matching.md: the responses of a solution are those of hm.impulse_response, in the same units."""
    solution = hm.solve(MODEL, hm.SPG(updates=40, asset_points=20, paths=4))
    size, variables = 0.01, ("wage", "interest_rate", "capital")
    response = hm.impulse_response(solution, "productivity", size, horizon=6)
    rows = [row(variable=name, horizon=h, mean=response.mean[name][h]) for name in variables for h in range(6)]
    given = {"steady": steady, "responses": solution}
    found = hm.match_responses(MODEL, pd.DataFrame(rows), {}, size=size, **given)
    assert np.abs(found.gaps["model"] - found.gaps["data"]).max() < 1e-12 and found.degrees == 18
    with pytest.raises(ValueError, match="size is missing: say how far productivity moves on impact"):
        hm.match_responses(MODEL, pd.DataFrame(rows), {}, **given)
