"""Every declaration error is one sentence that names the field, its value and the cure."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.environment.markov import discretize_ar1
from hank_mfg.model.base import check_names, named, parameter_names
from hank_mfg.model.named import Named

FAIR = [[0.9, 0.1], [0.5, 0.5]]


class Small(hm.Model):
    """A complete economy with fixed prices."""

    discount_factor: float = hm.parameter("patience", above=0, below=1, default=0.95)
    risk_aversion: float = hm.parameter("curvature", above=0, default=2.0)
    incomes: list = hm.parameter("in each state", above=0, default=[0.5, 1.0])
    limit: float = hm.parameter(default=0.0)
    label: str = dataclasses.field(default="plain", kw_only=True)

    def idiosyncratic_shock(self):
        return hm.MarkovChain(FAIR, income=self.incomes)

    def asset_space(self):
        return hm.Assets(lower=self.limit, upper=20.0)

    def preferences(self):
        return hm.CRRA(self.risk_aversion)

    def aggregates(self, assets, own, today):
        return {"capital": assets}

    def prices(self, today):
        return {"interest_rate": 0.02}

    def resources(self, assets, own, today):
        return (1 + today.interest_rate) * assets + own.income

    def signal(self, today):
        return {"interest_rate": today.interest_rate}


@pytest.mark.parametrize(
    ("declare", "pieces"),
    [
        (lambda: Small(discount_factor=1.2), ("Small.discount_factor = 1.2", "below 1", "where it is given by hand")),
        (lambda: Small(discount_factor=0), ("Small.discount_factor = 0", "patience", "above 0")),
        (lambda: Small(incomes=[1.0, -1.0]), ("Small.incomes = [1.0, -1.0]", "above 0")),
        (lambda: Small(risk_aversion=float("nan")), ("Small.risk_aversion = nan", "finite")),
        (lambda: Small(risk_aversion=float("inf")), ("Small.risk_aversion = inf", "must be finite")),
        (lambda: Small(risk_aversion="two"), ("Small.risk_aversion = 'two'", "not a number")),
        (lambda: Small().with_parameters(limit=30.0).asset_space(), ("lower=30.0, upper=20.0", "borrowing limit")),
        (lambda: Small().with_parameters(discount=0.9), ("no parameter 'discount'", "did you mean 'discount_factor'?")),
        (lambda: check_names(Small, ["zzz"]), ("no parameter 'zzz'", "discount_factor, risk_aversion, incomes, limit")),
        (lambda: hm.Assets(5.0, 1.0), ("Assets(lower=5.0, upper=1.0)", "at or above the top")),
        (lambda: hm.Assets(np.float32(5), jnp.ones(())), ("Assets(", "at or above the top")),
        (lambda: hm.Assets(0.0, 1.0, curvature=0.5), ("Assets(curvature=0.5)", "use 1")),
        (lambda: hm.CRRA(0.0), ("CRRA(risk_aversion=0.0)", "use 1 for log utility")),
        (lambda: hm.CobbDouglas(1.0, 0.1), ("capital_share=1.0", "outside (0, 1)", "0.36")),
        (lambda: hm.CobbDouglas(0.3, 2.0), ("depreciation=2.0", "outside [0, 1]", "0.025")),
        (lambda: hm.MarkovChain([[0.9, 0.2], [0.5, 0.5]], z=[1, 2]), ("MarkovChain(z)", "row 0", "1.1", "correct")),
        (lambda: hm.MarkovChain([[1.2, -0.2], [0.5, 0.5]], z=[1, 2]), ("[0, 1] = -0.2", "not negative")),
        (lambda: hm.MarkovChain([[np.inf, 0], [0.5, 0.5]], z=[1, 2]), ("[0, 0] = inf", "must be finite")),
        (lambda: hm.MarkovChain([[0.5, 0.5]], z=[1]), ("shape (1, 2)", "square")),
        (lambda: hm.MarkovChain(FAIR, z=[1, 2, 3]), ("MarkovChain(z=...)", "shape (3,)", "2 states")),
        (lambda: hm.MarkovChain(FAIR, z=[1, np.nan]), ("MarkovChain(z=[1, nan])", "finite")),
        (lambda: hm.MarkovChain(FAIR), ("names no values", "income=[0.5, 1]")),
        (lambda: hm.ConditionalChain(FAIR, z=[1, 2]), ("ConditionalChain(z)", "shape (2, 2)", "(aggregate, aggregate")),
        (lambda: hm.AR1("z", persistence=1.0, innovation_sd=0.1), ("AR1('z', persistence=1.0)", "between -1 and 1")),
        (lambda: hm.AR1("z", 0.5), ("innovation_sd=None and stationary_sd=None", "exactly one")),
        (lambda: hm.AR1("z", 0.5, 0.1, 0.2), ("innovation_sd=0.1 and stationary_sd=0.2", "exactly one")),
        (lambda: hm.AR1("z", 0.5, -0.1), ("innovation_sd=-0.1", "must be positive")),
        (lambda: hm.AR1("z", 0.5, stationary_sd=0.0), ("stationary_sd=0.0", "leave the shock out")),
        (lambda: hm.AR1("z", 0.5, 0.1, states=1), ("states=1", "2 or more")),
        (lambda: hm.AR1("z", 0.5, 0.1, states=2.5), ("states=2.5", "whole number")),
        (lambda: hm.AR1("z", 0.5, 0.1, method="simpson"), ("method='simpson'", "'rouwenhorst' or 'tauchen'")),
        (lambda: hm.permanent_types([0.3, 0.6], beta=[0.9, 0.95]), ("shares sum to 0.9, not 1", "correct")),
        (lambda: hm.permanent_types([0.3, 0.7 + 1e-7], beta=[0.9, 0.95]), ("sum to 1.0000001, not 1", "correct")),
        (lambda: hm.permanent_types([1.2, -0.2], beta=[0.9, 0.95]), ("shares[1] = -0.2", "leave out a type")),
        (lambda: hm.permanent_types([1.0, 0.0], beta=[0.9, 0.95]), ("shares[1] = 0", "leave out a type")),
        (lambda: hm.permanent_types([0.5, np.nan], beta=[0.9, 0.95]), ("shares[1] = nan", "positive", "correct it")),
        (lambda: hm.permanent_types(1.0, beta=[0.9]), ("shares has shape ()", "one number per type", "[0.4, 0.6]")),
        (lambda: hm.permanent_types([0.4, 0.6], beta=[0.9]), ("permanent_types(beta=...)", "shape (1,)", "2 types")),
        (lambda: hm.permanent_types([0.4, 0.6]), ("permanent_types names no values", "permanent_types(shares, income")),
        (lambda: hm.split_joint_chain(np.eye(3), own_states=2), ("shape (3, 3)", "2 individual states")),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_refused_in_one_sentence(refuses, declare, pieces):
    refuses(declare, *pieces)


def test_an_aggregate_move_that_depends_on_the_individual_is_refused(refuses):
    joint = [[0.5, 0.2, 0.2, 0.1], [0.3, 0.3, 0.2, 0.2], [0.2, 0.2, 0.3, 0.3], [0.2, 0.2, 0.3, 0.3]]
    refuses(lambda: hm.split_joint_chain(joint, own_states=2), "joint chain", "0.1", "same row sums")


def test_a_model_without_its_methods_or_discount_factor_is_refused(refuses):
    class Bare(hm.Model):
        discount_factor: float = hm.parameter(default=0.9)

    class Impatient(hm.Model):
        pass

    refuses(Bare, "Bare does not define idiosyncratic_shock(), asset_space()", "hank-mfg new my_model.py")
    refuses(Impatient, "Impatient declares no discount_factor", "parameter('patience per period', above=0, below=1)")


@pytest.mark.parametrize(
    ("group", "wrong", "hint"),
    [("shocks", "productivty", "did you mean 'productivity'?"), ("prices", "wag", "did you mean 'wage'?"),
     ("own", "zzz", "declare it or correct the spelling.")],
)  # fmt: skip
def test_a_name_that_was_not_declared_is_an_error_with_the_declared_ones(group, wrong, hint):
    values = Named(group, {"productivity": 1.0, "wage": 2.0})
    for read, kind in ((lambda: getattr(values, wrong), AttributeError), (lambda: values[wrong], KeyError)):
        with pytest.raises(kind, match=f"{group} has no '{wrong}'.*declared names: productivity, wage") as caught:
            read()
        assert caught.value.args[0].endswith(hint)


def test_a_method_must_return_named_quantities():
    with pytest.raises(TypeError, match=r"prices\(\) returned float: return a dict that names each quantity"):
        named("prices", 0.04, "prices")


def test_with_parameters_keeps_every_other_field():
    changed = Small(label="fancy", limit=-1.0).with_parameters(discount_factor=0.9)
    assert (changed.label, changed.limit, changed.discount_factor) == ("fancy", -1.0, 0.9)
    assert parameter_names(Small) == ["discount_factor", "risk_aversion", "incomes", "limit"]
    assert "label" not in changed.parameters()


def test_defaults_that_are_lists_are_not_shared():
    first, second = Small(), Small()
    assert first.incomes == second.incomes and first.incomes is not second.incomes


def test_parameters_are_leaves_and_tracers_are_not_checked():
    def utility(model):
        return model.preferences().utility(2.0) + model.discount_factor

    gradient = jax.grad(lambda g: utility(Small(risk_aversion=g)))(2.0)
    assert float(gradient) == pytest.approx(0.5 * np.log(2) - 0.5, rel=1e-5)
    many = jax.vmap(lambda beta: utility(Small(discount_factor=beta)))(jnp.array([0.9, 0.95]))
    assert many.shape == (2,)


def test_float32_probabilities_get_the_rounding_of_float32():
    row = np.full(7, 1 / 7, np.float32)
    hm.MarkovChain(np.tile(row, (7, 1)), z=np.arange(7.0))


def test_the_joint_chain_is_the_product_of_its_parts():
    joint = hm.load_model("krusell_smith").joint_transition
    aggregate, conditional = hm.split_joint_chain(joint, own_states=2)
    rebuilt = (aggregate[:, :, None, None] * conditional).transpose(0, 2, 1, 3).reshape(4, 4)
    np.testing.assert_allclose(rebuilt, joint, atol=1e-6)
    np.testing.assert_allclose(conditional.sum(axis=-1), 1.0, atol=1e-12)


def test_independent_chains_multiply_with_the_first_outermost_whether_or_not_the_second_follows_the_aggregate():
    slow = hm.MarkovChain([[0.9, 0.1], [0.2, 0.8]], patience=[0.95, 0.97])
    fast = hm.MarkovChain([[0.5, 0.5, 0.0], [0.1, 0.8, 0.1], [0.0, 0.3, 0.7]], labor=[0.5, 1.0, 1.5])
    both = hm.independent_chains(slow, fast)
    np.testing.assert_allclose(both.transition, np.kron(slow.transition, fast.transition), atol=1e-16)
    np.testing.assert_array_equal(both.values.patience, [0.95] * 3 + [0.97] * 3)
    np.testing.assert_array_equal(both.values.labor, [0.5, 1.0, 1.5] * 2)
    moves = np.stack([np.stack([np.eye(2), np.full((2, 2), 0.5)]), np.stack([np.full((2, 2), 0.5), np.eye(2)])])
    conditional = hm.independent_chains(slow, hm.ConditionalChain(moves, employed=[0.0, 1.0]))
    for today in range(2):
        for tomorrow in range(2):
            expected = np.kron(slow.transition, moves[today, tomorrow])
            np.testing.assert_allclose(conditional.transition[today, tomorrow], expected, atol=1e-16)
    with pytest.raises(ValueError, match="both chains name 'labor': give each quantity its own name"):
        hm.independent_chains(hm.MarkovChain([[1.0]], labor=[1.0]), fast)


def test_an_ar1_is_a_chain_like_any_other():
    labor, health = hm.AR1("labor", 0.9, stationary_sd=0.2, states=3), hm.MarkovChain(np.full((2, 2), 0.5), sick=[0, 1])
    chain = discretize_ar1(labor)
    np.testing.assert_allclose(
        hm.independent_chains(health, labor).transition, np.kron(health.transition, chain.transition), atol=1e-16
    )
    np.testing.assert_array_equal(hm.independent_chains(labor, health).values.labor, np.repeat(chain.values.labor, 2))


def test_permanent_types_come_first_wherever_they_are_declared():
    types = hm.permanent_types([0.3, 0.7], patience=[0.95, 0.97])
    skill = hm.permanent_types([0.2, 0.5, 0.3], skill=[1.0, 2.0, 3.0])
    slow = hm.MarkovChain([[0.9, 0.1], [0.2, 0.8]], health=[0.0, 1.0])
    inner = hm.independent_chains(slow, hm.independent_chains(skill, hm.AR1("labor", 0.9, stationary_sd=0.2, states=2)))
    chain = hm.independent_chains(types, inner)
    np.testing.assert_allclose(chain.shares, np.kron(types.shares, skill.shares), atol=1e-16)
    for name, outer, count in (("patience", 1, 12), ("skill", 2, 4), ("health", 6, 2), ("labor", 12, 1)):
        values = chain.values[name].reshape(outer, -1, count)
        assert (values == values[:1, :, :1]).all(), name
    block = np.kron(slow.transition, [[0.95, 0.05], [0.05, 0.95]])
    np.testing.assert_allclose(chain.transition, np.kron(np.eye(6), block), atol=1e-15)
