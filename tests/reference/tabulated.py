"""Strategies by table, to hand the same fixed policy to the library and to plain loops; games in float64."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

import hank_mfg as hm
from hank_mfg.environment.game import Choice
from hank_mfg.policy.strategy import action_values_of
from hank_mfg.precision import cast


class Tabulated(eqx.Module):
    """A strategy by table: probabilities (time, states, actions); memory counts the periods."""

    table: Array

    def initial_memory(self) -> Array:
        return jnp.zeros((), jnp.int32)

    def remember(self, memory, signal):
        return memory + 1, memory

    def scores(self, features, sight):
        return self.table[features]

    def choose(self, scores, population) -> Choice:
        return Choice(jnp.broadcast_to(action_values_of(population.actions, scores.dtype)[None], scores.shape), scores)


def loaded(name: str, **switches) -> Any:
    return cast(hm.load_game(name, **switches), jnp.float64)
