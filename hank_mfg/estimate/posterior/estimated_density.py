"""The density of a posterior on the whole line, where its likelihood is estimated over a box of parameters."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.errors import warn_user
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.particles import ParticleLikelihood
from hank_mfg.estimate.posterior.importance import Proposal
from hank_mfg.estimate.posterior.priors import Target

FAR = 60.0  # the ends of the line of a prior
CUT = 1e-3  # share of a prior outside the box that is said
LEAST = 5e-4  # share of a prior inside the box below which it is refused
DRAWS = 20_000  # of the prior, from which these shares are known
NOWHERE = (
    "The prior has next to no weight inside the box: give another prior, or solve over a box that the prior covers."
)


class EstimatedDensity:
    """The log density of a posterior on the line, estimated. A parameter of the box is l + w / (1 + exp(-y)) on the
    line of its prior, with y on the whole line and l and l + w at the ends of the box."""

    def __init__(self, likelihood: ParticleLikelihood, target: Target):
        self.likelihood, self.target = likelihood, target
        self._terms = jax.vmap(lambda p: (target.constrain(p), target.log_prior(p) + target.log_volume(p)))
        self._at_one = jax.jit(self._terms)
        with jax.enable_x64(True):
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

    def prior(self, points: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Parameters by name and the log density of the prior on the line, not cut to the box, at points (n, free)."""
        with jax.enable_x64(True):
            terms = self._at_one if len(points) == 1 else self._terms  # compiled for the shape that comes often
            values, log_prior = terms(jnp.asarray(self.on_prior_line(points)))
        y, width = points[:, self._boxed], self._width[self._boxed]
        volume = np.sum(np.log(width) - np.logaddexp(0.0, y) - np.logaddexp(0.0, -y), axis=1)
        return {name: np.asarray(values[name]) for name in self.likelihood.parameters}, np.asarray(log_prior) + volume

    def __call__(self, point: np.ndarray, seed: int) -> float:
        """Of the posterior at a point (free,), the prior cut to the box: an estimate, minus infinity where there is
        none."""
        every, prior = self.prior(point[None])
        values = {name: float(each[0]) for name, each in every.items()}
        if not (np.isfinite(prior[0]) and self.likelihood.inside(values)):
            return -np.inf
        found = self.likelihood(seed=seed, **values) + float(prior[0]) - np.log(self.inside)
        return found if np.isfinite(found) else -np.inf

    def prior_in_box(self) -> Proposal:
        """The prior cut to the box, as a first proposal."""

        def draw(count: int, seed: int) -> np.ndarray:
            points = np.zeros((0, len(self.target.free)))
            for attempt in range(50):
                drawn, values = self.target.draws(max(20 * count, 1000), seed + attempt)
                points = np.concatenate([points, drawn[self._in_box(values)]])
                if len(points) >= count:
                    return self.on_box_line(points[:count])
            raise EstimationError(NOWHERE)

        return Proposal(draw, lambda points: self.prior(points)[1] - np.log(self.inside))

    def _in_box(self, values: dict[str, np.ndarray]) -> np.ndarray:
        box = self.likelihood.box.items()
        return np.all([(values[name] >= low) & (values[name] <= high) for name, (low, high) in box], axis=0)

    @functools.cached_property
    def _drawn(self) -> dict[str, np.ndarray]:
        return self.target.draws(DRAWS, 0)[1]

    @functools.cached_property
    def inside(self) -> float:
        """The share of the prior that lies in the box, from draws. Raises EstimationError where it is next to none."""
        share = float(np.mean(self._in_box(self._drawn)))
        if share < LEAST:
            raise EstimationError(NOWHERE)
        return share

    def warn_of_truncation(self) -> None:
        """Warn where the box cuts off a prior."""
        for name, (low, high) in self.likelihood.box.items():
            outside = float(np.mean((self._drawn[name] < low) | (self._drawn[name] > high)))
            if outside > CUT:
                warn_user(
                    f"{100 * outside:.2g} % of the prior of {name} lies outside the box, {low:g} to {high:g}, and is "
                    "left out: where the posterior reaches an end of it, solve over a larger box."
                )
