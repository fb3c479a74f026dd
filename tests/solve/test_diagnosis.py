"""Failures of known cause: whether the sentence that explains them names it."""

import re
import warnings
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.solve.stationary.clearing.candidates import Candidate
from hank_mfg.solve.stationary.diagnosis.diagnosis import tolerance_not_met

Aiyagari, Huggett = (type(hm.load_model(name)) for name in ("aiyagari", "huggett"))
HANK = type(hm.load_model("one_asset_hank"))
POINTS = 60


def fields(name: str, **changes) -> dict:
    return {**hm.load_model(name).parameters(), **changes}


def altered(base: type, name: str, parameters: dict | None = None, **methods) -> hm.Model:
    """A shipped economy with other methods and parameters."""
    return type("Altered", (base,), methods)(**fields(name, **(parameters or {})))


def aiyagari(parameters: dict | None = None, **methods) -> hm.Model:
    return altered(Aiyagari, "aiyagari", parameters, **methods)


def huggett(parameters: dict | None = None, **methods) -> hm.Model:
    return altered(Huggett, "huggett", parameters, **methods)


def hank(parameters: dict | None = None, **methods) -> hm.Model:
    return altered(HANK, "one_asset_hank", parameters, **methods)


# ------------------------------------------------------------------------------------------------------ reversed signs


def _rate_of_reversed_marginal_product(self, today):
    factors = (today.capital, today.labor)
    product = self.production().interest_rate(*factors) + self.depreciation
    return {"interest_rate": -product - self.depreciation, "wage": self.production().wage(*factors)}


def _labor_taken_away(self, assets, own, today):
    return (1.0 + today.interest_rate) * assets - today.wage * own.labor


def _labor_added(self, today, choices):
    bonds = choices.savings - self.next_state(today)["public_debt"]
    return {"bonds": bonds / self.debt, "labor": today.output / today.productivity + choices.earnings / today.wage}


def _assets_as_debt(self, assets, own, today):
    return {"capital": -assets, "labor": own.labor}


def _huggett_interest_taken_away(self, assets, own, today):
    return (1.0 - today.interest_rate) * assets + own.income * today.aggregate_income


def _huggett_income_taken_away(self, assets, own, today):
    return (1.0 + today.interest_rate) * assets - own.income * today.aggregate_income


def _supply_added(self, today, choices):
    return {"bonds": (choices.savings + self.bond_supply) / today.income}


def _savings_taken_away(self, today, choices):
    return {"bonds": (-choices.savings - self.bond_supply) / today.income}


def _wage_of_reversed_labor(self, today):
    return {
        "interest_rate": self.production().interest_rate(today.capital, today.labor),
        "wage": -1.0 + 0.0 * today.capital,
    }


def _wealth_spent_twice(self, assets, own, today):
    return -(1.0 + today.interest_rate) * assets + today.wage * own.labor


SIGNS = {
    "rate in prices()": (
        lambda: aiyagari(prices=_rate_of_reversed_marginal_product),
        r"prices\(\): the return on assets rises with capital",
    ),
    "labor income": (
        lambda: aiyagari(resources=_labor_taken_away),
        r"resources\(\): cash on hand falls with own.labor",
    ),
    "labor demand": (
        lambda: hank(excess_demand=_labor_added),
        r"the equation for labor is positive at each of",
    ),
    "capital": (
        lambda: aiyagari(aggregates=_assets_as_debt),
        r"capital supplied is zero or negative.*wrong sign",
    ),
    "interest on bonds": (
        lambda: huggett({"lowest_rate": -1e-6}, resources=_huggett_interest_taken_away),
        r"cash on hand rises with assets by 1 - interest_rate",
    ),
    "endowment": (
        lambda: huggett(resources=_huggett_income_taken_away),
        r"cash on hand falls with own.income",
    ),
    "supply": (
        lambda: huggett(excess_demand=_supply_added),
        r"bonds of excess_demand\(\) is positive at every interest_rate",
    ),
    "savings": (
        lambda: huggett(excess_demand=_savings_taken_away),
        r"bonds of excess_demand\(\) is negative at every interest_rate",
    ),
    "wage": (
        lambda: aiyagari(prices=_wage_of_reversed_labor),
        r"cash on hand falls with own.labor",
    ),
    "wealth": (
        lambda: aiyagari(resources=_wealth_spent_twice),
        r"resources\(\): cash on hand falls with assets",
    ),
}

# ------------------------------------------------------------------------------------------- brackets without the root

RATE = 0.0056
ENDS = ((-0.2, -0.1), (-0.5, -0.02), (-0.01, 0.001), (-0.3, -0.29), (0.008, 0.05), (0.015, 0.2), (0.01, 0.012))


def _bracket(low: float, high: float):
    return lambda: huggett(clearing_prices=lambda self: {"interest_rate": hm.Bracket(low, high)})


