"""Equilibria as functions of parameters: derivatives against differences, grids against one at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm

POINTS = 100
STEPS = {"discount_factor": 1e-4, "risk_aversion": 1e-4, "stationary_sd": 2e-5, "persistence": 1e-4}
MORE = {"capital_share": 3e-5, "depreciation": 8e-6, "maximum_assets": 1e-2}


@pytest.fixture(scope="module")
def model():
    return hm.load_model("aiyagari")


@pytest.fixture(scope="module")
def derivatives(model):
    return hm.steady_state_derivatives(model, asset_points=POINTS, tolerance=1e-13)


def difference(model, name, step):
    """Four-point difference of the interest rate and capital, error of order step^4."""
    weights = {-2: 1.0, -1: -8.0, 1: 8.0, 2: -1.0}
    total = np.zeros(2)
    for move, weight in weights.items():
        changed = model.with_parameters(**{name: getattr(model, name) + move * step})
        steady = hm.steady_state(changed, asset_points=POINTS, tolerance=1e-13)
        total += weight * np.array([float(steady.prices.interest_rate), float(steady.aggregates.capital)])
    return total / (12.0 * step)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*STEPS, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
)  # fmt: skip
def test_derivatives_of_the_equilibrium_are_those_of_differences(model, derivatives, name):
    """Guards docs/accuracy.md, 'derivatives of the equilibrium interest rate': differences to 1e-7."""
    rate, capital = difference(model, name, {**STEPS, **MORE}[name])
    tolerance = 1e-6 if name == "maximum_assets" else 1e-7  # a derivative of 4e-7 itself
    assert float(derivatives[name]["interest_rate"]) == pytest.approx(rate, rel=tolerance)
    assert float(derivatives[name]["capital"]) == pytest.approx(capital, rel=tolerance)


@pytest.mark.slow
def test_labor_is_not_moved_by_tastes(derivatives):
    """Guards `steady_state_derivatives`: exogenous labor has derivative zero in the discount factor."""
    assert abs(float(derivatives["discount_factor"]["labor"])) < 1e-12


@pytest.mark.slow
def test_forward_and_reverse_mode_agree(model, derivatives):
    """Guards docs/yardsticks.md: `jax.grad` through `hm.equilibrium` gives the same derivatives."""

    def rate(values):
        found = hm.equilibrium(model.with_parameters(**values), asset_points=POINTS, tolerance=1e-13)
        return found.prices.interest_rate

    with jax.enable_x64(True):
        values = {name: jnp.asarray(getattr(model, name)) for name in (*STEPS, *MORE)}
        reverse = jax.jit(jax.grad(rate))(values)
    for name, slope in reverse.items():
        assert float(slope) == pytest.approx(float(derivatives[name]["interest_rate"]), rel=1e-9)


@pytest.mark.slow
def test_a_grid_of_parameters_gives_what_each_gives_alone(model):
    """Guards `steady_states`: markets clear to 1e-8 and each member is the one solved alone."""
    values = {"discount_factor": np.linspace(0.94, 0.96, 7), "risk_aversion": np.linspace(1.0, 3.0, 7)}
    grid = hm.steady_states(model, asset_points=POINTS, **values)
    assert np.abs(grid.excess).max() < 1e-8
    for place in (0, 3, 6):
        one = {name: float(array[place]) for name, array in values.items()}
        alone = hm.steady_state(model.with_parameters(**one), asset_points=POINTS)
        assert float(grid.prices.interest_rate[place]) == pytest.approx(float(alone.prices.interest_rate), abs=1e-10)
        np.testing.assert_allclose(grid.mass[place], alone.mass, atol=1e-7)


@pytest.mark.slow
def test_vmap_over_a_model_is_the_same_again(model):
    """Guards docs/yardsticks.md: `jax.vmap` over `hm.equilibrium` gives the equilibria of `steady_states`."""
    values = np.linspace(0.94, 0.96, 3)
    grid = hm.steady_states(model, asset_points=POINTS, discount_factor=values)

    def rate(patience):
        return hm.equilibrium(model.with_parameters(discount_factor=patience), asset_points=POINTS).prices.interest_rate

    with jax.enable_x64(True):
        rates = jax.jit(jax.vmap(rate))(jnp.asarray(values))
    np.testing.assert_allclose(rates, grid.prices.interest_rate, atol=1e-10)
    assert not jax.config.read("jax_enable_x64")


@pytest.mark.slow
def test_with_two_income_states_kinks_are_large_and_differences_need_small_steps():
    """Guards docs/accuracy.md, 'two income states, whose kinks limit the differences': where a step moves choices
    past points of the grid, differences are off by more."""
    model = hm.load_model("krusell_smith")
    slopes = hm.steady_state_derivatives(model, asset_points=POINTS, tolerance=1e-13)["unemployment_benefit"]
    rate, capital = difference(model, "unemployment_benefit", 1e-5)
    assert float(slopes["interest_rate"]) == pytest.approx(rate, rel=3e-6)
    assert float(slopes["capital"]) == pytest.approx(capital, rel=3e-6)


def test_what_a_grid_of_parameters_refuses(model):
    with pytest.raises(ValueError, match=r"lengths \[3, 0\]: give every parameter an array of the same length"):
        hm.steady_states(model, discount_factor=[0.9, 0.92, 0.94], risk_aversion=2.0)
    with pytest.raises(ValueError, match="no parameter 'discount_facto' .did you mean 'discount_factor'"):
        hm.steady_states(model, discount_facto=[0.9, 0.92])
    with pytest.raises(ValueError, match="discount_factor .* must be above 0 and must be below 1"):
        hm.steady_states(model, discount_factor=[0.95, 1.2])
    with pytest.raises(ValueError, match="discount_factor .* must be above 0 and must be below 1"):
        hm.steady_states(model, discount_factor=[0.95, 1.2, 0.96])
    with pytest.raises(ValueError, match="equilibrium.. needs float64: call it inside `with jax.enable_x64"):
        hm.equilibrium(model)


@pytest.mark.slow
def test_the_first_member_without_an_equilibrium_is_named(model):
    """Guards `steady_states`: SteadyStateError at the first member without an equilibrium."""
    with pytest.raises(hm.SteadyStateError, match=r"no stationary equilibrium at borrowing_limit=-200.0: steady_state"):
        hm.steady_states(model, asset_points=30, borrowing_limit=[0.0, -200.0])
