"""The linear general equilibrium given household Jacobians, as a function of the parameters in the equations.

Unknown is V, the aggregates that prices follow from and the prices that clear inside the period. State variables follow
from it forward, s' = S_v v + S_s s + S_z z, what households take as given is x = X_v v + X_s s + X_z z, they respond by
y = J x, and what is left is H V + H_z Z = 0 in

    y - v = 0 for an aggregate,     E_v v + E_s s + E_1 (v', s') + E_c y + E_z z = 0 for a market.

H is (unknown x time) square: state variables and reported aggregates are eliminated, so that it is smaller than H_U of
sequence_space.py with the same solution. J is given; everything else is differentiated from the declared equations, and
the solution has derivatives in parameters of any order without those of H, by the implicit function theorem: the
adjoint of a solve is one more solve with the same factors. Everything is in float64.

Source: Auclert, Bardoczy, Rognlie and Straub (2021), Econometrica 89(5).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.quantities import Moment, Names, form, period, shock_values
from hank_mfg.solve.sequence.household_jacobians import SteadyValues


class Responses(NamedTuple):
    """The responses of households, which no equation of prices or markets moves: `through` (outputs, inputs, time,
    time + 1) to inputs, those of the period after the last one too; `beyond` (outputs, shocks, time, time) to shocks at
    given prices, `shares` (shocks, income, time, time) of the shares of income states, None where there are none;
    `places` of the inputs."""

    through: Array
    beyond: Array | None
    shares: Array | None
    places: Array

    @property
    def horizon(self) -> int:
        """Number of periods."""
        return self.through.shape[2]

    def share(self, shocks: Array, income: int) -> Array:
        """Deviations of the shares of income states, (time, income), along paths of shocks, (time, shocks)."""
        if self.shares is None:
            return jnp.zeros((len(shocks), income))
        return jnp.einsum("zets,sz->te", self.shares, shocks)


class Local(NamedTuple):
    """Slopes of the equations of one period: of what households take as given, of excess demand and of the next state
    variables in the period's unknowns, shocks and shares (a `Moment` each, rows the equations), of excess demand in
    those of the period after, `ahead`, and in `choices` (clearing, choices)."""

    inputs: Moment
    excess: Moment
    state_variables: Moment
    ahead: Moment
    choices: Array


def local_slopes(ss: SteadyValues, names: Names) -> Local:
    """Slopes of a period's equations at the steady state."""
    equations = period(ss.economy, names)

    def without_public(*given):
        return equations(*given)._replace(public=None)

    at = (ss.moment, ss.moment, ss.choices)
    by_now, by_next, by_choice = (jax.jacfwd(without_public, argnums=i)(*at) for i in range(3))
    return Local(by_now.inputs, by_now.excess, by_now.state_variables, by_next.excess, by_choice.excess)


class _Parts(NamedTuple):
    """Columns of a matrix on (moved aggregates, clearing prices, state variables): of V, and of state variables."""

    unknown: Array
    state_variables: Array


def _parts(names: Names, matrix: Array) -> _Parts:
    other = (len(names.unknown), len(names.moved))
    unknown = jnp.concatenate([matrix[:, : other[0]], matrix[:, other[1] : len(names.moved + names.clearing)]], axis=1)
    return _Parts(unknown, matrix[:, len(names.moved + names.clearing) :])


def _responding(names: Names, local: Local, outputs: Array) -> Array:
    """What responses of outputs, (outputs, ...), add to the residuals, (unknown, ...)."""
    count = len(names.choices)
    supply = outputs[count : count + len(names.unknown)]
    return jnp.concatenate([supply, jnp.einsum("mc,c...->m...", local.choices, outputs[:count])])


class Paths(NamedTuple):
    """Deviations along a path, (time, ...) each: of the unknowns V, of `state_variables` (one period more), of `inputs`
    of households (one period more) and of the sums over households, `outputs`."""

    unknown: Array
    state_variables: Array
    inputs: Array
    outputs: Array


