"""Transition paths: equilibrium when all agents foresee the path of shocks from period 0 on.

Unknown are the paths U of the aggregates that choices move, of the prices that clear inside the period, and of what
periods carry over. Given U and the shocks, prices follow in every period, policies backward from the stationary
equilibrium in which the economy ends, the mass forward, and with it what is left over in every equation,

    H_t(U) = (supplied_t - U_t, excess demand_t, carried by t-1 - U_t),       t = 0, ..., horizon - 1.

It is brought to zero by Newton's method with the Jacobian of the final stationary equilibrium, the one that also gives
linear responses (sequence_space.py): U <- U - H_U^{-1} H. Everything is exact but for the grid, and in float64.

Temporary shocks start and end in the same equilibrium. After a permanent change the economy ends in the equilibrium of
the new parameters and starts with the mass of the old one, or any other. Parameters may follow a path before they reach
their final values, as they do after a change that was announced ahead. Where income risk moves with the aggregate
state, a path of shocks moves it too (income_risk.py), within the values that the shocks' chain has.

Source: Boppart, Krusell and Mitman (2018) for the path as a numerical derivative; Auclert et al. (2021), section 6, for
Newton's method with the stationary Jacobian.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_compilation
from hank_mfg.environment.accounting import goods_left
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.lottery import push_forward
from hank_mfg.environment.quantities import (
    Moment,
    Names,
    contributions,
    names_of,
    period,
    shock_values,
    stack,
    supplied,
    with_parameters,
)
from hank_mfg.model.named import Named
from hank_mfg.model.portable import portable
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.sequence.first_state import explain_state, state_that_closes
from hank_mfg.solve.sequence.household_jacobians import SteadyValues, steady_values
from hank_mfg.solve.sequence.household_path import decisions_along, masses_along, move, step, with_chain
from hank_mfg.solve.sequence.income_risk import Given, Risk, given_along, improbable, risk_of, shares_along
from hank_mfg.solve.sequence.path_checks import (
    TransitionError,
    check_goods,
    check_households,
    failure,
    first_state,
    require_same_grid,
    split_paths,
    warn_unsettled,
)
from hank_mfg.solve.sequence.sequence_space import LinearSolution, linearize
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.wording import readable

if TYPE_CHECKING:
    import pandas as pd


@readable
@portable
@dataclasses.dataclass(frozen=True)
class Transition:
    """A perfect-foresight path.

    `series` maps shocks, aggregates, prices, outcomes and what is chosen ("consumption") to levels, (horizon,) each;
    `deviations()` are from the stationary equilibrium `steady` in which the path ends. `mass`, `savings` and
    `consumption` are (horizon, assets, income): the mass at the start of every period and the policies in it; `chain`
    (horizon, income, income) moves income states from each period to the next; `parameters` are those of the model that
    follow a path, (horizon,) each. `residual` is the largest excess on the path, of an aggregate relative to what
    households hold of it, of a market as the model states it; `last_gap` the distance of the last period from the
    stationary equilibrium in the same units: where it is not small, the horizon is too short. `goods_market` (horizon,)
    is the excess supply of goods relative to output, None where the model does not state it.
    """

    steady: SteadyState
    series: dict[str, np.ndarray]
    mass: np.ndarray
    savings: np.ndarray
    consumption: np.ndarray
    chain: np.ndarray
    residual: float
    last_gap: float
    goods_market: np.ndarray | None
    iterations: int
    seconds_compile: float
    seconds_run: float
    parameters: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def precision(self) -> str:
        """The precision of every number here."""
        return "float64"

    def to_frame(self) -> "pd.DataFrame":
        """One row a period: every series as the model has it, parameters that follow a path, and the deviation of every
        series in a column that ends in _change."""
        import pandas as pd

        changes = {f"{name}_change": values for name, values in self.deviations().items()}
        return pd.DataFrame({**self.series, **self.parameters, **changes}).rename_axis("period")

    def deviations(self) -> dict[str, np.ndarray]:
        """Every series less its value in the final stationary equilibrium, (horizon,) each."""
        final = self.final
        return {name: values - final[name] for name, values in self.series.items()}

    @property
    def final(self) -> dict[str, float]:
        """The value of every series in the final stationary equilibrium."""
        with jax.enable_x64(True):
            steady, names = self.steady, names_of(self.steady.economy)
            public = jax.tree.map(in_jax, steady.public)
            chosen = steady.economy.choices(jnp.asarray(steady.mass), public, jnp.asarray(steady.savings))
            values = {**steady.economy.series(public), **{name: chosen[name] for name in names.choices}}
            return {name: float(value) for name, value in values.items()}


class ImpliedPath(NamedTuple):
    """Implications of a guess: the excess, (horizon, path), what is left of `goods` (horizon,), and all that was on
    the way; `least` (horizon,) is the smallest x of a policy, consumption unless hours are chosen, too."""

    excess: Array
    goods: Array | None
    series: dict[str, Array]
    mass: Array
    savings: Array
    consumption: Array
    least: Array


class Searched(NamedTuple):
    """The end of Newton's method: the path, the guess (horizon, path) it follows from, the excess in its own units
    (horizon, path), and how many steps it took."""

    path: ImpliedPath
    guess: Array
    relative: np.ndarray
    iteration: int


def newton(
    solve: Callable[[Array], ImpliedPath],
    guess: Array,
    linear: LinearSolution,
    scale: np.ndarray,
    tolerance: float,
    most: int,
) -> Searched:
    """Newton's method with the stationary Jacobian from a guess (horizon, path), until the excess is within the
    `tolerance`, not a number, or `most` steps were taken."""
    for iteration in range(most + 1):
        found = solve(guess)
        relative = np.abs(np.asarray(found.excess)) / scale
        if relative.max() <= tolerance or iteration == most or not np.isfinite(relative).all():
            break
        move = (linear.inverse @ np.asarray(found.excess).T.reshape(-1)).reshape(guess.shape[::-1])
        guess = guess + move.T
    return Searched(found, guess, relative, iteration)


@float64_allowed
def transition(
    steady: SteadyState,
    *,
    horizon: int = 300,
    initial: SteadyState | np.ndarray | None = None,
    state_variables: Mapping[str, float] | None = None,
    linear: LinearSolution | None = None,
    income_risk: bool = True,
    tolerance: float = 1e-10,
    max_iterations: int = 50,
    **paths,
) -> Transition:
    """The path on which all households foresee `paths` from period 0 on and the economy ends in `steady`.

    `paths` are by name, at most `horizon` long. Of a shock: deviations from its stationary value, in its own units,
    zero afterwards. Of a parameter of the model: its values, that of `steady` afterwards; not one that moves the asset
    grid or a chain. A change announced eight periods ahead is the path of the old value, eight times.

    `initial` is the mass (assets, income) of period 0, or a stationary equilibrium that has it: another economy's for a
    permanent change, its grid and income states being the same; `steady`'s by default. `state_variables` are the values
    in period 0 of what one period leaves to the next (the model's state_variables()), by name; those not given are
    taken from `initial` where it is a stationary equilibrium, else from `steady`. `linear`, of `steady` and the same
    horizon, saves computing it again. With `income_risk=False` the chain of income stays at its average where it would
    move with the aggregate state.

    Stops when the largest excess (`Transition.residual`) is below `tolerance`. Warns where the path has not come back
    to the steady state within `horizon`. Raises ValueError for paths, a mass or state variables that do not fit,
    TransitionError where Newton's method does not get there in `max_iterations`, and where goods_market() is off by
    more than 1e-6 of output in some period, as where the mass and the state variables of period 0 contradict each
    other.
    """
    _require_sizes(steady, horizon, max_iterations, tolerance)
    linear = linearize(steady, horizon=horizon, income_risk=income_risk) if linear is None else linear
    _check_linear(linear, steady, horizon)
    names = linear.names
    shocks, parameters = split_paths(steady, names, horizon, paths)
    ss = steady_values(steady, names)
    scale, here = np.asarray(excess_scale(ss, names)), ss.here
    deviations = np.array(list(shocks.values())).reshape(len(shocks), horizon).T
    mass, given = start_of(ss, steady, initial, deviations, risk_of(steady.economy) if income_risk else None)
    given = given._replace(parameters=parameters)
    inherited = stack(first_state(steady, initial, names, state_variables or {}), names.state_variables)
    guess = first_guess(ss, linear, mass, given, shocks if initial is None and shocks else None)

    begin = time.perf_counter()
    program = implied_path.lower(ss, names, mass, inherited, given, guess).compile(compiler_options=quick_compilation())
    compiled = time.perf_counter()

    def search(mass: Array, inherited: Array, guess: Array) -> Searched:
        solve = lambda x: program(ss, names, mass, inherited, given, x)  # noqa: E731
        return newton(solve, guess, linear, scale, tolerance, max_iterations)

    found, guess, relative, iteration = search(mass, inherited, guess)
    if not relative.max() <= tolerance:
        free = [name for name in names.state_variables if initial is not None and name not in (state_variables or {})]

        def goods_of(mass: np.ndarray, inherited: np.ndarray) -> np.ndarray | None:
            start = first_guess(ss, linear, jnp.asarray(mass), given, None)
            tried = search(jnp.asarray(mass), jnp.asarray(inherited), start)
            return np.asarray(tried.path.goods) if tried.relative.max() <= tolerance else None

        state = None
        if free and found.goods is not None:
            state = state_that_closes(
                goods_of, steady.mass, np.asarray(mass), np.asarray(inherited), names.state_variables, free
            )
        if state is not None:
            raise TransitionError(explain_state(state))
        raise failure(names, relative, iteration, tolerance, np.asarray(guess))
    check_households(steady, found.least, found.mass)
    residual, goods = float(relative.max()), None if found.goods is None else np.asarray(found.goods)
    check_goods(steady, initial, goods, residual, {name: values[0] for name, values in found.series.items()})
    away = np.abs(np.asarray(guess - here) / scale)
    warn_unsettled(dict(zip(names.path, away.T, strict=True)), horizon)
    series = {name: np.asarray(values) for name, values in found.series.items()}
    return Transition(
        steady, series, np.asarray(found.mass), np.asarray(found.savings), np.asarray(found.consumption),
        np.asarray(given.chain), residual, float(away[-1].max()), goods, iteration, compiled - begin,
        time.perf_counter() - compiled, {name: np.asarray(values) for name, values in parameters.items()},
    )  # fmt: skip


def first_guess(ss: SteadyValues, linear: LinearSolution, mass: Array, given: Given, shocks: dict | None) -> Array:
    """Unknowns (horizon, path) to start from: the linear response to `shocks`, or what is supplied in period 0."""
    here, names = ss.here, linear.names
    if shocks is not None:
        return here + jnp.asarray(linear.unknown(shocks))
    first = supplied(ss.economy, names.moved, mass, shock_values(names, given.shocks[0]))
    return jnp.broadcast_to(here, (linear.horizon, len(here))).at[0, : len(first)].set(first)


def _require_sizes(steady: SteadyState, horizon: int, most: int, tolerance: float) -> None:
    require_sizes(
        "transition", {"horizon": (horizon, 2, 300), "max_iterations": (most, 0, 50)},
        lambda: (6.0 * horizon * steady.mass.size + 30.0 * float(horizon) ** 2, 0.0),
    )  # fmt: skip
    if not tolerance > 0:
        raise ValueError(f"transition(tolerance={tolerance}): give a positive relative excess, 1e-10 is usual.")


def _check_linear(linear: LinearSolution, steady: SteadyState, horizon: int) -> None:
    if not _same(linear.steady, steady) or linear.horizon != horizon:
        raise ValueError(
            f"linear is the solution of another stationary equilibrium or of {linear.horizon} periods, not {horizon}: "
            "pass linearize(steady, horizon=horizon), or leave it out."
        )


def _same(one: SteadyState, other: SteadyState) -> bool:
    """Whether two stationary equilibria are one, or one that was saved and read again."""
    if one is other:
        return True
    leaves = (jax.tree.leaves(one), jax.tree.leaves(other))
    return jax.tree.structure(one) == jax.tree.structure(other) and all(map(np.array_equal, *leaves))


def start_of(ss: SteadyValues, steady: SteadyState, initial, deviations, risk: Risk | None) -> tuple[Array, Given]:
    """The mass of period 0 and the exogenous part of the path.

    Raises ValueError where the path leaves the values that the shocks' chain has and income risk depends on it.
    """
    economy, horizon = ss.economy, len(deviations)
    mass = jnp.asarray(_initial_mass(steady, initial))
    if risk is None:
        chain = economy.income_transition[0, 0]
        chains = jnp.broadcast_to(chain, (horizon, *chain.shape))
        shares = shares_along(economy, mass.sum(axis=0), chains)
        return mass, Given(ss.shocks + jnp.asarray(deviations), shares, chains, chain)
    period = improbable(risk, deviations)
    if period is not None:
        moved = ", ".join(f"{each:+.4g}" for each in deviations[period])
        raise ValueError(
            f"In period {period} the path ({moved} from the mean) would need a negative probability: income risk "
            "depends on the aggregate state, so shocks must stay between the values of their chain; make them smaller, "
            "or hold income risk at its average with income_risk=False."
        )
    if initial is None:
        given = given_along(risk, ss.shocks, jnp.asarray(deviations))
        before = economy.lottery(jnp.asarray(steady.savings))
        return push_forward(mass, before, economy.with_income(given.first)), given
    given = given_along(risk, ss.shocks, jnp.asarray(deviations), mass.sum(axis=0))
    return mass, given


def _initial_mass(steady: SteadyState, initial) -> np.ndarray:
    """The mass of period 0. Raises ValueError where it does not fit the economy."""
    mass = steady.mass if initial is None else _given_mass(steady, initial)
    shares = np.asarray(steady.economy.shares)
    each = np.bincount(steady.economy.types, mass.sum(axis=0))
    if len(shares) > 1 and np.abs(each - shares).max() > 1e-9:
        raise ValueError(
            f"initial has shares {each} of permanent types, the final equilibrium {shares}, but types never change: "
            "give both the same."
        )
    return mass


def _given_mass(steady: SteadyState, initial) -> np.ndarray:
    if isinstance(initial, SteadyState):
        require_same_grid("initial", initial.economy, "the final equilibrium", steady.economy)
        return initial.mass
    mass = np.asarray(initial, np.float64)
    if mass.shape != steady.mass.shape or not np.all(mass >= -1e-12) or not abs(mass.sum() - 1.0) < 1e-9:
        raise ValueError(
            f"initial has shape {mass.shape} and sums to {mass.sum():.10g}: give a mass over {steady.mass.shape} "
            "(assets, income), not negative, that sums to one."
        )
    return mass


def excess_scale(ss: SteadyValues, names: Names) -> Array:
    """In what units an excess is measured, (path,): an aggregate in what the mean household holds of it, long or short,
    or a millionth of the largest of these; one for markets, which say so themselves, and for what is carried over."""
    held = jnp.sum(jnp.abs(contributions(ss.economy, ss.economy.shocks(0), names.moved)) * ss.mass, axis=(1, 2))
    held = jnp.maximum(held, 1e-6 * jnp.max(held, initial=0.0))
    return jnp.ones(len(ss.here)).at[: len(held)].set(held)


def _last(ss: SteadyValues, state_variables: Array, share: Array) -> Moment:
    """The period after the last one: the steady state but for the state variables and the shares of income states."""
    return Moment(ss.here.at[len(ss.here) - len(state_variables) :].set(state_variables), ss.shocks, share)


def _after(ss: SteadyValues, names: Names, state_variables: Array, share: Array) -> Array:
    """Marginal values V_a after the last period, (assets, income): the steady state but for the state variables."""
    last = _last(ss, state_variables, share)
    inputs = period(ss.economy, names)(last, last, ss.choices).inputs
    return step(ss.economy, names, ss.marginal, inputs).marginal


def _final(economy: Economy, parameters: Named) -> Named:
    """The values of `parameters` in the final stationary equilibrium, numbers."""
    values = economy.model.parameters()
    return Named("parameters", {name: jnp.asarray(values[name], jnp.float64) for name in parameters})


def _supplied(economy: Economy, names: Names, mass: Array, now: Moment) -> Array:
    """The aggregates that choices move, summed over the mass of a period: (moved,)."""
    return supplied(with_parameters(economy, now.parameters), names.moved, mass, shock_values(names, now.shocks))


def _goods(
    economy: Economy, names: Names, public: Public, chosen: Array, parameters: Named, after: dict[str, Array]
) -> Array | None:
    """Excess supply of goods in every period, (time,), given what is `chosen` (time, choices) and the aggregates that
    come `after` the last period."""
    choices = Named("choices", dict(zip(names.choices, chosen.T, strict=True)))
    tomorrow = {name: jnp.append(values[1:], after[name]) for name, values in public.aggregates.items()}
    left = jax.vmap(lambda now, choices, then, p: goods_left(with_parameters(economy, p), now, choices, then))
    return left(public, choices, Named("tomorrow", tomorrow), parameters)


@eqx.filter_jit
def implied_path(
    ss: SteadyValues, names: Names, mass: Array, state_variables: Array, given: Given, guess: Array
) -> ImpliedPath:
    """Everything on the path that a guess of the unknowns (horizon, path) implies, ending at `ss`."""
    economy = ss.economy
    equations = jax.vmap(period(economy, names))
    assumed = jnp.broadcast_to(ss.choices, (len(guess), len(ss.choices)))
    moments = Moment(guess, given.shocks, given.share, given.parameters)
    now = equations(moments, moments, assumed)  # nothing but excess demand depends on what is chosen or comes after
    marginal_end = _after(ss, names, now.state_variables[-1], given.share[-1]) if names.state_variables else ss.marginal
    decisions = decisions_along(economy, names, marginal_end, now.inputs, given.chain, given.parameters)
    masses = masses_along(economy, mass, decisions.savings, given.chain)
    chosen = jnp.einsum("tcae,tae->tc", decisions.chosen, masses)
    last = _last(ss, now.state_variables[-1], given.share[-1])._replace(parameters=_final(economy, given.parameters))
    following = jax.tree.map(lambda x, end: jnp.concatenate([x[1:], end[None]]), moments, last)
    now = equations(moments, following, chosen)
    supply = jax.vmap(lambda m, now: _supplied(economy, names, m, now))(masses, moments)
    left = jnp.concatenate([state_variables[None], now.state_variables[:-1]])
    moved, _, brought = jnp.split(guess, np.cumsum([len(names.moved), len(names.clearing)]), axis=1)
    excess = jnp.concatenate([supply - moved, now.excess, left - brought], axis=1)
    shown = jax.vmap(lambda public, p: with_parameters(economy, p).series(public))(now.public, given.parameters)
    series = {**shown, **dict(zip(names.choices, chosen.T, strict=True))}
    end = move(with_chain(economy, given.chain[-1]), masses[-1], decisions.savings[-1])
    after = period(economy, names)(last, last, ss.choices).public.aggregates
    after = {**after, **dict(zip(names.moved, _supplied(economy, names, end, last), strict=True))}
    goods = _goods(economy, names, now.public, chosen, given.parameters, after)
    least = decisions.consumption.min(axis=(1, 2))
    return ImpliedPath(excess, goods, series, masses, decisions.savings, decisions.chosen[:, 0], least)
