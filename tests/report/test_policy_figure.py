"""Where the trained policy is drawn: in the period of a path that is nearest to the mean of what moves."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

import hank_mfg as hm
from hank_mfg.report.policy_figure import _nearest_to_the_mean


def test_the_period_drawn_is_the_one_nearest_to_the_mean_with_its_history():
    capital = 40.0 + np.linspace(-1.0, 1.0, 101)  # its mean, 40, is in the middle
    series = {"capital": capital, "labor": np.ones(101), "productivity": np.tile([0.99, 1.01], 51)[:101]}
    path = SimpleNamespace(series=series, shock=np.arange(101), periods=101)
    with jax.enable_x64(True):
        economy = hm.discretize(hm.load_model("krusell_smith"), 10, jnp.float64)
        history, words = _nearest_to_the_mean(economy, path)
    assert history["shock"].tolist() == list(range(51)) and history["capital"][-1] == 40.0
    assert words == "capital 40, productivity 0.99"
