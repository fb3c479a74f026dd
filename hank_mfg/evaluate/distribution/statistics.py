"""Statistics of wealth: Lorenz curve, Gini coefficient, top shares, quantiles, marginal propensities to consume.

A population is `mass`, which sums to one within 1e-4 (room for single precision), over ascending `assets` (assets,),
which may be negative. `mass` has shape (assets,) or (assets, income), optionally after a leading time axis:
(time, assets) or (time, assets, income); which of them is read off from the axes over which it sums to one. Results
carry the time axis first. Households with equal assets are interchangeable: a group that ends inside the mass of one
grid point takes the same fraction of every household there. A stationary equilibrium stands for its mass and assets:
`gini(steady)`, `top_share(steady, fraction=0.1)`. With two assets these are of net worth, their sum, and those of one
asset by its name: `gini(steady, "liquid")`; a mass over pairs with `steady.assets` means net worth too.

The formulas are in shares.py. Lorenz curve, Gini coefficient, top shares and quantiles are also traced, in one period:
`jax.grad(hm.stats.gini)(mass, assets)`; what holds no values yet is not checked.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd

from hank_mfg.evaluate.distribution.finer_mass import finer_mass
from hank_mfg.evaluate.distribution.shares import cumulate, gini_of, in_order, lorenz, quantile_of, share_below
from hank_mfg.model.concrete import array_module, numbers_of
from hank_mfg.model.named import Named
from hank_mfg.solve.stationary.steady_state import SteadyState

TOP_PERCENT = (1, 5, 10, 20, 30)
PERCENTILES = (10, 25, 50, 75, 90, 95, 99)
MEAN, GINI = "Mean assets (level)", "Gini coefficient"  # rows of the table


def lorenz_curve(mass, assets=None) -> tuple[np.ndarray, np.ndarray]:
    """The Lorenz curve: what share of wealth the poorest share of the population holds.

    F_i = sum_{j<=i} m_j,  L_i = sum_{j<=i} m_j a_j / sum_j m_j a_j,  starting from (0, 0); straight between points,
    which is exact for a discrete distribution. With debt L is first negative.

    `mass` (assets,) or (assets, income), after an optional time axis, and `assets` (assets,), any unit; or a stationary
    equilibrium alone. Returns population share and wealth share, each (assets + 1,) after the time axis, as fractions.
    Raises ValueError for a population that does not sum to one or whose mean wealth is not positive.
    Source: Lorenz (1905).
    """
    weight, assets = _population(mass, assets)
    xp = array_module(weight, assets)
    if xp is np and not has_shares(weight, assets):
        raise ValueError(
            f"mean assets = {np.min(weight @ assets):.4g} is not positive, so shares of wealth have no meaning: "
            "use quantiles or levels, or the distribution of gross wealth."
        )
    return lorenz(weight, assets, xp)


def has_shares(mass, assets=None) -> bool:
    """Whether shares of wealth and the Gini coefficient have a meaning: mean assets are positive, in every period.

    They are not where bonds are in zero net supply. Arguments as for `lorenz_curve`.
    """
    weight, assets = _population(mass, assets)
    return bool(np.all(weight @ assets > 1e-6 * (weight @ np.abs(assets))))


def gini_where_defined(mass, assets=None) -> float | None:
    """The Gini coefficient of one period, None where mean assets are not positive."""
    return float(gini(mass, assets)) if has_shares(mass, assets) else None


def gini(mass, assets=None) -> Any:
    """The Gini coefficient, exact for a discrete distribution.

    G = sum_i sum_j m_i m_j |a_i - a_j| / (2 mean) = 1 - sum_i m_i (L_{i-1} + L_i), with L the Lorenz curve. Zero when
    all households hold the same; it can exceed one when some are in debt.

    Arguments as for `lorenz_curve`. Returns a fraction, a float or (time,).
    Raises ValueError when mean wealth is not positive. Source: Gini (1912); Sen (1973), section 2.
    """
    population, wealth = lorenz_curve(mass, assets)
    return gini_of(population, wealth, array_module(population, wealth))[()]


def top_share(mass, assets=None, fraction: Any = 0.1) -> Any:
    """The share of wealth held by the richest `fraction` of the population, 1 - L(1 - fraction).

    The grid point at the threshold is split, so that exactly `fraction` of the population is counted.

    `fraction` strictly between 0 and 1: a number or an array, a tenth unless given. Other arguments as for
    `lorenz_curve`. Returns fractions: a float or (time,), followed by the shape of `fraction`.
    Raises ValueError for a fraction outside (0, 1) or when mean wealth is not positive.
    """
    fraction = _inside("fraction", fraction)
    curve = lorenz_curve(mass, assets)
    return (1.0 - share_below(1.0 - fraction, *curve, array_module(curve)))[()]


def quantile(mass, assets=None, probability: Any = 0.5) -> Any:
    """Assets below which the fraction `probability` of the population lies.

    Convention: the population at the first grid point is an atom there; that of a later point i is spread evenly over
    (a_{i-1}, a_i]. So F is linear between grid points, with F(a_i) = sum_{j<=i} m_j, and the quantile is its inverse:
    a_0 for probability <= m_0. It differs from other conventions by less than one step of the grid.

    `probability` strictly between 0 and 1: a number or an array, one half, the median, unless given. Other arguments as
    for `lorenz_curve`. Returns levels
    in the unit of assets: a float or (time,), followed by the shape of `probability`.
    Raises ValueError for a probability outside (0, 1). Mean wealth may have any sign.
    """
    weight, assets = _population(mass, assets)
    probability = _inside("probability", probability)
    xp = array_module(weight, assets)
    found = [quantile_of(weight, assets, target, xp) for target in probability.ravel()]
    return xp.stack(found, axis=-1).reshape(weight.shape[:-1] + probability.shape)[()]


def gini_over_states(mass, values):
    """The Gini coefficient of a quantity that differs between all individual states, such as consumption.

    The formula of `gini`, exact for a discrete distribution: all households in a state have its value. `mass` and
    `values` (assets, income), optionally after a time axis; the mass of a period sums to one. Returns a fraction, a
    float or (time,). Raises ValueError for other shapes and where the mean is not positive.
    """
    mass, values = _over_states(mass, values)
    flat = (*mass.shape[:-2], mass.shape[-2] * mass.shape[-1])
    weight, value = in_order(mass.reshape(flat), values.reshape(flat), np)
    mean = np.sum(weight * value, axis=-1)
    if np.any(mean <= 0):
        raise ValueError(f"values has the mean {np.min(mean):.4g}: shares need a positive mean.")
    return gini_of(*lorenz(weight, value, np), np)[()]


def quantile_over_states(mass, values, probability):
    """The value below which the fraction `probability` of the population lies, of a quantity that rises with assets.

    Convention, as for `quantile`: in every income state the population at the first grid point is an atom there, that
    of a later point i is spread evenly over (v_{i-1}, v_i]. So the quantile moves continuously with mass and values
    but for the atoms. `mass` and `values` (assets, income), optionally after a time axis; `values` strictly ascending
    along assets. Returns a float or (time,), followed by the shape of `probability`. Raises ValueError for other
    shapes, values that do not ascend, and a probability outside (0, 1).
    """
    mass, values = _over_states(mass, values)
    probability = _inside("probability", probability)
    if not np.all(np.diff(values, axis=-2) > 0):
        raise ValueError("values does not ascend along assets: this quantile is of a quantity that rises with assets.")
    periods = zip(mass.reshape(-1, *mass.shape[-2:]), values.reshape(-1, *mass.shape[-2:]), strict=True)
    found = [_invert(*period, probability.ravel()) for period in periods]
    return np.reshape(found, mass.shape[:-2] + probability.shape)[()]


def _invert(mass: np.ndarray, values: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The quantiles `target` (n,) of one period: the distribution function is linear between all values in order."""
    knots = np.unique(values)
    income = range(mass.shape[1])
    below = sum(np.interp(knots, values[:, e], np.cumsum(mass[:, e]), left=0.0) for e in income)
    below = np.maximum.accumulate(below) / mass.sum()
    atoms = np.zeros_like(knots)
    np.add.at(atoms, np.searchsorted(knots, values[0]), mass[0] / mass.sum())
    above = np.minimum(np.searchsorted(below, target), knots.size - 1)
    before = np.maximum(above - 1, 0)
    rise = below[above] - atoms[above] - below[before]
    step = np.divide(target - below[before], rise, out=np.ones_like(target), where=(above > 0) & (rise > 0))
    return knots[before] + np.minimum(step, 1.0) * (knots[above] - knots[before])  # beyond one: inside the atom


