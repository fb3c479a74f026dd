"""Flocking on a line under a hidden current: `linear_quadratic`.

States 0..98, actions -3..3, 30 periods. A current of size 10 blows left or right (common noise z = -1 or +1, drawn
once) for 8 periods, stops, and blows back after period 20. All agents like to be near the mean of the next mass M',
and pay for moving:

    r = -a^2/2 + 0.1 a (M' - s) - 0.25 (M' - s)^2,        in the last period r = -0.5 (M' - s)^2.

All see the mean of the current mass only, neither z nor the time.
Source: Wibault et al. (2026), arXiv 2602.20141; the linear-quadratic game of Perrin et al. (2020).
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.game import AbstractGame, Aggregate, Discrete, Landing, Population, cosines

STATES, REACH, CURRENT, SCALE = 99, 3, 10.0, 0.5


def noise_kernel(on: bool) -> np.ndarray:
    """Rows: from y to clip(round(y + sqrt(1 - SCALE^2) k)), k in -3..3 with probability proportional to exp(-k^2/2)."""
    if not on:
        return np.eye(STATES)
    steps = np.arange(-REACH, REACH + 1)
    weights = np.exp(-(steps**2) / 2.0)
    kernel = np.zeros((STATES, STATES))
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        target = np.clip(np.round(np.arange(STATES) + np.sqrt(1.0 - SCALE**2) * step), 0, STATES - 1).astype(int)
        np.add.at(kernel, (np.arange(STATES), target), weight)
    return kernel


class LinearQuadratic(AbstractGame):
    """The flocking game; switch its noises with `common_noise` (no current without it) and `idiosyncratic_noise`."""

    matrix: Any
    discount_factor: Any = 0.99
    horizon: int = eqx.field(static=True, default=30)
    common_noise: bool = eqx.field(static=True, default=True)

    def __init__(self, *, common_noise: bool = True, idiosyncratic_noise: bool = True):
        self.matrix = noise_kernel(idiosyncratic_noise)
        self.discount_factor, self.horizon, self.common_noise = 0.99, 30, common_noise

    @property
    def fixed_features(self) -> bool:
        """They depend on the own state only."""
        return True

    @property
    def populations(self) -> dict[str, Population]:
        """One population on the line."""
        return {"individuals": Population((STATES,), Discrete(np.arange(-REACH, REACH + 1.0), ordered=True))}

    def start(self, uniforms: Array) -> Aggregate:
        """Uniform mass; the direction of the current is drawn."""
        dtype = self.matrix.dtype
        direction = jnp.where(uniforms[0] < 0.5, 1.0, -1.0) if self.common_noise else jnp.zeros(())
        mass = jnp.full(STATES, 1.0 / STATES, dtype)
        return Aggregate({"individuals": mass}, direction.astype(dtype), jnp.zeros((), jnp.int32))

    def draw(self, aggregate: Aggregate, uniforms: Array) -> Array:
        """The direction of the current stays what it is."""
        return aggregate.noise

    @property
    def signal_names(self) -> tuple[str, ...]:
        """The names of the signals."""
        return ("Mean state / 99",)

    def signal(self, aggregate: Aggregate) -> Array:
        """The mean of the current mass over 99."""
        return mean_state(aggregate.masses["individuals"])[None] / STATES

    def current(self, aggregate: Aggregate) -> Array:
        """The drift e_t: -10 z before period 8, 0 up to period 20, 10 z after."""
        early, late = aggregate.time < 8, aggregate.time > 20
        return CURRENT * aggregate.noise * (late.astype(self.matrix.dtype) - early)

    def land(self, population: str, aggregate: Aggregate, own: Array, actions: Array) -> Landing:
        """y = trunc(clip(s + a + 0.5 e_t, 0, 98))."""
        target = jnp.clip(own + actions + SCALE * self.current(aggregate), 0, STATES - 1)
        index = jnp.trunc(target).astype(jnp.int32)[..., None]
        return Landing(index, jnp.ones(index.shape, self.matrix.dtype))

    def kernel(self, population: str, aggregate: Aggregate, noise_next) -> Array:
        """Idiosyncratic noise on the state."""
        return self.matrix

    def reward(self, population: str, aggregate: Aggregate, following: Aggregate, own: Array, actions: Array) -> Array:
        """-a^2/2 + 0.1 a (M' - s) - 0.25 (M' - s)^2; in the last period -0.5 (M' - s)^2."""
        gap = mean_state(following.masses["individuals"]) - own
        flow = -0.5 * actions**2 + 0.1 * actions * gap - 0.25 * gap**2
        return jnp.where(aggregate.time == self.horizon - 1, -0.5 * gap**2 + 0.0 * actions, flow)

    def features(self, population: str, aggregate: Aggregate) -> tuple[Array, ...]:
        """Cosines of the state."""
        return (cosines(jnp.arange(STATES, dtype=self.matrix.dtype) / (STATES - 1), 20),)


def mean_state(mass: Array) -> Array:
    """The mean of state numbers 0, 1, ... under a mass (states,)."""
    return jnp.sum(mass * jnp.arange(mass.shape[0], dtype=mass.dtype))
