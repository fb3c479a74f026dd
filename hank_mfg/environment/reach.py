"""What is computed from what, read off traced equations without a single number."""

from collections.abc import Callable, Mapping
from typing import Any

import jax


def reached(function: Callable[[Any], Any], argument: Any) -> list[bool]:
    """Which of the arrays that `function` returns are computed from its argument."""
    jaxpr = jax.make_jaxpr(function)(argument).jaxpr
    return _follow(jaxpr, jaxpr.invars)


def read_names(function: Callable[[dict[str, Any]], Any], values: Mapping[str, Any]) -> set[str]:
    """The names in `values` from which anything is computed that `function` of them returns."""
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
