"""Bad input of many kinds is one sentence that names field, value and cure; sizes are priced before allocation."""

import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg import sizes
from hank_mfg.cli import games as game_cli
from hank_mfg.cli.failures import failure
from hank_mfg.environment.economy import Public
from hank_mfg.model.named import Named
from hank_mfg.report.report import write_moments
from hank_mfg.solve.gradient.economies import HISTORY, untrained
from hank_mfg.solve.solution import GameSolution

AIYAGARI = hm.load_model("aiyagari")
GAME = hm.load_game("linear_quadratic")
HALF = [[0.5, 0.5], [0.5, 0.5]]
CALLS = {
    "hm.steady_state('krusel_smith')": "There is no shipped model 'krusel_smith'",
    "hm.steady_state(None)": "was given None: give a model",
    "hm.steady_state(hm.Model)": "the class Model, not an object",
    "hm.steady_state(AIYAGARI, asset_points=10**11)": "asset_points=1e+11 with 7 income states needs about",
    "hm.steady_state(AIYAGARI, asset_points=50.5)": "asset_points=...) was given 50.5: give a whole number",
    "hm.steady_state(AIYAGARI, tolerance=float('nan'))": "tolerance=...) was given nan",
    "hm.equilibrium(3)": "give a model",
    "hm.solve(GAME, family=hm.Family({'a': [1]}))": "family is for an economy",
    "hm.solve(AIYAGARI, 'rspg')": "give settings, as hm.RSPG()",
    "hm.solve(AIYAGARI, seed=2**70)": "seed must be at most 2^62",
    "hm.solve(AIYAGARI, seed=-1)": "seed must be at least 0",
    "hm.solve(AIYAGARI, family={'depreciation': [0.03]})": "hm.Family(",
    "hm.solve('beach_bra')": "There is no shipped model",
    "hm.solve(3)": "was given 3",
    "hm.solve(AIYAGARI, chunk=3)": "chunk is for a game",
    "hm.solve(GAME, 'rspg')": "give settings, as hm.GameRSPG()",
    "hm.evaluate(AIYAGARI)": "give a solution with aggregate risk",
    "hm.simulate(AIYAGARI)": "give a solution with aggregate risk",
    "hm.welfare_cost(AIYAGARI, AIYAGARI)": "believed=...) was given a model (Aiyagari): give a trained solution",
    "hm.linearize(AIYAGARI)": "as hm.steady_state(model) returns it",
    "hm.transition(AIYAGARI)": "as hm.steady_state(model) returns it",
    "hm.second_moments(AIYAGARI)": "as hm.linearize(steady) returns it",
    "hm.mpc_path(AIYAGARI)": "as hm.transition(steady, ...) returns it",
    "hm.distribution_path(AIYAGARI)": "as hm.transition(steady, ...) returns it",
    "hm.exploitability(GAME)": "as hm.solve(game)",
    "hm.load_run(3)": "was given 3",
    "hm.independent_chains(3, 4)": "give a shock",
    "hm.RSPG(paths=10**9)": "RSPG(paths=1e+09) needs about",
    "hm.RSPG(units=10**7)": "RSPG(units=10000000) needs about",
    "hm.RSPG(knots=10**6)": "RSPG(knots=1000000) needs about",
    "hm.RSPG(horizon=10**11)": "RSPG(horizon=1e+11) needs about",
    "hm.RSPG(updates=10**20)": "RSPG(updates=1e+20) needs about",
    "hm.RSPG(paths=True)": "paths must be a positive integer, 16 is usual",
    "hm.RSPG(learning_rate='a')": "learning_rate must be a finite number, 0.002 is usual",
    "hm.RSPG(tolerance=float('nan'))": "tolerance must be a finite number",
    "hm.RSPG(memory=3)": "memory must be a text",
    "hm.GameRSPG(paths=10**14)": "GameRSPG(paths=1e+14) needs about",
    "hm.IPPO(individuals=10**14)": "IPPO(individuals=1e+14) needs about",
    "hm.MOMD(individuals=10**14)": "MOMD(individuals=1e+14) needs about",
    "hm.KSAlgorithm(periods=10**13)": "KSAlgorithm(periods=1e+13) needs about",
    "hm.load_game('beach_bar', common_noise='abc')": "common_noise must be True or False",
    "hm.load_game('beach_bar', common_noise=1)": "common_noise must be True or False",
    "hm.load_game('beach_bar', crowd_aversion='a')": "crowd_aversion must be a number",
    "hm.load_model('aiyagari', risk_aversion=[1.0, 2.0])": "risk_aversion is one number",
    "hm.check_model(hm.load_model('aiyagari', borrowing_limit=-1000.0))": "too little to repay",
    "hm.check_model(3)": "give a model",
    "hm.AR1('a', 'b', 0.1)": "persistence='b'): persistence must be a number",
    "hm.AR1('a', 0.9, 'b')": "innovation_sd='b'): innovation_sd must be",
    "hm.AR1('a b', 0.9, 0.1)": "AR1('a b'): the name of a shock",
    "hm.AR1('a', 0.9, 0.1, width=-1.0)": "give a positive number",
    "hm.MarkovChain([['a', 'b'], ['c', 'd']], x=[1, 2])": "give a matrix of numbers",
    "hm.MarkovChain([[0.5, 0.5], [0.5]], x=[1, 2])": "rows of equal length",
    "hm.MarkovChain(None, x=[1, 2])": "MarkovChain(transition=None)",
    "hm.MarkovChain(HALF, x=['a', 2])": "x",
    "hm.independent_chains(hm.AR1('a', 0.9, 0.1, states=10**6), hm.AR1('b', 0.9, 0.1))": "states=1000000) needs about",
    "hm.private_signals('x', HALF, memory=60)": "2^60",
    "hm.CRRA('a')": "CRRA(risk_aversion='a')",
    "hm.CRRA(None)": "CRRA(risk_aversion=None)",
    "hm.CobbDouglas('a', 0.1)": "CobbDouglas(capital_share='a')",
    "hm.GHH(2.0, frisch='a', disutility=1.0)": "GHH(frisch='a')",
    "hm.Assets('a', 1)": "Assets(lower='a')",
    "hm.Assets(0, None)": "Assets(upper=None)",
    "hm.Bracket(None, 1)": "Bracket(lower=None)",
    "hm.parameter('x', above='a')": "above=...) was given the text 'a'",
    "hm.household(AIYAGARI, 3)": "prices=...) was given 3: give a Mapping",
    "hm.household(AIYAGARI, {'interest_rate': 0.03})": "prices lacks wage",
    "hm.household(AIYAGARI, {'interest_rate': 'a', 'wage': 1.0})": "prices['interest_rate'] = 'a' is not a number",
    "hm.household(AIYAGARI, {'interest_rate': 10**400, 'wage': 1.0})": "is not a number: give one per price",
    "hm.household(AIYAGARI, {'interest_rate': 0.03, 'wage': 1.0}, tolerance=0.0)": "tolerance = 0.0",
    "hm.household(AIYAGARI, {'interest_rate': 0.03, 'wage': 1.0}, asset_points=10**11)": "asset_points=1e+11 with",
    "hm.steady_state(AIYAGARI, guess={'capital': 'a'})": "guess['capital'] = 'a' holds something that is no number",
    "hm.steady_state(AIYAGARI, guess={'capital': -3.0})": "guess gives capital = -3",
    "hm.steady_state(AIYAGARI, nonconcave='perhaps')": "nonconcave = 'perhaps'",
    "hm.steady_state(hm.load_model('aiyagari', discount_factor=1e-300))": "discount_factor = 1e-300",
    "hm.check_model(hm.load_model('aiyagari', discount_factor=1e-300))": "no household saves: give a number nearer",
    "hm.check_model(hm.load_model('aiyagari', risk_aversion=1e6))": "CRRA(risk_aversion=1000000.0): marginal utility",
    "hm.check_model(hm.load_model('huggett', borrowing_limit=-1000.0))": "too little to repay down to the borrowing",
    "hm.steady_states(AIYAGARI, discount_factor=[0.96, 'a'])": "discount_factor = ",
    "hm.steady_states(AIYAGARI, discount_factor=[0.96, 1.5])": "discount_factor = 1.5",
    "hm.equilibrium(AIYAGARI)": "needs float64",
    "hm.discretize(AIYAGARI, -3)": "asset_points = -3 is too few",
    "hm.discretize(AIYAGARI, 10**12)": "asset_points=1e+12 with 7 income states needs about",
    "hm.stats.hp_filter('abc')": "series = 'abc' holds something that is no number",
    "hm.stats.hp_filter([1.0, 2.0, 3.0], smoothing=-5.0)": "smoothing = -5.0 must be positive",
    "hm.stats.gini('a', 'b')": "mass = 'a' holds something that is no number",
    "hm.stats.lorenz_curve([0.5, 0.5], [2.0, 1.0])": "strictly ascending grid points",
    "hm.stats.quantile([0.5, 0.5], [1.0, 2.0], 'a')": "probability = 'a' holds something that is no number",
    "hm.stats.top_share([0.5, 0.5], [1.0, 2.0], 2.0)": "fraction = 2.0 must lie strictly between 0 and 1",
    "hm.stats.distribution_table([0.5, 0.5], 'a')": "assets = 'a' holds something that is no number",
    "hm.Bracket(1.0, 0.0)": "Bracket(lower=1.0, upper=0.0): give two finite numbers",
    "hm.Bracket([0.0], 1.0)": "Bracket(lower=[0.0]): lower is no number",
    "hm.Assets(0.0, float('inf'))": "Assets(lower=0.0, upper=inf): give finite numbers",
    "hm.CRRA(float('inf'))": "CRRA(risk_aversion=inf): marginal utility",
    "hm.Family(3)": "Family(3): give other values by name",
    "hm.Family({'depreciation': ['a']})": "Family: depreciation = 'a' holds something that is no number",
    "hm.split_joint_chain('a', 2)": "joint = 'a' holds something that is no number",
    "hm.save(AIYAGARI, '/')": "is a folder: give the path of a file",
    "hm.load('/nonexistent.npz')": "/nonexistent.npz is missing",
    "hm.plot.save(3, 'figure')": "plot.save(figure=3): give a figure",
    "hm.plot.impulse_response(3)": "give a response, as hm.impulse_response(...) returns it",
    "hm.solve(hm.load_model('krusell_smith'), resume=3)": "resume holds no training",
    "hm.replicate('rspg-benchmark', '/proc/hank_mfg')": "/proc/hank_mfg cannot be made",
    "hm.solve_run('krusell_smith', '/proc/hank_mfg')": "/proc/hank_mfg cannot be made",
    "hm.solve_run('beach_bar', '/proc/hank_mfg')": "/proc/hank_mfg cannot be made",
}
SOLVED = {
    "hm.simulate(SOLVED, burn=-1)": "burn",
    "hm.simulate(SOLVED, periods=10**12)": "periods=1e+12) needs about",
    "hm.den_haan(SOLVED, periods=1)": "periods=1): periods must be at least 20",
    "hm.euler_errors(SOLVED, periods=0)": "periods = 0",
    "hm.follow(SOLVED, periods=10**13)": "needs about",
    "hm.evaluate(SOLVED, periods=3)": "periods=3: periods must be at least 100",
    "hm.impulse_response(SOLVED, 'oil', 0.01)": "There is no shock 'oil'",
    "hm.impulse_response(SOLVED, 'productivity', 5.0)": "would reach 6, outside the values",
    "hm.impulse_response(SOLVED, 'productivity', 0.01, coverage=2.0)": "coverage=2.0): give a share above 0",
    "hm.impulse_response(SOLVED, 'productivity', 0.01, given={'oil': 1.0})": "There is no shock 'oil'",
    "hm.compare(SOLVED, sizes='a')": "sizes = 'a' holds something that is no number",
    "hm.compare(SOLVED, linear_horizon=10**9, horizon=10)": "linear_horizon=1e+09) needs about",
    "hm.moment_table(SOLVED, smoothing=-5.0)": "smoothing = -5.0 must be positive",
    "hm.search_gain(SOLVED, horizon=10**13)": "horizon=1e+13) needs about",
    "hm.search_gain(SOLVED.steady, paths=0)": "paths=0): paths must be at least 1",
    "hm.exploitability(SOLVED, paths=0)": "paths=0): paths must be at least 1",
    "hm.welfare_cost(SOLVED, SOLVED, burn=-1)": "burn=-1): burn must be at least 1",
    "hm.under(SOLVED, oil=3.0)": "no parameter 'oil'",
    "hm.consumption_percent(SOLVED.steady, float('inf'))": "give a finite change",
    "hm.linearize(SOLVED.steady, horizon=1)": "horizon = 1 holds no response",
    "hm.transition(SOLVED.steady, horizon=20, tolerance=-1.0)": "tolerance=-1.0): give a positive",
    "hm.transition(SOLVED.steady, horizon=10**9)": "horizon=1e+09) needs about",
    "hm.intertemporal_mpcs(SOLVED.steady, horizon=10**9)": "horizon=1e+09) needs about",
    "SOLVED.consumption('a', 0, {})": "assets = 'a' holds something that is no number",
    "SOLVED.consumption(1.0, 99, {})": "own = 99: give places of own states",
    "hm.solve(SOLVED.model.with_parameters(depreciation=0.03), steady=SOLVED.steady)": "with another depreciation than",
    "hm.solve(WORKING, hm.KSAlgorithm())": "hourly_wage() lets households choose hours",
}


