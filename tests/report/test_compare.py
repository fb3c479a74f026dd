"""Methods side by side: what is known of the differences, and that tables and files hold what responses say."""

import dataclasses
import functools
import json
import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.evaluate import compare_methods
from hank_mfg.evaluate.accuracy_table import NAMES
from hank_mfg.evaluate.compare import Comparison, Responses, usual_label
from hank_mfg.evaluate.compare_shocks import make_plan
from hank_mfg.report.comparison_page import comparison_page

SMALL = {"asset_points": 60, "histogram_points": 100, "periods": 600, "burn_in": 200, "capital_points": 5}
BRIEF = {"horizon": 30, "linear_horizon": 200, "starts": 2, "paths": 8, "asset_points": 100}
CHAIN = [[0.875, 0.125], [0.125, 0.875]]
MAIN = ("output", "consumption", "capital", "interest_rate")
MEASURED = {name: 0.125 * (1 + place) for place, name in enumerate(compare_methods.MEASURES)}


def impatient(**parameters) -> hm.Model:
    """Krusell and Smith's economy with impatient households whose risk does not depend on the aggregate state."""
    joint = np.kron(CHAIN, [[0.6, 0.4], [0.05, 0.95]]).tolist()
    quick = {"discount_factor": 0.95, "maximum_assets": 60.0, "joint_transition": joint}
    return hm.load_model("krusell_smith", **{**quick, **parameters})


@pytest.fixture(scope="module")
def solved():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hm.solve(impatient(), hm.KSAlgorithm(**SMALL, tolerance=1e-5))


@pytest.fixture(scope="module")
def side(solved):
    """The comparison, with accuracy made up: it is measured, slowly, by `evaluate`, which has its own tests."""

    class Measured:
        def to_dict(self):
            return MEASURED

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_methods, "evaluate", lambda *_, **__: Measured())
        return hm.compare(solved, **BRIEF)


@pytest.mark.slow
def test_every_method_is_given_the_same_path_of_the_shock(side, solved):
    """The chain of two states has the autocorrelation 3/4; the mean of productivity is one."""
    assert side.shock == "productivity" and side.sizes == (-0.01, -0.001, 0.001, 0.01)
    assert side.labels == ("\u22121 %", "\u22120.1 %", "+0.1 %", "+1 %")
    for item in side.responses:
        expected = 100 * item.size * 0.75 ** np.arange(30)
        np.testing.assert_allclose(item.expected["productivity"][:30], expected / 100, atol=1e-12)
        for method in ("Linear", "Perfect foresight"):
            np.testing.assert_allclose(item.mean[method]["productivity"], expected, atol=1e-10)
        drawn = item.mean["Krusell-Smith"]["productivity"]
        np.testing.assert_allclose(drawn, expected, atol=4e-3 * abs(expected[0]))  # sampled


@pytest.mark.slow
def test_the_linear_response_is_proportional_to_the_size(side):
    """Guards docs/yardsticks.md, 'Side by side': the linear response is proportional to the size."""
    for name in side.units:
        each = [side.response(size, "Linear", name) / size for size in side.sizes]
        np.testing.assert_allclose(each, np.broadcast_to(each[0], np.shape(each)), rtol=1e-8, atol=1e-9)


@pytest.mark.slow
def test_the_gap_of_the_path_vanishes_with_the_size(side):
    """A path is y = a s + b s^2 + ...: its gap, relative to a s, is proportional to s and changes sign with it."""
    for name in MAIN:
        large, small, mirrored = (side.gap(size, "Perfect foresight", name) for size in (0.01, 0.001, -0.01))
        assert 1e-3 < np.abs(large).max() < 0.3
        np.testing.assert_allclose(small, large / 10, atol=0.03 * np.abs(large / 10).max())
        np.testing.assert_allclose(mirrored, -large, atol=0.1 * np.abs(large).max())


@pytest.mark.slow
def test_little_aggregate_risk_makes_little_difference(side):
    """Productivity moves by one percent: responses of the global solution are nearly those without aggregate risk."""
    for name in MAIN:
        assert np.abs(side.gap(0.01, "Krusell-Smith", name)).max() < 1.0, name


@pytest.mark.slow
def test_a_response_that_is_not_computed_again_is_the_one_that_would_be(side, solved):
    """With two aggregate states every size moves the same probabilities; bands change sides with the sign."""
    assert "proportional to the size by construction" in side.note
    direct = hm.impulse_response(solved, "productivity", 0.001, horizon=30, starts=2, paths=8)
    item = side.responses[2]
    for name in MAIN:
        for end in ("mean", "lower", "upper"):
            shown = getattr(item, end)["Krusell-Smith"][name]
            np.testing.assert_allclose(shown, getattr(direct, end)[name], atol=1e-9)
    assert np.all(item.lower["Krusell-Smith"]["capital"] <= item.upper["Krusell-Smith"]["capital"] + 1e-12)


