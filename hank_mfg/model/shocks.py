"""Shocks: finite Markov chains, AR(1) processes, and chains whose moves depend on the aggregate move.

Aggregate shocks hit everybody and are the only randomness that solvers sample; idiosyncratic shocks average out and
are integrated exactly. Several independent aggregate shocks are declared as a tuple. Timing: the state of a chain is
realized at the start of the period, before prices form and choices are made.
"""

from typing import Any, Literal

import equinox as eqx
import numpy as np

from hank_mfg.model.concrete import array_module, concrete
from hank_mfg.model.named import Named


def check_probabilities(name: str, transition: Any) -> None:
    """Raise ValueError unless the last axis of `transition` holds probabilities summing to one within 1e-8.

    Float32 arrays get the rounding of float32, 1e-6. Nothing is renormalized: a chain that loses mass is a mistake in
    the declaration.
    """
    matrix = np.asarray(transition, dtype=float)
    wrong = ~(np.isfinite(matrix) & (matrix >= 0))
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{name}.transition{list(place)} = {matrix[place]}: probabilities must be finite and not negative; correct "
            "that entry."
        )
    sums = matrix.sum(axis=-1)
    worst = np.unravel_index(np.argmax(np.abs(sums - 1)), sums.shape)
    if abs(sums[worst] - 1) > (1e-6 if getattr(transition, "dtype", None) == np.float32 else 1e-8):
        row = "row " + str(int(worst[0]) if len(worst) == 1 else tuple(int(i) for i in worst))
        raise ValueError(
            f"{name}.transition: {row} sums to {sums[worst]:.8g}, not 1: rows are today's states, columns tomorrow's; "
            "correct the entries of that row."
        )


def _check_values(kind: str, values: dict, states: int) -> None:
    if not values:
        raise ValueError(
            f"{kind} names no values: give at least one, for instance {kind}(transition, income=[0.5, 1])."
        )
    for name, value in values.items():
        numbers = concrete(value)
        if numbers is None:
            continue
        if np.shape(numbers) != (states,):
            raise ValueError(
                f"{kind}({name}=...) has shape {np.shape(numbers)} but the chain has {states} states: "
                f"give {name} one number per state."
            )
        if not np.all(np.isfinite(numbers)):
            raise ValueError(f"{kind}({name}={value}) is not finite: give {name} one finite number per state.")


class MarkovChain(eqx.Module):
    """A finite chain: `MarkovChain(transition, productivity=[0.99, 1.01], ...)`.

    `transition[i, j]` is the probability of state j tomorrow given i today; rows sum to one. Each keyword names a
    quantity and gives its value in every state, so one chain may move several quantities together.

    Raises ValueError when a row does not sum to one or a list has the wrong length.
    """

    transition: Any
    values: Named

    def __init__(self, transition, **values):
        self.transition = transition
        self.values = Named("shock values", values)

    def __check_init__(self):
        if concrete(self.transition) is not None:
            name = f"MarkovChain({', '.join(self.values)})"
            if np.ndim(self.transition) != 2 or len(set(np.shape(self.transition))) != 1:
                raise ValueError(
                    f"{name}.transition has shape {np.shape(self.transition)}: give a square matrix, rows today."
                )
            check_probabilities(name, self.transition)
            _check_values("MarkovChain", dict(self.values), np.shape(self.transition)[0])


class ConditionalChain(eqx.Module):
    """An idiosyncratic chain whose moves depend on the aggregate move.

    `transition[z, z_next, e, e_next]` = P(e_next | e, z, z_next). Keywords name its values, as in `MarkovChain`.
    `z` runs over the states of the aggregate shock (of all combinations, when there are several).
    """

    transition: Any
    values: Named

    def __init__(self, transition, **values):
        self.transition = transition
        self.values = Named("shock values", values)

    def __check_init__(self):
        if concrete(self.transition) is not None:
            name = f"ConditionalChain({', '.join(self.values)})"
            shape = np.shape(self.transition)
            if len(shape) != 4 or shape[0] != shape[1] or shape[2] != shape[3]:
                raise ValueError(
                    f"{name}.transition has shape {shape}: give one of shape (aggregate, aggregate, own, own)."
                )
            check_probabilities(name, self.transition)
            _check_values("ConditionalChain", dict(self.values), shape[2])


