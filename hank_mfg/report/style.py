"""The style of figures: serif type, grays that differ in line style too, and the pieces that every figure is made of.

The style holds inside `journal_style()`, which you can use for figures of your own; no global setting changes. A column
of a two-column page is 3.5 inches wide, the page 7.
"""

import functools
import io
import math
import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hank_mfg.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.5, 7.0  # inches

LINES = (
    ("0.0", "-"), ("0.45", "--"), ("0.0", ":"), ("0.6", "-."), ("0.75", "-"), ("0.25", (0, (7, 1.5, 1, 1.5, 1, 1.5))),
    ("0.5", (0, (1, 2.5))), ("0.1", (0, (9, 4))),
)  # fmt: skip
MARKERS = (("0.0", "o"), ("0.55", "^"), ("0.3", "x"), ("0.7", "s"), ("0.15", "D"), ("0.45", "v"))

STYLE = {
    "font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 8, "axes.titlesize": 8.5,
    "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "legend.frameon": False, "legend.handlelength": 2.8, "lines.linewidth": 1.1, "axes.linewidth": 0.6,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.major.size": 3, "ytick.major.size": 3, "axes.formatter.useoffset": False, "hatch.linewidth": 0.5,
    "axes.formatter.use_mathtext": True, "pdf.fonttype": 42, "figure.dpi": 150,
}  # fmt: skip


@contextmanager
def journal_style() -> Iterator[None]:
    """Matplotlib with the style of this module, whatever the user's settings, until the `with` block ends."""
    import matplotlib
    from cycler import cycler

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        grays, styles = zip(*LINES, strict=True)
        settings: Any = {**STYLE, "axes.prop_cycle": cycler(color=grays) + cycler(linestyle=styles)}
        matplotlib.rcParams.update(settings)
        yield


def save_figure(figure: "Figure", path: str | os.PathLike) -> tuple[Path, Path]:
    """Write `path`.pdf (fonts embedded) and `path`.png (200 dots per inch), each complete or not at all.

    `path` is without suffix; missing folders are created; the same figure gives the same bytes. Returns both paths.
    Raises OSError when the disk refuses.
    """
    if not callable(getattr(figure, "savefig", None)):
        raise ValueError(f"plot.save(figure={figure!r}): give a figure, as hm.plot.lorenz(...) draws one.")
    saved = []
    with journal_style():
        for suffix, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
            content = io.BytesIO()
            figure.savefig(content, format=suffix, dpi=200, metadata=metadata)
            saved.append(write_bytes(f"{os.fspath(path)}.{suffix}", content.getvalue()))
    return saved[0], saved[1]


def panels(
    count: int, columns: int, width: float, height: float, note: str, ratios: Sequence[float] | None = None
) -> tuple["Figure", list["Axes"]]:
    """A figure with `count` panels, each `height` inches, and the note below; rows first."""
    from matplotlib.figure import Figure

    rows = math.ceil(count / columns)
    text = textwrap.fill(note, int(23 * width))
    lines = text.count("\n") + 1 if text else 0
    figure = Figure(figsize=(width, rows * height + 0.13 * lines), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, width_ratios=ratios).ravel()
    for panel in axes:
        panel.tick_params(labelsize=STYLE["xtick.labelsize"])  # else read from the user's settings when drawn
    for unused in axes[count:]:
        unused.set_axis_off()
    if text:
        figure.supxlabel(text, x=0.01, horizontalalignment="left", fontsize=7, parse_math=False)
    return figure, list(axes[:count])


def multiples(count: int, height: float, note: str, below: str) -> tuple["Figure", list["Axes"]]:
    """`panels` on as few rows as can be read, with `below` as the label of the lowest axis of every column."""
    columns = {1: 1, 2: 2, 4: 2}.get(count, 3)
    figure, axes = panels(count, columns, COLUMN if columns == 1 else PAGE, height, note)
    for panel in axes[-columns:]:
        panel.set_xlabel(below)
    return figure, axes


def finish(figure: "Figure", legend: "Axes | None" = None) -> "Figure":
    """Add the legend of one panel in an empty cell or above all, lay out while the style holds, show in notebooks."""
    if legend is not None:
        handles, labels = legend.get_legend_handles_labels()
        width, height = figure.get_size_inches()
        fitting = max(1, int(width / (0.6 + 0.05 * max(map(len, labels)))))
        empty = [panel for panel in figure.axes if not panel.axison]
        if empty and fitting >= 3:
            empty[0].legend(handles, labels, loc="center")
        else:
            rows = math.ceil(len(labels) / fitting)
            figure.set_size_inches(width, height + 0.1 + 0.15 * rows)
            figure.legend(handles, labels, loc="outside upper center", ncols=math.ceil(len(labels) / rows))
    figure.draw_without_rendering()
    vars(figure)["_repr_png_"] = functools.partial(as_png, figure)  # IPython knows figures of pyplot only
    return figure


def as_png(figure: "Figure") -> bytes:
    """The figure as a PNG file in memory."""
    content = io.BytesIO()
    with journal_style():
        figure.savefig(content, format="png")
    return content.getvalue()


def line_styles(count: int) -> list[dict[str, Any]]:
    """One gray and line style for each of `count` lines. Raises ValueError for more than can be told apart."""
    return [{"color": gray, "linestyle": style} for gray, style in choose(LINES, count, "lines")]


def choose(styles: tuple, count: int, what: str) -> tuple:
    """The first `count` of `styles`. Raises ValueError, naming `what` is drawn, when there are too few."""
    if count > len(styles):
        raise ValueError(f"{count} {what} cannot be told apart in gray: show at most {len(styles)} in one figure.")
    return styles[:count]


def representatives(count: int, most: int, what: str) -> tuple[list[int], str]:
    """At most `most` of `count` states, evenly spaced with both ends, and a sentence when some are left out.

    A figure in gray cannot tell more apart; the sentence, for the note, ends in `what` they are.
    """
    if count <= most:
        return list(range(count)), ""
    return np.linspace(0, count - 1, most).round().astype(int).tolist(), f"{most} of {count} {what}, evenly spaced."


def state_labels(labels: Sequence[str] | None, count: int) -> Sequence[str]:
    """The given labels, or "State 1", "State 2" and so on. Raises ValueError for labels of another number."""
    if labels is not None and len(labels) != count:
        raise ValueError(f"labels has {len(labels)} entries for {count} states: give one label per state.")
    return [f"State {state + 1}" for state in range(count)] if labels is None else labels


def require_known(argument: str, names: Sequence[str], values: Mapping[str, Any]) -> None:
    """Raise ValueError for the first of `names`, given as `argument`, that is not among `values`."""
    for name in names:
        if name not in values:
            raise ValueError(f"{argument} asks for {name!r}, which is not there: choose from {', '.join(values)}.")


def said_once(notes: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The sentences of several notes: what all say, and after its label what only one says."""
    sentences = [re.split(r"(?<=[.;]) (?=[A-Z])", note) if note else [] for note in notes]
    common = [each for each in sentences[0] if all(each in others for others in sentences)]
    own = [" ".join(each for each in said if each not in common) for said in sentences]
    if len(set(own)) == 1:
        return [*common, *filter(None, own[:1])]
    return common + [
        f"{label}: {said[0].lower() + said[1:] if said[1:2].islower() else said}"
        for label, said in zip(labels, own, strict=True)
        if said
    ]
