"""A household at given prices: partial equilibrium, a small open economy, a life under prices taken from data.

Prices, and with them cash on hand, are constant; the endogenous grid method gives the policy and a sparse linear solve
the stationary mass, where there is one: wealth must not grow without bound (candidates.py says when it does). No market
has to clear. Everything is in float64.
"""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.quantities import names_of, supplied
from hank_mfg.files import as_latex
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.precision import in_jax
from hank_mfg.solve.stationary.clearing.candidates import facts, growth_of
from hank_mfg.solve.stationary.clearing.mass import stationary_mass
from hank_mfg.solve.stationary.diagnosis.diagnosis import SteadyStateError
from hank_mfg.solve.stationary.diagnosis.sufficiency import nonconcave_budgets
from hank_mfg.solve.stationary.household import Solved, all_consumed, solve_at
from hank_mfg.solve.stationary.steady_state import household_tolerance, require_tolerance, summary, warn_of_top
from hank_mfg.wording import display_name, in_words

if TYPE_CHECKING:
    import pandas as pd


class HouseholdAtPrices(NamedTuple):
    """The stationary problem of households at given prices, every array float64.

    `economy` is the discretized model without aggregate risk; `prices` as given; `policy` consumption as a function of
    cash on hand, or savings in two assets; `consumption` and `savings` (assets, income), goods, savings in two assets
    (2, assets, income); `mass` (assets, income), None where it was not
    asked for; `aggregates` what aggregates() sums over that mass, and `choices` what is chosen, summed: consumption,
    savings and, where they are chosen, hours and earnings; both empty without a mass. `growth` is the factor by which
    high wealth grows a period, (beta (1 + r))^(1/g) where all are alike, not a number with two assets; `euler_change`
    the last relative change of consumption; times in seconds.
    """

    economy: Economy
    prices: Named
    policy: Any
    consumption: np.ndarray
    savings: np.ndarray
    mass: np.ndarray | None
    aggregates: Named
    choices: Named
    growth: float
    euler_change: float
    seconds_compile: float
    seconds_run: float

    @property
    def nonconcave(self) -> str:
        """States with budgets not concave in assets at these prices, so that the policy, which solves first-order
        conditions, need not be the best one: a sentence, "" where all are concave."""
        return nonconcave_budgets(self.economy, Public(self.economy.shocks(0), Named("aggregates", {}), self.prices))

    def table(self) -> "pd.DataFrame":
        """One row a quantity: prices, aggregates and choices, each as the model has it, and which of these it is."""
        import pandas as pd

        groups = {"price": self.prices, "aggregate": self.aggregates, "choice": self.choices}
        rows = {name: (float(value), kind) for kind, group in groups.items() for name, value in group.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "kind"]).rename_axis("quantity")

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        return as_latex(self.table().rename(index=display_name), path, **{"digits": 5, **options})

    def __repr__(self) -> str:
        return summary(self, {**self.prices, **self.aggregates}, f"growth of high wealth {self.growth:.6g}")


def household(
    model: Model,
    prices: Mapping[str, float],
    *,
    asset_points: int | Mapping[str, int] | None = None,
    tolerance: float = 1e-11,
    mass: bool = True,
) -> HouseholdAtPrices:
    """The policy of households at constant `prices`, the stationary mass, and what it adds up to: no market clears.

        at_home = hm.household(model, prices={"interest_rate": 0.03, "wage": 1.0})
        at_home.aggregates.capital, at_home.choices.consumption

    `prices` gives every price of the model by name, per model period: those of prices() and those of clearing_prices().
    Aggregate shocks are held at their means. `asset_points` is as in `steady_state`. Without a stationary `mass`, where
    wealth grows without bound, `mass=False` returns the policy alone, which then depends on the top of the asset grid.

    Raises ValueError for prices that are missing, unknown or not finite; SteadyStateError where some household cannot
    repay, the mass does not exist, or the problem did not converge.
    """
    begin = time.perf_counter()
    require_tolerance(tolerance)
    with jax.enable_x64(True):
        economy = discretize(model, asset_points, jnp.float64, aggregate_risk=False)
        given = _given(economy, prices)
        tight = household_tolerance(tolerance)
        growth = _check_before(economy, given, mass)
        compiled = time.perf_counter()
        found = solve_at(economy, given, tight)
        there = np.asarray(_mass(economy, found.savings)) if mass else None
        result = _sums(economy, given, found, there)
        change = float(found.change)
        if not change <= max(tolerance, tight):
            raise SteadyStateError(
                f"The household problem did not converge: consumption still moved by {change:.3g} (tolerance "
                f"{tolerance:g}) at prices {dict(_numbers(given.prices))}; give a larger tolerance."
            )
        if there is not None and np.isnan(there).any():
            raise SteadyStateError(
                f"The stationary mass is not determined at prices {dict(_numbers(given.prices))}: households stay "
                "forever in several separate sets of states, as they do without idiosyncratic risk where beta (1 + r) "
                "= 1; declare a chain that connects the states of idiosyncratic_shock(), or give mass=False."
            )
        if there is not None:
            warn_of_top(economy, there)
        return HouseholdAtPrices(
            economy, Named("prices", _numbers(given.prices)), found.policy, np.asarray(found.consumption),
            np.asarray(found.savings), there, *result, growth, change, compiled - begin, time.perf_counter() - compiled,
        )  # fmt: skip


