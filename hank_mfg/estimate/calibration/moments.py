"""Moments of a stationary equilibrium by name, traced and differentiable: what calibration targets.

A moment is a quantity of the model ("interest_rate", "consumption": whatever `SteadyState.outcomes` knows), a statistic
of the distribution ("gini", "top_share(0.1)"), the ratio of two of these ("capital / output"), or a function of the
user's own. Statistics have the definitions of evaluate/distribution/shares.py and evaluate/propensities.py.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from hank_mfg.evaluate.distribution.shares import gini_of, in_order, lorenz, quantile_of, share_below
from hank_mfg.evaluate.propensities import spent_of_transfer
from hank_mfg.model.spelling import did_you_mean
from hank_mfg.solve.stationary.moving import Stationary, traced_number

HELD = ("assets", "consumption", "savings")  # of what shares are computed
STATISTICS = (
    "gini", "top_share(0.1)", "bottom_share(0.4)", "lorenz(0.8)", "quantile(0.5)", "share_at_limit", "mpc(0.01)",
)  # fmt: skip


class Quantity(NamedTuple):
    """A price, aggregate, declared outcome or choice summed over households."""

    name: str

    def __call__(self, at: Stationary) -> Array:
        """Its value."""
        return jnp.asarray(at.outcomes[self.name], jnp.float64)


class Ratio(NamedTuple):
    """One moment over another."""

    above: Any
    below: Any

    def __call__(self, at: Stationary) -> Array:
        """Its value."""
        return self.above(at) / self.below(at)


class Shares(NamedTuple):
    """A statistic `kind` of the shares of what households hold, `of` assets, consumption or savings, at a fraction."""

    kind: str
    fraction: float
    of: str

    def __call__(self, at: Stationary) -> Array:
        """Its value; not a number where the mean is not positive, so that shares have no meaning."""
        if self.of == "assets":
            weight, value = at.held.sum(axis=1), at.assets
        else:
            weight, value = in_order(at.mass.ravel(), getattr(at, self.of).ravel(), jnp)
        mean, size = jnp.sum(weight * value), jnp.sum(weight * jnp.abs(value))
        curve = lorenz(weight, value, jnp)
        if self.kind == "gini":
            found = gini_of(*curve, jnp)
        elif self.kind == "top_share":
            found = 1.0 - share_below(jnp.asarray(1.0 - self.fraction), *curve, jnp)
        else:
            found = share_below(jnp.asarray(self.fraction), *curve, jnp)
        return jnp.where(mean > 1e-6 * size, found, jnp.nan)


class Quantile(NamedTuple):
    """Assets below which a fraction of the population lies."""

    probability: float

    def __call__(self, at: Stationary) -> Array:
        """Its value, in the unit of assets."""
        return quantile_of(at.held.sum(axis=1), at.assets, self.probability, jnp)


class AtLimit(NamedTuple):
    """The mass at the first asset point, the borrowing limit."""

    def __call__(self, at: Stationary) -> Array:
        """Its value, a decimal."""
        return at.held[0].sum()


class Propensity(NamedTuple):
    """The marginal propensity to consume out of a transfer of `size` goods over `periods`, the mean of households."""

    size: float
    periods: int

    def __call__(self, at: Stationary) -> Array:
        """Its value, a decimal."""
        return spent_of_transfer(at.economy, at.public, at.plan, at.mass, self.size, self.periods)


class Own(NamedTuple):
    """A function of the user's."""

    name: str
    function: Callable[[Stationary], Any]

    def __call__(self, at: Stationary) -> Array:
        """Its value. Raises ValueError for a function that JAX cannot trace or that returns no number."""
        return traced_number(f"moment {self.name!r}", self.function, at)


def parse_moment(text: str, quantities: tuple[str, ...]) -> Any:
    """The moment that a text names, in an economy with these `quantities`.

    Raises ValueError for an unknown name, with the one that it is most like, and for a fraction outside (0, 1).
    """
    text = text.strip()
    if text in quantities:
        return Quantity(text)
    if "/" in text:
        above, _, below = text.partition("/")
        return Ratio(parse_moment(above, quantities), parse_moment(below, quantities))
    found = re.fullmatch(r"(\w+)\s*(?:\((.*)\))?", text)
    name, inside = (found.group(1), found.group(2)) if found else (text, None)
    words = [word.strip() for word in (inside or "").split(",") if word.strip()]
    known = {each.partition("(")[0]: each for each in STATISTICS}
    if name not in known:
        raise ValueError(
            f"There is no moment {text!r}{did_you_mean(name, [*quantities, *known])}: targets are quantities "
            f"({', '.join(quantities)}), ratios of two of them, and {', '.join(STATISTICS)}."
        )
    return _statistic(name, text, words, known[name])


def _statistic(name: str, text: str, words: list[str], example: str) -> Any:
    if name == "share_at_limit" and not words:
        return AtLimit()
    if name == "share_at_limit":
        raise ValueError(f"{text!r}: write share_at_limit, the households at the borrowing limit.")
    if name == "mpc":
        return _propensity(text, words)
    of = words.pop() if words and words[-1] in HELD and name != "quantile" else "assets"
    if name == "gini":
        if not words:
            return Shares("gini", 0.0, of)
        raise ValueError(f"{text!r}: write gini, or gini(consumption) for one of {', '.join(HELD)}.")
    fraction = _number(words[0]) if len(words) == 1 else None
    if fraction is None or not 0.0 < fraction < 1.0:
        raise ValueError(f"{text!r}: write {example}, a fraction strictly between 0 and 1 (10 percent is 0.1).")
    return Quantile(fraction) if name == "quantile" else Shares(name, fraction, of)


def _propensity(text: str, words: list[str]) -> Propensity:
    size = _number(words[0]) if words else None
    periods = 1.0
    for word in words[1:]:
        name, _, value = word.partition("=")
        periods = _number(value) if name.strip() == "periods" else None
    if size is None or size <= 0 or len(words) > 2 or periods is None or periods < 1 or periods != int(periods):
        raise ValueError(
            f"{text!r}: write mpc(0.01), the size of the transfer in goods, or mpc(0.01, periods=4) for what is spent "
            "of it over four periods."
        )
    return Propensity(size, int(periods))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value - value == 0 else None
