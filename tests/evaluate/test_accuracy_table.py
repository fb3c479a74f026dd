"""The table of accuracy: names with their capitals and units, numbers as they are, and a verdict beside each."""

import pytest

from hank_mfg.evaluate.accuracy_table import accuracy_rows, gain_rows, judged_lines, law_of_motion_rows
from hank_mfg.evaluate.bars import BARS, verdicts

CONTENT = {
    "variable": "capital",
    "capital_mean": 39.3460,
    "capital_sd": 0.99,
    "law_of_motion": {"variable": "capital", "intercept": [0.12, 0.14], "slope": [0.966, -0.5], "r2": [0.999999, 1.0]},
    "den_haan_mean_percent": 0.05,
    "den_haan_max_percent": 0.19,
    "euler_error_mean_percent": 0.002,
    "goods_market_residual_max": None,
    "exploitability": {"consumption_percent": {"clairvoyant": 0.009, "nonanticipative": -3e-7}},
}


def test_names_have_capitals_and_units_and_what_was_not_measured_is_left_out():
    rows = accuracy_rows(CONTENT)
    assert rows["Den Haan error, largest (percent)"] == (0.19, "ok")
    assert rows["Euler error, mean (percent)"] == (0.002, "ok") and rows["Mean of capital (level)"] == (39.3460, "")
    assert not any("Goods" in name for name in rows)


def test_a_gain_that_is_not_positive_is_none_found():
    rows = accuracy_rows(CONTENT)
    assert rows["Exploitability, non-anticipative (percent of consumption)"] == ("none found", "ok")
    assert rows["Exploitability, clairvoyant (percent of consumption)"] == (0.009, "ok")
    assert not any("Exploitability" in name for name in accuracy_rows({**CONTENT, "exploitability": None}))


def test_gains_in_utility_come_with_their_standard_errors():
    kinds = {"clairvoyant": 0.00875861, "nonanticipative": -3.1e-7}
    gains = {**kinds, "standard_error": {name: 0.001433 for name in kinds}}
    rows = gain_rows({"exploitability": {**gains, "paths": 16, "horizon": 500, "deviator_updates": 100}})
    assert rows["Gain, clairvoyant (lifetime utility)"] == "0.008759, standard error 0.0014"
    assert rows["Gains are measured over"] == "16 paths, 500 periods, 100 updates of the deviator"
    assert gain_rows({"exploitability": None}) == {}


def test_the_law_of_motion_in_words():
    rows = law_of_motion_rows(CONTENT, ["Bad", "Good"])
    assert rows["Law of motion, Bad"] == "log capital' = 0.12 +0.966 log capital, 1 - R2 = 1e-06"
    assert rows["Law of motion, Good"] == "log capital' = 0.14 -0.5 log capital, 1 - R2 = 0"


@pytest.mark.parametrize("name", [name for name in BARS if "exploitability" not in name and "search" not in name])
def test_a_measure_above_its_bar_says_the_bar_and_one_that_is_no_number_does_not_pass(name):
    limit = BARS[name].limit
    assert verdicts({name: limit}) == {name: "ok"}
    above = verdicts({name: 1.01 * limit})[name]
    assert above.startswith(f"above {limit:g}") and verdicts({name: float("nan")})[name] == above
    assert verdicts({name: None}) == {}
    assert BARS[name].source


def test_verdicts_stand_beside_the_numbers():
    worse = {**CONTENT, "den_haan_max_percent": 0.6, "search": {"percent": 7.4}, "goods_market_residual_max": 2e-6}
    rows = accuracy_rows(worse)
    assert rows["Den Haan error, largest (percent)"] == (0.6, "above 0.5 %")
    assert rows["Gain by search, no first-order condition (percent of consumption)"] == (7.4, "above 0.1 %")
    assert rows["Goods market residual, largest"] == (2e-6, "above 1e-06")
    lines = judged_lines(rows)
    assert next(line for line in lines if line.startswith("Den Haan error, largest")).endswith(
        "0.6         above 0.5 %"
    )
    gains = {"exploitability": {"consumption_percent": {"clairvoyant": 0.3, "nonanticipative": -0.3}}}
    assert verdicts(gains) == {
        "exploitability_clairvoyant_percent": "above 0.1 %", "exploitability_nonanticipative_percent": "ok",
    }  # fmt: skip
