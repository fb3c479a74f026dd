"""The response of a global solution to a small shock is the linear one, where aggregate risk is small."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_sequence_space import Economy, economy

import hank_mfg as hm


class Calm(Economy):
    """The economy of the package with a third of its aggregate risk; everybody sees productivity and prices."""

    def aggregate_shocks(self):
        return hm.AR1("productivity", persistence=0.8, innovation_sd=0.003, mean=self.productivity, states=5)

    def signal(self, today):
        return {"productivity": today.productivity, "interest_rate": today.interest_rate, "wage": today.wage}


@pytest.mark.slow
def test_a_small_shock_in_a_calm_economy_is_the_linear_response():
    """Guards docs/accuracy.md, 'Krusell-Smith, small aggregate risk': productivity .1 percent higher, the largest
    gap over 100 periods, in percent of the linear response's peak."""
    model = Calm(**economy().parameters())
    solution = hm.solve(model, hm.RSPG(updates=200, tolerance=1e-6))
    size = 1e-3 * float(model.productivity)
    response = hm.impulse_response(solution, "productivity", size, horizon=100, starts=64)
    linear = hm.linearize(solution.steady, horizon=300)
    exact = linear.response(productivity=size * 0.8 ** np.arange(300))
    final = hm.transition(solution.steady, linear=linear).final
    gaps = {}
    for name in ("capital", "consumption", "output", "interest_rate", "wage"):
        scale = final[name] if response.units[name] == "percent" else 1.0
        expected = 100.0 * exact[name][:100] / scale
        gaps[name] = 100.0 * np.abs(response.mean[name] - expected).max() / np.abs(expected).max()
    assert max(gaps.values()) < 0.5, gaps


@pytest.mark.slow
def test_a_small_monetary_shock_in_the_hank_economy_is_the_linear_response():
    """The rate .1 points lower and higher, where the other shocks are a tenth as large as calibrated: the largest gap
    over 20 quarters, in percent of the linear response's peak; in the mean of both what is not linear in the shock has
    dropped out. Perfect foresight is 1.6 percent off either way."""
    model = hm.load_model("one_asset_hank", productivity_sd=1e-3, patience_sd=1e-4)
    settings = hm.RSPG(
        asset_points=100, paths=8, epochs=128, learning_rate=1e-3, final_rate=0.1, final_step=0.1, price_noise=0.0,
        tolerance=1e-5,
    )  # fmt: skip
    solution = hm.solve(model, settings)
    sizes = {"horizon": 20, "starts": 48, "paths": 4, "asset_points": 200, "accuracy": False}
    compared = hm.compare({"RSPG": solution}, "monetary", [-1e-3, 1e-3], **sizes)
    for name in ("output", "inflation", "interest_rate"):
        easing, tightening = (compared.gap(size, "RSPG", name) for size in compared.sizes)
        assert max(np.abs(easing).max(), np.abs(tightening).max()) < 5.0, name
        assert np.abs(easing + tightening).max() / 2 < 4.0, name
