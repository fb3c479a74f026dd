"""The page of a comparison of methods: responses side by side, gaps, and how accurate each method is."""

from pathlib import Path
from typing import TYPE_CHECKING

from hank_mfg.evaluate.accuracy_table import NAMES
from hank_mfg.evaluate.compare import Comparison
from hank_mfg.evaluate.compare_tables import gaps_shown, methods_shown
from hank_mfg.report.page import Page
from hank_mfg.report.provenance import add_limits, add_provenance
from hank_mfg.runs.manifest import holds_run
from hank_mfg.runs.repeating import run_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison_page(comparison: Comparison, status: str, figure: "Figure", folder: Path) -> Page:
    """The page of a comparison whose figure is drawn; `status` says in a sentence how far methods are apart, and
    `folder` may hold the run of the economy that is compared."""
    page = Page(f"Responses to {comparison.shock.replace('_', ' ')}, method by method", status)
    page.section("Responses").figure("compare", figure, "Responses, and their gaps to the linear one")
    frame, note = gaps_shown(comparison)
    page.section("Gaps to the linear response").table(frame, note=note, digits=3)
    frame, note = methods_shown(comparison)
    page.section("Methods and their accuracy").table(frame, note=note, digits=3)
    add_limits(page, {name for name, text in NAMES.items() if text in frame.index and frame.loc[text].notna().any()})
    sizes = " ".join(f"--size {size:g}" for size in comparison.sizes)
    command = f"hank-mfg compare {run_name(folder)} --shock {comparison.shock} {sizes} --horizon {comparison.horizon}"
    commands = [f"{command} --html"] if holds_run(folder) else []
    add_provenance(page, folder, None, {"Sizes and samples": comparison.note}, commands)
    return page
