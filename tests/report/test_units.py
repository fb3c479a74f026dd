"""Units are what the model declares; a name says nothing, and a series that reaches zero has no percent."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.cli.compare import comparison_lines
from hank_mfg.evaluate.compare import Comparison, Responses
from hank_mfg.evaluate.compare_tables import gaps_to_latex
from hank_mfg.evaluate.impulse_response import ImpulseResponse
from hank_mfg.evaluate.moments import moment_table
from hank_mfg.evaluate.units import change_in, unit_of
from hank_mfg.model.units import declared_kinds

# Each named against its kind, with values before and after, and what is right.
SERIES = {
    "wage_rate": ("level", 2.0, 2.02, "percent", 1.0),
    "exchange_rate": ("level", 1.5, 1.47, "percent", -2.0),
    "net_exports": ("level", -0.1, 0.2, "level", 0.3),
    "r": ("rate", 0.04, 0.0412, "percentage points", 0.12),
    "yield_on_bonds": ("rate", -0.01, 0.01, "percentage points", 2.0),
    "tax": ("level", 0.5, 0.505, "percent", 1.0),
    "inflation_level": ("rate", 0.02, 0.03, "percentage points", 1.0),
    "unemployment": ("level", 4.0, 5.0, "percent", 25.0),
    "jobless": ("share", 0.05, 0.06, "percentage points", 1.0),
    "savings_rate": ("level", 0.0, 0.1, "level", 0.1),
}


class Named(hm.Model):
    """An economy of which only the names matter."""

    period = "quarter"
    discount_factor: float = hm.parameter("beta", above=0, below=1, default=0.9)

    def idiosyncratic_shock(self):
        return hm.MarkovChain([[0.5, 0.5], [0.5, 0.5]], skill=[0.5, 1.5])

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=10.0)

    def preferences(self):
        return hm.CRRA(2.0)

    def aggregates(self, assets, own, today):
        return {"capital": assets}

    def prices(self, today):
        return {"r": 0.04 / today.capital}

    def resources(self, assets, own, today):
        return (1 + today.r) * assets + own.skill * self.discount_factor

    def signal(self, today):
        return {"r": today.r}

    def outcomes(self, today):
        return {name: today.r for name in SERIES if name != "r"}

    def units(self):
        return {name: kind for name, (kind, *_) in SERIES.items()}


def test_ten_series_named_against_their_kind():
    kinds = declared_kinds(Named(), SERIES)
    units, mean = {}, {}
    for name, (_, before, after, unit, change) in SERIES.items():
        units[name] = unit_of(kinds[name], np.array([before]), np.array([after]))
        mean[name] = change_in(units[name], np.array([before]), np.array([after]))
        assert units[name] == unit
        np.testing.assert_allclose(mean[name], change, rtol=1e-12)
    rates = tuple(name for name in SERIES if kinds[name] == "rate")
    response = ImpulseResponse(
        "r", 1.0, "level", 1, mean, mean, mean, mean, units, 0.9, 2, 1, "", "quarter", rates
    )  # fmt: skip
    columns = set(response.to_frame())
    assert {"wage_rate_percent", "net_exports_level", "r_percentage_points", "r_error_percentage_points"} <= columns
    yearly = response.annualized()
    np.testing.assert_allclose(yearly.mean["r"], 0.48)
    np.testing.assert_allclose(yearly.mean["jobless"], 1.0)  # a share is no rate
    assert yearly.units["r"] == "percentage points a year" and yearly.units["wage_rate"] == "percent"
    with pytest.raises(ValueError, match="does not declare its period"):
        dataclasses.replace(response, period="").annualized()


def test_a_wrong_declaration_is_refused(refuses):
    hm.check_model(Named())
    misspelled = type("Misspelled", (Named,), {"units": lambda self: {"wage_rat": "level"}})
    refuses(lambda: hm.check_model(misspelled()), "'wage_rat'", "wage_rate")
    odd = type("Odd", (Named,), {"units": lambda self: {"r": "percent"}})
    refuses(lambda: hm.check_model(odd()), "'percent'", "'rate'", "'share'", "'level'")


@pytest.mark.parametrize("period", ["quarterly", 4, "Quarter"])
def test_a_wrong_period_is_refused(refuses, period):
    refuses(type("Odd", (Named,), {"period": period}), f"{period!r}", "'quarter'")


def test_the_calibration_agrees_with_the_class_or_fills_it_in(refuses, write_model, tmp_path):
    path = write_model()
    assert hm.load_model(path).period == "year"
    (tmp_path / "my_model.toml").write_text('period = "quarter"\n')
    refuses(lambda: hm.load_model(path), 'period = "quarter"', 'period = "year"')
    silent = write_model(('    period = "year"\n', ""))
    assert hm.load_model(silent).period == "quarter"
    assert hm.load_model(silent, discount_factor=0.9).with_parameters(risk_aversion=3.0).period == "quarter"


SHOWN = ("r", "wage_rate", "exchange_rate", "net_exports")
UNITS = {name: SERIES[name][3] for name in SHOWN}
PATH = 0.9 ** np.arange(8)


def test_axes_name_the_unit_that_is_declared_and_count_quarters():
    """The labels of figures, not their pixels: a wage rate in percent, a rate per quarter, what crosses zero in its own
    units."""
    mean = dict.fromkeys(SHOWN, PATH)
    response = ImpulseResponse(
        "terms", 1.0, "percent", 8, mean, mean, mean, mean, UNITS, 0.9, 2, 1, "", "quarter", ("r",)
    )  # fmt: skip
    figure = hm.plot.impulse_response(response)
    labels = {panel.get_title(): panel.get_ylabel() for panel in figure.axes if panel.axison}
    assert labels == {
        "r": "Points per quarter", "Wage rate": "Percent", "Exchange rate": "Percent", "Net exports": "Level",
    }  # fmt: skip
    assert figure.axes[-1].get_xlabel() == "Quarters since the shock"
    assert "Shock: Terms +1 percent, in quarter 0." in figure.get_supxlabel()
    yearly = hm.plot.impulse_response(response.annualized(), ["r"])
    assert yearly.axes[0].get_ylabel() == "Percentage points a year"


def test_a_comparison_names_units_and_quarters_in_its_figure_and_tables():
    mean = {method: dict.fromkeys(SHOWN, PATH) for method in ("Linear", "Perfect foresight", "RSPG")}
    bands = {"RSPG": mean["RSPG"]}
    responses = (Responses(0.01, {}, mean, bands, bands, bands),)
    methods = pd.DataFrame({"What it is": ["a", "b", "c"]}, index=list(mean))
    side = Comparison(
        "terms", 1.0, (0.01,), ("+1 %",), 8, UNITS, responses, methods, "", "percent", "quarter", ("r",)
    )  # fmt: skip
    figure = hm.plot.comparison(side, SHOWN)
    assert [panel.get_title() for panel in figure.axes[:4]] == [
        "r\n(points per quarter)", "Wage rate\n(percent)", "Exchange rate\n(percent)", "Net exports\n(level)",
    ]  # fmt: skip
    assert figure.axes[4].get_title() == "largest 0 in quarter 0"
    assert [panel.get_xlabel() for panel in figure.axes[8:]] == 4 * ["Quarters since the shock"]
    assert hm.plot.comparison(side).axes[0].get_title().startswith("r\n")  # the rate, whatever it is called
    lines = comparison_lines(side)
    assert lines[0].split("  ")[-3:] == ["linear peak (quarter)", "Perfect foresight gap, %", "RSPG gap, %"]
    assert "points per quarter" in lines[1] and "r & points per quarter" in gaps_to_latex(side)
    assert "Quarter &" in gaps_to_latex(side)


def test_what_is_in_goods_has_no_ratio_to_what_is_in_percent():
    draws = np.random.default_rng(0)
    series = {"output": np.exp(0.01 * draws.normal(size=50)), "net_exports": draws.normal(size=50)}
    table = moment_table(series).data
    assert table.loc["net_exports", "unit"] == "level"
    ratio = table["sd relative to output, HP-filtered (ratio)"]
    assert np.isnan(ratio["net_exports"]) and ratio["output"] == 1.0
