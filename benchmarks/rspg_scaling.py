"""How the time of one RSPG update grows with paths and horizon.

    python benchmarks/rspg_scaling.py [--quick]

Krusell and Smith (1998), calibration of the comparison suite, default settings but for paths and horizon. Compilation
is timed apart. One update per compiled call; training goes on between calls, so that no two updates are the same. The
ratio says how a path-period compares with one of the smallest size: below one where larger sizes use the machine
better. `temporary_mib` is what XLA sets aside for intermediate results, as the compiled program states it. An
accelerator, which works on many paths at once, gets fewer sizes with more paths.
"""

import resource
import statistics
import sys
import time

import jax
import numpy as np
from machine import progress, run_benchmark

import hank_mfg as hm
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.gradient.economies import _train, prepare

SIZES = (8, 16, 32, 64), (40, 80, 160, 320)  # paths, horizons
SIZES_ACCELERATOR = (8, 64, 512, 2048), (40, 320)
QUICK = (2, 4), (10, 20)


def one_size(model: hm.Model, play, training, settings: hm.RSPG, repeats: int) -> dict:
    """Compile one update for these sizes, then time `repeats` of them after one that does not count."""
    begin = time.perf_counter()
    step = _train.lower(play, training, settings, 1).compile()
    seconds_compile = time.perf_counter() - begin
    seconds, errors = [], []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        training, reports = step(play, training, settings, 1)
        jax.block_until_ready((training.policy, reports))
        seconds.append(time.perf_counter() - begin)
        errors.append(100 * float(reports.euler_error[-1]))
    median = statistics.median(seconds[1:])
    return {
        "paths": settings.paths,
        "horizon": settings.horizon,
        "seconds": median,
        "seconds_all": seconds[1:],
        "microseconds_per_path_period": 1e6 * median / (settings.paths * settings.horizon),
        "seconds_compile": seconds_compile,
        "temporary_mib": _temporary_mib(step),
        "euler_error_percent_last": errors[-1],
        "finite": bool(np.all(np.asarray(reports.finite))),
    }


def _temporary_mib(step) -> float | None:
    try:
        return step.compiled.memory_analysis().temp_size_in_bytes / 2**20
    except (AttributeError, NotImplementedError, RuntimeError):  # not every device says
        return None


@float64_allowed
def measure(quick: bool) -> dict:
    """Every size, in the precision of `solve`; `prepare` is done once for a number of paths, whatever the horizon."""
    jax.config.update("jax_compilation_cache_dir", None)
    paths, horizons = QUICK if quick else SIZES if jax.default_backend() == "cpu" else SIZES_ACCELERATOR
    shape = {"asset_points": 60, "warmup": 20} if quick else {}
    model = hm.load_model("krusell_smith")
    progress("stationary equilibrium")
    steady = hm.steady_state(model, asset_points=240 if quick else 400)
    sizes = []
    for count in paths:
        base = hm.RSPG(paths=count, **shape)
        play, training = prepare(model, base, steady, seed=0)
        for horizon in horizons:
            progress(f"{count} paths, horizon {horizon}")
            settings = hm.RSPG(paths=count, horizon=horizon, **shape)
            sizes.append(one_size(model, play, training, settings, repeats=2 if quick else 7))
    smallest = sizes[0]["microseconds_per_path_period"]
    table = [
        {
            "paths": size["paths"],
            "horizon": size["horizon"],
            "seconds per update": size["seconds"],
            "microseconds per path-period": size["microseconds_per_path_period"],
            "ratio to the smallest": size["microseconds_per_path_period"] / smallest,
            "seconds to compile": size["seconds_compile"],
            "temporary MiB": size["temporary_mib"],
        }
        for size in sizes
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "precision": str(play.policy.knots.dtype),
        "model": "krusell_smith",
        "asset_points": hm.RSPG(**shape).asset_points,
        "table": table,
        "sizes": sizes,
        "peak_memory_gib": peak / 2**30,
    }


if __name__ == "__main__":
    run_benchmark("rspg_scaling", __doc__.splitlines()[0], measure)
