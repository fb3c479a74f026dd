"""The namespace of the equations: what each may read, and models written for separate groups of names."""

import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.economy import Aggregate
from hank_mfg.model.fingerprint import _rewritten, fingerprint, summary

FIRM = hm.CobbDouglas(0.36, 0.08)


class Economy(hm.Model):
    """Aiyagari's economy with a shock to productivity, every equation reading `today`."""

    discount_factor: float = hm.parameter("patience", above=0, below=1, default=0.96)

    def aggregate_shocks(self):
        return hm.MarkovChain([[0.9, 0.1], [0.1, 0.9]], productivity=[0.98, 1.02])

    def idiosyncratic_shock(self):
        return hm.AR1("labor", persistence=0.9, stationary_sd=0.2, states=3, exponential=True, unit_mean=True)

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=100.0)

    def preferences(self):
        return hm.CRRA(1.5)

    def aggregates(self, assets, own, today):
        return {"capital": assets, "labor": own.labor}

    def prices(self, today):
        inputs = (today.capital, today.labor, today.productivity)
        return {"interest_rate": FIRM.interest_rate(*inputs), "wage": FIRM.wage(*inputs)}

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + today.wage * own.labor

    def signal(self, today):
        return {"productivity": today.productivity, "wage": today.wage}

    def outcomes(self, today):
        return {"output": FIRM.output(today.capital, today.labor, today.productivity)}


def test_separate_groups_of_names_are_read_with_a_warning_that_names_the_new_arguments():
    with pytest.warns(FutureWarning) as warned:

        class Separate(Economy):
            def prices(self, aggregates, shocks):
                inputs = (aggregates.capital, aggregates.labor, shocks.productivity)
                return {"interest_rate": FIRM.interest_rate(*inputs), "wage": FIRM.wage(*inputs)}

            def resources(self, assets, own, prices, shocks):
                return (1 + prices.interest_rate) * assets + prices.wage * own.labor

            def signal(self, aggregates, prices, shocks):
                return {"productivity": shocks.productivity, "wage": prices.wage}

            def outcomes(self, aggregates, prices, shocks):
                return {"output": FIRM.output(aggregates.capital, aggregates.labor, shocks.productivity)}

    said = [str(each.message).partition(":")[0] for each in warned]
    assert said[0] == "prices(self, aggregates, shocks) is now written prices(self, today)"
    assert said[1].endswith("resources(self, assets, own, today)") and len(said) == 4
    assert all(each.filename == __file__ for each in warned)
    one, two = (hm.discretize(model(), 20) for model in (Economy, Separate))
    aggregate = Aggregate(jnp.full(one.shape, 1 / (one.shape[0] * one.shape[1])), jnp.asarray(1))
    mine, theirs = (economy.public(aggregate) for economy in (one, two))
    assert mine.prices == theirs.prices and float(mine.prices.wage) > 0
    np.testing.assert_array_equal(one.resources(mine), two.resources(theirs))
    np.testing.assert_array_equal(one.signal(mine), two.signal(theirs))
    assert one.series(mine) == two.series(theirs)


def _reads_an_outcome(self, today):
    return {"interest_rate": today.output - 1.0, "wage": 1.0}


def _reads_itself(self, today):
    return {"interest_rate": today.wage - 1.0, "wage": 1.0}


def _reads_an_aggregate(self, assets, own, today):
    return assets + today.capital


def _reads_a_price(self, assets, own, today):
    return {"capital": assets * today.wage, "labor": own.labor}


@pytest.mark.parametrize(
    ("equation", "wrong", "pieces"),
    [
        (
            "prices",
            _reads_an_outcome,
            ["today.output is not known yet when prices()", "outcomes() returns it"],
        ),
        ("prices", _reads_itself, ["today.wage is not known yet", "prices() itself returns it"]),
        ("resources", _reads_an_aggregate, ["capital is not given to resources()", "let prices() return it too"]),
        ("aggregates", _reads_a_price, ["today.wage is not known yet when aggregates() is called"]),
    ],
)
def test_a_name_read_too_early_is_one_sentence(equation, wrong, pieces, refuses):
    refuses(lambda: hm.check_model(type("Wrong", (Economy,), {equation: wrong})()), *pieces)


def test_the_cure_of_a_name_that_households_are_not_given_works():
    class Cured(Economy):
        def prices(self, today):
            return {**super().prices(today), "wealth": 1.0 * today.capital}

        def resources(self, assets, own, today):
            return super().resources(assets, own, today) + 0.0 * today.wealth

    assert hm.check_model(Cured()).verdict == "undeclared"


def test_equations_under_their_names_of_earlier_versions_are_read_with_a_warning():
    huggett = type(hm.load_model("huggett"))

    with pytest.warns(FutureWarning) as warned:

        class Older(huggett):
            def unknowns(self):
                return {**super().unknowns()}

            def carried(self):
                return {"promise": 0.01}

            def carry(self, today):
                return {"promise": 0.5 * today.promise}

    said = [str(each.message) for each in warned]
    assert sorted(said) == [
        "carried() is now called state_variables(): rename it.",
        "carry() is now called next_state(): rename it.",
        "unknowns() is now called clearing_prices(): rename it.",
    ]
    older = Older(**hm.load_model("huggett").parameters())
    assert older.clearing_prices() == hm.load_model("huggett").clearing_prices() == older.unknowns()
    assert older.state_variables() == {"promise": 0.01}


def test_shipped_models_written_anew_are_those_that_are_listed():
    """Runs of earlier versions are read because rewritten.json says that the equations of today mean the same;
    other economies were written later."""
    listed = set(_rewritten().values())
    later = ("krusell_smith_wealth", "life_cycle", "overlapping_generations", "stock_market", "two_asset_hank")
    models = [hm.load_model(name) for name in hm.model_names() if name not in later]
    assert listed == {summary(fingerprint(model)) for model in models}
    model = hm.load_model("huggett")
    before, after = next(pair for pair in _rewritten().items() if pair[1] == summary(fingerprint(model)))
    assert before != after


def test_an_equation_that_is_misspelled_or_hidden_is_named():
    """An optional equation under another name would never be called, a field of its name would take its place."""
    Aiyagari = type(hm.load_model("aiyagari"))
    with pytest.warns(UserWarning, match=r"Wrong.outcome\(\) is no equation.*did you mean outcomes\(\)\?.*underscore"):

        class Wrong(Aiyagari):
            def outcome(self, today):
                return {"output": 1.0}

    class Fine(Aiyagari):
        def outcomes(self, today):
            return {"income": self._outcome(today) + self.outcome(today)}

        def _outcome(self, today):
            return 1.0

        def outcome(self, today):
            return 1.0

    with pytest.raises(TypeError, match=r"Hides.ages hides the equation ages\(\)"):

        class Hides(Aiyagari):
            ages = 30
