"""Misspecification: the welfare cost of a policy that was trained under other parameters than the true ones.

The true model has parameters A, the policy was trained under B. With `under` the policy stays and the parameters
change, so that every measure of a solution applies to policy B in model A. `welfare_cost` compares it with a policy
trained under A, on the same shocks:

    partial = V(A; A) - V(B; A)      one household uses policy B, all others policy A
    general = V(A; A) - V(B; B)      all households use policy B, and prices adjust

where V(x; y) is lifetime utility in model A of a household with policy x when all others use policy y.
"""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.grids import asset_grid
from hank_mfg.errors import SolveError
from hank_mfg.evaluate.exploitability.deviation import deviate, terminal_values
from hank_mfg.evaluate.simulate import UNCLEARED
from hank_mfg.evaluate.welfare import average_welfare, gain_over_paths, table_of_gains
from hank_mfg.files import latex_of
from hank_mfg.model.base import Model, choice_names
from hank_mfg.model.named import differing
from hank_mfg.precision import DTYPES, float64_allowed, in_jax
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.gradient.robust import require_same_states
from hank_mfg.solve.play.lifetime import freeze, path_value
from hank_mfg.solve.play.rollout import Play, State, rollout
from hank_mfg.solve.solution import Solution, move_mass
from hank_mfg.solve.stationary.best_savings import scaled_flows
from hank_mfg.solve.stationary.steady_state import steady_state
from hank_mfg.wording import readable

BURN = 500  # periods under the new parameters before anything is measured


@float64_allowed
def under(solution: Solution, **parameters: Any) -> Solution:
    """The policy of `solution` in an economy with other `parameters`: policy and memory stay those of training.

    The map from cash on hand and signals to choices does not change: the networks, the scale by which they read
    signals and the stationary consumption function that they correct are those of training. Everything else is that
    of the new parameters: prices, budgets, probabilities, utility, discount factors, and `steady`, whose value
    function closes the horizon in exploitability. States are identified by their order: the third income state stays
    the third, whatever it earns. `states` are those after 500 periods under the new parameters; `history`, `status`
    and seconds are of training, `family` is None. Without changes the solution itself is returned.

    The top of the asset space may rise: unconstrained consumption is extrapolated linearly in cash on hand. Raises
    ValueError for a parameter that is unknown or out of range, another number of aggregate or individual states,
    another lower end of the asset space, where the policy was not trained, or a lower top, which would cut off
    households; SteadyStateError without a stationary equilibrium, SolveError for mass or memory that is not finite.
    """
    seen = [name for name in parameters if name in choice_names(type(solution.model))]
    if seen:
        raise ValueError(
            f"under() changes parameters, not the choices of a model: leave out {seen[0]}, and solve the model "
            f"with another {seen[0]} to compare."
        )
    model = solution.model.with_parameters(**parameters)
    if not changed_parameters(solution.model, model):
        return solution
    _require_room(solution.model, model)
    steady = steady_state(model, asset_points=solution.steady.economy.grid.size)
    moved = {"model": model, "steady": steady, "states": _moved(solution, model), "family": None}
    return _settled(dataclasses.replace(solution, **moved))


def changed_parameters(model: Model, other: Model) -> list[str]:
    """Names of the parameters of `model` that differ in `other`, or that it does not have, in the order declared."""
    return list(differing(model.parameters(), other.parameters()))


def _require_room(model: Model, other: Model) -> None:
    """Raise ValueError unless a policy trained in `model` knows every state of `other`."""
    changed = ", ".join(changed_parameters(model, other))
    old, new = (discretize(each, 10, jnp.float64) for each in (model, other))
    require_same_states(f"under() with another {changed}", new, old)
    was, space = model.asset_space(), other.asset_space()
    if float(space.lower) != float(was.lower):
        raise ValueError(
            f"under() with another {changed}: asset_space() begins at {float(space.lower):g} and the policy was "
            f"trained from {float(was.lower):g} on: keep the lower end, or solve the new economy."
        )
    if float(space.upper) < float(was.upper):
        raise ValueError(
            f"under() with another {changed}: asset_space() ends at {float(space.upper):g}, the policy was trained up "
            f"to {float(was.upper):g}: keep the upper end or raise it."
        )