def _over_states(mass, values) -> tuple[np.ndarray, np.ndarray]:
    """Mass and values (assets, income) after an optional time axis; raises ValueError if malformed."""
    mass, values = np.asarray(mass, dtype=float), np.asarray(values, dtype=float)
    if mass.ndim not in (2, 3) or values.shape != mass.shape or not np.all(np.isfinite(values)):
        raise ValueError(
            f"mass has shape {mass.shape} and values {values.shape}: give finite numbers (assets, income) for both, or "
            "both after a time axis."
        )
    total = mass.sum(axis=(-2, -1))
    if not (np.all(mass >= -1e-6) and np.all(np.abs(total - 1.0) <= 1e-4)):
        raise ValueError(
            f"mass sums to {np.ravel(total)[np.argmax(np.abs(total - 1.0))]:.8g} and has the entry {np.min(mass):.4g}: "
            "every period must sum to 1 with no negative entry."
        )
    return mass, values


def marginal_propensities_by_wealth(mass, assets, mpc, groups: int | Sequence[float] = 5) -> pd.DataFrame:
    """The mean marginal propensity to consume of each wealth group, and of all households in the last row.

    MPC_g = sum_i w_gi mpc_i / sum_i w_gi, with w_gi the population of point i whose rank lies in group g.

    `mass` and `mpc` (assets,) or (assets, income) of one period; `mpc` is extra consumption per unit of extra
    resources. `groups` is the number of equally large groups (5 for quintiles, 10 for deciles) or the population shares
    at which groups end, for instance (0.5, 0.9, 0.99). Returns one row per group with its population in percent, its
    mean and highest assets as levels, and its mean MPC per period. The top group and the last row have no highest
    assets (NaN): the top of the grid says nothing about them. Raises ValueError when shapes differ, `mpc` is not finite
    or `groups` is not ascending inside (0, 1).
    """
    found = means_by_wealth(mass, assets, mpc, groups, name="mpc")
    return found.rename(columns={"mean": "mean MPC per period"})


