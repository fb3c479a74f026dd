"""Euler-equation errors of households with two assets, one for each first-order condition.

At a pair of assets and income the policy consumes c and saves (b', a'). The two conditions imply

    c_b = (u')^{-1}( beta E[V_b(b', a', e', z')] ),
    c_a = (u')^{-1}( beta E[V_a(b', a', e', z')] / (1 + k_1(a', a)) ),

with the exact conditional expectation over next period's aggregate and own states, marginal values read between points
in units of consumption. Errors are |c_b / c - 1| and |c_a / c - 1|; states where the limit on the asset binds are left
out of its own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.environment.economy import Economy
from hank_mfg.environment.lottery import read
from hank_mfg.evaluate.expectation_errors import ExpectationError, expectation_errors
from hank_mfg.evaluate.given import Histogram, Path, path_of, walk
from hank_mfg.evaluate.simulate import block_length
from hank_mfg.files import latex_of
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.gradient.euler import due_expectations, exact_ahead
from hank_mfg.solve.play.rollout import Decision, Play, State, Step, rollout
from hank_mfg.solve.solution import Solution
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd

MASS = 1e-6  # of a state whose largest error counts


@readable
class PortfolioErrors(NamedTuple):
    """Errors in relative consumption of goods (decimals) over the periods simulated, of the first-order condition of
    each of the `assets`: the `mean` by mass, the `maximum` over states with more than 1e-6 of the mass, and the share
    of the mass where its limit binds, (2,) each. `expectations` are the errors of what expectations() declares, against
    exact ones; `excess_demand` is the largest of what is left of it. States are the pairs of the grid, by default that
    of training, so that errors of the grid itself do not show."""

    assets: tuple[str, ...]
    mean: np.ndarray
    maximum: np.ndarray
    bound: np.ndarray
    expectations: tuple[ExpectationError, ...]
    excess_demand: float
    periods: int
    asset_points: dict[str, int]
    seed: int

    def table(self) -> "pd.DataFrame":
        """Mean and maximum, in percent of consumption, of each asset's condition, and the errors of expectations."""
        import pandas as pd

        rows = {
            f"Euler error, {name} (percent)": (mean, largest)
            for name, mean, largest in zip(self.assets, self.mean, self.maximum, strict=True)
        }
        rows |= {f"Error of expected {each.label}": (each.mean, each.maximum) for each in self.expectations}
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "maximum"])
        return (100.0 * frame).rename_axis("error")

    to_latex = latex_of

    def to_dict(self) -> dict[str, Any]:
        """As the report of accuracy has it, see `EulerErrors.to_dict`; what is named without an asset is the largest
        of both."""
        each = zip(self.assets, 100 * self.mean, 100 * self.maximum, strict=True)
        return {
            "euler_error_mean_percent": 100 * float(self.mean.max()),
            "euler_error_max_percent": 100 * float(self.maximum.max()),
            "euler_error_percent_by_asset": {a: {"mean": float(m), "largest": float(x)} for a, m, x in each},
            "expectations": {each.name: each.to_dict() for each in self.expectations},
            "constrained_share": float(self.bound[0]),
            "asset_points": self.asset_points,
        }


def _errors(economy: Economy, step: Step, ahead: Decision) -> tuple[Array, Array, Array, Array]:
    """Sums of mass x error, the mass used, largest errors, and the mass that is bound: (2,) each."""
    now, preferences = step.now, economy.model.preferences()
    mass, savings, budget = now.state.aggregate.mass, now.savings, economy.budget(now.public)
    equivalent = preferences.inverse_marginal_utility(exact_ahead(economy, step, ahead))
    there = jax.vmap(lambda values: read(values, step.lottery))(equivalent)
    worth = economy.discount_factor(now.public.shocks) * preferences.marginal_utility(there)
    spent = jax.jvp(budget.cost, (savings,), (jnp.stack([jnp.zeros_like(mass), jnp.ones_like(mass)]),))[1]
    implied = preferences.inverse_marginal_utility(worth / jnp.stack([jnp.ones_like(mass), spent]))
    goods = budget.goods(now.unconstrained_consumption)
    error = jnp.abs(budget.goods(implied) / goods - 1.0)
    free = (savings > economy.grid.lower) & (savings < economy.grid.upper)
    error, used = jnp.where(free, error, 0.0), jnp.where(free, mass, 0.0)
    states = (1, 2)
    largest = jnp.max(jnp.where(mass > MASS, error, 0.0), axis=states)
    bound = jnp.sum(jnp.where(savings <= economy.grid.lower, mass, 0.0), axis=states)
    return jnp.sum(used * error, axis=states), jnp.sum(used, axis=states), largest, bound


@quick_jit
def _measure(play: Play, path: Path, state: State, block: int):
    def one_block(state, shocks):
        last, steps = rollout(play, state, shocks, lambda step: step)
        ahead = jax.lax.map(play.look_ahead, steps)
        errors = jax.vmap(lambda step, following: _errors(play.economy, step, following))(steps, ahead)
        due = jax.vmap(lambda step, following: due_expectations(play.economy, step.now, following))(steps, ahead)
        return last, (errors, jnp.abs(due - steps.now.expected), steps.now.excess)

    records = jax.lax.scan(one_block, state, path.shocks_next[path.burn :].reshape(-1, block))[1]
    return jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), records)


@float64_allowed
def portfolio_errors(
    solution: Solution,
    *,
    periods: int | None = None,
    burn: int | None = None,
    seed: int = 2,
    asset_points: Any = None,
    shocks: Sequence[int] | np.ndarray | None = None,
    distribution: Histogram | None = None,
) -> PortfolioErrors:
    """One-step Euler errors of both assets along a path, float64; arguments as in `simulate`."""
    play = solution.play(asset_points)
    along = {"periods": periods, "burn": burn, "shocks": shocks, "distribution": distribution}
    path = path_of(solution, play, key=jax.random.PRNGKey(seed), **along)
    state = walk(play, path.start, path.shocks_next[: path.burn])
    (total, used, largest, bound), missed, excess = jax.tree.map(
        np.asarray, _measure(play, path, state, block_length(path.periods))
    )
    return PortfolioErrors(
        play.economy.model.asset_names(), total.sum(axis=0) / used.sum(axis=0), largest.max(axis=0),
        bound.mean(axis=0), expectation_errors(solution, missed), float(np.abs(excess).max(initial=0.0)),
        path.periods, play.economy.grid.count, seed,
    )  # fmt: skip
