"""Who becomes whom from one period to the next: income, and where lives end, age.

Own states are pairs of age and income, the age outermost. The chain of both is never a matrix of their product: income
moves by a small matrix, age by one, and those who die are replaced by newborns. Without ages a chain is the matrix of
income.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.grids import AssetGrid
from hank_mfg.environment.markov import average_out, given_moves, joint_distribution, stationary_distribution, to_chain
from hank_mfg.model.ages import Ages
from hank_mfg.model.base import Model
from hank_mfg.model.concrete import array_module, concrete
from hank_mfg.model.shocks import ConditionalChain

ESTATES = "estates"  # the aggregate of what the dead leave


class Life(eqx.Module):
    """Ages on grids: `survival` (ages,), the income state of a newborn given that of the dead it replaces, `birth`
    (income, income), what newborns hold, `newborn_assets`, a number, and the lowest next assets, `limits` (ages,);
    `leaves` says whether anybody can leave anything."""

    survival: Any
    birth: Any
    newborn_assets: Any
    limits: Any
    leaves: bool = eqx.field(static=True, default=True)

    def by_age(self, values: Any) -> Any:
        """Values (assets, own) age by age: (ages, assets, income)."""
        return array_module(values).moveaxis(values.reshape(len(values), len(self.survival), -1), 1, 0)

    def held(self, assets: Array, age: Array, grid: AssetGrid) -> Array:
        """What households of an `age`, from 0, hold who saved `assets`, which broadcast: newborns what they start with,
        and others no less than the point of the grid at or below the lowest that they could save."""
        place = jnp.searchsorted(grid.points, self.limits, side="right") - 1
        below = grid.points[jnp.maximum(place, 0)]
        least = jnp.concatenate([grid.lower[None], below[:-1]])[age]
        return jnp.where(age == 0, self.newborn_assets, jnp.maximum(assets, least))

    def with_newborns(self, mass: Any, income: int, grid: AssetGrid) -> Any:
        """The mass (..., assets, own) with newborns at what they start with, between the two points next to it."""
        xp = array_module(mass)
        points, start = xp.asarray(grid.points), xp.asarray(self.newborn_assets)
        low = xp.clip(xp.searchsorted(points, start, side="right") - 1, 0, len(points) - 2)
        weight = (start - points[low]) / (points[low + 1] - points[low])
        rows = xp.arange(len(points))
        where = xp.where(rows == low, 1.0 - weight, xp.where(rows == low + 1, weight, 0.0))
        born = mass[..., :income].sum(axis=-2)[..., None, :] * where[:, None]
        return xp.concatenate([born, mass[..., income:]], axis=-1)


class Chain(eqx.Module):
    """The moves of own states between two periods: `income` (income, income), and `life` where there are ages."""

    income: Array
    life: Life | None = None

    def expect(self, values: Array) -> Array:
        """What a household expects of `values` (..., own) tomorrow, nothing after death: (..., own)."""
        if self.life is None:
            return values @ self.income.T
        ahead = self._apart(values)[..., 1:, :] @ self.income.T
        ahead = self._by_age(self.life.survival[:-1], ahead) * ahead
        return self._together(jnp.concatenate([ahead, jnp.zeros_like(ahead[..., :1, :])], axis=-2))

    def move(self, mass: Array) -> Array:
        """The population's mass (..., own) one period on: whoever dies is a newborn, on the assets that were left."""
        if self.life is None:
            return mass @ self.income
        now = self._apart(mass)
        survival = self._by_age(self.life.survival, now)
        older = (survival * now)[..., :-1, :] @ self.income
        newborn = jnp.sum((1.0 - survival) * now, axis=-2, keepdims=True) @ self.life.birth
        return self._together(jnp.concatenate([newborn, older], axis=-2))

    def adjoint(self, values: Array) -> Array:
        """The adjoint of `move`: what the population will have of `values` (..., own), newborns counted: (..., own)."""
        if self.life is None:
            return values @ self.income.T
        born = self._apart(values)[..., :1, :] @ self.life.birth.T
        return self.expect(values) + self._together((1.0 - self._by_age(self.life.survival, born)) * born)

    def branches(self) -> tuple[Array, Array]:
        """The own states that a household in each may come to, and with what probabilities: (own, branches) both."""
        income = len(self.income)
        every = jnp.arange(income, dtype=jnp.int32)
        if self.life is None:
            return jnp.broadcast_to(every, self.income.shape), self.income
        ages = len(self.life.survival)
        older = jnp.minimum(jnp.arange(1, ages + 1, dtype=jnp.int32), ages - 1)
        places = (income * older)[:, None, None] + jnp.broadcast_to(every, self.income.shape)
        probabilities = self.life.survival[:, None, None] * self.income
        return places.reshape(ages * income, income), probabilities.reshape(ages * income, income)

    def population(self) -> Array:
        """The matrix of `move`, (own, own), rows today: small, for what needs one."""
        return self.income if self.life is None else self.adjoint(self._eye()).T

    def household(self) -> Array:
        """The matrix of `expect`, (own, own), rows today: its rows add up to the probability of living on."""
        return self.income if self.life is None else self.expect(self._eye()).T

    def _eye(self) -> Array:
        assert self.life is not None
        return jnp.eye(len(self.life.survival) * self.income.shape[-1], dtype=self.income.dtype)

    def _apart(self, values: Array) -> Array:
        return values.reshape(*values.shape[:-1], values.shape[-1] // len(self.income), len(self.income))

    def _by_age(self, factors: Array, like: Array) -> Array:
        """Factors (ages,) with the axes of `like` (..., ages, income)."""
        return factors.reshape((1,) * (like.ndim - 2) + (-1, 1))

    def _together(self, values: Array) -> Array:
        return values.reshape(*values.shape[:-2], values.shape[-2] * values.shape[-1])


class OwnStates(NamedTuple):
    """The own states of a model: `values` by name, (own,) each, the chain of income given aggregate moves, `moves`
    (Z, Z, income, income), whether they are `conditional` on these, the `shares` of permanent types, and `life` where
    there are ages."""

    values: dict[str, Any]
    moves: Any
    conditional: bool
    shares: Any
    life: Life | None


def own_states(model: Model, aggregate: Any) -> OwnStates:
    """The own states that a model declares, given the `aggregate` chain (Z, Z). Raises ValueError for declarations that
    do not fit together."""
    own, ages = to_chain(model.idiosyncratic_shock()), model.ages()
    xp = array_module(own)
    moves, shares = given_moves(own, aggregate), xp.asarray(own.shares)
    values = {name: xp.asarray(value) for name, value in own.values.items()}
    found = OwnStates(values, moves, isinstance(own, ConditionalChain), shares, None)
    if ages is None:
        return found
    if not isinstance(ages, Ages):
        raise TypeError(f"{type(model).__name__}.ages() returned {type(ages).__name__}: return hm.Ages(survival=...).")
    if "age" in values:
        raise ValueError("idiosyncratic_shock() declares 'age', which ages() declares too: give it another name.")
    income, count = moves.shape[-1], ages.count
    values = {name: xp.tile(value, count) for name, value in values.items()}
    values["age"] = ages.first + np.repeat(np.arange(float(count)), income)
    if count == 1 and np.all(np.asarray(ages.survival) == 1.0):
        return found._replace(values=values)
    birth = _births(model, ages, aggregate, moves, shares)
    xp = array_module(ages, birth)
    limits, known = _limits(model, ages), concrete(ages.survival)
    last = concrete(limits)
    leaves = known is None or last is None or bool(np.any(np.asarray(known)[:-1] < 1.0) or last[-1] != 0.0)
    life = Life(xp.asarray(ages.survival, float), birth, xp.asarray(ages.newborn_assets, float), limits, leaves)
    return found._replace(values=values, life=life)


def _limits(model: Model, ages: Ages) -> Any:
    """The lowest next assets at each age: as declared, that of asset_space() otherwise, and no debt at the last age.
    Raises ValueError for what lies outside asset_space(), also of what newborns hold."""
    space, count, name = model.asset_space(), ages.count, type(model).__name__
    xp, held = array_module(space, ages), concrete(ages.newborn_assets)
    low, high = concrete(space.lower), concrete(space.upper)
    if None not in (low, high, held) and not low <= held < high:  # pyright: ignore[reportOptionalOperand]
        raise ValueError(
            f"{name}.ages(): newborn_assets = {held:g} lies outside asset_space(), {low:g} to {high:g}: give "
            "newborns less, or raise the top."
        )
    if ages.limits is None:
        lower, last = xp.asarray(space.lower, float), np.arange(count) == count - 1
        return xp.where(last, xp.maximum(lower, 0.0), lower)
    limits = xp.asarray(ages.limits, float)
    if limits.shape != (count,):
        raise ValueError(f"{name}.ages(): limits has {limits.size} entries for {count} ages: give one for each.")
    known = concrete(limits)
    if known is not None and low is not None and high is not None and not np.all((known >= low) & (known < high)):
        raise ValueError(
            f"{name}.ages(): limits lie between {known.min():g} and {known.max():g}, asset_space() between "
            f"{low:g} and {high:g}: lower the borrowing limit there, or raise the limits."
        )
    if known is not None and known[-1] < 0:
        raise ValueError(f"{name}.ages(): the limit at the last age is {known[-1]:g}: nobody may die in debt, give 0.")
    return limits


def _births(model: Model, ages: Ages, aggregate: Any, moves: Any, shares: Any) -> Any:
    """The income state of newborns given that of the dead, (income, income): the same for all of a type."""
    xp, income, types = array_module(ages, moves, shares), moves.shape[-1], len(shares)
    if ages.newborn is None:
        every = joint_distribution(aggregate, moves, shares).sum(axis=0)
    else:
        every = xp.asarray(ages.newborn, float)
        if every.shape != (income,):
            raise ValueError(
                f"{type(model).__name__}.ages(): newborn has {every.size} probabilities, but idiosyncratic_shock() has "
                f"{income} states: give one for each."
            )
    each = every.reshape(types, -1)
    each = each / each.sum(axis=1, keepdims=True)
    mine = np.repeat(np.arange(types), income // types)
    return xp.where(mine[:, None] == mine[None], each.reshape(1, income), 0.0)


def long_run(aggregate: Any, states: OwnStates) -> Any:
    """The mass of aggregate and own states in the long run: (Z, own)."""
    moves, life = states.moves, states.life
    if life is None:
        return joint_distribution(aggregate, moves, states.shares)
    xp = array_module(aggregate, moves, states.shares, life)
    income, types = moves.shape[-1], len(states.shares)
    first = xp.asarray(life.birth)[:: income // types].sum(axis=0) * xp.repeat(states.shares, income // types)
    now, rows = stationary_distribution(aggregate)[:, None] * first, []
    survival = xp.asarray(life.survival)
    for age in range(len(life.survival)):
        rows.append(now)
        now = survival[age] * xp.einsum("ze,zx,zxef->xf", now, aggregate, moves)
    found = xp.stack(rows, axis=1)
    return (found / found.sum()).reshape(len(aggregate), -1)


def without_aggregate_risk(aggregate: Any, states: OwnStates) -> Any:
    """The chain of income with the aggregate shock averaged out, (income, income)."""
    if states.life is not None and not states.conditional:
        return states.moves[0, 0]  # income states that do not connect have no long run of their own
    return average_out(states.moves, aggregate, states.shares)
