"""Shocks: finite Markov chains, AR(1) processes, and chains whose moves depend on the aggregate move.

Aggregate shocks are common to all households and are the only randomness that solvers sample; idiosyncratic shocks
average out and are integrated exactly. Several independent aggregate shocks are declared as a tuple. Timing: the state
of a chain is realized at the start of the period, before prices form and choices are made.
"""

import sys
from typing import Any, Literal, NamedTuple

import equinox as eqx
import numpy as np

from hank_mfg.model.concrete import array_module, concrete, numbers_of
from hank_mfg.model.named import Named
from hank_mfg.precision import is_traced


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


def _check_values(kind: str, values: dict, count: int, first: str = "transition", each: str = "state") -> None:
    if not values:
        raise ValueError(f"{kind} names no values: give at least one, for instance {kind}({first}, income=[0.5, 1]).")
    for name, value in values.items():
        numbers = concrete(value)
        if numbers is None:
            if not is_traced(value):
                raise ValueError(
                    f"{kind}({name}={value!r}) holds what is no number: give {name} one number per {each}."
                )
            continue
        if np.shape(numbers) != (count,):
            raise ValueError(
                f"{kind}({name}=...) has shape {np.shape(numbers)} but there are {count} {each}s: "
                f"give {name} one number per {each}."
            )
        if not np.all(np.isfinite(numbers)):
            raise ValueError(f"{kind}({name}={value}) is not finite: give {name} one finite number per {each}.")


class Asked(NamedTuple):
    """The stationary standard deviation and the autocorrelation that an AR(1) or a VAR(1) declared, of the log where
    `exponential`; of a VAR(1) also the `correlations` with its other variables, by name."""

    sd: Any
    persistence: Any
    exponential: bool
    correlations: Any = None


def with_asked(chain: Any, asked: dict[str, Asked]) -> Any:
    """The chain, with what was asked for by quantity."""
    return eqx.tree_at(lambda c: c.asked, chain, Named("asked moments", asked), is_leaf=lambda x: isinstance(x, Named))


def _of_quantecon(given: Any) -> bool:
    """Whether something is a `quantecon.MarkovChain`; where quantecon was never loaded nothing is."""
    module = sys.modules.get("quantecon.markov.core")
    return module is not None and isinstance(given, module.MarkovChain)


def _dense(given: Any) -> Any:
    """The transition matrix of a `quantecon.MarkovChain`; anything else as it is."""
    if not _of_quantecon(given):
        return given
    return given.P.toarray() if given.is_sparse else given.P


def _named_states(chain: Any, names: tuple[str, ...], values: dict[str, Any]) -> dict[str, Any]:
    """The state values of a `quantecon.MarkovChain` under the `names` given to them, beside other `values`."""
    if not names:
        return values
    what = f"MarkovChain(..., {', '.join(map(repr, names))})"
    if not _of_quantecon(chain):
        raise ValueError(
            f"{what} names the states of a quantecon.MarkovChain, and the first argument is none: give values by "
            "keyword, for instance income=[0.5, 1]."
        )
    if not all(isinstance(name, str) and name.isidentifier() for name in names) or len({*names, *values}) < len(
        names
    ) + len(values):
        raise ValueError(f"{what}: names are different texts without spaces, such as 'income'.")
    states = chain.state_values
    states = numbers_of("state_values of the quantecon.MarkovChain", np.arange(chain.n) if states is None else states)
    columns = states.reshape(len(states), -1).T
    if len(columns) != len(names):
        raise ValueError(
            f"{what} has {len(names)} names but every state has {len(columns)} values: name each of them, in their "
            "order."
        )
    return {**dict(zip(names, columns, strict=True)), **values}


def _matrix(kind: str, transition: Any) -> Any:
    """The transition as it is given. Raises ValueError for text, None, and rows of different lengths."""
    if concrete(transition) is None and not is_traced(transition):
        raise ValueError(f"{kind}(transition={transition!r}): give a matrix of numbers, rows of equal length.")
    return transition


