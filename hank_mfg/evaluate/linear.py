"""Second moments of a linear solution, without simulation, and determinacy of the equilibrium."""

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hank_mfg.environment.markov import combine, stationary_distribution
from hank_mfg.files import as_latex
from hank_mfg.solve.sequence.sequence_space import LinearSolution
from hank_mfg.wording import display_name, readable

if TYPE_CHECKING:
    import pandas as pd

CIRCLE = 4096  # points on the unit circle


@readable
class SecondMoments(NamedTuple):
    """Autocovariances of `names`: covariance[l, a, b] = Cov(a_t, b_{t+l}), (lags + 1, names, names)."""

    names: tuple[str, ...]
    covariance: np.ndarray

    def standard_deviation(self) -> dict[str, float]:
        """The standard deviation of every series, in its own units."""
        return dict(zip(self.names, np.sqrt(np.diagonal(self.covariance[0])), strict=True))

    def table(self) -> "pd.DataFrame":
        """One row a series: its standard deviation in its own unit, its autocorrelation at every lag, and where there
        is a series called output the correlation with it."""
        import pandas as pd

        columns: dict[str, Any] = {"sd": list(self.standard_deviation().values())}
        for lag in range(1, len(self.covariance)):
            columns[f"autocorrelation, lag {lag}"] = np.diagonal(self.correlation(lag))
        if "output" in self.names:
            columns["correlation with output"] = self.correlation()[:, self.names.index("output")]
        return pd.DataFrame(columns, index=pd.Index(self.names, name="series"))

    def to_latex(self, path: str | os.PathLike | None = None, **options: Any) -> str:
        """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
        return as_latex(self.table().rename(index=display_name), path, **options)

    def correlation(self, lag: int = 0) -> np.ndarray:
        """Corr(a_t, b_{t+lag}): (names, names); NaN for a series that never moves."""
        scale = np.sqrt(np.diagonal(self.covariance[0]))
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.covariance[lag] / np.outer(scale, scale)


def second_moments(linear: LinearSolution, *, lags: int = 1, smoothing: float | None = None) -> SecondMoments:
    """Exact autocovariances of the linearized economy when shocks follow the model's declared chain.

    The news when the chain moves from i to k are the path of revisions E[Z_{t+h} | k] - E[Z_{t+h} | i],
    h = 0, 1, ...; with y^{ik} the response to it,

        Cov(a_t, b_{t+l}) = sum_i pi_i sum_k P_ik sum_j y_j^{ik}(a) y_{j+l}^{ik}(b),

    because revisions of different periods are uncorrelated. Any finite chain is allowed, not only AR(1)-like ones; sums
    are truncated at the horizon of `linear`.

    With `smoothing` lambda moments are those of cycles of the two-sided Hodrick-Prescott filter of an infinite sample,
    whose gain at frequency w is that of King and Rebelo (1993),

        G(w) = 4 lambda (1 - cos w)^2 / (1 + 4 lambda (1 - cos w)^2),

    in the series' own units (1600 for quarters, 6.25 for years); in samples of a few hundred periods the filter of
    `hp_filter` differs at the ends. Raises ValueError for a number of lags beyond the horizon, `smoothing` that is not
    positive, and a model without aggregate shocks.
    """
    if smoothing is not None and not (np.isfinite(smoothing) and smoothing > 0):
        raise ValueError(f"smoothing = {smoothing}: give a positive number, 1600 for quarters, or None for no filter.")
    if not 0 <= lags < linear.horizon:
        raise ValueError(f"lags = {lags}: give 0 or more, below the horizon {linear.horizon}.")
    names = tuple(linear.response())  # raises without shocks
    chain = combine(linear.steady.economy.model.aggregate_shocks())
    transition = np.asarray(chain.transition, np.float64)
    values = np.stack([np.asarray(chain.values[name], np.float64) for name in linear.names.shocks], axis=1)
    expected = np.empty((linear.horizon + 1, *values.shape))
    expected[0] = values
    for ahead in range(linear.horizon):
        expected[ahead + 1] = transition @ expected[ahead]
    weight = np.asarray(stationary_distribution(transition))[:, None] * transition
    covariance = 0.0
    for i, k in np.argwhere(weight > 0):
        news = expected[:-1, k] - expected[1:, i]
        response = linear.response(**{name: news[:, j] for j, name in enumerate(linear.names.shocks)})
        series = np.stack([response[name] for name in names], axis=1)
        covariance = covariance + weight[i, k] * _autocovariances(series, lags, smoothing)
    return SecondMoments(names, np.asarray(covariance))


def _autocovariances(series: np.ndarray, lags: int, smoothing: float | None) -> np.ndarray:
    """sum_j y_j(a) y_{j+l}(b) of moving-average coefficients (horizon, names), filtered or not: (lags + 1, names,
    names)."""
    horizon = len(series)
    if smoothing is None:
        return np.stack([series[: horizon - lag].T @ series[lag:] for lag in range(lags + 1)])
    # weights of the filter die out like exp(-t sqrt(2) / 2 smoothing^-1/4): what lies beyond the circle is rounding
    size = 1 << int(np.ceil(np.log2(2 * horizon + 100 * max(smoothing, 1.0) ** 0.25)))
    curve = 4.0 * smoothing * (1.0 - np.cos(2.0 * np.pi * np.arange(size) / size)) ** 2
    waves = np.fft.fft(series, size, axis=0) * (curve / (1.0 + curve))[:, None]
    turn = np.exp(2j * np.pi * np.outer(np.arange(lags + 1), np.arange(size)) / size)
    return np.einsum("lw,wa,wb->lab", turn, waves.conj(), waves, optimize=True).real / size


def winding_number(linear: LinearSolution) -> int:
    """The winding number of det sum_j A_j e^{-i j w} around zero as w goes from 0 to 2 pi; zero where exactly one path
    does not explode, negative where several do not (indeterminate), positive where all explode.

    A_j are the blocks of H_U, j periods below the diagonal, read off its middle column, far from both ends. Wealth is
    so persistent that they have often not died out at the end of the horizon; A_j - rho A_{j-1} have, with rho the rate
    at which they shrink there, and turn around zero as often because 1 - rho e^{-iw} does not. Raises ValueError where
    not even they die out: then lengthen the horizon.
    Source: Onatski (2006), Journal of Economic Dynamics and Control 30(3); Auclert et al. (2021), appendix.
    """
    count = len(linear.names.path)
    periods = linear.horizon
    blocks = linear.jacobian.reshape(count, periods, count, periods)[..., periods // 2].transpose(1, 0, 2)
    return turns(blocks, periods // 2)


def turns(blocks: np.ndarray, middle: int) -> int:
    """Minus the winding number of det sum_j A_j e^{-i j w}, with A_j = blocks[middle + j], (periods, k, k)."""
    size = np.abs(blocks).max(axis=(1, 2))
    rate = min(size[-1] / size[-2], 1.0) if size[-2] > 0 else 0.0
    blocks = blocks - rate * np.concatenate([np.zeros_like(blocks[:1]), blocks[:-1]])
    rest = np.abs(blocks[[0, -1]]).max() / np.abs(blocks).max()
    if rest > 1e-2:
        raise ValueError(
            f"The middle column of H_U is still {100 * rest:.2g} % of its peak at its ends: linearize with a longer "
            "horizon before asking whether the equilibrium is determinate."
        )
    angles = np.linspace(0.0, 2.0 * np.pi, CIRCLE + 1)
    waves = np.exp(-1j * np.outer(angles, np.arange(len(blocks)) - middle))
    curve = np.linalg.det(np.einsum("wp,pab->wab", waves, blocks))
    return -round(float(np.sum(np.angle(curve[1:] / curve[:-1]))) / (2.0 * np.pi))
