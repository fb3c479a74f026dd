"""Correlated shocks: a vector autoregression of order one, declared by its persistence and its innovations."""

import math
from typing import Any

import equinox as eqx
import numpy as np

from hank_mfg.model.concrete import concrete
from hank_mfg.precision import is_traced


def radius(matrix: np.ndarray) -> float:
    """The largest absolute value of an eigenvalue."""
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def stationary_covariance(persistence: np.ndarray, innovation_covariance: np.ndarray) -> np.ndarray:
    """The covariance S = A S A' + Omega of x' = A x + e in the long run, e of covariance Omega: (k, k), symmetric."""
    from scipy.linalg import solve_discrete_lyapunov  # loaded on first use

    found = solve_discrete_lyapunov(persistence, innovation_covariance)
    return 0.5 * (found + found.T)


class VAR1(eqx.Module):
    """x' = mean + A (x - mean) + e, e normal with covariance Omega, discretized to one chain over all variables.

        hm.VAR1("productivity", "spending", persistence=[[0.9, 0.05], [0.0, 0.8]],
                innovation_covariance=[[1e-4, 3e-5], [3e-5, 2e-4]], exponential=True)

    The names of the variables come first. `persistence` is A (variables, variables): row i says how the i-th variable
    depends on all of them a period before; its eigenvalues lie inside the unit circle. `innovation_covariance` is
    Omega, symmetric and positive semi-definite; the covariance in the long run, S = A S A' + Omega, must be invertible.
    `mean` is one number or one per variable. `exponential` and `unit_mean` are as for `AR1`, one flag for all variables
    or one for each: the quantity is exp(x), and values are divided by their stationary mean.

    The chain is that of `quantecon.markov.discrete_var`, estimated from a simulation of `draws` periods on a grid that
    reaches `width` stationary standard deviations to each side, with `states` points, one number or one per variable;
    combinations that the simulation never visits are left out. Counting where a simulation falls makes a variable less
    persistent and more dispersed. Both are undone: the persistence that is simulated is chosen such that the chain's
    own, E[x' x] E[x x]^-1, is A, and values are mapped linearly so that their long-run mean and covariance are those
    declared, to rounding. Where the chain's persistence still departs from A by more than `tolerance` times
    1 - max|eigenvalue|, as on few points at high persistence, a warning says so; None silences it. `seed` draws the
    simulation: the same declaration gives the same chain. Autocovariances at two lags and more are those of the chain,
    not of the VAR.

    A simulation cannot be differentiated: parameters of it must be numbers. The first chain of a process takes seconds
    more, while quantecon is loaded and compiled. Raises ValueError for numbers that declare no stationary process.
    Source: Schmitt-Grohé and Uribe (2014), Economics Bulletin 34(3), for the chain.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    persistence: Any
    innovation_covariance: Any
    mean: Any
    states: tuple[int, ...] = eqx.field(static=True)
    exponential: tuple[bool, ...] = eqx.field(static=True)
    unit_mean: tuple[bool, ...] = eqx.field(static=True)
    width: float = eqx.field(static=True)
    tolerance: float | None = eqx.field(static=True)
    draws: int = eqx.field(static=True)
    seed: int = eqx.field(static=True)

    def __init__(
        self, *names: str, persistence: Any, innovation_covariance: Any, mean: Any = 0.0, states: Any = 7,
        exponential: Any = False, unit_mean: Any = False, width: float = math.sqrt(10.0),
        tolerance: float | None = 0.05, draws: int = 200_000, seed: int = 0,
    ):  # fmt: skip
        self.names, self.persistence, self.innovation_covariance, self.mean = (
            names, persistence, innovation_covariance, mean,
        )  # fmt: skip
        self.states = self._each("states", states)
        self.exponential, self.unit_mean = self._each("exponential", exponential), self._each("unit_mean", unit_mean)
        self.width, self.tolerance, self.draws, self.seed = width, tolerance, draws, seed

    def _each(self, field: str, given: Any) -> tuple:
        """One entry per variable, of one for all or a list."""
        entries = tuple(given) if isinstance(given, list | tuple | np.ndarray) else (given,) * len(self.names)
        if len(entries) != len(self.names):
            self._refuse(f"{field}={given!r}", f"give one entry for all, or {len(self.names)}, one per variable")
        return entries

    def _refuse(self, what: str, cure: str) -> None:
        shown = " ".join(what.split())  # arrays are printed over several lines
        raise ValueError(f"VAR1({', '.join(map(repr, self.names))}, {shown}): {cure}.")

    def __check_init__(self):
        for name in self.names:
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError(f"VAR1({name!r}, ...): the name of a shock is a text without spaces, such as 'labor'.")
        if len(self.names) < 2 or len(set(self.names)) < len(self.names):
            raise ValueError(
                f"VAR1 names {self.names}: name two variables or more, all different; one alone is an hm.AR1."
            )
        self._check_options()
        persistence = self._matrix("persistence")
        innovations = self._matrix("innovation_covariance")
        self._numbers("mean", (len(self.names),), scalar=True)
        if radius(persistence) >= 1.0:
            self._refuse(
                f"persistence={self.persistence!r}",
                f"the largest eigenvalue, {radius(persistence):.6g}, must lie inside the unit circle: lower the "
                "persistence slightly",
            )
        lowest, size = np.linalg.eigvalsh(innovations).min(), np.abs(innovations).max()
        if np.abs(innovations - innovations.T).max() > 1e-6 * size or lowest < -1e-6 * size or size == 0.0:
            self._refuse(
                f"innovation_covariance={self.innovation_covariance!r}",
                "a covariance is symmetric, its eigenvalues are not negative, and not all are zero: give C C' where C "
                "multiplies independent innovations of variance one",
            )
        spread = np.linalg.eigvalsh(_correlations(stationary_covariance(persistence, innovations)))
        if not spread.min() > 1e-9:
            self._refuse(
                f"innovation_covariance={self.innovation_covariance!r}",
                "a variable never moves, or is a combination of others in the long run: leave that variable out and "
                "compute it in the model",
            )

    def _check_options(self) -> None:
        for count in self.states:
            if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 2:
                self._refuse(f"states={count!r}", "give whole numbers of points, 2 or more; 5 to 11 are usual")
        if not (np.isfinite(self.width) and self.width > 0):
            self._refuse(f"width={self.width}", "give a positive number of standard deviations, usually 3")
        if self.tolerance is not None and not self.tolerance > 0:
            self._refuse(f"tolerance={self.tolerance}", "give a positive number, for instance 0.05, or None")
        if not isinstance(self.draws, int | np.integer) or self.draws < 10_000:
            self._refuse(f"draws={self.draws!r}", "give a whole number of periods, 10000 or more")
        if not isinstance(self.seed, int | np.integer) or not 0 <= self.seed < 2**32:
            self._refuse(f"seed={self.seed!r}", "give a whole number from 0 to 2^32 - 1")

    def _matrix(self, field: str) -> np.ndarray:
        return self._numbers(field, (len(self.names), len(self.names)))

    def _numbers(self, field: str, shape: tuple[int, ...], scalar: bool = False) -> np.ndarray:
        """A field as finite numbers of a shape. Raises ValueError for others, and for what is traced."""
        given = getattr(self, field)
        if is_traced(given):
            self._refuse(
                f"{field}=a traced value",
                "its chain comes from a simulation, which cannot be differentiated or batched: give plain numbers that "
                "do not depend on the parameter",
            )
        numbers = concrete(given)
        if numbers is None or (numbers.shape != shape and not (scalar and numbers.shape == ())):
            self._refuse(f"{field}={given!r}", f"give numbers of shape {shape}, variables in the order of the names")
        assert numbers is not None
        if not np.isfinite(numbers).all():
            self._refuse(f"{field}={given!r}", "give finite numbers")
        return np.broadcast_to(numbers, shape)

    def numbers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The persistence and the innovation covariance, (variables, variables) each, and the mean (variables,)."""
        return self._matrix("persistence"), self._matrix("innovation_covariance"), self._numbers(
            "mean", (len(self.names),), scalar=True
        )  # fmt: skip


def _correlations(covariance: np.ndarray) -> np.ndarray:
    """Correlations; all zero where a variance is not positive."""
    variance = np.diag(covariance)
    if not np.all(variance > 0):
        return np.zeros_like(covariance)
    return covariance / np.sqrt(np.outer(variance, variance))
