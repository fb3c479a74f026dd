"""Precision: float64 where accuracy is reported, a setting where policies are trained; global state untouched."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

DTYPES = {"float32": jnp.float32, "float64": jnp.float64}


def float64_allowed(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let `function` use float64 arrays, for the duration of the call and in this thread only.

    Every array inside says its dtype, so float32 work stays float32; the caller's JAX configuration is not changed.
    Products of float32 matrices are made in float32: a GPU would round what it multiplies to ten bits, and a population
    that moves by such a matrix does not keep its mass.
    """

    @functools.wraps(function)
    def inside(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with jax.enable_x64(True), jax.default_matmul_precision("float32"):
            return function(*args, **kwargs)

    return inside


def is_traced(value: Any) -> bool:
    """Whether any number in a value is a JAX tracer."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value))


def in_jax(numbers: Any) -> Any:
    """An array as a JAX array. One with values is put there as it is: `jnp.asarray` compiles a program per shape."""
    return numbers if isinstance(numbers, jax.Array) else jax.device_put(numbers)


def pick(values: Any, place: Any) -> Any:
    """The entries of an array at a place, `values[place]`, in its precision; of one with values nothing is compiled."""
    if is_traced((values, place)):
        return values[place]
    found = in_jax(np.asarray(values)[place])
    return found if found.dtype == values.dtype else values[place]  # float64 is put there as float32 if not allowed


def cast(tree, dtype):
    """Every floating-point leaf of a pytree in the given dtype, converted by NumPy; integers and keys as they are."""

    def convert(leaf):
        is_float = isinstance(leaf, float) or eqx.is_inexact_array(leaf) or isinstance(leaf, np.ndarray | np.floating)
        return in_jax(np.asarray(leaf, dtype)) if is_float else leaf

    return jax.tree.map(convert, tree)
