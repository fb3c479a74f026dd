"""The example that `hank-mfg new` writes: complete, short, and loadable as it stands."""

import jax.numpy as jnp
import pytest

import hank_mfg as hm
from hank_mfg.cli.template import EXAMPLE, write_template


def test_the_example_loads_checks_and_discretizes(tmp_path):
    path = write_template(tmp_path / "my_model.py")
    model = hm.load_model(path)
    hm.check_model(model)
    economy = hm.discretize(model, 20, jnp.float32)
    assert economy.shape == (20, 7) and economy.shock_count == 5
    assert "hank-mfg show my_model.py" in path.read_text() and "MY_MODEL" not in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_the_example_is_short_and_uses_the_public_names_only():
    lines = EXAMPLE.read_text().splitlines()
    assert len(lines) < 120
    assert [line for line in lines if line.startswith(("import", "from"))] == ["import hank_mfg as hm"]


def test_an_existing_file_is_never_touched(tmp_path, refuses):
    path = tmp_path / "my_model.py"
    path.write_text("mine")
    refuses(lambda: write_template(path), "my_model.py exists and is left as it is", "another name")
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "pieces"),
    [("my_model", ("does not end in .py", "my_model.py")), ("gone/my_model.py", ("folder that does not exist",))],
)
def test_a_path_that_cannot_be_written_is_refused(tmp_path, refuses, name, pieces):
    refuses(lambda: write_template(tmp_path / name), *pieces)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path, refuses, monkeypatch):
    path = tmp_path / "my_model.py"

    def link(draft, target):
        path.write_text("theirs")
        raise FileExistsError

    monkeypatch.setattr("os.link", link)
    refuses(lambda: write_template(path), "exists and is left as it is")
    assert path.read_text() == "theirs" and list(tmp_path.iterdir()) == [path]