@pytest.mark.slow
def test_tables_hold_what_the_responses_say(side, solved):
    """Guards docs/yardsticks.md, 'Side by side': gap_h = 100 (y_h - L_h) / L_peak; the table of methods."""
    linear, path = (side.response(-0.01, method, "capital") for method in ("Linear", "Perfect foresight"))
    at = int(np.argmax(np.abs(linear)))
    gap = 100 * (path - linear) / linear[at]
    row = side.gaps.loc[(-0.01, "capital")]
    assert row["Linear", "peak"] == linear[at] and row["Linear", "period"] == at and row["Linear", "unit"] == "percent"
    assert row["Perfect foresight", "gap"] == gap[np.abs(gap).argmax()]
    assert row["Perfect foresight", "period"] == np.abs(gap).argmax()
    assert pd.isna(side.gaps.loc[(0.01, "labor")]["Perfect foresight", "gap"])  # labor never moves here
    assert side.units["interest_rate"] == "percentage points" and side.units["capital"] == "percent"
    methods = side.methods
    assert list(methods.index) == ["Linear", "Perfect foresight", "Krusell-Smith"]
    for name, value in MEASURED.items():
        assert methods.loc["Krusell-Smith", NAMES[name]] == value and np.isnan(methods.loc["Linear", NAMES[name]])
    assert methods.loc["Linear", "Largest residual of the path"] == "none"
    assert 0 < methods.loc["Perfect foresight", "Largest residual of the path"] < 1e-10
    assert methods.loc["Krusell-Smith", "Seconds, running"] == solved.seconds_iterate
    assert set(methods["Precision"]) == {"float64"}


@pytest.mark.slow
def test_files_and_json_hold_the_same_numbers(side, tmp_path):
    """Guards `write_comparison`: CSV, LaTeX and JSON hold the numbers of the comparison."""
    written = hm.write_comparison(side, tmp_path, html=True)
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    assert names == {
        "compare.csv", "gaps.csv", "gaps.tex", "methods.csv", "methods.tex", "figures/compare.pdf",
        "figures/compare.png", "compare.html",
    }  # fmt: skip
    long = pd.read_csv(tmp_path / "compare.csv")
    chosen = long[(long["size"] == 0.01) & (long["variable"] == "capital") & (long["method"] == "Krusell-Smith")]
    np.testing.assert_allclose(chosen["response"], side.response(0.01, "Krusell-Smith", "capital"))
    np.testing.assert_allclose(
        chosen["gap_percent_of_linear_peak"], side.gap(0.01, "Krusell-Smith", "capital"), atol=1e-12
    )
    assert np.all(chosen["lower"] <= chosen["upper"] + 1e-12) and long["lower"].isna().any()
    gaps = pd.read_csv(tmp_path / "gaps.csv").set_index(["size", "variable"])
    assert gaps.loc[(0.01, "capital"), "Perfect foresight: gap"] == pytest.approx(
        side.gaps.loc[(0.01, "capital")]["Perfect foresight", "gap"]
    )
    for name in ("gaps.tex", "methods.tex"):
        text = (tmp_path / name).read_text()
        assert r"\toprule" in text and "nan" not in text.lower().replace("finance", "") and "<NA>" not in text
    assert "Labor" not in (tmp_path / "gaps.tex").read_text()
    content = json.loads(json.dumps(side.to_dict(), allow_nan=False))
    assert content["sizes"] == list(side.sizes) and len(content["gaps"]) == len(side.gaps)
    assert content["responses"][0]["Linear"]["capital"] == side.response(-0.01, "Linear", "capital").tolist()
    assert content["methods"][0]["method"] == "Linear" and content["methods"][0][NAMES["den_haan_mean_percent"]] is None


