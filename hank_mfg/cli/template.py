"""Write the example that a model of your own starts from."""

import os
import tempfile
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / "templates" / "model.py"


def write_template(path: str | Path) -> Path:
    """Write a complete, commented, runnable model file to `path` and return it.

    The file is complete from the moment that it exists, and an existing one is never touched. Raises ValueError for a
    name that does not end in .py, a folder that does not exist, and a file that does.
    """
    path = Path(path).expanduser()
    if path.suffix != ".py":
        raise ValueError(f"{path} does not end in .py: give the new model file a name such as my_model.py.")
    if not path.parent.is_dir():
        raise ValueError(f"{path} lies in a folder that does not exist: create {path.parent} first.")
    taken = ValueError(f"{path} exists and is left as it is: choose another name, or delete the file first.")
    if path.exists():
        raise taken
    text = EXAMPLE.read_text(encoding="utf-8").replace("MY_MODEL", path.stem)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as draft:
        draft.write(text)
    try:
        os.chmod(draft.name, 0o666 & ~_umask())
        os.link(draft.name, path)  # fails where the file has appeared meanwhile
    except FileExistsError as error:
        raise taken from error
    except OSError:  # a file system without hard links
        os.replace(draft.name, path)
    finally:
        Path(draft.name).unlink(missing_ok=True)
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
