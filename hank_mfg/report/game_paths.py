"""Figures of games along time: sample paths, how training went, and policies with and without memory."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.precision import float64_allowed
from hank_mfg.report.style import COLUMN, PAGE, finish, journal_style, line_styles, panels
from hank_mfg.solve.game_play import GamePlay, draw_uniforms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 6  # sample paths drawn


@float64_allowed
def game_paths(play: GamePlay, *, paths: int = 64, seed: int = 6) -> dict[str, np.ndarray]:
    """Public signals and everybody's mean action along sampled paths: (paths, time) by name, in float64."""
    game = play.game
    uniforms = draw_uniforms(jax.random.key(seed), paths, game.horizon, game.draws, jnp.float64)

    @jax.jit
    def one(uniforms):
        steps = play.path(uniforms)
        series = dict(zip(game.signal_names, steps.now.signal.T, strict=True))
        for name, choice in steps.now.choices.items():
            mean = jnp.sum(choice.actions * choice.probabilities, axis=2)
            series[f"Mean action, {name}"] = jnp.sum(steps.now.state.aggregate.masses[name] * mean, axis=1)
        return series

    found = jax.lax.map(one, uniforms)
    names = [*game.signal_names, *(f"Mean action, {name}" for name in play.strategies)]
    return {name: np.asarray(found[name]) for name in names}


def logarithmic(panel: "Axes") -> None:
    """Both axes of a panel logarithmic, with plain numbers at their ticks."""
    from matplotlib.ticker import LogFormatter

    panel.set(xscale="log", yscale="log")
    for axis in (panel.xaxis, panel.yaxis):
        for place in ("major", "minor"):
            getattr(axis, f"set_{place}_formatter")(LogFormatter(minor_thresholds=(1.2, 0.5)))


@journal_style()
def plot_game_paths(series: Mapping[str, Any], note: str = "") -> "Figure":
    """Sample paths (paths, time) of several quantities: a few paths in gray, the mean of all in black."""
    columns = {1: 1, 2: 2, 4: 2}.get(len(series), 3)
    count = next(iter(series.values())).shape[0]
    drawn = min(SHOWN, count)
    note = f"{drawn} sampled paths of the common noise (gray) and the mean of {count} (black). {note}".strip()
    figure, axes = panels(len(series), columns, COLUMN if columns == 1 else PAGE, 1.8, note)
    for place, ((name, values), panel) in enumerate(zip(series.items(), axes, strict=True)):
        panel.plot(np.asarray(values)[:drawn].T, color="0.7", linestyle="-", linewidth=0.7)
        panel.plot(np.asarray(values).mean(axis=0), color="0.0", linestyle="-")
        panel.set_ylabel(name)
        if place + columns >= len(series):
            panel.set_xlabel("Period")
    return finish(figure)


@journal_style()
def plot_game_training(lines: Sequence[Mapping[str, Any]], note: str = "") -> "Figure":
    """How training went, from the lines of metrics.jsonl: the objective and, where measured, the exploitability.

    Against seconds of training; exploitability on logarithmic axes, by population.
    """
    measured = [line for line in lines if "exploitability" in line]
    figure, axes = panels(2 if measured else 1, 2 if measured else 1, PAGE if measured else COLUMN, 2.0, note)
    axes[0].plot([line["seconds"] for line in lines], [line["objective"] for line in lines], color="0.0", linestyle="-")
    axes[0].set(xlabel="Seconds of training", ylabel="Objective")
    if not measured:
        return finish(figure)
    names = list(measured[0]["exploitability"])
    for name, style in zip(names, line_styles(len(names)), strict=True):
        values = [line["exploitability"][name] for line in measured]
        axes[1].plot([line["seconds"] for line in measured], values, label=name, **style)
    axes[1].set(xlabel="Seconds of training", ylabel="Exploitability")
    logarithmic(axes[1])
    return finish(figure, axes[1] if len(names) > 1 else None)
