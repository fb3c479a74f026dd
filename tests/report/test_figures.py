"""What figures say: units on axes, curves that differ in gray and in line style, notes printed, no global state."""

# The type stubs of pandas and matplotlib are wider than what these calls return.
# pyright: reportArgumentType=false
# pyright: reportCallIssue=false
# pyright: reportAttributeAccessIssue=false
# pyright: reportUnhashable=false
# pyright: reportOptionalMemberAccess=false
# pyright: reportIndexIssue=false
# pyright: reportGeneralTypeIssues=false

import ast
import inspect
import itertools
import pickle
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from hank_mfg.evaluate.distribution.statistics import lorenz_curve
from hank_mfg.report import figures, style
from hank_mfg.wording import display_name

HORIZON = 12
ASSETS = -1.0 + 20.0 * np.linspace(0.0, 1.0, 60) ** 2
MASS = np.exp(-np.linspace(0.0, 4.0, 60))[:, None] * np.array([0.4, 0.6])
MASS = MASS / MASS.sum()


def response(size=1.0, note="Mean over 64 pairs of paths.", band=True):
    mean = {"output": size * 0.9 ** np.arange(HORIZON), "interest_rate": -size * 0.1 * 0.8 ** np.arange(HORIZON)}
    units = {"output": "percent", "interest_rate": "percentage points"}
    lower, upper = ({name: path + shift for name, path in mean.items()} if band else {} for shift in (-0.1, 0.1))
    return SimpleNamespace(
        shock="productivity", size=size, unit="percent", horizon=HORIZON, mean=mean, lower=lower, upper=upper,
        units=units, note=note, period="quarter", rates=("interest_rate",),
    )  # fmt: skip


def texts(figure):
    """Everything that is printed on a figure."""
    from matplotlib.text import Text

    return [item.get_text() for item in figure.findobj(Text) if item.get_text()]


def styles(lines):
    """(gray level, dashes) of lines, after checking that every color is a gray."""
    found = []
    for line in lines:
        red, green, blue = matplotlib.colors.to_rgb(line.get_color())
        assert red == green == blue
        found.append((round(red, 3), str(line._dash_pattern)))
    return found


def drawn(panel):
    """The labeled lines of a panel."""
    return [line for line in panel.get_lines() if not line.get_label().startswith("_")]


def test_display_names():
    names = ["interest_rate", "output", "tfp", "price_level", "r"]  # a name says nothing of units
    shown = ["Interest rate", "Output", "TFP", "Price level", "r"]
    assert [display_name(name) for name in names] == shown


@pytest.mark.parametrize("source", [figures, style])
def test_importing_the_module_does_not_import_matplotlib(source):
    module = ast.parse(inspect.getsource(source))
    first = [ast.unparse(line) for line in module.body if isinstance(line, ast.Import | ast.ImportFrom)]
    assert first and not any("matplotlib" in line or "cycler" in line for line in first)


def test_style_is_local_and_independent_of_the_user():
    before = dict(matplotlib.rcParams)
    with style.journal_style():
        assert matplotlib.rcParams["font.family"] == ["STIXGeneral"]
        assert matplotlib.rcParams["axes.spines.top"] is False
    assert dict(matplotlib.rcParams) == before
    plain = style.as_png(figures.plot_impulse_response(response(), ["output"]))
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30, "xtick.labelsize": 30}):
        assert style.as_png(figures.plot_impulse_response(response(), ["output"])) == plain


def test_no_two_styles_look_alike_in_gray():
    with style.journal_style():
        panel = Figure().subplots()
        lines = [panel.plot([0, 1], [0, 1], **look)[0] for look in style.line_styles(len(style.LINES))]
        for one, other in itertools.combinations(styles(lines), 2):
            assert one[1] != other[1] or abs(one[0] - other[0]) >= 0.4
    assert len({marker for _, marker in style.MARKERS}) == len(style.MARKERS)


def test_impulse_response_shows_units_band_zero_line_and_note():
    figure = figures.plot_impulse_response(response())
    assert isinstance(figure, Figure)
    first, second = figure.axes
    assert (first.get_title(), first.get_ylabel()) == ("Output", "Percent")
    assert (second.get_title(), second.get_ylabel()) == ("Interest rate", "Points per quarter")
    assert first.get_xlabel() == "Quarters since the shock"
    assert len(first.collections) == 1  # the band
    assert any(np.all(np.asarray(line.get_ydata()) == 0.0) for line in first.get_lines())
    np.testing.assert_array_equal(drawn(first)[0].get_ydata(), response().mean["output"])
    assert "Shock: Productivity +1 percent, in quarter 0. Mean over 64 pairs of paths." in " ".join(texts(figure))
    assert not first.spines["top"].get_visible() and not figure.legends


