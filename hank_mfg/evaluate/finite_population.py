"""A policy among finitely many individuals: how the aggregate path and a deviator's gain approach the mean field.

The mean field takes a continuum of individuals and a deviator of no weight. Here N individuals of each population play
the same strategies, sampled as in environment/sampled.py, along the same common noise as the exact mass M_t:

    m_t = histogram of the N states,  o_t = signal(m_t),  and the strategies see o_t, not what the mass would show.

**Gaps.** `signal_gap` is the root of the mean over paths, periods and signals of (o_t - signal(M_t))^2; `mass_gap` is
the mean over paths and periods of sum_s |m_t(s) - M_t(s)|, twice the total variation, at most 2. Both fall like
N^(-1/2) once N is large beside the number of states that matter, unless the strategies amplify small differences.

**A deviator who counts.** Individual 0 plays the best response d to the exact path of the same common noise, found by
backward induction: it knows the common noise to come, as the published measure does, but not the luck of anybody. The
N - 1 others follow pi; everybody's histogram, the deviator's 1/N of it included, makes signals, moves and rewards.
`deviation` is J_N(d) - J_N(pi): the lifetime reward of individual 0 less that when it follows too.

Simulated as it stands, the difference would drown in the luck of one individual. Let all N follow in world A, with
histograms m. There let a ghost without weight play x = d or pi with luck of its own, independent of m: its value is
exact by backward induction along m, V^x(m), and only the effect of its weight is simulated. In world x everybody has
the luck of world A, but the ghost takes the place of individual 0:

    J_N(d) - J_N(pi) = E <M_0, V^d(m) - V^pi(m)> + E [ D_d(world d) - D_d(A) ] - E [ D_pi(world pi) - D_pi(A) ],
    D_x              = sum_t beta^t [ r(s_t, a_t) + beta E V_{t+1}(s' | s_t, a_t) - V_t(s_t) ].

s_t and a_t are those of the ghost, r is its reward there as it happened, E the exact lottery given the histogram of the
day, and V the values of x along the exact path. D is the sum of rewards less what has the same mean in both worlds: the
start and V(s') less its expectation. Both ghosts have the same luck. The identity holds for every N. The differences of
D are of the order 1/N in every draw, unless strategies amplify small differences, and zero where nobody matters.

**A price taker who knows everything.** `price_taking` is the clairvoyant gain of game_exploitability.py with the
histograms m_t in place of the masses M_t: the best response by backward induction along the empirical path, less the
value of following along it, both weighted by M_0. It knows the luck of everybody else as well: an upper bound for
somebody who does not move the histogram.

Both approach `limit`, the clairvoyant exploitability of the mean field on the same common noise. Everything in float64.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.game import Choice, Period, draws_ahead, worth
from hank_mfg.environment.sampled import (
    Crowd,
    gather_crowd,
    sample_options,
    sampled_advance,
    sampled_move,
    sampled_start,
)  # fmt: skip
from hank_mfg.evaluate.game_exploitability import error_of_mean, tried_actions
from hank_mfg.precision import float64_allowed
from hank_mfg.sizes import require_sizes
from hank_mfg.solve.game_play import GamePlay, GameState, action_values, best_values, draw_uniforms, price_taking
from hank_mfg.solve.game_solution import GameSolution

if TYPE_CHECKING:
    import pandas as pd

BUDGET = 2**27  # bytes that the paths worked on at the same time may take
NOBODY = -1


class Measured(NamedTuple):
    """Means over paths and their standard errors, one entry per number of individuals."""

    mean: np.ndarray
    standard_error: np.ndarray


class FinitePopulation(NamedTuple):
    """The gaps and gains of the module's definitions, one entry per number in `individuals`, by population.

    `limit` is the mean field's clairvoyant gain, (mean, standard error); `deviation_excess` and `price_taking_excess`
    are the gains less the limit path by path, whose standard errors are smaller, the common noise being the same.
    `signal_slope` and `mass_slope` are slopes of the log gap on log N, NaN with one N or no gap. Standard errors are
    over the antithetic pairs of `paths` paths.
    """

    individuals: tuple[int, ...]
    signal_gap: Measured
    mass_gap: dict[str, Measured]
    deviation: dict[str, Measured]
    price_taking: dict[str, Measured]
    deviation_excess: dict[str, Measured]
    price_taking_excess: dict[str, Measured]
    limit: dict[str, tuple[float, float]]
    signal_slope: float
    mass_slope: dict[str, float]
    paths: int
    seed: int

    def table(self) -> "pd.DataFrame":
        """One row per population and number of individuals, the last of each population the mean field itself."""
        import pandas as pd

        rows = []
        for name, limit in self.limit.items():
            columns = {
                "Signal gap (root mean square)": (self.signal_gap, (0.0, 0.0)),
                "Mass gap (L1)": (self.mass_gap[name], (0.0, 0.0)),
                "Gain of a deviator (lifetime reward)": (self.deviation[name], limit),
                "Gain of a price taker (lifetime reward)": (self.price_taking[name], limit),
            }
            for place, individuals in enumerate((*self.individuals, float("inf"))):
                row: dict[str, Any] = {"Population": name, "Individuals": individuals}
                for column, (measured, at_infinity) in columns.items():
                    mean, error = [*zip(*measured, strict=True), at_infinity][place]
                    row |= {column: float(mean), f"{column.partition(' (')[0]}, standard error": float(error)}
                rows.append(row)
        frame = pd.DataFrame(rows)
        whole = pd.Series([row["Individuals"] for row in rows], dtype=object)  # numbers stay whole beside infinity
        return frame.assign(Individuals=whole).set_index(["Population", "Individuals"])


class Limit(NamedTuple):
    """The mean field along a path of common noise, time leading.

    What happens, what is seen and, by population: `values` (time + 1, 2, states), zero in the end, of the best response
    and of following, and `reply` (time, states), the action that is best.
    """

    period: Period
    signal: Array
    values: dict[str, Array]
    reply: dict[str, Array]


class Lived(NamedTuple):
    """What N individuals lived through, time leading: their aggregate path, what they saw and chose.

    `ghosts` is the D of each population's two ghosts, who reply best and who follow: (2,).
    """

    period: Period
    signal: Array
    choices: dict[str, Choice]
    ghosts: dict[str, Array]


@float64_allowed
def finite_population(
    solution: GameSolution,
    individuals: int | Sequence[int] = (10, 100, 1_000, 10_000),
    *,
    paths: int = 32,
    seed: int = 5,
) -> FinitePopulation:
    """How a trained policy among N individuals approaches the mean field; see the module's definitions.

    `individuals` are the numbers N of each population, `paths` paths of common noise with one crowd on each. A program
    is compiled for every N; running it takes time in proportion to paths, and to N beyond some thousand.
    Raises ValueError for fewer than two individuals, or a number of paths that is odd or below four.
    """
    return finite_population_of(solution.play(), individuals, paths=paths, seed=seed)


@float64_allowed
def finite_population_of(
    play: GamePlay,
    individuals: int | Sequence[int] = (10, 100, 1_000, 10_000),
    *,
    paths: int = 32,
    seed: int = 5,
) -> FinitePopulation:
    """The same, of any game and strategies in float64."""
    numbers = _numbers(individuals)
    if not isinstance(paths, Integral) or paths < 4 or paths % 2:
        raise ValueError(f"paths = {paths!r} cannot be split into antithetic pairs: give an even number, at least 4.")
    game, most = play.game, max(numbers)
    require_sizes(
        "finite_population", {"individuals": (most, 2, 10_000), "paths": (int(paths), 4, 32)},
        lambda: (40.0 * most, 40.0 * most * paths * game.horizon),
    )  # fmt: skip
    uniforms = draw_uniforms(jax.random.key(seed), int(paths), game.horizon, game.draws, jnp.float64)
    length = _chunk(play, max(numbers), int(paths))
    chunks = [uniforms[first : first + length] for first in range(0, paths, length)]
    limits, gains = zip(*(limit_along(play, chunk) for chunk in chunks), strict=True)
    exact = _join(gains)
    found = []
    for number in numbers:
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), (len(chunks), length))
        found.append(_join([
            crowd_gains(play, limit, *crowds_along(play, number, chunk, limit, key))
            for chunk, limit, key in zip(chunks, limits, keys, strict=True)
        ]))  # fmt: skip
    signal_gap = _stack([_root(each["signal"]) for each in found])

    def measured(what: str, less: dict[str, np.ndarray] | None = None) -> dict[str, Measured]:
        return {
            name: _stack([_mean(each[what][name] - (0.0 if less is None else less[name])) for each in found])
            for name in game.populations
        }

    mass_gap = measured("mass")
    return FinitePopulation(
        numbers, signal_gap, mass_gap, measured("deviation"), measured("price_taking"),
        measured("deviation", exact), measured("price_taking", exact),
        {name: _mean(exact[name]) for name in game.populations}, _slope(numbers, signal_gap.mean),
        {name: _slope(numbers, gap.mean) for name, gap in mass_gap.items()}, int(paths), seed,
    )  # fmt: skip


@eqx.filter_jit
def limit_along(play: GamePlay, uniforms: Array) -> tuple[Limit, dict[str, Array]]:
    """The mean field along each path of `uniforms` (paths, horizon, draws), and its clairvoyant gains (paths,)."""
    game = play.game

    def one(uniforms):
        steps = play.path(uniforms)
        period = price_taking(steps)
        values, reply, gains = {}, {}, {}
        for name, population in game.populations.items():
            tried = tried_actions(population, uniforms.dtype)
            best = best_values(game, name, period, tried)
            both = jnp.stack([best, action_values(game, name, period, steps.now.choices[name])[1]], axis=1)
            values[name] = jnp.concatenate([both, jnp.zeros_like(both[:1])])
            everywhere = jnp.broadcast_to(tried[None], (population.size, tried.shape[0]))
            best_action = partial(_best_action, play, name, everywhere)
            reply[name] = jax.lax.map(best_action, (period, values[name][1:, 0]))
            gains[name] = jnp.sum(period.now.masses[name][0] * (both[0, 0] - both[0, 1]))
        return Limit(period, steps.now.signal, values, reply), gains

    return jax.vmap(one)(uniforms)


def _best_action(play: GamePlay, name: str, actions: Array, ahead: tuple[Period, Array]) -> Array:
    """The best of `actions` (states, actions) in a period before one with the given values (states,): (states,)."""
    period, values = ahead
    return actions[0][jnp.argmax(worth(play.game, name, period, play.own[name], actions, values), axis=1)]


@eqx.filter_jit
def crowds_along(
    play: GamePlay, individuals: int, uniforms: Array, limit: Limit, keys: Array
) -> tuple[Lived, dict[str, Array]]:
    """World A of `individuals` along each path, one of `keys` each, and what weight adds to the gain: (paths,)."""
    names = list(play.game.populations)
    counted = {name: np.full(1 + 2 * len(names), NOBODY) for name in names}
    for place, name in enumerate(names):
        counted[name][1 + 2 * place : 3 + 2 * place] = (0, 1)

    def one(uniforms, limit, key):
        world = lambda counted: live(play, individuals, uniforms, limit, counted, key=key)  # noqa: E731
        worlds = jax.vmap(world)({name: jnp.asarray(each, jnp.int32) for name, each in counted.items()})
        weight = {}
        for place, name in enumerate(names):
            ghosts, first = worlds.ghosts[name] - worlds.ghosts[name][:1], 1 + 2 * place
            weight[name] = ghosts[first, 0] - ghosts[first + 1, 1]
        return jax.tree.map(lambda each: each[0], worlds), weight

    return jax.vmap(one)(uniforms, limit, keys)


@eqx.filter_jit
def crowd_gains(play: GamePlay, limit: Limit, lived: Lived, weight: dict[str, Array]) -> dict[str, Any]:
    """Gaps and gains along each path, "signal" (paths,), the others by population; `weight` adds to the gain."""
    game = play.game

    def one(limit, lived, weight):
        found: dict[str, Any] = {"signal": jnp.mean((lived.signal - limit.signal) ** 2)}
        found |= {"mass": {}, "deviation": {}, "price_taking": {}}
        for name, population in game.populations.items():
            exact = limit.period.now.masses[name]
            found["mass"][name] = jnp.mean(jnp.sum(jnp.abs(lived.period.now.masses[name] - exact), axis=1))
            reply = limit.reply[name][..., None]
            replying = action_values(game, name, lived.period, Choice(reply, jnp.ones_like(reply)))[1][0]
            following = action_values(game, name, lived.period, lived.choices[name])[1][0]
            best = best_values(game, name, lived.period, tried_actions(population, exact.dtype))[0]
            found["deviation"][name] = jnp.sum(exact[0] * (replying - following)) + weight[name]
            found["price_taking"][name] = jnp.sum(exact[0] * (best - following))
        return found

    return jax.vmap(one)(limit, lived, weight)


def live(
    play: GamePlay, individuals: int, uniforms: Array, limit: Limit, counted: dict[str, Array], *, key: Array
) -> Lived:
    """`individuals` of each population play along one path of common noise, uniforms (horizon, draws).

    Two ghosts of each population go along: 0 replies best to the mean field, 1 follows. `counted` says which of them,
    or `NOBODY`, takes the place of individual 0. The same key gives everybody the same luck.
    """
    game = play.game
    start_key, ghost_key, key = jax.random.split(key, 3)
    ghosts = {
        name: jnp.repeat(state, 2) for name, state in sampled_start(game, 1, uniforms[0], key=ghost_key).states.items()
    }
    crowd = _join_crowd(play, sampled_start(game, individuals, uniforms[0], key=start_key), ghosts, counted)
    rest = draws_ahead(uniforms)

    def period(carry, inputs):
        (crowd, ghosts, memory), (uniforms, key, foreseen) = carry, inputs
        now = play.decide(GameState(crowd.aggregate, memory))
        between = crowd.aggregate, game.draw(crowd.aggregate, uniforms)
        move_key, *own_keys = jax.random.split(key, 1 + len(crowd.states))
        actions, ghost_actions, moved = {}, {}, {}
        for (name, states), own_key in zip(crowd.states.items(), own_keys, strict=True):
            option_key, ghost_option_key, ghost_move_key = jax.random.split(own_key, 3)
            actions[name] = sample_options(now.choices[name], states, key=option_key)[1]
            replier, follower = ghosts[name][:1], ghosts[name][1:]
            option = sample_options(now.choices[name], follower, key=ghost_option_key)[1]
            ghost_actions[name] = jnp.concatenate([foreseen.reply[name][replier], option])
            move = partial(sampled_move, game, name, between=between, key=ghost_move_key)
            moved[name] = jax.vmap(move)(ghosts[name][:, None], ghost_actions[name][:, None])[:, 0]
        following = _join_crowd(play, sampled_advance(game, crowd, actions, uniforms, key=move_key), moved, counted)
        happened = Period(crowd.aggregate, following.aggregate)
        weight = game.discount_factor**crowd.aggregate.time
        surprises = {}
        for name, states in ghosts.items():
            surprise = partial(_surprise, play, name, happened)
            surprises[name] = weight * jax.vmap(surprise)(states, ghost_actions[name], foreseen.values[name])
        return (following, moved, now.memory), Lived(happened, now.signal, now.choices, surprises)

    foreseen = limit._replace(values={name: (each[:-1], each[1:]) for name, each in limit.values.items()})
    memory = {name: strategy.initial_memory() for name, strategy in play.strategies.items()}
    inputs = (rest, jax.random.split(key, rest.shape[0]), foreseen)
    lived = jax.lax.scan(period, (crowd, ghosts, memory), inputs)[1]
    return lived._replace(ghosts={name: jnp.sum(each, axis=0) for name, each in lived.ghosts.items()})


def _join_crowd(play: GamePlay, crowd: Crowd, ghosts: dict[str, Array], counted: dict[str, Array]) -> Crowd:
    """The crowd with the `counted` ghosts in the place of individual 0 of their populations."""
    states = {}
    for name, own in crowd.states.items():
        place = counted[name]
        states[name] = own.at[0].set(jnp.where(place == NOBODY, own[0], ghosts[name][jnp.maximum(place, 0)]))
    return gather_crowd(play.game, states, crowd.aggregate)


def _surprise(
    play: GamePlay, name: str, happened: Period, state: Array, action: Array, values: tuple[Array, Array]
) -> Array:
    """The bracket of D: reward and expected value of a ghost less its value today; both values are the mean field's."""
    today, tomorrow = values
    own = play.game.place(name, state[None])
    return worth(play.game, name, happened, own, action[None], tomorrow)[0] - today[state]


