"""Settings that suit each shipped game."""

from hank_mfg.solve.game_spg import GameRSPG

BENCHMARK = {
    "linear_quadratic": {"paths": 8, "updates": 1500, "passes": 8, "learning_rate": 3e-3},
    "beach_bar": {"paths": 16, "updates": 800, "max_move": 2.0},
    "crowded_beach_bar": {"paths": 16, "updates": 800, "max_move": 2.0},
    "rspg_macro": {"paths": 8, "updates": 200, "passes": 2, "learning_rate": 1e-2},
}


def settings_for(name: str, **changes) -> GameRSPG:
    """`GameRSPG` with what works for the shipped game `name`, and `changes`. Raises ValueError for another name."""
    if name not in BENCHMARK:
        raise ValueError(f"No settings are kept for the game {name!r}: choose one of {', '.join(BENCHMARK)}.")
    return GameRSPG(**{**BENCHMARK[name], **changes})
