"""Derivatives of a firm's profit in its price, where firms set prices."""

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.model.base import Model
from hank_mfg.model.named import Named


def profit_slopes(model: Model, today: Named, dtype) -> tuple[Array, Array, Array]:
    """F_p, F_q and F_pq of a firm's profit F(p, q) at p = q = 1: its price relative to others', now and before."""
    one = jnp.ones((), dtype)

    def own(price, before):
        return jax.grad(model.profit)(price, before, today)

    last = jax.grad(lambda before: model.profit(one, before, today))(one)
    return own(one, one), last, jax.grad(own, argnums=1)(one, one)
