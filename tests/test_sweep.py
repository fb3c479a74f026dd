"""Sweeps: rows are the equilibria of hm.steady_state, in any executor; what is finished is not computed again; failures
are rows; a killed worker loses nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.cli.sweep import executor_for, parse_values, run_sweep
from hank_mfg.runs import sweep as module
from hank_mfg.runs.manifest import RunError

POINTS = 30
OVER = {"risk_aversion": [1.5, 2.0], "maximum_assets": [100.0, 4.0]}  # with 4 the grid is too short


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder, heard = tmp_path_factory.mktemp("sweep") / "points", []
    with ThreadPoolExecutor(2) as executor:
        found = hm.sweep("aiyagari", OVER, folder, asset_points=POINTS, executor=executor, callback=heard.append)
    return folder, found, heard


@pytest.mark.slow
def test_rows_are_the_equilibria_of_the_points(swept):
    """Guards docs/sweeps.md: rows are the equilibria of their points, solved alone."""
    folder, found, heard = swept
    table = found.table()
    assert table["risk_aversion"].tolist() == [1.5, 1.5, 2.0, 2.0]
    assert sorted(map(len, heard)) == [1, 2, 3, 4]
    steady = hm.steady_state(hm.load_model("aiyagari", risk_aversion=2.0, maximum_assets=100.0), asset_points=POINTS)
    row = table.iloc[2]
    assert row["status"] == "solved" and row["interest_rate"] == steady.prices.interest_rate
    assert row["capital"] == steady.aggregates.capital and row["gini_wealth"] == hm.stats.gini(steady)
    assert np.array_equal(found.run(2).mass, steady.mass)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "sweep.csv"), table, check_exact=True)


@pytest.mark.slow
def test_a_point_without_equilibrium_is_a_row_that_says_why(swept):
    """Guards docs/sweeps.md: a point without equilibrium is a row that says why."""
    failed = swept[1].failed
    assert failed["maximum_assets"].tolist() == [4.0, 4.0]
    assert all("maximum_assets" in reason or "asset" in reason for reason in failed["reason"])
    assert failed["interest_rate"].isna().all()
    assert "failed" in repr(swept[1]) and str(swept[0]) in repr(swept[1])
    assert r"\toprule" in swept[1].to_latex() and "Risk aversion" in swept[1].to_latex()


@pytest.mark.slow
def test_what_is_there_is_not_computed_again(swept, monkeypatch):
    """Guards docs/sweeps.md: finished points are not computed again."""
    folder, found, _ = swept

    def refuse(*args, **kwargs):
        raise AssertionError("solved again")

    monkeypatch.setattr("hank_mfg.runs.steady_run.steady_state", refuse)
    (folder / "sweep.csv").unlink()
    again = hm.sweep("aiyagari", OVER, folder, asset_points=POINTS)
    pd.testing.assert_frame_equal(again.table(), found.table(), check_exact=True)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "sweep.csv"), found.table(), check_exact=True)
    with pytest.raises(RunError, match="holds another sweep, with other values: choose another folder"):
        hm.sweep("aiyagari", {**OVER, "risk_aversion": [1.0]}, folder, asset_points=POINTS)
    with pytest.raises(RunError, match="other asset_points"):
        hm.sweep("aiyagari", OVER, folder, asset_points=POINTS + 1)
    with pytest.raises(RunError, match="holds a run, not a sweep"):
        hm.sweep("aiyagari", OVER, folder / found.data["folder"][0], asset_points=POINTS)


def test_other_errors_end_the_sweep_with_the_name_of_the_point(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(module, "steady_state_run", broken)
    with pytest.raises(OSError, match="no space left") as raised:
        hm.sweep("aiyagari", {"risk_aversion": [1.5]}, tmp_path / "sweep", asset_points=POINTS)
    assert raised.value.__notes__ == ["In risk_aversion=1.5."]


@pytest.mark.parametrize(
    ("over", "options", "sentence"),
    [
        ({}, {}, r"over is empty: name a parameter and its values"),
        ({"risk_aversion": 2.0}, {}, r"over\['risk_aversion'\] is .*: give a list of values"),
        ({"risk_aversion": [1.0, 1.0]}, {}, r"has a value twice: leave one out"),
        ({"risk_aversion": [1.0, float("nan")]}, {}, r"has nan among its values: give finite numbers"),
        ({"risk_aversio": [1.0]}, {}, r"no parameter 'risk_aversio' \(did you mean 'risk_aversion'"),
        ({"discount_factor": [0.9, 1.2]}, {}, r"discount_factor = 1.2: .* must be below 1"),
        ({"risk_aversion": [2.0]}, {"overrides": {"risk_aversion": 1.0}}, r"both in over and in overrides"),
        ({"risk_aversion": [2.0]}, {"method": hm.RSPG()}, r"aggregate"),
        ({"risk_aversion": [2.0]}, {"asset_points": 1}, r"asset_points = 1 is too few"),
        ({"risk_aversion": [2.0]}, {"asset_points": 10**11}, r"TB of memory"),
    ],
)
def test_bad_grids_are_refused_before_anything_is_written(over, options, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        hm.sweep("aiyagari", over, tmp_path / "sweep", **options)
    assert not (tmp_path / "sweep").exists()


def test_a_game_is_refused_with_a_cure(tmp_path):
    with pytest.raises(ValueError, match="sweep is for economies"):
        hm.sweep("beach_bar", {"noise": [1]}, tmp_path / "sweep")


def test_values_as_they_are_typed():
    assert parse_values("taylor=1.1:1.5:5") == ("taylor", [1.1, 1.2, 1.3, 1.4, 1.5])
    assert parse_values("taylor=[1.1, 2]") == ("taylor", [1.1, 2])
    for text in ("taylor=1:2", "taylor=1:a:3", "taylor=1:2:1", "taylor=1:2:3:4", "taylor=1:1:3", "taylor=1:inf:3"):
        with pytest.raises(ValueError, match=re.escape(f"--over {text}: write NAME=A:B:N")):
            parse_values(text)


def test_executors_of_the_command_line(monkeypatch):
    with executor_for(None, None) as executor:
        assert executor is None
    with pytest.raises(ValueError, match="give one"), executor_for(2, "tcp://here:1"):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"pip install 'hank-mfg\[dask\]'"), executor_for(None, "tcp://x:1"):
        pass


@pytest.mark.slow
def test_a_killed_worker_of_a_dask_cluster_loses_nothing(tmp_path):
    """docs/sweeps.md: a sweep on a dask cluster of two processes, one of which is killed midway, ends complete."""
    distributed = pytest.importorskip("distributed", reason="the extra hank-mfg[dask] is not installed")
    over, pids, folder = {"risk_aversion": [1.0, 1.25, 1.5, 2.0, 3.0, 4.0]}, [], tmp_path / "cluster"
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())

        def kill(table):
            if len(table) == 1:
                os.kill(pids[0], signal.SIGKILL)

        found = hm.sweep("aiyagari", over, folder, asset_points=POINTS, executor=client.get_executor(), callback=kill)
        assert pids[0] not in client.run(os.getpid).values()
    alone = hm.sweep("aiyagari", over, tmp_path / "alone", asset_points=POINTS)
    assert found.data["status"].tolist() == ["solved"] * 6
    pd.testing.assert_frame_equal(found.data, alone.data, rtol=1e-9)


@pytest.mark.slow
def test_a_sweep_of_global_solutions_that_was_killed_goes_on(tmp_path):
    """docs/sweeps.md: the command line, ended by kill -9 in its second point, continues to the rows of one whole."""
    settings = [f"--option={each}" for each in ("updates=60", "asset_points=20", "paths=4")]
    command = [sys.executable, "-m", "hank_mfg.cli.main", "sweep", "krusell_smith", "--over", "risk_aversion=[1, 2]"]
    command += ["--method", "spg", *settings]
    folder = tmp_path / "cut"
    process = subprocess.Popen([*command, "--out", str(folder)], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    second, until = folder / "risk_aversion=2" / "checkpoint" / "latest.npz", time.monotonic() + 300
    while not second.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert second.exists()
    first = (folder / "risk_aversion=1" / "checkpoint" / "latest.npz").stat().st_mtime_ns
    rows = []
    for out in (folder, tmp_path / "whole"):
        ended = subprocess.run([*command, "--out", str(out), "--json"], capture_output=True, text=True, check=True)
        rows.append(json.loads(ended.stdout)["rows"])
    assert rows[0] == rows[1] and len(rows[0]) == 2
    assert (folder / "risk_aversion=1" / "checkpoint" / "latest.npz").stat().st_mtime_ns == first


@pytest.mark.slow
def test_points_without_equilibrium_are_the_exit_status(tmp_path):
    """docs/sweeps.md: exit status 3 where points failed, in two processes; the others are there."""
    command = [sys.executable, "-m", "hank_mfg.cli.main", "sweep", "aiyagari", "--over", "maximum_assets=[100.0, 4.0]",
               "--asset-points", str(POINTS), "--workers", "2", "--json", "--out", str(tmp_path / "sweep")]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True)
    content = json.loads(ended.stdout)
    assert ended.returncode == 3 and content["failed"] == 1 and content["points"] == 2
    assert Path(content["table"]).is_file()


def test_the_method_is_that_of_the_model_at_a_point_of_the_grid(write_model, tmp_path, monkeypatch):
    """A parameter without a value of its own is given by the grid, before the method's settings are known."""
    path = write_model((", below=1, default=0.96", ", below=1"))
    asked = {}
    monkeypatch.setattr("hank_mfg.cli.sweep.sweep", lambda *_, **given: asked.update(given))
    chosen = {"method": "spg", "options": ["updates=7"], "workers": None, "scheduler": None, "cache": tmp_path}
    with pytest.raises(AttributeError):  # nothing is solved
        run_sweep(str(path), ["discount_factor=[0.95, 0.96]"], tmp_path, **chosen, overrides={}, tell=print)
    assert (asked["method"].memory, asked["method"].updates) == ("none", 7)
