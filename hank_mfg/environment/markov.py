"""Turn declared shocks into finite Markov chains, in NumPy, or in JAX where a parameter is traced."""

import math
from functools import reduce
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import numpy as np
from jax import Array

from hank_mfg.environment.long_run import (
    ChainMoments,
    chain_moments_of,
    check_moments,
    correlations_of,
    stationary_distribution,
)
from hank_mfg.environment.var_chain import discretize_var1
from hank_mfg.model.concrete import array_module, concrete
from hank_mfg.model.named import Named
from hank_mfg.model.shocks import AR1, Asked, ConditionalChain, MarkovChain, with_asked
from hank_mfg.model.var1 import VAR1
from hank_mfg.sizes import require_room, shown

Shock = AR1 | VAR1 | MarkovChain | ConditionalChain
EMPTY = 1e-14  # the share of a state is known up to rounding: below this it counts as zero


class Chain(NamedTuple):
    """All aggregate shocks as one chain: `transition` (shocks, shocks), rows today; `values` each (shocks,)."""

    transition: np.ndarray | Array
    values: Named


def later(transition, probabilities, periods: int) -> np.ndarray:
    """Rows of `probabilities` (..., states), or changes of them, as a chain moves them on: (periods, ..., states), the
    first as given; those of the identity are the powers of the chain."""
    moved = [np.asarray(probabilities, np.float64)]
    for _ in range(periods - 1):
        moved.append(moved[-1] @ np.asarray(transition))
    return np.stack(moved)


def joint_distribution(aggregate, conditional, shares=(1.0,)):
    """The stationary distribution of aggregate and own states, P(z', e' | z, e) = P(z' | z) P(e' | e, z, z').

    `aggregate` (Z, Z), `conditional` (Z, Z, E, E), and `shares` (types,) of the permanent types, whose own states lie
    together: each type has a distribution of its own, and its share of the population for good. Returns (Z, E). Raises
    ValueError where the states of a type do not connect.
    """
    shocks, _, own, _ = conditional.shape
    each = own // len(shares)
    _price(f"A joint chain of {shocks} aggregate and {own} individual states", shocks * each)
    joint = (aggregate[:, :, None, None] * conditional).transpose(0, 2, 1, 3)
    cure = (
        "connect the states of idiosyncratic_shock(), or declare what households never change with "
        "hm.permanent_types(shares=[...], ...)"
    )
    parts = []
    for share, first in zip(shares, range(0, own, each), strict=True):
        mine = slice(first, first + each)
        within = joint[:, mine, :, mine].reshape(shocks * each, shocks * each)
        parts.append(share * stationary_distribution(within, cure).reshape(shocks, each))
    return array_module(joint, shares).concatenate(parts, axis=1)


def discretize_ar1(shock: AR1) -> MarkovChain:
    """The finite chain of an AR(1), by the method it declares; differentiable in its parameters."""
    xp = array_module(shock)
    persistence, mean = xp.asarray(shock.persistence), xp.asarray(shock.mean)
    scale = xp.sqrt(1.0 - persistence**2)
    _price(f"AR1({shock.name!r}, states={shown(int(shock.states))})", shock.states)
    if shock.innovation_sd is None:
        spread = xp.asarray(shock.stationary_sd)
        innovation = spread * scale
    else:
        innovation = xp.asarray(shock.innovation_sd)
        spread = innovation / scale
    if shock.method == "rouwenhorst":
        transition = _rouwenhorst(xp, shock.states, persistence)
        deviations = xp.linspace(-1.0, 1.0, shock.states) * (np.sqrt(shock.states - 1) * spread)
    else:
        deviations = xp.linspace(-1.0, 1.0, shock.states) * (shock.width * spread)
        transition = _tauchen(xp, deviations, persistence, innovation)
    values = mean + deviations
    levels = xp.exp(_checked_exponent(shock, values)) if shock.exponential else values
    check_moments(shock, transition, values)
    if shock.unit_mean:
        levels = levels / _checked_mean(shock, levels, stationary_distribution(transition))
    asked = Asked(spread, persistence, shock.exponential)
    return with_asked(MarkovChain(transition, **{shock.name: levels}), {shock.name: asked})


def _checked_exponent(shock: AR1, values):
    """The values of a log, unless their exponential is beyond the largest number: then ValueError."""
    numbers = concrete(values)
    if numbers is not None and numbers.max() > 700.0:
        raise ValueError(
            f"AR1({shock.name!r}, exponential=True): its largest state is exp({numbers.max():.4g}), not a "
            "number: the mean and the standard deviation are those of the log, so give them in log points."
        )
    return values


