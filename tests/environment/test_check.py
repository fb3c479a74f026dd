"""check_model: a mistake in a model file is one sentence that names the place and the cure."""

import pytest

import hank_mfg as hm

WAGE_BILL = "today.wage * own.labor"
SEEN = ("productivity", "today.productivity"), ("interest_rate", "today.interest_rate"), ("wage", "today.wage")
SIGNAL = "\n".join(f'            "{name}": {value},' for name, value in SEEN)
OUTPUT = "self.production().output(today.capital"
ODD = "class Odd(hm.CRRA):\n    def marginal_utility(self, c):\n        return c\n\n\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", hm.model_names())
def test_every_shipped_economy_passes(name):
    """Guards docs/index.md, 'Economies': every equation of each shipped economy passes `hm.check_model`."""
    hm.check_model(hm.load_model(name))


def test_the_example_passes(write_model):
    hm.check_model(hm.load_model(write_model()))


MISTAKES = {
    "an unknown price": (
        [(WAGE_BILL, "today.wag * own.labor")],
        ["my_model.py, line", "in resources()", "today has no 'wag'", "interest_rate, wage", "did you mean 'wage'?"],
    ),
    "an unknown own state": (
        [(WAGE_BILL, "today.wage * own.skill")],
        ["in resources()", "own has no 'skill'", "declared names: labor"],
    ),
    "an unknown shock": (
        [("today.labor, today.productivity)\n        return", "today.labor, today.tfp)\n        return")],
        ["in prices()", "today has no 'tfp'", "declared names: productivity"],
    ),
    "an unknown aggregate": (
        [(OUTPUT, OUTPUT.replace("capital", "kapital"))],
        ["in outcomes()", "today has no 'kapital'", "did you mean 'capital'?"],
    ),
    "an unknown name in goods_market": (
        [("today.output + (1.0", "today.product + (1.0")],
        ["in goods_market()", "today has no 'product'", "productivity, capital, labor, interest_rate, wage, output"],
    ),
    "a variable that does not exist": (
        [(WAGE_BILL, "wage * own.labor")],
        ["my_model.py, line", "in resources()", "NameError: name 'wage' is not defined."],
    ),
    "an unknown parameter": (
        [("hm.CRRA(self.risk_aversion)", "hm.CRRA(self.risk_aversio)")],
        ["in preferences()", "MyModel has no 'risk_aversio'", "did you mean self.risk_aversion?"],
    ),
    "a mistake in a method of one's own": (
        [("hm.CobbDouglas(self.capital_share, self.depreciation)", "hm.CobbDouglas(self.capital_share)")],
        ["my_model.py, line", "in production()", "TypeError", "depreciation"],
    ),
    "a declaration out of range": (
        [("hm.Assets(lower=self.borrowing_limit, upper=self.maximum_assets)", "hm.Assets(lower=3.0, upper=2.0)")],
        ["in asset_space()", "Assets(lower=3.0, upper=2.0)", "at or above the top"],
    ),
    "a Python branch on an array": (
        [("return (1.0 + today", "if today.wage > 1:\n            pass\n        return (1.0 + today")],
        ["in resources()", "`if`", "jax.numpy.where"],
    ),
    "math instead of jax.numpy": (
        [(WAGE_BILL, "__import__('math').exp(today.wage) * own.labor")],
        ["in resources()", "float(), math or numpy", "jax.numpy"],
    ),
    "a price that is not a number": (
        [('"wage": self.production().wage(*factors),', '"wage": "high",')],
        ["MyModel.prices(): wage is of type str, not a number"],
    ),
    "a price for each household": (
        [('"productivity": today.prod', '"productivity": __import__("numpy").ones(3) * today.prod')],
        ["MyModel.signal(): productivity has shape (3,) instead of being one number"],
    ),
    "resources of the wrong shape": (
        [("(1.0 + today.interest_rate) * assets + " + WAGE_BILL, f"(assets + {WAGE_BILL}).T")],
        ["MyModel.resources(): the result has shape (7, 32)", "does not broadcast to (assets, income) = (32, 7)"],
    ),
    "arrays that do not broadcast": (
        [("assets + " + WAGE_BILL, "assets[:, 0] + " + WAGE_BILL)],
        ["my_model.py, line", "in resources()", "ValueError", "(32,)", "(1, 7)"],
    ),
    "not a dict": (
        [('return {"capital": assets, "labor": own.labor}', "return assets")],
        ["MyModel.aggregates() returned", "return a dict that names each quantity"],
    ),
    "nothing to see": ([(SIGNAL, "")], ["MyModel.signal() names nothing", "at least one public signal"]),
    "a name used twice": (
        [('return {"output": self', 'return {"wage": 1.0, "output": self')],
        ["MyModel declares 'wage' in prices() and in outcomes()", "its own name"],
    ),
    "a price that is not finite": (
        [("interest_rate(*factors),", "interest_rate(*factors) / (today.productivity * 0.0),")],
        ["MyModel.prices(): interest_rate is", "at capital = ", "productivity = ", "check its formula"],
    ),
    "resources that are not finite": (
        [("assets + " + WAGE_BILL, "(assets - 1.0) ** 0.5 + " + WAGE_BILL)],
        ["MyModel.resources(): cash on hand is nan at assets = 0, labor = ", "interest_rate = "],
    ),
    "a debt that cannot be repaid": (
        [("at_most=0, default=0.0", "at_most=0, default=-40.0")],
        ["MyModel.resources(): a household with assets = -40, labor = ", "borrowing limit -40", "tighten"],
    ),
    "a parameter that nothing reads": (
        [("    # Shocks. `exp", "    tax: float = hm.parameter('of labor', default=0.3)\n\n    # Shocks. `exp")],
        ["MyModel declares tax but no equation reads it", "use it or delete it"],
    ),
    "no shock": (
        [("return hm.AR1(\n            \"labor\"", "return dict(name=\"labor\"")],
        ["MyModel.idiosyncratic_shock(): ", "is not a shock: declare a MarkovChain, an AR1, a VAR1 or"],
    ),
    "preferences without their formulas": (
        [("return hm.CRRA(self.risk_aversion)", "return self.risk_aversion")],
        ["MyModel.preferences() returned float without utility()", "hm.CRRA(...)"],
    ),
    "marginal utility that is not": (
        [("return hm.CRRA(self.risk_aversion)", "return Odd(self.risk_aversion)"),
         ("class MyModel", f"{ODD}class MyModel")],
        ["Odd: at consumption [0.5 1.  2. ] marginal_utility is [0.5 1.  2. ]", "the derivative of utility"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_that_names_it(write_model, refuses, points_to, mistake):
    replacements, pieces = MISTAKES[mistake]
    path = write_model(*replacements)
    message = refuses(lambda: hm.check_model(hm.load_model(path)), *pieces)
    if ", line " in message:
        points_to(message, path, replacements)


def test_a_parameter_that_matters_only_beside_another_is_read(write_model):
    """Progressivity does nothing while the tax is zero; it is still part of the model."""
    model = hm.load_model(
        write_model(
            ("    # Shocks. `exp", "    tax: float = hm.parameter('t', default=0.0)\n"
             "    progressivity: float = hm.parameter('p', default=0.2)\n\n    # Shocks. `exp"),
            (WAGE_BILL, WAGE_BILL + " - self.tax * own.labor ** (1 + self.progressivity)"),
        )
    )  # fmt: skip
    hm.check_model(model)


@pytest.mark.slow
def test_a_parameter_that_belongs_to_one_word_is_read(write_model, refuses):
    """How often a private hunch is right matters only to who has hunches; a word that reads nothing is no excuse."""
    hm.check_model(hm.load_model("krusell_smith_noisy"))
    hm.check_model(hm.load_model("krusell_smith_noisy", information="private_filter", private_memory=2))
    fields = (
        "    tax: float = hm.parameter('of labor', default=0.3)\n"
        "    regime: int = hm.choice('r', options=(1, 2), default=1)\n\n    # Shocks. `exp"
    )
    path = write_model(("    # Shocks. `exp", fields))
    refuses(lambda: hm.check_model(hm.load_model(path)), "declares tax but no equation reads it")
    hm.check_model(
        hm.load_model(
            write_model(
                ("    # Shocks. `exp", fields),
                (WAGE_BILL, WAGE_BILL + " * (1 - self.tax if self.regime == 2 else 1)"), name="taxed.py",
            )
        )
    )  # fmt: skip


def test_equations_may_use_what_only_jax_arrays_have(write_model):
    hm.check_model(hm.load_model(write_model(("* assets + ", "* assets.at[0].add(0.0) + "))))


def test_the_example_has_room_for_some_debt(write_model):
    hm.check_model(hm.load_model(write_model(("at_most=0, default=0.0", "at_most=0, default=-2.0"))))


def test_a_limit_between_the_natural_ones_is_left_to_the_solver(write_model):
    """Prices are unknown before a solve: what is payable at a lower interest rate than 1/beta - 1 is no mistake."""
    model = hm.load_model(write_model(("at_most=0, default=0.0", "at_most=0, default=-11.0")))
    hm.check_model(model)


def test_a_class_from_a_notebook_is_checked_too(refuses):
    class Notebook(type(hm.load_model("aiyagari"))):
        def resources(self, assets, own, today):
            return today.wagge * own.labor

    model = Notebook(**hm.load_model("aiyagari").parameters())
    refuses(lambda: hm.check_model(model), "test_check.py, line", "in resources()", "did you mean 'wage'?")


def test_an_aggregate_shock_that_nothing_reads_is_refused():
    """Responses to it would all be zero. One that only signals name may be what a study of sunspots wants."""

    aiyagari = type(hm.load_model("aiyagari"))

    class Shocked(aiyagari):
        def aggregate_shocks(self):
            return hm.AR1("productivity", persistence=0.9, innovation_sd=0.01, states=3, exponential=True)

    class Seen(Shocked):
        def signal(self, today):
            return {**super().signal(today), "productivity": today.productivity}

    values = hm.load_model("aiyagari").parameters()
    with pytest.raises(ValueError, match=r"aggregate_shocks\(\) declares productivity, but no equation reads it"):
        hm.check_model(Shocked(**values))
    hm.check_model(Seen(**values))
