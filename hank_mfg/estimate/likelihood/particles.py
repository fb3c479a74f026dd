"""The likelihood of time series in a global solution, by a particle filter over aggregate shocks.

A particle is an aggregate state: the distribution, which follows exactly from the shocks before, state variables, the
memory of the public history, and today's shocks. In every period markets clear in each particle, which says what would
be observed; particles are weighted by the density p of the measurement errors that this leaves. Particles and the
shocks z' of the next period are then drawn together, by their weights W, the probabilities of the shocks and a guess q
of the density of what is observed next (guide.py), which leaves p / q as the next weights w:

    p(y) = [ 1/N sum_i p(y_1 | i) ] prod_t [ sum_i W_i sum_z' P(z' | z_i) q(y_{t+1} | z', i) ] [ 1/N sum_j w_j ],

of which exp is an unbiased estimate of the likelihood for any number N of particles and any guess. Its Monte Carlo
error is measured by repeating it with other draws.

Source: Pitt and Shephard (1999), Journal of the American Statistical Association 94(446), for the guess; Gordon,
Salmond and Smith (1993), IEE Proceedings F 140(2); Fernandez-Villaverde and Rubio-Ramirez (2007), Review of Economic
Studies 74(4)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.guide import WIDER, Guide, fit_guide, known_before
from hank_mfg.estimate.likelihood.linear_model import declared_bounds
from hank_mfg.estimate.likelihood.observed import Observed, check_observed, sample_of
from hank_mfg.evaluate.simulate import period_series
from hank_mfg.model.fingerprint import fingerprint
from hank_mfg.model.free import read_start
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.precision import DTYPES, float64_allowed, in_jax
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.gradient.box import model_at, point_of
from hank_mfg.solve.gradient.box_training import BoxSolution
from hank_mfg.solve.play.rollout import Decision, Play, State, Step, rollout

if TYPE_CHECKING:
    import pandas as pd

UNCLEARED = 1e-3  # excess demand with which a particle counts for nothing
BLIND = 0.1  # share of particles that go on without looking at the next observation, in case the guess is bad
METHOD = "guided"  # part of the identity of a likelihood: another filter gives other draws


class Filtered(NamedTuple):
    """A run of the filter: the log likelihood; per period its increments, the effective number of particles, means of
    series, (time,) each, given the data up to the period, and the share of particles in which a market did not clear.
    """

    log_likelihood: Array
    increments: Array
    effective: Array
    means: list[Array]
    uncleared: Array


def levels_of(play: Play, now: Decision, observed: tuple[Observed, ...]) -> Array:
    """The observed series of a period, in logarithms where they are observed so: (columns,)."""
    economy = play.economy
    series, following = period_series(economy, now), economy.next_state(now.public)
    values = jnp.stack([jnp.asarray((following if o.lead else series)[o.series], economy.dtype) for o in observed])
    logs = np.asarray([o.transform.startswith("log") for o in observed])
    return jnp.where(logs, jnp.log(values), values)


class Compared(NamedTuple):
    """What is compared: the `data` (time, columns), NaN where they are missing, the standard deviations of measurement
    errors, `noise`, and the `steady` values of the series, in logarithms where they are observed so, (columns,) both.
    """

    data: Array
    noise: Array
    steady: Array


def _log_density(missed: Array, variance: Array) -> Array:
    """The log density of measurement errors `missed` (..., columns), zero where data are missing."""
    terms = -0.5 * missed**2 / variance - 0.5 * jnp.log(2 * jnp.pi * variance)
    return jnp.where(jnp.isfinite(missed), terms, 0.0).sum(axis=-1)


def _drawn(shares: Array, count: int, key: Array) -> Array:
    """`count` places drawn by `shares` (n,), systematically: (count,)."""
    ticks = (jnp.arange(count) + jax.random.uniform(key)) / count
    return jnp.clip(jnp.searchsorted(jnp.cumsum(shares), ticks), 0, len(shares) - 1)


def _log_mean(density: Array) -> tuple[Array, Array]:
    """The logarithm of the mean of exp `density`, of any shape, and the shares of it, evenly where there is none."""
    density = jnp.where(jnp.isfinite(density), density, -jnp.inf)
    total = jax.scipy.special.logsumexp(density)
    shares = jnp.where(jnp.isfinite(total), jnp.exp(density - total), 1.0 / density.size)
    return total - jnp.log(density.size), shares


class _Filter(NamedTuple):
    """What the filter of a period reads: what plays, what is observed and compared, and the `guide` where there is
    one."""

    play: Play
    compared: Compared
    observed: tuple[Observed, ...]
    guide: Guide | None = None

    @property
    def scale(self) -> Array:
        """What brings the model's levels to units of the data, (columns,)."""
        return jnp.asarray([o.scale for o in self.observed], self.play.economy.dtype)

    def missed(self, values: Array, here: Array, before: Array) -> Array:
        """What measurement errors would be: `values` of the data less levels `here`, given those of the period
        `before`, (..., columns)."""
        growth = np.asarray([o.transform.endswith("difference") for o in self.observed])
        return values - self.scale * (here - jnp.where(growth, before, self.compared.steady))

    def log_density(self, values: Array, here: Array, before: Array) -> Array:
        """The log density of the data at levels `here`."""
        return _log_density(self.missed(values, here, before), self.compared.noise**2)

    def walk(self, states: State, burn: int, key: Array) -> tuple[Array, Array, Array, State]:
        """Paths of `burn` periods: what was known before, shocks, levels and states, (particles, time, ...) each."""
        play, economy = self.play, self.play.economy

        def one(state: State, key: Array):
            def seen(step: Step):
                before = step.now.state.aggregate
                known = known_before(economy, before.mass, before.state_variables)
                return known, before.shock, levels_of(play, step.now, self.observed), step.now.state

            shocks = economy.draw_shocks(state.aggregate.shock, burn, key=key)
            return rollout(play, state, shocks, seen)[1]

        return jax.vmap(one)(states, jax.random.split(key, states.aggregate.shock.shape[0]))

    def beginnings(self, levels: Array, states: State, key: Array) -> tuple[State, Array, Array, Array]:
        """As many particles as walks, drawn from all `states` but the first of these (walks, time, ...) by the density
        of the first data; the levels of the period before, that density, and the logarithm of its mean."""
        count, at, before = len(levels), _flat(levels[:, 1:]), _flat(levels[:, :-1])
        density = self.log_density(self.compared.data[0], at, before)
        mean, shares = _log_mean(density)
        chosen = _drawn(shares, count, key)
        drawn = jax.tree.map(lambda x: _flat(x[:, 1:])[chosen], states)
        return drawn, before[chosen], density[chosen], mean

    def guessed(self, step: Step, here: Array, values: Array) -> tuple[Array, Array]:
        """By shock of the next period: its log probability, and the log density of the data by the guess."""
        economy, guide = self.play.economy, self.guide
        assert guide is not None
        ahead = known_before(economy, step.settled, economy.next_state(step.now.public))
        wide = WIDER * (self.compared.noise**2 + self.scale**2 * guide.left_over)
        chances = economy.shock_transition[step.now.state.aggregate.shock]
        return jnp.log(chances), _log_density(self.missed(values, guide.levels(ahead), here), wide)

    def go_on(self, steps: Step, here: Array, weight: Array, following: Array, key: Array) -> tuple:
        """Particles of the next period, drawn with their shocks by the `following` data: states, the levels of the
        period before, log densities by the guess, and the logarithm of what the guess expects of the data."""
        count, cells = len(weight), self.play.economy.shock_count
        chances, guesses = jax.vmap(lambda s, h: self.guessed(s, h, following))(steps, here)
        prior = jnp.log(weight)[:, None] + chances
        usual = jax.scipy.special.logsumexp(prior + guesses)
        guesses = jnp.logaddexp(jnp.log1p(-BLIND) + guesses, jnp.log(BLIND) + usual)
        ahead, shares = _log_mean(prior + guesses)
        shock, parents = jnp.divmod(_drawn(shares.T.reshape(-1), count, key), count)  # evenly over particles by shock
        states = jax.vmap(self.play.follow)(jax.tree.map(lambda x: x[parents], steps), shock)
        return states, here[parents], guesses[parents, shock], ahead + jnp.log(count * cells)


