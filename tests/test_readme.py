"""README.md: its Python runs as it stands, on smaller sizes, and its first screen says how to start.

The chapters of docs/ on shipped economies quote their model files; the quotes are checked here too.
"""

import re
from functools import partial
from pathlib import Path

import pytest

import hank_mfg as hm

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
SCREEN = 45  # lines

pytestmark = pytest.mark.skipif(not README.exists(), reason="there is no README.md in this copy of the package")


def python_blocks() -> list[str]:
    """The text of every block fenced as Python."""
    return re.findall(r"^```python\n(.*?)^```", README.read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def small(monkeypatch, tiny):
    """Make every public function that takes a size take a tiny one, whatever the README says."""
    settings = hm.RSPG
    sizes = {
        "evaluate": {"periods": 200, "deviations": False},
        "compare": {"sizes": [0.01], "horizon": 4, "starts": 2, "paths": 2, "asset_points": 200, "accuracy": False},
        "game_deviation": {"paths": 2},
        "game_exploitability": {"paths": 2},
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


def test_the_first_example_is_ten_lines_over_every_stage():
    first = python_blocks()[0]
    assert len([line for line in first.splitlines() if line.strip()]) <= 10
    for name in ("load_model", "steady_state", "solve", "evaluate", "impulse_response", "moment_table"):
        assert f"hm.{name}(" in first, name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*has not settled:UserWarning")
@pytest.mark.filterwarnings("ignore:.*reached the top of the asset grid:UserWarning")  # four updates on few points
def test_the_python_runs(small, quick, tmp_path, monkeypatch):
    """Block after block, as one script, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "readme"}
    with quick():
        for number, block in enumerate(python_blocks(), 1):
            exec(compile(block, f"README.md, Python block {number}", "exec"), names)
    assert names["accuracy"].to_dict()["capital_mean"] > 0
    assert r"\toprule" in Path("table_1.tex").read_text()
    assert Path("figure_1.pdf").read_bytes().startswith(b"%PDF")


def test_what_the_readme_links_to_exists():
    links = re.findall(r"\]\((?!https?://)([^)#]+)", README.read_text())
    assert links
    missing = [link for link in links if not (README.parent / link).exists()]
    assert missing == []


def test_the_commands_that_it_names_exist():
    from hank_mfg.cli.main import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    lines = [line.strip() for line in README.read_text().splitlines() if line.startswith("    hank-mfg ")]
    alternatives = [part for line in lines for part in re.sub(r"\[[^]]*\]", "", line).split(" | ")]
    named = {part.removeprefix("hank-mfg ").split()[0] for part in alternatives}
    assert {"solve", "evaluate", "irf"} <= named <= known


@pytest.mark.parametrize("name", ["aiyagari", "krusell_smith", "huggett", "krusell_smith_noisy", "one_asset_hank"])
def test_the_chapter_on_an_economy_quotes_its_file(name):
    chapter = (ROOT / "docs" / f"{name}.md").read_text().split("## The economy, line by line")[1].split("\n## ")[0]
    lines = [line.split("|")[-2].strip() for line in chapter.splitlines() if line.startswith("|")][2:]
    code = (ROOT / "models" / f"{name}.py").read_text()
    assert lines
    for line in lines:
        assert line.strip("`") in code, line
