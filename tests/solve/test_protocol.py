"""What every method keeps on every kind of problem that it fits: an economy, a hand-written game, an economy as a game.

It begins, updates, and its history is finite; all updates are calls of programs that were compiled before the first of
them; the same seed gives the same bits and another seed does not; what is saved is loaded to the same bits; a run that
was cut off and resumed from its folder ends with the bits of an unbroken one. Settings are far too coarse to solve
anything.
"""

import collections
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.monitoring
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.runs.run import load_run, solve_run
from hank_mfg.runs.storage import RunError, read_config, read_metrics

ECONOMY = {
    "asset_points": 60, "updates": 22, "paths": 2, "horizon": 5, "epochs": 2, "knots": 10, "units": 4, "width": 4,
    "warmup": 10,
}  # fmt: skip
GAME = {"updates": 6, "paths": 4, "units": 4, "width": 4}
CROWD = {**GAME, "individuals": 20}
LAW = {"asset_points": 60, "histogram_points": 80, "periods": 300, "burn_in": 50, "capital_points": 6}


# Settings this coarse do not converge, and three iterations are not enough for the classical algorithm.
pytestmark = pytest.mark.filterwarnings("ignore:.*did not converge", "ignore:.*of capital_range")


class Problem(NamedTuple):
    """An economy or a game, and its name where a run folder can read it by that name."""

    make: Callable[[], Any]
    name: str | None = None


@functools.cache
def economy_as_game() -> Any:
    model = hm.load_model("krusell_smith")
    return hm.as_game(model, asset_points=20, horizon=4, knots=5, bins=8)


PROBLEMS = {
    "economy": Problem(lambda: hm.load_model("krusell_smith"), "krusell_smith"),
    "game": Problem(lambda: hm.load_game("linear_quadratic"), "linear_quadratic"),
    "economy as game": Problem(economy_as_game),
}
OF_GAMES = {
    "GameRSPG": hm.settings_for("linear_quadratic", "rspg", **GAME),  # as test_game_run.py has it
    "GameSPG": hm.GameSPG(**GAME, epochs=2),
    "IPPO": hm.IPPO(**CROWD, epochs=1, minibatches=2),
    "RIPPO": hm.RIPPO(**CROWD, epochs=1, minibatches=2),
    "MOMD": hm.MOMD(**CROWD, refreshes=2, steps=1, batch=2),
    "GameRSPG lstm": hm.GameRSPG(**GAME, epochs=2, memory="lstm"),
    "GameRSPG lru": hm.GameRSPG(**GAME, epochs=2, memory="lru"),
    "GameRSPG attention": hm.GameRSPG(**GAME, epochs=2, memory="attention"),
}
METHODS = {
    "economy": {
        "RSPG": None,  # the fixture `small`, which other tests train with too
        "SPG": hm.SPG(**ECONOMY),
        "RSPG lstm": hm.RSPG(**ECONOMY, memory="lstm"),
        "KSAlgorithm": hm.KSAlgorithm(**LAW, max_iterations=3),
    },
    "game": OF_GAMES,
    "economy as game": {name: OF_GAMES[name] for name in ("GameRSPG", "GameSPG", "IPPO", "RIPPO", "MOMD")},
}
CHUNK = {"economy": {}, "game": {"chunk": 2}, "economy as game": {"chunk": 2}}
QUICK = {("economy", "RSPG"), ("game", "GameRSPG")}  # the others are slow: they compile
CASES = [
    pytest.param((kind, name), id=f"{name} on {kind}", marks=[] if (kind, name) in QUICK else pytest.mark.slow)
    for kind, methods in METHODS.items()
    for name in methods
]


def is_classical(method: Any) -> bool:
    return isinstance(method, hm.KSAlgorithm)


def arrays(training: Any) -> list[np.ndarray]:
    """The arrays of a training or a solution."""
    leaves = jax.tree.leaves(eqx.filter(training, lambda leaf: isinstance(leaf, jax.Array | np.ndarray)))
    assert leaves
    return [np.asarray(leaf) for leaf in leaves]


def training_of(solution: Any) -> Any:
    """What a solution has learned, and what it would go on with."""
    if is_classical(solution.settings):
        return solution.law, solution.policy, solution.end
    return solution.training() if callable(solution.training) else solution.training


