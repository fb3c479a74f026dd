"""Generalized impulse responses from the global solution.

The response of y to a shock of a given size at date 0 is

    E[ y_h | shock at 0 has mean m + size ] - E[ y_h | shock at 0 has mean m ],      h = 0, 1, ..., horizon - 1,

with m the stationary mean of the shock's process. A value between two states of the shock's chain is a lottery on its
two neighbors, so that any size inside the chain's range is met exactly and size zero gives zero. Both expectations
start from the same state before date 0, drawn from the ergodic set (or given), with the shock itself at one of the
neighbors of its mean; shocks declared in other chains move on from where they were, so that nothing else happens at
date 0 (a leap from one end of a chain to the other would be a history that never occurs), and are the
same with and without the shock at every later date. Random numbers are stratified, and the histogram moves exactly.
Surprises of the shock after date 0 have mean zero, those of the sampled paths nearly so; what their mean s_h, in units
of the size, does to the response R is taken out, gap_t = R_t + sum_{h=1}^{t} s_h R_{t-h}. The mean is over starting
states and paths, the bands are over starting states.

Two meanings of a percentile are both reported: `wealth_p50` is the wealth of the median household at date h;
`wealth_initial_top_1` the mean wealth at date h of the households that were in the top percent before the shock.

Responses are in percent of the path without the shock for levels that stay above zero, in percentage points for what
the model declares a rate or a share (`Model.units`), and in their own units for other levels.
"""

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import scipy.linalg
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.lottery import Lottery, push_forward
from hank_mfg.environment.markov import later
from hank_mfg.evaluate.distribution.date_zero import date_zero, set_apart
from hank_mfg.evaluate.distribution.groups import group_series, inequality, wealth_groups, wealth_percentiles
from hank_mfg.evaluate.simulate import period_series
from hank_mfg.evaluate.units import ANNUAL, change_in, in_names, kinds_of, periods_a_year, require_periods, unit_of
from hank_mfg.files import as_latex
from hank_mfg.model.units import LEVEL, RATE
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.play.rollout import Play, State, for_each, rollout
from hank_mfg.solve.solution import GlobalSolution, model_note
from hank_mfg.wording import display_name, readable

WALKERS = 8  # paths on which starting states are looked for, side by side
SPACING = 50  # periods between two starting states of a walker
APART = 4 * SPACING  # periods that walkers take to lose sight of each other
TOGETHER = 64  # paths that are followed at once
ROUNDING = 1e-14  # a state with less weight at date 0 is there by the rounding of the mean, and is not followed
Series = dict[str, np.ndarray]
DATES = (0, 4, 8, 20, 40)  # periods in a table
BY_VARIABLE = ("mean", "lower", "upper", "error")  # what a response has of every variable


