"""Linear responses around the stationary equilibrium, in the sequence space.

Households: the Jacobian J[t, s] is the derivative of a sum over households at t with respect to a price or shock at s
that everybody foresees from period 0 on. With D_0 the stationary mass, Lambda its transition, y^s and D_1^s the
policies of period 0 and the mass of period 1 when the input moves s periods later,

    F[0, s] = <D_0, dy^s>,    F[t, s] = <dD_1^s, Lambda^(t-1) y>,    J[t, s] = J[t-1, s-1] + F[t, s],

one pass backward through the household's step and one pass forward through its expectations (the fake-news recursion).

General equilibrium: unknown are the paths U of the aggregates that choices move. Prices follow from U and the shocks Z
by the model's equations, everybody's choices by J, and what they supply must equal U:

    H_U dU + H_Z dZ = 0,     dU = G dZ,     G = - H_U^{-1} H_Z,

with derivatives of the declared equations by automatic differentiation. Where income risk moves with the aggregate
state, shocks move the shares of income states and the chain between them as well (income_risk.py), and people between
income states on impact. Everything is in float64.

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

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.lottery import expect
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.compiling import quick_compilation
from hank_mfg.solve.household import marginal_value
from hank_mfg.solve.household_path import (
    Decision,
    Names,
    contributions,
    inputs_of,
    move,
    names_of,
    public_of,
    require_closed_form,
    shock_values,
    stack,
    step,
    supplied,
    with_chain,
)
from hank_mfg.solve.income_risk import Risk, given_along, risk_of
from hank_mfg.solve.steady_state import SteadyState


@dataclasses.dataclass(frozen=True)
class LinearSolution:
    """A linearized economy around its stationary equilibrium.

    `household` maps (output, input) to Jacobians (horizon, horizon): outputs are "consumption" and the aggregates that
    choices move, inputs the prices and shocks that households feel, row t the response in period t to the input in
    period s = column. `beyond` maps (output, shock) to what a shock does to an output at given prices other than
    through cash on hand: income risk, people between income states, what the same assets add up to; empty where it does
    nothing. `general` maps each shock to G, (unknown aggregates, horizon, horizon), and `shares` to the response of the
    shares of income states, (income, horizon, horizon), where they respond. `jacobian` is H_U and `inverse` -H_U^{-1},
    square on unknown aggregates x horizon. `pointwise` maps aggregates, prices, shocks and outcomes to their slopes in
    the unknown aggregates, shocks and income shares of the same period, in this order.
    """

    steady: SteadyState
    horizon: int
    household: dict[tuple[str, str], np.ndarray]
    beyond: dict[tuple[str, str], np.ndarray]
    general: dict[str, np.ndarray]
    shares: dict[str, np.ndarray]
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
        shares = np.zeros((self.horizon, self.steady.mass.shape[1]))
        for name in self.shares:
            shares += np.einsum("ets,s->te", self.shares[name], paths[name])
        here = np.concatenate([self.unknown(paths), np.stack(list(paths.values()), axis=1), shares], axis=1)
        series = {name: here @ slope for name, slope in self.pointwise.items()}
        return {**series, "consumption": np.sum(list(self.decompose(series).values()), axis=0)}

    def unknown(self, paths: dict[str, np.ndarray]) -> np.ndarray:
        """Deviations of the unknown aggregates, (horizon, unknown), given paths of all shocks, (horizon,) each."""
        return np.sum([np.einsum("kts,s->tk", self.general[name], path) for name, path in paths.items()], axis=0)

    def decompose(self, response: dict[str, np.ndarray], output: str = "consumption") -> dict[str, np.ndarray]:
        """The part of the response of `output` that is due to the path of each price and shock: they add up to it.

        `output` is "consumption" or an aggregate that choices move. What a shock does other than through prices and
        cash on hand is the part "SHOCK, beyond prices". Raises ValueError for another name.
        """
        known = sorted({name for name, _ in self.household})
        if output not in known:
            raise ValueError(f"There is no household Jacobian of {output!r}: choose one of {', '.join(known)}.")
        parts = {name: self.household[output, name] @ response[name] for what, name in self.household if what == output}
        more = {f"{name}, beyond prices": self.beyond[what, name] @ response[name] for what, name in self.beyond
                if what == output}  # fmt: skip
        return {**parts, **more}


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
def linearize(steady: SteadyState, *, horizon: int = 300, income_risk: bool = True) -> LinearSolution:
    """The linear responses of an economy to shocks known from period 0 on, truncated after `horizon` periods.

    Responses that have not died out by then are cut: double the horizon and compare. A model without aggregate
    shocks has Jacobians but nothing to respond to. With `income_risk=False` the chain of income stays at its average
    where it would move with the aggregate state. Raises ValueError for a horizon below 2.
    """
    if horizon < 2:
        raise ValueError(f"horizon = {horizon} holds no response: give 2 or more periods, typically 300.")
    names = require_closed_form(names_of(steady.economy), "linearize()")
    begin = time.perf_counter()
    rest, risk = at_rest(steady, names), risk_of(steady.economy) if income_risk else None
    moved = None if risk is None else _moved(risk, rest.shocks, horizon)
    felt = (
        *_felt(rest, names),
        *range(len(names.inputs), len(names.inputs) + (0 if moved is None else len(moved.basis))),
    )
    program = _solve.lower(rest, names, felt, horizon, moved).compile(compiler_options=quick_compilation())
    pointwise = jax.tree.map(np.asarray, _pointwise(rest, names))
    compiled = time.perf_counter()
    solved = jax.tree.map(np.asarray, program(rest, names, felt, horizon, moved))
    outputs, shocks = ("consumption", *names.unknown), names.shocks
    priced = [(k, names.inputs[i]) for k, i in enumerate(felt) if i < len(names.inputs)]
    jacobians = {(o, name): solved.household[j, k] for j, o in enumerate(outputs) for k, name in priced}
    beyond = {(o, z): solved.beyond[j, i] for j, o in enumerate(outputs) for i, z in enumerate(shocks)}
    shares = {} if moved is None else {z: np.asarray(moved.share[i]) for i, z in enumerate(shocks)}
    return LinearSolution(
        steady, horizon, jacobians, {key: each for key, each in beyond.items() if np.any(each)},
        dict(zip(shocks, solved.general, strict=True)), shares, solved.jacobian, solved.inverse, pointwise, names,
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
    economy, mass, public = steady.economy, jnp.asarray(steady.mass), steady.public
    unknown = stack({**steady.aggregates, **steady.prices}, names.searched)
    marginal = _marginal_value(economy, public, jnp.asarray(steady.savings))
    return Rest(economy, mass, marginal, unknown, stack(public.shocks, names.shocks), mass.sum(axis=0))


def _felt(rest: Rest, names: Names) -> tuple[int, ...]:
    """Places of the inputs that move anybody's cash on hand."""
    moved = np.asarray(_cash_slopes(rest, names))
    return tuple(int(i) for i in np.flatnonzero(np.abs(moved).max(axis=(0, 1)) > 0))


