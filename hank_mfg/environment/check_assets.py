"""Check two declared assets: each has a return, and the cost of changing the second is smooth and convex.

First-order conditions find the best choice where the cost is. A fixed cost, or one proportional to the change, is not.
"""

from typing import Any

import jax
import numpy as np

from hank_mfg.environment.dependence import names_read
from hank_mfg.environment.probe import Case, ask, evaluate, make_case
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.model.today import today
from hank_mfg.wording import in_words

STEP, FINER = 1e-3, 8.0  # of the length of the second asset's space; how much finer a second look is
LEVELS = 6  # amounts of the second asset at which the cost is looked at
KINK = 0.5  # of a change of slope that is still there on the finer look
ROUNDING = 1e-9  # of the cost


def check_assets(model: Model, case: Case) -> None:
    """Raise ValueError unless two declared assets make sense, at the prices where all households hold a little. One
    asset always does."""
    if case.ends is None:
        if type(model).adjustment_cost is not Model.adjustment_cost:
            raise ValueError(
                f"{type(model).__name__}.adjustment_cost() is declared for one asset: return two from asset_space(), "
                "the liquid one first, or put what is paid into resources()."
            )
        return
    period = evaluate(model, case, 0, float(case.points[len(case.points) // 2, 0]))
    given = today(case.state(0), period["prices"])
    _check_returns(model, case, given)
    _check_declared(model)
    _check_first(model, tuple(case.ends), given)
    _check_shape(model, case.ends, given)


def check_two_assets(model: Model) -> None:
    """As `check_assets`, of a model that was not looked at before."""
    with jax.enable_x64(True), np.errstate(all="ignore"):
        check_assets(model, make_case(model))


def _check_declared(model: Model) -> None:
    """What changing the second asset costs is declared, and nothing that there is for one asset only."""
    if type(model).adjustment_cost is Model.adjustment_cost:
        raise ValueError(
            f"{type(model).__name__}.asset_space() declares two assets but no adjustment_cost(assets_next, assets, "
            "today) says what changing the second costs, without which nothing tells them apart at rest: declare it, "
            "smooth and convex in the next second asset."
        )
    if model.sells_at_price():
        raise ValueError(
            f"{type(model).__name__}.asset_price() is declared with two assets: leave it out, and let resources() pay "
            "what each is worth."
        )
    if model.ages() is not None:
        raise ValueError(f"{type(model).__name__}.ages() is declared with two assets: lives that end have one so far.")


def _check_returns(model: Model, case: Case, given: Named) -> None:
    """Cash on hand depends on every asset."""

    def cash(held: dict[str, Any]) -> list[Any]:
        return [ask(model, "resources", Named("assets", held), Named("own", case.own), given)]

    held = {name: np.asarray(1.0) for name in case.ends or {}}
    read = names_read(cash, held)
    missing = [name for name in held if name not in read]
    if missing:
        raise ValueError(
            f"{type(model).__name__}.resources() does not read assets.{missing[0]}: nobody would hold what pays "
            f"nothing; add what it is worth, (1 + its return) * assets.{missing[0]}."
        )


def _check_first(model: Model, names: tuple[str, ...], given: Named) -> None:
    """The cost does not depend on the first asset, today's or next."""
    first, second = names

    def cost(values: dict[str, Any]) -> list[Any]:
        after, before = ({first: values[when], second: 1.0} for when in ("next", "now"))
        return [_cost(model, given, after, before) + 0.0]

    if names_read(cost, {when: np.asarray(1.0) for when in ("next", "now")}):
        raise ValueError(
            f"{type(model).__name__}.adjustment_cost() reads {first}, the first asset, which is changed at no cost: "
            f"let it depend on {second} alone, or name {second} first in asset_space()."
        )


def _check_shape(model: Model, ends: Named, given: Named) -> None:
    """The cost is finite, and its slope in the next asset rises and does not jump."""
    first, second = ends
    low, high = ends[second]
    length = STEP * (high - low)

    def bends(held: float, step: float) -> tuple[np.ndarray, float]:
        """Changes of the cost's slope from step to step of the next asset, and the largest cost."""
        after = np.arange(low, high, step)
        cost = _cost(model, given, {first: 0.0, second: after}, {first: 0.0, second: held})
        cost = np.broadcast_to(np.asarray(cost, float), after.shape)
        return np.diff(cost, 2) / step, float(np.abs(cost).max())

    for held in np.linspace(low, high, LEVELS):
        (coarse, largest), (fine, _) = bends(held, length), bends(held, length / FINER)
        at, scale = in_words({f"assets.{second}": float(held)}), ROUNDING * max(1.0, largest) / length
        what = f"{type(model).__name__}.adjustment_cost()"
        if not np.isfinite(largest):
            raise ValueError(f"{what} is not finite at {at}: check its formula where nothing is held.")
        if coarse.min() < -scale:
            raise ValueError(
                f"{what} is not convex in assets_next.{second} at {at}: its slope falls, so first-order conditions do "
                "not find the best choice; let it rise."
            )
        if fine.max() > KINK * coarse.max() > FINER * scale:
            raise ValueError(
                f"{what} has a kink in assets_next.{second} at {at}: its slope jumps, so first-order conditions do not "
                "find the best choice; use a power above one of the change."
            )


def _cost(model: Model, given: Named, after: dict[str, Any], before: dict[str, Any]) -> Any:
    return ask(model, "adjustment_cost", Named("assets_next", after), Named("assets", before), given)
