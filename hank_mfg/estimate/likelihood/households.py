"""Stationary equilibria and household Jacobians as functions of parameters, near an equilibrium that is known.

The equilibrium at other parameters is found by Newton's method from the one given; its derivatives are those of its
fixed points (equilibrium.py), and household Jacobians, derivatives of the household's step at the equilibrium, are
differentiated once more, forward, one direction a parameter. What is returned has its derivatives computed with it, so
that a gradient costs one pass in each parameter, whatever comes after. Everything is in float64.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.quantities import Names, stack
from hank_mfg.model.base import Model
from hank_mfg.precision import in_jax
from hank_mfg.solve.sequence.household_jacobians import SteadyValues
from hank_mfg.solve.sequence.linear_system import Responses
from hank_mfg.solve.sequence.sequence_space import households_at
from hank_mfg.solve.stationary.clearing.clearing import newton_near
from hank_mfg.solve.stationary.clearing.equilibrium import Equilibrium, equilibrium_of, implicit
from hank_mfg.solve.stationary.household import marginal_of_plan, savings_at
from hank_mfg.solve.stationary.search import household_tolerance
from hank_mfg.solve.stationary.steady_state import SteadyState

TOLERANCE = 1e-11  # relative change of consumption in one more step of the household


class Households:
    """Stationary equilibria and responses of households at values of `parameters`, near `steady`."""

    def __init__(
        self, model: Model, steady: SteadyState, names: Names, ss: SteadyValues, responses: Responses,
        parameters: tuple[str, ...],
    ):  # fmt: skip
        self.model, self.names, self.parameters = model, names, parameters
        self.points, self.horizon = steady.economy.grid.count, responses.horizon
        self.places = tuple(int(i) for i in responses.places)
        public = jax.tree.map(in_jax, steady.public)
        unknown = stack({**steady.public.aggregates, **steady.public.prices}, names.searched)
        mass, plan = jnp.asarray(steady.mass), jnp.asarray(steady.plan)
        self._near = equilibrium_of(steady.economy, public, unknown, plan, mass)
        self._kept, self._still = eqx.partition((ss, responses), eqx.is_inexact_array)
        self._at = self._with_derivatives()

    def at(self, values: Mapping[str, Any]) -> tuple[SteadyValues, Responses]:
        """The steady state as arrays and the responses of its households at parameter `values` by name."""
        vector = jnp.stack([jnp.asarray(values[name], jnp.float64) for name in self.parameters])
        leaves = self._at(vector)
        kept = jax.tree.unflatten(jax.tree.structure(self._kept), leaves)
        return eqx.combine(kept, self._still)

    def forward(self, values: Mapping[str, Any]) -> tuple[SteadyValues, Responses]:
        """As `at`, differentiable in forward mode only."""
        leaves = self._solve(jnp.stack([jnp.asarray(values[name], jnp.float64) for name in self.parameters]))
        return eqx.combine(jax.tree.unflatten(jax.tree.structure(self._kept), leaves), self._still)

    def equilibrium(self, vector: Array) -> tuple[Any, Equilibrium]:
        """The economy and its stationary equilibrium, with derivatives in the parameters."""
        model = self.model.with_parameters(**dict(zip(self.parameters, vector, strict=True)))
        economy = discretize(model, self.points, jnp.float64, aggregate_risk=False)
        still = jax.lax.stop_gradient(economy)
        found = newton_near(still, self.names, self._near, household_tolerance(TOLERANCE))
        return economy, implicit(economy, self.names, jax.lax.stop_gradient(found))

    def _solve(self, vector: Array) -> list[Array]:
        economy, found = self.equilibrium(vector)
        public, names = found.public, self.names
        savings = savings_at(economy, public, found.plan)
        marginal = marginal_of_plan(economy, public, found.plan)
        choices = stack(economy.choices(found.mass, public, savings), names.choices)
        shocks = stack(public.shocks, names.shocks)
        here = stack({**public.aggregates, **public.prices}, names.path)
        inputs = jnp.concatenate([stack(public.prices, names.prices), shocks])
        ss = SteadyValues(economy, found.mass, marginal, here, shocks, found.mass.sum(axis=0), choices, inputs)
        through, beyond = households_at(ss, names, self.places, self.horizon)
        known: Any = eqx.combine(self._kept, self._still)[1]
        responses = known._replace(through=through, beyond=None if known.beyond is None else beyond)
        return jax.tree.leaves(eqx.filter((ss, responses), eqx.is_inexact_array))

    def _with_derivatives(self):
        @jax.custom_vjp
        def at(vector: Array) -> list[Array]:
            return self._solve(vector)

        def forward(vector: Array):
            def twice(x: Array):
                leaves = self._solve(x)
                return leaves, leaves

            slopes, leaves = jax.jacfwd(twice, has_aux=True)(vector)
            return leaves, slopes

        def backward(slopes, cotangents):
            parts = [jnp.tensordot(c, s, axes=c.ndim) for c, s in zip(cotangents, slopes, strict=True)]
            return (sum(parts, jnp.zeros(len(self.parameters))),)

        at.defvjp(forward, backward)
        return at
