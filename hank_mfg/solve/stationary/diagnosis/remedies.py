"""Test remedies: the same economy with one change, searched by the program that is compiled already."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.grids import asset_grid
from hank_mfg.model.assets import Assets
from hank_mfg.solve.stationary.clearing.candidates import Candidate, Candidates
from hank_mfg.solve.stationary.clearing.global_search import (
    CLEARED,
    Budget,
    Scaled,
    descend,
    distinct,
    ends_of,
    roots_of_several,
    sweeps_of_one,
)
from hank_mfg.solve.stationary.diagnosis.symptoms import words

ROUGH = 1e-10  # tolerance of candidates that only show whether a remedy works
WIDER = (1.0, 9.0, 99.0)  # times the length of a bracket by which it is extended on both sides
HIGHER = (4.0, 16.0)  # times the top of the asset grid
LESS = (0.99, 0.97, 0.94, 0.9, 0.8, 0.6)  # times the discount factor


def any_root(candidates: Candidates, budget: Budget, widen: float = 0.0) -> Candidate | None:
    """A root, where there is one that a global search finds."""
    if not budget.left():
        return None
    if len(candidates.names.searched) > 1:
        roots = roots_of_several(candidates, budget, widen)[0]
    else:
        sweeps = sweeps_of_one(candidates, ROUGH, budget, widen)
        roots = distinct([root for each in sweeps for root in each.roots])
    return roots[0] if roots else None


def regridded(candidates: Candidates, lower: float | None = None, upper: float | None = None) -> Candidates:
    """The same economy on another asset range, as many points: nothing is compiled again."""
    economy, grid = candidates.economy, candidates.economy.grid
    space = economy.model.asset_space()
    ends = (float(grid.lower) if lower is None else lower, float(grid.upper) if upper is None else upper)
    other = asset_grid(Assets(*ends, curvature=space.curvature, pivot=space.pivot), grid.size, economy.dtype)
    other = jax.tree.map(lambda x: jnp.asarray(x, economy.dtype), other)
    return candidates.on(economy.on(other))


def with_wider_bracket(candidates: Candidates, budget: Budget, near: Candidate | None = None) -> str | None:
    """A root outside the brackets of clearing_prices(): next to the candidate `near` first, where there is one."""
    names = candidates.names
    if not names.clearing:
        return None
    for widen in WIDER:
        root = None if near is None else descend(Scaled(candidates, widen), near, budget)
        if root is None or not root.size <= CLEARED:
            root = any_root(candidates, budget, widen) if near is None or widen == WIDER[-1] else None
        if root is None:
            continue
        prices = root.unknown[len(names.unknown) :]
        outside = [
            f"{name} clears its market at {value:.6g}, outside its bracket from {low:g} to {high:g}"
            for name, value, low, high in zip(names.clearing, prices, *ends_of(candidates), strict=True)
            if not low <= value <= high
        ]
        if outside:
            return f"{', and '.join(outside)}: widen the bracket in clearing_prices(), with which it is found."
    return None


def with_a_higher_top(candidates: Candidates, budget: Budget) -> str | None:
    """A root on a longer asset grid."""
    upper = float(candidates.economy.grid.upper)
    for factor in HIGHER:
        root = any_root(regridded(candidates, upper=factor * upper), budget)
        if root is not None:
            return (
                f"the asset grid is too short: with the top of the asset grid at {factor * upper:g} instead of "
                f"{upper:g} markets clear at {words(candidates.names.searched, root.unknown)}; raise it in "
                "asset_space() (maximum_assets in the shipped models)"
            )
    return None


def with_less_patience(candidates: Candidates, budget: Budget) -> str | None:
    """A lower discount factor with which markets clear."""
    model = candidates.economy.model
    value = model.parameters().get("discount_factor")
    if value is None or np.ndim(value) != 0:
        return None
    for factor in LESS:
        lower = factor * float(value)
        changed = eqx.tree_at(lambda e: e.model.discount_factor, candidates.economy, jnp.asarray(lower))
        root = any_root(candidates.on(changed), budget)
        if root is not None:
            there = words(candidates.names.searched, root.unknown)
            return f"with discount_factor = {lower:.6g} there is an equilibrium, {there}"
    return None


def limit_that_can_be_repaid(candidates: Candidates, budget: Budget) -> float | None:
    """A tighter borrowing limit, of a few, with which there is an equilibrium."""
    lower = float(candidates.economy.grid.lower)
    for part in (0.05, 0.01, 0.0):
        limit = part * lower
        if limit >= float(candidates.economy.grid.upper) or not budget.left():
            return None
        if any_root(regridded(candidates, lower=limit), budget) is not None:
            return limit
    return None
