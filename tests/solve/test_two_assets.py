"""Households with two assets: against plain loops, limit cases with known answers, and another package."""

import dataclasses
import importlib
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
from reference_portfolio import best, mass_after

import hank_mfg as hm
from hank_mfg.environment.discretize import discretize
from hank_mfg.environment.economy import Public
from hank_mfg.evaluate.propensities import mean_propensities
from hank_mfg.model.named import Named
from hank_mfg.solve.gradient.linear_start import REACH, LinearSeries, along, news_of
from hank_mfg.solve.sequence.household_jacobians import expected_news, steady_values
from hank_mfg.solve.stationary.best_savings import stationary_value
from hank_mfg.solve.stationary.portfolio import choice_function, chosen_by, decide

KEPT = Path(__file__).parents[1] / "reference" / "sequence_jacobian"
POINTS = {"liquid": 14, "illiquid": 12}
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "wealth_tax.py"
RETURNS = {"liquid_return": 0.005, "illiquid_return": 0.0125}


class Saver(hm.Model):
    """A household with two assets at given prices."""

    discount_factor: float = hm.parameter("beta", above=0, below=1, default=0.96)
    risk_aversion: float = hm.parameter("CRRA", above=0, default=2.0)
    cost: float = hm.parameter("of changing the second asset", at_least=0, default=3.0)

    def idiosyncratic_shock(self):
        return hm.MarkovChain([[0.9, 0.1], [0.1, 0.9]], skill=[0.4, 1.6])

    def asset_space(self):
        return {"liquid": hm.Assets(0.0, 20.0, pivot=0.25), "illiquid": hm.Assets(0.0, 90.0, pivot=0.5)}

    def adjustment_cost(self, assets_next, assets, today):
        kept = (1 + today.illiquid_return) * assets.illiquid
        return self.cost / 2 * (assets_next.illiquid - kept) ** 2 / (kept + 0.5)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def choice_sums(self, choices, own, today):
        return {"worth": own.skill * choices.consumption**-self.risk_aversion}

    def aggregates(self, assets, own, today):
        return {"liquid": assets.liquid, "illiquid": assets.illiquid}

    def prices(self, today):
        return {**RETURNS, "wage": 1.0}

    def resources(self, assets, own, today):
        liquid = (1 + today.liquid_return) * assets.liquid
        return liquid + (1 + today.illiquid_return) * assets.illiquid + today.wage * own.skill

    def signal(self, today):
        return {"wage": today.wage}


class OneAsset(Saver):
    """The same household with the first asset alone."""

    adjustment_cost = hm.Model.adjustment_cost

    def asset_space(self):
        return hm.Assets(0.0, 20.0, pivot=0.25)

    def aggregates(self, assets, own, today):
        return {"liquid": assets}

    def resources(self, assets, own, today):
        return (1 + today.liquid_return) * assets + (self.cost + today.illiquid_return) * 0 + today.wage * own.skill


def at_home(model, **prices):
    points = POINTS["liquid"] if isinstance(model, OneAsset) else POINTS
    return hm.household(model, {**RETURNS, "wage": 1.0, **prices}, asset_points=points)


@pytest.mark.usefixtures("float64")
def test_one_step_is_the_best_of_all_choices():
    """A step of the endogenous grid method against trying every choice on a lattice, values linear between points."""
    model = Saver()
    economy = discretize(model, {"liquid": 60, "illiquid": 50}, jnp.float64, aggregate_risk=False)
    grids = [np.asarray(axis.points) for axis in economy.grid.axes]
    b, a = np.meshgrid(*grids, indexing="ij")
    income = np.asarray(economy.own.skill)
    value = -8.0 / (1.0 + 0.06 * b[..., None] + 0.05 * a[..., None] + 0.3 * income)  # smooth and concave
    slopes = value**2 / 8.0 * np.array([0.06, 0.05])[:, None, None, None]
    public = economy.form(*(type(economy.own)("x", {}) for _ in range(2)))
    choice = decide(economy, public, jnp.asarray(economy.grid.together(slopes)), economy.chain())
    savings = np.asarray(economy.grid.apart(choice.savings))
    chain = np.asarray(economy.income_transition[0, 0])

    def cost(after, held):
        kept = 1.0125 * held
        return 1.5 * (after - kept) ** 2 / (kept + 0.5)

    for i, j, e in [(0, 0, 0), (0, 20, 1), (25, 10, 0), (30, 30, 1), (40, 0, 1), (10, 40, 0)]:
        cash = 1.005 * grids[0][i] + 1.0125 * grids[1][j] + income[e]
        mine = savings[:, i, j, e]
        lattice = [np.linspace(max(0.0, at - 0.25), at + 0.25, 81) for at in mine]
        fine = [np.linspace(0.0, end, 901) for end in (20.0, 90.0)]
        ahead = 0.96 * np.einsum("bae,fe->baf", exact_value(fine, income), chain)[..., e]
        found, top = best(cash, grids[1][j], cost, lambda c: -1.0 / c, ahead, fine, lattice)
        here, own = best(cash, grids[1][j], cost, lambda c: -1.0 / c, ahead, fine, [[mine[0]], [mine[1]]])
        assert own >= top - 2e-5 * abs(top), (i, j, e, here, found)


