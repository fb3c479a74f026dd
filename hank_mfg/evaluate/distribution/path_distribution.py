"""The distribution along a transition path: the percentiles of date t, and groups fixed before the shock.

Both meanings of a percentile, set out in `groups.py`, over the periods of a perfect-foresight path with masses D_t and
policies c_t, a'_t:

    current percentiles    gini, top shares, wealth_p50, consumption_gini, consumption_p50: statistics of D_t,
    fixed groups           wealth_initial_top_1, consumption_initial_top_1: means over D^g_t, where D^g_0 is the part
                           of D_0 in wealth group g and D^g_{t+1} the D^g_t moved by the lotteries of a'_t.

Responses are differences from the economy without the shock: the stationary equilibrium `baseline`. A current
percentile is constant there. A fixed group is not: those who start rich drift toward the mean with or without a shock.
So it is compared with the same group followed with the baseline's policies, and without a shock every response is zero.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.evaluate.distribution.groups import (
    GROUPS,
    PERCENTILES,
    SHARES,
    group_series,
    inequality,
    percentile,
    wealth_groups,
    wealth_percentiles,
)
from hank_mfg.evaluate.distribution.statistics import gini_over_states, quantile_over_states
from hank_mfg.evaluate.units import change_in, in_names, require_periods, unit_of
from hank_mfg.files import write_text
from hank_mfg.latex import to_latex
from hank_mfg.model.units import LEVEL, SHARE
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.sequence.household_path import move, with_chain
from hank_mfg.solve.sequence.path_checks import require_same_grid
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.wording import display_name, readable

CURRENT, FIXED = "current percentile", "fixed group"
DATES = (0, 4, 8, 20, 40)  # periods in a table


def require_horizon(horizon: int, length: int) -> None:
    """Raise ValueError unless a path of so many periods, its `length`, has the first `horizon` and these are two."""
    if not 2 <= horizon <= length:
        raise ValueError(f"horizon = {horizon}: the path has {length} periods, give 2 to {length}.")


@readable
@dataclasses.dataclass(frozen=True)
class DistributionPath:
    """The distribution over time along a path.

    `levels` and `baseline` map names to (horizon,): with the shock and without. Gini coefficients and shares are
    fractions, wealth and consumption in goods. `meanings` says of each whether it is of a "current percentile",
    the households there at date t, or of a "fixed group" of the households that were in it before the shock. `units`
    are those of `responses`. `mass` (horizon, assets) is the population over `assets` (assets,); `groups` the ranks
    where fixed groups begin and end; `note` describes how it was computed; `period` is the length of one that the model
    declares.
    """

    horizon: int
    levels: dict[str, np.ndarray]
    baseline: dict[str, np.ndarray]
    meanings: dict[str, str]
    units: dict[str, str]
    mass: np.ndarray
    assets: np.ndarray
    groups: dict[str, tuple[float, float]]
    note: str
    period: str = ""

    @property
    def responses(self) -> dict[str, np.ndarray]:
        """Deviations from the baseline, (horizon,) each: percent, percentage points, or levels, as `units` says."""
        found = {}
        for name, unit in self.units.items():
            found[name] = change_in(unit, self.baseline[name], self.levels[name])
        return found

    def first(self, periods: int) -> "DistributionPath":
        """The same path in its first periods. Raises ValueError unless it has so many, and for fewer than two."""
        require_horizon(periods, self.horizon)
        cut = {part: {n: v[:periods] for n, v in getattr(self, part).items()} for part in ("levels", "baseline")}
        return dataclasses.replace(self, horizon=periods, mass=self.mass[:periods], **cut)

    def to_dict(self) -> dict:
        """Plain numbers: horizon, note, and for each series its meaning, unit, responses, levels and baseline."""
        series = {
            name: {
                "meaning": self.meanings[name],
                "unit": self.units[name],
                "response": response.tolist(),
                "level": self.levels[name].tolist(),
                "baseline": self.baseline[name].tolist(),
            }
            for name, response in self.responses.items()
        }
        return {"horizon": self.horizon, "note": self.note, "series": series}

    def to_frame(self) -> pd.DataFrame:
        """Responses, one row per period, one column per series with its unit in the name."""
        columns = {f"{name}_{in_names(self.units[name])}": v for name, v in self.responses.items()}
        return pd.DataFrame(columns).rename_axis("period")

    def table(self, periods: Sequence[int] | None = None) -> pd.DataFrame:
        """Responses in chosen periods, one row per series: its meaning, unit and baseline of period 0 come first.

        `periods` are by default 0, 4, 8, 20 and 40, as far as the path goes. Raises ValueError for a period that the
        path does not have.
        """
        shown = [t for t in DATES if t < self.horizon] if periods is None else list(periods)
        require_periods(shown, self.horizon)
        rows = [
            [self.units[name], self.baseline[name][0], *response[shown]] for name, response in self.responses.items()
        ]
        keys = [(self.meanings[name].capitalize(), label(name)) for name in self.responses]
        heads = [
            ("", "Unit of the response"),
            ("", "Baseline (level or decimal)"),
            *(("Response in period", str(t)) for t in shown),
        ]
        index = pd.MultiIndex.from_tuples(keys, names=["meaning", "series"])
        return pd.DataFrame(rows, index=index, columns=pd.MultiIndex.from_tuples(heads))

    def to_latex(self, file: str | os.PathLike | None = None, periods: Sequence[int] | None = None, **options) -> str:
        """The table as LaTeX (booktabs), also written to `file` where given, whole or not at all.

        `periods` as for `table`; `options` are `caption`, `label` and `digits` of `hank_mfg.latex.to_latex`.
        """
        frame = self.table(periods)
        meanings = frame.index.get_level_values("meaning").to_series()
        once = meanings.where(~meanings.duplicated(), "")
        frame.index = pd.MultiIndex.from_arrays([once, frame.index.get_level_values("series")], names=[None, None])
        text = to_latex(frame, note=self.note, **options)
        if file is not None:
            write_text(Path(file), text)
        return text


def label(name: str) -> str:
    """The name a reader sees: `wealth_initial_top_1` becomes "Wealth, initial top 1 %"."""
    known = {
        "gini": "Wealth, Gini coefficient",
        "consumption_gini": "Consumption, Gini coefficient",
        "top_1_percent_share": "Wealth share, top 1 %",
        "top_10_percent_share": "Wealth share, top 10 %",
    }
    what, _, rest = name.partition("_")
    if name in known or what not in ("wealth", "consumption"):
        return known.get(name, display_name(name))
    if rest[:1] == "p" and rest[1:].replace(".", "").isdigit():
        return f"{what.capitalize()}, percentile {rest[1:]}"
    return f"{what.capitalize()}, {group_label(rest)}"


def group_label(group: str) -> str:
    """The name of a fixed group: `initial_top_1` becomes "initial top 1 %"; one of your own keeps its words."""
    words = group.replace("_", " ")
    return f"{words} %" if group in GROUPS else words


@float64_allowed
def distribution_path(
    path: Transition,
    *,
    baseline: SteadyState | None = None,
    groups: Mapping[str, tuple[float, float]] = GROUPS,
) -> DistributionPath:
    """The response over time of inequality, of current percentiles and of fixed groups; see the module's text.

    `baseline` is the stationary equilibrium without the shock, on the same grid: by default that in which the path
    ends; after a permanent change pass the one before it. `groups` maps names to the ranks, between 0 and 1, where a
    group begins and ends in the wealth distribution of period 0, before households choose: that before the shock, or,
    where the mass of period 0 is itself what changed, that after the change. Where mean wealth is not
    positive in every period, Gini coefficient and top shares of wealth have no meaning and are left out. Raises
    ValueError for a baseline on another grid and for ranks that are not ascending in [0, 1].
    """
    still = path.steady if baseline is None else baseline
    _check(path, still, groups)
    economy = path.steady.economy
    assets = np.asarray(economy.grid.points)
    chosen = dict(groups)
    mass, still_mass = economy.held(path.mass), economy.held(still.mass)
    start = wealth_groups(mass[0], chosen)
    saved, spent = (np.broadcast_to(x, path.mass.shape) for x in (still.savings, still.consumption))
    constant_chain = np.broadcast_to(np.asarray(still.economy.income_transition[0, 0]), path.chain.shape)
    after = follow(economy, start, path.savings, path.consumption, path.chain)
    moved = np.abs(mass[0].sum(axis=1) - still_mass.sum(axis=1)).max() > 1e-12
    before = start if moved else wealth_groups(still_mass, chosen)  # a shock may change jobs, not wealth, on impact
    without = follow(still.economy, before, saved, spent, constant_chain)
    current = _current(mass, path.consumption, assets)
    constant = _current(still_mass, still.consumption, assets)
    names = [name for name in current if name in constant]
    levels = {**{name: current[name] for name in names}, **group_series(*after, chosen)}
    flat = {name: np.broadcast_to(constant[name], path.mass.shape[:1]) for name in names}
    reference = {**flat, **group_series(*without, chosen)}
    units = {
        name: unit_of(SHARE if name in SHARES else LEVEL, values, reference[name]) for name, values in levels.items()
    }
    note = (
        f"Perfect-foresight path of {len(path.mass)} periods, histogram on {len(assets)} asset points moved exactly, "
        "float64. Current percentile: the households there in that period. Fixed group: the mean over those that "
        "were in the group in period 0, less the mean of the same households had there been no shock."
    )
    meanings = {name: CURRENT if name in flat else FIXED for name in levels}
    wealth, period = mass.sum(axis=2), economy.model.period
    return DistributionPath(len(wealth), levels, reference, meanings, units, wealth, assets, chosen, note, period)


def _check(path: Transition, still: SteadyState, groups: Mapping[str, tuple[float, float]]) -> None:
    require_same_grid("baseline", still.economy, "the path", path.steady.economy)
    for name, (start, end) in groups.items():
        if not 0.0 <= start < end <= 1.0:
            raise ValueError(f"groups[{name!r}] = {(start, end)}: give two ascending ranks between 0 and 1.")


@float64_allowed
def follow(
    economy: Economy, groups: np.ndarray, savings: np.ndarray, consumption: np.ndarray, chain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean consumption and wealth of groups over time, (time, groups) each: the same households throughout,
    where lives end with the newborns who replace them.

    `groups` (groups, assets, income) are their masses in period 0, each summing to one; `savings` and `consumption`
    (time, assets, income) are the policies. Masses move by the lotteries of savings and the `chain` of income (time,
    income, income).
    """
    mean_consumption, mean_wealth = _follow(economy, *(jnp.asarray(x) for x in (groups, savings, consumption, chain)))
    return np.asarray(mean_consumption), np.asarray(mean_wealth)


