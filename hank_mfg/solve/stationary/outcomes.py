"""Quantities of a stationary equilibrium: every price, aggregate, declared outcome and choice, with its unit."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.accounting import steady_goods
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.model.named import Named
from hank_mfg.model.units import LEVEL, declared_kinds, shown_in
from hank_mfg.precision import float64_allowed

if TYPE_CHECKING:
    import pandas as pd

OUTPUT = "output"  # the name of the quantity that others are divided by


@float64_allowed
def steady_outcomes(economy: Economy, public: Public, mass: Any, savings: Any) -> dict[str, float]:
    """Aggregates, prices, declared outcomes and choices summed over households, by name; shocks, which rest at their
    means, are left out. `mass` and `savings` (assets, income); decimals per model period."""
    public = jax.tree.map(jnp.asarray, public)
    named = all_quantities(economy, public, jnp.asarray(mass), jnp.asarray(savings))
    return {name: float(value) for name, value in named.items()}


def all_quantities(economy: Economy, public: Public, mass: Any, savings: Any) -> Named:
    """The quantities of `steady_outcomes`, traceable and differentiable."""
    every = {**economy.series(public), **economy.choices(mass, public, savings)}
    return Named("outcomes", {name: value for name, value in every.items() if name not in public.shocks})


@float64_allowed
def goods_left_over(economy: Economy, public: Public, mass: Any, savings: Any) -> float | None:
    """Excess supply of goods relative to output, as the model's goods_market() states it; None where it does not."""
    public = jax.tree.map(jnp.asarray, public)
    left = steady_goods(economy, public, jnp.asarray(mass), jnp.asarray(savings))
    return None if left is None else float(left)


def outcomes_table(economy: Economy, values: dict[str, float]) -> "pd.DataFrame":
    """One row a quantity of `values`: its value, its unit and, where there is output, levels over output.

    A rate is in percent per model period, a share in percent, anything else a level in units of its own.
    """
    import pandas as pd

    kinds = declared_kinds(economy.model, [*economy.shock_values, *values])
    shown = {name: shown_in(kinds[name], economy.model.period) for name in values}
    columns: dict[str, list[Any]] = {
        "value": [shown[name][1] * value for name, value in values.items()],
        "unit": [shown[name][0] for name in values],
    }
    output = values.get(OUTPUT)
    if output:
        ratios = [value / output if kinds[name] == LEVEL else np.nan for name, value in values.items()]
        columns["ratio to output"] = ratios
    return pd.DataFrame(columns, index=pd.Index(list(values), name="quantity"))
