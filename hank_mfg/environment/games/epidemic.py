"""Social distancing in an epidemic with hidden transmissibility: `epidemic`.

Weeks 0..51. An individual has an age, for good, and a health; states are counted age first, 4 age + health:

    ages    20-49, 50-64, 65 and over;  health    susceptible, exposed, infectious, recovered.

Agents choose contacts a in {.1, .2, ..., 1}, with 1 a normal life. A susceptible is infected in week t with
probability

    p_t(a) = 1 - exp(-a R_t rho (I_t + iota)),     R_t = 2.5 or 2.5 x 1.97 under the variant,

and becomes exposed; I_t is the infectious share of the population at the start of the week, iota infections from
abroad. Then health moves on its own: exposed -> infectious with probability sigma (who has just been infected too),
infectious -> recovered with rho, recovered -> susceptible with delta. So R_t is the number that one infectious
individual infects among susceptibles with normal contacts. The contacts that matter are the susceptibles' own, as in
Elie, Hubert and Turinici (2020); those of the infectious are part of R_t. Others' caution today is felt through the
infectious of the weeks to come. No agent leaves the population: a death is a cost, charged at infection.

    r_t = log a - a + 1 - p_t(a) cost(age) for susceptibles,     cost = illness + death_cost fatality(age).

Common noise: the variant comes and goes with probability 1/20 a week, unobserved. Agents see one number,
last week's report of the infectious, with an error (`report_sd`, of its logarithm):

    report_{t+1} = log(I_t + iota) + report_sd eps_{t+1},     eps standard normal, independent.

Whether the variant is about, how many are infectious now and what week it is follow only from the reports so far.
Without `common_noise` there is no variant and reports have no error. Without `idiosyncratic_noise` health moves on
for certain: one week exposed, one infectious, immune ever after; infection remains random.

Numbers: sigma = 1 - exp(-7/3.69), mean latency 3.69 days (Li et al. 2020, Science 368); rho = 1 - exp(-7/7), seven
infectious days, and utility log a - a + 1 (Farboodi, Jarosch and Shimer 2021, JET 196); delta = 1 - 2^(-12/(16 52)),
half are susceptible again after 16 months (Townsend et al. 2021, Lancet Microbe 2); the variant 97 % more
transmissible, as Delta was (Campbell et al. 2021, Eurosurveillance 26); shares .53, .26, .21 and fatality .001, .01,
.06 of the ages (Acemoglu, Chernozhukov, Werning and Whinston 2021, AER: Insights 3). Chosen here: R = 2.5, a death as
bad as 1,500 weeks at utility -1, an illness as one, iota = 1e-4, 0.2 % exposed and as many infectious at the start, an
error of .25, the variant's coming and going.
Source: Elie, Hubert and Turinici (2020), arXiv 2004.08221; Laguzet and Turinici (2015), Bull. Math. Biol. 77.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from jax import Array

from hank_mfg.environment.game import AbstractGame, Aggregate, Discrete, Landing, Population

AGES, HEALTH, LEVELS = 3, 4, 10
SUSCEPTIBLE, EXPOSED, INFECTIOUS, RECOVERED = range(HEALTH)
SHARES, FATALITY = np.array([0.53, 0.26, 0.21]), np.array([0.001, 0.01, 0.06])
ONSET, RECOVERY, WANING = 1 - np.exp(-7 / 3.69), 1 - np.exp(-1.0), 1 - 0.5 ** (12 / (16 * 52))
REPRODUCTION, ADVANTAGE, SWITCH = 2.5, 1.97, 0.05
IMPORTED, SEED, ILLNESS = 1e-4, 0.002, 1.0


class Outbreak(NamedTuple):
    """Whether the variant is about (1.0) or not (0.0), and the log of the infectious share as last reported."""

    variant: Array
    report: Array


class Person(NamedTuple):
    """State numbers, whether they are susceptible (1.0 or 0.0), and the cost of an infection at that age."""

    state: Array
    susceptible: Array
    cost: Array


def health_chain(random: bool) -> np.ndarray:
    """The weekly move of health, (health, health), rows before it; for certain and immune for good unless `random`."""
    onset, recovery, waning = (ONSET, RECOVERY, WANING) if random else (1.0, 1.0, 0.0)
    chain = np.zeros((HEALTH, HEALTH))
    chain[SUSCEPTIBLE, SUSCEPTIBLE] = 1.0
    chain[EXPOSED, [EXPOSED, INFECTIOUS]] = 1.0 - onset, onset
    chain[INFECTIOUS, [INFECTIOUS, RECOVERED]] = 1.0 - recovery, recovery
    chain[RECOVERED, [RECOVERED, SUSCEPTIBLE]] = 1.0 - waning, waning
    return chain


class Epidemic(AbstractGame):
    """The epidemic; `death_cost` is in weeks at utility -1, `report_sd` the error of the log of reports."""

    chain: Any
    start_mass: Any
    susceptible: Any
    cost: Any
    report_sd: Any
    discount_factor: Any
    horizon: int = eqx.field(static=True, default=52)
    common_noise: bool = eqx.field(static=True, default=True)

    def __init__(
        self,
        *,
        death_cost: float = 1500.0,
        report_sd: float = 0.25,
        common_noise: bool = True,
        idiosyncratic_noise: bool = True,
    ):
        if not 0 <= death_cost < np.inf:
            raise ValueError(f"Epidemic(death_cost={death_cost}) would not be a finite cost: give 0 or more weeks.")
        if not 0 <= report_sd < np.inf:
            raise ValueError(
                f"Epidemic(report_sd={report_sd}) is no standard deviation: give 0, for exact reports, or more."
            )
        health = np.array([1.0 - 2.0 * SEED, SEED, SEED, 0.0])
        self.chain = health_chain(idiosyncratic_noise)
        self.start_mass = np.outer(SHARES, health).reshape(-1)
        self.susceptible = np.tile(np.arange(HEALTH) == SUSCEPTIBLE, AGES).astype(np.float64)
        self.cost = np.repeat(ILLNESS + death_cost * FATALITY, HEALTH)
        self.report_sd = float(report_sd) if common_noise else 0.0
        self.discount_factor, self.horizon, self.common_noise = 0.96 ** (1 / 52), 52, common_noise

    @property
    def populations(self) -> dict[str, Population]:
        """One population over age x health."""
        return {"individuals": Population((AGES, HEALTH), Discrete(np.arange(1.0, LEVELS + 1) / LEVELS, ordered=True))}

    @property
    def draws(self) -> int:
        """One number for the variant, one for the error of the report."""
        return 2

    def start(self, uniforms: Array) -> Aggregate:
        """The same shares exposed and infectious at every age; the variant is about with probability one half."""
        dtype = self.chain.dtype
        mass = jnp.asarray(self.start_mass)
        about = jnp.where(uniforms[0] < 0.5, 1.0, 0.0) if self.common_noise else jnp.zeros(())
        noise = Outbreak(about.astype(dtype), self.reported(mass, uniforms[1]))
        return Aggregate({"individuals": mass}, noise, jnp.zeros((), jnp.int32))

    def reported(self, mass: Array, uniform: Array) -> Array:
        """log(I + iota) with its error, by inversion of the uniform number, where 0 counts as the smallest above it."""
        error = jax.scipy.special.ndtri(jnp.maximum(uniform, float(jnp.finfo(uniform.dtype).tiny)))
        return (jnp.log(self.infectious(mass)) + self.report_sd * error).astype(mass.dtype)

    def infectious(self, mass: Array) -> Array:
        """I + iota: the share of the population that infects others."""
        return jnp.sum(mass.reshape(AGES, HEALTH)[:, INFECTIOUS]) + IMPORTED

    def draw(self, aggregate: Aggregate, uniforms: Array) -> Outbreak:
        """The variant comes or goes; this week's infectious are reported."""
        variant = aggregate.noise.variant
        if self.common_noise:
            variant = jnp.where(uniforms[0] < SWITCH, 1.0 - variant, variant)
        return Outbreak(variant, self.reported(aggregate.masses["individuals"], uniforms[1]))

    def signal(self, aggregate: Aggregate) -> Array:
        """The log of the share as last reported over one percent."""
        return (aggregate.noise.report - float(np.log(0.01)))[None]

    @property
    def signal_names(self) -> tuple[str, ...]:
        """The name of the signal."""
        return ("Log of reported share / 1 %",)

    def place(self, population: str, states: Array) -> Person:
        """Whether one can be infected, and what that would cost."""
        return Person(states, jnp.asarray(self.susceptible)[states], jnp.asarray(self.cost)[states])

    def risk(self, aggregate: Aggregate, own: Person, actions: Array) -> Array:
        """p_t(a) of susceptibles, zero for others."""
        reproduction = REPRODUCTION * (1.0 + (ADVANTAGE - 1.0) * aggregate.noise.variant)
        recovery = self.chain[INFECTIOUS, RECOVERED]
        pressure = reproduction * recovery * self.infectious(aggregate.masses["individuals"])
        return -jnp.expm1(-pressure * actions) * own.susceptible

    def land(self, population: str, aggregate: Aggregate, own: Person, actions: Array) -> Landing:
        """Exposed with the probability of infection, as before without."""
        risk = self.risk(aggregate, own, actions)
        stays = jnp.broadcast_to(own.state, risk.shape)
        infected = jnp.broadcast_to(own.state + (own.susceptible > 0), risk.shape)
        return Landing(jnp.stack([stays, infected], axis=-1), jnp.stack([1.0 - risk, risk], axis=-1))

    def kernel(self, population: str, aggregate: Aggregate, noise_next) -> Array:
        """The course of the disease."""
        return self.chain

    def reward(self, population: str, aggregate: Aggregate, following: Aggregate, own: Person, actions: Array) -> Array:
        """log a - a + 1, minus the expected cost of catching the disease this week."""
        return jnp.log(actions) - actions + 1.0 - self.risk(aggregate, own, actions) * own.cost

    def features(self, population: str, aggregate: Aggregate) -> tuple[Array, ...]:
        """A constant for each age and for each health."""
        return jnp.eye(AGES, dtype=self.chain.dtype), jnp.eye(HEALTH, dtype=self.chain.dtype)
