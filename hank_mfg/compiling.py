"""Options of compilation, and where compiled programs are kept."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
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
def keep_compiled(*, small: bool = False) -> Path | None:
    """Keep compiled programs in the user's cache folder from now on, so that no later process compiles them again.

    Returns the folder: hank_mfg/jax in $XDG_CACHE_HOME, or in ~/.cache. Where JAX already has a folder, by
    jax.config or by $JAX_COMPILATION_CACHE_DIR, that one is used, and what it keeps is left as it is unless `small`
    programs are wanted too. With $HANK_MFG_CACHE=off nothing is changed, and None returned.
    """
    if os.environ.get("HANK_MFG_CACHE", "").lower() in ("off", "0", "no", "false"):
        return None
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hank_mfg" / "jax"
    chosen: str | None = getattr(jax.config, "jax_compilation_cache_dir")  # noqa: B009 - unknown to type checkers
    if chosen is None:
        jax.config.update("jax_compilation_cache_dir", str(default))
    if chosen is None or small:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return default if chosen is None else Path(chosen)


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
