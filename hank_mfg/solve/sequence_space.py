"""Linear responses around the stationary equilibrium, in the sequence space.

Households: the Jacobian J[t, s] is the derivative of a sum over households at t with respect to a price or shock at s
that everybody foresees from period 0 on. With D_0 the stationary mass, Lambda its transition, y^s and D_1^s the
policies of period 0 and the mass of period 1 when the input moves s periods later,

    F[0, s] = <D_0, dy^s>,    F[t, s] = <dD_1^s, Lambda^(t-1) y>,    J[t, s] = J[t-1, s-1] + F[t, s],

one pass backward through the household's step and one pass forward through its expectations (the fake-news recursion).

General equilibrium: unknown are the paths U of the aggregates that choices move, from period 1 on. Prices follow from
U and the shocks Z by the model's equations, everybody's choices by J, and what they supply must equal U:

    H_U dU + H_Z dZ = 0,     dU = G dZ,     G = - H_U^{-1} H_Z,

with derivatives of the declared equations by automatic differentiation. Everything is in float64.

Source: Auclert, Bardoczy, Rognlie and Straub (2021), "Using the Sequence-Space Jacobian to Solve and Estimate
Heterogeneous-Agent Models", Econometrica 89(5).
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.lottery import expect
from hank_mfg.model.base import named
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.household import asset_return
from hank_mfg.solve.household_path import (
    Decision,
    Names,
    contributions,
    inputs_of,
    move,
    names_of,
    public_of,
    shock_values,
    stack,
    step,
)
from hank_mfg.solve.steady_state import SteadyState


@dataclasses.dataclass(frozen=True)
class LinearSolution:
    """A linearized economy around its stationary equilibrium.

    `household` maps (output, input) to Jacobians (horizon, horizon): outputs are "consumption" and the aggregates that
    choices move, inputs the prices and shocks that households feel, row t the response in period t to the input in
    period s = column. `general` maps each shock to G, (unknown aggregates, horizon, horizon). `jacobian` is H_U and
    `inverse` -H_U^{-1}, square on unknown aggregates, each from period 1 on. `pointwise` maps aggregates, prices,
    shocks and outcomes to their slopes in the unknown aggregates and shocks of the same period, in the order of
    `names`.
    """

    steady: SteadyState
    horizon: int
    household: dict[tuple[str, str], np.ndarray]
    general: dict[str, np.ndarray]
    jacobian: np.ndarray
    inverse: np.ndarray
    pointwise: dict[str, np.ndarray]
    names: Names
    seconds_compile: float
    seconds_run: float

    @property
    def precision(self) -> str:
        """The precision of every number here."""
        return "float64"

    def response(self, **shocks) -> dict[str, np.ndarray]:
        """Deviations from the stationary equilibrium, (horizon,) each, when everybody learns of the paths in period 0.

        `shocks` are deviations of shocks by name, in the shock's own units, at most `horizon` periods long; zero
        afterwards. Series: shocks, aggregates, prices, outcomes and "consumption". Raises ValueError for a shock that
        the model does not have and for a path that is too long or not finite.
        """
        paths = shock_paths(self.names.shocks, self.horizon, shocks)
        if not paths:
            model = type(self.steady.economy.model).__name__
            raise ValueError(f"{model} declares no aggregate shock to respond to: give it one in aggregate_shocks().")
        moved = sum(np.einsum("kts,s->tk", self.general[name], path) for name, path in paths.items())
        here = np.concatenate([moved, np.stack(list(paths.values()), axis=1)], axis=1)
        series = {name: here @ slope for name, slope in self.pointwise.items()}
        return {**series, "consumption": np.sum(list(self.decompose(series).values()), axis=0)}

    def decompose(self, response: dict[str, np.ndarray], output: str = "consumption") -> dict[str, np.ndarray]:
        """The part of the response of `output` that is due to the path of each price and shock: they add up to it.

        `output` is "consumption" or an aggregate that choices move. Raises ValueError for another name.
        """
        known = sorted({name for name, _ in self.household})
        if output not in known:
            raise ValueError(f"There is no household Jacobian of {output!r}: choose one of {', '.join(known)}.")
        return {name: self.household[output, name] @ response[name] for what, name in self.household if what == output}


def shock_paths(names: tuple[str, ...], horizon: int, given: dict) -> dict[str, np.ndarray]:
    """Deviations of every shock, (horizon,) each, zero where none is given. Raises ValueError naming what is wrong."""
    paths = {name: np.zeros(horizon) for name in names}
    for name, path in given.items():
        if name not in paths:
            raise ValueError(f"The model has no shock {name!r}: its shocks are {', '.join(names) or 'none'}.")
        values = np.atleast_1d(np.asarray(path, np.float64))
        if values.ndim != 1 or len(values) > horizon:
            raise ValueError(
                f"The path of {name} has shape {values.shape}: give one number per period, at most {horizon}, or a "
                "longer horizon."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"The path of {name} holds {values[~np.isfinite(values)][0]}: give finite deviations.")
        paths[name][: len(values)] = values
    return paths


@float64_allowed
def linearize(steady: SteadyState, *, horizon: int = 300) -> LinearSolution:
    """The linear responses of an economy to shocks known from period 0 on, truncated after `horizon` periods.

    Responses that have not died out by then are cut: double the horizon and compare. A model without aggregate
    shocks has Jacobians but nothing to respond to. Raises ValueError for a horizon below 2.
    """
    if horizon < 2:
        raise ValueError(f"horizon = {horizon} holds no response: give 2 or more periods, typically 300.")
    names = names_of(steady.economy)
    begin = time.perf_counter()
    rest = at_rest(steady, names)
    felt = _felt(rest, names)
    program = _solve.lower(rest, names, felt, horizon).compile()
    compiled = time.perf_counter()
    household, general, jacobian, inverse = jax.tree.map(np.asarray, program(rest, names, felt, horizon))
    pointwise = jax.tree.map(np.asarray, _pointwise(rest, names))
    outputs = ("consumption", *names.unknown)
    jacobians = {(o, names.inputs[i]): household[j, k] for j, o in enumerate(outputs) for k, i in enumerate(felt)}
    return LinearSolution(
        steady, horizon, jacobians, dict(zip(names.shocks, general, strict=True)), jacobian, inverse,
        pointwise, names,
        compiled - begin, time.perf_counter() - compiled,
    )  # fmt: skip


class Rest(NamedTuple):
    """The stationary equilibrium as arrays: `mass` and `marginal` values V_a (assets, income), the `unknown`
    aggregates, the values of `shocks`, and the mass of income states `share` (income,)."""

    economy: Economy
    mass: Array
    marginal: Array
    unknown: Array
    shocks: Array
    share: Array


def at_rest(steady: SteadyState, names: Names) -> Rest:
    """The stationary equilibrium as arrays, float64."""
    mass, public = jnp.asarray(steady.mass), steady.public
    marginal = _marginal_values(steady.economy, public, jnp.asarray(steady.savings))
    unknown, shocks = stack(steady.aggregates, names.unknown), stack(public.shocks, names.shocks)
    return Rest(steady.economy, mass, marginal, unknown, shocks, mass.sum(axis=0))


@eqx.filter_jit
def _marginal_values(economy, public, savings):
    consumption = economy.resources(public) - savings
    return asset_return(economy, public) * economy.model.preferences().marginal_utility(consumption)


def _felt(rest: Rest, names: Names) -> tuple[int, ...]:
    """Places of the inputs that move anybody's cash on hand."""
    moved = np.asarray(_cash_slopes(rest, names))
    return tuple(int(i) for i in np.flatnonzero(np.abs(moved).max(axis=(0, 1)) > 0))


