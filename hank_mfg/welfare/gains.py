"""Who gains from a change, and by how much: between stationary equilibria, and along the way from one to the other.

The gain of a household is the permanent percent of goods, at unchanged hours, that would make it as well off where it
is (evaluate/welfare.py). That of all is the percent, given to every household, that makes mean lifetime utility equal.
Between two stationary equilibria the mean is over each one's own households: that of a household which does not know
yet which one it will be. Along a path both means are over the households of period 0, who live through the change.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.arguments import described, require_none
from hank_mfg.environment.product_grid import points_held
from hank_mfg.evaluate.distribution.statistics import means_by_wealth, shares_in_groups
from hank_mfg.evaluate.welfare import consumption_percent
from hank_mfg.files import latex_of
from hank_mfg.model.labor import GHH
from hank_mfg.model.portable import portable
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_sizes, require_whole
from hank_mfg.solve.sequence.path_checks import require_same_grid
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.solution import Solution
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.welfare.comparable import require_same_preferences, require_same_start, require_still_preferences
from hank_mfg.welfare.decomposition import Parts, decomposed
from hank_mfg.welfare.equivalents import percent_at_rest, percents_at_risk
from hank_mfg.welfare.risky import Setting, lived
from hank_mfg.welfare.values import values_along, values_at_rest
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd

INDIFFERENT = 1e-10  # percent of consumption below which a household neither gains nor loses
EVERYBODY, AT_RISK = "all households", "aggregate risk"
USUAL = {"starts": 8, "paths": 8, "horizon": 500, "seed": 0}
NONE = Setting(0, 0, 0, 0)


@readable
@portable
@dataclasses.dataclass(frozen=True)
class Welfare:
    """Gains from a change, in permanent percent of goods at unchanged hours.

    `percent` is the gain of all, with its `standard_error` over starting states where there is aggregate risk, and
    `in_favor` the share of households that gain, in percent. (assets, income) each: `by_state` the gain of a household,
    infinite where no percent is as good, `favor` the probability that it gains, `mass` how many there are,
    `value_before` and `value_after` lifetime utility; with aggregate risk means over starting states. `parts` is what
    the gain of all consists of (decomposition.py); `steady` the stationary equilibrium before the change and `grid` the
    one of all arrays. `kind` is "stationary equilibria", "path" or "aggregate risk", and `setting` the starting states,
    paths, periods and seed of the last, zeros otherwise.
    """

    percent: float
    standard_error: float
    in_favor: float
    by_state: np.ndarray
    favor: np.ndarray
    mass: np.ndarray
    parts: Parts
    value_before: np.ndarray
    value_after: np.ndarray
    steady: SteadyState
    grid: Any
    kind: str
    setting: Setting = NONE

    @property
    def precision(self) -> str:
        """The precision of every number here."""
        return "float64"

    @property
    def unit_of_parts(self) -> str:
        """In what the parts are: percent of consumption, with GHH preferences of consumption less effort."""
        composite = isinstance(self.steady.economy.model.preferences(), GHH)
        return f"percent of consumption{' less effort' if composite else ''}"

    def table(self) -> "pd.DataFrame":
        """The gain of all, its parts, and who is in favor, in percent."""
        import pandas as pd

        unit, of_parts = " (percent of consumption)", f" ({self.unit_of_parts})"
        rows = {f"Gain of all households{unit}": self.percent}
        if self.kind == AT_RISK:
            rows[f"Standard error{unit}"] = self.standard_error
        rows |= {f"{name.capitalize()}{of_parts}": value for name, value in self.parts._asdict().items()}
        rows["In favor (percent of households)"] = self.in_favor
        return pd.DataFrame({"value": pd.Series(rows, dtype=float)}).rename_axis("welfare")

    to_latex = latex_of

    def by(self, what: str = "wealth", groups: int | Sequence[float] = 10) -> "pd.DataFrame":
        """Gains by group: one row each and one for all households, in percent.

        `what` is "wealth" (net worth, with two assets), in `groups` equally large ones or with ends at the given shares
        of the population; "type", of permanent types; or the name of an own state of the model, such as "age". Columns:
        population, the mean gain of the group's households, and the share in favor. The mean is over gains in percent
        of each household's own consumption, so that for all households it differs from `percent`.

        Raises ValueError for a group that there is not, and for groups that are none.
        """
        if what != "wealth":
            return _by_own_state(self, what)
        held, assets, gain = self._economy.held(self.mass), points_held(self.grid), self._finite()
        table = means_by_wealth(held, assets, gain, groups)
        favor = means_by_wealth(held, assets, 100.0 * self.favor, groups)
        table = table.assign(**{"in favor (percent)": favor["mean"]}).rename(columns={"mean": "gain (percent)"})
        return table.rename(index={"everybody": EVERYBODY})

    def along_wealth(self, groups: int = 50) -> "pd.DataFrame":
        """Gains by wealth, in percent: the mean and percentiles 10, 50 and 90 of the households of each of `groups`
        equally large groups, by the percentile of wealth in their middle."""
        import pandas as pd

        require_whole("groups", groups, 1, "50 is usual", "along_wealth")
        held, economy = np.asarray(self._economy.held(self.mass)), self._economy
        wealth = np.asarray(economy.grid.worth if economy.several else economy.grid.points)
        order = np.argsort(wealth, kind="stable")
        held, gain = held[order], self._finite()[order]
        weight, edges = held.sum(axis=1), np.linspace(0.0, 1.0, groups + 1)
        share = held / np.where(weight > 0, weight, 1.0)[:, None]
        rows = [_spread(part[:, None] * share, gain) for part in shares_in_groups(weight, edges)]
        middle = pd.Index(50.0 * (edges[1:] + edges[:-1]), name="wealth percentile")
        return pd.DataFrame(rows, columns=["mean", "p10", "p50", "p90"], index=middle)

    @property
    def _economy(self) -> Any:
        """The economy on the grid of the gains."""
        return self.steady.economy.on(self.grid)

    def _finite(self) -> np.ndarray:
        """Gains of all states in which households are. Raises ValueError where one of them has no finite percent."""
        there = np.asarray(self.mass) > 0
        endless = there & ~np.isfinite(self.by_state)
        if endless.any():
            raise ValueError(
                f"{100 * np.sum(self.mass * endless):.3g} percent of households have no finite gain: no percent of "
                "their consumption makes up for the change of hours; read by_state and favor, or compare a smaller "
                "change."
            )
        return np.where(there, self.by_state, 0.0)


def _spread(weight: np.ndarray, gain: np.ndarray) -> list[float]:
    """The mean and percentiles 10, 50 and 90 of gains by their weight."""
    weight, gain = weight.ravel(), gain.ravel()
    order = np.argsort(gain, kind="stable")
    below = np.cumsum(weight[order]) / weight.sum()
    percentiles = [float(gain[order][np.searchsorted(below, each)]) for each in (0.1, 0.5, 0.9)]
    return [float(np.sum(weight * gain) / weight.sum()), *percentiles]


def _by_own_state(gains: Welfare, what: str) -> "pd.DataFrame":
    import pandas as pd

    economy, each = gains.steady.economy, gains._finite()
    states = {name: np.asarray(values) for name, values in economy.own.items()}
    if len(economy.shares) > 1:
        states["type"] = economy.types
    if what not in states:
        raise ValueError(
            f"by({what!r}): there are no such groups{did_you_mean(what, ['wealth', *states])}; choose wealth or "
            f"{' or '.join(states)}."
        )
    rows = {value: gains.mass * (states[what] == value) for value in np.unique(states[what])}
    rows[EVERYBODY] = gains.mass
    columns = {
        "population (percent)": [100.0 * mass.sum() for mass in rows.values()],
        "gain (percent)": [np.sum(mass * each) / mass.sum() for mass in rows.values()],
        "in favor (percent)": [100.0 * np.sum(mass * gains.favor) / mass.sum() for mass in rows.values()],
    }
    return pd.DataFrame(columns, index=pd.Index(rows, name=what))


@float64_allowed
def welfare(
    before: SteadyState | Solution,
    after: SteadyState | Transition | Solution,
    *,
    starts: int | None = None,
    paths: int | None = None,
    horizon: int | None = None,
    seed: int | None = None,
) -> Welfare:
    """Who gains from a change, and by how much, in permanent percent of consumption goods at unchanged hours.

    `before` is a stationary equilibrium; `after` another one on the same grid, or the path that leads there from
    `before`, `hm.transition(new, initial=before)`. Between stationary equilibria `percent` compares mean lifetime
    utility in each, and the gain of a state is that of a household that is moved, with its assets and own state, from
    one to the other. Along a path everything is about the households of period 0.

    With aggregate risk both are global solutions, under two policies, with the same aggregate shocks. Households of
    `starts` states of the ergodic set of the first (8) live on under each, on `paths` paths of shocks common to both (8
    from every state), of `horizon` periods (500) that the stationary value of each closes; `seed` of the draws (0). The
    second policy begins with memories from its own ergodic set. Standard errors are over starting states.

    Preferences, patience and survival must be the same before and after. Right for every preference (CRRA, Separable,
    GHH), one asset or two, with permanent types and with ages, where utility after death is zero and those not yet born
    do not count. float64. Source: Floden (2001) for the parts, which are not there (NaN) where lives end. Raises
    ValueError for situations that cannot be compared.
    """
    given = {"starts": starts, "paths": paths, "horizon": horizon, "seed": seed}
    if not isinstance(before, SteadyState):
        return _at_risk(before, after, Setting(*(USUAL[k] if v is None else v for k, v in given.items())))
    require_none(given, "global solutions", "before is a stationary equilibrium")
    if not isinstance(after, SteadyState | Transition):
        raise ValueError(
            f"welfare(before, after) was given a stationary equilibrium and {described(after)}: give another "
            "equilibrium, the path to it as hm.transition(new, initial=before) returns it, or two global solutions."
        )
    along = isinstance(after, Transition)
    end = after.steady if along else after
    require_same_grid("before", before.economy, "after", end.economy)
    require_same_preferences(before, end)
    if isinstance(after, Transition):
        require_same_start(before, after)
        require_still_preferences(after)
    mass = np.asarray(after.mass[0] if along else after.mass)
    first, values = values_at_rest(before), values_along(after) if along else values_at_rest(after)
    mean = float(np.sum(mass * values.total) - np.sum(before.mass * first.total))
    by_state = np.asarray(percent_at_rest(before, first, values.total))
    parts = decomposed(before.economy.model.preferences(), (first, before.mass), (values, mass))
    favor = (by_state > INDIFFERENT).astype(float)
    return Welfare(
        consumption_percent(before, mean), 0.0, 100.0 * float(np.sum(before.mass * favor)), by_state, favor,
        np.asarray(before.mass), parts, first.total, values.total, before, before.economy.grid,
        "path" if along else "stationary equilibria",
    )  # fmt: skip


def _at_risk(before: Solution, after: Any, setting: Setting) -> Welfare:
    """Gains with aggregate risk."""
    if not isinstance(after, Solution):
        raise ValueError(
            f"welfare(before, after) was given {described(before)} and {described(after)}: give two stationary "
            "equilibria, a stationary equilibrium and the path that begins there, or two global solutions."
        )
    require_same_preferences(before.steady, after.steady)
    _require_same_shocks(before, after, setting)
    first = before.play().economy
    points = first.grid.count
    require_same_grid("before", first, "after", after.play(points).economy)
    old, new = lived(before, after, points, setting)
    share = old.mass / setting.starts
    preferences = before.steady.economy.model.preferences()
    percent, error, by_state = percents_at_risk(before, points, setting, old, new)
    favor = (by_state > INDIFFERENT).astype(float)
    parts = decomposed(preferences, (old.values, share), (new.values, share))
    mass, weigh = share.sum(axis=0), _means_over_starts(share)
    return Welfare(
        percent, error, 100.0 * float(np.sum(share * favor)), weigh(by_state), weigh(favor), mass, parts,
        weigh(old.values.total), weigh(new.values.total), before.steady, first.grid, AT_RISK, setting,
    )  # fmt: skip


def _means_over_starts(share: np.ndarray) -> Any:
    """Means over starting states of values (starts, assets, income), by how many households are there, plain ones where
    none are."""
    total = share.sum(axis=0)
    weight = np.where(total > 0, share / np.where(total > 0, total, 1.0), 1.0 / len(share))
    return lambda values: np.sum(weight * values, axis=0)


def _patience_of(economy: Any) -> list:
    """Discount factors by aggregate and own state."""
    return [np.asarray(economy.discount_factor(economy.shocks(z))).tolist() for z in range(economy.shock_count)]


def _require_same_shocks(before: Solution, after: Solution, setting: Setting) -> None:
    """Raise ValueError where paths of shocks cannot be common, and SizeError for sizes that do not fit."""
    old, new = (each.play(10).economy if not each.steady.economy.several else each.play().economy
                for each in (before, after))  # fmt: skip
    same = all(np.array_equal(getattr(old, name), getattr(new, name)) for name in ("shock_transition", "shares"))
    same = same and old.shape[1] == new.shape[1] and _patience_of(old) == _patience_of(new)
    known = len(np.asarray(before.states.aggregate.shock))
    if setting.starts > known:
        raise ValueError(
            f"welfare(starts={setting.starts}): the first solution knows {known} states of its ergodic set, one for "
            f"each path of training: give at most {known}."
        )
    if (
        not same
        or before.steady.economy.model.state_variables().keys() != after.steady.economy.model.state_variables().keys()
    ):
        raise ValueError(
            "welfare(before, after): the solutions differ in aggregate shocks, patience, own states or state "
            "variables, so that no path is common to both: compare policies of one economy."
        )
    require_sizes(
        "welfare", {name: (getattr(setting, name), 1, USUAL[name]) for name in ("starts", "paths", "horizon")},
        lambda: (20.0 * setting.horizon * before.steady.mass.size,
                 100.0 * before.steady.mass.size * setting.horizon * setting.starts * setting.paths),
    )  # fmt: skip
