"""Priors: a table of names, distributions, means and standard deviations, or any NumPyro model.

A NumPyro model samples parameters by their names, at random or as functions of others (`numpyro.deterministic`):

    def priors():
        numpyro.sample("taylor", dist.TruncatedNormal(1.5, 0.25, low=1.0))

NumPyro is loaded on first use. Everything is in float64.
"""

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.estimate.errors import EstimationError
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.precision import float64_allowed

KINDS = ("normal", "beta", "gamma", "inverse gamma", "uniform")
VALUES = ("sample", "deterministic")  # sites of a NumPyro model that have a value
COLUMNS = ("name", "distribution", "mean", "sd")


class Prior(NamedTuple):
    """A prior by its `distribution`, one of normal, beta, gamma, inverse gamma and uniform, its mean and its sd."""

    distribution: str
    mean: float
    sd: float

    def numpyro(self, name: str) -> Any:
        """The NumPyro distribution with this mean and standard deviation; EstimationError where there is none."""
        import numpyro.distributions as dist

        kind, mean, sd = str(self.distribution).strip().lower().replace("_", " "), self.mean, self.sd
        where = f"priors[{name!r}] = {tuple(self)}"
        if kind not in KINDS:
            raise EstimationError(f"{where}: the distribution is none of {', '.join(KINDS)}.")
        if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):
            raise EstimationError(f"{where}: give a finite mean and a positive standard deviation.")
        if kind == "normal":
            return dist.Normal(mean, sd)
        if kind == "uniform":
            half = np.sqrt(3.0) * sd
            return dist.Uniform(mean - half, mean + half)
        if kind == "beta":
            if not 0 < mean < 1 or sd**2 >= mean * (1 - mean):
                raise EstimationError(
                    f"{where}: a beta distribution lies between 0 and 1 and has a standard deviation below "
                    f"sqrt(mean (1 - mean)): give such a mean and sd."
                )
            size = mean * (1 - mean) / sd**2 - 1
            return dist.Beta(mean * size, (1 - mean) * size)
        if mean <= 0:
            raise EstimationError(f"{where}: a {kind} distribution is of positive numbers: give a positive mean.")
        if kind == "gamma":
            return dist.Gamma((mean / sd) ** 2, mean / sd**2)
        shape = 2 + (mean / sd) ** 2
        return dist.InverseGamma(shape, mean * (shape - 1))