@pytest.mark.slow
def test_the_figure_says_by_how_much(side):
    """Guards `hm.plot.comparison`: responses, gaps, and a note with the largest gap."""
    figure = hm.plot.comparison(side)
    assert [panel.get_title().split("\n")[0] for panel in figure.axes[:4]] == [
        "Output", "Consumption", "Capital", "Interest rate",
    ]  # fmt: skip
    lines = figure.axes[2].get_lines()[1:]  # after zero: two sizes of three methods
    for line in (lines[0], lines[3]):
        np.testing.assert_allclose(line.get_ydata(), side.response(0.01, "Linear", "capital"), rtol=1e-8, atol=1e-9)
    shown = figure.axes[4 + 2].get_lines()[1].get_ydata()
    np.testing.assert_allclose(shown, side.gap(-0.01, "Perfect foresight", "capital"))
    text = " ".join(figure.get_supxlabel().split())
    gap = max(np.abs(side.gap(size, "Perfect foresight", name)).max() for size in side.sizes for name in MAIN)
    assert f"Perfect foresight {gap:.2g} percent" in text and side.note in text
    with pytest.raises(ValueError, match="variables asks for 'hours'"):
        hm.plot.comparison(side, ["hours"])
    with pytest.raises(ValueError, match="5 columns: show 1 to 4"):
        hm.plot.comparison(side, [*MAIN, "wage"])


def test_gaps_that_coincide_are_one_line_with_its_sampling_error(tmp_path):
    """Guards `hm.plot.comparison`: responses to .01 and .02 are multiples of each other, that to -.02 is not; the page
    of the comparison has the same numbers."""
    sizes, path = (-0.02, 0.01, 0.02), 0.9 ** np.arange(8)

    def responses(size: float) -> Responses:
        curved = 100 * size * path * (1.1 if size < 0 else 1.2)
        mean = {name: {"output": each} for name, each in (("Linear", 100 * size * path), ("RSPG", curved))}
        around = ({"RSPG": {"output": each}} for each in (curved, curved, 0.25 * abs(size) * path))
        return Responses(size, {}, mean, *around)

    methods = pd.DataFrame({"What it is": ["a", "b"]}, index=["Linear", "RSPG"])
    labels = ("-2 %", "+1 %", "+2 %")
    shown = tuple(responses(size) for size in sizes)
    made = Comparison("terms", 1.0, sizes, labels, 8, {"output": "percent"}, shown, methods, "")
    np.testing.assert_allclose(made.gap_error(0.02, "RSPG", "output"), 0.25 * path)
    assert np.isnan(made.gap_error(0.02, "Linear", "output")).all()
    figure = hm.plot.comparison(made)
    lines = figure.axes[1].get_lines()[1:]
    assert [line.get_label() for line in lines] == ["-2 %", "+2 %"]
    np.testing.assert_allclose(lines[1].get_ydata(), 20 * path)
    shaded: Any = figure.axes[1].collections
    heights = [np.ptp(each.get_paths()[0].vertices[:, 1]) for each in shaded]
    np.testing.assert_allclose(heights[1], 20.5 - 19.5 * path[-1], rtol=1e-9)
    text = " ".join(figure.get_supxlabel().split())
    assert "RSPG 20 percent (output, shock +2 %, period 0)" in text.replace("\u00a0", " ")
    assert "two standard errors on either side" in text and "the line is that of the largest" in text
    page = comparison_page(made, "Far <apart>.", figure, tmp_path).html()
    assert "Far &lt;apart&gt;." in page and page.count("<svg ") == 1 and "hank-mfg compare" not in page
    titles = np.array(re.findall(r'title="([^"]*)"', page), float)
    for value in made.gaps.select_dtypes(float).to_numpy().ravel():
        assert np.isclose(titles, value, rtol=1e-14).any()


def test_multiples_of_one_response_are_named():
    """Two states of the chain: all sizes. Three states: those of one sign."""
    assert make_plan(impatient()).about_multiples()[0].startswith("All sizes are lotteries on the same states")
    plan = make_plan(hm.load_model("one_asset_hank"), "monetary", [-1e-3, -5e-4, 5e-4, 1e-3])
    assert plan.families() == [[-1e-3, -5e-4], [5e-4, 1e-3]]
    (told,) = plan.about_multiples()
    down, up = ("\u22120.1 points and \u22120.05 points", "+0.05 points and +0.1 points")
    same = "are lotteries on the same states of the chain"
    assert told.startswith(f"The sizes {down} {same}, and so are {up}: ")


def test_default_sizes_fit_the_chain():
    assert make_plan(impatient()).sizes == (-0.01, -0.001, 0.001, 0.01)
    narrow = make_plan(impatient(productivity=[0.996, 1.004])).sizes
    np.testing.assert_allclose(narrow, [-0.004, -0.0004, 0.0004, 0.004], rtol=1e-9)
    uneven = make_plan(impatient(productivity=[0.98, 1.002]))
    assert max(uneven.sizes) + uneven.mean <= 1.002 + 1e-12


