"""Five methods for games on declared economies: the comparison of rspg_benchmark.py on Krusell-Smith and Huggett.

Each economy is a game as `hm.as_game` makes it: shares of consumption as actions, a truncated horizon that the
stationary value function closes. RSPG and SPG for games, RIPPO, IPPO and MOMD are trained on it and compared by the
clairvoyant exploitability of the game, in permanent percent of consumption of those who follow. Beside them stands the
economy's own RSPG (`hm.solve`, measured by `hm.exploitability`), which chooses savings between grid points, knows no
bins, and, where prices clear inside the period, sees the price before it chooses.

    FOLDER/runs, results.json, tables, figures    as in rspg_benchmark.py
    FOLDER/own/ECONOMY_seed_K.json                the economy's own RSPG
    FOLDER/tables/own.csv, own.tex                exploitability and seconds of it

A baseline is trained with three learning rates on seed 0 and all seeds take the best, as there.
"""

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd

from hank_mfg.environment.economy_game import EconomyGame
from hank_mfg.evaluate.exploitability.deviation import economy_exploitability
from hank_mfg.files import write_table, write_text
from hank_mfg.model.gallery import load_model
from hank_mfg.solve.baselines.game_settings import METHODS
from hank_mfg.solve.gradient.spg import RSPG
from hank_mfg.solve.play.as_game import as_game
from hank_mfg.solve.solve import solve

from .run import OVER_SEEDS, RATES, Plan, Tell, compare, standard_error

ECONOMIES = ("krusell_smith", "huggett")
PATHS = 16
STRUCTURAL = {"paths": 8, "updates": 150, "epochs": 4, "learning_rate": 1e-2}
SAMPLED = {"individuals": 1000, "paths": 4, "updates": 300, "minibatches": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "rspg": STRUCTURAL,
    "spg": STRUCTURAL,
    "rippo": {**SAMPLED, "learning_rate": 3e-3},
    "ippo": {**SAMPLED, "learning_rate": 1e-2},
    "momd": {
        "individuals": 1000, "paths": 4, "batch": 2, "updates": 150, "learning_rate": 1e-3,
        "temperature": 10.0, "final_temperature": 0.1,
    },
}  # fmt: skip
OWN = RSPG(paths=8, horizon=40)
NOTE = "Clairvoyant exploitability, in permanent percent of consumption, float64, of policies trained in float32."


def run(
    folder: Path, *, quick: bool = False, seeds: int | None = None, economies: Sequence[str] | None = None,
    methods: Sequence[str] | None = None, asset_points: int = 60, horizon: int = 40, bins: int = 20, own: bool = True,
    effort: float = 1.0, rates: Sequence[float] | None = None, tell: Tell = print,
) -> dict[str, Any]:  # fmt: skip
    """Train what is not trained yet, then write tables and figures; returns the results and the files written.

    `economies` are shipped names or model files, by default `ECONOMIES`; `methods`, `seeds` and `quick` as in
    rspg_benchmark.py. `asset_points`, `horizon` (periods) and `bins` (shares of consumption) are those of `as_game`.
    With `own` the economy's own RSPG is solved as well. `effort` multiplies the updates of every method for games;
    `rates` are the multiples of a baseline's learning rate that are tried, a third, one and three unless said. Raises
    ValueError for unknown methods or economies, RunError where the folder holds runs with other settings.
    """
    economies = tuple(economies or ECONOMIES)

    @functools.cache
    def game(name: str) -> EconomyGame:
        return as_game(load_model(name), asset_points=asset_points, horizon=horizon, bins=bins)

    def percent(name: str, gain: float, value: float) -> float:
        return float(game(name).consumption_equivalent(jnp.asarray(gain), jnp.asarray(value)))

    def settings(name: str, method: str) -> Any:
        usual = METHODS[method](**SETTINGS[method])
        return dataclasses.replace(usual, updates=max(2, round(effort * usual.updates)))

    plan = Plan(economies, game, settings, lambda name: PATHS, NOTE, percent, tuple(rates or RATES))
    done = compare(folder, plan, economies, methods, quick=quick, seeds=seeds, tell=tell)
    if not own:
        return done
    count = seeds if seeds is not None else (2 if quick else 5)
    found = {name: [own_solution(folder, name, seed, asset_points, quick, tell) for seed in range(count)]
             for name in economies}  # fmt: skip
    table = own_table(found)
    tell(table.to_string())
    files = write_table(folder / "tables" / "own", table, note=f"{NOTE} {OVER_SEEDS}")
    return {"results": done["results"], "own": found, "files": [*done["files"], *map(str, files)]}


def own_solution(folder: Path, name: str, seed: int, asset_points: int, quick: bool, tell: Tell) -> dict[str, float]:
    """Exploitability of the economy's own RSPG in percent of consumption, seconds of training, and updates; kept."""
    path = folder / "own" / f"{name}_seed_{seed}.json"
    if path.exists():
        return json.loads(path.read_text())
    updates = max(OWN.updates // 10, 2) if quick else OWN.updates
    settings = dataclasses.replace(OWN, updates=updates, asset_points=asset_points)
    solution = solve(load_model(name), settings, seed=seed)
    gains = economy_exploitability(solution, paths=4 if quick else 16, horizon=100 if quick else 500, updates=20)
    found = {
        "clairvoyant_percent": gains.clairvoyant_percent, "nonanticipative_percent": gains.nonanticipative_percent,
        "seconds": solution.seconds_train, "updates": float(updates),
    }  # fmt: skip
    write_text(path, json.dumps(found, indent=1) + "\n")
    tell(f"{name}, the economy's own RSPG, seed {seed}: {found['clairvoyant_percent']:.3g} percent")
    return found


def own_table(found: dict[str, list[dict[str, float]]]) -> pd.DataFrame:
    """One row per economy: exploitability at the end over seeds, and median seconds."""
    rows = []
    for name, each in found.items():
        column = lambda key, each=each: np.array([one[key] for one in each])  # noqa: E731
        values = column("clairvoyant_percent")
        rows.append(
            {
                "Economy": name,
                "Seeds": len(values),
                "Exploitability, percent": float(values.mean()),
                "Standard error": standard_error(values),
                "Without foresight, percent": float(column("nonanticipative_percent").mean()),
                "Seconds": float(np.median(column("seconds"))),
            }
        )
    return pd.DataFrame(rows).set_index("Economy")