def _moved(solution: Solution, model: Model) -> State:
    """The last states of training on the asset points that training would have in `model`."""
    old, new = (
        np.asarray(asset_grid(each.asset_space(), solution.settings.asset_points, jnp.float64).points)
        for each in (solution.model, model)
    )
    states = solution.states
    if np.array_equal(old, new):
        return states
    mass = np.asarray(states.aggregate.mass)
    moved = np.stack([move_mass(each, old, new) for each in mass]).astype(mass.dtype)
    return states._replace(aggregate=states.aggregate._replace(mass=jnp.asarray(moved)))


def _settled(solution: Solution) -> Solution:
    """The solution after `BURN` simulated periods on every path. Raises SolveError where a number is not finite."""
    settings = solution.settings
    play = solution.play(settings.asset_points, DTYPES[settings.precision])
    states = jax.tree.map(in_jax, solution.states)
    keys = jax.random.split(jax.random.PRNGKey(solution.seed), states.aggregate.shock.shape[0])
    last = _simulate(play, states._replace(price_noise=None), keys, BURN)
    if not all(np.isfinite(np.asarray(each)).all() for each in jax.tree.leaves(last)):
        raise SolveError(
            f"The mass or memory became NaN or infinite within {BURN} periods under the new parameters: their "
            "prices or signals are too far from those of training; change the parameters by less, or solve it."
        )
    return dataclasses.replace(solution, states=last._replace(price_noise=states.price_noise))


@eqx.filter_jit
def _simulate(play: Play, states: State, keys: Array, periods: int) -> State:
    def one(state, key):
        shocks = play.economy.draw_shocks(state.aggregate.shock, periods, key=key)
        return rollout(play, state, shocks, lambda step: None)[0]

    return jax.vmap(one)(states, keys)


@readable
class WelfareCost(NamedTuple):
    """Welfare costs of a policy trained under other parameters, and their errors, in lifetime utility.

    `partial` is the cost when one household uses that policy, `general` when all do; the percents are the permanent
    rise of consumption goods, at unchanged hours, that would compensate it (welfare.py); standard errors are over
    paths. `value` is lifetime utility with the policy of the true model.
    """

    partial: float
    general: float
    partial_percent: float
    general_percent: float
    partial_standard_error: float
    general_standard_error: float
    value: float
    horizon: int
    paths: int
    seed: int

    def table(self) -> pd.DataFrame:
        """The cost when one household uses the other policy, partial, and when all do, general: in lifetime utility
        and in percent of permanent consumption, each with its standard error over paths."""
        return table_of_gains(self, ("partial", "general"), "cost", "who is wrong")

    to_latex = latex_of


