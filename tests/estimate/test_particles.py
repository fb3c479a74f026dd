"""The particle filter against the likelihood summed over every path of shocks, and the chains that use it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.particles import Compared, levels_of, run_filter
from hank_mfg.estimate.posterior.importance import Weighted
from hank_mfg.report.estimation_figures import plot_posterior
from hank_mfg.solve.play.rollout import rollout

OVER = {"risk_aversion": (1.0, 2.0), "discount_factor": (0.985, 0.99)}
OBSERVED = {
    "growth": hm.Observed("output", "log difference", measurement_error=0.7, trend="none"),
    "rate": hm.Observed("interest_rate", "level", scale=400.0, measurement_error=0.1, trend="none"),
}
SMALL = {
    "paths": 4,
    "horizon": 10,
    "updates": 60,
    "asset_points": 60,
    "knots": 10,
    "units": 4,
    "width": 16,
    "warmup": 50,
}


@pytest.fixture(scope="module")
def solution():
    with pytest.warns(hm.NotConvergedWarning):
        return hm.solve("krusell_smith", hm.RSPG(**SMALL), over=hm.Box(OVER, points=12), verbose=False)


@pytest.fixture(scope="module")
def data(solution):
    truth = solution.at(risk_aversion=1.4, discount_factor=0.988)
    path = hm.simulate(truth, periods=80, seed=5)
    noise = np.random.default_rng(0).standard_normal((80, 2)) * [0.7, 0.1]
    growth = 100.0 * np.diff(np.log(path.series["output"]), prepend=np.nan)
    rate = 400.0 * (path.series["interest_rate"] - truth.steady.prices.interest_rate)
    return pd.DataFrame({"growth": growth, "rate": rate}) + noise


@pytest.mark.slow
def test_the_filter_estimates_the_sum_over_every_path_of_shocks(solution, float64):
    """Guards docs/box.md: exp of the filter's estimate is unbiased. The likelihood of seven periods is summed over all
    2^8 paths of the aggregate shock, whose distributions are moved one by one."""
    periods, play = 7, solution.play_at(np.zeros(2), dtype=jnp.float64)
    one = jax.tree.map(lambda x: x[0], solution.states_at(np.zeros((1, 2)), play.economy))
    observed, noise = tuple(OBSERVED.values()), np.asarray([0.7, 0.1])
    levels = solution.levels_at(np.zeros(2))
    steady = np.asarray([np.log(levels["output"]), levels["interest_rate"]])
    data = np.random.default_rng(1).standard_normal((periods, 2)) * [2.0, 0.3]
    data[2, 0] = np.nan

    paths = jnp.asarray(list(itertools.product(range(2), repeat=periods + 1)), jnp.int32)
    seen = jax.jit(jax.vmap(lambda path: rollout(play, one, path, lambda s: levels_of(play, s.now, observed))[1]))(
        paths
    )
    seen, chain = np.asarray(seen), np.asarray(play.economy.shock_transition)
    start, total = int(one.aggregate.shock), -np.inf
    for path, values in zip(np.asarray(paths), seen, strict=True):
        states = [start, *path[:-1]]  # the state after the last period is not observed
        probability = np.prod([chain[a, b] for a, b in itertools.pairwise(states)]) / 2.0
        predicted = np.stack([100.0 * np.diff(values[:, 0]), 400.0 * (values[1:, 1] - steady[1])], axis=1)
        terms = -0.5 * ((data - predicted) / noise) ** 2 - np.log(noise) - 0.5 * np.log(2 * np.pi)
        total = np.logaddexp(total, np.log(probability) + np.nansum(terms))

    count = 4000
    states = jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *x.shape)), one)
    compared = Compared(*map(jnp.asarray, (data, noise, steady)))
    estimates = np.asarray([
        run_filter(
            play, states, compared, jax.random.PRNGKey(seed), observed=observed, wanted=(), burn=2
        ).log_likelihood for seed in range(24)
    ])  # fmt: skip
    weights = np.exp(estimates - total)
    assert abs(weights.mean() - 1.0) < 4.0 * weights.std(ddof=1) / np.sqrt(len(weights))
    assert weights.std(ddof=1) < 0.2


@pytest.mark.slow
def test_a_posterior_of_a_global_solution_covers_the_truth_and_resumes(solution, data, tmp_path):
    """Guards docs/box.md: draws of a posterior lie around the truth of simulated data, and an estimation that was cut
    off goes on to the same numbers."""
    likelihood = hm.particle_likelihood(solution, data, OBSERVED, particles=100, burn=20)
    assert likelihood(risk_aversion=1.4, seed=3) == likelihood(risk_aversion=1.4, seed=3)
    assert likelihood.repeated(4).std() > 0
    true, false = (likelihood.repeated(8, risk_aversion=1.4, discount_factor=beta).mean() for beta in (0.988, 0.985))
    assert true > false
    priors = {"risk_aversion": ("normal", 1.5, 0.2), "discount_factor": ("normal", 0.9875, 0.0015)}
    settings = {"explore": 12, "seed": 1}
    every = r"outside the box|Monte Carlo error|lie within|draws do not tell the posterior yet"
    with pytest.warns(UserWarning, match=every) as said:
        whole = hm.estimate(likelihood, priors, draws=80, **settings)
        hm.estimate(likelihood, priors, draws=10, folder=tmp_path, **settings)
        again = hm.estimate(likelihood, priors, draws=80, folder=tmp_path, **settings)
    assert any("draws do not tell" in str(each.message) for each in said), "ten draws"
    for name in OVER:
        np.testing.assert_array_equal(whole.draws[name], again.draws[name])
    drawn = whole.draws["discount_factor"]
    assert abs(drawn.mean() - 0.988) < 2.5 * drawn.std() < 0.003
    table = whole.table()
    assert list(table.index) == list(OVER) and (table["5 %"] < table["95 %"]).all()
    assert 10 < whole.effective < 80 and "toprule" in whole.to_latex()
    plot_posterior(whole)
    with pytest.warns(UserWarning, match="outside the box"), pytest.raises(EstimationError, match="another estimation"):
        hm.estimate(likelihood, priors, draws=10, folder=tmp_path, explore=12, seed=2)
    frame = likelihood.filtered(["capital"], {"risk_aversion": 1.4})
    assert list(frame) == ["capital", "effective particles"] and len(frame) == 80


@pytest.mark.slow
def test_bad_input_to_the_filter_is_refused(solution, data):
    """Guards docs/box.md: what the filter cannot use is said in one sentence before anything is computed."""
    observed = {"growth": OBSERVED["growth"]}

    def refused(words, *, observed=observed, **more):
        with pytest.raises((EstimationError, ValueError)) as caught:
            hm.particle_likelihood(solution, data, observed, **more)
        assert all(word in str(caught.value) for word in words), str(caught.value)

    refused(["measurement_error"], observed={"growth": hm.Observed("output", "log difference")})
    refused(["start", "noise"], observed={"growth": hm.Observed("output", measurement_error="noise")})
    refused(["no such column"], observed={"growht": OBSERVED["growth"]})
    refused(["no series", "output"], observed={"growth": hm.Observed("outpt", measurement_error=0.3)})
    refused(["lead"], observed={"growth": hm.Observed("output", lead=1, measurement_error=0.3)})
    refused(["precision"], precision="float16")
    refused(["start", "noise"], start={"noise": 0.3})
    likelihood = hm.particle_likelihood(solution, data, observed, particles=20, burn=2)
    with pytest.raises(EstimationError, match="did you mean"):
        likelihood(risk_averson=1.0)
    with pytest.raises(ValueError, match="outside the box"):
        likelihood(risk_aversion=5.0)
    with pytest.raises(EstimationError, match="series"):
        likelihood.filtered(["captial"])


def test_the_peak_of_noisy_log_densities_is_that_of_the_target():
    """A quadratic seen with errors of 1.5, at points from a wide distribution that lies elsewhere: least squares finds
    the mean to a third of a standard deviation, and the covariance to a third of itself. A plane has no peak."""
    generator = np.random.default_rng(2)
    mean, covariance = np.asarray([0.5, -0.3, 0.2]), np.diag([0.09, 0.04, 0.16])
    points = 0.8 * generator.standard_normal((400, 3))
    target = -0.5 * np.einsum("ni,ij,nj->n", points - mean, np.linalg.inv(covariance), points - mean)
    proposal = -0.5 * ((points / 0.8) ** 2).sum(axis=1)
    peak = Weighted(points, target + 1.5 * generator.standard_normal(400), proposal).peak()
    assert peak is not None
    assert np.abs((peak[0] - mean) / np.sqrt(np.diag(covariance))).max() < 0.33
    np.testing.assert_allclose(np.diag(peak[1]), np.diag(covariance), rtol=0.33)
    assert Weighted(points, points @ [1.0, 2.0, 0.5], proposal).peak() is None


def test_moments_of_importance_weights_are_those_of_the_target():
    """Draws of a wide normal distribution weighted toward a narrower one have its mean and covariance."""
    generator = np.random.default_rng(0)
    points = 2.0 * generator.standard_normal((4000, 2))
    proposal = -0.5 * ((points / 2.0) ** 2).sum(axis=1)
    covariance = np.asarray([[0.5, 0.2], [0.2, 0.4]])
    away = points - [0.5, -0.3]
    target = -0.5 * np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
    mean, found = Weighted(points, target, proposal).moments()
    np.testing.assert_allclose(mean, [0.5, -0.3], atol=0.06)
    np.testing.assert_allclose(found, covariance, atol=0.06)
