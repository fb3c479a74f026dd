"""How the documentation site is built: `make docs` writes it to docs/_build/html, without a network."""

import inspect
import itertools
import re
from importlib import metadata
from pathlib import Path

import hank_mfg as hm

DOCS = Path(__file__).parent
TOP = DOCS.parent

project, author, copyright = "hank_mfg", "hank_mfg contributors", "hank_mfg contributors"
version = release = metadata.version("hank-mfg")
extensions = [
    "myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design",
    "sphinxcontrib.bibtex",
]  # fmt: skip
root_doc = "contents"
exclude_patterns = ["_build", "jupyter_execute", "notebooks/.ipynb_checkpoints", "notebooks/*.md"]
suppress_warnings = ["myst.header", "misc.highlighting_failure"]

myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # outputs are kept in the notebooks: run_notebooks.py
bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

autodoc_typehints = "none"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
default_role = "literal"
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_title = "hank_mfg"
html_static_path: list[str] = []
html_show_sphinx = html_show_sourcelink = False
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True, "use_download_button": False}
copybutton_prompt_text = r">>> |\$ "
copybutton_prompt_is_regexp = True

LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
PAGES = {TOP / f"{name}.md": f"about/{name.lower()}" for name in ("README", "DECISIONS", "CHANGELOG", "CONTRIBUTING")}


def copy_outside_pages() -> None:
    """Pages at the top of the repository become pages of the site."""
    (DOCS / "about").mkdir(exist_ok=True)
    for page, name in PAGES.items():
        (DOCS / f"{name}.md").write_text(page.read_text())


def inside(app, docname: str, source: list[str]) -> None:
    """Links to pages lead to the site's; links to other files of the repository become their names."""
    here, up = TOP if docname.startswith("about/") else (DOCS / docname).parent, "../" * docname.count("/")

    def to_site(found: re.Match[str]) -> str:
        text, target, anchor = found.group(1), found.group(2), found.group(3) or ""
        path = (here / target).resolve()
        if path in PAGES:
            return f"[{text}]({up}{PAGES[path]}.md{anchor})"
        if path.is_file() and path.is_relative_to(DOCS):
            return f"[{text}]({up}{path.relative_to(DOCS)}{anchor})"
        name = str(path.relative_to(TOP))
        return f"`{name}`" if text.strip("`/") in name else f"{text} (`{name}`)"

    if not docname.startswith("api/"):
        source[0] = LINK.sub(to_site, source[0])


def write_api() -> None:
    """One page for each group of public names, as docs/index.md groups them."""
    folder = DOCS / "api"
    folder.mkdir(exist_ok=True)
    text = (DOCS / "index.md").read_text().split("## All names", 1)[1]
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        names = re.findall(r"^\| `([\w.]+)`", body, flags=re.MULTILINE)
        page = re.sub(r"\W+", "_", title.strip().lower())
        lines = [f"# {title.strip()}", ""]
        for name in names:
            lines += ["```{eval-rst}", *directive(name), "```", ""]
        (folder / f"{page}.md").write_text("\n".join(lines))


def directive(name: str) -> list[str]:
    """The lines that document a public name."""
    found = hm
    for part in name.split("."):
        found = getattr(found, part)
    if inspect.ismodule(found):
        return [f".. automodule:: hank_mfg.{name}", "   :members:", "   :imported-members:"]
    kind = "autoclass" if inspect.isclass(found) else "autofunction" if callable(found) else "autodata"
    members = ["   :members:"] if kind == "autoclass" and not issubclass(found, Exception) else []
    return [f".. {kind}:: hank_mfg.{name}", *members]


def plain(app, what, name, thing, options, lines: list[str]) -> None:
    """Docstrings are plain text with `names`: nothing else in them is markup, indented lines are kept as they are."""
    out: list[str] = []
    for kept, block in itertools.groupby(lines, lambda line: line.startswith("    ")):
        if kept:
            out += ["", ".. code-block:: text", "", *block, ""]
        else:
            pieces = re.split(r"(`[^`]+`)", "\n".join(block))
            out += "".join(
                f"``{' '.join(piece[1:-1].split())}``" if place % 2 else re.sub(r"([*_|\\`])", r"\\\1", piece)
                for place, piece in enumerate(pieces)
            ).split("\n")
    lines[:] = out


def skip(app, what, name, thing, skipped: bool, options) -> bool | None:
    """Fields without a text of their own are explained in that of their class."""
    documented = inspect.isroutine(thing) or isinstance(thing, property | classmethod | staticmethod)
    return None if documented else True


copy_outside_pages()
write_api()


def setup(app) -> None:
    """Called by Sphinx."""
    app.connect("source-read", inside)
    app.connect("autodoc-process-docstring", plain)
    app.connect("autodoc-skip-member", skip)
