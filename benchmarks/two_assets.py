"""Households with two assets: agreement and seconds beside sequence-jacobian, and the global solution.

    python benchmarks/two_assets.py [--quick]

The stationary state, linear responses to three shocks and a nonlinear path of the two-asset HANK economy, against the
numbers of sequence-jacobian that are kept in tests/reference/sequence_jacobian. Where that package is installed both
are timed in one process, ours after compilation. Then the economy is solved globally, with shocks of the calibrated
size, and with a tenth of it, where its responses are compared with linear ones.
"""

import importlib.util
import sys
import time
from typing import Any

import numpy as np
import pandas as pd
from machine import ROOT, kept_solution, progress, run_benchmark

import hank_mfg as hm

sys.path.insert(0, str(ROOT / "tests" / "solve"))
from test_two_assets import ENDS, NAMES, NOW, PATHS, SHOCKS, gap

KEPT = ROOT / "tests" / "reference" / "sequence_jacobian"
POINTS = {"liquid": 50, "illiquid": 70}
TINY = {"asset_points": 25, "second_points": 36, "knots": 10, "updates": 2, "paths": 2, "horizon": 2, "warmup": 5}
CALM = 0.1  # of the calibrated standard deviations, where responses are compared with linear ones
# small responses ask for less noise of the last updates than the default leaves
CALM_SETTINGS = {"updates": 40, "learning_rate": 2e-4, "final_step": 0.1, "tolerance": 1e-6}
NEWS = {"monetary": -0.0005, "productivity": 0.0025, "extra_spending": 0.001}  # of impulse responses, in own units


def kept(name: str) -> pd.DataFrame:
    """A table of the package's numbers."""
    return pd.read_csv(KEPT / f"two_asset_{name}.csv")


def timed(function: Any) -> tuple[Any, float]:
    """What a function returns, and its seconds."""
    begin = time.perf_counter()
    found = function()
    return found, time.perf_counter() - begin


def agreement() -> list[dict[str, Any]]:
    """The largest gaps from the package, with our seconds after compilation."""
    steady = hm.steady_state("two_asset_hank", asset_points=POINTS)
    package = kept("steady_state").set_index("name")["value"]
    gaps = {ours: abs(steady.outcomes[ours] / package[theirs] - 1) for theirs, ours in {**NAMES, **NOW}.items()}
    rows = [{"what": "stationary state", "largest relative gap": max(gaps.values()), "seconds": steady.seconds_run}]
    linear, responses = hm.linearize(steady, horizon=300), kept("responses")
    for shock, name in SHOCKS.items():
        response = linear.response(**{name: PATHS[shock]})
        worst = {o: gap(response[o], responses[f"{shock}_{t}"]) for t, o in {**NAMES, **ENDS}.items()}
        where = max(worst, key=worst.__getitem__)
        rows.append({"what": f"responses to {name}, of the peak", "largest relative gap": worst[where], "of": where})
    rows[-1]["seconds"] = linear.seconds_run  # of all three
    path, exact = hm.transition(steady, horizon=300, linear=linear, monetary=4 * PATHS["rstar"]), kept("nonlinear")
    worst = {o: gap(path.series[o] - steady.outcomes[o], exact[t]) for t, o in {**NAMES, **ENDS}.items()}
    rows.append(
        {"what": "path of a monetary shock of 1 point", "largest relative gap": max(worst.values()),
         "of": max(worst, key=worst.__getitem__), "seconds": path.seconds_run}
    )  # fmt: skip
    return [{"what": "", "largest relative gap": 0.0, "of": "", "seconds": None, **row} for row in rows]


def package_seconds() -> dict[str, float] | None:
    """Seconds of sequence-jacobian for the same, in its second call, with the tolerances at which its numbers are
    right to the digits compared; None where it is not installed."""
    if importlib.util.find_spec("sequence_jacobian") is None:
        return None
    sys.path.insert(0, str(KEPT))
    import make_two_asset_hank as package

    household, stationary, model = package.models()
    package.stationary_state(stationary, model)
    steady, first = timed(lambda: package.stationary_state(stationary, model))
    inputs = (steady, package.HOUSEHOLD_INPUTS, package.HOUSEHOLD_OUTPUTS, package.PERIODS)
    household.jacobian(*inputs, **package.HOUSEHOLD)
    jacobian, second = timed(lambda: household.jacobian(*inputs, **package.HOUSEHOLD))
    shocks = {"rstar": PATHS["rstar"], "Z": PATHS["Z"] * steady["Z"], "G": PATHS["G"]}
    _, third = timed(lambda: package.linear(model, steady, jacobian, shocks))
    _, fourth = timed(lambda: package.nonlinear(model, steady, jacobian, {"rstar": 4 * PATHS["rstar"]}))
    return {"stationary": first, "jacobian": second, "responses": third, "path": fourth}


