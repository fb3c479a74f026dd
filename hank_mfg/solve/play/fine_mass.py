"""A distribution on a finer grid than the nodes of training.

Young's lottery spreads the mass a little in every period, by some h^2/6 on a grid of spacing h, as if households were
exposed to more risk. Since aggregate capital is so persistent, the mean of it moves by a tenth of a percent between 200
points and 400. Expected marginal utility read between nodes is wrong likewise: by .02 to .04 percent of consumption
near the kink of the unemployed on 200 points. So while training the mass moves on `FINER` times as many intervals, as
in the measures of accuracy, next period's decisions are made there, and households learn at every `FINER`th point.

Needs prices that are a closed form: prices that clear inside the period would have to be looked for on the finer grid
in every state that may follow.
"""

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.solve.play.rollout import Decision, Play, State, Step

FINER = 2


def finer(play: Play) -> Play:
    """A play with itself on a finer grid, `fine`, every `FINER`th point of which is one of its own; unchanged unless
    its policy starts from an optimum in every aggregate state, which is where prices are a closed form."""
    if play.policy.by_state is None:
        return play
    fine = play.economy.grid.finer(FINER)
    return play._replace(fine=Play(play.economy.on(fine), play.policy, play.policy.tables_on(fine)))


def refine(state: State, fine: Play) -> State:
    """The same state with its mass on the finer grid."""
    mass = jnp.zeros(fine.economy.shape, fine.economy.dtype).at[::FINER].set(state.aggregate.mass)
    return state._replace(aggregate=state.aggregate._replace(mass=mass))


def coarsen(state: State, play: Play, fine: Play) -> State:
    """The same state with its mass on the grid of `play`, split between neighbors so that means stay."""
    points, values = fine.economy.grid.points, state.aggregate.mass
    low, high = points[:-1:FINER], points[FINER::FINER]
    mass = values[::FINER]
    for step in range(1, FINER):
        weight = ((points[step::FINER] - low) / (high - low))[:, None]
        between = values[step::FINER]
        mass = mass.at[:-1].add((1.0 - weight) * between).at[1:].add(weight * between)
    return state._replace(aggregate=state.aggregate._replace(mass=mass))


def at_nodes(step: Step, play: Play, fine: Play) -> tuple[Step, Decision]:
    """A period on the finer grid as one at the nodes of `play`, and decisions in every aggregate state that may follow,
    on the finer grid, leading axis (shocks,)."""
    now = step.now
    thin = {
        name: getattr(now, name)[::FINER]
        for name in ("cash", "unconstrained_consumption", "unconstrained_savings", "savings")
    }
    coarse = now._replace(state=coarsen(now.state, play, fine), **thin)

    def following(shock_next: Array) -> Decision:
        state = fine.follow(step, shock_next)._replace(price_noise=None)
        return fine.choose(state, fine.economy.public(state.aggregate))

    every = jnp.arange(play.economy.shock_count, dtype=jnp.int32)
    lottery = play.economy.lottery(coarse.savings)
    return Step(coarse, lottery, step.settled, step.shock_next), jax.vmap(following)(every)
