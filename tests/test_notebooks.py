"""The notebooks of docs/: executed, small, without paths of a machine, and their code runs as it stands."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
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


@pytest.mark.slow
def test_from_data_to_table(tmp_path, monkeypatch):
    """Guards docs/notebooks/from_data_to_table.ipynb: its code runs from the first cell to the last, without a warning,
    targets are met, the equilibrium is determinate, a longer horizon changes nothing, chains agree, and the tables and
    the figure are written."""
    pytest.importorskip("numpyro")
    (tmp_path / "calibration").symlink_to(ROOT / "calibration")
    folder = tmp_path / "docs" / "notebooks"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
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
