"""Whether budgets are concave: where they are not, first-order conditions do not say what is best.

Savings are solved by a first-order condition, u'(c) = E[beta V_a(a')]. It is necessary; it is sufficient where the
value of assets is concave, and that follows where cash on hand is concave in assets: d resources / d assets must not
rise, and resources must not jump up. A benefit that is lost above some assets breaks both.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from hank_mfg.environment.grids import assets_at
from hank_mfg.environment.trial import Case, evaluate, make_case
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named

POINTS = 2001  # asset levels at which resources are looked at
STEEPER = 1e-6  # rise of the slope that counts, beside rounding


class Rise(NamedTuple):
    """The steepest rise of d resources / d assets: at `assets`, in income state `income` with the values `own`, from
    `before` below to `after` above."""

    assets: float
    income: int
    own: dict[str, float]
    before: float
    after: float


def steepest_rise(model: Model, own: Named, prices: Named, shocks: Named, points: Any = ()) -> Rise | None:
    """Where the slope of resources() in assets rises most, at given prices; None where it rises nowhere.

    Resources are evaluated between the ends of the asset space, at the `points` of a grid too.
    """
    space = model.asset_space()
    ends = (float(space.lower), float(space.upper))
    pivot = None if space.pivot is None else float(space.pivot)
    spaced = assets_at(np.linspace(0.0, 1.0, POINTS), ends, float(space.curvature), pivot, np)
    assets = np.unique(np.concatenate([spaced, np.linspace(*ends, POINTS), np.asarray(points, float).ravel()]))
    assets = assets[np.concatenate([[True], np.diff(assets) > 1e-9 * (ends[1] - ends[0])])]
    states = {name: np.asarray(value, np.float64).reshape(1, -1) for name, value in own.items()}
    count = next(iter(states.values())).shape[1]
    cash = np.asarray(model.resources(assets[:, None], Named("own", states), prices, shocks), np.float64)
    cash = np.broadcast_to(cash, (len(assets), count))
    length = np.diff(assets)[:, None]
    slope = np.diff(cash, axis=0) / length
    rounding = 64.0 * np.finfo(float).eps * np.abs(cash).max() / np.minimum(length[1:], length[:-1])
    rise = np.diff(slope, axis=0) - rounding - STEEPER * np.maximum(1.0, np.abs(slope[1:]))
    if not np.isfinite(rise).all() or rise.max() <= 0:
        return None
    place, income = np.unravel_index(int(np.argmax(rise)), rise.shape)
    values = {name: float(value[0, income]) for name, value in states.items()}
    before, after = float(slope[place, income]), float(slope[place + 1, income])
    return Rise(float(assets[place + 1]), int(income), values, before, after)


def explain_rise(model: Model, rise: Rise) -> str:
    """Where budgets are not concave and what that means, the beginning of a sentence."""
    own = ", ".join(f"{name} = {value:.6g}" for name, value in rise.own.items())
    return (
        f"{type(model).__name__}.resources() is not concave in assets: d resources / d assets rises from "
        f"{rise.before:.4g} to {rise.after:.4g} at assets = {rise.assets:.6g}, {own} (income state {rise.income}), so "
        "first-order conditions, by which savings are solved, are not sufficient"
    )


def rise_before_solving(model: Model) -> Rise | None:
    """`steepest_rise` at made-up prices: those when every household holds assets in the middle of the grid."""
    with jax.enable_x64(True), np.errstate(all="ignore"):
        case: Case = make_case(model)
        shocks = case.state(case.states[0])
        found = evaluate(model, case, case.states[0], float(case.points[len(case.points) // 2, 0]))
        return steepest_rise(
            model, _named(case.own, "own"), _named(found["prices"], "prices"), _named(shocks, "shocks")
        )


def _named(values: Mapping[str, Any], label: str) -> Named:
    return Named(label, {name: np.asarray(value, np.float64) for name, value in values.items()})
