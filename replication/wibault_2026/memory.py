"""What memory changes in the benchmark games: behavior along chosen paths, before and after the common noise shows.

- linear_quadratic: the mean state while the current blows left, and right. Without memory the quiet phase and the
  drifting ones look alike.
- beach_bar, the bar in the middle: the share of people beside the bar, who would be crushed if it closed in period 15.
  The time is not seen: only who remembers can step aside for that period and come back.
- rspg_macro, productivity at its mean: the share of resources consumed. The end is near when memory says so.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.environment.game import AbstractGame
from hank_mfg.environment.games.beach_bar import CLOSING, BeachBar
from hank_mfg.environment.games.linear_quadratic import LinearQuadratic, mean_state
from hank_mfg.environment.games.rspg_macro import RSPGMacro
from hank_mfg.policy.strategy import Strategy
from hank_mfg.precision import cast, float64_allowed
from hank_mfg.report.style import PAGE, finish, journal_style, line_styles, panels
from hank_mfg.solve.play.game_play import GamePlay, GameStep, game_play
from hank_mfg.wording import display_name

from .figures import TITLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"rspg": "with memory", "spg": "without"}


@float64_allowed
def memory_series(game: AbstractGame, strategies: dict[str, Strategy]) -> dict[str, np.ndarray]:
    """Named series (time,) of what everybody does along the chosen paths of a benchmark game, in float64."""
    play = game_play(cast(game, np.float64), cast(strategies, np.float64))
    measure = {LinearQuadratic: _position, BeachBar: _beside_bar, RSPGMacro: _consumed}[type(game)]
    return {label: np.asarray(_along(play, uniforms, measure)) for label, uniforms in chosen_paths(game).items()}


def chosen_paths(game: AbstractGame) -> dict[str, np.ndarray]:
    """Uniform numbers (horizon, draws) of the paths shown, by name."""
    middle = np.full((game.horizon, game.draws), 0.5)
    if isinstance(game, LinearQuadratic):
        return {"current to the left": middle - 0.25, "current to the right": middle + 0.25}
    if isinstance(game, BeachBar):
        closes = middle.copy()
        closes[CLOSING] = 0.25
        return {"bar stays open": middle + 0.005, "bar closes": closes}
    return {"productivity at its mean": middle}


@eqx.filter_jit
def _along(play: GamePlay, uniforms: Any, measure: Any):
    return jax.vmap(lambda step: measure(play, step))(play.path(jnp.asarray(uniforms)))


def _position(play: GamePlay, step: GameStep):
    return mean_state(step.now.state.aggregate.masses["individuals"])


def _beside_bar(play: GamePlay, step: GameStep):
    now = step.now.state.aggregate
    states = jnp.arange(play.game.populations["individuals"].size)
    return 100.0 * jnp.sum(jnp.where(jnp.abs(states - now.noise.bar) == 1, now.masses["individuals"], 0.0))


def _consumed(play: GamePlay, step: GameStep):
    now, choice = step.now.state.aggregate, step.now.choices["households"]
    game: Any = play.game
    resources = game.resources(now, play.own["households"])[:, 0]
    share = jnp.sum(choice.actions * choice.probabilities, axis=1)
    mass = now.masses["households"]
    return 100.0 * jnp.sum(mass * share * resources) / jnp.sum(mass * resources)


LABELS = {
    "linear_quadratic": "Mean state",
    "beach_bar": "Beside the bar, percent",
    "rspg_macro": "Consumed, percent",
}


@journal_style()
def plot_memory(series: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> "Figure":
    """One panel per game: each path under the policy with memory and the one without, the second path thin.

    `series` maps games to methods to names of paths to values (time,).
    """
    about = {
        "linear_quadratic": "Linear-quadratic: the current turns after period 20.",
        "beach_bar": "Beach bar: the bar closes in period 15, the gray line, with probability one half.",
        "rspg_macro": "Macroeconomic game: percent of resources; in the last period utility is of all of them.",
    }
    note = " ".join(["Seed 0 of each method, exact mass.", *(about[game] for game in series)])
    figure, axes = panels(len(series), min(len(series), 3), PAGE, 2.2, note)
    for panel, (game, methods) in zip(axes, series.items(), strict=True):
        for (method, paths), style in zip(methods.items(), line_styles(len(methods)), strict=True):
            for place, values in enumerate(paths.values()):
                label = NAMES[method] if place == 0 else None
                panel.plot(values, label=label, **style, linewidth=1.3 if place == 0 else 0.6)
        if game == "beach_bar":
            panel.axvline(CLOSING, color="0.8", linewidth=0.6, zorder=0)
        first, *others = next(iter(methods.values()))
        paths = "; ".join([f"thick: {first}" if others else first, *(f"thin: {each}" for each in others)])
        panel.set_title(TITLES.get(game, display_name(game)), pad=16)
        panel.text(0.5, 1.03, paths, transform=panel.transAxes, ha="center", fontsize=6.5)
        panel.set(xlabel="Period", ylabel=LABELS[game])
    return finish(figure, axes[0])
