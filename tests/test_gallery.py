"""Loading models: shipped ones, files, classes, instances; overrides; calibration tables; mistakes in a sentence."""

import sys
from pathlib import Path

import jax.numpy as jnp
import pytest

import hank_mfg as hm
from hank_mfg.model.gallery import calibration_table, load_model, model_names, parse_override, read_calibration


def test_the_shipped_names():
    assert {"aiyagari", "krusell_smith", "krusell_smith_1998"} <= set(model_names())
    assert model_names() == sorted(model_names())


@pytest.mark.parametrize("name", model_names())
def test_every_shipped_calibration_is_complete_and_sourced(name):
    model, calibration = load_model(name), read_calibration(name)
    assert set(calibration.values) == set(model.parameters())
    assert calibration.period in ("two months", "quarter", "year") and calibration.source
    for row in calibration_table(name):
        assert row["unit"] and row["source"] and row["about"], row


def test_published_calibrations():
    aiyagari = load_model("aiyagari")
    assert (aiyagari.discount_factor, aiyagari.capital_share, aiyagari.depreciation) == (0.96, 0.36, 0.08)
    suite = load_model("krusell_smith")
    assert suite.time_endowment == pytest.approx(1 / 0.9) and suite.unemployment_benefit == 0.15


def test_overrides_come_last_and_are_checked(refuses):
    assert load_model("aiyagari", discount_factor=0.9).discount_factor == 0.9
    refuses(lambda: load_model("aiyagari", beta=0.9), "Aiyagari has no parameter 'beta'", "discount_factor")
    refuses(lambda: load_model("aiyagari", discount_factor=1.2), "Aiyagari.discount_factor = 1.2", "below 1")
    instance = load_model("aiyagari")
    assert load_model(instance) is instance
    assert load_model(instance, depreciation=0.1).depreciation == 0.1


def test_an_unknown_name_lists_the_known_ones(refuses, tmp_path, monkeypatch):
    refuses(
        lambda: load_model("aiyagary"), "no shipped model 'aiyagary' (did you mean 'aiyagari'?)", "krusell_smith_1998"
    )
    refuses(lambda: load_model("bewley"), "the shipped ones are aiyagari, huggett, huggett_1993, krusell_smith")
    monkeypatch.chdir(tmp_path)
    Path("bewley.py").touch()
    refuses(lambda: load_model("bewley"), "for the file in this folder write bewley.py")
    refuses(lambda: load_model(3), "3 is no model", "Model subclass")


def test_a_file_with_defaults_and_a_table_beside_it(write_model, refuses):
    path = write_model()
    assert load_model(path).discount_factor == load_model(str(path)).discount_factor == 0.96
    path.with_suffix(".toml").write_text(
        "period = 'year'\ndepreciation = 0.1\n[discount_factor]\nvalue = 0.9\nunit = 'per year'"
    )
    model = load_model(path, depreciation=0.2)
    assert (model.discount_factor, model.depreciation) == (0.9, 0.2)
    rows = {row["name"]: row for row in calibration_table(path, depreciation=0.2)}
    assert rows["discount_factor"] == {
        "name": "discount_factor", "value": 0.9, "unit": "per year", "source": "", "about": "patience, per year"
    }  # fmt: skip
    assert rows["depreciation"]["source"] == "set by hand"
    assert rows["capital_share"]["source"] == "default of the model"
    path.with_suffix(".toml").write_text("model = 'other'")
    refuses(lambda: load_model(path), 'my_model.toml says model = "other"', 'model = "my_model"')


def test_a_calibration_file_is_a_source_of_its_own(write_model, tmp_path, refuses):
    shipped = tmp_path / "patient.toml"
    shipped.write_text(
        "model = 'aiyagari'\n" + "\n".join(f"{k} = {v}" for k, v in load_model("aiyagari").parameters().items())
    )
    assert type(load_model(shipped)).__name__ == "Aiyagari"
    write_model()
    (tmp_path / "second.toml").write_text("model = 'my_model'\ndiscount_factor = 0.9")
    assert load_model(tmp_path / "second.toml").discount_factor == 0.9
    (tmp_path / "third.toml").write_text("model = 'nowhere'")
    refuses(lambda: load_model(tmp_path / "third.toml"), '"nowhere" is neither a shipped model nor nowhere.py')


def test_an_edited_file_is_read_afresh_and_an_unchanged_one_keeps_its_class(write_model):
    path = write_model()
    first = load_model(path)
    assert type(load_model(path)) is type(first)  # so that nothing is compiled again
    edited = load_model(write_model(("default=0.96", "default=0.97")))
    assert edited.discount_factor == 0.97 and type(edited) is not type(first)
    assert first.discount_factor == 0.96


def test_a_file_may_postpone_annotations_and_leaves_nothing_behind(write_model):
    path = write_model(("import hank_mfg as hm\n", "from __future__ import annotations\nimport hank_mfg as hm\n"))
    before = list(sys.path)
    hm.check_model(load_model(path))
    assert sys.path == before and list(path.parent.iterdir()) == [path]


def test_a_class_from_a_notebook(refuses):
    model_type = type(load_model("aiyagari"))
    values = load_model("aiyagari").parameters()
    assert load_model(model_type, **values).discount_factor == 0.96
    del values["depreciation"]
    refuses(
        lambda: load_model(model_type, **values), "Aiyagari has no value for depreciation", "pass it: load_model(..."
    )
    assert read_calibration(model_type) is None
    rows = calibration_table(load_model("aiyagari"))
    assert [row["name"] for row in rows] == list(load_model("aiyagari").parameters())


