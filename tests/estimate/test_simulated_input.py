"""Moments of series by name agree with hm.moment_table; every wrong input to hm.match_moments is one sentence, before
anything is simulated."""

import dataclasses
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.estimate.matching.series_moments import Fluctuations, moments_of, parse, samples_of
from hank_mfg.evaluate.moments import moment_table
from hank_mfg.model.free import read_free

SERIES = ("output", "consumption", "interest_rate")
UNITS = {"output": "percent", "consumption": "percent", "interest_rate": "percentage points"}
PERIODS = 120
MODEL = hm.load_model("krusell_smith")
BOX = {"risk_aversion": (1, 3), "discount_factor": (0.985, 0.992)}
EMPTY: Any = {field.name: None for field in dataclasses.fields(hm.results.BoxSolution)}
SOLUTION = hm.results.BoxSolution(
    **{**EMPTY, "model": MODEL, "settings": hm.RSPG(), "parameters": read_free(MODEL, BOX)}
)
DATA = pd.DataFrame(
    {"output": np.exp(0.1 * np.sin(np.arange(40.0))), "consumption": 1.0, "interest_rate": "low"},
    index=pd.period_range("1990Q1", periods=40, freq="Q").astype(str),
)
TWO = {"mean(output)": 3.0, "sd(output)": 1.5}


@pytest.fixture(scope="module")
def levels():
    """Two samples of three persistent series."""
    news = np.random.default_rng(0).normal(size=(3, 2, PERIODS))
    walks = {name: 0.02 * np.cumsum(each, axis=1) for name, each in zip(SERIES, news, strict=True)}
    walks["consumption"] += 0.5 * walks["output"]
    return {name: 0.01 * each if name == "interest_rate" else np.exp(each) for name, each in walks.items()}


@pytest.mark.parametrize("filter", [None, "hp", "hamilton"])
def test_moments_are_those_of_the_table(levels, filter):
    names = ["mean(output)", "sd(consumption)", "autocorrelation(interest_rate)", "correlation(interest_rate, output)",
             "sd(consumption) / sd(output)"]  # fmt: skip
    moments = tuple(parse(name, SERIES) for name in names)
    found = moments_of(moments, samples_of(levels, Fluctuations(UNITS, filter)))
    for sample in range(2):
        of_one = {name: each[sample] for name, each in levels.items()}
        options: dict[str, Any] = {"smoothing": None} if filter is None else {"filter": filter}
        table = moment_table(of_one, units=UNITS, **options).data
        how = {None: "", "hp": ", HP-filtered", "hamilton": ", Hamilton-filtered"}[filter]
        expected = [
            table.loc["output", "mean (level)"], table.loc["consumption", f"sd{how} (in unit)"],
            table.loc["interest_rate", f"autocorrelation{how}"],
            table.loc["interest_rate", f"correlation with output{how}"],
            table.loc["consumption", f"sd relative to output{how} (ratio)"],
        ]  # fmt: skip
        assert found[sample] == pytest.approx(expected, rel=1e-9)


def test_growth_and_lags(levels):
    names = ["sd(output)", "autocorrelation(output, 4)", "correlation(consumption, output, 2)",
             "correlation(consumption, output, -1)"]  # fmt: skip
    moments = tuple(parse(name, SERIES) for name in names)
    found = moments_of(moments, samples_of(levels, Fluctuations(UNITS, "growth")))[0]
    output, consumption = (100 * np.diff(np.log(levels[name][0])) for name in ("output", "consumption"))
    expected = [
        output.std(ddof=1), np.corrcoef(output[4:], output[:-4])[0, 1],
        np.corrcoef(consumption[2:], output[:-2])[0, 1], np.corrcoef(consumption[:-1], output[1:])[0, 1],
    ]  # fmt: skip
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_series_below_zero_has_no_moments_in_percent():
    with np.errstate(all="raise"):
        found = samples_of({"output": np.full((1, 30), -1.0)}, Fluctuations(UNITS, "hp"))
    assert np.isnan(found.cycles["output"]).all()


@pytest.mark.parametrize(
    ("targets", "options", "says"),
    [
        ({}, {}, ["targets is empty"]),
        ({"mean(outputs)": 1.0}, {}, ["no series 'outputs'", "did you mean 'output'?"]),
        ({"man(output)": 1.0}, {}, ["no moment 'man(output)'", "did you mean 'mean'?", "sd(output)"]),
        ({"output": 1.0}, {}, ["no moment 'output'"]),
        ({"correlation(output)": 1.0}, {}, ["write correlation(consumption, output)"]),
        ({"autocorrelation(output, 0)": 1.0}, {}, ["write autocorrelation(output)"]),
        ({"mean(output)": "high"}, {}, ["value = 'high' is no number"]),
        ({"mean(output)": hm.Target(1.0, moment=len)}, {}, ["for hm.calibrate"]),
        (TWO, {"periods": None}, ["periods is missing"]),
        (TWO, {"periods": 10}, ["periods = 10", "20 or more"]),
        (TWO, {"periods": 30, "filter": "hamilton"}, ["periods = 30", "36 or more"]),
        ({"mean(output)": 3.0}, {}, ["2 free parameters and 1 moment", "as many moments"]),
        (TWO, {"free": ["patience"]}, ["'patience' is no parameter of the box", "risk_aversion, discount_factor"]),
        (TWO, {"free": []}, ["free is empty"]),
        (TWO, {"filter": "band"}, ["filter = 'band'", "'hamilton'"]),
        (TWO, {"smoothing": 6.25}, ["smoothing = 6.25", "filter='hp'"]),
        (TWO, {"covariance": np.eye(3)}, ["covariance has shape (3, 3)"]),
        (TWO, {"weights": "equal"}, ["weights = 'equal'", "'diagonal'"]),
        (TWO, {"start": {"risk_aversion": 4.0}}, ["start['risk_aversion'] = 4 lies outside"]),
        (TWO, {"samples": 0}, ["samples must be at least 1"]),
        (["mean(output)", "sd(output)"], {}, ["moments without values", "give data"]),
        (TWO, {"data": DATA}, ["list the moments"]),
        (["sd(output)", "sd(output)"], {"data": DATA}, ["'sd(output)' is given twice"]),
        (["sd(output)", "sd(wage)"], {"data": DATA, "periods": None}, ["no such column", "output, consumption"]),
        (["sd(output)", "sd(interest_rate)"], {"data": DATA}, ["'low'", "1990Q1", "no number"]),
        (["sd(output)", "mean(consumption)"], {"data": DATA}, ["data['consumption'] does not vary"]),
        (["sd(output)", "mean(output)"], {"data": DATA}, ["periods = 200, but data have 40"]),
        (["sd(output)", "mean(output)"], {"data": DATA.mask(DATA == 1.0)}, ["is missing in 1990Q1"]),
    ],
)  # fmt: skip
def test_wrong_input_is_one_sentence(targets, options, says):
    with pytest.raises(ValueError) as caught:
        hm.match_moments(SOLUTION, targets, **{"periods": 200, **options})
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and len(re.findall(r"\. [A-Z]", message)) == 0, message
    for words in says:
        assert words in message, message


def test_a_solution_at_one_point_is_refused():
    with pytest.raises(ValueError, match="over a box of parameters"):
        hm.match_moments(MODEL, TWO, periods=200)  # pyright: ignore[reportArgumentType]
