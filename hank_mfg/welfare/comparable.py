"""Whether two situations can be compared: the same households, with the same preferences, patience and lives."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.quantities import with_parameters
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.precision import in_jax
from hank_mfg.solve.sequence.path_checks import FIXED, numbers_behind
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.stationary.steady_state import SteadyState

SAME = 1e-9  # mass of period 0 and that of the stationary equilibrium before, largest difference
ALIKE = 1e-12  # patience, relative
ASKED_POINTS = 12  # of the grid on which a model is asked what a parameter moves


def require_same_preferences(before: SteadyState, after: SteadyState) -> None:
    """Raise ValueError where lifetime utilities are not in the same unit."""
    old, new = (each.economy.model.preferences() for each in (before, after))
    if type(old) is not type(new) or numbers_behind(old) != numbers_behind(new):
        raise ValueError(_units(f"preferences are {_in_words(old)} before and {_in_words(new)} after"))
    pairs = [[np.asarray(read(each)) for each in (before, after)] for read in (_patience, _annuities)]
    for (first, second), what in zip(pairs, ("patience differs", "patience or survival differs"), strict=True):
        if first.shape != second.shape or not np.allclose(first, second, rtol=ALIKE, atol=0.0):
            raise ValueError(_units(what))


def require_still_preferences(path: Transition) -> None:
    """Raise ValueError where preferences or patience move along a path."""
    model = path.steady.economy.model
    known = numbers_behind(model.preferences())
    for name, values in path.parameters.items():
        each = (model.with_parameters(**{name: value}) for value in {float(value) for value in values})
        if any(numbers_behind(other.preferences()) != known for other in each):
            raise ValueError(_units(f"{name} follows a path and moves preferences"))
    shocks = {name: jnp.asarray(path.series[name]) for name in path.steady.public.shocks}
    changed = {name: jnp.asarray(values) for name, values in path.parameters.items()}
    economy, periods = path.steady.economy, len(path.mass)

    def patience(shocks: Any, changed: Any) -> Any:
        here = with_parameters(economy, Named("parameters", changed))
        return here.discount_factor(Named("shocks", shocks))

    along = np.asarray(jax.vmap(patience, axis_size=periods)(shocks, changed))
    if not np.allclose(along, np.asarray(_patience(path.steady)), rtol=ALIKE, atol=0.0):
        raise ValueError(_units("patience moves along the path"))


def require_same_start(before: SteadyState, path: Transition) -> None:
    """Raise ValueError where a path does not start with the households of the stationary equilibrium before."""
    gap = float(np.abs(np.asarray(before.mass) - path.mass[0]).max())
    if gap > SAME:
        raise ValueError(
            f"welfare(before, after): the path starts from another distribution than `before` has, by {gap:.3g} in one "
            "state: give hm.transition(new, initial=before)."
        )


def require_policy(what: str, model: Model, name: str, value: float) -> None:
    """Raise ValueError where a parameter moves what a reform cannot: preferences, patience, chains, ages, the asset
    grid, or what households add to aggregates. `what` says which argument named it."""
    other = model.with_parameters(**{name: value})
    moved = [
        each
        for each in ("preferences", *FIXED)
        if numbers_behind(getattr(model, each)()) != numbers_behind(getattr(other, each)())
    ]
    if not moved:
        points = {asset: ASKED_POINTS for asset in model.asset_names()} or ASKED_POINTS
        old, new = (discretize(each, points, jnp.float64, aggregate_risk=False) for each in (model, other))
        read: Mapping[str, Any] = {
            "discounting": lambda economy: economy.discount_factor(economy.shocks(0)),
            "aggregates": lambda economy: economy.contributions(economy.shocks(0)),
        }
        moved = [each for each, of in read.items() if numbers_behind(of(old)) != numbers_behind(of(new))]
    if moved:
        raise ValueError(
            f"{what} {name!r}, which moves {moved[0]}(); that stays as it is in a reform: name a parameter of "
            "prices, taxes or transfers, and compare other economies by hm.steady_state."
        )


def _patience(steady: SteadyState) -> Any:
    return steady.economy.discount_factor(jax.tree.map(in_jax, steady.public.shocks))


def _annuities(steady: SteadyState) -> Any:
    return steady.economy.annuities()


def _units(reason: str) -> str:
    return (
        f"welfare(before, after): {reason}, so that lifetime utilities are in different units: compare situations with "
        "the same preferences, discount factors and survival."
    )


def _in_words(preferences: Any) -> str:
    """Preferences with their numbers: "CRRA(risk_aversion=2)"."""
    fields = {field.name: getattr(preferences, field.name) for field in dataclasses.fields(preferences)}
    return f"{type(preferences).__name__}({', '.join(f'{k}={float(v):g}' for k, v in fields.items())})"
