"""Predators and prey on a ring, with a meadow sighted with error: `predators_and_prey`.

Two populations, 40 periods, states the 48 cells of a ring. Prey move by -2..2 cells, predators by -3..3; then each
drifts one cell to the left or right with probability 0.1 each. With x_m, y_m the masses of prey and predators over the
uniform mass, both at the start of the period, and d the distance to the meadow around the ring:

    r(prey)      = 3 exp(-d^2 / 32) - predation y_m(s) - crowd_aversion log x_m(s) - 0.1 |a|,
    r(predators) =                  + predation x_m(s) - crowd_aversion log y_m(s) - 0.1 |a|.

What prey lose to predators predators gain, and all dislike a crowd: rewards are monotone in the masses, as in
Perolat et al. (2021). Inside the logarithm relative masses are at least `mass_floor`.

Common noise: every period the meadow shifts to each of its two neighbors with probability 1/16. It is sighted every
period, off by an independent error, all alike among -8..8. At the start meadow and herd are at cells drawn at random,
the prey around theirs (Gaussian, standard deviation 8 cells), predators everywhere alike.
All agents see the sighting, and where on average the prey are, each as cosine and sine of the angle; neither the
meadow, nor predators, nor the time. One sighting is vague, several say where the meadow is.
Without `common_noise` meadow, sighting and herd stay at fixed cells; without `idiosyncratic_noise` no agent drifts.

Source: Perolat et al. (2021), arXiv 2103.00623, for populations with opposite interests and a logarithmic crowd
aversion, there on a square or a torus. The ring, the meadow, its sightings, the ranges and all numbers are ours.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.game import AbstractGame, Aggregate, Discrete, Landing, Population

CELLS, HARMONICS = 48, 12
RANGES = {"prey": 2, "predators": 3}
DRIFT, ERROR, SHIFTS = 0.1, 8, 16
FOOD, MEADOW_SD, HERD_SD, EFFORT = 3.0, 4.0, 8.0, 0.1
STILL_MEADOW, STILL_HERD = 10, 31


class Meadow(NamedTuple):
    """The cells where the meadow is and where it is sighted."""

    cell: Array
    sighted: Array


def bells(sd: float) -> np.ndarray:
    """exp(-d^2 / (2 sd^2)) with d the distance around the ring of any two cells, (cells, cells)."""
    gap = np.abs(np.arange(CELLS)[:, None] - np.arange(CELLS)[None])
    return np.exp(-(np.minimum(gap, CELLS - gap) ** 2) / (2.0 * sd**2))


def drift_kernel(on: bool) -> np.ndarray:
    """To each neighbor with probability 0.1, (cells, cells); nowhere unless `on`."""
    eye = np.eye(CELLS)
    return (1.0 - 2 * DRIFT) * eye + DRIFT * (np.roll(eye, 1, axis=1) + np.roll(eye, -1, axis=1)) if on else eye


def waves() -> np.ndarray:
    """1, then cosine and sine of one to twelve times the angle of every cell: (cells, 25)."""
    angle = 2 * np.pi * np.arange(CELLS)[:, None] * np.arange(1, HARMONICS + 1)[None] / CELLS
    both = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(CELLS, -1)
    return np.concatenate([np.ones((CELLS, 1)), both], axis=1)


def drawn(uniform: Array, count: int) -> Array:
    """One of 0, 1, ..., count - 1, all alike, from a uniform number."""
    return jnp.minimum((uniform * count).astype(jnp.int32), count - 1)


class PredatorsAndPrey(AbstractGame):
    """Both populations; `mass_floor` keeps the logs of relative masses finite where the mass is zero."""

    drift: Any
    meals: Any
    herds: Any
    waves: Any
    predation: Any
    crowd_aversion: Any
    discount_factor: Any = 0.95
    horizon: int = eqx.field(static=True, default=40)
    common_noise: bool = eqx.field(static=True, default=True)
    mass_floor: float = eqx.field(static=True, default=1e-4)

    def __init__(
        self,
        *,
        predation: float = 0.5,
        crowd_aversion: float = 1.0,
        common_noise: bool = True,
        idiosyncratic_noise: bool = True,
        mass_floor: float = 1e-4,
    ):
        if not 0 <= predation < np.inf:
            raise ValueError(f"PredatorsAndPrey(predation={predation}) would feed prey on predators: give 0 or more.")
        if not 0 <= crowd_aversion < np.inf:
            raise ValueError(
                f"PredatorsAndPrey(crowd_aversion={crowd_aversion}) would be a taste for crowds: give 0 or more."
            )
        if not 0 < mass_floor < 1:
            raise ValueError(
                f"PredatorsAndPrey(mass_floor={mass_floor}) bounds the log of a share of the uniform mass: "
                "give a number between 0 and 1."
            )
        herds = bells(HERD_SD)
        self.drift, self.meals, self.waves = drift_kernel(idiosyncratic_noise), FOOD * bells(MEADOW_SD), waves()
        self.herds = herds / herds.sum(axis=1, keepdims=True)
        self.predation, self.crowd_aversion = float(predation), float(crowd_aversion)
        self.discount_factor, self.horizon = 0.95, 40
        self.common_noise, self.mass_floor = common_noise, float(mass_floor)

    @property
    def known_landing(self) -> bool:
        """Moves succeed."""
        return True

    @property
    def populations(self) -> dict[str, Population]:
        """Prey with five moves and predators with seven."""
        return {name: Population((CELLS,), Discrete(np.arange(-far, far + 1.0))) for name, far in RANGES.items()}

    @property
    def draws(self) -> int:
        """The place or move of the meadow, the error of the sighting, and the herd at the start."""
        return 3

    def start(self, uniforms: Array) -> Aggregate:
        """A herd of prey, predators everywhere, the meadow anywhere."""
        if self.common_noise:
            meadow, herd = drawn(uniforms[0], CELLS), drawn(uniforms[2], CELLS)
            noise = Meadow(meadow, self.sighting(meadow, uniforms))
        else:
            meadow, herd = (jnp.asarray(cell, jnp.int32) for cell in (STILL_MEADOW, STILL_HERD))
            noise = Meadow(meadow, meadow)
        predators = jnp.full(CELLS, 1.0 / CELLS, self.drift.dtype)
        masses = {"prey": jnp.asarray(self.herds)[herd], "predators": predators}
        return Aggregate(masses, noise, jnp.zeros((), jnp.int32))

    def sighting(self, meadow: Array, uniforms: Array) -> Array:
        """The cell of the meadow, off by up to eight cells."""
        return (meadow + drawn(uniforms[1], 2 * ERROR + 1) - ERROR) % CELLS

    def draw(self, aggregate: Aggregate, uniforms: Array) -> Meadow:
        """The meadow moves to a neighbor or stays, and is sighted."""
        if not self.common_noise:
            return aggregate.noise
        which = drawn(uniforms[0], SHIFTS)
        shift = jnp.where(which == 0, -1, jnp.where(which == 1, 1, 0))
        meadow = (aggregate.noise.cell + shift) % CELLS
        return Meadow(meadow, self.sighting(meadow, uniforms))

    def signal(self, aggregate: Aggregate) -> Array:
        """Cosine and sine of the sighting, and their means over prey: (4,)."""
        circle = jnp.asarray(self.waves)[:, 1:3]
        return jnp.concatenate([circle[aggregate.noise.sighted], aggregate.masses["prey"] @ circle])

    @property
    def signal_names(self) -> tuple[str, ...]:
        """The names of the signals."""
        return ("Sighting, cosine", "Sighting, sine", "Mean of prey, cosine", "Mean of prey, sine")

    def land(self, population: str, aggregate: Aggregate, own: Array, actions: Array) -> Landing:
        """The cell moved to."""
        index = ((own + actions.astype(jnp.int32)) % CELLS)[..., None]
        return Landing(index, jnp.ones(index.shape, self.drift.dtype))

    def kernel(self, population: str, aggregate: Aggregate, noise_next) -> Array:
        """The drift."""
        return self.drift

    def reward(self, population: str, aggregate: Aggregate, following: Aggregate, own: Array, actions: Array) -> Array:
        """The meadow, the other population, the crowd, the effort."""
        prey, predators = CELLS * aggregate.masses["prey"], CELLS * aggregate.masses["predators"]
        if population == "prey":
            gain, crowd = jnp.asarray(self.meals)[aggregate.noise.cell] - self.predation * predators, prey
        else:
            gain, crowd = self.predation * prey, predators
        comfort = gain - self.crowd_aversion * jnp.log(jnp.maximum(crowd, self.mass_floor))
        return comfort[own] - EFFORT * jnp.abs(actions)

    def features(self, population: str, aggregate: Aggregate) -> tuple[Array, ...]:
        """Waves around the ring."""
        return (jnp.asarray(self.waves),)
