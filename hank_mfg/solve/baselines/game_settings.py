"""Settings that suit each shipped game, for structural methods and for model-free baselines.

A game without an entry of its own under a baseline takes the defaults of the baseline's class.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from hank_mfg.solve.baselines.mirror_descent import MOMD
from hank_mfg.solve.baselines.ppo import IPPO, RIPPO
from hank_mfg.solve.gradient.game_spg import GameRSPG, GameSPG

AT_THE_BAR = {"paths": 16, "learning_rate": 1e-2, "max_move": 2.0, "width": 128, "memory": "lru"}
BENCHMARK = {
    "linear_quadratic": {"paths": 8, "updates": 1500, "epochs": 8, "learning_rate": 3e-3},
    "beach_bar": {**AT_THE_BAR, "updates": 400, "temperature": 0.1, "final_temperature": 3e-3},
    "crowded_beach_bar": {
        **AT_THE_BAR,
        "updates": 1000,
        "epochs": 16,
        "rate": 0.1,
        "temperature": 10.0,
        "final_temperature": 0.15,
        "uniform_action_weight": 0.1,
    },
    "rspg_macro": {"paths": 8, "updates": 200, "epochs": 2, "learning_rate": 1e-2},
    "epidemic": {"paths": 16, "updates": 400, "learning_rate": 1e-2},
    "predators_and_prey": {
        "paths": 32,
        "updates": 2000,
        "learning_rate": 1e-2,
        "rate": 0.05,
        "temperature": 0.5,
        "final_temperature": 3e-3,
        "width": 128,
    },
}

# The learning rate is the best of .001, .003 and .01 on the three games of the paper. `updates` take about a minute on
# two CPU cores. Published: Adam and clip_ratio .2 of PPO (Schulman et al. 2017, arXiv 1707.06347); alpha .99 of MOMD
# (OpenSpiel's mfg_munchausen_domd_jax.py), whose temperature of 10 lies inside the range that ours falls through, and
# whose learning rate of .01 is too high here. All else is our own search.
MANY = {"individuals": 2000, "paths": 2}  # a pass costs the same however many individuals there are
ON_BEACH = {"updates": 1000, "learning_rate": 3e-3}
COUNTING = {
    **ON_BEACH,
    "individuals": 1000,
    "entropy_weight": 0.1,
}  # signals of a small crowd are too noisy to count by
COOLING = {"updates": 500, "learning_rate": 1e-3, "temperature": 100.0, "final_temperature": 3.0}
IN_UTILITY = {**MANY, "updates": 60, "batch": 1, "learning_rate": 1e-3, "temperature": 10.0, "final_temperature": 0.1}
ON_LINE = {"updates": 900, "learning_rate": 1e-3, "temperature": 30.0, "final_temperature": 2.0}
MIRROR = {
    "linear_quadratic": ON_LINE,
    "beach_bar": COOLING,
    "crowded_beach_bar": COOLING,
    "rspg_macro": IN_UTILITY,
    "epidemic": {"updates": 600, "learning_rate": 1e-3, "temperature": 10.0, "final_temperature": 0.3},
}
BASELINES: dict[str, dict[str, dict[str, Any]]] = {
    "ippo": {
        "linear_quadratic": {"updates": 1500, "learning_rate": 3e-3},
        "beach_bar": ON_BEACH,
        "crowded_beach_bar": ON_BEACH,
        "rspg_macro": {**MANY, "updates": 80, "minibatches": 2, "learning_rate": 1e-2},
    },
    "rippo": {
        "linear_quadratic": {"updates": 1500, "learning_rate": 3e-3},
        "beach_bar": COUNTING,
        "crowded_beach_bar": COUNTING,
        "rspg_macro": {**MANY, "updates": 80, "minibatches": 2, "learning_rate": 3e-3},
    },
    "momd": MIRROR,
    "rmomd": MIRROR,
}
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "rspg": BENCHMARK,
    "spg": {game: {**known, "memory": "none"} for game, known in BENCHMARK.items()},
    **BASELINES,
}

METHODS: dict[str, Callable[..., Any]] = {
    "rspg": GameRSPG,
    "spg": GameSPG,
    "ippo": IPPO,
    "rippo": RIPPO,
    "momd": MOMD,
    "rmomd": partial(MOMD, memory="gru"),
}


def settings_for(name: str, method: str = "rspg", **changes) -> GameRSPG | IPPO | MOMD:
    """The settings of a method with what works for the shipped game `name`, and `changes`.

    `method`: "rspg" and "spg" (structural policy gradient with and without memory), "rippo" and "ippo" (recurrent and
    plain PPO), "rmomd" and "momd" (Munchausen online mirror descent with and without memory). Raises ValueError for
    another game or method.
    """
    if name not in BENCHMARK:
        raise ValueError(
            f"There are no settings for the game {name!r}: choose one of {', '.join(BENCHMARK)}; for a game of your "
            "own or an economy write them, hm.GameRSPG(...), hm.IPPO(...)."
        )
    if method not in METHODS:
        raise ValueError(f"There are no settings for the method {method!r}: choose one of {', '.join(METHODS)}.")
    return METHODS[method](**{**SETTINGS[method].get(name, {}), **changes})
