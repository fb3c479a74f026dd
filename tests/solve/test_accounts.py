"""Goods are neither left over nor missing, and the ends of paths are given and checked."""

import re
import warnings

import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.solve.solution import move_mass

Aiyagari = type(hm.load_model("aiyagari"))


class Growing(Aiyagari):
    """Aiyagari's economy with aggregate productivity, once as a shock and once as a parameter."""

    level: float = hm.parameter("of productivity", above=0, default=1.0)
    pay: float = hm.parameter("of the wage's response to productivity, one where accounts close", default=1.0)

    def aggregate_shocks(self):
        return hm.AR1("productivity", persistence=0.8, stationary_sd=0.01, states=2)

    def scale(self, today):
        return self.level * (1.0 + today.productivity)

    def prices(self, today):
        factors = today.capital, today.labor
        return {
            "interest_rate": self.production().interest_rate(*factors, self.scale(today)),
            "wage": self.production().wage(*factors, self.level * (1.0 + self.pay * today.productivity)),
        }

    def outcomes(self, today):
        return {"output": self.production().output(today.capital, today.labor, self.scale(today))}


@pytest.fixture(scope="module")
def growing():
    model = Growing(**hm.load_model("aiyagari").parameters())
    return hm.steady_state(model, asset_points=60)


@pytest.fixture(scope="module")
def linear(growing):
    return hm.linearize(growing, horizon=150)


def test_a_wage_paid_by_the_share_of_capital_leaves_its_difference_over(write_model):
    """Wage alpha Y / L instead of (1 - alpha) Y / L: 1 - 2 alpha of output goes to no household."""
    typo = ('"wage": self.production().wage(*factors)', '"wage": 0.36 * self.production().output(*factors)')
    with pytest.raises(ValueError, match=r"goods_market\(\): 28 % of output is left over at capital"):
        hm.check_model(hm.load_model(write_model(typo)))


@pytest.mark.slow
def test_solving_refuses_what_was_never_checked():
    """Guards docs/yardsticks.md, 'Accounts', row `steady_state`: goods that are missing are an error."""

    class Typo(Aiyagari):
        def resources(self, assets, own, today):
            return super().resources(assets, own, today) + 0.05

    model = Typo(**hm.load_model("aiyagari").parameters())
    with pytest.raises(hm.SteadyStateError, match=r"% of output is missing in the stationary equilibrium"):
        hm.steady_state(model, asset_points=60)


@pytest.mark.slow
def test_an_identity_that_holds_at_rest_only_is_found_by_the_linear_responses(growing):
    """Guards docs/yardsticks.md, 'Accounts', row `linearize`: the derivative of the identity must hold."""
    with pytest.raises(ValueError, match=r"goods_market\(\): 0.\d+ % of output"):
        hm.check_model(growing.economy.model.with_parameters(pay=0.5))
    wrong = hm.steady_state(growing.economy.model.with_parameters(pay=0.5), asset_points=60)
    with pytest.raises(ValueError, match="linear response to productivity goods of .* % of what consumption moves"):
        hm.linearize(wrong, horizon=100)


@pytest.mark.slow
def test_a_path_of_a_parameter_is_that_of_the_same_shock(growing, linear):
    """Guards docs/yardsticks.md, 'Transition paths': a parameter may follow a path, as a shock does."""
    move = 0.02 * 0.9 ** np.arange(100)
    shock = hm.transition(growing, horizon=150, linear=linear, productivity=move)
    level = hm.transition(growing, horizon=150, linear=linear, level=1.0 + move)
    for name in ("capital", "interest_rate", "wage", "output", "consumption"):
        np.testing.assert_allclose(level.series[name], shock.series[name], rtol=1e-9, err_msg=name)
    assert np.abs(level.goods_market).max() < 1e-8


@pytest.mark.slow
def test_a_change_announced_ahead_moves_capital_before_it_comes(growing, linear):
    """Productivity falls to its final level after eight periods: output falls then, capital from the start."""
    before = hm.steady_state(growing.economy.model.with_parameters(level=1.01), asset_points=60)
    path = hm.transition(growing, horizon=150, linear=linear, initial=before, level=[1.01] * 8)
    at_once = hm.transition(growing, horizon=150, linear=linear, initial=before)
    old, new = float(before.aggregates.capital), float(growing.aggregates.capital)
    assert path.series["capital"][0] == pytest.approx(old, rel=1e-9)
    assert path.series["capital"][-1] == pytest.approx(new, rel=1e-3)
    assert path.series["output"][7] > 1.005 * path.series["output"][8]
    assert np.all(path.series["capital"][1:9] > at_once.series["capital"][1:9])
    unchanged = hm.transition(growing, horizon=150, linear=linear, level=[1.0] * 8)
    for name, values in unchanged.deviations().items():
        np.testing.assert_allclose(values, 0.0, atol=1e-10 * max(1.0, abs(unchanged.final[name])), err_msg=name)


