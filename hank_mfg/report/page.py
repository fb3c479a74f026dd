"""A report as one HTML file that needs no other: text, tables, and figures as SVG; readable without a network.

Figures are those that are saved as PDF and PNG, drawn by the same functions; a small script names the value under the
pointer, and without it the page is complete. The template is templates/page.html.
"""

import dataclasses
import html
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from hank_mfg.files import write_text
from hank_mfg.report.html_table import html_table
from hank_mfg.report.svg import inline_png, inline_svg, points_of
from hank_mfg.wording import display_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

TEMPLATE = Path(__file__).resolve().parents[1] / "templates" / "page.html"
MOST = 5 * 2**20  # bytes of a page
PIXELS = 125  # of an inch of a figure, where the window is wide enough


@dataclasses.dataclass
class _Picture:
    """One figure of a page, with the name of its file and its caption."""

    name: str
    caption: str
    figure: "Figure"

    def note(self) -> str:
        """What is written below the figure."""
        return " ".join(self.figure.get_supxlabel().split())

    def about(self) -> str:
        """The caption and the note."""
        return f"{self.caption}. {self.note()}".strip()


class Page:
    """A page with a `title` and a sentence on how things ended, to which sections are added in order."""

    def __init__(self, title: str, status: str):
        self.title, self.status = title, status
        self._sections: list[tuple[str, list[str | list[_Picture]]]] = []
        self._names: dict[str, int] = {}

    def section(self, heading: str) -> "Page":
        """Begin a section; what is added next belongs to it."""
        self._sections.append((heading, []))
        return self

    def text(self, words: str) -> None:
        """Add a paragraph."""
        self._add(f"<p>{html.escape(words)}</p>")

    def code(self, lines: Sequence[str]) -> None:
        """Add lines to be typed as they stand."""
        self._add(f"<pre>{html.escape(chr(10).join(lines))}</pre>")

    def table(self, frame: "pd.DataFrame", *, caption: str = "", note: str = "", digits: int = 4) -> None:
        """Add a table, as `html_table` writes it."""
        self._add(html_table(frame, caption=caption, note=note, digits=digits))

    def figure(self, name: str, figure: "Figure", caption: str = "") -> None:
        """Add a figure; `name` is that of its file, from which the caption is made unless it is given."""
        picture = _Picture(self._own(name), caption or display_name(name), figure)
        parts = self._sections[-1][1]
        if parts and isinstance(parts[-1], list):
            parts[-1].append(picture)
        else:
            parts.append([picture])

    def _add(self, part: str) -> None:
        self._sections[-1][1].append(part)

    def _own(self, name: str) -> str:
        """A name for identifiers that no other figure of the page has."""
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "figure"
        self._names[plain] = self._names.get(plain, 0) + 1
        return f"f-{plain}" if self._names[plain] == 1 else f"f-{plain}-{self._names[plain]}"

    def html(self, most: int = MOST) -> str:
        """The page, of at most so many bytes: where it would be larger, the largest figures are dots instead of SVG.

        Raises ValueError for a page that is too large with all of them as dots.
        """
        pictures = [
            picture for _, parts in self._sections for part in parts if isinstance(part, list) for picture in part
        ]
        drawn = {
            each.name: _shown(each, lambda each: inline_svg(each.figure, each.name, each.about())) for each in pictures
        }
        for picture in sorted(pictures, key=lambda each: len(drawn[each.name]), reverse=True):
            if len(self._assembled(drawn).encode()) <= most:
                break
            dots = _shown(picture, lambda each: inline_png(each.figure, each.about()))
            drawn[picture.name] = min(drawn[picture.name], dots, key=len)
        page = self._assembled(drawn)
        if len(page.encode()) > most:
            raise ValueError(
                f"The page {self.title!r} has {len(page.encode()) / 2**20:.1f} MiB, more than {most / 2**20:g}: draw "
                "fewer figures, or read those in the folder figures."
            )
        return page

    def _assembled(self, drawn: dict[str, str]) -> str:
        body, links = [], []
        for place, (heading, parts) in enumerate(self._sections, 1):
            links.append(f'<a href="#section-{place}">{html.escape(heading)}</a>')
            body.append(f'<h2 id="section-{place}">{html.escape(heading)}</h2>')
            for part in parts:
                pictures = part if isinstance(part, list) else []
                figures = "\n".join(drawn[picture.name] for picture in pictures)
                body.append(part if isinstance(part, str) else f'<div class="figures">\n{figures}\n</div>')
        words = {"title": html.escape(self.title), "status": html.escape(self.status)}
        contents = f"<nav>{chr(10).join(links)}</nav>" if len(links) > 1 else ""
        template = Template(TEMPLATE.read_text(encoding="utf-8"))
        return template.substitute(words, contents=contents, body="\n".join(body))

    def write(self, path: Any) -> Path:
        """Write the page, complete or not at all; returns the path. Raises OSError where the disk refuses."""
        return write_text(path, self.html())


def _shown(picture: _Picture, draw: Callable[[_Picture], str]) -> str:
    """A figure with its caption, the points of its lines, and its note, which is shown as text where the page is narrow
    and the figure therefore small."""
    drawn, points = draw(picture), points_of(picture.figure)
    data = f'\n<script type="application/json">{points}</script>' if json.loads(points) else ""
    width = round(PIXELS * float(picture.figure.get_size_inches()[0]))
    caption = f"<figcaption>{html.escape(picture.caption)}</figcaption>"
    note = f'\n<p class="note about">{html.escape(picture.note())}</p>' if picture.note() else ""
    return f'<figure style="width: {width}px">\n{caption}\n{drawn}{note}{data}\n</figure>'
