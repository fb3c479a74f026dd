"""The stationary mass under constant savings, and its derivatives: sparse direct solves in float64.

With P the transition of individual states s = (assets, income), flattened, the mass solves (I - P') m = 0, sum m = 1.
Permanent types never mix: each has a P of its own, and its mass is that solution times its share of the population.
Never by power iteration: near beta (1 + r) = 1 wealth mixes so slowly that 20,000 steps from a guess can be half wrong.
States are ordered along assets and households do not move far, so elimination in that order fills in little; pairs of
two assets are ordered by minimum degree. Near
savings whose factors are known, iterative refinement takes their place: a few solves with the old factors, to the same
accuracy. JAX has no sparse solver: these run in SciPy on the host, called from traced code, one by one for a batch.
"""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.life import Chain
from hank_mfg.environment.lottery import Lottery, PairLottery, push_forward
from hank_mfg.solve.stationary.clearing.mass_by_age import mass_by_age, response_by_age

if TYPE_CHECKING:
    from scipy.sparse.linalg import SuperLU

ROUGH = 100  # steps from a uniform mass that find a state visited in the long run
RESIDUAL = 1e-11  # of the largest mass: what one more period may change
ROUNDING = 1e-15  # of the largest mass: the residual at which refinement ends
REFINEMENTS = 10  # at most: they take as long as one elimination


def stationary_mass(economy: Economy, savings: Array, neighbor: Array | None = None) -> Array:
    """The stationary mass (assets, income) under constant savings; NaN where it is not determined.

    The mass of a state that is visited in the long run is set to one, the others are solved for, and all are scaled to
    sum one (the scale of a null vector is free), then to the share of their type. `neighbor` is the mass in the call
    before, NaN where there was none: it has such a state, and is refined where that works. Not differentiable:
    `mass_response` has the derivative.
    """
    if economy.life is not None:
        return mass_by_age(economy, savings)
    if neighbor is None:
        neighbor = jnp.full(economy.shape, jnp.nan)
    lottery, chains, neighbors = _types(economy, savings, neighbor)
    found = jax.vmap(lambda *one: _call(_null_vector, *one))(lottery, chains, neighbors, jnp.arange(len(chains)))
    return _together(economy.shares[:, None, None] * found)


def mass_response(economy: Economy, savings: Array, mass: Array, flow: Array) -> Array:
    """The change dm of the stationary mass when `flow` (assets, income) is added to it every period: linear in `flow`.

    dm - P' dm = flow, sum dm = 0, where `flow` sums to zero: it is what one period moves at given mass when savings or
    the chain change. Both sums are over each permanent type. `savings` and `mass` are constants here. Differentiable
    forward and in reverse.
    """
    if economy.life is not None:
        return response_by_age(*jax.lax.stop_gradient((economy, savings)), flow)
    given = _types(*jax.lax.stop_gradient((economy, savings, mass)))
    return _together(jax.vmap(_type_response)(*given, _apart(economy, flow)))


def _type_response(lottery: Any, chain: Array, mass: Array, flow: Array) -> Array:
    mass, anchor = mass / jnp.sum(mass), jnp.argmax(mass)

    def matrix(change):
        return change - push_forward(change, lottery, Chain(chain)) + mass * jnp.sum(change)

    def solve(transpose: bool):
        return lambda _, right: _call(_response, lottery, chain, anchor, mass, right, transpose=transpose)

    return jax.lax.custom_linear_solve(matrix, flow, solve(False), solve(True))


