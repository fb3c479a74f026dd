"""Marginal propensities to consume: of every state, over time, and along a transition path.

Static: out of one more unit of cash on hand today, unexpected and once,

    MPC(a, e) = d c(a, e) / d m,      one where the borrowing limit binds.

Intertemporal: every household gets one unit of goods in period s, known from period 0 on, prices being as they are,

    M[t, s] = d C_t / d transfer_s,      t, s = 0, ..., horizon - 1.

M[0, 0] is the mean static one, the first column the response to a surprise, M[t, s] with t < s spending ahead of it.
All of it is spent at some time: with R the gross return on assets, the same for all households,

    sum_t R^{-t} M[t, s] = R^{-s}.

A transfer is an addition to cash on hand in the household's own step (solve/household_path.py), and M follows from it
by the fake-news recursion (solve/household_jacobians.py): exact but for the grid, in float64.

Source: Auclert, Rognlie and Straub (2024), "The Intertemporal Keynesian Cross", Journal of Political Economy 132(12).
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.lottery import push_forward
from hank_mfg.environment.quantities import Names, names_of, public_of
from hank_mfg.evaluate.distribution.statistics import marginal_propensities_by_wealth
from hank_mfg.model.named import Named
from hank_mfg.model.units import PERIODS
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.sequence.household_jacobians import Household, SteadyValues, household_jacobians, steady_values
from hank_mfg.solve.sequence.household_path import move, step, with_chain
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.solution import Solution
from hank_mfg.solve.stationary.household import feasible_savings, marginal_value, policy_of
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.wording import readable


@float64_allowed
def intertemporal_mpcs(
    steady: SteadyState, *, horizon: int = 300, output: str = "consumption", incidence: np.ndarray | None = None
) -> np.ndarray:
    """The intertemporal marginal propensities to consume M, (horizon, horizon): see the module's formulas.

    Row t is the response of aggregate consumption in period t to one unit of goods for every household in period s =
    column, known from period 0 on, at stationary prices. `output` may also name an aggregate that choices move
    ("capital"): then it is the response of what households supply at the start of t. Truncation is exact: a longer
    horizon adds rows and columns and leaves these.

    `incidence` says who receives: what a household in each own state (income,), or with each level of assets on the
    grid as well (assets, income), gets relative to others. It is divided by its mean over the stationary mass, so that
    one unit is paid in all; in period s it goes to those who are then in these states, foreseen like any risk. No
    household saves more or less in order to receive it: where it differs by assets it counts as lump-sum. The budget
    identity above holds for every incidence. Raises ValueError for a horizon below 2, another output, and an incidence
    that does not fit or pays nothing.
    """
    cells = steady.mass.size
    require_sizes(
        "intertemporal_mpcs", {"horizon": (horizon, -(2**63), 300)},
        lambda: (3.0 * float(horizon) ** 2 + 2.0 * abs(horizon) * cells, float(horizon) ** 2),
    )  # fmt: skip
    if horizon < 2:
        raise ValueError(f"horizon = {horizon} holds no response over time: give 2 or more periods, typically 300.")
    names = names_of(steady.economy)
    if output not in names.outputs:
        raise ValueError(f"There is no response of {output!r} to transfers: choose one of {', '.join(names.outputs)}.")
    share = jnp.asarray(_incidence(steady, incidence))
    return np.asarray(_intertemporal(steady_values(steady, names), names, horizon, share)[names.outputs.index(output)])


def _incidence(steady: SteadyState, incidence: np.ndarray | None) -> np.ndarray:
    """Each state's share of a transfer of one unit per household, broadcasting over (assets, income)."""
    if incidence is None:
        return np.ones((1, 1))
    share = np.asarray(incidence, np.float64)
    if share.shape not in (steady.mass.shape[1:], steady.mass.shape):
        raise ValueError(
            f"incidence has shape {share.shape}: give what each own state receives, {steady.mass.shape[1:]}, or each "
            f"(assets, own state), {steady.mass.shape}."
        )
    mean = float(np.sum(steady.mass * share)) if np.isfinite(share).all() else float("nan")
    if not (mean > 0 and share.min() >= 0):
        raise ValueError(
            f"incidence pays {mean:g} on average and {share.min():g} at least: give finite amounts, zero or positive, "
            "and a positive one to a state in which households are."
        )
    return np.broadcast_to(share / mean, steady.mass.shape)


