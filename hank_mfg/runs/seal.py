"""Arrays in one file that carries its own checksum: an npz file, readable by numpy.load, with a seal at its end.

The seal is the comment of the zip archive, "hank-mfg sha256 " and the SHA-256 of every byte before it. Because it is
part of the file, a file is replaced together with its checksum: a process may be killed at any moment.
"""

import hashlib
import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from hank_mfg.errors import HankError

_LABEL = b"hank-mfg sha256 "
_SIZE = len(_LABEL) + 64
_END = struct.Struct("<4s4H2LH")  # the end of a zip archive; the last number is the length of its comment
_TEXT = "text/"


class DamagedError(HankError, ValueError):
    """A file that is not what was written; the message says which and in what way."""


def checksum(content: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def pack(arrays: dict[str, Any], texts: dict[str, str] | None = None) -> bytes:
    """Arrays, and texts, by name, as the bytes of a sealed npz file. The same content gives the same bytes."""
    buffer = io.BytesIO()
    written = {_TEXT + name: np.frombuffer(text.encode(), np.uint8) for name, text in (texts or {}).items()}
    np.savez(buffer, allow_pickle=False, **{name: np.asarray(value) for name, value in {**arrays, **written}.items()})
    content = buffer.getvalue()
    signature, *numbers = _END.unpack(content[-_END.size :])
    assert signature == b"PK\5\6" and numbers[-1] == 0
    content = content[: -_END.size] + _END.pack(signature, *numbers[:-1], _SIZE) + _LABEL
    return content + checksum(content).encode()


def is_sealed(content: bytes) -> bool:
    """Whether the bytes of a file end with a seal, right or wrong."""
    return re.fullmatch(_LABEL + b"[0-9a-f]{64}", content[-_SIZE:]) is not None


def unpack(path: Path, content: bytes, *, sealed: bool) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and texts of an npz file whose bytes were read from `path`.

    Raises DamagedError where the file is empty or is no npz file, where the seal does not fit, and, if it has to be
    `sealed`, where there is none.
    """
    if not content:
        raise DamagedError(f"{path} is empty")
    if sealed and not is_sealed(content):
        raise DamagedError(f"{path} is damaged: it was cut off, or another program wrote it")
    if is_sealed(content) and checksum(content[:-64]) != content[-64:].decode():
        raise DamagedError(f"{path} is damaged: its content has changed since it was written")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            data = dict(file)
    except (BadZipFile, ValueError, EOFError, KeyError, OSError, AttributeError, NotImplementedError, zlib.error) as e:
        raise DamagedError(f"{path} is damaged: it is no npz file ({e})") from e
    texts = {name.removeprefix(_TEXT): data.pop(name).tobytes().decode() for name in list(data) if _TEXT in name[:5]}
    return data, texts


def read(path: Path, *, sealed: bool) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and texts of an npz file, as `unpack`. Raises DamagedError where it is missing, too."""
    if not path.is_file():
        raise DamagedError(f"{path} is missing")
    return unpack(path, path.read_bytes(), sealed=sealed)
