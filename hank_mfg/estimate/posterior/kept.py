"""Arrays of an estimation in files of a folder, each whole or not at all: the same call goes on with what is there."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from hank_mfg.estimate.errors import EstimationError
from hank_mfg.files import write_bytes


class Kept:
    """A folder of named arrays of one estimation, known by its `identity`; without a folder nothing is kept."""

    def __init__(self, folder: Path | None, identity: str):
        self.folder, self.identity = folder, identity

    def read(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays of a file; None where there is none. Raises EstimationError for a file of another estimation."""
        path = None if self.folder is None else self.folder / f"{name}.npz"
        if path is None or not path.is_file():
            return None
        try:
            with np.load(path) as file:
                arrays = {each: file[each] for each in file.files}
        except (OSError, ValueError, KeyError) as error:
            raise EstimationError(f"{path} cannot be read ({error}): delete it, and it is computed again.") from error
        if str(arrays.pop("identity", "")) != self.identity:
            raise EstimationError(
                f"{path.parent} holds another estimation (other data, model, priors or settings): give another folder, "
                "or the same arguments to go on."
            )
        return arrays

    def write(self, name: str, arrays: dict[str, Any]) -> None:
        """Write arrays, in place of what is there. Raises OSError where the disk refuses."""
        if self.folder is None:
            return
        buffer = io.BytesIO()
        every: dict[str, Any] = {"identity": np.asarray(self.identity), **arrays}
        np.savez(buffer, **every)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_bytes(self.folder / f"{name}.npz", buffer.getvalue())
