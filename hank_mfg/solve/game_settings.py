"""Settings that suit each shipped game, for structural methods and for model-free baselines.

A game without an entry of its own under a baseline takes the defaults of the baseline's class.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from hank_mfg.solve.game_spg import GameRSPG, GameSPG
from hank_mfg.solve.rl.mirror_descent import MOMD
from hank_mfg.solve.rl.ppo import IPPO, RIPPO

BENCHMARK = {
    "linear_quadratic": {"paths": 8, "updates": 1500, "passes": 8, "learning_rate": 3e-3},
    "beach_bar": {"paths": 16, "updates": 800, "passes": 8, "max_move": 2.0, "temperature": 10.0},
    "crowded_beach_bar": {"paths": 16, "updates": 800, "passes": 8, "max_move": 2.0, "temperature": 10.0},
    "rspg_macro": {"paths": 8, "updates": 200, "passes": 2, "learning_rate": 1e-2},
    "epidemic": {"paths": 16, "updates": 400, "learning_rate": 1e-2},
    "predators_and_prey": {
        "paths": 16,
        "updates": 600,
        "learning_rate": 1e-2,
        "temperature": 0.5,
        "final_temperature": 0.01,
    },
}

BASELINES: dict[str, dict[str, dict[str, Any]]] = {
    "ippo": {},
    "rippo": {},
    "momd": {},
    "rmomd": {},
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
        raise ValueError(f"No settings are kept for the game {name!r}: choose one of {', '.join(BENCHMARK)}.")
    if method not in METHODS:
        raise ValueError(f"No settings are kept for the method {method!r}: choose one of {', '.join(METHODS)}.")
    known = BASELINES[method].get(name, {}) if method in BASELINES else BENCHMARK[name]
    return METHODS[method](**{**known, **changes})