def _numbers(values) -> dict[str, np.float64]:
    return {name: np.float64(value) for name, value in values.items()}


def _given(economy: Economy, prices: Mapping[str, float]) -> Public:
    """The prices of the model, all of them and no others, as what is public."""
    model = type(economy.model).__name__
    names = names_of(economy).prices
    if not isinstance(prices, Mapping):
        raise TypeError(f"prices = {prices!r}: give a dict by name, {{{names[0]!r}: 0.03}}.")
    for name in prices:
        if name not in names:
            raise ValueError(
                f"prices names {name!r}{did_you_mean(name, list(names))}: the prices of {model} are {', '.join(names)}."
            )
    missing = [name for name in names if name not in prices]
    if missing:
        raise ValueError(
            f"prices lacks {', '.join(missing)}: {model} has the prices {', '.join(names)}; give each of them."
        )
    values = {}
    for name in names:
        try:
            values[name] = float(prices[name])
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"prices[{name!r}] = {str(prices[name])[:60]!r} is not a number: give one per price."
            ) from error
        if not np.isfinite(values[name]):
            raise ValueError(f"prices[{name!r}] = {prices[name]!r} is not finite: give a number.")
    formed = Named("prices", {name: in_jax(np.float64(value)) for name, value in values.items()})
    return Public(economy.shocks(0), Named("aggregates", {}), formed)


_facts = eqx.filter_jit(facts)
_mass = eqx.filter_jit(stationary_mass)


def _sums(economy: Economy, public: Public, found: Solved, mass: np.ndarray | None) -> tuple[Named, Named]:
    """Aggregates and choices summed over the mass, by name."""
    if mass is None:
        return Named("aggregates", {}), Named("choices", {})
    names = names_of(economy)
    every = (*names.moved, *names.fixed)
    total = supplied(economy, every, jnp.asarray(mass), public.shocks)
    choices = economy.choices(jnp.asarray(mass), public, found.savings)
    sums = dict(zip(every, map(np.float64, total), strict=True))
    return Named("aggregates", sums), Named("choices", _numbers(choices))


def _check_before(economy: Economy, public: Public, mass: bool) -> float:
    """The growth of high wealth, not a number with two assets. Raises SteadyStateError where some household cannot
    repay or wealth grows without bound."""
    at, growth = in_words(public.prices), np.nan
    if economy.several:  # how fast wealth grows depends on what it costs to change the second
        least = np.min(np.asarray(all_consumed(economy, public)))
    else:
        known = _facts(economy, public)
        growth = float(growth_of(economy, np.asarray(known.factor)[None], np.asarray(known.gross)[None])[0])
        least = np.asarray(known.least)
    if not np.isfinite(least) or (not economy.several and np.isnan(growth)):
        raise SteadyStateError(f"resources() is not finite in every state at {at}: check it and the prices given.")
    if least <= 0:
        raise SteadyStateError(
            f"At {at} the poorest household has {float(least):.4g} to consume, not enough to repay down to the "
            f"borrowing limit {np.ravel(economy.grid.lower)[0]:.4g}: tighten the borrowing limit or raise the lowest "
            "income."
        )
    if mass and growth >= 1.0:
        own, shocks = economy.discount_factor(public.shocks), float(np.max(np.asarray(_facts(economy, public).gross)))
        most = float(np.max(np.asarray(own))) * shocks
        raise SteadyStateError(
            f"There is no stationary mass at {at}: beta (1 + r) is {most:.6g}, so that high wealth grows by a factor "
            f"of {growth:.6g} a period without bound; lower the interest rate or discount_factor until it is below "
            "one, or give mass=False for the policy alone."
        )
    return growth
