"""Results kept in one file: the same bits again, in another process too, and nobody's code run on the way."""

import copy
import dataclasses
import json
import pickle
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.environment.games import load_game
from hank_mfg.model.codec import library_class
from hank_mfg.model.fingerprint import differences, fingerprint, incomparable
from hank_mfg.model.gallery import load_model
from hank_mfg.model.named import Named
from hank_mfg.runs.seal import pack, read
from hank_mfg.solve.train import Status

AGAIN = "import sys, hank_mfg as hm\nfor name in sys.argv[1:]: hm.save(hm.load(name), name + '.again')"


def again_elsewhere(*paths) -> None:
    """Load every file in another process and save what was loaded: the bytes are the same."""
    subprocess.run([sys.executable, "-c", AGAIN, *map(str, paths)], check=True)
    for path in paths:
        assert path.read_bytes() == path.with_name(path.name + ".again").read_bytes(), path.name


@pytest.fixture(scope="module")
def steady() -> hm.SteadyState:
    return hm.steady_state(hm.load_model("aiyagari", maximum_assets=100.0), asset_points=60)


def leaves_are_same(one, other) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for here, there in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert type(here) is type(there) and np.array_equal(here, there, equal_nan=True)
        assert np.asarray(here).dtype == np.asarray(there).dtype


def test_a_steady_state_is_kept(steady, tmp_path):
    found = hm.load(hm.save(steady, tmp_path / "steady.npz"))
    leaves_are_same(found, hm.load(tmp_path / "steady.npz", "aiyagari"))
    assert type(found) is hm.SteadyState
    leaves_are_same(steady, found)
    assert found.economy.model.parameters() == steady.economy.model.parameters()
    assert dict(found.prices) == dict(steady.prices)
    assert np.array_equal(found.consumption, steady.consumption)
    assert set(np.load(tmp_path / "steady.npz")) > {"array_0000"}, "NumPy reads it"


def test_copies_and_pickles(steady):
    things = [
        steady,
        steady.economy.model,
        load_game("linear_quadratic"),
        hm.MarkovChain([[0.9, 0.1], [0.2, 0.8]], x=[1, 2]),
    ]
    for thing in things:
        for make in (copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
            made = make(thing)
            assert type(made) is type(thing)
            leaves_are_same(thing, made)


def test_plain_values_keep_their_types(tmp_path):
    frame = pd.DataFrame(
        {"a": [1.5, np.nan], "b": ["x", None], ("c", 1): [1, 2]}, index=pd.Index(["p", "q"], name="who")
    )
    values = {
        "numbers": (1, 1.5, True, None, float("nan"), float("-inf"), np.float64(0.1), np.int32(7), -0.0),
        (1, "two"): [np.zeros((2, 0)), np.arange(3)[::-1], np.array(2.5), np.array(["a", "bc"])],
        "jax": [jnp.arange(3.0), jax.random.key(1), jax.random.PRNGKey(2)],
        "named": Named("prices", wage=1.0), "status": Status.CONVERGED, "frame": frame, "text": "schön \ud83d"[:5],
    }  # fmt: skip
    found = hm.load(hm.save(values, tmp_path / "values"))
    assert list(found) == list(values) and repr(found["numbers"]) == repr(values["numbers"])
    for one, other in zip(values[1, "two"], found[1, "two"], strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one, other)
    assert found["status"] is Status.CONVERGED and found["named"]._label == "prices"
    assert jnp.array_equal(jax.random.key_data(found["jax"][1]), jax.random.key_data(values["jax"][1]))
    pd.testing.assert_frame_equal(found["frame"], frame)


def test_what_is_shared_stays_shared(steady, tmp_path):
    first, (second, third) = hm.load(hm.save((steady, [steady, steady.policy]), tmp_path / "shared"))
    assert first is second and third is first.policy


def test_what_cannot_be_kept_is_named(steady, refuses, tmp_path):
    refuses(lambda: hm.save({"a": [len]}, tmp_path / "x"), "dict['a'][0] is of type builtin_function_or_method")
    refuses(lambda: hm.save(steady, tmp_path), "is a folder", "result.npz")
    refuses(lambda: hm.save(np.array([object()]), tmp_path / "x"), "array of object")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "missing", "foreign", "older", "newer", "folder"])
