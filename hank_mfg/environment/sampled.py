"""The sampled mean-field update: N individuals with a state each instead of an exact mass.

Timing as in game.py. At the start of period t every individual i of a population has a state s_i, and the empirical
histogram stands in for the mass wherever the game reads one (signal, kernel, reward):

    m_t(s) = #{i : s_i = s} / N.

Each takes an action and moves by a draw from the lottery of the own state and action; the common noise z_{t+1} is
drawn; the last axis of every state moves by sampling its row of the exogenous kernel. The reward of period t reads the
next histogram. Means over individuals approach the exact mass at the rate 1/sqrt(N).

Structural methods never come here; model-free baselines see nothing else. Individuals may have private signals: see
`CrowdPlay`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.game import (
    AbstractGame,
    Aggregate,
    Choice,
    Landing,
    Period,
    Taken,
    closed_reward,
    next_period_draws,
)

UNREPLACED = -1


class Crowd(NamedTuple):
    """The start of a period: `states` (individuals,) of each population, and the aggregate state with their histograms
    as masses."""

    states: dict[str, Array]
    aggregate: Aggregate


Observe = Callable[[str, Aggregate, Array, Array], Array]
Respond = Callable[[str, Choice, Array], Choice]


class CrowdPlay(NamedTuple):
    """A game, the number of `individuals` in each population, and their strategies.

    `decide(aggregate, memory)` is what follows from public information, such as `GameDecision`: the `signal`, the
    `memory` of each population with it, and mixed `choices` at all states; `memory` is that before the first signal.

    Private signals are optional. `observe(population, aggregate, states, key)` gives every individual its own
    observations (individuals, extra); `respond(population, choice, observations)` turns the mixed actions of
    each individual's own state (individuals, options) into those taken. Without `respond` they are only recorded.
    """

    game: AbstractGame
    individuals: int
    decide: Callable[[Aggregate, dict[str, Array]], Any]
    memory: dict[str, Array]
    observe: Observe | None = None
    respond: Respond | None = None


class CrowdStep(NamedTuple):
    """One period as it happened.

    `decided` is the decision of the whole cross-section. By population: what individuals observed in private (or None),
    which option they took, its action value and their rewards, (individuals,) each. `following` is the start of next
    period.
    """

    now: Crowd
    decided: Any
    observations: dict[str, Array | None]
    options: dict[str, Array]
    actions: dict[str, Array]
    rewards: dict[str, Array]
    following: Crowd


def draw_outcomes(weights: Array, rows: Array, uniforms: Array) -> Array:
    """Outcomes drawn from rows `rows` (n,) of `weights` (rows, outcomes), each summing to one, by inversion: (n,).

    The outcome is the number of entries of the distribution function that are at most `uniforms` (n,), found by
    bisection. Where rounding of the sums leaves a sliver to an outcome without weight, the likeliest one is drawn.
    """
    count = weights.shape[1]
    distribution = weights @ jnp.triu(jnp.ones((count, count), weights.dtype))
    found = jnp.zeros(rows.shape, jnp.int32)
    step = 1 << (count.bit_length() - 1)
    while step:
        beyond = found + step
        below = distribution[rows, jnp.minimum(beyond, count) - 1] <= uniforms
        found = jnp.where((beyond <= count) & below, beyond, found)
        step //= 2
    found = jnp.minimum(found, count - 1)
    return jnp.where(weights[rows, found] > 0, found, jnp.argmax(weights, axis=1)[rows].astype(jnp.int32))


def empirical_mass(states: Array, size: int, dtype) -> Array:
    """The histogram of `states` (individuals,) as shares, (size,)."""
    counts = jnp.zeros(size, jnp.int32).at[states].add(1)
    return counts.astype(dtype) / states.shape[0]


def gather_crowd(game: AbstractGame, states: dict[str, Array], aggregate: Aggregate) -> Crowd:
    """Individuals and the aggregate state whose masses are their histograms."""
    masses = {
        name: empirical_mass(states[name], game.populations[name].size, mass.dtype)
        for name, mass in aggregate.masses.items()
    }
    return Crowd(states, aggregate._replace(masses=masses))


def sampled_start(game: AbstractGame, individuals: int, uniforms: Array, *, key: Array) -> Crowd:
    """Individuals drawn independently from the start mass; `uniforms` (draws,) draw the common noise of period 0."""
    aggregate = game.start(uniforms)
    states = {}
    for (name, mass), own_key in zip(
        aggregate.masses.items(), jax.random.split(key, len(aggregate.masses)), strict=True
    ):
        own_uniforms = jax.random.uniform(own_key, (individuals,), mass.dtype)
        states[name] = draw_outcomes(mass[None], jnp.zeros(individuals, jnp.int32), own_uniforms)
    return gather_crowd(game, states, aggregate)


def replaced(own: dict[str, Array], others: dict[str, Array], places: dict[str, Array]) -> dict[str, Array]:
    """Arrays `own` of each population with entry 0 from `others` at the place given, unless that is `UNREPLACED`."""
    found = {}
    for name, each in own.items():
        place = places[name]
        found[name] = each.at[0].set(jnp.where(place == UNREPLACED, each[0], others[name][jnp.maximum(place, 0)]))
    return found


def joined(game: AbstractGame, crowd: Crowd, others: dict[str, Array], places: dict[str, Array]) -> Crowd:
    """The crowd with one of `others`, states, in the place of individual 0 of each population: see `replaced`."""
    return gather_crowd(game, replaced(crowd.states, others, places), crowd.aggregate)


def draw_landing(landing: Landing, uniforms: Array) -> Array:
    """One state out of each lottery (individuals, outcomes): (individuals,)."""
    if landing.index.shape[-1] == 1:
        return landing.index[..., 0]
    rows = jnp.arange(uniforms.shape[0], dtype=jnp.int32)
    return landing.index[rows, draw_outcomes(landing.weight, rows, uniforms)]


def sampled_move(
    game: AbstractGame, name: str, states: Array, actions: Array, between: tuple[Aggregate, Any], *, key: Array
) -> Array:
    """Next states of individuals of population `name` at `states` who take `actions`: (individuals,).

    `between` is the aggregate state of today and the common noise of next period. The individuals need not be those of
    the aggregate state: no individual moves it.
    """
    aggregate, noise_next = between
    dtype = aggregate.masses[name].dtype
    lottery_draws, move_draws = jax.random.uniform(key, (2, *states.shape), dtype)
    moved = draw_landing(game.land(name, aggregate, game.place(name, states), actions), lottery_draws)
    kernel = game.kernel(name, aggregate, noise_next)
    last = moved % kernel.shape[0]
    return moved - last + draw_outcomes(kernel, last, move_draws)


def sampled_advance(
    game: AbstractGame, crowd: Crowd, actions: dict[str, Array], uniforms: Array, *, key: Array
) -> Crowd:
    """The start of next period after all have taken `actions` (individuals,).

    `uniforms` (draws,) become the common noise of next period; the clock moves on by one.
    """
    aggregate = crowd.aggregate
    noise_next = game.draw(aggregate, uniforms)
    states = {}
    for (name, own), own_key in zip(crowd.states.items(), jax.random.split(key, len(crowd.states)), strict=True):
        states[name] = sampled_move(game, name, own, actions[name], (aggregate, noise_next), key=own_key)
    return gather_crowd(game, states, Aggregate(aggregate.masses, noise_next, aggregate.time + 1))


def cleared(game: AbstractGame, crowd: Crowd, actions: dict[str, Array]) -> Crowd:
    """The crowd once all have taken `actions` (individuals,): with the prices that clear inside the period."""
    if not game.clears:
        return crowd
    taken = {}
    for name, states in crowd.states.items():
        share = jnp.full(states.shape, 1.0 / states.shape[0], crowd.aggregate.masses[name].dtype)
        taken[name] = Taken(game.place(name, states), actions[name], share)
    return crowd._replace(aggregate=game.clear(crowd.aggregate, taken))


def sampled_rewards(
    game: AbstractGame, crowd: Crowd, actions: dict[str, Array], following: Aggregate
) -> dict[str, Array]:
    """The rewards of the period, (individuals,), given the aggregate state that the crowd went to; in the last
    period with the expected value of what comes after it, where the game has one."""
    period = Period(crowd.aggregate, following)
    return {
        name: closed_reward(game, name, period, game.place(name, states), actions[name])
        for name, states in crowd.states.items()
    }


def sample_options(choice: Choice, rows: Array, *, key: Array) -> tuple[Array, Array]:
    """Options drawn from rows `rows` (n,) of a mixed action, and their action values: (n,) each."""
    if choice.probabilities.shape[0] > rows.shape[0]:  # fewer individuals than states: look at their rows only
        choice = jax.tree.map(lambda table: table[rows], choice)
        rows = jnp.arange(rows.shape[0], dtype=jnp.int32)
    uniforms = jax.random.uniform(key, rows.shape, choice.probabilities.dtype)
    option = draw_outcomes(choice.probabilities, rows, uniforms)
    return option, choice.actions[rows, option]


def _act(play: CrowdPlay, name: str, crowd: Crowd, choice: Choice, key: Array):
    """Private observations of individuals of one population, the option taken and its action value."""
    states = crowd.states[name]
    if play.observe is None:
        return None, *sample_options(choice, states, key=key)
    observe_key, option_key = jax.random.split(key)
    observations = play.observe(name, crowd.aggregate, states, observe_key)
    if play.respond is None:
        return observations, *sample_options(choice, states, key=option_key)
    own = play.respond(name, jax.tree.map(lambda table: table[states], choice), observations)
    return observations, *sample_options(own, jnp.arange(states.shape[0], dtype=jnp.int32), key=option_key)


def sampled_period(play: CrowdPlay, crowd: Crowd, memory: dict[str, Array], uniforms: Array, *, key: Array):
    """One period: all see the signal, update memory, act and move: (memory, CrowdStep).

    Mixed actions are sampled for every individual; `uniforms` (draws,) become the common noise of next period.
    """
    decided = play.decide(crowd.aggregate, memory)
    move_key, *option_keys = jax.random.split(key, 1 + len(crowd.states))
    observations, options, actions = {}, {}, {}
    for name, own_key in zip(crowd.states, option_keys, strict=True):
        observations[name], options[name], actions[name] = _act(play, name, crowd, decided.choices[name], own_key)
    crowd = cleared(play.game, crowd, actions)
    following = sampled_advance(play.game, crowd, actions, uniforms, key=move_key)
    rewards = sampled_rewards(play.game, crowd, actions, following.aggregate)
    return decided.memory, CrowdStep(crowd, decided, observations, options, actions, rewards, following)


def aggregates(step: CrowdStep) -> Aggregate:
    """The default record of `sampled_rollout`: the aggregate state at the start of each period."""
    return step.now.aggregate


def sampled_rollout(
    play: CrowdPlay, uniforms: Array, *, key: Array, record: Callable[[CrowdStep], Any] = aggregates
) -> tuple[Crowd, Any]:
    """Play along one path of common noise: (last crowd, record along a leading time axis).

    `uniforms` (periods, draws): the first row draws the start, the others the following periods, as in `GamePlay.path`,
    so that the same numbers give the same common noise there. Memory starts empty and is never reset.
    """
    start_key, key = jax.random.split(key)
    crowd = sampled_start(play.game, play.individuals, uniforms[0], key=start_key)
    rest = next_period_draws(uniforms)

    def period(carry, inputs):
        (crowd, memory), (uniforms, key) = carry, inputs
        memory, step = sampled_period(play, crowd, memory, uniforms, key=key)
        return (step.following, memory), record(step)

    (crowd, _), records = jax.lax.scan(period, (crowd, play.memory), (rest, jax.random.split(key, rest.shape[0])))
    return crowd, records