def _types(economy: Economy, savings: Array, mass: Array) -> tuple[Any, Array, Array]:
    """Lotteries, chains (types, own, own) and masses (types, assets, own) of the permanent types of an economy."""
    lottery = jax.tree.map(lambda each: _apart(economy, each), economy.lottery(savings))
    chain, count = economy.income_transition[0, 0], len(economy.shares)
    blocks = chain.reshape(count, len(chain) // count, count, -1)
    return lottery, jnp.moveaxis(jnp.diagonal(blocks, axis1=0, axis2=2), -1, 0), _apart(economy, mass)


def _apart(economy: Economy, values: Array) -> Array:
    """Values (assets, income) by permanent type: (types, assets, own)."""
    return jnp.moveaxis(values.reshape(len(values), len(economy.shares), -1), 1, 0)


def _together(values: Array) -> Array:
    """The inverse of `_apart`."""
    return jnp.moveaxis(values, 0, 1).reshape(values.shape[1], -1)


def _call(function: Callable, lottery: Lottery | PairLottery, *arrays, **options) -> Array:
    """Call a host function on (index, weights, *arrays) from traced code: one array of weights, or two of two assets.

    The host's thread does not know of the caller's switch to float64 and would be handed, and hand back, float32:
    numbers cross as pairs of 32 bits.
    """
    shape = lottery.index.shape

    def host(*given):
        numbers = [np.asarray(x) for x in given]
        numbers = [np.ascontiguousarray(x).view(np.float64)[..., 0] if x.dtype == np.uint32 else x for x in numbers]
        return _each(one, numbers, len(shape))[..., None].view(np.uint32)

    def one(*given):
        place = _Places(given[0], given[1 : 1 + weights], stride)
        return function(place, *given[1 + weights :], **options)

    leaves = jax.tree.leaves(lottery)
    weights, stride = len(leaves) - 1, getattr(lottery, "stride", 1)
    given = [_bits(x) if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.int32) for x in (*leaves, *arrays)]
    kind = jax.ShapeDtypeStruct((*shape, 2), jnp.uint32)
    return jax.lax.bitcast_convert_type(jax.pure_callback(host, kind, *given, vmap_method="broadcast_all"), jnp.float64)


def _bits(values: Array) -> Array:
    return jax.lax.bitcast_convert_type(values.astype(jnp.float64), jnp.uint32)


class _Places(NamedTuple):
    """A lottery in NumPy: the `index` of the lowest point chosen, and the `weights` of the upper neighbors, of one
    asset or of two, the upper neighbor in the first of which is a `stride` further."""

    index: np.ndarray
    weights: tuple[np.ndarray, ...]
    stride: int

    @property
    def pairs(self) -> bool:
        """Whether there are two assets."""
        return len(self.weights) == 2

    def corners(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Points and their probabilities, in rising order of points."""
        if not self.pairs:
            return [(self.index, 1.0 - self.weights[0]), (self.index + 1, self.weights[0])]
        first, second = self.weights
        low, high = self.index, self.index + self.stride
        return [
            (low, (1.0 - first) * (1.0 - second)), (low + 1, (1.0 - first) * second),
            (high, first * (1.0 - second)), (high + 1, first * second),
        ]  # fmt: skip


def _each(function: Callable, given: list[np.ndarray], axes: int) -> np.ndarray:
    """The function of every member of a batch, one after the other: SuperLU gains nothing in threads."""
    index = given[0]
    batch = index.shape[: index.ndim - axes]
    if not batch:
        return function(*given)
    members = zip(*(x.reshape(-1, *x.shape[len(batch) :]) for x in given), strict=True)
    return np.stack([function(*member) for member in members]).reshape(index.shape)


def transition_matrix(lottery: _Places, chain: np.ndarray) -> Any:
    """The sparse matrix P'[s', s] of individual states, s = (assets, income) flattened, from a lottery and a chain."""
    assets, income = lottery.index.shape
    size, corners = assets * income, lottery.corners()
    # columns are today's states: for every point that is chosen every income tomorrow, sorted by row
    rows = np.stack([point[..., None] * income + np.arange(income) for point, _ in corners], axis=-2).ravel()
    shares = np.stack([share[..., None] * chain for _, share in corners], axis=-2).ravel()
    starts = np.arange(size + 1) * (len(corners) * income)
    from scipy.sparse import csc_array  # loaded on first use

    return csc_array((shares, rows, starts), shape=(size, size))


def _factor(forward: Any, anchor: int, pairs: bool) -> "SuperLU":
    """I - P' with the equation of state `anchor` replaced by one that gives its mass, factored."""
    size = forward.shape[0]
    entries = np.where(forward.indices == anchor, 0.0, -forward.data)
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import splu

    remaining = csc_array((entries, forward.indices, forward.indptr), shape=(size, size))
    matrix = (eye_array(size, format="csc") + remaining).tocsc()
    if pairs:
        return splu(matrix, permc_spec="COLAMD")
    return splu(matrix, permc_spec="NATURAL", options={"SymmetricMode": True}, diag_pivot_thresh=0.0, relax=1)


