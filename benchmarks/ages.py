"""Lives that end: closed-form generations, sixty cohorts with disasters, a life cycle with risk of income and death.

    python benchmarks/ages.py [--quick]

Generations with log utility and full depreciation save known shares of their wealth, with aggregate risk too. The
errors of sixty cohorts are those of consumption in the Euler equation, over 10,000 periods: over the histogram, and at
what each cohort holds, where the published errors are taken. Seconds are of this
machine; the stationary equilibrium of the life cycle is timed after compilation, at another discount factor.
"""

import resource
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from machine import ROOT, TINY, progress, run_benchmark

import hank_mfg as hm
from hank_mfg.compiling import quick_jit
from hank_mfg.evaluate.euler_errors import errors_at
from hank_mfg.evaluate.given import path_of, walk
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.play.rollout import rollout

sys.path.insert(0, str(ROOT / "tests" / "reference"))
from reference_generations import Generations, saving_shares

GENERATIONS = {"asset_points": 60, "updates": 600, "tolerance": 1e-7, "final_rate": 1e-3}
COHORTS = {
    "asset_points": 30, "knots": 10, "paths": 256, "horizon": 3, "width": 128, "updates": 900, "learning_rate": 1e-3,
    "final_step": 0.1,
}  # fmt: skip
LIFE_CYCLE = {"asset_points": 60, "knots": 12, "paths": 32, "horizon": 4}


def largest_gap(solution: hm.Solution, periods: int) -> float:
    """By how much saving shares miss the known ones, the largest of all ages along a path."""
    path, worst = hm.simulate(solution, periods=periods, seed=4), 0.0
    for end in range(20, periods + 1, 20):
        history = {name: path.series[name][:end] for name in ("capital", "estates")} | {"shock": path.shock[:end]}
        gross, wage = (float(path.series[name][end - 1]) for name in ("gross", "wage"))
        assets, own = np.linspace(0.02, 0.3, 8)[:, None], np.arange(6)[None]
        wealth = np.where(own == 0, wage, gross * assets + 1e-9 * wage)
        gap = solution.savings(assets, own, history) / wealth - saving_shares(0.7, 6)
        worst = max(worst, float(np.abs(gap).max()))
    return worst


@float64_allowed
def errors_of_cohorts(solution: hm.Solution, periods: int, asset_points: int = 100) -> np.ndarray:
    """Relative errors of consumption in the Euler equation at the mean assets of every age, (periods, ages); not a
    number where no debt is allowed and none is wanted less."""
    play = solution.play(asset_points)
    given: dict[str, Any] = dict.fromkeys(("burn", "shocks", "distribution"))
    path = path_of(solution, play, key=jax.random.PRNGKey(2), periods=periods, **given)
    state, economy = walk(play, path.start, path.shocks_next[: path.burn]), play.economy

    def error(step):
        mass = step.now.state.aggregate.mass
        held = jnp.sum(mass * economy.grid.held, axis=0, keepdims=True) / jnp.sum(mass, axis=0, keepdims=True)
        errors, binds = errors_at(economy, step, play.look_ahead(step), held)
        return jnp.where(binds, jnp.nan, errors)[0]

    @quick_jit
    def block(state, shocks):
        last, steps = rollout(play, state, shocks, lambda step: step)
        return last, jax.vmap(error)(steps)

    found = []
    for shocks in np.asarray(path.shocks_next[path.burn :]).reshape(-1, 100):
        state, errors = block(state, jnp.asarray(shocks))
        found.append(np.asarray(errors))
    return np.concatenate(found)


def solved(model: Any, settings: dict[str, Any], quick: bool, periods: int) -> tuple[hm.Solution, dict[str, Any]]:
    """A global solution, and its errors in percent."""
    begin = time.perf_counter()
    solution = hm.solve(model, hm.RSPG(**(TINY if quick else settings)), verbose=False)
    seconds = time.perf_counter() - begin
    errors = hm.euler_errors(solution, periods=100 if quick else periods, asset_points=100)
    return solution, {
        "status": str(solution.status), "updates": solution.updates, "seconds": seconds,
        "euler_mean_percent": 100 * errors.mean, "euler_999_percent": 100 * errors.percentile_999,
        "euler_largest_percent": 100 * errors.maximum, "dynamic_mean_percent": 100 * errors.dynamic_mean,
        "dynamic_largest_percent": 100 * errors.dynamic_maximum, "periods": errors.periods,
        "saving_share_gap": None, "of_cohorts_percent": None,
    }  # fmt: skip


def measure(quick: bool) -> dict[str, Any]:
    """Accuracy and seconds."""
    progress("generations with a closed form")
    generations, known = solved(Generations(), GENERATIONS, quick, 2000)
    known["saving_share_gap"] = largest_gap(generations, 40 if quick else 1000)
    progress("sixty cohorts")
    solution, cohorts = solved("overlapping_generations", COHORTS, quick, 10_000)
    each = 100.0 * errors_of_cohorts(solution, 100 if quick else 10_000)
    cohorts["of_cohorts_percent"] = [
        float(np.nanmean(each)),
        float(np.nanpercentile(each, 99.9)),
        float(np.nanmax(each)),
    ]
    progress("life cycle")
    model = hm.load_model("life_cycle")
    hm.steady_state(model, asset_points=100)
    begin = time.perf_counter()
    steady = hm.steady_state(model.with_parameters(discount_factor=0.971), asset_points=100)
    stationary = {
        "seconds": time.perf_counter() - begin, "states": int(steady.mass.size), "residual": steady.residual,
        "process_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }  # fmt: skip
    _, life = solved(model, LIFE_CYCLE, quick, 1000)
    table = [{"economy": name, **each} for name, each in (("generations", known), ("cohorts", cohorts), ("life", life))]
    return {"precision": "training float32, errors float64", "table": table, "stationary_life_cycle": stationary}


if __name__ == "__main__":
    run_benchmark("ages", __doc__.splitlines()[0], measure)