def _checked_mean(shock: AR1, levels, share):
    """The stationary mean that values are divided by, unless it is zero beside them: then ValueError."""
    mean, numbers = levels @ share, concrete(levels)
    known = concrete(mean)
    if shock.exponential or numbers is None or known is None:
        return mean
    if not abs(known) > 1e-10 * np.abs(numbers).max():
        raise ValueError(
            f"AR1({shock.name!r}, mean={shock.mean}, unit_mean=True) divides by the stationary mean, which is zero: "
            "give a mean that is not, or exponential=True."
        )
    return mean


def _price(what: str, states: float) -> None:
    """Raise SizeError for a chain whose matrix does not fit, or whose linear equations take too long."""
    cure = "declare fewer states, 2 to 30 are usual"
    require_room(what, cure, numbers=4.0 * float(states) ** 2, steps=float(states) ** 3)


def _rouwenhorst(xp, states: int, persistence):
    """Rouwenhorst's transition matrix: with p = (1 + persistence)/2, states n built from n - 1, inner rows halved.

    Source: Kopecky and Suen (2010), Review of Economic Dynamics 13(3), equation 4.
    """
    stay = 0.5 * (1.0 + persistence)
    matrix = xp.ones((1, 1))
    for size in range(2, states + 1):
        corners = ((0, 1), (0, 1)), ((0, 1), (1, 0)), ((1, 0), (0, 1)), ((1, 0), (1, 0))
        weights = stay, 1.0 - stay, 1.0 - stay, stay
        total = sum(weight * xp.pad(matrix, corner) for weight, corner in zip(weights, corners, strict=True))
        inner = (np.arange(size) > 0) & (np.arange(size) < size - 1)
        matrix = total * np.where(inner, 0.5, 1.0)[:, None]
    return matrix


def _tauchen(xp, values, persistence, innovation_sd):
    """Tauchen's transition matrix: the normal probability of the interval around each of the `values`, the ends open.

    Source: Tauchen (1986), Economics Letters 20(2), equation 3.
    """
    from scipy.special import ndtr  # loaded on first use

    normal = ndtr if xp is np else jax.scipy.special.ndtr
    edges = 0.5 * (values[1:] + values[:-1])
    away = (edges[None, :] - persistence * values[:, None]) / innovation_sd
    below, above = normal(away), normal(-away)  # each keeps the digits of its own tail
    inner = xp.where(away[:, 1:] + away[:, :-1] > 0, above[:, :-1] - above[:, 1:], below[:, 1:] - below[:, :-1])
    return xp.concatenate([below[:, :1], inner, above[:, -1:]], axis=1)


def to_chain(shock) -> MarkovChain | ConditionalChain:
    """A declared shock as a finite chain. Raises TypeError for anything that is not a shock."""
    if isinstance(shock, AR1):
        return discretize_ar1(shock)
    if isinstance(shock, VAR1):
        return discretize_var1(shock)
    if isinstance(shock, MarkovChain | ConditionalChain):
        return shock
    if type(shock).__module__.startswith("quantecon."):
        raise TypeError(
            "A quantecon.MarkovChain has no names for its values: declare hm.MarkovChain(chain, 'income') with the "
            "name of the quantity, or one name per column of its state values."
        )
    raise TypeError(f"{shock!r} is not a shock: declare a MarkovChain, an AR1, a VAR1 or a ConditionalChain.")


def declared_chains(shocks) -> list[MarkovChain]:
    """The result of aggregate_shocks(), one chain for each shock. Raises TypeError where one is conditional."""
    chains = [to_chain(shock) for shock in (shocks if isinstance(shocks, tuple | list) else (shocks,))]
    if any(isinstance(chain, ConditionalChain) for chain in chains):
        raise TypeError("aggregate_shocks() returned a ConditionalChain: only idiosyncratic shocks can be conditional.")
    return cast(list[MarkovChain], chains)


def combine(shocks) -> Chain:
    """One chain over all combinations of independent shocks, the first one slowest; one state when there are none."""
    chains = declared_chains(shocks)
    if not chains:
        return Chain(np.ones((1, 1)), Named("shocks", {}))
    count = math.prod(len(chain.transition) for chain in chains)
    _price(f"aggregate_shocks(): a chain over all {shown(count)} combinations", count)
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


