"""The life cycle: what households of each age hold and consume."""

import numpy as np
import pandas as pd

from hank_mfg.evaluate.distribution.shares import quantile_of
from hank_mfg.solve.sequence.transition import Transition
from hank_mfg.solve.stationary.steady_state import SteadyState

PERCENTILES = (10, 50, 90)


def age_profile(result: SteadyState | Transition, period: int | None = None) -> pd.DataFrame:
    """Households by age, in a stationary equilibrium or in one `period` of a path, the first is 0.

    One row an age, as `own.age` counts it: its `share` of the population; assets held before they choose, the mean and
    percentiles 10, 50 and 90 of the age; `consumption` of goods, the mean, and the standard deviation of its logarithm
    over households of the age, `consumption_log_sd`; and the share of the age that saves as little as it may,
    `constrained`. Levels are in goods. Raises ValueError where lives do not end, and for a period that there is not.
    """
    path = isinstance(result, Transition)
    steady = result.steady if path else result
    economy = steady.economy
    if economy.life is None:
        raise ValueError(f"{type(economy.model).__name__} declares no ages(): lives do not end, so there is no age.")
    if path != (period is not None):
        what = f"give period=0 to {len(result.mass) - 1}" if path else "a stationary equilibrium has none"
        raise ValueError(f"age_profile(period={period}): {what}.")
    if path and not 0 <= int(period or 0) < len(result.mass):
        raise ValueError(f"age_profile(period={period}): the path has periods 0 to {len(result.mass) - 1}.")
    raw = (result.mass, result.savings, result.consumption)
    mass, savings, consumption = (np.asarray(each[period] if path else each) for each in raw)
    points, lowest = np.asarray(economy.grid.points), np.broadcast_to(np.asarray(economy.lowest), mass.shape)
    life, ages = economy.life, len(economy.life.survival)

    def by_age(values: np.ndarray) -> np.ndarray:
        """Values (assets, own) as (ages, households of the age)."""
        return life.by_age(values).reshape(ages, -1)

    weight = by_age(mass)
    share = weight.sum(axis=1)
    weight = weight / share[:, None]
    goods, bound = by_age(consumption), by_age(np.asarray(savings <= lowest, float))
    wealth = life.by_age(economy.held(mass)).sum(axis=2) / share[:, None]
    spread = np.sqrt(np.maximum(_mean(weight, np.log(goods) ** 2) - _mean(weight, np.log(goods)) ** 2, 0.0))
    first = round(float(np.asarray(economy.own["age"])[0]))
    percentiles = {
        f"assets_p{each}": [quantile_of(one, points, each / 100, np) for one in wealth] for each in PERCENTILES
    }
    columns = {
        "share": share, "assets": wealth @ points, **percentiles, "consumption": _mean(weight, goods),
        "consumption_log_sd": spread, "constrained": _mean(weight, bound),
    }  # fmt: skip
    return pd.DataFrame(columns, index=pd.RangeIndex(first, first + ages, name="age"), dtype=float)


def _mean(weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    return (weight * values).sum(axis=1)
