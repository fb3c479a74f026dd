"""The wheel works away from the checkout: the command line, the shipped economies, the example of `hank-mfg new`."""

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow


def run(*command, cwd=None) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The scripts of a fresh environment with the wheel in it, and this one's packages for the dependencies.

    A plain path in a .pth file adds those packages but not what their own .pth files add: the checkout stays unseen.
    """
    home = tmp_path_factory.mktemp("away") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", home)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    run(sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "-q", "--no-deps", wheel)
    return home / "bin"


def test_the_wheel_ships_models_calibrations_and_the_example(wheel):
    """Guards README.md, `pip install .`: the wheel has all shipped models, calibrations and the example."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("models", "calibration"):
        shipped = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert shipped and {f"hank_mfg/gallery/{path.relative_to(ROOT).as_posix()}" for path in shipped} <= names
    assert "hank_mfg/templates/model.py" in names
    for name in ("README.md", "run_all.sh", "Dockerfile", "CITATION.cff"):
        assert f"hank_mfg/templates/package/{name}" in names
    assert not [name for name in names if name.startswith(("tests/", "models/", "calibration/", "runs/"))]


def test_it_is_the_wheel_that_is_imported(installed, tmp_path):
    """Guards the tests of this file: what they import is the installed wheel, not the checkout."""
    where = run(installed / "python", "-c", "import hank_mfg; print(hank_mfg.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)


def test_the_command_line_lists_and_shows_the_shipped_economies(installed, tmp_path):
    """Guards README.md, `pip install .`: the installed `hank-mfg` lists and shows shipped economies."""
    listed = run(installed / "hank-mfg", "list", cwd=tmp_path)
    assert "aiyagari" in listed and "krusell_smith" in listed
    json.loads(run(installed / "hank-mfg", "show", "krusell_smith", "--json", cwd=tmp_path))


def test_the_example_is_written_and_tried(installed, tmp_path):
    """Guards docs/start.md, 'Your own economy': the installed `hank-mfg new` writes an example that works."""
    run(installed / "hank-mfg", "new", "my_model.py", cwd=tmp_path)
    assert "discount_factor" in run(installed / "hank-mfg", "show", "my_model.py", cwd=tmp_path)


def test_the_source_distribution_builds_the_same_wheel(wheel, tmp_path):
    """Guards packaging in pyproject.toml: the source distribution builds a wheel with the same files."""
    script = "import hatchling.build, sys; print(hatchling.build.build_sdist(sys.argv[1]))"
    run(sys.executable, "-c", script, tmp_path, cwd=ROOT)
    (source,) = tmp_path.glob("*.tar.gz")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source)
    (rebuilt,) = tmp_path.glob("*.whl")
    assert set(zipfile.ZipFile(rebuilt).namelist()) == set(zipfile.ZipFile(wheel).namelist())
