"""Sampled individuals and one structural update of the macroeconomic game: seconds and peak memory.

    python benchmarks/sampled.py [--quick]

Each measurement runs in a process of its own, float32. `peak MiB` is the largest resident memory of that whole process,
imports and compilation included (`ru_maxrss`); `run MiB` is how far resident memory rose above where it stood after
imports and compilation, both read from Linux, which is asked to forget the peak of compilation first (free memory is
given back before, so that the run cannot hide in it). `XLA MiB` is the compiled program's own statement: temporaries
plus arguments plus outputs. On an accelerator only the last one is its own memory, the others are the host's.

The rollout is 10,000 individuals over 500 periods of rspg_macro, everybody playing as before training; it records the
signal, the histogram and the mean reward of every period. The update is one of recurrent structural policy gradient
with the settings of `settings_for`, 8 paths of 128 periods.
"""

import ctypes
import gc
import multiprocessing
import resource
import statistics
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from machine import progress, run_benchmark

import hank_mfg as hm
from hank_mfg.environment.sampled import sampled_rollout
from hank_mfg.policy.strategy import make_strategies
from hank_mfg.precision import cast, float64_allowed
from hank_mfg.solve.baselines.ppo import crowd_play
from hank_mfg.solve.gradient.games import _train
from hank_mfg.solve.play.game_play import draw_uniforms, game_play

MIB = 2**20


def resident(what: str) -> int | None:
    """Bytes of resident memory, `what` is "VmRSS" now or "VmHWM" at its peak; None where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return next(1024 * int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(what))


def largest_so_far() -> int:
    """The largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak() -> None:
    """Give free memory back to the system and let its peak begin again from what is in use now."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU library
        if trim is not None:
            trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def run_measured(compiled, inputs: tuple, repeats: int) -> dict:
    """Run a compiled program once for its memory, then `repeats` times for its seconds."""
    whole = largest_so_far()  # Linux forgets this one too
    forget_peak()
    before = resident("VmRSS")
    jax.block_until_ready(compiled(*inputs))
    peak = resident("VmHWM")
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(compiled(*inputs))
        seconds.append(time.perf_counter() - begin)
    stated = compiled.compiled.memory_analysis()
    return {
        "seconds": statistics.median(seconds),
        "seconds_all": seconds,
        "peak_mib": max(whole, largest_so_far()) / MIB,
        "baseline_mib": None if before is None else before / MIB,
        "run_mib": None if before is None or peak is None else (peak - before) / MIB,
        "xla_temporary_mib": stated.temp_size_in_bytes / MIB,
        "xla_arguments_mib": stated.argument_size_in_bytes / MIB,
        "xla_outputs_mib": stated.output_size_in_bytes / MIB,
    }


def compiled_in(program, *inputs) -> tuple:
    """A compiled program and the seconds it took."""
    begin = time.perf_counter()
    return program.lower(*inputs).compile(), time.perf_counter() - begin


@float64_allowed
def rollout(individuals: int, periods: int, repeats: int) -> dict:
    """One sampled rollout; the number of periods is that of the uniform numbers, whatever the horizon."""
    game = cast(hm.load_game("rspg_macro"), jnp.float32)
    play = game_play(game, make_strategies(game, hm.settings_for("rspg_macro").networks(), seed=0))
    uniforms = draw_uniforms(jax.random.key(0), 1, periods, game.draws, jnp.float32)[0]

    def record(step):
        return step.decided.signal, step.now.aggregate.masses, jax.tree.map(jnp.mean, step.rewards)

    @eqx.filter_jit
    def program(play, uniforms, key):
        return sampled_rollout(crowd_play(play, individuals), uniforms, key=key, record=record)

    inputs = (play, uniforms, jax.random.key(1))
    compiled, seconds_compile = compiled_in(program, *inputs)
    return {"individuals": individuals, "periods": periods, "seconds_compile": seconds_compile} | run_measured(
        compiled, inputs, repeats
    )


@float64_allowed
def one_update(paths: int, repeats: int) -> dict:
    """One update of recurrent structural policy gradient, as `solve` compiles it."""
    settings = hm.settings_for("rspg_macro", paths=paths)
    game = cast(hm.load_game("rspg_macro"), jnp.float32)
    inputs = (game, settings.begin(game, seed=0), settings, 1)
    compiled, seconds_compile = compiled_in(_train, *inputs)
    return {"paths": paths, "periods": game.horizon, "seconds_compile": seconds_compile} | run_measured(
        compiled, inputs, repeats
    )


def in_fresh_process(function, *arguments) -> dict:
    """The result of a function in a new process, so that nothing earlier counts in its memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def measure(quick: bool) -> dict:
    """Both measurements."""
    individuals, periods, paths, repeats = (200, 20, 2, 1) if quick else (10_000, 500, 8, 5)
    progress(f"rollout of {individuals} individuals over {periods} periods")
    found = {"sampled rollout": in_fresh_process(rollout, individuals, periods, repeats)}
    progress(f"update on {paths} paths")
    found["RSPG update"] = in_fresh_process(one_update, paths, repeats)
    columns = {"seconds": "seconds", "seconds to compile": "seconds_compile", "peak MiB": "peak_mib"}
    columns |= {"run MiB": "run_mib"}
    stated = ("xla_temporary_mib", "xla_arguments_mib", "xla_outputs_mib")
    table = [
        {"what": what, **{text: row[name] for text, name in columns.items()}, "XLA MiB": sum(row[s] for s in stated)}
        for what, row in found.items()
    ]
    return {"precision": str(np.dtype(np.float32)), "game": "rspg_macro", "table": table, "found": found}


if __name__ == "__main__":
    run_benchmark("sampled", __doc__.splitlines()[0], measure)