def numbers(history: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The history without seconds."""
    return {name: values for name, values in history.items() if not name.startswith("seconds")}


def assert_same_bits(one: Any, other: Any) -> None:
    for here, there in zip(arrays(one), arrays(other), strict=True):
        assert here.dtype == there.dtype
        np.testing.assert_array_equal(here, there)


def assert_same(one: Any, other: Any) -> None:
    """Two solutions: the same training, history and status."""
    assert_same_bits(training_of(one), training_of(other))
    histories = numbers(one.history), numbers(other.history)
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[0].items():
        np.testing.assert_array_equal(values, histories[1][name])
    assert one.status == other.status and one.settings == other.settings


class Run(NamedTuple):
    """A method on a problem, seed 3: its solution, the training after its first call, and what JAX did after that."""

    problem: Problem
    method: Any
    options: dict[str, int]
    solution: Any
    first: Any
    calls: int
    late: dict[str, int]


class Killed(Exception):
    """Stands for a process that dies."""


@pytest.fixture(scope="module", params=CASES)
def run(request, small) -> Run:
    kind, name = request.param
    problem, method, options = PROBLEMS[kind], METHODS[kind][name] or small, CHUNK[kind]
    first: list = []
    early, late = collections.Counter(), collections.Counter()

    def heard(event: str, seconds: float, **_) -> None:
        if event.startswith("/jax/core/compile"):  # traced, lowered or compiled
            (late if first else early)[event] += 1

    def watch(training, history) -> None:
        first.append(training)

    if is_classical(method):
        return Run(problem, method, options, hm.solve(problem.make(), method, seed=3), None, 0, {})
    jax.monitoring.register_event_duration_secs_listener(heard)
    try:
        solution = hm.solve(problem.make(), method, seed=3, callback=watch, **options)
    finally:
        jax.monitoring.unregister_event_duration_listener(heard)
    assert len(first) >= 2 and early
    return Run(problem, method, options, solution, first[0], len(first), dict(late))


def begin(run: Run, seed: int) -> Any:
    """The training of `seed` after its first call of the compiled program."""
    return training_of(hm.solve(run.problem.make(), run.method, seed=seed, callback=lambda *_: True, **run.options))


def test_it_begins_and_updates_and_its_history_is_finite(run):
    """Every number of the history, and of what was learned; an update changes what was learned."""
    history = numbers(run.solution.history)
    assert history and all(np.isfinite(values).all() for values in history.values() if values.dtype.kind == "f")
    assert all(np.isfinite(leaf).all() for leaf in arrays(training_of(run.solution)) if leaf.dtype.kind == "f")
    if is_classical(run.method):
        assert 1 < run.solution.iterations <= run.method.max_iterations
    else:
        assert run.solution.updates == run.method.updates
        last = arrays(training_of(run.solution))
        assert any(not np.array_equal(a, b) for a, b in zip(arrays(run.first), last, strict=True))


def test_all_updates_are_calls_of_one_compiled_program(run, monkeypatch):
    """After the first call nothing is traced, lowered or compiled any more."""
    if not is_classical(run.method):
        assert run.late == {}
        return
    counts = []
    for iterations in (2, 4):
        heard: list[str] = []
        listen = lambda event, seconds, heard=heard, **_: heard.append(event)  # noqa: E731
        jax.monitoring.register_event_duration_secs_listener(listen)
        method = hm.KSAlgorithm(**LAW, max_iterations=iterations)
        hm.solve(run.problem.make(), method, seed=3, steady=run.solution.steady)
        jax.monitoring.unregister_event_duration_listener(listen)
        counts.append(sum(event.startswith("/jax/core/compile") for event in heard))
    assert counts[1] <= counts[0]


def test_the_same_seed_gives_the_same_bits_and_another_does_not(run):
    """On the same processor."""
    if is_classical(run.method):
        model, steady = run.problem.make(), run.solution.steady
        assert_same(hm.solve(model, run.method, seed=3, steady=steady), run.solution)
        other = hm.solve(model, run.method, seed=4, steady=steady)
        assert not np.array_equal(other.law.slope, run.solution.law.slope)
        return
    assert_same_bits(begin(run, seed=3), run.first)
    weights = lambda training: arrays(eqx.filter(training, eqx.is_inexact_array))  # noqa: E731
    pairs = zip(weights(begin(run, seed=4)), weights(run.first), strict=True)
    assert any(not np.array_equal(one, other) for one, other in pairs)


def test_what_is_saved_is_loaded_to_the_same_bits(run, tmp_path):
    """`save` and `load`: training, history, status and settings."""
    hm.save(run.solution, tmp_path / "solution.npz")
    assert_same(hm.load(tmp_path / "solution.npz"), run.solution)


def test_a_resumed_run_gives_the_bits_of_an_unbroken_one(run, tmp_path):
    """Cut off after the first call, resumed from its folder; until then the folder holds no solution, and in the end
    its log has one line for each call."""
    source = run.problem.name or run.problem.make()
    if is_classical(run.method):
        with pytest.raises(ValueError, match="callback|resume|training"):
            solve_run(source, tmp_path / "run", run.method, callback=lambda history: None)
        return

    def die(history):
        raise Killed

    folder = tmp_path / "run"
    with pytest.raises(Killed):
        solve_run(source, folder, run.method, seed=3, callback=die, save_every=0.0, **run.options)
    assert read_config(folder)["status"] == "UNFINISHED"
    with pytest.raises(RunError, match="unfinished run"):
        load_run(folder)
    resumed = solve_run(source, folder, resume=True)
    assert_same(resumed, run.solution)
    length = run.method.updates // run.calls
    assert [line["update"] for line in read_metrics(folder)] == [length * (k + 1) for k in range(run.calls)]
    if run.problem.name is not None:
        assert_same(load_run(folder), run.solution)
