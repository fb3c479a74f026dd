"""Transition paths: what happens when everybody foresees the path of shocks from period 0 on.

Unknown are the paths U of the aggregates that choices move, from period 1 on; those of period 0 are given by the mass
with which the economy starts. Given U and the shocks, prices follow in every period, policies backward from the
stationary equilibrium in which the economy ends, the mass forward, and with it what is supplied. The excess

    H_t(U) = supplied_t - U_t,       t = 1, ..., horizon - 1,

is brought to zero by Newton's method with the Jacobian of the final stationary equilibrium, the one that also gives
linear responses (sequence_space.py): U <- U - H_U^{-1} H. Everything is exact but for the grid, and in float64.

Temporary shocks start and end in the same equilibrium. After a permanent change the economy ends in the equilibrium of
the new parameters and starts with the mass of the old one, or any other.

Source: Boppart, Krusell and Mitman (2018) for the path as a numerical derivative; Auclert et al. (2021), section 6, for
Newton's method with the stationary Jacobian.
"""

import dataclasses
import time
import warnings
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.model.base import named
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.household_path import (
    Names,
    contributions,
    decisions_along,
    inputs_of,
    masses_along,
    shock_values,
)
from hank_mfg.solve.sequence_space import LinearSolution, Rest, at_rest, linearize, shock_paths
from hank_mfg.solve.steady_state import SteadyState


class TransitionError(RuntimeError):
    """No transition path was found; the message names the period and the excess."""


@dataclasses.dataclass(frozen=True)
class Transition:
    """A perfect-foresight path.

    `series` maps shocks, aggregates, prices, outcomes and "consumption" to levels, (horizon,) each; `deviations()` are
    from the stationary equilibrium `steady` in which the path ends. `mass`, `savings` and `consumption` are
    (horizon, assets, income): the mass at the start of every period and the policies in it. `residual` is the largest
    relative excess of supply on the path, `last_gap` the distance of the last period from the stationary equilibrium,
    relative: where it is not small, the horizon is too short.
    """

    steady: SteadyState
    series: dict[str, np.ndarray]
    mass: np.ndarray
    savings: np.ndarray
    consumption: np.ndarray
    residual: float
    last_gap: float
    iterations: int
    seconds_compile: float
    seconds_run: float

    @property
    def precision(self) -> str:
        """The precision of every number here."""
        return "float64"

    def deviations(self) -> dict[str, np.ndarray]:
        """Every series less its value in the final stationary equilibrium, (horizon,) each."""
        return {name: values - self.final[name] for name, values in self.series.items()}

    @property
    def final(self) -> dict[str, float]:
        """The value of every series in the final stationary equilibrium."""
        public = self.steady.public
        with jax.enable_x64(True):
            model = self.steady.economy.model
            outcomes = named("outcomes", model.outcomes(public.aggregates, public.prices, public.shocks), "outcomes")
            groups = (public.shocks, public.aggregates, public.prices, outcomes)
            values = {name: float(value) for group in groups for name, value in group.items()}
            spent = np.asarray(self.steady.economy.resources(public)) - self.steady.savings
        return {**values, "consumption": float(np.sum(self.steady.mass * spent))}


class _Path(NamedTuple):
    """What follows from a guess: the excess from period 1 on, (horizon - 1, unknown), and all that was on the way."""

    excess: Array
    series: dict[str, Array]
    mass: Array
    savings: Array
    consumption: Array


@float64_allowed
def transition(
    steady: SteadyState,
    *,
    horizon: int = 300,
    initial: SteadyState | np.ndarray | None = None,
    linear: LinearSolution | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 50,
    **shocks,
) -> Transition:
    """The path on which everybody foresees `shocks` from period 0 on and the economy ends in `steady`.

    `shocks` are deviations from the stationary values by name, in the shock's own units, at most `horizon` long, zero
    afterwards. `initial` is the mass (assets, income) of period 0, or a stationary equilibrium that has it: another
    economy's for a permanent change, its grid and income states being the same; `steady`'s by default. `linear`, of
    `steady` and the same horizon, saves computing it again. Stops when the largest excess, relative to the aggregate,
    is below `tolerance`. Raises ValueError for paths or a mass that do not fit, TransitionError where Newton's method
    does not get there in `max_iterations`.
    """
    linear = linearize(steady, horizon=horizon) if linear is None else linear
    _check_linear(linear, steady, horizon)
    paths = shock_paths(linear.names.shocks, horizon, shocks)
    names = linear.names
    rest = at_rest(steady, names)
    unknown, shock = rest.unknown, rest.shocks
    mass = jnp.asarray(_initial_mass(steady, initial))
    moved = shock + jnp.asarray(np.array(list(paths.values())).reshape(len(paths), horizon).T)
    first = jnp.sum(contributions(rest.economy, shock_values(names, moved[0]), names.unknown) * mass, axis=(1, 2))
    guess = jnp.broadcast_to(unknown, (horizon, len(unknown))).at[0].set(first)
    if initial is None:
        guess += sum(np.einsum("kts,s->tk", linear.general[name], path) for name, path in paths.items())

    begin = time.perf_counter()
    program = _path.lower(rest, names, mass, moved, guess).compile()
    compiled = time.perf_counter()
    for iteration in range(max_iterations + 1):
        found = program(rest, names, mass, moved, guess)
        relative = np.abs(np.asarray(found.excess)) / np.abs(np.asarray(unknown))
        if relative.max() <= tolerance:
            break
        if iteration == max_iterations or not np.isfinite(relative).all():
            raise _failure(names, found, relative, iteration, tolerance)
        move = (linear.inverse @ np.asarray(found.excess).T.reshape(-1)).reshape(len(unknown), horizon - 1)
        guess = guess.at[1:].add(move.T)
    _check_households(steady, found)
    gap = float(np.abs(np.asarray(guess[-1] - unknown) / np.asarray(unknown)).max())
    series = {name: np.asarray(values) for name, values in found.series.items()}
    return Transition(
        steady, series, np.asarray(found.mass), np.asarray(found.savings), np.asarray(found.consumption),
        float(relative.max()), gap, iteration, compiled - begin, time.perf_counter() - compiled,
    )  # fmt: skip


