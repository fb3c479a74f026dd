"""The linear general equilibrium given household Jacobians, as a function of the parameters in the equations.

Unknown is V, the aggregates that prices follow from and the prices that clear inside the period. State variables follow
from it forward, s' = S_v v + S_s s + S_z z, what households take as given is x = X_v v + X_s s + X_z z, they respond by
y = J x, and what is left is H V + H_z Z = 0 in

    y - v = 0 for an aggregate,     E_v v + E_s s + E_1 (v', s') + E_c y + E_z z = 0 for a market.

A market in which no household trades, such as a Phillips curve, is solved for one of its own prices, period by period,
where neither state variables nor expectations depend on that price; v stands for the others from here on, and x reads
(v', s') too. H is (unknown x time) square: state variables, such prices and reported aggregates are eliminated, so that
it is smaller than H_U of sequence_space.py with the same solution. J is given; everything else is differentiated from
the declared equations, and the solution has derivatives in parameters of any order without those of H, by the implicit
function theorem: the adjoint of a solve is one more solve with the same factors. Everything is in float64.

Source: Auclert, Bardoczy, Rognlie and Straub (2021), Econometrica 89(5).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.dependence import depends_on
from hank_mfg.environment.economy import Public
from hank_mfg.environment.quantities import Moment, Names, form, period, shock_values
from hank_mfg.model.named import Named
from hank_mfg.solve.sequence.household_jacobians import SteadyValues

BEFORE, AFTER = (((0, 0), (0, 0), (0, 0), each) for each in ((0, 1), (1, 0)))  # of columns, zeros
PIVOT = 0.01  # least slope of a market in a price that is solved for, relative to its largest slope


class Responses(NamedTuple):
    """The responses of households, which no equation of prices or markets moves: `through` (outputs, time, inputs,
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
        return self.through.shape[1]

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


class _Slope(NamedTuple):
    """Slopes of some equations, rows, in the unknowns V, state variables, shocks and shares of a period."""

    unknown: Array
    state_variables: Array
    shocks: Array
    share: Array

    def at(self, unknown: Array, state_variables: Array, shocks: Array, share: Array) -> Array:
        """What paths of a period's quantities, (time, ...) each, add to the equations, (time, rows)."""
        parts = zip(self, (unknown, state_variables, shocks, share), strict=True)
        return sum((path @ slope.T for slope, path in parts), jnp.zeros(()))


class _System(NamedTuple):
    """Slopes of the equations of a period in what is unknown, `here` and in the period after, `ahead`: of what
    households take as given, of excess demand, and of prices that are `explicit`; of the next state variables; of
    excess demand in `choices` (markets, choices). `last` (inputs, state variables) are slopes of the inputs of the
    period after the last one, where explicit prices are those at rest."""

    inputs: tuple[_Slope, _Slope]
    last: Array
    excess: tuple[_Slope, _Slope]
    explicit: tuple[_Slope, _Slope]
    state_variables: _Slope
    choices: Array


class _Places(NamedTuple):
    """Places of what is solved for, `free`, and of `explicit` prices among the unknowns; of the markets that are left,
    and of those that make prices `explicit`."""

    free: list[int]
    explicit: list[int]
    markets: list[int]
    solved: list[int]


def _places(names: Names) -> _Places:
    explicit = [names.searched.index(name) for name, _ in names.explicit]
    solved = [market for _, market in names.explicit]
    return _Places(
        [i for i in range(len(names.searched)) if i not in explicit], explicit,
        [i for i in range(len(names.clearing)) if i not in solved], solved,
    )  # fmt: skip


def _system(names: Names, local: Local) -> _System:
    """The equations of a period with explicit prices eliminated."""
    places, count = _places(names), len(names.moved + names.clearing)
    unknown = [*range(len(names.unknown)), *range(len(names.moved), count)]

    def slope(moment: Moment) -> _Slope:
        columns = jnp.asarray(moment.here)
        return _Slope(columns[:, jnp.asarray(unknown, int)], columns[:, count:], moment.shocks, moment.share)

    def rows(slope: _Slope, chosen: list[int]) -> _Slope:
        return _Slope(*(each[jnp.asarray(chosen, int)] for each in slope))

    def free(slope: _Slope) -> _Slope:
        return slope._replace(unknown=slope.unknown[:, jnp.asarray(places.free, int)])

    now, after, given, ahead = map(slope, (local.excess, local.ahead, local.inputs, local.state_variables))
    nothing = jax.tree.map(jnp.zeros_like, given)
    choices = local.choices[jnp.asarray(places.markets, int)]
    choices = choices[:, jnp.asarray([names.choices.index(name) for name in names.summed_choices], int)]
    excess = rows(now, places.markets), rows(after, places.markets)
    if not places.explicit:
        none = rows(now, [])
        return _System((given, nothing), given.state_variables, excess, (none, none), ahead, choices)
    columns = jnp.asarray(places.explicit, int)
    own, later = rows(now, places.solved), rows(after, places.solved)
    explicit = tuple(
        _Slope(*(-jnp.linalg.solve(own.unknown[:, columns], each) for each in free(part))) for part in (own, later)
    )

    def without(here: _Slope, following: _Slope) -> tuple[_Slope, _Slope]:
        """Slopes that read the explicit prices of the same period alone, with these replaced."""
        by_price = here.unknown[:, columns]
        return (
            jax.tree.map(lambda a, b: a + by_price @ b, free(here), explicit[0]),
            jax.tree.map(lambda a, b: a + by_price @ b, free(following), explicit[1]),
        )

    inputs, excess = without(given, nothing), without(*excess)
    return _System(inputs, given.state_variables, excess, (explicit[0], explicit[1]), free(ahead), choices)


def with_explicit_prices(ss: SteadyValues, names: Names) -> Names:
    """The names, with every price that a market without households determines given all others of its period and the
    next, as `explicit`.

    Which markets households enter, and what state variables and expectations depend on, is read off the equations,
    whatever the parameters; where a market determines several prices the one to which it reacts most is taken.
    """
    economy, one = ss.economy, dict(zip(names.path, ss.here, strict=True))
    shocks = shock_values(names, ss.shocks)
    chosen = {
        **dict.fromkeys(economy.model.chosen(), jnp.ones(())),
        **dict(zip(names.choices, ss.choices, strict=True)),
    }

    def public(known: dict) -> Public:
        return form(economy, names, {**one, **known}, shocks, ss.share)

    def markets(choices: dict) -> list[Array]:
        return economy.each_market(public({}), Named("choices", choices))

    def ahead(price: str) -> bool:
        def read(value: Array) -> list[Array]:
            later = public({price: value})
            return [*economy.expected(public({}), later), *economy.next_state(later).values()]

        return any(depends_on(read, one[price]))

    alone = [place for place, traded in enumerate(depends_on(markets, chosen)) if not traded]
    prices = [name for name in names.clearing if not ahead(name)]
    local, pairs = local_slopes(ss, names), []
    slopes = np.asarray(local.excess.here)[alone]
    slopes = slopes / np.maximum(np.abs(slopes).max(axis=1, keepdims=True, initial=0.0), 1e-300)
    rest = slopes[:, [names.path.index(name) for name in prices]]
    while rest.size and np.abs(rest).max() > PIVOT:
        row, column = np.unravel_index(np.abs(rest).argmax(), rest.shape)
        pairs.append((prices[column], alone[row]))
        rest = rest - np.outer(rest[:, column], rest[row]) / rest[row, column]
        rest[row], rest[:, column] = 0.0, 0.0
    return names._replace(explicit=tuple(pairs))


class Paths(NamedTuple):
    """Deviations along a path, (time, ...) each: of the unknowns V, of `state_variables` (one period more), of `inputs`
    of households (one period more) and of the sums over households, `outputs`."""

    unknown: Array
    state_variables: Array
    inputs: Array
    outputs: Array


class _Exogenous(NamedTuple):
    """Paths of shocks and of shares of income states, (time, ...) each, now and in the period after."""

    now: tuple[Array, Array]
    after: tuple[Array, Array]


def _later(path: Array) -> Array:
    return jnp.pad(path[1:], ((0, 1), (0, 0)))


def _exogenous(system: _System, households: Responses, shocks: Array) -> _Exogenous:
    share = households.share(shocks, system.state_variables.share.shape[1])
    return _Exogenous((shocks, share), (_later(shocks), _later(share)))


def _paths(names: Names, system: _System, households: Responses, free: Array, shocks: Array) -> Paths:
    """Everything that follows from paths of the unknowns that are solved for, (time, free), and of shocks, (time,
    shocks); `unknown` are those solved for, and then explicit prices."""
    given, ahead = _exogenous(system, households, shocks), system.state_variables
    nothing = jnp.zeros((len(free), len(names.state_variables)))
    moved = ahead.at(free, nothing, *given.now)

    def forward(state, news):
        following = ahead.state_variables @ state + news
        return following, following

    first = jnp.zeros(len(names.state_variables))
    later = jax.lax.scan(forward, first, moved, unroll=4)[1]
    state_variables = jnp.concatenate([first[None], later])

    def both(slopes: tuple[_Slope, _Slope]) -> Array:
        here = slopes[0].at(free, state_variables[:-1], *given.now)
        return here + slopes[1].at(_later(free), state_variables[1:], *given.after)

    inputs = jnp.concatenate([both(system.inputs), state_variables[-1:] @ system.last.T])
    outputs = jnp.einsum("otis,si->to", households.through, inputs[:, households.places])
    if households.beyond is not None:
        outputs += jnp.einsum("ozts,sz->to", households.beyond, shocks)
    return Paths(jnp.concatenate([free, both(system.explicit)], axis=1), state_variables, inputs, outputs)


def paths_of(names: Names, local: Local, households: Responses, free: Array, shocks: Array) -> Paths:
    """Everything that follows from paths of the unknowns that are solved for, (time, free), and of shocks, (time,
    shocks)."""
    paths, places = _paths(names, _system(names, local), households, free, shocks), _places(names)
    order = np.argsort([*places.free, *places.explicit])
    return paths._replace(unknown=paths.unknown[:, order])


def _responding(names: Names, system: _System, outputs: Array) -> Array:
    """What responses of outputs, (outputs, ...), add to the residuals, (free, ...)."""
    count = len(names.summed_choices)
    supply = outputs[count : count + len(names.unknown)]
    return jnp.concatenate([supply, jnp.einsum("mc,c...->m...", system.choices, outputs[:count])])


def residuals(names: Names, local: Local, households: Responses, free: Array, shocks: Array) -> Array:
    """What is left of the equations along paths of the unknowns that are solved for and of shocks, (time, free)."""
    system = _system(names, local)
    paths, given = _paths(names, system, households, free, shocks), _exogenous(system, households, shocks)
    excess = system.excess[0].at(free, paths.state_variables[:-1], *given.now)
    excess += system.excess[1].at(_later(free), paths.state_variables[1:], *given.after)
    own = jnp.concatenate([-free[:, : len(names.unknown)], excess], axis=1)
    return own + _responding(names, system, paths.outputs.T).T


def matrix_of(names: Names, local: Local, households: Responses) -> Array:
    """H, (free x time, free x time), the unknowns that are solved for slowest."""
    system, horizon = _system(names, local), households.horizon
    through = _responding(names, system, households.through)  # (free, time, inputs, time + 1)
    count, supply = through.shape[0], len(names.unknown)
    eye, beside = jnp.eye(horizon, horizon + 1), jnp.eye(horizon, horizon + 1, k=1)

    def columns(of: str, own: Array) -> Array:
        """Columns of H and of the period after the last one, (free, columns, time, time + 1)."""
        here, after = (getattr(each, of)[households.places] for each in system.inputs)
        local_here, local_after = (getattr(each, of) for each in system.excess)
        total = jnp.concatenate([own, local_here])[..., None, None] * eye
        total += jnp.concatenate([jnp.zeros_like(own), local_after])[..., None, None] * beside
        if not names.explicit:
            return total + _combined(through, here)
        moved = _combined(through[..., :-1], jnp.concatenate([here, after], axis=1))
        moved = moved[:, : here.shape[1]], moved[:, here.shape[1] :]  # by a period and by the one after
        return total + jnp.pad(moved[0], BEFORE) + jnp.pad(moved[1], AFTER)

    in_unknown = columns("unknown", -jnp.eye(supply, count))
    if not names.state_variables:
        return in_unknown[..., :-1].transpose(0, 2, 1, 3).reshape(count * horizon, count * horizon)
    in_state = columns("state_variables", jnp.zeros((supply, len(names.state_variables))))
    if names.explicit:
        in_state = in_state.at[..., -1:].add(_combined(through[..., -1:], system.last[households.places]))
    ahead = system.state_variables

    def back(following, column):
        """What the state variables of a period move, now and through all later ones: (free, states, time)."""
        total = column + jnp.einsum("mdt,de->met", following, ahead.state_variables)
        return total, total

    news = jnp.moveaxis(in_state, -1, 0)[1:]  # state variables of period 0 are given
    later = jax.lax.scan(back, jnp.zeros_like(news[0]), news, reverse=True, unroll=4)[1]
    matrix = in_unknown[..., :-1] + jnp.einsum("smdt,dv->mvts", later, ahead.unknown)
    return matrix.transpose(0, 2, 1, 3).reshape(count * horizon, count * horizon)


def middle_column(names: Names, local: Local, households: Responses) -> Array:
    """The blocks of H in the column of the middle of the horizon, (time, free, free)."""
    horizon, count = households.horizon, len(names.searched) - len(names.explicit)
    units = jnp.zeros((count, horizon, count)).at[:, horizon // 2].set(jnp.eye(count))
    still = jnp.zeros((horizon, len(names.shocks)))
    found = jax.vmap(lambda unit: residuals(names, local, households, unit, still))(units)
    return found.transpose(1, 2, 0)


def _combined(through: Array, given: Array) -> Array:
    """Sum over inputs of (free, time, inputs, ...) times (inputs, columns): (free, columns, time, ...)."""
    total = jnp.zeros((through.shape[0], given.shape[1], through.shape[1], through.shape[3]))
    for place in range(through.shape[2]):  # a dozen inputs at most: faster than one product
        total = total + through[:, None, :, place] * given[place][:, None, None]
    return total


def solve_paths(names: Names, local: Local, households: Responses, shocks: Array) -> Array:
    """Responses of the unknowns that are solved for, (paths, time, free), to paths of shocks known from period 0 on,
    (paths, time, shocks)."""
    horizon, count = households.horizon, len(names.searched) - len(names.explicit)
    factors = jax.scipy.linalg.lu_factor(jax.lax.stop_gradient(matrix_of(names, local, households)))

    def in_unknown(free: Array) -> Array:
        return residuals(names, local, households, free, jnp.zeros((horizon, len(names.shocks))))

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
    still = jnp.zeros(len(shocks))  # what none of the series reads
    moved = [outputs.get(name, still) for name in names.moved]
    moved = jnp.stack(moved, axis=1) if moved else paths.outputs[:, :0]
    clearing = paths.unknown[:, len(names.unknown) :]
    here = jnp.concatenate([moved, clearing, paths.state_variables[:-1], shocks, share], axis=1)
    counts = (len(names.path), len(names.path) + len(names.shocks))

    def pointwise(at: Array) -> Array:
        unknown, shocks, share = jnp.split(at, counts)
        known = dict(zip(names.path, unknown, strict=True))
        public = form(ss.economy, names, known, shock_values(names, shocks), share)
        series = ss.economy.series(public)
        return jnp.stack([jnp.asarray(series[name], jnp.float64) for name in rest])

    rest = tuple(name for name in wanted if name not in names.choices)
    found = {name: outputs[name] for name in names.summed_choices}
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
    free = solve_paths(names, local, households, shocks)

    def one(free: Array, shocks: Array) -> Array:
        paths = paths_of(names, local, households, free, shocks)
        return series_of(ss, names, households, paths, shocks, wanted)

    return jax.vmap(one)(free, shocks)
