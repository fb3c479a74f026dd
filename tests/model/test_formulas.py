"""Preferences and production against closed forms and derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm

AVERSION = [0.5, 1.0, 1.0 + 1e-7, 2.0, 5.0]


@pytest.mark.parametrize("risk_aversion", AVERSION)
def test_marginal_utility_is_the_derivative_and_its_inverse_undoes_it(float64, risk_aversion):
    utility, consumption = hm.CRRA(risk_aversion), jnp.array([0.1, 1.0, 7.0])
    slope = jax.vmap(jax.grad(utility.utility))(consumption)
    np.testing.assert_allclose(slope, utility.marginal_utility(consumption), rtol=1e-6)
    back = utility.inverse_marginal_utility(utility.marginal_utility(consumption))
    np.testing.assert_allclose(back, consumption, rtol=1e-12)


def test_log_utility_is_the_limit_and_infeasible_consumption_is_minus_infinity(float64):
    consumption = jnp.array([0.1, 1.0, 7.0])
    np.testing.assert_allclose(hm.CRRA(1.0).utility(consumption), np.log(consumption), atol=1e-14)
    np.testing.assert_allclose(hm.CRRA(1.0 + 1e-6).utility(consumption), np.log(consumption), atol=1e-5)
    assert np.all(np.isneginf(hm.CRRA(2.0).utility(jnp.array([0.0, -1.0]))))


def test_factor_prices_are_marginal_products_and_exhaust_output(float64):
    firm, capital, labor, productivity = hm.CobbDouglas(0.36, 0.025), 11.0, 0.9, 1.02
    rent, wage = jax.grad(firm.output, argnums=(0, 1))(capital, labor, productivity)
    assert float(firm.interest_rate(capital, labor, productivity)) == pytest.approx(float(rent) - 0.025, rel=1e-12)
    assert float(firm.wage(capital, labor, productivity)) == pytest.approx(float(wage), rel=1e-12)
    assert float(rent * capital + wage * labor) == pytest.approx(firm.output(capital, labor, productivity), rel=1e-12)