def _chunk(play: GamePlay, individuals: int, paths: int) -> int:
    """How many paths to work on at the same time: the largest divisor of `paths` that stays within the budget."""
    game = play.game
    cells = sum(each.size * len(tried_actions(each, jnp.float64)) for each in game.populations.values())
    each = 8 * (4 * game.horizon * cells + 40 * individuals * len(game.populations))
    return max(count for count in range(1, paths + 1) if paths % count == 0 and (count == 1 or count * each <= BUDGET))


def _numbers(individuals: int | Sequence[int]) -> tuple[int, ...]:
    """The numbers of individuals, checked."""
    numbers = tuple(individuals) if isinstance(individuals, Iterable) else (individuals,)
    if not numbers:
        raise ValueError("individuals = () asks for no population: give numbers of individuals such as (10, 100).")
    for number in numbers:
        if not isinstance(number, Integral) or isinstance(number, bool) or number < 2:
            raise ValueError(
                f"individuals = {individuals!r} leaves the deviator nobody to play with at {number!r}: give whole "
                "numbers of at least 2."
            )
    return tuple(int(number) for number in numbers)


def _join(chunks: Sequence[Any]) -> Any:
    """Results of chunks of paths, one after the other, as NumPy arrays."""
    return jax.tree.map(lambda *parts: np.concatenate([np.asarray(part) for part in parts]), *chunks)


def _mean(values: np.ndarray) -> tuple[float, float]:
    """The mean over paths and its standard error, over the antithetic pairs of `draw_uniforms`."""
    return float(values.mean()), error_of_mean(values)


def _root(squares: np.ndarray) -> tuple[float, float]:
    """The root of the mean over paths and its standard error, by the slope of the root."""
    mean, error = _mean(squares)
    root = float(np.sqrt(mean))
    return root, error / (2.0 * root) if root > 0 else 0.0


def _stack(pairs: list[tuple[float, float]]) -> Measured:
    mean, error = np.array(pairs).T
    return Measured(mean, error)


def _slope(numbers: tuple[int, ...], gaps: np.ndarray) -> float:
    """The slope of log gap on log N by least squares; NaN with a single N or without a gap."""
    if len(set(numbers)) < 2 or not (gaps > 0).all():
        return float("nan")
    return float(np.polyfit(np.log(numbers), np.log(gaps), 1)[0])