@eqx.filter_jit
def _intertemporal(ss: SteadyValues, names: Names, horizon: int, share: Array) -> Array:
    """Responses to transfers shared out by `share`, (outputs, horizon, horizon): consumption first."""

    def decide(marginal_next, values):
        return step(ss.economy, names, marginal_next, values[:-1], values[-1] * share)

    transfer = (len(ss.inputs),)  # its place: after prices and shocks
    household = Household(decide, lambda mass, savings, _: move(ss.economy, mass, savings))
    return household_jacobians(ss, names, household, jnp.append(ss.inputs, 0.0), transfer, horizon).jacobians[:, 0]


@float64_allowed
def static_mpcs(steady: SteadyState) -> tuple[np.ndarray, np.ndarray]:
    """The marginal propensity to consume in every state of the stationary equilibrium, and who is constrained.

    Both (assets, income): the slope of today's consumption in cash on hand, per period, and whether the household
    saves down to the borrowing limit, of two assets that of the first, where the slope is one. It is one as well where
    the top of the grid binds, where hardly any household is. With two assets it is below one at the limit where some of
    the cash goes into the second asset. `np.sum(steady.mass * mpc)` is the mean, `np.sum(steady.mass * constrained)`
    the share of households.
    """
    names = names_of(steady.economy)
    ss = steady_values(steady, names)
    mpc, constrained = _slopes(ss, names, ss.inputs[None], ss.marginal[None], ss.economy.income_transition[0])
    return np.asarray(mpc[0]), np.asarray(constrained[0])


@eqx.filter_jit
def _slopes(ss: SteadyValues, names: Names, inputs: Array, marginals_next: Array, chains: Array) -> tuple[Array, Array]:
    """MPC and whether the limit binds, (time, assets, income), from inputs (time, inputs), V_a of tomorrow and the
    chains that lead there (time, income, income)."""

    def one(given):
        x, marginal_next, chain = given
        economy = with_chain(ss.economy, chain)

        def decide(transfer):
            decision = step(economy, names, marginal_next, x, transfer)
            return decision.chosen[0], decision.savings

        (_, savings), (mpc, _) = jax.jvp(decide, (jnp.zeros(()),), (jnp.ones(()),))
        if economy.several:
            return mpc, savings[0] <= economy.lowest[0]
        return mpc, savings <= economy.lowest

    return jax.lax.map(one, (inputs, marginals_next, chains))


def spent_of_transfer(economy: Economy, public: Public, composite: Array, mass: Array, size: float, periods: int = 1):
    """What is spent, over `periods`, of an unexpected transfer of `size` goods to every household, as a share of it.

        MPC = sum_{t < periods} (C_t - C) / size,

    with C_t the consumption of goods of the population that the transfer has made richer, at stationary prices and
    policies; `composite` and `mass` (assets, income) are those of the stationary equilibrium. As `size` goes to zero
    the MPC of one period is the mean of `static_mpcs`. Traceable, and differentiable in economy, policy and mass.
    """
    budget, policy, cash = economy.budget(public), policy_of(economy, public, composite), economy.resources(public)

    def chosen(cash):
        savings = feasible_savings(economy, public, cash, policy(cash))
        return savings, budget.goods(budget.consumption_of(cash, savings))

    def moved(mass, savings):
        return push_forward(mass, economy.lottery(savings), economy.chain())

    def later(now, _):
        return moved(now, usual), jnp.sum((now - mass) * goods)

    (usual, goods), (richer, more) = chosen(cash), chosen(cash + size)
    after = jax.lax.scan(later, moved(mass, richer), None, periods - 1)[1]
    return (jnp.sum(mass * (more - goods)) + jnp.sum(after)) / size


def marginal_propensities(solution: Solution | SteadyState) -> pd.DataFrame:
    """Marginal propensities to consume out of cash on hand by wealth quintile, in the stationary equilibrium;
    with two assets by net worth.

    The slopes of the policy itself, `static_mpcs`, weighed with the stationary mass; `constrained` are households that
    save down to the borrowing limit. `solution` may also be a stationary equilibrium.
    """
    steady = solution if isinstance(solution, SteadyState) else solution.steady
    mpc, constrained = static_mpcs(steady)
    held, assets = steady.economy.held(steady.mass), steady.assets
    table = marginal_propensities_by_wealth(held, assets, mpc)
    bound = marginal_propensities_by_wealth(held, assets, constrained.astype(float))
    return table.assign(**{"constrained (percent)": 100.0 * bound["mean MPC per period"]})


