"""Figures of estimations: what is drawn is what was computed, on the dates of the data."""

# The type stubs of pandas and matplotlib are wider than what these calls return.
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportIndexIssue=false
# pyright: reportGeneralTypeIssues=false, reportOptionalSubscript=false

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.dates import date2num

from hank_mfg.report.estimation_figures import _few_dates, plot_forecast, plot_historical_decomposition
from hank_mfg.report.style import journal_style, panels

QUANTILES = ("5 %", "25 %", "50 %", "75 %", "95 %")


def posterior(periods: pd.Index) -> Any:
    """Forecasts of one column, with quantiles 1 to 5 in every period ahead, after a sample that ends at 0.5."""
    columns = pd.MultiIndex.from_product([["gdp"], QUANTILES])
    sample = SimpleNamespace(columns=("gdp",), periods=periods, values=np.linspace(-1.0, 0.5, len(periods))[:, None])

    def forecast(count: int) -> pd.DataFrame:
        return pd.DataFrame(np.tile(np.arange(1.0, 6.0), (count, 1)), pd.RangeIndex(1, count + 1), columns)

    return SimpleNamespace(likelihood=SimpleNamespace(sample=sample), forecast=forecast)


@pytest.mark.parametrize(
    ("periods", "last", "after"),
    [
        (pd.period_range("1999Q1", "2004Q4", freq="Q"), date2num(np.datetime64("2004-10-01")), "2005-04-01"),
        (pd.RangeIndex(1, 25), 0, None),
    ],
)
def test_a_forecast_opens_at_the_last_observation(periods, last, after):
    (ax,) = plot_forecast(posterior(periods), 2, before=8).axes
    median, past = (line for line in ax.get_lines() if len(line.get_xdata()) in (3, 8))
    assert median.get_ydata().tolist() == [0.5, 3.0, 3.0] and past.get_ydata()[-1] == 0.5
    times = [np.asarray(ax.convert_xunits(line.get_xdata()), float) for line in (median, past)]
    assert times[0][0] == times[1][-1] == last
    assert times[0][-1] == (2 if after is None else date2num(np.datetime64(after)))
    outer, inner = (each for each in ax.collections if isinstance(each, PolyCollection))
    for band, high in ((outer, 5.0), (inner, 4.0)):
        heights = band.get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == (0.5, high)
    assert outer.get_facecolor()[0, 0] > inner.get_facecolor()[0, 0]  # darker toward the middle


def test_a_decomposition_names_units_and_what_was_estimated():
    parts = {"demand": [1.0, -1.0, 2.0], "supply": [1.0, 2.0, -1.0], "data": [2.0, 1.0, 1.0]}
    columns = pd.MultiIndex.from_product([["gdp"], parts])
    table = pd.DataFrame(np.transpose(list(parts.values())), pd.RangeIndex(3), columns)
    likelihood = SimpleNamespace(sample=SimpleNamespace(columns=("gdp",)), innovations=("demand", "supply"))
    made: Any = SimpleNamespace(likelihood=likelihood, historical_decomposition=lambda values: table)
    figure = plot_historical_decomposition(made, units={"gdp": "Percent"}, note="Shocks only.")
    (ax,) = figure.axes
    assert ax.get_ylabel() == "Percent" and figure.get_supxlabel().endswith("Shocks only.")
    (line,) = (each for each in ax.get_lines() if each.get_label() == "Data")
    assert line.get_ydata().tolist() == parts["data"] and line.get_path_effects()  # a halo on dark bars
    assert "at given parameters" in plot_historical_decomposition(made, {"demand_sd": 1.0}).get_supxlabel()


@pytest.mark.parametrize(
    ("first", "last", "frequency", "labels"),
    [
        ("1984Q1", "2004Q4", "Q", ["1985", "1990", "1995", "2000"]),
        ("2003Q2", "2006Q1", "Q", ["2004", "2005", "2006"]),
        ("2004Q2", "2005Q1", "Q", ["2004Q2", "2004Q3", "2004Q4", "2005Q1"]),
        ("1900", "1990", "Y", ["1900", "1920", "1940", "1960", "1980"]),
    ],
)
def test_few_dates_are_shown(first, last, frequency, labels):
    with journal_style():
        (ax,) = panels(1, 1, 3.5, 2.0, "")[1]
        periods = pd.period_range(first, last, freq=frequency)
        ax.plot(periods.to_timestamp(), np.zeros(len(periods)))
        _few_dates(ax, periods)
        assert [label.get_text() for label in ax.get_xticklabels()] == labels