def read_priors(path: str | os.PathLike) -> dict[str, Prior]:
    """Priors from a CSV file with the columns name, distribution, mean, sd."""
    path = Path(path)
    if not path.is_file():
        raise EstimationError(f"priors = {str(path)!r}: there is no such file.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    found: dict[str, Prior] = {}
    for place, row in enumerate(rows, start=2):
        missing = [column for column in COLUMNS if not (row.get(column) or "").strip()]
        if missing:
            raise EstimationError(f"{path}, line {place}: {missing[0]} is missing; columns are {', '.join(COLUMNS)}.")
        try:
            numbers = float(row["mean"]), float(row["sd"])
        except ValueError as error:
            raise EstimationError(f"{path}, line {place}: {error}: mean and sd are numbers.") from error
        if row["name"] in found:
            raise EstimationError(f"{path}, line {place}: {row['name']} is there twice.")
        found[row["name"]] = Prior(row["distribution"], *numbers)
    return found


def as_model(priors: Any, likelihood: Any) -> Callable[[], Any]:
    """A NumPyro model that samples the parameters of a likelihood."""
    if callable(priors):
        return priors
    if isinstance(priors, str | os.PathLike):
        priors = read_priors(priors)
    if not isinstance(priors, Mapping):
        raise EstimationError(
            "priors: give a dict of names, a CSV file with the columns name, distribution, mean, sd, or a NumPyro "
            "model."
        )
    for name in priors:
        if name not in likelihood.parameters:
            close = did_you_mean(name, list(likelihood.parameters))
            raise EstimationError(f"priors[{name!r}]: the likelihood has no such parameter{close}; it has "
                                  f"{', '.join(likelihood.parameters)}.")  # fmt: skip
    missing = [name for name in likelihood.parameters if name not in priors]
    if missing:
        raise EstimationError(f"priors: {missing[0]} has none: give one, {{{missing[0]!r}: ('normal', 0.5, 0.2)}}.")
    distributions = {name: _distribution(name, each) for name, each in priors.items()}
    for name, each in distributions.items():
        _check_range(name, each, likelihood)

    def model() -> None:
        import numpyro

        for name in likelihood.parameters:
            numpyro.sample(name, distributions[name])

    return model


def _distribution(name: str, given: Any) -> Any:
    if isinstance(given, Sequence) and not isinstance(given, str):
        if len(given) != 3:
            raise EstimationError(f"priors[{name!r}] = {given!r}: give (distribution, mean, sd).")
        return Prior(*given).numpyro(name)
    if not hasattr(given, "log_prob"):
        raise EstimationError(
            f"priors[{name!r}] = {given!r}: give (distribution, mean, sd), or a NumPyro distribution."
        )
    return given


def _check_range(name: str, distribution: Any, likelihood: Any) -> None:
    """Raise EstimationError where a prior reaches values that the model's parameter cannot take."""
    bounds = likelihood.bounds(name)
    low, high = (float(np.asarray(each)) for each in ends(distribution))
    for end, limit, word in ((low, bounds[0], "below"), (high, bounds[1], "above")):
        beyond = end < limit if word == "below" else end > limit
        if not beyond:
            continue
        mass = _mass(distribution, limit, word)
        if mass > 1e-3:
            raise EstimationError(
                f"priors[{name!r}] gives {100 * mass:.3g} % of its weight to values {word} {limit:g}, which {name} "
                "cannot take: choose a distribution within its range, or truncate it."
            )


def _mass(distribution: Any, limit: float, word: str) -> float:
    with jax.enable_x64(True):
        draws = np.asarray(distribution.sample(jax.random.key(0), (100_000,)))
    return float(np.mean(draws < limit if word == "below" else draws > limit))


def ends(distribution: Any) -> tuple[Any, Any]:
    """The lowest and the highest value of a distribution."""
    support = distribution.support
    low = getattr(support, "lower_bound", -np.inf)
    return low, getattr(support, "upper_bound", np.inf)


class Target(NamedTuple):
    """A posterior on the whole line. `model` is the NumPyro model of its priors, `free` names what it samples, in
    order, and `start` (free,) is where a search begins; `constrain(point)` gives parameters by name, `log_prior(point)`
    the density of parameters, `log_volume(point)` the logarithm of |d parameters / d point|.
    """

    model: Callable[[], Any]
    free: tuple[str, ...]
    start: np.ndarray
    constrain: Callable[[Array], dict[str, Array]]
    log_prior: Callable[[Array], Array]
    log_volume: Callable[[Array], Array]

    @float64_allowed
    def draws(self, count: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Draws of the priors: points (count, free) and parameters by name, (count,) each."""
        import numpyro
        from numpyro.distributions import biject_to

        def one(key: Array) -> tuple[Array, dict[str, Array]]:
            sites = numpyro.handlers.trace(numpyro.handlers.seed(self.model, key)).get_trace()
            point = [biject_to(sites[name]["fn"].support).inv(sites[name]["value"]) for name in self.free]
            values = {name: site["value"] for name, site in sites.items() if site["type"] in VALUES}
            return jnp.stack(point), values

        points, values = jax.vmap(one)(jax.random.split(jax.random.key(seed), count))
        return np.asarray(points), {name: np.asarray(each) for name, each in values.items()}


def on_the_line(model: Callable[[], Any], likelihood: Any) -> Target:
    """Priors as functions of a point on the whole line."""
    try:
        import numpyro
    except ImportError as error:
        raise EstimationError('Priors are NumPyro\'s: install it, pip install "hank-mfg[estimate]".') from error
    from numpyro.distributions import biject_to
    from numpyro.infer.util import log_density

    trace = numpyro.handlers.trace(numpyro.handlers.seed(model, 0)).get_trace()
    sites = {name: site for name, site in trace.items() if site["type"] == "sample" and not site["is_observed"]}
    known = set(trace)
    missing = [name for name in likelihood.parameters if name not in known]
    if missing:
        raise EstimationError(
            f"priors samples {', '.join(known) or 'nothing'}, not {missing[0]}: sample it, or compute it by "
            "numpyro.deterministic, under its name."
        )
    listed = [name for name, site in sites.items() if np.ndim(site["value"])]
    if listed:
        raise EstimationError(f"priors: {listed[0]} is a list of numbers: sample one number under each name.")
    free = tuple(sites)
    bijections = {name: biject_to(site["fn"].support) for name, site in sites.items()}
    begin = []
    for name, site in sites.items():
        first = likelihood.start.get(name, float(np.asarray(site["value"])))
        low, high = (float(np.asarray(each)) for each in ends(site["fn"]))
        inside = low < first < high
        first = first if inside else float(np.asarray(getattr(site["fn"], "mean", site["value"])))
        begin.append(float(bijections[name].inv(jnp.asarray(first, jnp.float64))))

    def sampled(point: Array) -> dict[str, Array]:
        return {name: bijections[name](point[place]) for place, name in enumerate(free)}

    def constrain(point: Array) -> dict[str, Array]:
        values = sampled(point)
        fixed = numpyro.handlers.substitute(numpyro.handlers.seed(model, 0), data=values)
        found = numpyro.handlers.trace(fixed).get_trace()
        return {name: site["value"] for name, site in found.items() if site["type"] in VALUES}

    def log_prior(point: Array) -> Array:
        return jnp.asarray(log_density(numpyro.handlers.seed(model, 0), (), {}, sampled(point))[0])

    def log_volume(point: Array) -> Array:
        terms = [
            bijections[name].log_abs_det_jacobian(point[place], bijections[name](point[place]))
            for place, name in enumerate(free)
        ]
        return jnp.sum(jnp.stack(terms))

    return Target(model, free, np.asarray(begin), constrain, log_prior, log_volume)
