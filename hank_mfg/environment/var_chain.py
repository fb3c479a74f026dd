"""The chain of a vector autoregression: quantecon's simulation, corrected to have the moments that were declared.

`quantecon.markov.discrete_var` counts where a long simulation of x' = B x + C u falls on a grid. On few points the
chain's own persistence, A(B) = G1 G0^-1 with G0 = E[x x'] and G1 = E[x' x'] a period apart, is below B, and its
variance above. B is found such that A(B) is what was declared, by B <- B + (A - A(B)) with the same draws in every
step, shortened where B would no longer be stationary. First innovations are those declared; where that does not end at
A(B) = A, their covariance is S - B S B' (what is negative in it set to zero), so that the process simulated has the
covariance S whatever B is. Values are then mapped to L_S L_0^-1 (x - E x), Cholesky factors
of the declared covariance S and of G0: a linear map, which changes neither the chain nor, where A(B) = A holds in the
declared units, its persistence. So B is searched in these units, the map being part of every step.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hank_mfg.environment.long_run import stationary_distribution
from hank_mfg.errors import warn_user
from hank_mfg.model.shocks import Asked, MarkovChain, with_asked
from hank_mfg.model.var1 import VAR1, radius, stationary_covariance
from hank_mfg.sizes import require_room

STEPS, PATIENCE = 30, 6  # of the search for the persistence that is simulated, and without a better one
CLOSE = 5e-3  # of 1 - max|eigenvalue|: the chain's persistence is then the declared one
DIGITS = 6  # of the numbers that are simulated, so that float32 and float64 models have the same states


class _Discretized(NamedTuple):
    """A `transition` (states, states), standardized `values` (states, variables) of mean zero and covariance S, and the
    chain's own `persistence` (variables, variables)."""

    transition: np.ndarray
    values: np.ndarray
    persistence: np.ndarray


def discretize_var1(shock: VAR1) -> MarkovChain:
    """The finite chain of a VAR(1), one quantity per variable. Warns where its persistence is not what was declared by
    more than the `tolerance`; raises ValueError where values are beyond the largest number or their mean is zero."""
    persistence, innovations, mean = shock.numbers()
    covariance = stationary_covariance(persistence, innovations)
    count = float(np.prod([float(each) for each in shock.states]))
    require_room(
        f"{_declared(shock)}: a chain over {count:g} combinations", "declare fewer states, 5 to 11 are usual",
        numbers=4.0 * count**2, steps=count**3,
    )  # fmt: skip
    deviation = np.sqrt(np.diag(covariance))
    found = _discretized(
        _rounded(persistence * deviation / deviation[:, None]), _rounded(innovations / np.outer(deviation, deviation)),
        tuple(map(int, shock.states)), float(shock.width), int(shock.draws), int(shock.seed),
    )  # fmt: skip
    share = stationary_distribution(found.transition)
    values = mean + _with_covariance(found.values, share, covariance)
    _check_persistence(shock, found.persistence * deviation[:, None] / deviation, persistence)
    own = np.diag(persistence @ covariance) / np.diag(covariance)
    related = covariance / np.outer(deviation, deviation)
    levels, asked = {}, {}
    for place, name in enumerate(shock.names):
        levels[name] = _levels(shock, place, values[:, place], share)
        others = {other: float(related[place, at]) for at, other in enumerate(shock.names) if at != place}
        asked[name] = Asked(float(deviation[place]), float(own[place]), bool(shock.exponential[place]), others)
    return with_asked(MarkovChain(found.transition, **levels), asked)


def _declared(shock: VAR1) -> str:
    return f"VAR1({', '.join(map(repr, shock.names))}, states={list(shock.states)})"


def _rounded(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(f"{number:.{DIGITS}g}") + 0.0 for number in row) for row in matrix)


