r"""Tables as LaTeX (package booktabs only) and files that are never left half written."""

import math
import re
import textwrap
from itertools import groupby
from numbers import Integral, Real

import pandas as pd

_HEADING_WIDTH = 12  # characters after which the heading of a column of numbers continues on the next line

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "%": r"\%", "&": r"\&", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "\u2013": "--", "\u2014": "---", "\u2212": "$-$", "\u00d7": r"$\times$", "\u00b1": r"$\pm$",
}  # fmt: skip

_MATH = re.compile(r"(\$(?=\S)[^$%&#]*(?<=\S)\$(?!\d))")


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it stands: `100 % of a_b & c` becomes `100 \% of a\_b \& c`.

    What is written as mathematics, $\beta$ for instance, is left alone: a dollar sign opens it when no space follows
    and closes it when no space comes before and no digit follows. Any other dollar sign is printed. Line breaks become
    spaces.
    """
    pieces = _MATH.split(" ".join(str(text).split()))
    return "".join(
        piece if place % 2 else "".join(_SPECIAL.get(letter, letter) for letter in piece)
        for place, piece in enumerate(pieces)
    )


def to_latex(
    frame: pd.DataFrame,
    *,
    caption: str | None = None,
    label: str | None = None,
    note: str | None = None,
    digits: int = 3,
) -> str:
    r"""A data frame as a LaTeX table with the rules of booktabs: put \usepackage{booktabs} in the preamble.

    Numbers are printed with `digits` significant digits, integers and numbers of more digits in full, missing ones as
    a dash; a column of numbers may hold a few words. Headings, text, caption and note are escaped (see `escape`).
    Levels of the row index come first, one column each; grouped (multi-level) column names are set above a rule that
    spans the group. With `caption`, `label` or `note` the result is a floating `table`, otherwise a bare `tabular` for
    use inside your own.

    `frame` (rows, columns), text or numbers; `label` is used in \ref{label}. Returns the LaTeX source.
    Raises ValueError when `digits` is below 1, the frame has no columns, or a label comes without a caption.
    Source: Fear, "Publication quality tables in LaTeX" (the booktabs manual): no vertical rules, no double rules.
    """
    if digits < 1:
        raise ValueError(f"digits = {digits} leaves nothing to print: give at least 1 significant digit.")
    if frame.shape[1] == 0:
        raise ValueError(f"frame has shape {frame.shape}: a table needs at least one column.")
    if label and not caption:
        raise ValueError(f"label = {label!r} has no caption to number: give a caption as well or drop the label.")
    numeric = [is_numeric(frame.iloc[:, place]) for place in range(frame.shape[1])]
    alignment = "l" * frame.index.nlevels + "".join("r" if number else "l" for number in numeric)
    rows = []
    for place, key in enumerate(frame.index):
        keys = key if isinstance(key, tuple) else (key,)
        cells = [_cell(entry, digits) for entry in (*keys, *(frame.iat[place, j] for j in range(frame.shape[1])))]
        rows.append(_row(cells))
    tabular = [
        rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", *_headings(frame, numeric), r"\midrule", *rows,
        r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    if caption is None and note is None:
        return "\n".join(tabular) + "\n"
    lines = [r"\begin{table}[htbp]", r"\centering", r"\small"]
    lines += [rf"\caption{{{escape(caption)}}}"] if caption else []
    lines += [rf"\label{{{label}}}"] if label else []
    lines += tabular
    if note:
        lines += [r"\par\smallskip", r"\begin{minipage}{\linewidth}", r"\footnotesize"]
        lines += [rf"\textit{{Note.}} {escape(note)}", r"\end{minipage}"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def is_numeric(column: pd.Series) -> bool:
    """Whether a column is set as numbers: all of it, or most of it where a few entries are words instead."""
    numbers = sum(isinstance(entry, Real) and not pd.api.types.is_bool(entry) for entry in column)
    return pd.api.types.is_numeric_dtype(column) or 2 * numbers > len(column)


def _row(cells: list[str]) -> str:
    r"""One line of the table. A cell that starts with [ or * would be read as an option of the \\ before it."""
    first = rf"{{{cells[0][0]}}}{cells[0][1:]}" if cells[0][:1] in ("[", "*") else cells[0]
    return " & ".join([first, *cells[1:]]) + r" \\"


def _cell(entry, digits: int) -> str:
    if pd.api.types.is_bool(entry):
        return "yes" if entry else "no"
    if entry is None or entry is pd.NA or (isinstance(entry, Real) and math.isnan(entry)):
        return "--"
    if isinstance(entry, Integral):
        return f"${entry}$" if entry < 0 else str(entry)
    return _number(float(entry), digits) if isinstance(entry, Real) else escape(str(entry))


def _number(value: float, digits: int) -> str:
    if math.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    text, power = significant(value, digits)
    sign = "-" if value < 0 else ""
    if power is not None:
        return rf"${sign}{text} \times 10^{{{power}}}$"
    return f"$-{text}$" if sign else text


def significant(value: float, digits: int) -> tuple[str, int | None]:
    """The size of a finite number with `digits` significant digits, and the power of ten that stands beside it, None
    where the number is easy to read without one."""
    mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
    power = int(exponent)
    if value != 0 and not -5 < power < 9:
        return mantissa, power
    return (f"{abs(value):.{max(digits - 1 - power, 0)}f}" if value != 0 else "0"), None


def _headings(frame: pd.DataFrame, numeric: list[bool]) -> list[str]:
    r"""The lines above \midrule: groups of columns with their rules, then the heading of every column."""
    keys = [key if isinstance(key, tuple) else (key,) for key in frame.columns]
    left = frame.index.nlevels
    lines = []
    for level in range(frame.columns.nlevels - 1):
        cells, rules, start = [""] * left, [], left + 1
        for key, group in groupby(keys, key=lambda key: key[: level + 1]):
            width = len(list(group))
            text = escape(key[level])
            cells.append(rf"\multicolumn{{{width}}}{{c}}{{{text}}}" if text else rf"\multicolumn{{{width}}}{{c}}{{}}")
            rules += [rf"\cmidrule(lr){{{start}-{start + width - 1}}}"] if text else []
            start += width
        lines += [_row(cells), *([" ".join(rules)] if rules else [])]
    names = [escape(name) if name is not None else "" for name in frame.index.names]
    return [*lines, _row(names + [_heading(key[-1], number) for key, number in zip(keys, numeric, strict=True)])]


def _heading(name, number: bool) -> str:
    """The heading of one column; a long one above numbers is set on several lines."""
    lines = []
    if number and "$" not in str(name):
        lines = textwrap.wrap(str(name), _HEADING_WIDTH, break_long_words=False, break_on_hyphens=False)
    if len(lines) < 2:
        return escape(name)
    stacked = r" \\ ".join(escape(line) for line in lines)
    return rf"\begin{{tabular}}[b]{{@{{}}r@{{}}}}{stacked}\end{{tabular}}"
