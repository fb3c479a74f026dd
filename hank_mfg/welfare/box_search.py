"""The largest value of a smooth function in a box, by its exact gradient: a coarse grid first, then BFGS.

A function is known at places with `theta` (free,), `value` and `gradient` (free,), and need not exist everywhere:
`near(theta, here)` returns None where there is nothing, and a step there is
refused. In widths of the box z, with B the approximate Hessian of minus the function, every step solves

    max over d of g d - d B d / 2,     0 <= z + d <= 1,  |d| <= radius in every direction,

a least-squares problem with bounds, and the radius halves where less than a tenth of the promise is kept. B starts at
the second differences of the coarse grid and learns from gradients (BFGS). Source: Nocedal and Wright (2006), Numerical
Optimization, chapters 4 and 6.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

COARSE = {1: 5, 2: 5, 3: 3}  # points in every direction of the first grid; beyond, two
STEPS, LEAST = 40, 1e-7  # of a search; the radius at which it ends, in widths of the box
FLAT = 1e-7  # the projected gradient at which it ends, relative to the largest change over the coarse grid
KEPT, WELL = 0.1, 0.7  # of what a step promised: below, the radius halves; above, it doubles
STARTS, APART = 3, 1e-2  # local maxima of the coarse grid that are searched from; widths that tell maxima apart
HESSIAN = 1e-3  # widths of the box: half the distance of gradients in a difference


class Box(NamedTuple):
    """The ends of every parameter, (free,), and `near(theta, here)`, the function from a place where it is known."""

    lower: np.ndarray
    upper: np.ndarray
    near: Callable[[np.ndarray, Any], Any]

    @property
    def width(self) -> np.ndarray:
        """The width of every parameter."""
        return self.upper - self.lower

    def place(self, theta: np.ndarray) -> np.ndarray:
        """Parameters in widths of the box."""
        return (theta - self.lower) / self.width

    def theta(self, place: np.ndarray) -> np.ndarray:
        """The parameters of a place, exactly those of an end there."""
        return np.where(place >= 1.0, self.upper, np.where(place <= 0.0, self.lower, self.lower + place * self.width))

    def lattice(self, count: int | None = None) -> np.ndarray:
        """Places of a grid over the box with `count` points in every direction, (points, free), ends included; with two
        points these are a quarter from the ends."""
        free = len(self.lower)
        count = COARSE.get(free, 2) if count is None else count
        ends = (0.25, 0.75) if count == 2 else (0.0, 1.0)
        return np.asarray(list(itertools.product(np.linspace(*ends, count), repeat=free)))


class Found(NamedTuple):
    """The end of a search: the best place, how many steps were made, whether it `settled`, and whether the last step
    that was refused led to where there is no function (`edge`)."""

    here: Any
    steps: int
    settled: bool
    edge: bool


def walk(box: Box, places: np.ndarray, start: Any) -> list[Any]:
    """The function at every place of a grid (points, free), None where there is none, each followed from the nearest
    place where it is known already."""
    found: list[Any] = [None] * len(places)
    known = [start]
    order = np.argsort(np.abs(places - box.place(start.theta)).max(axis=1), kind="stable")
    for number in order:
        theta = box.theta(places[number])
        distance = [np.abs(box.place(theta - each.theta + box.lower)).max() for each in known]
        found[number] = box.near(theta, known[int(np.argmin(distance))])
        if found[number] is not None:
            known.append(found[number])
    return found


def local_best(places: np.ndarray, found: list[Any]) -> list[Any]:
    """Points of a grid that no neighbor exceeds, the best first."""
    there = [number for number, each in enumerate(found) if each is not None]
    if not there:
        return []
    levels = np.unique(places[:, 0])
    reach = 1.001 * np.diff(levels).max() if len(levels) > 1 else 1.0
    best = []
    for number in there:
        beside = [each for each in there if 0 < np.abs(places[each] - places[number]).max() <= reach]
        if all(found[each].value <= found[number].value for each in beside):
            best.append(found[number])
    return sorted(best, key=lambda each: -each.value)


def climb(box: Box, start: Any, curvature: np.ndarray, scale: float, radius: float) -> Found:
    """The search from a place. `curvature` (free,) is the first diagonal of B, `scale` the size of what the function
    changes by over the box, and `radius` that of the first step, in widths of the box."""
    here: Any = start
    matrix, edge = np.diag(curvature), False
    for step in range(STEPS):
        gradient, place = here.gradient * box.width, box.place(here.theta)
        pull = np.clip(place + gradient / scale, 0.0, 1.0) - place
        if np.abs(pull).max() <= FLAT:
            return Found(here, step, True, False)
        while True:
            move = _move(gradient, matrix, place, radius)
            promised = gradient @ move - 0.5 * move @ matrix @ move
            if radius <= LEAST or not promised > 0:
                return Found(here, step, True, edge)
            trial: Any = box.near(box.theta(place + move), here)
            gained = -np.inf if trial is None else trial.value - here.value
            if trial is not None:
                matrix = _learned(matrix, move, gradient - trial.gradient * box.width)
            if gained > KEPT * promised:
                break
            edge = trial is None
            radius = 0.5 * min(radius, np.abs(move).max())
        radius = 2.0 * radius if gained > WELL * promised else radius
        here = trial
    return Found(here, STEPS, False, edge)


def _move(gradient: np.ndarray, matrix: np.ndarray, place: np.ndarray, radius: float) -> np.ndarray:
    """The best step of the quadratic model in the box and within the radius, (free,)."""
    from scipy.optimize import lsq_linear

    least, most = np.maximum(-place, -radius), np.minimum(1.0 - place, radius)
    root = np.linalg.cholesky(matrix)
    right = np.linalg.solve(root, gradient)
    return np.clip(lsq_linear(root.T, right, (least - 1e-15, most + 1e-15), method="bvls", tol=1e-14).x, least, most)


def _learned(matrix: np.ndarray, move: np.ndarray, change: np.ndarray) -> np.ndarray:
    """B after a move along which minus the gradient changed by `change`: BFGS, damped where curvature is too small
    (Powell 1978), so that B stays positive definite."""
    image = matrix @ move
    along, known = move @ change, move @ image
    share = 1.0 if along >= 0.2 * known else 0.8 * known / (known - along)
    change = share * change + (1.0 - share) * image
    return matrix - np.outer(image, image) / known + np.outer(change, change) / (move @ change)


def curvatures(box: Box, places: np.ndarray, found: list[Any], best: Any, scale: float) -> np.ndarray:
    """Minus the second differences of a grid around a place in every direction, positive, (free,)."""
    known = {tuple(np.round(place, 9)): each for place, each in zip(places, found, strict=True)}
    levels = np.unique(places[:, 0])
    step = np.diff(levels).max() if len(levels) > 1 else 1.0
    here, result = box.place(best.theta), []
    for direction in np.eye(len(here)):
        sides = [known.get(tuple(np.round(here + sign * step * direction, 9))) for sign in (-1.0, 1.0)]
        drops: list[Any] = [(best.value - each.value) / step**2 for each in sides if each is not None]
        second = sum(drops) if len(drops) == 2 else abs(best.gradient * box.width @ direction) / step
        result.append(max(second, 1e-3 * scale))
    return np.asarray(result)


class Second(NamedTuple):
    """Second derivatives at a place, (free, free), NaN where there is nothing beside it; `gap`, by how much values
    beside it differ from what gradients say (the trapezoid rule), relative; and how many places were `asked`."""

    matrix: np.ndarray
    gap: float
    asked: int


def second_derivatives(box: Box, here: Any, scale: float) -> Second:
    """Second derivatives at a place by differences of gradients, `scale` as for `climb`."""
    rows, asked, gap = [], 0, 0.0
    for direction in np.eye(len(here.theta)):
        sides: list[Any] = []
        for sign in (-1.0, 1.0):
            theta = box.theta(np.clip(box.place(here.theta) + sign * HESSIAN * direction, 0.0, 1.0))
            moved = here if np.array_equal(theta, here.theta) else box.near(theta, here)
            asked += moved is not here
            sides.append(here if moved is None else moved)
        low, high = sides
        distance = float(direction @ (high.theta - low.theta))
        if distance == 0:
            rows.append(np.full(len(direction), np.nan))
            continue
        rows.append((high.gradient - low.gradient) / distance)
        slopes = np.array([low.gradient @ direction, high.gradient @ direction])
        size = max(np.abs(slopes).max(), scale / float(box.width @ direction))
        gap = max(gap, abs((high.value - low.value) / distance - slopes.mean()) / size)
    found = np.asarray(rows)
    return Second(0.5 * (found + found.T), gap, asked)
