"""The table of accuracy: names with their capitals and units, numbers as they are."""

from hank_mfg.evaluate.accuracy_table import accuracy_rows, gain_rows, law_of_motion_rows

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
    assert rows["Den Haan error, largest (percent)"] == 0.19 and rows["Euler error, mean (percent)"] == 0.002
    assert rows["Mean of capital (level)"] == 39.3460
    assert not any("Goods" in name for name in rows)


def test_a_gain_that_is_not_positive_is_none_found():
    rows = accuracy_rows(CONTENT)
    assert rows["Exploitability, non-anticipative (percent of consumption)"] == "none found"
    assert rows["Exploitability, clairvoyant (percent of consumption)"] == 0.009
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