def exact_value(grids, income):
    b, a = np.meshgrid(*grids, indexing="ij")
    return -8.0 / (1.0 + 0.06 * b[..., None] + 0.05 * a[..., None] + 0.3 * income)


def test_the_mass_is_that_of_plain_loops_and_budgets_hold():
    found = at_home(Saver(discount_factor=0.94))
    grid = found.economy.grid
    savings, mass = (np.asarray(grid.apart(each)) for each in (found.savings, found.mass))
    points = [np.asarray(axis.points) for axis in grid.axes]
    moved = mass_after(mass, savings, points, np.asarray(found.economy.income_transition[0, 0]))
    np.testing.assert_allclose(moved, mass, atol=1e-15)
    choices, total = found.choices, found.aggregates
    spent = choices.consumption + choices.liquid_savings + choices.illiquid_savings + choices.adjustment_costs
    assert spent == pytest.approx(1.005 * total.liquid + 1.0125 * total.illiquid + 1.0, abs=1e-12)
    assert choices.liquid_savings == pytest.approx(total.liquid, abs=1e-12)
    worth = np.sum(found.mass * np.asarray(found.economy.own.skill) * found.consumption**-2.0)
    assert choices.worth == pytest.approx(worth, rel=1e-12)


def test_prohibitive_costs_leave_one_asset():
    """Who starts with nothing of the second asset never buys any: the household with the first alone."""
    two, one = at_home(Saver(cost=1e9), illiquid_return=0.0), at_home(OneAsset())
    assert two.aggregates.illiquid == 0.0
    at_zero = np.asarray(two.economy.grid.apart(two.mass))[:, 0]
    np.testing.assert_allclose(at_zero, one.mass, atol=1e-10)
    savings = np.asarray(two.economy.grid.apart(two.savings))[0, :, 0]
    np.testing.assert_allclose(savings, one.savings, atol=1e-9)


def test_equal_returns_at_no_cost_are_one_asset_of_net_worth():
    """Nothing more is bought of an asset that gains no more: all is in the first, as with one asset."""
    two, one = at_home(Saver(cost=0.0), illiquid_return=0.005), at_home(OneAsset())
    assert two.aggregates.illiquid == 0.0
    assert two.choices.consumption == pytest.approx(one.choices.consumption, rel=1e-9)
    consumption = np.asarray(two.economy.grid.apart(two.consumption))
    np.testing.assert_allclose(consumption[:, 0], one.consumption, rtol=1e-8)
    cash = 1.005 * 2.0  # of net worth alone depends what is consumed, wherever it is held
    points = [np.asarray(axis.points) for axis in two.economy.grid.axes]
    by_liquid = np.interp(cash, 1.005 * points[0], consumption[:, 0, 1])
    by_illiquid = np.interp(cash, 1.005 * points[1], consumption[0, :, 1])
    assert by_illiquid == pytest.approx(by_liquid, rel=2e-3)  # read between points of two grids


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"a": hm.Assets(0.0, 1.0)}, "names 1 assets"),
        ({name: hm.Assets(0.0, 1.0) for name in "abc"}, "names 3 assets"),
        ([hm.Assets(0.0, 1.0)] * 2, "returned list"),
    ],
)
def test_asset_spaces_that_are_none_are_refused(space, words):
    class Wrong(Saver):
        def asset_space(self):
            return space

    with pytest.raises(ValueError, match=words):
        hm.check_model(Wrong())


