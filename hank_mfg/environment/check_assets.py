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
    """Raise ValueError unless two declared assets make sense, at the prices where everybody holds a little. One asset
    always does."""
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
    _check_price(model)
    _check_first(model, case, given)
    _check_shape(model, case, given)


def check_two_assets(model: Model) -> None:
    """As `check_assets`, of a model that was not looked at before."""
    with jax.enable_x64(True), np.errstate(all="ignore"):
        check_assets(model, make_case(model))


def _check_price(model: Model) -> None:
    if model.sells_at_price():
        raise ValueError(
            f"{type(model).__name__}.asset_price() is declared with two assets: leave it out, and let resources() pay "
            "what each is worth."
        )
    if model.ages() is not None:
        raise ValueError(f"{type(model).__name__}.ages() is declared with two assets: lives that end have one so far.")


def _check_returns(model: Model, case: Case, given: Named) -> None:
    """Cash on hand depends on every asset."""
    held = {name: np.asarray(1.0) for name in case.ends or {}}
    read = names_read(
        lambda values: [ask(model, "resources", Named("assets", values), Named("own", case.own), given)], held
    )
    missing = [name for name in held if name not in read]
    if missing:
        raise ValueError(
            f"{type(model).__name__}.resources() does not read assets.{missing[0]}: nobody would hold what pays "
            f"nothing; add what it is worth, (1 + its return) * assets.{missing[0]}."
        )


def _check_first(model: Model, case: Case, given: Named) -> None:
    """The cost does not depend on the first asset, today's or next."""
    first, second = case.ends or {}

    def cost(values: dict[str, Any]) -> list[Any]:
        after, before = ({first: values[f"{first} {when}"], second: 1.0} for when in ("next", "now"))
        return [ask(model, "adjustment_cost", Named("assets_next", after), Named("assets", before), given) + 0.0]

    read = names_read(cost, {f"{first} {when}": np.asarray(1.0) for when in ("next", "now")})
    if read:
        raise ValueError(
            f"{type(model).__name__}.adjustment_cost() reads {first}, the first asset, which is changed at no cost: "
            f"let it depend on {second} alone, or name {second} first in asset_space()."
        )


def _check_shape(model: Model, case: Case, given: Named) -> None:
    """The cost is finite, and its slope in the next asset rises and does not jump."""
    first, second = case.ends or {}
    low, high = (case.ends or {})[second]
    length = STEP * (high - low)
    for held in np.linspace(low, high, LEVELS):
        coarse, fine = (_bends(model, given, (first, second), held, (low, high), step) for step in (1.0, 1.0 / FINER))
        where = {f"assets.{second}": float(held)}
        scale = ROUNDING * max(1.0, coarse.largest) / length
        if not np.isfinite(coarse.largest):
            raise ValueError(
                f"{type(model).__name__}.adjustment_cost() is not finite at {in_words(where)}: check its formula where "
                "nothing is held."
            )
        if coarse.bends.min() < -scale:
            raise ValueError(
                f"{type(model).__name__}.adjustment_cost() is not convex in assets_next.{second} at {in_words(where)}: "
                "its slope falls, so first-order conditions do not find the best choice; let it rise."
            )
        if fine.bends.max() > KINK * coarse.bends.max() > FINER * scale:
            raise ValueError(
                f"{type(model).__name__}.adjustment_cost() has a kink in assets_next.{second} at {in_words(where)}: "
                "its slope jumps, so first-order conditions do not find the best choice; use a power above one of the "
                "change."
            )


class _Bends:
    """Changes of the slope from step to step, and the `largest` cost."""

    def __init__(self, bends: np.ndarray, largest: float):
        self.bends, self.largest = bends, largest


def _bends(model: Model, given: Named, names: tuple[str, str], held: float, ends: tuple[float, float], part: float):
    """Changes of the cost's slope in the next asset, along all of its space."""
    first, second = names
    after = np.arange(ends[0], ends[1], STEP * part * (ends[1] - ends[0]))
    cost = ask(
        model, "adjustment_cost", Named("assets_next", {first: 0.0, second: after}),
        Named("assets", {first: 0.0, second: held}), given,
    )  # fmt: skip
    cost = np.broadcast_to(np.asarray(cost, float), after.shape)
    return _Bends(np.diff(cost, 2) / (after[1] - after[0]), float(np.abs(cost).max()))