class Working(type(hm.load_model("krusell_smith"))):
    """Households choose hours beside what resources() pays them."""

    def preferences(self):
        return hm.Separable(1.0, frisch=0.5, disutility=1.0)

    def hourly_wage(self, own, today):
        return today.wage * (0.1 + own.employed)


@pytest.fixture(scope="module")
def untrained_solution():
    """Krusell and Smith's economy with a policy that was never trained, on few points."""
    model, settings = hm.load_model("krusell_smith"), hm.RSPG(asset_points=40, updates=4, paths=2, knots=10, units=8)
    found = hm.household(model, {"interest_rate": 0.009, "wage": 2.4, "tax": 0.01}, asset_points=40, mass=False)
    mass = np.full(found.savings.shape, 1.0 / found.savings.size)
    aggregates = Named("aggregates", {"capital": 38.0, "labor": 1.0, "unemployment": 0.07})
    with jax.enable_x64(True):
        public = Public(found.economy.shocks(0), aggregates, found.prices)
        steady = hm.SteadyState(found.economy, found.policy, found.savings, mass, public, 0.0, 0.0, 0.0, 0.0)
        training = untrained(model, settings, steady)[1]
    history = {name: np.ones(4) for name in HISTORY}
    return hm.Solution(model, settings, steady, *training, history, hm.Status.UNFINISHED, 0, "cpu", 0.0, 0.0, 0.0)