@pytest.mark.slow
def test_refusals(solved, refuses):
    """Guards `compare`: ValueError, in one sentence with the cure, for everything its docstring lists."""
    compare = functools.partial(hm.compare, **BRIEF)
    refuses(lambda: compare(solved, "oil"), "no shock 'oil'", "productivity")
    refuses(lambda: compare(solved, sizes=[0.5]), "would reach 1.5", "0.99 to 1.01", "smaller size")
    for wrong in ([], [0.001, 0.001], [np.nan]):
        refuses(lambda sizes=wrong: compare(solved, sizes=sizes), "different finite numbers")
    refuses(lambda: hm.compare(solved, horizon=400), "horizon = 400", "at most linear_horizon = 300")
    refuses(lambda: hm.compare(solved, horizon=1), "2 or more periods")
    refuses(lambda: compare(solved.steady), "was given a stationary equilibrium", "give a trained solution")
    refuses(lambda: compare({}), "at least one")
    refuses(lambda: compare({"Linear": solved}), "'Linear' is taken")
    other = dataclasses.replace(solved, model=impatient(discount_factor=0.94))
    refuses(lambda: compare({"one": solved, "other": other}), "one and other solve models that differ")
    still = dataclasses.replace(solved, model=impatient(productivity=[1.0, 1.0]))
    refuses(lambda: compare(still), "productivity never moves")
    refuses(lambda: make_plan(hm.load_model("aiyagari")), "Aiyagari declares no aggregate_shocks()")
    refuses(lambda: make_plan(TwoShocks()), "several aggregate shocks", "productivity, taste")
    assert make_plan(TwoShocks(), "taste").shock == "taste"


class TwoShocks(hm.Model):
    """Two aggregate shocks, one of which nothing reads; only ever planned for."""

    discount_factor: float = hm.parameter("patience", above=0, below=1, default=0.9)

    def aggregate_shocks(self):
        levels = {"productivity": [0.9, 1.1]}, {"taste": [0.0, 1.0]}
        return tuple(hm.MarkovChain(CHAIN, **level) for level in levels)

    def idiosyncratic_shock(self):
        return hm.MarkovChain(CHAIN, labor=[0.5, 1.5])

    def asset_space(self):
        return hm.Assets(lower=0.0, upper=10.0)

    def preferences(self):
        return hm.CRRA(1.0)

    def aggregates(self, assets, own, today):
        return {"capital": assets}

    def prices(self, today):
        return {"interest_rate": 0.02}

    def resources(self, assets, own, today):
        return (1.0 + today.interest_rate) * assets + own.labor

    def signal(self, today):
        return {"productivity": today.productivity}


def test_a_shock_that_reaches_zero_is_measured_in_its_own_units():
    assert make_plan(TwoShocks(), "productivity", [0.05]).label(0.05) == "+5 %"
    plan = make_plan(TwoShocks(), "taste", [0.1])  # it is zero in one of its states
    assert plan.label(0.1) == "+0.1"
    assert plan._replace(unit="percentage points").label(0.001) == "+0.1 points"


def test_both_shocks_are_expected_to_move_as_the_chain_says():
    """Independent shocks: one that moves alone leaves the other where it is."""
    (expected,) = make_plan(TwoShocks(), "productivity", [0.05]).expected(6)
    np.testing.assert_allclose(expected["productivity"], 0.05 * 0.75 ** np.arange(6), atol=1e-12)
    np.testing.assert_allclose(expected["taste"], 0.0, atol=1e-12)


@pytest.mark.parametrize(("settings", "label"), [(hm.RSPG(), "RSPG"), (hm.SPG(), "SPG")])
def test_trained_solutions_are_called_after_their_method(settings, label):
    fields: dict = dict.fromkeys(field.name for field in dataclasses.fields(hm.Solution))
    assert usual_label(hm.Solution(**{**fields, "settings": settings})) == label


@pytest.mark.slow
def test_without_aggregate_risk_to_speak_of_all_methods_agree():
    """Productivity moves by a hundredth of a percent: the global response is the linear one up to grids and the law."""
    model = impatient(productivity=[0.9999, 1.0001])
    solution = hm.solve(model, hm.KSAlgorithm(periods=3000, burn_in=500))
    side = hm.compare(solution, horizon=60, starts=8, paths=32, accuracy=False)
    assert side.sizes == pytest.approx((-1e-4, -1e-5, 1e-5, 1e-4))
    for name in MAIN:
        for size in side.sizes:
            assert np.abs(side.gap(size, "Krusell-Smith", name)).max() < 0.2, name
            # solved to 1e-10, not little beside a change by 1e-5
            assert np.abs(side.gap(size, "Perfect foresight", name)).max() < 0.05, name