@eqx.filter_jit
def _cash_slopes(rest: Rest, names: Names):
    inputs, _ = inputs_of(rest.economy, names, rest.unknown, rest.shocks, rest.share)
    return jax.jacfwd(lambda x: rest.economy.resources(public_of(x, names)))(inputs)


Decide = Callable[[Array, Array], Decision]  # marginal values tomorrow and inputs to the choices of today


class _News(NamedTuple):
    """What is known of an input `s` periods ahead: policies and mass."""

    consumption: Array
    mass_next: Array


def _news(rest: Rest, decide: Decide, inputs: Array, felt, horizon: int) -> tuple[Decision, _News]:
    """Responses of period 0 to each felt input s = 0, 1, ... periods ahead: leading axes (horizon, felt).

    `consumption` is summed over the mass, (horizon, felt); `mass_next` is (horizon, felt, assets, income).
    """
    decision, ahead = jax.linearize(decide, rest.marginal, inputs)
    _, moved = jax.linearize(functools.partial(move, rest.economy, rest.mass), decision.savings)
    nothing, here = jnp.zeros_like(inputs), jnp.eye(len(inputs))[jnp.asarray(felt)]

    def seen(change: Decision):
        return _News(jnp.sum(rest.mass * change.consumption), moved(change.savings))

    def back(marginals, _):
        change = jax.vmap(lambda m: ahead(m, nothing))(marginals)
        return change.marginal, jax.vmap(seen)(change)

    first = jax.vmap(lambda x: ahead(jnp.zeros_like(rest.marginal), x))(here)
    _, later = jax.lax.scan(back, first.marginal, None, length=horizon - 1)
    now = jax.vmap(seen)(first)
    return decision, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), now, later)