def _flat(paths: Array) -> Array:
    """Particles and periods, (particles, time, ...), in one axis."""
    return paths.reshape(-1, *paths.shape[2:])


@quick_jit
def run_filter(
    play: Play, states: State, compared: Compared, key: Array, *, observed: tuple[Observed, ...],
    wanted: tuple[str, ...], burn: int,
) -> Filtered:  # fmt: skip
    """Run the filter: `states`, leading axis particles, walk for `burn` periods, 2 or more; the data begin in one of
    these, the first quarter left out."""
    first, second, rest = jax.random.split(key, 3)
    plain = _Filter(play, compared, observed)
    known, shock, levels, starts = plain.walk(states, burn, first)
    early = min(burn // 4, burn - 2)  # periods of the walk that are left out, away from the ergodic set
    known, shock, levels, starts = jax.tree.map(lambda x: x[:, early:], (known, shock, levels, starts))
    guided = plain._replace(guide=fit_guide(play.economy, *map(_flat, (known, shock, levels))))
    begin, before, density, mean = plain.beginnings(levels, starts, second)

    def period(carry, given):
        states, before, guess = carry
        values, following, key = given
        now = jax.vmap(play.decide)(states)
        here = jax.vmap(lambda n: levels_of(play, n, observed))(now)
        clear = jnp.all(jnp.abs(now.excess) <= UNCLEARED, axis=1)
        exact, weight = _log_mean(jnp.where(clear, guided.log_density(values, here, before) - guess, -jnp.inf))
        steps = jax.vmap(play.act)(now, now.state.aggregate.shock)  # the shock that follows is drawn below
        *carry, ahead = guided.go_on(steps, here, weight, following, key)
        series = jax.vmap(lambda n: period_series(play.economy, n))(now)
        means = [weight @ jnp.asarray(series[name], play.economy.dtype) for name in wanted]
        return tuple(carry), (exact, ahead, 1.0 / jnp.sum(weight**2), means, 1.0 - jnp.mean(clear))

    later = jnp.concatenate([compared.data[1:], jnp.full_like(compared.data[:1], jnp.nan)])
    keys = jax.random.split(rest, len(later))
    _, (exact, ahead, effective, means, uncleared) = jax.lax.scan(
        period, (begin, before, density), (compared.data, later, keys)
    )
    increments = exact + jnp.concatenate([mean[None], ahead[:-1]])
    return Filtered(jnp.sum(increments), increments, effective, means, uncleared)


class ParticleLikelihood:
    """log p(data | parameters) of a global solution over a box, estimated by a particle filter.

        solution = hm.solve(model, over={"taylor": (1.2, 2.5)})
        likelihood = hm.particle_likelihood(solution, data, {"gdp": hm.Observed("output", measurement_error=.3)})
        likelihood(taylor=1.5, seed=0)                        an estimate, the same for the same seed
        likelihood.repeated(8, taylor=1.5).std(ddof=1)        its Monte Carlo error

    `parameters` are those of the box and those that only measurement errors name, `start` their first values. Minus
    infinity where no particle can have produced the data.
    """

    def __init__(
        self, solution: BoxSolution, sample: Any, observed: Mapping[str, Observed], *, starts: Mapping[str, float],
        particles: int, burn: int, asset_points: int, precision: str,
    ):  # fmt: skip
        self.solution, self.sample, self.observed = solution, sample, dict(observed)
        self.particles, self.burn = particles, burn
        self.asset_points, self.precision = asset_points, precision
        self.box = {each.label: (each.lower, each.upper) for each in solution.parameters}
        begin = read_start(solution.model, solution.parameters, None).tolist()
        self.start = {**dict(zip(self.box, begin, strict=True)), **{name: float(v) for name, v in starts.items()}}
        self.parameters = tuple(self.start)

    def __repr__(self) -> str:
        size = f"{len(self.sample.kept)} observations of {', '.join(self.sample.columns)}"
        model = type(self.solution.model).__name__
        return (
            f"ParticleLikelihood({model}: {size}, {self.particles} particles, {self.burn} periods before; "
            f"{', '.join(self.parameters)}; {self.precision})"
        )

    def identity(self) -> str:
        """A digest of data, model, equations, solution and settings: equal for likelihoods that are."""
        model = self.solution.model
        parts = [
            type(model).__name__, fingerprint(type(model)), list(self.observed.values()), self.sample.columns, self.box,
            {n: np.asarray(v).tolist() for n, v in model.parameters().items()}, self.start, self.particles, self.burn,
            self.asset_points, self.precision, METHOD,
        ]  # fmt: skip
        digest = hashlib.sha256(json.dumps(parts, default=str).encode())
        for array in (self.sample.values, *jax.tree.leaves(self.solution.history)):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def bounds(self, name: str) -> tuple[float, float]:
        """The lowest and the highest value that the model allows; outside the box the likelihood is zero."""
        return declared_bounds(self.solution.model, name)

    def inside(self, values: Mapping[str, float]) -> bool:
        """Whether parameters lie in the box."""
        return all(low <= values[name] <= high for name, (low, high) in self.box.items())

    @float64_allowed
    def filter(
        self, values: Mapping[str, float] | None = None, *, series: Sequence[str] = (), seed: int = 0,
        particles: int | None = None,
    ) -> Filtered:  # fmt: skip
        """Run the filter at parameter `values` by name, others as in `start`, and record means of `series`.

        Raises EstimationError for a name that is none, ValueError outside the box.
        """
        given = self._values(values or {})
        solution, dtype = self.solution, DTYPES[self.precision]
        point = point_of(solution.model, solution.parameters, {n: given[n] for n in self.box})
        play, observed = solution.play_at(point, self.asset_points, dtype), tuple(self.observed.values())
        levels = solution.levels_at(point)
        self._check_series(series, levels)
        steady = [np.log(levels[o.series]) if o.transform.startswith("log") else levels[o.series] for o in observed]
        errors = [given[o.measurement_error] if isinstance(o.measurement_error, str) else o.measurement_error
                  for o in observed]  # fmt: skip
        one = jax.tree.map(lambda x: x[0], solution.states_at(point[None], play.economy))
        count = particles or self.particles
        states = jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *x.shape)), one)
        compared = Compared(*(in_jax(np.asarray(x, dtype)) for x in (self.sample.values, errors, steady)))
        found = run_filter(
            play, states, compared, jax.random.PRNGKey(seed), observed=observed, wanted=tuple(series), burn=self.burn
        )
        share = float(np.mean(found.uncleared))
        if share > 0.01:
            raise EstimationError(
                f"A market did not clear in {100 * share:.2g} % of particles at {given}: train longer, over a smaller "
                "box, or in precision='float64'."
            )
        return jax.tree.map(np.asarray, found)

    def __call__(self, *, seed: int = 0, **values: float) -> float:
        """An estimate of the log likelihood at parameter values by name, others as in `start`."""
        return float(self.filter(values, seed=seed).log_likelihood)

    def repeated(self, repeats: int = 8, /, *, seed: int = 0, **values: float) -> np.ndarray:
        """`repeats` estimates of the log likelihood with other draws each, (repeats,): their standard deviation is the
        Monte Carlo error of one."""
        return np.asarray([self(seed=seed + place, **values) for place in range(repeats)])

    def filtered(
        self, series: Sequence[str], values: Mapping[str, float] | None = None, *, seed: int = 0
    ) -> "pd.DataFrame":
        """Means of series of the model given the data up to each period, in the model's own units, and the `effective`
        number of particles."""
        import pandas as pd

        found = self.filter(values, series=tuple(series), seed=seed)
        columns = dict(zip(series, found.means, strict=True))
        return pd.DataFrame({**columns, "effective particles": found.effective}, index=self.sample.periods)

    def _values(self, values: Mapping[str, float]) -> dict[str, float]:
        for name in values:
            if name not in self.parameters:
                close = did_you_mean(name, list(self.parameters))
                raise EstimationError(f"This likelihood has no parameter {name!r}{close}; it has "
                                      f"{', '.join(self.parameters)}.")  # fmt: skip
        return {**self.start, **{name: float(value) for name, value in values.items()}}

    def _check_series(self, series: Sequence[str], known: Mapping[str, float]) -> None:
        for name in series:
            if name not in known:
                close = did_you_mean(name, list(known))
                raise EstimationError(f"series: the model has no {name!r}{close}; it has {', '.join(known)}.")