def _check_linear(linear: LinearSolution, steady: SteadyState, horizon: int) -> None:
    if linear.steady is not steady or linear.horizon != horizon:
        raise ValueError(
            f"linear is the solution of another stationary equilibrium or of {linear.horizon} periods, not {horizon}: "
            "pass linearize(steady, horizon=horizon), or leave it out."
        )


def _initial_mass(steady: SteadyState, initial) -> np.ndarray:
    """The mass of period 0. Raises ValueError where it does not fit the economy."""
    if initial is None:
        return steady.mass
    if isinstance(initial, SteadyState):
        mine, other = steady.economy, initial.economy
        same = mine.shape == other.shape and np.array_equal(mine.grid.points, other.grid.points)
        if not same:
            raise ValueError(
                f"initial lives on {other.shape} states up to assets {float(other.grid.upper):g}, the final "
                f"equilibrium on {mine.shape} up to {float(mine.grid.upper):g}: solve both with the same "
                "asset_points and asset_space()."
            )
        return initial.mass
    mass = np.asarray(initial, np.float64)
    if mass.shape != steady.mass.shape or not np.all(mass >= 0) or not abs(mass.sum() - 1.0) < 1e-9:
        raise ValueError(
            f"initial has shape {mass.shape} and sums to {mass.sum():.10g}: give a mass over {steady.mass.shape} "
            "(assets, income), not negative, that sums to one."
        )
    return mass


def _check_households(steady: SteadyState, found: _Path) -> None:
    """Everybody must be able to consume on the path, and nobody sit at the top of the grid."""
    least = np.asarray(found.consumption).min(axis=(1, 2))
    if not least.min() > 0:
        period = int(np.flatnonzero(~(least > 0))[0])
        raise TransitionError(
            f"In period {period} of the path some household has no resources left after repaying down to the borrowing "
            f"limit: it would consume {least[period]:.3g}. Make the shock smaller or tighten the borrowing limit."
        )
    top = np.asarray(found.mass)[:, -1].sum(axis=1)
    if top.max() > 1e-6:
        warnings.warn(
            f"In period {int(top.argmax())} of the path {top.max():.2e} of the population is at the top of the asset "
            f"grid ({float(steady.economy.grid.upper):g}): raise it in asset_space().", stacklevel=4,
        )  # fmt: skip


def _failure(names: Names, found: _Path, relative, iteration: int, tolerance: float) -> TransitionError:
    if not np.isfinite(relative).all():
        period = int(np.flatnonzero(~np.isfinite(relative).all(axis=1))[0]) + 1
        return TransitionError(
            f"After {iteration} iterations the path is NaN or infinite in period {period}: nobody may run out of "
            "resources on it; make the shock smaller or check resources()."
        )
    period, place = np.unravel_index(int(np.argmax(relative)), relative.shape)
    return TransitionError(
        f"The path did not converge: after {iteration} iterations the excess supply of {names.unknown[place]} in "
        f"period {period + 1} is still {100 * relative[period, place]:.3g} %, tolerance {100 * tolerance:g} %: make "
        "the shock smaller, lengthen the horizon, or raise max_iterations."
    )


@eqx.filter_jit
def _path(rest: Rest, names: Names, mass: Array, shocks: Array, guess: Array) -> _Path:
    """Everything on the path that a guess of the unknown aggregates (horizon, unknown) implies, ending at `rest`."""
    economy = rest.economy
    share = jax.lax.scan(
        lambda now, _: (now @ economy.income_transition[0, 0], now), mass.sum(axis=0), None, length=len(guess)
    )[1]
    inputs, public = jax.vmap(lambda u, z, s: inputs_of(economy, names, u, z, s))(guess, shocks, share)
    decisions = decisions_along(economy, names, rest.marginal, inputs)
    masses = masses_along(economy, mass, decisions.savings)

    def supplied(mass, shocks):
        return jnp.sum(contributions(economy, shock_values(names, shocks), names.unknown) * mass, axis=(1, 2))

    excess = (jax.vmap(supplied)(masses, shocks) - guess)[1:]
    outcomes = jax.vmap(
        lambda p: named("outcomes", economy.model.outcomes(p.aggregates, p.prices, p.shocks), "outcomes")
    )(public)
    series = {name: values for group in (*public, outcomes) for name, values in group.items()}
    series["consumption"] = jnp.sum(masses * decisions.consumption, axis=(1, 2))
    return _Path(excess, series, masses, decisions.savings, decisions.consumption)
