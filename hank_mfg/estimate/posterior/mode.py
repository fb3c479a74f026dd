"""The mode of a posterior, and its curvature, from exact gradients.

The search is BFGS on the whole line, where every parameter is free; the mode is that of the density of parameters. The
Hessian is by central differences of the exact gradient, once there, in steps of a fraction of a standard deviation.

A likelihood with parameters of households jumps a little wherever a policy crosses a point of the asset grid, so that a
slope at its mode need not vanish. A search has ended where Newton's step is a small fraction of a standard deviation.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.errors import warn_user
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.likelihood import Likelihood
from hank_mfg.estimate.posterior.priors import Target

FAR = 1e10  # minus the log density where there is none
STEP = 1e-4  # of differences of gradients, in units of the whole line
OF_SD = 0.05  # of differences of gradients at the end, in standard deviations
GRADIENT = 1e-4  # largest derivative of the log density at a mode without curvature, over the density there
JUMP = 0.01  # of the log density, over which a step to a place with a smaller slope may lead
DISTANCE = 0.02  # of the mode of the quadratic approximation, in standard deviations


class Mode(NamedTuple):
    """The mode of a posterior: `values` by name, the `point` on the line, log densities there (of the posterior up to
    a constant, and of the data), the `hessian` of minus the log density on the line, with and without the `volume` of
    the transformation, the standard deviations `sd` of parameters by the delta method, evaluations, the largest slope
    of the log density on the line, `gradient`, and the `winding_number` of the linear system: zero where exactly one
    path stays bounded, below where several do, above where none does, None where the horizon is too short to say."""

    values: dict[str, float]
    point: np.ndarray
    log_posterior: float
    log_likelihood: float
    hessian: np.ndarray
    hessian_with_volume: np.ndarray
    sd: dict[str, float]
    evaluations: int
    gradient: float
    winding_number: int | None = None


class Density:
    """Log densities of a posterior on the line, with exact gradients."""

    def __init__(self, likelihood: Likelihood, target: Target):
        self.likelihood, self.target = likelihood, target
        self.evaluations = 0

        def terms(point: Array):
            values = target.constrain(point)
            chosen = jnp.stack([jnp.asarray(values[name], jnp.float64) for name in likelihood.parameters])
            return chosen, target.log_prior(point), target.log_volume(point)

        with jax.enable_x64(True):
            self._terms = jax.jit(lambda point: (terms(point), jax.jacfwd(terms)(point)))

    def __call__(self, point: np.ndarray, volume: bool = False) -> tuple[float, np.ndarray, float]:
        """Log posterior, its gradient in the point, and the log likelihood; with the `volume` of the transformation,
        the density on the line."""
        self.evaluations += 1
        with jax.enable_x64(True):
            (chosen, prior, size), (by_chosen, by_prior, by_size) = jax.tree.map(
                np.asarray, self._terms(jnp.asarray(point, jnp.float64))
            )
        value, slopes = self.likelihood.value_and_gradient(
            dict(zip(self.likelihood.parameters, chosen.tolist(), strict=True))
        )
        gradient = np.asarray([slopes[name] for name in self.likelihood.parameters]) @ by_chosen + by_prior
        total = value + float(prior)
        if volume:
            total, gradient = total + float(size), gradient + by_size
        return total, gradient, value

    def values(self, point: np.ndarray) -> dict[str, float]:
        """Parameters by name at a point."""
        with jax.enable_x64(True):
            found = self.target.constrain(jnp.asarray(point, jnp.float64))
            return {name: float(found[name]) for name in self.likelihood.parameters}

    def volume_curvature(self, point: np.ndarray) -> np.ndarray:
        """The second derivative of the logarithm of the volume, (free, free)."""
        with jax.enable_x64(True):
            return np.asarray(jax.hessian(self.target.log_volume)(jnp.asarray(point, jnp.float64)))

    def slopes(self, point: np.ndarray) -> np.ndarray:
        """d parameters / d point, (parameters, free)."""
        with jax.enable_x64(True):
            return np.asarray(self._terms(jnp.asarray(point, jnp.float64))[1][0])


def find_mode(density: Density, starts: int = 1, seed: int = 0, callback: Callable[[str], None] | None = None) -> Mode:
    """The highest of the modes found from where a target begins and from `starts` - 1 draws of its priors.

    Raises EstimationError where no search ends at one.
    """
    ends, problems = [], []
    others = density.target.draws(starts - 1, seed)[0] if starts > 1 else ()
    for point in (density.target.start, *others):
        try:
            ends.append(climb(density, point, callback))
        except EstimationError as error:
            problems.append(error)
    if not ends:
        raise problems[0]
    return mode_at(density, max(ends, key=lambda point: density(point)[0]))


def climb(density: Density, start: np.ndarray, callback: Callable[[str], None] | None = None) -> np.ndarray:
    """The point where a search ends. Raises EstimationError where the data have no density at its start."""
    from scipy.optimize import minimize

    def after_step(point: np.ndarray) -> None:
        if callback is not None:
            callback(f"mode: {density.evaluations} evaluations")

    negative = _negative(density)
    if negative(start)[0] >= FAR:
        at = ", ".join(f"{name} = {value:.4g}" for name, value in density.values(start).items())
        raise EstimationError(
            f"The data have no density at {at}: no path stays bounded there, or the shocks are too few for what is "
            "observed; begin elsewhere with start={...}, or add measurement errors."
        )
    options = {"gtol": 1e-6, "maxiter": 500}
    return minimize(negative, start, jac=True, method="BFGS", callback=after_step, options=options).x


def mode_at(density: Density, point: np.ndarray) -> Mode:
    """The mode near the end of a search. Raises EstimationError where the density still rises there."""
    negative = _negative(density)
    point, hessian = _polished(negative, point)
    value, gradient, data = density(point)
    flat = np.linalg.eigvalsh(hessian).min() <= 0
    if not flat:
        hessian = _hessian(lambda x: negative(x)[1], point, OF_SD * np.sqrt(np.diag(np.linalg.inv(hessian))))
        flat = np.linalg.eigvalsh(hessian).min() <= 0
    if not np.isfinite(value) or _rises(value, gradient, hessian, flat):
        worst = density.target.free[int(np.abs(gradient).argmax())]
        slope = np.abs(gradient).max()
        raise EstimationError(
            f"The search for the mode ended where the posterior still rises in {worst} (slope {slope:.3g} after "
            f"{density.evaluations} evaluations): begin elsewhere with start={{...}}, or give it a tighter prior."
        )
    slopes = density.slopes(point)
    covariance = np.linalg.pinv(hessian) if flat else np.linalg.inv(hessian)
    sd = np.sqrt(np.maximum(np.diag(slopes @ covariance @ slopes.T), 0.0))
    names, values = density.likelihood.parameters, density.values(point)
    _warn_of_horizon(density.likelihood, values)
    return Mode(
        values, point, value, data, hessian, hessian - density.volume_curvature(point),
        dict(zip(names, sd.tolist(), strict=True)), density.evaluations, float(np.abs(gradient).max()),
        _determinacy(density.likelihood, values),
    )  # fmt: skip


def _rises(value: float, gradient: np.ndarray, hessian: np.ndarray, flat: bool) -> bool:
    """Whether a point with this gradient and curvature is no mode."""
    if flat:
        return bool(np.abs(gradient).max() > GRADIENT * max(1.0, abs(value)))
    return _distance(gradient, hessian) > DISTANCE


def _distance(gradient: np.ndarray, hessian: np.ndarray) -> float:
    """The length of Newton's step, in standard deviations."""
    return float(np.sqrt(gradient @ np.linalg.solve(hessian, gradient)))