@eqx.filter_jit
def _cash_slopes(rest: Rest, names: Names):
    inputs, _ = inputs_of(rest.economy, names, rest.unknown, rest.shocks, rest.share)
    return jax.jacfwd(lambda x: rest.economy.resources(public_of(x, names)))(inputs)


@eqx.filter_jit
def _marginal_value(economy: Economy, public: Public, savings: Array) -> Array:
    return marginal_value(economy, public, economy.resources(public) - savings)


class Household(NamedTuple):
    """What households do, given tomorrow's marginal values and a vector of inputs, and where it takes the mass:
    `decide(marginal_next, inputs)` and `move(mass, savings, inputs)`."""

    decide: Callable[[Array, Array], Decision]
    move: Callable[[Array, Array, Array], Array]


class _News(NamedTuple):
    """What is known of an input `s` periods ahead: policies and mass."""

    consumption: Array
    mass_next: Array


def _news(rest: Rest, household: Household, inputs: Array, felt, horizon: int) -> tuple[Decision, _News]:
    """Responses of period 0 to each felt input s = 0, 1, ... periods ahead: leading axes (horizon, felt).

    `consumption` is summed over the mass, (horizon, felt); `mass_next` is (horizon, felt, assets, income).
    """
    decision, ahead = jax.linearize(household.decide, rest.marginal, inputs)
    _, moved = jax.linearize(functools.partial(household.move, rest.mass), decision.savings, inputs)
    nothing, here = jnp.zeros_like(inputs), jnp.eye(len(inputs))[jnp.asarray(felt)]

    def seen(change: Decision, x):
        return _News(jnp.sum(rest.mass * change.consumption), moved(change.savings, x))

    def back(marginals, _):
        change = jax.vmap(lambda m: ahead(m, nothing))(marginals)
        return change.marginal, jax.vmap(lambda c: seen(c, nothing))(change)

    first = jax.vmap(lambda x: ahead(jnp.zeros_like(rest.marginal), x))(here)
    _, later = jax.lax.scan(back, first.marginal, None, length=horizon - 1)
    now = jax.vmap(seen)(first, here)
    return decision, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), now, later)