def household_jacobians(rest: Rest, names: Names, decide: Decide, inputs: Array, felt, horizon: int) -> Array:
    """Household Jacobians, (1 + unknown, felt, horizon, horizon): consumption first, then the unknown aggregates.

    `decide` is one step of the household given a vector `inputs` (inputs,), the stationary values of what it takes as
    given; `felt` are the places in it with respect to which derivatives are taken. Row t is the response in period t
    to the input in period s = column, known from period 0 on.
    """
    economy = rest.economy
    decision, news = _news(rest, decide, inputs, felt, horizon)
    supplied = contributions(economy, shock_values(names, rest.shocks), names.unknown)
    outputs = jnp.concatenate([decision.consumption[None], supplied])
    gamble, chain = economy.lottery(decision.savings), economy.income_transition[0, 0]

    def forward(expected, _):
        return jax.vmap(lambda v: expect(v, gamble, chain))(expected), expected

    expected = jax.lax.scan(forward, outputs, None, length=horizon - 1)[1]  # (time, outputs, assets, income)
    later = jnp.einsum("tox,six->oits", _flat(expected), _flat(news.mass_next))
    now = jnp.zeros((len(outputs), len(felt), 1, horizon)).at[0, :, 0, :].set(news.consumption.T)
    fake = jnp.concatenate([now, later], axis=2)

    def add(before, row):
        row = row.at[..., 1:].add(before[..., :-1])
        return row, row

    return jnp.moveaxis(jax.lax.scan(add, jnp.zeros_like(fake[:, :, 0]), jnp.moveaxis(fake, 2, 0))[1], 0, 2)


def _flat(values: Array) -> Array:
    return values.reshape(*values.shape[:2], -1)


@eqx.filter_jit
def _solve(rest: Rest, names: Names, felt: tuple[int, ...], horizon: int):
    """Household Jacobians, G of every shock, H_U and -H_U^{-1}: see `LinearSolution`."""
    inputs, _ = inputs_of(rest.economy, names, rest.unknown, rest.shocks, rest.share)
    decide = functools.partial(step, rest.economy, names)
    household = household_jacobians(rest, names, decide, inputs, felt, horizon)

    def seen(unknown, shocks):
        return inputs_of(rest.economy, names, unknown, shocks, rest.share)[0][jnp.asarray(felt)]

    by_unknown, by_shock = jax.jacfwd(seen, argnums=(0, 1))(rest.unknown, rest.shocks)

    def direct(shocks):
        each = contributions(rest.economy, shock_values(names, shocks), names.unknown)
        return jnp.sum(rest.mass * each, axis=(1, 2))

    at_once = jax.jacfwd(direct)(rest.shocks)  # (unknown, shocks): a shock may change what the same mass adds up to
    count, later = len(names.unknown), horizon - 1
    supply = household[1:, :, 1:]  # (unknown, felt, rows from period 1 on, horizon)
    in_unknown = jnp.einsum("kits,il->ktls", supply[..., 1:], by_unknown)
    eye = jnp.eye(later)
    in_unknown -= jnp.einsum("kl,ts->ktls", jnp.eye(count), eye)
    in_shock = jnp.einsum("kits,iz->kzts", supply, by_shock) + jnp.einsum("kz,ts->kzts", at_once, jnp.eye(horizon)[1:])
    jacobian = in_unknown.reshape(count * later, count * later)
    inverse = -jnp.linalg.inv(jacobian)
    right = jnp.moveaxis(in_shock, 1, 0).reshape(len(names.shocks), count * later, horizon)
    general = jnp.einsum("ab,zbs->zas", inverse, right).reshape(len(names.shocks), count, later, horizon)
    start = jnp.zeros((len(names.shocks), count, 1, horizon))
    return household, jnp.concatenate([start, general], axis=2), jacobian, inverse


@eqx.filter_jit
def _pointwise(rest: Rest, names: Names):
    """Slopes (unknown + shocks,) of everything that follows from today's unknown aggregates and shocks alone."""

    def everything(here):
        count = len(names.unknown)
        _, public = inputs_of(rest.economy, names, here[:count], here[count:], rest.share)
        more = named(
            "outcomes", rest.economy.model.outcomes(public.aggregates, public.prices, public.shocks), "outcomes"
        )
        return {k: jnp.asarray(v, jnp.float64) for group in (*public, more) for k, v in group.items()}

    return jax.jacfwd(everything)(jnp.concatenate([rest.unknown, rest.shocks]))
