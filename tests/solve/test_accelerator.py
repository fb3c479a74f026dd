"""An accelerator computes what a CPU computes: `pytest -m gpu` where there is one."""

import contextlib
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.life import Chain
from hank_mfg.environment.lottery import Lottery, push_forward
from hank_mfg.precision import float64_allowed

pytestmark = pytest.mark.gpu


@contextlib.contextmanager
def on(platform: str | None):
    """Compute on the first device of a platform, in every thread; on the default one where it is None."""
    before = jax.config.jax_default_device
    try:
        jax.config.update("jax_default_device", None if platform is None else jax.devices(platform)[0])
        yield
    finally:
        jax.config.update("jax_default_device", before)


def on_both(compute) -> list:
    """The result on the default device, then on the CPU."""
    found = []
    for platform in (None, "cpu"):
        with on(platform):
            found.append(compute())
    return found


@pytest.mark.parametrize("name", ["krusell_smith", "huggett"])
def test_a_stationary_equilibrium_is_the_same(name):
    ours, theirs = on_both(lambda: hm.steady_state(hm.load_model(name), asset_points=100))
    np.testing.assert_allclose(ours.mass, theirs.mass, atol=1e-9)
    np.testing.assert_allclose(list(ours.prices.values()), list(theirs.prices.values()), rtol=1e-9)


def test_a_population_keeps_its_mass_in_float32():
    """Products of float32 matrices must not be rounded to fewer bits; 200 periods would lose a percent."""

    @float64_allowed
    def total() -> float:
        draws = np.random.default_rng(0)
        chain = draws.dirichlet(np.ones(7), 7).astype(np.float32)
        mass = draws.dirichlet(np.ones(32 * 200 * 7)).reshape(32, 200, 7).astype(np.float32)
        lottery = Lottery(
            jnp.asarray(draws.integers(0, 199, mass.shape)), jnp.asarray(draws.random(mass.shape, np.float32))
        )
        move = jax.jit(jax.vmap(lambda m, g: push_forward(m, g, Chain(jnp.asarray(chain)))))
        mass = jnp.asarray(mass)
        for _ in range(200):
            mass = move(mass, lottery)
        return float(np.asarray(mass, np.float64).sum())

    assert total() == pytest.approx(1.0, abs=1e-4)


def test_training_takes_the_same_steps(tiny):
    model, settings = hm.load_model("krusell_smith"), hm.RSPG(**tiny)
    steady = hm.steady_state(model, asset_points=120)
    ours, theirs = on_both(lambda: hm.solve(model, settings, steady=steady))
    assert theirs.device.startswith("cpu")
    for name in ("euler_error", "objective"):
        np.testing.assert_allclose(ours.history[name], theirs.history[name], rtol=1e-3)
    exact = dataclasses.replace(settings, precision="float64")
    ours, theirs = on_both(lambda: hm.solve(model, exact, steady=steady))
    np.testing.assert_allclose(ours.history["euler_error"], theirs.history["euler_error"], rtol=1e-8)


@pytest.mark.parametrize("name", ["linear_quadratic", "rspg_macro"])
def test_a_game_is_learned_in_the_same_steps(name):
    game, settings = hm.load_game(name), hm.settings_for(name, updates=4)
    ours, theirs = on_both(lambda: hm.solve(game, settings))
    assert theirs.device.startswith("cpu")
    np.testing.assert_allclose(ours.history["loss"], theirs.history["loss"], rtol=1e-2)
    ours, theirs = (hm.exploitability(each, paths=4).clairvoyant for each in (ours, theirs))
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=1e-2)
