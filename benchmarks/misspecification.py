"""What it costs to be prepared for another world, and what robust training saves.

    python benchmarks/misspecification.py [--quick]

People trained in each world of a family, robustly (penalty 0: the worst world) and for the mean of the worlds (a large
penalty) live in every one of them. Costs are those of `welfare_cost` against people who were trained there, percent of
consumption; on the diagonal against people trained there with another seed.
"""

import statistics
from collections.abc import Sequence
from typing import Any

from machine import TINY, progress, run_benchmark

import hank_mfg as hm

MEAN = 1e6  # percent of consumption: the adversary pays so much that all worlds keep their weight
LEVELS = {"normal": {}, "calm": {"productivity": [0.995, 1.005]}, "rough": {"productivity": [0.97, 1.03]}}
PERSISTENCE = {"lasting": {}, "passing": {"stay": 0.6}}
GUESSING = {"paths": 32, "epochs": 6, "units": 32, "updates": 200}


def families(quick: bool) -> list[tuple[str, dict[str, dict[str, Any]], dict[str, Any]]]:
    """Model, worlds by name (the model itself first) and settings of each experiment."""
    small = TINY | {"paths": 6}
    return [
        ("krusell_smith", LEVELS, small if quick else {"paths": 18}),
        ("krusell_smith_noisy", PERSISTENCE, small if quick else GUESSING),
    ]


def trained(model: str, worlds: dict[str, dict], settings: dict, seed: int) -> dict[str, hm.Solution]:
    """People of every world, and those who are prepared for all."""
    method = hm.RSPG(**settings)
    solutions = {}
    for name, changes in worlds.items():
        progress(f"{model}: {name}, seed {seed}")
        solutions[name] = hm.solve(hm.load_model(model, **changes), method, seed=seed)
    alternatives: dict[str, list] = {}
    for changes in worlds.values():
        for parameter, value in changes.items():
            alternatives.setdefault(parameter, []).append(value)
    for name, penalty in (("worst", 0.0), ("mean", MEAN)):
        progress(f"{model}: prepared for the {name}, seed {seed}")
        solutions[name] = hm.solve(hm.load_model(model), method, seed=seed, family=hm.Family(alternatives, penalty))
    return solutions


def costs(
    solutions: Sequence[dict[str, hm.Solution]], worlds: dict[str, dict], paths: int
) -> dict[tuple[str, str], list[hm.results.WelfareCost]]:
    """By who they are and where they live, one cost per seed."""
    found: dict[tuple[str, str], list[hm.results.WelfareCost]] = {}
    for seed, mine in enumerate(solutions):
        for world in worlds:
            right = mine[world]
            for name, each in mine.items():
                progress(f"{name} living in {world}, seed {seed}")
                believed = solutions[(seed + 1) % len(solutions)][world] if name == world else each
                there = hm.under(believed, **right.model.parameters())
                found.setdefault((name, world), []).append(hm.welfare_cost(there, right, paths=paths))
    return found


def measure(quick: bool) -> dict:
    """Every experiment."""
    rows, weights = [], {}
    for model, worlds, settings in families(quick):
        solutions = [trained(model, worlds, settings, seed) for seed in range(2 if quick else 3)]
        for (name, world), each in costs(solutions, worlds, 2 if quick else 32).items():
            row: dict[str, Any] = {"model": model, "people": name, "world": world}
            for kind in ("partial", "general"):
                numbers = [getattr(cost, f"{kind}_percent") for cost in each]
                row |= {kind: statistics.mean(numbers), f"{kind} range": [min(numbers), max(numbers)]}
                row[f"{kind} error"] = max(getattr(c, f"{kind}_standard_error") * getattr(c, f"{kind}_percent")
                                           / getattr(c, kind) for c in each)  # fmt: skip
            rows.append(row)
        weights[model] = {name: [group[name].worlds() for group in solutions] for name in ("worst", "mean")}
    return {"precision": {"training": "float32", "measurement": "float64"}, "table": rows, "weights": weights}


if __name__ == "__main__":
    run_benchmark("misspecification", __doc__.splitlines()[0], measure)
