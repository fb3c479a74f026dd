"""Whether budgets are concave: where they are not, first-order conditions are not sufficient.

Savings are solved by a first-order condition, u'(c) = E[beta V_a(a')]. It is necessary; it is sufficient where the
value of assets is concave, and that follows where cash on hand is concave in assets: d resources / d assets must not
rise, and resources must not jump up. A benefit that is lost above some assets breaks both, in booms or in slumps alone
too: budgets are checked in every aggregate state.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.grids import assets_at
from hank_mfg.environment.markov import combine
from hank_mfg.environment.probe import Case, evaluate, in_numpy, make_case
from hank_mfg.environment.product_grid import ProductGrid
from hank_mfg.model.base import Model, named
from hank_mfg.model.named import Named
from hank_mfg.model.today import today
from hank_mfg.wording import in_words

POINTS = 2001  # asset levels at which resources are looked at
STEEPER = 1e-6  # rise of the slope that counts, beside rounding
AROUND = (1.0, 0.9, 1.1)  # times the equilibrium value of what savings move, in every aggregate state


class Rise(NamedTuple):
    """The steepest rise of d resources / d assets: at `assets`, in income state `income` with the values `own` and at
    aggregate `shocks`, from `before` below to `after` above; not numbers where resources are none."""

    assets: float
    income: int
    own: dict[str, float]
    before: float
    after: float
    shocks: dict[str, float]


def steepest_rise(model: Model, own: Named, prices: Named, shocks: Named, points: Any = ()) -> Rise | None:
    """The assets at which the slope of resources() rises most, at given prices; None where it rises nowhere.

    Resources are evaluated between the ends of the asset space, at the `points` of a grid too. Where they are not
    finite, or nothing can be said of their slope, that place is returned.
    """
    space = model.asset_space()
    ends = (float(space.lower), float(space.upper))
    pivot = None if space.pivot is None else float(space.pivot)
    spaced = assets_at(np.linspace(0.0, 1.0, POINTS), ends, float(space.curvature), pivot, np)
    assets = np.unique(np.concatenate([spaced, np.linspace(*ends, POINTS), np.asarray(points, float).ravel()]))
    assets = assets[np.concatenate([[True], np.diff(assets) > 1e-9 * (ends[1] - ends[0])])]
    states = {name: np.asarray(value, np.float64).reshape(1, -1) for name, value in own.items()}
    count = next(iter(states.values())).shape[1]
    cash = np.asarray(model.resources(assets[:, None], Named("own", states), today(shocks, prices)), np.float64)
    cash = np.broadcast_to(cash, (len(assets), count))
    length = np.diff(assets)[:, None]
    slope = np.diff(cash, axis=0) / length
    largest = np.abs(cash[np.isfinite(cash)]).max(initial=0.0)
    rounding = 64.0 * np.finfo(float).eps * largest / np.minimum(length[1:], length[:-1])
    rise = np.diff(slope, axis=0) - rounding - STEEPER * np.maximum(1.0, np.abs(slope[1:]))
    rise = np.where(np.isfinite(rise), rise, np.inf)
    if rise.max() <= 0:
        return None
    place, income = np.unravel_index(int(np.argmax(rise)), rise.shape)
    values = {name: float(value[0, income]) for name, value in states.items()}
    before, after = float(slope[place, income]), float(slope[place + 1, income])
    at = {name: float(value) for name, value in shocks.items()}
    return Rise(float(assets[place + 1]), int(income), values, before, after, at)


def largest_rise(economy: Economy, public: Public) -> Array:
    """The largest rise of d resources / d assets between neighboring points of the asset grid, (); traced.

    Above `STEEPER`, or not a number, budgets are not concave.
    """
    points, own = economy.states()
    cash = jnp.broadcast_to(
        jnp.asarray(economy.model.resources(points, own, public.given), economy.dtype), economy.shape
    )
    if isinstance(economy.grid, ProductGrid):
        cash = economy.grid.apart(cash)
        each = zip((cash, jnp.moveaxis(cash, 1, 0)), economy.grid.axes, strict=True)
        return jnp.max(jnp.stack([_rise(values, axis.points[:, None, None]) for values, axis in each]))
    return _rise(cash, points)


def _rise(cash: Array, points: Array) -> Array:
    """The largest rise of the slope of cash on hand along axis 0."""
    return jnp.max(jnp.diff(jnp.diff(cash, axis=0) / jnp.diff(points, axis=0), axis=0))


def circumstances(model: Model, public: Public, moved: tuple[str, ...]) -> Iterator[Public]:
    """In what budgets are looked at: the equilibrium `public` itself, then every aggregate state, with the aggregates
    that savings move, `moved`, at the equilibrium and a tenth below and above, and the prices that follow. Prices that
    clear inside the period stay. Without aggregates, at given prices, there is one circumstance."""
    yield public
    declared = model.aggregate_shocks() if public.aggregates else ()
    values = combine(declared).values if declared else {}
    still = {name: public.prices[name] for name in model.clearing_prices()}
    for state in range(len(next(iter(values.values()))) if values else 0):
        shocks = Named("shocks", {name: np.float64(each[state]) for name, each in values.items()})
        for factor in AROUND if moved else AROUND[:1]:
            total = {name: value * (factor if name in moved else 1.0) for name, value in public.aggregates.items()}
            closed = named("prices", model.prices(today(shocks, total, still)), "prices")
            prices = Named("prices", {**still, **{name: np.float64(value) for name, value in closed.items()}})
            yield Public(shocks, Named("aggregates", total), prices)


def rises(economy: Economy, public: Public, moved: tuple[str, ...]) -> Iterator[tuple[Rise, Public, bool]]:
    """Assets and states with non-concave budgets, and whether they are at the equilibrium `public` itself."""
    if economy.several:
        return
    model = in_numpy(economy.model)  # so that nothing is compiled where its equations are plain arithmetic
    public = jax.tree.map(np.asarray, public)
    with np.errstate(all="ignore"):
        for place, each in enumerate(circumstances(model, public, moved)):
            rise = steepest_rise(model, economy.own, each.prices, each.shocks, economy.grid.points)
            if rise is not None:
                yield rise, each, place == 0


def explain_rise(model: Model, rise: Rise) -> str:
    """The beginning of a sentence on non-concave budgets."""
    place = f"at assets = {rise.assets:.6g}, {in_words({**rise.own, **rise.shocks})} (income state {rise.income})"
    if not np.isfinite([rise.before, rise.after]).all():
        return (
            f"{type(model).__name__}.resources() is not finite {place}, or near there, so nothing says whether it is "
            "concave in assets and first-order conditions, by which savings are solved, sufficient"
        )
    return (
        f"{type(model).__name__}.resources() is not concave in assets: d resources / d assets rises from "
        f"{rise.before:.4g} to {rise.after:.4g} {place}, so first-order conditions, by which savings are solved, are "
        "not sufficient"
    )


def rise_before_solving(model: Model) -> Rise | None:
    """The first `steepest_rise` over the aggregate states, at made-up prices: those when every household holds assets
    in the middle of the grid. Resources that are no number at such prices say nothing."""
    with jax.enable_x64(True), np.errstate(all="ignore"):
        case: Case = make_case(model)
        if case.ends is not None:
            return None
        level = float(case.points[len(case.points) // 2, 0])
        for state in case.states:
            prices = _named(evaluate(model, case, state, level)["prices"], "prices")
            rise = steepest_rise(model, _named(case.own, "own"), prices, _named(case.state(state), "shocks"))
            if rise is not None and np.isfinite([rise.before, rise.after]).all():
                return rise
    return None


def _named(values: Mapping[str, Any], label: str) -> Named:
    return Named(label, {name: np.asarray(value, np.float64) for name, value in values.items()})
