"""Files that are never left half written: a reader sees the old content or the new one."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hank_mfg.errors import HankError

if TYPE_CHECKING:
    import pandas as pd


def write_bytes(path: str | os.PathLike, content: bytes) -> Path:
    """Write a file so that a reader sees the old content or the new, never a part: same folder, then `os.replace`.

    Missing folders are created. Returns the path. Raises OSError when the disk refuses; no temporary file stays behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with refused(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


class WriteError(HankError, OSError):
    """A file that the disk refused; the message names the file, the reason and a cure."""

    def __str__(self) -> str:
        return str(self.args[1])


@contextlib.contextmanager
def refused(path: Path) -> Iterator[None]:
    """Name the file in what the disk says against writing it."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        cure = "free some space there" if full else "check the folder and its permissions"
        raise WriteError(
            error.errno,
            f"{path} could not be written ({error.strerror or error}): {cure}; what was saved before is whole.",
        ) from error


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Write text as UTF-8 by `write_bytes`: complete or not at all. Returns the path; raises OSError."""
    return write_bytes(path, text.encode("utf-8"))


def as_latex(frame: "pd.DataFrame", path: str | os.PathLike | None = None, **options: Any) -> str:
    """A table as LaTeX source, by `hank_mfg.latex.to_latex` with its `options`; also written to `path` where given.

    Every result that has a `table()` has a `to_latex(path)` that calls this, `latex_of` where
    nothing is added. Raises OSError where the disk refuses.
    """
    from hank_mfg.latex import to_latex

    return also_written(to_latex(frame, **options), path)


def latex_of(result: Any, path: str | os.PathLike | None = None, **options: Any) -> str:
    """The table as LaTeX (booktabs), also written to `path` where given; `options` of `hank_mfg.latex.to_latex`."""
    return as_latex(result.table(), path, **options)


def write_table(stem: Path, frame: "pd.DataFrame", shown: "pd.DataFrame | None" = None, **options: Any) -> list[Path]:
    """Write STEM.csv, the numbers of `frame`, and STEM.tex, what is `shown` of it, by `to_latex` with its `options`."""
    text = as_latex(frame if shown is None else shown, **options)
    return [write_text(f"{stem}.csv", frame.to_csv()), write_text(f"{stem}.tex", text)]


def also_written(text: str, path: str | os.PathLike | None) -> str:
    """The text, which is also written to `path` where one is given. Raises OSError where the disk refuses."""
    if path is not None:
        write_text(path, text)
    return text
