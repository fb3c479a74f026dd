"""Options of compilation."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


QUICK: dict[str, Any] = {
    "xla_backend_optimization_level": 2,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_experimental_ynn_fusion_type": "",
}


@functools.cache
def quick_compilation() -> dict[str, Any] | None:
    """Options for `.compile(compiler_options=...)`; elsewhere than on a CPU the default, None.

    On a CPU, LLVM's second level of optimization without its costly passes, which compiles a third faster and runs no
    slower (the first aborts on some vectors of AVX-512), and no small matrix products by a library: on the few income
    states of households these took up to half of the time of training. What this machine's compiler lacks is left
    out.
    """
    if jax.default_backend() != "cpu":
        return None
    if _are_known(QUICK):
        return QUICK
    return {name: value for name, value in QUICK.items() if _are_known({name: value})}


def _are_known(options: dict[str, Any]) -> bool:
    """Whether this machine's compiler has these options."""
    try:
        jax.jit(lambda: 0).lower().compile(compiler_options=options)
    except jax.errors.JaxRuntimeError:
        return False
    return True


def quick_jit(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """As `eqx.filter_jit`, with `quick_compilation`: for what is called from Python, not inside another program.

    The machine is asked what it is at the first call, so that importing asks nothing.
    """

    @functools.cache
    def compiled() -> Callable[Arguments, Result]:
        options: dict[str, Any] = {"compiler_options": quick_compilation()}
        return eqx.filter_jit(function, **options)

    @functools.wraps(function)
    def inside(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return compiled()(*args, **kwargs)

    return inside
