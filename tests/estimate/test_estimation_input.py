"""What is observed, processes of shocks, priors: transformations, moments, and one sentence for what does not fit."""

import re
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.linalg import solve_discrete_lyapunov
from scipy.signal import lfilter

import hank_mfg as hm
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.quantities import names_of
from hank_mfg.estimate.likelihood.observed import check_levels, check_observed, sample_of, transformed
from hank_mfg.estimate.likelihood.processes import check_processes, impulses, innovations
from hank_mfg.estimate.posterior.priors import Prior, read_priors

SERIES = {"output": 2.0, "inflation": 0.0, "rate": 0.01}


@pytest.fixture(scope="module")
def quarters():
    index = pd.period_range("1984Q1", periods=12, freq="Q").astype(str)
    return pd.DataFrame({"gdp": np.arange(12.0) ** 2, "prices": np.tile([1.0, 2.0, 4.0], 4)}, index=index)


def test_observed_series_are_transformed_to_first_order(float64):
    """Logs are relative to the level, growth is a difference of logs, a lead is read a period earlier."""
    observed = {
        "a": hm.Observed("output"), "b": hm.Observed("output", "log difference"),
        "c": hm.Observed("inflation", "level", scale=400.0), "d": hm.Observed("rate", "difference", lead=1),
    }  # fmt: skip
    path = jnp.asarray([[1.0, 0.5, 0.25, 0.0]])
    paths = jnp.stack([path, path, path, path], axis=-1)
    found = np.asarray(transformed(paths, jnp.asarray([2.0, 2.0, 0.0, 0.01]), observed))[0].T
    assert found[0] == pytest.approx([50.0, 25.0, 12.5, 0.0])
    assert found[1] == pytest.approx([50.0, -25.0, -12.5, -12.5])
    assert found[2] == pytest.approx([400.0, 200.0, 100.0, 0.0])
    assert found[3] == pytest.approx([50.0, -25.0, -25.0, 0.0])


def test_a_sample_loses_its_trend_and_nothing_else(quarters, tmp_path):
    """A quadratic less its linear trend sums to zero and is orthogonal to time; a missing value stays missing; a file
    with comments is read as the frame."""
    frame = quarters.copy()
    frame.loc["1985Q2", "prices"] = np.nan
    observed = {"gdp": hm.Observed("output", trend="linear"), "prices": hm.Observed("inflation", "level")}
    sample = sample_of(frame, observed, "quarter")
    assert abs(sample.values[:, 0].sum()) < 1e-9 and abs(sample.values[:, 0] @ np.arange(12)) < 1e-8
    assert np.isnan(sample.values[5, 1]) and len(sample.kept) == 23 and abs(np.nansum(sample.values[:, 1])) < 1e-9
    assert sample.values[:, 0] + sample.trend[:, 0] == pytest.approx(frame["gdp"].to_numpy())
    path = tmp_path / "data.csv"
    path.write_text("# a source\n" + frame.to_csv())
    again = sample_of(path, observed, "quarter")
    np.testing.assert_array_equal(again.values, sample.values)


def test_processes_of_shocks(float64):
    """An ARMA against SciPy's filter, an AR(1) of a logarithm, a two-state chain against its own autocovariances."""
    arma = hm.ARMA("size", ar=("root", -0.2), ma=0.4)
    assert arma.names() == ("size", "root")
    found = np.asarray(arma.path({"size": 2.0, "root": 0.9}, 30))
    assert found == pytest.approx(2.0 * lfilter([1.0, 0.4], [1.0, -0.9, 0.2], np.eye(30)[0]), rel=1e-12)
    model = hm.load_model("one_asset_hank")
    economy = discretize(model, 20, jnp.float64, aggregate_risk=False)
    names = names_of(economy)
    paths = np.asarray(impulses(model, names, jnp.asarray([1.0, 1.0, 0.0]), 20, {}, {}))
    place = names.shocks.index("productivity")
    assert innovations(model, {}) == names.shocks
    size = model.productivity_sd * np.sqrt(1 - model.productivity_persistence**2)
    assert paths[place, :, place] == pytest.approx(size * model.productivity_persistence ** np.arange(20))
    assert np.count_nonzero(paths[place].any(axis=0)) == 1
    two = hm.load_model("krusell_smith")
    economy = discretize(two, 20, jnp.float64, aggregate_risk=False)
    path = np.asarray(impulses(two, names_of(economy), jnp.ones(1), 400, {}, {}))[0, :, 0]
    chain = discretize(two, 20, jnp.float64)
    values, move = np.asarray(chain.shock_values.productivity), np.asarray(chain.shock_transition)
    share = np.linalg.matrix_power(move, 500)[0]
    for lag in range(3):
        exact = share @ ((values - share @ values) * (np.linalg.matrix_power(move, lag) @ (values - share @ values)))
        assert path[: 400 - lag] @ path[lag:] == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("kind", ["normal", "beta", "gamma", "inverse gamma", "uniform"])
