"""Equilibria wherever they are, whatever the units; households at given prices; lives that end."""

import itertools
import re
import sys
import types
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.optimize

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import reference_lives as lives

import hank_mfg as hm
from hank_mfg.solve.stationary import search
from hank_mfg.solve.stationary.clearing import global_search
from hank_mfg.solve.stationary.clearing.clearing import patience

Aiyagari = type(hm.load_model("aiyagari"))
SLOW = pytest.mark.slow


def fields(name: str, **changes) -> dict:
    return {**hm.load_model(name).parameters(), **changes}


def test_an_end_whose_sign_is_rounding_is_the_root():
    """A guess that is the equilibrium: computed again, its excess has another sign, on which bracketing stumbled."""
    calls = itertools.count()

    def candidates(unknown, before, tolerance):
        x = float(unknown[0])
        excess = x - 1.0 if x != 1.0 else 1e-13 * (-1) ** next(calls)
        return types.SimpleNamespace(unknown=unknown, excess=np.array([excess]), size=abs(excess))

    candidates.names = types.SimpleNamespace(clearing=("rate",))
    evaluated = [candidates(np.array([x]), None, 0.0) for x in (1.0, 1.01)]
    for _ in range(2):
        found = global_search.root_between(candidates, (1.0, 1.01), evaluated, 1e-11)
        assert abs(float(found.unknown[0]) - 1.0) < 1e-9


# ------------------------------------------------------------------------------------------------- several unknowns


class Hours(Aiyagari):
    """Aiyagari's economy with chosen hours: unknowns capital and effective hours, goods in any unit."""

    frisch: float = hm.parameter("elasticity of hours", above=0, default=0.5)
    disutility: float = hm.parameter("weight of effort", above=0, default=1.0)
    productivity: float = hm.parameter("of the firm, in units of goods", above=0, default=1.0)
    low: float = hm.parameter("bracket of hours", above=0, default=0.05)
    high: float = hm.parameter("bracket of hours", above=0, default=3.0)

    def preferences(self):
        return hm.Separable(self.risk_aversion, frisch=self.frisch, disutility=self.disutility)

    def hourly_wage(self, own, today):
        return today.wage * own.labor

    def aggregates(self, assets, own, today):
        return {"capital": assets, "skill": own.labor}

    def clearing_prices(self):
        return {"hours": hm.Bracket(self.low, self.high)}

    def excess_demand(self, today, choices):
        return {"hours": 1.0 - choices.earnings / (today.hours * today.wage)}

    def prices(self, today):
        factors = (today.capital, today.hours, self.productivity)
        return {"interest_rate": self.production().interest_rate(*factors), "wage": self.production().wage(*factors)}

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + 0.0 * own.labor

    def outcomes(self, today):
        return {}

    def goods_market(self, today, choices, tomorrow):
        return None


class Effortless(Hours):
    """The same with preferences in which wealth does not matter for hours."""

    def preferences(self):
        return hm.GHH(self.risk_aversion, frisch=self.frisch, disutility=self.disutility)


CALIBRATIONS = {
    "log": (Hours, {"risk_aversion": 1.0, "disutility": 1.5}),
    "averse": (Hours, {"risk_aversion": 2.0, "disutility": 10.0, "frisch": 1.0}),
    "ghh": (Effortless, {"risk_aversion": 2.0, "disutility": 1.5}),
}
BRACKETS = ((0.05, 3.0), (0.3, 1.2))
UNITS = (1e-8, 1e-3, 0.1, 10.0, 1e3, 1e8)


def in_units(kind: type, unit: float = 1.0, **parameters) -> hm.Model:
    """The same economy, goods counted in another unit: a quantity x of goods is x `unit` there."""
    given = fields("aiyagari", **parameters)
    given["maximum_assets"] *= unit
    given["productivity"] = unit ** (1.0 - given["capital_share"])
    given["disutility"] *= unit ** (1.0 - given["risk_aversion"] if kind is Hours else 1.0)
    return kind(**given)


def nested(kind: type, parameters: dict) -> tuple[float, float]:
    """Capital and hours by bisection within bisection over household problems at given prices, another search."""
    model = in_units(kind, **parameters)
    firm = hm.CobbDouglas(model.capital_share, model.depreciation)

    def at(rate: float):
        ratio = (model.capital_share / (rate + model.depreciation)) ** (1.0 / (1.0 - model.capital_share))
        prices = {"hours": 1.0, "interest_rate": rate, "wage": float(firm.wage(ratio, 1.0))}
        return ratio, hm.household(model, prices, asset_points=100), prices["wage"]

    def excess(rate: float) -> float:
        ratio, solved, wage = at(rate)
        return float(solved.aggregates.capital) / ratio - float(solved.choices.earnings) / wage

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the top of the grid, at rates tried
        rate = scipy.optimize.brentq(excess, 0.03, 1.0 / model.discount_factor - 1.0 - 1e-4, xtol=1e-13)
    _, solved, wage = at(rate)
    return float(solved.aggregates.capital), float(solved.choices.earnings) / wage


