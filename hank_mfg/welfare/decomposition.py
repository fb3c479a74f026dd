"""What a change of welfare consists of: the level of consumption, uncertainty, inequality, and hours.

With V_c(a, e) the part of lifetime utility that comes from x (consumption; with GHH preferences consumption less
effort) and D(a, e) the value today of one unit of utility in every period, three constant levels of x are

    C = u^{-1}( sum_t d_t u(C_t) / sum_t d_t )       mean x of all households, along the path,
    S = mean of u^{-1}(V_c / D)                      mean of the certainty equivalents of households,
    E = u^{-1}( mean V_c / mean D )                  the level for all, for certain, with the same mean utility.

C_t is the mean in period t and d_t the mean product of discount factors up to it. From one situation to another

    level          C' / C,
    uncertainty    (S' / C') / (S / C),
    inequality     (E' / S') / (E / S),
    hours          the factor on x' that is equivalent to the change of what hours cost,

and their product is the factor on x at which the first situation has the mean lifetime utility of the second.

Source: Floden (2001), Journal of Monetary Economics 48; Benabou (2002), Econometrica 70(2).
"""

from typing import NamedTuple

import numpy as np

from hank_mfg.model.preferences import CRRA, equivalent_share
from hank_mfg.welfare.values import Values


class Parts(NamedTuple):
    """Changes in percent of consumption, with GHH preferences of consumption less effort."""

    level: float
    uncertainty: float
    inequality: float
    hours: float

    @property
    def total(self) -> float:
        """All together: the product of the factors, in percent."""
        return 100.0 * (float(np.prod(1.0 + np.array(self) / 100.0)) - 1.0)


class Levels(NamedTuple):
    """C, S and E of a situation, what hours add to mean lifetime utility, and the derivative of that in a factor on
    x."""

    mean: float
    certain: float
    equal: float
    hours: float
    slope: float


def decomposed(preferences: CRRA, before: tuple[Values, np.ndarray], after: tuple[Values, np.ndarray]) -> Parts:
    """The parts of the change between two situations, each with its mass (assets, income)."""
    if not all(values.lasting for values, _ in (before, after)):
        return Parts(*(4 * [float("nan")]))
    old, new = (_levels(preferences, *each) for each in (before, after))
    of_hours = equivalent_share(float(preferences.risk_aversion), (new.hours - old.hours) / new.slope)
    factors = (
        new.mean / old.mean,
        new.certain / new.mean / (old.certain / old.mean),
        new.equal / new.certain / (old.equal / old.certain),
        1.0 + float(of_hours),
    )
    return Parts(*(100.0 * (factor - 1.0) for factor in factors))


def slope_by_state(preferences: CRRA, values: Values) -> np.ndarray:
    """The derivative of lifetime utility in a factor on x, (assets, income): u'(x) x = (1 - g) u(x) + 1 in every
    period."""
    return (1.0 - float(preferences.risk_aversion)) * values.composite + values.units


def _levels(preferences: CRRA, values: Values, mass: np.ndarray) -> Levels:
    curvature = float(preferences.risk_aversion)

    def level(utility):
        return 1.0 + equivalent_share(curvature, utility)

    means, weights = values.means
    path = np.sum(weights * np.asarray(preferences.utility(means), np.float64)) / np.sum(weights)
    composite, units = (float(np.sum(mass * each)) for each in (values.composite, values.units))
    return Levels(
        float(level(path)),
        float(np.sum(mass * level(values.composite / values.units))),
        float(level(composite / units)),
        float(np.sum(mass * (values.total - values.composite))),
        (1.0 - curvature) * composite + units,
    )
