"""Importance sampling in rounds: points from proposals that are fitted to the weights of all points before.

Round r draws n_r points from a density q_r. A point x with log density p(x), which may be estimated without bias, has
the weight

    w(x) = exp(p(x)) / sum_r (n_r / n) q_r(x),        n = sum_r n_r,

so that no point counts for much where any round expected it. After the first round q_r is a Student distribution, of
which tails are wider than a posterior's. It lies where a quadratic, fitted to the log densities of points near by, has
its highest value, with the covariance of minus its inverse second derivatives: least squares averages what is wrong
with single log densities, which weights magnify. Where few points are near it has the moments of the weights.

Source: Cornuet, Marin, Mira and Robert (2012), Scandinavian Journal of Statistics 39(4); for estimated densities Tran,
Scharth, Gunawan, Kohn, Brown and Hawkins (2021), Behavior Research Methods 53.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

FREEDOM = 5.0  # degrees of freedom of a proposal
WIDER = 1.5  # standard deviations of a proposal that explores, of those that were found before
FLAT = 0.85**60  # power to which weights are flattened at most
FITTED = 4  # effective points for each parameter, and two more, that moments are told by
NEAR = (2.0, 3.0, 4.5)  # standard deviations of the kernel by which points count in the fit of a quadratic
PER_COEFFICIENT = 2.0  # effective points for each of its coefficients
FITS, SLOWLY, SETTLED = 20, 4.0, 2.5  # fits; the factor by which curvature may change in one, and in the last


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
        """Whether a quadratic or the weights as they are tell where the next points should lie."""
        if not np.isfinite(self.log_density).any():
            return False
        return self.peak() is not None or effective(self.shares()) >= _needed(self.points)

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

    def peak(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Where a quadratic through the log densities is highest, and minus its inverse second derivatives; None where
        too few points are near, or it has no peak among them."""
        known = np.isfinite(self.log_density)
        points, values = self.points[known], self.log_density[known]
        (mean, covariance), sizes = self.moments(), np.zeros(1)
        for _ in range(FITS):
            root = np.linalg.cholesky(covariance)
            apart = np.linalg.solve(root, (points - mean).T).T
            regressors, pairs = _quadratic(apart)
            kernel = _kernel(np.sum(apart**2, axis=1), PER_COEFFICIENT * regressors.shape[1])
            if kernel is None:
                return None
            weight = np.sqrt(kernel)
            found = np.linalg.lstsq(weight[:, None] * regressors, weight * values, rcond=None)[0]
            slope, curvature = found[1 : 1 + len(mean)], np.zeros((len(mean), len(mean)))
            for (i, j), each in zip(pairs, found[1 + len(mean) :], strict=True):
                curvature[i, j] -= each
                curvature[j, i] -= each
            sizes, axes = np.linalg.eigh(curvature)
            sizes = np.clip(sizes, 1.0 / SLOWLY, SLOWLY)
            step = axes @ ((axes.T @ slope) / sizes)
            mean = mean + root @ (0.5 * step / max(1.0, float(np.linalg.norm(step))))  # half way: they move the kernel
            covariance = root @ axes @ np.diag(sizes**-0.5) @ axes.T @ root.T
        inside = (mean > points.min(axis=0)).all() and (mean < points.max(axis=0)).all()
        return (mean, covariance) if inside and max(sizes.max(), 1.0 / sizes.min()) < SETTLED else None

    def proposal(self, explores: bool) -> Proposal:
        """Of the next round: wider, where it `explores` and no quadratic is known."""
        peak = self.peak()
        mean, covariance = self.moments() if peak is None else peak
        return student(mean, covariance * (WIDER**2 if explores and peak is None else 1.0))


def _kernel(distance: np.ndarray, needed: float) -> np.ndarray | None:
    """What points at squared distances count for: the narrowest kernel of which enough count; None where none is."""
    for width in NEAR:
        kernel = np.exp(-0.5 * distance / width**2)
        if kernel.sum() ** 2 >= needed * np.sum(kernel**2):
            return kernel
    return None


def _quadratic(points: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """One, coordinates and their products at points (n, free), and the pairs that are multiplied."""
    count = points.shape[1]
    pairs = [(i, j) for i in range(count) for j in range(i, count)]
    products = [points[:, i] * points[:, j] for i, j in pairs]
    return np.column_stack([np.ones(len(points)), points, *products]), pairs


def weighted(parts: list[np.ndarray], log_density: np.ndarray, proposals: list[Proposal]) -> Weighted:
    """The points of rounds, `parts` and `proposals` in their order, with the densities of all rounds together."""
    from scipy.special import logsumexp

    points = np.concatenate(parts)
    shares = np.log([len(part) / len(points) for part in parts])
    every = [share + each.log_density(points) for share, each in zip(shares, proposals, strict=True)]
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