@SLOW
@pytest.mark.parametrize("name", CALIBRATIONS)
def test_an_equilibrium_in_capital_and_hours_is_found_in_any_bracket_and_unit(name):
    """Three calibrations, two brackets and six units of goods, against nested bisection over the interest rate."""
    kind, parameters = CALIBRATIONS[name]
    capital, hours = nested(kind, parameters)
    cases = [(1.0, *ends) for ends in BRACKETS] + [(unit, *BRACKETS[0]) for unit in UNITS]
    for unit, low, high in cases:
        steady = hm.steady_state(in_units(kind, unit, **parameters, low=low, high=high), asset_points=100)
        assert float(steady.aggregates.capital) / unit == pytest.approx(capital, rel=1e-6), (unit, low, high)
        assert float(steady.prices.hours) == pytest.approx(hours, rel=1e-6)


@SLOW
def test_inflation_far_below_zero_is_found():
    """A natural rate of 2 percent needs deflation of 3: the rate is that at which bonds clear, whatever the rule."""
    model = hm.load_model("one_asset_hank", natural_rate=0.02)
    steady = hm.steady_state(model, asset_points=100)
    assert float(steady.prices.interest_rate) == pytest.approx(0.00506, abs=2e-5)
    assert float(steady.prices.inflation) == pytest.approx(-0.0302, abs=1e-4)
    nominal = 0.02 + 1.5 * float(steady.prices.inflation)
    real = (1.0 + nominal) / (1.0 + float(steady.prices.inflation)) - 1.0
    assert float(steady.prices.interest_rate) == pytest.approx(real, abs=1e-12)
    near = hm.steady_state(model.with_parameters(natural_rate=0.019), asset_points=100, guess=steady)
    assert near.residual < 1e-6


@SLOW
def test_one_unknown_in_units_far_from_one():
    """Aiyagari's economy with goods counted in units of 1e-8 and 1e9: the same interest rate."""

    class Units(Aiyagari):
        unit: float = hm.parameter("of goods", above=0, default=1.0)

        def prices(self, today):
            factors = (today.capital, today.labor, self.unit ** (1.0 - self.capital_share))
            return {
                "interest_rate": self.production().interest_rate(*factors),
                "wage": self.production().wage(*factors),
            }

        def outcomes(self, today):
            return {}

        def goods_market(self, today, choices, tomorrow):
            return None

    rate = float(hm.steady_state(hm.load_model("aiyagari"), asset_points=100).prices.interest_rate)
    for unit in (1e-8, 1e9):
        model = Units(**fields("aiyagari", maximum_assets=150.0 * unit), unit=unit)
        steady = hm.steady_state(model, asset_points=100)
        assert float(steady.prices.interest_rate) == pytest.approx(rate, abs=1e-9)


# ---------------------------------------------------------------------------------------------------- several crossings


class ThreeTimes(type(hm.load_model("huggett"))):
    """Huggett's economy with a supply of bonds that crosses demand three times."""

    def excess_demand(self, today, choices):
        held = choices.savings
        wave = 0.9 * (held - 3.0) * (held - 5.0) * (held - 8.0) / 10.0
        return {"bonds": wave / today.income}

    def goods_market(self, today, choices, tomorrow):
        return None


@pytest.fixture(scope="module")
def crossing():
    with pytest.warns(
        UserWarning, match=r"Markets clear at 3 places: this is interest_rate = .*guess=\{'interest_rate'"
    ):
        return hm.steady_state(ThreeTimes(**fields("huggett", bond_supply=1.0)), asset_points=60)


@SLOW
def test_several_equilibria_are_named_and_a_guess_picks_one(crossing):
    """Savings of 3, 5 and 8 clear the market by construction."""
    held = [float(crossing.aggregates.bonds)]
    for rate in (-0.02, 0.004, 0.015):
        steady = hm.steady_state(ThreeTimes(**fields("huggett", bond_supply=1.0)),
                                 asset_points=60, guess={"interest_rate": rate})  # fmt: skip
        held.append(float(steady.aggregates.bonds))
    assert {round(each) for each in held} == {3, 5, 8}
    np.testing.assert_allclose(held, np.round(held), atol=1e-4)


# ------------------------------------------------------------------------------------------------------ lives that end