@pytest.mark.parametrize("call", SOLVED)
def test_a_bad_call_with_a_solution_is_one_sentence(refuses, call, untrained_solution):
    working = Working(**hm.load_model("krusell_smith").parameters())
    refuses(lambda: eval(call, {"hm": hm, "SOLVED": untrained_solution, "WORKING": working}), SOLVED[call])


@pytest.mark.parametrize("call", CALLS)
def test_a_bad_call_is_one_sentence(refuses, call):
    names = {"hm": hm, "AIYAGARI": AIYAGARI, "GAME": GAME, "HALF": HALF}
    refuses(lambda: eval(call, names), CALLS[call])


@pytest.mark.parametrize("paths", [10**9, 10**12, 0])
def test_paths_of_a_game_are_priced_before_its_run_is_read(refuses, paths):
    given = {"paths": paths, "seed": 1, "quiet": True}
    refuses(lambda: game_cli.evaluate(Path("nowhere"), {}, **given), "paths=")
    refuses(lambda: game_cli.report(Path("nowhere"), **given), "paths=")


@pytest.mark.parametrize("smoothing", [-5.0, 0.0, float("nan")])
def test_smoothing_is_refused_before_anything_is_simulated(refuses, untrained_solution, tmp_path, smoothing):
    refuses(
        lambda: write_moments(untrained_solution, tmp_path, periods=10_000, seed=1, smoothing=smoothing),
        f"smoothing = {smoothing} must be positive and finite",
    )


