"""Checks of the arguments of a transition path and of the path found."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.accounting import OFF, explain_goods
from hank_mfg.environment.economy import Economy
from hank_mfg.environment.quantities import Names
from hank_mfg.errors import HankError, warn_user
from hank_mfg.model.base import Model, ParameterError
from hank_mfg.model.concrete import numbers_of
from hank_mfg.model.named import Named
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.solve.stationary.steady_state import SteadyState
from hank_mfg.wording import in_words

UNSETTLED = 0.01  # of the largest deviation: what may be left of it in the last period
STILL = 1e-7  # a deviation in its own unit below which a quantity does not move
FIXED = ("idiosyncratic_shock", "aggregate_shocks", "asset_space", "ages")  # what a parameter on a path may not move


class TransitionError(HankError, RuntimeError):
    """No transition path was found; the message names the period and the excess."""


def split_paths(
    steady: SteadyState, names: Names, horizon: int, given: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], Named]:
    """Deviations of every shock and values of the parameters that move, (horizon,) each. A name that is both is the
    shock's.

    Raises ValueError for a name that is neither, a path that does not fit, and a parameter that moves the asset grid or
    a chain.
    """
    model = steady.economy.model
    known = model.parameters()
    unknown = [name for name in given if name not in known and name not in names.shocks]
    if unknown:
        raise ValueError(
            f"{type(model).__name__} has no shock and no parameter {unknown[0]!r}"
            f"{did_you_mean(unknown[0], [*names.shocks, *known])}: its shocks are {', '.join(names.shocks) or 'none'}, "
            f"its parameters {', '.join(known)}."
        )
    shocks = shock_paths(names.shocks, horizon, {k: v for k, v in given.items() if k in names.shocks})
    moving = {k: _parameter_path(model, k, path, horizon) for k, path in given.items() if k not in names.shocks}
    return shocks, Named("parameters", {name: jnp.asarray(path) for name, path in moving.items()})


def _parameter_path(model: Model, name: str, path: Any, horizon: int) -> np.ndarray:
    """The values of a parameter in every period, its own after the end of `path`. Raises ValueError."""
    final = model.parameters()[name]
    values = np.atleast_1d(numbers_of(f"The path of {name}", path))
    if np.ndim(final) or values.ndim != 1 or len(values) > horizon or not np.isfinite(values).all():
        raise ValueError(
            f"The path of {name} has shape {values.shape} and the parameter {np.shape(final)}: give a parameter that "
            f"is one number and a finite value per period, at most {horizon}."
        )
    declared = _declared(model)
    for value in np.unique(values):
        try:
            other = _declared(model.with_parameters(**{name: float(value)}))
        except ParameterError as error:
            raise ValueError(f"The path of {name} is out of range: {error}") from error
        moved = [method for method in FIXED if declared[method] != other[method]]
        if moved:
            raise ValueError(
                f"{name} moves {moved[0]}(), which stays as it is along a path: give paths of parameters that move "
                "preferences, patience, prices, resources or policy rules only, or move risk by an aggregate shock."
            )
    return np.concatenate([values, np.full(horizon - len(values), float(final))])


def numbers_behind(declared: Any) -> list:
    """The numbers of a chain, of preferences, or of anything else that a model declares, to compare two of them."""
    return [np.asarray(leaf).tolist() for leaf in jax.tree.leaves(declared)]


def _declared(model: Model) -> dict[str, list]:
    """The numbers behind what stays as it is along a path, by method."""
    return {method: numbers_behind(getattr(model, method)()) for method in FIXED}


def shock_paths(names: tuple[str, ...], horizon: int, given: dict) -> dict[str, np.ndarray]:
    """Deviations of every shock, (horizon,) each, zero where none is given. Raises ValueError naming what is wrong."""
    paths = {name: np.zeros(horizon) for name in names}
    for name, path in given.items():
        if name not in paths:
            raise ValueError(f"The model has no shock {name!r}: its shocks are {', '.join(names) or 'none'}.")
        values = np.atleast_1d(numbers_of(f"The path of {name}", path))
        if values.ndim != 1 or len(values) > horizon:
            raise ValueError(
                f"The path of {name} has shape {values.shape}: give one number per period, at most {horizon}, or a "
                "longer horizon."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"The path of {name} holds {values[~np.isfinite(values)][0]}: give finite deviations.")
        paths[name][: len(values)] = values
    return paths


def require_same_grid(what: str, other: Economy, against: str, mine: Economy) -> None:
    """Raise ValueError unless two economies have the same individual states, naming `what` is compared `against`."""
    held = [jax.tree.leaves(economy.grid.held) for economy in (mine, other)]
    if mine.shape != other.shape or len(held[0]) != len(held[1]) or not all(map(np.array_equal, *held)):
        tops = [" and ".join(f"{end:g}" for end in np.ravel(economy.grid.upper)) for economy in (other, mine)]
        raise ValueError(
            f"{what} has {other.shape} states up to assets {tops[0]}, {against} on {mine.shape} up "
            f"to {tops[1]}: solve both with the same asset_points and asset_space()."
        )


def first_state(steady: SteadyState, initial: Any, names: Names, given: Mapping[str, float]) -> dict[str, float]:
    """The state variables of period 0 by name: those `given`, else of `initial` where it is an equilibrium, else of
    `steady`. Raises ValueError for a name that is none of them and for a value that is not a number."""
    for name, value in given.items():
        if name not in names.state_variables:
            raise ValueError(
                f"state_variables names {name!r}{did_you_mean(name, names.state_variables)}: "
                f"{type(steady.economy.model).__name__}.state_variables() declares "
                f"{', '.join(names.state_variables) or 'none'}."
            )
        if np.ndim(value) or not np.isfinite(float(value)):
            raise ValueError(f"state_variables[{name!r}] = {value} is not a finite number: give its value in period 0.")
    usual = (initial if isinstance(initial, SteadyState) else steady).aggregates
    return {name: float(given.get(name, usual[name])) for name in names.state_variables}


def check_households(steady: SteadyState, least: Any, mass: Any) -> None:
    """Raise TransitionError where a household cannot consume on the path; warn where one is at the top of the grid."""
    least = np.asarray(least)
    if not least.min() > 0:
        period = int(np.flatnonzero(~(least > 0))[0])
        raise TransitionError(
            f"In period {period} of the path some household has no resources left after repaying down to the borrowing "
            f"limit: it would consume {least[period]:.3g}. Make the shock smaller or tighten the borrowing limit."
        )
    top = np.asarray(mass)[:, -1].sum(axis=1)
    if top.max() > 1e-6:
        warn_user(
            f"In period {int(top.argmax())} of the path {top.max():.2e} of the population is at the top of the asset "
            f"grid ({float(steady.economy.grid.upper):g}): raise it in asset_space()."
        )


def check_goods(
    steady: SteadyState, initial: Any, goods: np.ndarray | None, residual: float, first: Mapping[str, Any]
) -> None:
    """Raise TransitionError at the first period in which goods are left over or missing.

    Equations that hold in the steady state, and later on the path, are not wrong: then what was given for period 0,
    whose values by name are `first`, contradicts itself. Where it is the equilibrium of other parameters it does not,
    but the change of parameters moves what is owed in period 0 and no equation says who pays: a warning.
    """
    allowed = OFF + 100.0 * residual
    off = np.zeros(0, int) if goods is None else np.flatnonzero(~(np.abs(goods) <= allowed))
    if goods is None or not off.size:
        return
    period = int(off[0])
    problem = explain_goods(steady.economy.model, goods[period], f"in period {period} of the path", allowed=allowed)
    if off.size > 1 or period > 0:
        raise TransitionError(
            f"{problem}, and in {off.size} of {len(goods)} periods, though every declared market clears and the final "
            "stationary equilibrium closes: an equation is wrong away from it; compare prices() and resources() with "
            "goods_market()."
        )
    changed = _changed(steady, initial)
    if changed:
        warn_user(
            f"{problem} and in no other: the change of {changed} changes what is owed in period 0, and goods_market() "
            "does not say who pays for it."
        )
        return
    held = in_words({name: first[name] for name in steady.aggregates if name in first})
    raise TransitionError(
        f"{problem} and in no other: the state of period 0 contradicts itself ({held}), since households hold other "
        "assets than the state variables and parameters say; give a mass that agrees with them, or the state variables "
        "that agree with the mass (state_variables=)."
    )


def _changed(steady: SteadyState, initial: Any) -> str:
    """Parameters of the equilibrium `initial` that differ in `steady`; "" where it is no equilibrium."""
    if not isinstance(initial, SteadyState):
        return ""
    old, new = (each.economy.model.parameters() for each in (initial, steady))
    return ", ".join(
        f"{name} from {float(old[name]):.6g} to {float(value):.6g}"
        for name, value in new.items()
        if name in old and not np.ndim(value) and not np.array_equal(old[name], value)
    )


def warn_unsettled(away: Mapping[str, np.ndarray], horizon: int) -> None:
    """Warn where a path of `horizon` periods is cut off: more than a hundredth of the largest deviation of a series is
    left in its last period. `away` are absolute deviations, (horizon,) each, by name."""
    peaks = {name: float(path.max()) for name, path in away.items()}
    left = {name: float(away[name][-1]) / peak for name, peak in peaks.items() if peak > STILL}
    late = {name: share for name, share in left.items() if share > UNSETTLED}
    if not late:
        return
    name = max(late, key=lambda each: late[each])
    warn_user(
        f"The path is cut off: after {horizon} periods {name} is still {100 * late[name]:.3g} % of its largest "
        f"deviation away from the steady state{_longer(away[name], horizon)}."
    )


def _longer(path: np.ndarray, horizon: int) -> str:
    """A horizon at which a deviation will have died out, if it goes on to fall as in its last third; four times as long
    where it does not fall yet."""
    early = float(path[2 * horizon // 3])
    rate = np.log(early / float(path[-1])) / (horizon - 1 - 2 * horizon // 3) if early > path[-1] > 0 else 0.0
    if rate <= 0:
        return f": try horizon={4 * horizon}"
    more = np.log(float(path[-1]) / (0.1 * UNSETTLED * float(path.max()))) / rate
    return f": use horizon={int(np.ceil((horizon + more) / 50) * 50)} or more"


def failure(names: Names, relative: np.ndarray, iteration: int, tolerance: float, guess: np.ndarray) -> TransitionError:
    """The error of a search that ended without a path, given the excess (horizon, path) in its own units and the last
    `guess` (horizon, path) of the unknowns."""
    if not np.isfinite(relative).all():
        period = int(np.flatnonzero(~np.isfinite(relative).all(axis=1))[0])
        return TransitionError(
            f"After {iteration} iterations the path is NaN or infinite in period {period}, tried at "
            f"{in_words(dict(zip(names.path, guess[period], strict=True)))}: "
            "Newton's method left what the equations allow; make the shock, or the change of the first mass, smaller."
        )
    at, place = np.unravel_index(int(np.argmax(relative)), relative.shape)
    name = names.path[place]
    kinds: dict[str, Iterable[str]] = {
        "excess supply of": names.moved, "excess demand in the market of": names.clearing
    }  # fmt: skip
    what = next((words for words, group in kinds.items() if name in group), "mismatch of the state variable")
    return TransitionError(
        f"The path did not converge: after {iteration} iterations the {what} {name} in period {at} is still "
        f"{100 * relative[at, place]:.3g} %, tolerance {100 * tolerance:g} %: make the shock smaller, lengthen the "
        "horizon, or raise max_iterations."
    )