def given_moves(own: MarkovChain | ConditionalChain, aggregate):
    """The idiosyncratic chain given every move of the `aggregate` (Z, Z): (Z, Z, E, E). Raises ValueError where it is
    conditional on another number of states."""
    xp = array_module(own)
    transition, count = xp.asarray(own.transition), aggregate.shape[0]
    if not isinstance(own, ConditionalChain):
        return xp.broadcast_to(transition, (count, count, *transition.shape))
    if len(transition) != count:
        raise ValueError(
            f"The idiosyncratic chain is conditional on {len(transition)} aggregate states but aggregate_shocks() has "
            f"{count}: give one block per pair of aggregate states."
        )
    return transition


def independent_chains(slow: Shock, fast: Shock) -> MarkovChain | ConditionalChain:
    """One idiosyncratic chain over two that move independently of each other, the states of `slow` outermost.

    Either is any shock, or the `permanent_types` of households, which are outermost always. The transition is the
    Kronecker product; both keep their names. Raises ValueError where both name the same quantity.
    """
    xp: Any = array_module(slow, fast)
    slow, fast = to_chain(slow), to_chain(fast)
    twice = set(slow.values) & set(fast.values)
    if twice:
        raise ValueError(f"independent_chains: both chains name '{min(twice)}': give each quantity its own name.")
    outer, inner = xp.asarray(slow.transition), xp.asarray(fast.transition)
    count = outer.shape[-1] * inner.shape[-1]
    _price(f"independent_chains: a chain over all {shown(count)} combinations", count)
    given = max(outer.shape[:-2], inner.shape[:-2], key=len)  # the aggregate move, where either is conditional on it
    outer, inner = (xp.broadcast_to(each, (*given, *each.shape[-2:])) for each in (outer, inner))
    types = [len(chain.shares) for chain in (slow, fast)]
    count, states = outer.shape[-1], inner.shape[-1]
    places = np.arange(count * states).reshape(types[0], count // types[0], types[1], states // types[1])
    order = places.swapaxes(1, 2).ravel()
    blocks = outer[..., :, None, :, None] * inner[..., None, :, None, :]
    transition = blocks.reshape(*blocks.shape[:-4], count * states, count * states)[..., order[:, None], order]
    values = {name: xp.repeat(xp.asarray(value), states)[order] for name, value in slow.values.items()}
    values |= {name: xp.tile(xp.asarray(value), count)[order] for name, value in fast.values.items()}
    kind = ConditionalChain if transition.ndim == 4 else MarkovChain
    shares = xp.kron(xp.asarray(slow.shares), xp.asarray(fast.shares))
    chain = eqx.tree_at(lambda chain: chain.shares, kind(transition, **values), shares)
    return with_asked(chain, {**slow.asked, **fast.asked})


def average_out(conditional, aggregate, shares=(1.0,)):
    """The idiosyncratic chain of an economy whose aggregate shock has been averaged out.

    P(e'|e) = sum_{z, z'} p(z|e) P(z'|z) P(e'|e, z, z') with p the stationary distribution of the joint chain, so the
    long-run share of every idiosyncratic state is unchanged. Where a share is zero, p(z|e) is the limit of small shares
    put there whatever z is: p(z). Arguments as in `joint_distribution`; returns (E, E).
    """
    share = joint_distribution(aggregate, conditional, shares)
    xp = array_module(share)
    share = xp.where(share.sum(axis=0) > EMPTY, share, share.sum(axis=1)[:, None])
    flows = xp.einsum("ze,zx,zxef->ef", share, aggregate, conditional)
    return flows / share.sum(axis=0)[:, None]


def chain_moments(shock: Any) -> dict[str, ChainMoments]:
    """Long-run moments of a declared shock, by quantity, beside those asked for: a `ChainMoments` each.

    `shock` is a `MarkovChain`, an `AR1`, a `VAR1` or one of several by `independent_chains`; with permanent types
    moments are over the whole population. Raises TypeError for a `ConditionalChain`, whose long run depends on the
    aggregate shocks (`hank-mfg show` has it), and ValueError where states do not connect.
    """
    chain = to_chain(shock)
    if not isinstance(chain, MarkovChain):
        raise TypeError("chain_moments() got a ConditionalChain: its long run depends on the aggregate shocks as well.")
    transition = np.asarray(chain.transition, np.float64)
    share = joint_distribution(np.ones((1, 1)), transition[None, None], np.asarray(chain.shares))[0]
    found = {
        name: chain_moments_of(values, transition, share, chain.asked.get(name))
        for name, values in chain.values.items()
    }
    related = correlations_of(chain.values, share, {name: each.exponential for name, each in chain.asked.items()})
    return {name: each._replace(correlations=related[name]) for name, each in found.items()}