def mean_propensities(steady: SteadyState, responses: np.ndarray | None = None) -> dict[str, float]:
    """Mean marginal propensities to consume in a stationary equilibrium, and the share of the constrained.

    `mpc_PERIOD`: out of one unexpected unit of cash, spent in the same period, sum of mass times `static_mpcs`;
    `mpc_first_year`, where a year has several periods: what of it is spent within the first year, sum_{t < n} M[t, 0]
    with M from `intertemporal_mpcs` and n the periods of a year; `constrained`: households, as a decimal, that save
    down to the borrowing limit; with two assets that of the first, the hand-to-mouth, of whom `wealthy_hand_to_mouth`
    hold some of the second (Kaplan, Violante and Weidner 2014). `responses` is M, of at least n periods, computed here
    unless given.
    """
    period = steady.economy.model.period
    mpc, constrained = static_mpcs(steady)
    found = {f"mpc_{(period or 'period').replace(' ', '_')}": float(np.sum(steady.mass * mpc))}
    count = PERIODS.get(period, 1)
    if count > 1:
        within = intertemporal_mpcs(steady, horizon=count) if responses is None else responses
        found["mpc_first_year"] = float(within[:count, 0].sum())
    found["constrained"] = float(np.sum(steady.mass * constrained))
    if isinstance(steady.assets, Named):
        second = np.asarray(list(steady.assets.values())[1])
        some = second > float(steady.economy.grid.axes[1].lower)
        found["wealthy_hand_to_mouth"] = float(np.sum(steady.mass * constrained * some[:, None]))
    return found


@readable
@dataclasses.dataclass(frozen=True)
class PropensityPath:
    """Marginal propensities to consume along a path, per period, out of a surprise unit of cash in that period alone.

    `mpc` (horizon, assets, income) is that of every state; `mean` (horizon,) weighs it with the population of the
    period, `constrained` (horizon,) is the share of households that save down to the borrowing limit. `composition`
    (horizon,) is the mean of the *stationary* MPC over the population of the period: what of the response is due to who
    holds what; the rest is due to policies. `stationary_mean` and `stationary_constrained` belong to the
    equilibrium in which the path ends.
    """

    mpc: np.ndarray
    mean: np.ndarray
    constrained: np.ndarray
    composition: np.ndarray
    stationary_mean: float
    stationary_constrained: float

    def to_frame(self) -> pd.DataFrame:
        """One row a period: the mean MPC and the share of the constrained, decimals, then `deviations` of both and of
        the parts of the mean, in columns that end in _change."""
        changes = {f"{name}_change": values for name, values in self.deviations().items()}
        return pd.DataFrame({"mean_mpc": self.mean, "constrained": self.constrained, **changes}).rename_axis("period")

    def deviations(self) -> dict[str, np.ndarray]:
        """Responses of "mean_mpc", its parts "composition" and "policy", and "constrained": levels, (horizon,) each."""
        mean, composition = self.mean - self.stationary_mean, self.composition - self.stationary_mean
        return {
            "mean_mpc": mean,
            "composition": composition,
            "policy": mean - composition,
            "constrained": self.constrained - self.stationary_constrained,
        }


@float64_allowed
def mpc_path(path: Transition) -> PropensityPath:
    """The response of marginal propensities to consume along a transition path.

    The slope of each period's own policy in cash on hand, given that households foresee the rest of the path, weighed
    with the period's population. Prices of the path do not react to it.
    """
    names = names_of(path.steady.economy)
    ss = steady_values(path.steady, names)
    inputs = jnp.stack([jnp.asarray(path.series[name]) for name in names.inputs], axis=1)
    ahead = jnp.concatenate([_marginals(ss, names, inputs, jnp.asarray(path.savings))[1:], ss.marginal[None]])
    mpc, constrained = (np.asarray(x) for x in _slopes(ss, names, inputs, ahead, jnp.asarray(path.chain)))
    still, bound = static_mpcs(path.steady)
    mass = path.mass
    return PropensityPath(
        mpc,
        np.sum(mass * mpc, axis=(1, 2)),
        np.sum(mass * constrained, axis=(1, 2)),
        np.sum(mass * still, axis=(1, 2)),
        float(np.sum(path.steady.mass * still)),
        float(np.sum(path.steady.mass * bound)),
    )


@eqx.filter_jit
def _marginals(ss: SteadyValues, names: Names, inputs: Array, savings: Array) -> Array:
    """V_a of every period, (time, assets, income), from what is saved in it."""

    def one(x, saved):
        public = public_of(x, names)
        x = ss.economy.budget(public).consumption_of(ss.economy.resources(public), saved)
        return marginal_value(ss.economy, public, x)

    return jax.vmap(one)(inputs, savings)
