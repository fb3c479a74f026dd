"""Who gains: a reform of taxes in one call, and the constrained planner against published figures.

    python benchmarks/welfare.py [--quick]

The reform abolishes a tax on capital income of 20 percent; the tax on earnings balances the budget in every period. The
planner is that of Davila, Hong, Krusell and Rios-Rull (2012), their calibration with the wealth distribution of the US,
beside the figures of Han, Yang and E, who follow 50 agents, and beside itself on four times the points; then with
productivity that moves between .95 and 1.05, by the same training as the market's equilibrium. What the planner leaves
out is measured without a first-order condition: savings of one period are tilted, and welfare follows along paths.
Draws docs/figures/welfare.png.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from machine import RESULTS, ROOT, TINY, progress, run_benchmark
from welfare_economies import RiskyUnequal, Taxes, Unequal

import hank_mfg as hm
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.play.rollout import rollout

PUBLISHED = {  # market, planner
    "capital": (30.635, 119.741), "output": (10.294, 16.816), "interest_rate": (0.04097, -0.02944),
    "Gini coefficient of wealth": (0.864, 0.862), "Gini coefficient of consumption": (0.615, 0.386),
}  # fmt: skip


def measure(quick: bool) -> dict[str, Any]:
    """Welfare with and without the way there, by decile of wealth; the planner on two grids."""
    progress("reform")
    reform = hm.reform(Taxes(), {"capital_tax": 0.0}, finance="labor_tax", asset_points=60 if quick else 400)
    again = hm.reform(Taxes(), {"capital_tax": 0.0}, finance="labor_tax", asset_points=60 if quick else 200)
    deciles = reform.gains.by().reset_index()
    drawn = RESULTS / "welfare.quick.png" if quick else ROOT / "docs" / "figures" / "welfare.png"
    hm.plot.welfare(reform.gains).savefig(drawn, dpi=200, metadata={"Software": None})
    progress("planner")
    planners = {points: hm.planner(Unequal(), asset_points=points) for points in ((60,) if quick else (200, 800))}
    rows = []
    for name, published in PUBLISHED.items():
        for place, column in enumerate(("market", "planner")):
            found = {f"{points} points": float(each.table().loc[name, column]) for points, each in planners.items()}
            rows.append({"what": f"{name}, {column}", **found, "Han, Yang and E": published[place]})
    progress("planner with aggregate risk")
    settings = hm.RSPG(**(TINY if quick else {}))
    risky = {
        "market": hm.solve(RiskyUnequal(), settings, verbose=False),
        "planner": hm.planner(RiskyUnequal(), settings, verbose=False),
    }
    residuals = {points: (each.residual_mean, each.residual_largest) for points, each in planners.items()}
    return {
        "precision": "float64", "table": rows, "residuals_percent": residuals,
        "risk": {name: with_risk(each, 200 if quick else 10_000, 4 if quick else 64) for name, each in risky.items()},
        "seconds": {points: each.seconds for points, each in planners.items()},
        "reform": reform.table().reset_index().to_dict("records"), "deciles": deciles.to_dict("records"),
        "parts": {"path": reform.gains.parts._asdict(), "rest": reform.gains_at_rest.parts._asdict()},
        "percent_on_half_the_points": again.gains.percent,
        "budget": float(np.ptp(reform.path.series["government_budget"])),
    }  # fmt: skip


def with_risk(solution: hm.Solution, periods: int, paths: int) -> dict[str, Any]:
    """Means along a path, Euler errors in percent, seconds, and the gains of tilted savings."""
    path, errors = hm.simulate(solution, periods=periods, seed=7), hm.euler_errors(solution, periods=periods)
    return {
        "capital": float(path.series["capital"].mean()), "interest_rate": float(path.series["interest_rate"].mean()),
        "euler_mean_percent": 100 * errors.mean, "euler_max_percent": 100 * errors.maximum,
        "dynamic_max_percent": 100 * errors.dynamic_maximum, "seconds": solution.seconds_total,
        "gains_of_tilts": gains_of_tilts(solution, paths),
    }  # fmt: skip


@float64_allowed
def gains_of_tilts(solution: hm.Solution, paths: int, periods: int = 150) -> list[tuple[float, float]]:
    """By how much welfare rises per unit saved more in one period, in units of mean marginal utility, and its standard
    error over paths: by the rich in proportion to assets, by all who save alike, by the poorest of them."""
    play = solution.play(200)
    economy, state = play.economy, solution.start(play)
    now, held = play.decide(state), economy.grid.points[:, None]
    beta, mass = float(economy.model.discount_factor), state.aggregate.mass

    def welfare(size, tilt, shocks):
        savings = now.savings + size * tilt
        step = play.act(now._replace(savings=savings), shocks[0])
        first = jnp.sum(mass * economy.reward(savings, now.public))

        def flow(step):
            return jnp.sum(step.now.state.aggregate.mass * economy.reward(step.now.savings, step.now.public))

        _, later = rollout(play, play.follow(step, shocks[0]), shocks[1:], flow)
        return first + jnp.sum(later * beta ** jnp.arange(1, len(later) + 1))

    keys = jax.random.split(jax.random.PRNGKey(0), paths)
    shocks = jax.vmap(lambda key: economy.draw_shocks(state.aggregate.shock, periods, key=key))(keys)
    rise = jax.jit(jax.vmap(lambda t, s: jax.jvp(lambda e: welfare(e, t, s), (0.0,), (1.0,))[1], (None, 0)))
    free = (now.savings > 1e-6) & (now.savings < 0.9 * held.max())
    consumption = economy.budget(now.public).consumption_of(now.cash, now.savings)
    unit, found = float(jnp.sum(mass * consumption**-2.0)), []
    for tilt in (free * held / held.max(), free * 1.0, free * (jnp.arange(economy.shape[1]) == 0)):
        each = np.asarray(rise(tilt, shocks)) / float(jnp.sum(mass * tilt)) / unit
        found.append((float(each.mean()), float(each.std(ddof=1) / np.sqrt(paths))))
    return found


if __name__ == "__main__":
    run_benchmark("welfare", __doc__.splitlines()[0], measure)
