"""Which results of traced equations depend on which arguments, from the jaxpr, without evaluating anything."""

from collections.abc import Callable, Mapping
from typing import Any

import jax


def depends_on(function: Callable[[Any], Any], argument: Any) -> list[bool]:
    """Whether each array that `function` returns depends on its argument."""
    jaxpr = jax.make_jaxpr(function)(argument).jaxpr
    return _follow(jaxpr, jaxpr.invars)


def names_read(function: Callable[[dict[str, Any]], Any], values: Mapping[str, Any]) -> set[str]:
    """The names in `values` on which any result of `function` depends."""
    names = sorted(values)
    jaxpr = jax.make_jaxpr(lambda *given: function(dict(zip(names, given, strict=True))))(*(values[n] for n in names))
    return {
        name for name, variable in zip(names, jaxpr.jaxpr.invars, strict=True) if any(_follow(jaxpr.jaxpr, [variable]))
    }


def _follow(jaxpr: Any, variables: list) -> list[bool]:
    found = set(map(id, variables))
    for equation in jaxpr.eqns:
        if any(id(variable) in found for variable in equation.invars):
            found.update(map(id, equation.outvars))
    return [id(variable) in found for variable in jaxpr.outvars]
