"""One recession, in any solution of Krusell and Smith's economy or its variants: what falls, and whose consumption.

Productivity and unemployment follow given quarters: `DRAWN` quarters drawn once, an expansion of `EXPANSION`, then a
recession of `RECESSION` and good times again. The fall of y in quarter h of the recession is

    100 (1 - y_h / y'_h)        with y' the path on which the expansion goes on,

in percent. Investment is output less consumption. On impact assets are those saved in the expansion on both paths, so
that consumption of a wealth group differs by jobs lost, wages, returns and what households save for fear of more.
"""

from typing import NamedTuple

import numpy as np

from hank_mfg.environment.markov import combine
from hank_mfg.evaluate.distribution.groups import wealth_groups
from hank_mfg.evaluate.simulate import simulate
from hank_mfg.model.base import Model
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.sequence.sequence_space import LinearSolution
from hank_mfg.solve.solution import GlobalSolution

BAD, GOOD = 0, 1
DRAWN, EXPANSION, RECESSION, AFTER = 1000, 40, 8, 32
SEED = 2016
SERIES = ("output", "consumption", "investment")
QUINTILES = {f"Quintile {k + 1}": (k / 5, (k + 1) / 5) for k in range(5)}  # poorest first


class Shocks(NamedTuple):
    """Aggregate states of every quarter: `before` the recession, then with it and without, (RECESSION + AFTER,)."""

    before: np.ndarray
    recession: np.ndarray
    expansion: np.ndarray


def shocks_of(model: Model, drawn: int = DRAWN) -> Shocks:
    """The quarters of the experiment; those before the long expansion are drawn from the model's chain."""
    transition = np.asarray(combine(model.aggregate_shocks()).transition, np.float64)
    state, path = GOOD, []
    for uniform in np.random.default_rng(SEED).random(drawn):
        state = GOOD if uniform < transition[state, GOOD] else BAD
        path.append(state)
    before = np.concatenate([np.asarray(path, int), np.full(EXPANSION, GOOD)])
    good = np.full(RECESSION + AFTER, GOOD)
    return Shocks(before, np.where(np.arange(len(good)) < RECESSION, BAD, GOOD), good)


class Recession(NamedTuple):
    """Percent by which each of `SERIES` falls, (RECESSION + AFTER,) each, and wealth quintiles on impact, (5,) each:
    share of wealth, share of consumption, fall of the quintile's consumption, what of it jobs lost alone do at the
    consumption functions of the expansion, share of the fall, all percent; empty where a solution has no distribution
    along the path."""

    fall: dict[str, np.ndarray]
    quintiles: dict[str, np.ndarray]


@float64_allowed
def global_recession(solution: GlobalSolution, shocks: Shocks) -> Recession:
    """The recession in a global solution: both paths simulated from the end of its solving on."""
    paths = {}
    for name in ("recession", "expansion"):
        quarters = np.concatenate([shocks.before, getattr(shocks, name)])
        paths[name] = simulate(solution, shocks=quarters, burn=len(shocks.before))
    falls = {name: _fall(*(_series(paths[path].series)[name] for path in paths)) for name in SERIES}
    play, goods, groups = solution.play(len(paths["recession"].assets)), {}, {}
    for name, path in paths.items():
        now = play.decide(path.start)
        budget = play.economy.budget(now.public)
        goods[name] = np.asarray(budget.goods(budget.consumption_of(now.cash, now.savings)))
        groups[name] = wealth_groups(np.asarray(path.start.aggregate.mass), QUINTILES)

    def spent(group: str, policy: str) -> np.ndarray:
        return (groups[group] * goods[policy]).sum(axis=(1, 2))

    before, lost = spent("expansion", "expansion"), spent("expansion", "expansion") - spent("recession", "recession")
    wealth = groups["expansion"].sum(axis=2) @ paths["expansion"].assets
    quintiles = {
        "Share of wealth": wealth / wealth.sum(),
        "Share of consumption": before / before.sum(),
        "Fall of consumption": lost / before,
        "Fall by jobs lost": (before - spent("recession", "expansion")) / before,
        "Share of the fall": lost / lost.sum(),
    }
    return Recession(falls, {name: 100.0 * share for name, share in quintiles.items()})


def linear_recession(linear: LinearSolution, shocks: Shocks) -> Recession:
    """The recession in a linear solution, from the same quarters: surprises of an AR(1) with the chain's persistence,
    each followed by the response to it, around the economy without aggregate risk."""
    steady = linear.steady
    chain = combine(steady.economy.model.aggregate_shocks())
    transition, values = np.asarray(chain.transition, np.float64), np.asarray(chain.values["productivity"], np.float64)
    persistence = transition[GOOD, GOOD] + transition[BAD, BAD] - 1.0
    response = linear.response(productivity=persistence ** np.arange(linear.horizon))
    mean = float(steady.public.shocks["productivity"])
    levels = []
    for quarters in (shocks.recession, shocks.expansion):
        away = values[np.concatenate([shocks.before, quarters])] - mean
        surprise = away - persistence * np.concatenate([[0.0], away[:-1]])
        found = {}
        for name in ("output", "consumption"):
            path = steady.outcomes[name] + np.convolve(surprise, response[name])[: len(away)]
            found[name] = path[len(shocks.before) :]
        levels.append(_series(found))
    return Recession({name: _fall(levels[0][name], levels[1][name]) for name in SERIES}, {})


def _series(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    output, consumption = np.asarray(found["output"]), np.asarray(found["consumption"])
    return {"output": output, "consumption": consumption, "investment": output - consumption}


def _fall(path: np.ndarray, other: np.ndarray) -> np.ndarray:
    return 100.0 * (1.0 - path / other)
