"""Posteriors whose likelihood is only estimated: draws by importance sampling.

Points spread over the box and then around what was found before, in rounds, find where the posterior lies; further
rounds draw from there. The estimate of the likelihood is unbiased, so that weighted draws tell the exact posterior as
their number grows, however few particles there are: the number of particles only decides how many draws count. No draw
waits for another one, and no chain has to mix.

With a folder every evaluation is kept, and the same call goes on where it was cut off, with the same numbers.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.errors import warn_user
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.particles import ParticleLikelihood
from hank_mfg.estimate.posterior.drawn import Drawn
from hank_mfg.estimate.posterior.estimated_density import EstimatedDensity
from hank_mfg.estimate.posterior.importance import Proposal, Weighted, effective, resampled, weighted
from hank_mfg.estimate.posterior.kept import Kept
from hank_mfg.estimate.posterior.priors import Target
from hank_mfg.parallel import in_pieces

if TYPE_CHECKING:
    import pandas as pd

ROUNDS, MOST = 3, 16  # that explore: at least, and at most, until their weights tell a covariance
BATCH = 200  # draws between two fits of their proposal
NOISY = 1.7  # Monte Carlo error of the log likelihood with which hardly any draw counts
ENOUGH = 50  # effective draws below which a table says little
HEAVY = 0.7  # shape of the tail of weights above which a few of them decide (Vehtari et al. 2024)
NEAR, LEANING = 0.05, 4.0  # share of a box next to its end, and how many times its share of draws is too many
METHOD = "quadratic"  # part of the identity of an estimation: other proposals give other points
REPEATS = 8  # estimates from which the error is measured


@dataclasses.dataclass(frozen=True)
class ParticlePosterior(Drawn):
    """A posterior of parameters of a global solution.

    `draws` maps every parameter to (1, draws), drawn again by their weights so that each counts the same, some of them
    more than once; `values` are those that were evaluated, (draws,) each, and `weights` (draws,) add up to one.
    `sample` has their points on the whole line, log densities and those of the proposals; `explored` is the same of the
    rounds before. `error` is the standard deviation of the estimated log likelihood at the mean; `seconds` maps
    "explored" and "draws" to what they took.
    """

    likelihood: ParticleLikelihood
    target: Target
    draws: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    weights: np.ndarray
    sample: Weighted
    explored: Weighted
    error: float
    seconds: dict[str, float]

    def __repr__(self) -> str:
        means = ", ".join(f"{name} = {value:.4g}" for name, value in self.center.items())
        return (
            f"ParticlePosterior(means: {means}; {self.sizes}; Monte Carlo "
            f"error of the log likelihood {self.error:.2f}; {self.likelihood.precision})"
        )

    @property
    def center(self) -> dict[str, float]:
        """The mean of every parameter."""
        return {name: float(self.weights @ each) for name, each in self.values.items()}

    @property
    def sizes(self) -> str:
        """How many draws there are, and how many of them count."""
        return f"{len(self.weights)} draws by importance sampling, of which {self.effective:.0f} count"

    @property
    def effective(self) -> float:
        """The effective number of draws, 1 / sum of squared weights."""
        return effective(self.weights)

    @property
    def tail(self) -> float:
        """The shape of the tail of the weights (Pareto k, by arviz): above .7 a few draws decide."""
        import arviz

        return float(arviz.psislw(self.sample.log_weights)[1])

    def table(self, interval: float = 0.9) -> "pd.DataFrame":
        """One row a parameter: the mean, its Monte Carlo standard error, the standard deviation, the ends of the
        central `interval`, and the effective sample size of the mean."""
        import pandas as pd

        rows, tail = [], 0.5 * (1.0 - interval)
        for name, values in self.values.items():
            away = values - self.center[name]
            sd, error = np.sqrt(self.weights @ away**2), np.sqrt(np.sum((self.weights * away) ** 2))
            rows.append([self.center[name], error, sd, *np.quantile(self.draws[name], (tail, 1.0 - tail)),
                         float("nan") if error == 0 else (sd / error) ** 2])  # fmt: skip
        ends = [f"{100 * level:.3g} %" for level in (tail, 1.0 - tail)]
        columns = ["mean", "s.e. of the mean", "sd", *ends, "ESS"]
        return pd.DataFrame(rows, index=pd.Index(self.values, name="parameter"), columns=columns)

    def log_marginal_density(self) -> dict[str, float]:
        """log p(data), the prior cut to the box, by the mean weight, and its Monte Carlo standard error."""
        logs, count = self.sample.log_weights, len(self.weights)
        value = float(logs.max() + np.log(np.mean(np.exp(logs - logs.max()))))
        error = float(np.sqrt(np.maximum(count / self.effective - 1.0, 0.0) / count))
        return {"importance sampling": value, "standard error": error}

    def _warn(self) -> None:
        """Warn of draws that say too little, and where they lean on an end of the box."""
        if not self.error <= NOISY:
            warn_user(
                f"The log likelihood has a Monte Carlo error of {self.error:.2g}, with which hardly any draw counts: "
                f"raise particles, to about {int(self.likelihood.particles * self.error**2)}, or measurement errors."
            )
        if self.effective < ENOUGH or self.tail > HEAVY:
            warn_user(
                f"The draws do not tell the posterior yet: {self.effective:.0f} of {len(self.weights)} count (at least "
                f"{ENOUGH} are needed), and the tail of their weights has the shape {self.tail:.2f} (at most {HEAVY}): "
                "raise draws, or particles."
            )
        for name, (low, high) in self.likelihood.box.items():
            places = (self.draws[name] - low) / (high - low)
            for end, share in ((low, np.mean(places < NEAR)), (high, np.mean(places > 1.0 - NEAR))):
                if share > LEANING * NEAR:
                    warn_user(
                        f"{100 * share:.2g} % of the draws of {name} lie within {100 * NEAR:g} % of the box of its "
                        f"end {end:g}, which cuts the posterior off: solve over a box that reaches further, or ask "
                        "whether the model can produce the data (raise measurement errors, or estimate them)."
                    )


def sample_posterior(
    likelihood: ParticleLikelihood, target: Target, *, draws: int, explore: int, seed: int,
    folder: Path | None, executor: concurrent.futures.Executor | None, callback: Callable[[str], None] | None,
) -> ParticlePosterior:  # fmt: skip
    """Explore in rounds, then draw. Raises EstimationError where no point has a density, and for a folder of another
    estimation."""
    density = EstimatedDensity(likelihood, target)
    density.warn_of_truncation()
    settings = json.dumps([likelihood.identity(), target.free, explore, seed, ROUNDS, MOST, BATCH, METHOD])
    kept = Kept(folder, hashlib.sha256(settings.encode()).hexdigest())
    begin = time.perf_counter()
    explored = _Rounds(density, kept, "explored", _seed(seed, 0), executor, callback)
    proposal = density.prior_in_box()
    while True:
        explored.add(proposal, explore, explore, f"round {len(explored.parts) + 1} of {ROUNDS} to {MOST}")
        found, count = explored.found, len(explored.parts)
        if count == MOST or (count >= ROUNDS and found.enough):
            break
        proposal = found.proposal(explores=True)
    if not np.isfinite(found.log_density).any():
        raise EstimationError(
            "No point of the box has a likelihood: the data are nowhere near what the model can produce; look at "
            "likelihood.filter() at a point, and raise measurement errors."
        )
    explored_at = time.perf_counter()
    drawn = _Rounds(density, kept, "draws", _seed(seed, 1), executor, callback)
    while left := draws - sum(map(len, drawn.parts)):
        name = f"batch {len(drawn.parts) + 1} of {-(-draws // BATCH)}"
        drawn.add(_together(explored, drawn).proposal(explores=False), BATCH, min(BATCH, left), name)
    seconds = {"explored": explored_at - begin, "draws": time.perf_counter() - explored_at}
    return _posterior(density, found, drawn.found, seed, seconds)


def _posterior(
    density: EstimatedDensity, explored: Weighted, sample: Weighted, seed: int, seconds: dict[str, float]
) -> ParticlePosterior:
    likelihood, weights = density.likelihood, sample.shares()
    values = density.prior(sample.points)[0]
    places = resampled(weights, len(weights), _seed(seed, 2))
    draws = {name: each[places][None] for name, each in values.items()}
    means = {name: float(weights @ each) for name, each in values.items()}
    error = float(np.std(likelihood.repeated(REPEATS, seed=seed, **means), ddof=1))
    posterior = ParticlePosterior(
        likelihood, density.target, draws, values, weights, sample, explored, error, seconds
    )  # fmt: skip
    posterior._warn()
    return posterior


class _Rounds:
    """Rounds of points of a density, each evaluation kept in the file `name`."""

    def __init__(
        self, density: EstimatedDensity, kept: Kept, name: str, seed: int,
        executor: concurrent.futures.Executor | None, callback: Callable[[str], None] | None,
    ):  # fmt: skip
        self.density, self.kept, self.name, self.seed = density, kept, name, seed
        self.executor, self.callback = executor, callback
        self.parts: list[np.ndarray] = []
        self.proposals: list[Proposal] = []
        self._found = (kept.read(name) or {}).get("log_density", np.zeros(0))  # NaN: not evaluated yet

    def add(self, proposal: Proposal, size: int, count: int, name: str) -> None:
        """A round: the first `count` of `size` points of a proposal."""
        number, first = len(self.parts), sum(map(len, self.parts))
        points = proposal.draw(size, _seed(self.seed, 1, number))[:count]
        self.parts.append(points)
        self.proposals.append(proposal)
        missing = first + count - len(self._found)
        self._found = np.concatenate([self._found, np.full(max(missing, 0), np.nan)])
        left = [place for place in range(count) if np.isnan(self._found[first + place])]

        def keep(done: int, value: float) -> None:
            self._found[first + left[done]] = value
            self.kept.write(self.name, {"log_density": self._found})
            if self.callback is not None:
                here = count - int(np.isnan(self._found[first : first + count]).sum())
                self.callback(f"{name}: {here} of {count} points")

        pieces = [(points[place], _seed(self.seed, 2, number, place)) for place in left]
        in_pieces(lambda piece: self.density(*piece), pieces, executor=self.executor, callback=keep)

    @property
    def found(self) -> Weighted:
        """The points of all rounds so far, with their weights."""
        return weighted(self.parts, self.log_density, self.proposals)

    @property
    def log_density(self) -> np.ndarray:
        """The log densities of all rounds so far."""
        return self._found[: sum(map(len, self.parts))]


def _together(*rounds: _Rounds) -> Weighted:
    """The points of several kinds of rounds, by the mixture of all of them."""
    parts = [part for each in rounds for part in each.parts]
    proposals = [proposal for each in rounds for proposal in each.proposals]
    return weighted(parts, np.concatenate([each.log_density for each in rounds]), proposals)


def _seed(*parts: Any) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0] >> 1)
