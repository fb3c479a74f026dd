"""Units are what the model declares; a name says nothing, and a series that reaches zero has no percent."""

import dataclasses

import numpy as np
import pytest

import hank_mfg as hm
from hank_mfg.model.units import declared_kinds
from hank_mfg.report.impulse_response import ImpulseResponse
from hank_mfg.report.units import change_in, unit_of

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

    def aggregates(self, assets, own, shocks):
        return {"capital": assets}

    def prices(self, aggregates, shocks):
        return {"r": 0.04 / aggregates.capital}

    def resources(self, assets, own, prices, shocks):
        return (1 + prices.r) * assets + own.skill * self.discount_factor

    def signal(self, aggregates, prices, shocks):
        return {"r": prices.r}

    def outcomes(self, aggregates, prices, shocks):
        return {name: prices.r for name in SERIES if name != "r"}

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
