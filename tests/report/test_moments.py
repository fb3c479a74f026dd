"""Truths: a dense solve and the first-order conditions for the HP filter, closed forms of an AR(1), sample moments."""

# The type stubs of pandas and matplotlib are wider than what these calls return.
# pyright: reportArgumentType=false
# pyright: reportCallIssue=false
# pyright: reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false
# pyright: reportIndexIssue=false

import dataclasses

import numpy as np
import pandas as pd
import pytest
import quantecon

from hank_mfg.evaluate.moments import MomentTable, hamilton_filter, hp_filter, moment_table

RANDOM = np.random.default_rng(3)


def dense_trend(series, smoothing):
    differences = np.diff(np.eye(len(series)), n=2, axis=0)
    return np.linalg.solve(np.eye(len(series)) + smoothing * differences.T @ differences, series)


def ar1(persistence, periods, innovation_sd=0.01, seed=0):
    innovations = innovation_sd * np.random.default_rng(seed).standard_normal(periods)
    values = np.zeros(periods)
    for period in range(1, periods):
        values[period] = persistence * values[period - 1] + innovations[period]
    return values


@pytest.mark.parametrize("periods", [3, 4, 5, 60])
@pytest.mark.parametrize("smoothing", [6.25, 1600.0])
def test_trend_equals_the_dense_solve(periods, smoothing):
    series = RANDOM.standard_normal((periods, 2))
    cycle, trend = hp_filter(series, smoothing)
    np.testing.assert_allclose(trend, dense_trend(series, smoothing), atol=1e-10)
    np.testing.assert_allclose(hp_filter(series[:, 1], smoothing)[1], trend[:, 1], atol=1e-12)
    np.testing.assert_allclose(cycle + trend, series, atol=1e-14)


def test_first_order_conditions_hold():
    series = np.cumsum(RANDOM.standard_normal(300))
    cycle, trend = hp_filter(series)
    curvature = np.diff(trend, n=2)
    gradient = 1600.0 * np.convolve(curvature, [1.0, -2.0, 1.0])  # the adjoint of the second difference
    np.testing.assert_allclose(cycle, gradient, atol=1e-9)


def test_filter_is_linear_and_self_adjoint():
    one, other = RANDOM.standard_normal((2, 80))
    assert hp_filter(one)[1] @ other == pytest.approx(one @ hp_filter(other)[1], rel=1e-12)
    np.testing.assert_allclose(hp_filter(one + 2 * other)[0], hp_filter(one)[0] + 2 * hp_filter(other)[0], atol=1e-11)


def test_linear_trend_has_no_cycle_and_cycles_have_no_linear_trend():
    time = np.arange(200.0)
    np.testing.assert_allclose(hp_filter(3.0 + 0.7 * time)[0], 0.0, atol=1e-9)
    cycle = hp_filter(RANDOM.standard_normal(200))[0]
    np.testing.assert_allclose([cycle.sum(), cycle @ time], 0.0, atol=1e-8)


def test_smoothing_limits():
    series = RANDOM.standard_normal(50)
    np.testing.assert_allclose(hp_filter(series, 1e-12)[1], series, atol=1e-10)
    line = np.polyval(np.polyfit(np.arange(50), series, 1), np.arange(50))
    np.testing.assert_allclose(hp_filter(series, 1e9)[1], line, atol=1e-3)


@pytest.mark.parametrize(
    ("series", "smoothing", "message"),
    [
        ([1.0, 2.0], 1600.0, r"series has shape \(2,\): give at least 3 periods"),
        ([1.0, np.nan, 2.0], 1600.0, "series is not finite in period 1: drop or repair"),
        ([1.0, 2.0, 4.0], 0.0, "smoothing = 0.0 must be positive and finite: 1600"),
    ],
)
def test_hp_filter_errors(series, smoothing, message):
    with pytest.raises(ValueError, match=message):
        hp_filter(series, smoothing)


