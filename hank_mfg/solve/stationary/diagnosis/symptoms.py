"""Errors in the equations of an economy at candidate prices, found without solving a household."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.environment.quantities import Names, form, stack
from hank_mfg.model.named import Named
from hank_mfg.solve.stationary.clearing.candidates import Survey
from hank_mfg.solve.stationary.clearing.equilibrium import given
from hank_mfg.solve.stationary.household import asset_return
from hank_mfg.wording import in_words

OBSERVED = 24  # candidates at which equations are observed


def words(names, values) -> str:
    """Names with their values."""
    return in_words(dict(zip(names, values, strict=True)))


def equation_names(economy: Economy, names: Names) -> list[str]:
    """Names of the equations of a stationary equilibrium: aggregates, markets, and firms where they set prices.
    That of an aggregate is what is supplied of it against what was assumed."""
    shocks = economy.shocks(0)
    one = jnp.ones(())

    def markets():
        total = Named("aggregates", dict.fromkeys((*names.moved, *names.fixed, *names.state_variables), one))
        public = economy.form(total, shocks, Named("clearing_prices", dict.fromkeys(names.clearing, one)))
        chosen = Named("choices", dict.fromkeys(economy.model.chosen(), one))
        now = economy.asked_of_markets(public, economy.expected(public, public))
        return dict(economy.model.excess_demand(now, chosen))

    keys = list(jax.eval_shape(markets)) if names.clearing else []
    aggregates = [f"the supply of {name}" if name in keys else name for name in names.unknown]
    return [*aggregates, *keys, *(["firms' prices"] if economy.sets_prices else [])]


def without_risk(economy: Economy) -> str | None:
    """No permanent type meets idiosyncratic risk in the long run: each of their chains ends in one state for good."""
    if economy.life is not None:
        return None
    chain, types = np.asarray(economy.income_transition[0, 0]), len(economy.shares)
    each = len(chain) // types
    for first in range(0, len(chain), each):
        own = chain[first : first + each, first : first + each]
        if not np.any(np.diagonal(own) >= 1.0 - 1e-14):
            return None
    state = "there is only one income state" if each == 1 else "every household ends in one income state for good"
    return (
        "The stationary mass is not determined: households of one type stay forever in several separate sets of "
        f"states, as they do without idiosyncratic risk, because {state}; where beta (1 + r) = 1 they keep what "
        "they hold, and below it nothing: declare a chain that connects states in idiosyncratic_shock()."
    )


@eqx.filter_jit
def _changes(economy: Economy, names: Names, unknown: Array, states: Array) -> tuple[Array, Array]:
    """The change of the state variables by next_state() from `states` (n, state_variables), and the derivatives of
    that."""

    def change(x: Array) -> Array:
        known = {**dict(zip(names.searched, unknown, strict=True)), **dict(zip(names.state_variables, x, strict=True))}
        public = form(economy, names, known, economy.shocks(0), economy.long_run()[0])
        return stack(economy.next_state(public), names.state_variables) - x

    return jax.lax.map(lambda x: (change(x), jax.jacfwd(change)(x)), states)


def state_without_steady_value(economy: Economy, names: Names, unknown: np.ndarray) -> str | None:
    """A state variable with a unit root, tried at a candidate: what next_state() adds to it is the same at any value of
    the state variables, or it is zero and any value is stationary."""
    if not names.state_variables:
        return None
    first = np.asarray(stack(Named("state_variables", economy.model.state_variables()), names.state_variables))
    others = first + np.random.default_rng(0).uniform(-0.1, 0.1, (4, len(first))) * np.maximum(np.abs(first), 0.1)
    moves, slopes = map(np.asarray, _changes(economy, names, jnp.asarray(unknown), jnp.asarray([first, *others])))
    if not np.isfinite(moves).all() or not np.isfinite(slopes).all():
        return None
    left, values, _ = np.linalg.svd(slopes[0])
    if values[-1] > 1e-10 * max(1.0, values[0]):
        return None
    fixed, drifts = left[:, -1], moves @ left[:, -1]
    if np.ptp(drifts) > 1e-8 * np.abs(drifts).max() and np.abs(drifts).max() > 1e-10:
        return None
    tied = [name for name, weight in zip(names.state_variables, fixed, strict=True) if abs(weight) > 1e-6]
    move = float(moves[0, int(np.argmax(np.abs(fixed)))])
    where = words(names.searched, unknown)
    if np.abs(drifts).max() > 1e-10:
        return (
            f"The state variable {', '.join(tied)} has no stationary value: next_state() moves it by {move:.4g} "
            f"a period at {where} whatever it is; let next_state() lead back to a stationary value, as a fiscal or "
            "monetary rule does."
        )
    return (
        f"Nothing determines the stationary value of the state variable {', '.join(tied)}: next_state() leaves "
        "it where it "
        f"is, at {where} and whatever it is; let next_state() lead back to one value, as a fiscal or monetary "
        "rule does."
    )


def first_not_finite(economy: Economy, names: Names, unknown: np.ndarray) -> str | None:
    """The first price, discount factor or resource that is not a number at a candidate, in the order of the model."""
    public = given(economy, names, jnp.asarray(unknown))
    at = words(names.searched, unknown)
    name = type(economy.model).__name__
    for group, method in ((public.aggregates, "aggregates"), (public.prices, "prices")):
        for each, value in group.items():
            if not np.isfinite(np.asarray(value)).all():
                method = "next_state" if each in names.state_variables else method
                return f"{name}.{method}(): {each} is {float(np.asarray(value)):g} at {at}"
    prices = in_words(public.prices)
    factor = np.asarray(economy.discount_factor(public.shocks))[0]
    if not np.isfinite(factor).all():
        return f"{name}.discounting(): the discount factor is {factor} in the income states"
    for values, what in ((economy.resources(public), "cash on hand"), (asset_return(economy, public), "its slope")):
        wrong = ~np.isfinite(np.asarray(values))
        if wrong.any():
            place = np.argwhere(wrong)[0]
            return (
                f"{name}.resources(): {what} is {float(np.asarray(values)[tuple(place)]):g} at assets = "
                f"{float(economy.grid.points[place[0]]):.4g}, income state {int(place[1])}, {prices}"
            )
    wage = economy.budget(public).wage
    if wage is not None and not (np.isfinite(np.asarray(wage)).all() and np.asarray(wage).min() > 0):
        return f"{name}.hourly_wage(): {np.asarray(wage).min():g} in some income state, at {prices}"
    return None


class Observed(NamedTuple):
    """Values of the equations at a few candidates: state variables `now` and `then`, a period later, (n,
    state_variables); `gross`, by how much cash on hand rises with assets at the top of the grid, (n,); `rise`, with
    each own value at the lowest assets, on average over income states, (n, own)."""

    now: Array
    then: Array
    gross: Array
    rise: Array


@eqx.filter_jit
def _observe(economy: Economy, names: Names, unknown: Array) -> Observed:
    assets, own = economy.states()

    def at(each: Array) -> Observed:
        public = given(economy, names, each)
        now, then = (
            stack(public.aggregates, names.state_variables),
            stack(economy.next_state(public), names.state_variables),
        )

        def cash(own):
            values = economy.model.resources(assets[:1], own, public.given)
            return jnp.mean(jnp.broadcast_to(jnp.asarray(values, economy.dtype), (1, economy.shape[1])))

        def slope(key):
            ahead = {k: jnp.ones_like(v) if k == key else jnp.zeros_like(v) for k, v in own.items()}
            return jax.jvp(cash, (own,), (Named("own", ahead),))[1]

        gross = jnp.max(economy.budget(public).bought(asset_return(economy, public)[-1]))
        return Observed(now, then, gross, jnp.stack([slope(key) for key in own]))

    return jax.lax.map(at, unknown)


def observe(economy: Economy, names: Names, survey: Survey) -> tuple[np.ndarray, Observed]:
    """A few candidates of a survey at which everything is a number, their places in it, and what is observed there."""
    good = np.flatnonzero(survey.finite)
    picked = good[np.linspace(0, len(good) - 1, OBSERVED).astype(int)]
    return picked, jax.tree.map(np.asarray, _observe(economy, names, jnp.asarray(survey.unknown[picked])))


def state_not_constant(names: Names, survey: Survey, picked: np.ndarray, seen: Observed) -> str | None:
    """A state variable that next_state() moves wherever one looks: there is no stationary value of it."""
    if not names.state_variables:
        return None
    now, then = np.asarray(seen.now), np.asarray(seen.then)
    stays = (np.abs(then - now) <= 1e-6 * (1.0 + np.abs(now))).any(axis=0)
    if stays.all():
        return None
    place, middle = int(np.argmin(stays)), len(picked) // 2
    return (
        f"The state variable {names.state_variables[place]} has no stationary value: next_state() moves it from "
        f"{now[middle, place]:.6g} to {then[middle, place]:.6g} at "
        f"{words(names.searched, survey.unknown[picked[middle]])}, and so at every value tried; let next_state() lead "
        "back to a stationary value, as a fiscal or monetary rule does."
    )


def wrong_sign(economy: Economy, names: Names, survey: Survey, picked: np.ndarray, seen: Observed) -> str | None:
    """An exact sign of a reversed sign: cash on hand that falls with assets, a rate or income; a return that rises with
    what is supplied."""
    name, gross = type(economy.model).__name__, np.asarray(seen.gross)
    own = dict(zip(economy.own, np.asarray(seen.rise).T, strict=True))
    if np.all(gross < 0):
        return (
            f"{name}.resources(): cash on hand falls with assets, by {-gross.max():.4g} at least for one more, at "
            "every value tried: wealth enters with the wrong sign."
        )
    for each, price in enumerate(names.prices):
        values = survey.prices[picked, each]
        if np.ptp(values) > 1e-9 and np.allclose(gross, 1.0 - values, atol=1e-12, rtol=0.0):
            return (
                f"{name}.resources(): cash on hand rises with assets by 1 - {price}, at every value tried: let it rise "
                f"by 1 + {price}, so that assets earn the rate."
            )
    for key, values in own.items():
        if np.all(values < 0) and not economy.works:  # with chosen hours earnings are elsewhere, and taxes may be here
            return (
                f"{name}.resources(): cash on hand falls with own.{key}, by {-values.max():.4g} at least, at every "
                "value tried: income enters with the wrong sign."
            )
    if len(names.unknown) == 1 and not names.clearing and np.ptp(gross) > 0:
        order = np.argsort(survey.unknown[picked, 0])
        if np.all(np.diff(gross[order]) > 0):
            low, high = gross[order][[0, -1]] - 1.0
            return (
                f"{name}.prices(): the return on assets rises with {names.unknown[0]}, from {low:.4g} to {high:.4g} "
                "over the values tried: where more is supplied it must fall; check the sign of the rate in prices()."
            )
    return None
