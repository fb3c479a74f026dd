"""Moments of series by name, the same for data and for simulated samples.

    "mean(output)"                      of the level, as the model has it
    "sd(output)"                        standard deviation of fluctuations
    "autocorrelation(output)"           of fluctuations, a period apart; "autocorrelation(output, 4)" four
    "correlation(consumption, output)"  of fluctuations in the same period; "(consumption, output, 1)" with output a
                                        period earlier, -1 a period later
    "sd(consumption) / sd(output)"      any of these over another

Fluctuations are those of `hm.moment_table`: 100 log x of a level above zero, 100 x of a rate or a share, else x, as
they are, as changes ("growth"), or filtered. Standard deviations divide by the number of periods less one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from hank_mfg.estimate.calibration.moments import Ratio
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.evaluate.moments import cycle_of
from hank_mfg.evaluate.units import PERCENT, factor
from hank_mfg.model.spelling import did_you_mean

STATISTICS = {  # an example, the number of series, and whether a lag may follow
    "mean": ("mean(output)", 1, False),
    "sd": ("sd(output)", 1, False),
    "autocorrelation": ("autocorrelation(output)", 1, True),
    "correlation": ("correlation(consumption, output)", 2, True),
}
FEWEST = 20  # periods beside those that filters and lags take
STILL = 1e-9  # of a standard deviation relative to the size of fluctuations, and of 1: rounding


class Fluctuations(NamedTuple):
    """What fluctuations are: the `units` of series by name, and the `filter` (None, "growth", "hp", "hamilton") with
    the `smoothing` of the second, the `horizon` and `lags` of the third."""

    units: dict[str, str]
    filter: str | None = None
    smoothing: float = 1600.0
    horizon: int = 8
    lags: int = 4

    @property
    def taken(self) -> int:
        """The periods that a filter takes off a sample."""
        return {"growth": 1, "hamilton": self.horizon + 2 * self.lags}.get(self.filter or "", 0)

    def of(self, name: str, levels: np.ndarray) -> np.ndarray:
        """Fluctuations (samples, time) of levels (samples, time); NaN for a sample that has no logarithm or is not
        finite."""
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = self.units[name]
            moving = factor(unit) * (np.log(levels) if unit == PERCENT else levels)
        if self.filter == "growth":
            return np.diff(moving)
        if self.filter is None:
            return moving
        finite = np.isfinite(moving).all(axis=1, keepdims=True)
        cycles = cycle_of(np.where(finite, moving, 0.0).T, self.filter, self.smoothing, self.horizon, self.lags).T
        return np.where(finite, cycles, np.nan)


class Samples(NamedTuple):
    """Samples of series: `levels` and their fluctuations, `cycles`, by name, (samples, time) each."""

    levels: Mapping[str, np.ndarray]
    cycles: Mapping[str, np.ndarray]


def samples_of(levels: Mapping[str, np.ndarray], how: Fluctuations) -> Samples:
    """Samples from levels (samples, time)."""
    return Samples(levels, {name: how.of(name, level) for name, level in levels.items()})


class SeriesMoment(NamedTuple):
    """A `statistic` of the series `names`, `lag` periods apart."""

    statistic: str
    names: tuple[str, ...]
    lag: int = 0

    def __call__(self, at: Samples) -> np.ndarray:
        """Its value in each sample, (samples,); NaN for a series that does not vary where it is divided by that."""
        if self.statistic == "mean":
            return at.levels[self.names[0]].mean(axis=1)
        one, other = at.cycles[self.names[0]], at.cycles[self.names[-1]]
        if self.statistic == "sd":
            return one.std(axis=1, ddof=1)
        lag, size = abs(self.lag), one.shape[1]
        early, late = (one, other) if self.lag < 0 else (other, one)
        return _correlation(late[:, lag:], early[:, : size - lag])


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    deviations = [each - each.mean(axis=1, keepdims=True) for each in (one, other)]
    sizes = [each.std(axis=1) for each in (one, other)]
    still = [sd <= STILL * np.maximum(1.0, np.abs(x).max(axis=1)) for sd, x in zip(sizes, (one, other), strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (deviations[0] * deviations[1]).mean(axis=1) / (sizes[0] * sizes[1])
    return np.where(still[0] | still[1], np.nan, found)


def moments_of(moments: tuple[Any, ...], at: Samples) -> np.ndarray:
    """All moments in each sample, (samples, n)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([moment(at) for moment in moments], axis=1)


def parts_of(moments: tuple[Any, ...]) -> Iterator[SeriesMoment]:
    """Every moment, and of ratios both parts."""
    for moment in moments:
        yield from parts_of((moment.above, moment.below)) if isinstance(moment, Ratio) else (moment,)


def parse(text: str, series: tuple[str, ...]) -> Any:
    """The moment that a text names, of a model with these `series`. Raises EstimationError, one sentence, otherwise."""
    if "/" in text:
        above, _, below = text.partition("/")
        return Ratio(parse(above, series), parse(below, series))
    found = re.fullmatch(r"(\w+)\s*\(([^()]*)\)", text.strip())
    examples = ", ".join(example for example, *_ in STATISTICS.values())
    if found is None or found[1] not in STATISTICS:
        close = did_you_mean(found[1] if found else text.strip(), STATISTICS)
        raise EstimationError(f"There is no moment {text.strip()!r}{close}: write one such as {examples}, or a ratio.")
    example, count, lagged = STATISTICS[found[1]]
    words = [word.strip() for word in found[2].split(",")]
    lag = 1 if found[1] == "autocorrelation" else 0
    if lagged and len(words) == count + 1 and re.fullmatch(r"[+-]?\d+", words[-1]):
        lag = int(words.pop())
    if len(words) != count or (found[1] == "autocorrelation" and lag < 1):
        raise EstimationError(f"{text.strip()!r}: write {example}{', and periods apart behind' * lagged}.")
    for word in words:
        if word not in series:
            close = did_you_mean(word, series)
            raise EstimationError(
                f"{text.strip()!r}: the model has no series {word!r}{close}; it has {', '.join(series)}."
            )
    return SeriesMoment(found[1], tuple(words), lag)


def require_long(periods: int, moments: tuple[Any, ...], how: Fluctuations) -> None:
    """Raise EstimationError where samples of so many periods are too short for the filter and the lags."""
    least = FEWEST + how.taken + max(abs(each.lag) for each in parts_of(moments))
    if periods < least:
        raise EstimationError(
            f"periods = {periods}: {least} or more are needed with filter = {how.filter!r}: give longer data."
        )
