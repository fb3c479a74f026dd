"""Bayesian estimation of the linear solution: mode, draws, tables, and what follows from them."""

import concurrent.futures
import dataclasses
import functools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.arguments import require_none
from hank_mfg.errors import warn_user
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.gaussian import contributions, forecast, smoothed
from hank_mfg.estimate.likelihood.likelihood import Likelihood
from hank_mfg.estimate.likelihood.particles import ParticleLikelihood
from hank_mfg.estimate.posterior.chains import Chains, sample_chains
from hank_mfg.estimate.posterior.drawn import Drawn
from hank_mfg.estimate.posterior.mode import Density, Mode, climb, find_mode, mode_at
from hank_mfg.estimate.posterior.particle_posterior import ParticlePosterior, sample_posterior
from hank_mfg.estimate.posterior.priors import Target, as_model, on_the_line
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_sizes

if TYPE_CHECKING:
    import pandas as pd

LEVELS = (0.05, 0.5, 0.95)  # of bands
FAN = (0.05, 0.25, 0.5, 0.75, 0.95)  # of forecasts
HIGHER = 1e-3  # of the log density, above a mode, that shows another one
USED = 200  # draws that bands are made of
AGREE, ENOUGH = 1.05, 50  # R-hat above which chains disagree; effective draws below which a table says little


