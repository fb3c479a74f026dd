"""Moments of simulated samples of a solution over a box of parameters, with a Jacobian by differences.

At every parameter vector the same uniform numbers pick the aggregate states of the same number of samples, from one
initial state that moves smoothly with the parameters, after a burn-in that follows the policy there. So simulated
moments are a deterministic function of parameters, and smooth where these leave the probabilities of aggregate states
alone. The vector itself and those at differences from it are simulated side by side, in one compiled program for all
iterations.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_jit
from hank_mfg.estimate.matching.series_moments import Fluctuations, moments_of, samples_of
from hank_mfg.evaluate.simulate import UNCLEARED, period_series
from hank_mfg.precision import float64_allowed
from hank_mfg.solve.gradient.box import point_of
from hank_mfg.solve.gradient.box_training import BoxSolution
from hank_mfg.solve.gradient.model_sets import ModelSet, on_paths
from hank_mfg.solve.play.rollout import Play, State, rollout

STEP = 1e-4  # of differences, in units of the box
WIDE = 0.1  # the same, for parameters that change the probabilities of aggregate states
COVARIANCE, EACH = 200, 25  # samples from which the covariance of moments is computed, at least, and for each moment


@quick_jit
def _simulated(
    play: Play, models: ModelSet, state: State, uniforms: Array, burn: int
) -> tuple[dict[str, Array], Array]:
    """Series by name (models, samples, periods), and the largest excess demand in each model, (models,), of samples
    that `uniforms` (models, samples, burn + periods) draw from a `state` of each."""

    def one(play: Play, state: State, uniforms: Array) -> tuple[dict[str, Array], Array]:
        def record(step):
            return period_series(play.economy, step.now), jnp.max(jnp.abs(step.now.excess), initial=0.0)

        def sample(uniforms: Array):
            shocks = play.economy.shocks_from(state.aggregate.shock, uniforms)
            start = rollout(play, state, shocks[:burn], lambda step: None)[0]
            return rollout(play, start, shocks[burn:], record)[1]

        series, excess = jax.vmap(sample)(uniforms)
        return series, jnp.max(excess)

    return on_paths(play, models, jnp.arange(models.weights.shape[0]), one, state, uniforms)


class Setting(NamedTuple):
    """What is simulated: samples of `periods` periods after `burn` others on `asset_points` points, of a solution whose
    parameters at `places` are free."""

    solution: BoxSolution
    places: tuple[int, ...]
    periods: int
    samples: int
    burn: int
    asset_points: int
    seed: int


class SimulatedMoments:
    """Moments, means over samples, and their Jacobian as a function of the free parameters."""

    def __init__(self, setting: Setting, moments: tuple[Any, ...]):
        self.setting, self.moments = setting, moments
        solution = setting.solution
        free = [solution.parameters[place] for place in setting.places]
        self.low = np.asarray([each.lower for each in free])
        self.span = np.asarray([each.upper for each in free]) - self.low
        middle = {each.label: (each.lower + each.upper) / 2 for each in free}
        self.base = point_of(solution.model, solution.parameters, middle)
        self.jumps, self.fluctuations = self._jumps(), Fluctuations({})
        self.steps = np.where(self.jumps, WIDE, STEP)
        self._last: tuple[bytes, Any] | None = None

    def _points(self, vector: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """The point of the box and those that are `steps` (k,) away, toward its middle, (1 + k, parameters)."""
        places = np.asarray(self.setting.places)
        point = self.base.copy()
        point[places] = 2.0 * (vector - self.low) / self.span - 1.0
        points = np.repeat(point[None], 1 + len(places), axis=0)
        points[np.arange(1, len(points)), places] += np.where(point[places] > 0, -steps, steps)
        return points

    def _jumps(self) -> np.ndarray:
        """Whether a free parameter changes the probabilities of aggregate states, (k,)."""
        wide = np.full(len(self.setting.places), WIDE)
        _, models = self.setting.solution.models_at(self._points(self.low + 0.5 * self.span, wide), 10)
        chain = np.asarray(models.economies.shock_transition)
        return np.abs(chain[1:] - chain[:1]).max(axis=(1, 2)) > 1e-9

    def _uniforms(self, which: int, models: int) -> np.ndarray:
        """Draws (models, samples, time), number `which`."""
        given = self.setting
        shape = (models, given.samples, given.burn + given.periods)
        return np.random.default_rng([given.seed, which]).uniform(size=shape)

    @float64_allowed
    def series(self, points: np.ndarray, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        """Series by name (points, samples, periods); NaN at points where prices do not clear markets."""
        given = self.setting
        play, models = given.solution.models_at(points, given.asset_points)
        state = given.solution.states_at(points, play.economy)
        series, excess = _simulated(play, models, state, jnp.asarray(uniforms), given.burn)
        missed = ~(np.asarray(excess) <= UNCLEARED)[:, None, None]
        return {name: np.where(missed, np.nan, np.asarray(each)) for name, each in series.items()}

    def _sampled(self, points: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        """Moments of every sample, (points, samples, n)."""
        levels = {name: each.reshape(-1, each.shape[-1]) for name, each in self.series(points, uniforms).items()}
        used = {name: levels[name] for name in self.fluctuations.units}
        found = moments_of(self.moments, samples_of(used, self.fluctuations))
        return found.reshape(len(points), self.setting.samples, -1)

    def _common(self, models: int) -> np.ndarray:
        """The draws that are the same for all models and iterations, (models, samples, time)."""
        return np.repeat(self._uniforms(0, 1), models, axis=0)

    def common_series(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """The series (samples, periods) from which moments at a vector are computed."""
        points = self._points(vector, self.steps)
        return {name: each[0] for name, each in self.series(points, self._common(len(points))).items()}

    def __call__(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Moments (n,) and their Jacobian (n, k) at parameters (k,)."""
        vector = np.asarray(vector, float)
        key, last = vector.tobytes(), self._last
        if last is None or last[0] != key:
            points = self._points(vector, self.steps)
            means = self._sampled(points, self._common(len(points))).mean(axis=1)
            moved = (points[1:] - points[0])[np.arange(len(points) - 1), list(self.setting.places)]
            last = self._last = (key, (means[0], (means[1:] - means[0]).T / (0.5 * moved * self.span)))
        return last[1]

    def covariance(self, vector: np.ndarray) -> np.ndarray:
        """The covariance (n, n) of the moments of one sample at parameters (k,), over `COVARIANCE` samples or `EACH`
        for each moment, whatever is more."""
        point = self._points(np.asarray(vector, float), self.steps)[:1]
        models, count = 1 + len(self.setting.places), len(self.moments)
        calls = -(-max(COVARIANCE, EACH * count) // (models * self.setting.samples))
        points = np.repeat(point, models, axis=0)
        found = [self._sampled(points, self._uniforms(1 + call, models)) for call in range(calls)]
        return np.cov(np.concatenate(found).reshape(-1, count), rowvar=False).reshape(count, count)
