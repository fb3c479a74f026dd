"""The notebooks of docs/: executed, small, without paths of a machine, the cells of their sources, and they run."""

import ast
import importlib.util
import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
SOURCES = sorted((ROOT / "docs" / "notebooks").glob("*.md"))
LONG = "from_data_to_table"  # has no small sizes
MEGABYTE = 1_000_000  # bytes

pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="there are no docs in this copy of the package")


def code_cells(notebook: Path) -> list[dict]:
    return [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_executed_in_order_without_a_warning(notebook):
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [each for each in outputs if each["output_type"] == "error" or each.get("name") == "stderr"]
    assert [each for each in outputs if "image/png" in each.get("data", {})]
    assert len(notebook.read_bytes()) < MEGABYTE
    text = json.dumps([*(cell["source"] for cell in cells), *([each.get("text", "") for each in outputs])])
    assert not [folder for folder in ("/tmp/", "/home/", "/root/", "/work/", "/Users/") if folder in text]


def test_every_notebook_has_a_source_and_every_source_a_notebook():
    assert [path.stem for path in NOTEBOOKS] == sorted(path.stem for path in SOURCES)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_has_the_cells_of_its_source(source):
    """make notebooks writes it again."""
    written = json.loads(source.with_suffix(".ipynb").read_text())["cells"]
    cells = [(cell["cell_type"], cell["metadata"], "".join(cell["source"])) for cell in written]
    assert cells == [(cell["cell_type"], cell["metadata"], cell["source"]) for cell in runner().read_cells(source)]


@pytest.mark.slow
@pytest.mark.parametrize("source", [path for path in SOURCES if path.stem != LONG], ids=lambda path: path.stem)
def test_a_notebook_runs_on_small_sizes(source, tmp_path, monkeypatch):
    """Guards every notebook of docs/notebooks: its cells run from the first to the last, exercises included, without a
    warning, and what they show at their ends prints."""
    monkeypatch.chdir(folder_with_data(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("HANK_MFG_SMOKE", "1")
    names: dict = {"__name__": "notebook"}
    code = [cell["source"] for cell in runner().read_cells(source) if cell["cell_type"] == "code"]
    for number, each in enumerate(code, 1):
        run_cell(each, f"code cell {number}", names)
        plt.close("all")
    assert names["QUICK"] is True


def runner():
    """docs/run_notebooks.py as a module."""
    spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "docs" / "run_notebooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def folder_with_data(top: Path) -> Path:
    """A folder docs/notebooks from which the data of calibration/ is where notebooks look for it."""
    (top / "calibration").symlink_to(ROOT / "calibration")
    folder = top / "docs" / "notebooks"
    folder.mkdir(parents=True)
    return folder


def run_cell(code: str, name: str, names: dict) -> None:
    """Run a cell; what its last line evaluates to is printed, as a notebook would."""
    body = ast.parse(code).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), name, "exec"), names)
    if isinstance(last, ast.Expr):
        print(eval(compile(ast.Expression(last.value), name, "eval"), names))


@pytest.mark.slow
def test_from_data_to_table(tmp_path, monkeypatch):
    """Guards docs/notebooks/from_data_to_table.ipynb: its code runs from the first cell to the last, without a warning,
    targets are met, the equilibrium is determinate, a longer horizon changes nothing, chains agree, and the tables and
    the figure are written."""
    pytest.importorskip("numpyro")
    monkeypatch.chdir(folder_with_data(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict = {"__name__": "notebook"}
    for number, cell in enumerate(code_cells(ROOT / "docs" / "notebooks" / "from_data_to_table.ipynb"), 1):
        exec(compile("".join(cell["source"]), f"code cell {number}", "exec"), names)
    assert names["found"].targets["gap"].abs().max() < 1e-7
    assert names["found"].identification().loc["interest_rate", "discount_factor"] == pytest.approx(-200, rel=0.05)
    posterior = names["posterior"]
    assert posterior.mode.winding_number == 0
    assert names["longer"](**posterior.mode.values) == pytest.approx(posterior.mode.log_likelihood, abs=0.05)
    assert (posterior.table()["R-hat"] < 1.05).all()
    assert set(posterior.likelihood.kinds.values()) == {"shocks"}
    assert posterior.variance_decomposition().sum(axis=1).to_numpy() == pytest.approx(100.0)
    for table in ("calibration.tex", "posterior.tex"):
        assert r"\toprule" in Path(table).read_text()
    assert Path("forecast.pdf").read_bytes().startswith(b"%PDF")
