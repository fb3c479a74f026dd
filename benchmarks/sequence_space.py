"""Stationary equilibrium, linear responses and a transition path of Krusell and Smith, beside sequence-jacobian.

    python benchmarks/sequence_space.py [--quick]

The package's own example: 7 income states, 500 asset points, 300 periods. Compiled once, then medians of five. When the
package is installed (the extra `oracle`) it is timed in the same process, with its default tolerances and derivatives,
one shock, the same work: stationary equilibrium (it solves for beta, we for capital), all Jacobians and the solution in
general equilibrium, and a nonlinear path. Accuracy is against its numbers at tight tolerances, kept in tests/reference.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
from machine import run_benchmark, timed

import hank_mfg as hm

REFERENCE = Path(__file__).parents[1] / "tests" / "reference"
sys.path[:0] = [str(REFERENCE), str(REFERENCE / "sequence_jacobian")]
from reference_sequence_space import economy, gap, stored, value  # noqa: E402

PERIODS = 300


def ours(repeats: int) -> tuple[list[dict], dict]:
    """Seconds of every step, and how far the numbers are from the package's."""
    model = economy()
    shock = 0.1 * 0.8 ** np.arange(PERIODS)
    steady, first = timed("stationary equilibrium", lambda: hm.steady_state(model, asset_points=500), repeats)
    linear, second = timed("Jacobians and linear solution", lambda: hm.linearize(steady, horizon=PERIODS), repeats)
    path, third = timed(
        "nonlinear path", lambda: hm.transition(steady, horizon=PERIODS, linear=linear, productivity=shock), repeats
    )
    response, away = linear.response(productivity=0.1 * shock), path.deviations()
    accuracy = {
        "capital": abs(float(steady.aggregates.capital) / value("K") - 1.0),
        "linear_consumption": gap(response["consumption"], stored("responses")["C"].to_numpy()),
        "linear_capital": gap(response["capital"][1:], stored("responses")["K"].to_numpy()[:-1]),
        "nonlinear_capital": gap(away["capital"][1:], stored("nonlinear")["K"].to_numpy()[:-1]),
    }
    return [first, second, third], accuracy


def theirs(repeats: int) -> list[dict]:
    """The package's seconds for the same steps; empty where it is not installed."""
    if importlib.util.find_spec("sequence_jacobian") is None:
        return []
    import make_krusell_smith as package

    _, stationary, model = package.models()
    options = {"solver": "brentq", "ttol": 1e-12}
    unknown, target, shock = {"beta": package.BETA_BRACKET}, {"asset_mkt": 0.0}, {"Z": package.geometric(0.1)}
    steady, first = timed(
        "package: stationary equilibrium",
        lambda: stationary.solve_steady_state(package.CALIBRATION, unknown, target, **options),
        repeats,
    )
    _, second = timed(
        "package: Jacobians and linear solution",
        lambda: model.solve_jacobian(steady, ["K"], ["asset_mkt"], ["Z"], T=PERIODS),
        repeats,
    )
    quiet = {"krusell_smith": {"verbose": False}}
    _, third = timed(
        "package: nonlinear path",
        lambda: model.solve_impulse_nonlinear(steady, ["K"], ["asset_mkt"], shock, options=quiet),
        repeats,
    )
    return [first, second, third]


def measure(quick: bool) -> dict:
    """Both, and the ratios."""
    repeats = 1 if quick else 5
    table, accuracy = ours(repeats)
    package = theirs(repeats)
    ratios = {}
    if package:
        for name, rows in (("stationary and linear", (0, 1)), ("nonlinear path", (2,))):
            for column in ("median", "first"):
                sums = [sum(side[row][column] for row in rows) for side in (table, package)]
                ratios[f"{name}, {column}"] = sums[0] / sums[1]
    return {"precision": "float64", "table": [*table, *package], "ratio to the package": ratios, "accuracy": accuracy}


if __name__ == "__main__":
    run_benchmark("sequence_space", __doc__.splitlines()[0], measure)