RESOURCES = "(1.0 + today.interest_rate) * assets + today.wage * own.labor"
SUMMED = '"capital": assets, '
EQUATIONS = {
    "random numbers": (RESOURCES, f"{RESOURCES} + 0.1 * __import__('random').random()", "asked twice"),
    "the clock": (RESOURCES, f"{RESOURCES} + 1e-12 * __import__('time').time()", "asked twice"),
    "a sum already taken": (SUMMED, '"capital": assets.sum(), ', "capital of one household changes"),
    "a mean over incomes": ("own.labor}", "own.labor.mean()}", "labor of one household changes"),
    "another household by index": (RESOURCES, f"{RESOURCES} + 0.01 * own.labor[0, 3]", "of one household changes"),
    "households in reverse": (RESOURCES, f"{RESOURCES} + 0.01 * own.labor[:, ::-1]", "of one household changes"),
    "the place on the grid": (
        RESOURCES, f"{RESOURCES} + __import__('numpy').arange(assets.shape[0])[:, None]", "of one household changes",
    ),
    "a complex number": (RESOURCES, f"{RESOURCES} + 1j", "complex"),
    "text for a number": (RESOURCES, "float('a') * assets", "in resources(): the text 'a' stands where"),
    "unpacking": (
        "factors = (today", "a, b, c, d = 1, 2\n        factors = (today", "unpacks 4 values where there are 2",
    ),
    "an array as a key": (RESOURCES, "{own.labor: 1}[own.labor]", "used as a key of a dict"),
    "swapped arguments": (
        "resources(self, assets, own, today", "resources(self, own, assets, today", "resources(self, assets, own",
    ),
    "two assets": ("upper=self.maximum_assets)", "upper=self.maximum_assets), 3", "only one asset is possible"),
    "sys.exit() in a file": (
        "import hank_mfg as hm\n", "import hank_mfg as hm\nimport sys\nsys.exit()\n", "sys.exit()",
    ),
    "sys.exit() in an equation": (RESOURCES, "__import__('sys').exit()", "sys.exit()"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("mistake", EQUATIONS)
def test_an_equation_that_is_no_function_of_the_own_state_is_refused(refuses, write_model, mistake):
    """Guards `check_model`: an equation that is no function of the own state is named, with its place."""
    old, new, piece = EQUATIONS[mistake]
    refuses(lambda: hm.check_model(hm.load_model(write_model((old, new)))), piece)


def test_what_fits_passes_and_the_sentence_names_the_machine(monkeypatch):
    sizes.require_room("n=1", "less", numbers=sizes.machine_memory() / 16.0)
    monkeypatch.setattr(sizes, "machine_memory", lambda: 1e9)
    with pytest.raises(sizes.SizeError, match=r"n=1 needs about 8 GB of memory and this machine has 1 GB: less\."):
        sizes.require_room("n=1", "less", numbers=1e9)
    with pytest.raises(sizes.SizeError, match="would take about .* years"):
        sizes.require_room("n=1", "less", numbers=1.0, steps=1e30)


COMMANDS = {
    "a parameter twice": ("show", "aiyagari", "--set", "discount_factor=.9", "--set", "discount_factor=.95"),
    "an option twice": ("solve", "krusell_smith", "--option", "paths=4", "--option", "paths=8"),
    "a flag that is none": ("show", "beach_bar", "--set", "common_noise=abc"),
    "no folder": ("solve", "krusell_smith", "--out", ""),
    "a large seed": ("solve", "krusell_smith", "--seed", 2**63),
    "a negative measure": ("solve", "beach_bar", "--measure", -1),
    "a measure of an economy": ("solve", "krusell_smith", "--measure", 4),
    "many asset points": ("steady-state", "aiyagari", "--asset-points", 10**11),
    "many knots": ("solve", "krusell_smith", "--option", "knots=1000000"),
    "a long comparison": ("compare", "krusell_smith", "--horizon", 10**11),
    "no such command": ("sove", "krusell_smith"),
    "a folder that cannot be made": ("solve", "krusell_smith", "--out", "/proc/hank_mfg"),
    "a game's folder that cannot be made": ("solve", "beach_bar", "--out", "/proc/hank_mfg"),
    "a comparison's folder that cannot be made": ("compare", "krusell_smith", "--out", "/proc/hank_mfg"),
    "a replication's folder that cannot be made": ("replicate", "rspg-benchmark", "--out", "/proc/hank_mfg"),
    "a limit that nobody can repay": ("show", "huggett", "--set", "borrowing_limit=-1000"),
    "no patience": ("show", "aiyagari", "--set", "discount_factor=1e-300"),
    "much too averse": ("steady-state", "aiyagari", "--set", "risk_aversion=1e6"),
    "no run to evaluate": ("evaluate", "nowhere"),
    "no run to report": ("report", "nowhere"),
    "no run to trust": ("trust", "nowhere"),
    "no such replication": ("replicate", "nope"),
}


@pytest.mark.parametrize("mistake", COMMANDS)
def test_a_bad_command_is_one_sentence_with_status_2(command, tmp_path, monkeypatch, mistake):
    monkeypatch.chdir(tmp_path)
    outcome = command(*COMMANDS[mistake])
    lines = outcome.err.splitlines()
    assert outcome.status == 2 and outcome.out == "" and len(lines) == 1, outcome
    assert lines[0].startswith("Error: ") and lines[0].endswith((".", "?")) and not list(tmp_path.iterdir())


def test_what_nobody_foresaw_is_one_sentence_with_status_1():
    def fail():
        return np.linalg.cholesky(-np.eye(2))

    with pytest.raises(np.linalg.LinAlgError) as caught:
        fail()
    text, status = failure(caught.value)
    assert status == 1 and "LinAlgError, which was not foreseen" in text and "--debug" in text and "\n" not in text


def test_training_of_a_game_says_whether_it_rests():
    draws, fields = np.random.default_rng(0).normal(size=400), dataclasses.fields(GameSolution)
    rising = GameSolution(**{each.name: None for each in fields})
    for path, settled in ((np.linspace(0, 50, 400), False), (np.minimum(np.arange(400), 100), True)):
        history = {"objective": path + 0.1 * draws}
        assert dataclasses.replace(rising, history=history).settled is settled
    assert not dataclasses.replace(rising, history={"objective": np.zeros(8)}).settled
    assert re.search("equilibrium", GameSolution.settled.__doc__ or "")
