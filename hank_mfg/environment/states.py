"""The states of the declared shocks, aggregate and idiosyncratic, in numbers."""

from typing import Any

import numpy as np

from hank_mfg.environment.long_run import chain_moments_of
from hank_mfg.environment.markov import (
    average_out,
    combine,
    declared_chains,
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
    a permanent type has 1. `sd` is its standard deviation in the long run; `log_sd` and `log_autocorrelation` are
    those of its log, None where it is not positive; `asked` holds the "sd" and "autocorrelation" that an `AR1` declared
    and "of" which they are, "log" or "level", None for other chains. `permanent_types` are their shares of the
    population, [1.0] where households do not differ for good. Raises ValueError where the individual states do not
    connect.
    """
    chain, own = combine(model.aggregate_shocks()), to_chain(model.idiosyncratic_shock())
    moves = given_moves(own, chain.transition)
    average = average_out(moves, chain.transition, own.shares)
    mass = joint_distribution(chain.transition, moves, own.shares).sum(axis=0)
    long_run = stationary_distribution(chain.transition)
    declared = {name: each for shock in declared_chains(model.aggregate_shocks()) for name, each in shock.asked.items()}
    return {
        "aggregate_states": len(long_run),
        "aggregate_shocks": _quantities(chain.values, chain.transition, long_run, declared),
        "individual_states": len(mass),
        "individual_shocks": _quantities(own.values, average, mass, own.asked),
        "permanent_types": np.asarray(own.shares).tolist(),
    }


def _quantities(values, transition, share, asked) -> dict[str, dict[str, Any]]:
    found = {}
    for name, each in values.items():
        moments = chain_moments_of(each, transition, share, asked.get(name))
        declared = None
        if moments.asked_sd is not None:
            which = "log" if moments.exponential else "level"
            declared = {"sd": moments.asked_sd, "autocorrelation": moments.asked_autocorrelation, "of": which}
        found[name] = {
            "values": np.unique(np.asarray(each, float)).tolist(),
            "autocorrelation": _rounded(moments.autocorrelation),
            "sd": _rounded(moments.sd),
            "log_sd": _rounded(moments.log_sd),
            "log_autocorrelation": _rounded(moments.log_autocorrelation),
            "asked": declared,
        }
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 12) + 0.0
