"""Evaluate a solved policy at given assets and own states after a given public history.

The history is what happened in public, period by period up to today: the aggregate states, aggregates that are summed
over the population, and prices that clear inside the period. Prices and signals follow by the model's equations, the
memory of the policy by its encoder, and consumption at any level of assets by its formula, not by interpolation.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.quantities import names_of
from hank_mfg.model.concrete import numbers_of
from hank_mfg.model.named import Named
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.play.rollout import Play


class Asked(NamedTuple):
    """Decisions of a household: `cash` on hand before it chooses, `consumption` of goods, `savings`, next assets, and
    `hours`, None where they are not chosen; each of the shape asked for, float64, goods or hours per period."""

    cash: np.ndarray
    consumption: np.ndarray
    savings: np.ndarray
    hours: np.ndarray | None = None


class Played(Protocol):
    """A solution with a policy to play."""

    def play(self, asset_points: int | None = None) -> Play:
        """The policy on a grid, in float64."""
        ...


class Answers:
    """A solution that answers what its households do: `consumption` and `savings` at any assets, after any history."""

    def consumption(self: Played, assets: Any, own: Any, history: Any) -> np.ndarray:
        """Consumption of goods at `assets` in places `own` of the own states after a public `history`, a simulation or
        a mapping; see `ask_policy`."""
        return ask_policy(self, assets, own, history).consumption

    def savings(self: Played, assets: Any, own: Any, history: Any) -> np.ndarray:
        """Next assets chosen at `assets` in places `own` of the own states after a public `history`, as for
        `consumption`."""
        return ask_policy(self, assets, own, history).savings


@float64_allowed
def ask_policy(solution: Played, assets: Any, own: Any, history: Any) -> Asked:
    """Consumption and savings at `assets` (any shape) in places `own` of the own states, after a public `history`.

    `own` counts own states from 0 in the order declared and broadcasts against `assets`. `history` is a simulation, or
    a mapping with "shock", the aggregate states (periods,), and every aggregate and clearing price by name, (periods,);
    the last period is today. Memory starts empty. Raises ValueError naming what is missing or does not fit.
    """
    economy = solution.play(10).economy
    places, levels = np.broadcast_arrays(np.asarray(own), numbers_of("assets", assets))
    lower, upper = float(economy.grid.lower), float(economy.grid.upper)
    if not (np.isfinite(levels).all() and levels.size and levels.min() >= lower and levels.max() <= upper):
        raise ValueError(f"assets must lie between {lower:g} and {upper:g}, the economy's: {levels.tolist()} do not.")
    count = economy.shape[1]
    if not np.issubdtype(places.dtype, np.integer) or places.min() < 0 or places.max() >= count:
        raise ValueError(f"own = {places.tolist()}: give places of own states, whole numbers from 0 to {count - 1}.")
    shock, total, clearing_prices = _public_history(economy, history)
    points, where = np.unique(np.append(levels.ravel(), lower), return_inverse=True)  # the lowest assets among them
    nodes = jnp.asarray(points)
    play = solution.play(10)
    play = play._replace(economy=eqx.tree_at(lambda e: e.grid.points, economy, nodes), tables=play.policy.tables(nodes))
    found = _at_last(play, jnp.asarray(shock), total, clearing_prices)
    index = (where[:-1].reshape(levels.shape), places)
    cash, consumption, savings = (np.asarray(each)[index] for each in found[:3])
    return Asked(cash, consumption, savings, None if found[3] is None else np.asarray(found[3])[index])


def _public_history(economy: Economy, history: Any) -> tuple[np.ndarray, dict[str, Array], dict[str, Array]]:
    """Aggregate states, aggregates and clearing prices of a history, (periods,) each."""
    series, shock = (history, history.get("shock")) if isinstance(history, Mapping) else (history.series, history.shock)
    names = names_of(economy)
    groups = [(*names.unknown, *names.other, *names.fixed, *names.state_variables), names.clearing]
    missing = [name for group in groups for name in group if name not in series]
    if missing or shock is None:
        raise ValueError(
            f"history lacks {', '.join((['shock'] if shock is None else []) + missing)}: give (periods,) each."
        )
    shock = np.asarray(shock)
    if shock.ndim != 1 or not np.issubdtype(shock.dtype, np.integer) or not len(shock):
        raise ValueError(f"history's shock has shape {shock.shape}: give aggregate states, whole numbers (periods,).")
    if shock.min() < 0 or shock.max() >= economy.shock_count:
        raise ValueError(f"history's shock must count aggregate states from 0 to {economy.shock_count - 1}.")
    found = [{name: np.asarray(series[name], np.float64) for name in group} for group in groups]
    for name, value in (found[0] | found[1]).items():
        if value.shape != shock.shape or not np.isfinite(value).all():
            raise ValueError(
                f"history's {name} has shape {value.shape}: give {len(shock)} finite numbers, as of shock."
            )
    total, clearing_prices = ({name: jnp.asarray(value) for name, value in each.items()} for each in found)
    return shock.astype(np.int32), total, clearing_prices


@eqx.filter_jit
def _at_last(play: Play, shock: Array, total: dict[str, Array], clearing_prices: dict[str, Array]):
    """Cash on hand, consumption and savings in the last period of a history, at the points of the play's grid."""
    economy, policy = play.economy, play.policy

    def public(shock, total, clearing_prices):
        return economy.form(
            Named("aggregates", total), economy.shocks(shock), Named("clearing_prices", clearing_prices)
        )

    def see(memory, given):
        return policy.remember(memory, economy.signal(public(*given)))

    _, features = jax.lax.scan(see, policy.initial_memory(), (shock, total, clearing_prices))
    last = jax.tree.map(lambda x: x[-1], (shock, total, clearing_prices))
    today = public(*last)
    cash = economy.resources(today)
    unconstrained_consumption = play.unconstrained_consumption(features[-1], cash, today)
    budget = economy.budget(today)
    savings = jnp.clip(budget.savings_of(cash, unconstrained_consumption), *economy.bounds(cash, today))
    chosen = budget.chosen(savings, budget.consumption_of(cash, savings))
    hours = jnp.broadcast_to(chosen["hours"], savings.shape) if economy.works else None
    return cash, chosen["consumption"], savings, hours
