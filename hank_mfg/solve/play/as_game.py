"""Turn a declared economy into a game: its initial state and its terminal value."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Economy, Public
from hank_mfg.environment.economy_game import EconomyGame, Start
from hank_mfg.environment.grids import spline_matrix
from hank_mfg.model.base import Model
from hank_mfg.model.named import Named
from hank_mfg.precision import float64_allowed, in_jax
from hank_mfg.sizes import require_whole
from hank_mfg.solve.solution import move_mass
from hank_mfg.solve.stationary.best_savings import scaled_flows, stationary_value
from hank_mfg.solve.stationary.household import feasible_savings
from hank_mfg.solve.stationary.steady_state import SteadyState, require_own_steady, steady_state


@float64_allowed
def as_game(
    model: Model,
    *,
    asset_points: int = 60,
    horizon: int = 40,
    bins: int | None = 20,
    knots: int = 12,
    steady: SteadyState | None = None,
) -> EconomyGame:
    """The economy as a mean-field game, for `hm.solve` and every measure of games.

    It has `horizon` periods. It starts at the stationary distribution of assets, with the aggregate shock and income
    drawn as in the long run, and ends with the value function of the stationary equilibrium, in which aggregate shocks
    are at their means. Actions are shares of the most that a household can consume: `bins` equally spaced ones, each at
    the middle of its interval, or any share between zero and one with `bins=None` (IPPO, RIPPO and MOMD need bins).
    Policies are splines with `knots` knots in the `asset_points` points of the asset grid. `steady`, a stationary
    equilibrium of the same model, saves solving one; its own asset points may be others.

    Prices that clear inside the period clear after all have chosen; see environment/economy_game.py for what
    households then see. Raises ValueError for sizes that are too small, and what `steady_state` raises.
    """
    require_whole("horizon", horizon, 1, "typically 40 to 200")
    require_whole("knots", knots, 3, "typically 12")
    if bins is not None:
        require_whole("bins", bins, 2, "typically 20, or None for any share")
    economy = discretize(model, asset_points, jnp.float64)
    if economy.life is not None:
        raise ValueError(
            f"{type(model).__name__}.ages() lets lives end: games made of an economy are for lives without end; solve "
            "it with RSPG(), and look at hm.exploitability(solution)."
        )
    require_own_steady(model, steady)
    steady = steady_state(model, asset_points=asset_points) if steady is None else steady
    quiet = steady.economy.on(economy.grid)
    end, slopes = _stationary_values(quiet, jax.tree.map(in_jax, steady.public), steady.policy)
    mass = move_mass(steady.mass, steady.economy.grid.points, economy.grid.points)
    weight = float(np.sum(mass * np.asarray(quiet.annuities())[None]))
    clearing_prices = Named(
        "clearing_prices", {name: np.asarray(steady.prices[name]) for name in economy.clearing_prices}
    )
    shares, masses = start_masses(mass, np.asarray(economy.long_run()))
    begin = Start(shares, masses, clearing_prices, np.asarray(end).reshape(-1), weight, float(np.sum(mass * slopes)))
    spline = spline_matrix(np.linspace(0.0, 1.0, knots), np.linspace(0.0, 1.0, economy.grid.size))
    return EconomyGame(
        economy=economy, begin=begin, spline=spline, discount_factor=mean_discount(economy), horizon=horizon, bins=bins
    )


def start_masses(mass: np.ndarray, long_run: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities of aggregate states (shocks,), and the mass (shocks, states) to start from in each.

    Assets given income are those of the stationary `mass` (assets, income); income given the shock is that of the long
    run, `long_run` (shocks, income).
    """
    shares = long_run.sum(axis=1)
    by_income = mass.sum(axis=0)
    given = np.where(by_income > 0, mass / np.where(by_income > 0, by_income, 1.0), 1.0 / len(mass))
    masses = given[None] * (long_run / np.where(shares > 0, shares, 1.0)[:, None])[:, None]
    return shares, masses.reshape(len(shares), -1)


def mean_discount(economy: Economy) -> float:
    """The discount factor, or its mean in the long run where it differs or moves."""
    each = jax.vmap(lambda z: economy.discount_factor(economy.shocks(z))[0])(jnp.arange(economy.shock_count))
    if bool(jnp.all(each == each[0, 0])):
        return float(each[0, 0])
    return float(jnp.sum(each * economy.long_run()))


@eqx.filter_jit
def _stationary_values(economy: Economy, public: Public, policy) -> Array:
    """The value of the stationary policy, and its derivative in a factor on goods: (2, assets, income)."""
    cash = economy.resources(public)
    savings = feasible_savings(economy, public, cash, policy(cash))
    flows = scaled_flows(economy, jnp.ones((), economy.dtype))(savings, public)
    return stationary_value(economy, public, savings, flows)
