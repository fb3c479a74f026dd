"""Shapes that docstrings state, checked by jaxtyping and beartype while the functions run, in this file only."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from beartype import beartype
from jaxtyping import Array, Float, Int, TypeCheckError, jaxtyped

from hank_mfg.environment import lottery as lotteries
from hank_mfg.environment.grids import asset_grid
from hank_mfg.environment.life import Chain
from hank_mfg.model.assets import Assets

Matrix = Float[Array, "assets income"]
SHAPES: dict[str, dict[str, Any]] = {
    "read": {"values": Matrix, "return": Matrix},
    "slope": {"values": Matrix, "return": Matrix},
    "expect": {"values": Matrix, "chain": Chain, "return": Matrix},
    "pull_back": {"values": Matrix, "chain": Chain, "return": Matrix},
    "settle": {"mass": Matrix, "return": Matrix},
    "push_forward": {"mass": Matrix, "chain": Chain, "return": Matrix},
}


def typed(name):
    """A function of lottery.py whose arguments and result are checked against its shapes."""
    function = getattr(lotteries, name)

    def inside(*arguments):
        return function(*arguments)

    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    scope = {"inside": inside}
    exec(f"def {name}({', '.join(names)}): return inside({', '.join(names)})", scope)
    made: Any = scope[name]
    made.__annotations__ = SHAPES[name]
    return jaxtyped(typechecker=beartype)(made)


@pytest.mark.parametrize("name", SHAPES)
def test_functions_of_the_lottery_have_the_shapes_that_they_state(float64, name):
    grid = asset_grid(Assets(lower=0.0, upper=10.0), 12, jnp.float64)
    gamble = lotteries.lottery(jnp.full((12, 3), 2.5), grid)
    assert isinstance(gamble.index, Int[Array, "12 3"]) and isinstance(gamble.weight, Float[Array, "12 3"])
    values, chain = jnp.asarray(np.random.default_rng(0).random((12, 3))), Chain(jnp.full((3, 3), 1 / 3))
    moving = dict.fromkeys(("expect", "push_forward", "pull_back"), (gamble, chain))
    more = {"slope": (gamble, grid), **moving}.get(name, (gamble,))
    typed(name)(values, *more)
    with pytest.raises(TypeCheckError):
        typed(name)(values[:, 0], *more)
