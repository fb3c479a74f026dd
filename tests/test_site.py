"""The documentation site."""

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    """Guards docs/start.md, `make docs`: every link resolves, every public name has an entry, nothing is fetched."""
    pytest.importorskip("myst_nb", reason="the extra hank-mfg[docs] is not installed")
    pytest.importorskip("sphinx_book_theme", reason="the extra hank-mfg[docs] is not installed")
    command = [sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning", "--quiet", str(DOCS)]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = {page: page.read_text() for page in tmp_path.rglob("*.html")}
    api = "".join(text for page, text in pages.items() if page.parent.name == "api")
    for name in ("steady_state", "RSPG", "planner", "plot.lorenz", "stats.gini", "results.Welfare"):
        assert f'id="hank_mfg.{name}"' in api
    assert not [page for page, text in pages.items() if 'src="http' in text or 'stylesheet" href="http' in text]
