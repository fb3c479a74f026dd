"""The bracket of a price that clears inside the period."""

from typing import Any

import equinox as eqx
import numpy as np

from hank_mfg.model.concrete import concrete, require_numbers


class Bracket(eqx.Module):
    """The interval, `lower` < x < `upper`, in which an unknown of `Model.clearing_prices` lies in every period.

    In the units of the unknown, per model period (an interest rate of 2 percent is 0.02). The excess demand must change
    sign between the ends whatever the state of the economy; a wide interval costs nothing. A search for the stationary
    equilibrium begins at `guess`, in the middle unless given.
    """

    lower: Any
    upper: Any
    guess: Any = None

    def __check_init__(self):
        require_numbers(self, "lower", "upper", *(() if self.guess is None else ("guess",)))
        lower, upper = concrete(self.lower), concrete(self.upper)
        if lower is not None and upper is not None and not np.all((lower < upper) & np.isfinite(upper - lower)):
            raise ValueError(
                f"Bracket(lower={self.lower}, upper={self.upper}): give two finite numbers, the lower one first, "
                "between which the market clears."
            )
        guess = None if self.guess is None else concrete(self.guess)
        known = None not in (guess, lower, upper)
        if known and not np.all((lower < guess) & (guess < upper)):  # pyright: ignore[reportOptionalOperand]
            raise ValueError(
                f"Bracket(lower={self.lower}, upper={self.upper}, guess={self.guess}): the guess lies outside; give "
                "one between the ends, or leave it out."
            )
