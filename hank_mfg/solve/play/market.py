"""Errors for markets that did not clear along a path; prices are found by environment/clearing.py."""

from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.wording import in_words


class Market(NamedTuple):
    """The largest excess demand along a path: the `period`, the unknowns `x`, their `excess` demand there, and at the
    `lower` and `upper` ends of the brackets; (clearing prices,) each."""

    period: Array
    x: Array
    excess: Array
    lower: Array
    upper: Array


def explain_market(economy: Economy, market: Market, tolerance: float) -> str | None:
    """The sentence for a market that did not clear within `tolerance`; None where all did."""
    excess = np.asarray(market.excess)
    missed = ~(np.abs(excess) <= tolerance)
    if not missed.any():
        return None
    if len(excess) > 1:
        return _explain_several(economy, np.asarray(market.x), excess)
    place = int(np.argmax(missed))
    x, lower, upper = (float(np.asarray(each)[place]) for each in (market.x, market.lower, market.upper))
    ends = [float(each[place]) for each in economy.brackets()]
    if not np.isfinite([excess[place], lower, upper]).all():
        cure = "it is not a number: training broke down, so raise price_noise or lower learning_rate"
    elif np.sign(lower) == np.sign(upper):
        cure = (
            "it has the same sign at both: widen the bracket in clearing_prices(), check the sign of "
            "excess_demand(), demand "
            "less supply, or raise price_noise, with which households learn to respond to prices"
        )
    else:
        cure = (
            "there is a root between that was not found: raise price_noise, with which households learn to respond to "
            "prices"
        )
    return (
        f"{economy.clearing_prices[place]} does not clear its market: excess demand is still "
        f"{float(excess[place]):.3g} at "
        f"{x:.6g}, {lower:.3g} at the lower end {ends[0]:.6g} of its bracket and {upper:.3g} at the upper end "
        f"{ends[1]:.6g}; {cure}."
    )


def _explain_several(economy: Economy, x: np.ndarray, excess: np.ndarray) -> str:
    """The sentence for several prices that clear together; no equation is the business of one of them alone."""
    values = in_words(dict(zip(economy.clearing_prices, x, strict=True)))
    ends = [
        f"{n} at {v:g}"
        for n, v, *pair in zip(economy.clearing_prices, x, *economy.brackets(), strict=True)
        if v in pair
    ]
    at_end = f" ({', '.join(ends)}: an end of its bracket)" if ends else ""
    left = ", ".join(f"{value:.3g}" for value in excess)
    firms = ", firms last" if economy.sets_prices else ""
    return (
        f"{', '.join(economy.clearing_prices)} do not clear together: at {values}{at_end} the equations of the "
        "period are "
        f"still {left}, in the order of excess_demand(){firms}; widen brackets in clearing_prices(), lower "
        "learning_rate, "
        "or ask whether there is an equilibrium: see docs/when_it_does_not_converge.md."
    )


def first_missed(economy: Economy, markets: Market, tolerance: float) -> tuple[tuple[int, ...], str] | None:
    """The first of many markets, any leading axes, that did not clear within `tolerance`: its place and what to say."""
    markets = jax.tree.map(np.asarray, markets)
    for place in np.ndindex(markets.period.shape) if economy.clearing_prices else ():
        problem = explain_market(economy, jax.tree.map(lambda x, at=place: x[at], markets), tolerance)
        if problem is not None:
            return place, problem
    return None
