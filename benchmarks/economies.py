"""Economies whose prices clear inside the period: seconds of whole solves, accuracy, residuals of markets.

    python benchmarks/economies.py [--quick]

Seconds: `hank-mfg solve MODEL` in a process of its own, imports and compilation included, three times with an empty
compilation cache and twice with the cache of the last, medians; on an accelerator, and for economies with many
aggregate states, once each. Accuracy: `hank-mfg evaluate` of the last cold run. Of the HANK economy without the
bound also responses to monetary shocks of .1 points against the linear ones, percent of the peak: the largest gap
in 20 quarters with the standard error of a mean over starting states, of the perfect-foresight path too, and of the
mean of an easing and a tightening, from which what is not linear in the shock has dropped out. They are measured where
the other shocks are a tenth as large, so that the linear response is what a response should be, and as calibrated.
There responses depend on the state of the other shocks, also with perfect foresight: the lowest and highest response
on impact among those states, and perfect foresight averaged over them against the linear response and the global one.
"""

import tempfile
from pathlib import Path

import numpy as np
from machine import TINY, command, progress, run_benchmark, time_solves

import hank_mfg as hm
from hank_mfg.environment.markov import later, stationary_distribution
from hank_mfg.evaluate.distribution.date_zero import date_zero, set_apart
from hank_mfg.evaluate.impulse_response import change_in, unit_of
from hank_mfg.precision import float64_allowed

HANK = {
    "asset_points": 100, "paths": 8, "epochs": 128, "learning_rate": 3e-3, "final_rate": 0.1, "final_step": 0.1,
    "price_noise": 0.0,
}  # fmt: skip
ECONOMIES = {"huggett": {}, "one_asset_hank": HANK, "one_asset_hank_bound": HANK}
PERIODS = {"huggett": 10_000, "one_asset_hank": 1_000, "one_asset_hank_bound": 1_000}  # of the evaluation
CALM = {"productivity_sd": 1e-3, "patience_sd": 1e-4}  # a tenth of what is calibrated
# Where other shocks are small: the default tolerance is met before the shocks are learned, and at a learning rate of
# 3e-3 training ends in a period in which no prices clear.
HANK_CALM = {**HANK, "tolerance": 1e-5, "learning_rate": 1e-3}
SIZES = {"an easing": -1e-3, "a tightening": 1e-3}
RESPONSES = ("output", "inflation", "interest_rate")
QUARTERS, HORIZON = 20, 150  # of a response, and of the linear solution and perfect foresight
MEASURES = (
    "euler_error_mean_percent", "euler_error_max_percent", "dynamic_euler_mean_percent", "market_clearing_residual_max",
    "goods_market_residual_max", "price_error_mean_percent", "price_error_max_percent", "constrained_share",
    "top_of_grid_mass",
)  # fmt: skip


def measure_economy(name: str, quick: bool) -> tuple[list[dict], dict]:
    """Rows of the table and everything behind them."""
    settings, once = (TINY, True) if quick else (ECONOMIES[name], name != "huggett")
    options = [part for key, value in settings.items() for part in ("--option", f"{key}={value}")]
    with tempfile.TemporaryDirectory() as temporary:
        timings, run, cache = time_solves(name, Path(temporary), options, once)
        progress(f"evaluation of {name}")
        periods = 200 if quick else PERIODS[name]
        evaluation = command("evaluate", str(run), "--periods", str(periods), cache=cache)
        gaps = monetary_gaps(hm.load_run(run), settings, quick) if name == "one_asset_hank" else {}
    printed = evaluation["printed"]
    measured = [(f"seconds, whole process, {kind} cache", timings[kind]["seconds"]) for kind in ("cold", "warm")]
    measured += [(f"seconds, {part}", timings["cold"][f"seconds_{part}"]) for part in ("compile", "train")]
    measured += [("seconds of evaluation, whole process", evaluation["seconds"])]
    measured += [(measure, printed[measure]) for measure in MEASURES if printed[measure] is not None]
    gains = printed["exploitability"]["consumption_percent"]
    measured += [(f"exploitability, {kind}, percent of consumption", gain) for kind, gain in gains.items()]
    measured += list(gaps.items())
    rows = [{"economy": name, "row": what, "measured": value} for what, value in measured]
    return rows, {"settings": settings, "solve": timings, "evaluation": evaluation}


