"""Sums of sampled rewards: generalized advantages and lifetimes, with one discount factor or one of each individual."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from hank_mfg.environment.game import AbstractGame


def advantages(rewards: Array, values: Array, discount_factor: Array, gae_lambda: float) -> Array:
    """Generalized advantages (time, individuals) of `rewards` and `values` (time, individuals); none after the end.

    `discount_factor` is one number, or (time, individuals) like the others.
    """
    values_next = jnp.concatenate([values[1:], jnp.zeros_like(values[:1])])
    errors = rewards + discount_factor * values_next - values
    if jnp.ndim(discount_factor):

        def back_each(ahead, inputs):
            error, discount = inputs
            ahead = error + discount * gae_lambda * ahead
            return ahead, ahead

        return jax.lax.scan(back_each, jnp.zeros_like(errors[0]), (errors, discount_factor), reverse=True)[1]

    def back(ahead, error):
        ahead = error + discount_factor * gae_lambda * ahead
        return ahead, ahead

    return jax.lax.scan(back, jnp.zeros_like(errors[0]), errors, reverse=True)[1]


def discount_of(game: AbstractGame, discount: Array | None) -> tuple[Any, int | None]:
    """The discount factors of episodes, paths leading, or that of the game where `discount` is None; and over which
    axis `vmap` takes them."""
    return (game.discount_factor, None) if discount is None else (discount, 0)


def lifetime_reward(rewards: Array, discount_factor: Array) -> Array:
    """The mean discounted sum of rewards (paths, time, individuals); `discount_factor` is one number or of that shape.

    Where discount factors differ the individuals of a period must be those of the period before.
    """
    if jnp.ndim(discount_factor):
        passed = jnp.cumprod(discount_factor, axis=1)
        discount = jnp.concatenate([jnp.ones_like(passed[:, :1]), passed[:, :-1]], axis=1)
        return jnp.sum((discount * rewards).mean(axis=(0, 2)))
    discount = discount_factor ** jnp.arange(rewards.shape[1], dtype=rewards.dtype)
    return jnp.sum(discount * rewards.mean(axis=(0, 2)))
