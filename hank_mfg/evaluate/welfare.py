"""Welfare in percent of consumption, for every preference.

A change of lifetime utility is stated as the permanent percent of consumption goods, at unchanged hours, that is
equivalent. With factor f times the goods for ever, a household with a given plan has

    V(f) = E sum_t beta_0 ... beta_{t-1} u_t(f),        u_t(1) the flow utility of the plan,

a mean over the initial mass and over paths of aggregate shocks, with every household's own discount factors. A gain G
equals x percent where V(1 + x/100) = V(1) + G: the percent that, given to all households, makes the utilitarian mean
indifferent. It is not the mean of what each household would ask for.

Where u(f c) = f^(1-g) u(c) + u(f) and hours enter separately (`CRRA`, `Separable`), V(f) - V(1) = u(f) V'(1), with
V'(1) = E sum_t beta_0 ... beta_{t-1} u'(c_t) c_t, whatever the discounting: the gain is divided by V'(1) and u
inverted. For other preferences, `GHH` among them, V is evaluated again along the same paths until the equation holds.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.model.labor import Separable
from hank_mfg.model.preferences import CRRA, equivalent_share
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.stationary.best_savings import scaled_flows, stationary_value
from hank_mfg.solve.stationary.steady_state import SteadyState

if TYPE_CHECKING:
    import pandas as pd

EXACT, ROUNDING, STEPS = 1e-11, 1e-13, 60  # of the factor; of lifetime utility; Newton or bisection steps


def consumption_equivalent(preferences: CRRA, welfare: Callable[[float], tuple[float, float]], gain: float) -> float:
    """The permanent percent of consumption goods, at unchanged hours, equivalent to a `gain` of lifetime utility.

    `welfare(factor)` returns V(factor) and V'(factor): lifetime utility with so many times the goods. Plus or minus
    infinity where no change of consumption is equivalent, NaN where the gain or V(1) is not finite.
    """
    gain = float(gain)
    value, slope = map(float, welfare(1.0))
    if not np.isfinite([gain, value, slope]).all():
        return float("nan")
    if has_formula(preferences):
        return 100.0 * equivalent_share(float(preferences.risk_aversion), gain / slope)
    return 100.0 * (_root(welfare, value, slope, gain) - 1.0)


def has_formula(preferences: CRRA) -> bool:
    """Whether V(f) - V(1) = u(f) V'(1): goods enter by u(c) alone, and u(f c) = f^(1-g) u(c) + u(f)."""
    return type(preferences) in (CRRA, Separable)


def _root(welfare: Callable[[float], tuple[float, float]], value: float, slope: float, gain: float) -> float:
    """The factor at which welfare is `value` + `gain`: Newton's method, held inside a bracket by bisection.

    Welfare rises with the factor; minus infinity counts as too little.
    """
    low, high, factor = (1.0, np.inf, 1.0) if gain >= 0 else (0.0, 1.0, 1.0)
    missing = gain
    for _ in range(STEPS):
        step = missing / slope if np.isfinite(slope) and slope > 0 else np.nan
        if abs(step) <= EXACT * factor:
            return factor + step
        newton = factor + step
        middle = 2.0 * low if np.isinf(high) else 0.5 * (low + high)
        factor = newton if low < newton < min(high, 10.0 * max(low, factor)) else middle
        found, slope = map(float, welfare(factor))
        missing = value + gain - found if np.isfinite(found) else np.inf
        if abs(missing) <= ROUNDING * abs(value):
            return factor
        low, high = (factor, high) if missing > 0 else (low, factor)
    return float(np.inf) if np.isinf(high) else (-np.inf if low == 0.0 else factor)


def average_welfare(again: Callable[[float], Array], first: Array) -> Callable[[float], tuple[float, float]]:
    """V and V' as a function of the factor, means over paths: `first` (paths, 2) at one, `again(factor)` elsewhere."""

    def welfare(factor: float) -> tuple[float, float]:
        value, slope = np.asarray(first if factor == 1.0 else again(factor)).mean(axis=0)
        return float(value), float(slope)

    return welfare


def gain_over_paths(
    preferences: CRRA, welfare: Callable[[float], tuple[float, float]], gain: Array | np.ndarray
) -> tuple[float, float, float]:
    """Of a `gain` (paths,): the mean, that in percent of consumption, and its standard error, NaN of a single path."""
    mean = float(gain.mean())
    error = float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else float("nan")
    return mean, consumption_equivalent(preferences, welfare, mean), error


def table_of_gains(result: Any, kinds: tuple[str, ...], what: str, who: str) -> "pd.DataFrame":
    """One row for each of `kinds`, whose gain, percent and standard error are fields of `result`; `what` is gained by
    `who`."""
    import pandas as pd

    rows = {}
    for kind in kinds:
        gain, percent, error = (getattr(result, f"{kind}{field}") for field in ("", "_percent", "_standard_error"))
        rows[kind] = gain, error, percent, abs(error * percent / gain) if gain else float("nan")
    columns = [f"{what} (lifetime utility)", "standard error", "percent of consumption", "standard error (percent)"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis(who)


@float64_allowed
def consumption_percent(steady: SteadyState, gain: float) -> float:
    """A `gain` of lifetime utility, mean over the stationary mass, in permanent consumption, percent.

    The percent more goods, given to all households of the stationary equilibrium for ever at unchanged hours, that
    raises mean lifetime utility by as much; right for every preference and with patience that differs (see the module's
    text). Raises ValueError for a gain that is not a number.
    """
    if not np.isfinite(gain):
        raise ValueError(f"consumption_percent(steady, gain={gain}): give a finite change of lifetime utility.")

    def welfare(factor: float) -> tuple[float, float]:
        given = (jnp.asarray(each) for each in (steady.savings, steady.mass, factor))
        value, slope = _stationary(steady.economy, steady.public, *given)
        return float(value), float(slope)

    return consumption_equivalent(steady.economy.model.preferences(), welfare, gain)


@float64_allowed
def percent_per_utility(steady: SteadyState, percent: float) -> float:
    """The derivative of `consumption_percent` in the gain where it is `percent`: 100 / V'(1 + percent / 100)."""
    given = (jnp.asarray(each) for each in (steady.savings, steady.mass, 1.0 + percent / 100.0))
    return 100.0 / float(_stationary(steady.economy, steady.public, *given)[1])


@eqx.filter_jit
def _stationary(economy: Economy, public: Public, savings: Array, mass: Array, factor: Array) -> Array:
    """Mean lifetime utility in the stationary equilibrium with `factor` times the goods, and its derivative: (2,)."""
    flows = scaled_flows(economy, factor)(jnp.asarray(savings), public)
    return jnp.sum(mass * stationary_value(economy, public, savings, flows), axis=(1, 2))
