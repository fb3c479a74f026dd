"""The likelihood of a linear solution against independent pieces, kinds of parameters, gradients, posteriors."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import hank_mfg as hm
from hank_mfg.estimate.posterior import chains
from hank_mfg.replication.auclert_2021 import run as replication

HORIZON, PERIODS = 120, 60
OBSERVED = {
    "output": hm.Observed("output"),
    "inflation": hm.Observed("inflation", "level"),
    "rate": hm.Observed("nominal_rate", "level", lead=1),
}
HOUSEHOLDS = ("discount_factor", "risk_aversion")


@pytest.fixture(scope="module")
def steady():
    """The economy of the replication on a grid of 100 points, its two parameters calibrated on this grid."""
    found = hm.calibrate(
        replication.economy(), {"discount_factor": (0.975, 0.988), "disutility": (0.7, 0.9)},
        {"interest_rate": 0.005, "output": 1.0}, asset_points=100,
    )  # fmt: skip
    return found.steady


def data(seed: int, steady, parameters=replication.SHOCKS) -> pd.DataFrame:
    """A sample of the linear economy itself, from responses of `hm.linearize` and random innovations."""
    generator, linear = np.random.default_rng(seed), hm.linearize(steady, horizon=HORIZON)
    model, total = steady.economy.model, 0.0
    for shock, prefix in (("monetary", "monetary"), ("spending", "spending"), ("markup_shock", "markup")):
        sd, root = (float(getattr(model, f"{prefix}_{each}")) for each in ("sd", "persistence"))
        response = linear.response(**{shock: sd / 100 * root ** np.arange(HORIZON)})
        news = generator.normal(size=PERIODS + HORIZON)
        columns = [
            np.convolve(news, scale * response[name])[HORIZON + lead : HORIZON + lead + PERIODS]
            for name, scale, lead in (("output", 100.0, 0), ("inflation", 100.0, 0), ("nominal_rate", 100.0, 1))
        ]
        total = total + np.stack(columns, axis=1)
    return pd.DataFrame(total, columns=list(OBSERVED))


@pytest.fixture(scope="module")
def sample(steady):
    return data(0, steady)


@pytest.fixture(scope="module")
def nine(steady, sample):
    model = hm.load_model(type(steady.economy.model), **steady.economy.model.parameters())
    names = replication.SHOCKS + replication.EQUATIONS
    return hm.likelihood(model, sample, OBSERVED, names, horizon=HORIZON, steady=steady)


@pytest.mark.slow
def test_the_likelihood_is_that_of_the_linear_solution_by_other_code(steady, sample, nine):
    """Guards docs/estimation.md, "What is computed": responses of hm.linearize and SciPy's normal density, 1e-8."""
    linear, model = hm.linearize(steady, horizon=HORIZON), steady.economy.model
    coefficients = []
    for shock, prefix in (("monetary", "monetary"), ("spending", "spending"), ("markup_shock", "markup")):
        sd, root = (float(getattr(model, f"{prefix}_{each}")) for each in ("sd", "persistence"))
        found = linear.response(**{shock: sd / 100 * root ** np.arange(HORIZON)})
        rate = np.append(found["nominal_rate"][1:], 0.0)
        level = steady.outcomes["output"]
        coefficients.append(100 * np.stack([found["output"] / level, found["inflation"], rate], axis=1))
    coefficients, count = np.stack(coefficients), 3 * PERIODS
    covariance = np.zeros((count, count))
    for t in range(PERIODS):
        for s in range(t + 1):
            block = np.einsum("zja,zjb->ab", coefficients[:, t - s :], coefficients[:, : HORIZON - t + s])
            covariance[3 * t : 3 * t + 3, 3 * s : 3 * s + 3] = block
            covariance[3 * s : 3 * s + 3, 3 * t : 3 * t + 3] = block.T
    values = (sample - sample.mean()).to_numpy().reshape(-1)
    exact = multivariate_normal.logpdf(values, cov=covariance)
    assert nine() == pytest.approx(exact, abs=1e-6)


@pytest.mark.slow
def test_kinds_of_parameters_and_every_gradient(steady, sample, nine):
    """Guards docs/estimation.md: a parameter is of shocks, equations or households by the equations themselves, and
    the gradient is that of differences, to 1e-5, for all three."""
    model = nine.model
    assert {nine.kinds[name] for name in replication.SHOCKS} == {"shocks"}
    assert {nine.kinds[name] for name in replication.EQUATIONS} == {"equations"}
    names = ("monetary_persistence", "taylor", *HOUSEHOLDS)
    every = hm.likelihood(model, sample, OBSERVED, names, horizon=HORIZON, steady=steady)
    assert {every.kinds[name] for name in HOUSEHOLDS} == {"households"}
    for likelihood in (nine, every):
        _, gradient = likelihood.value_and_gradient(likelihood.start)
        for name in likelihood.parameters:
            size = 1e-4 * max(abs(likelihood.start[name]), 0.1) * (0.1 if name in HOUSEHOLDS else 1.0)

            def at(steps, name=name, likelihood=likelihood, size=size):
                moved = {**likelihood.start, name: likelihood.start[name] + steps * size}
                return likelihood.value_and_gradient(moved)[0]

            numeric = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * size)
            assert gradient[name] == pytest.approx(numeric, rel=1e-5), name
    assert every() == pytest.approx(nine(), abs=1e-6)