def monetary_gaps(solution: hm.Solution, settings: dict, quick: bool) -> dict[str, float]:
    """Where the other shocks are small, and as calibrated; a positive gap goes further in the direction of the peak."""
    progress("one_asset_hank with small other shocks")
    calm = hm.solve(hm.load_model("one_asset_hank", **CALM), hm.RSPG(**(settings if quick else HANK_CALM)))
    small, compared = responses(calm, 48, quick), responses(solution, 128, quick)
    found = {f"{what}, other shocks small": gap for what, gap in gaps_to_linear(small).items()}
    found |= {f"{what}, as calibrated": gap for what, gap in gaps_to_linear(compared).items()}
    progress("perfect foresight from every state of the other shocks")
    by_state = foresight_by_state(solution.model, solution.steady, 40 if quick else HORIZON)
    for what, size in SIZES.items():
        for name in RESPONSES:
            linear, peak = compared.response(size, "Linear", name), compared.gaps.loc[(size, name), ("Linear", "peak")]
            foreseen, of_states = by_state[size][name]
            trained = compared.response(size, "RSPG", name)
            gaps = {
                "perfect foresight averaged over states less linear response": foreseen - linear,
                "RSPG less perfect foresight averaged over states": trained - foreseen,
                "RSPG less linear response": trained - linear,
            }
            for kind, gap in gaps.items():
                row = f"{kind}, percent of the peak, {name} after {what}, as calibrated"
                found[f"{row}, on impact"] = float(100.0 * gap[0] / peak)
                found[f"{row}, largest"] = float(100.0 * np.abs(gap / peak).max())
            shares = 100.0 * of_states / linear[0]
            row = f"perfect foresight by state of the others, percent of linear, {name} after {what}, on impact"
            found |= {f"{row}, lowest": float(shares.min()), f"{row}, highest": float(shares.max())}
    return found


def responses(solution: hm.Solution, starts: int, quick: bool) -> hm.results.Comparison:
    """To an easing and a tightening."""
    progress(f"responses from {starts} starting states")
    sizes = {"starts": 2, "paths": 2} if quick else {"starts": starts, "paths": 4}
    options = {"horizon": QUARTERS, "asset_points": solution.steady.economy.grid.size, "accuracy": False}
    return hm.compare({"RSPG": solution}, "monetary", list(SIZES.values()), **options, **sizes)


def gaps_to_linear(compared: hm.results.Comparison) -> dict[str, float]:
    """After an easing and a tightening, and of their mean."""
    found, kind = {}, "gap to the linear response, percent of the peak"
    for name in RESPONSES:
        for what, size in SIZES.items():
            row = compared.gaps.loc[(size, name)]
            found[f"{kind}, {name} after {what}"] = abs(row["RSPG", "gap"])
            found[f"{kind}, {name} after {what}, standard error"] = row["RSPG", "error"]
            found[f"{kind}, {name} after {what}, perfect foresight"] = abs(row["Perfect foresight", "gap"])
        both = sum(compared.gap(size, "RSPG", name) for size in SIZES.values()) / 2
        found[f"{kind}, {name}, mean of both"] = float(np.abs(both).max())
    return found


@float64_allowed
def foresight_by_state(
    model: hm.Model, steady: hm.SteadyState, horizon: int
) -> dict[float, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Responses by size and variable with perfect foresight: averaged over the states of the other shocks, (QUARTERS,),
    and on impact in each of these, (others,). From rest, in every aggregate state at date 0, all shocks return as the
    chain expects; the generalized response is a lottery on these paths, as it is on those of the global one."""
    economy, linear = hm.discretize(model, 10, np.float64), hm.linearize(steady, horizon=horizon)
    values = {name: np.asarray(each, np.float64) for name, each in economy.shock_values.items()}
    usual = np.asarray(stationary_distribution(economy.shock_transition), np.float64)
    ahead = later(economy.shock_transition, np.eye(economy.shock_count) - usual, horizon)
    expected = {name: ahead @ each for name, each in values.items()}  # (horizon, states), less the mean
    paths = [
        hm.transition(steady, horizon=horizon, linear=linear, **{name: each[:, z] for name, each in expected.items()})
        for z in range(economy.shock_count)
    ]
    apart = set_apart(economy, ["monetary"])
    found: dict[float, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for size in SIZES.values():
        probabilities = np.stack(date_zero(economy, "monetary", size))  # without and with the shock
        weights = probabilities[:, apart].sum(axis=2)  # of the levels of the shock
        found[size] = {}
        for name in RESPONSES:
            levels = np.stack([np.asarray(path.series[name])[:QUARTERS] for path in paths])
            averaged, of_states, unit = probabilities @ levels, weights @ levels[apart, 0], unit_of(name, list(levels))
            found[size][name] = (change_in(unit, *averaged), change_in(unit, *of_states))
    return found


def measure(quick: bool) -> dict:
    """All of them."""
    each = {name: measure_economy(name, quick) for name in ECONOMIES}
    return {
        "precision": {"training": "float32", "measurement": "float64"},
        "table": [row for rows, _ in each.values() for row in rows],
        **{name: behind for name, (_, behind) in each.items()},
    }


if __name__ == "__main__":
    run_benchmark("economies", __doc__.splitlines()[0], measure)
