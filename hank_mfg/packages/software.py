"""The software of a package: a copy of this library, the exact versions of what it imports, and its license."""

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from hank_mfg.model.model_files import shipped_folder

LIBRARY = Path(__file__).resolve().parents[1]
NAME = "hank-mfg"
DIRECT = (  # what the library imports itself
    "jax", "equinox", "optax", "numpy", "scipy", "quantecon", "interpax", "jaxtyping", "pandas", "matplotlib", "pillow",
    "typer", "rich", "lazy-loader", "threadpoolctl",
)  # fmt: skip
ACCELERATORS = ("jax-cuda", "nvidia-")  # distributions that JAX finds by itself where they are installed


def library_files() -> dict[str, Path]:
    """The files of the library and of its shipped economies by their paths in the folder software/."""
    found = _files(LIBRARY, "hank_mfg", (".py", ".pyi", ".json", ".md", ".txt", ".sh", ".cff", ".lock"))
    for folder in ("models", "calibration"):
        found |= _files(shipped_folder(folder), f"hank_mfg/gallery/{folder}", (".py", ".toml", ".csv", ".md", ".txt"))
    return found


def _files(folder: Path, name: str, kinds: tuple[str, ...]) -> dict[str, Path]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    kept = [path for path in files if path.suffix in kinds or path.name == "Dockerfile"]
    return {f"{name}/{path.relative_to(folder).as_posix()}": path for path in kept}


def license_text() -> str:
    """The license of the library: the file beside it in a checkout or a package, or the one installed with it."""
    beside = LIBRARY.parent / "LICENSE"
    if beside.is_file() and "hank_mfg contributors" in (text := beside.read_text("utf-8")):
        return text
    try:
        found = [path for path in metadata.files(NAME) or [] if path.name == "LICENSE"]
    except metadata.PackageNotFoundError:
        found = []
    return (
        found[0].read_text("utf-8")
        if found
        else "The license of hank_mfg is MIT; its text was not installed with it.\n"
    )


def installed(accelerator: bool) -> dict[str, str]:
    """The distributions that the library imports, directly and through others, with their versions; with `accelerator`
    also those by which JAX computes on one."""
    found: dict[str, str] = {}
    waiting: list[str] = list(DIRECT)
    if accelerator:
        names = {canonical(each.metadata["Name"] or "") for each in metadata.distributions()}
        waiting += [name for name in names if name.startswith(ACCELERATORS)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:  # for another system or version of Python
                continue
            waiting += _required(name)
    return dict(sorted(found.items()))


def canonical(name: str) -> str:
    """The name of a distribution in the form in which all spellings are the same."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _required(name: str) -> list[str]:
    """The distributions that one requires, those of its extras aside."""
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        lines = []
    plain = [line for line in lines if not re.search(r";.*\bextra\s*==", line)]
    names = [re.match(r"[A-Za-z0-9._-]+", line) for line in plain]
    return [canonical(each[0]) for each in names if each is not None]


def lock_text(recorded: Mapping[str, set[str]], accelerator: bool) -> str:
    """requirements.lock: of every distribution the version that the runs recorded, where all recorded the same one,
    otherwise the one that is installed, each line saying which."""
    lines = [
        "# Exact versions of everything that the software in software/ imports.",
        "# recorded: the version that the runs were solved with; installed: that of the machine on which this package "
        "was",
        "# made, because the runs do not record it.",
    ]
    for name, version in installed(accelerator).items():
        known = recorded.get(name, set())
        if len(known) == 1:
            lines.append(f"{name}=={min(known)}  # recorded")
        elif known:
            lines.append(f"{name}=={version}  # installed; the runs recorded {', '.join(sorted(known))}")
        else:
            lines.append(f"{name}=={version}  # installed")
    return "\n".join(lines) + "\n"
