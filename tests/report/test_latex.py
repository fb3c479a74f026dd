r"""Truths: the rules of booktabs, the special characters of LaTeX, the file system; compiled where pdflatex exists."""

import os
import re
import shutil
import stat
import subprocess

import numpy as np
import pandas as pd
import pytest

from hank_mfg.files import write_bytes, write_text
from hank_mfg.latex import escape, to_latex

NASTY = "100 % of a_b & c # ~ ^ \\ {x} <y> |z| $5 or $6"


def example():
    return pd.DataFrame(
        {"mean (level)": [39.335, 0.0101], "share_of_wealth (percent)": [-12.3456, np.nan], "unit": ["a & b", NASTY]},
        index=pd.Index(["capital_stock", "[0, 1)"], name="variable"),
    )


def cells(text):
    """Rows of a table as lists of cells, nested headings taken out."""
    flat = re.sub(r"\\begin\{tabular\}\[b\].*?\\end\{tabular\}", "heading", text)
    return [re.split(r"(?<!\\)&", line[:-3]) for line in flat.splitlines() if line.endswith(r" \\")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100 % of a_b & c", r"100 \% of a\_b \& c"),
        (r"$\beta$ and #1", r"$\beta$ and \#1"),
        ("costs $5 or $6", r"costs \$5 or \$6"),
        ("a\\b~c^d{e}", r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d\{e\}"),
        ("x < 1 | y > 2", r"x \textless{} 1 \textbar{} y \textgreater{} 2"),
        ("two\n lines \u2212 5\u20137", "two lines $-$ 5--7"),
    ],
)
def test_escape(text, expected):
    assert escape(text) == expected


def test_bare_tabular_has_the_three_rules_and_balanced_rows():
    text = to_latex(example())
    assert text.startswith("\\begin{tabular}{lrrl}\n\\toprule\n") and text.endswith("\\bottomrule\n\\end{tabular}\n")
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\hline", "|r")] == [1, 1, 1, 0, 0]
    assert {len(row) for row in cells(text)} == {4}
    assert text.count("{") == text.count("}")


def test_floating_table_with_caption_label_and_note():
    text = to_latex(example(), caption="Moments, 50 %", label="tab:moments", note="10_000 periods")
    order = [r"\begin{table}", r"\caption{Moments, 50 \%}", r"\label{tab:moments}", r"\begin{tabular}{lrrl}"]
    order += [r"\textit{Note.} 10\_000 periods", r"\end{minipage}", r"\end{table}"]
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (39.335, 3, "39.3"),
        (0.0101, 3, "0.0101"),
        (9.996, 3, "10.0"),
        (-12.3456, 3, "$-12.3$"),
        (1234.5, 3, "1234"),
        (0.0, 3, "0"),
        (1.25e-7, 2, r"$1.2 \times 10^{-7}$"),
        (-3e12, 1, r"$-3 \times 10^{12}$"),
        (np.nan, 3, "--"),
        (-np.inf, 3, r"$-\infty$"),
    ],
)
def test_numbers_have_significant_digits(value, digits, expected):
    assert cells(to_latex(pd.DataFrame({"x": [value]}), digits=digits))[1][1].strip() == expected


def test_integers_booleans_and_missing_entries():
    frame = pd.DataFrame({"count": [1234567, -5], "binds": [True, False], "text": [None, "x"]}, index=["a", "b"])
    first, second = cells(to_latex(frame))[1:]
    assert [cell.strip() for cell in first] == ["a", "1234567", "yes", "--"]
    assert [cell.strip() for cell in second] == ["b", "$-5$", "no", "x"]


def test_a_word_in_a_column_of_numbers_leaves_it_aligned_as_numbers():
    text = to_latex(pd.DataFrame({"gain": [0.5, "none found", 2.0]}))
    assert r"\begin{tabular}{lr}" in text and "& none found" in text and "& 0.500" in text


def test_row_that_starts_with_a_bracket_is_not_an_option_of_the_row_before():
    text = to_latex(example())
    assert "\n{[}0, 1) &" in text and "\n[" not in text


def test_long_headings_of_numbers_are_stacked():
    text = to_latex(example())
    assert r"\begin{tabular}[b]{@{}r@{}}share\_of\_wealth \\ (percent)\end{tabular}" in text


def test_grouped_columns_and_row_index_levels():
    columns = pd.MultiIndex.from_tuples([("sd 0.2", "1"), ("sd 0.2", "3"), ("sd 0.4", "1")])
    rows = pd.MultiIndex.from_tuples([("ours", 0.0), ("published", 0.3)], names=["source", "persistence"])
    text = to_latex(pd.DataFrame(np.ones((2, 3)), index=rows, columns=columns))
    assert r"\begin{tabular}{llrrr}" in text
    assert r" &  & \multicolumn{2}{c}{sd 0.2} & \multicolumn{1}{c}{sd 0.4} \\" in text
    assert r"\cmidrule(lr){3-4} \cmidrule(lr){5-5}" in text
    assert "source & persistence & 1 & 3 & 1" in text and "published & 0.300 & 1.00" in text


def test_errors():
    with pytest.raises(ValueError, match="digits = 0 leaves nothing to print: give at least 1"):
        to_latex(example(), digits=0)
    with pytest.raises(ValueError, match="label = 'tab:x' has no caption to number: give a caption"):
        to_latex(example(), label="tab:x")
    with pytest.raises(ValueError, match=r"frame has shape \(2, 0\): a table needs at least one column"):
        to_latex(pd.DataFrame(index=["a", "b"]))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_it_compiles(tmp_path):
    table = to_latex(example(), caption=NASTY, label="tab:moments", note=NASTY)
    body = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + table + "\\end{document}\n"
    write_text(tmp_path / "table.tex", body)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]


def test_write_text_replaces_whole_files_and_creates_folders(tmp_path):
    path = tmp_path / "tables" / "table.tex"
    assert write_text(path, "old") == path
    write_text(path, "new \u03b2")
    assert path.read_text(encoding="utf-8") == "new \u03b2"
    assert [entry.name for entry in path.parent.iterdir()] == ["table.tex"]
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR
    (tmp_path / "plain").write_text("x")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    path = write_bytes(tmp_path / "figure.pdf", b"old")

    def refuse(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["figure.pdf"]
