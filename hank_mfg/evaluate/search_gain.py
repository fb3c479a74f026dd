"""The gain of a household from other savings, found by a search that uses no first-order condition.

Policies here come from first-order conditions, and so does the clairvoyant best response of exploitability.py. Where
these are not sufficient both are wrong together. This measure shares none of it: backward from the end of each path
every choice of next assets is tried (best_savings.py), knowing the path of prices, and the value after
the path is that of the same search in the stationary equilibrium. It shares the asset grid and its lottery.

The gain is an upper bound as the clairvoyant one is: the searcher knows the path. Gains are means over the mass and
paths, as permanent percent of consumption (welfare.py).
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.environment.economy import Economy
from hank_mfg.evaluate.exploitability.deviation import draw_path, followers_welfare, path_welfare, terminal_values
from hank_mfg.evaluate.stationary_savings import savings_on
from hank_mfg.evaluate.welfare import consumption_equivalent, consumption_percent
from hank_mfg.files import latex_of
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.play.lifetime import Frozen
from hank_mfg.solve.play.rollout import Play, State
from hank_mfg.solve.solution import GlobalSolution
from hank_mfg.solve.stationary.best_savings import best_choice, stationary_best
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd


@readable
class SearchGain(NamedTuple):
    """The gain of the best savings by search: lifetime utility, mean over the mass (and paths), and permanent `percent`
    of consumption. `percent_on_points` is what choices on asset points alone gain, with two assets a search that begins
    at those: the difference says how fine the search is. `standard_error_percent` over `paths` of `horizon` periods; in
    a stationary equilibrium there are none.
    """

    gain: float
    percent: float
    percent_on_points: float
    standard_error_percent: float
    paths: int
    horizon: int
    asset_points: int
    seed: int

    def table(self) -> "pd.DataFrame":
        """One row: the gain in lifetime utility and in percent of permanent consumption, with the standard error of the
        latter over paths, and what choices on asset points alone gain, in percent."""
        import pandas as pd

        row = (self.gain, self.percent, self.standard_error_percent, self.percent_on_points)
        columns = [
            "gain (lifetime utility)",
            "percent of consumption",
            "standard error (percent)",
            "on points (percent)",
        ]
        return pd.DataFrame([row], index=pd.Index(["search"], name="deviator"), columns=columns)

    to_latex = latex_of


@float64_allowed
def search_gain(
    solution: SteadyState | GlobalSolution,
    *,
    paths: int | None = None,
    horizon: int | None = None,
    seed: int = 5,
    asset_points: int | Mapping[str, int] | None = None,
) -> SearchGain:
    """The gain of one household from other savings, by a search over all choices without first-order conditions.

    Of a stationary equilibrium at its prices, on its own grid; of a solution with aggregate risk along `paths` paths
    (4; 2 where households have two assets) of `horizon` periods (150; 50) on `asset_points` points (100; of each asset
    half as many as in training), knowing the path. Near zero where policies are right: what is left in a
    solution with aggregate risk is mostly the value of knowing the path. Never negative: the choices of the policy
    are among those searched. float64. Raises ValueError for sizes below 1.
    """
    at_rest = isinstance(solution, SteadyState)
    economy = solution.economy if isinstance(solution, SteadyState) else solution.steady.economy
    paths, horizon, points = _sizes(economy, paths, horizon, asset_points)
    if at_rest:
        return _stationary_gain(solution)
    play = solution.play(points)
    state = solution.start(play)
    own = terminal_values(solution.steady, play)[0]
    grid = solution.steady.economy.on(play.economy.grid)
    best = stationary_best(grid, solution.steady.public, savings_on(solution.steady, grid), _parts(grid)[-1])[1].value
    keys = jax.random.split(jax.random.PRNGKey(seed), paths)

    found = _along(play, state, (own[1:], best), horizon, keys)
    welfare = followers_welfare(play, solution.steady, state, horizon, keys, first=found["welfare"])
    preferences = play.economy.model.preferences()
    gains = {name: np.asarray(found[name] - found["policy"]) for name in ("search", "points")}
    percent, on_points = (consumption_equivalent(preferences, welfare, each.mean()) for each in gains.values())
    mean = float(gains["search"].mean())
    spread = float(gains["search"].std(ddof=1) / np.sqrt(paths)) if paths > 1 else float("nan")
    error = spread * percent / mean if mean else 0.0
    return SearchGain(mean, percent, on_points, error, paths, horizon, play.economy.shape[0], seed)


def _stationary_gain(steady: SteadyState) -> SearchGain:
    gains = []
    for parts in (_parts(steady.economy)[-1], 1):
        own, best = stationary_best(steady.economy, steady.public, jnp.asarray(steady.savings), parts)
        gains.append(float(jnp.sum(jnp.asarray(steady.mass) * (best.value - own))))
    percent, on_points = (consumption_percent(steady, each) for each in gains)
    return SearchGain(gains[0], percent, on_points, 0.0, 0, 0, steady.economy.shape[0], 0)


def _parts(economy: Economy) -> tuple[int, int]:
    """How finely choices are tried between neighboring asset points along a path, and at rest; of pairs there are
    many."""
    return (2, 2) if economy.several else (2, 4)


def _sizes(economy: Economy, paths: int | None, horizon: int | None, asset_points: Any) -> tuple[int, int, Any]:
    """Paths, periods and asset points: the usual ones where none are given. Raises SizeError."""
    two = bool(economy.several)
    usual = (2, 50) if two else (4, 150)
    paths, horizon = (given if value is None else value for value, given in zip((paths, horizon), usual, strict=True))
    half = {name: max(10, count // 2) for name, count in economy.grid.count.items()} if two else 100
    points = half if asset_points is None else asset_points
    each = points if isinstance(points, Mapping) else {"asset_points": points}
    sizes = {"paths": (paths, 1, usual[0]), "horizon": (horizon, 1, usual[1])}
    sizes |= {name: (count, 10, half[name] if isinstance(half, dict) else half) for name, count in each.items()}
    require_sizes(
        "search_gain", sizes,
        lambda: (math.prod(map(float, each.values())) * horizon,
                 10.0 * math.prod(map(float, each.values())) ** 2 * paths * horizon),
    )  # fmt: skip
    return paths, horizon, points


def _best_value(economy: Economy, path: Frozen, terminal: Array, parts: int) -> Array:
    """The value of the best savings along a path known ahead, (assets, income) at its start."""

    def back(value, period):
        now, shock_next = period
        ahead = economy.chain(now.state.aggregate.shock, shock_next).expect(value)
        return best_choice(economy, now.public, ahead, now.savings, parts).value, None

    return jax.lax.scan(back, terminal, (path.now, path.shock_next), reverse=True)[0]


@quick_jit
def _along(play: Play, state: State, terminal: tuple[Array, Array], horizon: int, keys: Array) -> dict[str, Array]:
    """Values on every path of following the policy and of the best by search, (paths,) each; `welfare` (paths, 2) as
    `path_welfare` gives it at a factor of one. `terminal` holds the values of followers with their derivatives,
    (2, assets, income), and that of who searches, (assets, income)."""

    def one(key):
        economy, mass = play.economy, state.aggregate.mass
        path = draw_path(play, state, horizon, key)
        own, best = terminal
        welfare = path_welfare(economy, mass, path, own, jnp.ones((), mass.dtype))
        values = {
            "search": _best_value(economy, path, best, _parts(economy)[0]),
            "points": _best_value(economy, path, best, 1),
        }
        gains = {name: jnp.sum(mass * value) for name, value in values.items()}
        return {**gains, "policy": welfare[0], "welfare": welfare}

    return jax.lax.map(one, keys)