def means_by_wealth(mass, assets, values, groups: int | Sequence[float], *, name: str = "values") -> pd.DataFrame:
    """The mean of `values` (assets,) or (assets, income) over the households of each wealth group, in the column
    `mean`, and over all; the rest as in `marginal_propensities_by_wealth`. Messages call the values `name`."""
    mass, values = np.asarray(mass, dtype=float), np.asarray(values, dtype=float)
    if isinstance(assets, Named) and mass.shape == values.shape:  # pairs of assets, by what they are worth
        (added, _), (mass, assets) = population_of(mass * values, assets), population_of(mass, assets)
        values = np.divide(added, mass, out=np.zeros_like(added), where=mass > 0)
    weight, assets = _population(mass, assets)
    if weight.ndim != 1:
        raise ValueError(f"mass has shape {mass.shape}, with a time axis: pass the population of one period.")
    if values.shape != mass.shape or not np.all(np.isfinite(values)):
        raise ValueError(
            f"{name} has shape {values.shape}: give one finite number per entry of mass, shape {mass.shape}."
        )
    added = (mass * values).reshape(weight.size, -1).sum(axis=1)
    mean = np.divide(added, weight, out=np.zeros_like(added), where=weight > 0)
    edges = _group_edges(groups)
    overlap = np.vstack([shares_in_groups(weight, edges), weight / weight.sum()])
    size = overlap.sum(axis=1)
    names = [f"{100 * low:g} to {100 * high:g} percent" for low, high in itertools.pairwise(edges)]
    columns = {
        "population (percent)": 100.0 * size,
        "mean assets (level)": overlap @ assets / size,
        "highest assets (level)": [*(assets[row > 1e-12][-1] for row in overlap[:-2]), np.nan, np.nan],
        "mean": overlap @ mean / size,
    }
    return pd.DataFrame(columns, index=pd.Index([*names, "everybody"], name="wealth group"))