def _hank_bracket(**brackets):
    plain = {"wage": hm.Bracket(0.2, 2.0), "output": hm.Bracket(0.5, 1.5), "inflation": hm.Bracket(-0.2, 0.2)}
    return lambda: hank(clearing_prices=lambda self: {**plain, **{k: hm.Bracket(*v) for k, v in brackets.items()}})


BRACKETS = {
    **{
        f"{ends}": (_bracket(*ends), r"interest_rate clears its market at .*outside its bracket.*widen")
        for ends in ENDS
    },
    "output": (_hank_bracket(output=(1.1, 1.6)), r"output clears its market at .*outside its bracket"),
    "wage": (_hank_bracket(wage=(0.9, 2.0)), r"wage clears its market at .*outside its bracket"),
    "inflation": (_hank_bracket(inflation=(-0.2, -0.01)), r"inflation clears its market at .*outside its bracket"),
}

# ---------------------------------------------------------------------------------------------------- redundant markets


def _two_rates(self):
    return {"interest_rate": hm.Bracket(-0.2, 0.2), "tax": hm.Bracket(-0.3, 0.3)}


def _taxed(self, assets, own, today):
    return (1.0 + today.interest_rate) * assets + own.income * today.aggregate_income - today.tax


def _bonds_and_goods(self, today, choices):
    """The goods market is the bond market by the budget of all households together: interest is paid from outside."""
    saved = choices.savings - self.bond_supply
    goods = choices.consumption + choices.savings - today.income - (1 + today.interest_rate) * today.bonds + today.tax
    return {"bonds": saved / today.income, "goods": (goods + saved) / today.income}


def _bonds_twice(self, today, choices):
    saved = (choices.savings - self.bond_supply) / today.income
    return {"bonds": saved, "paper": 3.0 * saved}


def _bonds_and_squares(self, today, choices):
    saved = (choices.savings - self.bond_supply) / today.income
    return {"bonds": saved, "credit": saved + saved**2 / 10.0}


def _identity(self, today, choices):
    budget = choices.consumption + choices.savings - today.income - (1 + today.interest_rate) * today.bonds
    return {"goods": budget / today.income}


def _hank_goods(self, today, choices):
    """Bonds twice in place of labor."""
    bonds = (choices.savings - self.next_state(today)["public_debt"]) / self.debt
    return {"bonds": bonds, "paper": 2.0 * bonds}


WALRAS = {
    "bonds and goods": (
        lambda: huggett(clearing_prices=_two_rates, resources=_taxed, excess_demand=_bonds_and_goods),
        r"bonds, goods are not independent.*interest_rate, tax are not determined together",
    ),
    "twice": (
        lambda: huggett(clearing_prices=_two_rates, resources=_taxed, excess_demand=_bonds_twice),
        r"bonds, paper are not independent",
    ),
    "a function": (
        lambda: huggett(clearing_prices=_two_rates, resources=_taxed, excess_demand=_bonds_and_squares),
        r"bonds, credit are not independent",
    ),
    "identity": (
        lambda: huggett(excess_demand=_identity),
        r"bonds, goods are not independent.*Walras' law.*bonds, interest_rate are not determined together",
    ),
    "hank": (
        lambda: hank(excess_demand=_hank_goods),
        r"bonds, paper are not independent",
    ),
}

# -------------------------------------------------------------------------------------------------------------- others


def _fixed_prices(self, today):
    return {"interest_rate": 0.05, "wage": 1.0}


def _log_of_negative(self, today):
    factors = (today.capital, today.labor)
    return {"interest_rate": self.production().interest_rate(*factors), "wage": jnp.log(-today.capital)}


def _root_of_negative(self, assets, own, today):
    return (1.0 + today.interest_rate) * assets + today.wage * own.labor + jnp.sqrt(-1.0 - assets)


def _unit_root(self, today):
    rate = self.natural_rate + self.taylor * today.inflation
    return {"nominal_rate": rate, "public_debt": today.public_debt + 0.1, "last_inflation": today.inflation}


def _idle(self, today, choices):
    return {"bonds": 0.5 + 0.0 * choices.savings}


def _separate(self):
    return hm.MarkovChain(np.eye(2), labor=[0.5, 1.5])


def _alone(self):
    return hm.MarkovChain(np.ones((1, 1)), labor=[1.0])


