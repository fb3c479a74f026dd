"""What happens along sampled paths of a game when everybody follows given strategies."""

import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.precision import float64_allowed
from hank_mfg.solve.game_play import GamePlay, draw_uniforms


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
