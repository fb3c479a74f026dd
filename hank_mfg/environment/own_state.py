"""Check that equations are deterministic and that those of a household depend on its own state alone.

Solvers evaluate an equation on whole arrays of households, on other grids than the model was tried on, and keep what
JAX traced once. An equation that draws random numbers, reads the clock, or looks at other entries of its arrays would
silently give other economies. Each is tried twice; those of a household also where others' states are changed,
where households stand in another order, and where one asset level stands alone.
"""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from hank_mfg.environment.probe import Case, Results, ask, declarations, equations
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.model.today import today

RELATIVE = 1e-9  # differences that rounding explains: sums of arrays may be made in another order


def check_repeatable(model: Model, case: Case, level: float) -> None:
    """Raise ValueError for a declaration or an equation that gives another answer when it is asked again."""
    for method, first in declarations(model).items():
        if not _same(first, ask(model, method)):
            raise ValueError(_unstable(model, method, ""))
    if isinstance(case.points, jax.Array) and _traced_alike(model, case, level):
        return
    first, second = (equations(model, case, case.state(0), level) for _ in range(2))
    for method, name, one, two in _pairs(first, second):
        if not _same(one, two):
            method = {"most": "hourly_wage"}.get(method, method)
            raise ValueError(_unstable(model, method, f" {name} is {_entry(one, two)} and then {_entry(two, one)}:"))


def _traced_alike(model: Model, case: Case, level: float) -> bool:
    """Whether JAX traces the same program twice, numbers in it included: quicker than running it bit by bit."""

    def trace() -> tuple[str, list]:
        traced = jax.make_jaxpr(lambda at: jax.tree.leaves(equations(model, case, case.state(0), at)))(level)
        return str(traced.jaxpr), traced.consts

    (one, numbers), (two, others) = trace(), trace()
    return one == two and _same(numbers, others)


def check_own_state(model: Model, case: Case, periods: Results) -> None:
    """Raise ValueError for an equation of a household that reads other households' states.

    `periods` are the equations as numbers in the first aggregate state, for the prices in them.
    """
    now = today(case.state(0))
    given = today(now, periods["prices"])
    shape = (len(case.points), len(case.share))

    def answers(points: np.ndarray, own: dict[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
        found: dict[str, Any] = {
            "aggregates": dict(ask(model, "aggregates", case.assets(points), Named("own", own), now)),
            "resources": {"the result": ask(model, "resources", case.assets(points), Named("own", own), given)},
            "discounting": {"the result": ask(model, "discounting", Named("own", own), now)},
        }
        wage = ask(model, "hourly_wage", Named("own", own), given)
        found |= {} if wage is None else {"hourly_wage": {"the result": wage}}
        full = (len(points), shape[1])
        return {
            (method, name): np.broadcast_to(np.asarray(value, float), full)
            for method, group in found.items()
            for name, value in group.items()
        }

    usual = answers(case.points, case.own)
    for points, own, rows, columns in _worlds(case):
        try:
            changed = answers(points, own)
        except ValueError as error:
            text = str(error).rstrip(".")
            raise ValueError(f"{text}; tried with {len(points)} asset levels, compute elementwise.") from error
        for (method, name), value in changed.items():
            before = usual[method, name][rows][:, columns]
            if not np.allclose(value[:, columns], before, rtol=RELATIVE, atol=0.0, equal_nan=True):
                raise ValueError(
                    f"{type(model).__name__}.{method}(): {name} of one household changes when the states of others do: "
                    "compute it elementwise from `assets` and `own`, without an index, a sum, a mean or a sort; the "
                    "library sums over households itself."
                )


def _worlds(case: Case) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], Any, Any]]:
    """Assets and own states of other sets of households, and the rows and columns of those that are as before.

    Households in reverse order of assets; one asset level alone; and for each half of the income states, other states
    in their place.
    """
    points, own, income = case.points, case.own, np.arange(len(case.share))
    every_state = slice(None)
    yield points[::-1].copy(), own, slice(None, None, -1), every_state
    for place in (0, len(points) // 2, len(points) - 1):
        yield points[place : place + 1], own, slice(place, place + 1), every_state
    if len(income) < 2:
        return
    for group in (income % 2 == 0, 2 * income < len(income)):
        for stay in (group, ~group):
            for step in (1, max(1, len(income) // 2)):
                source = np.where(stay, income, (income + step) % len(income))
                yield points, {name: value[:, source] for name, value in own.items()}, every_state, np.flatnonzero(stay)


def _pairs(first: Results, second: Results) -> Iterator[tuple[str, str, Any, Any]]:
    for method, group in first.items():
        for name, value in group.items():
            yield method, name, value, second[method].get(name)


def _same(one: Any, two: Any) -> bool:
    """Whether two results are the same, leaf by leaf."""
    first, second = jax.tree.flatten(one), jax.tree.flatten(two)
    return first[1] == second[1] and all(map(_equal, first[0], second[0]))


def _equal(one: Any, two: Any) -> bool:
    try:
        return bool(np.array_equal(np.asarray(one, float), np.asarray(two, float), equal_nan=True))
    except (TypeError, ValueError):
        return one == two


def _entry(one: Any, two: Any) -> str:
    """The first number of `one` that differs in `two`."""
    first, second = np.atleast_1d(np.asarray(one, float)), np.atleast_1d(np.asarray(two, float))
    return f"{first[first != second].flat[0]:.10g}"


def _unstable(model: Model, method: str, what: str) -> str:
    return (
        f"{type(model).__name__}.{method}():{what} it gives another answer when asked twice with the same arguments: "
        "leave out random numbers and the clock, and declare what is random as a shock."
    )
