"""What is wrong with the equations of an economy at candidate prices, read off without solving a household."""

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.economy import Economy
from hank_mfg.model.named import Named
from hank_mfg.solve.candidates import Survey
from hank_mfg.solve.equilibrium import given
from hank_mfg.solve.household import asset_return
from hank_mfg.solve.quantities import Names


def words(names, values) -> str:
    """Names with their values."""
    return ", ".join(f"{name} = {float(value):.6g}" for name, value in zip(names, values, strict=True))


def equation_names(economy: Economy, names: Names) -> list[str]:
    """What the equations of a stationary equilibrium are called: aggregates, markets, and firms where they set "
    "prices."""
    shocks = economy.shocks(0)
    one = jnp.ones(())

    def markets():
        total = Named("aggregates", dict.fromkeys((*names.moved, *names.fixed, *names.carried), one))
        public = economy.form(total, shocks, Named("unknowns", dict.fromkeys(names.clearing, one)))
        chosen = Named("choices", dict.fromkeys(economy.model.chosen(), one))
        return dict(economy.model.excess_demand(economy.series(public), chosen))

    keys = list(jax.eval_shape(markets)) if names.clearing else []
    return [*names.unknown, *keys, *(["firms' prices"] if economy.sets_prices else [])]


def first_not_finite(economy: Economy, names: Names, unknown: np.ndarray) -> str | None:
    """The first price, discount factor or resource that is not a number at a candidate, in the order of the model."""
    public = given(economy, names, jnp.asarray(unknown))
    at = words(names.searched, unknown)
    name = type(economy.model).__name__
    for group, method in ((public.aggregates, "aggregates"), (public.prices, "prices")):
        for each, value in group.items():
            if not np.isfinite(np.asarray(value)).all():
                method = "carry" if each in names.carried else method
                return f"{name}.{method}(): {each} is {float(np.asarray(value)):g} at {at}"
    prices = words(public.prices, public.prices.values())
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
    wage = economy.wage(public)
    if wage is not None and not (np.isfinite(np.asarray(wage)).all() and np.asarray(wage).min() > 0):
        return f"{name}.hourly_wage(): {np.asarray(wage).min():g} in some income state, at {prices}"
    return None


def state_not_at_rest(economy: Economy, names: Names, unknown: np.ndarray) -> str | None:
    """A state variable that carry() moves wherever one looks: there is no stationary value of it."""
    if not names.carried:
        return None
    moves = []
    for each in unknown[:: max(len(unknown) // 8, 1)]:
        public = given(economy, names, jnp.asarray(each))
        following = economy.carry(public)
        now = np.asarray([float(public.aggregates[name]) for name in names.carried])
        then = np.asarray([float(following[name]) for name in names.carried])
        moves.append((now, then))
    away = np.asarray([np.abs(then - now) / (1.0 + np.abs(now)) for now, then in moves])
    stays = (away <= 1e-6).any(axis=0)
    if stays.all():
        return None
    place = int(np.argmin(stays))
    now, then = moves[len(moves) // 2]
    return (
        f"The state variable {names.carried[place]} has no stationary value: carry() moves it from {now[place]:.6g} to "
        f"{then[place]:.6g} at {words(names.searched, unknown[len(unknown) // 2])}, and so at every value tried; let "
        "carry() lead back to a value at rest, as a fiscal or monetary rule does."
    )


def wrong_sign(economy: Economy, names: Names, survey: Survey) -> str | None:
    """An exact sign of a reversed sign: cash on hand that falls with assets, a rate or income; a return that rises with
    what is supplied."""
    name = type(economy.model).__name__
    good = np.flatnonzero(survey.finite)
    if not len(good):
        return None
    picked = good[:: max(len(good) // 24, 1)]
    slopes = [_slopes(economy, names, survey.unknown[place]) for place in picked]
    gross = np.asarray([each[0] for each in slopes])
    own = {key: np.asarray([each[1][key] for each in slopes]) for key in economy.own}
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
        if np.all(values < 0):
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


def _slopes(economy: Economy, names: Names, unknown: np.ndarray):
    """The derivative of cash on hand in assets at the top of the grid, and in each own value at zero or the lowest
    assets, (income,) averages."""
    public = given(economy, names, jnp.asarray(unknown))
    gross = float(np.asarray(asset_return(economy, public))[-1].max())
    assets, own = economy.states()
    rise = {}
    for key in own:
        ones = Named("own", {k: jnp.ones_like(v) if k == key else jnp.zeros_like(v) for k, v in own.items()})

        def cash(own):
            return economy.model.resources(assets[:1], own, public.prices, public.shocks) + 0.0 * assets[:1]

        slope = jax.jvp(cash, (own,), (ones,))[1]
        rise[key] = float(np.mean(np.asarray(slope)))
    return gross, rise