def test_a_file_that_is_not_what_was_written(damage, tmp_path, refuses):
    path = hm.save({"a": np.arange(50.0)}, tmp_path / "a.npz")
    content = path.read_bytes()
    header = {"format": "hank_mfg result", "version": 99, "versions": {"hank-mfg": "9.0"}}
    damaged = {
        "cut": content[:-5], "empty": b"", "flipped": content[:200] + bytes([content[200] ^ 1]) + content[201:],
        "foreign": pack({"a": np.ones(2)}), "newer": pack({}, {"result.json": json.dumps(header)}),
    }  # fmt: skip
    pieces = {
        "cut": "cut off", "empty": "is empty", "flipped": "has changed", "missing": "is missing",
        "older": "another program",
        "foreign": "was not written by hank_mfg.save", "newer": "format 99", "folder": "load_run",
    }  # fmt: skip
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "older":
        np.savez(path, a=np.ones(2))
    elif damage != "missing":
        path.write_bytes(damaged[damage])
    refuses(lambda: hm.load(path), path.name, pieces[damage])


def test_every_bit_counts(tmp_path, refuses):
    path = hm.save(("a", 1), tmp_path / "a.npz")
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        refuses(lambda: hm.load(path), "a.npz is damaged")


def test_no_name_in_a_file_imports_anything():
    for name in (
        "os:system",
        "hank_mfg.cli.main:main",
        "hank_mfg.runs.storage:json",
        "builtins:eval",
        "hank_mfg.runs.run:Path",
        "x",
        "a.b:c",
    ):
        assert library_class(name) is None
    assert library_class("hank_mfg.solve.stationary.steady_state:SteadyState") is hm.SteadyState


OWN = """
import hank_mfg as hm
RATE = 0.3
def tax(x):
    return RATE * x
class Mine(type(hm.load_model("aiyagari"))):
    def resources(self, assets, own, today):
        return super().resources(assets, own, today) - 0 * tax(assets)
"""


@pytest.fixture
def mine(tmp_path):
    """A model of one's own, kept in a file, and the file of the model."""
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    namespace = {"__name__": "__main__"}
    exec(compile(OWN, str(file), "exec"), namespace)
    kind = namespace["Mine"]
    parameters = hm.load_model("aiyagari").parameters()
    model = kind(**parameters)
    return kind, model, hm.save(model, tmp_path / "mine.npz"), file


def test_a_class_of_ones_own_is_given(mine, refuses):
    kind, model, path, file = mine
    refuses(lambda: hm.load(path), "holds a Mine", "not run unasked", "model=Mine")
    for given in (kind, model, file):
        found = hm.load(path, given)
        assert type(found).__name__ == "Mine" and found.parameters() == model.parameters()
    refuses(lambda: hm.load(path, hm.load_model("krusell_smith")), "holds a Mine, not a KrusellSmith")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("- 0 * tax", "- 1 * tax", "resources() differs"),
        ("RATE * x", "RATE * x * x", "function tax() differs"),
        ("RATE = 0.3", "RATE = 0.4", "RATE differs"),
        ("    def res", "    # said\n\n    def res", ""),
        ("RATE * x", "(RATE *\n    x)", ""),
    ],
)
def test_other_equations_are_named(mine, refuses, old, new, named):
    _, _, path, file = mine
    assert old in OWN
    file.write_text(OWN.replace(old, new))
    if named:
        refuses(lambda: hm.load(path, file), named, "from when this was solved")
    else:
        assert type(hm.load(path, file)).__name__ == "Mine"


