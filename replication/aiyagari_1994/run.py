"""Aiyagari (1994), Table II: the net return to capital in 24 economies, published and computed again, twice.

Published numbers carry the error of their time's grids. Beside them: his own chain of 7 states (Tauchen's method, three
standard deviations on each side) with the households' problem solved finely, and a chain so fine that it stands for
the AR(1) itself. What his chain does to a table cell is the difference of the last two columns; why is seen from the
standard deviation and the persistence that it has, which Tauchen's method does not match.

    FOLDER/table_ii.csv, .tex      every cell: published, his chain solved finely, fine chain
    FOLDER/table_ii.pdf, .png      the same, drawn
"""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from hank_mfg.environment.markov import chain_moments
from hank_mfg.files import write_text
from hank_mfg.latex import to_latex
from hank_mfg.model.base import Model
from hank_mfg.model.gallery import load_model
from hank_mfg.model.shocks import AR1
from hank_mfg.replication import published_numbers
from hank_mfg.report.style import MARKERS, PAGE, choose, finish, journal_style, panels, save_figure
from hank_mfg.solve.stationary.steady_state import steady_state

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL = ("sd", "persistence", "risk_aversion")
_RETURNS, _SAVING_RATES, _RECOMPUTED = (
    published_numbers(__file__, _CELL, column)
    for column in ("net_return_percent", "saving_rate_percent", "recomputed_percent")
)

# (sd, persistence, risk aversion) -> net return to capital and saving rate, percent. Source: Aiyagari (1994), Table II.
PUBLISHED = {cell: (_RETURNS[cell], _SAVING_RATES[cell]) for cell in _RETURNS}
# The same economies with his chain, recomputed by independent code: good to .005 points. tests/reference.
RECOMPUTED = {cell: rate for cell, rate in _RECOMPUTED.items() if np.isfinite(rate)}
TOLERANCE = 0.01  # points: what our column of his chain may differ from the recomputed one
FINE = 41  # states of the fine chain: with 21 rates differ by .006 points at most, .015 in the last cell

SHARE = 0.36 * 0.08  # alpha delta, Aiyagari (1994)
COLUMNS = {"published": "Published", "his_chain": "His chain, solved finely", "fine_chain": "Fine chain"}


def with_chain(model: Model, states: int, method: Literal["rouwenhorst", "tauchen"]) -> Model:
    """The same economy with another discretization of log labor."""
    return _variant(type(model), states, method)(**model.parameters())


@functools.cache
def _variant(model_type: Any, states: int, method: Literal["rouwenhorst", "tauchen"]) -> Any:
    """A class with another chain, made once: every new class would be compiled for again."""

    class Variant(model_type):
        """The economy with its own chain."""

        def idiosyncratic_shock(self):
            """Log labor on the chain asked for."""
            return AR1(
                "labor", persistence=self.persistence, stationary_sd=self.stationary_sd, states=states,
                method=method, exponential=True, unit_mean=True, tolerance=0.2,
            )  # fmt: skip

    Variant.__name__ = Variant.__qualname__ = model_type.__name__
    return Variant


