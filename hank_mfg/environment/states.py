"""What can happen to everybody and to one household: the states of the declared shocks, in numbers."""

from typing import Any

import numpy as np

from hank_mfg.environment.markov import (
    average_out,
    combine,
    given_moves,
    joint_distribution,
    stationary_distribution,
    to_chain,
)
from hank_mfg.model.base import Model


def describe_states(model: Model) -> dict[str, Any]:
    """The aggregate and individual states of an economy: how many there are, and every quantity that tells them apart.

    `aggregate_shocks` and `individual_shocks` map names to the different `values` in rising order, in the quantity's
    own units, and its `autocorrelation` from one period to the next in the long run, None where it has one value; what
    nobody ever changes has 1. `permanent_types` are their shares of the population, [1.0] where households do not
    differ for good. Raises ValueError where the individual states do not connect.
    """
    chain, own = combine(model.aggregate_shocks()), to_chain(model.idiosyncratic_shock())
    moves = given_moves(own, chain.transition)
    average = average_out(moves, chain.transition, own.shares)
    mass = joint_distribution(chain.transition, moves, own.shares).sum(axis=0)
    everybody = stationary_distribution(chain.transition)
    return {
        "aggregate_states": len(everybody),
        "aggregate_shocks": _quantities(chain.values, chain.transition, everybody),
        "individual_states": len(mass),
        "individual_shocks": _quantities(own.values, average, mass),
        "permanent_types": np.asarray(own.shares).tolist(),
    }


def _quantities(values, transition, share) -> dict[str, dict[str, Any]]:
    transition, share = np.asarray(transition, float), np.asarray(share, float)
    found = {}
    for name, each in values.items():
        levels = np.unique(np.asarray(each, float))
        gaps = np.asarray(each, float) - share @ np.asarray(each, float)
        related = share @ (gaps * (transition @ gaps)) / (share @ gaps**2) if len(levels) > 1 else None
        rounded = None if related is None else round(float(related), 12) + 0.0
        found[name] = {"values": levels.tolist(), "autocorrelation": rounded}
    return found
