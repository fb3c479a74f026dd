"""Published solutions beside ours: what the table says of given numbers, and the whole of it, small."""

import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.replication.published_methods import run as methods
from hank_mfg.replication.published_methods.economies import LogUtility, Unequal


def test_every_published_row_has_its_economy_and_its_ratio():
    seconds = {name: 10.0 for name in methods.GLOBAL} | {"planner": 5.0}
    table = methods._methods(seconds, {"sequence_space": 0.01, "deepham_planner": 0.2})
    assert table.loc["sequence_space", "times faster"] == pytest.approx(54.3)
    assert table.loc["deepham_planner", "seconds, ours"] == 5.0
    assert set(table["economy"]) <= set(methods.GLOBAL) | {"planner, no aggregate risk"}
    judged = table["error, published"].notna()
    assert list(table.index[judged]) == ["sequence_space", "deepham_planner"]
    assert np.isfinite(table.loc[judged, "error, ours"]).all()


def test_the_economies_are_as_published():
    """Labor is 1 and 5.574; productivity and skills have the stated persistence."""
    log, unequal = (hm.steady_state(model, asset_points=120) for model in (LogUtility(), Unequal()))
    assert log.aggregates.labor == pytest.approx(1.0) and unequal.aggregates.labor == pytest.approx(5.574, abs=1e-3)
    assert unequal.prices.interest_rate == pytest.approx(0.0412, abs=1e-3)


@pytest.mark.slow
def test_all_of_it(tmp_path):
    """Guards docs/published_methods.md: the command solves every economy, and writes every table."""
    found = hm.replicate("published-methods", tmp_path, quick=True, tell=lambda text: None)
    assert len(found["methods"]) == 7 and len(found["accuracy"]) == len(methods.GLOBAL)
    assert {"methods.csv", "methods.tex", "accuracy.csv", "not_compared.csv", "results.json"} <= {
        path.name for path in tmp_path.iterdir()
    }
