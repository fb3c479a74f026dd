"""The tables of a comparison: what each method is, how accurate and how fast, and how far from the linear response."""

from typing import Any

import pandas as pd

from hank_mfg.evaluate.compare_methods import ABOUT, LINEAR
from hank_mfg.evaluate.units import counted
from hank_mfg.latex import to_latex
from hank_mfg.wording import display_name

Comparison = Any  # compare.py imports this file
ROUNDING = 1e-8  # a gap below this, in percent of the peak, is printed as 0


def gaps_shown(comparison: Comparison) -> tuple[pd.DataFrame, str]:
    """The table of gaps for a reader and its note: sizes and variables in words, without what does not respond."""
    gaps = comparison.gaps.dropna(subset=[(comparison.others[0], "gap")])
    for method in comparison.others:
        none = gaps[method, "gap"].abs() < ROUNDING
        gaps[method, "gap"] = gaps[method, "gap"].astype(object).mask(none, "0")
        gaps[method, "period"] = gaps[method, "period"].mask(none)
    labels = dict(zip(comparison.sizes, comparison.labels, strict=True))
    rows = [(labels[key[0]], display_name(key[1])) for key in gaps.index.to_list()]
    first = [label if place == 0 or rows[place - 1][0] != label else "" for place, (label, _) in enumerate(rows)]
    index = pd.MultiIndex.from_arrays([first, [variable for _, variable in rows]], names=["Size", "Variable"])
    names = {
        "unit": "Unit",
        "peak": "Peak",
        "period": counted(comparison.period),
        "gap": "Gap (percent)",
        "error": "S.e.",
    }
    columns = pd.MultiIndex.from_tuples([(method, names[column]) for method, column in gaps.columns])
    frame = gaps.set_axis(index, axis=0).set_axis(columns, axis=1)
    frame[LINEAR, "Unit"] = [comparison.unit_shown(key[1]) for key in gaps.index.to_list()]
    note = (
        "Peak: the linear response where it is largest in absolute value, in its unit. Gap: the "
        "largest difference of a response from the linear one, in percent of that peak; positive where the response "
        f"goes further in the direction of the peak. {names['period']}: when, 0 being that of the shock. "
        f"{comparison.note}"
    )
    return frame, note


def gaps_to_latex(comparison: Comparison) -> str:
    """The table of gaps as LaTeX."""
    frame, note = gaps_shown(comparison)
    shock = comparison.shock.replace("_", " ")
    return to_latex(frame, caption=f"Responses to {shock} beside the linear response", note=note)


def methods_shown(comparison: Comparison) -> tuple[pd.DataFrame, str]:
    """The table of methods for a reader, one column per method, and its note, which says what each is."""
    table = comparison.methods
    frame = table.drop(columns=ABOUT).T.rename_axis("")
    about = "; ".join(f"{method}: {text}" for method, text in table[ABOUT].items())
    note = (
        f"{about}. Accuracy is measured in float64. Seconds are without the stationary equilibrium, which all start "
        "from, and without responses of the global solutions; those of a path are the mean over sizes and come on top "
        "of the linear solution."
    )
    return frame, note


def methods_to_latex(comparison: Comparison) -> str:
    """The table of methods as LaTeX."""
    frame, note = methods_shown(comparison)
    return to_latex(frame, caption="Methods compared", note=note)
