"""Preferences over consumption and hours, whose intratemporal condition is solved exactly.

With hours a household chooses c and n given what it saves. Both kinds here reduce that to one number x, which is what a
policy chooses: cash on hand less savings, `net` of what is earned on account of x, is

    net(x) = c(x, w) - w n(x, w),        increasing in x, for an hourly wage w,

and flow utility at the best hours is a function of x and w whose derivative in net is u'(x). What
`CRRA` says of consumption (utility, marginal utility, its inverse) holds here of x, the composite:
consumption of goods under `Separable`, consumption less effort under `GHH`. `goods(x, wage)` is
consumption.

With `factor` times the goods at unchanged hours, the unit in which welfare is measured, flow utility is

    Separable: u(factor c) - v(n),        GHH: u(factor c - v(n)),        derivative in factor at one: u'(x) c.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.model.concrete import concrete, require_numbers
from hank_mfg.model.preferences import CRRA

HALLEY = 6  # steps in log consumption; one more than is needed from the bounds they start from


class Labor(CRRA):
    """Shared by both kinds: `frisch`, the elasticity of hours in the wage, and the weight `disutility` of

    v(n) = disutility n^(1 + 1/frisch) / (1 + 1/frisch).
    """

    frisch: Any = eqx.field(kw_only=True)
    disutility: Any = eqx.field(kw_only=True)

    def __check_init__(self):
        require_numbers(self, "risk_aversion", "frisch", "disutility")
        for name in ("frisch", "disutility"):
            value = concrete(getattr(self, name))
            if value is not None and not np.all(value > 0):
                raise ValueError(
                    f"{type(self).__name__}({name}={getattr(self, name)}): {name} must be positive; without hours "
                    "declare CRRA and put earnings into resources()."
                )

    def effort(self, hours):
        """The disutility v(n) of hours."""
        power = 1.0 + 1.0 / self.frisch
        return self.disutility * hours**power / power


class Separable(Labor):
    """u(c) - v(n): hours n = (w u'(c) / disutility)^frisch fall with consumption; x is consumption itself."""

    def hours(self, x, wage):
        """Hours at consumption x and the wage, elementwise."""
        return (wage * self.marginal_utility(x) / self.disutility) ** self.frisch

    def goods(self, x, wage):
        """Consumption of goods: x."""
        return x

    def net(self, x, wage):
        """Consumption less earnings."""
        return x - wage * self.hours(x, wage)

    def consumed(self, net, wage):
        """The consumption whose cost net of earnings is `net`: the inverse of `net`, by Halley's method in logs.

        With net(x) = x - k x^(-q) and x_0 = k^(1/(1+q)) the root of net = 0, it starts from a bound, net + x_0 above or
        (k / (x_0 - net))^(1/q) below. Differentiable by the implicit function theorem.
        """
        return _consumed(self, *jnp.broadcast_arrays(jnp.asarray(net), jnp.asarray(wage)))

    def flow(self, x, wage):
        """Flow utility at the best hours."""
        return self.utility(x) - self.effort(self.hours(x, wage))

    def scaled_flow(self, x, wage, factor):
        """Flow utility with `factor` times the goods consumed, at unchanged hours."""
        return self.utility(factor * self.goods(x, wage)) - self.effort(self.hours(x, wage))


@jax.custom_jvp
def _consumed(preferences: Separable, net, wage):
    power = preferences.risk_aversion * preferences.frisch
    scale = wage * (wage / preferences.disutility) ** preferences.frisch
    still = scale ** (1.0 / (1.0 + power))
    low = jnp.where(net < 0, still - net, still)
    log = jnp.log(jnp.where(net > 0, net + still, (scale / low) ** (1.0 / power)))

    def halley(_, log):
        x, earned = jnp.exp(log), scale * jnp.exp(-power * log)
        slope = x + power * earned
        step = (x - earned - net) / slope
        return log - step / (1.0 - jnp.clip(0.5 * step * (x - power**2 * earned) / slope, -0.5, 0.5))

    return jnp.exp(jax.lax.fori_loop(0, HALLEY, halley, log))


@_consumed.defjvp
def _consumed_jvp(primals, tangents):
    preferences, net, wage = primals
    x = _consumed(preferences, net, wage)
    moved = jax.jvp(lambda p, w: p.net(x, w), (preferences, wage), (tangents[0], tangents[2]))[1]
    slope = jax.jvp(lambda y: preferences.net(y, wage), (x,), (jnp.ones_like(x),))[1]
    return x, (tangents[1] - moved) / slope


class GHH(Labor):
    """u(c - v(n)): hours n = (w / disutility)^frisch do not depend on wealth; x is c - v(n).

    Source: Greenwood, Hercowitz and Huffman (1988), American Economic Review 78(3).
    """

    def hours(self, x, wage):
        """Hours at the wage, elementwise."""
        return jnp.broadcast_to(
            (wage / self.disutility) ** self.frisch, jnp.broadcast_shapes(jnp.shape(x), jnp.shape(wage))
        )

    def goods(self, x, wage):
        """Consumption of goods: x plus the effort that it makes up for."""
        return x + self.effort(self.hours(x, wage))

    def net(self, x, wage):
        """Consumption less earnings."""
        hours = self.hours(x, wage)
        return x + self.effort(hours) - wage * hours

    def consumed(self, net, wage):
        """The inverse of `net`."""
        hours = self.hours(net, wage)
        return net - self.effort(hours) + wage * hours

    def flow(self, x, wage):
        """Flow utility at the best hours."""
        return self.utility(x)

    def scaled_flow(self, x, wage, factor):
        """Flow utility with `factor` times the goods consumed, at unchanged hours."""
        return self.utility(factor * self.goods(x, wage) - self.effort(self.hours(x, wage)))