class Expected(NamedTuple):
    """Jacobians (1 + unknown, felt, horizon, horizon), consumption first; what a household in each state expects of
    every output t periods ahead, (horizon, 1 + unknown, assets, income); and the stationary decision."""

    jacobians: Array
    outputs: Array
    decision: Decision


def household_jacobians(rest: Rest, names: Names, household: Household, inputs: Array, felt, horizon: int) -> Expected:
    """Household Jacobians by the fake-news recursion.

    `inputs` (inputs,) are the stationary values of what the household takes as given; `felt` the places in it with
    respect to which derivatives are taken. Row t is the response in period t to the input in period s = column, known
    from period 0 on.
    """
    economy = rest.economy
    decision, news = _news(rest, household, inputs, felt, horizon)
    each = contributions(economy, shock_values(names, rest.shocks), names.unknown)
    outputs = jnp.concatenate([decision.consumption[None], each])
    gamble, chain = economy.lottery(decision.savings), economy.income_transition[0, 0]

    def forward(expected, _):
        return jax.vmap(lambda v: expect(v, gamble, chain))(expected), expected

    expected = jax.lax.scan(forward, outputs, None, length=horizon)[1]  # (time, outputs, assets, income)
    later = jnp.einsum("tox,six->oits", _flat(expected[:-1]), _flat(news.mass_next))
    now = jnp.zeros((len(outputs), len(felt), 1, horizon)).at[0, :, 0, :].set(news.consumption.T)
    fake = jnp.concatenate([now, later], axis=2)

    def add(before, row):
        row = row.at[..., 1:].add(before[..., :-1])
        return row, row

    rows = jax.lax.scan(add, jnp.zeros_like(fake[:, :, 0]), jnp.moveaxis(fake, 2, 0))[1]
    return Expected(jnp.moveaxis(rows, 0, 2), expected, decision)


def _flat(values: Array) -> Array:
    return values.reshape(*values.shape[:2], -1)


class _Moved(NamedTuple):
    """How shocks known from period 0 on move income risk, per unit: `share` (shocks, E, time, time), the `chain` as
    coordinates (shocks, basis, time, time) on `basis` (basis, E, E), and `first`, the chain into period 0, (shocks,
    time, E, E)."""

    share: Array
    chain: Array
    basis: Array
    first: Array


def _moved(risk: Risk, mean: Array, horizon: int) -> _Moved:
    """Derivatives of the path of income risk, with as few directions of the chain as there are."""
    still = jnp.zeros((horizon, len(mean)))
    slopes = jax.jit(jax.jacfwd(lambda deviations: given_along(risk, mean, deviations)))(still)
    chain = np.asarray(jnp.einsum("tefsz->efzts", slopes.chain))
    own = chain.shape[0]
    flat = chain.reshape(own * own, -1)
    size, directions = np.linalg.eigh(flat @ flat.T)
    basis = directions[:, size > 1e-20 * max(size.max(), 1e-300)].T
    coordinates = np.moveaxis((basis @ flat).reshape(len(basis), *chain.shape[2:]), 1, 0)
    share, first = jnp.einsum("tesz->zets", slopes.share), jnp.einsum("efsz->zsef", slopes.first)
    return _Moved(share, jnp.asarray(coordinates), jnp.asarray(basis.reshape(-1, own, own)), first)


