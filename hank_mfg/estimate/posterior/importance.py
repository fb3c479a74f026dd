"""Importance sampling in rounds: points from proposals that are fitted to the weights of all points before.

Round r draws n_r points from a density q_r. A point x with log density p(x), which may be estimated without bias, has
the weight

    w(x) = exp(p(x)) / sum_r (n_r / n) q_r(x),        n = sum_r n_r,

so that no point counts for much where any round expected it. After the first round q_r is a Student distribution whose
mean and covariance are those of the weights, of which tails are wider than a posterior's.

Source: Cornuet, Marin, Mira and Robert (2012), Scandinavian Journal of Statistics 39(4); for estimated densities Tran,
Scharth, Gunawan, Kohn, Brown and Hawkins (2021), Behavior Research Methods 53.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

FREEDOM = 5.0  # degrees of freedom of a proposal
WIDER = 1.5  # standard deviations of a proposal that explores, of those that were found before
FLAT = 0.85**60  # power to which weights are flattened at most
FITTED = 4  # effective points for each parameter, and two more, that a covariance is told by


class Proposal(NamedTuple):
    """From where the points of a round come: `draw(count, seed)` gives (count, free), `log_density` that of points."""

    draw: Callable[[int, int], np.ndarray]
    log_density: Callable[[np.ndarray], np.ndarray]


def student(mean: np.ndarray, covariance: np.ndarray) -> Proposal:
    """A Student distribution with the scale matrix `covariance`."""
    from scipy import stats

    family: Any = stats.multivariate_t  # its stub knows whole numbers only
    law = family(mean, covariance, df=FREEDOM)

    def draw(count: int, seed: int) -> np.ndarray:
        return law.rvs(count, random_state=np.random.default_rng(seed)).reshape(count, len(mean))

    return Proposal(draw, lambda points: np.atleast_1d(law.logpdf(points)))


class Weighted(NamedTuple):
    """Points (n, free), their log densities (n,), minus infinity where there is none, and the logarithms of the
    densities that all rounds together gave them."""

    points: np.ndarray
    log_density: np.ndarray
    log_proposal: np.ndarray

    @property
    def log_weights(self) -> np.ndarray:
        """Logarithms of the weights, not normalized, (n,)."""
        return np.where(np.isfinite(self.log_density), self.log_density - self.log_proposal, -np.inf)

    def shares(self, power: float = 1.0) -> np.ndarray:
        """Weights that add up to one, to a `power` that flattens them; even where no point has a density."""
        logs = self.log_weights
        if not np.isfinite(logs).any():
            return np.full(len(logs), 1.0 / len(logs))
        weight = np.exp(power * (logs - logs.max()))
        return weight / weight.sum()

    @property
    def enough(self) -> bool:
        """Whether the weights tell a covariance as they are."""
        return bool(np.isfinite(self.log_density).any()) and effective(self.shares()) >= _needed(self.points)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance by the weights, flattened until enough points count."""
        power, needed = 1.0, _needed(self.points)
        weight = self.shares()
        while effective(weight) < needed and power > FLAT:
            power *= 0.85
            weight = self.shares(power)
        mean = weight @ self.points
        away = self.points - mean
        covariance = (weight[:, None] * away).T @ away / max(1.0 - np.sum(weight**2), 0.1)
        return mean, covariance + 1e-3 * np.diag(self.points.var(axis=0))

    def proposal(self, explores: bool) -> Proposal:
        """Of the next round: wider, where it `explores`."""
        mean, covariance = self.moments()
        return student(mean, covariance * (WIDER**2 if explores else 1.0))


def weighted(parts: list[np.ndarray], log_density: np.ndarray, proposals: list[Proposal]) -> Weighted:
    """The points of rounds, `parts` and `proposals` in their order, with the densities of all rounds together."""
    from scipy.special import logsumexp

    points = np.concatenate(parts)
    chances = np.log([len(part) / len(points) for part in parts])
    every = [chance + each.log_density(points) for chance, each in zip(chances, proposals, strict=True)]
    return Weighted(points, log_density, np.asarray(logsumexp(np.stack(every), axis=0)))


def effective(shares: np.ndarray) -> float:
    """The effective number of points with weights that add up to one."""
    return float(1.0 / np.sum(shares**2))


def resampled(shares: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Places of `count` points drawn by their weights, systematically and in random order: (count,)."""
    generator = np.random.default_rng(seed)
    ticks = (np.arange(count) + generator.uniform()) / count
    return generator.permutation(np.minimum(np.searchsorted(np.cumsum(shares), ticks), len(shares) - 1))


def _needed(points: np.ndarray) -> float:
    """The effective number of points (n, free) that tells their covariance."""
    return min(len(points) / 4, FITTED * (points.shape[1] + 2))