def test_a_class_typed_in_a_session(refuses, tmp_path):
    """No file: the instructions themselves are compared; those of another version of Python cannot be."""

    def typed(body: str) -> type:
        namespace = {"base": type(load_model("aiyagari")), "__name__": "__main__"}
        exec(f"class Typed(base):\n    def discounting(self, own, today):\n        {body}", namespace)
        return namespace["Typed"]

    one = typed("return 0.9")
    path = hm.save(one(**load_model("aiyagari").parameters()), tmp_path / "typed")
    assert type(hm.load(path, typed("'''Said.'''\n\n        return 0.9"))).__name__ == "Typed"
    refuses(lambda: hm.load(path, typed("return 0.8")), "discounting() differs")
    before = {"discounting()": {"code": "x", "python": "3.99"}}
    now = {"discounting()": {"code": "y", "python": "3.11"}}
    assert differences(before, now) == [] and incomparable(before, now) == ["discounting()"]
    assert differences(fingerprint(one), fingerprint(typed("return 0.9"))) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_public_result_is_kept(trained, small, tmp_path):
    """Claim: whatever a public function returns is read in another process to the same bits."""
    model = hm.load_model("krusell_smith")
    steady = hm.steady_state(model, asset_points=60)
    with jax.enable_x64(True):
        found = hm.equilibrium(model, asset_points=60)
    linear = hm.linearize(steady, horizon=40)
    path = hm.transition(steady, horizon=40, linear=linear, productivity=[0.005])
    brief = {"horizon": 10, "starts": 2, "paths": 2}
    settings = hm.KSAlgorithm(
        asset_points=60, capital_points=4, histogram_points=80, periods=300, burn_in=50, max_iterations=3
    )
    under = hm.under(trained, productivity=[0.985, 1.015])
    accuracy = hm.evaluate(trained, periods=200, deviations=False)
    kinds = {"same": (model, dataclasses.replace(small, units=8)), "last": (model, small)}
    game = load_game("linear_quadratic")
    played = hm.solve(game, hm.GameRSPG(updates=2, paths=4, units=4, width=4))
    saved = {
        "model": model, "game": game, "settings": (small, hm.GameSPG(), hm.IPPO(), hm.MOMD()),
        "family": hm.Family({"depreciation": [0.03]}),
        "chains": (model.aggregate_shocks(), model.idiosyncratic_shock(), hm.AR1("x", 0.9, stationary_sd=0.1)),
        "declared": (hm.Assets(0.0, 10.0), hm.Bracket(0.0, 1.0), hm.CRRA(2.0), hm.GHH(2.0, frisch=1.0, disutility=1.0),
                     hm.Separable(2.0, frisch=1.0, disutility=1.0), hm.CobbDouglas(0.3, 0.02)),
        "economy": hm.discretize(model, 60, jnp.float32), "steady": steady, "linear": linear, "transition": path,
        "equilibrium": found,
        "slopes": hm.steady_state_derivatives(hm.load_model("aiyagari"), asset_points=60),
        "steady_states": hm.steady_states(model, asset_points=60, discount_factor=[0.985, 0.99]),
        "moments": hm.second_moments(linear), "mpc_path": hm.mpc_path(path), "mpcs": hm.static_mpcs(steady),
        "impcs": hm.intertemporal_mpcs(steady, horizon=10), "path": hm.distribution_path(path),
        "solution": trained, "under": under, "accuracy": accuracy,
        "simulation": accuracy.simulation, "euler": accuracy.euler,
        "exploitability": hm.exploitability(trained, paths=2, horizon=20, updates=2),
        "irf": hm.impulse_response(trained, "productivity", 0.005, **brief),
        "comparison": hm.compare(trained, sizes=[0.005], linear_horizon=40, accuracy=False, **brief),
        "welfare": hm.welfare_cost(trained, trained, paths=2, horizon=20, burn=5),
        "information": hm.information_value(trained, kinds, updates=2, paths=2, horizon=10, burn_in=5),
        "classical": hm.solve(model, settings, steady=steady), "table": hm.moment_table(trained, periods=100),
        "propensities": hm.marginal_propensities(trained), "filtered": hm.stats.hp_filter(np.arange(30.0) ** 2),
        "distribution": hm.stats.distribution_table(steady.mass, np.asarray(steady.economy.grid.points)),
        "lorenz": hm.stats.lorenz_curve(steady.mass, np.asarray(steady.economy.grid.points)),
        "played": played, "game_exploitability": hm.exploitability(played, paths=2),
        "game_deviation": hm.exploitability(played, "regression", paths=2),
        "crowd": hm.finite_population(played, (10, 20), paths=4),
    }  # fmt: skip
    files = [hm.save(value, tmp_path / name) for name, value in saved.items()]
    again_elsewhere(*files)
    for (name, value), file in zip(saved.items(), files, strict=True):
        assert type(hm.load(file)) is type(value), name
        for made in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
            hm.save(made, tmp_path / "made")
            one, other = (read(each, sealed=True)[0].values() for each in (file, tmp_path / "made"))
            assert sorted(map(np.ndarray.tobytes, one)) == sorted(map(np.ndarray.tobytes, other)), name
    assert len(files) >= 35


def test_a_run_is_kept_as_a_result(solved_run, tmp_path):
    """What a run folder gives, and what was solved, are the same result in one file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = hm.load(hm.save(solved_run.solution, tmp_path / "solution"))
    leaves_are_same(solved_run.solution.policy, found.policy)
    leaves_are_same(solved_run.solution.optimizer, found.optimizer)
    assert found.status is solved_run.solution.status and found.settings == solved_run.solution.settings