def test_overlaid_responses_are_told_apart_and_named():
    figure = figures.plot_impulse_response([response(1.0), response(-1.0, band=False)], ["interest_rate"])
    (panel,) = figure.axes
    lines = drawn(panel)
    assert len(set(styles(lines))) == 2 and len(panel.collections) == 1
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["Productivity +1 percent", "Productivity \u22121 percent"]
    assert texts(figure).count("Mean over 64 pairs of paths.") == 1  # one note, not one per response


def test_responses_of_one_shock_have_labels_of_their_own():
    figure = figures.plot_impulse_response({"Slump": response(), "Boom": response(band=False)}, ["interest_rate"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Slump", "Boom"]
    assert " ".join(texts(figure)).count("Shock: Productivity +1 percent, in quarter 0.") == 1


def test_legend_uses_the_empty_cell():
    item = response()
    for extra in "abc":
        item.mean[extra], item.units[extra] = item.mean["output"], "level"
    figure = figures.plot_impulse_response([item, item])
    assert not figure.legends and figure.axes[-1].get_legend() is not None and not figure.axes[-1].axison


def test_impulse_response_errors():
    with pytest.raises(ValueError, match="variable 'wage' has the units .* every response needs it in the same unit"):
        figures.plot_impulse_response(response(), ["wage"])
    other = response()
    other.units = {**other.units, "output": "level"}
    with pytest.raises(ValueError, match=r"variable 'output' has the units \['percent', 'level'\]"):
        figures.plot_impulse_response([response(), other])
    with pytest.raises(ValueError, match="9 lines cannot be told apart in gray: show at most 8"):
        figures.plot_impulse_response([response()] * 9)


def test_lorenz_gives_gini_coefficients_and_percent():
    curve = lorenz_curve([0.75, 0.25], [1.0, 5.0])
    figure = figures.plot_lorenz({"Model": curve, "Equal": ([0.0, 1.0], [0.0, 1.0])}, "Two points.")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["Line of equality", "Model (Gini 0.38)", "Equal (Gini 0.00)"]
    (panel,) = figure.axes
    assert panel.get_ylim() == (0.0, 100.0)
    assert drawn(panel)[0].get_label() == "Line of equality"
    assert "(percent)" in panel.get_xlabel() and "(percent)" in panel.get_ylabel()
    np.testing.assert_allclose(drawn(panel)[1].get_ydata(), [0.0, 37.5, 100.0])
    in_debt = figures.plot_lorenz({"Debt": lorenz_curve([0.5, 0.5], [-1.0, 5.0])}).axes[0]
    assert in_debt.get_ylim()[0] == pytest.approx(-25.0)
    assert "Two points." in texts(figure)


def test_wealth_distribution_accounts_for_everybody():
    figure = figures.plot_wealth_distribution(ASSETS, MASS, "Histogram with 60 points.", ["Low", "High"])
    left, right = figure.axes
    bars = sum(bar.get_height() for bar in left.patches)
    assert bars == pytest.approx(100 * MASS[0].sum())
    assert f"{bars:.3g} percent in total" == left.get_xlabel()
    middles, end = drawn(right)[0].get_xdata(), right.get_xlim()[1]
    edges = [ASSETS[0]]
    for middle in middles:  # a bin reaches as far above its middle as below it
        edges.append(2 * middle - edges[-1])
    assert edges[-1] == pytest.approx(end) and np.isin(np.round(edges[:-1], 8), np.round(ASSETS, 8)).all()
    areas = sum(line.get_ydata() @ np.diff(edges) for line in drawn(right))
    assert bars + areas == pytest.approx(99.0, abs=1e-6)  # the axis ends at percentile 99
    assert len(left.get_yticks()) <= 4
    assert "percent" in right.get_ylabel().lower() and right.get_xlabel() == "Assets (level)"
    assert len(set(styles(drawn(right)))) == 2
    assert "percentile 99" in " ".join(texts(figure))
    with pytest.raises(ValueError, match="labels has 1 entries for 2 states: give one label per state"):
        figures.plot_wealth_distribution(ASSETS, MASS, "", ["Low"])
    with pytest.raises(ValueError, match="mass has 100 percent at the first grid point: nothing is left to plot"):
        figures.plot_wealth_distribution([0.0, 1.0], [1.0, 0.0])


def test_policy_panels():
    consumption = 1.0 + 0.1 * (ASSETS[:, None] + 1.0) * np.array([1.0, 1.2])
    policies = {"consumption": consumption, "savings": ASSETS[:, None] - 0.1 * consumption}
    figure = figures.plot_policy(ASSETS, policies, ["Low", "High"], largest=5.0)
    first, second = figure.axes
    assert first.get_title() == "Stationary policy: consumption" and first.get_ylabel() == "Level"
    assert second.get_title() == "Stationary policy: next assets minus assets"
    shown = drawn(second)[0].get_xdata()
    np.testing.assert_allclose(drawn(second)[0].get_ydata(), -0.1 * consumption[: shown.size, 0])
    assert "The axis ends at assets of 5." in " ".join(texts(figure))
    assert first.get_xlim() == (-1.0, 5.0) and first.get_xlabel() == "Assets (level)"
    assert len(second.get_lines()) == 3 and len(first.get_lines()) == 2  # the line at zero
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Low", "High"]
    both = figures.plot_policy(
        ASSETS, policies, what="Trained policy", beside={**policies, "consumption": consumption - 1}
    )
    assert both.axes[0].get_title() == "Trained policy: consumption"
    thick, thin = both.axes[0].get_lines()[:2]
    np.testing.assert_allclose(thick.get_ydata() - thin.get_ydata(), 1.0)
    assert thin.get_linewidth() < 0.5 * thick.get_linewidth() and thin.get_linestyle() == thick.get_linestyle()
    with pytest.raises(ValueError, match=r"policies\['savings'\] has shape \(2, 60\): give \(assets,\) or"):
        figures.plot_policy(ASSETS, {"savings": np.ones((2, 60))})


def test_simulation_panels():
    series = {"output": np.linspace(1.0, 2.0, 50), "interest_rate": np.linspace(-0.01, 0.01, 50)}
    figure = figures.plot_simulation(series, ["interest_rate"], "50 periods.")
    (panel,) = figure.axes
    assert (panel.get_title(), panel.get_ylabel(), panel.get_xlabel()) == ("Interest rate", "Level", "Period")
    np.testing.assert_array_equal(panel.get_lines()[0].get_ydata(), series["interest_rate"])
    (panel,) = figures.plot_simulation(series, ["interest_rate"], units={"interest_rate": "percent per quarter"}).axes
    assert panel.get_ylabel() == "Percent per quarter"
    np.testing.assert_allclose(panel.get_lines()[0].get_ydata(), np.linspace(-1.0, 1.0, 50))
    with pytest.raises(
        ValueError, match="names asks for 'wage', which is not there: choose from output, interest_rate"
    ):
        figures.plot_simulation(series, ["wage"])


@pytest.mark.slow
@pytest.mark.parametrize("count", range(1, 8))
def test_simulation_has_no_empty_cell_and_a_label_below_every_column(count):
    """Guards `plot_simulation`: one panel for each series, with the period named below every column."""
    figure = figures.plot_simulation({f"series_{place}": np.arange(5.0) for place in range(count)})
    assert len(figure.axes) == count
    columns = {}
    for panel in figure.axes:
        columns[panel.get_subplotspec().colspan.start] = panel.get_xlabel()
    assert set(columns.values()) == {"Period"}


def test_training_uses_logs_only_where_they_exist():
    history = {"update": np.arange(5), "euler_error_percent": 10.0 ** -np.arange(5.0), "objective": -np.ones(5)}
    figure = figures.plot_training(history, tolerances={"euler_error_percent": 0.02})
    first, second = figure.axes
    assert (first.get_ylabel(), first.get_yscale()) == ("Euler error, percent", "log")
    assert (second.get_ylabel(), second.get_yscale()) == ("Objective", "linear")
    assert list(first.get_lines()[1].get_ydata()) == [0.02, 0.02] and len(second.get_lines()) == 1
    assert "Thin line: the tolerance." in texts(figure)
    with pytest.raises(ValueError, match="measures asks for 'update', which is not there"):
        figures.plot_training({"objective": np.ones(3)})


def test_law_of_motion_recovers_the_law_that_made_the_data():
    random = np.random.default_rng(0)
    shocks = random.integers(0, 2, 300)
    capital = np.full(300, 39.0)
    for period in range(299):
        law = np.array([[0.12, 0.966], [0.14, 0.962]])[shocks[period]]
        capital[period + 1] = np.exp(law[0] + law[1] * np.log(capital[period]))
    figure = figures.plot_law_of_motion(capital, shocks, ["Bad", "Good"], "300 periods.")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[0].startswith(r"Bad: $\log\,K' = 0.1200 +0.9660\,\log\,K$, $1 - R^2 = ")
    assert names[1].startswith(r"Good: $\log\,K' = 0.1400 +0.9620")
    left, right = figure.axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("Log capital today", "Log capital next period")
    assert right.get_ylabel() == "Percent"
    deviations = np.concatenate([line.get_ydata() for line in drawn(right)])
    np.testing.assert_allclose(deviations, 0.0, atol=1e-9)
    assert len({line.get_marker() for line in drawn(left)}) == 2
    with pytest.raises(ValueError, match="minimum -1: give positive numbers"):
        figures.plot_law_of_motion([-1.0, 1.0], [0, 1])


def test_at_most_500_points_of_a_state_are_drawn_of_a_law_fitted_to_all():
    capital = np.exp(np.sin(np.arange(2000.0)))
    figure = figures.plot_law_of_motion(capital, np.zeros(2000, int))
    assert [line.get_xdata().size for line in drawn(figure.axes[0])] == [500]
    assert "At most 500 periods of a state are drawn." in texts(figure)
    slope, intercept = np.polyfit(np.log(capital[:-1]), np.log(capital[1:]), 1)
    assert f"= {intercept:.4f} {slope:+.4f}" in figure.legends[0].get_texts()[0].get_text()


def test_of_many_states_evenly_spaced_ones_are_shown_and_the_note_says_so():
    mass = np.tile(MASS.sum(axis=1)[:, None], 15) / 15
    names = [f"State {state}" for state in range(15)]
    wealth = figures.plot_wealth_distribution(ASSETS, mass, labels=names)
    policy = figures.plot_policy(ASSETS, {"consumption": 1.0 + mass}, names)
    for figure, first, count in ((wealth, ["All households"], 4), (policy, [], 8)):
        *chosen, last = [text.get_text() for text in figure.legends[0].get_texts()]
        assert chosen[: len(first) + 1] == [*first, "State 0"] and last == "State 14"
        assert len(chosen) + 1 == len(first) + count
        assert f"{count} of 15 income states are shown, evenly spaced." in " ".join(texts(figure))
    capital = 10.0 + np.sin(np.arange(150.0))
    law = figures.plot_law_of_motion(capital, np.arange(150) % 15, names)
    assert len(drawn(law.axes[1])) == 6
    assert "6 of 15 aggregate states are shown, evenly spaced." in " ".join(texts(law))


def test_forecast_shows_the_periods_around_the_largest_error():
    forecast = np.ones(2000)
    forecast[1500] = 1.1
    figure = figures.plot_forecast(np.ones(2000), forecast)
    left, right = figure.axes
    assert left.get_xlim() == (1250.0, 1749.0) and right.get_xlim() == (0.0, 1999.0)
    assert drawn(left)[1].get_ydata()[250] == 1.1
    assert "Left: the 500 periods around the largest error." in " ".join(texts(figure))


def test_forecast_states_its_errors():
    actual = np.full(4, 10.0)
    figure = figures.plot_forecast(actual, actual * np.exp([0.0, 0.001, -0.002, 0.001]), "Fresh shocks.")
    left, right = figure.axes
    assert (left.get_title(), left.get_ylabel(), right.get_ylabel()) == ("Capital", "Level", "Percent")
    assert "Absolute error: mean 0.1 percent, maximum 0.2 percent. Fresh shocks." in texts(figure)
    np.testing.assert_allclose(right.get_lines()[0].get_ydata(), [0.0, 0.1, -0.2, 0.1], atol=1e-12)
    with pytest.raises(ValueError, match=r"actual has shape \(4,\) and forecast \(3,\): give positive levels"):
        figures.plot_forecast(actual, actual[:3])


def test_nothing_printed_leaves_the_page_or_overlaps_the_legend():
    item = response(note="A long note on how the responses were made, with percent % and _ in it. " * 4)
    figure = figures.plot_impulse_response([item, response(-1.0), response(2.0)], ["output"])
    page = figure.bbox
    for extent in [figure.legends[0].get_window_extent(), figure._supxlabel.get_window_extent()]:
        assert extent.x0 >= page.x0 and extent.x1 <= page.x1 and extent.y0 >= page.y0 and extent.y1 <= page.y1
    panel = figure.axes[0].get_tightbbox()
    assert panel.y1 <= figure.legends[0].get_window_extent().y0 + 1
    assert panel.y0 >= figure._supxlabel.get_window_extent().y1 - 1


def test_figures_are_saved_whole_and_reproducibly(tmp_path):
    figure = figures.plot_simulation({"output": np.arange(5.0)})
    pdf, png = figures.save_figure(figure, tmp_path / "figures" / "irf_-0.01")
    assert (pdf.name, png.name) == ("irf_-0.01.pdf", "irf_-0.01.png")
    assert pdf.read_bytes().startswith(b"%PDF") and png.read_bytes().startswith(b"\x89PNG")
    assert len(list(pdf.parent.iterdir())) == 2
    again = figures.save_figure(figures.plot_simulation({"output": np.arange(5.0)}), tmp_path / "again")
    assert [path.read_bytes() for path in again] == [pdf.read_bytes(), png.read_bytes()]


def test_figures_show_in_notebooks_survive_pickling_and_leave_pyplot_alone():
    figure = figures.plot_simulation({"output": np.arange(5.0)})
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert isinstance(pickle.loads(pickle.dumps(figure)), Figure)
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