def test_autocorrelation_of_an_ar1_before_any_visible_filter():
    persistence, periods = 0.8, 40_000
    series = np.exp(ar1(persistence, periods))
    # With almost infinite smoothing the filter removes a straight line only, so moments are those of the process.
    row = moment_table({"output": series}, smoothing=1e12).data.loc["output"]
    assert row["autocorrelation, HP-filtered"] == pytest.approx(persistence, abs=0.01)
    assert row["sd (in unit)"] == pytest.approx(100 * 0.01 / np.sqrt(1 - persistence**2), rel=0.03)
    assert row["correlation with output, HP-filtered"] == pytest.approx(1.0)


def test_table_against_plain_formulas():
    output, rate = np.exp(ar1(0.9, 400)), 0.01 + ar1(0.5, 400, seed=1)
    units = {"interest_rate": "percentage points"}
    table = moment_table({"output": output, "interest_rate": rate, "capital": 3 * output**2}, units=units).data
    cycle, of_rate = hp_filter(100 * np.log(output))[0], hp_filter(100 * rate)[0]
    assert list(table["unit"]) == ["percent", "percentage points", "percent"]
    np.testing.assert_allclose(table["mean (level)"], [output.mean(), rate.mean(), 3 * np.mean(output**2)])
    np.testing.assert_allclose(
        table["sd (level)"], [output.std(ddof=1), rate.std(ddof=1), 3 * np.std(output**2, ddof=1)]
    )
    filtered = table["sd, HP-filtered (in unit)"]
    np.testing.assert_allclose(filtered, [cycle.std(ddof=1), of_rate.std(ddof=1), 2 * cycle.std(ddof=1)], rtol=1e-9)
    relative = table["sd relative to output, HP-filtered (ratio)"]
    np.testing.assert_allclose(relative, [1.0, of_rate.std() / cycle.std(), 2.0], rtol=1e-9)
    together = table["correlation with output, HP-filtered"]
    np.testing.assert_allclose(together, [1.0, np.corrcoef(of_rate, cycle)[0, 1], 1.0], rtol=1e-9)
    shifted = np.corrcoef(of_rate[1:], of_rate[:-1])[0, 1]
    assert table["autocorrelation, HP-filtered"]["interest_rate"] == pytest.approx(shifted)


def test_units_can_be_chosen():
    rate = 0.05 + ar1(0.5, 200, innovation_sd=0.001)
    assert moment_table({"interest_rate": rate}).data["unit"].item() == "percent"
    row = moment_table({"interest_rate": rate}, units={"interest_rate": "percentage points"}).data.loc["interest_rate"]
    assert row["sd (in unit)"] == pytest.approx(100 * rate.std(ddof=1))


def test_without_output_the_comparisons_are_left_out():
    columns = moment_table({"capital": np.exp(ar1(0.9, 50))}).data.columns
    assert not any("output" in column for column in columns)
    renamed = moment_table({"gdp": np.exp(ar1(0.9, 50))}, output="gdp").data
    assert renamed["correlation with output, HP-filtered"].item() == pytest.approx(1.0)


def test_constant_series_has_no_correlation():
    series = {"output": np.exp(ar1(0.9, 50)), "labor": np.full(50, 0.93)}
    row = moment_table(series).data.loc["labor"]
    assert row["sd (level)"] == row["sd, HP-filtered (in unit)"] == 0.0
    assert np.isnan(row["autocorrelation, HP-filtered"]) and np.isnan(row["correlation with output, HP-filtered"])
    flat = moment_table({"output": np.ones(50), "capital": np.exp(ar1(0.9, 50))}).data
    assert flat["sd relative to output, HP-filtered (ratio)"].isna().all()


