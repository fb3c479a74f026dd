"""What a household can buy in one period, and what it values: goods, next assets and, where hours are chosen, leisure.

A policy chooses x: consumption of goods, or with GHH preferences consumption less the effort of work (model/labor.py).
Cash on hand pays for the cost of next assets, q a', and for `net`(x), which is x net of earnings:

    cash = q a' + net(x).
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.model.named import Named

GOLDEN, SECTIONS = 0.5 * (5.0**0.5 - 1.0), 40  # of an interval; times that it shrinks to this part


class GoodsAlone(eqx.Module):
    """Preferences over goods alone, in the words of those with hours (model/labor.py): x is consumption."""

    preferences: Any

    def net(self, x, wage):
        """What x takes out of cash on hand: x."""
        return x

    consumed = goods = net

    def flow(self, x, wage):
        """Flow utility."""
        return self.preferences.utility(x)

    def scaled_flow(self, x, wage, factor):
        """Flow utility with `factor` times the goods."""
        return self.preferences.utility(factor * x)


class Portfolio(eqx.Module):
    """Two assets in a budget: what is `held` of each, by name, and the prices and shocks `given`, at which a `model`
    says what changing them costs."""

    model: Any
    held: Named
    given: Named

    def adjustment(self, savings):
        """What it costs to change from what is held to `savings` (2, ...)."""
        chosen = Named("assets_next", dict(zip(self.held, savings, strict=True)))
        return 0.0 * savings[0] + self.model.adjustment_cost(chosen, self.held, self.given)


class Budget(eqx.Module):
    """Prices and preferences of a household in one period.

    `wage` is what an hour earns, (1, income) or what broadcasts with individuals, None where hours are not chosen;
    `asset_price` is q, None where it is one; `portfolio` is there where there are two assets, whose savings have a
    leading axis of two. Arrays of any shapes that broadcast with the wage.
    """

    labor: Any
    wage: Array | None
    asset_price: Array | None
    portfolio: Portfolio | None = None

    def cost(self, savings):
        """What next assets cost, q a', or the sum of two and what changing them costs."""
        if self.portfolio is not None:
            return savings[0] + savings[1] + self.portfolio.adjustment(savings)
        return savings if self.asset_price is None else self.asset_price * savings

    def bought(self, money):
        """The next assets that `money` buys: the inverse of `cost`."""
        return money if self.asset_price is None else money / self.asset_price

    def unspent(self, cash, savings):
        """What is left of cash on hand once next assets are bought, cash - q a'."""
        return cash - self.cost(savings)

    def net(self, x):
        """What x takes out of cash on hand, net of earnings."""
        return self.labor.net(x, self.wage)

    def consumed(self, net):
        """The x that takes `net` out of cash on hand: the inverse of `net`."""
        return self.labor.consumed(net, self.wage)

    def consumption_of(self, cash, savings):
        """The x of a policy that buys next assets `savings` out of `cash` on hand."""
        return self.consumed(self.unspent(cash, savings))

    def savings_of(self, cash, x):
        """The next assets, bounds aside, that `cash` on hand buys after x: the inverse of `consumption_of`."""
        return self.bought(cash - self.net(x))

    def goods(self, x):
        """Consumption of goods."""
        return self.labor.goods(x, self.wage)

    def flow(self, net):
        """Flow utility of taking `net` out of cash on hand, at the best hours."""
        return self.labor.flow(self.consumed(net), self.wage)

    def scaled_flow(self, net, factor):
        """Flow utility with `factor` times the goods consumed, at unchanged hours: the unit of welfare."""
        return self.labor.scaled_flow(self.consumed(net), self.wage, factor)

    def chosen(self, savings, x) -> Named:
        """What is chosen: consumption, savings and, where they are chosen, hours and hours times the wage
        ("earnings"); of two assets the savings in each, and what changing them costs."""
        if self.portfolio is None:
            chosen = {"consumption": self.goods(x), "savings": savings}
        else:
            each = zip(self.portfolio.held, savings, strict=True)
            chosen = {"consumption": self.goods(x), **{f"{name}_savings": value for name, value in each}}
            chosen["adjustment_costs"] = self.portfolio.adjustment(savings)
        if self.wage is not None:
            hours = self.labor.hours(x, self.wage)
            chosen |= {"hours": hours, "earnings": self.wage * hours}
        return Named("choices", chosen)

    def of(self, income) -> "Budget":
        """The budget of individuals in the income states `income`, indices of any shape."""
        return Budget(self.labor, None if self.wage is None else self.wage[0, income], self.asset_price)


def least_spent(budget: Budget, grid: Any) -> Array:
    """The least that next assets can cost, with what it costs to change them, in every pair of assets: (assets, 1).

    The cost is convex in the second asset: its least value lies next to that on the grid, by golden sections."""
    first, second = grid.axes
    count = len(grid.held[grid.names[0]])

    def cost(chosen: Array) -> Array:
        return budget.cost(jnp.stack([jnp.full_like(chosen, first.lower), chosen]))

    place = jnp.argmin(cost(jnp.broadcast_to(second.points[:, None, None], (second.size, count, 1))), axis=0)
    low, high = (second.points[jnp.clip(place + step, 0, second.size - 1)] for step in (-1, 1))

    def section(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        left, right = (low + share * (high - low) for share in (1.0 - GOLDEN, GOLDEN))
        lower = cost(left) < cost(right)
        return jnp.where(lower, low, left), jnp.where(lower, right, high)

    low, high = jax.lax.fori_loop(0, SECTIONS, section, (low, high))
    return jnp.minimum(cost(0.5 * (low + high)), cost(second.points[place]))