def paths_of(names: Names, local: Local, households: Responses, unknown: Array, shocks: Array) -> Paths:
    """Everything that follows from paths of V, (time, unknown), and of shocks, (time, shocks)."""
    share = households.share(shocks, local.inputs.share.shape[1])
    ahead, given = _parts(names, local.state_variables.here), _parts(names, local.inputs.here)
    moved = unknown @ ahead.unknown.T + shocks @ local.state_variables.shocks.T + share @ local.state_variables.share.T

    def forward(state, news):
        following = ahead.state_variables @ state + news
        return following, following

    first = jnp.zeros(len(names.state_variables))
    later = jax.lax.scan(forward, first, moved, unroll=4)[1]
    state_variables = jnp.concatenate([first[None], later])
    inputs = unknown @ given.unknown.T + shocks @ local.inputs.shocks.T + share @ local.inputs.share.T
    inputs = jnp.pad(inputs, ((0, 1), (0, 0))) + state_variables @ given.state_variables.T
    outputs = jnp.einsum("oits,si->to", households.through, inputs[:, households.places])
    if households.beyond is not None:
        outputs += jnp.einsum("ozts,sz->to", households.beyond, shocks)
    return Paths(unknown, state_variables, inputs, outputs)


def residuals(names: Names, local: Local, households: Responses, unknown: Array, shocks: Array) -> Array:
    """What is left of the equations along paths of V and of shocks, (time, unknown)."""
    paths = paths_of(names, local, households, unknown, shocks)
    count, now, after = len(names.unknown), _parts(names, local.excess.here), _parts(names, local.ahead.here)
    share = households.share(shocks, local.inputs.share.shape[1])
    later = [jnp.pad(x[1:], ((0, 1), (0, 0))) for x in (unknown, shocks, share)]
    excess = unknown @ now.unknown.T + paths.state_variables[:-1] @ now.state_variables.T
    excess += shocks @ local.excess.shocks.T + share @ local.excess.share.T
    excess += later[0] @ after.unknown.T + paths.state_variables[1:] @ after.state_variables.T
    excess += later[1] @ local.ahead.shocks.T + later[2] @ local.ahead.share.T
    own = jnp.concatenate([-unknown[:, :count], excess], axis=1)
    return own + _responding(names, local, paths.outputs.T).T


def matrix_of(names: Names, local: Local, households: Responses) -> Array:
    """H, (unknown x time, unknown x time), the unknowns slowest."""
    horizon, count = households.horizon, len(names.searched)
    through = _responding(names, local, households.through)  # (unknown, inputs, time, time + 1)
    given = _parts(names, local.inputs.here[households.places])
    now, after = _parts(names, local.excess.here), _parts(names, local.ahead.here)
    supply = len(names.unknown)

    def local_rows(in_now: Array, in_after: Array, own: Array) -> Array:
        """Local slopes on the diagonal and beside it, (unknown, columns, time, time + 1)."""
        rows = jnp.concatenate([own, in_now]), jnp.concatenate([jnp.zeros_like(own), in_after])
        diagonals = jnp.eye(horizon, horizon + 1), jnp.eye(horizon, horizon + 1, k=1)
        return jnp.einsum("kmd,kts->mdts", jnp.stack(rows), jnp.stack(diagonals))

    own = -jnp.eye(supply, count)
    in_unknown = local_rows(now.unknown, after.unknown, own) + _combined(through, given.unknown)
    if not names.state_variables:
        return in_unknown[..., :-1].transpose(0, 2, 1, 3).reshape(count * horizon, count * horizon)
    none = jnp.zeros((supply, len(names.state_variables)))
    in_state = local_rows(now.state_variables, after.state_variables, none) + _combined(through, given.state_variables)
    ahead = _parts(names, local.state_variables.here)

    def back(following, column):
        """What the state variables of a period move, now and through all later ones: (unknown, states, time)."""
        total = column + jnp.einsum("mdt,de->met", following, ahead.state_variables)
        return total, total

    columns = jnp.moveaxis(in_state, -1, 0)[1:]  # state variables of period 0 are given
    later = jax.lax.scan(back, jnp.zeros_like(columns[0]), columns, reverse=True, unroll=4)[1]
    matrix = in_unknown[..., :-1] + jnp.einsum("smdt,dv->mvts", later, ahead.unknown)
    return matrix.transpose(0, 2, 1, 3).reshape(count * horizon, count * horizon)


