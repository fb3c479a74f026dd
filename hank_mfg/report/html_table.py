"""A data frame as an HTML table, with the rules of `latex.to_latex` for digits, headings and what is missing.

A number that is rounded has all its digits in the cell's title, which a browser shows beside the pointer.
"""

import html
import math
from itertools import groupby
from numbers import Integral, Real
from typing import Any

import pandas as pd

from hank_mfg.latex import is_numeric, significant

SOFT = "\u00ad"  # a hyphen that is shown only where a line ends


def html_table(frame: pd.DataFrame, *, caption: str = "", note: str = "", digits: int = 4) -> str:
    """The table inside a box that scrolls where the page is narrow, with `caption` above and `note` below.

    Numbers have `digits` significant digits, integers are in full, what is missing is a dash; every text is escaped.
    Levels of the row index come first, one column each; grouped column names stand above their group.
    """
    numeric = [is_numeric(frame.iloc[:, place]) for place in range(frame.shape[1])]
    rows = []
    for place, key in enumerate(frame.index):
        keys = key if isinstance(key, tuple) else (key,)
        first = "".join(f'<th scope="row">{html.escape(str(each))}</th>' for each in keys)
        cells = (_cell(frame.iat[place, j], digits, number) for j, number in enumerate(numeric))
        rows.append(f"<tr>{first}{''.join(cells)}</tr>")
    named = any(map(str, frame.columns)) or any(frame.index.names)
    heads = [f"<tr>{row}</tr>" for row in _headings(frame, numeric)] if named else []
    above = f"<caption>{html.escape(caption)}</caption>\n" if caption else ""
    below = f'\n<p class="note">{html.escape(note)}</p>' if note else ""
    table = "\n".join(["<thead>", *heads, "</thead>", "<tbody>", *rows, "</tbody>"])
    return f'<div class="scroll"><table>\n{above}{table}\n</table></div>{below}'


def _cell(entry: Any, digits: int, numeric: bool) -> str:
    """One cell; in a column of numbers words are set as numbers are, on the right."""
    kind = ' class="number"' if numeric else ""
    if pd.api.types.is_bool(entry):
        return f"<td{kind}>{'yes' if entry else 'no'}</td>"
    if entry is None or entry is pd.NA or (isinstance(entry, Real) and math.isnan(entry)):
        return f"<td{kind}>\u2013</td>"
    if isinstance(entry, Integral):
        return f"<td{kind}>{_minus(str(entry))}</td>"
    if isinstance(entry, Real):
        return f'<td{kind} title="{float(entry)!r}">{_number(float(entry), digits)}</td>'
    return f"<td{kind}>{html.escape(str(entry))}</td>"


def _minus(text: str) -> str:
    return text.replace("-", "\u2212")


def _number(value: float, digits: int) -> str:
    if math.isinf(value):
        return "\u221e" if value > 0 else "\u2212\u221e"
    text, power = significant(value, digits)
    times = "" if power is None else f" \u00d7 10<sup>{_minus(str(power))}</sup>"
    return _minus("-" if value < 0 else "") + text + times


def _headings(frame: pd.DataFrame, numeric: list[bool]) -> list[str]:
    """The rows above the numbers: groups of columns, then the heading of every column."""
    keys = [key if isinstance(key, tuple) else (key,) for key in frame.columns]
    left, rows = frame.index.nlevels, []
    for level in range(frame.columns.nlevels - 1):
        groups = [(key[level], len(list(same))) for key, same in groupby(keys, key=lambda key: key[: level + 1])]
        cells = (f'<th scope="colgroup" colspan="{width}">{html.escape(str(text))}</th>' for text, width in groups)
        rows.append("<td></td>" * left + "".join(cells))
    names = (html.escape("" if name is None else str(name)) for name in frame.index.names)
    first = "".join(f'<th scope="col">{name}</th>' if name else "<td></td>" for name in names)
    kinds = (' class="number"' if number else "" for number in numeric)
    last = "".join(
        f'<th scope="col"{kind}>{html.escape(str(key[-1]).replace("- ", SOFT))}</th>'
        for key, kind in zip(keys, kinds, strict=True)
    )
    return [*rows, first + last]
