"""The benchmark of methods for games on declared economies, tiny: trained, measured in percent, drawn."""

import json

import numpy as np
import pandas as pd
import pytest

from hank_mfg.replication.wibault_2026 import economies

TINY = {"updates": 4, "paths": 2, "units": 4, "width": 4}
SIZES = {"asset_points": 20, "horizon": 4, "bins": 5}


@pytest.fixture
def small(monkeypatch):
    ppo = {**TINY, "individuals": 20, "epochs": 1, "minibatches": 2}
    monkeypatch.setattr(economies, "SETTINGS", {"spg": TINY, "ippo": ppo})
    monkeypatch.setattr(economies, "PATHS", 2)


@pytest.mark.slow
def test_trained_measured_in_percent_and_drawn(small, tmp_path):
    """Curves are in percent of consumption, tables and figures are written, and nothing is trained twice."""
    plan = {"economies": ["huggett_1993"], "methods": ["spg", "ippo"], "seeds": 1, "rates": (1.0,), "own": False}
    done = economies.run(tmp_path, **plan, **SIZES, tell=lambda text: None)
    entry = done["results"]["huggett_1993"]["spg"]["curves"][0]
    table = pd.read_csv(tmp_path / "tables" / "exploitability.csv").set_index("Method")
    assert table.loc["spg", "Exploitability"] == pytest.approx(entry["values"][-1])
    assert np.isfinite(entry["values"]).all() and min(entry["values"]) >= 0
    names = {file.rsplit("/", 1)[-1] for file in done["files"]}
    assert {"results.json", "exploitability.tex", "exploitability.png"} <= names
    assert json.loads((tmp_path / "results.json").read_text()) == done["results"]
    again = economies.run(tmp_path, **plan, **SIZES, tell=lambda text: None)
    assert again["results"] == done["results"]


def test_what_it_does_not_know(tmp_path, refuses):
    """Other methods, with the names of those there are."""
    refuses(lambda: economies.run(tmp_path, methods=("a3c",)), "no method 'a3c'", "rspg")