@functools.lru_cache(maxsize=64)
def _discretized(persistence, innovations, states, width, draws, seed) -> _Discretized:
    """The chain of the VAR whose variables have a standard deviation of one."""
    asked, innovations = np.array(persistence), np.array(innovations)
    covariance = stationary_covariance(asked, innovations)

    def simulate(simulated: np.ndarray, fixed: bool) -> _Discretized | None:
        moved = innovations if fixed else covariance - simulated @ covariance @ simulated.T
        grid = {"states": states, "width": width, "draws": draws, "seed": seed}
        return _simulated(simulated, _root(moved), covariance, **grid)

    best, gap = None, np.inf
    for fixed in (True, False):
        chain, left = _search(lambda simulated, fixed=fixed: simulate(simulated, fixed), asked)
        if left < gap:
            best, gap = chain, left
        if gap <= CLOSE * (1.0 - radius(asked)):
            break
    if best is None:
        raise ValueError(
            f"VAR1: the simulation of {draws} draws visits too few of the {list(states)} states for a chain: declare "
            "more states, a smaller width or more draws."
        )
    return best


def _search(
    simulate: Callable[[np.ndarray], _Discretized | None], asked: np.ndarray
) -> tuple[_Discretized | None, float]:
    """The chain whose own persistence is closest to what was `asked`, and the largest difference that is left."""
    simulated, best, gap, found = asked.copy(), None, np.inf, 0
    for attempt in range(STEPS):
        chain = simulate(simulated)
        if chain is None:
            break
        missing = asked - chain.persistence
        if np.abs(missing).max() < gap:
            best, gap, found = chain, float(np.abs(missing).max()), attempt
        if gap <= CLOSE * (1.0 - radius(asked)) or attempt - found == PATIENCE:
            break
        step, limit = 1.0, 0.5 * (1.0 + max(radius(simulated), radius(asked)))
        while radius(simulated + step * missing) > limit:
            step *= 0.5
        simulated = simulated + step * missing
    return best, gap


def _root(covariance: np.ndarray) -> np.ndarray:
    """C with C C' = covariance, what is negative in it set to zero."""
    size, directions = np.linalg.eigh(covariance)
    return directions * np.sqrt(np.maximum(size, 0.0))


def _simulated(persistence, loading, covariance, *, states, width, draws, seed) -> _Discretized | None:
    """One chain of quantecon's, values mapped to the covariance; None where its variables are not independent."""
    import quantecon.markov  # loaded on first use: it brings numba

    chain = quantecon.markov.discrete_var(
        persistence, loading, list(states), std_devs=width, sim_length=draws, random_state=seed
    )
    transition, values = np.asarray(chain.P, np.float64), np.asarray(chain.state_values, np.float64)
    share = stationary_distribution(transition)
    gaps = values - share @ values
    if not np.linalg.eigvalsh((gaps * share[:, None]).T @ gaps).min() > 1e-12:
        return None
    values = _with_covariance(values, share, covariance)
    ahead = (transition @ values).T @ (share[:, None] * values)
    return _Discretized(transition, values, np.linalg.solve(covariance, ahead.T).T)


def _with_covariance(values: np.ndarray, share: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Values (states, variables) mapped linearly to mean zero and a covariance in the long run."""
    gaps = values - share @ values
    own = np.linalg.cholesky((gaps * share[:, None]).T @ gaps)
    return gaps @ np.linalg.solve(own.T, np.linalg.cholesky(covariance).T)


def _check_persistence(shock: VAR1, achieved: np.ndarray, asked: np.ndarray) -> None:
    gap = np.abs(achieved - asked).max()
    if shock.tolerance is not None and gap > shock.tolerance * (1.0 - radius(asked)):
        warn_user(
            f"{_declared(shock)} has the persistence {np.round(achieved, 4).tolist()} instead of "
            f"{np.round(asked, 4).tolist()}: declare more states or more draws."
        )


def _levels(shock: VAR1, place: int, values: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The values of a variable, of its exponential and divided by its mean where that is declared."""
    name = shock.names[place]
    if shock.exponential[place]:
        if values.max() > 700.0:
            raise ValueError(
                f"{_declared(shock)}: the largest state of {name} is exp({values.max():.4g}), not a number: the mean "
                "and the covariance are those of the log, so give them in log points."
            )
        values = np.exp(values)
    if shock.unit_mean[place]:
        mean = share @ values
        if not abs(mean) > 1e-10 * np.abs(values).max():
            raise ValueError(
                f"{_declared(shock)}, unit_mean=True divides {name} by its stationary mean, which is zero: give a mean "
                "that is not, or exponential=True."
            )
        values = values / mean
    return values
