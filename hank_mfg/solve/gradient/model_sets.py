"""Several models for one policy: every path of training belongs to one of them.

The members of a family (robust.py) differ in the economy, and one policy is right on average. Where the policy sees the
parameters (box.py), each model also has its own start of the policy, whose trained part is the same for all.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.economy import Economy
from hank_mfg.policy.policy import Tables, trainable
from hank_mfg.solve.play.rollout import Play, for_each


class ModelSet(NamedTuple):
    """Models on the same grids: their `economies`, arrays with a leading axis (models,), and `weights` (models,).

    Where each has its own start of the policy: `policies`, what training leaves alone in each, and `tables` on the grid
    of training and on that of the mass, `fine_tables`, all with the same leading axis.
    """

    economies: Economy
    weights: Array
    policies: Any = None
    tables: Tables | None = None
    fine_tables: Tables | None = None

    def place(self, paths: Array) -> Array:
        """The model that each of `paths`, numbers, belongs to, in turn: (paths,)."""
        return paths % self.weights.shape[0]

    def at(self, place: Array) -> Self:
        """The models at `place`."""
        return jax.tree.map(lambda x: x[place] if eqx.is_array(x) else x, self)

    def of(self, play: Play) -> Play:
        """`play` in the only model that is here, its arrays without the leading axis."""
        play = play._replace(economy=self.economies)
        if self.policies is None or self.tables is None:
            return play
        fine = play.fine
        if fine is not None and self.fine_tables is not None:
            fine = fine._replace(tables=self.fine_tables)
        policy = eqx.combine(eqx.filter(play.policy, trainable(play.policy)), self.policies)
        return play._replace(policy=policy, tables=self.tables, fine=fine)


def on_paths(play: Play, models: ModelSet | None, place: Array | None, one: Callable, *each: Any) -> Any:
    """`one(play, *x)` for every path, leading axis of `each`: in the economy of `play`, or in the path's own model, at
    `place` (paths,)."""
    if models is None or place is None:
        return for_each(play.economy, lambda *x: one(play, *x), *each)
    return eqx.filter_vmap(lambda own, *x: one(own.of(play), *x))(models.at(place), *each)


def path_shares(models: ModelSet | None, place: Array | None, paths: int, dtype) -> Array:
    """The weight of every path, (paths,), mean one: that of its model."""
    if models is None or place is None:
        return jnp.ones(paths, dtype)
    return models.weights.shape[0] * models.weights[place]