def _combined(through: Array, given: Array) -> Array:
    """Sum over inputs of (unknown, inputs, time, time + 1) times (inputs, columns): (unknown, columns, ...)."""
    total = jnp.zeros((through.shape[0], given.shape[1], *through.shape[2:]))
    for place in range(through.shape[1]):  # a dozen inputs at most: faster than one product
        total = total + through[:, place, None] * given[place][:, None, None]
    return total


def solve_paths(names: Names, local: Local, households: Responses, shocks: Array) -> Array:
    """Responses of V, (paths, time, unknown), to paths of shocks known from period 0 on, (paths, time, shocks)."""
    horizon, count = households.horizon, len(names.searched)
    factors = jax.scipy.linalg.lu_factor(jax.lax.stop_gradient(matrix_of(names, local, households)))

    def in_unknown(unknown: Array) -> Array:
        return residuals(names, local, households, unknown, jnp.zeros((horizon, len(names.shocks))))

    def in_shocks(path: Array) -> Array:
        return residuals(names, local, households, jnp.zeros((horizon, count)), path)

    def solver(transposed: int):
        def solve(_, right: Array) -> Array:
            flat = right.transpose(2, 1, 0).reshape(count * horizon, -1)
            solved = jax.scipy.linalg.lu_solve(factors, flat, trans=transposed)
            return solved.reshape(count, horizon, -1).transpose(2, 1, 0)

        return solve

    right = -jax.vmap(in_shocks)(shocks)
    return jax.lax.custom_linear_solve(jax.vmap(in_unknown), right, solver(0), solver(1))


def series_of(
    ss: SteadyValues, names: Names, households: Responses, paths: Paths, shocks: Array, wanted: tuple[str, ...]
) -> Array:
    """Deviations along a path, (time, series): of shocks, aggregates, prices, outcomes and choices, as `wanted`."""
    outputs = dict(zip(names.outputs, paths.outputs.T, strict=True))
    share = households.share(shocks, len(ss.share))
    moved = jnp.stack([outputs[name] for name in names.moved], axis=1) if names.moved else paths.outputs[:, :0]
    unknown = paths.unknown.at[:, : len(names.unknown)].set(moved[:, : len(names.unknown)])
    here = jnp.concatenate(
        [moved, unknown[:, len(names.unknown) :], paths.state_variables[:-1], shocks, share], axis=1
    )  # fmt: skip
    counts = (len(names.path), len(names.path) + len(names.shocks))

    def pointwise(at: Array) -> Array:
        unknown, shocks, share = jnp.split(at, counts)
        known = dict(zip(names.path, unknown, strict=True))
        public = form(ss.economy, names, known, shock_values(names, shocks), share)
        series = ss.economy.series(public)
        return jnp.stack([jnp.asarray(series[name], jnp.float64) for name in rest])

    rest = tuple(name for name in wanted if name not in names.choices)
    found = {name: outputs[name] for name in names.choices}
    if rest:
        slopes = jax.jacfwd(pointwise)(jnp.concatenate([ss.here, ss.shocks, ss.share]))
        found |= dict(zip(rest, (here @ slopes.T).T, strict=True))
    return jnp.stack([found[name] for name in wanted], axis=1)


def responses_to(
    ss: SteadyValues, names: Names, households: Responses, shocks: Array, wanted: tuple[str, ...]
) -> Array:
    """Deviations of the series `wanted`, (paths, time, series), in response to paths of shocks, (paths, time, shocks).

    Differentiable in the parameters of `ss.economy`, in `households` and in the paths.
    """
    local = local_slopes(ss, names)
    unknown = solve_paths(names, local, households, shocks)

    def one(unknown: Array, shocks: Array) -> Array:
        paths = paths_of(names, local, households, unknown, shocks)
        return series_of(ss, names, households, paths, shocks, wanted)

    return jax.vmap(one)(unknown, shocks)
