"""What the linear model of an estimation leaves out and eliminates, and when its inputs are checked."""

import warnings

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.quantities import names_of, reading, series_names
from hank_mfg.estimate.likelihood import likelihood as likelihood_module
from hank_mfg.estimate.matching import matching as matching_module

HORIZON = 150
OBSERVED = {"gdp": hm.Observed("output")}
SERIES = ("consumption", "bonds", "hours", "wage", "inflation", "productivity")


@pytest.fixture(scope="module")
def data():
    index = pd.period_range("1984Q1", periods=12, freq="Q").astype(str)
    return pd.DataFrame({"gdp": np.random.default_rng(0).normal(size=12)}, index=index)


def test_responses_that_nobody_reads_are_left_out(float64):
    """The markets of one-asset HANK read savings and earnings; series add what they are, and an economy without
    markets inside the period needs its aggregates alone."""
    hank = discretize(hm.load_model("one_asset_hank"), 20, jnp.float64, aggregate_risk=False)
    names = names_of(hank)
    assert names.outputs == (*names.choices, "bonds")
    assert reading(hank, names, ("output", "inflation")).outputs == ("savings", "earnings")
    assert reading(hank, names, ("consumption", "bonds")).outputs == ("consumption", "savings", "earnings", "bonds")
    plain = discretize(hm.load_model("krusell_smith"), 20, jnp.float64, aggregate_risk=False)
    assert reading(plain, names_of(plain), ("capital",)).outputs == ("capital",)
    assert set(SERIES) <= set(series_names(hank, names))


def test_what_does_not_fit_is_said_before_anything_is_solved(data, monkeypatch):
    """A mistyped column, series, parameter or shock costs no stationary equilibrium."""

    def solved(*given, **options):
        raise AssertionError("a stationary equilibrium was solved")

    monkeypatch.setattr(likelihood_module, "steady_state", solved)
    monkeypatch.setattr(matching_module, "steady_state", solved)
    model, given = hm.load_model("one_asset_hank"), ["taylor"]
    for rows, observed, parameters, words in (
        (data, {"gpd": OBSERVED["gdp"]}, given, "did you mean"),
        (data, {"gdp": hm.Observed("outputs")}, given, "no series 'outputs'"),
        (data.drop("1985Q1"), OBSERVED, given, "1985Q1 is missing"),
        (data.assign(gdp=1.0), OBSERVED, given, "does not vary"),
        (data, OBSERVED, ["taylr"], "taylor"),
    ):
        with pytest.raises(hm.EstimationError, match=words):
            hm.likelihood(model, rows, observed, parameters)
    with pytest.raises(hm.EstimationError, match="monetary"):
        hm.likelihood(model, data, OBSERVED, given, shocks={"monetry": hm.ARMA(0.1)})
    with pytest.raises(AssertionError, match="was solved"):
        hm.likelihood(model, data, OBSERVED, given)
    responses = pd.DataFrame({"variable": ["outptu"], "horizon": [0], "mean": [1.0], "standard_error": [0.1]})
    with pytest.raises(hm.EstimationError, match="output"):
        hm.match_responses(model, responses, {"taylor": (1.1, 2.0)}, shock="monetary")


@pytest.fixture(scope="module")
def steady():
    return hm.steady_state("one_asset_hank", asset_points=60)


@pytest.mark.slow
def test_responses_of_any_series_are_those_of_the_linear_solution(steady, data):
    """Guards docs/estimation.md, "What is returned": series that the likelihood does not read have their responses, by
    other code, to 1e-5 of their largest, by which the two cut the horizon differently; the price that the Phillips
    curve determines is eliminated."""
    model = hm.load_model("one_asset_hank")
    found = hm.likelihood(model, data, OBSERVED, ["monetary_sd"], horizon=HORIZON, steady=steady)
    assert found.names.explicit == (("wage", 2),) and "bonds" in found.names.unread
    paths = found.responses(found.start, SERIES)[found.innovations.index("monetary")]
    root = model.monetary_persistence
    size = model.monetary_sd * np.sqrt(1 - root**2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a horizon that is too short
        exact = hm.linearize(steady, horizon=HORIZON).response(monetary=size * root ** np.arange(HORIZON))
    for place, name in enumerate(SERIES):
        largest = max(np.abs(exact[name]).max(), 1e-10)
        assert paths[:, place] == pytest.approx(exact[name], abs=1e-5 * largest), name


@pytest.mark.slow
def test_the_mode_says_where_the_equilibrium_is_not_unique(steady, data):
    """Guards docs/estimation.md, "What is returned": with a reaction to inflation below one several paths stay bounded,
    above one exactly one, as `hm.winding_number` finds from the whole system; the mode warns."""
    pytest.importorskip("numpyro")
    passive = hm.load_model("one_asset_hank", taylor=0.8)
    rests = {0: steady, -1: hm.steady_state(passive, asset_points=60)}
    for number, rest in rests.items():
        model = hm.load_model("one_asset_hank", **rest.economy.model.parameters())
        found = hm.likelihood(model, data, OBSERVED, ["monetary_sd"], horizon=HORIZON, steady=rest)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            mode = hm.estimate(found, {"monetary_sd": ("inverse gamma", 0.002, 0.002)}, draws=0, starts=1).mode
            assert hm.winding_number(hm.linearize(rest, horizon=300)) == number
        assert mode.winding_number == number
        assert any("several paths stay bounded" in str(each.message) for each in said) == (number < 0)


@pytest.mark.slow
def test_a_response_that_is_cut_off_is_named_with_the_horizon_it_needs(data):
    """Guards docs/estimation.md, "What is observed": a shock that dies out by a rate: what is left of it after the
    horizon, and when a fiftieth would be."""
    shocks = {"aggregate_income": hm.ARMA("sd", ar="rho")}
    observed = {"gdp": hm.Observed("income")}
    model = hm.load_model("huggett")
    found = hm.likelihood(
        model, data, observed, ["rho", "sd"], shocks=shocks, start={"rho": 0.9, "sd": 0.01}, horizon=100,
        asset_points=30,
    )  # fmt: skip
    assert found.cut_off({"rho": 0.9}) is None
    left = found.cut_off({"rho": 0.98})
    assert (left.series, left.innovation, left.needed) == ("income", "aggregate_income", 200)
    assert left.share == pytest.approx(0.98**99)
    pytest.importorskip("numpyro")
    priors = {"rho": ("beta", 0.98, 0.0005), "sd": ("inverse gamma", 0.01, 0.01)}
    with pytest.warns(UserWarning, match=r"response of income to aggregate_income is still 1[0-9] % .* horizon=200"):
        hm.estimate(found, priors, draws=0, starts=1)