def split_joint_chain(joint: Any, own_states: int):
    """Split a joint chain over (aggregate, own) into the aggregate chain and the conditional one.

    `joint[(z, e), (z', e')]`, aggregate state slowest, shape (Z E, Z E). Returns `(aggregate, conditional)` of shapes
    (Z, Z) and (Z, Z, E, E) with joint = aggregate x conditional. Raises ValueError when the aggregate move depends on
    the individual's own state by more than 1e-6: then the aggregate is not a Markov chain of its own.
    """
    xp: Any = array_module(joint)
    joint = xp.asarray(joint, dtype=float)
    if joint.ndim != 2 or joint.shape[0] != joint.shape[1] or joint.shape[0] % own_states:
        raise ValueError(
            f"joint chain: shape {joint.shape} does not fit {own_states} individual states: give a square matrix over "
            "(aggregate, own) with the aggregate state slowest."
        )
    aggregate_states = joint.shape[0] // own_states
    blocks = joint.reshape(aggregate_states, own_states, aggregate_states, own_states)
    moves = blocks.sum(axis=3)
    if concrete(joint) is not None:
        check_probabilities("joint chain", joint)
        if np.ptp(moves, axis=1).max() > 1e-6:
            raise ValueError(
                "joint chain: the aggregate move depends on the individual state by "
                f"{np.ptp(moves, axis=1).max():.3g}; each aggregate block must have the same row sums for every "
                "individual state."
            )
    aggregate = moves.mean(axis=1)
    never = (moves == 0)[..., None]  # where the aggregate never moves so, the own state may do anything
    conditional = xp.where(never, 1.0 / own_states, blocks / xp.where(never, 1.0, moves[..., None]))
    return aggregate, xp.moveaxis(conditional, 2, 1)


class AR1(eqx.Module):
    """x' = (1 - persistence) mean + persistence x + innovation, discretized to a chain of `states` values.

    Give exactly one of `innovation_sd` (of the innovation) and `stationary_sd` (of x itself, =
    innovation_sd / sqrt(1 - persistence^2)). With `exponential=True` the quantity is exp(x), for instance
    productivity or labor; with `unit_mean=True` the values are then divided by their stationary mean.

    `method="rouwenhorst"` (default; exact first two moments, good at high persistence) or `"tauchen"` (grid of
    `width` stationary standard deviations on each side). Source: Kopecky and Suen (2010); Tauchen (1986).
    """

    name: str = eqx.field(static=True)
    persistence: Any
    innovation_sd: Any = None
    stationary_sd: Any = None
    mean: Any = 0.0
    states: int = eqx.field(static=True, default=7)
    method: Literal["rouwenhorst", "tauchen"] = eqx.field(static=True, default="rouwenhorst")
    width: float = eqx.field(static=True, default=3.0)
    exponential: bool = eqx.field(static=True, default=False)
    unit_mean: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        persistence = concrete(self.persistence)
        if persistence is not None and not np.all(np.abs(persistence) < 1):
            raise ValueError(
                f"AR1({self.name!r}, persistence={self.persistence}) has no stationary distribution: persistence must "
                "lie strictly between -1 and 1; for a permanent shock lower it slightly or declare a MarkovChain."
            )
        if (self.innovation_sd is None) == (self.stationary_sd is None):
            raise ValueError(
                f"AR1({self.name!r}) has innovation_sd={self.innovation_sd} and stationary_sd={self.stationary_sd}: "
                "give exactly one of the two."
            )
        for field in ("innovation_sd", "stationary_sd"):
            value = concrete(getattr(self, field))
            if value is not None and not np.all((value > 0) & np.isfinite(value)):
                raise ValueError(
                    f"AR1({self.name!r}, {field}={getattr(self, field)}): a standard deviation must be positive and "
                    "finite; leave the shock out to switch it off."
                )
        if not isinstance(self.states, int | np.integer) or self.states < 2:
            raise ValueError(
                f"AR1({self.name!r}, states={self.states}): a chain needs a whole number of states, 2 or more."
            )
        if self.method not in ("rouwenhorst", "tauchen"):
            raise ValueError(f"AR1({self.name!r}, method={self.method!r}): choose 'rouwenhorst' or 'tauchen'.")
