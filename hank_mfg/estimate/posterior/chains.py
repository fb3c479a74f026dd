"""Markov chains of a posterior by the No-U-Turn sampler (NumPyro), kept as they go.

The mass matrix is the curvature at the mode, so that warming up only finds a step size. With a folder every chain
writes its draws and the sampler's state every so often, whole files or none, and one that was cut off goes on with the
same draws as if it had not been. Source: Hoffman and Gelman (2014), JMLR 15.
"""

import concurrent.futures
import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hank_mfg.compiling import quick_compilation
from hank_mfg.estimate.errors import EstimationError
from hank_mfg.estimate.likelihood.likelihood import Likelihood, one_thread
from hank_mfg.estimate.posterior.kept import Kept
from hank_mfg.estimate.posterior.mode import Mode
from hank_mfg.estimate.posterior.priors import Target
from hank_mfg.machine import available_cores
from hank_mfg.parallel import in_pieces

SECONDS = 20.0  # between two times that a chain is written
_TRACING = threading.Lock()  # NumPyro keeps one stack of handlers for all threads
SPREAD = 1.5  # of the first points of chains, in standard deviations around the mode


class Chains(NamedTuple):
    """Draws on the line, (chains, draws, free), log densities there, (chains, draws), the number of gradients and the
    share of draws that diverged, of each chain, and seconds."""

    points: np.ndarray
    log_density: np.ndarray
    gradients: np.ndarray
    divergent: np.ndarray
    seconds: float


def sample_chains(
    likelihood: Likelihood, target: Target, mode: Mode, *, chains: int, draws: int, warmup: int, seed: int,
    folder: Path | None, executor: concurrent.futures.Executor | None, callback: Callable[[str], None] | None,
) -> Chains:  # fmt: skip
    """Chains of `draws` after `warmup`, begun around the mode. Raises EstimationError for a folder of another one."""
    begin = time.perf_counter()
    sampler = _Sampler(likelihood, target, mode, warmup)
    settings = json.dumps([likelihood.identity(), target.free, target.start.tolist(), chains, draws, warmup, seed])
    files = Kept(folder, hashlib.sha256(settings.encode()).hexdigest())

    def run(chain: int) -> dict[str, np.ndarray]:
        return sampler.run(chain, draws, seed, files, callback)

    names = [f"chain {i + 1}" for i in range(chains)]
    with one_thread():  # of linear algebra: chains share the processor's cores
        if executor is None:
            with concurrent.futures.ThreadPoolExecutor(min(chains, available_cores())) as threads:
                found = in_pieces(run, range(chains), executor=threads, names=names)
        else:
            found = in_pieces(run, range(chains), executor=executor, names=names)
    return Chains(
        np.stack([each["points"] for each in found]), -np.stack([each["potential"] for each in found]),
        np.stack([each["steps"].sum() for each in found]), np.stack([each["diverging"].mean() for each in found]),
        time.perf_counter() - begin,
    )  # fmt: skip


class _Sampler:
    """The sampler, compiled once for all chains."""

    def __init__(self, likelihood: Likelihood, target: Target, mode: Mode, warmup: int):
        from numpyro.infer import NUTS

        def potential(point: Array) -> Array:
            values = target.constrain(point)
            density = likelihood.traced(values) + target.log_prior(point) + target.log_volume(point)
            return jnp.where(jnp.isfinite(density), -density, jnp.inf)

        curved = np.linalg.eigvalsh(mode.hessian_with_volume).min() > 0
        self.covariance = np.linalg.inv(mode.hessian_with_volume) if curved else np.eye(len(mode.point))
        self.mode, self.warmup = mode, warmup
        with jax.enable_x64(True):
            self.kernel = NUTS(
                potential_fn=potential, dense_mass=True, inverse_mass_matrix=jnp.asarray(self.covariance),
                adapt_mass_matrix=not curved, target_accept_prob=0.8, max_tree_depth=8,
            )  # fmt: skip
        state = self.first(0, 0)
        with jax.enable_x64(True):
            lowered = jax.jit(lambda state: self.kernel.sample(state, (), {})).lower(state)
            self.step = lowered.compile(compiler_options=quick_compilation())

    def first(self, chain: int, seed: int) -> Any:
        """The state of the sampler at the first point of a chain."""
        with jax.enable_x64(True):
            key = jax.random.fold_in(jax.random.key(seed), chain)
            root = np.linalg.cholesky(self.covariance)
            for attempt in range(20):
                normal = np.asarray(jax.random.normal(jax.random.fold_in(key, attempt + 1), (len(root),)))
                point = self.mode.point + SPREAD * root @ normal * 0.5**attempt
                state = self.kernel.init(key, self.warmup, jnp.asarray(point), (), {})
                if np.isfinite(float(state.potential_energy)):
                    return state
        raise EstimationError("No chain could begin: the posterior has no density around its mode.")

    def run(
        self,
        chain: int,
        draws: int,
        seed: int,
        files: Kept,
        callback: Callable[[str], None] | None,
    ) -> dict[str, np.ndarray]:
        """The draws of a chain, resumed where its file says."""
        with _TRACING:
            state = self.first(chain, seed)
        leaves, structure = jax.tree.flatten(state)
        kept: dict[str, list] = {"points": [], "potential": [], "steps": [], "diverging": []}
        done, written, name = 0, time.perf_counter(), f"chain_{chain}"
        before = files.read(name)
        if before is not None:
            state, done = jax.tree.unflatten(structure, _state(before, leaves)), int(before["done"])
            kept = {field: list(before[field]) for field in kept}
        total = self.warmup + draws
        with jax.enable_x64(True):
            while done < total:
                state = self.step(state)
                done += 1
                if done > self.warmup:
                    kept["points"].append(np.asarray(state.z))
                    kept["potential"].append(float(state.potential_energy))
                    kept["steps"].append(int(state.num_steps))
                    kept["diverging"].append(bool(state.diverging))
                late = time.perf_counter() - written > SECONDS
                if late and callback is not None:
                    callback(f"chain {chain + 1}: {done} of {total} draws")
                if late or done == total:
                    leaves = {f"state_{i}": _bits(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
                    files.write(name, {**leaves, "done": done, **{n: np.asarray(each) for n, each in kept.items()}})
                if late:
                    written = time.perf_counter()
        return {name: np.asarray(each) for name, each in kept.items()}


def _bits(leaf: Any) -> np.ndarray:
    """A leaf of the sampler's state as an array that can be written."""
    return np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)


def _state(found: dict[str, np.ndarray], like: list) -> list:
    """The leaves of the sampler's state as they were kept."""
    with jax.enable_x64(True):
        saved = [jnp.asarray(found[f"state_{place}"]) for place in range(len(like))]
        keys = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in like]
        return [jax.random.wrap_key_data(leaf) if key else leaf for leaf, key in zip(saved, keys, strict=True)]
