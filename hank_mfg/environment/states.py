"""The states of the declared shocks, aggregate and idiosyncratic, in numbers."""

from typing import Any

import numpy as np

from hank_mfg.environment.life import long_run, own_states, without_aggregate_risk
from hank_mfg.environment.long_run import chain_moments_of
from hank_mfg.environment.markov import (
    combine,
    declared_chains,
    stationary_distribution,
    to_chain,
)
from hank_mfg.model.base import Model


def describe_states(model: Model) -> dict[str, Any]:
    """The aggregate and individual states of an economy: how many there are, and every quantity that tells them apart.

    `aggregate_shocks` and `individual_shocks` map names to the different `values` in rising order, in the quantity's
    own units, and its `autocorrelation` from one period to the next in the long run, None where it has one value;
    what a permanent type has 1. `sd` is its standard deviation in the long run; `log_sd` and `log_autocorrelation`
    are those of its log, None where it is not positive; with `ages` they are over the living of all; `asked` holds
    the "sd" and "autocorrelation" that an `AR1` declared and "of" which they are, "log" or "level", None for other
    chains. `permanent_types` are their shares of the population, [1.0] where households do not differ for good.
    Raises ValueError where the individual states do not connect.
    """
    chain, own = combine(model.aggregate_shocks()), to_chain(model.idiosyncratic_shock())
    states = own_states(model, chain.transition)
    average = np.asarray(without_aggregate_risk(chain.transition, states))
    mass = np.asarray(long_run(chain.transition, states)).sum(axis=0)
    share = stationary_distribution(chain.transition)
    ages = 1 if states.life is None else len(states.life.survival)
    declared = {name: each for shock in declared_chains(model.aggregate_shocks()) for name, each in shock.asked.items()}
    return {
        "aggregate_states": len(share),
        "aggregate_shocks": _quantities(chain.values, chain.transition, share, declared),
        "individual_states": len(mass),
        "ages": ages,
        "individual_shocks": _quantities(own.values, average, mass.reshape(ages, -1).sum(axis=0), own.asked),
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
