"""Reports as one HTML file: numbers are the run's, nothing outside is asked for, whatever is shown is escaped."""

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hank_mfg as hm
from hank_mfg.estimate.posterior.drawn import Drawn
from hank_mfg.evaluate.accuracy_table import accuracy_rows
from hank_mfg.evaluate.establishes import CAVEAT, LIMITS, limits_of
from hank_mfg.evaluate.moments import moment_table
from hank_mfg.report.html_table import html_table
from hank_mfg.report.page import MOST, Page
from hank_mfg.report.provenance import commands_of
from hank_mfg.report.run_pages import Gathered, economy_page, game_page
from hank_mfg.report.style import COLUMN, finish, journal_style, panels
from hank_mfg.report.svg import inline_svg, points_of
from hank_mfg.runs.economy_run import named_method
from hank_mfg.runs.repeating import command_again

DOCS = Path(__file__).resolve().parents[2] / "docs"
VOID = {"meta", "br", "img"}
LOADING = {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}


class Read(HTMLParser):
    """A page as a reader meets it: rows of its tables, titles of cells, identifiers, what is loaded, open elements."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.titles: list[str] = []
        self.names: list[str] = []
        self.loaded: list[str] = []
        self.data: list[Any] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.loaded += [str(given[name]) for name in LOADING & given.keys()]
        self.names += [str(given["id"])] if "id" in given else []
        self.titles += [str(given["title"])] if "title" in given else []
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)
        assert tag not in ("link", "iframe", "object", "embed")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} is closed out of turn"

    def handle_data(self, data):
        if "script" in self.open and data.startswith("["):
            self.data.append(json.loads(data))
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def drawn(*, wide: bool = False) -> Any:
    """A figure of two lines, with a hatch, a note, and a label that is mathematics."""
    with journal_style():
        figure, (left, right) = panels(2, 2, 2 * COLUMN if wide else COLUMN, 1.5, "A note <here>.")
        left.plot([0.0, 1.0, 2.0], [1.0, 4.0, 9.0], label="squares")
        left.axhline(2.0)
        left.set(title="Squares", xlabel="Number", ylabel="Level")
        right.fill_between([0, 1], [0, 1], hatch="///")
        right.semilogy(np.arange(1000.0), np.linspace(1.0, 1000.0, 1000), label=r"$1 - R^2$")
        return finish(figure)


@pytest.fixture(scope="module")
def economy(solved_run):
    """The page of the tiny run with made-up measures, built twice, and these measures."""
    content: dict[str, Any] = {
        "variable": "capital", "capital_mean": 39.123456789, "capital_sd": 1.0123456789,
        "den_haan_mean_percent": 0.0481, "den_haan_max_percent": 0.7, "euler_error_mean_percent": 0.00123456789,
        "goods_market_residual_max": 1.5e-14, "top_of_grid_mass": 0.0, "exploitability": None, "law_of_motion": None,
        "asset_points": 120, "periods": 500, "precision": "float64", "seed": 1,
    }  # fmt: skip
    series = {"output": np.linspace(1.0, 2.0, 50), "capital": np.linspace(3.0, 5.0, 50)}
    moments = moment_table(series, note="Made up.")
    frame = pd.DataFrame({"value": [0.3, 2.0]}, index=pd.Index(["Gini coefficient", "mean"], name="statistic"))
    tables = {"distribution": (frame, "A note.", 3)}
    texts = []
    for _ in range(2):
        found = Gathered(content, moments, tables, {"training": drawn()}, {"training": drawn()})
        texts.append(economy_page(solved_run.solution, solved_run.folder, found).html())
    return content, texts


def test_the_page_of_an_economy_has_the_numbers_of_evaluation_json(economy, solved_run):
    """What evaluation.json holds is in the table of accuracy with all digits, and the commands make the run again."""
    content, (text, again) = economy
    solution, folder = solved_run.solution, solved_run.folder
    assert text == again
    read = Read(text)
    rows = {row[0]: row[1:] for row in read.rows if row}
    for name, (value, verdict) in accuracy_rows(content).items():
        assert rows[name][1] == verdict and repr(float(value)) in read.titles, name
    assert rows["Den Haan error, largest (percent)"] == ["0.7000", "above 0.5 %"]
    assert rows["Den Haan error"][1] == "an error of the solution: RSPG households do not use the law"
    assert CAVEAT in text and "Updates ran out: after 4" in text
    assert "4 of 5 measures of accuracy that have a bar are within it." in text
    assert rows["discount_factor"][:2] == ["0.99", "per quarter"] and rows["asset_points"] == ["60"]
    assert len(rows["Fingerprint of the equations"][0]) >= 16 and "jax" in rows["Versions"][0]
    (command,) = re.findall(r"hank-mfg solve [^\n<]*", text)
    assert command == command_again(folder, solution.model) and command.endswith("--out tiny")
    assert "hank-mfg report tiny --html --periods 500 --seed 1" in text and str(folder) not in text


def test_a_page_asks_for_nothing_and_is_whole(economy):
    """Guards docs/keeping_results.md, "One page": no request leaves the page, at most 5 MiB, identifiers are single."""
    text = economy[1][0]
    read = Read(text)
    for each in read.loaded:
        assert each.startswith(("#", "data:image/png;base64,")), each
    assert not re.search(r"url\((?!#)", text) and "@import" not in text and "fetch(" not in text
    assert "http" not in text and len(text.encode()) <= MOST
    assert len(read.names) == len(set(read.names))
    used = {each[1:] for each in read.loaded if each.startswith("#")} | set(re.findall(r"url\(#([^)]*)\)", text))
    assert used <= set(read.names)
    assert text.count("<svg ") == text.count("<figcaption>") == len(read.data) == 2
    assert "@media print" in text and "width=device-width" in text


def test_the_command_makes_the_run_again(solved_run):
    """It is the run's own: its options read by the command line give the settings in config.json."""
    words = command_again(solved_run.folder, solved_run.solution.model).split()
    assert words[:3] == ["hank-mfg", "solve", "krusell_smith"]
    options = [word for before, word in itertools.pairwise(words) if before == "--option"]
    assert named_method("rspg", hm.load_model("krusell_smith"), options) == solved_run.solution.settings


