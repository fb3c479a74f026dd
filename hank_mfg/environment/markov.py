"""Turn declared shocks into finite Markov chains (the only module that uses quantecon)."""

import warnings
from functools import reduce
from typing import NamedTuple

import numpy as np
from jax import Array

from hank_mfg.model.concrete import array_module
from hank_mfg.model.named import Named
from hank_mfg.model.shocks import AR1, ConditionalChain, MarkovChain


class Chain(NamedTuple):
    """All aggregate shocks as one chain: `transition` (shocks, shocks), rows today; `values` each (shocks,)."""

    transition: np.ndarray | Array
    values: Named


def stationary_distribution(transition):
    """The stationary distribution of an irreducible chain, by a linear solve: p' P = p', sum p = 1.

    `transition` (n, n), rows today. Returns (n,).
    """
    xp = array_module(transition)
    states = transition.shape[0]
    last = np.arange(states) == states - 1
    system = xp.where(last[:, None], 1.0, xp.asarray(transition).T - np.eye(states))
    return xp.linalg.solve(system, xp.asarray(last, dtype=system.dtype))


def discretize_ar1(shock: AR1) -> MarkovChain:
    """The finite chain of an AR(1), by quantecon's `rouwenhorst` or `tauchen`."""
    import quantecon.markov as qe  # imported on use: it takes seconds to load

    persistence = float(shock.persistence)
    if shock.innovation_sd is None:
        innovation_sd = float(shock.stationary_sd) * np.sqrt(1.0 - persistence**2)
    else:
        innovation_sd = float(shock.innovation_sd)
    constant = float(shock.mean) * (1.0 - persistence)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # quantecon's rouwenhorst warns about its argument order on every call
        if shock.method == "rouwenhorst":
            chain = qe.rouwenhorst(shock.states, persistence, innovation_sd, constant)
        else:
            chain = qe.tauchen(shock.states, persistence, innovation_sd, constant, shock.width)  # pyright: ignore
    values = np.asarray(chain.state_values)
    values = np.exp(values) if shock.exponential else values
    if shock.unit_mean:
        values = values / (values @ stationary_distribution(np.asarray(chain.P)))
    return MarkovChain(np.asarray(chain.P), **{shock.name: values})


def to_chain(shock) -> MarkovChain | ConditionalChain:
    """A declared shock as a finite chain. Raises TypeError for anything that is not a shock."""
    if isinstance(shock, AR1):
        return discretize_ar1(shock)
    if isinstance(shock, MarkovChain | ConditionalChain):
        return shock
    raise TypeError(f"{shock!r} is not a shock: declare a MarkovChain, an AR1 or a ConditionalChain.")


def combine(shocks) -> Chain:
    """One chain over all combinations of independent shocks, the first one slowest; one state when there are none."""
    chains = [to_chain(shock) for shock in (shocks if isinstance(shocks, tuple | list) else (shocks,))]
    if not chains:
        return Chain(np.ones((1, 1)), Named("shocks", {}))
    if any(isinstance(chain, ConditionalChain) for chain in chains):
        raise TypeError("aggregate_shocks() returned a ConditionalChain: only idiosyncratic shocks can be conditional.")
    xp = array_module(chains)
    transitions = [xp.asarray(chain.transition) for chain in chains]
    sizes = [transition.shape[0] for transition in transitions]
    values = {}
    for position, chain in enumerate(chains):
        before, after = int(np.prod(sizes[:position])), int(np.prod(sizes[position + 1 :]))
        for name, value in chain.values.items():
            if name in values:
                raise ValueError(f"aggregate_shocks() declares '{name}' twice: give each quantity its own name.")
            values[name] = xp.tile(xp.repeat(xp.asarray(value), after), before)
    return Chain(reduce(xp.kron, transitions), Named("shocks", values))


def average_out(conditional, aggregate):
    """The idiosyncratic chain of an economy whose aggregate shock has been averaged out.

    P(e'|e) = sum_{z, z'} p(z|e) P(z'|z) P(e'|e, z, z') with p the stationary distribution of the joint chain, so the
    long-run share of every idiosyncratic state is unchanged. `conditional` (Z, Z, E, E), `aggregate` (Z, Z);
    returns (E, E).
    """
    shocks, _, own, _ = conditional.shape
    joint = (aggregate[:, :, None, None] * conditional).transpose(0, 2, 1, 3)
    share = stationary_distribution(joint.reshape(shocks * own, shocks * own)).reshape(shocks, own)
    flows = array_module(joint).einsum("ze,zexf->ef", share, joint)
    return flows / share.sum(axis=0)[:, None]
