"""Every result has the same spelling: table() or to_frame() is a DataFrame with units and standard errors, to_latex()
the table as LaTeX. Numbers are made up here, so that nothing is solved."""

import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.environment.long_run import ChainMoments
from hank_mfg.evaluate.euler_errors import EulerErrors
from hank_mfg.evaluate.exploitability.deviation import Exploitability
from hank_mfg.evaluate.exploitability.game_deviation import GameDeviation
from hank_mfg.evaluate.exploitability.game_exploitability import GameExploitability
from hank_mfg.evaluate.forecast import ForecastErrors
from hank_mfg.evaluate.impulse_response import ImpulseResponse
from hank_mfg.evaluate.information import Informed
from hank_mfg.evaluate.moments import moment_table
from hank_mfg.solve.classical.law_of_motion import LawOfMotion

NUMBERS = np.arange(6.0)
BY_NAME = {name: {"output": np.array([1.0, 0.5, 0.25]) * scale} for name, scale in (("mean", 1.0), ("error", 0.1))}
RESPONSE = ImpulseResponse(
    "productivity",
    -0.01,
    "percent",
    3,
    BY_NAME["mean"],
    {},
    {},
    BY_NAME["error"],
    {"output": "percent"},
    0.9,
    4,
    2,
    "note",
)  # fmt: skip
ERROR = hm.results.GridError(
    (200, 100), {"capital": np.array([2.0, 2.1])}, {"capital": 1.9}, {"capital": 0.1}, {"capital": None}
)
MATCHED = hm.results.MatchedMoments(
    model=hm.load_model("krusell_smith"), parameters={"risk_aversion": 2.0, "discount_factor": 0.992},
    standard_errors={"risk_aversion": 0.4, "discount_factor": float("nan")}, covariance=np.diag([0.16, np.nan]),
    bounds={"risk_aversion": (1.0, 3.0), "discount_factor": (0.982, 0.992)}, at_bound=("discount_factor",),
    statistic=2.0, degrees=1, p_value=0.157, starts=pd.DataFrame({"risk_aversion": [2.0], "objective": [2.2]}),
    weights="covariance", converged=True, jacobian=np.array([[0.1, 20.0], [-1.0, 0.0]]),
    moments=pd.DataFrame(
        {"data": [3.0, 1.5], "standard_error": [0.1, 0.5], "model": [3.1, 1.0], "gap_in_standard_errors": [0.95, -0.95],
         "source": ["us.csv", ""]},
        index=pd.Index(["mean(output)", "sd(output)"], name="moment"),
    ),
    moment_covariance=np.diag([0.01, 0.25]), covariance_from="simulated", samples=10, periods=200, burn=250,
    asset_points=400, seed=0, fluctuations="HP filter with smoothing 1600", jumps=(), seconds_compile=1.0,
    seconds_run=2.0,
)  # fmt: skip
RESULTS = {
    "matched moments": MATCHED,
    "chain": ChainMoments(1.0, 0.2, 0.9, 0.0, 0.19, 0.91, 0.2, 0.9, True),
    "euler": EulerErrors(0.001, 0.01, 0.1, 0.002, 0.02, 100, 50, 0),
    "forecast": ForecastErrors(
        LawOfMotion(np.array([0.1]), np.array([0.9]), np.array([0.99])), 0.001, 0.003, NUMBERS, NUMBERS
    ),
    "gains": Exploitability(0.02, 0.01, 0.2, 0.1, 0.004, 0.002, 104.0, 500, 16, 100, 4),
    "game bound": GameExploitability({"all": 0.1}, {"all": 2.0}, {"all": 0.01}, {"all": None}, {"all": 5}, 64, 4),
    "game gain": GameDeviation({"all": 0.1}, {"all": 0.01}, {"all": "none"}, {"all": 2.0}, {"all": 5.0}, 64, 4),
    "search": hm.results.SearchGain(0.1, 0.5, 0.4, 0.05, 4, 150, 100, 5),
    "grid": ERROR,
    "information": hm.results.InformationValue({"poor": Informed(0.4, 0.1, 0.2)}, 16, 300, 100, 600, 11),
    "welfare": hm.results.WelfareCost(0.4, 0.2, 0.04, 0.02, 0.1, 0.05, 100.0, 500, 64, 4),
    "second": hm.results.SecondMoments(
        ("output", "capital"), np.array([[[4.0, 1.0], [1.0, 1.0]], [[2.0, 0.5], [0.5, 0.8]]])
    ),
    "response": RESPONSE,
    "moments": moment_table({"output": 1.0 + 0.1 * np.sin(NUMBERS), "capital": 2.0 + np.cos(NUMBERS)}),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_has_a_table_and_its_latex(name, tmp_path):
    result = RESULTS[name]
    table, path = result.table(), tmp_path / "table.tex"
    assert isinstance(table, pd.DataFrame) and not table.empty and table.columns.is_unique
    text = result.to_latex(path)
    assert r"\bottomrule" in text and path.read_text() == text
    assert r"\caption{Named}" in result.to_latex(caption="Named", label="tab:named")


def test_standard_errors_stand_beside_what_they_are_of():
    assert RESULTS["gains"].table().loc["clairvoyant"].tolist() == pytest.approx([0.02, 0.004, 0.2, 0.04])
    assert RESULTS["welfare"].table().loc["partial"].tolist() == pytest.approx([0.4, 0.1, 0.04, 0.01])
    assert RESULTS["information"].table().loc["poor"].tolist() == pytest.approx([0.4, 0.1, 0.2, 0.05])
    assert RESULTS["search"].table().iloc[0].tolist() == pytest.approx([0.1, 0.5, 0.05, 0.4])
    assert RESULTS["game bound"].table().loc["all"].tolist()[:2] == [0.1, 0.01]
    assert RESULTS["response"].table().loc["output"].tolist() == ["percent", 1.0, pytest.approx(0.1)]
    assert RESPONSE.table([0, 2])["Standard error in period", "2"].tolist() == pytest.approx([0.025])


def test_numbers_of_tables():
    assert RESULTS["euler"].table().loc["Euler error (percent)"].tolist() == pytest.approx([0.1, 1.0])
    assert RESULTS["forecast"].table().loc["Den Haan error, mean (percent)", "value"] == pytest.approx(0.1)
    second = RESULTS["second"].table()
    assert second["sd"].tolist() == [2.0, 1.0] and second["autocorrelation, lag 1"].tolist() == [0.5, 0.8]
    assert second["correlation with output"].tolist() == [1.0, 0.5]
    assert RESULTS["chain"].table().loc["sd"].tolist() == [0.2, 0.19, 0.2]


def test_matched_moments_in_standard_errors(refuses, tmp_path):
    table = MATCHED.identification()
    assert table.to_numpy() == pytest.approx(np.array([[2.0, 2.0], [-4.0, 0.0]]))
    assert MATCHED.singular_values == pytest.approx(np.linalg.svd(table, compute_uv=False))
    assert r"\bottomrule" in MATCHED.to_latex(which="moments") and "us.csv" in MATCHED.to_latex(which="moments")
    assert "aversion" in MATCHED.to_latex(which="identification")
    refuses(lambda: MATCHED.to_latex(which="moment"), "which = 'moment'", "'identification'")
    assert "taken as fixed: discount_factor" in MATCHED.note and "simulated samples" in MATCHED.note
    assert repr(hm.load(hm.save(MATCHED, tmp_path / "matched.npz"))) == repr(MATCHED)


def test_a_period_beyond_the_response_is_refused(refuses):
    refuses(lambda: RESPONSE.table([3]), "periods asks for 3", "0 to 2")


def test_equilibria_along_a_grid_are_rows():
    from hank_mfg.model.named import Named

    found = hm.results.SteadyStates(
        {"discount_factor": np.array([0.95, 0.96]), "income": np.ones((2, 2))},
        Named("prices", {"interest_rate": np.array([0.03, 0.02])}),
        Named("aggregates", {"capital": np.array([5.0, 6.0])}),
        NUMBERS, NUMBERS, NUMBERS, np.zeros(2), 0.0,
    )  # fmt: skip
    frame = found.to_frame()
    assert list(frame) == ["discount_factor", "income_0", "income_1", "interest_rate", "capital", "excess"]
    assert frame["capital"].tolist() == [5.0, 6.0]


def test_the_names_are_the_same_everywhere():
    """A result with a table has LaTeX of it; one with periods has to_frame(); both at once where both make sense."""
    tabular = (
        hm.SteadyState,
        hm.results.HouseholdAtPrices,
        hm.results.GridError,
        hm.results.Comparison,
        hm.results.DistributionPath,
        hm.results.InformationValue,
    )
    assert all(callable(kind.table) and callable(kind.to_latex) for kind in tabular)
    framed = (
        hm.results.Transition,
        hm.results.PropensityPath,
        hm.results.DistributionPath,
        hm.results.SteadyStates,
        hm.results.Comparison,
        ImpulseResponse,
    )
    assert all(callable(kind.to_frame) for kind in framed)
    assert callable(hm.results.Comparison.frame)  # the name of earlier versions