def test_priors_have_the_mean_and_the_sd_that_were_asked_for(kind):
    """Of every distribution, by NumPyro's own moments."""
    numpyro = pytest.importorskip("numpyro")
    assert numpyro
    found = Prior(kind, 0.4, 0.2).numpyro("x")
    assert float(found.mean) == pytest.approx(0.4, rel=1e-6)
    assert float(np.sqrt(found.variance)) == pytest.approx(0.2, rel=1e-5)


BAD_DATA = {
    "no such column": (lambda f: f, {"gpd": hm.Observed("output")}, "gdp"),
    "text": (lambda f: f.assign(gdp=[*map(str, range(11)), "n.a."]), {"gdp": hm.Observed("output")}, "n.a."),
    "a gap": (lambda f: f.drop("1985Q1"), {"gdp": hm.Observed("output")}, "1985Q1 is missing"),
    "out of order": (lambda f: f.iloc[::-1], {"gdp": hm.Observed("output")}, "order"),
    "no variance": (lambda f: f.assign(gdp=3.0), {"gdp": hm.Observed("output")}, "does not vary"),
    "monthly": (
        lambda f: f.set_axis(pd.period_range("1984-01", periods=12, freq="M").astype(str), axis=0),
        {"gdp": hm.Observed("output")}, "twice",
    ),
    "yearly": (
        lambda f: f.set_axis([f"{1990 + i}-01-01" for i in range(12)], axis=0), {"gdp": hm.Observed("output")},
        "1990Q2 is missing",
    ),
    "few": (lambda f: f.assign(gdp=[1.0, 2.0, *[np.nan] * 10]), {"gdp": hm.Observed("output")}, "2 observations"),
    "no dates": (lambda f: f.set_axis(list("abcdefghijkl"), axis=0), {"gdp": hm.Observed("output")}, "no period"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_DATA)
def test_data_that_do_not_fit_are_said_in_a_sentence(quarters, name):
    """One sentence that names the column or the period."""
    change, observed, words = BAD_DATA[name]
    with pytest.raises(hm.EstimationError, match=re.escape(words)):
        sample_of(change(quarters.copy()), observed, "quarter")


BAD_OBSERVED = {
    "series": ({"x": hm.Observed("outputs")}, "output"),
    "transform": ({"x": hm.Observed("output", "logs")}, "log difference"),
    "trend": ({"x": hm.Observed("output", trend="hp")}, "linear"),
    "log of zero": ({"x": hm.Observed("inflation")}, '"level"'),
    "scale": ({"x": hm.Observed("output", scale=0.0)}, "100 for percent"),
    "lead": ({"x": hm.Observed("output", lead=2)}, "lead = 2"),
    "too many": ({"x": hm.Observed("output"), "y": hm.Observed("rate", "level")}, "measurement_error"),
    "nothing": ({}, "map columns"),
    "kind": ({"x": "output"}, "hm.Observed"),
}


@pytest.mark.parametrize("name", BAD_OBSERVED)
def test_observations_that_do_not_fit_are_said_in_a_sentence(name):
    """One sentence with the cure, which works."""
    observed, words = BAD_OBSERVED[name]
    with pytest.raises(hm.EstimationError, match=re.escape(words)):
        check_observed(observed, SERIES, 1)
        check_levels(observed, SERIES)
    good = {"x": hm.Observed("output"), "y": hm.Observed("rate", "level", measurement_error=0.1)}
    check_observed(good, SERIES, 1)
    check_levels(good, SERIES)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("normal", 0.5, 0.0), "positive standard deviation"), (("beta", 1.5, 0.2), "between 0 and 1"),
        (("gamma", -1.0, 0.2), "positive mean"), (("cauchy", 0.0, 1.0), "inverse gamma"),
        (("beta", 0.5, 0.6), "standard deviation below"),
    ],
)  # fmt: skip
def test_priors_that_do_not_exist_are_said_in_a_sentence(given, words):
    """One sentence that names parameter and distribution."""
    pytest.importorskip("numpyro")
    with pytest.raises(hm.EstimationError, match=words):
        Prior(*given).numpyro("slope")


