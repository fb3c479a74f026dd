"""Euler-equation errors between grid nodes, and the dynamic Euler test.

At assets a and income e the policy consumes c and saves a'. The Euler equation implies

    c_euler = (u')^{-1}( (beta / q) sum_{z', e'} P(z', e' | z, e) V_a(a', e', z') ),    V_a = u'(c') dm'/da',

with the exact conditional expectation over next period's aggregate and idiosyncratic states. Under GHH
(u')^{-1} gives consumption less effort, to which effort is added. The error is |c_euler / c - 1|,
relative consumption of goods, at the midpoints between grid nodes; between nodes unconstrained consumption
is linear. States where a bound binds and the Euler inequality holds are left out and their share is reported.

The dynamic test (Den Haan 2010, JEDC 34(1)) follows an individual twice on the same shocks: once with the policy,
once consuming c_euler every period, its errors accumulating in assets, and compares the two consumption paths. The
largest error is that of one individual on one path, so several are followed and the largest of each is reported.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.environment.economy import Economy
from hank_mfg.evaluate.expectation_errors import ExpectationError, expectation_errors
from hank_mfg.evaluate.given import Histogram, Path, path_of, walk
from hank_mfg.evaluate.individuals import (
    Followed,
    Individuals,
    choose_at,
    implied_consumption,
    individuals_of,
    next_period,
)
from hank_mfg.evaluate.portfolio_errors import PortfolioErrors, portfolio_errors
from hank_mfg.evaluate.simulate import block_length
from hank_mfg.files import latex_of
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.gradient.euler import due_expectations
from hank_mfg.solve.play.rollout import Decision, Play, State, Step, rollout
from hank_mfg.solve.solution import GlobalSolution, Solution
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd

LIMITS = (1e-3, 1e-2)  # errors whose share of the mass is reported
EDGES = np.logspace(-8, 0, 801)  # of bins of errors, 2.3 percent wide, from which the percentile follows


@readable
class EulerErrors(NamedTuple):
    """Errors in relative consumption of goods (decimals), over the periods simulated.

    `mean` is weighted by mass, `maximum` over midpoints whose neighbors hold more than 1e-6 of the mass,
    `constrained_share` the mean mass where a bound binds; `dynamic_mean`, `dynamic_maximum` of the dynamic test, over
    all individuals followed, and `dynamic_maxima` the largest error of each. `above_tenth`, `above_one` are the shares
    of the mass, where no bound binds, with a one-step error above .1 and 1 percent, and `percentile_999` the error that
    .1 percent of that mass exceeds (to 2 percent of itself). `seed` drew what was not given.
    `price_mean`, `price_maximum` are what is missing in the first-order condition of firms, the Phillips curve, with
    exact expectations, in units of inflation per period; None where no firm sets its price. `expectations` are the
    errors of what expectations() declares, against exact ones.
    """

    mean: float
    maximum: float
    constrained_share: float
    dynamic_mean: float
    dynamic_maximum: float
    periods: int
    asset_points: int
    seed: int
    price_mean: float | None = None
    price_maximum: float | None = None
    above_tenth: float = 0.0
    above_one: float = 0.0
    dynamic_maxima: tuple[float, ...] = ()
    expectations: tuple[ExpectationError, ...] = ()
    percentile_999: float = 0.0

    def table(self) -> "pd.DataFrame":
        """Mean and maximum, in percent of consumption, of the one-step errors and of the dynamic test; where firms set
        prices, what is missing in the Phillips curve, in percentage points of inflation per period; and the errors of
        expectations."""
        import pandas as pd

        rows = {
            "Euler error (percent)": (self.mean, self.maximum),
            "Dynamic Euler error (percent)": (self.dynamic_mean, self.dynamic_maximum),
        }
        if self.price_mean is not None and self.price_maximum is not None:
            rows["Phillips-curve error (points of inflation)"] = (self.price_mean, self.price_maximum)
        rows |= {f"Error of expected {each.label}": (each.mean, each.maximum) for each in self.expectations}
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "maximum"])
        return (100.0 * frame).rename_axis("error")

    to_latex = latex_of

    def to_dict(self) -> dict[str, Any]:
        """As the report of accuracy has it: plain numbers, those ending in _percent in percent, None for errors of
        firms where none sets its price."""
        return {
            "dynamic_euler_mean_percent": 100 * self.dynamic_mean,
            "dynamic_euler_max_percent": 100 * self.dynamic_maximum,
            "dynamic_euler_max_percent_by_individual": [100 * each for each in self.dynamic_maxima],
            "euler_error_mean_percent": 100 * self.mean,
            "euler_error_max_percent": 100 * self.maximum,
            "euler_error_share_above_tenth_percent": self.above_tenth,
            "euler_error_share_above_one_percent": self.above_one,
            "price_error_mean_percent": None if self.price_mean is None else 100 * self.price_mean,
            "price_error_max_percent": None if self.price_maximum is None else 100 * self.price_maximum,
            "expectations": {each.name: each.to_dict() for each in self.expectations},
            "constrained_share": self.constrained_share,
            "asset_points": self.asset_points,
        }


def euler_consumption(economy: Economy, step: Step, ahead: Decision, savings: Array) -> Array:
    """The composite (consumption, less effort under GHH) that the Euler equation implies for next assets `savings`
    (n, income): (n, income)."""
    own = jnp.tile(jnp.arange(economy.shape[1], dtype=jnp.int32), len(savings))
    return implied_consumption(economy, step, ahead, savings.reshape(-1), own).reshape(savings.shape)


def errors_at(economy: Economy, step: Step, ahead: Decision, assets: Array) -> tuple[Array, Array]:
    """Errors of households with `assets` (n, income), relative to consumption of goods, and where a bound binds."""
    _, consumption, savings = choose_at(economy, step.now, assets)
    implied = euler_consumption(economy, step, ahead, savings)
    binds = ((savings <= economy.lowest) & (implied >= consumption)) | (savings >= economy.highest)
    goods, due = (economy.budget(step.now.public).goods(x) for x in (consumption, implied))
    return jnp.where(binds, 0.0, jnp.abs(due / goods - 1.0)), binds


def _errors(economy: Economy, step: Step, ahead: Decision):
    """Weighted errors at midpoints: (sum of mass x error, mass used, mass with errors above .1 and 1 percent, maximum,
    constrained mass, errors of expectations, mass in bins of errors)."""
    points = economy.grid.points
    middle = jnp.broadcast_to((0.5 * (points[1:] + points[:-1]))[:, None], (economy.grid.size - 1, economy.shape[1]))
    error, binds = errors_at(economy, step, ahead, middle)
    mass = 0.5 * (step.now.state.aggregate.mass[1:] + step.now.state.aggregate.mass[:-1])
    used = jnp.where(binds, 0.0, mass)
    largest = jnp.max(jnp.where(mass > 1e-6, error, 0.0))
    node_binds = step.now.savings <= economy.lowest
    constrained = jnp.sum(jnp.where(node_binds, step.now.state.aggregate.mass, 0.0))
    missed = jnp.abs(due_expectations(economy, step.now, ahead) - step.now.expected)
    above = (jnp.sum(jnp.where(error > limit, used, 0.0)) for limit in LIMITS)
    bins = jnp.zeros(len(EDGES) + 1).at[jnp.searchsorted(jnp.asarray(EDGES), error)].add(used)
    return jnp.sum(used * error), jnp.sum(used), *above, largest, constrained, missed, bins


@quick_jit
def _measure(play: Play, path: Path, state: State, chosen: Individuals, block: int):
    economy = play.economy

    def one_block(carry, inputs):
        state, assets = carry
        shocks, own = inputs
        last, steps = rollout(play, state, shocks, lambda step: step)
        ahead = jax.vmap(play.look_ahead)(steps)
        errors = jax.vmap(lambda step, following: _errors(economy, step, following))(steps, ahead)
        assets, records = jax.lax.scan(lambda a, x: next_period(economy, a, x), assets, (steps, ahead, own))
        return (last, assets), (errors, records, steps.now.state.aggregate.shock)

    shocks = path.shocks_next[path.burn :].reshape(-1, block)
    carry = (state, (chosen.assets, chosen.assets))
    _, records = jax.lax.scan(one_block, carry, (shocks, chosen.own.reshape(len(shocks), block, -1)))
    return jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), records)


def _followed(
    solution: GlobalSolution,
    along: dict[str, Any],
    individuals: int,
    own: Any,
    initial_assets: Any,
    *,
    asset_points: int | None,
    seed: int,
):
    """Everything measured along a path: the play, the sums of `_errors` (periods,) each, and the individuals."""
    play = solution.play(asset_points)
    shock_key, person_key = jax.random.split(jax.random.PRNGKey(seed))
    path = path_of(solution, play, key=shock_key, **along)
    state = walk(play, path.start, path.shocks_next[: path.burn])
    chosen = individuals_of(play.economy, path, state, own, initial_assets, count=individuals, key=person_key)
    errors, (assets, twins, consumption, savings, implied), shock = _measure(
        play, path, state, chosen, block_length(path.periods)
    )
    parts = (shock, chosen.own, assets, consumption, savings, twins, implied)
    return play, errors, Followed(*map(np.asarray, parts))


@float64_allowed
def euler_errors(
    solution: GlobalSolution,
    *,
    periods: int | None = None,
    burn: int | None = None,
    seed: int = 2,
    asset_points: int | None = None,
    individuals: int = 5,
    shocks: Sequence[int] | np.ndarray | None = None,
    distribution: Histogram | None = None,
    own: np.ndarray | None = None,
    initial_assets: float | np.ndarray | None = None,
) -> EulerErrors | PortfolioErrors:
    """One-step and dynamic Euler errors along a path, float64.

    The path is that of `simulate` with the same `periods`, `burn`, `asset_points`, `shocks` and `distribution`. The
    individuals of the dynamic test are `individuals` drawn ones, or those whose own states `own` gives, (periods,) or
    (periods, individuals), counted from 0 in the order declared, from `initial_assets` on (mean assets unless said; a
    number or (individuals,)). With two assets errors are those of both first-order conditions, and no individual is
    followed. Raises ValueError for given ones that do not fit the economy.
    Source: Den Haan (2010), JEDC 34(1), 4-27.
    """
    along = {"periods": periods, "burn": burn, "shocks": shocks, "distribution": distribution}
    if isinstance(solution, Solution) and solution.model.asset_names():
        return portfolio_errors(solution, seed=seed, asset_points=asset_points, **along)
    play, errors, followed = _followed(
        solution, along, individuals, own, initial_assets, asset_points=asset_points, seed=seed
    )
    total, used, tenth, one, largest, constrained, missed, bins = map(np.asarray, errors)
    gap, below = followed.gaps, np.cumsum(bins.sum(axis=0))
    percentile = EDGES[min(int(np.searchsorted(below, 0.999 * below[-1])), len(EDGES) - 1)]
    return EulerErrors(
        float(total.sum() / used.sum()), float(largest.max()), float(constrained.mean()),
        float(gap.mean()), float(gap.max()), len(gap), play.economy.grid.size, seed,
        *((float(missed[:, -1].mean()), float(missed[:, -1].max())) if play.economy.sets_prices else (None, None)),
        float(tenth.sum() / used.sum()), float(one.sum() / used.sum()), tuple(gap.max(axis=0).tolist()),
        expectation_errors(solution, missed), float(percentile),
    )  # fmt: skip


@float64_allowed
def follow(
    solution: GlobalSolution,
    *,
    periods: int | None = None,
    burn: int | None = None,
    seed: int = 2,
    asset_points: int | None = None,
    individuals: int = 5,
    shocks: Sequence[int] | np.ndarray | None = None,
    distribution: Histogram | None = None,
    own: np.ndarray | None = None,
    initial_assets: float | np.ndarray | None = None,
) -> Followed:
    """Follow individuals through the economy, by the policy and by the Euler equation; arguments as in `euler_errors`.

    Between asset points unconstrained consumption is linear.
    """
    along = {"periods": periods, "burn": burn, "shocks": shocks, "distribution": distribution}
    return _followed(solution, along, individuals, own, initial_assets, asset_points=asset_points, seed=seed)[2]
