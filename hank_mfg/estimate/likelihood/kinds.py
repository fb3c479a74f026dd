"""Which parameters move what: shocks only, equations, or households.

A parameter is followed through the declared equations. It is one

    of households   where what households do at given prices depends on it, or the stationary equilibrium: everything is
                    solved again and differentiated;
    of equations    where only prices, markets, state variables, outcomes or firms depend on it: household Jacobians and
                    the stationary equilibrium stay;
    of shocks       where only the processes of aggregate shocks depend on it: responses to a path of shocks stay.

Whether an equation depends on a parameter is read off the equation itself (dependence.py). Whether the stationary
equilibrium does cannot be: the weight of inflation in a policy rule multiplies zero there. It is tried, at other values
of the parameter, whether everything stays as it is.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.dependence import depends_on
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.quantities import Names, contributions, form, period, shock_values, stack, with_parameters
from hank_mfg.model.base import Model, ParameterError
from hank_mfg.model.named import Named
from hank_mfg.solve.sequence.household_jacobians import SteadyValues
from hank_mfg.solve.sequence.household_path import step

Kind = Literal["households", "equations", "shocks"]
SHIFTS = (1e-3, -1e-3, 1e-1, -1e-1)  # by which values are changed, relative or, from zero, absolute
SAME = 1e-9  # relative change that is the rounding of a stationary equilibrium, whose markets clear to 3e-9


def kind_of(name: str, model: Model, ss: SteadyValues, public: Public, names: Names) -> Kind:
    """The kind of one parameter of a model, around a stationary equilibrium."""
    value = jnp.asarray(model.parameters()[name], jnp.float64)

    def at(x: Any) -> Economy:
        return with_parameters(ss.economy, Named("parameters", {name: x}))

    def households(x: Any) -> list:
        economy = at(x)
        decision = step(economy, names, ss.marginal, ss.inputs)
        aggregates = contributions(economy, public.shocks, names.moved + names.fixed)
        return [*decision, aggregates]

    if any(depends_on(households, value)) or _moves_the_steady_state(name, model, ss, public, names):
        return "households"

    def equations(x: Any) -> list:
        economy = at(x)
        found = period(economy, names)(ss.moment, ss.moment, ss.choices)
        series = economy.series(public)
        return [found.inputs, found.excess, found.state_variables, *(jnp.asarray(each) for each in series.values())]

    return "equations" if any(depends_on(equations, value)) else "shocks"


def _moves_the_steady_state(name: str, model: Model, ss: SteadyValues, public: Public, names: Names) -> bool:
    """Whether grids, chains, prices or markets of the stationary equilibrium move with the parameter."""
    here = _steady(model, ss, names, {})
    value, tried = np.asarray(model.parameters()[name], float), 0
    for shift in SHIFTS:
        try:
            there = _steady(model, ss, names, {name: value + shift * np.where(value == 0, 1.0, value)})
        except (ParameterError, ValueError):
            continue
        tried += 1
        for one, other in zip(here, there, strict=True):
            if one.shape != other.shape or np.abs(one - other).max(initial=0.0) > SAME * np.abs(one).max(initial=1.0):
                return True
    return tried == 0


def _steady(model: Model, ss: SteadyValues, names: Names, changed: dict) -> list[np.ndarray]:
    """Grid, chains, mean shocks, and the equations of a period at the stationary equilibrium, of changed parameters."""
    other = model.with_parameters(**changed)
    economy = discretize(other, ss.economy.grid.count, jnp.float64, aggregate_risk=False)
    shocks = stack(economy.shocks(0), names.shocks)
    known = dict(zip(names.path, ss.here, strict=True))
    public = form(economy, names, known, shock_values(names, shocks), ss.share)
    found = period(economy, names)(ss.moment, ss.moment, ss.choices)
    chain = (economy.income_transition, economy.shares, *jax.tree.leaves(economy.life))
    arrays = (economy.grid.points, *economy.own.values(), *chain, shocks)
    numbers = (*public.prices.values(), found.inputs, found.excess, found.state_variables)
    return [np.asarray(each, float) for each in (*arrays, *numbers)]


def kinds_of(
    parameters: tuple[str, ...], model: Model, ss: SteadyValues, public: Public, names: Names
) -> dict[str, Kind]:
    """The kind of every parameter; one that only a given process or a measurement error names is of shocks."""
    own = model.parameters()
    found: dict[str, Kind] = {}
    for name in parameters:
        if name in own:
            found[name] = kind_of(name, model, ss, public, names)
        else:
            found[name] = "shocks"
    return found
