"""The macroeconomic game of the RSPG paper: `rspg_macro`.

Heterogeneous households on 200 wealth x 5 income states consume a share of their resources over 128 periods; the common
noise is productivity z' = 0.9 z + 0.03 eps. Factors are paid their marginal products of a Cobb-Douglas technology with
capital share 0.36, no depreciation and no normalization:

    r = e^z alpha (L/K)^(1 - alpha),   w = e^z (1 - alpha) (K/L)^alpha,   K mean wealth, L mean income,
    R = (1 + r) x + w y,   c = share R,   next wealth R - c (two-point lottery, clipped at the ends of the grid).

Utility c^(1-2)/(1-2); in the last period utility of R itself. Households see (r, w), neither the time nor the mass.
Actions are `bins` midpoints of shares, 20 as published, or any share in (0, 1) with `bins=None`.
Source: Wibault et al. (2026), arXiv 2602.20141. Kept for comparison: the economies to calibrate are in models/.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from jax import Array

from hank_mfg.environment.game import AbstractGame, Aggregate, Discrete, Interval, Landing, Population
from hank_mfg.environment.grids import spline_matrix

WEALTH, INCOME, KNOTS = 200, 5, 24
HIGHEST, PIVOT = 99.0, 0.25
CAPITAL_SHARE, PERSISTENCE, INNOVATION_SD = 0.36, 0.9, 0.03


def geometric_grid(lower: float, upper: float, count: int) -> np.ndarray:
    """geomspace(lower + p, upper + p, count) - p with p = max(|lower|, 0.25), not below zero."""
    pivot = max(abs(lower), PIVOT)
    return np.maximum(np.geomspace(lower + pivot, upper + pivot, count) - pivot, 0.0)


def income_chain(on: bool) -> np.ndarray:
    """One step down or up with probability 0.1 each, clipped at the ends."""
    if not on:
        return np.eye(INCOME)
    chain = np.zeros((INCOME, INCOME))
    for step, weight in ((-1, 0.1), (0, 0.8), (1, 0.1)):
        np.add.at(chain, (np.arange(INCOME), np.clip(np.arange(INCOME) + step, 0, INCOME - 1)), weight)
    return chain


class MacroPrices(NamedTuple):
    """The interest rate and the wage."""

    interest_rate: Array
    wage: Array


class Household(NamedTuple):
    """Wealth, income and the income state of households."""

    wealth: Array
    income: Array
    state: Array


class RSPGMacro(AbstractGame):
    """The macroeconomic game; `bins=None` lets households choose any share in (0, 1)."""

    wealth: Any
    income: Any
    chain: Any
    spline: Any
    discount_factor: Any = 0.95
    horizon: int = eqx.field(static=True, default=128)
    common_noise: bool = eqx.field(static=True, default=True)
    bins: int | None = eqx.field(static=True, default=20)

    def __init__(self, *, bins: int | None = 20, common_noise: bool = True, idiosyncratic_noise: bool = True):
        if bins is not None and bins < 2:
            raise ValueError(
                f"RSPGMacro(bins={bins}) leaves nothing to choose: give at least 2, or None for any share."
            )
        wealth = geometric_grid(0.0, HIGHEST, WEALTH)
        self.wealth, self.income = wealth, geometric_grid(0.1, 2.0, INCOME)
        self.chain = income_chain(idiosyncratic_noise)
        coordinate = np.log(wealth + PIVOT)
        self.spline = spline_matrix(np.linspace(coordinate[0], coordinate[-1], KNOTS), coordinate)
        self.discount_factor, self.horizon, self.common_noise, self.bins = 0.95, 128, common_noise, bins

    @property
    def fixed_features(self) -> bool:
        """They depend on the own state only."""
        return True

    @property
    def populations(self) -> dict[str, Population]:
        """Households over wealth x income."""
        shares = Interval(0.0, 1.0)
        if self.bins is not None:
            shares = Discrete((np.arange(self.bins) + 0.5) / self.bins, ordered=True)
        return {"households": Population((WEALTH, INCOME), shares)}

    def start(self, uniforms: Array) -> Aggregate:
        """Uniform mass, productivity at its mean."""
        mass = jnp.full(WEALTH * INCOME, 1.0 / (WEALTH * INCOME), self.wealth.dtype)
        return Aggregate({"households": mass}, jnp.zeros((), self.wealth.dtype), jnp.zeros((), jnp.int32))

    def draw(self, aggregate: Aggregate, uniforms: Array) -> Array:
        """z' = 0.9 z + 0.03 eps, eps standard normal by inversion of the uniform number."""
        if not self.common_noise:
            return aggregate.noise
        smallest = float(jnp.finfo(uniforms.dtype).tiny)
        innovation = jax.scipy.special.ndtri(jnp.maximum(uniforms[0], smallest))
        return (PERSISTENCE * aggregate.noise + INNOVATION_SD * innovation).astype(self.wealth.dtype)

    @property
    def ratio(self) -> float:
        """The log of the ratio of neighboring (grid point + PIVOT)."""
        return float(np.log((HIGHEST + PIVOT) / PIVOT)) / (WEALTH - 1)

    def prices(self, aggregate: Aggregate) -> MacroPrices:
        """Marginal products at mean wealth and mean income."""
        mass = aggregate.masses["households"].reshape(WEALTH, INCOME)
        capital, labor = jnp.sum(mass.sum(axis=1) * self.wealth), jnp.sum(mass.sum(axis=0) * self.income)
        level = jnp.exp(aggregate.noise)
        return MacroPrices(
            level * CAPITAL_SHARE * (labor / capital) ** (1 - CAPITAL_SHARE),
            level * (1 - CAPITAL_SHARE) * (capital / labor) ** CAPITAL_SHARE,
        )

    def place(self, population: str, states: Array) -> Household:
        """Wealth, income, and the income state."""
        index = states % INCOME
        return Household(self.wealth[states // INCOME], self.income[index], index)

    def resources(self, aggregate: Aggregate, own: Household) -> Array:
        """(1 + r) x + w y."""
        interest_rate, wage = self.prices(aggregate)
        return (1.0 + interest_rate) * own.wealth + wage * own.income

    @property
    def signal_names(self) -> tuple[str, ...]:
        """The names of the signals."""
        return ("10 x interest rate", "Wage")

    def signal(self, aggregate: Aggregate) -> Array:
        """The interest rate times 10 and the wage."""
        interest_rate, wage = self.prices(aggregate)
        return jnp.stack([10.0 * interest_rate, wage])

    def land(self, population: str, aggregate: Aggregate, own: Household, actions: Array) -> Landing:
        """Next wealth R - c between two grid points, income held."""
        target = jnp.clip((1.0 - actions) * self.resources(aggregate, own), self.wealth[0], self.wealth[-1])
        place = jnp.log(target / PIVOT + 1.0) / self.ratio
        low = jnp.clip(jnp.floor(place), 0, WEALTH - 2)
        weight = (jnp.exp(self.ratio * (place - low)) - 1.0) / float(np.expm1(self.ratio))
        index = low.astype(jnp.int32) * INCOME + own.state
        return Landing(jnp.stack([index, index + INCOME], axis=-1), jnp.stack([1.0 - weight, weight], axis=-1))

    def kernel(self, population: str, aggregate: Aggregate, noise_next) -> Array:
        """The income chain."""
        return self.chain

    def reward(
        self, population: str, aggregate: Aggregate, following: Aggregate, own: Household, actions: Array
    ) -> Array:
        """-1 / c; in the last period -1 / R."""
        resources = self.resources(aggregate, own)
        last = aggregate.time == self.horizon - 1
        return -1.0 / (jnp.where(last, jnp.ones_like(actions), actions) * resources)

    def features(self, population: str, aggregate: Aggregate) -> tuple[Array, ...]:
        """A spline in log wealth, and the income states."""
        return self.spline, jnp.eye(INCOME, dtype=self.spline.dtype)

    def consumption_equivalent(self, gain: Array, value: Array) -> Array:
        """With utility -1/c lifetime utility is divided by 1 + x when consumption rises by the share x: percent."""
        return 100.0 * (value / (value + gain) - 1.0)