@pytest.mark.parametrize(
    ("series", "options", "message"),
    [
        ({}, {}, "series is empty: give at least one"),
        ({"output": np.ones((2, 5))}, {}, r"series 'output' has shape \(2, 5\): give one path"),
        ({"output": np.ones(5), "wage": np.ones(4)}, {}, "series 'wage' has 4 periods but 'output' has 5"),
        ({"output": np.array([1.0, 2.0, np.inf])}, {}, "series 'output' is inf in period 2"),
        ({"wage": np.ones(5)}, {"output": "gdp"}, "output = 'gdp' is not among the series: choose one of wage"),
        ({"wage": np.ones(5)}, {"units": {"wage": "dollars"}}, r"units\['wage'\] = 'dollars' is not a unit"),
        (
            {"wage": -np.ones(5)},
            {"units": {"wage": "percent"}},
            "needs logs but the series falls to -1: use 'level",
        ),
        ({"wage": np.ones(5)}, {"units": {"rate": "percent"}}, "units names 'rate', which is not among the series"),
    ],
)
def test_moment_table_errors(series, options, message):
    with pytest.raises(ValueError, match=message):
        moment_table(series, **options)


def test_table_is_frozen_and_writes_what_it_shows(tmp_path):
    note = "400 periods after 100, histogram with 200 points & float64."
    table = moment_table(
        {"output": np.exp(ar1(0.9, 60)), "interest_rate": ar1(0.5, 60, seed=1)},
        note=note,
        units={"interest_rate": "percentage points"},
    )
    assert isinstance(table, MomentTable)
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.note = "changed"  # pyright: ignore[reportAttributeAccessIssue]
    back = pd.read_csv(table.to_csv(tmp_path / "moments.csv"), index_col="variable")
    pd.testing.assert_frame_equal(back, table.data, check_exact=False, rtol=1e-14)
    text = table.to_latex(tmp_path / "moments.tex", caption="Moments", label="tab:moments")
    assert (tmp_path / "moments.tex").read_text() == text == table.to_latex(caption="Moments", label="tab:moments")
    assert (
        "Interest rate &" in text
        and "& points &" in text
        and r"\multicolumn{2}{c}{Level}" in text
        and r"200 points \& float64." in text
    )
    assert note in " ".join(repr(table).split()) and "points &amp; float64" in table._repr_html_()


def test_a_series_that_moves_by_rounding_only_is_constant_and_shows_no_sd():
    labor = 1.0 + 1e-13 * np.random.default_rng(0).standard_normal(50)
    table = moment_table({"output": np.exp(ar1(0.9, 50)), "labor": labor})
    assert table.data.loc["labor", "sd (level)"] == table.data.loc["labor", "sd (in unit)"] == 0.0
    assert "Labor & 1.00 & -- & percent & -- & -- & -- & -- & --" in table.to_latex()
    with_motion = moment_table({"output": np.exp(ar1(0.9, 50)), "labor": 1.0 + 1e-8 * (labor > 1.0)})
    assert with_motion.data.loc["labor", "sd (level)"] > 0.0


def test_the_printed_table_fits_80_columns():
    table = moment_table({"output": np.exp(ar1(0.9, 60)), "interest_rate": ar1(0.5, 60, seed=1)}, note="word " * 40)
    assert max(map(len, repr(table).splitlines())) <= 80


def test_every_numeric_column_says_its_unit():
    columns = moment_table({"output": np.exp(ar1(0.9, 60))}).data.columns.drop("unit")
    assert all(column.endswith(("(level)", "unit)", "(ratio)")) or "correlation" in column for column in columns)