@eqx.filter_jit
def _follow(economy: Economy, groups: Array, savings: Array, consumption: Array, chain: Array) -> tuple[Array, Array]:
    def ahead(groups, policy):
        saved, consumed, moves = policy
        now = with_chain(economy, moves)
        mean_consumption = jnp.sum(groups * consumed, axis=(1, 2))
        mean_wealth = jnp.sum(economy.held(groups) * economy.grid.points[:, None], axis=(1, 2))
        return jax.vmap(lambda group: move(now, group, saved))(groups), (mean_consumption, mean_wealth)

    return jax.lax.scan(ahead, groups, (savings, consumption, chain))[1]


def _current(mass: np.ndarray, consumption: np.ndarray, assets: np.ndarray) -> dict[str, np.ndarray]:
    """Statistics of current percentiles, from masses and consumption (..., assets, income): (...) each."""
    wealth = mass.sum(axis=-1)
    positive = np.all(wealth @ assets > 1e-6 * (wealth @ np.abs(assets)))
    found = inequality(wealth, assets) if positive else {}
    found |= wealth_percentiles(wealth, assets)
    found["consumption_gini"] = np.asarray(gini_over_states(mass, consumption))
    quantiles = quantile_over_states(mass, consumption, np.array(PERCENTILES))
    return found | {percentile("consumption", p): quantiles[..., k] for k, p in enumerate(PERCENTILES)}