@float64_allowed
def welfare_cost(
    believed: Solution,
    truth: Solution,
    *,
    paths: int = 64,
    horizon: int = 500,
    burn: int = 200,
    seed: int = 4,
    asset_points: int | None = None,
) -> WelfareCost:
    """The welfare cost, in the true model of `truth`, of the policy of `believed`, a solution `under` its parameters.

    Every path begins with `burn` periods in which all households use the policy of `truth`; the memory of the other
    policy reads the same signals. From the mass then reached, lifetime utility of both is summed over `horizon` periods
    on the same shocks, exactly over individual risk; the periods after it have beta^horizon times the value of the
    stationary equilibrium of the true model, for both. The general cost can be negative: an equilibrium with uninsured
    risk is not efficient, and saving more than is optimal for each may raise wages for all. float64, on `asset_points`
    points, by default twice those of training.

    Raises ValueError where the parameters of the two solutions differ, SolveError where prices that clear inside the
    period do not when all households use the policy of `believed`.
    """
    require_sizes(
        "welfare_cost",
        {"paths": (paths, 1, 64), "horizon": (horizon, 1, 500), "burn": (burn, 1, 200)},
        lambda: (100.0 * (paths + horizon), 1e4 * paths * (horizon + burn)),
    )
    _require_same_parameters(believed.model, truth.model)
    points = 2 * truth.settings.asset_points if asset_points is None else asset_points
    right, wrong = (each.play(points) for each in (truth, believed))
    start, memory = truth.start(right), believed.start(wrong).memory
    keys = jax.random.split(jax.random.PRNGKey(seed), paths)

    def measure(factor: float):
        terminal, _ = terminal_values(truth.steady, right, factor)
        return _values((right, wrong), start, memory, terminal, (burn, horizon), keys, factor=jnp.asarray(factor))

    values, scaled, excess = measure(1.0)
    if not float(excess.max()) <= UNCLEARED:
        raise SolveError(
            f"Prices leave an excess demand of {float(excess.max()):.3g} when all households use the policy trained "
            "under other parameters: widen the bracket in clearing_prices(), or compare parameters that differ less."
        )
    report = {}
    for name in ("partial", "general"):
        cost = values["right"] - values[name]
        welfare = average_welfare(lambda factor, name=name: measure(factor)[1][name], scaled[name])
        found = gain_over_paths(truth.model.preferences(), welfare, cost)
        report[name], report[f"{name}_percent"], report[f"{name}_standard_error"] = found
    return WelfareCost(**report, value=float(values["right"].mean()), horizon=horizon, paths=paths, seed=seed)


def _require_same_parameters(model: Model, other: Model) -> None:
    """Raise ValueError, naming the first parameter that differs, unless both are the same economy."""
    if model.parameters().keys() != other.parameters().keys():
        raise ValueError(
            f"welfare_cost() compares two ways to behave in one economy, and these are a {type(model).__name__} and a "
            f"{type(other).__name__}: pass two solutions of the same model."
        )
    changed = changed_parameters(model, other)
    if changed:
        name, values = changed[0], [each.parameters()[changed[0]] for each in (model, other)]
        raise ValueError(
            f"welfare_cost() compares two ways to behave in one economy, and {name} is {values[0]} in the first and "
            f"{values[1]} in the second: pass under(believed, {name}={values[1]}) first."
        )


@eqx.filter_jit
def _values(
    plays: tuple[Play, Play],
    start: State,
    memory: Array,
    terminal: Array,
    periods: tuple[int, int],
    keys: Array,
    *,
    factor: Array,
) -> tuple[dict[str, Array], dict[str, Array], Array]:
    """Values on every path of the right policy, of the wrong one used by one household, and by all: (paths,) each; the
    latter two also with `factor` times the goods, and its derivative in the factor, (paths, 2) each; and the largest
    excess demand when all use the wrong one, (paths,)."""
    right, wrong = plays
    economy, (burn, horizon) = right.economy, periods

    def one(key):
        early_key, key = jax.random.split(key)
        early = economy.draw_shocks(start.aggregate.shock, burn, key=early_key)
        state, past = freeze(right, start, early, False)
        mass, remembered = state.aggregate.mass, deviate(wrong, wrong.policy, memory, past).memory[-1]

        shocks = economy.draw_shocks(state.aggregate.shock, horizon, key=key)
        _, path = freeze(right, state, shocks, False)
        _, other = freeze(wrong, state._replace(memory=remembered), shocks, False)
        alone = deviate(wrong, wrong.policy, remembered, path).savings
        plans = {"right": (path, path.now.savings), "partial": (path, alone), "general": (other, other.now.savings)}
        values = {k: jnp.sum(mass * path_value(economy, *plan, terminal[0])) for k, plan in plans.items()}
        flows = scaled_flows(economy, factor)
        scaled = {k: path_value(economy, *plans[k], terminal[1:], flows) for k in ("partial", "general")}
        scaled = {k: jnp.sum(mass * each, axis=(1, 2)) for k, each in scaled.items()}
        return values, scaled, jnp.max(jnp.abs(other.now.excess), initial=0.0)

    return jax.lax.map(one, keys)
