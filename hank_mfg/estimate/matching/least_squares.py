"""Weighted least squares between moments of a model and of the data, within bounds, and what follows from it.

With g(theta) = m(theta) - d the gaps, G = dm/dtheta, S the covariance of g at the truth and W the weights, the search
makes g'Wg small by a trust-region method of Levenberg and Marquardt's kind, in units of the bounds. Then

    Var(theta) = (G'WG)^-1 G'W S W G (G'WG)^-1,
    J = g' (S^-1 - S^-1 G (G' S^-1 G)^-1 G' S^-1) g,

J chi-squared with n - k degrees of freedom for any W; for W = S^-1 it is g' S^-1 g. Parameters that end at a bound
count as fixed. Source: Hansen (1982), Econometrica 50(4).
"""

from typing import Any, Literal, NamedTuple

import numpy as np

from hank_mfg.errors import warn_user
from hank_mfg.estimate.errors import EstimationError

EVALUATIONS = 200  # of the moments, at most, from one start
TOLERANCE = 1e-12  # of parameters, relative to their bounds, and of the objective
AT_BOUND = 1e-3  # of the distance between bounds: nearer, and pushed outward, a parameter is at its bound
WEAK = 1e8  # condition number of the weighted Jacobian from which parameters are not told apart
DRAWS = 20  # of a start, until moments there are finite

Weights = Literal["covariance", "diagonal"]


class Fit(NamedTuple):
    """The end of a search from one start: the parameters on the unit cube, the objective g'Wg, evaluations, whether it
    converged."""

    point: np.ndarray
    objective: float
    evaluations: int
    converged: bool


class Inference(NamedTuple):
    """The `covariance` (k, k) of parameters, NaN for those fixed at a bound, J with its `degrees` of freedom, and its
    `p_value`, NaN without degrees."""

    covariance: np.ndarray
    statistic: float
    degrees: int
    p_value: float

    @property
    def standard_errors(self) -> np.ndarray:
        """Standard errors of the parameters, (k,)."""
        return np.sqrt(np.diag(self.covariance))


def search(
    moments: Any, low: np.ndarray, span: np.ndarray, mean: np.ndarray, root: np.ndarray, start: tuple, *,
    tolerance: float = TOLERANCE,
) -> Fit:  # fmt: skip
    """Minimize |root (m - mean)|^2 from one start: the given point on the unit cube, or a random one of the given
    seeds. `moments(vector)` returns the moments (n,) and their Jacobian (n, k) first; the parameters are `low` + `span`
    times the point."""
    from scipy.optimize import least_squares

    draws, point = np.random.default_rng(start[1]), start[0]

    def gap(x: np.ndarray) -> Any:
        return root @ (moments(low + span * x)[0] - mean)

    def slope_at(x: np.ndarray) -> Any:
        return root @ (moments(low + span * x)[1] * span)

    slope: Any = slope_at  # SciPy's annotation names its texts only

    for _ in range(DRAWS):
        point = draws.uniform(0.02, 0.98, len(low)) if point is None else point
        if np.isfinite(gap(point)).all() and np.isfinite(slope_at(point)).all():
            break
        point = None
    if point is None:
        return Fit(np.full(len(low), 0.5), np.inf, DRAWS, False)
    found = least_squares(
        gap, point, slope, bounds=(np.zeros(len(low)), np.ones(len(low))), xtol=tolerance, ftol=tolerance,
        gtol=tolerance, max_nfev=EVALUATIONS,
    )  # fmt: skip
    return Fit(found.x, 2.0 * float(found.cost), int(found.nfev), bool(found.status > 0))


def weights_of(matrix: np.ndarray, weights: Weights) -> np.ndarray:
    """The inverse of a covariance (n, n), or that of its diagonal. Raises EstimationError for other `weights`."""
    if weights not in ("covariance", "diagonal"):
        raise EstimationError(f"weights = {weights!r} is none of 'covariance', 'diagonal'.")
    return np.linalg.inv(matrix) if weights == "covariance" else np.diag(1 / np.diag(matrix))


def at_bounds(point: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Which parameters on the unit cube are at a bound, where the objective falls beyond it."""
    least = 1e-6 * max(1.0, float(np.abs(gradient).max(initial=0.0)))
    return ((point < AT_BOUND) & (gradient > least)) | ((point > 1 - AT_BOUND) & (gradient < -least))


def infer(
    gap: np.ndarray, slope: np.ndarray, weighting: np.ndarray, matrix: np.ndarray, bound: np.ndarray
) -> Inference:
    """Standard errors and J from gaps (n,), their Jacobian (n, k), W and S (n, n), and which parameters are at a
    `bound` (k,)."""
    from scipy.stats import chi2

    inner = np.flatnonzero(~bound)
    slope = slope[:, inner]
    covariance = np.full((len(bound), len(bound)), np.nan)
    with np.errstate(all="ignore"):
        bread = np.linalg.pinv(slope.T @ weighting @ slope) @ slope.T @ weighting
    covariance[np.ix_(inner, inner)] = bread @ matrix @ bread.T
    inverse = np.linalg.inv(matrix)
    rest = inverse
    if not np.array_equal(weighting, inverse):
        rest = inverse - inverse @ slope @ np.linalg.pinv(slope.T @ inverse @ slope) @ slope.T @ inverse
    statistic, degrees = float(gap @ rest @ gap), len(gap) - len(inner)
    return Inference(covariance, statistic, degrees, float(chi2.sf(statistic, degrees)) if degrees > 0 else np.nan)


def unmoved(names: list[str], slope: np.ndarray) -> str | None:
    """The first parameter with which no moment moves."""
    return next((name for name, each in zip(names, slope.T, strict=True) if not np.abs(each).max() > 0), None)


def warn_of(best: Fit, names: list[str], slope: np.ndarray, weighting: np.ndarray, what: str) -> None:
    """Warn where the search did not converge, and where `what` do not tell parameters apart, naming these; `slope`
    (n, k) on the unit cube."""
    if not best.converged:
        warn_user(
            f"The search ended after {EVALUATIONS} evaluations without converging: give narrower bounds, or more "
            "starts."
        )
    if not names:
        return
    root = np.linalg.cholesky(weighting).T
    _, sizes, directions = np.linalg.svd(root @ slope, full_matrices=False)
    if not sizes[0] < WEAK * sizes[-1]:
        heavy = [name for name, x in zip(names, directions[-1], strict=True) if abs(x) > 0.1]
        warn_user(
            f"The {what} do not tell {', '.join(heavy)} apart, so that standard errors mean nothing: fix one of "
            f"them, or match more {what}."
        )