COSTS = {
    "a kink": (lambda a, kept: abs(a - kept), "has a kink in assets_next.illiquid"),
    "a fixed cost": (lambda a, kept: 0.1 * (abs(a - kept) > 0.5), "is not convex"),
    "concave": (lambda a, kept: -0.01 * (a - kept) ** 2, "is not convex in assets_next.illiquid"),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs_that_first_order_conditions_cannot_handle_are_refused(name):
    formula, words = COSTS[name]

    class Wrong(Saver):
        def adjustment_cost(self, assets_next, assets, today):
            return self.cost * formula(assets_next.illiquid, (1 + today.illiquid_return) * assets.illiquid)

    for function in (hm.check_model, hm.steady_state):
        with pytest.raises(ValueError, match=words):
            function(Wrong())


def test_declarations_of_two_assets_that_make_no_sense_are_refused():
    class CostOfTheFirst(Saver):
        def adjustment_cost(self, assets_next, assets, today):
            return self.cost * (assets_next.liquid - assets.liquid) ** 2

    class NoReturn(Saver):
        def resources(self, assets, own, today):
            return (1 + today.liquid_return) * assets.liquid + today.wage * own.skill

    class Priced(Saver):
        def asset_price(self, today):
            return 0.99

    class CostOfOne(OneAsset):
        def adjustment_cost(self, assets_next, assets, today):
            return 0.0

    class NoCost(Saver):
        adjustment_cost = hm.Model.adjustment_cost

    class NoSum(Saver):
        def aggregates(self, assets, own, today):
            return {"capital": assets}

    for wrong, words in (
        (CostOfTheFirst, "reads liquid, the first asset"),
        (NoReturn, "does not read assets.illiquid"),
        (Priced, "asset_price.* is declared with two assets"),
        (CostOfOne, "is declared for one asset"),
        (NoCost, "declares two assets but no adjustment_cost"),
        (NoSum, "name one or add them up, assets.liquid \\+ assets.illiquid"),
    ):
        with pytest.raises(ValueError, match=words):
            hm.check_model(wrong())


def test_settings_for_one_asset_are_warned_of(monkeypatch):
    model = Cyclical(discount_factor=0.94)

    def stop(*_):
        raise hm.SolveError("stopped before training")

    monkeypatch.setattr(importlib.import_module("hank_mfg.solve.solve"), "train_economy", stop)
    with (
        pytest.warns(UserWarning, match="14000 pairs .* RSPG.for_model"),
        pytest.raises(hm.SolveError, match="stopped"),
    ):
        hm.solve(model, hm.RSPG())


def test_a_sound_declaration_passes():
    assert hm.check_model(Saver()) is not None


def test_what_is_not_there_for_two_assets_says_so():
    with pytest.raises(hm.HankError, match="not there yet for households with several assets"):
        _ = at_home(Saver(discount_factor=0.94)).economy.grid.points


def kept(name):
    return pd.read_csv(KEPT / f"two_asset_{name}.csv")


GUESS = {"illiquid": 12.96, "output": 1.0, "wage": 0.66, "inflation": 0.0, "capital_next": 10.0, "equity_price": 11.2}
NAMES = {
    "C": "consumption", "I": "investment", "p": "equity_price", "Q": "tobins_q", "w": "wage", "Y": "output",
    "N": "hours", "CHI": "adjustment_costs", "UCE": "value_of_earnings", "div": "dividends", "r": "interest_rate",
}  # fmt: skip
NOW = {"A": "illiquid", "B": "liquid", "K": "capital"}
ENDS = {"A": "illiquid_savings", "B": "liquid_savings", "K": "capital_next", "pi": "inflation", "ra": "illiquid_return"}
SHOCKS = {"rstar": "monetary", "Z": "productivity", "G": "extra_spending"}
TIME = np.arange(300)
PATHS = {"rstar": -0.0025 * 0.61**TIME, "Z": 0.01 * 0.8**TIME, "G": 0.01 * 0.8**TIME}


@pytest.mark.slow
def test_the_two_asset_hank_is_that_of_the_package():
    """Guards docs/two_asset_hank.md, 'How right': the stationary state to 1e-8, responses to three shocks and a path of
    a large shock to 3e-4 of their peaks, against sequence-jacobian."""
    package = kept("steady_state").set_index("name")["value"]
    steady = hm.steady_state("two_asset_hank", asset_points={"liquid": 50, "illiquid": 70}, guess=GUESS)
    for theirs, ours in {**NAMES, **NOW}.items():
        assert steady.outcomes[ours] == pytest.approx(package[theirs], rel=1e-8), ours
    assert abs(steady.goods_market) < 1e-9
    grid, cells = steady.economy.grid, kept("household")
    for ours, column in ((steady.savings[1], "next_a"), (steady.savings[0], "next_b"), (steady.mass, "mass")):
        at = np.asarray(grid.apart(ours))[cells["b"], cells["a"], cells["z"]]
        np.testing.assert_allclose(at, cells[column], rtol=1e-6, atol=1e-8)
    linear, responses = hm.linearize(steady, horizon=300), kept("responses")
    for shock, name in SHOCKS.items():
        response = linear.response(**{name: PATHS[shock]})
        for theirs, ours in {**NAMES, **ENDS}.items():
            assert gap(response[ours], responses[f"{shock}_{theirs}"]) < 3e-4, (shock, ours)
    path, exact = hm.transition(steady, horizon=300, linear=linear, monetary=4 * PATHS["rstar"]), kept("nonlinear")
    for theirs, ours in {**NAMES, **ENDS}.items():
        assert gap(path.series[ours] - steady.outcomes[ours], exact[theirs]) < 3e-4, ours
    assert np.abs(path.goods_market).max() < 1e-8


def gap(ours, theirs):
    ours = np.asarray(ours)[: len(theirs)]
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


@pytest.mark.slow
def test_the_global_two_asset_hank_learns_and_its_accounts_close():
    """Guards docs/two_asset_hank.md, 'Globally': on a coarse grid, errors of both conditions fall below a tenth of a
    percent of consumption, those of expected inflation below .01 points a quarter, markets clear to 1e-10 and goods to
    1e-8 of output."""
    model = hm.load_model("two_asset_hank")
    settings = hm.RSPG.for_model(model, asset_points=25, second_points=36, knots=12, updates=20)
    with pytest.warns(hm.NotConvergedWarning):
        solution = hm.solve(model, settings, verbose=False)
    errors = hm.euler_errors(solution, periods=100)
    assert errors.mean.max() < 1e-3
    assert {each.name: each.mean < 1e-4 for each in errors.expectations} == dict.fromkeys(
        ("raises", "wage_raises", "capital", "equity"), True
    )
    assert errors.excess_demand < 1e-10
    path = hm.simulate(solution, periods=100)
    assert np.abs(path.goods_market).max() < 1e-8
    again = hm.simulate(solution, periods=100, shocks=None)
    np.testing.assert_array_equal(path.series["output"], again.series["output"])


def test_names_of_sums_are_known_whatever_numbers_would_do():
    class Divides(Saver):
        def choice_sums(self, choices, own, today):
            return {"odd": own.skill / (choices.consumption - choices.liquid_savings)}

    assert Divides().chosen()[-1] == "odd"


def test_budgets_that_are_not_concave_are_named():
    """A benefit that is lost above some liquid assets: first-order conditions miss the jump."""

    class Benefit(Saver):
        def resources(self, assets, own, today):
            return super().resources(assets, own, today) + 0.1 * (assets.liquid < 2.0)

    assert "is not concave in one of the assets" in at_home(Benefit(discount_factor=0.9)).nonconcave
    assert at_home(Saver(discount_factor=0.9)).nonconcave == ""


STAY, LEVELS = 0.8, np.array([0.95, 1.05])


class Cyclical(Saver):
    """Wages move with an aggregate state, and nothing else does."""

    def aggregate_shocks(self):
        return hm.MarkovChain([[STAY, 1 - STAY], [1 - STAY, STAY]], level=LEVELS)

    def prices(self, today):
        return {**RETURNS, "wage": today.level, "foreign_debt": -today.liquid - today.illiquid}

    def signal(self, today):
        return {"level": today.level}


class Alone(Saver):
    """The same risk of wages as one household's own: where nothing clears, its problem is the same."""

    def idiosyncratic_shock(self):
        level = hm.MarkovChain([[STAY, 1 - STAY], [1 - STAY, STAY]], level=LEVELS)
        return hm.independent_chains(super().idiosyncratic_shock(), level)

    def resources(self, assets, own, today):
        return super().resources(assets, own, today) + (own.level - 1.0) * today.wage * own.skill


@pytest.fixture(scope="module")
def rest():
    model = Cyclical(discount_factor=0.94)
    steady = hm.steady_state(model, asset_points=POINTS)
    return model, steady, hm.linearize(steady, horizon=300)


@pytest.mark.usefixtures("float64")
def test_a_shock_is_the_sum_of_its_news(rest):
    """S_z(j) of the shock itself is P^j v(z): along a path the sum is the shock in that period."""
    economy = discretize(rest[0], POINTS, jnp.float64)
    chain = np.asarray(economy.shock_transition)
    nothing = LinearSeries(*(np.zeros((len(chain), REACH, 0)) for _ in LinearSeries._fields))
    news = news_of(economy, nothing, 3)
    powers = np.stack([np.linalg.matrix_power(chain, j) @ (LEVELS - 1.0) for j in range(REACH)], axis=1)
    found, now = along(news, powers), news.argmax(axis=2)[:, REACH - 1 :]
    np.testing.assert_allclose(found, LEVELS[now] - 1.0, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_expected_marginal_values_move_consumption_as_linear_responses_do(rest):
    """What households choose at the period's prices, given what linear responses make them expect of marginal values,
    adds up to the linear response of consumption in the first period."""
    _, steady, linear = rest
    path = 0.01 * 0.6 ** np.arange(300)
    response = linear.response(level=path)
    ss = steady_values(steady, linear.names)
    moved = np.stack([response[name] for name in linear.names.inputs], axis=1)
    news = np.asarray(expected_news(ss, linear.names, 300, lambda values: values))
    ahead = np.tensordot(moved[1:], news, axes=((0, 1), (0, 1)))
    economy, public = steady.economy, jax.tree.map(jnp.asarray, steady.public)
    known = economy.chain().expect(ss.marginal)

    def consumption(size):
        prices = {name: value + size * response[name][0] for name, value in public.prices.items()}
        now = public._replace(prices=type(public.prices)("prices", prices))
        choice = chosen_by(economy, now, choice_function(economy, now, known * (1.0 + size * ahead)))
        return float(np.sum(steady.mass * np.asarray(choice.consumption)))

    slope = (consumption(1e-5) - consumption(-1e-5)) / 2e-5
    assert slope == pytest.approx(response["consumption"][0], rel=1e-6)


@pytest.mark.filterwarnings("ignore:The mean of:UserWarning")  # of so short a path
def test_global_choices_are_those_of_the_same_risk_as_one_households_own(rest):
    """Nothing clears and prices follow the shock: the problem is stationary in (skill, level), solved there without
    training."""
    model, steady, _ = rest
    exact = hm.household(Alone(discount_factor=0.94), {**RETURNS, "wage": 1.0}, asset_points=POINTS)
    settings = hm.RSPG.for_model(
        model, asset_points=POINTS["liquid"], second_points=POINTS["illiquid"], knots=12, updates=80, memory="none",
        learning_rate=2e-3, tolerance=1e-5,
    )  # fmt: skip
    solution = hm.solve(model, settings, steady=steady, verbose=False)
    play, start = solution.play(), solution.start(solution.play())
    own = {name: np.asarray(value) for name, value in exact.economy.own.items()}
    for z, level in enumerate(LEVELS):
        now = play.decide(start._replace(aggregate=start.aggregate._replace(shock=jnp.int32(z))))
        here = own["level"] == level
        np.testing.assert_allclose(own["skill"][here], np.asarray(play.economy.own["skill"]), rtol=1e-6)
        gaps = np.abs(np.asarray(now.unconstrained_consumption) / exact.consumption[:, here] - 1.0)
        assert gaps.max() < 2e-3 and np.sum(steady.mass * gaps) < 1e-5
    accuracy = hm.evaluate(solution, periods=100, verbose=False)
    measured = hm.euler_errors(solution, periods=100, seed=3)
    rows = accuracy.table()["Value"]
    assert rows["Euler error of illiquid assets, mean (percent)"] == pytest.approx(100 * measured.mean[1])
    assert accuracy.to_dict()["asset_points"] == POINTS


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Training stopped:UserWarning")
def test_what_a_wrong_policy_loses_is_found_by_every_deviator(rest):
    """Guards docs/two_asset_hank.md, 'Globally': exploitability and the gain by search. All households expect marginal
    values a third too high. As no price depends on them, what one of them gains by the best policy is the difference of
    two values in the economy where the same risk is its own."""
    model, steady, _ = rest
    settings = hm.RSPG.for_model(
        model, asset_points=POINTS["liquid"], second_points=POINTS["illiquid"], knots=12, updates=2, memory="none",
        learning_rate=2e-3,
    )  # fmt: skip
    solution = hm.solve(model, settings, steady=steady, verbose=False)
    head = jax.tree.map(lambda each: 0 * each if eqx.is_array(each) else each, solution.policy.head)
    wrong = eqx.tree_at(lambda policy: policy.head, solution.policy, head)
    wrong = eqx.tree_at(lambda policy: policy.stationary.log_ahead, wrong, wrong.stationary.log_ahead + 0.3)
    wrong = dataclasses.replace(solution, policy=wrong)
    with jax.enable_x64(True):
        truth = gain_of_the_best(wrong)
    found = hm.exploitability(wrong, paths=16, horizon=60, updates=30)
    assert 0.7 * truth < found.nonanticipative < truth
    assert abs(found.clairvoyant - truth) < 4 * found.clairvoyant_standard_error
    search = hm.search_gain(wrong, paths=8, horizon=60, asset_points=POINTS)
    error = search.gain * search.standard_error_percent / search.percent
    assert abs(search.gain - truth) < 4 * error and error < 0.1 * truth
    assert hm.exploitability(solution, paths=4, horizon=60, updates=5).clairvoyant < 0.05 * truth


def gain_of_the_best(solution):
    """What the best policy gains, mean over the households of `solution`'s start: exact, in `Alone`."""
    exact = hm.household(Alone(discount_factor=0.94), {**RETURNS, "wage": 1.0}, asset_points=POINTS)
    play = solution.play()
    start = solution.start(play)
    level, savings = np.asarray(exact.economy.own["level"]), np.zeros_like(exact.savings)
    for z, here in enumerate(LEVELS):
        now = play.decide(start._replace(aggregate=start.aggregate._replace(shock=jnp.int32(z))))
        savings[:, :, level == here] = np.asarray(now.savings)
    public = Public(exact.economy.shocks(0), Named("aggregates", {}), exact.prices)
    own, best = (
        np.asarray(stationary_value(exact.economy, public, jnp.asarray(each))) for each in (savings, exact.savings)
    )
    return np.sum(np.asarray(start.aggregate.mass) * (best - own)[:, level == LEVELS[int(start.aggregate.shock)]])


def test_statistics_are_of_net_worth_and_of_each_asset(rest):
    """Against plain sums over all pairs of households."""
    steady = rest[1]
    held, mass = {name: np.asarray(each) for name, each in steady.assets.items()}, steady.mass.sum(axis=1)
    for name, values in {None: sum(held.values()), **held}.items():
        apart = np.abs(values[:, None] - values[None])
        exact = mass @ apart @ mass / (2 * mass @ values)
        assert hm.stats.gini(steady, name) == pytest.approx(exact, rel=1e-12)
        table = hm.stats.distribution_table(steady, name)
        assert table["value"]["Mean assets (level)"] == pytest.approx(mass @ values, rel=1e-12)
        assert table["histogram error"].drop("Mean assets (level)").notna().all()
    assert hm.stats.gini(steady.mass, steady.assets) == hm.stats.gini(steady)
    with pytest.raises(ValueError, match="liquid and illiquid"):
        hm.stats.gini(steady, "bonds")
    with pytest.raises(ValueError, match="needs no name"):
        hm.stats.gini(hm.steady_state("aiyagari", asset_points=60), "bonds")


def test_marginal_propensities_are_of_liquid_cash(rest):
    """The mean slope is the first entry of the intertemporal ones; groups by net worth add up to it."""
    steady = rest[1]
    mpc, constrained = hm.static_mpcs(steady)
    mean = np.sum(steady.mass * mpc)
    assert hm.intertemporal_mpcs(steady, horizon=4)[0, 0] == pytest.approx(mean, rel=1e-10)
    table = hm.marginal_propensities(steady)
    groups, everybody = table.iloc[:-1], table.loc["everybody"]
    weighed = groups["population (percent)"] @ groups["mean MPC per period"] / 100
    assert weighed == pytest.approx(mean, rel=1e-10) and everybody["mean MPC per period"] == pytest.approx(
        mean, rel=1e-10
    )
    found = mean_propensities(steady)
    at_limit = steady.savings[0] <= 0.0
    some = steady.assets["illiquid"][:, None] > 0.0
    assert found["constrained"] == pytest.approx(np.sum(steady.mass * at_limit), abs=1e-12)
    assert found["wealthy_hand_to_mouth"] == pytest.approx(np.sum(steady.mass * at_limit * some), abs=1e-12)
    assert np.all(constrained == at_limit)


def test_a_stationary_equilibrium_is_kept_and_reported(rest, tmp_path):
    model = rest[0]
    steady = hm.steady_state_run(model, tmp_path / "run", asset_points=POINTS, verbose=False)
    again = hm.load_run(tmp_path / "run", model)
    for name in ("mass", "savings", "consumption"):
        np.testing.assert_array_equal(getattr(again, name), getattr(steady, name))
    files = {path.name for path in hm.write_report(again, tmp_path / "run")}
    assert {"distribution_liquid.csv", "distribution.csv", "policy.png", "lorenz.pdf", "propensities.tex"} <= files
    with pytest.raises(hm.HankError, match="asset_points"):
        hm.steady_state_run(model, tmp_path / "run", asset_points=20, verbose=False)


def test_a_search_over_all_pairs_finds_what_first_order_conditions_miss(rest):
    """Where they are sufficient nothing but the grid is left; a benefit lost above some liquid assets is a jump."""

    class Benefit(Cyclical):
        def resources(self, assets, own, today):
            return super().resources(assets, own, today) + 0.3 * (assets.liquid < 2.0)

    gain = hm.search_gain(rest[1])
    assert 0.0 <= gain.percent_on_points <= gain.percent < 0.2  # .06 and .02 as points double
    model = Benefit(discount_factor=0.94)
    with pytest.raises(hm.SteadyStateError, match="not concave"):
        hm.steady_state(model, asset_points=POINTS)
    jump = hm.steady_state(model, asset_points=POINTS, nonconcave="allow")
    assert hm.search_gain(jump).percent > 10 * gain.percent


class Exempt(Saver):
    """A tax on illiquid assets above an exemption, in an equation for which NumPy alone is not enough."""

    def resources(self, assets, own, today):
        return super().resources(assets, own, today) - 0.005 * jnp.maximum(assets.illiquid - 50.0, 0.0)


def test_assets_keep_their_order_where_equations_are_compiled():
    """JAX sorts the keys of a dict: "illiquid" would come before "liquid", with the ends of the other."""
    hm.check_model(Exempt())


def test_an_equilibrium_far_from_every_first_guess_is_found():
    """Where what is supplied is far from what is assumed, a walk in small steps leads nearer: no guess is asked for."""
    steady = hm.steady_state(EXAMPLE, asset_points={"deposits": 14, "accounts": 16})
    assert abs(steady.residual) < 1e-6 and abs(float(steady.goods_market)) < 1e-6
    assert steady.aggregates["accounts"] > 10 * steady.aggregates["deposits"]


def test_the_mass_of_an_equilibrium_is_that_of_its_savings():
    """Where households could consume more than at any point of the grid, the distribution was that of other savings
    than those returned, by a percent of an aggregate."""
    steady = hm.steady_state(EXAMPLE, asset_points={"deposits": 14, "accounts": 16})
    for asset, chosen in zip(steady.assets.values(), steady.savings, strict=True):
        held = float(np.sum(steady.mass.sum(axis=1) * asset))
        np.testing.assert_allclose(np.sum(steady.mass * chosen), held, rtol=1e-9)