@pytest.mark.slow
def test_what_does_not_fit_a_path_is_refused(growing, linear, refuses):
    """Guards `transition`: ValueError for names and values that have no path, such as a chain's."""

    def path(**given):
        return lambda: hm.transition(growing, horizon=150, linear=linear, **given)

    refuses(path(levle=[1.0]), "no shock and no parameter 'levle'", "did you mean 'level'?")
    refuses(path(persistence=[0.8]), "persistence moves idiosyncratic_shock()", "stays as it is along a path")
    refuses(path(maximum_assets=[80.0]), "maximum_assets moves asset_space()")
    refuses(path(level=[1.0, -1.0]), "path of level is out of range", "must be above 0")
    refuses(path(level=[1.0, np.nan]), "path of level", "a finite value per period")
    refuses(path(state_variables={"debt": 1.0}), "state_variables names 'debt'", "state_variables() declares none")


@pytest.mark.slow
def test_a_response_that_is_cut_off_is_said(growing):
    """Guards docs/yardsticks.md: `linear.response` warns where a hundredth of a deviation is left."""
    with pytest.warns(UserWarning, match=r"cut off: after 30 periods capital is still .* % of its largest deviation"):
        hm.linearize(growing, horizon=30).response(productivity=0.01 * 0.98 ** np.arange(30))


@pytest.mark.slow
def test_a_path_that_is_cut_off_is_said_and_a_longer_one_cures_it(growing):
    """Thirty periods are too few for persistence of .98, 300 are not: the cure that is named is right."""
    move = 0.01 * 0.98 ** np.arange(300)
    with pytest.warns(UserWarning, match=r"cut off: after 30 periods \w+ is still .* % of its largest deviation"):
        short = hm.transition(growing, horizon=30, productivity=move[:30])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        long = hm.transition(growing, horizon=400, productivity=move)
    away, truth = (path.deviations()["capital"] for path in (short, long))
    assert np.abs(away - truth[:30]).max() > 0.2 * np.abs(truth).max()


@pytest.mark.slow
@pytest.mark.parametrize("more", [0.01, 0.05])
@pytest.mark.parametrize("name", ["one_asset_hank", "huggett"])
def test_bonds_that_nobody_owes_are_refused(name, more):
    """Households hold 1 or 5 percent more bonds than are owed: goods of (1 + r) times the difference are missing."""
    steady = hm.steady_state(hm.load_model(name), asset_points=100)
    points = np.asarray(steady.economy.grid.points)
    mass = move_mass(steady.mass, np.minimum((1.0 + more) * points, points[-1]), points)
    with pytest.raises(hm.TransitionError, match="% of output is missing in period 0 of the path and in no other"):
        hm.transition(steady, horizon=150, initial=mass)


@pytest.mark.slow
def test_a_larger_public_debt_goes_with_more_bonds():
    """The same bonds, owed: accounts close, and taxes run the debt down to its final level."""
    steady = hm.steady_state(hm.load_model("one_asset_hank"), asset_points=100)
    points = np.asarray(steady.economy.grid.points)
    mass = move_mass(steady.mass, np.minimum(1.01 * points, points[-1]), points)
    owed = float(np.sum(mass * points[:, None]))
    path = hm.transition(steady, horizon=200, initial=mass, state_variables={"public_debt": owed})
    debt = path.series["public_debt"]
    assert debt[0] == pytest.approx(owed, rel=1e-12) and np.all(np.diff(debt[:60]) < 0)
    assert np.abs(path.goods_market).max() < 1e-8
    np.testing.assert_allclose(path.series["bonds"], debt, rtol=1e-8)


@pytest.mark.slow
def test_bonds_given_without_the_debt_that_goes_with_them_are_named_where_no_path_is_found():
    """A fifth more bonds: no path with the debt at rest; the debt that the error names is what households hold."""
    steady = hm.steady_state(hm.load_model("one_asset_hank"), asset_points=60)
    points = np.asarray(steady.economy.grid.points)
    mass = move_mass(steady.mass, np.minimum(1.2 * points, points[-1]), points)
    linear = hm.linearize(steady, horizon=100)
    with pytest.raises(hm.TransitionError, match="public_debt was not given") as caught:
        hm.transition(steady, horizon=100, initial=mass, linear=linear)
    named = float(re.search(r"'public_debt': ([0-9.]+)", str(caught.value))[1])
    assert named == pytest.approx(float(np.sum(mass * points[:, None])), rel=1e-4)