def test_parameters_may_be_arrays():
    table = calibration_table(load_model("krusell_smith", productivity=jnp.array([0.9, 1.1])))
    assert next(row for row in table if row["name"] == "productivity")["value"].shape == (2,)


BROKEN_FILES = {
    "a value is missing": (
        [("above=0, below=1, default=0.96", "above=0, below=1")],
        ["MyModel has no value for discount_factor", "in my_model.toml", "--set discount_factor=VALUE"],
    ),
    "bad syntax": (
        [("class MyModel(hm.Model):", "class MyModel(hm.Model:")],
        ["my_model.py, line", "correct the syntax of that line"],
    ),
    "an unknown public name": ([("hm.Model)", "hm.Modell)")], ["my_model.py, line", "hank_mfg has no 'Modell'"]),
    "an undefined variable": (
        [("default=0.96", "default=BETA")],
        ["my_model.py, line", "NameError: name 'BETA' is not defined"],
    ),
    "a missing package": (
        [("import hank_mfg as hm", "import hank_mfg as hm\nimport nowhere")],
        ["my_model.py, line", "ModuleNotFoundError: No module named 'nowhere'"],
    ),
    "two models": (
        [("class MyModel(hm.Model):", "class First(hm.Model):\n    pass\n\n\nclass MyModel(hm.Model):")],
        ["my_model.py defines 2 models (First, MyModel)", "keep one per file"],
    ),
    "no model": (
        [("class MyModel(hm.Model):", "class MyModel:")],
        ["my_model.py defines no model", "derives from hank_mfg.Model"],
    ),
    "no discount factor": ([("discount_factor: ", "patience: ")], ["MyModel declares no discount_factor"]),
    "a missing method": ([("def signal", "def seen")], ["MyModel does not define signal()"]),
    "a default out of range": (
        [("default=0.96", "default=1.96")],
        ["MyModel.discount_factor = 1.96", "patience, per year"],
    ),
}


@pytest.mark.parametrize("mistake", BROKEN_FILES)
def test_a_broken_file_is_one_sentence(write_model, refuses, points_to, mistake):
    replacements, pieces = BROKEN_FILES[mistake]
    path = write_model(*replacements)
    message = refuses(lambda: load_model(path), *pieces)
    if ", line " in message:
        points_to(message, path, replacements)


BROKEN_TABLES = {
    "bad TOML": ("[discount_factor]\nvalue 0.9", ["my_model.toml is not valid TOML", "line 2"]),
    "an unknown parameter": (
        "[discount_facto]\nvalue = 0.9",
        ["my_model.toml: MyModel has no parameter 'discount_facto'", "did you mean 'discount_factor'?"],
    ),
    "no value": ("[discount_factor]\nunit = 'x'", ["my_model.toml: [discount_factor] has value = None", "number"]),
    "text for a value": ("[discount_factor]\nvalue = '0.9'", ["[discount_factor] has value = '0.9'", "a number"]),
    "a ragged entry": ("productivity_sd = [[0.1], true]", ["[productivity_sd] has value = [[0.1], True]"]),
    "an unknown key": ("[discount_factor]\nvalue = 0.9\nunits = 'x'", ["[discount_factor] has 'units'", "`unit`"]),
    "a value out of range": ("discount_factor = 1.2", ["MyModel.discount_factor = 1.2"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", BROKEN_TABLES)
def test_a_broken_calibration_is_one_sentence(write_model, refuses, mistake):
    text, pieces = BROKEN_TABLES[mistake]
    path = write_model()
    path.with_suffix(".toml").write_text(text)
    refuses(lambda: load_model(path), *pieces)


def test_paths_that_lead_nowhere(refuses, tmp_path):
    refuses(lambda: load_model(tmp_path / "gone.py"), "gone.py does not exist", "hank-mfg new")
    (tmp_path / "notes.txt").touch()
    refuses(lambda: load_model(tmp_path / "notes.txt"), "neither a .py file nor a .toml file")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    refuses(lambda: load_model(tmp_path / "binary.py"), "cannot be read as text")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a=0.5", 0.5), ("a = .5", 0.5), ("a=-1", -1), ("a=1e-3", 1e-3), ("a=[0.98, 1.02]", [0.98, 1.02]),
     ("a=[[.5,.5],[0,1]]", [[0.5, 0.5], [0, 1]]), ("a=7", 7)],
)  # fmt: skip
def test_overrides_are_parsed(text, expected):
    name, value = parse_override(text)
    assert name == "a" and value == expected and type(value) is type(expected)


@pytest.mark.parametrize("text", ["", "a", "=1", "a=", "a b=1", "1a=2"])
def test_overrides_need_a_name_and_a_value(refuses, text):
    refuses(lambda: parse_override(text), f"'{text}' is not of the form name=value", "discount_factor=0.98")


def test_an_override_may_be_a_word_which_the_parameter_then_refuses(refuses):
    assert parse_override("information=filter") == ("information", "filter")
    refuses(lambda: load_model("aiyagari", depreciation="high"), "depreciation = 'high' is not a number")


@pytest.mark.parametrize("value", ["[1, 'a']", "[]", "[1", "{1}", "(1, 2)", "[__import__('os')]"])
def test_overrides_are_numbers_or_lists(refuses, value):
    refuses(lambda: parse_override(f"a={value}"), f"a={value}: ", "a=0.5 or a=[0.5, 1]")
