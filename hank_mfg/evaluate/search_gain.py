"""The gain of a household from other savings, found by a search that uses no first-order condition.

Policies here come from first-order conditions, and so does the clairvoyant best response of exploitability.py. Where
these are not sufficient both are wrong together. This measure shares none of it: backward from the end of each path
every choice of next assets is tried (best_savings.py), knowing the path of prices, and the value after
the path is that of the same search in the stationary equilibrium. It shares the asset grid and its lottery.

The gain is an upper bound as the clairvoyant one is: the searcher knows the path. Gains are means over the mass and
paths, as permanent percent of consumption (welfare.py).
"""

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.product_grid import require_one_asset
from hank_mfg.evaluate.exploitability.deviation import draw_path, followers_welfare, path_welfare, terminal_values
from hank_mfg.evaluate.welfare import consumption_equivalent, consumption_percent
from hank_mfg.files import latex_of
from hank_mfg.policy.tables import ConsumptionFunction
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.play.lifetime import Frozen
from hank_mfg.solve.play.rollout import Play, State
from hank_mfg.solve.solution import GlobalSolution
from hank_mfg.solve.stationary.best_savings import best_choice, stationary_best
from hank_mfg.solve.stationary.household import feasible_savings
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd

PARTS = 2  # choices tried between neighboring asset points of a path, plus one


@readable
class SearchGain(NamedTuple):
    """The gain of the best savings by search: lifetime utility, mean over the mass (and paths), and permanent `percent`
    of consumption. `percent_on_points` is what choices on asset points alone gain: the difference says how fine the
    search is. `standard_error_percent` over `paths` of `horizon` periods; in a stationary equilibrium there are none.
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
    paths: int = 4,
    horizon: int = 150,
    seed: int = 5,
    asset_points: int = 100,
) -> SearchGain:
    """The gain of one household from other savings, by a search over all choices without first-order conditions.

    Of a stationary equilibrium at its prices, on its own grid; of a solution with aggregate risk along `paths` paths of
    `horizon` periods on `asset_points` points, knowing the path. Near zero where policies are right: what is left in a
    solution with aggregate risk is mostly the value of knowing the path. Never negative: the choices of the policy
    are among those searched. float64. Raises ValueError for sizes below 1.
    """
    require_sizes(
        "search_gain",
        {"paths": (paths, 1, 4), "horizon": (horizon, 1, 150), "asset_points": (asset_points, 10, 100)},
        lambda: (float(asset_points) * horizon, 10.0 * float(asset_points) ** 2 * paths * horizon),
    )
    if isinstance(solution, SteadyState):
        return _stationary_gain(solution)
    require_one_asset(solution.steady.economy.model)
    play = solution.play(asset_points)
    state = solution.start(play)
    own = terminal_values(solution.steady, play)[0]
    grid = solution.steady.economy.on(play.economy.grid)
    best = _terminal_best(grid, solution.steady.public, solution.steady.policy)
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
    for parts in (2, 1) if steady.economy.several else (4, 1):  # of pairs there are many
        own, best = stationary_best(steady.economy, steady.public, jnp.asarray(steady.savings), parts)
        gains.append(float(jnp.sum(jnp.asarray(steady.mass) * (best.value - own))))
    percent, on_points = (consumption_percent(steady, each) for each in gains)
    return SearchGain(gains[0], percent, on_points, 0.0, 0, 0, steady.economy.shape[0], 0)


@quick_jit
def _terminal_best(economy: Economy, public: Public, policy: ConsumptionFunction) -> Array:
    """The value of assets after the last period under the search: (assets, income)."""
    cash = economy.resources(public)
    return stationary_best(economy, public, feasible_savings(economy, public, cash, policy(cash)))[1].value


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
            "search": _best_value(economy, path, best, PARTS),
            "points": _best_value(economy, path, best, 1),
        }
        gains = {name: jnp.sum(mass * value) for name, value in values.items()}
        return {**gains, "policy": welfare[0], "welfare": welfare}

    return jax.lax.map(one, keys)
