"""The tables and figures of a posterior: posterior.csv and .tex, figures/posterior as PDF and PNG, one page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from hank_mfg.estimate.posterior.drawn import Drawn
from hank_mfg.estimate.posterior.posterior import Posterior
from hank_mfg.files import write_table
from hank_mfg.report.estimation_figures import plot_forecast, plot_historical_decomposition, plot_posterior
from hank_mfg.report.page import Page
from hank_mfg.report.provenance import add_provenance, column
from hank_mfg.report.style import save_figure
from hank_mfg.runs.manifest import into_run
from hank_mfg.wording import display_name


@into_run
def write_posterior_report(
    posterior: Drawn,
    folder: Path,
    *,
    html: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Every table and figure of a posterior; with `html` they are in one page too, posterior.html. Returns the paths.

    Figures are of priors against draws, and of a linear solution of the decomposition of the sample into shocks and of
    forecasts.
    """
    folder, table = Path(folder), posterior.table()
    shown = table.rename(index=display_name, columns=display_name).rename_axis("")
    drawn = _figures(posterior)
    written = write_table(folder / "posterior", table, shown)
    for name, figure in drawn.items():
        written += save_figure(figure, folder / "figures" / name)
    if html:
        written.append(_page(posterior, folder, shown, drawn).write(folder / "posterior.html"))
    for path in written:
        tell(f"Wrote {path}")
    return written


def _figures(posterior: Drawn) -> dict[str, Any]:
    priors = {"posterior": plot_posterior(posterior)} if posterior.draws else {}
    if not isinstance(posterior, Posterior):
        return priors
    decomposed = plot_historical_decomposition(posterior)
    return {**priors, "historical_decomposition": decomposed, "posterior_forecast": plot_forecast(posterior)}


def _page(posterior: Drawn, folder: Path, table: pd.DataFrame, drawn: dict[str, Any]) -> Page:
    likelihood = posterior.likelihood
    model = likelihood.model if hasattr(likelihood, "model") else likelihood.solution.model
    page = Page(
        f"{type(model).__name__}: a posterior of {', '.join(table.index).lower()}", f"Estimated: {posterior.sizes}."
    )
    page.section("Parameters").table(table)
    density = column(posterior.log_marginal_density(), "Log density of the data").rename_axis("")
    page.table(density, caption="Marginal density")
    if drawn:
        page.section("Figures")
    for name, figure in drawn.items():
        page.figure(name, figure)
    seconds = ", ".join(f"{each:.3g} for the {what}" for what, each in getattr(posterior, "seconds", {}).items())
    facts = {"Precision": posterior.precision, **({"Seconds": seconds} if seconds else {})}
    add_provenance(page, folder, model, facts, [])
    return page
