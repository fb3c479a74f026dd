"""Execute the notebooks of docs/notebooks: NAME.md is the source, NAME.ipynb the same cells with their outputs.

    python docs/run_notebooks.py aiyagari tax_reform    # these; all of them where none is named
    python docs/run_notebooks.py --prose aiyagari       # the Markdown of its source alone, where no code has changed
    HANK_MFG_SMOKE=1 python docs/run_notebooks.py       # small sizes: the cells are run and nothing is written

A source is text: a header between two lines `---`, then Markdown, and code between a line that begins with
"```{code-cell}" and a line "```". A line `+++` ends a cell of Markdown; lines `:tags: [hide-cell]` at the top of a
cell of code are its tags. Cells run in a temporary folder with links to calibration/, so that what they write is gone
afterwards.
"""

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path

DOCS = Path(__file__).resolve().parent
FOLDER = DOCS / "notebooks"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def read_cells(source: Path) -> list[dict]:
    """The cells of a source, each with cell_type, metadata and source, without outputs."""
    _, _, text = source.read_text().split("---\n", 2)
    cells: list[dict] = []
    for number, part in enumerate(re.split(r"^```\{code-cell\}[^\n]*\n(.*?)^```\n", text, flags=re.M | re.S)):
        if number % 2:
            tags = re.match(r":tags: \[(.*)\]\n", part)
            found = {"tags": re.split(r",\s*", tags.group(1))} if tags else {}
            cells.append(
                {"cell_type": "code", "metadata": found, "source": part[tags.end() if tags else 0 :].strip("\n")}
            )
        else:
            words = [each.strip("\n") for each in re.split(r"^\+\+\+$", part, flags=re.M)]
            cells += [{"cell_type": "markdown", "metadata": {}, "source": each} for each in words if each]
    return cells


def execute(source: Path) -> dict:
    """The notebook of a source, run from the first cell to the last by a kernel of its own."""
    import nbformat
    from nbclient import NotebookClient

    cells = [
        {
            "id": f"cell-{number}",
            **cell,
            **({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {}),
        }
        for number, cell in enumerate(read_cells(source))
    ]
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook = nbformat.from_dict({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})
    with tempfile.TemporaryDirectory() as top:
        (Path(top) / "calibration").symlink_to(DOCS.parent / "calibration")
        here = Path(top) / "docs" / "notebooks"
        here.mkdir(parents=True)
        options = {"timeout": None, "record_timing": False, "coalesce_streams": True}
        NotebookClient(notebook, resources={"metadata": {"path": str(here)}}, **options).execute()
    notebook["metadata"] = metadata
    return notebook


def with_prose(source: Path) -> dict:
    """The notebook as it is, with the Markdown and the tags of its source. Raises ValueError where code differs."""
    notebook, cells = json.loads(source.with_suffix(".ipynb").read_text()), read_cells(source)
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    done = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if code != ["".join(cell["source"]) for cell in done]:
        raise ValueError(f"{source.stem}: its code has changed since it was run: run it without --prose.")
    outputs = iter(done)
    kept = [{**next(outputs), **cell} if cell["cell_type"] == "code" else cell for cell in cells]
    return {**notebook, "cells": [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(kept)]}


def write(notebook: dict, path: Path) -> None:
    """As a text file with one line per line of source, in the order of keys of Jupyter."""
    path.write_text(json.dumps(lines(notebook), indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def lines(part):
    """The same with every `source` and `text` as a list of lines."""
    if isinstance(part, list):
        return [lines(each) for each in part]
    if not isinstance(part, dict):
        return part
    texts = {"source", "text", "text/plain", "text/html"}
    return {
        name: each.splitlines(keepends=True) if name in texts and isinstance(each, str) else lines(each)
        for name, each in part.items()
    }


def main() -> None:
    """Run the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description="Execute the notebooks of docs/notebooks and keep their outputs.")
    parser.add_argument("names", nargs="*", help="sources without .md; all unless given")
    parser.add_argument("--prose", action="store_true", help="run nothing; take over the Markdown of sources")
    given = parser.parse_args()
    for name in given.names or sorted(path.stem for path in FOLDER.glob("*.md")):
        began = time.perf_counter()
        notebook = (with_prose if given.prose else execute)(FOLDER / f"{name}.md")
        if "HANK_MFG_SMOKE" not in os.environ:
            write(notebook, FOLDER / f"{name}.ipynb")
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
