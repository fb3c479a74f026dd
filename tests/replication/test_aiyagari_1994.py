"""Table II of Aiyagari (1994): the published numbers agree with each other, ours with independent ones."""

import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.replication.aiyagari_1994 import run as table


def test_published_returns_and_saving_rates_agree():
    """Saving rate = alpha delta / (r + delta): a number typed wrong would show."""
    assert len(table.PUBLISHED) == 24
    for rate, saving in table.PUBLISHED.values():
        assert 100 * 0.36 * 0.08 / (rate / 100 + 0.08) == pytest.approx(saving, abs=0.006)


@pytest.mark.slow
def test_a_cell_has_three_columns_and_says_what_the_chain_did():
    """Guards docs/replications.md, 'aiyagari-1994': three columns; Tauchen's chain is the riskier one."""
    row = table.cell(0.2, 0.6, 5, points=150, states=15)
    assert row["his_chain"] == pytest.approx(table.RECOMPUTED[0.2, 0.6, 5], abs=table.TOLERANCE)
    assert row["published"] == 3.5857
    assert row["his_less_fine"] == pytest.approx(row["his_chain"] - row["fine_chain"])
    assert row["chain_sd"] > 0.2 and row["his_less_fine"] < 0  # Tauchen's chain is riskier: more saving, a lower return
    assert row["saving_fine"] == pytest.approx(100 * 0.0288 / (row["fine_chain"] / 100 + 0.08), abs=1e-6)


def test_the_fine_chain_has_the_moments_that_were_declared():
    model = table.with_chain(hm.load_model("aiyagari", persistence=0.9, stationary_sd=0.4), 9, "rouwenhorst")
    chain = hm.chain_moments(model.idiosyncratic_shock())["labor"]
    np.testing.assert_allclose((chain.log_sd, chain.log_autocorrelation), (0.4, 0.9), atol=1e-10)
    assert type(table.with_chain(model, 9, "rouwenhorst")) is not type(hm.load_model("aiyagari"))


@pytest.mark.slow
def test_the_whole_table_is_written(tmp_path):
    """Guards docs/replications.md, 'aiyagari-1994': all 24 returns, within .01 of the recomputed ones."""
    done = hm.replicate("aiyagari-1994", tmp_path)
    assert done["away"] < table.TOLERANCE and len(done["rows"]) == 24
    written = pd.read_csv(tmp_path / "table_ii.csv")
    assert list(written["published"]) == [rate for rate, _ in table.PUBLISHED.values()]
    assert "Fine chain" in (tmp_path / "table_ii.tex").read_text()
    assert {file.rsplit(".", 1)[-1] for file in done["files"]} == {"csv", "tex", "json", "pdf", "png"}
    # more persistence or risk aversion lowers the return, in every column and row
    for column in ("published", "his_chain", "fine_chain"):
        by = written.pivot_table(index=["sd", "persistence"], columns="risk_aversion", values=column)
        assert (np.diff(by.to_numpy(), axis=1) < 0).all()


def test_an_option_that_belongs_to_another_replication_is_refused(tmp_path):
    with pytest.raises(ValueError, match="aiyagari-1994 has no option 'seeds': it takes quick, tell"):
        hm.replicate("aiyagari-1994", tmp_path, seeds=3)
    with pytest.raises(ValueError, match="no replication 'aiyagari': choose one of aiyagari-1994"):
        hm.replicate("aiyagari", tmp_path)
