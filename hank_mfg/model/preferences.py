"""Preferences over consumption."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.model.concrete import concrete, require_numbers

IMPATIENT = 1e-6  # a discount factor below it is no patience at all
LARGEST = 1000.0  # risk aversion: above, c^-g is zero or infinite a factor of two from c = 1


def _formula(risk_aversion, consumption):
    """(c^(1-g) - 1)/(1-g), log c at g = 1, minus infinity where c <= 0."""
    positive = consumption > 0
    log = jnp.log(jnp.where(positive, consumption, 1.0))
    curvature = 1.0 - risk_aversion
    is_log = jnp.abs(curvature) < 1e-9
    power = jnp.expm1(curvature * log) / jnp.where(is_log, 1.0, curvature)
    return jnp.where(positive, jnp.where(is_log, log, power), -jnp.inf)


# The derivatives are written out because they are the inner loop of training: u' = c^-g, u'' = -g u'/c.
_utility = jax.custom_jvp(_formula)
_marginal_utility = jax.custom_jvp(lambda risk_aversion, consumption: consumption ** (-risk_aversion))


def _is_zero(tangent) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


@functools.partial(_utility.defjvp, symbolic_zeros=True)
def _utility_jvp(primals, tangents):
    (risk_aversion, consumption), (risk_tangent, tangent) = primals, tangents
    change = 0.0 if _is_zero(tangent) else _marginal_utility(risk_aversion, consumption) * tangent
    if not _is_zero(risk_tangent):
        change += jax.jvp(lambda g: _formula(g, consumption), (risk_aversion,), (risk_tangent,))[1]
    value = _utility(risk_aversion, consumption)
    return value, jnp.broadcast_to(change, value.shape).astype(value.dtype)


@functools.partial(_marginal_utility.defjvp, symbolic_zeros=True)
def _marginal_utility_jvp(primals, tangents):
    (risk_aversion, consumption), (risk_tangent, tangent) = primals, tangents
    value = _marginal_utility(risk_aversion, consumption)
    change = 0.0 if _is_zero(tangent) else -risk_aversion * value / consumption * tangent
    if not _is_zero(risk_tangent):
        change += -jnp.log(consumption) * value * risk_tangent
    return value, jnp.broadcast_to(change, value.shape).astype(value.dtype)


class CRRA(eqx.Module):
    """Constant relative risk aversion: u(c) = (c^(1-g) - 1)/(1-g), and log c in the limit g = 1.

    `risk_aversion` is g > 0. The constant -1/(1-g) makes the limit continuous; it changes no choice. Consumption is
    in goods per model period, any shape; c <= 0 gives minus infinity, never a floor.

    Source: any graduate text, for instance Ljungqvist and Sargent (2018).
    """

    risk_aversion: float

    def __check_init__(self):
        require_numbers(self, "risk_aversion")
        value = concrete(self.risk_aversion)
        if value is not None and np.any(value > LARGEST):
            raise ValueError(
                f"CRRA(risk_aversion={self.risk_aversion}): marginal utility c^-g leaves the range of numbers above "
                f"{LARGEST:g}: give a smaller risk_aversion, 1 to 10 are usual."
            )
        if value is not None and not np.all(value > 0):
            raise ValueError(
                f"CRRA(risk_aversion={self.risk_aversion}) is not concave: risk_aversion must be positive; use 1 for "
                "log utility."
            )

    def utility(self, consumption):
        """Flow utility, elementwise; minus infinity where consumption is not positive."""
        return _utility(self.risk_aversion, consumption)

    def marginal_utility(self, consumption):
        """u'(c) = c^-g, elementwise."""
        return _marginal_utility(self.risk_aversion, consumption)

    def inverse_marginal_utility(self, marginal_utility):
        """The consumption at which u'(c) is the given number: c = (u')^(-1/g)."""
        return marginal_utility ** (-1.0 / self.risk_aversion)


def equivalent_share(risk_aversion: float, units: Any) -> Any:
    """The share x of consumption at which u(1 + x) is so many `units` of utility, u(c) = (c^(1-g) - 1)/(1-g), of any
    shape; infinite where no share is."""
    curvature, units = 1.0 - risk_aversion, np.asarray(units, np.float64)
    if abs(curvature) < 1e-9:
        return np.expm1(units)[()]
    there = curvature * units > -1.0
    share = np.expm1(np.log1p(np.where(there, curvature * units, 0.0)) / curvature)
    return np.where(there, share, np.copysign(np.inf, units))[()]


def require_patience(model: Any) -> float:
    """The largest discount factor, NaN where it is traced. Raises ValueError where it is next to nothing."""
    values = concrete(model.discount_factor)
    patience = float("nan") if values is None else float(values.max())
    if patience < IMPATIENT:
        raise ValueError(
            f"{type(model).__name__}.discount_factor = {model.discount_factor}: what comes later is worth less than "
            "rounding, so that no household saves: give a number nearer to one, .96 is usual."
        )
    return patience