@dataclasses.dataclass(frozen=True)
class Posterior(Drawn):
    """A posterior of parameters.

    `mode` holds the parameters at which the density is largest, see `Mode`; `draws` maps every parameter to
    (chains, draws), empty where none were asked for; `chains` are the same on the whole line, with log densities, the
    number of gradients and the share of divergent draws of each chain, see `Chains`; `seconds` maps "mode" and "draws"
    to what they took. Everything is in float64.
    """

    likelihood: Likelihood
    target: Target
    mode: Mode
    draws: dict[str, np.ndarray]
    chains: Chains | None
    seconds: dict[str, float]

    def __repr__(self) -> str:
        values = ", ".join(f"{name} = {value:.4g}" for name, value in self.mode.values.items())
        return f"Posterior(mode: {values}; log posterior {self.mode.log_posterior:.2f}; {self.sizes}; {self.precision})"

    def table(self, interval: float = 0.9) -> "pd.DataFrame":
        """One row a parameter: its kind, the mode and the standard deviation there, and where there are draws the mean,
        the ends of the central `interval`, R-hat and the effective sample size of the bulk (arviz)."""
        import pandas as pd

        names = self.likelihood.parameters
        columns: dict[str, Any] = {
            "kind": [self.likelihood.kinds[name] for name in names],
            "mode": [self.mode.values[name] for name in names],
            "sd at the mode": [self.mode.sd[name] for name in names],
        }
        if self.draws:
            columns |= self.summary(interval)
        return pd.DataFrame(columns, index=pd.Index(names, name="parameter"))

    def summary(self, interval: float) -> dict[str, list[float]]:
        """Columns of a table: the mean, the ends of the central `interval`, R-hat, and the effective sample size of the
        bulk (arviz), of every parameter."""
        names, tail = self.likelihood.parameters, 0.5 * (1.0 - interval)
        columns = {"mean": [float(self.draws[name].mean()) for name in names]}
        for level in (tail, 1.0 - tail):
            columns[f"{100 * level:.3g} %"] = [float(np.quantile(self.draws[name], level)) for name in names]
        found = self.diagnostics()
        return {**columns, "R-hat": found["R-hat"].to_list(), "ESS": found["ESS bulk"].to_list()}

    def diagnostics(self) -> "pd.DataFrame":
        """R-hat and effective sample sizes of bulk and tails, one row a parameter (Vehtari et al. 2021), by arviz."""
        import pandas as pd

        self.require_draws("diagnostics")
        import arviz

        names = self.likelihood.parameters
        measures = (arviz.rhat, arviz.ess, functools.partial(arviz.ess, method="tail"))
        rows = [[float(measure(self.draws[name])) for measure in measures] for name in names]
        return pd.DataFrame(rows, index=pd.Index(names, name="parameter"), columns=["R-hat", "ESS bulk", "ESS tail"])

    def warn_of_chains(self) -> None:
        """Warn where chains do not agree, or draws say too little."""
        found = self.diagnostics()
        rhat = np.nan_to_num(found["R-hat"].to_numpy(), nan=np.inf)
        size, names = np.nan_to_num(found["ESS bulk"].to_numpy()), list(found.index)
        if rhat.max() > AGREE or size.min() < ENOUGH:
            warn_user(
                f"The draws do not tell the posterior yet: R-hat is {rhat.max():.3g} for {names[int(rhat.argmax())]} "
                f"(at most {AGREE} is usual), the smallest effective sample {size.min():.0f}, for "
                f"{names[int(size.argmin())]}: raise draws; where that does not help, look at the draws for several "
                "modes or an end that they lean on."
            )

    @property
    def sizes(self) -> str:
        """How many draws there are."""
        return "no draws" if self.chains is None else "{} chains of {} draws".format(*self.chains.log_density.shape)

    @property
    def center(self) -> dict[str, float]:
        """The mode."""
        return dict(self.mode.values)

    def log_marginal_density(self) -> dict[str, float]:
        """log p(data), by Laplace's approximation at the mode and, where there are draws, by the modified harmonic mean
        of Geweke (1999) with a normal weight on the whole line, truncated to nine tenths of its mass."""
        count, mode = len(self.mode.point), self.mode
        sign, half = np.linalg.slogdet(mode.hessian_with_volume)
        density = Density(self.likelihood, self.target)
        at_mode = density(mode.point, volume=True)[0]
        found = {"Laplace": at_mode + 0.5 * count * np.log(2 * np.pi) - 0.5 * half if sign > 0 else float("nan")}
        if self.chains is not None:
            from scipy.special import logsumexp
            from scipy.stats import chi2

            points = self.chains.points.reshape(-1, count)
            center, spread = points.mean(axis=0), np.cov(points.T).reshape(count, count)
            apart = points - center
            distance = np.einsum("ni,ij,nj->n", apart, np.linalg.inv(spread), apart)
            inside = distance <= chi2.ppf(0.9, count)
            weight = -0.5 * (count * np.log(2 * np.pi) + np.linalg.slogdet(spread)[1] + distance) - np.log(0.9)
            ratio = np.where(inside, weight - self.chains.log_density.reshape(-1), -np.inf)
            found["harmonic mean"] = float(np.log(len(ratio)) - logsumexp(ratio))
        return found

    def responses(
        self, innovation: str, series: tuple[str, ...] | str, *, periods: int = 20, draws: int = USED
    ) -> "pd.DataFrame":
        """Responses of series of the model to an innovation of one standard deviation, in the model's own units: at the
        mode, or with quantiles over draws; rows periods, columns (series, quantile)."""
        wanted = (series,) if isinstance(series, str) else tuple(series)
        place = self._innovation(innovation)
        every = [self.likelihood.responses(values, wanted)[place, :periods] for values in self._chosen(draws)]
        return self._bands(np.stack(every), wanted)

    def variance_decomposition(
        self, horizons: tuple[int, ...] = (1, 4, 8, 20, 40), *, draws: int = USED
    ) -> "pd.DataFrame":
        """Shares of the variance of forecast errors of the observed columns, by innovation, in percent: means over
        draws, or at the mode; rows (column, horizon). Measurement errors are left out."""
        import pandas as pd

        shares = []
        for values in self._chosen(draws):
            size = np.cumsum(self.coefficients(values) ** 2, axis=1)
            shares.append([size[:, h - 1] / size[:, h - 1].sum(axis=0) for h in horizons])
        mean = 100 * np.mean(shares, axis=0)  # (horizons, innovations, columns)
        columns = self.likelihood.sample.columns
        rows = pd.MultiIndex.from_product([columns, horizons], names=["observed", "horizon"])
        table = np.moveaxis(mean, 2, 0).reshape(len(rows), -1)
        return pd.DataFrame(table, index=rows, columns=pd.Index(self.likelihood.innovations, name="innovation"))

    def smoothed_shocks(self, values: Mapping[str, float] | None = None) -> "pd.DataFrame":
        """Innovations of every period given the whole sample, in standard deviations, at the mode or at `values`."""
        import pandas as pd

        sample = self.likelihood.sample
        found = self._smoothed(self.mode.values if values is None else values, 0)
        return pd.DataFrame(found, index=sample.periods, columns=list(self.likelihood.innovations))

    def historical_decomposition(self, values: Mapping[str, float] | None = None) -> "pd.DataFrame":
        """What each innovation, those before the sample too, adds to every observed column, in units of the data;
        columns (observed, innovation), and "data": without measurement errors the innovations add up to it."""
        import pandas as pd

        likelihood, values = self.likelihood, self.mode.values if values is None else values
        sample, before = likelihood.sample, likelihood.horizon - 1
        with jax.enable_x64(True):
            parts = contributions(
                jnp.asarray(self.coefficients(values)), jnp.asarray(self._smoothed(values, before)), len(sample.values)
            )
        columns = {
            (name, innovation): np.asarray(parts)[i, :, k]
            for k, name in enumerate(sample.columns) for i, innovation in enumerate(likelihood.innovations)
        }  # fmt: skip
        columns |= {(name, "data"): sample.values[:, k] for k, name in enumerate(sample.columns)}
        names = ["observed", "part"]
        frame = pd.DataFrame(columns, index=sample.periods)
        return frame.set_axis(pd.MultiIndex.from_tuples(list(columns), names=names), axis=1).sort_index(
            axis=1, level=0, sort_remaining=False
        )

    def forecast(self, periods: int = 12, *, draws: int = USED, seed: int = 0) -> "pd.DataFrame":
        """The periods after the sample, in units of the data less their trend: quantiles over draws of parameters and
        of what happens then, 5, 25, 50, 75 and 95 percent; rows periods ahead, columns (observed, quantile)."""
        sample, generator, paths = self.likelihood.sample, np.random.default_rng(seed), []
        chosen = self._chosen(draws)
        repeats = max(1, 1000 // len(chosen))
        for values in chosen:
            with jax.enable_x64(True):
                mean, covariance = self._forecasting(
                    jnp.asarray(self.coefficients(values)), self.likelihood.noise(values), periods
                )
            root = np.linalg.cholesky(np.asarray(covariance) + 1e-12 * np.trace(covariance) * np.eye(len(covariance)))
            news = generator.standard_normal((repeats, len(root))) @ root.T
            paths.append(np.asarray(mean) + news.reshape(repeats, periods, -1))
        return self._bands(np.concatenate(paths), sample.columns, start=1, levels=FAN)

    def _forecasting(self, coefficients, noise, periods: int):
        sample = self.likelihood.sample
        return forecast(coefficients, noise, jnp.asarray(sample.present), sample.kept, len(sample.values), periods)

    def _bands(
        self, every: np.ndarray, names: tuple[str, ...], start: int = 0, levels: tuple[float, ...] = LEVELS
    ) -> "pd.DataFrame":
        """Quantiles over the first axis of (draws, periods, names)."""
        import pandas as pd

        levels = levels if len(every) > 1 else (0.5,)
        found = np.quantile(every, levels, axis=0)
        labels = [f"{100 * level:g} %" for level in levels] if len(every) > 1 else ["mode"]
        columns = {(name, label): found[i, :, k] for k, name in enumerate(names) for i, label in enumerate(labels)}
        return pd.DataFrame(columns, index=pd.RangeIndex(start, start + every.shape[1], name="period"))

    def _chosen(self, count: int) -> list[dict[str, float]]:
        """Parameters at `count` draws, evenly spread, or at the mode alone."""
        if not self.draws:
            return [dict(self.mode.values)]
        flat = {name: each.reshape(-1) for name, each in self.draws.items()}
        places = np.unique(np.linspace(0, len(next(iter(flat.values()))) - 1, count).astype(int))
        return [{name: float(each[place]) for name, each in flat.items()} for place in places]

    @functools.cached_property
    def _program(self):
        return self.likelihood.compiled(lambda likelihood, vector: likelihood.coefficients(likelihood.by_name(vector)))

    def coefficients(self, values: Mapping[str, float]) -> np.ndarray:
        """Moving-average coefficients of the observed columns at parameter `values`, (innovations, horizon, columns),
        in units of the data."""
        with jax.enable_x64(True):
            return np.asarray(self._program(self.likelihood.vector(values)))

    def _smoothed(self, values: Mapping[str, float], before: int) -> np.ndarray:
        sample = self.likelihood.sample
        with jax.enable_x64(True):
            return np.asarray(smoothed(
                jnp.asarray(self.coefficients(values)), self.likelihood.noise(values), jnp.asarray(sample.present),
                sample.kept, len(sample.values), before,
            ))  # fmt: skip

    def _innovation(self, name: str) -> int:
        if name not in self.likelihood.innovations:
            raise EstimationError(f"innovation = {name!r}: one of {', '.join(self.likelihood.innovations)}.")
        return self.likelihood.innovations.index(name)


@overload
def estimate(
    likelihood: Likelihood,
    priors: Any,
    *,
    draws: int = 1000,
    chains: int = 4,
    warmup: int = 300,
    starts: int = 3,
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    executor: concurrent.futures.Executor | None = None,
    callback: Callable[[str], None] | None = None,
) -> Posterior:
    """Of a linear solution."""
    ...


@overload
def estimate(
    likelihood: ParticleLikelihood,
    priors: Any,
    *,
    draws: int = 1000,
    explore: int = 40,
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    executor: concurrent.futures.Executor | None = None,
    callback: Callable[[str], None] | None = None,
) -> ParticlePosterior:
    """Of a global solution."""
    ...


@float64_allowed
def estimate(
    likelihood: Likelihood | ParticleLikelihood,
    priors: Any,
    *,
    draws: int = 1000,
    chains: int | None = None,
    warmup: int | None = None,
    starts: int | None = None,
    explore: int | None = None,
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    executor: concurrent.futures.Executor | None = None,
    callback: Callable[[str], None] | None = None,
) -> Posterior | ParticlePosterior:
    """The posterior of the parameters of a likelihood: its mode, its Hessian, and draws of the No-U-Turn sampler.

    `priors` is a dict, {"taylor": ("gamma", 1.5, 0.25)} with (distribution, mean, standard deviation) or a NumPyro
    distribution; the path of a CSV file with the columns name, distribution, mean, sd; or a NumPyro model, a function
    that samples the parameters under their names. `draws=0` finds the mode alone: the highest of those that `starts`
    searches find (3), one from the model's own values, the others from draws of the priors. Chains start around the
    mode, with `warmup` draws before those that are kept (300); with a `folder` they are written as they go, and the
    same call goes on with what is there. `executor` runs chains side by side (4), `callback` is called with how far
    they are.

    A likelihood that is estimated, by `particle_likelihood`, has weighted draws, and neither a mode nor chains: three
    to sixteen rounds of `explore` points (40) find where the posterior lies, then as many points as `draws` are drawn
    there, side by side by `executor`.

    Needs the extra "estimate" (numpyro, arviz). Raises EstimationError, one sentence, for priors that do not fit and
    where there is no mode.
    """
    path = None if folder is None else Path(folder)
    if isinstance(likelihood, ParticleLikelihood):
        require_none(
            {"warmup": warmup, "starts": starts, "chains": chains}, "a linear solution", "this likelihood is estimated"
        )
        explore = 40 if explore is None else explore
        sizes = {"draws": (draws, 10, 1000), "explore": (explore, 10, 40)}
        require_sizes("estimate", sizes, lambda: (8.0 * draws, 0.0))
        return sample_posterior(
            likelihood, on_the_line(as_model(priors, likelihood), likelihood), draws=draws, explore=explore,
            seed=seed, folder=path, executor=executor, callback=callback,
        )  # fmt: skip
    require_none({"explore": explore}, "a likelihood that is estimated", "this one is of a linear solution")
    chains = 4 if chains is None else chains
    warmup, starts = 300 if warmup is None else warmup, 3 if starts is None else starts
    require_sizes(
        "estimate",
        {"draws": (draws, 0, 1000), "chains": (chains, 1, 4), "warmup": (warmup, 10, 300), "starts": (starts, 1, 3)},
        lambda: (8.0 * chains * draws * len(likelihood.parameters), float(chains * (draws + warmup))),
    )  # fmt: skip
    target = on_the_line(as_model(priors, likelihood), likelihood)
    begin = time.perf_counter()
    density = Density(likelihood, target)
    mode = find_mode(density, starts, seed, callback)
    seconds = {"mode": time.perf_counter() - begin}
    if not draws:
        return Posterior(likelihood, target, mode, {}, None, seconds)
    found = sample_chains(
        likelihood, target, mode, chains=chains, draws=draws, warmup=warmup, seed=seed,
        folder=path, executor=executor, callback=callback,
    )  # fmt: skip
    higher = _higher(density, mode, found)
    if higher is not None:
        warn_user(
            f"A draw lies {higher.log_posterior - mode.log_posterior:.3g} above the mode that {starts} searches found, "
            "which were local: the mode is the one next to that draw; raise starts, and draws, as chains may not have "
            "visited all of them."
        )
    with jax.enable_x64(True):
        constrained = jax.vmap(jax.vmap(target.constrain))(jnp.asarray(found.points))
    values = {name: np.asarray(constrained[name]) for name in likelihood.parameters}
    posterior = Posterior(likelihood, target, higher or mode, values, found, {**seconds, "draws": found.seconds})
    posterior.warn_of_chains()
    return posterior


def _higher(density: Density, mode: Mode, found: Chains) -> Mode | None:
    """The mode next to the highest draw, where that lies above `mode`."""
    best = found.points.reshape(-1, found.points.shape[-1])[int(found.log_density.argmax())]
    end = climb(density, best)
    return mode_at(density, end) if density(end)[0] > mode.log_posterior + HIGHER else None