@pytest.mark.parametrize(("horizon", "lags"), [(8, 4), (2, 1), (24, 12)])
def test_hamiltons_cycle_is_what_least_squares_leaves(horizon, lags):
    series = np.cumsum(RANDOM.standard_normal((300, 2)), axis=0) + 5e3
    cycle, trend = hamilton_filter(series, horizon, lags)
    first = horizon + lags - 1
    assert np.isnan(cycle[:first]).all() and np.isnan(trend[:first]).all()
    np.testing.assert_allclose((cycle + trend)[first:], series[first:], rtol=1e-14)
    for column in range(2):
        y = series[:, column] - series[:, column].mean()
        rows = [[1.0, *(y[t - horizon - lag] for lag in range(lags))] for t in range(first, 300)]
        left = y[first:] - np.array(rows) @ np.linalg.lstsq(np.array(rows), y[first:], rcond=None)[0]
        np.testing.assert_allclose(cycle[first:, column], left, atol=1e-9)
    theirs = quantecon.hamilton_filter(series[:, 0] - series[0, 0], horizon, lags)[0]
    np.testing.assert_allclose(cycle[first:, 0], theirs[first:], atol=1e-8)


def test_hamiltons_filter_of_an_ar1_leaves_forecast_errors():
    """With y an AR(1) the regression finds its forecast two years ahead: the variance of the cycle is
    sd^2 (1 - persistence^(2 h)) (Hamilton 2018, section III)."""
    persistence, periods = 0.9, 60_000
    cycle = hamilton_filter(ar1(persistence, periods))[0][11:]
    expected = 0.01 / np.sqrt(1 - persistence**2) * np.sqrt(1 - persistence**16)
    assert cycle.std() == pytest.approx(expected, rel=0.02)


def test_constants_and_straight_lines_have_no_cycle_by_hamilton():
    np.testing.assert_array_equal(hamilton_filter(np.full(60, 3.0))[0][11:], 0.0)
    np.testing.assert_allclose(hamilton_filter(3.0 + 0.7 * np.arange(200.0))[0][11:], 0.0, atol=1e-10)


def test_the_table_after_hamiltons_filter():
    output, rate = np.exp(ar1(0.9, 400)), 0.01 + ar1(0.5, 400, seed=1)
    series = {"output": output, "interest_rate": rate, "labor": np.full(400, 0.93)}
    made = moment_table(series, filter="hamilton", units={"interest_rate": "percentage points"})
    cycle, of_rate = (hamilton_filter(each)[0][11:] for each in (100 * np.log(output), 100 * rate))
    table = made.data
    np.testing.assert_allclose(
        table["sd, Hamilton-filtered (in unit)"], [cycle.std(ddof=1), of_rate.std(ddof=1), 0.0], atol=1e-9
    )
    together = table["correlation with output, Hamilton-filtered"]
    np.testing.assert_allclose(together.iloc[:2], [1.0, np.corrcoef(of_rate, cycle)[0, 1]], rtol=1e-8)
    again = table["autocorrelation, Hamilton-filtered"]["interest_rate"]
    assert again == pytest.approx(np.corrcoef(of_rate[1:], of_rate[:-1])[0, 1])
    assert not any("HP" in column for column in table.columns)
    assert "Hamilton-filtered: H sd in unit" in repr(made) and "HP" not in repr(made) + made.to_latex()
    assert max(map(len, repr(made).splitlines())) <= 80
    short = moment_table(series, filter="hamilton", horizon=2, lags=1).data["sd, Hamilton-filtered (in unit)"]
    assert short["output"] == pytest.approx(hamilton_filter(100 * np.log(output), 2, 1)[0][2:].std(ddof=1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hamilton_filter(np.arange(16.0)), r"series has shape \(16,\): give at least 17 periods"),
        (lambda: hamilton_filter(np.full(30, np.nan)), "series is not finite in period 0"),
        (lambda: hamilton_filter(np.arange(30.0), 0), "horizon = 0 must be a whole number"),
        (lambda: hamilton_filter(np.arange(30.0), 8, 1.5), "lags = 1.5 must be a whole number"),
        (lambda: moment_table({"output": np.ones(30)}, filter="bandpass"), "filter = 'bandpass' is not known: choose"),
    ],
)
def test_errors_of_hamiltons_filter(call, message):
    with pytest.raises(ValueError, match=message):
        call()