class _Solved(NamedTuple):
    """The arrays of a `LinearSolution`: household (outputs, felt, time, time), beyond (outputs, shocks, time, time),
    general (shocks, unknown, time, time), H_U and -H_U^{-1}."""

    household: Array
    beyond: Array
    general: Array
    jacobian: Array
    inverse: Array


def _household_of(rest: Rest, names: Names, moved: _Moved | None) -> Household:
    """Households given prices and shocks, then coordinates of the chain."""
    count = len(names.inputs)

    def economy_at(inputs):
        if moved is None:
            return rest.economy
        chain = rest.economy.income_transition[0, 0] + jnp.tensordot(inputs[count:], moved.basis, 1)
        return with_chain(rest.economy, chain)

    return Household(
        lambda marginal, inputs: step(economy_at(inputs), names, marginal, inputs[:count]),
        lambda mass, savings, inputs: move(economy_at(inputs), mass, savings),
    )


@eqx.filter_jit
def _solve(rest: Rest, names: Names, felt: tuple[int, ...], horizon: int, moved: _Moved | None) -> _Solved:
    """Household Jacobians, what shocks do beyond prices, G of every shock, H_U and -H_U^{-1}."""
    inputs, _ = inputs_of(rest.economy, names, rest.unknown, rest.shocks, rest.share)
    priced = tuple(i for i in felt if i < len(inputs))
    directions = jnp.zeros(len(felt) - len(priced))
    household = _household_of(rest, names, moved)
    found = household_jacobians(rest, names, household, jnp.append(inputs, directions), felt, horizon)
    beyond = _beyond(rest, names, found, moved)

    def seen(unknown, shocks, share):
        return inputs_of(rest.economy, names, unknown, shocks, share)[0][jnp.asarray(priced)]

    slopes = jax.jacfwd(seen, argnums=(0, 1, 2))(rest.unknown, rest.shocks, rest.share)
    by_unknown, by_shock, by_share = slopes
    supply = found.jacobians[1:, : len(priced)]
    size = len(names.unknown) * horizon
    jacobian = jnp.einsum("kits,il->ktls", supply, by_unknown).reshape(size, size) - jnp.eye(size)
    in_shock = jnp.einsum("kits,iz->kzts", supply, by_shock) + beyond[1:]
    if moved is not None:
        in_shock += jnp.einsum("kitu,ie,zeus->kzts", supply, by_share, moved.share)
    inverse = -jnp.linalg.inv(jacobian)
    right = jnp.moveaxis(in_shock, 1, 0).reshape(len(names.shocks), size, horizon)
    general = jnp.einsum("ab,zbs->zas", inverse, right)
    general = general.reshape(len(names.shocks), len(names.unknown), horizon, horizon)
    return _Solved(found.jacobians, beyond, general, jacobian, inverse)


def _beyond(rest: Rest, names: Names, found: Expected, moved: _Moved | None) -> Array:
    """What shocks do to outputs at given prices other than through cash on hand, (outputs, shocks, time, time)."""
    horizon = len(found.outputs)
    at_once = jax.jacfwd(lambda z: supplied(rest.economy, names, rest.mass, z))(rest.shocks)  # (unknown, shocks)
    at_once = jnp.concatenate([jnp.zeros_like(at_once[:1]), at_once])
    total = jnp.einsum("oz,ts->ozts", at_once, jnp.eye(horizon))
    if moved is None:
        return total
    risk = jnp.einsum("ortu,zrus->ozts", found.jacobians[:, -len(moved.basis) :], moved.chain)
    settled = rest.economy.settle(rest.mass, rest.economy.lottery(found.decision.savings))
    people = jnp.einsum("toaf,ae->toef", found.outputs, settled)
    return total + risk + jnp.einsum("toef,zsef->ozts", people, moved.first)


@eqx.filter_jit
def _pointwise(rest: Rest, names: Names):
    """Slopes (unknown + shocks + income,) of everything that follows from today's aggregates, shocks and shares."""

    def everything(here):
        count, both = len(names.unknown), len(names.unknown) + len(names.shocks)
        _, public = inputs_of(rest.economy, names, here[:count], here[count:both], here[both:])
        return {name: jnp.asarray(value, jnp.float64) for name, value in rest.economy.series(public).items()}

    return jax.jacfwd(everything)(jnp.concatenate([rest.unknown, rest.shocks, rest.share]))
