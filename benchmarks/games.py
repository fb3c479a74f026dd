"""The benchmark games: seconds per update, and exploitability against seconds of training.

    python benchmarks/games.py [--quick]

Recurrent structural policy gradient with the settings of `settings_for`, float32, one program per game. Exploitability
is the published clairvoyant definition over the game's discrete actions, in float64, on stratified paths that training
did not see; measuring it does not count as training time. `seconds to` says when it was first below a level; the public
code's levels and seconds on two CPU cores stand beside (docs/games.md). An accelerator plays the first seed only.
"""

import statistics

import numpy as np
from machine import progress, repetitions, run_benchmark

import hank_mfg as hm
from hank_mfg.evaluate.exploitability.game_exploitability import game_exploitability
from hank_mfg.precision import cast, float64_allowed
from hank_mfg.solve.play.game_play import game_play

# game: (seeds, paths of the measure, updates between measures, levels)
PLAN = {
    "linear_quadratic": (5, 4, 20, (57.0, 4.0, 0.75)),
    "beach_bar": (2, 102, 20, (121.0, 5.0, 2.6)),
    "rspg_macro": (1, 16, 4, (1.36, 0.3, 0.1, 0.07)),
}


@float64_allowed
def gain(game, strategies, paths: int) -> float:
    """Clairvoyant exploitability of the only population."""
    play = game_play(cast(game, np.float64), cast(strategies, np.float64))
    return next(iter(game_exploitability(play, paths=paths).clairvoyant.values()))


def one_seed(name: str, seed: int, paths: int, every: int, quick: bool) -> dict:
    """Train once, measuring every few updates and, past a minute of measures, less often."""
    progress(f"{name}, seed {seed}")
    game = hm.load_game(name)
    settings = hm.settings_for(name, **({"updates": 2 * every} if quick else {}))
    curve, calls = [], 0

    def watch(training, history) -> None:
        nonlocal calls
        calls += 1
        if calls <= 10 or calls % 5 == 0:
            curve.append((float(history["seconds"][-1]), gain(game, training.strategies, paths)))

    solution = hm.solve(game, settings, seed=seed, chunk=every, callback=watch)
    return {
        "seed": seed,
        "seconds_compile": solution.seconds_compile,
        "seconds_train": solution.seconds_train,
        "updates": solution.updates,
        "milliseconds_per_update": 1e3 * solution.seconds_train / solution.updates,
        "curve": curve,
        "final": gain(game, solution.strategies, paths),
        "settings": vars(settings),
        "device": solution.device,
    }


def measure(quick: bool) -> dict:
    """Every game and seed, and a table of what a reader looks for."""
    runs, table = {}, []
    for name, (seeds, paths, every, levels) in PLAN.items():
        runs[name] = [one_seed(name, seed, paths, every, quick) for seed in range(1 if quick else repetitions(seeds))]
        row = {
            "game": name,
            "ms per update": statistics.median(run["milliseconds_per_update"] for run in runs[name]),
            "final, mean of seeds": statistics.mean(run["final"] for run in runs[name]),
            "seeds": len(runs[name]),
        }
        reached = []
        for level in levels:
            times = [next((s for s, g in run["curve"] if g <= level), None) for run in runs[name]]
            found = [time for time in times if time is not None]
            reached.append(
                f"{level:g}: {statistics.median(found):.1f} s" if len(found) == len(times) else f"{level:g}: -"
            )
        table.append({**row, "seconds to": "; ".join(reached)})
    return {"precision": {"training": "float32", "measurement": "float64"}, "table": table, "runs": runs}


if __name__ == "__main__":
    run_benchmark("games", __doc__.splitlines()[0], measure)