@float64_allowed
def particle_likelihood(
    solution: BoxSolution,
    data: Any,
    observed: Mapping[str, Observed],
    *,
    start: Mapping[str, float] | None = None,
    particles: int = 1000,
    burn: int = 50,
    asset_points: int | None = None,
    precision: str = "float32",
) -> ParticleLikelihood:
    """The likelihood of time series in a global solution over a box of parameters, by a particle filter.

    `data` and `observed` are as for `likelihood`: deviations are from the stationary equilibrium at the parameters,
    here without linearization. Every column needs a `measurement_error`: shocks have finitely many values, so that no
    data fit without; one that is named is a parameter, its first value in `start`. Each of `particles` particles walks
    for `burn` periods from near the ergodic set; the data begin in any of the last three quarters of these, as the
    first ones say. The distribution is a histogram on `asset_points` points,
    twice those of training by default, as in `simulate`; `precision` is that of the filter. Raises EstimationError,
    one sentence, for what does not fit.
    """
    points = 2 * solution.settings.asset_points if asset_points is None else asset_points
    require_sizes(
        "particle_likelihood",
        {"particles": (particles, 10, 1000), "burn": (burn, 2, 50), "asset_points": (points, 10, 400)},
        lambda: ((20.0 + burn) * particles * points, 1e4 * particles),
    )  # fmt: skip
    if precision not in DTYPES:
        raise EstimationError(f"precision = {precision!r}: one of {', '.join(DTYPES)}.")
    start = dict(start or {})
    middle = solution.levels_at(np.zeros(len(solution.parameters)))
    check_observed(observed, middle, len(observed))
    model = model_at(solution.model, solution.parameters, np.zeros(len(solution.parameters)))
    box = [each.label for each in solution.parameters]
    for name, each in observed.items():
        error = each.measurement_error
        if isinstance(error, str) and error not in start:
            raise EstimationError(f"start: give {error} a first value, start={{{error!r}: 0.3}}.")
        if not isinstance(error, str) and not error > 0:
            raise EstimationError(
                f"observed[{name!r}]: measurement_error = {error!r}: give a positive standard deviation, in units of "
                "the data, since shocks have finitely many values and no data fit without an error."
            )
        if each.lead and each.series not in model.state_variables():
            raise EstimationError(
                f"observed[{name!r}]: lead = 1 is for a state variable, and {each.series} is none: leave lead out."
            )
    named = [each.measurement_error for each in observed.values() if isinstance(each.measurement_error, str)]
    for name in start:
        if name not in named:
            raise EstimationError(f"start: {name!r} is no measurement error; the box has {', '.join(box)}.")
    sample = sample_of(data, observed, getattr(solution.model, "period", ""))
    return ParticleLikelihood(
        solution, sample, observed, starts=start, particles=particles, burn=burn, asset_points=points,
        precision=precision,
    )  # fmt: skip
