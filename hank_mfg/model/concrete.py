"""Distinguish numbers that can be checked from JAX tracers, which have no value yet."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hank_mfg.precision import is_traced


def concrete(value: Any) -> np.ndarray | None:
    """The value as a NumPy array of floats, any shape; None for a JAX tracer and for what is not a number.

    Declarations check what they can see: plain numbers, lists and arrays. Inside `jax.grad`, `jax.vmap` and `jax.jit`
    parameters are tracers and were checked before.
    """
    if not jax.tree.leaves(value) or is_traced(value):
        return None
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return None


def require_numbers(declared: Any, *names: str) -> None:
    """Raise ValueError for a field of a declaration that is a text, None or a complex number, naming it."""
    for name in names:
        value = getattr(declared, name)
        leaves = jax.tree.leaves(value)
        if is_traced(value):
            continue
        if (
            not leaves
            or (concrete(value) is None and not all(map(eqx.is_array_like, leaves)))
            or np.iscomplexobj(value)
            or isinstance(value, list | tuple)
        ):
            raise ValueError(f"{type(declared).__name__}({name}={value!r}): {name} is no number: give a number.")


def numbers_of(name: str, value: Any) -> np.ndarray:
    """A value as a NumPy array of floats, any shape. Raises ValueError, naming it, for what holds no numbers."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} = {str(value)[:60]!r} holds something that is no number: give numbers.") from error


def is_number(leaf: Any) -> bool:
    """Whether a leaf of a model is computed with: a number, array or tracer, but not a flag, a text or a function."""
    return eqx.is_array_like(leaf) and not isinstance(leaf, bool)


def array_module(*values: Any):
    """NumPy for plain numbers and arrays, JAX's NumPy where any of them is a tracer.

    What is computed once per model needs no compilation, and can still be differentiated when it is traced.
    """
    return jnp if is_traced(values) else np