def responses(solution: hm.Solution, linear: Any, quick: bool, share: float) -> list[dict[str, Any]]:
    """Global responses to shocks, a `share` of `NEWS`, beside linear ones: gaps on impact, of the peak."""
    rows = []
    for shock, size in NEWS.items():
        size = size * (0.1 * share if quick else share)
        starts, horizon = (256, 2) if shock == "extra_spending" else (32, 12)  # whose response of output is small
        found = hm.impulse_response(solution, shock, size, horizon=horizon, starts=4 if quick else starts, paths=2)
        persistence = getattr(solution.model, {"extra_spending": "spending"}.get(shock, shock) + "_persistence")
        scale = solution.steady.public.shocks[shock] if shock == "productivity" else 1.0
        exact = linear.response(**{shock: size * scale * persistence ** np.arange(linear.horizon)})
        for name in ("output", "consumption", "investment", "inflation"):
            unit = 100.0 if name == "inflation" else 100.0 / solution.steady.outcomes[name]  # points, percent
            theirs, ours = exact[name] * unit, float(found.mean[name][0])
            rows.append(
                {"shock": shock, "share of the calibrated size": share, "series": name, "unit": found.units[name],
                 "impact": ours, "standard error": float(found.error[name][0]), "linear impact": float(theirs[0]),
                 "gap of the peak": float(abs(ours - theirs[0]) / np.abs(theirs).max())}
            )  # fmt: skip
    return rows


def trained(quick: bool, share: float = 1.0) -> tuple[hm.Solution, float | None]:
    """The global solution with shocks of a `share` of their calibrated size, kept, and the seconds it took."""
    model = hm.load_model("two_asset_hank")
    names = ("productivity_sd", "monetary_sd", "spending_sd")
    model = hm.load_model("two_asset_hank", **{name: share * getattr(model, name) for name in names})
    changes = TINY if quick else {} if share == 1.0 else CALM_SETTINGS
    return kept_solution(
        ROOT / "benchmarks" / "runs" / "two_assets" / f"{'quick' if quick else 'full'}_{share:g}.npz", model,
        lambda: hm.solve(model, hm.RSPG.for_model(model, **changes), verbose=False),
    )  # fmt: skip


def measure(quick: bool) -> dict[str, Any]:
    """Accuracy and seconds."""
    progress("stationary state, responses and a path")
    table = agreement()
    progress("sequence-jacobian")
    package = package_seconds()
    ours = [row["seconds"] for row in table if row["seconds"] is not None]
    ratios = None
    if package is not None:
        steps = package["stationary"] + package["jacobian"] + package["responses"]
        ratios = {"stationary, Jacobians, responses": sum(ours[:2]) / steps, "path": ours[2] / package["path"]}
    progress("global solution")
    solution, seconds = trained(quick)
    progress("errors and responses")
    errors = hm.euler_errors(solution, periods=20 if quick else 300)
    path = hm.simulate(solution, periods=20 if quick else 300)
    errors_found = {
        "seconds": seconds, "updates": solution.updates, "euler_mean_percent": (100 * errors.mean).tolist(),
        "euler_largest_percent": (100 * errors.maximum).tolist(), "bound": errors.bound.tolist(),
        "expectations": [each.to_dict() for each in errors.expectations], "excess_demand": errors.excess_demand,
        "goods_over_output": float(np.abs(path.goods_market).max()), "periods": errors.periods,
    }  # fmt: skip
    progress("exploitability and a search over all pairs")
    sizes = {"paths": 1, "horizon": 5} if quick else {}
    found, gain_seconds = timed(lambda: hm.exploitability(solution, **sizes, **({"updates": 1} if quick else {})))
    search, search_seconds = timed(lambda: hm.search_gain(solution, **sizes))
    at_rest = hm.search_gain(solution.steady)
    deviations = {
        "exploitability": {**found._asdict(), "seconds": gain_seconds},
        "search": {**search._asdict(), "seconds": search_seconds}, "search_at_rest_percent": at_rest.percent,
    }  # fmt: skip
    linear = hm.linearize(solution.steady, horizon=300)
    progress("smaller shocks")
    calm, _ = trained(quick, CALM)
    rows = responses(calm, linear, quick, CALM)
    return {
        "precision": "training float32, everything else float64", "table": table, "package_seconds": package,
        "ratios_of_seconds": ratios, "global": errors_found, "deviations": deviations, "responses": rows,
    }  # fmt: skip


if __name__ == "__main__":
    run_benchmark("two_assets", __doc__.splitlines()[0], measure)
