"""The gain of every household in percent of its consumption."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.evaluate.welfare import consumption_equivalent, has_formula
from hank_mfg.model.preferences import equivalent_share
from hank_mfg.solve.solution import Solution
from hank_mfg.solve.stationary.best_savings import scaled_flows, stationary_value
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.welfare.decomposition import slope_by_state
from hank_mfg.welfare.risky import Lived, Setting, scaled
from hank_mfg.welfare.values import Values

NODES, FEW, BISECTIONS, WIDEN = 65, 9, 60, 6  # factors tried, at rest and on paths; halvings; times the range grows
ROUNDS, SETTLED, LEAST = 12, 1e-9, 1e-3  # of factors tried where some were found; their change at the end; the least


def percent_at_rest(steady: SteadyState, before: Values, total: np.ndarray) -> np.ndarray:
    """The permanent percent of goods, at unchanged hours, that would make every household of the stationary equilibrium
    as well off as lifetime utility `total` does: (assets, income). Infinite where no percent is."""
    preferences = steady.economy.model.preferences()
    if has_formula(preferences):
        units = (total - before.total) / slope_by_state(preferences, before)
        return 100.0 * equivalent_share(float(preferences.risk_aversion), units)
    economy, public, savings = steady.economy, steady.public, jnp.asarray(steady.savings)
    return 100.0 * (
        _factors(lambda f: np.asarray(_scaled(economy, public, savings, jnp.asarray(f))), total, NODES) - 1.0
    )


def percents_at_risk(
    before: Solution, points: Any, setting: Setting, old: Lived, new: Lived
) -> tuple[float, float, np.ndarray]:
    """The gain of all, its standard error over starting states and that of every household, (starts, assets, income),
    in permanent percent of goods, with aggregate risk."""
    preferences, mass, total = before.steady.economy.model.preferences(), old.mass, new.values.total
    every = np.sum(mass * (total - old.values.total), axis=(1, 2))
    gain, count = float(every.mean()), setting.starts
    spread = float(every.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    if has_formula(preferences):
        slope, curvature = slope_by_state(preferences, old.values), float(preferences.risk_aversion)
        by_state = 100.0 * equivalent_share(curvature, (total - old.values.total) / slope)
        percent = 100.0 * float(equivalent_share(curvature, gain / np.mean(np.sum(mass * slope, axis=(1, 2)))))
    else:
        at = scaled(before, points, setting)
        by_state = 100.0 * (_factors(at, total, FEW) - 1.0)

        def welfare(factor: float) -> tuple[float, float]:
            value, slope = np.sum(mass * at(np.array([factor]))[0], axis=(2, 3)).mean(axis=1)
            return value, slope

        percent = consumption_equivalent(preferences, welfare, gain)
    return percent, abs(spread * percent / gain) if gain else 0.0, by_state


def _factors(at: Callable[[np.ndarray], np.ndarray], total: np.ndarray, count: int) -> np.ndarray:
    """The factor in every state at which lifetime utility is `total`, from `count` factors tried at once.

    `at(factors)` gives lifetime utility and its derivative, (factors, 2, assets, income). First the range of factors
    grows until it holds all; then as many more are tried where factors were found, until these stay. Minus infinity,
    where so few goods are not feasible, counts as too little.
    """
    value, slope = at(np.ones(1))[0]
    first = (total - value) / slope
    low, high = min(-1e-6, 1.5 * np.nanmin(first)), max(1e-6, 1.5 * np.nanmax(first))
    for _ in range(WIDEN):
        nodes = np.linspace(max(1.0 + low, LEAST), 1.0 + high, count)
        values, slopes = np.moveaxis(at(nodes), 1, 0)
        if (values[0] <= total).all() and (values[-1] >= total).all():
            break
        low, high = 2.0 * low, 2.0 * high
    found = _between(nodes, values, slopes, total)
    for _ in range(ROUNDS):
        more = np.quantile(found[np.isfinite(found)], np.linspace(0.0, 1.0, count))
        more = np.setdiff1d(more, nodes)
        if not more.size:
            break
        every = np.concatenate([nodes, more])
        order = np.argsort(every)
        added = np.moveaxis(at(more), 1, 0)
        nodes = every[order]
        values, slopes = (np.concatenate(each)[order] for each in ((values, added[0]), (slopes, added[1])))
        before, found = found, _between(nodes, values, slopes, total)
        if np.nanmax(np.abs(found - before)) < SETTLED:
            break
    beyond = np.where(values[0] > total, -np.inf, np.inf)
    return np.where((values[0] <= total) & (values[-1] >= total), found, beyond)


def _between(nodes: np.ndarray, values: np.ndarray, slopes: np.ndarray, total: np.ndarray) -> np.ndarray:
    """The factor in every state, between the two of the `nodes` around it: on the cubic that has both values and slopes
    there, and where the lower value is minus infinity on the line through the upper one, in the upper half."""
    place = np.clip((values <= total).sum(axis=0) - 1, 0, len(nodes) - 2)[None]
    start, width = nodes[place[0]], nodes[place[0] + 1] - nodes[place[0]]
    (v0, v1), (s0, s1) = (
        [np.take_along_axis(each, index, axis=0)[0] for index in (place, place + 1)] for each in (values, slopes)
    )
    line = np.clip(1.0 + (total - v1) / (width * s1), 0.5, 1.0)
    known = np.isfinite(v0) & np.isfinite(s0)
    v0, s0 = (np.where(known, each, 0.0) for each in (v0, s0))
    left, right = np.zeros_like(total), np.ones_like(total)
    for _ in range(BISECTIONS):
        t = 0.5 * (left + right)
        a, b = width * s0, width * s1
        cubic = v0 + t * (a + t * (3 * (v1 - v0) - 2 * a - b + t * (2 * (v0 - v1) + a + b)))
        left, right = np.where(cubic < total, t, left), np.where(cubic < total, right, t)
    return start + width * np.where(known, 0.5 * (left + right), line)


@eqx.filter_jit
def _scaled(economy: Economy, public: Public, savings: Array, factors: Array) -> Array:
    def one(factor):
        return stationary_value(economy, public, savings, scaled_flows(economy, factor)(savings, public))

    return jax.lax.map(one, factors)
