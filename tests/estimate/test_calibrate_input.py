"""Bad input to hm.calibrate: one sentence that names the field, the value and a cure, before anything is compiled."""

import functools
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.cli.calibrate import parse_free, parse_target, run_calibration
from hank_mfg.estimate.calibration.moments import parse_moment
from hank_mfg.estimate.calibration.targets import read_targets, weighting
from hank_mfg.model.free import read_free, read_start

MODEL = hm.load_model(Path(__file__).with_name("two_patience.py"))
BETAS = hm.load_model("krusell_smith_stochastic_beta")
FREE = {"discount_factor": (0.9, 0.98)}
KNOWN = ("capital", "output", "interest_rate", "consumption")
PARSE = functools.partial(parse_moment, quantities=KNOWN)


@pytest.mark.parametrize(
    ("free", "says"),
    [
        ({}, ["free is empty", "'discount_factor'"]),
        ({"discount": (0.9, 0.98)}, ["no parameter 'discount'", "did you mean 'discount_factor'"]),
        ({"discount_factor": 0.9}, ["free['discount_factor'] = 0.9", "(low, high)"]),
        ({"discount_factor": (0.98, 0.9)}, ["write (0.9, 0.98)"]),
        ({"discount_factor": (0.9, 0.9)}, ["lower bound must lie below"]),
        ({"discount_factor": (0.9, float("nan"))}, ["two finite numbers"]),
        ({"discount_factor": (0.9, 1.0)}, ["must be below 1", "upper bound such as 0.9999"]),
        ({"spread": (-0.1, 0.1)}, ["must be at least 0", "lower bound such as 0"]),
        ({"spread[0]": (0.0, 0.1)}, ["spread is one number", "write spread"]),
    ],
)
def test_free_parameters(free, says, refuses):
    refuses(lambda: hm.calibrate(MODEL, free, {"gini": 0.6}), *says)


def test_bounds_that_are_proposed_are_taken():
    (proposed,) = read_free(MODEL, {"discount_factor": (0.9, 0.9999)})
    assert proposed.upper == 0.9999


def test_one_entry_of_a_list(refuses):
    (one,) = read_free(BETAS, {"discount_factor[1]": (0.98, 0.993)})
    assert one.label == "discount_factor[1]" and read_start(BETAS, (one,), None) == [0.9894]
    refuses(lambda: read_free(BETAS, {"discount_factor": (0.9, 0.99)}), "a list of 3 numbers", "discount_factor[0]")
    refuses(lambda: read_free(BETAS, {"discount_factor[3]": (0.9, 0.99)}), "a list of 3 numbers")
    refuses(lambda: read_free(BETAS, {"joint_transition[0]": (0.1, 0.9)}), "a table")


def test_the_start(refuses):
    free = read_free(MODEL, {"discount_factor": (0.9, 0.93), "spread": (0.0, 0.1)})
    assert read_start(MODEL, free, None) == pytest.approx([0.915, 0.02])  # .94 is outside: the middle
    assert read_start(MODEL, free, {"spread": 0.05})[1] == 0.05
    refuses(lambda: read_start(MODEL, free, {"spread": 0.5}), "start['spread'] = 0.5", "(0, 0.1)")
    refuses(lambda: read_start(MODEL, free, {"wage": 1.0}), "start names 'wage'", "discount_factor, spread")


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ({}, ["targets is empty"]),
        ({"capitol": 3.0}, ["no moment 'capitol'", "did you mean 'capital'", "quantile(0.5)"]),
        ({"ginni": 0.6}, ["did you mean 'gini'"]),
        ({"capital / outptu": 3.0}, ["no moment 'outptu'", "did you mean 'output'"]),
        ({"gini": float("nan")}, ["targets['gini']", "not finite"]),
        ({"gini": "much"}, ["value = 'much' is no number"]),
        ({"gini": hm.Target(0.6, standard_error=0.0)}, ["standard_error = 0.0 is not positive"]),
        ({"top_share": 0.5}, ["write top_share(0.1)"]),
        ({"top_share(10)": 0.5}, ["strictly between 0 and 1"]),
        ({"quantile(0.5, consumption)": 0.5}, ["write quantile(0.5)"]),
        ({"gini(wage)": 0.5}, ["gini(consumption)"]),
        ({"mpc": 0.2}, ["write mpc(0.01)"]),
        ({"mpc(0.01, periods=0)": 0.2}, ["write mpc(0.01)"]),
        ({"share_at_limit(0.1)": 0.2}, ["write share_at_limit"]),
        ([3.0], ["targets holds 3.0"]),
        ([{"gini": 0.6}, {"gini": 0.7}], ["'gini' is given twice"]),
        ("nowhere.csv", ["nowhere.csv does not exist"]),
    ],
)
def test_targets(targets, says, refuses):
    refuses(lambda: read_targets(targets, PARSE), *says)


