"""A beach with a bar that may close: `beach_bar`, and the congestion game `crowded_beach_bar`.

States 0..100 along the beach, actions -5..5, 30 periods. The bar stands at b (drawn once, uniform on 25..75). At period
15 it closes with probability one half, and stays closed. No agent stands on the bar or crosses it.

    r = -|b - s| z_t - 101 [ |b - s| = 1 and z_{t+1} = 0 ] - |a| / 101 - crowd_aversion log m_t(s).

With `crowd_aversion` 0, as published, the mass enters nothing: a single-agent problem under public uncertainty. With 1
it is the congestion game of Perrin et al. (2020). All agents see the mean of the mass, z and b, not the time.
Source: Wibault et al. (2026), arXiv 2602.20141; Perrin et al. (2020), arXiv 2007.03458, for the crowd aversion.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.game import AbstractGame, Aggregate, Discrete, Landing, Population, cosines
from hank_mfg.environment.games.linear_quadratic import mean_state

STATES, REACH, FIRST_BAR, LAST_BAR, CLOSING = 101, 5, 25, 75, 15
NOISE = {-2: 0.05, -1: 0.1, 0: 0.7, 1: 0.1, 2: 0.05}


class BarNoise(NamedTuple):
    """The place of the bar and whether it is open (1.0) or closed (0.0)."""

    bar: Array
    is_open: Array


def beside_bar(states, moved, bar, xp=jnp):
    """The end of a move from `states` to `moved`: on the beach, on the same side of the bar."""
    moved = xp.clip(moved, 0, STATES - 1)
    left = states < bar
    return xp.where(left, xp.minimum(moved, bar - 1), xp.maximum(moved, bar + 1))


def noise_kernels(on: bool) -> np.ndarray:
    """The idiosyncratic move for every place of the bar: (bars, states, states), rows before the noise."""
    bars = np.arange(FIRST_BAR, LAST_BAR + 1)
    states = np.arange(STATES)
    kernels = np.zeros((len(bars), STATES, STATES))
    for place, bar in enumerate(bars):
        for step, weight in (NOISE if on else {0: 1.0}).items():
            np.add.at(kernels[place], (states, beside_bar(states, states + step, bar, np)), weight)
    return kernels


class BeachBar(AbstractGame):
    """The beach; `crowd_aversion` > 0 makes it a congestion game. `mass_floor` keeps log m finite."""

    kernels: Any
    crowd_aversion: Any
    discount_factor: Any = 0.99
    horizon: int = eqx.field(static=True, default=30)
    common_noise: bool = eqx.field(static=True, default=True)
    mass_floor: float = eqx.field(static=True, default=1e-6)

    def __init__(
        self,
        *,
        crowd_aversion: float = 0.0,
        common_noise: bool = True,
        idiosyncratic_noise: bool = True,
        mass_floor: float = 1e-6,
    ):
        if not crowd_aversion >= 0:
            raise ValueError(f"BeachBar(crowd_aversion={crowd_aversion}) would be a taste for crowds: give 0 or more.")
        self.kernels = noise_kernels(idiosyncratic_noise)
        self.crowd_aversion = float(crowd_aversion)
        self.discount_factor, self.horizon, self.common_noise, self.mass_floor = 0.99, 30, common_noise, mass_floor

    @property
    def known_landing(self) -> bool:
        """The bar is in sight."""
        return True

    @property
    def populations(self) -> dict[str, Population]:
        """One population on the beach."""
        return {"individuals": Population((STATES,), Discrete(np.arange(-REACH, REACH + 1.0)))}

    def start(self, uniforms: Array) -> Aggregate:
        """The bar's place is drawn, the mass uniform on all other states, the bar open."""
        dtype = self.kernels.dtype
        count = LAST_BAR - FIRST_BAR + 1
        bar = FIRST_BAR + jnp.minimum((uniforms[0] * count).astype(jnp.int32), count - 1)
        mass = jnp.where(jnp.arange(STATES) == bar, 0.0, 1.0 / (STATES - 1)).astype(dtype)
        return Aggregate({"individuals": mass}, BarNoise(bar, jnp.ones((), dtype)), jnp.zeros((), jnp.int32))

    def draw(self, aggregate: Aggregate, uniforms: Array) -> BarNoise:
        """At period 15 the bar closes with probability one half."""
        noise = aggregate.noise
        if not self.common_noise:
            return noise
        closes = (aggregate.time + 1 == CLOSING) & (uniforms[0] < 0.5)
        return BarNoise(noise.bar, jnp.where(closes, 0.0, noise.is_open).astype(noise.is_open.dtype))

    @property
    def signal_names(self) -> tuple[str, ...]:
        """The names of the signals."""
        return ("1 - mean state / 101", "Bar open", "1 - place of the bar / 101")

    def signal(self, aggregate: Aggregate) -> Array:
        """1 - mean/101, z, 1 - b/101."""
        mean = mean_state(aggregate.masses["individuals"])
        bar, is_open = aggregate.noise
        return jnp.stack([1.0 - mean / STATES, is_open, (1.0 - bar / STATES).astype(mean.dtype)])

    def land(self, population: str, aggregate: Aggregate, own: Array, actions: Array) -> Landing:
        """The clipped move, stopped beside the bar."""
        moved = own + actions.astype(jnp.int32)
        index = beside_bar(own, moved, aggregate.noise.bar).astype(jnp.int32)[..., None]
        return Landing(index, jnp.ones(index.shape, self.kernels.dtype))

    def kernel(self, population: str, aggregate: Aggregate, noise_next) -> Array:
        """Idiosyncratic noise, stopped beside the bar."""
        return self.kernels[aggregate.noise.bar - FIRST_BAR]

    def reward(self, population: str, aggregate: Aggregate, following: Aggregate, own: Array, actions: Array) -> Array:
        """Closeness while the bar is open, the crush when it closes, the effort of moving, the crowd."""
        distance = jnp.abs(aggregate.noise.bar - own)
        crush = 101.0 * (distance == 1) * (1.0 - following.noise.is_open)
        crowd = jnp.log(jnp.maximum(aggregate.masses["individuals"], self.mass_floor))[own]
        comfort = -distance * aggregate.noise.is_open - crush - self.crowd_aversion * crowd
        return comfort - jnp.abs(actions) / STATES

    def features(self, population: str, aggregate: Aggregate) -> tuple[Array, ...]:
        """On each side of the bar the distance, its log, decays, cosines, the three places nearest it;
        cosines of the place."""
        states = jnp.arange(STATES, dtype=self.kernels.dtype)
        distance = states - aggregate.noise.bar
        near = jnp.abs(distance).astype(states.dtype)[:, None]
        decays = jnp.exp(-near / jnp.asarray([[1.0, 2.0, 4.0, 8.0]], states.dtype))
        beside = (near == jnp.asarray([[1.0, 2.0, 3.0]], states.dtype)).astype(states.dtype)
        waves = cosines(near[:, 0] / STATES, 6)
        one_side = jnp.concatenate([near / 5.0, jnp.log1p(near), decays, waves, beside], axis=1)
        right = (distance > 0).astype(states.dtype)[:, None]
        place = cosines(states / (STATES - 1), 4)
        return (jnp.concatenate([place, one_side * right, one_side * (1.0 - right)], axis=1),)
