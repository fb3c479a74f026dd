"""The figure of a comparison and its files, in the style of `style.py`.

First row: responses per one percent of the shock, so that the linear one is one line where the expected path of the
shock is proportional to the size (between two states of the chain it is, beyond only nearly). Below, one row for every
other method: its gap to the linear response in percent of the peak of that response, for every size, with two standard
errors on either side where starting states were drawn.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hank_mfg.evaluate.compare import Comparison, flattened
from hank_mfg.evaluate.compare_methods import LINEAR
from hank_mfg.evaluate.compare_tables import gaps_to_latex, methods_to_latex
from hank_mfg.evaluate.units import PERCENT, POINTS, counted, since, size_in
from hank_mfg.files import write_text
from hank_mfg.report.comparison_page import comparison_page
from hank_mfg.report.style import PAGE, finish, journal_style, line_styles, panels, require_known, save_figure
from hank_mfg.runs.manifest import into_run
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = ("output", "consumption", "capital", "interest_rate")
MOST = 4  # columns that can be read on a page
COINCIDE = 1e-6  # of the largest gap: lines no further apart are one


@journal_style()
def plot_comparison(comparison: Comparison, variables: Sequence[str] | None = None) -> "Figure":
    """The responses of all methods and their gaps to the linear one, one column per variable.

    `variables`, at most four, are by default output, consumption, capital and the interest rate, or the first rate that
    the model declares, where they are compared. First row: responses divided by the size, the largest sizes up and
    down; the band is that of the global solutions. Where they lie on one line they differ by less than its width; the
    rows below say by how much, one line for sizes whose gaps coincide, in the style of the largest of them. Each panel
    of those states its largest gap; the note below names the largest of all.
    Raises ValueError for a variable that is not compared, and for more variables, methods or sizes than can be told
    apart.
    """
    names = _names(comparison, variables)
    others, columns = comparison.others, len(names)
    styles = dict(zip([LINEAR, *others], line_styles(1 + len(others)), strict=True))
    sizes = dict(zip(comparison.sizes, line_styles(len(comparison.sizes)), strict=True))
    note = f"{_largest(comparison, names)} {_about_lines(comparison, names)} {comparison.note}"
    figure, axes = panels((1 + len(others)) * columns, columns, PAGE, 1.42, note)
    for place, name in enumerate(names):
        _responses(axes[place], comparison, name, styles)
        axes[place].set_title(f"{display_name(name)}\n({comparison.unit_shown(name)})")
        for row, method in enumerate(others, 1):
            _gaps(axes[row * columns + place], comparison, method, name, sizes)
            axes[row * columns + place].tick_params(labelbottom=row == len(others))
        axes[len(others) * columns + place].set_xlabel(since(comparison.period))
    per = {PERCENT: "Response per 1 % of the shock", POINTS: "Response per point of the shock"}.get(
        comparison.shock_unit, "Response per unit of shock"
    )
    axes[0].set_ylabel(_wrapped(per))
    for row, method in enumerate(others, 1):
        axes[row * columns].set_ylabel(f"{_wrapped(method)}:\ngap (percent of peak)")
    figure.align_ylabels([axes[row * columns] for row in range(1 + len(others))])
    _legend(figure, axes[0], dict(zip(comparison.labels, sizes.values(), strict=True)))
    return finish(figure)


def _names(comparison: Comparison, variables: Sequence[str] | None) -> list[str]:
    names = [name for name in SHOWN if name in comparison.units] if variables is None else list(variables)
    if variables is None and "interest_rate" not in names:
        names += [name for name in comparison.rates if name not in names][:1]
    names = names or list(comparison.units)[:MOST]
    require_known("variables", names, comparison.units)
    if not 1 <= len(names) <= MOST:
        raise ValueError(f"variables asks for {len(names)} columns: show 1 to {MOST} in one figure.")
    return names


def _wrapped(text: str) -> str:
    """Words on two lines where they would be longer than a panel is high."""
    middle = text.find(" ", len(text) // 2 - 4)
    return text if len(text) <= 20 or middle < 0 else f"{text[:middle]}\n{text[middle + 1 :]}"


def _responses(panel: "Axes", comparison: Comparison, name: str, styles: dict[str, dict]) -> None:
    """Responses divided by the size, where it is not zero: the largest up, and thin the largest down."""
    panel.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    periods = np.arange(comparison.horizon)
    for size in sorted({min(comparison.sizes), max(comparison.sizes)}):
        item = comparison.responses[comparison.sizes.index(size)]
        unit = size_in(comparison.shock_unit, size, comparison.mean) or 1.0  # nothing to divide where nothing happens
        for method, style in styles.items():
            if method in item.lower and size == max(comparison.sizes):
                ends = item.lower[method][name] / unit, item.upper[method][name] / unit
                panel.fill_between(periods, *ends, color="0.5", alpha=0.2, linewidth=0)
            label = method if size == max(comparison.sizes) else None
            panel.plot(periods, item.mean[method][name] / unit, label=label, **style)
    panel.set_xlim(0, comparison.horizon - 1)
    panel.locator_params(axis="both", nbins=5)
    panel.tick_params(labelbottom=False)


def _gaps(panel: "Axes", comparison: Comparison, method: str, name: str, sizes: dict[float, dict]) -> None:
    panel.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    gaps = {size: comparison.gap(size, method, name) for size in sizes}
    periods, distinct = np.arange(comparison.horizon), _distinct(gaps)
    for (size, style), label in zip(sizes.items(), comparison.labels, strict=True):
        if size not in distinct:
            continue
        ends = 2.0 * comparison.gap_error(size, method, name)
        panel.fill_between(periods, gaps[size] - ends, gaps[size] + ends, color="0.5", alpha=0.2, linewidth=0)
        panel.plot(periods, gaps[size], label=label, **style)
    largest = max(gaps.values(), key=lambda gap: np.abs(gap).max())
    at = int(np.abs(largest).argmax())
    shown = (
        "no response"
        if np.isnan(largest[at])
        else f"largest {abs(largest[at]):.2g} in {counted(comparison.period).lower()} {at}"
    )
    panel.set_title(shown, fontsize=6.5, pad=2)
    panel.set_xlim(0, comparison.horizon - 1)
    panel.locator_params(axis="both", nbins=5)


def _distinct(gaps: dict[float, np.ndarray]) -> list[float]:
    """The sizes whose gaps are not those of a larger size; of two as large the positive one is the larger."""
    found: list[float] = []
    for size in sorted(gaps, key=_order, reverse=True):
        small = COINCIDE * np.nanmax(np.abs(gaps[size]), initial=0.0)
        if not any(np.allclose(gaps[size], gaps[other], rtol=0.0, atol=small, equal_nan=True) for other in found):
            found.append(size)
    return found


def _order(size: float) -> tuple[float, float]:
    """By which sizes are sorted: their absolute value, then their sign."""
    return abs(size), size


def _legend(figure: "Figure", methods: "Axes", sizes: dict[str, dict]) -> None:
    """Two lines above all: the methods of the first row, then the sizes of the rows below, styles by label."""
    from matplotlib.lines import Line2D

    rows = [methods.get_legend_handles_labels(), ([Line2D([], [], **style) for style in sizes.values()], list(sizes))]
    width = max(len(handles) for handles, _ in rows)
    blank = Line2D([], [], color="none", linestyle="none")
    filled = []
    for (handles, labels), what in zip(rows, ("First row:", "Gaps, shock of:"), strict=True):
        rest = width - len(handles)
        filled.append(([blank, *handles, *[blank] * rest], [what, *labels, *[""] * rest]))
    handles = [row[0][place] for place in range(1 + width) for row in filled]  # a legend is filled by columns
    labels = [row[1][place] for place in range(1 + width) for row in filled]
    wide, high = figure.get_size_inches()
    figure.set_size_inches(wide, high + 0.42)
    figure.legend(handles, labels, loc="outside upper center", ncols=1 + width, columnspacing=1.4)


def _largest(comparison: Comparison, names: Sequence[str]) -> str:
    """For every method the largest gap of the variables shown, in a sentence; of equal ones the largest size."""
    pieces, date = [], counted(comparison.period).lower()
    labels = dict(zip(comparison.sizes, comparison.labels, strict=True))
    for method in comparison.others:
        found = [(float(f"{abs(gap).max():.4g}"), _order(size), name, int(abs(gap).argmax()))
                 for name in names for size in comparison.sizes
                 if not np.isnan(gap := comparison.gap(size, method, name)).any()]  # fmt: skip
        if found:
            gap, (_, size), name, at = max(found)
            what, label = display_name(name).lower(), labels[size].replace(" ", "\u00a0")  # its unit stays on its line
            pieces.append(f"{method} {gap:.2g} percent ({what}, shock {label}, {date} {at})")
    return f"Largest gap to the linear response in percent of its peak: {'; '.join(pieces)}." if pieces else ""


def _about_lines(comparison: Comparison, names: Sequence[str]) -> str:
    """What a reader has to know of lines that coincide and of shaded bands, in sentences."""
    told = ["First row: lines that cannot be told apart differ by less than their width."]
    drawn = [(method, name) for method in comparison.others for name in names]
    if any(not np.isnan(comparison.gap_error(comparison.sizes[0], *each)).all() for each in drawn):
        told.append("Rows below, shaded: two standard errors on either side of a gap.")
    gaps = [{size: comparison.gap(size, *each) for size in comparison.sizes} for each in drawn]
    if any(len(_distinct(each)) < len(comparison.sizes) for each in gaps):
        told.append("Where gaps of several sizes coincide, the line is that of the largest.")
    return " ".join(told)


@into_run
def write_comparison(comparison: Comparison, folder: str | os.PathLike, *, html: bool = False) -> list[Path]:
    """Write compare.csv (every response, long format), gaps and methods as .csv and .tex, and figures/compare as .pdf
    and .png into `folder`, each complete or not at all. Returns the paths. Raises OSError when the disk refuses.

    With `html` figure and tables are in one page too, compare.html, which needs no other file and no network.
    """
    folder, figure = Path(folder), plot_comparison(comparison)
    written = [
        write_text(folder / "compare.csv", comparison.frame().to_csv(index=False)),
        write_text(folder / "gaps.csv", flattened(comparison.gaps).to_csv()),
        write_text(folder / "gaps.tex", gaps_to_latex(comparison)),
        write_text(folder / "methods.csv", comparison.methods.to_csv()),
        write_text(folder / "methods.tex", methods_to_latex(comparison)),
        *save_figure(figure, folder / "figures" / "compare"),
    ]
    if html:
        status = _largest(comparison, _names(comparison, None))
        written.append(comparison_page(comparison, status, figure, folder).write(folder / "compare.html"))
    return written
