"""Simulate a solved economy along one long path of aggregate shocks, in float64, without sampling individuals."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.environment.accounting import OFF, explain_goods, goods_left
from hank_mfg.environment.economy import Economy
from hank_mfg.environment.product_grid import points_held
from hank_mfg.errors import SolveError
from hank_mfg.evaluate.given import Histogram, path_of, walk
from hank_mfg.model.portable import portable
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.play.market import Market, first_missed
from hank_mfg.solve.play.rollout import Decision, Play, State, rollout, worst_market
from hank_mfg.solve.solution import GlobalSolution
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd

UNCLEARED = 1e-6  # excess demand that is an error


@readable
@portable
class Simulation(NamedTuple):
    """A simulated path. Every entry of `series` has shape (periods,): aggregates, prices, shocks and outcomes of the
    period, and the chosen consumption and savings summed over the mass.

    `shock` (periods,) is the index of the aggregate state; `mass` (assets, income) the mean mass over evenly spaced
    periods of the path and `assets` its grid, of two assets those of each pair by name; `goods_market` (periods,) the
    excess supply of goods relative to output, or None where the model does not state it; `top_of_grid` (periods,) the
    mass at the last asset point; `excess_demand` (periods, clearing_prices) what is left of it where prices clear
    inside the period; `start` and `end` the states of the first period and of the one after the last; `seed` drew the
    shocks, None where they were given."""

    series: dict[str, np.ndarray]
    shock: np.ndarray
    assets: Any
    mass: np.ndarray
    goods_market: np.ndarray | None
    top_of_grid: np.ndarray
    excess_demand: np.ndarray
    start: State
    end: State
    seed: int | None

    def to_frame(self) -> "pd.DataFrame":
        """One row a period: the index of the aggregate state and every series as the model has it, a level or a decimal
        per period."""
        import pandas as pd

        return pd.DataFrame({"shock": np.asarray(self.shock), **self.series}).rename_axis("period")

    @property
    def periods(self) -> int:
        """The number of periods."""
        return len(self.shock)


def period_series(economy: Economy, now: Decision) -> dict[str, Array]:
    """Everything aggregate that happens in a period, by name."""
    return {**economy.series(now.public), **economy.choices(now.state.aggregate.mass, now.public, now.savings)}


@quick_jit
def _simulate(play: Play, start: State, shocks_next: Array, block: int):
    def record(step):
        now = step.now
        following = play.follow(step, step.shock_next)
        mass, tomorrow = now.state.aggregate.mass, play.economy.aggregates(following.aggregate)
        market = goods_left(play.economy, now.public, play.economy.choices(mass, now.public, now.savings), tomorrow)
        series, top = period_series(play.economy, now), play.economy.grid.top(mass)
        recorded = (series, now.state.aggregate.shock, market, top, now.excess)
        return recorded, (now if play.economy.clearing_prices else None)

    def one_block(state, shocks):
        last, (recorded, decisions) = rollout(play, state, shocks, record)
        return last, (recorded, state.aggregate.mass, None if decisions is None else worst_market(play, decisions))

    end, (recorded, masses, worst) = jax.lax.scan(one_block, start, shocks_next.reshape(-1, block))
    return (
        end,
        jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), recorded),
        masses.mean(axis=0),
        worst,
    )


def block_length(periods: int) -> int:
    """Periods handled at once: the largest divisor of `periods` up to 100."""
    return max(length for length in range(1, min(100, periods) + 1) if periods % length == 0)


@float64_allowed
def simulate(
    solution: GlobalSolution,
    *,
    periods: int | None = None,
    burn: int | None = None,
    seed: int = 1,
    asset_points: int | None = None,
    shocks: Sequence[int] | np.ndarray | None = None,
    distribution: Histogram | None = None,
) -> Simulation:
    """Simulate `periods` periods (10,000) after `burn` discarded ones (500), starting from a state of the ergodic set.

    The distribution is a histogram on `asset_points` points (twice those of training by default), moved exactly; only
    the aggregate shocks are drawn, from `seed`. Series are levels, rates decimals per model period.

    `shocks` gives the aggregate states instead, (periods,), counted from 0 in the order declared, of which `burn` (none
    unless said) are discarded; the period after the last is taken to be in the last one's state. `distribution` gives
    the mass at the start of the first period, after its shocks and before choices: (assets, own states) on the grid of
    `asset_points`, or a pair (points, mass) on other asset points, split between neighbors so that means stay. What
    households saw before the first period, and what that period left over, are those of the end of training.
    Raises ValueError for given ones that do not fit the economy, SolveError at the first period in which prices that
    clear inside the period do not, or goods are left over or missing.
    """
    play = solution.play(asset_points)
    key = jax.random.PRNGKey(seed)
    path = path_of(solution, play, periods=periods, burn=burn, shocks=shocks, distribution=distribution, key=key)
    block = block_length(path.periods)
    start = walk(play, path.start, path.shocks_next[: path.burn])
    end, (series, shock, market, top, excess), mass, worst = _simulate(
        play, start, path.shocks_next[path.burn :], block
    )
    _check_markets(play.economy, worst, block)
    _check_goods(play.economy, market)
    return Simulation(
        {name: np.asarray(value) for name, value in series.items()}, np.asarray(shock),
        points_held(play.economy.grid), np.asarray(mass),
        None if market is None else np.asarray(market), np.asarray(top), np.asarray(excess), start, end,
        seed if shocks is None else None,
    )  # fmt: skip


def _check_markets(economy: Economy, worst: Market | None, block: int) -> None:
    """Raise SolveError in the worst period of the first block, `worst` with leading axis blocks, that did not clear."""
    if worst is None:
        return
    missed = first_missed(economy, worst, UNCLEARED)
    if missed is not None:
        (number,), problem = missed
        raise SolveError(f"Period {number * block + int(worst.period[number])} of the simulation: {problem}")


def _check_goods(economy: Economy, left: Array | None) -> None:
    """Raise SolveError at the first period in which the goods market does not close, `left` (periods,) over."""
    off = np.zeros(0) if left is None else np.flatnonzero(~(np.abs(np.asarray(left)) <= OFF + 100 * UNCLEARED))
    if left is not None and off.size:
        period = int(off[0])
        problem = explain_goods(economy.model, np.asarray(left)[period], f"in period {period} of the simulation")
        raise SolveError(
            f"{problem}, {off.size} of {len(np.asarray(left))} periods in all, though every declared market clears: "
            "an equation is wrong away from the stationary equilibrium; compare prices() and resources() with "
            "goods_market()."
        )