OTHERS = {
    "prices do not move": (
        lambda: aiyagari(prices=_fixed_prices),
        r"No price moves with capital.*hm.household",
    ),
    "grid too short": (
        lambda: aiyagari({"maximum_assets": 5.0}),
        r"capital could not be cleared.*with the top of the asset grid at",
    ),
    "grid too short for bonds": (
        lambda: huggett({"bond_supply": 80.0}),
        r"with the top of the asset grid at",
    ),
    "borrowing limit": (
        lambda: aiyagari({"borrowing_limit": -200.0}),
        r"not enough to repay down to the borrowing limit -200.*with a limit of .* an equilibrium exists",
    ),
    "wage not a number": (
        lambda: aiyagari(prices=_log_of_negative),
        r"prices\(\): wage is nan",
    ),
    "cash not a number": (
        lambda: aiyagari(resources=_root_of_negative),
        r"resources\(\): cash on hand is nan at assets",
    ),
    "debt without rest": (
        lambda: hank(next_state=_unit_root),
        r"public_debt has no stationary value",
    ),
    "too patient": (
        lambda: huggett(
            {"discount_factor": 0.9999999}, clearing_prices=lambda self: {"interest_rate": hm.Bracket(0.01, 0.2)}
        ),
        r"beta \(1 \+ r\) does not cross one.*widen the bracket.*or else with discount_factor = ",
    ),
    "equation without choices": (
        lambda: huggett(excess_demand=_idle),
        r"bonds of excess_demand\(\) .* does not move with interest_rate",
    ),
    "no risk": (
        lambda: aiyagari(idiosyncratic_shock=_alone),
        r"without idiosyncratic risk, because there is only one income state",
    ),
}  # fmt: skip

TABLES = {"sign": SIGNS, "bracket": BRACKETS, "walras": WALRAS, "other": OTHERS}
CASES = {f"{kind}: {name}": case for kind, table in TABLES.items() for name, case in table.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_cause_of_a_failure_is_named(name):
    """Every failure of a known cause is explained by it."""
    model, pattern = CASES[name]
    with pytest.raises(hm.SteadyStateError) as caught:
        hm.steady_state(model(), asset_points=POINTS)
    assert re.search(pattern, str(caught.value), re.DOTALL), str(caught.value)


# ------------------------------------------------------------------------------------------------------- tolerances

TOLERANCES = {
    "capital": ("aiyagari", {}, 1e-14),
    "bonds": ("huggett", {}, 1e-14),
    "unemployment": ("krusell_smith", {}, 1e-14),
    "sticky prices": ("one_asset_hank", {}, 1e-14),
    "hardly any risk": ("aiyagari", {"stationary_sd": 0.0005}, 1e-11),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TOLERANCES)
def test_the_finest_tolerance_is_met(name):
    """A failure by the tolerance alone: what can be asked for is met, and where it is too rough a finer one is used."""
    model, changes, tolerance = TOLERANCES[name]
    points = 200 if changes else POINTS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the top of the grid
        steady = hm.steady_state(hm.load_model(model, **changes), asset_points=points, tolerance=tolerance)
    assert steady.euler_change <= tolerance and steady.residual <= 1e-6


def test_a_tolerance_that_is_not_met_is_named_with_one_that_is():
    """A household whose consumption never moves by less than 3e-12: 1e-11 is met, 1e-12 is not."""

    class Rounded:
        names = SimpleNamespace(searched=("capital",))

        def __call__(self, unknown, near=None, tolerance=0.0) -> Candidate:
            return Candidate(np.ones(1), np.zeros(1), (SimpleNamespace(change=max(3e-12, 0.5 * tolerance)),))

    candidates: Any = Rounded()
    sentence = tolerance_not_met(candidates, candidates(np.ones(1)), 1e-12)
    assert sentence is not None
    assert "at capital = 1, but tolerance=1e-12 is not met" in sentence and "give tolerance=1e-11" in sentence
    assert tolerance_not_met(candidates, candidates(np.ones(1)), 1e-11) is None


# --------------------------------------------------------------------------------------------- an excess that jumps


def _jumping_supply(self, today, choices):
    saved = (choices.savings - self.bond_supply) / today.income
    return {"bonds": saved + 0.3 * jnp.sign(saved)}


def _rate_that_jumps(self, today):
    factors = (today.capital, today.labor)
    rate = self.production().interest_rate(*factors) - 0.01 * (today.capital > self.step)
    return {"interest_rate": rate, "wage": self.production().wage(*factors)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "pattern"),
    [
        (lambda: huggett(excess_demand=_jumping_supply), r"jumps over zero.*an equation jumps; let it be continuous"),
        (
            lambda: aiyagari(prices=_rate_that_jumps, step=5.45),
            r"over zero at 5.45.*interest_rate from .* let prices\(\)",
        ),
        (lambda: aiyagari(prices=_rate_that_jumps, step=5.0), r"beta \(1 \+ r\) jumps over one at capital = 5,"),
    ],
    ids=["equation", "price", "edge"],
)
def test_a_jump_is_traced_to_what_jumps(model, pattern):
    """An excess that jumps over zero: prices, or the equation itself, and not households at single grid points."""
    with pytest.raises(hm.SteadyStateError, match=pattern):
        hm.steady_state(model(), asset_points=POINTS)