def _determinacy(likelihood: Likelihood, values: dict[str, float]) -> int | None:
    """The winding number at parameters, or None; warns unless exactly one path stays bounded."""
    try:
        found = likelihood.winding_number(values)
    except ValueError:
        return None
    if found:
        warn_user(
            f"At the mode {'several paths stay' if found < 0 else 'no path stays'} bounded (winding number {found}), "
            "so that the linear solution there means nothing: give priors that keep the equilibrium unique, such as a "
            "reaction of the policy rate to inflation above one."
        )
    return found


def _warn_of_horizon(likelihood: Likelihood, values: dict[str, float]) -> None:
    """Warn where a response is cut off before it has died out."""
    found = likelihood.cut_off(values)
    if found is not None:
        warn_user(
            f"At the mode the response of {found.series} to {found.innovation} is still {100 * found.share:.2g} % of "
            f"its peak after {likelihood.horizon} periods, where it is cut off, and the likelihood with it: give "
            f"likelihood(..., horizon={found.needed}), or a prior under which it dies out sooner."
        )


def _negative(density: Density) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Minus the log posterior and its gradient, a large number where there is none."""

    def negative(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient, _ = density(point)
        if not np.isfinite(value) or not np.isfinite(gradient).all():
            return FAR, np.zeros_like(point)
        return -value, -gradient

    return negative


def _polished(negative, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The end of a few Newton steps from the end of a search, which may stop before a jump, and the Hessian where they
    begin."""
    hessian = _hessian(lambda x: negative(x)[1], point, np.full(len(point), STEP))
    for _ in range(3):
        value, gradient = negative(point)
        if np.abs(gradient).max() < 1e-8 * max(1.0, abs(value)) or np.linalg.eigvalsh(hessian).min() <= 0:
            break
        following = point - np.linalg.solve(hessian, gradient)
        reached, slope = negative(following)
        closer = _distance(slope, hessian) < _distance(gradient, hessian)
        if not (reached < value or (reached < value + JUMP and closer)):
            break
        point = following
    return point, hessian


def _hessian(gradient: Callable[[np.ndarray], np.ndarray], point: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The derivative of a gradient by central differences of `steps`, symmetric."""
    rows = [(gradient(point + h) - gradient(point - h)) / (2 * h.sum()) for h in np.diag(steps)]
    return 0.5 * (np.asarray(rows) + np.asarray(rows).T)
