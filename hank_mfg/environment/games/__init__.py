"""Games stated by hand on the interface of `environment/game.py`; `load_game` finds them by name."""

import inspect
from collections.abc import Callable
from pathlib import Path

from hank_mfg.arguments import ArgumentError, check_argument
from hank_mfg.environment.game import AbstractGame
from hank_mfg.environment.games.beach_bar import BeachBar
from hank_mfg.environment.games.epidemic import Epidemic
from hank_mfg.environment.games.linear_quadratic import LinearQuadratic
from hank_mfg.environment.games.predators_and_prey import PredatorsAndPrey
from hank_mfg.environment.games.rspg_macro import RSPGMacro
from hank_mfg.model.base import ParameterError
from hank_mfg.model.model_files import classes_in
from hank_mfg.model.spelling import did_you_mean


def crowded_beach_bar(
    *, crowd_aversion: float = 1.0, common_noise: bool = True, idiosyncratic_noise: bool = True
) -> BeachBar:
    """The beach with crowd aversion 1, the congestion game of Perrin et al. (2020)."""
    return BeachBar(crowd_aversion=crowd_aversion, common_noise=common_noise, idiosyncratic_noise=idiosyncratic_noise)


GAMES: dict[str, Callable[..., AbstractGame]] = {
    "linear_quadratic": LinearQuadratic,
    "beach_bar": BeachBar,
    "crowded_beach_bar": crowded_beach_bar,
    "rspg_macro": RSPGMacro,
    "epidemic": Epidemic,
    "predators_and_prey": PredatorsAndPrey,
}


def load_game(source: str | Path | type[AbstractGame] | AbstractGame, /, **switches) -> AbstractGame:
    """A game: a shipped name (`GAMES`), the path of your own `.py` file with one `AbstractGame` in it, a class, or a
    game as it is.

    `switches` are arguments of its constructor, such as common_noise=False. Raises ValueError, one sentence, for
    another name, a file that does not define one game, and a switch that the game does not have.
    """
    if isinstance(source, AbstractGame):
        if switches:
            raise ValueError(f"{type(source).__name__} is made already: give {', '.join(switches)} to its constructor.")
        return source
    maker = _maker(source)
    accepted = _switches(maker)
    unknown = [name for name in switches if accepted is not None and name not in accepted]
    if unknown:
        raise ValueError(f"The game {source} has no {unknown[0]}: choose among {', '.join(accepted or ())}.")
    for name, value in switches.items():
        _check_switch(source, maker, name, value)
    return maker(**switches)


def _check_switch(source: object, maker: Callable[..., AbstractGame], name: str, value: object) -> None:
    """Raise ParameterError for a switch of another kind than the constructor says: a flag is True or False."""
    parameter = inspect.signature(maker).parameters.get(name)
    if parameter is not None:
        try:
            check_argument("load_game", name, value, parameter.annotation)
        except ArgumentError as error:
            words = str(error).partition(": give ")[2]
            game = source if isinstance(source, str) else getattr(maker, "__name__", "game")
            raise ParameterError(f"The game {game} has {name} = {value!r}: {name} must be {words}", name) from error


def is_game(source: object) -> bool:
    """Whether `source`, a name or the path of a `.py` file, means a game rather than an economy."""
    if source in GAMES:
        return True
    path = Path(str(source)).expanduser()
    return path.suffix == ".py" and path.is_file() and bool(_games_in(path))


def _games_in(path: Path) -> list[type]:
    return [each for each in classes_in(path, AbstractGame) if not inspect.isabstract(each)]


def _maker(source: str | Path | type[AbstractGame]) -> Callable[..., AbstractGame]:
    if isinstance(source, type) and issubclass(source, AbstractGame):
        return source
    if source in GAMES:
        return GAMES[str(source)]
    path = Path(str(source)).expanduser()
    if path.suffix != ".py":
        raise ValueError(
            f"There is no game '{source}'{did_you_mean(str(source), GAMES)}: choose one of {', '.join(GAMES)}, or give "
            "the path of a .py file."
        )
    if not path.is_file():
        raise ValueError(f"{path} does not exist in {Path.cwd()}: correct the path.")
    found = _games_in(path)
    if len(found) != 1:
        named = f" ({', '.join(each.__name__ for each in found)})" if found else ""
        raise ValueError(
            f"{path.name} defines {len(found)} games{named}: write one class that derives from "
            "hank_mfg.environment.game.AbstractGame and has all its methods, one per file."
        )
    return found[0]


def _switches(maker: Callable[..., AbstractGame]) -> list[str] | None:
    """The names of the arguments that make a game; None if any will do."""
    parameters = inspect.signature(maker).parameters.values()
    return None if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters) else [p.name for p in parameters]