def test_a_table_of_priors_is_read_or_refused(tmp_path):
    """With a comment; a missing number, text and a name that is there twice are refused with the line."""
    path = tmp_path / "priors.csv"
    path.write_text("# source\nname,distribution,mean,sd\nslope,gamma,.1,.1\n")
    assert read_priors(path) == {"slope": Prior("gamma", 0.1, 0.1)}
    for rows, words in (("slope,gamma,,1", "mean is missing"), ("slope,gamma,a,1", "numbers"),
                        ("slope,gamma,1,1\nslope,gamma,1,1", "twice")):  # fmt: skip
        path.write_text(f"name,distribution,mean,sd\n{rows}\n")
        with pytest.raises(hm.EstimationError, match=words):
            read_priors(path)
    with pytest.raises(hm.EstimationError, match="no such file"):
        read_priors(tmp_path / "none.csv")


def test_shocks_without_a_process_are_said_in_a_sentence():
    """A chain of three states is no autoregression; an ARMA in its place is one; a misspelled shock is named."""
    model = hm.load_model("one_asset_hank")
    economy = discretize(model, 20, jnp.float32, aggregate_risk=False)
    names = names_of(economy)
    check_processes(economy, names, {"monetary": hm.ARMA(0.1, ar=0.5)})
    with pytest.raises(hm.EstimationError, match="monetary"):
        check_processes(economy, names, {"monetry": hm.ARMA(0.1)})
    with pytest.raises(hm.EstimationError, match="hm.ARMA"):
        check_processes(economy, names, {"monetary": 0.5})
    plain = discretize(hm.load_model("aiyagari"), 20, jnp.float32, aggregate_risk=False)
    with pytest.raises(hm.EstimationError, match="no aggregate shock"):
        check_processes(plain, names_of(plain), {})


def test_a_part_of_correlated_shocks_cannot_be_replaced():
    """Its other shocks would move twice; all of them, or none, is accepted."""
    correlated = hm.VAR1(
        "productivity", "spending", persistence=[[0.9, 0.0], [0.1, 0.8]],
        innovation_covariance=[[1e-4, 2e-5], [2e-5, 1e-4]],
    )  # fmt: skip
    model = SimpleNamespace(aggregate_shocks=lambda: correlated)
    names, arma = SimpleNamespace(shocks=("productivity", "spending")), hm.ARMA(0.01, ar=0.9)
    economy: Any = SimpleNamespace(model=model)
    with pytest.raises(hm.EstimationError, match="productivity but not spending of one VAR1"):
        check_processes(economy, names, {"productivity": arma})
    check_processes(economy, names, {})
    check_processes(economy, names, {"productivity": arma, "spending": arma})


def test_correlated_shocks_have_the_moments_of_their_process(float64):
    """Paths after each independent innovation add up to the covariance S = A S A' + Omega in the long run."""
    matrix, omega = np.array([[0.9, 0.0], [0.1, 0.8]]), np.array([[1e-4, 2e-5], [2e-5, 1e-4]])
    correlated = hm.VAR1("a", "b", persistence=matrix, innovation_covariance=omega)
    model: Any = SimpleNamespace(aggregate_shocks=lambda: correlated)
    names: Any = SimpleNamespace(shocks=("a", "b"))
    paths = np.asarray(impulses(model, names, jnp.ones(2), 400, {}, {}))
    assert innovations(model, {}) == ("a", "b")
    assert np.einsum("ita,itb->ab", paths, paths) == pytest.approx(solve_discrete_lyapunov(matrix, omega), rel=1e-10)
