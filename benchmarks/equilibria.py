"""Stationary equilibria: one, a hundred in one call, derivatives; and the classical Krusell-Smith algorithm.

    python benchmarks/equilibria.py [--quick]

Seconds of the first call (which compiles) and the median of later ones; accuracy beside them: the largest difference
between a grid of equilibria and one at a time, derivatives against four-point differences, Den Haan's and Euler errors
of the classical solution on the calibration of the comparison suite of 2010.
"""

import jax
import jax.numpy as jnp
import numpy as np
from machine import run_benchmark, timed

import hank_mfg as hm

ECONOMIES = {"aiyagari": 200, "krusell_smith": 400, "krusell_smith_stochastic_beta": 400}


def grid(count: int, repeats: int) -> tuple[list[dict], dict]:
    """`count` economies of Aiyagari that differ in patience: one after the other, in one call, and mapped."""
    model, patience = hm.load_model("aiyagari"), np.linspace(0.94, 0.965, count)

    def apart():
        rates = (
            hm.steady_state(model.with_parameters(discount_factor=float(x))).prices.interest_rate for x in patience
        )
        return np.array([float(rate) for rate in rates])

    def rate(beta):
        return hm.equilibrium(model.with_parameters(discount_factor=beta)).prices.interest_rate

    mapped = jax.jit(jax.vmap(rate))

    def batch():
        with jax.enable_x64(True):
            return np.asarray(mapped(jnp.asarray(patience)))

    separate, first = timed(f"{count} equilibria, one after the other", apart, repeats)
    together, second = timed(
        f"{count} equilibria, one call of steady_states",
        lambda: np.asarray(hm.steady_states(model, discount_factor=patience).prices.interest_rate), repeats,
    )  # fmt: skip
    vectorized, third = timed(f"{count} equilibria, vmap of equilibrium", batch, repeats)
    accuracy = {
        "steady_states, largest relative difference": float(np.abs(together / separate - 1).max()),
        "vmap, largest relative difference": float(np.abs(vectorized / separate - 1).max()),
        "time ratio of steady_states": second["median"] / first["median"],
        "time ratio of vmap": third["median"] / first["median"],
    }
    return [first, second, third], accuracy


def derivatives(repeats: int) -> tuple[dict, dict]:
    """The interest rate in every parameter of Aiyagari's economy, and the gap to four-point differences."""
    model, weights = hm.load_model("aiyagari"), {-2: 1.0, -1: -8.0, 1: 8.0, 2: -1.0}
    slopes, row = timed(
        "derivatives in eight parameters", lambda: hm.steady_state_derivatives(model, tolerance=1e-13), repeats
    )
    gaps = {}
    for name in ("discount_factor", "risk_aversion", "capital_share", "depreciation", "persistence", "stationary_sd"):
        value = float(getattr(model, name))
        step = 1e-4 * value
        total = 0.0
        for move, weight in weights.items():
            changed = model.with_parameters(**{name: value + move * step})
            total += weight * float(hm.steady_state(changed, tolerance=1e-13).prices.interest_rate)
        gaps[name] = abs(total / (12 * step) / float(slopes[name]["interest_rate"]) - 1)
    return row, {"derivatives, largest relative gap to differences": max(gaps.values()), "by parameter": gaps}


def classical(repeats: int) -> tuple[dict, dict]:
    """Krusell and Smith (1998), calibration of 2010, by the classical algorithm, and how accurate it is."""
    model = hm.load_model("krusell_smith")
    solution, row = timed("classical Krusell-Smith algorithm", lambda: hm.solve(model, hm.KSAlgorithm()), repeats)
    report = hm.evaluate(solution, deviations=False).to_dict()
    return row, {name: value for name, value in report.items() if name.endswith("_percent")}


def measure(quick: bool) -> dict:
    """All of it."""
    repeats, table = (1 if quick else 5), []
    for name, points in ECONOMIES.items():
        model = hm.load_model(name)
        what = f"stationary equilibrium, {name}, {points} points"
        table.append(timed(what, lambda m=model, p=points: hm.steady_state(m, asset_points=p), repeats)[1])
    rows, accuracy = grid(10 if quick else 100, min(repeats, 3))
    slopes, gaps = derivatives(1)
    solved, errors = classical(min(repeats, 3))
    return {
        "precision": "float64",
        "table": [*table, *rows, slopes, solved],
        "accuracy": {**accuracy, **gaps, "classical algorithm": errors},
    }


if __name__ == "__main__":
    run_benchmark("equilibria", __doc__.splitlines()[0], measure)
