"""Likelihoods of the one-asset HANK economy on US data, beside the same pieces of sequence-jacobian.

    python benchmarks/estimation.py [--quick]

Output, inflation and the funds rate, 1966Q1-2004Q4, three shocks, 300 periods, 500 asset points. Compiled once, then
medians. "Shocks" changes persistence and sizes of shocks, "equations" also the policy rule and the Phillips curve with
household Jacobians given, "households" also the discount factor and risk aversion: everything is solved again. The
package (the extra `oracle`) is timed in the same process: moving-average coefficients from its general-equilibrium
Jacobian, its covariances and its likelihood; for equations that Jacobian too. It has no gradient, ours are exact.
"""

import importlib.util
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from machine import run_benchmark, timed

import hank_mfg as hm
from hank_mfg.estimate.likelihood.likelihood import one_thread
from hank_mfg.replication.auclert_2021 import run as replication

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reference" / "sequence_jacobian"))
PERIODS = 300


def ours(points: int, repeats: int) -> list[dict]:
    """Seconds of values and gradients for each kind of parameters."""
    model = replication.economy()
    steady = hm.steady_state(model, asset_points=points)
    data, rows = replication.data(), []
    kinds = {
        "shocks": replication.SHOCKS, "equations": replication.SHOCKS + replication.EQUATIONS,
        "households": (*replication.SHOCKS, *replication.EQUATIONS, "discount_factor", "risk_aversion"),
    }  # fmt: skip
    for kind, names in kinds.items():
        likelihood = hm.likelihood(model, data, replication.OBSERVED, names, horizon=PERIODS, steady=steady)
        many = repeats if kind != "households" else max(1, repeats // 5)
        _, gradient = timed(f"{kind}: value and gradient", lambda x=likelihood: x.value_and_gradient(x.start), many)
        rows.append(gradient)
        with jax.enable_x64(True):
            value = jax.jit(lambda v, x=likelihood: x.traced(dict(zip(x.parameters, v, strict=True))))
            at = jnp.asarray(list(likelihood.start.values()))
            with one_thread():  # of linear algebra, as the library's own calls
                rows.append(timed(f"{kind}: value", lambda f=value, at=at: f(at).block_until_ready(), many)[1])
    return rows


def theirs(points: int, repeats: int) -> list[dict]:
    """The package's seconds for the same pieces; empty where it is not installed."""
    if importlib.util.find_spec("sequence_jacobian") is None:
        return []
    import make_one_asset_hank as package
    from sequence_jacobian import create_model, simple
    from sequence_jacobian.estimation import all_covariances, log_likelihood
    from sequence_jacobian.examples.hank import firm

    @simple
    def spending(r, B, G):
        Tax = r * B + G
        return Tax

    @simple
    def rule(pi, Y, rstar, phi, phi_y):
        i = rstar + phi * pi + phi_y * (Y - 1)
        r = (1 + i(-1)) / (1 + pi) - 1
        return i, r

    @simple
    def phillips(pi, w, Z, Y, r, mu, kappa, v):
        left = (1 + pi).apply(np.log)
        later = Y(+1) / Y * (1 + pi(+1)).apply(np.log) / (1 + r(+1))
        nkpc_res = kappa * (w / Z - 1 / mu) + later + v - left
        return nkpc_res

    @simple
    def clearing(A, B, NE, L):
        asset_mkt = A - B
        labor_mkt = NE - L
        return asset_mkt, labor_mkt

    household, stationary, model = package.models()
    package.CALIBRATION["nA"] = points
    found = package.stationary_state(stationary, model)
    estimated = create_model([household, firm, rule, spending, clearing, phillips], name="estimated")
    more = {"G": 0.0, "v": 0.0, "phi_y": 0.0}
    steady = estimated.steady_state({**{k: found[k] for k in found}, **more}, options=package.OPTIONS)
    inputs, outputs = ["rstar", "G", "v"], ["Y", "pi", "i"]
    given = {"hh": household.jacobian(steady, ["r", "w", "Div", "Tax"], T=PERIODS)}
    sample = np.ascontiguousarray(replication.detrended())
    sizes, persistence = np.array([0.4, 0.5, 0.1]), np.array([0.5, 0.8, 0.9])

    def jacobian():
        return estimated.solve_jacobian(
            steady, package.UNKNOWNS, package.TARGETS, inputs, outputs, T=PERIODS, Js=given
        )  # fmt: skip

    general = jacobian()
    blocks = np.array([[general[o][z] for z in inputs] for o in outputs])

    def value(blocks=blocks):
        paths = persistence ** np.arange(PERIODS)[:, None]
        coefficients = np.einsum("ozts,sz->toz", blocks, paths, optimize=True)
        return log_likelihood(sample, all_covariances(coefficients, sizes))

    def with_jacobian():
        general = jacobian()
        return value(np.array([[general[o][z] for z in inputs] for o in outputs]))

    return [
        timed("package, shocks: value", value, repeats)[1],
        timed("package, equations: value", with_jacobian, max(3, repeats // 3))[1],
    ]


def measure(quick: bool) -> dict:
    """Both, and the ratios of values and gradients."""
    points, repeats = (60, 2) if quick else (500, 25)
    table, package = ours(points, repeats), theirs(points, repeats)
    least = {row["what"]: row["median"] for row in (*table, *package)}
    ratios = {
        f"{kind}, {what}": least[f"{kind}: {what}"] / least[f"package, {kind}: value"]
        for kind in ("shocks", "equations") for what in ("value", "value and gradient") if package
    }  # fmt: skip
    return {"precision": "float64", "table": [*table, *package], "ratio to the package": ratios}


if __name__ == "__main__":
    run_benchmark("estimation", __doc__.splitlines()[0], measure)
