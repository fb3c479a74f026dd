"""The long run of a finite chain: its stationary distribution, and the moments that it achieves."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hank_mfg.errors import warn_user
from hank_mfg.files import as_latex
from hank_mfg.model.concrete import array_module, concrete
from hank_mfg.model.shocks import AR1

if TYPE_CHECKING:
    import pandas as pd

SLOW = 1e-4  # a state that is left less often, or
RARE = 1e-10  # one that is visited less often, takes an elimination without subtractions
LARGEST = 2_000  # states for which it is done


class ChainMoments(NamedTuple):
    """Long-run moments of one quantity of a chain: `mean`, `sd` and `autocorrelation` of its level, and the
    same of its log, None where it is not positive everywhere; `asked_sd` and `asked_autocorrelation` are those that an
    `AR1` or `VAR1` declared, of the log where `exponential`, else of the level, None for other chains. An
    autocorrelation is None where nothing varies. `correlations` are those with the other quantities of the chain, by
    name, of logs where those were declared `exponential`; None with one that does not vary. `asked_correlations` are
    those that a `VAR1` declared."""

    mean: float
    sd: float
    autocorrelation: float | None
    log_mean: float | None
    log_sd: float | None
    log_autocorrelation: float | None
    asked_sd: float | None = None
    asked_autocorrelation: float | None = None
    exponential: bool = False
    correlations: dict[str, float | None] | None = None
    asked_correlations: dict[str, float] | None = None

    def table(self) -> "pd.DataFrame":
        """Mean, standard deviation and autocorrelation: of the level, of the log, and as asked for; missing where there
        is none."""
        import pandas as pd

        columns = {
            "level": (self.mean, self.sd, self.autocorrelation),
            "log": (self.log_mean, self.log_sd, self.log_autocorrelation),
            f"asked for, of the {'log' if self.exponential else 'level'}": (
                None, self.asked_sd, self.asked_autocorrelation,
            ),
        }  # fmt: skip
        return pd.DataFrame(columns, index=pd.Index(["mean", "sd", "autocorrelation"], name="moment"), dtype=float)

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        return as_latex(self.table(), path, **options)


def stationary_distribution(transition, cure: str = "connect them"):
    """The stationary distribution of a chain whose states connect, by a linear solve: p' P = p', sum p = 1.

    `transition` (n, n), rows today. Returns (n,). Raises ValueError that ends with the `cure` where there are several
    closed sets of states: then the shares of those sets are whatever they were at first.
    """
    xp = array_module(transition)
    states = transition.shape[0]
    closed = _never_left(transition)
    if len(closed) > 1:
        raise ValueError(
            f"The chain has {len(closed)} closed sets of states that are never left, around states {closed[0]} "
            f"and {closed[1]}, and nothing says how many are in each: {cure}."
        )
    last = np.arange(states) == states - 1
    system = xp.where(last[:, None], 1.0, xp.asarray(transition).T - np.eye(states))
    right = xp.asarray(last, dtype=system.dtype)
    numbers = concrete(transition)
    if numbers is None or not 1 < states <= LARGEST:
        return xp.linalg.solve(system, right)
    if (numbers.sum(axis=1) - np.diag(numbers)).min() > SLOW:
        share = np.linalg.solve(system, right)
        if share.min() > RARE:
            return share
    return _eliminate(numbers, closed[0])


def _never_left(transition) -> list[int]:
    """The first state of every closed set of a chain; none where the chain is traced."""
    numbers = concrete(transition)
    if numbers is None:
        return []
    from scipy.sparse.csgraph import connected_components  # loaded on first use

    moves = numbers > 0
    count, label = connected_components(moves, connection="strong")
    leaves = np.zeros(count, bool)
    np.logical_or.at(leaves, label, (moves & (label[:, None] != label)).any(axis=1))
    return [int(np.argmax(label == place)) for place in np.flatnonzero(~leaves)]


def _eliminate(transition: np.ndarray, member: int) -> np.ndarray:
    """The stationary distribution by eliminating states one after the other, without a subtraction, so that every
    share is right to rounding of its own; zero outside the closed set of which `member` is a state.

    Source: Grassmann, Taksar and Heyman (1985), Operations Research 33(5).
    """
    from scipy.sparse.csgraph import connected_components  # loaded on first use

    label = connected_components(transition > 0, connection="strong")[1]
    places = np.flatnonzero(label == label[member])
    moves = np.array(transition[np.ix_(places, places)], np.float64)
    for last in range(len(places) - 1, 0, -1):
        moves[:last, last] /= moves[last, :last].sum()
        moves[:last, :last] += np.outer(moves[:last, last], moves[last, :last])
    share = np.ones(len(places))
    for state in range(1, len(places)):
        share[state] = share[:state] @ moves[:state, state]
        share[: state + 1] /= share[: state + 1].max()  # no overflow where shares differ by hundreds of orders
    found = np.zeros(len(transition))
    found[places] = share / share.sum()
    return found


def moments_of(values: Any, transition: Any, share: Any) -> tuple[float, float, float | None]:
    """Mean, standard deviation and autocorrelation of `values` (states,) in the long run, `share` (states,)."""
    values, transition, share = (np.asarray(each, np.float64) for each in (values, transition, share))
    size = np.abs(values).max() or 1.0
    scaled = values / size
    mean = share @ scaled
    gaps = scaled - mean
    variance = share @ gaps**2
    if len(np.unique(values)) == 1 or not variance > 0:
        return float(size * mean), 0.0, None
    return float(size * mean), float(size * np.sqrt(variance)), float(share @ (gaps * (transition @ gaps)) / variance)


def chain_moments_of(values: Any, transition: Any, share: Any, asked: Any = None) -> ChainMoments:
    """The moments of one quantity, (states,), in the long run, beside those that were `asked` for, if any."""
    level, log = moments_of(values, transition, share), (None, None, None)
    if np.min(values) > 0:
        log = moments_of(np.log(np.asarray(values, np.float64)), transition, share)
    if asked is None:
        return ChainMoments(*level, *log)
    related = None if asked.correlations is None else {k: float(v) for k, v in asked.correlations.items()}
    return ChainMoments(*level, *log, float(asked.sd), float(asked.persistence), bool(asked.exponential), None, related)


def correlations_of(values: Mapping[str, Any], share: Any, exponential: Mapping[str, bool]) -> dict[str, dict]:
    """Correlations of every quantity, (states,), with every other in the long run, of logs where `exponential`."""
    share = np.asarray(share, np.float64)
    gaps = {}
    for name, each in values.items():
        level = np.asarray(each, np.float64)
        level = np.log(level) if exponential.get(name, False) else level
        level = level - level[0]
        gaps[name] = level - share @ level
    sd = {name: np.sqrt(share @ gap**2) for name, gap in gaps.items()}

    def one(name: str, other: str) -> float | None:
        scale = sd[name] * sd[other]
        return float(share @ (gaps[name] * gaps[other]) / scale) if scale > 0 else None

    return {name: {other: one(name, other) for other in gaps if other != name} for name in gaps}


def check_moments(shock: AR1, transition: Any, values: Any) -> None:
    """Warn where the chain of an AR(1) departs from what was asked for by more than its `tolerance`: in the standard
    deviation, relative, or in the autocorrelation, relative to 1 - |persistence|. Raises ValueError where the chain
    never leaves its states, the probability being below the smallest number."""
    if shock.tolerance is None or any(concrete(each) is None for each in (transition, values, shock.persistence)):
        return
    declared = f"AR1({shock.name!r}, states={shock.states}, method={shock.method!r})"
    if len(_never_left(transition)) > 1:
        raise ValueError(
            f"{declared} never leaves its states at persistence={float(shock.persistence):.10g}: probabilities are "
            "below the smallest number; use method='rouwenhorst', or many more states."
        )
    _, sd, persistence = moments_of(values - np.mean(values), transition, stationary_distribution(transition))
    asked = float(np.asarray(shock.persistence))
    given = shock.innovation_sd if shock.stationary_sd is None else shock.stationary_sd
    asked_sd = float(np.asarray(given)) / (np.sqrt(1.0 - asked**2) if shock.stationary_sd is None else 1.0)
    if persistence is None:
        return
    if max(abs(sd / asked_sd - 1.0), abs(persistence - asked) / (1.0 - abs(asked))) > shock.tolerance:
        warn_user(
            f"{declared} has the standard deviation {sd:.4g} instead of {asked_sd:.4g} and the autocorrelation "
            f"{persistence:.5g} instead of {asked:.5g}{', of the log' if shock.exponential else ''}: use "
            "method='rouwenhorst', which has both exactly, or more states."
        )
