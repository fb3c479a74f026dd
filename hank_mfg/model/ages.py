"""Finite lives: how many ages there are, who lives on, and what newborns start with."""

from typing import Any

import equinox as eqx
import numpy as np

from hank_mfg.model.concrete import concrete


class Ages(eqx.Module):
    """Lives of as many periods as `survival` has entries: the probability of living on from each age to the next, the
    last of them zero. `Ages([1.0] * 59 + [0.0])` are 60 ages at which nobody dies early.

    Equations read a household's age as `own.age`, counted from `first`. Everybody who dies is replaced by a newborn, so
    that the population stays one and, in the long run, the share of age j is in proportion to the product of the
    survival probabilities before it. Newborns hold `newborn_assets` (goods, between the limits of asset_space()); their
    idiosyncratic state is drawn from `newborn`, (income,) probabilities in the order of idiosyncratic_shock(), in the
    long run's proportions where it is left out; with permanent types they are those of each type, and who dies is
    replaced by one of the same type.

    Nobody may die in debt at the last age. `limits`, where given, are the lowest assets that may be chosen at each age,
    (ages,), instead of the lower end of asset_space() throughout.

    What the dead leave, the assets that they chose the period before, is the aggregate `today.estates`, per head of the
    population: the model says who gets it, by an equation of prices() and resources(). In aggregates() `assets` are all
    that was saved, estates included, so that the capital stock is {"capital": assets}. Households care for nothing
    after their death.

    In the mass of a result, such as `steady.mass`, those who died lie in the states of the newborns in their place, on
    the assets that they left. Statistics of a result, `hm.stats.gini(steady)`, take newborns at what they hold;
    `steady.economy.held(steady.mass)` is the mass by what is held.
    """

    survival: Any
    first: int = eqx.field(static=True, default=0)
    newborn_assets: Any = 0.0
    newborn: Any = None
    limits: Any = None

    def __check_init__(self):
        survival = np.asarray(self.survival, float) if len(self.survival) == 0 else concrete(self.survival)
        if survival is not None:
            _check_survival(np.asarray(survival, float))
        if not isinstance(self.first, int) or self.first < 0:
            raise ValueError(f"Ages(first={self.first!r}): the first age is a whole number, such as 20.")
        newborn = None if self.newborn is None else concrete(self.newborn)
        if newborn is not None:
            shares = np.asarray(newborn, float)
            if shares.ndim != 1 or not np.all(shares >= 0) or not abs(shares.sum() - 1.0) < 1e-6:
                raise ValueError(
                    f"Ages(newborn={shares.tolist()}): give a probability for each idiosyncratic state, none negative, "
                    "that add up to one."
                )

    @property
    def count(self) -> int:
        """The number of ages."""
        return len(self.survival)


def _check_survival(survival: np.ndarray) -> None:
    if survival.ndim != 1 or len(survival) < 1:
        raise ValueError(
            f"Ages(survival={survival.tolist()}): give a list, the probability of living on from each age to the next."
        )
    if not np.all((survival >= 0) & (survival <= 1)):
        place = int(np.flatnonzero(~((survival >= 0) & (survival <= 1)))[0])
        raise ValueError(
            f"Ages: the probability of living on from age number {place} is {survival[place]:g}: it lies between 0 and "
            "1."
        )
    if len(survival) == 1 and survival[0] == 1.0:
        return  # one class of ages in which nobody dies: the life of all other economies
    if survival[-1] != 0.0:
        raise ValueError(
            f"Ages: {survival[-1]:g} of those of the last age live on, and nothing says at which age: let the last "
            "entry of survival be 0."
        )
    if not np.all(survival[:-1] > 0):
        place = int(np.flatnonzero(survival[:-1] <= 0)[0])
        raise ValueError(
            f"Ages: nobody lives on from age number {place}, so nobody is older: leave out the ages after it."
        )
