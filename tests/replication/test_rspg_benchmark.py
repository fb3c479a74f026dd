"""The benchmark of the RSPG paper, tiny: everything is trained once, resumed, compared and drawn."""

import json

import jax
import numpy as np
import pandas as pd
import pytest

from hank_mfg.replication.wibault_2026 import run as benchmark
from hank_mfg.replication.wibault_2026.figures import median_curve
from hank_mfg.replication.wibault_2026.memory import chosen_paths
from hank_mfg.runs.manifest import read_manifest, write_manifest
from hank_mfg.runs.storage import RunError, read_config
from hank_mfg.solve.baselines.game_settings import settings_for

TINY = {"paths": 4, "updates": 4, "units": 4, "width": 4}
PPO = {"individuals": 20, "epochs": 1, "minibatches": 2}


def tiny(game: str, method: str, **changes):
    more = PPO if method in ("ippo", "rippo") else {}
    return settings_for(game, method, **{**TINY, **more, **changes})


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(benchmark, "settings_for", tiny)
    monkeypatch.setattr(benchmark, "PATHS", {"linear_quadratic": 2})


@pytest.mark.slow
def test_trained_once_compared_and_drawn(small, tmp_path, monkeypatch):
    """Guards docs/games.md, 'The benchmark of the paper': best of three rates, tables, figures, resumed."""
    messages: list[str] = []
    plan = {"games": ("linear_quadratic",), "methods": ("rspg", "spg", "ippo"), "seeds": 2, "tell": messages.append}
    done = benchmark.run(tmp_path, **plan)
    results = done["results"]["linear_quadratic"]
    assert len([line for line in messages if " of 3: " in line]) == 3  # three learning rates of the baseline, seed 0
    assert len([line for line in messages if " of 6: " in line]) == 5  # the best of them is not trained again
    swept = results["ippo"]["sweep"]
    rates = {f"{factor * settings_for('linear_quadratic', 'ippo').learning_rate:.3g}" for factor in (1 / 3, 1, 3)}
    assert set(swept) == rates
    assert results["ippo"]["learning_rate"] == pytest.approx(float(min(swept, key=swept.__getitem__)), rel=1e-2)
    table = pd.read_csv(tmp_path / "tables" / "exploitability.csv").set_index("Method")
    ends = [one["values"][-1] for one in results["rspg"]["curves"]]
    assert table.loc["rspg", "Exploitability"] == pytest.approx(np.mean(ends))
    assert table.loc["rspg", "Standard error"] == pytest.approx(abs(ends[0] - ends[1]) / 2)
    names = {file.rsplit("/", 1)[-1] for file in done["files"]}
    assert {"results.json", "exploitability.tex", "seconds.tex", "exploitability.png", "memory.png"} <= names
    assert json.loads((tmp_path / "results.json").read_text())["linear_quadratic"] == results

    monkeypatch.setattr(benchmark, "solve_run", None)  # nothing is left to train
    assert benchmark.run(tmp_path, **plan)["results"] == done["results"]


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on(small, tmp_path):
    """Guards docs/replications.md, `rspg-benchmark`: a run that was cut off goes on."""
    job = benchmark.Job("linear_quadratic", "spg", 1.0, 0, False)
    calls: list[str] = []

    def die(history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark.solve_run(
            job.game, job.folder(tmp_path), job.settings(), measure=2, chunk=1, callback=die, save_every=0
        )
    benchmark.train(tmp_path, [job], calls.append)
    assert read_config(job.folder(tmp_path))["status"] == "FINISHED" and len(calls) == 1
    assert job.curve(tmp_path).updates.tolist() == [1, 2, 3, 4]


@pytest.mark.slow
def test_runs_with_other_settings_are_not_mixed(small, tmp_path):
    """Guards docs/replications.md, 'kept in run folders': a run made with other settings is refused."""
    job = benchmark.Job("linear_quadratic", "spg", 1.0, 0, False)
    benchmark.train(tmp_path, [job], lambda text: None)
    manifest = read_manifest(job.folder(tmp_path))
    config = manifest["config"]
    manifest["config"] = {**config, "settings": {**config["settings"], "paths": 99}}
    write_manifest(job.folder(tmp_path), manifest)
    (job.folder(tmp_path) / "config.json").unlink()
    rebuilt = pytest.warns(UserWarning, match="config.json was missing: rebuilt from manifest.json")
    with rebuilt, pytest.raises(RunError, match="made with other settings"):
        benchmark.train(tmp_path, [job], lambda text: None)


def test_seconds_are_compared_at_the_same_level():
    slow = {"curves": [{"updates": [1, 2], "seconds": [10.0, 40.0], "values": [9.0, 4.0]}]}
    fast = {"curves": [{"updates": [1, 2, 3], "seconds": [1.0, 2.0, 3.0], "values": [9.0, 5.0, 3.0]}]}
    never = {"curves": [{"updates": [1], "seconds": [1.0], "values": [9.0]}]}
    row = benchmark.speed_table({"beach_bar": {"rspg": fast, "ippo": slow}}).iloc[0]
    assert (row["Its best"], row["Its seconds"], row["Seconds"]) == (4.0, 40.0, 3.0)
    assert row["Times faster"] == pytest.approx(40 / 3)
    assert benchmark.seconds_to(never, 4.0) == np.inf


def test_curves_are_medians_at_the_measures_that_all_seeds_have():
    curves = [
        {"updates": [1, 2, 3], "seconds": [1.0, 2.0, 3.0], "values": [4.0, 2.0, 1.0]},
        {"updates": [1, 2], "seconds": [3.0, 4.0], "values": [6.0, 7.0]},
        {"updates": [1, 2], "seconds": [4.0, 6.0], "values": [9.0, np.nan]},
    ]
    line = median_curve(curves)
    assert line["median"].tolist() == [6.0, 7.0] and line["seconds"].tolist() == [3.0, 4.0]
    assert line["lowest"].tolist() == [4.0, 2.0] and line["highest"].tolist() == [9.0, np.inf]


def test_the_shown_paths_are_what_they_are_called():
    from hank_mfg.environment.games import load_game

    game = load_game("beach_bar")
    with jax.enable_x64(True):
        for label, uniforms in chosen_paths(game).items():
            aggregate = game.start(uniforms[0])
            assert int(aggregate.noise.bar) == 50
            state = aggregate._replace(time=np.int32(14))
            assert float(game.draw(state, uniforms[15]).is_open) == (0.0 if label == "bar closes" else 1.0)


def test_unknown_parts_are_refused(refuses, tmp_path):
    refuses(lambda: benchmark.run(tmp_path, games=("chess",)), "no game 'chess'", "beach_bar")
    refuses(lambda: benchmark.run(tmp_path, methods=("a3c",)), "no method 'a3c'", "rspg")
    refuses(lambda: benchmark.run(tmp_path, seeds=0), "seeds = 0")