@readable
@dataclasses.dataclass(frozen=True)
class ImpulseResponse:
    """The response of every series to one shock.

    `size` is in the shock's own units (a level: -0.01 of productivity one is one percent); `mean`, `lower` and `upper`
    map names to (horizon,) arrays in the `units` of each name; the band holds `coverage` of the starting states;
    `error` is the standard error of the mean over starting states. `rates` names what the model declares a rate, in
    percentage points per model period, of which a `period` is what it declares ("" where it does not).

    `each` maps names to the response from every starting state, (starts, horizon), of which `mean` is the mean, and
    `before` to the level of the series at date 0 without the shock, (starts,), in its own units: see `by_state`.
    """

    shock: str
    size: float
    unit: str
    horizon: int
    mean: dict[str, np.ndarray]
    lower: dict[str, np.ndarray]
    upper: dict[str, np.ndarray]
    error: dict[str, np.ndarray]
    units: dict[str, str]
    coverage: float
    starts: int
    paths: int
    note: str
    period: str = ""
    rates: tuple[str, ...] = ()
    each: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    before: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def by_state(self, name: str, share: float = 0.25) -> tuple["ImpulseResponse", "ImpulseResponse"]:
        """The responses from the states with the lowest and with the highest `name` at date 0 without the shock, for
        instance ("output", .1) after slumps and in booms: a `share` of the starting states each.

        Raises ValueError for a series that there is not, a share out of range, and too few starting states.
        """
        if name not in self.before:
            known = ", ".join(self.before) or "none was kept, which hm.save does"
            raise ValueError(f"by_state({name!r}): there is no such series to tell states by; choose one of {known}.")
        count = round(share * self.starts) if 0.0 < share <= 0.5 else 0
        if count < 1:
            raise ValueError(
                f"by_state(share={share}) of {self.starts} starting states: give a share of at most .5 that holds one "
                "or more, or raise starts."
            )
        order = np.argsort(self.before[name], kind="stable")
        return tuple(self._of(rows, name) for rows in (np.sort(order[:count]), np.sort(order[-count:])))  # type: ignore

    def _of(self, rows: np.ndarray, name: str) -> "ImpulseResponse":
        each, before = ({k: v[rows] for k, v in values.items()} for values in (self.each, self.before))
        low, high = before[name].min(), before[name].max()
        note = f"{self.note} Of {self.starts} starting states {len(rows)}, with {name} from {low:.5g} to {high:.5g}."
        parts = dict(zip(BY_VARIABLE, _summary(each, self.coverage), strict=True))
        return dataclasses.replace(self, **parts, starts=len(rows), note=note, each=each, before=before)

    def annualized(self) -> "ImpulseResponse":
        """The same with every rate in percentage points a year: times the number of periods that a year has.

        Shares and levels stay as they are. Raises ValueError where the model does not declare its period.
        """
        times = periods_a_year(self.period)
        changed = {
            name: {k: v * (times if k in self.rates else 1) for k, v in getattr(self, name).items()}
            for name in (*BY_VARIABLE, "each")
        }
        units = {**self.units, **{name: ANNUAL for name in self.rates if name in self.units}}
        return dataclasses.replace(self, **changed, units=units, rates=())

    def to_frame(self) -> pd.DataFrame:
        """One row per period; of every series the mean, both ends of the band and the standard error of the mean, each
        in a column whose name ends in the unit: output_percent, output_lower_percent, output_error_percent."""
        columns = {}
        for name in self.mean:
            unit = in_names(self.units[name])
            for what in BY_VARIABLE:
                middle = "" if what == "mean" else f"_{what}"
                columns[f"{name}{middle}_{unit}"] = getattr(self, what)[name]
        return pd.DataFrame(columns).rename_axis("period")

    def table(self, periods: Sequence[int] | None = None) -> pd.DataFrame:
        """One row a variable: its unit, then its response in chosen periods and the standard errors of these.

        `periods` are by default 0, 4, 8, 20 and 40, as far as the response goes. Raises ValueError for one beyond.
        """
        shown = [t for t in DATES if t < self.horizon] if periods is None else list(periods)
        require_periods(shown, self.horizon, "response")
        rows = {
            name: (self.units[name], *values[shown], *self.error[name][shown]) for name, values in self.mean.items()
        }
        groups = (("Response in period", shown), ("Standard error in period", shown))
        columns = [("", "Unit"), *((group, str(t)) for group, dates in groups for t in dates)]
        frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("variable")
        return frame.set_axis(pd.MultiIndex.from_tuples(columns), axis=1)

    def to_latex(
        self, path: str | os.PathLike | None = None, periods: Sequence[int] | None = None, **options: Any
    ) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        frame = self.table(periods).rename(index=display_name).rename_axis(None)
        return as_latex(frame, path, **{"note": self.note, **options})

    def to_dict(self) -> dict:
        """Plain numbers: shock, size, unit, horizon, and for each variable its list of responses and its unit."""
        head = {name: getattr(self, name) for name in ("shock", "size", "unit", "horizon", "starts", "paths", "note")}
        return {
            **head,
            "period": self.period,
            "units": self.units,
            **{name: values.tolist() for name, values in self.mean.items()},
        }

    def to_saved(self) -> dict:
        """Plain numbers that `ImpulseResponse.from_saved` reads back: everything but the single starting states."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del fields["each"], fields["before"]
        for name in BY_VARIABLE:
            fields[name] = {variable: values.tolist() for variable, values in fields[name].items()}
        return fields

    @classmethod
    def from_saved(cls, saved: dict) -> "ImpulseResponse":
        """Rebuild from `to_saved`."""
        for name in BY_VARIABLE:
            saved = {**saved, name: {variable: np.asarray(values) for variable, values in saved[name].items()}}
        return cls(**{**saved, "rates": tuple(saved.get("rates", ()))})


class _Followed(NamedTuple):
    """The record of one period to follow groups and distributions."""

    lottery: Lottery
    shock: Array
    shock_next: Array
    consumption: Array
    wealth: Array


def _from_start(play: Play, state: State, groups: Array, uniforms: Array, apart: Array, used: Array):
    """From date 0, where the shock and all others are as `apart` (levels, others) at the levels `used` and at whatever
    others the first of the `uniforms` (paths, 1 + time) picks; leading axes (used, paths, time): series; the
    distribution of assets (..., assets); mean consumption and wealth of the fixed groups (..., groups); the index of
    the aggregate state."""
    economy = play.economy
    now = play.decide(state)
    before = now.state.aggregate.shock
    step = play.act(now, before)
    order = apart.T.ravel()  # others outermost: a number picks the same others whatever the level
    zeros = jax.vmap(lambda uniform: economy.shocks_from(before, uniform[:1], order)[0])(uniforms)
    others = jnp.argmax((apart[:, :, None] == zeros).any(axis=0), axis=0)

    def record(step):
        aggregate = step.now.state.aggregate
        wealth = economy.grid.by_worth(economy.held(aggregate.mass).sum(axis=1))
        budget = economy.budget(step.now.public)
        goods = budget.goods(budget.consumption_of(step.now.cash, step.now.savings))
        recorded = _Followed(step.lottery, aggregate.shock, step.shock_next, goods, wealth)
        return period_series(economy, step.now), recorded

    def follow(groups, recorded: _Followed):
        consumption = jnp.sum(groups * recorded.consumption, axis=(1, 2))
        wealth = jnp.sum(economy.held(groups) * economy.grid.worth[:, None], axis=(1, 2))
        chain = economy.chain(recorded.shock, recorded.shock_next)
        return jax.vmap(lambda group: push_forward(group, recorded.lottery, chain))(groups), (consumption, wealth)

    def one(zero, uniform):
        shocks = economy.shocks_from(zero, uniform[1:], order)
        series, recorded = rollout(play, play.follow(step, zero), shocks, record)[1]
        chain = economy.chain(before, zero)
        moved = jax.vmap(lambda group: push_forward(group, step.lottery, chain))(groups)
        return series, recorded.wealth, jax.lax.scan(follow, moved, recorded)[1], recorded.shock

    return jax.lax.map(lambda level: for_each(economy, one, level[others], uniforms), apart[used])


@eqx.filter_jit
def _from_starts(play: Play, states: State, groups: Array, uniforms: Array, apart: Array, used: Array):
    """`_from_start` of many starts, leading axis of all but `apart` and `used`."""

    def one(state: State, groups: Array, uniforms: Array):
        return _from_start(play, state, groups, uniforms, apart, used)

    return for_each(play.economy, one, states, groups, uniforms)


def stratified(draws: np.random.Generator, paths: int, periods: int) -> np.ndarray:
    """Uniform numbers (paths, periods), in every period one in each of `paths` equal intervals (Latin hypercube).

    Means over paths then have far less sampling noise than with independent draws.
    """
    strata = np.argsort(draws.random((periods, paths)), axis=1).T
    return (strata + draws.random((paths, periods))) / paths


def on_the_way(transition: np.ndarray, ahead: np.ndarray, now: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The chance of every move of chains `now` (rows,) given where they will be, `targets` (rows,): (rows, states).

    P(z, z') A(z', target) / (P A)(z, target), with P the `transition` and A, `ahead`, its power from the next date on.
    """
    probabilities = transition[now] * ahead[:, targets].T
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def states_drawn(probabilities: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """The place in each row of `probabilities` (rows, places) that its number of `uniforms` (rows,) picks: (rows,);
    they need not add up to one."""
    below = np.cumsum(probabilities, axis=1)
    return np.argmax(uniforms[:, None] * below[:, -1:] < below, axis=1)


def starting_states(solution: GlobalSolution, play: Play, allowed: np.ndarray, *, count: int, seed: int) -> list[State]:
    """`count` states of the ergodic set in an aggregate state that is `allowed` (shocks,), in the order of those.

    `WALKERS` paths start from where the solution ended, walk `APART` periods to lose sight of each other, and give a
    state each every `SPACING` periods. Which allowed state is reached then is drawn first, by stratified numbers, so
    that each is there as often as it occurs, and the way to it is drawn given that it is reached, however rare it is:
    draws are not of one slump unless slumps last that long, and those long into a slump are drawn as often as they
    occur. Raises ValueError where no allowed state can be reached in that time.
    """
    chain = np.asarray(play.economy.shock_transition, np.float64)
    *ahead, arrive = later(chain, np.eye(len(chain)), 1 + SPACING)
    arrive = arrive * allowed
    draws, looks = np.random.default_rng(seed), math.ceil(count / WALKERS)
    settling = stratified(draws, WALKERS, APART // SPACING).T
    uniforms = np.concatenate([settling, stratified(draws, looks * WALKERS, 1).reshape(looks, WALKERS)])
    walk = eqx.filter_jit(
        lambda play, *each: for_each(play.economy, lambda s, z: rollout(play, s, z, lambda step: None)[0], *each)
    )
    states = jax.tree.map(lambda x: jnp.broadcast_to(x, (WALKERS, *jnp.shape(x))), solution.start(play))
    found: list[State] = []
    for look, numbers in enumerate(uniforms):
        path = [np.asarray(states.aggregate.shock)]
        if not arrive[path[0]].any(axis=1).all():
            raise ValueError(
                f"The aggregate states in which a response may start cannot be reached in {SPACING} periods from where "
                "the last one started: connect the states of aggregate_shocks() sooner, or pass a state to start from, "
                "start=."
            )
        targets = states_drawn(arrive[path[0]], numbers)
        for left in reversed(ahead):
            path.append(states_drawn(on_the_way(chain, left, path[-1], targets), draws.random(WALKERS)))
        states = walk(play, states, in_jax(np.stack(path[1:], axis=1).astype(np.int32)))
        if look >= len(settling):
            found += [jax.tree.map(lambda x, w=walker: x[w], states) for walker in range(WALKERS)]
    return sorted(found[:count], key=lambda state: int(state.aggregate.shock))


def _followed(play: Play, states: list[State], uniforms: np.ndarray, apart: np.ndarray, used: np.ndarray) -> Iterator:
    """What `_from_start` returns for each of the states, `TOGETHER` paths at a time; uniforms (starts, paths, time)."""
    batch = min(len(states), max(1, TOGETHER // uniforms.shape[1]))
    levels = jnp.asarray(apart, jnp.int32), jnp.asarray(used, jnp.int32)
    for first in range(0, len(states), batch):
        rows = np.minimum(first + np.arange(batch), len(states) - 1)  # the last again in a batch that is not full
        stacked = jax.tree.map(lambda *each: jnp.stack(each), *(states[row] for row in rows))
        held = [play.economy.held(np.asarray(states[row].aggregate.mass)) for row in rows]
        groups = in_jax(np.stack([wealth_groups(each, grid=play.economy.grid) for each in held]))
        arrays = _from_starts(play, stacked, groups, jnp.asarray(uniforms[rows]), *levels)
        arrays = jax.tree.map(np.asarray, arrays)
        for place in range(min(batch, len(states) - first)):
            yield jax.tree.map(lambda x, place=place: x[place], arrays)


@float64_allowed
def impulse_response(
    solution: GlobalSolution,
    shock: str,
    size: float,
    *,
    horizon: int = 40,
    starts: int = 96,
    paths: int = 8,
    seed: int = 5,
    coverage: float = 0.9,
    start: State | None = None,
    given: Mapping[str, float] | None = None,
) -> ImpulseResponse:
    """The generalized response to `shock` moving by `size` (its own units) at date 0; see the module's formula.

    `start` replaces the draw of `starts` states from the ergodic set. The response of the distribution comes with it:
    Gini, top shares, wealth at current percentiles. `given` holds other shocks at levels at date 0, with and without
    the shock, such as {"patience": 1.005} in a slump. Raises ValueError for an unknown shock or a size out of range.
    """
    play = solution.play()
    cells, one = play.economy.grid.size * play.economy.shape[1], 0 if start is not None else starts
    require_sizes(
        "impulse_response",
        {"horizon": (horizon, 1, 40), "starts": (starts, 1, 96), "paths": (paths, 1, 8)},
        lambda: (one * cells + 30.0 * starts * paths * horizon, 100.0 * cells * starts * (paths * horizon + 10)),
    )
    if not 0.0 < coverage <= 1.0:
        raise ValueError(f"impulse_response(coverage={coverage}): give a share above 0 and at most 1, 0.9 is usual.")
    kinds = kinds_of(play.economy)
    probabilities = np.stack(date_zero(play.economy, shock, size, given))  # without and with the shock, (2, states)
    allowed = probabilities[0] > 1e-9
    states = [start] if start is not None else starting_states(solution, play, allowed, count=starts, seed=seed)
    grid = play.economy.grid
    assets, apart = np.asarray(grid.by_worth(grid.worth)), set_apart(play.economy, [shock, *(given or {})])
    draws, each, surprises = np.random.default_rng(seed), [], []
    uniforms = stratified(draws, len(states) * paths, 1 + horizon).reshape(len(states), paths, 1 + horizon)
    weights = probabilities[:, apart].sum(axis=2)  # of every level of what is pinned
    used = np.flatnonzero((weights > ROUNDING).any(axis=0))
    weights = weights[:, used]
    for series, wealth, followed, index in _followed(play, states, uniforms, apart, used):
        spread = {**inequality(wealth, assets), **wealth_percentiles(wealth, assets)}
        values = {**series, **spread, **group_series(*followed)}
        each.append({name: weights @ value.mean(axis=1) for name, value in values.items()})
        surprises.append((weights[1] - weights[0]) @ surprise(play.economy, shock, index).mean(axis=1))
    units = {name: unit_of(kinds.get(name, LEVEL), *(pair[name] for pair in each)) for name in each[0]}
    gaps = {
        name: np.stack(
            [recentred(change_in(units[name], *pair[name]), s) for pair, s in zip(each, surprises, strict=True)]
        )
        for name in each[0]
    }
    note = (
        f"Generalized response: mean over {len(states)} starting states and {paths} paths each; band {coverage:.0%} of "
        f"starting states; histogram on {len(assets)} points, float64, seed {seed}"
        + "".join(f"; {name} at {level:g} at date 0" for name, level in (given or {}).items())
        + f". {model_note(solution)}".rstrip()
    )
    return ImpulseResponse(
        shock, float(size), "level", horizon, *_summary(gaps, coverage), units, coverage, len(states), paths, note,
        play.economy.model.period, tuple(name for name in units if kinds.get(name) == RATE), gaps,
        {name: np.array([pair[name][0, 0] for pair in each]) for name in gaps},
    )  # fmt: skip


def _summary(gaps: dict[str, np.ndarray], coverage: float) -> tuple[Series, Series, Series, Series]:
    """Mean, both ends of the band, and standard error of the mean, of responses (starts, horizon); a single start has
    no standard error: NaN. The error is that of a systematic sample, from differences between neighbors in the order
    of the aggregate states, sum_i (y_i - y_{i-1})^2 / (2 n (n - 1)): what those states explain is not drawn by chance.

    Source: Wolter (2007), Introduction to Variance Estimation, chapter 8, estimator v2.
    """
    tail, count = (1.0 - coverage) / 2.0, len(next(iter(gaps.values())))
    summaries = (
        lambda gap: gap.mean(axis=0),
        lambda gap: np.quantile(gap, tail, axis=0),
        lambda gap: np.quantile(gap, 1.0 - tail, axis=0),
        lambda gap: np.sqrt((np.diff(gap, axis=0) ** 2).mean(axis=0) / (2 * count)) if count > 1
        else np.full(gap.shape[1], np.nan),
    )  # fmt: skip
    mean, lower, upper, error = ({name: summary(gap) for name, gap in gaps.items()} for summary in summaries)
    return mean, lower, upper, error


def surprise(economy: Economy, shock: str, index: np.ndarray) -> np.ndarray:
    """The shock less what was expected of it a period earlier, along paths of aggregate states `index` (..., time).

    In period 0 the shock itself: the two paths differ by its size.
    """
    values = np.asarray(economy.shock_values[shock], np.float64)
    expected = np.asarray(economy.shock_transition, np.float64) @ values
    found = values[index]
    found[..., 1:] -= expected[index[..., :-1]]
    return found


def recentred(gap: np.ndarray, surprises: np.ndarray) -> np.ndarray:
    """The response R (time,) with gap_t = R_t + sum_{h=1}^{t} s_h R_{t-h}, s being `surprises` over that of date 0."""
    if surprises[0] == 0.0:
        return gap
    lower = scipy.linalg.toeplitz(surprises / surprises[0], np.zeros(len(gap)))
    return scipy.linalg.solve_triangular(lower, gap, lower=True, unit_diagonal=True)
