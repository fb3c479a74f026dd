"""Young's (2006) lottery: a choice between two grid points becomes a lottery over both, whose mean is the choice.

`expect` reads next period's values at the chosen assets; `push_forward` moves the mass; where nobody dies the second is
the adjoint of the first, so mass is conserved and <push_forward(m), v> = <m, expect(v)> by construction.
Shapes: mass, choice and values (assets, income); the income axis of `values` is tomorrow's.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.grids import AssetGrid
from hank_mfg.environment.life import Chain
from hank_mfg.environment.product_grid import ProductGrid


class Lottery(NamedTuple):
    """`index` of the lower neighbor and the probability `weight` of the upper one; both (assets, income)."""

    index: Array
    weight: Array


class PairLottery(eqx.Module):
    """Two lotteries at once, of two assets: `index` of the pair below the choice in both, the probabilities of the
    upper neighbor in the `first` and the `second`, all (assets, income); `stride` is how far the next point of the
    first asset is, the number of points of the second."""

    index: Array
    first: Array
    second: Array
    stride: int = eqx.field(static=True)


def lottery(choice: Array, grid: AssetGrid | ProductGrid) -> Any:
    """Split each choice of next assets between its two neighbors on the grid; of two assets, `choice` (2, assets,
    income), between its four.

    The weight is differentiable in the choice, the index is not. A choice outside the grid would give a probability
    outside [0, 1]: choices must respect the bounds of the population.
    """
    if isinstance(grid, ProductGrid):
        each = [lottery(one, axis) for one, axis in zip(choice, grid.axes, strict=True)]
        stride = grid.shape[1]
        return PairLottery(stride * each[0].index + each[1].index, each[0].weight, each[1].weight, stride)
    index = grid.bracket(jax.lax.stop_gradient(choice))
    low, high = grid.points[index], grid.points[index + 1]
    return Lottery(index, (choice - low) / (high - low))


def read(values: Array, lottery: Lottery | PairLottery) -> Array:
    """Values on (next assets, income) read at each state's choice, income held: (assets, income)."""
    if isinstance(lottery, PairLottery):
        below = read(values, Lottery(lottery.index, lottery.second))
        above = read(values, Lottery(lottery.index + lottery.stride, lottery.second))
        return below + lottery.first * (above - below)
    low = jnp.take_along_axis(values, lottery.index, axis=0)
    high = jnp.take_along_axis(values, lottery.index + 1, axis=0)
    return low + lottery.weight * (high - low)


def slope(values: Array, lottery: Lottery, grid: AssetGrid) -> Array:
    """The slope of `values` in next assets on the interval that holds each state's choice."""
    rise = jnp.take_along_axis(values, lottery.index + 1, axis=0) - jnp.take_along_axis(values, lottery.index, axis=0)
    return rise / (grid.points[lottery.index + 1] - grid.points[lottery.index])


def expect(values: Array, lottery: Lottery | PairLottery, chain: Chain) -> Array:
    """E[values(a', e') | a, e] of a household, nothing after its death: own states first, then the lottery."""
    return read(chain.expect(values), lottery)


def expect_each(values: Array, lottery: Lottery | PairLottery, chain: Chain) -> Array:
    """`expect` of several values at once, stacked in leading axes: (..., assets, income)."""
    return jnp.vectorize(lambda each: expect(each, lottery, chain), signature="(a,e)->(a,e)")(values)


def settle(mass: Array, lottery: Lottery | PairLottery) -> Array:
    """Move the mass to the chosen assets, income unchanged: the adjoint of `read`."""
    (settled,) = jax.linear_transpose(lambda values: read(values, lottery), mass)(mass)
    return settled


def push_forward(mass: Array, lottery: Lottery | PairLottery, chain: Chain) -> Array:
    """Move the population one period ahead; its adjoint is `pull_back`."""
    return chain.move(settle(mass, lottery))


def pull_back(values: Array, lottery: Lottery | PairLottery, chain: Chain) -> Array:
    """What the population of a state will have of `values`, newborns in the place of the dead counted."""
    return read(chain.adjoint(values), lottery)
