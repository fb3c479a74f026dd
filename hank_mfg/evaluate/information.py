"""The value of information to one household, with all others, prices and what these reveal unchanged.

All households follow a solution. One at a time is given other signals, or more or less memory of them, and
trained by the same structural gradient in the frozen economy until it does as well as it can. What it loses against the
best informed of them, savings x against x*, is the discounted sum of what each of its choices costs when the best
follows (the performance difference lemma), to second order

    V* - V = E sum_t < m_t, - residual_t (x_t - x*_t) + 1/2 | curvature_t | (x_t - x*_t)^2 >,

with m_t the distribution of its own future, each state discounted by the discount factors on the way there, and
residual and curvature those of the best informed's first-order condition, the former zero but where a bound binds. No
term is negative, so a few paths are enough where the difference of two values would need thousands. Each household has
observed `burn_in` periods before its loss is measured.
Sources: Kakade and Langford (2002); Cochrane (1989), "The sensitivity of tests of the intertemporal allocation of
consumption to near-rational alternatives", American Economic Review 79(3).
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array

from hank_mfg.environment.lottery import push_forward
from hank_mfg.environment.markov import to_chain
from hank_mfg.evaluate.exploitability.deviation import deviate, observe_deviator, train_deviator
from hank_mfg.evaluate.misspecification import changed_parameters
from hank_mfg.evaluate.welfare import average_welfare, gain_over_paths
from hank_mfg.files import latex_of
from hank_mfg.model.base import Model
from hank_mfg.precision import DTYPES, cast, float64_allowed, in_jax
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.gradient.economies import prepare
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.play.lifetime import freeze
from hank_mfg.solve.play.rollout import Play, State
from hank_mfg.solve.solution import Solution
from hank_mfg.solve.stationary.best_savings import scaled_flows
from hank_mfg.wording import readable


class Informed(NamedTuple):
    """The loss of one kind of household against the best informed: lifetime utility, mean over paths and the mass, with
    its standard error over paths; and the permanent `percent` of consumption goods, at unchanged
    hours, equivalent for the best informed (welfare.py)."""

    loss: float
    standard_error: float
    percent: float


@readable
@dataclasses.dataclass(frozen=True)
class InformationValue:
    """Losses of each kind of household by name, and the sizes behind them; float64 but for training."""

    kinds: dict[str, Informed]
    paths: int
    horizon: int
    burn_in: int
    updates: int
    seed: int

    def table(self) -> pd.DataFrame:
        """One row a kind of household: its loss in lifetime utility, the standard error of that over paths, the loss in
        percent of permanent consumption and its standard error in the same unit."""
        rows = {}
        for name, each in self.kinds.items():
            error = abs(each.standard_error * each.percent / each.loss) if each.loss else 0.0
            rows[name] = each.loss, each.standard_error, each.percent, error
        columns = ["loss (lifetime utility)", "standard error", "percent of consumption", "standard error (percent)"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("household")

    to_latex = latex_of

    def recovered(self, name: str, *, least: str, most: str) -> float:
        """The share of what `most` gains over `least` that the kind `name` gains."""
        loss = {each: self.kinds[each].loss for each in (name, least, most)}
        return (loss[least] - loss[name]) / (loss[least] - loss[most])


@float64_allowed
def information_value(
    solution: Solution,
    kinds: Mapping[str, tuple[Model, RSPG]],
    *,
    updates: int = 600,
    paths: int = 16,
    horizon: int = 300,
    burn_in: int = 100,
    seed: int = 11,
) -> InformationValue:
    """Train one household of each kind in the frozen economy of `solution` and measure what it loses.

    `kinds` maps names to a model, the solution's but for its `signal` and for what it names of a household's own state,
    and settings, such as the kind of memory; the best informed comes last. A model that leaves out some quantities of
    `idiosyncratic_shock`, such as private signals, is that of a household that has them and ignores
    them: it does the same in all states that differ in nothing else. Asset points, paths and horizon of training are
    the solution's. The loss per period after `horizon` periods is taken to be that of these periods. Raises
    ValueError for a model that differs in anything but what households observe.
    """
    require_sizes(
        "information_value",
        {
            "updates": (updates, 1, 600),
            "paths": (paths, 1, 16),
            "horizon": (horizon, 1, 300),
            "burn_in": (burn_in, 0, 100),
        },
        lambda: (100.0 * (paths + horizon + updates), 1e4 * (paths * (horizon + burn_in) + updates)),
    )
    _require_kinds(kinds)
    begin = {name: _trained(solution, name, *kind, updates=updates, seed=seed) for name, kind in kinds.items()}
    baseline = solution.play()
    players = [_fine(play, baseline) for play in begin.values()]
    keys = jax.random.split(jax.random.PRNGKey(seed + 1), paths)
    start, steady = solution.start(baseline), solution.steady.economy
    annuities = steady.annuities()

    def measure(factor: float):
        periods = (burn_in, horizon)
        return _losses(baseline, players, start, periods, annuities, keys, factor=jnp.asarray(factor))

    losses, scaled = measure(1.0)
    welfare = average_welfare(lambda factor: measure(factor)[1], scaled)
    found = {}
    for name, loss in zip(kinds, np.asarray(losses).T, strict=True):
        mean, percent, error = gain_over_paths(solution.model.preferences(), welfare, loss)
        found[name] = Informed(mean, error, percent)
    return InformationValue(found, paths, horizon, burn_in, updates, seed)


def _require_kinds(kinds: Mapping[str, tuple[Model, RSPG]]) -> None:
    for name, kind in kinds.items():
        if not (
            isinstance(kind, tuple) and len(kind) == 2 and isinstance(kind[0], Model) and isinstance(kind[1], RSPG)
        ):
            raise ValueError(f"information_value: kinds[{name!r}] is {kind!r}: give a pair (model, hm.RSPG(...)).")
    if not kinds:
        raise ValueError("information_value: kinds is empty: give {'name': (model, hm.RSPG(...)), ...}, the best last.")


def _trained(solution: Solution, name: str, model: Model, settings: RSPG, *, updates: int, seed: int) -> Play:
    """A household of one kind, trained against the frozen economy, in the training precision."""
    differs = changed_parameters(model, solution.model)
    if differs or model.state_variables().keys() != solution.model.state_variables().keys():
        raise ValueError(
            f"The household '{name}' is of another economy ({', '.join(differs) or 'others are carried over'}): "
            "give a model that differs from the solution's in what households observe only."
        )
    own, others = (to_chain(each.idiosyncratic_shock()).values for each in (model, solution.model))
    if strange := [each for each in own if each not in others]:
        raise ValueError(
            f"The household '{name}' observes {', '.join(strange)}, which no household does in the solution: solve the "
            "economy of those who observe most of their own state, and compare in that."
        )
    same = {each: getattr(solution.settings, each) for each in ("asset_points", "paths", "horizon", "precision")}
    settings = dataclasses.replace(settings, updates=updates, **same)
    play, training = prepare(solution.model, settings, solution.steady, seed=seed, sees=model)
    baseline = solution.play(settings.asset_points, DTYPES[settings.precision])
    states = jax.tree.map(in_jax, solution.states)._replace(price_noise=None)
    memory = jnp.broadcast_to(play.policy.initial_memory(), (settings.paths, *play.policy.initial_memory().shape))
    training = training._replace(states=(states, memory))
    return play._replace(policy=train_deviator(baseline, play, training, settings, updates))


def _fine(play: Play, baseline: Play) -> Play:
    """The same household on the grid of `baseline`, float64, seeing what it sees."""
    policy = cast(play.policy, baseline.economy.dtype)
    model = cast(play.economy.model, baseline.economy.dtype)
    economy = eqx.tree_at(lambda e: e.model, baseline.economy, model)
    return Play(economy, policy, policy.tables_on(economy.grid))


@eqx.filter_jit
def _losses(
    baseline: Play,
    players: list[Play],
    state: State,
    periods: tuple[int, int],
    annuities: Array,
    keys: Array,
    *,
    factor: Array,
) -> tuple[Array, Array]:
    """The loss of every kind against the last along every path, (paths, kinds), and lifetime utility of the last with
    `factor` times the goods, with its derivative in the factor, (paths, 2).

    `annuities` (income,) are the value of a unit of utility in every period after the last one.
    """
    burn_in, horizon = periods
    economy = baseline.economy
    flows = scaled_flows(economy, factor)

    def one(key):
        shocks = economy.draw_shocks(state.aggregate.shock, burn_in + horizon, key=key)
        last, before = freeze(baseline, state, shocks[:burn_in], False)
        _, path = freeze(baseline, last, shocks[burn_in:], True)
        memories = [deviate(play, play.policy, play.policy.initial_memory(), before).memory[-1] for play in players]
        best, memory = players[-1], memories[-1]
        _, record = observe_deviator(best, best.policy, memory, path)
        binds = (record.unconstrained_savings < economy.lowest) | (record.unconstrained_savings > economy.grid.upper)
        slope = jnp.where(binds, jnp.abs(record.path.residual), 0.0)

        def losses(savings: Array) -> Array:
            """The discounted loss of `savings`, the flows of them, and the sum of all weights: (4,)."""

            def period(mass, given):
                savings, best, slope, curvature, now, shock_next = given
                gap = savings - best
                cost = slope * jnp.abs(gap) + 0.5 * jnp.abs(curvature) * gap**2
                each = jnp.concatenate([jnp.stack([cost, jnp.ones_like(cost)]), flows(savings, now.public)])
                chain = economy.chain(now.state.aggregate.shock, shock_next)
                discounted = mass * economy.discount_factor(now.public.shocks)
                moved = push_forward(discounted, economy.lottery(savings), chain)
                if economy.life is not None:  # a household's own life, not that of who replaces it
                    moved = jnp.where(economy.newborn(), 0.0, moved)
                return moved, jnp.sum(mass * each, axis=(1, 2))

            given = (savings, record.savings, slope, record.path.curvature, path.now, path.shock_next)
            left, sums = jax.lax.scan(period, last.aggregate.mass, given)
            cost, weight, *gains = sums.sum(axis=0)
            scale = 1.0 + jnp.sum(left.sum(axis=0) * annuities) / weight  # of the infinite horizon to its first periods
            return scale * jnp.stack([cost, *gains])

        each = [losses(deviate(play, play.policy, m, path).savings) for play, m in zip(players, memories, strict=True)]
        return jnp.stack([one[0] for one in each]), each[-1][1:]

    return jax.lax.map(one, keys)