class Mortal(Aiyagari):
    """A share of households dies every period; what they leave is lost, and newborns have nothing."""

    death: float = hm.parameter("per period", at_least=0, below=1, default=0.02)

    def idiosyncratic_shock(self):
        fate = hm.MarkovChain([[1.0 - self.death, self.death]] * 2, newborn=[0.0, 1.0])
        return hm.independent_chains(hm.MarkovChain(lives.CHAIN, labor=lives.LABOR), fate)

    def aggregates(self, assets, own, today):
        return {"capital": assets * (1.0 - own.newborn), "labor": own.labor}

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets * (1.0 - own.newborn) + today.wage * own.labor

    def goods_market(self, today, choices, tomorrow):
        return None  # what the dead leave is lost


@SLOW
def test_an_economy_with_death_clears_beyond_the_edge_of_the_patient():
    """Against independent code: r .059591, K 4.51976 on 1,500 points; beta (1 - d) (1 + r) need not be below one."""
    model = Mortal(**fields("aiyagari", maximum_assets=400.0, risk_aversion=1.5))
    steady = hm.steady_state(model, asset_points=300)
    assert float(steady.prices.interest_rate) == pytest.approx(0.059591, abs=3e-5)
    assert float(steady.aggregates.capital) == pytest.approx(4.51976, rel=5e-4)
    wild = hm.steady_state(Mortal(**fields("aiyagari", maximum_assets=600.0, death=0.04)), asset_points=200)
    assert 0.96 * 0.96 * (1.0 + float(wild.prices.interest_rate)) > 1.0


def test_patience_that_lasts_for_a_while_needs_no_global_search(monkeypatch):
    """beta (1 + r) weighed with the odds of keeping beta is above one, yet wealth does not grow without bound."""
    monkeypatch.setattr(search.Programs, "rescue", None)
    model = hm.load_model("krusell_smith_wealth")
    steady = hm.steady_state(model, asset_points=100)
    home = hm.household(model, prices=dict(steady.prices), asset_points=100)
    with jax.enable_x64(True):
        assert home.growth < 1.0 < float(patience(steady.economy, steady.public))
    assert home.aggregates.capital == pytest.approx(float(steady.aggregates.capital), rel=1e-5)


class Aging(Aiyagari):
    """Lives of 30 periods: the state of a household is its age and labor, and patience is zero at the last age."""

    count = 30

    def idiosyncratic_shock(self):
        states = len(lives.LABOR)
        chain = np.zeros((self.count, states, self.count, states))
        for age in range(self.count - 1):
            chain[age, :, age + 1] = lives.CHAIN
        chain[-1, :, 0] = lives.stationary(lives.CHAIN)
        patience = np.where(np.arange(self.count) < self.count - 1, 0.96, 0.0)
        labor = np.tile(lives.LABOR, self.count)
        size = self.count * states
        return hm.MarkovChain(chain.reshape(size, size), labor=labor, patience=np.repeat(patience, states))

    def discounting(self, own, today):
        return own.patience


@SLOW
def test_lives_of_thirty_periods_are_those_of_backward_induction():
    """Against independent code, backward over ages; at the last one everybody consumes everything."""
    model = Aging(**fields("aiyagari", maximum_assets=40.0, risk_aversion=1.5))
    steady = hm.steady_state(model, asset_points=100, others=False)
    rate, capital = lives.equilibrium(lambda r, w: lives.wealth_of_ages(r, w, 30, 0.96, 1.5, points=800), 0.0, 0.3)
    assert float(steady.prices.interest_rate) == pytest.approx(rate, abs=1e-3)
    assert float(steady.aggregates.capital) == pytest.approx(capital, rel=5e-3)
    last = np.asarray(steady.savings)[:, -3:]
    np.testing.assert_array_equal(last, 0.0)


# ------------------------------------------------------------------------------------------- households at given prices


PRICES = {"interest_rate": 0.03, "wage": 1.1}


@pytest.fixture(scope="module")
def at_home():
    return hm.household(hm.load_model("aiyagari"), PRICES, asset_points=60)


def test_a_household_at_given_prices_keeps_its_budget_and_its_mass(at_home):
    """Mean consumption is mean income: r K + w L at rest; the mass is stationary."""
    capital, labor = float(at_home.aggregates.capital), float(at_home.aggregates.labor)
    assert at_home.choices.consumption == pytest.approx(0.03 * capital + 1.1 * labor, rel=1e-9)
    assert at_home.choices.savings == pytest.approx(capital, rel=1e-9)
    assert at_home.mass.sum() == pytest.approx(1.0, abs=1e-13)
    np.testing.assert_allclose((at_home.mass * at_home.consumption).sum(), at_home.choices.consumption, rtol=1e-12)
    assert at_home.growth == pytest.approx(0.96 * 1.03, rel=1e-12)  # log utility: (beta R)^(1/1)


