"""Games stated by hand on the interface of `environment/game.py`; `load_game` finds them by name."""

from collections.abc import Callable

from hank_mfg.environment.game import AbstractGame
from hank_mfg.environment.games.beach_bar import BeachBar
from hank_mfg.environment.games.linear_quadratic import LinearQuadratic
from hank_mfg.environment.games.rspg_macro import RSPGMacro


def crowded_beach_bar(*, crowd_aversion: float = 1.0, **switches) -> BeachBar:
    """The beach with crowd aversion 1, the congestion game of Perrin et al. (2020)."""
    return BeachBar(crowd_aversion=crowd_aversion, **switches)


GAMES: dict[str, Callable[..., AbstractGame]] = {
    "linear_quadratic": LinearQuadratic,
    "beach_bar": BeachBar,
    "crowded_beach_bar": crowded_beach_bar,
    "rspg_macro": RSPGMacro,
}


def load_game(name: str, **switches) -> AbstractGame:
    """The shipped game `name`; `switches` such as common_noise=False. Raises ValueError for another name."""
    if name not in GAMES:
        raise ValueError(f"There is no game {name!r}: choose one of {', '.join(GAMES)}.")
    return GAMES[name](**switches)