def test_a_class_of_a_session_is_made_again_in_python(tmp_path):
    """No file holds it: the line names the class, and executed it reads the run as its own."""
    kind = type(hm.load_model("aiyagari"))
    model = hm.load_model(kind, **{**hm.load_model("aiyagari").parameters(), "discount_factor": 0.95})
    config = {
        "kind": "stationary", "model": kind.__name__, "other_fields": {}, "asset_points": 40, "tolerance": 1e-11,
        "parameters": {name: np.asarray(each).tolist() for name, each in model.parameters().items()},
        "nonconcave": "refuse", "status": "SOLVED",
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    line = command_again(tmp_path, model)
    asked: dict[str, Any] = {}
    record = SimpleNamespace(steady_state_run=lambda source, folder, **given: asked.update(given, source=source))
    eval(line, {"hm": record, kind.__name__: kind})
    assert asked["source"] is kind and asked["overrides"]["discount_factor"] == 0.95 and asked["asset_points"] == 40


def test_what_a_user_named_is_escaped():
    page = Page('<b>"bold"</b> & co', "<script>alert(1)</script>")
    page.section("<i>Section</i>").text("<u>words</u>")
    page.table(pd.DataFrame({"<em>": ["<td>", 1.0]}, index=["</table>", "b"]), caption="<caption>", note="<note>")
    page.code(["hank-mfg solve '<b>.py'"])
    page.figure("</svg>", drawn(), "<figure>")
    text = page.html()
    read = Read(text)
    for raw in ('<b>"bold"', "<script>alert", "<i>", "<u>", "<em>", "<td><td>", "<note>", "<b>.py", "Note <here>"):
        assert raw not in text, raw
    assert read.rows[-2:] == [["</table>", "<td>"], ["b", "1.000"]] and text.count("<svg ") == 1
    assert "&lt;b&gt;&quot;bold&quot;&lt;/b&gt; &amp; co" in text
    assert "A note &lt;here&gt;." in text  # what the figure says, for who cannot see it


def test_values_under_the_pointer_are_those_of_the_lines():
    figure = drawn(wide=True)
    inline_svg(figure, "f-two", "about")
    left, right = json.loads(points_of(figure))
    assert left["title"] == "Squares" and (left["x"], left["y"]) == ("Number", "Level")
    (line,) = left["lines"]  # what runs across the panel is none
    assert line["name"] == "squares" and line["values"] == [[0, 1], [1, 4], [2, 9]]
    (axes, _) = figure.axes[:2]
    height = axes.get_position()
    assert line["at"][1][0] == pytest.approx((height.x0 + height.x1) / 2, abs=1e-3)
    assert left["box"] == pytest.approx([height.x0, 1 - height.y1, height.x1, 1 - height.y0], abs=1e-3)
    (many,) = right["lines"]
    assert many["name"] == "1 - R^2" and len(many["values"]) == 400 and many["values"][-1] == [999, 1000]


def test_dates_are_named_as_dates():
    with journal_style():
        figure, (panel,) = panels(1, 1, COLUMN, 1.5, "")
        panel.plot(pd.period_range("2001Q1", periods=3, freq="Q").to_timestamp(), [1.0, 2.0, 3.0])
        finish(figure)
    (found,) = json.loads(points_of(figure))
    assert found["lines"][0]["values"][1] == ["2001-04-01", 2]


def test_a_page_too_large_has_dots_and_then_is_refused(refuses):
    with journal_style():
        figure, (panel,) = panels(1, 1, COLUMN, 1.5, "")
        panel.plot(np.arange(2000.0), np.sin(np.arange(2000.0)), "o", markersize=1)
        finish(figure)
    page = Page("large", "")
    page.section("One").figure("first", figure)
    whole = page.html()
    smaller = page.html(most=len(whole.encode()) - 1)
    assert "<svg" in whole and "<svg" not in smaller and "data:image/png;base64," in smaller
    Read(smaller)
    refuses(lambda: page.html(most=1000), "'large'", "MiB", "fewer figures")


def test_a_table_has_the_digits_of_the_latex_table():
    columns = pd.MultiIndex.from_tuples([("Level", "mean"), ("Level", "auto- correlation"), ("Words", "unit")])
    rows = [[-0.000012345, 3, "a & b"], [123456.789, np.nan, None], [np.inf, 2, "x"]]
    read = Read(html_table(pd.DataFrame(rows, ["a", "b", "c"], columns), digits=3))
    assert read.rows[0] == ["", "Level", "Words"] and read.rows[1] == ["", "mean", "auto\u00adcorrelation", "unit"]
    assert read.rows[2] == ["a", "\u22121.23 \u00d7 10\u22125", "3.00", "a & b"]
    assert read.rows[3] == ["b", "123457", "\u2013", "\u2013"] and read.rows[4][1] == "\u221e"
    assert "-1.2345e-05" in read.titles and "123456.789" in read.titles


def test_the_words_on_limits_are_those_of_the_docs():
    """Guards docs/accuracy.md, 'How to read the measures': one source of words for docs and pages."""
    text = (DOCS / "accuracy.md").read_text()
    for each in LIMITS:
        assert f"| {each.measure} | {each.establishes} | {f'{each.does_not} ' if each.does_not else ''}|" in text
    assert CAVEAT.removesuffix(".") in " ".join(text.split())
    assert [each.measure for each in limits_of({"residual", "unknown"})] == ["excess supply of markets"]


def test_a_game_has_a_page(tmp_path):
    """Of what report gathers of a game, in a folder that holds no run: no command is given."""
    numbers = dict.fromkeys(("clairvoyant", "nonanticipative", "spread"), 0.125)
    content = {"populations": {"birds": numbers}, "paths": 4, "seed": 1, "precision_evaluation": "float64"}
    game = hm.load_game("linear_quadratic")
    settings = hm.settings_for("linear_quadratic", paths=2)
    solution: Any = SimpleNamespace(
        settled=False, updates=7, game=game, precision="float32", seed=0, device="cpu", seconds_compile=1.0,
        seconds_train=2.0, settings=settings,
    )  # fmt: skip
    rows = pd.DataFrame({"Value": pd.Series({"Exploitability": 0.125}, dtype=object)}), "On 4 paths."
    crowds = pd.DataFrame({"gain": [1.0]}, index=[10])
    text = game_page(solution, tmp_path, content, rows, crowds, {"finite_population": drawn()}).html()
    shown = {row[0]: row[1:] for row in Read(text).rows if row}
    assert shown["Exploitability"] == ["0.1250"] and shown["paths"] == ["2"]
    assert shown["exploitability, non-anticipative"][1] == "that a better deviator would not gain more"
    assert "7 updates were made" in text and "LinearQuadratic: a game" in text
    assert commands_of(tmp_path, game, "") == []


def test_a_posterior_has_a_page(tmp_path):
    """hm.write_report of a posterior without a mode: its table as CSV, LaTeX and page."""

    class Drawing(Drawn):
        likelihood = SimpleNamespace(model=hm.load_model("huggett"), parameters=("persistence",))
        target = SimpleNamespace(draws=lambda count, seed: (None, {"persistence": np.linspace(0.8, 0.99, count)}))
        draws = {"persistence": np.linspace(0.9, 0.92, 60).reshape(2, 30)}  # noqa: RUF012
        center, sizes = {"persistence": 0.912345678}, "2 chains of 30 draws"

        def log_marginal_density(self):
            return {"importance sampling": -123.456}

        def table(self, interval: float = 0.9) -> pd.DataFrame:
            return pd.DataFrame({"mean": [0.912345678]}, index=pd.Index(["persistence"], name="parameter"))

    written = hm.write_report(Drawing(), tmp_path, html=True)
    assert [path.name for path in written] == [
        "posterior.csv", "posterior.tex", "posterior.pdf", "posterior.png", "posterior.html",
    ]  # fmt: skip
    text = written[-1].read_text()
    assert Read(text).rows[1] == ["Persistence", "0.9123"] and 'title="0.912345678"' in text
    assert (
        "2 chains of 30 draws" in text
        and "123.456" in text
        and "<svg" in text
        and "Huggett: a posterior of persistence" in text
    )
