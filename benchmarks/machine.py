"""What every benchmark writes beside its numbers: the machine, the versions, the commit; and where results go.

A result is one JSON file in benchmarks/results/: NAME.json from a CPU, NAME.gpu.json from a GPU. Results of `--quick`
end in .quick.json: they show that a script works and are neither comparable nor kept by git. Whole solves are timed
here as well, in processes of their own, on the same device.
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hank_mfg import machine
from hank_mfg.files import write_text
from hank_mfg.runs.storage import versions

ROOT = Path(__file__).resolve().parents[1]
# sizes of `--quick` solves: they show that a script works
TINY = {"asset_points": 60, "updates": 4, "paths": 2, "horizon": 10, "knots": 10, "warmup": 20, "learning_rate": 1e-4}
RESULTS = Path(__file__).resolve().parent / "results"


def describe_machine() -> dict[str, Any]:
    """The machine as `hank-mfg doctor` shows it, package versions, date and git commit."""
    return {
        **machine.describe_machine(),
        "versions": versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


def repetitions(count: int) -> int:
    """How often to repeat what takes long: `count` times on a CPU, once on an accelerator, whose time is dear."""
    return count if jax.default_backend() == "cpu" else 1


def write_result(name: str, content: dict[str, Any]) -> Path:
    """Write benchmarks/results/NAME.json, complete or not at all, and return its path.

    `content` must say in which `precision` its numbers were made and hold the `machine` of `describe_machine`, taken
    before the work began. Arrays become lists; a number that is not finite becomes null, because JSON has none.
    Raises ValueError when either is missing.
    """
    missing = [key for key in ("machine", "precision") if key not in content]
    if missing:
        raise ValueError(f"The result '{name}' does not say its {' and '.join(missing)}: add it to the content.")
    text = json.dumps(_plain({"benchmark": name, **content}), indent=2, allow_nan=False)
    return write_text(RESULTS / f"{name}.json", text + "\n")


def kept_solution(path: Path, model: Any, solve: Callable[[], Any]) -> tuple[Any, float | None]:
    """What `solve()` gives, kept at `path` (.npz) with the seconds it took beside it, or what is kept there already;
    None for seconds that are not known."""
    import hank_mfg as hm

    took = path.with_suffix(".json")
    if path.is_file():
        return hm.load(path, model), json.loads(took.read_text()) if took.is_file() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    solution = solve()
    seconds = time.perf_counter() - begin
    hm.save(solution, path)
    write_text(took, json.dumps(seconds))
    return solution, seconds


def command(*arguments: str, cache: Path) -> dict:
    """One `hank-mfg ... --json` in a process of its own: what it printed, and seconds of wall clock and processor."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "hank_mfg.cli.main", *arguments, "--json"],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        raise RuntimeError(f"hank-mfg {' '.join(arguments)} ended with status {done.returncode}: {done.stderr.strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "seconds_processor": processor, "printed": json.loads(done.stdout)}


def time_solves(model: str, folder: Path, options: list[str], once: bool) -> tuple[dict, Path, Path]:
    """Solve with an empty cache, then with the last one: timings, the last cold run, its cache."""
    cold, warm = (1, 1) if once else (repetitions(3), repetitions(2))
    runs = []
    for number in range(cold + warm):
        cache = folder / f"cache_{min(number, cold - 1)}"
        run = folder / f"run_{number}"
        progress(f"solve {model}, {number + 1} of {cold + warm}, {'cold' if number < cold else 'warm'} cache")
        made = command("solve", model, "--out", str(run), *options, cache=cache)
        runs.append({"cache": "cold" if number < cold else "warm", **made})
    timings = {"runs": runs, "same_objective": len({run["printed"]["objective"] for run in runs}) == 1}
    for kind in ("cold", "warm"):
        chosen = [run for run in runs if run["cache"] == kind]
        timings[kind] = {
            "seconds": statistics.median(run["seconds"] for run in chosen),
            "seconds_processor": statistics.median(run["seconds_processor"] for run in chosen),
            "seconds_compile": statistics.median(run["printed"]["seconds_compile"] for run in chosen),
            "seconds_train": statistics.median(run["printed"]["seconds_train"] for run in chosen),
        }
    return timings, folder / f"run_{cold - 1}", folder / f"cache_{cold - 1}"


def run_benchmark(name: str, about: str, measure: Callable[[bool], dict[str, Any]]) -> None:
    """Read --quick from the command line, measure, write the result, print its table.

    What an accelerator measured is kept beside what a CPU did: JAX's name of the default backend joins the file's.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that the script works")
    quick = parser.parse_args().quick
    machine = describe_machine()
    content = {"quick": quick, "machine": machine, **measure(quick)}
    backend = jax.default_backend()
    kind = ".quick" if quick else "" if backend == "cpu" else f".{backend}"
    path = write_result(name + kind, content)
    print_table(content["table"])
    print(f"Wrote {path.relative_to(ROOT)}", file=sys.stderr)


def print_table(rows: list[dict[str, Any]]) -> None:
    """Rows with the same keys as aligned text on standard output."""
    if not rows:
        return
    cells = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(cells[0]))]
    for line in cells:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def progress(text: str) -> None:
    """One line on standard error: which measurement is under way."""
    print(text, file=sys.stderr, flush=True)


def timed(what: str, function: Callable[[], Any], repeats: int) -> tuple[Any, dict]:
    """The result, the seconds of the first call (which compiles) and the median and least of the later ones."""
    progress(what)
    seconds, found = [], None
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        found = jax.block_until_ready(function())
        seconds.append(time.perf_counter() - begin)
    later = seconds[1:]
    return found, {"what": what, "first": seconds[0], "median": statistics.median(later), "least": min(later)}


def _text(value: Any) -> str:
    if value is None:
        return "--"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return _plain(np.asarray(value).tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _commit() -> str | None:
    """The commit of the checkout, with "+changes" where tracked files differ from it."""
    commit = machine.output_of("git", "rev-parse", "HEAD", folder=ROOT)
    if commit and machine.output_of("git", "status", "--porcelain", "--untracked-files=no", folder=ROOT):
        commit += "+changes"
    return commit
