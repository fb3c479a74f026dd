"""The aggregate quantities of an economy as names and vectors, and the equations that tie those of one period.

Along a path the unknowns of a period are U = (aggregates that choices move, prices that clear inside the period, what
the period before carried over). Given them and the shocks, prices follow by the model's equations, x = (prices, shocks)
is what households take as given, and the period's markets and what it leaves to the next are

    excess demand m(U, Z, choices) = 0,        carried_{t+1} = k(U, Z).

Where expectations are declared, or firms set prices, equations look a period ahead, m(U, Z, choices, U', Z') = 0.
Nothing here knows how households choose."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.accounting import goods_left
from hank_mfg.environment.dependence import depends_on, names_read
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.model.named import Named
from hank_mfg.precision import in_jax

NEWTON = 8  # steps toward the steady state variables
NO_PARAMETERS = Named("parameters")


class Names(NamedTuple):
    """Names of what is unknown and known, in order.

    `unknown` are the aggregates that choices move and prices follow from, all that choices move where no price follows
    from any and none clears; `other` those that choices move and no price follows from, `fixed` those they do not move;
    `clearing` the prices that clear inside the period, `state_variables` what one period leaves to the next; `prices`
    (the clearing ones first) and `shocks` are what households take as given; `choices` what is summed of their choices,
    consumption first. `unread` are choices and `other` aggregates whose responses are left out, see `reading`.
    `explicit` pairs clearing prices with the places of markets without households, from which they follow period by
    period where a linear system is solved."""

    unknown: tuple[str, ...]
    fixed: tuple[str, ...]
    prices: tuple[str, ...]
    shocks: tuple[str, ...]
    other: tuple[str, ...] = ()
    clearing: tuple[str, ...] = ()
    state_variables: tuple[str, ...] = ()
    choices: tuple[str, ...] = ("consumption",)
    unread: tuple[str, ...] = ()
    explicit: tuple[tuple[str, int], ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Inputs of households: prices, then shocks."""
        return self.prices + self.shocks

    @property
    def searched(self) -> tuple[str, ...]:
        """Unknowns of a stationary equilibrium: aggregates, then prices that clear inside the period."""
        return self.unknown + self.clearing

    @property
    def moved(self) -> tuple[str, ...]:
        """Every aggregate that choices move."""
        return self.unknown + self.other

    @property
    def path(self) -> tuple[str, ...]:
        """Unknowns of every period of a path."""
        return self.moved + self.clearing + self.state_variables

    @property
    def summed_choices(self) -> tuple[str, ...]:
        """The choices whose responses are not left out."""
        return tuple(name for name in self.choices if name not in self.unread)

    @property
    def summed_aggregates(self) -> tuple[str, ...]:
        """The aggregates that choices move whose responses are not left out."""
        return tuple(name for name in self.moved if name not in self.unread)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Sums over households: their choices, then the aggregates that they move."""
        return self.summed_choices + self.summed_aggregates


def names_of(economy: Economy) -> Names:
    """The names of an economy's quantities; an aggregate is moved by choices when it is computed from assets.

    Read off the equations themselves, without numbers, so that it works on a traced economy.
    """
    model = economy.model
    shocks, one = economy.shocks(0), in_jax(np.ones((), economy.dtype))
    clearing, state_variables = economy.clearing_prices, tuple(model.state_variables())
    names: list[str] = []

    def each(assets):
        values = economy.contributions(shocks, assets)
        names[:] = values
        return [jnp.asarray(value, economy.dtype) for value in values.values()]

    moves = depends_on(each, economy.grid.held)
    moved = tuple(name for name, by_assets in zip(names, moves, strict=True) if by_assets)
    fixed = tuple(name for name in names if name not in moved)
    given, chosen = dict.fromkeys((*names, *state_variables), one), dict.fromkeys(model.chosen(), one)

    def public(total: dict) -> Public:
        return economy.form(Named("aggregates", total), shocks, Named("clearing_prices", dict.fromkeys(clearing, one)))

    def follows(name: str) -> bool:
        def what(value):
            now = public({**given, name: value})
            excess = economy.markets(now, Named("choices", chosen))
            return [*now.prices.values(), *economy.next_state(now).values(), excess]

        return any(depends_on(what, one))

    def matters(choice: str) -> bool:
        def what(value):
            now, choices = public(given), Named("choices", {**chosen, choice: value})
            goods = goods_left(economy, now, choices, Named("tomorrow", given))
            return [economy.markets(now, choices), goods]

        return any(depends_on(what, one))

    unknown = tuple(name for name in moved if follows(name))
    unknown = unknown if unknown or clearing else moved  # at given prices an aggregate is whatever is supplied
    prices = tuple(jax.eval_shape(lambda: public(given).prices))
    other = tuple(name for name in moved if name not in unknown)
    choices = tuple(name for name in chosen if name != "savings" or matters(name))
    return Names(unknown, fixed, prices, tuple(shocks), other, clearing, state_variables, choices)


def reading(economy: Economy, names: Names, series: tuple[str, ...]) -> Names:
    """The names, with the choices and reported aggregates as `unread` that neither a market nor any of `series` reads.

    Read off the equations themselves, without numbers: a market that no household enters at some values of parameters
    still counts.
    """
    one, optional = jnp.ones((), economy.dtype), names.choices + names.other

    def results(values: dict) -> list:
        public = _at_ones(economy, names, values)
        choices = Named("choices", {name: values.get(name, one) for name in economy.model.chosen()})
        found = economy.series(public)
        asked = [jnp.asarray(found[name]) for name in series if name not in names.choices]
        return [economy.markets(public, choices), *asked]

    read = names_read(results, dict.fromkeys(optional, one)) | set(series)
    return names._replace(unread=tuple(name for name in optional if name not in read))


def series_names(economy: Economy, names: Names) -> tuple[str, ...]:
    """The names of every series of a model that is one number a period: shocks, aggregates, prices, outcomes and what
    is chosen."""
    found = jax.eval_shape(lambda: dict(economy.series(_at_ones(economy, names, {})).items()))
    return (*(name for name, each in found.items() if not each.shape), *economy.model.chosen())


def _at_ones(economy: Economy, names: Names, values: Mapping[str, Any]) -> Public:
    """A period in which aggregates and prices that clear are one where `values` does not say otherwise, to be traced
    and not evaluated."""
    one = jnp.ones((), economy.dtype)
    aggregates = {name: values.get(name, one) for name in (*names.fixed, *names.moved, *names.state_variables)}
    clearing = Named("clearing_prices", dict.fromkeys(names.clearing, one))
    return economy.form(Named("aggregates", aggregates), economy.shocks(0), clearing)


def require_closed_form(names: Names, method: str) -> Names:
    """The names, unless prices clear inside the period: `method` does not solve for these, ValueError."""
    if names.clearing or names.state_variables:
        what, how = (
            (names.clearing[0], "clears inside") if names.clearing else (names.state_variables[0], "is carried over")
        )
        raise ValueError(
            f"{method} needs prices that are a closed form of aggregates and shocks, unlike {what}, which {how} "
            "the period: solve with RSPG()."
        )
    return names


def stack(values: Mapping[str, Any], names: tuple[str, ...]) -> Array:
    """The named numbers as a vector (names,)."""
    return jnp.asarray([jnp.asarray(values[name], jnp.float64) for name in names], jnp.float64)


def public_of(inputs: Array, names: Names) -> Public:
    """Prices and shocks from a vector (inputs,) in the order of `names.inputs`; no aggregates."""
    count = len(names.prices)
    prices = Named("prices", dict(zip(names.prices, inputs[:count], strict=True)))
    return Public(shock_values(names, inputs[count:]), Named("aggregates", {}), prices)


def shock_values(names: Names, shocks: Array) -> Named:
    """Shocks by name from a vector (shocks,)."""
    return Named("shocks", dict(zip(names.shocks, shocks, strict=True)))


def contributions(economy: Economy, shocks: Named, names: tuple[str, ...], assets: Array | None = None) -> Array:
    """The contribution of each individual state to the aggregates `names`: (names, assets, income); of states with
    other `assets` than those of the grid where these are given."""
    each = economy.contributions(shocks, assets)
    full = [jnp.broadcast_to(jnp.asarray(each[name], economy.dtype), economy.shape) for name in names]
    return jnp.stack(full) if full else jnp.zeros((0, *economy.shape), economy.dtype)


def supplied(economy: Economy, names: tuple[str, ...], mass: Array, shocks: Named) -> Array:
    """The aggregates `names` of a mass: (names,)."""
    return jnp.sum(contributions(economy, shocks, names) * mass[None], axis=(1, 2))


def form(economy: Economy, names: Names, known: Mapping[str, Array], shocks: Named, share: Array) -> Public:
    """Everything aggregate in a period, from `known` values by name: of aggregates that choices move, prices that clear
    and what was carried over. `share` (income,) is the mass of income states, from which other aggregates follow."""
    mass = jnp.zeros(economy.shape).at[0].set(share)
    fixed = dict(zip(names.fixed, supplied(economy, names.fixed, mass, shocks), strict=True))
    total = {**fixed, **{name: value for name, value in known.items() if name not in names.clearing}}
    candidates = Named("clearing_prices", {name: known[name] for name in names.clearing})
    return economy.form(Named("aggregates", total), shocks, candidates)


def form_steady_state(economy: Economy, names: Names, searched: Array, shocks: Named, share: Array) -> Public:
    """Everything aggregate when a period leaves to the next what it found, x = next_state(x), given what is `searched`.

    Newton's method from the declared first values, exact in one step where the rule is linear.
    """
    known = dict(zip(names.searched, searched, strict=True))

    def at(x: Array) -> Public:
        return form(economy, names, {**known, **dict(zip(names.state_variables, x, strict=True))}, shocks, share)

    def change(x: Array) -> Array:
        return stack(economy.next_state(at(x)), names.state_variables) - x

    def newton(_, x: Array) -> Array:
        return x - jnp.linalg.solve(jax.jacfwd(change)(x), change(x))

    first = stack(Named("state_variables", economy.model.state_variables()), names.state_variables)
    return at(jax.lax.fori_loop(0, NEWTON, newton, first) if names.state_variables else first)


def goods_along(economy: Economy, names: Names, series: Mapping[str, Array]) -> Array | None:
    """Excess supply of goods in every period but the last, (time - 1,), along the paths of all `series`; None where the
    model does not state it."""
    choices = {name: series[name][:-1] for name in names.choices}
    now = {name: path[:-1] for name, path in series.items() if name not in choices}
    after = {name: series[name][1:] for name in names.moved + names.fixed + names.state_variables}

    def one(now, choices, after):
        groups = ("today", now), ("choices", choices), ("tomorrow", after)
        return economy.model.goods_market(*(Named(label, values) for label, values in groups))

    return jax.vmap(one)(now, choices, after)


class Period(NamedTuple):
    """The equations of one period of a path: `inputs` (inputs,) of households, `excess` demand (clearing,), what is
    left to the next, `state_variables` (state_variables,), and everything aggregate."""

    inputs: Array
    excess: Array
    state_variables: Array
    public: Public


def with_parameters(economy: Economy, parameters: Named) -> Economy:
    """The economy with other values of some parameters of its model, on the same grid and with the same shocks."""
    if not parameters:
        return economy
    return eqx.tree_at(lambda e: e.model, economy, economy.model.with_parameters(**parameters))


class Moment(NamedTuple):
    """A period of a path: its unknowns U (path,), shocks (shocks,) and shares of income states (income,), and the
    values of `parameters` that differ from those of the economy, by name."""

    here: Array
    shocks: Array
    share: Array
    parameters: Named = NO_PARAMETERS


def period(economy: Economy, names: Names) -> Callable[[Moment, Moment, Array], Period]:
    """The equations of a period, as a function of itself, the period after it and what is chosen (choices,)."""

    def public_at(moment: Moment) -> Public:
        known = dict(zip(names.path, moment.here, strict=True))
        here = with_parameters(economy, moment.parameters)
        return form(here, names, known, shock_values(names, moment.shocks), moment.share)

    def equations(now: Moment, following: Moment, choices: Array) -> Period:
        public, shocks = public_at(now), now.shocks
        here, after = (with_parameters(economy, moment.parameters) for moment in (now, following))
        chosen = Named("choices", dict(zip(names.choices, choices, strict=True)))
        excess = here.markets(public, chosen, here.expected(public, public_at(following), after))
        inputs = jnp.concatenate([stack(public.prices, names.prices), shocks])
        return Period(inputs, excess, stack(here.next_state(public), names.state_variables), public)

    return equations
