"""README.md and docs/methods.md: their Python runs as it stands, on smaller sizes; docs/index.md has all public names.

The chapters of docs/ on shipped economies quote their model files; the quotes are checked here too.
"""

import inspect
import re
from collections.abc import Iterator
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from matplotlib.figure import Figure

import hank_mfg as hm

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
SCREEN = 45  # lines
LINES = 110  # of the whole README

GROUPS = ("plot", "results", "stats")
PUBLIC_NAMES = [name for name in hm.__all__ if name not in GROUPS] + [
    f"{group}.{name}"
    for group in GROUPS
    for name, value in vars(getattr(hm, group)).items()
    if not name.startswith("_") and callable(value) and name != "checked"
]

pytestmark = pytest.mark.skipif(not README.exists(), reason="there is no README.md in this copy of the package")


def python_blocks(page: Path = README) -> list[str]:
    """The text of every block fenced as Python."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def small(monkeypatch, tiny):
    """Make every public function that takes a size take a tiny one, whatever the README says."""
    settings = hm.RSPG
    sizes = {
        "evaluate": {"periods": 200, "deviations": False},
        "compare": {"sizes": [0.01], "horizon": 4, "starts": 2, "paths": 2, "asset_points": 200, "accuracy": False},
        "exploitability": {"paths": 2},
        "finite_population": {"individuals": (10, 20), "paths": 4},
        "impulse_response": {"starts": 2, "paths": 2},
        "moment_table": {"periods": 200},
        "simulate": {"periods": 200},
    }
    for name, chosen in sizes.items():
        monkeypatch.setattr(hm, name, partial(getattr(hm, name), **chosen), raising=False)
    monkeypatch.setattr(hm, "RSPG", lambda **given: settings(**{**given, **tiny}), raising=False)
    monkeypatch.setattr(hm, "SPG", lambda **given: settings(**{"memory": "none", **given, **tiny}), raising=False)
    solve = hm.solve
    monkeypatch.setattr(hm, "solve", lambda model, method=None, **more: solve(model, method or hm.RSPG(), **more))


def test_the_first_screen_says_how_to_start():
    screen = "\n".join(README.read_text().splitlines()[:SCREEN])
    for words in ("make demo", "make test", "pip install .", '".[cuda12]"', '".[cuda13]"'):
        assert words in screen, words


def test_it_is_short():
    assert len(README.read_text().splitlines()) <= LINES


def test_the_first_examples_are_a_model_and_ten_lines_over_every_stage():
    model, first = python_blocks()[:2]
    assert "(hm.Model):" in model and len(model.splitlines()) <= 31
    assert len([line for line in first.splitlines() if line.strip()]) <= 10
    for name in ("load_model", "steady_state", "solve", "evaluate", "impulse_response", "moment_table"):
        assert f"hm.{name}(" in first, name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*has not settled:UserWarning")
@pytest.mark.filterwarnings("ignore:.*reached the top of the asset grid:UserWarning")  # four updates on few points
def test_the_python_runs(small, tmp_path, monkeypatch):
    """Block after block, as one script, in a folder with nothing but the model file that the README shows."""
    monkeypatch.chdir(tmp_path)
    Path("my_model.py").write_text(python_blocks()[0])
    names: dict = {"__name__": "readme"}
    for page in (README, DOCS / "methods.md"):
        for number, block in enumerate(python_blocks(page), 1):
            exec(compile(block, f"{page.name}, Python block {number}", "exec"), names)
    assert names["accuracy"].to_dict()["capital_mean"] > 0
    assert r"\toprule" in Path("table_1.tex").read_text()
    assert Path("figure_1.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("page", [README, *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_what_it_links_to_exists(page):
    links = re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)", page.read_text())
    assert links or page != README
    for link, heading in links:
        target = (page.parent / link).resolve() if link else page
        assert target.exists(), link
        if heading:
            assert heading in anchors(target), f"{link}#{heading}"


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [README, DOCS / "start.md"], ids=lambda page: page.name)
def test_the_commands_that_it_names_exist(page):
    from hank_mfg.cli.main import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    lines = [line.strip() for line in page.read_text().splitlines() if line.startswith("    hank-mfg ")]
    alternatives = [part for line in lines for part in re.sub(r"\[[^]]*\]", "", line).split(" | ")]
    named = {part.removeprefix("hank-mfg ").split()[0] for part in alternatives}
    assert {"solve", "evaluate", "irf"} <= named <= known


def test_the_index_has_every_public_name():
    index = (DOCS / "index.md").read_text()
    assert [name for name in PUBLIC_NAMES if f"| `{name}` |" not in index] == []


def test_the_index_names_nothing_that_is_not_public():
    table = (DOCS / "index.md").read_text().split("## All names")[1]
    assert set(re.findall(r"^\| `([\w.]+)` \|", table, flags=re.MULTILINE)) <= set(PUBLIC_NAMES)


def kinds_in(annotation) -> Iterator:
    """An annotation and the types inside it."""
    yield annotation
    for inner in get_args(annotation):
        yield from kinds_in(inner)


def test_the_types_of_results_are_public():
    public = [inspect.unwrap(attrgetter(name)(hm)) for name in PUBLIC_NAMES]
    functions = [each for each in public if inspect.isfunction(each)]
    assert len(functions) > 40
    for function in functions:
        returned = get_type_hints(function, localns={"Figure": Figure})["return"]
        ours = [kind for kind in kinds_in(returned) if getattr(kind, "__module__", "").startswith("hank_mfg.")]
        assert [kind for kind in ours if kind not in public] == [], function.__name__


def test_the_index_has_every_page():
    index = (DOCS / "index.md").read_text()
    assert [page.name for page in DOCS.glob("*.md") if page.name != "index.md" and f"({page.name})" not in index] == []


@pytest.mark.parametrize(
    "name", ["aiyagari", "krusell_smith", "huggett", "stock_market", "krusell_smith_noisy", "one_asset_hank"]
)
def test_the_chapter_on_an_economy_quotes_its_file(name):
    chapter = (ROOT / "docs" / f"{name}.md").read_text().split("## The economy, line by line")[1].split("\n## ")[0]
    lines = [line.split("|")[-2].strip() for line in chapter.splitlines() if line.startswith("|")][2:]
    code = (ROOT / "models" / f"{name}.py").read_text()
    assert lines
    for line in lines:
        assert line.strip("`") in code, line
