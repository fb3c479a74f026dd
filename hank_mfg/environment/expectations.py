"""What the equations of a period expect of the next: declared expectations, and the term of firms that set prices."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.model.base import Model, named
from hank_mfg.model.named import Named


def profit_slopes(model: Model, today: Named, dtype) -> tuple[Array, Array, Array]:
    """F_p, F_q and F_pq of a firm's profit F(p, q) at p = q = 1: its price relative to others', now and before."""
    one = jnp.ones((), dtype)

    def own(price, before):
        return jax.grad(model.profit)(price, before, today)

    last = jax.grad(lambda before: model.profit(one, before, today))(one)
    return own(one, one), last, jax.grad(own, argnums=1)(one, one)


def declared(model: Model, today: Named, tomorrow: Named) -> dict[str, Any]:
    """The quantities that a model expects, by name, if tomorrow were certain."""
    return dict(named("expectations", model.expectations(today, tomorrow), "expectations"))


def expected(model: Model, later: Model, today: Named, tomorrow: Named, dtype) -> list[Array]:
    """What is expected of a tomorrow that is certain, in order: the declared quantities, and where firms set prices
    L F_q' / F_pq, by which tomorrow adds to a firm's wish to raise its price today, in units of inflation.

    F is the firm's profit, F_q' its slope tomorrow, with the model `later`, in the price of today, F_pq the cost of
    inflation, today.
    """
    found = [jnp.asarray(value, dtype) for value in declared(model, today, tomorrow).values()]
    if model.sets_prices():
        _, slope, _ = profit_slopes(later, tomorrow, dtype)
        _, _, scale = profit_slopes(model, today, dtype)
        found.append(model.profit_discounting(today, tomorrow) * slope / scale)
    return found
