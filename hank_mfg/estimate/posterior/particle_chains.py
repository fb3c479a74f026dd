"""Draws of a posterior whose likelihood is only estimated: particle marginal Metropolis-Hastings.

A random walk moves in parameters and in the draws of the particle filter together; since the estimate of the likelihood
is unbiased, its draws of parameters are those of the exact posterior, however few particles there are: their number
only decides how many proposals are accepted. The covariance of its steps is found first, by importance sampling in
rounds: points spread over the box, then around the weighted mean of those before, three to eight times. Steps have that
size or, by chance, a third or a ninth of it, so that chains move also where the posterior is narrower than the rounds
could tell. Parameters of the box move on the line that the box is mapped to, so that no step leaves it.

With a folder every evaluation is kept, and the same call goes on where it was cut off, with the same numbers.

Source: Andrieu, Doucet and Holenstein (2010), Journal of the Royal Statistical Society B 72(3); Cappe, Guillin, Marin
and Robert (2004), Journal of Computational and Graphical Statistics 13(4), for the rounds.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.errors import warn_user
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.particles import ParticleLikelihood
from hank_mfg.estimate.posterior.drawn import Drawn
from hank_mfg.estimate.posterior.kept import Kept
from hank_mfg.estimate.posterior.priors import Target
from hank_mfg.parallel import in_pieces

if TYPE_CHECKING:
    import pandas as pd

WIDER = 1.5  # standard deviations of a round's proposals, of those that were found before
ROUNDS, MOST = 3, 8  # before the chains: rounds at least, and at most, until their weights tell a covariance
EFFECTIVE = 2  # points for each parameter, and two more, that weights are flattened to at least
STEP = 2.38  # of the random walk, over the square root of the number of parameters (Roberts and Rosenthal 2001)
SCALES = (1.0, 1.0, 1 / 3, 1 / 9)  # of the steps, by chance
NOISY = 1.7  # Monte Carlo error of the log likelihood above which chains move slowly (Sherlock et al. 2015)
NEAR, LEANING = 0.05, 4.0  # share of a box next to its end, and how many times its share of draws is too many
FAR = 60.0  # the ends of the line of a prior
FLAT = 0.85**60  # power to which weights are flattened at most
REPEATS = 8  # estimates from which the error is measured


class Explored(NamedTuple):
    """Points on the line, (points, free), their log densities, and the mean and covariance that they tell of."""

    points: np.ndarray
    log_density: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray


@dataclasses.dataclass(frozen=True)
class ParticlePosterior(Drawn):
    """A posterior of parameters of a global solution.

    `draws` maps every parameter to (chains, draws); `points` (chains, draws, free) are the same on the whole line, with
    the estimated `log_density`; `acceptance` is the share of accepted proposals of each chain, `error` the standard
    deviation of the estimated log likelihood at the mean of the draws, `explored` what the rounds before found;
    `seconds` maps "explored" and "draws" to what they took.
    """

    likelihood: ParticleLikelihood
    target: Target
    draws: dict[str, np.ndarray]
    points: np.ndarray
    log_density: np.ndarray
    acceptance: np.ndarray
    error: float
    explored: Explored
    seconds: dict[str, float]

    def __repr__(self) -> str:
        means = ", ".join(f"{name} = {each.mean():.4g}" for name, each in self.draws.items())
        return (
            f"ParticlePosterior(means: {means}; {len(self.points)} chains of {self.points.shape[1]} draws, acceptance "
            f"{self.acceptance.mean():.2f}; Monte Carlo error of the log likelihood {self.error:.2f}; "
            f"{self.likelihood.precision})"
        )

    def table(self, interval: float = 0.9) -> "pd.DataFrame":
        """One row a parameter: the mean, the standard deviation, the ends of the central `interval`, R-hat, and the
        effective sample size of the bulk (arviz)."""
        import pandas as pd

        names = self.likelihood.parameters
        columns = self.summary(interval)
        ordered = {"mean": columns.pop("mean"), "sd": [float(self.draws[n].std()) for n in names], **columns}
        return pd.DataFrame(ordered, index=pd.Index(names, name="parameter"))


class _Posterior:
    """The log density on the line, estimated. A parameter of the box is l + w / (1 + exp(-y)) on the line of its prior,
    with y on the whole line and l and l + w at the ends of the box."""

    def __init__(self, likelihood: ParticleLikelihood, target: Target):
        self.likelihood, self.target = likelihood, target
        with jax.enable_x64(True):
            self._terms = jax.jit(lambda p: (target.constrain(p), target.log_prior(p) + target.log_volume(p)))
            ends = [
                self._ends(place, *likelihood.box.get(name, (None, None))) for place, name in enumerate(target.free)
            ]
        self._low, self._width = (np.asarray(each) for each in zip(*ends, strict=True))
        self._boxed = np.isfinite(self._width)

    def _ends(self, place: int, low: float | None, high: float | None) -> tuple[float, float]:
        """Where the ends of the box lie on the line of the prior, the lower one and the width; infinite without any."""
        from scipy.optimize import brentq

        if low is None or high is None:
            return 0.0, np.inf
        name, start = self.target.free[place], np.asarray(self.target.start, float)

        def value(x: float) -> float:
            at = start.copy()
            at[place] = x
            return float(self.target.constrain(jnp.asarray(at))[name])

        found = []
        for end in (low, high):
            if not value(-FAR) < end < value(FAR):  # the prior ends before
                return 0.0, np.inf
            found.append(brentq(lambda x, end=end: value(x) - end, -FAR, FAR, xtol=1e-12))
        return found[0], found[1] - found[0]

    def on_prior_line(self, points: np.ndarray) -> np.ndarray:
        """Points (..., free) on the line of the prior."""
        from scipy.special import expit

        inside = self._low + np.where(self._boxed, self._width, 0.0) * expit(points)
        return np.where(self._boxed, inside, points)

    def on_box_line(self, points: np.ndarray) -> np.ndarray:
        """The inverse of `on_prior_line`, for points inside the box."""
        from scipy.special import logit

        share = np.where(self._boxed, (points - self._low) / np.where(self._boxed, self._width, 1.0), 0.5)
        return np.where(self._boxed, logit(share), points)

    def values(self, point: np.ndarray) -> tuple[dict[str, float], float]:
        with jax.enable_x64(True):
            values, prior = self._terms(jnp.asarray(self.on_prior_line(point)))
        y, width = point[self._boxed], self._width[self._boxed]
        volume = np.sum(np.log(width) - np.logaddexp(0.0, y) - np.logaddexp(0.0, -y))
        return {name: float(values[name]) for name in self.likelihood.parameters}, float(prior) + float(volume)

    def __call__(self, point: np.ndarray, seed: int) -> float:
        values, prior = self.values(point)
        if not (np.isfinite(prior) and self.likelihood.inside(values)):
            return -np.inf
        found = self.likelihood(seed=seed, **values) + prior
        return found if np.isfinite(found) else -np.inf


def sample_posterior(
    likelihood: ParticleLikelihood, target: Target, *, draws: int, chains: int, explore: int, seed: int,
    folder: Path | None, executor: concurrent.futures.Executor | None, callback: Callable[[str], None] | None,
) -> ParticlePosterior:  # fmt: skip
    """Explore in rounds, then sample chains. Raises EstimationError where no point has a density, and for a folder of
    another estimation."""
    begin, density = time.perf_counter(), _Posterior(likelihood, target)
    settings = json.dumps([likelihood.identity(), target.free, chains, explore, seed, ROUNDS, MOST, SCALES])
    kept = Kept(folder, hashlib.sha256(settings.encode()).hexdigest())
    _warn_of_truncation(likelihood, target, seed)
    explored = _explore(density, explore, seed, kept, executor, callback)
    explored_at = time.perf_counter()

    def run(chain: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _chain(density, explored, chain, draws, seed=seed, kept=kept, callback=callback)

    names = [f"chain {i + 1}" for i in range(chains)]
    found = in_pieces(run, range(chains), executor=executor, names=names)
    points, log_density, accepted = (np.stack(each) for each in zip(*found, strict=True))
    with jax.enable_x64(True):
        constrained = jax.vmap(jax.vmap(target.constrain))(jnp.asarray(density.on_prior_line(points)))
    values = {name: np.asarray(constrained[name]) for name in likelihood.parameters}
    means = {name: float(each.mean()) for name, each in values.items()}
    error = float(np.std(likelihood.repeated(REPEATS, seed=seed, **means), ddof=1))
    if not error <= NOISY:
        warn_user(
            f"The log likelihood has a Monte Carlo error of {error:.2g}, with which chains move slowly: raise "
            f"particles, to about {int(likelihood.particles * (error / 1.2) ** 2)}, or measurement errors."
        )
    seconds = {"explored": explored_at - begin, "draws": time.perf_counter() - explored_at}
    posterior = ParticlePosterior(
        likelihood, target, values, points, log_density, accepted.mean(axis=1), error, explored, seconds
    )
    _warn_of_ends(posterior)
    posterior.warn_of_chains()
    return posterior


def _warn_of_ends(posterior: ParticlePosterior) -> None:
    """Warn where the posterior leans on an end of the box."""
    for name, (low, high) in posterior.likelihood.box.items():
        places = (posterior.draws[name] - low) / (high - low)
        for end, share in ((low, np.mean(places < NEAR)), (high, np.mean(places > 1.0 - NEAR))):
            if share > LEANING * NEAR:
                warn_user(
                    f"{100 * share:.2g} % of the draws of {name} lie within {100 * NEAR:g} % of the box of its end "
                    f"{end:g}, which cuts the posterior off: solve over a box that reaches further, or ask whether the "
                    "model can produce the data (raise measurement errors, or estimate them)."
                )


def _warn_of_truncation(likelihood: ParticleLikelihood, target: Target, seed: int) -> None:
    """Warn where the box cuts off a prior."""
    drawn = target.draws(4000, seed)[1]
    for name, (low, high) in likelihood.box.items():
        outside = float(np.mean((drawn[name] < low) | (drawn[name] > high)))
        if outside > 1e-3:
            warn_user(
                f"{100 * outside:.2g} % of the prior of {name} lies outside the box, {low:g} to {high:g}, and is left "
                "out: where the posterior reaches an end of it, solve over a larger box."
            )


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0] >> 1)


def _explore(
    density: _Posterior, count: int, seed: int, kept: Kept, executor: Any, callback: Callable[[str], None] | None
) -> Explored:
    """Rounds of `count` points each: draws of the prior inside the box, then around what was found before, until the
    weights of all tell a covariance as they are."""
    before = kept.read("explored") or {}
    found = before.get("log_density", np.full(MOST * count, np.nan))  # NaN: not evaluated yet
    points, proposal, normal = np.zeros((0, len(density.target.free))), np.zeros(0), None
    for number in range(MOST):
        if number >= ROUNDS and _tells(points, found[: len(points)], proposal):
            break
        if number == 0:
            fresh = _prior_points(density, count, _seed(seed, 2))
        else:
            normal = mean, covariance = _moments(points, found[: len(points)], proposal)
            draws = np.random.default_rng(_seed(seed, 1, number)).standard_normal((count, len(mean)))
            fresh = mean + WIDER * draws @ np.linalg.cholesky(covariance).T
        first, points = len(points), np.concatenate([points, fresh])
        proposal = np.concatenate([proposal, _log_proposal(fresh, normal, density)])
        left = [place for place in range(first, len(points)) if np.isnan(found[place])]

        def keep(place: int, value: float, left: list[int] = left, number: int = number) -> None:
            found[left[place]] = value
            kept.write("explored", {"log_density": found})
            if callback is not None:
                done = count - int(np.isnan(found[number * count : (number + 1) * count]).sum())
                callback(f"round {number + 1} of {ROUNDS} to {MOST}: {done} of {count} points")

        pieces = [(points[place], _seed(seed, 3, *divmod(place, count))) for place in left]
        in_pieces(lambda piece: density(*piece), pieces, executor=executor, callback=keep)
    found = found[: len(points)]
    if not np.isfinite(found).any():
        raise EstimationError(
            "No point of the box has a likelihood: the data are nowhere near what the model can produce; look at "
            "likelihood.filter() at a point, and raise measurement errors."
        )
    return Explored(points, found, *_moments(points, found, proposal))


def _prior_points(density: _Posterior, count: int, seed: int) -> np.ndarray:
    """`count` draws of the prior inside the box, on the line."""
    likelihood, inside = density.likelihood, []
    for attempt in range(50):
        points, values = density.target.draws(max(20 * count, 1000), seed + attempt)
        good = np.all([(values[n] >= low) & (values[n] <= high) for n, (low, high) in likelihood.box.items()], axis=0)
        inside.extend(points[good])
        if len(inside) >= count:
            return density.on_box_line(np.asarray(inside[:count]))
    raise EstimationError(
        "The prior has next to no weight inside the box: give another prior, or solve over a box that the prior covers."
    )


def _log_proposal(points: np.ndarray, normal: Any, density: _Posterior) -> np.ndarray:
    """The log density from which points were drawn: the prior, or a normal one."""
    if normal is None:
        return np.asarray([density.values(point)[1] for point in points])
    from scipy.stats import multivariate_normal

    mean, covariance = normal
    return np.atleast_1d(multivariate_normal(mean, WIDER**2 * covariance).logpdf(points))


def _needed(points: np.ndarray) -> float:
    """The effective number of points (n, free) that tells their covariance."""
    return min(len(points) / 4, EFFECTIVE * (points.shape[1] + 2))


def _weights(found: np.ndarray, proposal: np.ndarray, power: float) -> np.ndarray:
    """Importance weights of points, to a power that flattens them; even where no point has a density."""
    logs = np.where(np.isfinite(found), found - proposal, -np.inf)
    if not np.isfinite(logs).any():
        logs = np.zeros(len(found))
    weight = np.exp(power * (logs - logs.max()))
    return weight / weight.sum()


def _effective(weight: np.ndarray) -> float:
    """The effective number of points with such weights."""
    return float(1.0 / np.sum(weight**2))


def _tells(points: np.ndarray, found: np.ndarray, proposal: np.ndarray) -> bool:
    """Whether the weights of points tell a covariance as they are."""
    return bool(np.isfinite(found).any()) and _effective(_weights(found, proposal, 1.0)) >= _needed(points)


def _moments(points: np.ndarray, found: np.ndarray, proposal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of importance weights, flattened until enough points count."""
    power, needed = 1.0, _needed(points)
    weight = _weights(found, proposal, power)
    while _effective(weight) < needed and power > FLAT:
        power *= 0.85
        weight = _weights(found, proposal, power)
    mean = weight @ points
    away = points - mean
    covariance = (weight[:, None] * away).T @ away / max(1.0 - np.sum(weight**2), 0.1)
    spread = np.diag(points.var(axis=0))
    return mean, covariance + 1e-3 * spread


