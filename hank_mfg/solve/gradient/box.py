"""A box of parameters: points in it, and polynomials through what is known at them.

Parameters are in units of the box, from -1 to 1 in each. Points are the corners, where they are few, and a scrambled
Sobol sequence u in (0, 1) at -cos(pi u), denser toward the faces of the box. What is known at the points, a stationary
policy for instance, is read elsewhere from the polynomials of least squares,

    f(x) = sum_k c_k T_k1(x_1) ... T_kd(x_d),    k_1 + ... + k_d <= degree,

T Chebyshev's polynomials, with at most half as many terms as points. On points of that density it does not oscillate.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from hank_mfg.model.base import Model
from hank_mfg.model.free import Free, read_free, with_values
from hank_mfg.sizes import is_whole

POINTS = {1: 24, 2: 64, 3: 128}  # by the number of parameters
MANY_POINTS, HIGHEST = 256, 8  # with more parameters; the highest degree


@dataclasses.dataclass(frozen=True)
class Box:
    """A box of parameters: `Box({"risk_aversion": (1, 3), "discount_factor": (.985, .99)}, points=64)`.

    `over` maps parameters to their bounds (low, high); one number of a list is named with its place,
    "productivity[0]". The stationary equilibrium is solved at `points` points, on which training takes place, by
    default 24, 64, 128 for one, two, three parameters and 256 for more. Raises ValueError for points that are no
    number, or too few.
    """

    over: Mapping[str, Sequence[float]]
    points: int | None = None

    def __post_init__(self):
        """Check what can be checked without the model."""
        if not isinstance(self.over, Mapping):
            raise ValueError(f"over = {self.over!r}: give bounds by name, {{'risk_aversion': (1, 3)}}.")
        fewest = 2 * (len(self.over) + 2)
        if self.points is not None and not (is_whole(self.points) and self.points >= fewest):
            raise ValueError(f"Box(points={self.points!r}): give a whole number of at least {fewest}.")

    def free(self, model: Model) -> tuple[Free, ...]:
        """The parameters and their bounds. Raises ValueError for what the model does not have or allow."""
        return read_free(model, self.over, "over")

    @property
    def count(self) -> int:
        """The number of points."""
        return self.points or POINTS.get(len(self.over), MANY_POINTS)

    def sample(self, seed: int) -> np.ndarray:
        """The points, in units of the box and a random order: (points, parameters)."""
        from scipy.stats import qmc  # loaded on first use

        size = len(self.over)
        corners = np.asarray(list(itertools.product((-1.0, 1.0), repeat=size)))
        corners = corners if 4 * len(corners) <= self.count else corners[:0]
        inside = self.count - len(corners)
        drawn = qmc.Sobol(size, rng=seed).random_base2(math.ceil(math.log2(max(inside, 1))))[:inside]
        points = np.concatenate([corners, -np.cos(np.pi * drawn)])
        return np.random.default_rng(seed).permutation(points)


def model_at(model: Model, free: tuple[Free, ...], point: np.ndarray) -> Model:
    """The model at a point in units of the box, (parameters,)."""
    return with_values(model, free, values_at(free, point))


def values_at(free: tuple[Free, ...], points: np.ndarray) -> np.ndarray:
    """The values of the parameters at points in units of the box, (..., parameters)."""
    lower, upper = (np.asarray([getattr(each, end) for each in free]) for end in ("lower", "upper"))
    return lower + 0.5 * (np.asarray(points) + 1.0) * (upper - lower)


def point_of(model: Model, free: tuple[Free, ...], values: Mapping[str, Any]) -> np.ndarray:
    """The point, in units of the box, at which parameters have `values` by name, the others those of the model.

    Raises ValueError for a name that is none of the box's and for a value outside it.
    """
    labels = [each.label for each in free]
    for name in values:
        if name not in labels:
            raise ValueError(f"{name} is not a parameter of the box: these are {', '.join(labels)}.")
    point = []
    for each in free:
        number = float(values.get(each.label, each.own(model)))
        if not each.lower <= number <= each.upper:
            given = "" if each.label in values else ", the model's own value,"
            raise ValueError(
                f"{each.label} = {number:g}{given} lies outside the box: give a value from {each.lower:g} to "
                f"{each.upper:g}, or solve over a larger box."
            )
        point.append(2.0 * (number - each.lower) / (each.upper - each.lower) - 1.0)
    return np.asarray(point)


def degree_of(parameters: int, points: int) -> int:
    """The highest degree whose polynomials have at most half as many terms as there are points."""
    return max(d for d in range(1, HIGHEST + 1) if 2 * math.comb(parameters + d, d) <= points or d == 1)


def basis(points: np.ndarray, degree: int) -> np.ndarray:
    """Products of Chebyshev polynomials of total degree up to `degree` at points (..., parameters): (..., terms)."""
    each = np.cos(np.arange(degree + 1) * np.arccos(np.clip(points, -1.0, 1.0))[..., None])
    powers = [k for k in itertools.product(range(degree + 1), repeat=points.shape[-1]) if sum(k) <= degree]
    chosen = each[..., np.arange(points.shape[-1])[None], np.asarray(powers)]  # (..., terms, parameters)
    return chosen.prod(axis=-1)


def fit(points: np.ndarray, known: Any, degree: int | None = None) -> Any:
    """Coefficients (terms, ...) of every leaf (points, ...) of `known`, float64; of `degree_of` unless it is given."""
    inverse = np.linalg.pinv(basis(points, degree_of(points.shape[1], len(points)) if degree is None else degree))
    return jax.tree.map(lambda x: np.tensordot(inverse, np.asarray(x, np.float64), 1), known)


def read(coefficients: Any, point: np.ndarray, degree: int) -> Any:
    """What `fit` knows at a point (parameters,), float64."""
    at = basis(np.asarray(point), degree)
    return jax.tree.map(lambda c: np.tensordot(at, c, 1), coefficients)


def left_out(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """By how much the polynomials miss each of the points (points, ...) when they are fitted to the others."""
    here = basis(points, degree_of(points.shape[1], len(points)))
    hat = here @ np.linalg.pinv(here)
    missed = known - np.tensordot(hat, known, 1)
    return missed / (1.0 - np.diag(hat)).reshape(-1, *[1] * (known.ndim - 1))
