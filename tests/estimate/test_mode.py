"""The mode of a posterior whose density is known."""

import types

import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.estimate.posterior.mode import Density, find_mode
from hank_mfg.estimate.posterior.priors import as_model, on_the_line
from hank_mfg.precision import float64_allowed

CURVATURE = np.array([[2500.0, 400.0], [400.0, 500.0]])
CENTER = np.array([0.98, 2.0])
FLAT = {"discount_factor": ("normal", 0.97, 1e4), "risk_aversion": ("normal", 1.9, 1e4)}


def known(jump: float, below: float = 2e-5):
    """A quadratic log density that jumps down by `jump` from `below` its top in the first parameter on."""

    def value_and_gradient(values):
        away = np.array([values["discount_factor"], values["risk_aversion"]]) - CENTER
        value = 276.0 - 0.5 * away @ CURVATURE @ away - jump * (away[0] > -below)
        return value, dict(zip(FLAT, (-CURVATURE @ away).tolist(), strict=True))

    return types.SimpleNamespace(
        parameters=tuple(FLAT), start={name: prior[1] for name, prior in FLAT.items()},
        bounds=lambda name: (-np.inf, np.inf), value_and_gradient=value_and_gradient,
        winding_number=lambda values: 0, cut_off=lambda values: None,
    )  # fmt: skip


@float64_allowed
def mode_of(likelihood):
    return find_mode(Density(likelihood, on_the_line(as_model(FLAT, likelihood), likelihood)))


@pytest.mark.parametrize(("jump", "below"), [(0.0, 0.0), (8e-4, 2e-5), (1.2e-3, 6e-4), (-1.2e-3, 6e-4)])
def test_a_mode_is_found_also_where_the_density_jumps_beside_it(jump, below):
    mode = mode_of(known(jump, below))
    sd = np.sqrt(np.diag(np.linalg.inv(CURVATURE)))
    assert list(mode.sd.values()) == pytest.approx(sd, rel=1e-6)
    assert np.abs(np.array(list(mode.values.values())) - CENTER).max() < 0.02 * sd.min()


def test_a_search_that_ends_on_a_slope_far_from_a_mode_is_said_in_a_sentence():
    with pytest.raises(hm.EstimationError, match="still rises in discount_factor"):
        mode_of(known(10.0, below=5e-3))