class MarkovChain(eqx.Module):
    """A finite chain: `MarkovChain(transition, productivity=[0.99, 1.01], ...)`.

    `transition[i, j]` is the probability of state j tomorrow given i today; rows sum to one. Each keyword names a
    quantity and gives its value in every state, so one chain may move several quantities together. `shares` are those
    of permanent types, whose states lie together: one type unless `permanent_types` says otherwise. `asked` holds what
    an `AR1` or `VAR1` declared, where the chain was made from one.

    A `quantecon.MarkovChain` may take the place of the matrix, with the name of its state values, or one name for each
    of their columns: `MarkovChain(quantecon.markov.rouwenhorst(7, 0.9, 0.1), "log_income")`.

    Raises ValueError when a row does not sum to one or a list has the wrong length.
    """

    transition: Any
    values: Named
    shares: Any
    asked: Named

    def __init__(self, transition, /, *names: str, **values):
        self.transition = _matrix("MarkovChain", _dense(transition))
        self.values = Named("shock values", _named_states(transition, names, values))
        self.shares = np.ones(1)
        self.asked = Named("asked moments", {})

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
    `z` runs over the states of the aggregate shock (of all combinations, when there are several). `shares` as there.
    """

    transition: Any
    values: Named
    shares: Any
    asked: Named

    def __init__(self, transition, **values):
        self.transition = _matrix("ConditionalChain", transition)
        self.values = Named("shock values", values)
        self.shares = np.ones(1)
        self.asked = Named("asked moments", {})

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


def split_joint_chain(joint: Any, own_states: int) -> tuple[Any, Any]:
    """Split a joint chain over (aggregate, own) into the aggregate chain and the conditional one.

    `joint[(z, e), (z', e')]`, aggregate state slowest, shape (Z E, Z E), or a `quantecon.MarkovChain`. Returns
    `(aggregate, conditional)` of shapes (Z, Z) and (Z, Z, E, E) with joint = aggregate x conditional. Raises ValueError
    when the aggregate move depends on the individual's own state by more than 1e-6: then the aggregate is not a Markov
    chain of its own.
    """
    joint = _dense(joint)
    xp: Any = array_module(joint)
    joint = xp.asarray(joint, dtype=float) if xp is not np else numbers_of("joint", joint)
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


def permanent_types(shares: Any, **values) -> MarkovChain:
    """Types that households never change: `permanent_types([0.4, 0.6], patience=[0.97, 0.99])`.

    `shares` is the fraction of the population of every type, (types,), positive and summing to one within 1e-8; nothing
    is renormalized. Each keyword names a quantity and gives its value for every type. Combine them with the risk that
    households face by `independent_chains(types, risk)`: whatever happens, each type keeps its share.

    Raises ValueError when shares are no such fractions or a list has the wrong length.
    """
    numbers = concrete(shares)
    if numbers is not None:
        _check_shares(numbers, 1e-6 if getattr(shares, "dtype", None) == np.float32 else 1e-8)
    shares = array_module(shares).asarray(shares)
    _check_values("permanent_types", values, len(shares), "shares", "type")
    return eqx.tree_at(lambda chain: chain.shares, MarkovChain(np.eye(len(shares)), **values), shares)


def _check_shares(shares: np.ndarray, rounding: float) -> None:
    if shares.ndim != 1 or not shares.size:
        raise ValueError(
            f"permanent_types: shares has shape {shares.shape}: give one number per type, for instance [0.4, 0.6]."
        )
    wrong = ~(np.isfinite(shares) & (shares > 0))
    if wrong.any():
        place = int(np.argmax(wrong))
        raise ValueError(
            f"permanent_types: shares[{place}] = {shares[place]:g}: a share is a positive fraction of the population; "
            "correct it, or leave out a type without households."
        )
    if abs(shares.sum() - 1) > rounding:
        raise ValueError(
            f"permanent_types: shares sum to {shares.sum():.10g}, not 1: they are fractions of the population; correct "
            "them, for instance [0.4, 0.6]."
        )


class AR1(eqx.Module):
    """x' = (1 - persistence) mean + persistence x + innovation, discretized to a chain of `states` values.

    Give exactly one of `innovation_sd` (of the innovation) and `stationary_sd` (of x itself, =
    innovation_sd / sqrt(1 - persistence^2)). With `exponential=True` the quantity is exp(x), for instance
    productivity or labor; with `unit_mean=True` the values are then divided by their stationary mean.

    `method="rouwenhorst"` (default; exact first two moments, good at high persistence) or `"tauchen"` (grid of
    `width` stationary standard deviations on each side). A chain of Tauchen's has other moments than were asked for,
    far off at high persistence: a warning says so where the standard deviation departs by more than `tolerance`,
    relative, or the autocorrelation, relative to 1 - |persistence|; `chain_moments` gives both. Set a larger
    `tolerance`, or None, where the chain itself is what a paper used. Source: Kopecky and Suen (2010); Tauchen (1986).
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
    tolerance: float | None = eqx.field(static=True, default=0.05)

    def __check_init__(self):
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ValueError(f"AR1({self.name!r}): the name of a shock is a text without spaces, such as 'labor'.")
        self._check_numbers()
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
        if self.tolerance is not None and not self.tolerance > 0:
            raise ValueError(
                f"AR1({self.name!r}, tolerance={self.tolerance}): give the relative error of moments above which to "
                "warn, for instance 0.05, or None for no warning."
            )

    def _check_numbers(self) -> None:
        """Every number is one finite number, and the grid has a width."""
        for field in ("persistence", "innovation_sd", "stationary_sd", "mean"):
            given = getattr(self, field)
            value = concrete(given)
            if given is None and field != "persistence" and field != "mean":
                continue
            if value is None and not is_traced(given):
                raise ValueError(f"AR1({self.name!r}, {field}={given!r}): {field} must be a number.")
            if value is not None and value.size != 1:
                raise ValueError(f"AR1({self.name!r}, {field}={given!r}): {field} must be one number.")
        mean = concrete(self.mean)
        if mean is not None and not np.isfinite(mean).all():
            raise ValueError(f"AR1({self.name!r}, mean={self.mean}): the mean must be finite.")
        if not (np.isfinite(self.width) and self.width > 0):
            raise ValueError(
                f"AR1({self.name!r}, width={self.width}): the grid reaches so many standard deviations to each side: "
                "give a positive number, usually 3."
            )
