"""Draws of posteriors with estimated likelihoods, where the posterior is known: normal data and normal priors."""

from typing import ClassVar

import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.posterior.particle_posterior import sample_posterior
from hank_mfg.estimate.posterior.priors import as_model, on_the_line

pytestmark = pytest.mark.usefixtures("float64")
CENTER, SD = np.asarray([0.4, -0.2, 1.0]), np.asarray([0.3, 0.2, 0.5])  # of the likelihood
PRIORS = {"a": ("normal", 0.0, 0.5), "b": ("normal", 0.0, 0.4), "c": ("normal", 0.5, 1.0)}


class NoisyNormal:
    """A normal likelihood of three parameters, of which two have a box, with noise in its logarithm whose exponential
    has the mean one."""

    parameters = ("a", "b", "c")
    start: ClassVar = {"a": 0.1, "b": 0.1, "c": 0.5}
    box: ClassVar = {"a": (-3.0, 3.0), "b": (-2.0, 2.0)}
    particles, precision = 100, "float64"

    def __init__(self, noise: float = 0.7):
        self.noise, self.calls = noise, 0

    def identity(self) -> str:
        return f"normal, noise {self.noise}"

    def bounds(self, name: str) -> tuple[float, float]:
        return -np.inf, np.inf

    def inside(self, values) -> bool:
        return all(low <= values[name] <= high for name, (low, high) in self.box.items())

    def __call__(self, *, seed: int = 0, **values: float) -> float:
        self.calls += 1
        point = np.asarray([values[name] for name in self.parameters])
        noise = np.random.default_rng(seed).standard_normal()
        exact = -0.5 * np.sum(((point - CENTER) / SD) ** 2 + np.log(2 * np.pi * SD**2))
        return float(exact + self.noise * noise - 0.5 * self.noise**2)

    def repeated(self, repeats: int = 8, /, *, seed: int = 0, **values: float) -> np.ndarray:
        return np.asarray([self(seed=seed + place, **values) for place in range(repeats)])


def drawn(likelihood, draws, folder=None, priors=PRIORS, callback=None):
    target = on_the_line(as_model(priors, likelihood), likelihood)
    return sample_posterior(
        likelihood, target, draws=draws, explore=40, seed=3, folder=folder, executor=None, callback=callback
    )


def known():
    """Mean, standard deviation and log p(data) of the exact posterior."""
    mean, sd = (np.asarray([PRIORS[name][place] for name in PRIORS]) for place in (1, 2))
    precision = 1 / SD**2 + 1 / sd**2
    variance = SD**2 + sd**2
    marginal = -0.5 * np.sum((CENTER - mean) ** 2 / variance + np.log(2 * np.pi * variance))
    return (CENTER / SD**2 + mean / sd**2) / precision, precision**-0.5, marginal


def test_weighted_draws_tell_the_exact_posterior_although_the_likelihood_is_noisy():
    posterior = drawn(NoisyNormal(), 1500)
    mean, sd, marginal = known()
    table = posterior.table()
    assert list(table.index) == ["a", "b", "c"]
    away = (table["mean"] - mean) / table["s.e. of the mean"]
    assert np.abs(away).max() < 3.5 and (table["s.e. of the mean"] < 0.08 * sd).all()
    np.testing.assert_allclose(table["sd"], sd, rtol=0.12)
    np.testing.assert_allclose(table["5 %"], mean - 1.645 * sd, atol=0.25 * sd.max())
    value, error = posterior.log_marginal_density().values()
    assert abs(value - marginal) < 4 * error < 0.3
    for name, center, width in zip(table.index, mean, sd, strict=True):
        draws = posterior.draws[name]
        assert draws.shape == (1, 1500) and abs(draws.mean() - center) < 0.2 * width
    assert 300 < posterior.effective < 1500 and "toprule" in posterior.to_latex()


def test_an_estimation_that_was_cut_off_goes_on_to_the_same_numbers(tmp_path):
    whole = drawn(NoisyNormal(), 300)

    class Stopped(Exception):
        pass

    def stop(words):
        if words.startswith("batch 1 of 2: 70"):
            raise Stopped

    with pytest.raises(Stopped):
        drawn(NoisyNormal(), 300, tmp_path, callback=stop)
    rest = NoisyNormal()
    again = drawn(rest, 300, tmp_path)
    assert rest.calls == 230 + 8, "evaluations that were kept are not repeated"
    np.testing.assert_array_equal(whole.weights, again.weights)
    more = NoisyNormal()
    longer = drawn(more, 500, tmp_path)
    assert more.calls == 200 + 8 and len(longer.weights) == 500
    with pytest.raises(EstimationError, match="another estimation"):
        drawn(NoisyNormal(0.5), 300, tmp_path)


def test_draws_that_say_too_little_are_warned_of():
    with pytest.warns(UserWarning, match=r"draws do not tell|Monte Carlo error") as said:
        drawn(NoisyNormal(3.0), 100)
    words = [str(each.message) for each in said]
    assert any("raise particles, to about" in each for each in words)
    assert any("draws do not tell the posterior yet" in each for each in words)
    with (
        pytest.warns(UserWarning, match="outside the box"),
        pytest.raises(EstimationError, match="next to no weight inside the box"),
    ):
        drawn(NoisyNormal(), 100, priors=PRIORS | {"a": ("normal", 9.0, 0.5)})


def test_what_is_of_chains_is_refused_where_there_are_none():
    from hank_mfg.estimate.likelihood.particles import ParticleLikelihood

    with pytest.raises(ValueError, match="chains"):
        hm.estimate(ParticleLikelihood.__new__(ParticleLikelihood), {}, chains=2)
