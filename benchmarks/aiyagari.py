"""Aiyagari (1994), Table II: the interest rate against recomputed cells, and seconds per stationary equilibrium.

    python benchmarks/aiyagari.py [--quick]

Accuracy: six cells (persistence, stationary sd, risk aversion) with 400 asset points against rates recomputed by
independent code on 400 points with cubic spacing to 150, each good to about .005 percentage points.
Speed: 200 asset points and 7 income states, after one solve has compiled everything; five solves at slightly different
parameters, so that no answer can be remembered. Compilations are counted: there must be none.
"""

import statistics
import time

import jax
from machine import progress, run_benchmark

import hank_mfg as hm

# (persistence, stationary sd, risk aversion): percent per year. tests/ quote the same recomputed cells.
RECOMPUTED = {
    (0.0, 0.2, 1.0): 4.144,
    (0.0, 0.2, 3.0): 4.086,
    (0.3, 0.2, 1.0): 4.127,
    (0.3, 0.2, 3.0): 4.022,
    (0.3, 0.2, 5.0): 3.888,
    (0.6, 0.2, 5.0): 3.614,
}
TOLERANCE_POINTS = 0.005
COMPILATION = "/jax/core/compile/backend_compile_duration"


class Compilations:
    """Counts what XLA compiles, and for how long, from its creation on."""

    def __init__(self):
        self.count, self.seconds = 0, 0.0
        jax.monitoring.register_event_duration_secs_listener(self._add)

    def _add(self, event: str, duration: float, **_) -> None:
        if event == COMPILATION:
            self.count, self.seconds = self.count + 1, self.seconds + duration


def timed(asset_points: int, compilations: Compilations, **parameters) -> dict:
    """Solve once: the interest rate in percent, seconds of compilation and run, and what was compiled."""
    before = compilations.count
    model = hm.load_model("aiyagari", **parameters)
    begin = time.perf_counter()
    steady = hm.steady_state(model, asset_points=asset_points)
    seconds = time.perf_counter() - begin
    return {
        **parameters,
        "asset_points": asset_points,
        "interest_rate_percent": 100 * float(steady.prices.interest_rate),
        "residual": steady.residual,
        "top_of_grid_mass": steady.top_of_grid_mass,
        "seconds": seconds,
        "seconds_compile": steady.seconds_compile,
        "seconds_run": steady.seconds_run,
        "compilations": compilations.count - before,
    }


def accuracy(asset_points: int, compilations: Compilations) -> list[dict]:
    """The six cells."""
    cells = []
    for (persistence, stationary_sd, risk_aversion), recomputed in RECOMPUTED.items():
        progress(f"cell {persistence, stationary_sd, risk_aversion}")
        cell = timed(
            asset_points,
            compilations,
            persistence=persistence,
            stationary_sd=stationary_sd,
            risk_aversion=risk_aversion,
        )
        gap = cell["interest_rate_percent"] - recomputed
        cells.append({**cell, "recomputed_percent": recomputed, "gap_points": gap})
    return cells


def speed(asset_points: int, repeats: int, compilations: Compilations) -> dict:
    """The first solve, with its compilation, and `repeats` further ones at slightly different parameters."""
    progress(f"speed at {asset_points} asset points")
    first = timed(asset_points, compilations)
    later = [
        timed(
            asset_points, compilations, discount_factor=0.96 + 1e-4 * i, stationary_sd=0.2 + 1e-3 * i,
            risk_aversion=1.0 + 0.01 * i, depreciation=0.08 + 1e-4 * i,
        )
        for i in range(1, repeats + 1)
    ]  # fmt: skip
    return {
        "first": first,
        "later": later,
        "seconds_median": statistics.median(each["seconds"] for each in later),
        "compilations_later": sum(each["compilations"] for each in later),
    }


def measure(quick: bool) -> dict:
    """Speed first, while nothing is compiled, then accuracy."""
    jax.config.update("jax_compilation_cache_dir", None)
    compilations = Compilations()
    clock = speed(60 if quick else 200, 2 if quick else 5, compilations)
    cells = accuracy(60 if quick else 400, compilations)
    table = []
    for cell in cells:
        where = "persistence {persistence}, sd {stationary_sd}, risk aversion {risk_aversion:g}".format(**cell)
        holds = abs(cell["gap_points"]) <= TOLERANCE_POINTS
        bar = f"{cell['recomputed_percent']:.3f} +- {TOLERANCE_POINTS}"
        table.append(_row(f"r percent: {where}", bar, cell["interest_rate_percent"], holds))
    points, compiled = clock["first"]["asset_points"], clock["compilations_later"]
    table += [
        _row(f"seconds, {points} x 7, compiled", None, clock["seconds_median"], None),
        _row(f"seconds, {points} x 7, first call", None, clock["first"]["seconds"], None),
        _row("compilations at new parameters", "0", compiled, compiled == 0),
    ]
    return {"precision": "float64", "table": table, "accuracy": cells, "speed": clock}


def _row(name: str, bar: str | None, measured: float, holds: bool | None) -> dict:
    return {"row": name, "bar": bar, "measured": measured, "holds": holds}


if __name__ == "__main__":
    run_benchmark("aiyagari", __doc__.splitlines()[0], measure)
