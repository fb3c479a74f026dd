"""What a household can buy in one period, and what it values: goods, next assets and, where hours are chosen, leisure.

A policy chooses x: consumption of goods, or with GHH preferences consumption less the effort of work (model/labor.py).
Cash on hand pays for the cost of next assets, q a', and for `net`(x), which is x net of earnings:

    cash = q a' + net(x).
"""

from typing import Any

import equinox as eqx
from jax import Array

from hank_mfg.model.named import Named


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


class Budget(eqx.Module):
    """Prices and preferences of a household in one period.

    `wage` is what an hour earns, (1, income) or what broadcasts with individuals, None where hours are not chosen;
    `asset_price` is q, None where it is one. Arrays of any shapes that broadcast with the wage.
    """

    labor: Any
    wage: Array | None
    asset_price: Array | None

    def cost(self, savings):
        """What next assets cost, q a'."""
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
        ("earnings")."""
        chosen = {"consumption": self.goods(x), "savings": savings}
        if self.wage is not None:
            hours = self.labor.hours(x, self.wage)
            chosen |= {"hours": hours, "earnings": self.wage * hours}
        return Named("choices", chosen)

    def of(self, income) -> "Budget":
        """The budget of individuals in the income states `income`, indices of any shape."""
        return Budget(self.labor, None if self.wage is None else self.wage[0, income], self.asset_price)