class _Factors(NamedTuple):
    """The factors of I - P' with the equation of state `anchor` replaced."""

    matrix: "SuperLU"
    anchor: int


_LAST: dict[tuple[int, int], _Factors] = {}  # by number of states and permanent type, the last number only


def _null_vector(lottery: _Places, chain, neighbor, kind) -> np.ndarray:
    """The stationary mass of permanent type `kind`, a number, scaled to sum one."""
    shape = lottery.index.shape
    if not all(np.isfinite(weight).all() for weight in lottery.weights):
        return np.full(shape, np.nan)
    forward, mine = transition_matrix(lottery, chain), (lottery.index.size, int(kind))
    if not np.isfinite(neighbor).all():
        mass = _eliminate(forward, _visited(forward), mine, lottery.pairs)
    else:
        last = _LAST.get(mine)
        mass = None if last is None else _refine(forward, neighbor.ravel(), last)
        mass = _eliminate(forward, int(np.argmax(neighbor)), mine, lottery.pairs) if mass is None else mass
        mass = _eliminate(forward, _visited(forward), mine, lottery.pairs) if mass is None else mass
    return np.full(shape, np.nan) if mass is None else mass.reshape(shape)


def _visited(forward: Any) -> int:
    """A state that is visited in the long run: where most mass is after a while from any start."""
    mass = np.full(forward.shape[0], 1.0 / forward.shape[0])
    for _ in range(ROUGH):
        mass = forward @ mass
    return int(np.argmax(mass))


def _refine(forward: Any, mass: np.ndarray, factors: _Factors) -> np.ndarray | None:
    """The null vector from a neighboring `mass` and `factors`; None where each step does not gain a digit."""
    if not mass[factors.anchor] > 0.0:
        return None
    mass, before = mass / mass[factors.anchor], np.inf
    for _ in range(REFINEMENTS):
        residual = _residual(forward, mass, factors.anchor)
        size = np.abs(residual).max() / np.abs(mass).max()
        if size <= ROUNDING:
            return mass / mass.sum()
        if not size < 0.1 * before:
            return None
        mass, before = mass + factors.matrix.solve(residual), size
    return None


def _residual(forward: Any, mass: np.ndarray, anchor: int) -> np.ndarray:
    """P' m - m, but for the equation of the anchor, which is the scale."""
    residual = forward @ mass - mass
    residual[anchor] = 0.0
    return residual


def _eliminate(forward: Any, anchor: int, mine: tuple[int, int], pairs: bool) -> np.ndarray | None:
    """The null vector by elimination, and its factors kept as `mine`; None where it is not determined."""
    unit = np.zeros(forward.shape[0])
    unit[anchor] = 1.0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            matrix = _factor(forward, anchor, pairs)
    except RuntimeError:  # exactly singular
        return None
    mass = matrix.solve(unit)
    # once more, for what rounding leaves
    mass = mass + matrix.solve(_residual(forward, mass, anchor))
    mass = mass / mass.sum()
    if not (np.abs(forward @ mass - mass).max() < RESIDUAL * np.abs(mass).max() and mass.min() > -RESIDUAL):
        return None
    for other in [each for each in _LAST if each[0] != mass.size]:
        del _LAST[other]
    _LAST[mine] = _Factors(matrix, anchor)
    return mass


def _response(lottery: _Places, chain, anchor, mass, right, *, transpose: bool) -> np.ndarray:
    """The solution of (I - P' + m 1') x = right, or of its transpose."""
    if not np.isfinite(right).all():
        return np.full(lottery.index.shape, np.nan)
    factor = _factor(transition_matrix(lottery, chain), int(anchor), lottery.pairs)
    mass, right = mass.ravel(), right.ravel()
    if not transpose:
        flow = right - mass * right.sum()  # sums to zero; the rest moves the level, along the mass itself
        flow[anchor] = 0.0
        change = factor.solve(flow)
        return (change + mass * (right.sum() - change.sum())).reshape(lottery.index.shape)
    level = mass @ right
    known = right - level
    # the transposed system with the anchor's column replaced: solve for differences from the anchor's value
    value = factor.solve(known, trans="T")
    value[anchor] = 0.0
    return (value - mass @ value + level).reshape(lottery.index.shape)
