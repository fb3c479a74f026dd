"""A figure as SVG inside a page: letters are outlines, identifiers are its own, the same figure gives the same bytes.

Beside the picture stand the points of its lines, as fractions of its width and height, with their values: the script of
the page reads them to name the value under the pointer.
"""

import base64
import html
import io
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.report.style import as_png, journal_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

POINTS = 400  # of a line that can be asked for their value, at most
NOTHING = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # metadata that is left out


@journal_style()
def inline_svg(figure: "Figure", name: str, about: str) -> str:
    """The figure as an <svg> element; `name` begins its identifiers, `about` is what is read to who cannot see it."""
    from matplotlib import rc_context

    content = io.BytesIO()
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.savefig(content, format="svg", dpi=150, metadata=NOTHING)
    text = content.getvalue().decode("utf-8")
    opening = re.search(r"<svg\b[^>]*>", text)
    assert opening is not None
    (size,) = re.findall(r'viewBox="([^"]*)"', opening[0])
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text[opening.end() :], count=1, flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r">\s+<", "><", body).strip()
    return f'<svg viewBox="{size}" role="img" aria-label="{html.escape(about)}">{body}'


def inline_png(figure: "Figure", about: str) -> str:
    """The figure as an <img> element that holds its own dots, for one that would be too large as SVG."""
    dots = base64.b64encode(as_png(figure)).decode("ascii")
    return f'<img src="data:image/png;base64,{dots}" alt="{html.escape(about)}">'


def points_of(figure: "Figure") -> str:
    """The lines of a figure that has been drawn, by panel, as JSON: where their points are, and their values.

    A panel has `box`, its left, upper, right and lower end, `title`, `x` and `y`, its labels; a line has `name`, `at`,
    pairs of places, and `values`, pairs of numbers or dates. Places are fractions of the figure, from its upper left
    corner. What runs across a panel at a constant, and what is outside, is left out.
    """
    panels = []
    for panel in figure.axes:
        lines = [found for line in panel.get_lines() if (found := _line(figure, panel, line))]
        if panel.axison and lines:
            left, lower, right, upper = panel.get_position().extents
            panels.append({
                "box": _rounded([left, 1 - upper, right, 1 - lower]), "title": _plain(panel.get_title()),
                "x": _plain(panel.get_xlabel() or _label_below(figure, panel)), "y": _plain(panel.get_ylabel()),
                "lines": lines,
            })  # fmt: skip
    return json.dumps(panels, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _line(figure: "Figure", panel: "Axes", line: "Line2D") -> dict[str, Any] | None:
    """The points of one line inside its panel; None where there are none, or for a line across the panel."""
    if line.get_transform() != panel.transData:
        return None
    x, y = (np.asarray(line.get_data(orig=False)[axis], float) for axis in (0, 1))
    if x.size < 3:  # the line of equality and the like
        return None
    places = figure.transFigure.inverted().transform(line.get_transform().transform(np.column_stack([x, y])))
    left, lower, right, upper = panel.get_position().padded(1e-6).extents
    inside = (places >= (left, lower)).all(axis=1) & (places <= (right, upper)).all(axis=1) & np.isfinite(y)
    shown = np.flatnonzero(inside)
    shown = shown[np.linspace(0, shown.size - 1, min(shown.size, POINTS)).round().astype(int)]
    if shown.size == 0:
        return None
    before = np.asarray(line.get_xdata(orig=True))
    dates = np.datetime_as_string(before, "D") if before.dtype.kind == "M" else None
    values = [(float(f"{x[i]:.5g}") if dates is None else str(dates[i]), float(f"{y[i]:.5g}")) for i in shown]
    at = [_rounded([places[i, 0], 1 - places[i, 1]]) for i in shown]
    name = str(line.get_label())
    return {"name": "" if name.startswith("_") else _plain(name), "at": at, "values": values}


def _rounded(numbers: list[Any]) -> list[float]:
    return [round(float(number), 4) for number in numbers]


def _label_below(figure: "Figure", panel: "Axes") -> str:
    """The label of the horizontal axis of the lowest panel in the same column; panels share it."""
    places = [(each, each.get_subplotspec()) for each in figure.axes]
    own = panel.get_subplotspec()
    found = [each.get_xlabel() for each, place in places if own and place and place.colspan == own.colspan]
    return next(filter(None, reversed(found)), "")


def _plain(text: str) -> str:
    """A label without the marks of mathematics: $1 - R^2$ becomes 1 - R^2."""
    if "$" not in text:
        return " ".join(text.split())
    for mark, letter in ((r"\,", " "), (r"\times", "\u00d7"), ("$", ""), ("{", ""), ("}", ""), ("\\", "")):
        text = text.replace(mark, letter)
    return " ".join(text.split())