GOOD = '# shares of wealth\nmoment,value,standard_error,source\ngini,0.8,0.01,"survey, 2019"\ncapital / output,3,,\n'


def test_a_file_of_targets_is_read_as_it_is_and_mixed_with_others(tmp_path):
    file = tmp_path / "targets.csv"
    file.write_text(GOOD)
    found = read_targets([file, {"interest_rate": 0.04}], PARSE)
    assert found.names == ("gini", "capital / output", "interest_rate")
    assert found.values.tolist() == [0.8, 3.0, 0.04] and found.sources[0] == "survey, 2019"
    assert found.errors[0] == 0.01 and np.isnan(found.errors[1:]).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["is empty", "moment, value"]),
        ("moment,value\n", ["no targets"]),
        ("moment,valeu\ngini,1\n", ["no column 'value'", "did you mean 'valeu'"]),
        ("moment,value\ngini,\n", ["line 2 has no value"]),
        ("moment,value\n,0.8\n", ["line 2 has no moment"]),
        ("moment,value\n# a comment\ngini,high\n", ["line 3", "'high' is no number"]),
        ("moment,value\ngini,0.8\ngini,0.7\n", ["line 3", "'gini' is there twice"]),
        ("moment,value\ngini,0.8,0.1\n", ["line 2 has 3 entries for 2 columns"]),
        ("moment,value,standard_error\ngini,0.8,nan\n", ["standard_error = nan is not finite"]),
    ],
)
def test_a_file_of_targets_that_is_wrong(text, says, tmp_path, refuses):
    file = tmp_path / "targets.csv"
    file.write_text(text)
    refuses(lambda: read_targets(file, PARSE), "targets.csv", *says)


def test_fewer_targets_than_parameters(refuses):
    free = {**FREE, "spread": (0.0, 0.1)}
    refuses(lambda: hm.calibrate(MODEL, free, {"gini": 0.6}, asset_points=20), "2 free parameters", "1 target (gini)")


def test_weights_and_covariance(refuses):
    targets = read_targets({"gini": hm.Target(0.6, 0.02), "capital": 3.0}, PARSE)
    assert np.diag(weighting(targets, None, None)[0]) == pytest.approx([1 / 0.6**2, 1 / 9])
    assert np.diag(weighting(targets, {"gini": 4.0}, None)[0]).tolist() == [4.0, 1.0]
    matrix, spread = weighting(targets, None, [[0.04, 0.01], [0.01, 0.09]])
    assert matrix @ spread == pytest.approx(np.eye(2))
    refuses(lambda: weighting(targets, {"ginni": 4.0}, None), "weights names 'ginni'", "did you mean 'gini'")
    refuses(lambda: weighting(targets, [1.0], None), "one number per target")
    refuses(lambda: weighting(targets, [1.0, -1.0], None), "zero or positive")
    refuses(lambda: weighting(targets, None, np.eye(3)), "covariance has shape (3, 3)")
    refuses(lambda: weighting(targets, None, [[1.0, 2.0], [2.0, 1.0]]), "positive definite")


@pytest.mark.slow
def test_a_moment_of_the_user_s_that_cannot_be_traced(refuses):
    """Guards docs/calibration.md: a function of your own that JAX cannot trace is said in a sentence."""

    def untraced(moment):
        targets = {"mine": hm.Target(0.3, moment=moment)}
        return lambda: hm.calibrate(MODEL, FREE, targets, asset_points=20)

    refuses(untraced(lambda s: float(s.mass[0, 0])), "'mine' cannot be traced", "jax.numpy")
    refuses(untraced(lambda s: s.wealth), "'mine' cannot be traced", "wealth")
    refuses(untraced(lambda s: jnp.sum(s.mass, axis=0)), "'mine' has the shape (10,)", "one number")


def test_the_command_line(refuses):
    assert parse_free("discount_factor[0]=.9:.99") == ("discount_factor[0]", (0.9, 0.99))
    assert parse_target("mpc(0.01, periods=4)=.5") == ("mpc(0.01, periods=4)", 0.5)
    refuses(lambda: parse_free("discount_factor=.9"), "not of the form NAME=LOW:HIGH", "discount_factor=.9:.999")
    refuses(lambda: parse_target("gini"), "not of the form MOMENT=VALUE")
    refuses(lambda: parse_target("=0.5"), "names no moment")

    def run(free, target):
        return lambda: run_calibration(
            "aiyagari", {}, free, target, [], start={}, out=None, asset_points=20, tell=lambda _: None
        )

    one = "discount_factor=.9:.98"
    refuses(run([one], []), "give --target MOMENT=VALUE", "--targets FILE.csv")
    refuses(run([one, one], ["gini=.6"]), "--free names 'discount_factor' twice")