@SLOW
def test_households_at_given_prices_hold_what_independent_code_says():
    """Mean wealth at r = 3 percent, w = 1.1, risk aversion 2, against independent code."""
    model = Mortal(**fields("aiyagari", maximum_assets=100.0, risk_aversion=2.0, death=0.0))
    ours = hm.household(model, PRICES, asset_points=400)
    theirs = lives.wealth_of_mortals(0.03, 1.1, 0.0, 0.96, 2.0, points=800, top=100.0)
    assert float(ours.aggregates.capital) == pytest.approx(theirs, rel=2e-3)


def test_without_a_stationary_mass_the_reason_is_given(refuses):
    model = hm.load_model("aiyagari")
    with pytest.raises(
        hm.SteadyStateError, match=r"no stationary mass at interest_rate = 0.05.*beta \(1 \+ r\) is 1.008"
    ):
        hm.household(model, {"interest_rate": 0.05, "wage": 1.1}, asset_points=60)
    alone = hm.household(model, {"interest_rate": 0.05, "wage": 1.1}, asset_points=60, mass=False)
    assert alone.mass is None and alone.growth == pytest.approx(1.008) and not alone.aggregates
    refuses(lambda: hm.household(model, {"interest_rate": 0.05}), "lacks wage", "interest_rate, wage")
    refuses(lambda: hm.household(model, {**PRICES, "wag": 1.0}), "'wag'", "did you mean 'wage'")


def test_arguments_of_a_steady_state_are_checked(refuses):
    with pytest.raises(ValueError, match="There is no shipped model 'krusel_smith' .did you mean 'krusell_smith'"):
        hm.steady_state("krusel_smith")  # pyright: ignore[reportArgumentType]
    model = hm.load_model("aiyagari")
    refuses(lambda: hm.steady_state(model, tolerance=float("nan")), "steady_state(tolerance=...)", "nan", "a number")
    for tolerance in (0.0, -1e-6, 1e-17, 0.5):
        refuses(lambda t=tolerance: hm.steady_state(model, tolerance=t), f"tolerance = {tolerance!r}", "1e-14")
    refuses(lambda: hm.steady_state(model, guess={"capitol": 4.0}), "guess has no 'capital'", "did you mean 'capitol'")
    refuses(lambda: hm.steady_state(model, guess={"capital": -4.0}), "capital = -4", "positive")


@SLOW
@pytest.mark.parametrize("name", ["aiyagari", "huggett", "krusell_smith", "one_asset_hank"])
def test_a_loose_tolerance_is_met(name):
    """Markets clear within 1e-6 whatever tolerance is asked for."""
    model = hm.load_model(name)
    tight, loose = (hm.steady_state(model, asset_points=100, tolerance=each) for each in (1e-11, 1e-6))
    assert loose.residual <= 1e-6
    for each, value in tight.prices.items():
        assert float(loose.prices[each]) == pytest.approx(float(value), abs=1e-6)


@SLOW
@pytest.mark.parametrize("risk", [0.002, 0.0005])
def test_with_hardly_any_risk_every_grid_leads_to_the_same_rate(risk):
    """The rate is 1/beta - 1 less 1e-6 at most; the grids agree. At the smaller risk a household solved to 1e-11 is too
    rough at some of them: wealth drifts by 1e-7 a period."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the top of the grid
        found = [
            hm.steady_state(hm.load_model("aiyagari", stationary_sd=risk), asset_points=n) for n in (200, 300, 400, 800)
        ]
    rates = [float(steady.prices.interest_rate) for steady in found]
    assert np.ptp(rates) < 1e-6 and max(rates) < 1.0 / 0.96 - 1.0


# -------------------------------------------------------------------------------------------------- other calibrations

BELOW_ONE = (
    "discount_factor",
    "persistence",
    "productivity_persistence",
    "monetary_persistence",
    "patience_persistence",
)


def nearby(model: hm.Model, rng: np.random.Generator) -> hm.Model:
    """The model with every parameter moved by at most 30 percent, what must stay on one side of one in its distance."""
    moved = {}
    for name, value in model.parameters().items():
        factor, value = 1.0 + rng.uniform(-0.3, 0.3), float(value)
        anchor = 1.0 if name in (*BELOW_ONE, "markup") else 0.0
        moved[name] = anchor + factor * (value - anchor)
    return model.with_parameters(**moved)


@SLOW
def test_calibrations_near_the_shipped_one_are_found_cold():
    """Thirteen of one_asset_hank, drawn with seed 0: found and accounts closed, or a cause named that was tried."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(13):
        model = nearby(hm.load_model("one_asset_hank"), rng)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the top of the grid
                steady = hm.steady_state(model, asset_points=60)
        except hm.SteadyStateError as error:
            assert re.search("outside its bracket|top of the asset grid at|with discount_factor = ", str(error))
            continue
        assert steady.residual <= 1e-6
        found += 1
    assert found >= 11