@pytest.mark.slow
def test_a_posterior_of_simulated_data(steady, nine, tmp_path):
    """Guards docs/estimation.md: chains agree, the truth lies where it should, what was cut off goes on with the same
    draws, and Laplace's density of the data is near the harmonic mean's."""
    pytest.importorskip("numpyro")
    model = nine.model
    likelihood = hm.likelihood(model, data(1, steady), OBSERVED, replication.SHOCKS, horizon=HORIZON, steady=steady)
    priors = {name: replication.PRIORS[name] for name in replication.SHOCKS}
    settings = {"draws": 300, "chains": 2, "warmup": 100, "starts": 2}
    posterior = hm.estimate(likelihood, priors, **settings, folder=tmp_path / "whole")
    table = posterior.table()
    assert (table["R-hat"] < 1.05).all() and (table["ESS"] > 100).all()
    away = [(likelihood.start[n] - table.loc[n, "mode"]) / table.loc[n, "sd at the mode"] for n in table.index]
    assert np.abs(away).max() < 4 and np.mean(np.square(away)) < 4
    densities = posterior.log_marginal_density()
    assert densities["Laplace"] == pytest.approx(densities["harmonic mean"], abs=1.0)
    parts = posterior.historical_decomposition()
    for column in likelihood.sample.columns:
        whole = parts[column][list(likelihood.innovations)].sum(axis=1)
        assert whole.to_numpy() == pytest.approx(parts[column]["data"].to_numpy(), abs=1e-8)
    shares = posterior.variance_decomposition(draws=20)
    assert shares.sum(axis=1).to_numpy() == pytest.approx(100.0)
    calls = []

    def stop(text: str) -> None:
        calls.append(text)
        if text.startswith("chain") and len([each for each in calls if each.startswith("chain")]) == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chains, "SECONDS", 0.5)
        with pytest.raises(KeyboardInterrupt):
            hm.estimate(likelihood, priors, **settings, folder=tmp_path / "cut", callback=stop)
    again = hm.estimate(likelihood, priors, **settings, folder=tmp_path / "cut")
    for name in likelihood.parameters:
        np.testing.assert_array_equal(again.draws[name], posterior.draws[name])
    with pytest.raises(hm.EstimationError, match="another estimation"):
        hm.estimate(likelihood, priors, **{**settings, "draws": 200}, folder=tmp_path / "cut")


@pytest.mark.slow
def test_what_cannot_be_estimated_is_said_in_a_sentence(steady, sample, nine):
    """Guards docs/estimation.md, "Bad input": one sentence with the cure."""
    model, given = nine.model, {"horizon": HORIZON, "steady": steady}
    for parameters, words in (
        (["taylr"], "taylor"), ([], "name one"), (["taylor", "taylor"], "twice"),
    ):  # fmt: skip
        with pytest.raises(hm.EstimationError, match=words):
            hm.likelihood(model, sample, OBSERVED, parameters, **given)
    named = {**OBSERVED, "rate": OBSERVED["rate"]._replace(measurement_error="monetary_sd")}  # no free parameter
    written = {**OBSERVED, "rate": OBSERVED["rate"]._replace(measurement_error=float(model.monetary_sd))}
    both = [hm.likelihood(model, sample, each, ["spending_sd"], **given)() for each in (named, written)]
    assert both[0] == pytest.approx(both[1], rel=1e-12) and abs(both[0] - nine()) > 0.1
    with pytest.raises(hm.EstimationError, match="first value"):
        hm.likelihood(model, sample, OBSERVED, ["size"], shocks={"monetary": hm.ARMA("size", ar=0.5)}, **given)
    one = {"output": OBSERVED["output"]}
    with pytest.raises(hm.EstimationError, match="only 3 observations"):
        hm.likelihood(model, sample.iloc[:3], one, list(nine.parameters), **given)
    with pytest.raises(hm.EstimationError, match="has no parameter"):
        nine(taylr=1.4)
    with pytest.raises(hm.EstimationError, match="cannot take"):
        hm.estimate(nine, {**{n: replication.PRIORS[n] for n in nine.parameters}, "slope": ("normal", 0.0, 1.0)})
    with pytest.raises(hm.EstimationError, match="slope"):
        hm.estimate(nine, {n: replication.PRIORS[n] for n in nine.parameters if n != "slope"})