def cell(sd: float, persistence: float, risk_aversion: int, *, points: int, states: int) -> dict[str, float]:
    """One row of the table, in percent: net returns and saving rates, and the moments of his chain.

    The error of a grid falls with the square of its spacing, so the fine chain's return is extrapolated from two grids,
    r = r_fine + (r_fine - r_coarse) / 3, with `points` and half as many; his chain is solved on twice `points`. The
    saving rate is alpha delta / (r + delta).
    """
    model: Any = load_model("aiyagari", stationary_sd=sd, persistence=persistence, risk_aversion=float(risk_aversion))
    his = steady_state(model, asset_points=2 * points)
    wide = with_chain(model.with_parameters(maximum_assets=400.0), states, "rouwenhorst")
    coarse, fine = (100 * float(steady_state(wide, asset_points=n).prices.interest_rate) for n in (points // 2, points))
    rate, saved = PUBLISHED[sd, persistence, risk_aversion]
    of_his, of_fine = 100 * float(his.prices.interest_rate), fine + (fine - coarse) / 3.0
    rates = [100 * SHARE / (rate / 100 + float(model.depreciation)) for rate in (of_his, of_fine)]
    chain: Any = chain_moments(model.idiosyncratic_shock())["labor"]
    return {
        "sd": sd, "persistence": persistence, "risk_aversion": risk_aversion,
        "published": rate, "his_chain": of_his, "fine_chain": of_fine,
        "published_less_his": rate - of_his, "his_less_fine": of_his - of_fine,
        "saving_published": saved, "saving_his": rates[0], "saving_fine": rates[1],
        "chain_sd": chain.log_sd, "chain_persistence": chain.log_autocorrelation,
        "recomputed": RECOMPUTED.get((sd, persistence, risk_aversion), np.nan),
    }  # fmt: skip


def run(folder: Path, *, quick: bool = False, tell: Callable[[str], None] = print) -> dict[str, Any]:
    """Solve the 48 economies, write the table and its figure; returns the rows and the files written.

    `quick` uses a quarter of the asset points and 15 states for the fine chain. Raises RuntimeError where the column of
    his chain is further than the tolerance from the independent numbers (not with `quick`).
    """
    points, states = (100, 15) if quick else (400, FINE)
    rows = []
    for place, (sd, persistence, risk_aversion) in enumerate(PUBLISHED):
        rows.append(cell(sd, persistence, risk_aversion, points=points, states=states))
        tell(f"{place + 1} of {len(PUBLISHED)}: sd {sd}, persistence {persistence}, risk aversion {risk_aversion}")
    table: Any = pd.DataFrame(rows)
    away = (table["his_chain"] - table["recomputed"]).abs().max()
    if away > TOLERANCE and not quick:
        raise RuntimeError(f"His chain is {away:.3g} points from the independent numbers, tolerance {TOLERANCE}.")
    note = (
        "Net return to capital, percent. Published: Aiyagari (1994). His chain: Tauchen, 7 states, "
        f"{2 * points} asset points. Fine chain: Rouwenhorst, {states} states, extrapolated from {points // 2} and "
        f"{points} points. float64."
    )
    written = [
        write_text(folder / "table_ii.csv", table.to_csv(index=False)),
        write_text(folder / "table_ii.tex", to_latex(readable(table), note=note, digits=4)),
        write_text(folder / "results.json", json.dumps({"rows": rows, "away": away}, indent=1) + "\n"),
        *save_figure(plot(table, note), folder / "table_ii"),
    ]
    tell(readable(table).to_string())
    tell(f"Largest distance from the independent numbers: {away:.4f} points, tolerance {TOLERANCE}.")
    return {"rows": rows, "away": float(away), "files": [str(path) for path in written]}


def readable(table: Any) -> pd.DataFrame:
    """The columns that a reader wants, under names that explain themselves."""
    names = {
        "sd": "Sd", "persistence": "Persistence", "risk_aversion": "Risk aversion", **COLUMNS,
        "published_less_his": "Error of 1994", "his_less_fine": "Error of the chain", "chain_sd": "Sd of his chain",
        "chain_persistence": "Persistence of his chain",
    }  # fmt: skip
    return table[list(names)].rename(columns=names).set_index(["Sd", "Persistence", "Risk aversion"])


@journal_style()
def plot(table: Any, note: str = "") -> "Figure":
    """Net returns in every cell: panels by risk, groups by persistence, within them risk aversion 1, 3, 5."""
    figure, axes = panels(2, 2, PAGE, 2.4, note)
    for panel, (sd, rows) in zip(axes, table.groupby("sd"), strict=True):
        persistences = sorted(rows["persistence"].unique())
        place = rows["persistence"].map(persistences.index) * 4 + rows["risk_aversion"].map({1: 0, 3: 1, 5: 2})
        for (column, label), (gray, marker) in zip(COLUMNS.items(), choose(MARKERS, 3, "columns"), strict=True):
            open_face = "none" if marker in "o^s" else gray
            panel.plot(
                place, rows[column], marker=marker, color=gray, markerfacecolor=open_face, markersize=4,
                linestyle="none", label=label,
            )  # fmt: skip
        panel.axhline(100 * (1 / 0.96 - 1), color="0.6", linewidth=0.5, zorder=0)
        panel.set_xticks([4 * k + 1 for k in range(len(persistences))], [f"{value:g}" for value in persistences])
        panel.set_xlabel("Persistence; within it, risk aversion 1, 3, 5")
        panel.set_ylabel("Net return to capital (percent)")
        panel.set_title(rf"Standard deviation {sd:g}; line: $1/\beta - 1$")
    return finish(figure, axes[0])
