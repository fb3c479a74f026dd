"""Accuracy over a box of parameters: Euler errors at points of it, the worst one named."""

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np

from hank_mfg.evaluate.euler_errors import EulerErrors, euler_errors
from hank_mfg.files import latex_of
from hank_mfg.model.free import Free
from hank_mfg.model.portable import portable
from hank_mfg.progress import Lines
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.gradient.box import values_at
from hank_mfg.solve.gradient.box_training import BoxSolution
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd

MOST_CORNERS = 32


@readable
@portable
@dataclasses.dataclass(frozen=True)
class BoxAccuracy:
    """Euler errors of a solution over a box of `parameters`, float64.

    `values` (points, parameters) are where they were measured: the middle, the corners where they are no more than 32,
    and points drawn evenly, none of them one of training. `euler` are the errors at each, over `periods` periods on
    `asset_points` points with the same `seed`.
    """

    parameters: tuple[Free, ...]
    values: np.ndarray
    euler: tuple[EulerErrors, ...]
    periods: int
    asset_points: int
    seed: int

    @property
    def worst(self) -> dict[str, float]:
        """The parameters where the mean one-step Euler error is largest, and that error, `euler_error_percent`."""
        errors = [each.mean for each in self.euler]
        at = int(np.argmax(errors))
        named = {each.label: float(value) for each, value in zip(self.parameters, self.values[at], strict=True)}
        return {**named, "euler_error_percent": 100.0 * errors[at]}

    def table(self) -> "pd.DataFrame":
        """One row a point, the worst first: its parameters, and the mean and the largest one-step and dynamic Euler
        error, in percent of consumption; where firms set prices, what is missing in the Phillips curve, in percentage
        points of inflation per period."""
        import pandas as pd

        measures = {
            "euler_mean_percent": "mean", "euler_max_percent": "maximum", "dynamic_mean_percent": "dynamic_mean",
            "dynamic_max_percent": "dynamic_maximum", "phillips_mean_points": "price_mean",
            "phillips_max_points": "price_maximum",
        }  # fmt: skip
        frame = pd.DataFrame(self.values, columns=[each.label for each in self.parameters])
        for name, field in measures.items():
            found = [getattr(each, field) for each in self.euler]
            if found[0] is not None:
                frame[name] = 100.0 * np.asarray(found)
        frame = frame.sort_values("euler_mean_percent", ascending=False, ignore_index=True)
        return frame.rename_axis("point")

    to_latex = latex_of


def box_accuracy(
    solution: BoxSolution, *, points: int, periods: int, seed: int, asset_points: int | None, lines: Lines
) -> BoxAccuracy:
    """Euler errors at the middle of the box, at its corners, where these are few, and at `points` points drawn evenly.

    Each is measured with a solution of its own, `solution.at`, along a path of `periods` periods drawn with `seed`.
    """
    require_sizes("evaluate", {"points": (points, 0, 8)}, lambda: (0.0, 0.0))
    size = len(solution.parameters)
    corners = list(itertools.product((-1.0, 1.0), repeat=size)) if 2**size <= MOST_CORNERS else []
    drawn = np.random.default_rng(seed).uniform(-1.0, 1.0, (points, size))
    every = np.concatenate([np.zeros((1, size)), np.reshape(corners, (-1, size)), drawn])
    values, errors = values_at(solution.parameters, every), []
    for count, here in enumerate(values):
        lines.now(f"Euler errors, {count} of {len(values)} points of the box")
        at = solution.at({each.label: float(value) for each, value in zip(solution.parameters, here, strict=True)})
        errors.append(euler_errors(at, periods=periods, seed=seed, asset_points=asset_points))
    return BoxAccuracy(
        solution.parameters, values, tuple(errors), errors[0].periods, errors[0].asset_points, seed
    )  # fmt: skip
