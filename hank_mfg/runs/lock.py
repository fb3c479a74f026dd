"""One writer in a folder: a lock file that names the process, released by the operating system when that ends.

The file, `.lock`, holds process id, host and time, and is locked with flock, so that whatever ends the process, kill -9
included, frees it: a file that is left over, but not locked, counts for nothing. Where the file system has no flock,
the process id decides on the same host; a file of another host is believed.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from hank_mfg.runs.seal import DamagedError

try:
    import fcntl
except ImportError:  # Windows: process ids decide
    fcntl = None

LOCK = ".lock"
_held: dict[Path, int] = {}  # by this process: how many times


class LockedError(DamagedError):
    """Another process writes into the folder; the message says which."""


@contextlib.contextmanager
def writing(folder: str | Path, wait: float = 0.0) -> Iterator[None]:
    """Be the only process that writes into a folder, which is made where it is missing; within one process, nested.

    Raises LockedError where another process is still writing after `wait` seconds.
    """
    folder = Path(folder).resolve()
    if folder in _held:
        _held[folder] += 1
        try:
            yield
        finally:
            _held[folder] -= 1
        return
    fresh = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    path, until = folder / LOCK, time.monotonic() + wait
    while (file := _take(path)) is None:
        if time.monotonic() >= until:
            raise LockedError(_refusal(folder, path))
        time.sleep(0.05)
    _held[folder] = 0
    try:
        yield
    finally:
        del _held[folder]
        path.unlink(missing_ok=True)
        os.close(file)
        if fresh:
            with contextlib.suppress(OSError):  # unless something was written
                folder.rmdir()


def _take(path: Path) -> int | None:
    """An open, locked file; None where another process has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        free = _flock(file)
        if free is None:
            free = not _runs(_owner(path))
        if not free or not path.exists() or os.fstat(file).st_ino != path.stat().st_ino:  # removed meanwhile: again
            os.close(file)
            return None if not free else _take(path)
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.write(file, (json.dumps(owner) + "\n").encode())
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(file)
        raise
    return file


def _flock(file: int) -> bool | None:
    """Whether the lock was free, and is taken; None where the file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _owner(path: Path) -> dict:
    try:
        owner = json.loads(path.read_text())
    except (OSError, ValueError):
        owner = {}
    return owner if isinstance(owner, dict) else {}


def _runs(owner: dict) -> bool:
    """Whether the process that a lock file names still runs, as far as this host can know."""
    if not owner:
        return False
    if owner.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(owner.get("pid", 0)), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _refusal(folder: Path, path: Path) -> str:
    owner = _owner(path)
    who = f"process {owner.get('pid', 'unknown')} on {owner.get('host', 'an unknown host')}"
    since = f" since {owner['since']}" if "since" in owner else ""
    return (
        f"{folder} is being written by {who}{since}: wait until it ends, or choose another folder; if no such process "
        f"runs, delete {path}."
    )