def shares_in_groups(weight: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How much of the population at every point, (points,) in rising order of what it holds, lies in each of the groups
    between population shares `edges`: (groups, points)."""
    rank = cumulate(weight, np) / weight.sum()
    overlap = np.minimum(rank[1:], edges[1:, None]) - np.maximum(rank[:-1], edges[:-1, None])
    return np.maximum(overlap, 0.0)


def distribution_table(mass, assets=None) -> pd.DataFrame:
    """The distribution of wealth in one table, units in the names of the rows, one column `value`.

    Mean; Gini coefficient and shares of the top 1, 5, 10, 20 and 30 % (left out where mean assets are not positive,
    as with bonds in zero net supply, because they have no meaning there); population at the borrowing limit (the first
    grid point) and in debt; percentiles. Arguments as for `lorenz_curve`, for one period. Of a stationary equilibrium a
    second column, `histogram error`, is by how much each value changes on a grid four times finer (of two assets twice
    as fine in each) at the same prices
    (finer_mass.py), NaN where that has no distribution of its own; that of mean assets is left out.
    Raises ValueError for a population that does not sum to one or has a time axis.
    """
    if isinstance(mass, SteadyState) and (assets is None or isinstance(assets, str)):
        return distribution_tables(mass)[_name_of(mass, assets)]
    weight, assets = _population(mass, assets)
    if weight.ndim != 1:
        raise ValueError(f"mass has {weight.shape[0]} periods, with a time axis: pass the population of one period.")
    rows = {MEAN: weight @ assets}
    if has_shares(weight, assets):
        rows[GINI] = gini(weight, assets)
        for percent in TOP_PERCENT:
            rows[f"Wealth of the top {percent} % (percent)"] = 100.0 * top_share(weight, assets, percent / 100)
    rows["At the borrowing limit (percent)"] = 100.0 * weight[0]
    rows["In debt (percent)"] = 100.0 * weight[assets < 0].sum()
    for percent in PERCENTILES:
        rows[f"Percentile {percent} (level)"] = quantile(weight, assets, percent / 100)
    return pd.DataFrame({"value": pd.Series(rows, dtype=float)}).rename_axis("statistic")


def distribution_tables(steady: SteadyState) -> dict[str, pd.DataFrame]:
    """The distribution table of a stationary equilibrium, with two assets of net worth and of each, by the names of
    `populations`; the finer distribution, which is most of the work, is solved once."""
    fine, points = finer_mass(steady)
    known = np.isfinite(fine).all()  # otherwise the finer distribution is not determined, nor is the error
    finer, tables = populations(fine, points), {}
    for name, population in populations(steady.economy.held(steady.mass), steady.assets).items():
        table = distribution_table(*population)
        changed = distribution_table(*finer[name])["value"] - table["value"] if known else np.nan * table["value"]
        table["histogram error"] = changed.abs().drop(index=MEAN)
        tables[name] = table
    return tables


def populations(mass, assets) -> dict[str, tuple[Any, Any]]:
    """The mass and the points of "wealth", or of pairs of assets of "net_worth" first and then of each by its name."""
    if not isinstance(assets, Named):
        return {"wealth": (mass, assets)}
    each = {"net_worth": sum(np.asarray(points) for points in assets.values()), **assets}
    return {name: _by_value(mass, values) for name, values in each.items()}


def table_name(name: str) -> str:
    """The name of the file with the distribution table of one of `populations`: "distribution" of all wealth."""
    return "distribution" if name in ("wealth", "net_worth") else f"distribution_{name}"


def _name_of(steady: SteadyState, asset: str | None) -> str:
    """The name in `populations` of an asset of a stationary equilibrium, or of all wealth. Raises ValueError for a
    name that is not one of two assets'."""
    names = steady.economy.model.asset_names()
    if asset is None:
        return "net_worth" if names else "wealth"
    if asset not in names:
        known = " and ".join(names) or "there is one, which needs no name"
        raise ValueError(f"assets = {asset!r} is not the name of an asset: {known}.")
    return asset


def population_of(mass, assets) -> tuple[Any, Any]:
    """The mass and the asset points of what is given: a stationary equilibrium alone, or with the name of one of two
    assets, stands for its own; pairs of assets for what they are worth. Raises ValueError where assets are missing."""
    if isinstance(mass, SteadyState) and (assets is None or isinstance(assets, str)):
        return populations(mass.economy.held(mass.mass), mass.assets)[_name_of(mass, assets)]
    if isinstance(assets, Named):
        return populations(mass, assets)["net_worth"]
    if assets is None:
        raise ValueError(
            "assets is missing: give the grid points, (assets,), beside the mass, or a stationary equilibrium alone, "
            "as hm.steady_state(model) returns it."
        )
    return mass, getattr(assets, "points", assets)


def _by_value(mass, values) -> tuple[np.ndarray, np.ndarray]:
    """The mass (..., pairs) or (..., pairs, income) over the distinct `values` (pairs,), ascending, and these."""
    mass, values = np.asarray(mass, np.float64), np.asarray(values, np.float64)
    order = np.argsort(values, kind="stable")
    distinct, first = np.unique(values[order], return_index=True)
    axis = -1 if mass.shape[-1:] == values.shape else -2
    return np.add.reduceat(np.take(mass, order, axis=axis), first, axis=axis), distinct


def _population(mass, assets) -> tuple[Any, Any]:
    """Mass over assets alone, (assets,) after an optional time axis, and the assets; raises ValueError if malformed."""
    mass, assets = population_of(mass, assets)
    if array_module(mass, assets) is jnp:
        return _traced_population(jnp.asarray(mass), jnp.asarray(assets))
    mass, assets = numbers_of("mass", mass), numbers_of("assets", assets)
    if _swapped(mass, assets):
        raise ValueError(
            f"mass does not sum to one and assets, of shape {assets.shape}, do: the arguments seem to be swapped, give "
            "the mass first, then the grid points."
        )
    if assets.ndim != 1 or assets.size < 2 or not np.all(np.diff(assets) > 0):
        raise ValueError(f"assets has shape {assets.shape}: give at least 2 strictly ascending grid points, (assets,).")
    if not np.all(mass >= -1e-6):
        worst = mass.ravel()[np.argmin(mass)]  # argmin finds NaN first
        raise ValueError(f"mass has the entry {worst:.4g}: every entry must be a number that is not negative.")
    totals = []
    for axes in ((-1,), (-2, -1)):
        if mass.ndim in (len(axes), len(axes) + 1) and mass.shape[axes[0]] == assets.size:
            total = mass.sum(axis=axes)
            if np.all(np.abs(total - 1.0) <= 1e-4):
                return (mass if len(axes) == 1 else mass.sum(axis=-1)), assets
            totals.append(total.ravel()[np.argmax(np.abs(total - 1.0))])
    if totals:
        raise ValueError(f"mass sums to {totals[-1]:.8g} instead of 1: pass the population of each period unscaled.")
    raise ValueError(
        f"mass has shape {mass.shape} but assets has {assets.size} points: give (assets,), (assets, income) or either "
        "after a time axis."
    )


def _traced_population(mass, assets) -> tuple[Any, Any]:
    """The same of one period inside jax.jit, jax.grad and jax.vmap, where only shapes are known."""
    if assets.ndim != 1 or mass.shape[:1] != assets.shape or mass.ndim > 2:
        raise ValueError(
            f"mass has shape {mass.shape} and assets {assets.shape}: where JAX traces them give the mass of one "
            "period, (assets,) or (assets, income), and the grid points, (assets,)."
        )
    return (mass if mass.ndim == 1 else mass.sum(axis=-1)), assets


def _swapped(mass: np.ndarray, assets: np.ndarray) -> bool:
    """Whether what was given as assets is a population, over as many points as what was given as mass."""
    points = mass.ndim == 1 and mass.size > 1 and bool(np.all(np.diff(mass) > 0)) and abs(mass.sum() - 1.0) > 1e-4
    if not points or mass.size not in assets.shape or not np.all(assets >= -1e-6):
        return False
    return any(np.all(np.abs(assets.sum(axis=axes) - 1.0) <= 1e-4) for axes in ((-1,), (-2, -1))[: assets.ndim])


def _inside(name: str, value) -> np.ndarray:
    value = numbers_of(name, value)
    if not np.all((value > 0.0) & (value < 1.0)):
        raise ValueError(f"{name} = {value} must lie strictly between 0 and 1: write 10 percent as 0.1.")
    return value


def _group_edges(groups: int | Sequence[float]) -> np.ndarray:
    edges = np.linspace(0.0, 1.0, groups + 1) if isinstance(groups, int) else np.array([0.0, *groups, 1.0])
    if edges.size < 2 or not np.all(np.diff(edges) > 0):
        raise ValueError(
            f"groups = {groups} must be a positive number of groups or ascending shares strictly between 0 and 1: "
            "5 gives quintiles, (0.5, 0.9) the bottom half, the next 40 and the top 10 percent."
        )
    return edges