def _chain(
    density: _Posterior, explored: Explored, chain: int, draws: int, *, seed: int, kept: Kept,
    callback: Callable[[str], None] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """One chain of `draws`: points, log densities, and which proposals were accepted."""
    name, fields = f"chain_{chain}", ("points", "log_density", "accepted")
    before = kept.read(name) or {}
    points, found, accepted = (list(before.get(field, ())) for field in fields)
    size = len(explored.mean)
    root = STEP / np.sqrt(size) * np.linalg.cholesky(explored.covariance)
    if points:
        point, value = points[-1], found[-1]
    else:
        best = np.argsort(explored.log_density)[::-1][: 4 * (chain + 1) : 4]
        point = explored.points[best[-1]]
        value = density(point, _seed(seed, 4, chain))
    written = time.perf_counter()
    for step in range(len(points), draws):
        generator = np.random.default_rng(_seed(seed, 5, chain, step))
        scale = SCALES[generator.integers(len(SCALES))]
        proposal = point + scale * root @ generator.standard_normal(size)
        new = density(proposal, _seed(seed, 6, chain, step))
        taken = bool(np.log(generator.uniform()) < new - value) if np.isfinite(value) else bool(np.isfinite(new))
        point, value = (proposal, new) if taken else (point, value)
        points.append(point)
        found.append(value)
        accepted.append(taken)
        late = time.perf_counter() - written > 20.0
        if late and callback is not None:
            callback(f"chain {chain + 1}: {step + 1} of {draws} draws")
        if late or step + 1 == draws:
            kept.write(name, dict(zip(fields, map(np.asarray, (points, found, accepted)), strict=True)))
            written = time.perf_counter()
    return np.asarray(points)[:draws], np.asarray(found)[:draws], np.asarray(accepted, float)[:draws]
